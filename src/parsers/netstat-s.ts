import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { netstatWordings } from './netstat-wordings.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * `netstat -s` of net-tools: sentences, back to the kernel's names. Most counters are printed only when they are not
 * zero, so a name that is not here is *not* one that this kernel lacks: the reading does not become a fact.
 */
export const netstatS: Parser<CounterReading> = {
  kind: 'netstat-s',
  reads: 'netstat -s',
  fact: null,
  sample: `Ip:
    Forwarding: 1
    1787 total packets received
Tcp:
    149 passive connection openings
TcpExt:
    150 passive connections rejected because of time stamp
    150 SYNs to LISTEN sockets dropped
    TCPReqQFullDoCookies: 4
`,
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    let section: string | undefined;
    let histogram: 'In' | 'Out' | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const sentence = text.trim().replace(/\.$/, '');
      if (sentence === '') continue;
      const heading = /^([A-Z][A-Za-z0-9]{1,15}):$/.exec(text.trimEnd())?.[1];
      if (heading !== undefined) {
        section = heading;
        histogram = undefined;
        continue;
      }
      const direction = /^ICMP (in|out)put histogram:$/.exec(sentence)?.[1];
      if (direction !== undefined) {
        histogram = direction === 'in' ? 'In' : 'Out';
        continue;
      }
      const digits = /\d{1,20}/.exec(sentence.slice(0, 300))?.[0];
      const indented = text.startsWith(' ') || text.startsWith('\t');
      if (section === undefined || digits === undefined || !indented) {
        // These are said in words and count nothing.
        if (!/^(?:Forwarding is|RTO algorithm is)/.test(sentence))
          problems.add(`not a counter: ${excerpt(text)}`, line);
        continue;
      }
      const raw = /^([A-Z]\w{1,60}): \d{1,20}$/.exec(sentence)?.[1];
      const wording = sentence.replace(digits, '#').toLowerCase();
      const group = section.startsWith('Icmp') && histogram !== undefined ? `${section} ${histogram}` : section;
      const name = raw ?? netstatWordings.get(group)?.get(wording);
      if (name === undefined) problems.add(`a counter in unknown words: ${excerpt(text)}`, line);
      else counters.set(`${section}.${name}`, Number(digits), line);
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'counters');
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};
