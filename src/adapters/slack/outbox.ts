import { pause } from './pause.ts';
import { isBadShape, isDeadToken } from './refusals.ts';
import { type CallOutcome, outcomeText, type SlackCalls } from './slack-calls.ts';

/** A message as Slack takes it. `blocks` are JSON values of Block Kit. */
export interface MessageBody {
  readonly text: string;
  readonly blocks: readonly unknown[];
}

/** What `find` says about a post whose outcome is unknown. */
export type Lookup =
  | { readonly found: 'yes'; readonly ts: string }
  | { readonly found: 'no' }
  /** Slack did not let us look. `passing`: it may let us later. */
  | { readonly found: 'unknown'; readonly why: string; readonly passing: boolean };

export interface PostOrder {
  readonly channel: string;
  readonly threadTs?: string | undefined;
  readonly body: MessageBody;
  /** Sent instead where Slack refuses the blocks. */
  readonly plain: string;
  /**
   * Takes the place of `body` and `plain` where Slack takes the message only minutes after it was ready. It must say
   * the same, and since when it was ready.
   */
  readonly whenLate?: ((readyAtMs: number) => { readonly body: MessageBody; readonly plain: string }) | undefined;
  /** Lets us recognise the message later. Flat, small. */
  readonly metadata: { readonly event_type: string; readonly event_payload: Readonly<Record<string, string>> };
  /** Looks whether the message is there already; asked only after a send whose outcome is unknown. */
  readonly find: () => Promise<Lookup>;
}

export interface UpdateOrder {
  readonly channel: string;
  readonly ts: string;
  readonly body: MessageBody;
  readonly plain: string;
  /** The last state of the message: sent as soon as Slack allows, retried for longer. */
  readonly final: boolean;
}

export interface EphemeralOrder {
  readonly channel: string;
  readonly user: string;
  readonly threadTs?: string | undefined;
  readonly text: string;
  /** What it looks like where it has buttons; Slack shows `text` where it does not take them. */
  readonly blocks?: readonly unknown[] | undefined;
}

/** What became of a message. */
export type Sent =
  | { readonly sent: true; readonly ts: string; readonly shape: 'blocks' | 'plain' }
  /** A newer state of the same message took its place before it was sent. */
  | { readonly sent: false; readonly because: 'superseded' }
  /** `error` is Slack's own word, see `refusals.ts`. */
  | { readonly sent: false; readonly because: 'refused'; readonly error: string; readonly detail: string }
  /** Slack could not be reached, or did not answer, for as long as we were willing to try. */
  | { readonly sent: false; readonly because: 'gaveUp'; readonly why: string };

/** Everything that netcheck says in Slack goes through here. No method rejects. */
export interface Outbox {
  /** Posts once. Posts of one channel leave in the order of the calls, at most one per `postGapMs`. */
  post(order: PostOrder): Promise<Sent>;
  /** Edits. Per message only the newest state is sent, at most one per `updateGapMs`. */
  update(order: UpdateOrder): Promise<Sent>;
  /** Shows something to one person. Not retried where the outcome is unknown. */
  ephemeral(order: EphemeralOrder): Promise<Sent>;
  /** Unix milliseconds of the last thing that Slack took; undefined before the first. */
  lastSentAtMs(): number | undefined;
  /** Resolves when all that was given so far is sent or given up. */
  drained(): Promise<void>;
  /** Stops waiting: everything not yet sent resolves as `gaveUp`. */
  close(): void;
}

