import type { CounterReading } from '../model/facts.ts';
import type { ParseInput, Parsed } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * /proc/net/stat/*: one line of names, then one line of hexadecimal numbers per CPU. Numbers of all CPUs are added up,
 * but for `entries`, which is the same total on every line. A line that does not have exactly one number per name is
 * left out with a problem.
 *
 * @param group what stands before the dot of every name: `conntrack`, `rt_cache` …
 */
export function perCpuCounters(input: ParseInput, group: string): Parsed<CounterReading> {
  const problems = problemList();
  let names: readonly string[] | undefined;
  const sums = counterTable(input);
  for (const { text, line } of outputLines(input, problems)) {
    const parts = words(text);
    if (parts.length === 0) continue;
    if (names === undefined) {
      if (parts[0] === 'entries' && parts.every((name) => /^[a-z_0-9]{1,40}$/.test(name))) names = parts;
      else problems.add(`not the names of counters: ${excerpt(text)}`, line);
      continue;
    }
    const values = parts.map(hexCount);
    if (values.length !== names.length || values.includes(undefined)) {
      problems.add(`${names.length} names but not as many numbers: ${excerpt(text)}`, line);
      continue;
    }
    for (const [at, name] of names.entries()) {
      const value = values[at] ?? 0;
      if (name === 'entries') sums.set(`${group}.${name}`, value, line);
      else sums.add(`${group}.${name}`, value, line);
    }
  }
  if (sums.size === 0) return nothingUsable(input, problems, 'counters');
  addStderr(input, problems);
  return { value: sums.reading(problems), problems: problems.all() };
}
