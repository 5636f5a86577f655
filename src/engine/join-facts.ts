import type { Evidence, Exit } from '../model/evidence.ts';
import type {
  Address,
  Clock,
  Facts,
  FactName,
  Features,
  FirewallRule,
  IpvsServiceTotals,
  IpvsTotals,
  Kernel,
  Listener,
  Neighbour,
  Socket,
  TcpMetric,
} from '../model/facts.ts';
import type { CpuStat, ListenerProcess, Nic, SocketOwner, OwnValues } from '../model/node-facts.ts';
import { isBroken } from './is-broken.ts';
import { joinCounters } from './join-counters.ts';
import { joinSinceAudit } from './join-since-audit.ts';

/** What a parser made of one command's output. */
export interface Reading {
  readonly evidence: Evidence;
  readonly value: unknown;
}

/** All readings of one node -> one fact per name. A fact without any reading stays absent. */
export function joinFacts(readings: readonly Reading[], own: readonly Evidence[]): Facts {
  const of = (...kinds: readonly string[]): readonly Reading[] =>
    readings.filter(({ evidence }) => kinds.includes(evidence.entry.kind));
  const latest = <Value>(list: readonly Reading[]): Value | undefined => list.at(-1)?.value as Value | undefined;
  const by = (collector: string, ...kinds: readonly string[]): readonly Reading[] =>
    of(...kinds).filter(({ evidence }) => evidence.entry.collector === collector);
  const all = <Item>(list: readonly Reading[]): readonly Item[] | undefined =>
    list.length === 0 ? undefined : list.flatMap(({ value }) => value as readonly Item[]);
  const merged = <Value extends object>(list: readonly Reading[]): Value | undefined =>
    list.length === 0 ? undefined : (Object.assign({}, ...list.map(({ value }) => value as object)) as Value);

  const each = <Item>(list: readonly Reading[]): readonly Item[] | undefined =>
    list.length === 0 ? undefined : list.map(({ value }) => value as Item);
  const rebooted = wasRebooted(of('proc-uptime'));

  const sockets = (collector: string): readonly { listeners: readonly Listener[]; sockets: readonly Socket[] }[] =>
    by(collector, 'ss', 'proc-net-tcp').map(
      ({ value }) => value as { listeners: readonly Listener[]; sockets: readonly Socket[] },
    );
  const owners = new Map(
    (all<SocketOwner>(of('socket-owners')) ?? []).map(({ inode, pid }) => [inode, `pid ${pid}`] as const),
  );
  const listenerReadings = sockets('listeners');
  const socketReadings = sockets('sockets');
  const kernel = merged<Kernel>(of('os-release', 'uname'));
  const clock = merged<Clock>(of('proc-uptime', 'date'));

  const counters = joinCounters(of(...counterKinds), rebooted);
  const conntrackStats = joinCounters(of('conntrack-stats', 'proc-nf-conntrack-stat'), rebooted);

  return dropAbsent({
    features: latest(of('look')),
    kernel: kernel && 'release' in kernel ? kernel : undefined,
    clock: clock && 'epochMs' in clock ? clock : undefined,
    sysctl: merged(of('sysctl')),
    counters,
    conntrackStats,
    sinceAudit: joinSinceAudit(
      of('last-audit').at(-1),
      { ...counters, ...conntrackStats },
      clock && 'epochMs' in clock ? clock : undefined,
    ),
    listeners:
      listenerReadings.length === 0
        ? undefined
        : fullestListeners(listenerReadings.map((reading) => reading.listeners)).map((one) =>
            ownedListener(one, owners),
          ),
    sockets: socketReadings.length === 0 ? undefined : socketReadings.flatMap((reading) => reading.sockets),
    links: latest(of('ip-link')),
    addresses: latest<readonly Address[]>(of('ip-addr')),
    routes: latest(of('ip-route')) ?? all(of('proc-net-route', 'proc-net-ipv6-route')),
    routeGet: all(of('ip-route-get')),
    neighbours: latest<readonly Neighbour[]>(of('ip-neigh', 'proc-net-arp')),
    firewall:
      joinFirewall(of('iptables-save', 'ip6tables-save', 'nft-json'), own) ??
      noFirewall(latest<Features>(of('look')), own),
    ipvs: joinIpvs(readings),
    tcpMetrics: joinTcpMetrics(of('ip-tcp-metrics')),
    capture: latest(of('pcap')),
    probes: all(of('tcp-probe')),
    namespace: latest(of('netns')),
    policyRules: all(of('ip-rule')),
    nics: joinNics(readings),
    kernelLog: latest(of('dmesg')),
    resolver: joinResolver(readings),
    socketSummary: latest(of('ss-summary')),
    conntrackEntries: all(of('conntrack-list')),
    ipsets: latest(of('ipset')),
    listenerProcesses: joinProcesses(readings),
    kubeProxy: merged(of('kube-proxy')),
    fdb: latest(of('bridge-fdb')),
    tracedPaths: each(of('tracepath')),
    pings: each(of('ping')),
    nameLookups: each(of('getent-ahosts')),
    arpAnswers: each(of('arping')),
    ownValues: joinOwnValues(of('key-values')),
    // of the whole run, not of a node
    cluster: undefined,
  });
}

