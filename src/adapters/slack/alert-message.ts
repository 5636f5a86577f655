import type { Alert } from '../../model/alert.ts';
import type { Language } from '../../model/language.ts';
import { fitBlocks } from './fit-blocks.ts';
import { codeSpan, escapeMrkdwn, slackTime } from './mrkdwn.ts';
import type { MessageBody } from './outbox.ts';
import { clip } from './status-message.ts';

interface AlertWording {
  readonly firing: string;
  readonly resolved: string;
  readonly since: (time: string) => string;
  readonly until: (time: string) => string;
  readonly more: (n: number) => string;
  readonly noRun: string;
  readonly tooMany: (n: number, limit: number) => string;
  readonly tooManyHint: string;
  readonly source: string;
  readonly runbook: string;
}

const en: AlertWording = {
  firing: 'Alert',
  resolved: 'Resolved',
  since: (time) => `since ${time}`,
  until: (time) => `resolved ${time}`,
  more: (n) => `… and ${n} more`,
  noRun: 'netcheck does not look into this alert.',
  tooMany: (n, limit) =>
    `And ${n} more alert${n === 1 ? '' : 's'}: netcheck begins at most ${limit} runs a minute for alerts.`,
  tooManyHint: 'Nothing was looked at for these; ask with /netcheck where you want to know.',
  source: 'Source',
  runbook: 'Runbook',
};

const zh: AlertWording = {
  firing: '告警',
  resolved: '已恢复',
  since: (time) => `开始于 ${time}`,
  until: (time) => `恢复于 ${time}`,
  more: (n) => `…… 还有 ${n} 项`,
  noRun: 'netcheck 没有检查此告警。',
  tooMany: (n, limit) => `另有 ${n} 条告警：netcheck 每分钟最多为告警启动 ${limit} 次检查。`,
  tooManyHint: '这些告警没有检查；需要时请用 /netcheck 提问。',
  source: '来源',
  runbook: '处理手册',
};

/** What alerts say in one language. What is filled in is escaped already. */
export function alertWordingIn(language: Language): AlertWording {
  return language === 'zh' ? zh : en;
}

/** Labels that say where netcheck looks, shown first; everything else follows as it comes. */
const firstLabels = ['instance', 'severity', 'job', 'namespace', 'pod', 'service', 'node', 'cluster'];
const maxLabels = 12;

/** The root of an alert's thread. Nothing in it that the alert brought along can act in Slack. */
export function alertMessage(alert: Alert, id: string, language: Language): MessageBody {
  const wording = alertWordingIn(language);
  const isOver = alert.status === 'resolved';
  const head = `${isOver ? '✅' : '🔔'} *${isOver ? wording.resolved : wording.firing}*`;
  const { summary, description, message, runbook_url } = alert.annotations;
  const prose = summary ?? description ?? message;
  const links = [link(alert.generatorURL, wording.source), link(runbook_url, wording.runbook)].filter(
    (one) => one !== '',
  );
  const times = [
    wording.since(slackTime(alert.startsAt)),
    ...(isOver && alert.endsAt !== undefined ? [wording.until(slackTime(alert.endsAt))] : []),
  ];
  const blocks = [
    {
      type: 'section',
      block_id: `netcheck:${id}:alert`,
      text: { type: 'mrkdwn', text: `${head}  ${codeSpan(clip(nameOf(alert), 200))}`, verbatim: true },
    },
    ...(prose === undefined || prose === ''
      ? []
      : [{ type: 'section', text: { type: 'mrkdwn', text: escapeMrkdwn(clip(prose, 600)), verbatim: true } }]),
    context(labelsOf(alert, wording)),
    context([...times, ...links].join(' · ')),
  ].filter((block) => block !== undefined);
  return {
    text: escapeMrkdwn(
      clip(`${isOver ? wording.resolved : wording.firing}: ${nameOf(alert)} ${placeOf(alert)}`.trim(), 300),
    ),
    blocks: fitBlocks(blocks, [], language),
  };
}

/** A reply with a few sentences of ours, each escaped already. */
export function replyMessage(lines: readonly string[], blockId: string): MessageBody {
  const text = lines.filter((line) => line !== '').join('\n');
  return {
    text,
    blocks: [{ type: 'section', block_id: blockId, text: { type: 'mrkdwn', text, verbatim: true } }],
  };
}

/** `TargetDown node-50:1301`, escaped, for lists. */
export function shortNameOf(alert: Alert): string {
  return codeSpan(clip(`${nameOf(alert)} ${placeOf(alert)}`.trim(), 120));
}

function nameOf({ labels }: Alert): string {
  return (Object.hasOwn(labels, 'alertname') ? labels['alertname'] : undefined) || 'alert';
}

function placeOf({ labels }: Alert): string {
  return (Object.hasOwn(labels, 'instance') ? labels['instance'] : undefined) ?? '';
}

function labelsOf({ labels }: Alert, wording: AlertWording): string {
  const rank = (name: string): number =>
    (firstLabels.indexOf(name) + firstLabels.length + 1) % (firstLabels.length + 1);
  const names = Object.keys(labels)
    .filter((name) => name !== 'alertname')
    .sort((a, b) => rank(a) - rank(b));
  const shown = names.slice(0, maxLabels).map((name) => codeSpan(clip(`${name}=${labels[name] ?? ''}`, 120)));
  return [...shown, ...(names.length > maxLabels ? [wording.more(names.length - maxLabels)] : [])].join(' ');
}

/** A link that works, to http and https only; empty where it is none. */
function link(url: string | undefined, label: string): string {
  if (url === undefined || url.length > 1500 || !URL.canParse(url)) return '';
  const { protocol, href } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return '';
  const safe = href.replace(/[<>|&"]/gu, (char) => (char === '&' ? '&amp;' : encodeURIComponent(char)));
  return `<${safe}|${label}>`;
}

function context(mrkdwn: string): unknown {
  return mrkdwn === '' ? undefined : { type: 'context', elements: [{ type: 'mrkdwn', text: mrkdwn, verbatim: true }] };
}
