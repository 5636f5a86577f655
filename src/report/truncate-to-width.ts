import { graphemes, graphemeWidth, stringWidth } from './string-width.ts';

/** Cuts a plain text to at most `width` columns, with `…` as the last where something was cut. */
export function truncateToWidth(text: string, width: number): string {
  if (width < 1) return '';
  // A text with more code units than this cannot fit, and need not be measured to its end.
  if (text.length <= width * 40 && stringWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const grapheme of graphemes(text)) {
    const columns = graphemeWidth(grapheme);
    if (used + columns > width - 1) break;
    kept += grapheme;
    used += columns;
  }
  return `${kept}…`;
}
