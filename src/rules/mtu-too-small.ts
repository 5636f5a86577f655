import * as z from 'zod';
import type { Capture, Connection, Link } from '../model/facts.ts';
import type { Place } from '../model/packet-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule, type Outcome, type Undecided } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { ipvsFor, isEndpoint } from './ipvs-service.ts';
import { mssClamp } from './mss-clamp.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { byFlow, keyOfSide, sizeErrors } from './size-errors.ts';
import { sidesOf } from './capture-counts.ts';
import { tcpOnlyText } from './transport.ts';
import { overheadOf } from './tunnel-overhead.ts';
import { kubeObjectText, podMtuDrafts } from './kube-objects.ts';

/** A device that packets of a connection leave by, with what fits: less where they are wrapped there. */
interface Egress {
  readonly link: Link;
  readonly fits: number;
  readonly tunnel: string | null;
}
interface Prediction {
  readonly connection: Connection;
  readonly mss: number;
  readonly packet: number;
  readonly egress: Egress;
}

/** One SYN before and behind translation is seen twice within this, milliseconds. */
const sameSynMs = 1000;

/** F40 before any data is lost: both ends agreed on segments that a device of this node cannot send on. */
export const mtuTooSmall = defineNodeRule({
  id: 'mtu-too-small',
  fault: 'F40',
  scope: 'node',
  roles: ['forwarder', 'target', 'client'],
  needs: ['capture', 'links'],
  optional: ['counters', 'features', 'ipvs', 'cluster'],
  params: z.strictObject({
    /** Only where data is lost: where the question is why connects fail, what large segments may meet is none. */
    effectOnly: z.boolean().default(false),
  }),
  sources: [
    'field report 2 (tunl0 1440, segments of 1398 bytes)',
    'RFC 9293 section 3.7.1 (MSS counts no options: packet <= MSS + 40, IPv6 + 60)',
    'net/ipv4/ip_forward.c ip_exceeds_mtu, net/netfilter/ipvs/ip_vs_xmit.c ensure_mtu_is_adequate (no FragFails)',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      ...tcpOnlyText.en,
      title: 'A device on the way has a smaller MTU than the two ends agreed on',
      noHandshake: 'the capture holds no handshake with the MSS of both ends',
      otherLeg: (v: { service: string; servers: string }) =>
        `IPVS sends ${v.service} on to ${v.servers}, and that part of the way is not in the capture`,
      noDevice: 'the capture does not tell by which devices the packets left, or they are not in the list of devices',
      predicted: (v: {
        connection: string;
        mss: number;
        packet: number;
        device: string;
        fits: number;
        wrapped: string;
      }) =>
        `${v.connection}: MSS ${v.mss}, so packets of up to ${v.packet} bytes; ${v.device} sends ${v.fits} at most${v.wrapped}`,
      wrapped: (v: { tunnel: string; mtu: number }) => ` (MTU ${v.mtu} less the header of ${v.tunnel})`,
      more: (v: { connections: number }) => `The same holds for ${v.connections} connections`,
      lost: (v: { connection: string; bytes: number; resent: number }) =>
        `${v.connection}: ${v.bytes} bytes were sent ${v.resent} times again and never arrived, while later and smaller segments did`,
      told: (v: { count: number; mtu: string }) => `${v.count} x ICMP "too large"${v.mtu} about these connections`,
      failed: (v: { count: number }) => `Ip FragFails +${v.count} in the window: packets were too large to be sent on`,
      harmless: 'No large segment was sent yet in this capture: the fault shows when one is',
      relies: 'It works only as long as ICMP "fragmentation needed" reaches the sender',
      handshakeOnly: (v: { connects: number; device: string; mtu: number }) =>
        `${v.connects} connects fail in the handshake, whose packets have less than 100 bytes; the smallest MTU here is ${v.mtu} (${v.device}): a small MTU is not the cause`,
      nothingLost: (v: { connections: number; device: string; mtu: number }) =>
        `${v.connections} connections here, and no segment is missing because of its size; the smallest MTU here is ${v.mtu} (${v.device})`,
      holes: (v: { connection: string; bytes: number }) =>
        `${v.connection} misses ${v.bytes} bytes that were sent again in vain, and by which device is not known: playbook large-transfers-hang looks closer`,
      noConnection: 'no packet of these connections came by here',
      passed: (v: { connection: string; packet: number; fits: number }) =>
        `${v.connection}: packets of up to ${v.packet} bytes were agreed on, and ${v.fits} and more fit on every device that they left by`,
      temporary: 'Lowers the MSS of new connections that pass here to what the device takes',
      temporaryRisk:
        'New connections only. It helps only where SYN and SYN+ACK both pass this node: the SYN limits what the server sends, the SYN+ACK what the client sends',
      permanent:
        'Make the MTUs agree: tunnel MTU = MTU of the card less the header (IPIP 20, VXLAN 50), pod MTU at most that of the tunnel, the same on all nodes',
      kubernetes:
        'Calico: kubectl -n kube-system set env ds/calico-node FELIX_IPINIPMTU=1480 (cards of 1500), veth_mtu in calico-config or spec.calicoNetwork.mtu of the operator; flannel: MTU of the Backend in kube-flannel-cfg (net-conf.json); Cilium: MTU of its Helm chart (mtu in cilium-config)',
      permanentRisk: 'Pods get a new MTU only when they are created again; too high a value moves the black hole on',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      ...tcpOnlyText.zh,
      title: '路径上有设备的 MTU 小于两端协商的大小',
      noHandshake: '抓包中没有带两端 MSS 的握手',
      otherLeg: (v) => `IPVS 把 ${v.service} 转发到 ${v.servers}，而抓包里没有这一段`,
      noDevice: '抓包看不出报文从哪些设备发出，或设备列表里没有它们',
      predicted: (v) =>
        `${v.connection}：MSS 为 ${v.mss}，报文最大 ${v.packet} 字节；而 ${v.device} 最多只能发 ${v.fits}${v.wrapped}`,
      wrapped: (v) => `（MTU ${v.mtu} 减去 ${v.tunnel} 头）`,
      more: (v) => `有 ${v.connections} 条连接都是这样`,
      lost: (v) => `${v.connection}：${v.bytes} 字节重发了 ${v.resent} 次始终没有到达，而后面更小的报文段到了`,
      told: (v) => `关于这些连接有 ${v.count} 个 ICMP“报文过大”${v.mtu}`,
      failed: (v) => `窗口内 Ip FragFails +${v.count}：有报文太大而无法转发`,
      harmless: '抓包中还没有发过大报文：一旦发送就会出问题',
      relies: '只有 ICMP“需要分片”能到达发送方时才能正常工作',
      handshakeOnly: (v) =>
        `${v.connects} 个连接失败在握手阶段，握手包不到 100 字节；这里最小的 MTU 是 ${v.mtu}（${v.device}）：MTU 小不是原因`,
      nothingLost: (v) =>
        `这里有 ${v.connections} 个连接，没有报文段因为大小而丢失；这里最小的 MTU 是 ${v.mtu}（${v.device}）`,
      holes: (v) =>
        `${v.connection} 有 ${v.bytes} 字节反复重发都没有到达，经过哪个设备还不清楚：用剧本 large-transfers-hang 细查`,
      noConnection: '这些连接的包没有经过这里',
      passed: (v) =>
        `${v.connection}：协商的报文最大 ${v.packet} 字节，它们经过的每个发送设备都能放下 ${v.fits} 字节以上`,
      temporary: '把经过这里的新连接的 MSS 降到该设备能承载的值',
      temporaryRisk:
        '只影响新连接。只有 SYN 和 SYN+ACK 都经过本节点才有用：SYN 限制服务端发送的大小，SYN+ACK 限制客户端发送的大小',
      permanent:
        '让 MTU 一致：隧道 MTU = 网卡 MTU 减去隧道头（IPIP 20、VXLAN 50），Pod MTU 不大于隧道 MTU，所有节点相同',
      kubernetes:
        'Calico：kubectl -n kube-system set env ds/calico-node FELIX_IPINIPMTU=1480（网卡 1500 时），calico-config 的 veth_mtu 或 operator 的 spec.calicoNetwork.mtu；flannel：kube-flannel-cfg（net-conf.json）里 Backend 的 MTU；Cilium：Helm chart 的 MTU（cilium-config 的 mtu）',
      permanentRisk: 'Pod 重建后才会得到新的 MTU；设得过大会把黑洞移到别处',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const { capture, links } = facts;
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', node, blind);
    const agreed = capture.connections.flatMap((connection) => {
      const mss = agreedMss(connection);
      return mss === null ? [] : [{ connection, mss, packet: mss + (isV6(connection) ? 60 : 40) }];
    });
    const judged = agreed.flatMap((one) => {
      const egress = narrowest(one.connection, links);
      return egress === null ? [] : [{ ...one, egress }];
    });
    const predictions: Prediction[] = judged.filter(({ packet, egress }) => packet > egress.fits);
    const lost = predictions.flatMap(({ connection: own, egress }) =>
      sidesOf(legsOf(own, capture.connections)).flatMap(({ flow, connection }) =>
        flow.holes
          .filter(({ filledMs, retransmits, length }) => {
            const headers = isV6(connection) ? 60 : 40;
            return filledMs === null && retransmits >= 2 && length + headers > egress.fits - 12;
          })
          .map((hole) => ({ connection, hole })),
      ),
    );
    const [hole] = lost;
    if (params.effectOnly && hole === undefined) return withoutEffect(capture);
    const [any] = judged;
    if (any === undefined) return undecided('capture', node, agreed.length === 0 ? say.noHandshake : say.noDevice);
    const [worst] = [...predictions].sort((a, b) => a.egress.fits - b.egress.fits);
    if (worst === undefined) {
      const here = ipvsFor(facts, target, 'tcp');
      const sentOn = here.how === 'service' && isEndpoint(here.service, target) ? here.service.servers : [];
      if (
        sentOn.length > 0 &&
        !judged.some(({ connection }) => sentOn.some((one) => isEndpoint(one, connection.server)))
      )
        return undecided(
          'capture',
          node,
          say.otherLeg({ service: endpointText(target), servers: sentOn.slice(0, 5).map(endpointText).join(', ') }),
        );
      return ruledOut(
        because(
          say.passed({ connection: connectionText(any.connection), packet: any.packet, fits: any.egress.fits }),
          capture.at,
        ),
      );
    }

    const reasons: Because[] = [
      because(
        say.predicted({
          connection: connectionText(worst.connection),
          mss: worst.mss,
          packet: worst.packet,
          device: worst.egress.link.name,
          fits: worst.egress.fits,
          wrapped:
            worst.egress.tunnel === null
              ? ''
              : say.wrapped({ tunnel: worst.egress.tunnel, mtu: worst.egress.link.mtu }),
        }),
        worst.egress.link.at,
      ),
      ...(predictions.length > 1 ? [because(say.more({ connections: predictions.length }), capture.at)] : []),
    ];
    if (hole !== undefined)
      reasons.push(
        because(
          say.lost({
            connection: connectionText(hole.connection),
            bytes: hole.hole.length,
            resent: hole.hole.retransmits,
          }),
          capture.at,
        ),
      );
    const flows = byFlow(sizeErrors(capture));
    const errors = sidesOf([
      ...new Set(predictions.flatMap(({ connection }) => legsOf(connection, capture.connections))),
    ]).flatMap((side) => flows.get(keyOfSide(side)) ?? []);
    const [error] = errors;
    if (error !== undefined)
      reasons.push(
        because(
          say.told({ count: errors.length, mtu: error.mtu === undefined ? '' : ` (MTU ${error.mtu})` }),
          capture.at,
        ),
      );
    const fragFails = facts.counters?.['Ip.FragFails'];
    const failed = (fragFails?.delta ?? 0) > 0;
    if (fragFails !== undefined && failed)
      reasons.push(because(say.failed({ count: fragFails.delta ?? 0 }), fragFails.at));
    if (hole !== undefined) return confirmed(reasons, remedies(worst));
    return likely(
      [...reasons, because(errors.length > 0 || failed ? say.relies : say.harmless, capture.at)],
      remedies(worst),
    );

    /** What the connects themselves say, with the smallest MTU of this node's devices that are up. */
    function withoutEffect({ connections, at }: Capture): Outcome | Undecided {
      if (connections.length === 0) return notApplicable(because(say.noConnection, at));
      const open = sidesOf(connections).flatMap(({ connection, flow }) =>
        flow.holes
          .filter(({ filledMs, retransmits, length }) => filledMs === null && retransmits >= 2 && length >= 500)
          .map(({ length }) => ({ connection: connectionText(connection), bytes: length })),
      );
      if (open[0] !== undefined) return undecided('capture', node, say.holes(open[0]));
      const up = links.filter(({ name, state, flags }) => name !== 'lo' && state !== 'DOWN' && flags.includes('UP'));
      const [smallest] = [...(up.length > 0 ? up : links)].sort((a, b) => a.mtu - b.mtu);
      const values = { device: smallest?.name ?? '?', mtu: smallest?.mtu ?? 0 };
      const failed = connections.filter(({ handshake }) => handshake === 'unanswered' || handshake === 'icmpError');
      return failed.length > 0
        ? ruledOut(because(say.handshakeOnly({ connects: failed.length, ...values }), smallest?.at ?? at))
        : ruledOut(because(say.nothingLost({ connections: connections.length, ...values }), smallest?.at ?? at));
    }

    function remedies({ connection, egress }: Prediction): Remedy[] {
      return [
        mssClamp(
          node,
          { mtu: egress.fits, family: isV6(connection) ? 6 : 4 },
          { text: say.temporary, risk: say.temporaryRisk },
        ),
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.permanentRisk },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.permanentRisk,
          objects: [...podMtuDrafts(links, egress.fits, say, facts.cluster?.cni)],
        },
      ];
    }
  },
});

