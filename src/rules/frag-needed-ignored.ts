import * as z from 'zod';
import type { Connection, IcmpError } from '../model/facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { sidesOf } from './capture-counts.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { byFlow, keyOfSide, sizeErrors } from './size-errors.ts';
import { worstFirst } from './worst-first.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';

interface Ignored {
  readonly flow: string;
  readonly errors: readonly IcmpError[];
  readonly spanMs: number;
  /** Segments that the sender repeated. */
  readonly repeated: number;
}

/** A sender that heard would have made its segments smaller within a round trip. */
const slowestPathMs = 1000;
/** After this the kernel forgets a path MTU and tries larger packets again (net.ipv4.route.mtu_expires). */
const forgottenMs = 600_000;

/** F41 as far as one capture tells: "too large" is said, and the sender goes on as if it had not heard. */
export const fragNeededIgnored = defineCaptureRule({
  id: 'frag-needed-ignored',
  fault: 'F41',
  scope: 'capture',
  params: z.strictObject({}),
  sources: ['RFC 1191 section 4, RFC 8201 section 4', 'RFC 2923 section 2.1', 'fault catalogue F41'],
  text: {
    en: {
      ...podSysctlText.en,
      ...captureText.en,
      title: 'ICMP "fragmentation needed" does not reach the sender, or is ignored',
      noErrors: 'no ICMP "fragmentation needed" or "packet too big" about TCP is in the capture',
      ignored: (v: {
        flow: string;
        from: string;
        mtu: string;
        count: number;
        seconds: string;
        frame: number;
        last: number;
      }) =>
        `${v.flow}: ${v.from} said ${v.count} times in ${v.seconds} s that the packets are too large${v.mtu} (frames ${v.frame} to ${v.last}); the sender should have made them smaller after the first`,
      repeated: (v: { repeated: number }) => `Meanwhile ${v.repeated} segments were sent again`,
      why: 'Between here and the sender ICMP is dropped, or goes to another host (load balancer, ECMP, NAT that does not translate the packet inside), or the sender may not lower its MTU',
      heard: (v: { flows: number }) =>
        `${v.flows} connections were told that their packets are too large, and none was told again later: the senders heard`,
      allow: 'Let ICMP type 3 code 4 (ICMPv6 type 2) through to the sender',
      allowRisk: 'Low',
      probing: 'On the sender: find the MTU without ICMP (mends after some seconds of stall)',
      probingRisk: 'Low; every stall of a large segment still costs seconds',
    },
    zh: {
      ...podSysctlText.zh,
      ...captureText.zh,
      title: 'ICMP “需要分片”没有到达发送方，或被忽略',
      noErrors: '抓包中没有关于 TCP 的 ICMP “需要分片”或“报文过大”',
      ignored: (v) =>
        `${v.flow}：${v.from} 在 ${v.seconds} 秒内说了 ${v.count} 次报文过大${v.mtu}（第 ${v.frame} 到 ${v.last} 帧）；发送方本应在第一次之后就改小`,
      repeated: (v) => `期间有 ${v.repeated} 个报文段被重发`,
      why: '在这里与发送方之间 ICMP 被丢弃，或送到了别的主机（负载均衡、ECMP、未转换内层报文的 NAT），或者发送方不允许降低 MTU',
      heard: (v) => `${v.flows} 条连接被告知报文过大，之后没有再被告知：发送方收到了`,
      allow: '放行到发送方的 ICMP 类型 3 代码 4（ICMPv6 类型 2）',
      allowRisk: '低',
      probing: '在发送方：不依赖 ICMP 探测 MTU（停顿数秒后可恢复）',
      probingRisk: '低；大包每次停顿仍要数秒',
    },
  },
  evaluate({ capture, place, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const flows = byFlow(sizeErrors(capture));
    if (flows.size === 0) return notApplicable(because(say.noErrors, capture.at));

    const repeats = repeatedBySide(capture.connections);
    const ignored = [...flows].flatMap(([flow, errors]): Ignored[] => {
      const same = toldAgain(errors);
      const first = same[0];
      const last = same.at(-1);
      if (first === undefined || last === undefined) return [];
      return [{ flow, errors: same, spanMs: last.atMs - first.atMs, repeated: repeats.get(flow) ?? 0 }];
    });
    if (ignored.length === 0) return ruledOut(because(say.heard({ flows: flows.size }), capture.at));

    const reasons = worstFirst(ignored, ({ errors, repeated }) => errors.length + repeated).flatMap(
      ({ flow, errors, spanMs, repeated }) => {
        const [first] = errors;
        const mtu = first?.mtu ?? 0;
        return [
          say.ignored({
            flow,
            from: first?.from ?? '',
            mtu: mtu === 0 ? '' : ` (MTU ${mtu})`,
            count: errors.length,
            seconds: secondsText(spanMs),
            frame: first?.frame ?? 0,
            last: errors.at(-1)?.frame ?? 0,
          }),
          ...(repeated > 0 ? [say.repeated({ repeated })] : []),
        ];
      },
    );
    const all = [...reasons, say.why].map((text) => because(text, capture.at));
    const remedies = [
      { kind: 'permanent' as const, text: say.allow, commands: [], undo: [], risk: say.allowRisk },
      {
        kind: 'temporary' as const,
        text: say.probing,
        commands: ['sysctl -w net.ipv4.tcp_mtu_probing=1'],
        undo: ['sysctl -w net.ipv4.tcp_mtu_probing=0'],
        risk: say.probingRisk,
      },
      podSysctls([{ key: 'net.ipv4.tcp_mtu_probing', value: '1' }], say),
    ];
    return ignored.some(({ repeated }) => repeated > 0) ? confirmed(all, remedies) : likely(all, remedies);
  },
});

/** The longest run of errors with one MTU, if it goes on for longer than a sender needs to hear. */
function toldAgain(errors: readonly IcmpError[]): readonly IcmpError[] {
  const [mtu] = worstFirst(
    [...new Set(errors.map((error) => error.mtu ?? 0))],
    (one) => errors.filter((error) => (error.mtu ?? 0) === one).length,
    1,
  );
  const same = errors.filter((error) => (error.mtu ?? 0) === mtu);
  const firstMs = same[0]?.atMs ?? 0;
  const within = same.filter(({ atMs }) => atMs - firstMs < forgottenMs);
  return (within.at(-1)?.atMs ?? 0) - firstMs >= slowestPathMs ? within : [];
}

function repeatedBySide(connections: readonly Connection[]): ReadonlyMap<string, number> {
  return new Map(
    sidesOf(connections).map((side) => [
      keyOfSide(side),
      side.flow.bySize.reduce((sum, { retransmitted }) => sum + retransmitted, 0),
    ]),
  );
}
