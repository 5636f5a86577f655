import type { Language } from '../../model/language.ts';
import { isRecord } from './is-record.ts';
import type { SlackCalls } from './slack-calls.ts';
import { stringOf } from './string-of.ts';

/** The languages that people have set in Slack. No method rejects. */
export interface Locales {
  /** Waits for Slack for a second at most; undefined where it is not known by then. */
  of(user: string): Promise<Language | undefined>;
  /** What is known without asking. */
  known(user: string): Language | undefined;
}

/** People who are remembered; how long their language is, and how long it is that Slack did not tell. */
const bounds = { people: 5000, keepMs: 12 * 3600_000, failedMs: 10 * 60_000, withinMs: 1000 } as const;

/** Asks Slack (`users.info`, scope `users:read`) once per person and half day. */
export function createLocales(calls: SlackCalls): Locales {
  const kept = new Map<string, { readonly language: Language | undefined; readonly untilMs: number }>();
  const asking = new Map<string, Promise<Language | undefined>>();

  async function ask(user: string): Promise<Language | undefined> {
    const outcome = await calls.call('users.info', { user, include_locale: true });
    const person = outcome.outcome === 'ok' ? outcome.response['user'] : undefined;
    const locale = isRecord(person) ? stringOf(person['locale']) : '';
    const language = locale === '' ? undefined : /^zh\b/iu.test(locale) ? 'zh' : 'en';
    const keepMs = language === undefined ? bounds.failedMs : bounds.keepMs;
    kept.delete(user);
    kept.set(user, { language, untilMs: Date.now() + keepMs });
    for (const oldest of kept.keys()) {
      if (kept.size <= bounds.people) break;
      kept.delete(oldest);
    }
    return language;
  }

  const fresh = (user: string) => {
    const one = kept.get(user);
    return one !== undefined && one.untilMs > Date.now() ? one : undefined;
  };

  return {
    known: (user) => fresh(user)?.language,
    async of(user) {
      const one = fresh(user);
      if (one !== undefined) return one.language;
      if (!/^[UW][A-Z0-9]{2,20}$/u.test(user)) return undefined;
      let answer = asking.get(user);
      if (answer === undefined) {
        answer = ask(user).finally(() => asking.delete(user));
        asking.set(user, answer);
      }
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), bounds.withinMs);
      });
      try {
        return await Promise.race([answer, patience]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
