import type { Language } from '../model/language.ts';
import type { Ladder } from '../model/report.ts';
import { painter, type Paint, type Style } from './ansi.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { ladderTime, ladderTrouble, shortenedSteps } from './ladder-steps.ts';
import { padToWidth } from './pad-to-width.ts';
import { pcapWording } from './pcap-wording.ts';
import { graphemes, stringWidth } from './string-width.ts';
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
  /** Where an arrow passes a lane in the middle. */
  readonly pass: string;
  readonly dead: string;
  readonly born: string;
  /** A lane where time is left out. */
  readonly broken: string;
  /** A lane whose window is shut. */
  readonly shut: string;
}
const box: Glyphs = {
  lane: '│',
  line: '─',
  right: '▶',
  left: '◀',
  leaveRight: '├',
  leaveLeft: '┤',
  pass: '┼',
  dead: '×',
  born: '◆',
  broken: '┊',
  shut: '█',
};
const ascii: Glyphs = {
  lane: '|',
  line: '-',
  right: '>',
  left: '<',
  leaveRight: '|',
  leaveLeft: '|',
  pass: '+',
  dead: 'x',
  born: '*',
  broken: ':',
  shut: '#',
};

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

/** Silences from here on break the lanes. */
const breakMs = 10_000;

interface Page {
  readonly inner: number;
  /** Columns before the first lane. */
  readonly before: number;
  readonly glyphs: Glyphs;
  readonly paint: Paint;
  readonly language: Language;
  /** Column of the middle lane within the inner width; null with two lanes. */
  readonly middle: number | null;
  /** Lanes whose receive window is shut at this step. */
  readonly shut: { client: boolean; target: boolean };
}

/**
 * The packet ladder as lines of text: two lanes, three with a forwarder; time down, one line per packet with the time
 * since the first and the gap to the one before. A packet that was lost ends in the middle, one without an answer ends
 * at the other lane, both with a cross and a word. Long silences break the lanes; a shut window thickens one.
 */
export function renderLadderText(ladderGiven: Ladder, options: LadderTextOptions = {}): string[] {
  const { colour = false, language = 'en', maxSteps = 30 } = options;
  const width = Math.max(40, Math.floor(options.width ?? 80));
  const glyphs = (options.glyphs ?? (colour ? 'box' : 'ascii')) === 'box' ? box : ascii;
  const ladder = visible(ladderGiven);
  const words = wording[language];
  const paint = painter(colour);
  const pick = shortenedSteps(ladder.steps, Math.max(4, maxSteps));

  const asides = pick.map((step) => (typeof step === 'number' ? '' : asideOf(step, language)));
  const notes =
    Math.max(
      ...[words.fate.unanswered, words.fate.lost].map((word) => stringWidth(word)),
      ...asides.map((aside) => Math.min(stringWidth(aside), width >= 72 ? 22 : 12)),
    ) + 2;
  const timeWidth = 8;
  const gapWidth = width >= 64 ? 10 : 0;
  const before = timeWidth + gapWidth + 2;
  // The lanes stand around the inner width.
  const inner = Math.min(ladder.forwarder === undefined ? 56 : 76, width - before - notes - 2);
  const middle = ladder.forwarder === undefined ? null : Math.floor(inner / 2);
  const page: Page = { inner, before, glyphs, paint, language, middle, shut: { client: false, target: false } };

  const lines: string[] = headings(ladder, page).map((line) => ' '.repeat(before) + paint(line, 'bold'));
  let previousMs: number | undefined;
  for (const [index, step] of pick.entries()) {
    if (typeof step === 'number') {
      lines.push(plain(` ${truncateToWidth(words.morePackets(step), inner - 2)}`, page));
      previousMs = undefined;
      continue;
    }
    const gapMs = previousMs === undefined ? undefined : step.atMs - previousMs;
    previousMs = step.folded?.untilMs ?? step.atMs;
    if (gapMs !== undefined && gapMs >= breakMs) {
      const said = pcapWording[language].silence(durationText(gapMs, language));
      lines.push(broken('', page), broken(said, page), broken('', page));
    }
    const at = padToWidth(ladderTime(step.atMs), timeWidth, 'right');
    const gap =
      gapWidth === 0
        ? ''
        : padToWidth(gapMs !== undefined && gapMs >= 1 ? `+${shortDuration(gapMs)}` : '', gapWidth, 'right');
    const times = `${at}${paint(gap, 'dim')}  `;
    if (step.folded !== undefined) {
      lines.push((times + plain(` ${truncateToWidth(step.label, inner - 2)}`, page, ['dim']).trimStart()).trimEnd());
      continue;
    }

    const reach = room(step, page);
    let label = truncateToWidth(step.label.replace(/\s+/g, ' ').trim(), inner * 3);
    if (stringWidth(label) > reach - 8) {
      const [first = '', ...rest] = wrapText(label, inner - 2);
      const shown =
        rest.length > 2
          ? [first, ...rest.slice(0, 1), truncateToWidth(rest.slice(1).join(' '), inner - 2)]
          : [first, ...rest];
      for (const line of shown) lines.push(plain(` ${line}`, page));
      label = '';
    }
    if (step.marks?.includes('windowOpen') === true) page.shut[step.from] = false;
    const aside = truncateToWidth(asides[index] ?? '', notes - 2);
    const painted = aside === '' ? '' : `  ${paint(aside, ...asideStyle(step))}`;
    lines.push((times + arrow(step, label, page) + painted).trimEnd());
    if (step.marks?.includes('zeroWindow') === true) page.shut[step.from] = true;
    if (step.marks?.includes('reset') === true) page.shut[step.from] = false;
    if (step.note !== undefined)
      for (const line of wrapText(truncateToWidth(step.note, inner * 4), inner - 4))
        lines.push(plain(padToWidth(`  ${line}`, inner), page, noteStyle(step)));
  }
  return lines;
}

