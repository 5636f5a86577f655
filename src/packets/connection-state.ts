import type { Connection, Syn, SynAck, SynOptions } from '../model/facts.ts';
import type { Flow } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import { type DecodedPacket, flagAck, flagFin, flagRst, flagSyn } from './decode-packet.ts';
import { TcpConversation, tcpAnyRetransmission } from './tcp-flags.ts';

type Reset = Connection['resets'][number];
type Sighting = Syn['sightings'][number];

/** Bounds on the lists of one connection. */
export interface ConnectionLimits {
  readonly maxSyns: number;
  readonly maxSynAcks: number;
  readonly maxResets: number;
  readonly maxSightings: number;
}

/** Counts per side: index 0 client, 1 server. */
class SideState {
  packets = 0;
  bytes = 0;
  retransmitted = 0;
  fin = false;
  mss = -1;
  windowScale = -1;
  sackPermitted = false;
  timestamps = false;
  sawSyn = false;
}

const none: readonly never[] = [];
/** Of every SYN on a link that tells nothing. */
const somewhere: readonly Sighting[] = [{ interfaceIndex: null, direction: 'other' }];

/** One connection attempt while the capture is read; {@link ConnectionState.fact} is what rules see of it. */
export class ConnectionState {
  readonly version: 4 | 6;
  /** The side that is taken for the client. */
  readonly client0: number;
  readonly client1: number;
  readonly client2: number;
  readonly client3: number;
  readonly clientPort: number;
  readonly server0: number;
  readonly server1: number;
  readonly server2: number;
  readonly server3: number;
  readonly serverPort: number;
  /** Serial number, in order of the first packet. */
  readonly id: number;
  readonly conversation = new TcpConversation();
  /** Whether the client sent the first packet, that is, is the conversation's `forward`. */
  readonly clientIsForward: boolean;
  /** Next of the same hash, in {@link FlowTable}. */
  nextInBucket: ConnectionState | null = null;
  hash = 0;

  /** Let go because of the bound on memory. */
  isGone = false;
  /** Has changed since {@link fact} was last made. */
  dirty = true;
  readonly #client = new SideState();
  readonly #server = new SideState();
  // These lists are shared with the facts that were handed out: they are replaced, never changed.
  #syns: readonly Syn[] = none;
  /** SYNs beyond the bound on the list. */
  synsDropped = 0;
  #synAcks: readonly SynAck[] = none;
  #resets: readonly Reset[] = none;
  #isn = 0;
  /** Ack number that answers the SYN: ISN + 1 + data of the SYN. */
  #synEnd = 0;
  #clientAcked = false;
  #challenged = false;
  #refused = false;
  icmpError = false;
  readonly #firstAtMs: number;
  #lastAtMs: number;
  #fact: Connection | null = null;

  constructor(packet: DecodedPacket, clientIsSender: boolean, id: number, atMs: number) {
    this.version = packet.ipVersion === 6 ? 6 : 4;
    this.id = id;
    this.clientIsForward = clientIsSender;
    this.#firstAtMs = atMs;
    this.#lastAtMs = atMs;
    if (clientIsSender) {
      this.client0 = packet.source0;
      this.client1 = packet.source1;
      this.client2 = packet.source2;
      this.client3 = packet.source3;
      this.clientPort = packet.sourcePort;
      this.server0 = packet.destination0;
      this.server1 = packet.destination1;
      this.server2 = packet.destination2;
      this.server3 = packet.destination3;
      this.serverPort = packet.destinationPort;
    } else {
      this.client0 = packet.destination0;
      this.client1 = packet.destination1;
      this.client2 = packet.destination2;
      this.client3 = packet.destination3;
      this.clientPort = packet.destinationPort;
      this.server0 = packet.source0;
      this.server1 = packet.source1;
      this.server2 = packet.source2;
      this.server3 = packet.source3;
      this.serverPort = packet.sourcePort;
    }
  }

