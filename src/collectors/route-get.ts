import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** The kernel's own verdict: towards the target from everywhere, and back to the clients. */
export const routeGet = defineCollector({
  id: 'route-get',
  purpose: "the kernel's own route decision towards the target, and back to the clients",
  params: z.strictObject({}),
  when: 'once',
  provides: ['routeGet'],
  commands: (_params, { target, clientAddresses, roles }) => {
    const towards = [target, ...(roles.includes('client') && roles.length === 1 ? [] : clientAddresses)];
    return [...new Set(towards)].map((address) => ({
      argv: ['ip', 'route', 'get', address],
      privilege: 'none' as const,
      timeoutMs: 5000,
      maxBytes: 16_384,
      kind: 'ip-route-get',
      tool: 'ip',
    }));
  },
});
