import type { Redis } from 'ioredis';
import type { RunHistory } from '../../engine/ports.ts';
import { PastRun } from '../../model/past-run.ts';
import type { RedisPlace } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';

/** Bounds of what is remembered. */
export interface HistoryBounds {
  /** Newest runs that are kept. */
  readonly maxRuns: number;
  readonly maxAgeMs: number;
}

const defaultBounds: HistoryBounds = { maxRuns: 5000, maxAgeMs: 90 * 24 * 3600_000 };

/**
 * Writes a run and lets go of the oldest, all in one: an index never names a run that is not there. A run says itself
 * which indexes it is in. What is over the bounds goes in portions, so that one write stays short.
 */
const recordScript = `
local runs, ended, prefix = KEYS[1], KEYS[2], ARGV[1]
local function indexes(json)
  local run = cjson.decode(json)
  local keys = {}
  for _, node in ipairs(run.nodes) do keys[#keys + 1] = prefix .. ':node:' .. node end
  for _, trouble in ipairs(run.troubles) do keys[#keys + 1] = prefix .. ':trouble:' .. trouble.fingerprint end
  return keys
end
local function forget(id)
  local json = redis.call('HGET', runs, id)
  if json then
    for _, key in ipairs(indexes(json)) do redis.call('ZREM', key, id) end
  end
  redis.call('HDEL', runs, id)
  redis.call('ZREM', ended, id)
end
forget(ARGV[2])
redis.call('HSET', runs, ARGV[2], ARGV[3])
redis.call('ZADD', ended, ARGV[4], ARGV[2])
for _, key in ipairs(indexes(ARGV[3])) do
  redis.call('ZADD', key, ARGV[4], ARGV[2])
  redis.call('PEXPIRE', key, ARGV[7])
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ended, '-inf', '(' .. ARGV[6], 'LIMIT', 0, 100)) do forget(id) end
local over = redis.call('ZCARD', ended) - tonumber(ARGV[5])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', ended, 0, math.min(over, 100) - 1)) do forget(id) end
end
redis.call('PEXPIRE', runs, ARGV[7])
redis.call('PEXPIRE', ended, ARGV[7])
return 1`;

/**
 * The memory of runs in Redis. What happens while Redis is away is the client's doing: `refuse` rejects with
 * `queue/down` at once, `wait` waits.
 */
export function createRedisHistory(
  client: Redis,
  place: RedisPlace,
  installation: string,
  { maxRuns, maxAgeMs }: HistoryBounds = defaultBounds,
): RunHistory {
  const prefix = `${installation}:history`;
  const runs = `${prefix}:runs`;
  const ended = `${prefix}:ended`;
  const guarded = createRedisGuard(place);
  /** Ids of an index, newest first. */
  const newest = (index: string, limit: number): Promise<string[]> =>
    client.zrevrangebyscore(index, '+inf', Date.now() - maxAgeMs, 'LIMIT', 0, limit);
  const read = async (ids: readonly string[]): Promise<readonly PastRun[]> => {
    if (ids.length === 0) return [];
    const found = await client.hmget(runs, ...ids);
    return found.map(pastRunOf).filter((run) => run !== undefined);
  };

  return {
    record: (run) =>
      guarded(async () => {
        const facts = [run.id, JSON.stringify(run), run.endedAtMs, maxRuns, Date.now() - maxAgeMs, maxAgeMs];
        await client.eval(recordScript, 2, runs, ended, prefix, ...facts);
      }),
    find: (runId) =>
      guarded(async () => {
        const run = pastRunOf(await client.hget(runs, runId));
        return run === undefined || run.endedAtMs < Date.now() - maxAgeMs ? null : run;
      }),
    recent: ({ node, limit }) =>
      guarded(async () => read(await newest(node === undefined ? ended : `${prefix}:node:${node}`, limit))),
    withTrouble: (fingerprints, limit) =>
      guarded(async () => {
        const ids = await Promise.all(fingerprints.map((one) => newest(`${prefix}:trouble:${one}`, limit)));
        const found = await read([...new Set(ids.flat())]);
        return found.toSorted((a, b) => b.endedAtMs - a.endedAtMs).slice(0, limit);
      }),
  };
}

/** Undefined where there is none, or another version of netcheck wrote something that this one cannot read. */
function pastRunOf(json: string | null | undefined): PastRun | undefined {
  if (json === null || json === undefined) return undefined;
  const read = PastRun.safeParse(JSON.parse(json));
  return read.success ? read.data : undefined;
}
