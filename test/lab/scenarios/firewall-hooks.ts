import type { LabStep } from '../network.ts';
import { type Felt, onRouter, type Scenario, target } from '../scenario.ts';
import { plain } from '../topologies.ts';

/** One firewall rule on one node, in one hook, and what a connect meets because of it. */
interface Fault {
  readonly id: string;
  readonly fault: string;
  readonly about: string;
  readonly on: 'node-12' | 'r1' | 'node-50';
  /** The rule with iptables: `-A CHAIN …` without the `-A` (deleted again with `-D`). */
  readonly iptables?: string;
  readonly table?: 'raw' | 'mangle' | 'nat' | 'filter';
  /** In the tables of the old kernel interface. */
  readonly legacy?: true;
  /** The rule with nft: the hook and its priority, then the rule. */
  readonly nft?: { readonly hook: string; readonly rule: string };
  readonly felt: Felt;
  readonly rule: string;
  readonly words?: string;
}

function faultSteps({ on, iptables, table = 'filter', legacy, nft }: Fault): {
  readonly break: readonly LabStep[];
  readonly mend: readonly LabStep[];
} {
  if (nft) {
    return {
      break: [
        { on, run: ['nft', 'add table inet edge'] },
        { on, run: ['nft', `add chain inet edge guard { type filter hook ${nft.hook}; policy accept; }`] },
        { on, run: ['nft', `add rule inet edge guard ${nft.rule}`] },
      ],
      mend: [{ on, run: ['nft', 'delete table inet edge'] }],
    };
  }
  const tool = [legacy ? 'iptables-legacy' : 'iptables', '-t', table];
  const rule = (iptables ?? '').split(' ');
  return {
    break: [{ on, run: [...tool, '-A', ...rule] }],
    mend: [{ on, run: [...tool, '-D', ...rule] }],
  };
}

