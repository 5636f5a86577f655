import { labRoot, type LabDefinition, type LabNode, type LabStep } from '../network.ts';
import { on50, onRouter, type Scenario, sysctl, target } from '../scenario.ts';
import { plain, shortQueue } from '../topologies.ts';

const inPod = (...run: string[]): LabStep => on50('ip', 'netns', 'exec', 'web', ...run);
const podAddress = '10.244.50.2';

/** node-50 with a pod: a namespace of its own behind the node, as a CNI plug-in makes it. */
const withPod: LabDefinition = {
  name: 'with-pod',
  nodes: plain.nodes.map((node): LabNode => {
    if (node.name === 'r1') return { ...node, routes: [['10.244.50.0/30', target]] };
    if (node.name !== 'node-50') return node;
    const setup = [
      'ip netns add web',
      'ip link add veth-web type veth peer name eth0 netns web',
      'ip addr add 10.244.50.1/30 dev veth-web',
      'ip link set veth-web up',
      `ip -n web addr add ${podAddress}/30 dev eth0`,
      'ip -n web link set eth0 up',
      'ip -n web link set lo up',
      'ip -n web route add default via 10.244.50.1',
      'sysctl -q -w net.ipv4.ip_forward=1',
    ];
    return { ...node, setup: setup.map((line) => line.split(' ')) };
  }),
};

/** nginx asks for a queue of 511 on its port; what it gets is decided by the namespace. */
const startInPod = on50(
  'sh',
  '-c',
  `ip netns exec web ${process.execPath} ${labRoot}/service.mjs '{"address":"0.0.0.0","port":1301,"backlog":511}' >/dev/null 2>&1 </dev/null & echo $! > /tmp/web.pid; until ip netns exec web ss -lnt | grep -q :1301; do sleep 0.05; done`,
);
const stopInPod = on50('sh', '-c', 'kill -KILL $(cat /tmp/web.pid); sleep 0.2');

/** `count` connects that are begun at once and kept open by one process. */
const hold = (on: string, to: string, port: number, count: number): LabStep => ({
  on,
  run: [
    'sh',
    '-c',
    `perl -MSocket -MFcntl -e 'for (1 .. ${count}) { socket(my $s, PF_INET, SOCK_STREAM, 0); fcntl($s, F_SETFL, O_NONBLOCK); connect($s, sockaddr_in(${port}, inet_aton("${to}"))); push @s, $s; select undef, undef, undef, 0.002 } sleep 60' >/dev/null 2>&1 & echo $! > /tmp/hold.pid; sleep 1`,
  ],
});
const letGo = (on: string): LabStep => ({ on, run: ['sh', '-c', 'kill $(cat /tmp/hold.pid)'] });

/** A second router on the way back, which sees answers to connects that it does not know. */
const twoWays: LabDefinition = {
  name: 'two-ways',
  nodes: [
    ...plain.nodes.map(
      (node): LabNode => (node.name === 'node-50' ? { ...node, routes: [['default', '172.16.0.2']] } : node),
    ),
    {
      name: 'r2',
      management: '10.255.0.3',
      interfaces: [
        { network: 'lan-12', device: 'eth0', address: '10.0.12.3/24' },
        { network: 'lan-50', device: 'eth1', address: '172.16.0.2/24' },
      ],
      sysctls: { 'net.ipv4.ip_forward': '1' },
    },
  ],
};

