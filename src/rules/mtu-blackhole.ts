import * as z from 'zod';
import type { Capture, IcmpError } from '../model/facts.ts';
import type { SackHole, SizeClass } from '../model/packet-facts.ts';
import type { Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { hasData, type Side, sidesOf } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { clampCommands } from './mss-clamp.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { byFlow, keyOfSide, sizeErrors } from './size-errors.ts';
import { worstFirst } from './worst-first.ts';

/** One side whose large segments do not arrive. */
interface Stuck {
  readonly side: Side;
  /** The hole that is never filled; null where the receiver says nothing of it, since nothing after it came either. */
  readonly hole: SackHole | null;
  /** Size class of what is sent again and again. */
  readonly size: SizeClass;
  /** Largest payload of the classes that pass. */
  readonly passes: number;
  readonly resent: number;
  /** "Too large", said about packets of this side with an MTU that they do not fit. */
  readonly errors: readonly IcmpError[];
}

/** Full segments that the first flight of a sender holds (RFC 6928): all of them may be lost at once. */
const initialWindow = 10;
/** Payload of a full segment with an MTU of 1500; a larger one is several in one packet, or of a jumbo MTU. */
const largestUnmerged = 1460;
/** Below this an MTU is no likely cause: IPv6 needs 1280. */
const smallestSuspect = 1220;

/** F40: segments above a certain size never arrive, whatever often they are sent again; smaller ones pass. */
export const mtuBlackhole = defineCaptureRule({
  id: 'mtu-blackhole',
  fault: 'F40',
  scope: 'capture',
  params: z.strictObject({
    /** Times that the missing segment must have been sent again. */
    minResent: z.number().int().min(2).default(2),
  }),
  sources: [
    'fault catalogue F40',
    'recording of a forwarder with a smaller MTU behind it',
    'RFC 2018',
    'RFC 2923 section 2.1',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Large segments never arrive, small ones do: an MTU on the way is too small',
      noData: 'no connection of the capture carried data',
      hole: (v: {
        connection: string;
        sender: string;
        bytes: number;
        start: number;
        frame: number;
        resent: number;
        seconds: string;
      }) =>
        `${v.connection}: the receiver has later bytes and lacks ${v.bytes} bytes from ${v.start} on (SACK, frame ${v.frame}); ${v.sender} sent them ${v.resent} times again in ${v.seconds} s and they never arrived`,
      stuck: (v: { connection: string; sender: string; resent: number; upTo: number }) =>
        `${v.connection}: ${v.sender} sent segments of up to ${v.upTo} bytes ${v.resent} times again without any acknowledgement, while the other side was alive and answered other connections`,
      passes: (v: { passes: number; upTo: number; packet: number }) =>
        `Only segments of more than ${v.passes} bytes are lost, up to ${v.upTo} (payload; packets of ${v.packet} bytes): smaller ones pass`,
      seen: 'The segment passed this place: it is lost after it, towards the receiver',
      unseen: 'The segment was not seen here: it is lost before this place',
      mss: (v: { mss: number; packet: number }) =>
        `Both ends agreed on segments for packets of up to ${v.packet} bytes (MSS ${v.mss}); a device on the way takes less`,
      error: (v: { from: string; mtu: string; frame: number; count: number }) =>
        `${v.from} says so itself: ${v.count} x ICMP "too large"${v.mtu} about this connection (first: frame ${v.frame}), and the same bytes were sent again`,
      noError:
        'No ICMP "fragmentation needed" about it is in this capture: it is not sent, not let through, or does not pass here',
      count: (v: { stuck: number }) => `In all ${v.stuck} connections are stuck like this`,
      none: 'no segment was repeated in vain while smaller ones passed',
      clamp: 'On the device before the narrow hop: clamp the MSS of new connections (value: its MTU less 40)',
      clampTo: (v: { from: string; mtu: number }) =>
        `On ${v.from}: clamp the MSS of new connections to what its MTU of ${v.mtu} takes`,
      clampRisk: 'New connections only; segments become smaller. Remove it when the MTUs are right',
      permanent:
        'Make the MTUs agree: tunnel MTU at most NIC MTU less the overhead (IPIP 20, GRE 24, VXLAN 50, WireGuard 60), pod MTU at most tunnel MTU; and let ICMP type 3 code 4 (ICMPv6 type 2) through',
      permanentRisk: 'Pods get a new MTU only when they are created again; too high a value moves the black hole on',
    },
    zh: {
      ...captureText.zh,
      title: '大包始终到不了而小包可以：路径上某处 MTU 过小',
      noData: '抓包中没有带数据的连接',
      hole: (v) =>
        `${v.connection}：接收方已收到后面的数据，但缺少从 ${v.start} 起的 ${v.bytes} 字节（SACK，第 ${v.frame} 帧）；${v.sender} 在 ${v.seconds} 秒内重发了 ${v.resent} 次，始终没有到达`,
      stuck: (v) =>
        `${v.connection}：${v.sender} 把不超过 ${v.upTo} 字节的报文段重发了 ${v.resent} 次，一直没有确认，而对端是活着的，还在应答其他连接`,
      passes: (v) =>
        `只有超过 ${v.passes} 字节的报文段丢失，最大 ${v.upTo}（载荷，整个报文 ${v.packet} 字节）：更小的能通过`,
      seen: '该报文段经过了这里：丢在这里之后、接收方之前',
      unseen: '这里没有看到该报文段：丢在到达这里之前',
      mss: (v) => `两端协商的报文最大为 ${v.packet} 字节（MSS ${v.mss}），而路上某个设备容不下`,
      error: (v) =>
        `${v.from} 自己也这么说：关于该连接发了 ${v.count} 个 ICMP “报文过大”${v.mtu}（第一个：第 ${v.frame} 帧），之后同样的数据仍被重发`,
      noError: '抓包中没有相应的 ICMP “需要分片”：没有发出、被拦截，或不经过这里',
      count: (v) => `共有 ${v.stuck} 条连接这样卡住`,
      none: '没有出现“小包能过、某个大包反复重传无果”的情况',
      clamp: '在较窄一跳之前的设备上：为新连接钳制 MSS（取其 MTU 减 40）',
      clampTo: (v) => `在 ${v.from} 上：把新连接的 MSS 钳制到其 MTU ${v.mtu} 能承载的值`,
      clampRisk: '只影响新连接；报文段会变小。MTU 改好后请删除',
      permanent:
        '让各处 MTU 一致：隧道 MTU 不大于网卡 MTU 减去开销（IPIP 20、GRE 24、VXLAN 50、WireGuard 60），Pod MTU 不大于隧道 MTU；并放行 ICMP 类型 3 代码 4（ICMPv6 类型 2）',
      permanentRisk: 'Pod 重建后才会得到新的 MTU；设得过大会把黑洞移到别处',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!hasData(capture)) return notApplicable(because(say.noData, capture.at));

    const stuck = stuckSides(capture, params.minResent);
    if (stuck.length === 0) return notSeen(capture, place, say, say.none);
    const worst = worstFirst(
      stuck,
      ({ hole, errors, resent }) => (errors.length > 0 ? 2000 : hole === null ? 0 : 1000) + resent,
    );
    const reasons = worst.flatMap(sentences);
    if (stuck.length > worst.length) reasons.push(say.count({ stuck: stuck.length }));
    const proven = stuck.some(({ errors, hole }) => errors.length > 0 && hole !== null);
    if (stuck.every(({ errors }) => errors.length === 0)) reasons.push(say.noError);
    const all = reasons.map((text) => because(text, capture.at));
    return proven ? confirmed(all, remedies()) : likely(all, remedies());

    function sentences({ side, hole, size, passes, resent, errors }: Stuck): string[] {
      const connection = connectionText(side.connection);
      const sender = endpointText(side.sender);
      const mss = leastMss(side);
      const payload = Math.min(size.upTo, side.flow.largestPayload);
      const [error] = errors;
      return [
        hole === null
          ? say.stuck({ connection, sender, resent, upTo: payload })
          : say.hole({
              connection,
              sender,
              bytes: hole.length,
              start: hole.start,
              frame: hole.frame,
              resent: hole.retransmits,
              seconds: secondsText(side.connection.lastAtMs - hole.firstSeenMs),
            }),
        ...(passes > 0 ? [say.passes({ passes, upTo: payload, packet: payload + headersOf(side) })] : []),
        ...(hole === null ? [] : [hole.originalSeen ? say.seen : say.unseen]),
        ...(error === undefined
          ? []
          : [
              say.error({
                from: error.from,
                mtu: error.mtu === undefined || error.mtu === 0 ? '' : ` (MTU ${error.mtu})`,
                frame: error.frame,
                count: errors.length,
              }),
            ]),
        ...(mss === null ? [] : [say.mss({ mss, packet: mss + (side.sender.address.includes(':') ? 60 : 40) })]),
      ];
    }

    function remedies(): Remedy[] {
      const [narrow] = stuck
        .flatMap(({ errors }) => errors)
        .flatMap(({ from, mtu = 0, version }) => (mtu > 0 ? [{ from, mtu, family: version }] : []))
        .sort((a, b) => a.mtu - b.mtu);
      const clamp: Remedy =
        narrow === undefined
          ? {
              kind: 'temporary',
              text: say.clamp,
              commands: [
                'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
              ],
              undo: ['iptables -t mangle -D POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu'],
              risk: say.clampRisk,
            }
          : { kind: 'temporary', text: say.clampTo(narrow), ...clampCommands(narrow), risk: say.clampRisk };
      return [clamp, { kind: 'permanent', text: say.permanent, commands: [], undo: [], risk: say.permanentRisk }];
    }
  },
});

