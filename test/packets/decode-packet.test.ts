import { deflateRawSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../src/packets/address-text.ts';
import type { CaptureRecord } from '../../src/packets/capture-reader.ts';
import { DecodedPacket, decodePacket } from '../../src/packets/decode-packet.ts';
import { icmpErrorName } from '../../src/packets/icmp-error-name.ts';
import { capture, concat } from './build-capture.ts';

/** Decodes bytes that end exactly where their buffer ends: reading past them throws. */
function decode(
  bytes: Uint8Array,
  linkType = 1,
  wireLength = bytes.length,
  options: { readonly asWireshark?: boolean; readonly inflate?: boolean } = {},
): DecodedPacket {
  const exact = bytes.slice();
  const record: CaptureRecord = {
    frame: 1,
    seconds: 0,
    nanoseconds: 0,
    view: new DataView(exact.buffer),
    start: 0,
    capturedLength: exact.length,
    wireLength,
    linkType,
    interfaceId: 0,
    direction: null,
  };
  const packet = new DecodedPacket(options);
  decodePacket(record, packet);
  return packet;
}

const one = (bytes: readonly Uint8Array[]): Uint8Array => bytes[0] ?? new Uint8Array(0);
const source = (packet: DecodedPacket): string =>
  addressText(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3);
const destination = (packet: DecodedPacket): string =>
  addressText(packet.ipVersion, packet.destination0, packet.destination1, packet.destination2, packet.destination3);

const outerOf = (packet: DecodedPacket): readonly string[] => [
  addressText(packet.outerVersion, packet.outerSource0, packet.outerSource1, packet.outerSource2, packet.outerSource3),
  addressText(
    packet.outerVersion,
    packet.outerDestination0,
    packet.outerDestination1,
    packet.outerDestination2,
    packet.outerDestination3,
  ),
];

const v4 = { from: '10.1.2.3:40000', to: '192.168.255.254:80' };
const v6 = { from: '[2001:db8::1]:40000', to: '[fe80::5:0:0:7]:443' };

describe('link layers', () => {
  it.each([
    ['Ethernet', 1],
    ['SLL', 113],
    ['SLL2', 276],
    ['raw 12', 12],
    ['raw 14', 14],
    ['raw 101', 101],
    ['raw IPv4', 228],
    ['null', 0],
  ])('%s leads to IPv4 and TCP', (_, linkType) => {
    const packet = decode(one(capture({ linkType }).syn(v4).packets()), linkType);
    expect([packet.kind, source(packet), packet.sourcePort, destination(packet), packet.destinationPort]).toEqual([
      'tcp',
      '10.1.2.3',
      40000,
      '192.168.255.254',
      80,
    ]);
  });

  it.each([
    ['Ethernet', 1],
    ['SLL', 113],
    ['SLL2', 276],
    ['raw', 101],
    ['raw IPv6', 229],
    ['null', 0],
  ])('%s leads to IPv6 and TCP', (_, linkType) => {
    const packet = decode(one(capture({ linkType }).syn(v6).packets()), linkType);
    expect([packet.kind, packet.ipVersion, source(packet), destination(packet)]).toEqual([
      'tcp',
      6,
      '2001:db8::1',
      'fe80::5:0:0:7',
    ]);
  });

  it('null takes the family of either byte order, and of each BSD', () => {
    const ip = one(capture({ linkType: 101 }).syn(v6).packets());
    for (const family of [10, 24, 28, 30]) {
      expect(decode(concat(Uint8Array.of(family, 0, 0, 0), ip), 0).kind).toBe('tcp');
      expect(decode(concat(Uint8Array.of(0, 0, 0, family), ip), 108).kind).toBe('tcp');
    }
    expect(decode(concat(Uint8Array.of(99, 0, 0, 0), ip), 0).kind).toBe('none');
  });

  it('VLAN and QinQ tags are passed', () => {
    expect(
      decode(
        one(
          capture({ vlans: [5] })
            .syn(v4)
            .packets(),
        ),
      ).kind,
    ).toBe('tcp');
    expect(
      decode(
        one(
          capture({ vlans: [5, 6] })
            .syn(v4)
            .packets(),
        ),
      ).kind,
    ).toBe('tcp');
  });

  it('SLL2 tells device and direction, SLL the direction', () => {
    const packet = (linkType: number, direction: 'in' | 'out' | 'other'): DecodedPacket =>
      decode(
        one(
          capture({ linkType })
            .syn({ ...v4, interfaceIndex: 7, direction })
            .packets(),
        ),
        linkType,
      );
    for (const direction of ['in', 'out', 'other'] as const) {
      expect(packet(276, direction)).toMatchObject({ interfaceIndex: 7, direction, cooked: true });
      expect(packet(113, direction)).toMatchObject({ interfaceIndex: -1, direction, cooked: true });
    }
    expect(decode(one(capture().syn(v4).packets()))).toMatchObject({
      interfaceIndex: -1,
      direction: 'other',
      cooked: false,
    });
  });

  const ip = one(capture({ linkType: 101 }).syn(v4).packets());
  const frame = one(capture().syn(v4).packets());
  const bytes = (...all: readonly number[]): Uint8Array => Uint8Array.from(all);
  const zeros = (count: number): Uint8Array => new Uint8Array(count);
  const llc = concat(bytes(0xaa, 0xaa, 3, 0, 0, 0, 8, 0), ip);
  const wireless = concat(bytes(8, 1), zeros(22), llc);
  const radiotap = (present: number, ...fields: readonly number[]): Uint8Array =>
    bytes(0, 0, 8 + fields.length, 0, present, 0, 0, 0, ...fields);
  const juniper = (flags: number, ...more: readonly number[]): Uint8Array => bytes(0x4d, 0x47, 0x43, flags, ...more);
  const qos = concat(bytes(0x88, 1), zeros(24), llc);
  const packets: readonly (readonly [string, number, Uint8Array])[] = [
    ['token ring', 6, concat(bytes(0, 0x40), zeros(12), llc)],
    [
      'token ring with source routing',
      6,
      concat(bytes(0, 0x40), zeros(6), bytes(0x80), zeros(5), bytes(4, 0, 0, 0), llc),
    ],
    ['ARCNET', 129, concat(zeros(4), bytes(212, 0, 0, 0), ip)],
    ['PPP', 9, concat(bytes(0xff, 3, 0, 0x21), ip)],
    ['PPP with a short protocol', 50, concat(bytes(0x21), ip)],
    ['PPPoE', 51, concat(bytes(0x11, 0, 0, 1, 0, ip.length + 2, 0, 0x21), ip)],
    ['PPP of pppd', 166, concat(bytes(0, 3, 0, 0x21), ip)],
    ['PPP with direction', 204, concat(bytes(1, 0xff, 3, 0, 0x21), ip)],
    ['FDDI', 10, concat(zeros(13), llc)],
    ['ATM', 100, llc],
    ['SunATM', 123, concat(bytes(2, 0, 0, 1), llc)],
    ['Cisco HDLC', 104, concat(bytes(0x0f, 0, 8, 0), ip)],
    ['Cisco HDLC with direction', 205, concat(bytes(1, 0x0f, 0, 8, 0), ip)],
    ['802.11', 105, wireless],
    ['802.11 QoS', 105, qos],
    ['802.11 between access points', 105, concat(bytes(8, 3), zeros(28), llc)],
    ['802.11 aggregated', 105, concat(bytes(0x88, 1), zeros(22), bytes(0x80, 0), zeros(14), llc)],
    ['radiotap', 127, concat(radiotap(0), wireless)],
    ['radiotap with padding', 127, concat(radiotap(2, 0x20), qos.subarray(0, 26), zeros(2), llc)],
    ['radiotap with time and padding', 127, concat(radiotap(3, ...zeros(8), 0x20), qos.subarray(0, 26), zeros(2), llc)],
    ['Prism', 119, concat(zeros(144), wireless)],
    ['AVS as Prism', 119, concat(bytes(0x80, 0x21, 0x10, 1, 0, 0, 0, 64), zeros(56), wireless)],
    ['AVS', 163, concat(bytes(0x80, 0x21, 0x10, 1, 0, 0, 0, 64), zeros(56), wireless)],
    ['PPI', 192, concat(bytes(0, 0, 8, 0, 105, 0, 0, 0), wireless)],
    ['PPI with Ethernet', 192, concat(bytes(0, 0, 8, 0, 1, 0, 0, 0), frame)],
    ['frame relay', 107, concat(bytes(0x18, 0x41, 3, 0xcc), ip)],
    ['frame relay with SNAP', 107, concat(bytes(0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0), ip)],
    ['frame relay with Ethernet', 107, concat(bytes(0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7), frame)],
    ['frame relay of Cisco', 206, concat(bytes(1, 0x18, 0x41, 8, 0), ip)],
    ['enc', 109, concat(zeros(12), ip)],
    ['PFLOG', 117, concat(bytes(61), zeros(63), ip)],
    ['fibre channel', 122, concat(zeros(16), llc)],
    ['IEEE 1394', 138, concat(zeros(16), bytes(8, 0), ip)],
    ['ERF', 197, concat(zeros(8), bytes(2), zeros(9), frame)],
    ['ERF with extensions', 197, concat(zeros(8), bytes(0x82), zeros(7), bytes(0x80), zeros(7), zeros(10), frame)],
    ['ERF with IPv4', 197, concat(zeros(8), bytes(22), zeros(7), ip)],
    ['MPLS', 219, concat(bytes(0, 1, 1, 64), ip)],
    ['NFLOG', 239, concat(bytes(2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 4, 0, 9, 0), ip)],
    ['NFLOG, big-endian', 239, concat(bytes(2, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 4, 0, 9), ip)],
    ['InfiniBand', 242, concat(zeros(40), bytes(8, 0, 0, 0), ip)],
    ['PKTAP', 258, concat(bytes(12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0), frame)],
    ['PKTAP with null', 258, concat(bytes(12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0), ip)],
    ['Broadcom tag', 281, concat(frame.subarray(0, 12), zeros(4), frame.subarray(12))],
    ['Broadcom tag in front', 282, concat(zeros(4), frame)],
    ['Marvell tag', 284, concat(frame.subarray(0, 12), zeros(4), frame.subarray(12))],
    ['Marvell EtherType tag', 285, concat(frame.subarray(0, 12), zeros(8), frame.subarray(12))],
    ['Juniper Ethernet', 178, concat(juniper(0), frame)],
    ['Juniper Ethernet with extensions', 178, concat(juniper(0x80, 0, 3, 1, 1, 1), frame)],
    ['Juniper PPP', 179, concat(juniper(1, 0xff, 3, 0, 0x21), ip)],
    ['Juniper frame relay', 180, concat(juniper(1, 0x18, 0x41, 3, 0xcc), ip)],
    ['Juniper HDLC', 181, concat(juniper(1, 0x0f, 0, 8, 0), ip)],
    ['Juniper without link layer', 137, concat(juniper(2, 2, 0, 0, 0), ip)],
    ['VN-Tag', 1, concat(frame.subarray(0, 12), bytes(0x89, 0x26, 0, 0, 0, 0), frame.subarray(12))],
    ['Cisco MetaData', 1, concat(frame.subarray(0, 12), bytes(0x89, 9, 1, 1, 0, 1, 0, 9), frame.subarray(12))],
    ['QinQ of old', 1, concat(frame.subarray(0, 12), bytes(0x91, 0, 0, 5, 0x81, 0, 0, 6), frame.subarray(12))],
    ['LLC with SNAP', 1, concat(frame.subarray(0, 12), bytes(0, llc.length), llc)],
    ['LLC with the SAP of IP', 1, concat(frame.subarray(0, 12), bytes(0, ip.length + 3), bytes(6, 6, 3), ip)],
  ];
  it.each(packets)('%s leads to IP', (_, linkType, packet) => {
    expect(decode(packet, linkType)).toMatchObject({
      kind: 'tcp',
      unknownLink: false,
      sourcePort: 40000,
      payloadLength: 0,
    });
    // Cut anywhere, nothing is read that is not there (the buffer ends with the packet).
    for (let cut = 0; cut < packet.length; cut++) decode(packet.subarray(0, cut), linkType, packet.length);
  });

  it('802.11 frames without readable data lead nowhere', () => {
    for (const [control, flags] of [
      [8, 0x41],
      [0x48, 1],
      [0x80, 0],
    ] as const) {
      expect(decode(concat(bytes(control, flags), wireless.subarray(2)), 105)).toMatchObject({
        kind: 'none',
        unknownLink: false,
      });
    }
  });

  it('of an unknown kind is said to be unknown', () => {
    expect(decode(new Uint8Array(60), 147)).toMatchObject({ kind: 'none', unknownLink: true });
  });
});

describe('tunnels lead to the inner packet', () => {
  const inner = one(capture({ linkType: 101 }).syn(v4).packets());
  const innerFrame = one(capture().syn(v4).packets());
  const wrap = (protocol: number, body: Uint8Array): Uint8Array => {
    const header = new Uint8Array(20);
    const view = new DataView(header.buffer);
    view.setUint8(0, 0x45);
    view.setUint16(2, 20 + body.length);
    view.setUint8(8, 64);
    view.setUint8(9, protocol);
    header.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
    return concat(header, body);
  };
  const udp = (port: number, body: Uint8Array): Uint8Array => {
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint16(0, 50_000);
    view.setUint16(2, port);
    view.setUint16(4, 8 + body.length);
    return wrap(17, concat(header, body));
  };
  const bytes = (...all: readonly number[]): Uint8Array => Uint8Array.from(all);
  const inner6 = one(capture({ linkType: 101 }).syn(v6).packets());
  const shim = bytes(0, 0x06, 0x41, 64);
  const cases: readonly (readonly [string, string, number, Uint8Array])[] = [
    ['IPIP', 'ipip', -1, wrap(4, inner)],
    ['GRE', 'gre', -1, wrap(47, concat(bytes(0, 0, 8, 0), inner))],
    ['GRE with a key', 'gre', 9, wrap(47, concat(bytes(0x20, 0, 8, 0, 0, 0, 0, 9), inner))],
    [
      'GRE with checksum, key and sequence number',
      'gre',
      0xffff_fff7,
      wrap(47, concat(bytes(0xb0, 0, 8, 0, 1, 2, 0, 0, 255, 255, 255, 0xf7, 0, 0, 0, 1), inner)),
    ],
    ['PPTP', 'ppp', 7, wrap(47, concat(bytes(0x30, 1, 0x88, 0x0b, 0, 56, 0, 7, 0, 0, 0, 1, 0xff, 3, 0, 0x21), inner))],
    ['GRE with Ethernet', 'gre', -1, wrap(47, concat(bytes(0, 0, 0x65, 0x58), innerFrame))],
    ['ERSPAN', 'gre', -1, wrap(47, concat(bytes(0x10, 0, 0x88, 0xbe, 0, 0, 0, 1), new Uint8Array(8), innerFrame))],
    ['VXLAN', 'vxlan', 256, udp(4789, concat(bytes(8, 0, 0, 0, 0, 1, 0, 0), innerFrame))],
    ["VXLAN on Linux' port", 'vxlan', 1, udp(8472, concat(bytes(8, 0, 0, 0, 0, 0, 1, 0), innerFrame))],
    ['VXLAN-GPE', 'vxlan-gpe', 7, udp(4790, concat(bytes(12, 0, 0, 1, 0, 0, 7, 0), inner))],
    ['NSH in VXLAN-GPE', 'nsh', 7, udp(4790, concat(bytes(12, 0, 0, 4, 0, 0, 7, 0, 0, 2, 2, 1, 0, 0, 1, 255), inner))],
    ['Geneve', 'geneve', 1, udp(6081, concat(bytes(0, 0, 0x65, 0x58, 0, 0, 1, 0), innerFrame))],
    ['Geneve with options', 'geneve', 1, udp(6081, concat(bytes(1, 0, 8, 0, 0, 0, 1, 0, 9, 9, 9, 9), inner))],
    ['GTP-U', 'gtp-u', 5, udp(2152, concat(bytes(0x30, 255, 0, 60, 0, 0, 0, 5), inner))],
    ['L2TP', 'l2tp', 0x0001_0002, udp(1701, concat(bytes(0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21), inner))],
    [
      'L2TP with length and sequence numbers',
      'l2tp',
      0x0001_0002,
      udp(1701, concat(bytes(0x48, 2, 0, 16 + inner.length, 0, 1, 0, 2, 0, 0, 0, 0, 0xff, 3, 0, 0x21), inner)),
    ],
    ['LISP', 'lisp', -1, udp(4341, concat(new Uint8Array(8), inner))],
    ['MPLS in UDP', 'mpls', -1, udp(6635, concat(shim, inner))],
    ['MPLS in IP', 'mpls', -1, wrap(137, concat(shim, inner))],
    ['EtherIP', 'etherip', -1, wrap(97, concat(bytes(0x30, 0), innerFrame))],
  ];
  it.each(cases)('%s', (_, tunnel, id, outer) => {
    const packet = decode(outer, 101);
    expect([packet.kind, packet.tunnel, packet.tunnelId, source(packet), packet.payloadLength]).toEqual([
      'tcp',
      tunnel,
      id,
      '10.1.2.3',
      0,
    ]);
    expect(outerOf(packet)).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(packet.tunnelDepth).toBe(tunnel === 'nsh' || tunnel === 'ppp' ? 2 : 1);
  });

  it('6in4 and 4in6', () => {
    const packet = decode(wrap(41, inner6), 101);
    expect([packet.kind, packet.tunnel, source(packet), ...outerOf(packet)]).toEqual([
      'tcp',
      'ipv6',
      '2001:db8::1',
      '192.0.2.1',
      '192.0.2.2',
    ]);
    const over6 = inner6.slice(0, 40);
    new DataView(over6.buffer).setUint16(4, inner.length);
    over6[6] = 4;
    const four = decode(concat(over6, inner), 101);
    expect([four.kind, four.tunnel, source(four), ...outerOf(four)]).toEqual([
      'tcp',
      'ipip',
      '10.1.2.3',
      '2001:db8::1',
      'fe80::5:0:0:7',
    ]);
  });

  it('Teredo', () => {
    const authentication = bytes(0, 1, 0, 0, ...new Uint8Array(9));
    const origin = bytes(0, 0, 1, 2, 3, 4, 5, 6);
    for (const before of [bytes(), origin, concat(authentication, origin)]) {
      const packet = decode(udp(3544, concat(before, inner6)), 101);
      expect([packet.kind, packet.tunnel, source(packet)]).toEqual(['tcp', 'teredo', '2001:db8::1']);
    }
  });

  it('keep the outermost IP layer of several', () => {
    const between = wrap(4, inner);
    between.set([198, 51, 100, 1, 198, 51, 100, 2], 12);
    const twice = udp(4789, concat(bytes(8, 0, 0, 0, 0, 0, 3, 0), innerFrame.subarray(0, 14), between));
    const packet = decode(twice, 101);
    expect([packet.kind, packet.tunnel, packet.tunnelId, packet.tunnelDepth]).toEqual(['tcp', 'ipip', 3, 2]);
    expect([source(packet), ...outerOf(packet)]).toEqual(['10.1.2.3', '192.0.2.1', '192.0.2.2']);
  });

  it('have no outer IP layer below Ethernet, and no packet without tunnel has one', () => {
    const frame = (type: number, body: Uint8Array): Uint8Array =>
      concat(innerFrame.subarray(0, 12), bytes(type >> 8, type & 255), body);
    const length = inner.length + 2;
    const pppoe = frame(0x8864, concat(bytes(0x11, 0, 0, 1, 0, length, 0, 0x21), inner));
    for (const [name, packet] of [
      ['mpls', frame(0x8847, concat(shim, inner))],
      ['ppp', pppoe],
      ['pbb', frame(0x88e7, concat(bytes(0, 0, 0, 9), innerFrame))],
    ] as const) {
      expect(decode(packet)).toMatchObject({ kind: 'tcp', tunnel: name, outerVersion: 0, tunnelDepth: 1 });
    }
    expect(decode(inner, 101)).toMatchObject({ tunnel: '', outerVersion: 0, tunnelDepth: 0, tunnelId: -1 });
  });

  it('of ARP are known as well', () => {
    const arp = concat(innerFrame.subarray(0, 12), bytes(8, 6), new Uint8Array(28));
    const packet = decode(udp(4789, concat(bytes(8, 0, 0, 0, 0, 0, 3, 0), arp)), 101);
    expect([packet.kind, ...outerOf(packet)]).toEqual(['arp', '192.0.2.1', '192.0.2.2']);
  });

  it('of MPLS pseudowires, with control word or without', () => {
    const wire = (body: Uint8Array): Uint8Array => concat(innerFrame.subarray(0, 12), bytes(0x88, 0x47), shim, body);
    const zeros = new Uint8Array(4);
    for (const body of [innerFrame, concat(zeros, innerFrame)]) {
      expect(decode(wire(body))).toMatchObject({ kind: 'tcp', tunnel: 'mpls' });
    }
    const other = innerFrame.slice();
    other[0] = 0xac;
    expect(decode(wire(other))).toMatchObject({ kind: 'tcp', tunnel: 'mpls' });
    expect(decode(wire(other), 1, undefined, { asWireshark: true })).toMatchObject({ kind: 'none' });
    expect(decode(wire(concat(bytes(0x10, 0, 0, 0x21), inner)))).toMatchObject({ kind: 'tcp' });
    expect(decode(wire(concat(bytes(0x10, 0, 0, 0x57), inner6)))).toMatchObject({ kind: 'tcp', ipVersion: 6 });
    expect(decode(wire(concat(bytes(0x10, 0, 0, 7), inner)))).toMatchObject({ kind: 'none' });
  });

  it('BIG TCP in one has no length but the frame', () => {
    const big = udp(4789, concat(bytes(8, 0, 0, 0, 0, 0, 1, 0), innerFrame));
    new DataView(big.buffer).setUint16(2, 0);
    new DataView(big.buffer).setUint16(24, 0);
    expect(decode(big, 101)).toMatchObject({ kind: 'tcp', payloadLength: 0 });
    expect(decode(big, 101, big.length, { asWireshark: true })).toMatchObject({ kind: 'udp' });
  });

  it('as Wireshark are those that it knows', () => {
    const old = udp(8472, concat(bytes(8, 0, 0, 0, 0, 0, 1, 0), innerFrame));
    const odd = udp(6081, concat(bytes(0x40, 0, 0x65, 0x58, 0, 0, 1, 0), innerFrame));
    const kinds = (asWireshark: boolean): readonly string[] =>
      [old, odd].map((packet) => decode(packet, 101, packet.length, { asWireshark }).kind);
    expect(kinds(false)).toEqual(['tcp', 'udp']);
    expect(kinds(true)).toEqual(['udp', 'tcp']);
    const sample = concat(
      bytes(0, 0, 0, 5, 0, 0, 0, 1, 10, 0, 0, 9),
      new Uint8Array(12),
      bytes(0, 0, 0, 1),
      bytes(0, 0, 0, 1, 0, 0, 0, 56 + innerFrame.length),
      new Uint8Array(32),
      bytes(
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        16 + innerFrame.length,
        0,
        0,
        0,
        1,
        0,
        0,
        5,
        0,
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        innerFrame.length,
      ),
      innerFrame,
    );
    expect(decode(udp(6343, sample), 101).kind).toBe('udp');
    const sampled = udp(6343, sample);
    expect(decode(sampled, 101, sampled.length, { asWireshark: true })).toMatchObject({
      kind: 'tcpShort',
      sourcePort: 40000,
    });
  });

  it('of IPComp are unpacked where that is wanted', () => {
    const packed = wrap(108, concat(bytes(4, 0, 0, 2), deflateRawSync(inner)));
    expect(decode(packed, 101)).toMatchObject({ kind: 'ip', protocol: 108 });
    const packet = decode(packed, 101, packed.length, { inflate: true });
    expect([packet.kind, packet.tunnel, source(packet), ...outerOf(packet)]).toEqual([
      'tcp',
      'ipip',
      '10.1.2.3',
      '192.0.2.1',
      '192.0.2.2',
    ]);
    expect(packet.view.byteLength).toBe(inner.length);
  });

  it('nested without end stop somewhere', () => {
    let bytes = inner;
    for (let i = 0; i < 200; i++) bytes = wrap(4, bytes);
    expect(decode(bytes, 101).kind).toBe('ip');
  });
});

describe('IPv4', () => {
  it('passes options', () => {
    const bytes = one(
      capture({ linkType: 101 })
        .data({ ...v4, payload: 10 })
        .packets(),
    );
    const withOptions = concat(bytes.slice(0, 20), Uint8Array.of(1, 1, 1, 0), bytes.slice(20));
    const view = new DataView(withOptions.buffer);
    view.setUint8(0, 0x46);
    view.setUint16(2, withOptions.length);
    expect(decode(withOptions, 101)).toMatchObject({ kind: 'tcp', sourcePort: 40_000, payloadLength: 10 });
  });
  it('has ports in the first fragment only', () => {
    const build = (offset: number, more: boolean): DecodedPacket =>
      decode(
        one(
          capture({ linkType: 101 })
            .data({ ...v4, fragment: { offset, more } })
            .packets(),
        ),
        101,
      );
    expect(build(0, true)).toMatchObject({ kind: 'tcp', sourcePort: 40_000, payloadLength: -1 });
    expect(build(1480, false).kind).toBe('fragment');
  });
  it('takes the payload length from the IP header, not from the captured bytes, and not Ethernet padding for payload', () => {
    const bytes = one(
      capture()
        .data({ ...v4, payload: 1000 })
        .packets(),
    );
    expect(decode(bytes.slice(0, 60), 1, bytes.length)).toMatchObject({ kind: 'tcp', payloadLength: 1000 });
    const padded = concat(one(capture().ack(v4).packets()), new Uint8Array(6));
    expect(decode(padded)).toMatchObject({ kind: 'tcp', payloadLength: 0 });
  });
  it('of length 0 (segmentation offload) is as long as the frame', () => {
    const bytes = one(
      capture()
        .data({ ...v4, payload: 500 })
        .packets(),
    ).slice();
    new DataView(bytes.buffer).setUint16(16, 0);
    expect(decode(bytes).payloadLength).toBe(500);
  });
});

describe('IPv6', () => {
  const bytes = one(
    capture({ linkType: 101 })
      .data({ ...v6, payload: 10 })
      .packets(),
  );
  const extended = (next: number, header: Uint8Array): DecodedPacket => {
    const all = concat(bytes.slice(0, 40), header, bytes.slice(40));
    const view = new DataView(all.buffer);
    view.setUint16(4, all.length - 40);
    view.setUint8(6, next);
    return decode(all, 101);
  };
  it.each([
    ['hop-by-hop', 0, Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0)],
    ['routing', 43, Uint8Array.of(6, 1, ...new Uint8Array(14))],
    ['destination', 60, Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0)],
    ['AH', 51, Uint8Array.of(6, 1, ...new Uint8Array(10))],
  ])('passes the %s header', (_, next, header) => {
    expect(extended(next, header)).toMatchObject({ kind: 'tcp', sourcePort: 40_000, payloadLength: 10 });
  });
  it('has ports in the first fragment only', () => {
    expect(extended(44, Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 9))).toMatchObject({
      kind: 'tcp',
      payloadLength: -1,
      ipId: 9,
    });
    expect(extended(44, Uint8Array.of(6, 0, 0, 8, 0, 0, 0, 9)).kind).toBe('fragment');
  });
});

