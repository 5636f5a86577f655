import { describe, expect, it } from 'vitest';
import { iptablesSplitBrain as rule } from '../../src/rules/iptables-split-brain.ts';
import { firewall, firewallRule, judgeNode } from './facts.ts';

const one = (tool: 'iptables' | 'iptables-legacy' | 'nft', rose: number, chain = 'KUBE-SERVICES') =>
  firewallRule({ tool, chain, rose, verdict: 'jump' });
const judge = (rules: readonly ReturnType<typeof one>[], language: 'en' | 'zh' = 'en') =>
  judgeNode(rule, { facts: { firewall: firewall(...rules) }, language });

describe('iptables-split-brain', () => {
  it('fires: both act on packets, never more than likely', () => {
    const found = judge([one('iptables', 5), one('iptables-legacy', 2, 'cali-FORWARD')]);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('Both matched packets in the window (legacy +2, nf_tables +5)');
    expect(judge([one('iptables', 5), one('iptables-legacy', 2)], 'zh').said).toContain('报文要同时通过两边');
  });
  it('stays silent: the rules of the other one are left over', () => {
    const found = judge([one('iptables', 5), one('iptables-legacy', 0)]);
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('Those of iptables-legacy matched no packet in the window');
  });
  it('stays silent: one place only, also where nft lists it again; no Kubernetes', () => {
    expect(judge([one('iptables', 5), one('nft', 5)]).verdict).toBe('ruledOut');
    expect(judge([one('iptables', 5, 'INPUT'), one('iptables-legacy', 5, 'DOCKER')]).verdict).toBe('notApplicable');
  });
  it('stays silent: iptables-save is the legacy program itself, so that the same rules are read twice', () => {
    const found = judge([one('iptables', 5), one('iptables-legacy', 6)]);
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('the same 1 rules');
    // alike, and counting on their own
    expect(judge([one('iptables', 5), one('iptables-legacy', 500)]).verdict).toBe('likely');
    expect(judge([one('iptables', 5), one('iptables-legacy', 5), one('iptables-legacy', 5)]).verdict).toBe('likely');
  });
  it('missing evidence: the rules were not read', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
  });
});
