import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** Runs nothing on any node: a run that has this step asks the API, where netcheck may (`engine/read-cluster.ts`). */
export const kubernetes = defineCollector({
  id: 'kubernetes',
  purpose: 'Kubernetes objects of the question, from the API (nothing is run on the node)',
  params: z.strictObject({}),
  when: 'once',
  provides: ['cluster'],
  commands: () => [],
});
