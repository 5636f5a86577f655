import * as fc from 'fast-check';

type Bytes = readonly number[];
interface Transport {
  readonly protocol: number;
  readonly bytes: Bytes;
}
interface Network {
  readonly etherType: number;
  readonly bytes: Bytes;
}

const byte = fc.nat(255);
const word = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xffff));
const long = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
/** Most lengths are right. */
const wrongBy = fc.oneof(
  { weight: 9, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -24, max: 24 }) },
);
const payload = fc.array(byte, { maxLength: 24 });

const two = (value: number): Bytes => [(value >> 8) & 255, value & 255];
const four = (value: number): Bytes => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

const tcpOption = fc.oneof(
  fc.constant<Bytes>([1]),
  fc.constant<Bytes>([0]),
  word.map((mss): Bytes => [2, 4, ...two(mss)]),
  byte.map((scale): Bytes => [3, 3, scale]),
  fc.constant<Bytes>([4, 2]),
  fc.array(long, { maxLength: 8 }).map((edges): Bytes => [5, 2 + edges.length * 4, ...edges.flatMap(four)]),
  fc.tuple(long, long).map(([tsval, tsecr]): Bytes => [8, 10, ...four(tsval), ...four(tsecr)]),
  fc
    .tuple(fc.constantFrom(2, 3, 4, 5, 8, 30, 34, 253, 254), byte, payload)
    .map(([kind, length, rest]): Bytes => [kind, length, ...rest]),
);

const tcp = fc
  .tuple(word, word, long, long, byte, word, fc.array(tcpOption, { maxLength: 5 }), payload, wrongBy)
  .map(([source, destination, sequence, ack, flags, window, options, data, wrong]): Transport => {
    const all = options.flat().slice(0, 40);
    while (all.length % 4 !== 0) all.push(0);
    const words = Math.min(15, Math.max(0, 5 + all.length / 4 + wrong));
    const header = [
      ...two(source),
      ...two(destination),
      ...four(sequence),
      ...four(ack),
      words << 4,
      flags,
      ...two(window),
      0,
      0,
      0,
      0,
    ];
    return { protocol: 6, bytes: [...header, ...all, ...data] };
  });

const label = fc.oneof(
  fc.constantFrom<Bytes>([0], [0xc0, 0x0c], [0xc0, 0xff], [0xff, 0xff], [0x40, 1]),
  fc
    .array(fc.integer({ min: 97, max: 122 }), { minLength: 1, maxLength: 12 })
    .map((letters): Bytes => [letters.length, ...letters]),
);
const dnsRecord = fc
  .tuple(fc.array(label, { maxLength: 3 }), fc.constantFrom(1, 2, 5, 12, 28, 33, 41, 65), payload, wrongBy)
  .map(
    ([name, type, data, wrong]): Bytes => [
      ...name.flat(),
      0,
      ...two(type),
      0,
      1,
      0,
      0,
      0,
      60,
      ...two(Math.max(0, data.length + wrong)),
      ...data,
    ],
  );
const dns = fc
  .tuple(word, word, word, word, fc.array(label, { maxLength: 4 }), fc.array(dnsRecord, { maxLength: 3 }))
  .map(
    ([id, flags, questions, answers, name, records]): Bytes => [
      ...two(id),
      ...two(flags),
      ...two(questions % 3),
      ...two(answers % 5),
      0,
      0,
      0,
      0,
      ...name.flat(),
      0,
      0,
      1,
      0,
      1,
      ...records.flat(),
    ],
  );

function udp(port: fc.Arbitrary<number>, body: fc.Arbitrary<Bytes>): fc.Arbitrary<Transport> {
  return fc.tuple(port, word, body, wrongBy, fc.boolean()).map(([one, other, data, wrong, swap]) => ({
    protocol: 17,
    bytes: [
      ...two(swap ? other : one),
      ...two(swap ? one : other),
      ...two(Math.max(0, 8 + data.length + wrong)),
      0,
      0,
      ...data,
    ],
  }));
}

