import { type Learned, mostServers, nothingLearned } from '../model/command.ts';
import { DnsName } from '../model/dns-name.ts';
import type { Evidence } from '../model/evidence.ts';
import type { Address, Endpoint, FirewallRule, Ipvs, Link, Listener, Neighbour, RouteVerdict } from '../model/facts.ts';
import { IpAddress } from '../model/inventory.ts';
import type { FdbEntry, ResolverConfig } from '../model/node-facts.ts';
import type { Role, Seen } from '../model/plan.ts';
import type { Parser } from '../model/parser.ts';
import { type Asked, isService, serversBehind } from '../rules/servers-behind.ts';

const most = 4;
const mostAddressed = 8;
const mostBeyond = 8;
/** What resolvers have used of a search list for decades (resolv.conf(5)); each domain costs a few questions. */
const mostDomains = 6;
/**
 * What the kernel takes for the name of a device (dev_valid_name, net/core/dev.c), without what shells look at, what
 * programs take for an option and what leads to another directory.
 */
const deviceName = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$/;
const ipvsKinds = ['ipvsadm', 'proc-net-ip-vs', 'ipvsadm-connections', 'proc-net-ip-vs-conn'] as const;
const firewallKinds = ['iptables-save', 'ip6tables-save', 'nft-json'] as const;

/**
 * What a run has found out on a node that later commands are made from: the devices of the way (from the kernel's own
 * route decision), the processes that listen on the port, the servers behind it, the nodes behind tunnels, the search
 * domains of names.
 */
export function createLearner(
  parsers: ReadonlyMap<string, Parser>,
  asked: Asked,
): (evidence: readonly Evidence[]) => Learned {
  let read = -1;
  let learned: Learned = nothingLearned;
  // A firewall may have tens of thousands of rules: it is read again only when there is more of it.
  let tables = 0;
  let servers: Learned['servers'] = [];
  let service = false;
  let withoutIpvs: boolean | undefined;
  return (evidence) => {
    if (evidence.length !== read) {
      read = evidence.length;
      const values = valuesOf(evidence, parsers);
      const now = evidence.filter(isTable).length;
      if (now !== tables) {
        tables = now;
        const ipvs = Object.assign({}, ...values<Ipvs>(...ipvsKinds)) as Ipvs;
        const rules = values<readonly FirewallRule[]>(...firewallKinds).flat();
        withoutIpvs = ipvs.services === undefined ? undefined : ipvs.services.length === 0;
        servers = serversBehind(asked, ipvs, rules);
        service = isService(asked, ipvs, rules);
      }
      const other = learn(values, asked.port);
      const routes = values<readonly RouteVerdict[]>('ip-route-get').flat();
      const seen: Seen[] = [
        ...(service ? ['service' as const] : []),
        ...(hasTunnel(waysBeside(servers, other), values) ? ['tunnel' as const] : []),
      ];
      learned = {
        ...other,
        servers,
        ...(withoutIpvs === undefined ? {} : { withoutIpvs }),
        beyond: beyondOf(servers, routes, values),
        seen,
      };
    }
    return learned;
  };
}

/** A first reading of what sends packets on to other addresses. */
function isTable({ entry }: Evidence): boolean {
  return entry.phase !== 'after' && [...ipvsKinds, ...firewallKinds].some((kind) => kind === entry.kind);
}

type Values = <Value>(...kinds: readonly string[]) => readonly Value[];

function valuesOf(evidence: readonly Evidence[], parsers: ReadonlyMap<string, Parser>): Values {
  return <Value>(...kinds: readonly string[]) =>
    evidence.flatMap(({ entry, stdout, stderr }) => {
      if (!kinds.includes(entry.kind) || entry.phase === 'after' || entry.exit.how !== 'exited') return [];
      const { value } = parsers.get(entry.kind)?.parse({
        stdout,
        stderr,
        argv: entry.argv,
        exitCode: entry.exit.code,
        evidence: entry.out ?? entry.id,
      }) ?? { value: undefined };
      return value === undefined ? [] : [value as Value];
    });
}

