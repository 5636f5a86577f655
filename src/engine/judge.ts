import { clusterPlace } from '../model/cluster-facts.ts';
import type { Collector } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import type { Connection } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import type { Words } from '../model/remedy-note.ts';
import type { Finding, NodeSummary, Report } from '../model/report.ts';
import type { AnyRule } from '../model/rule.ts';
import type { PlaybookChoice } from '../model/plan.ts';
import type { RunRecord } from '../model/run-record.ts';
import { rank } from './decide.ts';
import { evaluate } from './evaluate.ts';
import { drawLadder } from './ladder.ts';
import { entrances, remediesInNamespace } from './remedies-in-namespace.ts';
import { tracePath } from './trace-path.ts';
import { byStart, firstLine, type NodeKnowledge, parseEvidence } from './parse.ts';
import { workloadAt } from './pod-makers.ts';
import { withManifests } from './with-manifests.ts';
import { type EngineText, engineText, sayExit } from './wording.ts';
import { targetOf } from './target-of.ts';

export interface JudgeRegistries {
  readonly collectors: ReadonlyMap<string, Collector>;
  readonly parsers: ReadonlyMap<string, Parser>;
  readonly rules: ReadonlyMap<string, AnyRule>;
}

/**
 * A run's record and its evidence -> the report. Pure: a live run and `netcheck replay` call this same function on the
 * same bytes, so they say the same.
 */
export function judge(record: RunRecord, evidence: readonly Evidence[], registries: JudgeRegistries): Report {
  const { plan, language, clockOffsetsMs } = record;
  const say = engineText[language];
  // a node that was to join on the way, and could not, is no part of the run
  const inPlan = new Set([...plan.nodes.map(({ node }) => node.name), clusterPlace]);
  const ordered = evidence
    .filter(({ entry }) => inPlan.has(entry.node))
    .sort((a, b) => a.entry.node.localeCompare(b.entry.node, 'en') || byStart(a, b));
  const knowledge = parseEvidence(ordered, registries, say);
  const failures = failedConnects(record, knowledge);
  const entered = entrances(ordered);
  const joined = new Set(plan.nodes.filter((one) => one.joined === true).map(({ node }) => node.name));
  // where every connect worked, what a node that nobody asked about does not tell leaves nothing open
  const isOpen = ({ verdict, node, path }: Finding): boolean =>
    verdict !== 'unknown' || path !== undefined || failures.failed > 0 || !joined.has(node);
  const findings = rank(evaluate(registries.rules, { plan, knowledge, clockOffsetsMs, language, say }))
    .filter(isOpen)
    .map((finding) => withManifests(withNames(finding, plan, knowledge), plan, knowledge, language))
    .map((finding) => withNotes(remediesInNamespace(finding, entered, say), record, say));
  const unseen = [
    ...unseenNodes(knowledge, say),
    ...lostNodes(knowledge),
    ...droppedPackets(knowledge, say),
    ...endedEarly(record, say),
    ...unfinishedProbes(evidence, say),
    ...plan.rules.flatMap(({ rule }) => (registries.rules.has(rule) ? [] : [say.noRule(rule)])),
  ];
  const explained = findings.some(({ verdict }) => verdict === 'confirmed' || verdict === 'likely');
  if (!explained && failures.failed > 0)
    unseen.push(
      failures.probed
        ? say.unexplained(failures.failed, failures.total, howFailed(knowledge, say))
        : say.unexplainedSeen(failures.failed),
    );
  if (findings.length === 0 && unseen.length === 0) unseen.push(say.nothingJudged);
  const wholeWindow = record.ended === 'complete' || record.ended === 'early';
  // Only TCP connections are counted, and only where they are the question: a playbook about names makes none.
  const isOfNames = !plan.steps.some(({ collector }) => collector === 'tcp-probe') && looksNamesUp(knowledge);
  if (wholeWindow && watchesNames(plan) && !sawNames(knowledge)) unseen.push(say.noNames);
  const { protocol, about } = plan.symptom;
  if (
    wholeWindow &&
    about === undefined &&
    protocol === 'tcp' &&
    !isOfNames &&
    !failures.probed &&
    failures.total === 0
  )
    unseen.push(say.passive(Math.round(plan.budget.windowMs / 1000)));

  const open = findings.filter(({ verdict }) => verdict === 'unknown' || verdict === 'error').length;
  const verdict = explained ? 'found' : open === 0 && unseen.length === 0 ? 'clear' : 'inconclusive';
  const ladder = drawLadder(plan, knowledge);
  const path = tracePath(plan, knowledge, clockOffsetsMs);
  return {
    schema: 'netcheck/report/1',
    run: {
      id: record.id,
      startedAt: new Date(record.startedAtMs).toISOString(),
      playbooks: plan.playbooks,
      ...(plan.choice.length === 0
        ? {}
        : { chosen: plan.choice.map((one) => ({ playbook: one.playbook, why: whyChosen(one, say) })) }),
      language,
      netcheck: record.netcheck,
    },
    verdict,
    headline: headline(verdict, findings, record, unseen, failures, say),
    symptom: plan.symptom,
    ...(plan.lookedUp === undefined
      ? {}
      : {
          resolved: plan.lookedUp.map(({ asked, found, trouble, insteadOf }) => {
            if (insteadOf !== undefined) return say.lookedUpElsewhere(asked, found, insteadOf);
            return trouble === undefined ? say.lookedUp(asked, found) : say.lookedUpOnNodes(asked, found, trouble);
          }),
        }),
    nodes: plan.nodes.map(({ node, roles, address }): NodeSummary => {
      const known = knowledge.get(node.name);
      const offset = clockOffsetsMs[node.name];
      return {
        name: node.name,
        roles,
        address,
        ...(known?.facts.kernel === undefined ? {} : { kernel: known.facts.kernel.release }),
        ...(offset === undefined ? {} : { clockOffsetMs: offset }),
        ...(known?.unseen === undefined ? {} : { unseen: known.unseen }),
      };
    }),
    findings: [...findings],
    unseen,
    ...(ladder === undefined ? {} : { ladder }),
    ...(path === undefined ? {} : { path }),
    evidence: ordered.map(({ entry }) => entry),
    timing: {
      startedAtMs: record.startedAtMs,
      endedAtMs: record.endedAtMs,
      tookMs: record.endedAtMs - record.startedAtMs,
      ...(record.phases === undefined ? {} : { phases: record.phases }),
    },
  };
}

