import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { inNamespace } from '../../src/engine/in-namespace.ts';
import { exampleParams } from '../../src/engine/command-shapes.ts';
import type { Command } from '../../src/model/command.ts';
import { Budget } from '../../src/model/plan.ts';

const command = (argv: readonly string[], kind: string): Command => ({
  argv,
  kind,
  privilege: 'none',
  timeoutMs: 1000,
  maxBytes: 1000,
});
const pod = { name: '4321', pid: '4321' };
const named = { name: 'web', pid: null };

describe('a command in a network namespace', () => {
  it('reads what the kernel shows of a process without entering its namespace, and without root', () => {
    expect(inNamespace(command(['cat', '/proc/net/snmp'], 'proc-net-snmp'), pod)).toMatchObject({
      argv: ['cat', '/proc/4321/net/snmp'],
      privilege: 'none',
    });
    expect(inNamespace(command(['cat', '/proc/net/tcp', '/proc/net/tcp6'], 'proc-net-tcp'), pod).argv).toEqual([
      'cat',
      '/proc/4321/net/tcp',
      '/proc/4321/net/tcp6',
    ]);
  });

  it('reads IPVS in the files of a process, where there is one', () => {
    const files = { ...command(['cat', '/proc/net/ip_vs'], 'proc-net-ip-vs'), needsFile: '/proc/net/ip_vs' };
    const asked = { ...command(['ipvsadm', '-Ln'], 'ipvsadm'), otherwise: files };
    expect(inNamespace(asked, pod)).toMatchObject({ argv: ['cat', '/proc/4321/net/ip_vs'], privilege: 'none' });
    expect(inNamespace(asked, named).argv).toEqual(['nsenter', '--net=/run/netns/web', '--', 'ipvsadm', '-Ln']);
  });

  it('enters it for everything else, as root', () => {
    expect(inNamespace(command(['ss', '-lntup'], 'ss'), pod)).toMatchObject({
      argv: ['nsenter', '--net=/proc/4321/ns/net', '--', 'ss', '-lntup'],
      privilege: 'root',
    });
    expect(inNamespace(command(['cat', '/proc/net/snmp'], 'proc-net-snmp'), named)).toMatchObject({
      argv: ['nsenter', '--net=/run/netns/web', '--', 'cat', '/proc/net/snmp'],
      privilege: 'root',
    });
    // Settings are those of whoever opens the file (proc_sys_call_handler): a path through /proc/PID does not exist.
    expect(inNamespace(command(['grep', '-H', '', '/proc/sys/net/core/somaxconn'], 'sysctl'), pod).argv).toEqual([
      'nsenter',
      '--net=/proc/4321/ns/net',
      '--',
      'grep',
      '-H',
      '',
      '/proc/sys/net/core/somaxconn',
    ]);
  });

  it("reads a container's own resolver files", () => {
    expect(inNamespace(command(['cat', '/etc/resolv.conf'], 'resolv-conf'), pod)).toMatchObject({
      argv: ['dd', 'if=/proc/4321/root/etc/resolv.conf', 'iflag=nofollow', 'status=none'],
      privilege: 'root',
    });
  });

  it('does not follow a link that a container put there to a file of the node', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-container-'));
    try {
      mkdirSync(path.join(folder, 'etc'));
      writeFileSync(path.join(folder, 'secret'), 'of the node');
      const [tool = '', ...args] = inNamespace(command(['cat', '/etc/resolv.conf'], 'resolv-conf'), pod).argv;
      const read = () =>
        spawnSync(
          tool,
          args.map((arg) => arg.replace('/proc/4321/root', folder)),
          { encoding: 'utf8' },
        );
      symlinkSync(path.join(folder, 'secret'), path.join(folder, 'etc', 'resolv.conf'));
      expect(read()).toMatchObject({ status: 1, stdout: '' });
      rmSync(path.join(folder, 'etc', 'resolv.conf'));
      writeFileSync(path.join(folder, 'etc', 'resolv.conf'), 'nameserver 10.96.0.10\n');
      expect(read()).toMatchObject({ status: 0, stdout: 'nameserver 10.96.0.10\n' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('moves the alternatives as well', () => {
    const moved = inNamespace(
      {
        ...command(['ss', '-s'], 'ss-summary'),
        otherwise: command(['cat', '/proc/net/sockstat'], 'proc-net-sockstat'),
      },
      pod,
    );
    expect(moved.otherwise?.argv).toEqual(['cat', '/proc/4321/net/sockstat']);
  });

  it('leaves alone what is about the whole machine, and nothing else', () => {
    const context = {
      target: '192.0.2.1',
      port: 80,
      protocol: 'tcp',
      clientAddresses: ['192.0.2.2'],
      ownAddresses: [],
      roles: ['target'],
      targetNames: [],
      learned: {
        devices: ['eth0'],
        veths: [],
        addressed: ['eth0'],
        ways: [{ address: '192.0.2.2', device: 'eth0' }],
        listenerPids: ['77'],
        servers: [],
        beyond: [],
        seen: [],
        tunnelPeers: [],
        searchDomains: [],
      },
      budget: Budget.parse({}),
    } as const;
    const same = [...collectors.values()].filter((collector) => {
      const params = collector.params.safeParse({});
      const all = collector.commands(params.success ? params.data : exampleParams[collector.id], context);
      return all.length > 0 && all.every((one) => inNamespace(one, pod) === one);
    });
    expect(same.map(({ id }) => id).sort()).toEqual([
      'clock',
      'interrupts',
      'kernel',
      'kernel-log',
      'kube-proxy',
      'listener-process',
      'look',
      'netns',
    ]);
  });
});
