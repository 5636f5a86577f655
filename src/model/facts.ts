import type { Cluster } from './cluster-facts.ts';
import type { At } from './evidence.ts';
import type {
  ArpAnswers,
  ConntrackEntry,
  FdbEntry,
  IpSet,
  KernelLog,
  KubeProxy,
  ListenerProcess,
  NameLookup,
  Namespace,
  Nic,
  OwnValues,
  PingResult,
  PolicyRule,
  Resolver,
  SocketSummary,
  TracedPath,
} from './node-facts.ts';
import type {
  ConnectionEnd,
  DnsExchange,
  Flow,
  FragmentCounts,
  IdleGap,
  NeighbourClaim,
  Place,
  ServiceCount,
  SynSource,
  Tunnel,
  UdpFlow,
} from './packet-facts.ts';

/**
 * Every fact a rule may read, by name. A missing fact is absent, never empty: an empty list means "looked, and there
 * is none". Items say where they were read (`at`), so that a sentence can point at the line.
 */
export interface FactCatalogue {
  readonly features: Features;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly sysctl: Sysctls;
  readonly counters: CounterDeltas;
  readonly listeners: readonly Listener[];
  readonly sockets: readonly Socket[];
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly routeGet: readonly RouteVerdict[];
  readonly neighbours: readonly Neighbour[];
  readonly firewall: Firewall;
  readonly ipvs: Ipvs;
  readonly conntrackStats: CounterDeltas;
  readonly tcpMetrics: readonly TcpMetric[];
  readonly capture: Capture;
  readonly probes: readonly Probe[];
  readonly namespace: Namespace;
  readonly policyRules: readonly PolicyRule[];
  readonly nics: readonly Nic[];
  readonly kernelLog: KernelLog;
  readonly resolver: Resolver;
  readonly socketSummary: SocketSummary;
  readonly conntrackEntries: readonly ConntrackEntry[];
  readonly ipsets: readonly IpSet[];
  readonly listenerProcesses: readonly ListenerProcess[];
  readonly kubeProxy: KubeProxy;
  readonly fdb: readonly FdbEntry[];
  readonly tracedPaths: readonly TracedPath[];
  readonly pings: readonly PingResult[];
  readonly nameLookups: readonly NameLookup[];
  readonly arpAnswers: readonly ArpAnswers[];
  /** What the Kubernetes API said; the same on every node of a run. Absent: it was not asked. */
  readonly cluster: Cluster;
  /** Only in an audit that has one before it. */
  readonly sinceAudit: SinceAudit;
  /** Read by the collectors of plug-ins. */
  readonly ownValues: OwnValues;
}
export type FactName = keyof FactCatalogue;

/** What is known of one node. Absent = not known. */
export type Facts = { readonly [Name in FactName]?: FactCatalogue[Name] };

/** A place where a parser could not make sense of its input. The rest of the input is still used. */
export interface ParseProblem {
  readonly message: string;
  readonly line?: number;
}

/** What the first look at a node found. Everything else is chosen from it, never from a version number. */
export interface Features {
  readonly uid: number;
  /** Tool name -> path, or null where it is not there. */
  readonly tools: Readonly<Record<string, string | null>>;
  /**
   * Module name -> whether it is there. `unloadable`: this kernel loads no modules at all, so running a tool can load
   * none either. `absent`: running a tool that needs it would load it.
   */
  readonly modules: Readonly<Record<string, 'loaded' | 'builtin' | 'absent' | 'unloadable'>>;
  /** Files of the look list that exist: /proc/net/ip_vs, /proc/net/nf_conntrack … */
  readonly files: readonly string[];
  readonly at: At;
}

export interface Kernel {
  /** `uname -r` */
  readonly release: string;
  readonly hostname?: string;
  /** PRETTY_NAME of os-release. */
  readonly os?: string;
  readonly at: At;
}

export interface Clock {
  /** `date +%s.%N` of the node, milliseconds since the epoch. */
  readonly epochMs: number;
  readonly uptimeSec?: number;
  readonly at: At;
}

