import { describe, expect, it, onTestFinished } from 'vitest';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';
import { startFaultRedis } from '../../faults/fault-redis.ts';
import { eventually } from '../../fakes/queue.ts';
import { runRequest } from '../queue-contract.ts';
import { whyNoRedis } from './loopback-redis.ts';

/** A Redis that stays reachable and does not take what it is given: another takes its place, or it is full. */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`a Redis that fails over, or is full${because}`, () => {
  it.each(['crash', 'demotion'] as const)('by %s: runs are taken, and questions queued, as before', async (how) => {
    const redis = await startFaultRedis();
    const adapter = await connectQueue({ redisUrl: redis.url, dataDir: '' });
    onTestFinished(async () => {
      await adapter.close();
      await redis.stop();
    });
    const done: string[] = [];
    await adapter.worker({ concurrency: 2 }).start(async ({ id }) => void done.push(id));
    await adapter.queue.submit(runRequest('before'));
    await eventually(() => done.includes('before'));
    await redis.failOver(how);
    // In the moment in which nobody knows the front refuses; what is asked next is taken.
    const submit = () => adapter.queue.submit(runRequest('after')).catch(() => 'refused');
    await eventually(async () => ['queued', 'duplicate'].includes(await submit()));
    await eventually(() => done.includes('after'));
    await eventually(async () => (await adapter.load()).active === 0);
    expect(done).toEqual(['before', 'after']);
  });

  it('is full when a run ends: that is recorded when there is room, and nobody hears that the run was lost', async () => {
    const redis = await startFaultRedis();
    const adapter = await connectQueue({ redisUrl: redis.url, dataDir: '' });
    onTestFinished(async () => {
      await adapter.close();
      await redis.stop();
    });
    const done: string[] = [];
    const lost: string[] = [];
    await adapter.worker({ concurrency: 2 }).start(
      async ({ id }) => {
        await redis.fill();
        done.push(id);
      },
      async ({ id }) => void lost.push(id),
    );
    await adapter.queue.submit(runRequest('one'));
    await eventually(() => done.includes('one'));
    await expect(adapter.queue.submit(runRequest('two'))).rejects.toThrow('OOM');
    await redis.drain();
    await eventually(async () => (await adapter.openRuns.stateOf('one')) === 'answered');
    await eventually(async () => (await adapter.load()).active === 0);
    expect([done, lost]).toEqual([['one'], []]);
    expect(await adapter.openRuns.list(10)).toEqual([]);
  });
});
