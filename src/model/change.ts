import * as z from 'zod';
import { nodeOfPlace } from './netns.ts';
import type { Remedy, Report } from './report.ts';

/** Where an administrator puts the program that makes changes; nothing else on a node is ever asked to change anything. */
export const changeHelperPath = '/usr/local/sbin/netcheck-change';

/** Settings that netcheck may change where two people want it to, with the values that it may give them. */
export const changeableSysctls: readonly {
  readonly key: string;
  readonly values: 'number' | 'range' | readonly string[];
}[] = [
  { key: 'net.ipv4.tcp_tw_recycle', values: ['0'] },
  { key: 'net.ipv4.tcp_syncookies', values: ['1'] },
  { key: 'net.ipv4.tcp_abort_on_overflow', values: ['0'] },
  { key: 'net.ipv4.tcp_mtu_probing', values: ['0', '1', '2'] },
  { key: 'net.ipv4.tcp_max_syn_backlog', values: 'number' },
  { key: 'net.ipv4.tcp_max_tw_buckets', values: 'number' },
  { key: 'net.ipv4.tcp_retries2', values: 'number' },
  { key: 'net.ipv4.tcp_keepalive_time', values: 'number' },
  { key: 'net.ipv4.ip_local_port_range', values: 'range' },
  { key: 'net.ipv4.ip_forward', values: ['1'] },
  { key: 'net.ipv4.conf.*.forwarding', values: ['1'] },
  { key: 'net.ipv4.conf.*.rp_filter', values: ['2'] },
  { key: 'net.ipv4.vs.conn_reuse_mode', values: ['0', '1'] },
  { key: 'net.ipv4.vs.expire_nodest_conn', values: ['0', '1'] },
  { key: 'net.netfilter.nf_conntrack_max', values: 'number' },
  { key: 'net.netfilter.nf_conntrack_tcp_be_liberal', values: ['0', '1'] },
  { key: 'net.core.netdev_max_backlog', values: 'number' },
  { key: 'net.bridge.bridge-nf-call-iptables', values: ['0', '1'] },
];

const Word = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$/);
const Address = z.string().regex(/^[0-9a-fA-F.:]{2,45}(?:\/\d{1,3})?$/);
const Port = z.number().int().min(1).max(65_535);
const Match = {
  source: Address.optional(),
  destination: Address.optional(),
  protocol: z.enum(['tcp', 'udp']),
  port: Port,
};

/** One reversible change on one node: a closed set, each of which `netcheck-change` on the node knows how to take back. */
export const Change = z.discriminatedUnion('kind', [
  z
    .strictObject({ kind: z.literal('sysctl'), key: z.string(), value: z.string() })
    .refine(({ key, value }) => mayBeSet(key, value)),
  z.strictObject({
    kind: z.literal('mtu'),
    device: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$/),
    mtu: z.number().int().min(576).max(9216),
  }),
  /** An ACCEPT at the head of a chain. */
  z.strictObject({
    kind: z.literal('iptables'),
    program: z.enum(['iptables', 'iptables-legacy', 'ip6tables', 'ip6tables-legacy']),
    table: z.enum(['raw', 'mangle', 'filter']),
    chain: Word,
    ...Match,
  }),
  z.strictObject({
    kind: z.literal('nft'),
    family: z.enum(['ip', 'ip6', 'inet']),
    table: Word,
    chain: Word,
    ...Match,
  }),
  /** A TCPMSS rule at the end of mangle POSTROUTING. `mss` absent: what the path's MTU gives. */
  z.strictObject({
    kind: z.literal('mss'),
    program: z.enum(['iptables', 'ip6tables']),
    mss: z.number().int().min(500).max(9000).optional(),
  }),
]);
export type Change = z.infer<typeof Change>;

/** A change that a report offers, with the finding that it would mend. */
export const OfferedChange = z.strictObject({
  /** In the inventory. */
  node: z.string(),
  rule: z.string(),
  change: Change,
  /** As the report shows it: what is read is what is done. */
  command: z.string(),
});
export type OfferedChange = z.infer<typeof OfferedChange>;

/** A change that somebody asked for and somebody else approved: it is made, tried by asking again, kept or put back. */
export const Trial = OfferedChange.extend({
  /** Who asked for it, and who approved it: not the same person. Slack user ids. */
  askedBy: z.string(),
  approvedBy: z.string(),
});
export type Trial = z.infer<typeof Trial>;

/** Why a change did not stay. `still`, `different`, `unsure`: what asking again said. `timer`: nobody said "keep" in time. */
export const putBackReasons = [
  'still',
  'different',
  'unsure',
  'cancelled',
  'workerDied',
  'timer',
  'unreachable',
] as const;
export type PutBackReason = (typeof putBackReasons)[number];

/** Why nothing was changed. `gone`: the finding is not there any more. `helper`: the program on the node said no. */
export type NotChangedReason = 'gone' | 'noHelper' | 'helper' | 'unreachable' | 'already' | 'cancelled';

/** What became of a change. Values as the node printed them. */
export type TrialOutcome =
  | { readonly how: 'kept'; readonly previous: string; readonly now: string }
  | { readonly how: 'putBack'; readonly because: PutBackReason; readonly now: string }
  | { readonly how: 'notChanged'; readonly because: NotChangedReason; readonly words: string }
  /** The node cannot be reached; its own timer puts the change back, at the latest at this moment (Unix milliseconds). */
  | { readonly how: 'unknown'; readonly putBackByMs: number };

