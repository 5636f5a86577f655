import type { FirewallRule } from '../model/facts.ts';
import { count } from './number.ts';
import { type Json, member, numberMember, textMember } from './json-document.ts';
import { nftText } from './nft-text.ts';

type Match = FirewallRule['match'];
type PortRange = NonNullable<Match['destinationPorts']>[number];

/** `FAMILY TABLE NAME` -> elements of a named set. */
export type NamedSets = Map<string, readonly Json[]>;

export type NftRuleParts = Pick<FirewallRule, 'verdict' | 'match' | 'packets' | 'text'> &
  Partial<Pick<FirewallRule, 'rejectWith' | 'jumpTo'>>;

/** Statements that decide nothing and match nothing. */
const neutral = new Set(['counter', 'log', 'comment', 'mangle', 'notrack', 'ct timeout', 'ct helper', 'secmark']);

/** Statements that end the rule in a way that no verdict of netcheck names. */
const otherEnds = new Set(
  'return continue queue snat dnat masquerade redirect tproxy dup fwd flow synproxy'.split(' '),
);

/**
 * Reads the expressions of one rule (libnftables-json(5)). What cannot be expressed in the fields of `match` is left
 * out, and `understood` is false. The count of a rule is its last counter, unless a match follows it: such a counter
 * also counts packets that the rule did not decide on.
 */
export function readNftRule(
  expressions: readonly Json[],
  namedSet: (name: string) => readonly Json[] | undefined,
): NftRuleParts {
  const draft: Draft = { understood: true };
  let verdict: FirewallRule['verdict'] = 'other';
  let rejectWith: string | undefined;
  let jumpTo: string | undefined;
  let packets: number | null = null;
  for (const expression of expressions) {
    const [name] = Object.keys(typeof expression === 'object' && expression !== null ? expression : {});
    const body = name === undefined ? undefined : member(expression, name);
    if (name === 'match') {
      packets = null;
      readMatch(body, draft, namedSet);
    } else if (name === 'counter') {
      packets = numberMember(body, 'packets') ?? null;
    } else if (name === 'accept' || name === 'drop') {
      verdict = name;
    } else if (name === 'reject') {
      verdict = 'reject';
      rejectWith = rejectName(body);
    } else if (name === 'jump' || name === 'goto') {
      verdict = 'jump';
      jumpTo = textMember(body, 'target');
    } else if (name === 'xt') {
      // iptables-nft's own extensions: nft knows their names only.
      if (textMember(body, 'type') === 'target') {
        if (textMember(body, 'name') === 'REJECT') verdict = 'reject';
      } else if (textMember(body, 'name') !== 'comment') {
        draft.understood = false;
        packets = null;
      }
    } else if (name === undefined || !(neutral.has(name) || otherEnds.has(name))) {
      draft.understood = false;
      if (name === 'limit' || name === 'meter' || name === 'quota') packets = null;
    }
  }
  const { understood, only, protocol, sources, destinationPorts, sourcePorts, inDevice, outDevice } = draft;
  // In a table of both families, a rule for one of them is a rule for all of its destinations.
  const everywhere = only === undefined || sources !== undefined ? undefined : [only === 4 ? '0.0.0.0/0' : '::/0'];
  const destinations = draft.destinations ?? everywhere;
  return {
    text: nftText(expressions),
    verdict,
    ...(rejectWith === undefined ? {} : { rejectWith }),
    ...(jumpTo === undefined ? {} : { jumpTo }),
    match: {
      ...(protocol === undefined ? {} : { protocol }),
      ...(sources === undefined ? {} : { sources }),
      ...(destinations === undefined ? {} : { destinations }),
      ...(destinationPorts === undefined ? {} : { destinationPorts }),
      ...(sourcePorts === undefined ? {} : { sourcePorts }),
      ...(inDevice === undefined ? {} : { inDevice }),
      ...(outDevice === undefined ? {} : { outDevice }),
      understood,
    },
    packets: packets === null ? null : { before: null, after: packets, delta: null },
  };
}

interface Draft {
  understood: boolean;
  /** The one family that the expressions are for, where they say so. */
  only?: 4 | 6;
  protocol?: string;
  sources?: readonly string[];
  destinations?: readonly string[];
  destinationPorts?: readonly PortRange[];
  sourcePorts?: readonly PortRange[];
  inDevice?: string;
  outDevice?: string;
}

