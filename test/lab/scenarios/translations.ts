import type { LabDefinition, LabNode } from '../network.ts';
import { onRouter, type Scenario, target } from '../scenario.ts';
import { plain } from '../topologies.ts';

/** node-12 and node-50 reach each other's pods by VXLAN, as flannel and Calico build it, over the routed network. */
const overlay: LabDefinition = {
  name: 'overlay',
  nodes: plain.nodes.map((node): LabNode => {
    const ends: Readonly<Record<string, { own: string; other: string; address: string }>> = {
      'node-12': { own: '10.0.12.2', other: target, address: '10.245.0.12' },
      'node-50': { own: target, other: '10.0.12.2', address: '10.245.0.50' },
    };
    const end = ends[node.name];
    if (end === undefined) return node;
    const setup = [
      `ip link add vxlan.calico type vxlan id 4096 local ${end.own} remote ${end.other} dstport 4789`,
      `ip addr add ${end.address}/24 dev vxlan.calico`,
      'ip link set vxlan.calico mtu 1450 up',
    ].map((line) => line.split(' '));
    return { ...node, setup: [...(node.setup ?? []), ...setup] };
  }),
};

const collide = (...words: string[]): readonly string[] => ['perl', '/run/netcheck-lab/collide.pl', ...words];
const randomly = '-s 10.244.12.0/24 -o eth0 -j MASQUERADE --random-fully';
/**
 * Between translation (priority 100) and the moment when connection tracking confirms an entry: SYNs of pods wait there
 * for each other. The table is one that nothing else uses.
 */
const hold = `iptables -t security -N HOLD
iptables -t security -A HOLD -p tcp --syn --dport 1301 -m conntrack --ctorigsrc 10.244.12.0/24 -j NFQUEUE --queue-num 5 --queue-bypass
nft 'add chain ip security late { type filter hook postrouting priority 200; }'
nft add rule ip security late jump HOLD`;
const colliding: LabDefinition = {
  name: 'colliding',
  nodes: plain.nodes.map((node) =>
    node.name === 'node-12' ? { ...node, setup: [...(node.setup ?? []), ['sh', '-ec', hold]] } : node,
  ),
};

/** F14, F15, F42: addresses are translated, or packets are wrapped, on the way. */
export const translationScenarios: readonly Scenario[] = [
  {
    id: 'snat-port-exhaustion',
    fault: 'F15',
    about:
      'The router translates sources into four ports, and four connections of node-12 to the port hold all of them.',
    definition: plain,
    break: [
      onRouter(...'iptables -t nat -A POSTROUTING -o eth1 -p tcp -j MASQUERADE --to-ports 40000-40003'.split(' ')),
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          `perl -MSocket -e 'for (1 .. 4) { socket(my $s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)); connect($s, sockaddr_in(1301, inet_aton("${target}"))); push @s, $s } sleep 60' >/dev/null 2>&1 & echo $! > /tmp/hold.pid; sleep 0.5`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 via r1 timeout',
    felt: { from: 'node-12', to: target, port: 1301, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'snat-port-exhaustion', node: 'r1' }] },
    mend: [
      { on: 'node-12', run: ['sh', '-c', 'kill $(cat /tmp/hold.pid)'] },
      onRouter('iptables', '-t', 'nat', '-F', 'POSTROUTING'),
      onRouter('conntrack', '-F'),
    ],
  },
  {
    id: 'conntrack-insert-race',
    fault: 'F14',
    about:
      "Two pods behind one MASQUERADE connect from the same source port at the same moment, twice a second: both are given the same translation, and the one that is confirmed second loses its SYN. That the two packets are translated before either is confirmed is forced (NFQUEUE holds the first until the second is there); the choice of ports, the clash, the counter and the loss are the kernel's own.",
    definition: colliding,
    // healthy means that ports are chosen at random
    break: [{ on: 'node-12', run: ['sh', '-c', `iptables -t nat -D POSTROUTING ${randomly} 2>/dev/null; true`] }],
    traffic: [
      { on: 'node-12', run: collide('hold', '5') },
      { on: 'pod-a', run: collide('connect', target, '1301') },
      { on: 'pod-b', run: collide('connect', target, '1301') },
    ],
    ask: 'node-50 port 1301 from 10.244.12.2 via node-12 connects take a second now and then for 5s',
    felt: {
      from: 'pod-b',
      run: ['sh', '-c', 'before=$(wc -c < /tmp/slow); sleep 2.5; [ $(wc -c < /tmp/slow) = $before ] || exit 9'],
      broken: { exit: 9 },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'conntrack-insert-race', node: 'node-12' }],
      // of a connect whose answer came after the capture's end
      mayBeLikely: [{ rule: 'syn-unanswered', node: 'node-12' }],
      remedy: { node: 'node-12', command: `iptables -t nat -I POSTROUTING 1 ${randomly}` },
    },
    mend: [
      {
        on: 'node-12',
        run: ['sh', '-ec', `iptables -t nat -I POSTROUTING 1 ${randomly}`],
      },
    ],
    // the pod has no login, so nothing is tried from there
    mended: 'inconclusive',
  },
  {
    id: 'vxlan-mtu',
    fault: 'F42',
    about:
      'The VXLAN device of both nodes has the MTU of the card (1500): what is wrapped goes in fragments, and the router drops fragments.',
    definition: overlay,
    break: [
      onRouter('iptables', '-A', 'FORWARD', '-f', '-j', 'DROP'),
      { on: 'node-12', run: ['ip', 'link', 'set', 'vxlan.calico', 'mtu', '1500'] },
      { on: 'node-50', run: ['ip', 'link', 'set', 'vxlan.calico', 'mtu', '1500'] },
    ],
    ask: '10.245.0.50 port 1301 from node-12 large packets between nodes, vxlan',
    felt: {
      from: 'node-12',
      run: ['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', '1472', '10.245.0.50'],
      broken: { exit: 1 },
      // what is too large for the tunnel is said at once, by the node itself
      mended: { exit: 1, says: /message too long|mtu/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [
        { rule: 'cni-mtu-mismatch', node: 'node-12' },
        { rule: 'cni-mtu-mismatch', node: 'node-50' },
      ],
    },
    mend: [
      { on: 'node-12', run: ['ip', 'link', 'set', 'vxlan.calico', 'mtu', '1450'] },
      { on: 'node-50', run: ['ip', 'link', 'set', 'vxlan.calico', 'mtu', '1450'] },
    ],
  },
];
