import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod } from '../model/cluster-objects.ts';
import type { LookedUp, Plan } from '../model/plan.ts';
import { sameAddress } from '../rules/ip-address.ts';

export type Workload = NonNullable<LookedUp['workload']>;

/** Labels that controllers put on pods: they name one generation of them, or one pod. */
const generations =
  /^(?:pod-template-hash|controller-revision-hash|pod-template-generation|statefulset\.kubernetes\.io\/.*|apps\.kubernetes\.io\/.*|batch\.kubernetes\.io\/.*|controller-uid|job-name)$/;

/**
 * What made a pod, by the labels that controllers put on it and the name that they gave it (apps/v1); undefined where they
 * do not tell: long names are cut.
 */
export function makerOf({
  namespace,
  name,
  labels,
}: Pick<KubePod, 'namespace' | 'name' | 'labels'>): Workload | undefined {
  const hash = labels['pod-template-hash'];
  if (hash !== undefined) {
    const end = name.lastIndexOf(`-${hash}-`);
    return end > 0 ? { kind: 'deployment', namespace, name: name.slice(0, end) } : undefined;
  }
  if (labels['statefulset.kubernetes.io/pod-name'] === name && /.-\d+$/.test(name))
    return { kind: 'statefulset', namespace, name: name.replace(/-\d+$/, '') };
  if (labels['pod-template-generation'] !== undefined && /.-[a-z0-9]{5}$/.test(name))
    return { kind: 'daemonset', namespace, name: name.slice(0, -6) };
  return undefined;
}

/** What made the pod of a place: as it was looked up for the question, else as the pod with its address says. */
export function workloadAt(
  place: string,
  plan: Pick<Plan, 'lookedUp' | 'nodes'>,
  cluster?: Cluster,
): Workload | undefined {
  const pod = podWith(cluster, addressesAt(place, plan));
  return plan.lookedUp?.find((one) => one.place === place)?.workload ?? (pod === undefined ? undefined : makerOf(pod));
}

/** The addresses of a place of the run. */
export function addressesAt(place: string, { nodes }: Pick<Plan, 'nodes'>): readonly string[] {
  return nodes.flatMap(({ node, address }) => (node.name === place ? [address] : []));
}

/** The pod that has one of these addresses for itself. */
export function podWith(cluster: Cluster | undefined, addresses: readonly string[]): KubePod | undefined {
  return cluster?.pods?.find(
    (pod) => !pod.hostNetwork && pod.addresses.some((one) => addresses.some((other) => sameAddress(one, other))),
  );
}

/** The pods that the Services of the target send to, as far as they were read. */
export function servingPods({ endpoints = [], pods = [] }: Cluster): readonly KubePod[] {
  const behind = new Set(endpoints.map(({ pod }) => pod));
  return pods.filter(({ namespace, name }) => behind.has(`${namespace}/${name}`));
}

/** What made all of these pods; undefined where they are of several. */
export function commonMaker(pods: readonly KubePod[]): Workload | undefined {
  const makers = pods.map(makerOf);
  const [first] = makers;
  return makers.every((one) => one !== undefined && one.kind === first?.kind && one.name === first.name)
    ? first
    : undefined;
}

/** The container of a pod that serves a port: the one that says so, else the only one there is. */
export function containerFor({ containers }: KubePod, port: number | null): string | undefined {
  const declared = containers.find(({ ports }) => ports.some((one) => one.port === port));
  const [only, ...others] = containers;
  return declared?.name ?? (others.length === 0 ? only?.name : undefined);
}

/** Labels that the pod shares with those that come after it, for a selector. */
export function lastingLabels({ labels }: KubePod): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !generations.test(key)));
}
