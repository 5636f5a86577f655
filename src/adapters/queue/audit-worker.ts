import { type Job, Queue, UnrecoverableError, WaitingChildrenError, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { AuditHandlers, AuditRequest, AuditWorker } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { AuditJob } from '../../model/node-audit.ts';
import { AuditCancelMessage, auditRequestOf, nodeJobOf, packEnd } from './audit-job.ts';
import { makeAudit, type MakerOptions, makerStopOf, type MakerStop } from './audit-maker.ts';
import type { AuditNames } from './audit-names.ts';
import { type AuditResults, createAuditResults } from './audit-results.ts';
import type { WorkerTiming } from './bull-worker.ts';
import type { QueueLog } from './queue-log.ts';
import { settledWithin } from './redis-client.ts';

export interface AuditWorkerOptions extends WorkerTiming, MakerOptions {
  /** Nodes that this process looks at side by side. */
  readonly concurrency: number;
  /** Runs that this process has in hand: while there are any, an audit takes a quarter of its places. */
  readonly runs: { readonly size: number; onChange(listener: () => void): void };
  readonly log: QueueLog;
}

/** Audits that one process puts together side by side: each is hardly any work. */
const auditsAtOnce = 4;
/** Whoever puts an audit together looks at nodes as well: what it dies of may be one of those, which are given up first. */
const maxAuditCrashes = 10;
/** Dictionaries of so many audits are remembered. */
const auditsRemembered = 8;

interface Active {
  readonly audit: string;
  readonly controller: AbortController;
  readonly handled: Promise<unknown>;
}

/**
 * Takes audits and their nodes from the queue. Any number of processes may: nodes go to whoever is free, one of them
 * puts each audit together, and another one goes on where that one dies.
 *
 * @param client     a client that waits while Redis is away; used and not closed
 * @param subscriber a client of its own, for pub/sub; closed with the worker
 */
export function createAuditWorker(
  client: Redis,
  subscriber: Redis,
  names: AuditNames,
  options: AuditWorkerOptions,
): AuditWorker {
  const { log } = options;
  const active = new Map<Job, Active>();
  const workers: Worker[] = [];
  const remembered = new Map<string, AuditResults>();
  const nodeQueue = new Queue<AuditJob>(names.nodes, { connection: client, prefix: names.prefix });
  nodeQueue.on('error', (error) => log('warn', `audit nodes: ${error.message}`));
  let closing: Promise<void> | undefined;

  const resultsOf = (audit: string): AuditResults => {
    const known = remembered.get(audit) ?? createAuditResults(client, names, audit, options.keepMs);
    remembered.delete(audit);
    remembered.set(audit, known);
    for (const oldest of remembered.keys()) if (remembered.size > auditsRemembered) remembered.delete(oldest);
    return known;
  };

  /** Runs `work` with a signal that is aborted when its audit is cancelled, its lock is lost, or this process closes. */
  const during = async <T>(job: Job, audit: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController();
    let settle = (): void => undefined;
    const handled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    active.set(job, { audit, controller, handled });
    try {
      if (closing !== undefined) controller.abort({ why: 'closing' } satisfies MakerStop);
      // The entry is there before the flag is looked at: a cancellation may arrive right now.
      const by = await client.get(names.cancelKey(audit));
      if (by !== null) controller.abort({ why: 'cancelled', by } satisfies MakerStop);
      return await work(controller.signal);
    } finally {
      active.delete(job);
      settle();
    }
  };

  const handBack = async (job: Job, token: string): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };

  const node = async (job: Job<AuditJob>, token: string, handlers: AuditHandlers): Promise<void> => {
    const data = nodeJobOf(job.data);
    if (data === undefined) throw new UnrecoverableError('unreadable job');
    const results = resultsOf(data.audit);
    if (await results.has(data.node)) return;
    if (job.stalledCounter > options.maxCrashes) {
      await results.record(handlers.notLooked(data, 'lost'));
      return;
    }
    const stop = await during(job, data.audit, async (signal) => {
      // Who puts a cancelled audit together has told of this node already.
      if (signal.aborted) return makerStopOf(signal);
      const result = await handlers.node(data, { signal });
      if (!signal.aborted) await results.record(result);
      return makerStopOf(signal);
    });
    if (stop?.why === 'closing') await handBack(job, token);
    if (stop?.why === 'takenOver') throw new WaitingError();
  };

  const end = async (request: AuditRequest, packed: Buffer): Promise<void> => {
    await client.set(names.endKey(request.id), packed, 'PX', options.keepMs);
    await client.publish(names.stepChannel(request.id), 'ended');
  };

  const fail = async (request: AuditRequest, error: NetcheckError, handlers: AuditHandlers): Promise<void> => {
    await handlers.failed?.(request, error);
    await end(request, packEnd(error));
  };

  const audit = async (job: Job, token: string, handlers: AuditHandlers): Promise<void> => {
    const request = auditRequestOf(job.data);
    if (request === undefined) throw new UnrecoverableError('unreadable request');
    // Begun again only to be told that its last children are recorded.
    if ((await client.exists(names.endKey(request.id))) === 1) return;
    if (job.stalledCounter > maxAuditCrashes) return fail(request, died(job.stalledCounter), handlers);
    const results = resultsOf(request.id);
    const stop = await during(job, request.id, async (signal) => {
      try {
        const making = await handlers.begin(request);
        const report = await makeAudit(request, job, making, {
          client,
          nodes: nodeQueue,
          names,
          results,
          handlers,
          signal,
          options,
        });
        if (report === undefined) return makerStopOf(signal);
        await handlers.finished?.(request, report);
        await end(request, packEnd(report));
        await results.drop();
      } catch (error) {
        if (makerStopOf(signal)?.why === 'closing') return { why: 'closing' } as const;
        log('error', `audit ${request.id}: ${String(error)}`);
        await fail(request, asNetcheckError(error), handlers);
      }
      return undefined;
    });
    if (stop?.why === 'closing') await handBack(job, token);
    if (stop?.why === 'takenOver') throw new WaitingError();
    // A child may have its result and not yet be recorded as done.
    if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
  };

  const stopAudit = (id: string, why: MakerStop): void => {
    for (const one of active.values()) if (one.audit === id) one.controller.abort(why);
  };

  return {
    async start(handlers) {
      if (workers.length > 0) throw new Error('This worker has been started already');
      const common = {
        connection: client,
        prefix: names.prefix,
        autorun: false,
        lockDuration: options.lockMs,
        stalledInterval: options.stalledCheckMs,
        maxStalledCount: options.maxCrashes + 2,
        runRetryDelay: 1_000,
      };
      const age = Math.ceil(options.keepMs / 1_000);
      const nodes = new Worker<AuditJob>(names.nodes, (job, token = '') => node(job, token, handlers), {
        ...common,
        concurrency: options.concurrency,
      });
      const audits = new Worker(names.audits, (job, token = '') => audit(job, token, handlers), {
        ...common,
        concurrency: auditsAtOnce,
        maxStalledCount: maxAuditCrashes + 2,
        removeOnComplete: { age },
        removeOnFail: { age },
      });
      workers.push(nodes, audits);
      for (const worker of workers) {
        worker.on('error', (error) => log('warn', `audit worker: ${error.message}`));
        worker.on('lockRenewalFailed', (ids: string[]) => {
          for (const [job, { controller }] of active)
            if (job.id !== undefined && ids.includes(job.id))
              controller.abort({ why: 'takenOver' } satisfies MakerStop);
        });
      }
      const makeRoom = (): void => {
        nodes.concurrency = options.runs.size > 0 ? Math.max(1, options.concurrency >> 2) : options.concurrency;
      };
      options.runs.onChange(makeRoom);
      makeRoom();
      subscriber.on('message', (channel, text) => {
        if (channel !== names.cancelChannel) return;
        const message = AuditCancelMessage.safeParse(parseJson(text));
        if (message.success) stopAudit(message.data.audit, { why: 'cancelled', by: message.data.by });
      });
      await subscriber.subscribe(names.cancelChannel);
      for (const worker of workers) {
        await worker.waitUntilReady();
        worker.run().catch((error: unknown) => log('error', `audit worker: ${String(error)}`));
      }
    },

    close() {
      closing ??= closeDown();
      return closing;
    },
  };

  async function closeDown(): Promise<void> {
    await Promise.all(workers.map((worker) => worker.pause(true)));
    for (const { controller } of active.values()) controller.abort({ why: 'closing' } satisfies MakerStop);
    const quiet = await settledWithin(
      Promise.all([...active.values()].map(({ handled }) => handled)),
      options.closeWithinMs,
    );
    // Without Redis nothing can be handed back: it stalls there, and another worker takes it.
    const gently = quiet && client.status === 'ready';
    for (const worker of workers) await settledWithin(worker.close(!gently), 5_000);
    await settledWithin(nodeQueue.close(), 1_000);
    subscriber.disconnect();
  }
}

function died(times: number): NetcheckError {
  return new NetcheckError(
    'fault/internal',
    `Workers died ${times} times while they put this audit together.`,
    'Look at the log and the memory of the workers, then ask for it again.',
  );
}

function asNetcheckError(error: unknown): NetcheckError {
  if (error instanceof NetcheckError) return error;
  return new NetcheckError(
    'fault/internal',
    'netcheck itself failed on this audit.',
    'The log of the worker has the details.',
    { cause: error },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