function stuckSides(capture: Capture, minResent: number): readonly Stuck[] {
  const errors = byFlow(sizeErrors(capture));
  const alive = lastSignOfLife(capture);
  const sides = sidesOf(capture.connections);
  const found = sides.flatMap((side): Stuck[] => {
    const about = errors.get(keyOfSide(side)) ?? [];
    const one = withHole(side, about, minResent) ?? withoutAnswer(side, about, alive);
    return one === null ? [] : [one];
  });
  // one connection without any answer may have another reason; the same size in two of one sender hardly has
  const alike = groupBy(found, sameWay);
  return found.filter(
    (one) => one.hole !== null || one.errors.length > 0 || (alike.get(sameWay(one))?.length ?? 0) > 1,
  );
}

function sameWay({ side, size }: Stuck): string {
  return `${side.sender.address} ${side.receiver.address} ${size.upTo}`;
}

/** The receiver tells of the hole: it has what was sent after it. */
function withHole(side: Side, errors: readonly IcmpError[], minResent: number): Stuck | null {
  const open = side.flow.holes.filter(({ filledMs }) => filledMs === null);
  const [hole] = worstFirst(open, ({ retransmits }) => retransmits, 1);
  if (hole === undefined || hole.retransmits < minResent) return null;
  const sizes = oneSizeOnly(side.flow.bySize);
  if (sizes === null) return null;
  const { size, above, merged, passes } = sizes;
  // a hole of several segments is lost in one piece; more of that size than are missing did arrive
  const missing = open.reduce((sum, { length }) => sum + Math.ceil(length / (below(size, side.flow.bySize) + 1)), 0);
  if (passes === 0 || size.sent - size.retransmitted > missing + 1) return null;
  if (above > 0 || merged > initialWindow) return null;
  return { side, hole, size, passes, resent: hole.retransmits, errors: tooLarge(errors, size, side) };
}

