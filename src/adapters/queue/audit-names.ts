import type { QueueNames } from './bull-queue.ts';

/** Queues and keys of audits, below the prefix of {@link QueueNames}. All in its one slot. */
export interface AuditNames {
  readonly prefix: string;
  /** One job per audit: the parent of its flow. */
  readonly audits: string;
  /** One job per node: the children. */
  readonly nodes: string;
  readonly cancelChannel: string;
  cancelKey(audit: string): string;
  /** Pub/sub channel with the steps of one audit. */
  stepChannel(audit: string): string;
  /** How it ended: the report, or why there is none. */
  endKey(audit: string): string;
  /** Stream of what nodes have come to. */
  resultsKey(audit: string): string;
  /** Set of the nodes that are in the stream. */
  doneKey(audit: string): string;
  /** What results are packed with: see `audit-results.ts`. */
  dictionaryKey(audit: string): string;
}

export function auditNames({ prefix }: QueueNames): AuditNames {
  const of =
    (part: string) =>
    (audit: string): string =>
      `${prefix}:audit:${audit}:${part}`;
  return {
    prefix,
    audits: 'audits',
    nodes: 'audit-nodes',
    cancelChannel: `${prefix}:audit-cancel`,
    cancelKey: of('cancel'),
    stepChannel: of('steps'),
    endKey: of('end'),
    resultsKey: of('results'),
    doneKey: of('done'),
    dictionaryKey: of('dictionary'),
  };
}
