import type { Cluster } from '../../src/model/cluster-facts.ts';
import type {
  KubeEndpoint,
  KubeEvent,
  KubeNode,
  KubePod,
  KubePolicy,
  KubeService,
} from '../../src/model/cluster-objects.ts';
import type { At } from '../../src/model/evidence.ts';
import { Plan } from '../../src/model/plan.ts';
import { plan, target } from './facts.ts';

/** Builders of what the API said: Service `shop/cart` is the target, with one pod on node-50. */

const at = (part: string): At => ({ evidence: `evidence/_kubernetes/01-${part}.out`, line: 1 });
export const readAtMs = 1_800_000_000_000;
/** Address and port of the pod. */
export const podAddress = '10.244.2.7';

export const kubeService = (values: Partial<KubeService> = {}): KubeService & { at: At } => ({
  kind: 'service',
  namespace: 'shop',
  name: 'cart',
  type: 'ClusterIP',
  addresses: [target.address],
  externalAddresses: [],
  ports: [{ name: 'http', protocol: 'tcp', port: target.port, targetPort: 8080, nodePort: null }],
  selector: { app: 'cart' },
  externalTrafficPolicy: null,
  internalTrafficPolicy: 'Cluster',
  sessionAffinity: 'None',
  affinityTimeoutSec: null,
  healthCheckNodePort: null,
  ...values,
  at: at('services'),
});

export const kubeEndpoint = (values: Partial<KubeEndpoint> = {}): KubeEndpoint & { at: At } => ({
  kind: 'endpoint',
  service: 'shop/cart',
  address: podAddress,
  ports: [{ name: 'http', port: 8080 }],
  ready: true,
  serving: true,
  terminating: false,
  node: 'node-50',
  pod: 'shop/cart-1',
  ...values,
  at: at('endpoints'),
});

export const container = (values: Partial<KubePod['containers'][number]> = {}): KubePod['containers'][number] => ({
  name: 'app',
  ready: true,
  restarts: 0,
  state: 'running',
  reason: null,
  startedAtMs: readAtMs - 86_400_000,
  last: null,
  ports: [{ name: 'http', port: 8080, protocol: 'tcp' }],
  ...values,
});

export const kubePod = (values: Partial<KubePod> = {}): KubePod & { at: At } => ({
  kind: 'pod',
  namespace: 'shop',
  name: 'cart-1',
  labels: { app: 'cart' },
  node: 'node-50',
  addresses: [podAddress],
  hostNetwork: false,
  phase: 'Running',
  ready: true,
  readySinceMs: null,
  notReadyWhy: null,
  startedAtMs: readAtMs - 86_400_000,
  deletedAtMs: null,
  containers: [container()],
  ...values,
  at: at('pods'),
});

export const kubeNode = (name: string, values: Partial<KubeNode> = {}): KubeNode & { at: At } => ({
  kind: 'node',
  name,
  addresses: [],
  ready: 'True',
  readySinceMs: null,
  notReadyWhy: null,
  troubles: [],
  taints: [],
  unschedulable: false,
  podCidrs: [],
  ...values,
  at: at('nodes'),
});

export const kubeEvent = (values: Partial<KubeEvent> = {}): KubeEvent & { at: At } => ({
  kind: 'event',
  pod: 'shop/cart-1',
  type: 'Warning',
  reason: 'Unhealthy',
  message: 'Readiness probe failed: timeout',
  count: 1,
  firstAtMs: readAtMs - 60_000,
  lastAtMs: readAtMs - 1000,
  ...values,
  at: at('events'),
});

export const everyPod = { matchLabels: {}, matchExpressions: [] } as const;

export const kubePolicy = (values: Partial<KubePolicy> = {}): KubePolicy & { at: At } => ({
  kind: 'networkPolicy',
  namespace: 'shop',
  name: 'only-web',
  pods: { matchLabels: {}, matchExpressions: [] },
  ingress: [
    {
      peers: [
        {
          podSelector: { matchLabels: { role: 'web' }, matchExpressions: [] },
          namespaceSelector: null,
          ipBlock: null,
        },
      ],
      ports: [],
    },
  ],
  egress: null,
  ...values,
  at: at('policies'),
});

export function cluster(values: Partial<Cluster> = {}): Cluster {
  return {
    services: [kubeService()],
    endpoints: [kubeEndpoint()],
    pods: [kubePod()],
    policies: [],
    namespaces: [{ kind: 'namespace', name: 'shop', labels: {}, at: at('namespaces') }],
    events: [],
    nodes: [kubeNode('node-50'), kubeNode('node-12')],
    workloads: [],
    cni: [],
    missing: {},
    readAtMs,
    at: at('nodes'),
    ...values,
  };
}

/** Nothing could be read. */
export const apiDown: Cluster = {
  missing: Object.fromEntries(
    (
      ['services', 'endpoints', 'pods', 'policies', 'namespaces', 'events', 'nodes', 'proxy', 'cni', 'dns'] as const
    ).map((part) => [part, 'the connection is refused']),
  ),
  readAtMs,
  at: { evidence: '01-nodes' },
};

/** A question that names the Service. */
export const askedService = (): Plan =>
  Plan.parse({ ...plan(), lookedUp: [{ asked: 'svc shop/cart', found: `${target.address}, 0 of 0`, by: 'api' }] });
