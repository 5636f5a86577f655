import type { LabDefinition, LabStep } from './network.ts';
import { http, plain, reportZero, shortQueue } from './topologies.ts';

/** What a plain connect() meets, without netcheck: the fault itself, proved by the network's own test. */
export type Felt = 'connected' | 'refused' | 'timedOut' | 'noRoute' | 'noPort';

/** Break, ask, expect, mend: one fault on real kernels, as data. */
export interface Scenario {
  readonly id: string;
  /** Field report or entry of the fault catalogue. */
  readonly fault: string;
  /** What is real and what is not, in a sentence. */
  readonly about: string;
  readonly definition: LabDefinition;
  readonly break: readonly LabStep[];
  /** Exactly as a person types it. */
  readonly ask: string;
  /** A connect from the node that the question names, while broken. */
  readonly felt: { readonly from: string; readonly to: string; readonly port: number; readonly as: Felt };
  readonly expect: {
    readonly verdict: 'found' | 'clear';
    /** All findings that are `confirmed`, and no other. */
    readonly confirmed: readonly (
      | { readonly rule: string; readonly node: string }
      | { readonly rule: string; readonly path: { readonly from: string; readonly to: string } }
    )[];
    /** Nodes that netcheck cannot log in to while broken. */
    readonly unreachable?: readonly string[];
    /** A command that the temporary remedy must contain. */
    readonly remedy?: { readonly node: string; readonly command: string };
  };
  /** Afterwards the same question is answered with `clear`. */
  readonly mend: readonly LabStep[];
}

const target = '172.16.0.50';
const on50 = (...run: string[]): LabStep => ({ on: 'node-50', run });
const onRouter = (...run: string[]): LabStep => ({ on: 'r1', run });
const sysctl = (on: string, setting: string): LabStep => ({ on, run: ['sysctl', '-qw', setting] });

/** Connects in the background that stay until the far end answers or the limit is over; the command itself returns. */
const connectMany = (on: string, port: number, count: number, seconds: number): LabStep => ({
  on,
  run: [
    'sh',
    '-c',
    `for i in $(seq ${count}); do timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${target}/${port}; sleep ${seconds}' >/dev/null 2>&1 & done; sleep 0.5`,
  ],
});

/** A server in place of `http` that accepts, never reads and never closes, and may have `files` files open. */
const keepsConnections = (files: number): readonly LabStep[] => [
  { on: 'node-50', stop: http.name },
  on50(
    'sh',
    '-c',
    `ulimit -n ${files}; perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(1301, INADDR_ANY)) or die; listen(S, 511); while (1) { my $c; if (accept($c, S)) { push @c, $c } else { sleep 1 } }' >/dev/null 2>&1 & echo $! > /tmp/keeps.pid; sleep 0.3`,
  ),
];
const closesAgain: readonly LabStep[] = [
  on50('sh', '-c', 'kill $(cat /tmp/keeps.pid); sleep 0.3'),
  { on: 'node-50', start: http },
];

