import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const tcpMetrics = defineCollector({
  id: 'tcp-metrics',
  purpose: 'what the kernel remembers of each peer (tw_ts on kernels with tcp_tw_recycle), before and after',
  params: z.strictObject({}),
  when: 'delta',
  provides: ['tcpMetrics'],
  commands: () => [
    {
      argv: ['ip', 'tcp_metrics', 'show'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 4_194_304,
      kind: 'ip-tcp-metrics',
      tool: 'ip',
    },
  ],
});
