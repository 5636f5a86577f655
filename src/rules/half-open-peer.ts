import * as z from 'zod';
import type { Connection } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { connectionCount } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, notApplicable, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

interface Challenged {
  readonly connection: Connection;
  /** Frame of the RST by which the client says that it knows nothing of it; null: none was seen. */
  readonly resetFrame: number | null;
  /** From the first SYN to the SYN+ACK; null: it never came. */
  readonly lateMs: number | null;
}

/** F18: the server still holds an old connection of the same four-tuple, and answers the SYN with a bare ACK. */
export const halfOpenPeer = defineCaptureRule({
  id: 'half-open-peer',
  fault: 'F18',
  scope: 'capture',
  params: z.strictObject({}),
  sources: [
    'RFC 9293 section 3.5.1 (half-open connections)',
    'RFC 5961 section 4.2 (challenge ACK)',
    'fault catalogue F18',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'The server still holds an old connection of the same ports: it answers the SYN with a bare ACK',
      noConnect: 'no connect was seen in the capture',
      failed: (v: { connection: string; syns: number; frame: number }) =>
        `${v.connection}: the SYN (frame ${v.frame}, sent ${v.syns} times) was answered with an ACK that does not acknowledge it, and no SYN+ACK came`,
      late: (v: { connection: string; frame: number; seconds: string }) =>
        `${v.connection}: the first SYN (frame ${v.frame}) was answered with a bare ACK; the SYN+ACK came ${v.seconds} s later, after the client's RST`,
      noReset:
        'The RST with which the client should clear it was not seen: a firewall may eat it, then this repeats for ever',
      reset: (v: { frame: number }) => `The client said RST to it (frame ${v.frame}), which clears the old connection`,
      reused: (v: { seconds: string }) => `The same ports were in use ${v.seconds} s before`,
      count: (v: { challenged: number; of: number }) => `In all ${v.challenged} of ${v.of} connections`,
      none: 'no SYN was answered with a bare ACK',
      remedy:
        'Let the RST pass (stateful firewalls drop it as invalid); keep-alives on the server so that it notices dead peers; no fixed source ports, and port reuse in NAT only after TIME_WAIT',
      risk: 'Low',
    },
    zh: {
      ...captureText.zh,
      title: '服务端还保留着相同端口的旧连接：对 SYN 只回了 ACK',
      noConnect: '抓包中没有连接尝试',
      failed: (v) =>
        `${v.connection}：SYN（第 ${v.frame} 帧，共发 ${v.syns} 次）得到的是一个并不确认它的 ACK，始终没有 SYN+ACK`,
      late: (v) =>
        `${v.connection}：第一个 SYN（第 ${v.frame} 帧）得到的是单独的 ACK；在客户端发出 RST 之后，SYN+ACK 晚了 ${v.seconds} 秒才到`,
      noReset: '没有看到客户端用来清除它的 RST：可能被防火墙吃掉，那样会一直重复',
      reset: (v) => `客户端对此回了 RST（第 ${v.frame} 帧），旧连接随之清除`,
      reused: (v) => `${v.seconds} 秒前同样的端口还在使用`,
      count: (v) => `${v.of} 条连接中共有 ${v.challenged} 条`,
      none: '没有 SYN 只得到 ACK 应答',
      remedy:
        '放行 RST（有状态防火墙会当作无效报文丢弃）；在服务端启用 keep-alive 以便发现已死的对端；不要固定源端口，NAT 的端口复用要等到 TIME_WAIT 之后',
      risk: '低',
    },
  },
  evaluate({ capture, place, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!capture.connections.some(({ syns }) => syns.length > 0))
      return notApplicable(because(say.noConnect, capture.at));
    const found = capture.connections.flatMap((connection): Challenged[] => {
      const one = challengeOf(connection);
      return one === null ? [] : [one];
    });
    if (found.length === 0) return notSeen(capture, place, say, say.none);
    const worst = worstFirst(found, ({ lateMs }) => lateMs ?? Number.MAX_SAFE_INTEGER);
    const reasons = worst.flatMap(({ connection, resetFrame, lateMs }) => {
      const values = { connection: connectionText(connection), frame: connection.syns[0]?.frame ?? 0 };
      return [
        lateMs === null
          ? say.failed({ ...values, syns: connection.syns.length })
          : say.late({ ...values, seconds: secondsText(lateMs) }),
        ...(resetFrame === null ? [say.noReset] : lateMs === null ? [say.reset({ frame: resetFrame })] : []),
        ...(connection.portReuse === null ? [] : [say.reused({ seconds: secondsText(connection.portReuse.sinceMs) })]),
      ];
    });
    if (found.length > worst.length)
      reasons.push(say.count({ challenged: found.length, of: connectionCount(capture) }));
    return confirmed(
      reasons.map((text) => because(text, capture.at)),
      [
        {
          kind: 'permanent',
          text: say.remedy,
          commands: [...new Set(worst.map(({ connection }) => `ss -tno src ${endpointText(connection.server)}`))],
          undo: [],
          risk: say.risk,
        },
      ],
    );
  },
});

/**
 * A bare ACK to the SYN; where the client then said RST and asked again with success, that RST between its SYNs is
 * what is left of it in the facts.
 */
function challengeOf(connection: Connection): Challenged | null {
  const { handshake, syns, synAcks, resets, packets } = connection;
  const first = syns[0];
  if (first === undefined) return null;
  const answered = synAcks[0];
  const reset = resets.find(
    ({ from, atMs }) => from === 'client' && atMs >= first.atMs && (answered === undefined || atMs < answered.atMs),
  );
  if (handshake === 'challengeAck') return { connection, resetFrame: reset?.frame ?? null, lateMs: null };
  const again = reset !== undefined && syns.some(({ atMs }) => atMs > reset.atMs);
  return again && answered !== undefined && packets.server > synAcks.length
    ? { connection, resetFrame: reset.frame, lateMs: answered.atMs - first.atMs }
    : null;
}
