import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeRecorded, type Recorded } from './recorded-run.ts';

/**
 * Field reports 0 and 1 on a real 4.9 kernel with tcp_tw_recycle: counters, settings, tcp_metrics and packets of that
 * kernel itself. The recordings are not part of the repository.
 */
const recordings = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures', 'linux-4.9');
const there = existsSync(recordings);
const why = there ? '' : ' (skipped: ../shared/captures/linux-4.9 is not here)';

const listening =
  'tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 160 bytes\n0 packets dropped by kernel\n';

function moments(folder: string, before: string, after: string, sysctlOf = before): readonly Recorded[] {
  const file = (name: string) => path.join(recordings, folder, name);
  const node = 'node-50';
  return [
    { node, collector: 'kernel', kind: 'uname', phase: 'once', from: file(`${before}.uname-r`) },
    { node, collector: 'sysctl', kind: 'sysctl', phase: 'once', from: file(`${sysctlOf}.sysctl-a`) },
    { node, collector: 'counters', kind: 'proc-net-snmp', phase: 'before', from: file(`${before}.proc-net-snmp`) },
    {
      node,
      collector: 'counters',
      kind: 'proc-net-netstat',
      phase: 'before',
      from: file(`${before}.proc-net-netstat`),
    },
    { node, collector: 'listeners', kind: 'ss', phase: 'before', from: file(`${before}.ss-ltnme`) },
    { node, collector: 'capture', kind: 'pcap', phase: 'during', from: file('guest-eth0.pcap'), stderr: listening },
    { node, collector: 'counters', kind: 'proc-net-snmp', phase: 'after', from: file(`${after}.proc-net-snmp`) },
    { node, collector: 'counters', kind: 'proc-net-netstat', phase: 'after', from: file(`${after}.proc-net-netstat`) },
    { node, collector: 'listeners', kind: 'ss', phase: 'after', from: file(`${after}.ss-ltnme`) },
    { node, collector: 'tcp-metrics', kind: 'ip-tcp-metrics', phase: 'after', from: file(`${after}.tcp_metrics`) },
  ];
}

const target = { name: 'node-50', address: '10.98.0.50' };
const verdicts = (report: ReturnType<typeof judgeRecorded>) =>
  Object.fromEntries(report.findings.map(({ rule, verdict }) => [rule, verdict]));

describe('a real Linux 4.9 with tcp_tw_recycle', () => {
  it.skipIf(!there)(
    `modern clients fail without and with NAT: tw-recycle is confirmed with the kernel's own numbers${why}`,
    () => {
      const report = judgeRecorded({
        target,
        port: 1301,
        rules: [
          'tw-recycle',
          'accept-queue-overflow',
          'syn-queue-overflow',
          'port-closed',
          'loopback-only',
          'ip-forward-off',
        ],
        recorded: moments('02-modern-clients', '1-before', '2-faulty', '2-faulty'),
      });
      expect(verdicts(report)).toMatchObject({
        'tw-recycle': 'confirmed',
        'accept-queue-overflow': 'ruledOut',
        'port-closed': 'ruledOut',
        'loopback-only': 'ruledOut',
      });
      expect(report.verdict).toBe('found');
      const [cause] = report.findings;
      const said = cause?.because.map(({ text }) => text).join('\n') ?? '';
      expect(said).toMatch(/PAWSPassive.*\b40\b/);
      expect(cause?.remedies.flatMap(({ commands }) => commands)).toContain('sysctl -w net.ipv4.tcp_tw_recycle=0');
      for (const { evidence } of cause?.because ?? []) expect(evidence).toMatch(/^evidence\/node-50\/\d\d-/);
    },
  );

  it.skipIf(!there)(`behind one NAT address on several ports: confirmed, and the memory is per address${why}`, () => {
    const report = judgeRecorded({
      target,
      port: 1301,
      rules: ['tw-recycle', 'accept-queue-overflow', 'syn-queue-overflow'],
      recorded: moments('01d-other-ports-syncookies', '1-before', '2-after'),
    });
    expect(verdicts(report)).toMatchObject({ 'tw-recycle': 'confirmed', 'accept-queue-overflow': 'ruledOut' });
  });

  it.skipIf(!there)(
    `field report 1 (connects to port 22 work now and then): confirmed; forwarding does not matter${why}`,
    () => {
      const report = judgeRecorded({
        target,
        port: 22,
        rules: [
          'tw-recycle',
          'accept-queue-overflow',
          'syn-queue-overflow',
          'ip-forward-off',
          'port-closed',
          'loopback-only',
        ],
        recorded: [
          ...moments('01d-other-ports-syncookies', '1-before', '2-after'),
          {
            node: 'node-50',
            collector: 'route-get',
            kind: 'ip-route-get',
            phase: 'once',
            argv: ['ip', 'route', 'get', target.address],
            from: Buffer.from(`local ${target.address} dev lo src ${target.address} uid 0 \n    cache <local> \n`),
          },
        ],
      });
      expect(report.headline).toMatch(/^node-50: tcp_tw_recycle/);
      expect(verdicts(report)).toEqual({
        'tw-recycle': 'confirmed',
        'accept-queue-overflow': 'ruledOut',
        'syn-queue-overflow': 'ruledOut',
        'ip-forward-off': 'notApplicable',
        'port-closed': 'ruledOut',
        'loopback-only': 'ruledOut',
      });
    },
  );

  it.skipIf(!there)(`after tcp_tw_recycle=0 the same node is not accused${why}`, () => {
    const report = judgeRecorded({
      target,
      port: 1301,
      rules: ['tw-recycle'],
      recorded: moments('02-modern-clients', '2-faulty', '3-recovered', '3-recovered'),
    });
    expect(verdicts(report)).toEqual({ 'tw-recycle': 'ruledOut' });
  });

  it.skipIf(!there)(`says the same in Chinese${why}`, () => {
    const report = judgeRecorded({
      target,
      port: 1301,
      rules: ['tw-recycle'],
      language: 'zh',
      recorded: moments('02-modern-clients', '1-before', '2-faulty', '2-faulty'),
    });
    expect(report.findings[0]).toMatchObject({ verdict: 'confirmed' });
    expect(report.headline).toMatch(/[\u4e00-\u9fff]/);
  });
});
