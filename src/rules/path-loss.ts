import * as z from 'zod';
import type { Capture } from '../model/facts.ts';
import type { Flow } from '../model/packet-facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { type Side, sidesOf } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { largestOf } from './extremes.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { percentText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

/** What one service sent, or was sent, over all its connections. */
interface Direction {
  readonly name: string;
  readonly from: 'client' | 'server';
  segments: number;
  lost: number;
  fast: number;
  /** Connections with a loss that only the timer mended. */
  timeouts: number;
  unseen: number;
  readonly connections: Set<Side['connection']>;
}

/** F95: segments of every size are lost now and then. */
export const pathLoss = defineCaptureRule({
  id: 'path-loss',
  fault: 'F95',
  scope: 'capture',
  params: z.strictObject({
    /** Share of the data segments that may be lost before it counts. */
    maxShare: z.number().min(0).max(1).default(0.01),
    /** Data segments in one direction below which no rate is told. */
    minSegments: z.number().int().min(1).default(200),
    /** Losses that it takes. */
    minLost: z.number().int().min(1).default(5),
  }),
  sources: ['fault catalogue F95', 'RFC 6675, RFC 6298', 'seen and unseen originals: fault catalogue C.3'],
  text: {
    en: {
      ...captureText.en,
      title: 'Segments are lost on the way (random loss or congestion)',
      few: (v: { segments: number; minSegments: number }) =>
        `at most ${v.segments} data segments went one way, fewer than the ${v.minSegments} that a loss rate can be told from`,
      lost: (v: { to: string; lost: number; segments: number; percent: string; connections: number }) =>
        `${v.to}: ${v.lost} of ${v.segments} data segments had to be sent again (${v.percent} %), in ${v.connections} connections`,
      toServer: (v: { server: string }) => `to ${v.server}`,
      fromServer: (v: { server: string }) => `from ${v.server}`,
      how: (v: { fast: number; timeouts: number }) =>
        `${v.fast} of them after duplicate ACKs or SACK; in ${v.timeouts} connections only the timer helped`,
      sizes: 'Most segments of the same sizes pass: it is not the size that decides',
      before: (v: { unseen: number; lost: number }) =>
        `${v.unseen} of ${v.lost} originals were never seen here: they are lost between the sender and this place`,
      after: (v: { seen: number; lost: number }) =>
        `${v.seen} of ${v.lost} originals passed here: they are lost between this place and the receiver`,
      noTimer: 'No loss cost more than a round trip, and packets that overtake each other look alike',
      fine: (v: { percent: string; segments: number }) =>
        `in the worst direction ${v.percent} % of ${v.segments} data segments had to be sent again`,
      remedy:
        'Find the hop: capture at both ends (netcheck pcap A B joins them), then the counters of the devices there (ethtool -S, ip -s link, softnet_stat, cloud allowances)',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '路上有丢包（随机丢包或拥塞）',
      few: (v) => `单个方向最多只有 ${v.segments} 个数据报文段，少于可以谈丢包率的 ${v.minSegments} 个`,
      lost: (v) =>
        `${v.to}：${v.segments} 个数据报文段中有 ${v.lost} 个需要重发（${v.percent} %），涉及 ${v.connections} 条连接`,
      toServer: (v) => `发往 ${v.server}`,
      fromServer: (v) => `来自 ${v.server}`,
      how: (v) => `其中 ${v.fast} 个由重复 ACK 或 SACK 触发；${v.timeouts} 条连接只能等定时器`,
      sizes: '同样大小的报文段大多能通过：与大小无关',
      before: (v) => `${v.lost} 个中有 ${v.unseen} 个原始报文段在这里从未出现：丢在发送方与这里之间`,
      after: (v) => `${v.lost} 个中有 ${v.seen} 个原始报文段经过了这里：丢在这里与接收方之间`,
      noTimer: '没有一次丢失的代价超过一个往返，而且乱序到达看起来也是这样',
      fine: (v) => `最差的方向上 ${v.segments} 个数据报文段中有 ${v.percent} % 需要重发`,
      remedy:
        '找出是哪一跳：在两端同时抓包（netcheck pcap A B 会合并），再看那里设备的计数器（ethtool -S、ip -s link、softnet_stat、云厂商配额）',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const all = directionsOf(capture);
    const enough = all.filter(({ segments }) => segments >= params.minSegments);
    if (enough.length === 0)
      return notApplicable(
        because(
          say.few({ segments: largestOf(all.map(({ segments }) => segments)), minSegments: params.minSegments }),
          capture.at,
        ),
      );

    const lossy = enough.filter(
      ({ lost, segments, fast, timeouts }) =>
        lost >= params.minLost && lost / segments > params.maxShare && (fast > 0 || timeouts >= 3),
    );
    const share = ({ lost, segments }: Direction): number => lost / Math.max(1, segments);
    if (lossy.length === 0) {
      const [worst] = worstFirst(enough, share, 1);
      return notSeen(
        capture,
        place,
        say,
        say.fine({ percent: percentText(worst === undefined ? 0 : share(worst)), segments: worst?.segments ?? 0 }),
      );
    }
    const reasons = worstFirst(lossy, share).flatMap((one) => [
      say.lost({
        to: one.from === 'client' ? say.toServer({ server: one.name }) : say.fromServer({ server: one.name }),
        lost: one.lost,
        segments: one.segments,
        percent: percentText(share(one)),
        connections: one.connections.size,
      }),
      say.how({ fast: one.fast, timeouts: one.timeouts }),
      ...whereLost(one),
    ]);
    const timer = lossy.some(({ timeouts }) => timeouts > 0);
    const both = lossy.some(({ fast, timeouts }) => fast > 0 && timeouts > 0);
    const sentences = [...reasons, say.sizes, ...(timer ? [] : [say.noTimer])].map((text) => because(text, capture.at));
    const remedies = [{ kind: 'permanent' as const, text: say.remedy, commands: [], undo: [], risk: say.risk }];
    return both ? confirmed(sentences, remedies) : likely(sentences, remedies);

    /** Packets that the capture itself lost look like packets lost before it. */
    function whereLost({ unseen, lost }: Direction): string[] {
      if (unseen <= lost * 0.2) return [say.after({ seen: lost - unseen, lost })];
      if (unseen < lost * 0.8 || (capture.droppedByKernel ?? 0) > 0) return [];
      return [say.before({ unseen, lost })];
    }
  },
});

function directionsOf(capture: Capture): readonly Direction[] {
  const found = new Map<string, Direction>();
  const kept = new Map<string, number>();
  for (const side of sidesOf(capture.connections)) {
    const { connection, from, flow } = side;
    const name = endpointText(connection.server);
    const key = `${from} ${name}`;
    const known = found.get(key) ?? {
      name,
      from,
      segments: 0,
      lost: 0,
      fast: 0,
      timeouts: 0,
      unseen: 0,
      connections: new Set(),
    };
    found.set(key, known);
    kept.set(name, (kept.get(name) ?? 0) + connection.packets[from]);
    known.segments += flow.dataSegments;
    const lost = lossesOf(flow);
    if (lost === 0) continue;
    const { fast, timeout, unseenOriginal } = flow.retransmissions;
    known.lost += lost;
    known.fast += Math.min(fast, lost);
    known.timeouts += timeout > 0 ? 1 : 0;
    known.unseen += Math.min(unseenOriginal, lost);
    known.connections.add(connection);
  }
  // of connections that are only counted every packet may have been data: the rate is rather told too low
  for (const { server, packets } of capture.uneventful > 0 ? capture.services : []) {
    const name = endpointText(server);
    const others = Math.max(0, packets - (kept.get(name) ?? 0));
    for (const from of ['client', 'server']) {
      const known = found.get(`${from} ${name}`);
      if (known !== undefined) known.segments += others;
    }
  }
  return [...found.values()];
}

/**
 * Data segments of a flow that were lost, as far as chance may have lost them: one segment that is repeated in vain
 * counts once (a dead peer, an MTU), and so does a size of which as many were repeated as arrived.
 */
function lossesOf({ bySize, retransmissions, holes }: Flow): number {
  const byChance = bySize.reduce(
    (sum, { sent, retransmitted }) => sum + (retransmitted * 2 > sent ? Math.min(1, retransmitted) : retransmitted),
    0,
  );
  const inVain = holes.reduce(
    (sum, { filledMs, retransmits }) => sum + (filledMs === null ? Math.max(0, retransmits - 1) : 0),
    0,
  );
  return Math.max(0, byChance - retransmissions.spurious - inVain);
}
