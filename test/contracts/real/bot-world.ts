import { rm } from 'node:fs/promises';
import type { BuiltNetcheck, Running } from '../../commands/built-netcheck.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { startSshNode, writeConfig } from '../../fakes/ssh-node.ts';
import { type LoopbackRedis, startLoopbackRedis } from './loopback-redis.ts';
import { freePort } from './loopback-sshd.ts';

/** Real `netcheck` processes with a real Redis, a practice Slack, and two nodes behind a real SSH protocol. */
export interface BotWorld {
  readonly slack: FakeSlack;
  readonly redis: LoopbackRedis;
  bot(...args: readonly string[]): Running;
  /** A bot with another environment. */
  botWith(env: Readonly<Record<string, string>>): Running;
  readonly httpPort: number;
  /** Where netcheck.yaml and its data are. */
  readonly folder: string;
  /** Ends every SSH connection with a RST. */
  cutSsh(): void;
  worker(env?: Readonly<Record<string, string>>): Running;
  /** Ends all of it; the processes must have ended before. */
  close(): Promise<void>;
  /** Resolves when a run has begun to probe. The probe hangs until it is given up where `hold` said so. */
  readonly probing: (count: number) => Promise<void>;
  /** Answers to people, wherever they are. */
  answers(): readonly FakeMessage[];
  /** Resolves when the queue has recorded so many runs as done: nobody will begin them again. */
  recorded(count: number): Promise<unknown>;
}

/**
 * @param onProbe  told of every probe as it begins, counted from 1; `'hang'`: it never ends by itself
 * @param config  further keys of netcheck.yaml
 */
export async function startBotWorld(
  netcheck: BuiltNetcheck,
  onProbe: (count: number) => 'hang' | void = () => undefined,
  config: Readonly<Record<string, unknown>> = {},
): Promise<BotWorld> {
  const slack = await startFakeSlack();
  const redis = await startLoopbackRedis();
  let probes = 0;
  const waiting = new Set<() => void>();
  const node = await startSshNode((command) => {
    if (!command.includes('/dev/tcp')) return undefined;
    probes++;
    const what = onProbe(probes);
    for (const look of waiting) look();
    return what === 'hang' ? { hangs: true } : undefined;
  });
  const httpPort = await freePort();
  const folder = await writeConfig(
    { 'node-50': { server: node }, 'node-12': { server: node } },
    { defaults: { budget: { wall: '30s', window: '2s' } }, slack: { httpPort }, ...config },
  );
  const env = {
    REDIS_URL: redis.url,
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_APP_TOKEN: slack.appToken,
    SLACK_API_URL: slack.url,
  };
  return {
    async close() {
      await Promise.all([slack.close(), redis.stop(), node.stop(), rm(folder, { recursive: true, force: true })]);
    },
    slack,
    redis,
    httpPort,
    folder,
    cutSsh: () => node.cut(),
    bot: (...args) => netcheck.start(['bot', ...args], { cwd: folder, env, withinMs: 120_000 }),
    botWith: (other) => netcheck.start(['bot'], { cwd: folder, env: { ...env, ...other }, withinMs: 120_000 }),
    worker: (other = {}) => netcheck.start(['worker'], { cwd: folder, env: { ...env, ...other }, withinMs: 120_000 }),
    probing: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (probes < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    answers: () => slack.world.messages().filter(isAnswer),
    recorded: (count) =>
      redis.until(
        (client) => client.zcard('{netcheck}:runs:completed'),
        (done) => done >= count,
      ),
  };
}

/** The final message of a run. */
export const isAnswer = (message: FakeMessage): boolean => message.metadata?.['event_type'] === 'netcheck_answer';
