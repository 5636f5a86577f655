import { describe, expect, it } from 'vitest';
import { joinCounters } from '../../src/engine/join-counters.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { evidenceOf } from './evidence-of.ts';

type Phase = Evidence['entry']['phase'];

/** A reading of counters at a time of the run. */
function reading(phase: Phase, counters: Record<string, number>) {
  return {
    evidence: evidenceOf({ phase, kind: 'proc-net-snmp' }),
    value: Object.fromEntries(
      Object.entries(counters).map(([name, value], i) => [name, { value, at: { evidence: phase, line: i + 1 } }]),
    ),
  };
}

function moved(name: string, before: number | undefined, after: number | undefined, rebooted = false) {
  const side = (value: number | undefined): Record<string, number> => (value === undefined ? {} : { [name]: value });
  return joinCounters([reading('before', side(before)), reading('after', side(after))], rebooted)?.[name];
}

describe('how far a counter moved', () => {
  it.each([
    ['TcpExt.ListenDrops', 5, 155, { before: 5, after: 155, delta: 150, how: 'counted' }],
    ['TcpExt.ListenDrops', 5, 5, { before: 5, after: 5, delta: 0, how: 'counted' }],
    // A kernel of 32 bits goes through its end.
    ['Ip.InReceives', 2 ** 32 - 10, 20, { before: 2 ** 32 - 10, after: 20, delta: 30, how: 'wrapped' }],
    // A fall from far below the end, or from above it, is no wrap: the module was loaded again.
    ['Ip.InReceives', 1000, 20, { before: 1000, after: 20, delta: null, how: 'reset' }],
    ['IpExt.InOctets', 2 ** 40, 20, { before: 2 ** 40, after: 20, delta: null, how: 'reset' }],
    // So much does not move in one run.
    ['Ip.InReceives', 2 ** 31 + 5, 2 ** 31 + 4, { before: 2 ** 31 + 5, after: 2 ** 31 + 4, delta: null, how: 'reset' }],
    ['TcpExt.New', undefined, 7, { before: null, after: 7, delta: null, how: 'appeared' }],
    ['TcpExt.Old', 7, undefined, { before: 7, after: null, delta: null, how: 'vanished' }],
    // Numbers that stand for now may fall.
    ['Tcp.CurrEstab', 40, 12, { before: 40, after: 12, delta: -28, how: 'gauge' }],
    ['sockstat.TCP.tw', 3, 900, { before: 3, after: 900, delta: 897, how: 'gauge' }],
    ['arp_cache.entries', 20, 10, { before: 20, after: 10, delta: -10, how: 'gauge' }],
    ['Tcp.MaxConn', -1, -1, { before: -1, after: -1, delta: 0, how: 'gauge' }],
  ])('%s %s -> %s', (name, before, after, expected) => {
    expect(moved(name, before, after)).toMatchObject(expected);
  });

  it('is not known where the node was started anew in between, whatever the numbers look like', () => {
    expect(moved('TcpExt.ListenDrops', 5, 155, true)).toMatchObject({ delta: null, how: 'reset' });
    expect(moved('Tcp.CurrEstab', 40, 12, true)).toMatchObject({ delta: -28, how: 'gauge' });
  });

  it('points at the later reading', () => {
    expect(moved('TcpExt.ListenDrops', 5, 155)?.at).toEqual({ evidence: 'after', line: 1 });
    expect(moved('TcpExt.Old', 7, undefined)?.at).toEqual({ evidence: 'before', line: 1 });
  });
});

describe('readings', () => {
  it('of one time only tell nothing about movement', () => {
    expect(joinCounters([reading('once', { 'Ip.InReceives': 9 })], false)).toMatchObject({
      'Ip.InReceives': { before: 9, after: null, delta: null, how: 'once' },
    });
  });

  it('of several files become one table; nothing read is no table', () => {
    const joined = joinCounters(
      [
        reading('before', { 'Ip.InReceives': 1 }),
        reading('before', { 'TcpExt.TW': 1 }),
        reading('after', { 'Ip.InReceives': 3 }),
        reading('after', { 'TcpExt.TW': 8 }),
      ],
      false,
    );
    expect(Object.entries(joined ?? {}).map(([name, { delta }]) => [name, delta])).toEqual([
      ['Ip.InReceives', 2],
      ['TcpExt.TW', 7],
    ]);
    expect(joinCounters([], false)).toBeUndefined();
  });
});
