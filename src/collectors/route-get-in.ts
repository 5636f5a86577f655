import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { routeGetBounds } from './route-get.ts';

/**
 * What the kernel would do with a packet that comes in: the verdict names forwarding that is off, rp_filter, martians,
 * missing routes (net/ipv4/route.c, ip_route_input_slow). The device is the one that leads back to the client; on an
 * asymmetric way packets come in on another.
 */
export const routeGetIn = defineCollector({
  id: 'route-get-in',
  purpose: "the kernel's own decision about packets of the clients that come in",
  params: z.strictObject({}),
  when: 'last',
  meanwhile: true,
  provides: ['routeGet'],
  commands: (_params, { target, clientAddresses, learned }) => {
    // what is sent to a Service is routed by the address of the server that is chosen for it
    const servers = [...new Set(learned.servers.map(({ address }) => address))].filter((one) => one !== target);
    return [target, ...servers.slice(0, mostAsked)].flatMap((to) =>
      learned.ways
        .filter(({ address }) => address !== target && clientAddresses.includes(address))
        .filter(({ address }) => address.includes(':') === to.includes(':'))
        .slice(0, 4)
        .map(({ address, device }) => ({
          ...routeGetBounds,
          argv: ['ip', 'route', 'get', to, 'from', address, 'iif', device],
        })),
    );
  },
});

/** Servers of a Service whose route is looked up. */
const mostAsked = 2;
