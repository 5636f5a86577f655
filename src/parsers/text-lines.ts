import type { ParseInput } from '../model/parser.ts';
import type { ProblemList } from './problem-list.ts';

/** One line of text, without its line end. */
export interface TextLine {
  readonly text: string;
  /** 1-based. */
  readonly line: number;
  /** False for a last line that no newline closed, and for a line that was too long to keep whole. */
  readonly whole: boolean;
}

const chunkBytes = 1 << 20;
/** No tool prints a meaningful line this long; what is beyond it is not decoded. */
export const longestLineBytes = 1 << 20;

const newline = 0x0a;

/**
 * Lines of a byte string, in order, decoded as UTF-8 (invalid bytes become U+FFFD), CR LF and LF alike. Decodes about
 * a megabyte at a time, so that an output larger than the longest possible string can be read.
 */
export function* textLines(bytes: Uint8Array): Generator<TextLine, void, undefined> {
  const decoder = new TextDecoder('utf-8');
  let start = 0;
  let line = 0;
  while (start < bytes.length) {
    const limit = Math.min(start + chunkBytes, bytes.length);
    const lastNewline = bytes.lastIndexOf(newline, limit - 1);
    if (lastNewline >= start) {
      const text = decoder.decode(bytes.subarray(start, lastNewline));
      for (let from = 0; from <= text.length; ) {
        const found = text.indexOf('\n', from);
        const to = found === -1 ? text.length : found;
        line += 1;
        yield { text: withoutCarriageReturn(text.slice(from, to)), line, whole: true };
        from = to + 1;
      }
      start = lastNewline + 1;
      continue;
    }
    const next = bytes.indexOf(newline, limit);
    const end = next === -1 ? bytes.length : next;
    line += 1;
    const kept = Math.min(end, start + longestLineBytes);
    yield {
      text: withoutCarriageReturn(decoder.decode(bytes.subarray(start, kept))),
      line,
      whole: next !== -1 && kept === end,
    };
    start = end + 1;
  }
}

/** More lines than any output has that a node is asked for; items and problems are bounded with them. */
export const mostLines = 250_000;

/**
 * Lines of a command's standard output, the first 250 000 of them unless `most` says otherwise. Where the command did not come to its end (`exitCode` null: time-out, byte
 * cap, lost connection), a last line without a newline may have been cut in the middle of a number: it is left out,
 * and a problem says so. A finished output may end without a newline.
 */
export function* outputLines(
  input: ParseInput,
  problems: ProblemList,
  most = mostLines,
): Generator<TextLine, void, undefined> {
  for (const line of textLines(input.stdout)) {
    if (line.line > most) {
      problems.add(`the output has more than ${most} lines; only those were read`, line.line);
      return;
    }
    if (!line.whole && (input.exitCode === null || line.text.length >= longestLineBytes / 4)) {
      problems.add('the output was cut in the middle of this line', line.line);
      continue;
    }
    yield line;
  }
}

/** Words separated by blanks and tabs; none for a blank line. */
export function words(text: string): string[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(/[ \t]+/);
}

/**
 * Parts of a line that `ip -o` joined with backslashes; the line itself where there are none. The first part keeps
 * its indentation.
 */
export function oneLineParts(text: string): string[] {
  return text.split('\\');
}

function withoutCarriageReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
