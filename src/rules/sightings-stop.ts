import * as z from 'zod';
import type { Capture, Connection } from '../model/facts.ts';
import type { Place } from '../model/packet-facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { sidesOf } from './capture-counts.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { byFlow, keyOfSide, sizeErrors } from './size-errors.ts';
import { worstFirst } from './worst-first.ts';

interface Stop {
  readonly connection: Connection;
  readonly from: 'client' | 'server';
  /** Where the packets came in, and where those that went on went out. */
  readonly came: Place;
  readonly left: Place;
  readonly in: number;
  readonly out: number;
  /** None of them went out, although those of other connections to the same service did. */
  readonly whole: boolean;
}

/** Packets come in on one device of this machine and do not go out again, although others do: it drops them itself. */
export const sightingsStop = defineCaptureRule({
  id: 'sightings-stop',
  fault: '-',
  scope: 'capture',
  params: z.strictObject({
    /** Packets of one connection that must be missing. */
    minMissing: z.number().int().min(1).default(2),
  }),
  sources: [
    'fault catalogue F07, F08, F10, F40: in on one device, never out on another',
    'tcpdump -i any (LINUX_SLL2)',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Packets come in on this machine and do not go out again',
      oneDevice: 'the capture does not show packets that pass this machine on two devices',
      whole: (v: { connection: string; packets: number; side: string; came: string; left: string }) =>
        `${v.connection}: ${v.packets} packets of the ${v.side} came in on ${v.came} and none went out; those of other connections to the same service went out on ${v.left}`,
      part: (v: { connection: string; missing: number; in: number; side: string; came: string; left: string }) =>
        `${v.connection}: of ${v.in} packets of the ${v.side} that came in on ${v.came}, ${v.missing} did not go out on ${v.left}, and the ${v.side} had to send again`,
      client: 'client',
      server: 'server',
      size: (v: { upTo: number }) =>
        `Only segments of up to ${v.upTo} bytes had to be repeated, smaller ones went through: compare the MTU of the device that they leave on (see mtu-blackhole)`,
      count: (v: { stops: number }) => `In all ${v.stops} connections stop here`,
      meaning:
        'This machine drops them itself: FORWARD rules or policy, ip_forward off for that device, rp_filter, no route, an MTU that is too small, or a full conntrack table',
      ok: (v: { connections: number }) => `all packets of ${v.connections} connections that pass here went out again`,
      remedy: 'On this machine, twice around one attempt: what rises tells which it is',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '报文进入本机后没有再出去',
      oneDevice: '抓包中没有在两个网卡上经过本机的报文',
      whole: (v) =>
        `${v.connection}：${v.side}的 ${v.packets} 个报文从 ${v.came} 进来，一个也没有出去；到同一服务的其他连接则从 ${v.left} 出去了`,
      part: (v) =>
        `${v.connection}：${v.side}的报文从 ${v.came} 进来 ${v.in} 个，其中 ${v.missing} 个没有从 ${v.left} 出去，${v.side}只好重发`,
      client: '客户端',
      server: '服务端',
      size: (v) =>
        `只有不超过 ${v.upTo} 字节的报文段需要重发，更小的都能通过：请对照出口网卡的 MTU（见 mtu-blackhole）`,
      count: (v) => `共有 ${v.stops} 条连接停在这里`,
      meaning:
        '是本机自己丢弃的：FORWARD 规则或默认策略、该网卡未开启 ip_forward、rp_filter、没有路由、MTU 过小，或连接跟踪表已满',
      ok: (v) => `经过这里的 ${v.connections} 条连接的报文全部又出去了`,
      remedy: '在本机上，于一次尝试前后各看一次：哪个计数上升就是哪个原因',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const passing = capture.connections.filter(
      (connection) => passes(connection, 'client') || passes(connection, 'server'),
    );
    if (passing.length === 0) return notApplicable(because(say.oneDevice, capture.at));
    const stops = stopsOf(capture, params.minMissing);
    const weak = weakness(capture, say);
    if (stops.length === 0)
      return weak === null
        ? ruledOut(because(say.ok({ connections: passing.length }), capture.at))
        : undecided('capture', place, weak);
    if (weak !== null) return undecided('capture', place, weak);

    const worst = worstFirst(stops, ({ in: came, out, whole }) => came - out + (whole ? 1000 : 0));
    const name = ({ interfaceIndex, tunnel }: Place): string => {
      const device =
        interfaceIndex === null ? '?' : (capture.interfaceNames[interfaceIndex] ?? `device ${interfaceIndex}`);
      return tunnel === null ? device : `${device} (${tunnel})`;
    };
    const reasons = worst.flatMap((one) => {
      const values = {
        connection: connectionText(one.connection),
        side: say[one.from],
        came: name(one.came),
        left: name(one.left),
      };
      const repeated = one.connection.flow[one.from].bySize.filter(({ retransmitted }) => retransmitted > 0);
      const [only] = repeated;
      return [
        one.whole
          ? say.whole({ ...values, packets: one.in })
          : say.part({ ...values, in: one.in, missing: one.in - one.out }),
        ...(repeated.length === 1 && only !== undefined && !one.whole
          ? [say.size({ upTo: Math.min(only.upTo, one.connection.flow[one.from].largestPayload) })]
          : []),
      ];
    });
    if (stops.length > worst.length) reasons.push(say.count({ stops: stops.length }));
    return likely(
      [...reasons, say.meaning].map((text) => because(text, capture.at)),
      [
        {
          kind: 'permanent',
          text: say.remedy,
          commands: [
            'iptables-save -c',
            'nstat -az IpInAddrErrors IpForwDatagrams IpFragFails IpExtInNoRoutes TcpExtIPReversePathFilter',
            `ip route get ${worst[0]?.connection.server.address ?? ''} from ${worst[0]?.connection.client.address ?? ''} iif DEVICE`,
          ],
          undo: [],
          risk: say.risk,
        },
      ],
    );
  },
});

