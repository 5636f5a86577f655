import type { AuditFinding, AuditReport } from '../model/audit-report.ts';
import type { HeatMap } from '../model/heat-map.ts';
import type { Verdict } from '../model/verdict.ts';

/** Findings of one check, on all nodes that have it. */
export interface FindingGroup {
  readonly check: string;
  readonly rule: string;
  readonly title: string;
  /** The worst of them. */
  readonly verdict: AuditFinding['verdict'];
  readonly findings: readonly AuditFinding[];
}

/** By check, in the order of the report: the worst first, then what is on most nodes. */
export function findingGroups({ findings }: Pick<AuditReport, 'findings'>): readonly FindingGroup[] {
  const groups = new Map<string, AuditFinding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.check);
    if (group === undefined) groups.set(finding.check, [finding]);
    else group.push(finding);
  }
  return [...groups.values()]
    .flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const { check, rule, title, verdict } = first;
      return [{ check, rule, title, verdict, findings: group }];
    })
    .sort(
      (a, b) =>
        Number(b.verdict === 'confirmed') - Number(a.verdict === 'confirmed') || b.findings.length - a.findings.length,
    );
}

/** Whether a node has nothing to say but, at most, what could not be seen there: that is told for all nodes together. */
export function isQuiet({ outcome, open, differs }: AuditReport['nodes'][number]): boolean {
  const isAccused = Object.values(open).some((verdict) => verdict === 'confirmed' || verdict === 'likely');
  return outcome === 'looked' && !isAccused && differs.length === 0;
}

/** Checks that were made on every node that was looked at, and found nothing on any. */
export function inOrderEverywhere({ checks, counts }: AuditReport): readonly AuditReport['checks'][number][] {
  return checks.filter(
    ({ counts: of }) =>
      of.confirmed + of.likely + of.unknown + of.error === 0 &&
      of.ruledOut > 0 &&
      of.ruledOut + of.notApplicable === counts.looked,
  );
}

/** Nodes against checks for the picture; nodes that could not be looked at have empty rows. */
export function auditHeatMap(report: AuditReport, title: string): HeatMap {
  return {
    title,
    columns: report.checks.map(({ check, title: name }) => ({ rule: check, title: name })),
    rows: report.nodes.map(({ name, outcome, open }) => ({
      name,
      count: 1,
      cells: report.checks.map(({ check }): Verdict | null =>
        outcome === 'looked' ? (open[check] ?? 'ruledOut') : null,
      ),
    })),
  };
}

/** `role=web, rack=r1` */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

/** `2026-11-21 02:41 UTC` */
export function whenText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** What to type for the same audit. */
export function auditCommand({ playbook, selector }: AuditReport['audit']): string {
  return `netcheck audit ${playbook}${selector === '' ? '' : ` --nodes '${selector.replaceAll("'", String.raw`'\''`)}'`}`;
}
