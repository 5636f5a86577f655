import { createHash, randomUUID } from 'node:crypto';
import type { Alert } from '../../model/alert.ts';
import type { Language } from '../../model/language.ts';
import { alertMessage, alertWordingIn, replyMessage, shortNameOf } from './alert-message.ts';
import { answerOf, claim } from './claim.ts';
import { plainTextOf } from './fit-blocks.ts';
import { escapeMrkdwn, slackTime } from './mrkdwn.ts';
import type { MessageBody } from './outbox.ts';
import { isDeadToken } from './refusals.ts';
import { quotingWords } from './own-words.ts';
import { alertKey, alertBegunKey, alertLeaseKey, alertSlotKey, keepMs } from './run-keys.ts';
import { blockIdOf, findRunMessage, metadataOf, type RunMessage } from './run-messages.ts';
import { runIdOf, startRun, type StartRunOptions } from './start-run.ts';

/** An alert with where it is to be told and what is to be asked. */
export interface AlertDelivery {
  readonly alert: Alert;
  readonly channel: string;
  readonly question:
    | { readonly ok: true; readonly text: string }
    | { readonly ok: false; readonly message: string; readonly hint: string };
}

/**
 * What became of an alert. `again`: it could not be done now, and must be delivered again; all others are final.
 * `notStarted`: its thread says why. `suppressed`: told in a list, because too many came at once. `refused`: Slack does
 * not let us into its channel.
 */
export type AlertOutcome =
  | 'started'
  | 'notStarted'
  | 'known'
  | 'resolved'
  | 'unknown'
  | 'suppressed'
  | 'refused'
  | 'again';

export interface AlertFrontOptions extends StartRunOptions {
  readonly language: Language;
  readonly runsPerMinute: number;
}

/** How an alert's thread is remembered: `channel rootTs`, or `-` where it was only told in a list. */
type AlertThread = { readonly channel: string; readonly rootTs: string } | undefined;

/** A process that dies while it works on an alert holds it for this long. Renewed while it goes on. */
const leaseMs = 120_000;
/** Alerts of one notification that are worked on side by side. */
const atOnce = 20;

/** Who asks for runs of alerts: what `access` knows them by. */
export const alertUser = 'alert';

/**
 * One thread and one run per episode of an alert (fingerprint and start), however often it is delivered, to however
 * many bots. Never rejects.
 */
