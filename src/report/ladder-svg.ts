import type { Language } from '../model/language.ts';
import type { Ladder, LadderMark } from '../model/report.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import { ladderTime, ladderTrouble, shortenedSteps } from './ladder-steps.ts';
import { type PictureColours, pictureColours } from './picture-colours.ts';
import { pcapWording } from './pcap-wording.ts';
import { stringWidth } from './string-width.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wording, type Wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

type Step = Ladder['steps'][number];
type Lane = 'client' | 'forwarder' | 'target';

export interface LadderSvgOptions {
  /** `auto` follows the reader's system. Default `auto`. */
  readonly theme?: 'light' | 'dark' | 'auto';
  readonly language?: Language;
  /** More steps than this are drawn as the first and the last of them; default 40. */
  readonly maxSteps?: number;
  /** Drawn for a phone: the same in half the width. Default false. */
  readonly narrow?: boolean;
}

/** Measures of one drawing, px. */
interface Geometry {
  /** From the left edge to the first lane: room for the times and the arcs of retransmissions. */
  readonly clientX: number;
  /** From the last lane to the right edge: room for words. */
  readonly rightMargin: number;
  readonly leg: number;
  /** From a lane to the times on its left, and to the words on its right. */
  readonly timeGap: number;
  readonly wordGap: number;
  /** How far along its last leg a lost packet gets. */
  readonly dies: number;
  readonly isNarrow: boolean;
  /** Columns of the labels, px. */
  readonly column: number;
}

function geometryOf(lanes: number, isNarrow: boolean): Geometry {
  return isNarrow
    ? {
        clientX: 72,
        rightMargin: 100,
        leg: lanes === 2 ? 256 : 165,
        timeGap: 16,
        wordGap: 18,
        dies: lanes === 2 ? 0.84 : 0.68,
        isNarrow,
        column: smallColumn,
      }
    : {
        clientX: 128,
        rightMargin: 128,
        leg: lanes === 2 ? 504 : 342,
        timeGap: 36,
        wordGap: 30,
        dies: 0.68,
        isNarrow,
        column: wideColumn,
      };
}
/** Silences from here on break the axis instead of stretching it, and longer ones are said in words. */
const breakMs = 250;
const longBreakMs = 10_000;
/** Columns of the 13 px and the 12 px monospaced type, px. */
const wideColumn = 7.83;
const smallColumn = 7.23;

/** Where a step was drawn, for what is drawn over several of them. */
interface Drawn {
  readonly step: Step;
  readonly y: number;
}

interface Frame {
  readonly lanes: readonly { readonly name: Lane; readonly x: number }[];
  readonly geometry: Geometry;
  readonly words: Wording;
  readonly language: Language;
}

/**
 * The packet ladder as one SVG document: two lanes, or three with a forwarder; time down, one arrow per packet. Long
 * silences are a break of the lanes with their length. What was lost dies on the way; what got no answer fades and ends
 * in a cross; a retransmission is linked to its original; a hole opens beside the lane of the receiver until it is
 * filled, and a shut window bars the lane. Scales to any width; contains no script and no reference to anything outside.
 */
