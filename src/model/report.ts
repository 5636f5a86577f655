import * as z from 'zod';
import { EvidenceEntry } from './evidence.ts';
import { languages } from './language.ts';
import { PhaseSpan } from './phase-span.ts';
import { Role } from './plan.ts';
import { RemedyKind } from './remedy-note.ts';
import { Symptom } from './symptom.ts';
import { ReportVerdict, Verdict } from './verdict.ts';

/** A sentence with the bytes it stands on: a file of the run directory, and a 1-based line of it. */
export const Because = z.strictObject({
  text: z.string(),
  evidence: z.string(),
  line: z.number().int().min(1).optional(),
});
export type Because = z.infer<typeof Because>;

/** One kernel setting and the value that it is to have. */
export const KernelSetting = z.strictObject({ key: z.string(), value: z.string() });
export type KernelSetting = z.infer<typeof KernelSetting>;

/**
 * A Kubernetes object, as far as it is to be changed: what server-side apply takes. Rules write `NAMESPACE` and `NAME` where
 * names belong that they do not know; the engine puts them in.
 */
export const KubeDraft = z.strictObject({
  /** What it does, and what to look out for: becomes the comment above it. */
  about: z.string(),
  object: z.record(z.string(), z.unknown()),
  /** Another way to the same end: it stands in the file as a comment. */
  instead: z.literal(true).optional(),
  /** Of the pods behind the target, not of the place that the finding is about. */
  serves: z.literal(true).optional(),
});
export type KubeDraft = z.infer<typeof KubeDraft>;

/** What to do, as text for a person. netcheck never runs it. */
export const Remedy = z.strictObject({
  kind: RemedyKind,
  /** Node to do it on; absent where it is not on a node. */
  node: z.string().optional(),
  /** One sentence: what this does. */
  text: z.string().optional(),
  commands: z.array(z.string()),
  undo: z.array(z.string()),
  risk: z.string(),
  /** Kernel settings that it changes. */
  settings: z.array(KernelSetting).optional(),
  /** Kubernetes objects that it changes, where the node or pod is part of a cluster. */
  objects: z.array(KubeDraft).optional(),
  /** The same as a file for `kubectl diff --server-side -f`, with comments. */
  manifest: z.strictObject({ file: z.string(), yaml: z.string() }).optional(),
});
export type Remedy = z.infer<typeof Remedy>;

/** A fact that was needed and is not there, and why. */
export const Missing = z.strictObject({ fact: z.string(), node: z.string(), why: z.string() });
export type Missing = z.infer<typeof Missing>;

/** One rule's verdict on one node, or on the path between two. */
export const Finding = z.strictObject({
  rule: z.string(),
  verdict: Verdict,
  node: z.string(),
  path: z.strictObject({ from: z.string(), to: z.string() }).optional(),
  title: z.string(),
  because: z.array(Because),
  remedies: z.array(Remedy),
  missing: z.array(Missing),
});
export type Finding = z.infer<typeof Finding>;

export const ladderMarks = [
  'retransmission',
  'fastRetransmission',
  'spuriousRetransmission',
  'outOfOrder',
  'duplicateAck',
  'hole',
  'gap',
  'filled',
  'zeroWindow',
  'windowOpen',
  'zeroWindowProbe',
  'windowFull',
  'keepAlive',
  'reset',
  'portReuse',
] as const;
export const LadderMark = z.enum(ladderMarks);
export type LadderMark = z.infer<typeof LadderMark>;

