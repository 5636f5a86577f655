import { type DecodedPacket, flagAck, flagFin, flagRst, flagSyn } from './decode-packet.ts';

/**
 * `wireshark`: the verdicts of tshark 4.0, frame by frame, mistakes included. `netcheck`: the same rules with three
 * deviations (see {@link analyseSegment}).
 */
export type FlagMode = 'wireshark' | 'netcheck';

/** One bit per verdict; {@link flagNames} gives Wireshark's names. */
export const tcpRetransmission = 1 << 0;
export const tcpFastRetransmission = 1 << 1;
export const tcpSpuriousRetransmission = 1 << 2;
export const tcpOutOfOrder = 1 << 3;
export const tcpLostSegment = 1 << 4;
export const tcpAckLostSegment = 1 << 5;
export const tcpDuplicateAck = 1 << 6;
export const tcpWindowUpdate = 1 << 7;
export const tcpWindowFull = 1 << 8;
export const tcpZeroWindow = 1 << 9;
export const tcpZeroWindowProbe = 1 << 10;
export const tcpZeroWindowProbeAck = 1 << 11;
export const tcpKeepAlive = 1 << 12;
export const tcpKeepAliveAck = 1 << 13;
export const tcpReusedPorts = 1 << 14;
export const tcpFastOpenSyn = 1 << 15;
export const tcpFastOpenAck = 1 << 16;
export const tcpFastOpenIgnored = 1 << 17;

/** The segment repeats bytes (or a SYN or FIN) that were sent before. */
export const tcpAnyRetransmission = tcpRetransmission | tcpFastRetransmission | tcpSpuriousRetransmission;

/** Wireshark's names of the bits above without `tcp.analysis.`, in their order. */
export const verdictNames: readonly string[] = [
  'retransmission',
  'fast_retransmission',
  'spurious_retransmission',
  'out_of_order',
  'lost_segment',
  'ack_lost_segment',
  'duplicate_ack',
  'window_update',
  'window_full',
  'zero_window',
  'zero_window_probe',
  'zero_window_probe_ack',
  'keep_alive',
  'keep_alive_ack',
  'reused_ports',
  'tfo_syn',
  'tfo_ack',
  'tfo_ignored',
];

/** The names of some bits, in their order; a fast or spurious one is a retransmission, too. */
export function flagNames(verdicts: number): string[] {
  if (verdicts === 0) return [];
  const bits = (verdicts & tcpAnyRetransmission) === 0 ? verdicts : verdicts | tcpRetransmission;
  const found: string[] = [];
  for (let i = 0; i < verdictNames.length; i++) {
    const name = verdictNames[i];
    if (name !== undefined && (bits & (1 << i)) !== 0) found.push(name);
  }
  return found;
}

/** Byte ranges below `nextSequence` that this capture has not seen are kept up to this many per direction. */
const maxHoles = 32;
/** Directions that have such ranges at once; the oldest is forgotten beyond. */
const maxHoleLists = 32_768;
/** Numbers per range: start, end, and when it opened, ns. */
const holeNumbers = 3;

/*
 * Layout of {@link TcpStates}: 32 words of 32 bits per slot, 14 for what the client sends, 14 for what the server
 * sends, and 4 for both. `…Time` are offsets in units of 64 bits, the others in words. Sequence numbers are signed words.
 */
