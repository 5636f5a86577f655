import type { SeededRandom } from '../packets/seeded-random.ts';
import { ack, emptySegment, fin, psh, type Segment, syn } from './segment-writer.ts';

export interface TransferOptions {
  readonly sender: number;
  readonly receiver: number;
  readonly senderPort: number;
  readonly receiverPort: number;
  /** Whether the sender of the data opens the connection. */
  readonly senderIsClient: boolean;
  /** Segments of data to send. */
  readonly segments: number;
  /** Probability that a data segment, sent for the first time or again, is lost on the way. */
  readonly loss: number;
  readonly startUs: number;
}

/**
 * What a packet is by the generator's own book-keeping, in the words of a capture at that place: `resent`: data that had
 * been sent before; `gap`: data that leaves a gap behind the highest byte seen; `duplicateAck`.
 */
export type Meaning = 'plain' | 'resent' | 'gap' | 'duplicateAck' | 'reused';

const mss = 1448;
const lastBytes = 700;
/** Segments; the receiver's window is far larger. */
const largestWindow = 160;
const ring = 512;
const never = Number.POSITIVE_INFINITY;

const unsent = 0;
const inFlight = 1;
const sacked = 2;
const lost = 3;
const inFlightAgain = 4;

interface AckOnTheWay {
  atUs: number;
  upTo: number;
  blocks: number;
  readonly edges: Int32Array;
  tsval: number;
  tsecr: number;
  duplicate: boolean;
}

/**
 * One bulk transfer between two TCPs, as a capture on one end's host sees it: slow start and congestion avoidance
 * (RFC 5681), delayed ACKs (RFC 1122 4.2.3.2), SACK (RFC 2018) with loss recovery after three segments above a hole
 * (RFC 6675), a retransmission timer of at least 200 ms with back-off (RFC 6298). The path keeps the order; losses
 * happen between the two ends, so a capture on the sender's host sees originals and repetitions, one on the receiver's
 * host gaps and what fills them.
 */
export class LongTransfer {
  /** When the next thing happens; infinity: it is over. */
  nextUs: number;
  readonly #options: TransferOptions;
  readonly #random: SeededRandom;
  readonly #emit: (segment: Segment, meaning: Meaning) => void;
  readonly #segment = emptySegment();
  readonly #captureAtSender: boolean;
  readonly #senderIsClient: boolean;
  readonly #oneWayUs: number;
  readonly #paceUs: number;
  readonly #senderIsn: number;
  readonly #receiverIsn: number;
  readonly #senderClock: number;
  readonly #receiverClock: number;
  #senderIpId: number;
  #receiverIpId: number;
  /** Handshake and close are scripts of three packets each; data is between them. */
  #phase: 'open' | 'data' | 'close' | 'over' = 'open';
  #step = 0;

  // Sender
  readonly #state: Uint8Array;
  #una = 0;
  #next = 0;
  #highestSacked = -1;
  #lostCount = 0;
  #firstLost = 0;
  #pipe = 0;
  #window = 10;
  #threshold = largestWindow;
  #recoverAt = 0;
  #sendAtUs = 0;
  #rtoAtUs = never;
  #backoff = 1;
  #senderEcho = 0;

  // Receiver
  #expected = 0;
  #ackedUpTo = -1;
  #unackedSegments = 0;
  #delayedAckAtUs = never;
  /** Ranges above the gap, latest first: start and end of each, in turn. */
  readonly #ranges: number[] = [];
  #receiverEcho = 0;

