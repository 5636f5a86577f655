import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const ipsets = defineCollector({
  id: 'ipsets',
  purpose: 'ipsets that firewall rules may look into: names, types, sizes (no members)',
  params: z.strictObject({}),
  when: 'once',
  provides: ['ipsets'],
  commands: () => [
    {
      argv: ['ipset', 'list', '-t'],
      privilege: 'root',
      timeoutMs: 10_000,
      maxBytes: 1_048_576,
      kind: 'ipset',
      tool: 'ipset',
      wouldLoad: { modules: ['ip_set'] },
    },
  ],
});
