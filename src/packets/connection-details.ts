import type { Flow, IdleGap, Rtt, SizeClass } from '../model/packet-facts.ts';
import { type DecodedPacket, flagAck, flagFin, flagRst, flagSyn } from './decode-packet.ts';
import { EntryBudget } from './entry-budget.ts';
import { IdleGapList } from './idle-gap-list.ts';
import { SackHoles } from './sack-holes.ts';
import {
  tcpAnyRetransmission,
  tcpDuplicateAck,
  tcpFastRetransmission,
  tcpKeepAlive,
  tcpOutOfOrder,
  tcpSpuriousRetransmission,
  tcpWindowFull,
  tcpZeroWindowProbe,
} from './tcp-flags.ts';
import { SparseLists } from './sparse-lists.ts';
import { UnseenBytes } from './unseen-bytes.ts';
import { ZeroWindowList } from './zero-window-list.ts';

/**
 * Upper bounds of the size classes. Between them lie the payloads that the usual MTUs let through: IPv6's least (1280),
 * tunnels (1400 to 1480 less headers and options) and Ethernet (1448, 1460). The last class holds all that is larger.
 */
const sizeBounds: readonly number[] = [1, 536, 1220, 1340, 1400, 1440, 1460, 65_535];
const sizeClasses = 8;

/**
 * A silence from this on is an idle gap. Nothing that keeps time for a path forgets a connection sooner, and it is long
 * against round trips and the first repetitions (200 ms to 1 s); waits of timers that last longer are told apart.
 */
const idleMs = 5000;
/** A retransmission within this time of a SACK block answers it (as Wireshark's fast retransmission does a duplicate ACK). */
const fastWithinMs = 20;
/** Delayed ACKs: Linux 40 ms (TCP_DELACK_MIN) to 200 ms, Windows 200 ms; with some room at both ends. */
const stallFromMs = 35;
const stallToMs = 250;
/** What the ACK took beyond the shortest round trip: less may be the path. */
const stallBeyondRttMs = 30;
/** The segment that waited leaves within this time of the ACK. */
const stallEndsWithinMs = 10;
/** Without a SYN: below the MSS of every usual path, so that the segment was small. */
const smallWithoutMss = 1220;
/** The timestamp option, with padding, takes this much of the MSS (RFC 6691 2). */
const timestampBytes = 12;

const maxEntries = 131_072;

/*
 * Hot part: 40 words of 32 bits per slot; 18 for what the client sends, 18 for what the server sends, 4 for both.
 * `…Time` are offsets in units of 64 bits, `…Byte` of 8, the others of 32 bits. Times are milliseconds.
 */
const slotWords = 40;
const sideWords = 18;
const slotTimes = slotWords / 2;
const sideTimes = sideWords / 2;
/** When the segment was sent that an RTT is taken of. */
const timedTime = 0;
const rttSumTime = 1;
const finTime = 2;
/** Segments with payload per size class, modulo 256, one byte each. */
const sizesByte = 24;
const largest = 8;
/** Lowest and highest TTL in a byte each, then the bits below. */
const state = 9;
/** Retransmissions that are neither fast nor spurious. */
const timeouts = 10;
const rttSamples = 11;
/** 32-bit floats. */
const rttMin = 12;
const rttMax = 13;
/** The acknowledgement number that ends the RTT. */
const timedEnd = 14;
const finFrame = 15;
/** End of the highest segment. */
const next = 16;
/** Highest acknowledgement number. */
const acked = 17;
/** Of both sides: time of the last packet, row of rare counts (0: none), bits and lowest MSS (upper half). */
const lastTime = 18;
const row = 38;
const shared = 39;

/** Bits of a side, in `state`. */
const hasNext = 1 << 16;
const hasAcked = 1 << 17;
/** A segment is out whose ACK ends an RTT, and it was a small one. */
const timing = 1 << 18;
const timingSmall = 1 << 19;
const hasFin = 1 << 20;
/** Has sent a SYN+ACK. */
const sentSynAck = 1 << 21;
/** The last segment with payload filled the other side's window. */
const filledWindow = 1 << 22;
const windowShut = 1 << 23;
const hasZeroWindows = 1 << 24;
/** There are {@link SackHoles} of its data; a hole is open. */
const hasHoles = 1 << 25;
const openHoles = 1 << 26;
const hasUnseen = 1 << 27;
/** Its small segment was acknowledged late, and nothing came since. */
const stallPending = 1 << 28;
/** Its keep-alive was the last packet. */
const keepAliveAsks = 1 << 29;
/** Since its last keep-alive there was nothing but answers. */
const keepAliveRuns = 1 << 30;
const watchedOwn = windowShut | openHoles | hasUnseen | stallPending | keepAliveRuns;
const watchedPeer = windowShut | openHoles | hasUnseen | stallPending | keepAliveAsks | keepAliveRuns;
const noTtl = 255;

