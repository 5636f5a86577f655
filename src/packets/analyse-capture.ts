import type { Capture, Connection, IcmpError, ParseProblem } from '../model/facts.ts';
import type { ConversationPacket } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import { type CaptureRecord, createCaptureReader, noLinkType } from './capture-reader.ts';
import { chooseConnections } from './choose-connections.ts';
import { ConnectionTable } from './connection-table.ts';
import { type DecodedPacket, flagAck, flagFin, flagRst, flagSyn } from './decode-packet.ts';
import { DuplicateFinder } from './duplicate-finder.ts';
import { icmpErrorName } from './icmp-error-name.ts';
import { LetGoOrder } from './let-go-order.ts';
import { linkTypeName } from './link-type-name.ts';
import { OtherTraffic } from './other-traffic.ts';
import type { PacketLog } from './packet-log.ts';
import { RecordDecoder } from './record-decoder.ts';
import { ServiceCounts } from './service-counts.ts';
import { SynSources } from './syn-sources.ts';
import {
  analyseSegment,
  clientSide,
  type FlagMode,
  type Side,
  serverSide,
  startsNewConversation,
} from './tcp-flags.ts';
import { parseTcpdumpStderr } from './tcpdump-stderr.ts';

export interface CaptureAnalyserOptions {
  /** What `at.evidence` is to say: path inside the run directory, or the file name. */
  readonly evidence: string;
  /** Connections kept at once; default 20 000 (about half a kB each). */
  readonly maxConnections?: number;
  /** SYNs, and SYN+ACKs, kept per connection; default 32. */
  readonly maxSynsPerConnection?: number;
  /** ICMP errors kept; default 1000. */
  readonly maxIcmpErrors?: number;
  /** Connections whose facts are made, those first that something happened to; default: all that are kept. */
  readonly maxFacts?: number;
  /** Addresses whose connections are let go last of all, as addresses are written in facts. */
  readonly keep?: readonly string[];
  /** Keeps the packets themselves. */
  readonly log?: PacketLog;
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
  /** All connections that are kept, in order of their numbers; each fact is made when it is asked for. */
  connections(): IterableIterator<Connection>;
  /** Packets of one connection, where they are kept ({@link CaptureAnalyserOptions.log}). */
  packetsOf(number: number): readonly ConversationPacket[];
}

