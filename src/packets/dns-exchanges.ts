import type { DnsExchange } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import type { DecodedPacket } from './decode-packet.ts';
import { type DnsMessage, type DnsQuestion, readDnsMessage } from './dns-message.ts';

export const dnsPort = 53;
/** Not asked again for so long, the same id on the same ports is a new question. */
const sameQuestionWithinMs = 60_000;
/** Questions with one id from one port that an answer is looked for among. */
const maxPerBucket = 32;

interface ExchangeState {
  /** In order of the first question. */
  readonly serial: number;
  readonly bucket: string;
  /** Lower case, with type and class: what has to agree. */
  readonly question: string;
  readonly base: Omit<DnsExchange, 'queries' | 'answer'>;
  queries: number;
  lastAskedMs: number;
  /** TCP sequence number of the question: TCP's own retransmission is not another question. */
  readonly sequence: number;
  answer: DnsExchange['answer'];
  /** The answer was read from a first fragment: the whole one may still come. */
  answerIsPart: boolean;
  fact: DnsExchange | null;
}

/**
 * Questions to name servers (port 53, UDP and TCP) with their answers, by 5-tuple, id and question. Standard queries
 * only. Over TCP, messages are read segment by segment: one that goes on in the next segment is read as far as this one
 * goes, and a length that comes in a segment of its own is not understood.
 *
 * Bounded: the oldest that was answered is let go first.
 */
export class DnsExchanges {
  readonly #maxExchanges: number;
  #nextSerial = 0;
  readonly #open = new Set<ExchangeState>();
  readonly #closed = new Set<ExchangeState>();
  /** First of their kind from their server: not let go, so that "never answers" and "always fails" stay true. */
  readonly #kept: ExchangeState[] = [];
  /** By 5-tuple and id; the latest at the end. */
  readonly #buckets = new Map<string, ExchangeState[]>();
  readonly #maxKeptKinds: number;
  readonly #keptKinds = new Set<string>();
  /** Exchanges that were let go. */
  dropped = 0;
  /** Answers to what was not asked in this capture. */
  unasked = 0;
  /** Messages that could not be read: cut, or malformed. */
  unreadable = 0;

  constructor(maxExchanges: number) {
    this.#maxExchanges = maxExchanges;
    this.#maxKeptKinds = Math.floor(maxExchanges / 4);
  }

  /**
   * Takes a UDP datagram from or to port 53.
   * @param wireBytes UDP payload on the wire
   */
  addUdp(
    packet: DecodedPacket,
    view: DataView,
    from: number,
    end: number,
    wireBytes: number,
    frame: number,
    atMs: number,
  ): void {
    const message = readDnsMessage(view, from, end);
    if (message === null) this.unreadable++;
    else this.#take(packet, message, wireBytes, -1, frame, atMs);
  }

  /** Takes a TCP segment with payload from or to port 53 (RFC 1035 4.2.2: two bytes of length before each message). */
  addTcp(packet: DecodedPacket, view: DataView, from: number, end: number, frame: number, atMs: number): void {
    let at = from;
    while (end - at > 2) {
      const length = view.getUint16(at);
      const message = readDnsMessage(view, at + 2, Math.min(end, at + 2 + length));
      // the rest of a message whose beginning was in an earlier segment looks like this, too
      if (message === null || message.questions.length === 0) return;
      this.#take(packet, message, length, (packet.sequence >>> 0) + at - from, frame, atMs);
      at += 2 + length;
    }
  }

  facts(): readonly DnsExchange[] {
    return [...this.#open, ...this.#closed, ...this.#kept]
      .sort((a, b) => a.serial - b.serial)
      .map((state) => (state.fact ??= { ...state.base, queries: state.queries, answer: state.answer }));
  }

  #take(
    packet: DecodedPacket,
    message: DnsMessage,
    bytes: number,
    sequence: number,
    frame: number,
    atMs: number,
  ): void {
    if (message.opcode !== 0) return;
    if (!message.isAnswer) {
      if (packet.destinationPort !== dnsPort) return;
      if (message.questions.length < message.questionCount) this.unreadable++;
      for (const question of message.questions) this.#asked(packet, message, question, sequence, frame, atMs);
    } else if (packet.sourcePort === dnsPort) this.#answered(packet, message, bytes, frame, atMs);
  }

