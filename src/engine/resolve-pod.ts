import type { ClusterPod } from '../model/cluster.ts';
import { NetcheckError, sentencesOf } from '../model/errors.ts';
import type { InventoryNode } from '../model/inventory.ts';
import { placeName, podNetns, podPlace } from '../model/netns.ts';
import type { LookedUp } from '../model/plan.ts';
import { describeTarget } from './ask.ts';
import { inventoryNode } from './kubernetes-node.ts';
import type { FoundObject, KubernetesOptions, KubernetesTarget } from './kubernetes-place.ts';
import { ambiguous, clusterFor, noSuch, theOnly, valueOf } from './kubernetes-refusals.ts';
import { canonicalAddress } from './settle-address.ts';

export async function resolvePod(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
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

export async function resolveDeployment(target: KubernetesTarget, options: KubernetesOptions): Promise<FoundObject> {
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

export async function placeOfPod(pod: ClusterPod, asked: string, options: KubernetesOptions): Promise<FoundObject> {
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
  const node = await inventoryNode(nodeName, options, 'nodes');
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
  try {
    return await inPod(node, pod, address ?? null, { asked, by: 'api' }, options);
  } catch (error) {
    const elsewhere = noSuchNamespace(error) ? await onAnotherNode(pod, node, asked, options) : undefined;
    if (elsewhere === undefined) throw error;
    return elsewhere;
  }
}

const noSuchNamespace = (error: unknown): boolean =>
  error instanceof NetcheckError && error.code === 'ask/no-namespace';

/** What the API says of a pod may be old: it is where its kubelet has its logs and its processes run. */
async function onAnotherNode(
  { namespace, name }: ClusterPod,
  said: InventoryNode,
  asked: string,
  options: KubernetesOptions,
): Promise<FoundObject | undefined> {
  for (const pod of await options.podsOnNodes(name, namespace)) {
    if (pod.node.name === said.name) continue;
    try {
      return await inPod(pod.node, pod, null, { asked, by: 'nodes', insteadOf: said.name }, options);
    } catch (error) {
      // its logs outlive it
      if (!noSuchNamespace(error)) throw error;
    }
  }
  return undefined;
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
