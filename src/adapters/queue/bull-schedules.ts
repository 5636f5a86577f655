import { type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Firing, ScheduleEntry, Schedules } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { QueueNames } from './bull-queue.ts';
import type { WorkerTiming } from './bull-worker.ts';
import type { QueueLog } from './queue-log.ts';
import { queueDown, type RedisPlace, settledWithin } from './redis-client.ts';
import type { StopReason } from './stop-reason.ts';

interface ScheduleJob {
  readonly entry: string;
}

const queueName = 'schedules';
/** Firings side by side in one process; each looks at many nodes. */
const concurrency = 2;
const attempts = 3;
const retryMs = 60_000;
/** How long it is known that a firing has been done. */
const keepSeconds = 24 * 3600;

/**
 * Schedules as BullMQ job schedulers: one delayed job per entry, made anew when it begins. So a firing belongs to one
 * process, and after an outage there is one late firing and not all that were missed.
 *
 * @param front  refuses while Redis is away @param patient  waits
 */
export function createBullSchedules(
  front: Redis,
  patient: Redis,
  place: RedisPlace,
  names: Pick<QueueNames, 'prefix'>,
  {
    log,
    ...timing
  }: Pick<WorkerTiming, 'lockMs' | 'stalledCheckMs' | 'maxCrashes' | 'closeWithinMs'> & { readonly log: QueueLog },
): Schedules & { close(): Promise<void> } {
  const queue = new Queue<ScheduleJob>(queueName, { connection: front, prefix: names.prefix });
  queue.on('error', (error) => log('warn', `schedules: ${error.message}`));
  const taking: { close(): Promise<void> }[] = [];

  const put = ({ id, cron, timeZone }: ScheduleEntry): Promise<unknown> =>
    queue.upsertJobScheduler(
      id,
      { pattern: cron, tz: timeZone },
      {
        name: 'fire',
        data: { entry: id },
        opts: {
          attempts,
          backoff: { type: 'fixed', delay: retryMs },
          removeOnComplete: { age: keepSeconds },
          removeOnFail: { age: keepSeconds },
        },
      },
    );

  const isThere = async ({ id, cron, timeZone }: ScheduleEntry): Promise<boolean> => {
    const known = await queue.getJobScheduler(id);
    if (known === undefined || known.pattern !== cron || known.tz !== timeZone) return false;
    // An overdue firing must not be replaced by the next one: it is done late. One whose job is lost is put anew.
    return typeof known.next === 'number' && (await queue.getJob(`repeat:${id}:${known.next}`)) !== undefined;
  };

  return {
    async sync(entries, { onlyMissing } = { onlyMissing: false }) {
      if (front.status !== 'ready') throw queueDown(place, new Error('the connection is lost'));
      try {
        if (!onlyMissing) {
          const wanted = new Set(entries.map(({ id }) => id));
          for (const { key } of await queue.getJobSchedulers())
            if (!wanted.has(key)) await queue.removeJobScheduler(key);
        }
        for (const entry of entries) {
          const isMissing = onlyMissing
            ? (await queue.getJobScheduler(entry.id)) === undefined
            : !(await isThere(entry));
          if (isMissing) await put(entry);
        }
      } catch (error) {
        throw error instanceof NetcheckError ? error : queueDown(place, error);
      }
    },

    async take(handle) {
      const active = new Map<string, AbortController>();
      const stop = (id: string, reason: StopReason): void => active.get(id)?.abort(reason);
      let isClosing = false;
      const worker = new Worker<ScheduleJob>(
        queueName,
        async (job) => {
          const firing = firingOf(job);
          const controller = new AbortController();
          active.set(firing.id, controller);
          if (isClosing) stop(firing.id, { why: 'closing' });
          try {
            await handle(firing, { signal: controller.signal });
          } catch (error) {
            log('warn', `schedule ${firing.entry}: ${error instanceof Error ? error.message : String(error)}`);
            throw error;
          } finally {
            active.delete(firing.id);
          }
        },
        {
          connection: patient,
          prefix: names.prefix,
          autorun: false,
          concurrency,
          lockDuration: timing.lockMs,
          stalledInterval: timing.stalledCheckMs,
          maxStalledCount: timing.maxCrashes,
          runRetryDelay: 1_000,
        },
      );
      worker.on('error', (error) => log('warn', `schedules: ${error.message}`));
      // Another process may hold it by now; what both would post is posted once.
      worker.on('lockRenewalFailed', (ids: string[]) => {
        for (const id of ids) log('warn', `schedules: the lock of ${id} could not be renewed`);
      });
      await worker.waitUntilReady();
      worker.run().catch((error: unknown) => log('error', `schedules: ${String(error)}`));
      let closing: Promise<void> | undefined;
      const one = {
        close: () =>
          (closing ??= (async () => {
            isClosing = true;
            await worker.pause(true);
            for (const id of active.keys()) stop(id, { why: 'closing' });
            await settledWithin(worker.close(), timing.closeWithinMs);
          })()),
      };
      taking.push(one);
      return one;
    },

    async close() {
      await Promise.all(taking.map((one) => one.close()));
      await settledWithin(queue.close(), 1_000);
    },
  };
}

/** BullMQ calls the jobs of a scheduler `repeat:<scheduler>:<due, Unix milliseconds>`. */
function firingOf({ id = '', data, timestamp }: Job<ScheduleJob>): Firing {
  const dueMs = Number(id.split(':').at(-1));
  return { entry: data.entry, id, dueMs: Number.isFinite(dueMs) && dueMs > 0 ? dueMs : timestamp };
}
