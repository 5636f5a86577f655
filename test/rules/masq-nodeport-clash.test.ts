import { describe, expect, it } from 'vitest';
import { ipvsStaleRs } from '../../src/rules/ipvs-stale-rs.ts';
import { masqNodeportClash as rule } from '../../src/rules/masq-nodeport-clash.ts';
import { judgeNode, symptom, sysctls, target } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { kubeRules, noIpvs, podA, podB, tracked } from './kube-facts.ts';

const vip = { ...target };
const node = '10.12.1.2';
const table = ipvs({
  services: [service({ ...vip, servers: [podA, podB] }), service({ address: node, port: 30170, servers: [podB] })],
});
const from = (port: number) => ({ address: vip.address, port });
const clash = tracked({
  state: 'SYN_SENT',
  unreplied: true,
  from: from(39_616),
  to: vip,
  as: { address: node, port: 30170 },
});
const fine = tracked({ state: 'ESTABLISHED', from: from(39_700), to: vip, as: { address: node, port: 51_234 } });
const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: features(), ipvs: table, ...facts }, ...more });

describe('masq-nodeport-clash', () => {
  it('fires: the source that MASQUERADE chose is a NodePort of the node, and other ports are answered', () => {
    const found = judge({ conntrackEntries: [clash, fine], firewall: kubeRules() });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('sent on to 10.244.1.2:8080 from 10.12.1.2:30170');
    expect(found.said).toContain('1 other connections to 10.244.1.2:8080');
    // random ports do not come from ip_local_port_range: changing that would not help
    expect(found.remedies.flatMap(({ commands }) => commands).join('\n')).not.toContain('ip_local');
    expect(found.remedies[0]?.undo[0]).toContain('iptables -t nat -D POSTROUTING');
  });
  it('fires: without random ports the reserved range helps, and keeps what was reserved before; in Chinese', () => {
    const facts = {
      conntrackEntries: [clash, fine],
      sysctl: sysctls({ 'net.ipv4.ip_local_reserved_ports': '8080,9000-9010' }),
    };
    expect(judge(facts).remedies[0]?.commands).toEqual([
      'sysctl -w net.ipv4.ip_local_reserved_ports=8080,9000-9010,30000-32767',
    ]);
    expect(judge(facts, { language: 'zh' }).said).toContain('是本节点的一个 IPVS 服务');
  });
  it('fires: likely where no other connection was answered, or others are silent as well', () => {
    expect(judge({ conntrackEntries: [clash] }).verdict).toBe('likely');
    const dead = tracked({
      state: 'SYN_SENT',
      unreplied: true,
      from: from(40_100),
      to: vip,
      as: { address: node, port: 52_000 },
    });
    expect(judge({ conntrackEntries: [clash, dead, fine] }).verdict).toBe('likely');
  });
  it('stays silent: free source ports, answered connections, a client’s own port without NAT, no IPVS, UDP', () => {
    expect(judge({ conntrackEntries: [fine] }).verdict).toBe('ruledOut');
    expect(judge({ conntrackEntries: [] }).verdict).toBe('ruledOut');
    expect(judge({ conntrackEntries: [{ ...clash, unreplied: false, state: 'ESTABLISHED' }] }).verdict).toBe(
      'ruledOut',
    );
    const plain = tracked({ state: 'SYN_SENT', unreplied: true, from: { address: node, port: 30170 }, to: vip });
    expect(judge({ conntrackEntries: [plain, fine] }).verdict).toBe('ruledOut');
    expect(judge({ features: noIpvs, ipvs: undefined, conntrackEntries: [clash] }).verdict).toBe('notApplicable');
    expect(judge({ conntrackEntries: [clash] }, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe(
      'notApplicable',
    );
  });
  it('stays silent: a backend that is gone is not this (ipvs-stale-rs, F62)', () => {
    const gone = tracked({
      state: 'SYN_SENT',
      unreplied: true,
      from: from(40_200),
      to: vip,
      as: { address: node, port: 52_001 },
      backend: { address: '10.244.9.9', port: 8080 },
    });
    expect(judge({ conntrackEntries: [gone, fine] }).verdict).toBe('ruledOut');
    expect(judgeNode(ipvsStaleRs, { facts: { features: features(), ipvs: table } }).verdict).toBe('ruledOut');
  });
  it('missing evidence: no table, IPVS not read, nothing known of the node', () => {
    expect(judge({}).missing[0]?.fact).toBe('conntrackEntries');
    expect(judge({ ipvs: undefined, conntrackEntries: [clash] }).missing[0]?.fact).toBe('ipvs');
    expect(judgeNode(rule, { facts: { conntrackEntries: [clash] } }).missing[0]?.fact).toBe('features');
  });
});
