import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery } from '../fakes/slack/fake-slack.ts';
import type { FaultSchedule, PlannedFault, PlannedQuestion, When } from './fault-schedule.ts';
import type { Crew, FaultWorld } from './fault-world.ts';
import { type AskedQuestion, type Baseline, problemsOf } from './problems-of.ts';

/** After the last fault everything is well again; by then every question must have its one end. */
const settleMs = 150_000;
/** A phase that no question comes to (another fault keeps it from it) strikes nobody. */
const phaseWithinMs = 25_000;
/** Slack's own are at once, after a minute and after five. */
const retriesMs = [100, 6000, 20_000] as const;
const crewNames = ['bot', 'worker'] as const;

/**
 * Plays one schedule in a world that is well, and looks whether anything is broken after it.
 * @returns what is wrong, one sentence each; the world is well again where it is empty
 */
export async function runSchedule(
  here: FaultWorld,
  baseline: Baseline,
  schedule: FaultSchedule,
): Promise<readonly string[]> {
  const began = performance.now();
  const at = (ms: number): Promise<void> => pause(Math.max(0, began + ms - performance.now()));
  const inTurn = createTurns();
  for (const { port, listens } of schedule.questions) if (listens) await here.listen(port);
  const over = new AbortController();
  const down = new Set<keyof Crew>();
  const supervised = supervise(here, down, over.signal);
  const faults = schedule.faults.map(async (fault) => {
    if (await struck(here, fault.when, at, over.signal)) await inflict(here, fault, inTurn, down);
  });
  const asking = schedule.questions.map(async (question): Promise<AskedQuestion> => {
    await at(question.atMs);
    return ask(here, question);
  });
  const asked = await Promise.all(asking);
  await Promise.all(faults);
  over.abort();
  await supervised;
  await mend(here);
  const until = performance.now() + settleMs;
  const isFull = schedule.faults.some((fault) => fault.kind === 'disk' && fault.how === 'full');
  let wrong = await problemsOf(here, baseline, asked, isFull);
  while (wrong.length > 0 && performance.now() < until && !wrong.some(isFinal)) {
    await pause(250);
    wrong = await problemsOf(here, baseline, asked, isFull);
  }
  return wrong;
}

/** No waiting makes it better. */
const isFinal = (problem: string): boolean => problem.includes(' answers');

/** Resolves when it is time, true, or when nothing comes to the phase any more, false. */
async function struck(
  { phases }: FaultWorld,
  when: When,
  at: (ms: number) => Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  if ('atMs' in when) {
    await at(when.atMs);
    return true;
  }
  const came = await new Promise<boolean>((resolve) => {
    const settle = (answer: boolean): void => {
      clearTimeout(timer);
      phases.off(when.phase, onPhase);
      resolve(answer);
    };
    const onPhase = (): void => settle(true);
    const timer = setTimeout(() => settle(false), phaseWithinMs);
    phases.on(when.phase, onPhase);
    signal.addEventListener('abort', () => settle(false), { once: true });
  });
  if (came && when.afterMs > 0) await pause(when.afterMs);
  return came;
}

async function ask({ slack, phases }: FaultWorld, question: PlannedQuestion): Promise<AskedQuestion> {
  const user = `U0Q${question.port}`;
  slack.world.users.set(user, user.toLowerCase());
  const text = `node-50 port ${question.port} from node-12`;
  const delivery: Delivery =
    question.how === 'slash'
      ? slack.slash(text, { user })
      : slack.mention(`<@${slack.world.botUserId}> ${text}`, { user });
  phases.emit('asked');
  let delivered = await delivery.ended;
  // An event that nobody acknowledges Slack delivers three times more, a slash command never.
  for (const laterMs of question.how === 'mention' ? retriesMs : []) {
    if (delivered === 'acked') break;
    await pause(laterMs);
    delivered = await slack.redeliver(delivery).ended;
  }
  return { ...question, user, delivered };
}

type Turn = <T>(what: string, work: () => Promise<T>) => Promise<T>;

