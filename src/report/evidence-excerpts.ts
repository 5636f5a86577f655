import type { Report } from '../model/report.ts';
import { escapeHtml } from './escape-html.ts';
import { visibleText } from './visible-text.ts';

/** Path inside the run directory -> what the command said, as it is stored: redacted. */
export type Outputs = ReadonlyMap<string, Uint8Array>;

export interface ExcerptLine {
  /** 1-based line of the file. */
  readonly number: number;
  readonly text: string;
  /** A sentence of the report rests on it. */
  readonly matters: boolean;
  /** Where the text is values out of a long line, with their names out of another: what of it a sentence speaks of. */
  readonly spokenOf?: (sentence: string) => string;
}

/** The part of an output that is shown. Numbers that do not follow each other have lines between them that are not. */
export interface Excerpt {
  readonly lines: readonly ExcerptLine[];
  /** Lines of the whole output. */
  readonly total: number;
}

/** Shown before and after a line that matters. */
const around = 3;
/** Of an output that nothing rests on: its head. */
const headLines = 24;
/** Lines that matter in one output; the others are in the bundle. */
const mostMatter = 40;
/** Of one line, characters. */
const mostOfLine = 320;
/** Of all excerpts of one report, characters as they stand on a page. What matters is taken first. */
const mostInAll = 1_000_000;
/** Bytes of one output that are looked at. */
const mostRead = 8 * 1024 * 1024;

/**
 * The lines of the outputs that a reader wants to see: those that sentences of the report rest on with their
 * neighbours, and the heads of the others, as long as there is room. Captures have no lines.
 */
export function excerptsOf(report: Report, outputs: Outputs): ReadonlyMap<string, Excerpt> {
  const cited = citedLines(report);
  const paths = report.evidence.flatMap(({ out, err, kind }) => [kind === 'pcap' ? undefined : out, err]);
  const excerpts = new Map<string, Excerpt>();
  let left = mostInAll;
  for (const wantsCited of [true, false]) {
    for (const path of paths) {
      const bytes = path === undefined ? undefined : outputs.get(path);
      if (path === undefined || bytes === undefined || bytes.length === 0 || cited.has(path) !== wantsCited) continue;
      const excerpt = cut(bytes, cited.get(path) ?? new Map());
      const size = excerpt.lines.reduce((sum, { text }) => sum + escapeHtml(text).length + 40, 0);
      // Heads are a courtesy: where one does not fit, the others are not read at all.
      if (size > left && !wantsCited) return excerpts;
      if (size > left) continue;
      left -= size;
      excerpts.set(path, excerpt);
    }
  }
  return excerpts;
}

/** Path -> line -> the sentences that rest on it, those about causes first. */
function citedLines({ findings }: Report): ReadonlyMap<string, ReadonlyMap<number, readonly string[]>> {
  const cited = new Map<string, Map<number, string[]>>();
  for (const { because } of findings) {
    for (const { evidence, line, text } of because) {
      const lines = cited.get(evidence) ?? new Map<number, string[]>();
      cited.set(evidence, lines);
      if (line !== undefined && (lines.has(line) || lines.size < mostMatter))
        lines.set(line, [...(lines.get(line) ?? []), text]);
    }
  }
  return cited;
}

function cut(bytes: Uint8Array, cited: ReadonlyMap<number, readonly string[]>): Excerpt {
  const all = new TextDecoder().decode(bytes.subarray(0, mostRead)).split('\n');
  if (all.at(-1) === '') all.pop();
  const wanted = new Set<number>();
  for (const line of cited.keys())
    for (let at = line - around; at <= line + around; at++) if (at >= 1 && at <= all.length) wanted.add(at);
  if (wanted.size === 0) for (let at = 1; at <= Math.min(headLines, all.length); at++) wanted.add(at);
  // One line that is left out costs as much as one that is shown.
  for (const at of wanted) if (wanted.has(at + 2) && at + 1 < all.length) wanted.add(at + 1);
  if (all.length <= headLines) for (let at = 1; at <= all.length; at++) wanted.add(at);
  const numbers = [...wanted].sort((a, b) => a - b);
  return {
    total: all.length,
    lines: numbers.map((number) => {
      const sentences = cited.get(number);
      const text = all[number - 1] ?? '';
      const named = sentences === undefined ? undefined : namedValues(all[number - 2] ?? '', text);
      return {
        number,
        text: clip(named?.(sentences ?? []) ?? text),
        matters: sentences !== undefined,
        ...(named === undefined ? {} : { spokenOf: (sentence: string) => clip(named([sentence]) ?? text) }),
      };
    }),
  };
}

/**
 * For a pair of lines as /proc/net/netstat has them, names above and values below by the hundred: gives the values that
 * sentences speak of, with their names; undefined where they speak of none.
 */
function namedValues(above: string, line: string): ((sentences: readonly string[]) => string | undefined) | undefined {
  if (line.length <= mostOfLine / 2) return undefined;
  const names = above.split(/\s+/u);
  const values = line.split(/\s+/u);
  if (names.length !== values.length || names[0] !== values[0] || names[0]?.endsWith(':') !== true) return undefined;
  return (sentences) => {
    const spoken = new Set(sentences.join(' ').split(/[^\p{L}\p{N}_]+/u));
    const told = names.flatMap((name, at) => (at > 0 && spoken.has(name) ? [`${name} ${values[at] ?? ''}`] : []));
    return told.length === 0 ? undefined : `${names[0]} … ${told.join(' … ')} …`;
  };
}

function clip(line: string): string {
  const text = visibleText(line.slice(0, mostOfLine * 2));
  return text.length <= mostOfLine ? text : `${text.slice(0, mostOfLine).replace(/[\ud800-\udbff]$/u, '')}…`;
}