/** Nothing comes back at all: not one of the large segments arrived, and there was no small one after them. */
function withoutAnswer(side: Side, errors: readonly IcmpError[], alive: ReadonlyMap<string, number>): Stuck | null {
  const { flow, connection, receiver } = side;
  if (flow.retransmissions.timeout < 3 || flow.holes.length > 0) return null;
  const sizes = oneSizeOnly(flow.bySize);
  if (sizes === null) return null;
  const { size, above, merged, passes } = sizes;
  const originals = size.sent - size.retransmitted + merged;
  if (size.retransmitted < 3 || passes === 0 || above > 0 || flow.largestPayload <= smallestSuspect) return null;
  if (originals > initialWindow || originals < 1 || flow.duplicateAcks > 0) return null;
  if (connection.idleGaps.some(({ idleMs }) => idleMs >= 60_000)) return null;
  const fits = tooLarge(errors, size, side);
  // the last repetition, or another connection meanwhile, must have met a receiver that lives
  if (fits.length === 0 && (alive.get(receiver.address) ?? 0) < connection.lastAtMs - 1000) return null;
  return { side, hole: null, size, passes, resent: size.retransmitted, errors: fits };
}

/**
 * The one size class that had to be repeated, as good as alone; null where there are several, or none. A capture at the sender shows
 * several segments in one packet (GSO): what was `merged` cannot be told by size, only what is repeated by itself.
 */
