import * as z from 'zod';
import type { Connection, IcmpError } from '../model/facts.ts';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import {
  arrivalHooks,
  type Flow,
  forwardHooks,
  inboundHooks,
  outboundHooks,
  type ReachedRule,
  reachedRules,
} from './firewall-match.ts';
import { endpointText } from './endpoint-text.ts';
import { firewallRemedyText, letInRemedies } from './firewall-remedies.ts';
import { handshakesTo, wasSentOn } from './handshakes.ts';
import { answersAttempt, rejectionOf } from './icmp-meaning.ts';
import { inboundFlows } from './inbound-flow.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, isEndpoint } from './ipvs-service.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { isPolicyChain } from './policy-chains.ts';

interface Candidate {
  readonly found: ReachedRule;
  readonly flow: Flow;
}
const deltaOf = ({ found }: Candidate): number => found.rule.packets?.delta ?? 0;

/**
 * F09: the node's own firewall refuses the SYN with an ICMP error or an RST: the target's on its way in, a forwarder's
 * on its way through, the client's on its way out.
 */
export const fwReject = defineNodeRule({
  id: 'fw-reject',
  fault: 'F09',
  scope: 'node',
  roles: ['target', 'forwarder', 'client'],
  needs: [],
  optional: ['capture', 'firewall', 'listeners', 'addresses', 'links', 'routeGet', 'probes', 'features', 'ipvs'],
  params: z.strictObject({}),
  sources: [
    'RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1 (codes 9, 10, 13)',
    'iptables-extensions(8) REJECT',
    'lab: code 10 gives EHOSTUNREACH at once, the default REJECT gives ECONNREFUSED',
  ],
  text: {
    en: {
      ...captureText.en,
      ...firewallRemedyText.en,
      title: "The node's firewall rejects the connection",
      nothingToSee: 'neither a packet capture nor the firewall rules of it could be read',
      icmp: (v: { count: number; name: string; code: number; from: string; application: string }) =>
        `${v.count} x ICMP ${v.name} (code ${v.code}) from ${v.from} in answer to the connects: the application sees "${v.application}"`,
      refused: 'Connection refused',
      unreachable: 'No route to host',
      reset: (v: { count: number; process: string }) =>
        `${v.count} connects were answered by RST although a process listens${v.process}`,
      resetHere: (v: { count: number; address: string }) =>
        `${v.count} connects were answered by RST in the name of ${v.address}: it was sent here, and their SYNs did not go on`,
      refusedHere: (v: { probes: number; address: string; port: number; message: string }) =>
        `${v.probes} connects to ${v.address}:${v.port} were refused at once (${v.message}), and the capture on this node has no SYN of them`,
      nothingTried: 'nobody connected from here in the window',
      timedOut: 'no connect from here was refused at once',
      left: (v: { syns: number }) => `${v.syns} SYNs left this node: its firewall lets them out`,
      ipvsEmpty: (v: { service: string }) =>
        `IPVS answers so itself: its service ${v.service} has no server that gets new connections (see no-endpoints)`,
      noEndpoints: 'The rule is kube-proxy’s for a Service without endpoints: see no-endpoints',
      prohibited: (v: { address: string }) =>
        `no reject rule counted, and a route of this node prohibits ${v.address}: see no-route`,
      rule: (v: { tool: string; table: string; chain: string; rule: string; packets: string }) =>
        `${v.tool}, table ${v.table}, chain ${v.chain}: "${v.rule}" ${v.packets}`,
      plus: (v: { packets: number }) => `+${v.packets} packets in the window`,
      noCounter: 'has no counter',
      maybe: 'Whether the rule matches this connection was not fully understood, so the link is possible, not certain',
      noRules: 'The firewall rules could not be read, so which rule it is stays open',
      noRule: 'No reject rule that was read has counted for this connection, so which rule it is stays open',
      middlebox: (v: { from: string; name: string }) =>
        `the ICMP ${v.name} came from ${v.from}, not from this node: see path-drop`,
      none: (v: { connects: number; port: number }) =>
        `${v.connects} connects to port ${v.port} in the capture, none answered by an ICMP rejection or a firewall's RST`,
      flat: (v: { rules: number }) =>
        `${v.rules} reject rules can see this connection, all +0 in the window, and no ICMP rejection was seen`,
      noRejects: (v: { rules: number }) => `none of the ${v.rules} rules that were read rejects this connection`,
      byPolicy: 'The chain belongs to a NetworkPolicy: see networkpolicy-deny',
      countedOnly: (v: { why: string }) => `The rejection itself was not seen on the wire: ${v.why}`,
      rateLimited: (v: { connects: number; from: string }) =>
        `${v.connects} connects from ${v.from} got no answer in the window; of ICMP errors the kernel sends each peer at most one in a second (net.ipv4.icmp_ratelimit)`,
    },
    zh: {
      ...captureText.zh,
      ...firewallRemedyText.zh,
      title: '节点自己的防火墙拒绝（REJECT）了连接',
      nothingToSee: '既没有抓到包，也读不到防火墙规则',
      icmp: (v) =>
        `收到 ${v.count} 个来自 ${v.from} 的 ICMP ${v.name}（code ${v.code}）作为应答：应用看到“${v.application}”`,
      refused: 'Connection refused（连接被拒绝）',
      unreachable: 'No route to host（没有到主机的路由）',
      reset: (v) => `${v.count} 次连接被 RST 应答，尽管有进程在监听${v.process}`,
      resetHere: (v) => `${v.count} 次连接收到以 ${v.address} 名义发出的 RST：它由本节点发出，SYN 没有继续转发`,
      refusedHere: (v) =>
        `到 ${v.address}:${v.port} 的 ${v.probes} 次连接立即失败（${v.message}），本节点抓包里没有它们的 SYN`,
      nothingTried: '窗口内没有从这里发起连接',
      timedOut: '从这里发起的连接没有一次被立即拒绝',
      left: (v) => `${v.syns} 个 SYN 已从本节点发出：防火墙放行了`,
      ipvsEmpty: (v) => `这是 IPVS 自己的应答：服务 ${v.service} 没有可接收新连接的后端（见 no-endpoints）`,
      noEndpoints: '该规则是 kube-proxy 为没有端点的 Service 设置的：见 no-endpoints',
      prohibited: (v) => `没有 REJECT 规则计数，而本节点有一条到 ${v.address} 的 prohibit 路由：见 no-route`,
      rule: (v) => `${v.tool}，表 ${v.table}，链 ${v.chain}：“${v.rule}” ${v.packets}`,
      plus: (v) => `窗口内 +${v.packets} 个包`,
      noCounter: '没有计数器',
      maybe: '该规则的匹配条件没有完全看懂，可能相关，但不确定',
      noRules: '读不到防火墙规则，无法确定是哪一条',
      noRule: '读到的 REJECT 规则都没有为这条连接计数，无法确定是哪一条',
      middlebox: (v) => `ICMP ${v.name} 来自 ${v.from}，不是本节点：见 path-drop`,
      none: (v) => `抓包里到端口 ${v.port} 的 ${v.connects} 次连接，没有一次被 ICMP 拒绝或被防火墙 RST`,
      flat: (v) => `这条连接会经过 ${v.rules} 条 REJECT 规则，窗口内全部 +0，也没有看到 ICMP 拒绝`,
      noRejects: (v) => `读到的 ${v.rules} 条规则都不会拒绝这条连接`,
      byPolicy: '该链属于 NetworkPolicy：见 networkpolicy-deny',
      countedOnly: (v) => `没有直接看到拒绝报文：${v.why}`,
      rateLimited: (v) =>
        `窗口内来自 ${v.from} 的 ${v.connects} 次连接没有应答；内核对每个对端每秒最多发出一个 ICMP 错误（net.ipv4.icmp_ratelimit）`,
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const blind = blindness(facts.capture, say);
    const capture = blind === null ? facts.capture : undefined;
    if (capture === undefined && facts.firewall === undefined) {
      return {
        undecided: [
          { fact: 'capture', node, why: blind ?? say.noCapture },
          { fact: 'firewall', node, why: say.nothingToSee },
        ],
      };
    }

    const planned = plan.nodes.find((n) => n.node.name === node);
    const isTarget = planned?.roles.includes('target') ?? true;
    const isForwarder = !isTarget && planned?.roles.includes('forwarder') === true;
    if (!isTarget && !isForwarder) return judgeClient();
    const known = isTarget ? [target.address] : [planned?.address ?? '', ...(planned?.node.serves ?? [])];
    const isOwn = (address: string): boolean =>
      known.some((one) => sameAddress(address, one)) ||
      (facts.addresses?.some((a) => sameAddress(a.address, address)) ?? false);
    const protocolNumber = symptom.protocol === 'tcp' ? 6 : 17;
    const rejections = (capture?.icmpErrors ?? []).filter(
      (e) =>
        rejectionOf(e, symptom.protocol) !== null &&
        e.about.protocol === protocolNumber &&
        (symptom.protocol === 'udp' || (capture !== undefined && answersAttempt(e, capture))) &&
        sameAddress(e.about.destination, target.address) &&
        (e.about.destinationPort === null || e.about.destinationPort === target.port),
    );
    const own = rejections.filter((e) => isOwn(e.from));
    const foreign = rejections.find((e) => !isOwn(e.from));

    const seen = capture === undefined ? null : handshakesTo(capture, target, isTarget ? 200 : 1000);
    const listens = facts.listeners === undefined ? undefined : listenersFor(facts.listeners, symptom.protocol, target);
    const listener = listens?.onlyIfDual === true ? undefined : listens?.covering[0];
    // without a listener an RST is the kernel's own answer
    const resets = isForwarder
      ? (seen?.refused ?? []).filter((c) => !wasSentOn(c) && wasAnsweredHere(c))
      : listener === undefined
        ? []
        : (seen?.refused ?? []);

    const sourcesOfIcmp = new Set(own.map((e) => e.about.source));
    const failed = [
      ...(seen?.all.filter((c) => c.handshake === 'icmpError' && sourcesOfIcmp.has(c.client.address)) ?? []),
      ...resets,
    ];
    const candidates = rejectingFor(failed)
      .filter(
        ({ found }) => own.length > 0 || resets.length === 0 || found.rule.rejectWith?.includes('reset') !== false,
      )
      .sort((a, b) => rank(b) - rank(a));
    const counted = candidates.find((c) => deltaOf(c) > 0);
    const best = counted ?? candidates.find((c) => c.found.rule.packets === null);

    const wire: Because[] = [];
    const example = own[0];
    if (capture !== undefined && example !== undefined) {
      wire.push(
        because(
          say.icmp({ ...meaning(example), count: own.length, code: example.code, from: example.from }),
          capture.at,
        ),
      );
    }
    if (capture !== undefined && resets.length > 0 && isForwarder) {
      wire.push(because(say.resetHere({ count: resets.length, address: target.address }), capture.at));
    } else if (capture !== undefined && resets.length > 0 && listener !== undefined) {
      const process = listener.process === undefined ? '' : ` (${listener.process})`;
      wire.push(because(say.reset({ count: resets.length, process }), capture.at));
    }

    if (wire.length === 0) {
      if (capture !== undefined && foreign !== undefined) {
        return ruledOut(because(say.middlebox({ from: foreign.from, name: foreign.name }), capture.at));
      }
      const weak = weakness(facts.capture, say);
      const answered = (seen?.answered.length ?? 0) + (seen?.unanswered.length ?? 0) + (seen?.refused.length ?? 0);
      if (counted !== undefined && (weak !== null || (seen?.syns === 0 && counted.found.namesPort))) {
        return likely(
          [row(counted), because(say.countedOnly({ why: weak ?? say.noCapture }), counted.found.rule.at)],
          letInRemedies(node, counted.found, counted.flow, say),
        );
      }
      const held = heldBack();
      if (capture !== undefined && held !== undefined) {
        const { flow, found } = held;
        const connects = seen?.unanswered.filter((c) => c.client.address === flow.source).length ?? 0;
        return likely(
          [because(say.rateLimited({ connects, from: flow.source ?? '' }), capture.at), row(held)],
          letInRemedies(node, found, flow, say),
        );
      }
      if (capture !== undefined && (answered > 0 || weak === null)) {
        return ruledOut(because(say.none({ connects: seen?.all.length ?? 0, port: target.port }), capture.at));
      }
      if (facts.firewall === undefined) return undecided('capture', node, weak ?? say.noCapture);
      const first = candidates[0];
      return first === undefined
        ? ruledOut(because(say.noRejects({ rules: facts.firewall.rules.length }), fileOf(facts.firewall.rules)))
        : ruledOut(because(say.flat({ rules: candidates.length }), first.found.rule.at));
    }

    const closed = facts.routeGet?.find((r) => r.verdict === 'prohibited' && sameAddress(r.to, target.address));
    if (counted === undefined && closed !== undefined)
      return ruledOut(because(say.prohibited({ address: target.address }), closed.at));
    if (best === undefined) {
      // an RST while somebody listens has other causes too; with rules that could be read and did not count it is not this
      const readable = facts.firewall !== undefined && own.length === 0;
      const where = wire[0];
      if (readable && facts.firewall !== undefined) {
        const flat =
          candidates.length > 0
            ? say.flat({ rules: candidates.length })
            : say.noRejects({ rules: facts.firewall.rules.length });
        return ruledOut(because(flat, fileOf(facts.firewall.rules)));
      }
      // ip_vs_leave (net/netfilter/ipvs/ip_vs_core.c) sends port-unreachable where no server can be chosen
      const here = ipvsFor(facts, target, symptom.protocol);
      const service = here.how === 'service' && isEndpoint(here.service, target) ? here.service : null;
      if (service !== null && service.servers.every(({ weight }) => weight === 0))
        return ruledOut(...wire, because(say.ipvsEmpty({ service: endpointText(target) }), service.at));
      const words = facts.firewall === undefined ? say.noRules : say.noRule;
      return likely([...wire, because(words, { evidence: where?.evidence ?? 'run.json' })]);
    }
    if (isOfKubeProxy(best)) return ruledOut(row(best), because(say.noEndpoints, best.found.rule.at));
    if (isPolicyChain(best.found.rule.chain))
      return ruledOut(...wire, row(best), because(say.byPolicy, best.found.rule.at));
    const remedies = letInRemedies(node, best.found, best.flow, say);
    if (counted === undefined || best.found.coverage === 'maybe') {
      const doubt = best.found.coverage === 'maybe' ? [because(say.maybe, best.found.rule.at)] : [];
      return likely([...wire, row(best), ...doubt], remedies);
    }
    return confirmed([...wire, row(best)], remedies);

    /** Reject rules that these connects reach, where the rules were read. */
    function rejectingFor(connects: readonly Connection[]): Candidate[] {
      const { firewall } = facts;
      if (firewall === undefined) return [];
      const hooks = isForwarder ? [...arrivalHooks, ...forwardHooks] : inboundHooks;
      return inboundFlows({ protocol: symptom.protocol, target, failed: connects, plan, node, facts }).flatMap((flow) =>
        reachedRules(firewall, flow, ['reject'], hooks).map((found) => ({ found, flow })),
      );
    }

    /** A rule that counted for connects that got no answer: the kernel limits the ICMP errors that it sends (icmp(7)), not RSTs. */
    function heldBack(): Candidate | undefined {
      const silent = seen?.unanswered ?? [];
      if (silent.length === 0) return undefined;
      return rejectingFor(silent).find(
        (one) =>
          silent.some((c) => c.client.address === one.flow.source) &&
          one.found.coverage === 'yes' &&
          one.found.namesPort &&
          deltaOf(one) > 0 &&
          one.found.rule.rejectWith?.includes('reset') !== true &&
          !isOfKubeProxy(one) &&
          !isPolicyChain(one.found.rule.chain),
      );
    }

    /** No SYN leaves a client whose OUTPUT chain rejects it, and the error goes to the application at once. */
    function judgeClient() {
      const probes = facts.probes ?? [];
      const refused = probes.filter(({ outcome }) => ['refused', 'noRoute', 'notPermitted'].includes(outcome));
      const [first] = refused;
      if (probes[0] === undefined) return undecided('probes', node, say.nothingTried);
      if (first === undefined) return ruledOut(because(say.timedOut, probes[0].at));
      const sent = capture === undefined ? null : handshakesTo(capture, target, 0);
      if (capture !== undefined && sent !== null && sent.syns > 0)
        return ruledOut(because(say.left({ syns: sent.syns }), capture.at));
      if (facts.firewall === undefined) return undecided('firewall', node, say.noRules);
      const { firewall } = facts;
      const flow: Flow = {
        protocol: symptom.protocol,
        source: null,
        destination: target.address,
        port: target.port,
        inDevice: null,
        packets: refused.length,
      };
      const reached = reachedRules(firewall, flow, ['reject'], outboundHooks)
        .map((found): Candidate => ({ found, flow }))
        .sort((a, b) => rank(b) - rank(a));
      const [best] = reached;
      if (best === undefined)
        return ruledOut(because(say.noRejects({ rules: firewall.rules.length }), fileOf(firewall.rules)));
      if (best.found.rule.packets !== null && deltaOf(best) <= 0)
        return ruledOut(because(say.flat({ rules: reached.length }), best.found.rule.at));
      if (isOfKubeProxy(best)) return ruledOut(row(best), because(say.noEndpoints, best.found.rule.at));
      const weak = weakness(facts.capture, say);
      if (weak !== null || capture === undefined)
        return likely(
          [row(best), because(say.countedOnly({ why: weak ?? say.noCapture }), best.found.rule.at)],
          letInRemedies(node, best.found, best.flow, say),
        );
      const message = first.message === '' ? first.outcome : first.message;
      const words = { probes: refused.length, address: target.address, port: target.port, message };
      const reasons = [because(say.refusedHere(words), capture.at), row(best)];
      if (best.found.coverage === 'maybe')
        return likely(
          [...reasons, because(say.maybe, best.found.rule.at)],
          letInRemedies(node, best.found, best.flow, say),
        );
      return deltaOf(best) >= refused.length
        ? confirmed(reasons, letInRemedies(node, best.found, best.flow, say))
        : likely(reasons, letInRemedies(node, best.found, best.flow, say));
    }

    function row({ found }: Candidate): Because {
      const { tool, table, chain, text, packets, at } = found.rule;
      const words = packets?.delta === null || packets === null ? say.noCounter : say.plus({ packets: packets.delta });
      return because(say.rule({ tool, table, chain, rule: text, packets: words }), at);
    }

    function meaning(e: IcmpError): { name: string; application: string } {
      return {
        name: e.name,
        application: rejectionOf(e, symptom.protocol) === 'refused' ? say.refused : say.unreachable,
      };
    }
  },
});

const isOfKubeProxy = ({ found }: Candidate): boolean => /has no (?:local )?endpoints/.test(found.rule.text);

/** Its RSTs were sent by this node: they go out, and come in nowhere. */
function wasAnsweredHere({ places }: Connection): boolean {
  const seen = (direction: 'in' | 'out'): number =>
    places.filter((place) => place.direction === direction).reduce((sum, place) => sum + place.server, 0);
  return seen('out') > 0 && seen('in') === 0;
}

function rank(c: Candidate): number {
  return (c.found.coverage === 'yes' ? 2 : 0) + (deltaOf(c) > 0 ? 4 : 0) + (c.found.namesPort ? 1 : 0);
}
