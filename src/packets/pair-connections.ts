import type { Connection } from '../model/facts.ts';
import type { ConversationPacket } from '../model/packet-facts.ts';

/** What a place knows of its connections. */
export interface PlaceConnections {
  readonly connections: readonly Connection[];
  packetsOf(connectionNumber: number): readonly ConversationPacket[];
}

/** One connection at all places that saw it. */
export interface ConnectionGroup {
  /** Per place: empty where it was not seen; two where it was seen on both sides of a translation, the client's first. */
  readonly members: readonly (readonly Connection[])[];
  readonly by: 'addresses' | 'nat';
  /** What agreed across a translation; empty for `addresses`. */
  readonly matchedBy: readonly string[];
}

/** Both sides of a translation, seen at one place, lie closer together than this. */
const translationMs = 20;
/** More connections with one sequence number than this (scanners, load generators) are told apart by addresses only. */
const maxAlike = 32;
/** Packets of a connection, those with the smallest hashes, that it is recognised by without a SYN. */
const sketchSize = 64;
/** Connections without a SYN that are compared packet by packet. */
const maxSketched = 20_000;

interface Node {
  readonly index: number;
  readonly place: number;
  readonly connection: Connection;
  readonly tuple: string;
  readonly tsvals: readonly number[];
  readonly ipIds: readonly number[];
  readonly serverIsns: readonly number[];
}

/**
 * Finds connections of several captures that are the same one: by 4-tuple and initial sequence number, or across a
 * translation (DNAT, SNAT, masquerade, IPVS) by what it leaves alone.
 *
 * - The client's initial sequence number has 32 bits and is enough, unless a place has several connections with it: then
 *   the 4-tuple, the server's number, TSval or IP id of the SYN has to agree, too. TSvals or server's numbers that both
 *   places know and that differ say that it is another connection.
 * - A firewall that gives connections new sequence numbers leaves the 4-tuple (then TSval or IP id of the SYN agree), or
 *   TSval and IP id together.
 * - Without a SYN: packets with the same sequence and acknowledgement number and length, or, where numbers are
 *   rewritten, with the same TSval, TSecr and IP id.
 *
 * A proxy that ends a TCP connection and opens another has none of these in common with the first; payload and moment
 * alone join nothing.
 *
 * @returns in the order of the first place's connections, then the second's …; those that one place alone saw included
 */
export function pairConnections(places: readonly PlaceConnections[]): readonly ConnectionGroup[] {
  const nodes: Node[] = [];
  for (const [place, { connections }] of places.entries()) {
    for (const connection of connections) nodes.push(nodeOf(nodes.length, place, connection));
  }
  const clusters = new Clusters(nodes);
  pairByIsn(nodes, clusters);
  pairByTuple(nodes, clusters);
  pairByStamp(nodes, clusters);
  pairByPackets(places, nodes, clusters);
  return clusters.groups(places.length);
}

function nodeOf(index: number, place: number, connection: Connection): Node {
  const { client, server, syns, synAcks } = connection;
  return {
    index,
    place,
    connection,
    tuple: `${client.address} ${client.port} ${server.address} ${server.port}`,
    tsvals: syns.flatMap(({ tsval }) => (tsval === null || tsval === 0 ? [] : [tsval])),
    ipIds: syns.flatMap(({ ipId }) => (ipId === 0 ? [] : [ipId])),
    serverIsns: synAcks.map(({ sequence }) => sequence),
  };
}

const shares = (a: readonly number[], b: readonly number[]): boolean => a.some((value) => b.includes(value));
/** Both know, and nothing agrees. */
const differs = (a: readonly number[], b: readonly number[]): boolean => a.length > 0 && b.length > 0 && !shares(a, b);

/** What a middlebox rarely changes of the options; MSS is often lowered. */
function sameOptions({ connection: a }: Node, { connection: b }: Node): boolean {
  const one = a.options.client;
  const other = b.options.client;
  return (
    one?.windowScale === other?.windowScale &&
    one?.sackPermitted === other?.sackPermitted &&
    one?.timestamps === other?.timestamps
  );
}

interface Pair {
  readonly a: Node;
  readonly b: Node;
  readonly score: number;
  readonly matchedBy: readonly string[];
}

