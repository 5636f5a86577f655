import type { Language } from '../model/language.ts';
import type { Plan, Role } from '../model/plan.ts';
import type { Report } from '../model/report.ts';
import { durationText } from './duration-text.ts';
import { escapeCodeBlock, escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import { exitText } from './exit-text.ts';
import type { ExplainStep } from './explain.ts';
import { shellText } from './shell-text.ts';
import type { SlackBlock } from './slack-blocks.ts';
import { sizeText } from './size-text.ts';
import { symptomText } from './symptom-text.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';

/** A modal has at most 100 blocks of 3000 characters; what is left free is for a heading and a note. */
const maxBlocks = 90;
const maxCodeChars = 2800;
/** Characters of one command that are shown. */
const maxCommandChars = 900;

interface Place {
  readonly heading: string;
  /** Under the heading, small. */
  readonly note: string;
  readonly lines: readonly string[];
}

/**
 * What a plan would run, node by node and word for word, as blocks of a modal: when, as whom, for how long at most.
 * Escaped.
 */
export function planBlocks(
  planGiven: Plan,
  stepsGiven: readonly ExplainStep[],
  language: Language,
): readonly SlackBlock[] {
  const plan = visible(planGiven);
  const steps = visible(stepsGiven);
  const words = wording[language];
  const say = words.explain;
  const places = plan.nodes.map(({ node, roles, address, why }) => ({
    heading: headingOf(node.name, roles, address, language),
    note: `${say.why}${words.colon}${why}`,
    lines: steps
      .filter((step) => step.node === node.name)
      .map(({ phase, privilege, timeoutMs, argv, note }) =>
        lineOf(
          [words.evidencePhase[phase], say.privilege[privilege], `≤ ${durationText(timeoutMs, language)}`],
          argv,
          note,
        ),
      ),
  }));
  const { budget } = plan;
  const bounds = [
    `${say.wall} ${durationText(budget.wallMs, language)}`,
    `${say.window} ${durationText(budget.windowMs, language)}`,
    say.capture({ packets: String(budget.maxPackets), bytes: sizeText(budget.maxCaptureBytes) }),
    say.commands(steps.length),
  ];
  return blocksOf(symptomText(plan.symptom, language), places, bounds.join(words.semicolon), language);
}

/** What a run did run, node by node, with how long it took and how it ended. Escaped. */
export function ranBlocks(reportGiven: Report, language: Language): readonly SlackBlock[] {
  const report = visible(reportGiven);
  const words = wording[language];
  const places = report.nodes.map(({ name, roles, address, unseen }) => ({
    heading: headingOf(name, roles, address, language),
    note: unseen ?? '',
    lines: report.evidence
      .filter(({ node }) => node === name)
      .map(({ phase, privilege, startedAtMs, endedAtMs, exit, argv }) =>
        lineOf(
          [
            words.evidencePhase[phase],
            words.explain.privilege[privilege],
            durationText(endedAtMs - startedAtMs, language),
            exitText(exit, language),
          ],
          argv,
        ),
      ),
  }));
  const took = `${words.took} ${durationText(report.timing.tookMs, language)}`;
  const bounds = [took, words.explain.commands(report.evidence.length)].join(words.semicolon);
  return blocksOf(symptomText(report.symptom, language), places, bounds, language);
}

function headingOf(name: string, roles: readonly Role[], address: string, language: Language): string {
  const words = wording[language];
  const role = roles.map((one) => words.role[one]).join(words.list);
  return `*${escapeMrkdwnUpTo(name, 120)}*  ${role}  ${escapeMrkdwnUpTo(address, 80)}`;
}

/** `[during · root · ≤ 12 s] tcpdump …` */
function lineOf(parts: readonly string[], argv: readonly string[], note?: string): string {
  const command = shellText(argv);
  const shown = command.length > maxCommandChars ? `${command.slice(0, maxCommandChars - 1)}…` : command;
  const head = `[${parts.filter((part) => part !== '').join(' · ')}]`;
  return `${head} ${shown === '' ? '–' : shown}${note === undefined ? '' : `\n    # ${note}`}`.replace(/\r/g, ' ');
}

function blocksOf(
  question: string,
  places: readonly Place[],
  bounds: string,
  language: Language,
): readonly SlackBlock[] {
  const words = wording[language];
  const blocks: SlackBlock[] = [section(`*${escapeMrkdwnUpTo(question, 400)}*`)];
  let left = 0;
  for (const { heading, note, lines } of places) {
    const parts = [section(heading)];
    if (note !== '') parts.push(context(escapeMrkdwnUpTo(note, 400)));
    if (lines.length === 0) parts.push(context(words.explain.noCommands));
    parts.push(...codeBlocks(lines));
    const room = maxBlocks - blocks.length;
    blocks.push(...parts.slice(0, room));
    left += Math.max(0, parts.length - room);
  }
  if (left > 0) blocks.push(context(words.moreInBundle(left)));
  blocks.push(context(escapeMrkdwnUpTo(bounds, 600)), context(words.explain.nothingChanges));
  return blocks;
}

/** Lines of code in as few sections as hold them. A line is never torn. */
export function codeBlocks(lines: readonly string[]): readonly SlackBlock[] {
  const blocks: SlackBlock[] = [];
  let held: string[] = [];
  let used = 0;
  const flush = (): void => {
    if (held.length > 0) blocks.push(section(`\`\`\`\n${held.join('\n')}\n\`\`\``));
    held = [];
    used = 0;
  };
  for (const line of lines) {
    const escaped = escapeCodeBlock(line);
    // Entities can make a line longer than its bound: it is shown as far as it fits, without half an entity.
    const fitting =
      escaped.length > maxCodeChars ? `${escaped.slice(0, maxCodeChars - 1).replace(/&[a-z]{0,4}$/, '')}…` : escaped;
    if (used + fitting.length + 1 > maxCodeChars) flush();
    held.push(fitting);
    used += fitting.length + 1;
  }
  flush();
  return blocks;
}

function section(text: string): SlackBlock {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}

function context(text: string): SlackBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] };
}
