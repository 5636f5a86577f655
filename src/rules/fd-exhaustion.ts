import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { because, fileOf } from './because.ts';
import { riseOf } from './counter-rise.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** F29: the process behind the port has no file descriptor left, so accept() fails with EMFILE. */
export const fdExhaustion = defineNodeRule({
  id: 'fd-exhaustion',
  fault: 'F29',
  scope: 'node',
  roles: ['target'],
  needs: ['listeners'],
  optional: ['listenerProcesses', 'counters'],
  params: z.strictObject({
    /** Share of the limit that counts as used up: libraries keep a few descriptors back. */
    nearlyAll: z.number().gt(0).max(1).default(0.95),
  }),
  sources: [
    'accept(2), EMFILE',
    'getrlimit(2), RLIMIT_NOFILE',
    'proc(5), /proc/PID/fd and /proc/PID/limits',
    'prlimit(1)',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      title: 'The process behind the port has used up its open files (EMFILE)',
      nothingListens: (v: { port: number }) =>
        `nothing listens on port ${v.port} here, so there is no process to look at`,
      notRead: (v: { port: number }) =>
        `the open files and the limit of the process behind port ${v.port} were not read (both need its process id, and root for other users)`,
      open: (v: { pid: number; open: number; limit: number; percent: number }) =>
        `process ${v.pid} has ${v.open} of ${v.limit} files open (${v.percent} %)`,
      unlimited: (v: { pid: number }) => `process ${v.pid} has no limit on open files`,
      waiting: (v: { recvq: number; address: string; port: number }) =>
        `${v.recvq} connections wait in the accept queue of ${v.address}:${v.port}: accept() does not take them`,
      overflowed: (v: { rise: number }) => `ListenOverflows +${v.rise} in the window`,
      noneWaits: 'No connection waits for accept() at the moment',
      temporary: 'Raises the limit of the running process, without a restart',
      permanent: 'For a systemd service; UNIT is the name of its unit',
      kubernetes:
        'A pod has no field for it: the limit comes from the container runtime (LimitNOFILE of containerd.service, default-ulimits of dockerd), or the program raises its soft limit itself',
      application:
        'See what the files are. Many sockets in CLOSE-WAIT mean that the program does not close them (close-wait): then a higher limit only buys time',
      riskLimit: 'Low; a program that leaks goes on leaking',
      riskRestart: 'The restart breaks its connections',
    },
    zh: {
      ...codeRiskText.zh,
      title: '端口对应进程的文件描述符已用尽（EMFILE）',
      nothingListens: (v) => `这里没有进程监听端口 ${v.port}，无从检查`,
      notRead: (v) => `没有读到端口 ${v.port} 对应进程的打开文件数和上限（需要其进程号；别的用户的进程还需要 root）`,
      open: (v) => `进程 ${v.pid} 打开了 ${v.open} 个文件，上限 ${v.limit}（${v.percent} %）`,
      unlimited: (v) => `进程 ${v.pid} 的打开文件数没有上限`,
      waiting: (v) => `${v.address}:${v.port} 的全连接队列里有 ${v.recvq} 条连接在等：accept() 没有取走`,
      overflowed: (v) => `窗口内 ListenOverflows +${v.rise}`,
      noneWaits: '目前没有连接在等待 accept()',
      temporary: '不重启，直接提高运行中进程的上限',
      permanent: '适用于 systemd 服务；UNIT 换成单元名',
      kubernetes:
        'Pod 没有对应字段：上限来自容器运行时（containerd.service 的 LimitNOFILE、dockerd 的 default-ulimits），或由程序自己提高软限制',
      application:
        '先看打开的是什么。如果大量套接字处于 CLOSE-WAIT，说明程序没有关闭连接（close-wait），提高上限只能拖延',
      riskLimit: '低；有泄漏的程序会继续泄漏',
      riskRestart: '重启会断开连接',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    const { port } = target;
    const own = listenersFor(facts.listeners, symptom.protocol, target);
    if (own.onPort.length === 0) return notApplicable(because(say.nothingListens({ port }), fileOf(facts.listeners)));
    const known = (facts.listenerProcesses ?? []).flatMap(({ pid, openFiles, limits }) => {
      const files = limits?.['Max open files'];
      return openFiles === undefined || files === undefined ? [] : [{ pid, open: openFiles, files }];
    });
    const worst = known
      .map((one) => ({ ...one, share: one.files.soft === null ? 0 : one.open.count / Math.max(1, one.files.soft) }))
      .sort((a, b) => b.share - a.share)[0];
    if (worst === undefined) return undecided('listenerProcesses', node, say.notRead({ port }));
    const { pid, open, files, share } = worst;
    if (files.soft === null) return ruledOut(because(say.unlimited({ pid }), files.at));
    const limit = files.soft;
    const used = because(say.open({ pid, open: open.count, limit, percent: Math.round(share * 100) }), open.at);
    if (share < params.nearlyAll) return ruledOut(used);

    const stuck = symptom.protocol === 'tcp' ? own.covering.find(({ recvq }) => recvq > 0) : undefined;
    const overflows = facts.counters === undefined ? null : riseOf(facts.counters, 'TcpExt.ListenOverflows');
    const at = facts.counters?.['TcpExt.ListenOverflows']?.at ?? open.at;
    const more = overflows !== null && overflows > 0 ? [because(say.overflowed({ rise: overflows }), at)] : [];
    if (stuck === undefined) return likely([used, because(say.noneWaits, fileOf(own.onPort)), ...more], remedies());
    const waiting = because(say.waiting({ recvq: stuck.recvq, address: stuck.address, port }), stuck.at);
    return confirmed([used, waiting, ...more], remedies());

    function remedies(): Remedy[] {
      const wanted = Math.max(65_536, limit * 2);
      const hard = files.hard === null ? 'unlimited' : String(files.hard);
      const newHard = files.hard === null ? 'unlimited' : String(Math.max(wanted, files.hard));
      return [
        {
          kind: 'temporary',
          node,
          text: say.temporary,
          commands: [`prlimit --pid ${pid} --nofile=${wanted}:${newHard}`],
          undo: [`prlimit --pid ${pid} --nofile=${limit}:${hard}`],
          risk: say.riskLimit,
        },
        {
          kind: 'permanent',
          node,
          text: say.permanent,
          commands: [
            'mkdir -p /etc/systemd/system/UNIT.service.d',
            `printf '%s\\n' '[Service]' 'LimitNOFILE=${wanted}' > /etc/systemd/system/UNIT.service.d/99-netcheck-nofile.conf`,
            'systemctl daemon-reload',
            'systemctl restart UNIT',
          ],
          undo: ['rm /etc/systemd/system/UNIT.service.d/99-netcheck-nofile.conf', 'systemctl daemon-reload'],
          risk: say.riskRestart,
        },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.riskRestart },
        {
          kind: 'application',
          node,
          text: say.application,
          commands: [
            `ls -l /proc/${pid}/fd | awk '{print $NF}' | sed 's/[0-9]*//g' | sort | uniq -c | sort -rn | head`,
          ],
          undo: [],
          risk: say.codeRisk,
        },
      ];
    }
  },
});
