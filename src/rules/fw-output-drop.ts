import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { type Flow, outboundHooks, reachedRules } from './firewall-match.ts';
import { familyOf } from './ip-address.ts';
import { isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { serversBehind } from './servers-behind.ts';
import { withoutTranslatedLegs } from './translated-legs.ts';

/** F11: the client's own firewall drops its packets before they leave, and connect() times out. */
export const fwOutputDrop = defineNodeRule({
  id: 'fw-output-drop',
  fault: 'F11',
  scope: 'node',
  roles: ['client'],
  needs: ['probes'],
  optional: ['capture', 'firewall', 'counters', 'ipvs'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/ip_output.c __ip_local_out; net/ipv4/tcp_output.c tcp_connect (a refused SYN is tried again)',
    'reproduced on Linux 6.18: OUTPUT DROP gives a timeout, not EPERM',
  ],
  text: {
    en: {
      ...captureText.en,
      title: "The client's own firewall drops its packets before they leave",
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
      letOut: (v: { address: string; port: number }) =>
        `Lets connects to ${v.address}:${v.port} out, ahead of the rule`,
      permanent:
        'Change it where the rules come from (firewalld direct rules, ufw default deny outgoing, an egress NetworkPolicy)',
      risk: 'Opens this destination only',
    },
    zh: {
      ...captureText.zh,
      title: '客户端自己的防火墙丢弃了发出的报文',
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
      letOut: (v) => `在该规则之前放行到 ${v.address}:${v.port} 的连接`,
      permanent: '修改规则的来源（firewalld direct 规则、ufw 默认禁止外发、egress NetworkPolicy）',
      risk: '只放开这个目的地',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    const { probes, capture } = facts;
    const to = { address: target.address, port: target.port };
    const firstProbe = probes[0];
    // what is for a Service leaves with the address and port of a pod where this node's kube-proxy translates it
    const asked = { ...target, protocol: symptom.protocol, isHere: false };
    const servers = [target, ...serversBehind(asked, facts.ipvs ?? {}, facts.firewall?.rules ?? [])];
    const sent = withoutTranslatedLegs(
      capture?.connections.filter((c) => servers.some((server) => isEndpoint(c.server, server))) ?? [],
    );
    if (capture !== undefined && sent.length > 0) {
      const syns = sent.reduce((sum, c) => sum + c.syns.length, 0);
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
    const { firewall } = facts;
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
    const reached = flows
      .flatMap((one) => reachedRules(firewall, one, ['drop'], outboundHooks))
      .toSorted((a, b) => (b.rule.packets?.delta ?? 0.5) - (a.rule.packets?.delta ?? 0.5));
    const best = reached[0];
    if (best === undefined)
      return ruledOut(because(say.none({ rules: firewall.rules.length }), fileOf(firewall.rules)));
    const rise = best.rule.packets?.delta ?? null;
    const { tool, table, chain, text, at } = best.rule;
    if (rise !== null && rise <= 0) return ruledOut(because(say.flat({ rules: reached.length }), at));
    const counted = rise === null ? say.noCounter : say.plus({ packets: rise });
    const resent = facts.counters?.['TcpExt.TCPRetransFail'];
    const reasons: Because[] = [
      because(say.neverLeft({ probes: timedOut.length, ...to }), capture.at),
      because(say.rule({ tool, table, chain, rule: text, counted }), at),
      because(best.coverage === 'yes' ? say.covers : say.maybe, at),
      ...(resent !== undefined && (resent.delta ?? 0) > 0
        ? [because(say.retransFail({ count: resent.delta ?? 0 }), resent.at)]
        : []),
    ];
    const isCause = best.coverage === 'yes' && rise !== null && rise >= timedOut.length;
    return isCause ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    function remedies(): Remedy[] {
      const permanent: Remedy = {
        kind: 'permanent',
        node,
        text: say.permanent,
        commands: [],
        undo: [],
        risk: say.risk,
      };
      const base = best?.base.chain;
      const family = familyOf(target.address);
      if (base === undefined || tool === 'nft' || !['OUTPUT', 'POSTROUTING'].includes(base) || family === null)
        return [permanent];
      const program = family === 6 ? tool.replace('iptables', 'ip6tables') : tool;
      const match = `${base} -d ${target.address} -p ${symptom.protocol} --dport ${target.port} -j ACCEPT`;
      const where = table === 'filter' ? program : `${program} -t ${/^[a-z]{1,10}$/.test(table) ? table : 'filter'}`;
      return [
        {
          kind: 'temporary',
          node,
          text: say.letOut(to),
          commands: [`${where} -I ${match}`],
          undo: [`${where} -D ${match}`],
          risk: say.risk,
        },
        permanent,
      ];
    }
  },
});
