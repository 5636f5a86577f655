import path from 'node:path';
import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import { settledWithin } from './adapters/queue/redis-client.ts';
import { stopReasonOf } from './adapters/queue/stop-reason.ts';
import { attachmentsOf } from './attachments-of.ts';
import type { AccessPlan } from './access.ts';
import type { AccessCheck } from './check-access.ts';
import { dataDirectory } from './config.ts';
import { contextOf } from './earlier-runs.ts';
import { type Ending, pastRunOf } from './engine/past-run-of.ts';
import type { AnswerThread, NodeSlots, OnProgress, RunRequest } from './engine/ports.ts';
import type { TrialResult } from './engine/try-change.ts';
import type { Trial } from './model/change.ts';
import { NetcheckError, sentencesOf } from './model/errors.ts';
import type { InventoryNode } from './model/inventory.ts';
import type { Language } from './model/language.ts';
import type { Plan } from './model/plan.ts';
import type { Report } from './model/report.ts';
import type { TriedChange } from './model/run-context.ts';
import { trialText } from './report/trial-text.ts';
import { type AskInto, runTrial } from './run-trial.ts';
import { createRunDirectory, type Wiring } from './wiring.ts';

/** What a run needs besides itself. */
export interface RunSurroundings {
  readonly thread: AnswerThread;
  readonly wiring: Wiring;
  readonly slots: NodeSlots;
  readonly memory: Pick<QueueAdapter, 'history' | 'patientHistory'>;
  readonly access: AccessCheck;
}

/** How long an ended run waits for being remembered; a Redis that is away is told when it is back. */
const rememberWithinMs = 2000;

/**
 * One run from the queue to its answer. The thread gets exactly one: the report, or why there is none. Rejects only
 * where the run is to be handed to another worker, or is no longer ours.
 */
export async function handleRun(
  request: RunRequest,
  { signal, attempt }: { readonly signal: AbortSignal; readonly attempt: number },
  { thread, wiring, slots, memory, access }: RunSurroundings,
): Promise<void> {
  const runsDirectory = path.join(dataDirectory(wiring.loaded), 'runs');
  const directory = path.join(runsDirectory, request.id);
  let plan: Plan | undefined;
  let tried: TrialResult | undefined;
  /** Whether `wiring.run` has begun it, which writes the end of what it began. */
  let isLogged = false;
  let outcome: { readonly report: Report } | { readonly error: unknown };
  try {
    const planned = await wiring.plan(request.text);
    plan = planned;
    await refuseOnceMore(request, plan, wiring, access);
    const onProgress: OnProgress = (event) => thread.progress(event);
    const ask: AskInto = (id, into) => {
      const sink = createRunDirectory(into);
      isLogged = true;
      return wiring.run(planned, {
        id,
        language: request.language,
        signal,
        onProgress,
        sink,
        slots,
        askedBy: request.askedBy,
        thread: request.thread,
        attempt,
        mayJoin: async (node) => (await refusalOf(request, withNode(planned, node), access)) === undefined,
      });
    };
    if (isTrial(request)) {
      const around = { wiring, access, directory, attempt, signal, onProgress };
      tried = await runTrial(request, plan, ask, around);
      outcome = tried.report === undefined ? { error: notReported(tried, request) } : { report: tried.report };
    } else outcome = { report: await ask(request.id, directory) };
  } catch (error) {
    outcome = { error };
  }
  const stopped = stopReasonOf(signal);
  if (stopped?.why === 'closing' || stopped?.why === 'takenOver') throw new Error(`run ${request.id}: ${stopped.why}`);
  const ending = ((): Ending => {
    // What became of a change is told also where the run was cancelled.
    if (stopped?.why === 'cancelled' && tried === undefined)
      return { how: 'cancelled', message: stopped.by, hint: '', plan };
    if ('report' in outcome) return { how: 'finished', report: outcome.report };
    return { how: 'failed', ...failureOf(outcome.error, request.language), plan };
  })();
  if (ending.how === 'failed' && !isLogged) await logLost(request, ending.message, wiring);
  try {
    await answer();
    await tried?.forget();
  } finally {
    await remember(request, ending, memory);
  }

  async function answer(): Promise<void> {
    if (ending.how !== 'finished') {
      const { message, hint, how } = ending;
      return thread.failed({ message, hint, cancelled: how === 'cancelled' });
    }
    const { report } = ending;
    const earlier = { history: memory.history, runsDirectory, registries: wiring.registries };
    const context = { ...(await contextOf(request, report, earlier, say)), ...triedOf(tried, request) };
    return thread.report(report, () => attachmentsOf(report, directory, request.language, say), context);
  }
}

