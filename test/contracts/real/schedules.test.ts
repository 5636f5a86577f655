import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectQueue, type QueueAdapter } from '../../../src/adapters/queue/connect-queue.ts';
import type { Firing, ScheduleEntry } from '../../../src/engine/ports.ts';
import { eventually } from '../../fakes/queue.ts';
import { type LoopbackRedis, startLoopbackRedis, whyNoRedis } from './loopback-redis.ts';

const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;
const timing = { lockMs: 1_500, stalledCheckMs: 300, maxCrashes: 2, connectWithinMs: 5_000, closeWithinMs: 5_000 };

/** Due once a year: nothing fires by itself while a test goes on. */
const nightly: ScheduleEntry = { id: 'nightly', cron: '0 6 1 1 *', timeZone: 'Asia/Shanghai' };
const weekly: ScheduleEntry = { id: 'nightly+summary', cron: '0 9 2 1 *', timeZone: 'Asia/Shanghai' };

describe.skipIf(missing !== undefined)(`schedules on a real Redis${because}`, () => {
  let redis: LoopbackRedis;
  let directory: string;
  let prefix: string;
  let client: Redis;
  let queue: Queue;
  let count = 0;
  const adapters: QueueAdapter[] = [];

  beforeAll(async () => {
    redis = await startLoopbackRedis();
    directory = await mkdtemp(join(tmpdir(), 'netcheck-schedules-'));
  });
  afterAll(async () => {
    await redis.stop();
    await rm(directory, { recursive: true });
  });
  beforeEach(() => {
    count += 1;
    prefix = `schedules-${count}`;
    client = new Redis({ path: redis.url.replace('unix:', ''), maxRetriesPerRequest: null });
    queue = new Queue('schedules', { connection: client, prefix: `{${prefix}}` });
  });
  afterEach(async () => {
    await Promise.all(adapters.splice(0).map((adapter) => adapter.close()));
    await queue.close();
    client.disconnect();
  });

  async function connect(): Promise<QueueAdapter> {
    const adapter = await connectQueue({ redisUrl: redis.url, prefix, dataDir: directory, timing });
    adapters.push(adapter);
    return adapter;
  }
  /** What is due some day is due now. */
  async function makeDue(entry: string): Promise<string> {
    const next = (await queue.getJobScheduler(entry))?.next;
    const id = `repeat:${entry}:${String(next)}`;
    await (await queue.getJob(id))?.promote();
    return id;
  }
  const entries = async () =>
    (await queue.getJobSchedulers())
      .map(({ key, pattern, tz }) => ({ id: key, cron: pattern, timeZone: tz }))
      .sort((a, b) => a.id.localeCompare(b.id));
  const jobs = async (): Promise<string[]> =>
    (await queue.getDelayed()).map(({ id }) => id ?? '').sort((a, b) => a.localeCompare(b));

  it('bots that start together make one entry each; the next firing is when the clock of the zone says', async () => {
    const bots = await Promise.all([connect(), connect(), connect()]);
    await Promise.all(bots.map(({ schedules }) => schedules.sync([nightly, weekly])));
    expect(await entries()).toEqual([nightly, weekly]);
    expect(await jobs()).toHaveLength(2);
    const due = new Date((await queue.getJobScheduler('nightly'))?.next ?? 0);
    expect(due.toISOString().slice(4)).toBe('-12-31T22:00:00.000Z');
  });

  it('a firing is taken by one of several processes, once', async () => {
    const taken: Firing[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { schedules } = await connect();
      await schedules.sync([nightly]);
      await schedules.take(async (firing) => void taken.push(firing));
    }
    const id = await makeDue('nightly');
    await eventually(async () => (await queue.getJob(id))?.isCompleted() ?? false);
    expect(taken).toEqual([{ entry: 'nightly', id, dueMs: Number(id.split(':').at(-1)) }]);
    expect(await jobs()).toHaveLength(1);
  });

  it('one whose process is killed is taken by another, with the same id', async () => {
    const { schedules } = await connect();
    await schedules.sync([nightly]);
    const args = [redis.url, prefix, JSON.stringify(timing)];
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'taking-schedules.ts'), ...args],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually(() => said.includes('ready'));
    const id = await makeDue('nightly');
    await eventually(() => said.includes('taken'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const taken: string[] = [];
    await schedules.take(async (firing) => void taken.push(firing.id));
    await eventually(() => taken.length > 0);
    expect(taken).toEqual([id]);
  });

  it('one that was missed while nobody took any is taken once, also after a bot has started again', async () => {
    const before = await connect();
    await before.schedules.sync([nightly]);
    const id = await makeDue('nightly');
    await before.close();
    const after = await connect();
    await after.schedules.sync([nightly]);
    const taken: string[] = [];
    await after.schedules.take(async (firing) => void taken.push(firing.id));
    await eventually(async () => (await queue.getJob(id))?.isCompleted() ?? false);
    expect(taken).toEqual([id]);
    expect(await jobs()).toHaveLength(1);
  });

  it('the configuration of the bot that started last holds: gone ones end, changed ones change, others stay as they are', async () => {
    const first = await connect();
    await first.schedules.sync([nightly, weekly]);
    const kept = await jobs();
    const second = await connect();
    await second.schedules.sync([nightly, weekly]);
    expect(await jobs()).toEqual(kept);
    const moved = { ...nightly, timeZone: 'Europe/Berlin' };
    await second.schedules.sync([moved]);
    expect(await entries()).toEqual([moved]);
    expect(await jobs()).toHaveLength(1);
    // What the older bot puts back from time to time takes nothing away.
    await first.schedules.sync([nightly, weekly], { onlyMissing: true });
    expect((await entries()).find(({ id }) => id === 'nightly')).toEqual(moved);
    await second.schedules.sync([]);
    expect([await entries(), await jobs()]).toEqual([[], []]);
  });

  it('puts back what Redis has lost', async () => {
    const { schedules } = await connect();
    await schedules.sync([nightly]);
    await client.flushall();
    await schedules.sync([nightly], { onlyMissing: true });
    expect(await entries()).toEqual([nightly]);
  });

  it('a handler that rejects is asked again later; one that is stopped hears of it', async () => {
    const { schedules } = await connect();
    await schedules.sync([nightly]);
    let reason: unknown;
    let begun = false;
    const taking = await schedules.take(
      (_firing, { signal }) =>
        new Promise((_resolve, reject) => {
          begun = true;
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(new Error('stopped in the middle'));
          });
        }),
    );
    const id = await makeDue('nightly');
    await eventually(() => begun);
    await taking.close();
    expect(reason).toEqual({ why: 'closing' });
    expect(await (await queue.getJob(id))?.getState()).toBe('delayed');
  });

  it('refuses at once while Redis is away', async () => {
    const { schedules } = await connect();
    redis.freeze();
    try {
      await expect(schedules.sync([nightly])).rejects.toMatchObject({ code: 'queue/down' });
    } finally {
      redis.thaw();
    }
  });
});
