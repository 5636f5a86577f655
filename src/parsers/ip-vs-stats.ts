import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const names = ['conns', 'packets_in', 'packets_out', 'bytes_in', 'bytes_out'] as const;

/**
 * /proc/net/ip_vs_stats (ip_vs_stats_show, net/netfilter/ipvs/ip_vs_ctl.c): hexadecimal totals: `ip_vs.conns`,
 * `ip_vs.packets_in` … The rates below them are left out: two readings tell more.
 */
export const ipVsStats: Parser<CounterReading> = {
  kind: 'ip-vs-stats',
  reads: 'cat /proc/net/ip_vs_stats',
  fact: 'counters',
  sample: `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
  16AA370 E33656E5        0     51D8C8883AB3                0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4    1FB3C        0          1282A8F                0
`,
  parse(input) {
    const problems = problemList();
    let state: 'before' | 'names' | 'values' | 'done' = 'before';
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (state === 'before' && parts[0] === 'Total') state = 'names';
      else if (state === 'names' && parts[0] === 'Conns') state = 'values';
      else if (state === 'values') {
        const values = parts.map(hexCount);
        if (values.length !== names.length || values.includes(undefined)) {
          problems.add(`not the totals of IPVS: ${excerpt(text)}`, line);
          break;
        }
        state = 'done';
        addStderr(input, problems);
        const counters = counterTable(input);
        for (const [i, name] of names.entries()) counters.set(`ip_vs.${name}`, values[i] ?? 0, line);
        return { value: counters.reading(problems), problems: problems.all() };
      } else problems.add(`not a line of ip_vs_stats: ${excerpt(text)}`, line);
    }
    return nothingUsable(input, problems, 'totals of IPVS');
  },
};
