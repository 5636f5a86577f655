import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Facts, FirewallRule } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because } from './because.ts';
import { clusterText, type KubeBehind, kubeBehind, readiness, whyNoneReady } from './cluster-view.ts';
import { dnsText, dnsWeakness, watchedMs, withoutDns } from './dns-in-capture.ts';
import { sameAddress } from './ip-address.ts';
import { corednsDrafts, kubeObjectText } from './kube-objects.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** The address that pods of a cluster ask for names, and what stands behind it as far as this node tells. */
interface ClusterDns {
  readonly address: string;
  /** Null: the node does not tell. */
  readonly servers: readonly string[] | null;
  /** How kube-proxy turns questions down where there is nobody. */
  readonly reject?: FirewallRule;
  readonly at: At;
}

/** F87: the DNS of the cluster does not answer at all: no pod of it is ready, or none can be reached. */
export const dnsClusterDown = definePathRule({
  id: 'dns-cluster-down',
  fault: 'F87',
  scope: 'path',
  anyProtocol: true,
  needs: { client: ['capture'], target: [] },
  optional: ['firewall', 'ipvs', 'resolver', 'cluster'],
  params: z.strictObject({
    /** Time that it has for an answer, milliseconds. */
    answerWithinMs: z.number().positive().default(2000),
    /** Questions that must have been ignored, or turned down. */
    minQuestions: z.number().int().min(1).default(2),
  }),
  sources: [
    'kubernetes pkg/proxy/iptables/proxier.go ("has no endpoints" -j REJECT, udp and tcp)',
    'Kubernetes documentation, "Debugging DNS Resolution"',
    'imroc/kubernetes-practice-guide, "service 无法解析"',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...clusterText.en,
      ...kubeObjectText.en,
      title: 'The DNS of the cluster does not answer',
      noClusterDns:
        'no DNS of a cluster is known here: kube-proxy has no Service for UDP port 53, and resolv.conf has no search domain of a cluster',
      notAsked: (v: { address: string }) => `nobody here asked ${v.address} (the DNS of the cluster) in the window`,
      answers: (v: { address: string; answered: number; questions: number }) =>
        `${v.address} (the DNS of the cluster) answered ${v.answered} of ${v.questions} questions`,
      silent: (v: { address: string; questions: number; frame: number }) =>
        `${v.address} (the DNS of the cluster) answered none of ${v.questions} questions (the first is frame ${v.frame})`,
      turnedDown: (v: { errors: number; name: string; from: string; frame: number }) =>
        `${v.errors} of them were turned down by ICMP ${v.name} from ${v.from} (frame ${v.frame})`,
      rejects: (v: { rule: string; packets: string }) =>
        `kube-proxy rejects them, because no pod of it is ready: ${v.rule}${v.packets}`,
      noServers: (v: { address: string }) => `IPVS service ${v.address}:53 has no server with a weight above 0`,
      servers: (v: { servers: number; list: string; asked: number }) =>
        v.asked > 0
          ? `${v.servers} servers stand behind it (${v.list}); questions went on to ${v.asked} of them, and none answered: the pods, or the way to their nodes`
          : `${v.servers} servers stand behind it (${v.list}), and no question to any of them was seen here: capture at their nodes`,
      deployment: (v: { wanted: number; ready: number }) =>
        `Kubernetes: ${v.ready} of ${v.wanted} pods of Deployment coredns are ready`,
      forwards: (v: { where: string; list: string }) => `Names of other domains go on to ${v.list} (${v.where})`,
      unknownServers: 'What stands behind it is not seen from here: ask from the node itself, whose kube-proxy knows',
      tooFew: (v: { address: string; questions: number }) =>
        `${v.address} left ${v.questions} questions without an answer: too few, or too late in the capture, to tell`,
      kubernetes:
        'Find out why no pod of it is ready or reachable: evicted, node down, CrashLoop ("Loop … detected": it forwards to 127.0.0.53), selector. Then start it again; two pods on different nodes with a PodDisruptionBudget and priorityClass system-cluster-critical keep it up',
      temporary: 'Names in /etc/hosts (pods: hostAliases) get what must go on through the outage',
      riskLook: 'None for the first three; the restart takes a few seconds without DNS',
      riskHosts: 'Low: take them out again afterwards, they hide DNS',
    },
    zh: {
      ...dnsText.zh,
      ...clusterText.zh,
      ...kubeObjectText.zh,
      title: '集群 DNS 完全没有应答',
      noClusterDns: '这里看不到集群 DNS：kube-proxy 没有 UDP 53 端口的 Service，resolv.conf 也没有集群的搜索域',
      notAsked: (v) => `窗口内这里没有人查询 ${v.address}（集群 DNS）`,
      answers: (v) => `${v.address}（集群 DNS）应答了 ${v.questions} 个查询中的 ${v.answered} 个`,
      silent: (v) => `${v.address}（集群 DNS）对 ${v.questions} 个查询一个都没有应答（第一个是第 ${v.frame} 帧）`,
      turnedDown: (v) => `其中 ${v.errors} 个被 ${v.from} 用 ICMP ${v.name} 拒绝（第 ${v.frame} 帧）`,
      rejects: (v) => `kube-proxy 在拒绝它们，因为没有就绪的 Pod：${v.rule}${v.packets}`,
      noServers: (v) => `IPVS 服务 ${v.address}:53 没有权重大于 0 的后端`,
      servers: (v) =>
        v.asked > 0
          ? `后面有 ${v.servers} 个后端（${v.list}）；查询转发到了其中 ${v.asked} 个，都没有应答：是 Pod 的问题，或到其节点的路径问题`
          : `后面有 ${v.servers} 个后端（${v.list}），这里没有看到转发给它们的查询：请在它们的节点上抓包`,
      deployment: (v) => `Kubernetes：Deployment coredns 的 ${v.wanted} 个 Pod 中有 ${v.ready} 个就绪`,
      forwards: (v) => `其他域名的查询转发给 ${v.list}（${v.where}）`,
      unknownServers: '从这里看不到后面有什么：请从节点本身询问，节点的 kube-proxy 知道',
      tooFew: (v) => `${v.address} 有 ${v.questions} 个查询没有应答：次数太少，或离抓包结束太近，无法判断`,
      kubernetes:
        '查明为什么没有就绪或可达的 Pod：被驱逐、节点宕机、CrashLoop（“Loop … detected”：转发到了 127.0.0.53）、selector 不匹配。然后重启；两个 Pod 放在不同节点，配 PodDisruptionBudget 和 priorityClass system-cluster-critical',
      temporary: '故障期间必须可用的域名写进 /etc/hosts（Pod 用 hostAliases）',
      riskLook: '前三条没有风险；重启时 DNS 会中断几秒',
      riskHosts: '低：恢复后要删掉，否则会盖住 DNS',
    },
  },
  evaluate({ client, forwarders, params, say }) {
    const { capture } = client.facts;
    const without = withoutDns(capture, client.node, say);
    if (without !== null) return without;
    const places = [client.facts, ...forwarders.map(({ facts }) => facts)];
    const known = clusterDnsOf(places);
    const [any] = known;
    if (any === undefined) return notApplicable(because(say.noClusterDns, capture.at));
    const asked = known.flatMap((dns) => {
      const exchanges = capture.dns.filter(({ server }) => sameAddress(server.address, dns.address));
      return exchanges.length === 0 ? [] : [{ dns, exchanges }];
    });
    const [first] = asked;
    if (first === undefined) {
      // any Service may have UDP port 53: unasked, only that of the cluster's own DNS is a fault of names
      const named = client.facts.resolver?.config?.nameservers ?? [];
      const empty = known.find(
        ({ servers, reject, address }) =>
          servers?.length === 0 &&
          (/kube-dns|coredns/i.test(reject?.text ?? '') || named.some((one) => sameAddress(one.address, address))),
      );
      const quiet = because(say.notAsked({ address: (empty ?? any).address }), (empty ?? any).at);
      return empty === undefined ? notApplicable(quiet) : likely([mechanismOf(empty), quiet], remedies(empty.address));
    }
    const judged = asked.find(({ exchanges }) => exchanges.every(({ answer }) => answer === null));
    if (judged === undefined) {
      const answered = first.exchanges.filter(({ answer }) => answer !== null).length;
      const values = { address: first.dns.address, answered, questions: first.exchanges.length };
      return ruledOut(because(say.answers(values), capture.at));
    }

    const { dns, exchanges } = judged;
    const { address } = dns;
    const errors = capture.icmpErrors.filter(
      ({ about }) => about.destinationPort === 53 && sameAddress(about.destination, address),
    );
    const ignored = exchanges
      .filter((exchange) => watchedMs(capture, exchange) >= params.answerWithinMs)
      .reduce((sum, { queries }) => sum + queries, 0);
    const questions = Math.max(ignored, Math.min(errors.length, exchanges.length));
    const weak = dnsWeakness(capture, say);
    if (questions < params.minQuestions || (weak !== null && errors.length === 0))
      return undecided('capture', client.node, weak ?? say.tooFew({ address, questions }));

    const reasons: Because[] = [
      because(say.silent({ address, questions, frame: exchanges[0]?.frame ?? 0 }), capture.at),
    ];
    const [error] = errors;
    if (error !== undefined) {
      const { name, from, frame } = error;
      reasons.push(because(say.turnedDown({ errors: errors.length, name, from, frame }), capture.at));
    }
    if (dns.servers?.length === 0) return confirmed([...reasons, mechanismOf(dns)], remedies(address));
    const kube = kubeBehind(client.facts.cluster, { address, port: 53 }, 'udp');
    if (kube !== null && kube.usable.length === 0)
      return confirmed(
        [...reasons, readiness(kube, say), ...whyNoneReady(kube.cluster, kube.service, say)],
        remedies(address),
      );
    if (kube !== null) reasons.push(readiness(kube, say), ...configured(kube.cluster));
    if (dns.servers === null) return likely([...reasons, because(say.unknownServers, dns.at)], remedies(address));
    const servers = dns.servers;
    const behind = servers.filter((one) => capture.dns.some(({ server }) => sameAddress(server.address, one)));
    const list = servers.slice(0, 4).join(', ');
    return likely(
      [...reasons, because(say.servers({ servers: servers.length, list, asked: behind.length }), dns.at)],
      remedies(address),
    );

    /** Names of other domains go on to these; the cluster's own are answered by CoreDNS itself. */
    function configured({ dns: configs = [], workloads = [] }: KubeBehind['cluster']): readonly Because[] {
      const forwards = [...new Set(configs.flatMap(({ servers }) => servers.flatMap((one) => one.forwards)))];
      const [config] = configs;
      const coredns = workloads.find(({ name, type }) => name === 'coredns' && type === 'deployment');
      return [
        ...(coredns === undefined
          ? []
          : [because(say.deployment({ wanted: coredns.wanted, ready: coredns.ready }), coredns.at)]),
        ...(config === undefined || forwards.length === 0
          ? []
          : [because(say.forwards({ where: config.where, list: forwards.slice(0, 4).join(', ') }), config.at)]),
      ];
    }

    /** Nobody stands behind it: by kube-proxy's rule, or by IPVS. */
    function mechanismOf({ address: empty, reject, at }: ClusterDns): Because {
      if (reject === undefined) return because(say.noServers({ address: empty }), at);
      const rose = reject.packets?.delta ?? 0;
      return because(say.rejects({ rule: reject.text, packets: rose > 0 ? ` (+${rose})` : '' }), reject.at);
    }

    function remedies(address: string): Remedy[] {
      return [
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [
            `kubectl get service -A -o wide | grep -F ${address}`,
            'kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns',
            'kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide',
            'kubectl -n kube-system rollout restart deployment/coredns',
          ],
          undo: [],
          risk: say.riskLook,
          objects: [...corednsDrafts(say)],
        },
        { kind: 'temporary', text: say.temporary, commands: [], undo: [], risk: say.riskHosts },
      ];
    }
  },
});

