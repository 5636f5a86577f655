import { z } from 'zod';
import { defineCollector } from '../model/command.ts';

export const links = defineCollector({
  id: 'links',
  purpose: 'devices with MTU, state and counters',
  params: z.strictObject({}),
  when: 'once',
  provides: ['links'],
  commands: () => [
    {
      argv: ['ip', '-s', '-o', 'link', 'show'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 4_194_304,
      kind: 'ip-link',
      tool: 'ip',
    },
  ],
});
