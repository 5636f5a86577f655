import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCaptureReader } from '../../src/packets/capture-reader.ts';
import { block, capture, concat, type CaptureOptions } from './build-capture.ts';

interface Seen {
  readonly frame: number;
  readonly atMs: number;
  readonly bytes: string;
  readonly wireLength: number;
  readonly linkType: number;
  readonly direction: 'in' | 'out' | null;
}

function read(...chunks: readonly Uint8Array[]) {
  const seen: Seen[] = [];
  const reader = createCaptureReader((record) => {
    const bytes = new Uint8Array(record.view.buffer, record.view.byteOffset + record.start, record.capturedLength);
    seen.push({
      frame: record.frame,
      atMs: record.seconds * 1000 + record.nanoseconds / 1e6,
      bytes: Buffer.from(bytes).toString('hex'),
      wireLength: record.wireLength,
      linkType: record.linkType,
      direction: record.direction,
    });
  });
  for (const chunk of chunks) reader.push(chunk);
  reader.finish();
  return { seen, problems: reader.problems.map((problem) => problem.message), reader };
}

const three = (options: CaptureOptions) =>
  capture(options)
    .syn({ from: '10.0.0.1:40000', to: '10.0.0.2:80', atMs: 1_700_000_000_123.5 })
    .synAck({ from: '10.0.0.2:80', to: '10.0.0.1:40000', afterMs: 1 })
    .data({ from: '10.0.0.1:40000', to: '10.0.0.2:80', afterMs: 1, payload: 33 });

const formats: readonly (readonly [string, CaptureOptions])[] = (['little', 'big'] as const).flatMap((byteOrder) => [
  [`pcap, ${byteOrder}-endian`, { byteOrder }] as const,
  [`pcap, ${byteOrder}-endian, nanoseconds`, { byteOrder, nanoseconds: true }] as const,
  [`pcap, ${byteOrder}-endian, modified`, { byteOrder, modified: true }] as const,
  [`pcapng, ${byteOrder}-endian`, { byteOrder, format: 'pcapng' }] as const,
  [`pcapng, ${byteOrder}-endian, nanoseconds`, { byteOrder, format: 'pcapng', nanoseconds: true }] as const,
]);

describe.each(formats)('a %s capture', (_, options) => {
  const builder = three(options);
  const whole = builder.bytes();

  it('gives every packet with its bytes, lengths and time', () => {
    const { seen, problems } = read(whole);
    expect(problems).toEqual([]);
    expect(seen.map((packet) => packet.bytes)).toEqual(
      builder.packets().map((bytes) => Buffer.from(bytes).toString('hex')),
    );
    expect(seen.map((packet) => packet.frame)).toEqual([1, 2, 3]);
    expect(seen.map((packet) => packet.linkType)).toEqual([1, 1, 1]);
    expect(seen.map((packet) => Math.round(packet.atMs * 10) / 10)).toEqual([
      1_700_000_000_123.5, 1_700_000_000_124.5, 1_700_000_000_125.5,
    ]);
  });

  it('is the same however the stream is cut', () => {
    const expected = read(whole).seen;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 12 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((edge, index) => whole.slice(edges[index], edge));
        expect(read(...chunks).seen).toEqual(expected);
      }),
      { numRuns: 60 },
    );
    expect(read(...Array.from(whole, (byte) => Uint8Array.of(byte))).seen).toEqual(expected);
  });

  it('cut anywhere gives the whole packets before the cut, and says where it was cut', () => {
    for (let length = 1; length < whole.length; length++) {
      const { seen, problems } = read(whole.slice(0, length));
      const all = read(whole).seen;
      expect(seen).toEqual(all.slice(0, seen.length));
      if (seen.length < 3 && problems.length > 0) expect(problems[0]).toMatch(/^the stream ends inside/);
    }
    expect(read(whole.slice(0, -5)).problems).toHaveLength(1);
    expect(read(whole.slice(0, -5)).seen).toHaveLength(2);
  });
});

