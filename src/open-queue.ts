import { connectQueue, type QueueAdapter } from './adapters/queue/connect-queue.ts';
import { dataDirectory, type LoadedConfig } from './config.ts';

/**
 * The queue of this installation: REDIS_URL where it is set, else a private Redis in the data directory.
 *
 * @throws NetcheckError `queue/down`, `queue/no-redis`
 */
export function openQueue(loaded: LoadedConfig): Promise<QueueAdapter> {
  return connectQueue({
    redisUrl: process.env['REDIS_URL'],
    dataDir: dataDirectory(loaded),
    log: (_level, message) => process.stderr.write(`netcheck: ${message}\n`),
  });
}
