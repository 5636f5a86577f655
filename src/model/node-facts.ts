import type { At } from './evidence.ts';

/** Link settings of one device. Null where ethtool says unknown; absent where it says nothing. */
export interface LinkSettings {
  readonly device: string;
  readonly speedMbitPerSec?: number | null;
  readonly duplex?: 'full' | 'half' | null;
  readonly autoNegotiation?: boolean;
  readonly port?: string;
  readonly linkDetected?: boolean;
  readonly at: At;
}

/** Driver of one device. Empty fields of ethtool are absent. */
export interface Driver {
  readonly driver: string;
  readonly version?: string;
  readonly firmwareVersion?: string;
  readonly busInfo?: string;
  readonly at: At;
}

/** Offloads of one device by ethtool's long name: `tcp-segmentation-offload`, `tx-checksum-ip-generic` … */
export type DeviceFeatures = Readonly<
  Record<string, { readonly on: boolean /** Cannot be changed. */; readonly fixed: boolean; readonly at: At }>
>;

/** Entries of the receive and transmit rings of one device; null where the driver does not tell (`n/a`). */
export interface RingSizes {
  readonly maximum: { readonly rx: number | null; readonly tx: number | null };
  readonly current: { readonly rx: number | null; readonly tx: number | null };
  readonly at: At;
}

/** What the resolver of the C library is told. */
export interface ResolverConfig {
  /** In the order in which they are asked; glibc uses the first three. */
  readonly nameservers: readonly { readonly address: string; readonly at: At }[];
  /** Of the last `search` or `domain` line: each replaces those before it. */
  readonly search: readonly string[];
  /** `ndots:5`, `timeout:1`, `single-request-reopen` … of all lines. */
  readonly options: readonly string[];
  readonly at: At;
}

/** Database -> where it is looked up, in order; reactions stand where they are written: `[NOTFOUND=return]`. */
export type NameServiceSwitch = Readonly<Record<string, { readonly sources: readonly string[]; readonly at: At }>>;

/** What a line of the kernel log is about, as far as networks are concerned. */
export type KernelLogTopic =
  | 'conntrack-full'
  | 'syn-flooding'
  | 'neighbour-overflow'
  | 'martian'
  | 'ipvs-no-destination'
  | 'orphans'
  | 'time-wait-overflow'
  | 'tcp-memory'
  | 'link-state'
  | 'transmit-timeout'
  | 'allocation-failure'
  | 'out-of-memory'
  | 'lockup';

export interface KernelLog {
  /** How many lines there were, whatever they say. */
  readonly lines: number;
  /** The lines that matter, the last thousand of them. */
  readonly matters: readonly {
    readonly topic: KernelLogTopic;
    /** As printed: seconds since boot, or a wall-clock time with -T and journalctl. */
    readonly time: string;
    readonly message: string;
    readonly at: At;
  }[];
}

/** What came back of a few echo requests. */
export interface PingResult {
  readonly target: string;
  readonly replies: readonly {
    readonly sequence: number;
    readonly timeMs?: number;
    readonly ttl?: number;
    readonly duplicate: boolean;
    readonly at: At;
  }[];
  /** What came instead of an answer: `Destination Host Unreachable`, `message too long, mtu=1300` … */
  readonly errors: readonly { readonly message: string; readonly mtu?: number; readonly at: At }[];
  /** From the closing statistics; null where ping was ended before them. */
  readonly sent: number | null;
  readonly received: number | null;
  readonly at: At;
}

/** One line of tracepath. */
export interface PathHop {
  readonly hop: number;
  /** Address or name; absent where nobody answered. */
  readonly host?: string;
  readonly rttMs?: number;
  /** Where this hop told of a smaller MTU. */
  readonly pmtu?: number;
  /** The target itself answered. */
  readonly reached: boolean;
  readonly at: At;
}

/** The way to a target and its MTU. */
export interface TracedPath {
  readonly hops: readonly PathHop[];
  /** The smallest MTU of the way as far as it was seen; null where it was cut before it was told. */
  readonly pmtu: number | null;
  readonly reached: boolean;
}

/** One rule of the routing policy database (ip-rule(8)). */
export interface PolicyRule {
  readonly priority: number;
  /** `all` or a prefix. */
  readonly from: string;
  readonly to?: string;
  readonly fwmark?: string;
  readonly iif?: string;
  readonly oif?: string;
  /** `lookup`, or what is done with the packet: blackhole, unreachable, prohibit, nop, goto … */
  readonly action: string;
  /** Of `lookup`. */
  readonly table?: string;
  /** The rule as printed, without its priority. */
  readonly text: string;
  readonly at: At;
}

/** `ss -s`: how many sockets there are, by state and by transport. */
export interface SocketSummary {
  readonly total: number;
  /** Of TCP: `total`, `estab`, `closed`, `orphaned`, `timewait`, and `synrecv`, `ports` of old versions. */
  readonly tcp: Readonly<Record<string, number>>;
  readonly transports: readonly {
    readonly name: string;
    readonly total: number;
    readonly ipv4: number;
    readonly ipv6: number;
    readonly at: At;
  }[];
  readonly at: At;
}

