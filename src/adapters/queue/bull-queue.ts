import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { OpenRuns, RunQueue } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import { createOpenRuns, noteOpen } from './open-runs.ts';
import type { RedisPlace } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';
import type { QueueLog } from './queue-log.ts';
import { requestOf, type RunJob } from './run-job.ts';
import { readServerFacts } from './server-facts.ts';

/** Where everything of one netcheck installation lives in Redis. */
export interface QueueNames {
  /** With a hash tag, so that all keys are in one slot and scripts also run on a cluster. */
  readonly prefix: string;
  readonly queue: string;
  /** Pub/sub channel that cancellations are announced on. */
  readonly cancelChannel: string;
  /** Holds who cancelled a run: for a worker that is only about to start it, or starts it again after a crash. */
  cancelKey(runId: string): string;
  /** Set when a run has had its final answer, before BullMQ records it. */
  answeredKey(runId: string): string;
  /** Ids of the runs without a final answer, by the time of the question; and the requests themselves. */
  readonly openKey: string;
  readonly openRequestsKey: string;
}

export function queueNames(prefix: string): QueueNames {
  const tagged = `{${prefix}}`;
  return {
    prefix: tagged,
    queue: 'runs',
    cancelChannel: `${tagged}:cancel`,
    cancelKey: (runId) => `${tagged}:cancel:${runId}`,
    answeredKey: (runId) => `${tagged}:answered:${runId}`,
    openKey: `${tagged}:open`,
    openRequestsKey: `${tagged}:open-requests`,
  };
}

/** What waits and what goes on, over all processes. */
export interface QueueLoad {
  readonly waiting: number;
  readonly active: number;
  /** Of the run that has waited longest, milliseconds; 0 where none waits. */
  readonly oldestWaitingMs: number;
}

export const CancelMessage = z.strictObject({ runId: z.string(), by: z.string() });

/**
 * The front's half of the queue. Every method rejects with `queue/down` at once where Redis is away (at most 2 s
 * where it is there and frozen). A run is known by its request's id for `keepMs`: submitting the id again within
 * that time is a duplicate, whether the run waits, goes on, has ended or was cancelled.
 */
export function createBullQueue(
  client: Redis,
  place: RedisPlace,
  names: QueueNames,
  options: { readonly keepMs: number; readonly log: QueueLog },
): RunQueue & { load(): Promise<QueueLoad>; readonly openRuns: OpenRuns } {
  const keepSeconds = Math.ceil(options.keepMs / 1_000);
  const queue = new Queue<RunJob>(names.queue, {
    connection: client,
    prefix: names.prefix,
    defaultJobOptions: {
      attempts: 1,
      removeOnComplete: { age: keepSeconds },
      removeOnFail: { age: keepSeconds },
    },
  });
  queue.on('error', (error) => options.log('warn', `queue: ${error.message}`));

  const guarded = createRedisGuard(place, client);

  return {
    submit: (request) =>
      guarded(async () => {
        if (request.id === '' || request.id.includes(':')) {
          throw new NetcheckError(
            'fault/internal',
            `The run id ${JSON.stringify(request.id)} cannot be a job id.`,
            'Run ids are not empty and have no colon.',
          );
        }
        // A run that was cancelled while it waited is gone from the queue, and stays cancelled.
        if ((await client.exists(names.cancelKey(request.id))) === 1) return 'duplicate';
        const submission = randomUUID();
        // First: a run that is noted and not queued is found by who looks after open runs.
        await noteOpen(client, names, request);
        await queue.add('run', { submission, request }, { jobId: request.id });
        // It is queued by now: who asked is not to be told "not started" because this last look fails.
        const kept = await queue.getJob(request.id).catch(() => undefined);
        return kept === undefined || kept.data.submission === submission ? 'queued' : 'duplicate';
      }),

    cancel: (runId, by) =>
      guarded(async () => {
        const job = await queue.getJob(runId);
        if (job === undefined) return 'unknown';
        const state = await job.getState();
        if (state === 'completed' || state === 'failed' || state === 'unknown') return 'unknown';
        // The flag first: a worker that takes the run from here on looks at it after it can hear the channel.
        await client.set(names.cancelKey(runId), by, 'PX', options.keepMs);
        // A run that a worker has begun has a thread that waits for its answer; only a worker can give it.
        if (state !== 'active' && job.attemptsStarted === 0 && (await removed(job))) return 'removed';
        await client.publish(names.cancelChannel, JSON.stringify({ runId, by }));
        return 'cancelling';
      }),

    find: (runId) =>
      guarded(async () => {
        const job = await queue.getJob(runId);
        return job === undefined ? null : (requestOf(job.data) ?? null);
      }),

    ping: () =>
      guarded(async () => {
        const { version, evictionPolicy } = await readServerFacts(client);
        return { version, evictionPolicy };
      }),

    load: () =>
      guarded(async () => {
        const counts = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active');
        // One of each list: the one that is next in it.
        const next = await queue.getJobs(['waiting', 'prioritized'], 0, 0, true);
        const since = next.map(({ timestamp }) => timestamp).filter(Number.isFinite);
        const { active = 0, ...waiting } = counts;
        return {
          waiting: Object.values(waiting).reduce((sum, count) => sum + count, 0),
          active,
          oldestWaitingMs: since.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...since)),
        };
      }),

    openRuns: createOpenRuns(client, place, names, queue),

    close: () => queue.close().catch(() => undefined),
  };
}

/** False where a worker has taken it in the meantime: BullMQ does not remove a job that is locked. */
async function removed(job: { remove(): Promise<void> }): Promise<boolean> {
  try {
    await job.remove();
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false;
    throw error;
  }
}
