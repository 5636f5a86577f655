import type { Redis } from 'ioredis';
import { NetcheckError } from '../../model/errors.ts';
import { queueDown, type RedisPlace } from './redis-client.ts';

/** Does what Redis is asked; rejects with `queue/down` where it cannot, and with our own errors as they are. */
export type RedisGuard = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * @param mustBeReady BullMQ waits for a connection before it sends anything, and the person who asked must not: with this
 *   client nothing is begun while the connection is lost
 */
export function createRedisGuard(place: RedisPlace, mustBeReady?: Pick<Redis, 'status'>): RedisGuard {
  return async (work) => {
    if (mustBeReady !== undefined && mustBeReady.status !== 'ready')
      throw queueDown(place, new Error('the connection is lost'));
    try {
      return await work();
    } catch (error) {
      throw error instanceof NetcheckError ? error : queueDown(place, error);
    }
  };
}
