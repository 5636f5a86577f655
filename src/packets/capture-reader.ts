import type { ParseProblem } from '../model/facts.ts';

/**
 * One captured packet. The reader fills the same object again for the next packet, and `view` is a window on a buffer
 * that is used again too: take what you need before the callback returns.
 */
export interface CaptureRecord {
  /** Number of the packet in the capture, from 1, as tcpdump and Wireshark count. */
  frame: number;
  /** Time of capture: whole seconds since the epoch, and nanoseconds within the second. */
  seconds: number;
  nanoseconds: number;
  view: DataView;
  /** Where the packet begins in `view`. */
  start: number;
  /** Bytes that are there, from `start`. */
  capturedLength: number;
  /** Bytes that the packet had on the wire. */
  wireLength: number;
  /** LINKTYPE_… number (1 Ethernet, 113 SLL, 276 SLL2 …), without the FCS bits of the pcap header. */
  linkType: number;
  /** Number of the interface description (pcapng), from 0, counted over all sections; 0 in a pcap. */
  interfaceId: number;
  /** Where the file itself tells (pcapng epb_flags). */
  direction: 'in' | 'out' | null;
}

export interface CaptureReader {
  /** Takes the next bytes of the capture, cut anywhere. Bytes after damage are ignored. */
  push(chunk: Uint8Array): void;
  /** The stream has ended: says where it was cut, if it was. */
  finish(): void;
  /** What was wrong so far, in order. At most {@link maxProblems} are kept. */
  readonly problems: readonly ParseProblem[];
  /** `unknown` until the first bytes have told. */
  readonly format: 'unknown' | 'pcap' | 'pcapng' | 'not a capture';
  /** Link types in the order in which they were declared. */
  readonly linkTypes: readonly number[];
  /** Interfaces declared so far, in all sections; 1 in a pcap. */
  readonly interfaces: number;
  /** pcapng if_name by {@link CaptureRecord.interfaceId} (not by the device index of SLL2), of the first 4096. */
  readonly interfaceNames: Readonly<Record<number, string>>;
  /**
   * Packets that the capturing machine lost, as the file's latest interface statistics say (pcapng isb_ifdrop and
   * isb_osdrop); null: it has none that tell.
   */
  readonly droppedByKernel: number | null;
}

/** Longest packet that libpcap and Wireshark accept for ordinary link types (MAXIMUM_SNAPLEN, pcap-int.h). */
export const maxPacketBytes = 262_144;
/** Longest pcapng block that is taken into memory; longer ones that are not packets are skipped as they pass. */
const maxBlockBytes = 1_048_576;
const maxInterfaces = 4096;
/** Linux device names have at most 15 bytes, those of Windows are long. */
const maxNameBytes = 128;
export const maxProblems = 50;
/** `linkType` of a record that takes a frame number and is no packet. */
export const noLinkType = -1;

const blockSection = 0x0a0d0d0a;
const blockInterface = 1;
const blockPacket = 2;
const blockSimplePacket = 3;
const blockInterfaceStatistics = 5;
const blockEnhancedPacket = 6;
/** Custom blocks hold no packet, but Wireshark gives each a frame number: without them, ours would not be the same. */
const blockCustom = 0x0bad;
const blockCustomNotCopied = 0x4000_0bad;

interface Interface {
  /** Over all sections. */
  readonly number: number;
  readonly linkType: number;
  readonly snaplen: number;
  /** Timestamp units in a second: 10^n or 2^n. */
  readonly unitsPerSecond: number;
  /** 0 where that is not a whole number. */
  readonly nanosecondsPerUnit: number;
  readonly offsetSeconds: number;
}

const noBytes = new DataView(new ArrayBuffer(0));

/**
 * Reads pcap and pcapng as the bytes come. pcap: both byte orders, microseconds and nanoseconds, the modified format of
 * Kuznetzov's patch (magic a1b2cd34), the swapped lengths of versions before 2.4 (draft-ietf-opsawg-pcap,
 * libpcap sf-pcap.c). pcapng: both byte orders, several sections and interfaces, SHB, IDB (if_tsresol, if_tsoffset),
 * EPB, SPB and the obsolete PB, ISB (drops); other blocks are skipped (draft-ietf-opsawg-pcapng).
 *
 * Memory is bounded by the longest packet. Never throws because of its input: damage ends the reading and becomes a
 * problem with the byte offset and the packet number; every packet before it has been given to `onRecord`.
 */
