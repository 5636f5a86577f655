import * as z from 'zod';
import { AuditFinding, AuditOutcome } from './audit-report.ts';
import { languages } from './language.ts';
import { Verdict } from './verdict.ts';

/** Counters of a node as an audit read them, with when it was started: the next audit sees what moved since. */
export const CounterSnapshot = z.strictObject({
  readAtMs: z.number(),
  /** Absent: not known, then nothing can be compared. */
  uptimeSec: z.number().optional(),
  values: z.record(z.string(), z.number()),
});
export type CounterSnapshot = z.infer<typeof CounterSnapshot>;

/** One node of an audit: all that a worker needs, beside its own configuration. */
export const AuditJob = z.strictObject({
  audit: z.string(),
  node: z.string(),
  playbook: z.string(),
  language: z.enum(languages),
  labels: z.record(z.string(), z.string()),
  /** As the last audit read them there. */
  last: CounterSnapshot.optional(),
});
export type AuditJob = z.infer<typeof AuditJob>;

/** Everything that an audit keeps of one node. Bounded: see `auditNode`. */
export const NodeAudit = z.strictObject({
  node: z.string(),
  labels: z.record(z.string(), z.string()),
  outcome: AuditOutcome,
  /** Why it was not looked at. */
  why: z.string().optional(),
  kernel: z.string().optional(),
  startedAtMs: z.number(),
  tookMs: z.number(),
  /** What every check said there. */
  checks: z.record(z.string(), z.strictObject({ rule: z.string(), title: z.string(), verdict: Verdict })),
  /** What was `confirmed` or `likely`. */
  findings: z.array(AuditFinding),
  /** Why a check could not tell. */
  unknown: z.array(z.strictObject({ check: z.string(), why: z.string() })),
  /** Facts that can be compared with other nodes: name -> value. */
  facts: z.record(z.string(), z.string()),
  counters: CounterSnapshot.optional(),
});
export type NodeAudit = z.infer<typeof NodeAudit>;
