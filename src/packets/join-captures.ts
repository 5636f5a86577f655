import type { Capture, Connection, ParseProblem } from '../model/facts.ts';
import type {
  ConversationPacket,
  JoinedCaptures,
  JoinedClock,
  JoinedConnection,
  JoinedPacket,
} from '../model/packet-facts.ts';
import {
  alignPackets,
  type AlignOptions,
  type JoinedSegment,
  lookOf,
  type PlacedPacket,
  segmentEnd,
} from './align-packets.ts';
import { type ClockOffset, type ClockSample, estimateClockOffset, median, offsetAt } from './clock-offset.ts';
import { type ConnectionGroup, pairConnections } from './pair-connections.ts';

/** A capture with the packets of its connections, as one place saw them. */
export interface CapturePlace {
  readonly name: string;
  readonly capture: Capture;
  readonly connections: readonly Connection[];
  packetsOf(connectionNumber: number): readonly ConversationPacket[];
  /**
   * When it was capturing, on its own clock, where that is known (a run's record says it). Default: from its first to
   * its last packet, so that nothing is said of what is missing before and after.
   */
  readonly capturing?: { readonly fromMs: number; readonly untilMs: number };
}

export interface JoinLimits {
  /** Default 2000. */
  readonly maxConnections?: number;
  /** Packets of one connection at one place; default 20 000. */
  readonly maxPacketsPerConnection?: number;
  /** Packets of all connections at all places; default 500 000. */
  readonly maxPackets?: number;
}

/** Samples for the clocks per connection and pair of places. */
const maxSamplesPerConnection = 500;
/** Times are never trusted further than this: packets wait in the kernel before they are stamped. */
const jitterMs = 2;

type Side = 'client' | 'server';
const sides: readonly Side[] = ['client', 'server'];

/**
 * Lays captures of several places over each other: which connections are the same ({@link pairConnections}), how the
 * clocks differ ({@link estimateClockOffset}), in which order packets pass the places, and for every packet where it was
 * seen and what became of it.
 *
 * - Order of the places: the TTL falls on the way. Where it does not, the times decide: from a place on the client's
 *   side to one on the server's side the client's packets take longer than the server's, whatever the clocks say. Else
 *   the order in which the places were given.
 * - A packet `died` only where a later place was capturing at that moment, its kernel dropped nothing, it sees this
 *   direction and this kind of packets, and what it lacks was not acknowledged all the same. Else it is `uncertain`.
 * - A connection that only one place saw is listed where it got no answer and another place saw every answered
 *   connection to the same server, and was capturing then: its packets died before that place.
 * - A place that saw a connection on both sides of a translation counts as two one after the other; what is lost
 *   between them died after and before that same place.
 */
export function joinCaptures(places: readonly CapturePlace[], limits: JoinLimits = {}): JoinedCaptures {
  return new Joiner(places, limits).join();
}

/** One connection at one place, or one side of a translation there. */
interface Step {
  readonly place: number;
  readonly connection: Connection | null;
  /** Per side, on the sequence scale that all steps of the connection share; times on the place's own clock. */
  readonly packets: Readonly<Record<Side, readonly OwnPacket[]>>;
  /** On the place's own clock: after this its packets were not kept; infinite where all were. */
  readonly keptUntilMs: number;
}
type OwnPacket = Omit<PlacedPacket, 'atMs'>;

interface Joint {
  readonly group: ConnectionGroup;
  readonly steps: readonly Step[];
}

/** What the packets that two places saw of one connection say. */
interface Meeting {
  readonly client: readonly Seen[];
  readonly server: readonly Seen[];
}
interface Seen {
  readonly one: ConversationPacket;
  readonly other: ConversationPacket;
}

/** What is known of two places. */
interface Relation {
  /** Above 0: more connections have their client on the side of the first. */
  order: number;
  readonly agree: { ipId: number; noIpId: number; tsval: number; noTsval: number };
  readonly samples: { readonly joint: Joint; readonly meeting: Meeting }[];
}

