/**
 * Builds capture files for tests, packet by packet, from the words of a connection:
 *
 * ```ts
 * const bytes = capture()
 *   .syn({ from: '10.0.0.1:40000', to: '10.0.0.2:80', tsval: 1000 })
 *   .synAck({ from: '10.0.0.2:80', to: '10.0.0.1:40000', afterMs: 1 })
 *   .bytes();
 * ```
 *
 * Sequence and acknowledgement numbers follow the connection unless they are given. IPv6 endpoints are written
 * `[2001:db8::1]:80`.
 */
export interface CaptureOptions {
  /** LINKTYPE_… number; default 1 (Ethernet). 0, 1, 101, 113, 228, 229 and 276 are built. */
  readonly linkType?: number;
  /** Default `pcap`. */
  readonly format?: 'pcap' | 'pcapng';
  readonly byteOrder?: 'little' | 'big';
  /** pcap: magic of nanosecond files; pcapng: if_tsresol 9. */
  readonly nanoseconds?: boolean;
  /** pcap with the 24-byte record headers of Kuznetzov's patch. */
  readonly modified?: boolean;
  /** Bytes kept of each packet; default all. */
  readonly snaplen?: number;
  /** Time of the first packet, milliseconds since the epoch; default 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
  /** 802.1Q tags, outermost first (Ethernet only). */
  readonly vlans?: readonly number[];
}

export interface PacketOptions {
  readonly from: string;
  readonly to: string;
  /** Milliseconds since the epoch. Wins over `afterMs`. */
  readonly atMs?: number;
  /** Milliseconds after the packet before; default 0.1. */
  readonly afterMs?: number;
  readonly ttl?: number;
  readonly ipId?: number;
  /** Device (SLL2). */
  readonly interfaceIndex?: number;
  /** Link layers that tell (SLL, SLL2); default `in`. */
  readonly direction?: 'in' | 'out' | 'other';
}

export interface SegmentOptions extends PacketOptions {
  readonly seq?: number;
  readonly ack?: number;
  /** Header value, not scaled; default 64240. */
  readonly window?: number;
  /** Payload: a length (filled with `x`) or the bytes. */
  readonly payload?: number | string | Uint8Array;
  /** TCP timestamp option; null: without. Default without. */
  readonly tsval?: number | null;
  readonly tsecr?: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  /** Left and right edges. */
  readonly sack?: readonly (readonly [number, number])[];
  /** IP fragment offset in bytes, with more to come. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
}

export interface TcpOptions extends SegmentOptions {
  /** `S` SYN, `A` ACK, `F` FIN, `R` RST, `P` PSH */
  readonly flags: string;
}

export interface IcmpOptions extends PacketOptions {
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU of frag-needed / packet-too-big. */
  readonly mtu?: number;
  /** The packet that it returns. */
  readonly about: {
    readonly from: string;
    readonly to: string;
    readonly protocol?: number;
    readonly seq?: number;
    /** Transport bytes returned; default 8. */
    readonly keep?: number;
  };
}

interface BuiltPacket {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** Starts a capture. Times grow by 0.1 ms from packet to packet unless told otherwise. */
export function capture(options: CaptureOptions = {}): CaptureBuilder {
  return new CaptureBuilder(options);
}

export class CaptureBuilder {
  readonly #options: CaptureOptions;
  readonly #packets: BuiltPacket[] = [];
  /** Next sequence number per `from>to`. */
  readonly #next = new Map<string, number>();
  #nowMs: number;
  #ipId = 1000;
  #first = true;

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.#nowMs = options.startMs ?? Date.UTC(2026, 0, 1);
  }

  /** The client's SYN, with MSS 1460, SACK permitted and window scale 7 unless told otherwise. */
  syn(options: SegmentOptions): this {
    return this.tcp({ mss: 1460, sackPermitted: true, windowScale: 7, seq: 1_000_000, ...options, flags: 'S' });
  }

  /** The server's answer, with the same options as {@link syn}. */
  synAck(options: SegmentOptions): this {
    return this.tcp({ mss: 1460, sackPermitted: true, windowScale: 7, seq: 5_000_000, ...options, flags: 'SA' });
  }

  ack(options: SegmentOptions): this {
    return this.tcp({ ...options, flags: 'A' });
  }

  /** A segment with payload (default 100 bytes). */
  data(options: SegmentOptions): this {
    return this.tcp({ payload: 100, ...options, flags: 'PA' });
  }

  fin(options: SegmentOptions): this {
    return this.tcp({ ...options, flags: 'FA' });
  }

  /** A RST without ACK, as an answer to a segment that acknowledged something. */
  rst(options: SegmentOptions): this {
    return this.tcp({ window: 0, ...options, flags: 'R' });
  }

