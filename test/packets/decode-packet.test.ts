import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../src/packets/address-text.ts';
import type { CaptureRecord } from '../../src/packets/capture-reader.ts';
import { DecodedPacket, decodePacket } from '../../src/packets/decode-packet.ts';
import { icmpErrorName } from '../../src/packets/icmp-error-name.ts';
import { capture, concat } from './build-capture.ts';

/** Decodes bytes that end exactly where their buffer ends: reading past them throws. */
function decode(bytes: Uint8Array, linkType = 1, wireLength = bytes.length): DecodedPacket {
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
  const packet = new DecodedPacket();
  decodePacket(record, packet);
  return packet;
}

const one = (bytes: readonly Uint8Array[]): Uint8Array => bytes[0] ?? new Uint8Array(0);
const source = (packet: DecodedPacket): string =>
  addressText(packet.ipVersion, packet.source0, packet.source1, packet.source2, packet.source3);
const destination = (packet: DecodedPacket): string =>
  addressText(packet.ipVersion, packet.destination0, packet.destination1, packet.destination2, packet.destination3);

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
  it.each([
    ['ipip', wrap(4, inner)],
    ['gre', wrap(47, concat(Uint8Array.of(0, 0, 8, 0), inner))],
    ['gre', wrap(47, concat(Uint8Array.of(0x20, 0, 8, 0, 0, 0, 0, 9), inner))],
    ['vxlan', udp(4789, concat(Uint8Array.of(8, 0, 0, 0, 0, 0, 1, 0), innerFrame))],
    ['vxlan', udp(8472, concat(Uint8Array.of(8, 0, 0, 0, 0, 0, 1, 0), innerFrame))],
    ['geneve', udp(6081, concat(Uint8Array.of(0, 0, 0x65, 0x58, 0, 0, 1, 0), innerFrame))],
  ])('%s', (tunnel, bytes) => {
    const packet = decode(bytes, 101);
    expect([packet.kind, packet.tunnel, source(packet), packet.payloadLength]).toEqual(['tcp', tunnel, '10.1.2.3', 0]);
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
