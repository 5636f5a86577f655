import type { AnswerThread, KeyValue, RunRequest } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import { createOutbox, type Outbox, type OutboxOptions } from './outbox.ts';
import { refusalOf } from './refusals.ts';
import { createSlackCalls, type OnCall, type SlackCalls } from './slack-calls.ts';
import { createSlackWatch, type SlackProof } from './slack-watch.ts';
import { createSlackThread, type RenderReport, type SlackThreadOptions } from './slack-thread.ts';

export interface SlackSenderOptions {
  readonly botToken: string;
  /** Ends in `/api/`. Default: Slack. */
  readonly slackApiUrl?: string | undefined;
  readonly store: KeyValue;
  readonly renderReport: RenderReport;
  /** Whether answers offer to try their remedy. */
  readonly offersChanges?: boolean | undefined;
  /** Called once, when Slack says that the bot token is dead. The process should end with status 70. */
  readonly onDead?: ((error: NetcheckError) => void) | undefined;
  /** Paces and patience; the defaults keep Slack's limits. */
  readonly outbox?: Omit<OutboxOptions, 'calls' | 'onDeadToken' | 'log'> | undefined;
  readonly thread?: Pick<SlackThreadOptions, 'leaseMs'> | undefined;
  /** Time-out of one request. Default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** Told of every call of the Web API; for metrics. */
  readonly onCall?: OnCall | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** What a process needs to answer in Slack without listening to it: a worker. */
export interface SlackSender {
  readonly calls: SlackCalls;
  readonly outbox: Outbox;
  /** Whether Slack takes what we say, and how we know; asks Slack only where nothing was said for minutes. */
  prove(): Promise<SlackProof>;
  /** @param attempt above 1 when an earlier worker died in the middle of this run */
  answerThread(request: RunRequest, context: { readonly attempt: number }): AnswerThread;
  /** Sends what is left, at most for `withinMs`, then stops. */
  close(withinMs: number): Promise<void>;
}

/** One per process. */
export function createSlackSender(options: SlackSenderOptions): SlackSender {
  const { slackApiUrl, timeoutMs, log } = options;
  const watch = createSlackWatch();
  const calls = createSlackCalls({
    token: options.botToken,
    slackApiUrl,
    timeoutMs,
    onCall(method, outcome) {
      watch.note(method, outcome);
      options.onCall?.(method, outcome);
    },
  });
  const outbox = createOutbox({
    ...options.outbox,
    calls,
    log,
    onDeadToken(error) {
      const { message, hint } = refusalOf(error, 'en');
      options.onDead?.(new NetcheckError('slack/refused', `${message} (${error})`, hint));
    },
  });
  return {
    calls,
    outbox,
    prove: () => watch.prove(calls),
    answerThread: (request, { attempt }) =>
      createSlackThread(request, {
        ...options.thread,
        outbox,
        calls,
        store: options.store,
        renderReport: options.renderReport,
        offersChanges: options.offersChanges,
        attempt,
        log,
      }),
    async close(withinMs) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs);
      });
      await Promise.race([outbox.drained(), patience]);
      clearTimeout(timer);
      outbox.close();
    },
  };
}
