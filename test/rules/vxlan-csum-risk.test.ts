import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { vxlanCsumRisk as rule } from '../../src/rules/vxlan-csum-risk.ts';
import { at, firewall, firewallRule, judgeNode, link } from './facts.ts';
import { tunnelDevice } from './tunnel-facts.ts';

const offload = (on: boolean): NonNullable<Facts['nics']> => [
  { device: 'flannel.1', features: { 'tx-checksum-ip-generic': { on, fixed: false, at: at('30-ethtool-k.out', 4) } } },
];
const kernel = (release: string): NonNullable<Facts['kernel']> => ({ release, at: at('01-uname.out', 1) });
const masquerade = (text: string) =>
  firewall(firewallRule({ table: 'nat', chain: 'POSTROUTING', text, verdict: 'other' }));
const random = masquerade('-A KUBE-POSTROUTING -j MASQUERADE --random-fully');
const judge = (facts: Facts) =>
  judgeNode(rule, {
    facts: {
      links: [link(), tunnelDevice.vxlan],
      nics: offload(true),
      firewall: random,
      kernel: kernel('5.4.0-42-generic'),
      ...facts,
    },
  });
const without = (name: 'nics' | 'firewall' | 'kernel') => {
  const all: Facts = { nics: offload(true), firewall: random, kernel: kernel('5.4.0-42-generic') };
  const { [name]: _left, ...rest } = all;
  return judgeNode(rule, { facts: { links: [link(), tunnelDevice.vxlan], ...rest } }).verdict;
};

describe('vxlan-csum-risk', () => {
  it('fires: offload on, random ports, a kernel before the fix', () => {
    const found = judge({});
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('leaves checksums to the card');
    expect(found.said).toContain('--random-fully');
    expect(found.said).toContain('5.4.0-42-generic');
    expect(found.remedies.map(({ kind }) => kind)).toEqual(['temporary', 'permanent', 'kubernetes']);
    expect(found.remedies[0]?.commands).toEqual(['ethtool -K flannel.1 tx-checksum-ip-generic off']);
  });
  it('stays silent: one of the three is missing', () => {
    expect(judge({ nics: offload(false) }).verdict).toBe('ruledOut');
    expect(judge({ firewall: masquerade('-A KUBE-POSTROUTING -j MASQUERADE') }).verdict).toBe('ruledOut');
    expect(judge({ kernel: kernel('5.15.0-91-generic') }).verdict).toBe('ruledOut');
  });
  it('stays silent: no VXLAN device, or one that is down', () => {
    expect(judge({ links: [link()] }).verdict).toBe('notApplicable');
    expect(judge({ links: [{ ...tunnelDevice.vxlan, flags: [] }] }).verdict).toBe('notApplicable');
  });
  it('missing evidence: the offloads, the rules, the kernel', () => {
    expect(without('nics')).toBe('unknown');
    expect(without('firewall')).toBe('unknown');
    expect(without('kernel')).toBe('unknown');
  });
});
