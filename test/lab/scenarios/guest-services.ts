import type { Scenario } from '../scenario.ts';
import { clusterLab, fabricAsBefore, feltFromPod, onFabric, sh } from './guest-cluster.ts';

/** Chains as Calico's agent makes them for one pod: to workloads, to this one, nothing allowed. */
const policy = [
  'iptables -N cali-FORWARD',
  'iptables -N cali-to-wl-dispatch',
  'iptables -N cali-tw-cali-web',
  'iptables -I FORWARD -j cali-FORWARD',
  'iptables -A cali-FORWARD -o cali-+ -j cali-to-wl-dispatch',
  'iptables -A cali-to-wl-dispatch -o cali-web -m comment --comment "cali:netcheck" -g cali-tw-cali-web',
  'iptables -A cali-tw-cali-web -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  'iptables -A cali-tw-cali-web -m comment --comment "Drop if no profiles matched" -j DROP',
].join('\n');
const withoutPolicy = [
  'iptables -D FORWARD -j cali-FORWARD',
  ...['cali-FORWARD', 'cali-to-wl-dispatch', 'cali-tw-cali-web'].map((chain) => `iptables -F ${chain}`),
  ...['cali-FORWARD', 'cali-to-wl-dispatch', 'cali-tw-cali-web'].map((chain) => `iptables -X ${chain}`),
].join('\n');
/** A namespace beside the node's own, with as many tracked connections as one may have. */
const otherTable = `ip netns add other
ip -n other link set lo up
ip netns exec other iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT
sysctl -qw net.netfilter.nf_conntrack_max=64
ip netns exec other bash -c 'for i in $(seq 1 90); do echo x > /dev/udp/127.0.1.$i/9; done' 2>/dev/null || true`;

/** On guests: what the nodes of a cluster do to the traffic of Services, besides IPVS itself. */
export const guestServiceScenarios: readonly Scenario[] = [
  {
    id: 'vxlan-fdb-missing',
    fault: 'F53',
    about: 'The forwarding table of node-2 has lost the other end of the VXLAN: its packets go nowhere.',
    definition: clusterLab,
    break: [sh('node-2', 'bridge fdb del 66:00:00:00:00:03 dev vxlan.calico dst 172.16.0.3')],
    ask: '10.96.0.45 port 80 from node-2 netns app-v cross-node tunnel timeout',
    felt: feltFromPod('app-v', '10.96.0.45', { exit: 110, says: /timed out/ }),
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'vxlan-fdb', path: { from: 'node-2@app-v', to: 'node-2' } }],
      mayBeLikely: [{ rule: 'rollout-endpoint-lag', node: 'node-2' }],
    },
    mend: [sh('node-2', 'bridge fdb add 66:00:00:00:00:03 dev vxlan.calico dst 172.16.0.3')],
  },
  {
    id: 'vxlan-bad-checksum',
    fault: 'F52',
    about:
      'What a network card with the checksum bug sends: VXLAN packets to node-3 whose outer UDP checksum is wrong. The card is imitated on the switch; the kernel of node-3 throws them away by itself.',
    definition: clusterLab,
    break: [onFabric('add rule bridge fabric forward ip daddr 172.16.0.3 udp dport 4789 udp checksum set 1')],
    ask: '10.96.0.45 port 80 from node-2 netns app-v cross-node tunnel timeout',
    felt: feltFromPod('app-v', '10.96.0.45', { exit: 110, says: /timed out/ }),
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'vxlan-csum-63s', path: { from: 'node-2@app-v', to: 'node-2' } }],
    },
    mend: fabricAsBefore,
  },
  {
    id: 'networkpolicy-deny',
    fault: 'F74',
    about:
      'The chains of Calico for the pod on node-3 let nothing new in. The question names the Service only; node-3 joins by itself.',
    definition: clusterLab,
    break: [sh('node-3', policy)],
    ask: '10.96.0.44 port 80 from node-2 netns app clusterip timeout, network policy?',
    felt: feltFromPod('app', '10.96.0.44', { exit: 110, says: /timed out/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'networkpolicy-deny', node: 'node-3' }] },
    mend: [sh('node-3', withoutPolicy)],
  },
  {
    id: 'decoy-other-conntrack-full',
    fault: 'F13, healthy',
    about:
      'The connection table of another namespace of the node is full, and the kernel log says so ("table full, dropping packet"); the one that the traffic goes through has room.',
    definition: clusterLab,
    break: [sh('node-2', otherTable)],
    ask: 'node-2 port 30170 from client times out',
    felt: { from: 'client', to: '172.16.0.2', port: 30_170, as: 'connected' },
    expect: { verdict: 'clear', confirmed: [] },
    mend: [sh('node-2', 'sysctl -qw net.netfilter.nf_conntrack_max=65536; ip netns del other')],
  },
  {
    id: 'hairpin-off',
    fault: 'F56',
    about:
      'A pod asks its own Service. The DNAT rule of the node sends it back to the port of the bridge that it came from, and hairpin is off there.',
    definition: clusterLab,
    break: [sh('node-2', 'ip link set veth-twin-b type bridge_slave hairpin off')],
    ask: '10.96.0.47 port 80 from node-2 netns twin-b cannot reach itself, own service',
    felt: feltFromPod('twin-b', '10.96.0.47', { exit: 110, says: /timed out/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'hairpin-off', node: 'node-2' }] },
    mend: [sh('node-2', 'ip link set veth-twin-b type bridge_slave hairpin on')],
    // no node owns the address of such a Service, so what listens on it cannot be told
    mended: 'inconclusive',
  },
];
