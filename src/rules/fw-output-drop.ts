import * as z from 'zod';
import type { Firewall } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { type Flow, outboundHooks, type ReachedRule, reachedRules } from './firewall-match.ts';
import { handshakesTo, synsIn } from './handshakes.ts';
import { familyOf } from './ip-address.ts';
import { isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { serversBehind } from './servers-behind.ts';
import { withoutTranslatedLegs } from './translated-legs.ts';

/** F11: a firewall drops what its own node sends: the connects of a client, or the answers of the target. */
export const fwOutputDrop = defineNodeRule({
  id: 'fw-output-drop',
  fault: 'F11',
  scope: 'node',
  roles: ['client', 'target'],
  needs: [],
  optional: ['probes', 'capture', 'firewall', 'counters', 'ipvs'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/ip_output.c __ip_local_out; net/ipv4/tcp_output.c tcp_connect (a refused SYN is tried again)',
    'reproduced on Linux 6.18: OUTPUT DROP gives a timeout, not EPERM; dropped SYN+ACKs are not in the capture',
  ],
  text: {
    en: {
      ...captureText.en,
      title: "The node's own firewall drops its packets before they leave",
      connected: (v: { probes: number; address: string; port: number }) =>
        `all ${v.probes} connects to ${v.address}:${v.port} from here succeeded`,
      left: (v: { syns: number; address: string; port: number }) =>
        `${v.syns} SYNs to ${v.address}:${v.port} left this node: its firewall lets them out`,
      nothingTried: 'nobody connected from here in the window',
      atOnce: (v: { message: string }) =>
        `the connect failed with "${v.message}" and did not time out: a dropped SYN would`,
      noFirewall: (v: { probes: number }) =>
        `${v.probes} connects timed out and no SYN left this node, but its firewall was not read`,
      neverLeft: (v: { probes: number; address: string; port: number }) =>
        `${v.probes} connects to ${v.address}:${v.port} timed out, and the capture on this node has no SYN of them: they never left`,
      rule: (v: { tool: string; table: string; chain: string; rule: string; counted: string }) =>
        `${v.tool}, table ${v.table}, chain ${v.chain}: "${v.rule}" ${v.counted}`,
      plus: (v: { packets: number }) => `+${v.packets} packets in the window`,
      noCounter: 'without a counter',
      covers: 'It matches this connection, and nothing in front of it lets the connection out',
      maybe: 'Its match was not fully understood: it may be the one',
      none: (v: { rules: number }) =>
        `none of the ${v.rules} rules and policies read here drops this connection on its way out`,
      flat: (v: { rules: number }) =>
        `${v.rules} rules and policies could drop this connection on its way out, and none of them counted a packet`,
      retransFail: (v: { count: number }) =>
        `TcpExt TCPRetransFail +${v.count} in the window: the kernel could not send SYNs again either`,
      answered: (v: { connects: number; port: number }) =>
        `${v.connects} connects to port ${v.port} were answered in the window, none went unanswered: the firewall lets the answers out`,
      nothingArrived: (v: { port: number }) =>
        `no SYN to port ${v.port} reached this node: there was nothing to answer`,
      unanswered: (v: { syns: number; connects: number; port: number }) =>
        `${v.syns} SYNs of ${v.connects} connects reached port ${v.port}, and no answer left`,
      noFirewallOfAnswers: (v: { connects: number }) =>
        `${v.connects} connects got no answer from this node, but its firewall was not read`,
      letOut: (v: { address: string; port: number }) =>
        `Lets connects to ${v.address}:${v.port} out, ahead of the rule`,
      translated: (v: { port: number }) =>
        `what comes to port ${v.port} is translated and sent on: its answers are not this node's own`,
      tcpOnly: 'judged by unanswered SYNs only: UDP has none',
      letAnswersOut: (v: { port: number }) => `Lets answers from port ${v.port} out, ahead of the rule`,
      permanent:
        'Change it where the rules come from (firewalld direct rules, ufw default deny outgoing, an egress NetworkPolicy)',
      risk: 'Opens this destination only',
    },
    zh: {
      ...captureText.zh,
      title: '节点自己的防火墙丢弃了发出的报文',
      connected: (v) => `从这里到 ${v.address}:${v.port} 的 ${v.probes} 次连接都成功`,
      left: (v) => `到 ${v.address}:${v.port} 的 ${v.syns} 个 SYN 已从本节点发出：防火墙放行了`,
      nothingTried: '窗口内没有从这里发起连接',
      atOnce: (v) => `连接失败为“${v.message}”，不是超时：SYN 被丢弃时会超时`,
      noFirewall: (v) => `${v.probes} 次连接超时，且没有 SYN 从本节点发出，但没有读到它的防火墙规则`,
      neverLeft: (v) =>
        `到 ${v.address}:${v.port} 的 ${v.probes} 次连接超时，本节点抓包里没有它们的 SYN：根本没有发出去`,
      rule: (v) => `${v.tool}，表 ${v.table}，链 ${v.chain}：“${v.rule}” ${v.counted}`,
      plus: (v) => `窗口内 +${v.packets} 个包`,
      noCounter: '没有计数器',
      covers: '该规则匹配这条连接，前面也没有放行规则',
      maybe: '匹配条件没有完全看懂：可能是它',
      none: (v) => `读到的 ${v.rules} 条规则和默认策略都不会丢弃发出的这条连接`,
      flat: (v) => `有 ${v.rules} 条规则/默认策略可能丢弃发出的这条连接，但都没有计数`,
      retransFail: (v) => `窗口内 TcpExt TCPRetransFail +${v.count}：内核重发 SYN 也发不出去`,
      answered: (v) => `窗口内到端口 ${v.port} 的 ${v.connects} 次连接都有应答，没有未应答的：防火墙放行了应答`,
      nothingArrived: (v) => `没有到端口 ${v.port} 的 SYN 到达本节点：没有需要应答的`,
      unanswered: (v) => `${v.connects} 次连接的 ${v.syns} 个 SYN 到达端口 ${v.port}，没有应答发出`,
      noFirewallOfAnswers: (v) => `${v.connects} 次连接没有得到本节点的应答，但没有读到它的防火墙规则`,
      letOut: (v) => `在该规则之前放行到 ${v.address}:${v.port} 的连接`,
      translated: (v) => `到端口 ${v.port} 的流量会被转换并转发：应答不是本节点自己发出的`,
      tcpOnly: '只根据未应答的 SYN 判断：UDP 没有 SYN',
      letAnswersOut: (v) => `在该规则之前放行端口 ${v.port} 的应答`,
      permanent: '修改规则的来源（firewalld direct 规则、ufw 默认禁止外发、egress NetworkPolicy）',
      risk: '只放开这个目的地',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { capture, firewall } = facts;
    const to = { address: target.address, port: target.port };
    const isTarget = plan.nodes.find((n) => n.node.name === node)?.roles.includes('target') ?? false;
    if (isTarget)
      return symptom.protocol === 'tcp'
        ? judgeAnswers()
        : notApplicable(because(say.tcpOnly, { evidence: 'run.json' }));
    const { probes } = facts;
    if (probes === undefined) return undecided('probes', node, say.nothingTried);
    const firstProbe = probes[0];
    // what is for a Service leaves with the address and port of a pod where this node's kube-proxy translates it
    const asked = { ...target, protocol: symptom.protocol, isHere: false };
    const servers = [target, ...serversBehind(asked, facts.ipvs ?? {}, facts.firewall?.rules ?? [])];
    const sent = withoutTranslatedLegs(
      capture?.connections.filter((c) => servers.some((server) => isEndpoint(c.server, server))) ?? [],
    );
    if (capture !== undefined && sent.length > 0) {
      const syns = synsIn(sent);
      return ruledOut(because(say.left({ syns, ...to }), capture.at));
    }
    const failed = probes.filter(({ outcome }) => outcome !== 'connected');
    const failure = failed[0];
    if (firstProbe === undefined) return undecided('probes', node, say.nothingTried);
    if (failure === undefined) return ruledOut(because(say.connected({ probes: probes.length, ...to }), firstProbe.at));
    const timedOut = failed.filter(({ outcome }) => outcome === 'timedOut');
    if (timedOut.length === 0)
      return ruledOut(because(say.atOnce({ message: failure.message || failure.outcome }), failure.at));
    const weak = weakness(capture, say);
    if (weak !== null || capture === undefined) return undecided('capture', node, weak ?? say.noCapture);
    if (firewall === undefined) return undecided('firewall', node, say.noFirewall({ probes: timedOut.length }));

    const flow: Flow = {
      protocol: symptom.protocol,
      source: null,
      destination: target.address,
      port: target.port,
      inDevice: null,
      packets: timedOut.length,
    };
    const flows = servers.map(({ address, port }): Flow => ({ ...flow, destination: address, port }));
    return judgeFlows(firewall, flows, because(say.neverLeft({ probes: timedOut.length, ...to }), capture.at));

    /** The answers of a target: SYNs that arrive, and nothing that leaves. */
    function judgeAnswers() {
      const weak = weakness(capture, say);
      const seen = capture === undefined ? null : handshakesTo(capture, target);
      const failed = seen?.unanswered ?? [];
      const passed = (seen?.answered.length ?? 0) + (seen?.refused.length ?? 0);
      if (capture !== undefined && failed.length === 0 && passed > 0)
        return ruledOut(because(say.answered({ connects: passed, port: target.port }), capture.at));
      if (weak !== null || capture === undefined || seen === null)
        return undecided('capture', node, weak ?? say.noCapture);
      if (failed.length === 0) return ruledOut(because(say.nothingArrived({ port: target.port }), capture.at));
      if (firewall === undefined)
        return undecided('firewall', node, say.noFirewallOfAnswers({ connects: failed.length }));
      const asked = { ...target, protocol: symptom.protocol, isHere: true };
      if (serversBehind(asked, facts.ipvs ?? {}, firewall.rules).length > 0)
        return notApplicable(because(say.translated({ port: target.port }), fileOf(firewall.rules)));
      const sources = [...new Set(failed.map(({ client }) => client.address))];
      const answers: Flow = {
        protocol: symptom.protocol,
        source: target.address,
        destination: sources[0] ?? target.address,
        port: target.port,
        isAnswer: true,
        inDevice: null,
        // a SYN that is sent again is answered again, though not every time: one for each connect at least
        packets: failed.length,
      };
      const words = { syns: seen.unansweredSyns, connects: failed.length, port: target.port };
      return judgeFlows(firewall, [answers], because(say.unanswered(words), capture.at));
    }

    function judgeFlows(rules: Firewall, flows: readonly Flow[], effect: Because) {
      const reached = flows
        .flatMap((flow) =>
          reachedRules(rules, flow, ['drop'], outboundHooks).map((found) => ({ ...found, packets: flow.packets })),
        )
        .toSorted((x, y) => (y.rule.packets?.delta ?? 0.5) - (x.rule.packets?.delta ?? 0.5));
      const best = reached[0];
      if (best === undefined) return ruledOut(because(say.none({ rules: rules.rules.length }), fileOf(rules.rules)));
      const rise = best.rule.packets?.delta ?? null;
      const { tool, table, chain, text, at } = best.rule;
      if (rise !== null && rise <= 0) return ruledOut(because(say.flat({ rules: reached.length }), at));
      const counted = rise === null ? say.noCounter : say.plus({ packets: rise });
      const resent = facts.counters?.['TcpExt.TCPRetransFail'];
      const reasons: Because[] = [
        effect,
        because(say.rule({ tool, table, chain, rule: text, counted }), at),
        because(best.coverage === 'yes' ? say.covers : say.maybe, at),
        ...(resent !== undefined && (resent.delta ?? 0) > 0
          ? [because(say.retransFail({ count: resent.delta ?? 0 }), resent.at)]
          : []),
      ];
      const isCause = best.coverage === 'yes' && rise !== null && rise >= best.packets;
      return isCause ? confirmed(reasons, remedies(best)) : likely(reasons, remedies(best));
    }

    function remedies({ rule: { tool, table }, base: { chain: base } }: ReachedRule): Remedy[] {
      const permanent: Remedy = {
        kind: 'permanent',
        node,
        text: say.permanent,
        commands: [],
        undo: [],
        risk: say.risk,
      };
      const family = familyOf(target.address);
      if (tool === 'nft' || !['OUTPUT', 'POSTROUTING'].includes(base) || family === null) return [permanent];
      const program = family === 6 ? tool.replace('iptables', 'ip6tables') : tool;
      const ends = isTarget
        ? `-s ${target.address} -p ${symptom.protocol} --sport ${target.port}`
        : `-d ${target.address} -p ${symptom.protocol} --dport ${target.port}`;
      const match = `${base} ${ends} -j ACCEPT`;
      const where = table === 'filter' ? program : `${program} -t ${/^[a-z]{1,10}$/.test(table) ? table : 'filter'}`;
      return [
        {
          kind: 'temporary',
          node,
          text: isTarget ? say.letAnswersOut(to) : say.letOut(to),
          commands: [`${where} -I ${match}`],
          undo: [`${where} -D ${match}`],
          risk: say.risk,
        },
        permanent,
      ];
    }
  },
});