/** One direction of a tracked connection. Ports are null where the protocol has none (ICMP). */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** Only with nf_conntrack_acct. */
  readonly packets?: number;
  readonly bytes?: number;
}

/** One entry of the connection-tracking table. */
export interface ConntrackEntry {
  readonly protocol: string;
  /** TCP, SCTP, DCCP: `ESTABLISHED`, `SYN_SENT` … */
  readonly state?: string;
  /** Until it is dropped; null for an entry that hardware took over (`[OFFLOAD]`). */
  readonly timeoutSec: number | null;
  readonly original: ConntrackTuple;
  /** As the answer is expected: with the addresses that NAT put in. */
  readonly reply: ConntrackTuple;
  /** No answer was seen yet. */
  readonly unreplied: boolean;
  /** Answered and kept when the table is full. */
  readonly assured: boolean;
  readonly mark?: number;
  readonly zone?: number;
  readonly at: At;
}

/** The network namespace that was asked about. */
export interface Namespace {
  /** `net:[4026532281]`; null where it may not be seen. */
  readonly inode: string | null;
  readonly pid: string | null;
  /** Start time of that process in clock ticks since boot. */
  readonly startTicks: string | null;
  /** It is the node's own (hostNetwork); null where that may not be seen. */
  readonly isOwn: boolean | null;
  readonly at: At;
}

/** One network device as ethtool tells of it; parts are absent where they were not read. */
export interface Nic {
  readonly device: string;
  readonly driver?: Driver;
  readonly settings?: LinkSettings;
  readonly features?: DeviceFeatures;
  readonly rings?: RingSizes;
}

/** How names are looked up on the node (or in a pod). Parts are absent where they were not read. */
export interface Resolver {
  readonly config?: ResolverConfig;
  readonly nameServices?: NameServiceSwitch;
  readonly hosts?: readonly HostsLine[];
}

/** One line of /etc/hosts (hosts(5)). */
export interface HostsLine {
  readonly address: string;
  readonly names: readonly string[];
  readonly at: At;
}

/** A set of `ipset list -t` (ipset(8)): no members, only what it is. */
export interface IpSet {
  readonly name: string;
  /** `hash:ip,port` … */
  readonly type: string;
  readonly family?: string;
  readonly entries: number | null;
  readonly maxEntries: number | null;
  readonly at: At;
}

/** /proc/PID/limits (proc(5)): soft and hard, null for unlimited. Names as printed: `Max open files`. */
export type ProcessLimits = Readonly<
  Record<string, { readonly soft: number | null; readonly hard: number | null; readonly at: At }>
>;

/** cpu.stat of a cgroup (v1 and v2): how often it was throttled. Times in microseconds. */
export interface CpuStat {
  readonly periods: number | null;
  readonly throttledPeriods: number | null;
  readonly throttledUsec: number | null;
  readonly usageUsec: number | null;
  /** How far the first three moved from before the window to after it; absent where it was read once. */
  readonly moved?: { readonly periods: number; readonly throttledPeriods: number; readonly throttledUsec: number };
  readonly at: At;
}

/** The process behind a listener. Parts are absent where they were not read (they need root for other users). */
export interface ListenerProcess {
  readonly pid: number;
  readonly limits?: ProcessLimits;
  /** Open file descriptors. */
  readonly openFiles?: { readonly count: number; readonly at: At };
  readonly cpu?: CpuStat;
}

/** kube-proxy on this node, asked over loopback (ports 10249 and 10256). Absent parts did not answer. */
export interface KubeProxy {
  /** `iptables`, `ipvs`, `nftables`, `kernelspace` … */
  readonly mode?: string;
  readonly healthy?: boolean;
  readonly lastUpdated?: string;
  readonly at: At;
}

/** `getent ahosts NAME`: what a program of this node gets for a name. */
export interface NameLookup {
  readonly name: string;
  /** Each address once, in the order of the answer; empty: the name was not found. */
  readonly addresses: readonly string[];
  /** The look-up did not end in its time: programs get no answer either, or very late. */
  readonly unanswered?: true;
  readonly at: At;
}

/** `arping`: which MAC addresses answered for an address. */
export interface ArpAnswers {
  readonly address: string;
  readonly macs: readonly string[];
  readonly sent: number | null;
  readonly received: number | null;
  readonly at: At;
}

/** One entry of `bridge fdb show` (bridge(8)). */
export interface FdbEntry {
  readonly mac: string;
  readonly device: string;
  /** VTEP of a VXLAN device. */
  readonly destination?: string;
  readonly master?: string;
  readonly state?: string;
  readonly at: At;
}

/** A file descriptor that is a socket: which process holds which inode. */
export interface SocketOwner {
  readonly inode: number;
  readonly pid: number;
  readonly at: At;
}

/** One value that a collector of a plug-in read, as the command printed it. */
export interface OwnValue {
  readonly value: string;
  readonly at: At;
}

/** What the collectors of plug-ins read: id of the collector -> name -> value. */
export type OwnValues = Readonly<Record<string, Readonly<Record<string, OwnValue>>>>;
