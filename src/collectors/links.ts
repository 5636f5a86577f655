import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'none', timeoutMs: 10_000, maxBytes: 4_194_304, kind: 'ip-link' } as const;

export const links = defineCollector({
  id: 'links',
  purpose: 'devices with type, MTU, state and counters',
  params: z.strictObject({}),
  when: 'once',
  provides: ['links'],
  commands: () => [
    {
      ...bounds,
      argv: ['ip', '-s', '-d', '-o', 'link', 'show'],
      tool: 'ip:iproute2',
      // busybox's ip has neither counters nor details.
      otherwise: { ...bounds, argv: ['ip', '-o', 'link', 'show'], tool: 'ip' },
    },
  ],
});
