import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Capture } from '../../src/model/facts.ts';
import { createCaptureReader } from '../../src/packets/capture-reader.ts';
import { OtherTraffic, type OtherTrafficLimits } from '../../src/packets/other-traffic.ts';
import { RecordDecoder } from '../../src/packets/record-decoder.ts';
import { type CaptureBuilder, capture } from './build-capture.ts';
import { dns, overTcp } from './dns-bytes.ts';

const client = '10.0.0.9:40000';
const server = '10.96.0.10:53';
const start = 1_700_000_000_000;

type Seen = Pick<Capture, 'udp' | 'dns' | 'neighbourClaims'> & { readonly problems: readonly string[] };

function seen(bytes: Uint8Array, limits?: OtherTrafficLimits): Seen {
  const other = new OtherTraffic(limits);
  const decoder = new RecordDecoder();
  const reader = createCaptureReader((record) => {
    const packet = decoder.decode(record);
    const isDns = packet.sourcePort === 53 || packet.destinationPort === 53;
    if (['udp', 'arp', 'icmp'].includes(packet.kind) || (packet.kind === 'tcp' && isDns))
      other.add(
        packet,
        packet.view,
        packet.capturedEnd,
        record.frame,
        record.seconds * 1000 + record.nanoseconds / 1e6,
      );
  });
  reader.push(bytes);
  reader.finish();
  return { ...other.facts(), problems: other.problems().map(({ message }) => message) };
}
const ask = (packets: CaptureBuilder, afterMs: number, message: Parameters<typeof dns>[0] = {}, from = client) =>
  packets.udp({ from, to: server, afterMs, payload: dns(message) });
const reply = (packets: CaptureBuilder, afterMs: number, message: Parameters<typeof dns>[0] = {}, to = client) =>
  packets.udp({ from: server, to, afterMs, payload: dns({ answer: true, ...message }) });