function isV6({ server }: Connection): boolean {
  return server.address.includes(':');
}

/** The smaller MSS of both ends: what either of them sends fits into it. Null where one was not seen. */
function agreedMss({ options, handshake }: Connection): number | null {
  const { client, server } = options;
  if (handshake !== 'complete' || typeof client?.mss !== 'number' || typeof server?.mss !== 'number') return null;
  return Math.min(client.mss, server.mss);
}

/**
 * The connection before and behind address translation, itself included: the translation leaves the sequence number and
 * the time stamp of the SYN alone. What does not fit a device is seen only before it.
 */
function legsOf(connection: Connection, all: readonly Connection[]): readonly Connection[] {
  const [syn] = connection.syns;
  if (syn === undefined) return [connection];
  const isSame = ({ syns: [other] }: Connection): boolean =>
    other !== undefined &&
    other.sequence === syn.sequence &&
    other.tsval === syn.tsval &&
    Math.abs(other.atMs - syn.atMs) < sameSynMs;
  return [connection, ...all.filter((other) => other !== connection && isSame(other))];
}

/** Of the devices that the connection's packets left this node by, the one that takes least. */
function narrowest({ places }: Connection, links: readonly Link[]): Egress | null {
  const found = places.flatMap((place) => egressOf(place, links));
  return found.sort((a, b) => a.fits - b.fits)[0] ?? null;
}

function egressOf({ interfaceIndex, direction, tunnel }: Place, links: readonly Link[]): readonly Egress[] {
  const link = direction === 'out' ? links.find(({ index }) => index === interfaceIndex) : undefined;
  if (link === undefined || link.name === 'lo') return [];
  if (tunnel === null) return [{ link, fits: link.mtu, tunnel }];
  const overheadBytes = overheadOf(tunnel);
  return overheadBytes === null ? [] : [{ link, fits: link.mtu - overheadBytes, tunnel }];
}
