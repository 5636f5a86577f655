import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import * as z from 'zod';

const Present = z.object({
  host: z.string(),
  pid: z.number(),
  sinceMs: z.number(),
  /** Runs in hand. */
  runs: z.number(),
  saidAtMs: z.number(),
});

/** A process that takes runs, as it said of itself some seconds ago. */
export type PresentWorker = Pick<z.infer<typeof Present>, 'host' | 'pid' | 'sinceMs' | 'runs'>;

/** How often a worker says that it is there, and how long that is believed: two may be missed. */
const everyMs = 10_000;
const believedMs = 30_000;
/** What crashed workers have left is forgotten by then. */
const keptMs = 3_600_000;

const keyOf = (prefix: string): string => `${prefix}:workers`;

/** Says that this process takes runs, until told that it no longer does. Nothing of it can fail a run. */
export function announceWorker(client: Redis, prefix: string, runs: () => number): { gone(): Promise<void> } {
  const key = keyOf(prefix);
  const id = randomUUID();
  const sinceMs = Date.now();
  let isSaying = false;
  let isGone = false;
  const say = async (): Promise<void> => {
    // While Redis is away one of them waits; more would only pile up.
    if (isSaying || isGone) return;
    isSaying = true;
    const now: z.infer<typeof Present> = {
      host: hostname(),
      pid: process.pid,
      sinceMs,
      runs: runs(),
      saidAtMs: Date.now(),
    };
    try {
      await client.multi().hset(key, id, JSON.stringify(now)).pexpire(key, keptMs).exec();
    } catch {
      // said again in a moment
    } finally {
      isSaying = false;
    }
  };
  const timer = setInterval(() => void say(), everyMs);
  timer.unref();
  void say();
  return {
    async gone() {
      isGone = true;
      clearInterval(timer);
      await client.hdel(key, id).catch(() => undefined);
    },
  };
}

/** The workers that are there, the longest running first. */
export async function presentWorkers(client: Redis, prefix: string): Promise<readonly PresentWorker[]> {
  const key = keyOf(prefix);
  const nowMs = Date.now();
  const said = Object.entries(await client.hgetall(key)).map(([id, json]) => ({ id, worker: readPresent(json) }));
  const old = said.filter(({ worker }) => worker === undefined || worker.saidAtMs < nowMs - keptMs).map(({ id }) => id);
  if (old.length > 0) await client.hdel(key, ...old);
  return said
    .flatMap(({ worker }) => (worker === undefined || worker.saidAtMs < nowMs - believedMs ? [] : [worker]))
    .sort((a, b) => a.sinceMs - b.sinceMs)
    .map(({ host, pid, sinceMs, runs }) => ({ host, pid, sinceMs, runs }));
}

/** Undefined where another version of netcheck wrote something that this one cannot read. */
function readPresent(json: string): z.infer<typeof Present> | undefined {
  try {
    return Present.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}
