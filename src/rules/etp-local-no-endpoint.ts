import * as z from 'zod';
import type { Address, FirewallRule } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule, type Outcome } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterText, kubeBehind, kubeNodeOf, readiness, serviceKey, unreadService } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { handshakesTo } from './handshakes.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { hasKubeRules, isForService, isForWantOfPods, kubeServiceFor, serviceName } from './kube-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { kubeObjectText } from './kube-objects.ts';

/** F64: with a traffic policy of Local, this node drops what it gets because none of the pods runs here. */
export const etpLocalNoEndpoint = defineNodeRule({
  id: 'etp-local-no-endpoint',
  fault: 'F64',
  scope: 'node',
  anyProtocol: true,
  roles: ['target', 'forwarder', 'client'],
  needs: ['features'],
  optional: ['firewall', 'ipvs', 'capture', 'probes', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'kubernetes pkg/proxy/iptables/proxier.go ("has no local endpoints": DROP; before 1.24 KUBE-XLB -> KUBE-MARK-DROP)',
    'kubernetes pkg/proxy/nftables/proxier.go (maps no-endpoint-services, no-endpoint-nodeports)',
    'imroc kubernetes-practice-guide, externalTrafficPolicy: Local; field report 3c',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      ...ipvsText.en,
      ...clusterText.en,
      title: 'No pod of the Service runs on this node, and its traffic policy is Local: the node drops what it gets',
      drops: (v: { service: string; name: string; rule: string }) =>
        `kube-proxy drops ${v.service}${v.name} here, because no pod of it runs on this node: ${v.rule}`,
      counted: (v: { packets: number }) => `That rule dropped ${v.packets} packets in the window`,
      notCounted: 'That rule dropped nothing in the window',
      uncounted: 'That rule has no counter',
      unanswered: (v: { connects: number; service: string }) =>
        `${v.connects} connects to ${v.service} got no answer in the window`,
      empty: (v: { service: string }) =>
        `IPVS service ${v.service} has no server on this node, and the address is one of the node itself (NodePort)`,
      emptyWhy:
        'With externalTrafficPolicy Local only pods of this node count; without it the Service has no pod at all (no-endpoints). IPVS alone does not tell which: ask for the same port on another node',
      none: (v: { service: string }) =>
        `kube-proxy's rules were read, and none drops ${v.service} for want of a pod on this node`,
      kubePolicy: (v: { service: string; which: string; policy: string }) =>
        `Kubernetes: ${v.which} of Service ${v.service} is ${v.policy}`,
      kubeLocal: (v: { service: string; node: string; pods: number }) =>
        `Kubernetes: ${v.pods} ready endpoints of Service ${v.service} are on ${v.node} itself`,
      kubeHealthPort: (v: { port: number; node: string }) =>
        `Kubernetes: healthCheckNodePort ${v.port} answers 503 on ${v.node}: a load balancer that asks another port does not know, and goes on sending here`,
      kubeElsewhere: (v: { service: string; node: string; nodes: string }) =>
        `Kubernetes: no ready endpoint of Service ${v.service} is on ${v.node}; there are some on ${v.nodes}`,
      servers: (v: { service: string; servers: number }) =>
        `IPVS service ${v.service} has ${v.servers} servers on this node's table`,
      neither: 'neither IPVS nor kube-proxy handles this address and port here',
      notRead: 'the rules of kube-proxy were not read',
      check: 'Shows the policy of the Service, and where its pods are',
      policy:
        'Accept the traffic on every node: externalTrafficPolicy Cluster. The pods then see the address of a node instead of the client’s',
      spread: 'Or run a pod on every node that the load balancer sends to (DaemonSet, topologySpreadConstraints)',
      balancer:
        'Or let the load balancer leave this node out: its health check must ask healthCheckNodePort (/healthz answers 503 where no pod is local), not the port of the Service',
      riskRead: 'None: it only looks',
      riskPolicy: 'Medium: client addresses are lost, one more hop between nodes',
      riskLow: 'Low',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      ...ipvsText.zh,
      ...clusterText.zh,
      title: '流量策略为 Local，而本节点没有该 Service 的 Pod：节点丢弃收到的报文',
      drops: (v) => `kube-proxy 在这里丢弃 ${v.service}${v.name}，因为本节点没有它的 Pod：${v.rule}`,
      counted: (v) => `窗口内该规则丢弃了 ${v.packets} 个包`,
      notCounted: '窗口内该规则没有丢弃任何包',
      uncounted: '该规则没有计数器',
      unanswered: (v) => `窗口内有 ${v.connects} 次到 ${v.service} 的连接没有应答`,
      empty: (v) => `IPVS 服务 ${v.service} 在本节点没有后端，而该地址是节点自己的地址（NodePort）`,
      emptyWhy:
        'externalTrafficPolicy 为 Local 时只算本节点的 Pod；否则就是该 Service 完全没有 Pod（no-endpoints）。只看 IPVS 无法区分：请在另一个节点上查同一端口',
      none: (v) => `已读取 kube-proxy 的规则，没有因本节点缺少 Pod 而丢弃 ${v.service} 的规则`,
      kubePolicy: (v) => `Kubernetes：Service ${v.service} 的 ${v.which} 是 ${v.policy}`,
      kubeLocal: (v) => `Kubernetes：Service ${v.service} 有 ${v.pods} 个就绪端点就在 ${v.node} 上`,
      kubeHealthPort: (v) =>
        `Kubernetes：${v.node} 上的 healthCheckNodePort ${v.port} 返回 503：检查其他端口的负载均衡不知道，仍会发到这里`,
      kubeElsewhere: (v) => `Kubernetes：${v.node} 上没有 Service ${v.service} 的就绪端点；${v.nodes} 上有`,
      servers: (v) => `本节点的 IPVS 服务 ${v.service} 有 ${v.servers} 个后端`,
      neither: '这里的 IPVS 和 kube-proxy 都不处理这个地址和端口',
      notRead: '没有读到 kube-proxy 的规则',
      check: '查看 Service 的策略，以及它的 Pod 在哪些节点上',
      policy: '让所有节点都接收流量：externalTrafficPolicy 改为 Cluster。之后 Pod 看到的是节点地址而不是客户端地址',
      spread: '或者让负载均衡指向的每个节点都有 Pod（DaemonSet、topologySpreadConstraints）',
      balancer:
        '或者让负载均衡摘掉本节点：它的健康检查必须访问 healthCheckNodePort（没有本地 Pod 时 /healthz 返回 503），而不是服务端口',
      riskRead: '无：只是查看',
      riskPolicy: '中：丢失客户端地址，节点间多一跳',
      riskLow: '低',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { protocol } = symptom;
    const service = endpointText(target);
    const drop = facts.firewall?.rules.find((rule) =>
      dropsForWantOfPods(rule, facts.firewall?.rules ?? [], target, protocol, facts.addresses),
    );
    if (drop !== undefined) {
      const name = serviceName(drop.text);
      const reasons: Because[] = [
        because(say.drops({ service, name: name === null ? '' : ` (${name})`, rule: drop.text }), drop.at),
      ];
      const kube = kubeBehind(facts.cluster, target, protocol);
      if (kube !== null) reasons.push(readiness(kube, say));
      const rose = drop.packets?.delta ?? null;
      if (rose !== null && rose > 0)
        return confirmed([...reasons, because(say.counted({ packets: rose }), drop.at)], remedies(name));
      const unanswered = effect();
      const count = because(drop.packets === null ? say.uncounted : say.notCounted, drop.at);
      return drop.packets === null && unanswered !== null
        ? confirmed([...reasons, unanswered], remedies(name))
        : likely([...reasons, count, ...(unanswered === null ? [] : [unanswered])], remedies(name));
    }

    const told = toldByKubernetes();
    if (told !== null) return told;
    const here = ipvsFor(facts, target, protocol);
    if (here.how === 'service' && isEndpoint(here.service, target)) {
      const { servers } = here.service;
      if (servers.length > 0) return ruledOut(because(say.servers({ service, servers: servers.length }), here.at));
      if (facts.addresses === undefined) return undecided('addresses', node, say.notLooked);
      if (!isNodePortAddress(facts.addresses, target.address)) return ruledOut(because(say.none({ service }), here.at));
      const unanswered = effect();
      return likely(
        [
          because(say.empty({ service }), here.at),
          ...(unanswered === null ? [] : [unanswered]),
          because(say.emptyWhy, here.at),
        ],
        remedies(null),
      );
    }
    if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
    if (facts.firewall === undefined) return undecided('firewall', node, say.notRead);
    const known = kubeServiceFor(facts, target, protocol);
    const file = fileOf(facts.firewall.rules, facts.features.at);
    if (known !== null || hasKubeRules(facts.firewall))
      return ruledOut(because(say.none({ service }), known?.at ?? file));
    const unread = unreadService(facts.cluster, plan, say);
    if (unread !== null) return undecided('cluster', node, unread);
    return notApplicable(because(say.neither, file));

    /** What the API decides by itself: the policy, and on which nodes the pods are. */
    function toldByKubernetes(): Outcome | null {
      const kube = kubeBehind(facts.cluster, target, protocol);
      if (kube === null) return null;
      const { cluster, service: object, usable } = kube;
      const name = serviceKey(object);
      const isInternal = object.addresses.some((one) => sameAddress(one, target.address));
      const which = isInternal ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
      const policy = object[which] ?? 'Cluster';
      const policyTold = because(say.kubePolicy({ service: name, which, policy }), object.at);
      if (policy !== 'Local') return ruledOut(policyTold);
      // nobody has a pod: that is no matter of this node
      if (usable.length === 0) return ruledOut(readiness(kube, say));
      const own = kubeNodeOf(cluster, plan, node);
      if (own === undefined) return null;
      // a NodePort is that of the node whose address was asked
      if (kube.by === 'nodePort' && facts.addresses?.some((one) => sameAddress(one.address, target.address)) !== true)
        return null;
      const local = usable.filter((one) => one.node === own.name);
      const [first] = local;
      if (first !== undefined)
        return ruledOut(because(say.kubeLocal({ service: name, node: own.name, pods: local.length }), first.at));
      const others = [...new Set(usable.flatMap((one) => one.node ?? []))];
      const elsewhere = say.kubeElsewhere({
        service: name,
        node: own.name,
        nodes: others.slice(0, 5).join(', ') || '-',
      });
      const unanswered = effect();
      const port = isInternal ? null : object.healthCheckNodePort;
      const health = port === null ? [] : [because(say.kubeHealthPort({ port, node: own.name }), object.at)];
      const reasons = [policyTold, because(elsewhere, usable[0]?.at ?? object.at), ...health];
      // from inside of the cluster a load balancer's address is treated like a ClusterIP
      const isSure = unanswered !== null && (kube.by === 'nodePort' || isInternal);
      return isSure
        ? confirmed([...reasons, unanswered], remedies(name))
        : likely([...reasons, ...(unanswered === null ? [] : [unanswered])], remedies(name));
    }

    /** What the drop does, where the rule itself does not count. */
    function effect(): Because | null {
      const { capture } = facts;
      if (capture === undefined || blindness(capture, say) !== null) return null;
      const lost =
        protocol === 'tcp'
          ? handshakesTo(capture, target).unanswered.length
          : capture.udp.filter(
              ({ client, server, packets }) =>
                (isEndpoint(server, target) && packets.server === 0) ||
                (isEndpoint(client, target) && packets.client === 0),
            ).length;
      return lost === 0 ? null : because(say.unanswered({ connects: lost, service }), capture.at);
    }

    function remedies(name: string | null): Remedy[] {
      const [namespace, bare] = name?.split(':')[0]?.split('/') ?? [];
      const object = namespace === undefined || bare === undefined ? '-n NAMESPACE NAME' : `-n ${namespace} ${bare}`;
      return [
        {
          kind: 'kubernetes',
          text: say.check,
          commands: [
            `kubectl get service ${object} -o jsonpath='{.spec.externalTrafficPolicy} {.spec.internalTrafficPolicy} {.spec.healthCheckNodePort}'`,
            `kubectl get endpointslices ${object.replace(/ [^ ]+$/, '')} -l kubernetes.io/service-name=${bare ?? 'NAME'} -o wide`,
          ],
          undo: [],
          risk: say.riskRead,
        },
        { kind: 'kubernetes', text: say.balancer, commands: [], undo: [], risk: say.riskLow },
        { kind: 'kubernetes', text: say.spread, commands: [], undo: [], risk: say.riskLow },
        {
          kind: 'kubernetes',
          text: say.policy,
          commands: [`kubectl patch service ${object} -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'`],
          undo: [`kubectl patch service ${object} -p '{"spec":{"externalTrafficPolicy":"Local"}}'`],
          risk: say.riskPolicy,
          objects: [
            {
              about: say.kubeLocalPolicy,
              object: {
                apiVersion: 'v1',
                kind: 'Service',
                metadata: { name: bare ?? 'SERVICE', namespace: namespace ?? 'NAMESPACE' },
                spec: { externalTrafficPolicy: 'Cluster' },
              },
            },
          ],
        },
      ];
    }
  },
});

/**
 * The rule that drops the service: by its own match (KUBE-SERVICES, KUBE-EXTERNAL-SERVICES, the maps of nftables mode),
 * or in the KUBE-XLB chain that a rule for its port jumps to.
 */
function dropsForWantOfPods(
  rule: FirewallRule,
  rules: readonly FirewallRule[],
  target: { readonly address: string; readonly port: number },
  protocol: string,
  addresses: readonly Address[] | undefined,
): boolean {
  if (!isForWantOfPods(rule)) return false;
  if (rule.verdict === 'drop') return isForService(rule, target, protocol, addresses);
  return (
    rule.chain.startsWith('KUBE-XLB-') &&
    rule.text.endsWith('-j KUBE-MARK-DROP') &&
    rules.some((one) => one.jumpTo === rule.chain && isForService(one, target, protocol, addresses))
  );
}

/** Whether the address is a node's own and not one that IPVS proxies keep on a dummy device for Services. */
export function isNodePortAddress(addresses: readonly Address[], address: string): boolean {
  const own = addresses.filter((one) => sameAddress(one.address, address));
  return own.length > 0 && !own.some(({ device }) => /^kube-(?:ipvs|dummy)/.test(device));
}
