import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** /proc/net/sockstat and sockstat6: `sockstat.TCP.inuse`, `sockstat.TCP.tw`, `sockstat.sockets.used` … */
export const procNetSockstat: Parser<CounterReading> = {
  kind: 'proc-net-sockstat',
  reads: 'cat /proc/net/sockstat | cat /proc/net/sockstat6',
  fact: 'counters',
  sample: `sockets: used 229
TCP: inuse 4 orphan 0 tw 4 alloc 17 mem 1
UDP: inuse 0 mem 0
FRAG: inuse 0 memory 0
`,
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    for (const { text, line } of outputLines(input, problems)) {
      const [first = '', ...fields] = words(text);
      if (first === '') continue;
      const group = /^(sockets|[A-Z][A-Z0-9]{1,15}):$/.exec(first)?.[1];
      const pairs: [string, number][] = [];
      for (let at = 0; at < fields.length; at += 2) {
        const value = count(fields[at + 1]);
        const name = fields[at] ?? '';
        if (value !== undefined && /^[a-z]{1,20}$/.test(name)) pairs.push([name, value]);
      }
      if (group === undefined || pairs.length * 2 !== fields.length) {
        problems.add(`not a line of sockstat: ${excerpt(text)}`, line);
        continue;
      }
      for (const [name, value] of pairs) {
        counters.set(`sockstat.${group}.${name}`, value, line);
      }
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'socket counts');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