function readMatch(
  body: Json | undefined,
  draft: Draft,
  namedSet: (name: string) => readonly Json[] | undefined,
): void {
  const operator = textMember(body, 'op');
  const left = member(body, 'left');
  const payload = member(left, 'payload');
  const meta = textMember(member(left, 'meta'), 'key');
  const layer = textMember(payload, 'protocol');
  const field = textMember(payload, 'field');
  const values = operator === '==' || operator === 'in' ? valuesOf(member(body, 'right'), namedSet) : undefined;
  if (layer === 'ip' || layer === 'ip6') draft.only = layer === 'ip' ? 4 : 6;
  if (values === undefined) {
    draft.understood = false;
  } else if (meta === 'nfproto' && (values[0] === 'ipv4' || values[0] === 'ipv6') && values.length === 1) {
    draft.only = values[0] === 'ipv4' ? 4 : 6;
  } else if (
    (field === 'dport' || field === 'sport') &&
    (layer === 'tcp' || layer === 'udp' || layer === 'sctp' || layer === 'th')
  ) {
    const ports = everyOf(values, portRange);
    const name = field === 'dport' ? 'destinationPorts' : 'sourcePorts';
    if (ports === undefined || draft[name] !== undefined) draft.understood = false;
    else draft[name] = ports;
    if (layer !== 'th') draft.protocol = layer;
  } else if ((layer === 'ip' || layer === 'ip6') && (field === 'saddr' || field === 'daddr')) {
    const list = everyOf(values, prefixText);
    const name = field === 'saddr' ? 'sources' : 'destinations';
    if (list === undefined || draft[name] !== undefined) draft.understood = false;
    else draft[name] = list;
  } else if (meta === 'l4proto' || field === 'protocol' || field === 'nexthdr') {
    const [only, ...more] = everyOf(values, protocolName) ?? [];
    if (only === undefined || more.length > 0) draft.understood = false;
    else draft.protocol ??= only;
  } else if (meta === 'iifname' || meta === 'iif') {
    const [only, ...more] = values;
    if (typeof only !== 'string' || more.length > 0) draft.understood = false;
    else draft.inDevice = only;
  } else if (meta === 'oifname' || meta === 'oif') {
    const [only, ...more] = values;
    if (typeof only !== 'string' || more.length > 0) draft.understood = false;
    else draft.outDevice = only;
  } else {
    draft.understood = false;
  }
}

/** The right side as a list of values: a value, an anonymous set, or a named set whose elements are known. */
function valuesOf(
  right: Json | undefined,
  namedSet: (name: string) => readonly Json[] | undefined,
): readonly Json[] | undefined {
  if (right === undefined || right === null) return undefined;
  if (typeof right === 'string' && right.startsWith('@')) {
    const elements = namedSet(right.slice(1));
    // An empty set may be filled at any time (dynamic sets).
    if (elements === undefined || elements.length === 0) return undefined;
    return elements.map((element) => member(member(element, 'elem'), 'val') ?? element);
  }
  const set = member(right, 'set');
  if (set === undefined) return Array.isArray(right) ? undefined : [right];
  const elements: readonly Json[] = Array.isArray(set) ? (set as readonly Json[]) : [set];
  return elements.map((element) => member(member(element, 'elem'), 'val') ?? element);
}

function everyOf<Value>(
  values: readonly Json[],
  read: (json: Json) => Value | undefined,
): readonly Value[] | undefined {
  const list: Value[] = [];
  for (const value of values) {
    const one = read(value);
    if (one === undefined) return undefined;
    list.push(one);
  }
  return list;
}

function portRange(json: Json): PortRange | undefined {
  if (typeof json === 'number') return { from: json, to: json };
  const range = member(json, 'range');
  if (!Array.isArray(range)) return undefined;
  const [from, to] = range as readonly Json[];
  return typeof from === 'number' && typeof to === 'number' ? { from, to } : undefined;
}

function prefixText(json: Json): string | undefined {
  if (typeof json === 'string') return /^[0-9a-fA-F.:]{2,45}$/.test(json) ? json : undefined;
  const prefix = member(json, 'prefix');
  const bare = textMember(prefix, 'addr');
  const length = numberMember(prefix, 'len');
  return bare === undefined || length === undefined ? undefined : `${bare}/${length}`;
}

const protocolNumbers: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'ipv6-icmp'],
  [132, 'sctp'],
]);

function protocolName(json: Json): string | undefined {
  const number = typeof json === 'number' ? json : count(typeof json === 'string' ? json : undefined);
  if (number !== undefined) return protocolNumbers.get(number) ?? String(number);
  return typeof json === 'string' ? json : undefined;
}

/** In iptables' words, so that both tools' rules read the same: `icmp-port-unreachable`, `tcp-reset`. */
function rejectName(body: Json | undefined): string {
  const type = textMember(body, 'type');
  if (type === 'tcp reset') return 'tcp-reset';
  const code = textMember(body, 'expr') ?? 'port-unreachable';
  if (type === 'icmpv6') return `icmp6-${code === 'admin-prohibited' ? 'adm-prohibited' : code}`;
  return `icmp-${code}`;
}
