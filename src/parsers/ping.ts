import type { At } from '../model/evidence.ts';
import type { PingResult } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { nothingUsable, stderrLines } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** ping(8) of iputils (with -D, -O, -p too) and of busybox. */
export const ping: Parser<PingResult> = {
  kind: 'ping',
  reads: 'ping -c 3 -W 1 -M do -s SIZE TARGET',
  fact: 'pings',
  sample: `PING 10.9.0.9 (10.9.0.9) 1400(1428) bytes of data.
64 bytes from 10.9.0.9: icmp_seq=1 ttl=64 time=0.157 ms
From 10.9.0.254 icmp_seq=2 Frag needed and DF set (mtu = 1400)
ping: local error: message too long, mtu=1400

--- 10.9.0.9 ping statistics ---
3 packets transmitted, 1 received, +2 errors, 66% packet loss, time 2031ms
rtt min/avg/max/mdev = 0.157/0.157/0.157/0.000 ms
`,
  parse(input) {
    const problems = problemList();
    const replies: PingResult['replies'][number][] = [];
    const errors: PingResult['errors'][number][] = [];
    let head: { target: string; line: number } | undefined;
    let totals: { sent: number; received: number } | undefined;
    const complaint = (text: string, at: At): boolean => {
      const message =
        /^From \S{1,80}:? (?:icmp_)?seq=\d+ (.{1,120})$/.exec(text)?.[1] ??
        /^(?:From \S{1,80}|ping6?): (?:sendmsg: |local error: )?(.{1,120})$/.exec(text)?.[1];
      if (message === undefined) return false;
      const mtu = /mtu ?= ?(\d{2,5})/i.exec(message)?.[1];
      errors.push({ message, ...(mtu === undefined ? {} : { mtu: Number(mtu) }), at });
      return true;
    };
    for (const { text, line } of outputLines(input, problems)) {
      const stamped = text.slice(0, 1000).trim();
      const bare = /^\[\d{1,12}\.\d{1,9}\] /.test(stamped) ? stamped.slice(stamped.indexOf(']') + 2) : stamped;
      if (bare === '') continue;
      const at = { evidence: input.evidence, line };
      const target = /^PING +(?:([^\s(]{1,255})|\(([^\s)]{1,60})\))/.exec(bare);
      const reply =
        /^\d{1,6} bytes from .{1,300}?(?:icmp_)?seq=(\d{1,10})(?: ttl=(\d{1,3}))?(?: time[=<](\d{1,9}(?:\.\d{1,9})?) ms)?( \(DUP!\))?$/.exec(
          bare,
        );
      const total = /^(\d{1,10}) packets transmitted, (\d{1,10}) (?:packets )?received/.exec(bare);
      if (target !== null) {
        head ??= { target: (target[1] ?? target[2] ?? '').replace(/(?<=[^:]):$/, ''), line };
      } else if (reply !== null) {
        const [, sequence, ttl, time, duplicate] = reply;
        replies.push({
          sequence: Number(sequence),
          ...(time === undefined ? {} : { timeMs: Number(time) }),
          ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
          duplicate: duplicate !== undefined,
          at,
        });
      } else if (total !== null) {
        totals ??= { sent: count(total[1]) ?? 0, received: count(total[2]) ?? 0 };
      } else if (!complaint(bare, at) && !passedOver.test(bare)) {
        problems.add(`not a line of ping: ${excerpt(text)}`, line);
      }
    }
    const silent = replies.length + errors.length === 0 && totals === undefined;
    // Nothing but the heading, and then words of another language: that is not "nobody answered".
    if (head === undefined || (silent && problems.all().length > 0))
      return nothingUsable(input, problems, 'echo requests');
    for (const text of stderrLines(input)) {
      if (!complaint(text, { evidence: input.evidence })) problems.add(`stderr: ${excerpt(text)}`);
    }
    return {
      value: {
        target: head.target,
        replies,
        errors,
        sent: totals?.sent ?? null,
        received: totals?.received ?? null,
        at: { evidence: input.evidence, line: head.line },
      },
      problems: problems.all(),
    };
  },
};

const passedOver =
  /^(?:--- |rtt |round-trip |PATTERN: |pipe |WARNING: |no answer yet for |Warning: time of day goes back|wrong data byte)/;
