import { stringWidth } from './string-width.ts';

/** Fills a text (painted or plain) with spaces up to `width` columns. A longer text comes back as it is. */
export function padToWidth(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return align === 'left' ? text + fill : fill + text;
}
