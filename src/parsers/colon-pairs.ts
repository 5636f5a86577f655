import type { ParseInput } from '../model/parser.ts';
import type { ProblemList } from './problem-list.ts';
import { outputLines } from './text-lines.ts';

/** One `name: value` line; the value is empty for a heading. */
export interface ColonPair {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/** Lines of ethtool's kind. Lines without a colon (values that go on) are passed over. */
export function colonPairs(input: ParseInput, problems: ProblemList): readonly ColonPair[] {
  const pairs: ColonPair[] = [];
  for (const { text, line } of outputLines(input, problems)) {
    const colon = text.indexOf(':');
    if (colon === -1 || colon > 120) continue;
    pairs.push({ name: text.slice(0, colon).trim(), value: text.slice(colon + 1, colon + 400).trim(), line });
  }
  return pairs;
}
