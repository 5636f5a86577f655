import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const read = (file: string, kind: string, maxBytes: number) =>
  ({ argv: ['cat', file], privilege: 'none', timeoutMs: 5000, maxBytes, kind, needsFile: file }) as const;

/** What devices and CPUs received and dropped before the protocols saw it. */
export const deviceCounters = defineCollector({
  id: 'device-counters',
  purpose: 'counters of devices, of the receive backlog of each CPU and of soft interrupts, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['counters'],
  commands: () => [
    read('/proc/net/dev', 'proc-net-dev', 1_048_576),
    read('/proc/net/softnet_stat', 'softnet-stat', 262_144),
    read('/proc/softirqs', 'softirqs', 262_144),
  ],
});
