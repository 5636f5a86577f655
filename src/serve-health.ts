import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import type { AnsweredRoute } from './adapters/http/serve-http.ts';
import type { SlackSender } from './adapters/slack/slack-sender.ts';
import { NetcheckError } from './model/errors.ts';
import { createReadiness, type ReadinessCheck } from './readiness.ts';

/** Whether a process lives; `why` is a sentence about what only a restart can mend. */
export interface ProcessHealth {
  readonly healthy: boolean;
  readonly why?: string;
}

/**
 * `NETCHECK_HEALTH_PORT`: where a worker answers health checks (set in docker-compose.yml). Absent or empty: nowhere,
 * so that any number of workers can run side by side on one machine.
 *
 * @throws NetcheckError `config/invalid` where it is no port
 */
export function healthPortOf(environment: NodeJS.ProcessEnv): number | undefined {
  const text = environment['NETCHECK_HEALTH_PORT'];
  if (text === undefined || text === '') return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new NetcheckError(
    'config/invalid',
    `NETCHECK_HEALTH_PORT is not a port: "${text.slice(0, 20)}".`,
    'Set it to a number from 1 to 65535, or leave it unset.',
  );
}

/** Guessing a shorter one is not hopeless. */
const minTokenCharacters = 16;

/**
 * A token that requests to one of our paths must carry; undefined where there is none, and then no such path.
 *
 * @throws NetcheckError `config/invalid` where it could be guessed or cannot stand in a header
 */
export function httpTokenOf(
  environment: NodeJS.ProcessEnv,
  name: 'NETCHECK_ALERT_TOKEN' | 'NETCHECK_METRICS_TOKEN',
): string | undefined {
  const token = environment[name];
  if (token === undefined || token === '') return undefined;
  if (token.length >= minTokenCharacters && /^[\x21-\x7e]{1,500}$/.test(token)) return token;
  throw new NetcheckError(
    'config/invalid',
    `${name} cannot be used: it needs ${minTokenCharacters} to 500 printable characters without blanks.`,
    'Make one with: openssl rand -hex 32',
  );
}

/**
 * `/healthz`: 200 with the health as JSON while the process lives (an answer at all says that its event loop turns).
 * `/readyz`: 200 or 503 with every check, what it found and since when.
 */
export function healthRoutes(alive: () => ProcessHealth, checks: readonly ReadinessCheck[]): readonly AnsweredRoute[] {
  const readiness = createReadiness(checks);
  return [
    {
      method: 'GET',
      path: '/healthz',
      answer: () => {
        const health = alive();
        return Promise.resolve({ status: health.healthy ? 200 : 503, body: health });
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      async answer() {
        const body = await readiness();
        return { status: body.ready ? 200 : 503, body };
      },
    },
  ];
}

/** What both bot and worker need: the queue, and a Slack that takes what they say. */
export function readinessChecks(
  queue: Pick<QueueAdapter, 'health'>,
  sender: Pick<SlackSender, 'prove'>,
): readonly ReadinessCheck[] {
  return [
    {
      name: 'redis',
      async look() {
        // Without a version Redis did not answer; settings that are merely unsafe keep nobody from working.
        const { version, problems } = await queue.health();
        return version === null ? { ok: false, why: problems.join(' ') } : { ok: true, detail: { version } };
      },
    },
    {
      name: 'slack',
      async look() {
        const proof = await sender.prove();
        return proof.ok
          ? { ok: true, detail: { provedBy: proof.method, provedAt: new Date(proof.atMs).toISOString() } }
          : { ok: false, why: proof.why };
      },
    },
  ];
}