class Joiner {
  readonly #places: readonly CapturePlace[];
  readonly #maxConnections: number;
  readonly #maxPerConnection: number;
  readonly #maxPackets: number;
  readonly #problems: ParseProblem[] = [];
  readonly #relations = new Map<number, Relation>();
  /** Whether the place saw a packet without SYN, FIN and RST: a filter may show those only. */
  readonly #seesPlain: boolean[];
  /** Per place: hosts that packets of one direction were seen of, `client server side`. */
  readonly #seesHosts: Set<string>[];
  /** Per place: packets of joined connections that the log, or the limit here, left out. */
  readonly #notKept: number[];
  #clocks: readonly (ClockOffset | null)[] = [];

  constructor(places: readonly CapturePlace[], limits: JoinLimits) {
    this.#places = places;
    this.#maxConnections = limits.maxConnections ?? 2000;
    this.#maxPerConnection = limits.maxPacketsPerConnection ?? 20_000;
    this.#maxPackets = limits.maxPackets ?? 500_000;
    this.#notKept = places.map(() => 0);
    this.#seesPlain = places.map(() => false);
    this.#seesHosts = places.map(() => new Set());
  }

  join(): JoinedCaptures {
    const groups = pairConnections(this.#places);
    this.#learnServers(groups);
    const shared = groups.filter(({ members }) => members.filter(({ length }) => length > 0).length > 1);
    const joints = this.#load(shared);
    for (const joint of joints) this.#meet(joint);
    const given = this.#globalOrder();
    this.#clocks = this.#estimateClocks(given[0] ?? 0);
    const connections = joints.map((joint) => this.#follow(joint, this.#wayOf(joint, given), given));
    connections.push(...this.#missing(groups, shared, joints.length, given));
    return {
      places: given.map((place) => this.#places[place]?.name ?? ''),
      given,
      clocks: given.map((place) => this.#clockFact(place)),
      connections,
      problems: [...this.#problems, ...this.#notKeptProblems()],
    };
  }

  // ------------------------------------------------------------------------------------------------------ packets

  #load(groups: readonly ConnectionGroup[]): readonly Joint[] {
    const joints: Joint[] = [];
    let packets = 0;
    for (const group of groups) {
      if (joints.length >= this.#maxConnections || packets >= this.#maxPackets) break;
      const joint = this.#jointOf(group);
      packets += joint.steps.reduce((sum, step) => sum + step.packets.client.length + step.packets.server.length, 0);
      joints.push(joint);
    }
    const left = groups.length - joints.length;
    if (left > 0) this.#problems.push({ message: `${left} connections that several places saw were not joined` });
    return joints;
  }

  #jointOf(group: ConnectionGroup): Joint {
    const raw = group.members.flatMap((members, place) =>
      members.map((connection) => {
        const all = this.#places[place]?.packetsOf(connection.number) ?? [];
        const kept = all.length > this.#maxPerConnection ? all.slice(0, this.#maxPerConnection) : all;
        const total = connection.packets.client + connection.packets.server;
        if (kept.length < total) this.#notKept[place] = (this.#notKept[place] ?? 0) + total - kept.length;
        const keptUntilMs = kept.length < total ? (kept.at(-1)?.atMs ?? 0) : Number.POSITIVE_INFINITY;
        return { place, connection, packets: kept, keptUntilMs };
      }),
    );
    const shiftOf = {
      client: sequenceShifts(
        raw.map(({ packets }) => packets),
        'client',
      ),
      server: sequenceShifts(
        raw.map(({ packets }) => packets),
        'server',
      ),
    };
    const steps = raw.map(({ place, connection, packets, keptUntilMs }, index): Step => {
      const split: Record<Side, OwnPacket[]> = { client: [], server: [] };
      for (const packet of packets) {
        const own = shiftOf[packet.from][index] ?? 0;
        const peer = shiftOf[packet.from === 'client' ? 'server' : 'client'][index] ?? 0;
        const ack = packet.ack === null ? null : packet.ack + peer;
        split[packet.from].push({ packet, seq: packet.seq + own, ack });
      }
      this.#look(place, connection, split);
      return { place, connection, packets: split, keptUntilMs };
    });
    return { group, steps };
  }

  /** What this place shows at all. */
  #look(place: number, { client, server }: Connection, packets: Step['packets']): void {
    for (const side of sides) {
      if (packets[side].length > 0) this.#seesHosts[place]?.add(`${client.address} ${server.address} ${side}`);
      if (this.#seesPlain[place] === true) continue;
      if (packets[side].some(({ packet }) => isPlain(packet.flags))) this.#seesPlain[place] = true;
    }
  }

  #notKeptProblems(): readonly ParseProblem[] {
    return this.#notKept.flatMap((packets, place) =>
      packets === 0
        ? []
        : [{ message: `${this.#places[place]?.name ?? ''}: ${packets} packets of joined connections were not kept` }],
    );
  }

  // -------------------------------------------------------------------------------------------- order and clocks

  #relation(one: number, other: number): Relation {
    const key = one * this.#places.length + other;
    const found = this.#relations.get(key);
    if (found !== undefined) return found;
    const fresh: Relation = { order: 0, agree: { ipId: 0, noIpId: 0, tsval: 0, noTsval: 0 }, samples: [] };
    this.#relations.set(key, fresh);
    return fresh;
  }

  /** Packets of the connection that look like no other one, at every two places. */
  #meet(joint: Joint): void {
    for (const [index, a] of joint.steps.entries()) {
      for (const b of joint.steps.slice(index + 1)) {
        if (a.place === b.place) continue;
        const relation = this.#relation(a.place, b.place);
        const meeting = { client: meet(a, b, 'client', relation), server: meet(a, b, 'server', relation) };
        if (meeting.client.length + meeting.server.length === 0) continue;
        relation.samples.push({ joint, meeting });
        relation.order += Math.sign(orderOf(meeting));
      }
    }
  }

  /** Above 0: the first is on the client's side of this connection; 0: nothing tells. */
  #orderIn(joint: Joint, one: number, other: number): number {
    if (one > other) return -this.#orderIn(joint, other, one);
    const found = this.#relation(one, other).samples.find((sample) => sample.joint === joint);
    return found === undefined ? 0 : orderOf(found.meeting);
  }