describe('TCP options', () => {
  it('are read: MSS, window scale, SACK permitted, timestamps', () => {
    const packet = decode(
      one(
        capture()
          .syn({ ...v4, mss: 1400, windowScale: 9, tsval: 4_294_967_295, tsecr: 5 })
          .packets(),
      ),
    );
    expect(packet).toMatchObject({ mss: 1400, windowScale: 9, sackPermitted: true, hasTimestamps: true, tsecr: 5 });
    expect(packet.tsval >>> 0).toBe(4_294_967_295);
  });
  it('that are not there are not there', () => {
    const packet = new DecodedPacket();
    packet.mss = 5;
    expect(decode(one(capture().ack(v4).packets()))).toMatchObject({
      mss: -1,
      windowScale: -1,
      sackPermitted: false,
      hasTimestamps: false,
      sackBlocks: 0,
    });
  });
  it('give the SACK blocks', () => {
    const packet = decode(
      one(
        capture()
          .ack({
            ...v4,
            tsval: 1,
            sack: [
              [100, 200],
              [4_000_000_000, 4_000_000_100],
            ],
          })
          .packets(),
      ),
    );
    expect(packet.sackBlocks).toBe(2);
    expect(Array.from(packet.sackEdges.slice(0, 4), (edge) => edge >>> 0)).toEqual([
      100, 200, 4_000_000_000, 4_000_000_100,
    ]);
  });
  it('of length 0 do not loop', () => {
    const bytes = one(capture({ linkType: 101 }).syn(v4).packets()).slice();
    bytes.set([99, 0, 99, 0], 40);
    expect(decode(bytes, 101)).toMatchObject({ kind: 'tcp', mss: -1 });
  });
});

