import type { Language } from '../../model/language.ts';

interface TwoLines {
  readonly message: string;
  readonly hint: string;
}

/** What the Slack front itself says. What is filled in is escaped already. */
export interface Wording {
  readonly cancelling: string;
  readonly cancelledBy: (by: string) => string;
  readonly cancelled: string;
  readonly notStarted: string;
  readonly askedBy: (who: string) => string;
  readonly answerInThread: string;
  readonly attempt: (n: number) => string;
  readonly cancelButton: string;
  readonly recheckButton: string;
  /** What was understood of prose or of an alert. */
  readonly iRead: (question: string) => string;
  readonly andMore: (n: number) => string;
  readonly plainFallback: string;
  /** @param when a time as Slack shows it */
  readonly late: (when: string) => string;
  readonly queueDown: TwoLines;
  readonly slackTrouble: TwoLines;
  readonly ourFault: TwoLines;
  readonly expired: (command: string) => string;
  readonly otherChannel: string;
  /** To one who asks what is looked at already; and the same where others read along. */
  readonly lookedAtAlready: (link: string, askedBy: string) => string;
  readonly lookedAtElsewhere: (link: string) => string;
  readonly answeredAlready: (link: string) => string;
  readonly answerIsThere: (link: string) => string;
  readonly alreadyCancelling: string;
  readonly alreadyOver: string;
  readonly alreadyRechecking: string;
  readonly notAllowed: TwoLines;
}

const en: Wording = {
  cancelling: 'Being cancelled',
  cancelledBy: (by) => `Cancelled by ${by}`,
  cancelled: 'Cancelled',
  notStarted: 'Not started',
  askedBy: (who) => `asked by ${who}`,
  answerInThread: 'The whole answer is in the thread.',
  attempt: (n) => `Attempt ${n}: an earlier worker stopped in the middle.`,
  cancelButton: 'Cancel',
  recheckButton: 'Re-check',
  iRead: (question) => `I read: ${question}`,
  andMore: (n) => `… and ${n} more. The saved run has the whole report.`,
  late: (when) => `This answer was ready ${when}; Slack took it only now.`,
  plainFallback: 'Slack refused the formatted report; here it is as plain text.',
  queueDown: {
    message: 'netcheck cannot reach its queue (Redis), so nothing was done.',
    hint: 'Try again in a minute. If it stays like this: check REDIS_URL and that redis-server is up (`netcheck doctor` says more). `netcheck …` on the command line works without Redis.',
  },
  slackTrouble: {
    message: 'Slack did not take the message of netcheck, so nothing was started.',
    hint: 'Ask again in a minute; https://status.slack.com says whether Slack has an incident.',
  },
  ourFault: {
    message: 'netcheck itself failed on this, so nothing was started.',
    hint: 'Please report it with the time; the log of the bot has the details.',
  },
  expired: (command) => `This button is older than 24 hours, or its run is not known. Ask again with ${command}.`,
  otherChannel: 'This button belongs to a run in another channel.',
  lookedAtAlready: (link, askedBy) =>
    `The same is being looked at <${link}|here>, asked by ${askedBy}. The answer comes there and mentions you.`,
  lookedAtElsewhere: (link) => `The same is being looked at <${link}|here>. The answer comes there.`,
  answeredAlready: (link) =>
    `The same was asked a moment ago: the answer is <${link}|here>. Re-check below it looks again.`,
  answerIsThere: (link) => `The answer that you waited for is <${link}|here>.`,
  alreadyCancelling: 'This run is being cancelled already.',
  alreadyOver: 'This run is over already.',
  alreadyRechecking: 'Somebody asked for this a moment ago; the answer comes in this thread.',
  notAllowed: { message: 'You may not do this.', hint: 'The "access" part of netcheck.yaml says who may.' },
};

const zh: Wording = {
  cancelling: '正在取消',
  cancelledBy: (by) => `由 ${by} 取消`,
  cancelled: '已取消',
  notStarted: '未开始',
  askedBy: (who) => `提问者：${who}`,
  answerInThread: '完整的回答在消息列中。',
  attempt: (n) => `第 ${n} 次尝试：之前的工作进程中途停止。`,
  cancelButton: '取消',
  recheckButton: '重新检查',
  iRead: (question) => `我读到的是：${question}`,
  andMore: (n) => `…… 还有 ${n} 项。保存的运行记录里有完整报告。`,
  late: (when) => `此回答在 ${when} 已准备好；Slack 现在才接受。`,
  plainFallback: 'Slack 拒绝了带格式的报告，以下为纯文本。',
  queueDown: {
    message: 'netcheck 无法连接队列（Redis），什么也没有执行。',
    hint: '请一分钟后再试。如果一直如此：检查 REDIS_URL 以及 redis-server 是否在运行（`netcheck doctor` 有更多信息）。命令行 `netcheck …` 不需要 Redis。',
  },
  slackTrouble: {
    message: 'Slack 没有接受 netcheck 的消息，没有启动任何检查。',
    hint: '请一分钟后再试；https://status.slack.com 会说明 Slack 是否有故障。',
  },
  ourFault: { message: 'netcheck 自身出错，没有启动任何检查。', hint: '请带上时间报告此问题；机器人的日志里有详情。' },
  expired: (command) => `此按钮已超过 24 小时，或其运行未知。请用 ${command} 重新提问。`,
  otherChannel: '此按钮属于另一个频道的运行。',
  lookedAtAlready: (link, askedBy) => `${askedBy} 问的同一问题<${link}|正在检查>。回答会出现在那里，并提到你。`,
  lookedAtElsewhere: (link) => `同一问题<${link}|正在检查>，回答会出现在那里。`,
  answeredAlready: (link) => `同一问题刚刚有人问过：<${link}|回答在这里>。按其下的“重新检查”可再看一次。`,
  answerIsThere: (link) => `你等待的<${link}|回答在这里>。`,
  alreadyCancelling: '此运行正在取消。',
  alreadyOver: '此运行已经结束。',
  alreadyRechecking: '刚刚已有人请求重新检查；回答会出现在此消息列中。',
  notAllowed: { message: '你没有权限执行此操作。', hint: '权限见 netcheck.yaml 的 "access" 部分。' },
};

/** The front's sentences in one language. */
export function wordingIn(language: Language): Wording {
  return language === 'zh' ? zh : en;
}

/** Chinese characters in an ask make its answer Chinese, whatever else is set. */
export function isChinese(text: string): boolean {
  return /\p{Script=Han}/u.test(text);
}