  #generalOrder(one: number, other: number): number {
    return one > other ? -this.#relation(other, one).order : this.#relation(one, other).order;
  }

  #globalOrder(): readonly number[] {
    return sortPlaces(
      this.#places.map((_, place) => place),
      (one, other) => this.#generalOrder(one, other),
    );
  }

  /** Places from this connection's client to its server, those included that did not see it. */
  #wayOf(joint: Joint, given: readonly number[]): readonly number[] {
    return sortPlaces(given, (one, other) => {
      const own = this.#orderIn(joint, one, other);
      return own !== 0 ? own : this.#generalOrder(one, other);
    });
  }

  /** Offset of each place against the first: of all ways over other places the one with the least uncertainty. */
  #estimateClocks(first: number): readonly (ClockOffset | null)[] {
    const best: (ClockOffset | null)[] = this.#places.map(() => null);
    best[first] = { offsetMs: 0, atMs: 0, driftPpm: 0, uncertaintyMs: 0, samples: 0 };
    for (let round = 1; round < this.#places.length; round++) {
      for (const [key, relation] of this.#relations) {
        const one = Math.floor(key / this.#places.length);
        const other = key % this.#places.length;
        const clock = this.#clockBetween(one, other, relation);
        if (clock === null) continue;
        improve(best, one, other, clock);
        improve(best, other, one, reversed(clock));
      }
    }
    return best;
  }

  readonly #between = new Map<Relation, ClockOffset | null>();

  #clockBetween(one: number, other: number, relation: Relation): ClockOffset | null {
    const known = this.#between.get(relation);
    if (known !== undefined) return known;
    const samples: ClockSample[] = [];
    let roundTripMs: number | null = null;
    for (const { joint, meeting } of relation.samples) {
      const own = orderOf(meeting);
      const general = relation.order === 0 ? 1 : relation.order;
      const isFirst = (own === 0 ? general : own) > 0;
      for (const side of sides) {
        for (const { one: a, other: b } of meeting[side]) {
          samples.push({ atMs: a.atMs, differenceMs: b.atMs - a.atMs, away: (side === 'client') === isFirst });
        }
      }
      const near = joint.steps.find(({ place }) => place === (isFirst ? one : other))?.connection?.serverRttMs ?? null;
      if (near !== null) roundTripMs = Math.min(near, roundTripMs ?? near);
    }
    const clock = estimateClockOffset(samples, roundTripMs);
    this.#between.set(relation, clock);
    return clock;
  }

  #clockFact(place: number): JoinedClock {
    const clock = this.#clocks[place] ?? null;
    if (clock === null) return { offsetMs: 0, uncertaintyMs: 0, driftPpm: 0, samples: 0 };
    const { offsetMs, uncertaintyMs, driftPpm, samples } = clock;
    return { offsetMs, uncertaintyMs, driftPpm, samples };
  }

  /** A moment of the place's clock on the first place's. */
  #onFirst(place: number, atMs: number): number {
    const clock = this.#clocks[place] ?? null;
    if (clock === null) return atMs;
    // The offset is said for times of the first place; what it drifts between the two readings is nothing.
    return atMs - offsetAt(clock, atMs - clock.offsetMs);
  }

  #onOwn(place: number, atMs: number): number {
    const clock = this.#clocks[place] ?? null;
    return clock === null ? atMs : atMs + offsetAt(clock, atMs);
  }

  #tolerance(one: number, other: number): number {
    const a = this.#clocks[one] ?? null;
    const b = this.#clocks[other] ?? null;
    if (one === other) return jitterMs;
    return a === null || b === null ? Number.POSITIVE_INFINITY : a.uncertaintyMs + b.uncertaintyMs + jitterMs;
  }

  // ------------------------------------------------------------------------------------------------------- fates

  #follow(joint: Joint, way: readonly number[], given: readonly number[]): JoinedConnection {
    const expected = this.#expectedPlaces(joint.group);
    const steps = way.flatMap((place): readonly Step[] => {
      const own = joint.steps.filter((step) => step.place === place);
      if (own.length > 0) return own;
      return expected.has(place)
        ? [{ place, connection: null, packets: { client: [], server: [] }, keptUntilMs: Number.POSITIVE_INFINITY }]
        : [];
    });
    const followed = {
      client: this.#align(steps, 'client'),
      server: this.#align([...steps].reverse(), 'server'),
    };
    const ackedBy = { client: highestAck(followed.server), server: highestAck(followed.client) };
    const died = new Map<string, JoinedConnection['died'][number]>();
    const packets: JoinedPacket[] = [];
    const indexOf = (place: number): number => given.indexOf(place);
    for (const side of sides) {
      const order = side === 'client' ? steps : [...steps].reverse();
      const bytes = order.map((_, step) => seenBytes(followed[side], step));
      for (const segment of followed[side]) {
        const isReliable = (step: number): boolean => this.#isReliable(order, step, side, segment);
        const isKnownMissed = (step: number): boolean =>
          segmentEnd(segment) > segment.seq &&
          segmentEnd(segment) <= ackedBy[side] &&
          !covers(bytes[step] ?? [], segment.seq, segmentEnd(segment));
        const { fate, after, before } = fateOf(segment, isReliable, isKnownMissed);
        if (fate === 'died') {
          const place = { after: indexOf(order[after]?.place ?? 0), before: indexOf(order[before]?.place ?? 0) };
          count(died, side, place, segment.length ?? 0);
        }
        packets.push(joinedPacket(segment, side, fate, order, given));
      }
    }
    packets.sort((a, b) => firstSeen(a) - firstSeen(b));
    const memberOf = (place: number): Connection | null => joint.group.members[place]?.[0] ?? null;
    return {
      numbers: given.map((place) => memberOf(place)?.number ?? null),
      way: way.map(indexOf),
      by: joint.group.by,
      matchedBy: joint.group.matchedBy,
      tuples: given.map((place) => {
        const connection = memberOf(place);
        return connection === null ? null : { client: connection.client, server: connection.server };
      }),
      packets,
      died: [...died.values()],
    };
  }

  #align(order: readonly Step[], side: Side): readonly JoinedSegment[] {
    const placeOf = (step: number): number => order[step]?.place ?? 0;
    const options: AlignOptions = {
      steps: order.length,
      toleranceMs: (one, other) => this.#tolerance(placeOf(one), placeOf(other)),
      keepsIpId: (one, other) => this.#keeps(placeOf(one), placeOf(other), 'ipId'),
      keepsTsval: (one, other) => this.#keeps(placeOf(one), placeOf(other), 'tsval'),
    };
    const lists = order.map(({ place, packets }) =>
      packets[side].map((own): PlacedPacket => ({ ...own, atMs: this.#onFirst(place, own.packet.atMs) })),
    );
    return alignPackets(lists, options);
  }

  /** Whether it is the same at both places in most packets that are surely the same. */
  #keeps(one: number, other: number, what: 'ipId' | 'tsval'): boolean {
    if (one === other) return true;
    const { agree } = one < other ? this.#relation(one, other) : this.#relation(other, one);
    return what === 'ipId' ? agree.ipId >= agree.noIpId : agree.tsval >= agree.noTsval;
  }

  /** Whether the place would have seen the packet, had it passed there. */
  #isReliable(order: readonly Step[], step: number, side: Side, segment: JoinedSegment): boolean {
    const at = order[step];
    const place = at === undefined ? undefined : this.#places[at.place];
    if (at === undefined || place === undefined) return false;
    const { capture, capturing } = place;
    if ((capture.droppedByKernel ?? 0) > 0) return false;
    if (this.#seesPlain[at.place] !== true && isPlain(segment.flags)) return false;
    if (at.connection !== null && at.packets[side].length === 0) {
      const { client, server } = at.connection;
      if (this.#seesHosts[at.place]?.has(`${client.address} ${server.address} ${side}`) !== true) return false;
    }
    const atMs = this.#onOwn(at.place, segment.origin.atMs);
    const unsureMs = this.#tolerance(order[segment.originStep]?.place ?? 0, at.place);
    if (!Number.isFinite(unsureMs)) return false;
    const fromMs = capturing?.fromMs ?? capture.firstAtMs ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.min(at.keptUntilMs, capturing?.untilMs ?? capture.lastAtMs ?? Number.NEGATIVE_INFINITY);
    return atMs - unsureMs >= fromMs && atMs + unsureMs <= untilMs;
  }

  // ------------------------------------------------------------------------------- connections that a place lacks

  /** Per place and server there: at which other places its connections were seen, and whether any answered one was not. */
  #servers: Map<string, { readonly with: Set<number>; readonly without: Set<number> }> | null = null;

  #learnServers(groups: readonly ConnectionGroup[]): void {
    const servers = new Map<string, { readonly with: Set<number>; readonly without: Set<number> }>();
    for (const { members } of groups) {
      const isAnswered = members.some((each) => each.some(({ packets }) => packets.server > 0));
      for (const [place, each] of members.entries()) {
        for (const { server } of each) {
          const key = `${place} ${server.address} ${server.port}`;
          const known = servers.get(key) ?? { with: new Set(), without: new Set() };
          servers.set(key, known);
          for (const [other, there] of members.entries()) {
            if (there.length > 0) known.with.add(other);
            else if (isAnswered) known.without.add(other);
          }
        }
      }
    }
    this.#servers = servers;
  }

  /** Places that lack an unanswered connection although they saw every answered one to the same server. */
  #expectedPlaces({ members }: ConnectionGroup): ReadonlySet<number> {
    const expected = new Set<number>();
    if (members.some((each) => each.some(({ packets }) => packets.server > 0))) return expected;
    for (const [place, each] of members.entries()) {
      for (const { server } of each) {
        const known = this.#servers?.get(`${place} ${server.address} ${server.port}`);
        for (const other of known?.with ?? []) {
          if (members[other]?.length === 0 && known?.without.has(other) !== true) expected.add(other);
        }
      }
    }
    return expected;
  }

  #missing(
    groups: readonly ConnectionGroup[],
    shared: readonly ConnectionGroup[],
    joined: number,
    given: readonly number[],
  ): readonly JoinedConnection[] {
    const isShared = new Set(shared);
    const found: JoinedConnection[] = [];
    for (const group of groups) {
      if (isShared.has(group) || joined + found.length >= this.#maxConnections) continue;
      if (this.#expectedPlaces(group).size === 0) continue;
      const joint = this.#jointOf(group);
      const connection = this.#follow(joint, this.#wayOf(joint, given), given);
      if (connection.died.length > 0) found.push(connection);
    }
    return found;
  }
}

function isPlain(flags: string): boolean {
  return !/SYN|FIN|RST/.test(flags);
}

function firstSeen({ seen }: JoinedPacket): number {
  return seen.reduce((first, sight) => Math.min(first, sight?.atMs ?? first), Number.POSITIVE_INFINITY);
}

/**
 * What to add to each list's numbers so that all mean the same bytes. Lists with a SYN begin at their ISN, whatever its
 * number (a firewall may have changed it); lists without one are laid on the others by the numbers on the wire.
 */
function sequenceShifts(lists: readonly (readonly ConversationPacket[])[], side: Side): readonly number[] {
  const spaces = lists.map((packets) => {
    const own = packets.find(({ from, flags }) => from === side && !flags.includes('RST'));
    const peer = packets.find(({ from, ack, flags }) => from !== side && ack !== null && !flags.includes('RST'));
    const hasSyn = packets.some(({ from, flags }) => from === side && flags.includes('SYN'));
    if (own !== undefined) return { hasSyn, isn: own.seqRaw - own.seq, known: true };
    if (peer?.ackRaw !== undefined && peer.ackRaw !== null && peer.ack !== null)
      return { hasSyn, isn: peer.ackRaw - peer.ack, known: true };
    return { hasSyn, isn: 0, known: false };
  });
  const known = spaces.findIndex((space) => space.known);
  const withSyn = spaces.findIndex(({ hasSyn }) => hasSyn);
  const reference = withSyn >= 0 ? withSyn : known;
  const base = spaces[reference];
  if (base === undefined) return lists.map(() => 0);
  return spaces.map((space, index) => {
    if (!space.known || index === reference || (space.hasSyn && base.hasSyn)) return 0;
    const rewritten = rewrittenBy(lists[reference] ?? [], lists[index] ?? [], side);
    if (rewritten !== null) return rewritten;
    // What began before the other place looked is behind it, up to 4 GiB; else either may be ahead.
    const shift = (space.isn - base.isn) >>> 0;
    return base.hasSyn ? shift : shift | 0;
  });
}

/** Difference of two scales where the wire's numbers differ, from packets with the same stamps; null: they do not. */
function rewrittenBy(
  one: readonly ConversationPacket[],
  other: readonly ConversationPacket[],
  side: Side,
): number | null {
  const numbers = new Set<string>();
  const stamps = new Map<string, number | null>();
  for (const { from, seqRaw, length, tsval, tsecr, ipId, seq } of one) {
    if (from !== side) continue;
    numbers.add(`${seqRaw} ${length}`);
    if (tsval === null || ipId === 0) continue;
    const key = `${tsval} ${tsecr} ${ipId} ${length}`;
    stamps.set(key, stamps.has(key) ? null : seq);
  }
  const shifts: number[] = [];
  for (const { from, seqRaw, length, tsval, tsecr, ipId, seq } of other) {
    if (from !== side) continue;
    if (numbers.has(`${seqRaw} ${length}`)) return null;
    const same = stamps.get(`${tsval} ${tsecr} ${ipId} ${length}`) ?? null;
    if (same !== null) shifts.push(same - seq);
  }
  return shifts.length < 2 ? null : median(shifts);
}

/** Packets of one side that are surely the same at both places. */
function meet(a: Step, b: Step, side: Side, relation: Relation): readonly Seen[] {
  const looks = uniqueBy(a.packets[side], (own) => lookOf({ ...own, atMs: 0 }));
  const same: Seen[] = [];
  for (const [look, there] of uniqueBy(b.packets[side], (own) => lookOf({ ...own, atMs: 0 }))) {
    const here = looks.get(look) ?? null;
    if (here === null || there === null) continue;
    same.push({ one: here.packet, other: there.packet });
    const { agree } = relation;
    if (here.packet.ipId !== 0 && there.packet.ipId !== 0) {
      if (here.packet.ipId === there.packet.ipId) agree.ipId++;
      else agree.noIpId++;
    }
    if (here.packet.tsval !== null && there.packet.tsval !== null) {
      if (here.packet.tsval === there.packet.tsval) agree.tsval++;
      else agree.noTsval++;
    }
  }
  // Retransmissions look alike, and have an IP id or a TSval of their own.
  const named = (own: OwnPacket): string | null =>
    own.packet.ipId === 0 && own.packet.tsval === null
      ? null
      : `${lookOf({ ...own, atMs: 0 })} ${own.packet.ipId} ${own.packet.tsval}`;
  const names = uniqueBy(a.packets[side], named);
  const sure: Seen[] = [];
  for (const [name, there] of uniqueBy(b.packets[side], named)) {
    const here = names.get(name) ?? null;
    if (here !== null && there !== null) sure.push({ one: here.packet, other: there.packet });
  }
  const found = sure.length > 0 ? sure : same;
  if (found.length <= maxSamplesPerConnection) return found;
  const stride = found.length / maxSamplesPerConnection;
  return Array.from({ length: maxSamplesPerConnection }, (_, index) => found[Math.floor(index * stride)]).filter(
    (seen) => seen !== undefined,
  );
}

function uniqueBy(
  packets: readonly OwnPacket[],
  keyOf: (own: OwnPacket) => string | null,
): ReadonlyMap<string, OwnPacket | null> {
  const found = new Map<string, OwnPacket | null>();
  for (const own of packets) {
    const key = keyOf(own);
    if (key !== null) found.set(key, found.has(key) ? null : own);
  }
  return found;
}

/** Above 0: the first place is on the client's side; 0: neither TTL nor times tell. */
function orderOf({ client, server }: Meeting): number {
  const falls = (seen: readonly Seen[]): number => median(seen.map(({ one, other }) => one.ttl - other.ttl));
  const byTtl = Math.sign(falls(client)) - Math.sign(falls(server));
  if (byTtl !== 0) return byTtl;
  if (client.length === 0 || server.length === 0) return 0;
  const differences = (seen: readonly Seen[]): readonly number[] => seen.map(({ one, other }) => other.atMs - one.atMs);
  const there = differences(client);
  const back = differences(server);
  const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));
  const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));
  if (least(there) > most(back)) return 1;
  return most(there) < least(back) ? -1 : 0;
}

