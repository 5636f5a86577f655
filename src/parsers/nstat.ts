import type { CounterReading } from '../model/facts.ts';
import type { ParseInput, Parser } from '../model/parser.ts';
import { counterTable } from './counter-table.ts';
import { jsonDocument, looksLikeJson, member } from './json-document.ts';
import { count } from './number.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** Groups of /proc/net/{snmp,netstat,snmp6}, longer names before those that they begin with. */
const groups = 'MPTcpExt TcpExt IpExt IcmpMsg UdpLite6 UdpLite Udp6 Icmp6 Ip6 Icmp Tcp Udp Ip'.split(' ');

/**
 * nstat(8) as text or JSON, with the group taken off the name: `TcpExtListenDrops` -> `TcpExt.ListenDrops`. Only with
 * -a are the numbers absolute, and only with -z are all names there: without, a problem says what is not known.
 */
export const nstat: Parser<CounterReading> = {
  kind: 'nstat',
  reads: 'nstat -asz | nstat -aszj',
  fact: 'counters',
  sample: `#kernel
IpInReceives                    1787               0.0
TcpExtPAWSPassive               150                0.0
TcpExtListenDrops               150                0.0
IcmpMsgInType3                  104                0.0
`,
  parse(input) {
    const problems = problemList();
    const counters = counterTable(input);
    const take = (name: string, value: number | undefined, line: number): void => {
      const group = groups.find((known) => name.startsWith(known) && /^[A-Z]\w{0,60}$/.test(name.slice(known.length)));
      if (group === undefined || value === undefined) problems.add(`not a counter: ${excerpt(name)}`, line);
      else counters.set(`${group}.${name.slice(group.length)}`, value, line);
    };
    if (looksLikeJson(input)) {
      const document = jsonDocument(input, problems);
      const kernel = member(document?.json, 'kernel');
      if (document !== undefined && typeof kernel === 'object' && kernel !== null) {
        for (const [name, value] of Object.entries(kernel)) {
          take(
            name,
            typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined,
            document.line,
          );
        }
      }
    } else {
      for (const { text, line } of outputLines(input, problems)) {
        const [name = '', value, rate, ...more] = words(text);
        if (name === '' || name.startsWith('#')) continue;
        if (rate === undefined || more.length > 0) problems.add(`not a counter: ${excerpt(text)}`, line);
        else take(name, count(value), line);
      }
    }
    if (counters.size === 0) return nothingUsable(input, problems, 'counters');
    warnOfOptions(input, problems);
    addStderr(input, problems);
    return { value: counters.reading(problems), problems: problems.all() };
  },
};

function warnOfOptions({ argv }: ParseInput, problems: ProblemList): void {
  const start = argv.findIndex((word) => word === 'nstat' || word.endsWith('/nstat'));
  if (start === -1) return;
  const options = argv.slice(start + 1);
  const has = (letter: string, long: string): boolean =>
    options.some((option) => option === long || (/^-[a-zA-Z]+$/.test(option) && option.includes(letter)));
  if (!has('a', '--ignore')) problems.add('nstat without -a tells what moved since its last run, not the counters');
  if (!has('z', '--zeros')) problems.add('nstat without -z leaves out counters that are zero');
}
