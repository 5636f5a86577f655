import { describe, expect, it } from 'vitest';
import { softirqStarved as rule } from '../../src/rules/softirq-starved.ts';
import { capture, counters, judgeNode, sysctls, talk } from './facts.ts';

const softnet = (dropped: number, squeezed: number, processed = 50_000) =>
  counters({ 'softnet.dropped': dropped, 'softnet.time_squeeze': squeezed, 'softnet.processed': processed });
const lossy = capture([talk({ retransmitted: { client: 2, server: 3 } })]);

describe('softirq-starved', () => {
  it('fires: the backlog of a CPU dropped, and packets of this question were sent again', () => {
    const sysctl = sysctls({ 'net.core.netdev_max_backlog': '1000', 'net.core.netdev_budget': '900' });
    const found = judgeNode(rule, { facts: { counters: softnet(500, 3), capture: lossy, sysctl } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('softnet dropped +500 in the window beside 50000 packets processed (0.99 %)');
    // only what is lower now
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.core.netdev_max_backlog=10000'],
      undo: ['sysctl -w net.core.netdev_max_backlog=1000'],
    });
  });
  it('fires: only likely without loss, or when the budget runs out', () => {
    expect(judgeNode(rule, { facts: { counters: softnet(500, 3), capture: capture([talk()]) } }).verdict).toBe(
      'likely',
    );
    const squeezed = judgeNode(rule, { facts: { counters: softnet(0, 900), capture: lossy } });
    expect(squeezed.verdict).toBe('likely');
    expect(squeezed.said).toContain('time_squeeze +900');
  });
  it('stays silent: what every busy node has', () => {
    expect(judgeNode(rule, { facts: { counters: softnet(0, 0), capture: lossy } }).verdict).toBe('ruledOut');
    expect(judgeNode(rule, { facts: { counters: softnet(12, 60, 5_000_000), capture: lossy } }).verdict).toBe(
      'ruledOut',
    );
    expect(judgeNode(rule, { facts: { counters: softnet(2, 5, 100), capture: lossy } }).verdict).toBe('ruledOut');
  });
  it('missing evidence: softnet_stat', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({}) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({ 'softnet.dropped': null }) } }).verdict).toBe('unknown');
  });
});