/** By how many others a place precedes; equals stay in the order they were in. */
function sortPlaces(places: readonly number[], order: (one: number, other: number) => number): readonly number[] {
  const wins = new Map(
    places.map((place, index) => [
      place,
      places.reduce((sum, other, otherIndex) => {
        if (other === place) return sum;
        const sign = Math.sign(order(place, other));
        return sum + (sign === 0 ? Math.sign(otherIndex - index) : sign);
      }, 0),
    ]),
  );
  return [...places].sort((a, b) => (wins.get(b) ?? 0) - (wins.get(a) ?? 0));
}

function reversed({ offsetMs, atMs, driftPpm, uncertaintyMs, samples }: ClockOffset): ClockOffset {
  return { offsetMs: -offsetMs, atMs: atMs + offsetMs, driftPpm: -driftPpm, uncertaintyMs, samples };
}

/** Takes the way over `via` to `to` where it is surer than what is known. */
function improve(best: (ClockOffset | null)[], via: number, to: number, step: ClockOffset): void {
  const base = best[via] ?? null;
  if (base === null) return;
  const uncertaintyMs = base.uncertaintyMs + step.uncertaintyMs;
  const known = best[to] ?? null;
  if (known !== null && known.uncertaintyMs <= uncertaintyMs) return;
  // `step.atMs` is a time of `via`; here it is said on the clock of the first place.
  const atMs = step.atMs - base.offsetMs;
  best[to] = {
    offsetMs: offsetAt(base, atMs) + step.offsetMs,
    atMs,
    driftPpm: base.driftPpm + step.driftPpm,
    uncertaintyMs,
    samples: base.samples === 0 ? step.samples : Math.min(base.samples, step.samples),
  };
}

