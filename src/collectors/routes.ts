import { z } from 'zod';
import { defineCollector } from '../model/command.ts';

export const routes = defineCollector({
  id: 'routes',
  purpose: 'routes of every table',
  params: z.strictObject({}),
  when: 'once',
  provides: ['routes'],
  commands: () => [
    {
      argv: ['ip', 'route', 'show', 'table', 'all'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 4_194_304,
      kind: 'ip-route',
      tool: 'ip',
    },
  ],
});
