import type { Language } from '../model/language.ts';
import type { Path, PathHop } from '../model/report.ts';
import { painter, type Style } from './ansi.ts';
import { answersText, arrivedText, cutOf, hopNotes } from './path-notes.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

export interface PathLinesOptions {
  /** Columns, at least 40. */
  readonly width: number;
  readonly colour?: boolean;
  /** Default: `box` with colour, else `ascii`, which every font and file has in one width. */
  readonly glyphs?: 'box' | 'ascii';
  readonly language: Language;
}

const glyphsOf = {
  box: { hop: '●', end: '✗', far: '○', lane: '│', cut: '┊', down: '↓', up: '↑', dead: '✗' },
  ascii: { hop: 'o', end: 'x', far: 'o', lane: '|', cut: ':', down: 'v', up: '^', dead: 'x' },
} as const;

/** The way of the connects, hop below hop, with what went between them and the place where they die. */
export function renderPathLines(pathGiven: Path, options: PathLinesOptions): readonly string[] {
  const { colour = false, language } = options;
  const width = Math.max(40, options.width);
  const glyphs = glyphsOf[options.glyphs ?? (colour ? 'box' : 'ascii')];
  const paint = painter(colour);
  const path = visible(pathGiven);
  const cut = cutOf(path);
  const isFar = (index: number): boolean => cut?.of === 'connects' && index >= cut.at;
  const lines: string[] = [];
  /** Text beside the lane: its lines hang under each other. */
  const beside = (mark: string, markStyle: readonly Style[], text: string, style: readonly Style[]): void => {
    for (const line of wrapText(text, width - 6))
      lines.push(`  ${paint(mark, ...markStyle)}   ${paint(line, ...style)}`);
  };
  for (const [index, hop] of path.hops.entries()) {
    if (index > 0) legLines(index);
    const isEnd = hop.node === path.endsAt?.node;
    const [mark, markStyle]: [string, readonly Style[]] = isEnd
      ? [glyphs.end, ['bold', 'red']]
      : isFar(index)
        ? [glyphs.far, ['dim']]
        : [glyphs.hop, ['bold']];
    const name = wrapText(`${hop.node} · ${wording[language].role[hop.role]}`, width - 4);
    for (const [at, line] of name.entries()) {
      const lead = line.startsWith(hop.node) ? hop.node : '';
      const painted =
        paint(lead, ...(isEnd ? (['bold', 'red'] as const) : (['bold'] as const))) + line.slice(lead.length);
      lines.push(`  ${at === 0 ? paint(mark, ...markStyle) : ' '} ${painted}`);
    }
    const isLast = index === path.hops.length - 1 && cut?.at !== path.hops.length;
    for (const { text, isBad } of hopNotes(hop, language))
      beside(isLast ? ' ' : laneAt(index + 1), ['dim'], text, isBad ? ['red'] : ['dim']);
  }
  if (cut?.at === path.hops.length) legLines(path.hops.length);
  return lines;

  function laneAt(leg: number): string {
    return cut?.of === 'connects' && leg > cut.at ? glyphs.cut : glyphs.lane;
  }

  /** Between the hop before and this one. */
  function legLines(leg: number): void {
    const here: PathHop | undefined = path.hops[leg];
    const previous = path.hops[leg - 1];
    const isCut = cut?.at === leg;
    const lane = laneAt(leg);
    lines.push(`  ${paint(lane, 'dim')}`);
    const to =
      here === undefined
        ? ''
        : `${isCut && cut.of === 'connects' ? glyphs.dead : glyphs.down} ${arrivedText(here, language)}`;
    const back =
      previous === undefined
        ? ''
        : `${isCut && cut.of === 'answers' ? glyphs.dead : glyphs.up} ${answersText(previous, language)}`;
    const style: readonly Style[] = isCut ? ['bold', 'red'] : [];
    beside(
      isCut ? glyphs.dead : lane,
      isCut ? ['bold', 'red'] : ['dim'],
      [to, back].filter((part) => part !== '').join(' · '),
      style,
    );
    if (here !== undefined) lines.push(`  ${paint(isCut ? glyphs.cut : lane, 'dim')}`);
  }
}
