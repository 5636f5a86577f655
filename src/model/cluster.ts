/** What netcheck reads of Kubernetes objects: names, addresses and states. Nothing secret is among them. */
export interface ClusterPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Name of its Kubernetes node; null while it is not scheduled. */
  readonly node: string | null;
  /** Its own addresses; those of the node where `hostNetwork` is set. */
  readonly addresses: readonly string[];
  readonly hostNetwork: boolean;
  /** `Running`, `Pending`, `Succeeded`, `Failed`, `Unknown`. */
  readonly phase: string;
  readonly ready: boolean;
  /** What made it and would make it again; null for a bare pod. */
  readonly workload: Workload | null;
}

/** `deployment shop/cart`, as kubectl takes it. */
export interface Workload {
  readonly kind: 'deployment' | 'statefulset' | 'daemonset';
  readonly namespace: string;
  readonly name: string;
}

/** One address behind a Service, as an EndpointSlice has it. */
export interface ClusterEndpoint {
  readonly address: string;
  /** Null where the slice has no port of that name. */
  readonly port: number | null;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly node: string | null;
  /** `namespace/name`, where a pod stands behind it. */
  readonly pod: string | null;
}

export interface ClusterServicePort {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  readonly nodePort: number | null;
}

export interface ClusterService {
  readonly namespace: string;
  readonly name: string;
  /** `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`. */
  readonly type: string;
  /** Virtual addresses; empty for a headless Service. */
  readonly addresses: readonly string[];
  readonly externalAddresses: readonly string[];
  readonly ports: readonly ClusterServicePort[];
  readonly externalTrafficPolicy: string | null;
  readonly sessionAffinity: string | null;
}

/** Where an Ingress host leads. */
export interface ClusterIngress {
  readonly namespace: string;
  readonly name: string;
  /** Addresses of its load balancer or controller; empty where it tells none. */
  readonly addresses: readonly string[];
  readonly tls: boolean;
}

/** Where netcheck may log in for a Kubernetes node. */
export interface ClusterNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * What a look at the cluster gave. `failed` is about the API (down, slow, forbidden …), never about the object: an
 * object that is not there is `null` or an empty list.
 */
export type ClusterRead<T> =
  | { readonly how: 'read'; readonly value: T }
  | { readonly how: 'failed'; readonly why: ClusterTrouble; readonly message: string };

export type ClusterTrouble = 'unreachable' | 'timedOut' | 'unauthorized' | 'forbidden' | 'invalid';
