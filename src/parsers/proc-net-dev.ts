import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** /proc/net/dev by the names of its second line: `dev.eth0.rx_drop`, `dev.eth0.tx_carrier` … */
export const procNetDev: Parser<CounterReading> = {
  kind: 'proc-net-dev',
  reads: 'cat /proc/net/dev',
  fact: 'counters',
  sample: `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1008      17    0    0    0     0          0         0     1008      17    0    0    0     0       0          0
  eth0:138935     2011    0    3    0     0          0         0   169363    1789    0    0    0     0       0          0
`,
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    let names: readonly string[] | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '' || text.startsWith('Inter-|')) continue;
      const [face = '', receive, transmit, ...more] = text.split('|');
      if (face.trim() === 'face' && receive !== undefined && transmit !== undefined && more.length === 0) {
        names = [...words(receive).map((name) => `rx_${name}`), ...words(transmit).map((name) => `tx_${name}`)];
        continue;
      }
      // Old kernels put no blank between the name and the first number.
      const colon = text.lastIndexOf(':');
      const device = text.slice(0, Math.max(0, colon)).trim();
      const values = words(text.slice(colon + 1)).map(count);
      if (
        names === undefined ||
        !/^\S{1,31}$/.test(device) ||
        values.length !== names.length ||
        values.includes(undefined)
      ) {
        problems.add(`not the counters of a device: ${excerpt(text)}`, line);
        continue;
      }
      for (const [at, name] of names.entries()) {
        const value = values[at];
        if (value !== undefined) counters.set(`dev.${device}.${name}`, value, line);
      }
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'counters of devices');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
