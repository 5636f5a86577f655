import type { AccessCheck } from './check-access.ts';
import { compareRuns } from './engine/compare-runs.ts';
import { pastRunOf } from './engine/past-run-of.ts';
import type { RunRequest } from './engine/ports.ts';
import { type TrialResult, tryChange } from './engine/try-change.ts';
import type { Trial } from './model/change.ts';
import { NetcheckError } from './model/errors.ts';
import type { Plan } from './model/plan.ts';
import type { Report } from './model/report.ts';
import type { Wiring } from './wiring.ts';

/** The question of a trial, asked with the evidence going to this directory. */
export type AskInto = (id: string, directory: string) => Promise<Report>;

/**
 * The run of a change that two people want, see {@link tryChange}. The run before the change is kept beside the one after
 * it, as `ID-before`.
 *
 * @param directory of the run after the change
 * @throws NetcheckError `ask/not-allowed`: it is switched off here, or one of the two may not do their part
 */
export async function runTrial(
  request: RunRequest & { readonly trial: Trial },
  plan: Plan,
  ask: AskInto,
  surroundings: {
    readonly wiring: Wiring;
    readonly access: AccessCheck;
    readonly directory: string;
    readonly attempt: number;
    readonly signal: AbortSignal;
    readonly onProgress: (event: { type: 'trial'; node: string; step: TrialResult['steps'][number]['step'] }) => void;
  },
): Promise<TrialResult> {
  const { wiring, access, directory, attempt, signal, onProgress } = surroundings;
  const { trial, id } = request;
  const node = await allowedNode(request, plan, wiring, access);
  return tryChange(
    id,
    trial,
    node,
    {
      transport: wiring.transportOf(id),
      ask: (when) => (when === 'after' ? ask(id, directory) : ask(`${id}-before`, `${directory}-before`)),
      compare: (before, after) => {
        const past = pastRunOf(request, { how: 'finished', report: before }, before.timing.endedAtMs);
        return compareRuns({ past, report: before }, after).outcome;
      },
      now: Date.now,
      onStep: async ({ atMs, step }) => {
        onProgress({ type: 'trial', node: trial.node, step });
        const { askedBy, approvedBy, command } = trial;
        await wiring.writeLog({
          event: 'changed',
          atMs,
          run: id,
          node: trial.node,
          command,
          step,
          askedBy,
          approvedBy,
        });
      },
    },
    { wallMs: plan.budget.wallMs, attempt, signal },
  );
}

/** An entry of the queue proves nothing: whether this may be done is judged here once more. */
async function allowedNode(
  { trial, thread, language }: RunRequest & { readonly trial: Trial },
  plan: Plan,
  wiring: Wiring,
  access: AccessCheck,
) {
  const no = (message: string, hint: string): NetcheckError => new NetcheckError('ask/not-allowed', message, hint);
  if (!wiring.loaded.config.remedies.apply)
    throw no('Changes of nodes are switched off here.', 'remedies.apply in netcheck.yaml switches them on.');
  if (trial.askedBy === trial.approvedBy)
    throw no('A change needs two people.', 'Somebody else than the one who asked for it must approve it.');
  for (const [user, action] of [
    [trial.askedBy, 'apply'],
    [trial.approvedBy, 'approve'],
  ] as const) {
    const refusal = await access.refuse({ user, channel: thread.channel, action, plan }, language);
    if (refusal !== undefined) throw no(refusal.message, refusal.hint);
  }
  const planned = plan.nodes.find(({ node, netns }) => node.name === trial.node && netns === undefined);
  const node = planned && (await wiring.inventory.find(trial.node));
  if (!node) throw no(`${trial.node} is not a node of this run.`, 'Ask again and use the button of the new answer.');
  return node;
}
