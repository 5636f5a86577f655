import type { Capture, Connection, IcmpError, ParseProblem } from '../model/facts.ts';
import { addressText } from './address-text.ts';
import { type CaptureRecord, createCaptureReader, noLinkType } from './capture-reader.ts';
import { type ConnectionLimits, ConnectionState } from './connection-state.ts';
import { type DecodedPacket, flagAck, flagSyn } from './decode-packet.ts';
import { DuplicateFinder } from './duplicate-finder.ts';
import { FlowTable } from './flow-table.ts';
import { icmpErrorName } from './icmp-error-name.ts';
import { linkTypeName } from './link-type-name.ts';
import { OtherTraffic } from './other-traffic.ts';
import { RecordDecoder } from './record-decoder.ts';
import { analyseSegment, type FlagMode, startsNewConversation } from './tcp-flags.ts';
import { parseTcpdumpStderr } from './tcpdump-stderr.ts';

export interface CaptureAnalyserOptions {
  /** What `at.evidence` is to say: path inside the run directory, or the file name. */
  readonly evidence: string;
  /** Connections kept at once; default 20 000 (about 1 kB each). */
  readonly maxConnections?: number;
  /** SYNs kept per connection; default 32. */
  readonly maxSynsPerConnection?: number;
  /** ICMP errors kept; default 1000. */
  readonly maxIcmpErrors?: number;
  /** Whose rules the TCP analysis follows; default `netcheck`. */
  readonly mode?: FlagMode;
  /**
   * Called for every TCP packet with the verdicts as bits ({@link flagNames}); `packet` is filled again for the next.
   * A second sighting of the same packet has no verdicts in mode `netcheck`.
   */
  readonly onTcpPacket?: (packet: DecodedPacket, frame: number, atMs: number, verdicts: number) => void;
}

export interface CaptureAnalyser {
  /** Takes the next bytes of a pcap or pcapng stream, cut anywhere. Never throws because of them. */
  push(chunk: Uint8Array): void;
  /** What is known so far. Cheap: only what changed since the last call is made anew; earlier results do not change. */
  snapshot(): Capture;
  /**
   * The stream has ended.
   * @param stderr what tcpdump wrote there: says whether it listened, and how many packets the kernel dropped. Without
   *   it, a capture with a readable header counts as one that listened, and drops are not known (null).
   */
  finish(stderr?: Uint8Array): Capture;
}

/**
 * Makes the facts of a capture from its bytes while they come: connections (one per 4-tuple and initial sequence
 * number), ICMP errors with the flow they are about. Memory is bounded; what is let go is counted and said.
 *
 * - Client is the sender of the SYN; for connections that began before the capture, the receiver of a SYN+ACK, else the
 *   side with the port that looks ephemeral, else the first sender.
 * - The same packet on several devices of an `-i any` capture is one packet; the devices of a SYN are its sightings.
 * - `bytes` are TCP payload on the wire, retransmissions included. `retransmitted` counts segments (SYN and FIN too)
 *   that repeat what was sent before.
 * - `complete` needs the client's own ACK after its SYN. It is also said where the SYN+ACK itself was not captured: the
 *   client cannot acknowledge what it did not get. `synAcks` is empty then.
 */
export function createCaptureAnalyser(options: CaptureAnalyserOptions): CaptureAnalyser {
  return new Analyser(options);
}

const lowestEphemeralPort = 32_768;

class Analyser implements CaptureAnalyser {
  readonly #evidence: string;
  readonly #mode: FlagMode;
  readonly #onTcpPacket: CaptureAnalyserOptions['onTcpPacket'];
  readonly #maxConnections: number;
  readonly #maxIcmpErrors: number;
  readonly #limits: ConnectionLimits;

