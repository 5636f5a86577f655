import * as z from 'zod';
import type { Capture, Connection, Endpoint } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { connectsTo } from './capture-counts.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { notSeen } from './not-seen.ts';
import { likely, notApplicable, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

/** Connects to one address and port that did not get through. */
interface Silent {
  readonly server: Endpoint;
  /** Their SYN was sent again: the client got no answer, whatever this capture may have missed. */
  readonly repeated: Connection[];
  /** One SYN, and nothing after it for long enough. */
  readonly single: Connection[];
  /** The SYN+ACK was seen here, and the client went on asking. */
  readonly unheard: Connection[];
}

/** SYNs without an answer: which servers, what share, and what that leaves as causes. */
export const synUnanswered = defineCaptureRule({
  id: 'syn-unanswered',
  fault: '-',
  scope: 'capture',
  params: z.strictObject({
    /** How long a SYN that was sent once must have waited, milliseconds. */
    settleMs: z.number().min(0).default(3000),
    /** Connects with a single SYN that it takes where none was repeated: port scans and impatient probes send one. */
    minSingle: z.number().int().min(1).default(3),
  }),
  sources: ['RFC 6298 section 5, tcp_syn_retries (SYNs at 0, 1, 3, 7, 15 s)', 'fault catalogue A.3'],
  text: {
    en: {
      ...captureText.en,
      title: 'Connects get no answer',
      noConnect: 'no connect was seen in the capture',
      repeated: (v: { server: string; silent: number; of: number; syns: number; gaps: string; frame: number }) =>
        `${v.server}: ${v.silent} of ${v.of} connects got no answer; the SYN was sent ${v.syns} times (gaps of ${v.gaps} s, from frame ${v.frame}) and neither SYN+ACK nor RST came back`,
      single: (v: { server: string; silent: number; of: number; seconds: string; frame: number }) =>
        `${v.server}: ${v.silent} of ${v.of} connects got no answer to their only SYN in ${v.seconds} s and more (first: frame ${v.frame})`,
      unheard: (v: { server: string; connects: number; synAcks: number; frame: number }) =>
        `${v.server}: ${v.connects} connects were answered here, and the client asked on as if it had not heard (${v.synAcks} SYN+ACKs, first SYN: frame ${v.frame}): the answer is lost between here and the client`,
      someAnswered: (v: { server: string; answered: number }) =>
        `${v.answered} connects to ${v.server} were answered in the same capture: not a closed way, but some that are dropped: full queues on the server, tcp_tw_recycle (see tw-recycle-suspected), one of several paths or backends`,
      noneAnswered: (v: { server: string }) =>
        `Nothing at all came from ${v.server}: a firewall or security group that drops, a host that is down, a missing route there or back, or a server that drops SYNs`,
      where:
        'Something between here and the server drops them, or the server does, or the answer is lost on its way: a capture of one place cannot tell which',
      services: (v: { services: number }) => `In all ${v.services} addresses and ports do not answer`,
      oneWay: 'no packet of a server is in the capture: it may hold one direction only',
      none: 'every connect was answered, or refused by an ICMP error',
      remedy: 'Look at the server at the same time: netcheck captures at both ends and says where the SYN dies',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '连接没有得到应答',
      noConnect: '抓包中没有连接尝试',
      repeated: (v) =>
        `${v.server}：${v.of} 次连接中有 ${v.silent} 次没有应答；SYN 发了 ${v.syns} 次（间隔 ${v.gaps} 秒，从第 ${v.frame} 帧起），既没有 SYN+ACK 也没有 RST`,
      single: (v) =>
        `${v.server}：${v.of} 次连接中有 ${v.silent} 次唯一的 SYN 在 ${v.seconds} 秒以上没有应答（第一个：第 ${v.frame} 帧）`,
      unheard: (v) =>
        `${v.server}：有 ${v.connects} 次连接在这里已看到应答，但客户端好像没有收到，仍在重发（${v.synAcks} 个 SYN+ACK，第一个 SYN：第 ${v.frame} 帧）：应答丢在这里与客户端之间`,
      someAnswered: (v) =>
        `同一抓包中到 ${v.server} 的另外 ${v.answered} 次连接有应答：不是整条路不通，而是部分被丢弃：服务端队列满、tcp_tw_recycle（见 tw-recycle-suspected）、多条路径或多个后端之一有问题`,
      noneAnswered: (v) =>
        `${v.server} 完全没有任何报文：防火墙或安全组丢弃、主机宕机、去程或回程缺少路由，或者服务端丢弃 SYN`,
      where: '可能是这里与服务端之间丢弃，也可能是服务端丢弃，或应答在路上丢失：只有一处抓包无法区分',
      services: (v) => `共有 ${v.services} 个地址和端口没有应答`,
      oneWay: '抓包中没有任何服务端的报文：可能只抓了一个方向',
      none: '每次连接都得到了应答，或被 ICMP 错误拒绝',
      remedy: '同时查看服务端：netcheck 在两端抓包，可以说出 SYN 死在哪里',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!capture.connections.some(({ syns }) => syns.length > 0))
      return notApplicable(because(say.noConnect, capture.at));

    const all = silentServices(capture, params.settleMs);
    // a SYN that was sent once proves nothing where the answer cannot be in the capture, or was lost by it
    const bothWays = capture.connections.some(({ packets }) => packets.server > 0);
    const weak = weakness(capture, say) ?? (bothWays ? null : say.oneWay);
    const silent = all.filter(
      ({ repeated, single, unheard }) =>
        repeated.length > 0 || unheard.length > 0 || (weak === null && single.length >= params.minSingle),
    );
    if (silent.length === 0) {
      if (all.length > 0 && weak !== null) return undecided('capture', place, weak);
      return notSeen(capture, place, say, say.none);
    }

    const worst = worstFirst(
      silent,
      ({ repeated, single, unheard }) => repeated.length + unheard.length + single.length / 10,
    );
    const reasons = worst.flatMap((one) => sentences(one));
    if (silent.length > worst.length) reasons.push(say.services({ services: silent.length }));
    if (silent.some(({ repeated, single }) => repeated.length + single.length > 0)) reasons.push(say.where);
    return likely(
      reasons.map((text) => because(text, capture.at)),
      [
        {
          kind: 'permanent',
          text: say.remedy,
          commands: worst.map(({ server, repeated, single, unheard }) => {
            const [first] = [...repeated, ...unheard, ...single];
            return `netcheck ${server.address} port ${server.port}${first === undefined ? '' : ` from ${first.client.address}`}`;
          }),
          undo: [],
          risk: say.risk,
        },
      ],
    );

    function sentences({ server, repeated, single, unheard }: Silent): string[] {
      const name = endpointText(server);
      const of = connectsTo(capture, server);
      const said: string[] = [];
      const [longest] = worstFirst(repeated, ({ syns }) => syns.length, 1);
      if (longest !== undefined) {
        const gaps = longest.syns.slice(1).map((syn, i) => secondsText(syn.atMs - (longest.syns[i]?.atMs ?? syn.atMs)));
        said.push(
          say.repeated({
            server: name,
            silent: repeated.length + single.length,
            of,
            syns: longest.syns.length,
            gaps: gaps.slice(0, 7).join(', '),
            frame: longest.syns[0]?.frame ?? 0,
          }),
        );
      } else if (single.length > 0)
        said.push(
          say.single({
            server: name,
            silent: single.length,
            of,
            seconds: secondsText(params.settleMs),
            frame: single[0]?.syns[0]?.frame ?? 0,
          }),
        );
      const [first] = unheard;
      if (first !== undefined)
        said.push(
          say.unheard({
            server: name,
            connects: unheard.length,
            synAcks: unheard.reduce((sum, { synAcks }) => sum + synAcks.length, 0),
            frame: first.syns[0]?.frame ?? 0,
          }),
        );
      if (repeated.length + single.length === 0) return said;
      const toServer = capture.connections.filter((one) => endpointText(one.server) === name);
      const answered =
        toServer.filter(({ handshake }) => handshake === 'complete').length +
        Math.max(0, of - toServer.filter(({ syns }) => syns.length > 0).length);
      if (answered > 0) said.push(say.someAnswered({ server: name, answered }));
      else if (toServer.every(({ packets }) => packets.server === 0)) said.push(say.noneAnswered({ server: name }));
      return said;
    }
  },
});

function silentServices(capture: Capture, settleMs: number): readonly Silent[] {
  const found = new Map<string, Silent>();
  // ICMP errors are few per second (net.ipv4.icmp_ratelimit): one is the answer to all connects to that place
  const told = new Set(
    capture.connections.filter(({ handshake }) => handshake === 'icmpError').map(({ server }) => endpointText(server)),
  );
  for (const connection of capture.connections) {
    if (told.has(endpointText(connection.server))) continue;
    const kind = kindOf(connection, capture, settleMs);
    if (kind === null) continue;
    const key = endpointText(connection.server);
    const known = found.get(key) ?? { server: connection.server, repeated: [], single: [], unheard: [] };
    known[kind].push(connection);
    found.set(key, known);
  }
  return [...found.values()];
}

/** Repetitions closer than this are not a timer's: the capture holds the packet twice. */
const shortestTimerMs = 150;

function kindOf(
  { handshake, syns, synAcks, resets }: Connection,
  { lastAtMs }: Capture,
  settleMs: number,
): 'repeated' | 'single' | 'unheard' | null {
  const first = syns[0];
  const last = syns.at(-1);
  if (first === undefined || last === undefined) return null;
  if (handshake === 'noFinalAck') {
    const answeredAt = synAcks[0]?.atMs ?? Number.POSITIVE_INFINITY;
    // a client that took the answer for another's would say RST (half-open scans, stale connections)
    return resets.length === 0 && last.atMs - answeredAt >= shortestTimerMs ? 'unheard' : null;
  }
  if (handshake !== 'unanswered') return null;
  if (last.atMs - first.atMs >= shortestTimerMs) return 'repeated';
  return (lastAtMs ?? first.atMs) - first.atMs >= settleMs ? 'single' : null;
}
