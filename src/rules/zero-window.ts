import * as z from 'zod';
import type { Capture } from '../model/facts.ts';
import type { ZeroWindow } from '../model/packet-facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { hasData, type Side, sidesOf } from './capture-counts.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

interface Stall {
  /** The side that does not read. */
  readonly side: Side;
  readonly window: ZeroWindow;
  readonly ms: number;
}

/** F34: the receiving application does not read, so that its window is 0 while the other side has data for it. */
export const zeroWindow = defineCaptureRule({
  id: 'zero-window',
  fault: 'F34',
  scope: 'capture',
  params: z.strictObject({
    /** Shortest time with window 0 that counts, milliseconds. */
    minStallMs: z.number().min(0).default(1000),
  }),
  sources: ['RFC 9293 section 3.8.6.1 (zero-window probes)', 'recording of a receiver that does not read'],
  text: {
    en: {
      ...captureText.en,
      title: 'The receiving application does not read: its window is 0',
      noData: 'no connection of the capture carried data',
      stalled: (v: { receiver: string; seconds: string; sender: string; probes: number; frame: number }) =>
        `${v.receiver} kept its receive window at 0 for ${v.seconds} s (from frame ${v.frame}) while ${v.sender} had data for it${v.probes > 0 ? `: it asked ${v.probes} times` : ''}`,
      open: (v: { receiver: string; seconds: string; sender: string; probes: number; frame: number }) =>
        `${v.receiver} set its receive window to 0 (frame ${v.frame}) and had not opened it ${v.seconds} s later, when the capture or the connection ended; ${v.sender} had data for it${v.probes > 0 ? ` and asked ${v.probes} times` : ''}`,
      count: (v: { stalls: number; connections: number }) =>
        `In all ${v.stalls} such stalls in ${v.connections} connections`,
      many: (v: { connection: string; stalls: number; seconds: string; share: number }) =>
        `${v.connection}: the window was 0 in ${v.stalls} short stalls, together ${v.seconds} s, ${v.share} % of the connection's time`,
      older: (v: { receiver: string; sender: string; frame: number }) =>
        `${v.sender} asked ${v.receiver} for room and was told again that its window is 0 (frame ${v.frame}), on a connection that is older than the capture; how long it lasts was not seen`,
      notProbed: 'the packet that opened it again may be among those that the capture lost',
      none: (v: { seconds: string }) =>
        `no receiver kept its window at 0 for ${v.seconds} s while the other side had data`,
      remedy:
        'The network is not at fault. Find out why the application behind this address does not read its socket (blocked thread, slow disk, a lock, a full queue behind it): on that host `ss -tnmp` shows a full Recv-Q and the process',
      risk: 'None: it only reads',
    },
    zh: {
      ...captureText.zh,
      title: '接收方应用不读数据：接收窗口为 0',
      noData: '抓包中没有带数据的连接',
      stalled: (v) =>
        `${v.receiver} 的接收窗口有 ${v.seconds} 秒一直为 0（从第 ${v.frame} 帧起），而 ${v.sender} 还有数据要发${v.probes > 0 ? `，期间探测了 ${v.probes} 次` : ''}`,
      open: (v) =>
        `${v.receiver} 把接收窗口关到 0（第 ${v.frame} 帧），${v.seconds} 秒后抓包或连接结束时仍未打开；${v.sender} 还有数据要发${v.probes > 0 ? `，探测了 ${v.probes} 次` : ''}`,
      count: (v) => `${v.connections} 条连接中共有 ${v.stalls} 次这样的停顿`,
      many: (v) => `${v.connection}：${v.stalls} 次短暂的零窗口，合计 ${v.seconds} 秒，占连接时间的 ${v.share} %`,
      older: (v) =>
        `${v.sender} 向 ${v.receiver} 探测窗口，得到的回答仍是窗口为 0（第 ${v.frame} 帧）；该连接早于抓包，没有看到这种情况持续了多久`,
      notProbed: '重新打开窗口的那个报文可能恰好被抓包丢掉了',
      none: (v) => `没有接收方在对端有数据要发时把窗口保持为 0 达 ${v.seconds} 秒`,
      remedy:
        '问题不在网络。请查明该地址上的应用为什么不读套接字（线程阻塞、磁盘慢、锁、后面的队列已满）：在那台主机上 `ss -tnmp` 会显示 Recv-Q 已满以及对应进程',
      risk: '无：只读操作',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const all = stallsOf(capture);
    // of connections that are older than the capture there may be nothing but questions for room
    if (!hasData(capture) && all.length === 0) return notApplicable(because(say.noData, capture.at));
    const stalls = all.filter(({ ms }) => ms >= params.minStallMs);
    const remedies = [
      { kind: 'application' as const, text: say.remedy, commands: ['ss -tnmp'], undo: [], risk: say.risk },
    ];
    if (stalls.length > 0) {
      const reasons = worstFirst(stalls, ({ ms }) => ms).map(({ side, window, ms }) => {
        const values = {
          receiver: endpointText(side.sender),
          sender: endpointText(side.receiver),
          seconds: secondsText(ms),
          probes: window.probes,
          frame: window.frame,
        };
        return because(window.untilMs === null ? say.open(values) : say.stalled(values), capture.at);
      });
      const connections = new Set(stalls.map(({ side }) => side.connection)).size;
      if (stalls.length > reasons.length)
        reasons.push(because(say.count({ stalls: stalls.length, connections }), capture.at));
      // what asks and is told 0 again proves that the window was still shut, whatever the capture lost
      const weak = weakness(capture, say);
      if (weak !== null && stalls.every(({ window }) => window.probes < 2))
        return likely([...reasons, because(say.notProbed, capture.at)], remedies);
      return confirmed(reasons, remedies);
    }

    const slow = [...new Set(all.map(({ side }) => side))].flatMap((side) => {
      const own = all.filter((stall) => stall.side === side);
      const ms = own.reduce((sum, stall) => sum + stall.ms, 0);
      const share = ms / Math.max(1, side.connection.lastAtMs - side.connection.firstAtMs);
      return ms >= params.minStallMs && share >= 0.2 ? [{ side, stalls: own.length, ms, share }] : [];
    });
    if (slow.length > 0)
      return likely(
        worstFirst(slow, ({ ms }) => ms).map(({ side, stalls: count, ms, share }) =>
          because(
            say.many({
              connection: connectionText(side.connection),
              stalls: count,
              seconds: secondsText(ms),
              share: Math.min(100, Math.round(share * 100)),
            }),
            capture.at,
          ),
        ),
        remedies,
      );
    const older = all.filter(({ side, window }) => isOlder(side) && window.untilMs === null && window.probes > 0);
    if (older.length > 0)
      return likely(
        worstFirst(older, ({ ms }) => ms).map(({ side, window }) => {
          const ends = { receiver: endpointText(side.sender), sender: endpointText(side.receiver) };
          return because(say.older({ ...ends, frame: window.frame }), capture.at);
        }),
        remedies,
      );
    return notSeen(capture, place, say, say.none({ seconds: secondsText(params.minStallMs) }));
  },
});

const isOlder = ({ connection }: Side): boolean => connection.handshake === 'midStream';

/** Times that a side kept its window shut although the other side had data for it. */
function stallsOf({ connections }: Capture): readonly Stall[] {
  return sidesOf(connections).flatMap((side) =>
    side.flow.zeroWindows
      .filter(({ senderWaits }) => senderWaits)
      .map((window) => ({
        side,
        window,
        ms: Math.max(0, (window.untilMs ?? side.connection.lastAtMs) - window.fromMs),
      })),
  );
}
