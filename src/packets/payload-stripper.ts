import { type CaptureRecord, maxPacketBytes, type PcapLayout, pcapMagics } from './capture-reader.ts';
import { DecodedPacket, decodePacket } from './decode-packet.ts';

export interface PayloadStripper {
  /** Takes the next bytes of a pcap stream, cut anywhere; returns the bytes that may be stored by now. */
  push(chunk: Uint8Array): Uint8Array;
  /** The stream has ended: what is left of it, where it was cut inside a packet. */
  finish(): Uint8Array;
}

/** Kept of what is not understood. */
const maxUnknownBytes = 64;
/** Headers may reach so far into a datagram: of fragments that begin before it, that part is kept. */
const maxHeaderBytes = 128;
/** DNS messages, where they are asked for: kept up to the size of plain DNS over UDP (RFC 1035 2.3.4). */
const maxDnsBytes = 512;
const noBytes = new Uint8Array(0);

/**
 * Takes the payload out of a pcap stream while it passes, so that it is never stored: every packet is cut after its
 * TCP, UDP or ICMP header (an ICMP error keeps the headers it returns). `keepDns`: DNS over UDP keeps 512 bytes, since
 * its names and answers are the evidence. `incl_len` says the new length, `orig_len` the length on the wire as before, so that the result is a valid pcap of which every header
 * is whole: its analysis is that of the input.
 *
 * Fragments keep what of them lies in the first 128 bytes of their datagram, where headers are. Packets that are not
 * understood, and what is compressed (IPComp), keep their first 64 bytes; a stream that is not a pcap (pcapng, an error message)
 * keeps its first 64 bytes in all. Never throws because of its input; memory is bounded by the longest packet.
 */
export function createPayloadStripper({ keepDns }: { readonly keepDns: boolean }): PayloadStripper {
  return new Stripper(keepDns);
}

