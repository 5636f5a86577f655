import { unmangle } from '../../model/unmangle.ts';
import { type BehindButtonOptions, runBehindButton } from './behind-button.ts';
import type { ClickDelivery, FormDelivery, MentionDelivery, SlashDelivery } from './deliveries.ts';
import { frontButtons, frontForms } from './front-buttons.ts';
import type { FormVerdict, FrontDesk, RunButton, RunForm } from './run-button.ts';
import { runIdOf, startRun, type StartRunOptions } from './start-run.ts';
import { languageOf, wordingIn } from './wording.ts';

export interface FrontOptions
  extends Omit<StartRunOptions, 'log'>,
    Omit<BehindButtonOptions, 'log'>,
    Pick<FrontDesk, 'threadOf'> {
  /** Default: all that netcheck has. */
  readonly buttons?: readonly RunButton[] | undefined;
  readonly forms?: readonly RunForm[] | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** What the Slack front does with what people do. No method rejects. */
export interface Front {
  slash(delivery: SlashDelivery): Promise<void>;
  mention(delivery: MentionDelivery): Promise<void>;
  /** A press of any of our buttons; one that nobody knows (of an older version) does nothing. */
  press(click: ClickDelivery): Promise<void>;
  submit(form: FormDelivery): Promise<FormVerdict>;
}

/** The front without Bolt: deliveries in, messages and queued runs out. */
export function createFront(options: FrontOptions): Front {
  const { outbox, calls, store, queue, language, command, threadOf } = options;
  const log = options.log ?? (() => {});
  const buttons = new Map((options.buttons ?? frontButtons).map((button) => [button.action, button]));
  const forms = new Map((options.forms ?? frontForms).map((form) => [form.callbackId, form]));

  const desk: FrontDesk = {
    outbox,
    calls,
    store,
    queue,
    language,
    command,
    log,
    threadOf,
    start: (asked) => startRun({ ...options, log }, asked),
    runBehind: (action, click) => runBehindButton({ ...options, log }, action, click, (text) => desk.tell(click, text)),
    async tell({ channel, user, threadTs }, text) {
      await outbox.ephemeral({ channel, user, threadTs, text });
    },
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
        await desk.start({
          runId: runIdOf('slash', delivery.team, channel, delivery.triggerId),
          text,
          asker: { user, channel, language: languageOf(text, language) },
          redelivered: false,
          async tell(answer) {
            try {
              await delivery.respond(answer);
            } catch (error) {
              log(`slack: response_url did not take an answer: ${String(error)}`);
              await desk.tell({ channel, user }, answer);
            }
          },
        });
      }),

    mention: (delivery) =>
      guarded('a mention', async () => {
        const text = withoutCheck(unmangle(afterMention(delivery.text, delivery.botUserId)));
        const { user, channel, threadTs } = delivery;
        await desk.start({
          // With the text: a person who corrects a typing error by editing the message asks something new.
          runId: runIdOf('mention', delivery.team, channel, delivery.ts, text),
          text,
          asker: { user, channel, language: languageOf(text, language) },
          rootTs: threadTs ?? delivery.ts,
          redelivered: delivery.redelivered,
          tell: (answer) => desk.tell({ channel, user, threadTs }, answer),
        });
      }),

    press: (click) =>
      guarded(`the button ${click.action}`, async () => {
        await buttons.get(click.action.replace(/:.*$/su, ''))?.press(click, desk);
      }),

    async submit(form) {
      try {
        const verdict = await forms.get(form.callbackId)?.submit(form, desk);
        if (verdict === undefined) return { work: async () => {} };
        if ('errors' in verdict) return verdict;
        return { work: () => guarded(`the form ${form.callbackId}`, verdict.work) };
      } catch (error) {
        log(`slack: the form ${form.callbackId} failed: ${String(error)}`);
        const [field = ''] = Object.keys(form.fields);
        return { errors: { [field]: wordingIn(language).ourFault.message } };
      }
    },
  };
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
