/**
 * A process that takes one firing and never ends it, so that a test can kill it in the middle:
 * `taking-schedules.ts REDIS_URL PREFIX TIMING_JSON`. Prints `taken` when it has one.
 */
import { tmpdir } from 'node:os';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';

const [redisUrl = '', prefix = '', timing = '{}'] = process.argv.slice(2);
const adapter = await connectQueue({ redisUrl, prefix, dataDir: tmpdir(), timing: JSON.parse(timing) as object });
await adapter.schedules.take(async () => {
  process.stdout.write('taken\n');
  await new Promise(() => undefined);
});
process.stdout.write('ready\n');
