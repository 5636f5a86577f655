import type { CniConfig } from '../model/cluster-objects.ts';
import type { KernelSetting, KubeDraft } from '../model/report.ts';
import { safePodSysctls } from './pod-sysctls.ts';

/**
 * Kubernetes objects that remedies change, each only as far as it changes: server-side apply leaves the rest alone
 * (kubernetes.io, "Server-Side Apply"). `NAMESPACE`, `NAME` and the kind of a workload are filled in by the engine.
 */
type KubeObject = KubeDraft['object'];

/** The template of the pods of a workload: a Deployment, until it is known what it is. */
export function podTemplate(spec: KubeObject, workload: KubeObject = {}, namespace = 'NAMESPACE'): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'NAME', namespace },
    spec: { ...workload, template: { spec } },
  };
}

export const kubeObjectText = {
  en: {
    kubePodSysctls: (v: { unsafe: string }) =>
      `The pods get these settings of their own and are created again. The list replaces the one that is there: put its other entries in.${
        v.unsafe === ''
          ? ''
          : `\nUnsafe sysctls: the kubelet of every node that may run the pods needs --allowed-unsafe-sysctls=${v.unsafe} (allowedUnsafeSysctls in its configuration), else they do not start.`
      }`,
    kubeInitContainer:
      'Or a privileged container that sets them before the others start; the namespace must allow it (Pod Security).',
    kubeTuning: (v: { plugin: string }) =>
      `Or for every pod of a network, by the CNI plugin "tuning" in its list of plugins on the nodes (/etc/cni/net.d):\n${v.plugin}`,
    kubeNodeSysctls: (v: { host: string }) =>
      `Sets the kernel settings of the node ${v.host} at every start of it. Without nodeSelector: of all nodes. Pods have their own settings, this is for the node's network and for hostNetwork.`,
    kubeNdots: (v: { ndots: string }) =>
      `Names with ${v.ndots} or more dots are asked for as they are first. The pods are created again. Options of the same name replace those of the cluster.`,
    kubeServers: 'The name servers of the pods, without those that do not answer. The pods are created again.',
    kubeSearches:
      'The search list of the pods, without the domain that answers for others. The pods are created again.',
    kubeReopen: 'A second socket for the second question (glibc; musl does not know it). The pods are created again.',
    kubeLocalPolicy:
      'Every node takes the connections, also those without a pod. The source address of clients is no longer seen by the pods.',
    kubeGraceful: (v: { port: string }) =>
      `A pod that ends goes on serving until every node has heard of it; no pod goes before another is ready (port ${v.port}). Where CONTAINER stands, put its name in: the API refuses the object until then.`,
    kubeNameWorkload: 'Put in what makes the pods: kind, namespace and name.',
    kubePolicy: (v: { direction: string }) =>
      `Allows ${v.direction}, beside what other policies allow. See that the labels are those of the pod: a policy that selects other pods isolates them from everything that it does not allow.`,
    kubeDnsPolicy:
      'Allows the pod to ask the DNS of the cluster, over UDP and over TCP (answers that are too large for UDP), beside what other policies allow.',
    kubeDnsSpread: 'CoreDNS: its pods on different nodes, as far as there are some.',
    kubeDnsBudget: 'CoreDNS: no drain of nodes takes its last pod.',
    kubeServicePort: (v: { name: string; port: number }) =>
      `Service: port ${v.port} leads to the port that the pods have (${v.name}).`,
    kubeCpuLimit: (v: { limit: string }) =>
      `CPU limit ${v.limit}. The pods are created again, and their nodes must have the CPU time.`,
    kubeFlannelMtu: (v: { mtu: number }) =>
      `flannel: MTU ${v.mtu} for its device and for pods that are created from then on. Then: kubectl -n kube-flannel rollout restart daemonset kube-flannel-ds (in older installations: -n kube-system).`,
    kubeInto: (v: { port: number; other: string }) => `${v.other} to port ${v.port} of the pod`,
    kubeOutTo: (v: { port: number; other: string }) => `the pod to port ${v.port} of ${v.other}`,
    kubeFelixMtu: (v: { mtu: number; device: string }) =>
      `Calico: MTU ${v.mtu} for ${v.device} on all nodes. Needs its API server; without it write apiVersion crd.projectcalico.org/v1.`,
    kubeVethMtu: (v: { mtu: number }) =>
      `Pods get MTU ${v.mtu} when they are created again (Calico without its operator).`,
    kubeOperatorMtu: (v: { mtu: number }) => `With the operator of Calico: MTU ${v.mtu} for pods and tunnels.`,
    kubeCiliumMtu: (v: { mtu: number }) =>
      `Cilium: MTU of the network below; it takes the tunnel off itself. Then: kubectl -n kube-system rollout restart daemonset cilium (MTU ${v.mtu}).`,
    kubeFelixChecksum: 'Calico: checksums of VXLAN are made in software on all nodes.',
    kubeVxlanPool:
      'Calico: pods of this pool are reached by VXLAN between subnets instead of IPIP. Put the name of your pool in (kubectl get ippools).',
  },
  zh: {
    kubePodSysctls: (v: { unsafe: string }) =>
      `Pod 会有自己的这些设置，并被重建。该列表会替换原有列表：请把原有的其他条目也写进来。${
        v.unsafe === ''
          ? ''
          : `\n属于 unsafe sysctl：可能运行它的每个节点的 kubelet 都需要 --allowed-unsafe-sysctls=${v.unsafe}（配置文件里是 allowedUnsafeSysctls），否则 Pod 无法启动。`
      }`,
    kubeInitContainer: '或由特权容器在其他容器启动前设置；命名空间必须允许（Pod Security）。',
    kubeTuning: (v: { plugin: string }) =>
      `或对整个网络的所有 Pod，用 CNI 插件 “tuning”，写进节点上的插件列表（/etc/cni/net.d）：\n${v.plugin}`,
    kubeNodeSysctls: (v: { host: string }) =>
      `每次启动时设置节点 ${v.host} 的内核参数。去掉 nodeSelector 就是所有节点。Pod 有自己的设置，这里只管节点自己的网络和 hostNetwork。`,
    kubeNdots: (v: { ndots: string }) =>
      `带 ${v.ndots} 个及以上点的名字先按原样查询。Pod 会被重建。同名选项会替换集群的设置。`,
    kubeServers: 'Pod 的 DNS 服务器，去掉不应答的。Pod 会被重建。',
    kubeSearches: 'Pod 的搜索域，去掉冒充其他域名的那个。Pod 会被重建。',
    kubeReopen: '第二个查询使用另一个套接字（glibc；musl 不认识该选项）。Pod 会被重建。',
    kubeLocalPolicy: '每个节点都接收连接，没有 Pod 的节点也是。Pod 将看不到客户端的源地址。',
    kubeGraceful: (v: { port: string }) =>
      `即将结束的 Pod 会继续服务，直到所有节点都知道；新的 Pod 就绪（端口 ${v.port}）之前不会撤走旧的。写着 CONTAINER 的地方请填入容器的名字：在此之前 API 会拒绝该对象。`,
    kubeNameWorkload: '请填入创建这些 Pod 的对象：kind、namespace 和 name。',
    kubePolicy: (v: { direction: string }) =>
      `在其他策略之外放行${v.direction}。请确认标签是该 Pod 的：选中其他 Pod 的策略会把它们与未放行的一切隔离。`,
    kubeDnsPolicy: '在其他策略之外，放行该 Pod 对集群 DNS 的查询，UDP 和 TCP 都放行（应答太大时走 TCP）。',
    kubeDnsSpread: 'CoreDNS：它的 Pod 尽量分布在不同节点上。',
    kubeDnsBudget: 'CoreDNS：驱逐节点时不会带走最后一个 Pod。',
    kubeServicePort: (v: { name: string; port: number }) =>
      `Service：端口 ${v.port} 指向 Pod 真正的端口（${v.name}）。`,
    kubeCpuLimit: (v: { limit: string }) => `CPU 限额 ${v.limit}。Pod 会被重建，节点也要有足够的 CPU。`,
    kubeFlannelMtu: (v: { mtu: number }) =>
      `flannel：它的设备和此后创建的 Pod 的 MTU 为 ${v.mtu}。然后执行：kubectl -n kube-flannel rollout restart daemonset kube-flannel-ds（旧的安装方式：-n kube-system）。`,
    kubeInto: (v: { port: number; other: string }) => `从 ${v.other} 到 Pod 端口 ${v.port} 的流量`,
    kubeOutTo: (v: { port: number; other: string }) => `从 Pod 到 ${v.other} 端口 ${v.port} 的流量`,
    kubeFelixMtu: (v: { mtu: number; device: string }) =>
      `Calico：所有节点上 ${v.device} 的 MTU 为 ${v.mtu}。需要它的 API server；没有时 apiVersion 写 crd.projectcalico.org/v1。`,
    kubeVethMtu: (v: { mtu: number }) => `Pod 重建后得到 MTU ${v.mtu}（不用 operator 安装的 Calico）。`,
    kubeOperatorMtu: (v: { mtu: number }) => `用 operator 安装的 Calico：Pod 和隧道的 MTU 为 ${v.mtu}。`,
    kubeCiliumMtu: (v: { mtu: number }) =>
      `Cilium：这里是底层网络的 MTU，隧道开销由它自己扣除。然后执行：kubectl -n kube-system rollout restart daemonset cilium（MTU ${v.mtu}）。`,
    kubeFelixChecksum: 'Calico：所有节点上 VXLAN 的校验和改由软件计算。',
    kubeVxlanPool: 'Calico：该地址池的 Pod 跨子网时用 VXLAN 而不是 IPIP。请填入你的地址池名字（kubectl get ippools）。',
  },
} as const;

