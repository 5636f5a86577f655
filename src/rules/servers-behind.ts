import { mostServers } from '../model/command.ts';
import type { Endpoint, FirewallRule, Ipvs, IpvsService } from '../model/facts.ts';
import { IpAddress } from '../model/inventory.ts';
import { coverage, type Flow, reachedRules } from './firewall-match.ts';
import { sameAddress } from './ip-address.ts';

/** What the question is about, as one node sees it. */
export interface Asked extends Endpoint {
  readonly protocol: 'tcp' | 'udp';
  /** Whether the address is one of the node's own: then its NodePorts are meant as well. */
  readonly isHere: boolean;
}

/** Where the first packet of a connection may be given another destination. */
const natHooks = ['prerouting', 'output'];
/** `--to-destination 10.0.0.5:80`, `[fd00::5]:80`, `10.0.0.5`; `dnat to 10.0.0.5:80`. A range of ports or addresses is not read. */
const toDestination =
  /(?:--to-destination|\bdnat(?: ip6?)? to) (?:(?:\[([0-9a-fA-F:]{2,39})\]|([0-9.]{7,15}))(?::(\d{1,5}))?|([0-9a-fA-F:]{2,39}))(?=\s|$)/;
/** `-j REDIRECT --to-ports 8080` */
const toPort = /-j REDIRECT\b.*--to-ports (\d{1,5})(?=\s|$)|\bredirect to :(\d{1,5})(?=\s|$)/;
/** Rules for addresses of the node itself: NodePorts of kube-proxy, published ports of containers. */
const onlyLocal = /--dst-type LOCAL|fib daddr type local/;

/**
 * Where a node sends on what comes for the asked address and port: real servers of IPVS, destinations of NAT rules
 * (kube-proxy, containers, port forwardings). Those that get new connections come first. Empty: it is not a Service
 * here, as far as was read.
 */
export function serversBehind(
  asked: Asked,
  { services = [], connections = [] }: Pick<Ipvs, 'services' | 'connections'>,
  rules: readonly FirewallRule[],
): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  const all = [
    ...realServers(asked, services),
    ...natDestinations(asked, rules),
    // servers that the service no longer has may still get what old entries point to
    ...connections.filter(({ virtual }) => isAsked(asked, virtual)).map(({ destination }) => destination),
  ];
  for (const { address, port } of all)
    if (IpAddress.safeParse(address).success && port > 0 && port <= 65_535 && found.size < mostServers)
      found.set(`${address} ${port}`, { address, port });
  return [...found.values()].filter((server) => !isAsked(asked, server));
}

/** Whether the node handles the asked address and port as a Service, also one without any server. */
export function isService(
  asked: Asked,
  ipvs: Pick<Ipvs, 'services' | 'connections'>,
  rules: readonly FirewallRule[],
): boolean {
  return (
    (ipvs.services ?? []).some((service) => service.protocol === asked.protocol && isAsked(asked, service)) ||
    serversBehind(asked, ipvs, rules).length > 0 ||
    rules.some((rule) => isWithoutEndpoints(rule) && coverage(rule, flowOf(asked)) !== 'no')
  );
}

/** kube-proxy's own entry for a Service that has no endpoint: a rule of iptables, or an element of a map of nftables. */
function isWithoutEndpoints({ text, chain }: FirewallRule): boolean {
  return text.includes('has no endpoints') || chain.startsWith('map no-endpoint-');
}

function isAsked(asked: Asked, { address, port }: Endpoint): boolean {
  return port === asked.port && sameAddress(address, asked.address);
}

function realServers(asked: Asked, services: readonly IpvsService[]): readonly Endpoint[] {
  return services
    .filter((service) => service.protocol === asked.protocol && isAsked(asked, service))
    .flatMap(({ servers }) => servers.toSorted((a, b) => Number(b.weight > 0) - Number(a.weight > 0)));
}

function natDestinations(asked: Asked, rules: readonly FirewallRule[]): readonly Endpoint[] {
  const applicable = asked.isHere ? rules : rules.filter(({ text }) => !onlyLocal.test(text));
  return reachedRules({ rules: applicable.flatMap(withWays) }, flowOf(asked), ['other'], natHooks).flatMap(
    ({ rule: { text } }) => {
      const [, six, four, port, bare] = toDestination.exec(text) ?? [];
      const address = six ?? four ?? bare;
      if (address !== undefined) return [{ address, port: port === undefined ? asked.port : Number(port) }];
      const [, own, ownOfNft] = toPort.exec(text) ?? [];
      const redirected = own ?? ownOfNft;
      return redirected === undefined ? [] : [{ address: asked.address, port: Number(redirected) }];
    },
  );
}

/**
 * A rule of nftables with a verdict map, and the chains that it leads to: elements of a named map stand in a chain of
 * their own (`map NAME`, as the parser reads them), those of one in the rule itself are in its text.
 */
function withWays(rule: FirewallRule): readonly FirewallRule[] {
  if (rule.tool !== 'nft' || !rule.text.includes(' vmap ')) return [rule];
  const named = /\bvmap @(\S+)/.exec(rule.text)?.[1];
  const chains =
    named === undefined
      ? [...rule.text.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)].map(([, chain = '']) => chain)
      : [`map ${named}`];
  return [rule, ...chains.map((chain): FirewallRule => ({ ...rule, verdict: 'jump', jumpTo: chain }))];
}

function flowOf({ protocol, address, port }: Asked): Flow {
  return { protocol, source: null, destination: address, port, inDevice: null, packets: 0 };
}
