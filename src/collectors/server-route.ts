import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { routeGetBounds } from './route-get.ts';

/** Servers whose way is looked up; the others of a large Service live on the same nodes, or on ones like them. */
const mostAsked = 8;

/**
 * Where packets go that a node sends on to the servers behind the target: into a tunnel, to a neighbour. What a node
 * has no such servers for is not asked.
 */
export const serverRoute = defineCollector({
  id: 'server-route',
  purpose: "the kernel's own route decision towards the servers behind the target",
  params: z.strictObject({}),
  when: 'once',
  afterOthers: true,
  provides: ['routeGet'],
  commands: (_params, { target, learned }) =>
    [...new Set(learned.servers.map(({ address }) => address))]
      .filter((address) => address !== target)
      .slice(0, mostAsked)
      .map((address) => ({ ...routeGetBounds, argv: ['ip', 'route', 'get', address] })),
});
