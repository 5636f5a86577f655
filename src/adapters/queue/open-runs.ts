import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { OpenRun, OpenRuns, RunRequest } from '../../engine/ports.ts';
import type { QueueNames } from './bull-queue.ts';
import type { RedisPlace } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';
import { readRequest, type RunJob } from './run-job.ts';

/** More than this nobody looks after; the oldest are forgotten first. */
const maxOpen = 10_000;

const openScript = `
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if over > 0 then
  for _, oldest in ipairs(redis.call('ZRANGE', KEYS[1], 0, over - 1)) do
    redis.call('ZREM', KEYS[1], oldest)
    redis.call('HDEL', KEYS[2], oldest)
  end
end
return 1`;

/** Notes that a run is about to be queued. */
export async function noteOpen(client: Redis, names: QueueNames, request: RunRequest): Promise<void> {
  await client.eval(
    openScript,
    2,
    names.openKey,
    names.openRequestsKey,
    request.id,
    request.askedAtMs,
    JSON.stringify(request),
    maxOpen,
  );
}

/** Notes that nobody waits for a run any more. */
export async function noteClosed(client: Redis, names: QueueNames, runId: string): Promise<void> {
  await client.multi().zrem(names.openKey, runId).hdel(names.openRequestsKey, runId).exec();
}

/** The runs that were asked for and are not known to have ended, with what the queue knows of each. */
export function createOpenRuns(client: Redis, place: RedisPlace, names: QueueNames, queue: Queue<RunJob>): OpenRuns {
  const guarded = createRedisGuard(place, client);

  const stateOf = async (runId: string): Promise<OpenRun['state']> => {
    if ((await client.exists(names.answeredKey(runId))) === 1) return 'answered';
    const job = await queue.getJob(runId);
    if (job === undefined) return 'missing';
    const state = await job.getState();
    switch (state) {
      case 'completed':
        return 'answered';
      case 'failed':
        return 'unanswered';
      case 'unknown':
        return 'missing';
      case 'active':
        return 'active';
      case 'waiting':
      case 'waiting-children':
      case 'prioritized':
      case 'delayed':
        return 'waiting';
    }
  };

  return {
    list: (limit) =>
      guarded(async () => {
        const ids = await client.zrange(names.openKey, '0', String(limit - 1));
        const open: OpenRun[] = [];
        for (const id of ids) {
          const request = readRequest(await client.hget(names.openRequestsKey, id));
          if (request === undefined) await noteClosed(client, names, id);
          else open.push({ request, state: await stateOf(id) });
        }
        return open;
      }),
    note: (request) => guarded(() => noteOpen(client, names, request)),
    stateOf: (runId) => guarded(() => stateOf(runId)),
    close: (runId) => guarded(() => noteClosed(client, names, runId)),
  };
}
