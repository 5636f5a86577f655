import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/**
 * Only the entries of the port: the table of a busy node has hundreds of thousands. There is room for all source ports
 * of one address (about 64000 lines): that they are used up is a fault to be found.
 */
const maxBytes = 16_777_216;

export const conntrackTable = defineCollector({
  id: 'conntrack-table',
  purpose: 'tracked connections of the port in question',
  params: z.strictObject({}),
  when: 'last',
  provides: ['conntrackEntries'],
  commands: (_params, { port, protocol }) => [
    {
      argv: ['conntrack', '-L', '-p', protocol, '--orig-port-dst', String(port)],
      privilege: 'root',
      timeoutMs: 15_000,
      maxBytes,
      kind: 'conntrack-list',
      tool: 'conntrack',
      wouldLoad: { modules: ['nf_conntrack', 'nf_conntrack_netlink'] },
      otherwise: {
        argv: ['grep', '-E', `^ipv[46] +[0-9]+ ${protocol} .* dport=${port} `, '/proc/net/nf_conntrack'],
        privilege: 'root',
        timeoutMs: 15_000,
        maxBytes,
        kind: 'conntrack-list',
        needsFile: '/proc/net/nf_conntrack',
      },
    },
  ],
});
