import type { CollectContext, Collector, Learned } from '../model/command.ts';
import type { Evidence, Exit } from '../model/evidence.ts';
import type { Capture, Clock, Connection, Endpoint, Features } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { IpAddress } from '../model/inventory.ts';
import { kubernetes } from '../collectors/kubernetes.ts';
import { serverRoute } from '../collectors/server-route.ts';
import type { Namespace } from '../model/node-facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { PhaseSpan } from '../model/phase-span.ts';
import { targetNames } from '../model/target-names.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import { createDeadline } from '../model/deadline.ts';
import { followPath, type KnownOwner, withNodes } from './follow-path.ts';
import { joinPlaybooks } from './join-playbooks.ts';
import { withoutTranslatedLegs } from '../rules/translated-legs.ts';
import { createLearner, withServers } from './learn.ts';
import { deferred, evidenceFile, NodeSession, type RunningCapture, type SessionPorts } from './node-session.ts';
import type { SoFar } from './decided-so-far.ts';
import { createDoors, type Knock } from './doors.ts';
import { GivenUp } from './given-up.ts';
import { createPhaseClock, type PhaseClock } from './phase-clock.ts';
import type { ClusterObserver, NodeSlots, NodeTransport, OnProgress, OnReach } from './ports.ts';
import { asksCluster, createClusterReading } from './read-cluster.ts';
import { createSharedResults } from './shared-results.ts';
import { createTentativeSink, type TentativeSink } from './tentative-sink.ts';

export interface CollectPorts extends SessionPorts {
  readonly transport: NodeTransport;
  readonly slots: NodeSlots;
  /** Nodes that may join because the traffic goes on to them; left out: none does. */
  readonly ownerOf?: KnownOwner;
  /** Left out: netcheck has no access to Kubernetes. */
  readonly cluster?: ClusterObserver | undefined;
}

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
/** A node that joins on the way is waited for this long where other runs have it, milliseconds. */
const joinWithinMs = 2000;
/** A run that waits this long for its turn on a node says so, milliseconds. */
const sayWaitingAfterMs = 500;

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
      { steps: planned = plan.steps, late = [false, true] }: { steps?: Plan['steps']; late?: readonly boolean[] } = {},
    ): Promise<unknown> =>
      Promise.all(
        sessions.map(async (session) => {
          const steps = stepsOf({ steps: planned }, session, registries.collectors).filter(
            ({ collector }) => chosen(collector) && collector.id !== 'look',
          );
          for (const isLate of late)
            await Promise.all(
              steps
                .filter(({ collector }) => (collector.afterOthers === true) === isLate)
                .map(({ collector, params }) => session.collect(collector, params, inPhase)),
            );
        }),
      );

    const readNow = new Set<Collector['when']>(['capture']);
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
        isPending: ({ id, when }) => (id === kubernetes.id ? cluster.isPending() : !readNow.has(when)),
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
      await each('once', ({ when }) => when === 'once', { steps, late: [true] });
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
    await each('before', ({ when, beforeCaptures }) => when === 'delta' && beforeCaptures !== true);
    phase('probe');
    ended = await window(plan, sessions, captures, registries.collectors, { signal: going, onProgress, soFar });
    phase('after');
    await Promise.all([each('after', ({ when }) => when === 'delta'), cluster.finish(plan)]);
    soFar('probe', 'delta');
    await each('once', ({ when }) => when === 'active' || when === 'last');
    await Promise.all(captures.map(({ capture }) => capture.stop(ended === 'early' ? 'enough' : 'windowOver')));
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
    await doors.settled();
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

/** A node that a run may use, or why not. */
export interface Connected {
  readonly session: NodeSession;
  readonly release: () => Promise<void>;
}

type Opened = Connected | { readonly unreachable: Evidence };

/** One that has come in; `came`: it was looked at, and may be used. */
type Arrived = Opened & { readonly sink: TentativeSink; readonly came?: boolean };

async function close({ session, release }: Connected): Promise<void> {
  await Promise.allSettled([session.close(), release()]);
}