describe('ICMP errors', () => {
  it.each([
    [0, 'net-unreachable'],
    [1, 'host-unreachable'],
    [3, 'port-unreachable'],
    [4, 'frag-needed'],
    [9, 'net-prohibited'],
    [10, 'host-prohibited'],
    [13, 'admin-prohibited'],
    [77, 'unreachable-code-77'],
  ])('of type 3 code %i are %s', (code, name) => {
    expect(icmpErrorName(4, 3, code)).toBe(name);
  });
  it.each([
    [4, 11, 0, 'time-exceeded'],
    [4, 11, 1, 'reassembly-time-exceeded'],
    [6, 1, 0, 'no-route'],
    [6, 1, 1, 'admin-prohibited'],
    [6, 1, 3, 'address-unreachable'],
    [6, 1, 4, 'port-unreachable'],
    [6, 2, 0, 'packet-too-big'],
    [6, 3, 0, 'time-exceeded'],
  ] as const)('of IPv%i, type %i code %i are %s', (version, type, code, name) => {
    expect(icmpErrorName(version, type, code)).toBe(name);
  });
  it('tell the flow they are about, and the MTU', () => {
    const about = { from: '10.0.0.1:40000', to: '10.0.0.9:1301', seq: 4_000_000_000 };
    const packet = decode(
      one(capture().icmpError({ from: '10.0.0.254', to: '10.0.0.1', type: 3, code: 4, mtu: 1400, about }).packets()),
    );
    expect(packet).toMatchObject({
      kind: 'icmpError',
      icmpType: 3,
      icmpCode: 4,
      icmpMtu: 1400,
      innerVersion: 4,
      innerProtocol: 6,
      innerSourcePort: 40_000,
      innerDestinationPort: 1301,
      hasInnerSequence: true,
    });
    expect(packet.innerSequence >>> 0).toBe(4_000_000_000);
  });
  it('about a packet in a tunnel are about the inner flow, as far as it is there', () => {
    const tcp = one(
      capture({ linkType: 101 })
        .syn({ ...v4, seq: 77 })
        .packets(),
    ).subarray(0, 28);
    const four = (protocol: number, body: Uint8Array): Uint8Array =>
      concat(Uint8Array.of(0x45, 0, 0, 200, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2), body);
    const udpTo = (port: number, body: Uint8Array): Uint8Array =>
      four(17, concat(Uint8Array.of(200, 0, port >> 8, port & 255, 0, 150, 0, 0), body));
    const ethernet = (...type: readonly number[]): Uint8Array => Uint8Array.of(...new Uint8Array(12), ...type);
    const vxlan = Uint8Array.of(8, 0, 0, 0, 0, 0, 1, 0);
    const error = (returned: Uint8Array): DecodedPacket => {
      const header = Uint8Array.of(
        0x45,
        0,
        0,
        28 + returned.length,
        0,
        1,
        0,
        0,
        64,
        1,
        0,
        0,
        10,
        9,
        9,
        9,
        192,
        0,
        2,
        1,
      );
      return decode(concat(header, Uint8Array.of(3, 4, 0, 0, 0, 0, 5, 0), returned), 101);
    };
    for (const [name, returned] of [
      ['ipip', four(4, tcp)],
      ['gre', four(47, concat(Uint8Array.of(0, 0, 8, 0), tcp))],
      ['gre', four(47, concat(Uint8Array.of(0x30, 0, 0x65, 0x58, 0, 0, 0, 1, 0, 0, 0, 2), ethernet(8, 0), tcp))],
      ['vxlan', udpTo(4789, concat(vxlan, ethernet(8, 0), tcp))],
      ['vxlan', udpTo(8472, concat(vxlan, ethernet(0x81, 0, 0, 5, 8, 0), tcp))],
      ['geneve', udpTo(6081, concat(Uint8Array.of(1, 0, 0x65, 0x58, 0, 0, 1, 0, 7, 7, 7, 7), ethernet(8, 0), tcp))],
      ['geneve', udpTo(6081, concat(Uint8Array.of(0, 0, 8, 0, 0, 0, 1, 0), tcp))],
    ] as const) {
      const packet = error(returned);
      expect(packet).toMatchObject({
        kind: 'icmpError',
        innerTunnel: name,
        innerProtocol: 6,
        innerSourcePort: 40000,
        innerDestinationPort: 80,
        innerSequence: 77,
        hasInnerSequence: true,
      });
      expect(addressText(packet.innerVersion, 0, 0, 0, packet.innerSource3)).toBe('10.1.2.3');
      // Cut, it is about the tunnel or about less, and nothing is read that is not there.
      for (let cut = 0; cut < returned.length; cut++) error(returned.subarray(0, cut));
      const tooShort = error(returned.subarray(0, returned.length - 9));
      expect(addressText(tooShort.innerVersion, 0, 0, 0, tooShort.innerSource3)).toBe('192.0.2.1');
      expect(tooShort.innerTunnel).toBe('');
    }
    expect(error(tcp)).toMatchObject({ innerTunnel: '', innerSourcePort: 40000 });
    expect(error(udpTo(53, concat(vxlan, ethernet(8, 0), tcp)))).toMatchObject({ innerTunnel: '', innerProtocol: 17 });
  });

  it('cut inside the embedded packet tell what is there', () => {
    const about = { from: '[2001:db8::1]:40000', to: '[2001:db8::9]:1301', seq: 5, keep: 4 };
    const packet = decode(
      one(capture().icmpError({ from: '[2001:db8::fe]', to: '[2001:db8::1]', type: 1, code: 4, about }).packets()),
    );
    expect(packet).toMatchObject({
      kind: 'icmpError',
      innerVersion: 6,
      innerDestinationPort: 1301,
      hasInnerSequence: false,
    });
    const none = { ...about, keep: 0 };
    expect(
      decode(
        one(
          capture().icmpError({ from: '[2001:db8::fe]', to: '[2001:db8::1]', type: 1, code: 4, about: none }).packets(),
        ),
      ),
    ).toMatchObject({ kind: 'icmpError', innerSourcePort: -1 });
  });
});

