import * as z from 'zod';

/**
 * Kubernetes objects as a run keeps them: one JSON object per line of an evidence file. Only fields that a rule may need
 * are in them, one by one: no annotation, no environment, no volume, no secret is ever written down.
 */

const name = z.string().max(300);
/** Names of objects, `namespace/name` too: they stand in commands, and nothing in them is more than a letter to a shell. */
const objectName = z
  .string()
  .max(300)
  .regex(/^(?:[A-Za-z0-9][\w.:/-]*)?$/);
const labels = z.record(z.string().max(320), z.string().max(100));
/** Milliseconds since the epoch; null: the API does not say. */
const timeMs = z.number().nullable();
const reason = z.string().max(300).nullable();

export const KubeService = z.strictObject({
  kind: z.literal('service'),
  namespace: objectName,
  name: objectName,
  /** `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName` */
  type: name,
  /** Virtual addresses; empty for a headless one. */
  addresses: z.array(name),
  /** `externalIPs`, and those that a load balancer was given. */
  externalAddresses: z.array(name),
  ports: z.array(
    z.strictObject({
      name: objectName,
      protocol: z.enum(['tcp', 'udp', 'sctp']),
      port: z.number(),
      targetPort: z.union([z.number(), name]).nullable(),
      nodePort: z.number().nullable(),
    }),
  ),
  /** Null: it selects nothing, somebody else writes its endpoints. */
  selector: labels.nullable(),
  externalTrafficPolicy: name.nullable(),
  internalTrafficPolicy: name.nullable(),
  sessionAffinity: name.nullable(),
  affinityTimeoutSec: z.number().nullable(),
  healthCheckNodePort: z.number().nullable(),
  /**
   * Those of `externalAddresses` that a load balancer was given. `VIP`: the nodes take connects of their own pods themselves;
   * `Proxy`: they send them to the balancer (KEP-1860).
   */
  balancers: z.array(z.strictObject({ address: name, mode: name })).optional(),
});
export type KubeService = z.infer<typeof KubeService>;

/** One address of an EndpointSlice. */
export const KubeEndpoint = z.strictObject({
  kind: z.literal('endpoint'),
  /** `namespace/name` of its Service. */
  service: objectName,
  address: name,
  ports: z.array(z.strictObject({ name: objectName, port: z.number().nullable() })),
  ready: z.boolean(),
  serving: z.boolean(),
  terminating: z.boolean(),
  node: objectName.nullable(),
  /** `namespace/name` */
  pod: objectName.nullable(),
});
export type KubeEndpoint = z.infer<typeof KubeEndpoint>;

export const KubePod = z.strictObject({
  kind: z.literal('pod'),
  namespace: objectName,
  name: objectName,
  labels,
  node: objectName.nullable(),
  addresses: z.array(name),
  hostNetwork: z.boolean(),
  /** `ClusterFirst`, `Default` (as its node), `None` (as `dnsConfig`), `ClusterFirstWithHostNet` */
  dnsPolicy: name.nullable().optional(),
  dnsConfig: z
    .strictObject({
      nameservers: z.array(name),
      searches: z.array(name),
      options: z.array(z.strictObject({ name: objectName, value: name.nullable() })),
    })
    .nullable()
    .optional(),
  /** What the kubelet writes into its /etc/hosts. */
  hostAliases: z.array(z.strictObject({ address: name, names: z.array(name) })).optional(),
  /** `Running`, `Pending`, `Succeeded`, `Failed`, `Unknown` */
  phase: name,
  ready: z.boolean(),
  /** When `ready` last changed. */
  readySinceMs: timeMs,
  /** What the kubelet or the scheduler says of it: `ContainersNotReady: containers with unready status: [app]`. */
  notReadyWhy: reason,
  startedAtMs: timeMs,
  /** It is being deleted, and is gone at this time at the latest. */
  deletedAtMs: timeMs,
  containers: z.array(
    z.strictObject({
      name: objectName,
      ready: z.boolean(),
      restarts: z.number(),
      state: z.enum(['running', 'waiting', 'terminated', 'unknown']),
      /** `CrashLoopBackOff`, `ImagePullBackOff`, `OOMKilled` … */
      reason,
      startedAtMs: timeMs,
      /** How it ended before it was started again. */
      last: z.strictObject({ reason, exitCode: z.number().nullable(), finishedAtMs: timeMs }).nullable(),
      ports: z.array(z.strictObject({ name: objectName, port: z.number(), protocol: name })),
      /** `resources.limits.cpu`: `500m`, `2`; null: it has none. */
      cpuLimit: name.nullable().optional(),
    }),
  ),
});
export type KubePod = z.infer<typeof KubePod>;

export const LabelSelector = z.strictObject({
  matchLabels: labels,
  matchExpressions: z.array(z.strictObject({ key: name, operator: name, values: z.array(name) })),
});
export type LabelSelector = z.infer<typeof LabelSelector>;

