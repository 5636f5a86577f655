import { createHash } from 'node:crypto';
import type { KeyValue, RunQueue, RunRequest } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { Language } from '../../model/language.ts';
import { answerOf, claim } from './claim.ts';
import { plainTextOf } from './fit-blocks.ts';
import type { Outbox, Sent } from './outbox.ts';
import { ownWords, quotingWords } from './own-words.ts';
import { paintStatus } from './paint-status.ts';
import { refusalOf } from './refusals.ts';
import { buttonMs, deliveryKey, deliveryLeaseMs, keepMs, runKey, statusKey } from './run-keys.ts';
import { findRunMessage, metadataOf } from './run-messages.ts';
import type { SlackCalls } from './slack-calls.ts';
import { type RunStage, statusMessage } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** Who asks, where, in which language. */
export interface Asker {
  readonly user: string;
  readonly channel: string;
  readonly language: Language;
}

/** Judges an ask before anything is queued. `describe`: one line of what will be looked at. */
export type Ask = (
  text: string,
  asker: Asker,
) => Promise<
  | { readonly ok: true; readonly describe: string }
  | { readonly ok: false; readonly message: string; readonly hint: string }
>;

/** A question that is to become a run. */
export interface Asked {
  readonly runId: string;
  /** Unmangled, without the command or mention. */
  readonly text: string;
  readonly asker: Asker;
  /** Absent for a slash command: the status message becomes the root. */
  readonly rootTs?: string | undefined;
  readonly recheckOf?: string | undefined;
  readonly redelivered: boolean;
  /** Shows something to the person who asked, and to nobody else. */
  readonly tell: (text: string) => Promise<void>;
}

export interface StartRunOptions {
  readonly outbox: Outbox;
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly queue: RunQueue;
  readonly ask: Ask;
  readonly helpText: (language: Language) => string;
  readonly log: (line: string) => void;
}

/** An id that the same delivery always gets, fit for a queue's job id. */
export function runIdOf(...delivery: readonly string[]): string {
  return `s${createHash('sha256').update(delivery.join('\n')).digest('hex').slice(0, 16)}`;
}

/** Validates, shows the status message, queues: in this order, and once per {@link Asked.runId}. */
export async function startRun(options: StartRunOptions, asked: Asked): Promise<void> {
  const { outbox, store, queue, log } = options;
  const { runId, asker, tell } = asked;
  const { language } = asker;
  const wording = wordingIn(language);
  const delivery = await claim(store, deliveryKey(runId), 'taken', deliveryLeaseMs);
  if (delivery.got === 'again') return;
  const keep = async () => {
    if (delivery.got === 'first') await delivery.keep(keepMs);
  };
  const release = async () => {
    if (delivery.got === 'first') await delivery.release();
  };

  if (asked.text === '' || /^(help|\?|帮助)$/iu.test(asked.text)) {
    await tell(options.helpText(language));
    await keep();
    return;
  }
  const judged = await judge(options, asked.text, asker);
  if (!judged.ok) {
    await tell(quotingWords(judged));
    await keep();
    return;
  }
  if (delivery.got === 'down') {
    await tell(ownWords(wording.queueDown));
    return;
  }

  const about = {
    id: runId,
    text: asked.text,
    askedBy: asker.user,
    ...(asked.recheckOf === undefined ? {} : { recheckOf: asked.recheckOf }),
  };
  const shown = await showStatus(options, asked, about, { stage: 'queued', describe: judged.describe });
  if (!shown.sent) {
    await tell(ownWords(shown.because === 'refused' ? refusalOf(shown.error, language) : wording.slackTrouble));
    await release();
    return;
  }
  const request: RunRequest = {
    ...about,
    language,
    askedAtMs: Date.now(),
    thread: { channel: asker.channel, rootTs: asked.rootTs ?? shown.ts, statusTs: shown.ts },
  };
  try {
    await store.set(runKey(runId), JSON.stringify(request), { ttlMs: buttonMs });
    await queue.submit(request);
  } catch (error) {
    log(`slack: run ${runId} could not be queued: ${String(error)}`);
    const body = statusMessage(request, { stage: 'notStarted', ...wording.queueDown }, language);
    await paintStatus(outbox, request, body, true);
    await release();
    return;
  }
  await keep();
}

async function judge({ ask, log }: StartRunOptions, text: string, asker: Asker): ReturnType<Ask> {
  try {
    return await ask(text, asker);
  } catch (error) {
    if (error instanceof NetcheckError) return { ok: false, message: error.message, hint: error.hint };
    log(`slack: judging an ask failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return { ok: false, ...wordingIn(asker.language).ourFault };
  }
}

/** Posts the status message, or finds the one that an interrupted delivery had posted. */
async function showStatus(
  { outbox, calls, store }: StartRunOptions,
  asked: Asked,
  about: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'recheckOf'>,
  now: RunStage,
): Promise<Sent> {
  const { channel, language } = asked.asker;
  const known = await answerOf(() => store.get(statusKey(about.id)));
  if (known.answered && known.value !== null) return { sent: true, ts: known.value, shape: 'blocks' };
  const find = () =>
    findRunMessage(calls, 'status', about.id, {
      channel,
      rootTs: asked.rootTs,
      // Our clock and Slack's differ; a delivery may come minutes late.
      oldestTs: String(Math.floor(Date.now() / 1000) - 900),
    });
  if (asked.redelivered) {
    const found = await find();
    if (found.found === 'yes') return { sent: true, ts: found.ts, shape: 'blocks' };
  }
  const body = statusMessage(about, now, language);
  const sent = await outbox.post({
    channel,
    threadTs: asked.rootTs,
    body,
    plain: plainTextOf(body.blocks),
    metadata: metadataOf('status', about.id),
    find,
  });
  if (sent.sent) await answerOf(() => store.set(statusKey(about.id), sent.ts, { ttlMs: keepMs }));
  return sent;
}
