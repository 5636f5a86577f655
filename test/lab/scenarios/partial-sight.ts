import type { LabDefinition, LabNode, LabStep } from '../network.ts';
import { fillQueue, on50, onRouter, type Scenario, sysctl, target } from '../scenario.ts';
import { http, plain, reportZero, shortQueue } from '../topologies.ts';

/** Every login of a topology, changed. */
const logins = (name: string, definition: LabDefinition, change: (node: LabNode) => LabNode): LabDefinition => ({
  name,
  nodes: definition.nodes.map((node) => (node.management === undefined ? node : change(node))),
});
/** The account may log in and nothing else: sudo refuses everything. */
const refused = (node: LabNode): LabNode => ({ ...node, login: { user: 'netcheck', sudoers: '' } });
const withoutSudo = logins('without-sudo', plain, refused);
const withoutTcpdump = logins('without-captures', plain, (node) => ({
  ...node,
  setup: [...(node.setup ?? []), ['sh', '-c', 'mount --bind /dev/null "$(readlink -f "$(command -v tcpdump)")"']],
}));

const dark = (on: string): LabStep => ({ on, run: ['ip', 'link', 'set', 'mgmt0', 'down'] });
const lit = (on: string): LabStep => ({ on, run: ['ip', 'link', 'set', 'mgmt0', 'up'] });
const feltAs = (as: 'timedOut' | 'refused' | 'noRoute' | 'connected', port = 1301) =>
  ({ from: 'node-12', to: target, port, as }) as const;

