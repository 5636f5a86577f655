import type { KeyValue, RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import { answerOf } from './claim.ts';
import type { ClickDelivery } from './deliveries.ts';
import { isRecord } from './is-record.ts';
import { parsedJson } from './message-body.ts';
import { ownWords, quotingWords } from './own-words.ts';
import { buttonMs, runKey } from './run-keys.ts';
import { wordingIn } from './wording.ts';

/** What a person does with a run by its buttons. */
export type RunAction = 'cancel' | 'recheck' | 'explain' | 'evidence' | 'wrongVerdict' | 'apply' | 'approve';

/** Whether a person may press a button of a run. `others`: it must be somebody else than these. */
export type MayAct = (
  action: RunAction,
  actor: {
    readonly user: string;
    readonly channel: string;
    readonly run: RunRequest;
    readonly others?: readonly string[] | undefined;
  },
) => Promise<{ readonly ok: true } | { readonly ok: false; readonly message: string; readonly hint: string }>;

export interface BehindButtonOptions {
  readonly store: KeyValue;
  readonly mayAct?: MayAct | undefined;
  readonly language: Language;
  readonly command: string;
  readonly log: (line: string) => void;
}

/**
 * The run behind a button, if this person may use it here and now.
 * @param refuse shows the reason to the person where not
 * @param others people who have had their say: with these it must be somebody else, and not the one who asked either
 */
export async function runBehindButton(
  { store, mayAct, language, command, log }: BehindButtonOptions,
  action: RunAction,
  click: Pick<ClickDelivery, 'value' | 'user' | 'channel'>,
  refuse: (text: string) => Promise<void>,
  others?: readonly string[],
): Promise<RunRequest | undefined> {
  const fallback = wordingIn(language);
  if (!/^[A-Za-z0-9_-]{1,64}$/u.test(click.value)) {
    await refuse(fallback.expired(command));
    return undefined;
  }
  const stored = await answerOf(() => store.get(runKey(click.value)));
  if (!stored.answered) {
    await refuse(ownWords(fallback.queueDown));
    return undefined;
  }
  const run = stored.value === null ? undefined : runRequestOf(stored.value);
  if (run === undefined || Date.now() - run.askedAtMs > buttonMs) {
    await refuse(fallback.expired(command));
    return undefined;
  }
  const wording = wordingIn(run.language);
  if (run.thread.channel !== click.channel) {
    await refuse(wording.otherChannel);
    return undefined;
  }
  if (mayAct === undefined) return run;
  try {
    const allowed = await mayAct(action, {
      user: click.user,
      channel: click.channel,
      run,
      others: others && [...others, run.askedBy],
    });
    if (allowed.ok) return run;
    await refuse(quotingWords(allowed));
  } catch (error) {
    log(`slack: the access check failed: ${String(error)}`);
    await refuse(ownWords(wording.notAllowed));
  }
  return undefined;
}

/** Reads what we stored ourselves; anything else counts as not there. */
export function runRequestOf(json: string): RunRequest | undefined {
  const value = parsedJson(json);
  if (!isRecord(value) || !isRecord(value['thread'])) return undefined;
  const { id, text, language, askedBy, askedAtMs, thread, recheckOf, origin, wasRead } = value;
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
    ...(wasRead === true ? { wasRead } : {}),
    ...(origin === 'alert' || origin === 'schedule' ? { origin } : {}),
  };
}
