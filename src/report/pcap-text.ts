import type { Capture } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { JoinedCaptures } from '../model/packet-facts.ts';
import type { Finding } from '../model/report.ts';
import { painter, type Paint, type Style, withoutAnsi } from './ansi.ts';
import { captureOverview, type CaptureOverview } from './capture-overview.ts';
import { diagnoseConversations, endpointText, isCalm } from './conversation-diagnosis.ts';
import { shortDuration } from './duration-text.ts';
import { joinedOverview } from './joined-overview.ts';
import { type ConversationState, pcapWording } from './pcap-wording.ts';
import { remediesInOrder } from './report-view.ts';
import { sizeText } from './size-text.ts';
import { stringWidth } from './string-width.ts';
import { renderTable, type TableCell, type TableColumn } from './table.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { visibleText } from './visible-text.ts';
import { wrapText } from './wrap-text.ts';

export interface ConversationsOptions {
  /** Columns of the terminal; default 100. */
  readonly width?: number;
  readonly colour?: boolean;
  readonly language?: Language;
  /** Connections shown; the worst ones are. Default 50. */
  readonly maxRows?: number;
  /** What the rules found; absent where none were asked. */
  readonly findings?: readonly Finding[];
}

export const stateStyles: Readonly<Record<ConversationState, readonly Style[]>> = {
  unanswered: ['red'],
  challengeAck: ['red'],
  refused: ['red'],
  icmpError: ['red'],
  noFinalAck: ['red'],
  stuck: ['red'],
  windowShut: ['yellow'],
  reset: ['yellow'],
  retransmissions: ['yellow'],
  slowHandshake: ['yellow'],
  oneWay: ['yellow'],
  midStream: ['dim'],
  fine: ['green'],
};

/** Sentences of a finding that the terminal shows; the JSON has all. */
const maxBecause = 4;

interface Page {
  readonly width: number;
  readonly paint: Paint;
  readonly colour: boolean;
  readonly language: Language;
}

/**
 * Renders a capture for `netcheck pcap FILE`: a summary, the diagnosis, the table of its connections, the worst first,
 * each with one line, ICMP errors about something else, and what could not be read. No line feed at the end.
 */
export function renderConversations(capture: Capture, options: ConversationsOptions = {}): string {
  const { width = 100, colour = false, language = 'en', maxRows = 50, findings } = options;
  const paint = painter(colour);
  const page: Page = { width, paint, colour, language };
  const say = pcapWording[language];
  const overview = visible(captureOverview(capture, findings ?? [], language, maxRows));

  const blocks: string[] = [
    [
      ...wrapText(`${overview.file}: ${overview.summary}`, width),
      ...overview.warnings.flatMap((warning) => wrapText(warning, width).map((line) => paint(line, 'yellow'))),
    ].join('\n'),
  ];
  if (findings !== undefined && capture.packets > 0) blocks.push(diagnosis(overview, page));
  if (overview.rows.length > 0) {
    const counts = overview.tally.map(({ state, count }) =>
      paint(`${count} ${say.state[state]}`, ...stateStyles[state]),
    );
    blocks.push(wrapPainted(counts, ' · ', width), table(overview, page));
  }
  if (overview.uneventful.count > 0) {
    blocks.push(
      [
        say.uneventful(overview.uneventful.count),
        ...overview.uneventful.services.flatMap((line) => indented(line, 2, width)),
      ].join('\n'),
    );
  }
  if (overview.icmp.length > 0) blocks.push(section(say.icmpErrors, overview.icmp, width));
  if (overview.alsoSeen.length > 0) blocks.push(section(say.alsoSeen, overview.alsoSeen, width));
  if (overview.problems.length > 0) blocks.push(section(paint(say.unreadable, 'yellow'), overview.problems, width));
  return blocks.join('\n\n');
}

/** How to see one conversation packet by packet: the worst one; empty where all are well. */
export function flowHint(capture: Capture, file: string, language: Language): string {
  const worst = diagnoseConversations(capture, language)[0];
  return worst === undefined || isCalm(worst.state)
    ? ''
    : pcapWording[language].flowHint(visible(file), worst.connection.number);
}

/** Renders where packets of the connections that several captures share died. No line feed at the end. */
export function renderJoined(captures: JoinedCaptures, options: Omit<ConversationsOptions, 'findings'> = {}): string {
  const { width = 100, colour = false, language = 'en', maxRows = 20 } = options;
  const paint = painter(colour);
  const say = pcapWording[language];
  const { summary, clocks, rows, more } = visible(joinedOverview(captures, language, maxRows));
  const lines = [
    ...wrapText(`${say.joined}${say.colon}${summary}`, width).map((line) => paint(line, 'bold')),
    ...clocks.flatMap((line) => indented(line, 2, width)),
  ];
  for (const { heading, sentences, died } of rows) {
    lines.push('', ...indented(heading, 2, width).map((line) => paint(line, ...(died ? (['red'] as const) : []))));
    for (const sentence of sentences) lines.push(...indented(sentence, 4, width));
  }
  if (more.length > 0) lines.push('', ...more.flatMap((line) => indented(line, 2, width)));
  return lines.join('\n');
}

