import type { Collector } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import type { FactName } from '../model/facts.ts';
import type { Finding } from '../model/report.ts';
import type { AnyRule } from '../model/rule.ts';
import type { RunRecord } from '../model/run-record.ts';
import { type JudgeRegistries, judge } from './judge.ts';
import type { OnProgress } from './ports.ts';

/** What a run has in the middle. */
export interface SoFar {
  readonly plan: RunRecord['plan'];
  /** With what captures that still run have seen, as captures that were cut short. */
  readonly evidence: readonly Evidence[];
  readonly clockOffsetsMs: RunRecord['clockOffsetsMs'];
  /** Whether a collector has still to read something. */
  readonly isPending: (collector: Collector) => boolean;
}

/** More than this is not read again and again while it grows, bytes: of captures, and of everything together. */
const mostCaptureBytes = 4 * 1024 * 1024;
const mostBytes = 12 * 1024 * 1024;
/** A look in the middle takes at most one part in so many of the time. */
const shareOfTime = 20;

/**
 * What is confirmed already, and stays so: every reading of the facts that the rule declares is in, on every node that
 * it may look at, and nothing of it rests on a packet that did not come, because a capture that still runs is judged as
 * one that was cut short. Rules on one node also wait for the probes: whose connects failed is a part of their answer.
 */
export function decidedSoFar(record: RunRecord, soFar: SoFar, registries: JudgeRegistries): readonly Finding[] {
  const { plan, evidence, isPending } = soFar;
  const pending = plan.steps.flatMap(({ node, collector: id }) => {
    const collector = registries.collectors.get(id);
    return collector === undefined || collector.when === 'capture' || !isPending(collector)
      ? []
      : [{ node, collector }];
  });
  const isProbing = pending.some(({ collector }) => collector.when === 'probe');
  return judge(record, evidence, registries).findings.filter((finding) => {
    const rule = registries.rules.get(finding.rule);
    if (rule === undefined || finding.verdict !== 'confirmed') return false;
    if (rule.scope === 'node' && isProbing) return false;
    const facts = factsOf(rule);
    return !pending.some(
      ({ node, collector }) =>
        (rule.scope === 'path' || node === finding.node) && collector.provides.some((fact) => facts.has(fact)),
    );
  });
}

/** `namespace` besides: where the place turns out to be gone, nothing that was read in it counts. */
function factsOf(rule: AnyRule): ReadonlySet<FactName> {
  switch (rule.scope) {
    case 'node':
      return new Set([...rule.needs, ...rule.optional, 'namespace']);
    case 'path':
      return new Set([...rule.needs.client, ...rule.needs.target, ...rule.optional, 'namespace']);
    case 'capture':
      return new Set([...(rule.optional ?? []), 'namespace']);
  }
}

/**
 * Tells the first findings as soon as they are decided, once. Called as often as one likes; it keeps its own pace.
 *
 * @param recordOf the record of the run as it is now
 */
export function createEarlyTeller(
  recordOf: (soFar: SoFar) => RunRecord,
  registries: JudgeRegistries,
  { now, onProgress }: { readonly now: () => number; readonly onProgress: OnProgress },
): (take: () => SoFar) => void {
  let told = false;
  let notBeforeMs = 0;
  return (take) => {
    const startedAtMs = now();
    if (told || startedAtMs < notBeforeMs) return;
    const soFar = take();
    const bytesOf = (evidence: readonly Evidence[]): number =>
      evidence.reduce((sum, { stdout, stderr }) => sum + stdout.length + stderr.length, 0);
    if (bytesOf(soFar.evidence.filter(({ entry }) => entry.kind === 'pcap')) > mostCaptureBytes) return;
    if (bytesOf(soFar.evidence) > mostBytes) return;
    let decided: readonly Finding[];
    try {
      decided = decidedSoFar(recordOf(soFar), soFar, registries);
    } catch {
      // A fault of our own that shows here shows again at the end, where it is told; the run goes on until then.
      told = true;
      return;
    }
    for (const { rule, node, title } of decided) onProgress({ type: 'decided', rule, node, title });
    told = decided.length > 0;
    notBeforeMs = now() + (now() - startedAtMs) * shareOfTime;
  };
}
