/** A node of the cluster as its objects know it. */
export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  /** `runc`: a guest whose pods containerd runs. `namespaces`: pods are plain namespaces with a kubelet's directories. */
  readonly pods: 'runc' | 'namespaces';
  /** How kube-proxy works there. */
  readonly proxy: 'ipvs' | 'iptables';
}

export interface ClusterPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly address: string;
  readonly app: string;
  readonly owner: { readonly kind: 'Deployment' | 'StatefulSet'; readonly name: string };
  /** Where it listens; a pod without is a client. */
  readonly port?: number;
  /** Of its own network namespace. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

export interface ClusterService {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly nodePort?: number;
  /** Label `app` of its pods. */
  readonly app: string;
  readonly targetPort: number;
}

/** What the nodes of the lab, their rules and the objects of the API are all made from: they cannot drift apart. */
export const nodes = [
  { name: 'node-2', address: '172.16.0.2', pods: 'runc', proxy: 'ipvs' },
  { name: 'node-3', address: '172.16.0.3', pods: 'runc', proxy: 'ipvs' },
  { name: 'node-4', address: '172.16.0.4', pods: 'namespaces', proxy: 'iptables' },
] as const satisfies readonly ClusterNode[];

/** The pods of each node have a /24 of their own: `10.244.N.0/24`. */
export const podNetwork = '10.244.0.0/16';

const pod = (number: number, rest: Omit<ClusterPod, 'namespace' | 'uid'>): ClusterPod => ({
  namespace: 'shop',
  uid: `7d1c0f5a-3b52-4c8e-9a61-${number.toString(16).padStart(12, '0')}`,
  ...rest,
});
const client = { kind: 'Deployment', name: 'client' } as const;

/** In report 0 the pod that gets through now and then: its TCP timestamps have a random offset per connection. */
export const clientA = pod(0xa1, {
  name: 'client-6d5f8c7b9-a4xkq',
  node: 'node-2',
  address: '10.244.2.5',
  app: 'client',
  owner: client,
});
/** In report 0 the pod that never gets through: its TCP timestamps are the time since its node has booted. */
export const clientB = pod(0xb2, {
  name: 'client-6d5f8c7b9-b8wzt',
  node: 'node-2',
  address: '10.244.2.6',
  app: 'client',
  owner: client,
  sysctls: { 'net.ipv4.tcp_timestamps': '2' },
});
/** Keeps its connections for long, and says nothing for long. */
export const hermod = pod(0xc3, {
  name: 'hermod-0',
  node: 'node-2',
  address: '10.244.2.7',
  app: 'hermod',
  owner: { kind: 'StatefulSet', name: 'hermod' },
});
export const web = pod(0xd4, {
  name: 'web-7c9d5b6f4-x2jlm',
  node: 'node-3',
  address: '10.244.3.2',
  app: 'web',
  owner: { kind: 'Deployment', name: 'web' },
  port: 8080,
});
export const gateway = pod(0xe5, {
  name: 'gateway-5b8c7d9f6-k9q4r',
  node: 'node-3',
  address: '10.244.3.3',
  app: 'gateway',
  owner: { kind: 'Deployment', name: 'gateway' },
  port: 8080,
});
/** On the node without containerd. */
export const batch = pod(0xf6, {
  name: 'batch-0',
  node: 'node-4',
  address: '10.244.4.5',
  app: 'batch',
  owner: { kind: 'StatefulSet', name: 'batch' },
});

export const pods: readonly ClusterPod[] = [clientA, clientB, hermod, web, gateway, batch];

export const webService: ClusterService = {
  namespace: 'shop',
  name: 'web',
  address: '10.96.0.44',
  port: 80,
  nodePort: 30_170,
  app: 'web',
  targetPort: 8080,
};
export const gatewayService: ClusterService = {
  namespace: 'shop',
  name: 'gateway',
  address: '10.96.0.45',
  port: 80,
  app: 'gateway',
  targetPort: 8080,
};
export const services: readonly ClusterService[] = [webService, gatewayService];

export const podsOf = (node: string): readonly ClusterPod[] => pods.filter((one) => one.node === node);
export const podsBehind = ({ app }: ClusterService): readonly ClusterPod[] => pods.filter((one) => one.app === app);
/** As a person types it: `pod shop/hermod-0`. */
export const asked = (one: ClusterPod): string => `pod ${one.namespace}/${one.name}`;
/** What reports call the pod's namespace: `node-2@shop.hermod-0`. */
export const placed = (one: ClusterPod): string => `${one.node}@${one.namespace}.${one.name}`;
