import type { ParseProblem } from '../model/facts.ts';

/** Most problems that are kept one by one; garbage of any size gives no more. */
export const mostProblems = 20;
/** Most of one kind: what a damaged line looks like is clear after a few. */
const mostOfOneKind = 5;

/** Collects what could not be understood. */
export interface ProblemList {
  /** What stands before the first colon is the kind of the problem. */
  add(message: string, line?: number): void;
  /** The first of each kind word by word, then one sentence that counts the others. */
  all(): readonly ParseProblem[];
}

export function problemList(): ProblemList {
  const kept: ParseProblem[] = [];
  const kinds = new Map<string, { kept: number; more: number }>();
  let others = 0;
  return {
    add(message, line) {
      const name = message.split(':', 1)[0]?.slice(0, 60) ?? '';
      const known = kinds.get(name);
      if (known === undefined && kinds.size >= mostProblems) {
        others += 1;
        return;
      }
      const kind = known ?? { kept: 0, more: 0 };
      if (known === undefined) kinds.set(name, kind);
      if (kept.length >= mostProblems || kind.kept >= mostOfOneKind) {
        kind.more += 1;
        return;
      }
      kind.kept += 1;
      kept.push(line === undefined ? { message } : { message, line });
    },
    all() {
      const counts = [...kinds].filter(([, { more }]) => more > 0).sort(([, a], [, b]) => b.more - a.more);
      const unsaid = counts.slice(3).reduce((sum, [, { more }]) => sum + more, others);
      const parts = counts.slice(0, 3).map(([name, { more }]) => `${more} more: ${name}`);
      if (unsaid > 0) parts.push(`${unsaid} more of other kinds`);
      return parts.length === 0 ? kept : [...kept, { message: parts.join('; ') }];
    },
  };
}

/** A piece of foreign text that is safe to quote in a message: one line, printable, short. */
export function excerpt(text: string): string {
  const piece = text
    .slice(0, 200)
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim();
  return piece.length > 100 ? `${piece.slice(0, 100)}…` : piece;
}
