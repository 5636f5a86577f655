import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Reads over rtnetlink (RTM_GETNEIGH, PF_BRIDGE), which is part of every kernel: nothing is loaded. */
export const bridgeFdb = defineCollector({
  id: 'bridge-fdb',
  purpose: 'forwarding tables of bridges and VXLAN devices',
  params: z.strictObject({}),
  when: 'once',
  provides: ['fdb'],
  commands: () => [
    {
      argv: ['bridge', 'fdb', 'show'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 2_097_152,
      kind: 'bridge-fdb',
      tool: 'bridge',
    },
  ],
});
