import type { LoadedConfig } from './config.ts';
import type { AuditProgress } from './engine/run-audit.ts';
import type { AuditReport } from './model/audit-report.ts';
import type { Language } from './model/language.ts';
import { openQueue } from './open-queue.ts';
import { type AuditAsk, newRunId } from './wiring.ts';

/** Nobody has begun it after so long: it is said that there may be nobody. */
const askForWorkersAfterMs = 10_000;

/**
 * An audit that the workers of this installation's Redis make; this process only waits for its report. When the signal
 * is aborted the audit is cancelled: the report then says what was looked at until then.
 *
 * @throws NetcheckError `audit/…`, `queue/…`
 */
export async function auditOverWorkers(
  loaded: LoadedConfig,
  asked: AuditAsk,
  {
    language,
    signal,
    onProgress,
    askedBy,
  }: {
    readonly language: Language;
    readonly signal: AbortSignal;
    readonly onProgress: (event: AuditProgress) => void;
    readonly askedBy: string;
  },
): Promise<AuditReport> {
  const queue = await openQueue(loaded);
  const id = newRunId();
  const cancel = (): void => {
    queue.audits.cancel(id, askedBy).catch(() => undefined);
  };
  const noWorker = setTimeout(
    () =>
      process.stderr.write(
        'netcheck: no worker has begun this audit yet. Is netcheck worker running on this Redis? Without --workers this process does it itself.\n',
      ),
    askForWorkersAfterMs,
  );
  noWorker.unref();
  try {
    await queue.audits.submit({ id, ...asked, language, askedBy, askedAtMs: Date.now() });
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    // Its own signal would leave without the report.
    return await queue.audits.follow(id, {
      signal: new AbortController().signal,
      onStep: (step) => {
        clearTimeout(noWorker);
        onProgress({ type: 'node', ...step });
      },
    });
  } finally {
    clearTimeout(noWorker);
    signal.removeEventListener('abort', cancel);
    await queue.close();
  }
}
