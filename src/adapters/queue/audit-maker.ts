import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { AuditHandlers, AuditMaking, AuditRequest, AuditStep } from '../../engine/ports.ts';
import { createDeadline } from '../../model/deadline.ts';
import type { AuditReport } from '../../model/audit-report.ts';
import type { AuditJob, NodeAudit } from '../../model/node-audit.ts';
import type { AuditNames } from './audit-names.ts';
import type { AuditResults } from './audit-results.ts';

export interface MakerOptions {
  /** Nodes that are in the queue or being looked at: enough for all workers, and no more than Redis holds with ease. */
  readonly window: number;
  /** How often new results are looked for, milliseconds. */
  readonly pollMs: number;
  /** After so long without a result it is looked whether the nodes that are missing are still in the queue. */
  readonly missingAfterMs: number;
}

/** Added, and read, in one go. */
const batch = 250;
/** Steps are told at most this often; the last one always. */
const stepEveryMs = 100;

/** Why making stopped before its end. */
export type MakerStop = { readonly why: 'cancelled'; readonly by: string } | { readonly why: 'closing' | 'takenOver' };

/** The reason where the signal was aborted by the queue. */
export function makerStopOf(signal: AbortSignal): MakerStop | undefined {
  return signal.aborted ? (signal.reason as MakerStop) : undefined;
}

/**
 * Puts one audit together: adds its nodes to the queue as children of its job, a window of them at a time, and takes in
 * what they have come to. What was there before a crash is taken in first, and those nodes are not added again.
 *
 * Resolves to undefined where another process has to go on (`closing`, `takenOver`). A cancelled audit has its report.
 */
export async function makeAudit(
  request: AuditRequest,
  parent: Job,
  making: AuditMaking,
  {
    client,
    nodes,
    names,
    results,
    handlers,
    signal,
    options,
  }: {
    readonly client: Redis;
    readonly nodes: Queue<AuditJob>;
    readonly names: AuditNames;
    readonly results: AuditResults;
    readonly handlers: AuditHandlers;
    readonly signal: AbortSignal;
    readonly options: MakerOptions;
  },
): Promise<AuditReport | undefined> {
  const todo = new Map(making.jobs.map((job) => [job.node, job]));
  const total = todo.size;
  /** In the queue, and without a result. */
  const open = new Map<string, AuditJob>();
  let done = 0;
  let last = '0';
  let untold: AuditStep | undefined;
  let toldAtMs = 0;
  let lastResultAtMs = Date.now();

  const take = (result: NodeAudit): void => {
    if (!todo.delete(result.node) && !open.delete(result.node)) return;
    making.add(result);
    done++;
    const { node, outcome, tookMs, findings } = result;
    untold = { node, outcome, tookMs, findings: findings.length + (untold?.findings ?? 0), done, total };
    tell();
  };
  const tell = (): void => {
    if (untold === undefined || (Date.now() - toldAtMs < stepEveryMs && done < total)) return;
    const step = untold;
    untold = undefined;
    toldAtMs = Date.now();
    handlers.step?.(request, step);
    client.publish(names.stepChannel(request.id), JSON.stringify(step)).catch(() => undefined);
  };
  const takeIn = async (): Promise<number> => {
    const read = await results.read(last, batch);
    last = read.last;
    for (const result of read.results) take(result);
    return read.results.length;
  };
  const add = async (): Promise<boolean> => {
    const room = Math.min(batch, options.window - open.size);
    if (todo.size === 0 || room < Math.min(batch, todo.size, options.window / 2)) return false;
    const next = firstOf(todo.values(), room);
    for (const job of next) {
      todo.delete(job.node);
      open.set(job.node, job);
    }
    await nodes.addBulk(
      next.map((job) => ({
        name: 'node',
        data: job,
        opts: {
          jobId: `${request.id}_${job.node}`,
          parent: { id: parent.id ?? request.id, queue: parent.queueQualifiedName },
          attempts: 3,
          backoff: { type: 'fixed', delay: 1_000 },
          // A node that cannot be looked at is a result; and nothing of it stays once it has been taken in.
          ignoreDependencyOnFailure: true,
          removeOnComplete: true,
          removeOnFail: true,
        },
      })),
    );
    return true;
  };
  /** A result that nobody can read, a job that failed three times, a Redis that lost it: the audit must end. */
  const giveUpMissing = async (): Promise<void> => {
    for (const job of open.values()) {
      if (signal.aborted) return;
      const state = await nodes.getJobState(`${request.id}_${job.node}`);
      if (state === 'unknown' || state === 'failed' || state === 'completed') missing.push(job);
    }
    // What ended between the two looks has left its result.
    while ((await takeIn()) > 0);
    for (const job of missing.splice(0)) if (open.has(job.node)) take(handlers.notLooked(job, 'lost'));
  };
  const missing: AuditJob[] = [];

  while ((await takeIn()) > 0);
  const isWhole = (): boolean => todo.size + open.size === 0;
  while (!isWhole() && !signal.aborted) {
    while (!signal.aborted && (await add()));
    const came = await takeIn();
    if (came > 0) lastResultAtMs = Date.now();
    else if (Date.now() - lastResultAtMs > options.missingAfterMs) {
      await giveUpMissing();
      lastResultAtMs = Date.now();
    }
    tell();
    if (came < batch && !isWhole()) await pause(options.pollMs, signal);
  }
  const stop = makerStopOf(signal);
  if (stop !== undefined && stop.why !== 'cancelled') return undefined;
  if (stop !== undefined) {
    while ((await takeIn()) > 0);
    for (const job of [...open.values(), ...todo.values()]) take(handlers.notLooked(job, 'cancelled'));
  }
  return making.finish({ cancelled: stop !== undefined });
}

function firstOf<T>(values: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.length >= count) break;
    first.push(value);
  }
  return first;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const end = createDeadline(ms, signal);
  await new Promise<void>((resolve) => {
    if (end.signal.aborted) resolve();
    end.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  end.clear();
}
