import type { Endpoint, ParseProblem } from './facts.ts';

/** What one side of a connection sent, as one capture saw it. Lists are bounded; what stands in them comes first. */
export interface Flow {
  /** Segments with payload, repeated ones included. */
  readonly dataSegments: number;
  /** Largest payload of one segment, bytes. With GSO or GRO it may be more than was ever on a wire. */
  readonly largestPayload: number;
  readonly retransmissions: {
    /** After three duplicate ACKs (or what looks like it). */
    readonly fast: number;
    /** Everything in them had been acknowledged before. */
    readonly spurious: number;
    /** The others: the retransmission timer. */
    readonly timeout: number;
    /** Of all these: the original was never seen here, so it was lost before this place. The others: after it. */
    readonly unseenOriginal: number;
  };
  readonly outOfOrder: number;
  readonly duplicateAcks: number;
  /** Times a gap opened: bytes were missing when later ones came. */
  readonly gaps: number;
  /** By payload size: tells random loss (all sizes) from an MTU (one size only). */
  readonly bySize: readonly SizeClass[];
  /** From a segment of this side to its ACK, both seen here; never of retransmitted ones (Karn, RFC 6298 3). */
  readonly rtt: Rtt | null;
  /** TTL or hop limit of its packets, RSTs left out; null where there are none. */
  readonly ttl: { readonly min: number; readonly max: number } | null;
  /** Times this side shut its receive window. */
  readonly zeroWindows: readonly ZeroWindow[];
  /** Segments that filled the other side's window. */
  readonly windowFull: number;
  readonly zeroWindowProbes: number;
  /** Keep-alives of this side (not zero-window probes). */
  readonly keepAlives: {
    readonly count: number;
    readonly answered: number;
    /** Shortest time between two of them without other packets between, milliseconds. */
    readonly intervalMs: number | null;
  } | null;
  /** Holes in this side's data that the other side's SACK blocks tell of. */
  readonly holes: readonly SackHole[];
  /**
   * A small segment, then nothing until a late ACK (35 to 250 ms), then at once the next one: delayed ACKs meet Nagle.
   */
  readonly delayedAckStalls: { readonly count: number; readonly longestMs: number } | null;
  readonly fin: { readonly atMs: number; readonly frame: number } | null;
}

export interface SizeClass {
  /** Payload of at most this many bytes, and more than the class before. */
  readonly upTo: number;
  readonly sent: number;
  readonly retransmitted: number;
}

