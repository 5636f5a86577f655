import { kubernetes } from '../collectors/kubernetes.ts';
import { serverRoute } from '../collectors/server-route.ts';
import type { Collector } from '../model/command.ts';
import { createDeadline } from '../model/deadline.ts';
import type { Evidence } from '../model/evidence.ts';
import type { Endpoint } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import type { PhaseSpan } from '../model/phase-span.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import { offsetsOf } from './clock-offset.ts';
import type { CollectPorts } from './collect-ports.ts';
import type { SoFar } from './decided-so-far.ts';
import { type Knock, createDoors } from './doors.ts';
import { followPath, withNodes } from './follow-path.ts';
import { joinPlaybooks } from './join-playbooks.ts';
import { deferred, type NodeSession } from './node-session.ts';
import { type Connected, type Opened, close, lookAround, oneSlotPerNode, open, stepsOf } from './open-node.ts';
import { createPhaseClock } from './phase-clock.ts';
import type { OnProgress } from './ports.ts';
import { asksCluster, createClusterReading } from './read-cluster.ts';
import { createSharedResults } from './shared-results.ts';
import { type TentativeSink, createTentativeSink } from './tentative-sink.ts';
import { startCaptures, window } from './watch-window.ts';

export interface Collected {
  /** With the playbooks that joined. */
  readonly plan: Plan;
  readonly evidence: readonly Evidence[];
  /** Clock of each node minus netcheck's clock, milliseconds. */
  readonly clockOffsetsMs: Readonly<Record<string, number>>;
  readonly ended: 'complete' | 'early' | 'budget' | 'cancelled';
  /** Where the time went. */
  readonly phases: PhaseSpan[];
}

/** A node that joins on the way is waited for this long where other runs have it, milliseconds. */
const joinWithinMs = 2000;

/**
 * The order of a run (design section 4): connect, look, read what does not change, captures up and listening,
 * counters, probes, counters again, captures down. Fails forward: what one node or command cannot give is written
 * down, and the rest goes on.
 */