const dropped = [on50(...'iptables -A INPUT -p tcp --dport 1301 -j DROP'.split(' '))];
const letIn = [on50('iptables', '-F', 'INPUT')];
const otherWay = [
  on50('ip', 'link', 'add', 'way0', 'type', 'veth', 'peer', 'name', 'way1'),
  on50('ip', 'link', 'set', 'way0', 'up'),
  on50('ip', 'link', 'set', 'way1', 'up'),
  on50('ip', 'route', 'add', '10.0.12.0/24', 'dev', 'way0'),
  sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
];
const oneWay = [on50('ip', 'link', 'del', 'way0'), sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0')];
/** Its users keep trying, whether or not netcheck can log in to them. */
const users = (on: string) =>
  ({
    on,
    run: [
      'sh',
      '-c',
      `while :; do timeout 2.5 bash -c 'exec 3<>/dev/tcp/${target}/1301' >/dev/null 2>&1 & sleep 0.3; done`,
    ],
  }) as const;

/** The same faults with less to see: the verdict gets weaker, never wrong. */
export const partialSightScenarios: readonly Scenario[] = [
  {
    id: 'target-dark-firewall-drop',
    fault: 'F08, target out of sight',
    about: 'node-50 drops the port, and netcheck cannot log in to it.',
    definition: plain,
    inTests: true,
    break: [...dropped, dark('node-50')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'inconclusive',
      confirmed: [],
      mayBeLikely: [],
      unreachable: ['node-50'],
      unseen: [/8 of 8 connects failed \(8 without an answer\)/],
    },
    mend: [...letIn, lit('node-50')],
  },
  {
    id: 'target-dark-port-closed',
    fault: 'F25, target out of sight',
    about: 'Nobody listens on node-50, and netcheck cannot log in to it: the RST on the wire is all there is.',
    definition: plain,
    break: [{ on: 'node-50', stop: 'http' }, dark('node-50')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('refused'),
    expect: {
      verdict: 'inconclusive',
      confirmed: [],
      mayBeLikely: [],
      unreachable: ['node-50'],
      unseen: [/8 of 8 connects failed \(8 refused\)/],
    },
    mend: [{ on: 'node-50', start: http }, lit('node-50')],
  },
  {
    id: 'target-dark-healthy',
    fault: 'none, target out of sight',
    about: 'All is well, but netcheck cannot log in to node-50: that is not "clear".',
    definition: plain,
    break: [dark('node-50')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('connected'),
    expect: { verdict: 'inconclusive', confirmed: [], unreachable: ['node-50'], mayBeLikely: [] },
    mend: [lit('node-50')],
  },
  {
    id: 'forwarder-dark-forwarding-off',
    fault: 'F07, forwarder out of sight',
    about:
      'The router does not forward, and netcheck cannot log in to it: captures of both ends prove that packets die between.',
    definition: plain,
    inTests: true,
    break: [sysctl('r1', 'net.ipv4.ip_forward=0'), dark('r1')],
    ask: 'node-50 port 1301 from node-12 via r1',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } }],
      unreachable: ['r1'],
    },
    mend: [sysctl('r1', 'net.ipv4.ip_forward=1'), lit('r1')],
  },
  {
    id: 'client-dark-firewall-drop',
    fault: 'F08, client out of sight',
    about: 'node-50 drops the port; netcheck cannot log in to node-12, whose users keep trying.',
    definition: plain,
    break: [...dropped, dark('node-12')],
    traffic: [users('node-12')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'fw-input-drop', node: 'node-50' }],
      unreachable: ['node-12'],
    },
    mend: [...letIn, lit('node-12')],
  },
  {
    id: 'client-dark-output-drop',
    fault: 'F11, client out of sight',
    about:
      'The firewall of node-12 drops its own connects, and netcheck cannot log in to it: nothing arrives at node-50.',
    definition: plain,
    break: [{ on: 'node-12', run: 'iptables -A OUTPUT -p tcp --dport 1301 -j DROP'.split(' ') }, dark('node-12')],
    traffic: [users('node-12')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: { verdict: 'inconclusive', confirmed: [], unreachable: ['node-12'], mayBeLikely: [] },
    mend: [{ on: 'node-12', run: ['iptables', '-F', 'OUTPUT'] }, lit('node-12')],
  },
  {
    id: 'no-sudo-firewall-drop',
    fault: 'F08, without sudo',
    about: 'node-50 drops the port; sudo refuses everything, so neither rules nor packets can be seen.',
    definition: withoutSudo,
    inTests: true,
    break: dropped,
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'inconclusive',
      confirmed: [],
      mayBeLikely: [],
      unknown: [{ rule: 'fw-input-drop', node: 'node-50', why: /sudo/ }],
    },
    mend: letIn,
    mended: 'inconclusive',
  },
  {
    id: 'no-sudo-port-closed',
    fault: 'F25, without sudo',
    about: 'Nobody listens on node-50; that can be read without any privilege, the RST cannot be seen.',
    definition: withoutSudo,
    break: [{ on: 'node-50', stop: 'http' }],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('refused'),
    // a firewall that resets would look the same from outside, and its rules cannot be read
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'port-closed', node: 'node-50' }], mayBeLikely: [] },
    mend: [{ on: 'node-50', start: http }],
    mended: 'inconclusive',
  },
  {
    id: 'no-sudo-accept-queue',
    fault: 'F02, without sudo',
    about: 'The server of port 1302 has stopped accepting; counters and queues can be read without any privilege.',
    definition: withoutSudo,
    break: [{ on: 'node-50', freeze: shortQueue.name }, fillQueue('node-51', 1302)],
    ask: 'node-50 port 1302 from node-12',
    felt: feltAs('timedOut', 1302),
    expect: { verdict: 'found', confirmed: [{ rule: 'accept-queue-overflow', node: 'node-50' }] },
    mend: [{ on: 'node-50', thaw: shortQueue.name }],
    mended: 'inconclusive',
  },
  {
    id: 'no-sudo-no-route-back',
    fault: 'F24, without sudo',
    about: 'node-50 has lost its default route; routes can be read without any privilege, packets cannot.',
    definition: withoutSudo,
    break: [on50('ip', 'route', 'del', 'default')],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'no-route', node: 'node-50' }], mayBeLikely: [] },
    mend: [on50('ip', 'route', 'add', 'default', 'via', '172.16.0.1')],
    mended: 'inconclusive',
  },
  {
    id: 'no-tcpdump-firewall-drop',
    fault: 'F08, without tcpdump',
    about: 'node-50 drops the port by a rule with a counter; no node has tcpdump.',
    definition: withoutTcpdump,
    inTests: true,
    break: dropped,
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-input-drop', node: 'node-50' }] },
    mend: letIn,
    mended: 'inconclusive',
  },
  {
    id: 'no-tcpdump-rp-filter',
    fault: 'F05, without tcpdump',
    about: 'node-50 drops node-12 by its strict source check, which counts; no node has tcpdump.',
    definition: withoutTcpdump,
    break: otherWay,
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'rp-filter-drop', node: 'node-50' }] },
    mend: oneWay,
    mended: 'inconclusive',
  },
  {
    id: 'no-tcpdump-path-drop',
    fault: 'F12, without tcpdump',
    about: 'The router, which nobody mentions, drops the port; without captures nobody can tell where packets die.',
    definition: withoutTcpdump,
    inTests: true,
    break: [onRouter(...'iptables -A FORWARD -p tcp --dport 1301 -j DROP'.split(' '))],
    ask: 'node-50 port 1301 from node-12',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'inconclusive',
      confirmed: [],
      mayBeLikely: [],
      unknown: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' }, why: /tcpdump/ }],
    },
    mend: [onRouter('iptables', '-F', 'FORWARD')],
    mended: 'inconclusive',
  },
  {
    id: 'pod-client-tw-recycle',
    fault: 'F01, unknown client',
    about:
      'A pod that netcheck cannot log in to keeps failing behind the address of its node; the question names the pod.',
    definition: reportZero,
    inTests: true,
    break: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=1')],
    traffic: [users('pod-b')],
    ask: 'node-50 port 1301 from 10.244.12.6 for 6s',
    felt: { from: 'pod-b', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'tw-recycle', node: 'node-50' }] },
    mend: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=0')],
    mended: 'inconclusive',
  },
  {
    id: 'pod-client-path-drop',
    fault: 'F12, unknown client',
    about:
      'The packets of a pod that netcheck cannot log in to never come out of the router: nothing is seen at node-50.',
    definition: plain,
    break: [onRouter(...'iptables -A FORWARD -p tcp --dport 1301 -j DROP'.split(' '))],
    traffic: [users('pod-b')],
    ask: 'node-50 port 1301 from 10.244.12.6 for 5s',
    felt: { from: 'pod-b', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'inconclusive', confirmed: [], mayBeLikely: [] },
    mend: [onRouter('iptables', '-F', 'FORWARD')],
    mended: 'inconclusive',
  },
  {
    id: 'no-client-named-firewall-drop',
    fault: 'F08, nobody says where it fails from',
    about: 'The question names no client; netcheck tries from another node of the inventory.',
    definition: plain,
    inTests: true,
    break: dropped,
    ask: 'node-50 port 1301',
    felt: feltAs('timedOut'),
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-input-drop', node: 'node-50' }] },
    mend: letIn,
  },
];
