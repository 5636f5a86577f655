import type { KernelLogTopic, KernelLog } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

const most = 1000;

const topics: readonly (readonly [RegExp, KernelLogTopic])[] = [
  [/nf_conntrack: .*table full/, 'conntrack-full'],
  [/ip_conntrack: .*table full/, 'conntrack-full'],
  [/possible SYN flooding/i, 'syn-flooding'],
  [
    /neighbou?r:? table overflow|arp_cache: neighbou?r table overflow|ndisc_cache: neighbou?r table overflow/i,
    'neighbour-overflow',
  ],
  [/martian (?:source|destination)/, 'martian'],
  [/IPVS: .*no destination available/, 'ipvs-no-destination'],
  [/too many (?:of )?orphaned sockets/, 'orphans'],
  [/time wait bucket table overflow/, 'time-wait-overflow'],
  [/TCP: out of memory/, 'tcp-memory'],
  [/NIC Link is (?:Up|Down)|link (?:is )?(?:up|down)\b|lost carrier|Link is (?:Up|Down)/i, 'link-state'],
  [/NETDEV WATCHDOG|transmit queue \d+ timed out/, 'transmit-timeout'],
  [/page allocation failure/, 'allocation-failure'],
  [/Out of memory:|oom-killer/, 'out-of-memory'],
  [/soft lockup|hard LOCKUP|blocked for more than \d+ seconds/, 'lockup'],
];

/** `dmesg`, `dmesg -T` and `journalctl -k`: only lines that begin with a time belong to the log. */
export const dmesg: Parser<KernelLog> = {
  kind: 'dmesg',
  reads: 'dmesg | dmesg -T | journalctl -k --no-pager',
  fact: 'kernelLog',
  sample: `[    0.000000] Linux version 6.18.44 (builder@host) #1 SMP PREEMPT_DYNAMIC
[ 3820.868311] port1: left promiscuous mode
[ 4012.117392] nf_conntrack: nf_conntrack: table full in netns 4026532281, dropping packet
[ 4019.004410] TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:1301. Dropping request.
`,
  parse(input) {
    const problems = problemList();
    const matters: KernelLog['matters'][number][] = [];
    let lines = 0;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '' || text.startsWith('-- ')) continue;
      const entry = entryOf(text.slice(0, 2000));
      if (entry === undefined) {
        // A stack trace or a message of several lines goes on without a time.
        if (lines === 0 || !/^\s/.test(text)) problems.add(`not a line of the kernel log: ${excerpt(text)}`, line);
        continue;
      }
      lines += 1;
      const topic = topics.find(([pattern]) => pattern.test(entry.message))?.[1];
      if (topic === undefined) continue;
      matters.push({
        topic,
        time: entry.time,
        message: excerpt(entry.message),
        at: { evidence: input.evidence, line },
      });
      if (matters.length > most * 2) matters.splice(0, most);
    }
    if (lines === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'kernel log');
    addStderr(input, problems);
    return { value: { lines, matters: matters.slice(-most) }, problems: problems.all() };
  },
};

/** `[12.345] message`, `[Sat Nov 21 03:52:18 2026] message`, `Nov 21 03:52:18 host kernel: message` */
function entryOf(text: string): { time: string; message: string } | undefined {
  const bracket = /^(?:<\d{1,3}>)?\[([^\]]{1,40})\] ?/.exec(text);
  if (bracket !== null) return { time: (bracket[1] ?? '').trim(), message: text.slice(bracket[0].length) };
  const journal = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S{1,255} kernel: /.exec(text);
  return journal === null ? undefined : { time: journal[1] ?? '', message: text.slice(journal[0].length) };
}
