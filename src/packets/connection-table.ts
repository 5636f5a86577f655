import type { Connection, Reset, Syn, SynAck, SynOptions } from '../model/facts.ts';
import type { ConnectionEnd, Place, Tunnel } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import { ConnectionDetails } from './connection-details.ts';
import { type DecodedPacket, flagAck, flagFin, flagRst, flagSyn } from './decode-packet.ts';
import { FlowTable } from './flow-table.ts';
import { type RecordField, RecordPool } from './record-pool.ts';
import type { ServiceOutcome } from './service-counts.ts';
import {
  clientSide,
  type Side,
  serverSide,
  TcpStates,
  tcpAnyRetransmission,
  tcpLostSegment,
  tcpOutOfOrder,
  tcpWindowFull,
  tcpZeroWindow,
  tcpZeroWindowProbe,
} from './tcp-flags.ts';

/** Bounds on the lists of one connection. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxSyns: number;
  readonly maxSynAcks: number;
  readonly maxResets: number;
  readonly maxSightings: number;
}

/*
 * Layout of {@link ConnectionTable}: 40 words of 32 bits per slot, the first 16 of them for every packet. `…Time` are
 * offsets in units of 64 bits, the others in words. What is said of the client stands before the same of the server.
 */
const slotWords = 40;
const slotTimes = 20;
/** Of the latest packet, ns. */
const lastTime = 0;
/** TCP payload, bytes; two. */
const bytesTime = 1;
/** The bits below. */
const bitsOf = 6;
/** Two. */
const packetsOf = 7;
/** IP id of the latest packet, two of 16 bits: client's low. */
const ipIdsOf = 9;
/** Sequence number of the SYN, and the ack number that answers it: ISN + 1 + data of the SYN. */
const isnOf = 10;
const synEndOf = 11;
const numberOf = 12;
/** Segments that repeat something; two. */
const retransmittedOf = 13;
/** As {@link Connection.completeness}; a RST or FIN with the ACK flag and no data is an ACK, too, as in tshark 4.0. */
const completenessOf = 15;
/** Of the first packet, ns. */
const firstTime = 8;
/** SYN to the client's ACK, SYN to SYN+ACK, ns; -1: not known. */
const handshakeRttTime = 9;
const serverRttTime = 10;
/** Of the latest SYN before an answer, ns. */
const synTime = 11;
/** From the last packet of the connection before it on these ports, ns, and its number; -1: none. */
const reuseTime = 12;
const reuseNumberOf = 26;
/** Options of the latest SYN or SYN+ACK, packed; two. */
const optionsOf = 27;
const synCountOf = 29;
const synAckCountOf = 30;
const resetCountOf = 31;
/** First and last record of SYNs, SYN+ACKs, RSTs and sightings, in order; -1: none. */
const firstRecordOf = 32;
const lastRecordOf = 33;
/** First record of the places, in order of the first sighting there; -1: none. */
const firstPlaceOf = 34;
/** References to the service and to the source of the SYN; -1: none. */
const serviceOf = 35;
const synSourceOf = 36;
/** Index of the tunnel; -1: none. */
const tunnelOf = 37;
/** TSval of the first SYN, where there is one. */
const synTsvalOf = 38;

// In `bitsOf`. Those of a side are said of the client; one bit further they are the server's.
const used = 1;
const dirty = 2;
const clientFin = 1 << 2;
const serverFin = 1 << 3;
const clientSawSyn = 1 << 4;
const clientHasIpId = 1 << 6;
const clientAcked = 1 << 8;
const challenged = 1 << 9;
const refused = 1 << 10;
/** An ICMP error came about the SYN; about anything. */
const icmpAboutSyn = 1 << 11;
const icmpAboutAny = 1 << 12;
/** A FIN or RST was seen; the first one was the server's. */
const ending = 1 << 13;
const endedByServer = 1 << 14;
/** A RST that the other side may believe came before both FINs. */
const aborted = 1 << 15;
/** Something to look at in the verdicts. */
const zeroWindowSeen = 1 << 16;
const notable = 1 << 17;
/** It has one of the addresses that are kept to the last. */
const keptLast = 1 << 18;
/** The first SYN has a timestamp; how that stands to the earlier ones of its source. */
const hasSynTsval = 1 << 19;
const synBehind = 1 << 20;
const synAhead = 1 << 21;

const notableVerdicts =
  tcpAnyRetransmission | tcpOutOfOrder | tcpLostSegment | tcpWindowFull | tcpZeroWindow | tcpZeroWindowProbe;

// Packed SYN options: each 0 where the option was not there.
const mssBits = 17;
const scaleBits = 9;
const sackBit = 1 << 26;
const timestampsBit = 1 << 27;

