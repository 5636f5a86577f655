import type { Language } from '../model/language.ts';
import type { Finding, Remedy, Report } from '../model/report.ts';
import type { ReportVerdict, Verdict } from '../model/verdict.ts';
import { durationText } from './duration-text.ts';
import { escapeCodeBlock, escapeInlineCode, escapeMrkdwn, escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import { renderLadderText } from './ladder-text.ts';
import { evidenceText, findingPlace, remediesInOrder, reportView, type ReportView } from './report-view.ts';
import { endSentence, isTelling, pathLine } from './path-text.ts';
import { symptomText } from './symptom-text.ts';
import { renderTerminal } from './terminal.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { ruleName, unseenText } from './unseen-text.ts';
import { visibleReport } from './visible-report.ts';
import { wording, type Wording } from './wording.ts';

/** A Block Kit block, loosely typed: this room knows no Slack package. */
export type SlackBlock = Readonly<Record<string, unknown>>;

/**
 * Bounds that every message holds. Slack's own are 50 blocks, 3000 characters of a section, 150 of a header, and about
 * 13 200 of all blocks together (bolt-js#2509); the difference leaves room for the adapter's buttons.
 */
export const slackLimits = {
  blocks: 45,
  sectionCharacters: 2800,
  headerCharacters: 150,
  contextCharacters: 1900,
  jsonCharacters: 11_000,
  plainCharacters: 11_500,
} as const;

/** Never green for what is not known. */
export const verdictMark: Readonly<Record<ReportVerdict, string>> = { found: '🔴', clear: '🟢', inconclusive: '🟡' };
const findingMark: Readonly<Record<Verdict, string>> = {
  confirmed: '🔴',
  likely: '🟠',
  ruledOut: '✓',
  notApplicable: '–',
  unknown: '?',
  error: '!',
};

/** How much of a report is told; each level is smaller than the one before. */
interface Detail {
  readonly causes: number;
  readonly because: number;
  readonly sentence: number;
  readonly remedies: number;
  readonly commandCharacters: number;
  readonly ruledOut: number;
  readonly unseen: number;
  readonly ladderSteps: number;
}
/** Up to so many lines are set small instead of being left to fold up. */
const fewLines = 6;

const levels: readonly Detail[] = [
  {
    causes: 6,
    because: 8,
    sentence: 700,
    remedies: 8,
    commandCharacters: 2400,
    ruledOut: 24,
    unseen: 12,
    ladderSteps: 8,
  },
  {
    causes: 4,
    because: 6,
    sentence: 400,
    remedies: 6,
    commandCharacters: 1200,
    ruledOut: 14,
    unseen: 8,
    ladderSteps: 8,
  },
  { causes: 3, because: 4, sentence: 260, remedies: 4, commandCharacters: 700, ruledOut: 8, unseen: 5, ladderSteps: 6 },
  { causes: 2, because: 3, sentence: 160, remedies: 3, commandCharacters: 400, ruledOut: 5, unseen: 3, ladderSteps: 0 },
  { causes: 1, because: 2, sentence: 120, remedies: 2, commandCharacters: 200, ruledOut: 3, unseen: 2, ladderSteps: 0 },
];

/**
 * Renders a report as one Slack message. `text` is the notification line; `blocks` hold the answer within
 * `slackLimits`, verdict first, cut off honestly where there is more; `plain` says the same as one fenced text, for a
 * workspace that refuses the blocks. `text` and `plain` are escaped: post them as they are.
 */
export function renderSlackReport(
  reportGiven: Report,
  options: { readonly language?: Language } = {},
): { readonly text: string; readonly blocks: readonly SlackBlock[]; readonly plain: string } {
  const report = visibleReport(reportGiven);
  const language = options.language ?? report.run.language;
  const words = wording[language];
  const verdict = words.verdict[report.verdict];
  const headline = escapeMrkdwnUpTo(oneLine(report.headline), 600);
  const text = `${verdictMark[report.verdict]} ${verdict}${words.colon}${headline}`;

  let blocks: readonly SlackBlock[] = [];
  for (const detail of levels) {
    blocks = reportBlocks(report, language, detail);
    if (fits(blocks)) break;
  }
  // Text of nothing but quotes is twice as long in JSON: even the smallest level is then too much.
  for (let left = 1; !fits(blocks); left += 1) {
    blocks = [...blocks.slice(0, left === 1 ? -1 : -2), context([words.moreInBundle(left)])];
  }
  return { text, blocks, plain: plainText(report, text, language) };
}

function fits(blocks: readonly SlackBlock[]): boolean {
  return blocks.length <= slackLimits.blocks && JSON.stringify(blocks).length <= slackLimits.jsonCharacters;
}

function reportBlocks(report: Report, language: Language, detail: Detail): SlackBlock[] {
  const words = wording[language];
  const view = reportView(report);
  const lead = `${verdictMark[report.verdict]} ${words.verdict[report.verdict]}`;
  const headline = oneLine(report.headline);
  const title = `${lead}${words.colon}${headline}`;
  const isShort = title.length <= slackLimits.headerCharacters;

  const blocks: SlackBlock[] = [header(isShort ? title : lead)];
  if (!isShort) blocks.push(section(`*${escapeMrkdwnUpTo(headline, Math.min(900, detail.sentence * 2))}*`));
  blocks.push(
    context([
      escapeMrkdwnUpTo(symptomText(report.symptom, language), 400),
      `${words.took} ${durationText(report.timing.tookMs, language)}`,
    ]),
  );
  if (report.verdict !== 'found') blocks.push(context([escapeMrkdwn(words.verdictMeans[report.verdict])]));

  for (const [at, finding] of view.causes.slice(0, detail.causes).entries()) {
    const isSaid = view.causes.slice(0, at).some((earlier) => isSameElsewhere(earlier, finding));
    // The first is the one to act on; of the others it is enough to know what they rest on.
    const own = at === 0 ? detail : { ...detail, because: Math.min(detail.because, 3) };
    blocks.push(...(isSaid ? [elsewhere(finding, language, detail)] : causeBlocks(finding, headline, language, own)));
  }
  if (view.causes.length > detail.causes)
    blocks.push(context([words.moreInBundle(view.causes.length - detail.causes)]));
  if (isTelling(report.path)) {
    const lines = [pathLine(report.path), endSentence(report.path, language) ?? '']
      .map((line) => escapeMrkdwnUpTo(oneLine(line), 500))
      .filter((line) => line.trim() !== '');
    // Slack refuses a whole message for an empty text.
    if (lines.length > 0) blocks.push(context([lines.join('\n')]));
  }
  if (report.ladder !== undefined && report.ladder.steps.length > 0 && detail.ladderSteps > 0) {
    blocks.push(...ladderBlocks(report.ladder, language, detail));
  }

  const unseen = unseenBlocks(report, view, language, detail);
  if (report.verdict === 'inconclusive') blocks.push(...unseen);
  blocks.push(...ruledOutBlocks(view, language, detail));
  if (report.verdict !== 'inconclusive') blocks.push(...unseen);
  blocks.push(context([footer(report, words)]));
  return blocks;
}

/** The same rule with the same commands in another place: seen at both ends of one path, usually. */
function isSameElsewhere(earlier: Finding, finding: Finding): boolean {
  const commandsOf = ({ remedies }: Finding): string =>
    JSON.stringify(remedies.map(({ kind, commands }) => [kind, commands]));
  return earlier.rule === finding.rule && commandsOf(earlier) === commandsOf(finding);
}

/** One line for it: the cause and its remedies stand above. */
function elsewhere(finding: Finding, language: Language, detail: Detail): SlackBlock {
  const [first] = finding.because;
  const number = first === undefined ? '' : `\n• ${escapeMrkdwnUpTo(oneLine(first.text), detail.sentence)}`;
  return context([`${leadOf(finding, language)}* · ${placeOf(finding)}${number}`]);
}

/** The verdict of a finding, with its emphasis still open. */
function leadOf(finding: Finding, language: Language): string {
  return `${findingMark[finding.verdict]} *${wording[language].finding[finding.verdict]}`;
}

function placeOf(finding: Finding): string {
  return `\`${escapeInlineCode(short(finding.rule, 80))}\` · ${escapeMrkdwnUpTo(findingPlace(finding), 120)}`;
}

function causeBlocks(finding: Finding, headline: string, language: Language, detail: Detail): SlackBlock[] {
  const words = wording[language];
  const verdict = leadOf(finding, language);
  const where = placeOf(finding);
  const lines = [
    // Said once: what stands in the headline is not said again below it.
    ...(headline.includes(oneLine(finding.title))
      ? [`${verdict}* · ${where}`]
      : [`${verdict}${words.colon}${escapeMrkdwnUpTo(oneLine(finding.title), detail.sentence)}*`, where]),
    ...finding.because.slice(0, detail.because).map((because) => {
      const seen = escapeInlineCode(short(shortPlace(because), 120));
      return `• ${escapeMrkdwnUpTo(oneLine(because.text), detail.sentence)}  \`${seen}\``;
    }),
  ];
  if (finding.because.length > detail.because) lines.push(words.moreInBundle(finding.because.length - detail.because));

  const remedies = remediesInOrder(finding);
  const blocks = [whole(linesUpTo(lines, slackLimits.sectionCharacters, words))];
  for (const remedy of remedies.slice(0, detail.remedies)) blocks.push(whole(remedyText(remedy, language, detail)));
  if (remedies.length > detail.remedies) blocks.push(context([words.moreInBundle(remedies.length - detail.remedies)]));
  return blocks;
}

/** Where a sentence was seen, as short as it is still found by: `node-50/06-counters:4`. */
function shortPlace(because: Finding['because'][number]): string {
  const evidence = because.evidence.replace(/^evidence\//u, '').replace(/\.(?:out|err|pcap)$/u, '');
  return evidenceText({ ...because, evidence });
}

function remedyText(remedy: Remedy, language: Language, detail: Detail): string {
  const words = wording[language];
  const on = remedy.node === undefined ? '' : ` · ${escapeMrkdwnUpTo(remedy.node, 80)}`;
  const head = [`*${words.remedy[remedy.kind]}*${on}`];
  if (remedy.text !== undefined) head.push(escapeMrkdwnUpTo(oneLine(remedy.text), detail.sentence));
  const risk = escapeMrkdwnUpTo(oneLine(remedy.risk), Math.min(300, detail.sentence));
  const tail = risk === '' ? [] : [`_${words.risk}${words.colon.trimEnd()}_ ${risk}`];

  // What is left of the section goes to the commands first, then to undoing them.
  let left = slackLimits.sectionCharacters - [...head, ...tail].join('\n').length - 300;
  const code = (commands: readonly string[]): string[] => {
    if (commands.length === 0) return [];
    const block = codeBlock(commands, Math.min(detail.commandCharacters, left), words);
    left -= block.length;
    return [block];
  };
  const commands = code(remedy.commands);
  const undoing = `_${words.undo}${words.colon.trimEnd()}_`;
  const [only = ''] = remedy.undo;
  const isShort = remedy.undo.length === 1 && /^[^`\s][^`\n]{0,118}[^`\s]$/u.test(only) && !only.includes('  ');
  const undo =
    remedy.undo.length === 0
      ? []
      : isShort
        ? [`${undoing} \`${escapeInlineCode(only)}\``]
        : [undoing, ...code(remedy.undo)];
  return [...head, ...commands, ...tail, ...undo].join('\n');
}

/** Commands to copy. Half a command is worse than none: where they do not fit, the text says where they are. */
function codeBlock(commands: readonly string[], most: number, words: Wording): string {
  const code = escapeCodeBlock(commands.join('\n'));
  if (code.length > most) return `_${words.commandInBundle}_`;
  return `\`\`\`\n${code}\n\`\`\``;
}

function ladderBlocks(ladder: NonNullable<Report['ladder']>, language: Language, detail: Detail): SlackBlock[] {
  const words = wording[language];
  const lines = renderLadderText(ladder, { width: 66, glyphs: 'ascii', language, maxSteps: detail.ladderSteps });
  const code = escapeCodeBlock(lines.join('\n'));
  const title = `*${words.packets}* (${escapeMrkdwnUpTo(words.capturedOn(ladder.capturedOn), 120)})`;
  // Entities can make a text of bounded width long; a ladder with a hole says less than none.
  if (title.length + code.length + 10 > slackLimits.sectionCharacters) return [];
  return [section(`${title}\n\`\`\`\n${code}\n\`\`\``)];
}

function ruledOutBlocks(view: ReportView, language: Language, detail: Detail): SlackBlock[] {
  const words = wording[language];
  if (view.ruledOut.length + view.notApplicable.length === 0) return [];
  const parts: string[] = [];
  const sentence = Math.min(180, detail.sentence);
  for (const [title, findings] of [
    [words.ruledOut, view.ruledOut],
    [words.notApplicable, view.notApplicable],
  ] as const) {
    if (findings.length === 0) continue;
    parts.push(`*${title} (${findings.length})*`);
    for (const finding of findings.slice(0, detail.ruledOut)) {
      const name = escapeMrkdwnUpTo(ruleName(finding.rule, finding.title, language), 100);
      const [first] = finding.because;
      const number = first === undefined ? '' : `${words.colon}${escapeMrkdwnUpTo(oneLine(first.text), sentence)}`;
      parts.push(`${findingMark[finding.verdict]} ${name}${number}`);
    }
    if (findings.length > detail.ruledOut) parts.push(words.moreInBundle(findings.length - detail.ruledOut));
  }
  return [foldable(linesUpTo(parts, slackLimits.contextCharacters, words), parts.length)];
}

function unseenBlocks(report: Report, view: ReportView, language: Language, detail: Detail): SlackBlock[] {
  const words = wording[language];
  const sentence = Math.min(300, detail.sentence);
  const items = report.unseen.map((text) => `• ${escapeMrkdwnUpTo(oneLine(text), sentence)}`);
  for (const group of view.unseen) {
    const rules = group.rules.map((rule) => ruleName(rule.id, rule.title, language)).join(words.list);
    items.push(
      `• ${escapeMrkdwnUpTo(oneLine(unseenText(group, language)), sentence)}\n    ${words.cannotTell}${words.colon}${escapeMrkdwnUpTo(rules, sentence)}`,
    );
  }
  if (view.failed.length > 0) {
    const rules = view.failed.map((finding) => finding.rule).join(words.list);
    items.push(`• ${words.ownFault}${words.colon}${escapeMrkdwnUpTo(rules, sentence)}`);
  }
  if (items.length === 0) return [];
  const shown = [`*${words.couldNotSee}*`, ...items.slice(0, detail.unseen)];
  if (items.length > detail.unseen) shown.push(words.moreInBundle(items.length - detail.unseen));
  const text = linesUpTo(shown, slackLimits.contextCharacters, words);
  // Where nothing could be concluded this is the news, so it is set as large as a cause.
  return [report.verdict === 'inconclusive' ? whole(text) : foldable(text, shown.length)];
}

function footer(report: Report, words: Wording): string {
  const nodes = report.nodes.slice(0, 6).map((node) => {
    const roles = node.roles.map((role) => words.role[role]).join('+');
    const kernel = node.unseen === undefined ? (node.kernel ?? '') : words.notSeen;
    return escapeMrkdwnUpTo(
      oneLine(`${node.name} (${[roles, kernel].filter((part) => part !== '').join(words.list)})`),
      160,
    );
  });
  if (report.nodes.length > nodes.length) nodes.push(words.moreInBundle(report.nodes.length - nodes.length));
  const run = `\`${escapeInlineCode(short(report.run.id, 80))}\` · netcheck ${escapeMrkdwnUpTo(oneLine(report.run.netcheck), 40)}`;
  const resolved = (report.resolved ?? []).slice(0, 3).map((one) => escapeMrkdwnUpTo(oneLine(one), 300));
  return [...resolved, nodes.join(' · '), `${words.run} ${run}`].filter((part) => part !== '').join('\n');
}

function plainText(report: Report, text: string, language: Language): string {
  const body = escapeCodeBlock(renderTerminal(report, { width: 100, colour: false, language }).trimEnd());
  const room = slackLimits.plainCharacters - text.length - 200;
  const lines: string[] = [];
  let used = 0;
  const all = body.split('\n');
  for (const line of all) {
    if (used + line.length + 1 > room) break;
    lines.push(line);
    used += line.length + 1;
  }
  const rest = all.length - lines.length;
  const more = rest > 0 ? `\n${wording[language].moreInBundle(rest)}` : '';
  return `${text}\n\`\`\`\n${lines.join('\n')}\n\`\`\`${more}`;
}

// ---------------------------------------------------------------------------------------------------- small parts

function header(text: string): SlackBlock {
  return {
    type: 'header',
    text: { type: 'plain_text', text: truncateTo(text, slackLimits.headerCharacters), emoji: false },
  };
}

function section(text: string): SlackBlock {
  return { type: 'section', text: mrkdwn(text) };
}

/** A section that Slack always shows whole; it folds long ones up else ("See more"). */
function whole(text: string): SlackBlock {
  return { ...section(text), expand: true };
}

/** Lines that few people read: small where they are few, else for Slack to fold up. */
function foldable(text: string, lines: number): SlackBlock {
  return lines <= fewLines ? context([text]) : section(text);
}

function context(texts: readonly string[]): SlackBlock {
  return { type: 'context', elements: texts.map(mrkdwn) };
}

/** `verbatim`: Slack turns no name and no address in it into a link or a mention by itself. */
function mrkdwn(text: string): SlackBlock {
  return { type: 'mrkdwn', text, verbatim: true };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function short(text: string, most: number): string {
  return truncateToWidth(oneLine(text), most);
}

function truncateTo(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Whole lines up to a length; the last says how many were left out. */
function linesUpTo(lines: readonly string[], most: number, words: Wording): string {
  const kept: string[] = [];
  let used = 0;
  for (const [index, line] of lines.entries()) {
    if (used + line.length + 1 > most - 60) {
      kept.push(words.moreInBundle(lines.length - index));
      break;
    }
    kept.push(line);
    used += line.length + 1;
  }
  return kept.join('\n');
}
