import * as z from 'zod';
import type { Capture, Connection, Endpoint, Reset } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { connectsTo, isOfSeveralDevices } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { hopDistance, isOtherDistance } from './hop-distance.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, notApplicable, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

interface Refused {
  readonly server: Endpoint;
  readonly connections: readonly Connection[];
  /** The first RST that answers a SYN. */
  readonly reset: Reset;
}

/** F25 by packets alone: the SYN is answered with a RST. Who sent it is told by its TTL as far as it can be. */
export const connectRefused = defineCaptureRule({
  id: 'connect-refused',
  fault: 'F25',
  scope: 'capture',
  params: z.strictObject({}),
  sources: ['RFC 9293 section 3.10.7.1 (a closed port answers with RST)', 'TTL of the RST against other packets'],
  text: {
    en: {
      ...captureText.en,
      title: 'Connects are refused with a RST',
      noConnect: 'no connect was seen in the capture',
      refused: (v: { server: string; refused: number; of: number; clients: number; frame: number }) =>
        `${v.server}: ${v.refused} of ${v.of} connects were refused, from ${v.clients} ${v.clients === 1 ? 'address' : 'addresses'} (first RST: frame ${v.frame})`,
      itself: (v: { address: string; ttl: number }) =>
        `The RST has come as far as other packets of ${v.address} (TTL ${v.ttl}): the host itself refuses, so nothing listens on that port there, or its own firewall rejects with tcp-reset`,
      other: (v: { address: string; ttl: number; others: string }) =>
        `The RST has TTL ${v.ttl}, other packets of ${v.address} have ${v.others}: a device in between refuses (firewall, load balancer), not the host`,
      alone: (v: { address: string; ttl: number; hops: number }) =>
        `The RST has TTL ${v.ttl}: it was sent ${v.hops === 0 ? 'on this machine or its own network' : `about ${v.hops} hops away`}; nothing else of ${v.address} is there that it can be compared with`,
      here: (v: { ttl: number }) =>
        `The RST has TTL ${v.ttl}: the machine that this capture was taken on sent it, or a neighbour on one of its networks`,
      untold: (v: { ttl: number }) => `The RST has TTL ${v.ttl}, which does not tell who sent it`,
      partly: (v: { server: string; complete: number }) =>
        `${v.complete} other connects to ${v.server} were accepted: one of several backends, or it was restarted meanwhile`,
      services: (v: { services: number }) => `In all ${v.services} addresses and ports refuse`,
      none: 'no connect was refused with a RST',
      remedy:
        'By packets alone this is all that can be said. On the server: does the process run and listen on this address (not only on 127.0.0.1)? netcheck with both nodes names the cause',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '连接被 RST 拒绝',
      noConnect: '抓包中没有连接尝试',
      refused: (v) =>
        `${v.server}：${v.of} 次连接中有 ${v.refused} 次被拒绝，来自 ${v.clients} 个地址（第一个 RST：第 ${v.frame} 帧）`,
      itself: (v) =>
        `RST 与 ${v.address} 的其他报文走过同样的距离（TTL ${v.ttl}）：是主机自己拒绝的，即该端口上没有监听，或者它自己的防火墙用 tcp-reset 拒绝`,
      other: (v) =>
        `RST 的 TTL 为 ${v.ttl}，而 ${v.address} 的其他报文为 ${v.others}：是中间设备（防火墙、负载均衡）拒绝的，不是主机`,
      alone: (v) =>
        `RST 的 TTL 为 ${v.ttl}：${v.hops === 0 ? '发自本机或本网段' : `发送者大约在 ${v.hops} 跳之外`}；没有 ${v.address} 的其他报文可以对照`,
      here: (v) => `RST 的 TTL 为 ${v.ttl}：是抓包所在的机器自己发的，或者是与它直连的邻居发的`,
      untold: (v) => `RST 的 TTL 为 ${v.ttl}，看不出是谁发的`,
      partly: (v) => `到 ${v.server} 的另外 ${v.complete} 次连接成功：可能只是多个后端之一有问题，或者期间重启过`,
      services: (v) => `共有 ${v.services} 个地址和端口拒绝连接`,
      none: '没有连接被 RST 拒绝',
      remedy:
        '只凭报文只能说到这里。请在服务端确认：进程是否在运行，是否监听在该地址上（而不只是 127.0.0.1）？让 netcheck 同时检查两端节点可以给出原因',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!capture.connections.some(({ syns }) => syns.length > 0))
      return notApplicable(because(say.noConnect, capture.at));

    const refused = refusedServices(capture);
    if (refused.length === 0) return notSeen(capture, place, say, say.none);
    const worst = worstFirst(refused, ({ connections }) => connections.length);
    const reasons = worst.flatMap(({ server, connections, reset }) => {
      const accepted = capture.connections.filter(
        (one) => sameService(one.server, server) && one.synAcks.length > 0,
      ).length;
      return [
        say.refused({
          server: endpointText(server),
          refused: connections.length,
          of: connectsTo(capture, server),
          clients: new Set(connections.map(({ client }) => client.address)).size,
          frame: reset.frame,
        }),
        whoRefuses(server.address, reset),
        ...(accepted > 0 ? [say.partly({ server: endpointText(server), complete: accepted })] : []),
      ];
    });
    if (refused.length > worst.length) reasons.push(say.services({ services: refused.length }));
    return confirmed(
      reasons.map((text) => because(text, capture.at)),
      [
        {
          kind: 'application',
          text: say.remedy,
          commands: worst.map(({ server }) => `ss -ltnp 'sport = :${server.port}'`),
          undo: [],
          risk: say.risk,
        },
      ],
    );

    function whoRefuses(address: string, { ttl }: Reset): string {
      const others = ttlsOf(capture, address);
      const distance = hopDistance(ttl);
      if (isOtherDistance(ttl, others))
        return say.other({ address, ttl, others: [...new Set(others)].sort((a, b) => a - b).join(', ') });
      if (distance === 0 && isOfSeveralDevices(capture)) return say.here({ ttl });
      if (distance !== null && others.some((other) => hopDistance(other) === distance))
        return say.itself({ address, ttl });
      return distance === null ? say.untold({ ttl }) : say.alone({ address, ttl, hops: distance });
    }
  },
});

function refusedServices({ connections }: Capture): readonly Refused[] {
  const found = new Map<string, { server: Endpoint; connections: Connection[]; reset: Reset }>();
  for (const connection of connections) {
    if (connection.handshake !== 'refused') continue;
    const reset = connection.resets.find(({ from, answersSyn }) => from === 'server' && answersSyn);
    if (reset === undefined) continue;
    const key = endpointText(connection.server);
    const known = found.get(key);
    if (known === undefined) found.set(key, { server: connection.server, connections: [connection], reset });
    else known.connections.push(connection);
  }
  return [...found.values()];
}

function sameService(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/** TTLs of what an address sent besides RSTs. */
function ttlsOf({ connections }: Capture, address: string): readonly number[] {
  return connections.flatMap(({ client, server, flow, synAcks }) => [
    ...(server.address === address
      ? [
          ...synAcks.map(({ ttl }) => ttl),
          ...(flow.server.ttl === null ? [] : [flow.server.ttl.min, flow.server.ttl.max]),
        ]
      : []),
    ...(client.address === address && flow.client.ttl !== null ? [flow.client.ttl.min, flow.client.ttl.max] : []),
  ]);
}