function stopsOf(capture: Capture, minMissing: number): readonly Stop[] {
  const { connections } = capture;
  const sizes = byFlow(sizeErrors(capture));
  return [...groupBy(connections, ({ server }) => endpointText(server)).values()].flatMap((own) =>
    (['client', 'server'] as const).flatMap((from) => {
      const exits = own.flatMap((connection) => {
        const way = wayOf(connection, from);
        return way === null || way.left === null ? [] : [way.left];
      });
      const [exit] = exits;
      // where nothing to this service goes on, it is delivered here, or translated: nothing can be said
      if (exit === undefined) return [];
      return own.flatMap((connection): Stop[] => {
        const way = wayOf(connection, from);
        if (way === null || connection.retransmitted[from] === 0) return [];
        const out = way.left?.[from] ?? 0;
        if (way.came[from] - out < minMissing || out > way.came[from]) return [];
        const whole = way.left === null;
        // what is answered has arrived somehow: translated, or by another way
        if (whole && connection.handshake === 'complete') return [];
        if (!whole && heardOfSize(connection, from, sizes)) return [];
        return [{ connection, from, came: way.came, left: way.left ?? exit, in: way.came[from], out, whole }];
      });
    }),
  );
}

/** It was told that its packets are too large, and made them smaller: what did not go out was answered. */
function heardOfSize(connection: Connection, from: Stop['from'], sizes: ReturnType<typeof byFlow>): boolean {
  const side = sidesOf([connection]).find((one) => one.from === from);
  return (
    side !== undefined &&
    sizes.has(keyOfSide(side)) &&
    side.flow.holes.every(({ filledMs, retransmits }) => filledMs !== null || retransmits < 2)
  );
}

/** Where the packets of a side come in first, and the place where most of them go out; null: they do not come in. */
function wayOf({ places }: Connection, from: 'client' | 'server'): { came: Place; left: Place | null } | null {
  const [came] = worstFirst(
    places.filter((place) => place.direction === 'in' && place[from] > 0),
    (place) => place[from],
    1,
  );
  if (came === undefined) return null;
  const [left] = worstFirst(
    places.filter((place) => place.direction === 'out' && place[from] > 0),
    (place) => place[from],
    1,
  );
  return { came, left: left ?? null };
}

function passes(connection: Connection, from: 'client' | 'server'): boolean {
  return wayOf(connection, from)?.left !== null && wayOf(connection, from) !== null;
}