export type KubeObjectSentences = (typeof kubeObjectText)['en' | 'zh'];

/** Kernel settings for the pods of a workload: in their own network namespace, so the node's stay as they are. */
export function podSysctlDrafts(settings: readonly KernelSetting[], say: KubeObjectSentences): readonly KubeDraft[] {
  const unsafe = settings.flatMap(({ key }) => (key in safePodSysctls ? [] : [key]));
  const drafts: KubeDraft[] = [
    {
      about: say.kubePodSysctls({ unsafe: unsafe.join(',') }),
      object: podTemplate({
        securityContext: { sysctls: settings.map(({ key, value }) => ({ name: key, value })) },
      }),
    },
  ];
  if (unsafe.length === 0) return drafts;
  const plugin = JSON.stringify({
    type: 'tuning',
    sysctl: Object.fromEntries(settings.map(({ key, value }) => [key, value])),
  });
  return [
    ...drafts,
    {
      about: `${say.kubeTuning({ plugin })}\n${say.kubeInitContainer}`,
      instead: true,
      object: podTemplate({ initContainers: [settingContainer(settings)] }),
    },
  ];
}

/** Kernel settings for a node, kept by a DaemonSet that does nothing else. */
export function nodeSysctlDrafts(
  settings: readonly KernelSetting[],
  { slug, host }: { readonly slug: string; readonly host: string },
  say: KubeObjectSentences,
): readonly KubeDraft[] {
  const name = nameOf(`netcheck-${slug}-${host}`);
  const labels = { 'app.kubernetes.io/name': name };
  return [
    {
      about: say.kubeNodeSysctls({ host }),
      object: {
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        metadata: { name, namespace: 'kube-system', labels },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              hostNetwork: true,
              nodeSelector: { 'kubernetes.io/hostname': host },
              tolerations: [{ operator: 'Exists' }],
              initContainers: [settingContainer(settings)],
              containers: [
                {
                  name: 'stay',
                  image: 'registry.k8s.io/pause:3.10',
                  resources: { requests: { cpu: '1m', memory: '8Mi' }, limits: { memory: '16Mi' } },
                },
              ],
            },
          },
        },
      },
    },
  ];
}