describe('DNS exchanges', () => {
  it('join a question with its answer', () => {
    const packets = capture({ startMs: start });
    ask(packets, 0, { id: 7, name: 'www.example.com' });
    reply(packets, 2, { id: 7, name: 'www.example.com', addresses: ['192.0.2.1'] });
    expect(seen(packets.bytes())).toMatchObject({
      dns: [
        {
          client: { address: '10.0.0.9', port: 40000 },
          server: { address: '10.96.0.10', port: 53 },
          transport: 'udp',
          id: 7,
          name: 'www.example.com',
          type: 'A',
          frame: 1,
          atMs: start,
          queries: 1,
          answer: {
            atMs: start + 2,
            frame: 2,
            rcode: 'NOERROR',
            truncated: false,
            answers: 1,
            addresses: ['192.0.2.1'],
            bytes: 49,
            fragmented: false,
          },
        },
      ],
      problems: [],
    });
  });

  it('tell A from AAAA on one port, with the same id too', () => {
    const packets = capture();
    ask(packets, 0, { id: 7, type: 1 });
    ask(packets, 0.1, { id: 7, type: 28 });
    reply(packets, 1, { id: 7, type: 28 });
    const { dns: exchanges } = seen(packets.bytes());
    expect(exchanges.map(({ type, answer }) => [type, answer?.frame ?? null])).toEqual([
      ['A', null],
      ['AAAA', 3],
    ]);
  });

  it('count the same question again, and take one with another id, port or name for another', () => {
    const packets = capture();
    ask(packets, 0, { id: 7 });
    ask(packets, 5000, { id: 7 });
    ask(packets, 1, { id: 8 });
    ask(packets, 1, { id: 7 }, '10.0.0.9:40001');
    ask(packets, 1, { id: 7, name: 'example.org' });
    reply(packets, 1, { id: 7 });
    const { dns: exchanges } = seen(packets.bytes());
    expect(exchanges.map(({ queries, answer }) => [queries, answer !== null])).toEqual([
      [2, true],
      [1, false],
      [1, false],
      [1, false],
    ]);
  });

  it('take a question that was answered and comes again for another', () => {
    const packets = capture();
    ask(packets, 0, { id: 7 });
    reply(packets, 1, { id: 7 });
    ask(packets, 5000, { id: 7 });
    reply(packets, 1, { id: 7, rcode: 2 });
    const { dns: exchanges } = seen(packets.bytes());
    expect(exchanges.map(({ frame, answer }) => [frame, answer?.rcode])).toEqual([
      [1, 'NOERROR'],
      [3, 'SERVFAIL'],
    ]);
  });

  it('match without regard to case, and an answer that repeats no question', () => {
    const packets = capture();
    ask(packets, 0, { id: 7, name: 'wWw.Example.COM' });
    reply(packets, 1, { id: 7, name: 'www.example.com' });
    ask(packets, 1, { id: 8 });
    reply(packets, 1, { id: 8, questions: [], rcode: 1 });
    expect(seen(packets.bytes()).dns.map(({ name, answer }) => [name, answer?.rcode])).toEqual([
      ['wWw.Example.COM', 'NOERROR'],
      ['example.com', 'FORMERR'],
    ]);
  });

  it('do not match an answer from another address, id or question, and say so', () => {
    const packets = capture();
    ask(packets, 0, { id: 7 });
    packets.udp({ from: '10.244.1.5:53', to: client, payload: dns({ id: 7, answer: true }) });
    reply(packets, 1, { id: 8 });
    reply(packets, 1, { id: 7, name: 'other.example' });
    const found = seen(packets.bytes());
    expect(found.dns.map(({ answer }) => answer)).toEqual([null]);
    expect(found.problems).toEqual(['3 DNS answers belong to questions that are not in the capture']);
  });

  it('are those of port 53 and of standard queries only', () => {
    const packets = capture();
    packets.udp({ from: '10.0.0.9:5353', to: '224.0.0.251:5353', payload: dns() });
    packets.udp({ from: client, to: '10.0.0.1:1053', payload: dns() });
    packets.udp({ from: client, to: server, payload: dns({ opcode: 5 }) });
    packets.udp({ from: '10.0.0.9:53', to: '10.0.0.1:1053', payload: dns() });
    expect(seen(packets.bytes())).toMatchObject({ dns: [], problems: [] });
  });

  it('are read over TCP, several in one segment, and not counted again when TCP repeats it', () => {
    const packets = capture();
    packets.handshake({ from: client, to: server });
    const two = overTcp(dns({ id: 1 }), dns({ id: 2, type: 28 }));
    packets.data({ from: client, to: server, seq: 1_000_001, payload: two });
    packets.data({ from: client, to: server, seq: 1_000_001, payload: two, afterMs: 200 });
    packets.data({
      from: server,
      to: client,
      payload: overTcp(dns({ id: 1, answer: true, addresses: ['192.0.2.1'] })),
    });
    expect(seen(packets.bytes()).dns).toMatchObject([
      { transport: 'tcp', type: 'A', queries: 1, frame: 4, answer: { addresses: ['192.0.2.1'], bytes: 45 } },
      { transport: 'tcp', type: 'AAAA', queries: 1, frame: 4, answer: null },
    ]);
  });

  it('of -i any count once, however many devices they pass', () => {
    for (const linkType of [113, 276]) {
      const packets = capture({ linkType });
      ask(packets, 0, { id: 7 });
      packets.again({ interfaceIndex: 3, direction: 'out', ttlLess: 1, afterMs: 0.05 });
      packets.again({ interfaceIndex: 4, direction: 'out', afterMs: 0.05 });
      reply(packets, 1, { id: 7 });
      packets.again({ interfaceIndex: 3, direction: 'out', ttlLess: 1, afterMs: 0.05 });
      const found = seen(packets.bytes());
      expect(found.dns).toMatchObject([{ queries: 1, answer: { frame: 4 } }]);
      expect(found.udp).toMatchObject([{ packets: { client: 1, server: 1 } }]);
      expect(found.problems).toEqual([]);
    }
  });

  it('of -i any that are asked again on the same device, or later, count again', () => {
    const packets = capture({ linkType: 276 });
    ask(packets, 0, { id: 7 });
    packets.again({ afterMs: 5 });
    packets.again({ interfaceIndex: 9, afterMs: 2500 });
    expect(seen(packets.bytes()).dns).toMatchObject([{ queries: 3 }]);
  });

  it('say what was cut', () => {
    const packets = capture({ snaplen: 14 + 20 + 8 + 14 });
    ask(packets, 0, { id: 7 });
    expect(seen(packets.bytes())).toMatchObject({
      dns: [],
      udp: [{ bytes: { client: 29, server: 0 } }],
      problems: ['1 DNS messages could not be read: they were cut or are malformed'],
    });
  });

  it('are bounded: the oldest that were answered go, one of each kind of each server stays', () => {
    const packets = capture();
    for (let i = 0; i < 40; i++) {
      ask(packets, 1, { id: i });
      if (i % 4 !== 1) reply(packets, 1, { id: i, rcode: i === 0 ? 2 : 0 });
    }
    const found = seen(packets.bytes(), { maxExchanges: 15 });
    expect(found.dns).toHaveLength(15);
    expect(found.dns.filter(({ answer }) => answer === null)).toHaveLength(10);
    expect(found.dns.filter(({ answer }) => answer?.rcode === 'SERVFAIL')).toHaveLength(1);
    expect(found.dns.map(({ frame }) => frame)).toEqual([...found.dns].map(({ frame }) => frame).sort((a, b) => a - b));
    expect(found.problems).toEqual(['25 DNS exchanges were let go: at most 15 are kept']);
  });

  it('that are never answered are bounded too', () => {
    const packets = capture();
    for (let i = 0; i < 40; i++) ask(packets, 1, { id: 7, name: `host${i}.example` });
    const found = seen(packets.bytes(), { maxExchanges: 15 });
    expect(found.dns.map(({ name }) => name)[0]).toBe('host25.example');
    expect(found.dns).toHaveLength(15);
  });

  it('handed out once do not change', () => {
    const packets = capture();
    ask(packets, 0, { id: 7 });
    reply(packets, 1, { id: 7 });
    const other = new OtherTraffic();
    const decoder = new RecordDecoder();
    const facts: ReturnType<OtherTraffic['facts']>[] = [];
    const reader = createCaptureReader((record) => {
      const packet = decoder.decode(record);
      other.add(packet, packet.view, packet.capturedEnd, record.frame, record.seconds * 1000);
      facts.push(other.facts());
    });
    reader.push(packets.bytes());
    expect(facts.map(({ dns: [exchange], udp: [flow] }) => [exchange?.answer?.frame, flow?.packets.server])).toEqual([
      [undefined, 0],
      [2, 1],
    ]);
  });
});

