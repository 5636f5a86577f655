import { readFileSync } from 'node:fs';
import { type LabDefinition, type LabNode, labRoot } from '../network.ts';
import { http } from '../topologies.ts';
import type { GuestLabDefinition, GuestNode } from '../uml/guest-lab.ts';
import { forgetful } from '../uml/guest-topologies.ts';
import { plainPod, runPod, startContainerd } from './containers.ts';
import { iptablesRules, ipvsRules } from './kube-proxy.ts';
import { type ClusterNode, nodes, podNetwork, podsOf } from './pods.ts';

const talker = readFileSync(new URL('../uml/talk.pl', import.meta.url), 'utf8');
const script = (...lines: readonly string[]): readonly string[] => ['sh', '-ec', lines.join('\n')];
const podsNetworkOf = ({ name }: ClusterNode): string => `10.244.${name.replace('node-', '')}.0/24`;

/** In the mangle table of a node: no segment is larger than what tunl0 takes. */
export const clamp = (what: '-A' | '-D'): string =>
  `iptables -t mangle ${what} POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1401:65535 -j TCPMSS --set-mss 1400`;

/** Pods of the other nodes: through tunl0 where both ends can do it (guests), else by a plain route. */
const routesFrom = (own: ClusterNode): readonly string[] =>
  nodes
    .filter(({ name }) => name !== own.name)
    .map((other) => {
      const tunnel = own.pods === 'runc' && other.pods === 'runc' ? ' dev tunl0 onlink' : '';
      return `ip route add ${podsNetworkOf(other)} via ${other.address}${tunnel}`;
    });

/** Pods show the node's address to whatever is outside of the cluster. */
const masquerade = `iptables -t nat -A POSTROUTING -s ${podNetwork} ! -d ${podNetwork} -o eth0 -j MASQUERADE`;

const guest = (node: ClusterNode): GuestNode => ({
  name: node.name,
  management: `10.253.0.${node.address.split('.')[3]}`,
  memoryMiB: 320,
  interfaces: [{ network: 'lan', device: 'eth0', address: `${node.address}/24` }],
  modules: [
    'ip_vs',
    'ip_vs_rr',
    'ipip',
    'dummy',
    'veth',
    'iptable_nat',
    'iptable_mangle',
    'iptable_filter',
    'iptable_raw',
    'nf_conntrack_netlink',
  ],
  routes: [['default', '172.16.0.1']],
  sysctls: { 'net.ipv4.ip_forward': '1', 'net.ipv4.vs.conntrack': '1' },
  setup: [
    script(
      `ip addr add ${podsNetworkOf(node).replace('.0/24', '.0/32')} dev tunl0`,
      'ip link set tunl0 mtu 1440 up',
      ...routesFrom(node),
      // netcheck itself must get in whatever becomes of connection tracking
      'iptables -t raw -A PREROUTING -i mgmt0 -j NOTRACK',
      'iptables -t raw -A OUTPUT -o mgmt0 -j NOTRACK',
      ...ipvsRules(node.address),
      masquerade,
      // one end is enough for both directions, and the one that scenarios take away
      ...(node.name === 'node-2' ? [clamp('-A')] : []),
    ),
    script(startContainerd),
    // one by one: each has the time-out of a step
    ...podsOf(node.name).map((pod) => script(runPod(pod))),
  ],
});

/** The nodes whose pods containerd runs. */
export const guests: GuestLabDefinition = {
  name: 'pods',
  kernel: 'guests',
  nodes: nodes.filter(({ pods }) => pods === 'runc').map(guest),
  fabric: forgetful,
};

const plainNode = (node: ClusterNode): LabNode => ({
  name: node.name,
  management: `10.255.0.${node.address.split('.')[3]}`,
  interfaces: [{ network: 'lan', device: 'eth0', address: `${node.address}/24` }],
  routes: [['default', '172.16.0.1']],
  sysctls: { 'net.ipv4.ip_forward': '1' },
  setup: [
    script(
      // the machine's own directory is read-only here
      'mount -t tmpfs tmpfs /var/log',
      ...routesFrom(node),
      ...podsOf(node.name).map(plainPod),
      masquerade,
      `iptables-restore --noflush <<'END'\n${iptablesRules()}END`,
    ),
  ],
});

/**
 * ```
 *                 tunl0 (IPIP, MTU 1440)
 * node-2 (guest) ═══════════════════════ node-3 (guest)      node-4 (namespace)
 *   IPVS, containerd                       IPVS, containerd    kube-proxy in iptables mode
 *   shop/client-…-a4xkq, -b8wzt            shop/web-…          shop/batch-0
 *   shop/hermod-0                          shop/gateway-…
 *      │                                      │                   │
 *   ───┴──────────────── 172.16.0.0/24 ───────┴──────────┬────────┴───────────┬───
 *                                                     node-50 (4.9, :1301)   front
 * ```
 */
export const namespaces: LabDefinition = {
  name: 'pods-ns',
  nodes: [
    ...nodes.filter(({ pods }) => pods === 'namespaces').map(plainNode),
    {
      name: 'node-50',
      management: '10.255.0.50',
      interfaces: [{ network: 'lan', device: 'eth0', address: '172.16.0.50/24' }],
      routes: [['default', '172.16.0.1']],
      services: [http],
      oldKernel: { remembers: nodes.map(({ address }) => address) },
      // the fault comes with the scenario
      setup: [['sysctl', '-qw', 'net.ipv4.tcp_tw_recycle=0']],
    },
    {
      name: 'front',
      management: '10.255.0.10',
      interfaces: [{ network: 'lan', device: 'eth0', address: '172.16.0.10/24' }],
      setup: [['sh', '-c', `printf %s "$0" > ${labRoot}/talk.pl`, talker]],
    },
  ],
};