/**
 * Commands for a pod with the names of what made it, where they are known: rules know settings, not names, and write
 * `NAMESPACE` and `deployment NAME`.
 */
function withNames(finding: Finding, plan: RunRecord['plan'], knowledge: ReadonlyMap<string, NodeKnowledge>): Finding {
  const workload = workloadAt(finding.node, plan, knowledge.get(finding.node)?.facts.cluster);
  if (workload === undefined) return finding;
  const named = (command: string): string =>
    command
      .replaceAll('-n NAMESPACE ', `-n ${workload.namespace} `)
      .replaceAll(/\bdeployment NAME(?= |$)/g, `${workload.kind} ${workload.name}`);
  const remedies = finding.remedies.map((remedy) =>
    remedy.kind === 'kubernetes'
      ? { ...remedy, commands: remedy.commands.map(named), undo: remedy.undo.map(named) }
      : remedy,
  );
  return { ...finding, remedies };
}

/** A finding that accuses, with what the team has to say about its remedy after netcheck's own. */
export function withNotes(finding: Finding, { plan, language }: RunRecord, say: EngineText): Finding {
  const notes = plan.remedyNotes?.[finding.rule] ?? [];
  if (notes.length === 0 || (finding.verdict !== 'confirmed' && finding.verdict !== 'likely')) return finding;
  const inLanguage = (words: Words): string => (typeof words === 'string' ? words : words[language]);
  const remedies = notes.map(({ kind, text, commands, undo, risk }) => ({
    kind,
    text: say.ownNote(inLanguage(text)),
    commands,
    undo,
    risk: inLanguage(risk),
  }));
  return { ...finding, remedies: [...finding.remedies, ...remedies] };
}

function whyChosen({ by, word }: PlaybookChoice, say: EngineText): string {
  return by === 'word' ? say.chosenByWord(word ?? '') : say.chosen[by];
}

/** Why the part is missing that most of the open findings lack: to mend that helps most. The first of several. */
function whatMostLack(open: readonly Finding[]): string | undefined {
  const parts = new Map<string, { readonly why: string; count: number }>();
  for (const { fact, node, why } of open.flatMap(({ missing }) => missing)) {
    const part = parts.get(`${node} ${fact}`) ?? { why, count: 0 };
    part.count += 1;
    parts.set(`${node} ${fact}`, part);
  }
  return [...parts.values()].sort((a, b) => b.count - a.count)[0]?.why;
}

function headline(
  verdict: Report['verdict'],
  findings: readonly Finding[],
  { plan }: RunRecord,
  unseen: readonly string[],
  failures: Connects,
  say: EngineText,
): string {
  const { port, about } = plan.symptom;
  const [first] = findings;
  if (verdict === 'found' && first) {
    const likely = first.verdict === 'likely';
    const text = first.path
      ? (likely ? say.foundPathLikely : say.foundPath)(first.title, first.path.from, first.path.to)
      : (likely ? say.foundLikely : say.found)(first.title, first.node);
    // a risk, or a fault that connects alone do not meet
    return likely && failures.probed && failures.failed === 0 ? say.everyConnectWorked(text, failures.total) : text;
  }
  const target = targetOf(plan.nodes)?.node.name ?? plan.targetAddress;
  if (verdict === 'clear') return about === 'node' ? say.clearNode(target) : say.clear(target, port);
  const open = findings.filter((finding) => finding.verdict === 'unknown' || finding.verdict === 'error');
  const why = unseen[0] ?? whatMostLack(open) ?? say.somethingUnseen(open.length);
  return about === 'node' ? say.inconclusiveNode(target, why) : say.inconclusive(target, port, why);
}

