import * as z from 'zod';
import { type CollectContext, defineCollector } from '../model/command.ts';

/** Plain DNS over UDP (RFC 1035 2.3.4) with headers; what is longer is cut, and its length still counts. */
const dnsSnapLength = '576';

const icmpErrors = '(icmp and (icmp[0]=3 or icmp[0]=11))';
const icmp6Errors = '(icmp6 and (ip6[40]=1 or ip6[40]=2 or ip6[40]=3))';

/**
 * Only the first fragment of a datagram has ports: later ones are taken whatever they are, so that an answer of which
 * some is lost can be told from one that is only cut by the filter.
 */
const dnsFilter = `(port 53) or (ip[6:2] & 0x1fff != 0) or ip6 proto 44 or ${icmpErrors} or ${icmp6Errors}`;

/**
 * Headers only (and the engine cuts what payload the snap length still lets through before anything is kept). ICMP
 * errors are always in the filter: they are how routers and firewalls say no. `--immediate-mode` makes packets arrive
 * at once; without it libpcap keeps them up to a second.
 */
export const capture = defineCollector({
  id: 'capture',
  purpose: 'packet headers of the port in question and ICMP errors, while the probes run',
  params: z.strictObject({
    /** `target`: the port in question. `dns`: name look-ups, whole messages and their fragments. */
    filter: z.enum(['target', 'dns']).default('target'),
  }),
  when: 'capture',
  provides: ['capture'],
  commands: ({ filter }, context) => {
    const { maxPackets, maxCaptureBytes, windowMs } = context.budget;
    const argv = (...extra: string[]): string[] => [
      'tcpdump',
      '-i',
      'any',
      '-nn',
      '-s',
      filter === 'dns' ? dnsSnapLength : '160',
      ...extra,
      '-c',
      String(maxPackets),
      '-U',
      '-w',
      '-',
      ...(context.loginUser === undefined ? [] : ['-Z', context.loginUser]),
      filter === 'dns' ? dnsFilter : filterOf(context),
    ];
    const bounds = {
      privilege: 'root',
      timeoutMs: windowMs + 30_000,
      maxBytes: maxCaptureBytes,
      kind: 'pcap',
    } as const;
    return [
      {
        ...bounds,
        argv: argv('--immediate-mode'),
        tool: 'tcpdump:immediate-mode',
        otherwise: { ...bounds, argv: argv(), tool: 'tcpdump' },
      },
    ];
  },
});

/**
 * The same port in the packets that tunnels make of them, so that it can be told whether they left a node and came in at
 * the other: IP in IP (RFC 2003), VXLAN (RFC 7348; 8472 is the port of flannel and Cilium) and Geneve without options
 * (RFC 8926). Inner headers without options are taken for granted: pcap filters cannot look inside.
 */
function portInTunnels(protocol: 'tcp' | 'udp', port: number): readonly string[] {
  const number = protocol === 'tcp' ? 6 : 17;
  return [
    `(ip proto 4 and ip[29]=${number} and (ip[40:2]=${port} or ip[42:2]=${port}))`,
    `(${vxlanPorts} and udp[28:2]=0x0800 and udp[39]=${number} and (udp[50:2]=${port} or udp[52:2]=${port}))`,
    `(${vxlanPorts} and udp[28:2]=0x86dd and udp[36]=${number} and (udp[70:2]=${port} or udp[72:2]=${port}))`,
  ];
}

const vxlanPorts = 'udp and (port 4789 or port 8472 or port 6081)';

/**
 * The client sees only its own way to the target; target and forwarders see every client of the port. Where the node
 * sends it on to other addresses (a Service, a published port of a container), those are in it as well, bare and inside
 * IPIP and VXLAN: without them a packet that goes on looks like one that is swallowed.
 */
export function filterOf({
  target,
  port,
  protocol,
  roles,
  learned,
}: Pick<CollectContext, 'target' | 'port' | 'protocol' | 'roles' | 'learned'>): string {
  const onlyClient = roles.every((role) => role === 'client');
  const flow = onlyClient ? `${protocol} port ${port} and host ${target}` : `${protocol} port ${port}`;
  const servers = learned.servers
    .filter((server) => onlyClient || server.port !== port)
    .map((server) => `(host ${server.address} and ${protocol} port ${server.port})`);
  // IPVS that forwards by tunnel leaves the asked address on the packet inside
  const inside = learned.servers.length === 0 ? [] : [target, ...learned.servers.map(({ address }) => address)];
  const tunnels = [...tunnelFilters([...new Set(inside)]), ...portInTunnels(protocol, port)];
  return [`(${flow})`, ...servers, ...tunnels, icmpErrors, icmp6Errors].join(' or ');
}

/**
 * IPv4 in IPIP (RFC 2003) and in VXLAN (RFC 7348; 8472 is Linux' older port): pcap filters cannot look inside, so source
 * and destination are taken at their places behind an outer IPv4 header without options.
 */
function tunnelFilters(addresses: readonly string[]): readonly string[] {
  const words = addresses.flatMap((address) => {
    const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number) ?? [];
    return bytes.length === 4 ? [`0x${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`] : [];
  });
  if (words.length === 0) return [];
  const inner = (source: string, destination: string): string =>
    words.flatMap((word) => [`${source}=${word}`, `${destination}=${word}`]).join(' or ');
  return [
    `(ip proto 4 and (${inner('ip[32:4]', 'ip[36:4]')}))`,
    `((udp dst port 4789 or udp dst port 8472) and (${inner('udp[42:4]', 'udp[46:4]')}))`,
  ];
}
