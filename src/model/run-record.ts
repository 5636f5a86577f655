import * as z from 'zod';
import { languages } from './language.ts';
import { PhaseSpan } from './phase-span.ts';
import { Plan } from './plan.ts';

/**
 * `run.json`: with the evidence beside it, all that is needed to say the same again. `format` goes up when an older
 * netcheck could no longer read the directory.
 */
export const runFormat = 1;
export const RunRecord = z.strictObject({
  format: z.literal(runFormat),
  id: z.string(),
  netcheck: z.string(),
  language: z.enum(languages),
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  plan: Plan,
  /** Clock of each node minus netcheck's clock, milliseconds. */
  clockOffsetsMs: z.record(z.string(), z.number()),
  /** How the run itself ended. */
  ended: z.enum(['complete', 'early', 'budget', 'cancelled']),
  /** Where the time went; absent in runs that were recorded before it was written down. */
  phases: z.array(PhaseSpan).optional(),
});
export type RunRecord = z.infer<typeof RunRecord>;
