import * as z from 'zod';
import type { ClusterObserver } from '../../engine/ports.ts';
import type { ClusterRead } from '../../model/cluster.ts';
import type { ClusterPart, ClusterQuestion } from '../../model/cluster-facts.ts';
import type { KubeEndpoint, KubeNode, KubeObject, KubePod, KubeService } from '../../model/cluster-objects.ts';
import type { KubeClient } from './kube-client.ts';
import { storedEvent, storedPod } from './stored-pods.ts';
import {
  storedNamespace,
  storedNode,
  storedOldEndpoints,
  storedPolicy,
  storedService,
  storedSlice,
} from './stored-services.ts';
import {
  storedCalicoConfig,
  storedCiliumConfig,
  storedCorefile,
  storedFlannelConfig,
  storedInstallation,
  storedProxyConfig,
  storedWorkload,
} from './stored-settings.ts';

const pageSize = 500;
/** Of one list; a cluster that has more of it is not read to its end, and that is said. */
const mostPages = 40;
/** Of one answer as it is kept. */
const mostKept = 300;
const mostServices = 4;
const mostNamespaces = 3;
const mostAddresses = 6;
const mostNodes = 6;
/** Pods whose events are asked for, each by a request of its own. */
const mostPodsWithEvents = 6;
const mostEvents = 60;
/** Events live for an hour (kube-apiserver --event-ttl). */
const recentMs = 3_600_000;

/** Where kube-proxy, CoreDNS and the agents of CNI plug-ins are. */
const system = '/namespaces/kube-system';
const networkApps = ['kube-proxy', 'calico-node', 'cilium', 'flannel', 'kube-flannel', 'kube-dns', 'node-local-dns'];

/** Every request that one look may make, for `netcheck doctor` to try: one per kind of object. */
export const observedKinds: readonly (readonly [kind: string, path: string])[] = [
  ['networkpolicies', '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?limit=1'],
  ['namespaces', '/api/v1/namespaces/default'],
  ['events', '/api/v1/namespaces/default/events?limit=1'],
  ['daemonsets', `/apis/apps/v1${system}/daemonsets/kube-proxy`],
  ['configmaps', `/api/v1${system}/configmaps/kube-proxy`],
];

const List = z.object({
  items: z.array(z.unknown()),
  metadata: z.object({ continue: z.string().nullish() }).nullish(),
});

type Listed = ClusterRead<readonly unknown[] | null>;

/**
 * Reads the objects that a question is about, each kind by itself, and tells every answer as it comes. A cluster of any
 * size costs a bounded number of requests: one list of Services and one of nodes, and what belongs to those few that the
 * question is about. Where the API is down the first answer says so, and nothing more is asked.
 */
export function createClusterObserver(
  client: KubeClient,
  where: string,
  now: () => number = Date.now,
): ClusterObserver {
  return {
    where,
    async observe(question, phase, tell, signal) {
      let isGone = false;
      const listed = async (
        path: string,
        query: Readonly<Record<string, string>>,
        fresh = phase === 'after',
      ): Promise<Listed> => {
        const found: unknown[] = [];
        let next = '';
        for (let page = 0; page < mostPages; page += 1) {
          if (signal.aborted) return { how: 'failed', why: 'timedOut', message: 'the run had no more time for it' };
          const search = new URLSearchParams({
            ...query,
            limit: String(pageSize),
            ...(next === '' ? {} : { continue: next }),
          });
          const answer = await client.get(`${path}?${search.toString()}`, { fresh });
          if (answer.how === 'failed' || answer.value === null) return answer as Listed;
          const parsed = List.safeParse(answer.value);
          if (!parsed.success) return { how: 'failed', why: 'invalid', message: 'its answer is not a list' };
          found.push(...parsed.data.items);
          next = parsed.data.metadata?.continue ?? '';
          if (next === '') return { how: 'read', value: found };
        }
        return { how: 'failed', why: 'invalid', message: `there are more than ${pageSize * mostPages} objects` };
      };

      /** One answer, kept: what `keep` makes of what came. Empty where the API would not say. */
      const read = async <T extends KubeObject>(
        part: ClusterPart,
        path: string,
        query: Readonly<Record<string, string>> | null,
        keep: (items: readonly unknown[]) => readonly T[] | null,
      ): Promise<{ readonly objects: readonly T[]; readonly isThere: boolean }> => {
        if (isGone || signal.aborted) return { objects: [], isThere: false };
        const startedAtMs = now();
        const answer =
          query === null ? asList(await client.get(path, { fresh: phase === 'after' })) : await listed(path, query);
        const shown = query === null || Object.keys(query).length === 0 ? path : `${path}?${shownQuery(query)}`;
        const about = { part, path: shown, startedAtMs, endedAtMs: now() };
        if (answer.how === 'failed') {
          const { why, message } = answer;
          // One answer about the whole API is enough; another request would only take its time again.
          if (why === 'unreachable' || why === 'timedOut' || why === 'unauthorized') {
            if (isGone) return { objects: [], isThere: false };
            isGone = true;
          }
          await tell({ ...about, objects: [], trouble: { why, message } });
          return { objects: [], isThere: false };
        }
        const kept = answer.value === null ? [] : keep(answer.value);
        if (kept === null || kept.length > mostKept) {
          const message = kept === null ? 'its answer is not what it should be' : `${kept.length} objects are too many`;
          await tell({ ...about, objects: [], trouble: { why: 'invalid', message } });
          return { objects: [], isThere: false };
        }
        await tell({ ...about, objects: kept });
        return { objects: kept, isThere: answer.value !== null };
      };
      const look = { read, question, now };
      if (phase === 'before') await lookBefore(look);
      else {
        // Services themselves do not change within a run: the answer that is kept will do
        const services = await listed('/api/v1/services', {}, false);
        const items = services.how === 'read' ? (services.value ?? []) : [];
        await lookAfter(look, items);
      }
    },
  };
}

