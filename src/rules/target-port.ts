import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod, KubeService } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Endpoint } from '../model/facts.ts';
import type { Because, KubeDraft } from '../model/report.ts';
import { because } from './because.ts';
import { kubeServiceOf, serviceKey } from './cluster-view.ts';
import { type KubeObjectSentences, servicePortDraft } from './kube-objects.ts';

/** What a Service sends to, beside what its pods declare, in words that two rules share. */
export const targetPortText = {
  en: {
    targetPortNamed: (v: { service: string; targetPort: string; pod: string; ports: string }) =>
      `Kubernetes: targetPort "${v.targetPort}" of Service ${v.service} is the name of no port of pod ${v.pod} (${v.ports})`,
    targetPortNumbered: (v: { service: string; targetPort: string; pod: string; ports: string }) =>
      `Kubernetes: Service ${v.service} sends to port ${v.targetPort}, which pod ${v.pod} does not declare (${v.ports})`,
    targetPortListens: (v: { port: number }) => `The pod does listen on port ${v.port}, which it declares`,
    noPorts: 'it declares none',
  },
  zh: {
    targetPortNamed: (v: { service: string; targetPort: string; pod: string; ports: string }) =>
      `Kubernetes：Service ${v.service} 的 targetPort “${v.targetPort}” 不是 Pod ${v.pod} 任何端口的名字（${v.ports}）`,
    targetPortNumbered: (v: { service: string; targetPort: string; pod: string; ports: string }) =>
      `Kubernetes：Service ${v.service} 转发到端口 ${v.targetPort}，而 Pod ${v.pod} 没有声明它（${v.ports}）`,
    targetPortListens: (v: { port: number }) => `该 Pod 在监听它声明的端口 ${v.port}`,
    noPorts: '没有声明任何端口',
  },
};
type TargetPortText = typeof targetPortText.en;

export interface WrongTargetPort {
  readonly reasons: readonly Because[];
  /** The Service with the only port that it can mean; none where there are several, or nobody knows. */
  readonly drafts: readonly KubeDraft[];
}

/**
 * The target is a Service that sends to a port which its pods do not have. A number that is not declared may be listened on
 * all the same: it counts only where a declared one is listened on instead.
 *
 * @param listening ports that a process of the pod listens on, where they were read
 */
export function wrongTargetPort(
  cluster: Cluster | undefined,
  asked: Endpoint,
  protocol: 'tcp' | 'udp',
  listening: readonly number[] | undefined,
  say: TargetPortText & KubeObjectSentences,
): WrongTargetPort | null {
  const found = kubeServiceOf(cluster, asked, protocol);
  if (cluster?.pods === undefined || !found || found.port.targetPort === null) return null;
  const { service, port } = found;
  const pod = podsOf(service, cluster.pods)[0];
  if (pod === undefined) return null;
  const declared = pod.containers.flatMap(({ ports }) => ports).filter((one) => one.protocol === protocol);
  const { targetPort } = port;
  const isThere = declared.some((one) => (typeof targetPort === 'number' ? one.port : one.name) === targetPort);
  if (targetPort === null || isThere) return null;
  const ports = declared.map((one) => `${one.name === '' ? '' : `${one.name} `}${one.port}`).join(', ');
  const values = {
    service: serviceKey(service),
    targetPort: String(targetPort),
    pod: `${pod.namespace}/${pod.name}`,
    ports: ports === '' ? say.noPorts : ports,
  };
  const words = typeof targetPort === 'number' ? say.targetPortNumbered(values) : say.targetPortNamed(values);
  const candidates = declared.filter((one) => listening === undefined || listening.includes(one.port));
  const [meant, ...others] = candidates;
  const isClear = meant !== undefined && others.length === 0;
  if (typeof targetPort === 'number' && (listening === undefined || !isClear)) return null;
  return {
    reasons: [
      because(words, service.at),
      ...(isClear && listening !== undefined ? [because(say.targetPortListens({ port: meant.port }), pod.at)] : []),
    ],
    drafts: isClear
      ? [
          servicePortDraft(say.kubeServicePort({ name: values.pod, port: port.port }), service, {
            name: port.name,
            protocol,
            port: port.port,
            targetPort: meant.port,
          }),
        ]
      : [],
  };
}

function podsOf(
  { selector, namespace }: KubeService,
  pods: readonly (KubePod & { readonly at: At })[],
): readonly (KubePod & { readonly at: At })[] {
  const wanted = Object.entries(selector ?? {});
  if (wanted.length === 0) return [];
  return pods.filter((pod) => pod.namespace === namespace && wanted.every(([key, value]) => pod.labels[key] === value));
}
