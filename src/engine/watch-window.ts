import type { Collector } from '../model/command.ts';
import { createDeadline } from '../model/deadline.ts';
import type { Capture, Connection } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import { withoutTranslatedLegs } from '../rules/translated-legs.ts';
import { deferred, type NodeSession, type RunningCapture } from './node-session.ts';
import { stepsOf } from './open-node.ts';
import type { PhaseClock } from './phase-clock.ts';
import type { OnProgress } from './ports.ts';

/** Longest time that packets may still be under way to us after the last probe, milliseconds. */
const lastPacketsMs = { immediate: 250, buffered: 1200 } as const;

/**
 * Names that others look up are watched for this long at least, where ours were answered at once, milliseconds: who
 * waits for a dead server asks it again within this time.
 */
const leastOfNamesMs = 5500;

/** glibc asks again after 5 s (RES_TIMEOUT). */
const patienceOfResolversMs = 6000;

/** tcpdump is given this long to say that it listens, milliseconds. */
const listenWithinMs = 8000;

/** While captures run, what they have seen by then may decide something: looked at so often, milliseconds. */
const tellEveryMs = 1000;

interface PlacedCapture {
  readonly session: NodeSession;
  readonly capture: RunningCapture;
}

export async function startCaptures(
  plan: Plan,
  sessions: readonly NodeSession[],
  collectors: ReadonlyMap<string, Collector>,
  clock: PhaseClock,
  signal: AbortSignal,
): Promise<readonly PlacedCapture[]> {
  const started = await Promise.all(
    sessions.flatMap((session) =>
      stepsOf(plan, session, collectors)
        .filter(({ collector }) => collector.when === 'capture')
        .map(async ({ collector, params }) => {
          const isUp = clock.beginOn(session.name, 'capture');
          return { session, isUp, capture: await session.startCapture(collector, params) };
        }),
    ),
  );
  const captures = started.flatMap(({ session, isUp, capture }) => {
    if (capture === undefined) isUp();
    return capture === undefined ? [] : [{ session, isUp, capture }];
  });
  const patience = createDeadline(listenWithinMs, signal);
  // One that listens only after the probes have begun shows no packet where there was one: worse than none at all.
  const inTime = await Promise.all(
    captures.map(async ({ session, isUp, capture }) => {
      await Promise.race([capture.ready, aborted(patience.signal)]);
      isUp();
      if (capture.listens() || signal.aborted) return [{ session, capture }];
      await capture.abandon(listenWithinMs);
      return [];
    }),
  );
  patience.clear();
  return inTime.flat();
}

/** Probes from every client, or watches where nobody can probe. Ends as soon as there is nothing left to learn. */
export async function window(
  plan: Plan,
  sessions: readonly NodeSession[],
  captures: readonly PlacedCapture[],
  collectors: ReadonlyMap<string, Collector>,
  { signal, onProgress, soFar }: Watched,
): Promise<'complete' | 'early'> {
  if (sessions.length === 0) return 'complete';
  // Look-ups of names may take their time; what is watched beside them is watched for as long as ever.
  const whole = createDeadline(plan.budget.windowMs, signal);
  const telling = setInterval(() => soFar(), tellEveryMs);
  try {
    return await probeAndWatch(plan, sessions, captures, collectors, {
      signal,
      onProgress,
      soFar,
      whole: whole.signal,
    });
  } finally {
    clearInterval(telling);
    whole.clear();
  }
}

interface Watched {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  /** Told what kinds of collectors have read all by now. */
  readonly soFar: (...read: readonly Collector['when'][]) => void;
}