/** Services for UDP port 53 of kube-proxy, on the client or on its node; else what a pod's resolv.conf names. */
function clusterDnsOf(places: readonly Pick<Facts, 'firewall' | 'ipvs' | 'resolver'>[]): readonly ClusterDns[] {
  const found = new Map<string, ClusterDns>();
  for (const { firewall, ipvs } of places) {
    for (const service of ipvs?.services ?? [])
      if (service.protocol === 'udp' && service.port === 53)
        found.set(service.address, {
          address: service.address,
          servers: service.servers.filter(({ weight }) => weight > 0).map((server) => server.address),
          at: service.at,
        });
    for (const rule of firewall?.rules ?? []) {
      const address = dnsServiceOf(rule);
      if (address === undefined) continue;
      const isReject = rule.verdict === 'reject' && rule.text.includes('has no endpoints');
      const known = found.get(address);
      if (isReject) found.set(address, { address, servers: [], reject: rule, at: rule.at });
      else if (known === undefined) found.set(address, { address, servers: null, at: rule.at });
    }
  }
  const [client] = places;
  const config = client?.resolver?.config;
  if (config?.search.some((domain) => /(?:^|\.)svc\.[a-z]/i.test(domain)) === true)
    for (const { address, at } of config.nameservers.slice(0, 3))
      if (!found.has(address)) found.set(address, { address, servers: null, at });
  return [...found.values()];
}

/** `-A KUBE-SERVICES -d 10.96.0.10/32 -p udp … --dport 53` -> `10.96.0.10` */
function dnsServiceOf({ chain, match }: FirewallRule): string | undefined {
  const [destination, ...more] = match.destinations ?? [];
  const isDns =
    chain === 'KUBE-SERVICES' &&
    match.protocol === 'udp' &&
    more.length === 0 &&
    match.destinationPorts?.length === 1 &&
    match.destinationPorts[0]?.from === 53 &&
    match.destinationPorts[0].to === 53;
  return isDns ? destination?.replace(/\/(?:32|128)$/, '') : undefined;
}