  #asked(
    packet: DecodedPacket,
    message: DnsMessage,
    question: DnsQuestion,
    sequence: number,
    frame: number,
    atMs: number,
  ): void {
    const client = sourceOf(packet);
    const server = destinationOf(packet);
    const transport = packet.protocol === 6 ? 'tcp' : 'udp';
    const bucket = bucketOf(transport, client, server, message.id);
    const key = keyOf(question);
    const others = this.#buckets.get(bucket) ?? [];
    const earlier = others.findLast((state) => state.question === key);
    if (earlier !== undefined && earlier.answer === null && atMs - earlier.lastAskedMs <= sameQuestionWithinMs) {
      if (sequence >= 0 && earlier.sequence === sequence) return;
      earlier.queries++;
      earlier.lastAskedMs = atMs;
      earlier.fact = null;
      return;
    }
    if (this.#open.size + this.#closed.size + this.#kept.length >= this.#maxExchanges) this.#makeRoom();
    const state: ExchangeState = {
      serial: this.#nextSerial++,
      bucket,
      question: key,
      base: { client, server, transport, id: message.id, name: question.name, type: question.type, frame, atMs },
      queries: 1,
      lastAskedMs: atMs,
      sequence,
      answer: null,
      answerIsPart: false,
      fact: null,
    };
    this.#open.add(state);
    const list = this.#buckets.get(bucket);
    if (list === undefined) this.#buckets.set(bucket, [state]);
    else if (list.push(state) > maxPerBucket) list.shift();
  }

  #answered(packet: DecodedPacket, message: DnsMessage, bytes: number, frame: number, atMs: number): void {
    const server = sourceOf(packet);
    const transport = packet.protocol === 6 ? 'tcp' : 'udp';
    const states = this.#buckets.get(bucketOf(transport, destinationOf(packet), server, message.id)) ?? [];
    const keys = message.questions.map(keyOf);
    let matched = false;
    for (const state of states) {
      // some servers do not repeat the question when they could not read or would not take it
      if (message.questionCount > 0 && !keys.includes(state.question)) continue;
      matched = true;
      if (state.answer !== null && !(state.answerIsPart && packet.fragmented)) continue;
      state.answer = {
        atMs: state.answer?.atMs ?? atMs,
        frame,
        rcode: message.rcode,
        truncated: message.truncated,
        answers: message.answers,
        addresses: message.addresses,
        bytes,
        fragmented: packet.fragmented || packet.moreFragments,
      };
      state.answerIsPart = packet.moreFragments;
      state.fact = null;
      if (!this.#open.delete(state)) continue;
      const kind = `${server.address} ${message.rcode}`;
      if (this.#keptKinds.size < this.#maxKeptKinds && !this.#keptKinds.has(kind)) {
        this.#keptKinds.add(kind);
        this.#kept.push(state);
      } else this.#closed.add(state);
    }
    // over TCP it may be the middle of a longer one
    if (!matched && transport === 'udp') this.unasked++;
  }

  #makeRoom(): void {
    const states = this.#closed.size > 0 ? this.#closed : this.#open;
    const oldest = states.values().next().value;
    if (oldest === undefined) return;
    states.delete(oldest);
    this.dropped++;
    const { bucket } = oldest;
    const rest = (this.#buckets.get(bucket) ?? []).filter((state) => state !== oldest);
    if (rest.length === 0) this.#buckets.delete(bucket);
    else this.#buckets.set(bucket, rest);
  }
}

/** Names are compared without case (RFC 4343); resolvers mix it against forgery. */
function keyOf({ name, type, class: group }: DnsQuestion): string {
  return `${name.toLowerCase()} ${type} ${group}`;
}

function bucketOf(transport: string, client: DnsExchange['client'], server: DnsExchange['server'], id: number): string {
  return `${transport} ${client.address} ${client.port} ${server.address} ${id}`;
}

function sourceOf(packet: DecodedPacket): DnsExchange['client'] {
  return {
    address: addressText(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3),
    port: packet.sourcePort,
  };
}

function destinationOf(packet: DecodedPacket): DnsExchange['client'] {
  return {
    address: addressText(
      packet.ipVersion,
      packet.destination0,
      packet.destination1,
      packet.destination2,
      packet.destination3,
    ),
    port: packet.destinationPort,
  };
}
