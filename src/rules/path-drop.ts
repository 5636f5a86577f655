import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Capture, Connection, Endpoint, Facts, IcmpError } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { handshakesOf, synsIn } from './handshakes.ts';
import { answersAttempt, isTimeExceeded, isUndeliverable, rejectionOf } from './icmp-meaning.ts';
import { sameAddress } from './ip-address.ts';
import { isEndpoint } from './ipvs-service.ts';
import { findIn, hasLookalike, type Sighting } from './join-captures.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { serversBehind } from './servers-behind.ts';
import { withoutTranslatedLegs } from './translated-legs.ts';
import { pingOf, tunnelKindOf, tunnelLeftIn, wayTo } from './tunnel-way.ts';

const podTunnels = ['ipip', 'vxlan', 'geneve'] as const;

/** What the captures say of one connect that the client got no answer to. */
interface Trace {
  readonly here: Connection;
  readonly atTarget: readonly Sighting[];
  readonly lookalike: boolean;
  /** The last forwarder that saw its SYN, and whether it was seen to leave there. */
  readonly last: { readonly node: string; readonly left: boolean | null; readonly capture: Capture } | null;
  /** The last forwarder, from the target's side, that saw the answer. */
  readonly answerSeenBy: string | null;
  /** The node that it left in a tunnel, and where to: outside of the tunnel that node answers pings. */
  readonly tunnelled: { readonly node: string; readonly kind: string; readonly destination: string } | null;
  /** It was seen to leave a node in a tunnel. */
  readonly inTunnel: boolean;
}

