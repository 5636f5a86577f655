import type { Language } from '../../model/language.ts';

/** What the Slack front itself says. Text in `{}` is filled in, already escaped. */
export interface Wording {
  readonly queued: string;
  readonly running: string;
  readonly cancelling: (by: string) => string;
  readonly cancelled: string;
  readonly cancelledBy: (by: string) => string;
  readonly failed: string;
  readonly notStarted: string;
  readonly asked: (who: string, what: string) => string;
  readonly rechecks: (who: string, what: string) => string;
  readonly phase: Readonly<Record<'connect' | 'look' | 'before' | 'capture' | 'probe' | 'after' | 'judge', string>>;
  readonly waitingFor: (node: string) => string;
  readonly unreachable: (node: string, why: string) => string;
  readonly probes: (done: number, total: number, failed: number) => string;
  readonly nodes: (names: string) => string;
  readonly verdict: Readonly<Record<'found' | 'clear' | 'inconclusive', string>>;
  readonly answerBelow: string;
  readonly attempt: (n: number) => string;
  readonly cancelButton: string;
  readonly recheckButton: string;
  readonly andMore: (n: number) => string;
  readonly plainFallback: string;
  readonly queueDown: { readonly message: string; readonly hint: string };
  readonly slackTrouble: { readonly message: string; readonly hint: string };
  readonly ourFault: { readonly message: string; readonly hint: string };
  readonly expired: (command: string) => string;
  readonly otherChannel: string;
  readonly alreadyCancelling: string;
  readonly alreadyOver: string;
  readonly alreadyRechecking: string;
  readonly notAllowed: { readonly message: string; readonly hint: string };
}

const en: Wording = {
  queued: 'queued',
  running: 'running',
  cancelling: (by) => `being cancelled by ${by}`,
  cancelled: 'cancelled',
  cancelledBy: (by) => `cancelled by ${by}`,
  failed: 'failed',
  notStarted: 'not started',
  asked: (who, what) => `${who} asked: ${what}`,
  rechecks: (who, what) => `${who} checks again: ${what}`,
  phase: {
    connect: 'logging in to the nodes',
    look: 'looking at what the nodes have',
    before: 'reading counters and settings',
    capture: 'starting captures',
    probe: 'probing the port',
    after: 'reading counters again',
    judge: 'judging',
  },
  waitingFor: (node) => `waiting for a free slot on ${node}`,
  unreachable: (node, why) => `${node} cannot be reached: ${why}`,
  probes: (done, total, failed) => `${done} of ${total} probes, ${failed} failed`,
  nodes: (names) => `on ${names}`,
  verdict: { found: 'Fault found', clear: 'Clear', inconclusive: 'Inconclusive' },
  answerBelow: 'Details are in the thread.',
  attempt: (n) => `attempt ${n}: an earlier worker stopped in the middle`,
  cancelButton: 'Cancel',
  recheckButton: 'Re-check',
  andMore: (n) => `… and ${n} more. The whole report is in the saved run.`,
  plainFallback: 'Slack refused the formatted report, so here it is as plain text.',
  queueDown: {
    message: 'netcheck cannot reach its queue (Redis), so nothing was started.',
    hint: 'Ask again in a minute. If it stays like this: check REDIS_URL and that redis-server is up (`netcheck doctor`). `netcheck …` on the command line works without Redis.',
  },
  slackTrouble: {
    message: 'Slack did not take netcheck’s message, so nothing was started.',
    hint: 'Ask again in a minute; status.slack.com says whether Slack has an incident.',
  },
  ourFault: {
    message: 'netcheck itself failed on this.',
    hint: 'Nothing was started. Please report it with the time; the log has the details.',
  },
  expired: (command) => `This button is older than 24 hours or its run is unknown. Ask again: ${command} …`,
  otherChannel: 'This button belongs to a run in another channel.',
  alreadyCancelling: 'This run is already being cancelled.',
  alreadyOver: 'This run is already over.',
  alreadyRechecking: 'This was asked to be checked again a moment ago; the answer comes in this thread.',
  notAllowed: { message: 'You may not do this.', hint: 'The `access` section of netcheck.yaml says who may.' },
};

const zh: Wording = {
  queued: '排队中',
  running: '运行中',
  cancelling: (by) => `${by} 正在取消`,
  cancelled: '已取消',
  cancelledBy: (by) => `已被 ${by} 取消`,
  failed: '失败',
  notStarted: '未开始',
  asked: (who, what) => `${who} 提问：${what}`,
  rechecks: (who, what) => `${who} 重新检查：${what}`,
  phase: {
    connect: '正在登录节点',
    look: '正在查看节点具备的工具',
    before: '正在读取计数器和设置',
    capture: '正在启动抓包',
    probe: '正在探测端口',
    after: '正在再次读取计数器',
    judge: '正在判断',
  },
  waitingFor: (node) => `正在等待 ${node} 的空闲名额`,
  unreachable: (node, why) => `无法到达 ${node}：${why}`,
  probes: (done, total, failed) => `已探测 ${done}/${total} 次，失败 ${failed} 次`,
  nodes: (names) => `节点：${names}`,
  verdict: { found: '找到故障', clear: '正常', inconclusive: '无法下结论' },
  answerBelow: '详情见消息列。',
  attempt: (n) => `第 ${n} 次尝试：之前的工作进程中途停止`,
  cancelButton: '取消',
  recheckButton: '重新检查',
  andMore: (n) => `…… 还有 ${n} 项。完整报告在保存的运行记录中。`,
  plainFallback: 'Slack 拒绝了带格式的报告，以下为纯文本。',
  queueDown: {
    message: 'netcheck 无法连接队列（Redis），没有启动任何检查。',
    hint: '请一分钟后再试。如果一直如此：检查 REDIS_URL 以及 redis-server 是否在运行（`netcheck doctor`）。命令行 `netcheck …` 不需要 Redis。',
  },
  slackTrouble: {
    message: 'Slack 没有接受 netcheck 的消息，没有启动任何检查。',
    hint: '请一分钟后再试；status.slack.com 会说明 Slack 是否有故障。',
  },
  ourFault: { message: 'netcheck 自身出错。', hint: '没有启动任何检查。请带上时间报告此问题；日志里有详情。' },
  expired: (command) => `此按钮已超过 24 小时，或其运行未知。请重新提问：${command} …`,
  otherChannel: '此按钮属于另一个频道的运行。',
  alreadyCancelling: '此运行正在取消。',
  alreadyOver: '此运行已经结束。',
  alreadyRechecking: '刚刚已请求重新检查；回答会出现在此消息列中。',
  notAllowed: { message: '你没有权限执行此操作。', hint: '权限见 netcheck.yaml 的 `access` 部分。' },
};

/** The front's sentences in one language. */
export function wordingIn(language: Language): Wording {
  return language === 'zh' ? zh : en;
}

/** Chinese characters in an ask make its answer Chinese; else the configured language. */
export function languageOf(text: string, configured: Language): Language {
  return /\p{Script=Han}/u.test(text) ? 'zh' : configured;
}
