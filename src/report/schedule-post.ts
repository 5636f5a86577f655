import type { Language } from '../model/language.ts';
import type { ScheduleNews, ScheduleState, ScheduleTrouble } from '../model/schedule-state.ts';
import { escapeMrkdwn } from './escape-mrkdwn.ts';
import { visibleText } from './visible-text.ts';

export interface SchedulePost {
  /** For notifications and for where blocks do not work. */
  readonly text: string;
  readonly blocks: readonly unknown[];
}

export interface SchedulePostOptions {
  /** Name of the schedule. */
  readonly name: string;
  readonly language: Language;
  readonly timeZone: string;
}

/** Lines per list; the counts say how many there are. */
const maxLines = 10;

/** What changed, for the channel; the first time everything that there is. */
export function renderScheduleNews(
  { look, lost, back, isAfterFailure, verdictBefore }: ScheduleNews,
  options: SchedulePostOptions,
): SchedulePost {
  const words = wording[options.language];
  const { counts } = look;
  const title = look.isFirst
    ? words.first(counts.still, counts.looked, counts.nodes)
    : counts.new + counts.gone === 0
      ? words.sameTroubles(counts.still)
      : words.changed(counts.new, counts.gone, counts.still);
  const unseen = look.isFirst ? look.unseen : lost;
  return postOf(
    title,
    look.isFirst || counts.new > 0 ? mark(counts.new + (look.isFirst ? counts.still : 0)) : '✅',
    options,
    [
      ...(isAfterFailure ? [words.again] : []),
      verdictBefore === undefined
        ? escape(look.isFirst ? look.headline : '')
        : words.verdict(words.verdicts[verdictBefore], escape(look.headline)),
      section(words.new, look.new, counts.new, options),
      look.isFirst ? section(words.there, look.still, counts.still, options) : '',
      section(words.gone, look.gone, counts.gone, options, true),
      section(words.unsure, look.unsure, counts.unsure, options),
      list(
        words.lost,
        unseen.map(({ node, why }) => words.nodeWhy(escape(node), escape(why))),
        unseen.length,
        options,
      ),
      list(words.back, back.map(escape), back.length, options),
      ...(look.isFirst ? [words.fromNowOn] : []),
    ],
  );
}

/** That a firing did not look at all. */
export function renderScheduleFailure(
  why: { readonly message: string; readonly hint: string },
  options: SchedulePostOptions,
): SchedulePost {
  const words = wording[options.language];
  return postOf(words.failed, '❗', options, [`${escape(why.message)}\n${escape(why.hint)}`.trim(), words.failedOnce]);
}

/** The counts of the time since the last summary; also where nothing changed. */
export function renderScheduleSummary(
  state: ScheduleState,
  { nextMs, ...options }: SchedulePostOptions & { readonly nextMs: number },
): SchedulePost {
  const words = wording[options.language];
  const { tally, count, troubles, unseen, failure } = state;
  const oldest = [...troubles].sort((a, b) => a.firstSeenMs - b.firstSeenMs);
  const title = words.summary(dateText(tally.sinceMs, options), count);
  return postOf(title, count === 0 && unseen.length === 0 && failure === undefined ? '✅' : '📋', options, [
    words.tally(tally.looks, tally.new, tally.gone),
    ...(tally.failed > 0 ? [words.failedTimes(tally.failed)] : []),
    ...(failure === undefined ? [] : [`${words.failedNow} ${escape(failure)}`]),
    words.seen(state.looked, state.nodes),
    section(words.oldest, oldest, count, options, true),
    list(words.notSeen, unseen.map(escape), state.nodes - state.looked, options),
    words.next(dateText(nextMs, options)),
  ]);
}

function mark(count: number): string {
  return count > 0 ? '⚠️' : '✅';
}

function postOf(title: string, sign: string, { name }: SchedulePostOptions, parts: readonly string[]): SchedulePost {
  const head = `${sign} *${escape(name)}* · ${title}`;
  const told = parts.filter((part) => part !== '');
  return {
    text: `${sign} ${escape(name)}: ${title}`,
    blocks: [head, ...told].map((text) => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } })),
  };
}

function section(
  title: string,
  troubles: readonly ScheduleTrouble[],
  count: number,
  options: SchedulePostOptions,
  withSince = false,
): string {
  const { language } = options;
  const words = wording[language];
  const lines = troubles.map(({ node, title: what, firstSeenMs }) => {
    const since = withSince ? ` ${words.since(dateText(firstSeenMs, options))}` : '';
    return `${words.onNode(escape(node), escape(what))}${since}`;
  });
  return list(title, lines, count, options);
}