export async function open(
  runId: string,
  plan: Plan,
  planned: PlannedNode,
  parsers: ReadonlyMap<string, Parser>,
  ports: CollectPorts,
  onProgress: OnProgress,
  clock: PhaseClock,
  behind: () => readonly Endpoint[],
  {
    signal,
    onReach,
    patienceMs = plan.budget.wallMs / 2,
  }: {
    readonly signal: AbortSignal;
    readonly onReach?: OnReach;
    /** How long it may wait for its turn on the node. */
    readonly patienceMs?: number;
  },
): Promise<Opened> {
  const { node } = planned;
  const unreachable = async (exit: Exit, why: string): Promise<Opened> => {
    onProgress({ type: 'unreachable', node: node.name, why });
    const now = ports.now();
    const entry = {
      id: '00-connect',
      node: node.name,
      collector: 'connect',
      phase: 'look',
      kind: 'connect',
      argv: [],
      privilege: 'none',
      startedAtMs: now,
      endedAtMs: now,
      exit,
    } as const;
    const bytes = { stdout: new Uint8Array(0), stderr: new Uint8Array(0) };
    return { unreachable: { entry: await ports.sink.write({ ...entry, argv: [] }, bytes), ...bytes } };
  };
  // Two runs may each hold a node that the other waits for; and the nodes that are free need some of the time.
  const patience = createDeadline(patienceMs, signal);
  const waiting = setTimeout(() => onProgress({ type: 'waiting', node: node.name }), sayWaitingAfterMs);
  const waited = clock.beginOn(node.name, 'wait');
  let slot: Awaited<ReturnType<NodeSlots['acquire']>>;
  try {
    slot = await ports.slots.acquire(nodeOfPlace(node.name), { signal: patience.signal, holder: runId });
  } catch (error) {
    if (!patience.signal.aborted) throw error;
    return await unreachable(
      { how: 'notStarted', why: 'budget', message: `${node.name} was busy with other runs` },
      'busy with other runs',
    );
  } finally {
    waited();
    clearTimeout(waiting);
    patience.clear();
  }
  // A slot that cannot be given back runs out by itself; that is no reason to lose the run.
  const release = (): Promise<void> => slot.release().catch(() => undefined);
  const arrived = clock.beginOn(node.name, 'connect');
  let connected: Awaited<ReturnType<NodeTransport['connect']>>;
  try {
    // The places of one node share its connection: the transport knows it by its name.
    connected = await ports.transport.connect(
      { ...node, name: nodeOfPlace(node.name) },
      {
        signal,
        ...(onReach === undefined ? {} : { onReach }),
      },
    );
  } catch (error) {
    await release();
    throw error;
  } finally {
    arrived();
  }
  if (!connected.ok) {
    await release();
    const reason: unknown = signal.reason;
    const exit = reason instanceof GivenUp ? reason.exit : connected.exit;
    return unreachable(exit, 'message' in exit ? exit.message : connected.exit.message);
  }
  onProgress({ type: 'connected', node: node.name });
  const { targetAddress, symptom } = plan;
  const learned = createLearner(parsers, {
    address: targetAddress,
    port: symptom.port,
    protocol: symptom.protocol,
    isHere: planned.roles.includes('target') || planned.node.serves.includes(targetAddress),
  });
  const session: NodeSession = new NodeSession(
    planned,
    connected.connection,
    ports,
    () =>
      contextOf(plan, planned, session.features?.uid, withServers(learned(session.evidence), planned.roles, behind())),
    signal,
  );
  return { session, release };
}

/** Places of one node take one slot of it together. */
function oneSlotPerNode(slots: NodeSlots): NodeSlots {
  const taken = new Map<string, { readonly slot: ReturnType<NodeSlots['acquire']>; users: number }>();
  return {
    async acquire(node, options) {
      const entry = taken.get(node) ?? { slot: slots.acquire(node, options), users: 0 };
      taken.set(node, entry);
      entry.users++;
      const slot = await entry.slot;
      return {
        release: async () => {
          entry.users--;
          if (entry.users === 0) await slot.release();
        },
      };
    },
  };
}

