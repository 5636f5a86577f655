import type { CounterReading } from '../model/facts.ts';
import type { ParseInput, Parsed } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * /proc/softirqs and /proc/interrupts: a line of CPUs, then `LABEL: NUMBER… TEXT`, one number per CPU. A few lines
 * (`ERR`, `MIS`) have a single number. CPUs that are offline have no column.
 *
 * @param nameOf name of a counter from the label and the words behind the numbers; undefined: not such a line
 */
export function perCpuTable(
  input: ParseInput,
  {
    group,
    nameOf,
    perCpu,
  }: {
    readonly group: string;
    readonly nameOf: (label: string, rest: readonly string[]) => string | undefined;
    readonly perCpu: boolean;
  },
): Parsed<CounterReading> {
  const problems = problemList();
  const sums = counterTable(input);
  let cpus: readonly string[] | undefined;
  for (const { text, line } of outputLines(input, problems)) {
    const parts = words(text);
    const [first = '', ...fields] = parts;
    if (first === '') continue;
    if (cpus === undefined) {
      if (parts.every((part) => /^CPU\d{1,5}$/.test(part))) cpus = parts.map((part) => part.toLowerCase());
      else problems.add(`not a line of CPUs: ${excerpt(text)}`, line);
      continue;
    }
    const firstWord = fields.findIndex((field) => count(field) === undefined);
    const numbers = (firstWord === -1 ? fields : fields.slice(0, firstWord)).slice(0, cpus.length);
    const name = first.endsWith(':') ? nameOf(first.slice(0, -1), fields.slice(numbers.length)) : undefined;
    if (name === undefined || (numbers.length !== cpus.length && numbers.length !== 1)) {
      problems.add(`not the numbers of all CPUs: ${excerpt(text)}`, line);
      continue;
    }
    for (const [cpu, number] of numbers.entries()) {
      const value = count(number) ?? 0;
      sums.add(`${group}.${name}`, value, line);
      if (perCpu && value > 0 && numbers.length > 1) sums.add(`${group}.${name}.${cpus[cpu]}`, value, line);
    }
  }
  if (sums.size === 0) return nothingUsable(input, problems, 'counters of CPUs');
  addStderr(input, problems);
  return { value: sums.reading(problems), problems: problems.all() };
}
