import type { Language } from '../../model/language.ts';
import type { OpenPoint } from '../../model/interpretation.ts';
import type { PastRun } from '../../model/past-run.ts';

/** What the front says where it asks back, in its modal, in App Home and in its short answers. Filled in: escaped. */
export interface FrontWording {
  readonly doubt: Readonly<Record<OpenPoint, (about: string, choices: number) => string>>;
  readonly anyNode: string;
  readonly another: string;
  readonly onlyAsker: (who: string) => string;
  readonly notYours: (who: string) => string;
  readonly alreadyChosen: string;
  readonly questionExpired: (command: string) => string;
  readonly nothingRead: string;
  readonly nothingReadInThread: string;
  readonly threadUnreadable: string;
  readonly partRead: (parts: string) => string;
  readonly example: (command: string) => string;
  readonly openForm: string;
  readonly form: {
    readonly title: string;
    readonly submit: string;
    readonly close: string;
    readonly target: string;
    readonly targetHint: string;
    readonly port: string;
    readonly from: string;
    readonly fromHint: string;
    readonly symptom: string;
    readonly symptomHint: string;
    readonly words: string;
    readonly wordsHint: string;
    readonly channel: string;
    readonly channelHint: string;
    readonly pick: string;
    readonly answerIn: (where: string) => string;
    readonly missingTarget: string;
    readonly missingPort: string;
  };
  readonly nodes: (shown: number, total: number) => string;
  readonly noNodes: (filter: string) => string;
  readonly moreNodes: (count: number, command: string) => string;
  readonly playbooks: string;
  readonly history: (about: string) => string;
  readonly noHistory: string;
  readonly historyUnknown: string;
  readonly verdict: Readonly<Record<PastRun['verdict'], string>>;
  readonly thread: string;
  readonly status: {
    readonly title: string;
    readonly redis: (version: string) => string;
    readonly noRedis: string;
    readonly slack: (when: string) => string;
    readonly slackSilent: string;
    readonly queue: (waiting: number, running: number) => string;
    readonly workers: (count: number) => string;
    /** `since`: when it was started. */
    readonly worker: (where: string, runs: number, since: string) => string;
    readonly moreWorkers: (count: number) => string;
    readonly noWorkers: string;
  };
  readonly home: {
    readonly title: string;
    readonly ask: string;
    readonly recent: string;
    readonly noRuns: string;
    readonly open: (total: number, when: string) => string;
    readonly nothingOpen: (when: string) => string;
    readonly andMore: (count: number) => string;
    readonly help: string;
  };
}

