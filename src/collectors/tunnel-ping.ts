import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { pingBounds } from './ping-bounds.ts';

/** Whether nodes at the other end of a tunnel answer outside of it: tells a blocked tunnel from a dead way. */
export const tunnelPing = defineCollector({
  id: 'tunnel-ping',
  purpose: 'whether the node at the other end of the tunnel answers outside of it (active: three pings per node)',
  params: z.strictObject({}),
  when: 'active',
  provides: ['pings'],
  commands: (_params, { learned }) =>
    learned.tunnelPeers.map((peer) => ({
      ...pingBounds,
      argv: ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '1', peer],
    })),
});
