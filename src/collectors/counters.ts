import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'none', timeoutMs: 5000, maxBytes: 262_144 } as const;
const read = (file: string, kind: string) => ({ ...bounds, argv: ['cat', file], kind }) as const;
/** Not every kernel has these; where one is missing there is nothing to say. */
const readIfThere = (file: string, kind: string) => ({ ...read(file, kind), needsFile: file }) as const;

/**
 * Taken before and after the window: only what moved counts. `nstat -as` does not write its history file (-s), and -z
 * prints zeros, so that a counter that is not there is one that this kernel does not have.
 */
export const counters = defineCollector({
  id: 'counters',
  purpose: 'counters of IP, TCP, UDP, ICMP, routing and neighbour tables, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['counters', 'clock'],
  commands: () => [
    {
      ...readIfThere('/proc/net/snmp', 'proc-net-snmp'),
      otherwise: { ...bounds, argv: ['nstat', '-asz'], kind: 'nstat', tool: 'nstat' },
    },
    read('/proc/net/netstat', 'proc-net-netstat'),
    readIfThere('/proc/net/snmp6', 'proc-net-snmp6'),
    read('/proc/net/sockstat', 'proc-net-sockstat'),
    readIfThere('/proc/net/stat/rt_cache', 'rt-cache'),
    readIfThere('/proc/net/stat/arp_cache', 'arp-cache'),
    readIfThere('/proc/net/ip_vs_stats', 'ip-vs-stats'),
    // Tells a counter that began anew (reboot) from one that did not move.
    read('/proc/uptime', 'proc-uptime'),
  ],
});
