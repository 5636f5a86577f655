import * as z from 'zod';

/** For now; for good; in Kubernetes' own form; in the application. */
export const RemedyKind = z.enum(['temporary', 'permanent', 'kubernetes', 'application']);

/** One text for everybody, or one per language. */
export const Words = z.union([z.string().min(1), z.strictObject({ en: z.string().min(1), zh: z.string().min(1) })]);
export type Words = z.infer<typeof Words>;

/** What a team adds to the remedies of a rule: how it is done in their house. Shown where the rule accuses. */
export const RemedyNote = z.strictObject({
  kind: RemedyKind,
  text: Words,
  commands: z.array(z.string().min(1)).default([]),
  undo: z.array(z.string().min(1)).default([]),
  risk: Words,
});
export type RemedyNote = z.infer<typeof RemedyNote>;
