import { describe, expect, it } from 'vitest';
import type { CounterDeltas, Facts, SinceAudit } from '../../src/model/facts.ts';
import { rxRingShort as rule } from '../../src/rules/rx-ring-short.ts';
import { at, counters, judgeNode } from './facts.ts';

const rings = (rx: number | null, maximum: number | null, device = 'eth0'): NonNullable<Facts['nics']> => [
  {
    device,
    driver: { driver: 'ixgbe', at: at('20-ethtool-i.out', 1) },
    rings: { maximum: { rx: maximum, tx: 4096 }, current: { rx, tx: 256 }, at: at('21-ethtool-g.out', 2) },
  },
];
const since = (rises: Parameters<typeof counters>[0], more: Partial<SinceAudit> = {}): SinceAudit => ({
  elapsedSec: 86_400,
  rebooted: false,
  counters: counters(rises),
  at: at('01-last-audit.out'),
  ...more,
});
const now = (values: Readonly<Record<string, number>>): CounterDeltas =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      { before: value, after: null, delta: null, how: 'once', at: at('09-ethtool-s.out', 3) },
    ]),
  );
const judge = (facts: Facts, params = {}) => judgeNode(rule, { facts: { nics: rings(256, 4096), ...facts }, params });
const missed = { 'ethtool.eth0.rx_missed_errors': 90_000, 'dev.eth0.rx_fifo': 90_000 };

describe('rx-ring-short', () => {
  it('fires: the card missed packets since the last audit, and its ring could be longer', () => {
    const found = judge({ counters: now(missed), sinceAudit: since({ 'ethtool.eth0.rx_missed_errors': 5000 }) });
    expect(found.verdict).toBe('likely');
    expect(found.because.map(({ text }) => text)).toEqual([
      'eth0: rx_missed_errors +5000 in 24.0 h since the last audit: the card had no free buffer for these packets',
      'eth0: the receive ring has 256 entries, 4096 are possible',
    ]);
    expect(found.remedies[0]).toMatchObject({
      commands: ['ethtool -G eth0 rx 4096'],
      undo: ['ethtool -G eth0 rx 256'],
    });
  });
  it('fires: what is usual grows with the days between two audits', () => {
    const weekly = since({ 'dev.eth0.rx_fifo': 5000 }, { elapsedSec: 7 * 86_400 });
    expect(judge({ counters: now(missed), sinceAudit: weekly }).verdict).toBe('ruledOut');
    expect(judge({ counters: now(missed), sinceAudit: weekly }, { leastPerDay: 100 }).verdict).toBe('likely');
  });
  it('stays silent: a ring that is as long as it can be, packets missed or not', () => {
    const facts = { counters: now(missed), sinceAudit: since({ 'ethtool.eth0.rx_missed_errors': 5000 }) };
    expect(judge({ ...facts, nics: rings(4096, 4096) }).verdict).toBe('ruledOut');
  });
  it('stays silent: a short ring that loses nothing, and the losses of another card', () => {
    const flat = judge({ counters: now(missed), sinceAudit: since({ 'ethtool.eth0.rx_missed_errors': 0 }) });
    expect(flat.verdict).toBe('ruledOut');
    expect(flat.said).toContain('eth0 has missed nothing in 24.0 h');
    expect(judge({ counters: now({ 'dev.eth0.rx_fifo': 0 }) }).verdict).toBe('ruledOut');
    const other = since({ 'ethtool.eth1.rx_missed_errors': 5000, 'ethtool.eth0.rx_missed_errors': 0 });
    expect(judge({ counters: now(missed), sinceAudit: other }).verdict).toBe('ruledOut');
  });
  it('stays silent: huge counts of a node without an earlier audit, or started since', () => {
    const first = judge({ counters: now(missed) });
    expect(first.verdict).toBe('notApplicable');
    expect(first.said).toContain('the next audit tells');
    const rebooted = since({ 'ethtool.eth0.rx_missed_errors': 5000 }, { rebooted: true });
    expect(judge({ counters: now(missed), sinceAudit: rebooted }).verdict).toBe('notApplicable');
  });
  it('stays silent: a card that does not tell how long its ring is', () => {
    expect(judge({ counters: now(missed), nics: rings(null, null) }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no ethtool, no counters of that card', () => {
    expect(judge({ counters: now(missed), nics: [{ device: 'eth0' }] }).verdict).toBe('unknown');
    expect(judge({ counters: now({ 'dev.eth0.rx_errs': 3 }) }).verdict).toBe('unknown');
  });
});
