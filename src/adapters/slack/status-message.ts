import type { RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import { newStatus, type StatusState } from '../../report/run-status.ts';
import { renderSlackStatus } from '../../report/slack-status.ts';
import { buttonWordingIn } from './button-wording.ts';
import { fitBlocks } from './fit-blocks.ts';
import { codeSpan, escapeMrkdwn, mentionOf } from './mrkdwn.ts';
import type { MessageBody } from './outbox.ts';
import { blockIdOf } from './run-messages.ts';
import { wordingIn } from './wording.ts';

/** `action_id` of the buttons. Their `value` is the run id and nothing else. */
export const cancelAction = 'netcheck_cancel';
export const recheckAction = 'netcheck_recheck';
export const explainAction = 'netcheck_explain';
export const evidenceAction = 'netcheck_evidence';
export const wrongVerdictAction = 'netcheck_wrong_verdict';
export const applyAction = 'netcheck_apply';
/** Their `value` is the id of a proposal. */
export const approveAction = 'netcheck_approve';
export const withdrawAction = 'netcheck_withdraw';

/** What the living message of a run shows. */
export type RunStage =
  | { readonly stage: 'queued'; readonly describe: string }
  | { readonly stage: 'running'; readonly state: StatusState; readonly attempt: number }
  | { readonly stage: 'cancelling'; readonly by: string }
  | { readonly stage: 'cancelled'; readonly state: StatusState; readonly by: string | undefined }
  /** `state.ended` says how. */
  | { readonly stage: 'ended'; readonly state: StatusState }
  /** Our own words, which may carry formatting. */
  | { readonly stage: 'notStarted'; readonly message: string; readonly hint: string };

/** The living message of a run. All text that a person or a node wrote is escaped here or in the renderer. */
export function statusMessage(
  request: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'recheckOf' | 'wasRead'>,
  now: RunStage,
  language: Language,
): MessageBody {
  const wording = wordingIn(language);
  const question = clip(request.text, 300);
  const rechecks = request.recheckOf === undefined ? [] : [context(`↻ ${wording.recheckButton}`)];
  const read = request.wasRead === true ? [context(`📖 ${wording.iRead(codeSpan(question))}`)] : [];
  const cancelButton = {
    type: 'actions',
    block_id: blockIdOf('status', request.id),
    elements: [
      button(cancelAction, wording.cancelButton, request.id),
      button(explainAction, buttonWordingIn(language).explain, request.id),
    ],
  };
  const rendered = (state: StatusState) => renderSlackStatus(state, { language, nowMs: Date.now() });
  const body = (text: string, blocks: readonly unknown[], tail: readonly unknown[] = []): MessageBody => ({
    text: clip(text, 3000),
    blocks: fitBlocks([...blocks, ...read, ...rechecks], tail, language),
  });
  const own = (head: string, line: string): MessageBody =>
    body(`${head} · ${escapeMrkdwn(question)}`, [
      {
        type: 'section',
        text: { type: 'mrkdwn', text: `${head}  ${codeSpan(`netcheck ${question}`)}`, verbatim: true },
      },
      context(line),
      context(wording.askedBy(mentionOf(request.askedBy))),
    ]);
  switch (now.stage) {
    case 'queued': {
      const { text, blocks } = rendered(newStatus({ question, askedBy: request.askedBy }));
      return body(text, [...blocks, context(escapeMrkdwn(clip(now.describe, 500)))], [cancelButton]);
    }
    case 'running': {
      const { text, blocks } = rendered(now.state);
      const again = now.attempt > 1 ? [context(wording.attempt(now.attempt))] : [];
      return body(text, [...blocks, ...again], [cancelButton]);
    }
    case 'cancelling':
      return own(`⏹ *${wording.cancelling}*`, wording.cancelledBy(mentionOf(now.by)));
    case 'cancelled': {
      const { text, blocks } = rendered({ ...now.state, ended: { how: 'cancelled', message: '', hint: '' } });
      const by = now.by === undefined ? [] : [context(wording.cancelledBy(mentionOf(now.by)))];
      return body(text, [...blocks, ...by]);
    }
    case 'ended': {
      const { text, blocks } = rendered(now.state);
      return body(text, [...blocks, context(wording.answerInThread)]);
    }
    case 'notStarted':
      break;
  }
  const why = `${now.message}\n${now.hint}`;
  return own(`❗ *${wording.notStarted}*`, why);
}

function context(mrkdwn: string): unknown {
  return { type: 'context', elements: [{ type: 'mrkdwn', text: mrkdwn, verbatim: true }] };
}

/** A button that carries only an id. */
export function button(actionId: string, label: string, runId: string): unknown {
  return { type: 'button', action_id: actionId, text: { type: 'plain_text', text: label }, value: runId };
}

/** At most `max` characters, with an ellipsis where it was longer; never half of a surrogate pair. */
export function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/u, '')}…`;
}
