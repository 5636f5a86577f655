import * as z from 'zod';
import type { Connection } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { connectionCount } from './capture-counts.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { connectionText } from './endpoint-text.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

interface OneWay {
  readonly connection: Connection;
  /** Whose packets are seen. */
  readonly seen: 'client' | 'server';
}

/** F17 as far as one capture tells: of connections that work only one direction passes here. */
export const oneWay = defineCaptureRule({
  id: 'one-way',
  fault: 'F17',
  scope: 'capture',
  params: z.strictObject({
    /** Packets of the one side that it takes: less may be the tail of a connection. */
    minPackets: z.number().int().min(2).default(4),
  }),
  sources: ['fault catalogue F17', 'RFC 9293 section 3.4: an ACK acknowledges what was received'],
  text: {
    en: {
      ...captureText.en,
      title: 'Only one direction of a connection passes here (asymmetric routing)',
      noTraffic: (v: { minPackets: number }) =>
        `no open connection of ${v.minPackets} packets and more is in the capture`,
      client: (v: { connection: string; packets: number }) =>
        `${v.connection}: ${v.packets} packets of the client, none of the server, although the client got answers (it acknowledged them)`,
      server: (v: { connection: string; packets: number }) =>
        `${v.connection}: ${v.packets} packets of the server, none of the client, although the server got answers (it went on)`,
      count: (v: { oneWay: number; of: number }) =>
        `In all ${v.oneWay} of ${v.of} connections; of the others both directions are here`,
      meaning:
        'The other direction takes another way. A stateful firewall, NAT or load balancer at this place sees half of it and drops or resets it',
      filter:
        'of all connections only one direction is in the capture: either the other takes another way (asymmetric routing), or the capture filter takes only one',
      both: (v: { connections: number }) => `both directions of all ${v.connections} connections pass here`,
      remedy: 'Compare the two ways: ip route get in both directions, policy rules, return path of the load balancer',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '这里只经过连接的一个方向（非对称路由）',
      noTraffic: (v) => `抓包中没有 ${v.minPackets} 个报文以上的已打开连接`,
      client: (v) =>
        `${v.connection}：有客户端的 ${v.packets} 个报文，没有服务端的，但客户端确实收到了应答（它确认了）`,
      server: (v) =>
        `${v.connection}：有服务端的 ${v.packets} 个报文，没有客户端的，但服务端确实收到了应答（它继续发送）`,
      count: (v) => `${v.of} 条连接中共有 ${v.oneWay} 条；其他连接的两个方向都在`,
      meaning: '另一个方向走了别的路。此处若有有状态防火墙、NAT 或负载均衡，只看到一半，会丢弃或重置',
      filter: '所有连接都只有一个方向：要么另一方向走了别的路（非对称路由），要么抓包过滤条件只取了一个方向',
      both: (v) => `${v.connections} 条连接的两个方向都经过这里`,
      remedy: '比较两个方向的路径：双向 ip route get、策略路由、负载均衡的回程',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const judged = capture.connections.filter(
      ({ packets, handshake }) =>
        packets.client + packets.server >= params.minPackets &&
        (handshake === 'complete' || handshake === 'midStream' || packets.client === 0),
    );
    if (judged.length === 0)
      return notApplicable(because(say.noTraffic({ minPackets: params.minPackets }), capture.at));
    const found = judged.flatMap((connection): OneWay[] => {
      const seen = onlySeen(connection);
      return seen === null ? [] : [{ connection, seen }];
    });
    const half = judged.filter(({ packets }) => packets.client === 0 || packets.server === 0).length;
    if (found.length === 0)
      return half > 0
        ? notApplicable(because(say.noTraffic({ minPackets: params.minPackets }), capture.at))
        : ruledOut(because(say.both({ connections: connectionCount(capture) }), capture.at));
    const bothWays = capture.connections.some(({ packets }) => packets.client > 0 && packets.server > 0);
    if (!bothWays && capture.uneventful === 0) return undecided('capture', place, say.filter);
    const weak = weakness(capture, say);
    if (weak !== null) return undecided('capture', place, weak);
    const worst = worstFirst(found, ({ connection: { packets } }) => packets.client + packets.server);
    const reasons = worst.map(({ connection, seen }) =>
      say[seen]({ connection: connectionText(connection), packets: connection.packets[seen] }),
    );
    return likely(
      [...reasons, say.count({ oneWay: found.length, of: connectionCount(capture) }), say.meaning].map((text) =>
        because(text, capture.at),
      ),
      [
        {
          kind: 'permanent',
          text: say.remedy,
          commands: worst
            .slice(0, 1)
            .flatMap(({ connection: { client, server } }) => [
              `ip route get ${server.address}`,
              `ip route get ${client.address}`,
            ]),
          undo: [],
          risk: say.risk,
        },
      ],
    );
  },
});

/**
 * The only side that is seen, where what it sends proves that it hears the other: it acknowledges and goes on without
 * repeating itself. One that gets no answer repeats.
 */
function onlySeen(connection: Connection): 'client' | 'server' | null {
  const { packets, retransmitted, handshake, flow, fins } = connection;
  const seen = packets.server === 0 ? 'client' : packets.client === 0 ? 'server' : null;
  if (seen === null || retransmitted[seen] > 0) return null;
  if (seen === 'client' && handshake === 'complete') return seen;
  // without a handshake: several segments beyond a first flight, or a stream of ACKs
  const goesOn = flow[seen].dataSegments > 20 || (flow[seen].dataSegments === 0 && packets[seen] > 10 && !fins[seen]);
  return goesOn && flow[seen].keepAlives === null ? seen : null;
}
