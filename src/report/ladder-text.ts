import type { Language } from '../model/language.ts';
import type { Ladder } from '../model/report.ts';
import { painter, type Paint, type Style } from './ansi.ts';
import { shortDuration } from './duration-text.ts';
import { shortenedSteps } from './ladder-steps.ts';
import { padToWidth } from './pad-to-width.ts';
import { stringWidth } from './string-width.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

type Step = Ladder['steps'][number];

/** The marks that the ladder is drawn with. ASCII for pipes, files and code blocks: every font has it in one width. */
interface Glyphs {
  readonly lane: string;
  readonly line: string;
  readonly right: string;
  readonly left: string;
  readonly leaveRight: string;
  readonly leaveLeft: string;
  readonly dead: string;
}
const box: Glyphs = { lane: '│', line: '─', right: '▶', left: '◀', leaveRight: '├', leaveLeft: '┤', dead: '×' };
const ascii: Glyphs = { lane: '|', line: '-', right: '>', left: '<', leaveRight: '|', leaveLeft: '|', dead: 'x' };

export interface LadderTextOptions {
  /** Columns; default 80, at least 40. */
  readonly width?: number;
  readonly colour?: boolean;
  readonly language?: Language;
  /** `box` draws with box-drawing characters, `ascii` with `|`, `-` and `>`. Default: `box` with colour. */
  readonly glyphs?: 'box' | 'ascii';
  /** More steps than this are shown as the first and the last of them; default 30, at least 4. */
  readonly maxSteps?: number;
}

/**
 * The packet ladder as lines of text: two lanes, time down, one line per packet with the time since the first and the
 * gap to the one before. A packet that was lost ends in the middle, one without an answer ends at the other lane, both
 * with a cross and a word.
 */
export function renderLadderText(ladderGiven: Ladder, options: LadderTextOptions = {}): string[] {
  const { colour = false, language = 'en', maxSteps = 30 } = options;
  const width = Math.max(40, Math.floor(options.width ?? 80));
  const glyphs = (options.glyphs ?? (colour ? 'box' : 'ascii')) === 'box' ? box : ascii;
  const ladder = visible(ladderGiven);
  const words = wording[language];
  const paint = painter(colour);

  const notes = Math.max(...[words.fate.unanswered, words.fate.lost].map((word) => stringWidth(word))) + 2;
  const timeWidth = 8;
  const gapWidth = width >= 64 ? 10 : 0;
  const before = timeWidth + gapWidth + 2;
  // Two lanes stand around the inner width.
  const inner = Math.min(56, width - before - notes - 2);

  const lines: string[] = [];
  const room = inner + 2;
  const client = truncateToWidth(ladder.client, room);
  const target = truncateToWidth(ladder.target, room);
  const names =
    stringWidth(client) + stringWidth(target) < room
      ? [padToWidth(client, room - stringWidth(target)) + target]
      : [client, padToWidth(target, room, 'right')];
  for (const line of names) lines.push(' '.repeat(before) + paint(line, 'bold'));

  const pick = shortenedSteps(ladder.steps, Math.max(4, maxSteps));
  let previous: Step | undefined;
  for (const step of pick) {
    if (typeof step === 'number') {
      const text = truncateToWidth(words.morePackets(step), inner - 2);
      lines.push(`${' '.repeat(before)}${lane(glyphs, padToWidth(` ${text}`, inner), paint, [])}`);
      previous = undefined;
      continue;
    }
    const gapMs = previous === undefined ? undefined : step.atMs - previous.atMs;
    const at = padToWidth(shortDuration(step.atMs), timeWidth, 'right');
    const gap =
      gapWidth === 0
        ? ''
        : padToWidth(gapMs !== undefined && gapMs >= 1 ? `+${shortDuration(gapMs)}` : '', gapWidth, 'right');
    const times = `${at}${paint(gap, 'dim')}  `;

    let label = truncateToWidth(step.label.replace(/\s+/g, ' ').trim(), inner * 3);
    if (stringWidth(label) > inner - 8) {
      const [first = '', ...rest] = wrapText(label, inner - 2);
      const shown =
        rest.length > 2
          ? [first, ...rest.slice(0, 1), truncateToWidth(rest.slice(1).join(' '), inner - 2)]
          : [first, ...rest];
      for (const line of shown) lines.push(' '.repeat(before) + lane(glyphs, padToWidth(` ${line}`, inner), paint, []));
      label = '';
    }
    lines.push((times + arrow(step, label, inner, glyphs, paint, words.fate)).trimEnd());
    previous = step;
  }
  return lines;
}

function arrow(
  step: Step,
  label: string,
  inner: number,
  glyphs: Glyphs,
  paint: Paint,
  fate: Readonly<Record<Step['fate'], string>>,
): string {
  const dies = step.fate === 'lost' || step.fate === 'unanswered';
  const style: Style[] = dies ? ['red'] : step.fate === 'answered' ? ['cyan'] : [];
  const named = label === '' ? '' : ` ${label} `;
  // A lost packet gets two thirds of the way, and further where its label needs it.
  const reach =
    step.fate === 'lost' ? Math.min(inner - 2, Math.max(Math.floor((inner * 2) / 3), stringWidth(named) + 4)) : inner;
  const shaft = reach - 1 - stringWidth(named) - 1;
  const note = dies ? `  ${paint(fate[step.fate], 'red')}` : '';
  if (step.from === 'client') {
    const head = step.fate === 'lost' ? glyphs.dead : glyphs.right;
    const body = paint(glyphs.line + named + glyphs.line.repeat(shaft) + head, ...style);
    const end = step.fate === 'unanswered' ? paint(glyphs.dead, 'red') : glyphs.lane;
    return glyphs.leaveRight + body + ' '.repeat(inner - reach) + end + note;
  }
  const head = step.fate === 'lost' ? glyphs.dead : glyphs.left;
  const body = paint(head + glyphs.line.repeat(shaft) + named + glyphs.line, ...style);
  const end = step.fate === 'unanswered' ? paint(glyphs.dead, 'red') : glyphs.lane;
  return end + ' '.repeat(inner - reach) + body + glyphs.leaveLeft + note;
}

function lane(glyphs: Glyphs, between: string, paint: Paint, style: readonly Style[]): string {
  return glyphs.lane + paint(between, ...style) + glyphs.lane;
}
