import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * How many entries the connection-tracking table has now: `conntrack -C` (conntrack(8)) or the sysctl of the same
 * number. A gauge, under the name that /proc/net/stat/nf_conntrack has for it: `conntrack.entries`.
 */
export const conntrackCount: Parser<CounterReading> = {
  kind: 'conntrack-count',
  reads: 'conntrack -C | cat /proc/sys/net/netfilter/nf_conntrack_count',
  fact: null,
  sample: '1843\n',
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    for (const { text, line } of outputLines(input, problems)) {
      const value = count(text.trim());
      if (text.trim() === '') continue;
      if (value === undefined || counters.size > 0) problems.add(`not the number of entries: ${excerpt(text)}`, line);
      else counters.set('conntrack.entries', value, line);
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'number of entries');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