/** Bits of both sides, in `shared`. */
const isOpen = 1;
const isClosed = 2;
const hasIdleGaps = 4;
/** An idle gap ended, and the other side has not answered. */
const answerDue = 8;
const answerDueFromServer = 16;

/*
 * Rare counts: rows of 64 words, 32 per side, of connections where something went wrong or that are large.
 */
const rowWords = 64;
const rowSideWords = 32;
/** By size class: segments with payload that were repeated; those that were sent, in units of 256. */
const resentBySize = 0;
const sentBySize = 8;
const fast = 16;
const spurious = 17;
const unseenOriginal = 18;
const outOfOrder = 19;
const duplicateAcks = 20;
const gaps = 21;
const windowFull = 22;
const probes = 23;
const keepAlives = 24;
const keepAlivesAnswered = 25;
/** 32-bit floats; the interval is 0 where there is none. */
const keepAliveInterval = 26;
const stalls = 27;
const stallLongest = 28;
const stallNow = 29;
/** In units of 64 bits. */
const keepAliveTime = 15;

/**
 * What is known of each connection and direction, by the slot number that the caller gives. Ordinary packets change a
 * few numbers in typed arrays (160 bytes per slot); where something goes wrong there are 256 bytes more, and lists,
 * which are bounded per connection and, all together, by 131 072 entries.
 *
 * - A retransmission is `fast` also when it comes within 20 ms of an ACK with a SACK block: with SACK the later holes
 *   of one loss are not announced by duplicate ACKs for them.
 * - `unseenOriginal` counts those that fill a gap in what this capture saw. What was sent before the capture began is
 *   not known and not counted, nor what the other side had acknowledged without it.
 * - RTT: one segment at a time per side, SYN and FIN included, from its sending to the first acknowledgement number
 *   that covers it. It is given up when anything is sent again or out of order meanwhile: later ACKs wait for that.
 * - A keep-alive while the other side's window is shut is a zero-window probe, also on a connection whose data was sent
 *   before the capture began, and one with a byte that was never
 *   acknowledged is a retransmission of that byte.
 * - Idle gaps last at least 5 s and do not end with a SYN, a retransmission or a zero-window probe: those are waits
 *   of a timer. They are looked for from the first packet after the SYNs to the RST or the second FIN.
 */
export class ConnectionDetails {
  #words = new Int32Array(0);
  /** The same bytes. */
  #times = new Float64Array(0);
  #floats = new Float32Array(0);
  #bytes = new Uint8Array(0);

  /** Row 0 belongs to nobody and stays zero. */
  #rows = new Int32Array(rowWords);
  #rowTimes = new Float64Array(0);
  #rowFloats = new Float32Array(rowWords);
  #rowsUsed = 0;
  readonly #freeRows: number[] = [];

  readonly #budget: EntryBudget;
  /** By slot · 2 + side of the data, of the window. */
  readonly #holes: SparseLists<SackHoles>;
  readonly #unseen: SparseLists<UnseenBytes>;
  readonly #zeroWindows: SparseLists<ZeroWindowList>;
  /** By slot. */
  readonly #idleGaps: SparseLists<IdleGapList>;

  /** @param limit entries of all lists together; default 131 072 (up to about 150 bytes each) */
  constructor(limit: number = maxEntries) {
    const budget = new EntryBudget(limit);
    this.#budget = budget;
    this.#holes = new SparseLists(budget, (all) => new SackHoles(all));
    this.#unseen = new SparseLists(budget, (all) => new UnseenBytes(all));
    this.#zeroWindows = new SparseLists(budget, (all) => new ZeroWindowList(all));
    this.#idleGaps = new SparseLists(budget, (all) => new IdleGapList(all));
  }

  /** Holes, ranges, zero windows and idle gaps that were not kept because of the bounds. */
  get dropped(): number {
    return this.#budget.dropped;
  }