/** One step of a trial, for the thread and the audit log. */
export interface TrialStep {
  readonly atMs: number;
  readonly step: (typeof trialSteps)[number];
}
export const trialSteps = ['before', 'changed', 'after', 'kept', 'putBack', 'notChanged', 'unknown'] as const;

/** Rules whose remedy takes hold only when the application listens again: a trial would always fail. */
const needRestart = new Set(['accept-queue-overflow', 'backlog-capped']);
/** More are not offered: the first remedies of a finding are the ones that mend it. */
const maxOffered = 3;

/**
 * The changes that a report offers: of its confirmed findings, those remedies that are one reversible command on a node
 * itself. Remedies for the namespace of a pod are not: there the workload's own definition is the place.
 */
export function changesIn(report: Pick<Report, 'findings'>): readonly OfferedChange[] {
  const offered = report.findings
    .filter(({ verdict, rule }) => verdict === 'confirmed' && !needRestart.has(rule))
    .flatMap(({ rule, remedies }) =>
      remedies.flatMap((remedy) => {
        const change = changeOf(remedy);
        const [command = ''] = remedy.commands;
        return change === undefined || remedy.node === undefined ? [] : [{ node: remedy.node, rule, change, command }];
      }),
    );
  const seen = new Set<string>();
  return offered
    .filter(({ node, command }) => {
      const key = `${node}\n${command}`;
      return !seen.has(key) && seen.add(key) !== undefined;
    })
    .slice(0, maxOffered);
}

/** The change that a remedy's command is; undefined where it is not one of the closed set. */
export function changeOf({
  kind,
  node,
  commands,
  undo,
}: Pick<Remedy, 'kind' | 'node' | 'commands' | 'undo'>): Change | undefined {
  const [command, ...more] = commands;
  if (kind !== 'temporary' || node === undefined || nodeOfPlace(node) !== node) return undefined;
  if (command === undefined || more.length > 0 || undo.length === 0) return undefined;
  for (const read of shapes) {
    const found = Change.safeParse(read(command));
    if (found.success) return found.data;
  }
  return undefined;
}

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

/** How the rules write them; the whole command must match. */
const shapes: readonly ((command: string) => unknown)[] = [
  (command) => {
    const [, key, quoted, plain] = /^sysctl -w ([\w.-]+)=(?:'([\d ]*)'|(\d+))$/.exec(command) ?? [];
    return key === undefined ? undefined : { kind: 'sysctl', key, value: quoted ?? plain };
  },
  (command) => {
    const [, device, mtu] = /^ip link set dev (\S+) mtu (\d+)$/.exec(command) ?? [];
    return device === undefined ? undefined : { kind: 'mtu', device, mtu: numberOf(mtu) };
  },
  (command) => {
    const [, program, table, chain, source, destination, protocol, port] =
      /^(\S+) -t (\S+) -I (\S+)(?: -s (\S+))?(?: -d (\S+))? -p (\S+) --dport (\d+) -j ACCEPT$/.exec(command) ?? [];
    return { kind: 'iptables', program, table, chain, source, destination, protocol, port: numberOf(port) };
  },
  (command) => {
    const [, family, table, chain, source, destination, protocol, port] =
      /^nft insert rule (\S+) (\S+) (\S+)(?: ip6? saddr (\S+))?(?: ip6? daddr (\S+))? (\S+) dport (\d+) accept$/.exec(
        command,
      ) ?? [];
    return { kind: 'nft', family, table, chain, source, destination, protocol, port: numberOf(port) };
  },
  (command) => {
    const [, program, low, mss] =
      /^(\S+) -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN (?:-m tcpmss --mss (\d+):65535 -j TCPMSS --set-mss (\d+)|-j TCPMSS --clamp-mss-to-pmtu)$/.exec(
        command,
      ) ?? [];
    // Only segments that are larger are to be lowered: the bound must be the one of our own rule.
    if (program === undefined || (mss !== undefined && Number(low) !== Number(mss) + 1)) return undefined;
    return { kind: 'mss', program, mss: numberOf(mss) };
  },
];

function mayBeSet(key: string, value: string): boolean {
  const known = changeableSysctls.find((one) => globMatches(one.key, key));
  if (known === undefined) return false;
  if (known.values === 'number') return /^\d{1,10}$/.test(value);
  if (known.values === 'range') return /^\d{1,5} \d{1,5}$/.test(value);
  return known.values.includes(value);
}

/** `*` stands for a device name without dots: the kernel would take them for steps of the path. */
function globMatches(glob: string, key: string): boolean {
  const [head = '', tail] = glob.split('*');
  if (tail === undefined) return key === glob;
  return key.startsWith(head) && key.endsWith(tail) && /^[\w-]{1,15}$/.test(key.slice(head.length, -tail.length));
}

/** The change as arguments of `netcheck-change begin`. `-`: any. */
export function changeArguments(change: Change): readonly string[] {
  switch (change.kind) {
    case 'sysctl':
      return ['sysctl', change.key, change.value];
    case 'mtu':
      return ['mtu', change.device, String(change.mtu)];
    case 'mss':
      return ['mss', change.program, change.mss === undefined ? '-' : String(change.mss)];
    case 'iptables':
      return ['iptables', change.program, change.table, change.chain, ...matchArguments(change)];
    case 'nft':
      return ['nft', change.family, change.table, change.chain, ...matchArguments(change)];
  }
}

function matchArguments({ source, destination, protocol, port }: Extract<Change, { kind: 'nft' | 'iptables' }>) {
  return [source ?? '-', destination ?? '-', protocol, String(port)];
}