/** A name that Kubernetes takes, also as the value of a label (RFC 1123, 63 characters). */
function nameOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replace(/-+$/, '');
}

/** Privileged, because /proc/sys is read-only for others; it does one thing and ends. */
function settingContainer(settings: readonly KernelSetting[]): KubeObject {
  return {
    name: 'netcheck-sysctl',
    image: 'busybox:1.36',
    command: ['sysctl', '-w', ...settings.map(({ key, value }) => `${key}=${value}`)],
    securityContext: { privileged: true, runAsUser: 0 },
    resources: { requests: { cpu: '10m', memory: '8Mi' }, limits: { memory: '16Mi' } },
  };
}

/** An option of the resolver, with or without a value: `ndots:2`, `single-request-reopen`. */
interface DnsOption {
  readonly name: string;
  readonly value?: string | null;
}

/**
 * Options of the resolver for the pods of a workload (pod.spec.dnsConfig).
 *
 * @param others that the pods have already: the list is taken as a whole (x-kubernetes-list-type: atomic)
 */
export function dnsOptionDraft(
  about: string,
  name: string,
  value?: string,
  others: readonly DnsOption[] = [],
): KubeDraft {
  const all: readonly DnsOption[] = [
    ...others.filter((one) => one.name !== name),
    { name, ...(value === undefined ? {} : { value }) },
  ];
  const options = all.map((one) => (one.value === undefined || one.value === null ? { name: one.name } : { ...one }));
  return { about, object: podTemplate({ dnsConfig: { options } }) };
}

