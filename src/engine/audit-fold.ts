import type { AuditBaseline } from '../model/audit-baseline.ts';
import type {
  AuditCheck,
  AuditFinding,
  AuditHead,
  AuditNode,
  AuditReport,
  AuditUnseen,
} from '../model/audit-report.ts';
import { naturalOrder } from '../model/natural-order.ts';
import type { NodeAudit } from '../model/node-audit.ts';
import type { Verdict } from '../model/verdict.ts';
import { createAuditChanges } from './audit-changes.ts';
import { createOutlierCount } from './audit-outliers.ts';
import { type AuditText, auditText } from './audit-wording.ts';

/** Bounds of the report: of all that is counted, so much is kept word for word. */
const mostFindings = 2000;
const mostReasons = 200;
const examplesShown = 10;

/** Puts an audit together as its nodes come in, in any order. Memory: a line per node, and what is bounded above. */
export interface AuditFold {
  /** The same node again changes nothing. */
  addNode(node: NodeAudit): void;
  /** Nodes that are in. */
  readonly size: number;
  finish(endedAtMs: number): { readonly report: AuditReport; readonly baseline: AuditBaseline };
}

/** @param last the audit before, of the same playbook and selector: what is new, gone, still there since */
export function createAuditFold(head: AuditHead, last: AuditBaseline | null): AuditFold {
  const say = auditText[head.language];
  const nodes = new Map<string, AuditNode>();
  const changes = createAuditChanges(head, last);
  const checks = new Map<string, AuditCheck>();
  const findings: AuditFinding[] = [];
  const reasons = new Map<
    string,
    { readonly checks: Set<string>; nodes: number; readonly examples: string[]; last: string }
  >();
  const outliers = createOutlierCount(head.compareBy);
  const accused = { confirmed: 0, likely: 0, unknown: 0, error: 0 };
  let accusedNodes = 0;

  const unseen = (why: string, node: string, check?: string): void => {
    const known = reasons.get(why) ?? { checks: new Set<string>(), nodes: 0, examples: [], last: '' };
    if (!reasons.has(why) && reasons.size >= mostReasons) return;
    reasons.set(why, known);
    if (check !== undefined) known.checks.add(check);
    if (known.last === node) return;
    known.last = node;
    known.nodes++;
    if (known.examples.length < examplesShown) known.examples.push(node);
  };

  return {
    get size() {
      return nodes.size;
    },
    addNode(audit) {
      if (nodes.has(audit.node)) return;
      const open: AuditNode['open'] = {};
      for (const [check, { rule, title, verdict }] of Object.entries(audit.checks)) {
        const column = checks.get(check) ?? { check, rule, title, counts: { ...noCounts } };
        checks.set(check, column);
        column.counts[verdict]++;
        if (verdict === 'ruledOut' || verdict === 'notApplicable') continue;
        open[check] = verdict;
        accused[verdict]++;
      }
      nodes.set(audit.node, {
        name: audit.node,
        labels: audit.labels,
        outcome: audit.outcome,
        ...(audit.why === undefined ? {} : { why: audit.why }),
        ...(audit.kernel === undefined ? {} : { kernel: audit.kernel }),
        tookMs: audit.tookMs,
        open,
        differs: [],
      });
      if (audit.outcome !== 'looked') {
        unseen(withoutName(audit.why ?? '', audit.node), audit.node);
        changes.notLooked(audit.node);
        return;
      }
      for (const { check, why } of audit.unknown) unseen(why, audit.node, check);
      outliers.add(audit);
      if (audit.findings.length > 0) accusedNodes++;
      for (const finding of audit.findings) keepWorst(findings, finding);
      changes.looked(audit);
    },
    finish(endedAtMs) {
      const found = outliers.finish(say);
      const compared = changes.finish(found.risks, say);
      for (const [name, facts] of found.differs) {
        const node = nodes.get(name);
        if (node !== undefined) nodes.set(name, { ...node, differs: [...facts].sort() });
      }
      const rows = [...nodes.values()].sort((a, b) => naturalOrder(a.name, b.name));
      const count = (outcome: AuditNode['outcome']): number => rows.filter((one) => one.outcome === outcome).length;
      const counts = {
        nodes: rows.length,
        looked: count('looked'),
        unreachable: count('unreachable'),
        failed: count('failed'),
        ...accused,
        outliers: found.outliers.length,
        ...compared.counts,
      };
      const sorted = [...findings].sort(byWeight(checks));
      const why = [...reasons].map(
        ([text, one]): AuditUnseen => ({
          why: text,
          checks: [...one.checks].sort(),
          nodes: one.nodes,
          examples: [...one.examples].sort(naturalOrder),
        }),
      );
      const risks = found.outliers.filter(({ severity }) => severity === 'risk');
      const verdict =
        accused.confirmed + accused.likely > 0 || risks.length > 0
          ? 'found'
          : counts.looked === counts.nodes && accused.unknown + accused.error === 0
            ? 'clear'
            : 'inconclusive';
      const unseenList = why.sort((a, b) => b.nodes - a.nodes || naturalOrder(a.why, b.why));
      return {
        report: {
          schema: 'netcheck/audit/1',
          audit: { ...head, startedAt: new Date(head.startedAtMs).toISOString(), endedAtMs },
          verdict,
          headline: headline(
            verdict,
            counts,
            sorted[0],
            accusedNodes,
            risks[0]?.text,
            risks.length,
            unseenList[0]?.why,
            say,
          ),
          counts,
          checks: [...checks.values()].sort(
            (a, b) =>
              b.counts.confirmed - a.counts.confirmed ||
              b.counts.likely - a.counts.likely ||
              b.counts.unknown - a.counts.unknown ||
              naturalOrder(a.check, b.check),
          ),
          nodes: rows,
          findings: sorted,
          outliers: [...found.outliers],
          normal: [...found.normal],
          unseen: unseenList,
          ...(last === null ? {} : { previous: { id: last.id, startedAt: new Date(last.startedAtMs).toISOString() } }),
          changes: [...compared.changes],
        },
        baseline: {
          id: head.id,
          playbook: head.playbook,
          selector: head.selector,
          startedAtMs: head.startedAtMs,
          nodes: compared.remembered,
        },
      };
    },
  };
}