export interface Rtt {
  readonly samples: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** From the segment that announced window 0 to the one that opened it again. */
export interface ZeroWindow {
  readonly fromMs: number;
  readonly frame: number;
  /** Null: it was still shut when the capture or the connection ended. */
  readonly untilMs: number | null;
  /** Probes that the other side sent meanwhile. */
  readonly probes: number;
  /** Whether the other side had data to send: it probed, or had filled the window before. */
  readonly senderWaits: boolean;
}

/** Bytes that the receiver says it lacks although it has later ones. Sequence numbers are relative to the ISN. */
export interface SackHole {
  readonly start: number;
  readonly length: number;
  readonly firstSeenMs: number;
  /** Frame of the ACK that told of it first. */
  readonly frame: number;
  /** Times the bytes were sent again, as seen here. */
  readonly retransmits: number;
  /** Whether the bytes were seen here before the hole was told of: then they were lost after this place. */
  readonly originalSeen: boolean;
  /** Null: never filled. */
  readonly filledMs: number | null;
}

/** A silence of a connection that was open, longest first. */
export interface IdleGap {
  readonly fromMs: number;
  readonly idleMs: number;
  readonly endedBy: 'client' | 'server';
  readonly with: 'data' | 'keepAlive' | 'ack' | 'fin' | 'rst';
  readonly frame: number;
  /** What the other side said to it. */
  readonly answer: 'ack' | 'rst' | 'none';
}

export interface ConnectionEnd {
  /** `halfClosed`: one FIN only. `open`: neither FIN nor RST was seen. */
  readonly how: 'fin' | 'rst' | 'halfClosed' | 'open' | 'neverOpened';
  /** Who began to end it. */
  readonly by: 'client' | 'server' | null;
}

/** One device (or file interface, or tunnel layer) that packets of a connection were seen on. */
export interface Place {
  readonly interfaceIndex: number | null;
  readonly direction: 'in' | 'out' | 'other';
  /** Tunnel that they were in there: `ipip`, `vxlan` …; null: none. */
  readonly tunnel: string | null;
  /** Packets of each side that were seen there. */
  readonly client: number;
  readonly server: number;
}

/** Tunnel around a connection: the layer that the inner packets were found in. */
export interface Tunnel {
  readonly kind: string;
  /** Ends of the outermost IP layer, as seen on a packet of the client; null where there is none (MPLS, PPPoE). */
  readonly outer: { readonly source: string; readonly destination: string } | null;
  /** VXLAN or Geneve network identifier, GRE key. */
  readonly id: number | null;
}

/** Connections to one address and port, counted over the whole capture, those that were let go included. */
export interface ServiceCount {
  readonly server: Endpoint;
  readonly connections: number;
  readonly complete: number;
  readonly unanswered: number;
  readonly refused: number;
  readonly reset: number;
  readonly packets: number;
  readonly retransmitted: number;
  /** Client addresses seen, at most counted to 1000. */
  readonly clients: number;
}

/** SYNs of one source address in order of time, with what the other end made of them: for tcp_tw_recycle. */
export interface SynSource {
  readonly address: string;
  readonly syns: number;
  readonly unanswered: number;
  /** Unanswered attempts whose TSval lies below one that the same address had shown within 60 s before. */
  readonly unansweredBehind: number;
  /** Answered attempts of the same kind: each speaks against it. */
  readonly answeredBehind: number;
  /** Unanswered attempts whose TSval is the highest so far: each speaks against it. */
  readonly unansweredAhead: number;
}

/** One question to one name server, and what came back. */
export interface DnsExchange {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly transport: 'udp' | 'tcp';
  readonly id: number;
  readonly name: string;
  /** `A`, `AAAA`, `CNAME`, `PTR`, `SRV` …, or `TYPE65`. */
  readonly type: string;
  readonly frame: number;
  readonly atMs: number;
  /** Times the very same question (id, name, type, ports) was sent. */
  readonly queries: number;
  /** Null: none was seen. */
  readonly answer: {
    readonly atMs: number;
    readonly frame: number;
    /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED` …, or `RCODE11`. */
    readonly rcode: string;
    readonly truncated: boolean;
    /** Records of the answer section. */
    readonly answers: number;
    /** A and AAAA records, at most 16. */
    readonly addresses: readonly string[];
    /** UDP payload on the wire, bytes. */
    readonly bytes: number;
    /** Came in IP fragments. */
    readonly fragmented: boolean;
  } | null;
}

/** A MAC address that claimed an IP address by ARP or neighbour advertisement. */
export interface NeighbourClaim {
  readonly address: string;
  readonly mac: string;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly frame: number;
  readonly claims: number;
  /** Requests for this address that nobody answered before the claim, or at all where `mac` is empty. */
  readonly asked: number;
}

/** UDP packets between two endpoints. */
export interface UdpFlow {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly packets: { readonly client: number; readonly server: number };
  readonly bytes: { readonly client: number; readonly server: number };
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface FragmentCounts {
  /** Datagrams that came in fragments, and those of them that were whole in the end. */
  readonly datagrams: number;
  readonly reassembled: number;
  readonly fragments: number;
}

/** One packet of one connection, for the ladder and for joining. Sequence numbers are relative to each side's ISN. */
export interface ConversationPacket {
  readonly frame: number;
  readonly atMs: number;
  readonly from: 'client' | 'server';
  /** `SYN`, `SYN,ACK`, `PSH,ACK` … */
  readonly flags: string;
  readonly seq: number;
  /** Null without the ACK flag. */
  readonly ack: number | null;
  /** The same two as on the wire: what two captures of one packet have in common. */
  readonly seqRaw: number;
  readonly ackRaw: number | null;
  /** Payload on the wire, bytes; null where it cannot be known (first fragment of a datagram, cut header). */
  readonly length: number | null;
  /** Receive window in bytes, scaled where the scale is known. */
  readonly window: number;
  /** SACK blocks, left and right edge, relative to the ISN of the side they are about. */
  readonly sack: readonly (readonly [number, number])[];
  readonly tsval: number | null;
  readonly tsecr: number | null;
  readonly ttl: number;
  readonly ipId: number;
  /** MSS option of a SYN. */
  readonly mss: number | null;
  /** Verdicts without `tcp.analysis.`: `retransmission`, `zero_window` … */
  readonly analysis: readonly string[];
  /** Places (index into {@link Connection.places}) where it was seen, in order; empty where the capture has one place. */
  readonly places: readonly number[];
}

/** Captures of several places laid over each other: what was seen where, and where it died. */
export interface JoinedCaptures {
  /** Names of the captures, in the order of the way from client to server of most connections, as far as it is known. */
  readonly places: readonly string[];
  /** For each of them its index in the captures as they were given. */
  readonly given: readonly number[];
  readonly clocks: readonly JoinedClock[];
  /** Those that several places saw, and those that one place should have seen and did not. */
  readonly connections: readonly JoinedConnection[];
  readonly problems: readonly ParseProblem[];
}

/** Clock of one place minus clock of the first, estimated from packets that both saw. */
export interface JoinedClock {
  /** In the middle of the time that both saw packets in, milliseconds. */
  readonly offsetMs: number;
  /** The offset holds within this, all the time that both saw packets in. */
  readonly uncertaintyMs: number;
  /** How much the offset grows, parts per million; 0 where it does not matter. */
  readonly driftPpm: number;
  /** Packets that it was estimated from; 0: nothing is known, and the clocks are taken to agree. */
  readonly samples: number;
}

export interface JoinedConnection {
  /** Per place: {@link Connection.number} there; null: it was not seen there. */
  readonly numbers: readonly (number | null)[];
  /** Indexes of the places in the order of the way from this connection's client to its server. */
  readonly way: readonly number[];
  /** `addresses`: the same 4-tuple everywhere. `nat`: found by what translation leaves alone. */
  readonly by: 'addresses' | 'nat';
  /** What agreed across the translation: `isn`, `tsval`, `ipId`, `length`. Empty for `addresses`. */
  readonly matchedBy: readonly string[];
  /** 4-tuple at each place; null where it was not seen. */
  readonly tuples: readonly ({ readonly client: Endpoint; readonly server: Endpoint } | null)[];
  /** In order of time. */
  readonly packets: readonly JoinedPacket[];
  /** Packets by the last place that saw them, for those that did not reach the end of their way. */
  readonly died: readonly {
    readonly from: 'client' | 'server';
    /** Index of the last place that saw it, and of the next one that did not. */
    readonly after: number;
    readonly before: number;
    readonly packets: number;
    /** Payload sizes of them: smallest and largest. Before segmentation (GSO) more than was ever on a wire. */
    readonly smallest: number;
    readonly largest: number;
  }[];
}

/**
 * One packet at all places. Where one place saw it whole (GSO, GRO) and another in segments, it is here as the sender's
 * side saw it; where only some of the segments arrived, each part is here on its own, with the same frame.
 */
export interface JoinedPacket {
  readonly from: 'client' | 'server';
  readonly flags: string;
  /** Relative to the ISN; where no place saw a SYN, 1 is the first one seen at any place. */
  readonly seq: number;
  readonly ack: number | null;
  /** Payload on the wire, bytes; 0 where it cannot be known. */
  readonly length: number;
  /** Of the first place on its way that saw it. */
  readonly analysis: readonly string[];
  /** Per place: time on the first place's clock and frame; null: not seen there. */
  readonly seen: readonly ({ readonly atMs: number; readonly frame: number } | null)[];
  /**
   * - `arrived`: seen at the last place of its way that shows packets of this kind
   * - `died`: a later place of its way was capturing then, lost nothing, and did not see it
   * - `appeared`: the same for an earlier place: it was made in between (a forged RST), or came another way
   * - `uncertain`: it is missing at a later place, and that place was not capturing then, or its kernel dropped packets,
   *   or it sees nothing of this direction, or what it did not see was acknowledged all the same
   */
  readonly fate: 'arrived' | 'died' | 'appeared' | 'uncertain';
}
