import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { KeyValue } from '../../engine/ports.ts';
import type { RedisPlace } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';

/** The values carry who wrote them, so that a command that is sent again after a lost connection knows its own. */
const writerLength = 37;

const setOnceScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`;

/**
 * Small facts in Redis, each with a time to live. What happens while Redis is away is the client's doing: `refuse`
 * rejects with `queue/down` at once, `wait` waits.
 */
export function createKeyValue(client: Redis, place: RedisPlace, prefix: string): KeyValue {
  const keyOf = (key: string): string => `${prefix}:store:${key}`;
  const millis = (ttlMs: number): number => Math.max(1, Math.ceil(ttlMs));
  const guarded = createRedisGuard(place);
  return {
    get: (key) => guarded(async () => (await client.get(keyOf(key)))?.slice(writerLength) ?? null),
    set: (key, value, { ttlMs }) =>
      guarded(async () => {
        await client.set(keyOf(key), `${randomUUID()} ${value}`, 'PX', millis(ttlMs));
      }),
    setOnce: (key, value, { ttlMs }) =>
      guarded(async () => {
        const set = await client.eval(setOnceScript, 1, keyOf(key), `${randomUUID()} ${value}`, millis(ttlMs));
        return set === 1;
      }),
    delete: (key) =>
      guarded(async () => {
        await client.del(keyOf(key));
      }),
  };
}
