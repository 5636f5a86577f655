import type { Finding, Remedy, Report } from '../model/report.ts';

/** Rules that could not be decided for the same reason on the same node. */
export interface UnseenGroup {
  readonly node: string;
  readonly why: string;
  /** Names of the facts that were missing. */
  readonly facts: readonly string[];
  /** Titles of the rules that needed them, with their ids. */
  readonly rules: readonly { readonly id: string; readonly title: string }[];
}

/** The findings of a report in the order that a person reads them. No verdict is changed or made here. */
export interface ReportView {
  /** Confirmed before likely, else in the report's order. */
  readonly causes: readonly Finding[];
  readonly ruledOut: readonly Finding[];
  readonly notApplicable: readonly Finding[];
  readonly unseen: readonly UnseenGroup[];
  /** Findings with the verdict `error`. */
  readonly failed: readonly Finding[];
}

const remedyOrder: readonly Remedy['kind'][] = ['temporary', 'permanent', 'kubernetes', 'application'];

/** Arranges the findings for reading. */
export function reportView(report: Report): ReportView {
  const having = (...verdicts: readonly Finding['verdict'][]) =>
    report.findings.filter((finding) => verdicts.includes(finding.verdict));
  return {
    causes: [...having('confirmed'), ...having('likely')],
    ruledOut: having('ruledOut'),
    notApplicable: having('notApplicable'),
    unseen: groupUnseen(having('unknown')),
    failed: having('error'),
  };
}

/** Remedies by kind: temporary, permanent, Kubernetes, application; else in the finding's order. */
export function remediesInOrder(finding: Finding): Remedy[] {
  return remedyOrder.flatMap((kind) => finding.remedies.filter((remedy) => remedy.kind === kind));
}

/** `node-50`, or `node-12 → node-50` where the finding is about a path. */
export function findingPlace(finding: Finding): string {
  return finding.path === undefined ? finding.node : `${finding.path.from} → ${finding.path.to}`;
}

/** `evidence/node-50/03-sysctl.out:2` */
export function evidenceText(at: { readonly evidence: string; readonly line?: number | undefined }): string {
  return at.line === undefined ? at.evidence : `${at.evidence}:${at.line}`;
}

function groupUnseen(findings: readonly Finding[]): UnseenGroup[] {
  const groups = new Map<
    string,
    { node: string; why: string; facts: string[]; rules: UnseenGroup['rules'][number][] }
  >();
  for (const finding of findings) {
    const missing =
      finding.missing.length > 0
        ? finding.missing
        : [{ fact: '', node: findingPlace(finding), why: reasonOf(finding) }];
    for (const { fact, node, why } of missing) {
      const key = JSON.stringify([node, why]);
      const group = groups.get(key) ?? { node, why, facts: [], rules: [] };
      groups.set(key, group);
      if (fact !== '' && !group.facts.includes(fact)) group.facts.push(fact);
      if (!group.rules.some((rule) => rule.id === finding.rule)) {
        group.rules.push({ id: finding.rule, title: finding.title });
      }
    }
  }
  return [...groups.values()];
}

function reasonOf(finding: Finding): string {
  return finding.because[0]?.text ?? '';
}
