import type { ParseProblem } from '../model/facts.ts';

/** Most problems that are kept one by one; garbage of any size gives no more. */
export const mostProblems = 20;

/** Collects what could not be understood. */
export interface ProblemList {
  add(message: string, line?: number): void;
  /** Everything added so far, the first twenty word by word. */
  all(): readonly ParseProblem[];
}

export function problemList(): ProblemList {
  const kept: ParseProblem[] = [];
  let more = 0;
  return {
    add(message, line) {
      if (kept.length >= mostProblems) more += 1;
      else kept.push(line === undefined ? { message } : { message, line });
    },
    all() {
      return more === 0 ? kept : [...kept, { message: `${more} more problems of this kind` }];
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
