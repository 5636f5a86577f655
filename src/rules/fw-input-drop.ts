import * as z from 'zod';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import {
  arrivalHooks,
  behindVerdictMap,
  type Flow,
  inboundHooks,
  type ReachedRule,
  reachedRules,
} from './firewall-match.ts';
import { firewallRemedyText, letInRemedies } from './firewall-remedies.ts';
import { handshakesTo, synsIn, wasSentOn } from './handshakes.ts';
import { countedEnough } from './counted-enough.ts';
import { inboundFlows } from './inbound-flow.ts';
import { lostBefore } from './lost-syns.ts';
import { isForWantOfPods } from './kube-service.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

interface Candidate {
  readonly found: ReachedRule;
  readonly flow: Flow;
}

const deltaOf = ({ found }: Candidate): number | null => found.rule.packets?.delta ?? null;
const isSure = ({ found }: Candidate): boolean => found.coverage === 'yes';
const countedAll = (c: Candidate): boolean => countedEnough(deltaOf(c) ?? 0, Math.max(1, c.flow.packets));
/**
 * Whatever else the rule asks for: of this port it dropped as many packets as were lost here, and no more. The last
 * SYNs of a capture may have been dropped too, though an answer had no time to come.
 */
const countedExactly = (c: Candidate, lastSyns: number): boolean =>
  c.found.namesPort && c.flow.packets >= 3 && countedAll(c) && (deltaOf(c) ?? 0) <= c.flow.packets + lastSyns;
/** What says most first: counted and certain, certain without a counter, counted and possible … a flat counter last. */
const score = (c: Candidate): number => {
  const delta = deltaOf(c);
  const own =
    delta === null
      ? isSure(c)
        ? 80
        : 20
      : delta <= 0
        ? 0
        : countedAll(c)
          ? isSure(c)
            ? 100
            : 60
          : isSure(c)
            ? 50
            : 10;
  return own + (c.found.namesPort ? 1 : 0);
};

/**
 * F08: the node's own firewall throws the SYN away. No SNMP counter moves; only the rule's own counter tells. On a
 * forwarder only what happens before routing belongs here: forward-policy-drop has the rest.
 */
