import { clusterPlace } from '../model/cluster-facts.ts';
import type { Collector } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import type { FactName, Facts, ParseProblem } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { createCaptureAnalyser } from '../packets/analyse-capture.ts';
import { isBroken } from './is-broken.ts';
import { joinCluster } from './join-cluster.ts';
import { joinFacts, type Reading } from './join-facts.ts';
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

/** Outputs of which every line stands for itself, and one that tells something by not coming. */
const usefulInPart: ReadonlySet<string> = new Set(['tcp-probe', 'sysctl', 'look', 'getent-ahosts']);

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
  const byNode = groupByNode(evidence.filter(({ entry }) => entry.node !== clusterPlace));
  const probesEndedAtMs = endOfProbes(evidence);
  const cluster = joinCluster(evidence, parsers);
  return new Map(
    [...byNode].map(([node, own]) => {
      const known = knowledgeOf(node, own, { collectors, parsers, say, probesEndedAtMs });
      return [node, cluster === undefined ? known : { ...known, facts: { ...known.facts, cluster } }];
    }),
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
    // a command that only complained left nothing on standard output: what it said is in the other file
    const file = entry.out ?? entry.err ?? evidenceFile(entry.node, entry.id, entry.kind);
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
  const namespaces = own.filter(({ entry }) => entry.kind === 'netns');
  const [found, ...again] = namespaces;
  if (found !== undefined && !(found.entry.exit.how === 'exited' && found.entry.exit.code === 0))
    return firstLine(found.stderr) || sayExit(found.entry.exit, 'netns', '', say);
  // a second look that was cut short tells nothing: neither that the process is still there nor that it has ended
  const cut = again.find(({ entry }) => entry.exit.how !== 'exited');
  if (cut !== undefined) return sayExit(cut.entry.exit, 'netns', firstLine(cut.stderr), say);
  if (again.some(({ stdout }) => found !== undefined && Buffer.compare(stdout, found.stdout) !== 0))
    return say.namespaceGone;
  const [first, ...more] = own;
  if (first?.entry.kind !== 'look' || first.entry.exit.how === 'exited' || more.length > 0) return undefined;
  return sayExit(first.entry.exit, first.entry.argv[0] ?? first.entry.collector, firstLine(first.stderr), say);
}

function readCapture(one: Evidence, file: string, probesEndedAtMs: number): Reading[] {
  if (one.stdout.length === 0) return [];
  const { exit, endedAtMs } = one.entry;
  const analyser = createCaptureAnalyser({ evidence: file });
  analyser.push(one.stdout);
  const filter = one.entry.argv.at(-1);
  const capture = { ...analyser.finish(one.stderr), ...(filter === undefined ? {} : { filter }) };
  // A tcpdump that is stopped says how much it saw. Where that never came, packets before it may not have come either.
  const swallowed = exit.how !== 'exited' && capture.droppedByKernel === null;
  const cutShort = swallowed || endedAtMs < probesEndedAtMs;
  return [{ evidence: one, value: cutShort ? { ...capture, cutShort } : capture }];
}

export function firstLine(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 400)).toString('latin1');
  return (text.split('\n').find((line) => line.trim() !== '') ?? '').trim().slice(0, 160);
}