function highestAck(segments: readonly JoinedSegment[]): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const { origin, flags } of segments) {
    // A RST acknowledges where it answers a SYN; others carry what they like.
    if (origin.ack !== null && (!flags.includes('RST') || origin.ack === 1)) highest = Math.max(highest, origin.ack);
  }
  return highest;
}

type Ranges = readonly (readonly [number, number])[];

/** Bytes that a step saw, in order, without overlaps. */
function seenBytes(segments: readonly JoinedSegment[], step: number): Ranges {
  const ranges = segments
    .filter((segment) => (segment.seen[step] ?? null) !== null && segmentEnd(segment) > segment.seq)
    .map((segment) => [segment.seq, segmentEnd(segment)] as const)
    .sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [from, to] of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

function covers(ranges: Ranges, from: number, to: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.[1] ?? 0) <= from) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range[0] <= from && range[1] >= to;
}

/** `after` and `before` are steps of the way, for packets that died. */
function fateOf(
  segment: JoinedSegment,
  isReliable: (step: number) => boolean,
  isKnownMissed: (step: number) => boolean,
): { readonly fate: JoinedPacket['fate']; readonly after: number; readonly before: number } {
  const { seen } = segment;
  const first = seen.findIndex((sight) => sight !== null);
  const last = seen.findLastIndex((sight) => sight !== null);
  for (let step = last + 1; step < seen.length; step++) {
    if (isReliable(step) && !isKnownMissed(step)) return { fate: 'died', after: last, before: step };
  }
  for (let step = 0; step < first; step++) {
    if (isReliable(step)) return { fate: 'appeared', after: last, before: last };
  }
  return { fate: last < seen.length - 1 ? 'uncertain' : 'arrived', after: last, before: last };
}

function count(
  died: Map<string, JoinedConnection['died'][number]>,
  from: Side,
  { after, before }: { readonly after: number; readonly before: number },
  length: number,
): void {
  const key = `${from} ${after} ${before}`;
  const known = died.get(key);
  died.set(key, {
    from,
    after,
    before,
    packets: (known?.packets ?? 0) + 1,
    smallest: Math.min(length, known?.smallest ?? length),
    largest: Math.max(length, known?.largest ?? length),
  });
}

function joinedPacket(
  segment: JoinedSegment,
  from: Side,
  fate: JoinedPacket['fate'],
  order: readonly Step[],
  given: readonly number[],
): JoinedPacket {
  return {
    from,
    flags: segment.flags,
    seq: segment.seq,
    ack: segment.origin.ack,
    length: segment.length ?? 0,
    analysis: segment.origin.packet.analysis,
    seen: given.map((place) => {
      for (const [step, { place: at }] of order.entries()) {
        const sight = at === place ? (segment.seen[step] ?? null) : null;
        if (sight !== null) return { atMs: sight.atMs, frame: sight.packet.frame };
      }
      return null;
    }),
    fate,
  };
}
