import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectQueue, type QueueAdapter, type QueueTiming } from '../../../src/adapters/queue/connect-queue.ts';
import { openPrivateRedis, type PrivateRedis } from '../../../src/adapters/queue/private-redis.ts';
import { eventually } from '../../fakes/queue.ts';
import { queueContract, runRequest } from '../queue-contract.ts';

const missing = ['redis-server', 'valkey-server'].some(inPath) ? undefined : 'no redis-server or valkey-server in PATH';
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** Short, so that a death is noticed soon; a busy machine still renews a lock ten times within its life. */
const timing: Partial<QueueTiming> = {
  lockMs: 1_500,
  stalledCheckMs: 300,
  maxCrashes: 1,
  leaseMs: 1_500,
  slotPollMs: 20,
  connectWithinMs: 5_000,
};

function inPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a script of this folder and resolves when it has printed its line. */
async function startScript(script: string, args: readonly string[], line: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(`${line}\n`)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it said "${line}"`)));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** Asks a Redis behind a unix socket one thing on a connection of its own. */
async function withRedis<T>(socket: string, ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ path: socket, retryStrategy: () => null, lazyConnect: true });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await ask(client);
  } finally {
    client.disconnect();
  }
}

async function pidOf(socket: string): Promise<number> {
  const info = await withRedis(socket, (client) => client.info('server'));
  return Number(/process_id:(\d+)/.exec(info)?.[1]);
}

/** Process ids of the servers that work in a directory. */
function serversIn(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8');
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(directory) && /^(redis|valkey)-server/.test(name);
      } catch {
        return false;
      }
    });
}

/** Gone, or dead and not yet buried. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

describe.skipIf(missing !== undefined)(`Redis${because}`, () => {
  let directory: string;
  let redis: PrivateRedis;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'netcheck-redis-'));
    redis = await openPrivateRedis(directory);
  });
  afterAll(async () => {
    await redis.close();
    await rm(directory, { recursive: true });
  });

  let count = 0;
  queueContract('the queue contract, on a real Redis', async () => {
    count += 1;
    const prefix = `contract-${count}`;
    const redisUrl = `unix:${redis.socket}`;
    const adapters: QueueAdapter[] = [];
    return {
      async connect() {
        const adapter = await connectQueue({ redisUrl, prefix, dataDir: directory, timing });
        adapters.push(adapter);
        return adapter;
      },
      async crashMidRun() {
        await kill(await startScript('crashing-worker.ts', [redisUrl, prefix, JSON.stringify(timing)], 'begun'));
      },
      async cut() {
        const pid = await pidOf(redis.socket);
        process.kill(pid, 'SIGKILL');
        await eventually(() => isGone(pid));
      },
      mend: () => redis.ensure(),
      async close() {
        await redis.ensure();
        await Promise.all(adapters.map((adapter) => adapter.close()));
      },
    };
  });

  describe('what only the real thing can show', () => {
    const open: QueueAdapter[] = [];
    const connect = async (
      more: Partial<QueueTiming> = {},
      log?: (level: string, message: string) => void,
    ): Promise<QueueAdapter> => {
      const adapter = await connectQueue({
        redisUrl: `unix:${redis.socket}`,
        prefix: `real-${count}`,
        dataDir: directory,
        timing: { ...timing, ...more },
        ...(log === undefined ? {} : { log }),
      });
      open.push(adapter);
      return adapter;
    };
    beforeEach(() => {
      count += 1;
    });
    afterEach(async () => {
      await redis.ensure();
      await Promise.all(open.splice(0).map((adapter) => adapter.close()));
    });

    it('the slot of a process that was killed becomes free', async () => {
      const adapter = await connect();
      await adapter.queue.submit(runRequest('r1'));
      await kill(
        await startScript(
          'crashing-worker.ts',
          [`unix:${redis.socket}`, `real-${count}`, JSON.stringify(timing)],
          'begun',
        ),
      );
      const { signal } = new AbortController();
      await adapter.slots({ perNode: 1 }).acquire('node-crash', { signal, holder: 'another run' });
    });

    it('a slot goes to who came first, not to who asks most often', async () => {
      const [seldom, often] = [await connect({ slotPollMs: 300 }), await connect({ slotPollMs: 5 })];
      const { signal } = new AbortController();
      const held = await seldom.slots({ perNode: 1 }).acquire('node-50', { signal, holder: 'r1' });
      const order: string[] = [];
      const enter = async (adapter: QueueAdapter, holder: string): Promise<void> => {
        const slot = await adapter.slots({ perNode: 1 }).acquire('node-50', { signal, holder });
        order.push(holder);
        await slot.release();
      };
      const waiting = async (): Promise<number> =>
        withRedis(redis.socket, (client) => client.zcard(`{real-${count}}:slots:node-50:waiting`));
      const first = enter(seldom, 'r2');
      await eventually(async () => (await waiting()) === 1);
      const second = enter(often, 'r3');
      await eventually(async () => (await waiting()) === 2);
      await held.release();
      await Promise.all([first, second]);
      expect(order).toEqual(['r2', 'r3']);
    });

    it('who stops waiting for a slot leaves the line at once', async () => {
      const slots = (await connect()).slots({ perNode: 1 });
      const stopping = new AbortController();
      await slots.acquire('node-50', { signal: stopping.signal, holder: 'r1' });
      const waiting = slots.acquire('node-50', { signal: stopping.signal, holder: 'r2' });
      const line = (): Promise<number> =>
        withRedis(redis.socket, (client) => client.zcard(`{real-${count}}:slots:node-50:waiting`));
      await eventually(async () => (await line()) === 1);
      stopping.abort();
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
      await eventually(async () => (await line()) === 0);
    }, 10_000);

    it('an outage longer than the lock lives does not stop a run, and it is recorded once', async () => {
      const adapter = await connect({ lockMs: 400, stalledCheckMs: 200 });
      const begun: number[] = [];
      let finish = (): void => undefined;
      let stopped: AbortSignal | undefined;
      await adapter.worker({ concurrency: 1 }).start((_request, { signal, attempt }) => {
        begun.push(attempt);
        stopped = signal;
        return new Promise<void>((resolve) => {
          finish = resolve;
        });
      });
      await adapter.queue.submit(runRequest('r1'));
      await eventually(() => begun.length === 1);
      const lock = `{real-${count}}:runs:r1:lock`;
      const pid = await pidOf(redis.socket);
      process.kill(pid, 'SIGKILL');
      await eventually(() => isGone(pid));
      // Nothing happens that could be awaited: the lock runs out while nobody is there to see it.
      await delay(800);
      await redis.ensure();
      // The worker has its lock again: the run is where it was, although Redis had given it up.
      await eventually(() => withRedis(redis.socket, async (client) => (await client.exists(lock)) === 1));
      finish();
      await eventually(() =>
        withRedis(
          redis.socket,
          async (client) => (await client.zscore(`{real-${count}}:runs:completed`, 'r1')) !== null,
        ),
      );
      expect(begun).toEqual([1]);
      expect(stopped?.aborted).toBe(false);
    });

    it('a run that the queue gives to the very worker that has it is not begun twice', async () => {
      // Renewed every five seconds: what happens here is not the renewal's doing.
      const adapter = await connect({ lockMs: 10_000, stalledCheckMs: 100 });
      const begun: number[] = [];
      let finish = (): void => undefined;
      await adapter.worker({ concurrency: 2 }).start((_request, { attempt }) => {
        begun.push(attempt);
        return new Promise<void>((resolve) => {
          finish = resolve;
        });
      });
      await adapter.queue.submit(runRequest('r1'));
      await eventually(() => begun.length === 1);
      const job = `{real-${count}}:runs:r1`;
      const first = await withRedis(redis.socket, (client) => client.get(`${job}:lock`));
      await withRedis(redis.socket, (client) => client.del(`${job}:lock`));
      await eventually(() =>
        withRedis(redis.socket, async (client) => ![null, first].includes(await client.get(`${job}:lock`))),
      );
      finish();
      await eventually(() =>
        withRedis(
          redis.socket,
          async (client) => (await client.zscore(`{real-${count}}:runs:completed`, 'r1')) !== null,
        ),
      );
      expect(begun).toEqual([1]);
    });

    it('a run that has had its answer, but could not be recorded, is not begun again', async () => {
      const adapter = await connect();
      await adapter.queue.submit(runRequest('r1'));
      await adapter.queue.submit(runRequest('r2'));
      await withRedis(redis.socket, (client) => client.set(`{real-${count}}:answered:r1`, '1', 'PX', 60_000));
      const handled: string[] = [];
      await adapter.worker({ concurrency: 1 }).start(async ({ id }) => {
        handled.push(id);
      });
      await eventually(() => handled.includes('r2'));
      expect(handled).toEqual(['r2']);
    });

    it('a run that another worker has taken over is stopped, and says nothing', async () => {
      const adapter = await connect({ lockMs: 400 });
      const reasons: unknown[] = [];
      await adapter.worker({ concurrency: 1 }).start(
        (_request, { signal }) =>
          new Promise<void>((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason);
              reject(new Error('stopped'));
            });
          }),
        async () => {
          reasons.push('onLost');
        },
      );
      await adapter.queue.submit(runRequest('r1'));
      const lock = `{real-${count}}:runs:r1:lock`;
      await eventually(() => withRedis(redis.socket, async (client) => (await client.exists(lock)) === 1));
      await withRedis(redis.socket, (client) => client.set(lock, 'another worker', 'PX', 60_000));
      await eventually(() => reasons.length > 0);
      expect(reasons).toEqual([{ why: 'takenOver' }]);
    });

    it('a Redis that is there and frozen is refused like one that is gone', async () => {
      const adapter = await connect();
      const pid = await pidOf(redis.socket);
      process.kill(pid, 'SIGSTOP');
      try {
        await expect(adapter.queue.submit(runRequest('r1'))).rejects.toMatchObject({
          code: 'queue/down',
          message: expect.stringContaining('no answer in 2000 ms') as string,
        });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      // It may have been queued all the same: a second try is the same run.
      expect(await adapter.queue.submit(runRequest('r1'))).toMatch(/^(queued|duplicate)$/);
      expect(await adapter.queue.submit(runRequest('r1'))).toBe('duplicate');
    });

    it('closing does not hang while Redis is away', async () => {
      const adapter = await connect();
      await adapter.worker({ concurrency: 1 }).start((_request, { signal }) => {
        // begun while the worker is being closed, it is told so from the start
        return new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener('abort', () => resolve());
        });
      });
      await adapter.queue.submit(runRequest('r1'));
      process.kill(await pidOf(redis.socket), 'SIGKILL');
      await adapter.close();
    }, 20_000);

    it('warns of settings that lose runs', async () => {
      const said: string[] = [];
      await withRedis(redis.socket, (client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
      await withRedis(redis.socket, (client) => client.config('SET', 'appendonly', 'no'));
      try {
        const adapter = await connect({}, (level, message) => said.push(`${level}: ${message}`));
        expect(said).toEqual([
          expect.stringContaining('warn: maxmemory-policy is allkeys-lru'),
          expect.stringContaining('warn: Redis keeps nothing on disk'),
        ]);
        expect(await adapter.queue.ping()).toMatchObject({ evictionPolicy: 'allkeys-lru' });
        expect(await adapter.health()).toMatchObject({ ok: false, persistent: false, evictionPolicy: 'allkeys-lru' });
      } finally {
        await withRedis(redis.socket, (client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
        await withRedis(redis.socket, (client) => client.config('SET', 'appendonly', 'yes'));
      }
    });

    it('says so where Redis refuses the password, and never shows it', async () => {
      await withRedis(redis.socket, (client) => client.config('SET', 'requirepass', 'hunter2'));
      const bridge = await listenTo(redis.socket);
      try {
        await expect(
          connectQueue({ redisUrl: `redis://:wrong-one@127.0.0.1:${bridge.port}`, dataDir: directory }),
        ).rejects.toSatisfy(
          (error: Error & { code?: string; hint?: string }) =>
            error.code === 'queue/down' &&
            /WRONGPASS/.test(error.message) &&
            !/wrong-one|hunter2/.test(error.message + error.hint),
        );
      } finally {
        bridge.server.close();
        const client = new Redis({ path: redis.socket, password: 'hunter2' });
        await client.config('SET', 'requirepass', '');
        client.disconnect();
      }
    });
  });

  describe('a private Redis', () => {
    let data: string;
    const opened: PrivateRedis[] = [];
    const children: ChildProcess[] = [];
    const pids = new Set<number>();
    const start = async (dataDir = data): Promise<PrivateRedis> => {
      const one = await openPrivateRedis(dataDir);
      opened.push(one);
      pids.add(await pidOf(one.socket));
      return one;
    };
    beforeEach(async () => {
      data = await mkdtemp(join(tmpdir(), 'netcheck-private-'));
    });
    afterEach(async () => {
      for (const child of children.splice(0))
        if (child.exitCode === null && child.signalCode === null) await kill(child);
      await Promise.all(opened.splice(0).map((one) => one.close()));
      // Whatever a test did: no Redis stays behind.
      await eventually(() => [...pids].every(isGone));
      pids.clear();
      await rm(data, { recursive: true });
    });

    it("listens on a socket that is nobody else's, keeps what it is told, and throws nothing away", async () => {
      const { socket } = await start();
      const settings = await withRedis(socket, async (client) => ({
        port: await client.config('GET', 'port'),
        appendonly: await client.config('GET', 'appendonly'),
        policy: await client.config('GET', 'maxmemory-policy'),
      }));
      expect(settings).toEqual({
        port: ['port', '0'],
        appendonly: ['appendonly', 'yes'],
        policy: ['maxmemory-policy', 'noeviction'],
      });
      expect(statSync(join(data, 'redis')).mode & 0o777).toBe(0o700);
    });

    it('is shared, also by those who come at the same moment, and ends with the last of them', async () => {
      const all = await Promise.all([start(), start(), start(), start()]);
      expect(pids.size).toBe(1);
      expect(serversIn(data)).toEqual([...pids]);
      const [last, ...others] = all;
      await Promise.all(others.map((one) => one.close()));
      expect(await pidOf(last?.socket ?? '')).toBe([...pids][0]);
      await last?.close();
      await eventually(() => [...pids].every(isGone));
    });

    it('ends when the process that started it is killed', async () => {
      const owner = await startScript('private-redis-user.ts', [data], 'ready');
      children.push(owner);
      const pid = await pidOf(join(data, 'redis', 'redis.sock'));
      await kill(owner);
      await eventually(() => isGone(pid));
    });

    it('stays when the process that started it is killed and another one uses it', async () => {
      const owner = await startScript('private-redis-user.ts', [data], 'ready');
      children.push(owner);
      const { socket } = await start();
      await kill(owner);
      expect(await pidOf(socket)).toBe([...pids][0]);
    });

    it('keeps queued runs over an orderly end and over a kill', async () => {
      const first = await connectQueue({ dataDir: data });
      await first.queue.submit(runRequest('r1'));
      await first.close();
      const second = await connectQueue({ dataDir: data });
      expect(await second.queue.find('r1')).toEqual(runRequest('r1'));
      await second.queue.submit(runRequest('r2'));
      const pid = await pidOf(join(data, 'redis', 'redis.sock'));
      process.kill(pid, 'SIGKILL');
      // Nobody calls anything: the adapter notices and starts it again.
      await eventually(
        async () => (await second.health()).ok && (await pidOf(join(data, 'redis', 'redis.sock'))) !== pid,
      );
      expect(await second.queue.find('r2')).toEqual(runRequest('r2'));
      const last = await pidOf(join(data, 'redis', 'redis.sock'));
      await second.close();
      await eventually(() => isGone(last));
    });

    it('starts over a stale socket', async () => {
      const one = await start();
      process.kill(await pidOf(one.socket), 'SIGKILL');
      await eventually(() => [...pids].every(isGone));
      await one.close();
      expect(existsSync(one.socket)).toBe(true);
      await start();
      expect(pids.size).toBe(2);
    });

    it('finds room for its socket where the data directory has a long path', async () => {
      const long = join(data, 'x'.repeat(120));
      mkdirSync(long);
      const { socket } = await start(long);
      expect(socket.startsWith(long)).toBe(false);
      expect(statSync(join(socket, '..')).mode & 0o777).toBe(0o700);
      await Promise.all(opened.splice(0).map((one) => one.close()));
      await rm(join(socket, '..'), { recursive: true });
    });

    it('says what to install where there is none', async () => {
      await expect(openPrivateRedis(data, { path: data })).rejects.toMatchObject({
        code: 'queue/no-redis',
        message: expect.stringContaining('redis-server') as string,
        hint: expect.stringContaining('apt-get install redis-server') as string,
      });
    });

    it('says what its log says where it does not come up', async () => {
      const bin = join(data, 'bin');
      mkdirSync(bin);
      writeFileSync(
        join(bin, 'redis-server'),
        '#!/bin/sh\necho "Bad file format reading the append only file"\nexit 1\n',
        { mode: 0o755 },
      );
      await expect(openPrivateRedis(data, { path: `${bin}:${process.env['PATH']}` })).rejects.toMatchObject({
        code: 'queue/down',
        message: expect.stringContaining('Bad file format reading the append only file') as string,
      });
    });
  });

  it('is refused with queue/down where nobody listens', async () => {
    await expect(
      connectQueue({ redisUrl: 'redis://u:secret@127.0.0.1:1', dataDir: directory, timing: { connectWithinMs: 200 } }),
    ).rejects.toMatchObject({
      code: 'queue/down',
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED/) as string,
    });
  });
});

/** A TCP port that leads to a unix socket: the private Redis has none. */
async function listenTo(socket: string): Promise<{ server: Server; port: number }> {
  const { connect } = await import('node:net');
  const server = createServer((client) => {
    const redis = connect(socket);
    client.pipe(redis).pipe(client);
    client.on('error', () => redis.destroy());
    redis.on('error', () => client.destroy());
    client.on('close', () => redis.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}
