import type * as z from 'zod';
import type { Endpoint, FactName } from './facts.ts';
import type { Budget, Role, Seen } from './plan.ts';

/**
 * One command, ready for a node: an argv array, never a shell string. Quoting happens once, in `adapters/ssh`.
 */
export interface Command {
  readonly argv: readonly string[];
  readonly privilege: 'none' | 'root';
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Name of the parser for its output. */
  readonly kind: string;
  /** Tool that must be on the node; the engine looks first and records `toolMissing` otherwise. */
  readonly tool?: string;
  /**
   * Kernel modules that running this would load if they are not there already (`ss` loads tcp_diag …). The engine
   * looks first and records `skipped: would load …`, unless `unlessFile` exists (it proves that they are there).
   */
  readonly wouldLoad?: { readonly modules: readonly string[]; readonly unlessFile?: string };
  /** Only where this tool is missing: what it would have told is then read in another way. */
  readonly unlessTool?: string;
  /** File that the first look must have found; `otherwise`, or `toolMissing`, where it is not there. */
  readonly needsFile?: string;
  /** It spends its time waiting for the network: it runs beside the others, not one after the other with them. */
  readonly waits?: true;
  /** Used instead when `tool` is missing, or when `wouldLoad` forbids it; tried in order. */
  readonly otherwise?: Command;
}

/** What collectors may use: validated values only. */
export interface CollectContext {
  readonly target: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** Addresses of the nodes in the client role (for route look-ups and filters). */
  readonly clientAddresses: readonly string[];
  /** Addresses of this node where known. */
  readonly ownAddresses: readonly string[];
  readonly roles: readonly Role[];
  /** Names that programs may use for the target; none where it was asked for by address. At most two. */
  readonly targetNames: readonly string[];
  /** What the run has found out on this node so far; empty before anything was read. */
  readonly learned: Learned;
  /** The account on the node, where it is known and is not root; for `tcpdump -Z`. */
  readonly loginUser?: string;
  readonly budget: Budget;
}

/** What later commands are made from: read on the node itself, and checked to be what it claims to be. */
export interface Learned {
  /** Devices that the way to the target and back to the clients uses, without lo. At most four. */
  readonly devices: readonly string[];
  /** Those of them that are one end of a veth. */
  readonly veths: readonly string[];
  /** Devices of the node that have an address, those of the way first, without lo. At most eight. */
  readonly addressed: readonly string[];
  /** Address that was looked up -> device that leads there. */
  readonly ways: readonly { readonly address: string; readonly device: string }[];
  /** Processes that listen on the port, as far as they may be seen. At most four. */
  readonly listenerPids: readonly string[];
  /** Where this node sends on what is sent to the target (IPVS real servers, DNAT). At most {@link mostServers}. */
  readonly servers: readonly Endpoint[];
  /** A reading of IPVS says that it has no service here; undefined: nothing was read. */
  readonly withoutIpvs?: boolean;
  /** For each of these servers: addresses that the node it lives on may have, the likeliest first. At most eight. */
  readonly beyond: readonly { readonly server: Endpoint; readonly addresses: readonly string[] }[];
  /** What the first look showed of the question; playbooks may join because of it. */
  readonly seen: readonly Seen[];
  /** Nodes at the other end of the tunnels on these ways (VXLAN, IP in IP): the addresses outside. At most four. */
  readonly tunnelPeers: readonly string[];
  /** Search domains of resolv.conf, in order, without the dot at the end. At most six. */
  readonly searchDomains: readonly string[];
}
export const nothingLearned: Learned = {
  devices: [],
  veths: [],
  addressed: [],
  ways: [],
  listenerPids: [],
  servers: [],
  beyond: [],
  seen: [],
  tunnelPeers: [],
  searchDomains: [],
};

/** A capture filter has room for so many servers of a Service; kernels take at most 4096 instructions (BPF_MAXINSNS). */
export const mostServers = 16;

/** Everything netcheck may run on a node comes from a collector: parameters in, argv arrays out. */
export interface Collector<Params extends z.ZodType = z.ZodType> {
  readonly id: string;
  /** One line for `--explain` and the docs: what is looked at and what it costs. */
  readonly purpose: string;
  readonly params: Params;
  /**
   * `delta` collectors run before and after the window; only what moved counts. `last` ones run once at the end, with
   * all that was learned. `active` ones send packets of their own from the clients.
   */
  readonly when: 'once' | 'delta' | 'capture' | 'probe' | 'active' | 'last';
  /** Of `delta` ones: the first reading is made before captures start: their filter, who joins the run, or what else is asked depends on it. */
  readonly beforeCaptures?: true;
  /** Of `last` ones: what it reads does not change and sends nothing, so it may be read while a long window is watched. */
  readonly meanwhile?: true;
  /** It asks for what the others of its phase find (devices, processes), so it comes after them. */
  readonly afterOthers?: true;
  /** Of `once` ones that come after others: nothing else is made from it, so it is read together with the counters. */
  readonly withCounters?: true;
  /** Facts that its commands' parsers give. */
  readonly provides: readonly FactName[];
  commands(params: z.output<Params>, context: CollectContext): readonly Command[];
}

export function defineCollector<Params extends z.ZodType>(collector: Collector<Params>): Collector<Params> {
  return collector;
}