const noCounts: Readonly<Record<Verdict, number>> = {
  confirmed: 0,
  likely: 0,
  ruledOut: 0,
  notApplicable: 0,
  unknown: 0,
  error: 0,
};

/** Where there is no room for all, `likely` ones give way to `confirmed` ones. */
function keepWorst(kept: AuditFinding[], finding: AuditFinding): void {
  if (kept.length < mostFindings) {
    kept.push(finding);
    return;
  }
  if (finding.verdict !== 'confirmed') return;
  const at = kept.findIndex(({ verdict }) => verdict === 'likely');
  if (at !== -1) kept[at] = finding;
}

/** `confirmed` first, then what is on most nodes. */
function byWeight(checks: ReadonlyMap<string, AuditCheck>): (a: AuditFinding, b: AuditFinding) => number {
  const spread = ({ check }: AuditFinding): number => {
    const counts = checks.get(check)?.counts;
    return (counts?.confirmed ?? 0) + (counts?.likely ?? 0);
  };
  return (a, b) =>
    Number(b.verdict === 'confirmed') - Number(a.verdict === 'confirmed') ||
    spread(b) - spread(a) ||
    naturalOrder(a.check, b.check) ||
    naturalOrder(a.node, b.node);
}

function headline(
  verdict: AuditReport['verdict'],
  counts: AuditReport['counts'],
  first: AuditFinding | undefined,
  nodes: number,
  outlier: string | undefined,
  outliers: number,
  unseen: string | undefined,
  say: AuditText,
): string {
  if (verdict === 'found')
    return first === undefined
      ? say.onlyOutliers({ count: outliers, text: outlier ?? '' })
      : say.found({
          findings: counts.confirmed + counts.likely,
          nodes,
          of: counts.looked,
          title: first.title,
          on: first.node,
        });
  if (verdict === 'clear') return say.clear({ nodes: counts.nodes });
  const why = unseen ?? '';
  return counts.looked === 0
    ? say.nobody({ nodes: counts.nodes, why })
    : say.inconclusive({ looked: counts.looked, nodes: counts.nodes, why });
}

/** `node-7 (10.0.0.7:22) refused …` is the same reason on every node. */
function withoutName(why: string, node: string): string {
  const end = why.startsWith(`${node} (`) ? why.indexOf(') ') : -1;
  return end === -1 ? why : why.slice(end + 2);
}
