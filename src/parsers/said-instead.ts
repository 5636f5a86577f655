import type { ParseInput, Parsed } from '../model/parser.ts';
import { excerpt, type ProblemList } from './problem-list.ts';
import { textLines } from './text-lines.ts';

/** Lines of stderr that say nothing about the output: sudo and shells complaining about names and locales. */
const chatter = [
  /^sudo: unable to resolve host/,
  /^sudo: .*unable to (?:allocate|initialize|mkdir)/,
  /(?:setlocale|locale)\b.*(?:cannot change|LC_|LANG)/i,
  /^perl: warning:/,
  /^Warning: Permanently added/,
  /^We trust you have received|^Administrator\. It usually/,
];

/** The lines of stderr that may matter, trimmed, at most fifty of them. */
export function stderrLines(input: ParseInput, alsoChatter?: RegExp): readonly string[] {
  const lines: string[] = [];
  for (const { text } of textLines(input.stderr)) {
    const trimmed = text.trim();
    if (trimmed === '' || alsoChatter?.test(trimmed) === true) continue;
    if (chatter.some((pattern) => pattern.test(trimmed))) continue;
    lines.push(trimmed);
    if (lines.length >= 50) break;
  }
  return lines;
}

/**
 * Whether the command came to its end with exit 0 and said nothing at all. For commands that print nothing when there
 * is nothing (`ss -H`, `ip neigh`, `iptables-save`), that is the answer "none"; for all others it is no answer.
 */
export function silentlyNone(input: ParseInput, alsoChatter?: RegExp): boolean {
  if (input.exitCode !== 0 || stderrLines(input, alsoChatter).length > 0) return false;
  for (const { text } of textLines(input.stdout)) if (text.trim() !== '') return false;
  return true;
}

/** Adds what stderr says as problems, for an output that was usable all the same. */
export function addStderr(input: ParseInput, problems: ProblemList, alsoChatter?: RegExp): void {
  for (const line of stderrLines(input, alsoChatter)) problems.add(`stderr: ${excerpt(line)}`);
}

/**
 * The answer where nothing usable was there: no value, and one problem with what was said instead.
 *
 * @param wanted what was looked for, in words that complete "no …"
 */
export function nothingUsable(input: ParseInput, problems: ProblemList, wanted: string): Parsed<never> {
  problems.add(`no ${wanted}: ${whatWasSaid(input)}`);
  return { value: undefined, problems: problems.all() };
}

function whatWasSaid(input: ParseInput): string {
  const [said] = stderrLines(input);
  if (said !== undefined) return excerpt(said);
  for (const { text } of textLines(input.stdout)) {
    const quoted = text.trim() === '' ? '' : excerpt(text);
    if (quoted !== '') return `the output says “${quoted}”`;
  }
  return input.exitCode === null || input.exitCode === 0
    ? 'the output is empty'
    : `the output is empty (exit ${input.exitCode})`;
}
