import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LoopbackSshdOptions {
  /** Further lines of sshd_config. */
  readonly config?: readonly string[];
  /** Types of the host keys, the first one is recorded in `knownHostsFile`. */
  readonly hostKeyTypes?: readonly ('ed25519' | 'ecdsa' | 'rsa')[];
  /**
   * Accounts that exist only for this sshd (bind mounts in its private mount namespace; needs root). They share the
   * authorized key. `sudoers` is the whole sudoers file.
   */
  readonly users?: readonly { readonly name: string; readonly uid: number; readonly shell?: string }[];
  readonly sudoers?: string;
  /** More to do inside the private mount namespace before sshd starts, as sh commands. */
  readonly prepare?: string;
}

export interface LoopbackSshd {
  readonly port: number;
  readonly user: string;
  readonly directory: string;
  /** A private key that may log in. */
  readonly identityFile: string;
  readonly knownHostsFile: string;
  readonly hostKeyFiles: readonly string[];
  readonly pid: number;
  /** What sshd logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Why there can be no private sshd here, or undefined. */
export function whyNoSshd(): string | undefined {
  if (!existsSync('/usr/sbin/sshd')) return 'openssh-server is not installed';
  if (userInfo().uid === 0) {
    try {
      execFileSync('unshare', ['--mount', '--propagation', 'private', 'true'], { stdio: 'ignore' });
    } catch {
      return 'mount namespaces are not allowed here';
    }
  }
  return undefined;
}

/**
 * Starts a private sshd on a free port of 127.0.0.1 with its own host keys, configuration and accounts, and waits
 * until it answers. Nothing of the machine is touched: as root it runs in a mount namespace of its own, where /run is
 * a tmpfs (sshd insists on /run/sshd).
 */
export async function startLoopbackSshd(options: LoopbackSshdOptions = {}): Promise<LoopbackSshd> {
  const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-sshd-'));
  // Other accounts have to reach their key and home in it.
  await chmod(directory, 0o755);
  const at = (name: string): string => path.join(directory, name);
  const keygen = (file: string, type: string): void => {
    execFileSync('ssh-keygen', [
      '-q',
      '-t',
      type,
      ...(type === 'rsa' ? ['-b', '2048'] : []),
      '-N',
      '',
      '-C',
      'test',
      '-f',
      file,
    ]);
  };
  const hostKeyFiles = (options.hostKeyTypes ?? ['ed25519']).map((type) => {
    keygen(at(`host_${type}`), type);
    return at(`host_${type}`);
  });
  keygen(at('identity'), 'ed25519');
  await writeFile(at('authorized_keys'), await readFile(at('identity.pub'), 'utf8'), { mode: 0o644 });
  const port = await freePort();
  const hostKey = (await readFile(`${hostKeyFiles[0] ?? ''}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  await writeFile(at('known_hosts'), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(
    at('sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      ...hostKeyFiles.map((file) => `HostKey ${file}`),
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      `PidFile ${at('sshd.pid')}`,
      'UsePAM no',
      'StrictModes no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'LogLevel VERBOSE',
      ...(options.config ?? []),
      '',
    ].join('\n'),
  );

  const mounts: string[] = [];
  if (options.users) {
    await mkdir(at('etc'));
    for (const file of ['passwd', 'shadow', 'group'])
      await writeFile(at(`etc/${file}`), await readFile(`/etc/${file}`));
    for (const user of options.users) {
      await mkdir(at(`home-${user.name}`));
      execFileSync('chown', [`${user.uid}:${user.uid}`, at(`home-${user.name}`)]);
      const line = `${user.name}:x:${user.uid}:${user.uid}::${at(`home-${user.name}`)}:${user.shell ?? '/bin/sh'}\n`;
      await writeFile(at('etc/passwd'), line, { flag: 'a' });
      await writeFile(at('etc/shadow'), `${user.name}:*:19000:0:99999:7:::\n`, { flag: 'a' });
      await writeFile(at('etc/group'), `${user.name}:x:${user.uid}:\n`, { flag: 'a' });
    }
    for (const file of ['passwd', 'shadow', 'group']) mounts.push(`mount --bind '${at(`etc/${file}`)}' /etc/${file}`);
    execFileSync('chmod', ['640', at('etc/shadow')]);
  }
  if (options.sudoers !== undefined) {
    await writeFile(at('sudoers'), options.sudoers, { mode: 0o440 });
    mounts.push(`mount --bind '${at('sudoers')}' /etc/sudoers`);
  }

  // Should the test process be killed, sshd goes with it.
  const withParent = existsSync('/usr/bin/setpriv') ? 'setpriv --pdeathsig TERM ' : '';
  const sshd = `exec ${withParent}/usr/sbin/sshd -D -e -f '${at('sshd_config')}'`;
  const inNamespace = [
    'set -e',
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mkdir /run/sshd',
    ...mounts,
    options.prepare ?? '',
    sshd,
  ];
  const child: ChildProcess =
    userInfo().uid === 0
      ? spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', inNamespace.join('\n')])
      : spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')]);
  let log = '';
  child.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await exited;
    }
    await rm(directory, { recursive: true, force: true });
  };

  for (let tries = 0; !(await answers(port)); tries += 1) {
    if (child.exitCode !== null || tries > 200) {
      await stop();
      throw new Error(`sshd did not start: ${log}`);
    }
    await sleep(25);
  }
  return {
    port,
    user: options.users?.[0]?.name ?? userInfo().username,
    directory,
    identityFile: at('identity'),
    knownHostsFile: at('known_hosts'),
    hostKeyFiles,
    pid: child.pid ?? 0,
    log: () => log,
    stop,
  };
}

/**
 * A port on which nothing listens right now, on no address. It is not one of those that Linux gives to connections
 * (32768 and up): between the look and the use of it, one of them may become the near end of somebody's connection.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
