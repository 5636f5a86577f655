import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditReport } from '../../src/model/audit-report.ts';
import { type NodeAnswer, startSshNode, writeConfig } from '../fakes/ssh-node.ts';
import type { FakeSshServer } from '../fakes/ssh-server.ts';
import { type BuiltNetcheck, buildNetcheck, type Finished } from './built-netcheck.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

/** What the nodes of the fleet say; node-3 has the setting that throws SYNs away, and a smaller limit than the others. */
function answerOf(name: string): (command: string) => NodeAnswer {
  const settings = [
    'net/ipv4/ip_forward:1',
    'net/ipv4/tcp_timestamps:1',
    'net/ipv4/tcp_abort_on_overflow:0',
    'net/ipv4/tcp_syncookies:1',
    `net/ipv4/tcp_tw_recycle:${name === 'node-3' ? 1 : 0}`,
    `net/core/somaxconn:${name === 'node-3' ? 128 : 4096}`,
  ];
  const look = 'uid 0\ntool sh /bin/sh\ntool ip /sbin/ip\nfile /proc/net/netstat\nmodule nf_conntrack absent\n';
  return (command) => {
    if (command.startsWith("'sh' '-c'") || command.startsWith('sh -c')) return { stdout: look };
    if (command.includes('uname')) return { stdout: '4.9.0-19-amd64\n' };
    if (command.includes('date')) return { stdout: '1795228800.000000000\n' };
    if (command.includes('/proc/uptime')) return { stdout: '90000.00 10.00\n' };
    if (command.includes('/proc/net/netstat')) return { stdout: 'TcpExt: ListenOverflows\nTcpExt: 7\n' };
    if (command.includes('/proc/sys/'))
      return { stdout: settings.map((line) => `/proc/sys/${line}\n`).join(''), stderr: '', code: 2 };
    return { stderr: 'no such file\n', code: 1 };
  };
}

let netcheck: BuiltNetcheck;
let folder: string;
const servers: FakeSshServer[] = [];
let hanging: FakeSshServer;
const names = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
const at = (...parts: readonly string[]): string => path.join(folder, ...parts);
const run = (...args: readonly string[]): Promise<Finished> => netcheck.run(['audit', ...args], { cwd: folder });

