import type { EvidenceEntry, Exit } from '../model/evidence.ts';
import type { FactName } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { PlaybookChoice, Role, Seen } from '../model/plan.ts';
import type { Ladder, Remedy } from '../model/report.ts';
import type { ReportVerdict, Verdict } from '../model/verdict.ts';
import type { RunPhase } from './run-status.ts';

type RemedyKind = Remedy['kind'];
type Fate = Ladder['steps'][number]['fate'];
type NotStarted = Extract<Exit, { how: 'notStarted' }>['why'];
type StoppedWhy = Extract<Exit, { how: 'stopped' }>['why'];

/**
 * Text of a report that is not a rule's: section names, verdict words, reasons. Both languages have the same keys;
 * the compiler holds that. Rules bring their own sentences, in the language of the run.
 */
export interface Wording {
  readonly verdict: Readonly<Record<ReportVerdict, string>>;
  /** What the verdict does and does not say, one sentence under the headline. */
  readonly verdictMeans: Readonly<Record<ReportVerdict, string>>;
  readonly finding: Readonly<Record<Verdict, string>>;
  readonly cause: string;
  readonly causes: string;
  readonly whatToDo: string;
  /** How to see that a remedy helped: the same question, once more. */
  readonly verify: (ask: string) => string;
  readonly remedy: Readonly<Record<RemedyKind, string>>;
  readonly risk: string;
  readonly undo: string;
  readonly packets: string;
  readonly capturedOn: (node: string) => string;
  readonly fate: Readonly<Record<Fate, string>>;
  readonly client: string;
  readonly target: string;
  readonly morePackets: (count: number) => string;
  readonly ruledOut: string;
  readonly notApplicable: string;
  readonly couldNotSee: string;
  readonly cannotTell: string;
  readonly ownFault: string;
  readonly nodes: string;
  readonly role: Readonly<Record<Role, string>>;
  readonly kernel: string;
  readonly clock: string;
  readonly address: string;
  readonly node: string;
  readonly roleColumn: string;
  readonly notSeen: string;
  readonly run: string;
  readonly took: string;
  readonly started: string;
  readonly playbook: string;
  readonly port: string;
  readonly from: string;
  readonly via: string;
  readonly list: string;
  readonly colon: string;
  readonly semicolon: string;
  /** Where the rest of a text that was cut can be read. */
  readonly cutCharacters: (count: number) => string;
  readonly moreInBundle: (count: number) => string;
  readonly commandInBundle: string;
  readonly fact: Readonly<Record<FactName, string>>;
  readonly evidence: string;
  readonly evidenceAbout: string;
  readonly timeline: string;
  readonly command: string;
  readonly ended: string;
  readonly bytes: string;
  readonly asRoot: string;
  readonly evidencePhase: Readonly<Record<EvidenceEntry['phase'], string>>;
  readonly exited: (code: number) => string;
  readonly signalled: (signal: string) => string;
  readonly timedOut: (seconds: string) => string;
  readonly stopped: Readonly<Record<StoppedWhy, string>>;
  readonly tooMuchOutput: string;
  readonly connectionLost: string;
  readonly notStarted: Readonly<Record<NotStarted, string>>;
  readonly skipped: string;
  readonly readOnlyPromise: string;
  readonly copyHint: string;
  readonly copy: string;
  readonly copied: string;
  readonly whereTimeWent: string;
  readonly status: {
    readonly queued: string;
    readonly running: string;
    readonly asked: (who: string) => string;
    readonly phase: Readonly<Record<RunPhase, string>>;
    readonly seconds: (seconds: string) => string;
    readonly waitingFor: (node: string) => string;
    readonly connected: string;
    readonly unreachable: string;
    readonly probes: (values: { node: string; done: number; total: number; failed: number }) => string;
    readonly decided: string;
    readonly cancelled: string;
    readonly failed: string;
  };
  readonly explain: {
    readonly title: string;
    readonly nothingRan: string;
    readonly target: string;
    readonly playbooks: string;
    readonly chosenBy: Readonly<Record<PlaybookChoice['by'], string>>;
    readonly seen: Readonly<Record<Seen, string>>;
    readonly onward: (collectors: string) => string;
    readonly mayJoin: (values: { playbook: string; seen: string; collectors: string; rules: number }) => string;
    readonly rules: string;
    readonly wall: string;
    readonly window: string;
    readonly capture: (values: { packets: string; bytes: string }) => string;
    readonly why: string;
    readonly outsideClients: (addresses: string) => string;
    readonly bound: string;
    readonly boundColumn: string;
    readonly privilege: Readonly<Record<'none' | 'root', string>>;
    readonly privilegeColumn: string;
    readonly whenColumn: string;
    readonly commandColumn: string;
    readonly noCommands: string;
    readonly commands: (count: number) => string;
    readonly nothingChanges: string;
  };
}

