/**
 * A process that uses the private Redis of a data directory until it is killed: `private-redis-user.ts DATA_DIR`.
 * Prints `ready` when Redis answers.
 */
import { openPrivateRedis } from '../../../src/adapters/queue/private-redis.ts';

await openPrivateRedis(process.argv[2] ?? '');
process.stdout.write('ready\n');
setInterval(() => undefined, 60_000);
