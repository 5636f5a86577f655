import type { ClusterRead } from '../model/cluster.ts';
import { NetcheckError } from '../model/errors.ts';
import type { Language } from '../model/language.ts';
import { describeTarget } from './ask.ts';
import { closestNames } from './inventory.ts';
import type { KubernetesOptions, KubernetesTarget } from './kubernetes-place.ts';
import type { ClusterReader } from './ports.ts';

export function clusterFor(target: KubernetesTarget, { cluster }: KubernetesOptions): ClusterReader {
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

export function valueOf<T>(read: ClusterRead<T>, target: KubernetesTarget, cluster: ClusterReader): T {
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

export function theOnly<T extends { readonly namespace: string; readonly name: string }>(
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

export function ambiguous(target: KubernetesTarget, found: readonly string[]): NetcheckError {
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
export async function noSuch(target: KubernetesTarget, cluster: ClusterReader): Promise<NetcheckError> {
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

/** How to ask the same without Kubernetes. */
function insteadOf({ object, name }: KubernetesTarget): Readonly<Record<Language, string>> {
  switch (object) {
    case 'svc':
    case 'ingress':
      return {
        en: 'Ask with its address and port instead, for example: 10.96.0.44 port 80 (on a node, ipvsadm -Ln and the comments in iptables-save have the addresses of Services).',
        zh: '请改用它的地址和端口来问，例如：10.96.0.44 port 80（节点上的 ipvsadm -Ln 和 iptables-save 的注释里有 Service 的地址）。',
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
