import type { OpenRuns, RunRequest } from '../../engine/ports.ts';
import { unmangle } from '../../model/unmangle.ts';
import { type BehindButtonOptions, runBehindButton } from './behind-button.ts';
import { answerOf } from './claim.ts';
import type {
  ClickDelivery,
  FormDelivery,
  MentionDelivery,
  SearchDelivery,
  ShortcutDelivery,
  SlashDelivery,
} from './deliveries.ts';
import { searchOptions, type SelectOption } from './diagnose-form.ts';
import { readDraft } from './drafts.ts';
import { openForm } from './form-button.ts';
import { frontButtons, frontForms } from './front-buttons.ts';
import { createHomeTab } from './home-tab.ts';
import type { Reader } from './knowledge.ts';
import { createLocales } from './locales.ts';
import { type MessageWords, messageWords } from './message-words.ts';
import { quotedMessage } from './quoted-message.ts';
import type { FormVerdict, FrontDesk, RunButton, RunForm } from './run-button.ts';
import { emptyShelf, type RunShelf } from './run-shelf.ts';
import { runIdOf, startRun, type StartRunOptions } from './start-run.ts';
import { isChinese, wordingIn } from './wording.ts';

export interface FrontOptions
  extends Omit<StartRunOptions, 'log'>,
    Omit<BehindButtonOptions, 'log'>,
    Pick<FrontDesk, 'threadOf'> {
  /** Default: all that netcheck has. */
  readonly buttons?: readonly RunButton[] | undefined;
  readonly forms?: readonly RunForm[] | undefined;
  /** Default: a question that is lost between its delivery and the queue is not looked after. */
  readonly openRuns?: Pick<OpenRuns, 'note' | 'close'> | undefined;
  /** Default: no run is saved here. */
  readonly shelf?: RunShelf | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** What the Slack front does with what people do. No method rejects. */
export interface Front {
  /**
   * Before a slash command is acknowledged: notes it where a process that dies right after does not take it along. Never
   * rejects, and takes at most {@link noteWithinMs}: Slack waits for three seconds.
   */
  noteSlash(delivery: Pick<SlashDelivery, 'text' | 'user' | 'channel' | 'team' | 'triggerId'>): Promise<void>;
  slash(delivery: SlashDelivery): Promise<void>;
  mention(delivery: MentionDelivery): Promise<void>;
  shortcut(delivery: ShortcutDelivery): Promise<void>;
  /** A press of any of our buttons; one that nobody knows (of an older version) does nothing. */
  press(click: ClickDelivery): Promise<void>;
  submit(form: FormDelivery): Promise<FormVerdict>;
  /** Options of a field that searches as one types: at most 100, within two seconds. */
  search(search: SearchDelivery): Promise<readonly SelectOption[]>;
  homeOpened(user: string): Promise<void>;
}

/** How long an acknowledgement waits for the note of what it acknowledges. */
export const noteWithinMs = 250;
/** How long a message may be thought about before its form cannot be opened any more. */
const readWithinMs = 1500;

/** The front without Bolt: deliveries in, messages and queued runs out. */
export function createFront(options: FrontOptions): Front {
  const { outbox, calls, store, queue, language, command, threadOf, knowledge, ask } = options;
  const log = options.log ?? (() => {});
  const buttons = new Map((options.buttons ?? frontButtons).map((button) => [button.action, button]));
  const forms = new Map((options.forms ?? frontForms).map((form) => [form.callbackId, form]));
  const locales = createLocales(calls);

  const desk: FrontDesk = {
    outbox,
    calls,
    store,
    queue,
    language,
    command,
    knowledge,
    ask,
    log,
    shelf: options.shelf ?? emptyShelf,
    threadOf,
    threadLink: options.threadLink ?? (() => undefined),
    // Text that shows its language needs no question to Slack.
    languageOf: async (user, text) => (isChinese(text) ? 'zh' : ((await locales.of(user)) ?? language)),
    knownLanguage: (user) => locales.known(user) ?? language,
    start: (asked) => startRun({ ...options, log }, asked),
    runBehind: (action, click, others) =>
      runBehindButton({ ...options, log }, action, click, (text) => desk.tell(click, text), others),
    async tell({ channel, user, threadTs }, text, blocks) {
      await outbox.ephemeral({ channel, user, threadTs, text, blocks });
    },
  };
  const home = createHomeTab(desk);

  const noted = async (runId: string, text: string, user: string, thread: RunRequest['thread']): Promise<void> => {
    const { openRuns } = options;
    if (openRuns === undefined || text === '') return;
    const request = { id: runId, text, language, askedBy: user, askedAtMs: Date.now(), thread };
    await answerOf(() => openRuns.note(request), noteWithinMs);
  };
  /** Only what is queued stays noted: everybody else has had an answer. */
  const startNoted = async (asked: Parameters<FrontDesk['start']>[0]): Promise<void> => {
    const outcome = await desk.start(asked);
    if (outcome !== 'started' && outcome !== 'again') await answerOf(async () => options.openRuns?.close(asked.runId));
  };

  async function guarded(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      log(`slack: ${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  return {
    noteSlash: ({ text, user, channel, team, triggerId }) =>
      noted(runIdOf('slash', team, channel, triggerId), withoutCheck(unmangle(text)), user, {
        channel,
        rootTs: '',
        statusTs: '',
      }),

    slash: (delivery) =>
      guarded('a slash command', async () => {
        const text = withoutCheck(unmangle(delivery.text));
        const { user, channel, team, triggerId } = delivery;
        // At once: Slack forgets the trigger after three seconds.
        if (text === '' && (await openForm(desk, triggerId, { channel }, user))) return;
        await startNoted({
          runId: runIdOf('slash', team, channel, triggerId),
          text,
          asker: { user, channel, language: await desk.languageOf(user, text) },
          redelivered: false,
          async tell(answer, blocks) {
            try {
              await delivery.respond(answer, blocks);
            } catch (error) {
              log(`slack: response_url did not take an answer: ${String(error)}`);
              await desk.tell({ channel, user }, answer, blocks);
            }
          },
        });
      }),

    mention: (delivery) =>
      guarded('a mention', async () => {
        const text = withoutCheck(unmangle(afterMention(delivery.text, delivery.botUserId)));
        const { user, channel, threadTs } = delivery;
        const above =
          knowledge === undefined || threadTs === undefined || threadTs === delivery.ts
            ? {}
            : { quoted: () => quotedMessage(calls, channel, threadTs, log) };
        // With the text: a person who corrects a typing error by editing the message asks something new.
        const runId = runIdOf('mention', delivery.team, channel, delivery.ts, text);
        await noted(runId, text, user, { channel, rootTs: threadTs ?? delivery.ts, statusTs: '' });
        await startNoted({
          runId,
          text,
          asker: { user, channel, language: await desk.languageOf(user, text) },
          rootTs: threadTs ?? delivery.ts,
          redelivered: delivery.redelivered,
          ...above,
          tell: (answer, blocks) => desk.tell({ channel, user, threadTs }, answer, blocks),
        });
      }),

    shortcut: (delivery) =>
      guarded('a shortcut', async () => {
        const { user, channel, threadTs, ts, team, triggerId } = delivery;
        const rootTs = threadTs ?? ts;
        const words = messageWords(delivery.message);
        const who = { user, channel, language: desk.knownLanguage(user) };
        const quoted = await answerOf(() => readAtOnce(who, words), readWithinMs);
        // Nothing to go by: the form, while Slack still lets us open it.
        if (
          quoted.answered &&
          quoted.value === 'unclear' &&
          (await openForm(desk, triggerId, { channel, rootTs }, user))
        )
          return;
        await desk.start({
          runId: runIdOf('shortcut', team, channel, ts, triggerId),
          text: '',
          asker: { user, channel, language: await desk.languageOf(user, '') },
          rootTs,
          redelivered: false,
          quoted: async () => words,
          tell: (answer, blocks) => desk.tell({ channel, user, threadTs: rootTs }, answer, blocks),
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

    async search({ typed, user, privateMetadata }) {
      const { channel = '' } = readDraft(privateMetadata);
      return searchOptions(knowledge, { user, channel, language: desk.knownLanguage(user) }, typed);
    },
    homeOpened: (user) => guarded('App Home', () => home.opened(user)),
  };

  /** Whether a message has anything to go by, while there is still time to open a form. */
  async function readAtOnce(who: Reader, { text, links }: MessageWords): Promise<'unclear' | 'something'> {
    if (knowledge === undefined) return 'something';
    // Points that need a look at nodes or at the past are settled here: they are for later.
    const settled = ['name', 'owner', 'from', 'meaning'] as const;
    const meant = await knowledge.interpret(who, '', `${text}\n${links}`, settled);
    return meant.kind === 'unclear' && Object.keys(meant.draft).length === 0 ? 'unclear' : 'something';
  }
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
