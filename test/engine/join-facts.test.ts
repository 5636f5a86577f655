import { describe, expect, it } from 'vitest';
import { joinFacts, type Reading } from '../../src/engine/join-facts.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { parsers } from '../../src/parsers/index.ts';
import { evidenceOf } from './evidence-of.ts';

/** What the parser of its kind makes of an output, as a run does it. */
function readingOf(entry: Partial<Evidence['entry']> & { readonly kind: string }, stdout?: string): Reading {
  const parser = parsers.get(entry.kind);
  const evidence = evidenceOf(entry, stdout ?? parser?.sample ?? '');
  const value = parser?.parse({
    stdout: evidence.stdout,
    stderr: evidence.stderr,
    argv: evidence.entry.argv,
    exitCode: 0,
    evidence: `evidence/${entry.kind}.out`,
  }).value;
  if (value === undefined) throw new Error(`no value of ${entry.kind}`);
  return { evidence, value };
}

const factsOf = (...readings: readonly Reading[]) =>
  joinFacts(
    readings,
    readings.map(({ evidence }) => evidence),
  );

describe('network devices', () => {
  it('are put together from four commands each, by the device that was asked about', () => {
    const { nics } = factsOf(
      readingOf({ kind: 'ethtool-i', argv: ['ethtool', '-i', 'eth0'] }),
      readingOf({ kind: 'ethtool-k', argv: ['ethtool', '-k', 'eth0'] }),
      readingOf({ kind: 'ethtool-g', argv: ['ethtool', '-g', 'eth0'] }),
      readingOf({ kind: 'ethtool', argv: ['ethtool', 'eth0'] }),
      readingOf({ kind: 'ethtool-i', argv: ['nsenter', '--net=/proc/1/ns/net', '--', 'ethtool', '-i', 'eth1'] }),
    );
    expect(nics?.map(({ device }) => device)).toEqual(['eth0', 'eth1']);
    expect(nics?.[0]).toMatchObject({
      driver: { driver: 'veth' },
      settings: { speedMbitPerSec: 1000, duplex: 'full' },
      rings: { current: { rx: 1024, tx: 1024 } },
      features: { 'tcp-segmentation-offload': { on: true } },
    });
    expect(Object.keys(nics?.[1] ?? {}).sort()).toEqual(['device', 'driver']);
  });
});

describe('firewall', () => {
  const look = (module: string) =>
    readingOf(
      { kind: 'look', collector: 'look' },
      `uid 0\nmodule ip_tables absent\nmodule ip6_tables absent\nmodule nf_tables ${module}\n`,
    );
  const save = (exit: Evidence['entry']['exit']) =>
    evidenceOf({ kind: 'iptables-save', collector: 'firewall', phase: 'before', exit });
  const skipped = save({ how: 'skipped', why: 'would load nf_tables' });

  it('has no rule where the kernel has none of its modules loaded', () => {
    const seen = look('absent');
    expect(joinFacts([seen], [seen.evidence, skipped]).firewall).toEqual({ rules: [] });
  });

  it('is not known where a module is there, where a tool was refused, or where nobody looked', () => {
    const loaded = look('loaded');
    expect(joinFacts([loaded], [loaded.evidence, skipped]).firewall).toBeUndefined();
    const seen = look('absent');
    const refused = save({ how: 'notStarted', why: 'sudo', message: 'sudo: a password is required' });
    expect(joinFacts([seen], [seen.evidence, skipped, refused]).firewall).toBeUndefined();
    expect(joinFacts([seen], [seen.evidence]).firewall).toBeUndefined();
  });
});

describe('listening processes', () => {
  it('are put together by the process of the path or of the command', () => {
    const { listenerProcesses } = factsOf(
      readingOf({ kind: 'proc-limits', argv: ['cat', '/proc/812/limits'] }),
      readingOf({ kind: 'fd-count', argv: ['ls', '/proc/812/fd'] }),
      readingOf({ kind: 'cpu-stat', argv: ['sh', '-c', 'script', 'cpu-stat', '812'] }),
      readingOf({ kind: 'fd-count', argv: ['ls', '/proc/9/fd'] }, '0\n'),
    );
    expect(listenerProcesses).toMatchObject([
      {
        pid: 812,
        limits: { 'Max open files': { soft: 1024 } },
        openFiles: { count: 4 },
        cpu: { throttledPeriods: 811 },
      },
      { pid: 9, openFiles: { count: 1 } },
    ]);
    expect(listenerProcesses?.[1]).not.toHaveProperty('limits');
  });
});

