import { stopReasonOf } from './adapters/queue/stop-reason.ts';
import type { AuditRecord } from './model/audit-log-record.ts';

type Ended = Extract<AuditRecord, { event: 'ended' }>;

/** What the audit log says of a run besides its end. */
export interface LoggedRun {
  readonly run: string;
  readonly askedBy: string;
  /** Where in Slack. */
  readonly thread?: { readonly channel: string; readonly rootTs?: string } | undefined;
  readonly text: string;
  readonly nodes: readonly string[];
  readonly playbooks: readonly string[];
  /** Above 1 where an earlier worker died in the middle. */
  readonly attempt?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Does `work` between a `started` and an `ended` of the audit log.
 *
 * @param flush writes what has run on nodes; before the `ended`
 */
export async function logRun<Report extends { readonly verdict: Ended['verdict']; readonly headline: string }>(
  write: (record: AuditRecord) => Promise<void>,
  { run, askedBy, thread, text, nodes, playbooks, attempt = 1, signal }: LoggedRun,
  flush: () => Promise<void>,
  work: () => Promise<Report>,
): Promise<Report> {
  const startedAtMs = Date.now();
  const about = {
    run,
    askedBy,
    ...(thread === undefined ? {} : { channel: thread.channel }),
    ...(thread?.rootTs === undefined ? {} : { thread: thread.rootTs }),
    text,
    nodes: [...nodes],
  };
  const ended = async (verdict: Ended['verdict'], headline: string): Promise<void> => {
    await flush();
    const stopped = stopReasonOf(signal)?.why ?? (signal.aborted ? 'cancelled' : undefined);
    await write({
      event: 'ended',
      atMs: Date.now(),
      ...about,
      verdict: stopped === undefined ? verdict : stopped === 'cancelled' ? 'cancelled' : 'interrupted',
      headline,
      tookMs: Date.now() - startedAtMs,
    });
  };
  // Before the first connection: a run whose worker dies is in the log all the same.
  await write({
    event: 'started',
    atMs: startedAtMs,
    ...about,
    playbooks: [...playbooks],
    ...(attempt > 1 ? { attempt } : {}),
  });
  try {
    const report = await work();
    await ended(report.verdict, report.headline);
    return report;
  } catch (error) {
    await ended('failed', error instanceof Error ? error.message : String(error));
    throw error;
  }
}
