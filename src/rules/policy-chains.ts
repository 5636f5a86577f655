import type { Firewall, FirewallRule } from '../model/facts.ts';
import { sameAddress } from './ip-address.ts';

/** A pod's own chain, with all that it jumps to: what a NetworkPolicy engine does with its traffic. */
export interface PodChain {
  readonly engine: 'Calico' | 'kube-router';
  /** Whether it is asked about packets to the pod, or from it. */
  readonly direction: 'to' | 'from';
  readonly chain: string;
  readonly address: string;
  /** Rules that throw a new connection away, with or without an answer. */
  readonly denials: readonly FirewallRule[];
  /** Names of the policies that select the pod, as far as chains and comments carry them. */
  readonly policies: readonly string[];
  /** `namespace/name` of the pod, where a comment carries it. */
  readonly pod: string | null;
}

const mostChains = 128;

/**
 * Chains of NetworkPolicy engines: Calico (Felix, also in nftables: `filter-cali-…`) and kube-router (k3s). Those of
 * Calico's host endpoints (`cali-th-`, `cali-fh-`) are not among them: they are the node's own firewall.
 */
export function isPolicyChain(chain: string): boolean {
  return /^(?:filter-)?cali-(?:tw|fw|pi|po|pri|pro)-|^KUBE-(?:POD-FW|NWPLCY)-/.test(chain);
}

/** Whether any engine that keeps its rules here is at work. */
export function hasPolicyChains({ rules }: Firewall): boolean {
  return rules.some(({ chain }) => isPolicyChain(chain));
}

/** The chains of one pod of this node, by its address and the device that leads to it. */
export function podChains(
  firewall: Firewall,
  { address, device }: { readonly address: string; readonly device: string | undefined },
): readonly PodChain[] {
  const { rules } = firewall;
  const own = (list: readonly string[] | undefined): boolean =>
    list?.some((prefix) => sameAddress(prefix.replace(/\/(?:32|128)$/, ''), address)) ?? false;
  const found = new Map<string, Pick<PodChain, 'engine' | 'direction' | 'chain'>>();
  for (const { chain, jumpTo, match } of rules) {
    const calico = /^(?:filter-)?cali-(tw|fw)-(.+)$/.exec(chain);
    if (calico !== null && device !== undefined && calico[2] === device)
      found.set(chain, { engine: 'Calico', direction: calico[1] === 'tw' ? 'to' : 'from', chain });
    if (jumpTo?.startsWith('KUBE-POD-FW-') !== true) continue;
    const direction = own(match.destinations) ? 'to' : own(match.sources) ? 'from' : null;
    if (direction !== null) found.set(`${direction} ${jumpTo}`, { engine: 'kube-router', direction, chain: jumpTo });
  }
  return [...found.values()].map((one) => {
    const reached = chainsBelow(rules, one.chain);
    const inside = rules.filter(({ chain }) => reached.has(chain));
    return {
      ...one,
      address,
      denials: inside.filter(isDenial),
      policies: [...new Set(inside.flatMap((rule) => policyOf(rule) ?? []))].slice(0, 8),
      pod: inside.map(({ text }) => podOf(text)).find((pod) => pod !== null) ?? null,
    };
  });
}

function chainsBelow(rules: readonly FirewallRule[], first: string): ReadonlySet<string> {
  const reached = new Set([first]);
  const waiting = [first];
  for (let chain = waiting.pop(); chain !== undefined; chain = waiting.pop())
    for (const rule of rules) {
      if (rule.chain !== chain || rule.jumpTo === undefined || reached.has(rule.jumpTo)) continue;
      if (reached.size >= mostChains) return reached;
      reached.add(rule.jumpTo);
      waiting.push(rule.jumpTo);
    }
  return reached;
}

/** Packets of no known connection, and tunnels that a pod makes itself, are no matter of policies. */
function isDenial({ verdict, text }: FirewallRule): boolean {
  return (
    (verdict === 'drop' || verdict === 'reject') && !/ctstate INVALID|ct state invalid|encapped packets/.test(text)
  );
}

/** `cali-pi-default/allow-web`, `Policy default/knp.default.deny ingress`, `run through nw policy deny`; null: a hash. */
function policyOf({ chain, jumpTo, text }: FirewallRule): string | null {
  const said =
    /"(?:Policy|run through nw policy) ([A-Za-z0-9./_-]{1,200})/.exec(text)?.[1] ??
    /run through nw policy ([A-Za-z0-9./_-]{1,200})/.exec(text)?.[1];
  if (said !== undefined) return said;
  for (const name of [chain, jumpTo ?? '']) {
    const plain = /^(?:filter-)?cali-p[io]-([^_].*)$/.exec(name)?.[1];
    if (plain !== undefined) return plain;
  }
  return null;
}

function podOf(text: string): string | null {
  const found = /POD name: ?([a-z0-9.-]{1,253}) namespace: ?([a-z0-9-]{1,63})/.exec(text);
  return found === null ? null : `${found[2]}/${found[1]}`;
}
