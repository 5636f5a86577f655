import { graphemes, graphemeWidth, stringWidth } from './string-width.ts';

/** Must not begin a line (GB/T 15834, JIS X 4051): closing punctuation and what belongs to the character before it. */
const notAtStart = /^[，。、；：？！）》」』】〉〕…—·”’%‰℃,.;:?!)\]}]/u;
/** Must not end a line: opening punctuation. */
const notAtEnd = /[（《「『【〈〔“‘([{]$/u;

/**
 * Wraps a text to lines of at most `width` columns. White space of any kind is one space; Chinese breaks between
 * characters with the usual rules for punctuation; a word that is longer than a line is broken where the line ends.
 * The text must be plain: paint the lines afterwards. Gives at least one line.
 */
export function wrapText(text: string, width: number): string[] {
  const limit = Math.max(2, Math.floor(width));
  const flat = text.trim().replace(/\s+/g, ' ');
  if (stringWidth(flat) <= limit) return [flat];
  const lines: string[] = [];
  let line = '';
  let lineWidth = 0;
  let pendingSpace = false;

  const endLine = () => {
    lines.push(line);
    line = '';
    lineWidth = 0;
  };
  for (const unit of units(flat)) {
    if (unit === ' ') {
      pendingSpace = true;
      continue;
    }
    const unitWidth = stringWidth(unit);
    const gap = pendingSpace && line !== '' ? 1 : 0;
    pendingSpace = false;
    if (lineWidth + gap + unitWidth <= limit) {
      line += (gap === 1 ? ' ' : '') + unit;
      lineWidth += gap + unitWidth;
      continue;
    }
    if (line !== '') endLine();
    if (unitWidth <= limit) {
      line = unit;
      lineWidth = unitWidth;
      continue;
    }
    for (const grapheme of graphemes(unit)) {
      const graphemeColumns = graphemeWidth(grapheme);
      if (lineWidth + graphemeColumns > limit) endLine();
      line += grapheme;
      lineWidth += graphemeColumns;
    }
  }
  if (line !== '' || lines.length === 0) endLine();
  return lines;
}

/** Pieces between which a line may end; a space stands for itself, and there are no two in a row. */
function units(text: string): string[] {
  const pieces: string[] = [];
  let current = '';
  let currentIsWide = false;
  for (const grapheme of graphemes(text)) {
    if (grapheme === ' ') {
      if (current !== '') pieces.push(current);
      pieces.push(' ');
      current = '';
      continue;
    }
    const isWide = graphemeWidth(grapheme) === 2;
    const mayBreak =
      current !== '' && (isWide || currentIsWide) && !notAtStart.test(grapheme) && !notAtEnd.test(current);
    if (mayBreak) {
      pieces.push(current);
      current = '';
    }
    current += grapheme;
    currentIsWide = isWide;
  }
  if (current !== '') pieces.push(current);
  return pieces;
}
