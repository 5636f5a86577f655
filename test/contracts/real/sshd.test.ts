import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createSshTransport, type SshOptions } from '../../../src/adapters/ssh/ssh-transport.ts';
import type { CommandResult, NodeConnection, NodeTransport, RunOptions } from '../../../src/engine/ports.ts';
import type { Command } from '../../../src/model/command.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { startTcpProxy, type TcpProxy } from '../../fakes/tcp-proxy.ts';
import { transportContract } from '../transport-contract.ts';
import { type LoopbackSshd, type LoopbackSshdOptions, startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

const noSshd = whyNoSshd();
const noRoot = noSshd ?? (userInfo().uid === 0 ? undefined : 'needs root');
const noTcpdump = noRoot ?? (existsSync('/usr/bin/tcpdump') ? undefined : 'tcpdump is not installed');
const noSudo = noTcpdump ?? (existsSync('/usr/bin/sudo') ? undefined : 'sudo is not installed');
const because = (reason: string | undefined): string => (reason === undefined ? '' : ` (skipped: ${reason})`);

const forever = new AbortController().signal;

/** Everything a test started, ended in reverse order. */
const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

const startSshd = async (options: LoopbackSshdOptions = {}): Promise<LoopbackSshd> => {
  const sshd = await startLoopbackSshd(options);
  cleanUp.push(() => sshd.stop());
  return sshd;
};
const startProxy = async (sshd: LoopbackSshd): Promise<TcpProxy> => {
  const proxy = await startTcpProxy(sshd.port);
  cleanUp.push(() => proxy.stop());
  const known = await readFile(sshd.knownHostsFile, 'utf8');
  await writeFile(sshd.knownHostsFile, known + known.replace(`:${sshd.port} `, `:${proxy.port} `));
  return proxy;
};
const transportTo = (sshd: LoopbackSshd, options: Partial<SshOptions> = {}): NodeTransport => {
  const transport = createSshTransport({
    identityFiles: [sshd.identityFile],
    knownHostsFiles: [sshd.knownHostsFile],
    ...options,
  });
  cleanUp.push(() => transport.close());
  return transport;
};
const nodeAt = (sshd: LoopbackSshd, change: Record<string, unknown> = {}): InventoryNode =>
  InventoryNode.parse({ name: 'node-12', address: '127.0.0.1', port: sshd.port, user: sshd.user, ...change });
const connectTo = async (transport: NodeTransport, node: InventoryNode): Promise<NodeConnection> => {
  const result = await transport.connect(node, { signal: forever });
  if (!result.ok) throw new Error(result.exit.message);
  return result.connection;
};
/** A connection to a private sshd that is there for this test only. */
const connectToNew = async (options: LoopbackSshdOptions = {}): Promise<NodeConnection> => {
  const sshd = await startSshd(options);
  return connectTo(transportTo(sshd), nodeAt(sshd));
};
const refusal = async (transport: NodeTransport, node: InventoryNode): Promise<{ why: string; message: string }> => {
  const result = await transport.connect(node, { signal: forever });
  if (result.ok) throw new Error('it connected');
  return result.exit;
};
const runOn = (
  connection: NodeConnection,
  argv: readonly string[],
  change: Partial<Omit<Command, 'argv'>> & Partial<RunOptions> = {},
): Promise<CommandResult> => {
  const { signal = forever, onStdout, onStderr, ...command } = change;
  return connection.run(
    { argv, privilege: 'none', timeoutMs: 20_000, maxBytes: 1024 * 1024, ...command },
    { signal, ...(onStdout ? { onStdout } : {}), ...(onStderr ? { onStderr } : {}) },
  );
};
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** A number of seconds that no other process on this machine sleeps. */
let marks = 0;
const uniqueSeconds = (): string => `${70_000 + process.pid}.${(marks += 1)}77`;
const processesWith = (word: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return argv.includes(word) ? [`${pid} ${argv.join(' ')}`] : [];
      } catch {
        return [];
      }
    });
/** Waits for the last process with this argument to end; gives what is left after a while. */
const leftOver = async (word: string, withinMs = 6000): Promise<string[]> => {
  for (const until = Date.now() + withinMs; Date.now() < until; await sleep(50)) {
    if (processesWith(word).length === 0) return [];
  }
  return processesWith(word);
};

