import type { AuditBaseline, BaselineNode } from '../model/audit-baseline.ts';
import type { AuditChange, AuditHead } from '../model/audit-report.ts';
import { auditFingerprint } from '../model/fingerprint.ts';
import { naturalOrder } from '../model/natural-order.ts';
import type { NodeAudit } from '../model/node-audit.ts';
import type { RiskyDifference } from './audit-outliers.ts';
import type { AuditText } from './audit-wording.ts';

/** Changes that are kept word for word; all are counted. */
const mostChanges = 5000;
/** Stands for a rule where a node differs from the others: no rule of its own says so. */
const outlierRule = 'outlier';

type Trouble = BaselineNode['troubles'][number];

/** Compares an audit with the one before, node by node, and makes what the next one is compared with. */
export interface AuditChanges {
  looked(node: NodeAudit): void;
  /** Neither gone nor still: nobody has looked. */
  notLooked(node: string): void;
  /** @param risks what the nodes differ in, which is known only when all are in */
  finish(
    risks: ReadonlyMap<string, readonly RiskyDifference[]>,
    say: AuditText,
  ): {
    readonly changes: readonly AuditChange[];
    readonly counts: Readonly<Record<AuditChange['kind'], number>>;
    readonly remembered: ReadonlyMap<string, BaselineNode>;
  };
}

/** In the first audit of all nothing is new. */
export function createAuditChanges({ startedAtMs }: AuditHead, last: AuditBaseline | null): AuditChanges {
  const remembered = new Map<string, BaselineNode>();
  const changes: AuditChange[] = [];
  const counts = { new: 0, gone: 0, still: 0 };
  /** Nodes that differed before, and were looked at: what became of it. */
  const differedBefore = new Map<string, readonly Trouble[]>();

  const change = (kind: AuditChange['kind'], node: string, trouble: Trouble): void => {
    if (last === null) return;
    counts[kind]++;
    if (changes.length < mostChanges) changes.push({ kind, node, ...trouble });
  };
  /** Troubles of now against those of before; `before` has none that could not be told this time. */
  const compare = (
    node: string,
    now: readonly Omit<Trouble, 'firstSeenMs'>[],
    before: readonly Trouble[],
  ): Trouble[] => {
    const known = new Map(before.map((trouble) => [trouble.fingerprint, trouble]));
    const troubles = now.map((one) => ({
      ...one,
      firstSeenMs: known.get(one.fingerprint)?.firstSeenMs ?? startedAtMs,
    }));
    for (const trouble of troubles) change(known.has(trouble.fingerprint) ? 'still' : 'new', node, trouble);
    const there = new Set(now.map(({ fingerprint }) => fingerprint));
    for (const trouble of before) if (!there.has(trouble.fingerprint)) change('gone', node, trouble);
    return troubles;
  };

  return {
    looked({ node, findings, startedAtMs: lookedAtMs, counters, unknown, facts }) {
      const before = last?.nodes.get(node)?.troubles ?? [];
      const found = findings.map(({ fingerprint, rule, title }) => ({ fingerprint, rule, title }));
      const told = new Set(found.map(({ fingerprint }) => fingerprint));
      // what could not be told, or was not read, this time is not gone
      const untold = new Set(unknown.map(({ check }) => auditFingerprint(check, node)));
      const unread = before.filter(
        ({ rule, fingerprint }) =>
          rule === outlierRule && !Object.keys(facts).some((fact) => outlierFingerprint(fact, node) === fingerprint),
      );
      const open = before.filter(
        (one) => unread.includes(one) || (untold.has(one.fingerprint) && !told.has(one.fingerprint)),
      );
      const rest = before.filter((one) => !open.includes(one));
      const differed = rest.filter(({ rule }) => rule === outlierRule);
      if (differed.length > 0) differedBefore.set(node, differed);
      const troubles = compare(
        node,
        found,
        rest.filter(({ rule }) => rule !== outlierRule),
      );
      remembered.set(node, {
        node,
        lookedAtMs,
        troubles: [...troubles, ...open],
        ...(counters === undefined ? {} : { counters }),
      });
    },
    notLooked(node) {
      const before = last?.nodes.get(node);
      if (before !== undefined) remembered.set(node, before);
    },
    finish(risks, say) {
      for (const node of new Set([...risks.keys(), ...differedBefore.keys()])) {
        const known = remembered.get(node);
        if (known === undefined) continue;
        // a finding about the same setting says it already
        const said = new Set(known.troubles.map(({ fingerprint }) => fingerprint));
        const news = (risks.get(node) ?? []).filter(({ fact }) => !said.has(auditFingerprint(fact, node)));
        const now = news.map(({ fact, value, usual }) => ({
          fingerprint: outlierFingerprint(fact, node),
          rule: outlierRule,
          title: say.differs({ fact, value, usual }),
        }));
        const troubles = compare(node, now, differedBefore.get(node) ?? []);
        remembered.set(node, { ...known, troubles: [...known.troubles, ...troubles] });
      }
      return {
        changes: changes.sort(
          (a, b) =>
            kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
            naturalOrder(a.node, b.node) ||
            naturalOrder(a.rule, b.rule) ||
            naturalOrder(a.fingerprint, b.fingerprint),
        ),
        counts,
        remembered,
      };
    },
  };
}

const kinds: readonly AuditChange['kind'][] = ['new', 'gone', 'still'];

function outlierFingerprint(fact: string, node: string): string {
  return auditFingerprint(`${outlierRule} ${fact}`, node);
}
