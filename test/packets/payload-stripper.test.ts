import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Capture } from '../../src/model/facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { createCaptureReader } from '../../src/packets/capture-reader.ts';
import { createPayloadStripper } from '../../src/packets/payload-stripper.ts';
import { type CaptureBuilder, type CaptureOptions, capture, concat } from './build-capture.ts';

const secret = 'PASSWORD-hunter2-'.repeat(20);
const a = '10.0.0.1:40000';
const b = '10.0.0.2:80';
const fromA = { from: a, to: b };
const fromB = { from: b, to: a };

function strip(bytes: Uint8Array, step = bytes.length, keepDns = true): Uint8Array {
  const stripper = createPayloadStripper({ keepDns });
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += Math.max(1, step)) parts.push(stripper.push(bytes.slice(at, at + step)));
  return concat(...parts, stripper.finish());
}

function analyse(bytes: Uint8Array): Capture {
  const analyser = createCaptureAnalyser({ evidence: 'x' });
  analyser.push(bytes);
  return analyser.finish();
}

function lengths(bytes: Uint8Array): readonly (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  const reader = createCaptureReader((record) => {
    found.push([record.capturedLength, record.wireLength]);
  });
  reader.push(bytes);
  reader.finish();
  expect(reader.problems).toEqual([]);
  return found;
}

const talk = (options: CaptureOptions = {}): CaptureBuilder =>
  capture(options)
    .handshake({ ...fromA, tsval: 5 })
    .data({ ...fromA, payload: secret, tsval: 6 })
    .ack({ ...fromB, sack: [[1, 2]] })
    .data({ ...fromB, payload: secret })
    .udp({ from: '10.0.0.1:5000', to: '10.0.0.2:6000', payload: secret })
    .icmpError({ from: b, to: a, type: 3, code: 3, about: { ...fromA, keep: 20 } })
    .data({ from: '[2001:db8::1]:40000', to: '[2001:db8::2]:80', payload: secret })
    .fin(fromA)
    .syn({ from: a, to: b, seq: 7 });

const formats: readonly (readonly [string, CaptureOptions])[] = [
  ['Ethernet', {}],
  ['big-endian', { byteOrder: 'big' }],
  ['nanoseconds', { nanoseconds: true }],
  ['modified', { modified: true }],
  ['SLL', { linkType: 113 }],
  ['SLL2', { linkType: 276 }],
  ['raw IP', { linkType: 101 }],
  ['QinQ', { vlans: [1, 2] }],
  ['cut by snaplen', { snaplen: 70 }],
];

describe.each(formats)('a stream: %s', (_, options) => {
  const bytes = talk(options).bytes();
  const stripped = strip(bytes);

  it('has no payload left', () => {
    expect(Buffer.from(bytes).includes(options.snaplen === undefined ? 'hunter2' : 'PASS')).toBe(true);
    expect(Buffer.from(stripped).includes('PASS')).toBe(false);
  });
  it('is analysed to the same facts', () => {
    expect(analyse(stripped)).toEqual(analyse(bytes));
    expect(analyse(bytes).connections.length).toBeGreaterThan(0);
  });
  it('tells the lengths on the wire as before', () => {
    expect(lengths(stripped).map(([, wire]) => wire)).toEqual(lengths(bytes).map(([, wire]) => wire));
    for (const [captured, wire] of lengths(stripped)) expect(captured).toBeLessThanOrEqual(wire);
  });
  it('is the same however it is cut, and once more', () => {
    for (const step of [1, 7, 100]) expect(strip(bytes, step)).toEqual(stripped);
    expect(strip(stripped)).toEqual(stripped);
  });
});