interface Look {
  readonly read: <T extends KubeObject>(
    part: ClusterPart,
    path: string,
    query: Readonly<Record<string, string>> | null,
    keep: (items: readonly unknown[]) => readonly T[] | null,
  ) => Promise<{ readonly objects: readonly T[]; readonly isThere: boolean }>;
  readonly question: ClusterQuestion;
  readonly now: () => number;
}

async function lookBefore(look: Look): Promise<void> {
  const { read, question } = look;
  // The first answer says whether there is anybody: everything else waits for it.
  const { objects: nodes } = await read('nodes', '/api/v1/nodes', {}, (items) =>
    items.flatMap((item) => storedNode(item) ?? []).filter((node) => isOfInterest(node, question)),
  );
  const isNodeAddress = new Set([
    ...nodes.flatMap(({ addresses }) => addresses),
    ...question.nodes.flatMap(({ addresses }) => addresses),
  ]);
  await Promise.all([
    readSettings(look, nodes),
    (async () => {
      const [{ objects: services }, atAddresses] = await Promise.all([
        read('services', '/api/v1/services', {}, (items) => askedOf(items, question, isNodeAddress)),
        Promise.all(
          question.addresses
            .filter((address) => !isNodeAddress.has(address))
            .slice(0, mostAddresses)
            .map((address) =>
              read('pods', '/api/v1/pods', { fieldSelector: `status.podIP=${address}` }, (items) =>
                // pods that have ended keep their address in their status while another one may have it
                items
                  .flatMap((item) => storedPod(item) ?? [])
                  .filter((pod) => !pod.hostNetwork && pod.phase !== 'Succeeded' && pod.phase !== 'Failed'),
              ),
            ),
        ),
      ]);
      const behind = await Promise.all(services.map((service) => readBehind(look, service)));
      const pods = [...atAddresses.flatMap(({ objects }) => objects), ...behind.flat()];
      await Promise.all([readPolicies(look, pods), readEvents(look, pods)]);
    })(),
  ]);
}

/** What may have changed while the run looked: who is ready behind the Service. */
async function lookAfter(look: Look, services: readonly unknown[]): Promise<void> {
  const isNodeAddress = new Set(look.question.nodes.flatMap(({ addresses }) => addresses));
  await Promise.all(askedOf(services, look.question, isNodeAddress).map((service) => readBehind(look, service)));
}

function askedOf(
  items: readonly unknown[],
  question: ClusterQuestion,
  isNodeAddress: ReadonlySet<string>,
): readonly KubeService[] {
  return items
    .flatMap((item) => storedService(item) ?? [])
    .filter((service) => isAsked(service, question, isNodeAddress))
    .slice(0, mostServices);
}

/** The Service of the target: by its address, or by its NodePort on a node; and that of the cluster's names. */
function isAsked(service: KubeService, { target, names }: ClusterQuestion, nodes: ReadonlySet<string>): boolean {
  const { address, port, protocol } = target;
  const ports = service.ports.filter((one) => one.protocol === protocol);
  if ([...service.addresses, ...service.externalAddresses].includes(address)) return true;
  if (nodes.has(address) && ports.some(({ nodePort }) => nodePort === port)) return true;
  return names && isClusterDns(service);
}

function isClusterDns({ namespace, name, selector }: KubeService): boolean {
  return namespace === 'kube-system' && (name === 'kube-dns' || selector?.['k8s-app'] === 'kube-dns');
}

function isOfInterest({ name, addresses }: KubeNode, { nodes }: ClusterQuestion): boolean {
  return nodes.some(
    (one) =>
      one.name === name || one.name === name.split('.')[0] || one.addresses.some((own) => addresses.includes(own)),
  );
}

