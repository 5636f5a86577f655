import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../src/packets/address-text.ts';
import type { CaptureRecord } from '../../src/packets/capture-reader.ts';
import type { DecodedPacket } from '../../src/packets/decode-packet.ts';
import { RecordDecoder } from '../../src/packets/record-decoder.ts';
import { capture, concat } from './build-capture.ts';

interface Seen {
  readonly kind: string;
  readonly whole: boolean;
  readonly first: boolean;
  readonly from: string;
  readonly port: number;
  /** Captured payload after the headers. */
  readonly payload: string;
  readonly tcpLength: number;
}

function seen(packet: DecodedPacket): Seen {
  const { view } = packet;
  const bytes = new Uint8Array(
    view.buffer,
    view.byteOffset + packet.headersEnd,
    packet.capturedEnd - packet.headersEnd,
  );
  return {
    kind: packet.kind,
    whole: packet.fragmented,
    first: packet.moreFragments,
    from: addressText(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3),
    port: packet.sourcePort,
    payload: new TextDecoder().decode(bytes),
    tcpLength: packet.payloadLength,
  };
}

/** Decodes raw IP packets one after the other; each ends where its buffer ends. */
class Feed {
  readonly decoder: RecordDecoder;
  #frame = 0;

  constructor(mode?: 'netcheck' | 'wireshark') {
    this.decoder = new RecordDecoder(mode);
  }

  take(bytes: Uint8Array, atMs = this.#frame, place: Partial<CaptureRecord> = {}): Seen {
    const exact = bytes.slice(0, place.capturedLength ?? bytes.length);
    return seen(
      this.decoder.decode({
        frame: ++this.#frame,
        seconds: Math.floor(atMs / 1000),
        nanoseconds: (atMs % 1000) * 1e6,
        view: new DataView(exact.buffer),
        start: 0,
        wireLength: bytes.length,
        linkType: 101,
        interfaceId: 0,
        direction: null,
        ...place,
        capturedLength: exact.length,
      }),
    );
  }
}

/** Cuts an IP packet into fragments at these offsets of its data (multiples of 8). */
function fragments(packet: Uint8Array, cuts: readonly number[], id = 77): Uint8Array[] {
  const six = (packet[0] ?? 0) >> 4 === 6;
  const header = packet.slice(0, six ? 40 : 20);
  const data = packet.subarray(header.length);
  const edges = [0, ...cuts, data.length];
  return edges.slice(1).map((end, index) => {
    const start = edges[index] ?? 0;
    return fragment(header, data.subarray(start, end), start, end < data.length, id);
  });
}

function fragment(header: Uint8Array, data: Uint8Array, offset: number, more: boolean, id = 77): Uint8Array {
  if ((header[0] ?? 0) >> 4 === 6) {
    const bytes = concat(header, new Uint8Array(8), data);
    const view = new DataView(bytes.buffer);
    view.setUint8(40, header[6] ?? 0);
    view.setUint8(6, 44);
    view.setUint16(4, 8 + data.length);
    view.setUint16(42, offset | (more ? 1 : 0));
    view.setUint32(44, id);
    return bytes;
  }
  const bytes = concat(header, data);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, bytes.length);
  view.setUint16(4, id);
  view.setUint16(6, (more ? 0x2000 : 0) | (offset >> 3));
  return bytes;
}

const text = Array.from({ length: 100 }, (_, i) => `<${i}>`).join('');
const one = (packets: readonly Uint8Array[]): Uint8Array => packets[0] ?? new Uint8Array(0);
const udp4 = one(capture({ linkType: 101 }).udp({ from: '10.0.0.1:53', to: '10.0.0.2:4000', payload: text }).packets());
const udp6 = one(
  capture({ linkType: 101 }).udp({ from: '[2001:db8::1]:53', to: '[2001:db8::2]:4000', payload: text }).packets(),
);
const tcp4 = one(
  capture({ linkType: 101 }).data({ from: '10.0.0.1:4000', to: '10.0.0.2:80', payload: text }).packets(),
);

