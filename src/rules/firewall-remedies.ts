import type { Remedy } from '../model/report.ts';
import type { Flow, ReachedRule } from './firewall-match.ts';
import { familyOf } from './ip-address.ts';

/** Names of tables and chains that are fit to stand in a command. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$/;
const programs = { iptables: 'iptables', 'iptables-legacy': 'iptables-legacy' } as const;

/** What the remedies of both firewall rules say. */
export interface FirewallRemedySentences {
  readonly letIn: (v: { source: string; port: number }) => string;
  readonly letThrough: (v: { address: string; port: number }) => string;
  readonly letInHandle: string;
  readonly firewalld: string;
  readonly whereFrom: string;
  readonly ownedByCni: string;
  readonly riskOpens: string;
  readonly riskRewritten: string;
}

/** The sentences, to be spread into a rule's text. */
export const firewallRemedyText = {
  en: {
    letIn: (v: { source: string; port: number }) => `Lets ${v.source} in to port ${v.port}, ahead of the rule`,
    letThrough: (v: { address: string; port: number }) =>
      `Lets connects to ${v.address}:${v.port} through, ahead of the rule`,
    letInHandle: 'To undo, read the handle of the new rule from the list and put it in place of HANDLE',
    firewalld: 'If firewalld manages the rules: open the port for good (else change the file that the rules come from)',
    whereFrom:
      'Change it where the rules come from (firewalld direct rules or policies, ufw, a hardening script, an egress NetworkPolicy)',
    ownedByCni: 'The chain belongs to the cluster: change the NetworkPolicy (or Calico HostEndpoint), not the rule',
    riskOpens: 'Opens access to the port',
    riskRewritten: 'A rule put in by hand is lost when the cluster rewrites its chains',
  },
  zh: {
    letIn: (v: { source: string; port: number }) => `在该规则之前放行 ${v.source} 访问端口 ${v.port}`,
    letThrough: (v: { address: string; port: number }) => `在该规则之前放行到 ${v.address}:${v.port} 的连接`,
    letInHandle: '撤销时先从列表里找到新规则的 handle，替换命令里的 HANDLE',
    firewalld: '如果规则由 firewalld 管理：永久放行该端口（否则修改规则来源的文件）',
    whereFrom: '修改规则的来源（firewalld direct 规则或 policy、ufw、安全加固脚本、egress NetworkPolicy）',
    ownedByCni: '该链由集群维护：应修改 NetworkPolicy（或 Calico HostEndpoint），不要手工改规则',
    riskOpens: '会放开对该端口的访问',
    riskRewritten: '集群重写链时，手工插入的规则会丢失',
  },
} as const;

/** A narrow accept ahead of the rule that stopped the flow, the firewalld form, and the cluster's own way. */
export function letInRemedies(node: string, found: ReachedRule, flow: Flow, say: FirewallRemedySentences): Remedy[] {
  const source = flow.source !== null && familyOf(flow.source) !== null ? flow.source : null;
  const ownedByCluster = /^(?:cali-|KUBE-|CILIUM|FLANNEL|WEAVE)/i.test(found.rule.chain);
  const remedies: Remedy[] = [];
  const insert = insertAccept(found, flow, source);
  if (insert !== null) {
    const text = passes(found)
      ? say.letThrough({ address: flow.destination, port: flow.port })
      : say.letIn({ source: source ?? '0.0.0.0/0', port: flow.port });
    remedies.push({
      kind: 'temporary',
      node,
      text: found.rule.tool === 'nft' ? `${text}. ${say.letInHandle}` : text,
      ...insert,
      risk: ownedByCluster ? `${say.riskOpens}. ${say.riskRewritten}` : say.riskOpens,
    });
  }
  if (ownedByCluster) {
    remedies.push({ kind: 'kubernetes', text: say.ownedByCni, commands: [], undo: [], risk: say.riskOpens });
  } else if (passes(found)) {
    remedies.push({ kind: 'permanent', node, text: say.whereFrom, commands: [], undo: [], risk: say.riskOpens });
  } else {
    remedies.push({
      kind: 'permanent',
      node,
      text: say.firewalld,
      commands: [`firewall-cmd --permanent --add-port=${flow.port}/${flow.protocol}`, 'firewall-cmd --reload'],
      undo: [`firewall-cmd --permanent --remove-port=${flow.port}/${flow.protocol}`, 'firewall-cmd --reload'],
      risk: say.riskOpens,
    });
  }
  return remedies;
}

/** It is not about packets to the node itself: those that pass it, or its own. */
const passes = ({ base }: ReachedRule): boolean => ['forward', 'output', 'postrouting'].includes(base.hook);

function insertAccept(
  found: ReachedRule,
  flow: Flow,
  source: string | null,
): { readonly commands: string[]; readonly undo: string[] } | null {
  const { rule, base } = found;
  if (!plainName.test(rule.table) || !plainName.test(base.chain)) return null;
  const v6 = familyOf(flow.destination) === 6;
  if (rule.tool === 'nft') {
    const family = rule.family === 4 ? 'ip' : rule.family === 6 ? 'ip6' : rule.family === 'inet' ? 'inet' : null;
    if (family === null) return null;
    const where = `${family} ${rule.table} ${base.chain}`;
    const from = source === null ? '' : `${v6 ? 'ip6' : 'ip'} saddr ${source} `;
    const to = passes(found) ? `${v6 ? 'ip6' : 'ip'} daddr ${flow.destination} ` : '';
    return {
      commands: [`nft insert rule ${where} ${from}${to}${flow.protocol} dport ${flow.port} accept`],
      undo: [`nft -a list chain ${where}`, `nft delete rule ${where} handle HANDLE`],
    };
  }
  const program = v6 ? programs[rule.tool].replace('iptables', 'ip6tables') : programs[rule.tool];
  const from = source === null ? '' : ` -s ${source}`;
  const to = passes(found) ? ` -d ${flow.destination}` : '';
  const match = `${base.chain}${from}${to} -p ${flow.protocol} --dport ${flow.port} -j ACCEPT`;
  return {
    commands: [`${program} -t ${rule.table} -I ${match}`],
    undo: [`${program} -t ${rule.table} -D ${match}`],
  };
}