describe('what is kept', () => {
  const kept = (builder: CaptureBuilder): number => (lengths(strip(builder.bytes()))[0]?.[0] ?? 0) - 14;

  it('TCP with its options, UDP and ICMP headers', () => {
    expect(kept(capture().data({ ...fromA, payload: 100 }))).toBe(40);
    expect(kept(capture().data({ ...fromA, payload: 100, tsval: 1 }))).toBe(52);
    expect(kept(capture().udp({ from: '10.0.0.1:1', to: '10.0.0.2:2', payload: 100 }))).toBe(28);
    expect(kept(capture().data({ from: '[::1]:1', to: '[::2]:2', payload: 100 }))).toBe(60);
  });
  it('the headers inside an ICMP error', () => {
    const about = { ...fromA, keep: 20 };
    expect(kept(capture().icmpError({ from: b, to: a, type: 3, code: 1, about }))).toBe(20 + 8 + 20 + 20);
    expect(kept(capture().icmpError({ from: b, to: a, type: 3, code: 1, about: { ...about, keep: 8 } }))).toBe(56);
  });
  it('512 bytes of DNS', () => {
    expect(kept(capture().udp({ from: '10.0.0.1:1', to: '10.0.0.2:53', payload: 100 }))).toBe(128);
    expect(kept(capture().udp({ from: '10.0.0.2:53', to: '10.0.0.1:1', payload: 1000 }))).toBe(28 + 512);
  });
  it('only the headers of DNS, where it was not asked for', () => {
    const query = capture().udp({ from: '10.0.0.1:1', to: '10.0.0.2:53', payload: 100 }).bytes();
    expect(lengths(strip(query, query.length, false))).toEqual([[42, 142]]);
  });
  it('64 bytes of what is not understood', () => {
    expect(lengths(strip(capture().raw(new Uint8Array(200)).bytes()))).toEqual([[64, 200]]);
    expect(lengths(strip(capture({ linkType: 147 }).raw(new Uint8Array(200)).bytes()))).toEqual([[64, 200]]);
    expect(lengths(strip(capture().raw(new Uint8Array(20)).bytes()))).toEqual([[20, 20]]);
  });
  it('only the IP header of a later fragment', () => {
    expect(kept(capture().data({ ...fromA, payload: secret, fragment: { offset: 1480, more: false } }))).toBe(20);
  });
  it('the headers of a datagram in fragments that are smaller than they are', () => {
    const frame =
      capture()
        .data({ ...fromA, payload: 300, tsval: 1 })
        .packets()[0] ?? new Uint8Array(0);
    const cuts = [8, 16, 32, 200, frame.length - 34];
    const builder = capture();
    for (const [index, end] of cuts.entries()) {
      const from = index === 0 ? 0 : (cuts[index - 1] ?? 0);
      const piece = concat(frame.subarray(0, 34), frame.subarray(34 + from, 34 + end));
      const view = new DataView(piece.buffer);
      view.setUint16(16, 20 + end - from);
      view.setUint16(20, (from >> 3) | (end === frame.length - 34 ? 0 : 0x2000));
      builder.raw(piece);
    }
    const bytes = builder.bytes();
    expect(lengths(strip(bytes)).map(([captured]) => captured - 34)).toEqual([8, 8, 16, 96, 0]);
    expect(analyse(bytes).fragments).toEqual({ datagrams: 1, reassembled: 1, fragments: 5 });
    expect(analyse(strip(bytes))).toEqual(analyse(bytes));
    expect(analyse(bytes).connections[0]?.bytes.client).toBe(300);
  });
  it('64 bytes of what is compressed', () => {
    const header = new Uint8Array(34);
    header.set([8, 0, 0x45, 0, 0, 200, 0, 1, 0, 0, 64, 108], 12);
    expect(kept(capture().raw(concat(header, new Uint8Array(180))))).toBe(50);
  });
  it('64 bytes of a stream that is no pcap', () => {
    const text = new TextEncoder().encode('x'.repeat(500));
    expect(strip(text)).toHaveLength(64);
    expect(strip(text, 3)).toEqual(strip(text));
    expect(strip(text.slice(0, 10))).toHaveLength(10);
    expect(strip(talk({ format: 'pcapng' }).bytes())).toHaveLength(64);
    expect(strip(new Uint8Array(0))).toHaveLength(0);
  });
});

describe('damage', () => {
  it('at the end stays visible, without the payload', () => {
    const bytes = capture()
      .data({ ...fromA, payload: secret })
      .data({ ...fromA, payload: secret })
      .bytes()
      .slice(0, -30);
    const stripped = strip(bytes);
    expect(Buffer.from(stripped).includes('PASS')).toBe(false);
    expect(analyse(stripped).packets).toBe(1);
    expect(analyse(stripped).problems[0]?.message).toMatch(/^the stream ends inside packet 2/);
  });
  it('in the middle ends the stream where the reader ends, too', () => {
    const bytes = talk().bytes();
    const first = talk().packets()[0]?.length ?? 0;
    new DataView(bytes.buffer).setUint32(24 + 16 + first + 8, 0x7000_0000, true);
    const stripped = strip(bytes);
    expect(stripped.length).toBeLessThan(200);
    expect(analyse(stripped).packets).toBe(1);
    expect(analyse(stripped).problems[0]?.message).toMatch(/^packet 2 claims/);
  });
});

describe('whatever the bytes are', () => {
  const files = formats.map(([, options]) => talk(options).bytes());
  const places = (found: Capture) => ({
    ...found,
    problems: found.problems.map((problem) => problem.message.replace(/\d+/g, 'N')),
  });

  it('the facts stay the same, chunk by chunk, with bits flipped and ends cut', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.integer({ min: 24, max: 2500 }), fc.nat(255)), { maxLength: 6 }),
        fc.integer({ min: 24, max: 3500 }),
        fc.integer({ min: 1, max: 500 }),
        (file, changes, keep, step) => {
          const bytes = file.slice(0, keep);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const stripped = strip(bytes, step);
          expect(places(analyse(stripped))).toEqual(places(analyse(bytes)));
          expect(stripped.length).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 800 },
    );
  });
});