const en: FrontWording = {
  doubt: {
    meaning: () => 'Which of these do you mean?',
    name: (about, choices) =>
      choices === 1
        ? `There is no node ${about}. Do you mean this one?`
        : `Several nodes are called like ${about}. Which one?`,
    object: (about) => `${about} is in several namespaces. Which one?`,
    owner: (about) => `${about} is on several nodes. Which one do you mean?`,
    target: (about) => `Port ${about}: of which of these?`,
    port: (about) => `Which port of ${about}?`,
    from: (about) => `Where does ${about} fail from?`,
  },
  anyNode: 'Any node',
  another: 'Another …',
  onlyAsker: (who) => `Only ${who} can choose, within the hour.`,
  notYours: (who) => `This question was put to ${who}. Ask your own with @netcheck.`,
  alreadyChosen: 'This question has been answered already.',
  questionExpired: (command) => `This question is older than an hour. Ask again with ${command}.`,
  nothingRead: 'I could not find a node or address and a port in this.',
  nothingReadInThread:
    'I could not find a node or address and a port in your message or in the first message of this thread.',
  threadUnreadable: 'I cannot read this thread: /invite @netcheck, and check its permissions with `netcheck doctor`.',
  partRead: (parts) => `I read ${parts}, and that is not enough.`,
  example: (command) => `For example: \`${command} node-50 port 1301 from node-12\``,
  openForm: 'Fill in the form',
  form: {
    title: 'Which network fault?',
    submit: 'Find out',
    close: 'Cancel',
    target: 'What cannot be reached?',
    targetHint: 'A node, or an address that a node has. Type to search.',
    port: 'Port',
    from: 'Where does it fail from?',
    fromHint: 'A node to probe from. Empty: any.',
    symptom: 'What does it look like?',
    symptomHint: 'Empty: netcheck chooses.',
    words: 'In your own words',
    wordsHint: 'As in a question: udp, size 1400, via node-30, for 30s …',
    channel: 'Where should the answer go?',
    channelHint: 'netcheck must be in a private channel to answer there.',
    pick: 'Type to search',
    answerIn: (where) => `The answer comes in ${where}.`,
    missingTarget: 'Choose what cannot be reached.',
    missingPort: 'Ports are numbers from 1 to 65535.',
  },
  nodes: (shown, total) => (shown === total ? `*${total} nodes*` : `*${shown} of ${total} nodes*`),
  noNodes: (filter) => (filter === '' ? 'There are no nodes.' : `No node has ${filter} in its name.`),
  moreNodes: (count, command) => `… and ${count} more. \`${command} nodes web\` shows those with "web" in their name.`,
  playbooks: '*Playbooks* (add `playbook ID` to a question to choose one yourself)',
  history: (about) => (about === '' ? '*The last runs*' : `*The last runs* with ${about}`),
  noHistory: 'Nothing yet.',
  historyUnknown: 'netcheck cannot reach its memory (Redis) at the moment.',
  verdict: {
    found: 'cause found',
    clear: 'nothing wrong',
    inconclusive: 'not conclusive',
    cancelled: 'cancelled',
    failed: 'failed',
  },
  thread: 'thread',
  status: {
    title: '*netcheck at work*',
    redis: (version) => `✅ Redis ${version} answers`,
    noRedis: '🔴 Redis does not answer: no question can be taken (`netcheck doctor` says more)',
    slack: (when) => `✅ Slack took a message ${when}`,
    slackSilent: '⚪ nothing was sent to Slack since the start',
    queue: (waiting, running) => `${waiting === 0 ? '✅' : '⏳'} runs: ${running} going on, ${waiting} waiting`,
    workers: (count) => `✅ workers: ${count}`,
    worker: (where, runs, since) =>
      `      ${where}: ${runs === 0 ? 'free' : `${runs} ${runs === 1 ? 'run' : 'runs'} in hand`}, up since ${since}`,
    moreWorkers: (count) => `      and ${count} more`,
    noWorkers: '🔴 no worker is there: questions wait (`netcheck worker` starts one)',
  },
  home: {
    title: 'Which network fault is it?',
    ask: 'Ask',
    recent: '*Recent runs*',
    noRuns: 'No run yet. Ask the first question.',
    open: (total, when) => `*Open findings of the last audit* (${total}, ${when})`,
    nothingOpen: (when) => `*Last audit* (${when}): nothing open`,
    andMore: (count) => `… and ${count} more.`,
    help: 'In a channel: `/netcheck node-50 port 1301 from node-12`. In a thread: `@netcheck`, and it reads the message above. On any message: ⋮ > *Diagnose this*. `/netcheck help` shows the rest.',
  },
};

