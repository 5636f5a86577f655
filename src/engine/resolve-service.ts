import type { ClusterEndpoint, ClusterRead, ClusterService } from '../model/cluster.ts';
import { NetcheckError } from '../model/errors.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Symptom } from '../model/symptom.ts';
import { inventoryNode } from './kubernetes-node.ts';
import type { FoundObject, KubernetesOptions, KubernetesTarget, ServerNode } from './kubernetes-place.ts';
import { clusterFor, valueOf } from './kubernetes-refusals.ts';
import { placeOfPod, resolvePod } from './resolve-pod.ts';
import { canonicalAddress } from './settle-address.ts';

/** Nodes behind one Service that join a run. */
const mostServerNodes = 2;
/** Pods that are looked for on them. */
const mostPodsTried = 6;

export async function throughService(
  target: KubernetesTarget,
  service: ClusterService,
  port: number,
  protocol: 'tcp' | 'udp',
  options: KubernetesOptions,
  askedAddress?: string,
): Promise<FoundObject> {
  const cluster = clusterFor(target, options);
  const asked = `svc ${service.namespace}/${service.name}`;
  if (service.type === 'ExternalName')
    throw new NetcheckError(
      'ask/unknown-object',
      `${asked} is only another name (ExternalName): it has no address in the cluster.`,
      'Ask with the name that it stands for.',
      {
        zh: {
          message: `${asked} 只是另一个名字（ExternalName），在集群里没有地址。`,
          hint: '请用它所代表的名字来问。',
        },
      },
    );
  const servicePort = service.ports.find((one) => one.port === port && one.protocol === protocol);
  if (servicePort === undefined)
    throw new NetcheckError(
      'ask/bad-port',
      `${asked} has no ${protocol} port ${port}.`,
      `It has ${service.ports.map((one) => `${one.port}${one.protocol === 'tcp' ? '' : `/${one.protocol}`}`).join(', ') || 'no port at all'}.`,
      {
        zh: {
          message: `${asked} 没有 ${protocol} 端口 ${port}。`,
          hint: `它有 ${service.ports.map((one) => `${one.port}${one.protocol === 'tcp' ? '' : `/${one.protocol}`}`).join('、') || '零个端口'}。`,
        },
      },
    );
  const endpoints = valueOf(await cluster.endpoints(service, servicePort.name), target, cluster);
  const address = askedAddress ?? service.addresses[0];
  const behind = await serverNodes(endpoints, asked, options);
  if (address === undefined) return headless(asked, endpoints, options);
  const gone = await goneOf(endpoints, options);
  const ready = endpoints.filter((one) => one.ready && !gone.includes(one)).length;
  const [first] = gone;
  const listed =
    first === undefined ? '' : `; ${gone.length} of them only listed: there is no pod ${first.pod} any more`;
  return {
    place: { kind: 'external', address: canonicalAddress(address) },
    behind,
    told: { asked, found: `${address}, ${ready} of ${endpoints.length} endpoints ready${listed}`, by: 'api' },
  };
}

/**
 * A Service as it was read last, where the API does not answer now: its virtual address hardly ever changes, and the nodes
 * themselves know what is behind it. Undefined: nobody has asked for it, or the API says that it may not be read.
 */
export function fromMemory(
  target: KubernetesTarget,
  { why, message }: Extract<ClusterRead<unknown>, { how: 'failed' }>,
  port: number,
  protocol: 'tcp' | 'udp',
  { cluster, now = Date.now }: KubernetesOptions,
): FoundObject | undefined {
  if (why !== 'unreachable' && why !== 'timedOut') return undefined;
  const last = cluster?.lastServices?.(target.name, target.namespace ?? null);
  if (last === undefined || last.services.length > 1) return undefined;
  const [service] = last.services;
  const [address] = service?.addresses ?? [];
  const isIts = service?.ports.some((one) => one.port === port && one.protocol === protocol) === true;
  if (service === undefined || address === undefined || !isIts) return undefined;
  const minutes = Math.max(1, Math.round((now() - last.readAtMs) / 60_000));
  return {
    place: { kind: 'external', address: canonicalAddress(address) },
    behind: [],
    told: {
      asked: `svc ${service.namespace}/${service.name}`,
      found: `${address}, as Kubernetes said ${minutes} min ago; it could not be asked now: ${message}`,
      by: 'api',
    },
  };
}

