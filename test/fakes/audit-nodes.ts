import { createAuditFold } from '../../src/engine/audit-fold.ts';
import type { AuditHandlers, AuditRequest } from '../../src/engine/ports.ts';
import type { AuditJob, NodeAudit } from '../../src/model/node-audit.ts';

export const auditRequest = (id: string, nodes: number): AuditRequest => ({
  id,
  selector: `count=${nodes}`,
  language: 'en',
  askedBy: 'U0ANNA',
  askedAtMs: 1_795_234_472_000,
});

export const jobOf = (audit: string, index: number): AuditJob => ({
  audit,
  node: `node-${String(index).padStart(5, '0')}`,
  playbook: 'node-audit',
  language: 'en',
  labels: { role: 'web' },
});

export function resultOf(job: AuditJob, outcome: NodeAudit['outcome'] = 'looked', why?: string): NodeAudit {
  return {
    node: job.node,
    labels: job.labels,
    outcome,
    ...(why === undefined ? {} : { why }),
    startedAtMs: 1000,
    tookMs: 20,
    checks: outcome === 'looked' ? { mtu: { rule: 'mtu', title: 'MTU', verdict: 'ruledOut' } } : {},
    findings: [],
    unknown: [],
    facts: {},
  };
}

/**
 * Audits of `node-00000` and so on, as many as the selector says (`count=12`), put together as real ones are.
 * @param node what looking at one comes to; by default it is looked at, at once
 */
export function auditHandlers(
  more: Partial<AuditHandlers> = {},
  node: AuditHandlers['node'] = async (job) => resultOf(job),
): AuditHandlers {
  return {
    async begin({ id, selector, language, askedAtMs }) {
      const head = {
        id,
        playbook: 'node-audit',
        selector,
        startedAtMs: askedAtMs,
        language,
        netcheck: '0',
        compareBy: [],
      };
      const fold = createAuditFold(head, null);
      return {
        jobs: Array.from({ length: Number(/\d+/.exec(selector)?.[0]) }, (_none, index) => jobOf(id, index)),
        add: (result) => fold.addNode(result),
        finish: async () => fold.finish(askedAtMs + 1000).report,
      };
    },
    node,
    notLooked: (job, why) => resultOf(job, 'failed', why),
    ...more,
  };
}
