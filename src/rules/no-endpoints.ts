import * as z from 'zod';
import type { Address, FirewallRule } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterText, kubeBehind, readiness, unreadService, whyNoneReady } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { attemptsTo, failedOf } from './ipvs-attempts.ts';
import { isNodePortAddress } from './etp-local-no-endpoint.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { kubeObjectText } from './kube-objects.ts';
import { hasKubeRules, isForService } from './kube-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { targetPortText, wrongTargetPort } from './target-port.ts';

/** F66: a Service has no endpoint that is ready. */
export const noEndpoints = defineNodeRule({
  id: 'no-endpoints',
  fault: 'F66',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['features'],
  optional: ['ipvs', 'firewall', 'capture', 'probes', 'kernelLog', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'net/netfilter/ipvs/ip_vs_core.c ip_vs_leave (ICMP port unreachable where no server can be chosen)',
    'kubernetes pkg/proxy/iptables/proxier.go ("has no endpoints" -j REJECT)',
    'imroc kubernetes-guide ipvs-no-destination-available.md',
  ],
  text: {
    en: {
      ...captureText.en,
      ...ipvsText.en,
      ...clusterText.en,
      ...kubeObjectText.en,
      ...targetPortText.en,
      title: 'The Service has no endpoint: nothing stands behind its address',
      empty: (v: { service: string }) => `IPVS service ${v.service} has no server at all`,
      drained: (v: { service: string; servers: number }) =>
        `IPVS service ${v.service}: all ${v.servers} servers have weight 0, so new connections go nowhere`,
      has: (v: { service: string; servers: number }) =>
        `IPVS service ${v.service} has ${v.servers} servers with a weight above 0`,
      rejects: (v: { rule: string; packets: string }) => `kube-proxy rejects it: ${v.rule}${v.packets}`,
      noReject: 'no rule "has no endpoints" of kube-proxy matches it',
      neither: 'neither IPVS nor kube-proxy handles this address and port here',
      failed: (v: { connects: number; service: string }) =>
        `${v.connects} connects to ${v.service} failed in the window`,
      probes: (v: { failed: number; total: number; message: string }) =>
        `${v.failed} of ${v.total} probes failed from here${v.message}`,
      log: (v: { time: string; message: string }) => `kernel log ${v.time}: ${v.message}`,
      maybeLocal:
        'The address is one of the node itself (NodePort): with externalTrafficPolicy Local only pods of this node count, and other nodes may have some (see etp-local-no-endpoint)',
      kubernetes:
        'Find out why no pod is ready: the selector must match the pods, they must be Ready, and targetPort must name a port that they have',
      risk: 'None: it only looks',
    },
    zh: {
      ...captureText.zh,
      ...ipvsText.zh,
      ...clusterText.zh,
      ...kubeObjectText.zh,
      ...targetPortText.zh,
      title: 'Service 没有可用的端点：地址后面没有任何后端',
      empty: (v) => `IPVS 服务 ${v.service} 一个后端都没有`,
      drained: (v) => `IPVS 服务 ${v.service}：${v.servers} 个后端的权重都是 0，新连接无处可去`,
      has: (v) => `IPVS 服务 ${v.service} 有 ${v.servers} 个权重大于 0 的后端`,
      rejects: (v) => `kube-proxy 在拒绝它：${v.rule}${v.packets}`,
      noReject: '没有匹配它的 kube-proxy “has no endpoints”规则',
      neither: '这里的 IPVS 和 kube-proxy 都不处理这个地址和端口',
      failed: (v) => `窗口内到 ${v.service} 的 ${v.connects} 次连接失败`,
      probes: (v) => `从这里发起的 ${v.total} 次探测失败了 ${v.failed} 次${v.message}`,
      log: (v) => `内核日志 ${v.time}：${v.message}`,
      maybeLocal:
        '该地址是节点自己的地址（NodePort）：externalTrafficPolicy 为 Local 时只算本节点的 Pod，其他节点可能有（见 etp-local-no-endpoint）',
      kubernetes: '查明为什么没有就绪的 Pod：selector 要匹配 Pod，Pod 要处于 Ready，targetPort 要是 Pod 真正的端口',
      risk: '无：只是查看',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { protocol } = symptom;
    const service = endpointText(target);
    const here = ipvsFor(facts, target, protocol);
    // A node that is asked by the address of a pod is a server of the service, not the service.
    const virtual = here.how === 'service' && isEndpoint(here.service, target) ? here.service : null;
    const reject = facts.firewall?.rules.find((rule) => rejectsService(rule, target, protocol, facts.addresses));
    const kube = kubeBehind(facts.cluster, target, protocol);
    if (kube !== null && kube.usable.length > 0) return ruledOut(readiness(kube, say));
    if (virtual === null && reject === undefined && kube === null) {
      const unread = unreadService(facts.cluster, plan, say);
      if (unread !== null) return undecided('cluster', node, unread);
      if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
      if (facts.firewall === undefined && here.how === 'absent') return undecided('firewall', node, say.noIpvs);
      const at = here.how === 'unlooked' ? facts.features.at : here.at;
      return facts.firewall !== undefined && hasKubeRules(facts.firewall)
        ? ruledOut(because(say.noReject, at))
        : notApplicable(because(say.neither, at));
    }

    const usable = virtual?.servers.filter(({ weight }) => weight > 0) ?? [];
    if (virtual !== null && usable.length > 0 && kube === null)
      return ruledOut(because(say.has({ service, servers: usable.length }), virtual.at));

    const port = wrongTargetPort(facts.cluster, target, protocol, undefined, say);
    const reasons: Because[] =
      kube === null
        ? []
        : [readiness(kube, say), ...(port?.reasons ?? []), ...whyNoneReady(kube.cluster, kube.service, say)];
    if (virtual !== null && usable.length === 0)
      reasons.push(
        because(
          virtual.servers.length === 0
            ? say.empty({ service })
            : say.drained({ service, servers: virtual.servers.length }),
          virtual.at,
        ),
      );
    const rejected = reject?.packets?.delta ?? 0;
    if (reject !== undefined)
      reasons.push(
        because(say.rejects({ rule: reject.text, packets: rejected > 0 ? ` (+${rejected})` : '' }), reject.at),
      );
    const effects: Because[] = [];
    const { capture } = facts;
    if (capture !== undefined && blindness(capture, say) === null) {
      const failed = failedOf(capture, attemptsTo(capture, [target]));
      if (failed.length > 0) effects.push(because(say.failed({ connects: failed.length, service }), capture.at));
    }
    const failedProbes = facts.probes?.filter(({ outcome }) => outcome !== 'connected') ?? [];
    const [probe] = failedProbes;
    if (probe !== undefined)
      effects.push(
        because(
          say.probes({
            failed: failedProbes.length,
            total: facts.probes?.length ?? 0,
            message: probe.message === '' ? '' : ` (${probe.message})`,
          }),
          probe.at,
        ),
      );
    const line = facts.kernelLog?.matters.findLast(
      ({ topic, message }) => topic === 'ipvs-no-destination' && message.includes(target.address),
    );
    const log = line === undefined ? [] : [because(say.log({ time: line.time, message: line.message }), line.at)];
    const all = [...reasons, ...effects, ...log];
    if (
      virtual !== null &&
      kube === null &&
      reject === undefined &&
      isNodePortAddress(facts.addresses ?? [], target.address)
    )
      return likely([...all, because(say.maybeLocal, virtual.at)], remedies());
    return effects.length > 0 || rejected > 0 ? confirmed(all, remedies()) : likely(all, remedies());

    function remedies(): Remedy[] {
      return [
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [
            ...(kube === null ? [`kubectl get service -A -o wide | grep -F ${target.address}`] : []),
            `kubectl -n ${kube?.service.namespace ?? 'NAMESPACE'} get endpointslices -l kubernetes.io/service-name=${kube?.service.name ?? 'NAME'}`,
            ...(kube === null ? [] : [`kubectl -n ${kube.service.namespace} describe service ${kube.service.name}`]),
          ],
          undo: [],
          risk: say.risk,
          ...(port === null || port.drafts.length === 0 ? {} : { objects: [...port.drafts] }),
        },
      ];
    }
  },
});

/**
 * `-A KUBE-SERVICES -d 10.96.0.9/32 … --comment "ns/name has no endpoints" … -j REJECT`, or in nftables mode an element
 * of a map: `10.96.0.9 . tcp . 80 : goto reject-chain`.
 */
export function rejectsService(
  rule: FirewallRule,
  target: { readonly address: string; readonly port: number },
  protocol: string,
  addresses: readonly Address[] | undefined,
): boolean {
  const { tool, table, text, verdict, chain, jumpTo } = rule;
  const rejects =
    tool === 'nft'
      ? table === 'kube-proxy' && chain.startsWith('map no-endpoint-') && jumpTo === 'reject-chain'
      : verdict === 'reject' && chain.startsWith('KUBE-') && text.includes('has no endpoints');
  return rejects && isForService(rule, target, protocol, addresses);
}
