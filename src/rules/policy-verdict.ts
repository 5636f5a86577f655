import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod, KubePolicy, LabelSelector, PolicyPeer } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import { inPrefix } from './ip-address.ts';

type Told<T> = T & { readonly at: At };

/** Who talks with the pod. `pod` undefined: nobody of the cluster has the address, or it is a node. */
export interface PolicyOther {
  readonly address: string;
  readonly pod: KubePod | undefined;
}

export interface PolicyQuestion {
  readonly pod: KubePod;
  /** Into the pod, or out of it. */
  readonly direction: 'ingress' | 'egress';
  readonly other: PolicyOther;
  /** Of who is connected to, behind any Service. */
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** `denied`: these policies select the pod for that direction, and none of their rules lets the connect pass. */
export type PolicyVerdict =
  | { readonly how: 'notSelected' }
  | { readonly how: 'allowed'; readonly by: Told<KubePolicy> }
  | { readonly how: 'denied'; readonly by: readonly Told<KubePolicy>[] }
  | { readonly how: 'unknown'; readonly missing: 'policies' | 'namespaces' };

/**
 * What the NetworkPolicies of a cluster say of one connect, as networking/v1 defines it: once any policy selects a pod for
 * a direction, only what a rule of one of them names may pass.
 */
export function policyVerdict(
  { policies, namespaces, missing }: Pick<Cluster, 'policies' | 'namespaces' | 'missing'>,
  question: PolicyQuestion,
): PolicyVerdict {
  if (policies === undefined || missing.policies !== undefined) return { how: 'unknown', missing: 'policies' };
  const { pod, direction } = question;
  const selecting = policies.filter(
    (policy) => policy.namespace === pod.namespace && policy[direction] !== null && selects(policy.pods, pod.labels),
  );
  if (selecting.length === 0) return { how: 'notSelected' };
  let isOpen = false;
  for (const policy of selecting)
    for (const { peers, ports } of policy[direction] ?? []) {
      if (ports.length > 0 && !ports.some((one) => isPort(one, question))) continue;
      if (peers.length === 0) return { how: 'allowed', by: policy };
      const found = peers.map((peer) => isPeer(peer, policy.namespace, question.other, namespaces));
      if (found.includes(true)) return { how: 'allowed', by: policy };
      if (found.includes(null)) isOpen = true;
    }
  return isOpen ? { how: 'unknown', missing: 'namespaces' } : { how: 'denied', by: selecting };
}

/** An empty selector selects everything. */
export function selects({ matchLabels, matchExpressions }: LabelSelector, labels: KubePod['labels']): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
        default:
          return false;
      }
    })
  );
}

type PolicyPort = NonNullable<KubePolicy['ingress']>[number]['ports'][number];

function isPort({ protocol, port, endPort }: PolicyPort, question: PolicyQuestion): boolean {
  if (protocol !== question.protocol) return false;
  if (port === null) return true;
  if (typeof port === 'number') return question.port >= port && question.port <= (endPort ?? port);
  // the name of a port is that of the pod that is connected to
  const to = question.direction === 'ingress' ? question.pod : question.other.pod;
  return (to?.containers ?? []).some(({ ports }) =>
    ports.some((one) => one.name === port && one.port === question.port && one.protocol === protocol),
  );
}

/** Null: it depends on labels of a namespace that were not read. */
function isPeer(
  { podSelector, namespaceSelector, ipBlock }: PolicyPeer,
  namespace: string,
  { address, pod }: PolicyOther,
  namespaces: Cluster['namespaces'],
): boolean | null {
  if (ipBlock !== null)
    return inPrefix(address, ipBlock.cidr) === true && !ipBlock.except.some((one) => inPrefix(address, one) === true);
  if (pod === undefined) return false;
  if (podSelector !== null && !selects(podSelector, pod.labels)) return false;
  if (namespaceSelector === null) return pod.namespace === namespace;
  const labels = namespaces?.find(({ name }) => name === pod.namespace)?.labels;
  return labels === undefined ? null : selects(namespaceSelector, labels);
}
