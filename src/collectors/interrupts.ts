import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Apart from the other counters: with hundreds of CPUs this file is long. */
export const interrupts = defineCollector({
  id: 'interrupts',
  purpose: 'interrupts by device, before and after: whether one CPU serves all of a card',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['counters'],
  commands: () => [
    {
      argv: ['cat', '/proc/interrupts'],
      privilege: 'none',
      timeoutMs: 5000,
      maxBytes: 2_097_152,
      kind: 'interrupts',
      needsFile: '/proc/interrupts',
    },
  ],
});
