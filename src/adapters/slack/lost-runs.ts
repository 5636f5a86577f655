import type { KeyValue, OpenRun, OpenRuns, RunQueue, RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import { claim } from './claim.ts';
import { plainTextOf } from './fit-blocks.ts';
import { answerKey, buttonMs, deliveryKey, keepMs, lostKey, readAnswer, runKey } from './run-keys.ts';
import { findRunMessage, metadataOf } from './run-messages.ts';
import type { SlackSender } from './slack-sender.ts';
import { statusMessage } from './status-message.ts';

export interface LostRunsOptions {
  readonly openRuns: OpenRuns;
  readonly store: KeyValue;
  /** Asked for when it is needed: it may be made after this. */
  readonly sender: () => Pick<SlackSender, 'calls' | 'outbox' | 'answerThread'>;
  /** Told of every run whose thread was told that it is lost. */
  readonly onSettled?:
    | ((request: RunRequest, why: { readonly message: string; readonly hint: string }) => void)
    | undefined;
  readonly log: (line: string) => void;
  /** Between two looks. Default 20 s. */
  readonly everyMs?: number | undefined;
  /**
   * A run counts as lost when nobody has had it for so long: a worker that Redis forgot notices that itself within
   * seconds, and stops. Default 25 s.
   */
  readonly goneForMs?: number | undefined;
  readonly now?: (() => number) | undefined;
}

/** Looks after the runs that people wait for. */
export interface LostRuns {
  /** The same queue; what is queued through it is looked after even where Redis forgets everything. */
  watched(queue: RunQueue): RunQueue;
  /** Looks once. Never rejects. */
  look(): Promise<void>;
  /** Looks now and again until stopped. */
  start(): void;
  stop(): Promise<void>;
}

/** So many of our own runs are remembered beside Redis. */
const maxRemembered = 1000;
/** So many are looked at in one go, oldest first. */
const maxPerLook = 500;

/**
 * No thread stays silent: a run that is neither waiting, nor worked on, nor answered gets one final message that says
 * what happened to it, with Re-check. Any number of bots may look at the same time; the message is keyed by the run.
 */
export function createLostRuns(options: LostRunsOptions): LostRuns {
  const { openRuns, store, log } = options;
  const everyMs = options.everyMs ?? 20_000;
  const goneForMs = options.goneForMs ?? 25_000;
  const now = options.now ?? Date.now;
  /** Runs that this process has queued and that were not answered when it looked last. */
  const ours = new Map<string, RunRequest>();
  const goneSinceMs = new Map<string, number>();
  /** Noted, and then not queued: who asked was told so by this process, at once. */
  const refused = new Set<string>();
  /** The last time that Redis was away, as far as our looks saw it. */
  let away: { readonly sinceMs: number; readonly untilMs: number | undefined } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  async function forget(runId: string): Promise<void> {
    ours.delete(runId);
    goneSinceMs.delete(runId);
    refused.delete(runId);
    await openRuns.close(runId);
  }

  async function lookAtAll(): Promise<void> {
    let open: readonly OpenRun[];
    try {
      open = await openRuns.list(maxPerLook);
      if (away !== undefined && away.untilMs === undefined) away = { ...away, untilMs: now() };
    } catch (error) {
      if (away === undefined || away.untilMs !== undefined) away = { sinceMs: now(), untilMs: undefined };
      throw error;
    }
    const known = new Set(open.map(({ request }) => request.id));
    const forgotten: OpenRun[] = [];
    for (const request of ours.values())
      if (!known.has(request.id)) forgotten.push({ request, state: await openRuns.stateOf(request.id) });
    for (const run of [...open, ...forgotten]) await lookAt(run);
    for (const id of goneSinceMs.keys()) if (!known.has(id) && !ours.has(id)) goneSinceMs.delete(id);
  }

  async function lookAt({ request, state }: OpenRun): Promise<void> {
    const { id } = request;
    if (state === 'answered' || now() - request.askedAtMs > keepMs) return forget(id);
    if (refused.has(id) && state === 'missing') return forget(id);
    if (state === 'waiting' || state === 'active') {
      goneSinceMs.delete(id);
      return undefined;
    }
    // Whoever took the delivery may still be at it.
    if (isUnqueued(request) && (await store.get(deliveryKey(id))) !== null) return undefined;
    const answer = await store.get(answerKey(id));
    if (answer !== null && readAnswer(answer).state === 'done') return forget(id);
    const sinceMs = goneSinceMs.get(id) ?? now();
    goneSinceMs.set(id, sinceMs);
    if (now() - sinceMs >= goneForMs) await settle(request, state);
    return undefined;
  }

  async function settle(noted: RunRequest, state: 'unanswered' | 'missing'): Promise<void> {
    const { id } = noted;
    const { calls, outbox, answerThread } = options.sender();
    const once = await claim(store, lostKey(id), '1', 60_000);
    if (once.got !== 'first') return;
    try {
      const request = await withStatus(noted, calls);
      const { thread } = request;
      if (isUnqueued(request)) {
        const body = statusMessage(request, { stage: 'notStarted', ...unqueued[request.language] }, request.language);
        await outbox.post({
          channel: thread.channel,
          ...(thread.rootTs === '' ? {} : { threadTs: thread.rootTs }),
          body,
          plain: plainTextOf(body.blocks),
          metadata: metadataOf('status', id),
          find: () => findRunMessage(calls, 'status', id, placeOf(request)),
        });
        log(`slack: question ${id} was lost before it was queued; its asker has been told`);
        await forget(id);
        await once.keep(keepMs);
        return;
      }
      // The answer may be there, and only Redis has forgotten it.
      const place = { channel: thread.channel, rootTs: thread.rootTs, oldestTs: thread.rootTs };
      const found = await findRunMessage(calls, 'answer', id, place);
      if (found.found === 'unknown' && found.passing) throw new Error(found.why);
      if (found.found === 'yes') {
        await store.set(answerKey(id), `done ${found.ts}`, { ttlMs: keepMs });
        await forget(id);
        await once.keep(keepMs);
        return;
      }
      // So that Re-check finds it.
      if ((await store.get(runKey(id))) === null)
        await store.set(runKey(id), JSON.stringify(request), { ttlMs: buttonMs });
      const why = isUnqueued(noted) ? unqueued[request.language] : whyLost(state, request, away, now());
      await answerThread(request, { attempt: 2 }).failed({ ...why, cancelled: false });
      log(`slack: run ${id} was lost (${state}); its thread has been told`);
      options.onSettled?.(request, why);
      await forget(id);
      await once.keep(keepMs);
    } catch (error) {
      await once.release();
      throw error;
    }
  }

  function look(): Promise<void> {
    looking ??= lookAtAll()
      .catch((error: unknown) =>
        log(`slack: looking after open runs: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  return {
    watched: (queue) => ({
      ...queue,
      async submit(request) {
        // Before it is queued: a Redis that takes it and dies has to be outlived.
        ours.set(request.id, request);
        refused.delete(request.id);
        for (const oldest of ours.keys()) {
          if (ours.size <= maxRemembered) break;
          ours.delete(oldest);
        }
        try {
          return await queue.submit(request);
        } catch (error) {
          // Whoever asked is told at once.
          ours.delete(request.id);
          refused.add(request.id);
          for (const oldest of refused) {
            if (refused.size <= maxRemembered) break;
            refused.delete(oldest);
          }
          throw error;
        }
      },
    }),
    look,
    start() {
      void look();
      timer = setInterval(() => void look(), everyMs);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}

/** Noted when it came, and not queued since: it has no status message that we know of. */
const isUnqueued = ({ thread }: RunRequest): boolean => thread.statusTs === '';

/** Where the status message of an unqueued question would be. Our clock and Slack's differ. */
const placeOf = ({ thread, askedAtMs }: RunRequest) => ({
  channel: thread.channel,
  rootTs: thread.rootTs === '' ? undefined : thread.rootTs,
  oldestTs: String(Math.floor(askedAtMs / 1000) - 300),
});

/** With the status message that was posted before its process died, where there is one. */
async function withStatus(request: RunRequest, calls: SlackSender['calls']): Promise<RunRequest> {
  if (!isUnqueued(request)) return request;
  const found = await findRunMessage(calls, 'status', request.id, placeOf(request));
  if (found.found === 'unknown' && found.passing) throw new Error(found.why);
  if (found.found !== 'yes') return request;
  const { channel, rootTs } = request.thread;
  return { ...request, thread: { channel, rootTs: rootTs === '' ? found.ts : rootTs, statusTs: found.ts } };
}

const unqueued: Readonly<Record<Language, { readonly message: string; readonly hint: string }>> = {
  en: {
    message: 'netcheck was restarted before it could queue this question. Nothing of it is running.',
    hint: 'Please ask again.',
  },
  zh: { message: 'netcheck 在把这个问题排入队列之前重启了。没有任何部分在运行。', hint: '请再问一次。' },
};

/** What happened, as far as it is known. */
function whyLost(
  state: 'unanswered' | 'missing',
  { language, askedAtMs }: RunRequest,
  away: { readonly sinceMs: number; readonly untilMs: number | undefined } | undefined,
  nowMs: number,
): { readonly message: string; readonly hint: string } {
  const clock = (ms: number): string => `${new Date(ms).toISOString().slice(11, 19)} UTC`;
  const outage =
    away !== undefined && (away.untilMs ?? nowMs) >= askedAtMs
      ? { from: clock(away.sinceMs), to: clock(away.untilMs ?? nowMs) }
      : undefined;
  return words[language](state, outage);
}

const words: Readonly<
  Record<
    Language,
    (
      state: 'unanswered' | 'missing',
      outage: { readonly from: string; readonly to: string } | undefined,
    ) => { readonly message: string; readonly hint: string }
  >
> = {
  en: (state, outage) =>
    state === 'unanswered'
      ? {
          message: 'This run ended, and its answer could not be posted: Slack did not take it for too long.',
          hint: 'Re-check runs it again. What it saw is kept where its worker runs, as far as it came (netcheck replay).',
        }
      : {
          message: `This run was lost: the queue (Redis) does not know it any more${outage === undefined ? '' : `; Redis was away from about ${outage.from} to ${outage.to}`}. Nothing of it is running.`,
          hint: 'Re-check asks again. `netcheck doctor` says whether Redis keeps its data over a restart.',
        },
  zh: (state, outage) =>
    state === 'unanswered'
      ? {
          message: '此次检查已结束，但 Slack 长时间不接受回答，无法发出。',
          hint: '点“重新检查”再运行一次。已采集的内容保存在工作进程所在的机器上（netcheck replay）。',
        }
      : {
          message: `此次检查已丢失：队列（Redis）中已没有它${outage === undefined ? '' : `；Redis 在 ${outage.from} 到 ${outage.to} 左右不可用`}。没有任何部分仍在运行。`,
          hint: '点“重新检查”再次提问。`netcheck doctor` 会说明 Redis 重启后是否保留数据。',
        },
};
