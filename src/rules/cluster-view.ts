import type { Cluster, ClusterPart } from '../model/cluster-facts.ts';
import type { KubeEndpoint, KubeNode, KubePod, KubeService } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Endpoint } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { Because } from '../model/report.ts';
import { because } from './because.ts';
import { sameAddress } from './ip-address.ts';

type Told<T> = T & { readonly at: At };

/** What happened so long before the run still belongs to it, milliseconds. */
const recentMs = 600_000;
const mostPods = 3;

/** What the Kubernetes API says, in words that several rules use. */
export const clusterText = {
  en: {
    kubeNoneReady: (v: { service: string; total: number }) =>
      `Kubernetes: Service ${v.service} has ${v.total} endpoints, and none of them is ready`,
    kubeNoEndpoint: (v: { service: string }) => `Kubernetes: Service ${v.service} has no endpoint at all`,
    kubeNoneWithPort: (v: { service: string; total: number; port: string }) =>
      `Kubernetes: Service ${v.service} has ${v.total} endpoints, and none of them has its port ${v.port}`,
    kubeNoSelector: (v: { service: string }) =>
      `Service ${v.service} selects nothing: its endpoints are written by somebody else`,
    kubeSelectsNone: (v: { selector: string }) => `Its selector ${v.selector} matches no pod`,
    kubeReady: (v: { service: string; ready: number; total: number }) =>
      `Kubernetes: ${v.ready} of ${v.total} endpoints of Service ${v.service} are ready`,
    kubeNotReady: (v: { pod: string; node: string; why: string }) => `Pod ${v.pod} on ${v.node} is not ready${v.why}`,
    kubeGoing: (v: { pod: string; node: string }) => `Pod ${v.pod} on ${v.node} is being deleted`,
    kubeTerminating: (v: { pod: string }) => `Kubernetes lists the endpoint of pod ${v.pod} as terminating`,
    kubeRestarted: (v: { pod: string; container: string; why: string; ago: number; restarts: number }) =>
      `Pod ${v.pod}: container ${v.container} ended ${v.ago} s before the run${v.why} and was started again (${v.restarts} restarts in all)`,
    kubeExit: (v: { reason: string; code: string }) => ` (${v.reason}${v.code})`,
    kubeStarted: (v: { pod: string; ago: number }) => `Pod ${v.pod} was started ${v.ago} s before the run`,
    kubeEvent: (v: { pod: string; reason: string; message: string; count: number }) =>
      `Event of pod ${v.pod}: ${v.reason}, ${v.count} times in the last hour: ${v.message}`,
    kubeNodeDown: (v: { node: string; why: string }) => `Kubernetes: node ${v.node} is not ready${v.why}`,
    kubeNodeTroubled: (v: { node: string; troubles: string }) => `Kubernetes: node ${v.node} reports ${v.troubles}`,
    kubeNodeTainted: (v: { node: string; taints: string }) =>
      `Kubernetes: node ${v.node} has the taint ${v.taints}: pods without a toleration of it are taken off`,
    kubeUnknownPod: (v: { address: string }) => `No pod of the Service has the address ${v.address} any more`,
    kubeMissing: (v: { part: string; why: string }) => `Kubernetes was not read (${v.part}): ${v.why}`,
  },
  zh: {
    kubeNoneReady: (v: { service: string; total: number }) =>
      `Kubernetes：Service ${v.service} 有 ${v.total} 个端点，没有一个就绪`,
    kubeNoEndpoint: (v: { service: string }) => `Kubernetes：Service ${v.service} 一个端点都没有`,
    kubeNoneWithPort: (v: { service: string; total: number; port: string }) =>
      `Kubernetes：Service ${v.service} 有 ${v.total} 个端点，但都没有它的端口 ${v.port}`,
    kubeNoSelector: (v: { service: string }) => `Service ${v.service} 没有 selector：它的端点由别人写入`,
    kubeSelectsNone: (v: { selector: string }) => `它的 selector ${v.selector} 没有匹配任何 Pod`,
    kubeReady: (v: { service: string; ready: number; total: number }) =>
      `Kubernetes：Service ${v.service} 的 ${v.total} 个端点中有 ${v.ready} 个就绪`,
    kubeNotReady: (v: { pod: string; node: string; why: string }) => `${v.node} 上的 Pod ${v.pod} 未就绪${v.why}`,
    kubeGoing: (v: { pod: string; node: string }) => `${v.node} 上的 Pod ${v.pod} 正在被删除`,
    kubeTerminating: (v: { pod: string }) => `Kubernetes 把 Pod ${v.pod} 的端点列为正在终止`,
    kubeRestarted: (v: { pod: string; container: string; why: string; ago: number; restarts: number }) =>
      `Pod ${v.pod}：容器 ${v.container} 在本次检查前 ${v.ago} 秒结束${v.why}，随后被重启（共重启 ${v.restarts} 次）`,
    kubeExit: (v: { reason: string; code: string }) => `（${v.reason}${v.code}）`,
    kubeStarted: (v: { pod: string; ago: number }) => `Pod ${v.pod} 在本次检查前 ${v.ago} 秒启动`,
    kubeEvent: (v: { pod: string; reason: string; message: string; count: number }) =>
      `Pod ${v.pod} 的事件：${v.reason}，最近一小时 ${v.count} 次：${v.message}`,
    kubeNodeDown: (v: { node: string; why: string }) => `Kubernetes：节点 ${v.node} 未就绪${v.why}`,
    kubeNodeTroubled: (v: { node: string; troubles: string }) => `Kubernetes：节点 ${v.node} 报告 ${v.troubles}`,
    kubeNodeTainted: (v: { node: string; taints: string }) =>
      `Kubernetes：节点 ${v.node} 有污点 ${v.taints}：不容忍它的 Pod 会被驱逐`,
    kubeUnknownPod: (v: { address: string }) => `该 Service 已没有 Pod 使用地址 ${v.address}`,
    kubeMissing: (v: { part: string; why: string }) => `没有读到 Kubernetes（${v.part}）：${v.why}`,
  },
};
export type ClusterText = typeof clusterText.en;