/** Joins the best pairs first. Of pairs that are as good as each other, and exclude each other, none. */
function join(pairs: Pair[], clusters: Clusters): void {
  pairs.sort((x, y) => y.score - x.score);
  for (let at = 0; at < pairs.length; ) {
    let end = at;
    while (pairs[end]?.score === pairs[at]?.score && end < pairs.length) end++;
    const equals = pairs.slice(at, end).filter(({ a, b }) => clusters.mayJoin(a, b));
    for (const pair of equals) if (!isAmbiguous(pair, equals)) clusters.join(pair);
    at = end;
  }
}

function isAmbiguous(pair: Pair, equals: readonly Pair[]): boolean {
  const { a, b } = pair;
  if (a.tuple === b.tuple && a.connection.syns.length > 0 && b.connection.syns.length > 0) return false;
  return equals.some(({ a: x, b: y }) => {
    const other = x === a ? y : y === a ? x : null;
    const otherOfB = x === b ? y : y === b ? x : null;
    return (
      (other !== null && other !== b && other.place === b.place && !areTwins(other, b)) ||
      (otherOfB !== null && otherOfB !== a && otherOfB.place === a.place && !areTwins(otherOfB, a))
    );
  });
}

/** Both sides of a translation at one place. */
function areTwins(a: Node, b: Node): boolean {
  return (
    a.place === b.place &&
    a.tuple !== b.tuple &&
    Math.abs(a.connection.firstAtMs - b.connection.firstAtMs) <= translationMs
  );
}

function bucketsOf(
  nodes: readonly Node[],
  keysOf: (node: Node) => Iterable<string | number>,
): Iterable<readonly Node[]> {
  const buckets = new Map<string | number, Node[]>();
  for (const node of nodes) {
    for (const key of new Set(keysOf(node))) {
      const bucket = buckets.get(key);
      if (bucket === undefined) buckets.set(key, [node]);
      else bucket.push(node);
    }
  }
  return [...buckets.values()].filter((bucket) => bucket.length > 1);
}

function pairByIsn(nodes: readonly Node[], clusters: Clusters): void {
  for (const bucket of bucketsOf(nodes, ({ connection }) => connection.syns.slice(0, 1).map((syn) => syn.sequence))) {
    const places = bucket.map(({ place }) => place);
    const isShared = new Set(places).size < places.length;
    const byTupleOnly = bucket.length > maxAlike;
    const pairs: Pair[] = [];
    const groups = byTupleOnly ? bucketsOf(bucket, ({ tuple }) => [tuple]) : [bucket];
    for (const group of groups) {
      for (const [index, a] of group.entries()) {
        for (const b of group.slice(index + 1, index + 1 + maxAlike)) {
          const pair = pairOfIsn(a, b, isShared);
          if (pair !== null) pairs.push(pair);
        }
      }
    }
    join(pairs, clusters);
  }
}

function pairOfIsn(a: Node, b: Node, isShared: boolean): Pair | null {
  const sameTuple = a.tuple === b.tuple;
  if (a.place === b.place && !areTwins(a, b)) return null;
  if (!sameTuple && (differs(a.tsvals, b.tsvals) || differs(a.serverIsns, b.serverIsns))) return null;
  const tsval = shares(a.tsvals, b.tsvals);
  const ipId = shares(a.ipIds, b.ipIds);
  const serverIsn = shares(a.serverIsns, b.serverIsns);
  if (isShared && !sameTuple && !tsval && !ipId && !serverIsn) return null;
  return {
    a,
    b,
    score: (sameTuple ? 16 : 0) + (tsval ? 4 : 0) + (serverIsn ? 4 : 0) + (ipId ? 2 : 0) + (sameOptions(a, b) ? 1 : 0),
    matchedBy: ['isn', ...(tsval ? ['tsval'] : []), ...(ipId ? ['ipId'] : [])],
  };
}

