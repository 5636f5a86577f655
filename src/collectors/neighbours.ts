import { z } from 'zod';
import { defineCollector } from '../model/command.ts';

export const neighbours = defineCollector({
  id: 'neighbours',
  purpose: 'neighbour (ARP) table, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['neighbours'],
  commands: () => [
    {
      argv: ['ip', 'neigh', 'show'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 4_194_304,
      kind: 'ip-neigh',
      tool: 'ip',
    },
  ],
});