/** `undefined`: none of the Services that were read; `null`: they were not read. */
export function kubeServiceOf(
  cluster: Cluster | undefined,
  target: Endpoint,
  protocol: string,
):
  | {
      readonly service: Told<KubeService>;
      readonly port: KubeService['ports'][number];
      readonly by: 'address' | 'nodePort';
    }
  | undefined
  | null {
  if (cluster?.services === undefined) return null;
  for (const service of cluster.services) {
    const own = service.ports.filter((one) => one.protocol === protocol);
    const isIts = [...service.addresses, ...service.externalAddresses].some((one) => sameAddress(one, target.address));
    const port = own.find((one) => one.port === target.port);
    if (isIts && port !== undefined) return { service, port, by: 'address' };
    const byNode = own.find(({ nodePort }) => nodePort === target.port);
    if (!isIts && byNode !== undefined) return { service, port: byNode, by: 'nodePort' };
  }
  return undefined;
}

export function serviceKey({ namespace, name }: Pick<KubeService, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** Endpoints of a Service; undefined where they could not all be read. */
export function kubeEndpointsOf(
  { endpoints, missing }: Cluster,
  service: KubeService,
): readonly Told<KubeEndpoint>[] | undefined {
  if (endpoints === undefined || missing.endpoints !== undefined) return undefined;
  const key = serviceKey(service);
  return endpoints.filter((one) => one.service === key);
}

export function kubePodAt({ pods }: Cluster, address: string): Told<KubePod> | undefined {
  return pods?.find(({ addresses, hostNetwork }) => !hostNetwork && addresses.some((one) => sameAddress(one, address)));
}

/** The Kubernetes node that a place of the run is (on). */
export function kubeNodeOf({ nodes }: Cluster, plan: Plan, place: string): Told<KubeNode> | undefined {
  const name = place.split('@', 1)[0] ?? place;
  const planned = plan.nodes.find(({ node }) => node.name === name);
  const own = [planned?.address, planned?.node.address, planned?.node.target, ...(planned?.node.serves ?? [])];
  return nodes?.find(
    (one) =>
      one.name === name ||
      one.name.split('.')[0] === name ||
      one.addresses.some((address) => own.some((known) => known !== undefined && sameAddress(known, address))),
  );
}

/** The place of the run that says what is to be said of a pod: its node, or the first where that is none of the run. */
export function speakerOf(cluster: Cluster, plan: Plan, pod: Pick<KubePod, 'node'>): string | undefined {
  const nodes = plan.nodes.filter(({ netns }) => netns === undefined);
  const own = nodes.find(({ node: { name } }) => kubeNodeOf(cluster, plan, name)?.name === pod.node);
  return (own ?? nodes[0] ?? plan.nodes[0])?.node.name;
}

/** Why one of these parts is not known (whole); null where all are. */
export function clusterLack(cluster: Cluster, say: ClusterText, ...parts: readonly ClusterPart[]): string | null {
  for (const part of parts) {
    const why = cluster.missing[part];
    if (why !== undefined) return say.kubeMissing({ part, why });
  }
  return null;
}

/** Pods that a Service selects, and why those that are not ready are not. */
export function whyNoneReady(cluster: Cluster, service: Told<KubeService>, say: ClusterText): readonly Because[] {
  if (service.selector === null) return [because(say.kubeNoSelector({ service: serviceKey(service) }), service.at)];
  if (cluster.pods === undefined || cluster.missing.pods !== undefined) return [];
  const wanted = Object.entries(service.selector);
  const own = cluster.pods.filter(
    ({ namespace, labels }) => namespace === service.namespace && wanted.every(([key, value]) => labels[key] === value),
  );
  if (own.length === 0) {
    const selector = wanted.map(([key, value]) => `${key}=${value}`).join(',');
    return [because(say.kubeSelectsNone({ selector }), service.at)];
  }
  const unready = own.filter((pod) => !pod.ready).slice(0, mostPods);
  const nodes = [...new Set(unready.map(({ node }) => node))];
  return [
    ...unready.flatMap((pod) => stateOf(cluster, pod, say)),
    ...nodes.flatMap((node) => nodeOf(cluster, node, say)),
  ];
}

/** What Kubernetes tells of the pod behind an address: that it goes, is not ready, or was restarted of late. */
export function storyOf(cluster: Cluster | undefined, address: string, say: ClusterText): readonly Because[] {
  if (cluster === undefined) return [];
  const endpoint = cluster.endpoints?.find((one) => sameAddress(one.address, address));
  const pod = kubePodAt(cluster, address);
  const ending =
    endpoint?.terminating === true
      ? [because(say.kubeTerminating({ pod: endpoint.pod ?? endpoint.address }), endpoint.at)]
      : [];
  if (pod !== undefined) return [...ending, ...stateOf(cluster, pod, say), ...nodeOf(cluster, pod.node, say)];
  const isGone =
    endpoint === undefined && cluster.missing.pods === undefined && cluster.missing.endpoints === undefined;
  const isAsked = cluster.endpoints !== undefined && cluster.pods !== undefined && (cluster.services?.length ?? 0) > 0;
  return isGone && isAsked ? [because(say.kubeUnknownPod({ address }), cluster.at)] : ending;
}

/** It ends, is not ready, or nobody of the Service has the address any more: nothing new should be sent there. */
export function kubeHasLeft(cluster: Cluster | undefined, address: string): boolean {
  if (cluster === undefined || cluster.missing.endpoints !== undefined) return false;
  const endpoint = cluster.endpoints?.find((one) => sameAddress(one.address, address));
  if (endpoint !== undefined) return endpoint.terminating || !endpoint.ready;
  return cluster.endpoints !== undefined && (cluster.services?.length ?? 0) > 0;
}

function stateOf(cluster: Cluster, pod: Told<KubePod>, say: ClusterText): readonly Because[] {
  const name = `${pod.namespace}/${pod.name}`;
  const node = pod.node ?? '-';
  const told: Because[] = [];
  if (pod.deletedAtMs !== null) told.push(because(say.kubeGoing({ pod: name, node }), pod.at));
  else if (!pod.ready) {
    const stuck = pod.containers.find(({ state, reason }) => state !== 'running' && reason !== null);
    const why = stuck?.reason ?? pod.notReadyWhy ?? pod.phase;
    told.push(because(say.kubeNotReady({ pod: name, node, why: `: ${why}` }), pod.at));
  }
  told.push(...restartsOf(cluster, pod, say));
  const event = cluster.events?.findLast((one) => one.pod === name && one.type === 'Warning');
  if (event !== undefined && (!pod.ready || told.length > 0)) {
    const { reason, message, count } = event;
    told.push(because(say.kubeEvent({ pod: name, reason, message, count }), event.at));
  }
  return told;
}

/** Containers that ended and came back, and pods that began, within the minutes before the run. */
export function restartsOf(cluster: Cluster, pod: Told<KubePod>, say: ClusterText): readonly Because[] {
  const name = `${pod.namespace}/${pod.name}`;
  const agoOf = (time: number): number => Math.round((cluster.readAtMs - time) / 1000);
  const restarted = pod.containers.flatMap((container) => {
    const ended = container.last?.finishedAtMs ?? null;
    if (ended === null || cluster.readAtMs - ended > recentMs) return [];
    const code = container.last?.exitCode ?? null;
    const why = say.kubeExit({ reason: container.last?.reason ?? '?', code: code === null ? '' : `, ${code}` });
    const values = { pod: name, container: container.name, why, ago: agoOf(ended), restarts: container.restarts };
    return [because(say.kubeRestarted(values), pod.at)];
  });
  if (restarted.length > 0) return restarted.slice(0, 2);
  const { startedAtMs } = pod;
  return startedAtMs !== null && cluster.readAtMs - startedAtMs < recentMs
    ? [because(say.kubeStarted({ pod: name, ago: agoOf(startedAtMs) }), pod.at)]
    : [];
}

function nodeOf(cluster: Cluster, name: string | null, say: ClusterText): readonly Because[] {
  const node = cluster.nodes?.find((one) => one.name === name);
  if (node === undefined) return [];
  const told: Because[] = [];
  if (node.ready !== 'True') {
    const why = node.notReadyWhy === null ? '' : `: ${node.notReadyWhy}`;
    told.push(because(say.kubeNodeDown({ node: node.name, why }), node.at));
  }
  if (node.troubles.length > 0) {
    const troubles = node.troubles.slice(0, 4).join(', ');
    told.push(because(say.kubeNodeTroubled({ node: node.name, troubles }), node.at));
  }
  const driving = node.taints.filter(({ effect }) => effect === 'NoExecute').map(({ key }) => `${key}:NoExecute`);
  if (driving.length > 0) {
    const taints = driving.slice(0, 3).join(', ');
    told.push(because(say.kubeNodeTainted({ node: node.name, taints }), node.at));
  }
  return told;
}

/** The Service of a target with its endpoints, where all of that was read. */
export interface KubeBehind {
  readonly cluster: Cluster;
  readonly service: Told<KubeService>;
  readonly port: KubeService['ports'][number];
  readonly by: 'address' | 'nodePort';
  readonly endpoints: readonly Told<KubeEndpoint>[];
  /** kube-proxy sends to those that end and still serve where none is ready (KEP-1669). */
  readonly usable: readonly Told<KubeEndpoint>[];
}

export function kubeBehind(cluster: Cluster | undefined, target: Endpoint, protocol: string): KubeBehind | null {
  const known = kubeServiceOf(cluster, target, protocol);
  if (cluster === undefined || known === undefined || known === null) return null;
  const { service, port, by } = known;
  const endpoints = service.type === 'ExternalName' ? undefined : kubeEndpointsOf(cluster, service);
  if (endpoints === undefined) return null;
  // a targetPort that is the name of no port of a pod leaves its endpoint without that port
  const able = endpoints.filter(({ ports }) => ports.some((one) => one.name === port.name && one.port !== null));
  const ready = able.filter((one) => one.ready);
  const usable = ready.length > 0 ? ready : able.filter(({ serving, terminating }) => serving && terminating);
  return { cluster, service, port, by, endpoints, usable };
}

/** The question names a Service, and what Kubernetes has of it could not be read: the sentence that says so. */
export function unreadService(cluster: Cluster | undefined, { lookedUp = [] }: Plan, say: ClusterText): string | null {
  const isOfService = lookedUp.some(({ asked }) => /^(?:svc|nodeport) /.test(asked));
  return cluster === undefined || !isOfService ? null : clusterLack(cluster, say, 'services', 'endpoints');
}

/** `2 of 3 endpoints …`, or that there is none. */
export function readiness({ service, port, endpoints, usable }: KubeBehind, say: ClusterText): Because {
  const name = serviceKey(service);
  const [first] = endpoints;
  if (first === undefined) return because(say.kubeNoEndpoint({ service: name }), service.at);
  if (usable.length === 0 && endpoints.some((one) => one.ready)) {
    const shown = port.name === '' ? String(port.port) : port.name;
    return because(say.kubeNoneWithPort({ service: name, total: endpoints.length, port: shown }), first.at);
  }
  return usable.length === 0
    ? because(say.kubeNoneReady({ service: name, total: endpoints.length }), first.at)
    : because(say.kubeReady({ service: name, ready: usable.length, total: endpoints.length }), first.at);
}