const en: Wording = {
  verdict: { found: 'FOUND', clear: 'CLEAR', inconclusive: 'INCONCLUSIVE' },
  verdictMeans: {
    found: 'The cause is below, with its numbers and where they were seen.',
    clear: 'Every fault that was looked for is ruled out. Faults outside this list were not looked for.',
    inconclusive: 'Not everything that was needed could be seen. This is not an all-clear.',
  },
  finding: {
    confirmed: 'confirmed',
    likely: 'likely',
    ruledOut: 'ruled out',
    notApplicable: 'not applicable',
    unknown: 'unknown',
    error: 'netcheck failed',
  },
  cause: 'Cause',
  causes: 'Causes',
  whatToDo: 'What to do',
  verify: (ask) => `To verify, ask again afterwards (mended: CLEAR): netcheck ${ask}`,
  remedy: {
    temporary: 'Now (temporary)',
    permanent: 'For good (permanent)',
    kubernetes: 'In Kubernetes',
    application: 'In the application',
  },
  risk: 'Risk',
  undo: 'Undo',
  packets: 'Packets',
  capturedOn: (node) => `captured on ${node}`,
  fate: { seen: 'seen', answered: 'answered', unanswered: 'no answer', lost: 'lost' },
  client: 'client',
  target: 'target',
  morePackets: (count) => `… ${count} more ${count === 1 ? 'packet' : 'packets'} …`,
  ruledOut: 'Ruled out',
  notApplicable: 'Not applicable here',
  couldNotSee: 'Could not see',
  cannotTell: 'so this cannot be told',
  ownFault: 'netcheck failed on these rules (our own fault)',
  nodes: 'Nodes',
  role: { target: 'target', client: 'client', forwarder: 'forwarder' },
  kernel: 'kernel',
  clock: 'clock',
  address: 'address',
  node: 'node',
  roleColumn: 'role',
  notSeen: 'not seen',
  run: 'Run',
  took: 'took',
  started: 'started',
  playbook: 'playbook',
  port: 'port',
  from: 'from',
  via: 'via',
  list: ', ',
  colon: ': ',
  semicolon: '; ',
  cutCharacters: (count) => `… (${count} more characters in the bundle)`,
  moreInBundle: (count) => `… ${count} more in the bundle`,
  commandInBundle: 'too long to show here without cutting it: copy it from the bundle (report.json)',
  fact: {
    features: 'what the node has (tools, modules)',
    kernel: 'kernel release',
    clock: 'clock',
    sysctl: 'kernel settings (sysctl)',
    counters: 'network counters',
    listeners: 'listening sockets',
    sockets: 'open sockets',
    links: 'network devices',
    addresses: 'addresses',
    routes: 'routes',
    routeGet: "the kernel's route decision",
    neighbours: 'neighbour table (ARP)',
    firewall: 'firewall rules and their counters',
    ipvs: 'IPVS tables',
    conntrackStats: 'conntrack counters',
    tcpMetrics: 'TCP memory of peers (tcp_metrics)',
    capture: 'packet capture',
    probes: 'connect probes',
    namespace: 'network namespace',
    policyRules: 'routing rules (ip rule)',
    nics: 'network cards (ethtool)',
    kernelLog: 'kernel log',
    resolver: 'resolver settings (resolv.conf, hosts, nsswitch)',
    socketSummary: 'number of sockets',
    conntrackEntries: 'tracked connections',
    ipsets: 'ipsets',
    listenerProcesses: 'limits of the listening process',
    kubeProxy: 'kube-proxy',
    cluster: 'Kubernetes objects',
    fdb: 'bridge forwarding table',
    tracedPaths: 'path MTU (tracepath)',
    pings: 'pings',
    nameLookups: 'name look-ups',
    arpAnswers: 'answers to ARP',
    ownValues: 'values of own collectors',
    sinceAudit: 'counters of the last audit',
  },
  evidence: 'Evidence',
  evidenceAbout: 'Every command that ran, where, and how it ended. The raw output is in the run bundle.',
  timeline: 'Timeline',
  command: 'command',
  ended: 'ended',
  bytes: 'bytes',
  asRoot: 'root',
  evidencePhase: { look: 'look', once: 'once', before: 'before', during: 'during', after: 'after' },
  exited: (code) => (code === 0 ? 'ok' : `exit ${code}`),
  signalled: (signal) => `killed by ${signal}`,
  timedOut: (seconds) => `timed out after ${seconds}`,
  stopped: { enough: 'stopped: enough seen', cancelled: 'cancelled', windowOver: 'stopped: window over' },
  tooMuchOutput: 'cut: too much output',
  connectionLost: 'connection lost',
  notStarted: {
    unreachable: 'not run: node unreachable',
    timeout: 'not run: no answer in time',
    hostKey: 'not run: host key refused',
    auth: 'not run: login refused',
    sudo: 'not run: sudo refused',
    toolMissing: 'not run: tool missing',
    channel: 'not run: no SSH channel',
    budget: 'not run: out of time',
  },
  skipped: 'skipped',
  readOnlyPromise: 'netcheck only looks: it changed nothing on these nodes.',
  copyHint: 'click selects a command whole',
  copy: 'Copy',
  copied: 'Copied',
  whereTimeWent: 'Where the time went',
  status: {
    queued: 'queued',
    running: 'running',
    asked: (who) => `asked by ${who}`,
    phase: {
      connect: 'connect',
      look: 'look around',
      before: 'read counters',
      capture: 'start captures',
      probe: 'probe',
      after: 'read counters again',
      judge: 'judge',
    },
    seconds: (seconds) => `${seconds} s`,
    waitingFor: (node) => `waiting for a free slot on ${node}`,
    connected: 'connected',
    unreachable: 'unreachable',
    probes: ({ node, done, total, failed }) => `probes from ${node}: ${done} of ${total} done, ${failed} failed`,
    decided: 'First finding',
    cancelled: 'Cancelled',
    failed: 'No report',
  },
  explain: {
    title: 'What would run, and where',
    nothingRan: 'Nothing has been run: --explain only plans.',
    target: 'Target',
    playbooks: 'Playbooks',
    chosenBy: {
      named: 'asked for',
      word: 'a word of the question:',
      question: 'the port and protocol of the question',
      default: 'no word of the question chooses another',
      service: 'the address and port are a Service',
      tunnel: 'the way leads through a tunnel',
      cluster: 'the question is about Kubernetes',
    },
    seen: {
      service: 'the address and port turn out to be a Service (IPVS, NAT)',
      tunnel: 'the way turns out to lead through a tunnel',
      cluster: 'the question is about Kubernetes, or turns out to be',
    },
    onward: (collectors) =>
      `Where the address and port turn out to be a Service, at most two nodes of the inventory that its servers live on join, read-only as well: ${collectors}`,
    mayJoin: ({ playbook, seen, collectors, rules }) =>
      `${playbook} joins where ${seen}: ${rules} rules more${collectors === '' ? '' : `; reads ${collectors}`}`,
    rules: 'Rules',
    wall: 'whole run at most',
    window: 'captures and probes at most',
    capture: ({ packets, bytes }) => `a capture at most ${packets} packets or ${bytes}`,
    why: 'here because',
    outsideClients: (addresses) => `Not a node of ours, watched for in the captures only: ${addresses}`,
    bound: 'Bounds',
    boundColumn: 'at most',
    privilege: { none: '', root: 'root' },
    privilegeColumn: 'as',
    whenColumn: 'when',
    commandColumn: 'command',
    noCommands: 'No command would run here.',
    commands: (count) => `${count} ${count === 1 ? 'command' : 'commands'}`,
    nothingChanges: 'Nothing is changed on a node: every command only reads, and each has a time and a size limit.',
  },
};

