import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { arpOverflow } from '../../src/rules/arp-overflow.ts';
import { answered, at, capture, connection, counters, judgeNode, probe, sysctls } from './facts.ts';

const key = (level: number) => `net.ipv4.neigh.default.gc_thresh${level}`;
const settings = sysctls({ [key(1)]: '128', [key(2)]: '512', [key(3)]: '1024' });
const full: Facts = {
  sysctl: settings,
  counters: counters({ 'arp_cache.entries': [1024, 1020], 'arp_cache.table_fulls': 7 }),
  capture: capture([connection()]),
};
const judge = (facts: Facts) => judgeNode(arpOverflow, { facts });

describe('arp-overflow', () => {
  it('fires: entries were refused while SYNs were lost', () => {
    const { verdict, said, remedies } = judge(full);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('table_fulls +7');
    expect(said).toContain('1024 neighbours of at most 1024');
    expect(remedies[0]?.commands).toEqual([
      `sysctl -w ${key(1)}=4096`,
      `sysctl -w ${key(2)}=8192`,
      `sysctl -w ${key(3)}=16384`,
    ]);
    expect(remedies[0]?.undo).toContain(`sysctl -w ${key(3)}=1024`);
  });

  it('fires: with failed connects of the node itself as the effect', () => {
    const facts = { ...full, capture: capture([]), probes: [probe({ outcome: 'noRoute' })] };
    expect(judge(facts).verdict).toBe('confirmed');
  });

  it('fires: likely where nothing was seen to fail, or an old kernel does not count', () => {
    expect(judge({ ...full, capture: capture([answered()]) }).verdict).toBe('likely');
    const message = 'neighbour: arp_cache: neighbor table overflow!';
    const matters = [{ topic: 'neighbour-overflow' as const, time: '99.5', message, at: at('20-log.out', 1) }];
    const old = {
      ...full,
      counters: counters({ 'arp_cache.entries': [1024, 1024] }),
      kernelLog: { lines: 1, matters },
    };
    expect(judge(old)).toMatchObject({ verdict: 'likely', said: expect.stringContaining('overflow!') });
  });

  it('stays silent: there is room, or the table belongs to the host of this namespace', () => {
    const roomy = counters({ 'arp_cache.entries': [40, 41], 'arp_cache.table_fulls': 0 });
    expect(judge({ ...full, counters: roomy }).verdict).toBe('ruledOut');
    expect(judge({ ...full, sysctl: sysctls({ [key(3)]: null }) }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the limit, or the fill', () => {
    expect(judge({ ...full, sysctl: sysctls({}) }).missing[0]?.fact).toBe('sysctl');
    expect(judge({ ...full, counters: counters({}) }).missing[0]?.fact).toBe('counters');
  });
});
