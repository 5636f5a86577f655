import type { Collector } from '../model/command.ts';
import type { Evidence, Exit } from '../model/evidence.ts';
import type {
  Address,
  CounterDeltas,
  CounterReading,
  FactName,
  Facts,
  FirewallRule,
  Kernel,
  Clock,
  Listener,
  Neighbour,
  ParseProblem,
  Socket,
  TcpMetric,
} from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { createCaptureAnalyser } from '../packets/analyse-capture.ts';
import { evidenceFile } from './node-session.ts';
import { type EngineText, sayExit } from './wording.ts';

/** What is known of one node, and for everything else why not. */
export interface NodeKnowledge {
  readonly facts: Facts;
  /** Set where netcheck could not look at the node at all. */
  readonly unseen?: string;
  /** Set where the connection was lost in the middle: the sentence that says so. */
  readonly lost?: string;
  /** Why a fact is missing: a sentence in the report's language. */
  whyMissing(fact: FactName): string;
  readonly problems: readonly (ParseProblem & { readonly evidence: string })[];
}

/** Outputs of which every line stands for itself. */
const usefulInPart: ReadonlySet<string> = new Set(['tcp-probe', 'sysctl', 'look']);

interface Reading {
  readonly evidence: Evidence;
  readonly value: unknown;
}

/**
 * Evidence -> facts, node by node. Pure: the same bytes give the same facts, in a live run and in a replay. Readings of
 * one fact are joined here: files of one `cat` each, before and after, iptables and nft.
 */
export function parseEvidence(
  evidence: readonly Evidence[],
  {
    collectors,
    parsers,
  }: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
  say: EngineText,
): ReadonlyMap<string, NodeKnowledge> {
  const byNode = groupByNode(evidence);
  const probesEndedAtMs = endOfProbes(evidence);
  return new Map(
    [...byNode].map(([node, own]) => [node, knowledgeOf(node, own, { collectors, parsers, say, probesEndedAtMs })]),
  );
}

/** When the last probe had ended; where nobody probed, when the readings after the window began. */
function endOfProbes(evidence: readonly Evidence[]): number {
  const probes = evidence.filter(({ entry }) => entry.kind === 'tcp-probe').map(({ entry }) => entry.endedAtMs);
  if (probes.length > 0) return Math.max(...probes);
  return Math.min(...evidence.filter(({ entry }) => entry.phase === 'after').map(({ entry }) => entry.startedAtMs));
}

function groupByNode(evidence: readonly Evidence[]): ReadonlyMap<string, readonly Evidence[]> {
  const groups = new Map<string, Evidence[]>();
  for (const one of evidence) {
    const group = groups.get(one.entry.node);
    if (group) group.push(one);
    else groups.set(one.entry.node, [one]);
  }
  // Commands of one phase run side by side; their number, given when they started, puts them in order again.
  for (const group of groups.values()) group.sort(byStart);
  return groups;
}

/** In the order in which commands of one node were started: `99-…` before `100-…`. */
export function byStart(a: Evidence, b: Evidence): number {
  return Number.parseInt(a.entry.id, 10) - Number.parseInt(b.entry.id, 10) || (a.entry.id < b.entry.id ? -1 : 1);
}

