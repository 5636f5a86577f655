import * as z from 'zod';
import { CounterSnapshot } from './node-audit.ts';

/** What an audit remembers of one node for the next one. */
export const BaselineNode = z.strictObject({
  node: z.string(),
  /** When it was looked at last; older than the audit where it could not be reached since. */
  lookedAtMs: z.number(),
  troubles: z.array(
    z.strictObject({ fingerprint: z.string(), rule: z.string(), title: z.string(), firstSeenMs: z.number() }),
  ),
  counters: CounterSnapshot.optional(),
});
export type BaselineNode = z.infer<typeof BaselineNode>;

/** What the next audit with the same playbook and selector is compared with. */
export interface AuditBaseline {
  readonly id: string;
  readonly playbook: string;
  readonly selector: string;
  readonly startedAtMs: number;
  /** By name. */
  readonly nodes: ReadonlyMap<string, BaselineNode>;
}
