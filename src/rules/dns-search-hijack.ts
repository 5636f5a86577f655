import * as z from 'zod';
import type { Capture } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import type { Because } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { askingPod, clusterNamesText, podName, resolverOfPod, unreadNames } from './cluster-names.ts';
import { dnsText, dnsWeakness, hasAddress, nameOf, withoutDns } from './dns-in-capture.ts';
import { missedNames, type SearchSeries, searchSeries } from './dns-search-series.ts';
import { groupBy } from './group-by.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isSameDomain, searchDomainRemedies, searchDomainText } from './search-domain-remedies.ts';
import { worstFirst } from './worst-first.ts';

/** Last labels that only names on the internet have, so that a name that ends in one is complete. */
const topLevels: ReadonlySet<string> = new Set(['com', 'net', 'org', 'edu', 'gov', 'info', 'biz', 'io', 'cn']);
/** So many names behind one search domain with the same addresses are a wildcard. */
const wildcardNames = 3;

interface Hijack {
  readonly series: Omit<SearchSeries, 'misses'>;
  readonly missed: readonly string[];
  /** The name itself has other addresses. */
  readonly meant: DnsExchange | null;
  /** Names behind the same domain that got the same addresses. */
  readonly alike: number;
}

/** F82: a name with a search domain behind it has an address (wildcard, other environment), and is taken for the name. */
export const dnsSearchHijack = defineCaptureRule({
  id: 'dns-search-hijack',
  fault: 'F82',
  scope: 'capture',
  optional: ['cluster'],
  params: z.strictObject({
    /** Domain of the cluster: what its services are completed with is no hijack. */
    clusterDomain: z.string().min(1).default('cluster.local'),
  }),
  sources: [
    'resolv.conf(5): search, ndots',
    'field report 1: `search` of another environment on the node',
    'Kubernetes documentation, "DNS for Services and Pods": the search list of the node is appended',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...searchDomainText.en,
      ...clusterNamesText.en,
      title: 'A search domain answers in place of the name that was meant',
      answered: (v: {
        client: string;
        name: string;
        suffix: string;
        frame: number;
        addresses: string;
        missed: number;
      }) =>
        `${v.client} looked for ${v.name} and got ${v.addresses} for ${v.name}.${v.suffix} (frame ${v.frame})${v.missed > 0 ? `, after ${v.missed} other names of its search list did not exist` : ''}: the resolver takes that for the answer`,
      meant: (v: { name: string; addresses: string; frame: number }) =>
        `${v.name} itself has ${v.addresses} (frame ${v.frame})`,
      alike: (v: { names: number; suffix: string; addresses: string }) =>
        `${v.names} different names behind ${v.suffix} got the same ${v.addresses}: it looks like a wildcard record`,
      complete: (v: { name: string }) => `${v.name} looks like a complete name, not like one to be completed`,
      wouldConfirm: (v: { name: string }) =>
        `What ${v.name} itself has was not asked here. What would confirm: an answer for the name with a dot at its end that differs from the one without`,
      ofPod: (v: { domain: string; pod: string }) =>
        `Kubernetes: ${v.domain} stands in the dnsConfig of pod ${v.pod} itself (searches)`,
      ofNode: (v: { domain: string; pod: string; policy: string }) =>
        `Kubernetes: pod ${v.pod} has dnsPolicy ${v.policy} and does not name ${v.domain} itself: it comes from the resolv.conf of its node, which the kubelet appends`,
      ofCluster: (v: { domain: string; where: string; plugins: string }) =>
        `Kubernetes: the cluster's own DNS has a block for ${v.domain} (${v.where}: ${v.plugins}): it may be what answers`,
      none: 'no lookup in the capture went through a search list',
      fine: (v: { lookups: number }) =>
        `${v.lookups} lookups went through a search list, and none took the address of another name`,
    },
    zh: {
      ...dnsText.zh,
      ...searchDomainText.zh,
      ...clusterNamesText.zh,
      title: '搜索域劫持：补上搜索域的域名被当成了要找的域名',
      answered: (v) =>
        `${v.client} 要解析 ${v.name}，${v.missed > 0 ? `搜索域里另外 ${v.missed} 个域名都不存在，` : ''}而 ${v.name}.${v.suffix} 返回了 ${v.addresses}（第 ${v.frame} 帧）：解析器会把它当成结果`,
      meant: (v) => `${v.name} 本身的地址是 ${v.addresses}（第 ${v.frame} 帧）`,
      alike: (v) => `${v.suffix} 下 ${v.names} 个不同的域名得到相同的 ${v.addresses}：像是泛解析记录`,
      complete: (v) => `${v.name} 看起来是完整域名，不需要补全`,
      wouldConfirm: (v) => `抓包中没有查询 ${v.name} 本身。要坐实：分别解析末尾加点和不加点的域名，两个结果不同`,
      ofPod: (v) => `Kubernetes：${v.domain} 写在 Pod ${v.pod} 自己的 dnsConfig（searches）中`,
      ofNode: (v) =>
        `Kubernetes：Pod ${v.pod} 的 dnsPolicy 为 ${v.policy}，自己没有写 ${v.domain}：它来自所在节点的 resolv.conf，由 kubelet 追加`,
      ofCluster: (v) =>
        `Kubernetes：集群自己的 DNS 有 ${v.domain} 的配置块（${v.where}：${v.plugins}）：应答可能来自它`,
      none: '抓包中没有经过搜索域的解析',
      fine: (v) => `有 ${v.lookups} 次解析经过搜索域，没有一次拿到别的域名的地址`,
    },
  },
  evaluate({ capture, place, facts, params, say }) {
    const without = withoutDns(capture, place, say);
    if (without !== null) return without;
    const all = searchSeries(capture);
    const found = hijacksOf(capture, all, params.clusterDomain.toLowerCase());
    const certain = found.filter(({ meant }) => meant !== null);
    if (found.length > 0) {
      const shown = worstFirst(certain.length > 0 ? certain : found, ({ alike }) => alike);
      const reasons = shown.flatMap((hijack) => sentencesOf(hijack));
      const suffixes = [...new Set(shown.map(({ series }) => series.suffix))];
      const pod = askingPod(facts.cluster, shown[0]?.series.client ?? '');
      const told = [...reasons, ...suffixes.slice(0, 2).flatMap((suffix) => originOf(suffix, pod))];
      const all = [...told, ...unreadNames(facts.cluster, say)];
      const remedies = searchDomainRemedies({ domains: suffixes, names: [], say, pod });
      return certain.length > 0 ? confirmed(all, remedies) : likely(all, remedies);
    }
    const weak = dnsWeakness(capture, say);
    if (weak !== null) return undecided('capture', place, weak);
    if (all.length === 0) return notApplicable(because(say.none, capture.at));
    return ruledOut(because(say.fine({ lookups: all.length }), capture.at));

    /** Where the domain comes from: the pod itself, or its node; and whether the cluster answers for it. */
    function originOf(domain: string, pod: ReturnType<typeof askingPod>): readonly Because[] {
      const blocks = (facts.cluster?.dns ?? []).flatMap(({ where, servers, at }) =>
        servers
          .filter(({ zones }) => zones.some((zone) => isSameDomain(zoneOf(zone), domain)))
          .map(({ plugins }) => because(say.ofCluster({ domain, where, plugins: plugins.slice(0, 6).join(' ') }), at)),
      );
      if (pod === null) return blocks;
      const values = { domain, pod: podName(pod), policy: pod.dnsPolicy ?? '-' };
      const isOwn = pod.dnsConfig?.searches.some((one) => isSameDomain(one, domain)) === true;
      const origin = isOwn
        ? because(say.ofPod(values), pod.at)
        : pod.dnsPolicy === 'None'
          ? resolverOfPod(pod, say)
          : because(say.ofNode(values), pod.at);
      return [origin, ...blocks];
    }

    function sentencesOf({ series, missed, meant, alike }: Hijack): Because[] {
      const { client, name, suffix, hit } = series;
      const addresses = addressesOf(hit).join(', ');
      const reasons = [
        because(
          say.answered({
            client,
            name,
            suffix,
            frame: hit.answer?.frame ?? hit.frame,
            addresses,
            missed: missed.length,
          }),
          capture.at,
        ),
      ];
      if (meant !== null) {
        const frame = meant.answer?.frame ?? meant.frame;
        reasons.push(because(say.meant({ name, addresses: addressesOf(meant).join(', '), frame }), capture.at));
        return reasons;
      }
      if (alike >= wildcardNames) reasons.push(because(say.alike({ names: alike, suffix, addresses }), capture.at));
      if (isComplete(name, params.clusterDomain)) reasons.push(because(say.complete({ name }), capture.at));
      reasons.push(because(say.wouldConfirm({ name }), capture.at));
      return reasons;
    }
  },
});

