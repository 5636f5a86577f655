import * as z from 'zod';
import type { FirewallRule } from '../model/facts.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { groupBy } from './group-by.ts';
import { likely, notApplicable, ruledOut } from './outcomes.ts';

/** Chains of Kubernetes and of the CNIs: what one component writes, another expects in the same place. */
const managed = /^(?:KUBE-|cali-|FLANNEL-|CNI-|CILIUM_|WEAVE)/;

/** F76: half of the rules are in iptables-legacy and half in nf_tables; the kernel asks both. */
export const iptablesSplitBrain = defineNodeRule({
  id: 'iptables-split-brain',
  fault: 'F76',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'forwarder'],
  needs: ['firewall'],
  optional: [],
  params: z.strictObject({}),
  sources: ['iptables(8), xtables-nft(8)', 'kubernetes/node-problem-detector#844', 'fault catalogue F76'],
  text: {
    en: {
      title: 'Rules of Kubernetes stand in iptables-legacy and in nf_tables at once',
      one: (v: { tool: string; rules: number }) =>
        `Rules of Kubernetes and its network stand in one place only (${v.tool}, ${v.rules} rules)`,
      twice: (v: { rules: number }) =>
        `Both programs show the same ${v.rules} rules with the same packets counted: iptables is iptables-legacy here`,
      none: 'no rules of Kubernetes or its network are here',
      both: (v: { legacy: number; nft: number }) =>
        `${v.legacy} rules of Kubernetes or its network are in iptables-legacy, ${v.nft} in nf_tables`,
      quiet: (v: { tool: string }) =>
        `Those of ${v.tool} matched no packet in the window: probably left over, and harmless`,
      acting: (v: { legacy: number; nft: number }) =>
        `Both matched packets in the window (legacy +${v.legacy}, nf_tables +${v.nft}): a packet has to pass both`,
      permanent:
        'Let all components use the same iptables (update-alternatives, IPTABLES_BACKEND of the images), and reboot the node: that is the safe way to lose the rules of the other one',
      risk: 'Medium: a reboot; deleting chains by hand cuts Services off',
    },
    zh: {
      title: 'Kubernetes 的规则同时存在于 iptables-legacy 和 nf_tables 中',
      one: (v) => `Kubernetes 及其网络的规则只在一处（${v.tool}，${v.rules} 条）`,
      twice: (v) => `两个程序显示的是同样的 ${v.rules} 条规则，计数也相同：这里的 iptables 就是 iptables-legacy`,
      none: '这里没有 Kubernetes 及其网络的规则',
      both: (v) => `iptables-legacy 中有 ${v.legacy} 条 Kubernetes 及其网络的规则，nf_tables 中有 ${v.nft} 条`,
      quiet: (v) => `${v.tool} 中的规则在窗口内没有匹配任何报文：多半是残留，无害`,
      acting: (v) => `窗口内两边都匹配了报文（legacy +${v.legacy}，nf_tables +${v.nft}）：报文要同时通过两边`,
      permanent:
        '让所有组件使用同一种 iptables（update-alternatives、镜像的 IPTABLES_BACKEND），然后重启节点：这是清除另一边规则的安全做法',
      risk: '中：需要重启；手工删除链会中断 Service',
    },
  },
  evaluate({ facts, node, say }) {
    const own = facts.firewall.rules.filter(({ chain, isPolicy }) => !isPolicy && managed.test(chain));
    const [first] = own;
    if (first === undefined)
      return notApplicable(because(say.none, facts.firewall.rules[0]?.at ?? { evidence: 'run.json' }));
    // iptables-save of the nf_tables kind and nft list the same rules; the first is enough
    const legacy = own.filter(({ tool }) => tool === 'iptables-legacy');
    const nft = own.filter(({ tool }) => tool === 'iptables');
    const [one] = legacy;
    const [other] = nft;
    if (one === undefined || other === undefined)
      return ruledOut(because(say.one({ tool: first.tool, rules: own.length }), first.at));
    if (isReadTwice(legacy, nft)) return ruledOut(because(say.twice({ rules: legacy.length }), one.at));
    const both = because(say.both({ legacy: legacy.length, nft: nft.length }), one.at);
    const moved = { legacy: risenIn(legacy), nft: risenIn(nft) };
    if (moved.legacy === 0 || moved.nft === 0)
      return ruledOut(
        both,
        because(
          say.quiet({ tool: moved.legacy === 0 ? 'iptables-legacy' : 'nf_tables' }),
          (moved.legacy === 0 ? one : other).at,
        ),
      );
    return likely(
      [both, because(say.acting(moved), other.at)],
      [{ kind: 'permanent', node, text: say.permanent, commands: ['iptables -V'], undo: [], risk: say.risk }],
    );
  },
});

/** iptables-save may be the legacy program itself; its rules are then read by both names, moments apart. */
function isReadTwice(legacy: readonly FirewallRule[], nft: readonly FirewallRule[]): boolean {
  if (legacy.length !== nft.length) return false;
  const keyOf = ({ family, table, chain, text }: FirewallRule): string => [family, table, chain, text].join(' ');
  const others = new Map([...groupBy(nft, keyOf)].map(([key, rules]) => [key, [...rules]]));
  return legacy.every((rule) => {
    const other = others.get(keyOf(rule))?.shift();
    return (
      other !== undefined &&
      isAlike(rule.packets?.before, other.packets?.before) &&
      isAlike(rule.packets?.after, other.packets?.after)
    );
  });
}

/** Packets counted by one rule, read twice. */
function isAlike(one: number | null | undefined, other: number | null | undefined): boolean {
  if (typeof one !== 'number' || typeof other !== 'number') return one === other;
  return Math.abs(one - other) <= Math.max(2, 0.05 * Math.max(one, other));
}

function risenIn(rules: readonly FirewallRule[]): number {
  return rules.reduce((sum, { packets }) => sum + (packets?.delta ?? 0), 0);
}
