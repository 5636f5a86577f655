import type { LabStep } from '../network.ts';
import type { Outcome, Scenario } from '../scenario.ts';
import { clamp, plainService, web } from '../uml/guest-topologies.ts';
import { clusterLab, fabricAsBefore, feltFromPod, inPod, onFabric, sh, talk } from './guest-cluster.ts';

const clamped = (what: '-A' | '-D'): LabStep => sh('node-2', clamp(what));
/** Established connections of IPVS are forgotten after this. */
const idleSeconds = (seconds: number): LabStep =>
  sh('node-2', `ipvsadm --set ${seconds} ${seconds > 100 ? '120 300' : '5 5'}`);
/** When the kernel of the pod sends the first keep-alive, for sockets that have it on. */
const keepaliveOfPod = (seconds: string): LabStep =>
  sh(
    'node-2',
    `ip netns exec app sysctl -qw net.ipv4.tcp_keepalive_time=${seconds} net.ipv4.tcp_keepalive_intvl=${seconds === '7200' ? 75 : seconds}`,
  );
/** The server keeps the connections that IPVS has forgotten: nobody shall meet them later. */
const restartWeb: readonly LabStep[] = [
  { on: 'node-3', stop: web.name },
  { on: 'node-3', start: web },
];
/** Several clients in the pod, 1.2 s apart: one of them connects soon after a short window begins. */
const talkers = (...steps: string[]): NonNullable<Scenario['traffic']> => [
  {
    on: 'node-2',
    run: [
      ...inPod('app'),
      'sh',
      '-c',
      `for i in 1 2 3 4 5; do (while :; do ${talk('10.96.0.44', 80, 'apart', ...steps).join(' ')}; sleep 0.2; done) >/dev/null 2>&1 & sleep 1.2; done; wait`,
    ],
  },
];
/** Two connects: the servers of a Service take turns. */
const feltNowAndThen = (pod: string, service: string, broken: Outcome): NonNullable<Scenario['felt']> => ({
  from: 'node-2',
  run: [...inPod(pod), 'sh', '-ec', `for i in 1 2; do ${talk(service, 80, 'get').join(' ')}; done`],
  broken,
});
const secondServer = (what: '-a' | '-d'): LabStep =>
  sh('node-2', `ipvsadm ${what} -t 10.96.0.44:80 -r 10.244.3.3:8080${what === '-a' ? ' -m' : ''}`);
