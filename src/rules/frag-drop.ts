import * as z from 'zod';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

/** F43: of datagrams that come in fragments some are lost, and with them the whole datagram. */
export const fragDrop = defineNodeRule({
  id: 'frag-drop',
  fault: 'F43',
  scope: 'node',
  anyProtocol: true,
  roles: ['client', 'target'],
  needs: ['counters'],
  optional: ['capture'],
  params: z.strictObject({
    /** Reassemblies that failed in the window: a busy node has one now and then. */
    minFailed: z.number().int().min(1).default(3),
  }),
  sources: [
    'net/ipv4/ip_fragment.c (ReasmFails, ReasmTimeout; ipfrag_time 30 s, ipfrag_high_thresh)',
    'Documentation/networking/ip-sysctl.rst; DNS flag day 2020 (EDNS buffer 1232)',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'IP fragments are lost, so that large datagrams never arrive whole',
      noCounter: (v: { name: string }) => `${v.name} is not in both readings of the counters`,
      flat: (v: { failed: number; oks: number }) =>
        `Ip ReasmFails +${v.failed}, ReasmOKs +${v.oks} in the window: fragments are put together here`,
      failed: (v: { failed: number; timeouts: number; oks: number }) =>
        `Ip ReasmFails +${v.failed} in the window (ReasmTimeout +${v.timeouts}, ReasmOKs +${v.oks}): datagrams whose fragments did not all come`,
      incomplete: (v: { incomplete: number; datagrams: number }) =>
        `${v.incomplete} of ${v.datagrams} datagrams in fragments are not complete in the capture`,
      unanswered: (v: { questions: number }) =>
        `${v.questions} DNS questions stayed without an answer at the same time`,
      answers: (v: { answers: number }) =>
        `${v.answers} DNS answers came in fragments, and none of these datagrams is whole: the resolver never saw them`,
      others: 'Which datagrams they were is not known: the capture holds none of them, or it is not of DNS',
      application:
        'DNS: keep answers below 1232 bytes (CoreDNS: bufsize 1232; resolv.conf: options use-vc for TCP). Others: send datagrams that fit the path MTU',
      permanent:
        'Let fragments pass the firewalls on the way; where ReasmFails rise without loss on the way, more memory for them',
      risk: 'Low',
    },
    zh: {
      ...captureText.zh,
      title: 'IP 分片丢失，大的数据报无法完整到达',
      noCounter: (v) => `两次计数器读数里没有都出现 ${v.name}`,
      flat: (v) => `窗口内 Ip ReasmFails +${v.failed}，ReasmOKs +${v.oks}：分片在这里能正常重组`,
      failed: (v) =>
        `窗口内 Ip ReasmFails +${v.failed}（ReasmTimeout +${v.timeouts}，ReasmOKs +${v.oks}）：有数据报的分片没有到齐`,
      incomplete: (v) => `抓包中 ${v.datagrams} 个分片的数据报里有 ${v.incomplete} 个不完整`,
      unanswered: (v) => `同一时间有 ${v.questions} 个 DNS 查询没有应答`,
      answers: (v) => `有 ${v.answers} 个 DNS 应答分片到达，但没有一个数据报完整：解析器没有收到它们`,
      others: '不知道是哪些数据报：抓包里没有它们，或者抓的不是 DNS',
      application:
        'DNS：让应答小于 1232 字节（CoreDNS：bufsize 1232；resolv.conf：options use-vc 改用 TCP）。其他：发送不超过路径 MTU 的数据报',
      permanent: '让路上的防火墙放行分片；如果路上没有丢而 ReasmFails 仍上升，给重组更多内存',
      risk: '低',
    },
  },
  evaluate({ node, facts, params, say }) {
    const fails = facts.counters['Ip.ReasmFails'];
    if (fails === undefined || fails.delta === null)
      return undecided('counters', node, say.noCounter({ name: 'Ip.ReasmFails' }));
    const risen = (name: string): number => Math.max(0, facts.counters[name]?.delta ?? 0);
    const failed = Math.max(0, fails.delta);
    const oks = risen('Ip.ReasmOKs');
    // more that succeed than fail: what is lost is loss like any other (path-loss)
    if (failed < params.minFailed || oks > failed * 10) return ruledOut(because(say.flat({ failed, oks }), fails.at));
    const reasons: Because[] = [because(say.failed({ failed, timeouts: risen('Ip.ReasmTimeout'), oks }), fails.at)];
    const remedies = [
      { kind: 'application' as const, text: say.application, commands: [], undo: [], risk: say.risk },
      {
        kind: 'permanent' as const,
        node,
        text: say.permanent,
        commands: ['sysctl net.ipv4.ipfrag_high_thresh net.ipv4.ipfrag_time'],
        undo: [],
        risk: say.risk,
      },
    ];
    const { capture } = facts;
    if (capture === undefined || blindness(capture, say) !== null)
      return likely([...reasons, because(say.others, fails.at)], remedies);
    const { datagrams, reassembled } = capture.fragments;
    const incomplete = datagrams - reassembled;
    const unanswered = capture.dns.filter(({ answer }) => answer === null).length;
    if (incomplete > 0) reasons.push(because(say.incomplete({ incomplete, datagrams }), capture.at));
    if (unanswered > 0) reasons.push(because(say.unanswered({ questions: unanswered }), capture.at));
    // the first fragment has the header: it looks like an answer, and only a whole datagram is one
    const lost = incomplete === datagrams ? capture.dns.filter(({ answer }) => answer?.fragmented === true).length : 0;
    if (lost > 0 && incomplete > 0) reasons.push(because(say.answers({ answers: lost }), capture.at));
    // captures of DNS hold every fragment; in those of a port only first ones are, and none of them is ever whole
    return incomplete > 0 && (unanswered > 0 || lost > 0)
      ? confirmed(reasons, remedies)
      : likely([...reasons, because(say.others, capture.at)], remedies);
  },
});
