import type { Lookup } from './outbox.ts';
import type { SlackCalls } from './slack-calls.ts';
import { isRecord } from './is-record.ts';

/**
 * Messages that must exist once. Of a run: the one that lives, the answer, and what stands in the thread of somebody who
 * joined another run. What a schedule posts. Of an alert: the root of its thread, and that it is over; of several: the
 * list of those that were not looked at. Of a change: the proposal, and what was decided of it.
 */
export type RunMessage =
  | 'status'
  | 'answer'
  | 'joined'
  | 'schedule'
  | 'alert'
  | 'resolved'
  | 'alerts'
  | 'proposal'
  | 'decided';

/** Metadata that makes a message of a run recognisable (docs.slack.dev/messaging/message-metadata). */
export function metadataOf(
  kind: RunMessage,
  runId: string,
): { readonly event_type: string; readonly event_payload: Readonly<Record<string, string>> } {
  return { event_type: `netcheck_${kind}`, event_payload: { run_id: runId } };
}

/** The `block_id` that says the same where metadata is not shown to us. */
export function blockIdOf(kind: RunMessage, runId: string): string {
  return `netcheck:${runId}:${kind}`;
}

/** Where to look. Without `rootTs`: among the messages of the channel itself. */
export interface Place {
  readonly channel: string;
  readonly rootTs?: string | undefined;
  /** Nothing older than this Slack timestamp (seconds) is ours. */
  readonly oldestTs: string;
}

/**
 * Looks for a run's message in Slack itself.
 * @returns `unknown` where Slack refuses (no history scope) or does not answer; never rejects
 */
export async function findRunMessage(
  calls: SlackCalls,
  kind: RunMessage,
  runId: string,
  place: Place,
): Promise<Lookup> {
  const wanted = metadataOf(kind, runId);
  const blockId = blockIdOf(kind, runId);
  let cursor = '';
  for (let page = 0; page < 20; page += 1) {
    const outcome = await calls.call(place.rootTs === undefined ? 'conversations.history' : 'conversations.replies', {
      channel: place.channel,
      ...(place.rootTs === undefined ? {} : { ts: place.rootTs }),
      oldest: place.oldestTs,
      inclusive: true,
      include_all_metadata: true,
      limit: 200,
      ...(cursor === '' ? {} : { cursor }),
    });
    switch (outcome.outcome) {
      case 'refused':
        return { found: 'unknown', why: outcome.error, passing: false };
      case 'rateLimited':
        return { found: 'unknown', why: 'Slack answered 429', passing: true };
      case 'notSent':
      case 'ambiguous':
        return { found: 'unknown', why: outcome.why, passing: true };
      case 'ok':
        break;
    }
    const messages = Array.isArray(outcome.response['messages']) ? outcome.response['messages'] : [];
    for (const message of messages) {
      if (!isRecord(message) || typeof message['ts'] !== 'string') continue;
      const metadata = message['metadata'];
      const blocks = Array.isArray(message['blocks']) ? message['blocks'] : [];
      const ours =
        (isRecord(metadata) &&
          metadata['event_type'] === wanted.event_type &&
          isRecord(metadata['event_payload']) &&
          metadata['event_payload']['run_id'] === runId) ||
        blocks.some((block) => isRecord(block) && block['block_id'] === blockId);
      if (ours) return { found: 'yes', ts: message['ts'] };
    }
    const next = outcome.response['response_metadata'];
    cursor = isRecord(next) && typeof next['next_cursor'] === 'string' ? next['next_cursor'] : '';
    if (cursor === '') return { found: 'no' };
  }
  return { found: 'no' };
}