/**
 * Makes the facts of a capture from its bytes while they come: connections (one per 4-tuple and initial sequence
 * number), ICMP errors with the flow they are about. Memory is bounded; what is let go is counted and said.
 *
 * - Client is the sender of the SYN; for connections that began before the capture, the receiver of a SYN+ACK, else the
 *   side with the port that looks ephemeral, else the first sender.
 * - The same packet on several devices of an `-i any` capture is one packet; the devices of a SYN are its sightings, and
 *   every packet is counted in the places where it was seen.
 * - When there is no room for another connection, one is let go that ended well, else the oldest that nobody answered;
 *   `services` and `synSources` count them all the same.
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
  readonly #maxFacts: number;
  readonly #maxSyns: number;
  readonly #keep: ReadonlySet<string>;
  readonly #log: PacketLog | null;

  readonly #reader = createCaptureReader((record) => {
    this.#take(record);
  });
  readonly #decoder: RecordDecoder;
  readonly #others = new OtherTraffic();
  readonly #duplicates = new DuplicateFinder();
  readonly #table: ConnectionTable;
  readonly #letGo: LetGoOrder;
  readonly #services = new ServiceCounts();
  readonly #synSources = new SynSources();

  #connectionsDropped = 0;
  /** Connections that nothing happened to and that were let go. */
  #uneventfulDropped = 0;
  #packetsOfDropped = 0;
  readonly #icmpErrors: IcmpError[] = [];
  #icmpErrorsDropped = 0;
  /** IP ids of the latest ICMP errors, beside their facts. */
  readonly #icmpIds: number[] = [];
  #unknownLinkPackets = 0;

  #packets = 0;
  #bytes = 0;
  #baseSeconds = -1;
  #firstAtMs: number | null = null;
  #lastAtMs = Number.NEGATIVE_INFINITY;

  #changed = true;
  #facts: Pick<Capture, 'connections' | 'uneventful' | 'services' | 'synSources'> = {
    connections: [],
    uneventful: 0,
    services: [],
    synSources: [],
  };
  /** Connections that something happened to and for whose facts there was no room. */
  #eventfulLeftOut = 0;
  #stderr: {
    readonly listening: boolean;
    readonly droppedByKernel: number | null;
    readonly failure: string | null;
  } | null = null;

  constructor(options: CaptureAnalyserOptions) {
    this.#evidence = options.evidence;
    this.#mode = options.mode ?? 'netcheck';
    this.#decoder = new RecordDecoder(this.#mode);
    this.#onTcpPacket = options.onTcpPacket;
    this.#maxConnections = Math.min(1_000_000, Math.max(1, options.maxConnections ?? 20_000));
    this.#maxIcmpErrors = options.maxIcmpErrors ?? 1000;
    this.#maxFacts = options.maxFacts ?? Number.POSITIVE_INFINITY;
    this.#keep = new Set(options.keep);
    this.#log = options.log ?? null;
    this.#maxSyns = Math.max(1, options.maxSynsPerConnection ?? 32);
    const limits = {
      maxConnections: this.#maxConnections,
      maxSyns: this.#maxSyns,
      maxSynAcks: this.#maxSyns,
      maxResets: 32,
      maxSightings: 16,
    };
    this.#table = new ConnectionTable(limits, options.maxFacts === undefined);
    this.#letGo = new LetGoOrder(this.#table, this.#maxConnections);
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  snapshot(): Capture {
    if (this.#changed) this.#makeFacts();
    const reader = this.#reader;
    const readable = reader.format === 'pcapng' || (reader.format === 'pcap' && reader.linkTypes.length > 0);
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      linkType: reader.linkTypes.map(linkTypeName).join(', ') || 'unknown',
      firstAtMs: this.#firstAtMs,
      lastAtMs: this.#firstAtMs === null ? null : this.#lastAtMs,
      droppedByKernel: this.#stderr?.droppedByKernel ?? reader.droppedByKernel,
      listening: this.#stderr === null ? readable : this.#stderr.listening || this.#packets > 0,
      ...this.#facts,
      ...this.#others.facts(),
      fragments: this.#decoder.fragments(),
      interfaceNames: { ...reader.interfaceNames },
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

  *connections(): IterableIterator<Connection> {
    for (const slot of this.#table.inOrder()) yield this.#table.fact(slot);
  }

  packetsOf(number: number): readonly ConversationPacket[] {
    return this.#log?.packetsOf(number) ?? [];
  }

  #makeFacts(): void {
    const table = this.#table;
    const slots = table.inOrder();
    const { chosen, uneventful, eventful } = chooseConnections(table, slots, this.#maxFacts);
    const connections: Connection[] = [];
    for (const slot of chosen) connections.push(table.fact(slot));
    this.#eventfulLeftOut = eventful;
    this.#facts = {
      connections,
      uneventful: this.#uneventfulDropped + uneventful,
      services: this.#services.facts((each) => {
        for (const slot of slots) each(table.service(slot), table.outcome(slot));
      }),
      synSources: this.#synSources.facts((each) => {
        for (const slot of slots) {
          const source = table.synSource(slot);
          if (source >= 0) each(source, table.handshake(slot) !== 'unanswered', table.synStanding(slot));
        }
      }),
    };
    this.#changed = false;
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
      this.#eventfulLeftOut,
      `${this.#eventfulLeftOut} more connections did not go well: the worst ${this.#facts.connections.length} are listed`,
    );
    say(
      this.#table.synsDropped,
      `${this.#table.synsDropped} SYNs were not kept: at most ${this.#maxSyns} per connection are`,
    );
    say(
      this.#icmpErrorsDropped,
      `${this.#icmpErrorsDropped} ICMP errors were not kept: at most ${this.#maxIcmpErrors} are`,
    );
    const details = this.#table.details.dropped;
    say(details, `${details} holes, shut windows or silences of connections were not kept: there was no room for more`);
    const forgotten = this.#services.forgotten + this.#synSources.forgotten;
    say(forgotten, `${forgotten} of the less busy services and clients are not counted one by one: there are too many`);
    const notLogged = this.#log?.dropped ?? 0;
    say(notLogged, `${notLogged} packets are not listed: there was no room for more`);
    problems.push(...this.#others.problems());
    return problems;
  }

  #take(record: CaptureRecord): void {
    this.#packets = record.frame;
    if (record.linkType === noLinkType) return;
    this.#bytes += record.wireLength;
    if (this.#baseSeconds < 0) {
      this.#baseSeconds = record.seconds;
      this.#table.baseSeconds = record.seconds;
    }
    const atNs = (record.seconds - this.#baseSeconds) * 1e9 + record.nanoseconds;
    const atMs = record.seconds * 1000 + record.nanoseconds / 1e6;
    this.#firstAtMs ??= atMs;
    if (atMs > this.#lastAtMs) this.#lastAtMs = atMs;
    this.#changed = true;

    const packet = this.#decoder.decode(record);
    if (packet.kind === 'tcp') {
      this.#tcp(packet, record, atNs, atMs);
      if (packet.destinationPort === 53 || packet.sourcePort === 53)
        this.#others.add(packet, packet.view, packet.capturedEnd, record.frame, atMs);
    } else if (packet.kind === 'udp' || packet.kind === 'arp' || packet.kind === 'icmp') {
      this.#others.add(packet, packet.view, packet.capturedEnd, record.frame, atMs);
    } else if (packet.kind === 'tcpShort') this.#onTcpPacket?.(packet, record.frame, atMs, 0);
    else if (packet.kind === 'icmpError') this.#icmpError(packet, record.frame, atMs);
    else if (packet.unknownLink) this.#unknownLinkPackets++;
  }

  #tcp(packet: DecodedPacket, record: CaptureRecord, atNs: number, atMs: number): void {
    const table = this.#table;
    const { flags } = packet;
    const hash = table.flows.hashOf(packet);
    const found = table.flows.find(packet, hash);
    let slot = found >> 1;
    let side: Side = (found & 1) === 0 ? clientSide : serverSide;
    let reused = false;
    if (found >= 0 && startsNewConversation(table.states, slot, side, packet)) reused = true;
    if (found < 0 || reused) {
      side = clientIsSender(packet) ? clientSide : serverSide;
      slot = this.#open(packet, side, hash, atNs, reused ? slot : -1);
      if (slot < 0) {
        this.#onTcpPacket?.(packet, record.frame, atMs, 0);
        return;
      }
    }

    // Only these captures can hold one packet several times.
    const isOneOfMany = packet.cooked || this.#reader.interfaces > 1;
    let place = -1;
    let duplicate = false;
    if (isOneOfMany) {
      const interfaceId = packet.cooked ? -1 : record.interfaceId;
      place = table.placed(slot, side, packet, packet.interfaceIndex >= 0 ? packet.interfaceIndex : interfaceId);
      duplicate = this.#duplicates.seenElsewhere(packet, table.number(slot) * 2 + side, record.interfaceId, atNs);
    }
    if (packet.tunnel !== '') table.tunnelled(slot, side, packet);
    if (duplicate && this.#mode === 'netcheck') {
      if ((flags & (flagSyn | flagAck)) === flagSyn) table.sighted(slot, packet, atNs);
      this.#log?.sighted(table.number(slot), packet, record.frame, atMs, place);
      this.#onTcpPacket?.(packet, record.frame, atMs, 0);
      return;
    }

    if ((flags & flagRst) !== 0 && !duplicate) table.addReset(slot, side, packet, record.frame, atNs);
    const verdicts = analyseSegment(table.states, slot, side, packet, atNs, this.#mode, reused);
    if (duplicate) {
      if ((flags & (flagSyn | flagAck)) === flagSyn) table.sighted(slot, packet, atNs);
      this.#log?.sighted(table.number(slot), packet, record.frame, atMs, place);
    } else {
      table.add(slot, side, packet, verdicts, atNs);
      table.details.segment(slot, side, packet, verdicts, record.frame, atMs);
      if ((flags & (flagSyn | flagFin | flagRst)) !== 0) this.#signal(slot, side, packet, record.frame, atNs);
      this.#log?.add(table.number(slot), side === clientSide, packet, record.frame, atMs, verdicts, place);
    }
    this.#onTcpPacket?.(packet, record.frame, atMs, verdicts);
  }

  /** What a SYN, SYN+ACK or FIN changes beyond the connection's own counts. */
  #signal(slot: number, side: Side, packet: DecodedPacket, frame: number, atNs: number): void {
    const table = this.#table;
    const kind = packet.flags & (flagSyn | flagAck);
    const source = table.synSource(slot);
    if (kind === flagSyn && side === clientSide) {
      table.addSyn(slot, packet, frame, atNs);
      this.#synOf(slot, packet, atNs);
    } else if (kind === (flagSyn | flagAck) && side === serverSide) {
      table.addSynAck(slot, packet, frame, atNs);
      const tsval = table.synTsval(slot);
      if (source >= 0 && tsval !== null) this.#synSources.shown(source, tsval, atNs);
    }
    if ((packet.flags & flagFin) === 0) return;
    if (side === clientSide && source >= 0 && packet.hasTimestamps && table.handshake(slot) === 'complete') {
      this.#synSources.shown(source, packet.tsval, atNs);
    }
    if (table.isDone(slot)) this.#letGo.done(slot);
  }

  #synOf(slot: number, packet: DecodedPacket, atNs: number): void {
    const table = this.#table;
    let source = table.synSource(slot);
    if (source < 0) {
      source = this.#synSources.open(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3);
      const standing = packet.hasTimestamps ? this.#synSources.standing(source, packet.tsval, atNs) : 'unknown';
      table.setSynSource(slot, source, standing);
    }
    this.#synSources.syn(source);
  }

  /** A slot for the connection that this packet begins; -1: there is no room. */
  #open(packet: DecodedPacket, sender: Side, hash: number, atNs: number, earlier: number): number {
    const table = this.#table;
    const isKept = this.#keep.size > 0 && this.#isKept(packet);
    const service = this.#service(packet, sender);
    if (earlier >= 0) table.flows.remove(earlier);
    // The earlier one on these ports may be the one that has to go: what is said of it is read before.
    const earlierNumber = earlier < 0 ? -1 : table.number(earlier);
    const sinceNs = earlier < 0 ? 0 : atNs - table.lastAtNs(earlier);
    if (!table.hasRoom && !this.#makeRoom(isKept)) {
      if ((packet.flags & (flagSyn | flagAck)) === flagSyn) this.#connectionsDropped++;
      this.#packetsOfDropped++;
      return -1;
    }
    const slot = table.open(packet, sender === clientSide, hash, atNs);
    table.setService(slot, service);
    if (isKept) table.keepLast(slot);
    if (earlier >= 0) table.setReuse(slot, earlierNumber, sinceNs);
    return slot;
  }

  #service(packet: DecodedPacket, sender: Side): number {
    const { ipVersion: version } = packet;
    return sender === clientSide
      ? this.#services.open(
          version,
          packet.destination0,
          packet.destination1,
          packet.destination2,
          packet.destination3,
          packet.destinationPort,
          addressHash(packet.source0, packet.source1, packet.source2, packet.source3),
        )
      : this.#services.open(
          version,
          packet.source0,
          packet.source1,
          packet.source2,
          packet.source3,
          packet.sourcePort,
          addressHash(packet.destination0, packet.destination1, packet.destination2, packet.destination3),
        );
  }

  #isKept(packet: DecodedPacket): boolean {
    const { ipVersion: version } = packet;
    return (
      this.#keep.has(addressText(version, packet.source0, packet.source1, packet.source2, packet.source3)) ||
      this.#keep.has(
        addressText(version, packet.destination0, packet.destination1, packet.destination2, packet.destination3),
      )
    );
  }

  #makeRoom(forKept: boolean): boolean {
    const table = this.#table;
    const slot = this.#letGo.next(forKept);
    if (slot < 0) return false;
    if (table.event(slot) === 'none') this.#uneventfulDropped++;
    else this.#connectionsDropped++;
    this.#services.close(table.service(slot), table.outcome(slot));
    const source = table.synSource(slot);
    if (source >= 0) {
      this.#synSources.close(source, table.handshake(slot) !== 'unanswered', table.synStanding(slot));
    }
    table.release(slot);
    return true;
  }

  #icmpError(packet: DecodedPacket, frame: number, atMs: number): void {
    const version = packet.ipVersion === 6 ? 6 : 4;
    const name = icmpErrorName(version, packet.icmpType, packet.icmpCode);
    const from = addressText(version, packet.source0, packet.source1, packet.source2, packet.source3);
    const to = addressText(version, packet.destination0, packet.destination1, packet.destination2, packet.destination3);
    const sequence = packet.hasInnerSequence ? packet.innerSequence >>> 0 : null;
    const sourcePort = packet.innerSourcePort < 0 ? null : packet.innerSourcePort;
    if (packet.cooked && this.#icmpSeen(packet, from, to, name, sourcePort, sequence, atMs)) return;

    this.#changed = true;
    if (packet.innerVersion !== 0 && packet.innerProtocol === 6 && sourcePort !== null) {
      const found = this.#table.flows.findInner(packet);
      if (found >= 0) this.#table.icmpError(found >> 1, packet, (found & 1) === clientSide, isAboutSize(name));
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

function addressHash(word0: number, word1: number, word2: number, word3: number): number {
  let h = Math.imul(word3 ^ (word3 >>> 15), 0x85eb_ca6b);
  h = Math.imul(h ^ word2 ^ (h >>> 13), 0xc2b2_ae35);
  h = Math.imul(h ^ word1 ^ (h >>> 16), 0x85eb_ca6b);
  return h ^ word0 ^ (h >>> 13);
}

function clientIsSender(packet: DecodedPacket): boolean {
  if ((packet.flags & flagSyn) !== 0) return (packet.flags & flagAck) === 0;
  const source = packet.sourcePort;
  const destination = packet.destinationPort;
  if (source >= lowestEphemeralPort !== destination >= lowestEphemeralPort) return source >= lowestEphemeralPort;
  return source >= destination;
}
