import * as z from 'zod';

/**
 * How a remote command ended. Connection lost, refused and skipped are told apart from an exit status, because
 * "the node could not be asked" is never "the node answered nothing".
 */
export const Exit = z.discriminatedUnion('how', [
  z.strictObject({ how: z.literal('exited'), code: z.number().int() }),
  z.strictObject({ how: z.literal('signalled'), signal: z.string() }),
  z.strictObject({ how: z.literal('timedOut'), afterMs: z.number() }),
  /** Ended by us because nothing more was needed (early end of a capture) or the run was cancelled. */
  z.strictObject({ how: z.literal('stopped'), why: z.enum(['enough', 'cancelled', 'windowOver']) }),
  z.strictObject({ how: z.literal('tooMuchOutput'), keptBytes: z.number() }),
  z.strictObject({ how: z.literal('connectionLost'), message: z.string() }),
  z.strictObject({
    how: z.literal('notStarted'),
    why: z.enum(['unreachable', 'timeout', 'hostKey', 'auth', 'sudo', 'toolMissing', 'channel', 'budget']),
    message: z.string(),
  }),
  /** Never sent, on purpose: it would change the node (load a kernel module). */
  z.strictObject({ how: z.literal('skipped'), why: z.string() }),
]);
export type Exit = z.infer<typeof Exit>;

/** When in the run a command ran: `look` (features), `before`/`after` the window, `during` it, or `once`. */
export const Phase = z.enum(['look', 'once', 'before', 'during', 'after']);
export type Phase = z.infer<typeof Phase>;

/** One command's record: the line of `evidence/<node>/index.json`. Bytes live in the files it names. */
export const EvidenceEntry = z.strictObject({
  /** `<nn>-<collector>`, unique on its node. */
  id: z.string(),
  node: z.string(),
  collector: z.string(),
  phase: Phase,
  /** Name of the parser that reads it (`netcheck parse KIND`). */
  kind: z.string(),
  argv: z.array(z.string()),
  privilege: z.enum(['none', 'root']),
  /** Wall-clock times of the machine that runs netcheck, milliseconds since the epoch. */
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  exit: Exit,
  /** Path inside the run directory, or absent where nothing was written. */
  out: z.string().optional(),
  err: z.string().optional(),
  outBytes: z.number(),
  errBytes: z.number(),
});
export type EvidenceEntry = z.infer<typeof EvidenceEntry>;

/** An entry with its bytes. */
export interface Evidence {
  readonly entry: EvidenceEntry;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** Where a statement comes from: a file of the run directory, and the line in it (1-based) where there is one. */
export interface At {
  readonly evidence: string;
  readonly line?: number;
}
