import type { KeyValue, RunRequest } from '../../engine/ports.ts';
import { slackLink } from '../../report/slack-link.ts';
import { runRequestOf } from './behind-button.ts';
import { answerOf } from './claim.ts';
import { mentionOf } from './mrkdwn.ts';
import { pause } from './pause.ts';
import { findRunMessage, metadataOf } from './run-messages.ts';
import { answerKey, askedKey, cancelKey, joinedKey, keepMs, readAnswer, runKey } from './run-keys.ts';
import type { Asked, StartRunOptions } from './start-run.ts';
import { wordingIn } from './wording.ts';

/** For how long a run is joined at most, and for how long after its answer. */
const joinMs = 10 * 60_000;
const afterAnswerMs = 60_000;
/** People who may join one run; whoever is beyond gets a run of their own. */
const maxJoined = 20;
/** How long the run that was asked first may take to have a message that can be linked to. */
const showWithinMs = 3000;

/**
 * Joins the run that looks at the same already, if there is one in this channel: the person is told where, and its answer
 * mentions them. Never rejects; where the store is away everybody gets a run of their own.
 *
 * @param key the same for questions that would do the same; undefined: unknown
 */
export async function joinRun(options: StartRunOptions, asked: Asked, key: string | undefined): Promise<boolean> {
  const { store, queue } = options;
  const { user, channel } = asked.asker;
  // A re-check is wanted now; an alert or a schedule has a thread of its own.
  if (key === undefined || asked.recheckOf !== undefined || !/^[UW][A-Z0-9]+$/u.test(user)) return false;
  const run = await runToJoin({ store, queue }, askedKey(channel, key), asked.runId);
  if (run === undefined) return false;
  const isIn = run.askedBy === user || (await joinedBy(store, run.id)).includes(user);
  // Somebody who has just had this answer and asks again wants another look.
  if (isIn && (await endOf(store, run.id)) !== undefined) {
    await takeOver(store, askedKey(channel, key), asked.runId);
    return false;
  }
  if (!isIn && !(await addTo(store, run.id, user))) return false;
  // Looked at again: an answer that came in the meantime may not have seen who joined.
  await tellWhere(options, asked, run, (await endOf(store, run.id)) !== undefined);
  return true;
}

/** Everybody who joined a run, in the order in which they came. Never rejects. */
export async function joinedBy(store: KeyValue, runId: string): Promise<readonly string[]> {
  const users: string[] = [];
  for (let n = 1; n <= maxJoined; n += 1) {
    const one = await answerOf(() => store.get(joinedKey(runId, n)));
    if (!one.answered || one.value === null) break;
    users.push(one.value);
  }
  return users;
}

/** Each place is taken once, so that two who join at the same moment are both in. */
async function addTo(store: KeyValue, runId: string, user: string): Promise<boolean> {
  for (let n = 1; n <= maxJoined; n += 1) {
    const taken = await answerOf(() => store.setOnce(joinedKey(runId, n), user, { ttlMs: keepMs }));
    if (!taken.answered) return false;
    if (taken.value) return true;
  }
  return false;
}

/** The run that holds the question, unless it is this one or cannot be joined any more; then this one holds it. */
async function runToJoin(
  { store, queue }: Pick<StartRunOptions, 'store' | 'queue'>,
  key: string,
  ownId: string,
): Promise<RunRequest | undefined> {
  const first = await answerOf(() => store.setOnce(key, ownId, { ttlMs: joinMs }));
  if (!first.answered || first.value) return undefined;
  const holder = await answerOf(() => store.get(key));
  if (!holder.answered || holder.value === ownId) return undefined;
  const run = holder.value === null ? undefined : await queuedRun({ store, queue }, holder.value);
  if (run !== undefined && (await isOpen(store, run))) return run;
  await takeOver(store, key, ownId);
  return undefined;
}

async function takeOver(store: KeyValue, key: string, ownId: string): Promise<void> {
  await answerOf(() => store.set(key, ownId, { ttlMs: joinMs }));
}

/**
 * A run can be joined from when it has a message to link to and is in the queue. The one who asked first may be just about
 * to; a run that could not be queued never will be.
 */
async function queuedRun(
  { store, queue }: Pick<StartRunOptions, 'store' | 'queue'>,
  runId: string,
): Promise<RunRequest | undefined> {
  for (const untilMs = performance.now() + showWithinMs; ; ) {
    const stored = await answerOf(() => store.get(runKey(runId)));
    const queued = await answerOf(() => queue.find(runId));
    if (!stored.answered || !queued.answered) return undefined;
    const run = stored.value === null ? undefined : runRequestOf(stored.value);
    if (run !== undefined && queued.value !== null) return run;
    // Cancelled while it waited, or never queued: waiting for it would be in vain.
    if (run !== undefined && Date.now() - run.askedAtMs > showWithinMs) return undefined;
    if (performance.now() >= untilMs) return undefined;
    await pause(100);
  }
}

async function isOpen(store: KeyValue, run: RunRequest): Promise<boolean> {
  const cancelled = await answerOf(() => store.get(cancelKey(run.id)));
  if (!cancelled.answered || cancelled.value !== null) return false;
  const end = await endOf(store, run.id);
  return end === undefined
    ? Date.now() - run.askedAtMs < joinMs
    : end.how === 'report' && Date.now() - end.atMs < afterAnswerMs;
}

/** How and when a run had its answer; undefined before. */
async function endOf(
  store: KeyValue,
  runId: string,
): Promise<{ readonly how: string; readonly atMs: number } | undefined> {
  const answer = await answerOf(() => store.get(answerKey(runId)));
  if (!answer.answered || answer.value === null) return undefined;
  const read = readAnswer(answer.value);
  return read.state === 'done' ? read : undefined;
}

/** To the person alone; in a thread other than the run's also for those who read along there. */
async function tellWhere(options: StartRunOptions, asked: Asked, run: RunRequest, over: boolean): Promise<void> {
  const { channel, language } = asked.asker;
  const say = wordingIn(language);
  const { rootTs: there } = run.thread;
  const link = options.threadLink?.(channel, there) ?? slackLink(channel, there);
  const text = over ? say.answeredAlready(link) : say.lookedAtAlready(link, mentionOf(run.askedBy));
  if (asked.statusTs !== undefined) {
    // Their question back is answered: no buttons stay behind.
    const body = { text: over ? text : say.lookedAtElsewhere(link), blocks: [] };
    const sent = await options.outbox.update({ channel, ts: asked.statusTs, body, plain: text, final: true });
    if (sent.sent) return;
  }
  if (asked.rootTs === undefined || asked.rootTs === run.thread.rootTs) return asked.tell(text);
  const { rootTs, runId } = asked;
  await options.outbox.post({
    channel,
    threadTs: rootTs,
    body: { text: over ? text : say.lookedAtElsewhere(link), blocks: [] },
    plain: text,
    metadata: metadataOf('joined', runId),
    find: () => findRunMessage(options.calls, 'joined', runId, { channel, rootTs, oldestTs: rootTs }),
  });
}
