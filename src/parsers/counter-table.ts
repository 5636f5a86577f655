import type { At } from '../model/evidence.ts';
import type { CounterReading } from '../model/facts.ts';
import type { ParseInput } from '../model/parser.ts';
import type { ProblemList } from './problem-list.ts';

/** More names than any kernel or driver has. */
export const mostCounters = 100_000;

/** Counters by name while an output is read. */
export interface CounterTable {
  /** The last value of a name counts; it keeps the line of its first. */
  set(name: string, value: number, line: number): void;
  /** Adds up what CPUs or devices counted under one name. */
  add(name: string, value: number, line: number): void;
  readonly size: number;
  /** Everything so far. Says what was dropped, and that numbers above 2^53 are rounded. */
  reading(problems: ProblemList): CounterReading;
}

export function counterTable({ evidence }: Pick<ParseInput, 'evidence'>): CounterTable {
  const counters = new Map<string, { value: number; readonly at: At }>();
  let dropped = 0;
  const take = (name: string, line: number, valueAfter: (before: number) => number): void => {
    const known = counters.get(name);
    if (known !== undefined) known.value = valueAfter(known.value);
    else if (counters.size < mostCounters) counters.set(name, { value: valueAfter(0), at: { evidence, line } });
    else dropped += 1;
  };
  return {
    set: (name, value, line) => take(name, line, () => value),
    add: (name, value, line) => take(name, line, (before) => before + value),
    get size() {
      return counters.size;
    },
    reading(problems) {
      if (dropped > 0) problems.add(`${dropped} more counters than the ${mostCounters} that are kept`);
      const [first, ...others] = [...counters].filter(([, { value }]) => Math.abs(value) > Number.MAX_SAFE_INTEGER);
      if (first !== undefined) {
        const [name, { at }] = first;
        const more = others.length === 0 ? '' : ` and ${others.length} more`;
        problems.add(`${name.slice(0, 80)}${more}: above 2^53, so that the last digits are rounded`, at.line);
      }
      return Object.fromEntries(counters);
    },
  };
}
