import type { Language } from '../model/language.ts';
import { escapeInlineCode, escapeMrkdwn, escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import type { StatusState } from './run-status.ts';
import { verdictMark, type SlackBlock } from './slack-blocks.ts';
import { slackMention } from './slack-mention.ts';
import { trialStepText } from './trial-text.ts';
import { truncateToWidth } from './truncate-to-width.ts';
import { visible } from './visible-report.ts';
import { wording, type Wording } from './wording.ts';

export interface SlackStatusOptions {
  readonly language?: Language;
  /** Now, on the clock of the `phase` events: gives the running phase its seconds. Without it, it has none. */
  readonly nowMs?: number;
}

/** Nodes that are shown by name; the others are counted. */
const shownNodes = 8;

/**
 * Renders the living status message: the question and who asked, phases with their seconds, nodes, probe counts, the
 * first finding, and the verdict (or why there is none) at the end. A handful of blocks; text from outside is escaped.
 */
export function renderSlackStatus(
  stateGiven: StatusState,
  options: SlackStatusOptions = {},
): { readonly text: string; readonly blocks: readonly SlackBlock[] } {
  const state = visible(stateGiven);
  const language = options.language ?? 'en';
  const words = wording[language];
  const { mark, title } = lead(state, words);
  const question = escapeInlineCode(truncateToWidth(state.question.replace(/\s+/g, ' ').trim(), 300));

  const blocks: SlackBlock[] = [
    section(`${mark} *${title}*  \`netcheck ${question}\``),
    context([
      escapeMrkdwn(words.status.asked('\u0000')).replace('\u0000', () => slackMention(state.askedBy)),
      ...playbooks(state, words),
    ]),
  ];
  const progress = [
    ...phaseLines(state, words, options.nowMs),
    ...nodeLines(state, words),
    ...state.probes.slice(0, shownNodes).map((probe) => {
      const node = escapeMrkdwnUpTo(probe.node, 80);
      return `• ${words.status.probes({ ...probe, node })}`;
    }),
  ];
  if (state.probes.length > shownNodes) progress.push(words.moreInBundle(state.probes.length - shownNodes));
  if (state.trial !== undefined && state.ended === undefined)
    progress.push(`• 🛠 ${trialStepText(state.trial, language)}`);
  if (progress.length > 0) blocks.push(section(progress.join('\n')));
  // The report's own headline says it better.
  if (state.decided !== undefined && state.ended?.how !== 'finished') {
    const { rule, node, title: found } = state.decided;
    blocks.push(
      section(
        `*${words.status.decided}${words.colon.trimEnd()}* ${escapeMrkdwnUpTo(found, 300)} (\`${escapeInlineCode(truncateToWidth(rule, 80))}\`, ${escapeMrkdwnUpTo(node, 80)})`,
      ),
    );
  }
  const end = ending(state);
  if (end !== '') blocks.push(section(end));
  return { text: `${mark} ${title}${words.colon}${escapeMrkdwnUpTo(state.question, 300)}`, blocks };
}

function lead(state: StatusState, words: Wording): { mark: string; title: string } {
  const { ended } = state;
  if (ended === undefined) {
    return state.phases.length + state.nodes.length === 0
      ? { mark: '⏳', title: words.status.queued }
      : { mark: '🔎', title: words.status.running };
  }
  switch (ended.how) {
    case 'finished':
      return { mark: verdictMark[ended.verdict], title: words.verdict[ended.verdict] };
    case 'cancelled':
      return { mark: '⏹', title: words.status.cancelled };
    case 'failed':
      break;
  }
  return { mark: '⚠️', title: words.status.failed };
}

function phaseLines(state: StatusState, words: Wording, nowMs: number | undefined): string[] {
  if (state.phases.length === 0) return [];
  const parts = state.phases.map(({ phase, atMs }, index) => {
    const next = state.phases[index + 1];
    const running = next === undefined && state.ended === undefined;
    const until = next?.atMs ?? (running ? nowMs : undefined);
    // A worker that took over has another clock: nothing took less than no time.
    const seconds =
      until === undefined ? '' : ` ${words.status.seconds((Math.max(0, until - atMs) / 1000).toFixed(1))}`;
    return running ? `*${words.status.phase[phase]}*${seconds} …` : `${words.status.phase[phase]}${seconds}`;
  });
  // A run that was taken up again by another worker has been through its phases before: the last of them tell enough.
  const shown = parts.slice(-14);
  return [shown.join(' → ')];
}

function nodeLines(state: StatusState, words: Wording): string[] {
  const trouble = state.nodes.filter((node) => node.state === 'waiting' || node.state === 'unreachable');
  const lines: string[] = [];
  const connected = state.nodes.filter((node) => node.state === 'connected');
  if (connected.length > 0) {
    const names = connected.slice(0, shownNodes).map((node) => escapeMrkdwnUpTo(node.name, 80));
    if (connected.length > shownNodes) names.push(`+${connected.length - shownNodes}`);
    lines.push(`• ${words.status.connected}${words.colon}${names.join(words.list)}`);
  }
  for (const node of trouble.slice(0, shownNodes)) {
    const name = escapeMrkdwnUpTo(node.name, 80);
    if (node.state === 'waiting') lines.push(`• ${words.status.waitingFor(name)}`);
    else lines.push(`• 🟡 ${name} ${words.status.unreachable}${words.colon}${escapeMrkdwnUpTo(node.why ?? '', 200)}`);
  }
  if (trouble.length > shownNodes) lines.push(words.moreInBundle(trouble.length - shownNodes));
  return lines;
}

function ending(state: StatusState): string {
  const { ended } = state;
  if (ended === undefined) return '';
  if (ended.how === 'finished') {
    const headline = escapeMrkdwnUpTo(ended.headline.replace(/\s+/g, ' ').trim(), 700);
    return headline === '' ? '' : `*${headline}*`;
  }
  const said = [escapeMrkdwnUpTo(ended.message.trim(), 700), escapeMrkdwnUpTo(ended.hint.trim(), 500)];
  return said.filter((text) => text !== '').join('\n');
}

function playbooks(state: StatusState, words: Wording): string[] {
  if (state.playbooks.length === 0) return [];
  return [`${words.playbook} ${escapeMrkdwnUpTo(state.playbooks.join(words.list), 200)}`];
}

function section(text: string): SlackBlock {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}

function context(texts: readonly string[]): SlackBlock {
  return { type: 'context', elements: texts.map((text) => ({ type: 'mrkdwn', text, verbatim: true })) };
}
