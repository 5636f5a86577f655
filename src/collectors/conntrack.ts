import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** The /proc file first: it needs no root and loads nothing. */
export const conntrack = defineCollector({
  id: 'conntrack',
  purpose: 'connection-tracking statistics, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['conntrackStats'],
  commands: () => [
    {
      argv: ['cat', '/proc/net/stat/nf_conntrack'],
      privilege: 'none',
      timeoutMs: 5000,
      maxBytes: 1_048_576,
      kind: 'proc-nf-conntrack-stat',
      needsFile: '/proc/net/stat/nf_conntrack',
      otherwise: {
        argv: ['conntrack', '-S'],
        privilege: 'root',
        timeoutMs: 5000,
        maxBytes: 1_048_576,
        kind: 'conntrack-stats',
        tool: 'conntrack',
        wouldLoad: { modules: ['nf_conntrack', 'nf_conntrack_netlink'] },
      },
    },
  ],
});
