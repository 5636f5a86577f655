import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { accuracyPage } from '../../docs/accuracy-page.ts';
import { Report } from '../../src/model/report.ts';
import { goldenFigure } from '../bench/accuracy-figures.ts';
import { wrong } from '../lab/compare-report.ts';
import type { Expectation } from '../lab/scenario.ts';

const report = Report.parse(
  JSON.parse(readFileSync(path.join(import.meta.dirname, 'rp-filter-drop/report.json'), 'utf8')),
);
const right: Expectation = { verdict: 'found', confirmed: [{ rule: 'rp-filter-drop', node: 'node-50' }] };
/** Sentences besides the last one, which tells the whole report. */
const problems = (change: Partial<Expectation>) => wrong(report, { ...right, ...change }).slice(0, -1);

describe('a report beside what it has to say', () => {
  it('has no problem where it says it', () => {
    expect(wrong(report, right)).toEqual([]);
    expect(wrong(report, { ...right, mayBeLikely: [], headline: /rp_filter/ })).toEqual([]);
  });

  it('tells a cause that is missing, and one that is not there', () => {
    expect(problems({ confirmed: [{ rule: 'tw-recycle', node: 'node-50' }] })).toEqual([
      'not confirmed: tw-recycle on node-50',
      'confirmed, but not there: rp-filter-drop on node-50',
    ]);
    expect(problems({ confirmed: [{ rule: 'rp-filter-drop', node: 'node-12' }] })).toHaveLength(2);
    expect(problems({ verdict: 'clear', confirmed: [] })).toEqual([
      'confirmed, but not there: rp-filter-drop on node-50',
      'must be clear, and is found',
    ]);
  });

  it('tells what had to be likely or unknown, and why', () => {
    const path = { from: 'node-12', to: 'node-50' };
    expect(problems({ likely: [{ rule: 'path-drop', path }] })).toEqual([
      'not likely: path-drop from node-12 to node-50',
    ]);
    expect(problems({ unknown: [{ rule: 'path-drop', path, why: /tcpdump/ }] })).toEqual([
      'not unknown: path-drop from node-12 to node-50',
    ]);
    const finding = {
      rule: 'fw-reject',
      verdict: 'unknown' as const,
      node: 'r1',
      title: '',
      because: [],
      remedies: [],
    };
    const unsure: Report = {
      ...report,
      findings: [
        ...report.findings,
        { ...finding, missing: [{ fact: 'capture', node: 'r1', why: 'tcpdump is not installed' }] },
        { ...finding, rule: 'no-route', verdict: 'likely', missing: [] },
      ],
    };
    expect(wrong(unsure, { ...right, unknown: [{ rule: 'fw-reject', node: 'r1', why: /tcpdump/ }] })).toEqual([]);
    expect(wrong(unsure, { ...right, unknown: [{ rule: 'fw-reject', node: 'r1', why: /sudo/ }] })[0]).toMatch(/sudo/);
    expect(wrong(unsure, { ...right, mayBeLikely: [] })[0]).toBe('likely, but not there: no-route on r1');
  });

  it('tells nodes, sentences, headline and remedy that are not as they must be', () => {
    expect(problems({ unreachable: ['r1'] })).toEqual(['nodes that cannot be looked at: none']);
    expect(problems({ unseen: [/dark/] })).toEqual(['does not say that it could not see /dark/']);
    expect(problems({ headline: /martian/ })).toEqual(['the headline is not /martian/']);
    expect(problems({ remedy: { node: 'node-50', command: 'reboot' } })).toEqual(['no remedy on node-50: reboot']);
  });
});

describe('the page of the figures', () => {
  it('counts what is wrong, and says what was expected', () => {
    const figure = goldenFigure('x', report, { verdict: 'clear', confirmed: [] });
    expect(figure).toMatchObject({
      expected: 'clear',
      got: 'confirmed rp-filter-drop on node-50',
      falselyConfirmed: 1,
    });
    expect(figure.problems).not.toEqual([]);
    expect(goldenFigure('x', report, right)).toMatchObject({ problems: [], falselyConfirmed: 0 });
  });

  it('has every recorded run, and the live part that it is given', () => {
    const page = accuracyPage('## Live scenarios\n\nof today\n');
    expect(page).toContain('| rp-filter-drop | confirmed rp-filter-drop on node-50 |');
    expect(page).not.toContain('WRONG');
    expect(page).toMatch(/of today\n$/);
  });
});
