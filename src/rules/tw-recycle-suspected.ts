import * as z from 'zod';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { handshakesOf } from './handshakes.ts';
import { notSeen } from './not-seen.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { worstFirst } from './worst-first.ts';

/** F01 by packets alone: the SYNs that get no answer are just those whose timestamp lies behind. */
export const twRecycleSuspected = defineCaptureRule({
  id: 'tw-recycle-suspected',
  fault: 'F01',
  scope: 'capture',
  params: z.strictObject({
    /**
     * Unanswered connects behind the timestamps of their own address that it takes. Connects that are dropped for
     * another reason are behind as often as ahead (clients since Linux 4.10 choose an offset at random): 5 of 5 is
     * 1 in 32.
     */
    minBehind: z.number().int().min(1).default(5),
  }),
  sources: [
    'net/ipv4/tcp_metrics.c tcp_peer_is_proven (v3.6 to v4.11)',
    'recordings on Linux 4.9.273: of 100 unanswered connects 73 were behind and 1 ahead',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'SYNs with older timestamps get no answer: tcp_tw_recycle on the server',
      noConnect: 'no connect was seen in the capture',
      answered: 'every connect was answered',
      suspected: (v: { address: string; unanswered: number; behind: number; ahead: number; answeredBehind: number }) =>
        `${v.address}: ${v.behind} of ${v.unanswered} unanswered connects carry a timestamp (TSval) below one that this address had shown within 60 s before; only ${v.ahead} carry a newer one, and ${v.answeredBehind} that were behind were answered`,
      meaning:
        'Just so a server with net.ipv4.tcp_tw_recycle=1 drops them: it remembers the last timestamp per address for 60 s (clients behind one NAT, or any client since Linux 4.10)',
      few: (v: { behind: number; minBehind: number }) =>
        `only ${v.behind} unanswered connects are behind a timestamp of their own address; fewer than ${v.minBehind} may be chance`,
      against: (v: { ahead: number; behind: number }) =>
        `${v.ahead} unanswered connects carry the newest timestamp of their address, and ${v.behind} an older one: it is not the timestamp that decides`,
      lenient: (v: { answeredBehind: number; behind: number }) =>
        `${v.answeredBehind} connects with older timestamps were answered, ${v.behind} were not: it is not the timestamp that decides`,
      nothingToCompare:
        'connects went unanswered, but none within 60 s of an answered one of the same address with timestamps, so there is nothing to compare',
      off: 'On the server (the node that owns the port): sysctl net.ipv4.tcp_tw_recycle; netcheck proves it there (rule tw-recycle)',
      risk: 'Low: more sockets stay in TIME_WAIT',
    },
    zh: {
      ...captureText.zh,
      title: '时间戳较旧的 SYN 没有应答：疑似服务端开启了 tcp_tw_recycle',
      noConnect: '抓包中没有连接尝试',
      answered: '每次连接都得到了应答',
      suspected: (v) =>
        `${v.address}：${v.unanswered} 次未应答的连接中有 ${v.behind} 次的时间戳（TSval）低于该地址 60 秒内出现过的值；只有 ${v.ahead} 次更新，另有 ${v.answeredBehind} 次虽较旧但得到了应答`,
      meaning:
        '服务端 net.ipv4.tcp_tw_recycle=1 时正是这样丢弃的：它按地址记住最近的时间戳 60 秒（同一 NAT 后的多个客户端，或 Linux 4.10 起的任何客户端都会中招）',
      few: (v) => `只有 ${v.behind} 次未应答的连接时间戳落后于本地址，少于 ${v.minBehind} 次可能只是巧合`,
      against: (v) => `${v.ahead} 次未应答的连接带的是该地址最新的时间戳，${v.behind} 次较旧：决定因素不是时间戳`,
      lenient: (v) => `时间戳较旧的连接有 ${v.answeredBehind} 次得到应答，${v.behind} 次没有：决定因素不是时间戳`,
      nothingToCompare: '有连接未得到应答，但 60 秒内同一地址没有带时间戳且得到应答的连接，无从比较',
      off: '在服务端（拥有该端口的节点）查看 sysctl net.ipv4.tcp_tw_recycle；netcheck 可以在那里证实（规则 tw-recycle）',
      risk: '低：会有更多套接字处于 TIME_WAIT',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const sources = capture.synSources.filter(({ syns }) => syns > 0);
    if (sources.length === 0) return notApplicable(because(say.noConnect, capture.at));

    const suspects = sources.filter(
      ({ unansweredBehind, unansweredAhead, answeredBehind }) =>
        unansweredBehind >= params.minBehind &&
        unansweredAhead * 10 <= unansweredBehind &&
        answeredBehind < unansweredBehind,
    );
    if (suspects.length > 0) {
      const reasons = worstFirst(suspects, ({ unansweredBehind }) => unansweredBehind).map((one) =>
        say.suspected({
          address: one.address,
          unanswered: one.unanswered,
          behind: one.unansweredBehind,
          ahead: one.unansweredAhead,
          answeredBehind: one.answeredBehind,
        }),
      );
      return likely(
        [...reasons, say.meaning].map((text) => because(text, capture.at)),
        [
          {
            kind: 'temporary',
            text: say.off,
            commands: ['sysctl -w net.ipv4.tcp_tw_recycle=0'],
            undo: ['sysctl -w net.ipv4.tcp_tw_recycle=1'],
            risk: say.risk,
          },
        ],
      );
    }

    // a SYN that is the last thing in the capture waits for nothing yet
    if (handshakesOf(capture, () => true, 3000).unanswered.length === 0)
      return notSeen(capture, place, say, say.answered);
    const [worst] = worstFirst(
      sources.filter(({ unanswered }) => unanswered > 0),
      ({ unansweredBehind, unansweredAhead }) => unansweredBehind + unansweredAhead,
      1,
    );
    const behind = worst?.unansweredBehind ?? 0;
    const ahead = worst?.unansweredAhead ?? 0;
    const answeredBehind = worst?.answeredBehind ?? 0;
    if (behind + ahead === 0) return undecided('capture', place, say.nothingToCompare);
    if (ahead * 10 > behind) return ruledOut(because(say.against({ ahead, behind }), capture.at));
    if (behind < params.minBehind) return undecided('capture', place, say.few({ behind, minBehind: params.minBehind }));
    return ruledOut(because(say.lenient({ answeredBehind, behind }), capture.at));
  },
});
