import type { AuditBaseline } from '../model/audit-baseline.ts';
import type { AuditReport } from '../model/audit-report.ts';
import type { AuditJob, NodeAudit } from '../model/node-audit.ts';
import { createAuditFold } from './audit-fold.ts';
import { notLooked } from './audit-node.ts';
import { auditText } from './audit-wording.ts';
import type { AuditPlan } from './plan-audit.ts';

/** What an audit tells while it goes on. */
export type AuditProgress =
  | { readonly type: 'started'; readonly node: string }
  | {
      readonly type: 'node';
      readonly node: string;
      readonly outcome: NodeAudit['outcome'];
      readonly tookMs: number;
      readonly findings: number;
      readonly done: number;
      readonly total: number;
    };

export interface RunAuditOptions {
  /** Nodes side by side. */
  readonly concurrency: number;
  readonly last: AuditBaseline | null;
  readonly signal: AbortSignal;
  readonly onProgress: (event: AuditProgress) => void;
  readonly now: () => number;
  /** One node: see `auditNode`. */
  readonly auditOne: (job: AuditJob) => Promise<NodeAudit>;
}

/** A whole audit in this process. When it is stopped, the nodes that were not looked at say so, and the rest is told. */
export async function runAudit(
  { head, jobs }: AuditPlan,
  { concurrency, last, signal, onProgress, now, auditOne }: RunAuditOptions,
): Promise<{ readonly report: AuditReport; readonly baseline: AuditBaseline }> {
  const fold = createAuditFold(head, last);
  const say = auditText[head.language];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      if (signal.aborted) {
        fold.addNode(notLooked(job, say.cancelled, now()));
        continue;
      }
      onProgress({ type: 'started', node: job.node });
      const audit = await auditOne(job);
      fold.addNode(audit);
      const { node, outcome, tookMs, findings } = audit;
      onProgress({
        type: 'node',
        node,
        outcome,
        tookMs,
        findings: findings.length,
        done: fold.size,
        total: jobs.length,
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, work));
  return fold.finish(now());
}
