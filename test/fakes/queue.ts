import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { HandleRun, OnLostRun, QueueWorker } from '../../src/adapters/queue/bull-worker.ts';
import type { QueueAdapter } from '../../src/adapters/queue/connect-queue.ts';
import type { StopReason } from '../../src/adapters/queue/stop-reason.ts';
import type {
  KeyValue,
  NodeSlots,
  OpenRun,
  OpenRuns,
  RunHistory,
  RunQueue,
  RunRequest,
} from '../../src/engine/ports.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import { memoryHistory } from './memory-history.ts';

interface Job {
  readonly request: RunRequest;
  readonly addedAtMs: number;
  /** It ended, and `onLost` could not answer either. */
  unanswered?: boolean;
  state: 'waiting' | 'active' | 'ended';
  attempts: number;
  crashes: number;
  controller?: AbortController;
}

interface Registered {
  readonly handle: HandleRun;
  readonly onLost: OnLostRun | undefined;
  readonly concurrency: number;
  readonly active: Map<string, Promise<void>>;
  closing: boolean;
}

/** Redis and BullMQ, as far as netcheck's queue contract goes, in memory. */
export interface FakeQueueServer {
  /** What one process gets from `connectQueue`. */
  connect(): QueueAdapter;
  /** Redis goes away … */
  cut(): void;
  /** … and comes back with all that it knew. */
  mend(): void;
  /** A worker takes the next waiting run and dies in the middle of it. */
  crashMidRun(): void;
}

export interface FakeQueueOptions {
  readonly maxCrashes?: number;
}

