import * as z from 'zod';
import type { KubePod } from '../model/cluster-objects.ts';
import type { Capture } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import {
  askingPod,
  clusterNamesText,
  dnsServiceAt,
  nodeCache,
  podName,
  resolverOfPod,
  resolverOption,
  troublesOfServers,
  unreadNames,
} from './cluster-names.ts';
import { dnsText, dnsWeakness, nameOf, watchedMs, withoutDns } from './dns-in-capture.ts';
import { endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';
import { dnsOptionDraft, kubeObjectText } from './kube-objects.ts';

/** A and AAAA question about one name, sent together from one port to one server. */
interface Pair {
  readonly first: DnsExchange;
  readonly second: DnsExchange;
}
/** One of a pair was answered at once, the other got nothing until the resolver's time-out. */
interface Delay {
  readonly lost: DnsExchange;
  readonly answered: DnsExchange;
  readonly answeredMs: number;
  /** From the lost question to its repetition, milliseconds. */
  readonly afterMs: number;
}

/** F80: of A and AAAA sent together from one port, conntrack or the network loses one, and the resolver waits 5 s. */
export const dns5s = defineCaptureRule({
  id: 'dns-5s',
  fault: 'F80',
  scope: 'capture',
  optional: ['cluster'],
  params: z.strictObject({
    /** The two questions are sent within this time, milliseconds. */
    pairWithinMs: z.number().positive().default(2),
    /** Waiting times of resolvers before they ask again, milliseconds: glibc 5 s, musl 2.5 s. */
    timeoutsMs: z.array(z.number().positive()).min(1).default([5000, 2500]),
    /** An answer within this time is prompt, and a repetition may be off by it, milliseconds. */
    toleranceMs: z.number().positive().default(500),
  }),
  sources: [
    'glibc resolv/res_send.c send_dg: both questions from one socket, RES_TIMEOUT 5 s, then one after the other',
    'commit ed07d9a021df "netfilter: nf_conntrack: resolve clash for matching conntracks" (v5.0, 4.19 stable)',
    'kubernetes/kubernetes issue 56903; weave "Racy conntrack and DNS lookup timeouts"',
    'imroc/kubernetes-practice-guide, "DNS 5 秒延时"',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...dnsText.en,
      ...clusterNamesText.en,
      title: 'DNS answers that take 5 s: one of two questions sent together is lost',
      noPairs: (v: { questions: number }) =>
        `none of ${v.questions} questions is an A and AAAA pair sent together from one port: the race cannot happen`,
      delay: (v: {
        client: string;
        server: string;
        name: string;
        answered: string;
        answeredFrame: number;
        answeredMs: string;
        lost: string;
        lostFrame: number;
        afterSec: string;
      }) =>
        `${v.client} asked ${v.server} for A and AAAA of ${v.name} in the same moment: ${v.answered} (frame ${v.answeredFrame}) was answered after ${v.answeredMs} ms, ${v.lost} (frame ${v.lostFrame}) was not, and was asked again after ${v.afterSec} s`,
      count: (v: { delays: number; pairs: number }) => `${v.delays} of ${v.pairs} such pairs lost one of the two`,
      ignored: (v: { type: string; server: string; delays: number }) =>
        `Asked again alone, ${v.type} got no answer from ${v.server} either (${v.delays} of ${v.delays} times), and never one in this capture: the server, or something on the way, ignores ${v.type}. That is no race, and single-request-reopen does not help`,
      ignoredRemedy:
        'Let the server answer every type of question, with no records where there are none (RFC 4074), or ask another one; until then `options no-aaaa` (glibc 2.36 and later), or AF_INET in the application',
      wouldConfirm:
        'This capture alone cannot tell where it was lost. What would confirm the conntrack race: insert_failed rises in `conntrack -S` on the node of the client while it happens, and a capture at the DNS server lacks the lost question. Where the question is there, the server or the way back is at fault',
      tooShort: (v: { pairs: number; seconds: string }) =>
        `in ${v.pairs} pairs one question has no answer, but the capture ends less than ${v.seconds} s after it: whether it was asked again is not seen`,
      notRepeated: (v: { pairs: number; lost: number }) =>
        `of ${v.pairs} pairs, ${v.lost} had one question without an answer, but none was asked again after the resolver's time-out`,
      late: (v: { pairs: number; late: number; slowestMs: string }) =>
        `of ${v.pairs} pairs, ${v.late} had one late answer (slowest ${v.slowestMs} ms), but to the first question, without asking again: the server or the way to it is slow`,
      neither: (v: { pairs: number }) =>
        `in all ${v.pairs} pairs neither question was answered: that is another fault than losing one of two`,
      fine: (v: { pairs: number; slowestMs: string; bothLost: number }) =>
        `in none of ${v.pairs} pairs of A and AAAA from one port was only one answered in time (slowest answer ${v.slowestMs} ms${v.bothLost > 0 ? `; in ${v.bothLost} pairs neither was answered, which is another fault` : ''})`,
      reopenSet: (v: { pod: string; option: string }) =>
        `Pod ${v.pod} has the option ${v.option} already, and still sent both from one port: its resolver does not know it (musl), or the pod was not created again`,
      cacheLog: 'Read what the cache of the node says, and whether it reaches the servers behind it',
      riskLook: 'None: it only looks',
      temporary:
        'Pod: `dnsConfig: {options: [{name: single-request-reopen}]}` (elsewhere `options single-request-reopen` in /etc/resolv.conf). glibc then sends the second question from another port; musl (Alpine) ignores it. `use-vc` did not help in the tests that we know',
      permanent:
        'A kernel of 5.0 or later on the nodes (4.19 has the fix in its later releases): it resolves most of these clashes; with several DNS backends it may still happen',
      kubernetes:
        'NodeLocal DNSCache: pods ask a cache on their own node without DNAT. With kube-proxy in IPVS mode set kubelet `--cluster-dns=169.254.20.10`',
      riskTemporary: 'Low: pods have to be started again',
      riskPermanent: 'Medium: nodes have to be rebooted one after the other',
      riskKubernetes: 'Medium: changes how every pod resolves names; the cache becomes part of every node',
    },
    zh: {
      ...kubeObjectText.zh,
      ...dnsText.zh,
      ...clusterNamesText.zh,
      title: 'DNS 解析 5 秒延时：同时发出的两个查询丢了一个',
      noPairs: (v) => `${v.questions} 个查询里没有从同一端口同时发出的 A/AAAA 查询对：不会发生这种竞争`,
      delay: (v) =>
        `${v.client} 向 ${v.server} 同时查询 ${v.name} 的 A 和 AAAA：${v.answered}（第 ${v.answeredFrame} 帧）${v.answeredMs} 毫秒后有应答，${v.lost}（第 ${v.lostFrame} 帧）没有应答，${v.afterSec} 秒后重新查询`,
      count: (v) => `${v.pairs} 对这样的查询中有 ${v.delays} 对丢了其中一个`,
      ignored: (v) =>
        `单独重新查询 ${v.type} 时，${v.server} 同样没有应答（${v.delays} 次全部如此），抓包中也从未应答过：是服务器或中间设备忽略 ${v.type}。这不是竞争，single-request-reopen 不起作用`,
      ignoredRemedy:
        '让服务器对每种类型的查询都应答，没有记录就返回空应答（RFC 4074），或改用其他服务器；在此之前可用 `options no-aaaa`（glibc 2.36 及以上），或让应用只用 AF_INET',
      wouldConfirm:
        '仅凭这个抓包无法判断丢在哪里。要坐实 conntrack 竞争：故障期间客户端所在节点 `conntrack -S` 的 insert_failed 上涨，并且在 DNS 服务端抓包看不到丢失的那个查询；如果能看到，问题就在 DNS 服务端或回程',
      tooShort: (v) => `有 ${v.pairs} 对查询缺一个应答，但抓包在其后不到 ${v.seconds} 秒就结束了，看不到是否重新查询`,
      notRepeated: (v) => `${v.pairs} 对查询中有 ${v.lost} 对缺一个应答，但都没有在解析器超时后重新查询`,
      late: (v) =>
        `${v.pairs} 对查询中有 ${v.late} 对其中一个应答较晚（最慢 ${v.slowestMs} 毫秒），但应答的是第一次查询，没有重新查询：是 DNS 服务端或路径慢`,
      neither: (v) => `${v.pairs} 对查询两个都没有应答：不是“两个丢一个”，属于别的故障`,
      fine: (v) =>
        `${v.pairs} 对从同一端口发出的 A/AAAA 查询，没有出现只有一个按时应答的情况（最慢 ${v.slowestMs} 毫秒${v.bothLost > 0 ? `；另有 ${v.bothLost} 对两个都没有应答，属于别的故障` : ''}）`,
      reopenSet: (v) =>
        `Pod ${v.pod} 已设置选项 ${v.option}，两个查询仍从同一端口发出：它的解析器不认识该选项（musl），或 Pod 没有重建`,
      cacheLog: '查看节点缓存的日志，以及它能否访问后面的服务器',
      riskLook: '无：只是查看',
      temporary:
        'Pod 里设置 `dnsConfig: {options: [{name: single-request-reopen}]}`（其他机器在 /etc/resolv.conf 里加 `options single-request-reopen`）：glibc 会换一个端口发第二个查询；musl（Alpine）不支持该选项。据已知的测试，`use-vc` 不解决问题',
      permanent:
        '节点内核升级到 5.0 及以上（4.19 的后期版本也包含修复）：大部分冲突可以解决；DNS 有多个后端时仍可能出现',
      kubernetes:
        '部署 NodeLocal DNSCache：Pod 查询本节点的缓存，不经过 DNAT。kube-proxy 为 IPVS 模式时，kubelet 要设置 `--cluster-dns=169.254.20.10`',
      riskTemporary: '低：需要重建 Pod',
      riskPermanent: '中：节点需要逐台重启',
      riskKubernetes: '中：会改变所有 Pod 的解析路径，缓存成为每个节点的依赖',
    },
  },
  evaluate({ capture, place, facts, params, say }) {
    const without = withoutDns(capture, place, say);
    if (without !== null) return without;
    const { pairWithinMs, timeoutsMs, toleranceMs } = params;
    const pairs = pairsOf(capture, pairWithinMs);
    if (pairs.length === 0) return notApplicable(because(say.noPairs({ questions: capture.dns.length }), capture.at));

    const halves = pairs.flatMap((pair) => halfAnswered(pair, toleranceMs));
    const asked = groupBy(capture.dns, ({ client, server }) => `${client.address} ${server.address}`);
    const delays = halves.flatMap(({ lost, answered, answeredMs }): Delay[] => {
      const others = asked.get(`${lost.client.address} ${lost.server.address}`) ?? [];
      const afterMs = repeatedAfterMs(lost, others, timeoutsMs, toleranceMs);
      return afterMs === null ? [] : [{ lost, answered, answeredMs, afterMs }];
    });
    if (delays.length > 0) {
      const ignored = ignoredType(delays, capture, toleranceMs);
      const ignoring: Remedy[] = [
        { kind: 'permanent', text: say.ignoredRemedy, commands: [], undo: [], risk: say.riskTemporary },
      ];
      const kube = objectsOf(delays.map(({ lost }) => lost));
      const remedies: Remedy[] = kube.remedies ?? [
        { kind: 'temporary', text: say.temporary, commands: [], undo: [], risk: say.riskTemporary },
        { kind: 'permanent', text: say.permanent, commands: [], undo: [], risk: say.riskPermanent },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.riskKubernetes,
          ...(kube.reopens
            ? {}
            : { objects: [dnsOptionDraft(say.kubeReopen, 'single-request-reopen', undefined, kube.options)] }),
        },
      ];
      const examples = worstFirst(delays, ({ afterMs }) => afterMs).map(({ lost, answered, answeredMs, afterMs }) =>
        because(
          say.delay({
            client: endpointText(lost.client),
            server: endpointText(lost.server),
            name: lost.name,
            answered: answered.type,
            answeredFrame: answered.frame,
            answeredMs: answeredMs.toFixed(1),
            lost: lost.type,
            lostFrame: lost.frame,
            afterSec: secondsText(afterMs),
          }),
          capture.at,
        ),
      );
      return likely(
        [
          ...examples,
          because(say.count({ delays: delays.length, pairs: pairs.length }), capture.at),
          ...kube.reasons,
          ...(ignored === null
            ? kube.remedies === undefined
              ? [because(say.wouldConfirm, capture.at)]
              : []
            : [because(say.ignored({ ...ignored, delays: delays.length }), capture.at)]),
        ],
        ignored === null ? remedies : ignoring,
      );
    }

    const unanswered = halves.filter(({ lost }) => lost.answer === null);
    const longestMs = Math.max(...timeoutsMs) + toleranceMs;
    if (unanswered.length > 0) {
      const weak = dnsWeakness(capture, say);
      if (weak !== null) return undecided('capture', place, weak);
      const open = unanswered.filter(({ lost }) => watchedMs(capture, lost) < longestMs);
      if (open.length > 0)
        return undecided('capture', place, say.tooShort({ pairs: open.length, seconds: secondsText(longestMs) }));
      return ruledOut(because(say.notRepeated({ pairs: pairs.length, lost: unanswered.length }), capture.at));
    }
    const times = pairs.flatMap(({ first, second }) =>
      [first, second].flatMap(({ atMs, answer }) => (answer === null ? [] : [answer.atMs - atMs])),
    );
    if (times.length === 0) {
      const weak = dnsWeakness(capture, say);
      return weak === null
        ? ruledOut(because(say.neither({ pairs: pairs.length }), capture.at))
        : undecided('capture', place, weak);
    }
    const slowestMs = times.reduce((most, ms) => Math.max(most, ms), 0).toFixed(1);
    if (halves.length > 0)
      return ruledOut(because(say.late({ pairs: pairs.length, late: halves.length, slowestMs }), capture.at));
    const bothLost = pairs.filter(({ first, second }) => first.answer === null && second.answer === null).length;
    return ruledOut(because(say.fine({ pairs: pairs.length, slowestMs, bothLost }), capture.at));

    /** Whether questions are translated on their way, what the pod is told, and how those who answer are. */
    function objectsOf([lost]: readonly DnsExchange[]): {
      readonly reasons: readonly Because[];
      readonly reopens: boolean;
      /** That the pod has already. */
      readonly options?: NonNullable<KubePod['dnsConfig']>['options'];
      readonly remedies?: Remedy[];
    } {
      const { cluster } = facts;
      if (cluster === undefined || lost === undefined) return { reasons: [], reopens: false };
      const { address } = lost.server;
      const client = lost.client.address;
      const pod = askingPod(cluster, client);
      const option = ['single-request-reopen', 'single-request'].find((name) => resolverOption(pod, name));
      const asking = pod === null ? [] : [resolverOfPod(pod, say)];
      if (pod !== null && option !== undefined)
        asking.push(because(say.reopenSet({ pod: podName(pod), option }), pod.at));
      const cache = nodeCache(cluster, client, address);
      if (cache?.takes === true) {
        const name = podName(cache.pod);
        const look: Remedy = {
          kind: 'kubernetes',
          text: say.cacheLog,
          commands: [`kubectl -n ${cache.pod.namespace} logs ${cache.pod.name} --tail=100`],
          undo: [],
          risk: say.riskLook,
        };
        const reasons = [because(say.dnsNotTranslated({ address, pod: name }), cache.pod.at), ...asking];
        return { reasons, reopens: option !== undefined, remedies: [look] };
      }
      const served = dnsServiceAt(cluster, address);
      const name = served === undefined ? '' : `${served.service.namespace}/${served.service.name}`;
      const endpoints = served?.ready?.length ?? 0;
      const translated =
        served === undefined || endpoints === 0
          ? []
          : [because(say.dnsTranslated({ address, service: name, endpoints }), served.service.at)];
      const passedBy =
        cache === undefined ? [] : [because(say.dnsCacheRuns({ pod: podName(cache.pod) }), cache.pod.at)];
      const troubles = served === undefined ? [] : troublesOfServers(cluster, served, say);
      return {
        reasons: [...translated, ...troubles, ...passedBy, ...asking, ...unreadNames(cluster, say)],
        reopens: option !== undefined,
        options: pod?.dnsConfig?.options ?? [],
      };
    }
  },
});

