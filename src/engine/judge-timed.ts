import type { Evidence } from '../model/evidence.ts';
import type { PhaseSpan } from '../model/phase-span.ts';
import type { Report } from '../model/report.ts';
import type { RunRecord } from '../model/run-record.ts';
import { type JudgeRegistries, judge } from './judge.ts';

/** `judge`, with its own time among the phases: known only afterwards, so a replay finds it in the record. */
export function judgeTimed(
  record: RunRecord & { readonly phases: readonly PhaseSpan[] },
  evidence: readonly Evidence[],
  registries: JudgeRegistries,
  now: () => number,
): { readonly record: RunRecord; readonly report: Report } {
  const report = judge(record, evidence, registries);
  const startMs = Math.max(0, record.endedAtMs - record.startedAtMs);
  const endMs = Math.max(startMs, now() - record.startedAtMs);
  const phases: PhaseSpan[] = [...record.phases, { phase: 'judge', startMs, endMs }];
  return { record: { ...record, phases }, report: { ...report, timing: { ...report.timing, phases } } };
}
