import * as z from 'zod';
import type { Connection, Reset } from '../model/facts.ts';
import type { IdleGap } from '../model/packet-facts.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { longSilenceMs } from './after-silence.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { largestOf, smallestOf } from './extremes.ts';
import { groupBy } from './group-by.ts';
import { isOtherDistance } from './hop-distance.ts';
import { notSeen } from './not-seen.ts';
import { confirmed, likely, notApplicable, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

/** One silence that the connection did not survive. */
interface Sample {
  readonly connection: Connection;
  readonly gap: IdleGap;
  /**
   * `forgotten`: what was said after it was answered with RST. `cut`: it was ended by a RST. `swallowed`: what was said
   * after it was never answered, although it was repeated.
   */
  readonly how: 'forgotten' | 'cut' | 'swallowed';
  readonly reset: Reset | null;
}

/** Idle limits that are known, seconds. */
const knownLimits: readonly { readonly sec: number; readonly of: string }[] = [
  { sec: 240, of: 'Azure load balancer' },
  { sec: 350, of: 'AWS NLB and NAT gateway' },
  { sec: 600, of: 'Google Cloud' },
  { sec: 900, of: 'IPVS (kube-proxy), many load balancers' },
  { sec: 3600, of: 'many firewalls' },
  { sec: 4000, of: 'AWS ALB at most' },
];

/** F60, F61 as far as packets tell: a connection is forgotten on the way while it is silent. */
export const idleReset = defineCaptureRule({
  id: 'idle-reset',
  fault: 'F61',
  scope: 'capture',
  params: z.strictObject({
    /** Shortest silence that counts, milliseconds. */
    minIdleMs: z.number().min(10_000).default(longSilenceMs),
  }),
  sources: [
    'fault catalogue F60, F61',
    'recording of an IPVS entry that expired on Linux 4.9',
    'cloudnativelabs/kube-router#521',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Connections are forgotten on the way while they are silent (idle timeout)',
      noSilence: (v: { seconds: string }) => `no connection was silent for ${v.seconds} s and spoke again`,
      survived: (v: { silences: number; seconds: string }) =>
        `${v.silences} silences of up to ${v.seconds} s were survived: the other side answered`,
      forgotten: (v: { connection: string; idle: string; frame: number }) =>
        `${v.connection}: after ${v.idle} s of silence the next packet (frame ${v.frame}) was answered with RST`,
      cut: (v: { connection: string; idle: string; frame: number }) =>
        `${v.connection}: after ${v.idle} s of silence it was ended by a RST (frame ${v.frame})`,
      swallowed: (v: { connection: string; idle: string; frame: number }) =>
        `${v.connection}: after ${v.idle} s of silence the next packet (frame ${v.frame}) was repeated and never answered; a dead peer would look the same`,
      count: (v: { server: string; samples: number; from: string; to: string }) =>
        `${v.server}: ${v.samples} connections did not survive silences of ${v.from} to ${v.to} s`,
      limit: (v: { above: string; upTo: string; known: string }) =>
        `The limit lies ${v.above === '' ? '' : `above ${v.above} s (survived) and `}at ${v.upTo} s or below${v.known}`,
      known: (v: { known: string }) => `; known limits there: ${v.known}`,
      device: (v: { ttl: number; others: string }) =>
        `The RST has TTL ${v.ttl}, other packets of that address have ${v.others}: a device in between sent it, not the peer`,
      restart: 'A restart of the server in the meantime would look the same',
      notRestart: 'No single moment lies within all these silences, so one restart of the server does not explain them',
      noKeepAlive: 'No keep-alive was sent on them',
      keepAlive: (v: { seconds: string }) => `Keep-alives were sent only every ${v.seconds} s`,
      application:
        'Let the application use keep-alives (SO_KEEPALIVE; the sysctls do nothing without it) or close idle connections before the limit, and retry on RST',
      applicationRisk: 'Low: a few packets per idle connection',
      kubernetes:
        'Pods, for applications that set SO_KEEPALIVE: securityContext.sysctls net.ipv4.tcp_keepalive_time below the limit (a safe sysctl since Kubernetes 1.29, from kernel 4.5 on); kube-proxy --ipvs-tcp-timeout above the longest silence',
      kubernetesRisk: 'Pods are created again; more entries in the table',
    },
    zh: {
      ...captureText.zh,
      title: '连接空闲期间被路上的设备遗忘（空闲超时）',
      noSilence: (v) => `没有连接静默 ${v.seconds} 秒以上之后再次通信`,
      survived: (v) => `${v.silences} 次静默（最长 ${v.seconds} 秒）之后对端仍正常应答`,
      forgotten: (v) => `${v.connection}：静默 ${v.idle} 秒后，下一个报文（第 ${v.frame} 帧）得到的应答是 RST`,
      cut: (v) => `${v.connection}：静默 ${v.idle} 秒后被 RST 终止（第 ${v.frame} 帧）`,
      swallowed: (v) =>
        `${v.connection}：静默 ${v.idle} 秒后，下一个报文（第 ${v.frame} 帧）多次重发都没有应答；对端死机也会是这样`,
      count: (v) => `${v.server}：${v.samples} 条连接在静默 ${v.from} 到 ${v.to} 秒后失效`,
      limit: (v) => `超时值${v.above === '' ? '' : `大于 ${v.above} 秒（此时仍正常），`}不超过 ${v.upTo} 秒${v.known}`,
      known: (v) => `；此范围内的已知超时：${v.known}`,
      device: (v) => `RST 的 TTL 为 ${v.ttl}，而该地址的其他报文为 ${v.others}：是中间设备发的，不是对端`,
      restart: '如果服务端在此期间重启过，看起来也一样',
      notRestart: '没有哪个时刻同时落在所有这些静默之内，所以不能用服务端重启一次来解释',
      noKeepAlive: '这些连接上没有发送 keep-alive',
      keepAlive: (v) => `keep-alive 每 ${v.seconds} 秒才发一次`,
      application:
        '让应用启用 keep-alive（SO_KEEPALIVE；不启用的话只改 sysctl 没有用），或在超时之前关闭空闲连接，并在遇到 RST 时重试',
      applicationRisk: '低：每条空闲连接多几个报文',
      kubernetes:
        'Pod（应用须设置 SO_KEEPALIVE）：把 securityContext.sysctls 的 net.ipv4.tcp_keepalive_time 设得小于超时（Kubernetes 1.29 起属于安全 sysctl，内核 4.5 起）；把 kube-proxy 的 --ipvs-tcp-timeout 设得大于最长静默',
      kubernetesRisk: 'Pod 会重建；连接表条目增多',
    },
  },
  evaluate({ capture, place, params, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const silences = capture.connections.flatMap((connection) =>
      connection.idleGaps.filter(({ idleMs }) => idleMs >= params.minIdleMs).map((gap) => ({ connection, gap })),
    );
    if (silences.length === 0)
      return notApplicable(because(say.noSilence({ seconds: secondsText(params.minIdleMs) }), capture.at));

    const services = [...groupBy(silences, ({ connection }) => endpointText(connection.server))].flatMap(
      ([server, own]) => {
        const samples = samplesOf(own.map(({ connection, gap }) => sampleOf(connection, gap)));
        const survived = own.filter(({ gap }) => gap.answer === 'ack').map(({ gap }) => gap.idleMs);
        return samples.length === 0 ? [] : [{ server, samples, longestSurvived: largestOf(survived) }];
      },
    );
    if (services.length === 0) {
      const survived = silences.filter(({ gap }) => gap.answer === 'ack');
      const longest = largestOf(survived.map(({ gap }) => gap.idleMs));
      return notSeen(capture, place, say, say.survived({ silences: survived.length, seconds: secondsText(longest) }));
    }

    const worst = worstFirst(services, ({ samples }) => samples.length);
    const reasons = worst.flatMap(({ server, samples, longestSurvived }) => {
      const idle = samples.map(({ gap }) => gap.idleMs);
      const shortest = smallestOf(idle);
      const above = longestSurvived < shortest ? longestSurvived : 0;
      const known = knownLimits.filter(({ sec }) => sec * 1000 > above && sec * 1000 <= shortest * 1.02).slice(-2);
      return [
        ...(samples.length > 1
          ? [
              say.count({
                server,
                samples: samples.length,
                from: secondsText(shortest),
                to: secondsText(largestOf(idle)),
              }),
            ]
          : []),
        ...worstFirst(samples, ({ how }) => (how === 'swallowed' ? 0 : 1)).map(({ connection, gap, how }) =>
          say[how]({ connection: connectionText(connection), idle: secondsText(gap.idleMs), frame: gap.frame }),
        ),
        say.limit({
          above: above === 0 ? '' : secondsText(above),
          upTo: secondsText(shortest),
          known:
            known.length === 0 ? '' : say.known({ known: known.map(({ sec, of }) => `${sec} s ${of}`).join(', ') }),
        }),
        ...foreign(samples),
        ...keepAlives(samples),
      ];
    });
    const restartExcluded = services.some(({ samples }) => noCommonMoment(samples));
    const byDevice = services.some(({ samples }) => samples.some(isForeign));
    const forgotten = services.some(({ samples }) => samples.some(({ how }) => how === 'forgotten'));
    if (restartExcluded) reasons.push(say.notRestart);
    else if (forgotten && !byDevice) reasons.push(say.restart);
    const all = reasons.map((text) => because(text, capture.at));
    const remedies = [
      { kind: 'application' as const, text: say.application, commands: [], undo: [], risk: say.applicationRisk },
      { kind: 'kubernetes' as const, text: say.kubernetes, commands: [], undo: [], risk: say.kubernetesRisk },
    ];
    return forgotten && (restartExcluded || byDevice) ? confirmed(all, remedies) : likely(all, remedies);

    function foreign(samples: readonly Sample[]): string[] {
      const one = samples.find(isForeign);
      if (one === undefined || one.reset === null) return [];
      const { min = 0, max = 0 } = one.connection.flow[one.reset.from].ttl ?? {};
      return [say.device({ ttl: one.reset.ttl, others: min === max ? `${min}` : `${min}-${max}` })];
    }

    function keepAlives(samples: readonly Sample[]): string[] {
      const flows = samples.flatMap(({ connection: { flow } }) => [flow.client.keepAlives, flow.server.keepAlives]);
      if (flows.every((one) => one === null)) return [say.noKeepAlive];
      const intervals = flows.flatMap((one) => (one?.intervalMs ? [one.intervalMs] : []));
      return intervals.length === 0 ? [] : [say.keepAlive({ seconds: secondsText(smallestOf(intervals)) })];
    }
  },
});

function sampleOf(connection: Connection, gap: IdleGap): Sample | null {
  const { endedBy, with: spoken, answer, fromMs, idleMs } = gap;
  const resetBy = (side: 'client' | 'server'): Reset | null =>
    connection.resets.find(({ from, atMs }) => from === side && atMs >= fromMs + idleMs - 1) ?? null;
  if (spoken === 'rst') return { connection, gap, how: 'cut', reset: resetBy(endedBy) };
  if (spoken !== 'data' && spoken !== 'keepAlive') return null;
  const other = endedBy === 'client' ? 'server' : 'client';
  if (answer === 'rst') return { connection, gap, how: 'forgotten', reset: resetBy(other) };
  const { retransmissions, keepAlives } = connection.flow[endedBy];
  const repeated = retransmissions.timeout >= 2 || (keepAlives !== null && keepAlives.count - keepAlives.answered >= 3);
  return answer === 'none' && repeated ? { connection, gap, how: 'swallowed', reset: null } : null;
}

/** A RST out of silence is an application's, too: it counts at a known limit, from a third, or at the same time twice. */
function samplesOf(samples: readonly (Sample | null)[]): readonly Sample[] {
  const all = samples.filter((sample) => sample !== null);
  if (all.some(({ how }) => how === 'forgotten')) return all;
  const cuts = all.filter(({ how }) => how === 'cut').sort((a, b) => a.gap.idleMs - b.gap.idleMs);
  const alike = (a: Sample | undefined, b: Sample | undefined): boolean =>
    a !== undefined && b !== undefined && a.gap.idleMs / b.gap.idleMs >= 0.99;
  const twice = new Set(cuts.filter((cut, i) => alike(cuts[i - 1], cut) || alike(cut, cuts[i + 1])));
  return all.filter(
    (sample) =>
      sample.how !== 'cut' ||
      twice.has(sample) ||
      isForeign(sample) ||
      knownLimits.some(({ sec }) => Math.abs(sample.gap.idleMs / 1000 / sec - 1) <= 0.01),
  );
}

/** The RST has come another distance than the packets of the side that it is said to be from. */
function isForeign({ connection, reset }: Sample): boolean {
  const ttl = reset === null ? null : connection.flow[reset.from].ttl;
  return reset !== null && ttl !== null && isOtherDistance(reset.ttl, [ttl.min, ttl.max]);
}

/** Whether no moment lies within all silences after which the connection was unknown. */
function noCommonMoment(samples: readonly Sample[]): boolean {
  const forgotten = samples.filter(({ how }) => how === 'forgotten').map(({ gap }) => gap);
  if (forgotten.length < 2) return false;
  const latestStart = largestOf(forgotten.map(({ fromMs }) => fromMs));
  const earliestEnd = smallestOf(forgotten.map(({ fromMs, idleMs }) => fromMs + idleMs));
  return latestStart > earliestEnd;
}