/** One in-memory queue server; everything that connects to it sees the same runs, slots and facts. */
export function createFakeQueueServer({ maxCrashes = 2 }: FakeQueueOptions = {}): FakeQueueServer {
  const jobs = new Map<string, Job>();
  const cancelled = new Map<string, string>();
  const open = new Map<string, RunRequest>();
  const facts = new Map<string, { value: string; untilMs: number }>();
  const holders = new Map<string, Map<string, symbol>>();
  const waiters = new Map<string, { holder: string; grant: () => void }[]>();
  const workers = new Set<Registered>();
  let up: Promise<void> | undefined;
  let comeBack: (() => void) | undefined;

  const down = (): NetcheckError =>
    new NetcheckError('queue/down', 'Redis at fake cannot be used: the connection is lost.', 'Mend it.');
  const refusing = async <T>(work: () => T | Promise<T>): Promise<T> => {
    if (up !== undefined) throw down();
    return work();
  };
  const waiting = async <T>(work: () => T | Promise<T>): Promise<T> => {
    await up;
    return work();
  };

  const dispatch = (): void => {
    if (up !== undefined) return;
    for (const worker of workers) {
      for (const [id, job] of jobs) {
        if (worker.closing || worker.active.size >= worker.concurrency) break;
        if (job.state !== 'waiting') continue;
        job.state = 'active';
        job.attempts += 1;
        const done = perform(worker, id, job).finally(() => {
          worker.active.delete(id);
          dispatch();
        });
        worker.active.set(id, done);
      }
    }
  };

  const perform = async (worker: Registered, id: string, job: Job): Promise<void> => {
    const giveUp = async (lost: Parameters<OnLostRun>[1]): Promise<void> => {
      job.unanswered = worker.onLost === undefined;
      await worker.onLost?.(job.request, lost).catch(() => {
        job.unanswered = true;
      });
      job.state = 'ended';
      if (!job.unanswered) open.delete(id);
    };
    if (job.crashes > maxCrashes) return giveUp({ why: 'crashed', times: job.crashes });
    const controller = new AbortController();
    job.controller = controller;
    const by = cancelled.get(id);
    if (by !== undefined) controller.abort({ why: 'cancelled', by } satisfies StopReason);
    try {
      await worker.handle(job.request, { signal: controller.signal, attempt: job.attempts });
      job.state = 'ended';
      open.delete(id);
    } catch (error) {
      const reason = controller.signal.reason as StopReason | undefined;
      if (reason?.why === 'closing') job.state = 'waiting';
      else await giveUp({ why: 'threw', error });
    }
    return undefined;
  };

  const keyValue = (whileAway: <T>(work: () => T) => Promise<T>): KeyValue => {
    const read = (key: string): string | null => {
      const fact = facts.get(key);
      return fact !== undefined && fact.untilMs > Date.now() ? fact.value : null;
    };
    const write = (key: string, value: string, ttlMs: number): void => {
      facts.set(key, { value, untilMs: Date.now() + ttlMs });
    };
    return {
      get: (key) => whileAway(() => read(key)),
      set: (key, value, { ttlMs }) => whileAway(() => write(key, value, ttlMs)),
      setOnce: (key, value, { ttlMs }) =>
        whileAway(() => {
          if (read(key) !== null) return false;
          write(key, value, ttlMs);
          return true;
        }),
      delete: (key) => whileAway(() => void facts.delete(key)),
    };
  };

  const remembered = memoryHistory();
  const history = (whileAway: <T>(work: () => T | Promise<T>) => Promise<T>): RunHistory => ({
    record: (run) => whileAway(() => remembered.record(run)),
    find: (runId) => whileAway(() => remembered.find(runId)),
    recent: (query) => whileAway(() => remembered.recent(query)),
    withTrouble: (fingerprints, limit) => whileAway(() => remembered.withTrouble(fingerprints, limit)),
  });

  const stateOf = (id: string): OpenRun['state'] => {
    const job = jobs.get(id);
    if (job === undefined) return 'missing';
    if (job.state === 'ended') return job.unanswered === true ? 'unanswered' : 'answered';
    return job.state;
  };
  const openRuns: OpenRuns = {
    list: (limit) =>
      refusing(() =>
        [...open.values()]
          .sort((a, b) => a.askedAtMs - b.askedAtMs)
          .slice(0, limit)
          .map((request) => ({ request, state: stateOf(request.id) })),
      ),
    note: (request) => refusing(() => void open.set(request.id, request)),
    stateOf: (id) => refusing(() => stateOf(id)),
    close: (id) => refusing(() => void open.delete(id)),
  };

  const slots = (perNode: number): NodeSlots => ({
    async acquire(node, { signal, holder }) {
      const aborted = (): Error => {
        const error = new Error(`Waiting for a slot on ${node} was aborted`, { cause: signal.reason });
        error.name = 'AbortError';
        return error;
      };
      await waiting(() => undefined);
      if (signal.aborted) throw aborted();
      const held = holders.get(node) ?? new Map<string, symbol>();
      holders.set(node, held);
      const queue = waiters.get(node) ?? [];
      waiters.set(node, queue);
      if (!held.has(holder) && held.size >= perNode) {
        await new Promise<void>((resolve, reject) => {
          const waiter = { holder, grant: resolve };
          queue.push(waiter);
          signal.addEventListener('abort', () => {
            const index = queue.indexOf(waiter);
            if (index !== -1) queue.splice(index, 1);
            reject(aborted());
          });
        });
      }
      const token = Symbol(holder);
      held.set(holder, token);
      return {
        async release() {
          if (held.get(holder) !== token) return;
          held.delete(holder);
          const next = queue.shift();
          if (next === undefined) return;
          held.set(next.holder, Symbol('granted'));
          next.grant();
        },
      };
    },
  });

  const connect = (): QueueAdapter => {
    const own = new Set<QueueWorker>();
    const queue: RunQueue = {
      submit: (request) =>
        refusing(() => {
          if (request.id === '' || request.id.includes(':')) {
            throw new NetcheckError('fault/internal', `${request.id} cannot be a job id.`, 'No colon.');
          }
          if (jobs.has(request.id) || cancelled.has(request.id)) return 'duplicate';
          open.set(request.id, structuredClone(request));
          jobs.set(request.id, {
            request: structuredClone(request),
            addedAtMs: Date.now(),
            state: 'waiting',
            attempts: 0,
            crashes: 0,
          });
          queueMicrotask(dispatch);
          return 'queued';
        }),
      cancel: (id, by) =>
        refusing(() => {
          const job = jobs.get(id);
          if (job === undefined || job.state === 'ended') return 'unknown';
          cancelled.set(id, by);
          if (job.state === 'waiting' && job.attempts === 0) {
            jobs.delete(id);
            return 'removed';
          }
          job.controller?.abort({ why: 'cancelled', by } satisfies StopReason);
          return 'cancelling';
        }),
      find: (id) => refusing(() => jobs.get(id)?.request ?? null),
      ping: () => refusing(() => ({ version: '7.0.0', evictionPolicy: 'noeviction' })),
      close: async () => undefined,
    };
    return {
      queue,
      store: keyValue(refusing),
      patientStore: keyValue(waiting),
      schedules: { sync: () => refusing(() => undefined), take: async () => ({ close: async () => undefined }) },
      history: history(refusing),
      patientHistory: history(waiting),
      // Audits over workers are tried on the real thing only.
      audits: {
        submit: () => Promise.reject(down()),
        cancel: () => Promise.reject(down()),
        follow: () => Promise.reject(down()),
      },
      auditWorker: () => ({ start: async () => undefined, close: async () => undefined }),
      slots: ({ perNode }) => slots(perNode),
      worker({ concurrency }) {
        let registered: Registered | undefined;
        const worker: QueueWorker = {
          async start(handle, onLost) {
            registered = { handle, onLost, concurrency, active: new Map(), closing: false };
            workers.add(registered);
            // A run whose worker died is found by the next one.
            for (const job of jobs.values())
              if (job.state === 'active' && job.controller === undefined) job.state = 'waiting';
            dispatch();
          },
          async close() {
            if (registered === undefined) return;
            registered.closing = true;
            for (const id of registered.active.keys()) {
              jobs.get(id)?.controller?.abort({ why: 'closing' } satisfies StopReason);
            }
            await Promise.all(registered.active.values());
            workers.delete(registered);
            own.delete(worker);
            dispatch();
          },
        };
        own.add(worker);
        return worker;
      },
      async health() {
        const ok = up === undefined;
        return {
          ok,
          where: 'fake',
          version: ok ? '7.0.0' : null,
          evictionPolicy: ok ? 'noeviction' : null,
          persistent: ok ? true : null,
          problems: ok ? [] : [down().message],
        };
      },
      openRuns,
      workers: () =>
        refusing(() =>
          [...workers].map(({ active }) => ({
            host: hostname(),
            pid: process.pid,
            sinceMs: Date.now(),
            runs: active.size,
          })),
        ),
      load: () =>
        refusing(() => {
          const states = [...jobs.values()].map(({ state }) => state);
          const waiting = [...jobs.values()].filter(({ state }) => state === 'waiting');
          return {
            waiting: waiting.length,
            active: states.filter((state) => state === 'active').length,
            oldestWaitingMs: Math.max(0, ...waiting.map(({ addedAtMs }) => Date.now() - addedAtMs)),
          };
        }),
      async close() {
        await Promise.all([...own].map((worker) => worker.close()));
      },
    };
  };

  return {
    connect,
    cut() {
      up ??= new Promise((resolve) => {
        comeBack = resolve;
      });
    },
    mend() {
      comeBack?.();
      up = undefined;
      dispatch();
    },
    crashMidRun() {
      const job = [...jobs.values()].find(
        ({ state, controller }) => state === 'waiting' || (state === 'active' && controller === undefined),
      );
      if (job === undefined) throw new Error('No run is waiting to be crashed');
      job.state = 'active';
      job.attempts += 1;
      job.crashes += 1;
      delete job.controller;
    },
  };
}

/** Resolves when `condition` holds; asks again every few milliseconds, for as long as the test's own time-out allows. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(5);
}
