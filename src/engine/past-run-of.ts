import type { AuditReport } from '../model/audit-report.ts';
import { fingerprintOf } from '../model/fingerprint.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { PastRun } from '../model/past-run.ts';
import type { Plan } from '../model/plan.ts';
import type { NodeSummary, Report } from '../model/report.ts';
import type { RunRequest } from './ports.ts';

/** Bounds of what is remembered of one run: a memory of thousands must not grow with what one of them was about. */
const maxNodes = 64;
const maxTroubles = 20;
const maxTextChars = 300;

/** How a run ended, for {@link pastRunOf}. `plan` where there is one. */
export type Ending =
  | { readonly how: 'finished'; readonly report: Report }
  | {
      readonly how: 'cancelled' | 'failed';
      readonly message: string;
      readonly hint: string;
      readonly plan: Pick<Plan, 'nodes' | 'symptom'> | undefined;
    };

/** A run as it is remembered. */
export function pastRunOf(
  request: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'thread' | 'askedAtMs' | 'recheckOf'>,
  ending: Ending,
  endedAtMs: number,
): PastRun {
  const { id, text, askedBy, askedAtMs, thread, recheckOf } = request;
  const cut = (long: string): string => long.slice(0, maxTextChars);
  const about = aboutOf(ending);
  const common = {
    id,
    text: cut(text),
    askedBy,
    channel: thread.channel,
    rootTs: thread.rootTs,
    endedAtMs,
    ...(about === undefined ? {} : { about }),
    nodes: nodesOf(ending).slice(0, maxNodes),
    ...(recheckOf === undefined ? {} : { recheckOf }),
  };
  if (ending.how !== 'finished') {
    return {
      ...common,
      tookMs: Math.max(0, endedAtMs - askedAtMs),
      verdict: ending.how,
      headline: cut(ending.message),
      troubles: [],
    };
  }
  const { verdict, headline, timing } = ending.report;
  return { ...common, tookMs: timing.tookMs, verdict, headline: cut(headline), troubles: troublesOf(ending.report) };
}

/** An audit as it is remembered: as if somebody had asked for it. */
export function pastRunOfAudit(
  request: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'thread'>,
  { verdict, headline, audit, nodes, findings }: AuditReport,
  endedAtMs: number,
): PastRun {
  const { id, text, askedBy, thread } = request;
  const troubles = findings.flatMap(({ fingerprint, rule, node, verdict: said, title }) =>
    said === 'confirmed' || said === 'likely'
      ? [{ fingerprint, rule, node, verdict: said, title: title.slice(0, maxTextChars) }]
      : [],
  );
  return {
    id,
    text: text.slice(0, maxTextChars),
    askedBy,
    channel: thread.channel,
    rootTs: thread.rootTs,
    endedAtMs,
    tookMs: Math.max(0, audit.endedAtMs - audit.startedAtMs),
    verdict,
    headline: headline.slice(0, maxTextChars),
    nodes: nodes.map(({ name }) => name).slice(0, maxNodes),
    troubles: troubles.slice(0, maxTroubles),
  };
}

/** What a report found, as it is remembered: confirmed before likely, each once. */
export function troublesOf({ findings, symptom }: Pick<Report, 'findings' | 'symptom'>): PastRun['troubles'] {
  const troubles = new Map<string, PastRun['troubles'][number]>();
  for (const verdict of ['confirmed', 'likely'] as const)
    for (const finding of findings) {
      const fingerprint = fingerprintOf(finding, symptom);
      if (finding.verdict !== verdict || troubles.has(fingerprint)) continue;
      const { rule, node, title } = finding;
      troubles.set(fingerprint, { fingerprint, rule, node, verdict, title: title.slice(0, maxTextChars) });
    }
  return [...troubles.values()].slice(0, maxTroubles);
}

function nodesOf(ending: Ending): string[] {
  return [...new Set(placesOf(ending).map(({ name }) => nodeOfPlace(name)))];
}

function aboutOf(ending: Ending): PastRun['about'] {
  const symptom = ending.how === 'finished' ? ending.report.symptom : ending.plan?.symptom;
  const target = placesOf(ending).find(({ roles }) => roles.includes('target'));
  if (symptom === undefined || target === undefined) return undefined;
  return { place: target.name, address: target.address, protocol: symptom.protocol, port: symptom.port };
}

function placesOf(ending: Ending): readonly Pick<NodeSummary, 'name' | 'roles' | 'address'>[] {
  if (ending.how === 'finished') return ending.report.nodes;
  return (ending.plan?.nodes ?? []).map(({ node, roles, address }) => ({ name: node.name, roles, address }));
}
