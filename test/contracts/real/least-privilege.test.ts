import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { remoteBatchScript, remoteScript } from '../../../src/adapters/ssh/remote-script.ts';
import { rootWrapper } from '../../../src/adapters/ssh/root-wrapper.ts';
import { createSshTransport } from '../../../src/adapters/ssh/ssh-transport.ts';
import { collectors } from '../../../src/collectors/index.ts';
import { gatePath, gateScript } from '../../../src/commands/gate-script.ts';
import { sudoersFile } from '../../../src/commands/sudoers.ts';
import { wrapperScript } from '../../../src/commands/wrapper-script.ts';
import { chooseCommand } from '../../../src/engine/choose-command.ts';
import { exampleParams } from '../../../src/engine/command-shapes.ts';
import { inNamespace } from '../../../src/engine/in-namespace.ts';
import type { CommandResult, NodeConnection, NodeTransport } from '../../../src/engine/ports.ts';
import { type Command, nothingLearned } from '../../../src/model/command.ts';
import type { Features } from '../../../src/model/facts.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import { Budget } from '../../../src/model/plan.ts';
import { parsers } from '../../../src/parsers/index.ts';
import { escapes } from '../../security/escapes.ts';
import { type LoopbackSshd, startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

// What netcheck prints for a node (sudoers, the script behind it, the gate of the key), held against the real sudo and
// sshd: every command of every collector comes through, and nothing else does.

const missing =
  whyNoSshd() ??
  (userInfo().uid === 0 ? undefined : 'needs root') ??
  (existsSync('/usr/bin/sudo') ? undefined : 'sudo is not installed');
const because = missing === undefined ? '' : ` (skipped: ${missing})`;
const user = 'carol';
const signal = new AbortController().signal;

let sshd: LoopbackSshd;
let transport: NodeTransport;

/** Every command that netcheck would run on this machine, on it and in the network namespace of a process. */
function commandsFor(features: Features): readonly Command[] {
  const context = {
    target: '127.0.0.1',
    port: sshd.port,
    protocol: 'tcp' as const,
    clientAddresses: ['127.0.0.2'],
    ownAddresses: ['127.0.0.1'],
    targetNames: ['localhost'],
    learned: {
      ...nothingLearned,
      devices: ['lo'],
      addressed: ['lo'],
      ways: [{ address: '127.0.0.1', device: 'lo' }],
      listenerPids: [String(process.pid)],
      servers: [{ address: '127.0.0.3', port: 8080 }],
      tunnelPeers: ['127.0.0.1'],
      searchDomains: ['test.example'],
    },
    loginUser: user,
    budget: Budget.parse({ maxPackets: 10, windowMs: 1000 }),
  };
  const found = new Map<string, Command>();
  for (const collector of collectors.values())
    for (const roles of [['target'], ['client']] as const) {
      const given = collector.params.safeParse(exampleParams[collector.id] ?? {});
      for (const command of collector.commands(given.data, { ...context, roles }))
        for (const one of [command, inNamespace(command, { name: 'self', pid: String(process.pid) })]) {
          const choice = chooseCommand(one, features);
          if ('run' in choice) found.set(JSON.stringify(choice.run.argv), choice.run);
        }
    }
  return [...found.values()];
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

const connect = async (change: Record<string, unknown> = {}): Promise<NodeConnection> => {
  const node = { name: 'node-12', address: '127.0.0.1', port: sshd.port, user, sudo: true, ...change };
  const connected = await transport.connect(InventoryNode.parse(node), { signal });
  if (!connected.ok) throw new Error(connected.exit.message);
  return connected.connection;
};

/** Captures end with the first packet, which a run of our own brings. */
const run = async (connection: NodeConnection, command: Command): Promise<CommandResult> => {
  const stop = new AbortController();
  return connection.run(command, {
    signal: stop.signal,
    ...(command.kind === 'pcap'
      ? { onStderr: (chunk: Uint8Array) => text(chunk).includes('listening on') && stop.abort('enough') }
      : {}),
  });
};

async function everyCommand(): Promise<readonly { readonly command: Command; readonly result: CommandResult }[]> {
  const connection = await connect();
  const [look] = collectors.get('look')?.commands({}, {} as never) ?? [];
  if (look === undefined) throw new Error('there is no first look');
  const seen = await run(connection, look);
  const features = parsers.get('look')?.parse({ ...seen, argv: look.argv, exitCode: 0, evidence: '' })
    .value as Features;
  expect(features.tools['tcpdump']).toBeTypeOf('string');
  const commands = commandsFor(features);
  const captures = commands.filter(({ kind }) => kind === 'pcap');
  const others = commands.filter(({ kind }) => kind !== 'pcap');
  const results = await Promise.all(
    others.map(async (command) => ({ command, result: await run(connection, command) })),
  );
  const captured = [];
  for (const command of captures) captured.push({ command, result: await run(connection, command) });
  await connection.close();
  return [...results, ...captured];
}

const into = (directory: string): readonly string[] => [
  `--mount=/proc/${sshd.pid}/ns/mnt`,
  `--wd=${directory}`,
  '--',
  'setpriv',
  '--reuid=47011',
  '--regid=47011',
  '--clear-groups',
];

/** A few at once: most of the time of each is that of starting a dozen processes. */
async function eachOf<Item>(items: readonly Item[], check: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await check(item);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

/** As the account itself, in sshd's mount namespace, with a terminal of nobody. */
async function asUser(argv: readonly string[], directory = '/'): Promise<{ code: number | null; said: string }> {
  const child = spawn('nsenter', [...into(directory), ...argv], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 });
  const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, said: out + err };
}

describe.skipIf(missing !== undefined)(`an account with what netcheck prints${because}`, () => {
  beforeAll(async () => {
    sshd = await startLoopbackSshd({
      users: [{ name: user, uid: 47_011 }],
      sudoers: sudoersFile(user, collectors),
      prepare: 'mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin',
    });
    const into = `/proc/${sshd.pid}/root`;
    for (const [file, script] of [
      [rootWrapper, wrapperScript(collectors, { loginUser: user })],
      [gatePath, gateScript(collectors, { loginUser: user })],
    ] as const)
      await writeFile(`${into}${file}`, script, { mode: 0o755 });
    transport = createSshTransport({ identityFiles: [sshd.identityFile], knownHostsFiles: [sshd.knownHostsFile] });
  });
  afterAll(async () => {
    await transport?.close();
    await sshd?.stop();
  });

  it('runs every command of every collector, on the node and in a namespace', async () => {
    const all = await everyCommand();
    expect(all.length).toBeGreaterThan(80);
    const refused = all.filter(
      ({ result }) => result.exit.how === 'notStarted' || /netcheck-as-root|sudo:/.test(text(result.stderr)),
    );
    expect(
      refused.map(({ command, result }) => [command.argv.join(' ').slice(0, 200), result.exit, text(result.stderr)]),
    ).toEqual([]);
    const captures = all.filter(({ command }) => command.kind === 'pcap');
    expect(captures.length).toBeGreaterThan(2);
    for (const { result } of captures) expect(result.exit).toEqual({ how: 'stopped', why: 'enough' });
  });

  it('cannot do anything else with sudo', async () => {
    const { said } = await asUser(['sudo', '-n', '-l']);
    // one program without words of its own: the script that looks at each of them
    const rules = said.split(/NOPASSWD:/)[1] ?? '';
    const free = rules
      .split(',')
      .map((rule) => rule.trim())
      .filter((rule) => !rule.includes(' '));
    expect(free).toEqual([rootWrapper]);
    // no pattern stands in what sudo compares
    expect(rules).not.toMatch(/[*?[\]^$]/);

    await eachOf(escapes, async (argv) => {
      const asked = await asUser(['sudo', '-n', '-k', '-l', '--', ...argv]);
      expect([argv, asked.code]).toEqual([argv, 1]);
    });
  }, 120_000);

  it('cannot do anything else through the script', async () => {
    await eachOf(escapes, async (argv) => {
      const { code, said } = await asUser(['sudo', '-n', '-k', '--', rootWrapper, ...argv]);
      expect([argv, code, said]).toEqual([argv, 1, expect.stringMatching(/^netcheck-as-root: refused: [^\n]*\n$/)]);
    });
  }, 120_000);

  it('finds nothing of its own where root looks for programs, and is not where it called from', async () => {
    const home = path.join(sshd.directory, `home-${user}`);
    await writeFile(path.join(home, 'dmesg'), '#!/bin/sh\nid -u > mine\n', { mode: 0o755 });
    await asUser(['env', `PATH=${home}:/usr/bin:/bin`, 'sudo', '-n', '-k', '--', rootWrapper, 'dmesg'], home);
    await asUser(['env', `PATH=${home}:/usr/bin:/bin`, 'sudo', '-n', '-k', '--', 'dmesg'], home);
    expect(existsSync(path.join(home, 'mine'))).toBe(false);
    for (const setting of ['LD_PRELOAD=/tmp/x.so', 'BASH_ENV=/tmp/x', 'PERL5LIB=/tmp', 'PYTHONPATH=/tmp', 'IFS=/']) {
      const { said } = await asUser(['env', setting, 'sudo', '-n', '-k', setting, '--', rootWrapper, 'dmesg'], home);
      expect(said).toContain('not allowed to set');
    }
  });

  // A bind mount needs no right to read the file: with a user namespace anybody can lay one over the other.
  it('cannot read a file of root by laying it over one that is read in containers', async () => {
    const home = path.join(sshd.directory, `home-${user}`);
    const secret = path.join(sshd.directory, 'secret');
    await writeFile(secret, 'of root only', { mode: 0o600 });
    const box = path.join(home, 'box');
    // absolute: the directory it starts in belongs to the namespace outside
    const trap = `cd /; mkdir -p ${box}/etc ${box}/bin; touch ${box}/etc/hosts; cp /bin/busybox ${box}/bin; mount --bind ${secret} ${box}/etc/hosts && echo mounted; exec chroot ${box} /bin/busybox sleep 30`;
    const child = spawn(
      'nsenter',
      [...into(home), 'unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', trap],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    try {
      await once(child.stdout, 'data');
      const read = ['dd', `if=/proc/${child.pid}/root/etc/hosts`, 'iflag=nofollow', 'status=none'];
      await vi.waitFor(() => expect(execFileSync(read[0] ?? '', read.slice(1)).toString()).toBe('of root only'));
      expect(await asUser(['sudo', '-n', '-k', '--', rootWrapper, ...read])).toEqual({
        code: 1,
        said: 'netcheck-as-root: refused: a process in a user namespace of its own\n',
      });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  describe('and a key that is behind the gate', () => {
    const publicKey = async (): Promise<string> => readFile(`${sshd.identityFile}.pub`, 'utf8');
    const withKey = async (options: string): Promise<void> =>
      writeFile(path.join(sshd.directory, 'authorized_keys'), `${options}${await publicKey()}`);
    /** OpenSSH's own client: what anybody who has the key can ask for. */
    const ssh = async (args: readonly string[], input = ''): Promise<{ code: number | null; said: string }> => {
      const options = ['BatchMode=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${sshd.knownHostsFile}`];
      const child = spawn(
        'ssh',
        [
          '-F',
          'none',
          '-i',
          sshd.identityFile,
          '-p',
          String(sshd.port),
          ...options.flatMap((one) => ['-o', one]),
          ...args,
        ],
        { stdio: ['pipe', 'pipe', 'pipe'], timeout: 20_000 },
      );
      child.stdin.on('error', () => {});
      child.stdin.end(input);
      const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')]);
      return { code: child.exitCode, said: out + err };
    };
    const there = `${user}@127.0.0.1`;
    const marker = 'is it run';

    beforeAll(() => withKey(`restrict,command="${gatePath}" `));
    afterAll(() => withKey(''));

    it('runs every command of every collector', async () => {
      // connections from before the gate are not behind it
      await transport.close();
      transport = createSshTransport({ identityFiles: [sshd.identityFile], knownHostsFiles: [sshd.knownHostsFile] });
      const all = await everyCommand();
      expect(all.length).toBeGreaterThan(80);
      const refused = all.filter(
        ({ result }) => result.exit.how === 'notStarted' || /netcheck-gate|netcheck-as-root/.test(text(result.stderr)),
      );
      expect(refused.map(({ command, result }) => [command.argv.join(' ').slice(0, 200), result.exit])).toEqual([]);
    });

    it('runs nothing else, and opens nothing', async () => {
      for (const args of [
        [there],
        [there, 'id'],
        [there, '/bin/sh'],
        [there, 'exec /bin/sh; id'],
        [there, 'scp -f /etc/passwd'],
        ['-T', there, 'cat /etc/passwd | head'],
      ]) {
        const { code, said } = await ssh(args, `echo ${marker}\n`);
        expect([args, code]).toEqual([args, 126]);
        expect(said).toContain('netcheck-gate: refused');
        expect(said).not.toContain(`${marker}\n`);
      }
      // no terminal either
      expect((await ssh(['-tt', there])).said).toContain('PTY allocation request failed');
      expect((await ssh(['-W', '127.0.0.1:1', there])).said).toMatch(/administratively prohibited|forwarding failed/);
    });

    it('runs no script but that of netcheck, and nothing that stands in front of what it refuses', async () => {
      const options = { deadlineSeconds: 5, mark: 'netcheck-0123456789abcdef' };
      const single = remoteScript({ argv: ['cat', '/proc/uptime'], sudo: false, ...options });
      const batch = remoteBatchScript({
        commands: [
          { argv: ['cat', '/proc/uptime'], sudo: false },
          { argv: ['dmesg'], sudo: true },
        ],
        ...options,
      });
      for (const good of [single, batch])
        expect((await ssh([there, 'exec /bin/sh'], good)).said).toMatch(/netcheck-0123456789abcdef (?:0 )?run/);
      const id = `echo '${marker}'`;
      const bad: readonly string[] = [
        '',
        `${id}\n`,
        `${id}\n${single}`,
        single.replace('{\n', `{ ${id}\n`),
        single.replace('g=\n', `g=; ${id}\n`),
        single.replace("'/proc/uptime'", `'/proc/uptime'; ${id}`),
        single.replace("'/proc/uptime'", "'/etc/shadow'"),
        single.replace("'/proc/uptime'", `'/proc/uptime' "$(${id})"`),
        single.replace("command -v 'cat'", `command -v 'cat' "$(${id} >&2)"`),
        single.replace("command -v 'cat'", "command -v 'c;at'"),
        single.replace('w=run', `w=run; ${id}`),
        single.replaceAll('netcheck-0123456789abcdef', `netcheck-0";${id};"`),
        single.replaceAll('netcheck-0123456789abcdef', `netcheck-$(${id})`),
        single.replace(/sleep (\d+) & wait/, `sleep $1; ${id} & wait`),
        single.replace(/sleep \d+ & wait/, `sleep $(${id} >&2) & wait`),
        single.replace('exit $r\n}\n', `exit $r\n${id}\n}\n`),
        single.replace('r=$?', `${id}; r=$?`),
        single.replace("'cat' '/proc/uptime'", `sudo -n -k -- $s 'sh' '-c' '${id.replaceAll("'", '')}'`),
        batch.replace("'dmesg'", `'dmesg' '-C'`),
        batch.replace("'dmesg'", `'dmesg';; esac; ${id}; case x in x) true`),
        batch.replace('1 $w"', `1 $w"; ${id}`),
        batch.replace('0 end $r', `0 end $(${id} >&2)`),
        batch.replace('1 end $r"', `1 end $r"\n${id}`),
        batch.replace('; echo "$1" >&2', `; echo "$1" >&2; ${id}`),
        batch.replace('case $w in', `${id}; case $w in`),
        remoteScript({ argv: ['sh', '-c', id], sudo: false, ...options }),
        remoteScript({ argv: ['sh', '-c', `exit $r\n}\n${id}`], sudo: false, ...options }),
        remoteScript({ argv: ['cat', '/proc/uptime', `'; ${id} #`], sudo: false, ...options }),
        remoteScript({ argv: ['tcpdump', '-w', '/etc/passwd'], sudo: true, ...options }),
        single.replace('exit $r\n}\n', ''),
        'x'.repeat(200_000),
      ];
      await eachOf(bad, async (script) => {
        const { code, said } = await ssh([there, 'exec /bin/sh'], script);
        expect([script, code]).toEqual([script, 126]);
        expect(said).toMatch(/^netcheck-gate: refused: [^\n]*\n$/);
      });
      // what stands behind the script is its leash, and is never run
      const behind = await ssh([there, 'exec /bin/sh'], `${single}${id}\n`);
      expect(behind.said).not.toContain(`${marker}\n`);
    }, 120_000);

    it('runs the program for changes only where it was asked for, and never through the script', async () => {
      const begin = ['/usr/local/sbin/netcheck-change', 'begin', 'x-1', '60', 'sysctl', 'net.ipv4.ip_forward', '1'];
      const options = { deadlineSeconds: 5, mark: 'netcheck-0123456789abcdef' };
      const gates = {
        without: gateScript(collectors, { loginUser: user }),
        with: gateScript(collectors, { loginUser: user, changes: true }),
      };
      const file = `/proc/${sshd.pid}/root${gatePath}`;
      const said: Record<string, string> = {};
      for (const [name, script] of Object.entries(gates)) {
        await writeFile(file, script);
        said[name] = (await ssh([there, 'exec /bin/sh'], remoteScript({ argv: begin, sudo: true, ...options }))).said;
        said[`${name}, batch`] = (
          await ssh([there, 'exec /bin/sh'], remoteBatchScript({ commands: [{ argv: begin, sudo: true }], ...options }))
        ).said;
        const more = remoteScript({ argv: [...begin, '$(id)'], sudo: true, ...options });
        said[`${name}, more`] = (await ssh([there, 'exec /bin/sh'], more)).said;
      }
      for (const name of ['without', 'without, batch', 'without, more', 'with, more'])
        expect([name, said[name]]).toEqual([name, expect.stringContaining('netcheck-gate: refused')]);
      // sudo has no rule for it here, and is asked for it by its path
      for (const name of ['with', 'with, batch'])
        expect([name, said[name]]).toEqual([name, expect.stringMatching(/unseen[^]*sudo: /)]);
      expect(Object.values(said).join('')).not.toContain('netcheck-as-root');
    });

    it('is told so by netcheck, with what to do', async () => {
      const connection = await connect();
      const result = await connection.run(
        { argv: ['cat', '/etc/shadow'], privilege: 'none', timeoutMs: 10_000, maxBytes: 1000 },
        { signal },
      );
      await connection.close();
      expect(result.exit).toMatchObject({ how: 'notStarted', why: 'channel' });
      expect(JSON.stringify(result.exit)).toContain('netcheck-gate: refused');
    });
  });
});