export function createCaptureReader(onRecord: (record: CaptureRecord) => void): CaptureReader {
  return new Reader(onRecord);
}

class Reader implements CaptureReader {
  format: CaptureReader['format'] = 'unknown';
  readonly problems: ParseProblem[] = [];
  readonly linkTypes: number[] = [];
  interfaces = 0;
  readonly interfaceNames: Record<number, string> = {};
  /** By interface number: the counts run from the start of the capture, so the latest block says it all. */
  readonly #drops = new Map<number, number>();

  readonly #onRecord: (record: CaptureRecord) => void;
  readonly #record: CaptureRecord = {
    frame: 0,
    seconds: 0,
    nanoseconds: 0,
    view: noBytes,
    start: 0,
    capturedLength: 0,
    wireLength: 0,
    linkType: -1,
    interfaceId: 0,
    direction: null,
  };

  /** Bytes of a unit that is not complete yet. */
  #carry = new Uint8Array(0);
  #carryLength = 0;
  /** Bytes that the next unit needs, from the start of the carry. */
  #need = 4;
  /** Bytes of an uninteresting block that are still to pass. */
  #skip = 0;
  /** Bytes consumed before the start of the current view. */
  #offset = 0;
  #stopped = false;

  #littleEndian = true;
  // pcap
  #nanosecondUnits = false;
  #recordHeader = 16;
  #lengths: 'as-is' | 'swapped' | 'maybe-swapped' = 'as-is';
  // pcapng
  #interfaces: Interface[] = [];

  constructor(onRecord: (record: CaptureRecord) => void) {
    this.#onRecord = onRecord;
  }

  get droppedByKernel(): number | null {
    if (this.#drops.size === 0) return null;
    let sum = 0;
    for (const drops of this.#drops.values()) sum += drops;
    return sum;
  }

  push(chunk: Uint8Array): void {
    if (this.#stopped || chunk.length === 0) return;
    if (this.#carryLength === 0) {
      const used = this.#parse(new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength), chunk.byteLength);
      this.#offset += used;
      if (!this.#stopped && used < chunk.byteLength) this.#keep(chunk.subarray(used));
      return;
    }
    this.#keep(chunk);
    if (this.#carryLength < this.#need) return;
    const used = this.#parse(new DataView(this.#carry.buffer), this.#carryLength);
    this.#offset += used;
    this.#carry.copyWithin(0, used, this.#carryLength);
    this.#carryLength -= used;
  }

  finish(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const left = this.#carryLength;
    if (this.format === 'unknown') {
      this.#problem(
        this.#offset + left === 0
          ? 'there are no bytes: nothing was captured, or tcpdump never started'
          : `the stream ends inside the file header: ${left} bytes are there`,
      );
    } else if (left > 0 || this.#skip > 0) {
      const what =
        this.format === 'pcap' ? `packet ${this.#record.frame + 1}` : `the block after packet ${this.#record.frame}`;
      this.#problem(
        this.#skip > 0
          ? `the stream ends inside ${what}: ${this.#skip} bytes are missing (byte offset ${this.#offset})`
          : `the stream ends inside ${what}: ${left} of ${Math.max(this.#need, left + 1)} bytes are there (byte offset ${this.#offset})`,
      );
    }
    this.#carry = new Uint8Array(0);
    this.#carryLength = 0;
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#carryLength + bytes.length;
    if (length > this.#carry.length) {
      const bigger = new Uint8Array(Math.max(65_536, this.#need, length, this.#carry.length * 2));
      bigger.set(this.#carry.subarray(0, this.#carryLength));
      this.#carry = bigger;
    }
    this.#carry.set(bytes, this.#carryLength);
    this.#carryLength = length;
  }

  #problem(message: string): void {
    if (this.problems.length < maxProblems) this.problems.push({ message });
  }

  #damaged(message: string): void {
    this.#problem(message);
    this.#stopped = true;
  }

  /** Takes whole units from the start of the view; returns how many bytes it used, and leaves `#need` for the rest. */
  #parse(view: DataView, length: number): number {
    let at = 0;
    while (!this.#stopped) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, length - at);
        this.#skip -= passed;
        at += passed;
        if (this.#skip > 0) return at;
      }
      const used =
        this.format === 'pcap'
          ? this.#pcapRecords(view, at, length)
          : this.format === 'pcapng'
            ? this.#enhancedPackets(view, at, length) || this.#block(view, at, length)
            : this.#fileHeader(view, at, length);
      if (used === 0) break;
      at += used;
    }
    return at;
  }

  /** The functions below return the bytes used, or 0 where `#need` bytes have to be there first. */
  #wait(need: number): 0 {
    this.#need = need;
    return 0;
  }

  #fileHeader(view: DataView, at: number, length: number): number {
    if (length - at < 4) return this.#wait(4);
    const magic = view.getUint32(at, true);
    if (magic === blockSection) {
      this.format = 'pcapng';
      return this.#block(view, at, length);
    }
    const known = pcapMagics.get(magic);
    if (known === undefined) {
      this.format = 'not a capture';
      this.#damaged(
        (magic & 0xffff) === 0x8b1f
          ? 'this is gzip: it has to be unpacked before it is read here'
          : `not a pcap or pcapng capture: it begins with the bytes ${hex(view, at, Math.min(4, length - at))}`,
      );
      return 0;
    }
    if (length - at < 24) return this.#wait(24);
    this.format = 'pcap';
    this.#littleEndian = known.littleEndian;
    this.#nanosecondUnits = known.nanoseconds;
    this.#recordHeader = known.recordHeader;
    const major = view.getUint16(at + 4, this.#littleEndian);
    const minor = view.getUint16(at + 6, this.#littleEndian);
    if (major !== 2) {
      this.#damaged(`pcap version ${major}.${minor} is not known (byte offset ${this.#offset + at + 4})`);
      return 24;
    }
    this.#lengths = minor < 3 ? 'swapped' : minor === 3 ? 'maybe-swapped' : 'as-is';
    const linkType = view.getUint32(at + 20, this.#littleEndian) & 0x03ff_ffff;
    this.#record.linkType = linkType;
    this.linkTypes.push(linkType);
    this.interfaces = 1;
    return 24;
  }

  #pcapRecords(view: DataView, from: number, length: number): number {
    const record = this.#record;
    const header = this.#recordHeader;
    const littleEndian = this.#littleEndian;
    const toNanoseconds = this.#nanosecondUnits ? 1 : 1000;
    let at = from;
    record.view = view;
    for (;;) {
      if (length - at < header) {
        this.#wait(header);
        break;
      }
      let captured = view.getUint32(at + 8, littleEndian);
      let wire = view.getUint32(at + 12, littleEndian);
      if (this.#lengths !== 'as-is' && (this.#lengths === 'swapped' || captured > wire)) {
        const other = captured;
        captured = wire;
        wire = other;
      }
      if (captured > maxPacketBytes) {
        this.#damaged(
          `packet ${record.frame + 1} claims ${captured} captured bytes, more than any packet has: the file is damaged at byte offset ${this.#offset + at}; the ${record.frame} packets before it were read`,
        );
        break;
      }
      if (length - at < header + captured) {
        this.#wait(header + captured);
        break;
      }
      record.frame++;
      record.seconds = view.getUint32(at, littleEndian);
      record.nanoseconds = view.getUint32(at + 4, littleEndian) * toNanoseconds;
      record.start = at + header;
      record.capturedLength = captured;
      record.wireLength = wire;
      this.#onRecord(record);
      at += header + captured;
    }
    record.view = noBytes;
    return at - from;
  }

  /** Nearly all blocks are these, one after the other; what is odd about one is left to {@link #block}. */
  #enhancedPackets(view: DataView, from: number, length: number): number {
    const record = this.#record;
    const littleEndian = this.#littleEndian;
    const interfaces = this.#interfaces;
    let at = from;
    record.view = view;
    while (length - at >= 32 && view.getUint32(at, littleEndian) === blockEnhancedPacket) {
      const total = view.getUint32(at + 4, littleEndian);
      if (total < 32 || total > length - at || (total & 3) !== 0 || total > maxBlockBytes) break;
      const declared = interfaces[view.getUint32(at + 8, littleEndian)];
      const captured = view.getUint32(at + 20, littleEndian);
      if (declared === undefined || captured > total - 32 || captured > maxPacketBytes) break;
      if (view.getUint32(at + total - 4, littleEndian) !== total) break;
      const data = at + 28;
      record.frame++;
      record.direction = null;
      this.#time(view.getUint32(at + 12, littleEndian), view.getUint32(at + 16, littleEndian), declared);
      this.#direction(view, data + ((captured + 3) & ~3), at + total - 4);
      record.start = data;
      record.capturedLength = captured;
      record.wireLength = view.getUint32(at + 24, littleEndian);
      record.linkType = declared.linkType;
      record.interfaceId = declared.number;
      this.#onRecord(record);
      at += total;
    }
    record.view = noBytes;
    return at - from;
  }

  #block(view: DataView, at: number, length: number): number {
    if (length - at < 8) return this.#wait(8);
    // The section header's type reads the same in both byte orders.
    let type = view.getUint32(at, this.#littleEndian);
    if (type === blockSection) {
      if (length - at < 12) return this.#wait(12);
      const order = view.getUint32(at + 8, true);
      if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a) {
        this.#damaged(
          `the section header has no byte-order magic (byte offset ${this.#offset + at + 8}, after packet ${this.#record.frame})`,
        );
        return 0;
      }
      this.#littleEndian = order === 0x1a2b3c4d;
      type = blockSection;
    }
    const total = view.getUint32(at + 4, this.#littleEndian);
    // Made only when it is needed: this runs for every packet.
    const where = (): string => `byte offset ${this.#offset + at}, after packet ${this.#record.frame}`;
    const minimum = minimumLength(type);
    if (total < minimum || total % 4 !== 0) {
      this.#damaged(`a block of type ${type} has the impossible length ${total}: the file is damaged (${where()})`);
      return 0;
    }
    if (minimum === leastLength || (type === blockInterfaceStatistics && total > maxBlockBytes)) {
      if (type === blockCustom || type === blockCustomNotCopied) this.#notAPacket();
      this.#skip = total;
      this.#need = 8;
      return this.#skipNow(length - at);
    }
    if (total > maxBlockBytes) {
      this.#damaged(`a block of type ${type} claims ${total} bytes: the file is damaged (${where()})`);
      return 0;
    }
    if (length - at < total) return this.#wait(total);
    const trailer = view.getUint32(at + total - 4, this.#littleEndian);
    if (trailer !== total) {
      this.#damaged(
        `a block of type ${type} says ${total} bytes at its start and ${trailer} at its end: the file is damaged (${where()})`,
      );
      return 0;
    }
    const end = at + total - 4;
    if (type === blockSection) {
      const major = view.getUint16(at + 12, this.#littleEndian);
      if (major !== 1) this.#damaged(`pcapng version ${major} is not known (${where()})`);
      this.#interfaces = [];
    }
    if (type === blockInterface) this.#interfaceDescription(view, at + 8, end);
    else if (type === blockInterfaceStatistics) this.#interfaceStatistics(view, at + 8, end);
    else if (type !== blockSection) this.#packetBlock(type, view, at + 8, end, where);
    return this.#stopped ? 0 : total;
  }

  #skipNow(available: number): number {
    const passed = Math.min(this.#skip, available);
    this.#skip -= passed;
    return passed;
  }

  #notAPacket(): void {
    const record = this.#record;
    record.frame++;
    record.capturedLength = 0;
    record.wireLength = 0;
    record.linkType = noLinkType;
    record.direction = null;
    this.#onRecord(record);
  }

  #interfaceDescription(view: DataView, at: number, end: number): void {
    let unitsPerSecond = 1_000_000;
    let offsetSeconds = 0;
    this.#options(view, at + 8, end, (code, value, size) => {
      if (code === 2 && this.interfaces < maxInterfaces) {
        const name = text(view, value, Math.min(size, maxNameBytes));
        if (name !== '') this.interfaceNames[this.interfaces] = name;
      } else if (code === 9 && size >= 1) {
        const resolution = view.getUint8(value);
        unitsPerSecond = resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** (resolution & 0x7f);
      } else if (code === 14 && size >= 8) {
        offsetSeconds = Number(view.getBigInt64(value, this.#littleEndian));
      }
    });
    if (this.#interfaces.length >= maxInterfaces) {
      this.#damaged(`more than ${maxInterfaces} interfaces are declared (byte offset ${this.#offset + at})`);
      return;
    }
    const linkType = view.getUint16(at, this.#littleEndian);
    if (!this.linkTypes.includes(linkType)) this.linkTypes.push(linkType);
    this.#interfaces.push({
      number: this.interfaces++,
      linkType,
      snaplen: view.getUint32(at + 4, this.#littleEndian),
      unitsPerSecond,
      nanosecondsPerUnit: 1e9 % unitsPerSecond === 0 ? 1e9 / unitsPerSecond : 0,
      offsetSeconds,
    });
  }

  /** Options up to the end mark or to what does not fit; damage in them does not harm the packets. */
  #options(view: DataView, from: number, end: number, take: (code: number, value: number, size: number) => void): void {
    let option = from;
    while (option + 4 <= end) {
      const code = view.getUint16(option, this.#littleEndian);
      const size = view.getUint16(option + 2, this.#littleEndian);
      const value = option + 4;
      if (code === 0 || value + size > end) return;
      take(code, value, size);
      option = value + ((size + 3) & ~3);
    }
  }

  #interfaceStatistics(view: DataView, at: number, end: number): void {
    const declared = this.#interfaces[view.getUint32(at, this.#littleEndian)];
    if (declared === undefined) return;
    let drops = -1;
    this.#options(view, at + 12, end, (code, value, size) => {
      if ((code !== 5 && code !== 7) || size !== 8) return;
      drops = Math.max(0, drops) + Number(view.getBigUint64(value, this.#littleEndian));
    });
    if (drops >= 0 && declared.number < maxInterfaces) this.#drops.set(declared.number, drops);
  }

  #packetBlock(type: number, view: DataView, at: number, end: number, where: () => string): void {
    const record = this.#record;
    const littleEndian = this.#littleEndian;
    const simple = type === blockSimplePacket;
    const interfaceId = simple
      ? 0
      : type === blockPacket
        ? view.getUint16(at, littleEndian)
        : view.getUint32(at, littleEndian);
    const declared = this.#interfaces[interfaceId];
    if (declared === undefined) {
      this.#damaged(
        `packet ${record.frame + 1} was captured on interface ${interfaceId}, which no block describes (${where()})`,
      );
      return;
    }
    const data = simple ? at + 4 : at + 20;
    const wire = view.getUint32(simple ? at : at + 16, littleEndian);
    const captured = simple
      ? Math.min(wire, declared.snaplen === 0 ? wire : declared.snaplen, end - data)
      : view.getUint32(at + 12, littleEndian);
    if (captured > end - data || captured > maxPacketBytes) {
      this.#damaged(
        `packet ${record.frame + 1} claims ${captured} captured bytes in a block with room for ${end - data}: the file is damaged (${where()})`,
      );
      return;
    }
    record.frame++;
    record.direction = null;
    if (simple) {
      record.seconds = 0;
      record.nanoseconds = 0;
    } else {
      this.#time(view.getUint32(at + 4, littleEndian), view.getUint32(at + 8, littleEndian), declared);
      if (type === blockEnhancedPacket) this.#direction(view, data + ((captured + 3) & ~3), end);
    }
    record.view = view;
    record.start = data;
    record.capturedLength = captured;
    record.wireLength = wire;
    record.linkType = declared.linkType;
    record.interfaceId = declared.number;
    this.#onRecord(record);
    record.view = noBytes;
  }

  /** epb_flags: the two lowest bits say inbound (1) or outbound (2). */
  #direction(view: DataView, from: number, end: number): void {
    if (end - from < 8) return;
    this.#options(view, from, end, (code, value, size) => {
      if (code !== 2 || size !== 4) return;
      const bits = view.getUint32(value, this.#littleEndian) & 3;
      this.#record.direction = bits === 1 ? 'in' : bits === 2 ? 'out' : null;
    });
  }

  /** A 64-bit count of units does not fit a double. */
  #time(high: number, low: number, from: Interface): void {
    const record = this.#record;
    const units = from.unitsPerSecond;
    let seconds = Math.floor((high * 2 ** 32 + low) / units);
    let rest: number;
    if (units <= 2 ** 30 && seconds < 2 ** 31) {
      // The quotient is right or off by one, so the rest fits 32 bits, and modulo 2^32 it is exact.
      rest = (low - Math.imul(seconds, units)) | 0;
      if (rest < 0) {
        seconds--;
        rest += units;
      } else if (rest >= units) {
        seconds++;
        rest -= units;
      }
    } else if (units <= 2 ** 36) {
      // In 16-bit steps, which stay exact up to 2^37 units.
      const first = high % units;
      const middle = first * 65_536 + (low >>> 16);
      const middleRest = middle % units;
      const last = middleRest * 65_536 + (low & 0xffff);
      rest = last % units;
      seconds = Math.floor(high / units) * 2 ** 32 + Math.floor(middle / units) * 65_536 + Math.floor(last / units);
    } else {
      const count = high * 2 ** 32 + low;
      seconds = Math.floor(count / units);
      rest = count - seconds * units;
    }
    record.seconds = seconds + from.offsetSeconds;
    record.nanoseconds =
      from.nanosecondsPerUnit > 0 ? rest * from.nanosecondsPerUnit : Math.floor((rest * 1e9) / units);
  }
}

