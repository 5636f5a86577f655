import { describe, expect, it } from 'vitest';
import { noEndpoints as rule } from '../../src/rules/no-endpoints.ts';
import { answered, capture, connection, firewall, firewallRule, icmp, judgeNode, probe, target } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';

const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: features(), ...facts }, ...more });
const failing = capture([connection({ handshake: 'icmpError', tries: 1 })], {
  icmpErrors: [icmp({ code: 3, name: 'port-unreachable' })],
});
const rejecting = (rose: number, address: string = target.address) =>
  firewallRule({
    chain: 'KUBE-SERVICES',
    verdict: 'reject',
    rejectWith: 'icmp-port-unreachable',
    text: '-A KUBE-SERVICES -d 10.51.2.2/32 -p tcp -m comment --comment "shop/cart has no endpoints" --dport 1301 -j REJECT',
    match: { protocol: 'tcp', destinations: [`${address}/32`], destinationPorts: [{ from: 1301, to: 1301 }] },
    rose,
  });
const without = { features: features([]) };

describe('no-endpoints', () => {
  it('fires: an IPVS service without servers, and connects fail', () => {
    const found = judge({ ipvs: ipvs({ services: [service({ servers: [] })] }), capture: failing });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('IPVS service 10.51.2.2:1301 has no server at all');
    expect(found.said).toContain('1 connects to 10.51.2.2:1301 failed');
    expect(found.remedies[0]?.commands[0]).toContain('grep -F 10.51.2.2');
  });
  it('fires: all weights are 0; likely until a connect fails; in Chinese', () => {
    const drained = ipvs({ services: [service({ servers: [{ weight: 0 }, { weight: 0, address: '10.244.3.3' }] })] });
    expect(judge({ ipvs: drained }).verdict).toBe('likely');
    expect(judge({ ipvs: drained }, { language: 'zh' }).said).toContain('2 个后端的权重都是 0');
    expect(judge({ ipvs: drained, probes: [probe({ outcome: 'refused' })] }).verdict).toBe('confirmed');
  });
  it('fires: kube-proxy rejects it and says why', () => {
    const found = judge({ ...without, firewall: firewall(rejecting(8)) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('has no endpoints');
    expect(judge({ ...without, firewall: firewall(rejecting(0)) }).verdict).toBe('likely');
  });
  it('stays silent: a server is there; another service is empty (port-closed, F25: the pod itself refuses)', () => {
    const found = judge({ ipvs: ipvs(), capture: failing });
    expect(found.verdict).toBe('ruledOut');
    expect(judge({ ...without, firewall: firewall(rejecting(8, '10.51.2.9')) }).verdict).toBe('ruledOut');
    const other = ipvs({ services: [service({ port: 99, servers: [] })] });
    expect(judge({ ipvs: other, capture: capture([answered()]) }).verdict).toBe('notApplicable');
  });
  it('missing evidence: IPVS is there and was not read, no IPVS and no firewall', () => {
    expect(judge({}).missing[0]?.fact).toBe('ipvs');
    expect(judge(without).missing[0]?.fact).toBe('firewall');
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
  });
});