/** The name of a headless Service leads to its pods: the first one stands for it. */
async function headless(
  asked: string,
  endpoints: readonly ClusterEndpoint[],
  options: KubernetesOptions,
): Promise<FoundObject> {
  const first = endpoints.find(({ ready }) => ready) ?? endpoints[0];
  const [namespace, name] = first?.pod?.split('/') ?? [];
  if (first === undefined || namespace === undefined || name === undefined)
    throw new NetcheckError(
      'ask/unknown-object',
      `${asked} has no address of its own (headless), and no pod behind it.`,
      'kubectl get endpointslices says what it selects.',
      {
        zh: {
          message: `${asked} 没有自己的地址（headless），后面也没有 Pod。`,
          hint: 'kubectl get endpointslices 会显示它选中了什么。',
        },
      },
    );
  const pod = await resolvePod({ kind: 'kubernetes', object: 'pod', namespace, name }, options);
  return { ...pod, told: { ...pod.told, asked: `${asked} (headless; pod ${first.pod})` } };
}

export async function resolveNodePort(
  target: KubernetesTarget,
  { port, protocol, from }: Pick<Symptom, 'port' | 'protocol' | 'from'>,
  options: KubernetesOptions,
): Promise<FoundObject> {
  const { inventory } = options;
  const cluster = clusterFor(target, options);
  const service = valueOf(await cluster.serviceOfNodePort(port, protocol), target, cluster);
  if (service === null)
    throw new NetcheckError(
      'ask/unknown-object',
      `No Service has ${protocol} NodePort ${port}.`,
      'kubectl get svc -A lists them; for a port that a process of the node has, ask with the node.',
      {
        zh: {
          message: `没有 Service 使用 ${protocol} NodePort ${port}。`,
          hint: 'kubectl get svc -A 会列出它们；如果端口属于节点上的进程，请用节点来问。',
        },
      },
    );
  const asked = `nodeport ${port} (svc ${service.namespace}/${service.name})`;
  const name = service.ports.find((one) => one.nodePort === port)?.name ?? '';
  const endpoints = valueOf(await cluster.endpoints(service, name), target, cluster);
  const behind = await serverNodes(endpoints, asked, options);
  const kubernetesNodes = await cluster.nodes();
  const names = kubernetesNodes.how === 'read' ? kubernetesNodes.value.map((one) => one.name) : inventory.names();
  // With the policy Local only nodes with a pod answer; without it a node that has none shows the whole way.
  const candidates =
    service.externalTrafficPolicy === 'Local'
      ? behind.map(({ node }) => node)
      : (await Promise.all(names.map((one) => inventoryNode(one, options)))).filter((one) => one !== null);
  const asking = from.map((one) => (one.kind === 'node' ? one.node : ''));
  const node = candidates.find(({ name: candidate }) => !asking.includes(candidate)) ?? candidates[0];
  if (node === undefined)
    throw new NetcheckError(
      'ask/unknown-node',
      `${asked}: none of its nodes is in the inventory.`,
      'Add the Kubernetes nodes to "nodes" in netcheck.yaml.',
      {
        zh: {
          message: `${asked}：它的节点都不在清单中。`,
          hint: '请把 Kubernetes 的节点加到 netcheck.yaml 的 "nodes"。',
        },
      },
    );
  return {
    place: { kind: 'node', node, address: node.target ?? node.address },
    behind: behind.filter((one) => one.node.name !== node.name),
    told: { asked, found: `asked at ${node.name}`, by: 'api' },
  };
}

