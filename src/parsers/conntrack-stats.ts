import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * `conntrack -S`: `cpu=0 found=0 … drop=0` per CPU, added up (the set of names differs by version), or one `name
 * value` per line (conntrack-tools before 1.0, the sums already).
 */
export const conntrackStats: Parser<CounterReading> = {
  kind: 'conntrack-stats',
  reads: 'conntrack -S',
  fact: 'conntrackStats',
  sample: `cpu=0   	found=0 invalid=3 insert=0 insert_failed=2 drop=0 early_drop=0 error=0 search_restart=0 clash_resolve=0 chaintoolong=0 
cpu=1   	found=0 invalid=2 insert=0 insert_failed=1 drop=0 early_drop=0 error=0 search_restart=2 clash_resolve=0 chaintoolong=0 
`,
  parse(input) {
    const problems = problemList();
    const sums = counterTable(input);
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const pairs = readPairs(parts);
      if (pairs === undefined) {
        problems.add(`not counters of conntrack: ${excerpt(text)}`, line);
        continue;
      }
      for (const [name, value] of pairs) sums.add(`conntrack.${name}`, value, line);
    }
    if (sums.size === 0) return nothingUsable(input, problems, 'counters of conntrack');
    addStderr(input, problems);
    return { value: sums.reading(problems), problems: problems.all() };
  },
};

function readPairs(parts: readonly string[]): readonly (readonly [string, number])[] | undefined {
  if (parts.length === 2 && /^[a-z_]{1,40}$/.test(parts[0] ?? '')) {
    const value = count(parts[1]);
    return value === undefined ? undefined : [[parts[0] ?? '', value]];
  }
  const pairs: (readonly [string, number])[] = [];
  if (!/^cpu=\d+$/.test(parts[0] ?? '')) return undefined;
  for (const part of parts.slice(1)) {
    const match = /^([a-z_]{1,40})=(\d{1,20})$/.exec(part);
    if (match === null) return undefined;
    pairs.push([match[1] ?? '', Number(match[2])]);
  }
  return pairs;
}