function pairsOf(capture: Capture, withinMs: number): readonly Pair[] {
  const groups = groupBy(
    capture.dns.filter(({ transport, type }) => transport === 'udp' && (type === 'A' || type === 'AAAA')),
    (exchange) => `${endpointText(exchange.client)} ${endpointText(exchange.server)} ${nameOf(exchange)}`,
  );
  return [...groups.values()].flatMap((group) =>
    group.flatMap((second, i): Pair[] => {
      const first = group[i - 1];
      return first !== undefined && first.type !== second.type && second.atMs - first.atMs <= withinMs
        ? [{ first, second }]
        : [];
    }),
  );
}

/** So many questions of one type without any answer are no accident. */
const neverAnswered = 4;

/** All that was lost is of one type, which the server never answers, not even where it is asked alone. */
function ignoredType(
  delays: readonly Delay[],
  capture: Capture,
  promptMs: number,
): { readonly type: string; readonly server: string } | null {
  const [first, ...more] = delays.map(({ lost }) => lost);
  if (first === undefined) return null;
  const { type, server } = first;
  const isSame = (other: DnsExchange): boolean => other.type === type && other.server.address === server.address;
  const asked = capture.dns.filter(isSame);
  const isAskedAlone = (lost: DnsExchange): boolean =>
    lost.queries > 1 ||
    asked.some(
      (other) => nameOf(other) === nameOf(lost) && other.atMs > lost.atMs && watchedMs(capture, other) >= promptMs,
    );
  const times = asked.reduce((sum, { queries }) => sum + queries, 0);
  return times >= neverAnswered &&
    more.every(isSame) &&
    asked.every(({ answer }) => answer === null) &&
    delays.every(({ lost }) => isAskedAlone(lost))
    ? { type, server: endpointText(server) }
    : null;
}

