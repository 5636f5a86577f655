import * as z from 'zod';
import type { RouteVerdict } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { wasSentOn } from './handshakes.ts';
import { inPrefix, sameAddress } from './ip-address.ts';
import { keptAnswersAt, lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

/** What the kernel refuses to send, by its answer to `ip route get`. */
const refusals = ['network-unreachable', 'no-route-to-host', 'invalid-argument', 'prohibited'] as const;
type Refusal = (typeof refusals)[number];
const closedTypes = ['blackhole', 'unreachable', 'prohibit'];
const refusalOf = (r: RouteVerdict): Refusal | null => refusals.find((name) => name === r.verdict) ?? null;

/** F24: a node has no route to the target, or none back to the clients. */
export const noRoute = defineNodeRule({
  id: 'no-route',
  fault: 'F24',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['routeGet'],
  optional: ['routes', 'counters', 'capture', 'probes', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'ip-route(8): unreachable, blackhole, prohibit; net/ipv4/fib_semantics.c fib_props (their errors)',
    'net/ipv4/route.c ip_error (IpExt InNoRoutes), ip_route_output_key_hash; reproduced on Linux 6.18',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'A route is missing, or it says that packets are not to be delivered',
      notAsked: (v: { address: string }) => `the kernel was not asked for its route to ${v.address}`,
      fine: (v: { routes: number }) =>
        `the kernel has a route for each of the ${v.routes} ways that it was asked about`,
      'network-unreachable': (v: { to: string }) => `no route to ${v.to} (ip route get: Network is unreachable)`,
      podRange: (v: { to: string; cidr: string; owner: string }) =>
        `Kubernetes: ${v.to} is in the pod range ${v.cidr} of node ${v.owner}: the network plug-in writes that route; see whether its agent runs on both nodes`,
      'no-route-to-host': (v: { to: string }) =>
        `an unreachable route leads to ${v.to} (ip route get: No route to host)`,
      'invalid-argument': (v: { to: string }) => `a blackhole route leads to ${v.to} (ip route get: Invalid argument)`,
      prohibited: (v: { to: string }) => `a prohibit route leads to ${v.to} (ip route get: Permission denied)`,
      incoming: (v: { to: string; from: string; iif: string }) =>
        `so the kernel answers for packets of ${v.from} that come in by ${v.iif}`,
      entry: (v: { type: string; destination: string; table: string }) =>
        `the routing table has "${v.type} ${v.destination}"${v.table}`,
      probesFailed: (v: { failed: number; tried: number; message: string }) =>
        `${v.failed} of ${v.tried} connects from here failed${v.message}`,
      probesWork: (v: { connected: number }) =>
        `${v.connected} connects from here succeeded all the same: another route was in use then`,
      noRoutes: (v: { name: string; packets: number }) => `${v.name} +${v.packets} in the window`,
      noPackets: 'no packet of this question came by here in the window: the node may not be on the path',
      otherSources: (v: { address: string; sources: string }) =>
        `there is no route back to ${v.address}, but the SYNs here came from elsewhere (${v.sources}), translated on the way`,
      passedOn: (v: { connects: number; to: string }) =>
        `there is no route to ${v.to}, but all ${v.connects} connects were seen leaving this node: their destination is translated on the way in`,
      mayBeGone: (v: { to: string }) =>
        `A Service sends connects to ${v.to} here: if its pod is gone, that is the fault (rollout-endpoint-lag), not the route`,
      notSeen: (v: { why: string }) => `Whether packets of this question were hit is not known: ${v.why}`,
      remove: (v: { type: string; destination: string }) =>
        `Removes the ${v.type} route: first find out who put it there (BGP daemons and CNIs keep them for address blocks that they own)`,
      add: (v: { to: string }) =>
        `Add the route to ${v.to} by its next hop: put in the network (CIDR) and the address of the gateway (NODE)`,
      permanent:
        'Put the route where it comes from: network configuration of the node, BGP peer, route table of the cloud network',
      kubernetes:
        'A missing route to pods of another node is the CNI’s work: look at its agent on both nodes (flannel, calico-node: is the BGP session up), restart it, and see that the node has its podCIDR',
      risk: 'A wrong route sends traffic elsewhere: keep the output of `ip route` from before',
    },
    zh: {
      ...lostSynText.zh,
      title: '缺少路由，或路由指明不可投递',
      notAsked: (v) => `没有向内核查询到 ${v.address} 的路由`,
      fine: (v) => `查询的 ${v.routes} 条路径，内核都有路由`,
      'network-unreachable': (v) => `没有到 ${v.to} 的路由（ip route get：Network is unreachable）`,
      podRange: (v) =>
        `Kubernetes：${v.to} 属于节点 ${v.owner} 的 Pod 网段 ${v.cidr}：该路由由网络插件写入；请查看两个节点上的插件是否在运行`,
      'no-route-to-host': (v) => `到 ${v.to} 命中 unreachable 路由（ip route get：No route to host）`,
      'invalid-argument': (v) => `到 ${v.to} 命中 blackhole 路由（ip route get：Invalid argument）`,
      prohibited: (v) => `到 ${v.to} 命中 prohibit 路由（ip route get：Permission denied）`,
      incoming: (v) => `这是内核对从 ${v.iif} 进来、源地址为 ${v.from}、发往 ${v.to} 的包的判定`,
      entry: (v) => `路由表里有“${v.type} ${v.destination}”${v.table}`,
      probesFailed: (v) => `从这里发起的 ${v.tried} 次连接有 ${v.failed} 次失败${v.message}`,
      probesWork: (v) => `但从这里发起的连接有 ${v.connected} 次成功：当时走的是别的路由`,
      noRoutes: (v) => `窗口内 ${v.name} +${v.packets}`,
      noPackets: '窗口内没有这次的包经过这里：该节点可能不在路径上',
      otherSources: (v) => `没有到 ${v.address} 的回程路由，但这里的 SYN 来自别处（${v.sources}），途中做过地址转换`,
      passedOn: (v) => `没有到 ${v.to} 的路由，但 ${v.connects} 次连接都已看到从本节点发出：目的地址在进来时做了转换`,
      mayBeGone: (v) =>
        `有 Service 把连接发到这里的 ${v.to}：如果对应的 Pod 已经不在，问题在 Service（rollout-endpoint-lag），不在路由`,
      notSeen: (v) => `不知道是否影响到这次的连接：${v.why}`,
      remove: (v) => `删除这条 ${v.type} 路由：先查清是谁加的（BGP 守护进程和 CNI 会为自己的地址段保留这种路由）`,
      add: (v) => `添加到 ${v.to} 的路由：填入网段（CIDR）和网关地址（NODE）`,
      permanent: '在路由的来源处补上：节点网络配置、BGP 对端、云网络的路由表',
      kubernetes:
        '缺少到其他节点 Pod 的路由是 CNI 的问题：检查两端节点上的 CNI 进程（flannel、calico-node：BGP 会话是否正常），必要时重启，并确认节点有 podCIDR',
      risk: '路由写错会把流量送到别处：先保存 `ip route` 的输出',
    },
  },
  evaluate({ node, facts, target, plan, say }) {
    const roles = plan.nodes.find((n) => n.node.name === node)?.roles ?? [];
    const isTarget = roles.includes('target');
    const isServer = plan.nodes.some((n) => n.node.name === node && n.server !== undefined);
    const isClient = roles.includes('client') && !isTarget;
    const asked = facts.routeGet.filter(
      // "No route to host" for what comes in is also said where forwarding is off, "Invalid argument" by rp_filter
      (r) => r.iif === undefined || r.verdict === 'network-unreachable' || r.verdict === 'prohibited',
    );
    const toTarget = (r: RouteVerdict): boolean => sameAddress(r.to, target.address);
    if (!isTarget && !asked.some(toTarget))
      return undecided('routeGet', node, say.notAsked({ address: target.address }));
    const bad = asked.filter((r) => refusalOf(r) !== null && (isClient ? toTarget(r) : isTarget ? !toTarget(r) : true));
    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    // towards the target first: without that way the one back does not matter
    const worst = bad.find(toTarget) ?? bad[0];
    if (worst === undefined) return ruledOut(because(say.fine({ routes: asked.length }), fileOf(asked)));
    const refusal = refusalOf(worst) ?? 'network-unreachable';
    const mechanism: Because[] = [because(say[refusal]({ to: worst.to }), worst.at)];
    if (worst.iif !== undefined) {
      const words = say.incoming({ to: worst.to, from: worst.from ?? '', iif: worst.iif });
      mechanism.push(because(words, worst.at));
    }
    for (const { name, podCidrs, at } of facts.cluster?.nodes ?? []) {
      const cidr = podCidrs.find((one) => inPrefix(worst.to, one) === true);
      if (cidr !== undefined) mechanism.push(because(say.podRange({ to: worst.to, cidr, owner: name }), at));
    }
    const entry = facts.routes?.find((r) => closedTypes.includes(r.type) && covers(r.destination, worst.to));
    if (entry !== undefined) {
      const table = entry.table === undefined ? '' : ` table ${entry.table}`;
      mechanism.push(because(say.entry({ type: entry.type, destination: entry.destination, table }), entry.at));
    }

    if (isClient) {
      const probes = facts.probes ?? [];
      const connected = probes.filter(({ outcome }) => outcome === 'connected');
      const failed = probes.filter(({ outcome }) => outcome !== 'connected');
      const first = failed[0] ?? probes[0];
      if (first === undefined) return likely(mechanism, remedies());
      if (connected.length > 0)
        return likely([...mechanism, because(say.probesWork({ connected: connected.length }), first.at)], remedies());
      const message = first.message === '' ? '' : ` (${first.message})`;
      const words = say.probesFailed({ failed: failed.length, tried: probes.length, message });
      return confirmed([...mechanism, because(words, first.at)], remedies());
    }

    const counted = ['IpExt.InNoRoutes', 'Ip.OutNoRoutes'].flatMap((name) => {
      const rise = facts.counters?.[name];
      if (rise === undefined || (rise.delta ?? 0) <= 0) return [];
      return [because(say.noRoutes({ name: name.replace('.', ' '), packets: rise.delta ?? 0 }), rise.at)];
    });
    const kept = toTarget(worst) ? null : keptAnswersAt({ node, capture: facts.capture, target, plan, say });
    if (kept?.connections.some((c) => sameAddress(c.client.address, worst.to)))
      return confirmed([...mechanism, kept.because, ...counted], remedies());
    if (lost.kind === 'none') return ruledOut(lost.because);
    if (lost.kind === 'unseen') {
      const none = facts.capture !== undefined && facts.capture.connections.length === 0;
      const why = none ? say.noPackets : say.notSeen({ why: lost.why });
      return likely([...mechanism, ...counted, because(why, facts.capture?.at ?? worst.at)], remedies());
    }
    const sources = [...new Set(lost.connections.map((c) => c.client.address))];
    if (!toTarget(worst) && !sources.some((source) => sameAddress(source, worst.to))) {
      const words = say.otherSources({ address: worst.to, sources: sources.slice(0, 3).join(', ') });
      return ruledOut(because(words, lost.at));
    }
    // an address that is translated on the way in (a Service) needs no route of its own
    const sentOn = lost.connections.filter(wasSentOn);
    if (toTarget(worst) && sentOn.length === lost.connections.length)
      return ruledOut(because(say.passedOn({ connects: sentOn.length, to: worst.to }), lost.at));
    const all = [...mechanism, lost.because, ...counted];
    // a pod that is gone takes its route with it: then the Service is what has to be mended
    return toTarget(worst) && isServer
      ? likely([...all, because(say.mayBeGone({ to: worst.to }), worst.at)], remedies())
      : confirmed(all, remedies());

    function remedies(): Remedy[] {
      const to = worst?.to ?? target.address;
      const isPlain = entry !== undefined && /^[0-9a-fA-F.:/]{1,45}$|^default$/.test(entry.destination);
      const table =
        entry?.table !== undefined && /^[A-Za-z0-9_-]{1,32}$/.test(entry.table) ? ` table ${entry.table}` : '';
      const line = entry === undefined ? '' : `${entry.type} ${entry.destination}${table}`;
      const now: Remedy =
        entry !== undefined && isPlain
          ? {
              kind: 'temporary',
              node,
              text: say.remove({ type: entry.type, destination: entry.destination }),
              commands: [`ip route del ${line}`],
              undo: [`ip route add ${line}`],
              risk: say.risk,
            }
          : {
              kind: 'temporary',
              node,
              text: say.add({ to }),
              commands: ['ip route', 'ip route replace CIDR via NODE'],
              undo: ['ip route del CIDR via NODE'],
              risk: say.risk,
            };
      return [
        now,
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.risk },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});

function covers(destination: string, address: string): boolean {
  return destination === 'default' || inPrefix(address, destination) === true;
}