function diagnosis(overview: CaptureOverview, { width, paint, language }: Page): string {
  const say = pcapWording[language];
  const words = wording[language];
  const lines: string[] = [paint(say.diagnosis, 'bold')];
  for (const finding of overview.causes) {
    const { verdict, title, rule, because } = finding;
    const style: Style = verdict === 'confirmed' ? 'red' : 'yellow';
    lines.push(
      ...wrapText(`${title} (${words.finding[verdict]}, ${rule})`, width - 4).map(
        (line, index) => `${index === 0 ? paint('  ! ', style, 'bold') : '    '}${paint(line, style, 'bold')}`,
      ),
    );
    for (const { text } of because.slice(0, maxBecause)) lines.push(...bullet(text, '- ', 4, width));
    for (const remedy of remediesInOrder(finding).slice(0, 3)) {
      const what = remedy.text ?? '';
      lines.push(...bullet(`${words.remedy[remedy.kind]}${say.colon}${what}`, '> ', 4, width));
      // Commands are copied: they are not wrapped.
      for (const command of remedy.commands.slice(0, 6)) lines.push(`        ${visibleText(command)}`);
    }
  }
  if (overview.causes.length === 0) lines.push(...indented(say.noFault, 2, width));
  if (overview.ruledOut.length > 0) {
    // The ids are plain words, and shorter than the titles.
    const ids = [...new Set(overview.ruledOut.map(({ rule }) => rule))];
    lines.push(...indented(say.ruledOut(ids.join(', ')), 2, width).map((line) => paint(line, 'dim')));
  }
  if (overview.unseen.length > 0)
    lines.push(
      `  ${say.couldNotSee}`,
      ...overview.unseen.flatMap((line) => bullet(line, '? ', 4, width)).map((line) => paint(line, 'dim')),
    );
  return lines.join('\n');
}

function table({ rows, hidden }: CaptureOverview, { width, colour, paint, language }: Page): string {
  const say = pcapWording[language];
  /** No cell is wrapped: a row is one line, and its diagnosis follows on the next. */
  const columns: readonly TableColumn[] = [
    { header: '#', align: 'right', fit: 'never' },
    { header: say.columns.client, fit: 'never' },
    { header: say.columns.server, fit: 'never' },
    { header: say.columns.packets, align: 'right', fit: 'never' },
    { header: say.columns.bytes, align: 'right', fit: 'never' },
    { header: say.columns.time, align: 'right', fit: 'never' },
    { header: say.columns.state, fit: 'never' },
  ];
  const cells = rows.map(({ connection, state, text }): TableCell[] => [
    String(connection.number),
    endpointText(connection.client),
    endpointText(connection.server),
    `${connection.packets.client}/${connection.packets.server}`,
    `${sizeText(connection.bytes.client)}/${sizeText(connection.bytes.server)}`,
    shortDuration(connection.lastAtMs - connection.firstAtMs),
    {
      text: isCalm(state) ? `${say.state[state]}${say.list}${text}` : say.state[state],
      style: stateStyles[state],
    },
  ]);
  const [header = '', ...rowLines] = renderTable(columns, cells, { width, colour }).split('\n');
  const lines = [header];
  for (const [index, { state, text, alike }] of rows.entries()) {
    lines.push(rowLines[index] ?? '');
    if (!isCalm(state)) lines.push(...indented(text, 4, width).map((line) => paint(line, 'dim')));
    if (alike > 0) lines.push(paint(`    ${say.moreAlike(alike)}`, 'dim'));
  }
  const count = hidden.reduce((sum, one) => sum + one.count, 0);
  if (count > 0) {
    const tally = hidden.map((one) => `${one.count} ${say.state[one.state]}`).join(say.list);
    lines.push(...wrapText(say.more(count, tally), width).map((line) => paint(line, 'dim')));
  }
  return lines.join('\n');
}

function section(title: string, sentences: readonly string[], width: number): string {
  return [title, ...sentences.flatMap((sentence) => indented(sentence, 2, width))].join('\n');
}

function indented(text: string, by: number, width: number): string[] {
  return wrapText(text, width - by).map((line) => ' '.repeat(by) + line);
}

function bullet(text: string, mark: string, by: number, width: number): string[] {
  return wrapText(text, width - by - mark.length).map(
    (line, index) => ' '.repeat(by) + (index === 0 ? mark : ' '.repeat(mark.length)) + line,
  );
}

/** Items of a line that are painted already: wrapped between items. */
function wrapPainted(items: readonly string[], between: string, width: number): string {
  const plain = (text: string): number => stringWidth(withoutAnsi(text));
  const lines: string[] = [];
  let line = '';
  for (const item of items) {
    if (line !== '' && plain(line) + between.length + plain(item) > width) {
      lines.push(line);
      line = item;
    } else line = line === '' ? item : line + between + item;
  }
  return [...lines, line].join('\n');
}
