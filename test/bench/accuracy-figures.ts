import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Report } from '../../src/model/report.ts';
import { expectationOf } from '../cases/expectation-of.ts';
import { confirmedIn, placeOf, placeText, withVerdict, without, wrong } from '../lab/compare-report.ts';
import type { Expectation } from '../lab/scenario.ts';

/** What one recorded run was expected to say, and says. */
export interface GoldenFigure {
  readonly id: string;
  readonly expected: string;
  readonly got: string;
  readonly problems: readonly string[];
  readonly falselyConfirmed: number;
  /** Rules that could not be decided, of all that were asked. */
  readonly unknowns: number;
  readonly findings: number;
}

/** `confirmed rp-filter-drop on node-50; likely …`, or the verdict where nobody is accused. */
export function expectedText({ verdict, confirmed, likely = [] }: Expectation): string {
  return textOf(verdict, confirmed.map(placeText), likely.map(placeText));
}

/** The same of what was said. */
export function textOf(verdict: string, confirmed: readonly string[], likely: readonly string[]): string {
  const parts = [
    ...(confirmed.length > 0 ? [`confirmed ${confirmed.join(', ')}`] : []),
    ...(likely.length > 0 ? [`likely ${likely.join(', ')}`] : []),
  ];
  return parts.length === 0 ? verdict : parts.join('; ');
}

/** Of a report and what it has to say. */
export function goldenFigure(id: string, report: Report, expected: Expectation): GoldenFigure {
  const confirmed = confirmedIn(report);
  return {
    id,
    expected: expectedText(expected),
    got: textOf(
      report.verdict,
      confirmed.map(placeText),
      withVerdict(report, 'likely').map((finding) => placeText(placeOf(finding))),
    ),
    problems: wrong(report, expected),
    falselyConfirmed: without(confirmed, expected.confirmed).length,
    unknowns: withVerdict(report, 'unknown').length,
    findings: report.findings.length,
  };
}

const cases = path.join(import.meta.dirname, '..', 'cases');

/** All recorded runs, by their reports as they are stored; a test holds that judging them again gives the same. */
export function goldenFigures(): readonly GoldenFigure[] {
  return readdirSync(cases, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const report = Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')));
      return goldenFigure(name, report, expectationOf(name));
    });
}