/** The names of the lanes: in one line where they fit, else one line each. */
function headings({ client, forwarder, target }: Ladder, { inner, middle }: Page): string[] {
  const most = inner + 2;
  const [left, right] = [truncateToWidth(client, most), truncateToWidth(target, most)];
  if (forwarder === undefined || middle === null) {
    return stringWidth(left) + stringWidth(right) < most
      ? [padToWidth(left, most - stringWidth(right)) + right]
      : [left, padToWidth(right, most, 'right')];
  }
  const name = truncateToWidth(forwarder, most);
  const start = Math.max(0, Math.min(most - stringWidth(name), middle + 1 - Math.floor(stringWidth(name) / 2)));
  return stringWidth(left) < start && start + stringWidth(name) + stringWidth(right) < most
    ? [padToWidth(padToWidth(left, start) + name, most - stringWidth(right)) + right]
    : [left, ' '.repeat(start) + name, padToWidth(right, most, 'right')];
}

function asideOf(step: Step, language: Language): string {
  const { fate } = wording[language];
  const dies = step.fate === 'lost' || step.fate === 'unanswered' ? [fate[step.fate]] : [];
  return [...dies, ...ladderTrouble(step, language)].join(pcapWording[language].list);
}

function asideStyle({ fate, marks = [] }: Step): readonly Style[] {
  if (fate === 'lost' || fate === 'unanswered' || marks.includes('zeroWindow') || marks.includes('reset'))
    return ['red'];
  return marks.includes('hole') || marks.includes('filled') ? ['magenta'] : ['yellow'];
}

function noteStyle({ marks = [] }: Step): readonly Style[] {
  if (marks.includes('reset') || marks.includes('zeroWindow')) return ['red'];
  if (marks.includes('hole') || marks.includes('filled')) return ['magenta'];
  return marks.some((mark) => mark.endsWith('etransmission')) ? ['yellow'] : ['dim'];
}

/** Whether the arrow ends before its lane: the packet was lost, or the lanes behind were not capturing. */
function isCut({ fate, unsure, diedAfter }: Step): boolean {
  return fate === 'lost' || (unsure === true && diedAfter !== undefined);
}

/** How far the shaft of a step goes, columns. */
function room(step: Step, { inner, middle }: Page): number {
  if (middle === null) return inner;
  const diesEarly = isCut(step) && step.diedAfter !== undefined && step.diedAfter !== 'forwarder';
  return diesEarly ? (step.from === 'client' ? middle : inner - middle - 1) : inner;
}

/** A line of the lanes with a text between them. */
function plain(content: string, page: Page, style: readonly Style[] = []): string {
  const { inner, before, middle, glyphs, paint, shut } = page;
  const fill = padToWidth(content, inner);
  let between = paint(fill, ...style);
  // The lane in the middle shows through where the text leaves room.
  if (middle !== null && stringWidth(content.trimEnd()) <= middle)
    between =
      paint(padToWidth(content.trimEnd(), middle), ...style) +
      glyphs.lane +
      ' '.repeat(Math.max(0, inner - middle - 1));
  return `${' '.repeat(before)}${lane(shut.client, glyphs, paint)}${between}${lane(shut.target, glyphs, paint)}`;
}

