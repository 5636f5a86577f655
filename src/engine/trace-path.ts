import type { Capture, Connection, Facts } from '../model/facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import type { Path, PathHop } from '../model/report.ts';
import { wasSentOn } from '../rules/handshakes.ts';
import { sameAddress } from '../rules/ip-address.ts';
import { findIn } from '../rules/join-captures.ts';
import type { NodeKnowledge } from './parse.ts';

/**
 * The way of the connects from one client to the target, hop by hop: which devices they used, who translated them, and
 * where they stop. Drawn from the captures alone; no rule is asked. Undefined where no client captured its connects, or
 * where no other place can be laid beside it.
 */
export function tracePath(
  plan: Plan,
  knowledge: ReadonlyMap<string, NodeKnowledge>,
  clockOffsetsMs: Readonly<Record<string, number>>,
): Path | undefined {
  const factsOf = (place: string): Facts => knowledge.get(place)?.facts ?? {};
  const clients = plan.nodes
    .filter(({ roles }) => roles.includes('client'))
    .map((client) => ({ client, ...connectsOf(factsOf(client.node.name).capture, client, plan) }))
    .filter(({ connects }) => connects.length > 0);
  // one whose connects fail is the one that was asked about
  const [chosen] = clients.toSorted((a, b) => Number(b.failed) - Number(a.failed));
  if (chosen === undefined) return undefined;
  const { client, connects, failed } = chosen;
  const way = hopsOf(client, plan);
  const hops = way.map((planned): Hop => {
    const { name } = planned.node;
    const facts = factsOf(name);
    const { capture } = facts;
    const aheadMs = (clockOffsetsMs[name] ?? 0) - (clockOffsetsMs[client.node.name] ?? 0);
    const seen =
      capture === undefined
        ? []
        : connects.map((one) =>
            name === client.node.name ? [one] : findIn(capture, one, aheadMs).map(({ connection }) => connection),
          );
    const all = seen.flat();
    const role = planned === client ? 'client' : planned.roles.includes('target') ? 'target' : 'forwarder';
    const forwarding = facts.sysctl?.['net.ipv4.ip_forward']?.value;
    const hop: PathHop = {
      node: name,
      role,
      ...deviceOf('in', all, facts),
      ...deviceOf('out', all, facts),
      ...(role === 'forwarder' && (forwarding === '0' || forwarding === '1') ? { forwards: forwarding === '1' } : {}),
      ...translationOf(all, plan),
      ...(capture === undefined
        ? {}
        : {
            connects: countOf(seen, ({ syns }) => syns.length > 0),
            ...(all.some(hasDirections) ? { sentOn: countOf(seen, wasSentOn) } : {}),
            answers: countOf(seen, isAnswered),
          }),
    };
    return { hop, complete: capture !== undefined && capture.listening && capture.droppedByKernel === 0 };
  });
  if (hops.filter(({ hop }) => hop.connects !== undefined).length < 2) return undefined;
  const endsAt = failed ? endOf(hops, connects) : undefined;
  return {
    connects: connects.length,
    failed,
    hops: hops.map(({ hop }) => hop),
    ...(endsAt === undefined ? {} : { endsAt }),
  };
}

/** A hop, and whether what its capture does not show was not there. */
interface Hop {
  readonly hop: PathHop;
  readonly complete: boolean;
}

/** What a client sent to the port that was asked about: the connects that failed, or all where none did. */
function connectsOf(
  capture: Capture | undefined,
  { address }: PlannedNode,
  { symptom, targetAddress }: Plan,
): { readonly connects: readonly Connection[]; readonly failed: boolean } {
  const own = (capture?.connections ?? []).filter(
    ({ client, server, syns }) =>
      syns.length > 0 &&
      server.port === symptom.port &&
      sameAddress(server.address, targetAddress) &&
      (sameAddress(client.address, address) || !sameAddress(client.address, targetAddress)),
  );
  const failing = own.filter(({ handshake }) => handshake !== 'complete');
  return failing.length > 0 ? { connects: failing, failed: true } : { connects: own, failed: false };
}

