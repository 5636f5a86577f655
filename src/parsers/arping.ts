import type { ArpAnswers } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * arping(8) of iputils, of busybox and of Thomas Habets (Debian's `arping`). With -D an answer means that somebody has
 * the address; Habets' then prints `!` instead of addresses, which is no value: nothing says who answered.
 */
export const arping: Parser<ArpAnswers> = {
  kind: 'arping',
  reads: 'arping -D -c 2 -w 3 -I DEV ADDRESS',
  fact: 'arpAnswers',
  sample: `ARPING 10.0.0.2 from 0.0.0.0 eth0
Unicast reply from 10.0.0.2 [52:54:00:12:34:56]  0.712ms
Unicast reply from 10.0.0.2 [52:54:00:AA:BB:CC]  0.801ms
Sent 2 probes (2 broadcast(s))
Received 2 response(s)
`,
  parse(input) {
    const problems = problemList();
    const macs = new Set<string>();
    let head: { address: string; line: number } | undefined;
    let sent: number | null = null;
    let received: number | null = null;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const target = address(/^ARPING (?:to )?([0-9.]{7,15})(?: from .*)?$/.exec(text)?.[1] ?? '');
      const mac = macOf(text);
      const told = /^(Sent|Received) (\d{1,6}) (?:probe|response|reply|replies)/.exec(text);
      const habets = /^(\d{1,6}) packets transmitted, (\d{1,6}) packets received/.exec(text);
      if (target !== undefined) head ??= { address: target, line };
      else if (mac !== undefined && macs.size < 100) macs.add(mac);
      else if (told?.[1] === 'Sent') sent = count(told[2] ?? '') ?? null;
      else if (told?.[1] === 'Received') received = count(told[2] ?? '') ?? null;
      else if (habets !== null) [sent, received] = [count(habets[1]) ?? null, count(habets[2]) ?? null];
      else if (!/^(?:Timeout$|--- [0-9.]{7,15} statistics ---$|rtt |[!.]+$)/.test(text.trim()))
        problems.add(`not a line of arping: ${excerpt(text)}`, line);
    }
    // That nobody answered is only known where it says so at its end, and in words that were understood.
    if (head === undefined || (macs.size === 0 && received !== 0))
      return nothingUsable(input, problems, 'answers of arping');
    addStderr(input, problems);
    return {
      value: {
        address: head.address,
        macs: [...macs],
        sent,
        received,
        at: { evidence: input.evidence, line: head.line },
      },
      problems: problems.all(),
    };
  },
};

/** In lower case with two digits each; busybox (ether_ntoa) leaves leading zeros out. */
function macOf(text: string): string | undefined {
  const raw =
    /^(?:Unicast|Broadcast) (?:reply|request) from [0-9.]{7,15} \[([0-9A-Fa-f:]{11,17})\]/.exec(text)?.[1] ??
    /^\d{1,5} bytes from ([0-9A-Fa-f:]{17}) \([0-9.]{7,15}\): index=/.exec(text)?.[1];
  const parts = raw?.toLowerCase().split(':') ?? [];
  return parts.length === 6 && parts.every((part) => /^[0-9a-f]{1,2}$/.test(part))
    ? parts.map((part) => part.padStart(2, '0')).join(':')
    : undefined;
}