const faults: readonly Fault[] = [
  {
    id: 'firewall-drop-raw',
    fault: 'F08',
    about: 'iptables on node-50 drops the port in raw PREROUTING, before anything else sees the packet.',
    on: 'node-50',
    table: 'raw',
    iptables: 'PREROUTING -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
    words: 'timeout',
  },
  {
    id: 'firewall-drop-mangle-prerouting',
    fault: 'F08',
    about: 'iptables on node-50 drops the port in mangle PREROUTING.',
    on: 'node-50',
    table: 'mangle',
    iptables: 'PREROUTING -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
    words: 'times out',
  },
  {
    id: 'firewall-drop-mangle-input',
    fault: 'F08',
    about: 'iptables on node-50 drops the port in mangle INPUT.',
    on: 'node-50',
    table: 'mangle',
    iptables: 'INPUT -s 10.0.12.0/24 -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
  },
  {
    id: 'firewall-drop-legacy',
    fault: 'F08',
    about: 'The rule stands in the tables of iptables-legacy, which nft and iptables-nft do not show.',
    on: 'node-50',
    legacy: true,
    iptables: 'INPUT -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
  },
  {
    id: 'firewall-drop-legacy-raw',
    fault: 'F08',
    about: 'raw PREROUTING of iptables-legacy.',
    on: 'node-50',
    legacy: true,
    table: 'raw',
    iptables: 'PREROUTING -p tcp -m tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
  },
  {
    id: 'firewall-drop-nft-prerouting',
    fault: 'F08',
    about: 'nftables on node-50 drops in the prerouting hook at raw priority.',
    on: 'node-50',
    nft: { hook: 'prerouting priority raw', rule: 'ip saddr 10.0.12.0/24 tcp dport { 1300-1310 } counter drop' },
    felt: 'timedOut',
    rule: 'fw-input-drop',
  },
  {
    id: 'firewall-drop-nft-output-of-target',
    fault: 'F11',
    about: 'nftables on node-50 drops its own answers: SYNs arrive, SYN+ACKs do not leave.',
    on: 'node-50',
    nft: { hook: 'output priority filter', rule: 'tcp sport 1301 counter drop' },
    felt: 'timedOut',
    rule: 'fw-output-drop',
  },
  {
    id: 'firewall-drop-nft-output',
    fault: 'F11',
    about: 'nftables on node-12 drops its own connects to the port.',
    on: 'node-12',
    nft: { hook: 'output priority filter', rule: `ip daddr ${target} tcp dport 1301 counter drop` },
    felt: 'timedOut',
    rule: 'fw-output-drop',
  },
  {
    id: 'firewall-drop-legacy-output',
    fault: 'F11',
    about: 'OUTPUT of iptables-legacy on node-12.',
    on: 'node-12',
    legacy: true,
    iptables: 'OUTPUT -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-output-drop',
  },
  {
    id: 'firewall-drop-mangle-postrouting',
    fault: 'F11',
    about: 'mangle POSTROUTING on node-12 drops its own connects to the port.',
    on: 'node-12',
    table: 'mangle',
    iptables: 'POSTROUTING -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-output-drop',
  },
  {
    id: 'firewall-drop-forward',
    fault: 'F10',
    about: 'A rule in FORWARD of the router drops the port.',
    on: 'r1',
    iptables: 'FORWARD -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'forward-policy-drop',
  },
  {
    id: 'firewall-drop-mangle-forward',
    fault: 'F10',
    about: 'A rule in mangle FORWARD of the router drops the port.',
    on: 'r1',
    table: 'mangle',
    iptables: 'FORWARD -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'forward-policy-drop',
  },
  {
    id: 'firewall-drop-legacy-forward',
    fault: 'F10',
    about: 'FORWARD of iptables-legacy on the router.',
    on: 'r1',
    legacy: true,
    iptables: 'FORWARD -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'forward-policy-drop',
  },
  {
    id: 'firewall-drop-nft-forward',
    fault: 'F10',
    about: 'nftables on the router drops the port in its forward hook.',
    on: 'r1',
    nft: { hook: 'forward priority filter', rule: `ip daddr ${target} tcp dport 1301 counter drop` },
    felt: 'timedOut',
    rule: 'forward-policy-drop',
  },
  {
    id: 'firewall-drop-forward-answers',
    fault: 'F10',
    about: 'The router lets SYNs through and drops the answers: an accept for one direction only.',
    on: 'r1',
    iptables: 'FORWARD -p tcp --sport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'forward-policy-drop',
  },
  {
    id: 'firewall-drop-output-of-target',
    fault: 'F11',
    about: 'OUTPUT of node-50 drops its answers.',
    on: 'node-50',
    iptables: 'OUTPUT -p tcp --sport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-output-drop',
  },
  {
    id: 'firewall-drop-raw-of-router',
    fault: 'F08',
    about: 'raw PREROUTING of the router drops the port.',
    on: 'r1',
    table: 'raw',
    iptables: 'PREROUTING -p tcp --dport 1301 -j DROP',
    felt: 'timedOut',
    rule: 'fw-input-drop',
  },
  {
    id: 'firewall-reject-default',
    fault: 'F09',
    about: 'REJECT as iptables does it unless told otherwise: icmp-port-unreachable, which a client sees as "refused".',
    on: 'node-50',
    iptables: 'INPUT -p tcp --dport 1301 -j REJECT',
    felt: 'refused',
    rule: 'fw-reject',
    words: 'connection refused',
  },
  {
    id: 'firewall-reject-admin-prohibited',
    fault: 'F09',
    about: 'REJECT with icmp-admin-prohibited: "No route to host".',
    on: 'node-50',
    iptables: 'INPUT -p tcp --dport 1301 -j REJECT --reject-with icmp-admin-prohibited',
    felt: 'noRoute',
    rule: 'fw-reject',
    words: 'no route to host',
  },
  {
    id: 'firewall-reject-reset',
    fault: 'F09',
    about: 'REJECT with tcp-reset: looks like a closed port, while the server listens.',
    on: 'node-50',
    iptables: 'INPUT -p tcp --dport 1301 -j REJECT --reject-with tcp-reset',
    felt: 'refused',
    rule: 'fw-reject',
    words: 'connection refused',
  },
  {
    id: 'firewall-reject-nft',
    fault: 'F09',
    about: 'nftables rejects with icmpx admin-prohibited, as firewalld does today.',
    on: 'node-50',
    nft: { hook: 'input priority filter', rule: 'tcp dport 1301 counter reject with icmpx type admin-prohibited' },
    felt: 'noRoute',
    rule: 'fw-reject',
  },
  {
    id: 'firewall-reject-forward',
    fault: 'F09',
    about: 'The router rejects in FORWARD with icmp-host-prohibited, as the old CentOS rules do.',
    on: 'r1',
    iptables: 'FORWARD -p tcp --dport 1301 -j REJECT --reject-with icmp-host-prohibited',
    felt: 'noRoute',
    rule: 'fw-reject',
  },
  {
    id: 'firewall-reject-forward-port',
    fault: 'F09',
    about: 'The router rejects in FORWARD with icmp-port-unreachable: "refused", and not by the target.',
    on: 'r1',
    iptables: 'FORWARD -p tcp --dport 1301 -j REJECT --reject-with icmp-port-unreachable',
    felt: 'refused',
    rule: 'fw-reject',
    words: 'refused',
  },
  {
    id: 'firewall-reject-forward-reset',
    fault: 'F09',
    about: 'The router answers SYNs with a RST in the name of the target.',
    on: 'r1',
    iptables: 'FORWARD -p tcp --dport 1301 -j REJECT --reject-with tcp-reset',
    felt: 'refused',
    rule: 'fw-reject',
    words: 'refused',
  },
  {
    id: 'firewall-reject-output',
    fault: 'F09',
    about: 'OUTPUT of node-12 rejects its own connects.',
    on: 'node-12',
    iptables: 'OUTPUT -p tcp --dport 1301 -j REJECT',
    felt: 'refused',
    rule: 'fw-reject',
  },
  {
    id: 'firewall-reject-output-prohibited',
    fault: 'F09',
    about: 'OUTPUT of node-12 rejects its own connects with icmp-admin-prohibited.',
    on: 'node-12',
    iptables: 'OUTPUT -p tcp --dport 1301 -j REJECT --reject-with icmp-admin-prohibited',
    felt: 'noRoute',
    rule: 'fw-reject',
  },
  {
    id: 'firewall-reject-output-reset',
    fault: 'F09',
    about: 'OUTPUT of node-12 answers its own connects with a RST.',
    on: 'node-12',
    iptables: 'OUTPUT -p tcp --dport 1301 -j REJECT --reject-with tcp-reset',
    felt: 'refused',
    rule: 'fw-reject',
  },
];