/** The client, its node, what stands in between in the order of the question, and the target's node before the target. */
function hopsOf(client: PlannedNode, { nodes }: Plan): readonly PlannedNode[] {
  const target = nodes.find(({ roles }) => roles.includes('target'));
  const between = nodes.filter((one) => one !== client && one !== target && one.roles.includes('forwarder'));
  const isNodeOf = (place: PlannedNode | undefined) => (one: PlannedNode) =>
    place?.netns !== undefined && one.node.name === nodeOfPlace(place.node.name);
  // its own node is the first that its packets meet, also where that one is asked for
  if (target !== undefined && isNodeOf(client)(target)) return [client, target, ...between];
  const first = between.filter(isNodeOf(client));
  const last = between.filter((one) => isNodeOf(target)(one) && !first.includes(one));
  const middle = between.filter((one) => !first.includes(one) && !last.includes(one));
  return [client, ...first, ...middle, ...last, ...(target === undefined ? [] : [target])];
}

type Seen = readonly (readonly Connection[])[];

function countOf(seen: Seen, is: (connection: Connection) => boolean): number {
  return seen.filter((sightings) => sightings.some(is)).length;
}

function isAnswered({ synAcks, resets }: Connection): boolean {
  return synAcks.length > 0 || resets.some(({ from, answersSyn }) => from === 'server' && answersSyn);
}

function hasDirections({ syns }: Connection): boolean {
  return syns.some(({ sightings }) => sightings.some(({ direction }) => direction !== 'other'));
}

/** The device of the first SYN that tells one; bare where the packets were in a tunnel as well. */
function deviceOf(
  direction: 'in' | 'out',
  connections: readonly Connection[],
  { links = [] }: Facts,
): { readonly in?: NonNullable<PathHop['in']>; readonly out?: NonNullable<PathHop['out']> } {
  const sightings = connections
    .flatMap(({ syns }) => syns.flatMap((syn) => syn.sightings))
    .filter((one) => one.direction === direction && one.inTunnel === undefined);
  // the first place that a packet comes in by, the last that it goes out by: a bridge and its port see it both
  const [index] = (direction === 'in' ? sightings : sightings.toReversed()).flatMap(({ interfaceIndex }) =>
    interfaceIndex === null ? [] : [interfaceIndex],
  );
  const link = links.find((one) => one.index === index);
  return link === undefined ? {} : { [direction]: { device: link.name, mtu: link.mtu } };
}

/** Another address or port than the one that was asked about: the first of several. */
function translationOf(
  connections: readonly Connection[],
  { targetAddress, symptom }: Plan,
): Pick<PathHop, 'translatedTo'> {
  const other = connections.find(
    ({ server }) => server.port !== symptom.port || !sameAddress(server.address, targetAddress),
  );
  if (other === undefined) return {};
  const { address, port } = other.server;
  return { translatedTo: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}` };
}

/** Where connects that all have the same fate stop. Undefined where they differ, or where a place cannot be believed. */
function endOf(hops: readonly Hop[], connects: readonly Connection[]): Path['endsAt'] {
  const refused = connects.filter(({ handshake }) => handshake === 'refused' || handshake === 'icmpError').length;
  const silent = connects.filter(({ handshake }) => handshake === 'unanswered').length;
  if (refused + silent !== connects.length) return undefined;
  const seen = hops.filter(({ hop }) => hop.connects !== undefined);
  const last = seen.toReversed().find(({ hop }) => hop.connects === connects.length);
  // ICMP errors are rate limited (net.ipv4.icmp_ratelimit): some of what is refused gets no answer
  if (refused >= silent) {
    if (last === undefined || last.hop.role === 'client') return undefined;
    return { node: last.hop.node, how: isThrough(last.hop) ? 'refusedBeyond' : 'refused' };
  }
  for (const [index, { hop, complete }] of seen.entries()) {
    if (hop.role === 'forwarder' && hop.sentOn === 0 && complete && (hop.connects ?? 0) > 0)
      return hop.answers === 0 ? { node: hop.node, how: 'inside' } : undefined;
    const next = seen[index + 1];
    if (next !== undefined && next.hop.connects === 0)
      return next.complete ? { node: next.hop.node, how: 'before' } : undefined;
  }
  const end = seen.at(-1);
  if (end === undefined || end !== last || !end.complete || end.hop.role === 'client') return undefined;
  const { node, role, answers } = end.hop;
  if (answers === 0 && isThrough(end.hop)) return { node, how: 'beyond' };
  if (answers === 0) return role === 'target' ? { node, how: 'unanswered' } : undefined;
  if (answers !== connects.length) return undefined;
  const without = seen.toReversed().find((one) => one.hop.answers === 0 && one.complete);
  return without === undefined ? undefined : { node: without.hop.node, how: 'answersLost' };
}

/** All that it saw went on from here. */
function isThrough({ sentOn, connects }: PathHop): boolean {
  return sentOn !== undefined && sentOn > 0 && sentOn === connects;
}
