import * as z from 'zod';
import { ReportVerdict } from './verdict.ts';

/** What is accused somewhere, as a schedule remembers it. */
export const ScheduleTrouble = z.object({
  /** The same in every run, see `fingerprintOf`. */
  fingerprint: z.string(),
  node: z.string(),
  title: z.string(),
  firstSeenMs: z.number(),
});
export type ScheduleTrouble = z.infer<typeof ScheduleTrouble>;

/** What one firing of a schedule saw. Lists are bounded, `counts` are not. */
export interface ScheduleLook {
  /** There was nothing to compare with. */
  readonly isFirst: boolean;
  readonly headline: string;
  /** Of a run; an audit of many nodes nearly always has something that could not be told. */
  readonly verdict?: ReportVerdict;
  readonly counts: {
    readonly nodes: number;
    readonly looked: number;
    readonly new: number;
    readonly gone: number;
    /** There before, and still there. */
    readonly still: number;
    /** There before, and could not be looked at this time: not gone. */
    readonly unsure: number;
  };
  readonly new: readonly ScheduleTrouble[];
  readonly gone: readonly ScheduleTrouble[];
  readonly still: readonly ScheduleTrouble[];
  readonly unsure: readonly ScheduleTrouble[];
  /** Nodes that could not be looked at. */
  readonly unseen: readonly { readonly node: string; readonly why: string }[];
}

/** What changed since the firing before. */
export interface ScheduleNews {
  readonly look: ScheduleLook;
  /** Nodes that could be looked at before, and cannot now. */
  readonly lost: readonly { readonly node: string; readonly why: string }[];
  /** The reverse. */
  readonly back: readonly string[];
  /** The verdict before, where it is another now. */
  readonly verdictBefore?: ReportVerdict;
  /** The firing before had failed. */
  readonly isAfterFailure: boolean;
}

/** What a schedule remembers from one firing to the next. */
export const ScheduleState = z.object({
  format: z.literal(1),
  /** The firing that wrote it. */
  firing: z.string(),
  atMs: z.number(),
  headline: z.string(),
  verdict: ReportVerdict.optional(),
  nodes: z.number(),
  looked: z.number(),
  /** How many troubles there are; the list has the first of them. */
  count: z.number(),
  troubles: z.array(ScheduleTrouble),
  /** Nodes that could not be looked at. */
  unseen: z.array(z.string()),
  /** Why the last firing did not look at all. */
  failure: z.string().optional(),
  /** The last message of this schedule in its channel. */
  root: z.object({ ts: z.string(), atMs: z.number() }).optional(),
  /** Since the last summary. */
  tally: z.object({ sinceMs: z.number(), looks: z.number(), new: z.number(), gone: z.number(), failed: z.number() }),
});
export type ScheduleState = z.infer<typeof ScheduleState>;
