import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const addresses = defineCollector({
  id: 'addresses',
  purpose: 'addresses of every device',
  params: z.strictObject({}),
  when: 'once',
  provides: ['addresses'],
  commands: () => [
    {
      argv: ['ip', '-o', 'addr', 'show'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 4_194_304,
      kind: 'ip-addr',
      tool: 'ip',
    },
  ],
});