/** A firewall on the way that gives connections new sequence numbers and leaves addresses alone. */
function pairByTuple(nodes: readonly Node[], clusters: Clusters): void {
  const withSyn = nodes.filter(({ connection }) => connection.syns.length > 0);
  for (const bucket of bucketsOf(withSyn, ({ tuple }) => [tuple])) {
    const pairs: Pair[] = [];
    for (const [index, a] of bucket.entries()) {
      for (const b of bucket.slice(index + 1, index + 1 + maxAlike)) {
        if (a.place === b.place || clusters.areJoined(a, b)) continue;
        const tsval = shares(a.tsvals, b.tsvals);
        const ipId = shares(a.ipIds, b.ipIds);
        if (!tsval && (!ipId || differs(a.tsvals, b.tsvals) || !sameOptions(a, b))) continue;
        pairs.push({ a, b, score: (tsval ? 4 : 0) + (ipId ? 2 : 0), matchedBy: [] });
      }
    }
    join(pairs, clusters);
  }
}

/** Addresses and sequence numbers are new: TSval and IP id of a SYN are left. */
function pairByStamp(nodes: readonly Node[], clusters: Clusters): void {
  const keysOf = ({ connection }: Node): readonly string[] =>
    connection.syns.flatMap(({ tsval, ipId }) =>
      tsval === null || tsval === 0 || ipId === 0 ? [] : [`${tsval} ${ipId}`],
    );
  for (const bucket of bucketsOf(nodes, keysOf)) {
    if (bucket.length > maxAlike) continue;
    const pairs: Pair[] = [];
    for (const [index, a] of bucket.entries()) {
      for (const b of bucket.slice(index + 1)) {
        if (a.place === b.place || a.tuple === b.tuple || clusters.areJoined(a, b) || !sameOptions(a, b)) continue;
        pairs.push({ a, b, score: 1, matchedBy: ['tsval', 'ipId'] });
      }
    }
    join(pairs, clusters);
  }
}

/** Connections of which at least one place did not see the beginning. */
function pairByPackets(places: readonly PlaceConnections[], nodes: readonly Node[], clusters: Clusters): void {
  const open = nodes.filter(({ connection }) => connection.syns.length === 0);
  if (open.length === 0) return;
  const others = nodes.filter(
    (node) => node.connection.syns.length > 0 && clusters.placesOf(node).length < places.length,
  );
  const sketched = [...open, ...others].slice(0, maxSketched);
  const common = new Map<
    string,
    { readonly a: Node; readonly b: Node; numbers: number; stamps: number; data: number }
  >();
  const keys = new Map<string, Node[]>();
  for (const node of sketched) {
    for (const key of sketchOf(places[node.place]?.packetsOf(node.connection.number) ?? [])) {
      const bucket = keys.get(key);
      if (bucket === undefined) keys.set(key, [node]);
      else if (bucket.length < maxAlike) bucket.push(node);
    }
  }
  for (const [key, bucket] of keys) {
    for (const [index, a] of bucket.entries()) {
      for (const b of bucket.slice(index + 1)) {
        if (a.place === b.place || (a.connection.syns.length > 0 && b.connection.syns.length > 0)) continue;
        const id = `${a.index} ${b.index}`;
        const found = common.get(id) ?? { a, b, numbers: 0, stamps: 0, data: 0 };
        if (key.startsWith('t')) found.stamps++;
        else if (key.startsWith('w')) {
          if (a.tuple !== b.tuple) continue;
          found.stamps++;
        } else {
          found.numbers++;
          if (!key.endsWith(' 0')) found.data++;
        }
        common.set(id, found);
      }
    }
  }
  const pairs: Pair[] = [];
  for (const { a, b, numbers, stamps, data } of common.values()) {
    const enough = a.tuple === b.tuple ? numbers + stamps > 0 : data > 0 || numbers > 1 || stamps > 2;
    if (!enough || clusters.areJoined(a, b)) continue;
    pairs.push({
      a,
      b,
      score: numbers * 2 + stamps + (a.tuple === b.tuple ? 1000 : 0),
      matchedBy: numbers > 0 ? ['seq', 'length', ...(stamps > 0 ? ['tsval', 'ipId'] : [])] : ['tsval', 'ipId'],
    });
  }
  join(pairs, clusters);
}

