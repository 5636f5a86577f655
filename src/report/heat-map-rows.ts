import type { HeatColumn, HeatMap, HeatRow } from '../model/heat-map.ts';
import type { Verdict } from '../model/verdict.ts';

type Cell = Verdict | null;

/** The part of a heat map that has something to tell, and how much was left out. */
export interface ShownHeatMap {
  readonly columns: readonly HeatColumn[];
  /** The worst first. */
  readonly rows: readonly HeatRow[];
  /** Checks with trouble that did not fit, and checks that found nothing on any node. */
  readonly left: {
    readonly columns: number;
    readonly quietColumns: number;
    readonly rows: number;
    readonly nodes: number;
  };
  readonly nodes: number;
}

/** From the most to the least urgent. */
export const cellOrder = ['confirmed', 'likely', 'error', 'unknown', 'ruledOut', 'notApplicable', null] as const;
/** How much one cell weighs in the order of rows and columns. */
const weight = new Map<Cell, number>(
  cellOrder.map((cell, index) => [cell, index < 4 ? 100 ** (3 - index) : 0] as const),
);
/** Nothing was found; it may also not have been looked for. */
const isQuiet = (cell: Cell): boolean => cell === 'ruledOut' || cell === 'notApplicable' || cell === null;

/**
 * Rows with the same cells become one; checks that found nothing anywhere are counted instead of shown; the worst rows and
 * columns come first. So a fleet of thousands is a picture of a few rows.
 */
export function shownHeatMap(
  { columns, rows }: HeatMap,
  { maxRows, maxColumns }: { readonly maxRows: number; readonly maxColumns: number },
): ShownHeatMap {
  const worth = columns.map((_, at) => rows.reduce((sum, row) => sum + weigh(row.cells[at] ?? null) * row.count, 0));
  const telling = columns
    .map((_, at) => at)
    .filter((at) => rows.some(({ cells }) => !isQuiet(cells[at] ?? null)))
    .sort((a, b) => (worth[b] ?? 0) - (worth[a] ?? 0) || a - b);
  // With nothing to tell, the checks themselves are the news.
  const chosen = telling.length === 0 ? columns.map((_, at) => at) : telling;
  const shown = chosen.slice(0, maxColumns);

  const groups = new Map<string, { row: HeatRow; names: number; weight: number }>();
  for (const { name, count, cells } of rows) {
    const own = shown.map((at) => cells[at] ?? null);
    const key = own.join(' ');
    const known = groups.get(key);
    if (known === undefined)
      groups.set(key, {
        row: { name, count, cells: own },
        names: 1,
        weight: own.reduce((sum, cell) => sum + weigh(cell), 0),
      });
    else known.row = { ...known.row, count: known.row.count + count };
  }
  const ordered = [...groups.values()].sort(
    (a, b) => b.weight - a.weight || b.row.count - a.row.count || a.row.name.localeCompare(b.row.name, 'en'),
  );
  const rest = ordered.slice(maxRows);
  return {
    columns: shown.flatMap((at) => columns[at] ?? []),
    rows: ordered.slice(0, maxRows).map(({ row }) => row),
    left: {
      columns: chosen.length - shown.length,
      quietColumns: telling.length === 0 ? 0 : columns.length - telling.length,
      rows: rest.length,
      nodes: rest.reduce((sum, { row }) => sum + row.count, 0),
    },
    nodes: rows.reduce((sum, { count }) => sum + count, 0),
  };
}

function weigh(cell: Cell): number {
  return weight.get(cell) ?? 0;
}
