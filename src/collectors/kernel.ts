import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const kernel = defineCollector({
  id: 'kernel',
  purpose: 'kernel release and distribution',
  params: z.strictObject({}),
  when: 'once',
  provides: ['kernel'],
  commands: () => [
    { argv: ['uname', '-r'], privilege: 'none', timeoutMs: 5000, maxBytes: 4096, kind: 'uname' },
    { argv: ['cat', '/etc/os-release'], privilege: 'none', timeoutMs: 5000, maxBytes: 16_384, kind: 'os-release' },
  ],
});
