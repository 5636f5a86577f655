import { z } from 'zod';
import { defineCollector } from '../model/command.ts';

const read = (file: string, kind: string) =>
  ({ argv: ['cat', file], privilege: 'none', timeoutMs: 5000, maxBytes: 262_144, kind }) as const;

/** Taken before and after the window: only what moved counts. */
export const counters = defineCollector({
  id: 'counters',
  purpose: 'SNMP and TcpExt counters of the network stack, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['counters'],
  commands: () => [
    read('/proc/net/snmp', 'proc-net-snmp'),
    read('/proc/net/netstat', 'proc-net-netstat'),
    read('/proc/net/sockstat', 'proc-net-sockstat'),
  ],
});
