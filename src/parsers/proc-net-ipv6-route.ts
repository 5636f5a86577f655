import type { Route } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { addressFromHex } from './ip-address.ts';
import { hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** include/uapi/linux/route.h and ipv6_route.h */
const flagOf = { gateway: 0x2, reject: 0x200, anycast: 0x0010_0000, cache: 0x0100_0000, local: 0x8000_0000 } as const;

/**
 * /proc/net/ipv6_route (rt6_info_route / fib6_ifup_seq_show, net/ipv6/ip6_fib.c): all tables in one, without their
 * names, in hexadecimal. Unreachable, prohibit and blackhole look alike: `reject`. Cloned entries are left out.
 */
export const procNetIpv6Route: Parser<readonly Route[]> = {
  kind: 'proc-net-ipv6-route',
  reads: 'cat /proc/net/ipv6_route',
  fact: 'routes',
  sample: `fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000004 00000000 80200001       lo
`,
  parse(input) {
    const problems = problemList();
    const routes: Route[] = [];
    let cloned = 0;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const [to = '', length = '', , , hop = '', ...rest] = parts;
      const [metric, , , flags] = rest.slice(0, 4).map(hexCount);
      const [destination, via] = [to, hop].map((hex) => (hex.length === 32 ? addressOf(hex) : undefined));
      const prefixLength = hexCount(length);
      const device = rest[4] ?? '';
      if (
        rest.length !== 5 ||
        destination === undefined ||
        via === undefined ||
        prefixLength === undefined ||
        prefixLength > 128 ||
        metric === undefined ||
        flags === undefined ||
        !/^\S{1,15}$/.test(device)
      ) {
        problems.add(`not an IPv6 route: ${excerpt(text)}`, line);
        continue;
      }
      const has = (flag: keyof typeof flagOf): boolean => (flags & flagOf[flag]) !== 0;
      if (has('cache')) {
        cloned += 1;
        continue;
      }
      const type = has('reject') ? 'reject' : has('local') ? 'local' : has('anycast') ? 'anycast' : undefined;
      routes.push({
        family: 6,
        destination:
          prefixLength === 0 ? 'default' : prefixLength === 128 ? destination : `${destination}/${prefixLength}`,
        type: type ?? (to.toLowerCase().startsWith('ff') ? 'multicast' : 'unicast'),
        ...(has('gateway') ? { via } : {}),
        device,
        metric,
        at: { evidence: input.evidence, line },
      });
    }
    if (routes.length === 0 && (cloned === 0 || problems.all().length > 0))
      return nothingUsable(input, problems, 'IPv6 routes');
    addStderr(input, problems);
    return { value: routes, problems: problems.all() };
  },
};

const addressOf = (hex: string): string | undefined => addressFromHex(hex, 'networkOrder');