  /** A new connection begins in this slot: nothing is known of it. */
  open(slot: number): void {
    const at = slot * slotWords;
    if (at >= this.#words.length) this.grow(Math.max(1024, slot * 2));
    this.release(slot);
    this.#words.fill(0, at, at + slotWords);
    this.#words[at + state] = noTtl;
    this.#words[at + sideWords + state] = noTtl;
  }

  /** The connection of this slot is let go. */
  release(slot: number): void {
    const words = this.#words;
    const at = slot * slotWords;
    if (at >= words.length) return;
    const used = words[at + row] ?? 0;
    if (used !== 0) {
      this.#freeRows.push(used);
      words[at + row] = 0;
    }
    if (((words[at + shared] ?? 0) & hasIdleGaps) !== 0) {
      this.#idleGaps.drop(slot);
      words[at + shared] = 0;
    }
    this.#releaseSide(slot, 0);
    this.#releaseSide(slot, 1);
  }

  #releaseSide(slot: number, side: 0 | 1): void {
    const at = slot * slotWords + side * sideWords + state;
    const bits = this.#words[at] ?? 0;
    if ((bits & (hasHoles | hasUnseen | hasZeroWindows)) === 0) return;
    const key = slot * 2 + side;
    this.#holes.drop(key);
    this.#unseen.drop(key);
    this.#zeroWindows.drop(key);
    this.#words[at] = noTtl;
  }

