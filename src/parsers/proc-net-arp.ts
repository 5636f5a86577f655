import type { Neighbour } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { ipv4 } from './ip-address.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** include/uapi/linux/if_arp.h */
const complete = 0x02;
const permanent = 0x04;

/**
 * /proc/net/arp (arp_format_neigh_entry, net/ipv4/arp.c): the fall-back of `ip neigh`, IPv4 only. It tells less: an
 * entry with an address is `VALID` (REACHABLE, STALE, DELAY or PROBE), one without `INCOMPLETE` (or FAILED).
 */
export const procNetArp: Parser<readonly Neighbour[]> = {
  kind: 'proc-net-arp',
  reads: 'cat /proc/net/arp',
  fact: 'neighbours',
  sample: `IP address       HW type     Flags       HW address            Mask     Device
192.168.71.254   0x1         0x2         00:50:56:f3:2f:ae     *        ens33
192.168.71.77    0x1         0x0         00:00:00:00:00:00     *        ens33
`,
  parse(input) {
    const problems = problemList();
    const found: Neighbour[] = [];
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (/^IP address +HW type +Flags +HW address +Mask +Device\s*$/.test(text)) {
        header = true;
        continue;
      }
      const match =
        /^([0-9.]{7,15}) +0x[0-9a-f]{1,8} +0x([0-9a-f]{1,8}) +([0-9a-f:]{2,60}|\*) +\S{1,20} +(\S{1,15})\s*$/i.exec(
          text,
        );
      const address = ipv4(match?.[1] ?? '');
      if (match === null || address === undefined) {
        problems.add(`not a line of the ARP table: ${excerpt(text)}`, line);
        continue;
      }
      const flags = Number.parseInt(match[2] ?? '', 16);
      const known = (flags & complete) !== 0;
      found.push({
        address,
        device: match[4] ?? '',
        ...(known && match[3] !== '*' ? { mac: (match[3] ?? '').toLowerCase() } : {}),
        state: (flags & permanent) !== 0 ? 'PERMANENT' : known ? 'VALID' : 'INCOMPLETE',
        at: { evidence: input.evidence, line },
      });
    }
    if (found.length === 0 && (!header || problems.all().length > 0))
      return nothingUsable(input, problems, 'ARP table');
    addStderr(input, problems);
    return { value: found, problems: problems.all() };
  },
};