/** One packet of the story that the ladder shows. Times are milliseconds since the first packet. */
export const LadderStep = z.strictObject({
  atMs: z.number(),
  from: z.enum(['client', 'target']),
  label: z.string(),
  /** `answered`/`unanswered` for what needs an answer; `lost` where the other end never saw it. */
  fate: z.enum(['seen', 'answered', 'unanswered', 'lost']),
  frame: z.number().int().optional(),
  /** Payload, bytes. */
  bytes: z.number().int().optional(),
  /** What is remarkable about it. */
  marks: z.array(LadderMark).optional(),
  /** A second line under the label: `SACK 1445-2145: 1440 bytes from 5 are missing`. */
  note: z.string().optional(),
  /** Frame of the packet that it repeats. */
  originalFrame: z.number().int().optional(),
  /** The how manieth transmission of the same bytes this is, from 2. */
  attempt: z.number().int().optional(),
  /** The last lane that saw it, where it did not arrive. */
  diedAfter: z.enum(['client', 'forwarder', 'target']).optional(),
  /** The first lane that saw it, where the ones before did not: somebody on the way made it. */
  firstSeenAt: z.enum(['client', 'forwarder', 'target']).optional(),
  /** With the two above: nothing is known of the other lanes, which were not capturing then. */
  unsure: z.boolean().optional(),
  /** This step stands for so many packets that nothing happened to, until then. */
  folded: z.strictObject({ packets: z.number().int(), untilMs: z.number() }).optional(),
});
export type LadderStep = z.infer<typeof LadderStep>;

export const Ladder = z.strictObject({
  client: z.string(),
  target: z.string(),
  /** A third lane between the two. */
  forwarder: z.string().optional(),
  capturedOn: z.string(),
  /** What the ladder is about, one sentence. */
  title: z.string().optional(),
  steps: z.array(LadderStep),
  evidence: z.string(),
});
export type Ladder = z.infer<typeof Ladder>;

const PathDevice = z.strictObject({
  device: z.string(),
  mtu: z.number().int().optional(),
  /** `veth`, `bridge`, `vxlan`, `ipip`, `geneve`, `wireguard` …, where it is known. */
  type: z.string().optional(),
  /** The bridge that it is a port of. */
  bridge: z.string().optional(),
  /** What packets are put into behind this device, and where that goes: the other end of a tunnel. */
  tunnel: z.strictObject({ kind: z.string(), to: z.string().optional() }).optional(),
});

/** The place in the evidence that a statement about a hop stands on. */
const readAt = { evidence: z.string().optional(), line: z.number().int().min(1).optional() };

/**
 * What the firewall of a hop does with the connects, or with their answers.
 *
 * `accepts`: they were seen behind it, or no rule that was read takes them away. `drops`, `rejects`: the rule that is named
 * takes them, and counted them. `mayDrop`, `mayReject`: it may be that rule (no counter, or a match that was not understood).
 * `notReached`: nothing came here. `notSeen`: its rules could not be read, `why` says for what reason.
 */
export const HopFirewall = z.strictObject({
  verdict: z.enum(['accepts', 'drops', 'rejects', 'mayDrop', 'mayReject', 'notReached', 'notSeen']),
  of: z.enum(['connects', 'answers']),
  /** What tells: packets that were seen behind it, or the rules. */
  by: z.enum(['packets', 'rules']).optional(),
  /** The rule or policy that decides, where one was found. */
  tool: z.string().optional(),
  table: z.string().optional(),
  chain: z.string().optional(),
  rule: z.string().optional(),
  /** How far its counter moved in the window; absent where it has none. */
  packets: z.number().int().optional(),
  why: z.string().optional(),
  ...readAt,
});
export type HopFirewall = z.infer<typeof HopFirewall>;

/** An address that a hop puts in the place of another. */
export const HopTranslation = z.strictObject({
  what: z.enum(['destination', 'source']),
  from: z.string(),
  /** What was put in its place; of what was not seen: what may be. The first of them. */
  to: z.array(z.string()),
  /** How many there are besides. */
  more: z.number().int().optional(),
  /** Who does it; absent where nothing that was read tells. */
  by: z.enum(['ipvs', 'iptables', 'nftables', 'conntrack']).optional(),
  /** The Service, as kube-proxy's rules name it: `shop/cart:http`. */
  service: z.string().optional(),
  /** Whether packets were seen with the new address. */
  seen: z.boolean(),
  ...readAt,
});
export type HopTranslation = z.infer<typeof HopTranslation>;

/** A counter of losses or errors that rose while the connects were made. */
export const HopCounter = z.strictObject({ name: z.string(), by: z.number().int(), ...readAt });
export type HopCounter = z.infer<typeof HopCounter>;

