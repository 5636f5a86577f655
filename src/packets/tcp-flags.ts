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

const names: readonly string[] = [
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

/** Wireshark's names without `tcp.analysis.`, in the order of the bits; a fast or spurious one is a retransmission, too. */
export function flagNames(verdicts: number): string[] {
  if (verdicts === 0) return [];
  const bits = (verdicts & tcpAnyRetransmission) === 0 ? verdicts : verdicts | tcpRetransmission;
  const found: string[] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name !== undefined && (bits & (1 << i)) !== 0) found.push(name);
  }
  return found;
}

/** Byte ranges below `nextSequence` that this capture has not seen are kept up to this many per direction. */
const maxHoles = 32;

/** What is known of one direction of a connection. Sequence numbers are signed 32-bit words. */
export class TcpDirection {
  /** Initial sequence number, or the first one seen minus one; valid with `hasBase`. */
  base = 0;
  hasBase = false;
  /** End of the highest segment seen; 0: nothing seen yet, as in Wireshark. */
  nextSequence = 0;
  nextSequenceAtNs = 0;
  /** End of the bytes seen without a gap, from which ACKs of bytes that the capture missed are known. */
  maxAckable = 0;
  lastAck = 0;
  lastAckAtNs = 0;
  /** -1: nothing seen yet. */
  window = -1;
  /** -1 unknown, -2 known not to be in use. */
  windowScale = -1;
  /** The next ACK is the first after a SYN: its window counts as not scaled. */
  firstAck = false;
  duplicateAcks = 0;
  lastFlags = 0;
  mptcpSubtypes = 0;
  /** Start and end of each unseen range, in turn; null until there is one. */
  holes: number[] | null = null;
}

/** Both directions of one connection; `forward` is the side that sent the first packet. */
export class TcpConversation {
  readonly forward = new TcpDirection();
  readonly reverse = new TcpDirection();
  synAtNs = -1;
  /** SYN to the first ACK; 0: not known. */
  initialRttNs = 0;
  hasMptcp = false;
  fastOpenData = false;
}

/**
 * The verdicts on one TCP segment, and the state for the next one. Rules: Wireshark User's Guide 7.5 "TCP Analysis";
 * the order is that of `tcp_analyze_sequence_number()` of 4.0. The caller has looked up the conversation with
 * {@link startsNewConversation} and says `reused` when that had been the case with an older one there.
 *
 * Mode `netcheck` deviates:
 * 1. Bytes that this capture has already seen are a retransmission, never out of order; bytes that fill a gap are out
 *    of order when they come within the initial round trip time (3 ms where unknown), a retransmission after it.
 * 2. A segment that looks like a keep-alive while the peer's window is shut is a zero-window probe (Linux sends probes
 *    without data, one before the next sequence number: net/ipv4/tcp_output.c, tcp_xmit_probe_skb).
 * 3. A repeated SYN is a retransmission and nothing else.
 *
 * MPTCP repeats ACKs to carry its own signals (RFC 8684 4): they are no duplicate ACKs for `netcheck` (nor for
 * Wireshark after 4.0).
 *
 * @param atNs time of capture on any scale that grows with time
 * @returns bits, see {@link flagNames}
 */
export function analyseSegment(
  conversation: TcpConversation,
  fromForward: boolean,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  reused: boolean,
): number {
  const own = fromForward ? conversation.forward : conversation.reverse;
  const peer = fromForward ? conversation.reverse : conversation.forward;
  const flags = packet.flags;
  const sequence = packet.sequence;
  const length = packet.payloadLength;
  let bits = reused ? tcpReusedPorts : 0;

  if ((flags & flagSyn) !== 0 && own.hasBase) {
    if ((flags & flagAck) === 0) {
      // The caller keeps only SYNs with the same ISN here. A RST that answered the SYN may have moved nextSequence.
      own.nextSequence = own.maxAckable;
    } else if (sequence !== own.base) {
      own.base = sequence;
      if (mode === 'wireshark') bits |= tcpReusedPorts;
    }
  }
  // Fragments and segments shorter than their header have no length: there is nothing to compare.
  if (length >= 0) bits |= compare(conversation, own, peer, packet, atNs, mode, bits);

  if ((flags & flagSyn) !== 0) {
    if ((flags & flagAck) === 0) {
      conversation.synAtNs = atNs;
      if (packet.fastOpenCookie) {
        bits |= tcpFastOpenSyn;
        if (length > 0) conversation.fastOpenData = true;
      }
    } else if (((packet.acknowledgement - peer.base) | 0) > 1) bits |= tcpFastOpenAck;
    else if (conversation.fastOpenData) bits |= tcpFastOpenIgnored;
    own.firstAck = true;
  } else if ((flags & flagAck) !== 0) {
    if (conversation.synAtNs >= 0 && conversation.initialRttNs === 0) {
      conversation.initialRttNs = atNs - conversation.synAtNs;
    }
    own.firstAck = false;
  }
  if (packet.windowScale >= 0) own.windowScale = packet.windowScale;
  if ((flags & flagSyn) !== 0) {
    // Scaling is in use only when both SYNs carry the option (RFC 7323 2.2).
    if (own.windowScale === -1) {
      own.windowScale = -2;
      peer.windowScale = -2;
    } else if ((flags & flagAck) !== 0 && peer.windowScale === -2) own.windowScale = -2;
  }
  return bits;
}