function learn(values: Values, port: number): Omit<Learned, 'servers' | 'beyond' | 'seen'> {
  const routes = values<readonly RouteVerdict[]>('ip-route-get').flat();
  const ways = routes.flatMap(({ to, device }) =>
    device !== undefined && device !== 'lo' && deviceName.test(device) ? [{ address: to, device }] : [],
  );
  const listeners = values<{ readonly listeners?: readonly Listener[] }>('ss').flatMap(
    (value) => value.listeners ?? [],
  );
  const pids = listeners
    .filter((listener) => listener.port === port)
    .flatMap(({ process }) => /(?:^|, )pid ([1-9]\d{0,6})$/.exec(process ?? '')?.[1] ?? []);
  const domains = values<ResolverConfig>('resolv-conf')
    .flatMap(({ search }) => search)
    .map((domain) => domain.replace(/\.$/, ''))
    .filter((domain) => DnsName.safeParse(domain).success);
  const links = values<readonly Link[]>('ip-link').flat();
  // what goes into a tunnel leaves on another device in the end
  const lower = ways.flatMap(({ device }) => links.find(({ name }) => name === device)?.lower ?? []);
  const devices = [...new Set([...ways.map(({ device }) => device), ...lower.filter((name) => deviceName.test(name))])];
  const addresses = values<readonly Address[]>('ip-addr').flat();
  const others = addresses.map(({ device }) => device).filter((device) => device !== 'lo' && deviceName.test(device));
  return {
    devices: devices.slice(0, most),
    veths: devices.filter((device) => links.find(({ name }) => name === device)?.type === 'veth'),
    // packets also come in by devices that no way back uses: those are the interesting ones
    addressed: [...new Set([...devices, ...others])].slice(0, mostAddressed),
    ways,
    listenerPids: [...new Set(pids)].slice(0, most),
    tunnelPeers: tunnelPeersOf(routes, links, values),
    searchDomains: [...new Set(domains)].slice(0, mostDomains),
  };
}

/** Devices of the ways to what was asked about: those to the servers behind it are looked at by the playbook of Services. */
function waysBeside(servers: readonly Endpoint[], { ways }: Pick<Learned, 'ways'>): readonly string[] {
  return ways.filter(({ address }) => !servers.some((one) => one.address === address)).map(({ device }) => device);
}

/**
 * Where the servers may live: at their own address, at the other end of the tunnel that leads there, at the next hop.
 * Servers that the node reaches on a device of its own (a bridge, the veth of a pod) live on itself, as far as it goes.
 */
function beyondOf(servers: readonly Endpoint[], routes: readonly RouteVerdict[], values: Values): Learned['beyond'] {
  const links = values<readonly Link[]>('ip-link').flat();
  return servers.slice(0, mostBeyond).flatMap((server) => {
    const route = routes.find(({ to, iif }) => iif === undefined && to === server.address);
    if (route?.verdict !== 'ok') return [];
    const next = route.via === undefined ? [] : [route.via];
    return [{ server, addresses: [...new Set([server.address, ...tunnelPeersOf([route], links, values), ...next])] }];
  });
}

/** Kinds of devices that put packets into others (ip-link(8)), as pod networks have them. */
const tunnelTypes = ['vxlan', 'geneve', 'ipip', 'ip6tnl', 'sit', 'gre', 'wireguard'];

function hasTunnel(devices: readonly string[], values: Values): boolean {
  return values<readonly Link[]>('ip-link')
    .flat()
    .some(({ name, type }) => devices.includes(name) && type !== undefined && tunnelTypes.includes(type));
}

/**
 * Where the packets of a route go to outside of their tunnel: with IP in IP the next hop itself, with VXLAN what the
 * forwarding table says of the next hop's MAC address.
 */
function tunnelPeersOf(routes: readonly RouteVerdict[], links: readonly Link[], values: Values): readonly string[] {
  const neighbours = values<readonly Neighbour[]>('ip-neigh').flat();
  const fdb = values<readonly FdbEntry[]>('bridge-fdb').flat();
  const peers = routes.flatMap(({ device, via }): (string | undefined)[] => {
    if (device === undefined || via === undefined) return [];
    if (links.some(({ name, type }) => name === device && type === 'ipip')) return [via];
    const macs = neighbours.filter((one) => one.device === device && one.address === via).map(({ mac }) => mac);
    return fdb.filter((one) => one.device === device && macs.includes(one.mac)).map(({ destination }) => destination);
  });
  const addresses = peers.filter((peer) => peer !== undefined && IpAddress.safeParse(peer).success);
  return [...new Set(addresses as string[])].slice(0, most);
}

/**
 * What is known of the servers behind the port, on any node, for a forwarder: it may stand behind the translation, where
 * the traffic has the addresses of the servers and nothing of the asked one.
 */
export function withServers(learned: Learned, roles: readonly Role[], behind: readonly Endpoint[]): Learned {
  if (!roles.includes('forwarder') || behind.length === 0) return learned;
  const all = new Map([...learned.servers, ...behind].map((one) => [`${one.address} ${one.port}`, one] as const));
  return { ...learned, servers: [...all.values()].slice(0, mostServers) };
}
