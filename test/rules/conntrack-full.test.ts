import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { conntrackFull } from '../../src/rules/conntrack-full.ts';
import { answered, at, capture, connection, counters, judgeNode, symptom, sysctls } from './facts.ts';

const keys = { 'net.netfilter.nf_conntrack_max': '65536', 'net.netfilter.nf_conntrack_count': '65536' };
const stats = (rise: Readonly<Record<string, number>>) =>
  counters({ 'conntrack.drop': 0, 'conntrack.insert_failed': 0, 'conntrack.early_drop': 0, ...rise });
const full: Facts = {
  sysctl: sysctls(keys),
  conntrackStats: stats({ 'conntrack.drop': 10 }),
  capture: capture([connection(), connection()]),
};
const roomy = sysctls({ ...keys, 'net.netfilter.nf_conntrack_count': '2000' });

describe('conntrack-full', () => {
  it('fires: drops in a full table while SYNs were lost', () => {
    const { verdict, said, remedies } = judgeNode(conntrackFull, { facts: full });
    expect(verdict).toBe('confirmed');
    expect(said).toContain('drop +10');
    expect(said).toContain('65536 of 65536 entries (100 %)');
    expect(remedies[0]?.commands).toEqual([
      'sysctl -w net.netfilter.nf_conntrack_max=131072',
      'echo 32768 > /sys/module/nf_conntrack/parameters/hashsize',
    ]);
    expect(remedies[0]?.undo).toEqual(['sysctl -w net.netfilter.nf_conntrack_max=65536']);
  });

  it('fires: the table has room again, but the kernel log of this minute says that it was full', () => {
    const line = { topic: 'conntrack-full', message: 'nf_conntrack: table full, dropping packet' } as const;
    const log = (time: string): Facts => ({
      ...full,
      sysctl: roomy,
      clock: { epochMs: 0, uptimeSec: 5000, at: at('02-clock.out') },
      kernelLog: { lines: 1, matters: [{ ...line, time, at: at('20-log.out', 1) }] },
    });
    expect(judgeNode(conntrackFull, { facts: log('4990.125') }).verdict).toBe('confirmed');
    expect(judgeNode(conntrackFull, { facts: log('1000.125') }).verdict).toBe('likely');
    expect(judgeNode(conntrackFull, { facts: log('Sat Nov 21 09:59:59 2026') }).verdict).toBe('likely');
  });

  it('fires: likely where the table is full, or pushes entries out, and no SYN is known to be lost', () => {
    expect(judgeNode(conntrackFull, { facts: { ...full, capture: capture([answered()]) } }).verdict).toBe('likely');
    const evicting = { ...full, sysctl: roomy, conntrackStats: stats({ 'conntrack.early_drop': 4 }) };
    expect(judgeNode(conntrackFull, { facts: evicting }).said).toContain('early_drop +4');
  });

  it('stays silent: no drops, or only those of clashes that count as insert_failed too', () => {
    const calm = { ...full, sysctl: roomy, conntrackStats: stats({}) };
    expect(judgeNode(conntrackFull, { facts: calm }).verdict).toBe('ruledOut');
    const clashes = { ...calm, conntrackStats: stats({ 'conntrack.drop': 3, 'conntrack.insert_failed': 3 }) };
    expect(judgeNode(conntrackFull, { facts: clashes }).verdict).toBe('ruledOut');
  });

  it('stays silent: there is no connection tracking', () => {
    const facts = { sysctl: sysctls({ 'net.netfilter.nf_conntrack_max': null }) };
    expect(judgeNode(conntrackFull, { facts }).verdict).toBe('notApplicable');
  });

  it('stays silent: in an audit, which reads once, with room in the table', () => {
    const once = { before: 7, after: null, delta: null, how: 'once', at: at('09-conntrack.out') } as const;
    const judge = (sysctl: NonNullable<Facts['sysctl']>, more: Facts = {}) =>
      judgeNode(conntrackFull, { symptom: { ...symptom(), about: 'node' }, facts: { sysctl, ...more } });
    expect(judge(roomy, { conntrackStats: { 'conntrack.drop': once } }).verdict).toBe('ruledOut');
    expect(judge(roomy).said).toContain('2000 of 65536 entries (3 %)');
    expect(judge(sysctls(keys)).verdict).toBe('likely');
    expect(judgeNode(conntrackFull, { facts: { sysctl: roomy } }).verdict).toBe('unknown');
  });

  it('missing evidence: no setting, no counters, a counter that cannot be compared', () => {
    expect(judgeNode(conntrackFull, { facts: { sysctl: sysctls({}) } }).missing[0]?.fact).toBe('sysctl');
    expect(judgeNode(conntrackFull, { facts: { sysctl: roomy } }).missing[0]?.fact).toBe('conntrackStats');
    const reset = { sysctl: roomy, conntrackStats: counters({ 'conntrack.drop': null }) };
    expect(judgeNode(conntrackFull, { facts: reset }).verdict).toBe('unknown');
  });
});
