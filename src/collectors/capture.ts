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

/** The client sees only its own way to the target; target and forwarders see every client of the port. */
export function filterOf({
  target,
  port,
  protocol,
  roles,
}: Pick<CollectContext, 'target' | 'port' | 'protocol' | 'roles'>): string {
  const onlyClient = roles.every((role) => role === 'client');
  const flow = onlyClient ? `${protocol} port ${port} and host ${target}` : `${protocol} port ${port}`;
  return `(${flow}) or ${icmpErrors} or ${icmp6Errors}`;
}