describe('DNS answers in fragments', () => {
  it('are one answer and one packet, the first fragment alone too', () => {
    const whole = capture();
    ask(whole, 0, { id: 7 });
    const addresses = Array.from({ length: 16 }, (_, i) => `192.0.2.${i + 1}`);
    reply(whole, 1, { id: 7, addresses });
    const [, frame = new Uint8Array()] = whole.packets();
    const ip = frame.subarray(14);
    const part = (from: number, to: number, more: boolean): Uint8Array => {
      const bytes = Uint8Array.from([...frame.subarray(0, 34), ...ip.subarray(20 + from, 20 + to)]);
      const view = new DataView(bytes.buffer);
      view.setUint16(16, 20 + to - from);
      view.setUint16(20, (more ? 0x2000 : 0) | (from / 8));
      return bytes;
    };
    const first = capture();
    ask(first, 0, { id: 7 });
    first.raw(part(0, 80, true));
    expect(seen(first.bytes()).dns).toMatchObject([
      { answer: { fragmented: true, frame: 2, bytes: 285, answers: 16 } },
    ]);
    expect(seen(first.bytes()).dns[0]?.answer?.addresses).toHaveLength(2);

    first.raw(part(80, ip.length - 20, false));
    const found = seen(first.bytes());
    expect(found.dns).toMatchObject([{ answer: { fragmented: true, addresses } }]);
    expect(found.udp).toMatchObject([{ packets: { client: 1, server: 1 }, bytes: { server: 285 } }]);
    expect(found.problems).toEqual([]);
  });
});

