import { z } from 'zod';
import { type CollectContext, defineCollector } from '../model/command.ts';

/**
 * Headers only (and the engine cuts what payload the snap length still lets through before anything is kept). ICMP
 * errors are always in the filter: they are how routers and firewalls say no. `--immediate-mode` makes packets arrive
 * at once; without it libpcap keeps them up to a second.
 */
export const capture = defineCollector({
  id: 'capture',
  purpose: 'packet headers of the port in question and ICMP errors, while the probes run',
  params: z.strictObject({}),
  when: 'capture',
  provides: ['capture'],
  commands: (_params, context) => {
    const { maxPackets, maxCaptureBytes, windowMs } = context.budget;
    const argv = (...extra: string[]): string[] => [
      'tcpdump',
      '-i',
      'any',
      '-nn',
      '-s',
      '160',
      ...extra,
      '-c',
      String(maxPackets),
      '-U',
      '-w',
      '-',
      ...(context.loginUser === undefined ? [] : ['-Z', context.loginUser]),
      filterOf(context),
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
  const icmp = '(icmp and (icmp[0]=3 or icmp[0]=11))';
  const icmp6 = '(icmp6 and (ip6[40]=1 or ip6[40]=2 or ip6[40]=3))';
  return `(${flow}) or ${icmp} or ${icmp6}`;
}