export async function resolveIngress(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
  const cluster = clusterFor(target, options);
  const found = valueOf(await cluster.ingresses(target.name), target, cluster);
  const one = found.find(({ addresses }) => addresses.length > 0) ?? found[0];
  if (one === undefined)
    throw new NetcheckError(
      'ask/unknown-object',
      `No Ingress has the host ${target.name}.`,
      'kubectl get ingress -A lists them.',
      { zh: { message: `没有 Ingress 使用主机名 ${target.name}。`, hint: 'kubectl get ingress -A 会列出它们。' } },
    );
  const asked = `ingress ${target.name} (${one.namespace}/${one.name})`;
  const address = one.addresses[0];
  if (address === undefined)
    throw new NetcheckError(
      'ask/unknown-object',
      `${asked} tells no address that it is reached at.`,
      'Ask with the address of its load balancer, or the NodePort of its controller.',
      {
        zh: {
          message: `${asked} 没有写明它的访问地址。`,
          hint: '请用它的负载均衡地址，或其控制器的 NodePort 来问。',
        },
      },
    );
  const owner = await options.inventory.ownerOf(canonicalAddress(address));
  return {
    place: owner
      ? { kind: 'node', node: owner, address: canonicalAddress(address) }
      : { kind: 'external', address: canonicalAddress(address) },
    behind: [],
    told: { asked, found: owner ? `${address} on ${owner.name}` : address, by: 'api' },
  };
}

/** The nodes of the pods that answer for a Service: those that are ready first, each once. */
async function serverNodes(
  endpoints: readonly ClusterEndpoint[],
  asked: string,
  options: KubernetesOptions,
): Promise<FoundObject['behind']> {
  const found = new Map<string, ServerNode>();
  let looks = 0;
  for (const endpoint of endpoints.toSorted((a, b) => Number(b.ready) - Number(a.ready))) {
    const { node: name, pod, address, port } = endpoint;
    const node = name === null ? null : await inventoryNode(name, options);
    if (node === null) continue;
    const known = found.get(node.name);
    if (known === undefined ? found.size >= mostServerNodes : known.pod !== undefined) continue;
    // an endpoint may outlive its pod: then another one of that node stands for it
    looks += 1;
    const place = looks > mostPodsTried ? undefined : await podBehind(endpoint, node, options);
    if (known !== undefined && place === undefined) continue;
    found.set(node.name, {
      node,
      why: `${pod === null ? address : `pod ${pod}`} behind ${asked} is there`,
      ...(place === undefined ? {} : { pod: place }),
      ...(port === null ? {} : { server: { address: canonicalAddress(address), port } }),
    });
  }
  return [...found.values()];
}

/** Endpoints that are said to be ready, and whose pods the same API does not have: the slice is old. */
async function goneOf(
  endpoints: readonly ClusterEndpoint[],
  { cluster }: KubernetesOptions,
): Promise<readonly ClusterEndpoint[]> {
  const tried = endpoints.filter(({ ready, pod }) => ready && pod !== null).slice(0, mostPodsTried);
  const gone = await Promise.all(
    tried.map(async ({ pod }) => {
      const [namespace = '', name = ''] = pod?.split('/') ?? [];
      const read = await cluster?.pods(name, namespace);
      return read?.how === 'read' && read.value.length === 0;
    }),
  );
  return tried.filter((_one, index) => gone[index] === true);
}

/** Queues and listeners of a server are in its pod. What is not found there is looked for on its node all the same. */
async function podBehind(
  { pod }: ClusterEndpoint,
  node: InventoryNode,
  options: KubernetesOptions,
): Promise<ServerNode['pod'] | undefined> {
  const [namespace, name] = pod?.split('/') ?? [];
  if (options.cluster === null || namespace === undefined || name === undefined) return undefined;
  const read = await options.cluster.pods(name, namespace);
  const [known] = read.how === 'read' ? read.value : [];
  if (known === undefined || known.hostNetwork) return undefined;
  try {
    const { place } = await placeOfPod(known, name, { ...options, podsOnNodes: async () => [] });
    return place.kind === 'node' && place.netns !== undefined && place.node.name === node.name ? place : undefined;
  } catch (error) {
    if (error instanceof NetcheckError) return undefined;
    throw error;
  }
}
