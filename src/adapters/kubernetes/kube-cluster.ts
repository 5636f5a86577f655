import * as z from 'zod';
import type { ClusterReader } from '../../engine/ports.ts';
import type {
  ClusterEndpoint,
  ClusterIngress,
  ClusterNode,
  ClusterPod,
  ClusterRead,
  ClusterService,
  Workload,
} from '../../model/cluster.ts';
import type { KubeClient } from './kube-client.ts';
import {
  DeploymentObject,
  EndpointsObject,
  IngressObject,
  NodeObject,
  PodObject,
  ServiceObject,
  SliceObject,
} from './kube-objects.ts';

const pageSize = 500;
/** 20 000 objects of a kind; a cluster that has more is not read to its end, and says so. */
const mostPages = 40;
/** Services that people asked for, and how long their addresses are worth telling when the API is down: a day. */
const mostRemembered = 200;
const rememberMs = 86_400_000;

const List = z.object({
  items: z.array(z.unknown()),
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
});

/**
 * The cluster behind an API server. Objects that cannot be read as what they are called are left out.
 *
 * @param namespace of the context: tried first where a question names none
 */
export function createKubeCluster(client: KubeClient, where: string, now: () => number = Date.now): ClusterReader {
  /** A list, page by page; `null` where this API has no such kind. */
  async function list<T>(
    path: string,
    shape: z.ZodType<T>,
    query: Readonly<Record<string, string>> = {},
  ): Promise<ClusterRead<readonly T[] | null>> {
    const found: T[] = [];
    let next = '';
    for (let page = 0; page < mostPages; page += 1) {
      const search = new URLSearchParams({
        ...query,
        limit: String(pageSize),
        ...(next === '' ? {} : { continue: next }),
      });
      const answer = await client.get(`${path}?${search.toString()}`);
      if (answer.how === 'failed') return answer;
      if (answer.value === null) return { how: 'read', value: null };
      const parsed = List.safeParse(answer.value);
      if (!parsed.success) return notUnderstood(path);
      for (const item of parsed.data.items) {
        const one = shape.safeParse(item);
        if (one.success) found.push(one.data);
      }
      next = parsed.data.metadata?.continue ?? '';
      if (next === '') return { how: 'read', value: found };
    }
    return { how: 'failed', why: 'invalid', message: `there are more than ${pageSize * mostPages} objects` };
  }

  async function one<T>(path: string, shape: z.ZodType<T>): Promise<ClusterRead<T | null>> {
    const answer = await client.get(path);
    if (answer.how === 'failed' || answer.value === null) return answer as ClusterRead<null>;
    const parsed = shape.safeParse(answer.value);
    return parsed.success ? { how: 'read', value: parsed.data } : notUnderstood(path);
  }

  /** By name: one object, or those of all namespaces that have it. */
  async function byName<T>(
    api: string,
    kind: string,
    name: string,
    namespace: string | null,
    shape: z.ZodType<T>,
  ): Promise<ClusterRead<readonly T[]>> {
    if (namespace === null)
      return map(await list(`${api}/${kind}`, shape, { fieldSelector: `metadata.name=${name}` }), (all) => all ?? []);
    const found = await one(
      `${api}/namespaces/${encodeURIComponent(namespace)}/${kind}/${encodeURIComponent(name)}`,
      shape,
    );
    return map(found, (value) => (value === null ? [] : [value]));
  }

  const podsWith = async (
    namespace: string | null,
    query: Readonly<Record<string, string>>,
  ): Promise<ClusterRead<readonly ClusterPod[]>> => {
    const path = namespace === null ? '/api/v1/pods' : `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
    return map(await list(path, PodObject, query), (all) => (all ?? []).map(podOf));
  };
  const allServices = async (): Promise<ClusterRead<readonly ClusterService[]>> =>
    map(await list('/api/v1/services', ServiceObject), (all) => (all ?? []).map(serviceOf));

  const remembered = new Map<string, { readonly services: readonly ClusterService[]; readonly readAtMs: number }>();
  const keyOf = (name: string, namespace: string | null): string => `${namespace ?? ''}/${name}`;
  const remember = (
    name: string,
    namespace: string | null,
    services: readonly ClusterService[],
  ): readonly ClusterService[] => {
    const key = keyOf(name, namespace);
    remembered.delete(key);
    if (services.length > 0) remembered.set(key, { services, readAtMs: now() });
    for (const oldest of remembered.keys()) {
      if (remembered.size <= mostRemembered) break;
      remembered.delete(oldest);
    }
    return services;
  };

  return {
    where,
    async pods(name, namespace) {
      return map(await byName('/api/v1', 'pods', name, namespace, PodObject), (all) => all.map(podOf));
    },
    async podsOf(deployment, namespace) {
      const found = await byName('/apis/apps/v1', 'deployments', deployment, namespace, DeploymentObject);
      if (found.how === 'failed') return found;
      if (found.value.length === 0) return { how: 'read', value: null };
      const pods: ClusterPod[] = [];
      for (const { metadata, spec } of found.value) {
        const some = await podsWith(metadata.namespace, { labelSelector: selectorOf(spec.selector) });
        if (some.how === 'failed') return some;
        pods.push(...some.value);
      }
      return { how: 'read', value: pods };
    },
    async podAt(address) {
      const found = await podsWith(null, { fieldSelector: `status.podIP=${address}` });
      // pods that have ended keep their address in their status while another one may have it
      return map(
        found,
        (all) =>
          all.find(({ hostNetwork, phase }) => !hostNetwork && phase !== 'Succeeded' && phase !== 'Failed') ?? null,
      );
    },
    async services(name, namespace) {
      const found = await byName('/api/v1', 'services', name, namespace, ServiceObject);
      return map(found, (all) => remember(name, namespace, all.map(serviceOf)));
    },
    lastServices(name, namespace) {
      const known = remembered.get(keyOf(name, namespace));
      return known !== undefined && now() - known.readAtMs <= rememberMs ? known : undefined;
    },
    async serviceAt(address) {
      return map(
        await allServices(),
        (all) =>
          all.find(
            ({ addresses, externalAddresses }) => addresses.includes(address) || externalAddresses.includes(address),
          ) ?? null,
      );
    },
    async serviceOfNodePort(port, protocol) {
      return map(
        await allServices(),
        (all) => all.find(({ ports }) => ports.some((p) => p.nodePort === port && p.protocol === protocol)) ?? null,
      );
    },
    async endpoints({ namespace, name }, port) {
      const within = `namespaces/${encodeURIComponent(namespace)}`;
      const slices = await list(`/apis/discovery.k8s.io/v1/${within}/endpointslices`, SliceObject, {
        labelSelector: `kubernetes.io/service-name=${name}`,
      });
      if (slices.how === 'failed') return slices;
      if (slices.value !== null)
        return { how: 'read', value: slices.value.flatMap((slice) => endpointsOf(slice, port)) };
      const old = await one(`/api/v1/${within}/endpoints/${encodeURIComponent(name)}`, EndpointsObject);
      return map(old, (value) => (value === null ? [] : oldEndpointsOf(value, port)));
    },
    async ingresses(host) {
      for (const api of ['/apis/networking.k8s.io/v1', '/apis/networking.k8s.io/v1beta1', '/apis/extensions/v1beta1']) {
        const found = await list(`${api}/ingresses`, IngressObject);
        if (found.how === 'failed') return found;
        if (found.value === null) continue;
        return { how: 'read', value: found.value.filter((one) => isFor(one, host)).map((one) => ingressOf(one, host)) };
      }
      return { how: 'read', value: [] };
    },
    async nodes() {
      return map(await list('/api/v1/nodes', NodeObject), (all) =>
        (all ?? []).map(
          ({ metadata, status }): ClusterNode => ({
            name: metadata.name,
            addresses: (status?.addresses ?? [])
              .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
              .map(({ address }) => address),
            labels: metadata.labels ?? {},
          }),
        ),
      );
    },
  };
}

function notUnderstood(path: string): ClusterRead<never> {
  return { how: 'failed', why: 'invalid', message: `its answer to ${path.split('?')[0]} is not what it should be` };
}

function map<From, To>(read: ClusterRead<From>, change: (value: From) => To): ClusterRead<To> {
  return read.how === 'failed' ? read : { how: 'read', value: change(read.value) };
}

function podOf({ metadata, spec, status }: z.infer<typeof PodObject>): ClusterPod {
  const addresses = (status?.podIPs ?? []).flatMap(({ ip }) => (ip === undefined || ip === '' ? [] : [ip]));
  const only = status?.podIP ?? '';
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    node: spec?.nodeName || null,
    addresses: addresses.length > 0 || only === '' ? addresses : [only],
    hostNetwork: spec?.hostNetwork ?? false,
    phase: status?.phase ?? 'Unknown',
    ready: (status?.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    workload: workloadOf(metadata),
  };
}

/** A ReplicaSet of a Deployment has its name and the hash that its pods carry as a label. */
function workloadOf({ namespace, labels, ownerReferences }: z.infer<typeof PodObject>['metadata']): Workload | null {
  const owner = (ownerReferences ?? []).find(({ controller }) => controller === true);
  if (owner === undefined) return null;
  switch (owner.kind) {
    case 'ReplicaSet': {
      const ending = `-${labels?.['pod-template-hash'] ?? ''}`;
      return ending !== '-' && owner.name.endsWith(ending)
        ? { kind: 'deployment', namespace, name: owner.name.slice(0, -ending.length) }
        : null;
    }
    case 'StatefulSet':
      return { kind: 'statefulset', namespace, name: owner.name };
    case 'DaemonSet':
      return { kind: 'daemonset', namespace, name: owner.name };
    default:
      return null;
  }
}

function serviceOf({ metadata, spec, status }: z.infer<typeof ServiceObject>): ClusterService {
  const addresses = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type: spec?.type ?? 'ClusterIP',
    addresses: addresses.filter((address) => address !== '' && address !== 'None'),
    externalAddresses: [...(spec?.externalIPs ?? []), ...balancerAddresses(status)],
    ports: (spec?.ports ?? []).map(({ name, protocol, port, nodePort }) => ({
      name: name ?? '',
      protocol: protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp',
      port,
      nodePort: (nodePort ?? 0) === 0 ? null : (nodePort ?? null),
    })),
    externalTrafficPolicy: spec?.externalTrafficPolicy ?? null,
    sessionAffinity: spec?.sessionAffinity ?? null,
  };
}

function endpointsOf({ ports, endpoints }: z.infer<typeof SliceObject>, name: string): readonly ClusterEndpoint[] {
  const port = (ports ?? []).find((one) => (one.name ?? '') === name)?.port ?? null;
  return (endpoints ?? []).flatMap(({ addresses, conditions, nodeName, targetRef }) =>
    addresses.map((address) => ({
      address,
      port,
      // absent means ready (discovery.k8s.io/v1 EndpointConditions)
      ready: conditions?.ready ?? true,
      terminating: conditions?.terminating ?? false,
      node: nodeName ?? null,
      pod:
        targetRef?.kind === 'Pod' && targetRef.name !== undefined
          ? `${targetRef.namespace ?? ''}/${targetRef.name}`
          : null,
    })),
  );
}

function oldEndpointsOf({ subsets }: z.infer<typeof EndpointsObject>, name: string): readonly ClusterEndpoint[] {
  return (subsets ?? []).flatMap(({ addresses, notReadyAddresses, ports }) => {
    const port = (ports ?? []).find((one) => (one.name ?? '') === name)?.port ?? null;
    const each = (ready: boolean) => (one: NonNullable<typeof addresses>[number]) => ({
      address: one.ip,
      port,
      ready,
      terminating: false,
      node: one.nodeName ?? null,
      pod:
        one.targetRef?.kind === 'Pod' && one.targetRef.name !== undefined
          ? `${one.targetRef.namespace ?? ''}/${one.targetRef.name}`
          : null,
    });
    return [...(addresses ?? []).map(each(true)), ...(notReadyAddresses ?? []).map(each(false))];
  });
}

/** `*.example.com` covers one label (Ingress API). */
function isFor({ spec }: z.infer<typeof IngressObject>, host: string): boolean {
  return (spec?.rules ?? []).some(({ host: rule }) => rule !== undefined && covers(rule, host));
}

function covers(rule: string, host: string): boolean {
  return rule === host || (rule.startsWith('*.') && host.replace(/^[^.]+/, '*') === rule);
}

function ingressOf({ metadata, spec, status }: z.infer<typeof IngressObject>, host: string): ClusterIngress {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    addresses: balancerAddresses(status),
    tls: (spec?.tls ?? []).some(({ hosts }) => (hosts ?? []).some((one) => covers(one, host))),
  };
}

function balancerAddresses(status: z.infer<typeof ServiceObject>['status']): readonly string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined || ip === '' ? [] : [ip]));
}

/** matchLabels and matchExpressions as a selector of the API: `app=cart,tier in (a,b),!canary`. */
function selectorOf({ matchLabels, matchExpressions }: z.infer<typeof DeploymentObject>['spec']['selector']): string {
  const equal = Object.entries(matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const others = (matchExpressions ?? []).map(({ key, operator, values }) => {
    const list = (values ?? []).join(',');
    switch (operator) {
      case 'In':
        return `${key} in (${list})`;
      case 'NotIn':
        return `${key} notin (${list})`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return [...equal, ...others].join(',');
}