const PolicyPeer = z.strictObject({
  podSelector: LabelSelector.nullable(),
  namespaceSelector: LabelSelector.nullable(),
  ipBlock: z.strictObject({ cidr: name, except: z.array(name) }).nullable(),
});
export type PolicyPeer = z.infer<typeof PolicyPeer>;

/** Peers and ports; an empty list of either means all. */
const PolicyRule = z.strictObject({
  peers: z.array(PolicyPeer),
  ports: z.array(
    z.strictObject({
      protocol: z.enum(['tcp', 'udp', 'sctp']),
      /** Null: every port. */
      port: z.union([z.number(), name]).nullable(),
      endPort: z.number().nullable(),
    }),
  ),
});

export const KubePolicy = z.strictObject({
  kind: z.literal('networkPolicy'),
  namespace: objectName,
  name: objectName,
  pods: LabelSelector,
  /** Null: it says nothing of this direction. */
  ingress: z.array(PolicyRule).nullable(),
  egress: z.array(PolicyRule).nullable(),
});
export type KubePolicy = z.infer<typeof KubePolicy>;

export const KubeNamespace = z.strictObject({ kind: z.literal('namespace'), name, labels });
export type KubeNamespace = z.infer<typeof KubeNamespace>;

export const KubeEvent = z.strictObject({
  kind: z.literal('event'),
  /** `namespace/name` of the pod that it is about. */
  pod: objectName,
  type: name,
  reason: name,
  message: z.string().max(300),
  count: z.number(),
  firstAtMs: timeMs,
  lastAtMs: timeMs,
});
export type KubeEvent = z.infer<typeof KubeEvent>;

export const KubeNode = z.strictObject({
  kind: z.literal('node'),
  name: objectName,
  addresses: z.array(name),
  /** Condition `Ready`. */
  ready: z.enum(['True', 'False', 'Unknown']),
  /** Since when, and what the kubelet says. */
  readySinceMs: timeMs,
  notReadyWhy: reason,
  /** Other conditions that are `True`: `MemoryPressure`, `NetworkUnavailable` … */
  troubles: z.array(name),
  taints: z.array(z.strictObject({ key: name, effect: name })),
  unschedulable: z.boolean(),
  podCidrs: z.array(name),
  /** Of the cloud, as its `providerID` begins: `aws`, `alicloud`, `gce` …; null: it has none. */
  provider: name.nullable().optional(),
});
export type KubeNode = z.infer<typeof KubeNode>;

/** ConfigMap `kube-proxy`. */
export const KubeProxyConfig = z.strictObject({
  kind: z.literal('kubeProxyConfig'),
  /** Empty: what the platform does by itself (iptables). */
  mode: name,
  clusterCidr: name.nullable(),
  /** `ipvs.*`, `iptables.*`, `conntrack.*` as written: `tcpTimeout: 15m0s`. */
  settings: z.record(name, z.string().max(100)),
});
export type KubeProxyConfig = z.infer<typeof KubeProxyConfig>;

/** DaemonSet or Deployment that the network depends on. */
export const KubeWorkload = z.strictObject({
  kind: z.literal('workload'),
  type: z.enum(['daemonset', 'deployment']),
  namespace: objectName,
  name: objectName,
  wanted: z.number(),
  ready: z.number(),
});
export type KubeWorkload = z.infer<typeof KubeWorkload>;

/** What a CNI plug-in is told. */
export const CniConfig = z.strictObject({
  kind: z.literal('cniConfig'),
  plugin: z.enum(['calico', 'flannel', 'cilium']),
  /** Where it is written: `ConfigMap kube-system/calico-config`. */
  where: name,
  /** For the devices of pods; null or 0: it works that out itself. */
  mtu: z.number().nullable(),
  /** The key that says so: `veth_mtu`. */
  mtuKey: name,
  /** `vxlan`, `ipip`, `none` …; null: not written there. */
  encapsulation: name.nullable(),
  /** flannel's `net-conf.json`, where netcheck knows every key of it: what is to be written back as a whole. */
  document: z.string().max(2000).nullable().optional(),
  settings: z.record(name, z.string().max(100)),
});
export type CniConfig = z.infer<typeof CniConfig>;

/** ConfigMap `coredns`: server blocks of its Corefile. */
export const DnsConfig = z.strictObject({
  kind: z.literal('dnsConfig'),
  where: name,
  servers: z.array(z.strictObject({ zones: z.array(name), plugins: z.array(name), forwards: z.array(name) })),
});
export type DnsConfig = z.infer<typeof DnsConfig>;

export const KubeObject = z.discriminatedUnion('kind', [
  KubeService,
  KubeEndpoint,
  KubePod,
  KubePolicy,
  KubeNamespace,
  KubeEvent,
  KubeNode,
  KubeProxyConfig,
  KubeWorkload,
  CniConfig,
  DnsConfig,
]);
export type KubeObject = z.infer<typeof KubeObject>;
