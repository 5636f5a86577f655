import type { PhaseSpan } from '../model/phase-span.ts';

/** Writes down how long the parts of a run take. */
export interface PhaseClock {
  /** The run goes on to this part; the one before has ended. */
  begin(phase: PhaseSpan['phase']): void;
  /** One node's share of a part. @returns what to call when it has ended; calling it again does nothing more */
  beginOn(node: string, phase: PhaseSpan['phase']): () => void;
  /** Everything until now, in the order in which it began; what goes on ends now. */
  spans(): PhaseSpan[];
}

/** @param now milliseconds; a clock that is set back makes a part short, never negative */
export function createPhaseClock(now: () => number): PhaseClock {
  const originMs = now();
  const elapsed = (): number => Math.max(0, now() - originMs);
  const spans: { phase: PhaseSpan['phase']; node?: string; startMs: number; endMs?: number }[] = [];
  let current: (typeof spans)[number] | undefined;
  return {
    begin(phase) {
      const atMs = elapsed();
      if (current !== undefined) current.endMs = Math.max(current.startMs, atMs);
      current = { phase, startMs: atMs };
      spans.push(current);
    },
    beginOn(node, phase) {
      const span: (typeof spans)[number] = { phase, node, startMs: elapsed() };
      spans.push(span);
      return () => {
        span.endMs ??= Math.max(span.startMs, elapsed());
      };
    },
    spans() {
      const atMs = elapsed();
      return spans.map(({ phase, node, startMs, endMs }) => ({
        phase,
        startMs,
        endMs: endMs ?? Math.max(startMs, atMs),
        ...(node === undefined ? {} : { node }),
      }));
    },
  };
}
