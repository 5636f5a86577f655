import type { ConversationPacket } from '../model/packet-facts.ts';
import { type DecodedPacket, flagAck, flagRst, flagSyn } from './decode-packet.ts';
import { flagNames } from './tcp-flags.ts';
import { tcpFlagText } from './tcp-flag-text.ts';

/** Packets of one connection that a second sighting is looked for among, from the latest back. */
const maxLookBack = 64;
/** Places kept per packet beyond the first. */
const maxMorePlaces = 15;
const firstCapacity = 1024;
/** RFC 7323 2.3 */
const maxWindowScale = 14;

const isFromClient = 1;
const hasTimestamps = 2;

/**
 * The TCP packets of a capture, in typed arrays: about 60 bytes each, and no object before {@link PacketLog.packetsOf}
 * asks for it. What does not fit is counted in {@link PacketLog.dropped}.
 */
export class PacketLog {
  readonly #maxPackets: number;
  readonly #only: number;
  #count = 0;
  #dropped = 0;

  /** Connection -> its latest packet; `#before` leads from there to the first. */
  readonly #latest = new Map<number, number>();
  #before = new Int32Array(0);
  #frames = new Uint32Array(0);
  #times = new Float64Array(0);
  #sequences = new Int32Array(0);
  #acknowledgements = new Int32Array(0);
  #lengths = new Int32Array(0);
  #windows = new Uint16Array(0);
  #tsvals = new Int32Array(0);
  #tsecrs = new Int32Array(0);
  #ipIds = new Uint32Array(0);
  #verdicts = new Int32Array(0);
  /** -1: no such option. */
  #mss = new Int32Array(0);
  #windowScales = new Int8Array(0);
  #ttls = new Uint8Array(0);
  #flags = new Uint8Array(0);
  #bits = new Uint8Array(0);

  /** First edge in `#edges`, and blocks of two edges from there. */
  #sackAt = new Int32Array(0);
  #sackBlocks = new Uint8Array(0);
  #edges = new Int32Array(0);
  #edgeCount = 0;

  /** Place of the first sighting; -1: the capture has one place. */
  #places = new Int32Array(0);
  /** Further sightings: index of the first pair (place, next pair) in `#pairs`; -1: none. */
  #morePlaces = new Int32Array(0);
  #pairs = new Int32Array(0);
  #pairCount = 0;

  /**
   * @param options `maxPackets`: packets kept; the first ones are. `only`: number of the connection to keep, the others
   *   are not looked at; default all
   */
  constructor(options: { readonly maxPackets: number; readonly only?: number }) {
    this.#maxPackets = Math.max(0, Math.floor(options.maxPackets));
    this.#only = options.only ?? -1;
  }