function knowledgeOf(
  node: string,
  own: readonly Evidence[],
  {
    collectors,
    parsers,
    say,
    probesEndedAtMs,
  }: {
    readonly collectors: ReadonlyMap<string, Collector>;
    readonly parsers: ReadonlyMap<string, Parser>;
    readonly say: EngineText;
    readonly probesEndedAtMs: number;
  },
): NodeKnowledge {
  const problems: (ParseProblem & { evidence: string })[] = [];
  const readings = own.flatMap((one): Reading[] => {
    const { entry, stdout, stderr } = one;
    const file = entry.out ?? evidenceFile(entry.node, entry.id, entry.kind);
    if (entry.kind === 'connect' || entry.exit.how === 'skipped' || entry.exit.how === 'notStarted') return [];
    if (entry.kind === 'pcap') return readCapture(one, file, probesEndedAtMs);
    // What was cut may lack exactly the line that matters: "it is not in the list" must not be read from half a list.
    if (entry.exit.how !== 'exited' && !usefulInPart.has(entry.kind)) return [];
    const parser = parsers.get(entry.kind);
    if (!parser) return [];
    const parsed = parser.parse({
      stdout,
      stderr,
      argv: entry.argv,
      exitCode: entry.exit.how === 'exited' ? entry.exit.code : null,
      evidence: file,
    });
    problems.push(...parsed.problems.map((problem) => ({ ...problem, evidence: file })));
    return parsed.value === undefined ? [] : [{ evidence: one, value: parsed.value }];
  });
  const facts = joinFacts(readings, own);
  const unseen = whyUnseen(own, say);
  const lost = own.map(({ entry }) => entry.exit).find(({ how }) => how === 'connectionLost');
  return {
    facts,
    problems,
    ...(unseen === undefined ? {} : { unseen }),
    ...(unseen === undefined && lost?.how === 'connectionLost' ? { lost: lost.message } : {}),
    whyMissing(fact) {
      if (unseen !== undefined) return say.notReached(node, unseen);
      const tried = own.filter(({ entry }) => collectors.get(entry.collector)?.provides.includes(fact));
      const last = tried.at(-1);
      if (!last) return say.notCollected(fact);
      // A refusal says more than a tool that is simply not there, and a command that broke more than one that worked.
      const telling =
        tried.find(({ entry }) => entry.exit.how === 'notStarted' && entry.exit.why === 'sudo') ??
        tried.find(({ entry }) => isBroken(entry.exit)) ??
        tried.find(({ entry }) => entry.exit.how !== 'notStarted') ??
        last;
      return sayExit(
        telling.entry.exit,
        telling.entry.argv[0] ?? telling.entry.collector,
        firstLine(telling.stderr),
        say,
      );
    },
  };
}

/**
 * Why nothing could be asked there: the connection failed, or the first look never came back (then nothing else was
 * asked, see `collect`).
 */
function whyUnseen(own: readonly Evidence[], say: EngineText): string | undefined {
  const refused = own.find(({ entry }) => entry.kind === 'connect')?.entry.exit;
  if (refused?.how === 'notStarted') return refused.message;
  const [first, ...more] = own;
  if (first?.entry.kind !== 'look' || first.entry.exit.how === 'exited' || more.length > 0) return undefined;
  return sayExit(first.entry.exit, first.entry.argv[0] ?? first.entry.collector, firstLine(first.stderr), say);
}

/** It was begun and did not come to a good end. */
function isBroken(exit: Exit): boolean {
  return exit.how === 'exited' ? exit.code !== 0 : exit.how !== 'notStarted' && exit.how !== 'skipped';
}

function readCapture(one: Evidence, file: string, probesEndedAtMs: number): Reading[] {
  if (one.stdout.length === 0) return [];
  const { exit, endedAtMs } = one.entry;
  const analyser = createCaptureAnalyser({ evidence: file });
  analyser.push(one.stdout);
  const capture = analyser.finish(one.stderr);
  // A tcpdump that is stopped says how much it saw. Where that never came, packets before it may not have come either.
  const swallowed = exit.how !== 'exited' && capture.droppedByKernel === null;
  const cutShort = swallowed || endedAtMs < probesEndedAtMs;
  return [{ evidence: one, value: cutShort ? { ...capture, cutShort } : capture }];
}

