import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { perCpuTable } from './per-cpu-table.ts';

/** /proc/softirqs (proc(5)): one column per CPU, added up: `softirq.NET_RX` … */
export const softirqs: Parser<CounterReading> = {
  kind: 'softirqs',
  reads: 'cat /proc/softirqs',
  fact: 'counters',
  sample: `                    CPU0       CPU1
          HI:          1          0
       TIMER:     219830     197123
      NET_TX:         12          4
      NET_RX:      93012      85110
`,
  parse: (input) =>
    perCpuTable(input, {
      group: 'softirq',
      nameOf: (label) => (/^[A-Z_]{2,20}$/.test(label) ? label : undefined),
      perCpu: false,
    }),
};
