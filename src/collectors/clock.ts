import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** The offset against netcheck's clock is what lets captures of two nodes be put side by side. */
export const clock = defineCollector({
  id: 'clock',
  purpose: 'wall clock and uptime',
  params: z.strictObject({}),
  when: 'once',
  provides: ['clock'],
  commands: () => [
    { argv: ['date', '+%s.%N'], privilege: 'none', timeoutMs: 5000, maxBytes: 256, kind: 'date' },
    { argv: ['cat', '/proc/uptime'], privilege: 'none', timeoutMs: 5000, maxBytes: 256, kind: 'proc-uptime' },
  ],
});
