import * as z from 'zod';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const key = 'net.core.somaxconn';
const overflows = 'TcpExt.ListenOverflows';

/** F02, without a question: net.core.somaxconn holds the queues of listeners down, and queues have overflowed, or are full now. */
export const backlogCapped = defineNodeRule({
  id: 'backlog-capped',
  fault: 'F02',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['sysctl', 'listeners'],
  optional: ['sinceAudit'],
  params: z.strictObject({
    /** What the node's limit should be at least; the kernel's own default since 5.4. */
    enough: z.number().int().min(16).max(65_535).default(4096),
    /** Share of a queue that is full now from which it counts. */
    nearlyFull: z.number().min(0.1).max(1).default(0.5),
    /** Overflows between two audits; fewer are nothing. How many there were since the node was started tells nothing. */
    leastOverflows: z.number().int().min(1).default(10),
  }),
  sources: [
    'listen(2) (the backlog is silently capped)',
    'net/socket.c __sys_listen; commit 19f92a030ca6 (default 4096 since 5.4)',
    'ss(8): Send-Q of a listener is the length of its queue',
  ],
  text: {
    en: {
      title: 'The system limit holds the accept queues of listeners down',
      notRead: `${key} was not read`,
      noQueues: 'the lengths of the queues were not read (ss is not there, /proc/net/tcp does not tell)',
      none: 'Nothing listens on TCP here',
      enough: (v: { value: number }) => `${key} = ${v.value}`,
      capped: (v: { value: number; listeners: number; ports: string }) =>
        `${key} = ${v.value}, and ${v.listeners} listeners have a queue of just that: they may have asked for more (${v.ports})`,
      notCapped: (v: { value: number; largest: number }) =>
        `${key} = ${v.value}, and no listener has a queue as long as that (the longest is ${v.largest})`,
      quiet: 'No queue is near its end, and none is known to have overflowed since the last audit',
      overflowed: (v: { count: number }) => `${overflows} +${v.count} since the last audit: connections were lost`,
      full: (v: { port: number; waiting: number; length: number }) =>
        `port ${v.port}: ${v.waiting} of ${v.length} places are taken now`,
      temporary: 'Raises the limit; a listener gets it when it is started again, or calls listen() again',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'In a pod it is a setting of the network namespace: securityContext.sysctls, to be allowed on the kubelet',
      risk: 'Low: a little memory for each connection that waits. An application that is too slow stays too slow',
    },
    zh: {
      title: '系统上限限制了监听队列的长度',
      notRead: `没有读到 ${key}`,
      noQueues: '没有读到队列长度（没有 ss，/proc/net/tcp 不提供）',
      none: '这里没有 TCP 监听',
      enough: (v) => `${key} = ${v.value}`,
      capped: (v) => `${key} = ${v.value}，有 ${v.listeners} 个监听的队列长度正好是它：申请的可能更大（${v.ports}）`,
      notCapped: (v) => `${key} = ${v.value}，没有监听的队列达到这个长度（最长 ${v.largest}）`,
      quiet: '没有队列接近用满，自上次巡检以来也没有已知的溢出',
      overflowed: (v) => `自上次巡检以来 ${overflows} +${v.count}：有连接因此丢失`,
      full: (v) => `端口 ${v.port}：${v.length} 个位置已占用 ${v.waiting} 个`,
      temporary: '提高上限；监听程序重启或再次调用 listen() 后生效',
      permanent: '重启后仍有效',
      kubernetes: 'Pod 里它是网络命名空间的设置：用 securityContext.sysctls，并在 kubelet 上放行',
      risk: '低：每个等待的连接占一点内存。应用本身处理太慢的话依然慢',
    },
  },
  evaluate({ node, facts, params, say }) {
    const setting = facts.sysctl[key];
    const value = plainSetting(setting?.value);
    if (setting === undefined || value === null || !/^\d+$/.test(value)) return undecided('sysctl', node, say.notRead);
    const limit = Number(value);
    const listeners = facts.listeners.filter(({ protocol }) => protocol === 'tcp');
    if (listeners.length === 0) return notApplicable(because(say.none, setting.at));
    if (limit >= params.enough) return ruledOut(because(say.enough({ value: limit }), setting.at));
    const lengths = listeners.flatMap(({ sendq }) => (sendq === null ? [] : [sendq]));
    if (lengths.length === 0) return undecided('listeners', node, say.noQueues);
    const capped = listeners.filter(({ sendq }) => sendq !== null && sendq >= limit);
    const [first] = capped;
    if (first === undefined)
      return ruledOut(because(say.notCapped({ value: limit, largest: Math.max(...lengths) }), setting.at));

    const ports = [...new Set(capped.map(({ port }) => port))].sort((a, b) => a - b);
    const counter = facts.sinceAudit?.counters[overflows];
    const count = counter?.delta ?? 0;
    const full = capped
      .filter(({ recvq, sendq }) => recvq >= (sendq ?? limit) * params.nearlyFull)
      .sort((a, b) => b.recvq - a.recvq)[0];
    const effects: Because[] = [
      ...(full === undefined
        ? []
        : [because(say.full({ port: full.port, waiting: full.recvq, length: full.sendq ?? limit }), full.at)]),
      ...(counter !== undefined && count >= params.leastOverflows
        ? [because(say.overflowed({ count }), counter.at)]
        : []),
    ];
    const reason = because(say.capped({ value: limit, listeners: capped.length, ports: portsText(ports) }), first.at);
    if (effects.length === 0) return ruledOut(reason, because(say.quiet, setting.at));
    const change = [{ key, value: String(params.enough), previous: setting.value }];
    return likely(
      [reason, ...effects],
      [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'backlog-capped', change, { text: say.permanent, risk: say.risk }),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ],
    );
  },
});

const portsShown = 8;

function portsText(ports: readonly number[]): string {
  return `${ports.slice(0, portsShown).join(', ')}${ports.length > portsShown ? ' …' : ''}`;
}