function oneSizeOnly(bySize: readonly SizeClass[]): {
  readonly size: SizeClass;
  /** Segments that are larger, and were not repeated. */
  readonly above: number;
  readonly merged: number;
  readonly passes: number;
} | null {
  const single = bySize.filter(({ upTo }) => upTo <= largestUnmerged);
  const repeated = single.filter(({ retransmitted }) => retransmitted > 0);
  const size = repeated.at(-1) ?? bySize.find(({ retransmitted }) => retransmitted > 0);
  if (size === undefined) return null;
  // the tail of a flight is often sent again as a probe (RFC 8985 section 7) although it passes
  const others = repeated.reduce((sum, one) => sum + (one === size ? 0 : one.retransmitted), 0);
  if (others * 3 > size.retransmitted) return null;
  const larger = bySize.filter(({ upTo }) => upTo > size.upTo);
  return {
    size,
    above: sentIn(larger.filter(({ upTo }) => upTo <= largestUnmerged)),
    merged: sentIn(larger.filter(({ upTo }) => upTo > largestUnmerged)),
    passes: bySize.filter(({ upTo, sent }) => upTo < size.upTo && sent > 0).at(-1)?.upTo ?? 0,
  };
}

function sentIn(sizes: readonly SizeClass[]): number {
  return sizes.reduce((sum, { sent }) => sum + sent, 0);
}

/** Upper bound of the class below. */
function below(size: SizeClass, bySize: readonly SizeClass[]): number {
  return Math.max(536, ...bySize.map(({ upTo }) => (upTo < size.upTo ? upTo : 0)));
}

/** The errors whose MTU the segments of this size do not fit. */
function tooLarge(errors: readonly IcmpError[], { upTo }: SizeClass, side: Side): readonly IcmpError[] {
  const packet = Math.min(upTo, side.flow.largestPayload) + headersOf(side);
  return errors.filter(({ mtu = 0 }) => packet > mtu);
}

/** IP and TCP header with the options of every segment (RFC 7323 section 3.2: time stamps are in all or in none). */
function headersOf({ sender, connection: { options } }: Side): number {
  const stamped = options.client?.timestamps === true && options.server?.timestamps === true;
  return (sender.address.includes(':') ? 60 : 40) + (stamped ? 12 : 0);
}

function leastMss({ connection: { options } }: Side): number | null {
  const offered = [options.client?.mss, options.server?.mss].filter((mss) => typeof mss === 'number');
  return offered.length === 2 ? Math.min(...offered) : null;
}

/** Per address, when a SYN or SYN+ACK of it was seen last, milliseconds. */
function lastSignOfLife({ connections }: Capture): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  const sign = (address: string, atMs: number): void => {
    if (atMs > (last.get(address) ?? 0)) last.set(address, atMs);
  };
  for (const { client, server, syns, synAcks } of connections) {
    for (const { atMs } of syns) sign(client.address, atMs);
    for (const { atMs } of synAcks) sign(server.address, atMs);
  }
  return last;
}
