import { describe, expect, it } from 'vitest';
import { joinSinceAudit } from '../../src/engine/join-since-audit.ts';
import type { Clock, CounterDeltas } from '../../src/model/facts.ts';
import { at } from '../rules/facts.ts';

const name = 'TcpExt.ListenOverflows';
const lastAtMs = Date.UTC(2026, 10, 20, 2);
const hourMs = 3_600_000;
const place = at('05-counters.out', 2);
const clock = (uptimeSec: number): Clock => ({ epochMs: 0, uptimeSec, at: place });
const now = (value: number): CounterDeltas => ({
  [name]: { before: value, after: null, delta: null, how: 'once', at: place },
});

function since(before: number, after: number, { uptimeBefore = 90_000, uptime = 90_000 + 24 * 3600 } = {}) {
  const entry = {
    id: '01-last-audit',
    node: 'node-1',
    collector: 'last-audit',
    phase: 'look',
    kind: 'last-audit',
    argv: [],
    privilege: 'none',
    startedAtMs: lastAtMs + 24 * hourMs,
    endedAtMs: lastAtMs + 24 * hourMs,
    exit: { how: 'exited', code: 0 },
    outBytes: 1,
    errBytes: 0,
  } as const;
  const nothing = new Uint8Array(0);
  const value = { readAtMs: lastAtMs, uptimeSec: uptimeBefore, values: { [name]: before }, at: place };
  const reading = { evidence: { entry: { ...entry, argv: [] }, stdout: nothing, stderr: nothing }, value };
  return joinSinceAudit(reading, now(after), clock(uptime));
}

describe('counters since the last audit', () => {
  it('are how far they moved, over how long', () => {
    expect(since(100, 350)).toMatchObject({
      elapsedSec: 86_400,
      rebooted: false,
      counters: { [name]: { delta: 250, how: 'counted' } },
    });
  });
  it('go on through the end of 32 bits', () => {
    expect(since(2 ** 32 - 10, 5)?.counters[name]).toMatchObject({ delta: 15, how: 'wrapped' });
  });
  it.each([
    ['was started an hour ago', 90_000, 3600],
    ['was started soon after the last audit', 100, 86_000],
  ])('are not compared where the node %s', (_name, uptimeBefore, uptime) => {
    const found = since(5, 9000, { uptimeBefore, uptime });
    expect(found?.rebooted).toBe(true);
    expect(found?.counters[name]?.delta).toBeNull();
  });
  it('are not there without an audit before', () => {
    expect(joinSinceAudit(undefined, now(5), clock(100))).toBeUndefined();
  });
});
