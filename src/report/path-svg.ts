import type { Language } from '../model/language.ts';
import type { Path, PathHop } from '../model/report.ts';
import { escapeHtml } from './escape-html.ts';
import { answersText, arrivedText, cutOf, hopNotes } from './path-notes.ts';
import { endSentence, pathLine, pathWords } from './path-text.ts';
import { type PictureColours, pictureColours } from './picture-colours.ts';
import { stringWidth } from './string-width.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

export interface PathSvgOptions {
  /** `auto` follows the reader's system. Default `auto`. */
  readonly theme?: 'light' | 'dark' | 'auto';
  readonly language?: Language;
  /** Drawn for a phone: 360 px wide. Default false. */
  readonly narrow?: boolean;
}

/** Columns of the 12 px and the 13 px monospaced type, px. */
const columns = { small: 7.23, name: 7.83, title: 8.4 } as const;
/** Lines of one statement, and statements of one hop, that are drawn; the page and the JSON have them whole. */
const mostLines = 3;
const mostNotes = 9;
const lineHeight = 17;
const legHeight = 58;
const margin = 12;
const inner = 14;

/**
 * The way of the connects as one SVG document, from top to bottom: a box per hop with what is known of it, between them what
 * went there and what came back. The leg that packets die on is cut and dashed, the box that they end in has an edge of its
 * own and a cross; words say the same. Contains no script and no reference to anything outside.
 */
export function renderPathSvg(pathGiven: Path, options: PathSvgOptions = {}): string {
  const { theme = 'auto', language = 'en', narrow = false } = options;
  const path = visible(pathGiven);
  const width = narrow ? 360 : 640;
  const cut = cutOf(path);
  const isFar = (index: number): boolean => cut?.of === 'connects' && index >= cut.at;
  const label = `${pathWords[language].title}: ${pathLine(path)}`;

  const parts: string[] = [];
  let y = 10;
  const about = `${pathWords[language].title} · ${pathWords[language].about(path.connects, path.failed)}`;
  y += 18;
  parts.push(text(margin + 2, y, 'h', truncateToWidth(about, Math.floor((width - margin * 2) / columns.title))));
  const end = endSentence(path, language);
  if (end !== undefined)
    for (const line of lined(`✗ ${end}`, Math.floor((width - margin * 2) / columns.name), mostLines)) {
      y += 20;
      parts.push(text(margin + 2, y, 'd w', line));
    }
  y += 14;
  for (const [index, hop] of path.hops.entries()) {
    if (index > 0) y = leg(index, y);
    y = box(hop, y, hop.node === path.endsAt?.node, isFar(index));
  }
  if (cut?.at === path.hops.length) y = leg(cut.at, y);
  const height = y + margin;

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="way${narrow ? ' narrow' : ''}" role="img" aria-label="${escapeHtml(truncateToWidth(label, 400))}">`,
    `<title>${escapeHtml(truncateToWidth(label, 400))}</title>`,
    `<style>${style(theme)}</style>`,
    `<rect class="g" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');

  function box(hop: PathHop, top: number, isEnd: boolean, far: boolean): number {
    const room = Math.floor((width - (margin + inner) * 2) / columns.small);
    const all = hopNotes(hop, language);
    // what is wrong is never among what is left out
    const shown = new Set([...all].sort((a, b) => Number(b.isBad) - Number(a.isBad)).slice(0, mostNotes));
    const notes = all.filter((one) => shown.has(one));
    const lines = notes.flatMap(({ text: said, isBad }) =>
      lined(said, room - 2, mostLines).map((line, at) => ({ line: at === 0 ? line : `  ${line}`, isBad })),
    );
    const height = 32 + lines.length * lineHeight + (lines.length === 0 ? 0 : 8);
    const role = wording[language].role[hop.role];
    const nameRoom = Math.floor((width - (margin + inner) * 2 - stringWidth(role) * columns.small - 28) / columns.name);
    const right = width - margin - inner;
    parts.push(
      `<rect class="b${isEnd ? ' x' : ''}${far ? ' f' : ''}" x="${margin}" y="${top}" width="${width - margin * 2}" height="${height}" rx="9"/>`,
      text(
        margin + inner,
        top + 21,
        `n${isEnd ? ' d' : ''}${far ? ' m' : ''}`,
        truncateToWidth(`${isEnd ? '✗ ' : ''}${hop.node}`, nameRoom),
      ),
      text(right, top + 21, 's m e', role),
      ...lines.map(({ line, isBad }, at) =>
        text(margin + inner, top + 43 + at * lineHeight - 2, `s${isBad ? ' d w' : ' m'}`, line),
      ),
    );
    return top + height;
  }

  /** What goes down on the left of the middle, what comes back on the right of it. */
  function leg(index: number, top: number): number {
    const here = path.hops[index];
    const previous = path.hops[index - 1];
    const isCut = cut?.at === index;
    const noneSent = isCut && cut.of === 'connects';
    const noneBack = isCut && cut.of === 'answers';
    // what comes has more to say than what goes back
    const middle = width / 2 + 16;
    const x1 = middle - 10;
    const x2 = middle + 10;
    const bottom = top + legHeight;
    const far = cut?.of === 'connects' && index > cut.at;
    const arrow = (x: number, from: number, to: number, dies: boolean): string => {
      const way = Math.sign(to - from);
      const tip = dies ? from + (to - from) * 0.55 : to - way * 3;
      const kind = dies ? 'd' : far ? 'f' : 'a';
      const line = `<path class="l ${kind}" d="M${x} ${from + way * 3}V${tip - way * (dies ? 6 : 8)}"/>`;
      return dies
        ? `${line}<path class="l c" d="M${x - 6} ${tip - 6}l12 12M${x - 6} ${tip + 6}l12 -12"/>`
        : `${line}<path class="t ${kind}" d="M${x} ${tip}l-5 ${-way * 10}h10z"/>`;
    };
    const side = Math.floor((x1 - 12 - margin) / columns.small);
    if (here !== undefined || noneSent) parts.push(arrow(x1, top, bottom, noneSent));
    if (here !== undefined)
      parts.push(
        text(x1 - 12, top + 33, `s e${noneSent ? ' d w' : ''}`, truncateToWidth(arrivedText(here, language), side)),
      );
    if (previous !== undefined && here !== undefined) {
      const came = previous.answers ?? 0;
      if (noneBack || came > 0) parts.push(arrow(x2, bottom, top, noneBack));
      parts.push(
        text(
          x2 + 12,
          top + 33,
          `s${noneBack ? ' d w' : came > 0 ? '' : ' m'}`,
          truncateToWidth(answersText(previous, language), Math.floor((width - margin - x2 - 12) / columns.small)),
        ),
      );
    }
    return here === undefined ? top + legHeight * 0.75 : bottom;
  }
}