/**
 * Whether this packet begins a new conversation on a 4-tuple that already has one: a SYN with another initial sequence
 * number. The same one again is a retransmission.
 */
export function startsNewConversation(
  conversation: TcpConversation,
  fromForward: boolean,
  packet: DecodedPacket,
): boolean {
  if ((packet.flags & (flagSyn | flagAck)) !== flagSyn) return false;
  const own = fromForward ? conversation.forward : conversation.reverse;
  return own.hasBase && packet.sequence !== own.base;
}

function compare(
  conversation: TcpConversation,
  own: TcpDirection,
  peer: TcpDirection,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  before: number,
): number {
  const flags = packet.flags;
  const sequence = packet.sequence;
  const ack = packet.acknowledgement;
  const length = packet.payloadLength;
  const window = packet.window;
  const next = own.nextSequence;
  const plain = (flags & (flagSyn | flagFin | flagRst)) === 0;
  const synFin = (flags & (flagSyn | flagFin)) === 0 ? 0 : 1;
  const end = (sequence + length) | 0;
  let bits = before;

  if (!own.hasBase) {
    own.base = (flags & flagSyn) !== 0 ? sequence : (sequence - 1) | 0;
    own.hasBase = true;
  }
  if (!peer.hasBase && (flags & flagAck) !== 0) {
    peer.base = (ack - 1) | 0;
    peer.hasBase = true;
  }

  if (length === 1 && sequence === next && peer.window === 0) {
    bits |= tcpZeroWindowProbe;
  } else {
    if (plain && window === 0) bits |= tcpZeroWindow;
    if (next !== 0 && ((sequence - next) | 0) > 0 && (flags & flagRst) === 0) bits |= tcpLostSegment;
    if (plain) {
      if (length <= 1 && sequence === ((next - 1) | 0)) {
        bits |= mode === 'netcheck' && peer.window === 0 ? tcpZeroWindowProbe : tcpKeepAlive;
      }
      if (length === 0) {
        const repeats = sequence === next && ack === own.lastAck;
        if (repeats) {
          if (window !== 0 && window !== own.window) bits |= tcpWindowUpdate;
          if (window !== 0 && window === own.window && (peer.lastFlags & tcpKeepAlive) !== 0) bits |= tcpKeepAliveAck;
          else if (window === 0 && own.window === 0 && (peer.lastFlags & tcpZeroWindowProbe) !== 0) {
            bits |= tcpZeroWindowProbeAck;
          } else if (window !== 0 && window === own.window) {
            if (mode === 'wireshark' || !conversation.hasMptcp || packet.mptcpSubtypes === own.mptcpSubtypes) {
              own.duplicateAcks = own.duplicateAcks === -1 ? 1 : own.duplicateAcks + 1;
              bits |= tcpDuplicateAck;
            }
          }
        }
      } else if (peer.windowScale !== -1) {
        const scale = peer.firstAck || peer.windowScale === -2 ? 0 : peer.windowScale;
        if (end === ((peer.lastAck + (peer.window << scale)) | 0)) bits |= tcpWindowFull;
      }
    }
  }

  if (ack !== own.lastAck) own.duplicateAcks = 0;
  if ((flags & flagAck) !== 0 && peer.maxAckable !== 0 && ((ack - peer.maxAckable) | 0) > 0) {
    // Reported once for the same bytes: what was acknowledged counts as seen, or a mark stands where the peer's
    // duplicate ACKs are counted, until the peer's own acknowledgement moves.
    if (((peer.nextSequence - peer.maxAckable) | 0) > 0) {
      peer.maxAckable = peer.nextSequence;
      bits |= tcpAckLostSegment;
    } else {
      if (peer.duplicateAcks === 0) bits |= tcpAckLostSegment;
      peer.duplicateAcks = -1;
    }
  }

  if (length > 0 || synFin === 1) {
    if ((bits & tcpKeepAlive) === 0) {
      bits |= repeated(conversation, own, peer, packet, atNs, mode, bits, synFin, end);
    }
  }

  // What follows is the state for the next segment.
  const segmentEnd = (end + synFin) | 0;
  const probe = (bits & tcpZeroWindowProbe) !== 0;
  if (!probe) {
    if (mode === 'netcheck' && (length > 0 || synFin === 1)) trackHoles(own, sequence, segmentEnd);
    if (own.nextSequence === 0 || ((segmentEnd - own.nextSequence) | 0) > 0) {
      own.nextSequence = segmentEnd;
      own.nextSequenceAtNs = atNs;
    }
    if (own.maxAckable === 0 || sequence === own.maxAckable) own.maxAckable = own.nextSequence;
  }
  own.window = window;
  own.lastAck = ack;
  own.lastAckAtNs = atNs;
  own.lastFlags = bits;
  if (packet.mptcpSubtypes !== 0) conversation.hasMptcp = true;
  own.mptcpSubtypes = packet.mptcpSubtypes;
  return bits;
}

