import type { ApiObject } from '../../fakes/kubernetes/fake-api-server.ts';
import { type ClusterPod, type ClusterService, nodes, pods, podsBehind, services } from './pods.ts';

const templateHash = ({ name }: ClusterPod): string => name.split('-').at(-2) ?? '';

export function podObject(pod: ClusterPod): ApiObject {
  const { namespace, name, uid, node, address, app, owner } = pod;
  const ofReplicaSet = owner.kind === 'Deployment';
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid,
      labels: { app, ...(ofReplicaSet ? { 'pod-template-hash': templateHash(pod) } : {}) },
      ownerReferences: [
        ofReplicaSet
          ? { kind: 'ReplicaSet', name: `${owner.name}-${templateHash(pod)}`, controller: true }
          : { kind: owner.kind, name: owner.name, controller: true },
      ],
    },
    spec: { nodeName: node },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      hostIP: nodes.find((one) => one.name === node)?.address,
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

export function sliceObject(service: ClusterService, behind: readonly ClusterPod[]): ApiObject {
  const { namespace, name, targetPort } = service;
  return {
    kind: 'EndpointSlice',
    metadata: { name: `${name}-x7k2p`, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: targetPort, protocol: 'TCP' }],
    endpoints: behind.map((pod) => ({
      addresses: [pod.address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: pod.node,
      targetRef: { kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid },
    })),
  };
}

const serviceObject = ({ namespace, name, address, port, nodePort, app, targetPort }: ClusterService): ApiObject => ({
  kind: 'Service',
  metadata: { name, namespace },
  spec: {
    type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
    clusterIP: address,
    clusterIPs: [address],
    selector: { app },
    sessionAffinity: 'None',
    ...(nodePort === undefined ? {} : { externalTrafficPolicy: 'Cluster' }),
    ports: [{ name: 'http', protocol: 'TCP', port, targetPort, ...(nodePort === undefined ? {} : { nodePort }) }],
  },
});

const deployments = new Map(
  pods.filter(({ owner }) => owner.kind === 'Deployment').map((pod) => [pod.owner.name, pod] as const),
);

/** The cluster as its API tells it: made from the same data as its nodes. */
export const clusterObjects: readonly ApiObject[] = [
  ...nodes.map(
    ({ name, address }): ApiObject => ({
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      status: {
        addresses: [
          { type: 'InternalIP', address },
          { type: 'Hostname', address: name },
        ],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    }),
  ),
  ...pods.map(podObject),
  ...services.map(serviceObject),
  ...services.map((service) => sliceObject(service, podsBehind(service))),
  ...[...deployments].map(
    ([name, { namespace, app }]): ApiObject => ({
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: { selector: { matchLabels: { app } } },
    }),
  ),
];
