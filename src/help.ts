import type { Language } from './model/language.ts';

const grammar =
  'node-50 port 1301 [from node-12|IP]... [via node-30]... [udp] [size N] [for 20s] [playbook ID] [words]';

/** The help of the command line. */
export function helpText(language: Language): string {
  return `${askHelp(language, 'netcheck')}\n\n${language === 'zh' ? commandsZh : commandsEn}`;
}

/** The help in Slack, in its mark-up: how to ask, and what else there is. */
export function slackHelp(language: Language, command: string): string {
  const lines =
    language === 'zh'
      ? [
          '*找出网络故障是哪一种*',
          `• \`${command} node-50 port 1301\` node-50 的 1301 端口为什么不通`,
          `• \`${command} node-50 端口 1301 从 node-12 时通时不通\` 从 node-12 访问失败`,
          `• \`${command} 10.51.2.2 port 80 via node-30 for 30s\` 经过转发节点，观察 30 秒`,
          `• \`${command} ${grammar}\``,
          '*其他方式*',
          `• \`${command}\` 打开表单，输入即可搜索节点`,
          '• 在消息列里写 `@netcheck`：缺少的内容从第一条消息里读取',
          '• 在任何消息上：⋮ > 「Diagnose this」',
          '*只给你看*',
          `• \`${command} nodes [名字的一部分]\`、\`playbooks\`、\`history [节点]\`、\`status\``,
        ]
      : [
          '*Which network fault is it?*',
          `• \`${command} node-50 port 1301\` why does port 1301 of node-50 not answer`,
          `• \`${command} node-50 port 1301 from node-12 sometimes times out\` it fails from node-12`,
          `• \`${command} 10.51.2.2 port 80 via node-30 for 30s\` node-30 forwards on the way; watch for 30 seconds`,
          `• \`${command} ${grammar}\``,
          '*Other ways*',
          `• \`${command}\` opens a form that searches nodes as you type`,
          '• `@netcheck` in a thread: what is missing is read from the first message',
          '• on any message: ⋮ > *Diagnose this*',
          '*For you only*',
          `• \`${command} nodes [part of a name]\`, \`playbooks\`, \`history [node]\`, \`status\``,
        ];
  return lines.join('\n');
}

/** How to ask, with examples. */
function askHelp(language: Language, command: string): string {
  return language === 'zh'
    ? `${command} 找出网络故障是哪一种：登录相关节点，对比探测前后的计数器和两端抓包，给出原因、证据、已排除项和处理办法。

用法：
  ${command} ${grammar}

例子：
  ${command} node-50 port 1301                    节点 node-50 的 1301 端口为什么不通
  ${command} node-50 port 1301 from node-12       从 node-12 访问失败
  ${command} node-50 端口 1301 从 node-12 时通时不通
  ${command} 10.51.2.2 port 80 via node-30        经过转发节点 node-30
  ${command} node-50 port 1301 for 30s            多观察 30 秒`
    : `${command} finds out which network fault it is: it logs in to the nodes, compares counters around a probe and captures of
both ends, and says the cause with the numbers, what it ruled out, what it could not see, and the remedy.

Ask:
  ${command} ${grammar}

Examples:
  ${command} node-50 port 1301                    why does port 1301 of node-50 not answer
  ${command} node-50 port 1301 from node-12       it fails from node-12
  ${command} node-50 port 1301 from node-12 sometimes times out
  ${command} 10.51.2.2 port 80 via node-30        node-30 forwards on the way
  ${command} node-50 port 1301 for 30s            watch for 30 seconds`;
}

