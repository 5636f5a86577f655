/**
 * A worker process that takes one run and never ends it, so that a test can kill it in the middle:
 * `crashing-worker.ts REDIS_URL PREFIX TIMING_JSON`. Prints `begun` when it holds the run and a slot on node-crash.
 */
import { tmpdir } from 'node:os';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';

const [redisUrl = '', prefix = '', timing = '{}'] = process.argv.slice(2);
const adapter = await connectQueue({ redisUrl, prefix, dataDir: tmpdir(), timing: JSON.parse(timing) as object });
await adapter.worker({ concurrency: 1 }).start(
  async (request, { signal }) => {
    await adapter.slots({ perNode: 1 }).acquire('node-crash', { signal, holder: request.id });
    process.stdout.write('begun\n');
    await new Promise(() => undefined);
  },
  // Dies in its last chance, too.
  async () => {
    process.stdout.write('begun\n');
    await new Promise(() => undefined);
  },
);
