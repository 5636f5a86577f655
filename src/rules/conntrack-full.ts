import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { kubeProxyCommands } from './kube-objects.ts';
import { conntrackSizeOrigin, kubeProxyConfigText } from './kube-proxy-config.ts';

const maxKey = 'net.netfilter.nf_conntrack_max';
const countKey = 'net.netfilter.nf_conntrack_count';
/** Size of struct nf_conn with its extensions, rounded up; bytes of memory per entry. */
const entryBytes = 320;
/** A line of the kernel log this old (seconds) belongs to the run. */
const recentSec = 120;

/** F13: the connection-tracking table is full, and packets of new connections are dropped. */
export const conntrackFull = defineNodeRule({
  id: 'conntrack-full',
  fault: 'F13',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['sysctl'],
  optional: ['conntrackStats', 'kernelLog', 'clock', 'capture', 'cluster'],
  params: z.strictObject({
    /** Share of nf_conntrack_max from which the table counts as full: the count is read once, and falls quickly. */
    nearlyFull: z.number().min(0.5).max(1).default(0.95),
  }),
  sources: [
    'net/netfilter/nf_conntrack_core.c __nf_conntrack_alloc (table full), nf_conntrack_in (drop), nf_ct_resolve_clash',
    'commit bc92470413f3 (what insert_failed and drop count)',
    'imroc/kubernetes-guide packet-loss.md',
  ],
  text: {
    en: {
      ...lostSynText.en,
      ...kubeProxyConfigText.en,
      title: 'The connection-tracking table is full',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      noTracking: 'There is no connection tracking here (nf_conntrack is not loaded)',
      noCounter: 'the counter "drop" of connection tracking is not in both readings',
      noStats: (v: { count: string; max: string }) =>
        `${v.count} of ${v.max} entries now, but the drop counter was not read: a full table a moment ago would not show`,
      dropped: (v: { full: number; drop: number; insertFailed: number }) =>
        `connection tracking drop +${v.drop}, insert_failed +${v.insertFailed} in the window: at least ${v.full} packets found no room in the table`,
      flat: (v: { drop: number; insertFailed: number }) =>
        `connection tracking drop +${v.drop}, insert_failed +${v.insertFailed} in the window: no packet was dropped for a full table`,
      evicted: (v: { packets: number }) =>
        `early_drop +${v.packets}: the table was full, and entries without an answer were thrown out to make room`,
      used: (v: { count: number; max: number; percent: number }) =>
        `${v.count} of ${v.max} entries (${v.percent} %) when it was read`,
      logged: (v: { message: string; time: string }) => `the kernel log says at ${v.time}: "${v.message}"`,
      notNear:
        'Neither the number of entries nor the kernel log says that the table was full: drop has rarer reasons too',
      temporary: (v: { megabytes: number }) =>
        `Makes the table larger at once (about ${v.megabytes} MB if it fills), with more hash buckets`,
      hog: 'First see who fills it: entries by source address',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'nf_conntrack_max belongs to the node, not to a pod, and kube-proxy sets it itself: raise conntrack.maxPerCore and conntrack.min in its configuration, or it overwrites the sysctl at its next start',
      application:
        'Many short connections: keep connections open, or shorten net.netfilter.nf_conntrack_tcp_timeout_time_wait (120 s). A short timeout for established connections breaks idle ones',
      risk: 'Memory of the kernel; nothing else changes',
    },
    zh: {
      ...lostSynText.zh,
      ...kubeProxyConfigText.zh,
      title: '连接跟踪表（conntrack）已满',
      notRead: (v) => `没有读到 ${v.key}`,
      noTracking: '这里没有启用连接跟踪（未加载 nf_conntrack）',
      noCounter: '两次读数里没有都出现连接跟踪的 drop 计数器',
      noStats: (v) => `当前 ${v.max} 个条目中用了 ${v.count} 个，但没有读到 drop 计数器：刚才是否满过看不出来`,
      dropped: (v) =>
        `窗口内连接跟踪 drop +${v.drop}、insert_failed +${v.insertFailed}：至少 ${v.full} 个包因为表满被丢弃`,
      flat: (v) => `窗口内连接跟踪 drop +${v.drop}、insert_failed +${v.insertFailed}：没有包因为表满被丢弃`,
      evicted: (v) => `early_drop +${v.packets}：表满过，内核淘汰了还没有应答的条目来腾位置`,
      used: (v) => `读取时 ${v.max} 个条目中用了 ${v.count} 个（${v.percent} %）`,
      logged: (v) => `内核日志 ${v.time}：“${v.message}”`,
      notNear: '条目数和内核日志都没有表明表满：drop 计数偶尔也有别的原因',
      temporary: (v) => `立即加大连接跟踪表（用满约占 ${v.megabytes} MB 内存），并增加哈希桶`,
      hog: '先看是谁占满的：按源地址统计条目',
      permanent: '重启后仍有效',
      kubernetes:
        'nf_conntrack_max 属于节点而不是 Pod，kube-proxy 会自己设置它：应调大其配置 conntrack.maxPerCore 和 conntrack.min，否则它下次启动会覆盖 sysctl',
      application:
        '短连接太多：改用长连接，或缩短 net.netfilter.nf_conntrack_tcp_timeout_time_wait（默认 120 秒）。缩短 established 超时会断开空闲连接',
      risk: '占用内核内存，其他不变',
    },
  },
  evaluate({ node, facts, symptom, target, plan, params, say }) {
    const max = facts.sysctl[maxKey];
    const stats = facts.conntrackStats;
    if (max === undefined) return undecided('sysctl', node, say.notRead({ key: maxKey }));
    if (max.value === null && stats === undefined) return notApplicable(because(say.noTracking, max.at));
    const limit = numberOf(maxKey);
    const count = numberOf(countKey);
    const share = limit === null || count === null || limit === 0 ? null : count / limit;
    const used: Because[] =
      limit === null || count === null || share === null
        ? []
        : [
            because(
              say.used({ count, max: limit, percent: Math.round(share * 100) }),
              facts.sysctl[countKey]?.at ?? max.at,
            ),
          ];
    const origin = conntrackSizeOrigin(facts.cluster, say);
    const isNear = share !== null && share >= params.nearlyFull;

    const drops = stats?.['conntrack.drop'];
    if (stats === undefined || drops === undefined || drops.delta === null) {
      if (isNear) return likely([...used, ...origin], remedies());
      // an audit reads once: how much room there is can be said, what was dropped cannot
      if (symptom.about === 'node' && used.length > 0) return ruledOut(...used);
      const why =
        stats === undefined ? say.noStats({ count: String(count ?? '?'), max: String(limit ?? '?') }) : say.noCounter;
      return undecided('conntrackStats', node, why);
    }
    const rise = (name: string): number => Math.max(0, stats[`conntrack.${name}`]?.delta ?? 0);
    const drop = Math.max(0, drops.delta);
    const insertFailed = rise('insert_failed');
    // a clash that could not be resolved counts as drop and as insert_failed
    const full = Math.max(0, drop - insertFailed);
    const evicted = rise('early_drop');
    const logged = loggedNow();
    if (full === 0) {
      const flat = because(say.flat({ drop, insertFailed }), drops.at);
      const pressure = evicted > 0 ? [because(say.evicted({ packets: evicted }), drops.at)] : [];
      // before 5.10 a collision is no drop, so the difference may hide drops of a full table
      const hidden = drop > 0 ? logged : [];
      if (pressure.length > 0 || isNear || hidden.length > 0)
        return likely([...pressure, ...used, ...hidden, flat, ...origin], remedies());
      return ruledOut(flat, ...used);
    }
    const counted = because(say.dropped({ full, drop, insertFailed }), drops.at);
    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    const effect = lost.kind === 'unseen' ? [] : [lost.because];
    if (!isNear && logged.length === 0 && evicted === 0) {
      return likely([counted, ...used, because(say.notNear, drops.at), ...effect, ...origin], remedies());
    }
    const reasons = [counted, ...used, ...logged, ...effect, ...origin];
    return lost.kind === 'lost' ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    function numberOf(key: string): number | null {
      const value = plainSetting(facts.sysctl[key]?.value);
      return value !== null && /^\d+$/.test(value) ? Number(value) : null;
    }

    /** Lines about a full table whose time since boot lies in this run; other clocks are not compared. */
    function loggedNow(): Because[] {
      const uptime = facts.clock?.uptimeSec;
      if (uptime === undefined) return [];
      const last = facts.kernelLog?.matters.findLast(({ topic, time }) => {
        const sec = Number(/^\[?\s*(\d+(?:\.\d+)?)\]?$/.exec(time)?.[1] ?? Number.NaN);
        return topic === 'conntrack-full' && uptime - sec <= recentSec;
      });
      return last === undefined ? [] : [because(say.logged({ message: last.message, time: last.time }), last.at)];
    }

    function remedies(): Remedy[] {
      if (limit === null) return [];
      const wanted = limit * 2;
      const megabytes = Math.ceil((wanted * entryBytes) / 1e6);
      const change = [{ key: maxKey, value: String(wanted), previous: facts.sysctl[maxKey]?.value }];
      const buckets = Math.ceil(wanted / 4);
      const moduleFile = '/etc/modprobe.d/99-netcheck-nf_conntrack.conf';
      const lasting = permanentSysctl(node, 'conntrack-full', change, { text: say.permanent, risk: say.risk });
      const now = temporarySysctl(node, change, { text: say.temporary({ megabytes }), risk: say.risk });
      return [
        {
          ...now,
          commands: [...now.commands, `echo ${buckets} > /sys/module/nf_conntrack/parameters/hashsize`],
        },
        {
          ...lasting,
          commands: [...lasting.commands, `echo 'options nf_conntrack hashsize=${buckets}' > ${moduleFile}`],
          undo: [`rm ${moduleFile}`, ...lasting.undo],
        },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [...kubeProxyCommands({ min: String(wanted) })],
          undo: [],
          risk: say.risk,
          // a DaemonSet that sets the sysctl would lose against kube-proxy
          objects: [],
        },
        {
          kind: 'application',
          node,
          text: `${say.application}. ${say.hog}`,
          commands: [`conntrack -L 2>/dev/null | grep -o 'src=[^ ]*' | sort | uniq -c | sort -rn | head`],
          undo: [],
          risk: say.risk,
        },
      ];
    }
  },
});
