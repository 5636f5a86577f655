import type { GuestLabDefinition, GuestNode, GuestService } from './guest-lab.ts';

/** What stands behind the Service: a server in the namespace of a pod on node-3. */
export const web: GuestService = { name: 'web', netns: 'web', address: '10.244.3.2', port: 8080 };
/** Behind the second NodePort and ClusterIP, reached through VXLAN. */
export const twin: GuestService = { name: 'twin', netns: 'twin', address: '10.244.3.3', port: 8080 };

/** On the bridge of node-2, behind ClusterIP 10.96.0.46. */
export const neighbour: GuestService = { name: 'neighbour', netns: 'twin-b', address: '10.244.2.131', port: 8080 };
/** On node-3 itself. */
export const plainService: GuestService = { name: 'plain', address: '172.16.0.3', port: 8081 };

const script = (...lines: readonly string[]): readonly string[] => ['sh', '-ec', lines.join('\n')];

/** A pod as Calico makes it: one route to a gateway that is not there, which the node answers for. MTU 1450. */
function pod(name: string, address: string): readonly string[] {
  return [
    `ip netns add ${name}`,
    `ip link add cali-${name} mtu 1450 type veth peer name eth0 mtu 1450 netns ${name}`,
    `sysctl -qw net.ipv4.conf.cali-${name}.proxy_arp=1 net.ipv4.neigh.cali-${name}.proxy_delay=0`,
    `ip link set cali-${name} up`,
    `ip route add ${address}/32 dev cali-${name}`,
    `ip -n ${name} link set lo up`,
    `ip -n ${name} addr add ${address}/32 dev eth0`,
    `ip -n ${name} link set eth0 up`,
    `ip -n ${name} route add 169.254.1.1 dev eth0`,
    `ip -n ${name} route add default via 169.254.1.1`,
  ];
}

const tunnel = (own: string, other: string, via: string): readonly string[] => [
  `ip addr add ${own}/32 dev tunl0`,
  'ip link set tunl0 mtu 1440 up',
  `ip route add ${other} via ${via} dev tunl0 onlink`,
];

/** Two pods on one bridge, as the bridge CNI makes them. */
const bridged = (gateway: string, pods: Readonly<Record<string, string>>): readonly string[] => [
  'ip link add cni0 type bridge',
  `ip addr add ${gateway}/26 dev cni0`,
  'ip link set cni0 up',
  ...Object.entries(pods).flatMap(([name, address]) => [
    `ip netns add ${name}`,
    `ip link add veth-${name} mtu 1440 type veth peer name eth0 mtu 1440 netns ${name}`,
    `ip link set veth-${name} master cni0 up`,
    `ip -n ${name} link set lo up`,
    `ip -n ${name} addr add ${address}/26 dev eth0`,
    `ip -n ${name} link set eth0 up`,
    `ip -n ${name} route add default via ${gateway}`,
  ]),
];

/** The second tunnel, as Calico's VXLAN mode makes it: one peer, no learning. */
const vxlan = (own: 2 | 3, other: 2 | 3, routed: string): readonly string[] => [
  `ip link add vxlan.calico address 66:00:00:00:00:0${own} mtu 1450 type vxlan id 4096 dev eth0 local 172.16.0.${own} dstport 4789 nolearning`,
  `ip addr add 10.244.${own}.64/32 dev vxlan.calico`,
  'ip link set vxlan.calico up',
  `bridge fdb add 66:00:00:00:00:0${other} dev vxlan.calico dst 172.16.0.${other}`,
  `ip neigh add 10.244.${other}.64 lladdr 66:00:00:00:00:0${other} dev vxlan.calico nud permanent`,
  `ip route add ${routed} via 10.244.${other}.64 dev vxlan.calico onlink`,
];

const client: GuestNode = {
  name: 'client',
  management: '10.254.0.10',
  interfaces: [{ network: 'lan', device: 'eth0', address: '172.16.0.10/24' }],
  modules: ['nf_conntrack'],
};

/** In the mangle table of node-2: no segment is larger than what tunl0 takes. */
export const clamp = (what: '-A' | '-D'): string =>
  `iptables -t mangle ${what} POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1401:65535 -j TCPMSS --set-mss 1400`;

