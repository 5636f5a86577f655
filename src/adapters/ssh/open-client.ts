import { setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import { type Config, NodeSSH } from 'node-ssh';
import type { Algorithms, AnyAuthMethod, AuthHandlerMiddleware, Client } from 'ssh2';
import type { OnReach } from '../../engine/ports.ts';
import type { Exit } from '../../model/evidence.ts';
import type { InventoryNode } from '../../model/inventory.ts';
import { createCachedReader } from './cached-file.ts';
import { explainConnectError, type ConnectTrouble } from './explain-connect-error.ts';
import type { Gate } from './gate.ts';
import { connectGathering } from './gather-writes.ts';
import { collectIdentities } from './identities.ts';
import {
  type HostKeyName,
  hostKeyAlgorithms,
  type HostKeyVerdict,
  judgeHostKey,
  type KnownHost,
  parseKnownHosts,
} from './known-hosts.ts';
import { indexKnownHosts } from './known-hosts-index.ts';
import { homeDirectory, localUser } from './local-account.ts';

/** A logged-in SSH connection to one machine. */
export interface OpenClient {
  readonly client: Client;
  /** Aborted, with a sentence as its reason, when the connection is gone, whoever ended it. */
  readonly lost: AbortSignal;
  end(): void;
}

export type NotStarted = Extract<Exit, { how: 'notStarted' }>;

export interface OpenClientOptions {
  readonly identityFiles?: readonly string[] | undefined;
  readonly agentSocket?: string | undefined;
  readonly knownHostsFiles: readonly string[];
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCountMax: number;
  /** Bounds handshakes in flight. */
  readonly gate: Pick<Gate, 'enter'>;
  readonly signal: AbortSignal;
  /** The machine itself is asked to connect; it has answered on TCP. */
  readonly onReach: OnReach;
}

/** A server that drops connections under load (sshd_config(5), MaxStartups) is asked this often. */
const attempts = 5;

/**
 * What CentOS 6 and 7 speak and ssh2 does not offer by itself, after everything modern. hmac-sha1 and the ssh-rsa host
 * key are in its defaults already.
 */
const oldAlgorithms: Pick<Algorithms, 'kex' | 'cipher'> = {
  kex: {
    append: ['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
    prepend: [],
    remove: [],
  },
  cipher: { append: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc'], prepend: [], remove: [] },
};

/** Files that ssh(1) reads (ssh_config(5), UserKnownHostsFile and GlobalKnownHostsFile). */
export const defaultKnownHostsFiles: readonly string[] = [
  path.join(homeDirectory(), '.ssh', 'known_hosts'),
  path.join(homeDirectory(), '.ssh', 'known_hosts2'),
  '/etc/ssh/ssh_known_hosts',
  '/etc/ssh/ssh_known_hosts2',
];

/** The account to log in as: the node's, or the one that runs netcheck. */
export function loginUser(node: InventoryNode): string {
  return node.user ?? localUser();
}

/** `node-12 (10.0.0.12:22)`: how messages name a machine. */
export function describeHop(hop: InventoryNode): string {
  const port = hop.address.includes(':') ? `[${hop.address}]:${hop.port}` : `${hop.address}:${hop.port}`;
  return `${hop.name} (${port})`;
}

/**
 * Opens, verifies and logs in to one machine.
 *
 * @param through a stream to it over a jump host; absent: a TCP connection of its own. Called again for each attempt.
 */
export async function openClient(
  hop: InventoryNode,
  through: ((signal: AbortSignal) => Promise<Duplex | NotStarted>) | undefined,
  options: OpenClientOptions,
): Promise<OpenClient | NotStarted> {
  const host: HostKeyName = { address: hop.address, port: hop.port, alias: hop.hostKeyAlias };
  const recorded = (await Promise.all(options.knownHostsFiles.map((file) => readKnownHosts(file, host)))).flat();
  const identities = await collectIdentities({
    username: loginUser(hop),
    identityFile: hop.identityFile,
    identityFiles: options.identityFiles,
    agentSocket: options.agentSocket,
  });
  for (let attempt = 1; ; attempt += 1) {
    let leave: (() => void) | undefined;
    try {
      leave = await options.gate.enter(options.signal);
      options.onReach('knocking');
      const stream = await through?.(options.signal);
      if (stream && 'how' in stream) return stream;
      if (stream) options.onReach('answered');
      const shown: { key?: Buffer; verdict?: HostKeyVerdict } = {};
      const result = await handshake(
        {
          ...(stream ? { sock: stream } : {}),
          host: hop.address,
          port: hop.port,
          username: loginUser(hop),
          readyTimeout: options.connectTimeoutMs,
          keepaliveInterval: options.keepaliveIntervalMs,
          keepaliveCountMax: options.keepaliveCountMax,
          algorithms: { ...oldAlgorithms, serverHostKey: hostKeyAlgorithms(recorded, host) },
          hostVerifier: (key: Buffer) => {
            shown.key = key;
            shown.verdict = judgeHostKey(recorded, host, key);
            return shown.verdict.verdict === 'known';
          },
          // A login without a key comes last: every node that takes the first key is asked one question less.
          authHandler: loginAttempts([...identities.attempts, { type: 'none', username: loginUser(hop) }]),
        },
        options.signal,
        () => options.onReach('answered'),
      );
      if (result.ok) return result.open;
      if (options.signal.aborted) return cancelled(hop);
      if (attempt < attempts && isDropped(result.trouble)) {
        leave();
        leave = undefined;
        // Doubling with jitter, so that several connections that were dropped together do not come back together.
        await sleep(100 * 2 ** attempt * (0.5 + Math.random()), undefined, { signal: options.signal });
        continue;
      }
      return explainConnectError({
        ...result.trouble,
        where: describeHop(hop),
        user: loginUser(hop),
        host,
        shown,
        knownHostsFile: options.knownHostsFiles[0] ?? '~/.ssh/known_hosts',
        recordedTypes: hostKeyAlgorithms(recorded, host),
        tried: identities.tried(),
        problems: identities.problems,
        timeoutMs: options.connectTimeoutMs,
        attempts: attempt,
      });
    } catch (error) {
      if (options.signal.aborted) return cancelled(hop);
      throw error;
    } finally {
      leave?.();
    }
  }
}

/** The answer where somebody stopped waiting before there was a connection. */
export function cancelled(hop: InventoryNode): NotStarted {
  return {
    how: 'notStarted',
    why: 'budget',
    message: `The connection to ${describeHop(hop)} was given up: the run ended first.`,
  };
}

type Handshake =
  | { readonly ok: true; readonly open: OpenClient }
  | { readonly ok: false; readonly trouble: ConnectTrouble };

async function handshake(config: Config, signal: AbortSignal, onAnswer: () => void): Promise<Handshake> {
  const lost = new AbortController();
  // Every command on this connection listens, those that wait for a channel too.
  setMaxListeners(0, lost.signal);
  const ssh = new NodeSSH();
  let stage: ConnectTrouble['stage'] = config.sock ? 'connected' : 'connecting';
  let firstError: Error | undefined;
  let authMethods: readonly string[] = [];

  const handler = config.authHandler;
  const own = config.sock === undefined ? new Socket() : undefined;
  // ssh2 takes a socket that is not on its way for one that has arrived.
  if (own !== undefined && config.host !== undefined && config.port !== undefined)
    connectGathering(own, { host: config.host, port: config.port });
  const connecting = ssh.connect({
    ...config,
    ...(own === undefined ? {} : { sock: own }),
    // ssh2 tells which methods the server takes only here.
    ...(typeof handler === 'function'
      ? {
          authHandler: (methods, partial, next) => {
            stage = 'login';
            authMethods = methods ?? authMethods;
            return handler(methods, partial, next);
          },
        }
      : {}),
  });
  // node-ssh creates the client before it first waits, and takes its own error listener away once the connection
  // is ready: this one stays for ever, because one error event without a listener ends the process.
  const client = ssh.connection;
  const stop = (): void => {
    client?.destroy();
  };
  client?.on('error', (error: Error) => {
    firstError ??= error;
    lost.abort(describeLoss(error));
    stop();
  });
  client?.on('connect', () => {
    if (stage === 'connecting') stage = 'connected';
    onAnswer();
  });
  client?.on('handshake', () => {
    stage = 'negotiated';
  });
  client?.on('end', () => lost.abort('the node closed it'));
  client?.on('close', () => lost.abort('it was closed'));
  client?.setMaxListeners(0);

  const giveUp = (): void => {
    stop();
    client?.emit('error', new Error('given up'));
  };
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    if (signal.aborted) giveUp();
    await connecting;
    if (!client || lost.signal.aborted) throw firstError ?? new Error('No response from server');
    return { ok: true, open: { client, lost: lost.signal, end: () => endGently(client, lost) } };
  } catch (error) {
    stop();
    const seen = firstError ?? (error instanceof Error ? error : new Error(String(error)));
    return { ok: false, trouble: { error: seen, stage, authMethods } };
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Says goodbye, and does not wait for a peer that no longer answers. */
function endGently(client: Client, lost: AbortController): void {
  client.end();
  lost.abort('netcheck closed it');
  const timer = setTimeout(() => client.destroy(), 1000);
  timer.unref();
  client.once('close', () => clearTimeout(timer));
}

function loginAttempts(list: readonly AnyAuthMethod[]): AuthHandlerMiddleware {
  const left = [...list];
  return (_methods, _partial) => left.shift() ?? false;
}

/** Dropped before the handshake: a server with too many half-open logins does that at random. */
function isDropped({ error, stage }: ConnectTrouble): boolean {
  const code = 'code' in error ? error.code : undefined;
  if (stage !== 'connecting' && stage !== 'connected') return false;
  return error.message === 'Connection lost before handshake' || code === 'ECONNRESET' || code === 'EPIPE';
}

function describeLoss(error: Error): string {
  if (error.message === 'Keepalive timeout') return 'the node no longer answers (keepalive)';
  return error.message === '' ? 'it broke' : error.message;
}

const knownHostsOf = createCachedReader((bytes, file) =>
  indexKnownHosts(parseKnownHosts(bytes.toString('utf8'), file)),
);

async function readKnownHosts(file: string, host: HostKeyName): Promise<readonly KnownHost[]> {
  try {
    return (await knownHostsOf(file)).of(host);
  } catch {
    // A file that is not there or may not be read records no key, and an unrecorded key is refused.
    return [];
  }
}
