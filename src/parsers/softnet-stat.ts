import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** Columns of softnet_seq_show (net/core/net-procfs.c) that count. Older kernels have fewer at the end. */
const columns: readonly (readonly [number, string])[] = [
  [0, 'processed'],
  [1, 'dropped'],
  [2, 'time_squeeze'],
  [9, 'received_rps'],
  [10, 'flow_limit_count'],
];

/** /proc/net/softnet_stat: one line of hexadecimal numbers per CPU, added up: `softnet.dropped` … */
export const softnetStat: Parser<CounterReading> = {
  kind: 'softnet-stat',
  reads: 'cat /proc/net/softnet_stat',
  fact: 'counters',
  sample: `00049279 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
000dfb82 00000029 0000000a 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
`,
  parse(input) {
    const problems = problemList();
    const sums = counterTable(input);
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (parts.length < 9 || !parts.every((part) => /^[0-9a-f]{8}$/.test(part))) {
        problems.add(`not the numbers of a CPU: ${excerpt(text)}`, line);
        continue;
      }
      for (const [column, name] of columns) {
        const value = hexCount(parts[column]);
        if (value !== undefined) sums.add(`softnet.${name}`, value, line);
      }
    }
    if (sums.size === 0) return nothingUsable(input, problems, 'counters of the CPUs');
    addStderr(input, problems);
    return { value: sums.reading(problems), problems: problems.all() };
  },
};
