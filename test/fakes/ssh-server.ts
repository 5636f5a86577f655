import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { fingerprint } from '../../src/adapters/ssh/known-hosts.ts';
import { makeSshKeyPair } from './ssh-keys.ts';

export interface FakeSshServerOptions {
  /** What a login shell makes of an `exec` request; by default the machine's own `/bin/sh -c COMMAND`. */
  readonly onExec?: (channel: ServerChannel, command: string) => void;
  /** Sessions at once per connection, as MaxSessions. */
  readonly maxSessions?: number;
  /** Refuses this many session channels first, with reason 2 as sshd does. */
  readonly refuseChannels?: number;
  /** Called with each TCP connection; `'handled'` keeps it away from the SSH server. */
  readonly onSocket?: (socket: Socket, count: number) => 'handled' | undefined;
  /** Refuses every key. */
  readonly refuseLogin?: boolean;
  readonly hostKeyType?: 'ed25519' | 'rsa';
}

export interface FakeSshServer {
  readonly port: number;
  readonly directory: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  readonly hostKey: Buffer;
  readonly fingerprint: string;
  /** TCP connections so far. */
  readonly connections: () => number;
  readonly openConnections: () => number;
  /** Sessions open at once, at most, so far. */
  readonly mostSessions: () => number;
  /** Process ids of everything that was started for an `exec`. */
  readonly children: () => readonly number[];
  /** Cuts every connection with a RST. */
  cut(): void;
  stop(): Promise<void>;
}

/**
 * An SSH server inside the test process (ssh2.Server): real protocol, real `/bin/sh`, no sshd, no root. Like sshd it
 * makes every command the leader of a session, ends its standard input when the channel goes, and does not kill it.
 */
export async function startFakeSshServer(options: FakeSshServerOptions = {}): Promise<FakeSshServer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-ssh-'));
  const host = makeSshKeyPair(options.hostKeyType);
  const login = makeSshKeyPair();
  const hostKey = host.wire;
  const sockets = new Set<Socket>();
  const children = new Set<ChildProcess>();
  const pids: number[] = [];
  let connections = 0;
  let mostSessions = 0;
  let refusals = options.refuseChannels ?? 0;

  const runShell = (channel: ServerChannel, command: string): void => {
    const child = spawn('/bin/sh', ['-c', command], { detached: true });
    children.add(child);
    if (child.pid !== undefined) pids.push(child.pid);
    child.stdin.on('error', () => {});
    channel.on('error', () => {});
    channel.on('data', (chunk: Buffer) => child.stdin.write(chunk));
    channel.on('end', () => child.stdin.end());
    channel.on('close', () => {
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
    });
    child.stdout.pipe(channel, { end: false });
    child.stderr.pipe(channel.stderr, { end: false });
    child.on('exit', (code, signal) => {
      if (code === null) channel.exit((signal ?? 'SIGKILL').replace('SIG', ''), false, '');
      else channel.exit(code);
    });
    child.on('close', () => {
      children.delete(child);
      channel.end();
    });
  };

  const serve = (connection: Connection): void => {
    let sessions = 0;
    connection.on('error', () => {});
    connection.on('authentication', (context) => {
      if (context.method === 'publickey' && context.key.data.equals(login.wire) && options.refuseLogin !== true) {
        context.accept();
      } else context.reject(['publickey']);
    });
    connection.on('session', (accept, reject) => {
      if (sessions >= (options.maxSessions ?? 10) || refusals > 0) {
        refusals -= 1;
        reject();
        return;
      }
      sessions += 1;
      mostSessions = Math.max(mostSessions, sessions);
      const session = accept();
      session.on('close', () => (sessions -= 1));
      session.on('exec', (acceptExec, _reject, info) => {
        const channel = acceptExec();
        (options.onExec ?? runShell)(channel, info.command);
      });
    });
    connection.on('tcpip', (accept, reject, info) => {
      const onward = connect(info.destPort, info.destIP);
      onward.once('error', () => reject());
      onward.once('connect', () => {
        const channel = accept();
        channel.on('error', () => {});
        onward.on('error', () => channel.close());
        channel.pipe(onward).pipe(channel);
      });
    });
  };
  const server = new ssh2.Server({ hostKeys: [host.private] }, serve);
  const listener = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    if (options.onSocket?.(socket, connections) === 'handled') socket.resume();
    else server.injectSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const port = typeof address === 'object' && address ? address.port : 0;

  const identityFile = path.join(directory, 'identity');
  const knownHostsFile = path.join(directory, 'known_hosts');
  await writeFile(identityFile, login.private, { mode: 0o600 });
  await writeFile(`${identityFile}.pub`, `${login.public}\n`);
  await writeFile(knownHostsFile, `[127.0.0.1]:${port} ${host.public}\n`);

  return {
    port,
    directory,
    identityFile,
    knownHostsFile,
    hostKey,
    fingerprint: fingerprint(hostKey),
    connections: () => connections,
    openConnections: () => sockets.size,
    mostSessions: () => mostSessions,
    children: () => pids,
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
      // The leash has ended them; what is left after a moment is a bug of the wrapper, and must not outlive the test.
      await Promise.all(
        [...children].map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const killer = setTimeout(() => child.kill('SIGKILL'), 3000);
          await once(child, 'exit');
          clearTimeout(killer);
        }),
      );
      await rm(directory, { recursive: true, force: true });
    },
  };
}
