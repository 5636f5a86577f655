import { parse } from 'yaml';
import * as z from 'zod';
import type { CniConfig, DnsConfig, KubeProxyConfig, KubeWorkload } from '../../model/cluster-objects.ts';
import { oneLine } from './stored-text.ts';

const ConfigMap = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().default('default') }),
  data: z.record(z.string(), z.string()).nullish(),
});

/** A ConfigMap is mounted whole into its pods and cannot be larger (1 MiB); those that are read here are a few KiB. */
const maxCharacters = 200_000;

function dataOf(
  item: unknown,
): { readonly where: string; readonly data: Readonly<Record<string, string>> } | undefined {
  const { data: map } = ConfigMap.safeParse(item);
  if (map === undefined) return undefined;
  return { where: `ConfigMap ${map.metadata.namespace}/${map.metadata.name}`, data: map.data ?? {} };
}

/** A document of YAML or JSON inside of a ConfigMap. */
function documentOf(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined || text.length > maxCharacters) return {};
  try {
    const value: unknown = parse(text, { maxAliasCount: 10, logLevel: 'error' });
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? oneLine(String(value)).slice(0, 100)
    : null;
}

/** Those of `keys` that are there: nothing else of the document is kept. */
function settingsOf(document: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    keys.flatMap((path) => {
      const value = path.split('.').reduce<unknown>((at, step) => (isRecord(at) ? at[step] : undefined), document);
      const word = wordOf(value);
      return word === null || word === '' ? [] : [[path, word] as const];
    }),
  );
}

const proxyKeys = [
  'ipvs.scheduler',
  'ipvs.tcpTimeout',
  'ipvs.tcpFinTimeout',
  'ipvs.udpTimeout',
  'ipvs.strictARP',
  'iptables.masqueradeAll',
  'iptables.minSyncPeriod',
  'iptables.syncPeriod',
  'conntrack.maxPerCore',
  'conntrack.min',
  'conntrack.tcpEstablishedTimeout',
  'conntrack.tcpCloseWaitTimeout',
  'conntrack.tcpBeLiberal',
];

/** ConfigMap `kube-proxy` of kubeadm: a KubeProxyConfiguration under `config.conf`. */
export function storedProxyConfig(item: unknown): KubeProxyConfig | undefined {
  const map = dataOf(item);
  const text = map?.data['config.conf'] ?? map?.data['config'];
  if (text === undefined) return undefined;
  const document = documentOf(text);
  return {
    kind: 'kubeProxyConfig',
    mode: wordOf(document['mode']) ?? '',
    clusterCidr: wordOf(document['clusterCIDR']) || null,
    settings: settingsOf(document, proxyKeys),
  };
}

const Workload = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string().default('default') }),
  spec: z.object({ replicas: z.number().int().nullish() }).nullish(),
  status: z
    .object({
      desiredNumberScheduled: z.number().int().nullish(),
      numberReady: z.number().int().nullish(),
      readyReplicas: z.number().int().nullish(),
    })
    .nullish(),
});

export function storedWorkload(item: unknown, type: KubeWorkload['type']): KubeWorkload | undefined {
  const { data } = Workload.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec, status } = data;
  const isSet = type === 'daemonset';
  return {
    kind: 'workload',
    type,
    namespace: metadata.namespace,
    name: metadata.name,
    wanted: (isSet ? status?.desiredNumberScheduled : (spec?.replicas ?? 1)) ?? 0,
    ready: (isSet ? status?.numberReady : status?.readyReplicas) ?? 0,
  };
}

function numberOf(value: unknown): number | null {
  const number = typeof value === 'number' ? value : Number(wordOf(value) ?? Number.NaN);
  return Number.isInteger(number) && number >= 0 && number < 1_000_000 ? number : null;
}

/** ConfigMap `calico-config` (manifests without the operator). */
export function storedCalicoConfig(item: unknown): CniConfig | undefined {
  const map = dataOf(item);
  if (map === undefined) return undefined;
  return {
    kind: 'cniConfig',
    plugin: 'calico',
    where: map.where,
    mtu: numberOf(map.data['veth_mtu']),
    mtuKey: 'veth_mtu',
    encapsulation: null,
    settings: settingsOf(map.data, ['calico_backend', 'typha_service_name']),
  };
}

/** `Installation` of the Tigera operator. */
export function storedInstallation(item: unknown): CniConfig | undefined {
  if (!isRecord(item) || !isRecord(item['spec'])) return undefined;
  const network = item['spec']['calicoNetwork'];
  if (!isRecord(network)) return undefined;
  const pools = Array.isArray(network['ipPools']) ? network['ipPools'] : [];
  const encapsulation = pools.flatMap((pool: unknown) => (isRecord(pool) ? (wordOf(pool['encapsulation']) ?? []) : []));
  return {
    kind: 'cniConfig',
    plugin: 'calico',
    where: 'Installation default',
    mtu: numberOf(network['mtu']),
    mtuKey: 'spec.calicoNetwork.mtu',
    encapsulation: encapsulation[0]?.toLowerCase() ?? null,
    settings: settingsOf(network, ['linuxDataplane', 'bgp']),
  };
}

