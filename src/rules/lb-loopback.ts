import * as z from 'zod';
import type { Capture, Connection, Link, Route } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { podName } from './cluster-names.ts';
import {
  clusterLack,
  clusterText,
  kubeEndpointsOf,
  kubeNodeOf,
  kubePodAt,
  kubeServiceOf,
  serviceKey,
} from './cluster-view.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { inPrefix, sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { tcpOnlyText } from './transport.ts';

/** A connect that came in from outside although its source lives on this node. */
interface Returned {
  readonly connection: Connection;
  readonly route: Route;
  /** Device it came in by; null where the capture does not tell. */
  readonly device: string | null;
}

/** F71: a load balancer that keeps the client's address sends a connect back to the node that the client is on. */
export const lbLoopback = defineNodeRule({
  id: 'lb-loopback',
  fault: 'F71',
  scope: 'node',
  roles: ['target', 'forwarder', 'client'],
  needs: ['capture'],
  optional: ['routes', 'links', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'imroc tke-guide clb-loopback.md',
    'net/ipv4/route.c ip_route_input_slow (local delivery)',
    'fault catalogue F71',
  ],
  text: {
    en: {
      ...captureText.en,
      ...clusterText.en,
      ...tcpOnlyText.en,
      title: 'The load balancer sends the connect back to the node that it came from (loopback)',
      noRoutes: 'the routes of this node were not read, so which addresses live on it is not known',
      noConnect: (v: { port: number }) => `no connect to port ${v.port} was seen here`,
      none: (v: { connects: number }) =>
        `none of ${v.connects} connects has a source that lives on this node and came in from outside`,
      worked: (v: { connects: number }) =>
        `${v.connects} connects came back to the node of their source, and were answered`,
      came: (v: { connection: string; frame: number; device: string; home: string; syns: number }) =>
        `${v.connection}: the SYN (frame ${v.frame}, sent ${v.syns} times) came in by ${v.device}, although its source lives here, behind ${v.home}`,
      cameUntold: (v: { connection: string; frame: number; home: string }) =>
        `${v.connection}: the source of the SYN (frame ${v.frame}) lives on this node, behind ${v.home}; the capture does not tell by which device it came in`,
      twin: (v: { server: string; frame: number }) =>
        `The same SYN (same source, same sequence number) had left this node to ${v.server} (frame ${v.frame}): that is the load balancer`,
      balancer: (v: { address: string; service: string; policy: string }) =>
        `Kubernetes: ${v.address} is the load balancer of Service ${v.service} (externalTrafficPolicy ${v.policy})`,
      modeProxy: (v: { address: string }) =>
        `Kubernetes: ${v.address} has ipMode Proxy, so the nodes send connects of their own pods to the load balancer instead of taking them themselves`,
      sourcePod: (v: { address: string; pod: string; node: string }) =>
        `Kubernetes: the source ${v.address} is pod ${v.pod} on ${v.node}`,
      backendsHere: (v: { here: number; ready: number; service: string }) =>
        `Kubernetes: ${v.here} of ${v.ready} ready endpoints of Service ${v.service} are on this node`,
      elsewhere: (v: { address: string; pod: string; node: string; home: string }) =>
        `Kubernetes: the source ${v.address} is pod ${v.pod} on ${v.node}, not here: the route behind ${v.home} is old, and answers are lost in it`,
      throughBalancer: (v: { frame: number; server: string }) =>
        `It left this node to the load balancer ${v.server} (frame ${v.frame}) and is here again with the NodePort as its destination: no rule of kube-proxy writes that one`,
      unread: (v: { why: string }) => `Whose load balancer it is was not read: ${v.why}`,
      noAnswer:
        'Its answer does not go back to the load balancer: it is delivered inside the node, where the client does not know its sender',
      cut: (v: { connects: number; of: number }) => `${v.connects} of ${v.of} connects here are of this kind`,
      use: 'From inside the cluster use the Service (name or ClusterIP) instead of the address of the load balancer',
      dns: 'Let the name of the load balancer resolve to the Service inside the cluster (CoreDNS rewrite or hosts)',
      local: 'Or keep clients and backends on different nodes: externalTrafficPolicy Local and podAntiAffinity',
      snat: 'Or let the load balancer send from its own address (source NAT; X-Forwarded-For or PROXY protocol keep the client’s)',
      risk: 'Low',
      riskMedium: 'Medium: backends see the address of the load balancer',
    },
    zh: {
      ...captureText.zh,
      ...clusterText.zh,
      ...tcpOnlyText.zh,
      title: '负载均衡把连接又发回了发起者所在的节点（回环）',
      noRoutes: '没有读到本节点的路由，不知道哪些地址在本节点上',
      noConnect: (v) => `这里没有看到到端口 ${v.port} 的连接`,
      none: (v) => `${v.connects} 次连接中，没有源地址在本节点却从外面进来的`,
      worked: (v) => `有 ${v.connects} 次连接回到了源地址所在的节点，并得到了应答`,
      came: (v) =>
        `${v.connection}：SYN（第 ${v.frame} 帧，共发 ${v.syns} 次）从 ${v.device} 进来，而它的源地址就在本节点上，在 ${v.home} 后面`,
      cameUntold: (v) =>
        `${v.connection}：SYN（第 ${v.frame} 帧）的源地址在本节点上，在 ${v.home} 后面；抓包看不出它从哪个设备进来`,
      twin: (v) => `同一个 SYN（源和序号相同）之前从本节点发往 ${v.server}（第 ${v.frame} 帧）：那就是负载均衡`,
      balancer: (v) =>
        `Kubernetes：${v.address} 是 Service ${v.service} 的负载均衡（externalTrafficPolicy ${v.policy}）`,
      modeProxy: (v) =>
        `Kubernetes：${v.address} 的 ipMode 为 Proxy，节点会把本机 Pod 的连接发给负载均衡，而不是自己处理`,
      sourcePod: (v) => `Kubernetes：源地址 ${v.address} 是 ${v.node} 上的 Pod ${v.pod}`,
      backendsHere: (v) => `Kubernetes：Service ${v.service} 的 ${v.ready} 个就绪端点中有 ${v.here} 个在本节点上`,
      elsewhere: (v) =>
        `Kubernetes：源地址 ${v.address} 是 ${v.node} 上的 Pod ${v.pod}，不在这里：${v.home} 后面的路由是旧的，应答在那里丢失`,
      throughBalancer: (v) =>
        `它从本节点发往负载均衡 ${v.server}（第 ${v.frame} 帧），又以 NodePort 为目的回到这里：kube-proxy 没有规则会写成这样`,
      unread: (v) => `没有读到这是谁的负载均衡：${v.why}`,
      noAnswer: '它的应答不会回到负载均衡：在节点内部直接交付，而客户端不认识它的发送者',
      cut: (v) => `这里的 ${v.of} 次连接中有 ${v.connects} 次如此`,
      use: '在集群内部使用 Service（名称或 ClusterIP），而不是负载均衡的地址',
      dns: '让负载均衡的域名在集群内解析到 Service（CoreDNS rewrite 或 hosts）',
      local: '或让客户端与后端位于不同节点：externalTrafficPolicy Local 加 podAntiAffinity',
      snat: '或让负载均衡用自己的地址发送（源 NAT；用 X-Forwarded-For 或 PROXY protocol 保留客户端地址）',
      risk: '低',
      riskMedium: '中：后端看到的是负载均衡的地址',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const { capture, links = [] } = facts;
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', node, blind);
    if (facts.routes === undefined) return undecided('routes', node, say.noRoutes);
    const connects = capture.connections.filter(({ syns, server }) => syns.length > 0 && server.port === target.port);
    if (connects.length === 0) {
      const weak = weakness(capture, say);
      return weak === null
        ? notApplicable(because(say.noConnect({ port: target.port }), capture.at))
        : undecided('capture', node, weak);
    }
    const homes = homeRoutes(facts.routes, links);
    const returned = connects.flatMap((connection) => returnedFrom(connection, homes, links));
    const failed = returned.filter(({ connection }) => didNotOpen(connection));
    const [first] = [...failed].sort((a, b) => (b.device === null ? 0 : 1) - (a.device === null ? 0 : 1));
    if (first === undefined) {
      const sure = returned.filter(({ device }) => device !== null).length;
      const words = sure > 0 ? say.worked({ connects: sure }) : say.none({ connects: connects.length });
      return ruledOut(because(words, capture.at));
    }
    const { connection, device, route } = first;
    const shown = {
      connection: connectionText(connection),
      frame: connection.syns[0]?.frame ?? 0,
      home: route.device ?? '',
      syns: connection.syns.length,
    };
    const twin = twinOf(connection, capture);
    const objects = objectsOf(connection, twin);
    // a pod of this node that connects in the ordinary way looks the same then
    if (device === null) {
      if (twin === undefined || !objects.isBalanced || objects.isStray)
        return undecided('capture', node, say.cameUntold(shown));
      const back = say.throughBalancer({ frame: twin.syns[0]?.frame ?? 0, server: endpointText(twin.server) });
      return likely(
        [because(say.cameUntold(shown), capture.at), because(back, capture.at), ...objects.reasons],
        remedies(),
      );
    }
    const all: Because[] = [
      because(say.came({ ...shown, device }), capture.at),
      ...(twin === undefined
        ? []
        : [because(say.twin({ server: endpointText(twin.server), frame: twin.syns[0]?.frame ?? 0 }), capture.at)]),
      because(say.noAnswer, capture.at),
      ...(connects.length > 1 ? [because(say.cut({ connects: failed.length, of: connects.length }), capture.at)] : []),
      ...objects.reasons,
    ];
    return objects.isStray ? likely(all, remedies()) : confirmed(all, remedies());

    /** Whose balancer it is, whether the source is a pod of this node, and which backends are here. */
    function objectsOf(
      { client, server }: Connection,
      sent: Connection | undefined,
    ): { readonly reasons: readonly Because[]; readonly isBalanced: boolean; readonly isStray: boolean } {
      const { cluster } = facts;
      if (cluster === undefined) return { reasons: [], isBalanced: false, isStray: false };
      const reasons: Because[] = [];
      const service = [sent?.server, server]
        .map((one) => (one === undefined ? undefined : kubeServiceOf(cluster, one, 'tcp')?.service))
        .find((one) => one?.type === 'LoadBalancer');
      const addresses = [sent?.server.address, server.address, plan.targetAddress].flatMap((one) => one ?? []);
      const known = service?.balancers ?? service?.externalAddresses.map((address) => ({ address, mode: 'VIP' }));
      const balancer = known?.find(({ address }) => addresses.some((one) => sameAddress(one, address)));
      if (service !== undefined && balancer !== undefined) {
        const { address, mode } = balancer;
        const policy = service.externalTrafficPolicy ?? 'Cluster';
        reasons.push(because(say.balancer({ address, service: serviceKey(service), policy }), service.at));
        if (mode === 'Proxy') reasons.push(because(say.modeProxy({ address }), service.at));
      }
      const own = kubeNodeOf(cluster, plan, node);
      const pod = kubePodAt(cluster, client.address);
      const isStray = pod?.node !== undefined && pod.node !== null && own !== undefined && pod.node !== own.name;
      if (pod?.node) {
        const values = { address: client.address, pod: podName(pod), node: pod.node };
        reasons.push(because(isStray ? say.elsewhere({ ...values, home: shown.home }) : say.sourcePod(values), pod.at));
      }
      const ready = (service === undefined ? undefined : kubeEndpointsOf(cluster, service))?.filter((one) => one.ready);
      if (service !== undefined && ready !== undefined && own !== undefined && ready.length > 0) {
        const here = ready.filter(({ node: on }) => on === own.name).length;
        const values = { here, ready: ready.length, service: serviceKey(service) };
        reasons.push(because(say.backendsHere(values), ready[0]?.at ?? service.at));
      }
      const lack = clusterLack(cluster, say, 'services', 'pods');
      if (lack !== null) reasons.push(because(say.unread({ why: lack }), cluster.at));
      return { reasons, isBalanced: balancer !== undefined, isStray };
    }

    function remedies(): Remedy[] {
      const step = (text: string, risk: string): Remedy => ({ kind: 'kubernetes', text, commands: [], undo: [], risk });
      return [
        { kind: 'application', text: say.use, commands: [], undo: [], risk: say.risk },
        step(say.dns, say.risk),
        step(say.local, say.risk),
        step(say.snat, say.riskMedium),
      ];
    }
  },
});

/**
 * Ways to pods of this node: a route to one address by a device of its own, or the subnet of a bridge. A node may itself
 * be a container, so that its uplink is a veth as well.
 */
function homeRoutes(routes: readonly Route[], links: readonly Link[]): readonly Route[] {
  return routes.filter(({ type, via, device, destination, table }) => {
    if (type !== 'unicast' || via !== undefined || device === undefined || device === 'lo') return false;
    if (table !== undefined && table !== 'main') return false;
    const link = links.find(({ name }) => name === device);
    if (link?.type === 'bridge' || /^(?:cni|docker|cbr)\d/.test(device)) return destination !== 'default';
    // devices that Calico and Cilium make for nothing but a pod
    if (/^(?:cali|lxc)/.test(device)) return destination !== 'default';
    const single = /^(?:[0-9.]+(?:\/32)?|[0-9a-f:]+(?:\/128)?)$/i.test(destination);
    return single && (link?.type === 'veth' || /^(?:veth|eni|azv|gke)/.test(device));
  });
}

function returnedFrom(connection: Connection, homes: readonly Route[], links: readonly Link[]): readonly Returned[] {
  const { client, syns } = connection;
  const route = homes.find(({ destination }) => inPrefix(client.address, destination) === true);
  if (route === undefined) return [];
  const came = syns.flatMap(({ sightings }) => sightings.filter(({ direction }) => direction === 'in'));
  const devices = came.map(({ interfaceIndex }) => links.find(({ index }) => index === interfaceIndex));
  if (devices.length === 0 || devices.includes(undefined)) return [{ connection, route, device: null }];
  // a packet that comes from the pod itself is seen on the pod's own device, or on its port of the bridge, first
  const fromHome = devices.some((link) => link?.name === route.device || link?.master === route.device);
  const [outside] = devices;
  return fromHome || outside === undefined ? [] : [{ connection, route, device: outside.name }];
}

/** No final ACK: the client took no answer, or none was made. */
function didNotOpen({ handshake, syns }: Connection): boolean {
  return handshake === 'noFinalAck' || (handshake === 'unanswered' && syns.length > 1);
}

/** The same SYN on its way out, to the address of the load balancer. */
function twinOf({ client, server, syns }: Connection, { connections }: Capture): Connection | undefined {
  const sequence = syns[0]?.sequence;
  return connections.find(
    (other) =>
      other.client.port === client.port &&
      sameAddress(other.client.address, client.address) &&
      !(other.server.port === server.port && sameAddress(other.server.address, server.address)) &&
      other.syns.some((syn) => syn.sequence === sequence),
  );
}