const slotWords = 32;
const slotTimes = 16;
const sideWords = 14;
const sideTimes = 7;
/** Time at which `nextSequence` moved, ns. */
const nextSequenceTime = 0;
/** Time of the last packet, ns. */
const lastAckTime = 1;
/** Initial sequence number, or the first one seen minus one; valid with `hasBase`. */
const base = 4;
/** End of the highest segment seen; 0: nothing seen yet, as in Wireshark. */
const nextSequence = 5;
/** End of the bytes seen without a gap, from which ACKs of bytes that the capture missed are known. */
const maxAckable = 6;
/** Acknowledgement number of the last packet. */
const lastAck = 7;
/** Window of the last packet, not scaled; -1: nothing seen yet. */
const window = 8;
/** -1 unknown, -2 known not to be in use. */
const windowScale = 9;
/** Duplicate ACKs in a row; -1: Wireshark's mark, see {@link compare}. */
const duplicateAcks = 10;
/** Verdicts on the last packet. */
const lastVerdicts = 11;
/** The bits below. */
const bitsOf = 12;
/** Subtypes of MPTCP options in the last packet. */
const mptcpSubtypes = 13;
/** Of both directions, in times: the latest SYN (-1: none), and from it to the first ACK (0: not known). */
const synTime = 14;
const initialRtt = 15;

/** In `bitsOf` of each direction. */
const hasBase = 1;
/** The next ACK is the first after a SYN: its window counts as not scaled. */
const firstAck = 2;
/** There is a list of holes. */
const hasHoles = 4;
/** Has sent an acknowledgement, so that `lastAck` says what it expects. */
const hasAcked = 32;
/** In `bitsOf` of the client's side, about both. */
const hasMptcp = 8;
const fastOpenData = 16;

/** Side of a connection that sends a packet. */
export type Side = 0 | 1;
export const clientSide = 0;
export const serverSide = 1;

/**
 * What the TCP analysis remembers of every connection, by slot number, in typed arrays: no object is made per
 * connection or packet. Lists of holes are the exception; there are few, and at most {@link maxHoleLists}.
 */
export class TcpStates {
  words = new Int32Array(0);
  /** The same bytes. */
  times = new Float64Array(0);
  /** Slots from here on were never used: their memory is zero. */
  #fresh = 0;
  /** By slot · 2 + side: start, end and time of each range not seen, in turn ({@link holeNumbers}). Oldest first. */
  readonly holes = new Map<number, number[]>();

  /** Makes room for slots 0 to `slots` - 1. */
  grow(slots: number): void {
    const words = new Int32Array(slots * slotWords);
    words.set(this.words);
    this.words = words;
    this.times = new Float64Array(words.buffer);
  }