const podGone = sh('node-3', 'ip link set cali-web down; ip route add unreachable 10.244.3.2/32');
const podBack = sh(
  'node-3',
  'ip route del unreachable 10.244.3.2/32; ip link set cali-web up; ip route add 10.244.3.2/32 dev cali-web',
);
/** On guests with kernels of their own. */
export const guestScenarios: readonly Scenario[] = [
  {
    id: 'tunnel-mtu-predicted',
    fault: 'field report 2, F40',
    about:
      'NodePort 30170 of node-2 goes through IPVS and tunl0 (MTU 1440) to a pod with an MTU of 1450. No large segment is sent yet: the fault stands in the handshake.',
    definition: clusterLab,
    break: [clamped('-D')],
    ask: 'node-2 port 30170 from client small requests work, large uploads hang',
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'mtu-too-small', node: 'node-2' }],
      // what the pod sends back meets the same MTU on its own node
      mayBeLikely: [{ rule: 'mtu-too-small', node: 'node-3' }],
      headline: /probably A device on the way has a smaller MTU/,
    },
    inTests: true,
    mend: [clamped('-A')],
  },
  {
    id: 'tunnel-mtu-blackhole',
    fault: 'field report 2, F40, F41',
    about:
      'The same path under load: segments of 4, 1398 and 1307 bytes. The packets of 1450 bytes die between eth0 and tunl0, and the network drops what node-2 says about it, as a load balancer does. All of it real.',
    definition: clusterLab,
    break: [clamped('-D')],
    traffic: [
      {
        on: 'client',
        run: [
          'sh',
          '-c',
          `while :; do ${talk('172.16.0.2', 30170, 'get', 'upload', '4,2705').join(' ')}; sleep 1; done`,
        ],
      },
    ],
    ask: 'node-2 port 30170 from client small requests work, large uploads hang for 4s',
    felt: {
      from: 'client',
      run: talk('172.16.0.2', 30170, 'get', 'upload', '4,2705'),
      broken: { exit: 4, says: /no answer/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'mtu-too-small', node: 'node-2' },
        { rule: 'mtu-blackhole', node: 'node-2' },
        { rule: 'frag-needed-ignored', node: 'node-2' },
      ],
      mayBeLikely: [
        { rule: 'mtu-too-small', node: 'node-3' },
        { rule: 'mtu-blackhole', node: 'client' },
        // says itself that only large segments may be lost
        { rule: 'dead-peer-retries2', node: 'client' },
      ],
      headline: /A device on the way has a smaller MTU/,
      remedy: {
        node: 'node-2',
        command: clamp('-A'),
      },
    },
    mend: [clamped('-A')],
  },
  {
    id: 'ipvs-idle-reset',
    fault: 'field report 4, F60',
    about:
      'IPVS forgets connections after 5 s instead of 900; clients in the pod say nothing for 6 s, and none has SO_KEEPALIVE. The server hears nothing of it. All of it real.',
    definition: clusterLab,
    break: [idleSeconds(5), keepaliveOfPod('7200')],
    traffic: talkers('get', 'sleep', '5.8', 'get'),
    ask: '10.96.0.44 port 80 from node-2 netns app via node-3 connection reset after idle for 8s',
    felt: {
      from: 'node-2',
      run: [...inPod('app'), ...talk('10.96.0.44', 80, 'get', 'sleep', '6.5', 'get')],
      broken: { exit: 104, says: /Connection reset by peer/ },
      limitSec: 15,
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'ipvs-idle-timeout', path: { from: 'node-2@app', to: 'node-2' } }],
      // the RST comes from the node in between: true, and less than the cause
      mayBeLikely: [
        { rule: 'rst-injected', node: 'node-2' },
        { rule: 'rst-injected', node: 'node-2@app' },
        { rule: 'rst-on-close', node: 'node-2' },
        { rule: 'rst-on-close', node: 'node-2@app' },
      ],
      headline: /IPVS forgets connections/,
      remedy: { node: 'node-2', command: 'ipvsadm --set 7200 0 0' },
    },
    mend: [idleSeconds(900), ...restartWeb],
    // nobody is silent for 900 s while netcheck watches, and nobody is protected either
    mended: 'inconclusive',
  },
  {
    id: 'ipvs-idle-keepalive-7200',
    fault: 'field report 4, F60',
    about:
      'The application sets SO_KEEPALIVE, and the times are those of its own network namespace: 7200 s. Mended there, in the pod, not on the node.',
    definition: clusterLab,
    break: [idleSeconds(5), keepaliveOfPod('7200')],
    traffic: talkers('keepalive', '0', 'get', 'sleep', '5.8', 'get'),
    ask: '10.96.0.44 port 80 from node-2 netns app via node-3 connection reset after idle for 8s',
    felt: {
      from: 'node-2',
      run: [...inPod('app'), ...talk('10.96.0.44', 80, 'keepalive', '0', 'get', 'sleep', '6.5', 'get')],
      broken: { exit: 104, says: /Connection reset by peer/ },
      limitSec: 15,
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'ipvs-idle-timeout', path: { from: 'node-2@app', to: 'node-2' } }],
      mayBeLikely: [
        { rule: 'rst-injected', node: 'node-2' },
        { rule: 'rst-injected', node: 'node-2@app' },
        { rule: 'rst-on-close', node: 'node-2' },
        { rule: 'rst-on-close', node: 'node-2@app' },
      ],
    },
    mend: [keepaliveOfPod('2'), ...restartWeb],
  },
  {
    id: 'ipvs-idle-keepalive',
    fault: 'field report 4, healthy',
    about: 'The same short time-out and the same silence, and the application sends keep-alives every 2 s by itself.',
    definition: clusterLab,
    break: [idleSeconds(5), keepaliveOfPod('7200')],
    traffic: talkers('keepalive', '2', 'get', 'sleep', '5.8', 'get'),
    ask: '10.96.0.44 port 80 from node-2 netns app via node-3 connection reset after idle for 8s',
    felt: {
      from: 'node-2',
      run: [...inPod('app'), ...talk('10.96.0.44', 80, 'keepalive', '2', 'get', 'sleep', '6.5', 'get')],
      broken: { exit: 0 },
      limitSec: 15,
    },
    expect: { verdict: 'clear', confirmed: [], mayBeLikely: [] },
    mend: [idleSeconds(900), ...restartWeb],
  },
  {
    id: 'ipvs-empty-service',
    fault: 'F66',
    about: 'The IPVS service has no real server left: the node answers with ICMP port unreachable.',
    definition: clusterLab,
    break: [sh('node-2', 'ipvsadm -d -t 10.96.0.44:80 -r 10.244.3.2:8080')],
    ask: '10.96.0.44 port 80 from node-2 netns app clusterip refused',
    felt: feltFromPod('app', '10.96.0.44', { exit: 111, says: /Connection refused/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'no-endpoints', node: 'node-2' }], mayBeLikely: [] },
    inTests: true,
    mend: [sh('node-2', 'ipvsadm -a -t 10.96.0.44:80 -r 10.244.3.2:8080 -m')],
  },
  {
    id: 'ipvs-all-weight-0',
    fault: 'F66, field report 3b',
    about: 'The only real server has weight 0, as kube-proxy leaves one that is going away.',
    definition: clusterLab,
    break: [sh('node-2', 'ipvsadm -e -t 10.96.0.44:80 -r 10.244.3.2:8080 -m -w 0')],
    ask: '10.96.0.44 port 80 from node-2 netns app clusterip refused',
    felt: feltFromPod('app', '10.96.0.44', { exit: 111, says: /Connection refused/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'no-endpoints', node: 'node-2' }], mayBeLikely: [] },
    mend: [sh('node-2', 'ipvsadm -e -t 10.96.0.44:80 -r 10.244.3.2:8080 -m -w 1')],
  },
  {
    id: 'ipvs-server-refuses',
    fault: 'F69, field report 3b',
    about:
      'One of two pods of the Service no longer listens and IPVS still sends to it: every other connect is refused by the pod.',
    definition: clusterLab,
    break: [secondServer('-a'), { on: 'node-3', stop: web.name }],
    ask: '10.96.0.44 port 80 from node-2 netns app clusterip refused',
    felt: feltNowAndThen('app', '10.96.0.44', { exit: 111, says: /Connection refused/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'rollout-endpoint-lag', node: 'node-2' }] },
    mend: [{ on: 'node-3', start: web }, secondServer('-d')],
  },
  {
    id: 'ipvs-server-gone',
    fault: 'F62, field report 3b',
    about:
      'One of two pods is gone and IPVS still sends to its address: node-3 answers every other connect with host unreachable.',
    definition: clusterLab,
    break: [secondServer('-a'), podGone],
    ask: '10.96.0.44 port 80 from node-2 netns app no route to host, clusterip',
    felt: feltNowAndThen('app', '10.96.0.44', { exit: 113, says: /No route to host/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'rollout-endpoint-lag', node: 'node-2' }] },
    mend: [podBack, secondServer('-d')],
  },
  {
    id: 'ipvs-stale-rs',
    fault: 'F62, field report 3b',
    about:
      'conn_reuse_mode is 0, as kube-proxy sets it on old kernels; the pod is drained and gone, another one is there, and the client uses its few source ports again: entries in TIME_WAIT send its SYNs to the pod that is gone.',
    definition: clusterLab,
    break: [
      sh(
        'node-2',
        `sysctl -qw net.ipv4.vs.conn_reuse_mode=0
# what was connected before may still hold these ports in TIME_WAIT
ip netns exec app sysctl -qw net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range='40000 40005'
for i in 1 2 3 4 5 6; do ip netns exec app curl -sS -m 3 -o /dev/null http://10.96.0.44/; done
ipvsadm -e -t 10.96.0.44:80 -r 10.244.3.2:8080 -m -w 0
ipvsadm -a -t 10.96.0.44:80 -r 10.244.3.3:8080 -m`,
      ),
      podGone,
    ],
    ask: '10.96.0.44 port 80 from node-2 netns app no route to host since the rollout, clusterip',
    felt: feltFromPod('app', '10.96.0.44', { exit: 113, says: /No route to host/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'ipvs-stale-rs', node: 'node-2' }] },
    mend: [
      podBack,
      sh(
        'node-2',
        `sysctl -qw net.ipv4.vs.conn_reuse_mode=1
ip netns exec app sysctl -qw net.ipv4.tcp_tw_reuse=2 net.ipv4.ip_local_port_range='32768 60999'
ipvsadm -e -t 10.96.0.44:80 -r 10.244.3.2:8080 -m -w 1
ipvsadm -d -t 10.96.0.44:80 -r 10.244.3.3:8080`,
      ),
    ],
  },
  {
    id: 'ipip-blocked',
    fault: 'F50',
    about: 'The network between the nodes drops IP in IP (protocol 4); everything else passes.',
    definition: clusterLab,
    break: [onFabric('add rule bridge fabric forward ip protocol 4 drop')],
    ask: '10.96.0.44 port 80 from node-2 netns app cross-node tunnel timeout',
    felt: feltFromPod('app', '10.96.0.44', { exit: 110, says: /timed out/ }),
    expect: {
      verdict: 'found',
      // node-3, where the pod of the Service lives, joins by itself: what never comes in there proves it
      confirmed: [{ rule: 'ipip-blocked', path: { from: 'node-2@app', to: 'node-2' } }],
      mayBeLikely: [{ rule: 'rollout-endpoint-lag', node: 'node-2' }],
    },
    mend: fabricAsBefore,
  },
  {
    id: 'vxlan-blocked',
    fault: 'F51',
    about: 'The network between the nodes drops VXLAN (UDP 4789); everything else passes.',
    definition: clusterLab,
    break: [onFabric('add rule bridge fabric forward udp dport 4789 drop')],
    ask: '10.96.0.45 port 80 from node-2 netns app-v cross-node tunnel timeout',
    felt: feltFromPod('app-v', '10.96.0.45', { exit: 110, says: /timed out/ }),
    expect: {
      verdict: 'found',
      // node-3, where the pod of the Service lives, joins by itself: what never comes in there proves it
      confirmed: [{ rule: 'vxlan-blocked', path: { from: 'node-2@app-v', to: 'node-2' } }],
      mayBeLikely: [{ rule: 'rollout-endpoint-lag', node: 'node-2' }],
    },
    mend: fabricAsBefore,
  },
  {
    id: 'vxlan-mtu-predicted',
    fault: 'F40, F42',
    about: 'The VXLAN device of node-2 has an MTU of 1400 and the pods have 1450: told from the handshake.',
    definition: clusterLab,
    break: [sh('node-2', 'ip link set vxlan.calico mtu 1400')],
    ask: 'node-2 port 30180 from client small requests work, large uploads hang',
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'mtu-too-small', node: 'node-2' }],
      mayBeLikely: [{ rule: 'cni-mtu-mismatch', node: 'node-2' }],
    },
    mend: [sh('node-2', 'ip link set vxlan.calico mtu 1450')],
  },
  {
    id: 'conntrack-full-guest',
    fault: 'F13',
    about: 'The connection-tracking table of the forwarding node is full: a limit that a kernel has only once.',
    definition: clusterLab,
    break: [
      sh(
        'node-2',
        'conntrack -F 2>/dev/null; sysctl -qw net.netfilter.nf_conntrack_max=4; for i in 1 2 3 4 5 6 7 8; do ping -c 1 -W 1 172.16.0.3 >/dev/null 2>&1 & done; sleep 1; true',
      ),
    ],
    traffic: [{ on: 'node-2', run: ['sh', '-c', 'while :; do ping -c 1 -W 1 172.16.0.3 >/dev/null; sleep 0.2; done'] }],
    ask: 'node-2 port 30170 from client times out',
    felt: { from: 'client', to: '172.16.0.2', port: 30_170, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'conntrack-full', node: 'node-2' }] },
    mend: [sh('node-2', 'sysctl -qw net.netfilter.nf_conntrack_max=65536')],
  },
  {
    id: 'arp-overflow-guest',
    fault: 'F22',
    about:
      'The neighbour table of the forwarding node takes 8 entries, and it talks to more: a limit that a kernel has only once.',
    definition: clusterLab,
    break: [
      sh('node-3', 'for i in $(seq 101 130); do ip addr add 172.16.0.$i/24 dev eth0; done'),
      sh(
        'node-2',
        `ip neigh replace 10.254.0.1 lladdr $(ip neigh show 10.254.0.1 | grep -o '..:..:..:..:..:..') dev mgmt0 nud permanent
sysctl -qw net.ipv4.neigh.default.gc_thresh1=2 net.ipv4.neigh.default.gc_thresh2=4 net.ipv4.neigh.default.gc_thresh3=8
ip neigh flush dev eth0; for i in $(seq 101 112); do ping -c 1 -W 1 172.16.0.$i >/dev/null 2>&1 & done; wait`,
      ),
    ],
    traffic: [
      {
        on: 'node-2',
        run: [
          'sh',
          '-c',
          'while :; do for i in $(seq 101 112); do ping -c 1 -W 1 172.16.0.$i >/dev/null 2>&1 & done; wait; sleep 1; done',
        ],
      },
    ],
    ask: 'node-2 port 30170 from client times out now and then',
    expect: { verdict: 'found', confirmed: [{ rule: 'arp-overflow', node: 'node-2' }] },
    mend: [
      sh(
        'node-2',
        'sysctl -qw net.ipv4.neigh.default.gc_thresh3=1024 net.ipv4.neigh.default.gc_thresh2=512 net.ipv4.neigh.default.gc_thresh1=128',
      ),
      sh('node-3', 'for i in $(seq 101 130); do ip addr del 172.16.0.$i/24 dev eth0; done'),
    ],
  },
  {
    id: 'port-range-overlap-guest',
    fault: 'F32',
    about:
      'The NodePort lies inside the range of source ports of its node, and is not reserved: a risk, nothing more yet.',
    definition: clusterLab,
    break: [sh('node-2', "sysctl -qw net.ipv4.ip_local_port_range='30000 60999'")],
    ask: 'node-2 port 30170 from client playbook slow-connect',
    felt: { from: 'client', to: '172.16.0.2', port: 30_170, as: 'connected' },
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'port-range-overlap', node: 'node-2' }],
      mayBeLikely: [],
    },
    mend: [sh('node-2', "sysctl -qw net.ipv4.ip_local_port_range='32768 60999'")],
  },
  {
    id: 'tcp-mem-pressure',
    fault: 'F36',
    about: 'The memory for TCP of node-3 is 16 pages, and connections whose data nobody reads hold it.',
    definition: clusterLab,
    break: [{ on: 'node-3', freeze: plainService.name }, sh('node-3', "sysctl -qw net.ipv4.tcp_mem='8 12 16'")],
    traffic: [
      {
        on: 'client',
        run: [
          'sh',
          '-c',
          `while :; do for i in 1 2 3 4 5 6; do timeout 6 bash -c 'exec 3<>/dev/tcp/172.16.0.3/8081; head -c 300000 /dev/zero >&3' 2>/dev/null & done; wait; sleep 1; done`,
        ],
      },
    ],
    ask: 'node-3 port 8081 from client playbook slow-connect',
    // over the limit, and nobody's connection was ended for it
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'tcp-mem-pressure', node: 'node-3' }] },
    mend: [sh('node-3', "sysctl -qw net.ipv4.tcp_mem='1000 2000 3000'"), { on: 'node-3', thaw: plainService.name }],
  },
  {
    id: 'bridge-nf-off',
    fault: 'F54',
    about:
      'Both pods are on one bridge of the node, and bridged packets pass IPVS by: the answer comes with the address of the pod, and the client resets it.',
    definition: clusterLab,
    break: [sh('node-2', 'sysctl -qw net.bridge.bridge-nf-call-iptables=0')],
    ask: '10.96.0.46 port 80 from node-2 netns twin-a clusterip times out',
    felt: feltFromPod('twin-a', '10.96.0.46', { exit: 110, says: /timed out/ }),
    expect: { verdict: 'found', confirmed: [{ rule: 'bridge-nf-off', node: 'node-2' }] },
    mend: [sh('node-2', 'sysctl -qw net.bridge.bridge-nf-call-iptables=1')],
  },
];
