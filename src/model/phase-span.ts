import * as z from 'zod';

/** What a run does, in the order in which it does it. `wait`: for its turn on a node. */
export const runPhases = ['wait', 'connect', 'look', 'capture', 'before', 'probe', 'after', 'judge'] as const;

/**
 * How long a part of a run took, in milliseconds since the run began. Without `node`: the part of the whole run, from the
 * first node that began it to the last that ended it. `capture` ends when tcpdump has said that it listens.
 */
export const PhaseSpan = z.strictObject({
  phase: z.enum(runPhases),
  startMs: z.number().nonnegative(),
  endMs: z.number().nonnegative(),
  node: z.string().optional(),
});
export type PhaseSpan = z.infer<typeof PhaseSpan>;