describe('without ss and ip', () => {
  it('listeners get their processes by inode, routes and neighbours come from /proc', () => {
    const { listeners, routes, neighbours } = factsOf(
      readingOf(
        { kind: 'proc-net-tcp', collector: 'listeners', argv: ['cat', '/proc/net/tcp', '/proc/net/tcp6'] },
        `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0515 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20951 1 0000000000000000 100 0 0 10 0
   1: 00000000:0516 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000000000000000 100 0 0 10 0
`,
      ),
      readingOf({ kind: 'socket-owners' }),
      readingOf({ kind: 'proc-net-route' }),
      readingOf({ kind: 'proc-net-arp' }),
    );
    expect(listeners?.map(({ port, process }) => [port, process])).toEqual([
      [1301, 'pid 1377'],
      [1302, undefined],
    ]);
    expect(listeners?.[0]).not.toHaveProperty('inode');
    expect(routes?.length).toBeGreaterThan(0);
    expect(neighbours?.length).toBeGreaterThan(0);
  });
});

describe('the resolver', () => {
  it('has the parts that were read', () => {
    const { resolver } = factsOf(readingOf({ kind: 'resolv-conf' }), readingOf({ kind: 'hosts' }));
    expect(resolver?.config?.nameservers.map(({ address }) => address)).toEqual(['10.96.0.10', '2001:558:feed::1']);
    expect(resolver?.hosts).toHaveLength(3);
    expect(resolver).not.toHaveProperty('nameServices');
  });
});

