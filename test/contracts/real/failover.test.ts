import { describe, expect, it, onTestFinished } from 'vitest';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';
import { startFaultRedis } from '../../faults/fault-redis.ts';
import { eventually } from '../../fakes/queue.ts';
import { runRequest } from '../queue-contract.ts';
import { whyNoRedis } from './loopback-redis.ts';

/** Another server takes the place of the Redis behind the same address. */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`a Redis that fails over${because}`, () => {
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
});
