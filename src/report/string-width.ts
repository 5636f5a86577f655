import { withoutAnsi } from './ansi.ts';

/**
 * Ranges that a terminal shows in two columns: East_Asian_Width W and F (UAX #11), joined where only unassigned code
 * points lie between them. Ambiguous characters count as one column, as in every common terminal's default.
 */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23ec],
  [0x23f0, 0x23f0],
  [0x23f3, 0x23f3],
  [0x25fd, 0x25fe],
  [0x2614, 0x2615],
  [0x2630, 0x2637],
  [0x2648, 0x2653],
  [0x267f, 0x267f],
  [0x268a, 0x268f],
  [0x2693, 0x2693],
  [0x26a1, 0x26a1],
  [0x26aa, 0x26ab],
  [0x26bd, 0x26be],
  [0x26c4, 0x26c5],
  [0x26ce, 0x26ce],
  [0x26d4, 0x26d4],
  [0x26ea, 0x26ea],
  [0x26f2, 0x26f3],
  [0x26f5, 0x26f5],
  [0x26fa, 0x26fa],
  [0x26fd, 0x26fd],
  [0x2705, 0x2705],
  [0x270a, 0x270b],
  [0x2728, 0x2728],
  [0x274c, 0x274c],
  [0x274e, 0x274e],
  [0x2753, 0x2755],
  [0x2757, 0x2757],
  [0x2795, 0x2797],
  [0x27b0, 0x27b0],
  [0x27bf, 0x27bf],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b50],
  [0x2b55, 0x2b55],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4dc0, 0x4dff],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f004, 0x1f004],
  [0x1f0cf, 0x1f0cf],
  [0x1f18e, 0x1f18e],
  [0x1f191, 0x1f19a],
  [0x1f200, 0x1f320],
  [0x1f32d, 0x1f335],
  [0x1f337, 0x1f37c],
  [0x1f37e, 0x1f393],
  [0x1f3a0, 0x1f3ca],
  [0x1f3cf, 0x1f3d3],
  [0x1f3e0, 0x1f3f0],
  [0x1f3f4, 0x1f3f4],
  [0x1f3f8, 0x1f43e],
  [0x1f440, 0x1f440],
  [0x1f442, 0x1f4fc],
  [0x1f4ff, 0x1f53d],
  [0x1f54b, 0x1f54e],
  [0x1f550, 0x1f567],
  [0x1f57a, 0x1f57a],
  [0x1f595, 0x1f596],
  [0x1f5a4, 0x1f5a4],
  [0x1f5fb, 0x1f64f],
  [0x1f680, 0x1f6c5],
  [0x1f6cc, 0x1f6cc],
  [0x1f6d0, 0x1f6d2],
  [0x1f6d5, 0x1f6df],
  [0x1f6eb, 0x1f6ec],
  [0x1f6f4, 0x1f6fc],
  [0x1f7e0, 0x1f7eb],
  [0x1f7f0, 0x1f7f0],
  [0x1f90c, 0x1f93a],
  [0x1f93c, 0x1f945],
  [0x1f947, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

function isWide(code: number): boolean {
  if (code < 0x1100) return false;
  let low = 0;
  let high = wide.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = wide[middle];
    if (range === undefined) return false;
    if (code < range[0]) high = middle - 1;
    else if (code > range[1]) low = middle + 1;
    else return true;
  }
  return false;
}

/** Marks, format characters, controls and the vowels and finals of conjoining Hangul take no column of their own. */
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u1160-\u11ff\u2028\u2029]$/u;

/**
 * Characters that take a column or two of their own and never join another of them (UAX #29 GB999): ASCII, Latin,
 * typographic punctuation, arrows, box drawing, CJK punctuation and ideographs, full-width forms.
 */
const plain =
  ' -~\\u00a1-\\u00ac\\u00ae-\\u02ff\\u2010-\\u2027\\u2030-\\u205e\\u2190-\\u21ff\\u2500-\\u259f\\u3001-\\u3029\\u3031-\\u303e\\u4e00-\\u9fff\\uff01-\\uff60';
const isPlain = new RegExp(`^[${plain}]$`);
const pieces = new RegExp(`([${plain}]+)(?=[${plain}]|$)|[${plain}]?(?:[^${plain}]+[${plain}]?)+`, 'g');

/** Made when it is needed first: that takes tens of milliseconds. */
let segmenter: Intl.Segmenter | undefined;

/** Splits a text into what a person sees as characters (UAX #29). */
export function graphemes(text: string): string[] {
  const found: string[] = [];
  // Between two plain characters there is always a boundary, and the segmenter is slow: it gets only what it must.
  for (const [piece, separate] of text.matchAll(pieces)) {
    if (separate === undefined) {
      segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
      for (const { segment } of segmenter.segment(piece)) found.push(segment);
    } else for (let at = 0; at < separate.length; at += 1) found.push(separate.charAt(at));
  }
  return found;
}

function isAscii(text: string): boolean {
  return /^[\u0020-\u007e]*$/.test(text);
}

/** Columns that one grapheme takes: 0, 1 or 2. */
export function graphemeWidth(grapheme: string): number {
  if (isPlain.test(grapheme)) return isWide(grapheme.charCodeAt(0)) ? 2 : 1;
  let width = 0;
  for (const character of grapheme) {
    const code = character.codePointAt(0) ?? 0;
    // VS16 asks for the emoji form, which is wide.
    if (code === 0xfe0f && width === 1) width = 2;
    else if (width === 0 && !zeroWidth.test(character)) width = isWide(code) ? 2 : 1;
  }
  return width;
}

/** Columns that a text takes in a terminal. SGR sequences take none; line feeds are not expected. */
export function stringWidth(text: string): number {
  const bare = text.includes('\u001b') ? withoutAnsi(text) : text;
  if (isAscii(bare)) return bare.length;
  let width = 0;
  for (const grapheme of graphemes(bare)) width += graphemeWidth(grapheme);
  return width;
}
