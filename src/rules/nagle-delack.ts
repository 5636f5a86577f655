import * as z from 'zod';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { hasData, type Side, sidesOf } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { largestOf } from './extremes.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

/** F96: small writes wait for delayed ACKs: Nagle at the sender meets them at the receiver. */
export const nagleDelack = defineCaptureRule({
  id: 'nagle-delack',
  fault: 'F96',
  scope: 'capture',
  params: z.strictObject({
    /** Stalls of one connection that it takes. */
    minStalls: z.number().int().min(1).default(3),
  }),
  sources: ['RFC 896, RFC 1122 section 4.2.3.2 and 4.2.3.4', 'TCP_DELACK_MIN of Linux (40 ms), 200 ms of Windows'],
  text: {
    en: {
      ...captureText.en,
      title: 'Small writes wait for delayed ACKs (Nagle)',
      noData: 'no connection of the capture carried data',
      stalls: (v: { connection: string; sender: string; stalls: number; longest: string; rtt: string }) =>
        `${v.connection}: ${v.stalls} times ${v.sender} sent a small segment, waited for its ACK for up to ${v.longest} ms${v.rtt === '' ? '' : ` (round trip: ${v.rtt} ms)`} and then sent the rest at once`,
      count: (v: { connections: number; stalls: number }) =>
        `In all ${v.stalls} such waits in ${v.connections} connections`,
      noRtt: 'The round trip of the path is not known from this capture: a long path without Nagle looks alike',
      few: (v: { stalls: number }) => `${v.stalls} such waits in the worst connection: too few to be a pattern`,
      none: 'no small segment waited for a delayed ACK',
      remedy:
        'Not the network: let the sending application write a message in one piece, or set TCP_NODELAY on its socket',
      risk: 'Low: more small packets',
    },
    zh: {
      ...captureText.zh,
      title: '小块写入在等待延迟 ACK（Nagle 算法）',
      noData: '抓包中没有带数据的连接',
      stalls: (v) =>
        `${v.connection}：${v.sender} 有 ${v.stalls} 次发出一个小报文段后等待其 ACK，最长 ${v.longest} 毫秒${v.rtt === '' ? '' : `（往返时间 ${v.rtt} 毫秒）`}，随后立即发出其余部分`,
      count: (v) => `${v.connections} 条连接中共有 ${v.stalls} 次这样的等待`,
      noRtt: '从抓包看不出路径的往返时间：路径很长而没有 Nagle 时看起来也一样',
      few: (v) => `最差的连接也只有 ${v.stalls} 次这样的等待：太少，不成规律`,
      none: '没有小报文段在等待延迟 ACK',
      remedy: '问题不在网络：让发送方应用一次写出完整消息，或在套接字上设置 TCP_NODELAY',
      risk: '低：小报文会增多',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    if (!hasData(capture)) return notApplicable(because(say.noData, capture.at));

    const stalled = sidesOf(capture.connections).flatMap((side) => {
      const stalls = side.flow.delayedAckStalls;
      const rttMs = pathRttMs(side);
      // the ACK is late only against what the path takes
      return stalls === null || (rttMs !== null && rttMs * 2 > stalls.longestMs) ? [] : [{ side, stalls, rttMs }];
    });
    if (stalled.length === 0) return notSeen(capture, place, say, say.none);
    const many = stalled.filter(({ stalls }) => stalls.count >= params.minStalls);
    if (many.length === 0)
      return notSeen(capture, place, say, say.few({ stalls: largestOf(stalled.map(({ stalls }) => stalls.count)) }));

    const worst = worstFirst(many, ({ stalls }) => stalls.count);
    const reasons = worst.map(({ side, stalls, rttMs }) =>
      say.stalls({
        connection: connectionText(side.connection),
        sender: endpointText(side.sender),
        stalls: stalls.count,
        longest: stalls.longestMs.toFixed(0),
        rtt: rttMs === null ? '' : String(Number(rttMs.toPrecision(2))),
      }),
    );
    if (many.length > worst.length)
      reasons.push(
        say.count({
          connections: new Set(many.map(({ side }) => side.connection)).size,
          stalls: many.reduce((sum, { stalls }) => sum + stalls.count, 0),
        }),
      );
    const measured = many.some(({ rttMs }) => rttMs !== null);
    if (!measured) reasons.push(say.noRtt);
    const all = reasons.map((text) => because(text, capture.at));
    const remedies = [{ kind: 'application' as const, text: say.remedy, commands: [], undo: [], risk: say.risk }];
    return measured ? confirmed(all, remedies) : likely(all, remedies);
  },
});

/** The round trip that the handshake or the fastest ACK shows; null where every ACK may have been a late one. */
function pathRttMs({ connection, flow }: Side): number | null {
  const known = [connection.initialRttMs, flow.rtt !== null && flow.rtt.minMs < 35 ? flow.rtt.minMs : null].filter(
    (one) => one !== null,
  );
  return known.length === 0 ? null : Math.min(...known);
}
