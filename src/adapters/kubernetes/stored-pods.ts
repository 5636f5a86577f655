import * as z from 'zod';
import type { KubeEvent, KubePod } from '../../model/cluster-objects.ts';
import { Condition, Labels, listOf, oneLine, optionalText, protocolOf, reasonOf, timeOf } from './stored-text.ts';

const State = z
  .object({
    running: z.object({ startedAt: optionalText }).nullish(),
    waiting: z.object({ reason: optionalText }).nullish(),
    terminated: z
      .object({ reason: optionalText, exitCode: z.number().int().nullish(), finishedAt: optionalText })
      .nullish(),
  })
  .nullish();

const ContainerStatus = z.object({
  name: z.string(),
  ready: z.boolean().nullish(),
  restartCount: z.number().int().nullish(),
  state: State,
  lastState: State,
});

const Container = z.object({
  name: z.string(),
  ports: listOf(z.object({ name: optionalText, containerPort: z.number().int(), protocol: optionalText })),
  resources: z
    .object({ limits: z.object({ cpu: z.union([z.string(), z.number()]).nullish() }).nullish() })
    .nullish()
    .catch(null),
});

const DnsConfig = z
  .object({
    nameservers: listOf(z.string(), 10),
    searches: listOf(z.string(), 40),
    options: listOf(z.object({ name: z.string(), value: z.string().nullish() }), 20),
  })
  .nullish()
  .catch(null);

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string().default('default'),
    labels: Labels,
    deletionTimestamp: optionalText,
  }),
  spec: z
    .object({
      nodeName: optionalText,
      hostNetwork: z.boolean().nullish(),
      containers: listOf(Container, 50),
      dnsPolicy: optionalText,
      dnsConfig: DnsConfig,
      hostAliases: listOf(z.object({ ip: z.string(), hostnames: listOf(z.string(), 20) }), 50),
    })
    .nullish(),
  status: z
    .object({
      phase: optionalText,
      podIP: optionalText,
      podIPs: listOf(z.object({ ip: z.string() })),
      startTime: optionalText,
      conditions: listOf(Condition),
      containerStatuses: listOf(ContainerStatus, 50),
    })
    .nullish(),
});

/** Undefined where it is no pod. */
export function storedPod(item: unknown): KubePod | undefined {
  const { data } = Pod.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec, status } = data;
  const conditions = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  const placed = conditions.find(({ type, status: is }) => type === 'PodScheduled' && is === 'False');
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip);
  const told = status?.containerStatuses ?? [];
  const declared = spec?.containers ?? [];
  return {
    kind: 'pod',
    namespace: metadata.namespace,
    name: metadata.name,
    labels: metadata.labels,
    node: spec?.nodeName ?? null,
    addresses: addresses.length > 0 || status?.podIP === undefined ? addresses : [status.podIP],
    hostNetwork: spec?.hostNetwork ?? false,
    dnsPolicy: spec?.dnsPolicy ?? null,
    dnsConfig: dnsConfigOf(spec?.dnsConfig),
    hostAliases: (spec?.hostAliases ?? []).map(({ ip, hostnames }) => ({
      address: oneLine(ip),
      names: hostnames.map(oneLine),
    })),
    phase: status?.phase ?? 'Unknown',
    ready: ready?.status === 'True',
    readySinceMs: timeOf(ready?.lastTransitionTime),
    notReadyWhy:
      ready?.status === 'True'
        ? null
        : (reasonOf(placed?.reason, placed?.message) ?? reasonOf(ready?.reason, ready?.message)),
    startedAtMs: timeOf(status?.startTime),
    deletedAtMs: timeOf(metadata.deletionTimestamp),
    containers: (told.length > 0 ? told.map(({ name }) => name) : declared.map(({ name }) => name)).map((name) => {
      const one = told.find((status) => status.name === name);
      const { running, waiting, terminated } = one?.state ?? {};
      const last = one?.lastState?.terminated;
      return {
        name,
        ready: one?.ready ?? false,
        restarts: one?.restartCount ?? 0,
        state: running ? 'running' : waiting ? 'waiting' : terminated ? 'terminated' : 'unknown',
        reason: reasonOf(waiting?.reason ?? terminated?.reason, undefined),
        startedAtMs: timeOf(running?.startedAt),
        last: last
          ? {
              reason: reasonOf(last.reason, undefined),
              exitCode: last.exitCode ?? null,
              finishedAtMs: timeOf(last.finishedAt),
            }
          : null,
        ports: (declared.find((container) => container.name === name)?.ports ?? []).map((port) => ({
          name: port.name ?? '',
          port: port.containerPort,
          protocol: protocolOf(port.protocol),
        })),
        cpuLimit: cpuLimitOf(declared.find((container) => container.name === name)),
      };
    }),
  };
}

function dnsConfigOf(config: z.output<typeof DnsConfig>): KubePod['dnsConfig'] {
  if (!config) return null;
  return {
    nameservers: config.nameservers.map(oneLine),
    searches: config.searches.map(oneLine),
    options: config.options.map(({ name, value }) => ({ name: oneLine(name), value: value ? oneLine(value) : null })),
  };
}

/** A quantity of Kubernetes: `500m`, `2`. */
function cpuLimitOf(container: z.output<typeof Container> | undefined): string | null {
  const cpu = String(container?.resources?.limits?.cpu ?? '');
  return /^\d{1,9}(?:\.\d{1,9})?[a-zA-Z]{0,2}$/.test(cpu) ? cpu : null;
}

const Event = z.object({
  involvedObject: z.object({ kind: optionalText, namespace: optionalText, name: optionalText }),
  type: optionalText,
  reason: optionalText,
  message: optionalText,
  count: z.number().int().nullish(),
  series: z.object({ count: z.number().int().nullish(), lastObservedTime: optionalText }).nullish(),
  eventTime: optionalText,
  firstTimestamp: optionalText,
  lastTimestamp: optionalText,
});

/** Undefined where it is no event of a pod. */
export function storedEvent(item: unknown): KubeEvent | undefined {
  const { data } = Event.safeParse(item);
  if (data === undefined || data.involvedObject.kind !== 'Pod' || data.involvedObject.name === undefined)
    return undefined;
  const { involvedObject, series, eventTime } = data;
  const first = timeOf(data.firstTimestamp) ?? timeOf(eventTime);
  return {
    kind: 'event',
    pod: `${involvedObject.namespace ?? 'default'}/${involvedObject.name}`,
    type: oneLine(data.type),
    reason: oneLine(data.reason),
    message: oneLine(data.message),
    count: series?.count ?? data.count ?? 1,
    firstAtMs: first,
    lastAtMs: timeOf(series?.lastObservedTime) ?? timeOf(data.lastTimestamp) ?? first,
  };
}
