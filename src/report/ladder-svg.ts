import type { Language } from '../model/language.ts';
import type { Ladder } from '../model/report.ts';
import { shortDuration } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import { shortenedSteps } from './ladder-steps.ts';
import { stringWidth } from './string-width.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wording, type Wording } from './wording.ts';

type Step = Ladder['steps'][number];

export interface LadderSvgOptions {
  /** `auto` follows the reader's system. Default `auto`. */
  readonly theme?: 'light' | 'dark' | 'auto';
  readonly language?: Language;
}

/**
 * Colours of Okabe and Ito (2008), told apart with every common kind of colour blindness; lightened on dark ground.
 * Shape says the same: what dies is dashed or ends in a cross, and a word stands beside it.
 */
const light = {
  ground: '#ffffff',
  ink: '#1f2933',
  muted: '#6b7785',
  lane: '#b8c2cc',
  box: '#f1f4f7',
  dies: '#c24f00',
  lives: '#0072b2',
};
const dark = {
  ground: '#14191f',
  ink: '#e4e9ee',
  muted: '#93a1af',
  lane: '#4a5662',
  box: '#212932',
  dies: '#ff9350',
  lives: '#63bdf0',
};

const width = 760;
const clientX = 150;
const targetX = 610;
const mostSteps = 40;
/** Gaps from here on break the axis instead of stretching it. */
const breakMs = 250;

/**
 * The packet ladder as one SVG document: two lanes, time down, one arrow per packet. Long silences are drawn as a break
 * of both lanes with their length. Scales to any width; contains no script and no reference to anything outside.
 */
export function renderLadderSvg(ladderGiven: Ladder, options: LadderSvgOptions = {}): string {
  const { theme = 'auto', language = 'en' } = options;
  const ladder = visible(ladderGiven);
  const words = wording[language];
  const parts: string[] = [];
  /** Pieces of both lanes: the lanes are drawn around the breaks. */
  const breaks: { from: number; to: number }[] = [];

  let y = 68;
  let previous: Step | undefined;
  for (const step of shortenedSteps(ladder.steps, mostSteps)) {
    if (typeof step === 'number') {
      y += 26;
      breaks.push({ from: y - 14, to: y + 2 });
      parts.push(text((clientX + targetX) / 2, y - 2, 'm c', words.morePackets(step)));
      y += 22;
      previous = undefined;
      continue;
    }
    const gapMs = previous === undefined ? 0 : step.atMs - previous.atMs;
    if (gapMs >= breakMs) {
      y += 32;
      breaks.push({ from: y - 8, to: y + 8 });
      parts.push(text(clientX - 22, y + 4, 'm e s', `+${shortDuration(gapMs)}`));
      y += 32;
    } else {
      y += 34 + Math.min(10, Math.max(0, gapMs) / 25);
    }
    parts.push(arrow(step, y, words));
    previous = step;
  }
  const bottom = y + 34;
  const height = bottom + 34;

  const lanes = [clientX, targetX].map((x) => lane(x, 62, bottom, breaks)).join('');
  const label = `${words.packets}: ${ladder.client} → ${ladder.target}, ${words.capturedOn(ladder.capturedOn)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="ladder" role="img" aria-label="${escapeHtml(cut(label, 400))}">`,
    `<title>${escapeHtml(cut(label, 400))}</title>`,
    `<style>${style(theme)}</style>`,
    `<rect class="g" width="${width}" height="${height}" rx="10"/>`,
    end(clientX, words.client, ladder.client),
    end(targetX, words.target, ladder.target),
    lanes,
    ...parts,
    legend(bottom + 16, ladder, words),
    '</svg>',
    '',
  ].join('\n');
}

/** The name of a lane in a box on top of it. */
function end(x: number, role: string, name: string): string {
  const half = 138;
  const shown = cut(name, 34);
  return (
    `<rect class="b" x="${x - half}" y="12" width="${half * 2}" height="44" rx="8"/>` +
    text(x, 30, 'm c s', role) +
    text(x, 48, 't c w', shown)
  );
}

function lane(x: number, from: number, to: number, breaks: readonly { from: number; to: number }[]): string {
  let path = `M${x} ${from - 6}`;
  for (const gap of breaks) {
    const middle = (gap.from + gap.to) / 2;
    // The usual sign for "time is left out here": two short slanting strokes, and nothing between them.
    path += `V${gap.from}M${x - 6} ${middle - 3}l12 -6M${x - 6} ${middle + 9}l12 -6M${x} ${gap.to}`;
  }
  return `<path class="l" d="${path}V${to}"/>`;
}

