import { describe, expect, it } from 'vitest';
import { cloudAllowance as rule } from '../../src/rules/cloud-allowance.ts';
import { at, capture, counters, judgeNode, talk } from './facts.ts';

const lossy = capture([talk({ retransmitted: { client: 2, server: 3 } })]);
const flat = {
  'ethtool.ens5.bw_in_allowance_exceeded': 0,
  'ethtool.ens5.pps_allowance_exceeded': 0,
  'ethtool.ens5.conntrack_allowance_exceeded': 0,
  'ethtool.ens5.linklocal_allowance_exceeded': 0,
};
const judge = (rises: Record<string, number>, seen = lossy) =>
  judgeNode(rule, { facts: { counters: counters({ ...flat, ...rises }), capture: seen } });
const nic = (driver: string) => [{ device: 'eth0', driver: { driver, at: at('23-ethtool-i.out', 1) } }];

describe('cloud-allowance', () => {
  it('fires: an allowance was exceeded and packets of this question were lost', () => {
    const found = judge({ 'ethtool.ens5.conntrack_allowance_exceeded': 90 });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('ens5: conntrack_allowance_exceeded +90');
    expect(found.said).toContain('new connections fail');
    expect(found.remedies.flatMap((r) => r.commands)).toEqual([]);
  });
  it('fires: only likely without loss, or for local services alone', () => {
    expect(judge({ 'ethtool.ens5.pps_allowance_exceeded': 90 }, capture([talk()])).verdict).toBe('likely');
    expect(judge({ 'ethtool.ens5.linklocal_allowance_exceeded': 90 }).verdict).toBe('likely');
  });
  it('stays silent: nothing exceeded, a short burst, a driver that tells of none', () => {
    expect(judge({}).verdict).toBe('ruledOut');
    expect(judge({ 'ethtool.ens5.bw_in_allowance_exceeded': 2 }).verdict).toBe('ruledOut');
    const plain = counters({ 'ethtool.eth0.rx_missed_errors': 0 });
    expect(judgeNode(rule, { facts: { counters: plain, nics: nic('ixgbe') } }).verdict).toBe('notApplicable');
    expect(judgeNode(rule, { facts: { counters: counters({}), nics: nic('veth') } }).verdict).toBe('notApplicable');
  });
  it('missing evidence: a driver that would tell was not asked', () => {
    expect(judgeNode(rule, { facts: { counters: counters({}), nics: nic('ena') } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({}) } }).verdict).toBe('unknown');
    const once = counters({ 'ethtool.ens5.pps_allowance_exceeded': null });
    expect(judgeNode(rule, { facts: { counters: once } }).verdict).toBe('unknown');
  });
});
