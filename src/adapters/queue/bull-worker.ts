import { setTimeout as delay } from 'node:timers/promises';
import { type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { RunRequest, RunWorker } from '../../engine/ports.ts';
import { CancelMessage, type QueueNames } from './bull-queue.ts';
import { noteClosed } from './open-runs.ts';
import type { QueueLog } from './queue-log.ts';
import { settledWithin } from './redis-client.ts';
import { requestOf, type RunJob } from './run-job.ts';
import type { StopReason } from './stop-reason.ts';

export type HandleRun = Parameters<RunWorker['start']>[0];

/** Why a run has had no final answer from its handler. */
export type LostRun =
  | { readonly why: 'crashed'; readonly times: number }
  | { readonly why: 'threw'; readonly error: unknown };

/** The last chance to answer: the thread must not stay silent. Called under the run's lock, and again after a crash. */
export type OnLostRun = (request: RunRequest, lost: LostRun) => Promise<void>;

/** RunWorker, with a second parameter that the port does not have (a caller that knows only the port leaves it out). */
export interface QueueWorker extends RunWorker {
  start(handle: HandleRun, onLost?: OnLostRun): Promise<void>;
}

export interface WorkerTiming {
  /** A worker that does not renew a run's lock for so long has died. Renewed twice as often. */
  readonly lockMs: number;
  /** How often the workers look for runs whose worker has died. */
  readonly stalledCheckMs: number;
  /** A run whose workers died more often than this is not begun again: `onLost` is called instead. */
  readonly maxCrashes: number;
  /** How long `close` waits for handlers after it has aborted them. */
  readonly closeWithinMs: number;
  /** How long it is remembered that a run has had its answer. */
  readonly keepMs: number;
}

/** How a run went, for BullMQ. */
type Outcome = 'answered' | 'unanswered' | 'unrecorded' | 'handedBack' | 'takenOver';

interface ActiveRun {
  readonly controller: AbortController;
  /** Resolves when the handler (or `onLost`) has settled; recording that may have to wait for Redis. */
  readonly handled: Promise<void>;
  readonly outcome: Promise<Outcome>;
  /** Token of the lock that this process holds on the job. */
  token: string;
}

/** How often, and how long apart, a worker tries to record that a run was answered. */
const recordTries = 60;
const recordAgainMs = 1_000;
/** How long a closing worker waits for Redis. */
const recordWithinMs = 5_000;

/**
 * Takes back the lock of a run that goes on here, after Redis was away for longer than the lock lives. Only where
 * nobody else holds it: a job that was put back to wait is made active again, one that is gone is let go.
 */
const reclaimScript = `
local holder = redis.call('GET', KEYS[1])
if holder then return holder == ARGV[2] and 1 or 0 end
if redis.call('LREM', KEYS[3], 0, ARGV[1]) > 0 then
  redis.call('LPUSH', KEYS[2], ARGV[1])
  redis.call('HINCRBY', KEYS[5], 'stc', -1)
elseif not redis.call('LPOS', KEYS[2], ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SREM', KEYS[4], ARGV[1])
return 1`;

/**
 * A worker on BullMQ. While Redis is away the runs in hand go on; afterwards it takes their locks back, records what
 * ended in the meantime, and takes new runs.
 *
 * @param client      a client that waits while Redis is away; the worker uses it and does not close it
 * @param subscriber  a client of its own, for pub/sub; closed with the worker
 */
export function createBullWorker(
  client: Redis,
  subscriber: Redis,
  names: QueueNames,
  options: WorkerTiming & { readonly concurrency: number; readonly log: QueueLog },
): QueueWorker {
  const { log } = options;
  const active = new Map<string, ActiveRun>();
  let bull: Worker<RunJob> | undefined;
  let closing: Promise<void> | undefined;

  const stop = (runId: string, reason: StopReason): void => active.get(runId)?.controller.abort(reason);

  const noteCancelled = async (runId: string): Promise<void> => {
    const by = await client.get(names.cancelKey(runId));
    if (by !== null) stop(runId, { why: 'cancelled', by });
  };

  const reclaim = async (worker: Worker<RunJob>, runId: string): Promise<void> => {
    const run = active.get(runId);
    if (run === undefined) return;
    const jobKey = worker.toKey(runId);
    const keys = [
      `${jobKey}:lock`,
      worker.keys.active ?? '',
      worker.keys.wait ?? '',
      worker.keys.stalled ?? '',
      jobKey,
    ];
    const ours = await client.eval(reclaimScript, keys.length, ...keys, runId, run.token, options.lockMs);
    if (ours !== 1) stop(runId, { why: 'takenOver' });
  };

  const afterOutage = (worker: Worker<RunJob>): void => {
    for (const runId of active.keys()) {
      Promise.all([reclaim(worker, runId), noteCancelled(runId)]).catch((error: unknown) =>
        log('warn', `run ${runId}: ${String(error)}`),
      );
    }
  };

  /**
   * Remembered before BullMQ is told: a lock lost at the very end must not mean a second answer. A Redis that is there
   * and takes no writes (it is full) is asked again for a while: the answer was given, and is not to be called lost.
   */
  const answered = async (runId: string): Promise<Outcome> => {
    for (let tries = 1; ; tries += 1) {
      try {
        await client.set(names.answeredKey(runId), '1', 'PX', options.keepMs);
        await noteClosed(client, names, runId);
        return 'answered';
      } catch (error) {
        log('warn', `run ${runId} was answered, and that cannot be recorded: ${String(error)}`);
        if (tries === recordTries) return 'unrecorded';
        await delay(recordAgainMs);
      }
    }
  };

  const giveUp = async (
    request: RunRequest,
    lost: LostRun,
    onLost: OnLostRun | undefined,
    handled: () => void,
  ): Promise<Outcome> => {
    if (onLost === undefined) return 'unanswered';
    try {
      await onLost(request, lost);
      handled();
      return await answered(request.id);
    } catch (error) {
      log('error', `run ${request.id}: no answer could be given: ${String(error)}`);
      return 'unanswered';
    }
  };

  const work = async (
    request: RunRequest,
    job: Job<RunJob>,
    { signal }: AbortController,
    handle: HandleRun,
    onLost: OnLostRun | undefined,
    handled: () => void,
  ): Promise<Outcome> => {
    if ((await client.exists(names.answeredKey(request.id))) === 1) return 'answered';
    if (job.stalledCounter > options.maxCrashes) {
      return giveUp(request, { why: 'crashed', times: job.stalledCounter }, onLost, handled);
    }
    await noteCancelled(request.id);
    const stopped = (): StopReason['why'] | undefined => (signal.reason as StopReason | undefined)?.why;
    try {
      await handle(request, { signal, attempt: job.attemptsStarted });
    } catch (error) {
      if (stopped() === 'closing') return 'handedBack';
      if (stopped() === 'takenOver') return 'takenOver';
      log('error', `run ${request.id}: the handler threw: ${String(error)}`);
      return giveUp(request, { why: 'threw', error }, onLost, handled);
    }
    handled();
    return stopped() === 'takenOver' ? 'takenOver' : answered(request.id);
  };

  const settle = async (outcome: Outcome, job: Job<RunJob>, token: string): Promise<void> => {
    switch (outcome) {
      case 'answered':
        return;
      case 'unanswered':
        throw new UnrecoverableError('no answer was given');
      case 'handedBack':
        await job.moveToWait(token);
        throw new WaitingError();
      case 'takenOver':
      case 'unrecorded':
        // Leaves the job alone: it is somebody else's now, or will be, who finds the answer in its thread.
        throw new WaitingError();
    }
  };

  return {
    async start(handle, onLost) {
      if (bull !== undefined) throw new Error('This worker has been started already');
      const worker = new Worker<RunJob>(
        names.queue,
        async (job, token = '') => {
          const request = requestOf(job.data);
          const runId = job.id;
          if (request === undefined || runId === undefined) {
            log('error', `run ${runId}: written by a netcheck that this one does not understand`);
            throw new UnrecoverableError('unreadable request');
          }
          // Back from an outage: the queue gives us a run that has never stopped here.
          const running = active.get(runId);
          if (running !== undefined) {
            running.token = token;
            return settle(await running.outcome, job, token);
          }
          const controller = new AbortController();
          // The entry must be there before the first await of `work`: a cancellation may arrive right now.
          let handled = (): void => undefined;
          const whenHandled = new Promise<void>((resolve) => {
            handled = resolve;
          });
          const begun = Promise.resolve()
            .then(() => work(request, job, controller, handle, onLost, handled))
            .finally(() => handled());
          const run: ActiveRun = { controller, handled: whenHandled, outcome: begun, token };
          active.set(runId, run);
          if (closing !== undefined) stop(runId, { why: 'closing' });
          try {
            return await settle(await begun, job, run.token);
          } finally {
            active.delete(runId);
          }
        },
        {
          connection: client,
          prefix: names.prefix,
          autorun: false,
          concurrency: options.concurrency,
          lockDuration: options.lockMs,
          stalledInterval: options.stalledCheckMs,
          // The count that matters is ours, in `work`; BullMQ's own limit ends a run whose `onLost` crashes too.
          maxStalledCount: options.maxCrashes + 2,
          runRetryDelay: 1_000,
          removeOnComplete: { age: Math.ceil(options.keepMs / 1_000) },
          removeOnFail: { age: Math.ceil(options.keepMs / 1_000) },
        },
      );
      bull = worker;
      worker.on('error', (error) => log('warn', `worker: ${error.message}`));
      worker.on('lockRenewalFailed', (runIds: string[]) => {
        for (const runId of runIds) {
          reclaim(worker, runId).catch((error: unknown) => log('warn', `run ${runId}: ${String(error)}`));
        }
      });
      subscriber.on('message', (channel, text) => {
        if (channel !== names.cancelChannel) return;
        const message = CancelMessage.safeParse(parseJson(text));
        if (message.success) stop(message.data.runId, { why: 'cancelled', by: message.data.by });
      });
      await subscriber.subscribe(names.cancelChannel);
      await worker.waitUntilReady();
      client.on('ready', () => afterOutage(worker));
      worker.run().catch((error: unknown) => log('error', `worker: ${String(error)}`));
    },

    close() {
      closing ??= closeDown();
      return closing;
    },
  };

  async function closeDown(): Promise<void> {
    const worker = bull;
    if (worker !== undefined) {
      await worker.pause(true);
      for (const runId of active.keys()) stop(runId, { why: 'closing' });
      const runs = [...active.values()];
      const quiet = await settledWithin(Promise.all(runs.map((run) => run.handled)), options.closeWithinMs);
      // Without Redis nothing can be recorded: the runs stall there, and are answered or begun again later.
      const recorded =
        quiet &&
        client.status === 'ready' &&
        (await settledWithin(Promise.allSettled(runs.map((run) => run.outcome)), recordWithinMs));
      if (!(await settledWithin(worker.close(!recorded), recordWithinMs))) log('warn', 'worker: closed without Redis');
    }
    subscriber.disconnect();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
