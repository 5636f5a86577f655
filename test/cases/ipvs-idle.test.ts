import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeRecorded, type Recorded } from './recorded-run.ts';

/**
 * Field report 4 on a real 4.9 kernel: an IPVS entry runs out while the client is silent, at 10 s instead of 900. The
 * recordings are not part of the repository.
 */
const recordings = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures', 'linux-4.9', '03-ipvs');
const there = existsSync(recordings);
const why = there ? '' : ' (skipped: ../shared/captures/linux-4.9 is not here)';

const file = (name: string): string => path.join(recordings, name);
const stderr =
  'tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 160 bytes\n0 packets dropped by kernel\n';
const on = (node: string, collector: string, kind: string, from: string | Uint8Array): Recorded => ({
  node,
  collector,
  kind,
  phase: collector === 'capture' ? 'during' : 'once',
  from,
  ...(collector === 'capture' ? { stderr } : {}),
});
const atDirector = [
  on('director', 'kernel', 'uname', file('end.uname-r')),
  on('director', 'ipvs', 'ipvsadm', file('Ln-3')),
  on('director', 'ipvs', 'ipvsadm-connections', file('Lnc-3-expired')),
  on('director', 'ipvs', 'ipvsadm-timeouts', file('timeout-10')),
  on('director', 'capture', 'pcap', file('director-eth0.pcap')),
  { ...on('director', 'counters', 'proc-net-snmp', file('end.proc-net-snmp')), phase: 'after' as const },
];
const elsewhere = [
  on('client', 'capture', 'pcap', file('client-n0.pcap')),
  on('client', 'sysctl', 'sysctl', Buffer.from('/proc/sys/net/ipv4/tcp_keepalive_time:7200\n')),
  on('rs', 'capture', 'pcap', file('rs-rs0.pcap')),
];
const judged = (recorded: readonly Recorded[], language: 'en' | 'zh' = 'en') =>
  judgeRecorded({
    target: { name: 'director', address: '10.98.0.50' },
    others: [
      { name: 'client', address: '10.98.0.60', role: 'client' },
      { name: 'rs', address: '10.98.3.2', role: 'forwarder' },
    ],
    port: 80,
    rules: ['ipvs-idle-timeout', 'idle-reset', 'half-open-peer', 'rst-injected'],
    recorded,
    language,
  });
const verdict = (report: ReturnType<typeof judged>) =>
  report.findings.find(({ rule }) => rule === 'ipvs-idle-timeout')?.verdict;

describe('field report 4: IPVS forgets an idle connection', () => {
  it.skipIf(!there)(
    `is confirmed with time-out, silence, RST and the silent server, and heads the report${why}`,
    () => {
      const report = judged([...atDirector, ...elsewhere]);
      expect(report.headline).toMatch(/^client → director: IPVS forgets/);
      const [cause] = report.findings;
      expect(cause).toMatchObject({ rule: 'ipvs-idle-timeout', verdict: 'confirmed' });
      const said = cause?.because.map(({ text }) => text).join('\n') ?? '';
      expect(said).toContain('a connection without packets for 10 s loses its entry');
      expect(said).toContain('10.98.0.60:37632 > 10.98.0.50:80 was silent for 35 s');
      expect(said).toContain('rs: nothing of it reached 10.98.3.2:80');
      expect(said).toContain('The IPVS table has no entry for 10.98.0.60:37632 > 10.98.0.50:80');
      expect(said).toContain('net.ipv4.tcp_keepalive_time = 7200');
      expect(cause?.remedies.flatMap(({ undo }) => undo)).toContain('ipvsadm --set 10 0 0');
    },
  );

  it.skipIf(!there)(`is likely where the real server was not watched${why}`, () => {
    expect(verdict(judged([...atDirector, ...elsewhere.filter(({ node }) => node !== 'rs')]))).toBe('likely');
  });

  it.skipIf(!there)(`is ruled out where the time-out is the usual 900 s: 35 s are not the reason${why}`, () => {
    const usual = atDirector.map((one) =>
      one.kind === 'ipvsadm-timeouts' ? { ...one, from: file('timeout-default') } : one,
    );
    expect(verdict(judged([...usual, ...elsewhere]))).toBe('ruledOut');
  });

  it.skipIf(!there)(`says the same in Chinese${why}`, () => {
    const report = judged([...atDirector, ...elsewhere], 'zh');
    expect(verdict(report)).toBe('confirmed');
    expect(report.headline).toContain('被 IPVS 遗忘');
  });
});
