import type { FragmentCounts } from '../model/packet-facts.ts';
import type { DecodedPacket } from './decode-packet.ts';

/** Datagrams that are waited for at once, and the bytes of all of them. */
const maxDatagrams = 256;
const maxBytes = 4_194_304;
/** What one piece needs beside its bytes, about. */
const pieceOverhead = 200;
/** Holes that one datagram may have at a time; honest senders leave one or two. */
const maxRanges = 64;
/** As long as Linux waits (net.ipv4.ipfrag_time). */
const maxWaitMs = 30_000;
/** Fragments of a datagram that was whole so shortly before are copies, not a new datagram. */
const copiesWithinMs = 1000;
const keptKeys = 64;

interface Datagram {
  readonly startedAtMs: number;
  /** Captured bytes and where they belong; they do not overlap. */
  readonly pieces: { readonly start: number; readonly bytes: Uint8Array }[];
  /** What the pieces need, in bytes. */
  size: number;
  /** What is there: start and end in turn, ascending, with gaps between. */
  readonly ranges: number[];
  /** Length of the whole; -1: the last fragment has not come. */
  total: number;
  /** Furthest end of any fragment. */
  furthest: number;
  /** Bytes from here on may be missing although they were on the wire: a fragment was not captured whole. */
  capturedTo: number;
  /** From the first fragment (RFC 8200 4.5). */
  protocol: number;
}

/**
 * Puts IP datagrams together from their fragments (RFC 791 3.2, RFC 8200 4.5). Of bytes that come twice, the first ones
 * stay. Bounded: what waits too long, does not fit or contradicts itself is let go.
 */
export class FragmentReassembler {
  /** The datagram that the last {@link add} made whole: protocol, wire length, and the bytes captured from its start. */
  protocol = 0;
  length = 0;
  view: DataView = new DataView(new ArrayBuffer(0));

  readonly #asWireshark: boolean;
  /** By the time of the first fragment. */
  readonly #waiting = new Map<string, Datagram>();
  #bytes = 0;
  readonly #done = new Map<string, number>();
  #datagrams = 0;
  #reassembled = 0;
  #fragments = 0;

  /** @param asWireshark waits without end, does not tell places apart, and leaves alone what was not captured whole */
  constructor(asWireshark: boolean) {
    this.#asWireshark = asWireshark;
  }