const isTrial = (request: RunRequest): request is RunRequest & { readonly trial: Trial } => request.trial !== undefined;

/** What became of the change, for the answer. */
function triedOf(tried: TrialResult | undefined, { trial }: RunRequest): { readonly trial?: TriedChange } {
  if (tried === undefined || trial === undefined) return {};
  return { trial: { trial, outcome: tried.outcome, steps: tried.steps } };
}

/** Where the question could not be asked once more: what became of the change, as the reason why there is no report. */
function notReported(tried: TrialResult, request: RunRequest): NetcheckError {
  const text = (language: Language) => {
    const { trial } = triedOf(tried, request);
    const { headline, lines } = trial === undefined ? { headline: '', lines: [] } : trialText(trial, language, 'plain');
    return { message: headline, hint: lines.join('\n') };
  };
  const { message, hint } = text('en');
  return new NetcheckError('change/no-report', message, hint, { zh: text('zh') });
}

/** The end of a run in the audit log, where nobody else writes it: it was never begun, or its workers have died. */
export function logLost(
  { id: run, askedBy, text, thread, askedAtMs }: RunRequest,
  headline: string,
  { writeLog }: Pick<Wiring, 'writeLog'>,
): Promise<void> {
  const { channel, rootTs } = thread;
  return writeLog({
    event: 'ended',
    atMs: Date.now(),
    run,
    askedBy,
    channel,
    thread: rootTs,
    text,
    nodes: [],
    verdict: 'failed',
    headline,
    tookMs: Math.max(0, Date.now() - askedAtMs),
  });
}

/**
 * The configuration may have changed since it was asked, and an entry of the queue proves nothing.
 *
 * @throws NetcheckError `ask/not-allowed`
 */
async function refuseOnceMore(
  request: RunRequest,
  plan: Plan,
  { writeLog }: Wiring,
  access: AccessCheck,
): Promise<void> {
  const refusal = await refusalOf(request, plan, access);
  if (refusal === undefined) return;
  const { id, text, askedBy, thread } = request;
  const why = `${refusal.message} ${refusal.hint}`;
  await writeLog({
    event: 'refused',
    atMs: Date.now(),
    run: id,
    askedBy,
    channel: thread.channel,
    action: 'ask',
    text,
    why,
  });
  throw new NetcheckError('ask/not-allowed', refusal.message, refusal.hint);
}

const refusalOf = (
  { askedBy, thread, language }: RunRequest,
  plan: AccessPlan,
  access: AccessCheck,
): ReturnType<AccessCheck['refuse']> =>
  access.refuse({ user: askedBy, channel: thread.channel, action: 'ask', plan }, language);

/** The traffic goes on to this node: may the person ask about it as well? */
const withNode = ({ playbooks, nodes }: Plan, node: InventoryNode): AccessPlan => ({
  playbooks,
  nodes: [...nodes, { node }],
});

/** Keeps how a run ended, for those that come after it. Never rejects, and never takes long. */
export async function remember(
  request: RunRequest,
  ending: Ending,
  memory: Pick<QueueAdapter, 'patientHistory'>,
): Promise<void> {
  const remembered = memory.patientHistory.record(pastRunOf(request, ending, Date.now()));
  remembered.catch((error: unknown) => say(`run ${request.id} is not remembered: ${String(error)}`));
  await settledWithin(remembered, rememberWithinMs);
}

function say(sentence: string): void {
  process.stderr.write(`netcheck: ${sentence}\n`);
}

const ownFault = {
  en: {
    message: 'netcheck itself failed on this run.',
    hint: 'The log of the worker has the details. Re-check runs it again.',
  },
  zh: { message: '这次运行中 netcheck 自身出错。', hint: 'worker 的日志里有详情。“重新检查”会再运行一次。' },
} as const;

/** What the thread says where there is no report. Details of our own faults are for the log, not for a channel. */
export function failureOf(
  error: unknown,
  language: Language,
): {
  readonly message: string;
  readonly hint: string;
  readonly cancelled: boolean;
} {
  if (error instanceof NetcheckError) return { ...sentencesOf(error, language), cancelled: false };
  process.stderr.write(
    `netcheck: our own fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return {
    ...ownFault[language],
    cancelled: false,
  };
}
