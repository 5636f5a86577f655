import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { signedCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * `ethtool -S DEV` (ethtool(8)): the driver's own counters, by its own names, behind the device of the command:
 * `ethtool.eth0.rx_missed_errors`; without a known device `ethtool.rx_missed_errors`.
 */
export const ethtoolS: Parser<CounterReading> = {
  kind: 'ethtool-s',
  reads: 'ethtool -S DEV',
  fact: 'counters',
  sample: `NIC statistics:
     rx_queue_0_drops: 0
     bw_in_allowance_exceeded: 12
     rx_missed_errors: 3
`,
  parse(input) {
    const problems = problemList();
    const option = input.argv.findIndex((word) => word === '-S' || word === '--statistics');
    const device = option === -1 ? undefined : input.argv[option + 1];
    const group = device === undefined ? 'ethtool' : `ethtool.${device}`;
    const counters = counterTable(input);
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (text.startsWith('NIC statistics:')) {
        header = true;
        continue;
      }
      // Names of some drivers have blanks, brackets and colons of their own.
      const colon = text.lastIndexOf(':');
      const name = text.slice(0, Math.max(0, colon)).trim();
      const value = signedCount(text.slice(colon + 1).trim());
      if (!header || name === '' || name.length > 80 || value === undefined) {
        problems.add(`not a counter of the driver: ${excerpt(text)}`, line);
      } else {
        counters.set(`${group}.${name}`, value, line);
      }
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'counters of the driver');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