/** F12: the packet dies between the nodes: security group, ACL, fabric. */
export const pathDrop = definePathRule({
  id: 'path-drop',
  fault: 'F12',
  scope: 'path',
  needs: { client: ['capture'], target: [] },
  optional: ['capture', 'probes', 'addresses', 'neighbours', 'routeGet', 'pings', 'firewall', 'ipvs'],
  params: z.strictObject({
    /** SYNs (or SYN+ACKs) that must be lost before it counts as proven. */
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'captures at both ends, joined by four-tuple or by sequence number, TSval and IP id',
    'RFC 1812 section 5.2.7.1',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Packets are lost on the way',
      udp: 'the question is about UDP, and captures are only followed for TCP',
      noAttempt: 'no connect from here to the target was tried in the window',
      tooEarly: 'the connects of the window had no time to be answered',
      answered: (v: { answered: number; connects: number; from: string; to: string }) =>
        `${v.answered} of ${v.connects} connects from ${v.from} to ${v.to} were answered; nothing was lost on the way`,
      neverLeft: (v: { probes: number; from: string }) =>
        `never left the client: ${v.probes} connects were tried on ${v.from}, and no SYN appeared on its network devices`,
      neverLeftNeighbour: (v: { hop: string; state: string }) =>
        `the next hop ${v.hop} is ${v.state}: not the path, see neigh-failed`,
      neverLeftRoute: (v: { message: string }) => `the kernel refused them at once (${v.message})`,
      rejected: (v: { from: string; name: string; code: number; count: number }) =>
        `rejected on the way: ${v.count} x ICMP ${v.name} (code ${v.code}) from ${v.from}`,
      expired: (v: { from: string; count: number }) =>
        `lost on the way: ${v.count} x ICMP time exceeded from ${v.from}, which means a routing loop`,
      undeliverable: (v: { from: string; name: string; count: number }) =>
        `lost on the way: ${v.from} could not deliver it (${v.count} x ICMP ${v.name})`,
      byForwarder: (v: { node: string }) => `That is ${v.node} of this run: its own findings say why`,
      left: (v: { syns: number; connects: number; from: string; to: string }) =>
        `${v.syns} SYNs of ${v.connects} connects left ${v.from} for ${v.to} and got no answer`,
      lost: (v: { syns: number; connects: number; of: number; a: string; b: string }) =>
        `lost between ${v.a} and ${v.b}: ${v.syns} SYNs of ${v.connects} of ${v.of} unanswered connects were never seen by ${v.b}`,
      diedIn: (v: { node: string }) =>
        `the SYNs came in at ${v.node} and were not seen to leave it: what ${v.node} does with them is decided there (forwarding, firewall, route)`,
      lastSeen: (v: { node: string }) =>
        `the SYNs were last seen at ${v.node}; its capture does not tell whether they left it`,
      norSeenBy: (v: { node: string }) => `${v.node} saw none of them either`,
      tunnelled: (v: { node: string; kind: string; destination: string }) =>
        `They left ${v.node} in ${v.kind} packets to ${v.destination}, which answers pings from there: the way is in order but for the tunnel, see ipip-blocked or vxlan-blocked`,
      intoTunnel: (v: { device: string; node: string }) =>
        `They went into the tunnel device ${v.device} of ${v.node}, and were not seen to come out of it: whether they left the node is not known, see vxlan-fdb`,
      few: (v: { lost: number; minLost: number }) =>
        `only ${v.lost} packets were lost, fewer than the ${v.minLost} that prove it`,
      answeredElsewhere: (v: { connects: number; to: string; node: string }) =>
        `${v.connects} connects were refused by RST in the name of ${v.to}, and ${v.node} never saw their SYNs: a device on the way rejects them, or another machine has the same address`,
      single: (v: { answered: number }) =>
        `Each of them sent one SYN only, and ${v.answered} other connects were answered: that is what random loss looks like (see path-loss), rather than a filter`,
      rewritten:
        'a connect with the same options arrived there at the same moment from another address: a device that rewrites addresses and numbers cannot be excluded',
      arrived: (v: { arrived: number; of: number; to: string; as: string }) =>
        `arrived: the target did not answer (${v.arrived} of ${v.of} unanswered connects were seen arriving at ${v.to}${v.as})`,
      asNat: (v: { address: string }) => `, there as ${v.address} (NAT)`,
      answerLost: (v: { answers: number; connects: number; a: string; b: string }) =>
        `answer lost on the way back: ${v.a} sent ${v.answers} SYN+ACKs or RSTs for ${v.connects} connects, and ${v.b} saw none of them`,
      answerSeenBy: (v: { node: string }) => `${v.node} still saw the answers: they are lost in it or after it`,
      open: (v: { port: number }) =>
        `Let the client's addresses in to port ${v.port} in the security group, network ACL or firewall between the two (for a NodePort: 30000-32767; a load balancer that keeps the client address needs the real ranges). The nodes themselves cannot mend it; the trace shows the last hop that answers`,
      openBack: (v: { port: number }) =>
        `See that answers from port ${v.port} may pass back: stateless ACL without a rule for the way back, asymmetric routing through a stateful firewall, return path filters`,
      kubernetes: 'Behind a load balancer: check its security group, or let it send to the pods directly',
      risk: 'Opens access from these addresses; the trace sends a few SYNs to the port',
    },
    zh: {
      ...captureText.zh,
      title: '报文在路上丢失',
      udp: '这次查的是 UDP，而抓包只跟踪 TCP',
      noAttempt: '窗口内没有从这里到目标的连接尝试',
      tooEarly: '窗口内的连接还没有足够时间得到应答',
      answered: (v) => `从 ${v.from} 到 ${v.to} 的 ${v.connects} 次连接有 ${v.answered} 次得到应答，路上没有丢包`,
      neverLeft: (v) => `没有离开客户端：在 ${v.from} 上尝试了 ${v.probes} 次连接，网卡上没有出现任何 SYN`,
      neverLeftNeighbour: (v) => `下一跳 ${v.hop} 处于 ${v.state}：不是路径问题，见 neigh-failed`,
      neverLeftRoute: (v) => `内核立即拒绝了它们（${v.message}）`,
      rejected: (v) => `在路上被拒绝：${v.from} 回了 ${v.count} 个 ICMP ${v.name}（code ${v.code}）`,
      expired: (v) => `在路上丢失：${v.from} 回了 ${v.count} 个 ICMP time exceeded，说明存在路由环路`,
      undeliverable: (v) => `在路上丢失：${v.from} 无法送达（${v.count} 个 ICMP ${v.name}）`,
      byForwarder: (v) => `它就是本次检查中的 ${v.node}：原因见该节点自己的结论`,
      left: (v) => `${v.connects} 次连接的 ${v.syns} 个 SYN 已从 ${v.from} 发往 ${v.to}，没有应答`,
      lost: (v) =>
        `在 ${v.a} 与 ${v.b} 之间丢失：${v.of} 次未应答的连接中有 ${v.connects} 次（${v.syns} 个 SYN）在 ${v.b} 上从未出现`,
      diedIn: (v) => `SYN 进入了 ${v.node}，但没有看到它们离开：原因要看 ${v.node} 自己（转发、防火墙、路由）`,
      lastSeen: (v) => `SYN 最后出现在 ${v.node}；它的抓包看不出报文是否离开`,
      norSeenBy: (v) => `${v.node} 也一个都没有看到`,
      tunnelled: (v) =>
        `它们装在 ${v.kind} 报文里离开 ${v.node}，发往 ${v.destination}，而从那里 ping 它有应答：除隧道外路是通的，见 ipip-blocked 或 vxlan-blocked`,
      intoTunnel: (v) =>
        `它们进入了 ${v.node} 的隧道设备 ${v.device}，没有看到从隧道出来：不知道是否离开了该节点，见 vxlan-fdb`,
      few: (v) => `只丢了 ${v.lost} 个包，少于可作为证据的 ${v.minLost} 个`,
      answeredElsewhere: (v) =>
        `${v.connects} 次连接收到以 ${v.to} 名义发出的 RST，而 ${v.node} 从未看到它们的 SYN：是途中设备拒绝了，或另一台机器有同样的地址`,
      single: (v) =>
        `每个都只发过一个 SYN，而另外 ${v.answered} 次连接有应答：看起来像随机丢包（见 path-loss），而不是过滤`,
      rewritten: '同一时刻那边有一个选项相同、来自其他地址的连接到达：不能排除有设备改写了地址和序号',
      arrived: (v) => `已到达：目标没有应答（${v.of} 次未应答的连接中有 ${v.arrived} 次在 ${v.to} 上看到到达${v.as}）`,
      asNat: (v) => `，在那里显示为 ${v.address}（NAT）`,
      answerLost: (v) =>
        `应答在回程丢失：${v.a} 为 ${v.connects} 次连接发出 ${v.answers} 个 SYN+ACK 或 RST，${v.b} 一个也没有看到`,
      answerSeenBy: (v) => `${v.node} 还看到了这些应答：是在它内部或之后丢失的`,
      open: (v) =>
        `在两端之间的安全组、网络 ACL 或防火墙上放行客户端地址到端口 ${v.port}（NodePort 为 30000-32767；保留客户端地址的负载均衡要放行真实网段）。节点自身无法修复；跟踪命令可以看到最后有应答的一跳`,
      openBack: (v) =>
        `确认端口 ${v.port} 的回包可以通过：无状态 ACL 缺少回程规则、经过有状态防火墙的非对称路由、回程过滤`,
      kubernetes: '如果前面有负载均衡：检查它的安全组，或让它直连 Pod',
      risk: '会放开这些地址的访问；跟踪命令会向该端口发送少量 SYN',
    },
  },
  evaluate({ client, target, forwarders, symptom, plan, clockOffsetMs, params, say }) {
    const to = `${target.address}:${target.port}`;
    if (symptom.protocol !== 'tcp') return undecided('capture', client.node, say.udp);
    const { capture } = client.facts;
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', client.node, blind);

    // kube-proxy on the client sends what is for a Service to a pod before it leaves
    const servers = [target, ...serversHere()];
    const concerns = (c: Connection): boolean => servers.some((server) => isEndpoint(c.server, server));
    const legs = withoutTranslatedLegs(capture.connections.filter(concerns));
    const seen = handshakesOf({ ...capture, connections: legs }, () => true, 1000);

    const onTheWay = reportedOnTheWay();
    if (onTheWay !== null) return onTheWay;
    if (seen.all.length === 0) return nothingSent();

    const heard = seen.all.length - seen.all.filter((c) => c.handshake === 'unanswered').length;
    if (seen.unanswered.length === 0) {
      if (heard === 0) return undecided('capture', client.node, say.tooEarly);
      const elsewhere = answeredElsewhere();
      if (elsewhere !== null) return elsewhere;
      return ruledOut(
        because(say.answered({ answered: heard, connects: seen.all.length, from: client.node, to }), capture.at),
      );
    }
    const clientWeak = weakness(capture, say);
    const probes = client.facts.probes ?? [];
    if (clientWeak !== null && probes.length > 0 && probes.every((p) => p.outcome === 'connected')) {
      return undecided('capture', client.node, clientWeak);
    }

    const targetCapture = target.facts.capture;
    const targetBlind = blindness(targetCapture, say);
    const traces = seen.unanswered.map(trace);
    const left = because(
      say.left({ syns: seen.unansweredSyns, connects: seen.unanswered.length, from: client.node, to }),
      capture.at,
    );
    const missed = traces.filter((t) => t.atTarget.length === 0);
    // those that a forwarder took in and did not send on were not lost between nodes: that forwarder says why
    const lost = missed.filter((t) => t.last?.left !== false);
    const held = missed.find((t) => t.last?.left === false)?.last ?? null;
    const heldSentence = held === null ? [] : [because(say.diedIn({ node: held.node }), held.capture.at)];
    if (targetBlind !== null || targetCapture === undefined) {
      if (lost.length === 0) return ruledOut(left, ...heldSentence);
      return undecided('capture', target.node, targetBlind ?? say.noCapture);
    }

    const arrived = traces.filter((t) => t.atTarget.length > 0);
    const unheard = arrived.filter((t) => answersOf(t) > 0);
    const silent = arrived.filter((t) => answersOf(t) === 0);
    const silentSentence = silent.length === 0 ? [] : [arrivedSentence(silent)];

    if (lost.length > 0) return judgeLost(targetCapture);
    if (unheard.length > 0) return judgeAnswers(targetCapture);
    return ruledOut(...(held === null ? [] : [left]), ...heldSentence, ...silentSentence);

    function judgeLost(there: Capture) {
      const weak = weakness(there, say);
      if (weak !== null) return undecided('capture', target.node, weak);
      const { a, b, at, notes } = whereLost(there);
      const syns = synsIn(lost.map((t) => t.here));
      const where = because(say.lost({ syns, connects: lost.length, of: traces.length, a, b }), at);
      const reasons = [left, where, ...notes, ...heldSentence, ...silentSentence];
      const tunnelled = lost.find((t) => t.tunnelled !== null)?.tunnelled ?? null;
      if (tunnelled !== null && heard === 0 && lost.every((t) => t.tunnelled !== null))
        return likely([...reasons, because(say.tunnelled(tunnelled), at)]);
      const into = intoTunnel();
      if (into !== null) return likely([...reasons, into]);
      if (syns < params.minLost) {
        return likely(
          [...reasons, because(say.few({ lost: syns, minLost: params.minLost }), capture.at)],
          remedies(say.open),
        );
      }
      if (heard > 0 && lost.every((t) => t.here.syns.length < 2))
        return likely([...reasons, because(say.single({ answered: heard }), capture.at)], remedies(say.open));
      if (lost.some((t) => t.lookalike))
        return likely([...reasons, because(say.rewritten, there.at)], remedies(say.open));
      // seen at a forwarder whose capture tells no directions: it may have died inside it
      const vague = lost.some((t) => t.last?.left === null);
      return vague ? likely(reasons, remedies(say.open)) : confirmed(reasons, remedies(say.open));
    }

    /** The tunnel device that the lost SYNs went into, where none of them was seen to leave it. */
    function intoTunnel(): Because | null {
      if (lost.some((t) => t.inTunnel)) return null;
      for (const { node, facts } of [...forwarders, client]) {
        const way = wayTo(facts.routeGet, target.address);
        if (way?.device !== undefined && tunnelKindOf({ name: way.device }) !== null)
          return because(say.intoTunnel({ device: way.device, node }), way.at);
      }
      return null;
    }

    /** The last place that saw the lost SYNs, and the first that did not. */
    function whereLost(there: Capture): { a: string; b: string; at: At; notes: Because[] } {
      const last = lost.find((t) => t.last !== null)?.last ?? null;
      const sound = forwarders.filter((f) => weakness(f.facts.capture, say) === null);
      const next = sound.slice(last === null ? 0 : sound.findIndex((f) => f.node === last.node) + 1)[0];
      const notes: Because[] = [];
      if (last !== null && last.left === null) notes.push(because(say.lastSeen({ node: last.node }), last.capture.at));
      // a forwarder that saw nothing is only a place where they did not pass; the target did not see them either
      if (next?.facts.capture !== undefined) notes.push(because(say.norSeenBy({ node: target.node }), there.at));
      const at = next?.facts.capture?.at ?? there.at;
      return { a: last?.node ?? client.node, b: next?.node ?? target.node, at, notes };
    }

    function judgeAnswers(there: Capture) {
      if (clientWeak !== null) return undecided('capture', client.node, clientWeak);
      const answers = unheard.reduce((sum, t) => sum + answersOf(t), 0);
      const reasons = [
        left,
        because(say.answerLost({ answers, connects: unheard.length, a: target.node, b: client.node }), there.at),
        ...silentSentence,
      ];
      const tunnelled = unheard.find((t) => t.tunnelled !== null)?.tunnelled ?? null;
      if (tunnelled !== null && heard === 0) return likely([...reasons, because(say.tunnelled(tunnelled), there.at)]);
      const seenBy = unheard.find((t) => t.answerSeenBy !== null)?.answerSeenBy ?? null;
      if (seenBy !== null) {
        const at = forwarders.find((f) => f.node === seenBy)?.facts.capture?.at ?? there.at;
        return likely([...reasons, because(say.answerSeenBy({ node: seenBy }), at)], remedies(say.openBack));
      }
      if (answers < params.minLost) {
        const few = because(say.few({ lost: answers, minLost: params.minLost }), there.at);
        return likely([...reasons, few], remedies(say.openBack));
      }
      return confirmed(reasons, remedies(say.openBack));
    }

    function arrivedSentence(found: readonly Trace[]): Because {
      const translated = found.flatMap((t) => t.atTarget).find((s) => s.by === 'nat')?.connection.client;
      const as = translated === undefined ? '' : say.asNat({ address: `${translated.address}:${translated.port}` });
      return because(
        say.arrived({ arrived: found.length, of: traces.length, to: target.node, as }),
        targetCapture?.at ?? capture.at,
      );
    }

    function trace(here: Connection): Trace {
      const ahead = (node: string): number => clockOffsetMs(node) - clockOffsetMs(client.node);
      const there = targetBlind === null ? targetCapture : undefined;
      const atTarget = there === undefined ? [] : findIn(there, here, ahead(target.node));
      let last: Trace['last'] = null;
      let answerSeenBy: string | null = null;
      let tunnelled = tunnelledAt(client.node, client.facts.pings, [here]);
      let inTunnel = tunnelLeftIn(here, podTunnels) !== null;
      for (const forwarder of forwarders) {
        const their = forwarder.facts.capture;
        if (their === undefined || blindness(their, say) !== null) continue;
        const sightings = findIn(their, here, ahead(forwarder.node));
        if (sightings.length === 0) continue;
        const connections = sightings.map(({ connection }) => connection);
        inTunnel ||= connections.some((one) => tunnelLeftIn(one, podTunnels) !== null);
        tunnelled ??= tunnelledAt(forwarder.node, forwarder.facts.pings, connections);
        const left = hasLeft(sightings);
        // "not seen to leave" argues from a missing packet
        last = {
          node: forwarder.node,
          left: left === false && weakness(their, say) !== null ? null : left,
          capture: their,
        };
        if (answerSeenBy === null && sightings.some((s) => s.connection.synAcks.length > 0)) {
          answerSeenBy = forwarder.node;
        }
      }
      const lookalike = there !== undefined && atTarget.length === 0 && hasLookalike(there, here, ahead(target.node));
      return { here, atTarget, lookalike, last, answerSeenBy, tunnelled, inTunnel };
    }

    /** RSTs in the name of a target that never saw the SYNs. */
    function answeredElsewhere() {
      const there = target.facts.capture;
      const refused = seen.all.filter(({ handshake }) => handshake === 'refused');
      if (there === undefined || refused.length < params.minLost || refused.length < heard) return null;
      if (weakness(there, say) !== null) return null;
      // an address of a service may be answered anywhere
      if (target.facts.addresses?.some((a) => sameAddress(a.address, target.address)) !== true) return null;
      const ahead = clockOffsetMs(target.node) - clockOffsetMs(client.node);
      const arrivedThere = refused.some((c) => findIn(there, c, ahead).length > 0 || hasLookalike(there, c, ahead));
      if (arrivedThere || forwarders.some((f) => f.facts.capture !== undefined)) return null;
      const words = { connects: refused.length, to, node: target.node };
      return likely([because(say.answeredElsewhere(words), there.at)], remedies(say.open));
    }

    /** ICMP of a device on the way that says that it threw the packet away. */
    function reportedOnTheWay() {
      const about = capture.icmpErrors.filter(
        (e) =>
          e.about.protocol === 6 &&
          answersAttempt(e, capture) &&
          sameAddress(e.about.destination, target.address) &&
          (e.about.destinationPort === null || e.about.destinationPort === target.port) &&
          !isOf(e.from, target.node, target.facts.addresses, target.address) &&
          !isOf(e.from, client.node, client.facts.addresses, e.about.source),
      );
      // "port unreachable" in answer to TCP is a firewall's as well
      const rejected = about.filter((e) => rejectionOf(e, 'tcp') !== null);
      const expired = about.filter(isTimeExceeded);
      const undeliverable = about.filter(isUndeliverable);
      const first = rejected[0] ?? expired[0] ?? undeliverable[0];
      if (first === undefined) return null;
      const sentence = because(
        rejected.length > 0
          ? say.rejected({ from: first.from, name: first.name, code: first.code, count: rejected.length })
          : expired.length > 0
            ? say.expired({ from: first.from, count: expired.length })
            : say.undeliverable({ from: first.from, name: first.name, count: undeliverable.length }),
        capture.at,
      );
      const owner = forwarderWith(first);
      if (owner !== undefined) return likely([sentence, because(say.byForwarder({ node: owner }), capture.at)]);
      // who cannot deliver it has a reason of its own: a dead neighbour, a missing route
      return rejected.length > 0 || expired.length > 0
        ? confirmed([sentence], remedies(say.open))
        : likely([sentence], []);
    }

    function forwarderWith(error: IcmpError): string | undefined {
      return forwarders.find((f) => {
        const planned = plan.nodes.find((n) => n.node.name === f.node)?.address;
        return isOf(error.from, f.node, f.facts.addresses, planned);
      })?.node;
    }

    function isOf(
      address: string,
      node: string,
      addresses: readonly { readonly address: string }[] | undefined,
      known: string | undefined,
    ): boolean {
      const listed = plan.nodes.find((n) => n.node.name === node);
      const names = [
        known,
        listed?.address,
        ...(listed?.node.serves ?? []),
        ...(addresses?.map((a) => a.address) ?? []),
      ];
      return names.some((name) => name !== undefined && sameAddress(name, address));
    }

    function serversHere(): readonly Endpoint[] {
      const { firewall, ipvs } = client.facts;
      return serversBehind({ ...target, protocol: 'tcp', isHere: false }, ipvs ?? {}, firewall?.rules ?? []);
    }

    /** No SYN in the client's own capture: whatever holds them, they were never on the way. */
    function nothingSent() {
      const tried = client.facts.probes ?? [];
      const failed = tried.filter((p) => p.outcome !== 'connected');
      const first = failed[0];
      if (first === undefined) return undecided('capture', client.node, say.noAttempt);
      const weak = weakness(capture, say);
      if (weak !== null) return undecided('capture', client.node, weak);
      const never = because(say.neverLeft({ probes: tried.length, from: client.node }), capture.at);
      const route = client.facts.routeGet?.find((r) => sameAddress(r.to, target.address));
      const hop = route?.via ?? target.address;
      const neighbour = client.facts.neighbours?.find((n) => sameAddress(n.address, hop));
      if (neighbour !== undefined && ['FAILED', 'INCOMPLETE'].includes(neighbour.state)) {
        return ruledOut(never, because(say.neverLeftNeighbour({ hop, state: neighbour.state }), neighbour.at));
      }
      return ['noRoute', 'netUnreachable', 'notPermitted'].includes(first.outcome)
        ? ruledOut(never, because(say.neverLeftRoute({ message: first.message }), first.at))
        : ruledOut(never);
    }

    function remedies(text: (v: { port: number }) => string): Remedy[] {
      return [
        {
          kind: 'permanent',
          node: client.node,
          text: text({ port: target.port }),
          commands: [`traceroute -n -T -p ${target.port} ${target.address}`],
          undo: [],
          risk: say.risk,
        },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});

/** The tunnel that it left a node in, where the node at the other end answers pings of that node outside of it. */
function tunnelledAt(
  node: string,
  pings: Facts['pings'] | undefined,
  connections: readonly Connection[],
): Trace['tunnelled'] {
  for (const connection of connections) {
    const tunnel = tunnelLeftIn(connection, podTunnels);
    const destination = tunnel?.outer?.destination;
    if (tunnel === null || destination === undefined) continue;
    if ((pingOf(pings, destination)?.received ?? 0) > 0) return { node, kind: tunnel.kind, destination };
  }
  return null;
}

/** SYN+ACKs and RSTs that the target was seen to send for it. */
function answersOf(trace: Trace): number {
  return trace.atTarget.reduce(
    (sum, { connection }) =>
      sum + connection.synAcks.length + connection.resets.filter((r) => r.from === 'server' && r.answersSyn).length,
    0,
  );
}

/** Whether a node that saw the SYN also sent it on; null where its capture does not tell directions. */
function hasLeft(sightings: readonly Sighting[]): boolean | null {
  const directions = sightings.flatMap((s) =>
    s.connection.syns.flatMap((syn) => syn.sightings.map((sighting) => sighting.direction)),
  );
  if (directions.includes('out')) return true;
  return directions.includes('in') ? false : null;
}
