import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { NodeSlots } from '../../engine/ports.ts';
import { settledWithin } from './redis-client.ts';

/**
 * Takes or refuses a slot. Holders and waiters whose time is over (their process died) are dropped first; then the
 * waiters are served in the order of their tickets. Times are those of the Redis server, so clocks do not matter.
 */
const acquireScript = `
local holders, tokens, waiting, seen, ticket = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local holder, token, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local leaseMs, waiterMs = tonumber(ARGV[4]), tonumber(ARGV[5])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', now)) do
  redis.call('ZREM', holders, dead)
  redis.call('HDEL', tokens, dead)
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', now)) do
  redis.call('ZREM', seen, dead)
  redis.call('ZREM', waiting, dead)
end
local granted = redis.call('ZSCORE', holders, holder)
if not granted then
  if not redis.call('ZSCORE', waiting, holder) then
    redis.call('ZADD', waiting, redis.call('INCR', ticket), holder)
  end
  redis.call('ZADD', seen, now + waiterMs, holder)
  granted = redis.call('ZRANK', waiting, holder) < limit - redis.call('ZCARD', holders)
end
if granted then
  redis.call('ZREM', waiting, holder)
  redis.call('ZREM', seen, holder)
  redis.call('ZADD', holders, now + leaseMs, holder)
  redis.call('HSET', tokens, holder, token)
end
for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], 10 * math.max(leaseMs, waiterMs)) end
return granted and 1 or 0`;

/** Extends the lease; puts it back where it ran out during an outage, because the node is in use all the same. */
const renewScript = `
local owner = redis.call('HGET', KEYS[2], ARGV[1])
if owner and owner ~= ARGV[2] then return 0 end
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], 10 * ARGV[3]) end
return 1`;

const releaseScript = `
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1`;

const leaveScript = `
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return 1`;

/** A report does not wait for Redis to come back: the lease gives the slot back otherwise. */
const releaseWithinMs = 1_000;

export interface NodeSlotsOptions {
  /** Runs that may be on one node at once. */
  readonly perNode: number;
  /** A holder that does not renew for so long has died. Renewed three times as often. */
  readonly leaseMs: number;
  /** How often a waiter asks again. */
  readonly pollMs: number;
}

/**
 * A semaphore per node over all processes on one Redis. Fair: first come, first served. A holder is known by its
 * name: acquiring a node again with the same `holder` takes the earlier slot over, so that the second attempt of a
 * run does not wait for the lease of the first, which died. While Redis is away an acquire waits (until its signal is
 * aborted), and a slot that is held stays held.
 *
 * `acquire` rejects when its signal is aborted (an AbortError whose `cause` is the signal's reason), or with what a
 * Redis says that is there and refuses (out of memory, no permission). `release` never rejects.
 */
export function createNodeSlots(client: Redis, prefix: string, options: NodeSlotsOptions): NodeSlots {
  const waiterMs = Math.max(5_000, 4 * options.pollMs);
  return {
    async acquire(node, { signal, holder }) {
      const keys = ['holders', 'tokens', 'waiting', 'seen', 'ticket'].map((part) => `${prefix}:slots:${node}:${part}`);
      const token = randomUUID();
      const run = async (script: string, ...args: (string | number)[]): Promise<boolean> =>
        (await client.eval(script, keys.length, ...keys, holder, ...args)) === 1;
      const release = async (): Promise<void> => {
        await run(releaseScript, token).catch(() => undefined);
      };
      const leave = async (asking: Promise<boolean>): Promise<void> => {
        if (await asking) await release();
        else await run(leaveScript);
      };

      for (;;) {
        const asking = run(acquireScript, token, options.perNode, options.leaseMs, waiterMs);
        const granted = await orAborted(asking, signal);
        if (granted === true) break;
        if (granted === false) await delay(options.pollMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) {
          leave(asking).catch(() => undefined);
          throw abortError(node, signal);
        }
      }

      const timer = setInterval(() => {
        run(renewScript, token, options.leaseMs).catch(() => undefined);
      }, options.leaseMs / 3);
      timer.unref();
      let released: Promise<void> | undefined;
      return {
        release() {
          clearInterval(timer);
          released ??= settledWithin(release(), releaseWithinMs).then(() => undefined);
          return released;
        },
      };
    },
  };
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | 'aborted'> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return 'aborted';
  }
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<'aborted'>((resolve) => {
    onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

function abortError(node: string, signal: AbortSignal): Error {
  const error = new Error(`Waiting for a slot on ${node} was aborted`, { cause: signal.reason });
  error.name = 'AbortError';
  return error;
}
