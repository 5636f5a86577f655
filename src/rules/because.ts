import type { At } from '../model/evidence.ts';
import type { Because } from '../model/report.ts';

/** A sentence with the place it stands on. */
export function because(text: string, at: At): Because {
  return { text, evidence: at.evidence, ...(at.line === undefined ? {} : { line: at.line }) };
}

/** Where the symptom and the plan stand: the place of sentences that argue from what was asked. */
export const askedAt: At = { evidence: 'run.json' };

/**
 * The place of a sentence about a whole list ("nothing listens on 1301"): the file that its items were read from.
 * An empty list knows no file; then it is `otherwise`.
 */
export function fileOf(items: readonly { readonly at: At }[], otherwise: At = askedAt): At {
  const first = items[0];
  return first === undefined ? otherwise : { evidence: first.at.evidence };
}
