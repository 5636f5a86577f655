import { createHash } from 'node:crypto';
import type { KeyValue, RunQueue, RunRequest } from '../../engine/ports.ts';
import { NetcheckError, sentencesOf } from '../../model/errors.ts';
import type { Interpretation, OpenPoint } from '../../model/interpretation.ts';
import type { Language } from '../../model/language.ts';
import { askBack } from './ask-back.ts';
import { answerOf, claim } from './claim.ts';
import { plainTextOf } from './fit-blocks.ts';
import { joinRun } from './join-run.ts';
import type { Knowledge } from './knowledge.ts';
import type { MessageWords } from './message-words.ts';
import type { Outbox, Sent } from './outbox.ts';
import { ownWords, quotingWords } from './own-words.ts';
import { paintStatus } from './paint-status.ts';
import { refusalOf } from './refusals.ts';
import { buttonMs, deliveryKey, deliveryLeaseMs, keepMs, runKey, statusKey } from './run-keys.ts';
import { findRunMessage, metadataOf } from './run-messages.ts';
import type { SlackCalls } from './slack-calls.ts';
import { type RunStage, statusMessage } from './status-message.ts';
import { subCommandAnswer } from './sub-commands.ts';
import { sayUnclear } from './unclear.ts';
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
  /** `key`: the same for questions that would do the same. */
  | { readonly ok: true; readonly describe: string; readonly key?: string | undefined }
  /** `code`: of the error, where it was one of the grammar or of the plan. */
  | { readonly ok: false; readonly message: string; readonly hint: string; readonly code?: string | undefined }
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
  /** The change that the run is to try. */
  readonly trial?: RunRequest['trial'] | undefined;
  /** What asks, where it is no person. */
  readonly origin?: RunRequest['origin'] | undefined;
  readonly redelivered: boolean;
  /** A message of ours that becomes the status message: a question that the person has answered. */
  readonly statusTs?: string | undefined;
  /** What the text was taken from, where it is not what the person typed. */
  readonly wasRead?: boolean | undefined;
  /** What the person was asked about already, or has said with a form. */
  readonly settled?: readonly OpenPoint[] | undefined;
  /** The message that the person points at; undefined: it cannot be read. Absent: there is none. */
  readonly quoted?: (() => Promise<MessageWords | undefined>) | undefined;
  /** Shows something to the person who asked, and to nobody else. */
  readonly tell: Tell;
}

/** Shows text to one person; `blocks` are what it looks like where it has buttons. */
export type Tell = (text: string, blocks?: readonly unknown[]) => Promise<void>;

/** `asked`: a question back was put. `again`: somebody is at it, or has done it. `failed`: may be tried again. */
export type StartOutcome = 'started' | 'asked' | 'told' | 'again' | 'failed';

export interface StartRunOptions {
  readonly outbox: Outbox;
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly queue: RunQueue;
  readonly ask: Ask;
  readonly helpText: (language: Language) => string;
  /** Absent: questions are taken as they are. */
  readonly knowledge?: Knowledge | undefined;
  /** The slash command, with the slash. */
  readonly command: string;
  /** Where people find a thread. */
  readonly threadLink?: ((channel: string, rootTs: string) => string | undefined) | undefined;
  readonly log: (line: string) => void;
}

/** An id that the same delivery always gets, fit for a queue's job id. */
export function runIdOf(...delivery: readonly string[]): string {
  return `s${createHash('sha256').update(delivery.join('\n')).digest('hex').slice(0, 16)}`;
}

/** Understands, validates, shows the status message, queues: in this order, and once per {@link Asked.runId}. */
export async function startRun(options: StartRunOptions, asked: Asked): Promise<StartOutcome> {
  const { store } = options;
  const { language } = asked.asker;
  const delivery = await claim(store, deliveryKey(asked.runId), 'taken', deliveryLeaseMs);
  if (delivery.got === 'again') return 'again';
  const outcome = await startOnce(options, asked, async () => {
    if (delivery.got === 'first') return true;
    await asked.tell(ownWords(wordingIn(language).queueDown));
    return false;
  });
  if (delivery.got === 'first') await (outcome === 'failed' ? delivery.release() : delivery.keep(keepMs));
  return outcome;
}

