import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import type { NodeConnection, NodeTransport, OnReach } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import { createDeadline } from '../../model/deadline.ts';
import type { InventoryNode } from '../../model/inventory.ts';
import { createConnectGates } from './connect-gates.ts';
import { createGate, type Gate } from './gate.ts';
import { type FindNode, jumpPath } from './jump-path.ts';
import {
  cancelled,
  defaultKnownHostsFiles,
  describeHop,
  loginUser,
  type NotStarted,
  openClient,
  type OpenClient,
} from './open-client.ts';
import { createBatch } from './run-batch.ts';
import { runCommand } from './run-command.ts';

export interface SshOptions {
  /** Private key files for all nodes. Without any, the usual ones in `~/.ssh`. A node's own file is tried first. */
  readonly identityFiles?: readonly string[] | undefined;
  /** Socket of the SSH agent (`SSH_AUTH_SOCK`); absent: no agent is asked. */
  readonly agentSocket?: string | undefined;
  /** known_hosts files; by default those of ssh(1). The first is named in advice. */
  readonly knownHostsFiles?: readonly string[] | undefined;
  /** known_hosts files of one node instead (ssh_config: UserKnownHostsFile); undefined: the common ones. */
  readonly knownHostsFilesOf?: ((node: InventoryNode) => Promise<readonly string[] | undefined>) | undefined;
  /** For one TCP connection with its handshake and login. Default 8000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Default 5000. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** Unanswered keepalives after which the connection is lost. Default 3. */
  readonly keepaliveCountMax?: number | undefined;
  /** How long an unused connection stays open for the next run. Default 30000. */
  readonly idleCloseMs?: number | undefined;
  /** Handshakes in flight over all hosts. Default 64; 8 at one host in any case. */
  readonly connectsAtOnce?: number | undefined;
  /** Inventory look-up, for `jump: name`. */
  readonly findNode?: FindNode | undefined;
}

/** sshd allows 10 sessions per connection and frees them late: failures were measured from 6 on. */
const channelsPerConnection = 4;

/** sshd drops connections at random above 10 that are not logged in (MaxStartups 10:30:100). */
const connectsPerHost = 8;

/** Handshakes in flight over all hosts: enough to wait for far ones, few enough that none of them waits for us. */
const connectsAtOnce = 64;

/** One pooled connection: shared by everything that uses the same node in the same way. */
interface Pooled {
  readonly opening: Promise<Opened | NotStarted>;
  readonly giveUp: AbortController;
  readonly reach: Reach;
  readonly isOpen: () => boolean;
  users: number;
  idleTimer?: NodeJS.Timeout;
}

/** How far a connection that is being opened has come, for all who wait for it. */
interface Reach {
  readonly say: OnReach;
  /** Tells what is known and what comes. @returns a function that ends it */
  tell(listener: OnReach): () => void;
}