  // The path
  readonly #dataAtUs = new Float64Array(ring);
  readonly #dataIndex = new Int32Array(ring);
  readonly #dataTsval = new Float64Array(ring);
  readonly #dataTsecr = new Float64Array(ring);
  readonly #dataAgain = new Uint8Array(ring);
  #dataHead = 0;
  #dataTail = 0;
  readonly #acks: readonly AckOnTheWay[] = Array.from({ length: ring }, () => ({
    atUs: 0,
    upTo: 0,
    blocks: 0,
    edges: new Int32Array(6),
    tsval: 0,
    tsecr: 0,
    duplicate: false,
  }));
  #ackHead = 0;
  #ackTail = 0;

  // What the capture has seen
  #highestCaptured = -1;

  constructor(options: TransferOptions, random: SeededRandom, emit: (segment: Segment, meaning: Meaning) => void) {
    this.#options = options;
    this.#random = random;
    this.#emit = emit;
    this.#captureAtSender = random.chance(0.5);
    this.#senderIsClient = options.senderIsClient;
    this.#oneWayUs = random.between(200, 30_000);
    this.#paceUs = random.between(50, 800);
    this.#senderIsn = random.bits();
    this.#receiverIsn = random.bits();
    this.#senderClock = random.between(1, 2 ** 30);
    this.#receiverClock = random.between(1, 2 ** 30);
    this.#senderIpId = random.bits() & 0xffff;
    this.#receiverIpId = random.bits() & 0xffff;
    this.#state = new Uint8Array(options.segments);
    this.nextUs = options.startUs;
  }

  /** Does what is due at {@link nextUs}. */
  proceed(): void {
    const now = this.nextUs;
    if (this.#phase === 'data') {
      this.#data(now);
      if (this.#phase === 'data') this.nextUs = this.#nextDataUs();
      else this.nextUs = now + 500;
      return;
    }
    this.nextUs = this.#phase === 'open' ? this.#open(now) : this.#close(now);
  }

  #open(now: number): number {
    const fromSender = (this.#step === 1) !== this.#senderIsClient;
    if (this.#step < 2) {
      const isn = fromSender ? this.#senderIsn : this.#receiverIsn;
      const other = fromSender ? this.#receiverIsn : this.#senderIsn;
      this.#fill(fromSender, now, isn, this.#step === 0 ? 0 : (other + 1) >>> 0, this.#step === 0 ? syn : syn | ack);
      this.#segment.mss = 1460;
      this.#segment.windowScale = 7;
      this.#segment.window = 64_240;
      if (this.#step === 0) this.#segment.tsecr = 0;
      this.#emit(this.#segment, 'plain');
      this.#step++;
      return now + this.#until(!fromSender);
    }
    this.#fill(fromSender, now, this.#sequenceOf(fromSender), this.#sequenceOf(!fromSender), ack);
    this.#emit(this.#segment, 'plain');
    this.#phase = 'data';
    this.#step = 0;
    this.#sendAtUs = now + (this.#senderIsClient ? 100 : this.#until(true));
    // A server's first ACK repeats that of its SYN+ACK with another window: no duplicate.
    this.#ackedUpTo = this.#senderIsClient ? -1 : 0;
    return this.#sendAtUs;
  }

  #close(now: number): number {
    const fromSender = this.#step !== 1;
    const own = (this.#sequenceOf(fromSender) + (this.#step === 2 ? 1 : 0)) >>> 0;
    const other = (this.#sequenceOf(!fromSender) + (this.#step === 0 ? 0 : 1)) >>> 0;
    this.#fill(fromSender, now, own, other, this.#step === 2 ? ack : fin | ack);
    this.#emit(this.#segment, 'plain');
    this.#step++;
    if (this.#step < 3) return now + this.#until(!fromSender);
    this.#phase = 'over';
    return never;
  }

  /** Time until the next packet of that side passes the capture, where it answers the one before. */
  #until(fromSender: boolean): number {
    return fromSender === this.#captureAtSender ? 60 : this.#oneWayUs * 2;
  }

  /** Next sequence number of a side that has sent everything so far (the receiver never sends data). */
  #sequenceOf(sender: boolean): number {
    return sender ? this.#sequence(this.#next) : (this.#receiverIsn + 1) >>> 0;
  }

  #sequence(index: number): number {
    const { segments } = this.#options;
    const bytes = index >= segments ? (segments - 1) * mss + lastBytes : index * mss;
    return (this.#senderIsn + 1 + bytes) >>> 0;
  }

  #fill(fromSender: boolean, now: number, sequence: number, acknowledgement: number, flags: number): void {
    const segment = this.#segment;
    const { sender, receiver, senderPort, receiverPort } = this.#options;
    segment.atUs = now;
    segment.source = fromSender ? sender : receiver;
    segment.destination = fromSender ? receiver : sender;
    segment.sourcePort = fromSender ? senderPort : receiverPort;
    segment.destinationPort = fromSender ? receiverPort : senderPort;
    segment.sequence = sequence;
    segment.acknowledgement = acknowledgement;
    segment.flags = flags;
    segment.window = fromSender ? 502 : 24_576;
    segment.payload = 0;
    segment.ttl = fromSender === this.#captureAtSender ? 64 : 61;
    if (fromSender) this.#senderIpId = (this.#senderIpId + 1) & 0xffff;
    else this.#receiverIpId = (this.#receiverIpId + 1) & 0xffff;
    segment.ipId = fromSender ? this.#senderIpId : this.#receiverIpId;
    segment.tsval = this.#clock(fromSender, now);
    segment.tsecr = this.#clock(!fromSender, now - this.#oneWayUs);
    segment.mss = 0;
    segment.sackBlocks = 0;
  }

  #clock(ofSender: boolean, now: number): number {
    return (
      ((ofSender ? this.#senderClock : this.#receiverClock) + Math.floor((now - this.#options.startUs) / 1000)) >>> 0
    );
  }

  #nextDataUs(): number {
    let next = Math.min(this.#rtoAtUs, this.#delayedAckAtUs);
    if (this.#maySend()) next = Math.min(next, this.#sendAtUs);
    if (this.#dataHead !== this.#dataTail) next = Math.min(next, this.#dataAtUs[this.#dataHead % ring] ?? never);
    if (this.#ackHead !== this.#ackTail) next = Math.min(next, this.#acks[this.#ackHead % ring]?.atUs ?? never);
    return next;
  }

  #maySend(): boolean {
    if (this.#pipe >= this.#window) return false;
    return this.#lostCount > 0 || (this.#next < this.#options.segments && this.#next - this.#una < largestWindow);
  }

  #data(now: number): void {
    if (this.#ackHead !== this.#ackTail) {
      const arriving = this.#acks[this.#ackHead % ring];
      if (arriving !== undefined && arriving.atUs <= now) {
        this.#ackHead++;
        this.#ackArrives(arriving, now);
        return;
      }
    }
    if (this.#dataHead !== this.#dataTail && (this.#dataAtUs[this.#dataHead % ring] ?? never) <= now) {
      const slot = this.#dataHead++ % ring;
      this.#dataArrives(slot, now);
      return;
    }
    if (this.#delayedAckAtUs <= now) {
      this.#sendAck(now);
      return;
    }
    if (this.#rtoAtUs <= now) {
      this.#timeout(now);
      return;
    }
    if (this.#maySend() && this.#sendAtUs <= now) this.#send(now);
  }

  #send(now: number): void {
    let index = this.#next;
    const again = this.#lostCount > 0;
    if (again) {
      index = this.#firstLost;
      while (index < this.#next && this.#state[index] !== lost) index++;
      this.#firstLost = index + 1;
      this.#lostCount--;
      this.#state[index] = inFlightAgain;
    } else {
      this.#state[index] = inFlight;
      this.#next++;
    }
    this.#pipe++;
    this.#sendAtUs = now + this.#paceUs;
    if (this.#rtoAtUs === never || again) this.#restartTimer(now);
    const tsval = this.#clock(true, now);
    if (this.#captureAtSender) this.#captureData(index, now, tsval, this.#senderEcho, again);
    else this.#senderIpId = (this.#senderIpId + 1) & 0xffff;
    if (this.#random.chance(this.#options.loss)) return;
    const slot = this.#dataTail++ % ring;
    this.#dataAtUs[slot] = now + this.#oneWayUs;
    this.#dataIndex[slot] = index;
    this.#dataTsval[slot] = tsval;
    this.#dataTsecr[slot] = this.#senderEcho;
    this.#dataAgain[slot] = again ? 1 : 0;
  }

  #captureData(index: number, now: number, tsval: number, tsecr: number, again: boolean): void {
    const last = index === this.#options.segments - 1;
    this.#fill(true, now, this.#sequence(index), (this.#receiverIsn + 1) >>> 0, last ? psh | ack : ack);
    this.#segment.payload = last ? lastBytes : mss;
    this.#segment.tsval = tsval;
    this.#segment.tsecr = tsecr === 0 ? this.#segment.tsecr : tsecr;
    const gap = index > this.#highestCaptured + 1;
    this.#highestCaptured = Math.max(this.#highestCaptured, index);
    this.#emit(this.#segment, gap ? 'gap' : again ? 'resent' : 'plain');
  }

  #dataArrives(slot: number, now: number): void {
    const index = this.#dataIndex[slot] ?? 0;
    const tsval = this.#dataTsval[slot] ?? 0;
    if (!this.#captureAtSender) {
      this.#captureData(index, now, tsval, this.#dataTsecr[slot] ?? 0, this.#dataAgain[slot] === 1);
    }
    if (index <= this.#expected) this.#receiverEcho = tsval;
    const ranges = this.#ranges;
    if (index === this.#expected) {
      const hadGap = ranges.length > 0;
      this.#expected++;
      for (let i = 0; i < ranges.length; i += 2) {
        if (ranges[i] !== this.#expected) continue;
        this.#expected = ranges[i + 1] ?? 0;
        ranges.splice(i, 2);
        break;
      }
      this.#unackedSegments++;
      if (hadGap || this.#unackedSegments >= 2 || this.#expected === this.#options.segments) this.#sendAck(now);
      else this.#delayedAckAtUs = now + 40_000;
      return;
    }
    if (index > this.#expected) this.#keepRange(index);
    this.#sendAck(now);
  }

  /** Adds a segment above the gap; the range that it belongs to becomes the first SACK block (RFC 2018 4). */
  #keepRange(index: number): void {
    const ranges = this.#ranges;
    let start = index;
    let end = index + 1;
    for (let i = 0; i < ranges.length; ) {
      const left = ranges[i] ?? 0;
      const right = ranges[i + 1] ?? 0;
      if (right < start || left > end) {
        i += 2;
        continue;
      }
      start = Math.min(start, left);
      end = Math.max(end, right);
      ranges.splice(i, 2);
    }
    ranges.unshift(start, end);
  }

  #sendAck(now: number): void {
    this.#delayedAckAtUs = never;
    this.#unackedSegments = 0;
    const onTheWay = this.#acks[this.#ackTail++ % ring];
    if (onTheWay === undefined) return;
    onTheWay.atUs = now + this.#oneWayUs;
    onTheWay.upTo = this.#expected;
    onTheWay.blocks = Math.min(3, this.#ranges.length / 2);
    for (let i = 0; i < onTheWay.blocks * 2; i++) onTheWay.edges[i] = this.#ranges[i] ?? 0;
    onTheWay.tsval = this.#clock(false, now);
    onTheWay.tsecr = this.#receiverEcho;
    onTheWay.duplicate = this.#expected === this.#ackedUpTo;
    this.#ackedUpTo = this.#expected;
    if (!this.#captureAtSender) this.#captureAck(onTheWay, now);
  }

  #captureAck(seen: AckOnTheWay, now: number): void {
    this.#fill(false, now, (this.#receiverIsn + 1) >>> 0, this.#sequence(seen.upTo), ack);
    const segment = this.#segment;
    segment.tsval = seen.tsval;
    segment.tsecr = seen.tsecr;
    segment.sackBlocks = seen.blocks;
    for (let i = 0; i < seen.blocks * 2; i++) segment.sackEdges[i] = this.#sequence(seen.edges[i] ?? 0);
    this.#emit(segment, seen.duplicate ? 'duplicateAck' : 'plain');
  }

  #ackArrives(arriving: AckOnTheWay, now: number): void {
    if (this.#captureAtSender) this.#captureAck(arriving, now);
    this.#senderEcho = arriving.tsval;
    const state = this.#state;
    const acknowledged = arriving.upTo - this.#una;
    for (let index = this.#una; index < arriving.upTo; index++) this.#leave(index);
    this.#una = Math.max(this.#una, arriving.upTo);
    this.#firstLost = Math.max(this.#firstLost, this.#una);
    for (let block = 0; block < arriving.blocks; block++) {
      const end = arriving.edges[block * 2 + 1] ?? 0;
      for (let index = Math.max(this.#una, arriving.edges[block * 2] ?? 0); index < end; index++) {
        if (state[index] === sacked) continue;
        this.#leave(index);
        state[index] = sacked;
      }
      this.#highestSacked = Math.max(this.#highestSacked, end - 1);
    }
    let newLoss = false;
    for (let index = this.#una; index <= this.#highestSacked - 3; index++) {
      if (state[index] !== inFlight) continue;
      this.#lose(index);
      newLoss = true;
    }
    if (newLoss && this.#una >= this.#recoverAt) {
      this.#threshold = Math.max(4, Math.floor(this.#window * 0.7));
      this.#window = this.#threshold;
      this.#recoverAt = this.#next;
    } else if (acknowledged > 0 && this.#una >= this.#recoverAt) {
      this.#window += this.#window < this.#threshold ? acknowledged : acknowledged / this.#window;
      this.#window = Math.min(this.#window, largestWindow);
    }
    if (acknowledged > 0) {
      this.#backoff = 1;
      this.#restartTimer(now);
    }
    this.#sendAtUs = Math.max(this.#sendAtUs, now);
    if (this.#una === this.#options.segments) this.#phase = 'close';
  }

  /** The segment is no longer in flight and needs no repetition. */
  #leave(index: number): void {
    const state = this.#state[index];
    if (state === inFlight || state === inFlightAgain) this.#pipe--;
    else if (state === lost) this.#lostCount--;
    this.#state[index] = unsent;
  }

  #lose(index: number): void {
    this.#state[index] = lost;
    this.#pipe--;
    this.#lostCount++;
    this.#firstLost = Math.min(this.#firstLost, index);
  }

  #restartTimer(now: number): void {
    this.#rtoAtUs = now + Math.max(200_000, this.#oneWayUs * 4) * this.#backoff;
  }

  #timeout(now: number): void {
    for (let index = this.#una; index < this.#next; index++) {
      const state = this.#state[index];
      if (state === inFlight || state === inFlightAgain) this.#lose(index);
    }
    this.#firstLost = this.#una;
    this.#threshold = Math.max(4, Math.floor(this.#window / 2));
    this.#window = 1;
    this.#recoverAt = this.#next;
    this.#backoff = Math.min(64, this.#backoff * 2);
    this.#sendAtUs = now;
    this.#restartTimer(now);
  }
}
