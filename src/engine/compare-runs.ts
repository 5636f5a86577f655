import { fingerprintOf } from '../model/fingerprint.ts';
import type { PastRun } from '../model/past-run.ts';
import type { Finding, Report } from '../model/report.ts';
import type { Comparison, NumberChange, SettingChange } from '../model/run-context.ts';
import { troublesOf } from './past-run-of.ts';

const maxNumbers = 4;

/** The earlier run: what is remembered of it, and its report where that is still to be had. */
export interface EarlierRun {
  readonly past: PastRun;
  readonly report?: Report | undefined;
}

/** What became of the troubles of an earlier run on the same question. Pure. */
export function compareRuns(
  { past, report }: EarlierRun,
  now: Report,
  settings: readonly SettingChange[] = [],
): Comparison {
  const troubles = troublesOf(now);
  const known = new Set(past.troubles.map(({ fingerprint }) => fingerprint));
  const found = new Set(troubles.map(({ fingerprint }) => fingerprint));
  const titles = (some: PastRun['troubles']): readonly string[] => [...new Set(some.map(({ title }) => title))];
  const still = past.troubles.filter(({ fingerprint }) => found.has(fingerprint));
  const missing = past.troubles.filter(({ fingerprint }) => !found.has(fingerprint));
  const gone = missing.filter(({ fingerprint }) => now.verdict === 'clear' || isRuledOut(now, fingerprint));
  const appeared = troubles.filter(({ fingerprint }) => !known.has(fingerprint));
  return {
    outcome: outcomeOf(),
    proven: now.verdict === 'clear',
    earlier: past,
    gone: titles(gone),
    still: titles(still),
    appeared: titles(appeared),
    numbers: report === undefined ? [] : numbersOf(report, now, known),
    settings,
  };

  function outcomeOf(): Comparison['outcome'] {
    if (still.length > 0) return 'still';
    if (troubles.length > 0) return 'different';
    const ended = past.verdict !== 'cancelled' && past.verdict !== 'failed';
    if (now.verdict === 'clear') {
      if (past.troubles.length > 0) return 'fixed';
      return past.verdict === 'clear' ? 'stillClear' : ended ? 'clearNow' : 'unsure';
    }
    // Not clear: it must be the earlier causes themselves that are ruled out, and no more may be hidden than was then.
    const causesGone = past.troubles.length > 0 && gone.length === past.troubles.length;
    return causesGone && report !== undefined && seesAsMuch(report, now) ? 'fixed' : 'unsure';
  }
}

function isRuledOut({ findings, symptom }: Report, fingerprint: string): boolean {
  return findings.some(
    (finding) =>
      (finding.verdict === 'ruledOut' || finding.verdict === 'notApplicable') &&
      fingerprintOf(finding, symptom) === fingerprint,
  );
}

/** Whether nothing is unseen now that was seen then. Connects that fail without a cause are said as unseen, too. */
function seesAsMuch(then: Report, now: Report): boolean {
  const unseenOf = ({ findings, unseen, symptom }: Report): ReadonlySet<string> =>
    new Set([
      ...unseen,
      ...findings
        .filter(({ verdict }) => verdict === 'unknown' || verdict === 'error')
        .map((finding) => fingerprintOf(finding, symptom)),
    ]);
  const before = unseenOf(then);
  return [...unseenOf(now)].every((one) => before.has(one));
}

/** What the rules of the earlier troubles said then and say now: numbers where the sentence is the same, else both. */
function numbersOf(then: Report, now: Report, known: ReadonlySet<string>): readonly NumberChange[] {
  if (then.run.language !== now.run.language) return [];
  const changes: NumberChange[] = [];
  const told = new Set<string>();
  for (const before of then.findings) {
    const fingerprint = fingerprintOf(before, then.symptom);
    if (!known.has(fingerprint) || told.has(fingerprint) || before.because.length === 0) continue;
    told.add(fingerprint);
    const after = now.findings.find((finding) => fingerprintOf(finding, now.symptom) === fingerprint);
    if (after !== undefined) changes.push(...changesOf(before, after));
  }
  // Both ends of a path may say the same.
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()].slice(0, maxNumbers);
}

function changesOf(before: Finding, after: Finding): readonly NumberChange[] {
  const same: NumberChange[] = [];
  const left = [...after.because];
  for (const { text } of before.because) {
    const at = left.findIndex((because) => skeletonOf(because.text) === skeletonOf(text));
    const [match] = at === -1 ? [] : left.splice(at, 1);
    const merged = match === undefined ? null : withBothNumbers(text, match.text);
    if (merged !== null) same.push({ text: merged });
  }
  if (same.length > 0) return same;
  const [then] = before.because;
  const [now] = after.because;
  return then === undefined || now === undefined || then.text === now.text
    ? []
    : [{ before: then.text, after: now.text }];
}

/** A number: not a part of a name or of an address (`node-50`, `10.0.0.1`, `eth0`). */
const aNumber = /(?<![\w.:/-])[+-]?\d+(?:\.\d+)?(?![\w:/-]|\.\d)/g;

function skeletonOf(text: string): string {
  return text.replaceAll(aNumber, '#');
}

/** What stands before a number that only names something: that it is another now is no news. */
const isName = /(?:pid|process|frame|frames|port|进程|帧|端口) ?$/u;

/** Null where the numbers are the same. */
function withBothNumbers(then: string, now: string): string | null {
  const numbers = now.match(aNumber) ?? [];
  let index = 0;
  let differ = false;
  const merged = then.replaceAll(aNumber, (from, offset: number) => {
    const to = numbers[index] ?? from;
    index += 1;
    if (from === to || isName.test(then.slice(0, offset))) return to;
    differ = true;
    return `${from} → ${to}`;
  });
  return differ ? merged : null;
}
