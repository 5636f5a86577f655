import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Capture, Connection, Syn, TcpMetric } from '../model/facts.ts';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { sameAddress } from './ip-address.ts';
import { isOlderThan } from './kernel-release.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { aheadBy, pawsMslSec, pawsWindow } from './serial-compare.ts';
import { permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const recycleKey = 'net.ipv4.tcp_tw_recycle';
const timestampsKey = 'net.ipv4.tcp_timestamps';

/** Why the kernel threw one SYN away. */
type Proof =
  /** `ip tcp_metrics` remembers a newer timestamp of this source. */
  | ({ readonly kind: 'remembered'; readonly syn: Syn; readonly source: string; readonly tsval: number } & Memory)
  /** The same, and the SYN has no timestamp at all: later kernels reject that too. */
  | ({ readonly kind: 'rememberedNoOption'; readonly syn: Syn; readonly source: string } & Memory)
  /** The same source was answered within the last 60 s with a newer timestamp. */
  | {
      readonly kind: 'seen';
      readonly syn: Syn;
      readonly source: string;
      readonly tsval: number;
      readonly higher: number;
      readonly earlierMs: number;
      readonly at: At;
    };
interface Memory {
  readonly stamp: number;
  readonly ageSec: number;
  readonly at: At;
}

/**
 * The kernel rejects a SYN when the timestamp that it remembers of the source address is younger than 60 s and ahead
 * of the SYN's by more than 1 (tcp_peer_is_proven, net/ipv4/tcp_metrics.c, v3.6 to v4.11).
 */
function proofOf(connection: Connection, metrics: readonly TcpMetric[], capture: Capture): Proof | null {
  const source = connection.client.address;
  // read before and after the window: either reading may hold the stamp that the kernel compared with
  const memories = metrics.flatMap(({ address, twTs, at }) =>
    twTs !== undefined && twTs.ageSec < pawsMslSec && sameAddress(address, source) ? [{ ...twTs, at }] : [],
  );
  for (const syn of connection.syns) {
    for (const { value, ageSec, at } of memories) {
      const found = { syn, source, stamp: value, ageSec, at };
      if (syn.tsval === null) return { kind: 'rememberedNoOption', ...found };
      if (aheadBy(value, syn.tsval) > pawsWindow) return { kind: 'remembered', ...found, tsval: syn.tsval };
    }
    const seen = higherBefore(syn, source, capture);
    if (seen !== null) return seen;
  }
  return null;
}

/** A SYN that was dropped never became a memory: only answered ones count. */
function higherBefore(syn: Syn, source: string, capture: Capture): Proof | null {
  const { tsval } = syn;
  if (tsval === null) return null;
  for (const other of capture.connections) {
    if (other.synAcks.length === 0 || !sameAddress(other.client.address, source)) continue;
    for (const earlier of other.syns) {
      const earlierMs = syn.atMs - earlier.atMs;
      if (earlier.tsval === null || earlierMs <= 0 || earlierMs > pawsMslSec * 1000) continue;
      if (aheadBy(earlier.tsval, tsval) > pawsWindow) {
        return { kind: 'seen', syn, source, tsval, higher: earlier.tsval, earlierMs, at: capture.at };
      }
    }
  }
  return null;
}

/** F01: SYNs thrown away because of tcp_tw_recycle. NAT is usual, but no condition: random offsets suffice. */
export const twRecycle = defineNodeRule({
  id: 'tw-recycle',
  fault: 'F01',
  scope: 'node',
  asksNothing: true,
  roles: ['target'],
  needs: ['sysctl'],
  optional: ['counters', 'tcpMetrics', 'capture', 'kernel'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/tcp_metrics.c tcp_peer_is_proven (v3.10, v4.9)',
    'net/ipv4/tcp_ipv4.c tcp_v4_conn_request (v3.10)',
    'commit 4396e46187ca "tcp: remove tcp_tw_recycle" (v4.12)',
    'RFC 7323 section 5.2',
    'field reports 0 and 1; recording on Linux 4.9.273',
  ],
  text: {
    en: {
      ...captureText.en,
      ...tcpOnlyText.en,
      title: 'tcp_tw_recycle throws SYNs away by their timestamp',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      absent: `${recycleKey} does not exist on this kernel (removed in Linux 4.12)`,
      hiddenFlat: (v: { total: number }) =>
        `${recycleKey} is not visible here (kernels with it hide it outside the initial network namespace), but PAWSPassive +0 in the window (${v.total} since boot): no SYN was rejected for its timestamp`,
      hiddenCounted: (v: { paws: number }) =>
        `PAWSPassive +${v.paws} in the window: SYNs were rejected for their timestamp, although ${recycleKey} is not visible in this network namespace`,
      hiddenUnknown: 'the kernel is older than 4.12, the setting is not visible, and PAWSPassive was not read',
      off: `${recycleKey} = 0`,
      timestampsOff: (v: { recycle: string }) =>
        `${recycleKey} = ${v.recycle}, but ${timestampsKey} = 0: no timestamps are remembered`,
      on: (v: { recycle: string; timestamps: string }) =>
        `${recycleKey} = ${v.recycle} with ${timestampsKey} = ${v.timestamps}`,
      counted: (v: { paws: number }) => `PAWSPassive +${v.paws} in the window: SYNs rejected for their timestamp`,
      countedWithDrops: (v: { paws: number; drops: number }) =>
        v.paws === v.drops
          ? `PAWSPassive +${v.paws} = ListenDrops +${v.drops} in the window: every SYN that the listener dropped was rejected for its timestamp`
          : `PAWSPassive +${v.paws} in the window (ListenDrops +${v.drops}): SYNs rejected for their timestamp`,
      unanswered: (v: { syns: number; connections: number; port: number }) =>
        `${v.syns} SYNs of ${v.connections} connects to port ${v.port} arrived and got no SYN+ACK`,
      remembered: (v: {
        source: string;
        stamp: number;
        ageSec: number;
        tsval: number;
        frame: number;
        behind: number;
      }) =>
        `the node remembers TSval ${v.stamp} of ${v.source} from ${v.ageSec} s ago; the unanswered SYN (frame ${v.frame}) carries ${v.tsval}, ${v.behind} behind it: the kernel drops such a SYN for 60 s`,
      rememberedNoOption: (v: { source: string; stamp: number; ageSec: number; frame: number }) =>
        `the node remembers TSval ${v.stamp} of ${v.source} from ${v.ageSec} s ago; the unanswered SYN (frame ${v.frame}) has no timestamp: the kernel drops such a SYN too for 60 s`,
      seen: (v: { source: string; higher: number; earlierSec: string; tsval: number; frame: number; behind: number }) =>
        `${v.source} was answered with TSval ${v.higher} ${v.earlierSec} s before the unanswered SYN (frame ${v.frame}) with ${v.tsval}, ${v.behind} behind it`,
      share: (v: { proved: number; unanswered: number }) =>
        `${v.proved} of ${v.unanswered} unanswered connects carry a timestamp that the kernel rejects`,
      falseLeads:
        'What is usually blamed is not it: the SYNs arrived, so neither network, card nor MTU lost them; they are dropped before the application; and client kernels from 4.10 on only bring it to light, by a random timestamp offset for each connection',
      noProof:
        'No remembered timestamp explains the unanswered SYNs (no entry younger than 60 s in tcp_metrics, no higher TSval in the capture), so the link is not proven',
      notTied: (v: { why: string }) => `It is not tied to this port: ${v.why}`,
      elsewhere: (v: { port: number }) =>
        `No unanswered SYN to port ${v.port} was seen: the rejected SYNs may belong to other ports or clients of this node`,
      flat: (v: { syns: number; port: number }) =>
        `PAWSPassive +0 while ${v.syns} SYNs to port ${v.port} went unanswered: they were not dropped for their timestamp`,
      stillRisky: `${recycleKey} = 1 is a trap all the same: switch it off when this is over`,
      risky: 'The setting is risky, but no SYN was seen to be rejected for its timestamp in this window',
      notCounted: 'PAWSPassive could not be compared over the window, so the effect is not proven',
      temporary: 'Stops it at once, for new connects; no restart is needed',
      permanent:
        'Keeps it off after a reboot; another file that sets it must be changed too. Kernels from 4.12 on no longer have the setting. tcp_tw_reuse=1 is no remedy (it concerns outgoing connects only); tcp_timestamps=0 on clients makes it worse on later kernels',
      kubernetes: 'Set it to 0 on every node with the node tuning that the cluster uses (DaemonSet, MachineConfig)',
      riskTemporary: 'Low: more sockets stay in TIME_WAIT (watch tcp_max_tw_buckets)',
      riskPermanent: 'Low: sysctl --system applies every file of sysctl.d again',
      riskKubernetes: 'Low: applies to all nodes that the tuning selects',
    },
    zh: {
      ...captureText.zh,
      ...tcpOnlyText.zh,
      title: 'tcp_tw_recycle 按时间戳丢弃 SYN',
      notRead: (v) => `没有读到 ${v.key}`,
      absent: `该内核没有 ${recycleKey}（Linux 4.12 起已移除）`,
      hiddenFlat: (v) =>
        `这里看不到 ${recycleKey}（老内核在非初始网络命名空间里不显示它），但窗口内 PAWSPassive +0（开机以来 ${v.total}）：没有 SYN 因时间戳被拒`,
      hiddenCounted: (v) =>
        `窗口内 PAWSPassive +${v.paws}：有 SYN 因时间戳被拒，但在这个网络命名空间里看不到 ${recycleKey}`,
      hiddenUnknown: '内核早于 4.12，看不到该参数，也没有读到 PAWSPassive',
      off: `${recycleKey} = 0`,
      timestampsOff: (v) => `${recycleKey} = ${v.recycle}，但 ${timestampsKey} = 0：不会记录对端时间戳`,
      on: (v) => `${recycleKey} = ${v.recycle}，${timestampsKey} = ${v.timestamps}`,
      counted: (v) => `窗口内 PAWSPassive +${v.paws}：有 SYN 因时间戳被拒`,
      countedWithDrops: (v) =>
        v.paws === v.drops
          ? `窗口内 PAWSPassive +${v.paws} = ListenDrops +${v.drops}：监听端丢弃的每个 SYN 都是因为时间戳`
          : `窗口内 PAWSPassive +${v.paws}（ListenDrops +${v.drops}）：有 SYN 因时间戳被拒`,
      unanswered: (v) => `到端口 ${v.port} 的 ${v.connections} 次连接共 ${v.syns} 个 SYN 已到达，但没有 SYN+ACK`,
      remembered: (v) =>
        `节点记得 ${v.source} 在 ${v.ageSec} 秒前的 TSval 是 ${v.stamp}；未被应答的 SYN（第 ${v.frame} 帧）是 ${v.tsval}，落后 ${v.behind}：内核在 60 秒内会丢弃这样的 SYN`,
      rememberedNoOption: (v) =>
        `节点记得 ${v.source} 在 ${v.ageSec} 秒前的 TSval 是 ${v.stamp}；未被应答的 SYN（第 ${v.frame} 帧）没有时间戳选项：内核在 60 秒内同样会丢弃`,
      seen: (v) =>
        `${v.source} 在 ${v.earlierSec} 秒前以 TSval ${v.higher} 建连成功，随后未被应答的 SYN（第 ${v.frame} 帧）是 ${v.tsval}，落后 ${v.behind}`,
      share: (v) => `${v.unanswered} 次未被应答的连接中，有 ${v.proved} 次带着会被内核拒绝的时间戳`,
      falseLeads:
        '常被怀疑的都不是原因：SYN 已经到达，不是网络、网卡或 MTU 丢的；丢弃发生在应用之前；4.10 以后的客户端内核（每个连接使用随机的时间戳偏移）只是让问题暴露出来',
      noProof:
        '没有找到能解释这些 SYN 的历史时间戳（tcp_metrics 里没有 60 秒内的记录，抓包里也没有更大的 TSval），因果关系还没有坐实',
      notTied: (v) => `无法对应到这个端口：${v.why}`,
      elsewhere: (v) => `没有看到端口 ${v.port} 上未被应答的 SYN：被拒的 SYN 可能属于该节点的其他端口或其他客户端`,
      flat: (v) => `端口 ${v.port} 有 ${v.syns} 个 SYN 未被应答，而 PAWSPassive +0：不是因为时间戳被丢`,
      stillRisky: `${recycleKey} = 1 仍是隐患，处理完本次故障后请关闭`,
      risky: '该设置有风险，但本次窗口内没有看到 SYN 因时间戳被拒',
      notCounted: '窗口前后的 PAWSPassive 无法比较，影响未能证实',
      temporary: '立即生效（对新连接），无需重启',
      permanent:
        '重启后仍保持关闭；如果别的文件也设置了它，要一并修改。4.12 及以后的内核已没有该参数。tcp_tw_reuse=1 不是解决办法（只影响主动外连）；在客户端关闭 tcp_timestamps，在较新的内核上反而更糟',
      kubernetes: '用集群的节点调优手段（DaemonSet、MachineConfig）在所有节点上设为 0',
      riskTemporary: '低：TIME_WAIT 会变多（留意 tcp_max_tw_buckets）',
      riskPermanent: '低：sysctl --system 会重新应用 sysctl.d 里的所有文件',
      riskKubernetes: '低：会作用于被选中的所有节点',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const recycle = facts.sysctl[recycleKey];
    const timestamps = facts.sysctl[timestampsKey];
    const paws = facts.counters?.['TcpExt.PAWSPassive'];
    const delta = paws?.delta ?? null;
    if (recycle === undefined) return undecided('sysctl', node, say.notRead({ key: recycleKey }));

    if (recycle.value === null) {
      // a kernel that has the check has its counter too, and hides the setting in namespaces other than the first
      const hides = facts.kernel !== undefined && isOlderThan(facts.kernel.release, 4, 12) === true;
      if (hides && facts.counters === undefined) return undecided('counters', node, say.hiddenUnknown);
      if (paws !== undefined && delta !== null && (hides || (paws.after ?? 0) > 0)) {
        return delta > 0
          ? likely([because(say.hiddenCounted({ paws: delta }), paws.at)])
          : ruledOut(because(say.hiddenFlat({ total: paws.after ?? 0 }), paws.at));
      }
      return notApplicable(because(say.absent, recycle.at));
    }

    const value = recycle.value.trim();
    if (value === '0') return ruledOut(because(say.off, recycle.at));
    if (timestamps === undefined) return undecided('sysctl', node, say.notRead({ key: timestampsKey }));
    if (timestamps.value?.trim() === '0') {
      return ruledOut(because(say.timestampsOff({ recycle: value }), timestamps.at));
    }

    const change = [{ key: recycleKey, value: '0', previous: recycle.value }];
    const remedies: Remedy[] = [
      temporarySysctl(node, change, { text: say.temporary, risk: say.riskTemporary }),
      permanentSysctl(node, 'tw-recycle', change, { text: say.permanent, risk: say.riskPermanent }),
      { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.riskKubernetes },
    ];
    const setting = because(say.on({ recycle: value, timestamps: timestamps.value ?? '?' }), recycle.at);

    const blind = blindness(facts.capture, say);
    const capture = blind === null ? facts.capture : undefined;
    const seen = capture === undefined ? null : handshakesTo(capture, target);
    const unanswered = seen?.unanswered ?? [];
    const arrived =
      capture === undefined || seen === null || unanswered.length === 0
        ? []
        : [
            because(
              say.unanswered({ syns: seen.unansweredSyns, connections: unanswered.length, port: target.port }),
              capture.at,
            ),
          ];

    if (paws === undefined || delta === null) {
      return likely([setting, ...arrived, because(say.notCounted, paws?.at ?? recycle.at)], remedies);
    }
    if (delta <= 0) {
      if (seen === null || arrived.length === 0) return likely([setting, because(say.risky, paws.at)], remedies);
      return ruledOut(
        because(say.flat({ syns: seen.unansweredSyns, port: target.port }), paws.at),
        because(say.stillRisky, recycle.at),
      );
    }

    const drops = facts.counters?.['TcpExt.ListenDrops']?.delta ?? null;
    const counted = because(
      drops === null ? say.counted({ paws: delta }) : say.countedWithDrops({ paws: delta, drops }),
      paws.at,
    );
    if (capture === undefined)
      return likely([setting, counted, because(say.notTied({ why: blind ?? '' }), paws.at)], remedies);
    if (arrived.length === 0) {
      return likely([setting, counted, because(say.elsewhere({ port: target.port }), capture.at)], remedies);
    }
    const proofs = unanswered.flatMap((c) => proofOf(c, facts.tcpMetrics ?? [], capture) ?? []);
    const best = proofs.find((p) => p.kind !== 'seen') ?? proofs[0];
    if (best === undefined) return likely([setting, counted, ...arrived, because(say.noProof, capture.at)], remedies);
    const share = because(say.share({ proved: proofs.length, unanswered: unanswered.length }), capture.at);
    const reasons = [setting, counted, ...arrived, because(proofSentence(best, say), best.at), share];
    const weak = weakness(capture, say);
    return weak === null
      ? confirmed([...reasons, because(say.falseLeads, capture.at)], remedies)
      : likely([...reasons, because(weak, capture.at)], remedies);
  },
});

interface ProofSentences {
  readonly remembered: (v: Shown & { stamp: number; ageSec: number; tsval: number; behind: number }) => string;
  readonly rememberedNoOption: (v: Shown & { stamp: number; ageSec: number }) => string;
  readonly seen: (v: Shown & { higher: number; earlierSec: string; tsval: number; behind: number }) => string;
}
interface Shown {
  source: string;
  frame: number;
}

function proofSentence(proof: Proof, say: ProofSentences): string {
  const shown = { source: proof.source, frame: proof.syn.frame };
  if (proof.kind === 'seen') {
    const { higher, tsval, earlierMs } = proof;
    const earlierSec = (earlierMs / 1000).toFixed(1);
    return say.seen({ ...shown, higher, tsval, earlierSec, behind: aheadBy(higher, tsval) });
  }
  const { stamp, ageSec } = proof;
  if (proof.kind === 'rememberedNoOption') return say.rememberedNoOption({ ...shown, stamp, ageSec });
  return say.remembered({ ...shown, stamp, ageSec, tsval: proof.tsval, behind: aheadBy(stamp, proof.tsval) });
}