  /** Whether it has silences, delayed-ACK stalls or SACK holes: things that rules look for where all else went well. */
  hasWaits(slot: number): boolean {
    const words = this.#words;
    const at = slot * slotWords;
    const bits = (words[at + state] ?? 0) | (words[at + sideWords + state] ?? 0);
    if (((words[at + shared] ?? 0) & hasIdleGaps) !== 0 || (bits & hasHoles) !== 0) return true;
    const counts = (words[at + row] ?? 0) * rowWords;
    return (this.#rows[counts + stalls] ?? 0) + (this.#rows[counts + rowSideWords + stalls] ?? 0) > 0;
  }

  /** Makes room for slots 0 to `slots` - 1. Memory that no slot has touched yet is not resident. */
  grow(slots: number): void {
    const words = new Int32Array(slots * slotWords);
    words.set(this.#words);
    this.#words = words;
    this.#times = new Float64Array(words.buffer);
    this.#floats = new Float32Array(words.buffer);
    this.#bytes = new Uint8Array(words.buffer);
  }

  /**
   * Takes one TCP packet that is not a second sighting of the one before; in the order of the capture.
   *
   * @param side 0: from the client, 1: from the server
   * @param verdicts bits of `analyseSegment`
   */
  segment(slot: number, side: 0 | 1, packet: DecodedPacket, verdicts: number, frame: number, atMs: number): void {
    const words = this.#words;
    const times = this.#times;
    const both = slot * slotWords;
    const own = both + side * sideWords;
    const peer = both + sideWords - side * sideWords;
    const flags = packet.flags;
    const ttl = packet.ttl;
    const lastAt = slot * slotTimes + lastTime;
    const lastMs = times[lastAt] ?? 0;
    times[lastAt] = atMs;

    const bits = words[both + shared] ?? 0;
    if (
      verdicts !== 0 ||
      packet.sackBlocks !== 0 ||
      (flags & flagRst) !== 0 ||
      (bits & answerDue) !== 0 ||
      ((words[own + state] ?? 0) & watchedOwn) !== 0 ||
      ((words[peer + state] ?? 0) & watchedPeer) !== 0 ||
      (atMs - lastMs >= idleMs && (bits & isOpen) !== 0)
    ) {
      this.#notice(slot, side, packet, verdicts, frame, atMs, lastMs);
    }
    if ((flags & (flagSyn | flagFin | flagRst)) !== 0 || (bits & isOpen) === 0) {
      this.#mark(slot, side, packet, frame, atMs);
      if ((flags & flagRst) !== 0) return;
    }

    let mine = words[own + state] ?? 0;
    if (ttl < (mine & 255)) mine = (mine & ~255) | ttl;
    if (ttl > ((mine >>> 8) & 255)) mine = (mine & ~0xff00) | (ttl << 8);

    if ((flags & flagAck) !== 0) {
      const ack = packet.acknowledgement;
      const theirs = words[peer + state] ?? 0;
      if ((theirs & timing) !== 0 && ((ack - (words[peer + timedEnd] ?? 0)) | 0) >= 0) {
        words[peer + state] = theirs & ~(timing | timingSmall);
        // More than was sent: the challenge ACK of an old connection, or the capture has not seen all.
        if (((ack - (words[peer + next] ?? 0)) | 0) <= 0) this.#sample(slot, side, packet, theirs, atMs, lastMs);
      }
      if ((mine & hasAcked) === 0 || ((ack - (words[own + acked] ?? 0)) | 0) > 0) {
        words[own + acked] = ack;
        mine |= hasAcked;
      }
    }

    const length = packet.payloadLength;
    if (length > 0) {
      if (length > (words[own + largest] ?? 0)) words[own + largest] = length;
      const sizes = own * 4 + sizesByte + sizeClassOf(length);
      const count = (this.#bytes[sizes] ?? 0) + 1;
      this.#bytes[sizes] = count;
      if (count === 256) {
        const at = this.#row(slot, side) + sentBySize + sizeClassOf(length);
        this.#rows[at] = (this.#rows[at] ?? 0) + 1;
      }
      if ((verdicts & tcpWindowFull) !== 0) mine |= filledWindow;
      else mine &= ~filledWindow;
    } else if (length < 0) {
      // Cut in its header, or a fragment: it is not known where it ends.
      words[own + state] = mine;
      return;
    }

    const synFin = (flags & (flagSyn | flagFin)) === 0 ? 0 : 1;
    const end = (packet.sequence + length + synFin) | 0;
    const reached = words[own + next] ?? 0;
    const begins = (mine & hasNext) === 0;
    if (begins || (((end - reached) | 0) > 0 && (verdicts & tcpZeroWindowProbe) === 0)) {
      words[own + next] = end;
      mine |= hasNext;
      const isNew = begins || ((packet.sequence - reached) | 0) >= 0;
      if ((mine & timing) === 0 && length + synFin > 0 && isNew) {
        // A server may leave the data of a SYN alone (RFC 7413 4.2).
        const endsAt = (flags & flagSyn) === 0 ? end : (packet.sequence + 1) | 0;
        // Some captures have the ACK before the segment.
        if (((words[peer + state] ?? 0) & hasAcked) === 0 || (((words[peer + acked] ?? 0) - endsAt) | 0) < 0) {
          words[own + timedEnd] = endsAt;
          times[slot * slotTimes + side * sideTimes + timedTime] = atMs;
          mine |= timing;
          const mss = (words[both + shared] ?? 0) >>> 16;
          if (synFin === 0 && length < (mss === 0 ? smallWithoutMss : mss - timestampBytes)) mine |= timingSmall;
        }
      }
    }
    words[own + state] = mine;
  }

  /** An ACK of `side` ended the RTT of the other. */
  #sample(slot: number, side: 0 | 1, packet: DecodedPacket, theirs: number, atMs: number, lastMs: number): void {
    const words = this.#words;
    const times = this.#times;
    const floats = this.#floats;
    const peer = slot * slotWords + sideWords - side * sideWords;
    const peerTimes = slot * slotTimes + sideTimes - side * sideTimes;
    const sentMs = times[peerTimes + timedTime] ?? 0;
    const ms = atMs - sentMs;
    // Clocks may be set while a capture runs.
    if (!(ms >= 0)) return;
    const samples = words[peer + rttSamples] ?? 0;
    const least = floats[peer + rttMin] ?? 0;
    words[peer + rttSamples] = samples + 1;
    times[peerTimes + rttSumTime] = (times[peerTimes + rttSumTime] ?? 0) + ms;
    if (samples === 0 || ms < least) floats[peer + rttMin] = ms;
    if (ms > (floats[peer + rttMax] ?? 0)) floats[peer + rttMax] = ms;
    if (
      ms >= stallFromMs &&
      ms <= stallToMs &&
      (theirs & (timingSmall | filledWindow)) === timingSmall &&
      packet.payloadLength === 0 &&
      (packet.flags & (flagSyn | flagFin)) === 0 &&
      // Nothing came between, and all that was sent is acknowledged.
      lastMs === sentMs &&
      packet.acknowledgement === words[peer + next] &&
      samples > 0 &&
      ms - least >= stallBeyondRttMs
    ) {
      words[peer + state] = (words[peer + state] ?? 0) | stallPending;
      this.#rowFloats[this.#row(slot, side === 0 ? 1 : 0) + stallNow] = ms;
    }
  }

  /** What is not ordinary about a packet, before the packet counts. */
  #notice(
    slot: number,
    side: 0 | 1,
    packet: DecodedPacket,
    verdicts: number,
    frame: number,
    atMs: number,
    lastMs: number,
  ): void {
    const words = this.#words;
    const both = slot * slotWords;
    const own = both + side * sideWords;
    const peer = both + sideWords - side * sideWords;
    const flags = packet.flags;
    const isReset = (flags & flagRst) !== 0;
    const length = isReset ? 0 : Math.max(0, packet.payloadLength);
    const end = (packet.sequence + length + ((flags & (flagSyn | flagFin)) === 0 ? 0 : 1)) | 0;
    let mine = words[own + state] ?? 0;
    let theirs = words[peer + state] ?? 0;

    const isBareAck = length === 0 && (flags & (flagSyn | flagFin | flagRst)) === 0;
    // Linux asks with the last byte's number again (net/ipv4/tcp_output.c, tcp_xmit_probe_skb). Where the data itself was
    // sent before the capture began, only what is acknowledged tells that.
    const asksAgain =
      isBareAck && (theirs & hasAcked) !== 0 && ((packet.sequence + 1 - (words[peer + acked] ?? 0)) | 0) === 0;
    const isProbe =
      (verdicts & tcpZeroWindowProbe) !== 0 ||
      (((verdicts & tcpKeepAlive) !== 0 || asksAgain) && (theirs & windowShut) !== 0);
    const repeatsByte =
      length === 1 && (theirs & hasAcked) !== 0 && ((end - (words[peer + acked] ?? 0)) | 0) > 0 && !isProbe;
    const isKeepAlive = (verdicts & tcpKeepAlive) !== 0 && !isProbe && !repeatsByte;
    // In a simultaneous open the SYN+ACK has the sequence number of the SYN (RFC 9293 3.5). After the challenge ACK of an
    // old connection (RFC 5961 4) it may look like a repetition as well, and so may what follows: it is not below `next`.
    const isFirstSynAck = (flags & (flagSyn | flagAck)) === (flagSyn | flagAck) && (mine & sentSynAck) === 0;
    const isBelow = (mine & hasNext) === 0 || ((packet.sequence - (words[own + next] ?? 0)) | 0) < 0;
    const isRepeated =
      isBelow &&
      !isReset &&
      !isFirstSynAck &&
      !isKeepAlive &&
      !isProbe &&
      ((verdicts & tcpAnyRetransmission) !== 0 || ((verdicts & tcpKeepAlive) !== 0 && repeatsByte));

    this.#noticeSilence(slot, side, flags, length, isKeepAlive, isRepeated || isProbe, frame, atMs, lastMs);

    if ((mine & stallPending) !== 0) {
      mine &= ~stallPending;
      if (length > 0 && !isRepeated && atMs - lastMs <= stallEndsWithinMs) {
        const at = this.#row(slot, side);
        const floats = this.#rowFloats;
        this.#rows[at + stalls] = (this.#rows[at + stalls] ?? 0) + 1;
        floats[at + stallLongest] = Math.max(floats[at + stallLongest] ?? 0, floats[at + stallNow] ?? 0);
      }
    }
    theirs &= ~stallPending;

    if ((theirs & keepAliveAsks) !== 0) {
      theirs &= ~keepAliveAsks;
      if (!isReset) this.#count(slot, side === 0 ? 1 : 0, keepAlivesAnswered);
    }
    if (!isBareAck || isKeepAlive) theirs &= ~keepAliveRuns;
    if (isKeepAlive) {
      const at = this.#row(slot, side);
      const time = (at >> 1) + keepAliveTime;
      const sinceMs = atMs - (this.#rowTimes[time] ?? 0);
      const shortest = this.#rowFloats[at + keepAliveInterval] ?? 0;
      if ((mine & keepAliveRuns) !== 0 && sinceMs > 0 && (shortest === 0 || sinceMs < shortest)) {
        this.#rowFloats[at + keepAliveInterval] = sinceMs;
      }
      this.#rowTimes[time] = atMs;
      this.#rows[at + keepAlives] = (this.#rows[at + keepAlives] ?? 0) + 1;
      mine |= keepAliveRuns | keepAliveAsks;
    } else mine &= ~(keepAliveRuns | keepAliveAsks);

    if (isRepeated) {
      this.#repeated(slot, side, packet, verdicts, length, end, mine, atMs);
      mine &= ~(timing | timingSmall);
    } else if (isBelow && (verdicts & tcpOutOfOrder) !== 0 && !isReset && !isFirstSynAck) {
      this.#count(slot, side, outOfOrder);
      mine &= ~(timing | timingSmall);
    }
    if ((verdicts & tcpDuplicateAck) !== 0) this.#count(slot, side, duplicateAcks);
    if ((verdicts & tcpWindowFull) !== 0) this.#count(slot, side, windowFull);
    if (isProbe) this.#count(slot, side, probes);

    if ((flags & flagSyn) === 0 && !isReset && !isProbe) {
      mine = this.#noticeRange(slot, side, packet, length, mine, end);
    }

    if ((mine & openHoles) !== 0 && length > 0 && (verdicts & tcpOutOfOrder) === 0 && !isProbe) {
      if (((packet.sequence - (words[own + next] ?? 0)) | 0) < 0)
        this.#holes.get(slot * 2 + side)?.resent(packet.sequence, end);
    }
    if ((flags & (flagAck | flagRst | flagSyn)) === flagAck) {
      theirs = this.#noticeAck(slot, side, packet, theirs, frame, atMs);
      mine = this.#noticeWindow(slot, side, packet, mine, theirs, frame, atMs);
    }
    if ((theirs & windowShut) !== 0 && (isProbe || length > 0)) {
      this.#zeroWindows.get(slot * 2 + 1 - side)?.asked(isProbe);
    }

    words[own + state] = mine;
    words[peer + state] = theirs;
  }

  /** How far the connection is: SYNs with their MSS, the first packet after them, FINs, RST. */
  #mark(slot: number, side: 0 | 1, packet: DecodedPacket, frame: number, atMs: number): void {
    const words = this.#words;
    const both = slot * slotWords;
    const own = both + side * sideWords;
    const peer = both + sideWords - side * sideWords;
    const flags = packet.flags;
    const bits = words[both + shared] ?? 0;
    if ((flags & flagRst) !== 0) {
      words[both + shared] = bits | isClosed;
      return;
    }
    let mine = words[own + state] ?? 0;
    if ((flags & flagSyn) !== 0) {
      if ((flags & flagAck) !== 0 && (mine & sentSynAck) === 0) {
        // What the side said before was not about this connection.
        mine |= sentSynAck | hasAcked;
        words[own + acked] = packet.acknowledgement;
        if (((packet.sequence + 1 - (words[own + next] ?? 0)) | 0) !== 0) mine &= ~(hasNext | timing | timingSmall);
        words[own + state] = mine;
      }
      const mss = packet.mss;
      const lowest = bits >>> 16;
      if (mss > 0 && (lowest === 0 || mss < lowest)) words[both + shared] = (bits & 0xffff) | (mss << 16);
      return;
    }
    if ((flags & flagAck) !== 0) words[both + shared] = bits | isOpen;
    if ((flags & flagFin) === 0) return;
    if ((mine & hasFin) === 0) {
      words[own + state] = mine | hasFin;
      words[own + finFrame] = frame;
      this.#times[slot * slotTimes + side * sideTimes + finTime] = atMs;
    }
    if (((words[peer + state] ?? 0) & hasFin) !== 0) words[both + shared] = (words[both + shared] ?? 0) | isClosed;
  }

  #noticeSilence(
    slot: number,
    side: 0 | 1,
    flags: number,
    length: number,
    isKeepAlive: boolean,
    isTimer: boolean,
    frame: number,
    atMs: number,
    lastMs: number,
  ): void {
    const words = this.#words;
    const at = slot * slotWords + shared;
    let bits = words[at] ?? 0;
    const isReset = (flags & flagRst) !== 0;
    if ((bits & (isOpen | isClosed)) === isOpen && atMs - lastMs >= idleMs && (flags & flagSyn) === 0 && !isTimer) {
      this.#idleGaps.need(slot)?.add({
        fromMs: lastMs,
        idleMs: toMicroseconds(atMs - lastMs),
        endedBy: side === 0 ? 'client' : 'server',
        with: isReset
          ? 'rst'
          : (flags & flagFin) !== 0
            ? 'fin'
            : isKeepAlive
              ? 'keepAlive'
              : length > 0
                ? 'data'
                : 'ack',
        frame,
      });
      bits |= hasIdleGaps | answerDue;
      if (side === 0) bits |= answerDueFromServer;
      else bits &= ~answerDueFromServer;
    } else if ((bits & answerDue) !== 0 && ((bits & answerDueFromServer) !== 0 ? 1 : 0) === side) {
      this.#idleGaps.get(slot)?.answered(isReset ? 'rst' : 'ack');
      bits &= ~answerDue;
    }
    words[at] = bits;
  }

  #repeated(
    slot: number,
    side: 0 | 1,
    packet: DecodedPacket,
    verdicts: number,
    length: number,
    end: number,
    mine: number,
    atMs: number,
  ): void {
    const key = slot * 2 + side;
    if ((verdicts & tcpSpuriousRetransmission) !== 0) this.#count(slot, side, spurious);
    else {
      const sackMs = (mine & hasHoles) === 0 ? Number.NEGATIVE_INFINITY : (this.#holes.get(key)?.lastSackMs ?? 0);
      if ((verdicts & tcpFastRetransmission) !== 0 || (length > 0 && atMs - sackMs <= fastWithinMs)) {
        this.#count(slot, side, fast);
      } else {
        const at = slot * slotWords + side * sideWords + timeouts;
        this.#words[at] = (this.#words[at] ?? 0) + 1;
      }
      if ((mine & hasUnseen) !== 0 && this.#unseen.get(key)?.has(packet.sequence, end) === true) {
        this.#count(slot, side, unseenOriginal);
      }
    }
    if (length > 0) this.#count(slot, side, resentBySize + sizeClassOf(length));
  }

  /** What this capture has not seen of the bytes below. */
  #noticeRange(slot: number, side: 0 | 1, packet: DecodedPacket, length: number, before: number, end: number): number {
    const key = slot * 2 + side;
    const reached = this.#words[slot * slotWords + side * sideWords + next] ?? 0;
    let mine = before;
    if ((mine & hasNext) !== 0 && ((packet.sequence - reached) | 0) > 0) {
      this.#count(slot, side, gaps);
      this.#unseen.need(key)?.add(reached, packet.sequence);
      mine |= hasUnseen;
    } else if ((mine & hasUnseen) !== 0 && length > 0) {
      const list = this.#unseen.get(key);
      list?.fill(packet.sequence, end);
      if (list?.isEmpty !== false) mine = this.#forgetUnseen(key, mine);
    }
    return mine;
  }

  #forgetUnseen(key: number, bits: number): number {
    this.#unseen.drop(key);
    return bits & ~hasUnseen;
  }

  /** What the acknowledgement of `side` says of the other side's data. */
  #noticeAck(slot: number, side: 0 | 1, packet: DecodedPacket, before: number, frame: number, atMs: number): number {
    const key = slot * 2 + 1 - side;
    let theirs = before;
    if (packet.sackBlocks > 0 || (theirs & openHoles) !== 0) {
      const holes = this.#holes.need(key);
      const reached = this.#words[slot * slotWords + sideWords - side * sideWords + next] ?? 0;
      const unseen = (theirs & hasUnseen) === 0 ? undefined : this.#unseen.get(key);
      holes?.acknowledged(packet, (theirs & hasNext) === 0 ? null : reached, unseen, frame, atMs);
      if (holes !== undefined) theirs |= hasHoles;
      if (holes?.isOpen === true) theirs |= openHoles;
      else theirs &= ~openHoles;
    }
    if ((theirs & hasUnseen) !== 0) {
      const list = this.#unseen.get(key);
      list?.forgetBelow(packet.acknowledgement);
      if (list?.isEmpty !== false) theirs = this.#forgetUnseen(key, theirs);
    }
    return theirs;
  }

  #noticeWindow(
    slot: number,
    side: 0 | 1,
    packet: DecodedPacket,
    mine: number,
    theirs: number,
    frame: number,
    atMs: number,
  ): number {
    const newest = this.#words[slot * slotWords + side * sideWords + acked] ?? 0;
    // A segment that was overtaken tells of a window that was.
    if ((mine & hasAcked) !== 0 && ((packet.acknowledgement - newest) | 0) < 0) return mine;
    const key = slot * 2 + side;
    if (packet.window === 0) {
      if ((mine & windowShut) !== 0 || (packet.flags & flagFin) !== 0) return mine;
      const zeroWindows = this.#zeroWindows.need(key);
      zeroWindows?.shut(atMs, frame, (theirs & filledWindow) !== 0);
      // the first that is seen of it may be the answer to a probe
      const asked = this.#words[slot * slotWords + sideWords - side * sideWords + next] ?? 0;
      if ((theirs & hasNext) !== 0 && ((packet.acknowledgement - 1 - asked) | 0) === 0) zeroWindows?.asked(true);
      return mine | windowShut | hasZeroWindows;
    }
    if ((mine & windowShut) === 0) return mine;
    this.#zeroWindows.get(key)?.opened(atMs);
    return mine & ~windowShut;
  }

  #count(slot: number, side: 0 | 1, which: number): void {
    const at = this.#row(slot, side) + which;
    this.#rows[at] = (this.#rows[at] ?? 0) + 1;
  }

  /** Where the rare counts of a side begin; makes room for them at first need. */
  #row(slot: number, side: 0 | 1): number {
    const words = this.#words;
    let used = words[slot * slotWords + row] ?? 0;
    if (used === 0) {
      used = this.#freeRows.pop() ?? ++this.#rowsUsed;
      words[slot * slotWords + row] = used;
      if ((used + 1) * rowWords > this.#rows.length) {
        const rows = new Int32Array(Math.max(256 * rowWords, this.#rows.length * 2));
        rows.set(this.#rows);
        this.#rows = rows;
        this.#rowTimes = new Float64Array(rows.buffer);
        this.#rowFloats = new Float32Array(rows.buffer);
      }
      this.#rows.fill(0, used * rowWords, (used + 1) * rowWords);
    }
    return used * rowWords + side * rowSideWords;
  }

  /**
   * What is known so far of a slot that is open. Later packets do not change it.
   * @param isnClient initial sequence number of the client as a signed word, or what is taken for it
   * @param isnServer the same of the server
   */
  facts(
    slot: number,
    isnClient: number,
    isnServer: number,
  ): { readonly flow: { readonly client: Flow; readonly server: Flow }; readonly idleGaps: readonly IdleGap[] } {
    const hasGaps = ((this.#words[slot * slotWords + shared] ?? 0) & hasIdleGaps) !== 0;
    return {
      flow: { client: this.#flow(slot, 0, isnClient), server: this.#flow(slot, 1, isnServer) },
      idleGaps: (hasGaps ? this.#idleGaps.get(slot)?.facts() : undefined) ?? none,
    };
  }

  #flow(slot: number, side: 0 | 1, isn: number): Flow {
    const words = this.#words;
    const own = slot * slotWords + side * sideWords;
    const bits = words[own + state] ?? 0;
    const rows = this.#rows;
    const at = (words[slot * slotWords + row] ?? 0) * rowWords + side * rowSideWords;
    const key = slot * 2 + side;

    const bySize: SizeClass[] = [];
    let dataSegments = 0;
    for (let i = 0; i < sizeClasses; i++) {
      const sent = (this.#bytes[own * 4 + sizesByte + i] ?? 0) + (rows[at + sentBySize + i] ?? 0) * 256;
      if (sent === 0) continue;
      dataSegments += sent;
      bySize.push({ upTo: sizeBounds[i] ?? 0, sent, retransmitted: rows[at + resentBySize + i] ?? 0 });
    }
    const timeout = words[own + timeouts] ?? 0;
    return {
      dataSegments,
      largestPayload: words[own + largest] ?? 0,
      retransmissions:
        at < rowWords && timeout === 0
          ? noRetransmissions
          : {
              fast: rows[at + fast] ?? 0,
              spurious: rows[at + spurious] ?? 0,
              timeout,
              unseenOriginal: rows[at + unseenOriginal] ?? 0,
            },
      outOfOrder: rows[at + outOfOrder] ?? 0,
      duplicateAcks: rows[at + duplicateAcks] ?? 0,
      gaps: rows[at + gaps] ?? 0,
      bySize,
      rtt: this.#rtt(slot, side),
      ttl: (bits & 255) > ((bits >>> 8) & 255) ? null : { min: bits & 255, max: (bits >>> 8) & 255 },
      zeroWindows: ((bits & hasZeroWindows) === 0 ? undefined : this.#zeroWindows.get(key)?.facts()) ?? none,
      windowFull: rows[at + windowFull] ?? 0,
      zeroWindowProbes: rows[at + probes] ?? 0,
      keepAlives: this.#keepAlives(at),
      holes: ((bits & hasHoles) === 0 ? undefined : this.#holes.get(key)?.facts(isn)) ?? none,
      delayedAckStalls:
        rows[at + stalls] === 0
          ? null
          : { count: rows[at + stalls] ?? 0, longestMs: toMicroseconds(this.#rowFloats[at + stallLongest] ?? 0) },
      fin:
        (bits & hasFin) === 0
          ? null
          : {
              atMs: this.#times[slot * slotTimes + side * sideTimes + finTime] ?? 0,
              frame: (words[own + finFrame] ?? 0) >>> 0,
            },
    };
  }

  #rtt(slot: number, side: 0 | 1): Rtt | null {
    const own = slot * slotWords + side * sideWords;
    const samples = this.#words[own + rttSamples] ?? 0;
    if (samples === 0) return null;
    const sumMs = this.#times[slot * slotTimes + side * sideTimes + rttSumTime] ?? 0;
    return {
      samples,
      minMs: toMicroseconds(this.#floats[own + rttMin] ?? 0),
      meanMs: toMicroseconds(sumMs / samples),
      maxMs: toMicroseconds(this.#floats[own + rttMax] ?? 0),
    };
  }

  #keepAlives(at: number): Flow['keepAlives'] {
    const count = this.#rows[at + keepAlives] ?? 0;
    if (count === 0) return null;
    const intervalMs = toMicroseconds(this.#rowFloats[at + keepAliveInterval] ?? 0);
    return {
      count,
      answered: this.#rows[at + keepAlivesAnswered] ?? 0,
      intervalMs: intervalMs === 0 ? null : intervalMs,
    };
  }
}

const none: readonly never[] = [];
const noRetransmissions: Flow['retransmissions'] = { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 };

/** Clocks of captures do not tell less. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Index into {@link sizeBounds}. */
function sizeClassOf(length: number): number {
  if (length > 1440) return length > 1460 ? 7 : 6;
  if (length <= 536) return length > 1 ? 1 : 0;
  if (length <= 1220) return 2;
  return length <= 1340 ? 3 : length <= 1400 ? 4 : 5;
}