/** Key with dots (`net.ipv4.tcp_tw_recycle`) -> value as the kernel prints it, or null: the file does not exist. */
export type Sysctls = Readonly<Record<string, { readonly value: string | null; readonly at: At }>>;

/** One reading of counters, by the kernel's names: `TcpExt.ListenDrops`, `Ip.InAddrErrors`. */
export type CounterReading = Readonly<Record<string, { readonly value: number; readonly at: At }>>;

/** Two readings. `delta` is null where they cannot be compared; `how` says why, or how it was made. */
export interface CounterDelta {
  readonly before: number | null;
  readonly after: number | null;
  readonly delta: number | null;
  /**
   * - `counted`: after minus before
   * - `wrapped`: a 32-bit counter (kernels of 32 bits, and some drivers) went through its end
   * - `gauge`: not a counter; it may fall
   * - `reset`: it began anew between the readings (reboot, module loaded again)
   * - `appeared`, `vanished`: it is in only one of the readings
   * - `once`: it was read only once
   */
  readonly how: 'counted' | 'wrapped' | 'gauge' | 'reset' | 'appeared' | 'vanished' | 'once';
  /** What happened between these is in `delta` for certain: end of the first reading, begin of the second; our clock. */
  readonly between?: { readonly fromMs: number; readonly toMs: number };
  readonly at: At;
}
/** A name that is not here does not exist on this kernel: that is a fact too. */
export type CounterDeltas = Readonly<Record<string, CounterDelta>>;

/** How far the counters that audits keep have moved since the last one. */
export interface SinceAudit {
  readonly elapsedSec: number;
  /** The node was started in between, or that cannot be told: nothing is compared. */
  readonly rebooted: boolean;
  readonly counters: CounterDeltas;
  /** What the last audit kept. */
  readonly at: At;
}

export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** `0.0.0.0`, `::`, `127.0.0.1`, … without brackets or zone. `*` of ss is reported as `::` with v6only false. */
  readonly address: string;
  readonly port: number;
  /** TCP: connections waiting for accept(). */
  readonly recvq: number;
  /** TCP: the size of that queue: min(backlog, somaxconn) at listen(). Null where the source does not tell. */
  readonly sendq: number | null;
  readonly process?: string;
  readonly at: At;
}

export interface Socket {
  readonly protocol: 'tcp' | 'udp';
  /** As ss spells it, upper case with dashes: ESTAB, SYN-SENT, SYN-RECV, TIME-WAIT, CLOSE-WAIT … */
  readonly state: string;
  readonly recvq: number;
  readonly sendq: number;
  readonly local: { readonly address: string; readonly port: number };
  readonly peer: { readonly address: string; readonly port: number };
  /** `keepalive`, `on` (retransmission), `timewait`, `persist` … with the time left, milliseconds. */
  readonly timer?: { readonly kind: string; readonly leftMs: number; readonly retries: number };
  readonly process?: string;
  readonly at: At;
}

