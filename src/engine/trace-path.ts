import type { Capture, Connection, Facts } from '../model/facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import type { Path, PathHop } from '../model/report.ts';
import { endpointText } from '../rules/endpoint-text.ts';
import { synsIn, wasSentOn } from '../rules/handshakes.ts';
import { sameAddress } from '../rules/ip-address.ts';
import { isEndpoint } from '../rules/ipvs-service.ts';
import { findIn } from '../rules/join-captures.ts';
import { countersThatMoved } from './hop-counters.ts';
import { deviceOf, forwardingOf, routeOf, usedDevices } from './hop-devices.ts';
import { firewallOf } from './hop-firewall.ts';
import { endpointOf, type Leaving, leavingOf, translationsAt } from './hop-translations.ts';
import type { NodeKnowledge } from './parse.ts';
import { isAnswered, type Seen, type SeenAt } from './seen-at.ts';
import { targetOf } from './target-of.ts';

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
  const seenAt = hopsOf(client, plan).map((planned): SeenAt => {
    const { name } = planned.node;
    const facts = factsOf(name);
    const aheadMs = (clockOffsetsMs[name] ?? 0) - (clockOffsetsMs[client.node.name] ?? 0);
    const { capture } = facts;
    const seen = connects.map((one) =>
      name === client.node.name
        ? [one]
        : capture === undefined
          ? []
          : findIn(capture, one, aheadMs).map(({ connection }) => connection),
    );
    const role = planned === client ? 'client' : planned.roles.includes('target') ? 'target' : 'forwarder';
    return { planned, facts, role, seen, whyMissing: (fact) => knowledge.get(name)?.whyMissing(fact) ?? '' };
  });
  let before: Leaving = {
    servers: [{ address: plan.targetAddress, port: plan.symptom.port }],
    clients: connects.slice(0, 1).map(({ client: { address } }) => address),
  };
  const hops = seenAt.map((here, index): Hop => {
    const { planned, facts, role, seen } = here;
    const { capture } = facts;
    const all = seen.flat();
    const arriving = before;
    const translations =
      role === 'client' || all.length === 0 ? [] : translationsAt(facts, all, arriving, plan.symptom.protocol);
    before = leavingOf(all, arriving);
    const devices = { ...deviceOf('in', all, facts), ...deviceOf('out', all, facts) };
    const route = role === 'client' ? undefined : routeOf(here, before);
    const isOnTheWay = role === 'forwarder' || translations.some(({ what }) => what === 'destination');
    const forwards = isOnTheWay ? forwardingOf(facts, plan.targetAddress) : undefined;
    const counters = countersThatMoved(facts, usedDevices(devices, facts));
    const hop: PathHop = {
      node: planned.node.name,
      role,
      ...devices,
      ...(forwards === undefined ? {} : { forwards }),
      ...(route === undefined ? {} : { route }),
      firewall: firewallOf(here, seenAt[index - 1], arriving, translations, devices.in?.device ?? null, plan),
      ...translationOf(all, plan),
      ...(translations.length === 0 ? {} : { translations: [...translations] }),
      ...(counters.length === 0 ? {} : { counters: [...counters] }),
      ...(capture === undefined
        ? {}
        : {
            syns: synsIn(all.filter(({ server }) => arriving.servers.some((one) => isEndpoint(one, server)))),
            connects: countOf(seen, ({ syns }) => syns.length > 0),
            ...(all.some(hasDirections) ? { sentOn: countOf(seen, wasSentOn) } : {}),
            answers: countOf(seen, isAnswered),
          }),
    };
    const isOwn = (text: string): boolean =>
      facts.addresses?.some(({ address }) => sameAddress(address, endpointOf(text)?.address ?? '')) ?? true;
    const isService = translations.some(({ what, to }) => what === 'destination' && to.length > 0 && !to.some(isOwn));
    const hasToSendOn = role === 'forwarder' || isService;
    return { hop, hasToSendOn, complete: capture !== undefined && capture.listening && capture.droppedByKernel === 0 };
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
  /** The connects are not for itself: it stands in between, or has the address of a Service with servers elsewhere. */
  readonly hasToSendOn: boolean;
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
  // of a Service the first pod that serves is where the way ends
  const target = targetOf(nodes) ?? nodes.find(({ roles }) => roles.includes('target'));
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

function countOf(seen: Seen, is: (connection: Connection) => boolean): number {
  return seen.filter((sightings) => sightings.some(is)).length;
}

function hasDirections({ syns }: Connection): boolean {
  return syns.some(({ sightings }) => sightings.some(({ direction }) => direction !== 'other'));
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
  return { translatedTo: endpointText(other.server) };
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
  for (const [index, { hop, complete, hasToSendOn }] of seen.entries()) {
    if (hasToSendOn && hop.sentOn === 0 && complete && (hop.connects ?? 0) > 0)
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