  /** The RST that refuses a SYN: RST and ACK, sequence number 0. */
  refuse(options: SegmentOptions): this {
    return this.tcp({ window: 0, seq: 0, ...options, flags: 'RA' });
  }

  /** SYN, SYN+ACK, ACK. */
  handshake(options: SegmentOptions): this {
    const { from, to, atMs, ...rest } = options;
    return this.syn({ from, to, ...rest, ...(atMs === undefined ? {} : { atMs }) })
      .synAck({ from: to, to: from })
      .ack({ from, to });
  }

  /** Any TCP segment. */
  tcp(options: TcpOptions): this {
    const source = endpoint(options.from);
    const destination = endpoint(options.to);
    const forward = `${options.from}>${options.to}`;
    const backward = `${options.to}>${options.from}`;
    const bits = flagBits(options.flags);
    const payload = payloadBytes(options.payload ?? 0);
    const seq = (options.seq ?? this.#next.get(forward) ?? 1) >>> 0;
    const ack = (options.ack ?? ((bits & 0x10) === 0 ? 0 : (this.#next.get(backward) ?? 1))) >>> 0;
    this.#next.set(forward, (seq + payload.length + ((bits & 3) === 0 ? 0 : 1)) >>> 0);
    const header = tcpHeader(source.port, destination.port, seq, ack, bits, options);
    const segment = concat(header, payload);
    return this.#add(options, ip(source, destination, 6, segment, this.#ipOptions(options)));
  }

  udp(options: PacketOptions & { readonly payload?: number | string | Uint8Array }): this {
    const source = endpoint(options.from);
    const destination = endpoint(options.to);
    const payload = payloadBytes(options.payload ?? 0);
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint16(0, source.port);
    view.setUint16(2, destination.port);
    view.setUint16(4, 8 + payload.length);
    return this.#add(options, ip(source, destination, 17, concat(header, payload), this.#ipOptions(options)));
  }

  /** An ICMP error (ICMPv6 where the endpoints are IPv6); ports of `from` and `to` are not used. */
  icmpError(options: IcmpOptions): this {
    const source = endpoint(options.from);
    const destination = endpoint(options.to);
    const about = options.about;
    const innerSource = endpoint(about.from);
    const innerDestination = endpoint(about.to);
    const protocol = about.protocol ?? 6;
    const transport =
      protocol === 6
        ? tcpHeader(innerSource.port, innerDestination.port, about.seq ?? 0, 0, 2, {})
        : concat(ports(innerSource.port, innerDestination.port), new Uint8Array(16));
    const inner = ip(innerSource, innerDestination, protocol, transport, { ttl: 63, ipId: 7 });
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint8(0, options.type);
    view.setUint8(1, options.code);
    if (source.version === 4) view.setUint16(6, options.mtu ?? 0);
    else view.setUint32(4, options.mtu ?? 0);
    const kept = inner.subarray(0, inner.length - transport.length + (about.keep ?? 8));
    return this.#add(
      options,
      ip(source, destination, source.version === 4 ? 1 : 58, concat(header, kept), this.#ipOptions(options)),
    );
  }

  /** Any IP packet, or (with Ethernet) any frame: the bytes as they are, without a link layer of ours. */
  raw(bytes: Uint8Array, options: { readonly atMs?: number; readonly afterMs?: number } = {}): this {
    return this.#push(options, bytes);
  }

  /** The packet before once more, elsewhere: another device, another direction, one hop less to live. */
  again(options: Partial<PacketOptions> & { readonly ttlLess?: number }): this {
    const last = this.#lastIp;
    if (last === undefined) throw new Error('there is no packet to see again');
    const bytes = last.bytes.slice();
    const view = new DataView(bytes.buffer);
    const at = last.version === 4 ? 8 : 7;
    view.setUint8(at, view.getUint8(at) - (options.ttlLess ?? 0));
    return this.#add({ from: last.from, to: last.to, ...options }, bytes);
  }

  /** Packets so far, without file and record headers. */
  packets(): readonly Uint8Array[] {
    return this.#packets.map((packet) => packet.bytes);
  }

  /** The file. */
  bytes(): Uint8Array {
    return this.#options.format === 'pcapng'
      ? pcapng(this.#packets, this.#options)
      : pcap(this.#packets, this.#options);
  }

  #lastIp:
    | { readonly bytes: Uint8Array; readonly version: 4 | 6; readonly from: string; readonly to: string }
    | undefined;

  #ipOptions(options: SegmentOptions): IpOptions {
    return {
      ttl: options.ttl ?? 64,
      ipId: options.ipId ?? this.#ipId++ & 0xffff,
      ...(options.fragment === undefined ? {} : { fragment: options.fragment }),
    };
  }

  #add(options: PacketOptions, bytes: Uint8Array): this {
    const version = (bytes[0] ?? 0) >> 4 === 6 ? 6 : 4;
    this.#lastIp = { bytes, version, from: options.from, to: options.to };
    return this.#push(options, link(bytes, version, options, this.#options));
  }

  #push(times: { readonly atMs?: number; readonly afterMs?: number }, bytes: Uint8Array): this {
    this.#nowMs = times.atMs ?? this.#nowMs + (this.#first ? 0 : (times.afterMs ?? 0.1));
    this.#first = false;
    this.#packets.push({ atMs: this.#nowMs, bytes });
    return this;
  }
}

interface Endpoint {
  readonly version: 4 | 6;
  readonly address: Uint8Array;
  readonly port: number;
}

function endpoint(text: string): Endpoint {
  const found = /^(?:\[(?<six>[^\]]+)\]|(?<four>[0-9.]+))(?::(?<port>\d+))?$/.exec(text)?.groups;
  if (found === undefined) throw new Error(`not an endpoint: ${text}`);
  const port = Number(found['port'] ?? 0);
  const four = found['four'];
  if (four !== undefined) return { version: 4, address: Uint8Array.from(four.split('.').map(Number)), port };
  const [head = '', tail] = (found['six'] ?? '').split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return { version: 6, address: Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255])), port };
}

