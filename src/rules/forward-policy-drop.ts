import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import {
  arrivalHooks,
  type Flow,
  forwardHooks,
  isTranslated,
  type ReachedRule,
  reachedRules,
} from './firewall-match.ts';
import { endpointText } from './endpoint-text.ts';
import { synsIn, wasSentOn } from './handshakes.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { ingressDevices } from './ingress-device.ts';
import { keptAnswersAt, lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isPolicyChain } from './policy-chains.ts';
import { serversBehind } from './servers-behind.ts';

interface Candidate {
  readonly found: ReachedRule;
  readonly flow: Flow;
}

const riseOf = ({ found }: Candidate): number | null => found.rule.packets?.delta ?? null;
const isSure = ({ found }: Candidate): boolean => found.coverage === 'yes';
const score = (c: Candidate): number => (riseOf(c) ?? 0.5) * (isSure(c) ? 2 : 1);
const most = 8;

/** F10: the FORWARD chain (its policy, or a rule in it) drops what this node has to pass on. */
export const forwardPolicyDrop = defineNodeRule({
  id: 'forward-policy-drop',
  fault: 'F10',
  scope: 'node',
  roles: ['forwarder', 'target'],
  needs: ['firewall'],
  optional: ['routeGet', 'addresses', 'links', 'capture'],
  params: z.strictObject({}),
  sources: [
    'moby/moby: since Docker 1.13 dockerd sets the FORWARD policy to DROP',
    'kubernetes/kubernetes#39823, flannel-io/flannel#872, flannel-io/flannel#609',
    'iptables(8), nft(8): a policy is asked last and counts what no rule took',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'The FORWARD chain drops what this node has to pass on',
      local: (v: { address: string }) =>
        `${v.address} is this node's own address: packets to it are not forwarded, so the FORWARD chain does not see them`,
      rule: (v: { tool: string; table: string; chain: string; rule: string; counted: string }) =>
        `${v.tool}, table ${v.table}, chain ${v.chain}: "${v.rule}" ${v.counted}`,
      sentOn: (v: { servers: string }) => `a nat rule sends what comes for it on to ${v.servers}`,
      plus: (v: { packets: number }) => `+${v.packets} packets in the window`,
      noCounter: 'without a counter',
      takesAll: 'Nothing in front of it lets this traffic through',
      maybe:
        'Its match was not fully understood, or addresses are translated on the way: it may be the one, and it may not',
      fewer: (v: { packets: number; syns: number }) =>
        `it counted ${v.packets} packets, fewer than the ${v.syns} SYNs without an answer`,
      passedOn: (v: { connects: number }) =>
        `${v.connects} of these connects were seen leaving this node: the chain let them pass`,
      flat: (v: { rules: number }) =>
        `${v.rules} rules and policies of the forward hooks could drop this traffic, and none of them counted a packet in the window`,
      none: (v: { rules: number }) =>
        `none of the ${v.rules} rules and policies read here drops this traffic on its way through`,
      notSeen: (v: { why: string }) => `Packets of this question were not seen: ${v.why}`,
      shared: 'It counts other traffic too',
      accept: (v: { address: string }) => `Lets traffic to and from ${v.address} pass through, ahead of the drop`,
      permanent:
        'Find out who sets it: dockerd ("iptables": false in /etc/docker/daemon.json, or an accept in the chain DOCKER-USER), ufw (DEFAULT_FORWARD_POLICY in /etc/default/ufw), a hardening script',
      kubernetes:
        'The CNI normally adds these accepts for the pod CIDR (flannel from 0.10 on, kube-proxy with --cluster-cidr in KUBE-FORWARD): see why they are missing. Change NetworkPolicies, not the rules, where the chain belongs to the cluster',
      risk: 'Lets this traffic through; `iptables -P FORWARD ACCEPT` would let everything through',
    },
    zh: {
      ...lostSynText.zh,
      title: 'FORWARD 链丢弃了需要本节点转发的报文',
      local: (v) => `${v.address} 是本节点自己的地址：发往它的包不经过转发，也就不经过 FORWARD 链`,
      rule: (v) => `${v.tool}，表 ${v.table}，链 ${v.chain}：“${v.rule}” ${v.counted}`,
      sentOn: (v) => `nat 规则把发往它的连接转给 ${v.servers}`,
      plus: (v) => `窗口内 +${v.packets} 个包`,
      noCounter: '没有计数器',
      takesAll: '前面没有放行这些流量的规则',
      maybe: '匹配条件没有完全看懂，或途中有地址转换：可能是它，但不确定',
      fewer: (v) => `它计数 ${v.packets} 个包，少于没有应答的 ${v.syns} 个 SYN`,
      passedOn: (v) => `其中 ${v.connects} 次连接已看到从本节点发出：转发链放行了`,
      flat: (v) => `转发路径上有 ${v.rules} 条规则/默认策略可能丢弃这些流量，但窗口内都没有计数`,
      none: (v) => `读到的 ${v.rules} 条规则和默认策略都不会丢弃经过本节点的这些流量`,
      notSeen: (v) => `没有直接看到这次的包：${v.why}`,
      shared: '它也会计入其他流量',
      accept: (v) => `在丢弃之前放行到 ${v.address} 和来自它的转发流量`,
      permanent:
        '查清是谁设置的：dockerd（/etc/docker/daemon.json 里 "iptables": false，或在 DOCKER-USER 链里放行）、ufw（/etc/default/ufw 的 DEFAULT_FORWARD_POLICY）、安全加固脚本',
      kubernetes:
        'CNI 通常会为 Pod 网段加放行规则（flannel 0.10 起；kube-proxy 配 --cluster-cidr 时在 KUBE-FORWARD）：查清为什么缺失。链由集群维护时应改 NetworkPolicy，不要手工改规则',
      risk: '会放行这些转发流量；`iptables -P FORWARD ACCEPT` 则会放行一切',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { firewall } = facts;
    const firewallAt = fileOf(firewall.rules);
    const owned =
      facts.routeGet?.find((r) => r.verdict === 'local' && sameAddress(r.to, target.address)) ??
      facts.addresses?.find((a) => sameAddress(a.address, target.address));

    const plain: Flow = {
      protocol: symptom.protocol,
      source: null,
      destination: target.address,
      port: target.port,
      inDevice: null,
      packets: 0,
    };
    const translated = isTranslated(firewall, plain);
    if (owned !== undefined && !translated)
      return notApplicable(because(say.local({ address: target.address }), owned.at));

    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    const kept = lost.kind === 'unseen' ? null : keptAnswersAt({ node, capture: facts.capture, target, plan, say });
    if (lost.kind === 'none' && kept === null) return ruledOut(lost.because);
    const connections = lost.kind === 'lost' ? lost.connections : [];
    const sentOn = connections.filter(wasSentOn);
    const stuck = connections.filter((c) => !sentOn.includes(c));
    if (lost.kind === 'lost' && stuck.length === 0 && kept === null)
      return ruledOut(because(say.passedOn({ connects: sentOn.length }), lost.at));

    // behind prerouting the packet has the address and port of the server that it is sent on to
    const servers =
      owned === undefined
        ? []
        : serversBehind({ ...target, protocol: symptom.protocol, isHere: true }, {}, firewall.rules);
    const destinations = servers.map(({ address, port }) => ({ ...plain, destination: address, port }));
    const answers = (kept?.connections ?? []).slice(0, most).map(
      ({ client, server }): Flow => ({
        ...plain,
        source: server.address,
        destination: client.address,
        isAnswer: true,
        packets: kept?.connections.filter((c) => sameAddress(c.client.address, client.address)).length ?? 0,
      }),
    );
    const sources = [...new Set(stuck.map((c) => c.client.address))].slice(0, most);
    const flows: readonly Flow[] = (destinations.length === 0 ? [plain] : destinations).flatMap((flow) =>
      sources.length === 0
        ? kept === null
          ? [flow]
          : answers
        : sources.map((source) => {
            const own = stuck.filter((c) => c.client.address === source);
            const devices = ingressDevices(own, facts.links);
            return {
              ...flow,
              source,
              inDevice: devices.length === 1 ? (devices[0] ?? null) : null,
              packets: synsIn(own),
            };
          }),
    );
    const onward: Because[] =
      servers.length === 0
        ? []
        : [because(say.sentOn({ servers: servers.slice(0, 3).map(endpointText).join(', ') }), firewallAt)];
    const candidates = flows
      .flatMap((flow) =>
        // what a NetworkPolicy denies is networkpolicy-deny's
        reachedRules(firewall, flow, ['drop'], flow.isAnswer ? [...arrivalHooks, ...forwardHooks] : forwardHooks)
          .filter(({ rule }) => !isPolicyChain(rule.chain))
          .map((found): Candidate => ({ found, flow })),
      )
      .sort((a, b) => score(b) - score(a));
    const best = candidates[0];
    if (best === undefined) return ruledOut(...onward, because(say.none({ rules: firewall.rules.length }), firewallAt));

    const rise = riseOf(best);
    const { tool, table, chain, text, at } = best.found.rule;
    const counted = rise === null ? say.noCounter : say.plus({ packets: rise });
    const shown = because(say.rule({ tool, table, chain, rule: text, counted }), at);
    const sure = isSure(best) && (!translated || destinations.length > 0);
    const certainty = because(sure ? say.takesAll : say.maybe, at);
    if (rise !== null && rise <= 0) {
      const rules = new Set(candidates.map((c) => c.found.rule.id)).size;
      return ruledOut(because(say.flat({ rules }), at));
    }
    if (lost.kind === 'unseen') {
      const unseen = because(say.notSeen({ why: lost.why }), at);
      // a drop that counts is ordinary on a node that forwards: without a packet of this question it proves nothing
      if (!sure || rise === null) return undecided('capture', node, lost.why);
      return best.found.namesPort || best.found.rule.isPolicy
        ? likely([shown, certainty, unseen, because(say.shared, at)], remedies())
        : undecided('capture', node, lost.why);
    }
    const effect = best.flow.isAnswer ? kept?.because : lost.because;
    const reasons: Because[] = [...onward, shown, certainty, ...(effect === undefined ? [] : [effect])];
    if (rise === null) return likely(reasons, remedies());
    if (rise < best.flow.packets)
      return sure
        ? likely([...reasons, because(say.fewer({ packets: rise, syns: best.flow.packets }), at)], remedies())
        : ruledOut(shown, because(say.fewer({ packets: rise, syns: best.flow.packets }), at));
    return sure ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    function remedies(): Remedy[] {
      const { base, rule } = best?.found ?? {};
      if (base === undefined || rule === undefined || familyOf(target.address) === null) return [];
      const rest: Remedy[] = [
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.risk },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
      if (rule.tool === 'nft' || base.chain !== 'FORWARD' || (translated && servers.length === 0)) return rest;
      const passed = best?.flow.destination ?? target.address;
      const program = familyOf(target.address) === 6 ? rule.tool.replace('iptables', 'ip6tables') : rule.tool;
      const change = (action: string): string[] => [
        `${program} ${action} FORWARD -d ${passed} -j ACCEPT`,
        `${program} ${action} FORWARD -s ${passed} -j ACCEPT`,
      ];
      return [
        {
          kind: 'temporary',
          node,
          text: say.accept({ address: passed }),
          commands: change('-I'),
          undo: change('-D'),
          risk: say.risk,
        },
        ...rest,
      ];
    }
  },
});
