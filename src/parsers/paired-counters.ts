import type { CounterReading } from '../model/facts.ts';
import type { ParseInput, Parsed } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { signedCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * /proc/net/snmp and /proc/net/netstat (net/ipv4/proc.c): a line of names, then a line of values with the same
 * prefix. Read by name, never by column: kernels differ. Where names and values do not pair up, the whole group is
 * left out, because no value in it can be trusted.
 */
export function pairedCounters(input: ParseInput): Parsed<CounterReading> {
  const problems = problemList();
  const counters = counterTable(input);
  const seen = new Set<string>();
  let header: { group: string; names: readonly string[]; line: number } | undefined;
  for (const { text, line } of outputLines(input, problems)) {
    const [first = '', ...fields] = words(text);
    if (first === '') continue;
    const group = /^([A-Za-z][A-Za-z0-9]{0,30}):$/.exec(first)?.[1];
    if (group === undefined) {
      problems.add(`not a line of counters: ${excerpt(text)}`, line);
      header = undefined;
      continue;
    }
    if (header?.group !== group) {
      if (header !== undefined) problems.add(`${header.group}: names without values`, header.line);
      header = { group, names: fields, line };
      if (!fields.every((name) => /^[A-Za-z]\w{0,60}$/.test(name))) {
        problems.add(`${group}: not counter names: ${excerpt(text)}`, line);
        header = undefined;
      }
      continue;
    }
    const { names } = header;
    header = undefined;
    const values = fields.map(signedCount);
    if (values.length !== names.length || values.includes(undefined)) {
      problems.add(`${group}: ${names.length} names but ${values.length} values`, line);
      continue;
    }
    if (seen.has(group)) problems.add(`${group}: a second time`, line);
    seen.add(group);
    for (const [at, name] of names.entries()) {
      const value = values[at];
      if (value !== undefined) counters.set(`${group}.${name}`, value, line);
    }
  }
  if (header !== undefined && header.names.length > 0)
    problems.add(`${header.group}: names without values`, header.line);
  if (counters.size === 0) return nothingUsable(input, problems, 'counters');
  addStderr(input, problems);
  return { value: counters.reading(problems), problems: problems.all() };
}
