import type { SackHole } from '../model/packet-facts.ts';
import type { DecodedPacket } from './decode-packet.ts';
import type { EntryBudget } from './entry-budget.ts';
import type { UnseenBytes } from './unseen-bytes.ts';

const maxHoles = 16;
const maxResends = 32;
/** No window is larger (RFC 7323 2.3): blocks further away are broken or forged. */
const maxWindow = 2 ** 30;

interface Hole {
  /** What is left of it: signed words that wrap. */
  start: number;
  end: number;
  /** What it was when it was told of. */
  readonly firstStart: number;
  readonly firstEnd: number;
  readonly firstSeenMs: number;
  readonly frame: number;
  readonly originalSeen: boolean;
  retransmits: number;
  filledMs: number | null;
}

/**
 * Holes in the data of one direction that the SACK blocks of the other tell of (RFC 2018). A hole that is filled in part
 * shrinks to the rest, or falls apart in two. Blocks that report a duplicate (RFC 2883), that lie outside any window, or
 * that are about bytes which this capture has not seen at all, tell of no hole.
 *
 * At most 16 are kept: one that was filled goes before one that was not, one that was rarely sent again before others.
 */
export class SackHoles {
  readonly #budget: EntryBudget;
  /** In the order in which they were told of. */
  readonly #holes: Hole[] = [];
  /** Start and end of the latest segments that repeated bytes while a hole was open. */
  readonly #resends: number[] = [];
  #open = 0;
  /** Right edge of the highest block so far; what lies below has been told of. */
  #high = 0;
  #hasHigh = false;
  /** Time of the latest ACK with a block that is not about a duplicate. */
  lastSackMs = Number.NEGATIVE_INFINITY;

  constructor(budget: EntryBudget) {
    this.#budget = budget;
  }

  /** Whether ACKs and segments matter to it: a hole is open. */
  get isOpen(): boolean {
    return this.#open > 0 || this.#hasHigh;
  }

