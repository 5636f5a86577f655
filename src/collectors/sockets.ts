import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { procNetTcp } from './proc-net-tcp.ts';

export const sockets = defineCollector({
  id: 'sockets',
  purpose: 'TCP sockets of the port in question, with states and timers',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['sockets'],
  commands: (_params, { port }) => [
    {
      argv: ['ss', '-tano', '(', 'sport', '=', `:${port}`, 'or', 'dport', '=', `:${port}`, ')'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 2_097_152,
      kind: 'ss',
      tool: 'ss',
      wouldLoad: { modules: ['tcp_diag', 'inet_diag'] },
      otherwise: procNetTcp,
    },
  ],
});