/** /proc/net/tcp tells the inode of a listener; whose it is stands elsewhere. */
function ownedListener(
  listener: Listener & { readonly inode?: number },
  owners: ReadonlyMap<number, string>,
): Listener {
  const { inode, ...rest } = listener;
  const process = rest.process ?? (inode === undefined ? undefined : owners.get(inode));
  return { ...rest, ...(process === undefined ? {} : { process }) };
}

/** By the collector that read them; of two readings the later counts. */
function joinOwnValues(readings: readonly Reading[]): OwnValues | undefined {
  const values: Record<string, OwnValues[string]> = {};
  for (const { evidence, value } of readings) {
    const { collector } = evidence.entry;
    values[collector] = { ...values[collector], ...(value as OwnValues[string]) };
  }
  return readings.length === 0 ? undefined : values;
}

/** Everything that counts, by name, in one fact. */
const counterKinds = [
  'proc-net-snmp',
  'proc-net-snmp6',
  'proc-net-netstat',
  'proc-net-sockstat',
  'nstat',
  'rt-cache',
  'arp-cache',
  'proc-net-dev',
  'softnet-stat',
  'softirqs',
  'interrupts',
  'ip-vs-stats',
  'ethtool-s',
] as const;

function dropAbsent(facts: { readonly [Name in FactName]: Facts[Name] | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Facts;
}

/** A queue is full only while it is full: of two readings of a listener the fuller one counts. */
function fullestListeners(readings: readonly (readonly Listener[])[]): readonly Listener[] {
  const kept = new Map<string, Listener>();
  for (const listener of readings.flat()) {
    const key = `${listener.protocol} ${listener.address} ${listener.port}`;
    const known = kept.get(key);
    if (!known || listener.recvq >= known.recvq) kept.set(key, listener);
  }
  return [...kept.values()];
}

/**
 * A firewall is what all its tools say together: a phase in which one of them broke is left out, because the rule that
 * drops may be the one that was not read.
 */
function joinFirewall(readings: readonly Reading[], own: readonly Evidence[]): Facts['firewall'] | undefined {
  const phases = new Set(readings.map(({ evidence }) => evidence.entry.phase));
  for (const { entry } of own) if (entry.collector === 'firewall' && isHidden(entry.exit)) phases.delete(entry.phase);
  if (phases.size === 0) return undefined;
  const rulesOf = (after: boolean): readonly FirewallRule[] =>
    withoutSecondReading(
      readings
        .filter(({ evidence: { entry } }) => phases.has(entry.phase) && (entry.phase === 'after') === after)
        .map(({ value }) => value as readonly FirewallRule[]),
    ).flat();
  const before = new Map(rulesOf(false).map((rule) => [rule.id, rule]));
  const after = rulesOf(true);
  if (after.length === 0) return { rules: [...before.values()] };
  // A rule that only moved within its chain is still there.
  const still = new Set(after.map(({ table, chain, text }) => [table, chain, text].join(' ')));
  const gone = [...before.values()].filter(({ table, chain, text }) => !still.has([table, chain, text].join(' ')));
  return {
    ...(before.size > 0 ? { gone } : {}),
    rules: after.map((rule) => {
      const first = before.get(rule.id)?.packets?.after ?? null;
      const second = rule.packets?.after ?? null;
      const moved = first !== null && second !== null && second >= first ? second - first : null;
      return rule.packets === null ? rule : { ...rule, packets: { before: first, after: second, delta: moved } };
    }),
  };
}

/** Where `iptables-save` is itself the legacy one, it and `iptables-legacy-save` tell the same rules: once is enough. */
function withoutSecondReading(told: readonly (readonly FirewallRule[])[]): readonly (readonly FirewallRule[])[] {
  const textOf = (rules: readonly FirewallRule[]): string =>
    rules.map(({ family, table, chain, text }) => [family, table, chain, text].join(' ')).join('\n');
  const others = new Set(told.filter(([first]) => first?.tool === 'iptables').map(textOf));
  return told.filter((rules) => rules[0]?.tool !== 'iptables-legacy' || !others.has(textOf(rules)));
}

/** A kernel without any of the three loaded has no rule, and looking for one would load them: that is known, not missing. */
const firewallModules = ['ip_tables', 'ip6_tables', 'nf_tables'] as const;

function noFirewall(features: Features | undefined, own: readonly Evidence[]): Facts['firewall'] | undefined {
  const asked = own.filter(({ entry }) => entry.collector === 'firewall');
  const isEmpty =
    asked.length > 0 &&
    asked.every(({ entry: { exit } }) => exit.how !== 'exited' && !isHidden(exit)) &&
    firewallModules.every((module) => features?.modules[module] === 'absent');
  return isEmpty ? { rules: [] } : undefined;
}

/** There may be rules, and they were not read: unlike a tool that is not installed or a module that is not loaded. */
function isHidden(exit: Exit): boolean {
  return isBroken(exit) || (exit.how === 'notStarted' && exit.why !== 'toolMissing');
}

/** Stamps that are remembered may be replaced during the window; the rule looks through both readings. */
function joinTcpMetrics(readings: readonly Reading[]): readonly TcpMetric[] | undefined {
  return readings.length === 0 ? undefined : readings.flatMap(({ value }) => value as readonly TcpMetric[]);
}

const ipvsConnectionKinds = ['ipvsadm-connections', 'proc-net-ip-vs-conn'] as const;

/** The table as it was before the window: afterwards it has entries that the probes made. Totals say what moved. */
function joinIpvs(readings: readonly Reading[]): Facts['ipvs'] | undefined {
  const own = readings.filter(({ evidence }) => evidence.entry.collector === 'ipvs');
  if (own.length === 0) return undefined;
  const first = own.filter(({ evidence }) => evidence.entry.phase !== 'after');
  const parts = first.flatMap(({ evidence, value }) =>
    evidence.entry.kind === 'ipvsadm-stats' ? [] : [value as object],
  );
  const totalsOf = (list: readonly Reading[]): readonly IpvsServiceTotals[] | undefined =>
    list.find(({ evidence }) => evidence.entry.kind === 'ipvsadm-stats')?.value as
      | readonly IpvsServiceTotals[]
      | undefined;
  const before = totalsOf(first);
  const after = totalsOf(own.filter(({ evidence }) => evidence.entry.phase === 'after'));
  const totals = after?.map((service) => movedTotals(service, before)) ?? before;
  const later = own.findLast(
    ({ evidence: { entry } }) => entry.phase === 'after' && ipvsConnectionKinds.some((kind) => kind === entry.kind),
  )?.value as Pick<NonNullable<Facts['ipvs']>, 'connections'> | undefined;
  return Object.assign(
    {},
    ...parts,
    totals === undefined ? {} : { totals },
    later?.connections === undefined ? {} : { laterConnections: later.connections },
  ) as Facts['ipvs'];
}

function movedTotals(after: IpvsServiceTotals, services: readonly IpvsServiceTotals[] | undefined): IpvsServiceTotals {
  const isSame = (one: IpvsTotals, other: IpvsTotals): boolean =>
    one.address === other.address && one.port === other.port;
  const before = services?.find((one) => one.protocol === after.protocol && isSame(one, after));
  const servers = after.servers.map((server) => ({
    ...server,
    ...risen(
      server,
      before?.servers.find((one) => isSame(one, server)),
    ),
  }));
  return { ...after, ...risen(after, before), servers };
}

/** A server that is taken out of the table and put back begins anew. */
function risen(after: IpvsTotals, before: IpvsTotals | undefined): Pick<IpvsTotals, 'moved'> {
  if (before === undefined) return {};
  const moved = {
    connections: after.connections - before.connections,
    inPackets: after.inPackets - before.inPackets,
    outPackets: after.outPackets - before.outPackets,
  };
  return Object.values(moved).some((by) => by < 0) ? {} : { moved };
}

/** The uptime went back between two readings. */
function wasRebooted(readings: readonly Reading[]): boolean {
  const uptimes = readings.map(({ value }) => (value as { readonly uptimeSec: number }).uptimeSec);
  return uptimes.some((uptime, i) => i > 0 && uptime < (uptimes[i - 1] ?? 0));
}

/** Outputs that are each a part of one thing: the parts by kind, the things by what `keyOf` reads in the command. */
function partsOf<Key>(
  readings: readonly Reading[],
  parts: Readonly<Record<string, string>>,
  keyOf: (argv: readonly string[]) => Key | undefined,
): ReadonlyMap<Key, object> {
  const things = new Map<Key, object>();
  for (const { evidence, value } of readings) {
    const part = parts[evidence.entry.kind];
    const key = keyOf(evidence.entry.argv);
    if (part !== undefined && key !== undefined) things.set(key, { ...things.get(key), [part]: value });
  }
  return things;
}

/** Outputs of ethtool, one device each: the device is the last word of the command. */
function joinNics(readings: readonly Reading[]): readonly Nic[] | undefined {
  const parts = { ethtool: 'settings', 'ethtool-i': 'driver', 'ethtool-k': 'features', 'ethtool-g': 'rings' };
  const nics = partsOf(readings, parts, (argv) => argv.at(-1));
  return nics.size === 0 ? undefined : [...nics].map(([device, told]) => ({ device, ...told }));
}

function joinResolver(readings: readonly Reading[]): Facts['resolver'] | undefined {
  const parts = { 'resolv-conf': 'config', nsswitch: 'nameServices', hosts: 'hosts' };
  return partsOf(readings, parts, () => 'resolver').get('resolver');
}

/** What is read of one process: the process is in the path, or the last word of the command. */
function joinProcesses(readings: readonly Reading[]): readonly ListenerProcess[] | undefined {
  const parts = { 'proc-limits': 'limits', 'fd-count': 'openFiles', 'cpu-stat': 'cpu' };
  const processes = partsOf(readings, parts, (argv) => {
    const last = argv.at(-1) ?? '';
    const pid = Number(/^\/proc\/(\d+)\//.exec(last)?.[1] ?? last);
    return Number.isSafeInteger(pid) ? pid : undefined;
  });
  const before = new Map(
    readings
      .filter(({ evidence: { entry } }) => entry.kind === 'cpu-stat' && entry.phase === 'before')
      .map(({ evidence, value }) => [evidence.entry.argv.at(-1), value as CpuStat] as const),
  );
  const moved = ({ pid, cpu }: ListenerProcess): Pick<ListenerProcess, 'cpu'> =>
    cpu === undefined ? {} : { cpu: { ...cpu, ...throttledSince(before.get(String(pid)), cpu) } };
  return processes.size === 0
    ? undefined
    : [...processes]
        .map(([pid, told]): ListenerProcess => ({ pid, ...told }))
        .map((one) => ({ ...one, ...moved(one) }));
}

function throttledSince(before: CpuStat | undefined, after: CpuStat): Pick<CpuStat, 'moved'> {
  const rise = (name: 'periods' | 'throttledPeriods' | 'throttledUsec'): number | null => {
    const [first, second] = [before?.[name] ?? null, after[name]];
    return first === null || second === null || second < first ? null : second - first;
  };
  const [periods, throttledPeriods, throttledUsec] = [rise('periods'), rise('throttledPeriods'), rise('throttledUsec')];
  const isSame = before === after;
  return isSame || periods === null || throttledPeriods === null || throttledUsec === null
    ? {}
    : { moved: { periods, throttledPeriods, throttledUsec } };
}
