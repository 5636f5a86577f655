import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const file = '/proc/net/ip_vs';
const gate = { tool: 'ipvsadm', wouldLoad: { modules: ['ip_vs'], unlessFile: file } } as const;
const asRoot = { privilege: 'root', timeoutMs: 10_000, maxBytes: 8_388_608 } as const;

/** `ipvsadm` would load ip_vs where it is not there; the /proc files never do. */
export const ipvs = defineCollector({
  id: 'ipvs',
  purpose: 'IPVS services, connections, totals and time-outs, where IPVS is in use, before and after',
  params: z.strictObject({}),
  when: 'delta',
  beforeCaptures: true,
  provides: ['ipvs'],
  commands: () => [
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
    {
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
    },
    { ...asRoot, ...gate, argv: ['ipvsadm', '-l', '--timeout'], kind: 'ipvsadm-timeouts' },
    { ...asRoot, ...gate, argv: ['ipvsadm', '-Ln', '--stats', '--exact'], kind: 'ipvsadm-stats' },
  ],
});
