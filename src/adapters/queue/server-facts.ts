import type { Redis } from 'ioredis';

/** What netcheck must know of the Redis that it stands on. */
export interface ServerFacts {
  readonly version: string;
  /** `maxmemory-policy`. Anything but `noeviction` lets Redis throw queued runs away. */
  readonly evictionPolicy: string;
  /** Append-only file or snapshots are on, so that queued runs outlive a restart of Redis. */
  readonly persistent: boolean;
}

/** Asks with INFO only, which managed Redis allows; CONFIG is tried for snapshots and may be forbidden. */
export async function readServerFacts(client: Redis): Promise<ServerFacts> {
  const info = await client.info();
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const aof = field('aof_enabled') === '1';
  const snapshots = aof ? true : await hasSnapshots(client);
  return {
    version: field('redis_version') ?? 'unknown',
    evictionPolicy: field('maxmemory_policy') ?? 'unknown',
    persistent: aof || snapshots,
  };
}

async function hasSnapshots(client: Redis): Promise<boolean> {
  try {
    const answer: unknown = await client.config('GET', 'save');
    return Array.isArray(answer) && typeof answer[1] === 'string' && answer[1] !== '';
  } catch {
    return false;
  }
}

/** BullMQ 6 needs Redis 6.2; the slots and the reclaiming of locks need LPOS of 6.0.6. */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < 6 || (major === 6 && minor < 2);
}

/** What is wrong with it, one sentence each with what to do; empty where all is well. */
export function problemsOf(facts: ServerFacts): string[] {
  const problems: string[] = [];
  if (isTooOld(facts.version)) problems.push(`Redis ${facts.version} is too old: netcheck needs 6.2 or newer.`);
  if (facts.evictionPolicy !== 'noeviction') {
    problems.push(
      `maxmemory-policy is ${facts.evictionPolicy}: Redis may throw queued runs away. Set it to noeviction.`,
    );
  }
  if (!facts.persistent) {
    problems.push('Redis keeps nothing on disk: a restart of it loses queued runs. Set appendonly yes.');
  }
  return problems;
}
