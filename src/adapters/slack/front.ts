import { createHash } from 'node:crypto';
import type { AnswerThread, KeyValue, RunQueue, RunRequest } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { Language } from '../../model/language.ts';
import { answerOf, claim } from './claim.ts';
import { clipMrkdwn, plainTextOf } from './fit-blocks.ts';
import { isRecord } from './is-record.ts';
import { escapeMrkdwn } from './mrkdwn.ts';
import { messageBodyOf, parsedJson } from './message-body.ts';
import type { MessageBody, Outbox, Sent } from './outbox.ts';
import { refusalOf } from './refusals.ts';
import {
  answerKey,
  buttonMs,
  cancelKey,
  deliveryKey,
  finalStatusKey,
  keepMs,
  readAnswer,
  recheckKey,
  runKey,
  statusKey,
} from './run-keys.ts';
import { findRunMessage, metadataOf } from './run-messages.ts';
import { clip, type RunStage, statusMessage } from './status-message.ts';
import type { SlackCalls } from './slack-calls.ts';
import { unmangle } from '../../model/unmangle.ts';
import { languageOf, wordingIn } from './wording.ts';

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

/** Whether a person may press a button of a run. */
export type MayAct = (
  action: 'cancel' | 'recheck',
  actor: { readonly user: string; readonly channel: string; readonly run: RunRequest },
) => Promise<{ readonly ok: true } | { readonly ok: false; readonly message: string; readonly hint: string }>;

export interface FrontOptions {
  readonly outbox: Outbox;
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly queue: RunQueue;
  readonly ask: Ask;
  readonly helpText: (language: Language) => string;
  readonly mayAct?: MayAct | undefined;
  /** For a run that was cancelled before a worker took it. */
  readonly threadOf: (request: RunRequest) => AnswerThread;
  /** Answers in this language unless the ask is Chinese. */
  readonly language: Language;
  /** As typed, with the slash. */
  readonly command: string;
  readonly log?: ((line: string) => void) | undefined;
}

/** A slash command, after it was acknowledged. */
export interface SlashDelivery {
  readonly text: string;
  readonly user: string;
  readonly channel: string;
  readonly team: string;
  /** Unique per command, the same when delivered again. */
  readonly triggerId: string;
  /** Shows text to the person only (response_url). Rejects where Slack does not take it. */
  readonly respond: (text: string) => Promise<void>;
}

/** An `app_mention` event, after it was acknowledged. */
export interface MentionDelivery {
  readonly text: string;
  readonly user: string;
  readonly channel: string;
  readonly team: string;
  readonly ts: string;
  readonly threadTs?: string | undefined;
  /** Slack says that it delivers this again. */
  readonly redelivered: boolean;
  /** Our own user id, so that the mention itself can be cut off. */
  readonly botUserId: string;
}

/** A press of one of our buttons, after it was acknowledged. */
export interface ClickDelivery {
  /** The button's value. */
  readonly runId: string;
  readonly user: string;
  readonly channel: string;
  readonly threadTs?: string | undefined;
  readonly team: string;
  readonly triggerId: string;
}

/** What the Slack front does with what people do. No method rejects. */
export interface Front {
  slash(delivery: SlashDelivery): Promise<void>;
  mention(delivery: MentionDelivery): Promise<void>;
  cancel(click: ClickDelivery): Promise<void>;
  recheck(click: ClickDelivery): Promise<void>;
}

/** A process that dies in the middle of an ask holds the delivery for this long. */
const deliveryLeaseMs = 60_000;
/** Two presses of Re-check within this time are one. */
const recheckPauseMs = 10_000;

/** An id that the same delivery always gets, fit for a queue's job id. */
export function runIdOf(...delivery: readonly string[]): string {
  return `s${createHash('sha256').update(delivery.join('\n')).digest('hex').slice(0, 16)}`;
}