/** @param canQueue tells the person where not */
async function startOnce(
  options: StartRunOptions,
  asked: Asked,
  canQueue: () => Promise<boolean>,
): Promise<StartOutcome> {
  const { asker, tell } = asked;
  const isEmpty = asked.text === '' && asked.quoted === undefined;
  if (isEmpty || /^(help|\?|帮助)$/iu.test(asked.text)) {
    await tell(options.helpText(asker.language));
    return 'told';
  }
  const answer = await subCommandAnswer(options, asked.text, asker);
  if (answer !== undefined) {
    await tell(answer);
    return 'told';
  }
  const meant = await understand(options, asked);
  if (meant.kind === 'unclear') {
    await sayUnclear(options, asked, meant);
    return 'told';
  }
  const wasRead = asked.wasRead === true || meant.wasRead;
  if (meant.kind === 'doubt') {
    // What cannot be asked at all is not asked back about.
    const { guess } = meant.doubt;
    const judged = guess === undefined ? undefined : await judge(options, guess, asker);
    if (judged?.ok === false) {
      await tell(quotingWords(judged));
      return 'told';
    }
    if (!(await canQueue())) return 'failed';
    return askBack(options, { ...asked, wasRead }, meant.doubt);
  }
  return queueRun(options, { ...asked, text: meant.text, wasRead }, canQueue);
}

/** What the words of the person, and those that they point at, amount to. */
async function understand(
  { knowledge, log }: StartRunOptions,
  asked: Asked,
): Promise<
  Interpretation | (Extract<Interpretation, { kind: 'unclear' }> & { readonly quoted: 'none' | 'read' | 'unreadable' })
> {
  const asItIs: Interpretation = { kind: 'question', text: asked.text, wasRead: false };
  if (knowledge === undefined || asked.recheckOf !== undefined) return asItIs;
  try {
    const quoted = await asked.quoted?.();
    const interpret = (words: string) => knowledge.interpret(asked.asker, asked.text, words, asked.settled ?? []);
    const meant = await interpret(quoted?.text ?? '');
    if (meant.kind !== 'unclear') return meant;
    // The addresses that a message links to are the last thing to look at.
    const inLinks =
      quoted === undefined || quoted.links === '' ? meant : await interpret(`${quoted.text}\n${quoted.links}`);
    if (inLinks.kind !== 'unclear') return inLinks;
    return { ...inLinks, quoted: asked.quoted === undefined ? 'none' : quoted === undefined ? 'unreadable' : 'read' };
  } catch (error) {
    log(
      `slack: understanding an ask failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return asItIs;
  }
}

async function queueRun(
  options: StartRunOptions,
  asked: Asked,
  canQueue: () => Promise<boolean>,
): Promise<StartOutcome> {
  const { outbox, store, queue, log } = options;
  const { runId, asker, tell } = asked;
  const { language } = asker;
  const wording = wordingIn(language);
  const judged = await judge(options, asked.text, asker);
  if (!judged.ok) {
    await tell(quotingWords(judged));
    return 'told';
  }
  if (!(await canQueue())) return 'failed';
  // A run that tries a change is never another's, and nobody joins one without having been told.
  if (asked.trial === undefined && (await joinRun(options, asked, judged.key))) return 'told';

  const about = {
    id: runId,
    text: asked.text,
    askedBy: asker.user,
    ...(asked.recheckOf === undefined ? {} : { recheckOf: asked.recheckOf }),
    ...(asked.wasRead === true ? { wasRead: true } : {}),
    ...(asked.origin === undefined ? {} : { origin: asked.origin }),
    ...(asked.trial === undefined ? {} : { trial: asked.trial }),
  };
  const shown = await showStatus(options, asked, about, { stage: 'queued', describe: judged.describe });
  if (!shown.sent) {
    await tell(ownWords(shown.because === 'refused' ? refusalOf(shown.error, language) : wording.slackTrouble));
    return 'failed';
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
    return 'failed';
  }
  return 'started';
}

async function judge({ ask, log }: StartRunOptions, text: string, asker: Asker): ReturnType<Ask> {
  try {
    return await ask(text, asker);
  } catch (error) {
    if (error instanceof NetcheckError) return { ok: false, ...sentencesOf(error, asker.language) };
    log(`slack: judging an ask failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return { ok: false, ...wordingIn(asker.language).ourFault };
  }
}

/** Posts the status message, or finds the one that an interrupted delivery had posted. */
async function showStatus(
  { outbox, calls, store }: StartRunOptions,
  asked: Asked,
  about: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'recheckOf' | 'wasRead'>,
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
  const plain = plainTextOf(body.blocks);
  const taken =
    asked.statusTs === undefined
      ? undefined
      : await outbox.update({ channel, ts: asked.statusTs, body, plain, final: false });
  // Where the message is gone, or cannot be edited, the run gets one of its own.
  if (taken?.sent === true) {
    await answerOf(() => store.set(statusKey(about.id), taken.ts, { ttlMs: keepMs }));
    return taken;
  }
  const sent = await outbox.post({
    channel,
    threadTs: asked.rootTs,
    body,
    plain,
    metadata: metadataOf('status', about.id),
    find,
  });
  if (sent.sent) await answerOf(() => store.set(statusKey(about.id), sent.ts, { ttlMs: keepMs }));
  return sent;
}
