import * as z from 'zod';
import type { Neighbour, Probe, RouteVerdict } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesOf, handshakesTo, synsIn } from './handshakes.ts';
import { isUndeliverable } from './icmp-meaning.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isService } from './servers-behind.ts';
import { tunnelKindOf } from './tunnel-way.ts';

const deadStates = ['FAILED', 'INCOMPLETE'];
const deviceName = /^[A-Za-z0-9_.@-]{1,15}$/;
/**
 * mcast_solicit (3) x retrans_time (1 s) of the neighbour table: a connect to a host that does not answer ARP fails
 * after about 3 s. While an earlier look-up still runs it fails sooner; a firewall or a route refuses at once.
 */
const arpFailsAfterMs = 900;
/** A connect that hung longer than this did not wait for ARP: it would have failed by then. */
const arpGivesUpMs = 3500;

/**
 * F23: the next hop, or the target on its own link, does not answer ARP (or neighbour discovery). On the target it is
 * the next hop on the way back.
 */
export const neighFailed = defineNodeRule({
  id: 'neigh-failed',
  fault: 'F23',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['neighbours'],
  optional: ['routeGet', 'probes', 'capture', 'addresses', 'firewall', 'ipvs'],
  params: z.strictObject({}),
  sources: [
    'net/core/neighbour.c (mcast_solicit, retrans_time)',
    'arp(7)',
    'lab: EHOSTUNREACH after 3.06 s, on the same link and behind a router',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'The next hop does not answer ARP',
      translated: (v: { address: string }) =>
        `connects to ${v.address} are translated on this node: none goes to a neighbour by that address`,
      local: (v: { address: string }) => `${v.address} is this node's own address: no neighbour is asked`,
      noRoute: (v: { address: string; message: string }) =>
        `there is no way to ${v.address} from here to ask a neighbour on (${v.message})`,
      noRouteVerdict: (v: { address: string }) => `the next hop to ${v.address} is not known (no route verdict)`,
      dead: (v: { hop: string; device: string; state: string }) =>
        `neighbour ${v.hop}${v.device} is ${v.state}: it does not answer ARP`,
      isTarget: 'it is the target itself, on this link',
      isGateway: (v: { target: string }) => `it is the next hop to ${v.target}`,
      hostUnreachable: (v: { count: number; tookMs: number }) =>
        `${v.count} connects failed with "No route to host", the first after ${(v.tookMs / 1000).toFixed(2)} s (an unanswered ARP takes about 3 s)`,
      neverLeft: (v: { probes: number }) => `${v.probes} connects were tried, and no SYN left the node`,
      sentIcmp: (v: { count: number; from: string; target: string }) =>
        `${v.count} ICMP host-unreachable about ${v.target} were sent by ${v.from} in the window`,
      foreignIcmp: (v: { from: string; target: string; afterSec: string }) =>
        `${v.from} answered with ICMP host-unreachable about ${v.target}, ${v.afterSec} s after the first SYN: it gets no ARP answer for the next hop there`,
      alive: (v: { hop: string; device: string; state: string; mac: string }) =>
        `neighbour ${v.hop}${v.device} is ${v.state}${v.mac}`,
      noEntry: (v: { hop: string }) => `${v.hop} is not in the neighbour table`,
      wentOut: (v: { syns: number; hop: string }) => `${v.syns} SYNs left towards ${v.hop}: its link address was known`,
      noFailure: (v: { probes: number }) => `none of ${v.probes} connects failed the way an unanswered ARP fails`,
      noEffectSeen: 'neither a probe nor a capture shows what became of the connects',
      overlay: (v: { device: string }) =>
        `${v.device} is a tunnel of the pod network, whose agent fills this table: see vxlan-fdb`,
      noEffect: 'No connect was seen to fail for it in this window',
      isWayBack: (v: { source: string }) => `it is the next hop on the way back to ${v.source}`,
      noAnswerLeft: (v: { syns: number; connects: number; source: string }) =>
        `${v.syns} SYNs of ${v.connects} connects came from ${v.source}, and no answer left`,
      noneUnanswered: 'no SYN that reached this node went unanswered',
      waysBackAlive: (v: { hops: string }) =>
        `the next hops on the way back to who got no answer are not dead neighbours (${v.hops})`,
      waysBackUnknown: 'the way back to who got no answer was not asked of the kernel',
      notOwn: (v: { address: string }) => `${v.address} is not an address of this node: it only passes packets on`,
      start: (v: { hop: string }) =>
        `Bring ${v.hop} back: start the host, or correct the address, the cable or the VLAN; if it was replaced, correct what still points to it`,
      kubernetes:
        'If it is the address of a pod or node that is gone: remove the stale endpoint (see why kube-proxy or IPVS still sends there)',
      risk: 'None: it only looks',
      riskKubernetes: 'Low',
    },
    zh: {
      ...captureText.zh,
      title: '下一跳不应答 ARP',
      translated: (v) => `本节点会转换到 ${v.address} 的连接：没有连接以这个地址去找邻居`,
      local: (v) => `${v.address} 是本节点自己的地址：不需要查邻居`,
      noRoute: (v) => `从这里到 ${v.address} 没有可走的路由（${v.message}），不会查邻居`,
      noRouteVerdict: (v) => `不知道到 ${v.address} 的下一跳（没有路由判定）`,
      dead: (v) => `邻居 ${v.hop}${v.device} 处于 ${v.state}：不应答 ARP`,
      isTarget: '它就是目标本身，在同一链路上',
      isGateway: (v) => `它是到 ${v.target} 的下一跳`,
      hostUnreachable: (v) =>
        `${v.count} 次连接失败，报“No route to host（没有到主机的路由）”，第一次耗时 ${(v.tookMs / 1000).toFixed(2)} 秒（ARP 无应答约 3 秒）`,
      neverLeft: (v) => `尝试了 ${v.probes} 次连接，没有 SYN 离开节点`,
      sentIcmp: (v) => `窗口内 ${v.from} 发出 ${v.count} 个关于 ${v.target} 的 ICMP host-unreachable`,
      foreignIcmp: (v) =>
        `${v.from} 回了关于 ${v.target} 的 ICMP host-unreachable，在第一个 SYN 之后 ${v.afterSec} 秒：它那里的下一跳不应答 ARP`,
      alive: (v) => `邻居 ${v.hop}${v.device} 处于 ${v.state}${v.mac}`,
      noEntry: (v) => `邻居表里没有 ${v.hop}`,
      wentOut: (v) => `有 ${v.syns} 个 SYN 发往 ${v.hop}：链路层地址是已知的`,
      noFailure: (v) => `${v.probes} 次连接中没有一次像 ARP 无应答那样失败`,
      noEffectSeen: '没有探测结果也没有抓包，看不到连接的结果',
      overlay: (v) => `${v.device} 是 Pod 网络的隧道，这张表由它的代理程序填写：见 vxlan-fdb`,
      noEffect: '本次窗口内没有看到连接因此失败',
      isWayBack: (v) => `它是回到 ${v.source} 的下一跳`,
      noAnswerLeft: (v) => `来自 ${v.source} 的 ${v.connects} 次连接共 ${v.syns} 个 SYN 到达，没有应答发出`,
      noneUnanswered: '到达本节点的 SYN 都得到了应答',
      waysBackAlive: (v) => `回到未得到应答者的下一跳不是失效邻居（${v.hops}）`,
      waysBackUnknown: '没有向内核询问回到未得到应答者的路由',
      notOwn: (v) => `${v.address} 不是本节点的地址：它只转发`,
      start: (v) => `恢复 ${v.hop}：启动主机，或改正地址、网线、VLAN；如果它已被替换，改掉仍指向它的配置`,
      kubernetes: '如果它是已删除的 Pod 或节点的地址：清理残留的 endpoint（查 kube-proxy 或 IPVS 为什么还往那里发）',
      risk: '无：只是查看',
      riskKubernetes: '低',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const isTarget = plan.nodes.find((n) => n.node.name === node)?.roles.includes('target') ?? false;
    const toTarget = facts.routeGet?.filter((r) => sameAddress(r.to, target.address)) ?? [];
    const local = toTarget.find((r) => r.verdict === 'local');
    if (local !== undefined)
      return isTarget ? judgeWayBack() : notApplicable(because(say.local({ address: target.address }), local.at));
    if (isTarget)
      return notApplicable(
        because(say.notOwn({ address: target.address }), toTarget[0]?.at ?? { evidence: 'run.json' }),
      );
    const route =
      toTarget.find((r) => r.verdict === 'ok' && r.iif === undefined) ?? toTarget.find((r) => r.verdict === 'ok');
    const noRoute = toTarget[0];
    if (route === undefined && noRoute !== undefined) {
      const message = noRoute.message ?? noRoute.verdict;
      return ruledOut(because(say.noRoute({ address: target.address, message }), noRoute.at));
    }

    const hop = route?.via ?? target.address;
    const neighbour = entryOf(facts.neighbours, hop, route);
    const shown = {
      hop,
      device: neighbour?.device === undefined ? '' : ` on ${neighbour.device}`,
      state: neighbour?.state ?? '',
      mac: neighbour?.mac === undefined ? '' : ` (${neighbour.mac})`,
    };

    const effects = effectsHere();
    if (neighbour !== undefined && deadStates.includes(neighbour.state)) {
      const mechanism = [
        because(say.dead(shown), neighbour.at),
        because(
          sameAddress(hop, target.address) ? say.isTarget : say.isGateway({ target: target.address }),
          route?.at ?? neighbour.at,
        ),
      ];
      const { device } = neighbour;
      if (device !== undefined && tunnelKindOf({ name: device }) === 'vxlan')
        return likely([...mechanism, because(say.overlay({ device }), neighbour.at), ...effects]);
      return effects.length > 0
        ? confirmed([...mechanism, ...effects], remedies(hop, neighbour.device))
        : likely([...mechanism, because(say.noEffect, neighbour.at)], remedies(hop, neighbour.device));
    }

    const further = reportedByAnother();
    if (further !== null) return likely([further], remedies(target.address, undefined));
    if (neighbour !== undefined) return ruledOut(because(say.alive(shown), neighbour.at));

    // an entry that failed is thrown away after a while, and devices without ARP never have one
    const missing = because(say.noEntry({ hop }), fileOf(facts.neighbours));
    if (effects.length > 0) return likely([missing, ...effects], remedies(hop, route?.device));
    const left = sentSyns();
    if (facts.capture !== undefined && left > 0) {
      return ruledOut(because(say.wentOut({ syns: left, hop }), facts.capture.at));
    }
    const probe = facts.probes?.[0];
    if (facts.probes !== undefined && probe !== undefined) {
      return ruledOut(because(say.noFailure({ probes: facts.probes.length }), probe.at));
    }
    if (route === undefined) return undecided('routeGet', node, say.noRouteVerdict({ address: target.address }));
    const asked = { ...target, protocol: symptom.protocol, isHere: false };
    const [rule] = facts.firewall?.rules ?? [];
    if (rule !== undefined && isService(asked, facts.ipvs ?? {}, facts.firewall?.rules ?? []))
      return notApplicable(because(say.translated({ address: target.address }), fileOf([rule])));
    return undecided('capture', node, say.noEffectSeen);

    /** SYNs arrive, and the kernel holds the answers back until a neighbour tells its address, which none does. */
    function judgeWayBack() {
      const weak = weakness(facts.capture, say);
      const seen = facts.capture === undefined ? null : handshakesTo(facts.capture, target);
      if (facts.capture === undefined || seen === null) return undecided('capture', node, weak ?? say.noCapture);
      const { capture } = facts;
      if (seen.unanswered.length === 0)
        return weak === null || seen.answered.length > 0
          ? ruledOut(because(say.noneUnanswered, capture.at))
          : undecided('capture', node, weak);
      const sources = [...new Set(seen.unanswered.map(({ client }) => client.address))].filter(
        (source) => !seen.answered.some(({ client }) => sameAddress(client.address, source)),
      );
      const ways = sources.flatMap((source) => {
        const way = facts.routeGet?.find((r) => r.iif === undefined && sameAddress(r.to, source) && r.verdict === 'ok');
        return way === undefined ? [] : [{ source, hop: way.via ?? source, way }];
      });
      const dead = ways
        .map((one) => ({ ...one, neighbour: entryOf(facts.neighbours, one.hop, one.way) }))
        .find(({ neighbour }) => neighbour !== undefined && deadStates.includes(neighbour.state));
      if (dead?.neighbour === undefined) {
        if (ways.length === 0)
          return facts.routeGet === undefined
            ? undecided('routeGet', node, say.waysBackUnknown)
            : ruledOut(because(say.waysBackUnknown, capture.at));
        const hops = [...new Set(ways.map(({ hop }) => hop))].slice(0, 3).join(', ');
        return ruledOut(because(say.waysBackAlive({ hops }), fileOf(facts.neighbours)));
      }
      const { source, hop, way, neighbour } = dead;
      const own = seen.unanswered.filter(({ client }) => sameAddress(client.address, source));
      const device = neighbour.device === undefined ? '' : ` on ${neighbour.device}`;
      const reasons = [
        because(say.dead({ hop, device, state: neighbour.state }), neighbour.at),
        because(say.isWayBack({ source }), way.at),
        because(say.noAnswerLeft({ syns: synsIn(own), connects: own.length, source }), capture.at),
      ];
      return weak === null
        ? confirmed(reasons, remedies(hop, neighbour.device))
        : likely(reasons, remedies(hop, neighbour.device));
    }

    /** What this node itself did or saw because a neighbour of its own did not answer. */
    function effectsHere(): Because[] {
      const found: Because[] = [];
      const slow = (facts.probes ?? []).filter((p) => p.outcome === 'noRoute' && p.tookMs >= arpFailsAfterMs);
      const first = slow[0];
      if (first !== undefined && reportedByAnother() === null) {
        found.push(because(say.hostUnreachable({ count: slow.length, tookMs: first.tookMs }), first.at));
      }
      const { capture } = facts;
      if (capture === undefined) return found;
      const own = capture.icmpErrors.filter(
        (e) => isUndeliverable(e) && sameAddress(e.about.destination, target.address) && isOwn(e.from),
      );
      const sender = own[0];
      if (sender !== undefined) {
        found.push(because(say.sentIcmp({ count: own.length, from: sender.from, target: target.address }), capture.at));
      }
      const tried = facts.probes?.length ?? 0;
      const failed = facts.probes?.every(isFailureOfArp) ?? false;
      if (tried > 0 && failed && weakness(capture, say) === null && sentSyns() === 0) {
        found.push(because(say.neverLeft({ probes: tried }), capture.at));
      }
      return found;
    }

    /** ICMP host-unreachable of another router, as late as an unanswered ARP makes it. */
    function reportedByAnother(): Because | null {
      const { capture } = facts;
      if (capture === undefined || facts.probes === undefined) return null;
      for (const error of capture.icmpErrors) {
        const concerns = isUndeliverable(error) && error.version === 4 && error.code === 1;
        if (!concerns || isOwn(error.from) || !sameAddress(error.about.destination, target.address)) continue;
        const connection = capture.connections.find(
          (c) => c.client.port === error.about.sourcePort && sameAddress(c.server.address, target.address),
        );
        const afterMs = error.atMs - (connection?.syns[0]?.atMs ?? error.atMs);
        if (afterMs >= arpFailsAfterMs) {
          const afterSec = (afterMs / 1000).toFixed(2);
          return because(say.foreignIcmp({ from: error.from, target: target.address, afterSec }), capture.at);
        }
      }
      return null;
    }

    /** SYNs that left; where the capture tells directions, only those that were seen going out. */
    function sentSyns(): number {
      if (facts.capture === undefined) return 0;
      const { all, syns } = handshakesOf(facts.capture, ({ server }) => sameAddress(server.address, target.address), 0);
      const sightings = all.flatMap((c) =>
        c.syns.flatMap((s) => s.sightings.filter(({ inTunnel }) => inTunnel !== true)),
      );
      const told = sightings.filter((s) => s.direction !== 'other');
      if (told.length > 0) return told.filter((s) => s.direction === 'out').length;
      // without directions a client only sees what it sends, a forwarder cannot tell
      return facts.probes === undefined ? 0 : syns;
    }

    function isOwn(address: string): boolean {
      // the kernel reports the failure of its own connect to itself, from its own address
      return facts.addresses?.some((a) => sameAddress(a.address, address)) ?? route?.source === address;
    }

    function remedies(address: string, device: string | undefined): Remedy[] {
      const plain = familyOf(address) === null ? null : address;
      const commands = plain === null ? [] : [`ip neigh show to ${plain}`];
      if (plain !== null && familyOf(plain) === 4 && device !== undefined && deviceName.test(device)) {
        commands.push(`arping -c 3 -I ${device} ${plain}`);
      }
      return [
        { kind: 'permanent', node, text: say.start({ hop: address }), commands, undo: [], risk: say.risk },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.riskKubernetes },
      ];
    }
  },
});

/** A firewall or a used-up port range also keep SYNs from leaving; those connects time out later, or fail with another error. */
function isFailureOfArp({ outcome, tookMs }: Probe): boolean {
  return outcome === 'noRoute' || (outcome === 'timedOut' && tookMs < arpGivesUpMs);
}

function entryOf(
  neighbours: readonly Neighbour[],
  hop: string,
  route: RouteVerdict | undefined,
): Neighbour | undefined {
  const entries = neighbours.filter((n) => sameAddress(n.address, hop));
  return (
    entries.find((n) => route?.device !== undefined && n.device === route.device) ??
    (route?.device === undefined ? entries[0] : entries.find((n) => n.device === undefined))
  );
}
