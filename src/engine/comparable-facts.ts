import type { Facts, Link } from '../model/facts.ts';

/** Longest value that is compared, characters; a longer one is cut, and differs still where its begin differs. */
const longestValue = 200;
/** Most facts of one node. */
const mostFacts = 400;

/** Settings that are different on every machine for a good reason: they follow its memory or its name, or count. */
const ownOfMachine =
  /^(?:net\.netfilter\.nf_conntrack_count|net\.ipv4\.tcp_mem|net\.ipv4\.tcp_max_orphans|net\.ipv4\.tcp_max_tw_buckets)$/;
/** A setting of one device: only those of all devices, of new ones and of the usual first ones mean the same on two nodes. */
const ofOneDevice = /^net\.ipv[46]\.(?:conf|neigh)\.(?!all\.|default\.)/;

/**
 * What can be compared with other nodes: settings, the MTU per kind of device, resolver, kernel, modules, policies of the
 * firewall, drivers. No counters, no addresses, nothing that is a machine's own. What was not read is absent.
 */
export function comparableFacts(facts: Facts): Readonly<Record<string, string>> {
  const pairs: (readonly [string, string | undefined])[] = [
    ['kernel', facts.kernel?.release],
    ['os', facts.kernel?.os],
    ...Object.entries(facts.sysctl ?? {})
      .filter(([name]) => !ownOfMachine.test(name) && !ofOneDevice.test(name))
      .map(([name, { value }]) => [name, value === null ? '-' : value.trim().replaceAll(/\s+/g, ' ')] as const),
    ...mtus(facts.links),
    ...resolver(facts),
    ...modules(facts),
    ...policies(facts),
    ...nics(facts),
    ['kube-proxy mode', facts.kubeProxy?.mode],
    ['ipvs timeouts', ipvsTimeouts(facts)],
  ];
  return Object.fromEntries(
    pairs
      .flatMap(([name, value]) => (value === undefined ? [] : [[name, value.slice(0, longestValue)] as const]))
      .slice(0, mostFacts),
  );
}

/** What ip(8) calls no kind of its own is a card (or looks like one): eth0, ens3. */
export function kindOf({ name, type }: Link): string | null {
  if (name === 'lo') return null;
  if (type === undefined || type === '') return 'ethernet';
  return type === 'dummy' || type === 'ifb' ? null : type;
}

/** Pods come and go: of devices that a pod network makes by the hundred the values count, not how many there are. */
function mtus(links: Facts['links']): readonly (readonly [string, string])[] {
  const byKind = new Map<string, Set<number>>();
  for (const link of links ?? []) {
    const kind = kindOf(link);
    // a tunnel device that the module made by itself and nobody has put up says nothing
    if (kind === null || !link.flags.includes('UP')) continue;
    byKind.set(kind, (byKind.get(kind) ?? new Set()).add(link.mtu));
  }
  return [...byKind].map(([kind, values]) => [`mtu of ${kind}`, [...values].sort((a, b) => a - b).join(', ')] as const);
}

function resolver({ resolver: known }: Facts): readonly (readonly [string, string | undefined])[] {
  const config = known?.config;
  return [
    ['nameservers', config?.nameservers.map(({ address }) => address).join(', ')],
    ['search domains', config?.search.join(' ')],
    ['resolver options', config?.options.join(' ')],
    ['hosts in nsswitch', known?.nameServices?.['hosts']?.sources.join(' ')],
  ];
}

/** Modules that change what happens to packets by being there. */
const telling = ['nf_conntrack', 'ip_vs', 'ip_tables', 'nf_tables'] as const;

function modules({ features }: Facts): readonly (readonly [string, string])[] {
  return telling.flatMap((name) => {
    const state = features?.modules[name];
    return state === undefined || state === 'unloadable'
      ? []
      : [[`module ${name}`, state === 'absent' ? '-' : 'loaded'] as const];
  });
}

function policies({ firewall }: Facts): readonly (readonly [string, string])[] {
  return (firewall?.rules ?? [])
    .filter(({ isPolicy, tool, hook }) => isPolicy && tool !== 'nft' && hook !== undefined)
    .map(({ family, table, chain, verdict }) => [
      `policy of ${table} ${chain}${family === 6 ? ' (IPv6)' : ''}`,
      verdict,
    ]);
}

function nics({ nics: known }: Facts): readonly (readonly [string, string])[] {
  const values = new Map<string, Set<string>>();
  const add = (name: string, value: string | number | null | undefined): void => {
    if (value === undefined || value === null) return;
    values.set(name, (values.get(name) ?? new Set()).add(String(value)));
  };
  for (const { driver, features, rings } of known ?? []) {
    if (driver === undefined || virtualDrivers.has(driver.driver)) continue;
    add('driver', driver.driver);
    for (const name of offloads) {
      const feature = features?.[name];
      add(`offload ${name}`, feature === undefined ? undefined : feature.on ? 'on' : 'off');
    }
    add('ring rx', rings?.current.rx);
    add('ring tx', rings?.current.tx);
  }
  return [...values].map(([name, set]) => [name, [...set].sort().join(', ')] as const);
}

const virtualDrivers = new Set(['veth', 'bridge', 'vxlan', 'ipip', 'tun', 'dummy', 'bonding', '802.1Q VLAN Support']);
const offloads = [
  'tcp-segmentation-offload',
  'generic-segmentation-offload',
  'generic-receive-offload',
  'large-receive-offload',
  'rx-checksumming',
  'tx-checksumming',
] as const;

function ipvsTimeouts({ ipvs }: Facts): string | undefined {
  const timeouts = ipvs?.timeoutsSec;
  return timeouts === undefined ? undefined : `${timeouts.tcp} ${timeouts.tcpfin} ${timeouts.udp}`;
}