class Stripper implements PayloadStripper {
  readonly #keepDns: boolean;
  #carry = new Uint8Array(0);
  #carryLength = 0;
  #layout: PcapLayout | null = null;
  #ended = false;
  /** Versions before 2.3 have the two lengths the other way round (libpcap sf-pcap.c). */
  #lengths: 'as-is' | 'swapped' | 'maybe-swapped' = 'as-is';
  readonly #packet = new DecodedPacket();
  readonly #record: CaptureRecord = {
    frame: 0,
    seconds: 0,
    nanoseconds: 0,
    view: new DataView(noBytes.buffer),
    start: 0,
    capturedLength: 0,
    wireLength: 0,
    linkType: 0,
    interfaceId: 0,
    direction: null,
  };

  constructor(keepDns: boolean) {
    this.#keepDns = keepDns;
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#ended || chunk.length === 0) return noBytes;
    this.#keep(chunk);
    const bytes = this.#carry;
    const length = this.#carryLength;
    const out = new Uint8Array(length);
    let written = 0;
    let at = 0;
    if (this.#layout === null) {
      at = this.#fileHeader(bytes, length, false);
      out.set(bytes.subarray(0, at));
      written = at;
    }
    const layout = this.#layout;
    if (layout !== null && !this.#ended) {
      const view = new DataView(bytes.buffer);
      const header = layout.recordHeader;
      while (length - at >= header) {
        const captured = this.#capturedLength(view, at, layout);
        if (captured > maxPacketBytes) {
          // Damage: its header is kept, so that a reader of the result stops here as well.
          out.set(bytes.subarray(at, at + header), written);
          written += header;
          this.#end();
          return out.subarray(0, written);
        }
        if (length - at < header + captured) break;
        const kept = this.#keptLength(view, at, captured, layout);
        out.set(bytes.subarray(at, at + header + kept), written);
        new DataView(out.buffer).setUint32(written + this.#capturedLengthAt, kept, layout.littleEndian);
        written += header + kept;
        at += header + captured;
      }
    }
    bytes.copyWithin(0, at, length);
    this.#carryLength = this.#ended ? 0 : length - at;
    return out.subarray(0, written);
  }

  finish(): Uint8Array {
    if (this.#ended) return noBytes;
    const bytes = this.#carry;
    const length = this.#carryLength;
    const layout = this.#layout;
    let kept = length;
    if (layout === null) kept = this.#fileHeader(bytes, length, true);
    else if (length > layout.recordHeader) {
      // The last packet was cut: its header goes on claiming what is not there.
      const view = new DataView(bytes.buffer);
      this.#capturedLength(view, 0, layout);
      const there = length - layout.recordHeader;
      kept = layout.recordHeader + this.#keptLength(view, 0, there, layout);
    }
    const out = bytes.slice(0, kept);
    this.#end();
    return out;
  }

  #end(): void {
    this.#ended = true;
    this.#carry = noBytes;
    this.#carryLength = 0;
  }

  #keep(chunk: Uint8Array): void {
    const length = this.#carryLength + chunk.length;
    if (length > this.#carry.length) {
      const bigger = new Uint8Array(Math.max(65_536, length, this.#carry.length * 2));
      bigger.set(this.#carry.subarray(0, this.#carryLength));
      this.#carry = bigger;
    }
    this.#carry.set(chunk, this.#carryLength);
    this.#carryLength = length;
  }

  /** Bytes of the file header that may go out now; 0: more have to come first. */
  #fileHeader(bytes: Uint8Array, length: number, last: boolean): number {
    const view = new DataView(bytes.buffer);
    const layout = length < 4 ? undefined : pcapMagics.get(view.getUint32(0, true));
    if (layout !== undefined) {
      if (length < 24) return last ? length : 0;
      this.#layout = layout;
      const minor = view.getUint16(6, layout.littleEndian);
      this.#lengths = minor < 3 ? 'swapped' : minor === 3 ? 'maybe-swapped' : 'as-is';
      this.#record.linkType = view.getUint32(20, layout.littleEndian) & 0x03ff_ffff;
      if (view.getUint16(4, layout.littleEndian) !== 2) this.#ended = true;
      return 24;
    }
    if (length < maxUnknownBytes && !last) return 0;
    this.#ended = true;
    return Math.min(length, maxUnknownBytes);
  }

  /** Where in the record's header the captured length stands. */
  #capturedLengthAt = 8;

  #capturedLength(view: DataView, at: number, layout: PcapLayout): number {
    const first = view.getUint32(at + 8, layout.littleEndian);
    const second = view.getUint32(at + 12, layout.littleEndian);
    const swapped = this.#lengths === 'swapped' || (this.#lengths === 'maybe-swapped' && first > second);
    this.#capturedLengthAt = swapped ? 12 : 8;
    this.#record.wireLength = swapped ? first : second;
    return swapped ? second : first;
  }

  #keptLength(view: DataView, at: number, captured: number, layout: PcapLayout): number {
    const record = this.#record;
    const packet = this.#packet;
    record.view = view;
    record.start = at + layout.recordHeader;
    record.capturedLength = captured;
    decodePacket(record, packet);
    const headers = packet.headersEnd - record.start;
    if (packet.fragmentAt >= 0 && (packet.fragmentOffset > 0 || packet.fragmentLength < maxHeaderBytes)) {
      const rest = Math.max(0, maxHeaderBytes - packet.fragmentOffset);
      return Math.min(captured, Math.max(headers, packet.fragmentAt - record.start + rest));
    }
    if (packet.kind === 'none') return Math.min(captured, maxUnknownBytes);
    if (packet.kind === 'ip') return Math.max(headers, Math.min(captured, maxUnknownBytes));
    if (this.#keepDns && packet.kind === 'udp' && (packet.sourcePort === 53 || packet.destinationPort === 53)) {
      return Math.min(captured, headers + maxDnsBytes);
    }
    return headers;
  }
}
