import type { Address } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { addressFromHex } from './ip-address.ts';
import { hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** IFA_LINK and its like (include/net/if_inet6.h, ipv6.h), as ip(8) spells them. */
const scopes: ReadonlyMap<number, string> = new Map([
  [0x00, 'global'],
  [0x10, 'host'],
  [0x20, 'link'],
  [0x40, 'site'],
]);

/** /proc/net/if_inet6 (if6_seq_show, net/ipv6/addrconf.c): IPv6 addresses where there is no ip(8). */
export const procNetIfInet6: Parser<readonly Address[]> = {
  kind: 'proc-net-if-inet6',
  reads: 'cat /proc/net/if_inet6',
  fact: null,
  sample: `fe80000000000000020c29fffea4e315 02 40 20 80    ens33
00000000000000000000000000000001 01 80 10 80       lo
`,
  parse(input) {
    const problems = problemList();
    const found: Address[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const [hex = '', index, length, scopeBits, flags, device = ''] = parts;
      const address = hex.length === 32 ? addressFromHex(hex, 'networkOrder') : undefined;
      const [prefixLength, scopeNumber] = [hexCount(length), hexCount(scopeBits)];
      if (
        parts.length !== 6 ||
        address === undefined ||
        prefixLength === undefined ||
        prefixLength > 128 ||
        scopeNumber === undefined ||
        hexCount(index) === undefined ||
        hexCount(flags) === undefined ||
        !/^\S{1,15}$/.test(device)
      ) {
        problems.add(`not an IPv6 address of a device: ${excerpt(text)}`, line);
        continue;
      }
      // The upper bits say more (IPV6_ADDR_COMPATv4 and unicast), the scope is in the middle.
      const scope = scopes.get(scopeNumber & 0xf0);
      found.push({
        family: 6,
        device,
        address,
        prefixLength,
        ...(scope === undefined ? {} : { scope }),
        at: { evidence: input.evidence, line },
      });
    }
    if (found.length === 0) return nothingUsable(input, problems, 'IPv6 addresses');
    addStderr(input, problems);
    return { value: found, problems: problems.all() };
  },
};
