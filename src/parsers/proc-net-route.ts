import type { Route } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { addressFromHex } from './ip-address.ts';
import { count, hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** include/uapi/linux/route.h */
const gatewayFlag = 0x2;
const rejectFlag = 0x200;

/**
 * /proc/net/route (fib_route_seq_show, net/ipv4/fib_trie.c), by the names of its first line: the main table, IPv4 only,
 * little-endian hexadecimal. Unreachable and prohibit look alike: `reject`; a route
 * without a device that is neither drops (`blackhole`, or `throw`, which looks the same). What it calls MTU is made from the MSS, so
 * it is left out.
 */
export const procNetRoute: Parser<readonly Route[]> = {
  kind: 'proc-net-route',
  reads: 'cat /proc/net/route',
  fact: 'routes',
  sample: `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
ens33	00000000	0247A8C0	0003	0	0	100	00000000	0	0	0
ens33	0047A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`,
  parse(input) {
    const problems = problemList();
    const routes: Route[] = [];
    let names: readonly string[] | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (parts[0] === 'Iface' && parts.includes('Destination')) {
        names = parts;
        continue;
      }
      const column = (name: string): string => parts[names?.indexOf(name) ?? -1] ?? '';
      const destination = addressFromHex(column('Destination'), 'hostOrder');
      const gateway = addressFromHex(column('Gateway'), 'hostOrder');
      const prefixLength = prefixOf(addressFromHex(column('Mask'), 'hostOrder'));
      const flags = hexCount(column('Flags'));
      const metric = count(column('Metric'));
      const device = column('Iface');
      if (
        !/^\S{1,15}$/.test(device) ||
        destination === undefined ||
        gateway === undefined ||
        prefixLength === undefined ||
        flags === undefined ||
        metric === undefined
      ) {
        problems.add(`not a route: ${excerpt(text)}`, line);
        continue;
      }
      routes.push({
        family: 4,
        destination:
          prefixLength === 0 ? 'default' : prefixLength === 32 ? destination : `${destination}/${prefixLength}`,
        type: (flags & rejectFlag) !== 0 ? 'reject' : device === '*' ? 'blackhole' : 'unicast',
        ...((flags & gatewayFlag) === 0 ? {} : { via: gateway }),
        ...(device === '*' ? {} : { device }),
        ...(metric === 0 ? {} : { metric }),
        at: { evidence: input.evidence, line },
      });
    }
    if (routes.length === 0 && (names === undefined || problems.all().length > 0))
      return nothingUsable(input, problems, 'routes');
    addStderr(input, problems);
    return { value: routes, problems: problems.all() };
  },
};

/** Undefined for a mask with holes. */
function prefixOf(mask: string | undefined): number | undefined {
  if (mask === undefined) return undefined;
  const bits = mask
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}
