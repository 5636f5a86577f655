import type { At } from '../model/evidence.ts';
import type { CounterDeltas, Clock, SinceAudit } from '../model/facts.ts';
import type { CounterSnapshot } from '../model/node-audit.ts';
import { deltaOf } from './join-counters.ts';
import type { Reading } from './join-facts.ts';

/** Clocks of nodes and of netcheck drift apart a little between two audits, seconds. */
const slackSec = 60;

/** What the last audit kept, against what was read now. Nothing where there was no last audit. */
export function joinSinceAudit(
  last: Reading | undefined,
  now: CounterDeltas,
  clock: Clock | undefined,
): SinceAudit | undefined {
  if (last === undefined) return undefined;
  const { readAtMs, uptimeSec, values, at } = last.value as CounterSnapshot & { readonly at: At };
  const { entry } = last.evidence;
  const elapsedSec = Math.max(0, (entry.startedAtMs - readAtMs) / 1000);
  const isUp = clock?.uptimeSec !== undefined && uptimeSec !== undefined;
  // since it was started it has run for longer than the time between the audits, and for longer than it had then
  const rebooted = !isUp || clock.uptimeSec < uptimeSec || clock.uptimeSec + slackSec < elapsedSec;
  const counters = Object.entries(values).flatMap(([name, before]) => {
    const read = now[name];
    const after = read?.after ?? read?.before;
    if (read === undefined || after === undefined || after === null) return [];
    return [[name, deltaOf(name, before, after, { rebooted, at: read.at })] as const];
  });
  return { elapsedSec, rebooted, counters: Object.fromEntries(counters), at };
}