describe.skipIf(noSshd !== undefined)(`real sshd${because(noSshd)}`, () => {
  transportContract('SSH adapter on a real sshd', async () => {
    const sshd = await startLoopbackSshd();
    const proxy = await startTcpProxy(sshd.port);
    const known = await readFile(sshd.knownHostsFile, 'utf8');
    await writeFile(sshd.knownHostsFile, known.replace(`:${sshd.port} `, `:${proxy.port} `));
    return {
      transport: createSshTransport({ identityFiles: [sshd.identityFile], knownHostsFiles: [sshd.knownHostsFile] }),
      node: nodeAt(sshd, { port: proxy.port }),
      nodeThatIsDown: nodeAt(sshd, { name: 'node-13', port: 1 }),
      cut: () => proxy.cut(),
      stop: async () => {
        await proxy.stop();
        await sshd.stop();
      },
    };
  });

  describe('leaves no process behind', () => {
    /** A command with a child and a grandchild that all carry the mark. */
    const family = (mark: string): string[] => [
      'sh',
      '-c',
      `(sleep ${mark}; :) & sleep ${mark} & echo ready; sleep ${mark}`,
    ];

    it('on time-out', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const result = await runOn(connection, family(mark), { timeoutMs: 1500 });
      expect(result.exit.how).toBe('timedOut');
      expect(text(result.stdout)).toBe('ready\n');
      expect(await leftOver(mark)).toEqual([]);
    });

    it('on abort', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const controller = new AbortController();
      let running: string[] = [];
      const result = await runOn(connection, family(mark), {
        signal: controller.signal,
        onStdout: async () => {
          while (processesWith(mark).length < 3) await sleep(20);
          running = processesWith(mark);
          controller.abort('enough');
        },
      });
      expect(running.length).toBeGreaterThanOrEqual(3);
      expect(result.exit).toEqual({ how: 'stopped', why: 'enough' });
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when it ignores SIGTERM', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const result = await runOn(connection, ['sh', '-c', `trap "" TERM; echo ready; sleep ${mark}; sleep ${mark}`], {
        timeoutMs: 1500,
      });
      expect(result.exit.how).toBe('timedOut');
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when it made a session of its own', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const result = await runOn(connection, ['sh', '-c', `setsid --wait sleep ${mark}; :`], { timeoutMs: 1500 });
      expect(result.exit.how).toBe('timedOut');
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when it printed too much', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const result = await runOn(connection, ['sh', '-c', `sleep ${mark} & yes`], { maxBytes: 3_000_000 });
      expect(result.exit).toEqual({ how: 'tooMuchOutput', keptBytes: 3_000_000 });
      expect(result.stdout).toHaveLength(3_000_000);
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when it ended but left children', async () => {
      const mark = uniqueSeconds();
      const connection = await connectToNew();
      const result = await runOn(connection, ['sh', '-c', `sleep ${mark} & echo done`]);
      expect(result.exit).toEqual({ how: 'exited', code: 0 });
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when the connection is cut', async () => {
      const mark = uniqueSeconds();
      const sshd = await startSshd();
      const proxy = await startProxy(sshd);
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd, { port: proxy.port }));
      const result = await runOn(connection, family(mark), {
        onStdout: async () => {
          while (processesWith(mark).length < 3) await sleep(20);
          proxy.cut();
        },
      });
      expect(result.exit.how).toBe('connectionLost');
      expect(await leftOver(mark)).toEqual([]);
    });

    it('when the network swallows everything: both ends notice by themselves', async () => {
      const mark = uniqueSeconds();
      const sshd = await startSshd();
      const proxy = await startProxy(sshd);
      const transport = transportTo(sshd, { keepaliveIntervalMs: 300, keepaliveCountMax: 2 });
      const connection = await connectTo(transport, nodeAt(sshd, { port: proxy.port }));
      const result = await runOn(connection, family(mark), { timeoutMs: 3000, onStdout: () => proxy.freeze() });
      expect(result.exit).toMatchObject({ how: 'connectionLost' });
      expect(JSON.stringify(result.exit)).toContain('keepalive');
      expect(text(result.stdout)).toBe('ready\n');
      expect(processesWith(mark).length).toBeGreaterThan(0);
      expect(await leftOver(mark, 15_000)).toEqual([]);
    });

    it.skipIf(noTcpdump !== undefined)(`tcpdump, and its last words are heard${because(noTcpdump)}`, async () => {
      const port = `port ${50_000 + (process.pid % 10_000)}`;
      const sshd = await startSshd();
      const proxy = await startProxy(sshd);
      const transport = transportTo(sshd);
      const argv = ['tcpdump', '-p', '-n', '-U', '-i', 'lo', '-w', '-', port];
      const controller = new AbortController();
      const stopped = await runOn(await connectTo(transport, nodeAt(sshd)), argv, {
        signal: controller.signal,
        onStderr: (chunk) => text(chunk).includes('listening on') && controller.abort('windowOver'),
      });
      expect(stopped.exit).toEqual({ how: 'stopped', why: 'windowOver' });
      expect(text(stopped.stderr)).toContain('0 packets dropped by kernel');
      expect([...stopped.stdout.subarray(0, 4)]).toEqual([0xd4, 0xc3, 0xb2, 0xa1]);
      expect(stopped.stdout).toHaveLength(24);
      expect(await leftOver(port)).toEqual([]);

      const cut = await runOn(await connectTo(transport, nodeAt(sshd, { port: proxy.port })), argv, {
        onStderr: (chunk) => text(chunk).includes('listening on') && proxy.cut(),
      });
      expect(cut.exit.how).toBe('connectionLost');
      expect(await leftOver(port)).toEqual([]);
    });
  });

  describe.skipIf(noSudo !== undefined)(`sudo${because(noSudo)}`, () => {
    const port = `port ${40_000 + (process.pid % 10_000)}`;
    const sudoers = (defaults: string): string => `Defaults env_reset
Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
${defaults}
carol ALL=(root) NOPASSWD: /usr/bin/id -u, /usr/bin/sleep, /usr/bin/nothing-here, /usr/bin/tcpdump
`;
    const carol = { name: 'carol', uid: 47_011 };
    const withSudo = async (defaults = ''): Promise<{ sshd: LoopbackSshd; transport: NodeTransport }> => {
      const sshd = await startSshd({ users: [carol], sudoers: sudoers(defaults) });
      return { sshd, transport: transportTo(sshd) };
    };

    it('is used for root commands only, and only where the node says so', async () => {
      const { sshd, transport } = await withSudo();
      const withIt = await connectTo(transport, nodeAt(sshd, { sudo: true }));
      const without = await connectTo(transport, nodeAt(sshd));
      expect(text((await runOn(withIt, ['id', '-u'], { privilege: 'root' })).stdout)).toBe('0\n');
      expect(text((await runOn(withIt, ['id', '-u'])).stdout)).toBe('47011\n');
      expect(text((await runOn(without, ['id', '-u'], { privilege: 'root' })).stdout)).toBe('47011\n');
    });

    it('that refuses is "not started", with its own words and what to do', async () => {
      const { sshd, transport } = await withSudo();
      const connection = await connectTo(transport, nodeAt(sshd, { sudo: true }));
      const refused = await runOn(connection, ['id', '-g'], { privilege: 'root' });
      expect(refused.exit).toMatchObject({ how: 'notStarted', why: 'sudo' });
      expect(JSON.stringify(refused.exit)).toContain('sudo: a password is required');
      expect(JSON.stringify(refused.exit)).toContain('netcheck sudoers');
      const missing = await runOn(connection, ['nothing-here'], { privilege: 'root' });
      expect(missing.exit).toMatchObject({ how: 'notStarted', why: 'toolMissing' });
    });

    it('that wants a terminal is "not started" too (the default of CentOS 6 and 7)', async () => {
      const { sshd, transport } = await withSudo('Defaults requiretty');
      const connection = await connectTo(transport, nodeAt(sshd, { sudo: true }));
      const refused = await runOn(connection, ['id', '-u'], { privilege: 'root' });
      expect(refused.exit).toMatchObject({ how: 'notStarted', why: 'sudo' });
      expect(JSON.stringify(refused.exit)).toContain('requiretty');
    });

    it('that is not installed is "not started"', async () => {
      const sshd = await startSshd({ users: [carol], prepare: 'mount --bind /dev/null /usr/bin/sudo' });
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd, { sudo: true }));
      const result = await runOn(connection, ['id', '-u'], { privilege: 'root' });
      expect(result.exit).toMatchObject({ how: 'notStarted', why: 'sudo' });
      expect(JSON.stringify(result.exit)).toContain('sudo is not installed');
    });

    it('a user without any right is told so', async () => {
      const sshd = await startSshd({
        users: [carol],
        sudoers: 'Defaults env_reset\ncarol ALL=(nobody) NOPASSWD: ALL\n',
      });
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd, { sudo: true }));
      const result = await runOn(connection, ['id', '-u'], { privilege: 'root' });
      expect(result.exit).toMatchObject({ how: 'notStarted', why: 'sudo' });
    });

    it.each([
      ['plain', ''],
      ['with use_pty (the default of newer sudo)', 'Defaults use_pty'],
      ['with its session log, for which it makes a terminal of its own', 'Defaults log_output, iolog_dir=/run/iolog'],
    ])('tcpdump that drops to the login user dies on abort, time-out and cut: %s', async (_name, defaults) => {
      const { sshd, transport } = await withSudo(defaults);
      const proxy = await startProxy(sshd);
      const connection = await connectTo(transport, nodeAt(sshd, { sudo: true, port: proxy.port }));
      const argv = ['tcpdump', '-p', '-n', '-U', '-i', 'lo', '-Z', 'carol', '-w', '-', port];

      const controller = new AbortController();
      let owner = '';
      const stopped = await runOn(connection, argv, {
        privilege: 'root',
        signal: controller.signal,
        onStderr: (chunk) => {
          if (!text(chunk).includes('listening on')) return;
          const pid =
            processesWith(port)
              .find((line) => /^\d+ tcpdump/.test(line))
              ?.split(' ')[0] ?? '';
          owner = execFileSync('ps', ['-o', 'ruid=', '-p', pid]).toString().trim();
          controller.abort('enough');
        },
      });
      expect(stopped.exit).toEqual({ how: 'stopped', why: 'enough' });
      expect(owner).toBe('47011');
      expect(text(stopped.stderr)).toContain('packets dropped by kernel');
      expect(await leftOver(port)).toEqual([]);

      const timedOut = await runOn(connection, argv, { privilege: 'root', timeoutMs: 1500 });
      expect(timedOut.exit.how).toBe('timedOut');
      expect(await leftOver(port)).toEqual([]);

      const cut = await runOn(connection, argv, {
        privilege: 'root',
        onStderr: (chunk) => text(chunk).includes('listening on') && proxy.cut(),
      });
      expect(cut.exit.how).toBe('connectionLost');
      expect(await leftOver(port)).toEqual([]);
    });

    it('a root command that may not be killed does not hold the answer up', async () => {
      const { sshd, transport } = await withSudo();
      const connection = await connectTo(transport, nodeAt(sshd, { sudo: true }));
      const before = Date.now();
      const result = await runOn(connection, ['sleep', '9'], { privilege: 'root', timeoutMs: 500 });
      expect(result.exit).toEqual({ how: 'timedOut', afterMs: 500 });
      expect(Date.now() - before).toBeLessThan(8000);
      expect((await runOn(connection, ['id', '-u'], { privilege: 'root' })).exit).toEqual({ how: 'exited', code: 0 });
      expect(await leftOver('9', 12_000)).toEqual([]);
    });
  });

  describe('host keys', () => {
    it('match hashed records made by ssh-keygen -H', async () => {
      const sshd = await startSshd();
      execFileSync('ssh-keygen', ['-H', '-f', sshd.knownHostsFile], { stdio: 'ignore' });
      await rm(`${sshd.knownHostsFile}.old`);
      expect(await readFile(sshd.knownHostsFile, 'utf8')).toMatch(/^\|1\|/);
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
      expect((await runOn(connection, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
    });

    it('of the recorded type are asked for, where the host has several', async () => {
      const sshd = await startSshd({ hostKeyTypes: ['rsa', 'ed25519', 'ecdsa'] });
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
      expect((await runOn(connection, ['true'])).exit).toEqual({ how: 'exited', code: 0 });
    });

    it('that are unknown are refused, with the fingerprint of ssh-keygen and a line that works', async () => {
      const sshd = await startSshd();
      const empty = path.join(sshd.directory, 'empty');
      await writeFile(empty, '');
      const { why, message } = await refusal(transportTo(sshd, { knownHostsFiles: [empty] }), nodeAt(sshd));
      expect(why).toBe('hostKey');
      expect(message).toContain(fingerprintOf(`${sshd.hostKeyFiles[0]}.pub`));
      expect(message).toContain(empty);
      await writeFile(empty, `${message.slice(message.indexOf('[127.0.0.1]:'))}\n`);
      await connectTo(transportTo(sshd, { knownHostsFiles: [empty] }), nodeAt(sshd));
    });

    it('that changed are refused with both fingerprints', async () => {
      const sshd = await startSshd();
      const other = await startSshd();
      const otherKey = (await readFile(`${other.hostKeyFiles[0]}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
      await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${sshd.port} ${otherKey}\n`);
      const { why, message } = await refusal(transportTo(sshd), nodeAt(sshd));
      expect(why).toBe('hostKey');
      expect(message).toContain('HAS CHANGED');
      expect(message).toContain(fingerprintOf(`${sshd.hostKeyFiles[0]}.pub`));
      expect(message).toContain(fingerprintOf(`${other.hostKeyFiles[0]}.pub`));
      expect(message).toContain(`${sshd.knownHostsFile}:1`);
    });

    it('of another type than recorded are refused', async () => {
      const sshd = await startSshd({ hostKeyTypes: ['ed25519'] });
      const other = await startSshd({ hostKeyTypes: ['rsa'] });
      const otherKey = (await readFile(`${other.hostKeyFiles[0]}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
      await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${sshd.port} ${otherKey}\n`);
      const { why, message } = await refusal(transportTo(sshd), nodeAt(sshd));
      expect(why).toBe('hostKey');
      expect(message).toContain('no host key of the types');
    });
  });

  describe('keys', () => {
    it('come from an agent, also the one whose file is encrypted', async () => {
      const sshd = await startSshd();
      const agent = spawn('ssh-agent', ['-D', '-a', path.join(sshd.directory, 'agent')], { stdio: 'ignore' });
      cleanUp.push(async () => {
        agent.kill();
        await once(agent, 'exit');
      });
      const agentSocket = path.join(sshd.directory, 'agent');
      while (!existsSync(agentSocket)) await sleep(20);
      execFileSync('ssh-add', ['-q', sshd.identityFile], {
        env: { ...process.env, SSH_AUTH_SOCK: agentSocket },
        stdio: 'ignore',
      });
      const encrypted = path.join(sshd.directory, 'encrypted');
      await copyFile(sshd.identityFile, encrypted);
      await copyFile(`${sshd.identityFile}.pub`, `${encrypted}.pub`);
      await chmod(encrypted, 0o600);
      execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'a passphrase', '-f', encrypted]);

      await connectTo(transportTo(sshd, { identityFiles: [encrypted], agentSocket }), nodeAt(sshd));
      const { why, message } = await refusal(transportTo(sshd, { identityFiles: [encrypted] }), nodeAt(sshd));
      expect(why).toBe('auth');
      expect(message).toContain(`key file ${encrypted} is encrypted`);
      expect(message).toContain('ssh-add');
      expect(message).not.toContain('a passphrase');
    });

    it('are used from a file although the agent is dead', async () => {
      const sshd = await startSshd();
      const transport = transportTo(sshd, { identityFiles: [], agentSocket: path.join(sshd.directory, 'no-agent') });
      await connectTo(transport, nodeAt(sshd, { identityFile: sshd.identityFile }));
      const agentFirst = transportTo(sshd, {
        identityFiles: undefined,
        agentSocket: path.join(sshd.directory, 'no-agent'),
      });
      const { why, message } = await refusal(agentFirst, nodeAt(sshd, { user: 'nobody' }));
      expect(why).toBe('auth');
      expect(message).toContain('does not answer');
    });

    it('that are refused are named, and the user', async () => {
      const sshd = await startSshd();
      const other = await startSshd();
      const { why, message } = await refusal(transportTo(sshd, { identityFiles: [other.identityFile] }), nodeAt(sshd));
      expect(why).toBe('auth');
      expect(message).toContain(`refused the login of ${sshd.user} with key file ${other.identityFile}`);
    });
  });

  describe('jump hosts', () => {
    it('are passed, verified, and named when they fail', async () => {
      const target = await startSshd();
      const bastion = await startSshd();
      const known = path.join(target.directory, 'both');
      await writeFile(
        known,
        (await readFile(target.knownHostsFile, 'utf8')) + (await readFile(bastion.knownHostsFile, 'utf8')),
      );
      const bastionNode = nodeAt(bastion, { name: 'bastion', identityFile: bastion.identityFile });
      const node = nodeAt(target, { name: 'inner', jump: 'bastion', identityFile: target.identityFile });
      const findNode = (name: string): InventoryNode | null => (name === 'bastion' ? bastionNode : null);

      const connection = await connectTo(transportTo(target, { knownHostsFiles: [known], findNode }), node);
      expect(text((await runOn(connection, ['sh', '-c', 'echo "$SSH_CONNECTION"'])).stdout)).toContain(
        String(target.port),
      );
      expect(bastion.log()).toContain('Accepted publickey');

      const unverified = await refusal(
        transportTo(target, { knownHostsFiles: [target.knownHostsFile], findNode }),
        node,
      );
      expect(unverified.why).toBe('hostKey');
      expect(unverified.message).toContain('bastion');
      expect(unverified.message).toContain(fingerprintOf(`${bastion.hostKeyFiles[0]}.pub`));

      const closedPort = await refusal(transportTo(target, { knownHostsFiles: [known], findNode }), {
        ...node,
        port: 1,
      });
      expect(closedPort.why).toBe('unreachable');
      expect(closedPort.message).toContain('bastion');
    });
  });

  describe('servers with tight limits', () => {
    it('MaxSessions 2: every command is still answered', async () => {
      const connection = await connectToNew({ config: ['MaxSessions 2'] });
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, index) => runOn(connection, ['echo', String(index)])),
      );
      expect(results.map((result) => text(result.stdout))).toEqual(
        Array.from({ length: 12 }, (_, index) => `${index}\n`),
      );
    });

    it('MaxStartups: dropped connections are asked for again', async () => {
      const sshd = await startSshd({ config: ['MaxStartups 2:50:100'] });
      // Distinct names make distinct connections.
      const transport = transportTo(sshd);
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          transport.connect(nodeAt(sshd, { name: `node-${index}` }), { signal: forever }),
        ),
      );
      expect(results.filter((result) => result.ok)).toHaveLength(12);
      expect(sshd.log()).toContain('MaxStartups');
    });

    it('old algorithms (CentOS 6 and 7) are spoken', async () => {
      const sshd = await startSshd({
        hostKeyTypes: ['rsa'],
        config: [
          'KexAlgorithms diffie-hellman-group14-sha1',
          'Ciphers aes128-cbc',
          'MACs hmac-sha1',
          'HostKeyAlgorithms ssh-rsa',
        ],
      });
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
      expect(text((await runOn(connection, ['echo', 'hello'])).stdout)).toBe('hello\n');
    });
  });

  describe.skipIf(noRoot !== undefined)(`login shells${because(noRoot)}`, () => {
    for (const shell of ['/bin/sh', '/bin/bash', '/bin/zsh', '/bin/csh', '/bin/tcsh', '/usr/bin/fish', '/bin/ksh']) {
      const missing = existsSync(shell) ? undefined : `${shell} is not installed`;
      it.skipIf(missing !== undefined)(`${shell}${because(missing)}`, async () => {
        const sshd = await startSshd({ users: [{ name: 'carol', uid: 47_011, shell }] });
        const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
        const result = await runOn(connection, ['printf', '%s|', "it's", 'a!b', String.raw`\n`, '$x', 'a\nb', '*']);
        expect(result.exit).toEqual({ how: 'exited', code: 0 });
        expect(text(result.stdout)).toBe(String.raw`it's|a!b|\n|$x|` + 'a\nb|*|');
        const environment = text((await runOn(connection, ['sh', '-c', 'echo "$PATH $LC_ALL"'])).stdout);
        expect(environment).toMatch(/:\/usr\/sbin:\/sbin C\n$/);
      });
    }

    it('what start-up files print is not taken for output', async () => {
      const sshd = await startSshd({ users: [{ name: 'carol', uid: 47_011, shell: '/bin/bash' }] });
      await writeFile(
        path.join(sshd.directory, 'home-carol', '.bashrc'),
        'echo Welcome; echo noise >&2; printf "no newline"\n',
      );
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
      const result = await runOn(connection, ['sh', '-c', 'echo out; echo err >&2']);
      expect(text(result.stdout)).toBe('out\n');
      expect(text(result.stderr)).toBe('err\n');
    });

    it('an account that may not log in says so', async () => {
      const sshd = await startSshd({ users: [{ name: 'carol', uid: 47_011, shell: '/usr/sbin/nologin' }] });
      const connection = await connectTo(transportTo(sshd), nodeAt(sshd));
      const result = await runOn(connection, ['echo', 'hello']);
      expect(result.exit).toMatchObject({ how: 'notStarted', why: 'channel' });
      expect(JSON.stringify(result.exit)).toContain('This account is currently not available');
    });
  });
});

function fingerprintOf(publicKeyFile: string): string {
  return spawnSync('ssh-keygen', ['-lf', publicKeyFile]).stdout.toString().split(' ')[1] ?? '';
}
