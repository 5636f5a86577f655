import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import {
  askingPod,
  clusterNamesText,
  corednsHas,
  nodeCache,
  podName,
  resolverOfPod,
  resolverOption,
  unreadNames,
} from './cluster-names.ts';
import { dnsText, dnsWeakness, hasAddress, withoutDns } from './dns-in-capture.ts';
import { missedNames, type SearchSeries, searchSeries } from './dns-search-series.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { percentText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';
import { dnsOptionDraft, kubeObjectText } from './kube-objects.ts';

/** F83: ndots:5 sends every name through the search list first. */
export const dnsNdots = defineCaptureRule({
  id: 'dns-ndots',
  fault: 'F83',
  scope: 'capture',
  optional: ['cluster'],
  params: z.strictObject({
    /** Names that do not exist before the one that does. */
    minMisses: z.number().int().min(1).default(3),
    /** Lookups of this kind that make it certain. */
    minLookups: z.number().int().min(1).default(3),
    /** Time that most of these lookups lose, milliseconds, from which on somebody notices. */
    minWastedMs: z.number().nonnegative().default(100),
    /** Below this nobody does: every pod of Kubernetes asks like this, milliseconds. */
    cheapMs: z.number().nonnegative().default(20),
  }),
  sources: [
    'resolv.conf(5): ndots, search',
    'Kubernetes documentation, "DNS for Services and Pods": pods get ndots:5 and three cluster domains',
    'imroc/kubernetes-guide, "CoreDNS 性能优化"',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...dnsText.en,
      ...clusterNamesText.en,
      title: 'Every lookup of an outside name first asks for names that do not exist (ndots)',
      noHits: 'no question in the capture was answered with an address',
      lookup: (v: {
        client: string;
        name: string;
        names: number;
        questions: number;
        firstFrame: number;
        hitFrame: number;
        wastedMs: string;
        ownMs: string;
      }) =>
        `${v.client} looked up ${v.name}: ${v.names} names of its search list do not exist (${v.questions} questions from frame ${v.firstFrame} on) before ${v.name} itself was asked for (frame ${v.hitFrame}): ${v.wastedMs} ms, and ${v.ownMs} ms for the answer that was wanted`,
      total: (v: { lookups: number; wasted: number; all: number; percent: string }) =>
        `${v.lookups} lookups were like this: ${v.wasted} of ${v.all} questions in the capture (${v.percent} %) asked for names that do not exist`,
      few: (v: { lookups: number }) =>
        `Only ${v.lookups} such lookups were seen: a capture over a longer time would tell whether it is the rule`,
      cheap: (v: { usualMs: string }) =>
        `That costs most of them ${v.usualMs} ms: nobody notices, though the name servers have the questions`,
      some: (v: { usualMs: string }) => `That costs most of them ${v.usualMs} ms: little for one lookup`,
      fine: (v: { answered: number; most: number }) =>
        `of ${v.answered} questions that were answered with an address, none had more than ${v.most} names that do not exist before it`,
      optionSet: (v: { pod: string; ndots: string }) =>
        `Kubernetes: the dnsConfig of pod ${v.pod} says ndots ${v.ndots}, and it still asks like this: it was not created again since, or the program has a resolver of its own`,
      autopathOff:
        'Kubernetes: CoreDNS has no plug-in autopath, which would answer the whole series with its first question',
      autopathOn:
        'Kubernetes: CoreDNS has the plug-in autopath, and these series were not answered by it (it needs `pods verified`)',
      temporary:
        'Write outside names with a dot at the end (`www.example.com.`): they are asked for as they are, at once',
      kubernetes:
        'Pod: `dnsConfig: {options: [{name: ndots, value: "2"}]}`; names of services need then at least `service.namespace.svc`. NodeLocal DNSCache makes the wasted questions cheap, `autopath` of CoreDNS answers them at once (it needs `pods verified`)',
      riskTemporary: 'None',
      riskKubernetes:
        'Medium: short names with two dots or more are no longer completed; try it in one deployment first',
    },
    zh: {
      ...kubeObjectText.zh,
      ...dnsText.zh,
      ...clusterNamesText.zh,
      title: 'ndots 放大：解析外部域名前先查了多个不存在的域名',
      noHits: '抓包中没有任何查询得到地址',
      lookup: (v) =>
        `${v.client} 解析 ${v.name}：先按搜索域查了 ${v.names} 个不存在的域名（从第 ${v.firstFrame} 帧起共 ${v.questions} 个查询），才查 ${v.name} 本身（第 ${v.hitFrame} 帧）：多花 ${v.wastedMs} 毫秒，真正需要的应答只用了 ${v.ownMs} 毫秒`,
      total: (v) =>
        `这样的解析有 ${v.lookups} 次：抓包中 ${v.all} 个查询有 ${v.wasted} 个（${v.percent} %）查的是不存在的域名`,
      few: (v) => `只看到 ${v.lookups} 次这样的解析：抓包时间长一些才能判断是否普遍如此`,
      cheap: (v) => `多数解析因此只多花 ${v.usualMs} 毫秒：感觉不到，只是增加了 DNS 服务器的查询量`,
      some: (v) => `多数解析因此多花 ${v.usualMs} 毫秒：对单次解析影响不大`,
      fine: (v) => `${v.answered} 个得到地址的查询，之前最多只有 ${v.most} 个不存在的域名`,
      optionSet: (v) =>
        `Kubernetes：Pod ${v.pod} 的 dnsConfig 已设置 ndots ${v.ndots}，但仍这样查询：之后没有重建，或程序用自己的解析器`,
      autopathOff: 'Kubernetes：CoreDNS 没有启用 autopath 插件；启用后第一个查询就能得到整串的结果',
      autopathOn: 'Kubernetes：CoreDNS 启用了 autopath 插件，但这些查询没有由它应答（需要 `pods verified`）',
      temporary: '外部域名末尾加点（`www.example.com.`），直接按完整域名查询',
      kubernetes:
        'Pod 里设置 `dnsConfig: {options: [{name: ndots, value: "2"}]}`；此后访问 Service 至少要写到 `service.namespace.svc`。NodeLocal DNSCache 可以降低这些无效查询的代价，CoreDNS 的 `autopath` 可以一次应答（需要 `pods verified`）',
      riskTemporary: '无',
      riskKubernetes: '中：带两个及以上点的短名不再自动补全，先在一个 Deployment 上验证',
    },
  },
  evaluate({ capture, place, facts, params, say }) {
    const without = withoutDns(capture, place, say);
    if (without !== null) return without;
    const answered = capture.dns.filter(hasAddress).length;
    if (answered === 0) return notApplicable(because(say.noHits, capture.at));

    const own = searchSeries(capture).filter(({ suffix }) => suffix === '');
    const lookups = own.filter((series) => missedNames(series).length >= params.minMisses);
    if (lookups.length === 0) {
      const weak = dnsWeakness(capture, say);
      if (weak !== null) return undecided('capture', place, weak);
      const most = own.reduce((max, series) => Math.max(max, missedNames(series).length), 0);
      return ruledOut(because(say.fine({ answered, most }), capture.at));
    }
    const wasted = new Set(lookups.flatMap(({ misses }) => misses)).size;
    const all = capture.dns.length;
    const reasons = [
      ...worstFirst(lookups, wastedMs, 2).map((series) => because(say.lookup(valuesOf(series)), capture.at)),
      because(
        say.total({ lookups: lookups.length, wasted, all, percent: percentText(wasted / Math.max(1, all)) }),
        capture.at,
      ),
    ];
    const client = lookups[0]?.client ?? '';
    const pod = askingPod(facts.cluster, client);
    const known = Number(resolverOption(pod, 'ndots')?.value ?? Number.NaN);
    const isSet = known <= 2;
    const objects = [...ofPod(), ...ofServers(), ...unreadNames(facts.cluster, say)];
    const remedies: Remedy[] = [
      { kind: 'application', text: say.temporary, commands: [], undo: [], risk: say.riskTemporary },
      {
        kind: 'kubernetes',
        text: say.kubernetes,
        commands: [],
        undo: [],
        risk: say.riskKubernetes,
        ...(isSet
          ? {}
          : { objects: [dnsOptionDraft(say.kubeNdots({ ndots: '2' }), 'ndots', '2', pod?.dnsConfig?.options)] }),
      },
    ];
    const usualMs = median(lookups.map(wastedMs));
    if (usualMs < params.cheapMs)
      return ruledOut(...reasons, because(say.cheap({ usualMs: usualMs.toFixed(1) }), capture.at));
    if (lookups.length < params.minLookups)
      return likely([...reasons, because(say.few({ lookups: lookups.length }), capture.at), ...objects], remedies);
    return usualMs >= params.minWastedMs
      ? confirmed([...reasons, ...objects], remedies)
      : likely([...reasons, because(say.some({ usualMs: usualMs.toFixed(1) }), capture.at), ...objects], remedies);

    function ofPod(): readonly Because[] {
      if (pod === null) return [];
      const set = isSet ? [because(say.optionSet({ pod: podName(pod), ndots: String(known) }), pod.at)] : [];
      return set.length > 0 ? set : [resolverOfPod(pod, say)];
    }

    /** What would make the wasted questions cheap, and is there or not. */
    function ofServers(): readonly Because[] {
      const { cluster } = facts;
      const [config] = cluster?.dns ?? [];
      const hasAutopath = corednsHas(cluster, 'autopath');
      const autopath =
        config === undefined || hasAutopath === undefined
          ? []
          : [because(hasAutopath ? say.autopathOn : say.autopathOff, config.at)];
      const cache = nodeCache(cluster, client, lookups[0]?.hit.server.address ?? '');
      const passedBy =
        cache === undefined || cache.takes
          ? []
          : [because(say.dnsCacheRuns({ pod: podName(cache.pod) }), cache.pod.at)];
      return [...autopath, ...passedBy];
    }
  },
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function wastedMs({ misses, hit }: SearchSeries): number {
  return hit.atMs - (misses[0]?.atMs ?? hit.atMs);
}

function valuesOf(series: SearchSeries) {
  const { client, misses, hit } = series;
  return {
    client,
    name: hit.name,
    names: missedNames(series).length,
    questions: misses.length,
    firstFrame: misses[0]?.frame ?? hit.frame,
    hitFrame: hit.frame,
    wastedMs: wastedMs(series).toFixed(1),
    ownMs: ((hit.answer?.atMs ?? hit.atMs) - hit.atMs).toFixed(1),
  };
}