  /** A new conversation in this slot. */
  open(slot: number): void {
    const { words, times } = this;
    const at = slot * slotWords;
    if (slot >= this.#fresh) this.#fresh = slot + 1;
    else {
      const bits = (words[at + bitsOf] ?? 0) | (words[at + sideWords + bitsOf] ?? 0);
      if ((bits & hasHoles) !== 0) {
        this.holes.delete(slot * 2);
        this.holes.delete(slot * 2 + 1);
      }
      words.fill(0, at, at + slotWords);
    }
    words[at + window] = -1;
    words[at + windowScale] = -1;
    words[at + sideWords + window] = -1;
    words[at + sideWords + windowScale] = -1;
    times[slot * slotTimes + synTime] = -1;
  }

  /** Forgets what a side has sent: its SYN+ACK comes after packets of an older connection. */
  beginSide(slot: number, side: Side): void {
    const own = slot * slotWords + side * sideWords;
    const { words } = this;
    const scale = words[own + windowScale] ?? 0;
    const bits = words[own + bitsOf] ?? 0;
    this.holes.delete(slot * 2 + side);
    words.fill(0, own, own + sideWords);
    words[own + window] = -1;
    words[own + windowScale] = scale;
    words[own + bitsOf] = hasBase | (bits & (hasMptcp | fastOpenData));
  }

  /** Initial sequence number of a side, or what is taken for it; null where nothing tells. */
  isn(slot: number, side: Side): number | null {
    const at = slot * slotWords + side * sideWords;
    return ((this.words[at + bitsOf] ?? 0) & hasBase) === 0 ? null : (this.words[at + base] ?? 0);
  }

  /**
   * What a RST says, asked before {@link analyseSegment} takes it: its sequence number against what the receiver expects
   * (RFC 5961 3.2), and the receiver's bytes that its sender has not acknowledged.
   */
  judgeReset(
    slot: number,
    side: Side,
    packet: DecodedPacket,
    peerEnded: boolean,
  ): { readonly sequence: 'exact' | 'inWindow' | 'outside' | 'unknown'; readonly unacknowledged: number } {
    const { words } = this;
    const own = slot * slotWords + side * sideWords;
    const peer = slot * slotWords + (1 - side) * sideWords;
    const ownBits = words[own + bitsOf] ?? 0;
    const peerBits = words[peer + bitsOf] ?? 0;
    const sent = words[peer + nextSequence] ?? 0;
    const known = sent !== 0 && (peerBits & hasBase) !== 0;
    const ackedTo = (ownBits & hasAcked) !== 0 ? (words[own + lastAck] ?? 0) : (words[peer + base] ?? 0) + 1;
    const unacknowledged = known ? Math.max(0, ((sent - ackedTo) | 0) - (peerEnded ? 1 : 0)) : 0;

    if ((peerBits & hasAcked) === 0) {
      // A SYN tells nothing of what it expects: RFC 9293 3.10.7.3 looks at the acknowledgement number instead.
      if (!known || (packet.flags & flagAck) === 0) return { sequence: 'unknown', unacknowledged };
      return { sequence: packet.acknowledgement === sent ? 'exact' : 'outside', unacknowledged };
    }
    const expected = words[peer + lastAck] ?? 0;
    const contiguous = words[own + maxAckable] ?? 0;
    if (packet.sequence === expected || (contiguous !== 0 && packet.sequence === contiguous)) {
      return { sequence: 'exact', unacknowledged };
    }
    const scale = words[peer + windowScale] ?? 0;
    const bytes = (words[peer + window] ?? 0) * 2 ** Math.min(14, Math.max(0, scale));
    const ahead = (packet.sequence - expected) | 0;
    return { sequence: ahead >= 0 && ahead < bytes ? 'inWindow' : 'outside', unacknowledged };
  }
}

/**
 * The verdicts on one TCP segment, and the state for the next one. Rules: Wireshark User's Guide 7.5 "TCP Analysis";
 * the order is that of `tcp_analyze_sequence_number()` of 4.0. The caller has looked up the conversation with
 * {@link startsNewConversation} and says `reused` when that had been the case with an older one there.
 *
 * Mode `netcheck` deviates:
 * 1. Bytes that this capture has already seen are a retransmission, never out of order; bytes that fill a gap are out
 *    of order when they come within the initial round trip time (3 ms where unknown) after the gap opened, a
 *    retransmission after it. A last byte that the peer has not acknowledged is a retransmission, too: a keep-alive
 *    repeats an acknowledged one (RFC 1122 4.2.3.6).
 * 2. A segment that looks like a keep-alive while the peer's window is shut is a zero-window probe (Linux sends probes
 *    without data, one before the next sequence number: net/ipv4/tcp_output.c, tcp_xmit_probe_skb).
 * 3. A repeated SYN is a retransmission and nothing else. A SYN+ACK that acknowledges the SYN begins its side anew:
 *    what came before it was the challenge ACK of an older connection (RFC 5961 4.2).
 *
 * MPTCP repeats ACKs to carry its own signals (RFC 8684 4): they are no duplicate ACKs for `netcheck` (nor for
 * Wireshark after 4.0).
 *
 * @param atNs time of capture on any scale that grows with time
 * @returns bits, see {@link flagNames}
 */
export function analyseSegment(
  states: TcpStates,
  slot: number,
  side: Side,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  reused: boolean,
): number {
  const { words, times } = states;
  const both = slot * slotWords;
  const own = both + side * sideWords;
  const peer = both + (1 - side) * sideWords;
  const flags = packet.flags;
  const length = packet.payloadLength;
  let verdicts = reused ? tcpReusedPorts : 0;

  if ((flags & flagSyn) !== 0 && ((words[own + bitsOf] ?? 0) & hasBase) !== 0) {
    if ((flags & flagAck) === 0) {
      // The caller keeps only SYNs with the same ISN here. A RST that answered the SYN may have moved nextSequence.
      words[own + nextSequence] = words[own + maxAckable] ?? 0;
    } else if (packet.sequence !== words[own + base]) {
      if (mode === 'wireshark') verdicts |= tcpReusedPorts;
      else if (acceptsSyn(words, peer, packet.acknowledgement)) states.beginSide(slot, side);
      words[own + base] = packet.sequence;
    }
  }
  // Fragments and segments shorter than their header have no length: there is nothing to compare.
  if (length >= 0) verdicts |= compare(states, slot, side, packet, atNs, mode, verdicts);

  const rtt = slot * slotTimes + initialRtt;
  const syn = slot * slotTimes + synTime;
  if ((flags & flagSyn) === 0) {
    if ((flags & flagAck) !== 0) {
      if (times[rtt] === 0 && (times[syn] ?? 0) >= 0) times[rtt] = atNs - (times[syn] ?? 0);
      words[own + bitsOf] = ((words[own + bitsOf] ?? 0) & ~firstAck) | hasAcked;
    }
    if (packet.windowScale >= 0) words[own + windowScale] = packet.windowScale;
    return verdicts;
  }
  if ((flags & flagAck) === 0) {
    times[syn] = atNs;
    if (packet.fastOpenCookie) {
      verdicts |= tcpFastOpenSyn;
      if (length > 0) words[both + bitsOf] = (words[both + bitsOf] ?? 0) | fastOpenData;
    }
  } else if (((packet.acknowledgement - (words[peer + base] ?? 0)) | 0) > 1) verdicts |= tcpFastOpenAck;
  else if (((words[both + bitsOf] ?? 0) & fastOpenData) !== 0) verdicts |= tcpFastOpenIgnored;
  words[own + bitsOf] = (words[own + bitsOf] ?? 0) | firstAck | ((flags & flagAck) === 0 ? 0 : hasAcked);
  if (packet.windowScale >= 0) words[own + windowScale] = packet.windowScale;
  // Scaling is in use only when both SYNs carry the option (RFC 7323 2.2).
  if (words[own + windowScale] === -1) {
    words[own + windowScale] = -2;
    words[peer + windowScale] = -2;
  } else if ((flags & flagAck) !== 0 && words[peer + windowScale] === -2) words[own + windowScale] = -2;
  return verdicts;
}

/**
 * Whether this packet begins a new conversation on a 4-tuple that already has one: a SYN with another initial sequence
 * number. The same one again is a retransmission.
 */
export function startsNewConversation(states: TcpStates, slot: number, side: Side, packet: DecodedPacket): boolean {
  if ((packet.flags & (flagSyn | flagAck)) !== flagSyn) return false;
  const { words } = states;
  const own = slot * slotWords + side * sideWords;
  return ((words[own + bitsOf] ?? 0) & hasBase) !== 0 && packet.sequence !== words[own + base];
}

/** Whether this acknowledges the peer's SYN, and perhaps data in it, and the peer has not gone on from another answer. */
function acceptsSyn(words: Int32Array, peer: number, ack: number): boolean {
  const bits = words[peer + bitsOf] ?? 0;
  const reached = words[peer + maxAckable] ?? 0;
  return (
    (bits & (hasBase | hasAcked)) === hasBase &&
    ((ack - (words[peer + base] ?? 0)) | 0) > 0 &&
    (reached === 0 || ((ack - reached) | 0) <= 0)
  );
}

function compare(
  states: TcpStates,
  slot: number,
  side: Side,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  before: number,
): number {
  const { words, times } = states;
  const own = slot * slotWords + side * sideWords;
  const peer = slot * slotWords + (1 - side) * sideWords;
  const ownTimes = slot * slotTimes + side * sideTimes;
  const flags = packet.flags;
  const sequence = packet.sequence;
  const ack = packet.acknowledgement;
  const length = packet.payloadLength;
  const shownWindow = packet.window;
  const next = words[own + nextSequence] ?? 0;
  const ownWindow = words[own + window] ?? 0;
  const ownLastAck = words[own + lastAck] ?? 0;
  const peerWindow = words[peer + window] ?? 0;
  const plain = (flags & (flagSyn | flagFin | flagRst)) === 0;
  const synFin = (flags & (flagSyn | flagFin)) === 0 ? 0 : 1;
  const end = (sequence + length) | 0;
  let verdicts = before;

  if (((words[own + bitsOf] ?? 0) & hasBase) === 0) {
    words[own + base] = (flags & flagSyn) !== 0 ? sequence : (sequence - 1) | 0;
    words[own + bitsOf] = (words[own + bitsOf] ?? 0) | hasBase;
  }
  if ((flags & flagAck) !== 0 && ((words[peer + bitsOf] ?? 0) & hasBase) === 0) {
    words[peer + base] = (ack - 1) | 0;
    words[peer + bitsOf] = (words[peer + bitsOf] ?? 0) | hasBase;
  }

  if (length === 1 && sequence === next && peerWindow === 0) {
    verdicts |= tcpZeroWindowProbe;
  } else {
    if (plain && shownWindow === 0) verdicts |= tcpZeroWindow;
    if (next !== 0 && ((sequence - next) | 0) > 0 && (flags & flagRst) === 0) verdicts |= tcpLostSegment;
    if (plain) {
      if (length <= 1 && sequence === ((next - 1) | 0)) {
        if (mode === 'wireshark') verdicts |= tcpKeepAlive;
        else if (peerWindow === 0) verdicts |= tcpZeroWindowProbe;
        else if (length === 0 || !isUnacknowledged(words, peer, next)) verdicts |= tcpKeepAlive;
      }
      if (length === 0) {
        if (sequence === next && ack === ownLastAck) {
          const peerLast = words[peer + lastVerdicts] ?? 0;
          const same = shownWindow === ownWindow;
          if (shownWindow !== 0 && !same) verdicts |= tcpWindowUpdate;
          if (shownWindow !== 0 && same && (peerLast & tcpKeepAlive) !== 0) verdicts |= tcpKeepAliveAck;
          else if (shownWindow === 0 && same && (peerLast & tcpZeroWindowProbe) !== 0)
            verdicts |= tcpZeroWindowProbeAck;
          else if (shownWindow !== 0 && same) {
            const signals = ((words[slot * slotWords + bitsOf] ?? 0) & hasMptcp) !== 0;
            if (mode === 'wireshark' || !signals || packet.mptcpSubtypes === words[own + mptcpSubtypes]) {
              const count = words[own + duplicateAcks] ?? 0;
              words[own + duplicateAcks] = count === -1 ? 1 : count + 1;
              verdicts |= tcpDuplicateAck;
            }
          }
        }
      } else {
        const peerScale = words[peer + windowScale] ?? 0;
        if (peerScale !== -1) {
          const scale = peerScale === -2 || ((words[peer + bitsOf] ?? 0) & firstAck) !== 0 ? 0 : peerScale;
          if (end === (((words[peer + lastAck] ?? 0) + (peerWindow << scale)) | 0)) verdicts |= tcpWindowFull;
        }
      }
    }
  }

  if (ack !== ownLastAck) words[own + duplicateAcks] = 0;
  if ((flags & flagAck) !== 0) {
    const ackable = words[peer + maxAckable] ?? 0;
    if (ackable !== 0 && ((ack - ackable) | 0) > 0) {
      // Reported once for the same bytes: what was acknowledged counts as seen, or a mark stands where the peer's
      // duplicate ACKs are counted, until the peer's own acknowledgement moves.
      const peerNext = words[peer + nextSequence] ?? 0;
      if (((peerNext - ackable) | 0) > 0) {
        words[peer + maxAckable] = peerNext;
        verdicts |= tcpAckLostSegment;
      } else {
        if (words[peer + duplicateAcks] === 0) verdicts |= tcpAckLostSegment;
        words[peer + duplicateAcks] = -1;
      }
    }
  }

  if ((length > 0 || synFin === 1) && (verdicts & tcpKeepAlive) === 0) {
    verdicts |= repeated(states, slot, side, packet, atNs, mode, verdicts, synFin, end);
  }

  // What follows is the state for the next segment.
  const segmentEnd = (end + synFin) | 0;
  if ((verdicts & tcpZeroWindowProbe) === 0) {
    // In order and without gaps, which is nearly always, there is nothing to track.
    if (mode === 'netcheck' && sequence !== next && (length > 0 || synFin === 1)) {
      trackHoles(states, slot, side, sequence, segmentEnd, atNs);
    }
    let reached = next;
    if (next === 0 || ((segmentEnd - next) | 0) > 0) {
      reached = segmentEnd;
      words[own + nextSequence] = segmentEnd;
      times[ownTimes + nextSequenceTime] = atNs;
    }
    const ackable = words[own + maxAckable] ?? 0;
    if (ackable === 0 || sequence === ackable) words[own + maxAckable] = reached;
  }
  words[own + window] = shownWindow;
  words[own + lastAck] = ack;
  times[ownTimes + lastAckTime] = atNs;
  words[own + lastVerdicts] = verdicts;
  const subtypes = packet.mptcpSubtypes;
  if (subtypes !== 0) words[slot * slotWords + bitsOf] = (words[slot * slotWords + bitsOf] ?? 0) | hasMptcp;
  words[own + mptcpSubtypes] = subtypes;
  return verdicts;
}

/** Whether the peer has acknowledged something, and not all up to here. */
function isUnacknowledged(words: Int32Array, peer: number, next: number): boolean {
  return ((words[peer + bitsOf] ?? 0) & hasAcked) !== 0 && (((words[peer + lastAck] ?? 0) - next) | 0) < 0;
}

/** Retransmission, fast, spurious, or out of order: which, for a segment that does not bring the next bytes. */
function repeated(
  states: TcpStates,
  slot: number,
  side: Side,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  verdicts: number,
  synFin: 0 | 1,
  end: number,
): number {
  const { words, times } = states;
  const own = slot * slotWords + side * sideWords;
  const peer = slot * slotWords + (1 - side) * sideWords;
  const sequence = packet.sequence;
  const next = words[own + nextSequence] ?? 0;
  const peerLastAck = words[peer + lastAck] ?? 0;
  const length = packet.payloadLength;
  if (mode === 'netcheck' && (verdicts & tcpZeroWindowProbe) !== 0) return 0;
  // The byte after a zero-window probe is new, although the probe already carried it.
  const notAdvanced = next !== 0 && ((sequence - next) | 0) < 0 && !(length > 1 && sequence === ((next - 1) | 0));
  if (length > 0 && peerLastAck !== 0 && ((end - peerLastAck) | 0) <= 0) return tcpSpuriousRetransmission;
  if (!notAdvanced) return 0;
  // Wireshark's count is unsigned: its mark -1 is at least 2 as well.
  const count = words[peer + duplicateAcks] ?? 0;
  const enoughAcks = count >= 2 || (mode === 'wireshark' && count === -1);
  const peerAckAtNs = times[slot * slotTimes + (1 - side) * sideTimes + lastAckTime] ?? 0;
  if (enoughAcks && peerLastAck === sequence && atNs - peerAckAtNs < 20_000_000) return tcpFastRetransmission;
  const initialRttNs = times[slot * slotTimes + initialRtt] ?? 0;
  const movedAtNs = times[slot * slotTimes + side * sideTimes + nextSequenceTime] ?? 0;
  const soonNs = initialRttNs === 0 ? 3_000_000 : initialRttNs;
  const segmentEnd = (end + synFin) | 0;
  if (mode === 'wireshark') {
    return atNs - movedAtNs < soonNs && next !== segmentEnd ? tcpOutOfOrder : tcpRetransmission;
  }
  // Before the first byte that the capture saw, nothing was seen, and when that went by is not known.
  const openedAtNs =
    ((sequence - (words[own + base] ?? 0)) | 0) < 0
      ? movedAtNs
      : holeOpenedAtNs(states, slot, side, sequence, segmentEnd);
  return atNs - openedAtNs < soonNs ? tcpOutOfOrder : tcpRetransmission;
}

/** Since when bytes of this range are missing at this capture point; -Infinity: all of them were seen. */
function holeOpenedAtNs(states: TcpStates, slot: number, side: Side, from: number, to: number): number {
  const bits = states.words[slot * slotWords + side * sideWords + bitsOf] ?? 0;
  if ((bits & hasHoles) === 0) return Number.NEGATIVE_INFINITY;
  const holes = states.holes.get(slot * 2 + side) ?? [];
  let opened = Number.POSITIVE_INFINITY;
  for (let i = 0; i + 2 < holes.length; i += holeNumbers) {
    const start = holes[i] ?? 0;
    const end = holes[i + 1] ?? 0;
    if (((from - end) | 0) < 0 && ((start - to) | 0) < 0) opened = Math.min(opened, holes[i + 2] ?? 0);
  }
  return opened === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : opened;
}

/** Adds the gap that this segment leaves before it, or takes away what it fills. */
function trackHoles(states: TcpStates, slot: number, side: Side, from: number, to: number, atNs: number): void {
  const { words } = states;
  const own = slot * slotWords + side * sideWords;
  const next = words[own + nextSequence] ?? 0;
  const key = slot * 2 + side;
  if (next !== 0 && ((from - next) | 0) > 0) {
    let list = states.holes.get(key);
    if (list === undefined) {
      if (states.holes.size >= maxHoleLists) {
        for (const oldest of states.holes.keys()) {
          forgetHoles(states, oldest);
          break;
        }
      }
      list = [];
      states.holes.set(key, list);
      words[own + bitsOf] = (words[own + bitsOf] ?? 0) | hasHoles;
    }
    if (list.length >= maxHoles * holeNumbers) list.splice(0, holeNumbers);
    list.push(next, from, atNs);
    return;
  }
  if (((words[own + bitsOf] ?? 0) & hasHoles) === 0 || next === 0 || ((from - next) | 0) >= 0) return;
  const holes = states.holes.get(key) ?? [];
  for (let i = 0; i + 2 < holes.length; ) {
    const start = holes[i] ?? 0;
    const end = holes[i + 1] ?? 0;
    const before = ((from - start) | 0) > 0;
    const after = ((end - to) | 0) > 0;
    if (((from - end) | 0) >= 0 || ((start - to) | 0) >= 0) i += holeNumbers;
    else if (before && after) {
      if (holes.length >= maxHoles * holeNumbers) holes[i + 1] = from;
      else holes.splice(i + 1, 0, from, holes[i + 2] ?? 0, to);
      return;
    } else if (before) {
      holes[i + 1] = from;
      i += holeNumbers;
    } else if (after) {
      holes[i] = to;
      i += holeNumbers;
    } else holes.splice(i, holeNumbers);
  }
  if (holes.length === 0) forgetHoles(states, key);
}

function forgetHoles(states: TcpStates, key: number): void {
  const own = (key >> 1) * slotWords + (key & 1) * sideWords;
  states.words[own + bitsOf] = (states.words[own + bitsOf] ?? 0) & ~hasHoles;
  states.holes.delete(key);
}
