import type { AuditChange, AuditReport } from '../model/audit-report.ts';
import { fingerprintOf } from '../model/fingerprint.ts';
import type { Report } from '../model/report.ts';
import type { ScheduleLook, ScheduleNews, ScheduleState, ScheduleTrouble } from '../model/schedule-state.ts';

/** Troubles and nodes that are remembered from one firing to the next. */
const maxKept = 500;
const maxTitleChars = 300;

/** One run as a firing of its schedule. What the run could not judge is `unsure`, never `gone`. */
export function lookOfReport(report: Report, last: ScheduleState | null): ScheduleLook {
  const { findings, symptom, nodes, headline, verdict, timing } = report;
  const known = new Map((last?.troubles ?? []).map((trouble) => [trouble.fingerprint, trouble]));
  const verdicts = new Map(findings.map((finding) => [fingerprintOf(finding, symptom), finding.verdict]));
  const troubles = new Map<string, ScheduleTrouble>();
  for (const finding of findings) {
    const fingerprint = fingerprintOf(finding, symptom);
    if (finding.verdict !== 'confirmed' && finding.verdict !== 'likely') continue;
    troubles.set(fingerprint, {
      fingerprint,
      node: finding.node,
      title: finding.title.slice(0, maxTitleChars),
      firstSeenMs: known.get(fingerprint)?.firstSeenMs ?? timing.startedAtMs,
    });
  }
  const before = [...known.values()].filter(({ fingerprint }) => !troubles.has(fingerprint));
  const isGone = ({ fingerprint }: ScheduleTrouble): boolean => {
    const now = verdicts.get(fingerprint);
    // A rule that was not asked this time says nothing; a run without any trouble does.
    return now === undefined ? verdict === 'clear' : now === 'ruledOut' || now === 'notApplicable';
  };
  const isFirst = last === null;
  const fresh = isFirst ? [] : [...troubles.values()].filter(({ fingerprint }) => !known.has(fingerprint));
  const gone = before.filter(isGone);
  const unsure = before.filter((trouble) => !isGone(trouble));
  const still = [...troubles.values()].filter(({ fingerprint }) => isFirst || known.has(fingerprint));
  const unseen = nodes.flatMap(({ name, unseen: why }) => (why === undefined ? [] : [{ node: name, why }]));
  return {
    isFirst,
    headline,
    verdict,
    counts: {
      nodes: nodes.length,
      looked: nodes.length - unseen.length,
      new: fresh.length,
      gone: gone.length,
      still: still.length,
      unsure: unsure.length,
    },
    new: fresh,
    gone,
    still,
    unsure,
    unseen,
  };
}

/** One audit as a firing of its schedule; it has been compared with the one before already. */
export function lookOfAudit(report: AuditReport): ScheduleLook {
  const { counts, changes, findings, nodes, headline, previous, audit } = report;
  const isFirst = previous === undefined;
  const of = (kind: AuditChange['kind']): readonly ScheduleTrouble[] =>
    changes.flatMap((change) =>
      change.kind === kind
        ? [{ fingerprint: change.fingerprint, node: change.node, title: change.title, firstSeenMs: change.firstSeenMs }]
        : [],
    );
  const all = findings.map(({ fingerprint, node, title }) => ({
    fingerprint,
    node,
    title: title.slice(0, maxTitleChars),
    firstSeenMs: audit.startedAtMs,
  }));
  return {
    isFirst,
    headline,
    counts: {
      nodes: counts.nodes,
      looked: counts.looked,
      new: isFirst ? 0 : counts.new,
      gone: counts.gone,
      still: isFirst ? counts.confirmed + counts.likely : counts.still,
      unsure: 0,
    },
    new: isFirst ? [] : of('new'),
    gone: of('gone'),
    still: isFirst ? all : of('still'),
    unsure: [],
    unseen: nodes.flatMap(({ name, outcome, why }) => (outcome === 'looked' ? [] : [{ node: name, why: why ?? '' }])),
  };
}

/** What changed since the firing before. */
export function newsOf(look: ScheduleLook, last: ScheduleState | null): ScheduleNews {
  const before = new Set(last?.unseen);
  const now = new Set(look.unseen.map(({ node }) => node));
  return {
    look,
    lost: last === null ? [] : look.unseen.filter(({ node }) => !before.has(node)),
    back: [...before].filter((node) => !now.has(node)),
    ...(last?.verdict === undefined || look.verdict === undefined || last.verdict === look.verdict
      ? {}
      : { verdictBefore: last.verdict }),
    isAfterFailure: last?.failure !== undefined,
  };
}

/** Whether there is nothing to tell a channel. */
export function isQuiet({ look, lost, back, isAfterFailure, verdictBefore }: ScheduleNews): boolean {
  const { counts, isFirst } = look;
  return (
    !isFirst &&
    !isAfterFailure &&
    verdictBefore === undefined &&
    counts.new + counts.gone + lost.length + back.length === 0
  );
}

/** Whether somebody should see it at once, and not only who follows the thread. */
export function isLoud({ look, lost }: ScheduleNews): boolean {
  return look.isFirst || look.counts.new > 0 || lost.length > 0;
}

/** What is remembered after a firing. */
export function stateAfter(
  { look }: ScheduleNews,
  last: ScheduleState | null,
  { firing, atMs, root }: { readonly firing: string; readonly atMs: number; readonly root: ScheduleState['root'] },
): ScheduleState {
  const { counts } = look;
  const tally = last?.tally ?? { sinceMs: atMs, looks: 0, new: 0, gone: 0, failed: 0 };
  return {
    format: 1,
    firing,
    atMs,
    headline: look.headline,
    ...(look.verdict === undefined ? {} : { verdict: look.verdict }),
    nodes: counts.nodes,
    looked: counts.looked,
    count: counts.new + counts.still + counts.unsure,
    troubles: [...look.new, ...look.still, ...look.unsure].slice(0, maxKept),
    unseen: look.unseen.map(({ node }) => node).slice(0, maxKept),
    ...(root === undefined ? {} : { root }),
    tally: { ...tally, looks: tally.looks + 1, new: tally.new + counts.new, gone: tally.gone + counts.gone },
  };
}

/** What is remembered after a firing that did not look at all: everything as it was, and why. */
export function stateAfterFailure(
  failure: string,
  last: ScheduleState | null,
  { firing, atMs, root }: { readonly firing: string; readonly atMs: number; readonly root: ScheduleState['root'] },
): ScheduleState {
  const before: Omit<ScheduleState, 'firing' | 'root'> = last ?? {
    format: 1,
    atMs,
    headline: '',
    nodes: 0,
    looked: 0,
    count: 0,
    troubles: [],
    unseen: [],
    tally: { sinceMs: atMs, looks: 0, new: 0, gone: 0, failed: 0 },
  };
  return {
    ...before,
    firing,
    failure,
    ...(root === undefined ? {} : { root }),
    tally: { ...before.tally, failed: before.tally.failed + 1 },
  };
}