/** The whole list of name servers of a pod's dnsConfig: server-side apply replaces lists of plain values. */
export function dnsServersDraft(nameservers: readonly string[], say: KubeObjectSentences): KubeDraft {
  return { about: say.kubeServers, object: podTemplate({ dnsConfig: { nameservers: [...nameservers] } }) };
}

/** The whole search list of a pod's dnsConfig. */
export function dnsSearchesDraft(searches: readonly string[], say: KubeObjectSentences): KubeDraft {
  return { about: say.kubeSearches, object: podTemplate({ dnsConfig: { searches: [...searches] } }) };
}

/** Rollouts that lose no connection: a pod ends only when nobody sends to it any more. */
export function gracefulDraft(
  { port, namespace = 'NAMESPACE' }: { readonly port: number | null; readonly namespace?: string | undefined },
  say: KubeObjectSentences,
): KubeDraft {
  const container = {
    name: 'CONTAINER',
    lifecycle: { preStop: { exec: { command: ['sleep', '10'] } } },
    ...(port === null ? {} : { readinessProbe: { tcpSocket: { port }, periodSeconds: 5, failureThreshold: 2 } }),
  };
  return {
    about: say.kubeGraceful({ port: port === null ? '?' : String(port) }),
    serves: true,
    object: podTemplate(
      { terminationGracePeriodSeconds: 45, containers: [container] },
      { minReadySeconds: 5, strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } },
      namespace,
    ),
  };
}

/** The MTU of a tunnel of the CNI that made the device; empty where nobody knows the device. */
export function tunnelMtuDrafts(
  { device, mtu, nicMtu }: { readonly device: string; readonly mtu: number; readonly nicMtu: number | null },
  say: KubeObjectSentences,
  cni: readonly CniConfig[] = [],
): readonly KubeDraft[] {
  const key = /^tunl\d+$/.test(device)
    ? 'ipipMTU'
    : device === 'vxlan.calico'
      ? 'vxlanMTU'
      : device === 'wireguard.cali'
        ? 'wireguardMTU'
        : null;
  if (key !== null)
    return [
      {
        about: say.kubeFelixMtu({ mtu, device }),
        object: felixConfiguration({ [key]: mtu }),
      },
      installationDraft(mtu, say),
      {
        about: say.kubeVethMtu({ mtu }),
        instead: true,
        object: configMap('calico-config', { veth_mtu: String(mtu) }),
      },
    ];
  if (device.startsWith('cilium_') && nicMtu !== null)
    return [{ about: say.kubeCiliumMtu({ mtu: nicMtu }), object: configMap('cilium-config', { mtu: String(nicMtu) }) }];
  return /^flannel[.-]/.test(device) ? flannelMtuDrafts(cni, mtu, say) : [];
}

/** What Cilium takes off its MTU for pods, by its encapsulation, bytes (RFC 7348, RFC 8926 over IPv4). */
const ciliumTunnelBytes: Readonly<Record<string, number>> = { none: 0, vxlan: 50, geneve: 50 };