const commandsEn = `Commands:
  netcheck pcap FILE...            diagnose captures (pcap, pcapng, gzip; - is stdin); several of one time: also where packets died
    --flow N       one conversation packet by packet      --packets     one line per TCP packet (with --flow N: all of its)
    --html FILE    a page with ladders                    --svg FILE    the ladder of --flow N as a picture
    --json         one line per file                      --as wireshark   its verdicts in --packets
  netcheck parse KIND [FILE]       raw command output -> facts as JSON; netcheck parse --help lists the kinds
  netcheck replay RUN              a saved run (directory or .tar.gz) -> the same report
  netcheck audit [PLAYBOOK]        all nodes at once: what is risky, which of them differ, what has changed since the last audit
    --nodes 'rack=r1,role!=db'     by label, name, glob or group     --csv   one line per finding
    --workers                      by the workers instead of this process
  netcheck playbooks [list|lint|show ID]
  netcheck rules [list|show ID|check DIR]
  netcheck doctor                  configuration, Redis, Slack, and every node: SSH, host key, sudo, tools
  netcheck log                     the audit log: who asked what, what ran where
    --node N  --user U  --since 24h|7d|2026-11-21  --limit N    --run ID   every command of one run    --json   its lines
  netcheck sudoers [USER]          the least-privilege sudoers file that the collectors need
    --wrapper      the script behind it: captures and namespaces as root
  netcheck gate [USER]             forced command for authorized_keys: the key can run nothing else
  netcheck change-helper           for nodes where remedies may be tried: docs/changes.md
  netcheck bot [--no-worker]       Slack front (with a worker) | netcheck worker: one more

Options:
  --config FILE   netcheck.yaml unless told otherwise     --json        the report as JSON
  --lang en|zh    language of the report                  --save DIR    keep the run: evidence, record, report
  --html FILE     the report as one HTML file             --explain     what would run where, and stop

Exit status: 0 clear, 1 found, 2 inconclusive, 64 wrong usage, 70 netcheck's own fault`;

const commandsZh = `命令：
  netcheck pcap 文件...            离线诊断抓包（pcap、pcapng、gzip；- 为标准输入）；同时段的多个文件：还会指出包丢在哪里
    --flow N       逐包查看一个连接                       --packets     每个 TCP 包一行（与 --flow N 合用：该连接的全部包）
    --html 文件    带时序图的网页                         --svg 文件    把 --flow N 的时序图存为图片
    --json         每个文件一行                           --as wireshark   --packets 采用 Wireshark 的判定
  netcheck parse 种类 [文件]       命令原始输出 -> 事实（JSON）；netcheck parse --help 列出种类
  netcheck replay 运行             已保存的运行（目录或 .tar.gz）-> 相同的报告
  netcheck audit [PLAYBOOK]        巡检所有节点：有哪些隐患、谁与众不同、和上次比有什么变化
    --nodes 'rack=r1,role!=db'     按标签、名称、通配符或分组         --csv   每项发现一行
    --workers                      由 REDIS_URL 上的 worker 完成，而不是本进程
  netcheck playbooks [list|lint|show ID]
  netcheck rules [list|show ID|check 目录]
  netcheck doctor                  检查配置、Redis、Slack 以及每个节点：SSH、主机密钥、sudo、工具
  netcheck log                     审计日志：谁问了什么，在哪个节点上运行了什么，结果如何
    --node 节点  --user 用户  --since 24h|7d|2026-11-21  --limit N    --run 编号   一次运行的全部命令    --json   原始行
  netcheck sudoers [用户]          采集所需的最小权限 sudoers 文件
    --wrapper      与之配套的脚本：以 root 抓包、进入命名空间
  netcheck gate [用户]             authorized_keys 用的强制命令：该 SSH 密钥只能运行采集命令
  netcheck change-helper           供允许从 Slack 试行处置的节点安装的程序（docs/changes.md）
  netcheck bot [--no-worker]       Slack 前端（含工作进程） | netcheck worker：再加一个工作进程

选项：
  --config 文件   默认 netcheck.yaml                      --json        以 JSON 输出报告
  --lang en|zh    报告语言                                --save 目录   保存运行：证据、记录、报告
  --html 文件     以单个 HTML 文件输出报告                --explain     只显示会在哪里运行什么

退出状态：0 正常，1 发现故障，2 未能定论，64 用法错误，70 netcheck 自身故障`;
