import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { familyOf } from './ip-address.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const key = (level: 1 | 2 | 3): string => `net.ipv4.neigh.default.gc_thresh${level}`;
const limitKey = key(3);

/** F22: the neighbour (ARP) table is full, and no new neighbour can be spoken to. */
export const arpOverflow = defineNodeRule({
  id: 'arp-overflow',
  fault: 'F22',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['sysctl', 'counters'],
  optional: ['kernelLog', 'capture', 'probes'],
  params: z.strictObject({
    /** Share of gc_thresh3 from which the table counts as full: entries are swept between two readings. */
    nearlyFull: z.number().min(0.5).max(1).default(0.9),
  }),
  sources: [
    'net/core/neighbour.c neigh_alloc (gc_thresh3, table_fulls, "neighbor table overflow!"), neigh_forced_gc',
    'Documentation/networking/ip-sysctl.rst (neigh/default/gc_thresh1..3); arp(7)',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'The neighbour (ARP) table is full',
      v6: 'The question is about IPv6, which has a neighbour table of its own',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      noSetting: 'This network namespace has no neighbour limits of its own: its host has the table',
      noCounter: 'the fill of the neighbour table (/proc/net/stat/arp_cache) was not read',
      fulls: (v: { count: number }) =>
        `arp_cache table_fulls +${v.count} in the window: so many times there was no room for a neighbour`,
      flat: (v: { entries: number; limit: number }) =>
        `${v.entries} neighbours, and ${limitKey} = ${v.limit}; table_fulls +0 in the window`,
      filled: (v: { entries: number; limit: number; percent: number }) =>
        `${v.entries} neighbours of at most ${v.limit} (${limitKey}): ${v.percent} %`,
      oldKernel: 'This kernel does not count overflows (table_fulls)',
      logged: (v: { message: string; time: string }) => `the kernel log says at ${v.time}: "${v.message}"`,
      probesFailed: (v: { failed: number }) => `${v.failed} connects from here failed`,
      temporary: 'Makes the table larger at once. All network namespaces of the machine share it',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'The setting belongs to the node, not to a pod: a DaemonSet with privileges, or the node configuration',
      risk: 'Memory for the entries (well below 1 kB each), more ARP traffic in very large networks',
    },
    zh: {
      ...lostSynText.zh,
      title: '邻居表（ARP 表）已满',
      v6: '这次查的是 IPv6，它有自己的邻居表',
      notRead: (v) => `没有读到 ${v.key}`,
      noSetting: '这个网络命名空间没有自己的邻居表上限：由宿主机统一管理',
      noCounter: '没有读到邻居表的使用情况（/proc/net/stat/arp_cache）',
      fulls: (v) => `窗口内 arp_cache table_fulls +${v.count}：有这么多次放不下新邻居`,
      flat: (v) => `邻居 ${v.entries} 个，${limitKey} = ${v.limit}；窗口内 table_fulls +0`,
      filled: (v) => `邻居 ${v.entries} 个，上限 ${v.limit}（${limitKey}）：${v.percent} %`,
      oldKernel: '该内核不统计溢出次数（没有 table_fulls）',
      logged: (v) => `内核日志 ${v.time}：“${v.message}”`,
      probesFailed: (v) => `从这里发起的连接有 ${v.failed} 次失败`,
      temporary: '立即加大邻居表。整台机器的所有网络命名空间共用这张表',
      permanent: '重启后仍有效',
      kubernetes: '这是节点级参数，不能在 Pod 里设置：用特权 DaemonSet 或节点配置',
      risk: '条目占用内存（每条不到 1 kB），超大网络里 ARP 流量会增加',
    },
  },
  evaluate({ node, facts, target, plan, params, say }) {
    if (familyOf(target.address) === 6) return notApplicable(because(say.v6, askedAt));
    const setting = facts.sysctl[limitKey];
    if (setting === undefined) return undecided('sysctl', node, say.notRead({ key: limitKey }));
    if (setting.value === null) return notApplicable(because(say.noSetting, setting.at));
    const limit = Number(plainSetting(setting.value) ?? Number.NaN);
    const table = facts.counters['arp_cache.entries'];
    const entries = Math.max(table?.before ?? 0, table?.after ?? 0);
    if (table === undefined || !(limit > 0)) return undecided('counters', node, say.noCounter);
    const rise = facts.counters['arp_cache.table_fulls'];
    const fulls = Math.max(0, rise?.delta ?? 0);
    const isNear = entries >= limit * params.nearlyFull;
    const filled = because(say.filled({ entries, limit, percent: Math.round((entries / limit) * 100) }), table.at);
    if (fulls === 0) {
      if (!isNear) return ruledOut(because(say.flat({ entries, limit }), table.at));
      return likely(
        [filled, ...(rise === undefined ? [because(say.oldKernel, table.at), ...logged()] : [])],
        remedies(),
      );
    }
    const counted = because(say.fulls({ count: fulls }), rise?.at ?? table.at);
    const effect = effects();
    const reasons = [counted, filled, ...logged(), ...effect];
    // table_fulls rises only where an entry was refused: a table that was swept since is no objection
    return effect.length > 0 ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    function effects(): Because[] {
      const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
      if (lost.kind === 'lost') return [lost.because];
      const failed = facts.probes?.filter(({ outcome }) => outcome !== 'connected') ?? [];
      const first = failed[0];
      return first === undefined ? [] : [because(say.probesFailed({ failed: failed.length }), first.at)];
    }

    function logged(): Because[] {
      const last = facts.kernelLog?.matters.findLast(({ topic }) => topic === 'neighbour-overflow');
      return last === undefined ? [] : [because(say.logged({ message: last.message, time: last.time }), last.at)];
    }

    function remedies(): Remedy[] {
      const level3 = Math.max(16_384, limit * 2);
      const changes = ([1, 2, 3] as const).map((level) => ({
        key: key(level),
        value: String(level === 3 ? level3 : level === 2 ? level3 / 2 : level3 / 4),
        previous: facts.sysctl[key(level)]?.value,
      }));
      return [
        temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'arp-overflow', changes, { text: say.permanent, risk: say.risk }),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