const zh: FrontWording = {
  doubt: {
    meaning: () => '你指的是哪一个？',
    name: (about, choices) =>
      choices === 1 ? `没有节点 ${about}。你指的是这个吗？` : `有多个节点的名字类似 ${about}。是哪一个？`,
    object: (about) => `多个命名空间里都有 ${about}。是哪一个？`,
    owner: (about) => `${about} 同时在多个节点上。你指的是哪一个？`,
    target: (about) => `端口 ${about}：是其中哪一个的？`,
    port: (about) => `${about} 的哪个端口？`,
    from: (about) => `从哪里访问 ${about} 失败？`,
  },
  anyNode: '任意节点',
  another: '其他……',
  onlyAsker: (who) => `只有 ${who} 可以选择，一小时内有效。`,
  notYours: (who) => `这个问题是问 ${who} 的。请用 @netcheck 提出你自己的问题。`,
  alreadyChosen: '这个问题已经回答过了。',
  questionExpired: (command) => `这个问题已超过一小时。请用 ${command} 重新提问。`,
  nothingRead: '没有从中找到节点（或地址）和端口。',
  nothingReadInThread: '在你的消息和此消息列的第一条消息里都没有找到节点（或地址）和端口。',
  threadUnreadable: '我无法读取此消息列：请输入 /invite @netcheck，并用 `netcheck doctor` 检查权限。',
  partRead: (parts) => `我读到 ${parts}，但还不够。`,
  example: (command) => `例如：\`${command} node-50 port 1301 from node-12\``,
  openForm: '填写表单',
  form: {
    title: '是哪种网络故障？',
    submit: '开始诊断',
    close: '取消',
    target: '什么访问不了？',
    targetHint: '节点，或某个节点拥有的地址。输入以搜索。',
    port: '端口',
    from: '从哪里访问失败？',
    fromHint: '从哪个节点探测。留空：任意。',
    symptom: '表现是什么？',
    symptomHint: '留空：由 netcheck 选择。',
    words: '用自己的话描述',
    wordsHint: '与提问相同：udp、size 1400、via node-30、for 30s ……',
    channel: '回答发到哪里？',
    channelHint: '私有频道需要先邀请 netcheck。',
    pick: '输入以搜索',
    answerIn: (where) => `回答会发到 ${where}。`,
    missingTarget: '请选择什么访问不了。',
    missingPort: '端口是 1 到 65535 的数字。',
  },
  nodes: (shown, total) => (shown === total ? `*${total} 个节点*` : `*${total} 个节点中的 ${shown} 个*`),
  noNodes: (filter) => (filter === '' ? '没有节点。' : `没有名字里含有 ${filter} 的节点。`),
  moreNodes: (count, command) => `…… 还有 ${count} 个。\`${command} nodes web\` 只显示名字里含有 "web" 的节点。`,
  playbooks: '*剧本* （在问题里加 `playbook ID` 可以自己指定）',
  history: (about) => (about === '' ? '*最近的运行*' : `*最近的运行* ：${about}`),
  noHistory: '还没有记录。',
  historyUnknown: 'netcheck 现在无法读取记录（Redis）。',
  verdict: {
    found: '已找到原因',
    clear: '未发现问题',
    inconclusive: '未能定论',
    cancelled: '已取消',
    failed: '失败',
  },
  thread: '消息列',
  status: {
    title: '*netcheck 运行状态*',
    redis: (version) => `✅ Redis ${version} 正常应答`,
    noRedis: '🔴 Redis 没有应答：无法接受提问（`netcheck doctor` 有更多信息）',
    slack: (when) => `✅ Slack 最近一次接受消息：${when}`,
    slackSilent: '⚪ 启动以来还没有向 Slack 发过消息',
    queue: (waiting, running) => `${waiting === 0 ? '✅' : '⏳'} 运行：${running} 个进行中，${waiting} 个等待`,
    workers: (count) => `✅ 工作进程：${count} 个`,
    worker: (where, runs, since) =>
      `      ${where}：${runs === 0 ? '空闲' : `正在处理 ${runs} 个运行`}，启动于 ${since}`,
    moreWorkers: (count) => `      另有 ${count} 个`,
    noWorkers: '🔴 没有工作进程：提问会一直等待（用 `netcheck worker` 启动）',
  },
  home: {
    title: '是哪种网络故障？',
    ask: '提问',
    recent: '*最近的运行*',
    noRuns: '还没有运行。来提第一个问题吧。',
    open: (total, when) => `*上次巡检未解决的问题* （${total} 个，${when}）`,
    nothingOpen: (when) => `*上次巡检* （${when}）：没有未解决的问题`,
    andMore: (count) => `…… 还有 ${count} 个。`,
    help: '在频道里：`/netcheck node-50 port 1301 from node-12`。在消息列里：`@netcheck`，它会读第一条消息。在任何消息上：⋮ > 「Diagnose this」。`/netcheck help` 显示更多。',
  },
};

/** In one language. */
export function frontWording(language: Language): FrontWording {
  return language === 'zh' ? zh : en;
}

/** A time that Slack shows in the clock of whoever reads it. @param atMs Unix milliseconds */
export function whenOf(atMs: number): string {
  const seconds = Math.floor(atMs / 1000);
  return `<!date^${seconds}^{date_short_pretty} {time}|${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC>`;
}