// Kinds of records, in the low bits of their first field.
const kindSyn = 0;
const kindSynAck = 1;
const kindReset = 2;
/** A further place of the SYN before it. */
const kindSighting = 3;
const kindMask = 3;
// Fields of SYN, SYN+ACK and RST: kind | ttl << 8 | bits; frame; sequence; two IP ids; TSval, or unacknowledged bytes.
const headField: RecordField = 0;
const frameField: RecordField = 1;
const sequenceField: RecordField = 2;
const ipIdField: RecordField = 3;
const valueField: RecordField = 4;
const hasTsval = 1 << 16;
const fromServer = 1 << 17;
const answersSyn = 1 << 18;
const hasIpIdBefore = 1 << 19;
const sequenceShift = 20;
const withAck = 1 << 22;
const sequences = ['exact', 'inWindow', 'outside', 'unknown'] as const;
// SYNs and sightings say where in `directionShift` of the head; a SYN's interface is in its sequence field, because the
// sequence number of all SYNs of a connection is the same.
const directionShift = 24;
const insideTunnel = 1 << 26;
const directions = ['in', 'out', 'other'] as const;
// Fields of a place: direction | tunnel kind << 8; interface; packets of the client, of the server.
const placeField: RecordField = 0;
const interfaceField: RecordField = 1;
const clientCountField: RecordField = 2;
const serverCountField: RecordField = 3;

const maxPlaces = 8;
const maxTunnels = 4096;
const maxTunnelKinds = 64;

/** What became of the attempt to connect. */
type Handshake = Connection['handshake'];

/** What happened to a connection, the worst first; `waited`: all went well, with silences; `none`: nothing. */
export type ConnectionEvent = 'none' | 'notOpened' | 'refused' | 'reset' | 'stalled' | 'repeated' | 'waited';

/**
 * Everything that is known of the connections of a capture, by slot number, in typed arrays that grow in steps: no
 * object is made for a connection or a packet, only for facts when they are asked for. A slot that was let go is used
 * again.
 */
export class ConnectionTable {
  readonly flows = new FlowTable();
  readonly states = new TcpStates();
  readonly details = new ConnectionDetails();
  /** Slots in use or used before are below this. */
  slots = 0;
  /** Slots in use. */
  kept = 0;
  /** SYNs, SYN+ACKs and RSTs beyond the bounds on the lists. */
  synsDropped = 0;
  /** Second 0 of the times in nanoseconds, in seconds since the epoch. */
  baseSeconds = 0;

  readonly #limits: ConnectionLimits;
  readonly #records: RecordPool;
  #words = new Int32Array(0);
  /** The same bytes. */
  #times = new Float64Array(0);
  #capacity = 0;
  /** Slots that were let go. */
  readonly #free: number[] = [];
  #nextNumber = 0;
  /** No slot was let go so far. */
  #areInOrder = true;
  readonly #tunnels: Tunnel[] = [];
  readonly #tunnelIndexes = new Map<string, number>();
  readonly #tunnelKinds: string[] = [''];
  /** Facts by slot, as long as `dirty` is not set; only with `cacheFacts`. */
  readonly #facts: (Connection | null)[] | null;

  constructor(limits: ConnectionLimits, cacheFacts: boolean) {
    this.#limits = limits;
    this.#records = new RecordPool(limits.maxConnections * 4 + 65_536);
    this.#facts = cacheFacts ? [] : null;
  }

  /** Whether {@link open} finds a slot. */
  get hasRoom(): boolean {
    return this.kept < this.#limits.maxConnections;
  }