export interface Link {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  /** UP, DOWN, UNKNOWN, LOWERLAYERDOWN … */
  readonly state: string;
  readonly flags: readonly string[];
  readonly mac?: string;
  /** veth, bridge, vxlan, ipip … where `ip -d` told. */
  readonly type?: string;
  readonly master?: string;
  /** Of a VXLAN or Geneve device, where `ip -d` told: the device that its packets leave on. */
  readonly lower?: string;
  /** Of a port of a bridge, where `ip -d` told: whether a frame may go out where it came in (bridge(8), hairpin). */
  readonly hairpin?: boolean;
  readonly rx?: LinkCounts;
  readonly tx?: LinkCounts;
  readonly at: At;
}
export interface LinkCounts {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

export interface Address {
  readonly family: 4 | 6;
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope?: string;
  readonly at: At;
}

export interface Route {
  readonly family: 4 | 6;
  /** `default`, `10.0.0.0/24`, `10.0.0.1` */
  readonly destination: string;
  /** unicast, local, broadcast, blackhole, unreachable, prohibit, throw … */
  readonly type: string;
  readonly via?: string;
  readonly device?: string;
  readonly source?: string;
  readonly table?: string;
  readonly metric?: number;
  readonly mtu?: number;
  readonly at: At;
}

/** The kernel's own answer to `ip route get TO [from FROM iif DEV]`. */
export interface RouteVerdict {
  readonly to: string;
  readonly from?: string;
  readonly iif?: string;
  readonly verdict:
    | 'ok'
    | 'local'
    /** EHOSTUNREACH: forwarding off (with iif), or an `unreachable` route */
    | 'no-route-to-host'
    /** ENETUNREACH: no route */
    | 'network-unreachable'
    /** EXDEV: rp_filter */
    | 'reverse-path-filtered'
    /** EINVAL: martian source, blackhole, or rp_filter on newer kernels */
    | 'invalid-argument'
    /** EACCES: `prohibit` */
    | 'prohibited'
    | 'other';
  readonly device?: string;
  readonly via?: string;
  readonly source?: string;
  readonly mtu?: number;
  readonly message?: string;
  readonly at: At;
}

export interface Neighbour {
  readonly address: string;
  readonly device?: string;
  readonly mac?: string;
  /** REACHABLE, STALE, DELAY, PROBE, FAILED, INCOMPLETE, PERMANENT, NOARP */
  readonly state: string;
  readonly at: At;
}

/** One rule or chain policy of iptables or nftables, with its packet counts before and after the window. */
export interface FirewallRule {
  readonly tool: 'iptables' | 'iptables-legacy' | 'nft';
  readonly family: 4 | 6 | 'inet' | 'other';
  readonly table: string;
  readonly chain: string;
  /** Base-chain hook in lower case (`input`, `forward`, `output`, `prerouting`, `postrouting`); absent for user chains. */
  readonly hook?: string;
  /** Stable identity between two readings: table, chain, position, text without counters. */
  readonly id: string;
  /** The rule as a person knows it (without counters). */
  readonly text: string;
  readonly isPolicy: boolean;
  readonly verdict: 'accept' | 'drop' | 'reject' | 'jump' | 'other';
  /** `icmp-host-prohibited`, `icmp-port-unreachable`, `tcp-reset` … */
  readonly rejectWith?: string;
  readonly jumpTo?: string;
  /**
   * What it matches, as far as it was understood. A list absent means "any"; `understood: false` means that there is
   * more in the rule than this, so that a match is possible, not certain.
   */
  readonly match: {
    readonly protocol?: string;
    readonly sources?: readonly string[];
    readonly destinations?: readonly string[];
    readonly destinationPorts?: readonly { readonly from: number; readonly to: number }[];
    readonly sourcePorts?: readonly { readonly from: number; readonly to: number }[];
    readonly inDevice?: string;
    readonly outDevice?: string;
    readonly understood: boolean;
  };
  /** Null where the rule has no counter (nft without `counter`). */
  readonly packets: {
    readonly before: number | null;
    readonly after: number | null;
    readonly delta: number | null;
  } | null;
  readonly at: At;
}
export interface Firewall {
  readonly rules: readonly FirewallRule[];
  /** Rules of the first reading that the second no longer had; absent where there were no two readings. */
  readonly gone?: readonly FirewallRule[];
}

export interface IpvsService {
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'fwm';
  readonly address: string;
  readonly port: number;
  readonly scheduler: string;
  readonly servers: readonly {
    readonly address: string;
    readonly port: number;
    readonly forward: string;
    readonly weight: number;
    readonly activeConnections: number;
    readonly inactiveConnections: number;
    readonly at: At;
  }[];
  readonly at: At;
}
export interface IpvsConnection {
  readonly protocol: string;
  readonly state: string;
  readonly expireSec: number;
  readonly source: { readonly address: string; readonly port: number };
  readonly virtual: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
  readonly at: At;
}
/** Totals of one service or real server since it was made. Rounded to three digits and a letter without --exact. */
export interface IpvsTotals {
  readonly address: string;
  readonly port: number;
  readonly connections: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** How far they moved from before the window to after it; absent where they were read once, or began anew. */
  readonly moved?: { readonly connections: number; readonly inPackets: number; readonly outPackets: number };
  readonly at: At;
}

export interface IpvsServiceTotals extends IpvsTotals {
  readonly protocol: IpvsService['protocol'];
  readonly servers: readonly IpvsTotals[];
}
/** As it was before the window: what the window made of it is not in it. Parts are absent where they were not read. */
export interface Ipvs {
  readonly services?: readonly IpvsService[];
  /** Before the window, where it was read twice: afterwards the table has entries that the probes made. */
  readonly connections?: readonly IpvsConnection[];
  /** After the window; absent where the table was read once. */
  readonly laterConnections?: readonly IpvsConnection[];
  /** Since the service was made, or was zeroed; read before and after the window. */
  readonly totals?: readonly IpvsServiceTotals[];
  readonly timeoutsSec?: { readonly tcp: number; readonly tcpfin: number; readonly udp: number; readonly at: At };
}

/** `ip tcp_metrics`: `tw_ts V/A` is the timestamp remembered of that peer (kernels with tcp_tw_recycle). */
export interface TcpMetric {
  readonly address: string;
  readonly ageSec: number;
  readonly twTs?: { readonly value: number; readonly ageSec: number };
  readonly at: At;
}

export interface Probe {
  readonly to: string;
  readonly port: number;
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly tookMs: number;
  readonly outcome: 'connected' | 'refused' | 'timedOut' | 'noRoute' | 'netUnreachable' | 'notPermitted' | 'other';
  readonly message: string;
  readonly at: At;
}

// ---------------------------------------------------------------------------------------------------- packets

/** A capture at one place: what `src/packets` made of the stream. Times are the capturing node's clock. */
export interface Capture {
  readonly packets: number;
  readonly bytes: number;
  readonly linkType: string;
  readonly firstAtMs: number | null;
  readonly lastAtMs: number | null;
  /** The expression that chose what is in it (pcap-filter(7)); absent where it is not known: files. */
  readonly filter?: string;
  /** From tcpdump's stderr; null where it did not say. Above 0 weakens every rule that argues from a missing packet. */
  readonly droppedByKernel: number | null;
  /** Whether tcpdump got as far as "listening on". */
  readonly listening: boolean;
  /**
   * Set where it may lack the end of the window: tcpdump ended before the probes did (packet or byte limit, connection
   * lost), or was stopped and its closing counts never came. Weakens every rule that argues from a missing packet.
   */
  readonly cutShort?: boolean;
  /** In order of the first packet. Of a large file: those that something happened to, and some of the others. */
  readonly connections: readonly Connection[];
  /** Connections that nothing happened to and that are only counted in `services`; 0 where `connections` has all. */
  readonly uneventful: number;
  readonly services: readonly ServiceCount[];
  readonly synSources: readonly SynSource[];
  readonly icmpErrors: readonly IcmpError[];
  readonly udp: readonly UdpFlow[];
  readonly dns: readonly DnsExchange[];
  readonly neighbourClaims: readonly NeighbourClaim[];
  readonly fragments: FragmentCounts;
  /** Names of interfaces, where the file has them (pcapng if_name), by the index that {@link Place} says. */
  readonly interfaceNames: Readonly<Record<number, string>>;
  readonly problems: readonly ParseProblem[];
  /** Connections that were let go because of the bound on memory, without those that are `uneventful`. */
  readonly connectionsDropped: number;
  readonly at: At;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** One TCP connection attempt (a 4-tuple with one initial sequence number), as seen at one place. */
export interface Connection {
  /** In order of the first packet of all connections of the capture, from 0: what `--flow` takes. */
  readonly number: number;
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** SYNs of the client, retransmissions included, in order. Duplicate sightings of `-i any` count once. */
  readonly syns: readonly Syn[];
  /** SYN+ACKs of the server, in order. */
  readonly synAcks: readonly SynAck[];
  readonly handshake: /** SYN, SYN+ACK, ACK */
    | 'complete'
    /** SYN+ACK seen, the client's ACK not */
    | 'noFinalAck'
    /** no SYN+ACK */
    | 'unanswered'
    /** RST instead of SYN+ACK */
    | 'refused'
    /** an ICMP error instead of SYN+ACK */
    | 'icmpError'
    /** answered by a bare ACK (stale connection on the server) */
    | 'challengeAck'
    /** began before the capture */
    | 'midStream';
  /** RSTs in either direction. */
  readonly resets: readonly Reset[];
  readonly fins: { readonly client: boolean; readonly server: boolean };
  readonly bytes: { readonly client: number; readonly server: number };
  readonly packets: { readonly client: number; readonly server: number };
  readonly retransmitted: { readonly client: number; readonly server: number };
  readonly options: {
    readonly client: SynOptions | null;
    readonly server: SynOptions | null;
  };
  /** What each side sent. */
  readonly flow: { readonly client: Flow; readonly server: Flow };
  /** Wireshark's conversation completeness: SYN 1, SYN+ACK 2, ACK 4, data 8, FIN 16, RST 32. */
  readonly completeness: number;
  /** SYN to the ACK that ends the handshake; null where one of them was not seen. */
  readonly initialRttMs: number | null;
  /** SYN to SYN+ACK: way from here to the server and back; null where one of them was not seen. */
  readonly serverRttMs: number | null;
  /** Silences of 5 s and more, the longest first. */
  readonly idleGaps: readonly IdleGap[];
  readonly end: ConnectionEnd;
  /** The connection before it on the same 4-tuple. */
  readonly portReuse: { readonly number: number; readonly sinceMs: number } | null;
  /** Where its packets were seen, in captures of several devices; empty in others. */
  readonly places: readonly Place[];
  readonly tunnel: Tunnel | null;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface SynAck {
  readonly atMs: number;
  readonly frame: number;
  readonly sequence: number;
  readonly ttl: number;
  readonly tsval: number | null;
}

export interface Reset {
  readonly from: 'client' | 'server';
  readonly atMs: number;
  readonly ttl: number;
  readonly frame: number;
  /**
   * The ACK flag: a TCP that breaks off a connection of its own sets it (net/ipv4/tcp_output.c, tcp_send_active_reset);
   * without it somebody who has no such connection answers a segment that had one (RFC 9293 3.10.7.1).
   */
  readonly ack: boolean;
  /** Whether it answers a SYN (ack = SYN's sequence + 1). */
  readonly answersSyn: boolean;
  readonly ipId: number;
  /** IP id of the packet that the same side sent before; null: there was none. */
  readonly ipIdBefore: number | null;
  /** Against what the other side expects next (RFC 5961 3.2): `exact`, within its window, or outside of it. */
  readonly sequence: 'exact' | 'inWindow' | 'outside' | 'unknown';
  /** Since the packet before it, of either side. */
  readonly afterMs: number;
  /** Bytes that the other side had sent and this side had not acknowledged. */
  readonly unacknowledged: number;
}

export interface SynOptions {
  readonly mss: number | null;
  readonly windowScale: number | null;
  readonly sackPermitted: boolean;
  readonly timestamps: boolean;
}

export interface Syn {
  readonly atMs: number;
  readonly frame: number;
  readonly sequence: number;
  readonly ipId: number;
  readonly ttl: number;
  /** TSval, or null where the SYN has no timestamp option. */
  readonly tsval: number | null;
  /** Devices it was seen on, in order, where the link layer tells (SLL2), with direction. */
  readonly sightings: readonly {
    readonly interfaceIndex: number | null;
    readonly direction: 'in' | 'out' | 'other';
    /** It was inside of another packet there: routing and filters of the node did not see it as what it is. */
    readonly inTunnel?: true;
  }[];
}

/** An ICMP or ICMPv6 error with the flow that it is about. */
export interface IcmpError {
  readonly atMs: number;
  readonly frame: number;
  /** Who sent it. */
  readonly from: string;
  readonly to: string;
  readonly version: 4 | 6;
  readonly type: number;
  readonly code: number;
  /** `host-unreachable`, `port-unreachable`, `host-prohibited`, `admin-prohibited`, `frag-needed`, `time-exceeded` … */
  readonly name: string;
  /** Next-hop MTU of frag-needed / packet-too-big. */
  readonly mtu?: number;
  /** The packet inside; ports are null where it was cut before them. */
  readonly about: {
    readonly protocol: number;
    readonly source: string;
    readonly destination: string;
    readonly sourcePort: number | null;
    readonly destinationPort: number | null;
    readonly sequence: number | null;
  };
}