/** The MTU that pods are to have, where it is known who makes their devices; empty where it is not. */
export function podMtuDrafts(
  links: readonly { readonly name: string }[],
  mtu: number,
  say: KubeObjectSentences,
  cni: readonly CniConfig[] = [],
): readonly KubeDraft[] {
  if (links.some(({ name }) => /^flannel[.-]/.test(name))) return flannelMtuDrafts(cni, mtu, say);
  if (links.some(({ name }) => name.startsWith('cilium_'))) {
    const config = cni.find(({ plugin }) => plugin === 'cilium');
    const tunnel = ciliumTunnelBytes[config?.encapsulation ?? ''];
    const below = tunnel === undefined ? null : mtu + tunnel;
    return below === null
      ? []
      : [{ about: say.kubeCiliumMtu({ mtu: below }), object: configMap('cilium-config', { mtu: String(below) }) }];
  }
  if (!links.some(({ name }) => /^cali|^vxlan\.calico$/.test(name))) return [];
  return [
    { about: say.kubeVethMtu({ mtu }), object: configMap('calico-config', { veth_mtu: String(mtu) }) },
    installationDraft(mtu, say),
  ];
}

function installationDraft(mtu: number, say: KubeObjectSentences): KubeDraft {
  return {
    about: say.kubeOperatorMtu({ mtu }),
    instead: true,
    object: {
      apiVersion: 'operator.tigera.io/v1',
      kind: 'Installation',
      metadata: { name: 'default' },
      spec: { calicoNetwork: { mtu } },
    },
  };
}

/** Calico's settings of all nodes. */
export function felixConfiguration(spec: KubeObject): KubeObject {
  return { apiVersion: 'projectcalico.org/v3', kind: 'FelixConfiguration', metadata: { name: 'default' }, spec };
}

/** A policy that lets one port through, to pods or from them, as well as what others allow. */
export function policyDraft(
  direction: 'to' | 'from',
  namespace: string,
  { other, port, protocol }: { readonly other: string; readonly port: number; readonly protocol: 'tcp' | 'udp' },
  say: KubeObjectSentences,
): KubeDraft {
  const peers = [{ ipBlock: { cidr: `${other}/${other.includes(':') ? 128 : 32}` } }];
  const ports = [{ protocol: protocol.toUpperCase(), port }];
  const [type, rules] =
    direction === 'to'
      ? (['Ingress', { ingress: [{ from: peers, ports }] }] as const)
      : (['Egress', { egress: [{ to: peers, ports }] }] as const);
  const said = direction === 'to' ? say.kubeInto({ port, other }) : say.kubeOutTo({ port, other });
  return {
    about: say.kubePolicy({ direction: said }),
    object: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: `netcheck-allow-${type.toLowerCase()}-${port}`, namespace },
      // matches nothing until somebody says which pod: a selector that is too wide would isolate others
      spec: {
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'PUT-THE-LABEL-OF-THE-POD-HERE' } },
        policyTypes: [type],
        ...rules,
      },
    },
  };
}

/** A policy that lets a pod ask the DNS of the cluster in both ways. */
export function dnsPolicyDraft(namespace: string, say: KubeObjectSentences): KubeDraft {
  return {
    about: say.kubeDnsPolicy,
    object: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'netcheck-allow-dns', namespace },
      spec: {
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'PUT-THE-LABEL-OF-THE-POD-HERE' } },
        policyTypes: ['Egress'],
        egress: [
          {
            to: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
                podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
              },
            ],
            ports: [
              { protocol: 'UDP', port: 53 },
              { protocol: 'TCP', port: 53 },
            ],
          },
        ],
      },
    },
  };
}

/** CoreDNS that outlives a node: pods apart from each other, and a drain that waits. */
export function corednsDrafts(say: KubeObjectSentences): readonly KubeDraft[] {
  const labels = { matchLabels: { 'k8s-app': 'kube-dns' } };
  const apart = { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' };
  return [
    {
      about: say.kubeDnsSpread,
      object: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'coredns', namespace: 'kube-system' },
        spec: { template: { spec: { topologySpreadConstraints: [{ ...apart, labelSelector: labels }] } } },
      },
    },
    {
      about: say.kubeDnsBudget,
      object: {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'netcheck-coredns', namespace: 'kube-system' },
        spec: { minAvailable: 1, selector: labels },
      },
    },
  ];
}

