import type { Attachment, KeyValue, SchedulePosts } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import { attachFiles } from './attach-files.ts';
import { answerOf } from './claim.ts';
import { clipMrkdwn, fitBlocks, maxPlainChars, maxTextChars, plainTextOf } from './fit-blocks.ts';
import { withoutMentions, withoutMentionsInText } from './mrkdwn.ts';
import type { Outbox, Sent } from './outbox.ts';
import { refusalOf } from './refusals.ts';
import { attachedKey, keepMs } from './run-keys.ts';
import { blockIdOf, findRunMessage, metadataOf } from './run-messages.ts';
import type { SlackCalls } from './slack-calls.ts';

export interface SchedulePostsOptions {
  readonly outbox: Outbox;
  /** For looking whether a post is there already. */
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly log?: ((line: string) => void) | undefined;
}

/** What Slack says where the message that is replied to is gone. */
const threadIsGone = new Set(['thread_not_found', 'message_not_found', 'cannot_reply_to_message']);
/** A firing that is done again after a crash looks for its post so far back. */
const lookBackS = 2 * 3600;

/** Posts of schedules, each once. */
export function createSchedulePosts({
  outbox,
  calls,
  store,
  log = () => undefined,
}: SchedulePostsOptions): SchedulePosts {
  /** Once per post: a process that dies in the middle leaves them out rather than there twice. */
  async function attach(
    id: string,
    place: { readonly channel: string; readonly threadTs: string },
    make: () => Promise<readonly Attachment[]>,
  ): Promise<void> {
    const first = await answerOf(() => store.setOnce(attachedKey(id), 'taken', { ttlMs: keepMs }));
    if (!first.answered || !first.value) return;
    try {
      const why = await attachFiles(calls, { ...place, files: await make(), comment: '' });
      if (why !== null) log(`slack: the files of post ${id} could not be attached: ${why}`);
    } catch (error) {
      log(`slack: the files of post ${id} could not be made: ${String(error)}`);
    }
  }

  const keyOf = (id: string): string => `netcheck:schedule-post:${id}`;
  return {
    async post({ id, channel, threadTs, message, attachments }) {
      const known = await answerOf(() => store.get(keyOf(id)));
      if (known.answered && known.value !== null) return known.value;
      const blocks = fitBlocks(withoutMentions(marked(message.blocks, id)), [], 'en');
      const text = withoutMentionsInText(message.text);
      const send = (rootTs: string | undefined): Promise<Sent> => {
        const oldestTs = rootTs ?? String(Math.floor(Date.now() / 1000) - lookBackS);
        return outbox.post({
          channel,
          threadTs: rootTs,
          body: { text: clipMrkdwn(text, maxTextChars), blocks },
          plain: clipMrkdwn(plainTextOf(blocks), maxPlainChars),
          metadata: metadataOf('schedule', id),
          find: () => findRunMessage(calls, 'schedule', id, { channel, rootTs, oldestTs }),
        });
      };
      let sent = await send(threadTs);
      if (threadTs !== undefined && !sent.sent && sent.because === 'refused' && threadIsGone.has(sent.error))
        sent = await send(undefined);
      if (!sent.sent) {
        if (sent.because === 'refused') {
          const { message: why, hint } = refusalOf(sent.error, 'en');
          throw new NetcheckError('slack/refused', `${why} (${sent.error})`, hint);
        }
        const why = sent.because === 'gaveUp' ? sent.why : sent.because;
        throw new NetcheckError('slack/unreachable', `Slack did not take a post: ${why}.`, 'It is tried again.');
      }
      const { ts } = sent;
      await answerOf(() => store.set(keyOf(id), ts, { ttlMs: keepMs }));
      if (attachments !== undefined) await attach(id, { channel, threadTs: threadTs ?? ts }, attachments);
      return ts;
    },
  };
}

/** The first block says which post it is, for where metadata is not shown to us. */
function marked(blocks: readonly unknown[], id: string): unknown[] {
  return blocks.map((block, index) =>
    index === 0 && typeof block === 'object' && block !== null
      ? { ...block, block_id: blockIdOf('schedule', id) }
      : block,
  );
}
