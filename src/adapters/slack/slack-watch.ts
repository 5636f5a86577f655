import { isDeadToken } from './refusals.ts';
import type { CallOutcome, SlackCalls } from './slack-calls.ts';

/** Whether Slack takes what we say, and how we know. */
export type SlackProof =
  /** `method`: the call that proved it, newest message first, else newest call of any kind. */
  { readonly ok: true; readonly method: string; readonly atMs: number } | { readonly ok: false; readonly why: string };

/** Watches what becomes of the calls of this process. */
export interface SlackWatch {
  /** To be told of every call, {@link prove}'s own too. */
  note(method: string, outcome: CallOutcome): void;
  /** Costs a call of Slack only where nothing has been proved for a while. Never rejects. */
  prove(calls: SlackCalls): Promise<SlackProof>;
}

export interface SlackWatchOptions {
  /** For so long a call that Slack took proves that it takes the next. Default 5 minutes. */
  readonly freshMs?: number | undefined;
  /** After a call of ours that failed, before asking again, however often we are asked. Default 15 s. */
  readonly askAgainMs?: number | undefined;
  /** How long one question to Slack may take before the answer is no. Default 3 s. */
  readonly answerWithinMs?: number | undefined;
  readonly now?: (() => number) | undefined;
}

interface Taken {
  readonly method: string;
  /** Unix milliseconds. */
  readonly atMs: number;
}

const messages: ReadonlySet<string> = new Set(['chat.postMessage', 'chat.update', 'chat.postEphemeral']);

/** One per process, beside its {@link SlackCalls}. */
export function createSlackWatch(options: SlackWatchOptions = {}): SlackWatch {
  const freshMs = options.freshMs ?? 300_000;
  const askAgainMs = options.askAgainMs ?? 15_000;
  const answerWithinMs = options.answerWithinMs ?? 3000;
  const now = options.now ?? Date.now;
  let message: Taken | undefined;
  let call: Taken | undefined;
  let trouble: { readonly why: string; readonly atMs: number; readonly ofMessage: boolean } | undefined;
  let dead: string | undefined;
  let asking: Promise<void> | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;

  function note(method: string, outcome: CallOutcome): void {
    const atMs = now();
    const isMessage = messages.has(method);
    switch (outcome.outcome) {
      case 'ok':
        dead = undefined;
        call = { method, atMs };
        if (isMessage) message = call;
        // That Slack answers a question does not say that it takes messages; that takes a message, or time.
        if (isMessage || trouble?.ofMessage === false || (trouble && atMs - trouble.atMs > freshMs))
          trouble = undefined;
        return;
      case 'refused':
        if (isDeadToken(outcome.error)) dead = outcome.error;
        return;
      case 'notSent':
      case 'ambiguous':
        if (isMessage || method === 'auth.test')
          trouble = { why: `${method}: ${outcome.why}`, atMs, ofMessage: isMessage || trouble?.ofMessage === true };
        return;
      case 'rateLimited':
        return;
    }
  }

  function known(): SlackProof | undefined {
    const fresh = (atMs: number | undefined, forMs: number) => atMs !== undefined && now() - atMs <= forMs;
    if (dead !== undefined) return { ok: false, why: `Slack does not accept the token (${dead}).` };
    if (trouble !== undefined) {
      if (call !== undefined && call.atMs > trouble.atMs)
        return fresh(trouble.atMs, freshMs)
          ? { ok: false, why: `Slack answers, but did not take the last message (${trouble.why}).` }
          : undefined;
      return fresh(Math.max(trouble.atMs, askedAtMs), askAgainMs)
        ? { ok: false, why: `Slack does not answer (${trouble.why}).` }
        : undefined;
    }
    const proof = fresh(message?.atMs, freshMs) ? message : fresh(call?.atMs, freshMs) ? call : undefined;
    return proof === undefined ? undefined : { ok: true, ...proof };
  }

  async function ask(calls: SlackCalls): Promise<void> {
    if (now() - askedAtMs < askAgainMs) return;
    askedAtMs = now();
    await calls.call('auth.test', {});
  }

  return {
    note,
    async prove(calls) {
      const before = known();
      if (before !== undefined) return before;
      asking ??= ask(calls).finally(() => {
        asking = undefined;
      });
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, answerWithinMs);
      });
      await Promise.race([asking, patience]);
      clearTimeout(timer);
      return known() ?? { ok: false, why: 'Slack has not answered yet.' };
    },
  };
}