export function createAlertFront(options: AlertFrontOptions): {
  take(deliveries: readonly AlertDelivery[]): Promise<readonly AlertOutcome[]>;
} {
  const { outbox, calls, store, log, language, runsPerMinute } = options;
  const wording = alertWordingIn(language);

  /** Posts once: `find` is asked first where an earlier attempt may have posted it already. */
  async function postOnce(order: {
    readonly kind: RunMessage;
    readonly id: string;
    readonly channel: string;
    readonly threadTs?: string | undefined;
    readonly body: MessageBody;
    readonly lookFirst: boolean;
  }): Promise<{ readonly ts: string } | 'refused' | 'again'> {
    const { kind, id, channel, threadTs, body } = order;
    const find = () =>
      findRunMessage(calls, kind, id, {
        channel,
        rootTs: threadTs,
        oldestTs: threadTs ?? String(Math.floor((Date.now() - 2 * leaseMs) / 1000) - 900),
      });
    if (order.lookFirst) {
      const found = await find();
      if (found.found === 'yes') return { ts: found.ts };
    }
    const sent = await outbox.post({
      channel,
      threadTs,
      body,
      plain: plainTextOf(body.blocks),
      metadata: metadataOf(kind, id),
      find,
    });
    if (sent.sent) return { ts: sent.ts };
    const isRefused = sent.because === 'refused' && !isDeadToken(sent.error);
    log(
      `alerts: Slack did not take a message for ${channel}: ${sent.because === 'refused' ? sent.error : sent.because}`,
    );
    return isRefused ? 'refused' : 'again';
  }

  /** Whether one more run may begin in this minute, over all bots. */
  async function mayBegin(): Promise<boolean> {
    const minute = Math.floor(Date.now() / 60_000);
    for (let slot = 0; slot < runsPerMinute; slot += 1)
      if (await store.setOnce(alertSlotKey(minute, slot), '1', { ttlMs: 120_000 })) return true;
    return false;
  }

  async function fire(delivery: AlertDelivery, id: string, lookFirst: boolean): Promise<AlertOutcome> {
    const { alert, channel, question } = delivery;
    const body = alertMessage(alert, id, language);
    const root = await postOnce({ kind: 'alert', id, channel, body, lookFirst });
    if (typeof root === 'string') return root;
    const rootTs = root.ts;
    let whyNot = question.ok ? undefined : quotingWords(question);
    if (question.ok) {
      const began = await startRun(options, {
        runId: id,
        text: question.text,
        asker: { user: alertUser, channel, language },
        origin: 'alert',
        rootTs,
        redelivered: lookFirst,
        async tell(why) {
          whyNot = why;
        },
      });
      // What it was told then holds for now only: the alert comes again.
      if (began === 'failed') return 'again';
    }
    if (whyNot !== undefined) {
      const reply = replyMessage([wording.noRun, whyNot], blockIdOf('answer', id));
      await postOnce({ kind: 'answer', id, channel, threadTs: rootTs, body: reply, lookFirst });
    }
    await remember(id, { channel, rootTs });
    return whyNot === undefined ? 'started' : 'notStarted';
  }

  async function resolve(alert: Alert, id: string, thread: AlertThread): Promise<AlertOutcome> {
    if (thread === undefined) return 'resolved';
    const { channel, rootTs } = thread;
    const once = await claim(store, `${alertKey(id)}:resolved`, '1', leaseMs);
    if (once.got === 'again') return 'known';
    if (once.got === 'down') return 'again';
    const line = `✅ ${wording.until(slackTime(alert.endsAt ?? new Date().toISOString()))}`;
    const posted = await postOnce({
      kind: 'resolved',
      id,
      channel,
      threadTs: rootTs,
      body: replyMessage([line], blockIdOf('resolved', id)),
      lookFirst: false,
    });
    if (typeof posted === 'string') {
      await once.release();
      return posted;
    }
    await once.keep(keepMs);
    const body = alertMessage(alert, id, language);
    await outbox.update({ channel, ts: rootTs, body, plain: plainTextOf(body.blocks), final: true });
    return 'resolved';
  }

  const remember = (id: string, thread: AlertThread): Promise<void> =>
    store.set(alertKey(id), thread === undefined ? '-' : `${thread.channel} ${thread.rootTs}`, { ttlMs: keepMs });

  /** Tells those in one message per channel that came when no further run was allowed. */
  async function tellTogether(waiting: readonly (AlertDelivery & { readonly id: string })[]): Promise<boolean> {
    const channels = new Map<string, (AlertDelivery & { readonly id: string })[]>();
    for (const one of waiting) channels.set(one.channel, [...(channels.get(one.channel) ?? []), one]);
    let allTold = true;
    for (const [channel, those] of channels) {
      const id = runIdOf('alerts', ...those.map((one) => one.id).sort());
      const names = those.slice(0, 20).map(({ alert }) => shortNameOf(alert));
      const more = those.length > names.length ? [wording.more(those.length - names.length)] : [];
      const body = replyMessage(
        [
          `🔔 *${escapeMrkdwn(wording.tooMany(those.length, runsPerMinute))}*`,
          [...names, ...more].join(', '),
          wording.tooManyHint,
        ],
        blockIdOf('alerts', id),
      );
      const told = await postOnce({ kind: 'alerts', id, channel, body, lookFirst: false });
      if (told === 'again') allTold = false;
      else for (const one of those) await remember(one.id, undefined);
    }
    return allTold;
  }

  async function takeOne(
    delivery: AlertDelivery,
    waiting: (AlertDelivery & { readonly id: string; readonly letGo: () => Promise<void> })[],
  ): Promise<AlertOutcome> {
    const { alert } = delivery;
    const id = idOf(alert);
    const known = await store.get(alertKey(id));
    if (known !== null) {
      if (alert.status === 'resolved') return resolve(alert, id, threadOf(known));
      // An alert that goes on for weeks stays known for as long as it is repeated.
      await store.set(alertKey(id), known, { ttlMs: keepMs });
      return 'known';
    }
    if (alert.status === 'resolved') return (await store.get(alertLeaseKey(id))) === null ? 'unknown' : 'again';

    const holder = randomUUID();
    if (!(await store.setOnce(alertLeaseKey(id), holder, { ttlMs: leaseMs }))) return 'again';
    const renewal = setInterval(() => {
      store.set(alertLeaseKey(id), holder, { ttlMs: leaseMs }).catch(() => undefined);
    }, leaseMs / 4);
    renewal.unref();
    let kept = false;
    const letGo = async (): Promise<void> => {
      clearInterval(renewal);
      await answerOf(() => store.delete(alertLeaseKey(id)));
    };
    try {
      // Somebody may have finished it between our look and our lease.
      if ((await store.get(alertKey(id))) !== null) return 'known';
      const isFirst = await store.setOnce(alertBegunKey(id), '1', { ttlMs: keepMs });
      if (isFirst && !(await mayBegin())) {
        kept = true;
        waiting.push({ ...delivery, id, letGo });
        return 'suppressed';
      }
      return await fire(delivery, id, !isFirst);
    } finally {
      if (!kept) await letGo();
    }
  }

  return {
    async take(deliveries) {
      const waiting: (AlertDelivery & { readonly id: string; readonly letGo: () => Promise<void> })[] = [];
      const outcomes: AlertOutcome[] = deliveries.map(() => 'again');
      const left = deliveries.map((delivery, at) => ({ delivery, at }));
      const next = async (): Promise<void> => {
        for (let one = left.shift(); one !== undefined; one = left.shift()) {
          const { delivery, at } = one;
          try {
            outcomes[at] = await takeOne(delivery, waiting);
          } catch (error) {
            log(`alerts: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      };
      await Promise.all(Array.from({ length: atOnce }, next));
      const told = await tellTogether(waiting).catch((error: unknown) => {
        log(`alerts: ${error instanceof Error ? error.message : String(error)}`);
        return false;
      });
      for (const { id, letGo } of waiting) {
        // Delivered again they are as new, and counted against the minute that is then.
        if (!told) await answerOf(() => store.delete(alertBegunKey(id)));
        await letGo();
      }
      return told ? outcomes : outcomes.map((one) => (one === 'suppressed' ? 'again' : one));
    },
  };
}

/** One episode of one alert: the same however often it is sent, another one after it was resolved and began again. */
function idOf(alert: Alert): string {
  const fingerprint =
    alert.fingerprint ??
    createHash('sha256')
      .update(JSON.stringify(Object.entries(alert.labels).sort(([a], [b]) => (a < b ? -1 : 1))))
      .digest('hex');
  return runIdOf('alert', fingerprint, String(Date.parse(alert.startsAt)));
}

function threadOf(value: string): AlertThread {
  const [channel = '', rootTs = ''] = value.split(' ');
  return rootTs === '' ? undefined : { channel, rootTs };
}