/** Two faults of one part of the world come one after the other: each ends what it began. */
function createTurns(): Turn {
  const last = new Map<string, Promise<unknown>>();
  return (what, work) => {
    const next = (last.get(what) ?? Promise.resolve()).then(work);
    last.set(
      what,
      next.catch(() => undefined),
    );
    return next;
  };
}

/** @param down who is not to be started again yet */
async function inflict(here: FaultWorld, fault: PlannedFault, inTurn: Turn, down: Set<keyof Crew>): Promise<void> {
  const { redis, slack, crew } = here;
  switch (fault.kind) {
    case 'killBot':
    case 'killWorker': {
      const who = fault.kind === 'killBot' ? 'bot' : 'worker';
      down.add(who);
      await crew[who].stop(fault.signal);
      await pause(fault.backAfterMs);
      // two faults may have ended it: one brings it back
      down.delete(who);
      if (hasEnded(crew, who)) here.begin(who);
      return;
    }
    case 'pauseBot':
    case 'pauseWorker': {
      const { child } = crew[fault.kind === 'pauseBot' ? 'bot' : 'worker'];
      child.kill('SIGSTOP');
      await pause(fault.forMs);
      child.kill('SIGCONT');
      return;
    }
    case 'killRedis':
      return inTurn('redis', async () => {
        await redis.kill();
        await pause(fault.backAfterMs);
        await redis.start();
      });
    case 'freezeRedis':
      return inTurn('redis', async () => {
        redis.freeze();
        await pause(fault.forMs);
        redis.thaw();
      });
    case 'fillRedis':
      return inTurn('redis', async () => {
        await redis.fill();
        await pause(fault.forMs);
        await redis.drain();
      });
    case 'failOver':
      return inTurn('redis', () => redis.failOver(fault.how));
    case 'cutSsh':
      here.links[fault.node]?.cut();
      return;
    case 'freezeSsh':
    case 'refuseSsh':
    case 'slowSsh':
      return inTurn(`link ${fault.node}`, async () => {
        const link = here.links[fault.node];
        if (fault.kind === 'slowSsh') link?.slow(fault.bytesPerSecond);
        else if (fault.kind === 'refuseSsh') link?.refuse();
        else link?.hold();
        await pause(fault.forMs);
        link?.release();
      });
    case 'sshd':
      return inTurn('sshd', () => here.sshd(fault.settings));
    case 'disk':
      return inTurn('disk', async () => {
        await here.disk(fault.how);
        await pause(fault.forMs);
        await here.disk('well');
      });
    case 'clock':
      return inTurn('clock', async () => {
        await here.clock(fault.aheadMs);
        await pause(fault.forMs);
        await here.clock(0);
      });
    case 'cutSlack':
      slack.cutConnections();
      return;
    case 'revokeToken':
      return inTurn('token', async () => {
        slack.world.deadToken = { bot: 'token_revoked' };
        await pause(fault.forMs);
        slack.world.deadToken = {};
      });
    case 'slack':
      slack.fail(fault.method, fault.trouble, { times: fault.times });
  }
}

const hasEnded = (crew: Crew, who: keyof Crew): boolean => {
  const { exitCode, signalCode } = crew[who].child;
  return exitCode !== null || signalCode !== null;
};

/** Who has ended of itself (the token was revoked, Redis was away) is started again after a second. */
async function supervise(here: FaultWorld, down: ReadonlySet<keyof Crew>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    for (const who of crewNames) if (!down.has(who) && hasEnded(here.crew, who)) here.begin(who);
  }
}

/** Everything runs again: what ended of itself (Redis was away when it started) is started again, as a supervisor does. */
async function mend(here: FaultWorld): Promise<void> {
  const { redis } = here;
  await redis.until(
    (client) => client.ping().catch(() => ''),
    (answer) => answer === 'PONG',
  );
  await here.sshd('usual');
  here.slack.world.mend();
  await Promise.all(crewNames.map((who) => up(here, who)));
}

/** Resolves when it runs and is ready. */
export async function up(here: FaultWorld, who: keyof Crew): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) {
    if (hasEnded(here.crew, who)) here.begin(who);
    const isUp = await here.crew[who].says(/listening to|worker started/).then(
      () => true,
      () => false,
    );
    if (isUp && !hasEnded(here.crew, who)) return;
  }
}
