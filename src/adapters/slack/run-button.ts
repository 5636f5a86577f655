import type { AnswerThread, KeyValue, RunQueue, RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import type { RunAction } from './behind-button.ts';
import type { ClickDelivery, FormDelivery } from './deliveries.ts';
import type { Outbox } from './outbox.ts';
import type { SlackCalls } from './slack-calls.ts';
import type { Knowledge } from './knowledge.ts';
import type { Ask, Asked, StartOutcome } from './start-run.ts';
import type { RunShelf } from './run-shelf.ts';

/** What a button or a form of netcheck works with. */
export interface FrontDesk {
  readonly outbox: Outbox;
  readonly calls: SlackCalls;
  readonly store: KeyValue;
  readonly queue: RunQueue;
  /** Where nobody's own language is known. */
  readonly language: Language;
  /** The slash command, with the slash. */
  readonly command: string;
  readonly log: (line: string) => void;
  /** Runs as they were saved. */
  readonly shelf: RunShelf;
  readonly threadOf: (request: RunRequest) => AnswerThread;
  /** Absent: questions are taken as they are. */
  readonly knowledge?: Knowledge | undefined;
  /** Judges a question, also whether this person may ask it here. */
  readonly ask: Ask;
  /** Where people find a thread. */
  readonly threadLink: (channel: string, rootTs: string) => string | undefined;
  /** The language to answer in: Chinese where the text is, else the person's own in Slack, else {@link language}. */
  languageOf(user: string, text: string): Promise<Language>;
  /** The same without asking Slack. */
  knownLanguage(user: string): Language;
  /** Understands, validates, shows the status message, queues; the same delivery twice is one run. */
  start(asked: Asked): Promise<StartOutcome>;
  /** The run behind a button, if this person may use it here and now; where not, they were told why. */
  runBehind(action: RunAction, click: ClickDelivery, others?: readonly string[]): Promise<RunRequest | undefined>;
  /** Shows text to one person only, in the thread that they are in. */
  tell(
    to: { readonly channel: string; readonly user: string; readonly threadTs?: string | undefined },
    text: string,
    blocks?: readonly unknown[],
  ): Promise<void>;
}

/** A button of ours. It is in `front-buttons.ts`, or nobody hears it. */
export interface RunButton {
  /** `action_id`, without what tells the buttons of one message apart. */
  readonly action: string;
  /** After the acknowledgement; may take its time. */
  press(click: ClickDelivery, desk: FrontDesk): Promise<void>;
}

/** What becomes of a form. */
export type FormVerdict =
  /** `block_id` -> what is wrong with that field. The modal stays open. */
  | { readonly errors: Readonly<Record<string, string>> }
  /** The modal is closed, then the work begins. */
  | { readonly work: () => Promise<void> };

/** A modal of ours. It is in `front-buttons.ts`, or nobody hears it. */
export interface RunForm {
  readonly callbackId: string;
  /** Before the acknowledgement: nothing slow (Slack waits for three seconds). */
  submit(form: FormDelivery, desk: FrontDesk): Promise<FormVerdict>;
}
