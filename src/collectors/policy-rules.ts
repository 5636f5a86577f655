import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { privilege: 'none', timeoutMs: 5000, maxBytes: 262_144, kind: 'ip-rule', tool: 'ip' } as const;

export const policyRules = defineCollector({
  id: 'policy-rules',
  purpose: 'the order in which routing tables are asked (ip rule)',
  params: z.strictObject({}),
  when: 'once',
  provides: ['policyRules'],
  commands: () => [
    { ...bounds, argv: ['ip', 'rule', 'show'] },
    { ...bounds, argv: ['ip', '-6', 'rule', 'show'], needsFile: '/proc/net/if_inet6' },
  ],
});
