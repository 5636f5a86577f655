import * as z from 'zod';
import { ReportVerdict } from './verdict.ts';

/** What a person says that a run should have said. Kept beside the run, as the beginning of a test case. */
export const VerdictNote = z.strictObject({
  /** Slack user id. */
  who: z.string(),
  atMs: z.number(),
  /** The rule that it was, `nothing` where nothing was wrong, `other` for what has no rule. */
  was: z.string(),
  /** In their own words; may be empty. */
  words: z.string(),
  /** What netcheck had said. */
  said: z.strictObject({ verdict: ReportVerdict, headline: z.string() }).optional(),
  /** The question. */
  text: z.string(),
});
export type VerdictNote = z.infer<typeof VerdictNote>;
