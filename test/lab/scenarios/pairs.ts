import type { LabDefinition, LabStep } from '../network.ts';
import { fillQueue, on50, onRouter, type Scenario, sysctl, target } from '../scenario.ts';
import { http, plain, reportZero, shortQueue } from '../topologies.ts';
import { closesAgain, keepsConnections } from './host.ts';

const on51 = (...run: string[]) => ({ on: 'node-51', run }) as const;
const onFirst = (...run: string[]) => ({ on: 'node-12', run }) as const;
const words = (command: string) => command.split(' ');
const feltAs = (as: 'timedOut' | 'refused' | 'noRoute' | 'connected', port = 1301) =>
  ({ from: 'node-12', to: target, port, as }) as const;

/** The plain topology once more: its server of port 1302 is left with another backlog. */
const queueing: LabDefinition = { ...plain, name: 'queueing' };
const restarted = (backlog: number): readonly LabStep[] => [
  { on: 'node-50', stop: shortQueue.name },
  { on: 'node-50', start: { ...shortQueue, backlog } },
];

/** Two faults at once: both are named. */
export const pairScenarios: readonly Scenario[] = [
  {
    id: 'pair-close-wait-fd',
    fault: 'F33 + F29',
    about: 'The server on node-50 never closes; 130 connections in CLOSE-WAIT use up the 134 files that it may open.',
    definition: plain,
    inTests: true,
    break: [
      ...keepsConnections(134),
      on51('bash', '-c', `for i in $(seq 131); do (exec 3<>/dev/tcp/${target}/1301); done; sleep 0.3`),
    ],
    ask: 'node-50 port 1301 from node-12 slow under load',
    felt: feltAs('connected'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'close-wait', node: 'node-50' },
        { rule: 'fd-exhaustion', node: 'node-50' },
      ],
    },
    mend: closesAgain,
  },
  {
    id: 'pair-half-dropped-twice',
    fault: 'F08 + F12',
    about:
      'Every second SYN is dropped by the router, which nobody mentions; of those that arrive every third by node-50.',
    definition: plain,
    inTests: true,
    break: [
      onRouter(
        ...words('iptables -A FORWARD -p tcp --dport 1301 --syn -m statistic --mode nth --every 2 --packet 0 -j DROP'),
      ),
      on50(
        ...words('iptables -A INPUT -p tcp --dport 1301 --syn -m statistic --mode nth --every 3 --packet 0 -j DROP'),
      ),
    ],
    ask: 'node-50 port 1301 from node-12 intermittent timeouts',
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'fw-input-drop', node: 'node-50' },
        { rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } },
      ],
    },
    mend: [onRouter('iptables', '-F', 'FORWARD'), on50('iptables', '-F', 'INPUT')],
  },
  {
    id: 'pair-tw-recycle-reject',
    fault: 'F01 + F09',
    about:
      'node-50 (an imitated 4.9 kernel) drops SYNs of node-12 by their timestamp, and its firewall rejects node-51.',
    definition: reportZero,
    break: [
      sysctl('node-50', 'net.ipv4.tcp_tw_recycle=1'),
      on50(...words('iptables -A INPUT -s 172.16.0.51 -p tcp --dport 1301 -j REJECT')),
    ],
    ask: 'node-50 port 1301 from node-12 from node-51',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'tw-recycle', node: 'node-50' },
        { rule: 'fw-reject', node: 'node-50' },
      ],
    },
    mend: [on50('iptables', '-F', 'INPUT'), sysctl('node-50', 'net.ipv4.tcp_tw_recycle=0')],
  },
  {
    id: 'pair-forwarding-off-loopback-only',
    fault: 'F07 + F26',
    about:
      'The router does not forward, so node-12 hears nothing; and the server listens on 127.0.0.1, so node-51 is refused.',
    definition: plain,
    inTests: true,
    break: [
      sysctl('r1', 'net.ipv4.ip_forward=0'),
      { on: 'node-50', stop: 'http' },
      { on: 'node-50', start: { ...http, address: '127.0.0.1' } },
    ],
    ask: 'node-50 port 1301 from node-12 from node-51 via r1',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'ip-forward-off', node: 'r1' },
        { rule: 'loopback-only', node: 'node-50' },
      ],
    },
    mend: [{ on: 'node-50', stop: 'http' }, { on: 'node-50', start: http }, sysctl('r1', 'net.ipv4.ip_forward=1')],
  },
  {
    id: 'pair-route-closed',
    fault: 'F24 + F25',
    about: 'node-12 has an unreachable route for node-50; and nobody listens there, which node-51 meets.',
    definition: plain,
    break: [onFirst('ip', 'route', 'add', 'unreachable', `${target}/32`), { on: 'node-50', stop: 'http' }],
    ask: 'node-50 port 1301 from node-12 from node-51',
    felt: feltAs('noRoute'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'no-route', node: 'node-12' },
        { rule: 'port-closed', node: 'node-50' },
      ],
    },
    mend: [onFirst('ip', 'route', 'del', 'unreachable', `${target}/32`), { on: 'node-50', start: http }],
  },
  {
    id: 'pair-output-drop-accept-queue',
    fault: 'F11 + F02',
    about:
      "node-12's own firewall drops its connects; and the server of port 1302 has stopped accepting, which node-51 meets.",
    definition: queueing,
    break: [
      ...restarted(2),
      onFirst(...words('iptables -A OUTPUT -p tcp --dport 1302 -j DROP')),
      { on: 'node-50', freeze: shortQueue.name },
      fillQueue('node-51', 1302),
    ],
    ask: 'node-50 port 1302 from node-12 from node-51',
    felt: feltAs('timedOut', 1302),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'accept-queue-overflow', node: 'node-50' },
        { rule: 'fw-output-drop', node: 'node-12' },
      ],
    },
    mend: [
      { on: 'node-50', thaw: shortQueue.name },
      // two clients at once are a burst for a backlog of 2, which a busy machine does not always take
      ...restarted(128),
      onFirst(...words('iptables -D OUTPUT -p tcp --dport 1302 -j DROP')),
    ],
  },
  {
    id: 'pair-rp-filter-input-drop',
    fault: 'F05 + F08',
    about:
      'node-50 drops node-12 by its strict source check (its way back is another device), and node-51 by its firewall.',
    definition: plain,
    inTests: true,
    break: [
      on50('ip', 'link', 'add', 'way0', 'type', 'veth', 'peer', 'name', 'way1'),
      on50('ip', 'link', 'set', 'way0', 'up'),
      on50('ip', 'link', 'set', 'way1', 'up'),
      on50('ip', 'route', 'add', '10.0.12.0/24', 'dev', 'way0'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
      on50(...words('iptables -A INPUT -s 172.16.0.51 -p tcp --dport 1301 -j DROP')),
    ],
    ask: 'node-50 port 1301 from node-12 from node-51',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'rp-filter-drop', node: 'node-50' },
        { rule: 'fw-input-drop', node: 'node-50' },
      ],
    },
    mend: [
      on50('iptables', '-F', 'INPUT'),
      on50('ip', 'link', 'del', 'way0'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0'),
    ],
  },
  {
    id: 'pair-ephemeral-close-wait',
    fault: 'F30 + F33',
    about:
      'node-12 may use four source ports, all taken by connections to the port; and the server there never closes.',
    definition: plain,
    break: [
      ...keepsConnections(1024),
      on51('bash', '-c', `for i in $(seq 130); do (exec 3<>/dev/tcp/${target}/1301); done; sleep 0.3`),
      sysctl('node-12', 'net.ipv4.ip_local_port_range=40000 40003'),
      onFirst(
        'sh',
        '-c',
        `perl -MSocket -e 'for (1..4) { socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(1301, inet_aton("${target}"))); push @s, $s } sleep 30' >/dev/null 2>&1 & sleep 0.5`,
      ),
    ],
    ask: 'node-50 port 1301 from node-12 from node-51 slow under load',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noPort' },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'ephemeral-exhaustion', node: 'node-12' },
        { rule: 'close-wait', node: 'node-50' },
      ],
    },
    mend: [sysctl('node-12', 'net.ipv4.ip_local_port_range=32768 60999'), ...closesAgain],
  },
  {
    id: 'pair-martian-forward-policy',
    fault: 'F06 + F10',
    about:
      'The FORWARD policy of the router is DROP, so node-12 does not get through; the address of node-51 is bound on node-50 as well.',
    definition: plain,
    break: [onRouter('iptables', '-P', 'FORWARD', 'DROP'), on50('ip', 'addr', 'add', '172.16.0.51/32', 'dev', 'lo')],
    ask: 'node-50 port 1301 from node-12 from node-51 via r1',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'martian-local-source', node: 'node-50' },
        { rule: 'forward-policy-drop', node: 'r1' },
      ],
    },
    mend: [onRouter('iptables', '-P', 'FORWARD', 'ACCEPT'), on50('ip', 'addr', 'del', '172.16.0.51/32', 'dev', 'lo')],
  },
  {
    id: 'pair-neighbour-output-drop',
    fault: 'F23 + F11',
    about:
      'node-50 is off the network: node-51 gets no ARP answer; and the firewall of node-12 drops its own connects anyway.',
    definition: plain,
    break: [
      on50('ip', 'link', 'set', 'eth0', 'down'),
      on51('ip', 'neigh', 'flush', 'dev', 'eth0'),
      onFirst(...words('iptables -A OUTPUT -p tcp --dport 1301 -j DROP')),
    ],
    ask: 'node-50 port 1301 from node-51 from node-12',
    felt: feltAs('timedOut'),
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'neigh-failed', node: 'node-51' },
        { rule: 'fw-output-drop', node: 'node-12' },
      ],
    },
    mend: [
      on50('ip', 'link', 'set', 'eth0', 'up'),
      on50('ip', 'route', 'add', 'default', 'via', '172.16.0.1'),
      onFirst(...words('iptables -D OUTPUT -p tcp --dport 1301 -j DROP')),
    ],
  },
];
