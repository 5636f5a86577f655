import * as z from 'zod';
import type { Capture, Connection, Reset } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { isAfterSilence } from './after-silence.ts';
import { because } from './because.ts';
import { connectionCount } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText } from './endpoint-text.ts';
import { hopDistance, isOtherDistance } from './hop-distance.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

interface Foreign {
  readonly connection: Connection;
  readonly reset: Reset;
  readonly ttl: { readonly min: number; readonly max: number };
}

/** F100 as far as one capture tells: a RST that has come another distance than the packets of its sender. */
export const rstInjected = defineCaptureRule({
  id: 'rst-injected',
  fault: 'F100',
  scope: 'capture',
  params: z.strictObject({
    /** Packets of that side whose TTL the RST is compared with. */
    minPackets: z.number().int().min(1).default(2),
  }),
  sources: ['fault catalogue F100', 'RFC 5961 section 3.2', 'RFC 3360'],
  text: {
    en: {
      ...captureText.en,
      title: 'A RST comes from somebody on the way, not from the peer',
      noReset: 'no open connection was ended by a RST',
      foreign: (v: {
        connection: string;
        from: string;
        frame: number;
        ttl: number;
        others: string;
        hops: number;
        otherHops: number;
      }) =>
        `${v.connection}: the RST in the name of ${v.from} (frame ${v.frame}) has TTL ${v.ttl}, about ${v.hops} hops away; the other packets of ${v.from} have TTL ${v.others}, about ${v.otherHops}`,
      silence: (v: { seconds: string }) =>
        `It came after ${v.seconds} s of silence: a device that forgets idle connections answers like this`,
      outside: 'Its sequence number does not fit what the connection expects, as with guessed ones',
      count: (v: { foreign: number; of: number }) => `In all ${v.foreign} of ${v.of} connections of the capture`,
      same: (v: { resets: number }) => `all ${v.resets} RSTs have come as far as the other packets of their sender`,
      unknown: 'there are too few other packets to compare the TTL of the RSTs with',
      remedy:
        'Capture at the peer as well: if it never sent this RST, a firewall, IPS, load balancer or NAT on the way did. The distance says how far away it is; a traceroute names the device',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: 'RST 来自路上的设备，而不是对端',
      noReset: '没有已打开的连接被 RST 终止',
      foreign: (v) =>
        `${v.connection}：以 ${v.from} 名义发出的 RST（第 ${v.frame} 帧）TTL 为 ${v.ttl}，约 ${v.hops} 跳；${v.from} 的其他报文 TTL 为 ${v.others}，约 ${v.otherHops} 跳`,
      silence: (v) => `它出现在 ${v.seconds} 秒静默之后：会遗忘空闲连接的设备就是这样应答的`,
      outside: '它的序号不符合连接的预期，像是猜出来的',
      count: (v) => `抓包的 ${v.of} 条连接中共有 ${v.foreign} 条`,
      same: (v) => `${v.resets} 个 RST 与其发送者的其他报文走过同样的距离`,
      unknown: '其他报文太少，无法与 RST 的 TTL 对照',
      remedy:
        '在对端同时抓包：如果它从未发出这个 RST，就是路上的防火墙、IPS、负载均衡或 NAT 发的。跳数说明它有多远；traceroute 可以查出是哪台设备',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const resets = resetsOf(capture);
    if (resets.length === 0) return notApplicable(because(say.noReset, capture.at));

    const comparable = resets.flatMap(({ connection, reset }): Foreign[] => {
      const { ttl } = connection.flow[reset.from];
      const own = connection.resets.filter(({ from }) => from === reset.from).length;
      return ttl === null || connection.packets[reset.from] - own < params.minPackets
        ? []
        : [{ connection, reset, ttl }];
    });
    if (comparable.length === 0) return notApplicable(because(say.unknown, capture.at));
    const foreign = comparable.filter(({ reset, ttl }) => isOtherDistance(reset.ttl, [ttl.min, ttl.max]));
    if (foreign.length === 0) return ruledOut(because(say.same({ resets: comparable.length }), capture.at));

    const byConnection = new Map<Connection, Foreign>();
    for (const one of foreign) if (!byConnection.has(one.connection)) byConnection.set(one.connection, one);
    const firsts = [...byConnection.values()];
    const reasons = worstFirst(firsts, ({ reset }) => Math.max(0, reset.unacknowledged)).flatMap(
      ({ connection, reset, ttl }) => [
        say.foreign({
          connection: connectionText(connection),
          from: connection[reset.from].address,
          frame: reset.frame,
          ttl: reset.ttl,
          others: ttl.min === ttl.max ? `${ttl.min}` : `${ttl.min}-${ttl.max}`,
          hops: hopDistance(reset.ttl) ?? 0,
          otherHops: hopDistance(ttl.max) ?? 0,
        }),
        ...silenceBefore(connection, reset),
        ...(reset.sequence === 'outside' ? [say.outside] : []),
      ],
    );
    if (firsts.length > 1) reasons.push(say.count({ foreign: firsts.length, of: connectionCount(capture) }));
    return likely(
      reasons.map((text) => because(text, capture.at)),
      [{ kind: 'permanent', text: say.remedy, commands: [], undo: [], risk: say.risk }],
    );

    function silenceBefore({ idleGaps }: Connection, { atMs }: Reset): string[] {
      const gap = idleGaps.find((one) => Math.abs(atMs - one.fromMs - one.idleMs) < 1000);
      return gap === undefined ? [] : [say.silence({ seconds: secondsText(gap.idleMs) })];
    }
  },
});

/** RSTs of connections that were open; those that answer a SYN or end a long silence have rules of their own. */
function resetsOf({ connections }: Capture): readonly { readonly connection: Connection; readonly reset: Reset }[] {
  return connections.flatMap((connection) =>
    connection.handshake === 'complete' || connection.handshake === 'midStream'
      ? connection.resets
          .filter((reset) => !reset.answersSyn && !isAfterSilence(connection, reset))
          .map((reset) => ({ connection, reset }))
      : [],
  );
}
