import type { AuditFinding } from '../model/audit-report.ts';
import type { Evidence } from '../model/evidence.ts';
import { auditFingerprint } from '../model/fingerprint.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { AuditJob, NodeAudit } from '../model/node-audit.ts';
import type { Finding } from '../model/report.ts';
import { type RunRecord, runFormat } from '../model/run-record.ts';
import { Expectation } from '../rules/expect.ts';
import { snapshotOf } from './audit-counters.ts';
import { auditText } from './audit-wording.ts';
import type { CollectPorts } from './collect-ports.ts';
import { collectNode } from './collect-node.ts';
import { comparableFacts } from './comparable-facts.ts';
import { evaluate } from './evaluate.ts';
import { type JudgeRegistries, judge, withNotes } from './judge.ts';
import { byStart, type NodeKnowledge, parseEvidence } from './parse.ts';
import { planNode } from './plan-audit.ts';
import type { Registries } from './playbook-set.ts';
import { engineText } from './wording.ts';

/** Bounds of what is kept of one node: findings, sentences of each, characters of each. */
const mostFindings = 60;
const mostBecause = 12;
const longestText = 600;

export interface AuditNodeOptions {
  readonly signal: AbortSignal;
  /** Version of netcheck. */
  readonly netcheck: string;
  /** The evidence is kept: its report is written beside it (`netcheck replay` reads both). */
  readonly save?: boolean;
}

/**
 * Everything of one node of an audit: one connection, everything read once, every check judged. A node that cannot be
 * reached is a result. Never rejects: our own faults are a result as well (`failed`).
 */
export async function auditNode(
  job: AuditJob,
  node: InventoryNode,
  registries: Registries & JudgeRegistries,
  ports: CollectPorts,
  { signal, netcheck, save = false }: AuditNodeOptions,
): Promise<NodeAudit> {
  const startedAtMs = ports.now();
  const say = auditText[job.language];
  if (signal.aborted) return notLooked(job, say.cancelled, startedAtMs);
  try {
    const id = `${job.audit}-${job.node}`;
    const { plan, evidence, clockOffsetsMs, ended } = await collectNode(
      id,
      planNode(job, node, registries),
      registries,
      ports,
      { signal, last: job.last },
    );
    if (ended === 'cancelled') return notLooked(job, say.interrupted, startedAtMs);
    const record: RunRecord = {
      format: runFormat,
      id,
      netcheck,
      language: job.language,
      startedAtMs,
      endedAtMs: ports.now(),
      plan,
      clockOffsetsMs,
      ended,
    };
    await inTurn();
    if (save) await ports.sink.finish(record, judge(record, evidence, registries));
    return judgeNode(job, record, evidence, registries);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...notLooked(job, say.crashed(message), startedAtMs), tookMs: ports.now() - startedAtMs };
  }
}

/**
 * One node is judged per turn of the event loop: the answers of many come in together, and a question of a person must
 * not wait until all of them are judged.
 */
function inTurn(): Promise<void> {
  const mine = lastTurn.then(() => new Promise<void>((resolve) => setImmediate(resolve)));
  lastTurn = mine;
  return mine;
}

let lastTurn: Promise<void> = Promise.resolve();

/** A node that nobody has looked at: the audit was stopped before. */
export function notLooked(job: AuditJob, why: string, startedAtMs: number): NodeAudit {
  const nothing = { checks: {}, findings: [], unknown: [], facts: {} };
  return { node: job.node, labels: job.labels, outcome: 'failed', why, startedAtMs, tookMs: 0, ...nothing };
}

/** The evidence of one node -> what an audit keeps of it. Pure. */
export function judgeNode(
  job: AuditJob,
  record: RunRecord,
  evidence: readonly Evidence[],
  registries: JudgeRegistries,
): NodeAudit {
  const { plan, language, clockOffsetsMs, startedAtMs, endedAtMs } = record;
  const say = engineText[language];
  const knowledge = parseEvidence([...evidence].sort(byStart), registries, say);
  const known = knowledge.get(job.node);
  const head = { node: job.node, labels: job.labels, startedAtMs, tookMs: endedAtMs - startedAtMs };
  if (known === undefined || known.unseen !== undefined)
    return {
      ...head,
      outcome: 'unreachable',
      why: cut(known?.unseen ?? say.nothingJudged),
      checks: {},
      findings: [],
      unknown: [],
      facts: {},
    };
  const judged = plan.rules.flatMap(({ rule, params }) => {
    const check = checkOf(rule, params);
    const own = { ...plan, rules: [{ rule, params }] };
    return evaluate(registries.rules, { plan: own, knowledge, clockOffsetsMs, language, say }).map((finding) => ({
      check,
      finding: named(withNotes(finding, record, say), params, language),
    }));
  });
  const release = known.facts.kernel?.release;
  const counters = snapshotOf(known.facts, startedAtMs);
  return {
    ...head,
    outcome: 'looked',
    ...(release === undefined ? {} : { kernel: release }),
    checks: Object.fromEntries(
      judged.map(({ check, finding: { rule, title, verdict } }) => [check, { rule, title, verdict }]),
    ),
    findings: judged
      .filter(({ finding }) => finding.verdict === 'confirmed' || finding.verdict === 'likely')
      .slice(0, mostFindings)
      .map(({ check, finding }) => auditFinding(check, finding)),
    unknown: judged.flatMap(({ check, finding }) =>
      finding.verdict === 'unknown' || finding.verdict === 'error'
        ? [{ check, why: cut(whyUnknown(finding, known)) }]
        : [],
    ),
    facts: comparableFacts(known.facts),
    ...(counters === undefined ? {} : { counters }),
  };
}

/** The rule; where it is a table, what the row of it is about. */
function checkOf(rule: string, params: Readonly<Record<string, unknown>>): string {
  const row = rowOf(params);
  return row === undefined ? rule : row.fact.replace(/^sysctl:/, '');
}

/** A row of a team's table is known by what it is about, not by "something is not as expected". */
function named(finding: Finding, params: Readonly<Record<string, unknown>>, language: AuditJob['language']): Finding {
  const row = rowOf(params);
  if (row === undefined) return finding;
  return { ...finding, title: typeof row.why === 'string' ? row.why : row.why[language] };
}

function rowOf({ table }: Readonly<Record<string, unknown>>): Expectation | undefined {
  if (!Array.isArray(table) || table.length !== 1) return undefined;
  const parsed = Expectation.safeParse(table[0]);
  return parsed.success ? parsed.data : undefined;
}

function auditFinding(check: string, finding: Finding): AuditFinding {
  return {
    ...finding,
    because: finding.because.slice(0, mostBecause).map((one) => ({ ...one, text: cut(one.text) })),
    check,
    fingerprint: auditFingerprint(check, finding.node),
  };
}

function whyUnknown({ missing }: Finding, known: NodeKnowledge): string {
  return missing[0]?.why ?? known.lost ?? '';
}

function cut(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}
