/**
 * Why a run's `signal` was aborted: the `signal.reason` that a handler of the queue's worker sees.
 *
 * - `cancelled`: a person pressed Cancel. The handler gives the thread its one final answer and resolves.
 * - `closing`: this process is about to stop. A handler that **rejects** hands the run back to the queue, and another
 *   worker (or this one after its restart) starts it again with a higher `attempt`; one that resolves has answered.
 * - `takenOver`: Redis was away for so long that another worker holds the run now. The handler says nothing more.
 */
export type StopReason =
  | { readonly why: 'cancelled'; readonly by: string }
  | { readonly why: 'closing' }
  | { readonly why: 'takenOver' };

/** The reason where `signal` was aborted by the queue, else undefined. */
export function stopReasonOf(signal: AbortSignal): StopReason | undefined {
  if (!signal.aborted) return undefined;
  const reason: unknown = signal.reason;
  if (typeof reason !== 'object' || reason === null || !('why' in reason)) return undefined;
  if (reason.why === 'cancelled' && 'by' in reason && typeof reason.by === 'string') {
    return { why: 'cancelled', by: reason.by };
  }
  return reason.why === 'closing' || reason.why === 'takenOver' ? { why: reason.why } : undefined;
}
