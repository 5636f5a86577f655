import { describe, expect, it } from 'vitest';
import type { Facts, FirewallRule, Ipvs, Link } from '../../src/model/facts.ts';
import { forwardingNeeded as rule } from '../../src/rules/forwarding-needed.ts';
import { at, judgeNode, sysctls } from './facts.ts';

const off = sysctls({ 'net.ipv4.ip_forward': '0' });
const place = at('20-firewall.out', 3);
const firewallRule = (more: Partial<FirewallRule>): FirewallRule => ({
  tool: 'iptables',
  family: 4,
  table: 'nat',
  chain: 'POSTROUTING',
  id: 'x',
  text: '-A POSTROUTING -j ACCEPT',
  isPolicy: false,
  verdict: 'other',
  match: { understood: true },
  packets: null,
  at: place,
  ...more,
});
const ipvs = (forward: string): Ipvs => ({
  services: [
    {
      protocol: 'tcp',
      address: '10.96.0.1',
      port: 443,
      scheduler: 'rr',
      servers: [
        {
          address: '10.0.0.9',
          port: 6443,
          forward,
          weight: 1,
          activeConnections: 0,
          inactiveConnections: 0,
          at: place,
        },
      ],
      at: place,
    },
  ],
});
const veth: Link = {
  name: 'veth1',
  index: 7,
  mtu: 1500,
  state: 'UP',
  flags: ['UP'],
  type: 'veth',
  master: 'cni0',
  at: place,
};
const judge = (facts: Facts) => judgeNode(rule, { facts: { sysctl: off, ...facts } });

describe('forwarding-needed', () => {
  it.each<[string, Facts, string]>([
    ['IPVS translates', { ipvs: ipvs('Masq') }, 'IPVS sends 1 services on'],
    ['kube-proxy answers', { kubeProxy: { mode: 'iptables', healthy: true, at: place } }, 'kube-proxy answers'],
    ['chains of kube-proxy', { firewall: { rules: [firewallRule({ chain: 'KUBE-SERVICES' })] } }, 'KUBE-SERVICES'],
    [
      'a rule that masquerades',
      {
        firewall: {
          rules: [firewallRule({ hook: 'postrouting', text: '-A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE' })],
        },
      },
      'MASQUERADE',
    ],
    ['containers on a bridge', { links: [veth] }, '1 devices of containers hang on the bridge cni0'],
  ])('fires: likely with %s', (_name, facts, words) => {
    const found = judge(facts);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(words);
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.ip_forward=1'],
      undo: ['sysctl -w net.ipv4.ip_forward=0'],
    });
  });
  it('stays silent: forwarding is on', () => {
    const facts = { sysctl: sysctls({ 'net.ipv4.ip_forward': '1' }), ipvs: ipvs('Masq') };
    expect(judgeNode(rule, { facts }).verdict).toBe('ruledOut');
  });
  it('stays silent: nothing on the node needs it, also not IPVS by direct routing or tunnel', () => {
    expect(judge({ firewall: { rules: [firewallRule({})] }, links: [] }).verdict).toBe('notApplicable');
    for (const how of ['Route', 'Tunnel']) expect(judge({ ipvs: ipvs(how) }).verdict).toBe('notApplicable');
    const down = { ...veth, flags: [] };
    expect(judge({ links: [down] }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no setting, or nothing that would tell', () => {
    expect(judgeNode(rule, { facts: { sysctl: sysctls({}) } }).verdict).toBe('unknown');
    expect(judge({}).verdict).toBe('unknown');
  });
});
