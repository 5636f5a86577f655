import { describe, expect, it } from 'vitest';
import type { ListenerProcess } from '../../src/model/node-facts.ts';
import { cpuThrottle as rule } from '../../src/rules/cpu-throttle.ts';
import { at, judgeNode, listener } from './facts.ts';

const process = (periods: number | null, throttledPeriods: number | null) => [
  { pid: 4711, cpu: { periods, throttledPeriods, throttledUsec: 40_200_000, usageUsec: 1, at: at('22-cpu.out', 4) } },
];
const listeners = [listener()];
const judge = (listenerProcesses: readonly ListenerProcess[]) =>
  judgeNode(rule, { facts: { listeners, listenerProcesses } });

describe('cpu-throttle', () => {
  it('fires: it was stopped in many of its periods, which is never more than likely', () => {
    const found = judge(process(12_000, 3000));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('stopped in 3000 of 12000 periods (25 %), 40 s altogether');
    expect(found.said).toContain('not proven');
  });
  it('fires: with what moved in the window, where it was read before and after', () => {
    const [one] = process(12_000, 3000);
    if (one === undefined) throw new Error('no process');
    const moved = { periods: 60, throttledPeriods: 30, throttledUsec: 900_000 };
    const found = judge([{ ...one, cpu: { ...one.cpu, moved } }]);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('In this window it was stopped in 30 of 60 periods');
    expect(found.said).not.toContain('not proven');
  });
  it('stays silent: seldom stopped, no limit, nothing listens', () => {
    expect(judge(process(12_000, 300)).verdict).toBe('ruledOut');
    expect(judge(process(null, null)).verdict).toBe('ruledOut');
    expect(judge(process(0, 0)).verdict).toBe('ruledOut');
    const none = judgeNode(rule, { facts: { listeners: [], listenerProcesses: process(12_000, 9000) } });
    expect(none.verdict).toBe('notApplicable');
  });
  it('missing evidence: cpu.stat, the listeners, or enough periods', () => {
    expect(judgeNode(rule, { facts: { listeners } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { listeners, listenerProcesses: [{ pid: 4711 }] } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { listenerProcesses: process(12_000, 9000) } }).verdict).toBe('unknown');
    expect(judge(process(20, 10)).verdict).toBe('unknown');
  });
});
