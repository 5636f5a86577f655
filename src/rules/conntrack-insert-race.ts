import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { wasSentOn } from './handshakes.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

const maxKey = 'net.netfilter.nf_conntrack_max';
/** A chain name that is fit to stand in a command. */
const isSourceNat = /-j (?:MASQUERADE|SNAT)\b|\b(?:masquerade|snat)\b/;
const isRandom = /--random-fully|\bfully-random\b/;

/** F14: two connections translated at once get the same source port, and the second one loses its SYN. */
export const conntrackInsertRace = defineNodeRule({
  id: 'conntrack-insert-race',
  fault: 'F14',
  scope: 'node',
  roles: ['forwarder', 'target', 'client'],
  needs: ['sysctl'],
  optional: ['conntrackStats', 'firewall', 'capture'],
  params: z.strictObject({
    /** insert_failed moves for DNS queries too: fewer lost SYNs than these may be a coincidence. */
    minLost: z.number().int().min(1).max(1000).default(3),
  }),
  sources: [
    'net/netfilter/nf_conntrack_core.c __nf_conntrack_confirm; commit bc92470413f3 (before it, resolved clashes count too)',
    'net/netfilter/nf_nat_core.c nf_nat_l4proto_unique_tuple (NF_NAT_RANGE_PROTO_RANDOM_FULLY)',
    'kubernetes/kubernetes#76699, #78547; awslabs/amazon-eks-ami#505; kubernetes/dns#387 (flat counter: another cause)',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'Connections translated at the same moment collide, and one loses its SYN (conntrack insert_failed)',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      noTracking: 'There is no connection tracking here (nf_conntrack is not loaded)',
      noCounter: 'the counter insert_failed of connection tracking is not in both readings',
      flat: 'connection tracking insert_failed +0 in the window: no new entry collided',
      failed: (v: { count: number }) =>
        `connection tracking insert_failed +${v.count} in the window: new connections collided with another on the same addresses and ports`,
      plain: (v: { rule: string }) =>
        `"${v.rule}" chooses source ports in order (no --random-fully), so connections made at once choose the same`,
      noPlain: (v: { rules: number }) =>
        `every rule that translates sources (${v.rules}) chooses ports at random: a collision of ports is unlikely`,
      noNat: 'no rule here translates source addresses',
      firewallUnread: 'the NAT rules were not read',
      fewPorts: (v: { ports: number }) =>
        `That rule has ${v.ports} ports to choose from: they may as well have been used up (snat-port-exhaustion)`,
      fewer: (v: { count: number; syns: number }) =>
        `${v.count} collisions are fewer than the ${v.syns} lost SYNs: the rest has another reason`,
      rare: (v: { syns: number; minLost: number }) =>
        `${v.syns} lost SYNs are fewer than ${v.minLost}: DNS queries move this counter too`,
      allLost: (v: { connects: number }) =>
        `${v.connects} connects got no answer to any of their SYNs: a collision loses one, and the next gets through`,
      passedOn: (v: { connects: number }) =>
        `${v.connects} of the lost connects were seen leaving this node: their SYNs were not lost here`,
      notSeen: (v: { why: string }) => `Whether connects of this question were hit is not known: ${v.why}`,
      temporaryInPlace:
        'The same rule right before itself, with ports chosen at random: the old one is then not reached (kube-proxy takes it out of its own chains at its next full sync)',
      temporary: 'The same rule with ports chosen at random: put in the rule from above in place of RULE',
      kubernetes:
        'kube-proxy (from 1.16) adds --random-fully itself where iptables is 1.6.2 or newer: look for "Not using --random-fully" in its log and update iptables in its image. ip-masq-agent and CNIs have a setting of their own (AWS VPC CNI: AWS_VPC_K8S_CNI_RANDOMIZESNAT=prng). Or let the load balancer speak to pods directly',
      risk: 'Kernels with a faulty checksum of VXLAN may show that fault now; otherwise low',
    },
    zh: {
      ...lostSynText.zh,
      title: '同时做地址转换的连接发生冲突，其中一个丢失 SYN（conntrack insert_failed）',
      notRead: (v) => `没有读到 ${v.key}`,
      noTracking: '这里没有启用连接跟踪（未加载 nf_conntrack）',
      noCounter: '两次读数里没有都出现连接跟踪的 insert_failed 计数器',
      flat: '窗口内连接跟踪 insert_failed +0：没有新条目发生冲突',
      failed: (v) => `窗口内连接跟踪 insert_failed +${v.count}：新连接与别的连接撞上了同样的地址和端口`,
      plain: (v) => `“${v.rule}”按顺序选源端口（没有 --random-fully），同时发起的连接会选到同一个`,
      noPlain: (v) => `${v.rules} 条源地址转换规则都随机选端口：端口冲突不太可能`,
      noNat: '这里没有源地址转换规则',
      firewallUnread: '没有读到 NAT 规则',
      fewPorts: (v) => `该规则只有 ${v.ports} 个端口可选：也可能是端口用尽（snat-port-exhaustion）`,
      fewer: (v) => `冲突 ${v.count} 次，少于丢失的 ${v.syns} 个 SYN：其余另有原因`,
      rare: (v) => `丢失 ${v.syns} 个 SYN，少于 ${v.minLost} 个：DNS 查询也会让这个计数器增长`,
      allLost: (v) => `${v.connects} 次连接的所有 SYN 都没有应答：冲突只会丢一个，下一个就能通过`,
      passedOn: (v) => `丢失的连接中有 ${v.connects} 次已看到从本节点发出：SYN 不是在这里丢的`,
      notSeen: (v) => `不知道是否影响到这次的连接：${v.why}`,
      temporaryInPlace:
        '同一条规则放在原规则之前，并随机选择端口：原规则就不会再被用到（归 kube-proxy 管的规则会被它改回）',
      temporary: '同一条规则改为随机选端口：用上面那条规则替换 RULE',
      kubernetes:
        'kube-proxy（1.16 起）在 iptables 不低于 1.6.2 时会自动加 --random-fully：查它的日志有没有 “Not using --random-fully”，并升级镜像里的 iptables。ip-masq-agent 和各 CNI 有自己的设置（AWS VPC CNI：AWS_VPC_K8S_CNI_RANDOMIZESNAT=prng）。或让负载均衡直连 Pod',
      risk: '在 VXLAN 校验和有缺陷的内核上可能暴露那个问题；除此之外风险低',
    },
  },
  evaluate({ node, facts, target, plan, clockOffsetMs, params, say }) {
    const max = facts.sysctl[maxKey];
    const stats = facts.conntrackStats;
    if (max === undefined && stats === undefined) return undecided('sysctl', node, say.notRead({ key: maxKey }));
    if (max?.value === null && stats === undefined) return notApplicable(because(say.noTracking, max.at));
    const rise = stats?.['conntrack.insert_failed'];
    if (rise === undefined || rise.delta === null) return undecided('conntrackStats', node, say.noCounter);
    const count = rise.delta;
    if (count <= 0) return ruledOut(because(say.flat, rise.at));
    const failed = because(say.failed({ count }), rise.at);

    // a capture begins before the counters are read and ends after: what is lost then is in none of them
    const between = rise.between && {
      fromMs: rise.between.fromMs + clockOffsetMs,
      toMs: rise.between.toMs + clockOffsetMs,
    };
    const asked = { node, capture: facts.capture, target, plan, say };
    const meanwhile = lostSynsAt({ ...asked, ...(between && { between }) });
    const lost = meanwhile.kind === 'none' ? lostSynsAt(asked) : meanwhile;
    if (lost.kind === 'none') return ruledOut(failed, lost.because);
    const natRules =
      facts.firewall?.rules.filter(({ table, text }) => table.includes('nat') && isSourceNat.test(text)) ?? [];
    const plainRule = natRules.find(({ text }) => !isRandom.test(text));
    const [firstNat] = natRules;
    if (facts.firewall !== undefined && plainRule === undefined)
      return ruledOut(
        failed,
        firstNat === undefined
          ? because(say.noNat, rise.at)
          : because(say.noPlain({ rules: natRules.length }), firstNat.at),
      );
    const mechanism: Because =
      plainRule === undefined
        ? because(say.firewallUnread, rise.at)
        : because(say.plain({ rule: plainRule.text }), plainRule.at);
    if (lost.kind === 'unseen') return undecided('capture', node, say.notSeen({ why: lost.why }));

    const sentOn = lost.connections.filter(wasSentOn);
    // a SYN that was sent again leaves at the second try: then the node saw one more come in than go out
    const notSent = lost.connections.filter((c) => !sentOn.includes(c) || isShort(c.syns));
    const late = lost.connections.filter((c) => c.synAcks.length > 0);
    if (late.length === 0)
      return ruledOut(failed, because(say.allLost({ connects: lost.connections.length }), lost.at));
    if (notSent.length === 0) return ruledOut(failed, because(say.passedOn({ connects: sentOn.length }), lost.at));
    if (count < lost.syns)
      return likely(
        [failed, mechanism, lost.because, because(say.fewer({ count, syns: lost.syns }), rise.at)],
        remedies(),
      );
    if (lost.syns < params.minLost)
      return likely(
        [failed, mechanism, lost.because, because(say.rare({ syns: lost.syns, minLost: params.minLost }), lost.at)],
        remedies(),
      );
    const ports = plainRule === undefined ? null : poolOf(plainRule.text);
    if (ports !== null && ports < leastPool)
      return likely([failed, mechanism, lost.because, because(say.fewPorts({ ports }), rise.at)], remedies());
    return plainRule === undefined || meanwhile.kind === 'none'
      ? likely([failed, mechanism, lost.because], remedies())
      : confirmed([failed, mechanism, lost.because], remedies());

    /** The rule once more, right before itself, with ports chosen at random: the old one is then never reached. */
    function randomPorts(): Pick<Remedy, 'text' | 'commands' | 'undo'> {
      const fit = plainRule?.tool.startsWith('iptables') === true ? plainSpec.exec(plainRule.text) : null;
      const [, chain, spec] = fit ?? [];
      if (plainRule === undefined || chain === undefined || spec === undefined)
        return {
          text: say.temporary,
          commands: ['iptables-save -t nat', 'iptables -t nat -R CHAIN NUMBER RULE --random-fully'],
          undo: ['iptables -t nat -R CHAIN NUMBER RULE'],
        };
      const { tool, family, table } = plainRule;
      const program = family === 6 ? tool.replace('iptables', 'ip6tables') : tool;
      const inChain = (facts.firewall?.rules ?? []).filter(
        (rule) => rule.tool === tool && rule.family === family && rule.table === table && rule.chain === chain,
      );
      const number = inChain.filter(({ isPolicy }) => !isPolicy).indexOf(plainRule) + 1;
      return {
        text: say.temporaryInPlace,
        commands: [`${program} -t nat -I ${chain} ${number} ${spec} --random-fully`],
        undo: [`${program} -t nat -D ${chain} ${spec} --random-fully`],
      };
    }

    function remedies(): Remedy[] {
      return [
        {
          kind: 'temporary',
          node,
          ...randomPorts(),
          risk: say.risk,
        },
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});

/** With fewer ports to choose from, a clash says that they are used up as much as that two chose at once. */
const leastPool = 256;

/** Ports that a rule may give; null where it does not say. */
function poolOf(text: string): number | null {
  const [, from, to = from] = /--to-(?:ports |source [0-9.-]+:)(\d{1,5})(?:-(\d{1,5}))?/.exec(text) ?? [];
  return from === undefined ? null : Number(to) - Number(from) + 1;
}

/** A rule of iptables-save that is fit to stand in a command: plain words, and comments in quotes. */
const plainSpec =
  /^-A ([A-Za-z0-9_.:-]{1,64}) ((?:[A-Za-z0-9_.:/!,=+-]+|"[A-Za-z0-9 _.:/,()=+-]*")(?: (?:[A-Za-z0-9_.:/!,=+-]+|"[A-Za-z0-9 _.:/,()=+-]*"))*)$/;

/** Whether a SYN came in and none of its sightings says that it left, where others did leave. */
function isShort(syns: readonly { readonly sightings: readonly { readonly direction: string }[] }[]): boolean {
  return syns.some(
    ({ sightings }) => sightings.some((s) => s.direction === 'in') && sightings.every((s) => s.direction !== 'out'),
  );
}