function createReach(): Reach {
  let last: Parameters<OnReach>[0] | undefined;
  const listeners = new Set<OnReach>();
  return {
    say: (state) => {
      // one that was dropped after it had answered is alive
      if (last === 'answered' || last === state) return;
      last = state;
      for (const listener of listeners) listener(state);
    },
    tell: (listener) => {
      if (last !== undefined) listener(last);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** One user's place on a pooled connection. */
interface Place {
  readonly key: string;
  readonly pooled: Pooled;
  /** Gives the place back; the last one to leave starts the idle time. */
  readonly leave: () => void;
}

interface Opened {
  readonly open: OpenClient;
  readonly channels: Gate;
}

/**
 * The SSH transport: one verified connection per node, shared while runs use it and closed after a while without use.
 *
 * `connect` resolves to the reason where a node cannot be used. It rejects only with `fault/internal`, after `close()`.
 */
export function createSshTransport(options: SshOptions): NodeTransport {
  const pool = new Map<string, Pooled>();
  const gates = createConnectGates(connectsPerHost, options.connectsAtOnce ?? connectsAtOnce);
  const findNode = options.findNode ?? (() => null);
  const idleCloseMs = options.idleCloseMs ?? 30_000;
  const connectTimeoutMs = options.connectTimeoutMs ?? 8000;
  let closed = false;

  /** Takes a place on the pooled connection, opening it where there is none. */
  const acquire = (hops: readonly InventoryNode[]): Place => {
    const key = JSON.stringify(
      hops.map(({ name, address, port, user, identityFile, hostKeyAlias }) => [
        name,
        address,
        port,
        user,
        identityFile,
        hostKeyAlias,
      ]),
    );
    const pooled = pool.get(key) ?? open(key, hops);
    pooled.users += 1;
    clearTimeout(pooled.idleTimer);
    let left = false;
    return {
      key,
      pooled,
      leave: () => {
        if (left) return;
        left = true;
        pooled.users -= 1;
        if (pooled.users > 0) return;
        pooled.idleTimer = setTimeout(() => discard(key, pooled), idleCloseMs);
        pooled.idleTimer.unref();
      },
    };
  };

  const open = (key: string, hops: readonly InventoryNode[]): Pooled => {
    let opened = false;
    const giveUp = new AbortController();
    const reach = createReach();
    const opening = openHop(hops, giveUp.signal, reach.say).then((result) => {
      opened = true;
      const forget = (): void => {
        if (pool.get(key) === pooled) pool.delete(key);
      };
      if ('how' in result) forget();
      else if (result.open.lost.aborted) forget();
      else result.open.lost.addEventListener('abort', forget, { once: true });
      return result;
    });
    // Every user awaits it; when all have gone, a failure is nobody's concern.
    opening.catch(() => pool.delete(key));
    const pooled: Pooled = { opening, giveUp, reach, isOpen: () => opened, users: 0 };
    pool.set(key, pooled);
    return pooled;
  };

  const discard = (key: string, pooled: Pooled): void => {
    if (pool.get(key) === pooled) pool.delete(key);
    clearTimeout(pooled.idleTimer);
    pooled.giveUp.abort();
    void pooled.opening.then(
      (result) => {
        if ('open' in result) result.open.end();
      },
      () => {},
    );
  };

  const openHop = async (
    hops: readonly InventoryNode[],
    signal: AbortSignal,
    onReach: OnReach,
  ): Promise<Opened | NotStarted> => {
    const hop = hops.at(-1);
    if (!hop) throw new NetcheckError('fault/internal', 'a connection without a node', 'report this as a bug');
    const before = hops.slice(0, -1);
    const base = before.length > 0 ? acquire(before) : undefined;
    try {
      const under = await base?.pooled.opening;
      if (under && 'how' in under) {
        base?.leave();
        return { ...under, message: `${hop.name} is reached through a jump host, and that failed: ${under.message}` };
      }
      const knownHostsFiles =
        (await options.knownHostsFilesOf?.(hop)) ?? options.knownHostsFiles ?? defaultKnownHostsFiles;
      const result = await openClient(
        hop,
        under && ((abort) => forward(under.open, hop, before.at(-1), connectTimeoutMs, abort)),
        {
          identityFiles: options.identityFiles,
          agentSocket: options.agentSocket,
          knownHostsFiles,
          connectTimeoutMs,
          keepaliveIntervalMs: options.keepaliveIntervalMs ?? 5000,
          keepaliveCountMax: options.keepaliveCountMax ?? 3,
          gate: gates.of(`${hop.address} ${hop.port}${before.map(({ name }) => ` ${name}`).join('')}`),
          signal,
          onReach,
        },
      );
      if ('how' in result) {
        base?.leave();
        return result;
      }
      if (base) {
        if (result.lost.aborted) base.leave();
        else result.lost.addEventListener('abort', base.leave, { once: true });
      }
      return { open: result, channels: createGate(channelsPerConnection) };
    } catch (error) {
      base?.leave();
      throw error;
    }
  };

  return {
    async connect(node, { signal, onReach = () => undefined }) {
      if (closed) throw new NetcheckError('fault/internal', 'the SSH transport is closed', 'report this as a bug');
      expectManyListeners(signal);
      const path = await jumpPath(node, findNode);
      if (!path.ok) return { ok: false, exit: { how: 'notStarted', why: 'unreachable', message: path.message } };
      const { key, pooled, leave } = acquire(path.hops);
      // That it once was open proves nothing: such a node has answered when it has opened a channel.
      const wasOpen = pooled.isOpen();
      const stopTelling = wasOpen ? () => undefined : pooled.reach.tell(onReach);
      if (wasOpen) onReach('knocking');
      const result = await whicheverFirst(pooled.opening, signal);
      stopTelling();
      if (result === 'aborted') {
        leave();
        // Nobody else waits for it.
        if (pooled.users === 0) discard(key, pooled);
        return { ok: false, exit: cancelled(node) };
      }
      if ('how' in result) {
        leave();
        clearTimeout(pooled.idleTimer);
        return { ok: false, exit: result };
      }
      return { ok: true, connection: createConnection(node, result, leave, () => onReach('answered')) };
    },
    async close() {
      closed = true;
      const all = [...pool];
      for (const [key, pooled] of all) discard(key, pooled);
      await Promise.allSettled(all.map(([, pooled]) => pooled.opening));
    },
  };
}

/** One run's signal is listened to by every command on every node: that is no leak, whatever Node's warning says. */
function expectManyListeners(signal: AbortSignal): void {
  setMaxListeners(0, signal);
}

function createConnection(
  node: InventoryNode,
  { open, channels }: Opened,
  leave: () => void,
  onOpened: () => void,
): NodeConnection {
  const target = { client: open.client, lost: open.lost, channels, where: describeHop(node), onOpened };
  const batch = createBatch(target);
  return {
    run: (command, runOptions) => {
      expectManyListeners(runOptions.signal);
      const sudo = command.privilege === 'root' && node.sudo && loginUser(node) !== 'root';
      const alone = command.waits === true || runOptions.onStdout !== undefined || runOptions.onStderr !== undefined;
      return alone ? runCommand(target, command, sudo, runOptions) : batch.run({ command, sudo }, runOptions.signal);
    },
    close: async () => leave(),
  };
}

/** A stream to the next machine, as a TCP connection made by the jump host (direct-tcpip, RFC 4254, 7.2). */
function forward(
  under: OpenClient,
  hop: InventoryNode,
  over: InventoryNode | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Duplex | NotStarted> {
  return new Promise((resolve) => {
    const via = over ? describeHop(over) : 'the jump host';
    const fail = (said: string, why: 'unreachable' | 'timeout' = 'unreachable'): void =>
      resolve({
        how: 'notStarted',
        why,
        message: `The jump host ${via} could not connect to ${describeHop(hop)} (${said}): check address and port, firewalls between them, and AllowTcpForwarding on the jump host.`,
      });
    if (under.lost.aborted) {
      fail(`the connection to it is lost: ${String(under.lost.reason)}`);
      return;
    }
    const { signal: late, clear } = createDeadline(timeoutMs, signal, under.lost);
    late.addEventListener(
      'abort',
      () => {
        if (signal.aborted) resolve(cancelled(hop));
        else if (under.lost.aborted) fail(`the connection to it was lost: ${String(under.lost.reason)}`);
        else fail(`no answer within ${timeoutMs / 1000} s`, 'timeout');
      },
      { once: true },
    );
    try {
      under.client.forwardOut('127.0.0.1', 0, hop.address, hop.port, (error, channel) => {
        if (error) {
          clear();
          fail(error.message.replace('(SSH) Channel open failure: ', ''));
          return;
        }
        channel.on('error', () => {});
        // Whoever asked for it has an answer already; an abort after this is handled by the handshake.
        if (late.aborted) channel.close();
        clear();
        resolve(channel);
      });
    } catch (error) {
      clear();
      fail(error instanceof Error ? error.message : String(error));
    }
  });
}

function whicheverFirst<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value | 'aborted'> {
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve('aborted');
    if (signal.aborted) {
      abort();
      promise.catch(() => {});
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