  /** Packets that there was no room for. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Keeps one packet, seen for the first time.
   *
   * @param frame number of the packet in the file, from 1
   * @param verdicts bits of {@link flagNames}
   * @param placeIndex index into `Connection.places`; -1 where the capture has one place
   */
  add(
    connectionNumber: number,
    fromClient: boolean,
    packet: DecodedPacket,
    frame: number,
    atMs: number,
    verdicts: number,
    placeIndex: number,
  ): void {
    if (this.#only >= 0 && connectionNumber !== this.#only) return;
    const index = this.#count;
    if (index >= this.#maxPackets) {
      this.#dropped++;
      return;
    }
    if (index >= this.#frames.length) this.#grow();
    this.#count++;
    this.#before[index] = this.#latest.get(connectionNumber) ?? -1;
    this.#latest.set(connectionNumber, index);
    this.#frames[index] = frame;
    this.#times[index] = atMs;
    this.#sequences[index] = packet.sequence;
    this.#acknowledgements[index] = packet.acknowledgement;
    this.#lengths[index] = packet.payloadLength;
    this.#windows[index] = packet.window;
    this.#tsvals[index] = packet.tsval;
    this.#tsecrs[index] = packet.tsecr;
    this.#ipIds[index] = packet.ipId;
    this.#verdicts[index] = verdicts;
    this.#mss[index] = packet.mss;
    this.#windowScales[index] = Math.min(maxWindowScale, packet.windowScale);
    this.#ttls[index] = packet.ttl;
    this.#flags[index] = packet.flags;
    this.#bits[index] = (fromClient ? isFromClient : 0) | (packet.hasTimestamps ? hasTimestamps : 0);
    this.#sackBlocks[index] = packet.sackBlocks;
    if (packet.sackBlocks > 0) this.#sackAt[index] = this.#addEdges(packet);
    this.#places[index] = placeIndex;
    this.#morePlaces[index] = -1;
  }

  /** The latest packet like this one was seen at another place of the same capture, too (`-i any`). */
  sighted(connectionNumber: number, packet: DecodedPacket, _frame: number, _atMs: number, placeIndex: number): void {
    if (placeIndex < 0 || (this.#only >= 0 && connectionNumber !== this.#only)) return;
    let index = this.#latest.get(connectionNumber) ?? -1;
    for (let looked = 0; index >= 0 && looked < maxLookBack; looked++) {
      if (
        this.#sequences[index] === packet.sequence &&
        this.#acknowledgements[index] === packet.acknowledgement &&
        this.#flags[index] === (packet.flags & 255) &&
        this.#lengths[index] === packet.payloadLength &&
        this.#ipIds[index] === packet.ipId >>> 0 &&
        (!packet.hasTimestamps || this.#tsvals[index] === packet.tsval)
      ) {
        this.#addPlace(index, placeIndex);
        return;
      }
      index = this.#before[index] ?? -1;
    }
  }

  /**
   * Packets of one connection in the order of the file; empty where none is kept. Sequence numbers do not wrap here:
   * they go on growing past 2^32, and are below 0 for what lies before the ISN.
   */
  packetsOf(connectionNumber: number): readonly ConversationPacket[] {
    const indexes: number[] = [];
    for (let at = this.#latest.get(connectionNumber) ?? -1; at >= 0; at = this.#before[at] ?? -1) indexes.push(at);
    indexes.reverse();
    const client = this.#sequenceSpace(indexes, isFromClient);
    const server = this.#sequenceSpace(indexes, 0);
    const shift = this.#windowShifts(indexes);
    return indexes.map((index) => {
      const flags = this.#flags[index] ?? 0;
      const bits = this.#bits[index] ?? 0;
      const own = (bits & isFromClient) === 0 ? server : client;
      const peer = (bits & isFromClient) === 0 ? client : server;
      const sequence = this.#sequences[index] ?? 0;
      const acknowledgement = this.#acknowledgements[index] ?? 0;
      // An impossible number of a RST, a stray or a forged packet must not move the scale for those that follow.
      const moves = (flags & flagRst) === 0;
      const seq = own.place(sequence, moves);
      const hasAck = (flags & flagAck) !== 0;
      const stamped = (bits & hasTimestamps) !== 0;
      const mss = this.#mss[index] ?? -1;
      const length = this.#lengths[index] ?? -1;
      return {
        frame: this.#frames[index] ?? 0,
        atMs: this.#times[index] ?? 0,
        from: (bits & isFromClient) === 0 ? 'server' : 'client',
        flags: tcpFlagText(flags),
        seq,
        ack: hasAck ? peer.place(acknowledgement, false) : null,
        seqRaw: sequence >>> 0,
        ackRaw: hasAck ? acknowledgement >>> 0 : null,
        length: length < 0 ? null : length,
        window: (this.#windows[index] ?? 0) * ((flags & flagSyn) !== 0 ? 1 : 2 ** shift(bits)),
        sack: this.#sackOf(index, peer),
        tsval: stamped ? (this.#tsvals[index] ?? 0) >>> 0 : null,
        tsecr: stamped ? (this.#tsecrs[index] ?? 0) >>> 0 : null,
        ttl: this.#ttls[index] ?? 0,
        ipId: this.#ipIds[index] ?? 0,
        mss: mss < 0 ? null : mss,
        analysis: flagNames(this.#verdicts[index] ?? 0),
        places: this.#placesOf(index),
      };
    });
  }

  /** Where a side's sequence numbers begin: its SYN, else one before the first number that is known. */
  #sequenceSpace(indexes: readonly number[], side: number): SequenceSpace {
    let first: number | null = null;
    let ofReset: number | null = null;
    for (const index of indexes) {
      const flags = this.#flags[index] ?? 0;
      const isOwn = ((this.#bits[index] ?? 0) & isFromClient) === side;
      if (isOwn && (flags & flagSyn) !== 0) return new SequenceSpace(this.#sequences[index] ?? 0);
      if (!isOwn && (flags & flagAck) === 0) continue;
      const known = ((isOwn ? this.#sequences[index] : this.#acknowledgements[index]) ?? 0) - 1;
      if ((flags & flagRst) === 0) first ??= known;
      else if (isOwn) ofReset ??= known;
    }
    return new SequenceSpace(first ?? ofReset ?? 0);
  }

  /** Bits to shift each side's window by: both have to offer it (RFC 7323 2.2). */
  #windowShifts(indexes: readonly number[]): (bits: number) => number {
    /** -1: its SYN has no such option; null: its SYN was not seen. */
    let ofClient: number | null = null;
    let ofServer: number | null = null;
    for (const index of indexes) {
      if (((this.#flags[index] ?? 0) & flagSyn) === 0) continue;
      const scale = this.#windowScales[index] ?? -1;
      if (((this.#bits[index] ?? 0) & isFromClient) !== 0) ofClient = scale;
      else ofServer = scale;
    }
    // A server offers only what was offered to it, so that its SYN+ACK alone tells, too.
    const server = ofServer !== null && ofClient !== -1 ? Math.max(0, ofServer) : 0;
    const client = ofServer !== null && ofServer >= 0 ? Math.max(0, ofClient ?? 0) : 0;
    return (bits) => ((bits & isFromClient) === 0 ? server : client);
  }

  #sackOf(index: number, peer: SequenceSpace): readonly (readonly [number, number])[] {
    const blocks = this.#sackBlocks[index] ?? 0;
    if (blocks === 0) return [];
    const at = this.#sackAt[index] ?? 0;
    return Array.from({ length: blocks }, (_, block) => [
      peer.place(this.#edges[at + block * 2] ?? 0, false),
      peer.place(this.#edges[at + block * 2 + 1] ?? 0, false),
    ]);
  }

  #placesOf(index: number): readonly number[] {
    const first = this.#places[index] ?? -1;
    if (first < 0) return [];
    const places = [first];
    for (let pair = this.#morePlaces[index] ?? -1; pair >= 0; pair = this.#pairs[pair + 1] ?? -1) {
      places.push(this.#pairs[pair] ?? 0);
    }
    return places;
  }

  #addPlace(index: number, place: number): void {
    let last = -1;
    let count = 0;
    for (let pair = this.#morePlaces[index] ?? -1; pair >= 0; pair = this.#pairs[pair + 1] ?? -1) {
      last = pair;
      count++;
    }
    // As many sightings as the packets kept may have on average: more only in a capture made to hurt.
    if (count >= maxMorePlaces || this.#pairCount >= this.#maxPackets * 2 * maxMorePlaces) return;
    const pair = this.#pairCount;
    if (pair + 2 > this.#pairs.length) this.#pairs = grown(this.#pairs, Math.max(64, this.#pairs.length * 2));
    this.#pairCount += 2;
    this.#pairs[pair] = place;
    this.#pairs[pair + 1] = -1;
    if (last < 0) this.#morePlaces[index] = pair;
    else this.#pairs[last + 1] = pair;
  }

  #addEdges(packet: DecodedPacket): number {
    const at = this.#edgeCount;
    const edges = packet.sackBlocks * 2;
    if (at + edges > this.#edges.length) this.#edges = grown(this.#edges, Math.max(64, this.#edges.length * 2));
    for (let edge = 0; edge < edges; edge++) this.#edges[at + edge] = packet.sackEdges[edge] ?? 0;
    this.#edgeCount += edges;
    return at;
  }

  #grow(): void {
    const capacity = Math.min(this.#maxPackets, Math.max(firstCapacity, this.#frames.length * 2));
    this.#before = grown(this.#before, capacity);
    this.#frames = grown(this.#frames, capacity);
    this.#times = grown(this.#times, capacity);
    this.#sequences = grown(this.#sequences, capacity);
    this.#acknowledgements = grown(this.#acknowledgements, capacity);
    this.#lengths = grown(this.#lengths, capacity);
    this.#windows = grown(this.#windows, capacity);
    this.#tsvals = grown(this.#tsvals, capacity);
    this.#tsecrs = grown(this.#tsecrs, capacity);
    this.#ipIds = grown(this.#ipIds, capacity);
    this.#verdicts = grown(this.#verdicts, capacity);
    this.#mss = grown(this.#mss, capacity);
    this.#windowScales = grown(this.#windowScales, capacity);
    this.#ttls = grown(this.#ttls, capacity);
    this.#flags = grown(this.#flags, capacity);
    this.#bits = grown(this.#bits, capacity);
    this.#sackAt = grown(this.#sackAt, capacity);
    this.#sackBlocks = grown(this.#sackBlocks, capacity);
    this.#places = grown(this.#places, capacity);
    this.#morePlaces = grown(this.#morePlaces, capacity);
  }
}

/** Sequence numbers of one side on a scale that does not wrap, 0 at the ISN. */
class SequenceSpace {
  #raw: number;
  #relative = 0;

  constructor(isn: number) {
    this.#raw = isn;
  }

  place(raw: number, moves: boolean): number {
    const step = (raw - this.#raw) | 0;
    const relative = this.#relative + step;
    if (moves && step > 0) {
      this.#raw = raw;
      this.#relative = relative;
    }
    return relative;
  }
}

type Numbers = Int8Array | Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array;

function grown<Kind extends Numbers>(numbers: Kind, capacity: number): Kind {
  const Constructor = numbers.constructor as new (length: number) => Kind;
  const larger = new Constructor(capacity);
  larger.set(numbers);
  return larger;
}
