import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** A redis-server of a test: behind a unix socket, with an append-only file, as it stands in production. */
export interface LoopbackRedis {
  /** `REDIS_URL` */
  readonly url: string;
  /** The path of its socket. */
  readonly socket: string;
  /** As by the kernel: SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** It stays there and says nothing more; `thaw` lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Starts it again with what is in its file. */
  start(): Promise<void>;
  /** Asks it on a connection of its own; polls until the answer is as wanted. Rejects after 60 s. */
  until<Answer>(ask: (client: Redis) => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer>;
  stop(): Promise<void>;
}

/** Why there can be none here, or undefined. */
export function whyNoRedis(): string | undefined {
  const found = (process.env['PATH'] ?? '').split(path.delimiter).some((directory) => {
    try {
      accessSync(path.join(directory, 'redis-server'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return found ? undefined : 'redis-server is not installed';
}

/**
 * Starts one and waits until it answers.
 *
 * @param further options of redis-server
 */
export async function startLoopbackRedis(further: readonly string[] = []): Promise<LoopbackRedis> {
  const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-redis-'));
  const socket = path.join(directory, 'redis.sock');
  const kept = ['--unixsocket', socket, '--dir', directory, '--appendonly', 'yes', '--save', ''];
  const args = ['--port', '0', ...kept, ...further];
  let child: ChildProcess | undefined;

  const until: LoopbackRedis['until'] = async (ask, wanted) => {
    const client = new Redis({ path: socket, retryStrategy: () => 50, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    try {
      for (const end = Date.now() + 60_000; Date.now() < end; await delay(50)) {
        const answer = await ask(client);
        if (wanted(answer)) return answer;
      }
      throw new Error(`Redis never said what was wanted of ${String(ask)}`);
    } finally {
      client.disconnect();
    }
  };
  const start = async (): Promise<void> => {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    await until(
      (client) => client.ping().catch(() => ''),
      (answer) => answer === 'PONG',
    );
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    url: `unix:${socket}`,
    socket,
    kill,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    start,
    until,
    async stop() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
