import type { At } from '../model/evidence.ts';
import type { Address, Endpoint, Facts, Firewall, FirewallRule } from '../model/facts.ts';
import { inPrefix, sameAddress } from './ip-address.ts';
import { ipvsFor, isEndpoint } from './ipvs-service.ts';

/** One address that a Service sends connections to. */
export interface Backend extends Endpoint {
  /** Of IPVS; null where kube-proxy writes rules instead. */
  readonly weight: number | null;
  /** `left`, `joined`: kube-proxy took its rule away, or wrote it, between the two readings of the window. */
  readonly change: 'none' | 'left' | 'joined';
  readonly at: At;
}

/** What a node makes of the address and port of a Service. */
export interface KubeService {
  readonly by: 'ipvs' | 'iptables' | 'nftables';
  /** `namespace/name:port` as kube-proxy writes it into its rules; IPVS has no names. */
  readonly name: string | null;
  readonly backends: readonly Backend[];
  readonly at: At;
}

const mostJumps = 8;
const mostBackends = 5000;

/**
 * The backends behind `target` on this node: of its IPVS service, or of the chains that kube-proxy wrote (KUBE-SERVICES
 * or KUBE-NODEPORTS -> KUBE-EXT, KUBE-SVC, KUBE-SVL, KUBE-FW, KUBE-XLB -> KUBE-SEP; in nftables mode the maps
 * `service-ips` and `service-nodeports` -> service chains -> endpoint chains). Null where none of them speaks of it.
 */
export function kubeServiceFor(
  facts: Pick<Facts, 'features' | 'ipvs' | 'firewall' | 'addresses'>,
  target: Endpoint,
  protocol: 'tcp' | 'udp',
): KubeService | null {
  const here = ipvsFor(facts, target, protocol);
  if (here.how === 'service' && isEndpoint(here.service, target))
    return {
      by: 'ipvs',
      name: null,
      at: here.at,
      backends: here.service.servers.map(({ address, port, weight, at }) => ({
        address,
        port,
        weight,
        change: 'none',
        at,
      })),
    };
  const { firewall } = facts;
  if (firewall === undefined) return null;
  const entry = entriesOf(firewall, target, protocol, facts.addresses)[0];
  if (entry?.jumpTo === undefined) return null;
  const nft = entry.tool === 'nft';
  return {
    by: nft ? 'nftables' : 'iptables',
    name: nft ? nftName(entry.jumpTo) : serviceName(entry.text),
    backends: nft ? nftBackends(firewall, entry) : iptablesBackends(firewall, entry),
    at: entry.at,
  };
}

/** Whether kube-proxy wrote any rule here. */
export function hasKubeRules({ rules }: Firewall): boolean {
  return rules.some(({ chain, table }) => chain.startsWith('KUBE-') || table === 'kube-proxy');
}

/** `shop/cart:http` of the comment `shop/cart:http has no local endpoints`; null where there is none. */
export function serviceName(text: string): string | null {
  return (
    /--comment "?([a-z0-9.-]{1,63}\/[a-z0-9.-]{1,63}(?::[a-z0-9.-]{1,63})?)[" ]/.exec(text)?.[1] ??
    /comment "([a-z0-9.-]{1,63}\/[a-z0-9.-]{1,63}(?::[a-z0-9.-]{0,63})?)"/.exec(text)?.[1] ??
    null
  );
}

/**
 * Whether a rule of kube-proxy is for this protocol, address and port. One without an address is for every NodePort: it
 * is asked only about addresses of the node itself, as far as they are known.
 */
export function isForService(
  { match }: FirewallRule,
  target: Endpoint,
  protocol: string,
  addresses: readonly Address[] | undefined,
): boolean {
  const { destinations, destinationPorts } = match;
  const isHere = addresses === undefined || addresses.some(({ address }) => sameAddress(address, target.address));
  return (
    (match.protocol === undefined || match.protocol === protocol) &&
    (destinations === undefined ? isHere : destinations.some((one) => inPrefix(target.address, one) === true)) &&
    destinationPorts?.some(({ from, to }) => from === target.port && to === target.port) === true
  );
}

/**
 * A rule by which kube-proxy drops what it has no pod for on this node: "has no local endpoints" in its chains, or an
 * element of the maps of nftables mode.
 */
export function isForWantOfPods({ tool, table, chain, text, verdict }: FirewallRule): boolean {
  return tool === 'nft' && table === 'kube-proxy'
    ? verdict === 'drop' && /^map no-endpoint-(?:services|nodeports)$/.test(chain)
    : chain.startsWith('KUBE-') && text.includes('has no local endpoints');
}