describe('UDP flows', () => {
  it('count both directions, whoever was seen first', () => {
    const packets = capture({ startMs: start });
    packets.udp({ from: '10.0.0.2:514', to: '10.0.0.1:40000', payload: 10 });
    packets.udp({ from: '10.0.0.1:40000', to: '10.0.0.2:514', payload: 100, afterMs: 5 });
    packets.udp({ from: '[2001:db8::1]:500', to: '[2001:db8::2]:500', payload: 0 });
    expect(seen(packets.bytes()).udp).toMatchObject([
      {
        client: { address: '10.0.0.1', port: 40000 },
        server: { address: '10.0.0.2', port: 514 },
        packets: { client: 1, server: 1 },
        bytes: { client: 100, server: 10 },
        firstAtMs: start,
        lastAtMs: start + 5,
      },
      { client: { address: '2001:db8::1' }, packets: { client: 1, server: 0 }, bytes: { client: 0, server: 0 } },
    ]);
  });

  it('are bounded: answered and silent ones go first', () => {
    const packets = capture();
    packets.udp({ from: '10.0.0.1:40000', to: '10.0.0.2:514', payload: 10 });
    for (let i = 1; i < 8; i++) {
      packets.udp({ from: `10.0.0.1:${40_000 + i}`, to: '10.0.0.2:514', payload: 10 });
      packets.udp({ to: `10.0.0.1:${40_000 + i}`, from: '10.0.0.2:514', payload: 10 });
    }
    const found = seen(packets.bytes(), { maxFlows: 4 });
    expect(found.udp.map(({ client: { port } }) => port)).toEqual([40_000, 40_005, 40_006, 40_007]);
    expect(found.problems).toEqual(['4 UDP flows were let go: at most 4 are kept']);
  });
});

describe('neighbour claims', () => {
  const macA = '02:00:00:00:00:0a';
  const macB = '02:00:00:00:00:0b';

  it('are what senders of ARP say of themselves', () => {
    const packets = capture({ startMs: start });
    packets.raw(arp(1, macA, '10.0.0.1', '10.0.0.2'));
    packets.raw(arp(2, macB, '10.0.0.2', '10.0.0.1'), { afterMs: 1 });
    packets.raw(arp(1, macA, '10.0.0.1', '10.0.0.2'), { afterMs: 1000 });
    expect(seen(packets.bytes()).neighbourClaims).toEqual([
      { address: '10.0.0.1', mac: macA, firstAtMs: start, lastAtMs: start + 1001, frame: 1, claims: 2, asked: 0 },
      { address: '10.0.0.2', mac: macB, firstAtMs: start + 1, lastAtMs: start + 1, frame: 2, claims: 1, asked: 1 },
    ]);
  });

  it('are announced by gratuitous ARP, and not by a probe', () => {
    const packets = capture({ startMs: start });
    packets.raw(arp(1, macA, '0.0.0.0', '10.0.0.7'));
    packets.raw(arp(1, macA, '0.0.0.0', '10.0.0.7'), { afterMs: 1000 });
    expect(seen(packets.bytes()).neighbourClaims).toEqual([
      { address: '10.0.0.7', mac: '', firstAtMs: start, lastAtMs: start + 1000, frame: 1, claims: 0, asked: 2 },
    ]);
    packets.raw(arp(1, macA, '10.0.0.7', '10.0.0.7'), { afterMs: 1000 });
    expect(seen(packets.bytes()).neighbourClaims).toMatchObject([{ mac: macA, frame: 3, claims: 1, asked: 2 }]);
  });

  it('of two machines are two', () => {
    const packets = capture();
    for (const mac of [macA, macB, macA]) packets.raw(arp(2, mac, '10.0.0.7', '10.0.0.1'), { afterMs: 1000 });
    expect(seen(packets.bytes()).neighbourClaims.map(({ mac, claims }) => [mac, claims])).toEqual([
      [macA, 2],
      [macB, 1],
    ]);
  });

  it('are not made by group addresses, other operations or other sizes', () => {
    const packets = capture();
    packets.raw(arp(2, 'ff:ff:ff:ff:ff:ff', '10.0.0.7', '10.0.0.1'));
    packets.raw(arp(2, '00:00:00:00:00:00', '10.0.0.7', '10.0.0.1'));
    packets.raw(arp(8, macA, '10.0.0.7', '10.0.0.1'));
    const other = arp(2, macA, '10.0.0.7', '10.0.0.1');
    other[18] = 8;
    packets.raw(other);
    packets.raw(arp(2, macA, '10.0.0.7', '10.0.0.1').subarray(0, 40));
    expect(seen(packets.bytes()).neighbourClaims).toEqual([]);
  });

  it('are made by neighbour solicitations and advertisements, with and without options', () => {
    const packets = capture({ startMs: start });
    // duplicate address detection: unspecified source, no option
    packets.raw(neighbour(135, '::', '2001:db8::7', null));
    packets.raw(neighbour(135, '2001:db8::1', '2001:db8::7', macA), { afterMs: 1000 });
    packets.raw(neighbour(136, '2001:db8::7', '2001:db8::7', macB), { afterMs: 1 });
    packets.raw(neighbour(136, '2001:db8::8', '2001:db8::8', null), { afterMs: 1 });
    expect(seen(packets.bytes()).neighbourClaims).toMatchObject([
      { address: '2001:db8::1', mac: macA, frame: 2, claims: 1 },
      { address: '2001:db8::7', mac: macB, frame: 3, claims: 1, asked: 2 },
    ]);
  });

  it('are bounded', () => {
    const packets = capture();
    for (let i = 0; i < 30; i++) packets.raw(arp(2, macA, `10.0.0.${i}`, '10.0.1.1'));
    const found = seen(packets.bytes(), { maxClaims: 10 });
    expect(found.neighbourClaims.map(({ address }) => address)[0]).toBe('10.0.0.20');
    expect(found.neighbourClaims).toHaveLength(10);
    expect(found.problems).toEqual(['20 ARP and neighbour claims were let go: at most 10 are kept']);
    const one = capture();
    for (let i = 0; i < 30; i++)
      one.raw(arp(2, `02:00:00:00:00:${String(i).padStart(2, '0')}`, '10.0.0.1', '10.0.1.1'));
    expect(seen(one.bytes(), { maxClaims: 10 }).neighbourClaims).toHaveLength(10);
  });
});

