import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** /proc/net/snmp6 (net/ipv6/proc.c), one `Ip6InDiscards 0` per line: `Ip6.InDiscards`, `Udp6.NoPorts` … */
export const procNetSnmp6: Parser<CounterReading> = {
  kind: 'proc-net-snmp6',
  reads: 'cat /proc/net/snmp6',
  fact: 'counters',
  sample: `Ip6InReceives                   	6
Ip6InDiscards                   	0
Icmp6OutMsgs                    	3
UdpLite6NoPorts                 	0
`,
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const name = /^((?:Ip|Icmp|Udp|UdpLite)6)([A-Z]\w{0,60})$/.exec(parts[0] ?? '');
      const value = count(parts[1]);
      if (name === null || value === undefined || parts.length !== 2) {
        problems.add(`not an IPv6 counter: ${excerpt(text)}`, line);
        continue;
      }
      counters.set(`${name[1]}.${name[2]}`, value, line);
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'IPv6 counters');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
