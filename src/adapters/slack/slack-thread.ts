import { randomUUID } from 'node:crypto';
import type { AnswerThread, Attachment, KeyValue, RunRequest } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import { changesIn } from '../../model/change.ts';
import type { Language } from '../../model/language.ts';
import type { Report } from '../../model/report.ts';
import type { RunContext } from '../../model/run-context.ts';
import { renderRunContext } from '../../report/run-context-blocks.ts';
import { slackLink } from '../../report/slack-link.ts';
import { attachFiles } from './attach-files.ts';
import { answerOf } from './claim.ts';
import { clipMrkdwn, fitBlocks, maxPlainChars, maxTextChars, plainTextOf } from './fit-blocks.ts';
import { codeSpan, escapeMrkdwn, mentionOf, slackTime, withoutMentions, withoutMentionsInText } from './mrkdwn.ts';
import { joinedBy } from './join-run.ts';
import { messageBodyOf } from './message-body.ts';
import type { MessageBody, Outbox, Sent } from './outbox.ts';
import { pause } from './pause.ts';
import { isDeadToken, refusalOf } from './refusals.ts';
import { blockIdOf, findRunMessage, metadataOf } from './run-messages.ts';
import { buttonWordingIn } from './button-wording.ts';
import { changeWording } from './change-wording.ts';
import {
  applyAction,
  button,
  clip,
  evidenceAction,
  explainAction,
  recheckAction,
  type RunStage,
  statusMessage,
  wrongVerdictAction,
} from './status-message.ts';
import { newStatus, reduceStatus, type StatusState } from '../../report/run-status.ts';
import { answerKey, attachedKey, buttonMs, cancelKey, finalStatusKey, keepMs, readAnswer } from './run-keys.ts';
import type { SlackCalls } from './slack-calls.ts';
import { wordingIn } from './wording.ts';

/** Turns a report into Block Kit. `text` is for notifications and for where blocks do not work. */
export type RenderReport = (
  report: Report,
  options: { readonly language: Language },
) => { readonly text: string; readonly blocks: readonly unknown[] };

