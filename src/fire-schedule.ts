import { createHash } from 'node:crypto';
import path from 'node:path';
import type { AccessCheck } from './check-access.ts';
import { dataDirectory } from './config.ts';
import { firingsAfter } from './cron.ts';
import type { Attachment, Firing, KeyValue, NodeSlots, RunHistory, RunRequest, SchedulePosts } from './engine/ports.ts';
import { pastRunOf, pastRunOfAudit } from './engine/past-run-of.ts';
import {
  isLoud,
  isQuiet,
  lookOfAudit,
  lookOfReport,
  newsOf,
  stateAfter,
  stateAfterFailure,
} from './engine/schedule-news.ts';
import { attachmentsOf, auditAttachmentsOf } from './attachments-of.ts';
import { failureOf } from './handle-run.ts';
import type { AccessPlan } from './access.ts';
import { NetcheckError } from './model/errors.ts';
import type { PastRun } from './model/past-run.ts';
import type { ScheduleLook, ScheduleState } from './model/schedule-state.ts';
import {
  renderScheduleFailure,
  renderScheduleNews,
  renderScheduleSummary,
  type SchedulePost,
} from './report/schedule-post.ts';
import { createScheduleMemory } from './schedule-memory.ts';
import { type Schedule, scheduleBehind } from './schedules.ts';
import { createRunDirectory, type Wiring } from './wiring.ts';

