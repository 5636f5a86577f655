import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { attemptsTo, failedOf } from './ipvs-attempts.ts';
import { ipvsFor } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** F67 as far as a node tells: kube-proxy says itself that it no longer brings its rules up to date. */
export const kubeProxyStale = defineNodeRule({
  id: 'kube-proxy-stale',
  fault: 'F67',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['kubeProxy'],
  optional: ['features', 'ipvs', 'capture'],
  params: z.strictObject({}),
  sources: [
    'kubernetes pkg/proxy/healthcheck/proxy_health.go (503: an update waits for longer than two sync periods)',
    'kubernetes#71071, kubernetes#92019',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'kube-proxy no longer brings its rules up to date',
      none: 'kube-proxy does not answer on this node (ports 10249 and 10256): it does not run here, or it is down',
      noHealth: (v: { mode: string }) => `kube-proxy runs (mode ${v.mode}), and its healthz was not read`,
      healthy: (v: { updated: string }) =>
        `kube-proxy: healthz 200${v.updated}: its rules are up to date as far as it knows`,
      updated: (v: { at: string }) => `, last update ${v.at}`,
      stale: (v: { updated: string }) =>
        `kube-proxy: healthz 503${v.updated}: changes of Services and endpoints wait and are not written`,
      gone: (v: { connects: number; server: string }) =>
        `${v.connects} connects were sent to ${v.server}, which IPVS has with a weight, and the network says that it is not there`,
      kubernetes: 'Read the log of kube-proxy on this node, then restart it (its DaemonSet makes a new pod)',
      risk: 'Low: rules are written again; open connections stay',
    },
    zh: {
      ...captureText.zh,
      title: 'kube-proxy 没有及时更新规则',
      none: '这个节点上的 kube-proxy 没有应答（端口 10249 和 10256）：没有在这里运行，或已经停止',
      noHealth: (v) => `kube-proxy 在运行（模式 ${v.mode}），但没有读到 healthz`,
      healthy: (v) => `kube-proxy：healthz 200${v.updated}：就它所知规则是最新的`,
      updated: (v) => `，上次更新 ${v.at}`,
      stale: (v) => `kube-proxy：healthz 503${v.updated}：Service 和端点的变化在等待，没有写入`,
      gone: (v) => `有 ${v.connects} 个连接被转发到 ${v.server}，IPVS 里它有权重，而网络说它不存在`,
      kubernetes: '查看该节点 kube-proxy 的日志，然后重启它（DaemonSet 会重建 Pod）',
      risk: '低：规则会重新写入，已有连接不受影响',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    const { healthy, mode, lastUpdated, at } = facts.kubeProxy;
    if (healthy === undefined) {
      // it printed nothing, so there is no line to point at
      if (mode === undefined) return notApplicable(because(say.none, askedAt));
      return undecided('kubeProxy', node, say.noHealth({ mode }));
    }
    const updated = lastUpdated === undefined ? '' : say.updated({ at: lastUpdated });
    if (healthy) return ruledOut(because(say.healthy({ updated }), at));
    const reason = because(say.stale({ updated }), at);
    const remedies = [
      {
        kind: 'kubernetes' as const,
        text: say.kubernetes,
        commands: [
          `kubectl -n kube-system logs -l k8s-app=kube-proxy --field-selector spec.nodeName=${node} --tail=100`,
          `kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName=${node}`,
        ],
        undo: [],
        risk: say.risk,
      },
    ];
    const { capture } = facts;
    const here = ipvsFor(facts, target, symptom.protocol);
    if (capture === undefined || blindness(capture, say) !== null || here.how !== 'service')
      return likely([reason], remedies);
    const servers = here.service.servers.filter(({ weight }) => weight > 0);
    const gone = failedOf(capture, attemptsTo(capture, servers)).filter(({ server }) =>
      capture.icmpErrors.some(
        ({ name, about }) =>
          name === 'host-unreachable' && about.destination === server.address && about.destinationPort === server.port,
      ),
    );
    const [first] = gone;
    if (first === undefined) return likely([reason], remedies);
    const words = say.gone({ connects: gone.length, server: endpointText(first.server) });
    return confirmed([reason, because(words, capture.at)], remedies);
  },
});