interface IpOptions {
  readonly ttl: number;
  readonly ipId: number;
  readonly fragment?: { readonly offset: number; readonly more: boolean };
}

function ip(
  source: Endpoint,
  destination: Endpoint,
  protocol: number,
  body: Uint8Array,
  options: IpOptions,
): Uint8Array {
  if (source.version === 6) {
    const header = new Uint8Array(40);
    const view = new DataView(header.buffer);
    view.setUint8(0, 0x60);
    view.setUint16(4, body.length);
    view.setUint8(6, protocol);
    view.setUint8(7, options.ttl);
    header.set(source.address, 8);
    header.set(destination.address, 24);
    return concat(header, body);
  }
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, 20 + body.length);
  view.setUint16(4, options.ipId);
  const fragment = options.fragment;
  view.setUint16(6, fragment === undefined ? 0x4000 : (fragment.more ? 0x2000 : 0) | (fragment.offset >> 3));
  view.setUint8(8, options.ttl);
  view.setUint8(9, protocol);
  header.set(source.address, 12);
  header.set(destination.address, 16);
  return concat(header, body);
}

function ports(source: number, destination: number): Uint8Array {
  return Uint8Array.of(source >> 8, source & 255, destination >> 8, destination & 255);
}

function tcpHeader(
  sourcePort: number,
  destinationPort: number,
  seq: number,
  ack: number,
  bits: number,
  options: Partial<SegmentOptions>,
): Uint8Array {
  const extra: number[] = [];
  const word = (value: number): number[] => [
    (value >>> 24) & 255,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  ];
  if (options.mss !== undefined) extra.push(2, 4, options.mss >> 8, options.mss & 255);
  if (options.sackPermitted === true) extra.push(4, 2);
  if (options.tsval !== undefined && options.tsval !== null) {
    while (extra.length % 4 !== 2) extra.push(1);
    extra.push(8, 10, ...word(options.tsval), ...word(options.tsecr ?? 0));
  }
  if (options.windowScale !== undefined) extra.push(3, 3, options.windowScale);
  if (options.sack !== undefined) {
    while (extra.length % 4 !== 2) extra.push(1);
    extra.push(
      5,
      2 + options.sack.length * 8,
      ...options.sack.flatMap(([left, right]) => [...word(left), ...word(right)]),
    );
  }
  while (extra.length % 4 !== 0) extra.push(1);
  const header = new Uint8Array(20 + extra.length);
  const view = new DataView(header.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint32(4, seq);
  view.setUint32(8, ack);
  view.setUint8(12, (header.length / 4) << 4);
  view.setUint8(13, bits);
  view.setUint16(14, options.window ?? 64_240);
  header.set(extra, 20);
  return header;
}

function flagBits(flags: string): number {
  const bits: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128 };
  return Array.from(flags).reduce((sum, letter) => sum | (bits[letter] ?? 0), 0);
}

function payloadBytes(payload: number | string | Uint8Array): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload).fill(0x78);
}