export interface OutboxOptions {
  readonly calls: SlackCalls;
  /** Between two posts in one channel. Slack allows about one per second. Default 1000. */
  readonly postGapMs?: number | undefined;
  /** Between two edits of one message. Default 2000. */
  readonly updateGapMs?: number | undefined;
  /** Edits of progress per minute over all messages (chat.update is Tier 3: 50 per minute). Default 45. */
  readonly updatesPerMinute?: number | undefined;
  /** After a send of unknown outcome, before looking for it. Default 1500. */
  readonly settleMs?: number | undefined;
  /** First wait after a failure; doubles up to 30 s. Default 1000. */
  readonly backoffMs?: number | undefined;
  /** How long a post or a final edit is tried. Default 10 minutes. */
  readonly giveUpAfterMs?: number | undefined;
  /** A post that Slack takes later than this says since when it was ready. Default 1 minute. */
  readonly lateMs?: number | undefined;
  /** Called once, when Slack says that the token is dead. */
  readonly onDeadToken?: ((error: string) => void) | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/** When something was: for people, and for measuring. */
interface Moment {
  readonly unixMs: number;
  readonly elapsedMs: number;
}

/** A clock that is set back an hour must not hold an answer for that hour: waits are measured by one that only goes on. */
const elapsedMs = (): number => performance.now();

interface Lane {
  tail: Promise<unknown>;
  notBeforeMs: number;
}

interface Slot {
  order: UpdateOrder;
  waiting: ((sent: Sent) => void)[];
  wake: AbortController;
}

/** The outbox. One per process: the limits that it keeps are per app and workspace. */
export function createOutbox(options: OutboxOptions): Outbox {
  const postGapMs = options.postGapMs ?? 1000;
  const updateGapMs = options.updateGapMs ?? 2000;
  const settleMs = options.settleMs ?? 1500;
  const backoffMs = options.backoffMs ?? 1000;
  const lateMs = options.lateMs ?? 60_000;
  const giveUpAfterMs = options.giveUpAfterMs ?? 600_000;
  const log = options.log ?? (() => {});
  const closing = new AbortController();
  const lanes = new Map<string, Lane>();
  const slots = new Map<string, Slot>();
  const lastEditMs = new Map<string, number>();
  /** Messages that have their last state. */
  const finals = new Set<string>();
  const underWay = new Set<Promise<unknown>>();
  const budget = createBudget(options.updatesPerMinute ?? 45);
  let lastSentAtMs: number | undefined;
  let deadTokenReported = false;
  /** chat.update is limited per workspace, not per channel: after a 429, progress waits everywhere. */
  let updatesNotBeforeMs = Number.NEGATIVE_INFINITY;

  async function call(method: string, args: Readonly<Record<string, unknown>>): Promise<CallOutcome> {
    const outcome = await options.calls.call(method, args);
    if (outcome.outcome === 'ok') lastSentAtMs = Date.now();
    if (outcome.outcome === 'refused' && isDeadToken(outcome.error) && !deadTokenReported) {
      deadTokenReported = true;
      options.onDeadToken?.(outcome.error);
    }
    if (outcome.outcome !== 'ok') log(`slack: ${method}: ${outcomeText(outcome)}`);
    return outcome;
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
    return work;
  }

  function laneOf(channel: string): Lane {
    const known = lanes.get(channel);
    if (known !== undefined) return known;
    const lane: Lane = { tail: Promise.resolve(), notBeforeMs: Number.NEGATIVE_INFINITY };
    lanes.set(channel, lane);
    return lane;
  }

  /** One after the other within a channel; the wait of one channel is nobody else's. */
  function inLane<T>(channel: string, work: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = laneOf(channel);
    const done = lane.tail.then(() => work(lane));
    lane.tail = done;
    return track(done);
  }

  async function deliver(order: PostOrder, lane: Lane, ready: Moment): Promise<Sent> {
    const startedAtMs = elapsedMs();
    let shape: 'blocks' | 'plain' = order.body.blocks.length > 0 ? 'blocks' : 'plain';
    let waitMs = backoffMs;
    let why = '';
    while (!closing.signal.aborted && elapsedMs() - startedAtMs < giveUpAfterMs) {
      await pause(lane.notBeforeMs - elapsedMs(), closing.signal);
      if (closing.signal.aborted) break;
      const { body, plain } =
        (elapsedMs() - ready.elapsedMs > lateMs ? order.whenLate?.(ready.unixMs) : undefined) ?? order;
      const outcome = await call('chat.postMessage', {
        channel: order.channel,
        ...(order.threadTs === undefined ? {} : { thread_ts: order.threadTs }),
        ...(shape === 'blocks'
          ? { text: body.text, blocks: body.blocks }
          : { text: body.blocks.length > 0 ? plain : body.text }),
        metadata: order.metadata,
        unfurl_links: false,
        unfurl_media: false,
      });
      lane.notBeforeMs = elapsedMs() + postGapMs;
      switch (outcome.outcome) {
        case 'ok':
          return { sent: true, ts: tsOf(outcome.response), shape };
        case 'rateLimited':
          lane.notBeforeMs = elapsedMs() + outcome.retryAfterMs;
          why = 'Slack kept answering 429';
          continue;
        case 'refused':
          if (shape === 'blocks' && isBadShape(outcome.error)) {
            shape = 'plain';
            continue;
          }
          return { sent: false, because: 'refused', error: outcome.error, detail: outcome.detail };
        case 'notSent':
          why = outcome.why;
          break;
        case 'ambiguous': {
          why = outcome.why;
          await pause(settleMs, closing.signal);
          const lookup = await lookAgain(order, startedAtMs);
          if (lookup.found === 'yes') return { sent: true, ts: lookup.ts, shape };
          // 'unknown' too: an answer that may come twice is better than one that may never come.
          break;
        }
      }
      await pause(waitMs, closing.signal);
      waitMs = Math.min(waitMs * 2, 30_000);
    }
    return { sent: false, because: 'gaveUp', why: why === '' ? 'netcheck was stopped' : why };
  }

  /** Looking needs Slack as well: it is repeated while Slack is away, within the time of the post itself. */
  async function lookAgain(order: PostOrder, startedAtMs: number): Promise<Lookup> {
    let waitMs = backoffMs;
    for (;;) {
      const lookup = await order.find();
      if (lookup.found !== 'unknown' || !lookup.passing) return lookup;
      if (closing.signal.aborted || elapsedMs() - startedAtMs > giveUpAfterMs) return lookup;
      await pause(waitMs, closing.signal);
      waitMs = Math.min(waitMs * 2, 30_000);
    }
  }

  /** Sends the newest state of one message until there is none that is not sent. */
  async function runSlot(key: string, slot: Slot): Promise<void> {
    const startedAtMs = elapsedMs();
    let waitMs = backoffMs;
    let why = 'netcheck was stopped';
    let plain = false;
    while (slot.waiting.length > 0) {
      await dueTime(key, slot);
      const { order } = slot;
      const taken = slot.waiting.splice(0);
      const settle = (sent: Sent) => {
        taken.pop()?.(sent);
        for (const resolve of taken) resolve({ sent: false, because: 'superseded' });
      };
      if (closing.signal.aborted || elapsedMs() - startedAtMs > giveUpAfterMs) {
        settle({ sent: false, because: 'gaveUp', why });
        continue;
      }
      const usePlain = plain || order.body.blocks.length === 0;
      const outcome = await call('chat.update', {
        channel: order.channel,
        ts: order.ts,
        text: usePlain && order.body.blocks.length > 0 ? order.plain : order.body.text,
        // An empty list, not an absent one: Slack keeps the old blocks of a message that is edited without any.
        blocks: usePlain ? [] : order.body.blocks,
      });
      lastEditMs.set(key, elapsedMs());
      if (outcome.outcome === 'ok') {
        if (order.final) finals.add(key);
        settle({ sent: true, ts: order.ts, shape: usePlain ? 'plain' : 'blocks' });
        continue;
      }
      if (outcome.outcome === 'refused') {
        if (usePlain || !isBadShape(outcome.error)) {
          settle({ sent: false, because: 'refused', error: outcome.error, detail: outcome.detail });
          continue;
        }
        plain = true;
      } else if (outcome.outcome === 'rateLimited') {
        why = outcomeText(outcome);
        updatesNotBeforeMs = elapsedMs() + outcome.retryAfterMs;
        lastEditMs.set(key, updatesNotBeforeMs - updateGapMs);
      } else {
        // Editing twice is the same as editing once: no need to look first.
        why = outcomeText(outcome);
        await pause(waitMs, closing.signal);
        waitMs = Math.min(waitMs * 2, 30_000);
      }
      slot.waiting.unshift(...taken);
    }
    slots.delete(key);
    trim(lastEditMs);
    trim(finals);
  }

  /** Waits until this message may be edited: its own pace always, the workspace's budget only for progress. */
  async function dueTime(key: string, slot: Slot): Promise<void> {
    await pause((lastEditMs.get(key) ?? Number.NEGATIVE_INFINITY) + updateGapMs - elapsedMs(), closing.signal);
    if (slot.order.final) return;
    slot.wake = new AbortController();
    const either = AbortSignal.any([closing.signal, slot.wake.signal]);
    await pause(updatesNotBeforeMs - elapsedMs(), either);
    await budget.take(either);
  }

  return {
    post(order) {
      const ready: Moment = { unixMs: Date.now(), elapsedMs: elapsedMs() };
      return inLane(order.channel, (lane) => deliver(order, lane, ready));
    },
    update(order) {
      const key = `${order.channel}:${order.ts}`;
      const slot = slots.get(key);
      return track(
        new Promise<Sent>((resolve) => {
          // Progress that arrives after the final state is old news.
          if (!order.final && (finals.has(key) || slot?.order.final === true)) {
            resolve({ sent: false, because: 'superseded' });
            return;
          }
          if (slot !== undefined) {
            slot.order = order;
            slot.waiting.push(resolve);
            if (order.final) slot.wake.abort();
            return;
          }
          const fresh: Slot = { order, waiting: [resolve], wake: new AbortController() };
          slots.set(key, fresh);
          void runSlot(key, fresh);
        }),
      );
    },
    ephemeral: (order) =>
      track(
        (async (): Promise<Sent> => {
          let blocks = order.blocks;
          for (let tries = 0; tries < 3; tries += 1) {
            const outcome = await call('chat.postEphemeral', {
              channel: order.channel,
              user: order.user,
              text: order.text,
              ...(blocks === undefined ? {} : { blocks }),
              ...(order.threadTs === undefined ? {} : { thread_ts: order.threadTs }),
            });
            if (outcome.outcome === 'ok')
              return { sent: true, ts: '', shape: blocks === undefined ? 'plain' : 'blocks' };
            if (outcome.outcome === 'refused' && blocks !== undefined && isBadShape(outcome.error)) {
              blocks = undefined;
              continue;
            }
            if (outcome.outcome === 'refused') {
              return { sent: false, because: 'refused', error: outcome.error, detail: outcome.detail };
            }
            if (outcome.outcome === 'ambiguous') return { sent: false, because: 'gaveUp', why: outcome.why };
            await pause(outcome.outcome === 'rateLimited' ? outcome.retryAfterMs : backoffMs, closing.signal);
          }
          return { sent: false, because: 'gaveUp', why: 'Slack did not take it' };
        })(),
      ),
    lastSentAtMs: () => lastSentAtMs,
    async drained() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
    close: () => closing.abort(),
  };
}

function tsOf(response: Readonly<Record<string, unknown>>): string {
  return typeof response['ts'] === 'string' ? response['ts'] : '';
}

/** Forgets the oldest beyond a thousand. */
function trim(collection: Map<string, unknown> | Set<string>): void {
  for (const key of collection.keys()) {
    if (collection.size <= 1000) return;
    collection.delete(key);
  }
}

/** A bucket of `perMinute` tokens that starts a fifth full and refills evenly. */
function createBudget(perMinute: number): { take(signal: AbortSignal): Promise<void> } {
  const gapMs = 60_000 / perMinute;
  const burst = Math.max(1, Math.floor(perMinute / 5));
  let nextFreeMs = Number.NEGATIVE_INFINITY;
  return {
    async take(signal) {
      const nowMs = elapsedMs();
      nextFreeMs = Math.max(nextFreeMs, nowMs - burst * gapMs) + gapMs;
      await pause(nextFreeMs - nowMs, signal);
    },
  };
}