function transport(depth: number): fc.Arbitrary<Transport> {
  const plain = [tcp, tcp, udp(word, payload), udp(fc.constant(53), dns)] as const;
  if (depth === 0) return fc.oneof(...plain);
  const inner = network(depth - 1);
  const frame = ethernet(depth - 1);
  const embedded = fc.tuple(fc.constantFrom(3, 11, 12, 8, 0, 1, 2, 4, 134, 136), byte, long, inner, fc.nat(60));
  return fc.oneof(
    ...plain,
    inner.map(({ etherType, bytes }): Transport => ({ protocol: etherType === 0x86dd ? 41 : 4, bytes })),
    embedded.map(
      ([type, code, rest, { etherType, bytes }, kept]): Transport => ({
        protocol: etherType === 0x86dd ? 58 : 1,
        bytes: [type, code, 0, 0, ...four(rest), ...bytes.slice(0, kept)],
      }),
    ),
    fc
      .tuple(
        word,
        fc.constantFrom(0x0800, 0x86dd, 0x6558, 0x88be, 0x22eb, 0x883e, 0x6400),
        fc.array(byte, { maxLength: 16 }),
        frame,
      )
      .map(
        ([flags, type, head, bytes]): Transport => ({
          protocol: 47,
          bytes: [...two(flags & 0xf087), ...two(type), ...head, ...bytes],
        }),
      ),
    udp(
      fc.constantFrom(4789, 8472),
      frame.map((bytes) => [8, 0, 0, 0, 0, 0, 7, 0, ...bytes]),
    ),
    udp(
      fc.constant(6081),
      fc
        .tuple(fc.nat(3), frame)
        .map(([words, bytes]) => [
          words,
          0,
          0x65,
          0x58,
          0,
          0,
          7,
          0,
          ...Array.from({ length: words * 4 }, () => 1),
          ...bytes,
        ]),
    ),
    udp(
      fc.constant(2152),
      fc
        .tuple(byte, payload, inner)
        .map(([flags, head, { bytes }]) => [
          0x30 | (flags & 7),
          255,
          0,
          0,
          0,
          0,
          0,
          1,
          ...((flags & 7) === 0 ? [] : head),
          ...bytes,
        ]),
    ),
    fc.tuple(fc.constantFrom(4, 6, 17, 41), byte, transport(depth - 1)).map(
      ([next, length, { bytes }]): Transport => ({
        protocol: 51,
        bytes: [next, length % 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...bytes],
      }),
    ),
    frame.map((bytes): Transport => ({ protocol: 97, bytes: [0x30, 0, ...bytes] })),
  );
}

const fragmentOffset = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(0x2000, 1, 0x2001, 2, 8, 0x1fff) },
);

function network(depth: number): fc.Arbitrary<Network> {
  const address = fc.nat(3);
  const ipv4 = fc
    .tuple(transport(depth), fc.nat(3), address, address, fragmentOffset, wrongBy, wrongBy, fc.nat(2))
    .map(([{ protocol, bytes }, options, source, destination, offset, wrongHead, wrongLength, id]): Network => {
      const words = Math.min(15, Math.max(0, 5 + options + (wrongHead % 3)));
      const length = Math.max(0, 20 + options * 4 + bytes.length + wrongLength);
      return {
        etherType: 0x0800,
        bytes: [
          0x40 | words,
          0,
          ...two(length),
          ...two(id),
          ...two(offset),
          64,
          protocol,
          0,
          0,
          10,
          0,
          0,
          source,
          10,
          0,
          0,
          destination,
          ...Array.from({ length: options * 4 }, () => 1),
          ...bytes,
        ],
      };
    });
  const extension = fc.tuple(fc.constantFrom(0, 43, 44, 60, 135), fc.nat(2), fragmentOffset);
  const ipv6 = fc
    .tuple(transport(depth), fc.array(extension, { maxLength: 3 }), address, address, wrongBy)
    .map(([{ protocol, bytes }, extensions, source, destination, wrong]): Network => {
      let next = protocol;
      let rest: Bytes = bytes;
      for (const [kind, length, offset] of extensions) {
        rest =
          kind === 44
            ? [next, 0, ...two(((offset & 0x1fff) << 3) | (offset >> 13)), 0, 0, 0, 9, ...rest]
            : [next, length, ...Array.from({ length: 6 + length * 8 }, () => 0), ...rest];
        next = kind;
      }
      const end = (last: number): Bytes => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
      return {
        etherType: 0x86dd,
        bytes: [
          0x60,
          0,
          0,
          0,
          ...two(Math.max(0, rest.length + wrong)),
          next,
          64,
          ...end(source),
          ...end(destination),
          ...rest,
        ],
      };
    });
  return fc.oneof({ weight: 3, arbitrary: ipv4 }, { weight: 2, arbitrary: ipv6 });
}

function ethernet(depth: number): fc.Arbitrary<Bytes> {
  const macs = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
  const tags = fc.array(fc.constantFrom(0x8100, 0x88a8, 0x9100), { maxLength: 2 });
  const tagged = (list: readonly number[]): Bytes => list.flatMap((tag) => [...two(tag), 0, 7]);
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(tags, network(depth))
        .map(([list, { etherType, bytes }]) => [...macs, ...tagged(list), ...two(etherType), ...bytes]),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.array(long, { maxLength: 3 }), network(depth))
        .map(([labels, { bytes }]) => [...macs, 0x88, 0x47, ...labels.flatMap(four), 0, 2, 1, 64, ...bytes]),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(network(depth), wrongBy)
        .map(([{ etherType, bytes }, wrong]) => [
          ...macs,
          0x88,
          0x64,
          0x11,
          0,
          0,
          1,
          ...two(Math.max(0, bytes.length + 2 + wrong)),
          0,
          etherType === 0x86dd ? 0x57 : 0x21,
          ...bytes,
        ]),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(byte, { minLength: 20, maxLength: 28 })
        .map((arp) => [...macs, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...arp]),
    },
  );
}

/** Ethernet frames with up to three layers of tunnels, options and extension headers; nearly everything in them fits. */
export const arbitraryFrame: fc.Arbitrary<Uint8Array> = fc
  .tuple(ethernet(2), fc.oneof({ weight: 4, arbitrary: fc.constant(100_000) }, { weight: 1, arbitrary: fc.nat(200) }))
  .map(([bytes, snaplen]) => Uint8Array.from(bytes.slice(0, snaplen)));
