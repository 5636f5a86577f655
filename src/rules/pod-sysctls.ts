import type { Remedy } from '../model/report.ts';

/**
 * Settings that a pod may have of its own without a flag of the kubelet, with the release that they are safe from and
 * the kernel that has them per network namespace (kubernetes.io, "Using sysctls in a Kubernetes Cluster" and "Linux
 * Kernel Version Requirements"; pkg/kubelet/sysctl/safe_sysctls.go).
 */
export const safePodSysctls: Readonly<Record<string, { readonly kubernetes?: string; readonly kernel?: string }>> = {
  'net.ipv4.ip_local_port_range': {},
  'net.ipv4.tcp_syncookies': { kernel: '4.6' },
  'net.ipv4.ping_group_range': { kubernetes: '1.18' },
  'net.ipv4.ip_unprivileged_port_start': { kubernetes: '1.22' },
  'net.ipv4.ip_local_reserved_ports': { kubernetes: '1.27', kernel: '3.16' },
  'net.ipv4.tcp_keepalive_time': { kubernetes: '1.29', kernel: '4.5' },
  'net.ipv4.tcp_fin_timeout': { kubernetes: '1.29', kernel: '4.6' },
  'net.ipv4.tcp_keepalive_intvl': { kubernetes: '1.29', kernel: '4.5' },
  'net.ipv4.tcp_keepalive_probes': { kubernetes: '1.29', kernel: '4.5' },
  'net.ipv4.tcp_rmem': { kubernetes: '1.32', kernel: '4.15' },
  'net.ipv4.tcp_wmem': { kubernetes: '1.32', kernel: '4.15' },
};

/** The sentences of {@link podSysctls}, to be spread into a rule's text. */
export const podSysctlText = {
  en: {
    podSettings: (v: { keys: string; safe: string; unsafe: string }) =>
      `For a pod: securityContext.sysctls with ${v.keys}${v.safe}${v.unsafe}. Pods with hostNetwork have the settings of the node`,
    podSafe: (v: { key: string; kubernetes: string | undefined; kernel: string | undefined }) =>
      `; ${v.key} is a safe sysctl${[
        ...(v.kubernetes === undefined ? [] : [` since Kubernetes ${v.kubernetes}`]),
        ...(v.kernel === undefined ? [] : [` from kernel ${v.kernel} on`]),
      ].join(',')}`,
    podUnsafe: (v: { keys: string }) =>
      `; unsafe: the kubelet of every node that may run it needs --allowed-unsafe-sysctls=${v.keys}, or a privileged initContainer sets it with sysctl -w`,
    podRisk: 'The pods are created again; where the kubelet does not allow an unsafe sysctl, they do not start',
  },
  zh: {
    podSettings: (v: { keys: string; safe: string; unsafe: string }) =>
      `对 Pod：在 securityContext.sysctls 中设置 ${v.keys}${v.safe}${v.unsafe}。使用 hostNetwork 的 Pod 沿用节点的设置`,
    podSafe: (v: { key: string; kubernetes: string | undefined; kernel: string | undefined }) =>
      `；${v.key} 是安全 sysctl${[
        ...(v.kubernetes === undefined ? [] : [`（Kubernetes ${v.kubernetes} 起）`]),
        ...(v.kernel === undefined ? [] : [`（内核 ${v.kernel} 起）`]),
      ].join('')}`,
    podUnsafe: (v: { keys: string }) =>
      `；属于 unsafe：可能运行它的每个节点的 kubelet 都需要 --allowed-unsafe-sysctls=${v.keys}，或由特权 initContainer 执行 sysctl -w`,
    podRisk: 'Pod 会重建；如果 kubelet 不允许该 unsafe sysctl，Pod 无法启动',
  },
} as const;

export type PodSysctlSentences = (typeof podSysctlText)['en' | 'zh'];

/** The Kubernetes form of settings that each network namespace has of its own: says which are safe, and what unsafe ones need. */
export function podSysctls(
  settings: readonly { readonly key: string; readonly value: string }[],
  say: PodSysctlSentences,
): Remedy {
  const unsafe = settings.flatMap(({ key }) => (key in safePodSysctls ? [] : [key]));
  const safe = settings.flatMap(({ key }) => {
    const since = safePodSysctls[key];
    return since === undefined ? [] : [say.podSafe({ key, kubernetes: since.kubernetes, kernel: since.kernel })];
  });
  const sysctls = settings.map(({ key, value }) => ({ name: key, value }));
  const patch = { spec: { template: { spec: { securityContext: { sysctls } } } } };
  return {
    kind: 'kubernetes',
    text: say.podSettings({
      keys: settings.map(({ key, value }) => `${key}="${value}"`).join(', '),
      safe: safe.join(''),
      unsafe: unsafe.length > 0 ? say.podUnsafe({ keys: unsafe.join(',') }) : '',
    }),
    commands: [`kubectl -n NAMESPACE patch deployment NAME -p '${JSON.stringify(patch)}'`],
    undo: ['kubectl -n NAMESPACE rollout undo deployment NAME'],
    risk: say.podRisk,
    settings: settings.map(({ key, value }) => ({ key, value })),
  };
}
