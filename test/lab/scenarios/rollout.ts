import type { LabDefinition, LabNode, LabService, LabStep } from '../network.ts';
import type { Scenario } from '../scenario.ts';

const nodePort = 30080;
/** A Service with the policy Local whose only pod runs on node-51. */
const localPort = 30170;
/** A name server as a Service: its clients keep their source port. */
const namesPort = 30053;
const names: LabService = {
  name: 'names',
  address: '0.0.0.0',
  port: 5353,
  dns: { records: { 'node-50': ['172.16.0.50'] } },
};
const web: LabService = { name: 'web', address: '0.0.0.0', port: 8080 };
const podAddress = (node: 30 | 50 | 51): string => `10.244.${node}.2`;
const loadBalancer = '203.0.113.9';

function podOf(node: 30 | 50 | 51, more: Partial<LabNode> = {}): LabNode {
  return {
    name: `pod-${node}`,
    management: `10.255.0.${100 + node}`,
    interfaces: [{ network: `pod-${node}`, device: 'eth0', address: `${podAddress(node)}/30` }],
    routes: [['default', `10.244.${node}.1`]],
    services: [web],
    ...more,
  };
}

function nodeOf(node: 30 | 50 | 51, more: Partial<LabNode> = {}): LabNode {
  const pods = ([30, 50, 51] as const).filter((other) => other !== node);
  return {
    name: `node-${node}`,
    management: `10.255.0.${node}`,
    interfaces: [
      { network: 'lan', device: 'eth0', address: `172.16.0.${node}/24` },
      { network: `pod-${node}`, device: `cali${node}`, address: `10.244.${node}.1/30` },
    ],
    routes: [
      ['default', '172.16.0.1'],
      ...pods.map((other): [string, string] => [`10.244.${other}.0/30`, `172.16.0.${other}`]),
    ],
    sysctls: { 'net.ipv4.ip_forward': '1' },
    ...more,
  };
}

