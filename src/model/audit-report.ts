import * as z from 'zod';
import { languages } from './language.ts';
import { Finding } from './report.ts';
import { ReportVerdict, Verdict } from './verdict.ts';

/** What an audit is of. */
export const AuditHead = z.strictObject({
  id: z.string(),
  playbook: z.string(),
  /** As it was typed; empty: every node of the inventory. */
  selector: z.string(),
  startedAtMs: z.number(),
  language: z.enum(languages),
  /** Version of netcheck. */
  netcheck: z.string(),
  /** Nodes are compared with those that have the same values of these labels. */
  compareBy: z.array(z.string()),
});
export type AuditHead = z.infer<typeof AuditHead>;

/** Whether a node could be looked at. `failed`: our own fault, or the audit was stopped before. */
export const AuditOutcome = z.enum(['looked', 'unreachable', 'failed']);
export type AuditOutcome = z.infer<typeof AuditOutcome>;

/**
 * What is accused on one node. `check` is the column of the heat map: the rule, and where the rule is a table
 * (`expect`) the row of it. `fingerprint` is the same in every audit: `rule/node/audit`.
 */
export const AuditFinding = z.strictObject({
  ...Finding.shape,
  check: z.string(),
  fingerprint: z.string(),
});
export type AuditFinding = z.infer<typeof AuditFinding>;

/** What could not be told: how often, why, and on which nodes (a few of them). */
export const AuditUnseen = z.strictObject({
  why: z.string(),
  checks: z.array(z.string()),
  nodes: z.number().int(),
  examples: z.array(z.string()),
});
export type AuditUnseen = z.infer<typeof AuditUnseen>;

/** One node of the fleet: the row of the heat map. */
export const AuditNode = z.strictObject({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  outcome: AuditOutcome,
  /** Why it was not looked at. */
  why: z.string().optional(),
  kernel: z.string().optional(),
  /** Milliseconds from asking for the connection to the verdicts. */
  tookMs: z.number(),
  /** Checks with something to say. One that is in `checks` of the report and not here was asked and is in order. */
  open: z.record(z.string(), Verdict.extract(['confirmed', 'likely', 'unknown', 'error'])),
  /** Facts in which it differs from its group. */
  differs: z.array(z.string()),
});
export type AuditNode = z.infer<typeof AuditNode>;

/** One check over all nodes that were looked at: the column of the heat map. */
export const AuditCheck = z.strictObject({
  check: z.string(),
  rule: z.string(),
  title: z.string(),
  counts: z.record(Verdict, z.number().int()),
});
export type AuditCheck = z.infer<typeof AuditCheck>;

/** What nearly all nodes of a group have in common. */
export const AuditNormal = z.strictObject({
  fact: z.string(),
  /** `role=web`; empty: all nodes, or those without such a label. */
  group: z.string(),
  value: z.string(),
  /** So many nodes have it, of so many that have the fact at all. */
  nodes: z.number().int(),
  of: z.number().int(),
});
export type AuditNormal = z.infer<typeof AuditNormal>;

/** A fact in which a few nodes differ from nearly all others of their group. */
export const AuditOutlier = z.strictObject({
  ...AuditNormal.shape,
  /** `risk`: known to hurt where the ends of a connection differ, or on the node that has less. `note`: worth knowing. */
  severity: z.enum(['risk', 'note']),
  /** One sentence. */
  text: z.string(),
  differing: z.array(
    z.strictObject({
      value: z.string(),
      nodes: z.number().int(),
      /** The first of them. */
      examples: z.array(z.string()),
    }),
  ),
});
export type AuditOutlier = z.infer<typeof AuditOutlier>;

/**
 * What became of a finding since the audit before. `rule` is `outlier` where a node differs from nearly all others in
 * something risky. A node that was not looked at has no changes.
 */
export const AuditChange = z.strictObject({
  kind: z.enum(['new', 'gone', 'still']),
  fingerprint: z.string(),
  node: z.string(),
  rule: z.string(),
  title: z.string(),
  firstSeenMs: z.number(),
});
export type AuditChange = z.infer<typeof AuditChange>;

/** Everything that one audit found: what every renderer of audits reads, and `netcheck audit --json` prints. */
export const AuditReport = z.strictObject({
  schema: z.literal('netcheck/audit/1'),
  audit: z.strictObject({ ...AuditHead.shape, startedAt: z.string(), endedAtMs: z.number() }),
  verdict: ReportVerdict,
  /** One sentence that a tired person understands. */
  headline: z.string(),
  /** Of everything, also of what the lists below have no room for. */
  counts: z.strictObject({
    nodes: z.number().int(),
    looked: z.number().int(),
    unreachable: z.number().int(),
    failed: z.number().int(),
    confirmed: z.number().int(),
    likely: z.number().int(),
    unknown: z.number().int(),
    error: z.number().int(),
    outliers: z.number().int(),
    new: z.number().int(),
    gone: z.number().int(),
    still: z.number().int(),
  }),
  /** Those that accuse first. */
  checks: z.array(AuditCheck),
  /** By name. */
  nodes: z.array(AuditNode),
  /** What was `confirmed` or `likely`: worst first, bounded (`counts` has all). */
  findings: z.array(AuditFinding),
  outliers: z.array(AuditOutlier),
  normal: z.array(AuditNormal),
  unseen: z.array(AuditUnseen),
  /** The audit that this one is compared with; absent: there was none. */
  previous: z.strictObject({ id: z.string(), startedAt: z.string() }).optional(),
  changes: z.array(AuditChange),
});
export type AuditReport = z.infer<typeof AuditReport>;
