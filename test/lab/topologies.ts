import type { LabDefinition, LabNames, LabNode, LabService } from './network.ts';

/** What node-50 and node-51 both serve: the application is the same, so it is not the application. */
export const http: LabService = { name: 'http', address: '0.0.0.0', port: 1301 };
/** A listener with a short queue, as old applications have it. */
export const shortQueue: LabService = { name: 'short-queue', address: '0.0.0.0', port: 1302, backlog: 2 };

/** A pod: a namespace behind its node, with no login. Its way out is the node's address (MASQUERADE). */
function pod(name: string, index: number, timestamps: '1' | '2'): LabNode {
  return {
    name,
    interfaces: [{ network: name, device: 'eth0', address: `10.244.12.${index * 4 + 2}/30` }],
    routes: [['default', `10.244.12.${index * 4 + 1}`]],
    sysctls: { 'net.ipv4.tcp_timestamps': timestamps },
  };
}

const node12: LabNode = {
  name: 'node-12',
  management: '10.255.0.12',
  interfaces: [
    { network: 'lan-12', device: 'eth0', address: '10.0.12.2/24' },
    { network: 'pod-a', device: 'veth-a', address: '10.244.12.1/30' },
    { network: 'pod-b', device: 'veth-b', address: '10.244.12.5/30' },
  ],
  routes: [['default', '10.0.12.1']],
  sysctls: { 'net.ipv4.ip_forward': '1' },
  setup: [['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.244.12.0/24', '-o', 'eth0', '-j', 'MASQUERADE']],
};

const router: LabNode = {
  name: 'r1',
  management: '10.255.0.2',
  interfaces: [
    { network: 'lan-12', device: 'eth0', address: '10.0.12.1/24' },
    { network: 'lan-50', device: 'eth1', address: '172.16.0.1/24' },
  ],
  sysctls: { 'net.ipv4.ip_forward': '1' },
};

function server(number: 50 | 51): LabNode {
  return {
    name: `node-${number}`,
    management: `10.255.0.${number}`,
    interfaces: [{ network: 'lan-50', device: 'eth0', address: `172.16.0.${number}/24` }],
    routes: [['default', '172.16.0.1']],
    services: [http, shortQueue],
  };
}

/**
 * ```
 * pod-a ─┐                      ┌─ node-50 :1301 :1302
 *        ├─ node-12 ─── r1 ─────┤                        netcheck reaches node-12, r1, node-50 and node-51 over a
 * pod-b ─┘  (SNAT)              └─ node-51 :1301 :1302   management network of its own
 * ```
 */
export const plain: LabDefinition = {
  name: 'plain',
  nodes: [pod('pod-a', 0, '1'), pod('pod-b', 1, '1'), node12, router, server(50), server(51)],
};

/**
 * Field report 0. node-50 imitates a 4.9 kernel with tcp_tw_recycle=1 that remembers a high timestamp of node-12's
 * address. pod-b and node-12 itself send the time since boot (never let in); pod-a sends a random offset per connection
 * (let in now and then). node-51 is the healthy twin.
 */
export const reportZero: LabDefinition = {
  name: 'report-0',
  nodes: [
    pod('pod-a', 0, '1'),
    pod('pod-b', 1, '2'),
    { ...node12, sysctls: { ...node12.sysctls, 'net.ipv4.tcp_timestamps': '2' } },
    router,
    { ...server(50), oldKernel: { remembers: ['10.0.12.2'] } },
    server(51),
  ],
};

const nameServer = (number: 53 | 54, dns: LabNames): LabNode => ({
  name: `ns-${number}`,
  management: `10.255.0.${number}`,
  interfaces: [{ network: 'lan-50', device: 'eth0', address: `172.16.0.${number}/24` }],
  routes: [['default', '172.16.0.1']],
  services: [{ name: 'dns', address: '0.0.0.0', port: 53, dns }],
});

/** What both name servers of the lab know. `*.guoyutec.com` leads to another cluster, whatever the name. */
export const names: LabNames = {
  records: {
    'node-50': ['172.16.0.50'],
    nacos: ['172.16.0.50'],
    'kubernetes.default.svc.cluster.local': ['10.96.0.1'],
    'www.example.com': ['198.51.100.1'],
    'api.example.com': ['198.51.100.2'],
    'cdn.example.com': ['198.51.100.3'],
    'big.example.com': Array.from({ length: 200 }, (_one, i) => `198.51.100.${i + 1}`),
    '*.guoyutec.com': ['10.99.0.9'],
  },
};
export const dnsService: LabService = { name: 'dns', address: '0.0.0.0', port: 53, dns: names };

/** The plain topology with two name servers beside node-50; node-12 asks ns-53 first, then ns-54. */
export const withNames: LabDefinition = {
  name: 'names',
  nodes: [
    pod('pod-a', 0, '1'),
    {
      ...node12,
      sysctls: {
        ...node12.sysctls,
        // fragments that do not all come are given up within the time of a run (30 s elsewhere)
        'net.ipv4.ipfrag_time': '2',
        // with an IPv6 address of its own, getaddrinfo asks for AAAA too (AI_ADDRCONFIG)
        'net.ipv6.conf.all.disable_ipv6': '0',
      },
      interfaces: node12.interfaces.slice(0, 2),
      resolver: 'nameserver 172.16.0.53\nnameserver 172.16.0.54\n',
    },
    router,
    server(50),
    nameServer(53, names),
    nameServer(54, names),
  ],
};

const nacosService: LabService = { name: 'nacos', address: '0.0.0.0', port: 8848 };
const cniMtu = (device: string): readonly string[] => ['ip', 'link', 'set', device, 'mtu', '1430'];

/**
 * Field report 1. nacos imitates a 3.10-like kernel with tcp_tw_recycle=1 (see {@link reportZero}), and has ip_forward=0;
 * the pods' MTU is 1430; resolv.conf of node-12 has `search guoyutec.com`, a domain with a wildcard.
 */
export const reportOne: LabDefinition = {
  name: 'report-1',
  nodes: [
    { ...pod('pod-a', 0, '1'), setup: [cniMtu('eth0')] },
    { ...pod('pod-b', 1, '2'), setup: [cniMtu('eth0')] },
    {
      ...node12,
      sysctls: { ...node12.sysctls, 'net.ipv4.tcp_timestamps': '2' },
      setup: [...(node12.setup ?? []), cniMtu('veth-a'), cniMtu('veth-b')],
      resolver: 'search guoyutec.com\nnameserver 172.16.0.53\n',
    },
    router,
    { ...server(50), name: 'nacos', services: [nacosService], oldKernel: { remembers: ['10.0.12.2'] } },
    nameServer(53, names),
  ],
};
