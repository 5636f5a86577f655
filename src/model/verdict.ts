import * as z from 'zod';

/** The closed set of verdicts (design section 1). `unknown` and `error` are given by the engine only. */
export const Verdict = z.enum(['confirmed', 'likely', 'ruledOut', 'notApplicable', 'unknown', 'error']);
export type Verdict = z.infer<typeof Verdict>;

/** What a rule itself may say. */
export type RuleVerdict = Exclude<Verdict, 'unknown' | 'error'>;

/** What a whole report says. `unknown` anywhere keeps it from being `clear`. */
export const ReportVerdict = z.enum(['found', 'clear', 'inconclusive']);
export type ReportVerdict = z.infer<typeof ReportVerdict>;
