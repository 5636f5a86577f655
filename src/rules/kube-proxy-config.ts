import type { Cluster } from '../model/cluster-facts.ts';
import type { Because } from '../model/report.ts';
import { because } from './because.ts';

/** What kube-proxy is told, in words that the rules share whose settings it writes. */
export const kubeProxyConfigText = {
  en: {
    proxySays: (v: { key: string; value: string; means: string }) =>
      `Kubernetes: ConfigMap kube-system/kube-proxy says ${v.key} ${v.value}${v.means}`,
    proxySilent: (v: { key: string; means: string }) =>
      `Kubernetes: ConfigMap kube-system/kube-proxy does not set ${v.key}${v.means}`,
    proxyOther: ': kube-proxy here was not started again since, or has flags of its own',
    proxySame: ', and that is what is in force here',
    proxyDefault: ': the default of the kernel is in force',
    proxyTable: ': it sets nf_conntrack_max from these at its start, and overwrites what stands there',
    proxyMode: (v: { configured: string; runs: string }) =>
      `Kubernetes: ConfigMap kube-system/kube-proxy says mode ${v.configured}, and kube-proxy here runs ${v.runs}: it was not started again since, or the node lacks what that mode needs`,
  },
  zh: {
    proxySays: (v: { key: string; value: string; means: string }) =>
      `Kubernetes：ConfigMap kube-system/kube-proxy 设置了 ${v.key} ${v.value}${v.means}`,
    proxySilent: (v: { key: string; means: string }) =>
      `Kubernetes：ConfigMap kube-system/kube-proxy 没有设置 ${v.key}${v.means}`,
    proxyOther: '：这里的 kube-proxy 之后没有重启，或有自己的参数',
    proxySame: '，这里生效的就是它',
    proxyDefault: '：生效的是内核默认值',
    proxyTable: '：kube-proxy 启动时据此设置 nf_conntrack_max，会覆盖已有的值',
    proxyMode: (v: { configured: string; runs: string }) =>
      `Kubernetes：ConfigMap kube-system/kube-proxy 设置的模式是 ${v.configured}，而这里的 kube-proxy 运行在 ${v.runs}：之后没有重启，或节点缺少该模式所需的条件`,
  },
};
type ProxyText = typeof kubeProxyConfigText.en;

/** Go's durations as kube-proxy has them: `15m0s` -> 900; null where it is none. */
export function durationSec(text: string): number | null {
  const [, hours, minutes, seconds] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  if (hours === undefined && minutes === undefined && seconds === undefined) return null;
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
}

/** Where the time-out of IPVS comes from that is in force. */
export function ipvsTimeoutOrigin(
  cluster: Cluster | undefined,
  inForceSec: number,
  say: ProxyText,
): readonly Because[] {
  const config = cluster?.proxyConfig;
  if (config === undefined) return [];
  const key = 'ipvs.tcpTimeout';
  const value = config.settings[key];
  const seconds = value === undefined ? null : durationSec(value);
  if (value === undefined || seconds === null || seconds === 0)
    return [because(say.proxySilent({ key, means: inForceSec === 900 ? say.proxyDefault : '' }), config.at)];
  const means = seconds === inForceSec ? say.proxySame : say.proxyOther;
  return [because(say.proxySays({ key, value, means }), config.at)];
}

/** What kube-proxy makes the size of the table from. */
export function conntrackSizeOrigin(cluster: Cluster | undefined, say: ProxyText): readonly Because[] {
  const config = cluster?.proxyConfig;
  const known = ['conntrack.maxPerCore', 'conntrack.min'].flatMap((key) => {
    const value = config?.settings[key];
    return value === undefined ? [] : [{ key, value }];
  });
  const [first, ...more] = known;
  if (config === undefined || first === undefined) return [];
  const value = [first.value, ...more.map((one) => `${one.key} ${one.value}`)].join(', ');
  return [because(say.proxySays({ key: first.key, value, means: say.proxyTable }), config.at)];
}

/** Whether it is told to let packets outside of the window pass. */
export function liberalOrigin(cluster: Cluster | undefined, isLiberal: boolean, say: ProxyText): readonly Because[] {
  const config = cluster?.proxyConfig;
  if (config === undefined) return [];
  const key = 'conntrack.tcpBeLiberal';
  const value = config.settings[key];
  if (value === undefined) return [because(say.proxySilent({ key, means: '' }), config.at)];
  const means = (value === 'true') === isLiberal ? say.proxySame : say.proxyOther;
  return [because(say.proxySays({ key, value, means }), config.at)];
}

/** It runs in another mode than it is told; an empty mode is what the platform does by itself: iptables. */
export function otherMode(cluster: Cluster | undefined, runs: string | undefined, say: ProxyText): readonly Because[] {
  const config = cluster?.proxyConfig;
  if (config === undefined || runs === undefined) return [];
  const configured = config.mode === '' ? 'iptables' : config.mode;
  return configured === runs ? [] : [because(say.proxyMode({ configured, runs }), config.at)];
}
