import * as z from 'zod';
import { type Command, defineCollector } from '../model/command.ts';
import { procNetTcp } from './proc-net-tcp.ts';

const ss: Command = {
  argv: ['ss', '-lntup'],
  privilege: 'none',
  timeoutMs: 10_000,
  maxBytes: 2_097_152,
  kind: 'ss',
  tool: 'ss',
  wouldLoad: { modules: ['tcp_diag', 'udp_diag', 'inet_diag'] },
};

/** Before and after the window: a full accept queue is only visible while it is full. */
export const listeners = defineCollector({
  id: 'listeners',
  purpose: 'listening sockets with their queues, before and after',
  params: z.strictObject({}),
  when: 'delta',
  // who listens is asked more about, together with the counters
  beforeCaptures: true,
  provides: ['listeners'],
  commands: () => [
    {
      ...ss,
      // the kernel's own list does not say how long the queue of a listener may be: ss does, also of TCP alone
      otherwise: {
        ...ss,
        argv: ['ss', '-lntp'],
        wouldLoad: { modules: ['tcp_diag', 'inet_diag'] },
        otherwise: procNetTcp,
      },
    },
  ],
});
