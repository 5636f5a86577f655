import { describe, expect, it } from 'vitest';
import {
  isLoud,
  isQuiet,
  lookOfReport,
  newsOf,
  stateAfter,
  stateAfterFailure,
} from '../../src/engine/schedule-news.ts';
import type { Finding, Report } from '../../src/model/report.ts';
import type { ScheduleState } from '../../src/model/schedule-state.ts';

const finding = (rule: string, verdict: Finding['verdict'], node = 'node-50'): Finding => ({
  rule,
  verdict,
  node,
  title: `${rule} on ${node}`,
  because: [],
  remedies: [],
  missing: [],
});

function report(findings: readonly Finding[], more: { verdict?: Report['verdict']; unseen?: string[] } = {}): Report {
  const nodes = ['node-50', 'node-12'].map((name) => ({
    name,
    roles: [],
    address: '10.0.0.1',
    ...(more.unseen?.includes(name) ? { unseen: 'no route to host' } : {}),
  }));
  const isFound = findings.some(({ verdict }) => verdict === 'confirmed');
  return {
    verdict: more.verdict ?? (isFound ? 'found' : 'clear'),
    headline: 'headline',
    symptom: { protocol: 'tcp', port: 1301 },
    nodes,
    findings,
    timing: { startedAtMs: 1000, endedAtMs: 2000, tookMs: 1000 },
  } as unknown as Report;
}

/** Fires one report after the other; the news of the last, and what is remembered then. */
function fire(...reports: readonly Report[]) {
  let last: ScheduleState | null = null;
  let news = newsOf(lookOfReport(report([]), null), null);
  for (const [index, one] of reports.entries()) {
    news = newsOf(lookOfReport(one, last), last);
    last = stateAfter(news, last, { firing: `f${index}`, atMs: 5000 + index, root: undefined });
  }
  return { ...news, state: last };
}

const bad = report([finding('tw-recycle', 'confirmed'), finding('port-closed', 'ruledOut')]);

describe('what changed since the firing before', () => {
  it('the first one tells what there is, and nothing of it is new', () => {
    const news = fire(bad);
    expect(news.look.counts).toMatchObject({ new: 0, still: 1, gone: 0, nodes: 2, looked: 2 });
    expect([isQuiet(news), isLoud(news)]).toEqual([false, true]);
    expect(news.state).toMatchObject({ count: 1, tally: { looks: 1, new: 0 } });
  });

  it('is nothing where nothing changed', () => {
    const news = fire(bad, bad, bad);
    expect([isQuiet(news), isLoud(news)]).toEqual([true, false]);
    expect(news.state).toMatchObject({ tally: { looks: 3, new: 0, gone: 0 } });
    expect(isQuiet(fire(report([]), report([])))).toBe(true);
  });

  it('new trouble is loud, gone trouble is not', () => {
    const appeared = fire(report([]), bad);
    expect(appeared.look.new).toMatchObject([{ node: 'node-50', fingerprint: 'tw-recycle/node-50/tcp/1301' }]);
    expect(isLoud(appeared)).toBe(true);
    const gone = fire(bad, report([finding('tw-recycle', 'ruledOut')]));
    expect(gone.look.gone).toMatchObject([{ fingerprint: 'tw-recycle/node-50/tcp/1301', firstSeenMs: 1000 }]);
    expect([isQuiet(gone), isLoud(gone)]).toEqual([false, false]);
    expect(gone.state).toMatchObject({ count: 0, tally: { looks: 2, new: 0, gone: 1 } });
  });

  it('what could not be judged is not gone, and is still known when it can be judged again', () => {
    const blind = report([finding('tw-recycle', 'unknown')], { verdict: 'inconclusive', unseen: ['node-50'] });
    const unsure = fire(bad, blind);
    expect(unsure.look.counts).toMatchObject({ gone: 0, unsure: 1, looked: 1 });
    expect(unsure.lost).toEqual([{ node: 'node-50', why: 'no route to host' }]);
    expect(isLoud(unsure)).toBe(true);
    expect(isQuiet(fire(bad, blind, blind))).toBe(true);
    const back = fire(bad, blind, bad);
    expect(back.look.counts).toMatchObject({ new: 0, still: 1, unsure: 0 });
    expect(back.back).toEqual(['node-50']);
    expect([isQuiet(back), isLoud(back)]).toEqual([false, false]);
  });

  it('a rule that was not asked this time says nothing, a clear run does', () => {
    expect(fire(bad, report([finding('x', 'confirmed')])).look.counts).toMatchObject({ gone: 0, unsure: 1, new: 1 });
    expect(fire(bad, report([])).look.counts).toMatchObject({ gone: 1, unsure: 0 });
  });

  it('another verdict alone is news too', () => {
    const news = fire(report([]), report([], { verdict: 'inconclusive' }));
    expect([news.verdictBefore, isQuiet(news), isLoud(news)]).toEqual(['clear', false, false]);
  });

  it('a failure forgets nothing, and the next firing says that it runs again', () => {
    const { state } = fire(bad);
    const failed = stateAfterFailure('Slack is away', state, { firing: 'f9', atMs: 9000, root: undefined });
    expect(failed).toMatchObject({ count: 1, failure: 'Slack is away', firing: 'f9', tally: { looks: 1, failed: 1 } });
    const news = newsOf(lookOfReport(bad, failed), failed);
    expect([news.isAfterFailure, isQuiet(news)]).toEqual([true, false]);
    expect(stateAfter(news, failed, { firing: 'f10', atMs: 1, root: undefined }).failure).toBeUndefined();
  });
});
