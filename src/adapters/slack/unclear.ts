import type { Draft, Interpretation } from '../../model/interpretation.ts';
import { keepDraft } from './drafts.ts';
import { frontWording } from './front-wording.ts';
import { codeSpan } from './mrkdwn.ts';
import { quotingWords } from './own-words.ts';
import type { Asked, StartRunOptions } from './start-run.ts';
import { button } from './status-message.ts';

/** `action_id` of the button that opens the form. Its value is the id of a draft, or `new`. */
export const formAction = 'netcheck_form';

/** Tells the person what is missing, with an example and, where it can be kept, a form with what was understood. */
export async function sayUnclear(
  options: StartRunOptions,
  asked: Asked,
  meant: Extract<Interpretation, { kind: 'unclear' }> & { readonly quoted?: 'none' | 'read' | 'unreadable' },
): Promise<void> {
  const { language, channel } = asked.asker;
  const wording = frontWording(language);
  const parts = partsOf(meant.draft);
  const said =
    meant.quoted === 'unreadable'
      ? wording.threadUnreadable
      : parts !== ''
        ? wording.partRead(parts)
        : meant.quoted === 'read'
          ? wording.nothingReadInThread
          : quotingWords(meant.why);
  const text = `${said}\n${wording.example(options.command)}`;
  const draft = { ...meant.draft, channel, ...(asked.rootTs === undefined ? {} : { rootTs: asked.rootTs }) };
  const isKept = await keepDraft(options.store, asked.runId, draft);
  await asked.tell(
    text,
    isKept
      ? [
          { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } },
          { type: 'actions', elements: [button(formAction, wording.openForm, asked.runId)] },
        ]
      : undefined,
  );
}

function partsOf({ target, port, from }: Draft): string {
  return [
    ...(target === undefined ? [] : [codeSpan(target)]),
    ...(port === undefined ? [] : [codeSpan(`port ${port}`)]),
    ...(from === undefined ? [] : [codeSpan(`from ${from}`)]),
  ].join(', ');
}