describe('damage', () => {
  const whole = three({}).bytes();

  it('names the packet and the byte offset of a stream that ends inside a packet', () => {
    const first = 24 + 16 + (three({}).packets()[0]?.length ?? 0);
    expect(read(whole.slice(0, first + 16 + 10)).problems).toEqual([
      `the stream ends inside packet 2: 26 of ${16 + (three({}).packets()[1]?.length ?? 0)} bytes are there (byte offset ${first})`,
    ]);
  });

  it('stops at a packet longer than packets are, after those before it', () => {
    const bytes = whole.slice();
    const second = 24 + 16 + (three({}).packets()[0]?.length ?? 0);
    new DataView(bytes.buffer).setUint32(second + 8, 0x7fff_ffff, true);
    const { seen, problems } = read(bytes);
    expect(seen).toHaveLength(1);
    expect(problems).toEqual([
      `packet 2 claims 2147483647 captured bytes, more than any packet has: the file is damaged at byte offset ${second}; the 1 packets before it were read`,
    ]);
  });

  it.each([
    ['no bytes', new Uint8Array(0), 'there are no bytes: nothing was captured, or tcpdump never started'],
    [
      'text',
      Buffer.from('tcpdump: eth9: No such device'),
      'not a pcap or pcapng capture: it begins with the bytes 74 63 70 64',
    ],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), 'this is gzip: it has to be unpacked before it is read here'],
    ['half a header', whole.slice(0, 10), 'the stream ends inside the file header: 10 bytes are there'],
  ])('says what %s is', (_, bytes, message) => {
    expect(read(bytes)).toMatchObject({ seen: [], problems: [message] });
  });

  it('of a pcapng block is found by its two lengths', () => {
    const bytes = three({ format: 'pcapng' }).bytes();
    new DataView(bytes.buffer).setUint32(bytes.length - 4, 8, true);
    const { seen, problems } = read(bytes);
    expect(seen).toHaveLength(2);
    expect(problems[0]).toMatch(/^a block of type 6 says \d+ bytes at its start and 8 at its end/);
  });

  it('does not keep a packet of an interface that no block describes', () => {
    const section = three({ format: 'pcapng' }).bytes().slice(0, 28);
    const { seen, problems } = read(concat(section, block(6, new Uint8Array(24))));
    expect(seen).toEqual([]);
    expect(problems[0]).toMatch(/^packet 1 was captured on interface 0, which no block describes/);
  });
});