function link(packet: Uint8Array, version: 4 | 6, place: PacketOptions, options: CaptureOptions): Uint8Array {
  const type = version === 4 ? 0x0800 : 0x86dd;
  const packetType = place.direction === 'out' ? 4 : place.direction === 'other' ? 3 : 0;
  switch (options.linkType ?? 1) {
    case 1: {
      const tags = options.vlans ?? [];
      const header = new Uint8Array(14 + tags.length * 4);
      const view = new DataView(header.buffer);
      header.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
      for (const [index, tag] of tags.entries()) {
        view.setUint16(12 + index * 4, index === 0 && tags.length > 1 ? 0x88a8 : 0x8100);
        view.setUint16(14 + index * 4, tag);
      }
      view.setUint16(12 + tags.length * 4, type);
      return concat(header, packet);
    }
    case 113: {
      const header = new Uint8Array(16);
      const view = new DataView(header.buffer);
      view.setUint16(0, packetType);
      view.setUint16(2, 1);
      view.setUint16(4, 6);
      view.setUint16(14, type);
      return concat(header, packet);
    }
    case 276: {
      const header = new Uint8Array(20);
      const view = new DataView(header.buffer);
      view.setUint16(0, type);
      view.setUint32(4, place.interfaceIndex ?? 2);
      view.setUint16(8, 1);
      view.setUint8(10, packetType);
      view.setUint8(11, 6);
      return concat(header, packet);
    }
    case 0:
      return concat(Uint8Array.of(version === 4 ? 2 : 30, 0, 0, 0), packet);
    default:
      return packet;
  }
}

function pcap(packets: readonly BuiltPacket[], options: CaptureOptions): Uint8Array {
  const little = options.byteOrder !== 'big';
  const nanoseconds = options.nanoseconds === true;
  const modified = options.modified === true;
  const file = new Uint8Array(24);
  const view = new DataView(file.buffer);
  view.setUint32(0, modified ? 0xa1b2cd34 : nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, little);
  view.setUint16(4, 2, little);
  view.setUint16(6, 4, little);
  view.setUint32(16, options.snaplen ?? 262_144, little);
  view.setUint32(20, options.linkType ?? 1, little);
  return concat(
    file,
    ...packets.flatMap(({ atMs, bytes }) => {
      const header = new Uint8Array(modified ? 24 : 16);
      const record = new DataView(header.buffer);
      const kept = bytes.subarray(0, options.snaplen ?? bytes.length);
      const { seconds, nanos } = split(atMs);
      record.setUint32(0, seconds, little);
      record.setUint32(4, nanoseconds ? nanos : Math.round(nanos / 1000), little);
      record.setUint32(8, kept.length, little);
      record.setUint32(12, bytes.length, little);
      return [header, kept];
    }),
  );
}

function pcapng(packets: readonly BuiltPacket[], options: CaptureOptions): Uint8Array {
  const little = options.byteOrder !== 'big';
  const nanoseconds = options.nanoseconds === true;
  const section = new Uint8Array(16);
  const sectionView = new DataView(section.buffer);
  sectionView.setUint32(0, 0x1a2b3c4d, little);
  sectionView.setUint16(4, 1, little);
  sectionView.setBigInt64(8, -1n, little);
  const device = new Uint8Array(nanoseconds ? 20 : 8);
  const deviceView = new DataView(device.buffer);
  deviceView.setUint16(0, options.linkType ?? 1, little);
  if (nanoseconds) {
    deviceView.setUint16(8, 9, little);
    deviceView.setUint16(10, 1, little);
    deviceView.setUint8(12, 9);
  }
  return concat(
    block(0x0a0d0d0a, section, little),
    block(1, device, little),
    ...packets.map(({ atMs, bytes }) => {
      const kept = bytes.subarray(0, options.snaplen ?? bytes.length);
      const body = new Uint8Array(20 + ((kept.length + 3) & ~3));
      const view = new DataView(body.buffer);
      const { seconds, nanos } = split(atMs);
      const units = nanoseconds
        ? BigInt(seconds) * 1_000_000_000n + BigInt(nanos)
        : BigInt(seconds) * 1_000_000n + BigInt(Math.round(nanos / 1000));
      view.setUint32(4, Number(units >> 32n), little);
      view.setUint32(8, Number(units & 0xffff_ffffn), little);
      view.setUint32(12, kept.length, little);
      view.setUint32(16, bytes.length, little);
      body.set(kept, 20);
      return block(6, body, little);
    }),
  );
}

/** One pcapng block around a body (padded here to four bytes). */
export function block(type: number, body: Uint8Array, little = true): Uint8Array {
  const padded = (body.length + 3) & ~3;
  const bytes = new Uint8Array(12 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, little);
  view.setUint32(4, bytes.length, little);
  bytes.set(body, 8);
  view.setUint32(8 + padded, bytes.length, little);
  return bytes;
}

function split(atMs: number): { readonly seconds: number; readonly nanos: number } {
  const micros = Math.round(atMs * 1000);
  return { seconds: Math.floor(micros / 1e6), nanos: (micros % 1e6) * 1000 };
}

/** Joins byte arrays. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