  /** Takes a slot for the connection that this packet begins. There must be room. */
  open(packet: DecodedPacket, senderIsClient: boolean, hash: number, atNs: number): number {
    let slot = this.#free.pop();
    const isFresh = slot === undefined;
    if (slot === undefined) {
      if (this.slots >= this.#capacity) this.#grow();
      slot = this.slots++;
    }
    this.kept++;
    const words = this.#words;
    const times = this.#times;
    const at = slot * slotWords;
    const time = slot * slotTimes;
    if (!isFresh) words.fill(0, at, at + slotWords);
    words[at + bitsOf] = used | dirty;
    words[at + numberOf] = this.#nextNumber++;
    words[at + reuseNumberOf] = -1;
    words[at + firstRecordOf] = -1;
    words[at + lastRecordOf] = -1;
    words[at + firstPlaceOf] = -1;
    words[at + serviceOf] = -1;
    words[at + synSourceOf] = -1;
    words[at + tunnelOf] = -1;
    times[time + firstTime] = atNs;
    times[time + lastTime] = atNs;
    times[time + handshakeRttTime] = -1;
    times[time + serverRttTime] = -1;
    this.flows.insert(slot, packet, senderIsClient, hash);
    this.states.open(slot);
    this.details.open(slot);
    return slot;
  }

  /** A few slots, some, then all: memory that no slot has touched yet is not resident, and little has to be copied. */
  #grow(): void {
    const next = this.#capacity === 0 ? 256 : this.#capacity === 256 ? 4096 : this.#limits.maxConnections;
    this.#capacity = Math.min(this.#limits.maxConnections, next);
    const words = new Int32Array(this.#capacity * slotWords);
    words.set(this.#words);
    this.#words = words;
    this.#times = new Float64Array(words.buffer);
    this.flows.grow(this.#capacity);
    this.states.grow(this.#capacity);
    this.details.grow(this.#capacity);
  }

  /** Lets a connection go: its slot is free for another. */
  release(slot: number): void {
    const words = this.#words;
    const at = slot * slotWords;
    const first = words[at + firstRecordOf] ?? -1;
    if (first >= 0) this.#records.release(first, words[at + lastRecordOf] ?? first);
    let place = words[at + firstPlaceOf] ?? -1;
    while (place >= 0) {
      const next = this.#records.next(place);
      this.#records.release(place, place);
      place = next;
    }
    this.flows.remove(slot);
    this.details.release(slot);
    words[at + bitsOf] = 0;
    if (this.#facts !== null) this.#facts[slot] = null;
    this.#free.push(slot);
    this.#areInOrder = false;
    this.kept--;
  }

  isUsed(slot: number): boolean {
    return ((this.#words[slot * slotWords + bitsOf] ?? 0) & used) !== 0;
  }

  /** Serial number of the connection in a slot, in order of the first packet. */
  number(slot: number): number {
    return this.#words[slot * slotWords + numberOf] ?? 0;
  }

  service(slot: number): number {
    return this.#words[slot * slotWords + serviceOf] ?? -1;
  }
  setService(slot: number, reference: number): void {
    this.#words[slot * slotWords + serviceOf] = reference;
  }
  synSource(slot: number): number {
    return this.#words[slot * slotWords + synSourceOf] ?? -1;
  }
  /** TSval of the first SYN; null: it has none. */
  synTsval(slot: number): number | null {
    const at = slot * slotWords;
    return ((this.#words[at + bitsOf] ?? 0) & hasSynTsval) === 0 ? null : (this.#words[at + synTsvalOf] ?? 0);
  }
  synStanding(slot: number): 'behind' | 'ahead' | 'unknown' {
    const bits = this.#words[slot * slotWords + bitsOf] ?? 0;
    return (bits & synBehind) !== 0 ? 'behind' : (bits & synAhead) !== 0 ? 'ahead' : 'unknown';
  }
  setSynSource(slot: number, reference: number, standing: 'behind' | 'ahead' | 'unknown'): void {
    const at = slot * slotWords;
    this.#words[at + synSourceOf] = reference;
    const bit = standing === 'behind' ? synBehind : standing === 'ahead' ? synAhead : 0;
    this.#words[at + bitsOf] = (this.#words[at + bitsOf] ?? 0) | bit;
  }

  keepLast(slot: number): void {
    const at = slot * slotWords + bitsOf;
    this.#words[at] = (this.#words[at] ?? 0) | keptLast;
  }
  isKeptLast(slot: number): boolean {
    return ((this.#words[slot * slotWords + bitsOf] ?? 0) & keptLast) !== 0;
  }

  /** Time of the latest packet, ns. */
  lastAtNs(slot: number): number {
    return this.#times[slot * slotTimes + lastTime] ?? 0;
  }

  /** It follows the connection with this number on the same ports. */
  setReuse(slot: number, earlierNumber: number, sinceNs: number): void {
    this.#words[slot * slotWords + reuseNumberOf] = earlierNumber;
    this.#times[slot * slotTimes + reuseTime] = sinceNs;
  }

  /** Takes one packet that is not a mere second sighting. `verdicts` are those of the TCP analysis. */
  add(slot: number, side: Side, packet: DecodedPacket, verdicts: number, atNs: number): void {
    const words = this.#words;
    const times = this.#times;
    const at = slot * slotWords;
    const flags = packet.flags;
    const length = packet.payloadLength;
    const before = words[at + bitsOf] ?? 0;
    let bits = before | dirty | (clientHasIpId << side);
    words[at + packetsOf + side] = (words[at + packetsOf + side] ?? 0) + 1;
    if (length > 0) {
      const time = slot * slotTimes + bytesTime + side;
      times[time] = (times[time] ?? 0) + length;
    }
    if ((verdicts & notableVerdicts) !== 0) {
      bits |= (verdicts & tcpZeroWindow) !== 0 ? notable | zeroWindowSeen : notable;
      if ((verdicts & tcpAnyRetransmission) !== 0) {
        words[at + retransmittedOf + side] = (words[at + retransmittedOf + side] ?? 0) + 1;
      }
    }
    if ((flags & (flagSyn | flagFin | flagRst)) === 0) {
      const isAck = (flags & flagAck) !== 0;
      if (length > 0 || isAck) words[at + completenessOf] = (words[at + completenessOf] ?? 0) | (length > 0 ? 8 : 4);
      if (isAck && (bits & clientAcked) === 0 && (words[at + synCountOf] ?? 0) > 0) {
        bits |= this.#handshakeAck(slot, side, packet, atNs);
      }
    } else bits = this.#signal(slot, side, packet, bits);
    words[at + bitsOf] = bits;
    const ids = words[at + ipIdsOf] ?? 0;
    words[at + ipIdsOf] = side === 0 ? (ids & ~0xffff) | packet.ipId : (ids & 0xffff) | (packet.ipId << 16);
    times[slot * slotTimes + lastTime] = atNs;
  }

  /** An ACK before the handshake was through. */
  #handshakeAck(slot: number, side: Side, packet: DecodedPacket, atNs: number): number {
    const words = this.#words;
    const at = slot * slotWords;
    const isn = words[at + isnOf] ?? 0;
    if (side === clientSide) {
      if (packet.sequence === isn) return 0;
      const time = slot * slotTimes;
      this.#times[time + handshakeRttTime] = atNs - (this.#times[time + synTime] ?? 0);
      return clientAcked;
    }
    // Before the handshake is through, an honest server has nothing else to acknowledge than the SYN (RFC 5961 4).
    const answers = packet.acknowledgement === words[at + synEndOf] || packet.acknowledgement === ((isn + 1) | 0);
    return (words[at + synAckCountOf] ?? 0) === 0 && !answers ? challenged : 0;
  }

  /** SYN, FIN or RST; all but the lists. */
  #signal(slot: number, side: Side, packet: DecodedPacket, before: number): number {
    const words = this.#words;
    const at = slot * slotWords;
    const flags = packet.flags;
    const synSeen = (words[at + synCountOf] ?? 0) > 0;
    let bits = before;
    let completeness = words[at + completenessOf] ?? 0;
    if ((flags & flagSyn) !== 0) {
      bits |= clientSawSyn << side;
      words[at + optionsOf + side] = packedOptions(packet);
      completeness |= (flags & flagAck) === 0 ? 1 : 2;
    } else if ((flags & flagAck) !== 0 && packet.payloadLength <= 0) completeness |= 4;
    if (packet.payloadLength > 0) completeness |= 8;
    if ((flags & (flagFin | flagRst)) !== 0 && (bits & ending) === 0) {
      bits |= side === serverSide ? ending | endedByServer : ending;
    }
    if ((flags & flagFin) !== 0) {
      completeness |= 16;
      bits |= clientFin << side;
      if (side === clientSide && synSeen) bits |= clientAcked;
    }
    if ((flags & flagRst) !== 0) completeness |= 32;
    words[at + completenessOf] = completeness;
    return bits;
  }

  /** A SYN of the client, after {@link add}. */
  addSyn(slot: number, packet: DecodedPacket, frame: number, atNs: number): void {
    const words = this.#words;
    const at = slot * slotWords;
    const count = words[at + synCountOf] ?? 0;
    words[at + synCountOf] = count + 1;
    words[at + isnOf] = packet.sequence;
    words[at + synEndOf] = (packet.sequence + 1 + Math.max(0, packet.payloadLength)) | 0;
    if ((words[at + synAckCountOf] ?? 0) === 0) this.#times[slot * slotTimes + synTime] = atNs;
    if (count === 0 && packet.hasTimestamps) {
      words[at + synTsvalOf] = packet.tsval;
      words[at + bitsOf] = (words[at + bitsOf] ?? 0) | hasSynTsval;
    }
    const record = count < this.#limits.maxSyns ? this.#append(slot) : -1;
    if (record < 0) {
      this.synsDropped++;
      return;
    }
    const head = kindSyn | (packet.ttl << 8) | (packet.hasTimestamps ? hasTsval : 0);
    this.#records.setTimes(record, atNs, 0);
    this.#records.set(record, headField, head | placeBits(packet));
    this.#records.set(record, frameField, frame);
    this.#records.set(record, sequenceField, packet.interfaceIndex);
    this.#records.set(record, ipIdField, packet.ipId);
    this.#records.set(record, valueField, packet.tsval);
  }

  /** A SYN+ACK of the server, after {@link add}. */
  addSynAck(slot: number, packet: DecodedPacket, frame: number, atNs: number): void {
    const at = slot * slotWords;
    const count = this.#words[at + synAckCountOf] ?? 0;
    this.#words[at + synAckCountOf] = count + 1;
    if (count === 0 && (this.#words[at + synCountOf] ?? 0) > 0) {
      const time = slot * slotTimes;
      this.#times[time + serverRttTime] = atNs - (this.#times[time + synTime] ?? 0);
    }
    const record = count < this.#limits.maxSynAcks ? this.#append(slot) : -1;
    if (record < 0) return;
    this.#records.setTimes(record, atNs, 0);
    this.#records.set(record, headField, kindSynAck | (packet.ttl << 8) | (packet.hasTimestamps ? hasTsval : 0));
    this.#records.set(record, frameField, frame);
    this.#records.set(record, sequenceField, packet.sequence);
    this.#records.set(record, valueField, packet.tsval);
  }

  /** A RST, before the TCP analysis and {@link add} have taken it. */
  addReset(slot: number, side: Side, packet: DecodedPacket, frame: number, atNs: number): void {
    const words = this.#words;
    const at = slot * slotWords;
    const bits = words[at + bitsOf] ?? 0;
    const peerFin = (bits & (clientFin << (1 - side))) !== 0;
    const { sequence, unacknowledged } = this.states.judgeReset(slot, side, packet, peerFin);
    const unanswered =
      side === serverSide &&
      (words[at + synCountOf] ?? 0) > 0 &&
      (words[at + synAckCountOf] ?? 0) === 0 &&
      (bits & clientAcked) === 0;
    const bothFins = (bits & (clientFin | serverFin)) === (clientFin | serverFin);
    words[at + bitsOf] = bits | (unanswered ? refused : 0) | (sequence === 'outside' || bothFins ? 0 : aborted);
    const count = words[at + resetCountOf] ?? 0;
    words[at + resetCountOf] = count + 1;
    const record = count < this.#limits.maxResets ? this.#append(slot) : -1;
    if (record < 0) return;
    const ack = packet.acknowledgement;
    const answers =
      unanswered &&
      (packet.flags & flagAck) !== 0 &&
      (ack === words[at + synEndOf] || ack === (((words[at + isnOf] ?? 0) + 1) | 0));
    const ids = words[at + ipIdsOf] ?? 0;
    const first = (words[at + packetsOf] ?? 0) + (words[at + packetsOf + 1] ?? 0) === 0;
    this.#records.setTimes(record, atNs, first ? 0 : atNs - (this.#times[slot * slotTimes + lastTime] ?? 0));
    this.#records.set(
      record,
      headField,
      kindReset |
        (packet.ttl << 8) |
        (side === serverSide ? fromServer : 0) |
        ((packet.flags & flagAck) === 0 ? 0 : withAck) |
        (answers ? answersSyn : 0) |
        ((bits & (clientHasIpId << side)) === 0 ? 0 : hasIpIdBefore) |
        (sequences.indexOf(sequence) << sequenceShift),
    );
    this.#records.set(record, frameField, frame);
    this.#records.set(record, ipIdField, packet.ipId | ((side === clientSide ? ids : ids >>> 16) << 16));
    this.#records.set(record, valueField, unacknowledged);
  }

  #append(slot: number): number {
    const record = this.#records.take();
    if (record < 0) return -1;
    const at = slot * slotWords;
    const last = this.#words[at + lastRecordOf] ?? -1;
    if (last < 0) this.#words[at + firstRecordOf] = record;
    else this.#records.append(last, record);
    this.#words[at + lastRecordOf] = record;
    return record;
  }

  /** Another device on the way of a SYN that is known: the latest one. */
  sighted(slot: number, packet: DecodedPacket, atNs: number): void {
    const at = slot * slotWords;
    const records = this.#records;
    let syn = -1;
    let end = -1;
    let sightings = 0;
    for (let record = this.#words[at + firstRecordOf] ?? -1; record >= 0; record = records.next(record)) {
      const kind = records.get(record, headField) & kindMask;
      if (kind === kindSyn) {
        syn = record;
        end = record;
        sightings = 1;
      } else if (kind === kindSighting) {
        end = record;
        sightings++;
      }
    }
    if (syn < 0 || records.get(syn, ipIdField) !== packet.ipId) return;
    if (Math.abs(atNs - records.atNs(syn)) > 100e6 || sightings >= this.#limits.maxSightings) return;
    const record = records.take();
    if (record < 0) return;
    records.append(end, record);
    if (this.#words[at + lastRecordOf] === end) this.#words[at + lastRecordOf] = record;
    records.set(record, headField, kindSighting | placeBits(packet));
    records.set(record, sequenceField, packet.interfaceIndex);
    this.#words[at + bitsOf] = (this.#words[at + bitsOf] ?? 0) | dirty;
  }

  /**
   * Counts a packet, seen for the first time or again, where it was seen.
   * @param interfaceIndex -1: the capture does not tell
   * @returns index of the place; -1: there were too many
   */
  placed(slot: number, side: Side, packet: DecodedPacket, interfaceIndex: number): number {
    const at = slot * slotWords;
    const records = this.#records;
    const where = directionNumber(packet) | (this.#tunnelKind(packet.tunnel) << 8);
    this.#words[at + bitsOf] = (this.#words[at + bitsOf] ?? 0) | dirty;
    const count: RecordField = side === clientSide ? clientCountField : serverCountField;
    let last = -1;
    let index = 0;
    for (let record = this.#words[at + firstPlaceOf] ?? -1; record >= 0; record = records.next(record)) {
      if (records.get(record, placeField) === where && records.get(record, interfaceField) === interfaceIndex) {
        records.set(record, count, records.get(record, count) + 1);
        return index;
      }
      last = record;
      index++;
    }
    const record = index < maxPlaces ? records.take() : -1;
    if (record < 0) return -1;
    if (last < 0) this.#words[at + firstPlaceOf] = record;
    else records.append(last, record);
    records.set(record, placeField, where);
    records.set(record, interfaceField, interfaceIndex);
    records.set(record, count, 1);
    return index;
  }

  #tunnelKind(kind: string): number {
    if (kind === '') return 0;
    const known = this.#tunnelKinds.indexOf(kind);
    if (known >= 0) return known;
    return this.#tunnelKinds.length < maxTunnelKinds ? this.#tunnelKinds.push(kind) - 1 : 0;
  }

  /** Keeps the tunnel that a packet was in, for the first packet of the connection that was in one. */
  tunnelled(slot: number, side: Side, packet: DecodedPacket): void {
    const at = slot * slotWords + tunnelOf;
    if ((this.#words[at] ?? 0) >= 0) return;
    const id = packet.tunnelId < 0 ? null : packet.tunnelId;
    const version = packet.outerVersion;
    const ends = [
      addressText(version, packet.outerSource0, packet.outerSource1, packet.outerSource2, packet.outerSource3),
      addressText(
        version,
        packet.outerDestination0,
        packet.outerDestination1,
        packet.outerDestination2,
        packet.outerDestination3,
      ),
    ] as const;
    const outer =
      version === 0
        ? null
        : side === clientSide
          ? { source: ends[0], destination: ends[1] }
          : { source: ends[1], destination: ends[0] };
    this.#words[at] = this.#tunnel({ kind: packet.tunnel, outer, id });
  }

  #tunnel(tunnel: Tunnel): number {
    const key = `${tunnel.kind} ${tunnel.outer?.source} ${tunnel.outer?.destination} ${tunnel.id}`;
    const known = this.#tunnelIndexes.get(key);
    if (known !== undefined) return known;
    if (this.#tunnels.length >= maxTunnels) {
      if (this.#tunnels.length >= maxTunnels + maxTunnelKinds) return -1;
      if (tunnel.outer !== null || tunnel.id !== null)
        return this.#tunnel({ kind: tunnel.kind, outer: null, id: null });
    }
    const index = this.#tunnels.push(tunnel) - 1;
    this.#tunnelIndexes.set(key, index);
    return index;
  }

  /** An ICMP error returned a packet of the connection. */
  icmpError(slot: number, packet: DecodedPacket, fromClient: boolean, isAboutSize: boolean): void {
    const at = slot * slotWords;
    // One of this attempt's SYNs, or it was cut before its sequence number.
    const isAboutSyn =
      fromClient &&
      !isAboutSize &&
      (this.#words[at + synCountOf] ?? 0) > 0 &&
      (!packet.hasInnerSequence || packet.innerSequence === this.#words[at + isnOf]);
    const bits = isAboutSyn ? icmpAboutSyn | icmpAboutAny : icmpAboutAny;
    this.#words[at + bitsOf] = (this.#words[at + bitsOf] ?? 0) | bits | dirty;
  }

  /** Closed by both FINs after an answer, without a RST: may be let go when memory is short. */
  isDone(slot: number): boolean {
    const at = slot * slotWords;
    const fins = clientFin | serverFin;
    return (
      ((this.#words[at + bitsOf] ?? 0) & fins) === fins &&
      (this.#words[at + synAckCountOf] ?? 0) > 0 &&
      this.#words[at + resetCountOf] === 0
    );
  }

  /** Only SYNs of the client so far. */
  isHalfOpen(slot: number): boolean {
    const at = slot * slotWords;
    const bits = this.#words[at + bitsOf] ?? 0;
    return (
      (bits & used) !== 0 &&
      this.#words[at + packetsOf + serverSide] === 0 &&
      (bits & (clientAcked | icmpAboutAny)) === 0 &&
      (this.#words[at + synCountOf] ?? 0) > 0
    );
  }

  handshake(slot: number): Handshake {
    const at = slot * slotWords;
    const bits = this.#words[at + bitsOf] ?? 0;
    if (this.#words[at + synCountOf] === 0) return 'midStream';
    // The client acknowledges only what it was sent: the SYN+ACK came another way, past this capture.
    if ((bits & clientAcked) !== 0) return 'complete';
    if ((this.#words[at + synAckCountOf] ?? 0) > 0) return 'noFinalAck';
    if ((bits & refused) !== 0) return 'refused';
    if ((bits & icmpAboutSyn) !== 0) return 'icmpError';
    return (bits & challenged) !== 0 ? 'challengeAck' : 'unanswered';
  }

  /** Whether anything happened to a connection that somebody may want to see, without making its fact. */
  event(slot: number): ConnectionEvent {
    const at = slot * slotWords;
    const bits = this.#words[at + bitsOf] ?? 0;
    const handshake = this.handshake(slot);
    if (handshake === 'refused' || handshake === 'icmpError') return 'refused';
    if (handshake !== 'complete' && handshake !== 'midStream') return 'notOpened';
    if ((this.#words[at + resetCountOf] ?? 0) > 0) return 'reset';
    if ((bits & zeroWindowSeen) !== 0) return 'stalled';
    if ((bits & (notable | icmpAboutAny)) !== 0) return 'repeated';
    const fins = bits & (clientFin | serverFin);
    if (fins !== 0 && fins !== (clientFin | serverFin)) return 'repeated';
    return this.details.hasWaits(slot) ? 'waited' : 'none';
  }

  /** Segments that were sent again, of both sides. */
  retransmitted(slot: number): number {
    const at = slot * slotWords + retransmittedOf;
    return (this.#words[at] ?? 0) + (this.#words[at + 1] ?? 0);
  }

  outcome(slot: number): ServiceOutcome {
    const at = slot * slotWords;
    const handshake = this.handshake(slot);
    return {
      complete: handshake === 'complete',
      unanswered: handshake === 'unanswered',
      refused: handshake === 'refused',
      reset: handshake !== 'refused' && (this.#words[at + resetCountOf] ?? 0) > 0,
      packets: (this.#words[at + packetsOf] ?? 0) + (this.#words[at + packetsOf + 1] ?? 0),
      retransmitted: this.retransmitted(slot),
    };
  }

  /** Slots in use, in order of the connections' numbers. */
  inOrder(): Uint32Array {
    const slots = new Uint32Array(this.kept);
    if (this.#areInOrder) {
      for (let slot = 0; slot < this.slots; slot++) slots[slot] = slot;
      return slots;
    }
    const keys = new Float64Array(this.kept);
    let count = 0;
    for (let slot = 0; slot < this.slots; slot++) {
      if (this.isUsed(slot)) keys[count++] = this.number(slot) * 0x40_0000 + slot;
    }
    keys.sort();
    for (let i = 0; i < count; i++) slots[i] = (keys[i] ?? 0) % 0x40_0000;
    return slots;
  }

  #atMs(ns: number): number {
    const seconds = Math.floor(ns / 1e9);
    return (this.baseSeconds + seconds) * 1000 + (ns - seconds * 1e9) / 1e6;
  }

  /** The connection as rules see it: the same object until a packet changes something; never changed afterwards. */
  fact(slot: number): Connection {
    const at = slot * slotWords;
    const bits = this.#words[at + bitsOf] ?? 0;
    if (this.#facts === null) return this.#makeFact(slot, bits);
    const known = this.#facts[slot];
    if (known !== undefined && known !== null && (bits & dirty) === 0) return known;
    this.#words[at + bitsOf] = bits & ~dirty;
    const fact = this.#makeFact(slot, bits);
    this.#facts[slot] = fact;
    return fact;
  }

  #makeFact(slot: number, bits: number): Connection {
    const words = this.#words;
    const times = this.#times;
    const at = slot * slotWords;
    const time = slot * slotTimes;
    const word = (offset: number): number => words[at + offset] ?? 0;
    const ns = (offset: number): number => times[time + offset] ?? 0;
    const key = this.flows.key(slot);
    const hasSyn = word(synCountOf) > 0;
    const isn = (side: Side): number => this.states.isn(slot, side) ?? 0;
    const { flow, idleGaps } = this.details.facts(slot, isn(clientSide), isn(serverSide));
    const reuse = word(reuseNumberOf);
    return {
      number: word(numberOf),
      client: { address: addressText(key.version, ...key.client), port: key.clientPort },
      server: { address: addressText(key.version, ...key.server), port: key.serverPort },
      ...this.#lists(slot),
      handshake: this.handshake(slot),
      fins: { client: (bits & clientFin) !== 0, server: (bits & serverFin) !== 0 },
      bytes: { client: ns(bytesTime), server: ns(bytesTime + 1) },
      packets: { client: word(packetsOf), server: word(packetsOf + 1) },
      retransmitted: { client: word(retransmittedOf), server: word(retransmittedOf + 1) },
      options: {
        client: (bits & clientSawSyn) === 0 ? null : synOptions(word(optionsOf)),
        server: (bits & (clientSawSyn << 1)) === 0 ? null : synOptions(word(optionsOf + 1)),
      },
      flow,
      completeness: word(completenessOf),
      initialRttMs: ns(handshakeRttTime) < 0 || !hasSyn ? null : ns(handshakeRttTime) / 1e6,
      serverRttMs: ns(serverRttTime) < 0 || !hasSyn ? null : ns(serverRttTime) / 1e6,
      idleGaps,
      end: this.#end(slot, bits),
      portReuse: reuse < 0 ? null : { number: reuse, sinceMs: ns(reuseTime) / 1e6 },
      places: this.#places(slot),
      tunnel: word(tunnelOf) < 0 ? null : (this.#tunnels[word(tunnelOf)] ?? null),
      firstAtMs: this.#atMs(ns(firstTime)),
      lastAtMs: this.#atMs(ns(lastTime)),
    };
  }

  #lists(slot: number): {
    readonly syns: readonly Syn[];
    readonly synAcks: readonly SynAck[];
    readonly resets: readonly Reset[];
  } {
    const records = this.#records;
    const syns: Syn[] = [];
    const synAcks: SynAck[] = [];
    const resets: Reset[] = [];
    let sightings: Syn['sightings'][number][] = [];
    const isn = (this.#words[slot * slotWords + isnOf] ?? 0) >>> 0;
    let record = this.#words[slot * slotWords + firstRecordOf] ?? -1;
    for (; record >= 0; record = records.next(record)) {
      const head = records.get(record, headField);
      const kind = head & kindMask;
      if (kind === kindSighting) {
        sightings.push(this.#sighting(record));
        continue;
      }
      const atMs = this.#atMs(records.atNs(record));
      const frame = records.get(record, frameField);
      const ttl = (head >> 8) & 0xff;
      const tsval = (head & hasTsval) === 0 ? null : records.get(record, valueField) >>> 0;
      const ipId = records.get(record, ipIdField);
      if (kind === kindSyn) {
        sightings = [this.#sighting(record)];
        syns.push({ atMs, frame, sequence: isn, ipId, ttl, tsval, sightings });
      } else if (kind === kindSynAck) {
        synAcks.push({ atMs, frame, sequence: records.get(record, sequenceField) >>> 0, ttl, tsval });
      } else {
        resets.push({
          from: (head & fromServer) === 0 ? 'client' : 'server',
          atMs,
          ttl,
          frame,
          ack: (head & withAck) !== 0,
          answersSyn: (head & answersSyn) !== 0,
          ipId: ipId & 0xffff,
          ipIdBefore: (head & hasIpIdBefore) === 0 ? null : ipId >>> 16,
          sequence: sequences[(head >> sequenceShift) & 3] ?? 'unknown',
          afterMs: records.afterNs(record) / 1e6,
          unacknowledged: records.get(record, valueField),
        });
      }
    }
    return { syns, synAcks, resets };
  }

  #sighting(record: number): Syn['sightings'][number] {
    const index = this.#records.get(record, sequenceField);
    const head = this.#records.get(record, headField);
    const direction = directions[(head >> directionShift) & 3] ?? 'other';
    const inTunnel = (head & insideTunnel) === 0 ? {} : { inTunnel: true as const };
    return { interfaceIndex: index < 0 ? null : index, direction, ...inTunnel };
  }

  #places(slot: number): Place[] {
    const records = this.#records;
    const places: Place[] = [];
    let record = this.#words[slot * slotWords + firstPlaceOf] ?? -1;
    for (; record >= 0; record = records.next(record)) {
      const where = records.get(record, placeField);
      const index = records.get(record, interfaceField);
      places.push({
        interfaceIndex: index < 0 ? null : index,
        direction: directions[where & 3] ?? 'other',
        tunnel: this.#tunnelKinds[where >> 8] || null,
        client: records.get(record, clientCountField),
        server: records.get(record, serverCountField),
      });
    }
    return places;
  }

  #end(slot: number, bits: number): ConnectionEnd {
    const handshake = this.handshake(slot);
    if (handshake !== 'complete' && handshake !== 'midStream' && handshake !== 'noFinalAck') {
      return { how: 'neverOpened', by: null };
    }
    const fins = bits & (clientFin | serverFin);
    const how =
      (bits & aborted) !== 0 ? 'rst' : fins === (clientFin | serverFin) ? 'fin' : fins !== 0 ? 'halfClosed' : 'open';
    if (how === 'open') return { how, by: null };
    return { how, by: (bits & endedByServer) === 0 ? 'client' : 'server' };
  }
}

/** Where a SYN was seen, for the head of its record. */
function placeBits(packet: DecodedPacket): number {
  return (directionNumber(packet) << directionShift) | (packet.tunnel === '' ? 0 : insideTunnel);
}

function directionNumber(packet: DecodedPacket): 0 | 1 | 2 {
  return packet.direction === 'in' ? 0 : packet.direction === 'out' ? 1 : 2;
}

function packedOptions(packet: DecodedPacket): number {
  return (
    (packet.mss + 1) |
    ((packet.windowScale + 1) << mssBits) |
    (packet.sackPermitted ? sackBit : 0) |
    (packet.hasTimestamps ? timestampsBit : 0)
  );
}

function synOptions(packed: number): SynOptions {
  const mss = packed & (2 ** mssBits - 1);
  const scale = (packed >> mssBits) & (2 ** scaleBits - 1);
  return {
    mss: mss === 0 ? null : mss - 1,
    windowScale: scale === 0 ? null : scale - 1,
    sackPermitted: (packed & sackBit) !== 0,
    timestamps: (packed & timestampsBit) !== 0,
  };
}