/** F08–F11: a drop or a reject in every hook, with nftables, iptables over nftables, and the old tables. */
export const firewallHookScenarios: readonly Scenario[] = [
  ...faults.map(
    (fault): Scenario => ({
      id: fault.id,
      fault: fault.fault,
      about: fault.about,
      definition: plain,
      ...faultSteps(fault),
      ask: `node-50 port 1301 from node-12${fault.on === 'r1' ? ' via r1' : ''}${fault.words ? ` ${fault.words}` : ''}`,
      felt: { from: 'node-12', to: target, port: 1301, as: fault.felt },
      expect: { verdict: 'found', confirmed: [{ rule: fault.rule, node: fault.on }] },
    }),
  ),
  {
    id: 'firewall-reject-unmentioned',
    fault: 'F12',
    about: 'The router rejects with icmp-port-unreachable, and nobody mentions the router.',
    definition: plain,
    break: [onRouter(...'iptables -A FORWARD -p tcp --dport 1301 -j REJECT'.split(' '))],
    ask: 'node-50 port 1301 from node-12 connection refused',
    felt: { from: 'node-12', to: target, port: 1301, as: 'refused' },
    expect: { verdict: 'found', confirmed: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } }] },
    mend: [onRouter('iptables', '-F', 'FORWARD')],
  },
  {
    id: 'firewall-reset-unmentioned',
    fault: 'F12',
    about: 'The router answers SYNs with a RST in the name of node-50, and nobody mentions the router.',
    definition: plain,
    break: [onRouter(...'iptables -A FORWARD -p tcp --dport 1301 -j REJECT --reject-with tcp-reset'.split(' '))],
    ask: 'node-50 port 1301 from node-12 connection refused',
    felt: { from: 'node-12', to: target, port: 1301, as: 'refused' },
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } }],
    },
    mend: [onRouter('iptables', '-F', 'FORWARD')],
  },
];
