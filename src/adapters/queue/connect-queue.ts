import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type {
  AuditQueue,
  AuditWorker,
  KeyValue,
  NodeSlots,
  OpenRuns,
  RunHistory,
  RunQueue,
  Schedules,
} from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { MakerOptions } from './audit-maker.ts';
import { auditNames } from './audit-names.ts';
import { createAuditQueue } from './audit-queue.ts';
import { createAuditWorker } from './audit-worker.ts';
import { createBullQueue, type QueueLoad, queueNames } from './bull-queue.ts';
import { createBullSchedules } from './bull-schedules.ts';
import { createBullWorker, type QueueWorker, type WorkerTiming } from './bull-worker.ts';
import { createKeyValue } from './key-value.ts';
import { createNodeSlots } from './node-slots.ts';
import { createRedisHistory } from './redis-history.ts';
import { openPrivateRedis, type PrivateRedis } from './private-redis.ts';
import type { QueueLog } from './queue-log.ts';
import { createRunsInHand } from './runs-in-hand.ts';
import { openClient, queueDown, readRedisUrl, type RedisPlace, settledWithin, whenReady } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';
import { isTooOld, problemsOf, readServerFacts } from './server-facts.ts';
import { announceWorker, type PresentWorker, presentWorkers } from './worker-presence.ts';

/** Times that production has no reason to change, milliseconds. Tests shorten them. */
export interface QueueTiming extends WorkerTiming, MakerOptions {
  /** How long the first connection may take. */
  readonly connectWithinMs: number;
  /** Lease of a node slot. */
  readonly leaseMs: number;
  readonly slotPollMs: number;
}

/** With these a run whose worker was killed is begun again after at most lockMs + stalledCheckMs = 14 s. */
const defaultTiming: QueueTiming = {
  lockMs: 10_000,
  stalledCheckMs: 4_000,
  maxCrashes: 2,
  closeWithinMs: 25_000,
  keepMs: 24 * 60 * 60 * 1_000,
  connectWithinMs: 5_000,
  leaseMs: 30_000,
  slotPollMs: 250,
  window: 2_000,
  pollMs: 100,
  missingAfterMs: 60_000,
};

export interface ConnectQueueOptions {
  /** `REDIS_URL`. Absent or empty: a private Redis in `dataDir`. */
  readonly redisUrl?: string | undefined;
  readonly dataDir: string;
  /** Keeps several installations on one Redis apart. Default `netcheck`. */
  readonly prefix?: string;
  readonly log?: QueueLog;
  readonly timing?: Partial<QueueTiming>;
}

/** What `netcheck doctor` shows. Facts are null where Redis does not answer. */
export interface QueueHealth {
  /** Redis answers, and nothing about it is unsafe. */
  readonly ok: boolean;
  readonly version: string | null;
  readonly evictionPolicy: string | null;
  /** Queued runs outlive a restart of Redis. */
  readonly persistent: boolean | null;
  /** Address without user and password, or the socket of the private Redis. */
  readonly where: string;
  /** One sentence each: what is wrong and what to do. */
  readonly problems: readonly string[];
}

/** Everything that netcheck keeps in Redis, behind the ports of the engine. */
export interface QueueAdapter {
  /** For the front: every method rejects with `queue/down` at once while Redis is away. */
  readonly queue: RunQueue;
  readonly schedules: Schedules;
  /** Rejects with `queue/down` at once while Redis is away. */
  readonly store: KeyValue;
  /** The same facts for a worker in the middle of a run: waits while Redis is away. */
  readonly patientStore: KeyValue;
  /** Rejects with `queue/down` at once while Redis is away. */
  readonly history: RunHistory;
  /** For what has to be remembered in the end: waits while Redis is away. */
  readonly patientHistory: RunHistory;
  /** Runs without a final answer. Rejects with `queue/down` at once while Redis is away. */
  readonly openRuns: OpenRuns;
  worker(options: { readonly concurrency: number }): QueueWorker;
  /** For the front: every method rejects with `queue/down` at once while Redis is away. */
  readonly audits: AuditQueue;
  /**
   * Takes audits and their nodes. While this process has runs of people in hand it takes a quarter as many nodes, so that
   * an investigation does not wait for an audit.
   *
   * @param options.concurrency nodes that this process looks at side by side
   */
  auditWorker(options: { readonly concurrency: number }): AuditWorker;
  slots(options: { readonly perNode: number }): NodeSlots;
  /** Never rejects. */
  health(): Promise<QueueHealth>;
  /** How much there is to do. Rejects with `queue/down`. */
  load(): Promise<QueueLoad>;
  /** The processes that take runs, of this installation, wherever they are. Rejects with `queue/down`. */
  workers(): Promise<readonly PresentWorker[]>;
  /** Closes its workers (aborting what they do), its connections, and the private Redis where nobody else uses it. */
  close(): Promise<void>;
}

/**
 * Connects to the Redis of `redisUrl`, or brings up a private one, and makes sure that it can carry the queue.
 * Settings that endanger queued runs (eviction, no persistence) are reported through `log`, not refused.
 *
 * @throws NetcheckError `queue/down` (no answer), `queue/no-redis` (nothing to start, or older than 6.2),
 *   `config/invalid` (address or data directory)
 */
