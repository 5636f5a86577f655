import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/**
 * Before and after the window: a full accept queue is only visible while it is full. /proc/net/tcp is the fall-back
 * that loads nothing; it has no queue size.
 */
export const listeners = defineCollector({
  id: 'listeners',
  purpose: 'listening sockets with their queues, before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['listeners'],
  commands: () => [
    {
      argv: ['ss', '-lntup'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 2_097_152,
      kind: 'ss',
      tool: 'ss',
      wouldLoad: { modules: ['tcp_diag', 'udp_diag', 'inet_diag'] },
      // the kernel's own list does not say how long the queue of a listener may be: ss does, also of TCP alone
      otherwise: {
        argv: ['ss', '-lntp'],
        privilege: 'none',
        timeoutMs: 10_000,
        maxBytes: 2_097_152,
        kind: 'ss',
        tool: 'ss',
        wouldLoad: { modules: ['tcp_diag', 'inet_diag'] },
        otherwise: {
          argv: ['cat', '/proc/net/tcp', '/proc/net/tcp6'],
          privilege: 'none',
          timeoutMs: 10_000,
          maxBytes: 4_194_304,
          kind: 'proc-net-tcp',
        },
      },
    },
  ],
});
