import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createCaptureReader } from '../../src/packets/capture-reader.ts';
import { type CaptureBuilder, capture, type CaptureOptions } from '../packets/build-capture.ts';
import { randomTalk } from '../packets/random-talk.ts';

/** What is mutated: whole files, and packets by link type. */
export interface Corpus {
  readonly files: readonly Uint8Array[];
  readonly packets: ReadonlyMap<number, readonly Uint8Array[]>;
}

const shared = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures');
export const publicCapturesAreThere = existsSync(path.join(shared, 'public'));

const linkTypes = [0, 1, 101, 113, 228, 229, 276] as const;

/** Small captures of every kind that the builder can make. */
function builtFiles(): readonly Uint8Array[] {
  const options: readonly CaptureOptions[] = [
    ...linkTypes.map((linkType) => ({ linkType })),
    { vlans: [7] },
    { vlans: [7, 8] },
    { byteOrder: 'big' },
    { nanoseconds: true },
    { modified: true },
    { format: 'pcapng' },
    { format: 'pcapng', byteOrder: 'big', nanoseconds: true },
    { format: 'pcapng', linkType: 276, snaplen: 96 },
  ];
  return options.map((one) => conversation(capture(one), one.linkType).bytes());
}

function conversation(builder: CaptureBuilder, linkType = 1): CaptureBuilder {
  const both = (v6: boolean): void => {
    const a = v6 ? '[2001:db8::1]:40000' : '10.0.0.1:40000';
    const b = v6 ? '[2001:db8::2]:80' : '10.0.0.2:80';
    const resolver = v6 ? '[2001:db8::2]:53' : '10.0.0.2:53';
    const question =
      '\u0012\u0034\u0001\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0003www\u0007example\u0000\u0000\u0001\u0000\u0001';
    builder
      .syn({ from: a, to: b, tsval: 1000 })
      .synAck({ from: b, to: a, tsval: 9, tsecr: 1000 })
      .ack({ from: a, to: b, tsval: 1001, tsecr: 9 })
      .data({ from: a, to: b, tsval: 1002, tsecr: 9 })
      .data({ from: a, to: b, payload: 1448 })
      .ack({
        from: b,
        to: a,
        sack: [
          [1_000_200, 1_000_300],
          [1_000_400, 1_000_500],
        ],
      })
      .data({ from: a, to: b, seq: 1_000_001, afterMs: 250 })
      .udp({ from: a, to: resolver, payload: question })
      .udp({
        from: resolver,
        to: a,
        payload: `${question}\u00c0\u000c\u0000\u0001\u0000\u0001\u0000\u0000\u0000\u0005\u0000\u0004\u0001\u0002\u0003\u0004`,
      })
      .tcp({ from: a, to: resolver, flags: 'PA', payload: `\u0000\u001d${question}` })
      .icmpError({ from: b, to: a, type: v6 ? 1 : 3, code: v6 ? 4 : 1, about: { from: a, to: b, seq: 1_000_000 } })
      .icmpError({ from: b, to: a, type: v6 ? 2 : 3, code: v6 ? 0 : 4, mtu: 1400, about: { from: a, to: b } })
      .fin({ from: a, to: b })
      .rst({ from: b, to: a });
  };
  both(false);
  if (linkType !== 228) both(true);
  const a = '10.0.0.1:40000';
  const b = '10.0.0.2:80';
  builder
    .tcp({ from: a, to: b, flags: 'A', payload: 64, ipId: 77, fragment: { offset: 0, more: true } })
    .tcp({ from: a, to: b, flags: 'A', payload: 64, ipId: 77, fragment: { offset: 80, more: false } });
  if (linkType === 276 || linkType === 113) builder.again({ interfaceIndex: 3, direction: 'out', ttlLess: 1 });
  if (linkType === 1) for (const frame of tunnelled(builder.packets())) builder.raw(frame);
  return builder;
}

/** Ethernet frames with the frame before inside a tunnel, and ARP. */
function tunnelled(frames: readonly Uint8Array[]): readonly Uint8Array[] {
  const ethernet = frames[0] ?? new Uint8Array(0);
  const packet = ethernet.subarray(14);
  const mac = ethernet.subarray(0, 12);
  const outer = (protocol: number, ...body: readonly (readonly number[] | Uint8Array)[]): Uint8Array => {
    const inner = Uint8Array.from(body.flatMap((part) => [...part]));
    const length = 20 + inner.length;
    return Uint8Array.from([
      ...mac,
      8,
      0,
      0x45,
      0,
      length >> 8,
      length & 255,
      0,
      1,
      0,
      0,
      64,
      protocol,
      0,
      0,
      192,
      0,
      2,
      1,
      192,
      0,
      2,
      2,
      ...inner,
    ]);
  };
  const udp = (port: number, ...body: readonly (readonly number[] | Uint8Array)[]): Uint8Array => {
    const inner = Uint8Array.from(body.flatMap((part) => [...part]));
    const length = 8 + inner.length;
    return outer(17, [0xc0, 0, port >> 8, port & 255, length >> 8, length & 255, 0, 0], inner);
  };
  return [
    outer(4, packet),
    outer(47, [0, 0, 8, 0], packet),
    outer(47, [0x30, 0, 0x65, 0x58, 0, 0, 0, 7, 0, 0, 0, 1], ethernet),
    outer(47, [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], ethernet),
    outer(51, [4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], packet),
    udp(4789, [8, 0, 0, 0, 0, 0, 5, 0], ethernet),
    udp(6081, [1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0], ethernet),
    udp(2152, [0x30, 255, 0, 60, 0, 0, 0, 9], packet),
    Uint8Array.from([...mac, 0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64, ...packet]),
    Uint8Array.from([...mac, 0x88, 0x64, 0x11, 0, 0, 1, 0, packet.length + 2, 0, 0x21, ...packet]),
    Uint8Array.from([
      ...mac,
      8,
      6,
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      1,
      ...mac.subarray(6),
      10,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      10,
      0,
      0,
      2,
    ]),
    Uint8Array.from([...mac, 0, 68, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0, ...packet]),
  ];
}

/** The packets of a file, by link type, at most `most` of them. */
function collect(file: Uint8Array, most: number, into: Map<number, Uint8Array[]>): void {
  let taken = 0;
  const reader = createCaptureReader(({ view, start, capturedLength, linkType }) => {
    if (taken++ >= most || linkType < 0 || capturedLength > 4096) return;
    const list = into.get(linkType) ?? [];
    list.push(new Uint8Array(view.buffer, view.byteOffset + start, capturedLength).slice());
    into.set(linkType, list);
  });
  reader.push(file);
  reader.finish();
}

/** Captures that we build and, where they are there, the small ones of public projects. */
export function corpus(): Corpus {
  const files = [...builtFiles(), randomTalk(1, 60).bytes()];
  const packets = new Map<number, Uint8Array[]>();
  for (const file of files) collect(file, 200, packets);
  if (publicCapturesAreThere) {
    const names = readdirSync(path.join(shared, 'public'), { recursive: true, encoding: 'utf8' }).sort();
    for (const name of names) {
      const file = path.join(shared, 'public', name);
      const found = statSync(file);
      if (!found.isFile() || !/cap(ng)?$/.test(name) || found.size > 100_000) continue;
      const bytes = new Uint8Array(readFileSync(file));
      if (found.size < 8192) files.push(bytes);
      collect(bytes, 20, packets);
    }
  }
  return { files, packets };
}
