import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** `ss -s` reads /proc/net/sockstat and snmp (misc/ss.c, print_summary) and, for TCP states, loads nothing. */
export const socketSummary = defineCollector({
  id: 'socket-summary',
  purpose: 'how many sockets there are, by state',
  params: z.strictObject({}),
  when: 'once',
  provides: ['socketSummary'],
  commands: () => [
    { argv: ['ss', '-s'], privilege: 'none', timeoutMs: 10_000, maxBytes: 65_536, kind: 'ss-summary', tool: 'ss' },
  ],
});
