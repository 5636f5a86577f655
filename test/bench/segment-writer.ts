/** One TCP segment over IPv4. A generator fills the same object again and again. */
export interface Segment {
  /** Microseconds since the epoch. */
  atUs: number;
  /** Addresses as unsigned 32-bit numbers. */
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** As in the header, not scaled. */
  window: number;
  /** Bytes. */
  payload: number;
  ipId: number;
  ttl: number;
  /** Timestamp option; both 0: without it. */
  tsval: number;
  tsecr: number;
  /** SYN options; 0: none of them. */
  mss: number;
  windowScale: number;
  /** Edges of SACK blocks, left and right in turn; `sackBlocks` of them count, at most 3. */
  sackBlocks: number;
  readonly sackEdges: Uint32Array;
  /** SLL2 only. */
  interfaceIndex: number;
  outgoing: boolean;
}

export const fin = 1;
export const syn = 2;
export const rst = 4;
export const psh = 8;
export const ack = 16;

export function emptySegment(): Segment {
  return {
    atUs: 0,
    source: 0,
    destination: 0,
    sourcePort: 0,
    destinationPort: 0,
    sequence: 0,
    acknowledgement: 0,
    flags: 0,
    window: 502,
    payload: 0,
    ipId: 0,
    ttl: 64,
    tsval: 0,
    tsecr: 0,
    mss: 0,
    windowScale: 0,
    sackBlocks: 0,
    sackEdges: new Uint32Array(6),
    interfaceIndex: 2,
    outgoing: false,
  };
}

export interface SegmentWriterOptions {
  /** LINKTYPE_… number: 1 Ethernet (default), 276 SLL2. */
  readonly linkType?: 1 | 276;
  /** Bytes kept of each packet; default 96. */
  readonly snaplen?: number;
  /** Bytes are handed on after this many packets; default: when a megabyte is there. */
  readonly flushPackets?: number;
}

const bufferBytes = 1 << 20;
const longestRecord = 2048;

/** Writes a pcap with little-endian microseconds, segment by segment; never holds more than a megabyte of it. */
export class SegmentWriter {
  /** Frames written. */
  frames = 0;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #cooked: boolean;
  readonly #snaplen: number;
  readonly #flushPackets: number;
  readonly #bytes = new Uint8Array(bufferBytes);
  readonly #view = new DataView(this.#bytes.buffer);
  #used = 24;
  #lastUs = 0;

  /** @param write takes the bytes before it returns; they are written over afterwards */
  constructor(write: (bytes: Uint8Array) => void, options: SegmentWriterOptions = {}) {
    this.#write = write;
    this.#cooked = options.linkType === 276;
    this.#snaplen = options.snaplen ?? 96;
    this.#flushPackets = options.flushPackets ?? Number.POSITIVE_INFINITY;
    const view = this.#view;
    view.setUint32(0, 0xa1b2c3d4, true);
    view.setUint16(4, 2, true);
    view.setUint16(6, 4, true);
    view.setUint32(16, this.#snaplen, true);
    view.setUint32(20, options.linkType ?? 1, true);
  }

  /** @returns the frame's number */
  segment(segment: Segment): number {
    const view = this.#view;
    const bytes = this.#bytes;
    const record = this.#used;
    // Packets that a node captures never go back in time: what a generator meant for the past comes now.
    const atUs = Math.max(segment.atUs, this.#lastUs);
    this.#lastUs = atUs;
    const seconds = Math.floor(atUs / 1e6);
    view.setUint32(record, seconds, true);
    view.setUint32(record + 4, Math.floor(atUs - seconds * 1e6), true);

    let at = record + 16;
    if (this.#cooked) {
      view.setUint32(at, 0x0800_0000);
      view.setUint32(at + 4, segment.interfaceIndex);
      view.setUint32(at + 8, 0x0001_0006 | (segment.outgoing ? 0x400 : 0));
      view.setUint32(at + 12, 0x0200_0000);
      view.setUint32(at + 16, 0x0001_0000);
      at += 20;
    } else {
      view.setUint32(at, 0x0200_0000);
      view.setUint32(at + 4, 0x0002_0200);
      view.setUint32(at + 8, 0x0000_0001);
      view.setUint16(at + 12, 0x0800);
      at += 14;
    }
    const ip = at;
    const tcp = ip + 20;
    at = tcp + 20;
    if (segment.mss > 0) {
      view.setUint32(at, 0x0204_0000 | segment.mss);
      // SACK permitted, timestamps
      view.setUint32(at + 4, 0x0402_080a);
      view.setUint32(at + 8, segment.tsval);
      view.setUint32(at + 12, segment.tsecr);
      view.setUint32(at + 16, 0x0103_0300 | segment.windowScale);
      at += 20;
    } else if (segment.tsval !== 0 || segment.tsecr !== 0) {
      view.setUint32(at, 0x0101_080a);
      view.setUint32(at + 4, segment.tsval);
      view.setUint32(at + 8, segment.tsecr);
      at += 12;
    }
    if (segment.sackBlocks > 0) {
      view.setUint32(at, 0x0101_0500 | (2 + segment.sackBlocks * 8));
      at += 4;
      for (let i = 0; i < segment.sackBlocks * 2; i++, at += 4) view.setUint32(at, segment.sackEdges[i] ?? 0);
    }
    view.setUint16(tcp, segment.sourcePort);
    view.setUint16(tcp + 2, segment.destinationPort);
    view.setUint32(tcp + 4, segment.sequence);
    view.setUint32(tcp + 8, segment.acknowledgement);
    view.setUint16(tcp + 12, (((at - tcp) >> 2) << 12) | segment.flags);
    view.setUint16(tcp + 14, segment.window);
    view.setUint32(tcp + 16, 0);

    const length = at - ip + segment.payload;
    view.setUint32(ip, 0x4500_0000 | length);
    view.setUint32(ip + 4, (segment.ipId << 16) | 0x4000);
    view.setUint32(ip + 8, (segment.ttl << 24) | 0x0006_0000);
    view.setUint32(ip + 12, segment.source);
    view.setUint32(ip + 16, segment.destination);
    let sum = 0;
    for (let i = ip; i < tcp; i += 2) sum += view.getUint16(i);
    sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(ip + 10, ~(sum + (sum >>> 16)));

    const start = record + 16;
    const wire = at - start + segment.payload;
    const kept = Math.min(wire, this.#snaplen);
    for (const end = start + kept; at < end; at++) bytes[at] = 0x78;
    view.setUint32(record + 8, kept, true);
    view.setUint32(record + 12, wire, true);
    this.#used = start + kept;
    this.frames++;
    if (this.#used > bufferBytes - longestRecord || this.frames % this.#flushPackets === 0) this.#flush();
    return this.frames;
  }

  finish(): void {
    this.#flush();
  }

  #flush(): void {
    if (this.#used > 0) this.#write(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
  }
}