  /** Whether the packet goes from client to server; only asked of packets of this 4-tuple. */
  isFromClient(packet: DecodedPacket): boolean {
    return (
      packet.source3 === this.client3 &&
      packet.sourcePort === this.clientPort &&
      packet.destinationPort === this.serverPort &&
      packet.source2 === this.client2 &&
      packet.source1 === this.client1 &&
      packet.source0 === this.client0 &&
      packet.destination3 === this.server3
    );
  }

  /** Closed by both FINs or never anything but well: may be let go when memory is short. */
  get isDone(): boolean {
    return this.#client.fin && this.#server.fin && this.#synAcks.length > 0 && this.#resets.length === 0;
  }

  /** Takes one packet that is not a mere second sighting. `bits` are the verdicts of the TCP analysis. */
  add(
    packet: DecodedPacket,
    fromClient: boolean,
    bits: number,
    frame: number,
    atMs: number,
    limits: ConnectionLimits,
  ): void {
    const side = fromClient ? this.#client : this.#server;
    const flags = packet.flags;
    this.dirty = true;
    this.#lastAtMs = atMs;
    side.packets++;
    if (packet.payloadLength > 0) side.bytes += packet.payloadLength;
    if ((bits & tcpAnyRetransmission) !== 0) side.retransmitted++;
    if ((flags & (flagSyn | flagFin | flagRst)) === 0) {
      if ((flags & flagAck) === 0) return;
      if (fromClient) {
        if (!this.#clientAcked && this.#syns.length > 0 && packet.sequence !== this.#isn) this.#clientAcked = true;
      } else if (this.#syns.length > 0 && this.#synAcks.length === 0 && !this.#clientAcked) {
        // Before the handshake is through, an honest server has nothing else to acknowledge than the SYN (RFC 5961 4).
        if (packet.acknowledgement !== this.#synEnd && packet.acknowledgement !== ((this.#isn + 1) | 0)) {
          this.#challenged = true;
        }
      }
      return;
    }
    if ((flags & flagSyn) !== 0) {
      this.#options(side, packet);
      if ((flags & flagAck) === 0) {
        if (fromClient) this.#addSyn(packet, frame, atMs, limits);
      } else if (!fromClient) {
        if (this.#synAcks.length < limits.maxSynAcks)
          this.#synAcks = [
            ...this.#synAcks,
            { atMs, frame, sequence: packet.sequence >>> 0, ttl: packet.ttl, tsval: null },
          ];
      }
    }
    if ((flags & flagFin) !== 0) {
      side.fin = true;
      if (fromClient && this.#syns.length > 0) this.#clientAcked = true;
    }
    if ((flags & flagRst) !== 0) this.#addReset(packet, fromClient, frame, atMs, limits);
  }

  /** Another device on the way of a SYN that is known: the latest one. */
  sighted(packet: DecodedPacket, atMs: number, limits: ConnectionLimits): void {
    const syn = this.#syns.at(-1);
    if (syn === undefined || syn.ipId !== packet.ipId || Math.abs(atMs - syn.atMs) > 100) return;
    if (syn.sightings.length >= limits.maxSightings) return;
    this.#syns = [...this.#syns.slice(0, -1), { ...syn, sightings: [...syn.sightings, sightingOf(packet)] }];
    this.dirty = true;
  }

  /** The SYN that an ICMP error returns is one of this attempt's (or was cut before its sequence number). */
  isAskedAbout(packet: DecodedPacket): boolean {
    return this.#syns.length > 0 && (!packet.hasInnerSequence || packet.innerSequence === this.#isn);
  }

  #addSyn(packet: DecodedPacket, frame: number, atMs: number, limits: ConnectionLimits): void {
    this.#isn = packet.sequence;
    this.#synEnd = (packet.sequence + 1 + Math.max(0, packet.payloadLength)) | 0;
    if (this.#syns.length >= limits.maxSyns) {
      this.synsDropped++;
      return;
    }
    const syn: Syn = {
      atMs,
      frame,
      sequence: packet.sequence >>> 0,
      ipId: packet.ipId,
      ttl: packet.ttl,
      tsval: packet.hasTimestamps ? packet.tsval >>> 0 : null,
      sightings: packet.cooked || packet.direction !== 'other' ? [sightingOf(packet)] : somewhere,
    };
    this.#syns = [...this.#syns, syn];
  }

  #addReset(packet: DecodedPacket, fromClient: boolean, frame: number, atMs: number, limits: ConnectionLimits): void {
    const unanswered = !fromClient && this.#syns.length > 0 && this.#synAcks.length === 0 && !this.#clientAcked;
    if (unanswered) this.#refused = true;
    if (this.#resets.length >= limits.maxResets) return;
    const ack = packet.acknowledgement;
    const reset: Reset = {
      ipId: packet.ipId,
      ipIdBefore: null,
      sequence: 'unknown',
      afterMs: 0,
      unacknowledged: 0,
      from: fromClient ? 'client' : 'server',
      atMs,
      ttl: packet.ttl,
      frame,
      answersSyn:
        unanswered && (packet.flags & flagAck) !== 0 && (ack === this.#synEnd || ack === ((this.#isn + 1) | 0)),
    };
    this.#resets = [...this.#resets, reset];
  }

  #options(side: SideState, packet: DecodedPacket): void {
    side.sawSyn = true;
    side.mss = packet.mss;
    side.windowScale = packet.windowScale;
    side.sackPermitted = packet.sackPermitted;
    side.timestamps = packet.hasTimestamps;
  }

  /** The connection as rules see it. The same object until a packet changes something; never changed afterwards. */
  fact(): Connection {
    if (this.#fact !== null && !this.dirty) return this.#fact;
    this.dirty = false;
    const client = this.#client;
    const server = this.#server;
    this.#fact = {
      number: this.id,
      flow: { client: noFlow, server: noFlow },
      completeness: 0,
      initialRttMs: null,
      serverRttMs: null,
      idleGaps: [],
      end: { how: 'open', by: null },
      portReuse: null,
      places: [],
      tunnel: null,
      client: {
        address: addressText(this.version, this.client0, this.client1, this.client2, this.client3),
        port: this.clientPort,
      },
      server: {
        address: addressText(this.version, this.server0, this.server1, this.server2, this.server3),
        port: this.serverPort,
      },
      syns: this.#syns,
      synAcks: this.#synAcks,
      handshake: this.#handshake(),
      resets: this.#resets,
      fins: { client: client.fin, server: server.fin },
      bytes: { client: client.bytes, server: server.bytes },
      packets: { client: client.packets, server: server.packets },
      retransmitted: { client: client.retransmitted, server: server.retransmitted },
      options: { client: optionsOf(client), server: optionsOf(server) },
      firstAtMs: this.#firstAtMs,
      lastAtMs: this.#lastAtMs,
    };
    return this.#fact;
  }

  #handshake(): Connection['handshake'] {
    if (this.#syns.length === 0) return 'midStream';
    // The client acknowledges only what it was sent: the SYN+ACK came another way, past this capture.
    if (this.#clientAcked) return 'complete';
    if (this.#synAcks.length > 0) return 'noFinalAck';
    if (this.#refused) return 'refused';
    if (this.icmpError) return 'icmpError';
    return this.#challenged ? 'challengeAck' : 'unanswered';
  }
}

const noFlow: Flow = {
  dataSegments: 0,
  largestPayload: 0,
  retransmissions: { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 },
  outOfOrder: 0,
  duplicateAcks: 0,
  gaps: 0,
  bySize: [],
  rtt: null,
  ttl: null,
  zeroWindows: [],
  windowFull: 0,
  zeroWindowProbes: 0,
  keepAlives: null,
  holes: [],
  delayedAckStalls: null,
  fin: null,
};

function optionsOf(side: SideState): SynOptions | null {
  if (!side.sawSyn) return null;
  return {
    mss: side.mss < 0 ? null : side.mss,
    windowScale: side.windowScale < 0 ? null : side.windowScale,
    sackPermitted: side.sackPermitted,
    timestamps: side.timestamps,
  };
}

function sightingOf(packet: DecodedPacket): Sighting {
  return {
    interfaceIndex: packet.interfaceIndex < 0 ? null : packet.interfaceIndex,
    direction: packet.direction,
  };
}