/** Both places choose the same packets, whatever else they have: those with the smallest hashes. */
function sketchOf(packets: readonly ConversationPacket[]): readonly string[] {
  const byNumbers: { readonly hash: number; readonly key: string }[] = [];
  const byStamps: { readonly hash: number; readonly key: string }[] = [];
  for (const { from, flags, seqRaw, ackRaw, length, tsval, tsecr, ipId } of packets) {
    if (ackRaw === null || ackRaw === 0 || /SYN|RST/.test(flags)) {
      // Says something only between the same addresses.
      byStamps.push({ hash: mix(seqRaw, length ?? 0), key: `w${from} ${flags} ${seqRaw} ${length}` });
      continue;
    }
    byNumbers.push({ hash: mix(seqRaw, ackRaw), key: `n${from} ${seqRaw} ${ackRaw} ${length ?? 0}` });
    if (tsval !== null && tsecr !== null && tsecr !== 0 && ipId !== 0)
      byStamps.push({ hash: mix(tsval, tsecr), key: `t${from} ${tsval} ${tsecr} ${ipId}` });
  }
  const smallest = (all: typeof byNumbers, size: number): readonly string[] =>
    all
      .sort((x, y) => x.hash - y.hash)
      .slice(0, size)
      .map(({ key }) => key);
  return [...new Set([...smallest(byNumbers, sketchSize), ...smallest(byStamps, sketchSize / 2)])];
}

function mix(one: number, other: number): number {
  let h = Math.imul(one ^ (one >>> 15), 0x85eb_ca6b);
  h = Math.imul(h ^ other ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Sets of connections that are one: at most one per place, or both sides of a translation. */
class Clusters {
  readonly #nodes: readonly Node[];
  readonly #of: (readonly Node[])[];
  readonly #matchedBy = new Map<Node, Set<string>>();

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
    this.#of = nodes.map((node) => [node]);
  }

  #clusterOf(node: Node): readonly Node[] {
    return this.#of[node.index] ?? [node];
  }

  areJoined(a: Node, b: Node): boolean {
    return this.#clusterOf(a) === this.#clusterOf(b);
  }

  placesOf(node: Node): readonly number[] {
    return [...new Set(this.#clusterOf(node).map(({ place }) => place))];
  }

  mayJoin(a: Node, b: Node): boolean {
    const one = this.#clusterOf(a);
    const other = this.#clusterOf(b);
    if (one === other) return false;
    let translations = 0;
    for (const node of other) {
      const here = one.filter(({ place }) => place === node.place);
      const there = other.filter(({ place }) => place === node.place);
      if (here.length === 0) continue;
      const [twin] = here;
      if (here.length > 1 || there.length > 1 || twin === undefined || !areTwins(twin, node)) return false;
      translations++;
    }
    // One translation is between them: places that both saw two connections saw two connections.
    return translations <= 1;
  }

  join({ a, b, matchedBy }: Pair): void {
    if (!this.mayJoin(a, b)) return;
    const all = [...this.#clusterOf(a), ...this.#clusterOf(b)].sort((x, y) => x.index - y.index);
    const agreed = new Set([...this.#agreedOf(a), ...this.#agreedOf(b)]);
    if (a.tuple !== b.tuple) for (const what of matchedBy) agreed.add(what);
    for (const node of all) {
      this.#of[node.index] = all;
      this.#matchedBy.set(node, agreed);
    }
  }

  #agreedOf(node: Node): ReadonlySet<string> {
    return this.#matchedBy.get(node) ?? new Set();
  }

  groups(places: number): readonly ConnectionGroup[] {
    const groups: ConnectionGroup[] = [];
    for (const node of this.#nodes) {
      const cluster = this.#clusterOf(node);
      if (cluster[0] !== node) continue;
      const isOne = cluster.every(({ tuple }) => tuple === node.tuple);
      groups.push({
        members: Array.from({ length: places }, (_, place) =>
          cluster
            .filter((each) => each.place === place)
            .map(({ connection }) => connection)
            .sort((x, y) => x.firstAtMs - y.firstAtMs),
        ),
        by: isOne ? 'addresses' : 'nat',
        matchedBy: isOne ? [] : [...this.#agreedOf(node)],
      });
    }
    return groups;
  }
}