export function contextOf(
  plan: Plan,
  { node, roles, address }: PlannedNode,
  /** As the first look found it. */
  uid: number | undefined,
  learned: Learned,
): CollectContext {
  const clients = plan.nodes.filter((planned) => planned.roles.includes('client'));
  return {
    target: plan.targetAddress,
    port: plan.symptom.port,
    protocol: plan.symptom.protocol,
    clientAddresses: [...clients.map((planned) => planned.address), ...plan.externalClients].filter(
      (one) => IpAddress.safeParse(one).success,
    ),
    ownAddresses: [address, ...node.serves],
    roles,
    targetNames: targetNames(plan),
    // without a question there is no way to a target: every device that has an address counts
    learned: plan.symptom.about === 'node' ? { ...learned, devices: learned.addressed } : learned,
    budget: plan.budget,
    ...(node.user !== undefined && uid !== undefined && uid !== 0 ? { loginUser: node.user } : {}),
  };
}

/** The planned steps of a node, in the order of the playbook. */
export function stepsOf(
  plan: Pick<Plan, 'steps'>,
  session: { readonly name: string },
  collectors: ReadonlyMap<string, Collector>,
): readonly { collector: Collector; params: unknown }[] {
  return plan.steps.flatMap(({ node, collector: id, params }) => {
    const collector = collectors.get(id);
    return node === session.name && collector !== undefined ? [{ collector, params }] : [];
  });
}

/**
 * The first look. False where it did not come back: such a node would take every time-out of every command, one after
 * the other, and the time of the nodes that answer with it.
 */
export async function lookAround(
  session: NodeSession,
  {
    collectors,
    parsers,
  }: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
): Promise<boolean> {
  const look = collectors.get('look');
  const parser = parsers.get('look');
  if (!look || !parser) return true;
  await session.collect(look, {}, 'look');
  // Not the first of all: an audit notes what the last one read before it looks.
  const evidence = session.evidence.find(({ entry }) => entry.collector === look.id);
  if (!evidence) return true;
  const { entry, stdout, stderr } = evidence;
  const parsed = parser.parse({
    stdout,
    stderr,
    argv: entry.argv,
    exitCode: entry.exit.how === 'exited' ? entry.exit.code : null,
    evidence: evidenceFile(entry.node, entry.id, entry.kind),
  });
  session.features = parsed.value as Features | undefined;
  return entry.exit.how === 'exited' && (await enterNamespace(session, { collectors, parsers }));
}

/** Finds the network namespace of a place; false where it is not there. */
async function enterNamespace(
  session: NodeSession,
  {
    collectors,
    parsers,
  }: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
): Promise<boolean> {
  const name = session.planned.netns;
  if (name === undefined) return true;
  const collector = collectors.get('netns');
  if (!collector) return false;
  await session.collect(collector, { name }, 'look');
  const found = session.evidence.find(({ entry }) => entry.kind === 'netns');
  if (found === undefined) return false;
  const { entry, stdout, stderr } = found;
  const namespace = parsers.get('netns')?.parse({
    stdout,
    stderr,
    argv: entry.argv,
    exitCode: entry.exit.how === 'exited' ? entry.exit.code : null,
    evidence: entry.out ?? entry.id,
  }).value as Namespace | undefined;
  if (namespace === undefined) return false;
  session.netns = { name, pid: namespace.pid };
  return true;
}

interface PlacedCapture {
  readonly session: NodeSession;
  readonly capture: RunningCapture;
}

async function startCaptures(
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
async function window(
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

function offsetsOf(
  connected: readonly { readonly session: NodeSession }[],
  parsers: ReadonlyMap<string, Parser>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(connected.flatMap(({ session }) => clockOffset(session, parsers)));
}

/** The node's clock was read in the middle of the command's own time, so that is what it is compared with. */
export function clockOffset(
  session: NodeSession,
  parsers: ReadonlyMap<string, Parser>,
): readonly (readonly [string, number])[] {
  const evidence = session.evidence.find(({ entry }) => entry.kind === 'date');
  const parser = parsers.get('date');
  if (!evidence || !parser) return [];
  const { entry, stdout, stderr } = evidence;
  const value = parser.parse({ stdout, stderr, argv: entry.argv, exitCode: 0, evidence: entry.out ?? '' }).value as
    | Partial<Clock>
    | undefined;
  return value?.epochMs === undefined
    ? []
    : [[session.name, Math.round(value.epochMs - (entry.startedAtMs + entry.endedAtMs) / 2)]];
}
