import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { numbersOf, riseOf } from './counter-rise.ts';
import { feltLoss, feltLossText } from './felt-loss.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { percentText } from './seconds-text.ts';
import { permanentSysctl, type SettingChange, temporarySysctl } from './sysctl-remedies.ts';

const wanted = {
  'net.core.netdev_max_backlog': 10_000,
  'net.core.netdev_budget': 600,
  'net.core.netdev_budget_usecs': 8000,
};

/** F91: the soft interrupts that receive packets do not get done: the backlog of a CPU is full, or the budget runs out. */
export const softirqStarved = defineNodeRule({
  id: 'softirq-starved',
  fault: 'F91',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['counters'],
  optional: ['sysctl', 'capture', 'probes'],
  params: z.strictObject({
    /** Share of the packets processed that may be dropped. */
    minShare: z.number().min(0).max(1).default(0.0005),
    minDrops: z.number().int().min(1).default(10),
    /** Share of time_squeeze in the packets processed from which on it is a sign of too little time. */
    maxSqueezed: z.number().min(0).max(1).default(0.01),
    /** Times the budget ran out below which no share is told: a few are normal. */
    minSqueezes: z.number().int().min(1).default(50),
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'net/core/net-procfs.c softnet_seq_show, net/core/dev.c enqueue_to_backlog and net_rx_action',
    'Documentation/admin-guide/sysctl/net.rst (netdev_max_backlog, netdev_budget, netdev_budget_usecs)',
    'github.blog 2019-11-21 (stalls by cadvisor and memory.stat)',
  ],
  text: {
    en: {
      ...feltLossText.en,
      title: 'Received packets wait too long for a CPU (soft interrupts)',
      notRead: '/proc/net/softnet_stat was not read twice',
      dropped: (v: { drops: number; processed: number; share: string }) =>
        `softnet dropped +${v.drops} in the window beside ${v.processed} packets processed (${v.share}): the backlog of a CPU was full`,
      limited: (v: { packets: number }) =>
        `flow_limit_count +${v.packets}: packets of the busiest flow were dropped first`,
      squeezed: (v: { times: number; processed: number }) =>
        `time_squeeze +${v.times} beside ${v.processed} packets processed: receiving was cut short with packets left, so they came late`,
      flat: (v: { drops: number; times: number; processed: number }) =>
        `softnet dropped +${v.drops}, time_squeeze +${v.times} beside ${v.processed} packets processed in the window: the CPUs kept up`,
      temporary: 'Makes the backlog longer and gives receiving more time at once',
      permanent: 'Keeps it after a reboot',
      spread:
        'If one CPU does all the receiving: spread it (more queues with ethtool -L, irqbalance, RPS). Stalls of about 100 ms at low load come from long work in the kernel, such as reading memory.stat of many cgroups',
      risk: 'Low: programs on these CPUs wait a little longer',
    },
    zh: {
      ...feltLossText.zh,
      title: '收到的包等不到 CPU 处理（软中断）',
      notRead: '没有两次读到 /proc/net/softnet_stat',
      dropped: (v) =>
        `窗口内 softnet dropped +${v.drops}，同期处理 ${v.processed} 个包（${v.share}）：某个 CPU 的 backlog 已满`,
      limited: (v) => `flow_limit_count +${v.packets}：最繁忙的流先被丢弃`,
      squeezed: (v) => `time_squeeze +${v.times}，同期处理 ${v.processed} 个包：收包被提前打断，剩下的包来得晚`,
      flat: (v) =>
        `窗口内 softnet dropped +${v.drops}、time_squeeze +${v.times}，同期处理 ${v.processed} 个包：CPU 跟得上`,
      temporary: '加长 backlog，并让每次收包有更多时间',
      permanent: '重启后仍有效',
      spread:
        '如果收包都压在一个 CPU 上：应分散（ethtool -L 增加队列、irqbalance、RPS）。低负载时约 100 毫秒的停顿，来自内核里的长操作，例如读取大量 cgroup 的 memory.stat',
      risk: '低：这些 CPU 上的程序会多等一点',
    },
  },
  evaluate({ node, facts, target, params, say }) {
    const rise = (name: string): number | null => riseOf(facts.counters, `softnet.${name}`);
    const counter = facts.counters['softnet.dropped'];
    const drops = rise('dropped');
    const processed = rise('processed');
    if (counter === undefined || drops === null || processed === null) return undecided('counters', node, say.notRead);
    const times = rise('time_squeeze') ?? 0;
    const limited = rise('flow_limit_count') ?? 0;
    const share = drops / Math.max(1, drops + processed);
    const isSqueezed = times >= params.minSqueezes && times > processed * params.maxSqueezed;
    const squeezed = isSqueezed ? [because(say.squeezed({ times, processed }), counter.at)] : [];
    if (drops < params.minDrops || share < params.minShare) {
      return isSqueezed
        ? likely(squeezed, remedies())
        : ruledOut(because(say.flat({ drops, times, processed }), counter.at));
    }
    const reasons = [
      because(say.dropped({ drops, processed, share: `${percentText(share)} %` }), counter.at),
      ...(limited > 0 ? [because(say.limited({ packets: limited }), counter.at)] : []),
      ...squeezed,
    ];
    const { capture, probes } = facts;
    const felt = feltLoss({ capture, probes, port: target.port, minLost: params.minLost, say });
    return felt.length > 0
      ? confirmed([...reasons, ...felt], remedies())
      : likely([...reasons, because(say.notFelt, counter.at)], remedies());

    function remedies(): Remedy[] {
      const changes: SettingChange[] = Object.entries(wanted).flatMap(([key, value]) => {
        const now = numbersOf(facts.sysctl, key)?.[0];
        return now === undefined || now >= value
          ? []
          : [{ key, value: String(value), previous: facts.sysctl?.[key]?.value }];
      });
      const sysctls =
        changes.length === 0
          ? []
          : [
              temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
              permanentSysctl(node, 'softirq-starved', changes, { text: say.permanent, risk: say.risk }),
            ];
      return [
        ...sysctls,
        {
          kind: 'application',
          node,
          text: say.spread,
          commands: ['cat /proc/net/softnet_stat', 'cat /proc/interrupts'],
          undo: [],
          risk: say.risk,
        },
      ];
    }
  },
});
