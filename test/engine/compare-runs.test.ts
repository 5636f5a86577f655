import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { compareRuns } from '../../src/engine/compare-runs.ts';
import { compareSettings } from '../../src/engine/compare-settings.ts';
import { pastRunOf } from '../../src/engine/past-run-of.ts';
import type { PastRun } from '../../src/model/past-run.ts';
import { type Finding, Report } from '../../src/model/report.ts';
import type { Comparison, SettingChange } from '../../src/model/run-context.ts';
import { parsers } from '../../src/parsers/index.ts';
import { sampleReport, sampleRequest } from '../adapters/slack/sample-run.ts';

const cases = path.join(import.meta.dirname, '..', 'cases');
const mended = readdirSync(cases).filter((name) => name.endsWith('-mended'));
const request = sampleRequest({ channel: 'C1', rootTs: '1.0', statusTs: '1.1' });
const past = (report: Report): PastRun => pastRunOf(request, { how: 'finished', report }, 5000);
/** Proved elsewhere to be what the evidence gives. */
const reportOf = (name: string): Report =>
  Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')));

function compared(from: string, to: string): Comparison {
  const report = reportOf(from);
  return compareRuns({ past: past(report), report }, reportOf(to));
}

async function settingsBetween(from: string, to: string): Promise<readonly SettingChange[]> {
  const [before, after] = await Promise.all([from, to].map((name) => loadRun(path.join(cases, name, 'run.tar.gz'))));
  return compareSettings(before?.evidence ?? [], after?.evidence ?? [], { collectors, parsers });
}

describe('a run compared with the one that it checks again', () => {
  it('looks at more than a handful of recorded pairs', () => {
    expect(mended.length).toBeGreaterThan(40);
  });

  it.each(mended)('%s: what was broken is fixed; the other way round it is different', (name) => {
    const broken = name.replace(/-mended$/, '');
    const { outcome, gone, still, appeared } = compared(broken, name);
    expect({ outcome, still, appeared }).toEqual({ outcome: 'fixed', still: [], appeared: [] });
    expect(gone.length).toBeGreaterThan(0);
    const back = compared(name, broken);
    expect([back.outcome, back.gone, back.still]).toEqual(['different', [], []]);
    expect(back.appeared).toEqual(gone);
  });

  it.each(mended)('%s: the broken run compared with itself is still the same, and is new', (name) => {
    const broken = name.replace(/-mended$/, '');
    expect(compared(broken, broken)).toMatchObject({
      outcome: 'still',
      gone: [],
      appeared: [],
      numbers: [],
      settings: [],
    });
  });

  it('names the numbers that moved', () => {
    expect(compared('tw-recycle', 'tw-recycle-mended')).toMatchObject({
      proven: true,
      numbers: [
        {
          before: 'net.ipv4.tcp_tw_recycle = 1 with net.ipv4.tcp_timestamps = 1',
          after: 'net.ipv4.tcp_tw_recycle = 0',
        },
      ],
    });
    expect(compared('accept-queue-overflow', 'accept-queue-overflow-mended').numbers).toEqual([
      { text: 'listener 0.0.0.0:1302 (node, pid 29): Recv-Q 3 → 0 of Send-Q 2 connections wait for accept()' },
    ]);
  });

  it('does not say fixed of a run that saw less', () => {
    const before = sampleReport();
    const [cause] = before.findings;
    const ruledOut: Finding = { ...(cause as Finding), verdict: 'ruledOut' };
    const compare = (after: Partial<Report>) =>
      compareRuns({ past: past(before), report: before }, sampleReport(after)).outcome;
    expect(compare({ verdict: 'clear', findings: [ruledOut] })).toBe('fixed');
    // Connects fail, and nobody knows why; or the rule could not be asked again.
    expect(compare({ verdict: 'inconclusive', findings: [ruledOut], unseen: ['8 of 8 connects failed'] })).toBe(
      'unsure',
    );
    expect(compare({ verdict: 'inconclusive', findings: [{ ...ruledOut, verdict: 'unknown' }] })).toBe('unsure');
    expect(compare({ verdict: 'inconclusive', findings: [] })).toBe('unsure');
    // Without the earlier report nobody knows what was unseen then.
    const after = sampleReport({ verdict: 'inconclusive', findings: [ruledOut] });
    expect(compareRuns({ past: past(before) }, after).outcome).toBe('unsure');
    expect(compareRuns({ past: past(before), report: before }, after)).toMatchObject({
      outcome: 'fixed',
      proven: false,
    });
  });

  it('tells another cause from the same, and both from none', () => {
    const before = sampleReport();
    const [cause] = before.findings;
    const other: Finding = { ...(cause as Finding), rule: 'fd-exhaustion', title: 'No file descriptor is left' };
    const compare = (from: Report, to: Report) => compareRuns({ past: past(from) }, to);
    expect(compare(before, sampleReport({ findings: [other] }))).toMatchObject({
      outcome: 'different',
      gone: [],
      appeared: [other.title],
    });
    expect(compare(before, sampleReport({ findings: [cause as Finding, other] }))).toMatchObject({
      outcome: 'still',
      appeared: [other.title],
    });
    const clear = sampleReport({ verdict: 'clear', findings: [] });
    const unsure = sampleReport({ verdict: 'inconclusive', findings: [] });
    expect(compare(unsure, clear).outcome).toBe('clearNow');
    expect(compare(clear, clear).outcome).toBe('stillClear');
    expect(compare(clear, unsure).outcome).toBe('unsure');
    expect(compareRuns({ past: { ...past(clear), verdict: 'failed' } }, clear).outcome).toBe('unsure');
  });
});

describe('settings of two runs', () => {
  it('that were changed are named, and no others', async () => {
    expect(await settingsBetween('tw-recycle', 'tw-recycle-mended')).toEqual([
      { node: 'node-50', kind: 'sysctl', name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' },
    ]);
    expect(await settingsBetween('accept-queue-overflow', 'accept-queue-overflow-mended')).toEqual([]);
    expect(await settingsBetween('firewall-drop-iptables', 'firewall-drop-iptables-mended')).toEqual([
      {
        node: 'node-50',
        kind: 'firewall',
        name: 'iptables filter INPUT: -A INPUT -p tcp -m tcp --dport 1301 -j DROP',
        from: '-A INPUT -p tcp -m tcp --dport 1301 -j DROP',
      },
    ]);
  });

  it('that only one of the two runs could read have not changed', async () => {
    const [before, after] = await Promise.all(
      ['firewall-drop-iptables', 'firewall-drop-iptables-mended'].map((name) =>
        loadRun(path.join(cases, name, 'run.tar.gz')),
      ),
    );
    const without = (kind: RegExp) => (after?.evidence ?? []).filter(({ entry }) => !kind.test(entry.kind));
    const compare = (kind: RegExp) => compareSettings(before?.evidence ?? [], without(kind), { collectors, parsers });
    expect(compare(/^nothing$/).map(({ kind }) => kind)).toEqual(['firewall']);
    // Without sudo, or with another tool than the last time.
    expect(compare(/^iptables-save$/)).toEqual([]);
    expect(compare(/^(?:nft|iptables|sysctl|ip-)/)).toEqual([]);
    expect(compareSettings([], after?.evidence ?? [], { collectors, parsers })).toEqual([]);
  });
});
