import * as z from 'zod';
import { InventoryNode, NodeName } from './inventory.ts';
import { NetnsName } from './netns.ts';
import { RemedyNote } from './remedy-note.ts';
import { Symptom } from './symptom.ts';

export const Role = z.enum(['target', 'client', 'forwarder']);
export type Role = z.infer<typeof Role>;

/** Bounds of one run. Nothing in a run is unbounded. */
export const Budget = z.strictObject({
  /** Wall time of the whole run. */
  wallMs: z.number().int().min(1000).max(600_000).default(60_000),
  /** How long captures and probes may take at most. */
  windowMs: z.number().int().min(1000).max(300_000).default(12_000),
  /** Packets and bytes per capture. */
  maxPackets: z.number().int().min(10).max(1_000_000).default(20_000),
  maxCaptureBytes: z
    .number()
    .int()
    .min(1000)
    .default(16 * 1024 * 1024),
  /** Bytes kept of any other command's output. */
  maxOutputBytes: z
    .number()
    .int()
    .min(1000)
    .default(4 * 1024 * 1024),
});
export type Budget = z.infer<typeof Budget>;

/** A node with what it is in this run. `ssh: false`: an address that netcheck cannot log in to. */
export const PlannedNode = z.strictObject({
  /** A place with a namespace is called `node-50@4321`: two places of one node are two nodes for everything after. */
  node: InventoryNode.extend({
    name: z.string().refine((name) => {
      const [node = '', netns, ...more] = name.split('@');
      const inNode = NodeName.safeParse(node).success && more.length === 0;
      return inNode && (netns === undefined || NetnsName.safeParse(netns).success);
    }, 'a node name, or a node name and a network namespace with "@" between them'),
  }),
  /** Network namespace on the node; absent: its own. */
  netns: NetnsName.optional(),
  roles: z.array(Role),
  /** The address that stands for it in this run. */
  address: z.string(),
  /** Why it is here, for `--explain`: "asked", "defaults.probeFrom", "the only other node". */
  why: z.string(),
  /** What is sent to the target goes on to this server, and the way to it leads here: judged in place of the target. */
  server: z.strictObject({ address: z.string(), port: z.number() }).optional(),
  /** Nobody asked about it: it joined because of that server. */
  joined: z.literal(true).optional(),
});
export type PlannedNode = z.infer<typeof PlannedNode>;

/** One collector on one node, with its parameters. */
export const PlannedStep = z.strictObject({
  node: z.string(),
  collector: z.string(),
  params: z.record(z.string(), z.unknown()),
});
export type PlannedStep = z.infer<typeof PlannedStep>;

/** One collector of a node that nobody knows yet. */
const OnwardStep = PlannedStep.omit({ node: true });

export const PlannedRule = z.strictObject({ rule: z.string(), params: z.record(z.string(), z.unknown()) });
export type PlannedRule = z.infer<typeof PlannedRule>;

/**
 * What the first look at the nodes may show of the question. `service`: a node sends the asked address and port on to
 * servers (IPVS, NAT), or would if there were any. `tunnel`: the way leads through a tunnel device (VXLAN, IP in IP …).
 * `cluster`: the question is about Kubernetes, whose API netcheck may ask.
 */
export const Seen = z.enum(['service', 'tunnel', 'cluster']);
export type Seen = z.infer<typeof Seen>;

/** Why a playbook is in a run: somebody named it, a word of the question, its port and protocol, nothing, or a look. */
export const PlaybookChoice = z.strictObject({
  playbook: z.string(),
  by: z.enum(['named', 'word', 'question', 'default', ...Seen.options]),
  word: z.string().optional(),
});
export type PlaybookChoice = z.infer<typeof PlaybookChoice>;

/** What a playbook adds to the run as soon as a node shows one of `seen`. */
export const MayJoin = z.strictObject({
  playbook: z.string(),
  seen: z.array(Seen),
  steps: z.array(PlannedStep),
  rules: z.array(PlannedRule),
  onward: z.array(OnwardStep).optional(),
});
export type MayJoin = z.infer<typeof MayJoin>;

/** A Kubernetes object that was looked up for a run. */
export const LookedUp = z.strictObject({
  /** `pod shop/cart-1`, `svc shop/cart` */
  asked: z.string(),
  /** Where it is: `10.244.2.7 on node-2`. */
  found: z.string(),
  by: z.enum(['api', 'nodes']),
  /** Why the API was of no use. */
  trouble: z.string().optional(),
  /** The node that the API says instead, where nothing of the pod was found. */
  insteadOf: z.string().optional(),
  /** The place that a pod is in this run, and what made the pod, for commands that change it: `deployment`. */
  place: z.string().optional(),
  workload: z.strictObject({ kind: z.string(), namespace: z.string(), name: z.string() }).optional(),
});
export type LookedUp = z.infer<typeof LookedUp>;

/**
 * What the question did not say and netcheck chose: where to probe from, which of several nodes with that address, or
 * (`words`) what is asked about, where other nodes stand among its words. `others`: what it could have been as well.
 */
export const Assumption = z.strictObject({
  what: z.enum(['from', 'owner', 'words']),
  node: z.string(),
  others: z.array(z.string()),
});
export type Assumption = z.infer<typeof Assumption>;

/** Playbook + nodes in roles: everything that decides what a run does. Saved in run.json. */
export const Plan = z.strictObject({
  symptom: Symptom,
  playbooks: z.array(z.string()),
  /** One for each of them; empty in records of older versions. */
  choice: z.array(PlaybookChoice).default([]),
  /** Playbooks that have not joined (yet). */
  mayJoin: z.array(MayJoin).default([]),
  targetAddress: z.string(),
  /** Client addresses that netcheck cannot log in to; they only widen the filters. */
  externalClients: z.array(z.string()),
  nodes: z.array(PlannedNode),
  steps: z.array(PlannedStep),
  rules: z.array(PlannedRule),
  /** What is collected on nodes that join because the traffic goes on to them; absent in records of older versions. */
  onward: z.array(OnwardStep).optional(),
  /** What the team adds to the remedies of these rules, by rule; absent: nothing. */
  remedyNotes: z.record(z.string(), z.array(RemedyNote)).optional(),
  /** Absent: the question said it all. */
  assumed: z.array(Assumption).optional(),
  budget: Budget,
  /** What Kubernetes objects of the question turned out to be, and who told; absent: the question names none. */
  lookedUp: z.array(LookedUp).optional(),
});
export type Plan = z.infer<typeof Plan>;
