import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterText, type KubeBehind, kubeBehind, kubeNodeOf } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { attemptsTo, failedOf } from './ipvs-attempts.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor } from './ipvs-service.ts';
import { kubeProxyConfigText, otherMode } from './kube-proxy-config.ts';
import { type KubeService, kubeServiceFor } from './kube-service.ts';
import { rejectsService } from './no-endpoints.ts';
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
  optional: ['features', 'ipvs', 'capture', 'firewall', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'kubernetes pkg/proxy/healthcheck/proxy_health.go (503: an update waits for longer than two sync periods)',
    'kubernetes#71071, kubernetes#92019',
  ],
  text: {
    en: {
      ...captureText.en,
      ...clusterText.en,
      ...kubeProxyConfigText.en,
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
      podNotReady: (v: { pod: string; node: string; why: string }) =>
        `Kubernetes: pod ${v.pod} (kube-proxy) on ${v.node} is not ready${v.why}`,
      noPod: (v: { node: string; wanted: number; ready: number }) =>
        `Kubernetes: no pod of kube-proxy is on ${v.node} (DaemonSet: ${v.ready} of ${v.wanted} ready)`,
      extra: (v: { backend: string; service: string; by: string }) =>
        `This node still sends ${v.service} to ${v.backend} (${v.by}), which is no endpoint of it in Kubernetes, neither at the beginning nor at the end of the run`,
      lacks: (v: { backend: string; service: string; by: string }) =>
        `${v.backend} is a ready endpoint of ${v.service} in Kubernetes, at the beginning and at the end of the run, and this node does not have it (${v.by})`,
      lacksAll: (v: { ready: number; service: string; by: string }) =>
        `${v.ready} endpoints of ${v.service} are ready in Kubernetes, at the beginning and at the end of the run, and this node has none at all (${v.by})`,
      ofNode: 'kube-proxy is judged on the node itself',
      leftOver: (v: { service: string; by: string; old: string; now: string }) =>
        `This node has rules of two modes for ${v.service}: ${v.by} leads to ${v.old}, IPVS to ${v.now}. Rules in nat come first: they are left over from another mode, and nobody keeps them up to date`,
      cleanup:
        'Takes away what another mode of kube-proxy left on this node, then starts it again; in a container: kube-proxy --cleanup of the same image, with hostNetwork and privileges',
      cleanupRisk: 'Medium: connections to Services fail until kube-proxy has written its rules again (seconds)',
      kubernetes: 'Read the log of kube-proxy on this node, then restart it (its DaemonSet makes a new pod)',
      risk: 'Low: rules are written again; open connections stay',
    },
    zh: {
      ...captureText.zh,
      ...clusterText.zh,
      ...kubeProxyConfigText.zh,
      title: 'kube-proxy 没有及时更新规则',
      none: '这个节点上的 kube-proxy 没有应答（端口 10249 和 10256）：没有在这里运行，或已经停止',
      noHealth: (v) => `kube-proxy 在运行（模式 ${v.mode}），但没有读到 healthz`,
      healthy: (v) => `kube-proxy：healthz 200${v.updated}：就它所知规则是最新的`,
      updated: (v) => `，上次更新 ${v.at}`,
      stale: (v) => `kube-proxy：healthz 503${v.updated}：Service 和端点的变化在等待，没有写入`,
      gone: (v) => `有 ${v.connects} 个连接被转发到 ${v.server}，IPVS 里它有权重，而网络说它不存在`,
      podNotReady: (v) => `Kubernetes：${v.node} 上的 Pod ${v.pod}（kube-proxy）未就绪${v.why}`,
      noPod: (v) => `Kubernetes：${v.node} 上没有 kube-proxy 的 Pod（DaemonSet：${v.wanted} 个中 ${v.ready} 个就绪）`,
      extra: (v) =>
        `本节点仍把 ${v.service} 转发给 ${v.backend}（${v.by}），而在检查开始和结束时它都不是 Kubernetes 里的端点`,
      lacks: (v) =>
        `检查开始和结束时 ${v.backend} 在 Kubernetes 里都是 ${v.service} 的就绪端点，而本节点没有它（${v.by}）`,
      lacksAll: (v) =>
        `检查开始和结束时 Kubernetes 里 ${v.service} 都有 ${v.ready} 个就绪端点，而本节点一个也没有（${v.by}）`,
      ofNode: 'kube-proxy 在节点上判断',
      leftOver: (v) =>
        `本节点对 ${v.service} 有两种模式的规则：${v.by} 指向 ${v.old}，IPVS 指向 ${v.now}。nat 中的规则先生效：它们是另一种模式遗留的，没有人更新`,
      cleanup:
        '清除本节点上 kube-proxy 另一种模式遗留的规则，然后重启它；在容器中：用同一镜像以 hostNetwork 和特权运行 kube-proxy --cleanup',
      cleanupRisk: '中：在 kube-proxy 重新写入规则之前（数秒）到 Service 的连接会失败',
      kubernetes: '查看该节点 kube-proxy 的日志，然后重启它（DaemonSet 会重建 Pod）',
      risk: '低：规则会重新写入，已有连接不受影响',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { healthy, mode, lastUpdated, at } = facts.kubeProxy;
    if (node.includes('@')) return notApplicable(because(say.ofNode, askedAt));
    const left = leftOver();
    const told = [...podOfProxy(), ...left, ...differences()];
    const modes = otherMode(facts.cluster, mode, say);
    if (told.length > 0 && healthy !== false) return likely([...told, ...modes], remedies());
    if (healthy === undefined) {
      // it printed nothing, so there is no line to point at
      if (mode === undefined) return notApplicable(because(say.none, askedAt));
      return undecided('kubeProxy', node, say.noHealth({ mode }));
    }
    const updated = lastUpdated === undefined ? '' : say.updated({ at: lastUpdated });
    if (healthy) return ruledOut(because(say.healthy({ updated }), at), ...modes);
    const reason = because(say.stale({ updated }), at);
    const { capture } = facts;
    const here = ipvsFor(facts, target, symptom.protocol);
    if (capture === undefined || blindness(capture, say) !== null || here.how !== 'service')
      return likely([reason, ...told, ...modes], remedies());
    const servers = here.service.servers.filter(({ weight }) => weight > 0);
    const gone = failedOf(capture, attemptsTo(capture, servers)).filter(({ server }) =>
      capture.icmpErrors.some(
        ({ name, about }) =>
          name === 'host-unreachable' && about.destination === server.address && about.destinationPort === server.port,
      ),
    );
    const [first] = gone;
    if (first === undefined) return likely([reason, ...told, ...modes], remedies());
    const words = say.gone({ connects: gone.length, server: endpointText(first.server) });
    return confirmed([reason, because(words, capture.at), ...told, ...modes], remedies());

    /** Where Kubernetes runs kube-proxy as its own DaemonSet: the pod of this node. */
    function podOfProxy(): readonly Because[] {
      const { cluster } = facts;
      const own = cluster === undefined ? undefined : kubeNodeOf(cluster, plan, node);
      const set = cluster?.workloads?.find(({ type, name }) => type === 'daemonset' && name === 'kube-proxy');
      if (cluster?.pods === undefined || cluster.missing.pods !== undefined || own === undefined || set === undefined)
        return [];
      const pod = cluster.pods.find(({ labels, node: on }) => labels['k8s-app'] === 'kube-proxy' && on === own.name);
      if (pod === undefined)
        return set.wanted > 0 && !node.includes('@')
          ? [because(say.noPod({ node: own.name, wanted: set.wanted, ready: set.ready }), set.at)]
          : [];
      if (pod.ready) return [];
      const stuck = pod.containers.find(({ reason }) => reason !== null)?.reason ?? pod.notReadyWhy;
      const why = stuck === null || stuck === undefined ? '' : `: ${stuck}`;
      return [because(say.podNotReady({ pod: `${pod.namespace}/${pod.name}`, node: own.name, why }), pod.at)];
    }

    /** Rules of iptables for a Service that IPVS has as well, to other backends: a change of mode without a clean-up. */
    function leftOver(): readonly Because[] {
      const { features, ipvs, firewall, addresses } = facts;
      if (features === undefined || ipvs === undefined || firewall === undefined) return [];
      const { protocol } = symptom;
      const now = kubeServiceFor({ features, ipvs }, target, protocol);
      const old = kubeServiceFor({ firewall, ...(addresses === undefined ? {} : { addresses }) }, target, protocol);
      if (now?.by !== 'ipvs' || old === null || old.backends.length === 0) return [];
      const shown = ({ backends }: KubeService): string =>
        backends.map(endpointText).sort().slice(0, 4).join(', ') || '-';
      if (shown(now) === shown(old)) return [];
      const values = { service: endpointText(target), by: old.by, old: shown(old), now: shown(now) };
      return [because(say.leftOver(values), old.at)];
    }

    /** What the node has and Kubernetes has not, or the reverse, in both readings: more than the moment of a change. */
    function differences(): readonly Because[] {
      const kube = kubeBehind(facts.cluster, target, symptom.protocol);
      const known = facts.features === undefined ? null : kubeServiceFor(facts, target, symptom.protocol);
      if (kube === null) return [];
      if (known !== null) return [...extraOf(kube, known), ...lackingOf(kube, known)].slice(0, 3);
      const reject = facts.firewall?.rules.find((rule) =>
        rejectsService(rule, target, symptom.protocol, facts.addresses),
      );
      return reject === undefined ? [] : lackingAll(kube, reject.text, reject.at);
    }

    function extraOf({ cluster, service: { namespace, name }, endpoints }: KubeBehind, known: KubeService): Because[] {
      const key = `${namespace}/${name}`;
      const earlier = cluster.earlier?.endpoints?.filter((one) => one.service === key);
      if (earlier === undefined) return [];
      const all = [...endpoints, ...earlier].map(({ address }) => address);
      return known.backends
        .filter(
          ({ weight, change, address }) =>
            weight !== 0 && change === 'none' && !all.some((one) => sameAddress(one, address)),
        )
        .map((one) => because(say.extra({ backend: endpointText(one), service: key, by: known.by }), one.at));
    }

    /** Ready at the beginning and at the end. With Local a node has only its own, and a load balancer's address may have only those of a zone. */
    function lastingOf({ cluster, service, usable }: Pick<KubeBehind, 'cluster' | 'service' | 'usable'>) {
      const key = `${service.namespace}/${service.name}`;
      const isLocal = service.externalTrafficPolicy === 'Local' || service.internalTrafficPolicy === 'Local';
      const earlier = cluster.earlier?.endpoints?.filter((one) => one.service === key && one.ready) ?? [];
      return isLocal
        ? []
        : usable.filter(({ ready, address }) => ready && earlier.some((one) => sameAddress(one.address, address)));
    }

    function lackingAll(kube: Pick<KubeBehind, 'cluster' | 'service' | 'usable'>, by: string, here: At): Because[] {
      const { length: ready } = lastingOf(kube);
      const service = `${kube.service.namespace}/${kube.service.name}`;
      return ready === 0 ? [] : [because(say.lacksAll({ ready, service, by }), here)];
    }

    function lackingOf({ cluster, service, usable }: KubeBehind, known: KubeService): Because[] {
      const key = `${service.namespace}/${service.name}`;
      if (known.backends.length === 0) return lackingAll({ cluster, service, usable }, known.by, known.at);
      return lastingOf({ cluster, service, usable })
        .filter(({ address }) => !known.backends.some((one) => sameAddress(one.address, address)))
        .map(({ address, at: place }) => because(say.lacks({ backend: address, service: key, by: known.by }), place));
    }

    function remedies(): Remedy[] {
      return [
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
        ...(left.length === 0
          ? []
          : [
              {
                kind: 'kubernetes' as const,
                text: say.cleanup,
                commands: [
                  'kube-proxy --cleanup',
                  `kubectl -n kube-system delete pod -l k8s-app=kube-proxy --field-selector spec.nodeName=${node}`,
                ],
                undo: [],
                risk: say.cleanupRisk,
              },
            ]),
      ];
    }
  },
});
