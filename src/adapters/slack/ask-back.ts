import type { KeyValue } from '../../engine/ports.ts';
import { type Doubt, openPoints, type OpenPoint } from '../../model/interpretation.ts';
import type { Language } from '../../model/language.ts';
import { answerOf } from './claim.ts';
import { draftMs, keepDraft } from './drafts.ts';
import { fitBlocks, plainTextOf } from './fit-blocks.ts';
import { frontWording } from './front-wording.ts';
import { isRecord } from './is-record.ts';
import { parsedJson } from './message-body.ts';
import { codeSpan, escapeMrkdwn, mentionOf } from './mrkdwn.ts';
import type { MessageBody, Sent } from './outbox.ts';
import { ownWords } from './own-words.ts';
import { refusalOf } from './refusals.ts';
import { findRunMessage, metadataOf, blockIdOf } from './run-messages.ts';
import type { Asked, StartOutcome, StartRunOptions } from './start-run.ts';
import { button, clip } from './status-message.ts';
import { stringOf } from './string-of.ts';
import { formAction } from './unclear.ts';
import { wordingIn } from './wording.ts';

/** `action_id` of the buttons that answer a question of ours; the number of the choice follows a colon. */
export const chooseAction = 'netcheck_choose';
/** The choice that leaves the question as it is. */
export const guessChoice = 'any';

/** A question that we have put. Its id stands in the buttons, everything else is here. */
export interface OpenQuestion {
  readonly id: string;
  /** The only one who may answer. */
  readonly user: string;
  readonly channel: string;
  readonly language: Language;
  /** Absent: the question itself is the root. */
  readonly rootTs?: string | undefined;
  /** The message that it stands in. */
  readonly ts: string;
  readonly open: OpenPoint;
  readonly settled: readonly OpenPoint[];
  readonly choices: readonly string[];
  readonly guess?: string | undefined;
  readonly wasRead: boolean;
}

const questionKey = (id: string): string => `netcheck:question:${id}`;
export const chosenKey = (id: string): string => `netcheck:chosen:${id}`;

/** Asks the one question that decides what is meant, with a button for each answer. */
export async function askBack(options: StartRunOptions, asked: Asked, doubt: Doubt): Promise<StartOutcome> {
  const { outbox, calls, store, log } = options;
  const { runId: id, asker } = asked;
  const { channel, language, user } = asker;
  const [first] = doubt.choices;
  const draft = { channel, question: id, ...(asked.rootTs === undefined ? {} : { rootTs: asked.rootTs }) };
  const body = questionMessage(id, asked, doubt, await keepDraft(store, id, { ...draft, ...targetOf(doubt) }));
  const plain = plainTextOf(body.blocks);
  const find = () =>
    findRunMessage(calls, 'status', id, {
      channel,
      rootTs: asked.rootTs,
      oldestTs: String(Math.floor(Date.now() / 1000) - 900),
    });
  let sent: Sent | undefined;
  if (asked.statusTs !== undefined)
    sent = await outbox.update({ channel, ts: asked.statusTs, body, plain, final: false });
  if (sent?.sent !== true && asked.redelivered) {
    const found = await find();
    if (found.found === 'yes') sent = { sent: true, ts: found.ts, shape: 'blocks' };
  }
  if (sent?.sent !== true)
    sent = await outbox.post({
      channel,
      threadTs: asked.rootTs,
      body,
      plain,
      metadata: metadataOf('status', id),
      find,
    });
  if (!sent.sent || first === undefined) {
    const why =
      !sent.sent && sent.because === 'refused' ? refusalOf(sent.error, language) : wordingIn(language).slackTrouble;
    await asked.tell(ownWords(why));
    return 'failed';
  }
  const question: OpenQuestion = {
    id,
    user,
    channel,
    language,
    rootTs: asked.rootTs,
    ts: sent.ts,
    open: doubt.open,
    settled: [...(asked.settled ?? []), doubt.open],
    choices: doubt.choices.map(({ text }) => text),
    guess: doubt.guess,
    wasRead: asked.wasRead === true,
  };
  const kept = await answerOf(() => store.set(questionKey(id), JSON.stringify(question), { ttlMs: draftMs }));
  if (!kept.answered) log(`slack: the question ${id} could not be kept: its buttons will say that it has expired`);
  return 'asked';
}

/** The question behind a button; null: it has expired or never was. */
export async function openQuestion(
  store: KeyValue,
  id: string,
): Promise<{ readonly answered: true; readonly question: OpenQuestion | null } | { readonly answered: false }> {
  if (!/^[A-Za-z0-9_-]{1,64}$/u.test(id)) return { answered: true, question: null };
  const kept = await answerOf(() => store.get(questionKey(id)));
  if (!kept.answered) return { answered: false };
  return { answered: true, question: kept.value === null ? null : (questionOf(kept.value) ?? null) };
}

function questionMessage(id: string, asked: Asked, doubt: Doubt, hasForm: boolean): MessageBody {
  const { language, user } = asked.asker;
  const wording = frontWording(language);
  const about = codeSpan(clip(doubt.about, 150));
  const lead = wording.doubt[doubt.open](about, doubt.choices.length);
  const typed = asked.text === '' ? [] : [codeSpan(`netcheck ${clip(asked.text, 300)}`)];
  const who = wording.onlyAsker(mentionOf(user));
  const buttons = [
    ...doubt.choices.map(({ label }, at) => button(`${chooseAction}:${at}`, clip(label, 75), id)),
    ...(doubt.guess === undefined || doubt.open !== 'from'
      ? []
      : [button(`${chooseAction}:${guessChoice}`, wording.anyNode, id)]),
    ...(hasForm && doubt.open !== 'meaning' ? [button(formAction, wording.another, id)] : []),
  ];
  const blocks = [
    { type: 'section', text: { type: 'mrkdwn', text: `❓ ${lead}`, verbatim: true } },
    { type: 'context', elements: [{ type: 'mrkdwn', text: [...typed, who].join(' · '), verbatim: true }] },
  ];
  const tail = [{ type: 'actions', block_id: blockIdOf('status', id), elements: buttons }];
  return {
    text: clip(`❓ ${lead} · ${escapeMrkdwn(clip(asked.text, 300))}`, 3000),
    blocks: fitBlocks(blocks, tail, language),
  };
}

/** What the form begins with. */
function targetOf({ open, about }: Doubt): { readonly target?: string } {
  return open === 'from' || open === 'port' ? { target: about } : {};
}

function questionOf(json: string): OpenQuestion | undefined {
  const value = parsedJson(json);
  if (!isRecord(value) || !Array.isArray(value['choices']) || !Array.isArray(value['settled'])) return undefined;
  const text = (key: string): string => stringOf(value[key]);
  const open = openPoints.find((point) => point === value['open']);
  const isWhole = [text('id'), text('user'), text('channel'), text('ts')].every((one) => one !== '');
  if (open === undefined || !isWhole) return undefined;
  const settled = value['settled'];
  return {
    id: text('id'),
    user: text('user'),
    channel: text('channel'),
    language: value['language'] === 'zh' ? 'zh' : 'en',
    ts: text('ts'),
    ...(text('rootTs') === '' ? {} : { rootTs: text('rootTs') }),
    open,
    settled: openPoints.filter((point) => settled.includes(point)),
    choices: value['choices'].filter((one): one is string => typeof one === 'string'),
    ...(text('guess') === '' ? {} : { guess: text('guess') }),
    wasRead: value['wasRead'] === true,
  };
}
