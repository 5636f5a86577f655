import type { SynSource } from '../model/packet-facts.ts';
import { AddressTable, leastHalf } from './address-table.ts';
import { addressText } from './address-text.ts';

/** Source addresses told apart at once; the less telling half is forgotten when there are more. */
const maxSources = 16_384;
/** Source addresses reported. */
const maxReported = 1000;
/** How long a kernel with tcp_tw_recycle holds an older timestamp against an address (TCP_PAWS_MSL, linux/tcp.h). */
const pawsMslNs = 60e9;
/** Timestamps may step back by this (TCP_PAWS_WINDOW, net/tcp.h). */
const pawsWindow = 1;

/*
 * Layout of the numbers: 7 per source.
 */
const sourceNumbers = 7;
const synsOf = 0;
const unansweredOf = 1;
const unansweredBehindOf = 2;
const answeredBehindOf = 3;
const unansweredAheadOf = 4;
/** Highest timestamp of an attempt that was answered, and when it was last shown, ns. */
const highestOf = 5;
const highestAtOf = 6;

/** How the timestamp of an attempt stands to what its source had shown before. */
export type SynStanding = 'behind' | 'ahead' | 'unknown';

/**
 * Timestamps of SYNs per source address: a node with tcp_tw_recycle drops SYNs whose timestamp lies below one that the
 * same address had shown in an answered connection within the last minute (net/ipv4/tcp_ipv4.c before Linux 4.12,
 * tcp_peer_is_proven).
 */
export class SynSources {
  readonly #sources = new AddressTable();
  #numbers = new Float64Array(64 * sourceNumbers);
  /** Sources that were forgotten to make room for others. */
  forgotten = 0;

  /** The source of a SYN, made if it is not known; a reference for the other calls. */
  open(version: number, word0: number, word1: number, word2: number, word3: number): number {
    if (this.#sources.size >= maxSources) this.#forget();
    const reference = this.#sources.reference(version, word0, word1, word2, word3, 0);
    const entry = reference >>> 16;
    if ((entry + 1) * sourceNumbers > this.#numbers.length) {
      const numbers = new Float64Array(this.#numbers.length * 2);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
    }
    const at = entry * sourceNumbers;
    if (this.#numbers[at + synsOf] === 0) this.#numbers[at + highestAtOf] = Number.NEGATIVE_INFINITY;
    return reference;
  }

  /** Another SYN, repeated ones too. */
  syn(reference: number): void {
    const entry = this.#sources.entryOf(reference);
    if (entry < 0) return;
    const at = entry * sourceNumbers + synsOf;
    this.#numbers[at] = (this.#numbers[at] ?? 0) + 1;
  }

  /** What the first SYN of an attempt looks like to a node that remembers this source. */
  standing(reference: number, tsval: number, atNs: number): SynStanding {
    const entry = this.#sources.entryOf(reference);
    if (entry < 0) return 'unknown';
    const at = entry * sourceNumbers;
    if (atNs - (this.#numbers[at + highestAtOf] ?? 0) > pawsMslNs) return 'unknown';
    const below = ((this.#numbers[at + highestOf] ?? 0) - tsval) | 0;
    return below > pawsWindow ? 'behind' : below <= 0 ? 'ahead' : 'unknown';
  }

  /** A connection that was answered has shown this timestamp. */
  shown(reference: number, tsval: number, atNs: number): void {
    const entry = this.#sources.entryOf(reference);
    if (entry < 0) return;
    const at = entry * sourceNumbers;
    const isOld = atNs - (this.#numbers[at + highestAtOf] ?? 0) > pawsMslNs;
    if (!isOld && (((this.#numbers[at + highestOf] ?? 0) - tsval) | 0) > pawsWindow) return;
    this.#numbers[at + highestOf] = tsval;
    this.#numbers[at + highestAtOf] = atNs;
  }

  /** Adds what became of an attempt that is let go. */
  close(reference: number, answered: boolean, standing: SynStanding): void {
    this.#add(this.#numbers, reference, answered, standing);
  }

  #add(numbers: Float64Array, reference: number, answered: boolean, standing: SynStanding): void {
    const entry = this.#sources.entryOf(reference);
    if (entry < 0) return;
    const at = entry * sourceNumbers;
    if (!answered) numbers[at + unansweredOf] = (numbers[at + unansweredOf] ?? 0) + 1;
    const which = standingOf(answered, standing);
    if (which >= 0) numbers[at + which] = (numbers[at + which] ?? 0) + 1;
  }

  /**
   * Sources with unanswered attempts behind their own timestamps first, then those with most SYNs.
   * @param kept calls back with every attempt that is still kept
   */
  facts(kept: (each: (reference: number, answered: boolean, standing: SynStanding) => void) => void): SynSource[] {
    const numbers = this.#numbers.slice();
    kept((reference, answered, standing) => {
      this.#add(numbers, reference, answered, standing);
    });
    const found: SynSource[] = [];
    for (let entry = 0; entry < this.#sources.entries; entry++) {
      if (!this.#sources.isUsed(entry)) continue;
      const { version, address } = this.#sources.key(entry);
      const number = (offset: number): number => numbers[entry * sourceNumbers + offset] ?? 0;
      found.push({
        address: addressText(version, ...address),
        syns: number(synsOf),
        unanswered: number(unansweredOf),
        unansweredBehind: number(unansweredBehindOf),
        answeredBehind: number(answeredBehindOf),
        unansweredAhead: number(unansweredAheadOf),
      });
    }
    found.sort(
      (one, other) =>
        other.unansweredBehind - one.unansweredBehind ||
        other.unanswered - one.unanswered ||
        other.syns - one.syns ||
        (one.address < other.address ? -1 : 1),
    );
    return found.slice(0, maxReported);
  }

  #forget(): void {
    const scores = new Float64Array(this.#sources.entries);
    for (let entry = 0; entry < scores.length; entry++) {
      const at = entry * sourceNumbers;
      scores[entry] = (this.#numbers[at + unansweredBehindOf] ?? 0) * 1e9 + (this.#numbers[at + synsOf] ?? 0);
    }
    for (const entry of leastHalf(scores, (entry) => this.#sources.isUsed(entry))) {
      this.#sources.remove(entry);
      this.#numbers.fill(0, entry * sourceNumbers, (entry + 1) * sourceNumbers);
      this.forgotten++;
    }
  }
}

/** Where an attempt is counted beside the others; -1: nowhere. */
function standingOf(answered: boolean, standing: SynStanding): number {
  if (standing === 'behind') return answered ? answeredBehindOf : unansweredBehindOf;
  return standing === 'ahead' && !answered ? unansweredAheadOf : -1;
}
