import type { Attachment } from '../../engine/ports.ts';
import { pause } from './pause.ts';
import { type CallOutcome, outcomeText, type SlackCalls } from './slack-calls.ts';

export interface AttachOrder {
  readonly channel: string;
  readonly threadTs: string;
  readonly files: readonly Attachment[];
  /** Stands above the files, mrkdwn; empty: nothing does. */
  readonly comment: string;
}

/** How often one step is tried, and the longest that it waits for Slack in between. */
const mostTries = 4;
const longestWaitMs = 30_000;

/**
 * Uploads files and shares them as one message of a thread (files.getUploadURLExternal, an upload each,
 * files.completeUploadExternal). Never rejects.
 *
 * @returns null where they are there, else why not
 */
export async function attachFiles(calls: SlackCalls, order: AttachOrder): Promise<string | null> {
  const shared: { readonly id: string; readonly title: string }[] = [];
  for (const { name, title, bytes } of order.files) {
    const place = await insist(() =>
      calls.call('files.getUploadURLExternal', { filename: name, length: bytes.length, alt_txt: title }),
    );
    if (place.outcome !== 'ok') return outcomeText(place);
    const { upload_url: url, file_id: id } = place.response;
    if (typeof url !== 'string' || typeof id !== 'string') return 'Slack named no place to upload to';
    const uploaded = await insist(() => calls.upload(url, bytes));
    if (uploaded.outcome !== 'ok') return outcomeText(uploaded);
    shared.push({ id, title });
  }
  if (shared.length === 0) return null;
  const completed = await insist(
    () =>
      calls.call('files.completeUploadExternal', {
        files: shared,
        channel_id: order.channel,
        thread_ts: order.threadTs,
        ...(order.comment === '' ? {} : { initial_comment: order.comment }),
      }),
    // Once more might show them twice.
    { repeatAmbiguous: false },
  );
  return completed.outcome === 'ok' || completed.outcome === 'ambiguous' ? null : outcomeText(completed);
}

async function insist(
  attempt: () => Promise<CallOutcome>,
  { repeatAmbiguous = true }: { readonly repeatAmbiguous?: boolean } = {},
): Promise<CallOutcome> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await attempt();
    if (outcome.outcome === 'ok' || outcome.outcome === 'refused' || tries >= mostTries) return outcome;
    if (outcome.outcome === 'ambiguous' && !repeatAmbiguous) return outcome;
    const waitMs = outcome.outcome === 'rateLimited' ? outcome.retryAfterMs : 1000 * 2 ** (tries - 1);
    if (waitMs > longestWaitMs) return outcome;
    await pause(waitMs);
  }
}
