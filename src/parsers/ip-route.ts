import type { Route } from '../model/facts.ts';
import type { ParseInput, Parsed, Parser } from '../model/parser.ts';
import { address, familyOf } from './ip-address.ts';
import {
  type Json,
  jsonDocument,
  listMember,
  looksLikeJson,
  member,
  numberMember,
  textMember,
} from './json-document.ts';
import { count } from './number.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { oneLineParts, outputLines, words } from './text-lines.ts';

/** Types that may stand before the destination (ip-route(8)); unicast is not printed without -d. */
export const routeTypes: ReadonlySet<string> = new Set(
  'unicast local broadcast multicast anycast throw unreachable prohibit blackhole nat xresolve'.split(' '),
);

/** Routes of every table. A route over several next hops becomes one item per next hop. */
export const ipRoute: Parser<readonly Route[]> = {
  kind: 'ip-route',
  reads: 'ip route show table all | ip -6 route | ip -j route …',
  fact: 'routes',
  sample: `default via 10.9.0.254 dev v0 
10.70.0.0/16 via 10.9.0.254 dev v0 src 10.9.0.77 metric 50 mtu 1300 
10.71.0.0/16 
	nexthop via 10.9.0.253 dev v0 weight 1 
	nexthop via 10.9.0.252 dev v0 weight 2 
blackhole 10.66.0.0/16 
local 10.9.0.1 dev v0 table local proto kernel scope host src 10.9.0.1 
fd00::/64 dev v0 proto kernel metric 256 pref medium
`,
  parse(input) {
    const problems = problemList();
    if (looksLikeJson(input)) return fromJson(input, problems);
    const routes: Route[] = [];
    // The tables are printed one family after the other, so a `default dev X` is of the family before it.
    let family: 4 | 6 = input.argv.includes('-6') ? 6 : 4;
    let parent: { route: Route; hops: number } | undefined;
    const close = (): void => {
      if (parent !== undefined && parent.hops === 0) {
        const { route } = parent;
        // A unicast route leads somewhere; an address alone may be anything.
        if (route.type !== 'unicast' || route.via !== undefined || route.device !== undefined) routes.push(route);
        else problems.add(`a route that leads nowhere: ${excerpt(route.destination)}`, route.at.line);
      }
      parent = undefined;
    };
    for (const { text, line } of outputLines(input, problems)) {
      for (const [partAt, part] of oneLineParts(text).entries()) {
        const parts = words(part);
        if (parts.length === 0) continue;
        if (partAt > 0 || part.startsWith(' ') || part.startsWith('\t')) {
          if (parts[0] !== 'nexthop' || parent === undefined) continue;
          const { via, device } = readAttributes(parts, 1);
          const at = { evidence: input.evidence, line };
          routes.push({
            ...parent.route,
            ...(via === undefined ? {} : { via }),
            ...(device === undefined ? {} : { device }),
            at,
          });
          parent.hops += 1;
          continue;
        }
        close();
        const route = readRoute(parts, family, { evidence: input.evidence, line });
        if (route === undefined) {
          problems.add(`not a route: ${excerpt(part)}`, line);
        } else {
          family = route.family;
          parent = { route, hops: 0 };
        }
      }
    }
    close();
    if (routes.length === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'routes');
    addStderr(input, problems);
    return { value: routes, problems: problems.all() };
  },
};

/** What stands behind the destination of a route or of the answer to `ip route get`. */
export interface RouteAttributes {
  readonly from?: string;
  readonly via?: string;
  readonly device?: string;
  readonly source?: string;
  readonly table?: string;
  readonly metric?: number;
  readonly mtu?: number;
  readonly iif?: string;
  /** Positive errno of `error -101`, as old kernels print for routes that refuse. */
  readonly errno?: number;
}

/** Reads the words from `from` on; words that are not known are passed over. */
export function readAttributes(parts: readonly string[], from: number): RouteAttributes {
  const found: { -readonly [Name in keyof RouteAttributes]: RouteAttributes[Name] } = {};
  for (let at = from; at < parts.length; at += 1) {
    const next = parts[at + 1];
    if (next === undefined) break;
    switch (parts[at] ?? '') {
      case 'via': {
        const gateway = next === 'inet' || next === 'inet6' ? parts[at + 2] : next;
        const canonical = address(gateway ?? '');
        if (canonical !== undefined) found.via = canonical;
        at += gateway === next ? 1 : 2;
        break;
      }
      case 'from':
        found.from = address(next) ?? next;
        at += 1;
        break;
      case 'dev':
        found.device = next;
        at += 1;
        break;
      case 'src':
        found.source = address(next) ?? next;
        at += 1;
        break;
      case 'table':
        found.table = next;
        at += 1;
        break;
      case 'iif':
        found.iif = next;
        at += 1;
        break;
      case 'metric':
        found.metric = count(next) ?? 0;
        at += 1;
        break;
      case 'mtu': {
        const mtu = count(next === 'lock' ? parts[at + 2] : next);
        if (mtu !== undefined) found.mtu = mtu;
        at += next === 'lock' ? 2 : 1;
        break;
      }
      case 'error': {
        const errno = count(next.startsWith('-') ? next.slice(1) : next);
        if (errno !== undefined) found.errno = errno;
        at += 1;
        break;
      }
      default:
    }
  }
  return found;
}

