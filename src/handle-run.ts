import path from 'node:path';
import { stopReasonOf } from './adapters/queue/stop-reason.ts';
import { attachmentsOf } from './attachments-of.ts';
import { dataDirectory } from './config.ts';
import type { AnswerThread, NodeSlots, RunRequest } from './engine/ports.ts';
import { NetcheckError } from './model/errors.ts';
import { createRunDirectory, type Wiring } from './wiring.ts';

/**
 * One run from the queue to its answer. The thread gets exactly one: the report, or why there is none. Rejects only
 * where the run is to be handed to another worker, or is no longer ours.
 */
export async function handleRun(
  request: RunRequest,
  { signal }: { readonly signal: AbortSignal },
  thread: AnswerThread,
  wiring: Wiring,
  slots: NodeSlots,
): Promise<void> {
  const directory = path.join(dataDirectory(wiring.loaded), 'runs', request.id);
  let outcome: { readonly report: Awaited<ReturnType<Wiring['run']>> } | { readonly error: unknown };
  try {
    const plan = await wiring.plan(request.text);
    const report = await wiring.run(plan, {
      id: request.id,
      language: request.language,
      signal,
      onProgress: (event) => thread.progress(event),
      sink: createRunDirectory(directory),
      slots,
      askedBy: request.askedBy,
    });
    outcome = { report };
  } catch (error) {
    outcome = { error };
  }
  const stopped = stopReasonOf(signal);
  if (stopped?.why === 'closing' || stopped?.why === 'takenOver') throw new Error(`run ${request.id}: ${stopped.why}`);
  if (stopped?.why === 'cancelled') return thread.failed({ message: stopped.by, hint: '', cancelled: true });
  if ('error' in outcome) return thread.failed(failureOf(outcome.error));
  const { report } = outcome;
  return thread.report(report, () =>
    attachmentsOf(report, directory, request.language, (sentence) => process.stderr.write(`netcheck: ${sentence}\n`)),
  );
}

/** What the thread says where there is no report. Details of our own faults are for the log, not for a channel. */
export function failureOf(error: unknown): {
  readonly message: string;
  readonly hint: string;
  readonly cancelled: boolean;
} {
  if (error instanceof NetcheckError) return { message: error.message, hint: error.hint, cancelled: false };
  process.stderr.write(
    `netcheck: our own fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return {
    message: 'netcheck itself failed on this run.',
    hint: 'The log of the worker has the details. Re-check runs it again.',
    cancelled: false,
  };
}
