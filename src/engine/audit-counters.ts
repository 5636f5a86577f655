import type { CounterDeltas, Facts } from '../model/facts.ts';
import type { CounterSnapshot } from '../model/node-audit.ts';
import { isTroubleCounter } from '../rules/trouble-counters.ts';

/** Most counters that are kept of one node. */
const mostKept = 100;

/** The counters of losses, as they were read last; undefined where none was read. */
export function snapshotOf(facts: Facts, readAtMs: number): CounterSnapshot | undefined {
  const all: CounterDeltas = { ...facts.counters, ...facts.conntrackStats };
  const values = Object.entries(all).flatMap(([name, { after, before }]) => {
    const value = after ?? before;
    return value === null || !isTroubleCounter(name) ? [] : [[name, value] as const];
  });
  if (values.length === 0) return undefined;
  const uptimeSec = facts.clock?.uptimeSec;
  return {
    readAtMs,
    ...(uptimeSec === undefined ? {} : { uptimeSec }),
    values: Object.fromEntries(values.slice(0, mostKept)),
  };
}