/** `10.0.0.0/8`, `10.0.0.1`, `default` in canonical spelling; undefined where the text is none of them. */
export function destinationOf(text: string): string | undefined {
  if (text === 'default') return text;
  const slash = text.indexOf('/');
  if (slash === -1) return address(text);
  const bare = address(text.slice(0, slash)) ?? shortIpv4(text.slice(0, slash));
  if (bare === undefined) return undefined;
  const prefix = count(text.slice(slash + 1));
  return prefix === undefined || prefix > (familyOf(bare) === 4 ? 32 : 128) ? undefined : `${bare}/${prefix}`;
}

/** Old versions print `10/8` and `192.168/16`. */
function shortIpv4(text: string): string | undefined {
  return /^\d{1,3}(?:\.\d{1,3}){0,2}$/.test(text)
    ? address([...text.split('.'), '0', '0', '0'].slice(0, 4).join('.'))
    : undefined;
}

function readRoute(parts: readonly string[], before: 4 | 6, at: Route['at']): Route | undefined {
  const typed = routeTypes.has(parts[0] ?? '');
  const type = typed ? (parts[0] ?? '') : 'unicast';
  const destination = destinationOf(parts[typed ? 1 : 0] ?? '');
  if (destination === undefined) return undefined;
  const { via, device, source, table, metric, mtu, errno } = readAttributes(parts, typed ? 2 : 1);
  const told = destination === 'default' ? (via ?? source) : destination;
  const family = told !== undefined ? familyOf(told) : parts.includes('pref') || errno !== undefined ? 6 : before;
  return {
    family,
    destination,
    type,
    ...(via === undefined ? {} : { via }),
    ...(device === undefined ? {} : { device }),
    ...(source === undefined ? {} : { source }),
    ...(table === undefined ? {} : { table }),
    ...(metric === undefined ? {} : { metric }),
    ...(mtu === undefined ? {} : { mtu }),
    at,
  };
}

function fromJson(input: ParseInput, problems: ProblemList): Parsed<readonly Route[]> {
  const document = jsonDocument(input, problems);
  if (document === undefined || !Array.isArray(document.json)) return nothingUsable(input, problems, 'routes');
  const routes: Route[] = [];
  let before: 4 | 6 = input.argv.includes('-6') ? 6 : 4;
  for (const item of document.json as readonly Json[]) {
    const destination = destinationOf(textMember(item, 'dst') ?? '');
    if (destination === undefined) {
      problems.add(`not a route: ${excerpt(JSON.stringify(item))}`, document.line);
      continue;
    }
    const via = address(textMember(item, 'gateway') ?? textMember(member(item, 'via'), 'host') ?? '');
    const device = textMember(item, 'dev');
    const source = textMember(item, 'prefsrc');
    const table = textMember(item, 'table');
    const metric = numberMember(item, 'metric');
    const mtu = listMember(item, 'metrics')
      .map((one) => numberMember(one, 'mtu'))
      .find((one) => one !== undefined);
    const told = destination === 'default' ? (via ?? source) : destination;
    const family = told !== undefined ? familyOf(told) : member(item, 'pref') !== undefined ? 6 : before;
    before = family;
    const route: Route = {
      family,
      destination,
      type: textMember(item, 'type') ?? 'unicast',
      ...(via === undefined ? {} : { via }),
      ...(device === undefined ? {} : { device }),
      ...(source === undefined ? {} : { source }),
      ...(table === undefined ? {} : { table }),
      ...(metric === undefined ? {} : { metric }),
      ...(mtu === undefined ? {} : { mtu }),
      at: { evidence: input.evidence, line: document.line },
    };
    const hops = listMember(item, 'nexthops');
    if (hops.length === 0) routes.push(route);
    for (const hop of hops) {
      const hopVia = address(textMember(hop, 'gateway') ?? textMember(member(hop, 'via'), 'host') ?? '');
      const hopDevice = textMember(hop, 'dev');
      routes.push({
        ...route,
        ...(hopVia === undefined ? {} : { via: hopVia }),
        ...(hopDevice === undefined ? {} : { device: hopDevice }),
      });
    }
  }
  addStderr(input, problems);
  return { value: routes, problems: problems.all() };
}
