import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterText, kubeBehind, readiness, unreadService } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** F75: Cilium's own table has no backend for a Service that has some, and refuses connect() itself. */
export const ciliumNoBackend = definePathRule({
  id: 'cilium-no-backend',
  fault: 'F75',
  scope: 'path',
  needs: { client: ['probes'], target: [] },
  optional: ['capture', 'links', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'cilium bpf/bpf_sock.c (connect() is refused with EPERM where a Service has no backend)',
    'imroc tke-guide, connect-apiserver-operation-not-permitted.md (Cilium 1.18.6)',
    'fault catalogue F75',
  ],
  text: {
    en: {
      ...captureText.en,
      ...clusterText.en,
      title: 'Cilium has no backend for a Service that has some, and refuses the connect itself (EPERM)',
      none: (v: { probes: number }) => `none of ${v.probes} connects was refused on the client (EPERM)`,
      refused: (v: { failed: number; total: number; service: string }) =>
        `${v.failed} of ${v.total} connects to ${v.service} were refused by the client's own kernel (EPERM, "Operation not permitted")`,
      silent: 'and no packet of them left the client',
      left: (v: { packets: number }) => `yet ${v.packets} connects of the question were seen on the wire`,
      cilium: (v: { device: string }) => `Cilium is on the client (${v.device})`,
      noCilium:
        'Cilium is not seen on the client: another program at the socket (a BPF program of a cgroup, an LSM) refuses',
      noService: 'Whether the Service has endpoints is not known: without any, EPERM is what Cilium is to do',
      empty: 'Cilium does what it is to do: the Service has no endpoint (see no-endpoints)',
      look: 'Shows what Cilium has behind the address, beside what Kubernetes has',
      restart: 'The agent reads all Services anew when it is started again',
      risk: 'None: it only looks',
      riskRestart: 'Low: connections of the node go on; policies change late for seconds',
    },
    zh: {
      ...captureText.zh,
      ...clusterText.zh,
      title: 'Service 有后端而 Cilium 的表里没有，于是直接拒绝连接（EPERM）',
      none: (v) => `${v.probes} 次连接都没有在客户端被拒绝（EPERM）`,
      refused: (v) =>
        `到 ${v.service} 的 ${v.total} 次连接中有 ${v.failed} 次被客户端自己的内核拒绝（EPERM，“Operation not permitted”）`,
      silent: '并且没有任何报文离开客户端',
      left: (v) => `但在网络上看到了 ${v.packets} 次有关的连接`,
      cilium: (v) => `客户端上有 Cilium（${v.device}）`,
      noCilium: '客户端上没有看到 Cilium：是套接字上的其他程序（cgroup 的 BPF 程序、LSM）在拒绝',
      noService: '不知道该 Service 是否有端点：没有端点时，EPERM 正是 Cilium 应有的行为',
      empty: 'Cilium 的行为是正确的：该 Service 没有端点（见 no-endpoints）',
      look: '查看 Cilium 在该地址后面有什么，并与 Kubernetes 比较',
      restart: '重启 agent 会重新读取全部 Service',
      risk: '无：只是查看',
      riskRestart: '低：节点上的连接继续；策略变更会延迟几秒生效',
    },
  },
  evaluate({ client, target, symptom, plan, say }) {
    const { probes, capture, links, cluster } = client.facts;
    const refused = probes.filter(({ outcome }) => outcome === 'notPermitted');
    const [first] = refused;
    if (first === undefined) return ruledOut(because(say.none({ probes: probes.length }), fileOf(probes)));
    const service = endpointText(target);
    const reasons: Because[] = [
      because(say.refused({ failed: refused.length, total: probes.length, service }), first.at),
    ];
    const device = links?.find(({ name }) => /^cilium_(?:host|net|vxlan)$/.test(name));
    const agent = cluster?.pods?.find(({ labels }) => labels['k8s-app'] === 'cilium');
    const seen = device ?? agent;
    if (seen === undefined && links !== undefined)
      return notApplicable(...reasons, because(say.noCilium, fileOf(links)));
    if (seen !== undefined) reasons.push(because(say.cilium({ device: seen.name }), seen.at));

    const sent =
      capture === undefined || blindness(capture, say) !== null
        ? null
        : capture.connections.filter(({ server }) => isEndpoint(server, target)).length;
    if (capture !== undefined && sent !== null)
      reasons.push(because(sent === 0 ? say.silent : say.left({ packets: sent }), capture.at));
    const kube = kubeBehind(cluster, target, symptom.protocol);
    if (kube === null) {
      const unread = unreadService(cluster, plan, say);
      return unread === null
        ? likely([...reasons, because(say.noService, first.at)], remedies())
        : undecided('cluster', client.node, unread);
    }
    if (kube.usable.length === 0) return ruledOut(readiness(kube, say), because(say.empty, first.at));
    const all = [...reasons, readiness(kube, say)];
    return seen !== undefined && sent === 0 ? confirmed(all, remedies()) : likely(all, remedies());

    function remedies(): Remedy[] {
      const { node } = client;
      return [
        {
          kind: 'kubernetes',
          text: say.look,
          commands: [
            `kubectl -n kube-system get pods -l k8s-app=cilium -o wide --field-selector spec.nodeName=${node.split('@', 1)[0] ?? node}`,
            'kubectl -n kube-system exec ds/cilium -- cilium-dbg service list',
            ...(kube === null
              ? []
              : [
                  `kubectl -n ${kube.service.namespace} get endpointslices -l kubernetes.io/service-name=${kube.service.name}`,
                ]),
          ],
          undo: [],
          risk: say.risk,
        },
        {
          kind: 'kubernetes',
          text: say.restart,
          commands: ['kubectl -n kube-system rollout restart ds/cilium'],
          undo: [],
          risk: say.riskRestart,
        },
      ];
    }
  },
});