/** All readings of one node -> one fact per name. A fact without any reading stays absent. */
function joinFacts(readings: readonly Reading[], own: readonly Evidence[]): Facts {
  const of = (...kinds: readonly string[]): readonly Reading[] =>
    readings.filter(({ evidence }) => kinds.includes(evidence.entry.kind));
  const latest = <Value>(list: readonly Reading[]): Value | undefined => list.at(-1)?.value as Value | undefined;
  const by = (collector: string, ...kinds: readonly string[]): readonly Reading[] =>
    of(...kinds).filter(({ evidence }) => evidence.entry.collector === collector);
  const all = <Item>(list: readonly Reading[]): readonly Item[] | undefined =>
    list.length === 0 ? undefined : list.flatMap(({ value }) => value as readonly Item[]);
  const merged = <Value extends object>(list: readonly Reading[]): Value | undefined =>
    list.length === 0 ? undefined : (Object.assign({}, ...list.map(({ value }) => value as object)) as Value);

  const sockets = (collector: string): readonly { listeners: readonly Listener[]; sockets: readonly Socket[] }[] =>
    by(collector, 'ss', 'proc-net-tcp').map(
      ({ value }) => value as { listeners: readonly Listener[]; sockets: readonly Socket[] },
    );
  const listenerReadings = sockets('listeners');
  const socketReadings = sockets('sockets');
  const kernel = merged<Kernel>(of('os-release', 'uname'));
  const clock = merged<Clock>(of('proc-uptime', 'date'));

  return dropAbsent({
    features: latest(of('look')),
    kernel: kernel && 'release' in kernel ? kernel : undefined,
    clock: clock && 'epochMs' in clock ? clock : undefined,
    sysctl: merged(of('sysctl')),
    counters: joinCounters(of('proc-net-snmp', 'proc-net-snmp6', 'proc-net-netstat', 'proc-net-sockstat')),
    conntrackStats: joinCounters(of('conntrack-stats', 'proc-nf-conntrack-stat')),
    listeners:
      listenerReadings.length === 0
        ? undefined
        : fullestListeners(listenerReadings.map((reading) => reading.listeners)),
    sockets: socketReadings.length === 0 ? undefined : socketReadings.flatMap((reading) => reading.sockets),
    links: latest(of('ip-link')),
    addresses: latest<readonly Address[]>(of('ip-addr')),
    routes: latest(of('ip-route')),
    routeGet: all(of('ip-route-get')),
    neighbours: latest<readonly Neighbour[]>(of('ip-neigh')),
    firewall: joinFirewall(of('iptables-save', 'ip6tables-save', 'nft-json'), own),
    ipvs: joinIpvs(readings),
    tcpMetrics: joinTcpMetrics(of('ip-tcp-metrics')),
    capture: latest(of('pcap')),
    probes: all(of('tcp-probe')),
  });
}

function dropAbsent(facts: { readonly [Name in FactName]: Facts[Name] | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Facts;
}

/** Two readings of counters -> how far each moved. A counter that went backwards was reset: it says nothing. */
function joinCounters(readings: readonly Reading[]): CounterDeltas | undefined {
  if (readings.length === 0) return undefined;
  const side = (after: boolean): CounterReading =>
    Object.assign(
      {},
      ...readings
        .filter(({ evidence }) => (evidence.entry.phase === 'after') === after)
        .map(({ value }) => value as CounterReading),
    ) as CounterReading;
  const before = side(false);
  const after = side(true);
  const deltas: Record<string, CounterDeltas[string]> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const first = before[name];
    const second = after[name];
    const at = (second ?? first)?.at;
    if (at === undefined) continue;
    const moved = first !== undefined && second !== undefined ? second.value - first.value : null;
    // sockstat holds gauges: they may fall without having been reset.
    const reset = moved !== null && moved < 0 && !name.startsWith('sockstat.');
    deltas[name] = { before: first?.value ?? null, after: second?.value ?? null, delta: reset ? null : moved, at };
  }
  return deltas;
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
    readings
      .filter(({ evidence: { entry } }) => phases.has(entry.phase) && (entry.phase === 'after') === after)
      .flatMap(({ value }) => value as readonly FirewallRule[]);
  const before = new Map(rulesOf(false).map((rule) => [rule.id, rule]));
  const after = rulesOf(true);
  if (after.length === 0) return { rules: [...before.values()] };
  return {
    rules: after.map((rule) => {
      const first = before.get(rule.id)?.packets?.after ?? null;
      const second = rule.packets?.after ?? null;
      const moved = first !== null && second !== null && second >= first ? second - first : null;
      return rule.packets === null ? rule : { ...rule, packets: { before: first, after: second, delta: moved } };
    }),
  };
}

/** There may be rules, and they were not read: unlike a tool that is not installed or a module that is not loaded. */
function isHidden(exit: Exit): boolean {
  return isBroken(exit) || (exit.how === 'notStarted' && exit.why !== 'toolMissing');
}

/** Stamps that are remembered may be replaced during the window; the rule looks through both readings. */
function joinTcpMetrics(readings: readonly Reading[]): readonly TcpMetric[] | undefined {
  return readings.length === 0 ? undefined : readings.flatMap(({ value }) => value as readonly TcpMetric[]);
}

function joinIpvs(readings: readonly Reading[]): Facts['ipvs'] | undefined {
  const own = readings.filter(({ evidence }) => evidence.entry.collector === 'ipvs');
  return own.length === 0
    ? undefined
    : (Object.assign({}, ...own.map(({ value }) => value as object)) as Facts['ipvs']);
}

export function firstLine(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 400)).toString('latin1');
  return (text.split('\n').find((line) => line.trim() !== '') ?? '').trim().slice(0, 160);
}
