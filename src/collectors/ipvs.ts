import * as z from 'zod';
import { type Command, defineCollector } from '../model/command.ts';

const file = '/proc/net/ip_vs';
const gate = { tool: 'ipvsadm', wouldLoad: { modules: ['ip_vs'], unlessFile: file } } as const;
const asRoot = { privilege: 'root', timeoutMs: 10_000, maxBytes: 8_388_608 } as const;

const connectionTable: Command = {
  ...asRoot,
  ...gate,
  argv: ['ipvsadm', '-Lnc'],
  kind: 'ipvsadm-connections',
  otherwise: {
    argv: ['cat', '/proc/net/ip_vs_conn'],
    privilege: 'none',
    timeoutMs: 10_000,
    maxBytes: 8_388_608,
    kind: 'proc-net-ip-vs-conn',
    needsFile: '/proc/net/ip_vs_conn',
    wouldLoad: gate.wouldLoad,
  },
};

/** `ipvsadm` would load ip_vs where it is not there; the /proc files never do. */
export const ipvs = defineCollector({
  id: 'ipvs',
  purpose: 'IPVS services, connections, totals and time-outs, where IPVS is in use, before and after',
  params: z.strictObject({
    /** Every tracked connection: the longest of the lists on a busy node. */
    connections: z.boolean().default(true),
  }),
  when: 'delta',
  beforeCaptures: true,
  provides: ['ipvs'],
  commands: ({ connections }, { learned }) =>
    // what has no service before the window has nothing that can move in it
    learned.withoutIpvs === true
      ? []
      : [
          {
            ...asRoot,
            ...gate,
            argv: ['ipvsadm', '-Ln'],
            kind: 'ipvsadm',
            otherwise: {
              argv: ['cat', file],
              privilege: 'none',
              timeoutMs: 10_000,
              maxBytes: 8_388_608,
              kind: 'proc-net-ip-vs',
              needsFile: file,
              wouldLoad: gate.wouldLoad,
            },
          },
          ...(connections ? [connectionTable] : []),
          { ...asRoot, ...gate, argv: ['ipvsadm', '-l', '--timeout'], kind: 'ipvsadm-timeouts' },
          { ...asRoot, ...gate, argv: ['ipvsadm', '-Ln', '--stats', '--exact'], kind: 'ipvsadm-stats' },
        ],
});
