import { isRecord } from './is-record.ts';
import { type MessageWords, messageWords } from './message-words.ts';
import type { SlackCalls } from './slack-calls.ts';

/**
 * The first message of a thread. Never rejects.
 * @returns undefined where Slack does not let us read it (no history scope, not in the channel) or does not answer
 */
export async function quotedMessage(
  calls: SlackCalls,
  channel: string,
  threadTs: string,
  log: (line: string) => void,
): Promise<MessageWords | undefined> {
  const outcome = await calls.call('conversations.replies', { channel, ts: threadTs, limit: 1, inclusive: true });
  if (outcome.outcome !== 'ok') {
    log(`slack: the message above cannot be read: ${outcome.outcome === 'refused' ? outcome.error : outcome.outcome}`);
    return undefined;
  }
  const messages = Array.isArray(outcome.response['messages']) ? outcome.response['messages'] : [];
  return messageWords(messages.find((message) => isRecord(message) && message['ts'] === threadTs));
}
