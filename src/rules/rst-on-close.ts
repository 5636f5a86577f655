import * as z from 'zod';
import type { Capture, Connection, Reset } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { isAfterSilence } from './after-silence.ts';
import { because } from './because.ts';
import { connectionsTo, isOfSeveralDevices } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { isOtherDistance } from './hop-distance.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

interface Cut {
  readonly connection: Connection;
  readonly reset: Reset;
  /** `closed`: it had said FIN before. `unanswered`: it had not sent a byte. `aborted`: in the middle. */
  readonly how: 'closed' | 'unanswered' | 'aborted';
}

/** F99: an application closes while the other side still sends, and the rest is thrown away with a RST. */
export const rstOnClose = defineCaptureRule({
  id: 'rst-on-close',
  fault: 'F99',
  scope: 'capture',
  params: z.strictObject({
    /** Connections of one service that a client closes too early. */
    minClient: z.number().int().min(1).default(3),
  }),
  sources: [
    'RFC 2525 section 2.17',
    'RFC 1122 section 4.2.2.13',
    'RFC 9293 section 3.10.7.1 (RST without ACK)',
    'net/ipv4/tcp_output.c tcp_send_active_reset (RST with ACK)',
    'Documentation/networking/snmp_counter.rst TCPAbortOnClose, TCPAbortOnData',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'A connection is cut by a RST while data was still under way',
      noData: 'no connection of the capture carried data',
      closed: (v: { connection: string; from: string; frame: number; bytes: number }) =>
        `${v.connection}: ${v.from} had closed (FIN), ${v.bytes} more bytes came, and it answered with RST (frame ${v.frame}): the sender sees "connection reset by peer" and may lose the last answer, too`,
      unanswered: (v: { connection: string; from: string; frame: number; bytes: number }) =>
        `${v.connection}: ${v.from} got ${v.bytes} bytes, sent not one, and ended it with RST (frame ${v.frame})`,
      aborted: (v: { connection: string; from: string; frame: number; bytes: number }) =>
        `${v.connection}: ${v.from} ended it with RST (frame ${v.frame}) while ${v.bytes} bytes of the other side were not acknowledged`,
      count: (v: { server: string; cut: number; of: number }) =>
        `${v.server}: ${v.cut} of ${v.of} connections end like this`,
      itself:
        'The RST has come as far as the other packets of its sender: it is the host itself, not a device on the way',
      brokeOff:
        'A RST with the ACK flag: the host still had the connection, and its application closed without reading everything or broke off (crash, SO_LINGER 0)',
      notHeld:
        'A RST without the ACK flag: the host may no longer know the connection (restart, moved pod) or not have accepted it (full queue), or a firewall rule rejects it',
      orHere:
        'The capture was taken on several devices: the RST may also have been made by this machine itself (a firewall rule that rejects)',
      none: 'no RST cut off data of the other side',
      remedy:
        'Not the network: let the application read to the end before it closes, or shut down its sending side first and close later; for idle connections of a pool, let the client close earlier than the server. Counters on the host that sends the RST: TCPAbortOnData, TCPAbortOnClose',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '数据还在传输时连接被 RST 切断',
      noData: '抓包中没有带数据的连接',
      closed: (v) =>
        `${v.connection}：${v.from} 已经关闭（FIN），又收到 ${v.bytes} 字节，于是回了 RST（第 ${v.frame} 帧）：发送方会看到 “connection reset by peer”，还可能丢掉最后的应答`,
      unanswered: (v) =>
        `${v.connection}：${v.from} 收到 ${v.bytes} 字节，一个字节也没有发就用 RST 结束（第 ${v.frame} 帧）`,
      aborted: (v) =>
        `${v.connection}：${v.from} 用 RST 结束连接（第 ${v.frame} 帧），此时对端还有 ${v.bytes} 字节未被确认`,
      count: (v) => `${v.server}：${v.of} 条连接中有 ${v.cut} 条这样结束`,
      itself: 'RST 与其发送者的其他报文走过同样的距离：是主机自己发的，不是路上的设备',
      brokeOff: 'RST 带有 ACK 标志：主机仍保有该连接，是应用没有读完就关闭，或中途放弃（崩溃、SO_LINGER 0）',
      notHeld:
        'RST 不带 ACK 标志：主机可能已不认识该连接（重启、Pod 迁移），或没有接受它（队列已满），也可能是防火墙规则拒绝了它',
      orHere: '抓包来自多个网卡：RST 也可能是本机自己发的（带拒绝动作的防火墙规则）',
      none: '没有 RST 切断对端的数据',
      remedy:
        '问题不在网络：让应用读完再关闭，或先关闭发送方向、稍后再关闭；对连接池中的空闲连接，让客户端先于服务端关闭。发出 RST 的主机上的计数器：TCPAbortOnData、TCPAbortOnClose',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!capture.connections.some(({ bytes }) => bytes.client + bytes.server > 0))
      return notApplicable(because(say.noData, capture.at));
    const cuts = cutsOf(capture, params.minClient);
    if (cuts.length === 0) return notSeen(capture, place, say, say.none);

    const reasons = worstFirst(cuts, ({ how, reset }) => (how === 'closed' ? 1e9 : 0) + reset.unacknowledged).map(
      ({ connection, reset, how }) => {
        const other = reset.from === 'client' ? 'server' : 'client';
        return say[how]({
          connection: connectionText(connection),
          from: endpointText(connection[reset.from]),
          frame: reset.frame,
          bytes: how === 'unanswered' ? connection.bytes[other] : reset.unacknowledged,
        });
      },
    );
    for (const [server, own] of worstFirst([...groupBy(cuts, serverOf)], ([, { length }]) => length)) {
      const [first] = own;
      if (own.length > 1 && first !== undefined)
        reasons.push(say.count({ server, cut: own.length, of: connectionsTo(capture, first.connection.server) }));
    }
    const sameWay = cuts.every(({ connection, reset }) => connection.flow[reset.from].ttl !== null);
    if (isOfSeveralDevices(capture)) reasons.push(say.orHere);
    else if (sameWay) reasons.push(say.itself);
    const early = cuts.filter(({ how }) => how !== 'closed');
    if (early.some(({ reset }) => reset.ack)) reasons.push(say.brokeOff);
    if (early.some(({ reset }) => !reset.ack)) reasons.push(say.notHeld);
    const all = reasons.map((text) => because(text, capture.at));
    const remedies = [{ kind: 'application' as const, text: say.remedy, commands: [], undo: [], risk: say.risk }];
    // a client that closes early may just have heard enough
    return cuts.some(({ how, reset }) => how === 'closed' && reset.from === 'server')
      ? confirmed(all, remedies)
      : likely(all, remedies);
  },
});

