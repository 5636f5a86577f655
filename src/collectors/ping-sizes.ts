import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { pingBounds } from './ping-bounds.ts';

/** Echo requests with DF set: which sizes of packet reach the target. */
export const pingSizes = defineCollector({
  id: 'ping-sizes',
  purpose: 'pings of given IP packet sizes with DF (active: three packets per size)',
  params: z.strictObject({
    /** Whole IP packets, bytes. */
    sizes: z.array(z.number().int().min(28).max(9000)).min(1).max(8).default([84, 1400, 1440, 1500]),
  }),
  when: 'active',
  provides: ['pings'],
  commands: ({ sizes }, { target }) => {
    const headers = target.includes(':') ? 48 : 28;
    return sizes
      .filter((size) => size >= headers)
      .map((size) => ({
        ...pingBounds,
        argv: ['ping', '-n', '-c', '3', '-W', '1', '-M', 'do', '-s', String(size - headers), target],
      }));
  },
});
