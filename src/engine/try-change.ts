import {
  changeArguments,
  changeHelperPath,
  changesIn,
  type NotChangedReason,
  type PutBackReason,
  type Trial,
  type TrialOutcome,
  type TrialStep,
} from '../model/change.ts';
import { createDeadline } from '../model/deadline.ts';
import type { Exit } from '../model/evidence.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Report } from '../model/report.ts';
import type { Comparison } from '../model/run-context.ts';
import type { NodeTransport } from './ports.ts';

/** What a trial works with. */
export interface TrialPorts {
  readonly transport: Pick<NodeTransport, 'connect'>;
  /** The question of the run, asked once more. Rejects where it cannot be asked. */
  readonly ask: (when: 'before' | 'after') => Promise<Report>;
  /** What became of the troubles of `before`. */
  readonly compare: (before: Report, after: Report) => Comparison['outcome'];
  readonly now: () => number;
  /** Never rejects. */
  readonly onStep: (step: TrialStep) => Promise<void>;
}

/** `report`: the last answer to the question, where one was had. */
export interface TrialResult {
  readonly outcome: TrialOutcome;
  readonly steps: readonly TrialStep[];
  readonly report: Report | undefined;
  /** Takes the record of the change from the node; what was kept stays. Called when the outcome was told. Never rejects. */
  readonly forget: () => Promise<void>;
}

const states = ['pending', 'putting-back', 'kept', 'back', 'same', 'unknown'] as const;

/** What the program on the node says of a change. */
interface Told {
  readonly state: (typeof states)[number];
  readonly previous: string;
  readonly now: string;
  readonly by: string;
  /** Why it did not do it. */
  readonly refused?: string;
}
type Heard =
  | { readonly heard: true; readonly told: Told }
  /** `nothingDone`: it cannot have done anything; absent: it may have, and its answer was lost. */
  | { readonly heard: false; readonly nothingDone?: 'unreachable' | 'noHelper' };

const commandTimeoutMs = 20_000;
const connectMs = 10_000;
/** What telling the node, and one look at whether it heard, may take beyond the two runs. */
const slackMs = 20_000;
/** How long a node that cannot be reached is waited for after its timer must have put the change back. */
const patienceMs = 20_000;
const retryMs = 2_000;

/**
 * Tries a change: asks again whether the trouble is still there, has the node make the change with its own timer armed to
 * take it back, asks once more, and keeps the change only where the trouble is gone and nothing new appeared. Whatever
 * happens to this process, the node ends with the change kept or taken back.
 *
 * Called again after its process has died (`id` is the same) it first asks the node how far that one came; a change that
 * was left in the air is put back.
 *
 * @param id fit for a file name; the same for every attempt
 * @param options.wallMs what one run may take, milliseconds; the timer on the node waits longer than that
 * @param options.signal aborted: the change is put back at once
 */
