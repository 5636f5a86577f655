import type { AccessCheck } from './check-access.ts';
import { createAuditFold } from './engine/audit-fold.ts';
import { notLooked } from './engine/audit-node.ts';
import { auditText } from './engine/audit-wording.ts';
import type { AuditPlan } from './engine/plan-audit.ts';
import type { AuditHandlers, AuditRequest, NodeSlots } from './engine/ports.ts';
import { NetcheckError } from './model/errors.ts';
import type { Wiring } from './wiring.ts';

/** What a worker does for audits that go over many workers: the same as an audit in one process, node by node. */
export function auditHandlers(
  wiring: Pick<Wiring, 'planAudit' | 'auditNode' | 'baselines' | 'writeLog'>,
  slots: NodeSlots,
  access: Pick<AccessCheck, 'refuse'>,
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
      await refuseUncovered(request, plan, wiring, access);
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

/**
 * Whoever reaches Redis uses the keys of the workers. On a command line there is no Slack user: `cli:NAME` stands for who
 * asks there.
 *
 * @throws NetcheckError `ask/not-allowed`
 */
async function refuseUncovered(
  request: AuditRequest,
  { head: { playbook }, jobs }: AuditPlan,
  { writeLog }: Pick<Wiring, 'writeLog'>,
  access: Pick<AccessCheck, 'refuse'>,
): Promise<void> {
  const { id, askedBy, thread, language } = request;
  const user = thread === undefined ? `cli:${askedBy}` : askedBy;
  const plan = { playbooks: [playbook], nodes: jobs.map(({ node, labels }) => ({ node: { name: node, labels } })) };
  const channel = thread?.channel ?? '';
  const refusal = await access.refuse({ user, channel, action: 'audit', plan }, language);
  if (refusal === undefined) return;
  await writeLog({
    event: 'refused',
    atMs: Date.now(),
    run: id,
    askedBy: user,
    channel,
    action: 'audit',
    text: logged(request, playbook, []).text,
    why: `${refusal.message} ${refusal.hint}`,
  });
  throw new NetcheckError('ask/not-allowed', refusal.message, refusal.hint);
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
