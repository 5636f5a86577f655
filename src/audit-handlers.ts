import { createAuditFold } from './engine/audit-fold.ts';
import { notLooked } from './engine/audit-node.ts';
import { auditText } from './engine/audit-wording.ts';
import type { AuditHandlers, AuditRequest, NodeSlots } from './engine/ports.ts';
import type { Wiring } from './wiring.ts';

/** What a worker does for audits that go over many workers: the same as an audit in one process, node by node. */
export function auditHandlers(
  wiring: Pick<Wiring, 'planAudit' | 'auditNode' | 'baselines' | 'writeLog'>,
  slots: NodeSlots,
  more: Pick<AuditHandlers, 'step' | 'finished' | 'failed'> = {},
): AuditHandlers {
  return {
    ...more,
    async begin(request) {
      const { id, playbook, selector, language, askedAtMs } = request;
      // The time of the question, so that whoever goes on after a crash begins the same audit.
      const { plan, last } = await wiring.planAudit(
        { id, ...(playbook === undefined ? {} : { playbook }), selector, startedAtMs: askedAtMs },
        language,
      );
      const fold = createAuditFold(plan.head, last);
      const nodes = plan.jobs.map(({ node }) => node);
      await wiring.writeLog({
        event: 'started',
        atMs: Date.now(),
        ...logged(request, plan.head.playbook, nodes),
        playbooks: [plan.head.playbook],
      });
      return {
        jobs: plan.jobs,
        add: (node) => fold.addNode(node),
        async finish({ cancelled }) {
          const { report, baseline } = fold.finish(Date.now());
          // A stopped audit has seen only a part: the next one is compared with the one before.
          if (!cancelled) await wiring.baselines.keep(baseline).catch(tellTrouble);
          await wiring.writeLog({
            event: 'ended',
            atMs: Date.now(),
            ...logged(request, plan.head.playbook, nodes),
            verdict: cancelled ? 'cancelled' : report.verdict,
            headline: report.headline,
            tookMs: Date.now() - askedAtMs,
          });
          return report;
        },
      };
    },
    node: (job, { signal }) => wiring.auditNode(job, { signal, slots }),
    notLooked: (job, why) => {
      const say = auditText[job.language];
      return notLooked(job, why === 'cancelled' ? say.cancelled : say.lost, Date.now());
    },
  };
}

function logged({ id, askedBy, selector, thread }: AuditRequest, playbook: string, nodes: readonly string[]) {
  return {
    run: id,
    askedBy,
    ...(thread === undefined ? {} : { channel: thread.channel, thread: thread.rootTs }),
    text: `audit ${playbook}${selector === '' ? '' : ` --nodes ${selector}`}`,
    nodes: [...nodes],
  };
}

function tellTrouble(error: unknown): void {
  process.stderr.write(`netcheck: ${error instanceof Error ? error.message : String(error)}\n`);
}