function text(x: number, y: number, kind: string, content: string): string {
  return `<text x="${x}" y="${y}" class="${kind}" xml:space="preserve">${escapeHtml(content)}</text>`;
}

/** At most so many lines; the last one is cut. */
function lined(content: string, room: number, most: number): readonly string[] {
  const lines = wrapText(content.slice(0, room * most * 2), room);
  return lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), truncateToWidth(lines.slice(most - 1).join(' '), room)];
}

function style(theme: 'light' | 'dark' | 'auto'): string {
  const rules = [
    ".way text{font-size:12px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace;fill:var(--w-ink)}",
    ".way text.h{font-size:14px;font-weight:600;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','PingFang SC','Noto Sans CJK SC','Noto Sans SC',sans-serif}",
    '.way text.n{font-size:13px;font-weight:600}.way text.w{font-weight:600}.way .e{text-anchor:end}',
    '.way text.m{fill:var(--w-muted)}.way text.d{fill:var(--w-dies)}',
    '.way .g{fill:var(--w-ground)}.way .b{fill:var(--w-box);stroke:var(--w-lane)}.way .b.f{fill:var(--w-ground);stroke-dasharray:5 4}.way .b.x{fill:var(--w-dies-soft);stroke:var(--w-dies);stroke-width:2}',
    '.way .l{fill:none;stroke-width:2}.way .l.a{stroke:var(--w-lives)}.way .l.f{stroke:var(--w-lane);stroke-dasharray:4 4}.way .l.d{stroke:var(--w-dies);stroke-dasharray:6 5}.way .l.c{stroke:var(--w-dies);stroke-width:3;stroke-linecap:round}',
    '.way .t.a{fill:var(--w-lives)}.way .t.f{fill:var(--w-lane)}',
  ].join('');
  if (theme === 'auto')
    return `${variables(pictureColours.light)}@media(prefers-color-scheme:dark){${variables(pictureColours.dark)}}${rules}`;
  // what makes pictures of it knows no variables; among messages that may be dark an edge shows where it ends
  const colours: Readonly<Record<string, string>> = pictureColours[theme];
  return `${rules}.way .g{stroke:var(--w-lane)}`.replace(
    /var\(--w-([a-z-]+)\)/g,
    (whole, name: string) => colours[name] ?? whole,
  );
}

function variables(colours: PictureColours): string {
  return `.way{${Object.entries(colours)
    .map(([name, value]) => `--w-${name}:${value}`)
    .join(';')}}`;
}