/** What kube-proxy 1.30 writes in iptables mode for two Services (without the parts that other Services need). */
const kubeProxy = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-EXT-WEB - [0:0]
:KUBE-EXT-EDGE - [0:0]
:KUBE-SVC-WEB - [0:0]
:KUBE-SVC-EDGE - [0:0]
:KUBE-SEP-WEB50 - [0:0]
:KUBE-SEP-WEB51 - [0:0]
:KUBE-SEP-EDGE51 - [0:0]
:KUBE-EXT-DNS - [0:0]
:KUBE-SVC-DNS - [0:0]
:KUBE-SEP-DNS - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http" -m tcp --dport ${nodePort} -j KUBE-EXT-WEB
-A KUBE-NODEPORTS -p tcp -m comment --comment "edge/ingress:http" -m tcp --dport ${localPort} -j KUBE-EXT-EDGE
-A KUBE-NODEPORTS -p udp -m comment --comment "kube-system/dns:dns" -m udp --dport ${namesPort} -j KUBE-EXT-DNS
-A KUBE-EXT-DNS -m comment --comment "masquerade traffic for kube-system/dns:dns external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-DNS -j KUBE-SVC-DNS
-A KUBE-SVC-DNS -m comment --comment "kube-system/dns:dns" -j KUBE-SEP-DNS
-A KUBE-SEP-DNS -p udp -m comment --comment "kube-system/dns:dns" -m udp -j DNAT --to-destination ${podAddress(50)}:5353
-A KUBE-EXT-WEB -m comment --comment "masquerade traffic for shop/web:http external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-WEB -j KUBE-SVC-WEB
-A KUBE-EXT-EDGE -m comment --comment "route LOCAL traffic for edge/ingress:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-EDGE
-A KUBE-SVC-WEB -m comment --comment "shop/web:http -> ${podAddress(50)}:8080" -m statistic --mode random --probability 0.5 -j KUBE-SEP-WEB50
-A KUBE-SVC-WEB -m comment --comment "shop/web:http -> ${podAddress(51)}:8080" -j KUBE-SEP-WEB51
-A KUBE-SVC-EDGE -m comment --comment "edge/ingress:http -> ${podAddress(51)}:8080" -j KUBE-SEP-EDGE51
-A KUBE-SEP-WEB50 -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination ${podAddress(50)}:8080
-A KUBE-SEP-WEB51 -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination ${podAddress(51)}:8080
-A KUBE-SEP-EDGE51 -p tcp -m comment --comment "edge/ingress:http" -m tcp -j DNAT --to-destination ${podAddress(51)}:8080
COMMIT
*filter
:KUBE-EXTERNAL-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
COMMIT
`;
const restore = (rules: string): readonly string[] => [
  'sh',
  '-c',
  'printf %s "$0" | iptables-restore --noflush',
  rules,
];

/**
 * ```
 * node-12 ─── r1 ───┬─ node-30 (kube-proxy, NodePorts 30080 and 30170) ── pod-30
 *                   ├─ node-50 ── pod-50 :8080
 *                   └─ node-51 ── pod-51 :8080          203.0.113.9: a load balancer on r1 that keeps the client's address
 * ```
 */
const cluster: LabDefinition = {
  name: 'rollout',
  nodes: [
    {
      name: 'node-12',
      management: '10.255.0.12',
      interfaces: [{ network: 'lan-12', device: 'eth0', address: '10.0.12.2/24' }],
      routes: [['default', '10.0.12.1']],
    },
    {
      name: 'r1',
      management: '10.255.0.2',
      interfaces: [
        { network: 'lan-12', device: 'eth0', address: '10.0.12.1/24' },
        { network: 'lan', device: 'eth1', address: '172.16.0.1/24' },
      ],
      routes: ([30, 50, 51] as const).map((node) => [`10.244.${node}.0/30`, `172.16.0.${node}`]),
      sysctls: {
        'net.ipv4.ip_forward': '1',
        'net.ipv4.conf.all.send_redirects': '0',
        'net.ipv4.conf.eth1.send_redirects': '0',
      },
    },
    nodeOf(30, { setup: [restore(kubeProxy)] }),
    nodeOf(50),
    nodeOf(51),
    podOf(30, { services: [] }),
    podOf(50),
    podOf(51, { services: [web, names] }),
  ],
};

/** Connects one after the other, each to a backend that kube-proxy draws; fails with what one of them met. */
const connects = (address: string, port: number, limitSec: number): readonly string[] => [
  'bash',
  '-c',
  'bad=0; for i in $(seq 12); do timeout "$2" bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$0" "$1" || bad=1; done; exit $bad',
  address,
  String(port),
  String(limitSec),
];
const onPod = (...run: readonly string[]): LabStep => ({ on: 'pod-50', run });
const addressOfPod = `${podAddress(50)}/30`;

/** Its node still has the way to it, and gets no ARP answer. */
const podGone: readonly LabStep[] = [
  onPod('ip', 'addr', 'del', addressOfPod, 'dev', 'eth0'),
  { on: 'node-50', run: ['ip', 'neigh', 'flush', 'dev', 'cali50'] },
];
const podBack: readonly LabStep[] = [
  onPod('ip', 'addr', 'add', addressOfPod, 'dev', 'eth0'),
  onPod('ip', 'route', 'replace', 'default', 'via', '10.244.50.1'),
  { on: 'node-50', run: ['ip', 'neigh', 'flush', 'dev', 'cali50'] },
];

/** Connections in the background that speak only when their time has come, one each 0.2 s from `fromSec` on. */
const sleepers = (on: string, count: number, fromSec: number): LabStep => ({
  on,
  run: [
    'bash',
    '-c',
    `for i in $(seq ${count}); do { exec 3<>/dev/tcp/${podAddress(50)}/8080; sleep $((${fromSec} + i / 5)).$((i % 5 * 2)) 3>&-; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3; } >/dev/null 2>&1 & done; sleep 1`,
  ],
});

/** Questions from one source port, as forwarders of names send them; `count` of them, or without end. */
const questions = (count: number): readonly string[] => [
  'perl',
  '-MIO::Socket::INET',
  '-e',
  `my $s = IO::Socket::INET->new(Proto => 'udp', LocalPort => 5399, PeerAddr => '172.16.0.30', PeerPort => ${namesPort}) or die; for (my $i = 0; ${count} == 0 || $i < ${count}; $i++) { $s->send(pack('n6', $i, 256, 1, 0, 0, 0) . chr(7) . 'node-50' . chr(0) . pack('n2', 1, 1)); select(undef, undef, undef, 0.3) }`,
];
/** kube-proxy puts pod-51 in the place of pod-50, and forgets the flows to pod-50, or does not. */
const dnsMoves: readonly LabStep[] = [
  { on: 'node-30', run: ['iptables', '-t', 'nat', '-F', 'KUBE-SEP-DNS'] },
  {
    on: 'node-30',
    run: [
      ...'iptables -t nat -A KUBE-SEP-DNS -p udp -m comment --comment kube-system/dns:dns -m udp -j DNAT'.split(' '),
      '--to-destination',
      `${podAddress(51)}:5353`,
    ],
  },
];

/** The pod is gone without a word, and another one has its address: nothing of its connections is left. */
const replacePod: readonly LabStep[] = [
  onPod('ip', 'link', 'set', 'eth0', 'down'),
  { on: 'pod-50', stop: 'web' },
  onPod('sh', '-c', 'ss -K sport = :8080 >/dev/null; true'),
  onPod('ip', 'link', 'set', 'eth0', 'up'),
  onPod('ip', 'route', 'replace', 'default', 'via', '10.244.50.1'),
  { on: 'pod-50', start: web },
];

/** Connections during a rolling update: field report 3b, and the ways of a Service. */
export const rolloutScenarios: readonly Scenario[] = [
  {
    id: 'rollout-refused',
    inTests: true,
    fault: 'field report 3b, F69',
    about:
      'The process of one of two pods has ended while kube-proxy still lists it: "Connection refused" on some connects to the NodePort. The rules are those that kube-proxy writes; kube-proxy itself does not run.',
    definition: cluster,
    break: [{ on: 'pod-50', stop: 'web' }],
    ask: `node-30 port ${nodePort} from node-12 connection refused during rolling update`,
    felt: {
      from: 'node-12',
      run: connects('172.16.0.30', nodePort, 2),
      limitSec: 30,
      broken: { exit: 1, says: /Connection refused/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'rollout-endpoint-lag', node: 'node-30' }],
      mayBeLikely: [],
      headline: /^node-30: The Service sends connections to a backend that is gone, or not ready yet/,
    },
    mend: [{ on: 'pod-50', start: web }],
  },
  {
    id: 'rollout-no-route',
    fault: 'field report 3b, F69',
    about:
      'One of two pods is gone with its address while kube-proxy still lists it: its node gets no ARP answer and says so, "No route to host" after 3 s on some connects to the NodePort. kube-proxy itself does not run.',
    definition: cluster,
    break: podGone,
    ask: `node-30 port ${nodePort} from node-12 no route to host during rolling update`,
    felt: {
      from: 'node-12',
      run: connects('172.16.0.30', nodePort, 4),
      limitSec: 60,
      broken: { exit: 1, says: /No route to host/ },
    },
    expect: { verdict: 'found', confirmed: [{ rule: 'rollout-endpoint-lag', node: 'node-30' }] },
    mend: podBack,
  },
  {
    id: 'rollout-silent',
    fault: 'field report 3b, F69',
    about:
      'The way to one of two pods is a black hole (as a node with a blackhole route for its pods makes it): some connects to the NodePort time out. Nobody says that the pod is gone, so it is only likely.',
    definition: cluster,
    break: [{ on: 'node-50', run: ['ip', 'route', 'replace', 'blackhole', `${podAddress(50)}/32`] }],
    ask: `node-30 port ${nodePort} from node-12 timeout during rolling update`,
    felt: {
      from: 'node-12',
      run: connects('172.16.0.30', nodePort, 1),
      limitSec: 30,
      broken: { exit: 1 },
    },
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'rollout-endpoint-lag', node: 'node-30' }],
    },
    mend: [{ on: 'node-50', run: ['ip', 'route', 'del', 'blackhole', `${podAddress(50)}/32`] }],
  },
  {
    id: 'rollout-hung',
    fault: 'field report 3b, F02',
    about:
      'A pod that is on its way out (or not up yet) listens and no longer accepts: its queue fills, connects time out. Asked at the pod itself.',
    definition: cluster,
    break: [
      { on: 'pod-51', stop: 'web' },
      { on: 'pod-51', start: { ...web, backlog: 2 } },
      { on: 'pod-51', freeze: 'web' },
      {
        on: 'node-30',
        run: [
          'sh',
          '-c',
          `for i in $(seq 8); do timeout 40 bash -c 'exec 3<>/dev/tcp/${podAddress(51)}/8080; sleep 40' >/dev/null 2>&1 & done; sleep 0.5`,
        ],
      },
    ],
    ask: 'pod-51 port 8080 from node-12 timed out during rollout',
    felt: { from: 'node-12', to: podAddress(51), port: 8080, as: 'timedOut' },
    expect: { verdict: 'found', confirmed: [{ rule: 'accept-queue-overflow', node: 'pod-51' }] },
    mend: [
      { on: 'pod-51', thaw: 'web' },
      { on: 'pod-51', stop: 'web' },
      { on: 'pod-51', start: web },
    ],
  },
  {
    id: 'rollout-reset',
    inTests: true,
    fault: 'field report 3b, F70',
    about:
      'A pod is replaced by one with the same address while a client keeps connections to it: each is reset when it is used again. The old connections are really gone (link down, sockets destroyed); the pod that follows is the same namespace.',
    definition: cluster,
    break: [sleepers('node-12', 60, 2), ...replacePod],
    ask: 'pod-50 port 8080 from node-12 for 8s after deploy',
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'backend-rst', path: { from: 'node-12', to: 'pod-50' } }],
      mayBeLikely: [],
    },
    mend: [{ on: 'node-12', run: ['sh', '-c', 'pkill -f "[d]ev/tcp/10.244.50.2" || true'] }],
  },
  {
    id: 'dead-peer',
    fault: 'F72',
    about:
      'A pod is gone without a word; its node holds a connection to it and has sent data: the socket repeats it, and new connects get no ARP answer.',
    definition: cluster,
    break: [
      {
        on: 'node-50',
        run: [
          'bash',
          '-c',
          `{ exec 3<>/dev/tcp/${podAddress(50)}/8080; sleep 2; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; sleep 60; } >/dev/null 2>&1 & sleep 0.5`,
        ],
      },
      ...podGone,
      { on: 'node-50', run: ['sleep', '7'] },
    ],
    ask: 'pod-50 port 8080 from node-50 after deploy',
    felt: { from: 'node-50', to: podAddress(50), port: 8080, as: 'noRoute' },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'dead-peer-retries2', node: 'node-50' },
        { rule: 'neigh-failed', node: 'node-50' },
      ],
    },
    mend: [{ on: 'node-50', run: ['sh', '-c', 'pkill -f "[d]ev/tcp/10.244.50.2" || true'] }, ...podBack],
  },
  {
    id: 'udp-stale',
    fault: 'F73',
    about:
      'A client that keeps its source port asks a UDP Service whose pod was exchanged: conntrack goes on sending to the pod that is gone, as where kube-proxy did not clear the flow. The rules are those that kube-proxy writes.',
    definition: cluster,
    break: [{ on: 'node-12', run: questions(1) }, ...podGone, ...dnsMoves],
    traffic: [{ on: 'node-12', run: questions(0) }],
    ask: `node-30 port ${namesPort} udp from node-12 for 5s after restart`,
    expect: { verdict: 'found', confirmed: [{ rule: 'udp-stale-conntrack', node: 'node-30' }] },
    mend: [
      ...podBack,
      {
        on: 'node-30',
        run: `conntrack -D -p udp --orig-dst 172.16.0.30 --orig-port-dst ${namesPort} --reply-src ${podAddress(50)}`.split(
          ' ',
        ),
      },
    ],
    // rules about TCP cannot answer a question about UDP
    mended: 'inconclusive',
  },
  {
    id: 'etp-local',
    inTests: true,
    fault: 'field report 3c, F64',
    about:
      'externalTrafficPolicy Local, and the only pod runs on node-51: node-30 drops what comes to its NodePort. The rules are those that kube-proxy writes; kube-proxy itself does not run.',
    definition: cluster,
    break: [
      {
        on: 'node-30',
        run: [
          ...'iptables -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment'.split(' '),
          'edge/ingress:http has no local endpoints',
          ...`-m addrtype --dst-type LOCAL -m tcp --dport ${localPort} -j DROP`.split(' '),
        ],
      },
    ],
    ask: `node-30 port ${localPort} from node-12 nodeport`,
    felt: { from: 'node-12', to: '172.16.0.30', port: localPort, as: 'timedOut' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'etp-local-no-endpoint', node: 'node-30' }],
      mayBeLikely: [],
      headline: /^node-30: No pod of the Service runs on this node/,
    },
    mend: [
      { on: 'node-30', run: ['iptables', '-F', 'KUBE-EXTERNAL-SERVICES'] },
      // the pod runs here from now on
      { on: 'node-30', run: ['iptables', '-t', 'nat', '-A', 'KUBE-EXT-EDGE', '-j', 'KUBE-MARK-MASQ'] },
      { on: 'node-30', run: ['iptables', '-t', 'nat', '-A', 'KUBE-EXT-EDGE', '-j', 'KUBE-SVC-EDGE'] },
    ],
  },
  {
    id: 'lb-loopback',
    fault: 'F71',
    about:
      'A pod of node-30 calls a load balancer (DNAT on r1, which keeps the source) that sends it back to node-30. The answer is delivered inside node-30 with another sender, and the pod resets it.',
    definition: cluster,
    break: [
      {
        on: 'r1',
        run: `iptables -t nat -A PREROUTING -d ${loadBalancer} -p tcp --dport ${nodePort} -j DNAT --to-destination 172.16.0.30:${nodePort}`.split(
          ' ',
        ),
      },
    ],
    traffic: [
      {
        on: 'pod-30',
        run: [
          'sh',
          '-c',
          `while :; do timeout 1 bash -c 'exec 3<>/dev/tcp/${loadBalancer}/${nodePort}' 2>/dev/null; sleep 0.1; done`,
        ],
      },
    ],
    ask: `node-30 port ${nodePort} from node-12 load balancer`,
    felt: { from: 'pod-30', to: loadBalancer, port: nodePort, as: 'timedOut' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'lb-loopback', node: 'node-30' }],
      mayBeLikely: [],
    },
    // the load balancer sends from its own address from now on
    mend: [
      {
        on: 'r1',
        run: `iptables -t nat -A POSTROUTING -d 172.16.0.30 -p tcp --dport ${nodePort} -j MASQUERADE`.split(' '),
      },
    ],
  },
];