async function probeAndWatch(
  plan: Plan,
  sessions: readonly NodeSession[],
  captures: readonly PlacedCapture[],
  collectors: ReadonlyMap<string, Collector>,
  { signal, onProgress, soFar, whole }: Watched & { readonly whole: AbortSignal },
): Promise<'complete' | 'early'> {
  const probes = sessions.flatMap((session) =>
    stepsOf(plan, session, collectors)
      .filter(({ collector }) => collector.when === 'probe' && session.planned.roles.includes('client'))
      .map(({ collector, params }) => ({ session, collector, params })),
  );
  let succeeded = 0;
  let attempted = 0;
  await Promise.all(
    probes.map(async ({ session, collector, params }) => {
      const { attempts } = collector.params.parse(params) as { attempts?: number };
      let done = 0;
      let failed = 0;
      let rest = '';
      await session.collect(collector, params, 'during', (chunk) => {
        const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
        rest = (lines.pop() ?? '').slice(0, longestAttempt);
        for (const line of lines) {
          const status = /^attempt \d+ \S+ \S+ (\d+)/.exec(line)?.[1];
          if (status === undefined) continue;
          done++;
          attempted++;
          if (status === '0') succeeded++;
          else failed++;
        }
        // look-ups of names are no attempts
        if (done === 0) return;
        onProgress({ type: 'probe', node: session.name, done, total: attempts ?? done, failed });
      });
    }),
  );
  soFar('probe');
  // Probes that could not be made (UDP, nothing to connect with) leave what there is: to watch.
  if (attempted > 0 && plan.symptom.watchMs === undefined) {
    // Packets of the last probe may still be on their way to us; where all have come there is nothing to wait for. A
    // failure ends with what did not come, or with a RST that is counted nowhere: then they are waited for.
    const wait = captures.every(({ capture }) => capture.immediate) ? lastPacketsMs.immediate : lastPacketsMs.buffered;
    await until(
      () =>
        captures.length > 0 &&
        succeeded === attempted &&
        captures.every(
          ({ capture }) => withoutTranslatedLegs(capture.snapshot().connections).filter(answered).length >= succeeded,
        ),
      wait,
      signal,
    );
    return 'complete';
  }
  const isOfNames = plan.steps.some(({ collector, params }) => collector === 'capture' && params.filter === 'dns');
  if (!isOfNames || plan.symptom.watchMs !== undefined) {
    // who says how long wants to see all of it
    const asksForAll = plan.symptom.watchMs !== undefined;
    const enough = (): boolean => !asksForAll && captures.some(({ capture }) => settled(capture.snapshot()));
    return (await until(enough, null, whole)) ? 'early' : 'complete';
  }
  await until(() => false, leastOfNamesMs, whole);
  const answeredAll = (): boolean =>
    captures.length > 0 && captures.every(({ capture }) => hasAnswers(capture.snapshot()));
  return (await until(answeredAll, null, whole)) ? 'early' : 'complete';
}

/** Longest begin of a line of the probe script that is kept until its end comes, characters. */
const longestAttempt = 1000;

const answered = (connection: Connection): boolean => connection.handshake === 'complete';

/** Enough traffic was seen to say how it goes: three connections with an outcome, one of them a failure. */
function settled(capture: Capture): boolean {
  const outcomes = capture.connections.filter(
    ({ handshake, syns }) => handshake !== 'midStream' && (handshake !== 'unanswered' || syns.length >= 3),
  );
  return outcomes.length >= 3 && outcomes.some((connection) => !answered(connection));
}

/** Every question about a name has its answer, or has waited for longer than resolvers do. */
function hasAnswers({ dns, lastAtMs, fragments }: Capture): boolean {
  if (fragments.reassembled < fragments.datagrams) return false;
  return dns.every(({ answer, atMs }) => answer !== null || (lastAtMs ?? atMs) - atMs > patienceOfResolversMs);
}

/** Waits until a condition holds, at most so long (null: until the signal); tells whether it held. */
async function until(condition: () => boolean, atMostMs: number | null, signal: AbortSignal): Promise<boolean> {
  const end = createDeadline(atMostMs, signal);
  try {
    while (!condition()) {
      if (end.signal.aborted) return false;
      const pause = createDeadline(50, end.signal);
      await aborted(pause.signal);
      pause.clear();
    }
    return true;
  } finally {
    end.clear();
  }
}

/** Settles when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = deferred();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', resolve, { once: true });
  return promise;
}