function watchesNames({ steps }: RunRecord['plan']): boolean {
  return steps.some(({ collector, params }) => collector === 'capture' && params.filter === 'dns');
}

/** Or could not: captures that are not there have their reasons elsewhere. */
function sawNames(knowledge: ReadonlyMap<string, NodeKnowledge>): boolean {
  const captures = [...knowledge.values()].flatMap(({ facts }) => facts.capture ?? []);
  return captures.length === 0 || captures.some(({ dns }) => dns.length > 0);
}

function looksNamesUp(knowledge: ReadonlyMap<string, NodeKnowledge>): boolean {
  return [...knowledge.values()].some(({ facts }) => facts.nameLookups !== undefined);
}

function unseenNodes(knowledge: ReadonlyMap<string, NodeKnowledge>, say: EngineText): string[] {
  return [...knowledge].flatMap(([node, { unseen }]) => (unseen === undefined ? [] : [say.notReached(node, unseen)]));
}

function lostNodes(knowledge: ReadonlyMap<string, NodeKnowledge>): string[] {
  return [...knowledge.values()].flatMap(({ lost }) => (lost === undefined ? [] : [lost]));
}

function droppedPackets(knowledge: ReadonlyMap<string, NodeKnowledge>, say: EngineText): string[] {
  return [...knowledge].flatMap(([node, { facts }]) => {
    const dropped = facts.capture?.droppedByKernel ?? 0;
    return dropped > 0 ? [say.truncatedCapture(node, dropped)] : [];
  });
}

/**
 * Probes that did not come to their end: the attempts that are missing may be just those that hung. Where the whole
 * run was stopped, that is said already.
 */
function unfinishedProbes(evidence: readonly Evidence[], say: EngineText): string[] {
  return evidence.flatMap(({ entry: { kind, exit, node, collector }, stderr }) =>
    kind !== 'tcp-probe' ||
    exit.how === 'stopped' ||
    exit.how === 'connectionLost' ||
    (exit.how === 'exited' && exit.code === 0)
      ? []
      : [say.probesCut(node, sayExit(exit, collector, firstLine(stderr), say))],
  );
}

function endedEarly({ ended }: RunRecord, say: EngineText): string[] {
  return ended === 'budget' ? [say.budget] : ended === 'cancelled' ? [say.stopped] : [];
}

/** `2 refused, 6 without an answer`: what the application saw tells much, also where nothing else could be read. */
function howFailed(knowledge: ReadonlyMap<string, NodeKnowledge>, say: EngineText): string {
  const probes = [...knowledge.values()].flatMap(({ facts }) => facts.probes ?? []);
  const kinds = {
    refused: say.probesRefused,
    timedOut: say.probesTimedOut,
    noRoute: say.probesNoRoute,
    netUnreachable: say.probesNetUnreachable,
    notPermitted: say.probesNotPermitted,
    other: say.probesOther,
  };
  return Object.entries(kinds)
    .map(([kind, text]) => ({ text, count: probes.filter(({ outcome }) => outcome === kind).length }))
    .flatMap(({ text, count }) => (count === 0 ? [] : [text(count)]))
    .join(', ');
}

interface Connects {
  readonly failed: number;
  readonly total: number;
  readonly probed: boolean;
}

/** Connects that did not work, as probed or (where nobody could probe) as seen in the captures. */
function failedConnects({ plan }: RunRecord, knowledge: ReadonlyMap<string, NodeKnowledge>): Connects {
  const probes = [...knowledge.values()].flatMap(({ facts }) => facts.probes ?? []);
  if (probes.length > 0)
    return {
      failed: probes.filter(({ outcome }) => outcome !== 'connected').length,
      total: probes.length,
      probed: true,
    };
  const target = targetOf(plan.nodes);
  const seen =
    (target && knowledge.get(target.node.name)?.facts.capture?.connections)?.filter(
      ({ server, handshake }) => server.port === plan.symptom.port && handshake !== 'midStream',
    ) ?? [];
  return { failed: seen.filter(failedHandshake).length, total: seen.length, probed: false };
}

function failedHandshake({ handshake, syns }: Connection): boolean {
  // A first SYN without an answer may only be the last thing that the capture saw.
  return handshake === 'refused' || handshake === 'icmpError' || (handshake === 'unanswered' && syns.length > 1);
}