/** Retransmission, fast, spurious, or out of order: which, for a segment that does not bring the next bytes. */
function repeated(
  conversation: TcpConversation,
  own: TcpDirection,
  peer: TcpDirection,
  packet: DecodedPacket,
  atNs: number,
  mode: FlagMode,
  bits: number,
  synFin: 0 | 1,
  end: number,
): number {
  const sequence = packet.sequence;
  const next = own.nextSequence;
  const length = packet.payloadLength;
  if (mode === 'netcheck' && (bits & tcpZeroWindowProbe) !== 0) return 0;
  // The byte after a zero-window probe is new, although the probe already carried it.
  const notAdvanced = next !== 0 && ((sequence - next) | 0) < 0 && !(length > 1 && sequence === ((next - 1) | 0));
  if (length > 0 && peer.lastAck !== 0 && ((end - peer.lastAck) | 0) <= 0) return tcpSpuriousRetransmission;
  if (!notAdvanced) return 0;
  // Wireshark's count is unsigned: its mark -1 is at least 2 as well.
  const enoughAcks = peer.duplicateAcks >= 2 || (mode === 'wireshark' && peer.duplicateAcks === -1);
  if (enoughAcks && peer.lastAck === sequence && atNs - peer.lastAckAtNs < 20_000_000) {
    return tcpFastRetransmission;
  }
  const soon = atNs - own.nextSequenceAtNs < (conversation.initialRttNs === 0 ? 3_000_000 : conversation.initialRttNs);
  if (mode === 'netcheck') {
    return soon && fillsHole(own, sequence, (end + synFin) | 0) ? tcpOutOfOrder : tcpRetransmission;
  }
  return soon && next !== ((end + synFin) | 0) ? tcpOutOfOrder : tcpRetransmission;
}

/** Whether any byte of the range has not been seen at this capture point. */
function fillsHole(own: TcpDirection, from: number, to: number): boolean {
  // Before the first byte that the capture saw, nothing was seen.
  if (((from - own.base) | 0) < 0) return true;
  const holes = own.holes;
  if (holes === null) return false;
  for (let i = 0; i + 1 < holes.length; i += 2) {
    const start = holes[i] ?? 0;
    const end = holes[i + 1] ?? 0;
    if (((from - end) | 0) < 0 && ((start - to) | 0) < 0) return true;
  }
  return false;
}

/** Adds the gap that this segment leaves before it, or takes away what it fills. */
function trackHoles(own: TcpDirection, from: number, to: number): void {
  const next = own.nextSequence;
  if (next !== 0 && ((from - next) | 0) > 0) {
    own.holes ??= [];
    if (own.holes.length >= maxHoles * 2) own.holes.splice(0, 2);
    own.holes.push(next, from);
    return;
  }
  const holes = own.holes;
  if (holes === null || next === 0 || ((from - next) | 0) >= 0) return;
  for (let i = 0; i + 1 < holes.length; ) {
    const start = holes[i] ?? 0;
    const end = holes[i + 1] ?? 0;
    const before = ((from - start) | 0) > 0;
    const after = ((end - to) | 0) > 0;
    if (((from - end) | 0) >= 0 || ((start - to) | 0) >= 0) i += 2;
    else if (before && after) {
      if (holes.length >= maxHoles * 2) holes[i + 1] = from;
      else holes.splice(i + 1, 0, from, to);
      return;
    } else if (before) {
      holes[i + 1] = from;
      i += 2;
    } else if (after) {
      holes[i] = to;
      i += 2;
    } else holes.splice(i, 2);
  }
  if (holes.length === 0) own.holes = null;
}