export async function tryChange(
  id: string,
  trial: Trial,
  node: InventoryNode,
  ports: TrialPorts,
  options: { readonly wallMs: number; readonly attempt: number; readonly signal: AbortSignal },
): Promise<TrialResult> {
  const { signal, wallMs, attempt } = options;
  const steps: TrialStep[] = [];
  const step = async (what: TrialStep['step']): Promise<void> => {
    const one = { atMs: ports.now(), step: what };
    steps.push(one);
    await ports.onStep(one);
  };
  const holdSec = Math.min(900, Math.ceil((wallMs + slackMs) / 1000));
  let report: Report | undefined;
  /** When the node's timer has put the change back at the latest. */
  let putBackByMs = ports.now() + commandTimeoutMs + holdSec * 1000;
  const ended = async (outcome: TrialOutcome): Promise<TrialResult> => {
    await step(outcome.how);
    return { outcome, steps, report, forget: async () => void (await tell('forget', id)) };
  };
  const notChanged = (because: NotChangedReason, words = ''): Promise<TrialResult> =>
    ended({ how: 'notChanged', because, words });

  if (attempt > 1) {
    const left = await tell('status', id);
    if (!left.heard) return reachAgain('workerDied');
    const { state, previous, now, by } = left.told;
    if (state === 'pending' || state === 'putting-back') return putBack('workerDied');
    if (state === 'back') return ended({ how: 'putBack', because: by === 'timer' ? 'timer' : 'workerDied', now });
    if (state === 'kept') {
      report = await ports.ask('after').catch(() => undefined);
      return ended({ how: 'kept', previous, now });
    }
  }

  await step('before');
  const before = await ports.ask('before');
  report = before;
  if (signal.aborted) return notChanged('cancelled');
  // What is changed is what the rules conclude from this look, not what a message said.
  const wanted = changeArguments(trial.change).join('\n');
  const offered = changesIn(before).some(
    (one) => one.node === trial.node && one.rule === trial.rule && changeArguments(one.change).join('\n') === wanted,
  );
  if (!offered) return notChanged('gone');

  putBackByMs = ports.now() + commandTimeoutMs + holdSec * 1000;
  const begun = await tell('begin', id, String(holdSec), ...changeArguments(trial.change));
  if (!begun.heard) {
    return begun.nothingDone === undefined ? reachAgain('unreachable') : notChanged(begun.nothingDone);
  }
  const { told } = begun;
  if (told.state === 'same') return notChanged('already', told.now);
  if (told.refused !== undefined) return notChanged('helper', told.refused);
  if (told.state !== 'pending') return notChanged('helper', told.state);
  await step('changed');

  if (signal.aborted) return putBack('cancelled');
  await step('after');
  const after = await ports.ask('after').catch(() => undefined);
  if (after !== undefined) report = after;
  if (signal.aborted) return putBack('cancelled');
  const outcome = after === undefined ? 'unsure' : ports.compare(before, after);
  if (outcome !== 'fixed') return putBack(outcome === 'still' || outcome === 'different' ? outcome : 'unsure');
  const kept = await tell('keep', id);
  if (!kept.heard) return reachAgain('unreachable');
  const { state, previous, now, by } = kept.told;
  if (state === 'kept') return ended({ how: 'kept', previous, now });
  return ended({ how: 'putBack', because: by === 'timer' ? 'timer' : 'unsure', now });

  async function putBack(because: PutBackReason): Promise<TrialResult> {
    const back = await tell('back', id);
    return back.heard ? settled(back.told, because) : reachAgain(because);
  }

  /** The node does not answer: its timer works alone. Asks until it answers, and some time beyond the last moment. */
  async function reachAgain(because: PutBackReason): Promise<TrialResult> {
    while (ports.now() < putBackByMs + patienceMs) {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      const back = await tell('back', id);
      if (back.heard) return settled(back.told, because);
    }
    return ended({ how: 'unknown', putBackByMs });
  }

  function settled({ state, previous, now, by }: Told, because: PutBackReason): Promise<TrialResult> {
    if (state === 'kept') return ended({ how: 'kept', previous, now });
    if (state === 'back') return ended({ how: 'putBack', because: by === 'timer' ? 'timer' : because, now });
    // After a restart of the node nothing is known there, and nothing of the change is left either.
    if (state === 'unknown') return ended({ how: 'putBack', because, now: '' });
    return ended({ how: 'unknown', putBackByMs });
  }

  /** Not with the signal of the run: what was begun is ended also where the run is cancelled. */
  async function tell(verb: string, ...words: readonly string[]): Promise<Heard> {
    const limit = createDeadline(commandTimeoutMs + connectMs);
    const connected = await ports.transport.connect(node, { signal: limit.signal });
    if (!connected.ok) {
      limit.clear();
      return { heard: false, nothingDone: 'unreachable' };
    }
    try {
      const { exit, stdout } = await connected.connection.run(
        {
          argv: [changeHelperPath, verb, ...words],
          privilege: 'root',
          timeoutMs: commandTimeoutMs,
          maxBytes: 16_384,
          waits: true,
        },
        { signal: limit.signal },
      );
      return heardOf(exit, stdout);
    } finally {
      limit.clear();
      await connected.connection.close();
    }
  }
}

function heardOf(exit: Exit, stdout: Uint8Array): Heard {
  const lines = new Map(
    Buffer.from(stdout)
      .toString('utf8')
      .split('\n')
      .flatMap((line) => {
        const at = line.indexOf('=');
        return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1, at + 400)] as const];
      }),
  );
  const refused = lines.get('refused') ?? lines.get('failed');
  const state = states.find((one) => one === lines.get('state')) ?? 'unknown';
  if (refused !== undefined || lines.has('state'))
    return {
      heard: true,
      told: {
        state,
        previous: lines.get('previous') ?? '',
        now: lines.get('now') ?? '',
        by: lines.get('by') ?? '',
        ...(refused === undefined ? {} : { refused }),
      },
    };
  // The program is not there, or sudo does not let us run it.
  if (exit.how === 'notStarted' || (exit.how === 'exited' && exit.code !== 0))
    return { heard: false, nothingDone: 'noHelper' };
  return { heard: false };
}