describe('pcapng', () => {
  const section = (little: boolean): Uint8Array => {
    const body = new Uint8Array(16);
    const view = new DataView(body.buffer);
    view.setUint32(0, 0x1a2b3c4d, little);
    view.setUint16(4, 1, little);
    view.setBigInt64(8, -1n, little);
    return block(0x0a0d0d0a, body, little);
  };
  const device = (linkType: number, options: readonly number[] = [], snaplen = 0): Uint8Array => {
    const body = new Uint8Array(8 + options.length);
    const view = new DataView(body.buffer);
    view.setUint16(0, linkType, true);
    view.setUint32(4, snaplen, true);
    body.set(options, 8);
    return block(1, body);
  };
  const enhanced = (
    interfaceId: number,
    units: bigint,
    data: Uint8Array,
    options: readonly number[] = [],
  ): Uint8Array => {
    const padded = (data.length + 3) & ~3;
    const body = new Uint8Array(20 + padded + options.length);
    const view = new DataView(body.buffer);
    view.setUint32(0, interfaceId, true);
    view.setUint32(4, Number(units >> 32n), true);
    view.setUint32(8, Number(units & 0xffff_ffffn), true);
    view.setUint32(12, data.length, true);
    view.setUint32(16, data.length, true);
    body.set(data, 20);
    body.set(options, 20 + padded);
    return block(6, body);
  };
  const data = Uint8Array.of(1, 2, 3, 4, 5);

  it('reads interfaces with their own link type, resolution and offset', () => {
    const file = concat(
      section(true),
      device(1),
      device(276, [9, 0, 1, 0, 9, 0, 0, 0]),
      device(101, [9, 0, 1, 0, 0x8a, 0, 0, 0]),
      device(113, [14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0]),
      enhanced(0, 1_700_000_000_000_001n, data),
      enhanced(1, 1_700_000_000_000_000_123n, data),
      enhanced(2, 1_700_000_000n * 1024n + 512n, data),
      enhanced(3, 1_700_000_000_000_000n, data),
    );
    const times: (readonly [number, number, number])[] = [];
    const reader = createCaptureReader((record) => {
      times.push([record.linkType, record.seconds, record.nanoseconds]);
    });
    reader.push(file);
    reader.finish();
    expect(reader.problems).toEqual([]);
    expect(times).toEqual([
      [1, 1_700_000_000, 1000],
      [276, 1_700_000_000, 123],
      [101, 1_700_000_000, 500_000_000],
      [113, 1_700_000_100, 0],
    ]);
  });

  it('is exact in its times, whatever the resolution', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 3, 6, 7, 9, 0x80, 0x8a, 0x9e),
        fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (resolution, second, part) => {
          const perSecond = resolution & 0x80 ? 2n ** BigInt(resolution & 0x7f) : 10n ** BigInt(resolution);
          const units = second * perSecond + BigInt(Math.floor(part * Number(perSecond)));
          let time: readonly bigint[] = [];
          const reader = createCaptureReader((record) => {
            time = [BigInt(record.seconds), BigInt(record.nanoseconds)];
          });
          reader.push(concat(section(true), device(1, [9, 0, 1, 0, resolution, 0, 0, 0]), enhanced(0, units, data)));
          expect(time).toEqual([units / perSecond, ((units % perSecond) * 1_000_000_000n) / perSecond]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('starts over with every section, also in the other byte order', () => {
    const other = capture({ format: 'pcapng', byteOrder: 'big', linkType: 101 })
      .udp({ from: '10.0.0.1:1', to: '10.0.0.2:2' })
      .bytes();
    const file = concat(section(true), device(1), enhanced(0, 1n, data), other);
    expect(read(file)).toMatchObject({ problems: [], seen: [{ linkType: 1 }, { linkType: 101, frame: 2 }] });
  });

  it('reads simple and obsolete packet blocks, directions, and skips what it does not know', () => {
    const simple = new Uint8Array(8 + 4);
    new DataView(simple.buffer).setUint32(0, 100, true);
    const obsolete = new Uint8Array(20 + 8);
    const view = new DataView(obsolete.buffer);
    view.setUint32(12, 5, true);
    view.setUint32(16, 60, true);
    const file = concat(
      section(true),
      device(1, [], 8),
      block(4, new Uint8Array(40)),
      block(0x7777, new Uint8Array(2_000_000)),
      block(3, simple),
      block(2, obsolete),
      enhanced(0, 1n, data, [2, 0, 4, 0, 2, 0, 0, 0]),
    );
    expect(read(file)).toMatchObject({
      problems: [],
      seen: [
        { wireLength: 100, bytes: '0000000000000000' },
        { wireLength: 60, bytes: '0000000000', direction: null },
        { bytes: '0102030405', direction: 'out' },
      ],
    });
  });

  it('knows interfaces by number over all sections, with their names', () => {
    const named = (name: string): readonly number[] => {
      const bytes = [...new TextEncoder().encode(name)];
      return [2, 0, bytes.length, 0, ...bytes, ...Array.from({ length: -bytes.length & 3 }, () => 0), 0, 0, 0, 0];
    };
    const ids: number[] = [];
    const reader = createCaptureReader((record) => ids.push(record.interfaceId));
    reader.push(
      concat(
        section(true),
        device(1, named('eth0')),
        device(1, named('cali\u001b[31m1')),
        enhanced(1, 1n, data),
        section(true),
        device(1, named('tunl0')),
        device(1),
        enhanced(0, 2n, data),
      ),
    );
    reader.finish();
    expect(reader.problems).toEqual([]);
    expect(ids).toEqual([1, 2]);
    expect(reader.interfaceNames).toEqual({ 0: 'eth0', 1: 'cali[31m1', 2: 'tunl0' });
    expect(reader.interfaces).toBe(4);
  });

  const statistics = (interfaceId: number, counts: readonly (readonly [number, number])[]): Uint8Array => {
    const body = new Uint8Array(12 + counts.length * 12);
    const view = new DataView(body.buffer);
    view.setUint32(0, interfaceId, true);
    for (const [index, [code, value]] of counts.entries()) {
      view.setUint16(12 + index * 12, code, true);
      view.setUint16(14 + index * 12, 8, true);
      view.setBigUint64(16 + index * 12, BigInt(value), true);
    }
    return block(5, body);
  };
  const drops = (...blocks: readonly Uint8Array[]): number | null => {
    const reader = createCaptureReader(() => {});
    reader.push(concat(section(true), device(1), device(1), ...blocks));
    reader.finish();
    expect(reader.problems).toEqual([]);
    return reader.droppedByKernel;
  };

  it('sums what the latest statistics of each interface say was dropped', () => {
    expect(drops()).toBeNull();
    expect(drops(statistics(0, [[4, 1000]]))).toBeNull();
    expect(drops(statistics(0, [[5, 0]]))).toBe(0);
    expect(
      drops(
        statistics(0, [
          [5, 1],
          [7, 2],
        ]),
        statistics(1, [[7, 30]]),
        statistics(0, [
          [5, 4],
          [7, 2],
        ]),
      ),
    ).toBe(36);
    expect(drops(statistics(9, [[5, 7]]))).toBeNull();
  });

  it('reads packets whose options are damaged', () => {
    const odd: readonly (readonly number[])[] = [
      [2, 0, 255, 255, 1, 1, 1, 1],
      [2, 0, 1, 0, 1, 1, 1, 1],
      [9, 0, 0, 0],
      [2, 0],
    ];
    for (const options of odd) {
      const file = concat(section(true), device(1, options), enhanced(0, 1n, data, options), statistics(0, []));
      expect(read(file)).toMatchObject({ problems: [], seen: [{ bytes: '0102030405', direction: null }] });
    }
  });

  const with32 = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const changed = bytes.slice();
    new DataView(changed.buffer).setUint32(at, value, true);
    return changed;
  };
  const start = concat(section(true), device(1));
  const good = enhanced(0, 1n, data);
  it.each([
    [
      'a packet longer than its block',
      concat(start, good, with32(good, 20, 9)),
      'packet 2 claims 9 captured bytes in a block with room for 8: the file is damaged (byte offset 88, after packet 1)',
    ],
    [
      'a packet longer than packets are',
      concat(start, good, with32(enhanced(0, 1n, new Uint8Array(300_000)), 4, 300_032)),
      'packet 2 claims 300000 captured bytes in a block with room for 300000: the file is damaged (byte offset 88, after packet 1)',
    ],
    [
      'a block longer than blocks are',
      concat(start, good, with32(good, 4, 0x1000_0000)),
      'a block of type 6 claims 268435456 bytes: the file is damaged (byte offset 88, after packet 1)',
    ],
    [
      'a length that is no multiple of 4',
      concat(start, good, with32(good, 4, 41)),
      'a block of type 6 has the impossible length 41: the file is damaged (byte offset 88, after packet 1)',
    ],
    [
      'another version of pcapng',
      concat(with32(section(true), 12, 2), device(1), good),
      'pcapng version 2 is not known (byte offset 0, after packet 0)',
    ],
    [
      'an end inside a block that is skipped',
      concat(start, good, block(4, new Uint8Array(100))).slice(0, -30),
      'the stream ends inside the block after packet 1: 30 bytes are missing (byte offset 170)',
    ],
    [
      'an end inside a packet',
      concat(start, good, good).slice(0, -30),
      'the stream ends inside the block after packet 1: 10 of 40 bytes are there (byte offset 88)',
    ],
    [
      'too many interfaces',
      concat(section(true), ...Array.from({ length: 4097 }, () => device(1))),
      'more than 4096 interfaces are declared (byte offset 81956)',
    ],
    ['another version of pcap', with32(capture().bytes(), 4, 9), 'pcap version 9.0 is not known (byte offset 4)'],
  ])('says where it met %s', (_, file, message) => {
    for (const step of [file.length, 1000]) {
      const problems: string[] = [];
      const reader = createCaptureReader(() => {});
      for (let at = 0; at < file.length; at += step) reader.push(file.subarray(at, at + step));
      reader.finish();
      for (const problem of reader.problems) problems.push(problem.message);
      expect(problems).toEqual([message]);
    }
  });

  it('stops at a block of length 0, and at a section header without a byte order', () => {
    const zero = section(true);
    const nothing = new Uint8Array(12);
    nothing[0] = 6;
    expect(read(concat(zero, nothing)).problems[0]).toBe(
      'a block of type 6 has the impossible length 0: the file is damaged (byte offset 28, after packet 0)',
    );
    const blind = section(true);
    blind.fill(0, 8, 12);
    expect(read(concat(zero, device(1), enhanced(0, 1n, data), blind)).problems[0]).toBe(
      'the section header has no byte-order magic (byte offset 96, after packet 1)',
    );
  });
});
