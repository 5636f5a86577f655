import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const nicCounters = defineCollector({
  id: 'nic-counters',
  purpose: "the driver's own counters of the devices on the way, before and after",
  params: z.strictObject({}),
  when: 'delta',
  provides: ['counters'],
  commands: (_params, { learned }) =>
    learned.devices
      // both ends of a veth are this node's own memory
      .filter((device) => !learned.veths.includes(device))
      .map((device) => ({
        argv: ['ethtool', '-S', device],
        privilege: 'none' as const,
        timeoutMs: 5000,
        maxBytes: 1_048_576,
        kind: 'ethtool-s',
        tool: 'ethtool',
      })),
});
