import type { Language } from '../model/language.ts';
import type {
  Comparison,
  NumberChange,
  RunContext,
  SeenBefore,
  SettingChange,
  TriedChange,
} from '../model/run-context.ts';
import { escapeInlineCode, escapeMrkdwnUpTo } from './escape-mrkdwn.ts';
import { longDurationText } from './duration-text.ts';
import type { SlackBlock } from './slack-blocks.ts';
import { minuteText, slackLink } from './slack-link.ts';
import { trialText } from './trial-text.ts';
import { visible } from './visible-report.ts';

/** Characters of one value of a setting, and of one sentence of a rule. */
const maxValue = 90;
const maxSentence = 260;
const maxTitles = 4;

const mark: Readonly<Record<Comparison['outcome'], string>> = {
  fixed: '🟢',
  still: '🔴',
  different: '🟠',
  clearNow: '🟢',
  stillClear: '🟢',
  unsure: '🟡',
};

interface Words {
  readonly outcome: Readonly<Record<Comparison['outcome'], string>>;
  readonly fixedAsFarAsSeen: string;
  readonly newNow: string;
  readonly named: string;
  readonly comparedWith: (link: string) => string;
  readonly gone: string;
  readonly still: string;
  readonly appeared: string;
  readonly before: string;
  readonly after: string;
  readonly changed: string;
  readonly seen: (times: string, days: number, when: string, where: string) => string;
  readonly once: string;
  readonly times: (count: number, atLeast: boolean) => string;
  readonly wasGone: (after: string, how: string) => string;
  readonly byRecheck: string;
  readonly byRun: string;
  readonly notGone: string;
  readonly setInBetween: string;
  readonly thread: string;
  readonly kind: Readonly<Record<SettingChange['kind'], string>>;
  readonly nothing: string;
  readonly separator: string;
}

const en: Words = {
  outcome: {
    fixed: 'Fixed: what was found then is gone.',
    still: 'Still the same trouble.',
    different: 'Different: another cause than then.',
    clearNow: 'Nothing is wrong now. What it was then could not be told.',
    stillClear: 'Still nothing wrong.',
    unsure: 'Not enough was seen to say whether it is fixed.',
  },
  fixedAsFarAsSeen:
    'Fixed as far as can be seen: the cause is gone. What could not be seen then cannot be seen now either.',
  newNow: 'New: nothing was wrong then.',
  named: 'A cause can be named now; then it could not.',
  comparedWith: (link) => `Compared with ${link}`,
  gone: 'Gone',
  still: 'Still there',
  appeared: 'New',
  before: 'then',
  after: 'now',
  changed: 'Set otherwise since then',
  seen: (times, days, when, where) => `Seen ${times} in the last ${days} days, last on ${when} in ${where}.`,
  once: 'once before',
  times: (count, atLeast) => `${atLeast ? 'at least ' : ''}${count} times before`,
  wasGone: (after, how) => `It was gone ${after} later (${how}).`,
  byRecheck: 're-check',
  byRun: 'next clear run',
  notGone: 'No later run showed that it was gone.',
  setInBetween: 'Set otherwise in between',
  thread: 'thread',
  kind: {
    sysctl: '',
    mtu: 'MTU of',
    link: 'state of',
    firewall: '',
    route: 'route',
    resolver: 'resolv.conf',
    ipvsTimeout: 'IPVS timeout',
    ipvsServer: 'IPVS',
  },
  nothing: '(empty)',
  separator: ': ',
};

const zh: Words = {
  outcome: {
    fixed: '已修复：当时发现的问题不再存在。',
    still: '问题依旧。',
    different: '不同：这次是另一个原因。',
    clearNow: '现在没有问题。当时的原因未能判定。',
    stillClear: '仍然没有问题。',
    unsure: '看到的不足以判断是否已修复。',
  },
  fixedAsFarAsSeen: '就所能看到的而言已修复：原因已消失。当时看不到的，现在也看不到。',
  newNow: '新问题：当时一切正常。',
  named: '现在能说出原因，当时不能。',
  comparedWith: (link) => `对比 ${link}`,
  gone: '已消失',
  still: '仍存在',
  appeared: '新出现',
  before: '当时',
  after: '现在',
  changed: '此后改动的设置',
  seen: (times, days, when, where) => `最近 ${days} 天内${times}，最近一次于 ${when} 在 ${where}。`,
  once: '出现过 1 次',
  times: (count, atLeast) => `出现过${atLeast ? '至少' : ''} ${count} 次`,
  wasGone: (after, how) => `${after}后消失（${how}）。`,
  byRecheck: '重新检查',
  byRun: '其后第一次正常的运行',
  notGone: '之后没有运行表明它已消失。',
  setInBetween: '其间改动的设置',
  thread: '消息列',
  kind: {
    sysctl: '',
    mtu: 'MTU：',
    link: '状态：',
    firewall: '',
    route: '路由',
    resolver: 'resolv.conf',
    ipvsTimeout: 'IPVS 超时',
    ipvsServer: 'IPVS',
  },
  nothing: '（空）',
  separator: '：',
};