/** What a firing needs. */
export interface ScheduleDesk {
  readonly schedules: readonly Schedule[];
  readonly wiring: Pick<Wiring, 'plan' | 'run' | 'planAudit' | 'audit' | 'writeLog' | 'loaded'>;
  readonly access: AccessCheck;
  /** Waits while Redis is away. */
  readonly store: KeyValue;
  readonly slots: NodeSlots;
  /** Remembers what was looked at; absent: nothing is remembered. */
  readonly memory?: Pick<RunHistory, 'record'>;
  readonly posts: SchedulePosts;
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** How long a process that died keeps another firing of the same schedule from beginning. */
const leaseMs = 90_000;
const renewMs = 30_000;
/** Replies go to a message that is not older; then there is a new one. */
const threadMs = 7 * 24 * 3600_000;

/**
 * One firing: looks, and posts what changed. The same firing again (a crash, a retry) does not post again; while one
 * goes on, the next of the same schedule is left out. Rejects where it is to be tried again.
 */
export async function fireSchedule(
  firing: Firing,
  { signal }: { readonly signal: AbortSignal },
  desk: ScheduleDesk,
): Promise<void> {
  const found = scheduleBehind(firing.entry, desk.schedules);
  if (found === undefined) {
    desk.log(`schedule ${firing.entry} is not in the configuration of this process, and is left out`);
    return;
  }
  const { schedule, isSummary } = found;
  const memory = createScheduleMemory(desk.store, memoryKey(schedule));
  const postId = `p${createHash('sha256').update(firing.id).digest('hex').slice(0, 16)}`;
  const last = await memory.state();
  if (isSummary) return summarise(schedule, last, postId, firing, memory, desk);
  if (last?.firing === firing.id) return;

  const lease = await holdLease(`netcheck:schedule-running:${schedule.name}`, firing.id, desk.store);
  if (lease === undefined) {
    desk.log(`schedule ${schedule.name} still goes on; this time is left out`);
    return;
  }
  try {
    const state = await lookAndTell(schedule, firing, postId, last, memory, signal, desk);
    await memory.keep(state);
  } finally {
    await lease.release();
  }
}

type Memory = ReturnType<typeof createScheduleMemory>;

async function lookAndTell(
  schedule: Schedule,
  firing: Firing,
  postId: string,
  last: ScheduleState | null,
  memory: Memory,
  signal: AbortSignal,
  desk: ScheduleDesk,
): Promise<ScheduleState> {
  const { name, language, timeZone, channel } = schedule;
  const words = { name, language, timeZone };
  const atMs = desk.now();
  const root = last?.root !== undefined && atMs - last.root.atMs < threadMs ? last.root : undefined;
  const tell = async (
    message: SchedulePost,
    isLoudOne: boolean,
    attachments?: Looked['attachments'],
  ): Promise<ScheduleState['root']> => {
    const threadTs = isLoudOne ? undefined : root?.ts;
    const ts = await desk.posts.post({ id: postId, channel, threadTs, message, attachments });
    return threadTs === undefined ? { ts, atMs } : root;
  };

  let looked: Looked;
  try {
    looked = await lookOnce(schedule, firing, last, memory, signal, desk);
  } catch (error) {
    // A process that is stopping hands the firing to another one.
    if (signal.aborted) throw error;
    const why = failureOf(error, language);
    const isKnown = last?.failure === why.message;
    const told = isKnown ? root : await tell(renderScheduleFailure(why, words), true);
    const asked = askedBySchedule(schedule, firing, told ?? last?.root, !isKnown);
    await remember(
      pastRunOf({ ...asked, askedAtMs: atMs }, { how: 'failed', ...why, plan: undefined }, desk.now()),
      desk,
    );
    return stateAfterFailure(why.message, last, { firing: firing.id, atMs, root: told });
  }
  if (signal.aborted) throw new Error('stopped in the middle');
  // After failures alone there is nothing to compare with.
  const compared = last === null || last.nodes === 0 ? null : last;
  const news = { ...newsOf(looked.look, compared), isAfterFailure: last?.failure !== undefined };
  const told = isQuiet(news) ? root : await tell(renderScheduleNews(news, words), isLoud(news), looked.attachments);
  const isNews = !isQuiet(news);
  await remember(looked.past(askedBySchedule(schedule, firing, told ?? last?.root, isNews), desk.now()), desk);
  return stateAfter(news, last, { firing: firing.id, atMs, root: told });
}

/** What was seen, and the files that show it to people. */
interface Looked {
  readonly look: ScheduleLook;
  readonly attachments: () => Promise<readonly Attachment[]>;
  /** As it is remembered. */
  readonly past: (asked: AskedBySchedule, endedAtMs: number) => PastRun;
}

type AskedBySchedule = Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'thread'>;

/**
 * What a schedule asked, as if it were a person. A look that brought nothing new takes the place of the one before it:
 * one every five minutes must not push out what people asked.
 */
function askedBySchedule(
  { name, what, channel }: Schedule,
  { dueMs }: Firing,
  root: ScheduleState['root'],
  isNews: boolean,
): AskedBySchedule {
  return {
    id: isNews ? `schedule-${name}-${dueMs}` : `schedule-${name}`,
    text: what.kind === 'ask' ? what.text : `audit ${what.playbook} ${what.selector}`.trim(),
    askedBy: `schedule:${name}`,
    // Where nothing was ever told there is no thread.
    thread: { channel, rootTs: root?.ts ?? '', statusTs: root?.ts ?? '' },
  };
}

/** Nothing of it can fail a firing: what it had to tell has been told. */
async function remember(past: PastRun, { memory, log }: Pick<ScheduleDesk, 'memory' | 'log'>): Promise<void> {
  await memory?.record(past).catch((error: unknown) => log(`the history has no ${past.id}: ${String(error)}`));
}

/** Looks once, as the schedule itself: what it may do is in `access`, as for everybody. */
async function lookOnce(
  schedule: Schedule,
  firing: Firing,
  last: ScheduleState | null,
  memory: Memory,
  signal: AbortSignal,
  { wiring, access, slots, log }: ScheduleDesk,
): Promise<Looked> {
  const { name, what, channel, language } = schedule;
  const user = `schedule:${name}`;
  const id = `schedule-${name}-${firing.dueMs}`;
  const mayLook = async (action: 'ask' | 'audit', plan: AccessPlan, text: string): Promise<void> => {
    const refusal = await access.refuse({ user, channel, action, plan }, language);
    if (refusal === undefined) return;
    const why = `${refusal.message} ${refusal.hint}`;
    await wiring.writeLog({ event: 'refused', atMs: Date.now(), run: id, askedBy: user, channel, action, text, why });
    throw new NetcheckError('ask/not-allowed', refusal.message, refusal.hint);
  };
  const common = { id, language, signal, onProgress: () => undefined, slots, askedBy: user };
  if (what.kind === 'ask') {
    const directory = path.join(dataDirectory(wiring.loaded), 'runs', id);
    const plan = await wiring.plan(what.text);
    await mayLook('ask', plan, what.text);
    const report = await wiring.run(plan, {
      ...common,
      mayJoin: async (node) => {
        const joined = { playbooks: plan.playbooks, nodes: [...plan.nodes, { node }] };
        return (await access.refuse({ user, channel, action: 'ask', plan: joined }, language)) === undefined;
      },
      thread: { channel },
      sink: createRunDirectory(directory),
    });
    return {
      look: lookOfReport(report, last === null || last.nodes === 0 ? null : last),
      attachments: () => attachmentsOf(report, directory, language, log),
      past: (asked, endedAtMs) => pastRunOf({ ...asked, askedAtMs: endedAtMs }, { how: 'finished', report }, endedAtMs),
    };
  }
  const { playbook, selector } = what;
  const { plan } = await wiring.planAudit({ playbook, selector, id }, language, memory.baselines);
  const nodes = plan.jobs.map(({ node, labels }) => ({ node: { name: node, labels } }));
  await mayLook('audit', { playbooks: [playbook], nodes }, `audit ${playbook} ${selector}`.trim());
  const report = await wiring.audit({ playbook, selector }, { ...common, baselines: memory.baselines });
  return {
    look: lookOfAudit(report),
    attachments: () => auditAttachmentsOf(report, language, log),
    past: (asked, endedAtMs) => pastRunOfAudit(asked, report, endedAtMs),
  };
}

async function summarise(
  schedule: Schedule,
  last: ScheduleState | null,
  postId: string,
  firing: Firing,
  memory: Memory,
  { posts, now }: ScheduleDesk,
): Promise<void> {
  // Before the first look there is nothing to sum up; a summary that was posted has begun a new tally.
  if (last === null || last.tally.sinceMs >= firing.dueMs) return;
  const { name, language, timeZone, channel, cron } = schedule;
  const nextMs = firingsAfter(cron, timeZone, now(), 1)[0] ?? now();
  const message = renderScheduleSummary(last, { name, language, timeZone, nextMs });
  const ts = await posts.post({ id: postId, channel, message });
  const atMs = now();
  await memory.keep({
    ...last,
    root: { ts, atMs },
    tally: { sinceMs: Math.max(atMs, firing.dueMs), looks: 0, new: 0, gone: 0, failed: 0 },
  });
}

/** A schedule that asks something else begins anew; another time, channel or language does not. */
function memoryKey({ name, what }: Schedule): string {
  return `${name}:${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 12)}`;
}

/** Undefined where another firing holds it. The same firing again gets it. */
async function holdLease(
  key: string,
  holder: string,
  store: KeyValue,
): Promise<{ release(): Promise<void> } | undefined> {
  const isFirst = await store.setOnce(key, holder, { ttlMs: leaseMs });
  if (!isFirst && (await store.get(key)) !== holder) return undefined;
  const renew = setInterval(() => void store.set(key, holder, { ttlMs: leaseMs }).catch(() => undefined), renewMs);
  return {
    async release() {
      clearInterval(renew);
      await store.delete(key).catch(() => undefined);
    },
  };
}
