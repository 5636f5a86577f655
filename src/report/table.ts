import { painter, type Style } from './ansi.ts';
import { padToWidth } from './pad-to-width.ts';
import { stringWidth } from './string-width.ts';
import { visibleText } from './visible-text.ts';
import { wrapText } from './wrap-text.ts';

export interface TableColumn {
  readonly header: string;
  readonly align?: 'left' | 'right';
  /** `never`: cells of this column are not wrapped or cut, whatever the width (commands to copy). Default `wrap`. */
  readonly fit?: 'wrap' | 'never';
}

/** A plain text, or one with styles for the whole cell. Safe to show as it is: the table makes it so. */
export type TableCell = string | { readonly text: string; readonly style: readonly Style[] };

export interface TableOptions {
  /** Columns of the terminal; default 80. */
  readonly width?: number;
  readonly colour?: boolean;
  /** Spaces before every line; default 0. */
  readonly indent?: number;
  /** Whether the first line names the columns; default true. */
  readonly header?: boolean;
}

const gap = 2;

/**
 * Renders rows under columns: no frame, two spaces between columns, cells wrapped where the width asks for it, wide
 * characters counted as two. The result has no line feed at its end.
 */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  options: TableOptions = {},
): string {
  const { width = 80, colour = false, indent = 0, header = true } = options;
  const paint = painter(colour);
  const cells = rows.map((row) =>
    columns.map((_, index) => {
      const cell = row[index] ?? '';
      const { text, style } = typeof cell === 'string' ? { text: cell, style: [] } : cell;
      return { text: visibleText(text).replace(/\s+/g, ' ').trim(), style };
    }),
  );
  const shown: { text: string; style: readonly Style[] }[][] = header
    ? [columns.map((column) => ({ text: column.header, style: ['dim'] as const })), ...cells]
    : cells;
  if (shown.length === 0) return '';

  const natural = columns.map((_, index) => Math.max(0, ...shown.map((row) => stringWidth(row[index]?.text ?? ''))));
  const widths = fitted(columns, natural, width - indent - gap * (columns.length - 1));

  const lines: string[] = [];
  for (const row of shown) {
    const wrapped = row.map((cell, index) =>
      columns[index]?.fit === 'never' ? [cell.text] : wrapText(cell.text, widths[index] ?? 1),
    );
    const height = Math.max(...wrapped.map((cell) => cell.length));
    for (let line = 0; line < height; line += 1) {
      const parts = wrapped.map((cell, index) => {
        const styled = paint(cell[line] ?? '', ...(row[index]?.style ?? []));
        return padToWidth(styled, widths[index] ?? 0, columns[index]?.align ?? 'left');
      });
      lines.push((' '.repeat(indent) + parts.join(' '.repeat(gap))).trimEnd());
    }
  }
  return lines.join('\n');
}

/**
 * Takes columns off the widest, one at a time, until everything fits; none gets too narrow to be read. A column that
 * must not be wrapped is counted with a third of the line at most, so that one long command does not crush the others.
 */
function fitted(columns: readonly TableColumn[], natural: readonly number[], available: number): number[] {
  const least = 6;
  const mayShrink = (index: number) => columns[index]?.fit !== 'never';
  const widths = natural.map((width, index) =>
    Math.min(width, mayShrink(index) ? available : Math.floor(available / 3)),
  );
  for (let excess = widths.reduce((sum, width) => sum + width, 0) - available; excess > 0; excess -= 1) {
    const widest = Math.max(...widths.filter((_, index) => mayShrink(index)));
    if (widest <= least) break;
    const index = widths.findIndex((width, index) => mayShrink(index) && width === widest);
    widths[index] = widest - 1;
  }
  return widths.map((width, index) => (mayShrink(index) ? width : (natural[index] ?? width)));
}