/** ConfigMap `kube-flannel-cfg`. Its MTU is that of the backend; without one, that of the device less the tunnel. */
export function storedFlannelConfig(item: unknown): CniConfig | undefined {
  const map = dataOf(item);
  if (map === undefined) return undefined;
  const document = documentOf(map.data['net-conf.json']);
  const backend = isRecord(document['Backend']) ? document['Backend'] : {};
  return {
    kind: 'cniConfig',
    plugin: 'flannel',
    where: map.where,
    mtu: numberOf(backend['MTU']),
    mtuKey: 'net-conf.json Backend.MTU',
    encapsulation: wordOf(backend['Type'])?.toLowerCase() ?? null,
    document: knownDocument(document),
    settings: settingsOf(document, ['Network', 'Backend.Port', 'Backend.VNI', 'Backend.DirectRouting']),
  };
}

/** flannel, Documentation/configuration.md and backends.md: what `net-conf.json` may hold. */
const netConfKeys = new Set(
  'Network IPv6Network EnableIPv4 EnableIPv6 EnableNFTables SubnetLen SubnetMin SubnetMax IPv6SubnetLen IPv6SubnetMin IPv6SubnetMax Backend'.split(
    ' ',
  ),
);
const backendKeys = new Set('Type VNI Port GBP DirectRouting MTU MacPrefix ListenPort'.split(' '));

/** The document, where nothing is in it that is not known: then it can be written back whole, and holds no secret. */
function knownDocument(document: Readonly<Record<string, unknown>>): string | null {
  const backend = document['Backend'];
  const isKnown =
    isRecord(backend) &&
    Object.entries(document).every(([key, value]) => netConfKeys.has(key) && (key === 'Backend' || isPlain(value))) &&
    Object.entries(backend).every(([key, value]) => backendKeys.has(key) && isPlain(value));
  const text = JSON.stringify(document);
  return isKnown && text.length <= 2000 ? text : null;
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** ConfigMap `cilium-config`. */
export function storedCiliumConfig(item: unknown): CniConfig | undefined {
  const map = dataOf(item);
  if (map === undefined) return undefined;
  const { data } = map;
  const isRouted = data['routing-mode'] === 'native' || data['tunnel'] === 'disabled';
  return {
    kind: 'cniConfig',
    plugin: 'cilium',
    where: map.where,
    mtu: numberOf(data['mtu']),
    mtuKey: 'mtu',
    encapsulation: isRouted ? 'none' : (wordOf(data['tunnel-protocol'] ?? data['tunnel'])?.toLowerCase() ?? null),
    settings: settingsOf(data, [
      'kube-proxy-replacement',
      'enable-policy',
      'enable-wireguard',
      'enable-ipsec',
      'bpf-lb-sock',
      'bpf-lb-mode',
    ]),
  };
}

const mostServers = 20;
const pluginName = /^[a-z][a-z0-9_]{0,30}$/;
const upstream = /^(?:[a-z]+:\/\/)?[A-Za-z0-9.:[\]/_-]{1,200}$/;

/**
 * ConfigMap `coredns`: zones, names of plug-ins and addresses of `forward`. Arguments of other plug-ins are left out:
 * some of them are passwords (`etcd credentials`, `tsig`).
 */
export function storedCorefile(item: unknown): DnsConfig | undefined {
  const map = dataOf(item);
  const text = map?.data['Corefile'];
  if (map === undefined || text === undefined || text.length > maxCharacters) return undefined;
  const servers: DnsConfig['servers'] = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    const words = line
      .replace(/(?:^|\s)#.*$/, '')
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    const opens = words.at(-1) === '{';
    const [first, ...rest] = opens ? words.slice(0, -1) : words;
    if (depth === 0 && opens && first !== undefined && servers.length < mostServers)
      servers.push({ zones: [first, ...rest].slice(0, 10).map((zone) => oneLine(zone)), plugins: [], forwards: [] });
    else if (depth === 1 && first !== undefined && first !== '}' && pluginName.test(first)) {
      const server = servers.at(-1);
      server?.plugins.push(first);
      // `forward FROM TO…`
      if (first === 'forward' || first === 'proxy')
        server?.forwards.push(...rest.slice(1, 16).filter((to) => upstream.test(to)));
    }
    if (opens) depth += 1;
    if (words[0] === '}') depth = Math.max(0, depth - 1);
  }
  return {
    kind: 'dnsConfig',
    where: map.where,
    servers: servers.map((one) => ({ ...one, plugins: one.plugins.slice(0, 50), forwards: one.forwards.slice(0, 30) })),
  };
}