export async function connectQueue(options: ConnectQueueOptions): Promise<QueueAdapter> {
  const timing: QueueTiming = { ...defaultTiming, ...options.timing };
  const log: QueueLog = options.log ?? (() => undefined);
  const names = queueNames(options.prefix ?? 'netcheck');
  const clientName = `netcheck-${randomUUID()}`;

  const redisUrl = options.redisUrl ?? '';
  const own = redisUrl === '' ? await openPrivateRedis(options.dataDir) : undefined;
  const clients: Redis[] = [];
  const disconnect = async (): Promise<void> => {
    for (const client of clients) client.disconnect();
    await own?.close();
  };

  try {
    const place: RedisPlace =
      own === undefined ? readRedisUrl(redisUrl) : { options: { path: own.socket }, shown: own.socket };
    const open = (whileAway: 'refuse' | 'wait', role: string): Redis => {
      const client = openClient(place, whileAway, `${clientName}-${role}`, log);
      clients.push(client);
      return client;
    };
    const front = open('refuse', 'front');
    await whenReady(front, place, timing.connectWithinMs);
    const facts = await readServerFacts(front).catch((error: unknown) => {
      throw queueDown(place, error);
    });
    if (isTooOld(facts.version)) {
      throw new NetcheckError(
        'queue/no-redis',
        `Redis at ${place.shown} is version ${facts.version}; netcheck needs 6.2 or newer.`,
        'Update Redis, or use another one with REDIS_URL.',
      );
    }
    for (const problem of problemsOf(facts)) log('warn', problem);
    if (own !== undefined) keepUp(own, front, log);

    const workers: QueueWorker[] = [];
    const queue = createBullQueue(front, place, names, { keepMs: timing.keepMs, log });
    const patient = open('wait', 'worker');
    const schedules = createBullSchedules(front, patient, place, names, { ...timing, log });
    const ofAudits = auditNames(names);
    const inHand = createRunsInHand();
    const auditWorkers: AuditWorker[] = [];
    const audits = createAuditQueue(front, place, ofAudits, {
      keepMs: timing.keepMs,
      log,
      openSubscriber: () => {
        const subscriber = openClient(place, 'wait', `${clientName}-follow`, log);
        clients.push(subscriber);
        subscriber.once('end', () => clients.splice(clients.indexOf(subscriber), 1));
        return subscriber;
      },
    });
    let closing: Promise<void> | undefined;
    const closeDown = async (): Promise<void> => {
      await Promise.all([...[...workers, ...auditWorkers].map((worker) => worker.close()), schedules.close()]);
      await settledWithin(audits.close(), 1_000);
      await settledWithin(queue.close(), 1_000);
      await disconnect();
    };
    return {
      queue,
      schedules,
      store: createKeyValue(front, place, names.prefix),
      patientStore: createKeyValue(patient, place, names.prefix),
      history: createRedisHistory(front, place, names.prefix),
      patientHistory: createRedisHistory(patient, place, names.prefix),
      worker({ concurrency }) {
        const worker = createBullWorker(patient, open('wait', 'cancel'), names, { ...timing, concurrency, log });
        let presence: ReturnType<typeof announceWorker> | undefined;
        const announced: QueueWorker = {
          start: async (handle, onLost) => {
            await worker.start(inHand.counted(handle), onLost);
            presence = announceWorker(patient, names.prefix, () => inHand.size);
          },
          close: async () => {
            // It may be that Redis is away: then nobody waits for it.
            await settledWithin(presence?.gone() ?? Promise.resolve(), 500);
            await worker.close();
          },
        };
        workers.push(announced);
        return announced;
      },
      audits,
      auditWorker({ concurrency }) {
        const worker = createAuditWorker(patient, open('wait', 'audit-cancel'), ofAudits, {
          ...timing,
          concurrency,
          runs: inHand,
          log,
        });
        auditWorkers.push(worker);
        return worker;
      },
      slots: ({ perNode }) =>
        createNodeSlots(patient, names.prefix, { perNode, leaseMs: timing.leaseMs, pollMs: timing.slotPollMs }),
      async health() {
        try {
          if (front.status !== 'ready') throw queueDown(place, new Error('the connection is lost'));
          const now = await readServerFacts(front);
          const problems = problemsOf(now);
          return { ok: problems.length === 0, where: place.shown, ...now, problems };
        } catch (error) {
          const down = error instanceof NetcheckError ? error : queueDown(place, error);
          return {
            ok: false,
            where: place.shown,
            version: null,
            evictionPolicy: null,
            persistent: null,
            problems: [`${down.message} ${down.hint}`],
          };
        }
      },
      load: () => queue.load(),
      workers: () => createRedisGuard(place, front)(() => presentWorkers(front, names.prefix)),
      openRuns: queue.openRuns,
      close() {
        closing ??= closeDown();
        return closing;
      },
    };
  } catch (error) {
    await disconnect();
    throw error;
  }
}

/** Starts the private Redis again when it is gone: it crashed, or another process let go of it a moment too early. */
function keepUp(own: PrivateRedis, client: Redis, log: QueueLog): void {
  client.on('close', () => {
    own.ensure().catch((error: unknown) => log('error', error instanceof Error ? error.message : String(error)));
  });
}