/** The two halves of a pair of which one was answered at once and the other one was not. */
function halfAnswered({ first, second }: Pair, promptMs: number): Omit<Delay, 'afterMs'>[] {
  for (const [lost, answered] of [
    [first, second],
    [second, first],
  ] as const) {
    const answeredMs = (answered.answer?.atMs ?? Number.POSITIVE_INFINITY) - answered.atMs;
    const lostMs = (lost.answer?.atMs ?? Number.POSITIVE_INFINITY) - lost.atMs;
    if (answeredMs <= promptMs && lostMs > promptMs) return [{ lost, answered, answeredMs }];
  }
  return [];
}

/**
 * When the resolver gave up waiting: the question was asked again in the same words and answered then, or one about the
 * same name came from the same client after one of its waiting times (glibc asks both again, one after the other).
 */
function repeatedAfterMs(
  lost: DnsExchange,
  others: readonly DnsExchange[],
  timeoutsMs: readonly number[],
  toleranceMs: number,
): number | null {
  const isTimeout = (ms: number): boolean =>
    timeoutsMs.some((timeout) => ms >= timeout - toleranceMs / 2 && ms <= timeout + toleranceMs);
  const again = others.find(
    (other) => other !== lost && nameOf(other) === nameOf(lost) && isTimeout(other.atMs - lost.atMs),
  );
  if (again !== undefined) return again.atMs - lost.atMs;
  const answeredMs = lost.answer === null ? null : lost.answer.atMs - lost.atMs;
  return lost.queries > 1 && answeredMs !== null && isTimeout(answeredMs) ? answeredMs : null;
}