/** kube-proxy in IPVS mode, made by hand: NodePorts with masquerade, and ClusterIPs. */
const director: GuestNode = {
  name: 'node-2',
  management: '10.254.0.2',
  interfaces: [{ network: 'lan', device: 'eth0', address: '172.16.0.2/24' }],
  modules: [
    'ip_vs',
    'ip_vs_rr',
    'ipip',
    'dummy',
    'iptable_nat',
    'iptable_mangle',
    'iptable_filter',
    'nf_conntrack_netlink',
    'iptable_raw',
    'vxlan',
    'br_netfilter',
  ],
  routes: [['default', '172.16.0.1']],
  sysctls: { 'net.ipv4.ip_forward': '1', 'net.ipv4.vs.conntrack': '1' },
  setup: [
    script(
      ...tunnel('10.244.2.0', '10.244.3.0/24', '172.16.0.3'),
      ...vxlan(2, 3, `${twin.address}/32`),
      ...pod('app', '10.244.2.5'),
      ...pod('app-v', '10.244.2.6'),
      ...bridged('10.244.2.129', { 'twin-a': '10.244.2.130', 'twin-b': neighbour.address }),
      // netcheck itself must get in whatever becomes of connection tracking
      'iptables -t raw -A PREROUTING -i mgmt0 -j NOTRACK',
      'iptables -t raw -A OUTPUT -o mgmt0 -j NOTRACK',
      'ip link add kube-ipvs0 type dummy',
      'for n in 4 5 6; do ip addr add 10.96.0.4$n/32 dev kube-ipvs0; done',
      'iptables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m multiport --dports 30170,30180 -j MARK --set-mark 0x4000',
      'iptables -t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE',
      clamp('-A'),
      // the same pod as a Service of kube-proxy's iptables mode: asked by itself, it is masqueraded
      `iptables -t nat -A PREROUTING -d 10.96.0.47/32 -p tcp --dport 80 -j DNAT --to-destination ${neighbour.address}:${neighbour.port}`,
      `iptables -t nat -A POSTROUTING -s ${neighbour.address}/32 -d ${neighbour.address}/32 -j MASQUERADE`,
      'ip link set veth-twin-b type bridge_slave hairpin on',
      'ipvsadm -A -t 172.16.0.2:30170 -s rr',
      `ipvsadm -a -t 172.16.0.2:30170 -r ${web.address}:${web.port} -m`,
      'ipvsadm -A -t 172.16.0.2:30180 -s rr',
      `ipvsadm -a -t 172.16.0.2:30180 -r ${twin.address}:${twin.port} -m`,
      'ipvsadm -A -t 10.96.0.44:80 -s rr',
      `ipvsadm -a -t 10.96.0.44:80 -r ${web.address}:${web.port} -m`,
      'ipvsadm -A -t 10.96.0.45:80 -s rr',
      `ipvsadm -a -t 10.96.0.45:80 -r ${twin.address}:${twin.port} -m`,
      'ipvsadm -A -t 10.96.0.46:80 -s rr',
      `ipvsadm -a -t 10.96.0.46:80 -r ${neighbour.address}:${neighbour.port} -m`,
    ),
  ],
  services: [neighbour],
};

const server: GuestNode = {
  name: 'node-3',
  management: '10.254.0.3',
  interfaces: [{ network: 'lan', device: 'eth0', address: '172.16.0.3/24' }],
  modules: ['ipip', 'vxlan', 'nf_conntrack', 'iptable_filter'],
  routes: [['default', '172.16.0.1']],
  sysctls: { 'net.ipv4.ip_forward': '1' },
  setup: [
    script(
      ...tunnel('10.244.3.0', '10.244.2.0/24', '172.16.0.2'),
      ...vxlan(3, 2, '10.244.2.64/32'),
      'ip route add 10.244.2.6/32 via 10.244.2.64 dev vxlan.calico onlink',
      ...pod('web', web.address),
      ...pod('twin', twin.address),
    ),
  ],
  services: [web, twin, plainService],
};

/** The network between the nodes forgets "fragmentation needed", as a load balancer in front does. */
export const forgetful = [
  'nft add table bridge fabric',
  'nft add chain bridge fabric forward { type filter hook forward priority 0; }',
  'nft add rule bridge fabric forward icmp type destination-unreachable icmp code frag-needed drop',
].map((line) => line.split(' '));

/**
 * ```
 *              NodePort 30170 ══════════ tunl0 (IPIP, MTU 1440) ═════════ pod web 10.244.3.2:8080 (MTU 1450)
 * client ───── node-2: IPVS, masquerade                            node-3
 *              NodePort 30180 ══════ vxlan.calico (MTU 1450) ════════════ pod twin 10.244.3.3:8080
 *              pod app 10.244.2.5 ── ClusterIP 10.96.0.44:80 ══ tunl0 ═══ pod web
 *              pod app-v 10.244.2.6 ─ ClusterIP 10.96.0.45:80 ═ vxlan ═══ pod twin
 *              bridge cni0: pods twin-a and twin-b, ClusterIP 10.96.0.46:80 (IPVS) and 10.96.0.47:80 (DNAT) are twin-b
 * ```
 */
export const cluster: GuestLabDefinition = {
  name: 'cluster',
  kernel: 'guests',
  nodes: [client, director, server],
  fabric: forgetful,
};
