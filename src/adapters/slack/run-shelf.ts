import type { RunRequest } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { EvidenceEntry } from '../../model/evidence.ts';
import type { Plan } from '../../model/plan.ts';
import type { Report } from '../../model/report.ts';
import type { VerdictNote } from '../../model/verdict-note.ts';
import type { ExplainStep } from '../../report/explain.ts';

/**
 * What the buttons of a run show besides what stands in the thread. Runs are saved by the worker that had them, which may
 * be on another machine than the one that gets the click.
 */
export interface RunShelf {
  /** What a question would run. @throws NetcheckError `ask/…` */
  plan(run: RunRequest): Promise<{ readonly plan: Plan; readonly steps: readonly ExplainStep[] }>;
  /** Undefined where the run has no report yet, or is not saved here. */
  report(runId: string): Promise<Report | undefined>;
  /** Undefined where the run is not saved here. */
  output(
    runId: string,
    entry: Pick<EvidenceEntry, 'node' | 'id'>,
  ): Promise<{ readonly stdout: Uint8Array; readonly stderr: Uint8Array } | undefined>;
  /** Rule ids, for saying which one it was instead. */
  readonly rules: readonly string[];
  /** Keeps what a person says of a verdict, with the run where it is saved here. */
  keepNote(runId: string, note: VerdictNote): Promise<'withRun' | 'noteAlone'>;
}

/** Where nothing is saved. */
export const emptyShelf: RunShelf = {
  plan: () =>
    Promise.reject(new NetcheckError('config/invalid', 'Nothing can be planned here.', 'Ask the bot itself.')),
  report: () => Promise.resolve(undefined),
  output: () => Promise.resolve(undefined),
  rules: [],
  keepNote: () => Promise.reject(new Error('there is no place for notes')),
};
