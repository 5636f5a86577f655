import type { CollectContext, Collector, Learned } from '../model/command.ts';
import { createDeadline } from '../model/deadline.ts';
import type { Evidence, Exit } from '../model/evidence.ts';
import type { Endpoint, Features } from '../model/facts.ts';
import { IpAddress } from '../model/inventory.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Namespace } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import { targetNames } from '../model/target-names.ts';
import type { CollectPorts } from './collect-ports.ts';
import { GivenUp } from './given-up.ts';
import { createLearner, withServers } from './learn.ts';
import { NodeSession, evidenceFile } from './node-session.ts';
import type { PhaseClock } from './phase-clock.ts';
import type { NodeSlots, NodeTransport, OnProgress, OnReach } from './ports.ts';

/** A run that waits this long for its turn on a node says so, milliseconds. */
const sayWaitingAfterMs = 500;

/** A node that a run may use, or why not. */
export interface Connected {
  readonly session: NodeSession;
  readonly release: () => Promise<void>;
}

export type Opened = Connected | { readonly unreachable: Evidence };

export async function close({ session, release }: Connected): Promise<void> {
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
    ...askedOf(plan, planned),
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
export function oneSlotPerNode(slots: NodeSlots): NodeSlots {
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
  planned: PlannedNode,
  /** As the first look found it. */
  uid: number | undefined,
  learned: Learned,
): CollectContext {
  const { node, roles, address } = planned;
  const clients = plan.nodes.filter((one) => one.roles.includes('client'));
  const asked = askedOf(plan, planned);
  return {
    target: asked.address,
    port: asked.port,
    protocol: plan.symptom.protocol,
    clientAddresses: [...clients.map((one) => one.address), ...plan.externalClients].filter(
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

/** A pod that serves behind a Service is asked about its own address and port, as if it had been the question. */
function askedOf({ targetAddress, symptom }: Plan, { roles, server }: PlannedNode): { address: string; port: number } {
  return roles.includes('target') && server !== undefined ? server : { address: targetAddress, port: symptom.port };
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
  const { netns: place } = session.planned;
  const netns = place === undefined ? undefined : collectors.get('netns');
  // what finds the namespace needs no tool: it is asked in the same go
  await Promise.all([
    session.collect(look, {}, 'look'),
    netns === undefined ? undefined : session.collect(netns, { name: place }, 'look'),
  ]);
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
  return entry.exit.how === 'exited' && enterNamespace(session, parsers);
}

/** Finds the network namespace of a place; false where it is not there. */
function enterNamespace(session: NodeSession, parsers: ReadonlyMap<string, Parser>): boolean {
  const name = session.planned.netns;
  if (name === undefined) return true;
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
