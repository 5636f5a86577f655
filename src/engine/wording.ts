import type { Exit } from '../model/evidence.ts';
import type { Language } from '../model/language.ts';

/** Sentences that the engine itself says: why something is not known, and how a run ended. Same keys in both. */
const en = {
  notReached: (node: string, why: string) => `netcheck could not look at ${node}: ${why}`,
  lookedUp: (asked: string, found: string) => `${asked} is ${found}`,
  lookedUpOnNodes: (asked: string, found: string, trouble: string) =>
    `${asked} is ${found}, as the node itself says; Kubernetes could not be asked: ${trouble}`,
  lookedUpElsewhere: (asked: string, found: string, node: string) =>
    `${asked} is ${found}, as the node itself says; Kubernetes says ${node}, where no process of it is: what it knows is old`,
  namespaceGone:
    'the process that the network namespace was named by ended during the run: what was read may belong to another',
  noNode: (address: string) => `no node of the inventory owns ${address}, so nothing could be read there`,
  notCollected: (fact: string) => `no command of this playbook reads ${fact} there`,
  notReadBecause: (what: string, why: string) => `${what}: ${why}`,
  noOutput: (command: string) => `${command} printed nothing usable`,
  exited: (command: string, code: number, said: string) =>
    `${command} ended with status ${code}${said === '' ? '' : `: ${said}`}`,
  signalled: (command: string, signal: string) => `${command} was killed by ${signal}`,
  timedOut: (command: string, seconds: number) => `${command} did not finish within ${seconds} s`,
  cancelled: (command: string) => `${command} was stopped before it had finished`,
  tooMuchOutput: (command: string, bytes: number) =>
    `${command} printed more than ${bytes} bytes; the rest was not read`,
  connectionLost: (command: string, message: string) => `the connection was lost while ${command} ran (${message})`,
  toolMissing: (message: string) => message,
  sudo: (command: string, message: string) => `${command} needs root, and sudo refused: ${message}`,
  skipped: (why: string) => `skipped: ${why}`,
  notInstalled: (tool: string) => `${tool} is not installed`,
  noFile: (file: string) => `${file} does not exist`,
  wouldLoad: (modules: string) => `would load ${modules}`,
  chosen: {
    named: 'it was asked for',
    question: 'the port and protocol of the question',
    default: 'no word of the question chooses another',
    service: 'the address and port are a Service on one of the nodes',
    tunnel: 'the way leads through a tunnel',
    cluster: 'the question is about Kubernetes, whose API can be asked',
  },
  chosenByWord: (word: string) => `"${word}" in the question`,
  udp: 'this rule reads TCP handshakes, and the question is about UDP',
  externalClient: (addresses: string) =>
    `nothing was sent to the port: netcheck cannot log in to ${addresses}, and no other client was named`,
  noRule: (rule: string) => `this version of netcheck has no rule ${rule}, so it was not judged`,
  nothingJudged: 'no rule of this playbook could be asked about these nodes',
  probesCut: (node: string, why: string) => `the probes from ${node} are not complete: ${why}`,
  noClient: 'nothing was sent to the port: there is no other node to probe from, and no client was named',
  ownNote: (text: string) => `Your team's note: ${text}`,
  namespaceForGood: (settings: string) =>
    `Whatever makes this network namespace has to set ${settings}: the sysctl.d of the node does not reach it (docker run --sysctl, a unit, a script with ip netns exec)`,
  crashed: (message: string) => `netcheck's own code failed here: ${message}`,
  unexplained: (failed: number, total: number, how: string) =>
    `${failed} of ${total} connects failed (${how}), and no rule of this playbook explains it`,
  probesRefused: (count: number) => `${count} refused`,
  probesTimedOut: (count: number) => `${count} without an answer`,
  probesNoRoute: (count: number) => `${count} with "No route to host"`,
  probesNetUnreachable: (count: number) => `${count} with "Network is unreachable"`,
  probesNotPermitted: (count: number) => `${count} not permitted`,
  probesOther: (count: number) => `${count} otherwise`,
  unexplainedSeen: (failed: number) =>
    `${failed} connections to the port were seen to fail, and no rule of this playbook explains it`,
  noNames:
    'no question about a name was seen (port 53): names come from a cache (nscd, systemd-resolved, the application), or in an encrypted way (port 853 or 443)',
  passive: (seconds: number) => `no traffic to the port was seen in ${seconds} s, and no node could probe it`,
  budget: 'the time for this run was over before everything was read',
  stopped: 'the run was cancelled before everything was read',
  truncatedCapture: (node: string, dropped: number) =>
    `the kernel of ${node} dropped ${dropped} packets of the capture; what is missing there proves little`,
  ofOthers: (clients: string, answered: number, sources: string, failed: number) =>
    `This befalls others: ${failed} connects of ${sources}. All ${answered} connects of ${clients}, which the question is about, were answered at once`,
  everyConnectWorked: (headline: string, total: number) => `${headline} (all ${total} connects of this run worked)`,
  clear: (target: string, port: number) =>
    `No fault found on the way to ${target} port ${port}: every check was made and came out clean`,
  clearNode: (node: string) => `Nothing risky was found on ${node}: every check was made and came out clean`,
  inconclusiveNode: (node: string, reason: string) => `Not decided for ${node}: ${reason}`,
  inconclusive: (target: string, port: number, reason: string) => `Not decided for ${target} port ${port}: ${reason}`,
  somethingUnseen: (count: number) => `${count} ${count === 1 ? 'check' : 'checks'} could not be made`,
  found: (title: string, node: string) => `${node}: ${title}`,
  foundLikely: (title: string, node: string) => `${node}: probably ${title}`,
  foundPath: (title: string, from: string, to: string) => `${from} → ${to}: ${title}`,
  foundPathLikely: (title: string, from: string, to: string) => `${from} → ${to}: probably ${title}`,
};

