import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { askedAt, because } from './because.ts';
import { numbersOf, riseOf } from './counter-rise.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, type SettingChange, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const memKey = 'net.ipv4.tcp_mem';
const orphansKey = 'net.ipv4.tcp_max_orphans';
const abortName = 'TcpExt.TCPAbortOnMemory';

/** F36: TCP as a whole may use no more memory, or has too many sockets that no process owns. */
export const tcpMemPressure = defineNodeRule({
  id: 'tcp-mem-pressure',
  fault: 'F36',
  scope: 'node',
  roles: ['target', 'client'],
  needs: ['sysctl', 'counters'],
  optional: [],
  params: z.strictObject({
    /** Share of tcp_max_orphans from which the kernel may kill: it counts an orphan that does not progress up to four times. */
    orphanShare: z.number().gt(0).max(1).default(0.25),
  }),
  sources: [
    'Documentation/networking/ip-sysctl.rst (tcp_mem, tcp_max_orphans)',
    'net/ipv4/tcp_timer.c tcp_out_of_resources, net/ipv4/tcp.c tcp_check_oom',
    'include/net/tcp.h tcp_too_many_orphans, net/core/sock.c __sk_mem_raise_allocated',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...tcpOnlyText.en,
      title: 'TCP is out of memory, or has too many orphaned sockets',
      notRead: (v: { name: string }) => `${v.name} was not read, or only once`,
      aborted: (v: { rise: number }) =>
        `TCPAbortOnMemory +${v.rise} in the window: so many connections were ended for want of memory`,
      notAborted: 'TCPAbortOnMemory +0 in the window: no connection was ended for want of memory',
      entered: (v: { rise: number }) =>
        `TCPMemoryPressures +${v.rise}: TCP went into memory pressure and made windows smaller`,
      memory: (v: { pages: number; pressure: number; limit: number }) =>
        `TCP uses ${v.pages} pages; tcp_mem begins to save at ${v.pressure} and refuses at ${v.limit}`,
      orphans: (v: { count: number; limit: number }) => `${v.count} orphaned sockets; tcp_max_orphans = ${v.limit}`,
      notNear: 'Neither limit was near when it was looked at: it may have been a burst, or the limit of a cgroup',
      temporary: 'Raises the limit that is near',
      permanent: 'Keeps it after a reboot',
      application:
        'See who holds the memory: sockets with large queues belong to programs that do not read, or to peers that do not',
      risk: 'The memory comes from that of the programs; on a machine that is short of it the OOM killer comes sooner',
    },
    zh: {
      ...codeRiskText.zh,
      ...tcpOnlyText.zh,
      title: 'TCP 内存不足，或孤儿套接字过多',
      notRead: (v) => `没有读到 ${v.name}，或只读到一次`,
      aborted: (v) => `窗口内 TCPAbortOnMemory +${v.rise}：这么多连接因内存不足被终止`,
      notAborted: '窗口内 TCPAbortOnMemory +0：没有连接因内存不足被终止',
      entered: (v) => `TCPMemoryPressures +${v.rise}：TCP 进入内存紧张状态，缩小了窗口`,
      memory: (v) => `TCP 占用 ${v.pages} 页；tcp_mem 从 ${v.pressure} 页开始节省，到 ${v.limit} 页就拒绝`,
      orphans: (v) => `孤儿套接字 ${v.count} 个；tcp_max_orphans = ${v.limit}`,
      notNear: '查看时两个上限都不接近：可能是瞬时突发，或是 cgroup 的限制',
      temporary: '调大接近的那个上限',
      permanent: '重启后仍有效',
      application: '看内存被谁占着：队列很大的套接字，属于不读数据的程序，或对端不读',
      risk: '这些内存取自程序可用的内存；内存紧张的机器会更早触发 OOM',
    },
  },
  evaluate({ node, facts, symptom, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const memSetting = facts.sysctl[memKey];
    if (memSetting === undefined) return undecided('sysctl', node, say.notRead({ name: memKey }));
    // in a network namespace that is not the node's own the file does not exist: the limit is the node's
    const [, pressure, limit] = numbersOf(facts.sysctl, memKey) ?? [];
    const abort = facts.counters[abortName];
    const aborted = riseOf(facts.counters, abortName);
    if (abort === undefined || aborted === null) return undecided('counters', node, say.notRead({ name: abortName }));

    const gauge = (name: string) => facts.counters[`sockstat.TCP.${name}`];
    const most = (name: string): number => Math.max(gauge(name)?.before ?? 0, gauge(name)?.after ?? 0);
    const maxOrphans = numbersOf(facts.sysctl, orphansKey)?.[0];
    const isShort = pressure !== undefined && gauge('mem') !== undefined && most('mem') >= pressure;
    const hasOrphans =
      maxOrphans !== undefined && most('orphan') > 0 && most('orphan') >= maxOrphans * params.orphanShare;
    const entered = riseOf(facts.counters, 'TcpExt.TCPMemoryPressures') ?? 0;
    const levels: Because[] = [
      ...(gauge('mem') === undefined || pressure === undefined || limit === undefined
        ? []
        : [because(say.memory({ pages: most('mem'), pressure, limit }), gauge('mem')?.at ?? memSetting.at)]),
      ...(maxOrphans === undefined || gauge('orphan') === undefined
        ? []
        : [because(say.orphans({ count: most('orphan'), limit: maxOrphans }), gauge('orphan')?.at ?? abort.at)]),
    ];
    const pressed =
      entered === 0
        ? []
        : [because(say.entered({ rise: entered }), facts.counters['TcpExt.TCPMemoryPressures']?.at ?? abort.at)];

    if (aborted > 0) {
      const reasons = [because(say.aborted({ rise: aborted }), abort.at), ...pressed, ...levels];
      return isShort || hasOrphans
        ? confirmed(reasons, remedies())
        : likely([...reasons, because(say.notNear, abort.at)], remedies());
    }
    const flat = because(say.notAborted, abort.at);
    return isShort || entered > 0 ? likely([...pressed, ...levels, flat], remedies()) : ruledOut(flat, ...levels);

    function remedies(): Remedy[] {
      const changes: SettingChange[] = [];
      const mem = numbersOf(facts.sysctl, memKey);
      if ((isShort || entered > 0) && mem !== null) {
        changes.push({ key: memKey, value: mem.map((pages) => pages * 2).join(' '), previous: memSetting?.value });
      }
      if (hasOrphans) {
        changes.push({ key: orphansKey, value: String(maxOrphans * 2), previous: facts.sysctl[orphansKey]?.value });
      }
      const sysctls =
        changes.length === 0
          ? []
          : [
              temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
              permanentSysctl(node, 'tcp-mem-pressure', changes, { text: say.permanent, risk: say.risk }),
            ];
      return [
        ...sysctls,
        { kind: 'application', node, text: say.application, commands: ['ss -tanpm'], undo: [], risk: say.codeRisk },
      ];
    }
  },
});