  readonly #reader = createCaptureReader((record) => {
    this.#take(record);
  });
  readonly #decoder = new RecordDecoder();
  readonly #others = new OtherTraffic();
  readonly #flows = new FlowTable();
  readonly #duplicates = new DuplicateFinder();

  /** In order of the first packet, with those that were let go until the next {@link #compact}. */
  #connections: ConnectionState[] = [];
  #kept = 0;
  #nextId = 0;
  /** Connections that ended well, oldest first from `#doneFrom`: the first to go when room is needed. */
  #done: ConnectionState[] = [];
  #doneFrom = 0;
  #connectionsDropped = 0;
  #packetsOfDropped = 0;
  #synsDropped = 0;
  readonly #icmpErrors: IcmpError[] = [];
  #icmpErrorsDropped = 0;
  /** IP ids of the latest ICMP errors, beside their facts. */
  readonly #icmpIds: number[] = [];
  #unknownLinkPackets = 0;

  #packets = 0;
  #bytes = 0;
  #baseSeconds = -1;
  #firstAtMs: number | null = null;
  #lastAtMs: number | null = null;

  #changed = true;
  #facts: readonly Connection[] = [];
  #stderr: {
    readonly listening: boolean;
    readonly droppedByKernel: number | null;
    readonly failure: string | null;
  } | null = null;

  constructor(options: CaptureAnalyserOptions) {
    this.#evidence = options.evidence;
    this.#mode = options.mode ?? 'netcheck';
    this.#onTcpPacket = options.onTcpPacket;
    this.#maxConnections = Math.max(1, options.maxConnections ?? 20_000);
    this.#maxIcmpErrors = options.maxIcmpErrors ?? 1000;
    const maxSyns = Math.max(1, options.maxSynsPerConnection ?? 32);
    this.#limits = { maxSyns, maxSynAcks: maxSyns, maxResets: 32, maxSightings: 16 };
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  snapshot(): Capture {
    if (this.#changed) {
      const facts: Connection[] = [];
      for (const connection of this.#connections) if (!connection.isGone) facts.push(connection.fact());
      this.#facts = facts;
      this.#changed = false;
    }
    const reader = this.#reader;
    const readable = reader.format === 'pcapng' || (reader.format === 'pcap' && reader.linkTypes.length > 0);
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      linkType: reader.linkTypes.map(linkTypeName).join(', ') || 'unknown',
      firstAtMs: this.#firstAtMs,
      lastAtMs: this.#lastAtMs,
      droppedByKernel: this.#stderr?.droppedByKernel ?? null,
      listening: this.#stderr === null ? readable : this.#stderr.listening || this.#packets > 0,
      connections: this.#facts,
      uneventful: 0,
      services: [],
      synSources: [],
      ...this.#others.facts(),
      fragments: this.#decoder.fragments(),
      interfaceNames: {},
      icmpErrors: [...this.#icmpErrors],
      problems: this.#problems(),
      connectionsDropped: this.#connectionsDropped,
      at: { evidence: this.#evidence },
    };
  }

  finish(stderr?: Uint8Array): Capture {
    this.#reader.finish();
    if (stderr !== undefined) this.#stderr = parseTcpdumpStderr(stderr);
    return this.snapshot();
  }

  #problems(): readonly ParseProblem[] {
    const problems: ParseProblem[] = [...this.#reader.problems];
    const say = (count: number, message: string): void => {
      if (count > 0) problems.push({ message });
    };
    if (this.#stderr?.failure) problems.push({ message: `tcpdump did not listen: ${this.#stderr.failure}` });
    say(
      this.#unknownLinkPackets,
      `${this.#unknownLinkPackets} packets have a link type that is not understood (${this.#reader.linkTypes.map(linkTypeName).join(', ')})`,
    );
    say(
      this.#connectionsDropped,
      `${this.#connectionsDropped} connections were let go: at most ${this.#maxConnections} are kept`,
    );
    say(this.#packetsOfDropped, `${this.#packetsOfDropped} packets belong to connections that are not kept`);
    say(
      this.#synsDropped,
      `${this.#synsDropped} SYNs were not kept: at most ${this.#limits.maxSyns} per connection are`,
    );
    say(
      this.#icmpErrorsDropped,
      `${this.#icmpErrorsDropped} ICMP errors were not kept: at most ${this.#maxIcmpErrors} are`,
    );
    problems.push(...this.#others.problems());
    return problems;
  }

  #take(record: CaptureRecord): void {
    this.#packets = record.frame;
    if (record.linkType === noLinkType) return;
    this.#bytes += record.wireLength;
    if (this.#baseSeconds < 0) this.#baseSeconds = record.seconds;
    const atNs = (record.seconds - this.#baseSeconds) * 1e9 + record.nanoseconds;
    const atMs = record.seconds * 1000 + record.nanoseconds / 1e6;
    this.#firstAtMs ??= atMs;
    if (this.#lastAtMs === null || atMs > this.#lastAtMs) this.#lastAtMs = atMs;

    const packet = this.#decoder.decode(record);
    if (packet.kind === 'tcp') {
      this.#tcp(packet, record, atNs, atMs);
      if (packet.destinationPort === 53 || packet.sourcePort === 53) this.#other(packet, record, atMs);
    } else if (packet.kind === 'udp' || packet.kind === 'arp' || packet.kind === 'icmp')
      this.#other(packet, record, atMs);
    else if (packet.kind === 'tcpShort') this.#onTcpPacket?.(packet, record.frame, atMs, 0);
    else if (packet.kind === 'icmpError') this.#icmpError(packet, record.frame, atMs);
    else if (packet.unknownLink) this.#unknownLinkPackets++;
  }

  #other(packet: DecodedPacket, record: CaptureRecord, atMs: number): void {
    this.#others.add(packet, packet.view, packet.capturedEnd, record.frame, atMs);
    this.#changed = true;
  }

  #tcp(packet: DecodedPacket, record: CaptureRecord, atNs: number, atMs: number): void {
    const hash = this.#flows.hashOf(packet);
    let connection = this.#flows.find(packet, hash);
    let fromClient = connection !== null && connection.isFromClient(packet);
    let reused = false;
    if (connection !== null) {
      const fromForward = fromClient === connection.clientIsForward;
      if (startsNewConversation(connection.conversation, fromForward, packet)) {
        this.#flows.remove(connection);
        connection = null;
        reused = true;
      }
    }
    if (connection === null) {
      connection = this.#open(packet, hash, atMs);
      if (connection === null) {
        this.#onTcpPacket?.(packet, record.frame, atMs, 0);
        return;
      }
      fromClient = connection.isFromClient(packet);
    }

    // Only these captures can hold one packet several times.
    const duplicate =
      (packet.cooked || this.#reader.interfaces > 1) &&
      this.#duplicates.seenElsewhere(packet, connection.id * 2 + (fromClient ? 0 : 1), record.interfaceId, atNs);
    let verdicts = 0;
    if (!duplicate || this.#mode === 'wireshark') {
      verdicts = analyseSegment(
        connection.conversation,
        fromClient === connection.clientIsForward,
        packet,
        atNs,
        this.#mode,
        reused,
      );
    }
    this.#changed = true;
    if (duplicate) {
      if ((packet.flags & (flagSyn | flagAck)) === flagSyn) connection.sighted(packet, atMs, this.#limits);
    } else {
      const synsBefore = connection.synsDropped;
      const wasDone = connection.isDone;
      connection.add(packet, fromClient, verdicts, record.frame, atMs, this.#limits);
      this.#synsDropped += connection.synsDropped - synsBefore;
      if (!wasDone && connection.isDone) this.#done.push(connection);
    }
    this.#onTcpPacket?.(packet, record.frame, atMs, verdicts);
  }

  #open(packet: DecodedPacket, hash: number, atMs: number): ConnectionState | null {
    if (this.#kept >= this.#maxConnections && !this.#makeRoom()) {
      if ((packet.flags & (flagSyn | flagAck)) === flagSyn) this.#connectionsDropped++;
      this.#packetsOfDropped++;
      return null;
    }
    const connection = new ConnectionState(packet, clientIsSender(packet), this.#nextId++, atMs);
    this.#flows.insert(connection, hash);
    this.#connections.push(connection);
    this.#kept++;
    return connection;
  }

  /** Lets the oldest connection go that ended as it should: it is the one that no rule will miss. */
  #makeRoom(): boolean {
    while (this.#doneFrom < this.#done.length) {
      const candidate = this.#done[this.#doneFrom++];
      if (this.#doneFrom > 1024 && this.#doneFrom * 2 > this.#done.length) {
        this.#done = this.#done.slice(this.#doneFrom);
        this.#doneFrom = 0;
      }
      if (candidate === undefined || !candidate.isDone) continue;
      this.#flows.remove(candidate);
      candidate.isGone = true;
      this.#kept--;
      this.#connectionsDropped++;
      this.#compact();
      return true;
    }
    return false;
  }

  /** Takes what is gone off the list, now and then: the list stays within twice the bound. */
  #compact(): void {
    if (this.#connections.length < this.#maxConnections * 2) return;
    this.#connections = this.#connections.filter((connection) => !connection.isGone);
  }

  #icmpError(packet: DecodedPacket, frame: number, atMs: number): void {
    const version = packet.ipVersion === 6 ? 6 : 4;
    const name = icmpErrorName(version, packet.icmpType, packet.icmpCode);
    const from = addressText(version, packet.source0, packet.source1, packet.source2, packet.source3);
    const to = addressText(version, packet.destination0, packet.destination1, packet.destination2, packet.destination3);
    const sequence = packet.hasInnerSequence ? packet.innerSequence >>> 0 : null;
    const sourcePort = packet.innerSourcePort < 0 ? null : packet.innerSourcePort;
    if (packet.cooked && this.#icmpSeen(packet, from, to, name, sourcePort, sequence, atMs)) return;

    if (packet.innerVersion !== 0 && packet.innerProtocol === 6 && sourcePort !== null && !isAboutSize(name)) {
      const connection = this.#flows.findInner(packet, this.#flows.hashOfInner(packet));
      if (connection?.isAskedAbout(packet)) {
        connection.icmpError = true;
        connection.dirty = true;
        this.#changed = true;
      }
    }
    if (this.#icmpErrors.length >= this.#maxIcmpErrors) {
      this.#icmpErrorsDropped++;
      return;
    }
    this.#icmpIds.push(packet.ipId);
    this.#icmpErrors.push({
      atMs,
      frame,
      from,
      to,
      version,
      type: packet.icmpType,
      code: packet.icmpCode,
      name,
      ...(isAboutSize(name) ? { mtu: packet.icmpMtu } : {}),
      about: {
        protocol: packet.innerProtocol,
        source: innerAddress(packet, 'source'),
        destination: innerAddress(packet, 'destination'),
        sourcePort,
        destinationPort: packet.innerDestinationPort < 0 ? null : packet.innerDestinationPort,
        sequence,
      },
    });
  }

  /** `-i any` shows an ICMP error once per device, too. */
  #icmpSeen(
    packet: DecodedPacket,
    from: string,
    to: string,
    name: string,
    sourcePort: number | null,
    sequence: number | null,
    atMs: number,
  ): boolean {
    for (let i = this.#icmpErrors.length - 1; i >= 0 && i >= this.#icmpErrors.length - 64; i--) {
      const earlier = this.#icmpErrors[i];
      if (earlier === undefined || atMs - earlier.atMs > 20) return false;
      if (
        this.#icmpIds[i] === packet.ipId &&
        earlier.from === from &&
        earlier.to === to &&
        earlier.name === name &&
        earlier.about.sourcePort === sourcePort &&
        earlier.about.sequence === sequence
      ) {
        return true;
      }
    }
    return false;
  }
}

/** An answer to the size of a packet, not to the attempt to connect. */
function isAboutSize(name: string): boolean {
  return name === 'frag-needed' || name === 'packet-too-big';
}

function innerAddress(packet: DecodedPacket, end: 'source' | 'destination'): string {
  if (packet.innerVersion === 0) return '';
  return end === 'source'
    ? addressText(
        packet.innerVersion,
        packet.innerSource0,
        packet.innerSource1,
        packet.innerSource2,
        packet.innerSource3,
      )
    : addressText(
        packet.innerVersion,
        packet.innerDestination0,
        packet.innerDestination1,
        packet.innerDestination2,
        packet.innerDestination3,
      );
}

function clientIsSender(packet: DecodedPacket): boolean {
  if ((packet.flags & flagSyn) !== 0) return (packet.flags & flagAck) === 0;
  const source = packet.sourcePort;
  const destination = packet.destinationPort;
  if (source >= lowestEphemeralPort !== destination >= lowestEphemeralPort) return source >= lowestEphemeralPort;
  return source >= destination;
}
