import type { SocketSummary } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** ss(8) with -s, with and without what versions before 5 say in addition (`(kernel 37)`, `timewait 2/0`, `ports 2`). */
export const ssSummary: Parser<SocketSummary> = {
  kind: 'ss-summary',
  reads: 'ss -s',
  fact: 'socketSummary',
  sample: `Total: 29
TCP:   15 (estab 5, closed 3, orphaned 0, timewait 2)

Transport Total     IP        IPv6
RAW	  0         0         0        
UDP	  3         2         1        
TCP	  12        6         6        
`,
  parse(input) {
    const problems = problemList();
    let total: { value: number; line: number } | undefined;
    const tcp = new Map<string, number>();
    const transports: SocketSummary['transports'][number][] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const [first = '', second, third, fourth, ...more] = words(text);
      // Versions before 5 have a line `*` with the kernel's total, which counts other things as well.
      if (first === '' || first === 'Transport' || first === '*') continue;
      const number = count(second);
      if (first === 'Total:' && number !== undefined) {
        total ??= { value: number, line };
      } else if (first === 'TCP:' && number !== undefined) {
        tcp.set('total', number);
        for (const [, name = '', value = ''] of text.slice(0, 300).matchAll(/\b([a-z]{1,16}) (\d{1,12})\b/g)) {
          tcp.set(name, Number(value));
        }
      } else {
        const [ipv4, ipv6] = [count(third), count(fourth)];
        if (/^[A-Z][A-Z0-9]{1,9}$/.test(first) && number !== undefined && ipv4 !== undefined && ipv6 !== undefined) {
          transports.push({ name: first, total: number, ipv4, ipv6, at: { evidence: input.evidence, line } });
        } else {
          problems.add(
            `not a line of the summary: ${excerpt([first, second, third, fourth, ...more].join(' '))}`,
            line,
          );
        }
      }
    }
    if (total === undefined) return nothingUsable(input, problems, 'socket summary');
    addStderr(input, problems);
    return {
      value: {
        total: total.value,
        tcp: Object.fromEntries(tcp),
        transports,
        at: { evidence: input.evidence, line: total.line },
      },
      problems: problems.all(),
    };
  },
};