export async function collect(
  runId: string,
  asked: Plan,
  registries: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
  ports: CollectPorts,
  {
    signal,
    onProgress,
    tellSoFar = () => undefined,
  }: {
    readonly signal: AbortSignal;
    readonly onProgress: OnProgress;
    /** Called whenever more may be decided than before. */
    readonly tellSoFar?: ((take: () => SoFar) => void) | undefined;
  },
): Promise<Collected> {
  let plan = asked;
  const wall = createDeadline(plan.budget.wallMs, signal);
  const whole = wall.signal;
  const clock = createPhaseClock(ports.now);
  const phase = (name: Extract<Parameters<OnProgress>[0], { type: 'phase' }>['phase']): void => {
    clock.begin(name);
    onProgress({ type: 'phase', phase: name, atMs: ports.now() });
  };

  phase('connect');
  const cluster = createClusterReading(ports.cluster, ports, whole);
  const isOfCluster = ports.cluster !== undefined && plan.lookedUp !== undefined;
  if (asksCluster(plan) || isOfCluster) cluster.begin(plan);
  const places = asked.nodes.map(({ node }) => node.name);
  let shared = createSharedResults(places);
  const ownPorts: CollectPorts = {
    ...ports,
    slots: oneSlotPerNode(ports.slots),
    shared: (...one) => shared(...one),
  };
  /** Servers that any node sends the target's traffic on to: the nodes that they live on see only those. */
  let behind: readonly Endpoint[] = [];
  const cameIn = new Set<number>();
  const everybodyKnocked = deferred();
  const doors = createDoors(
    asked.nodes.map((planned, index) => ({
      where: `${planned.node.name} (${planned.node.address})`,
      enter: async (knock: Knock): Promise<Arrived> => {
        const sink = createTentativeSink(ports.sink);
        const own = { ...ownPorts, sink: { ...ports.sink, write: sink.write } };
        const one = await open(runId, asked, planned, registries.parsers, own, onProgress, clock, () => behind, knock);
        if (!('session' in one)) return { ...one, sink };
        connected.push(one);
        cameIn.add(index);
        doors.ring();
        await everybodyKnocked.promise;
        const looked = clock.beginOn(one.session.name, 'look');
        const came = await lookAround(one.session, registries);
        looked();
        return { ...one, sink, came };
      },
    })),
    { signal: whole, now: ports.now },
  );
  let connected: Connected[] = [];
  let opened: Opened[] = [];
  let ended: Collected['ended'] = 'complete';

  /** Everything from the first look on, with the nodes that are there. */
  const gather = async (
    came: readonly NodeSession[],
    { signal: going, tentative }: { readonly signal: AbortSignal; readonly tentative: TentativeSink[] | undefined },
  ): Promise<void> => {
    plan = asked;
    shared = createSharedResults(places);
    let sessions = came;
    for (const session of sessions) session.goOn(going);
    const each = (
      inPhase: 'once' | 'before' | 'after',
      chosen: (one: Collector) => boolean,
      {
        steps: planned = plan.steps,
        late = [false, true],
      }: { steps?: Plan['steps']; late?: readonly boolean[] | 'together' } = {},
    ): Promise<unknown> =>
      Promise.all(
        sessions.map(async (session) => {
          const steps = stepsOf({ steps: planned }, session, registries.collectors).filter(
            ({ collector }) => chosen(collector) && collector.id !== 'look',
          );
          for (const isLate of late === 'together' ? [null] : late)
            await Promise.all(
              steps
                .filter(({ collector }) => isLate === null || (collector.afterOthers === true) === isLate)
                .map(({ collector, params }) => session.collect(collector, params, inPhase)),
            );
        }),
      );

    const readNow = new Set<Collector['when']>(['capture']);
    let readSettings = false;
    const soFar = (...read: readonly Collector['when'][]): void => {
      for (const when of read) readNow.add(when);
      // what is told must hold, whoever comes late
      if (tentative !== undefined) return;
      tellSoFar(() => ({
        plan,
        evidence: [
          ...opened.flatMap((one) => ('session' in one ? one.session.evidenceSoFar() : [one.unreachable])),
          ...cluster.evidence,
        ],
        clockOffsetsMs: offsetsOf(connected, registries.parsers),
        isPending: ({ id, when, withCounters }) =>
          id === kubernetes.id ? cluster.isPending() : !readNow.has(when) || (withCounters === true && !readSettings),
      }));
    };
    /** A node that nobody asked about joins where it can be had at once; where it cannot, the run goes on without it. */
    const join = async (planned: PlannedNode): Promise<readonly NodeSession[]> => {
      const { parsers } = registries;
      const sink = createTentativeSink(ports.sink);
      if (tentative !== undefined) sink.hold();
      tentative?.push(sink);
      const own = { ...ownPorts, sink: { ...ports.sink, write: sink.write } };
      const knock = { signal: going, patienceMs: joinWithinMs };
      const one = await open(runId, plan, planned, parsers, own, onProgress, clock, () => behind, knock);
      opened.push(one);
      if (!('session' in one)) return [];
      connected.push(one);
      return (await lookAround(one.session, registries)) ? [one.session] : [];
    };

    const first = async (steps: Plan['steps']): Promise<void> => {
      await Promise.all([
        each('once', ({ when }) => when === 'once', { steps, late: [false] }),
        each('before', ({ when, beforeCaptures }) => when === 'delta' && beforeCaptures === true, { steps }),
      ]);
      // what is asked because of others is asked because of these as well: routes to the servers that IPVS names
      await each('once', ({ when, withCounters }) => when === 'once' && withCounters !== true, {
        steps,
        late: [true],
      });
    };
    await first(plan.steps);
    const seen = new Set(sessions.flatMap(({ learned }) => learned.seen));
    if (isOfCluster || (ports.cluster !== undefined && seen.has('service'))) seen.add('cluster');
    plan = joinPlaybooks(plan, [...seen]);
    if (asksCluster(plan)) cluster.begin(plan);
    if (plan !== asked) {
      onProgress({ type: 'joined', playbooks: plan.playbooks.filter((one) => !asked.playbooks.includes(one)) });
      await first(plan.steps.filter((step) => !asked.steps.includes(step)));
    }
    behind = sessions.flatMap(({ learned }) => learned.servers);
    const found =
      ports.ownerOf === undefined
        ? []
        : await followPath(plan, new Map(sessions.map(({ name, learned }) => [name, learned])), ports.ownerOf);
    const [named, unasked] = [found.filter((one) => one.joined !== true), found.filter((one) => one.joined === true)];
    const reached = (await Promise.all(unasked.map(join))).flat();
    if (named.length + reached.length > 0) {
      plan = withNodes(plan, [...named, ...reached.map(({ planned }) => planned)]);
      sessions = [...sessions, ...reached];
      await Promise.all([
        first(plan.steps.filter((step) => reached.some(({ name }) => name === step.node))),
        // what those were asked before, they were asked without knowing the servers
        each('once', ({ id }) => id === serverRoute.id, {
          steps: plan.steps.filter((step) => named.some(({ node }) => node.name === step.node)),
        }),
      ]);
    }
    soFar('once');
    phase('capture');
    const captures = await startCaptures(plan, sessions, registries.collectors, clock, going);
    phase('before');
    await Promise.all([
      each('before', ({ when, beforeCaptures }) => when === 'delta' && beforeCaptures !== true, { late: 'together' }),
      each('once', ({ withCounters }) => withCounters === true),
    ]);
    readSettings = true;
    phase('probe');
    // a window is time that the nodes have nothing else to do in
    const free = ({ meanwhile }: Collector): boolean => meanwhile === true;
    [ended] = await Promise.all([
      window(plan, sessions, captures, registries.collectors, { signal: going, onProgress, soFar }),
      each('once', free),
    ]);
    phase('after');
    const counted = Promise.all([
      // nothing is learned from a second reading
      each('after', ({ when }) => when === 'delta', { late: 'together' }),
      cluster.finish(plan),
    ]);
    // asked for in the same go, so that a node is not entered once more for it
    const rest = each('once', (one) => one.when === 'last' && !free(one));
    await Promise.all([
      rest,
      counted.then(async () => {
        soFar('probe', 'delta');
        await each('once', ({ when }) => when === 'active');
        await Promise.all(captures.map(({ capture }) => capture.stop(ended === 'early' ? 'enough' : 'windowOver')));
      }),
    ]);
  };

  try {
    await doors.when(() => doors.all.every((door, index) => cameIn.has(index) || door.isDone || door.isSilent));
    phase('look');
    everybodyKnocked.resolve();
    for (;;) {
      await doors.everyoneWhoAnswers();
      const arrived = doors.all.flatMap(({ value }) => (value === undefined ? [] : [value]));
      const silent = doors.all.filter(({ isSilent }) => isSilent);
      const sessions = arrived.flatMap((one) => ('session' in one && one.came === true ? [one.session] : []));
      opened = [...arrived];
      behind = [];
      if (silent.length === 0) {
        await gather(sessions, { signal: whole, tentative: undefined });
        break;
      }
      if (sessions.length === 0) {
        await doors.when(() => !silent.every(({ isSilent }) => isSilent));
        continue;
      }
      // Others wait for nothing but a node that shows no sign of life: they do their part meanwhile. If it turns out to
      // live, all of that is done again with it: where packets were lost is seen only by who listened from the beginning.
      const trial = createDeadline(null, whole);
      const lives = (): boolean => silent.some(({ hasAnswered }) => hasAnswered);
      const answers = doors.when(lives);
      answers.then(
        () => trial.abort('answered'),
        (error: unknown) => trial.abort(error),
      );
      const sinks = arrived.map(({ sink }) => sink);
      for (const sink of sinks) sink.hold();
      const entries = new Map(sessions.map((session) => [session, session.evidence.length]));
      const already = new Set(connected);
      await gather(sessions, { signal: trial.signal, tentative: sinks });
      await doors.when(
        () => whole.aborted || lives() || silent.every(({ isSilent, isOverdue }) => isOverdue || !isSilent),
      );
      trial.clear();
      if (!lives() || whole.aborted) {
        for (const door of silent) if (door.isSilent) door.giveUp();
        await doors.settled();
        for (const sink of sinks) await sink.keep();
        opened.push(...silent.flatMap(({ value }) => (value === undefined ? [] : [value])));
        break;
      }
      for (const sink of sinks) sink.drop();
      for (const [session, length] of entries) session.rewind(length);
      const joined = connected.filter((one) => !already.has(one));
      await Promise.all(joined.map(close));
      connected = connected.filter((one) => !joined.includes(one));
    }
    if (whole.aborted) ended = signal.aborted ? 'cancelled' : 'budget';
  } finally {
    // Whatever still runs when one of our own parts has failed is ended before the connections go back to their pool.
    wall.clear();
    wall.abort('cancelled');
    everybodyKnocked.resolve();
    await Promise.all([doors.settled(), cluster.ended()]);
    await Promise.all(connected.map(close));
  }
  return {
    plan,
    evidence: [
      ...opened.flatMap((one) => ('session' in one ? one.session.evidence : [one.unreachable])),
      ...cluster.evidence,
    ],
    clockOffsetsMs: offsetsOf(connected, registries.parsers),
    ended,
    phases: clock.spans(),
  };
}

/** One that has come in; `came`: it was looked at, and may be used. */
type Arrived = Opened & { readonly sink: TentativeSink; readonly came?: boolean };
