import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Many nodes, each with an sshd of its own: a daemon, an address and a host key per node. */
export interface SshdFleet {
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  readonly identityFile: string;
  readonly knownHostsFile: string;
  /** Processor time of all daemons and of the sessions that have ended, seconds. */
  cpuSec(): Promise<number>;
  /** Logins that all daemons together have accepted, and connections that they dropped (MaxStartups). */
  counted(): { readonly accepted: number; readonly dropped: number };
  stop(): Promise<void>;
}

/** `127.1.0.1`, `127.1.0.2` … `127.1.1.1`: loopback addresses need no set-up. */
const addressOf = (index: number): string => `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`;

/**
 * Starts `count` daemons on port 22 of loopback addresses. Only inside test/lab/enter.mjs, whose end takes them away.
 * @param config further lines of every sshd_config
 */
export async function startSshdFleet(
  directory: string,
  count: number,
  config: readonly string[] = [],
): Promise<SshdFleet> {
  const at = (...names: string[]): string => path.join(directory, ...names);
  const keygen = (file: string): void => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', file]);
  };
  await mkdir('/run/sshd', { recursive: true });
  await chmod('/run/sshd', 0o755);
  keygen(at('identity'));
  const nodes = Array.from({ length: count }, (_none, index) => ({
    name: `bench-${String(index + 1).padStart(3, '0')}`,
    address: addressOf(index),
  }));
  const children: ChildProcess[] = [];
  let accepted = 0;
  let dropped = 0;
  const known: string[] = [];
  for (const { name, address } of nodes) {
    keygen(at(name));
    const [type = '', key = ''] = (await readFile(at(`${name}.pub`), 'utf8')).split(' ');
    known.push(`${address} ${type} ${key}\n`);
    await writeFile(
      at(`${name}.conf`),
      [
        `ListenAddress ${address}:22`,
        `HostKey ${at(name)}`,
        `AuthorizedKeysFile ${at('identity.pub')}`,
        'PidFile none',
        'UsePAM no',
        'StrictModes no',
        'PasswordAuthentication no',
        'PermitRootLogin prohibit-password',
        'PrintMotd no',
        'PrintLastLog no',
        ...config,
        '',
      ].join('\n'),
    );
    const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at(`${name}.conf`)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      accepted += text.split('Accepted publickey').length - 1;
      dropped += text.split(/drop connection|past MaxStartups/).length - 1;
    });
    children.push(child);
  }
  await writeFile(at('known_hosts'), known.join(''));
  for (const { address } of nodes) await answers(address);
  return {
    nodes,
    identityFile: at('identity'),
    knownHostsFile: at('known_hosts'),
    cpuSec: async () => {
      const all = await Promise.all(children.map(({ pid }) => cpuSecOf(pid ?? 0)));
      return all.reduce((sum, one) => sum + one, 0);
    },
    counted: () => ({ accepted, dropped }),
    stop: async () => {
      const gone = children.flatMap((child) => (child.exitCode === null ? [once(child, 'exit')] : []));
      for (const child of children) child.kill('SIGTERM');
      await Promise.all(gone);
    },
  };
}

/** utime + stime + cutime + cstime of proc(5), seconds. */
async function cpuSecOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) / 100;
}

/** Resolves when an sshd says its name there. */
async function answers(address: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const said = await new Promise<boolean>((resolve) => {
      const socket = connect(22, address);
      socket.once('data', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    if (said) return;
    await sleep(25);
  }
  throw new Error(`no sshd answers at ${address}`);
}