/** @param count how many there are, also those that `lines` has no room for */
function list(title: string, lines: readonly string[], count: number, { language }: SchedulePostOptions): string {
  if (lines.length === 0) return '';
  const more = Math.max(count, lines.length) - Math.min(lines.length, maxLines);
  const shown = lines.slice(0, maxLines).map((line) => `• ${line}`);
  return [`*${title}*`, ...shown, ...(more > 0 ? [`… ${wording[language].more(more)}`] : [])].join('\n');
}

function escape(text: string): string {
  return escapeMrkdwn(visibleText(text).replace(/\s+/gu, ' ').trim());
}

/** `3 Nov 2026, 09:00`, in the schedule's zone. */
function dateText(atMs: number, { language, timeZone }: SchedulePostOptions): string {
  return new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', {
    timeZone,
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(atMs);
}

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const wording = {
  en: {
    first: (troubles: number, looked: number, nodes: number) =>
      `first look: ${plural(troubles, 'trouble')} on ${looked} of ${plural(nodes, 'node')}`,
    changed: (fresh: number, gone: number, still: number) => `${fresh} new, ${gone} gone, ${still} as before`,
    sameTroubles: (still: number) => `no change in what was found (${still} as before)`,
    again: 'It runs again.',
    verdict: (before: string, headline: string) => `Now: ${headline} (before: ${before})`,
    verdicts: { found: 'a cause was found', clear: 'clear', inconclusive: 'inconclusive' },
    new: 'New',
    there: 'There now',
    gone: 'Gone',
    unsure: 'Could not be told this time, so not counted as gone',
    lost: 'Could not be looked at',
    back: 'Can be looked at again',
    fromNowOn: 'From now on only changes are told here, and the counts in the summary.',
    onNode: (node: string, what: string) => `\`${node}\` ${what}`,
    nodeWhy: (node: string, why: string) => (why === '' ? `\`${node}\`` : `\`${node}\` ${why}`),
    since: (when: string) => `(since ${when})`,
    more: (count: number) => `and ${count} more`,
    failed: 'it could not run',
    failedOnce: 'It is tried again at its next time; the same reason is not told again.',
    failedNow: 'It does not run at the moment:',
    failedTimes: (count: number) => `${plural(count, 'time')} it could not run.`,
    summary: (since: string, count: number) => `since ${since}: ${plural(count, 'trouble')} now`,
    tally: (looks: number, fresh: number, gone: number) =>
      `Looked ${plural(looks, 'time')}: ${fresh} new, ${gone} gone.`,
    seen: (looked: number, nodes: number) => `The last time ${looked} of ${plural(nodes, 'node')} could be looked at.`,
    oldest: 'Still there, oldest first',
    notSeen: 'Could not be looked at',
    next: (when: string) => `Next look: ${when}.`,
  },
  zh: {
    first: (troubles: number, looked: number, nodes: number) =>
      `首次检查：${nodes} 个节点中检查了 ${looked} 个，有 ${troubles} 个问题`,
    changed: (fresh: number, gone: number, still: number) => `新增 ${fresh} 个，消失 ${gone} 个，其余 ${still} 个未变`,
    sameTroubles: (still: number) => `发现的问题没有变化（${still} 个同前）`,
    again: '已恢复运行。',
    verdict: (before: string, headline: string) => `现在：${headline}（之前：${before}）`,
    verdicts: { found: '已定位', clear: '未发现故障', inconclusive: '无法下结论' },
    new: '新增',
    there: '目前存在',
    gone: '已消失',
    unsure: '这次无法判断，因此不算已消失',
    lost: '无法检查',
    back: '又可以检查了',
    fromNowOn: '今后这里只报告变化，汇总里给出数量。',
    onNode: (node: string, what: string) => `\`${node}\` ${what}`,
    nodeWhy: (node: string, why: string) => (why === '' ? `\`${node}\`` : `\`${node}\` ${why}`),
    since: (when: string) => `（自 ${when}）`,
    more: (count: number) => `还有 ${count} 个`,
    failed: '未能运行',
    failedOnce: '下次到点会再试；同样的原因不再重复报告。',
    failedNow: '目前未能运行：',
    failedTimes: (count: number) => `有 ${count} 次未能运行。`,
    summary: (since: string, count: number) => `自 ${since} 以来：目前有 ${count} 个问题`,
    tally: (looks: number, fresh: number, gone: number) => `检查了 ${looks} 次：新增 ${fresh} 个，消失 ${gone} 个。`,
    seen: (looked: number, nodes: number) => `最近一次检查了 ${nodes} 个节点中的 ${looked} 个。`,
    oldest: '仍然存在（最早的在前）',
    notSeen: '无法检查',
    next: (when: string) => `下次检查：${when}。`,
  },
} as const;