describe('one fact per name', () => {
  it('is absent where nothing was read', () => {
    expect(joinFacts([], [])).toEqual({});
  });

  it('counters of all files, and of the drivers, are one table; a smaller uptime means that nothing can be compared', () => {
    const at = (phase: Evidence['entry']['phase'], uptime: string): readonly Reading[] => [
      readingOf({ kind: 'softirqs', phase }),
      readingOf({ kind: 'ip-vs-stats', phase }),
      readingOf({ kind: 'ethtool-s', phase, argv: ['ethtool', '-S', 'eth0'] }),
      readingOf({ kind: 'proc-uptime', phase }, uptime),
    ];
    const { counters } = factsOf(...at('before', '100.5 1.0\n'), ...at('after', '103.5 1.0\n'));
    expect(counters?.['softirq.NET_RX']).toMatchObject({ delta: 0, how: 'counted' });
    expect(counters?.['ip_vs.conns']).toMatchObject({ delta: 0, how: 'counted' });
    expect(counters?.['ethtool.eth0.rx_missed_errors']).toMatchObject({ delta: 0, how: 'counted' });
    const anew = factsOf(...at('before', '100.5 1.0\n'), ...at('after', '3.5 1.0\n'));
    expect(anew.counters?.['softirq.NET_RX']).toMatchObject({ delta: null, how: 'reset' });
  });

  it('answers of several commands stand side by side', () => {
    const facts = factsOf(
      readingOf({ kind: 'getent-ahosts', argv: ['getent', 'ahosts', 'a'] }),
      readingOf({ kind: 'getent-ahosts', argv: ['getent', 'ahosts', 'b'] }),
      readingOf({ kind: 'ping' }),
      readingOf({ kind: 'tracepath' }),
      readingOf({ kind: 'arping' }),
      readingOf({ kind: 'ip-rule' }),
      readingOf({ kind: 'ip-rule', argv: ['ip', '-6', 'rule', 'show'] }),
    );
    expect(facts.nameLookups?.map(({ name }) => name)).toEqual(['a', 'b']);
    expect([facts.pings?.length, facts.tracedPaths?.length, facts.arpAnswers?.length]).toEqual([1, 1, 1]);
    expect(facts.policyRules).toHaveLength(8);
  });

  it('a listener is as full as it was in the fuller of its readings', () => {
    const row = (recvq: number): string =>
      `State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN ${recvq} 128 0.0.0.0:1301 0.0.0.0:*\n`;
    const { listeners } = factsOf(
      readingOf({ kind: 'ss', collector: 'listeners', phase: 'before' }, row(129)),
      readingOf({ kind: 'ss', collector: 'listeners', phase: 'after' }, row(0)),
    );
    expect(listeners?.map(({ recvq }) => recvq)).toEqual([129]);
  });

  it('IPVS: the table is the one before the window, totals say how far they moved in it', () => {
    const stats = (packets: number, second = ''): string => `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.98.0.50:80                       ${packets}        ${packets}        4      326      222
  -> 10.98.3.2:80                        1        ${packets}        4      326      222
${second}`;
    const ipvs = (kind: string, phase: 'before' | 'after', text: string) =>
      readingOf({ kind, collector: 'ipvs', phase }, text);
    const entry = (port: number): string => `IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:58  ESTABLISHED 10.98.1.2:${port}    10.98.0.50:80      10.98.3.2:80
`;
    const facts = factsOf(
      ipvs('ipvsadm-connections', 'before', entry(40_000)),
      ipvs('ipvsadm-stats', 'before', stats(6)),
      ipvs('ipvsadm-connections', 'after', entry(50_000)),
      ipvs('ipvsadm-stats', 'after', stats(9, '  -> 10.98.3.9:80   1 1 1 1 1\n')),
    );
    expect(facts.ipvs?.connections?.map(({ source }) => source.port)).toEqual([40_000]);
    expect(facts.ipvs?.laterConnections?.map(({ source }) => source.port)).toEqual([50_000]);
    const [service] = facts.ipvs?.totals ?? [];
    expect(service?.moved).toEqual({ connections: 3, inPackets: 3, outPackets: 0 });
    expect(service?.servers.map(({ moved }) => moved)).toEqual([
      { connections: 0, inPackets: 3, outPackets: 0 },
      undefined,
    ]);
    const anew = factsOf(ipvs('ipvsadm-stats', 'before', stats(6)), ipvs('ipvsadm-stats', 'after', stats(2)));
    expect(anew.ipvs?.totals?.[0]?.moved).toBeUndefined();
    expect(factsOf(ipvs('ipvsadm-stats', 'before', stats(6))).ipvs?.totals?.[0]).toMatchObject({ inPackets: 6 });
  });

  it('cpu.stat: how far it moved, where the same process was read twice', () => {
    const cpu = (pid: string, phase: 'before' | 'after', throttled: number) =>
      readingOf(
        { kind: 'cpu-stat', argv: ['sh', '-c', 'script', 'cpu-stat', pid], phase, id: `${phase}-${pid}` },
        `usage_usec 1\nnr_periods ${100 + throttled * 2}\nnr_throttled ${throttled}\nthrottled_usec ${throttled * 1000}\n`,
      );
    const { listenerProcesses } = factsOf(cpu('812', 'before', 5), cpu('812', 'after', 35), cpu('9', 'after', 3));
    expect(listenerProcesses?.map(({ cpu: told }) => told?.moved)).toEqual([
      { periods: 60, throttledPeriods: 30, throttledUsec: 30_000 },
      undefined,
    ]);
  });

  it('every kind that says that it becomes a fact gives that fact', () => {
    const wrong = [...parsers.values()].filter(({ kind, fact }) => {
      // of the whole run: join-cluster.ts
      if (fact === null || fact === 'cluster') return false;
      const collector = { listeners: 'listeners', sockets: 'sockets', ipvs: 'ipvs', firewall: 'firewall' }[
        fact as string
      ];
      const argv = { 'cpu-stat': ['812'], 'fd-count': ['/proc/812/fd'], 'proc-limits': ['/proc/812/limits'] }[kind];
      const companions = [readingOf({ kind: 'uname' }), readingOf({ kind: 'date' })];
      const own = readingOf({ kind, ...(collector === undefined ? {} : { collector }), argv: argv ?? ['x', 'eth0'] });
      return factsOf(...companions, own)[fact] === undefined;
    });
    expect(wrong.map(({ kind, fact }) => `${kind} -> ${fact}`)).toEqual([]);
  });
});