/** One port of a Service: server-side apply keeps the others (its ports are known by port and protocol). */
export function servicePortDraft(
  about: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  port: {
    readonly name: string;
    readonly protocol: 'tcp' | 'udp' | 'sctp';
    readonly port: number;
    readonly targetPort: number | string;
  },
): KubeDraft {
  const { name: portName, protocol, ...rest } = port;
  const named = portName === '' ? {} : { name: portName };
  return {
    about,
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { ports: [{ ...named, protocol: protocol.toUpperCase(), ...rest }] },
    },
  };
}

/** The CPU limit of one container of a workload. */
export function cpuLimitDraft(container: string, limit: string, say: KubeObjectSentences): KubeDraft {
  return {
    about: say.kubeCpuLimit({ limit }),
    serves: true,
    object: podTemplate({ containers: [{ name: container, resources: { limits: { cpu: limit } } }] }),
  };
}

/**
 * flannel's MTU: its configuration is one text of JSON in a ConfigMap, so it is written back whole.
 *
 * @param cni as it was read; where netcheck does not know every key of it there is none: {@link flannelCommands}
 */
export function flannelMtuDrafts(
  cni: readonly CniConfig[],
  mtu: number,
  say: KubeObjectSentences,
): readonly KubeDraft[] {
  const config = cni.find(({ plugin }) => plugin === 'flannel');
  const [, namespace] = /^ConfigMap ([a-z0-9-]+)\/kube-flannel-cfg$/.exec(config?.where ?? '') ?? [];
  if (typeof config?.document !== 'string' || namespace === undefined) return [];
  let document: unknown;
  try {
    document = JSON.parse(config.document);
  } catch {
    return [];
  }
  const { Backend: backend, ...rest } = document as { Backend?: object };
  const netConf = JSON.stringify({ ...rest, Backend: { ...backend, MTU: mtu } });
  return [
    {
      about: say.kubeFlannelMtu({ mtu }),
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kube-flannel-cfg', namespace },
        data: { 'net-conf.json': netConf },
      },
    },
  ];
}

/** The same where the configuration was not read: the text is changed where it is. */
export function flannelCommands(mtu: number): readonly string[] {
  const changed = `kubectl -n kube-flannel get configmap kube-flannel-cfg -o yaml | sed -E '/"MTU":/d; s/^( *)"Type":/\\1"MTU": ${mtu},\\n\\1"Type":/'`;
  return [
    `${changed} | kubectl diff -f -`,
    `${changed} | kubectl apply -f -`,
    'kubectl -n kube-flannel rollout restart daemonset kube-flannel-ds',
  ];
}

function configMap(name: string, data: Readonly<Record<string, string>>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data };
}

/**
 * Keys of kube-proxy's configuration, which stands as one text in its ConfigMap: a partial object would take away the rest
 * of it, so the text is changed where it is. kubeadm writes every key, those that are not set as well.
 *
 * @param keys of the YAML in `config.conf`, as they stand there once: `tcpTimeout`
 */
export function kubeProxyCommands(keys: Readonly<Record<string, string>>): readonly string[] {
  const edits = Object.entries(keys)
    .map(([key, value]) => String.raw`s/^( *${key}:).*/\1 ${value}/`)
    .join('; ');
  const changed = `kubectl -n kube-system get configmap kube-proxy -o yaml | sed -E '${edits}'`;
  return [
    `${changed} | kubectl diff -f -`,
    `${changed} | kubectl apply -f -`,
    'kubectl -n kube-system rollout restart daemonset kube-proxy',
  ];
}

/**
 * A change of CoreDNS's Corefile, which stands as one text in its ConfigMap as well. CoreDNS reads it again by itself where
 * the plugin `reload` is on, as kubeadm sets it.
 *
 * @param edit for sed -E
 */
export function coreDnsCommands(edit: string): readonly string[] {
  const changed = `kubectl -n kube-system get configmap coredns -o yaml | sed -E '${edit}'`;
  return [`${changed} | kubectl diff -f -`, `${changed} | kubectl apply -f -`];
}
