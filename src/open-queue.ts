import path from 'node:path';
import { connectQueue, type QueueAdapter } from './adapters/queue/connect-queue.ts';
import type { LoadedConfig } from './config.ts';

/**
 * The queue of this installation: REDIS_URL where it is set, else a private Redis in the data directory.
 *
 * @throws NetcheckError `queue/down`, `queue/no-redis`
 */
export function openQueue({ config, directory }: LoadedConfig): Promise<QueueAdapter> {
  return connectQueue({
    redisUrl: process.env['REDIS_URL'],
    dataDir: path.resolve(directory, config.data),
    log: (_level, message) => process.stderr.write(`netcheck: ${message}\n`),
  });
}
