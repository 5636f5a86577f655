import { mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LoopbackRedis, startLoopbackRedis } from '../contracts/real/loopback-redis.ts';
import { freePort } from '../contracts/real/loopback-sshd.ts';

/** A Redis with a name that stays while the server behind it changes. */
export interface FaultRedis extends Omit<LoopbackRedis, 'socket'> {
  /** Every write is refused (`OOM …`), until `drain`. */
  fill(): Promise<void>;
  drain(): Promise<void>;
  /**
   * Another server that has everything takes its place behind the name. `crash`: the first is gone. `demotion`: it stays
   * and refuses writes (`READONLY …`) to those who are still connected to it, as a managed Redis does.
   */
  failOver(how: 'crash' | 'demotion'): Promise<void>;
}

interface Server {
  readonly redis: LoopbackRedis;
  readonly port: number;
}

export async function startFaultRedis(): Promise<FaultRedis> {
  const folder = await mkdtemp(path.join(tmpdir(), 'netcheck-redis-name-'));
  const name = path.join(folder, 'redis.sock');
  const begin = async (): Promise<Server> => {
    const port = await freePort();
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--maxmemory-policy', 'noeviction'];
    const diskless = ['--repl-diskless-sync-delay', '0'];
    return { redis: await startLoopbackRedis([...options, ...diskless]), port };
  };
  let current = await begin();
  let former: Server | undefined;
  await symlink(current.redis.socket, name);
  const pointTo = async (server: Server): Promise<void> => {
    const next = path.join(folder, 'next');
    await symlink(server.redis.socket, next);
    await rename(next, name);
  };
  const limit = (bytes: string) =>
    current.redis.until(
      (client) => client.config('SET', 'maxmemory', bytes).catch(() => ''),
      (said) => said === 'OK',
    );
  return {
    url: `unix:${name}`,
    kill: () => current.redis.kill(),
    freeze: () => current.redis.freeze(),
    thaw: () => current.redis.thaw(),
    start: () => current.redis.start(),
    until: (ask, wanted) => current.redis.until(ask, wanted),
    fill: async () => void (await limit('1')),
    drain: async () => void (await limit('0')),
    async failOver(how) {
      await former?.redis.stop();
      former = undefined;
      const old = current;
      const next = await begin();
      // Not as an option: a server that is started again later is no replica any more.
      await next.redis.until(
        (client) => client.replicaof('127.0.0.1', old.port),
        () => true,
      );
      await next.redis.until(
        (client) => client.info('replication').catch(() => ''),
        (said) => said.includes('master_link_status:up'),
      );
      if (how === 'crash') {
        await old.redis.kill();
        await next.redis.until(
          (client) => client.replicaof('NO', 'ONE'),
          () => true,
        );
      } else {
        await old.redis.until(
          (client) => client.call('FAILOVER').catch(String),
          () => true,
        );
        await next.redis.until(
          (client) => client.info('replication').catch(() => ''),
          (said) => said.includes('role:master'),
        );
      }
      current = next;
      await pointTo(next);
      if (how === 'crash') await old.redis.stop();
      else former = old;
    },
    async stop() {
      await Promise.all([current.redis.stop(), former?.redis.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
