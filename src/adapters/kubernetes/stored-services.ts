import * as z from 'zod';
import type {
  KubeEndpoint,
  KubeNamespace,
  KubeNode,
  KubePolicy,
  KubeService,
  LabelSelector,
  PolicyPeer,
} from '../../model/cluster-objects.ts';
import { Condition, Labels, listOf, optionalText, protocolOf, reasonOf, timeOf } from './stored-text.ts';

const Service = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().default('default') }),
  spec: z
    .object({
      type: optionalText,
      clusterIP: optionalText,
      clusterIPs: listOf(z.string()),
      externalIPs: listOf(z.string()),
      ports: listOf(
        z.object({
          name: optionalText,
          protocol: optionalText,
          port: z.number().int(),
          targetPort: z.union([z.number().int(), z.string()]).nullish(),
          nodePort: z.number().int().nullish(),
        }),
      ),
      selector: z.record(z.string(), z.string()).nullish(),
      externalTrafficPolicy: optionalText,
      internalTrafficPolicy: optionalText,
      sessionAffinity: optionalText,
      sessionAffinityConfig: z
        .object({ clientIP: z.object({ timeoutSeconds: z.number().nullish() }).nullish() })
        .nullish(),
      healthCheckNodePort: z.number().int().nullish(),
    })
    .nullish(),
  status: z
    .object({
      loadBalancer: z.object({ ingress: listOf(z.object({ ip: optionalText, ipMode: optionalText })) }).nullish(),
    })
    .nullish(),
});

export function storedService(item: unknown): KubeService | undefined {
  const { data } = Service.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec, status } = data;
  const own = spec?.clusterIPs ?? [];
  const addresses = own.length > 0 || spec?.clusterIP === undefined ? own : [spec.clusterIP];
  const balancers = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    // absent means VIP (core/v1 LoadBalancerIngress)
    ip === undefined ? [] : [{ address: ip, mode: ipMode ?? 'VIP' }],
  );
  const selector = Object.entries(spec?.selector ?? {});
  return {
    kind: 'service',
    namespace: metadata.namespace,
    name: metadata.name,
    type: spec?.type ?? 'ClusterIP',
    addresses: addresses.filter((address) => address !== '' && address !== 'None'),
    externalAddresses: [...(spec?.externalIPs ?? []), ...balancers.map(({ address }) => address)],
    ports: (spec?.ports ?? []).map(({ name, protocol, port, targetPort, nodePort }) => ({
      name: name ?? '',
      protocol: protocolOf(protocol),
      port,
      targetPort: targetPort ?? null,
      nodePort: nodePort ? nodePort : null,
    })),
    selector: selector.length === 0 ? null : Object.fromEntries(selector.slice(0, 64)),
    externalTrafficPolicy: spec?.externalTrafficPolicy ?? null,
    internalTrafficPolicy: spec?.internalTrafficPolicy ?? null,
    sessionAffinity: spec?.sessionAffinity ?? null,
    affinityTimeoutSec: spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? null,
    healthCheckNodePort: spec?.healthCheckNodePort || null,
    balancers,
  };
}

const Reference = z.object({ kind: optionalText, namespace: optionalText, name: optionalText }).nullish();
const podOf = (target: z.output<typeof Reference>): string | null =>
  target?.kind === 'Pod' && target.name !== undefined ? `${target.namespace ?? 'default'}/${target.name}` : null;
const Ports = listOf(z.object({ name: optionalText, port: z.number().int().nullish() }));
const portsOf = (ports: z.output<typeof Ports>): KubeEndpoint['ports'] =>
  ports.map(({ name, port }) => ({ name: name ?? '', port: port ?? null }));

const Slice = z.object({
  ports: Ports,
  endpoints: listOf(
    z.object({
      addresses: listOf(z.string()),
      conditions: z
        .object({ ready: z.boolean().nullish(), serving: z.boolean().nullish(), terminating: z.boolean().nullish() })
        .nullish(),
      nodeName: optionalText,
      targetRef: Reference,
    }),
    1000,
  ),
});

export function storedSlice(item: unknown, service: string): readonly KubeEndpoint[] {
  const { data } = Slice.safeParse(item);
  return (data?.endpoints ?? []).flatMap(({ addresses, conditions, nodeName, targetRef }) => {
    // absent means ready (discovery.k8s.io/v1 EndpointConditions)
    const ready = conditions?.ready ?? true;
    return addresses.map(
      (address): KubeEndpoint => ({
        kind: 'endpoint',
        service,
        address,
        ports: portsOf(data?.ports ?? []),
        ready,
        serving: conditions?.serving ?? ready,
        terminating: conditions?.terminating ?? false,
        node: nodeName ?? null,
        pod: podOf(targetRef),
      }),
    );
  });
}

const OldAddress = z.object({ ip: z.string(), nodeName: optionalText, targetRef: Reference });
const OldEndpoints = z.object({
  subsets: listOf(z.object({ addresses: listOf(OldAddress), notReadyAddresses: listOf(OldAddress), ports: Ports })),
});