/** The front without Bolt: deliveries in, messages and queued runs out. */
export function createFront(options: FrontOptions): Front {
  const { outbox, calls, store, queue } = options;
  const log = options.log ?? (() => {});

  interface Asked {
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

  /** Validates, shows the status message, queues: in this order. */
  async function start(asked: Asked): Promise<void> {
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
    const judged = await judge(asked.text, asker);
    if (!judged.ok) {
      await tell(twoLines(judged));
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
    const shown = await showStatus(asked, about, { stage: 'queued', describe: judged.describe });
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
      await paint(request, statusMessage(request, { stage: 'notStarted', ...wording.queueDown }, language), true);
      await release();
      return;
    }
    await keep();
  }

  async function judge(text: string, asker: Asker): ReturnType<Ask> {
    try {
      return await options.ask(text, asker);
    } catch (error) {
      if (error instanceof NetcheckError) return { ok: false, message: error.message, hint: error.hint };
      log(`slack: judging an ask failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return { ok: false, ...wordingIn(asker.language).ourFault };
    }
  }

  /** Posts the status message, or finds the one that an interrupted delivery had posted. */
  async function showStatus(
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

  /** Edits a run's status message from here, where no worker does. */
  async function paint(request: RunRequest, body: MessageBody, final: boolean): Promise<void> {
    const { channel, statusTs } = request.thread;
    await outbox.update({ channel, ts: statusTs, body, plain: plainTextOf(body.blocks), final });
  }

  /** The run behind a button, if this person may use it here and now. */
  async function runBehind(
    action: 'cancel' | 'recheck',
    click: ClickDelivery,
    refuse: (text: string) => Promise<void>,
  ): Promise<RunRequest | undefined> {
    const fallback = wordingIn(options.language);
    if (!/^[A-Za-z0-9_-]{1,64}$/u.test(click.runId)) {
      await refuse(fallback.expired(options.command));
      return undefined;
    }
    const stored = await answerOf(() => store.get(runKey(click.runId)));
    if (!stored.answered) {
      await refuse(ownWords(fallback.queueDown));
      return undefined;
    }
    const run = stored.value === null ? undefined : runRequestOf(stored.value);
    if (run === undefined || Date.now() - run.askedAtMs > buttonMs) {
      await refuse(fallback.expired(options.command));
      return undefined;
    }
    const wording = wordingIn(run.language);
    if (run.thread.channel !== click.channel) {
      await refuse(wording.otherChannel);
      return undefined;
    }
    if (options.mayAct === undefined) return run;
    try {
      const allowed = await options.mayAct(action, { user: click.user, channel: click.channel, run });
      if (allowed.ok) return run;
      await refuse(twoLines(allowed));
    } catch (error) {
      log(`slack: the access check failed: ${String(error)}`);
      await refuse(ownWords(wording.notAllowed));
    }
    return undefined;
  }

  const tellInThread =
    (click: { readonly channel: string; readonly user: string; readonly threadTs?: string | undefined }) =>
    async (text: string): Promise<void> => {
      await outbox.ephemeral({ channel: click.channel, user: click.user, threadTs: click.threadTs, text });
    };

  async function guarded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      log(`slack: ${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  return {
    slash: (delivery) =>
      guarded('a slash command', async () => {
        const text = withoutCheck(unmangle(delivery.text));
        const { user, channel } = delivery;
        await start({
          runId: runIdOf('slash', delivery.team, channel, delivery.triggerId),
          text,
          asker: { user, channel, language: languageOf(text, options.language) },
          redelivered: false,
          async tell(answer) {
            try {
              await delivery.respond(answer);
            } catch (error) {
              log(`slack: response_url did not take an answer: ${String(error)}`);
              await outbox.ephemeral({ channel, user, text: answer });
            }
          },
        });
      }),

    mention: (delivery) =>
      guarded('a mention', async () => {
        const text = withoutCheck(unmangle(afterMention(delivery.text, delivery.botUserId)));
        const { user, channel } = delivery;
        await start({
          // With the text: a person who corrects a typing error by editing the message asks something new.
          runId: runIdOf('mention', delivery.team, channel, delivery.ts, text),
          text,
          asker: { user, channel, language: languageOf(text, options.language) },
          rootTs: delivery.threadTs ?? delivery.ts,
          redelivered: delivery.redelivered,
          tell: tellInThread({ channel, user, threadTs: delivery.threadTs }),
        });
      }),

    cancel: (click) =>
      guarded('Cancel', async () => {
        const refuse = tellInThread(click);
        const run = await runBehind('cancel', click, refuse);
        if (run === undefined) return;
        const wording = wordingIn(run.language);
        const answered = await answerOf(() => store.get(answerKey(run.id)));
        if (answered.answered && answered.value !== null && readAnswer(answered.value).state === 'done') {
          await refuse(wording.alreadyOver);
          return;
        }
        const once = await claim(store, cancelKey(run.id), click.user, deliveryLeaseMs);
        if (once.got !== 'first') {
          await refuse(once.got === 'again' ? wording.alreadyCancelling : ownWords(wording.queueDown));
          return;
        }
        let outcome: 'cancelling' | 'removed' | 'unknown';
        try {
          outcome = await queue.cancel(run.id, click.user);
        } catch (error) {
          log(`slack: ${run.id} could not be cancelled: ${String(error)}`);
          await once.release();
          await refuse(ownWords(wording.queueDown));
          return;
        }
        await once.keep(keepMs);
        if (outcome === 'cancelling') {
          await paint(run, statusMessage(run, { stage: 'cancelling', by: click.user }, run.language), false);
          // The worker may have been faster: what it said last is painted again, over our "cancelling".
          const last = await answerOf(() => store.get(finalStatusKey(run.id)));
          const body = last.answered && last.value !== null ? messageBodyOf(last.value) : undefined;
          if (body !== undefined) await paint(run, body, true);
          return;
        }
        // Nobody else will end this run: it was waiting, or the queue has lost it.
        await options.threadOf(run).failed({ message: wording.cancelled, hint: '', cancelled: true });
      }),

    recheck: (click) =>
      guarded('Re-check', async () => {
        const refuse = tellInThread(click);
        const run = await runBehind('recheck', click, refuse);
        if (run === undefined) return;
        const once = await claim(store, recheckKey(run.id), click.user, recheckPauseMs);
        if (once.got !== 'first') {
          const wording = wordingIn(run.language);
          await refuse(once.got === 'again' ? wording.alreadyRechecking : ownWords(wording.queueDown));
          return;
        }
        await start({
          runId: runIdOf('recheck', click.team, click.channel, run.id, click.triggerId),
          text: run.text,
          asker: { user: click.user, channel: click.channel, language: run.language },
          rootTs: run.thread.rootTs,
          recheckOf: run.id,
          redelivered: false,
          tell: refuse,
        });
      }),
  };
}

/** Our own words, with their own formatting. */
function ownWords(why: { readonly message: string; readonly hint: string }): string {
  return `${why.message}\n${why.hint}`;
}

/** Words that may quote what a person typed. */
function twoLines(why: { readonly message: string; readonly hint: string }): string {
  const message = escapeMrkdwn(clip(why.message, 1500));
  const hint = escapeMrkdwn(clip(why.hint, 1500));
  return clipMrkdwn(hint === '' ? message : `${message}\n${hint}`, 3000);
}

/** "check" may stand before the ask (design section 2). */
function withoutCheck(text: string): string {
  return text.replace(/^check(?: |$)/iu, '');
}

/** What stands after our mention; before it where nothing does. */
function afterMention(text: string, botUserId: string): string {
  const parts = text.split(new RegExp(`<@${botUserId.replace(/[^A-Z0-9]/giu, '')}(?:\\|[^<>]*)?>[:,]?`, 'u'));
  const after = parts.slice(1).join(' ').trim();
  return after === '' ? (parts[0] ?? '').trim() : after;
}

/** Reads what we stored ourselves; anything else counts as not there. */
function runRequestOf(json: string): RunRequest | undefined {
  const value = parsedJson(json);
  if (!isRecord(value) || !isRecord(value['thread'])) return undefined;
  const { id, text, language, askedBy, askedAtMs, thread, recheckOf } = value;
  const { channel, rootTs, statusTs } = thread;
  if (typeof id !== 'string' || typeof text !== 'string' || typeof askedBy !== 'string') return undefined;
  if (typeof askedAtMs !== 'number' || typeof channel !== 'string') return undefined;
  if (typeof rootTs !== 'string' || typeof statusTs !== 'string') return undefined;
  return {
    id,
    text,
    language: language === 'zh' ? 'zh' : 'en',
    askedBy,
    askedAtMs,
    thread: { channel, rootTs, statusTs },
    ...(typeof recheckOf === 'string' ? { recheckOf } : {}),
  };
}