describe('addresses', () => {
  it.each([
    [[0, 0, 0, 0], '::'],
    [[0, 0, 0, 1], '::1'],
    [[0x2001_0db8, 0, 0, 1], '2001:db8::1'],
    [[0x2001_0db8, 0, 0x0001_0000, 0], '2001:db8:0:0:1::'],
    [[0x2001_0db8, 0, 0x0001_0000, 1], '2001:db8::1:0:0:1'],
    [[0x2001_0db8, 0x0000_0001, 0x0001_0001, 0x0001_0001], '2001:db8:0:1:1:1:1:1'],
    [[0, 0, 0xffff, 0x0102_0304], '::ffff:1.2.3.4'],
  ] as const)('%j is %s', ([a, b, c, d], text) => {
    expect(addressText(6, a, b, c, d)).toBe(text);
  });
});

describe('whatever the bytes are', () => {
  const linkTypes = [0, 1, 7, 9, 12, 14, 50, 51, 101, 104, 108, 113, 129, 228, 229, 242, 276, 147];
  const about = { from: '10.0.0.1:1', to: '10.0.0.2:2', keep: 20 };
  const about6 = { from: '[::1]:1', to: '[::2]:2', keep: 20 };
  const seeds = linkTypes.flatMap((linkType) =>
    capture({ linkType })
      .syn({ ...v4, tsval: 1 })
      .ack({ ...v6, sack: [[1, 2]] })
      .udp({ from: '10.0.0.1:4789', to: '10.0.0.2:4789', payload: 80 })
      .udp({ from: '[::1]:53', to: '[::2]:2152', payload: '0'.repeat(60) })
      .icmpError({ from: '10.0.0.1', to: '10.0.0.2', type: 3, code: 4, about })
      .icmpError({ from: '[::1]', to: '[::2]', type: 2, code: 0, about: about6 })
      .packets()
      .map((bytes) => ({ linkType, bytes })),
  );

  it('decoding does not throw and does not read outside the packet: cut, bits flipped', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 8 }),
        fc.nat(200),
        ({ linkType, bytes }, changes, keep) => {
          const changed = bytes.slice(0, keep);
          for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
          const packet = decode(changed, linkType, bytes.length);
          expect(packet.headersEnd).toBeLessThanOrEqual(changed.length);
          expect(packet.headersEnd).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it('decoding does not throw on random bytes after any protocol number or ethertype', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...linkTypes),
        fc.constantFrom(0x0800, 0x86dd, 0x8100, 0x8847, 0x8864, 0x880b, 0x6558, 0x88e7, 0x0806, 40),
        fc.constantFrom(0, 1, 4, 6, 17, 41, 43, 44, 47, 51, 58, 60, 97, 137, 255),
        fc.uint8Array({ maxLength: 160 }),
        (linkType, type, protocol, random) => {
          const frame = concat(new Uint8Array(14), random);
          const view = new DataView(frame.buffer);
          view.setUint16(12, type);
          if (frame.length > 34 && type === 0x0800) {
            view.setUint8(14, 0x45);
            view.setUint8(23, protocol);
            view.setUint16(20, 0);
          } else if (frame.length > 54 && type === 0x86dd) {
            view.setUint8(14, 0x60);
            view.setUint8(20, protocol);
          }
          expect(decode(frame, linkType === 101 ? 1 : linkType).headersEnd).toBeLessThanOrEqual(frame.length);
        },
      ),
      { numRuns: 20_000 },
    );
  });
});
