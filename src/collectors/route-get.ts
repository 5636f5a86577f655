import * as z from 'zod';
import { type Command, defineCollector } from '../model/command.ts';

/** Every look-up of a route but its arguments. */
export const routeGetBounds = {
  privilege: 'none',
  timeoutMs: 5000,
  maxBytes: 16_384,
  kind: 'ip-route-get',
  tool: 'ip',
} as const satisfies Omit<Command, 'argv'>;

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
      ...routeGetBounds,
      argv: ['ip', 'route', 'get', address],
    }));
  },
});
