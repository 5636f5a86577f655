/**
 * A worker of audits that is there to be killed: `crashing-audit-worker.ts REDIS_URL PREFIX TIMING_JSON ENDING`. Looks at
 * the first nodes as others do, and at every node from number ENDING on without end; prints `begun` when it holds one.
 */
import { tmpdir } from 'node:os';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';
import { auditHandlers, resultOf } from '../../fakes/audit-nodes.ts';

const [redisUrl = '', prefix = '', timing = '{}', ending = '0'] = process.argv.slice(2);
const adapter = await connectQueue({ redisUrl, prefix, dataDir: tmpdir(), timing: JSON.parse(timing) as object });
await adapter.auditWorker({ concurrency: 1 }).start(
  auditHandlers({}, async (job) => {
    if (Number(/\d+$/.exec(job.node)?.[0]) < Number(ending)) return resultOf(job);
    process.stdout.write('begun\n');
    return new Promise(() => undefined);
  }),
);
