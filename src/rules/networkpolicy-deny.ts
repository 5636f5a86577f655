import * as z from 'zod';
import type { Connection, FirewallRule } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import type { Cluster } from '../model/cluster-facts.ts';
import type { Plan } from '../model/plan.ts';
import { defineNodeRule, type Outcome, type Undecided } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { clusterText, kubeNodeOf } from './cluster-view.ts';
import { denialReasons, type PoliciesSay, policiesSay, policyText } from './denied-by-policy.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { handshakesOf, synsIn, wasSentOn } from './handshakes.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { hasPolicyChains, type PodChain, podChains } from './policy-chains.ts';
import { serversBehind } from './servers-behind.ts';
import { wayTo } from './tunnel-way.ts';
import { kubeObjectText, policyDraft } from './kube-objects.ts';

const mostAddresses = 20;
const namespaceName = /^[a-z0-9-]{1,63}$/;

/** F74: a NetworkPolicy does not let the connect in to the pod, or out of it. */
export const networkpolicyDeny = defineNodeRule({
  id: 'networkpolicy-deny',
  fault: 'F74',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['firewall'],
  optional: ['routeGet', 'routes', 'links', 'capture', 'ipvs', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'Calico felix/rules/endpoints.go (cali-tw-, cali-fw-, cali-pi-, "Drop if no policies passed packet")',
    'kube-router pkg/controllers/netpol/pod.go (KUBE-POD-FW-, KUBE-NWPLCY-)',
    'kubernetes.io: Network Policies',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      ...clusterText.en,
      ...policyText.en,
      title: 'A NetworkPolicy does not let the connect pass',
      none: 'no rules of a NetworkPolicy engine are on this node',
      elsewhere: (v: { engine: string }) =>
        `${v.engine} keeps its policies out of iptables and nftables: what they deny cannot be read here`,
      noPod: 'no pod of this question has policy chains on this node',
      rule: (v: { engine: string; chain: string; rule: string; packets: number }) =>
        `${v.engine}, chain ${v.chain}: "${v.rule}" +${v.packets} packets in the window`,
      toPod: (v: { pod: string; policies: string }) => `it guards what comes to ${v.pod}${v.policies}`,
      fromPod: (v: { pod: string; policies: string }) => `it guards what ${v.pod} sends${v.policies}`,
      selectedBy: (v: { names: string }) => `, which is selected by: ${v.names}`,
      failed: (v: { syns: number; connects: number }) =>
        `${v.connects} connects with ${v.syns} SYNs came in here, went nowhere and were not answered by the pod`,
      fewer: (v: { packets: number; syns: number }) =>
        `it counted ${v.packets} packets, fewer than the ${v.syns} SYNs that failed`,
      notSeen: 'The connects themselves were not seen here; the pod may have turned away somebody else',
      answered: (v: { connects: number }) => `all ${v.connects} connects seen here were answered`,
      passed: (v: { connects: number }) => `the ${v.connects} connects that failed were let through here`,
      flat: (v: { chains: string }) => `the policies of this pod turned nothing away in the window (${v.chains})`,
      noCounters: 'the rules have no counters, or were read only once',
      enforcedBy: (v: { engine: string }) => `${v.engine} enforces it on this node`,
      nobodySeen: 'Who enforces policies here was not seen: without such an engine they do nothing',
      connectsFail: (v: { connects: number }) => `${v.connects} connects of the question failed here`,
      look: 'Shows which policies select the pod and what they let in and out',
      allow: (v: { port: number; direction: string; other: string }) =>
        `Let TCP or UDP port ${v.port} ${v.direction} ${v.other} in a NetworkPolicy that selects the pod. Once any policy selects a pod for a direction, all that no policy names is turned away`,
      into: 'in from',
      outTo: 'out to',
      riskNone: 'None: it only reads',
      riskOpens: 'Opens access to the pod; name the peers as narrowly as they are known',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      ...clusterText.zh,
      ...policyText.zh,
      title: 'NetworkPolicy 没有放行该连接',
      none: '该节点上没有 NetworkPolicy 的规则',
      elsewhere: (v) => `${v.engine} 的策略不在 iptables 或 nftables 里：这里读不到它拒绝了什么`,
      noPod: '该节点上没有与此问题有关的 Pod 策略链',
      rule: (v) => `${v.engine}，链 ${v.chain}：“${v.rule}” 窗口内 +${v.packets} 个包`,
      toPod: (v) => `它负责进入 ${v.pod} 的流量${v.policies}`,
      fromPod: (v) => `它负责 ${v.pod} 发出的流量${v.policies}`,
      selectedBy: (v) => `，选中它的策略：${v.names}`,
      failed: (v) => `${v.connects} 次连接的 ${v.syns} 个 SYN 到达这里，没有再出去，Pod 也没有应答`,
      fewer: (v) => `它计数 ${v.packets} 个包，少于失败的 ${v.syns} 个 SYN`,
      notSeen: '这里没有直接看到这些连接；被拒绝的也可能是别人',
      answered: (v) => `这里看到的 ${v.connects} 次连接全部得到应答`,
      passed: (v) => `失败的 ${v.connects} 次连接在这里被放行了`,
      flat: (v) => `窗口内该 Pod 的策略没有拒绝任何报文（${v.chains}）`,
      noCounters: '规则没有计数器，或只读了一次',
      enforcedBy: (v) => `本节点由 ${v.engine} 执行策略`,
      nobodySeen: '没有看到这里由谁执行策略：没有这样的组件时策略不起作用',
      connectsFail: (v) => `这里有 ${v.connects} 次与问题有关的连接失败`,
      look: '查看哪些策略选中了该 Pod，以及放行了什么',
      allow: (v) =>
        `在选中该 Pod 的 NetworkPolicy 里放行端口 ${v.port}（${v.direction} ${v.other}）。某个方向一旦有策略选中 Pod，没有被任何策略写明的流量都会被拒绝`,
      into: '来自',
      outTo: '去往',
      riskNone: '无：只读操作',
      riskOpens: '会放开对该 Pod 的访问；对端范围尽量写窄',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { firewall, capture } = facts;
    /** Who asks, the likeliest first. */
    const asking = plan.nodes.filter(({ roles }) => roles.includes('client')).map(({ address }) => address);
    const asObjects = policiesSay(facts.cluster, { plan, node }, say);
    const own = fromChains();
    return asObjects === null ? own : withObjects(own, asObjects);

    /** Chains count; objects name who is meant, and speak where the engine has no chains. */
    function withObjects(own: Outcome | Undecided, { denials, lack }: PoliciesSay): Outcome | Undecided {
      const named = denialReasons(denials, symptom, say);
      const [first] = denials;
      if (first === undefined || named.length === 0)
        return 'verdict' in own &&
          own.verdict === 'notApplicable' &&
          lack !== null &&
          isOfPods() &&
          answeredOnly() === null
          ? undecided('cluster', node, lack)
          : own;
      if ('verdict' in own && (own.verdict === 'confirmed' || own.verdict === 'likely'))
        return { ...own, because: [...own.because, ...named] };
      // the packets themselves have shown otherwise
      if ('verdict' in own && own.verdict === 'ruledOut') return own;
      const blind = blindness(capture, say);
      const seen =
        capture === undefined || blind !== null ? null : handshakesOf(capture, ({ server }) => isAsked(server), 1000);
      if (capture !== undefined && seen !== null && seen.all.length > 0 && seen.answered.length === seen.all.length)
        return ruledOut(because(say.answered({ connects: seen.all.length }), capture.at));
      const engine = engineElsewhere() ?? agentOf(facts.cluster, plan, node);
      const failing = seen === null ? 0 : seen.unanswered.length;
      const reasons = [
        ...named,
        because(engine === null ? say.nobodySeen : say.enforcedBy({ engine }), fileOf(firewall.rules)),
        ...(failing > 0 && capture !== undefined ? [because(say.connectsFail({ connects: failing }), capture.at)] : []),
      ];
      const isSure =
        failing > 0 && engine !== null && first.isSure && capture !== undefined && weakness(capture, say) === null;
      const remedies = remediesFor({
        direction: first.direction === 'ingress' ? 'to' : 'from',
        pod: `${first.pod.namespace}/${first.pod.name}`,
        // a policy counts behind the Service: the port of the pod
        port: first.port,
        other: first.other.address,
      });
      return isSure ? confirmed(reasons, remedies) : likely(reasons, remedies);
    }

    function isAsked(server: { readonly address: string }): boolean {
      const pods = asObjects?.denials.flatMap(({ direction, pod, other }) =>
        direction === 'ingress' ? pod.addresses : [other.address],
      );
      return [target.address, ...(pods ?? [])].some((one) => sameAddress(one, server.address));
    }

    function isOfPods(): boolean {
      return plan.lookedUp?.some(({ asked }) => /^(?:pod|svc|deploy) /.test(asked)) === true && !node.includes('@');
    }

    function fromChains(): Outcome | Undecided {
      if (!hasPolicyChains(firewall)) {
        const engine = engineElsewhere();
        if (engine === null) return notApplicable(because(say.none, fileOf(firewall.rules)));
        const fine = answeredOnly();
        return fine === null ? undecided('firewall', node, say.elsewhere({ engine })) : ruledOut(fine);
      }

      const asked = { ...target, protocol: symptom.protocol, isHere: false };
      const servers = serversBehind(asked, facts.ipvs ?? {}, firewall.rules);
      const targets = [target.address, ...servers.map(({ address }) => address)];
      const isOurs = ({ server }: Connection): boolean => targets.some((one) => sameAddress(one, server.address));
      const blind = blindness(capture, say);
      const seen = capture === undefined || blind !== null ? null : handshakesOf(capture, (one) => isOurs(one), 1000);
      const sources = [...asking, ...(seen?.all.map(({ client }) => client.address) ?? [])];
      const chains = [
        ...chainsOf(targets).filter(({ direction }) => direction === 'to'),
        ...chainsOf(sources).filter(({ direction }) => direction === 'from'),
      ];
      if (chains.length === 0) return notApplicable(because(say.noPod, fileOf(firewall.rules)));

      const bad = [
        ...(seen?.unanswered ?? []),
        ...(seen?.refused ?? []),
        ...(seen?.all.filter(({ handshake }) => handshake === 'icmpError') ?? []),
      ];
      const stuck = bad.filter((one) => !wasSentOn(one));
      asking.unshift(...stuck.slice(0, 1).map(({ client }) => client.address));
      if (capture !== undefined && seen !== null && seen.all.length > 0) {
        if (bad.length === 0) return ruledOut(because(say.answered({ connects: seen.all.length }), capture.at));
        if (stuck.length === 0) return ruledOut(because(say.passed({ connects: bad.length }), capture.at));
      }

      const denials = chains.flatMap((chain) => chain.denials.map((rule) => ({ chain, rule })));
      const counted = denials
        .map((one) => ({ ...one, rise: one.rule.packets?.delta ?? null }))
        .sort((a, b) => (b.rise ?? 0) - (a.rise ?? 0));
      const [best] = counted;
      const where = fileOf(
        chains.flatMap((chain) => chain.denials),
        fileOf(firewall.rules),
      );
      if (best === undefined || best.rise === 0)
        return ruledOut(because(say.flat({ chains: chains.map(({ chain }) => chain).join(', ') }), where));
      if (best.rise === null) return undecided('firewall', node, say.noCounters);

      const syns = synsIn(stuck);
      const reasons: Because[] = [row(best.chain, best.rule, best.rise), guards(best.chain, best.rule)];
      const remedies = remediesFor(best.chain);
      if (syns === 0 || capture === undefined)
        return likely([...reasons, because(say.notSeen, best.rule.at)], remedies);
      const failed = because(say.failed({ syns, connects: stuck.length }), capture.at);
      const weak = weakness(capture, say);
      if (weak !== null) return likely([...reasons, failed, because(weak, capture.at)], remedies);
      if (best.rise < syns)
        return likely([...reasons, failed, because(say.fewer({ packets: best.rise, syns }), best.rule.at)], remedies);
      return confirmed([...reasons, failed], remedies);
    }

    function chainsOf(addresses: readonly string[]): readonly PodChain[] {
      return [...new Set(addresses)].slice(0, mostAddresses).flatMap((address) => {
        const device =
          facts.routes?.find((one) => sameAddress(one.destination.replace(/\/(?:32|128)$/, ''), address))?.device ??
          wayTo(facts.routeGet, address)?.device;
        return podChains(firewall, { address, device });
      });
    }

    function answeredOnly(): Because | null {
      if (capture === undefined || blindness(capture, say) !== null) return null;
      const { all, answered } = handshakesOf(
        capture,
        ({ server }) => sameAddress(server.address, target.address),
        1000,
      );
      return all.length > 0 && answered.length === all.length
        ? because(say.answered({ connects: all.length }), capture.at)
        : null;
    }

    /** Engines whose rules are programs of eBPF or Open vSwitch, or ask a process (nfqueue). */
    function engineElsewhere(): string | null {
      const has = (form: RegExp): boolean => facts.links?.some(({ name }) => form.test(name)) ?? false;
      if (has(/^cilium_(?:host|net|vxlan)$/)) return 'Cilium';
      if (has(/^antrea-gw0$/)) return 'Antrea';
      if (has(/^ovn-k8s-mp0$/)) return 'OVN-Kubernetes';
      return firewall.rules.some(({ table }) => table === 'kube-network-policies') ? 'kube-network-policies' : null;
    }

    function row({ engine }: PodChain, { chain, text, at }: FirewallRule, packets: number): Because {
      return because(say.rule({ engine, chain, rule: text, packets }), at);
    }

    function guards({ direction, pod, address, policies }: PodChain, { at }: FirewallRule): Because {
      const names = policies.length === 0 ? '' : say.selectedBy({ names: policies.join(', ') });
      const values = { pod: pod === null ? address : `${pod} (${address})`, policies: names };
      return because(direction === 'to' ? say.toPod(values) : say.fromPod(values), at);
    }

    function remediesFor({
      direction,
      pod,
      port = target.port,
      other = direction === 'to' ? (asking[0] ?? '?') : target.address,
    }: Pick<PodChain, 'direction' | 'pod'> & { readonly port?: number; readonly other?: string }): Remedy[] {
      const namespace = pod?.split('/')[0];
      const scope = namespace !== undefined && namespaceName.test(namespace) ? `-n ${namespace}` : '-A';
      const values = { port, direction: direction === 'to' ? say.into : say.outTo, other };
      return [
        {
          kind: 'kubernetes',
          text: say.allow(values),
          commands: [],
          undo: [],
          risk: say.riskOpens,
          objects: [policyDraft(direction, namespace ?? 'NAMESPACE', { other, port, protocol: symptom.protocol }, say)],
        },
        {
          kind: 'kubernetes',
          text: say.look,
          commands: [`kubectl get networkpolicy ${scope}`, `kubectl describe networkpolicy ${scope}`],
          undo: [],
          risk: say.riskNone,
        },
      ];
    }
  },
});

/** Agents that enforce NetworkPolicies (Flannel's does not), by the label of their pods, on the node itself. */
function agentOf(cluster: Cluster | undefined, plan: Plan, node: string): string | null {
  const own = cluster === undefined ? undefined : kubeNodeOf(cluster, plan, node);
  const apps = (cluster?.pods ?? [])
    .filter((pod) => own !== undefined && pod.node === own.name && pod.ready)
    .map(({ labels }) => labels['k8s-app']);
  return apps.includes('cilium') ? 'Cilium' : apps.includes('calico-node') ? 'Calico' : null;
}
