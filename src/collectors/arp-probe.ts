import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Duplicate address detection (arping(8), -D): a probe without a sender address, which fills nobody's table. */
export const arpProbe = defineCollector({
  id: 'arp-probe',
  purpose: 'asks on the link who has the address of the target (active: two ARP probes)',
  params: z.strictObject({}),
  when: 'active',
  provides: ['arpAnswers'],
  commands: (_params, { target, learned }) =>
    target.includes(':')
      ? []
      : learned.ways
          .filter(({ address }) => address === target)
          .slice(0, 1)
          .map(({ device }) => ({
            argv: ['arping', '-D', '-c', '2', '-w', '3', '-I', device, target],
            privilege: 'root' as const,
            timeoutMs: 8000,
            maxBytes: 16_384,
            kind: 'arping',
            tool: 'arping',
            waits: true as const,
          })),
});