beforeAll(async () => {
  for (const name of names) servers.push(await startSshNode(answerOf(name)));
  hanging = await startSshNode(() => ({ hangs: true }));
  const entry = (server: FakeSshServer, labels: Readonly<Record<string, string>>) => ({ server, more: { labels } });
  folder = await writeConfig(
    {
      ...Object.fromEntries(
        names.map((name, index) => [
          name,
          entry(servers[index] as FakeSshServer, { role: 'web', rack: index < 3 ? 'r1' : 'r2' }),
        ]),
      ),
      'down-1': { server: { ...(servers[0] as FakeSshServer), port: 1 }, more: { labels: { role: 'down' } } },
      'slow-1': entry(hanging, { role: 'slow' }),
    },
    { playbooks: ['own'], groups: { first: ['node-1', 'node-2'] } },
  );
  mkdirSync(at('own'));
  writeFileSync(
    at('own/quick.yaml'),
    `id: quick
title: { en: Two settings, zh: 两项设置 }
audit:
  collect:
    - { use: sysctl, with: { keys: [net.core.somaxconn, net.ipv4.ip_forward, net.ipv4.tcp_tw_recycle, net.ipv4.tcp_timestamps] } }
  rules:
    - { use: tw-recycle }
    - use: expect
      with:
        table:
          - { fact: 'sysctl:net.core.somaxconn', op: min, value: 1024, why: Our services queue, remedy: Raise it }
`,
  );
  netcheck = await buildNetcheck();
});
afterAll(async () => {
  await netcheck.remove();
  for (const server of [...servers, hanging]) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('netcheck audit', () => {
  it('says what is risky and who differs, the same in JSON and in CSV, and exits with 1', async () => {
    const [text, json, csv] = [
      await run('quick', '--nodes', 'role=web'),
      await run('quick', '--nodes', 'role=web', '--json'),
      await run('quick', '--nodes', 'role=web', '--csv'),
    ];
    expect(text).toMatchObject({ status: 1 });
    expect(text.stdout).toMatch(/^FOUND: 2 findings on 1 of 5 nodes; first: .* on node-3/);
    for (const words of [
      'tw-recycle · 1 node',
      'net.core.somaxconn is 4096 on 4 of 5 nodes with role=web; 128 on node-3',
    ])
      expect(text.stdout).toContain(words);
    expect(text.stderr).toContain('5 of 5 nodes');
    expect(json.status).toBe(1);
    const report = AuditReport.parse(JSON.parse(json.stdout));
    expect(report.findings.map(({ check, node, verdict }) => [check, node, verdict])).toEqual([
      ['net.core.somaxconn', 'node-3', 'likely'],
      ['tw-recycle', 'node-3', 'likely'],
    ]);
    expect(report.counts).toMatchObject({ nodes: 5, looked: 5 });
    expect(csv.stdout.split('\r\n').filter((line) => line.startsWith('finding,node-3'))).toHaveLength(2);
  });

  it('exits with 0 where all is clear and with 2 where a node could not be reached', async () => {
    expect(await run('quick', '--nodes', 'first')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^CLEAR/),
    });
    const open = await run('quick', '--nodes', 'first,down-*');
    expect(open).toMatchObject({ status: 2, stdout: expect.stringMatching(/^INCONCLUSIVE/) });
    expect(open.stdout).toContain('down-1: refused the TCP connection');
  });

  it('remembers: what was there before is still there, with the same selector', async () => {
    await run('quick', '--nodes', 'rack=r1');
    const second = AuditReport.parse(JSON.parse((await run('quick', '--nodes', 'rack=r1', '--json')).stdout));
    expect(second.previous?.id).toBeDefined();
    expect(second.changes.map(({ kind, node, rule }) => [kind, node, rule])).toEqual([
      ['still', 'node-3', 'expect'],
      ['still', 'node-3', 'tw-recycle'],
    ]);
    expect(existsSync(at('.netcheck', 'audits'))).toBe(true);
  });

  it('takes one connection per node', async () => {
    const before = servers.map((server) => server.connections());
    await run('quick', '--nodes', 'role=web', '--json');
    expect(servers.map((server, index) => server.connections() - (before[index] ?? 0))).toEqual([1, 1, 1, 1, 1]);
  });

  it('saves a run per node that replay reads again, and writes a page', async () => {
    const saved = await run('node-audit', '--nodes', 'node-3', '--save', 'kept', '--html', 'page.html');
    expect(saved.status).toBe(1);
    expect(readdirSync(at('kept')).sort()).toEqual(['audit.json', 'node-3']);
    const again = await netcheck.run(['replay', 'kept/node-3', '--json'], { cwd: folder });
    expect(again.stdout).toBe(readFileSync(at('kept', 'node-3', 'report.json'), 'utf8'));
    expect(again.status).toBe(1);
    const page = readFileSync(at('page.html'), 'utf8');
    expect(page).toContain('tw-recycle');
    expect(page).toContain('<svg');
  });

  it('explains what would run, and connects nowhere', async () => {
    const before = servers.map((server) => server.connections());
    const { status, stdout } = await run('--nodes', 'rack=r1', '--explain');
    expect(status).toBe(0);
    for (const words of ['3 nodes: node-1, node-2, node-3', 'grep -H', '/proc/sys/net/core/somaxconn'])
      expect(stdout).toContain(words);
    expect(stdout).not.toMatch(/^ .*\d+ [kM]?B  tcpdump/m);
    expect(stdout).not.toContain('after the window');
    expect(servers.map((server) => server.connections())).toEqual(before);
  });

  it.each([
    [['--nodes', 'rack=r9'], /No node is selected by "rack=r9"/, /rack=r1, rack=r2/],
    [['--nodes', 'nod-1'], /"nod-1" is no node, no group and no label here/, /Did you mean node-1/],
    [['--nodes', 'a=b=c'], /cannot be read as a term/, /For example/],
    [['port-check'], /is about one port, not for audits/, /node-audit, quick/],
    [['no-such'], /There is no playbook "no-such"/, /node-audit/],
  ])('%j is refused with what there is', async (args, message, hint) => {
    const { status, stderr, stdout } = await run(...args);
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(hint);
  });

  it('tells what it has seen when it is interrupted, and does not keep that for the next time', async () => {
    const selector = 'node-1,slow-1';
    const asking = netcheck.start(['audit', 'quick', '--nodes', selector, '--json'], { cwd: folder });
    // the line that comes after five seconds names the node that everybody waits for
    await asking.says(/1 of 2 nodes, waiting for slow-1/);
    const { status, stdout } = await asking.stop('SIGINT');
    expect(status).toBe(2);
    const report = AuditReport.parse(JSON.parse(stdout));
    expect(report.nodes.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['node-1', 'looked'],
      ['slow-1', 'failed'],
    ]);
    expect(report.unseen.map(({ why }) => why)).toEqual(['the audit was stopped while this node was looked at']);
  });
});