export function renderLadderSvg(ladderGiven: Ladder, options: LadderSvgOptions = {}): string {
  const { theme = 'auto', language = 'en', maxSteps = 40 } = options;
  const ladder = visible(ladderGiven);
  const words = wording[language];
  const names: readonly Lane[] =
    ladder.forwarder === undefined ? ['client', 'target'] : ['client', 'forwarder', 'target'];
  const geometry = geometryOf(names.length, options.narrow ?? false);
  const { clientX, leg, isNarrow } = geometry;
  const lanes = names.map((name, index) => ({ name, x: clientX + leg * index }));
  const rightX = clientX + leg * (names.length - 1);
  const width = rightX + geometry.rightMargin;
  const frame: Frame = { lanes, geometry, words, language };
  /** Middle of the space that words between packets stand in: clear of the lane in the middle. */
  const wordsX = isNarrow ? (clientX + rightX) / 2 : clientX + leg / 2;

  const head: string[] = [];
  let y = 12;
  const title = ladder.title ?? '';
  const titleX = isNarrow ? 12 : 28;
  for (const line of title === ''
    ? []
    : lined(title, Math.floor((width - titleX * 2) / (isNarrow ? 8.4 : 8.7)), isNarrow ? 4 : 3)) {
    y += isNarrow ? 19 : 22;
    head.push(text(titleX, y, 'h1', line));
  }
  if (title !== '') y += 16;
  const labels = { client: ladder.client, forwarder: ladder.forwarder ?? '', target: ladder.target };
  const boxTop = y;
  for (const { name, x } of lanes)
    head.push(end(x, boxTop, geometry, name === 'forwarder' ? words.role.forwarder : words[name], labels[name]));
  const lanesTop = boxTop + 50;
  y = lanesTop - 2;

  const parts: string[] = [];
  /** Pieces of the lanes: they are drawn around the breaks. */
  const breaks: { from: number; to: number }[] = [];
  const drawn: Drawn[] = [];
  let previousMs: number | undefined;
  for (const step of shortenedSteps(ladder.steps, maxSteps)) {
    if (typeof step === 'number') {
      y += 28;
      breaks.push({ from: y - 14, to: y + 2 });
      parts.push(text(wordsX, y - 2, 'm c', words.morePackets(step)));
      y += 16;
      previousMs = undefined;
      continue;
    }
    const gapMs = previousMs === undefined ? 0 : step.atMs - previousMs;
    previousMs = step.folded?.untilMs ?? step.atMs;
    if (gapMs >= breakMs) {
      const isLong = gapMs >= longBreakMs;
      y += isLong ? 40 : 30;
      breaks.push({ from: y - 8, to: y + 8 });
      parts.push(silence(wordsX, y, gapMs, isLong, language));
      y += isLong ? 44 : 36;
    } else {
      y += 36 + Math.min(10, Math.max(0, gapMs) / 25);
    }
    parts.push(text(clientX - geometry.timeGap, y + 4, 't e s', ladderTime(step.atMs)));
    if (step.folded !== undefined) {
      parts.push(fold(step, y, frame));
      y += 6;
      continue;
    }
    drawn.push({ step, y });
    parts.push(arrow(step, y, frame));
    y += lanes.length === 3 ? 6 : 0;
    for (const line of lined(
      step.note ?? '',
      Math.floor(((isNarrow ? rightX - clientX : leg) - 12) / smallColumn),
      isNarrow ? 4 : 3,
    )) {
      y += 15;
      parts.push(text(wordsX, y + 8, `t c s ${noteKind(step)}`, line));
    }
  }
  const bottom = y + 34;
  const height = bottom + 34;

  const label = `${words.packets}: ${ladder.client} → ${ladder.target}, ${words.capturedOn(ladder.capturedOn)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${px(height)}" width="${width}" height="${px(height)}" class="ladder${isNarrow ? ' narrow' : ''}" role="img" aria-label="${escapeHtml(cut(label, 400))}">`,
    `<title>${escapeHtml(cut(label, 400))}</title>`,
    `<style>${style(theme)}</style>`,
    `<rect class="g" x="0.5" y="0.5" width="${width - 1}" height="${px(height - 1)}" rx="10"/>`,
    ...head,
    ...lanes.map(({ x }) => lane(x, lanesTop, bottom, breaks)),
    ...holes(drawn, bottom, lanes, language),
    ...shutWindows(drawn, bottom, lanes),
    ...links(drawn, frame),
    ...parts,
    text(
      width / 2,
      bottom + 20,
      'm c s',
      cut(words.capturedOn(ladder.capturedOn), Math.floor((width - 20) / smallColumn)),
    ),
    '</svg>',
    '',
  ].join('\n');
}