export const fwInputDrop = defineNodeRule({
  id: 'fw-input-drop',
  fault: 'F08',
  scope: 'node',
  roles: ['target', 'forwarder'],
  needs: ['firewall'],
  optional: ['capture', 'links', 'routeGet'],
  params: z.strictObject({}),
  sources: ['iptables(8), nft(8): order of hooks and tables', 'lab: no counter of /proc/net/snmp or netstat moves'],
  text: {
    en: {
      ...captureText.en,
      ...firewallRemedyText.en,
      title: "The node's firewall drops the packets",
      answered: (v: { connections: number; port: number }) =>
        `${v.connections} connects to port ${v.port} were answered in the window, none went unanswered: the firewall lets them in`,
      passedOn: (v: { connections: number }) =>
        `${v.connections} connects without an answer were seen leaving this node: its firewall let them through`,
      rule: (v: { tool: string; table: string; chain: string; rule: string; delta: string }) =>
        `${v.tool}, table ${v.table}, chain ${v.chain}: "${v.rule}" ${v.delta}`,
      plus: (v: { packets: number }) => `+${v.packets} packets in the window`,
      noCounter: 'has no counter',
      unanswered: (v: { syns: number; source: string; port: number }) =>
        `${v.syns} SYNs from ${v.source} to port ${v.port} reached the node and got no answer`,
      covers: 'The rule covers this connection, and no accept stands before it',
      maybe: 'Whether the rule matches this connection was not fully understood, so the match is possible, not certain',
      fewer: (v: { packets: number; syns: number }) =>
        `it counted ${v.packets} packets, fewer than the ${v.syns} unanswered SYNs`,
      notSeen: (v: { why: string }) => `The SYNs themselves were not seen: ${v.why}`,
      noneYet: 'no SYN went unanswered for long enough',
      shared: 'The rule also counts other traffic, so its packets are not tied to this port',
      waiting: (v: { port: number }) => `nothing arrived on port ${v.port} in this window, but the rule would drop it`,
      flat: (v: { rules: number; syns: number; port: number }) =>
        `${v.rules} drop rules and policies can see this connection; all counted +0 while ${v.syns} SYNs to port ${v.port} went unanswered`,
      flatUnseen: (v: { rules: number }) =>
        `${v.rules} drop rules and policies can see this connection; all counted +0 in the window`,
      none: (v: { rules: number }) => `none of the ${v.rules} rules and policies that were read drops this connection`,
      nothingArrived: (v: { port: number }) => `no SYN to port ${v.port} reached the node: there was nothing to drop`,
      verdictMap: (v: { rule: string }) =>
        `the rules branch by a verdict map, which is not followed, and "${v.rule}" may lie behind it`,
      unclear: (v: { rule: string }) =>
        `the rule "${v.rule}" has no counter and was not fully understood: whether it drops this connection cannot be told`,
    },
    zh: {
      ...captureText.zh,
      ...firewallRemedyText.zh,
      title: '节点自己的防火墙丢弃了报文',
      answered: (v) => `窗口内到端口 ${v.port} 的 ${v.connections} 次连接都有应答，没有未应答的：防火墙是放行的`,
      passedOn: (v) => `${v.connections} 次没有应答的连接已看到从本节点发出：防火墙放行了`,
      rule: (v) => `${v.tool}，表 ${v.table}，链 ${v.chain}：“${v.rule}” ${v.delta}`,
      plus: (v) => `窗口内 +${v.packets} 个包`,
      noCounter: '没有计数器',
      unanswered: (v) => `来自 ${v.source}、到端口 ${v.port} 的 ${v.syns} 个 SYN 已到达节点，没有应答`,
      covers: '该规则匹配这条连接，前面也没有放行规则',
      maybe: '该规则的匹配条件没有完全看懂，可能命中，但不确定',
      fewer: (v) => `它计数 ${v.packets} 个包，少于未应答的 ${v.syns} 个 SYN`,
      notSeen: (v) => `没有直接看到 SYN：${v.why}`,
      noneYet: '还没有 SYN 等待足够久而未得到应答',
      shared: '该规则也会计入其他流量，无法确定这些包属于这个端口',
      waiting: (v) => `本次窗口内没有包到达端口 ${v.port}，但到了就会被这条规则丢弃`,
      flat: (v) =>
        `这条连接会经过 ${v.rules} 条丢弃规则/默认策略，端口 ${v.port} 有 ${v.syns} 个 SYN 未应答，而它们全部 +0`,
      flatUnseen: (v) => `这条连接会经过 ${v.rules} 条丢弃规则/默认策略，窗口内全部 +0`,
      none: (v) => `读到的 ${v.rules} 条规则和默认策略都不会丢弃这条连接`,
      nothingArrived: (v) => `没有到端口 ${v.port} 的 SYN 到达节点：没有可丢的包`,
      verdictMap: (v) => `规则用 verdict map 分支（未跟踪），“${v.rule}”可能在其后`,
      unclear: (v) => `规则“${v.rule}”没有计数器，匹配条件也没有完全看懂：无法判断它是否丢弃了这条连接`,
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    // what kube-proxy drops because no pod is there is no firewall's doing: see etp-local-no-endpoint
    const firewall = { rules: facts.firewall.rules.filter((rule) => !isForWantOfPods(rule)) };
    const firewallAt = fileOf(facts.firewall.rules);
    const blind = symptom.protocol === 'udp' ? say.noCapture : blindness(facts.capture, say);
    const capture = blind === null ? facts.capture : undefined;
    const isTarget = plan.nodes.find((n) => n.node.name === node)?.roles.includes('target') ?? true;
    const hooks = isTarget ? inboundHooks : arrivalHooks;
    // at the listener 200 ms are ample for an answer, further away allow for the round trip
    const seen = capture === undefined ? null : handshakesTo(capture, target, isTarget ? 200 : 1000);
    // a rule that takes only some packets (statistic, limit) loses SYNs of connects that get through in the end
    const unanswered = [
      ...(seen?.unanswered ?? []),
      ...(isTarget ? (seen?.answered ?? []).filter((c) => lostBefore(c) > 0) : []),
    ];
    const failed = isTarget ? unanswered : unanswered.filter((c) => !wasSentOn(c));
    if (capture !== undefined && failed.length < unanswered.length && failed.length === 0)
      return ruledOut(because(say.passedOn({ connections: unanswered.length }), capture.at));
    const passed = (seen?.answered.length ?? 0) + (seen?.refused.length ?? 0);
    if (capture !== undefined && seen !== null && failed.length === 0 && passed > 0) {
      return ruledOut(because(say.answered({ connections: passed, port: target.port }), capture.at));
    }

    const flows = inboundFlows({ protocol: symptom.protocol, target, failed, plan, node, facts });
    const candidates: Candidate[] = flows
      .flatMap((flow) => reachedRules(firewall, flow, ['drop'], hooks).map((found) => ({ found, flow })))
      .sort((a, b) => score(b) - score(a));
    const best = candidates[0];
    const hidden = flows.map((flow) => behindVerdictMap(firewall, flow, 'drop', hooks)).find((rule) => rule !== null);
    const verdictMap =
      hidden === undefined || hidden === null
        ? null
        : undecided('firewall', node, say.verdictMap({ rule: hidden.text }));
    if (best === undefined) {
      return verdictMap ?? ruledOut(because(say.none({ rules: facts.firewall.rules.length }), firewallAt));
    }

    const weak = weakness(facts.capture, say);
    const nothingArrived = capture !== undefined && seen?.syns === 0 && weak === null;
    const delta = deltaOf(best);
    const shown = rowOf(best);
    const certainty = because(isSure(best) ? say.covers : say.maybe, best.found.rule.at);
    const remedies = letInRemedies(node, best.found, best.flow, say);

    if (nothingArrived) {
      const waiting = candidates.find((c) => isSure(c) && c.found.namesPort);
      if (waiting === undefined) return ruledOut(because(say.nothingArrived({ port: target.port }), capture.at));
      const why = because(say.waiting({ port: target.port }), capture.at);
      return likely([rowOf(waiting), why], letInRemedies(node, waiting.found, waiting.flow, say));
    }

    const arrived: Because[] =
      capture === undefined || best.flow.packets === 0 || best.flow.source === null
        ? []
        : [
            because(
              say.unanswered({ syns: best.flow.packets, source: best.flow.source, port: target.port }),
              capture.at,
            ),
          ];

    if (delta === null) {
      if (isSure(best)) return likely([shown, certainty, ...arrived], remedies);
      return undecided('firewall', node, say.unclear({ rule: best.found.rule.text }));
    }
    if (delta <= 0) {
      const rules = new Set(candidates.map((c) => c.found.rule.id)).size;
      const syns = failed.reduce((sum, c) => sum + lostBefore(c), 0);
      const flat = syns > 0 ? say.flat({ rules, syns, port: target.port }) : say.flatUnseen({ rules });
      return verdictMap ?? ruledOut(because(flat, best.found.rule.at));
    }

    if (arrived.length === 0) {
      const unseen = because(say.notSeen({ why: blind ?? weak ?? say.noneYet }), best.found.rule.at);
      if (isSure(best) && best.found.namesPort) return confirmed([shown, certainty, unseen], remedies);
      return likely([shown, certainty, unseen, because(say.shared, best.found.rule.at)], remedies);
    }
    if (!countedAll(best)) {
      const fewer = because(say.fewer({ packets: delta, syns: best.flow.packets }), best.found.rule.at);
      if (!isSure(best) && !best.found.namesPort) return verdictMap ?? ruledOut(shown, fewer);
      return likely([shown, certainty, ...arrived, fewer], remedies);
    }
    const lastSyns = synsIn(
      seen?.all.filter((c) => c.handshake === 'unanswered' && c.client.address === best.flow.source) ?? [],
    );
    const settled = synsIn(failed.filter((c) => c.handshake === 'unanswered' && c.client.address === best.flow.source));
    if ((isSure(best) || countedExactly(best, lastSyns - settled)) && weak === null)
      return confirmed([shown, certainty, ...arrived], remedies);
    const doubt = weak === null || capture === undefined ? [] : [because(weak, capture.at)];
    return likely([shown, certainty, ...arrived, ...doubt], remedies);

    function rowOf(candidate: Candidate): Because {
      const { tool, table, chain, text, at } = candidate.found.rule;
      const counted = deltaOf(candidate);
      const words = counted === null ? say.noCounter : say.plus({ packets: counted });
      return because(say.rule({ tool, table, chain, rule: text, delta: words }), at);
    }
  },
});
