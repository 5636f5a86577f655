import type { Collector } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import { createDeadline } from '../model/deadline.ts';
import type { CounterSnapshot } from '../model/node-audit.ts';
import type { Parser } from '../model/parser.ts';
import type { Plan } from '../model/plan.ts';
import { createPhaseClock } from './phase-clock.ts';
import { clockOffset } from './clock-offset.ts';
import type { Collected } from './collect.ts';
import type { CollectPorts } from './collect-ports.ts';
import { lookAround, open, stepsOf } from './open-node.ts';

/** Collector and kind under which the counters of the last audit stand in the evidence of this one. */
export const lastAuditKind = 'last-audit';

/**
 * One node that nobody asked about: connect, look, read everything once in two rounds (the second is made of what the
 * first found: devices), done. No capture, no probe, no window.
 */
export async function collectNode(
  runId: string,
  plan: Plan,
  registries: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
  ports: CollectPorts,
  { signal, last }: { readonly signal: AbortSignal; readonly last: CounterSnapshot | undefined },
): Promise<Collected & { readonly evidence: readonly Evidence[] }> {
  const wall = createDeadline(plan.budget.wallMs, signal);
  const [planned] = plan.nodes;
  if (planned === undefined) throw new Error('an audit of a node without the node');
  let ended: Collected['ended'] = 'complete';
  const clock = createPhaseClock(ports.now);
  try {
    const opened = await open(
      runId,
      plan,
      planned,
      registries.parsers,
      ports,
      () => undefined,
      clock,
      () => [],
      { signal: wall.signal },
    );
    if (!('session' in opened))
      return { plan, evidence: [opened.unreachable], clockOffsetsMs: {}, ended, phases: clock.spans() };
    const { session, release } = opened;
    try {
      if (last !== undefined) await session.note(lastAuditKind, lastAuditKind, `${JSON.stringify(last)}\n`);
      if (await lookAround(session, registries)) {
        const steps = stepsOf(plan, session, registries.collectors).filter(({ collector }) => collector.id !== 'look');
        const isLate = ({ when, afterOthers }: Collector): boolean => when === 'last' || afterOthers === true;
        for (const late of [false, true])
          await Promise.all(
            steps
              .filter(({ collector }) => isLate(collector) === late)
              .map(({ collector, params }) => session.collect(collector, params, 'once')),
          );
      }
      if (wall.signal.aborted) ended = signal.aborted ? 'cancelled' : 'budget';
      return {
        plan,
        evidence: session.evidence,
        clockOffsetsMs: Object.fromEntries(clockOffset(session, registries.parsers)),
        ended,
        phases: clock.spans(),
      };
    } finally {
      wall.abort('cancelled');
      await Promise.allSettled([session.close(), release()]);
    }
  } finally {
    wall.clear();
  }
}
