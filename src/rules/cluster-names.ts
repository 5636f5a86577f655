import type { Cluster } from '../model/cluster-facts.ts';
import type { DnsConfig, KubeEndpoint, KubePod, KubeService } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Because } from '../model/report.ts';
import { because } from './because.ts';
import { clusterText, kubePodAt, kubeServiceOf, restartsOf, serviceKey, whyNoneReady } from './cluster-view.ts';
import { inPrefix, sameAddress } from './ip-address.ts';

type Told<T> = T & { readonly at: At };

/** NodeLocal DNSCache listens on a link-local address (its manifest: 169.254.20.10), and where kube-dns does. */
const linkLocal = ['169.254.0.0/16', 'fe80::/10'];

/** What the Kubernetes API says of who asks for names and who answers, in words that the rules about DNS share. */
export const clusterNamesText = {
  en: {
    ...clusterText.en,
    dnsTranslated: (v: { address: string; service: string; endpoints: number }) =>
      `Kubernetes: ${v.address} is the address of Service ${v.service}, so every question is translated (DNAT) to one of its ${v.endpoints} ready endpoints; two that are sent together can clash there`,
    dnsNotTranslated: (v: { address: string; pod: string }) =>
      `Kubernetes: ${v.address} is the cache of the node (pod ${v.pod}): questions to it are not translated, so the race in conntrack is none of it; the cache, or the server behind it, lost one`,
    dnsCacheRuns: (v: { pod: string }) =>
      `Kubernetes: NodeLocal DNSCache runs on the node (pod ${v.pod}), and these questions passed it by`,
    dnsPolicy: (v: { pod: string; policy: string; config: string }) =>
      `Kubernetes: pod ${v.pod} has dnsPolicy ${v.policy}${v.config}`,
    dnsNoConfig: ' and no dnsConfig',
    dnsConfig: (v: { words: string }) => ` and dnsConfig ${v.words}`,
    dnsForwards: (v: { where: string; address: string; zones: string }) =>
      `Kubernetes: ${v.where} forwards ${v.zones} to ${v.address}: every pod that asks for such a name waits for it`,
    dnsForwardsNode: (v: { where: string }) =>
      `Kubernetes: ${v.where} forwards to the servers in /etc/resolv.conf of the node that each of its pods is on`,
    dnsAsker: (v: { client: string; pod: string }) =>
      `Kubernetes: ${v.client} is pod ${v.pod}, a server of the cluster's DNS: what it asks is asked for all pods`,
    dnsUnread: (v: { part: string; why: string }) =>
      `Kubernetes could add to this, and was not read (${v.part}): ${v.why}`,
  },
  zh: {
    ...clusterText.zh,
    dnsTranslated: (v: { address: string; service: string; endpoints: number }) =>
      `Kubernetes：${v.address} 是 Service ${v.service} 的地址，每个查询都会被转换（DNAT）到它的 ${v.endpoints} 个就绪端点之一；同时发出的两个查询可能在那里冲突`,
    dnsNotTranslated: (v: { address: string; pod: string }) =>
      `Kubernetes：${v.address} 是节点上的缓存（Pod ${v.pod}）：到它的查询不经过地址转换，因此不是 conntrack 竞争；是缓存或它后面的服务器丢了一个`,
    dnsCacheRuns: (v: { pod: string }) =>
      `Kubernetes：节点上运行着 NodeLocal DNSCache（Pod ${v.pod}），而这些查询没有经过它`,
    dnsPolicy: (v: { pod: string; policy: string; config: string }) =>
      `Kubernetes：Pod ${v.pod} 的 dnsPolicy 为 ${v.policy}${v.config}`,
    dnsNoConfig: '，没有 dnsConfig',
    dnsConfig: (v: { words: string }) => `，dnsConfig 为 ${v.words}`,
    dnsForwards: (v: { where: string; address: string; zones: string }) =>
      `Kubernetes：${v.where} 把 ${v.zones} 转发给 ${v.address}：查询这类域名的每个 Pod 都要等它`,
    dnsForwardsNode: (v: { where: string }) =>
      `Kubernetes：${v.where} 转发给其 Pod 所在节点 /etc/resolv.conf 中的服务器`,
    dnsAsker: (v: { client: string; pod: string }) =>
      `Kubernetes：${v.client} 是 Pod ${v.pod}，集群 DNS 的服务端：它的查询是替所有 Pod 发的`,
    dnsUnread: (v: { part: string; why: string }) => `Kubernetes 本可以补充，但没有读到（${v.part}）：${v.why}`,
  },
};
export type ClusterNamesText = typeof clusterNamesText.en;

/** The Service at an address that is asked for names, and its endpoints; undefined where Kubernetes has none there. */
export function dnsServiceAt(
  cluster: Cluster | undefined,
  address: string,
):
  | {
      readonly service: Told<KubeService>;
      /** Undefined where they could not all be read. */
      readonly ready: readonly Told<KubeEndpoint>[] | undefined;
      readonly all: readonly Told<KubeEndpoint>[];
    }
  | undefined {
  const found = kubeServiceOf(cluster, { address, port: 53 }, 'udp');
  if (cluster === undefined || !found || found.by !== 'address') return undefined;
  const all = (cluster.endpoints ?? []).filter(({ service }) => service === serviceKey(found.service));
  const isWhole = cluster.endpoints !== undefined && cluster.missing.endpoints === undefined;
  return { service: found.service, all, ready: isWhole ? all.filter(({ ready }) => ready) : undefined };
}