/** The name of a lane in a box on top of it. */
function end(
  x: number,
  y: number,
  { leg, column, clientX, rightMargin, isNarrow }: Geometry,
  role: string,
  name: string,
): string {
  const half = Math.min(116, leg / 2 - (isNarrow ? 3 : 12), (isNarrow ? Math.min(clientX, rightMargin) : clientX) - 4);
  // With a place before the address (joined captures), the place stands beside the role.
  const [, place, address = name] = /^(\S+) ([^\s(]\S*)$/.exec(name) ?? [];
  const above = place === undefined ? role : isNarrow ? place : `${role} · ${place}`;
  return (
    `<rect class="b" x="${px(x - half)}" y="${y}" width="${px(half * 2)}" height="44" rx="8"/>` +
    text(x, y + 18, 'm c s', cut(above, Math.floor((half * 2 - 6) / smallColumn))) +
    text(x, y + 36, 'c w', cut(address, Math.floor((half * 2 - 6) / column)))
  );
}

function lane(x: number, from: number, to: number, breaks: readonly { from: number; to: number }[]): string {
  let path = `M${x} ${px(from - 6)}`;
  for (const gap of breaks) {
    const middle = (gap.from + gap.to) / 2;
    // The usual sign for "time is left out here": two short slanting strokes, and nothing between them.
    path += `V${px(gap.from)}M${x - 6} ${px(middle - 3)}l12 -6M${x - 6} ${px(middle + 9)}l12 -6M${x} ${px(gap.to)}`;
  }
  return `<path class="l" d="${path}V${px(to)}"/>`;
}

function silence(x: number, y: number, gapMs: number, isLong: boolean, language: Language): string {
  if (!isLong) return text(x, y + 4, 'm c s', `+${shortDuration(gapMs)}`);
  const words = pcapWording[language].silence(durationText(gapMs, language));
  const half = (stringWidth(words) * wideColumn) / 2 + 18;
  return `<rect class="b" x="${px(x - half)}" y="${px(y - 14)}" width="${px(half * 2)}" height="28" rx="14"/>${text(x, y + 5, 'c w', words)}`;
}

/** Packets that nothing happened to: a ribbon with chevrons the way that most of the bytes went. */
function fold(step: Step, y: number, { lanes, language, geometry }: Frame): string {
  const [left, right] = [lanes[0]?.x ?? 0, lanes.at(-1)?.x ?? 0];
  const inset = geometry.isNarrow ? 8 : 16;
  const chevron = step.from === 'client' ? 'l6 6l-6 6' : 'l-6 6l6 6';
  const way = step.from === 'client' ? 1 : -1;
  const at = way === 1 ? right - inset - 28 : left + inset + 28;
  const lasted = (step.folded?.untilMs ?? step.atMs) - step.atMs;
  const isLong = lasted >= 1 && !geometry.isNarrow;
  const label = isLong ? `${step.label} (${pcapWording[language].over(shortDuration(lasted))})` : step.label;
  const middle = geometry.isNarrow ? (left + right) / 2 - way * 10 : (left + right) / 2;
  return (
    `<rect class="b" x="${left + inset}" y="${px(y - 14)}" width="${right - left - inset * 2}" height="28" rx="14"/>` +
    `<path class="p a" d="M${at} ${px(y - 6)}${chevron}M${at + way * 8} ${px(y - 6)}${chevron}"/>` +
    text(middle, y + 4, 'c', cut(label, Math.floor((right - left - inset * 2 - 52) / geometry.column)))
  );
}

type Kind = 'rst' | 'dies' | 'again' | 'data' | 'ack' | 'lives' | 'plain';

function kindOf({ fate, marks = [], bytes, label }: Step): Kind {
  if (marks.includes('reset')) return 'rst';
  if (fate === 'lost' || fate === 'unanswered') return 'dies';
  if (marks.some((mark) => mark === 'retransmission' || mark === 'fastRetransmission')) return 'again';
  if (bytes !== undefined && bytes > 0) return 'data';
  if (fate === 'answered') return 'lives';
  return label.startsWith('ACK') ? 'ack' : 'plain';
}

function noteKind({ marks = [] }: Step): string {
  if (marks.includes('hole') || marks.includes('filled')) return 'o';
  if (marks.includes('reset') || marks.includes('zeroWindow')) return 'd';
  return marks.some((mark) => mark.endsWith('etransmission')) ? 'y' : 'm';
}

function arrow(step: Step, y: number, { lanes, geometry, words, language }: Frame): string {
  const fromClient = step.from === 'client';
  const path = fromClient ? [...lanes] : [...lanes].reverse();
  const way = fromClient ? 1 : -1;
  const legs = path.length - 1;
  // Packets take their time: every arrow falls a little.
  const fallPerLeg = legs === 1 ? 8 : 6;
  const leg = Math.abs((path[1]?.x ?? 0) - (path[0]?.x ?? 0));
  const kind = kindOf(step);
  const dies = step.fate === 'lost' || step.fate === 'unanswered';

  const born =
    step.firstSeenAt === undefined
      ? -1
      : Math.max(
          1,
          path.findIndex(({ name }) => name === step.firstSeenAt),
        ) - 1;
  const from = born === -1 ? 0 : born + 0.5;
  const diedAfter = step.diedAfter === undefined ? 0 : path.findIndex(({ name }) => name === step.diedAfter);
  const lastSeen = Math.min(legs - 1, Math.max(0, diedAfter));
  const isUnsure = step.unsure === true;
  const fades = isUnsure && step.diedAfter !== undefined;
  const to = fades ? lastSeen + geometry.dies : step.fate === 'lost' ? lastSeen + geometry.dies : legs;
  const start = path[0]?.x ?? 0;
  const xAt = (at: number): number => start + way * leg * at;
  const yAt = (at: number): number => y + fallPerLeg * at;
  const [x1, y1, x2, y2] = [xAt(from), yAt(from), xAt(to), yAt(to)];

  let out = '';
  const line = (a: number, b: number, more = ''): string =>
    `<path class="p ${kind}${more}" d="M${px(xAt(a))} ${px(yAt(a))}L${px(xAt(b))} ${px(yAt(b))}"/>`;
  if (fades) {
    // The lanes behind were not capturing then: how far it came is not known.
    out += line(from, lastSeen) + line(lastSeen, to - 12 / leg, ' dash') + text(x2, y2 + 5, 'c w m t', '?');
  } else if (step.fate === 'lost') {
    out += line(from, to - 9 / leg, ' dash') + cross(x2, y2, 7);
  } else {
    // Unanswered packets fade, and a cross in a ring on the lane says that nothing came of it.
    const tip = step.fate === 'unanswered' ? to - 11 / leg : to - 2 / leg;
    const solid = step.fate === 'unanswered' ? from + (to - from) * 0.55 : tip - 8 / leg;
    out += line(from, solid);
    if (step.fate === 'unanswered') out += line(solid, tip - 8 / leg, ' dash');
    out += `<path class="h ${kind}" d="M${px(xAt(tip))} ${px(yAt(tip))}l${-way * 11} -5v10z"/>`;
    if (step.fate === 'unanswered') out += `<circle class="r" cx="${px(x2)}" cy="${px(y2)}" r="9"/>${cross(x2, y2, 4)}`;
  }
  // Where it began, and the lanes that it passed.
  for (let index = 0; index < to && index <= legs; index += 1)
    if (index >= from) out += `<circle class="h ${kind}" cx="${px(xAt(index))}" cy="${px(yAt(index))}" r="3.5"/>`;
  if (born !== -1)
    out += isUnsure
      ? text(x1, y1 + 5, 'c w m t', '?')
      : `<path class="h ${kind}" d="M${px(x1 - 7)} ${px(y1)}l7 -7l7 7l-7 7z"/>`;

  // The label stands over the longest piece between two lanes; on a phone there is only room over all of them.
  const stops = [from, ...[...path.keys()].filter((at) => at > from && at < to), to];
  const pieces = stops.slice(1).map((stop, index) => ({ a: stops[index] ?? from, b: stop }));
  const longest = pieces.reduce((most, one) => (one.b - one.a > most.b - most.a + 0.01 ? one : most));
  const piece = geometry.isNarrow ? { a: from, b: to } : longest;
  const middle = xAt((piece.a + piece.b) / 2);
  const labelY = yAt(piece.a);
  const label = cut(step.label, Math.floor(((piece.b - piece.a) * leg - 8) / geometry.column));
  if (kind === 'rst') out += pill(middle, labelY - 9, label);
  else out += text(middle, labelY - 5, `t c${kind === 'ack' ? ' m' : ''}`, label);
  const rightX = lanes.at(-1)?.x ?? 0;
  const trouble = ladderTrouble(step, language);
  if (step.fate === 'lost' && !geometry.isNarrow)
    out += text(x2 + way * 16, y2 + 4, fromClient ? 'd b7 s t' : 'd b7 s e t', words.fate.lost);
  const fate = step.fate === 'unanswered' || (step.fate === 'lost' && geometry.isNarrow) ? [words.fate[step.fate]] : [];
  const aside = [...trouble, ...fate];
  const asideKind =
    dies || kind === 'rst' ? 'd' : (step.marks?.some(isHole) ?? false) ? 'o' : kind === 'again' ? 'y' : 'm';
  const lines = aside
    .slice(0, 2)
    .map((word) => cut(word, Math.floor((geometry.rightMargin - geometry.wordGap) / smallColumn)));
  const asideY = y + (fromClient ? yAt(legs) - y : 0) + 4 - (lines.length - 1) * 7;
  for (const [index, line] of lines.entries())
    out += text(rightX + geometry.wordGap, asideY + index * 14, `${asideKind} b7 s t`, line);
  return out;
}

function isHole(mark: LadderMark): boolean {
  return mark === 'hole' || mark === 'filled';
}

/** The words on a red plate: what ends the conversation is to be found at a glance. */
function pill(x: number, y: number, label: string): string {
  const half = (stringWidth(label) * wideColumn) / 2 + 10;
  return `<rect class="k" x="${px(x - half)}" y="${px(y - 11)}" width="${px(half * 2)}" height="20" rx="10"/>${text(x, y + 4, 'c w k', label)}`;
}

function cross(x: number, y: number, size: number): string {
  return `<path class="x" d="M${px(x - size)} ${px(y - size)}l${size * 2} ${size * 2}M${px(x - size)} ${px(y + size)}l${size * 2} ${-size * 2}"/>`;
}

/** A hole stands open beside the lane of who lacks the bytes, from the ACK that told of it to the one that fills it. */
function holes(drawn: readonly Drawn[], bottom: number, lanes: Frame['lanes'], language: Language): string[] {
  return spans(drawn, 'hole', 'filled', bottom).map(({ from, to, closed, side }) => {
    const { x, out } = laneOf(side, lanes);
    const x1 = x + out * 8;
    const x2 = x + out * 16;
    const path = `M${x1} ${px(from)}H${x2}V${px(to)}${closed ? `H${x1}` : ''}`;
    const rest = closed
      ? ''
      : `<path class="q" d="M${x2 - 5} ${px(to - 2)}l10 10M${x2 - 5} ${px(to + 8)}l10 -10"/>${text(x2 + out * 14, to + 6, `o b7 s t${out === 1 ? '' : ' e'}`, pcapWording[language].neverFilled)}`;
    return `<path class="o2" d="M${x} ${px(from)}V${px(to)}"/><path class="q" d="${path}"/>${rest}`;
  });
}

/** A bar along the lane while its receive window is 0. */
function shutWindows(drawn: readonly Drawn[], bottom: number, lanes: Frame['lanes']): string[] {
  return spans(drawn, 'zeroWindow', 'windowOpen', bottom).map(({ from, to, side }) => {
    const { x } = laneOf(side, lanes);
    return `<path class="z0" d="M${x} ${px(from)}V${px(to)}"/><path class="z" d="M${x} ${px(from)}V${px(to)}"/>`;
  });
}

function spans(
  drawn: readonly Drawn[],
  opens: LadderMark,
  closes: LadderMark,
  bottom: number,
): readonly { readonly side: Step['from']; readonly from: number; readonly to: number; readonly closed: boolean }[] {
  const found: { side: Step['from']; from: number; to: number; closed: boolean }[] = [];
  for (const side of ['client', 'target'] as const) {
    let from: number | null = null;
    for (const { step, y } of drawn) {
      if (step.from !== side || step.marks === undefined) continue;
      if (step.marks.includes(opens)) from ??= y;
      else if (
        from !== null &&
        (step.marks.includes(closes) || (step.marks.includes('reset') && opens === 'zeroWindow'))
      ) {
        found.push({ side, from, to: y, closed: true });
        from = null;
      }
    }
    if (from !== null) found.push({ side, from, to: bottom - 4, closed: false });
  }
  return found;
}

/** Thin arcs from every retransmission back to the transmission before it. */
function links(drawn: readonly Drawn[], { lanes, geometry }: Frame): string[] {
  const last = new Map<number, number>();
  const found: string[] = [];
  for (const { step, y } of drawn) {
    const original = step.originalFrame;
    const key = original ?? step.frame;
    if (key === undefined) continue;
    const before = last.get(key);
    last.set(key, y);
    if (original === undefined || before === undefined) continue;
    const { x, out } = laneOf(step.from, lanes);
    const bulge = out * Math.min(geometry.timeGap - 6, 8 + (y - before) / 12);
    const lift = Math.min(20, (y - before) / 3);
    found.push(
      `<path class="y2" d="M${x} ${px(before)}C${px(x + bulge)} ${px(before + lift)} ${px(x + bulge)} ${px(y - lift)} ${x} ${px(y)}"/>`,
    );
  }
  return found;
}

function laneOf(side: Step['from'], lanes: Frame['lanes']): { readonly x: number; readonly out: 1 | -1 } {
  const lane = side === 'client' ? lanes[0] : lanes.at(-1);
  return { x: lane?.x ?? 0, out: side === 'client' ? -1 : 1 };
}

function text(x: number, y: number, kind: string, content: string): string {
  return `<text x="${px(x)}" y="${px(y)}" class="${kind}">${escapeHtml(content)}</text>`;
}

/** Coordinates to a tenth of a pixel. */
function px(value: number): number {
  return Math.round(value * 10) / 10;
}

function cut(content: string, columns: number): string {
  const line = content.replace(/\s+/g, ' ').trim();
  return stringWidth(line) <= columns ? line : truncateToWidth(line, columns);
}

/** At most so many lines; the last one is cut. No line for an empty text. */
function lined(content: string, columns: number, most: number): string[] {
  if (content.trim() === '') return [];
  const lines = wrapText(content.length > columns * most * 4 ? content.slice(0, columns * most * 4) : content, columns);
  if (lines.length <= most) return lines;
  return [...lines.slice(0, most - 1), truncateToWidth(lines.slice(most - 1).join(' '), columns)];
}

function style(theme: 'light' | 'dark' | 'auto'): string {
  const rules = styleRules();
  if (theme === 'auto')
    return `${variables(pictureColours.light)}@media(prefers-color-scheme:dark){${variables(pictureColours.dark)}}${rules}`;
  const colours: Readonly<Record<string, string>> = pictureColours[theme];
  // With colours that never change, what makes pictures of it need not know variables. A picture stands on a ground of
  // its own among messages that may be dark: an edge shows where it ends.
  const edge = '.ladder .g{stroke:var(--l-lane)}';
  return (rules + edge).replace(/var\(--l-([a-z-]+)\)/g, (whole, name: string) => colours[name] ?? whole);
}

function variables(colours: PictureColours): string {
  return `.ladder{${Object.entries(colours)
    .map(([name, value]) => `--l-${name}:${value}`)
    .join(';')}}`;
}

/** No `font` in one: what makes pictures of it does not know the shorthand, and would set all in its own size. */
function styleRules(): string {
  const stroke = (kinds: string, colour: string): string => `.ladder .p.${kinds}{stroke:var(--l-${colour})}`;
  const fill = (kinds: string, colour: string): string => `.ladder .h.${kinds}{fill:var(--l-${colour})}`;
  const kinds: readonly (readonly [Kind, string])[] = [
    ['plain', 'ink'],
    ['lives', 'lives'],
    ['data', 'lives'],
    ['ack', 'muted'],
    ['again', 'again'],
    ['dies', 'dies'],
    ['rst', 'dies'],
  ];
  return [
    ".ladder text{font-size:13px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace;fill:var(--l-ink)}",
    ".ladder text.h1{font-size:16px;font-weight:600;font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','PingFang SC','Noto Sans CJK SC','Noto Sans SC',sans-serif}",
    '.narrow.ladder text{font-size:12px}.narrow.ladder text.h1{font-size:14px}',
    '.ladder .c{text-anchor:middle}.ladder .e{text-anchor:end}.ladder text.s{font-size:12px}',
    '.ladder text.w,.ladder text.b7{font-weight:600}.ladder text.m{fill:var(--l-muted)}.ladder text.d{fill:var(--l-dies)}',
    '.ladder text.y{fill:var(--l-again)}.ladder text.o{fill:var(--l-hole)}.ladder text.k{fill:var(--l-on-dies)}',
    '.ladder text.t{paint-order:stroke;stroke:var(--l-ground);stroke-width:4px;stroke-linejoin:round}',
    '.ladder .g{fill:var(--l-ground)}.ladder .b{fill:var(--l-box);stroke:var(--l-lane)}.ladder .k{fill:var(--l-dies)}',
    '.ladder .l{fill:none;stroke:var(--l-lane);stroke-width:2}',
    '.ladder .p{fill:none;stroke-width:2}.ladder .dash{stroke-dasharray:6 5}.ladder .p.ack{stroke-width:1.4}.ladder .p.data,.ladder .p.again,.ladder .p.rst{stroke-width:2.6}',
    '.ladder .p.a{stroke:var(--l-lives);stroke-linecap:round}',
    ...kinds.map(([kind, colour]) => stroke(kind, colour) + fill(kind, colour)),
    '.ladder .x{fill:none;stroke:var(--l-dies);stroke-width:3;stroke-linecap:round}',
    '.ladder .r{fill:var(--l-ground);stroke:var(--l-dies);stroke-width:2}',
    '.ladder .q{fill:none;stroke:var(--l-hole);stroke-width:2;stroke-linecap:round}.ladder .o2{fill:none;stroke:var(--l-ground);stroke-width:4;stroke-dasharray:4 4}',
    '.ladder .y2{fill:none;stroke:var(--l-again);stroke-width:1.6;stroke-dasharray:2 3}',
    '.ladder .z0{fill:none;stroke:var(--l-dies-soft);stroke-width:12}.ladder .z{fill:none;stroke:var(--l-dies);stroke-width:12;stroke-dasharray:4 5}',
  ].join('');
}