  /**
   * An ACK of the receiver, with or without SACK blocks.
   * @param next end of the highest segment that this capture saw; null: none was seen
   * @param unseen what it did not see below that
   */
  acknowledged(
    packet: DecodedPacket,
    next: number | null,
    unseen: UnseenBytes | undefined,
    frame: number,
    atMs: number,
  ): void {
    const ack = packet.acknowledgement;
    if (this.#hasHigh && ((ack - this.#high) | 0) >= 0) this.#hasHigh = false;
    if (this.#open > 0) this.#cover((ack - maxWindow) | 0, ack, atMs);
    const edges = packet.sackEdges;
    const blocks = Math.min(packet.sackBlocks, 4);
    let from = this.#hasHigh ? this.#high : ack;
    // Lowest first: of those above `from` the next one, until there is none.
    for (let i = 0; i < blocks; i++) {
      if (!isBlock(packet, i, ack, next)) continue;
      this.lastSackMs = atMs;
      if (this.#open > 0) this.#cover(edges[i * 2] ?? 0, edges[i * 2 + 1] ?? 0, atMs);
    }
    for (let round = 0; round < blocks; round++) {
      let lowest = -1;
      let distance = maxWindow;
      for (let i = 0; i < blocks; i++) {
        if (!isBlock(packet, i, ack, next) || (((edges[i * 2 + 1] ?? 0) - from) | 0) <= 0) continue;
        const above = ((edges[i * 2] ?? 0) - from) | 0;
        if (above < distance) {
          distance = above;
          lowest = i;
        }
      }
      if (lowest < 0) break;
      if (distance > 0) {
        const to = edges[lowest * 2] ?? 0;
        const originalSeen = next !== null && !(unseen?.has(from, to) ?? false);
        this.#add(from, to, originalSeen, frame, atMs);
      }
      from = edges[lowest * 2 + 1] ?? 0;
      this.#high = from;
      this.#hasHigh = true;
    }
    if (this.#open === 0) this.#resends.length = 0;
  }

  /** A segment of the sender with bytes that lie below its highest. */
  resent(from: number, to: number): void {
    if (this.#open === 0) return;
    const resends = this.#resends;
    if (resends.length >= maxResends * 2) resends.splice(0, 2);
    resends.push(from, to);
    for (const hole of this.#holes) {
      if (hole.filledMs === null && covers(from, to, hole.start)) hole.retransmits++;
    }
  }

  /** @param isn initial sequence number of the sender as a signed word */
  facts(isn: number): readonly SackHole[] {
    return this.#holes.map((hole) => {
      const start = hole.filledMs === null ? hole.start : hole.firstStart;
      const end = hole.filledMs === null ? hole.end : hole.firstEnd;
      return {
        start: (start - isn) >>> 0,
        length: (end - start) >>> 0,
        firstSeenMs: hole.firstSeenMs,
        frame: hole.frame,
        retransmits: hole.retransmits,
        // Where the capture began in the middle, the ISN is taken from the first segment: nothing was seen below it.
        originalSeen: hole.originalSeen && ((start - isn) | 0) > 0,
        filledMs: hole.filledMs,
      };
    });
  }

  /** Gives back what the list took. */
  clear(): void {
    this.#budget.give(this.#holes.length);
    this.#holes.length = 0;
    this.#resends.length = 0;
    this.#open = 0;
    this.#hasHigh = false;
  }

  #add(start: number, end: number, originalSeen: boolean, frame: number, atMs: number): Hole | null {
    const holes = this.#holes;
    if (holes.length >= maxHoles) this.#removeLeast();
    if (!this.#budget.take()) return null;
    const hole = {
      start,
      end,
      firstStart: start,
      firstEnd: end,
      firstSeenMs: atMs,
      frame,
      originalSeen,
      retransmits: 0,
      filledMs: null,
    };
    holes.push(hole);
    this.#open++;
    return hole;
  }

  #removeLeast(): void {
    const holes = this.#holes;
    let least = 0;
    let score = Number.POSITIVE_INFINITY;
    for (let i = 0; i < holes.length; i++) {
      const hole = holes[i];
      if (hole === undefined) continue;
      const own = hole.retransmits * 2 + (hole.filledMs === null ? 3 : 0);
      if (own < score) {
        score = own;
        least = i;
      }
    }
    if (holes[least]?.filledMs === null) this.#open--;
    holes.splice(least, 1);
    this.#budget.give(1);
    this.#budget.dropped++;
  }

  /** The receiver has these bytes now. */
  #cover(from: number, to: number, atMs: number): void {
    const holes = this.#holes;
    for (let i = holes.length - 1; i >= 0; i--) {
      const hole = holes[i];
      if (hole === undefined || hole.filledMs !== null) continue;
      if (((from - hole.end) | 0) >= 0 || ((hole.start - to) | 0) >= 0) continue;
      const before = ((from - hole.start) | 0) > 0;
      const after = ((hole.end - to) | 0) > 0;
      if (before && after) {
        const { end } = hole;
        hole.end = from;
        const rest = this.#add(to, end, hole.originalSeen, hole.frame, hole.firstSeenMs);
        if (rest !== null) rest.retransmits = this.#resendsOf(to);
      } else if (before) hole.end = from;
      else if (after) {
        hole.start = to;
        hole.retransmits = this.#resendsOf(to);
      } else {
        hole.filledMs = atMs;
        this.#open--;
      }
    }
  }

  #resendsOf(byte: number): number {
    const resends = this.#resends;
    let count = 0;
    for (let i = 0; i + 1 < resends.length; i += 2) {
      if (covers(resends[i] ?? 0, resends[i + 1] ?? 0, byte)) count++;
    }
    return count;
  }
}

function covers(from: number, to: number, byte: number): boolean {
  return ((byte - from) | 0) >= 0 && ((to - byte) | 0) > 0;
}

/** Whether the block says that bytes came which the acknowledgement does not cover yet. */
function isBlock(packet: DecodedPacket, i: number, ack: number, next: number | null): boolean {
  const edges = packet.sackEdges;
  const left = edges[i * 2] ?? 0;
  const right = edges[i * 2 + 1] ?? 0;
  const length = (right - left) | 0;
  const above = (left - ack) | 0;
  if (length <= 0 || above <= 0 || above + length > maxWindow) return false;
  if (next !== null && ((left - next) | 0) >= 0) return false;
  if (i > 0 || packet.sackBlocks < 2) return true;
  // RFC 2883 4: a first block inside the second reports a duplicate.
  const outerLeft = edges[2] ?? 0;
  const outerRight = edges[3] ?? 0;
  return ((left - outerLeft) | 0) < 0 || ((right - outerRight) | 0) > 0;
}