/** A running pod of NodeLocal DNSCache on the node of who asks, and whether it takes the questions to this address. */
export function nodeCache(
  cluster: Cluster | undefined,
  client: string,
  address: string,
): { readonly pod: Told<KubePod>; readonly takes: boolean } | undefined {
  const node = cluster === undefined ? undefined : kubePodAt(cluster, client)?.node;
  const pod = cluster?.pods?.find(
    ({ labels, phase, node: own }) => labels['k8s-app'] === 'node-local-dns' && phase === 'Running' && own === node,
  );
  if (pod === undefined || node === undefined || node === null) return undefined;
  // beside IPVS it cannot have the address of the Service, which kube-ipvs0 has
  const takesAll = cluster?.proxyConfig !== undefined && cluster.proxyConfig.mode !== 'ipvs';
  return { pod, takes: takesAll || linkLocal.some((prefix) => inPrefix(address, prefix) === true) };
}

/** The pod that asks, and what it was given for a resolver; null where nobody knows the pod, or it was not read. */
export function askingPod(cluster: Cluster | undefined, client: string): Told<KubePod> | null {
  const pod = cluster === undefined ? undefined : kubePodAt(cluster, client);
  return pod?.dnsPolicy === undefined || pod.dnsPolicy === null ? null : pod;
}

export function podName({ namespace, name }: Pick<KubePod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** `Pod shop/web-0 has dnsPolicy ClusterFirst and no dnsConfig`. */
export function resolverOfPod(pod: Told<KubePod>, say: ClusterNamesText): Because {
  const { nameservers = [], searches = [], options = [] } = pod.dnsConfig ?? {};
  const words = [
    ...(nameservers.length === 0 ? [] : [`nameservers ${nameservers.slice(0, 4).join(' ')}`]),
    ...(searches.length === 0 ? [] : [`searches ${searches.slice(0, 8).join(' ')}`]),
    ...options.slice(0, 6).map(({ name, value }) => (value === null ? name : `${name}:${value}`)),
  ].join(', ');
  const config = words === '' ? say.dnsNoConfig : say.dnsConfig({ words });
  return because(say.dnsPolicy({ pod: podName(pod), policy: pod.dnsPolicy ?? '-', config }), pod.at);
}

/** Of `options` in a pod's dnsConfig: undefined where it is not among them. */
export function resolverOption(pod: Told<KubePod> | null, name: string): { readonly value: string | null } | undefined {
  return pod?.dnsConfig?.options.find((one) => one.name === name);
}

/** Server blocks that send names on to this address: `forward . 192.0.2.53`. */
export function forwardsTo(cluster: Cluster | undefined, address: string, say: ClusterNamesText): readonly Because[] {
  return (cluster?.dns ?? []).flatMap(({ where, servers, at }) => {
    const own = servers.filter(({ forwards }) => forwards.some((to) => sameAddress(upstreamOf(to), address)));
    const zones = [...new Set(own.flatMap((one) => one.zones))].slice(0, 4).join(', ');
    return own.length === 0 ? [] : [because(say.dnsForwards({ where, address, zones }), at)];
  });
}

/** The Corefile sends what it does not know to the servers of the nodes that its pods are on. */
export function forwardsToNode(cluster: Cluster | undefined): Told<DnsConfig> | undefined {
  return cluster?.dns?.find(({ servers }) =>
    servers.some(({ forwards }) => forwards.some((to) => to.endsWith('/resolv.conf'))),
  );
}

/** Whether the Corefile has a plug-in in any of its blocks; undefined where it was not read. */
export function corednsHas(cluster: Cluster | undefined, plugin: string): boolean | undefined {
  if (cluster?.dns === undefined || cluster.dns.length === 0) return undefined;
  return cluster.dns.some(({ servers }) => servers.some(({ plugins }) => plugins.includes(plugin)));
}

/** Pods that answer for the cluster: why those that are not ready are not, and what was restarted of late. */
export function troublesOfServers(
  cluster: Cluster,
  { service, all }: NonNullable<ReturnType<typeof dnsServiceAt>>,
  say: ClusterNamesText,
): readonly Because[] {
  const told = whyNoneReady(cluster, service, say);
  if (told.length > 0) return told;
  const pods = all.flatMap(({ address }) => kubePodAt(cluster, address) ?? []);
  return pods
    .filter((pod) => hasEnded(cluster, pod))
    .flatMap((pod) => restartsOf(cluster, pod, say))
    .slice(0, 2);
}

function hasEnded({ readAtMs }: Cluster, { containers }: KubePod): boolean {
  return containers.some(({ last }) => last !== null && readAtMs - (last.finishedAtMs ?? 0) < 600_000);
}

/** The client is one of the pods that answer for the cluster, which asks others for what it does not know. */
export function askerStory(cluster: Cluster | undefined, client: string, say: ClusterNamesText): readonly Because[] {
  const pod = cluster === undefined ? undefined : kubePodAt(cluster, client);
  if (pod === undefined || pod.labels['k8s-app'] !== 'kube-dns') return [];
  return [because(say.dnsAsker({ client, pod: podName(pod) }), pod.at)];
}

/** Parts of the cluster that would have added to a verdict; nothing where the API was not to be asked at all. */
export function unreadNames(cluster: Cluster | undefined, say: ClusterNamesText): readonly Because[] {
  for (const part of ['services', 'endpoints', 'pods', 'dns'] as const) {
    const why = cluster?.missing[part];
    if (cluster !== undefined && why !== undefined) return [because(say.dnsUnread({ part, why }), cluster.at)];
  }
  return [];
}

/** `tls://192.0.2.53:853`, `[fd00::1]:53`, `192.0.2.53` -> the address. */
function upstreamOf(to: string): string {
  const host = to.replace(/^[a-z]+:\/\//, '');
  const [, bracketed] = /^\[([0-9a-f:]+)\]/i.exec(host) ?? [];
  if (bracketed !== undefined) return bracketed;
  return /^[0-9.]+:\d+$/.test(host) ? host.slice(0, host.indexOf(':')) : host;
}