/**
 * At most one per connection: the first RST that cut something off. A client that closes early has often heard enough:
 * that counts only where it is a habit.
 */
function cutsOf({ connections }: Capture, minClient: number): readonly Cut[] {
  const heardEnough = ({ how, reset }: Cut): boolean => how === 'closed' && reset.from === 'client';
  const habits = groupBy(allCuts(connections).filter(heardEnough), serverOf);
  return allCuts(connections).filter(
    (cut) => !heardEnough(cut) || (habits.get(serverOf(cut))?.length ?? 0) >= minClient,
  );
}

function serverOf({ connection }: Cut): string {
  return endpointText(connection.server);
}

function allCuts(connections: readonly Connection[]): readonly Cut[] {
  return connections.flatMap((connection): Cut[] => {
    if (connection.handshake !== 'complete' && connection.handshake !== 'midStream') return [];
    for (const reset of connection.resets) {
      const how = howCut(connection, reset);
      if (how !== null) return [{ connection, reset, how }];
    }
    return [];
  });
}

function howCut(connection: Connection, reset: Reset): Cut['how'] | null {
  const { from, answersSyn, sequence, atMs, unacknowledged } = reset;
  if (answersSyn || sequence === 'outside' || sequence === 'unknown' || isAfterSilence(connection, reset)) return null;
  const { ttl, fin } = connection.flow[from];
  // somebody else's RST: see rst-injected
  if (ttl !== null && isOtherDistance(reset.ttl, [ttl.min, ttl.max])) return null;
  const other = from === 'client' ? 'server' : 'client';
  if (fin !== null && fin.atMs <= atMs) return unacknowledged > 0 ? 'closed' : null;
  if (connection.handshake === 'complete' && connection.bytes[from] === 0 && connection.bytes[other] > 0)
    return 'unanswered';
  return unacknowledged > 0 ? 'aborted' : null;
}
