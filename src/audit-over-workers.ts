import type { AuditQueue, AuditRequest, AuditStep } from './engine/ports.ts';
import type { AuditReport } from './model/audit-report.ts';

/**
 * Has an audit made by whatever workers there are, and waits for its report. When the signal is aborted the audit is
 * cancelled: the report then says what was looked at until then.
 *
 * @throws NetcheckError `audit/…`, `queue/down`
 */
export async function auditOverWorkers(
  audits: AuditQueue,
  request: AuditRequest,
  { signal, onStep }: { readonly signal: AbortSignal; readonly onStep: (step: AuditStep) => void },
): Promise<AuditReport> {
  await audits.submit(request);
  const cancel = (): void => {
    audits.cancel(request.id, request.askedBy).catch(() => undefined);
  };
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await audits.follow(request.id, { signal: new AbortController().signal, onStep });
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
