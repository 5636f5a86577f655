import { createServer } from 'node:http';
import { NetcheckError } from './model/errors.ts';

/** Whether a process can do its work; `why` is a sentence about what keeps it from that. */
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

/**
 * Answers `GET /healthz` with 200 or 503 and the health as JSON, as the bot does. An answer at all says that the event
 * loop turns.
 *
 * @param port   0: any free one
 * @param check  must not reject
 * @throws NetcheckError `config/invalid` where the port cannot be listened on
 */
export async function serveHealth(
  port: number,
  check: () => Promise<ProcessHealth>,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') {
      response.writeHead(404).end();
      return;
    }
    void check().then((health) => {
      response.writeHead(health.healthy ? 200 : 503, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(health)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, resolve);
  }).catch((cause: unknown) => {
    throw new NetcheckError(
      'config/invalid',
      `Health checks cannot be answered on port ${port}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Set NETCHECK_HEALTH_PORT to a free port, or leave it unset.',
      { cause },
    );
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
