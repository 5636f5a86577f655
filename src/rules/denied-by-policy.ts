import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod, KubePolicy } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Plan } from '../model/plan.ts';
import type { Because } from '../model/report.ts';
import { because } from './because.ts';
import { type ClusterText, clusterLack, kubeBehind, kubePodAt, speakerOf } from './cluster-view.ts';
import { policyVerdict } from './policy-verdict.ts';

/** Pairs of a client and a pod behind the target that are looked at. */
const mostPairs = 24;

export const policyText = {
  en: {
    policyDenied: (v: { pod: string; direction: string; policies: string; other: string; port: string }) =>
      `NetworkPolicy ${v.policies} selects pod ${v.pod} and has no rule for ${v.direction} ${v.other}, port ${v.port}`,
    policyInto: 'connects from',
    policyOutOf: 'connects to',
  },
  zh: {
    policyDenied: (v: { pod: string; direction: string; policies: string; other: string; port: string }) =>
      `NetworkPolicy ${v.policies} 选中了 Pod ${v.pod}，但没有放行${v.direction} ${v.other}、端口 ${v.port} 的规则`,
    policyInto: '来自',
    policyOutOf: '去往',
  },
};

export interface PolicyDenial {
  readonly pod: KubePod;
  readonly direction: 'ingress' | 'egress';
  readonly policies: readonly (KubePolicy & { readonly at: At })[];
  readonly other: { readonly address: string; readonly pod: KubePod | undefined };
  readonly port: number;
  /** The other end is a pod, or nobody of the cluster: nodes may be let in whatever a policy says. */
  readonly isSure: boolean;
}

export interface PoliciesSay {
  readonly denials: readonly PolicyDenial[];
  /** Pairs of the question that were looked at. */
  readonly pairs: number;
  /** What could not be read, as a sentence; null: everything was. */
  readonly lack: string | null;
}

/**
 * Which connects of the question the NetworkPolicies turn away, as far as this node is to say it: what goes into a pod is
 * said by the node of that pod, what goes out likewise; where that is no node of the run, by the first.
 */
export function policiesSay(
  cluster: Cluster | undefined,
  { plan, node }: { readonly plan: Plan; readonly node: string },
  say: ClusterText,
): PoliciesSay | null {
  // a pod's own place sees the same as its node
  if (cluster === undefined || node.includes('@')) return null;
  const { symptom, targetAddress } = plan;
  const { protocol } = symptom;
  const kube = kubeBehind(cluster, { address: targetAddress, port: symptom.port }, protocol);
  const targetPod = kubePodAt(cluster, targetAddress);
  const servers: { readonly pod: KubePod | undefined; readonly address: string; readonly port: number }[] =
    kube === null
      ? [{ pod: targetPod, address: targetAddress, port: symptom.port }]
      : kube.usable.flatMap(({ address, ports }) => {
          const [first, ...more] = ports.flatMap(({ port }) => (port === null ? [] : [port]));
          // several ports: which of them is meant stands under a name that the endpoints have as well
          return first === undefined || more.length > 0
            ? ports.flatMap(({ name, port }) =>
                port !== null && name === nameOf(kube.service.ports, symptom.port)
                  ? [{ pod: kubePodAt(cluster, address), address, port }]
                  : [],
              )
            : [{ pod: kubePodAt(cluster, address), address, port: first }];
        });
  const clients = [
    ...plan.nodes.filter(({ roles }) => roles.includes('client')).map(({ address }) => address),
    ...plan.externalClients,
  ].map((address) => ({ address, pod: kubePodAt(cluster, address) }));
  const isNode = (address: string): boolean =>
    cluster.nodes?.some(({ addresses }) => addresses.includes(address)) === true ||
    plan.nodes.some((one) => one.netns === undefined && one.address === address);

  let lack = clusterLack(cluster, say, 'policies', 'pods');
  const denials: PolicyDenial[] = [];
  let pairs = 0;
  for (const client of clients)
    for (const server of servers) {
      if (pairs >= mostPairs) break;
      for (const direction of ['ingress', 'egress'] as const) {
        const [own, other] = direction === 'ingress' ? [server, client] : [client, server];
        const { pod } = own;
        if (pod === undefined || pod.hostNetwork || speakerOf(cluster, plan, pod) !== node) continue;
        pairs += 1;
        const verdict = policyVerdict(cluster, { pod, direction, other, port: server.port, protocol });
        if (verdict.how === 'unknown') lack ??= clusterLack(cluster, say, verdict.missing);
        if (verdict.how === 'denied')
          denials.push({
            pod,
            direction,
            policies: verdict.by,
            other,
            port: server.port,
            isSure: lack === null && !isNode(other.address),
          });
      }
    }
  return { denials, pairs, lack };
}

function nameOf(ports: readonly { readonly name: string; readonly port: number }[], asked: number): string {
  return ports.find(({ port }) => port === asked)?.name ?? '';
}

/** The first of them, by name. */
export function denialReasons(
  denials: readonly PolicyDenial[],
  { protocol }: { readonly protocol: string },
  say: (typeof policyText)['en'],
): readonly Because[] {
  return denials.slice(0, 3).flatMap(({ pod, direction, policies, other, port }) => {
    const [first] = policies;
    if (first === undefined) return [];
    const text = say.policyDenied({
      pod: `${pod.namespace}/${pod.name}`,
      direction: direction === 'ingress' ? say.policyInto : say.policyOutOf,
      policies: policies
        .slice(0, 4)
        .map(({ namespace, name }) => `${namespace}/${name}`)
        .join(', '),
      other: other.pod === undefined ? other.address : `${other.pod.namespace}/${other.pod.name} (${other.address})`,
      port: `${port}/${protocol}`,
    });
    return [because(text, first.at)];
  });
}
