import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'none', timeoutMs: 10_000, maxBytes: 4_194_304 } as const;

/** Without ip(8) the main table of each family, as the kernel prints it. */
export const routes = defineCollector({
  id: 'routes',
  purpose: 'routes of every table',
  params: z.strictObject({}),
  when: 'once',
  provides: ['routes'],
  commands: () => [
    {
      ...bounds,
      argv: ['ip', 'route', 'show', 'table', 'all'],
      kind: 'ip-route',
      tool: 'ip',
      otherwise: { ...bounds, argv: ['cat', '/proc/net/route'], kind: 'proc-net-route' },
    },
    {
      ...bounds,
      argv: ['cat', '/proc/net/ipv6_route'],
      kind: 'proc-net-ipv6-route',
      unlessTool: 'ip',
      needsFile: '/proc/net/if_inet6',
    },
  ],
});
