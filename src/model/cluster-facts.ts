import type {
  CniConfig,
  DnsConfig,
  KubeEndpoint,
  KubeEvent,
  KubeNamespace,
  KubeNode,
  KubeObject,
  KubePod,
  KubePolicy,
  KubeProxyConfig,
  KubeService,
  KubeWorkload,
} from './cluster-objects.ts';
import type { At } from './evidence.ts';

/** Whose evidence the answers of the API are. No node can have this name: a node begins with a letter or a digit. */
export const clusterPlace = '_kubernetes';

/** The parser of what is kept of them. */
export const clusterKind = 'kube-objects';

/** What is read of a cluster, each by requests of its own: one may be forbidden where another is not. */
export const clusterParts = [
  'services',
  'endpoints',
  'pods',
  'policies',
  'namespaces',
  'events',
  'nodes',
  'proxy',
  'cni',
  'dns',
] as const;
export type ClusterPart = (typeof clusterParts)[number];

/** Which part an object belongs to. */
export const partOfKind = {
  service: 'services',
  endpoint: 'endpoints',
  pod: 'pods',
  networkPolicy: 'policies',
  namespace: 'namespaces',
  event: 'events',
  node: 'nodes',
  kubeProxyConfig: 'proxy',
  workload: 'proxy',
  cniConfig: 'cni',
  dnsConfig: 'dns',
} as const satisfies Record<KubeObject['kind'], ClusterPart>;

type Told<T> = readonly (T & { readonly at: At })[];

/**
 * What the Kubernetes API said, of the objects that a question is about. A part is absent where it was not read, or could
 * not be; `missing` says why. An empty part was read, and there is nothing of it.
 */
export interface Cluster {
  /** Services of the target: by its address and port, or by its NodePort; and that of the cluster's names, if asked. */
  readonly services?: Told<KubeService>;
  readonly endpoints?: Told<KubeEndpoint>;
  /** Behind those Services, at the addresses of the question, and the network's own on the nodes of the question. */
  readonly pods?: Told<KubePod>;
  /** Of the namespaces of those pods; they may select others. */
  readonly policies?: Told<KubePolicy>;
  readonly namespaces?: Told<KubeNamespace>;
  /** Of pods that are not ready, were restarted or are being deleted. */
  readonly events?: Told<KubeEvent>;
  readonly nodes?: Told<KubeNode>;
  readonly proxyConfig?: KubeProxyConfig & { readonly at: At };
  /** kube-proxy, CoreDNS. */
  readonly workloads?: Told<KubeWorkload>;
  readonly cni?: Told<CniConfig>;
  readonly dns?: Told<DnsConfig>;
  /** As they were before the window, where they were read again after it. */
  readonly earlier?: { readonly endpoints?: Told<KubeEndpoint>; readonly pods?: Told<KubePod> };
  /** Parts that could not be read, and what the API said. */
  readonly missing: Readonly<Partial<Record<ClusterPart, string>>>;
  /** When it was read first, by netcheck's clock, milliseconds since the epoch. */
  readonly readAtMs: number;
  readonly at: At;
}

/** What a question wants to know of a cluster. */
export interface ClusterQuestion {
  readonly target: { readonly address: string; readonly port: number; readonly protocol: 'tcp' | 'udp' };
  /** Nodes of the run: by name and by every address that is known of them. */
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** That pods may have. */
  readonly addresses: readonly string[];
  /** It is about names: the cluster's DNS is looked at as well. */
  readonly names: boolean;
}

/** One answer of the API, as it is kept. */
export interface ClusterAnswer {
  readonly part: ClusterPart;
  /** What was asked: `/api/v1/services?limit=500`. */
  readonly path: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly objects: readonly KubeObject[];
  /** The API could not, or would not answer; nothing of it was read then. */
  readonly trouble?: {
    readonly why: 'unreachable' | 'timedOut' | 'unauthorized' | 'forbidden' | 'invalid';
    readonly message: string;
  };
}
