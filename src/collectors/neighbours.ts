import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'none', timeoutMs: 10_000, maxBytes: 4_194_304 } as const;

export const neighbours = defineCollector({
  id: 'neighbours',
  purpose: 'neighbour (ARP) table, before and after',
  params: z.strictObject({}),
  when: 'delta',
  beforeCaptures: true,
  provides: ['neighbours'],
  commands: () => [
    {
      ...bounds,
      argv: ['ip', 'neigh', 'show'],
      kind: 'ip-neigh',
      tool: 'ip',
      otherwise: { ...bounds, argv: ['cat', '/proc/net/arp'], kind: 'proc-net-arp' },
    },
  ],
});
