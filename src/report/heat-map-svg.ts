import type { HeatMap } from '../model/heat-map.ts';
import type { Language } from '../model/language.ts';
import type { Verdict } from '../model/verdict.ts';
import { escapeHtml } from './escape-html.ts';
import { cellOrder, shownHeatMap, type ShownHeatMap } from './heat-map-rows.ts';
import { stringWidth } from './string-width.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wrapText } from './wrap-text.ts';

export interface HeatMapSvgOptions {
  /** `auto` follows the reader's system. Default `auto`. */
  readonly theme?: 'light' | 'dark' | 'auto';
  readonly language?: Language;
  /** More groups of nodes than this are counted, not drawn; default 32. */
  readonly maxRows?: number;
  /** More checks with trouble than this are counted, not drawn; default 16. */
  readonly maxColumns?: number;
}

type Kind = Verdict | 'unchecked';

/** Okabe and Ito's red and amber against blue-green; the sign in the cell says the same without any colour. */
const light = {
  ground: '#ffffff',
  ink: '#1f2933',
  muted: '#5f6c79',
  edge: '#d5dce3',
  confirmed: '#c23b00',
  'confirmed-sign': '#ffffff',
  likely: '#f2b84b',
  'likely-sign': '#3a2600',
  unknown: '#cfd6dd',
  'unknown-sign': '#33404c',
  error: '#5b3a86',
  'error-sign': '#ffffff',
  ruledOut: '#e2f3ee',
  'ruledOut-sign': '#00694f',
  notApplicable: '#f4f6f8',
  'notApplicable-sign': '#9aa6b2',
};
const dark: typeof light = {
  ground: '#14191f',
  ink: '#e4e9ee',
  muted: '#93a1af',
  edge: '#303a44',
  confirmed: '#e5582a',
  'confirmed-sign': '#ffffff',
  likely: '#d99a2b',
  'likely-sign': '#1d1300',
  unknown: '#47535f',
  'unknown-sign': '#e4e9ee',
  error: '#8a63bd',
  'error-sign': '#ffffff',
  ruledOut: '#173a31',
  'ruledOut-sign': '#7fd3b8',
  notApplicable: '#1c232a',
  'notApplicable-sign': '#66727f',
};

const words: Readonly<
  Record<
    Language,
    {
      readonly kinds: Readonly<Record<Kind, string>>;
      readonly others: (others: number) => string;
      readonly nodes: (nodes: number, checks: number) => string;
      readonly nothing: (checks: number) => string;
      readonly moreChecks: (checks: number) => string;
      readonly moreRows: (nodes: number, rows: number) => string;
      readonly allFine: string;
      readonly none: string;
    }
  >
> = {
  en: {
    kinds: {
      confirmed: 'confirmed',
      likely: 'likely',
      error: 'own fault',
      unknown: 'could not see',
      ruledOut: 'fine',
      notApplicable: 'does not apply',
      unchecked: 'not looked for',
    },
    others: (others) => `and ${others} like it`,
    nodes: (nodes, checks) =>
      `${nodes} ${nodes === 1 ? 'node' : 'nodes'} · ${checks} ${checks === 1 ? 'check' : 'checks'}`,
    nothing: (checks) =>
      checks === 1 ? '1 more check found nothing on any node.' : `${checks} more checks found nothing on any node.`,
    moreChecks: (checks) =>
      checks === 1
        ? '1 more check found something; it is in the report.'
        : `${checks} more checks found something; they are in the report.`,
    moreRows: (nodes, rows) => `${nodes} more nodes in ${rows} more groups are in the report.`,
    allFine: 'Every check is fine on every node.',
    none: 'No node was looked at.',
  },
  zh: {
    kinds: {
      confirmed: '已确认',
      likely: '可能',
      error: '自身故障',
      unknown: '看不到',
      ruledOut: '正常',
      notApplicable: '不适用',
      unchecked: '未检查',
    },
    others: (others) => `等 ${others + 1} 个节点相同`,
    nodes: (nodes, checks) => `${nodes} 个节点 · ${checks} 项检查`,
    nothing: (checks) => `另有 ${checks} 项检查在任何节点上都没有发现问题。`,
    moreChecks: (checks) => `另有 ${checks} 项检查发现问题，见报告。`,
    moreRows: (nodes, rows) => `另有 ${rows} 组共 ${nodes} 个节点，见报告。`,
    allFine: '所有节点的所有检查都正常。',
    none: '没有检查任何节点。',
  },
};