/** `corp.example:53`, `dns://corp.example.` of a Corefile -> the zone. */
function zoneOf(zone: string): string {
  return zone.replace(/^[a-z]+:\/\//, '').replace(/:\d+$/, '');
}

function hijacksOf(capture: Capture, all: readonly SearchSeries[], clusterDomain: string): readonly Hijack[] {
  const seen = new Set(all.map(({ hit }) => hit));
  const candidates = [
    ...all.filter(({ suffix }) => suffix !== '' && !isOfCluster(suffix, clusterDomain)),
    // the name of a service with the cluster's own domain, and something behind that
    ...capture.dns
      .filter((exchange) => hasAddress(exchange) && !seen.has(exchange))
      .flatMap((hit) => {
        const inner = `.svc.${clusterDomain}.`;
        const at = nameOf(hit).indexOf(inner);
        const end = at + inner.length - 1;
        const suffix = nameOf(hit).slice(end + 1);
        return at <= 0 || isOfCluster(suffix, clusterDomain)
          ? []
          : [{ client: hit.client.address, name: nameOf(hit).slice(0, end), suffix, misses: [], hit }];
      }),
  ];
  const direct = groupBy(
    capture.dns.filter(({ answer }) => answer !== null),
    (exchange) => `${nameOf(exchange)} ${exchange.type}`,
  );
  const behind = groupBy(candidates, ({ suffix, hit }) => `${suffix} ${addressesOf(hit).join(' ')}`);
  return candidates.flatMap((series): Hijack[] => {
    const { name, suffix, hit } = series;
    const own = addressesOf(hit);
    const asked = direct.get(`${name} ${hit.type}`) ?? [];
    const meant = asked.find(hasAddress) ?? null;
    // the name itself was asked for: it is the same machine, or there is no such name
    if (meant === null && asked.some(({ answer }) => answer?.rcode === 'NXDOMAIN')) return [];
    if (meant?.answer?.addresses.some((address) => own.includes(address)) === true) return [];
    const names = new Set((behind.get(`${suffix} ${own.join(' ')}`) ?? []).map((other) => other.name));
    const alike = names.size;
    if (meant === null && alike < wildcardNames && !isComplete(name, clusterDomain)) return [];
    return [{ series, missed: missedNames({ ...series }), meant, alike }];
  });
}

function addressesOf({ answer }: DnsExchange): readonly string[] {
  return [...(answer?.addresses ?? [])].sort();
}

/**
 * Search domains of Kubernetes: `namespace.svc.cluster.local`, `svc.cluster.local`, `cluster.local`; the first two tell
 * themselves where the cluster has another domain.
 */
function isOfCluster(suffix: string, clusterDomain: string): boolean {
  return /^(?:[a-z0-9-]+\.)?svc\./.test(suffix) || suffix === clusterDomain || suffix.endsWith(`.${clusterDomain}`);
}

function isComplete(name: string, clusterDomain: string): boolean {
  const last = name.slice(name.lastIndexOf('.') + 1);
  return topLevels.has(last) || name.endsWith('.svc') || name.endsWith(`.${clusterDomain}`);
}