/** `v1/Endpoints`, for clusters before 1.21. */
export function storedOldEndpoints(item: unknown, service: string): readonly KubeEndpoint[] {
  const { data } = OldEndpoints.safeParse(item);
  return (data?.subsets ?? []).flatMap(({ addresses, notReadyAddresses, ports }) => {
    const each =
      (ready: boolean) =>
      ({ ip, nodeName, targetRef }: z.output<typeof OldAddress>): KubeEndpoint => ({
        kind: 'endpoint',
        service,
        address: ip,
        ports: portsOf(ports),
        ready,
        serving: ready,
        terminating: false,
        node: nodeName ?? null,
        pod: podOf(targetRef),
      });
    return [...addresses.map(each(true)), ...notReadyAddresses.map(each(false))];
  });
}

// All of a policy or nothing: a peer or a label that is left out would let other traffic pass than the policy does.
const whole = <Shape extends z.ZodType>(shape: Shape) => z.array(shape).max(1000).nullish();
const Selector = z
  .object({
    matchLabels: z.record(z.string(), z.string()).nullish(),
    matchExpressions: whole(z.object({ key: z.string(), operator: z.string(), values: whole(z.string()) })),
  })
  .nullish();
const selectorOf = (selector: z.output<typeof Selector>): LabelSelector => ({
  matchLabels: selector?.matchLabels ?? {},
  matchExpressions: (selector?.matchExpressions ?? []).map((one) => ({ ...one, values: one.values ?? [] })),
});
const Peer = z.object({
  podSelector: Selector,
  namespaceSelector: Selector,
  ipBlock: z.object({ cidr: z.string(), except: whole(z.string()) }).nullish(),
});
const PolicyPort = z.object({
  protocol: optionalText,
  port: z.union([z.number().int(), z.string()]).nullish(),
  endPort: z.number().int().nullish(),
});
const Direction = z.object({ from: whole(Peer), to: whole(Peer), ports: whole(PolicyPort) });
const Policy = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().default('default') }),
  spec: z.object({
    podSelector: Selector,
    policyTypes: whole(z.string()),
    ingress: whole(Direction),
    egress: whole(Direction),
  }),
});

/** Undefined where not all of it can be read. */
export function storedPolicy(item: unknown): KubePolicy | undefined {
  const { data } = Policy.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec } = data;
  // Without policyTypes: Ingress always, Egress where there is such a section (networking/v1 NetworkPolicySpec).
  const types = spec.policyTypes ?? ['Ingress', ...(spec.egress ? ['Egress'] : [])];
  const peerOf = ({ podSelector, namespaceSelector, ipBlock }: z.output<typeof Peer>): PolicyPeer => ({
    podSelector: podSelector ? selectorOf(podSelector) : null,
    namespaceSelector: namespaceSelector ? selectorOf(namespaceSelector) : null,
    ipBlock: ipBlock ? { cidr: ipBlock.cidr, except: ipBlock.except ?? [] } : null,
  });
  const rulesOf = (rules: z.output<typeof Direction>[] | null | undefined, side: 'from' | 'to') =>
    (rules ?? []).map((rule) => ({
      peers: (rule[side] ?? []).map(peerOf),
      ports: (rule.ports ?? []).map(({ protocol, port, endPort }) => ({
        protocol: protocolOf(protocol),
        port: port ?? null,
        endPort: endPort ?? null,
      })),
    }));
  return {
    kind: 'networkPolicy',
    namespace: metadata.namespace,
    name: metadata.name,
    pods: selectorOf(spec.podSelector),
    ingress: types.includes('Ingress') ? rulesOf(spec.ingress, 'from') : null,
    egress: types.includes('Egress') ? rulesOf(spec.egress, 'to') : null,
  };
}

export function storedNamespace(item: unknown): KubeNamespace | undefined {
  const { data } = z.object({ metadata: z.object({ name: z.string(), labels: Labels }) }).safeParse(item);
  return data && { kind: 'namespace', name: data.metadata.name, labels: data.metadata.labels };
}

const Node = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z
    .object({
      podCIDR: optionalText,
      providerID: optionalText,
      podCIDRs: listOf(z.string()),
      unschedulable: z.boolean().nullish(),
      taints: listOf(z.object({ key: z.string(), effect: z.string() })),
    })
    .nullish(),
  status: z
    .object({
      addresses: listOf(z.object({ type: z.string(), address: z.string() })),
      conditions: listOf(Condition),
    })
    .nullish(),
});

export function storedNode(item: unknown): KubeNode | undefined {
  const { data } = Node.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec, status } = data;
  const conditions = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const cidrs = spec?.podCIDRs ?? [];
  return {
    kind: 'node',
    name: metadata.name,
    addresses: (status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
      .map(({ address }) => address),
    ready: ready?.status === 'True' || ready?.status === 'False' ? ready.status : 'Unknown',
    readySinceMs: timeOf(ready?.lastTransitionTime),
    notReadyWhy: ready?.status === 'True' ? null : reasonOf(ready?.reason, ready?.message),
    troubles: conditions.filter(({ type, status: is }) => type !== 'Ready' && is === 'True').map(({ type }) => type),
    taints: spec?.taints ?? [],
    unschedulable: spec?.unschedulable ?? false,
    podCidrs: cidrs.length > 0 || spec?.podCIDR === undefined ? cidrs : [spec.podCIDR],
    provider: /^([a-z][a-z0-9-]{0,40}):\/\//.exec(spec?.providerID ?? '')?.[1] ?? null,
  };
}