describe.each([
  ['IPv4', udp4, '10.0.0.1'],
  ['IPv6', udp6, '2001:db8::1'],
])('%s fragments', (_, datagram, from) => {
  const cuts = [64, 128, 256];
  const whole: Seen = { kind: 'udp', whole: true, first: false, from, port: 53, payload: text, tcpLength: 0 };

  it('in order: the last one brings the datagram', () => {
    const feed = new Feed();
    const all = fragments(datagram, cuts).map((bytes) => feed.take(bytes));
    expect(all.map(({ kind, first, whole: put }) => [kind, first, put])).toEqual([
      ['udp', true, false],
      ['fragment', true, false],
      ['fragment', true, false],
      ['udp', false, true],
    ]);
    expect(all[3]).toMatchObject({ ...whole, tcpLength: expect.any(Number) });
    expect(feed.decoder.fragments()).toEqual({ datagrams: 1, reassembled: 1, fragments: 4 });
  });

  it('in any order, with copies: the one that fills the last hole brings the datagram', () => {
    const pieces = fragments(datagram, cuts);
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 }),
        (order, copies) => {
          const feed = new Feed();
          const missing = new Set([0, 1, 2, 3]);
          // Copies of what is there already, between the others.
          const turns = order.flatMap((piece, turn) => [piece, ...copies.filter((copy) => order.indexOf(copy) < turn)]);
          for (const piece of turns) {
            if (missing.size === 0) break;
            missing.delete(piece);
            const packet = feed.take(pieces[piece] ?? new Uint8Array(0));
            expect(packet.whole).toBe(missing.size === 0);
            if (packet.whole)
              expect([packet.kind, packet.from, packet.port, packet.payload]).toEqual(['udp', from, 53, text]);
          }
        },
      ),
    );
  });

  it('that overlap: what came first stays', () => {
    const header = datagram.subarray(0, datagram.length - text.length - 8);
    const data = datagram.subarray(header.length);
    const dots = (size: number): Uint8Array => new Uint8Array(size).fill(0x2e);
    const feed = new Feed();
    feed.take(fragment(header, data.subarray(32, 64), 32, true));
    feed.take(fragment(header, concat(data.subarray(0, 32), dots(48)), 0, true));
    const last = feed.take(fragment(header, data.subarray(88), 88, false));
    expect(last.whole).toBe(false);
    expect(feed.take(fragment(header, dots(64), 48, true))).toMatchObject({
      kind: 'udp',
      whole: true,
      payload: `${text.slice(0, 56)}${'.'.repeat(24)}${text.slice(80)}`,
    });
  });

  it('of two datagrams do not mix', () => {
    const feed = new Feed();
    const a = fragments(datagram, [64], 1);
    const b = fragments(datagram, [64], 2);
    expect([a[0], b[0], b[1], a[1]].map((bytes) => feed.take(bytes ?? new Uint8Array(0)).whole)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it('after 30 seconds begin anew; as Wireshark they do not', () => {
    const [first = new Uint8Array(0), last = new Uint8Array(0)] = fragments(datagram, [64]);
    const feed = new Feed();
    feed.take(first, 0);
    expect(feed.take(last, 31_000).whole).toBe(false);
    expect(feed.take(first, 32_000).whole).toBe(true);
    expect(feed.decoder.fragments()).toEqual({ datagrams: 2, reassembled: 1, fragments: 3 });
    const wireshark = new Feed('wireshark');
    wireshark.take(first, 0);
    expect(wireshark.take(last, 31_000).whole).toBe(true);
  });

  it('that contradict each other about the end are let go', () => {
    const header = datagram.subarray(0, datagram.length - text.length - 8);
    const feed = new Feed();
    feed.take(fragment(header, new Uint8Array(8), 64, false));
    feed.take(fragment(header, new Uint8Array(8), 128, false));
    expect(feed.take(fragment(header, new Uint8Array(64), 0, true)).whole).toBe(false);
    expect(feed.take(fragment(header, new Uint8Array(64), 64, true)).whole).toBe(false);
    const late = new Feed();
    late.take(fragment(header, new Uint8Array(64), 64, true));
    late.take(fragment(header, new Uint8Array(8), 64, false));
    expect(late.take(fragment(header, new Uint8Array(64), 0, true)).whole).toBe(false);
  });

  it('with more to come count up to a multiple of 8', () => {
    const header = datagram.subarray(0, datagram.length - text.length - 8);
    const data = datagram.subarray(header.length);
    const feed = new Feed();
    feed.take(fragment(header, concat(data.subarray(0, 64), new Uint8Array(7)), 0, true));
    expect(feed.take(fragment(header, data.subarray(64), 64, false))).toMatchObject({ whole: true, payload: text });
    feed.take(fragment(header, data.subarray(0, 71), 0, true, 5));
    expect(feed.take(fragment(header, data.subarray(72), 72, false, 5)).whole).toBe(false);
  });

  it('beyond 64 kB are no part of a datagram', () => {
    const header = datagram.subarray(0, datagram.length - text.length - 8);
    const feed = new Feed();
    for (const more of [true, false]) {
      expect(feed.take(fragment(header, new Uint8Array(64), 65_528, more))).toMatchObject({ kind: 'fragment' });
    }
    expect(feed.take(fragment(header, new Uint8Array(0), 8, true)).kind).toBe('fragment');
    expect(feed.decoder.fragments()).toEqual({ datagrams: 0, reassembled: 0, fragments: 3 });
  });

  it('cut by the snap length keep their lengths, and the bytes up to the first that is missing', () => {
    const feed = new Feed();
    const [first = new Uint8Array(0), last = new Uint8Array(0)] = fragments(datagram, [64]);
    const header = datagram.length - text.length - 8;
    feed.take(first, 0, { capturedLength: first.length - 40 });
    const packet = feed.take(last);
    expect(packet).toMatchObject({ kind: 'udp', whole: true, port: 53, payload: text.slice(0, 16) });
    expect(header).toBeGreaterThan(0);
    const wireshark = new Feed('wireshark');
    // As there: only what was captured whole is put together.
    expect(wireshark.take(first, 0, { capturedLength: first.length - 40 })).toMatchObject({
      kind: from.includes(':') ? 'fragment' : 'udp',
      first: true,
    });
    expect(wireshark.take(last)).toMatchObject({ kind: 'fragment', whole: false });
  });

  it('seen at two places are put together at each, and copies at one place are no new datagram', () => {
    const [first = new Uint8Array(0), last = new Uint8Array(0)] = fragments(datagram, [64]);
    const feed = new Feed();
    const turns: readonly (readonly [Uint8Array, number])[] = [
      [first, 0],
      [first, 1],
      [last, 0],
      [last, 1],
      [last, 1],
    ];
    expect(turns.map(([bytes, interfaceId]) => feed.take(bytes, 5, { interfaceId }).whole)).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect(feed.decoder.fragments()).toEqual({ datagrams: 2, reassembled: 2, fragments: 5 });
  });
});

describe('fragments', () => {
  it('as Wireshark are nothing but fragments until the datagram is whole', () => {
    const feed = new Feed('wireshark');
    expect(fragments(tcp4, [24, 48]).map((bytes) => feed.take(bytes).kind)).toEqual(['fragment', 'fragment', 'tcp']);
  });

  it('of TCP have no length until they are whole', () => {
    const feed = new Feed();
    const all = fragments(tcp4, [24]).map((bytes) => feed.take(bytes));
    expect(all.map(({ kind, tcpLength }) => [kind, tcpLength])).toEqual([
      ['tcp', -1],
      ['tcp', text.length],
    ]);
  });

  it('in fragments in a tunnel: the inner datagram is whole when both are', () => {
    const outer = (inner: Uint8Array): Uint8Array => {
      const header = udp4.slice(0, 20);
      const view = new DataView(header.buffer);
      view.setUint16(2, 20 + inner.length);
      view.setUint8(9, 4);
      header.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
      return concat(header, inner);
    };
    const feed = new Feed();
    const pieces = fragments(tcp4, [160]).flatMap((inner, index) => fragments(outer(inner), [64], 500 + index));
    const all = pieces.map((bytes) => feed.take(bytes));
    expect(all.map(({ whole }) => whole)).toEqual([false, true, false, true]);
    expect(all[3]).toMatchObject({ kind: 'tcp', from: '10.0.0.1', tcpLength: text.length, payload: text });
    expect(all[1]).toMatchObject({ kind: 'fragment' });
  });

  it('never finished: bounded, and the rest of the capture goes on', () => {
    const feed = new Feed();
    const header = udp4.subarray(0, 20);
    for (let id = 0; id < 5000; id++) feed.take(fragment(header, new Uint8Array(8), 65_000, true, id), 0);
    expect(feed.decoder.fragments()).toEqual({ datagrams: 5000, reassembled: 0, fragments: 5000 });
    // The latest are still waited for, the oldest are not.
    expect(feed.take(fragment(header, new Uint8Array(65_000), 0, true, 4999), 0).whole).toBe(false);
    expect(feed.take(fragment(header, new Uint8Array(8), 65_008, false, 4999), 0).whole).toBe(true);
    expect(feed.take(fragment(header, new Uint8Array(65_000), 0, true, 0), 0).whole).toBe(false);
    expect(feed.take(fragment(header, new Uint8Array(8), 65_008, false, 0), 0).whole).toBe(false);
    expect(feed.take(udp4)).toMatchObject({ kind: 'udp', whole: false, payload: text });
  });

  it('of many large datagrams: 4 MiB of them are kept, the latest', () => {
    const feed = new Feed();
    const header = udp4.subarray(0, 20);
    const ids = Array.from({ length: 100 }, (_, id) => id);
    for (const id of ids) feed.take(fragment(header, new Uint8Array(60_000), 8, true, id), 0);
    for (const id of ids) feed.take(fragment(header, new Uint8Array(8), 60_008, false, id), 0);
    const whole = ids.toReversed().filter((id) => feed.take(fragment(header, new Uint8Array(8), 0, true, id), 0).whole);
    expect(whole.length).toBeGreaterThan(50);
    expect(whole.length).toBeLessThan(70);
    expect(Math.min(...whole)).toBe(100 - whole.length);
  });

  it('with many holes are let go', () => {
    const feed = new Feed();
    const header = udp4.subarray(0, 20);
    for (let i = 1; i < 198; i += 2) feed.take(fragment(header, new Uint8Array(8), i * 8, true));
    for (let i = 0; i < 200; i += 2) {
      expect(feed.take(fragment(header, new Uint8Array(8), i * 8, i < 198)).whole).toBe(false);
    }
  });

  it('of any offsets, lengths and marks do no harm', () => {
    const header4 = udp4.subarray(0, 20);
    const header6 = udp6.subarray(0, 40);
    const piece = fc.record({
      offset: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 8191 })),
      size: fc.integer({ min: 0, max: 120 }),
      more: fc.boolean(),
      six: fc.boolean(),
      id: fc.integer({ min: 0, max: 2 }),
      cut: fc.integer({ min: 0, max: 200 }),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.constantFrom('netcheck', 'wireshark'), (pieces, mode) => {
        const feed = new Feed(mode);
        for (const { offset, size, more, six, id, cut } of pieces) {
          const bytes = fragment(six ? header6 : header4, new Uint8Array(size).fill(0x45), offset * 8, more, id);
          feed.take(bytes, 0, { capturedLength: Math.min(cut, bytes.length) });
        }
        const { datagrams, reassembled, fragments: all } = feed.decoder.fragments();
        expect(reassembled).toBeLessThanOrEqual(datagrams);
        expect(all).toBeLessThanOrEqual(pieces.length);
      }),
      { numRuns: 1000 },
    );
  });
});
