import type { Firewall, FirewallRule } from '../model/facts.ts';
import { familyOf, inPrefix } from './ip-address.ts';

/** The packet whose way through the firewall is followed: the first of a new connection, or the first answer to it. */
export interface Flow {
  readonly protocol: 'tcp' | 'udp';
  /** As the firewall's node sees it; null where it is not known. */
  readonly source: string | null;
  readonly destination: string;
  /** Of the service: where the first packet goes to, and where an answer comes from. */
  readonly port: number;
  /** It is an answer: it goes to a port of the client, which nobody chose. */
  readonly isAnswer?: true;
  /** Device it comes in by; null where it is not known. */
  readonly inDevice: string | null;
  /** Such packets that are known to have come by in the window; 0 where it is not known. */
  readonly packets: number;
}

/** Whether a rule's match covers the flow. `maybe`: there is more in the rule than was understood. */
export type Coverage = 'yes' | 'maybe' | 'no';

/** A rule that the flow reaches. */
export interface ReachedRule {
  readonly rule: FirewallRule;
  /** The weakest match on the way: its own, and the jumps that lead to it. */
  readonly coverage: Exclude<Coverage, 'no'>;
  /** The rule names the port, so that other traffic does not move its counter. */
  readonly namesPort: boolean;
  /** The base chain that it was reached from. */
  readonly base: { readonly chain: string; readonly hook: string };
}

/** Where the kernel asks on the way of a packet to a local socket, in order. */
export const inboundHooks = ['ingress', 'prerouting', 'input'];
/** Where it asks about a packet before it decides whether that is for itself. */
export const arrivalHooks = ['ingress', 'prerouting'];
/** Where it asks about a packet that it passes on, behind prerouting. */
export const forwardHooks = ['forward', 'postrouting'];
/** Where it asks about a packet of the node itself. */
export const outboundHooks = ['output', 'postrouting'];
const tableOrder = ['raw', 'mangle', 'nat', 'filter', 'security'];
const maxJumps = 16;

const weaker = (a: Coverage, b: Coverage): Coverage => {
  if (a === 'no' || b === 'no') return 'no';
  return a === 'maybe' || b === 'maybe' ? 'maybe' : 'yes';
};

/** A wide range (all ports of NodePort, all above 1023) counts too much else to speak of this port. */
const namesPort = (rule: FirewallRule, flow: Flow): boolean =>
  portsOf(rule, flow).service?.some(({ from, to }) => from <= flow.port && flow.port <= to && to - from < 1024) ??
  false;

function portsOf({ match }: FirewallRule, { isAnswer }: Flow) {
  return isAnswer
    ? { service: match.sourcePorts, client: match.destinationPorts }
    : { service: match.destinationPorts, client: match.sourcePorts };
}

function covers(prefixes: readonly string[] | undefined, address: string | null): Coverage {
  if (prefixes === undefined) return 'yes';
  if (address === null) return 'maybe';
  const answers = prefixes.map((prefix) => inPrefix(address, prefix));
  if (answers.includes(true)) return 'yes';
  return answers.includes(null) ? 'maybe' : 'no';
}

function protocolCovers(protocol: string | undefined, flow: Flow): Coverage {
  if (protocol === undefined || protocol === 'all' || protocol === '0' || protocol === 'ip') return 'yes';
  const number = flow.protocol === 'tcp' ? '6' : '17';
  return protocol.toLowerCase() === flow.protocol || protocol === number ? 'yes' : 'no';
}

function deviceCovers(pattern: string | undefined, device: string | null): Coverage {
  if (pattern === undefined) return 'yes';
  if (pattern === 'lo') return 'no';
  if (device === null) return 'maybe';
  // iptables writes eth+, nft eth*
  const prefix = /^(.*)[+*]$/.exec(pattern);
  if (prefix !== null) return device.startsWith(prefix[1] ?? '') ? 'yes' : 'no';
  return pattern === device ? 'yes' : 'no';
}

/** Whether the packet matches the rule, as far as the rule was understood. */
export function coverage(rule: FirewallRule, flow: Flow): Coverage {
  const { service, client } = portsOf(rule, flow);
  // nodes of large clusters have tens of thousands of rules, nearly all of them for other ports
  if (service !== undefined && !service.some(({ from, to }) => from <= flow.port && flow.port <= to)) return 'no';
  const family = familyOf(flow.destination);
  if ((rule.family === 4 || rule.family === 6) && rule.family !== family) return 'no';
  const parts: readonly Coverage[] = [
    protocolCovers(rule.match.protocol, flow),
    covers(rule.match.sources, flow.source),
    covers(rule.match.destinations, flow.destination),
    client === undefined ? 'yes' : 'maybe',
    deviceCovers(rule.match.inDevice, flow.inDevice),
    deviceCovers(rule.match.outDevice, null),
    rule.match.understood || rule.isPolicy ? 'yes' : 'maybe',
  ];
  return parts.reduce(weaker, 'yes');
}

/** An accept that only may match, but names the port and counted as many packets as came by: it took them. */
function tookTheFlow(rule: FirewallRule, flow: Flow): boolean {
  return flow.packets > 0 && namesPort(rule, flow) && (rule.packets?.delta ?? 0) >= flow.packets;
}

/** What connection tracking calls established takes every answer of a connection that it knows. */
const takesAnswers = (rule: FirewallRule): boolean =>
  /(?:--(?:ct)?state \S*\bESTABLISHED\b|\bct state [^;]*\bestablished\b)/i.test(rule.text);

/** The model calls a return `other`; both tools spell it at the end of the rule. */
const isReturn = (rule: FirewallRule): boolean => /(?:-j RETURN|\breturn)\s*$/.test(rule.text);

