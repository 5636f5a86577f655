import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Nothing runs on the node: the audit itself writes down beside the evidence what the one before it has read there. */
export const lastAudit = defineCollector({
  id: 'last-audit',
  purpose: 'counters as the last audit read them: kept by netcheck, so that the next audit sees what has risen since',
  params: z.strictObject({}),
  when: 'once',
  provides: ['sinceAudit'],
  commands: () => [],
});