function broken(content: string, { inner, before, glyphs, paint }: Page): string {
  const said = truncateToWidth(content, inner - 2);
  const start = Math.floor((inner - stringWidth(said)) / 2);
  const between = padToWidth(' '.repeat(Math.max(0, start)) + said, inner);
  return `${' '.repeat(before)}${glyphs.broken}${paint(between, 'bold')}${glyphs.broken}`;
}

function lane(isShut: boolean, glyphs: Glyphs, paint: Paint): string {
  return isShut ? paint(glyphs.shut, 'red') : glyphs.lane;
}

function arrow(step: Step, label: string, page: Page): string {
  const { inner, middle, glyphs, paint, shut } = page;
  const dies = step.fate === 'lost' || step.fate === 'unanswered';
  const marks = step.marks ?? [];
  const style: Style[] =
    dies || marks.includes('reset')
      ? ['red']
      : marks.some((mark) => mark.endsWith('etransmission'))
        ? ['yellow']
        : step.fate === 'answered'
          ? ['cyan']
          : [];
  const named = label === '' ? '' : ` ${label} `;
  const fromClient = step.from === 'client';
  // A lost packet gets two thirds of its last leg, and further where its label needs it.
  const legStart = middle !== null && step.diedAfter === 'forwarder' ? (fromClient ? middle + 1 : inner - middle) : 0;
  const legEnd = legStart === 0 ? room(step, page) : inner;
  const reach = isCut(step)
    ? Math.min(legEnd - 2, Math.max(legStart + Math.floor(((legEnd - legStart) * 2) / 3), stringWidth(named) + 4))
    : inner;
  const born = step.firstSeenAt === undefined ? 0 : bornAt(step, page);
  const isUnsure = step.unsure === true;
  const head = isCut(step) ? (isUnsure ? '?' : glyphs.dead) : fromClient ? glyphs.right : glyphs.left;
  const shaft = Math.max(0, reach - born - 1 - stringWidth(named) - 1);
  const tail = born > 0 ? (isUnsure ? '?' : glyphs.born) : glyphs.line;
  const plainBody = fromClient
    ? tail + named + glyphs.line.repeat(shaft) + head
    : head + glyphs.line.repeat(shaft) + named + tail;
  const body = passing(plainBody, named, born, fromClient, page);
  const leave = born > 0 ? lane(shut[step.from], glyphs, paint) : fromClient ? glyphs.leaveRight : glyphs.leaveLeft;
  const to = step.from === 'client' ? 'target' : 'client';
  const arrives = step.fate === 'unanswered' ? paint(glyphs.dead, 'red') : lane(shut[to], glyphs, paint);
  const rest = restOf(inner - reach, fromClient, page);
  const start = ' '.repeat(born);
  return fromClient
    ? leave + start + paint(body, ...style) + rest + arrives
    : arrives + rest + paint(body, ...style) + start + leave;
}

/** Columns from the sender's lane to where a packet that somebody on the way made begins. */
function bornAt({ firstSeenAt, from }: Step, { inner, middle }: Page): number {
  const last = from === 'client' ? 'target' : 'client';
  if (middle === null) return Math.floor(inner / 3);
  return firstSeenAt === last ? Math.floor(inner * 0.66) : Math.floor(inner * 0.2);
}

/** The shaft with a sign where it passes the lane in the middle, unless the label stands there. */
function passing(
  body: string,
  named: string,
  born: number,
  fromClient: boolean,
  { inner, middle, glyphs }: Page,
): string {
  if (middle === null) return body;
  const label = stringWidth(named);
  const at = fromClient ? middle - born : middle - (inner - born - stringWidth(body));
  const characters = graphemes(body);
  // Only where every character before it is one column wide can it be counted.
  if (stringWidth(body) !== characters.length || at < 0 || at >= characters.length) return body;
  const inLabel = fromClient ? at <= label : at >= characters.length - 1 - label;
  if (inLabel || characters[at] !== glyphs.line) return body;
  characters[at] = glyphs.pass;
  return characters.join('');
}

/** What lies behind a packet that was lost: empty, with the middle lane where it is there. */
function restOf(columns: number, fromClient: boolean, { inner, middle, glyphs }: Page): string {
  if (middle === null || columns <= 0) return ' '.repeat(Math.max(0, columns));
  const at = fromClient ? middle - (inner - columns) : middle;
  return at < 0 || at >= columns ? ' '.repeat(columns) : ' '.repeat(at) + glyphs.lane + ' '.repeat(columns - at - 1);
}
