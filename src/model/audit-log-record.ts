import * as z from 'zod';
import { accessActions } from './access-action.ts';
import { trialSteps } from './change.ts';
import { Exit } from './evidence.ts';
import { ReportVerdict } from './verdict.ts';

/** Who, where, and what they asked. */
const asked = {
  /** Unix milliseconds. */
  atMs: z.number(),
  run: z.string(),
  /** Slack user id, the account that ran the command line, `alert`, or `schedule:NAME`. */
  askedBy: z.string(),
  /** Slack channel, where it was asked there. */
  channel: z.string().optional(),
  /** Timestamp of the root message. */
  thread: z.string().optional(),
  /** The ask as typed. */
  text: z.string(),
  /** Nodes that netcheck logged in to or tried to; of very many only the first. */
  nodes: z.array(z.string()),
  /** How many more nodes there were. */
  moreNodes: z.number().optional(),
};

/** A command as it was sent to a node. */
const RanCommand = z.object({
  argv: z.array(z.string()),
  privilege: z.enum(['none', 'root']),
  exit: Exit,
  startedAtMs: z.number(),
  tookMs: z.number(),
  /** Output that was kept, both streams. */
  bytes: z.number(),
});
export type RanCommand = z.infer<typeof RanCommand>;

/**
 * One line of the audit log.
 *
 * - `started`: on the disk before the first connection; `ended`: after the last. A run without an `ended` goes on, or its
 *   worker died; the one that took it over writes a `started` of its own with a higher `attempt`
 * - `ran`: commands that ended on a node. Without `run`: outside of runs (a namespace or the owner of an address was looked
 *   for, `netcheck doctor`)
 * - `changed`: a change that two people wanted was begun, made, kept, put back
 * - `refused`: not allowed, nothing was run. `pressed`: a button was used
 */
export const AuditRecord = z.preprocess(
  // Lines of earlier versions have no `event`; they were written at the end of runs.
  (line) => (typeof line === 'object' && line !== null && !('event' in line) ? { ...line, event: 'ended' } : line),
  z.discriminatedUnion('event', [
    z.object({
      event: z.literal('started'),
      ...asked,
      playbooks: z.array(z.string()),
      /** Above 1 where an earlier worker died in the middle. */
      attempt: z.number().optional(),
    }),
    z.object({
      event: z.literal('ran'),
      atMs: z.number(),
      run: z.string().optional(),
      node: z.string(),
      commands: z.array(RanCommand),
      /** The node could not be logged in to. */
      unreachable: z.string().optional(),
    }),
    z.object({
      event: z.literal('ended'),
      ...asked,
      /** `failed`: our own fault. `interrupted`: handed to another worker. */
      verdict: z.union([ReportVerdict, z.enum(['cancelled', 'refused', 'failed', 'interrupted'])]),
      headline: z.string().optional(),
      tookMs: z.number().optional(),
    }),
    z.object({
      event: z.literal('changed'),
      atMs: z.number(),
      run: z.string(),
      node: z.string(),
      /** The command as the report showed it. */
      command: z.string(),
      /** How far the trial of the change is. */
      step: z.enum(trialSteps),
      askedBy: z.string(),
      approvedBy: z.string(),
    }),
    z.object({
      event: z.literal('refused'),
      atMs: z.number(),
      run: z.string().optional(),
      askedBy: z.string(),
      channel: z.string().optional(),
      action: z.enum(accessActions),
      text: z.string(),
      why: z.string(),
    }),
    z.object({
      event: z.literal('pressed'),
      atMs: z.number(),
      run: z.string(),
      askedBy: z.string(),
      channel: z.string().optional(),
      action: z.enum(accessActions),
    }),
  ]),
);
export type AuditRecord = z.infer<typeof AuditRecord>;