  counts(): FragmentCounts {
    return { datagrams: this.#datagrams, reassembled: this.#reassembled, fragments: this.#fragments };
  }

  /**
   * Takes the fragment that `packet` describes.
   * @param place where it was captured: copies seen at several places are put together apart
   * @returns whether its datagram is whole now; then it is in `protocol`, `length` and `view`
   */
  add(packet: DecodedPacket, place: string, atMs: number): boolean {
    this.#fragments++;
    const { fragmentOffset: offset, fragmentMore: more } = packet;
    // Only the last fragment may end anywhere: Linux cuts others to a multiple of 8 (ip_frag_queue).
    const length = more ? packet.fragmentLength & ~7 : packet.fragmentLength;
    const end = offset + length;
    const captured = Math.min(packet.fragmentCaptured, length);
    if (length <= 0 || end > 65_535 || (this.#asWireshark && captured < length)) return false;
    const key = `${packet.ipVersion === 4 ? packet.protocol : 'v6'} ${packet.fragmentId} ${packet.source0},${packet.source1},${packet.source2},${packet.source3} ${packet.destination0},${packet.destination1},${packet.destination2},${packet.destination3}${this.#asWireshark ? '' : place}`;
    let datagram = this.#waiting.get(key);
    if (datagram !== undefined && !this.#asWireshark && Math.abs(atMs - datagram.startedAtMs) > maxWaitMs) {
      this.#forget(key, datagram);
      datagram = undefined;
    }
    if (datagram === undefined) {
      if (!this.#asWireshark && Math.abs(atMs - (this.#done.get(key) ?? -Infinity)) <= copiesWithinMs) return false;
      datagram = {
        startedAtMs: atMs,
        pieces: [],
        size: 0,
        ranges: [],
        total: -1,
        furthest: 0,
        capturedTo: Infinity,
        protocol: packet.fragmentProtocol,
      };
      this.#datagrams++;
      this.#waiting.set(key, datagram);
      if (this.#waiting.size > maxDatagrams) this.#forgetOldest(datagram);
    }
    const endsElsewhere = datagram.total >= 0 && (end > datagram.total || (!more && end !== datagram.total));
    if (endsElsewhere || (!more && end < datagram.furthest)) {
      this.#forget(key, datagram);
      return false;
    }
    if (!more) datagram.total = end;
    if (end > datagram.furthest) datagram.furthest = end;
    if (offset === 0) datagram.protocol = packet.fragmentProtocol;
    if (captured < length) datagram.capturedTo = Math.min(datagram.capturedTo, offset + captured);
    const from = packet.view.byteOffset + packet.fragmentAt;
    const before = datagram.size;
    fill(datagram, offset, end, new Uint8Array(packet.view.buffer, from, captured));
    this.#bytes += datagram.size - before;
    while (this.#bytes > maxBytes && this.#forgetOldest(datagram));
    if (datagram.ranges.length > maxRanges * 2) {
      this.#forget(key, datagram);
      return false;
    }
    if (datagram.total < 0 || datagram.ranges.length !== 2 || datagram.ranges[0] !== 0) return false;
    if (datagram.ranges[1] !== datagram.total) return false;
    this.#forget(key, datagram);
    this.#reassembled++;
    if (!this.#asWireshark) this.#remember(key, atMs);
    this.protocol = datagram.protocol;
    this.length = datagram.total;
    const bytes = new Uint8Array(Math.min(datagram.total, datagram.capturedTo));
    for (const piece of datagram.pieces) {
      if (piece.start < bytes.length) bytes.set(piece.bytes.subarray(0, bytes.length - piece.start), piece.start);
    }
    this.view = new DataView(bytes.buffer);
    return true;
  }

  #forget(key: string, datagram: Datagram): void {
    this.#waiting.delete(key);
    this.#bytes -= datagram.size;
  }

  /** Lets the datagram go that has waited longest, but not the one that is being worked on. */
  #forgetOldest(but: Datagram): boolean {
    for (const [key, datagram] of this.#waiting) {
      if (datagram === but) continue;
      this.#forget(key, datagram);
      return true;
    }
    return false;
  }

  #remember(key: string, atMs: number): void {
    this.#done.delete(key);
    this.#done.set(key, atMs);
    if (this.#done.size <= keptKeys) return;
    for (const oldest of this.#done.keys()) {
      this.#done.delete(oldest);
      return;
    }
  }
}

/** Keeps what is not there yet of [start, end) and adds it to the ranges; `captured` may be shorter than that. */
function fill(datagram: Datagram, start: number, end: number, captured: Uint8Array): void {
  const { ranges } = datagram;
  const keep = (from: number, to: number): void => {
    const until = Math.min(to, start + captured.length);
    if (from >= until) return;
    datagram.pieces.push({ start: from, bytes: captured.slice(from - start, until - start) });
    datagram.size += until - from + pieceOverhead;
  };
  // The ranges that the new one touches become one with it.
  let first = 0;
  while (first < ranges.length && (ranges[first + 1] ?? 0) < start) first += 2;
  let last = first;
  let from = start;
  while (last < ranges.length && (ranges[last] ?? 0) <= end) {
    keep(from, Math.min(end, ranges[last] ?? 0));
    from = Math.max(from, ranges[last + 1] ?? 0);
    last += 2;
  }
  keep(from, end);
  const low = last > first ? Math.min(start, ranges[first] ?? start) : start;
  const high = last > first ? Math.max(end, ranges[last - 1] ?? end) : end;
  ranges.splice(first, last - first, low, high);
}
