import type { ClusterEndpoint, ClusterPod, ClusterRead, ClusterService } from '../model/cluster.ts';
import { NetcheckError, sentencesOf } from '../model/errors.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Language } from '../model/language.ts';
import { placeName, podNetns, podPlace } from '../model/netns.ts';
import type { LookedUp } from '../model/plan.ts';
import type { Symptom, Target } from '../model/symptom.ts';
import { describeTarget } from './ask.ts';
import { closestNames, type Inventory, type Resolved } from './inventory.ts';
import type { ClusterReader } from './ports.ts';
import { canonicalAddress } from './settle-address.ts';

/** A pod as the nodes themselves know it: the kubelet keeps a directory of logs for each. */
export interface PodOnNode {
  readonly node: InventoryNode;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubernetesOptions {
  readonly inventory: Inventory;
  /** Null: netcheck was given no access to an API. */
  readonly cluster: ClusterReader | null;
  /** Asks the nodes; `namespace: null`: any. */
  readonly podsOnNodes: (name: string, namespace: string | null) => Promise<readonly PodOnNode[]>;
  /** As for `PlanOptions.namespaceOn`. */
  readonly namespaceOn: (
    node: InventoryNode,
    netns: string,
  ) => Promise<{ readonly address: string; readonly isOwn: boolean }>;
}

/** A place of a run: a node, a namespace on it, or an address that no node owns. */
export type Place = Resolved & {
  readonly netns?: string;
  /** What the namespace is called in this run; absent: as `netns`. */
  readonly label?: string;
};

/** What a Kubernetes object is for a run. */
export interface FoundObject {
  readonly place: Place;
  /** Nodes that its traffic ends on: they stand in between, and are looked at as well. */
  readonly behind: readonly { readonly node: InventoryNode; readonly why: string }[];
  readonly told: LookedUp;
}

type KubernetesTarget = Extract<Target, { kind: 'kubernetes' }>;

/** Nodes behind one Service that join a run. */
const mostServerNodes = 2;

/**
 * A Kubernetes object as a place: through the API, or, where it is of no use, from what the nodes themselves know.
 *
 * @throws NetcheckError `ask/no-kubernetes` (it cannot be looked up, and why), `ask/unknown-object` (it is not there, or
 *   several are), `ask/unknown-node` (its node is not in the inventory), `ask/no-namespace`
 */
export async function resolveKubernetes(
  target: KubernetesTarget,
  question: Pick<Symptom, 'port' | 'protocol' | 'from'>,
  options: KubernetesOptions,
): Promise<FoundObject> {
  const { port, protocol } = question;
  switch (target.object) {
    case 'pod':
      return resolvePod(target, options);
    case 'deploy':
      return resolveDeployment(target, options);
    case 'svc': {
      const cluster = clusterFor(target, options);
      const services = valueOf(await cluster.services(target.name, target.namespace ?? null), target, cluster);
      return throughService(target, theOnly(services, target), port, protocol, options);
    }
    case 'nodeport':
      return resolveNodePort(target, question, options);
    case 'ingress':
      return resolveIngress(target, options);
  }
}

/**
 * An address that no node owns: a pod's, or a Service's. Undefined where nobody knows it; the API being down is no
 * error here, the address may be anything.
 */
export async function resolveClusterAddress(
  address: string,
  { port, protocol }: Pick<Symptom, 'port' | 'protocol'>,
  options: KubernetesOptions,
): Promise<FoundObject | undefined> {
  const { cluster } = options;
  if (cluster === null) return undefined;
  const pod = await cluster.podAt(address);
  if (pod.how === 'read' && pod.value !== null)
    return placeOfPod(pod.value, `${address} is pod ${pod.value.namespace}/${pod.value.name}`, options);
  const service = await cluster.serviceAt(address);
  if (service.how !== 'read' || service.value === null) return undefined;
  const { namespace, name } = service.value;
  const target: KubernetesTarget = { kind: 'kubernetes', object: 'svc', namespace, name };
  return throughService(target, service.value, port, protocol, options, address);
}

async function resolvePod(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
  const { cluster } = options;
  const asked = describeTarget(target);
  let trouble = 'netcheck was given no access to its API';
  if (cluster !== null) {
    const read = await cluster.pods(target.name, target.namespace ?? null);
    if (read.how === 'read') {
      if (read.value.length === 0) throw await noSuch(target, cluster);
      return placeOfPod(theOnly(read.value, target), asked, options);
    }
    trouble = `${cluster.where}: ${read.message}`;
  }
  const there = await options.podsOnNodes(target.name, target.namespace ?? null);
  const [first, ...more] = there;
  if (first === undefined)
    throw new NetcheckError(
      'ask/no-kubernetes',
      `"${asked}" was not found: Kubernetes cannot be asked (${trouble}), and none of the nodes that could be asked has it.`,
      'Ask with the node and the container instead, for example: node-50 netns 4321 port 1301',
      {
        zh: {
          message: `没有找到 "${asked}"：无法查询 Kubernetes（${trouble}），能问到的节点上也都没有它。`,
          hint: '请改用节点和容器来问，例如：node-50 netns 4321 port 1301',
        },
      },
    );
  if (more.some(({ namespace }) => namespace !== first.namespace))
    throw ambiguous(
      target,
      there.map(({ namespace, name }) => `pod ${namespace}/${name}`),
    );
  // A pod that was made again under its old name (StatefulSet) has left its logs on the node before: the one that lives.
  const refusals: NetcheckError[] = [];
  for (const pod of there) {
    try {
      return await inPod(pod.node, pod, null, { asked, by: 'nodes', trouble }, options);
    } catch (error) {
      if (!(error instanceof NetcheckError)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0] ?? new Error('a pod that was found was not looked at');
}

async function resolveDeployment(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
  const cluster = clusterFor(target, options);
  const pods = valueOf(await cluster.podsOf(target.name, target.namespace ?? null), target, cluster);
  if (pods === null) throw await noSuch(target, cluster);
  const living = pods.filter(({ phase, node }) => phase !== 'Succeeded' && phase !== 'Failed' && node !== null);
  // the one that is not ready is the one that somebody asks about
  const [pod] = living.toSorted((a, b) => Number(a.ready) - Number(b.ready) || a.name.localeCompare(b.name));
  if (pod === undefined)
    throw new NetcheckError(
      'ask/unknown-object',
      `${describeTarget(target)} has ${pods.length === 0 ? 'no pod' : 'no pod that runs'}.`,
      'kubectl describe says why; there is no network to look at before a pod runs.',
      {
        zh: {
          message: `${describeTarget(target)} ${pods.length === 0 ? '没有 Pod' : '没有在运行的 Pod'}。`,
          hint: 'kubectl describe 会说明原因；Pod 运行之前没有网络可看。',
        },
      },
    );
  const which =
    living.length === 1 ? 'its only pod' : `one of its ${living.length} pods${pod.ready ? '' : ', not ready'}`;
  return placeOfPod(pod, `${describeTarget(target)} (pod ${pod.namespace}/${pod.name}, ${which})`, options);
}

async function placeOfPod(pod: ClusterPod, asked: string, options: KubernetesOptions): Promise<FoundObject> {
  const { namespace, name, node: nodeName } = pod;
  if (nodeName === null)
    throw new NetcheckError(
      'ask/unknown-object',
      `Pod ${namespace}/${name} is not on any node (${pod.phase}).`,
      'kubectl describe says why it is not scheduled.',
      {
        zh: {
          message: `Pod ${namespace}/${name} 不在任何节点上（${pod.phase}）。`,
          hint: 'kubectl describe 会说明为什么没有被调度。',
        },
      },
    );
  const node = await inventoryNode(nodeName, options);
  if (node === null)
    throw new NetcheckError(
      'ask/unknown-node',
      `Pod ${namespace}/${name} runs on ${nodeName}, which is not in the inventory.`,
      `Add ${nodeName} to "nodes" in netcheck.yaml, so that netcheck can log in to it.`,
      {
        zh: {
          message: `Pod ${namespace}/${name} 运行在 ${nodeName} 上，清单中没有这个节点。`,
          hint: `请把 ${nodeName} 加到 netcheck.yaml 的 "nodes"，让 netcheck 能登录它。`,
        },
      },
    );
  const address = pod.addresses[0];
  if (pod.hostNetwork)
    return {
      place: { kind: 'node', node, address: address ?? node.target ?? node.address },
      behind: [],
      told: { asked, found: `${node.name}, in its own network (hostNetwork)`, by: 'api' },
    };
  return inPod(node, pod, address ?? null, { asked, by: 'api' }, options);
}

async function inPod(
  node: InventoryNode,
  {
    namespace,
    name,
    uid,
    workload = null,
  }: Pick<ClusterPod, 'namespace' | 'name' | 'uid'> & Partial<Pick<ClusterPod, 'workload'>>,
  address: string | null,
  told: Omit<LookedUp, 'found'>,
  { namespaceOn }: KubernetesOptions,
): Promise<FoundObject> {
  const netns = podNetns(uid);
  if (netns === null)
    throw new NetcheckError(
      'ask/no-namespace',
      `Pod ${namespace}/${name} on ${node.name} has no uid that its processes could be found by.`,
      'Ask with the node and a process of the pod instead, for example: node-50 netns 4321 port 1301',
      {
        zh: {
          message: `${node.name} 上的 Pod ${namespace}/${name} 没有可以用来找到其进程的 uid。`,
          hint: '请改用节点和 Pod 的一个进程来问，例如：node-50 netns 4321 port 1301',
        },
      },
    );
  const there = await namespaceOn(node, netns).catch((error: unknown) => {
    if (!(error instanceof NetcheckError)) throw error;
    throw new NetcheckError(
      'ask/no-namespace',
      told.by === 'api'
        ? `Kubernetes says that pod ${namespace}/${name} runs on ${node.name}, and no process of it was found there: ${error.message}`
        : error.message,
      told.by === 'api' ? 'Its answer may be old, or the pod has just ended: ask again.' : error.hint,
      told.by === 'api'
        ? {
            zh: {
              message: `Kubernetes 说 Pod ${namespace}/${name} 运行在 ${node.name} 上，但那里没有找到它的进程：${sentencesOf(error, 'zh').message}`,
              hint: '它的回答可能已过时，或者 Pod 刚刚结束：请再问一次。',
            },
          }
        : { zh: sentencesOf(error, 'zh') },
    );
  });
  if (there.isOwn)
    return {
      place: { kind: 'node', node, address: there.address },
      behind: [],
      told: { ...told, found: `${node.name}, in its own network (hostNetwork)` },
    };
  const own = canonicalAddress(address ?? there.address);
  const label = podPlace(namespace, name);
  return {
    place: { kind: 'node', node, address: own, netns, label },
    behind: [],
    told: {
      ...told,
      found: `${own} on ${node.name}`,
      ...(workload === null ? {} : { place: placeName(node.name, label), workload }),
    },
  };
}

async function throughService(
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
  const ready = endpoints.filter((one) => one.ready).length;
  return {
    place: { kind: 'external', address: canonicalAddress(address) },
    behind,
    told: { asked, found: `${address}, ${ready} of ${endpoints.length} endpoints ready`, by: 'api' },
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

async function resolveNodePort(
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

async function resolveIngress(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
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
  const found = new Map<string, { readonly node: InventoryNode; readonly why: string }>();
  for (const { node: name, pod, address } of endpoints.toSorted((a, b) => Number(b.ready) - Number(a.ready))) {
    if (name === null || found.size >= mostServerNodes) continue;
    const node = await inventoryNode(name, options);
    if (node !== null && !found.has(node.name))
      found.set(node.name, { node, why: `${pod === null ? address : `pod ${pod}`} behind ${asked} is there` });
  }
  return [...found.values()];
}

/** The inventory may know a Kubernetes node by its name, by the first part of it, or by its address. */
async function inventoryNode(name: string, { inventory, cluster }: KubernetesOptions): Promise<InventoryNode | null> {
  const known = (await inventory.find(name)) ?? (await inventory.find(name.split('.')[0] ?? name));
  if (known !== null || cluster === null) return known;
  const nodes = await cluster.nodes();
  if (nodes.how === 'failed') return null;
  for (const address of nodes.value.find((one) => one.name === name)?.addresses ?? []) {
    const owner = await inventory.ownerOf(canonicalAddress(address));
    if (owner !== null) return owner;
  }
  return null;
}

function clusterFor(target: KubernetesTarget, { cluster }: KubernetesOptions): ClusterReader {
  if (cluster !== null) return cluster;
  throw new NetcheckError(
    'ask/no-kubernetes',
    `"${describeTarget(target)}" cannot be looked up: netcheck has no access to Kubernetes here.`,
    `${insteadOf(target).en} Or give netcheck a kubeconfig: "kubernetes" in netcheck.yaml.`,
    {
      zh: {
        message: `无法查询 "${describeTarget(target)}"：这里的 netcheck 无法访问 Kubernetes。`,
        hint: `${insteadOf(target).zh} 或者在 netcheck.yaml 的 "kubernetes" 中给出 kubeconfig。`,
      },
    },
  );
}

function valueOf<T>(read: ClusterRead<T>, target: KubernetesTarget, cluster: ClusterReader): T {
  if (read.how === 'read') return read.value;
  throw new NetcheckError(
    'ask/no-kubernetes',
    `"${describeTarget(target)}" cannot be looked up: ${cluster.where}: ${read.message}.`,
    read.why === 'forbidden'
      ? 'deploy/ has the role that netcheck needs (get and list, nothing else).'
      : insteadOf(target).en,
    {
      zh: {
        message: `无法查询 "${describeTarget(target)}"：${cluster.where}：${read.message}。`,
        hint:
          read.why === 'forbidden' ? 'deploy/ 中有 netcheck 需要的角色（只有 get 和 list）。' : insteadOf(target).zh,
      },
    },
  );
}

/** How to ask the same without Kubernetes. */
function insteadOf({ object, name }: KubernetesTarget): Readonly<Record<Language, string>> {
  switch (object) {
    case 'svc':
    case 'ingress':
      return {
        en: 'Ask with its address and port instead, for example: 10.96.0.44 port 80',
        zh: '请改用它的地址和端口来问，例如：10.96.0.44 port 80',
      };
    case 'nodeport':
      return {
        en: `Ask with a node instead, for example: node-50 port ${name}`,
        zh: `请改用节点来问，例如：node-50 port ${name}`,
      };
    case 'pod':
    case 'deploy':
      return {
        en: 'Ask with the node and the container instead, for example: node-50 netns 4321 port 1301',
        zh: '请改用节点和容器来问，例如：node-50 netns 4321 port 1301',
      };
  }
}

function theOnly<T extends { readonly namespace: string; readonly name: string }>(
  found: readonly T[],
  target: KubernetesTarget,
): T {
  const [first, ...more] = found;
  if (first === undefined)
    throw new NetcheckError(
      'ask/unknown-object',
      `There is no ${describeTarget(target)}.`,
      'Write it as namespace/name; kubectl get lists them.',
      { zh: { message: `没有 ${describeTarget(target)}。`, hint: '请写成 命名空间/名字；kubectl get 会列出它们。' } },
    );
  if (more.length > 0)
    throw ambiguous(
      target,
      found.map(({ namespace, name }) => `${target.object} ${namespace}/${name}`),
    );
  return first;
}

function ambiguous(target: KubernetesTarget, found: readonly string[]): NetcheckError {
  return new NetcheckError(
    'ask/unknown-object',
    `There are several "${describeTarget(target)}".`,
    `Say which: ${[...new Set(found)].slice(0, 5).join(', ')}.`,
    {
      zh: {
        message: `有多个 "${describeTarget(target)}"。`,
        hint: `请说明是哪一个：${[...new Set(found)].slice(0, 5).join('、')}。`,
      },
    },
  );
}

/** With the names that it may have meant: people leave the hash of a pod out. */
async function noSuch(target: KubernetesTarget, cluster: ClusterReader): Promise<NetcheckError> {
  const deployment = target.object === 'pod' ? await cluster.podsOf(target.name, target.namespace ?? null) : undefined;
  const pods = deployment?.how === 'read' ? (deployment.value ?? []) : [];
  const close = closestNames(
    target.name,
    pods.map(({ name }) => name),
  );
  const meant = pods.length > 0 ? (close.length > 0 ? close : pods.slice(0, 3).map(({ name }) => name)) : [];
  return new NetcheckError(
    'ask/unknown-object',
    `There is no ${describeTarget(target)}.`,
    meant.length > 0
      ? `It is a Deployment: ask "deploy ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}", or one of its pods: ${meant.join(', ')}.`
      : 'Write it as namespace/name; kubectl get lists them.',
    {
      zh: {
        message: `没有 ${describeTarget(target)}。`,
        hint:
          meant.length > 0
            ? `它是 Deployment：请问 "deploy ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}"，或它的某个 Pod：${meant.join('、')}。`
            : '请写成 命名空间/名字；kubectl get 会列出它们。',
      },
    },
  );
}
