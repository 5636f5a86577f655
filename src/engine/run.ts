import type { Language } from '../model/language.ts';
import type { Plan } from '../model/plan.ts';
import type { Report } from '../model/report.ts';
import { type RunRecord, runFormat } from '../model/run-record.ts';
import type { CollectPorts } from './collect-ports.ts';
import { collect } from './collect.ts';
import { createEarlyTeller } from './decided-so-far.ts';
import type { JudgeRegistries } from './judge.ts';
import { judgeTimed } from './judge-timed.ts';
import type { OnProgress } from './ports.ts';

export interface RunInput {
  readonly id: string;
  readonly plan: Plan;
  readonly language: Language;
  /** Version of netcheck, for the record. */
  readonly netcheck: string;
}

/**
 * One run, from plan to report: collect -> parse -> evaluate -> report (the last three in `judge`, which a replay
 * calls again on the same bytes). What goes wrong on nodes ends up in the report; only our own faults reject.
 */
export async function run(
  { id, plan: planned, language, netcheck }: RunInput,
  registries: JudgeRegistries,
  ports: CollectPorts,
  options: { readonly signal: AbortSignal; readonly onProgress: OnProgress },
): Promise<Report> {
  const { onProgress } = options;
  const startedAtMs = ports.now();
  onProgress({
    type: 'planned',
    nodes: planned.nodes.map(({ node, roles }) => ({ name: node.name, roles })),
    playbooks: planned.playbooks,
  });

  type Known = Pick<RunRecord, 'plan' | 'clockOffsetsMs'>;
  const recordOf = ({ plan, clockOffsetsMs }: Known, ended: RunRecord['ended']): RunRecord => {
    const times = { startedAtMs, endedAtMs: ports.now() };
    return { format: runFormat, id, netcheck, language, ...times, plan, clockOffsetsMs, ended };
  };
  const tellSoFar = createEarlyTeller((soFar) => recordOf(soFar, 'early'), registries, { now: ports.now, onProgress });
  const { evidence, ended, phases, ...collected } = await collect(id, planned, registries, ports, {
    ...options,
    tellSoFar,
  });

  onProgress({ type: 'phase', phase: 'judge', atMs: ports.now() });
  const timed = { ...recordOf(collected, ended), phases };
  const { record, report } = judgeTimed(timed, evidence, registries, ports.now);

  await ports.sink.finish(record, report);
  for (const { verdict, rule, node, title } of report.findings)
    if (verdict === 'confirmed') onProgress({ type: 'decided', rule, node, title });
  onProgress({ type: 'finished', verdict: report.verdict, headline: report.headline });
  return report;
}