export type EngineText = typeof en;

const zh: EngineText = {
  notReached: (node, why) => `无法登录 ${node} 查看：${why}`,
  lookedUp: (asked, found) => `${asked}：${found}`,
  lookedUpOnNodes: (asked, found, trouble) => `${asked}：${found}（来自节点本身；无法查询 Kubernetes：${trouble}）`,
  lookedUpElsewhere: (asked, found, node) =>
    `${asked}：${found}（来自节点本身；Kubernetes 说在 ${node}，但那里没有它的进程：它的信息已过时）`,
  namespaceGone: '用来指定网络命名空间的进程在检查过程中退出了：读到的内容可能属于另一个命名空间',
  noNode: (address) => `清单中没有节点拥有 ${address}，无法在那里读取任何内容`,
  notCollected: (fact) => `该剧本没有命令在那里读取 ${fact}`,
  notReadBecause: (what, why) => `${what}：${why}`,
  noOutput: (command) => `${command} 没有输出可用内容`,
  exited: (command, code, said) => `${command} 以状态 ${code} 结束${said === '' ? '' : `：${said}`}`,
  signalled: (command, signal) => `${command} 被 ${signal} 终止`,
  timedOut: (command, seconds) => `${command} 在 ${seconds} 秒内没有结束`,
  cancelled: (command) => `${command} 在完成之前被停止`,
  tooMuchOutput: (command, bytes) => `${command} 的输出超过 ${bytes} 字节，其余未读`,
  connectionLost: (command, message) => `${command} 运行时连接中断（${message}）`,
  toolMissing: (message) => message,
  sudo: (command, message) => `${command} 需要 root，但 sudo 拒绝：${message}`,
  skipped: (why) => `已跳过：${why}`,
  notInstalled: (tool) => `未安装 ${tool}`,
  noFile: (file) => `${file} 不存在`,
  wouldLoad: (modules) => `会加载内核模块 ${modules}`,
  chosen: {
    named: '指定使用',
    question: '问题中的端口和协议',
    default: '问题中没有选择其他剧本的词',
    service: '该地址和端口在某个节点上是 Service',
    tunnel: '路径经过隧道',
    cluster: '问题与 Kubernetes 有关，并且可以查询其 API',
  },
  chosenByWord: (word) => `问题中的“${word}”`,
  udp: '该规则读取 TCP 握手，而问题是关于 UDP 的',
  externalClient: (addresses) => `没有向该端口发送任何请求：netcheck 无法登录 ${addresses}，也没有指定其他客户端`,
  noRule: (rule) => `此版本的 netcheck 没有规则 ${rule}，因此未作判断`,
  nothingJudged: '该剧本没有规则适用于这些节点',
  probesCut: (node, why) => `来自 ${node} 的探测不完整：${why}`,
  noClient: '没有向该端口发送任何请求：没有其他节点可以探测，也没有指定客户端',
  ownNote: (text) => `团队备注：${text}`,
  namespaceForGood: (settings) =>
    `由创建该网络命名空间的一方设置 ${settings}：节点的 sysctl.d 对它不起作用（docker run --sysctl、systemd 单元，或使用 ip netns exec 的脚本）`,
  crashed: (message) => `netcheck 自身代码出错：${message}`,
  unexplained: (failed, total, how) => `${total} 次连接中有 ${failed} 次失败（${how}），但该剧本没有规则能解释`,
  probesRefused: (count) => `${count} 次被拒绝`,
  probesTimedOut: (count) => `${count} 次无应答`,
  probesNoRoute: (count) => `${count} 次“没有到主机的路由”`,
  probesNetUnreachable: (count) => `${count} 次“网络不可达”`,
  probesNotPermitted: (count) => `${count} 次不允许`,
  probesOther: (count) => `${count} 次其他错误`,
  unexplainedSeen: (failed) => `看到 ${failed} 个到该端口的连接失败，但该剧本没有规则能解释`,
  noNames:
    '没有看到任何域名查询（53 端口）：域名来自缓存（nscd、systemd-resolved、应用自身），或走加密通道（853 或 443 端口）',
  passive: (seconds) => `${seconds} 秒内没有看到该端口的流量，也没有节点可以探测`,
  budget: '本次运行的时间用完，未能读完全部内容',
  stopped: '运行在读完全部内容之前被取消',
  truncatedCapture: (node, dropped) => `${node} 的内核丢弃了抓包中的 ${dropped} 个包，那里缺失的内容不能说明问题`,
  ofOthers: (clients, answered, sources, failed) =>
    `受影响的是其他客户端：来自 ${sources} 的 ${failed} 次连接。问题所问的 ${clients} 的 ${answered} 次连接都立即得到了应答`,
  everyConnectWorked: (headline, total) => `${headline}（本次运行的 ${total} 次连接都成功了）`,
  clear: (target, port) => `到 ${target} 端口 ${port} 的路径没有发现故障：所有检查均已完成且正常`,
  clearNode: (node) => `${node} 没有发现隐患：所有检查均已完成且正常`,
  inconclusiveNode: (node, reason) => `${node} 未能定论：${reason}`,
  inconclusive: (target, port, reason) => `${target} 端口 ${port} 未能定论：${reason}`,
  somethingUnseen: (count) => `有 ${count} 项检查无法完成`,
  found: (title, node) => `${node}：${title}`,
  foundLikely: (title, node) => `${node}：很可能是 ${title}`,
  foundPath: (title, from, to) => `${from} → ${to}：${title}`,
  foundPathLikely: (title, from, to) => `${from} → ${to}：很可能是 ${title}`,
};

export const engineText: Readonly<Record<Language, EngineText>> = { en, zh };

/** Why a command that ended like this told us nothing. */
export function sayExit(exit: Exit, command: string, stderrFirstLine: string, say: EngineText): string {
  switch (exit.how) {
    case 'exited':
      return exit.code === 0 ? say.noOutput(command) : say.exited(command, exit.code, stderrFirstLine);
    case 'signalled':
      return say.signalled(command, exit.signal);
    case 'timedOut':
      return say.timedOut(command, Math.round(exit.afterMs / 1000));
    case 'stopped':
      return exit.why === 'cancelled' ? say.cancelled(command) : say.noOutput(command);
    case 'tooMuchOutput':
      return say.tooMuchOutput(command, exit.keptBytes);
    case 'connectionLost':
      return say.connectionLost(command, exit.message);
    case 'notStarted':
      return exit.why === 'sudo' ? say.sudo(command, exit.message) : exit.message;
    case 'skipped':
      return say.skipped(exit.why);
  }
}
