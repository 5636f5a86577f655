import type { EvidenceEntry } from '../model/evidence.ts';
import type { Report } from '../model/report.ts';
import type { RunPhase } from './run-status.ts';

/** A stretch of a run; milliseconds since its start. */
export interface TimelineSpan {
  readonly phase: RunPhase;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RunTimeline {
  /** End of the axis. */
  readonly tookMs: number;
  /** The run as a whole: one phase after the other, without a hole. Phases that took no time are left out. */
  readonly phases: readonly TimelineSpan[];
  readonly nodes: readonly {
    readonly node: string;
    /** In the order of their beginnings; they may overlap. */
    readonly spans: readonly TimelineSpan[];
    /** From the start of the first capture to the end of the last. */
    readonly capture?: { readonly fromMs: number; readonly toMs: number };
  }[];
}

/** Where the time of a run went, from the times of its commands. Pure: the same report, the same picture. */
export function runTimeline({ evidence, timing, nodes }: Report): RunTimeline {
  const began = Math.min(timing.startedAtMs, ...evidence.map(({ startedAtMs }) => startedAtMs));
  const tookMs = Math.max(1, timing.endedAtMs - began, ...evidence.map(({ endedAtMs }) => endedAtMs - began));
  const afterMs = startOf(evidence.filter(({ phase }) => phase === 'after'));
  const isCapture = ({ kind }: EvidenceEntry): boolean => kind === 'pcap';
  /** The phase of the run that a command belongs to; what is read at its end once belongs to what is read after. */
  const phaseOf = (entry: EvidenceEntry): RunPhase => {
    switch (entry.phase) {
      case 'look':
        return entry.kind === 'connect' ? 'connect' : 'look';
      case 'once':
        return afterMs !== undefined && entry.startedAtMs >= afterMs ? 'after' : 'look';
      case 'during':
        return isCapture(entry) ? 'capture' : 'probe';
      case 'before':
      case 'after':
        return entry.phase;
    }
  };
  const beginnings: { phase: RunPhase; atMs: number }[] = [{ phase: 'connect', atMs: 0 }];
  for (const phase of ['look', 'capture', 'before', 'probe', 'after'] as const) {
    const own = evidence.filter((entry) => phaseOf(entry) === phase);
    // Some counters are read before the captures begin; that is still a part of looking around.
    const captureMs = beginnings.find((one) => one.phase === 'capture')?.atMs ?? 0;
    const at = startOf(phase === 'before' ? own.filter(({ startedAtMs }) => startedAtMs - began >= captureMs) : own);
    if (at !== undefined) beginnings.push({ phase, atMs: at - began });
  }
  const lastMs = Math.max(0, ...evidence.map(({ endedAtMs }) => endedAtMs - began));
  if (evidence.length > 0) beginnings.push({ phase: 'judge', atMs: lastMs });
  const ordered = beginnings.sort((a, b) => a.atMs - b.atMs);
  const names = [...new Set([...nodes.map(({ name }) => name), ...evidence.map(({ node }) => node)])];
  return {
    tookMs,
    phases: ordered
      .map(({ phase, atMs }, index) => ({ phase, fromMs: atMs, toMs: ordered[index + 1]?.atMs ?? tookMs }))
      .filter(({ fromMs, toMs }) => toMs > fromMs),
    nodes: names.map((node) => {
      const own = evidence.filter((entry) => entry.node === node);
      const captures = own.filter((entry) => isCapture(entry) && entry.endedAtMs > entry.startedAtMs);
      const spans = new Map<RunPhase, { phase: RunPhase; fromMs: number; toMs: number }>();
      const firstMs = startOf(own.filter(({ kind }) => kind !== 'connect'));
      if (firstMs !== undefined && firstMs > began)
        spans.set('connect', { phase: 'connect', fromMs: 0, toMs: firstMs - began });
      for (const entry of own) {
        const phase = phaseOf(entry);
        if (phase === 'capture') continue;
        const [fromMs, toMs] = [entry.startedAtMs - began, entry.endedAtMs - began];
        const span = spans.get(phase);
        if (span === undefined) spans.set(phase, { phase, fromMs: phase === 'connect' ? 0 : fromMs, toMs });
        else [span.fromMs, span.toMs] = [Math.min(span.fromMs, fromMs), Math.max(span.toMs, toMs)];
      }
      const from = startOf(captures);
      return {
        node,
        spans: [...spans.values()].sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs),
        ...(from === undefined
          ? {}
          : {
              capture: { fromMs: from - began, toMs: Math.max(...captures.map(({ endedAtMs }) => endedAtMs)) - began },
            }),
      };
    }),
  };
}

function startOf(entries: readonly EvidenceEntry[]): number | undefined {
  return entries.length === 0 ? undefined : Math.min(...entries.map(({ startedAtMs }) => startedAtMs));
}