interface Chains {
  readonly of: (rule: FirewallRule, chain: string) => readonly FirewallRule[];
  readonly bases: readonly FirewallRule[];
}

const chainKey = (rule: FirewallRule, chain: string): string => `${rule.tool} ${rule.family} ${rule.table} ${chain}`;

/**
 * `nft list ruleset` shows the tables of iptables-nft once more, with matches and policy counters that it cannot
 * print. Where iptables-save printed the same chain, that is the better reading.
 */
function withoutSecondReading(rules: readonly FirewallRule[]): readonly FirewallRule[] {
  const key = (rule: FirewallRule): string => `${rule.family} ${rule.table} ${rule.chain}`;
  const byIptables = new Set(rules.filter((r) => r.tool === 'iptables').map(key));
  return rules.filter((r) => r.tool !== 'nft' || !byIptables.has(key(r)));
}

function chainsOf(firewall: Firewall, hooks: readonly string[]): Chains {
  const byKey = new Map<string, FirewallRule[]>();
  const bases = new Map<string, FirewallRule>();
  for (const rule of withoutSecondReading(firewall.rules)) {
    const key = chainKey(rule, rule.chain);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [rule]);
    else known.push(rule);
    if (rule.hook !== undefined && hooks.includes(rule.hook) && !bases.has(key)) bases.set(key, rule);
  }
  return {
    // iptables-save prints a policy first; the kernel asks it last
    of: (rule, chain) => {
      const rules = byKey.get(chainKey(rule, chain)) ?? [];
      return [...rules.filter((r) => !r.isPolicy), ...rules.filter((r) => r.isPolicy)];
    },
    bases: [...bases.values()].sort(
      (a, b) =>
        hooks.indexOf(a.hook ?? '') - hooks.indexOf(b.hook ?? '') ||
        tableOrder.indexOf(a.table) - tableOrder.indexOf(b.table),
    ),
  };
}

/**
 * The rules and chain policies with one of `verdicts` that the flow reaches, by `hooks` (unless told otherwise those on
 * the way to a local socket: ingress, prerouting, input), raw before mangle before nat before filter, user chains
 * followed. A rule behind an
 * accept that certainly takes the flow is not reached. Chains of one hook in different tables are all asked, as the
 * kernel does.
 */
export function reachedRules(
  firewall: Firewall,
  flow: Flow,
  verdicts: readonly FirewallRule['verdict'][],
  hooks: readonly string[] = inboundHooks,
): readonly ReachedRule[] {
  const chains = chainsOf(firewall, hooks);
  const reached: ReachedRule[] = [];

  /** `ended`: nothing behind this chain is reached in this base chain. */
  const walk = (
    rules: readonly FirewallRule[],
    way: Exclude<Coverage, 'no'>,
    base: ReachedRule['base'],
    depth: number,
  ): 'ended' | 'fell-through' => {
    let sure: Exclude<Coverage, 'no'> = way;
    for (const rule of rules) {
      const own = weaker(sure, coverage(rule, flow));
      if (own === 'no') continue;
      if (verdicts.includes(rule.verdict)) {
        reached.push({ rule, coverage: own, namesPort: namesPort(rule, flow), base });
      }
      if (rule.verdict === 'jump') {
        if (rule.jumpTo === undefined || depth >= maxJumps) continue;
        const end = walk(chains.of(rule, rule.jumpTo), own, base, depth + 1);
        if (end === 'ended' && own === 'yes') return 'ended';
      } else if (rule.verdict === 'accept') {
        if (own === 'yes' || tookTheFlow(rule, flow) || (flow.isAnswer && takesAnswers(rule))) return 'ended';
        // it may well be the one that lets this port in, and there is no counter to tell
        if (flow.isAnswer || (namesPort(rule, flow) && (rule.packets?.delta ?? null) === null)) sure = 'maybe';
      } else if (rule.verdict === 'drop' || rule.verdict === 'reject') {
        if (own === 'yes') return 'ended';
      } else if (own === 'yes' && isReturn(rule)) {
        return 'fell-through';
      }
    }
    return 'fell-through';
  };

  for (const first of chains.bases) {
    walk(chains.of(first, first.chain), 'yes', { chain: first.chain, hook: first.hook ?? '' }, 0);
  }
  return reached;
}

/**
 * A rule with `verdict` that may be reached by a verdict map (nft `vmap`, as firewalld and kube-proxy dispatch), which
 * is not followed, and whose counter does not clear it. While there is one, "no rule drops it" cannot be said.
 */
export function behindVerdictMap(
  firewall: Firewall,
  flow: Flow,
  verdict: 'drop' | 'reject',
  hooks: readonly string[] = inboundHooks,
): FirewallRule | null {
  const maps = reachedRules(firewall, flow, ['other'], hooks)
    .map(({ rule }) => rule)
    .filter((rule) => /\bvmap\b/.test(rule.text));
  if (maps.length === 0) return null;
  const reached = new Set(reachedRules(firewall, flow, [verdict], hooks).map(({ rule }) => rule.id));
  return (
    firewall.rules.find(
      (rule) =>
        rule.verdict === verdict &&
        rule.hook === undefined &&
        !reached.has(rule.id) &&
        maps.some((map) => map.tool === rule.tool && map.table === rule.table) &&
        coverage(rule, flow) !== 'no' &&
        (rule.packets?.delta ?? Number.POSITIVE_INFINITY) >= Math.max(1, flow.packets),
    ) ?? null
  );
}

/**
 * Whether a nat rule on the way names the port: the answer then comes from somewhere else (a container, a pod, a real
 * server), and who listens on this node says nothing.
 */
export function isTranslated(firewall: Firewall, flow: Flow): boolean {
  return reachedRules(firewall, flow, ['jump', 'other']).some(
    ({ rule, namesPort }) => namesPort && rule.table.includes('nat'),
  );
}