describe('whatever a capture holds', () => {
  it('nothing throws, and the bounds hold', () => {
    const kinds = capture({ linkType: 276 });
    ask(kinds, 0, { id: 7 });
    reply(kinds, 1, { id: 7, addresses: ['192.0.2.1'] });
    kinds.data({ from: client, to: server, payload: overTcp(dns()) });
    const ether = capture().raw(arp(1, '02:00:00:00:00:0a', '10.0.0.1', '10.0.0.2'));
    ether.raw(neighbour(135, '2001:db8::1', '2001:db8::7', '02:00:00:00:00:0a'));
    for (const built of [kinds, ether]) {
      const bytes = built.bytes();
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.integer({ min: 40, max: bytes.length - 1 }), fc.nat(255)), { maxLength: 6 }),
          (flips) => {
            const mutated = Uint8Array.from(bytes);
            for (const [at, value] of flips) mutated[at] = value;
            const found = seen(mutated, { maxExchanges: 2, maxFlows: 1, maxClaims: 1 });
            expect(found.dns.length).toBeLessThanOrEqual(2);
            expect(found.udp.length).toBeLessThanOrEqual(1);
            expect(found.neighbourClaims.length).toBeLessThanOrEqual(1);
          },
        ),
        { numRuns: 300 },
      );
    }
  });
});

const noMac = [0, 0, 0, 0, 0, 0];
/** Ethernet, IPv4, lengths of their addresses, upper byte of the operation. */
const arpHeader = [0, 1, 0x08, 0x00, 6, 4, 0];

function ether(type: number, source: readonly number[]): number[] {
  return [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...source, type >> 8, type & 255];
}

/** An Ethernet frame with an ARP packet (RFC 826). */
function arp(operation: number, senderMac: string, sender: string, target: string): Uint8Array {
  const mac = senderMac.split(':').map((byte) => Number.parseInt(byte, 16));
  const quad = (address: string): number[] => address.split('.').map(Number);
  return Uint8Array.from([
    ...ether(0x0806, mac),
    ...arpHeader,
    operation,
    ...mac,
    ...quad(sender),
    ...noMac,
    ...quad(target),
  ]);
}

/** An Ethernet frame with a neighbour solicitation (135) or advertisement (136) and its link-layer address option. */
function neighbour(type: 135 | 136, source: string, target: string, mac: string | null): Uint8Array {
  const option =
    mac === null ? [] : [type === 135 ? 1 : 2, 1, ...mac.split(':').map((byte) => Number.parseInt(byte, 16))];
  const body = [type, 0, 0, 0, 0, 0, 0, 0, ...six(target), ...option];
  return Uint8Array.from([
    ...ether(0x86dd, [2, 0, 0, 0, 0, 1]),
    ...[0x60, 0, 0, 0, 0, body.length, 58, 255].concat(six(source), six('ff02::1')),
    ...body,
  ]);
}

function six(address: string): number[] {
  const [head = '', tail = ''] = address.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16)));
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return all.flatMap((group) => [group >> 8, group & 255]);
}
