import { describe, expect, it } from 'vitest';
import { etpLocalNoEndpoint as rule } from '../../src/rules/etp-local-no-endpoint.ts';
import { fwInputDrop } from '../../src/rules/fw-input-drop.ts';
import { noEndpoints } from '../../src/rules/no-endpoints.ts';
import { answered, at, capture, connection, firewall, firewallRule, judgeNode, link, symptom } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { cart, edgePort, kubeMaps, kubeRules, noIpvs, stock } from './kube-facts.ts';

const nodePort = { address: '10.51.2.2', port: edgePort };
const own = (device: string) => [
  { family: 4 as const, device, address: nodePort.address, prefixLength: 24, at: at('05-addresses.out', 2) },
];
const judge = (facts: object, target: { address: string; port: number } = nodePort, more: object = {}) =>
  judgeNode(rule, { facts: { features: noIpvs, ...facts }, target, ...more });
const lost = connection({ server: nodePort });

describe('etp-local-no-endpoint', () => {
  it('fires: the DROP rule of kube-proxy counted packets of this NodePort', () => {
    const found = judge({ firewall: kubeRules({ rose: { 'has no local endpoints': 3 } }) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('(edge/ingress:http)');
    expect(found.said).toContain('dropped 3 packets');
    expect(found.remedies[0]?.commands[0]).toContain('kubectl get service -n edge ingress');
    expect(found.remedies.at(-1)?.undo[0]).toContain('"Local"');
  });
  it('fires: likely while nothing came, whoever is asked; in Chinese', () => {
    expect(judge({ firewall: kubeRules() }).verdict).toBe('likely');
    const found = judge({ firewall: kubeRules() }, { address: '172.16.0.9', port: edgePort }, { language: 'zh' });
    expect(found.said).toContain('本节点没有它的 Pod');
  });
  it('fires: the KUBE-XLB chain of kube-proxy before 1.24', () => {
    const jump = firewallRule({
      table: 'nat',
      chain: 'KUBE-NODEPORTS',
      verdict: 'jump',
      jumpTo: 'KUBE-XLB-EDGE',
      text: '-A KUBE-NODEPORTS -p tcp -m tcp --dport 30170 -j KUBE-XLB-EDGE',
      match: { protocol: 'tcp', destinationPorts: [{ from: edgePort, to: edgePort }] },
    });
    const mark = firewallRule({
      table: 'nat',
      chain: 'KUBE-XLB-EDGE',
      verdict: 'jump',
      jumpTo: 'KUBE-MARK-DROP',
      text: '-A KUBE-XLB-EDGE -m comment --comment "edge/ingress:http has no local endpoints" -j KUBE-MARK-DROP',
      rose: 2,
    });
    expect(judge({ firewall: firewall(jump, mark) }).verdict).toBe('confirmed');
    expect(judge({ firewall: firewall(mark) }).verdict).toBe('ruledOut');
  });
  it('fires: an element of the maps of nftables mode; confirmed by SYNs without an answer, since it does not count', () => {
    const target = { address: nodePort.address, port: 3001 };
    const silent = capture([connection({ server: target })]);
    expect(judge({ firewall: kubeMaps() }, target).verdict).toBe('likely');
    expect(judge({ firewall: kubeMaps(), capture: silent }, target).verdict).toBe('confirmed');
  });
  it('fires: likely where IPVS is empty for an address of the node, and no-endpoints says no more either', () => {
    const facts = {
      features: features(),
      ipvs: ipvs({ services: [service({ ...nodePort, servers: [] })] }),
      addresses: own('eth0'),
      links: [link()],
      capture: capture([lost]),
    };
    expect(judge(facts).verdict).toBe('likely');
    expect(judge(facts).said).toContain('ask for the same port on another node');
    const other = judgeNode(noEndpoints, { facts, target: nodePort });
    expect(other.verdict).toBe('likely');
    expect(other.said).toContain('see etp-local-no-endpoint');
    // a ClusterIP stands on a device of its own: nobody but the Service can leave it empty
    const virtual = { ...facts, addresses: own('kube-ipvs0') };
    expect(judge(virtual).verdict).toBe('ruledOut');
    expect(judgeNode(noEndpoints, { facts: virtual, target: nodePort }).verdict).toBe('confirmed');
  });
  it('stays silent: other ports and Services, one without any endpoint (no-endpoints), servers in IPVS', () => {
    const counted = kubeRules({ rose: { 'has no local endpoints': 3 } });
    expect(judge({ firewall: counted }, cart).verdict).toBe('ruledOut');
    expect(judge({ firewall: counted }, { ...nodePort, port: 30171 }).verdict).toBe('ruledOut');
    expect(judge({ firewall: counted }, nodePort, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('ruledOut');
    expect(judge({ firewall: kubeRules({ rose: { 'has no endpoints': 3 } }) }, stock).verdict).toBe('ruledOut');
    const served = { features: features(), ipvs: ipvs({ services: [service(nodePort)] }) };
    expect(judge(served).verdict).toBe('ruledOut');
    expect(judge({ firewall: firewall(firewallRule({ rose: 5 })) }).verdict).toBe('notApplicable');
  });
  it('stays silent: fw-input-drop does not take the rule of kube-proxy for a firewall (F08)', () => {
    const facts = { firewall: kubeRules({ rose: { 'has no local endpoints': 3 } }), capture: capture([lost]) };
    expect(judgeNode(fwInputDrop, { facts, target: nodePort }).verdict).toBe('ruledOut');
    expect(judge({ ...facts, capture: capture([answered({ server: nodePort })]) }).verdict).toBe('confirmed');
  });
  it('stays silent: the NodePort of another node is asked about; what this node drops for its own is not it', () => {
    const elsewhere = { ...own('eth0')[0], address: '10.51.2.99' };
    const facts = { firewall: kubeRules({ rose: { 'has no local endpoints': 3 } }), addresses: [elsewhere] };
    expect(judge(facts).verdict).toBe('ruledOut');
    expect(judge({ ...facts, addresses: own('eth0') }).verdict).toBe('confirmed');
  });
  it('missing evidence: no rules, IPVS not read, addresses not read', () => {
    expect(judge({}).missing[0]?.fact).toBe('firewall');
    expect(judge({ features: features() }).missing[0]?.fact).toBe('ipvs');
    const empty = { features: features(), ipvs: ipvs({ services: [service({ ...nodePort, servers: [] })] }) };
    expect(judge(empty).missing[0]?.fact).toBe('addresses');
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
  });
});