/** Endpoints of a Service, and the pods that it selects: also those that are no endpoint yet. */
async function readBehind({ read }: Look, { namespace, name, selector }: KubeService): Promise<readonly KubePod[]> {
  const within = `/namespaces/${encodeURIComponent(namespace)}`;
  const service = `${namespace}/${name}`;
  const readEndpoints = async (): Promise<readonly KubeEndpoint[]> => {
    const slices = await read(
      'endpoints',
      `/apis/discovery.k8s.io/v1${within}/endpointslices`,
      { labelSelector: `kubernetes.io/service-name=${name}` },
      (items) => items.flatMap((item) => storedSlice(item, service)),
    );
    if (slices.isThere) return slices.objects;
    const path = `/api/v1${within}/endpoints/${encodeURIComponent(name)}`;
    return (await read('endpoints', path, null, (items) => items.flatMap((item) => storedOldEndpoints(item, service))))
      .objects;
  };
  const labels = Object.entries(selector ?? {});
  const [, pods] = await Promise.all([
    readEndpoints(),
    labels.length === 0
      ? { objects: [] }
      : read(
          'pods',
          `/api/v1${within}/pods`,
          { labelSelector: labels.map(([key, value]) => `${key}=${value}`).join(',') },
          (items) => items.flatMap((item) => storedPod(item) ?? []),
        ),
  ]);
  return pods.objects;
}

async function readPolicies({ read }: Look, pods: readonly KubePod[]): Promise<void> {
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))].slice(0, mostNamespaces);
  await Promise.all(
    namespaces.flatMap((namespace) => {
      const name = encodeURIComponent(namespace);
      return [
        read('policies', `/apis/networking.k8s.io/v1/namespaces/${name}/networkpolicies`, {}, (items) => {
          const kept = items.map((item) => storedPolicy(item));
          // one that cannot be read may be the one that lets the connect in
          return kept.every((policy) => policy !== undefined) ? kept : null;
        }),
        read('namespaces', `/api/v1/namespaces/${name}`, null, (items) =>
          items.flatMap((item) => storedNamespace(item) ?? []),
        ),
      ];
    }),
  );
}

async function readEvents({ read, now, question }: Look, pods: readonly KubePod[]): Promise<void> {
  const since = now() - recentMs;
  const worthIt = pods.filter(
    ({ ready, deletedAtMs, readySinceMs, containers, addresses }) =>
      !ready ||
      deletedAtMs !== null ||
      // DNSConfigForming is told of pods that are well
      (question.names && addresses.some((address) => question.addresses.includes(address))) ||
      (readySinceMs ?? 0) > since ||
      containers.some(({ last }) => (last?.finishedAtMs ?? 0) > since),
  );
  const chosen = new Map(worthIt.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  await Promise.all(
    [...chosen.values()].slice(0, mostPodsWithEvents).map(({ namespace, name }) =>
      read(
        'events',
        `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`,
        { fieldSelector: `involvedObject.name=${name}` },
        (items) =>
          items
            .flatMap((item) => storedEvent(item) ?? [])
            .filter(({ lastAtMs }) => (lastAtMs ?? 0) >= since)
            .sort((a, b) => (a.lastAtMs ?? 0) - (b.lastAtMs ?? 0))
            .slice(-mostEvents),
      ),
    ),
  );
}

/** kube-proxy, the CNI plug-in, and CoreDNS where names are asked about. */
async function readSettings({ read, question }: Look, nodes: readonly KubeNode[]): Promise<void> {
  const one = <T extends KubeObject>(
    part: ClusterPart,
    path: string,
    keep: (item: unknown) => T | undefined,
  ): Promise<unknown> => read(part, path, null, (items) => items.flatMap((item) => keep(item) ?? []));
  const configMap = (namespace: string, name: string): string => `/api/v1/namespaces/${namespace}/configmaps/${name}`;
  await Promise.all([
    one('proxy', configMap('kube-system', 'kube-proxy'), storedProxyConfig),
    one('proxy', `/apis/apps/v1${system}/daemonsets/kube-proxy`, (item) => storedWorkload(item, 'daemonset')),
    ...nodes
      .slice(0, mostNodes)
      .map(({ name }) =>
        read('pods', `/api/v1${system}/pods`, { fieldSelector: `spec.nodeName=${name}` }, (items) =>
          items.flatMap((item) => storedPod(item) ?? []).filter(({ labels }) => networkApps.includes(appOf(labels))),
        ),
      ),
    one('cni', configMap('kube-system', 'calico-config'), storedCalicoConfig),
    one('cni', '/apis/operator.tigera.io/v1/installations/default', storedInstallation),
    one('cni', configMap('kube-flannel', 'kube-flannel-cfg'), storedFlannelConfig),
    one('cni', configMap('kube-system', 'kube-flannel-cfg'), storedFlannelConfig),
    one('cni', configMap('kube-system', 'cilium-config'), storedCiliumConfig),
    ...(question.names
      ? [
          one('dns', configMap('kube-system', 'coredns'), storedCorefile),
          one('dns', `/apis/apps/v1${system}/deployments/coredns`, (item) => storedWorkload(item, 'deployment')),
        ]
      : []),
  ]);
}

function appOf(labels: Readonly<Record<string, string>>): string {
  return labels['k8s-app'] ?? labels['app'] ?? '';
}

function asList(read: ClusterRead<unknown>): Listed {
  if (read.how === 'failed') return read;
  return { how: 'read', value: read.value === null ? null : [read.value] };
}

/** For people: selectors as kubectl takes them. */
function shownQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([key, value]) => `${key}=${value}`)
    .join('&');
}
