import type { KernelLogTopic, KernelLog } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, mostProblems, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, type TextLine } from './text-lines.ts';

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
  // Before 3.2, for too much memory and too many orphans alike (tcp_out_of_resources, net/ipv4/tcp_timer.c).
  [/Out of socket memory/, 'tcp-memory'],
  [/NIC Link is (?:Up|Down)|link (?:is )?(?:up|down)\b|lost carrier|Link is (?:Up|Down)/i, 'link-state'],
  [/NETDEV WATCHDOG|transmit queue \d+ timed out/, 'transmit-timeout'],
  [/page allocation failure/, 'allocation-failure'],
  [/Out of memory:|oom-killer/, 'out-of-memory'],
  [/soft lockup|hard LOCKUP|blocked for more than \d+ seconds/, 'lockup'],
];

/**
 * `dmesg`, `dmesg -T` and `journalctl -k`: only lines that begin with a time belong to the log. Kernels that were told
 * not to print times (CentOS 6) have none on any line: such an output is a log where one of its lines can be nothing
 * else; `time` is then empty.
 */
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
    const stamped = keptLines(input.evidence);
    const bare = keptLines(input.evidence);
    const strange: TextLine[] = [];
    let isLog = false;
    for (const one of outputLines(input, problems, Infinity)) {
      const { text, line } = one;
      if (text.trim() === '' || text.startsWith('-- ')) continue;
      const entry = entryOf(text.slice(0, 2000));
      if (entry !== undefined) {
        stamped.add(entry, line);
        continue;
      }
      // A stack trace or a message of several lines goes on without a time.
      if (/^\s/.test(text) && stamped.lines > 0) continue;
      bare.add({ time: '', message: text.slice(0, 2000) }, line);
      isLog ||= /^Linux version \d/.test(text);
      if (strange.length <= mostProblems) strange.push({ ...one, text: excerpt(text) });
    }
    const hasTimes = stamped.lines > 0 || !(isLog || bare.matters.length > 0);
    if (hasTimes) for (const { text, line } of strange) problems.add(`not a line of the kernel log: ${text}`, line);
    const { lines, matters } = hasTimes ? stamped : bare;
    if (lines === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'kernel log');
    addStderr(input, problems);
    return { value: { lines, matters: matters.slice(-most) }, problems: problems.all() };
  },
};

interface Entry {
  readonly time: string;
  readonly message: string;
}

/** Counts lines and keeps the last of those that matter. */
function keptLines(evidence: string) {
  const matters: KernelLog['matters'][number][] = [];
  let lines = 0;
  return {
    matters,
    get lines() {
      return lines;
    },
    add({ time, message }: Entry, line: number): void {
      lines += 1;
      const topic = topics.find(([pattern]) => pattern.test(message))?.[1];
      if (topic === undefined) return;
      matters.push({ topic, time, message: excerpt(message), at: { evidence, line } });
      if (matters.length > most * 2) matters.splice(0, most);
    },
  };
}

/** `[12.345] message`, `[Sat Nov 21 03:52:18 2026] message`, `Nov 21 03:52:18 host kernel: message` */
function entryOf(text: string): Entry | undefined {
  const bracket = /^(?:<\d{1,3}>)?\[([^\]]{1,40})\] ?/.exec(text);
  if (bracket !== null) return { time: (bracket[1] ?? '').trim(), message: text.slice(bracket[0].length) };
  const journal = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S{1,255} kernel: /.exec(text);
  return journal === null ? undefined : { time: journal[1] ?? '', message: text.slice(journal[0].length) };
}