const words: Readonly<Record<Language, Words>> = { en, zh };

/**
 * What earlier runs add to an answer: `lead` stands above the report (what became of the run that this one checks
 * again), `tail` below it (where the same was seen before). Escaped; links and channel names in it are our own.
 */
export function renderRunContext(
  given: RunContext,
  language: Language,
): { readonly lead: readonly SlackBlock[]; readonly tail: readonly SlackBlock[] } {
  const { trial, comparison, seenBefore } = visible(given);
  const seen = seenBefore.map((one) => seenText(one, seenBefore.length > 1, language));
  return {
    lead: [
      ...(trial === undefined ? [] : [section(trialBlock(trial, language))]),
      ...(comparison === undefined ? [] : [section(comparisonText(comparison, language))]),
    ],
    tail: seen.length === 0 ? [] : [section(`🔁 ${seen.join('\n')}`)],
  };
}

function trialBlock(trial: TriedChange, language: Language): string {
  const { headline, lines } = trialText(trial, language, 'mrkdwn');
  return [headline, ...lines.map((line) => `• ${line}`)].join('\n');
}

function comparisonText(comparison: Comparison, language: Language): string {
  const say = words[language];
  const { outcome, earlier, gone, still, appeared, numbers, settings } = comparison;
  const lines = [
    `${mark[outcome]} *${headline(comparison, say)}*`,
    say.comparedWith(`<${slackLink(earlier.channel, earlier.rootTs)}|${minuteText(earlier.endedAtMs)}>`),
  ];
  const titles = (head: string, some: readonly string[]): void => {
    for (const title of some.slice(0, maxTitles))
      lines.push(`• ${head}${say.separator}${escapeMrkdwnUpTo(title, maxSentence)}`);
  };
  titles(say.gone, gone);
  titles(say.still, still);
  titles(say.appeared, appeared);
  for (const change of numbers) lines.push(...numberLines(change, say));
  if (settings.length > 0) lines.push(`*${say.changed}*`, ...settings.map((change) => settingLine(change, say)));
  return lines.join('\n');
}

function headline({ outcome, proven, earlier }: Comparison, say: Words): string {
  if (outcome === 'fixed' && !proven) return say.fixedAsFarAsSeen;
  if (outcome === 'different' && earlier.verdict === 'clear') return say.newNow;
  if (outcome === 'different' && earlier.verdict !== 'found') return say.named;
  return say.outcome[outcome];
}

function numberLines(change: NumberChange, say: Words): readonly string[] {
  const sentence = (text: string): string => escapeMrkdwnUpTo(text, maxSentence);
  if ('text' in change) return [`• ${sentence(change.text)}`];
  return [
    `• _${say.before}_${say.separator}${sentence(change.before)}`,
    `   _${say.after}_${say.separator}${sentence(change.after)}`,
  ];
}

/** `node-50: net.ipv4.tcp_tw_recycle 1 → 0`; what came or went stands behind + or −. */
export function settingLine(change: SettingChange, say: Pick<Words, 'kind' | 'nothing' | 'separator'>): string {
  const { node, kind, name, from, to } = change;
  const value = (text: string): string => (text === '' ? say.nothing : text.replace(/\s+/g, ' '));
  const cut = (text: string): string => (text.length <= maxValue ? text : `${text.slice(0, maxValue - 1)}…`);
  const what = [say.kind[kind], name].filter((part) => part !== '').join(' ');
  // A firewall rule is its own name.
  const single = (text: string): string => (kind === 'firewall' ? '' : ` ${cut(value(text))}`);
  const text =
    from !== undefined && to !== undefined
      ? `${what} ${cut(value(from))} → ${cut(value(to))}`
      : from === undefined
        ? `+ ${what}${single(to ?? '')}`
        : `− ${what}${single(from)}`;
  return `• ${escapeMrkdwnUpTo(node, 80)}${say.separator}\`${escapeInlineCode(text)}\``;
}

function seenText(seen: SeenBefore, named: boolean, language: Language): string {
  const say = words[language];
  const { last, gone, times, atLeast, days, title } = seen;
  const often = times === 1 ? say.once : say.times(times, atLeast);
  const sentences = [
    say.seen(
      often,
      days,
      minuteText(last.endedAtMs),
      `<#${last.channel.replace(/\W/g, '')}> (<${slackLink(last.channel, last.rootTs)}|${say.thread}>)`,
    ),
  ];
  if (gone === undefined) sentences.push(say.notGone);
  else {
    const how = gone.byRecheck ? say.byRecheck : say.byRun;
    const link = `<${slackLink(gone.run.channel, gone.run.rootTs)}|${how}>`;
    sentences.push(say.wasGone(longDurationText(gone.afterMs, language), link));
  }
  const lead = named ? `*${escapeMrkdwnUpTo(title, maxSentence)}*${say.separator}` : '';
  const lines = [lead + sentences.join(' ')];
  if (gone !== undefined && gone.settings.length > 0)
    lines.push(say.setInBetween, ...gone.settings.map((change) => settingLine(change, say)));
  return lines.join('\n');
}

function section(text: string): SlackBlock {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
}