export const scenarios: readonly Scenario[] = [
  {
    id: 'tw-recycle',
    fault: 'field report 0, F01',
    about:
      'node-12 and its pods share one address; node-50 drops SYNs whose TCP timestamp is behind the remembered one. The packets, NAT, timestamps and drops are real; the 4.9 kernel that does it is imitated: sysctl file, PAWSPassive, tcp_metrics and uname come from a stand-in, the drop from nftables.',
    definition: reportZero,
    break: [],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'tw-recycle', node: 'node-50' }],
      remedy: { node: 'node-50', command: 'sysctl -w net.ipv4.tcp_tw_recycle=0' },
    },
    mend: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=0')],
  },
  {
    id: 'healthy-twin',
    fault: 'field report 0, false lead',
    about: 'node-51 runs the identical service while node-50 (an imitated 4.9 kernel) drops: the application is fine.',
    definition: reportZero,
    break: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=1')],
    ask: 'node-51 port 1301 from node-12',
    felt: { from: 'node-12', to: '172.16.0.51', port: 1301, as: 'connected' },
    expect: { verdict: 'clear', confirmed: [] },
    mend: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=0')],
  },
  {
    id: 'healthy',
    fault: 'none',
    about: 'Nothing is broken; nothing is imitated.',
    definition: plain,
    break: [],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'clear', confirmed: [] },
    mend: [],
  },
  {
    id: 'port-closed',
    fault: 'F25',
    about: 'The server process on node-50 is gone; the kernel answers with RST.',
    definition: plain,
    break: [{ on: 'node-50', stop: 'http' }],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'refused' },
    expect: { verdict: 'found', confirmed: [{ rule: 'port-closed', node: 'node-50' }] },
    mend: [{ on: 'node-50', start: http }],
  },
  {
    id: 'loopback-only',
    fault: 'F26',
    about: 'The server on node-50 listens on 127.0.0.1 only.',
    definition: plain,
    break: [
      { on: 'node-50', stop: 'http' },
      { on: 'node-50', start: { ...http, address: '127.0.0.1' } },
    ],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'refused' },
    expect: { verdict: 'found', confirmed: [{ rule: 'loopback-only', node: 'node-50' }] },
    mend: [
      { on: 'node-50', stop: 'http' },
      { on: 'node-50', start: http },
    ],
  },
  {
    id: 'firewall-drop-nft',
    fault: 'F08',
    about: 'nftables on node-50 drops the port, with a counter.',
    definition: plain,
    break: [
      on50('nft', 'add table inet edge'),
      on50('nft', 'add chain inet edge input { type filter hook input priority 0; policy accept; }'),
      on50('nft', 'add rule inet edge input tcp dport 1301 counter drop'),
    ],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-input-drop', node: 'node-50' }] },
    mend: [on50('nft', 'delete table inet edge')],
  },
  {
    id: 'firewall-drop-iptables',
    fault: 'F08',
    about: 'iptables on node-50 drops the port.',
    definition: plain,
    break: [on50('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', '1301', '-j', 'DROP')],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-input-drop', node: 'node-50' }] },
    mend: [on50('iptables', '-D', 'INPUT', '-p', 'tcp', '--dport', '1301', '-j', 'DROP')],
  },
  {
    id: 'firewall-reject',
    fault: 'F09',
    about: 'iptables on node-50 rejects the port as firewalld and the old CentOS rules do.',
    definition: plain,
    break: [on50(...'iptables -A INPUT -p tcp --dport 1301 -j REJECT --reject-with icmp-host-prohibited'.split(' '))],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noRoute' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-reject', node: 'node-50' }] },
    mend: [on50(...'iptables -D INPUT -p tcp --dport 1301 -j REJECT --reject-with icmp-host-prohibited'.split(' '))],
  },
  {
    id: 'accept-queue-overflow',
    fault: 'F02, field report 3a',
    about: 'The server on port 1302 (backlog 2) has stopped accepting; connections of node-51 fill its queue.',
    definition: plain,
    break: [{ on: 'node-50', freeze: shortQueue.name }, connectMany('node-51', 1302, 5, 1)],
    ask: 'node-50 port 1302 from node-12',
    felt: { from: 'node-12', to: target, port: 1302, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'accept-queue-overflow', node: 'node-50' }] },
    mend: [{ on: 'node-50', thaw: shortQueue.name }],
  },
  {
    id: 'syn-queue-overflow',
    fault: 'F03',
    about:
      'SYN cookies are off on node-50 and the final ACKs of node-51 are lost, so half-open connections fill the SYN queue of port 1302.',
    definition: plain,
    break: [
      sysctl('node-50', 'net.ipv4.tcp_syncookies=0'),
      { on: 'node-51', run: 'iptables -A OUTPUT -p tcp --dport 1302 --tcp-flags SYN,ACK ACK -j DROP'.split(' ') },
      { on: 'node-51', run: 'iptables -A OUTPUT -p tcp --dport 1302 --tcp-flags RST RST -j DROP'.split(' ') },
      connectMany('node-51', 1302, 6, 2),
    ],
    ask: 'node-50 port 1302 from node-12',
    felt: { from: 'node-12', to: target, port: 1302, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'syn-queue-overflow', node: 'node-50' }] },
    mend: [
      { on: 'node-51', run: ['iptables', '-F', 'OUTPUT'] },
      sysctl('node-50', 'net.ipv4.tcp_syncookies=1'),
      // a restart empties the queue at once; half-open connections would stay for about a minute
      { on: 'node-50', stop: shortQueue.name },
      { on: 'node-50', start: shortQueue },
    ],
  },
  {
    id: 'host-down-same-lan',
    fault: 'F23',
    about:
      'The data interface of node-50 is down (its management network is not), for so long that its neighbours forgot it: no ARP answer on its own LAN.',
    definition: plain,
    break: [on50('ip', 'link', 'set', 'eth0', 'down'), { on: 'node-51', run: ['ip', 'neigh', 'flush', 'dev', 'eth0'] }],
    ask: 'node-50 port 1301 from node-51',
    felt: { from: 'node-51', to: target, port: 1301, as: 'noRoute' },
    expect: { verdict: 'found', confirmed: [{ rule: 'neigh-failed', node: 'node-51' }] },
    mend: [on50('ip', 'link', 'set', 'eth0', 'up'), on50('ip', 'route', 'add', 'default', 'via', '172.16.0.1')],
  },
  {
    id: 'host-off-behind-router',
    fault: 'F23, field report 3b',
    about: 'node-50 is off altogether: netcheck cannot log in to it, and the router gets no ARP answer from it.',
    definition: plain,
    break: [
      on50('ip', 'link', 'set', 'eth0', 'down'),
      on50('ip', 'link', 'set', 'mgmt0', 'down'),
      onRouter('ip', 'neigh', 'flush', 'dev', 'eth1'),
    ],
    ask: 'node-50 port 1301 from node-12 via r1',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noRoute' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'neigh-failed', node: 'r1' }],
      unreachable: ['node-50'],
    },
    mend: [
      on50('ip', 'link', 'set', 'mgmt0', 'up'),
      on50('ip', 'link', 'set', 'eth0', 'up'),
      on50('ip', 'route', 'add', 'default', 'via', '172.16.0.1'),
    ],
  },
  {
    id: 'ip-forward-off',
    fault: 'F07',
    about: 'The router between node-12 and node-50 does not forward.',
    definition: plain,
    break: [sysctl('r1', 'net.ipv4.ip_forward=0')],
    ask: 'node-50 port 1301 from node-12 via r1',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'ip-forward-off', node: 'r1' }] },
    mend: [sysctl('r1', 'net.ipv4.ip_forward=1')],
  },
  {
    id: 'path-drop',
    fault: 'F12',
    about: 'Something between the nodes (here a filter on the router, which nobody mentions) drops the port silently.',
    definition: plain,
    break: [
      onRouter('nft', 'add table inet fabric'),
      onRouter('nft', 'add chain inet fabric forward { type filter hook forward priority 0; policy accept; }'),
      onRouter('nft', 'add rule inet fabric forward tcp dport 1301 drop'),
    ],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } }] },
    mend: [onRouter('nft', 'delete table inet fabric')],
  },
  {
    id: 'rp-filter-drop',
    fault: 'F05',
    about:
      'node-50 checks sources strictly, and its way back to node-12 leaves by a device of its own that leads nowhere.',
    definition: plain,
    break: [
      on50('ip', 'link', 'add', 'way0', 'type', 'veth', 'peer', 'name', 'way1'),
      on50('ip', 'link', 'set', 'way0', 'up'),
      on50('ip', 'link', 'set', 'way1', 'up'),
      on50('ip', 'route', 'add', '10.0.12.0/24', 'dev', 'way0'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
    ],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'rp-filter-drop', node: 'node-50' }],
      remedy: { node: 'node-50', command: 'sysctl -w net.ipv4.conf.eth0.rp_filter=2' },
    },
    mend: [on50('ip', 'link', 'del', 'way0'), sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0')],
  },
  {
    id: 'martian-local-source',
    fault: 'F06',
    about: 'The address of node-12 is bound on node-50 as well, as kube-proxy binds the address of a load balancer.',
    definition: plain,
    break: [on50('ip', 'addr', 'add', '10.0.12.2/32', 'dev', 'lo')],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'martian-local-source', node: 'node-50' }] },
    mend: [on50('ip', 'addr', 'del', '10.0.12.2/32', 'dev', 'lo')],
  },
  {
    id: 'forward-policy-drop',
    fault: 'F10',
    about: 'The FORWARD policy of the router is DROP, as dockerd leaves it.',
    definition: plain,
    break: [onRouter('iptables', '-P', 'FORWARD', 'DROP')],
    ask: 'node-50 port 1301 from node-12 via r1',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'forward-policy-drop', node: 'r1' }] },
    mend: [onRouter('iptables', '-P', 'FORWARD', 'ACCEPT')],
  },
  {
    id: 'firewall-output-drop',
    fault: 'F11',
    about: 'The firewall of node-12 drops its own connects to the port.',
    definition: plain,
    break: [{ on: 'node-12', run: 'iptables -A OUTPUT -p tcp --dport 1301 -j DROP'.split(' ') }],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fw-output-drop', node: 'node-12' }] },
    mend: [{ on: 'node-12', run: 'iptables -D OUTPUT -p tcp --dport 1301 -j DROP'.split(' ') }],
  },
  {
    id: 'route-unreachable',
    fault: 'F24',
    about: 'node-12 has an unreachable route for node-50.',
    definition: plain,
    break: [{ on: 'node-12', run: ['ip', 'route', 'add', 'unreachable', `${target}/32`] }],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noRoute' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'no-route', node: 'node-12' }],
      remedy: { node: 'node-12', command: `ip route del unreachable ${target}` },
    },
    mend: [{ on: 'node-12', run: ['ip', 'route', 'del', 'unreachable', `${target}/32`] }],
  },
  {
    id: 'route-blackhole',
    fault: 'F24',
    about: 'The router has a blackhole route for node-50: silence.',
    definition: plain,
    break: [onRouter('ip', 'route', 'add', 'blackhole', `${target}/32`)],
    ask: 'node-50 port 1301 from node-12 via r1',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'no-route', node: 'r1' }] },
    mend: [onRouter('ip', 'route', 'del', 'blackhole', `${target}/32`)],
  },
  {
    id: 'no-route-back',
    fault: 'F24',
    about: 'node-50 has lost its default route: SYNs arrive, and the answer has no way.',
    definition: plain,
    break: [on50('ip', 'route', 'del', 'default')],
    ask: 'node-50 port 1301 from node-12',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'no-route', node: 'node-50' }] },
    mend: [on50('ip', 'route', 'add', 'default', 'via', '172.16.0.1')],
  },
  {
    id: 'ephemeral-exhaustion',
    fault: 'F30',
    about: 'node-12 may use four source ports, and connections to the port hold all of them.',
    definition: plain,
    break: [
      sysctl('node-12', 'net.ipv4.ip_local_port_range=40000 40003'),
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          `perl -MSocket -e 'for (1..4) { socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(1301, inet_aton("${target}"))); push @s, $s } sleep 30' >/dev/null 2>&1 & sleep 0.5`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noPort' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'ephemeral-exhaustion', node: 'node-12' }],
      remedy: { node: 'node-12', command: "sysctl -w net.ipv4.ip_local_port_range='1024 65535'" },
    },
    mend: [sysctl('node-12', 'net.ipv4.ip_local_port_range=32768 60999')],
  },
  {
    id: 'close-wait',
    fault: 'F33',
    about: 'The server on node-50 never closes: connections that node-51 has closed stay in CLOSE-WAIT.',
    definition: plain,
    break: [
      ...keepsConnections(1024),
      {
        on: 'node-51',
        run: ['bash', '-c', `for i in $(seq 130); do (exec 3<>/dev/tcp/${target}/1301); done; sleep 0.3`],
      },
    ],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [{ rule: 'close-wait', node: 'node-50' }] },
    mend: closesAgain,
  },
  {
    id: 'fd-exhaustion',
    fault: 'F29',
    about: 'The server on node-50 may have 24 files open, and connections of node-51 use all of them.',
    definition: plain,
    break: [...keepsConnections(24), connectMany('node-51', 1301, 24, 30)],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fd-exhaustion', node: 'node-50' }] },
    mend: closesAgain,
  },
];