const zh: Wording = {
  verdict: { found: '已定位', clear: '未发现故障', inconclusive: '无法下结论' },
  verdictMeans: {
    found: '原因、依据数据和出处如下。',
    clear: '本次检查的故障均已排除；不在检查范围内的故障没有查。',
    inconclusive: '需要的数据没有拿全，不能当作“没有问题”。',
  },
  finding: {
    confirmed: '已确认',
    likely: '很可能',
    ruledOut: '已排除',
    notApplicable: '不适用',
    unknown: '无法判断',
    error: 'netcheck 自身出错',
  },
  cause: '原因',
  causes: '原因',
  whatToDo: '处理办法',
  verify: (ask) => `验证：处理后再问一次（修好时为“未发现故障”）：netcheck ${ask}`,
  remedy: {
    temporary: '临时处理（马上止血）',
    permanent: '永久修复',
    kubernetes: 'Kubernetes 侧',
    application: '应用侧',
  },
  risk: '风险',
  undo: '回退',
  packets: '抓包',
  capturedOn: (node) => `抓包点 ${node}`,
  fate: { seen: '已看到', answered: '有应答', unanswered: '无应答', lost: '丢失' },
  client: '客户端',
  target: '目标',
  morePackets: (count) => `…… 省略 ${count} 个包 ……`,
  ruledOut: '已排除',
  notApplicable: '此处不适用',
  couldNotSee: '未能查看',
  cannotTell: '因此无法判断',
  ownFault: '以下规则 netcheck 自身出错（我方问题）',
  nodes: '节点',
  role: { target: '目标', client: '客户端', forwarder: '转发节点' },
  kernel: '内核',
  clock: '时钟偏差',
  address: '地址',
  node: '节点',
  roleColumn: '角色',
  notSeen: '未能查看',
  run: '运行',
  took: '耗时',
  started: '开始',
  playbook: '剧本',
  port: '端口',
  from: '来自',
  via: '经由',
  list: '、',
  colon: '：',
  semicolon: '；',
  cutCharacters: (count) => `……（还有 ${count} 个字符，见证据包）`,
  moreInBundle: (count) => `…… 另有 ${count} 条，见证据包`,
  commandInBundle: '命令太长，截断会误导，请从证据包（report.json）里复制',
  fact: {
    features: '节点环境（工具、内核模块）',
    kernel: '内核版本',
    clock: '时钟',
    sysctl: '内核参数（sysctl）',
    counters: '网络计数器',
    listeners: '监听端口',
    sockets: '连接列表',
    links: '网卡',
    addresses: 'IP 地址',
    routes: '路由表',
    routeGet: '内核选路结果',
    neighbours: '邻居表（ARP）',
    firewall: '防火墙规则及计数',
    ipvs: 'IPVS 表',
    conntrackStats: 'conntrack 计数',
    tcpMetrics: '对端 TCP 记录（tcp_metrics）',
    capture: '抓包',
    probes: '连接探测',
    namespace: '网络命名空间',
    policyRules: '策略路由规则（ip rule）',
    nics: '网卡（ethtool）',
    kernelLog: '内核日志',
    resolver: '域名解析配置（resolv.conf、hosts、nsswitch）',
    socketSummary: '套接字数量',
    conntrackEntries: '连接跟踪表项',
    ipsets: 'ipset 集合',
    listenerProcesses: '监听进程的资源限制',
    kubeProxy: 'kube-proxy 的模式与健康状态',
    cluster: 'Kubernetes 对象',
    fdb: '网桥转发表（fdb）',
    tracedPaths: '路径 MTU（tracepath）',
    pings: 'ping 结果',
    nameLookups: '域名查询结果',
    arpAnswers: 'ARP 应答',
    ownValues: '自定义采集器读到的值',
    sinceAudit: '上次巡检的计数器',
  },
  evidence: '证据',
  evidenceAbout: '所有执行过的命令、所在节点和结束情况。原始输出在证据包里。',
  timeline: '时间线',
  command: '命令',
  ended: '结果',
  bytes: '字节',
  asRoot: 'root',
  evidencePhase: { look: '摸底', once: '一次', before: '探测前', during: '探测中', after: '探测后' },
  exited: (code) => (code === 0 ? '正常' : `退出码 ${code}`),
  signalled: (signal) => `被 ${signal} 终止`,
  timedOut: (seconds) => `${seconds}后超时`,
  stopped: { enough: '提前结束：已足够', cancelled: '已取消', windowOver: '结束：窗口到时' },
  tooMuchOutput: '输出过多，已截断',
  connectionLost: '连接中断',
  notStarted: {
    unreachable: '未执行：节点不可达',
    timeout: '未执行：连接超时',
    hostKey: '未执行：主机密钥不被信任',
    auth: '未执行：登录被拒',
    sudo: '未执行：sudo 被拒',
    toolMissing: '未执行：缺少工具',
    channel: '未执行：SSH 通道打不开',
    budget: '未执行：时间用完',
  },
  skipped: '跳过',
  readOnlyPromise: 'netcheck 只读不改，节点上没有任何变更。',
  copyHint: '点一下即可选中整条命令',
  copy: '复制',
  copied: '已复制',
  whereTimeWent: '时间花在哪里',
  status: {
    queued: '排队中',
    running: '诊断中',
    asked: (who) => `提问人 ${who}`,
    phase: {
      connect: '连接节点',
      look: '摸底',
      before: '读计数器',
      capture: '开始抓包',
      probe: '探测',
      after: '再读计数器',
      judge: '判断',
    },
    seconds: (seconds) => `${seconds} 秒`,
    waitingFor: (node) => `等待 ${node} 的空闲名额`,
    connected: '已连上',
    unreachable: '连不上',
    probes: ({ node, done, total, failed }) => `从 ${node} 探测：完成 ${done}/${total}，失败 ${failed}`,
    decided: '首个发现',
    cancelled: '已取消',
    failed: '没有报告',
  },
  explain: {
    title: '将在哪些节点上执行什么',
    nothingRan: '尚未执行任何命令：--explain 只做计划。',
    target: '目标',
    playbooks: '剧本',
    chosenBy: {
      named: '指定使用',
      word: '问题中的词：',
      question: '问题中的端口和协议',
      default: '问题中没有选择其他剧本的词',
      service: '该地址和端口是 Service',
      tunnel: '路径经过隧道',
      cluster: '问题与 Kubernetes 有关',
    },
    seen: {
      service: '发现该地址和端口是 Service（IPVS、NAT）',
      tunnel: '发现路径经过隧道',
      cluster: '问题与 Kubernetes 有关，或发现与其有关',
    },
    onward: (collectors) =>
      `如果该地址和端口是 Service，其后端所在的节点（最多两个，须在清单中）也会加入，同样只读：${collectors}`,
    mayJoin: ({ playbook, seen, collectors, rules }) =>
      `${seen}时加入 ${playbook}：多 ${rules} 条规则${collectors === '' ? '' : `；读取 ${collectors}`}`,
    rules: '规则',
    wall: '整个过程最长',
    window: '抓包和探测最长',
    capture: ({ packets, bytes }) => `单个抓包最多 ${packets} 个包或 ${bytes}`,
    why: '选它的原因',
    outsideClients: (addresses) => `不是我们的节点，只在抓包里留意：${addresses}`,
    bound: '上限',
    boundColumn: '上限',
    privilege: { none: '', root: 'root' },
    privilegeColumn: '权限',
    whenColumn: '阶段',
    commandColumn: '命令',
    noCommands: '不会在这里执行任何命令。',
    commands: (count) => `${count} 条命令`,
    nothingChanges: '不会改动任何节点：所有命令都只读，且都有时间和大小上限。',
  },
};

export const wording: Readonly<Record<Language, Wording>> = { en, zh };
