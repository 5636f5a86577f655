import { openQuestion } from './ask-back.ts';
import { diagnoseView } from './diagnose-form.ts';
import { draftOf, type FormDraft } from './drafts.ts';
import { frontWording } from './front-wording.ts';
import { mentionOf } from './mrkdwn.ts';
import type { FrontDesk, RunButton } from './run-button.ts';
import { formAction } from './unclear.ts';

/** A modal has to be open three seconds after the press; looking up a draft may have a part of that. */
const draftWithinMs = 700;

/** Opens the form, with what was understood in it. Value: the id of a draft, or `new`. */
export const formButton: RunButton = {
  action: formAction,
  async press(click, desk) {
    const language = desk.knownLanguage(click.user);
    const draft = click.value === 'new' ? {} : await draftOf(desk.store, click.value, draftWithinMs);
    if (draft?.question !== undefined) {
      const found = await openQuestion(desk.store, draft.question);
      if (found.answered && found.question !== null && found.question.user !== click.user) {
        await desk.tell(click, frontWording(language).notYours(mentionOf(found.question.user)));
        return;
      }
    }
    // A draft that has expired is an empty form for the channel where the button is.
    const place = click.channel === '' ? {} : { channel: click.channel };
    await openForm(desk, click.triggerId, draft ?? place, click.user);
  },
};

/** @returns false where Slack did not open it; nothing was said then */
export async function openForm(
  desk: Pick<FrontDesk, 'knowledge' | 'knownLanguage' | 'calls' | 'log'>,
  triggerId: string,
  draft: FormDraft,
  user: string,
): Promise<boolean> {
  if (desk.knowledge === undefined) return false;
  const view = diagnoseView(desk.knowledge, draft, desk.knownLanguage(user));
  const outcome = await desk.calls.call('views.open', { trigger_id: triggerId, view });
  if (outcome.outcome === 'ok') return true;
  desk.log(
    `slack: views.open: ${outcome.outcome === 'refused' ? `${outcome.error} ${outcome.detail}` : outcome.outcome}`,
  );
  return false;
}