/** Measures, px. The type is large, because phones show the picture at half its size. */
const cell = { width: 44, height: 36, gap: 4 } as const;
const margin = 24;
/** Columns of the 16 px monospaced type and of the 15 px type of the titles, px. */
const nameColumn = 9.64;
const titleColumn = 8.4;
/** Widest name and title, columns. */
const mostName = 30;
const mostTitle = 28;
/** Titles of columns climb at this angle, degrees. */
const slant = 48;

/**
 * Nodes against checks as one SVG document: a row for nodes that have everything in common, a column for each check that
 * found something, the worst first. Every cell has a sign as well as a colour. Bounded for any number of nodes; contains
 * no script and no reference to anything outside.
 */
export function renderHeatMapSvg(mapGiven: HeatMap, options: HeatMapSvgOptions = {}): string {
  const { theme = 'auto', language = 'en', maxRows = 32, maxColumns = 16 } = options;
  const shown = visible(shownHeatMap(mapGiven, { maxRows, maxColumns }));
  const say = words[language];
  const title = cut(visible(mapGiven.title), 200);

  const names = shown.rows.map((row) => cut(row.name, mostName));
  const others = shown.rows.map((row) => (row.count > 1 ? say.others(row.count - 1) : ''));
  const titles = shown.columns.map((column) => cut(column.title, mostTitle));
  const widest = (texts: readonly string[], column: number): number =>
    Math.max(0, ...texts.map((text) => stringWidth(text) * column));
  const gridX = margin + Math.ceil(Math.max(120, widest(names, nameColumn), widest(others, titleColumn))) + 16;
  const gridWidth = shown.columns.length * (cell.width + cell.gap);
  const longest = widest(titles, titleColumn);
  const radians = (slant * Math.PI) / 180;
  const overhang = Math.max(
    0,
    ...titles.map(
      (text, at) =>
        at * (cell.width + cell.gap) + cell.width / 2 + stringWidth(text) * titleColumn * Math.cos(radians) - gridWidth,
    ),
  );
  const width = Math.ceil(Math.max(480, gridX + gridWidth + Math.max(margin, overhang + 12)));

  const parts: string[] = [];
  let y = 14;
  for (const line of lined(title, Math.floor((width - margin * 2) / 10.2), 3)) {
    y += 24;
    parts.push(text(margin, y, 'h', line));
  }
  y += 24;
  parts.push(text(margin, y, 'm', say.nodes(shown.nodes, mapGiven.columns.length)));
  y += 12 + Math.ceil(longest * Math.sin(radians)) + 16;

  for (const [at, label] of titles.entries()) {
    const x = gridX + at * (cell.width + cell.gap) + cell.width / 2 + 4;
    parts.push(`<text transform="translate(${x} ${y - 8}) rotate(-${slant})" class="c">${escapeHtml(label)}</text>`);
  }
  for (const [at, row] of shown.rows.entries()) {
    const more = others[at] ?? '';
    const middle = y + cell.height / 2;
    parts.push(text(gridX - 12, more === '' ? middle + 6 : middle - 2, 'n', names[at] ?? ''));
    if (more !== '') parts.push(text(gridX - 12, middle + 14, 'o', more));
    for (const [column, value] of row.cells.entries())
      parts.push(cellAt(gridX + column * (cell.width + cell.gap), y, value ?? 'unchecked', say.kinds));
    y += cell.height + cell.gap + (more === '' ? 0 : 4);
  }
  y += 8;
  for (const note of notesOf(shown, say)) {
    for (const line of lined(note, Math.floor((width - margin * 2) / titleColumn), 2)) {
      y += 22;
      parts.push(text(margin, y, 'm', line));
    }
  }
  y += 20;
  const legend = legendOf(shown, say.kinds, y, width);
  parts.push(...legend.parts);
  const height = legend.bottom + 18;

  const label = `${title}: ${say.nodes(shown.nodes, mapGiven.columns.length)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="heat" role="img" aria-label="${escapeHtml(label)}">`,
    `<title>${escapeHtml(label)}</title>`,
    `<style>${style(theme)}</style>`,
    `<rect class="g" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function notesOf(shown: ShownHeatMap, say: (typeof words)['en']): string[] {
  const { left } = shown;
  if (shown.rows.length === 0) return [say.none];
  const notes: string[] = [];
  if (left.rows > 0) notes.push(say.moreRows(left.nodes, left.rows));
  if (left.columns > 0) notes.push(say.moreChecks(left.columns));
  if (left.quietColumns > 0) notes.push(say.nothing(left.quietColumns));
  const isFine = shown.rows.every(({ cells }) => cells.every((one) => one === 'ruledOut' || one === 'notApplicable'));
  if (isFine && left.rows === 0 && left.columns === 0) notes.push(say.allFine);
  return notes;
}

/** What each sign means, of those that are in the picture. */
function legendOf(
  { rows }: ShownHeatMap,
  kinds: Readonly<Record<Kind, string>>,
  top: number,
  width: number,
): { readonly parts: readonly string[]; readonly bottom: number } {
  const parts: string[] = [];
  let [x, y] = [margin, top];
  for (const one of cellOrder) {
    if (!rows.some(({ cells }) => cells.includes(one))) continue;
    const kind = one ?? 'unchecked';
    const needs = 34 + stringWidth(kinds[kind]) * titleColumn + 22;
    if (x > margin && x + needs > width - margin / 2) [x, y] = [margin, y + 32];
    parts.push(
      `<g transform="translate(${x} ${y}) scale(.62)">${cellAt(0, 0, kind, kinds)}</g>`,
      text(x + 34, y + 17, 'm', kinds[kind]),
    );
    x += Math.ceil(needs);
  }
  return { parts, bottom: y + 28 };
}

/** Signs in a box of 44 by 36, drawn and not written: a font may lack them. */
const signs: Readonly<Record<Kind, string>> = {
  confirmed: '<path d="M15 11l14 14M29 11l-14 14"/>',
  likely: '<path d="M22 9v11M22 26v.5"/>',
  error: '<path d="M28 10H17v16h11M17 18h9"/>',
  unknown: '<path d="M17 14c0-6 10-6 10 0 0 4-5 3-5 7M22 26v.5"/>',
  ruledOut: '<path d="M14 19l6 6 10-13"/>',
  notApplicable: '<path d="M17 18h10"/>',
  unchecked: '',
};

function cellAt(x: number, y: number, kind: Kind, kinds: Readonly<Record<Kind, string>>): string {
  return `<g class="${kind}" transform="translate(${x} ${y})"><title>${escapeHtml(kinds[kind])}</title><rect width="${cell.width}" height="${cell.height}" rx="6"/>${signs[kind]}</g>`;
}

function text(x: number, y: number, kind: string, content: string): string {
  return `<text x="${x}" y="${y}" class="${kind}">${escapeHtml(content)}</text>`;
}

function cut(content: string, columns: number): string {
  return truncateToWidth(content.replace(/\s+/g, ' ').trim(), columns);
}

/** At most so many lines; the last one is cut. */
function lined(content: string, columns: number, most: number): string[] {
  const lines = content === '' ? [] : wrapText(content, columns);
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), truncateToWidth(lines.slice(most - 1).join(' '), columns)];
}

function style(theme: 'light' | 'dark' | 'auto'): string {
  if (theme === 'auto') return `${variables(light)}@media(prefers-color-scheme:dark){${variables(dark)}}${styleRules}`;
  const colours: Readonly<Record<string, string>> = theme === 'dark' ? dark : light;
  // With colours that never change, what makes pictures of it need not know variables.
  return styleRules.replace(/var\(--m-([A-Za-z-]+)\)/g, (whole, name: string) => colours[name] ?? whole);
}

function variables(colours: typeof light): string {
  return `.heat{${Object.entries(colours)
    .map(([name, value]) => `--m-${name}:${value}`)
    .join(';')}}`;
}

const sans =
  "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','PingFang SC','Noto Sans CJK SC','Noto Sans SC',sans-serif";
const mono =
  "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace";
// No `font` in one: what makes pictures of it does not know the shorthand.
const styleRules = [
  `.heat text{font-family:${sans};font-size:15px;fill:var(--m-ink)}`,
  '.heat text.h{font-size:19px;font-weight:600}.heat text.m{fill:var(--m-muted)}',
  `.heat text.n{font-family:${mono};font-size:16px;text-anchor:end}`,
  '.heat text.o{font-size:13px;fill:var(--m-muted);text-anchor:end}',
  '.heat .g{fill:var(--m-ground);stroke:var(--m-edge)}',
  '.heat g path{fill:none;stroke-width:3;stroke-linecap:round;stroke-linejoin:round}',
  ...(['confirmed', 'likely', 'error', 'unknown', 'ruledOut', 'notApplicable'] as const).map(
    (kind) => `.heat .${kind} rect{fill:var(--m-${kind})}.heat .${kind} path{stroke:var(--m-${kind}-sign)}`,
  ),
  '.heat .unchecked rect{fill:none;stroke:var(--m-edge);stroke-dasharray:3 4}',
].join('');
