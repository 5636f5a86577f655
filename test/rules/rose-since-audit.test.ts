import { describe, expect, it } from 'vitest';
import type { SinceAudit } from '../../src/model/facts.ts';
import { roseSinceAudit as rule } from '../../src/rules/rose-since-audit.ts';
import { at, counters, judgeNode } from './facts.ts';

const since = (rises: Parameters<typeof counters>[0], more: Partial<SinceAudit> = {}): SinceAudit => ({
  elapsedSec: 86_400,
  rebooted: false,
  counters: counters(rises),
  at: at('01-last-audit.out'),
  ...more,
});
const judge = (sinceAudit?: SinceAudit, params = {}) =>
  judgeNode(rule, {
    facts: { counters: counters({}), ...(sinceAudit === undefined ? {} : { sinceAudit }) },
    params,
  });

describe('rose-since-audit', () => {
  it('fires: likely, the most unusual first, each with the rule that explains it', () => {
    const found = judge(since({ 'TcpExt.ListenOverflows': 25, 'conntrack.early_drop': 300, 'Udp.RcvbufErrors': 3 }));
    expect(found.verdict).toBe('likely');
    expect(found.because.map(({ text }) => text)).toEqual([
      'conntrack.early_drop +300 in 24 h since the last audit: see conntrack-full',
      'TcpExt.ListenOverflows +25 in 24 h since the last audit: see accept-queue-overflow',
    ]);
  });
  it('fires: what is usual grows with the days between two audits, and does not shrink with the hours', () => {
    expect(judge(since({ 'TcpExt.ListenOverflows': 25 }, { elapsedSec: 86_400 * 7 })).verdict).toBe('ruledOut');
    expect(judge(since({ 'TcpExt.ListenOverflows': 25 }, { elapsedSec: 60 })).verdict).toBe('likely');
    expect(judge(since({ 'TcpExt.ListenOverflows': 5 }, { elapsedSec: 60 })).verdict).toBe('ruledOut');
    expect(judge(since({ 'TcpExt.ListenOverflows': 25 }), { factor: 3 }).verdict).toBe('ruledOut');
  });
  it('fires: counters of cards, not those of pods', () => {
    expect(judge(since({ 'dev.eth0.rx_fifo': 5000 })).said).toContain('rx-ring-overflow');
    expect(judge(since({ 'dev.vethab12.rx_errs': 5000 })).verdict).toBe('unknown');
  });
  it('stays silent: nothing has risen, however much there is', () => {
    const found = judge(since({ 'TcpExt.ListenOverflows': [9_000_000, 9_000_000] }));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('none of 1 counters');
  });
  it('stays silent: in the first audit, and where the node was started in between', () => {
    expect(judge().verdict).toBe('notApplicable');
    expect(judge(since({ 'TcpExt.ListenOverflows': 900 }, { rebooted: true })).verdict).toBe('notApplicable');
  });
  it('missing evidence: none of the counters was read this time', () => {
    expect(judge(since({})).verdict).toBe('unknown');
    expect(judge(since({ 'TcpExt.ListenOverflows': null })).verdict).toBe('unknown');
  });
});