const iptablesEntries = /^KUBE-(?:SERVICES|NODEPORTS|NODE-PORT|EXTERNAL-SERVICES)$/;
const nftEntries = /^map service-(?:ips|nodeports)$/;

/** What names the address itself comes first; 127.0.0.0/8 is the one for the node's own processes. */
function entriesOf(
  { rules }: Firewall,
  target: Endpoint,
  protocol: string,
  addresses: readonly Address[] | undefined,
): readonly FirewallRule[] {
  const found = rules.filter(
    (rule) =>
      rule.verdict === 'jump' &&
      (rule.tool === 'nft'
        ? rule.table === 'kube-proxy' && nftEntries.test(rule.chain)
        : rule.table === 'nat' && iptablesEntries.test(rule.chain)) &&
      rule.jumpTo !== 'KUBE-MARK-MASQ' &&
      isForService(rule, target, protocol, addresses),
  );
  const weight = ({ match }: FirewallRule): number => (match.destinations === undefined ? 1 : 0);
  return [...found].sort((a, b) => weight(a) - weight(b));
}

function iptablesBackends(firewall: Firewall, entry: FirewallRule): readonly Backend[] {
  const gone = firewall.gone ?? [];
  const readTwice = firewall.gone !== undefined;
  const byChain = new Map<string, FirewallRule[]>();
  for (const rule of [...firewall.rules, ...gone]) {
    if (rule.tool !== entry.tool || rule.family !== entry.family || rule.table !== 'nat') continue;
    if (!rule.chain.startsWith('KUBE-')) continue;
    const known = byChain.get(rule.chain);
    if (known === undefined) byChain.set(rule.chain, [rule]);
    else known.push(rule);
  }
  const left = new Set(gone);
  const found = new Map<string, Backend>();
  const seen = new Set<string>();
  const walk = (chain: string, depth: number): void => {
    if (seen.has(chain) || depth > mostJumps || found.size >= mostBackends) return;
    seen.add(chain);
    for (const rule of byChain.get(chain) ?? []) {
      const to = dnatOf(rule.text);
      if (to !== null) {
        const key = `${to.address} ${to.port}`;
        const joined = readTwice && rule.packets !== null && rule.packets.before === null;
        const change = left.has(rule) ? 'left' : joined ? 'joined' : 'none';
        // a chain that was written anew has the same rule in both readings
        const known = found.get(key);
        const both = known !== undefined && known.change !== change;
        found.set(key, { ...to, weight: null, change: both ? 'none' : change, at: rule.at });
      }
      if (rule.jumpTo !== undefined && /^KUBE-(?:SVC|SVL|SEP|EXT|XLB|FW)-/.test(rule.jumpTo))
        walk(rule.jumpTo, depth + 1);
    }
  };
  if (entry.jumpTo !== undefined) walk(entry.jumpTo, 0);
  return [...found.values()];
}

/** `external-42NFTM6N-ns2/svc2/tcp/p80` -> `ns2/svc2/tcp/p80`: what the chains of its endpoints carry as well. */
function nftName(chain: string): string | null {
  return /^(?:service|external|firewall)-[A-Z0-9]{8}-(.+)$/.exec(chain)?.[1] ?? null;
}

function nftBackends({ rules, gone }: Firewall, entry: FirewallRule): readonly Backend[] {
  const name = nftName(entry.jumpTo ?? '');
  if (name === null) return [];
  const read =
    (change: Backend['change']) =>
    (rule: FirewallRule): readonly Backend[] => {
      if (rule.tool !== 'nft' || rule.table !== 'kube-proxy' || rule.family !== entry.family) return [];
      const of = /^endpoint-[A-Z0-9]{8}-(.+)__[^_]+$/.exec(rule.chain)?.[1];
      const to = of === name ? dnatOf(rule.text) : null;
      return to === null ? [] : [{ ...to, weight: null, change, at: rule.at }];
    };
  return [...rules.flatMap(read('none')), ...(gone ?? []).flatMap(read('left'))].slice(0, mostBackends);
}

/** `--to-destination 10.244.2.4:80`, `--to-destination [fd00::4]:80`, nft's `dnat to 10.244.2.4:80`. */
function dnatOf(text: string): Endpoint | null {
  const [, address, port] =
    /(?:--to-destination|dnat to) \[?([0-9a-fA-F.:]{2,45}?)\]?:(\d{1,5})(?: |$)/.exec(text) ?? [];
  return address === undefined || port === undefined ? null : { address, port: Number(port) };
}