/** One place on the way, and what was seen of the connects there. A number that is absent is not known. */
export const PathHop = z.strictObject({
  node: z.string(),
  role: Role,
  /** Devices that the SYNs were seen to come in by and to go out by. */
  in: PathDevice.optional(),
  out: PathDevice.optional(),
  /** Whether the node passes packets on that are not for itself (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding). */
  forwards: z.boolean().optional(),
  /** What its routing table says of the way on. `verdict` as `ip route get` answers: `ok`, `no-route-to-host` … */
  route: z
    .strictObject({ verdict: z.string(), device: z.string().optional(), via: z.string().optional(), ...readAt })
    .optional(),
  firewall: HopFirewall.optional(),
  /** Where the connects went instead of the address that was asked for: `10.244.2.7:8080`. */
  translatedTo: z.string().optional(),
  translations: z.array(HopTranslation).optional(),
  /** Those that rose most first. */
  counters: z.array(HopCounter).optional(),
  /** SYNs that were seen here, repeated ones included. */
  syns: z.number().int().optional(),
  /** Connects of which a SYN was seen here, of which one was seen going on, and of which an answer was seen. */
  connects: z.number().int().optional(),
  sentOn: z.number().int().optional(),
  answers: z.number().int().optional(),
});
export type PathHop = z.infer<typeof PathHop>;

/**
 * The way of the connects from one client, hop by hop, as far as nodes of the run stand on it.
 *
 * `endsAt`: where they stop. `inside`: that node had them and passed none on. `before`: the node before had sent them on,
 * and none came. `unanswered`: they arrived and the target said nothing. `beyond`: it sent them on to where nobody looked, and
 * no answer came back. `refused`, `refusedBeyond`: a RST or an ICMP error came from there, or from behind it. `answersLost`:
 * the target answered, and no answer came to this node.
 */
export const Path = z.strictObject({
  /** Connects of the client that this is about: those that failed, where any did. */
  connects: z.number().int(),
  failed: z.boolean(),
  hops: z.array(PathHop),
  endsAt: z
    .strictObject({
      node: z.string(),
      how: z.enum(['inside', 'before', 'unanswered', 'beyond', 'refused', 'refusedBeyond', 'answersLost']),
    })
    .optional(),
});
export type Path = z.infer<typeof Path>;

/** What became of a node in this run. */
export const NodeSummary = z.strictObject({
  name: z.string(),
  roles: z.array(Role),
  address: z.string(),
  kernel: z.string().optional(),
  /** Clock of the node minus clock of netcheck, milliseconds. */
  clockOffsetMs: z.number().optional(),
  /** Set where netcheck could not look at all. */
  unseen: z.string().optional(),
});
export type NodeSummary = z.infer<typeof NodeSummary>;

/** The document that every renderer reads, `--json` prints and `report.json` holds. */
export const Report = z.strictObject({
  schema: z.literal('netcheck/report/1'),
  run: z.strictObject({
    id: z.string(),
    startedAt: z.string(),
    playbooks: z.array(z.string()),
    /** Why each of them was used, in the language of the report. */
    chosen: z.array(z.strictObject({ playbook: z.string(), why: z.string() })).optional(),
    language: z.enum(languages),
    netcheck: z.string(),
  }),
  verdict: ReportVerdict,
  /** One sentence that a tired person understands. */
  headline: z.string(),
  symptom: Symptom,
  /** What the Kubernetes objects of the question turned out to be, and who told, one sentence each. */
  resolved: z.array(z.string()).optional(),
  nodes: z.array(NodeSummary),
  findings: z.array(Finding),
  /** What could not be seen, one sentence each. */
  unseen: z.array(z.string()),
  ladder: Ladder.optional(),
  path: Path.optional(),
  evidence: z.array(EvidenceEntry),
  timing: z.strictObject({
    startedAtMs: z.number(),
    endedAtMs: z.number(),
    tookMs: z.number(),
    /** Where the time went, for a waterfall. Absent where the run was recorded before it was written down. */
    phases: z.array(PhaseSpan).optional(),
  }),
});
export type Report = z.infer<typeof Report>;