function arrow(step: Step, y: number, words: Wording): string {
  const fromClient = step.from === 'client';
  const start = fromClient ? clientX : targetX;
  const stop = fromClient ? targetX : clientX;
  const way = fromClient ? 1 : -1;
  const dies = step.fate === 'lost' || step.fate === 'unanswered';
  const kind = dies ? 'd' : step.fate === 'answered' ? 'a' : 'n';
  // Packets take their time: every arrow falls a little.
  const fall = 8;
  const share = step.fate === 'lost' ? 0.66 : 1;
  const x2 = start + (stop - start) * share;
  const y2 = y + fall * share;

  let out = '';
  if (step.fate === 'lost') {
    out += `<path class="p ${kind} dash" d="M${start} ${y}L${x2 - way * 9} ${y2}"/>`;
    out += cross(x2, y2, 7);
  } else {
    // Unanswered packets arrive, and a cross in a ring on the lane says that nothing came of it.
    const tip = step.fate === 'unanswered' ? x2 - way * 11 : x2 - way * 2;
    out += `<path class="p ${kind}" d="M${start} ${y}L${tip - way * 8} ${y2}"/>`;
    out += `<path class="h ${kind}" d="M${tip} ${y2}l${-way * 11} -5v10z"/>`;
    if (step.fate === 'unanswered') out += `<circle class="r" cx="${x2}" cy="${y2}" r="9"/>${cross(x2, y2, 4)}`;
  }
  out += `<circle class="f ${kind}" cx="${start}" cy="${y}" r="3"/>`;
  const middle = step.fate === 'lost' ? (start + x2) / 2 : (clientX + targetX) / 2;
  const room = Math.floor((Math.abs(x2 - start) - 24) / 7.3);
  out += text(middle, y - 5, 't c', cut(step.label, room));
  out += text(clientX - 22, y + 4, 't e s', shortDuration(step.atMs));
  if (step.fate === 'unanswered') out += text(targetX + 20, y2 + 4, 'd b7 s', words.fate.unanswered);
  if (step.fate === 'lost') out += text(x2 + way * 16, y2 + 4, fromClient ? 'd b7 s' : 'd b7 s e', words.fate.lost);
  return out;
}

function cross(x: number, y: number, size: number): string {
  return `<path class="x" d="M${x - size} ${y - size}l${size * 2} ${size * 2}M${x - size} ${y + size}l${size * 2} ${-size * 2}"/>`;
}

function legend(y: number, ladder: Ladder, words: Wording): string {
  return text(width / 2, y + 4, 'm c s', cut(words.capturedOn(ladder.capturedOn), 90));
}

function text(x: number, y: number, kind: string, content: string): string {
  return `<text x="${x}" y="${y}" class="${kind}">${escapeHtml(content)}</text>`;
}

function cut(content: string, columns: number): string {
  const line = content.replace(/\s+/g, ' ').trim();
  return stringWidth(line) <= columns ? line : truncateToWidth(line, columns);
}

function style(theme: 'light' | 'dark' | 'auto'): string {
  const variables = (colours: typeof light) =>
    `.ladder{${Object.entries(colours)
      .map(([name, value]) => `--l-${name}:${value}`)
      .join(';')}}`;
  const colours =
    theme === 'auto'
      ? `${variables(light)}@media(prefers-color-scheme:dark){${variables(dark)}}`
      : variables(theme === 'dark' ? dark : light);
  return [
    colours,
    ".ladder text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace;fill:var(--l-ink)}",
    '.ladder .c{text-anchor:middle}.ladder .e{text-anchor:end}.ladder .s{font-size:12px}',
    '.ladder .w,.ladder .b7{font-weight:600}.ladder text.m{fill:var(--l-muted)}.ladder text.d{fill:var(--l-dies)}',
    '.ladder text.t{paint-order:stroke;stroke:var(--l-ground);stroke-width:4px;stroke-linejoin:round}',
    '.ladder text.w{stroke:none}',
    '.ladder .g{fill:var(--l-ground)}.ladder .b{fill:var(--l-box);stroke:var(--l-lane)}',
    '.ladder .l{fill:none;stroke:var(--l-lane);stroke-width:2}',
    '.ladder .p{fill:none;stroke-width:2}.ladder .dash{stroke-dasharray:7 5}',
    '.ladder .p.n{stroke:var(--l-ink)}.ladder .p.a{stroke:var(--l-lives)}.ladder .p.d{stroke:var(--l-dies)}',
    '.ladder .h.n,.ladder .f.n{fill:var(--l-ink)}.ladder .h.a,.ladder .f.a{fill:var(--l-lives)}.ladder .h.d,.ladder .f.d{fill:var(--l-dies)}',
    '.ladder .x{fill:none;stroke:var(--l-dies);stroke-width:3;stroke-linecap:round}',
    '.ladder .r{fill:var(--l-ground);stroke:var(--l-dies);stroke-width:2}',
  ].join('');
}