/** How a pcap is laid out, by its magic number. */
export interface PcapLayout {
  readonly littleEndian: boolean;
  readonly nanoseconds: boolean;
  /** Bytes before each packet's data. */
  readonly recordHeader: 16 | 24;
}
/** First four bytes, read little-endian. */
export const pcapMagics: ReadonlyMap<number, PcapLayout> = new Map<number, PcapLayout>([
  [0xa1b2c3d4, { littleEndian: true, nanoseconds: false, recordHeader: 16 }],
  [0xd4c3b2a1, { littleEndian: false, nanoseconds: false, recordHeader: 16 }],
  [0xa1b23c4d, { littleEndian: true, nanoseconds: true, recordHeader: 16 }],
  [0x4d3cb2a1, { littleEndian: false, nanoseconds: true, recordHeader: 16 }],
  [0xa1b2cd34, { littleEndian: true, nanoseconds: false, recordHeader: 24 }],
  [0x34cdb2a1, { littleEndian: false, nanoseconds: false, recordHeader: 24 }],
]);

/** Least total length of the blocks that are read; {@link leastLength} for the others. */
function minimumLength(type: number): number {
  switch (type) {
    case blockEnhancedPacket:
    case blockPacket:
      return 32;
    case blockSimplePacket:
      return 16;
    case blockInterface:
      return 20;
    case blockInterfaceStatistics:
      return 24;
    case blockSection:
      return 28;
    default:
      return leastLength;
  }
}
const leastLength = 12;

function hex(view: DataView, at: number, count: number): string {
  const bytes: string[] = [];
  for (let i = 0; i < count; i++)
    bytes.push(
      view
        .getUint8(at + i)
        .toString(16)
        .padStart(2, '0'),
    );
  return bytes.join(' ');
}

/** UTF-8 without what would disturb a terminal. */
function text(view: DataView, at: number, size: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, size);
  return new TextDecoder().decode(bytes).replace(/\p{C}/gu, '').trim();
}