/** What is broken in a pod and not on its node, or between connections that one side has forgotten. */
export const podAndPeerScenarios: readonly Scenario[] = [
  {
    id: 'accept-queue-pod',
    fault: 'F02, field report 3a',
    about:
      'The pod has somaxconn 128, its node 4096, its server asks for 511; it has stopped accepting (files on a dead NFS) and 140 connects wait.',
    definition: withPod,
    break: [
      inPod('sysctl', '-qw', 'net.core.somaxconn=128'),
      startInPod,
      on50('sh', '-c', 'kill -STOP $(cat /tmp/web.pid)'),
      hold('node-51', podAddress, 1301, 140),
    ],
    ask: 'node-50 netns web port 1301 from node-12 timeout',
    felt: { from: 'node-12', to: podAddress, port: 1301, as: 'timedOut' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'accept-queue-overflow', node: 'node-50@web' }],
    },
    mend: [letGo('node-51'), stopInPod, inPod('sysctl', '-qw', 'net.core.somaxconn=4096'), startInPod],
  },
  {
    id: 'syn-queue-pod',
    fault: 'F03',
    about: 'SYN cookies are off in the pod and on on its node; final ACKs of node-51 are lost.',
    definition: withPod,
    break: [
      on50('sh', '-c', 'kill -KILL $(cat /tmp/web.pid); true'),
      inPod('sysctl', '-qw', 'net.ipv4.tcp_syncookies=0', 'net.core.somaxconn=4'),
      startInPod,
      { on: 'node-51', run: 'iptables -A OUTPUT -p tcp --dport 1301 --tcp-flags SYN,ACK ACK -j DROP'.split(' ') },
      { on: 'node-51', run: 'iptables -A OUTPUT -p tcp --dport 1301 --tcp-flags RST RST -j DROP'.split(' ') },
      hold('node-51', podAddress, 1301, 12),
    ],
    ask: 'node-50 netns web port 1301 from node-12 timeout',
    felt: { from: 'node-12', to: podAddress, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'syn-queue-overflow', node: 'node-50@web' }] },
    mend: [
      letGo('node-51'),
      { on: 'node-51', run: ['iptables', '-F', 'OUTPUT'] },
      inPod('sysctl', '-qw', 'net.ipv4.tcp_syncookies=1', 'net.core.somaxconn=4096'),
      stopInPod,
      startInPod,
    ],
  },
  {
    id: 'pod-forwarding-off',
    fault: 'F07',
    about: 'node-50 does not forward to its own pod.',
    definition: withPod,
    break: [on50('sh', '-c', '[ -e /proc/$(cat /tmp/web.pid) ]'), sysctl('node-50', 'net.ipv4.ip_forward=0')],
    ask: 'node-50 netns web port 1301 from node-12 timeout',
    felt: { from: 'node-12', to: podAddress, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'ip-forward-off', node: 'node-50' }] },
    mend: [sysctl('node-50', 'net.ipv4.ip_forward=1')],
  },
  {
    id: 'pod-firewall-of-node',
    fault: 'F10',
    about: 'FORWARD of node-50 drops what is for its pod.',
    definition: withPod,
    break: [on50('iptables', '-P', 'FORWARD', 'DROP')],
    ask: 'node-50 netns web port 1301 from node-12 timeout',
    felt: { from: 'node-12', to: podAddress, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'forward-policy-drop', node: 'node-50' }] },
    mend: [on50('iptables', '-P', 'FORWARD', 'ACCEPT')],
  },
  {
    id: 'asymmetric-routing',
    fault: 'F17',
    about: 'SYNs pass r1, answers go by r2, which tracks connections and drops what it does not know.',
    definition: twoWays,
    break: [
      { on: 'r2', run: ['sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=0'] },
      { on: 'r2', run: 'iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP'.split(' ') },
    ],
    ask: 'node-50 port 1301 from node-12 via r1 timeout',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'path-drop', path: { from: 'node-12', to: 'node-50' } }] },
    mend: [
      { on: 'r2', run: ['iptables', '-F', 'FORWARD'] },
      { on: 'r2', run: ['sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=1'] },
    ],
  },
  {
    id: 'challenge-ack',
    fault: 'F18',
    about:
      'A client that uses one source port was killed without a word; node-50 still has its connection and answers the next SYN with a bare ACK.',
    definition: plain,
    break: [
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(40000, INADDR_ANY)); connect(S, sockaddr_in(1301, inet_aton("${target}"))) or die; system("iptables -A OUTPUT -p tcp --sport 40000 -j DROP"); setsockopt(S, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)); close S; system("iptables -F OUTPUT")'`,
        ],
      },
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          // each time it comes back on the same port, and is killed without a word again
          `perl -MSocket -e 'while (1) { sleep 1; socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(40000, INADDR_ANY)); connect(S, sockaddr_in(1301, inet_aton("${target}"))); system("iptables -A OUTPUT -p tcp --sport 40000 -j DROP"); setsockopt(S, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)); close S; system("iptables -F OUTPUT") }' >/dev/null 2>&1 & echo $! > /tmp/hold.pid`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 for 4s connect takes 1 s after a client restart',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'half-open-peer', node: 'node-12' },
        { rule: 'half-open-peer', node: 'node-50' },
      ],
    },
    mend: [letGo('node-12'), { on: 'node-12', run: ['iptables', '-F', 'OUTPUT'] }],
  },
  {
    id: 'half-open',
    fault: 'F98',
    about: 'Six clients of node-51 are gone without a word while node-50 answers them; others are served.',
    definition: plain,
    break: [
      {
        on: 'node-51',
        run: [
          'sh',
          '-c',
          `perl -MSocket -e 'for (1 .. 6) { socket(my $s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)); connect($s, sockaddr_in(1301, inet_aton("${target}"))) or die; push @s, $s } system("iptables -A INPUT -p tcp --sport 1301 -j DROP"); syswrite($_, "GET / HTTP/1.0\\r\\n\\r\\n") for @s; sleep 60' >/dev/null 2>&1 & echo $! > /tmp/hold.pid; sleep 8`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 dead connections pile up under load',
    felt: { from: 'node-51', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'half-open', node: 'node-50' }] },
    mend: [letGo('node-51'), { on: 'node-51', run: ['iptables', '-F', 'INPUT'] }],
  },
  {
    id: 'tw-bucket-overflow',
    fault: 'F31',
    about: 'node-12 may keep 4 connections in TIME_WAIT; more are forgotten at once.',
    definition: plain,
    break: [sysctl('node-12', 'net.ipv4.tcp_max_tw_buckets=4')],
    ask: 'node-50 port 1301 from node-12 TIME_WAIT under load',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'tw-bucket-overflow', node: 'node-12' }] },
    mend: [sysctl('node-12', 'net.ipv4.tcp_max_tw_buckets=65536')],
  },
  {
    id: 'port-range-overlap',
    fault: 'F32',
    about: 'A connection of node-50 itself got the port of a service that is down as its source port: it cannot start.',
    definition: plain,
    break: [
      { on: 'node-51', start: { name: 'web', address: '0.0.0.0', port: 80 } },
      sysctl('node-50', 'net.ipv4.ip_local_port_range=1333 1333'),
      on50(
        'sh',
        '-c',
        `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)); connect(S, sockaddr_in(80, inet_aton("172.16.0.51"))) or die; sleep 60' >/dev/null 2>&1 & echo $! > /tmp/hold.pid; sleep 0.3`,
      ),
    ],
    ask: 'node-50 port 1333 from node-12 address already in use',
    // a port of its own: sockets of other scenarios in TIME_WAIT would keep 1301 from being taken
    felt: { from: 'node-12', to: target, port: 1333, as: 'refused' },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'port-closed', node: 'node-50' },
        { rule: 'port-range-overlap', node: 'node-50' },
      ],
    },
    mend: [
      letGo('node-50'),
      sysctl('node-50', 'net.ipv4.ip_local_port_range=32768 60999'),
      { on: 'node-51', stop: 'web' },
      { on: 'node-50', start: { name: 'late', address: '0.0.0.0', port: 1333 } },
    ],
  },
  {
    id: 'abort-on-overflow',
    fault: 'F04',
    about:
      'tcp_abort_on_overflow is on at node-50, and bursts of node-51 arrive at a server that takes two connections a second.',
    definition: plain,
    break: [
      sysctl('node-50', 'net.ipv4.tcp_abort_on_overflow=1'),
      { on: 'node-50', stop: shortQueue.name },
      on50(
        'sh',
        '-c',
        `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(1302, INADDR_ANY)) or die; listen(S, 2); while (1) { accept(my $c, S); close $c; select undef, undef, undef, 0.4 }' >/dev/null 2>&1 & echo $! > /tmp/slow.pid; sleep 0.3`,
      ),
    ],
    traffic: [
      {
        on: 'node-51',
        run: [
          'sh',
          '-c',
          // final ACKs that come late, all at once: every SYN found room, not every ACK does
          `while :; do iptables -A OUTPUT -p tcp --dport 1302 --tcp-flags SYN,ACK ACK -j DROP; perl -MSocket -MFcntl -e 'for (1 .. 3) { socket(my $s, PF_INET, SOCK_STREAM, 0); fcntl($s, F_SETFL, O_NONBLOCK); connect($s, sockaddr_in(1302, inet_aton("${target}"))); push @s, $s } select undef, undef, undef, 0.5; system("iptables -F OUTPUT"); select undef, undef, undef, 0.8'; done`,
        ],
      },
    ],
    ask: 'node-50 port 1302 from node-12 for 5s connection reset right after connect',
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'abort-on-overflow', node: 'node-50' }],
    },
    mend: [
      sysctl('node-50', 'net.ipv4.tcp_abort_on_overflow=0'),
      on50('sh', '-c', 'kill $(cat /tmp/slow.pid); sleep 0.2'),
      { on: 'node-51', run: ['iptables', '-F', 'OUTPUT'] },
      { on: 'node-50', start: shortQueue },
    ],
  },
  {
    id: 'bad-checksum',
    fault: 'F20',
    about: 'The router writes a wrong checksum into every packet for the port, as broken offloading does.',
    definition: plain,
    break: [
      { on: 'node-12', run: ['ethtool', '-K', 'eth0', 'tx', 'off'] },
      onRouter('nft', 'add table ip fabric'),
      onRouter('nft', 'add chain ip fabric forward { type filter hook forward priority 0; policy accept; }'),
      onRouter('nft', 'add rule ip fabric forward tcp dport 1301 @th,128,16 set 0xbeef'),
    ],
    ask: 'node-50 port 1301 from node-12 timeout',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'bad-checksum', node: 'node-50' }] },
    mend: [onRouter('nft', 'delete table ip fabric'), { on: 'node-12', run: ['ethtool', '-K', 'eth0', 'tx', 'on'] }],
  },
];
