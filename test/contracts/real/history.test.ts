import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';
import { createRedisHistory } from '../../../src/adapters/queue/redis-history.ts';
import { contractBounds, historyContract, pastRun, trouble } from '../history-contract.ts';
import { type LoopbackRedis, startLoopbackRedis, whyNoRedis } from './loopback-redis.ts';

const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`the memory of runs in Redis${because}`, () => {
  let redis: LoopbackRedis;
  let client: Redis;
  let place: Parameters<typeof createRedisHistory>[1];
  let count = 0;
  beforeAll(async () => {
    redis = await startLoopbackRedis();
    const socket = redis.url.slice('unix:'.length);
    place = { options: { path: socket }, shown: 'practice' };
    client = new Redis({ path: socket });
    client.on('error', () => undefined);
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });
  const open = (bounds = contractBounds) => {
    count += 1;
    return createRedisHistory(client, place, `{history-${count}}`, bounds);
  };

  historyContract('the memory of runs, on a real Redis', async () => ({
    history: open(),
    close: async () => undefined,
  }));

  it('leaves no index behind for runs that it has let go', async () => {
    const history = open({ ...contractBounds, maxRuns: 2 });
    for (let n = 0; n < 20; n += 1)
      await history.record(
        pastRun(`r${n}`, 20 - n, { nodes: [`node-${n}`], troubles: [trouble(`a/node-${n}/tcp/1`)] }),
      );
    const keys = await client.keys(`{history-${count}}:*`);
    expect(keys.map((key) => key.replace(/^.*:history:/, '')).toSorted()).toEqual([
      'ended',
      'node:node-18',
      'node:node-19',
      'runs',
      'trouble:a/node-18/tcp/1',
      'trouble:a/node-19/tcp/1',
    ]);
    // And what is there goes by itself where nothing more is ever recorded.
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  });

  it('skips what another netcheck wrote in a form that this one does not know', async () => {
    const history = open();
    await history.record(pastRun('r1', 2));
    await history.record(pastRun('r2', 1));
    await client.hset(`{history-${count}}:history:runs`, 'r2', '{"id":"r2","nodes":[],"troubles":[]}');
    expect((await history.recent({ limit: 9 })).map(({ id }) => id)).toEqual(['r1']);
    expect(await history.find('r2')).toBeNull();
    await history.record(pastRun('r2', 1));
    expect(await history.find('r2')).toMatchObject({ id: 'r2' });
  });

  it('is the same for all processes; while Redis is away one refuses at once and the other waits', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'netcheck-history-'));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const [front, worker] = await Promise.all(
      [1, 2].map(() => connectQueue({ redisUrl: redis.url, prefix: 'shared', dataDir })),
    );
    onTestFinished(async () => void (await Promise.all([front?.close(), worker?.close()])));
    await worker?.history.record(pastRun('r1', 1));
    expect(await front?.history.find('r1')).toMatchObject({ id: 'r1' });
    await redis.kill();
    await expect(front?.history.recent({ limit: 1 })).rejects.toMatchObject({ code: 'queue/down' });
    const remembered = worker?.patientHistory.record(pastRun('r2', 0));
    await redis.start();
    await remembered;
    await expect
      .poll(() => front?.history.find('r2').catch(() => null), { timeout: 15_000 })
      .toMatchObject({ id: 'r2' });
  });
});
