import * as z from 'zod';
import { ReportVerdict } from './verdict.ts';

/** A run as it is remembered after its end: enough to say when and where the same trouble was, not what was seen. */
export const PastRun = z.object({
  id: z.string(),
  /** The ask as typed. */
  text: z.string(),
  /** Slack user id, `alert`, or `schedule:NAME`. */
  askedBy: z.string(),
  channel: z.string(),
  /** Empty where there is no thread: a schedule that has never had anything to tell. */
  rootTs: z.string(),
  endedAtMs: z.number(),
  tookMs: z.number(),
  verdict: z.union([ReportVerdict, z.enum(['cancelled', 'failed'])]),
  headline: z.string(),
  /** The place that was asked about; absent where the run ended before it was known. */
  about: z
    .object({ place: z.string(), address: z.string(), protocol: z.enum(['tcp', 'udp']), port: z.number() })
    .optional(),
  /** Every node that was in it. */
  nodes: z.array(z.string()),
  /** What was `confirmed` or `likely`. `fingerprint`: see `fingerprintOf`. */
  troubles: z.array(
    z.object({
      fingerprint: z.string(),
      rule: z.string(),
      node: z.string(),
      verdict: z.enum(['confirmed', 'likely']),
      title: z.string(),
    }),
  ),
  /** The run that this one checked again. */
  recheckOf: z.string().optional(),
});
export type PastRun = z.infer<typeof PastRun>;
