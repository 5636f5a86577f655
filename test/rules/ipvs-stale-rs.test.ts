import { describe, expect, it } from 'vitest';
import { ipvsStaleRs as rule } from '../../src/rules/ipvs-stale-rs.ts';
import {
  answered,
  at,
  capture,
  clientAddress,
  connection,
  icmp,
  judgeNode,
  symptom,
  sysctls,
  target,
} from './facts.ts';
import { entry, features, ipvs, service } from './ipvs-facts.ts';

const gone = { address: '10.244.3.9', port: target.port };
const here = { address: '10.244.3.2', port: target.port };
const drained = service({ servers: [{ ...here }, { ...gone, weight: 0 }] });
const client = { address: clientAddress, port: 40_000 };
const old = entry({ source: client, destination: gone, state: 'TIME_WAIT', expireSec: 80 });
const failed = connection({ client, server: gone, handshake: 'icmpError', tries: 1 });
const unreachable = icmp({
  code: 1,
  name: 'host-unreachable',
  about: { destination: gone.address, destinationPort: gone.port },
});
const seen = capture([failed], { icmpErrors: [unreachable] });
const mode = (value: string | null) => sysctls({ 'net.ipv4.vs.conn_reuse_mode': value });
const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: features(), ...facts }, ...more });

describe('ipvs-stale-rs', () => {
  it('fires: a new connect falls into an old entry of a drained server', () => {
    const found = judge({
      ipvs: ipvs({ services: [drained], connections: [old] }),
      capture: seen,
      sysctl: mode('0'),
      kernel: { release: '4.19.90', at: at('02-kernel.out', 1) },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('weight 0 (on their way out): 10.244.3.9:1301');
    expect(found.said).toContain('sent to 10.244.3.9:1301 and failed, ICMP host-unreachable');
    expect(found.said).toContain('an entry TIME_WAIT for 10.12.1.2:40000');
    expect(found.remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.vs.expire_nodest_conn=1']);
    expect(found.remedies[2]?.text).toContain('preStop and longer grace periods do not help');
  });
  it('fires: entries of a server that was removed altogether; mode 1 is offered from 5.9 on', () => {
    const found = judge({
      ipvs: ipvs({ services: [service({ servers: [here] })], connections: [old] }),
      capture: seen,
      sysctl: mode('0'),
      kernel: { release: '5.15.0-91', at: at('02-kernel.out', 1) },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 entries still point to servers that the service no longer has');
    expect(found.remedies[0]?.commands).toContain('sysctl -w net.ipv4.vs.conn_reuse_mode=1');
  });
  it('fires: only likely without the old entry, or without the setting', () => {
    const table = ipvs({ services: [drained] });
    expect(judge({ ipvs: table, capture: seen, sysctl: mode('0') }).verdict).toBe('likely');
    expect(judge({ ipvs: table, capture: seen }).said).toContain('conn_reuse_mode was not read');
    expect(judge({ ipvs: table, capture: seen, sysctl: mode(null) }, { language: 'zh' }).verdict).toBe('likely');
  });
  it('stays silent: a server drains, as in every rolling update, and nothing new goes there', () => {
    const found = judge({ ipvs: ipvs({ services: [drained] }), capture: capture([answered()]), sysctl: mode('0') });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('No new connect to them was seen to fail');
    expect(judge({ ipvs: ipvs({ services: [service({ servers: [here] })] }) }).verdict).toBe('ruledOut');
  });
  it('stays silent: reuse is scheduled anew; a live server fails (kube-proxy-stale, F67); UDP; no IPVS', () => {
    const table = ipvs({ services: [drained], connections: [old] });
    expect(judge({ ipvs: table, capture: seen, sysctl: mode('1') }).verdict).toBe('ruledOut');
    const live = capture([connection({ client, server: here, handshake: 'icmpError', tries: 1 })]);
    expect(judge({ ipvs: ipvs({ services: [drained] }), capture: live, sysctl: mode('0') }).verdict).toBe('ruledOut');
    expect(judge({}, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('notApplicable');
    expect(judge({ features: features([]) }).verdict).toBe('notApplicable');
  });
  it('missing evidence: the table, the capture, a capture of another port', () => {
    expect(judge({}).missing[0]?.fact).toBe('ipvs');
    expect(judge({ ipvs: ipvs({ services: [drained] }), sysctl: mode('0') }).missing[0]?.fact).toBe('capture');
    const elsewhere = ipvs({ services: [service({ servers: [{ weight: 0 }] })] });
    expect(judge({ ipvs: elsewhere, capture: capture([answered()]) }).said).toContain('another port than the service');
  });
  it('missing evidence: a server of another port counts as seen where the capture was asked for it', () => {
    const elsewhere = ipvs({ services: [service({ servers: [{ weight: 0 }] })] });
    const asked = { filter: `(tcp port ${target.port}) or (host 10.244.3.2 and tcp port 8080) or (icmp)` };
    const found = judge({ ipvs: elsewhere, capture: capture([answered()], asked) });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('No new connect to them was seen to fail');
    const other = { filter: `(tcp port ${target.port}) or (host 10.244.3.20 and tcp port 8080)` };
    expect(judge({ ipvs: elsewhere, capture: capture([answered()], other) }).verdict).toBe('unknown');
  });
  it('fires: with what IPVS counted to it and back', () => {
    const totals = { ...target, connections: 9, inPackets: 9, outPackets: 9, inBytes: 1, outBytes: 1, at: old.at };
    const moved = { connections: 1, inPackets: 6, outPackets: 0 };
    const found = judge({
      ipvs: ipvs({
        services: [drained],
        connections: [old],
        totals: [{ protocol: 'tcp', ...totals, servers: [{ ...totals, ...gone, moved }] }],
      }),
      capture: seen,
      sysctl: mode('0'),
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('IPVS counted +6 packets to 10.244.3.9:1301 in the window and +0 back from it');
  });
});