export interface SlackThreadOptions {
  readonly outbox: Outbox;
  /** For looking whether an answer is there already. */
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly renderReport: RenderReport;
  /** Whether answers offer to try their remedy. Default: no. */
  readonly offersChanges?: boolean | undefined;
  /** Above 1 when an earlier worker died in the middle of this run. Default 1. */
  readonly attempt?: number | undefined;
  /**
   * How long another holder's unfinished answer is waited for. Must be above the request time-out: what a killed
   * worker had sent may still arrive. Default 15 s.
   */
  readonly leaseMs?: number | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** The answer as it is posted; with the time at which it was ready where that is minutes ago. */
type Answer = (readyAtMs?: number) => { readonly body: MessageBody; readonly plain: string };

/**
 * The Slack thread that one run answers in: progress as edits of the status message, then one answer as a reply.
 *
 * `report` and `failed` reject with `slack/refused` where Slack will never take the answer and with
 * `slack/unreachable` where it did not within the outbox's patience; calling them again is safe.
 */
export function createSlackThread(request: RunRequest, options: SlackThreadOptions): AnswerThread {
  const { outbox, calls, store } = options;
  const log = options.log ?? (() => {});
  const attempt = options.attempt ?? 1;
  const leaseMs = options.leaseMs ?? 15_000;
  const { language } = request;
  const wording = wordingIn(language);
  const { channel, rootTs, statusTs } = request.thread;
  const holder = randomUUID();
  let state: StatusState = newStatus({ question: clip(request.text, 300), askedBy: request.askedBy });
  let over: Promise<void> | undefined;
  let how: 'report' | 'failed' | 'cancelled' = 'failed';
  /** Whom the answer mentions besides the one who asked. */
  let joined: readonly string[] = [];

  /** Edits are paced and coalesced by the outbox; what became of one is told to nobody but the log. */
  const show = (body: MessageBody, final: boolean): Promise<Sent> =>
    outbox.update({ channel, ts: statusTs, body, plain: plainTextOf(body.blocks), final });

  const lookForAnswer = () => findRunMessage(calls, 'answer', request.id, { channel, rootTs, oldestTs: rootTs });

  /** Whether this object has to post the answer, or some earlier one did. */
  async function mustPost(): Promise<boolean> {
    const key = answerKey(request.id);
    // The clocks of two processes differ, and either may be set: nobody is waited for longer than the lease by our own.
    let seen: { readonly value: string; readonly sinceMs: number } | undefined;
    for (;;) {
      const mine = `pending ${holder} ${Date.now()}`;
      const first = await answerOf(() => store.setOnce(key, mine, { ttlMs: keepMs }));
      if (first.answered && first.value) return attempt === 1 || !(await isThere());
      const known = first.answered ? await answerOf(() => store.get(key)) : { answered: false as const };
      // Without the store, Slack itself is the only witness.
      if (!known.answered) return !(await isThere());
      // Neither written nor there: a store that can be read and takes nothing (Redis is full) is no witness either.
      if (known.value === null) {
        if (first.answered) continue;
        return !(await isThere());
      }
      const answer = readAnswer(known.value);
      if (answer.state === 'done') return false;
      if (seen?.value !== known.value) seen = { value: known.value, sinceMs: performance.now() };
      const isLeased = Date.now() - answer.sinceMs < leaseMs && performance.now() - seen.sinceMs < leaseMs;
      if (answer.holder !== holder && isLeased) {
        await pause(Math.min(500, leaseMs));
        continue;
      }
      if (await isThere()) return false;
      await answerOf(() => store.set(key, mine, { ttlMs: keepMs }));
      return true;
    }
  }

  async function isThere(): Promise<boolean> {
    for (let tries = 1; ; tries += 1) {
      const lookup = await lookForAnswer();
      if (lookup.found === 'yes') {
        await markDone(lookup.ts);
        return true;
      }
      if (lookup.found === 'no') return false;
      log(`slack: cannot look for the answer of ${request.id}: ${lookup.why}`);
      // Posting twice is better than never; but a Slack that is away for a moment is worth waiting for.
      if (!lookup.passing || tries >= 5) return false;
      await pause(1000 * tries);
    }
  }

  async function markDone(ts: string): Promise<void> {
    await answerOf(() => store.set(answerKey(request.id), `done ${ts} ${how} ${Date.now()}`, { ttlMs: keepMs }));
  }

  /** Whoever joined while the answer was on its way, and is not mentioned in it. */
  async function tellLate(mentioned: readonly string[]): Promise<void> {
    for (const user of (await joinedBy(store, request.id)).filter((one) => !mentioned.includes(one)))
      await outbox.ephemeral({
        channel,
        user,
        threadTs: rootTs,
        text: wording.answerIsThere(slackLink(channel, rootTs)),
      });
  }

  async function postAnswer(answer: Answer): Promise<void> {
    const { body, plain } = answer();
    const sent = await outbox.post({
      channel,
      threadTs: rootTs,
      body,
      plain,
      whenLate: answer,
      metadata: metadataOf('answer', request.id),
      find: lookForAnswer,
    });
    if (sent.sent) {
      await markDone(sent.ts);
      return;
    }
    if (sent.because !== 'refused') {
      const why = sent.because === 'gaveUp' ? sent.why : sent.because;
      throw new NetcheckError(
        'slack/unreachable',
        `The answer of run ${request.id} could not be posted in Slack: ${why}.`,
        'The saved run has the report; Slack was tried until the patience was used up.',
      );
    }
    if (!isDeadToken(sent.error) && (await toTheAsker(plain))) return;
    await answerOf(() => store.delete(answerKey(request.id)));
    const refusal = refusalOf(sent.error, language);
    throw new NetcheckError('slack/refused', `${refusal.message} (${sent.error})`, refusal.hint);
  }

  /** The channel is closed to us: the person who asked still gets the answer, as a direct message. */
  async function toTheAsker(plain: string): Promise<boolean> {
    if (!/^[UW][A-Z0-9]{2,20}$/u.test(request.askedBy)) return false;
    const sent = await outbox.post({
      channel: request.askedBy,
      body: { text: plain, blocks: [] },
      plain,
      metadata: metadataOf('answer', request.id),
      find: () => Promise.resolve({ found: 'unknown', why: 'a direct message cannot be looked up', passing: false }),
    });
    if (sent.sent) await markDone(sent.ts);
    return sent.sent;
  }

  /** The last state of the status message, as kept in the store by whoever gave the answer. */
  const keepFinal = (body: MessageBody) =>
    answerOf(() => store.set(finalStatusKey(request.id), JSON.stringify(body), { ttlMs: buttonMs }));

  async function showFinal(body: MessageBody): Promise<Sent> {
    const sent = await show(body, true);
    if (!sent.sent && sent.because !== 'superseded') {
      log(`slack: the status of ${request.id} stays as it was: ${sent.because === 'refused' ? sent.error : sent.why}`);
    }
    return sent;
  }

  function answerBody(
    inner: { text: string; blocks: readonly unknown[] },
    {
      context = { seenBefore: [] },
      report,
      readyAtMs,
    }: { context?: RunContext | undefined; report?: Report | undefined; readyAtMs?: number | undefined } = {},
  ): { body: MessageBody; plain: string } {
    const say = buttonWordingIn(language);
    const who = [...new Set([request.askedBy, ...joined])].map(mentionOf).join(' ');
    const what = codeSpan(clip(request.text, 300));
    const guarded = withoutMentions(inner.blocks).filter((block) => !hasAction(block, recheckAction));
    const lead = { type: 'context', elements: [{ type: 'mrkdwn', text: `${who} · ${what}`, verbatim: true }] };
    const late = readyAtMs === undefined ? undefined : wording.late(slackTime(new Date(readyAtMs).toISOString()));
    const lateBlocks =
      late === undefined
        ? []
        : [{ type: 'context', elements: [{ type: 'mrkdwn', text: `⏱ ${late}`, verbatim: true }] }];
    const buttons = {
      type: 'actions',
      block_id: blockIdOf('answer', request.id),
      elements: [
        button(recheckAction, wording.recheckButton, request.id),
        button(explainAction, say.explain, request.id),
        ...(report !== undefined && options.offersChanges === true && changesIn(report).length > 0
          ? [button(applyAction, changeWording(language).apply, request.id)]
          : []),
        ...(report !== undefined
          ? [button(evidenceAction, say.evidence, request.id), button(wrongVerdictAction, say.wrongVerdict, request.id)]
          : []),
      ],
    };
    const text = withoutMentionsInText(inner.text);
    const earlier = renderRunContext(context, language);
    const words = plainTextOf([...lateBlocks, ...earlier.lead, ...guarded, ...earlier.tail]);
    const plain = `${who} ${wording.plainFallback}\n${words.length > text.length ? words : text}`;
    return {
      body: {
        text: clipMrkdwn(text, maxTextChars),
        blocks: fitBlocks([lead, ...lateBlocks, ...earlier.lead, ...guarded], [...earlier.tail, buttons], language),
      },
      plain: clipMrkdwn(plain, maxPlainChars),
    };
  }

  async function finish(answer: Answer, last: RunStage): Promise<void> {
    const own = statusMessage(request, last, language);
    if (await mustPost()) {
      await keepFinal(own);
      joined = await joinedBy(store, request.id);
      await postAnswer(answer);
      await showFinal(own);
      await tellLate(joined);
      return;
    }
    // Who is mentioned in an answer that another process posted is not known here: told twice is better than never.
    await tellLate([]);
    // Somebody else answered: the status says what that answer says, which may not be what we would say.
    const kept = await answerOf(() => store.get(finalStatusKey(request.id)));
    await showFinal((kept.answered && kept.value !== null ? messageBodyOf(kept.value) : undefined) ?? own);
  }

  /** Once, whoever posted the answer: a worker that dies in the middle leaves them out rather than there twice. */
  async function attach(make: () => Promise<readonly Attachment[]>): Promise<void> {
    const first = await answerOf(() => store.setOnce(attachedKey(request.id), holder, { ttlMs: keepMs }));
    if (!first.answered || !first.value) return;
    try {
      const why = await attachFiles(calls, { channel, threadTs: rootTs, files: await make(), comment: '' });
      if (why !== null) log(`slack: the files of ${request.id} could not be attached: ${why}`);
    } catch (error) {
      log(`slack: the files of ${request.id} could not be made: ${String(error)}`);
    }
  }

  return {
    progress(event) {
      // `finished` belongs to `report`, which comes with the whole answer.
      if (over !== undefined || event.type === 'finished') return;
      state = reduceStatus(state, event);
      void show(statusMessage(request, { stage: 'running', state, attempt }, language), false);
    },
    report(report, attachments, context) {
      how = 'report';
      const { verdict, headline } = report;
      over ??= finish(
        (readyAtMs) => answerBody(options.renderReport(report, { language }), { context, report, readyAtMs }),
        {
          stage: 'ended',
          state: { ...state, ended: { how: 'finished', verdict, headline } },
        },
      )
        .then(() => (attachments === undefined ? undefined : attach(attachments)))
        .catch(forgetAndThrow);
      return over;
    },
    failed(why) {
      const { message, hint } = why;
      how = why.cancelled ? 'cancelled' : 'failed';
      const ending = why.cancelled
        ? () => cancelled()
        : () =>
            finish((readyAtMs) => answerBody(failureBody(why), { readyAtMs }), {
              stage: 'ended',
              state: { ...state, ended: { how: 'failed', message, hint } },
            });
      over ??= ending().catch(forgetAndThrow);
      return over;
    },
  };

  function forgetAndThrow(error: unknown): never {
    over = undefined;
    throw error;
  }

  /** A cancelled run ends in its status message; a reply comes only where that message is gone. */
  async function cancelled(): Promise<void> {
    const known = await answerOf(() => store.get(answerKey(request.id)));
    if (known.answered && known.value !== null && readAnswer(known.value).state === 'done') return;
    const by = await answerOf(() => store.get(cancelKey(request.id)));
    const who = by.answered && by.value !== null ? by.value : undefined;
    const last = statusMessage(request, { stage: 'cancelled', state, by: who }, language);
    await keepFinal(last);
    const sent = await showFinal(last);
    joined = await joinedBy(store, request.id);
    // Nobody is told of an edit: those who joined would wait on.
    if ((!sent.sent || joined.length > 0) && (await mustPost())) {
      await postAnswer(() => answerBody(failureBody({ message: wording.cancelled, hint: '' })));
      return;
    }
    await markDone(statusTs);
  }
}

function failureBody(why: { readonly message: string; readonly hint: string }): {
  text: string;
  blocks: readonly unknown[];
} {
  const message = escapeMrkdwn(clip(why.message, 2000));
  const hint = escapeMrkdwn(clip(why.hint, 2000));
  return {
    text: `${message} ${hint}`.trim(),
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `❗ ${message}` } },
      ...(hint === '' ? [] : [{ type: 'context', elements: [{ type: 'mrkdwn', text: hint }] }]),
    ],
  };
}

/** A renderer's own button of ours would stand there twice. */
function hasAction(block: unknown, actionId: string): boolean {
  return JSON.stringify(block).includes(`"action_id":"${actionId}"`);
}
