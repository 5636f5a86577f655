import * as z from 'zod';
import type { Because, KubeDraft, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { askingPod, clusterNamesText, corednsHas, forwardsToNode, podName, resolverOfPod } from './cluster-names.ts';
import { clusterLack, kubePodAt } from './cluster-view.ts';
import { dnsText, dnsWeakness, watchedMs } from './dns-in-capture.ts';
import { isLoopback, sameAddress } from './ip-address.ts';
import { dnsSearchesDraft, dnsServersDraft, kubeObjectText } from './kube-objects.ts';
import { likely, ruledOut, undecided } from './outcomes.ts';

/** glibc asks no more servers than MAXNS (resolv.conf(5)). */
const mostServers = 3;
/** Limits of the search list before glibc 2.26, of musl, and of Kubernetes before 1.28 (resolv.conf(5)). */
const mostDomains = 6;
const mostCharacters = 256;

/** dockerd answers there inside of containers on networks of their own (moby libnetwork/resolver.go). */
const dockerResolver = '127.0.0.11';

/** F84: resolv.conf says more than the resolver reads. */
export const dnsResolvconfLimits = defineNodeRule({
  id: 'dns-resolvconf-limits',
  fault: 'F84',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['client'],
  needs: ['resolver'],
  optional: ['capture', 'cluster'],
  params: z.strictObject({
    /** Time that a server has for an answer, milliseconds: less than the 5 s after which glibc asks the next one. */
    answerWithinMs: z.number().positive().default(2000),
  }),
  sources: [
    'resolv.conf(5) (MAXNS, search list)',
    'kubernetes pkg/kubelet/network/dns (DNSConfigForming)',
    'fault catalogue F84',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...kubeObjectText.en,
      ...clusterNamesText.en,
      title: 'resolv.conf holds more than the resolver uses',
      notRead: '/etc/resolv.conf was not read',
      servers: (v: { count: number; unused: string }) =>
        `${v.count} nameserver lines, and glibc asks the first 3 only: ${v.unused} is never asked`,
      unusedHarmless: (v: { count: number; unused: string }) =>
        `${v.count} nameserver lines, of which ${v.unused} is never asked; that matters only when the first three fail, and no question to them went unanswered`,
      failing: (v: { questions: number; server: string }) => `${v.questions} questions to ${v.server} got no answer`,
      domains: (v: { count: number; characters: number; lost: string }) =>
        `search list of ${v.count} domains and ${v.characters} characters: glibc before 2.26 uses 6 domains and 256 characters (not ${v.lost}), musl 256 characters`,
      loopback: (v: { address: string }) =>
        `nameserver ${v.address} is loopback, and this network namespace is not the one of the node: nobody answers there`,
      forming: (v: { pod: string; message: string; count: number }) =>
        `Kubernetes: event DNSConfigForming of pod ${v.pod}, ${v.count} times in the last hour: ${v.message}`,
      looping: (v: { pod: string; reason: string; where: string }) =>
        `Kubernetes: pod ${v.pod} of CoreDNS is not ready (${v.reason}); ${v.where} forwards to the resolv.conf of its node and has the plug-in loop: a loopback stub there (127.0.0.53) makes it ask itself, and it ends`,
      calmPods: (v: { pod: string }) => `Kubernetes: no event DNSConfigForming of pod ${v.pod}`,
      fine: (v: { servers: number; domains: number }) =>
        `${v.servers} nameservers and ${v.domains} search domains: within the limits`,
      permanent: 'Leave at most 3 nameserver lines, the reliable ones first, and at most 6 search domains',
      kubernetes:
        "Pods take the list of their node: kubelet --resolv-conf with a short file (with systemd-resolved: /run/systemd/resolve/resolv.conf), or the pod's dnsPolicy: None with dnsConfig",
      risk: 'Low: names of a domain that is left out need to be written in full',
    },
    zh: {
      ...dnsText.zh,
      ...kubeObjectText.zh,
      ...clusterNamesText.zh,
      title: 'resolv.conf 的内容超出了解析器使用的上限',
      notRead: '没有读到 /etc/resolv.conf',
      servers: (v) => `有 ${v.count} 行 nameserver，glibc 只用前 3 个：${v.unused} 从来不会被查询`,
      unusedHarmless: (v) =>
        `有 ${v.count} 行 nameserver，其中 ${v.unused} 从来不会被查询；只有前三个都失败时才有影响，而对它们的查询都有应答`,
      failing: (v) => `到 ${v.server} 的 ${v.questions} 个查询没有应答`,
      domains: (v) =>
        `search 列表有 ${v.count} 个域、${v.characters} 个字符：2.26 之前的 glibc 只用 6 个域、256 个字符（用不到 ${v.lost}），musl 只用 256 个字符`,
      loopback: (v) => `nameserver ${v.address} 是环回地址，而这里不是节点自己的网络命名空间：那里没有人应答`,
      forming: (v) => `Kubernetes：Pod ${v.pod} 的事件 DNSConfigForming，最近一小时 ${v.count} 次：${v.message}`,
      looping: (v) =>
        `Kubernetes：CoreDNS 的 Pod ${v.pod} 未就绪（${v.reason}）；${v.where} 转发到所在节点的 resolv.conf，并启用了 loop 插件：那里的环回地址（127.0.0.53）使它查询自己而退出`,
      calmPods: (v) => `Kubernetes：Pod ${v.pod} 没有 DNSConfigForming 事件`,
      fine: (v) => `${v.servers} 个 nameserver、${v.domains} 个 search 域：没有超出上限`,
      permanent: '最多保留 3 行 nameserver（可靠的放在前面）、6 个 search 域',
      kubernetes:
        'Pod 会沿用节点的列表：用 kubelet --resolv-conf 指向一个精简的文件（有 systemd-resolved 时用 /run/systemd/resolve/resolv.conf），或在 Pod 上用 dnsPolicy: None 加 dnsConfig',
      risk: '低：被去掉的域里的名字要写全名',
    },
  },
  evaluate({ node, facts, plan, params, say }) {
    const { config } = facts.resolver;
    const { cluster } = facts;
    const own = plan.nodes.filter((planned) => planned.node.name === node).map(({ address }) => address);
    const pod = own.map((address) => askingPod(cluster, address)).find((one) => one !== null) ?? null;
    const objects = [...formingEvents(), ...loopingServers()];
    if (config === undefined) {
      const lack = cluster === undefined ? null : clusterLack(cluster, say, 'events', 'pods');
      return objects.length > 0
        ? likely(objects, remedies())
        : undecided('resolver', node, lack === null ? say.notRead : `${say.notRead}; ${lack}`);
    }
    const { nameservers, search } = config;
    const wrong: Because[] = [];
    const notes: Because[] = [];

    const unused = nameservers.slice(mostServers);
    const [first] = unused;
    if (first !== undefined) {
      const values = { count: nameservers.length, unused: unused.map(({ address }) => address).join(', ') };
      const failing = failures();
      if (failing === null) notes.push(because(say.unusedHarmless(values), first.at));
      else wrong.push(because(say.servers(values), first.at), ...failing);
    }
    const characters = search.join(' ').length;
    if (search.length > mostDomains || characters > mostCharacters) {
      const lost = search.length > mostDomains ? search.slice(mostDomains) : search.slice(-1);
      const words = say.domains({ count: search.length, characters, lost: lost.slice(0, 5).join(', ') });
      wrong.push(because(words, config.at));
    }
    const inNamespace = plan.nodes.find((planned) => planned.node.name === node)?.netns !== undefined;
    const stub = inNamespace
      ? nameservers.slice(0, mostServers).find(({ address }) => isDeafLoopback(address))
      : undefined;
    if (stub !== undefined) wrong.push(because(say.loopback({ address: stub.address }), stub.at));
    if (wrong.length + objects.length === 0)
      return ruledOut(
        because(say.fine({ servers: Math.min(nameservers.length, mostServers), domains: search.length }), config.at),
        ...notes,
        ...(pod === null || cluster?.events === undefined
          ? []
          : [because(say.calmPods({ pod: podName(pod) }), pod.at)]),
      );
    const origin = pod === null ? [] : [resolverOfPod(pod, say)];
    return likely([...wrong, ...objects, ...notes, ...origin], remedies());

    /** The kubelet says of a pod what it left out of its resolv.conf. */
    function formingEvents(): readonly Because[] {
      const asking = cluster === undefined ? [] : own.flatMap((address) => kubePodAt(cluster, address) ?? []);
      const name = asking[0] === undefined ? undefined : podName(asking[0]);
      const event = cluster?.events?.findLast((one) => one.pod === name && one.reason === 'DNSConfigForming');
      if (event === undefined || name === undefined) return [];
      return [because(say.forming({ pod: name, message: event.message, count: event.count }), event.at)];
    }

    /** CoreDNS ends itself where it would ask itself. */
    function loopingServers(): readonly Because[] {
      const config = forwardsToNode(cluster);
      if (cluster === undefined || config === undefined || corednsHas(cluster, 'loop') !== true) return [];
      return (cluster.pods ?? [])
        .filter(({ labels, ready }) => labels['k8s-app'] === 'kube-dns' && !ready)
        .flatMap((server) => {
          const reason = server.containers.find(({ state }) => state !== 'running')?.reason;
          return reason === 'CrashLoopBackOff' || reason === 'Error'
            ? [because(say.looping({ pod: podName(server), reason, where: config.where }), server.at)]
            : [];
        })
        .slice(0, 2);
    }

    function remedies(): Remedy[] {
      const { nameservers: servers = [], searches = [] } = pod?.dnsConfig ?? {};
      const objects: KubeDraft[] = [
        ...(servers.length > mostServers ? [dnsServersDraft(servers.slice(0, mostServers), say)] : []),
        ...(searches.length > mostDomains ? [dnsSearchesDraft(searches.slice(0, mostDomains), say)] : []),
      ];
      return [
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.risk },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.risk,
          ...(objects.length === 0 ? {} : { objects }),
        },
      ];
    }

    /** Loopback, and nothing in this namespace was seen to answer there. */
    function isDeafLoopback(address: string): boolean {
      const answers = facts.capture?.dns.some(
        ({ answer, server }) => answer !== null && sameAddress(server.address, address),
      );
      return isLoopback(address) && address !== dockerResolver && answers !== true;
    }

    /** Questions to the servers that are used which nobody answered; null: none, as far as was seen. */
    function failures(): Because[] | null {
      const { capture } = facts;
      if (capture === undefined || dnsWeakness(capture, say) !== null) return null;
      const used = nameservers.slice(0, mostServers);
      const found = used.flatMap(({ address }) => {
        const open = capture.dns.filter(
          (one) =>
            one.answer === null &&
            sameAddress(one.server.address, address) &&
            watchedMs(capture, one) >= params.answerWithinMs,
        );
        return open.length === 0 ? [] : [because(say.failing({ questions: open.length, server: address }), capture.at)];
      });
      return found.length === 0 ? null : found;
    }
  },
});
