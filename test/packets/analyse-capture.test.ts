import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CaptureAnalyserOptions, createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import type { Capture, Connection } from '../../src/model/facts.ts';
import { capture, type CaptureBuilder, type CaptureOptions, concat } from './build-capture.ts';

const a = '10.0.0.1:40000';
const b = '10.0.0.2:1301';
const fromA = { from: a, to: b };
const fromB = { from: b, to: a };
const startMs = 1_700_000_000_000;

function analyse(builder: CaptureBuilder, options: Partial<CaptureAnalyserOptions> = {}, stderr?: string): Capture {
  const analyser = createCaptureAnalyser({ evidence: 'evidence/x.pcap', ...options });
  analyser.push(builder.bytes());
  return analyser.finish(stderr === undefined ? undefined : new TextEncoder().encode(stderr));
}
function only(builder: CaptureBuilder): Connection {
  const { connections } = analyse(builder);
  expect(connections).toHaveLength(1);
  const [connection] = connections;
  if (connection === undefined) throw new Error('no connection');
  return connection;
}

describe('a connection', () => {
  it('has its ends, times, bytes, packets, options and FINs', () => {
    const builder = capture({ startMs })
      .syn({ ...fromA, tsval: 100, ipId: 7, ttl: 63, mss: 1400, windowScale: 9 })
      .synAck({ ...fromB, afterMs: 1 })
      .ack({ ...fromA, afterMs: 1 })
      .data({ ...fromA, payload: 500, afterMs: 1 })
      .data({ ...fromA, payload: 500, seq: 1_000_001, afterMs: 250 })
      .data({ ...fromB, payload: 20, afterMs: 1 })
      .fin({ ...fromA, afterMs: 1 })
      .fin({ ...fromB, afterMs: 1 });
    expect(only(builder)).toMatchObject({
      client: { address: '10.0.0.1', port: 40_000 },
      server: { address: '10.0.0.2', port: 1301 },
      syns: [
        {
          atMs: startMs,
          frame: 1,
          sequence: 1_000_000,
          ipId: 7,
          ttl: 63,
          tsval: 100,
          sightings: [{ interfaceIndex: null, direction: 'other' }],
        },
      ],
      synAcks: [{ atMs: startMs + 1, frame: 2 }],
      handshake: 'complete',
      resets: [],
      fins: { client: true, server: true },
      bytes: { client: 1000, server: 20 },
      packets: { client: 5, server: 3 },
      retransmitted: { client: 1, server: 0 },
      options: {
        client: { mss: 1400, windowScale: 9, sackPermitted: true, timestamps: true },
        server: { mss: 1460, windowScale: 7, sackPermitted: true, timestamps: false },
      },
      firstAtMs: startMs,
      lastAtMs: startMs + 256,
    });
  });

  it('of IPv6 is one, too', () => {
    const connection = only(capture().handshake({ from: '[2001:db8::1]:40000', to: '[2001:db8::2]:443' }));
    expect(connection).toMatchObject({
      client: { address: '2001:db8::1', port: 40_000 },
      server: { address: '2001:db8::2', port: 443 },
      handshake: 'complete',
    });
  });

  it('with a repeated SYN is one attempt with its SYNs in order', () => {
    const connection = only(
      capture({ startMs })
        .syn({ ...fromA, tsval: 4_294_967_290 })
        .syn({ ...fromA, tsval: 1000, afterMs: 1000 })
        .syn({ ...fromA, tsval: null, afterMs: 2000 }),
    );
    expect(connection.handshake).toBe('unanswered');
    expect(connection.syns.map((syn) => [syn.atMs - startMs, syn.tsval, syn.frame])).toEqual([
      [0, 4_294_967_290, 1],
      [1000, 1000, 2],
      [3000, null, 3],
    ]);
    expect(connection.retransmitted.client).toBe(2);
  });

  it('with a new sequence number on the same ports is another one', () => {
    const { connections } = analyse(
      capture()
        .handshake(fromA)
        .fin(fromA)
        .fin(fromB)
        .syn({ ...fromA, seq: 9_000_000, afterMs: 61_000 }),
    );
    expect(connections.map((connection) => [connection.handshake, connection.packets.client])).toEqual([
      ['complete', 3],
      ['unanswered', 1],
    ]);
  });
});

describe('handshakes', () => {
  const about = { from: a, to: b, seq: 1_000_000 };
  const icmp = { from: '10.0.0.2', to: '10.0.0.1', type: 3, code: 10, about };
  const cases: readonly (readonly [Connection['handshake'], string, CaptureBuilder])[] = [
    ['complete', 'SYN, SYN+ACK, ACK', capture().handshake(fromA)],
    [
      'complete',
      'the SYN+ACK repeated',
      capture()
        .syn(fromA)
        .synAck(fromB)
        .synAck({ ...fromB, afterMs: 1000 })
        .ack(fromA),
    ],
    [
      'complete',
      'the SYN+ACK came past the capture',
      capture()
        .syn(fromA)
        .ack({ ...fromA, ack: 5 }),
    ],
    [
      'noFinalAck',
      'SYN+ACK without the ACK',
      capture()
        .syn(fromA)
        .synAck(fromB)
        .synAck({ ...fromB, afterMs: 1000 }),
    ],
    ['noFinalAck', 'SYN+ACK, and the client resets', capture().syn(fromA).synAck(fromB).rst(fromA)],
    [
      'unanswered',
      'SYNs alone',
      capture()
        .syn(fromA)
        .syn({ ...fromA, afterMs: 1000 }),
    ],
    ['refused', 'RST and ACK', capture().syn(fromA).refuse(fromB)],
    ['refused', 'RST without ACK', capture().syn(fromA).rst(fromB)],
    ['icmpError', 'host-prohibited', capture().syn(fromA).icmpError(icmp)],
    [
      'unanswered',
      'an ICMP error about another SYN',
      capture()
        .syn(fromA)
        .icmpError({ ...icmp, about: { ...about, seq: 4 } }),
    ],
    [
      'unanswered',
      'frag-needed is about sizes',
      capture()
        .syn(fromA)
        .icmpError({ ...icmp, code: 4, mtu: 1400 }),
    ],
    [
      'challengeAck',
      'a bare ACK of something else',
      capture()
        .syn(fromA)
        .ack({ ...fromB, seq: 77, ack: 99_999 })
        .rst(fromA),
    ],
    [
      'complete',
      'a bare ACK first, then it goes through',
      capture()
        .syn(fromA)
        .ack({ ...fromB, seq: 77, ack: 99_999 })
        .syn({ ...fromA, afterMs: 1000 })
        .synAck(fromB)
        .ack(fromA),
    ],
    ['midStream', 'data first', capture().data(fromA).ack(fromB)],
    ['midStream', 'SYN+ACK first', capture().synAck({ ...fromB, ack: 1_000_001 })],
  ];
  it.each(cases)('%s: %s', (handshake, _, builder) => {
    expect(only(builder).handshake).toBe(handshake);
  });

  it('the refusing RST answers the SYN; a RST of the client, or after the handshake, does not', () => {
    expect(
      only(
        capture()
          .syn(fromA)
          .refuse({ ...fromB, ttl: 61 }),
      ).resets,
    ).toMatchObject([{ from: 'server', ttl: 61, frame: 2, answersSyn: true }]);
    expect(only(capture().syn(fromA).synAck(fromB).rst(fromA)).resets).toMatchObject([
      { from: 'client', answersSyn: false },
    ]);
    expect(
      only(
        capture()
          .handshake(fromA)
          .refuse({ ...fromB, seq: 5_000_001 }),
      ).resets,
    ).toMatchObject([{ from: 'server', answersSyn: false }]);
  });

  it('a SYN with data is answered by an ACK of it all', () => {
    const connection = only(
      capture()
        .syn({ ...fromA, payload: 10 })
        .refuse({ ...fromB, ack: 1_000_011 }),
    );
    expect(connection.resets).toMatchObject([{ answersSyn: true }]);
  });
});

describe('who is the client of a connection that began before', () => {
  it.each([
    ['the receiver of the SYN+ACK', capture().synAck({ from: '10.0.0.9:50000', to: '10.0.0.1:80' }), 80],
    ['the ephemeral port', capture().data({ from: '10.0.0.9:9000', to: '10.0.0.1:40000' }), 40_000],
    ['the higher port', capture().data({ from: '10.0.0.9:443', to: '10.0.0.1:1500' }), 1500],
    ['the first sender', capture().data({ from: '10.0.0.9:5000', to: '10.0.0.1:5000' }), 5000],
  ])('%s', (_, builder, port) => {
    expect(only(builder).client.port).toBe(port);
  });
});

describe('ICMP errors', () => {
  it('say who, what and about which flow', () => {
    const { icmpErrors } = analyse(
      capture({ startMs }).icmpError({
        from: '10.0.0.254',
        to: '10.0.0.1',
        type: 3,
        code: 4,
        mtu: 1400,
        about: { from: a, to: b, seq: 4_000_000_000 },
      }),
    );
    expect(icmpErrors).toEqual([
      {
        atMs: startMs,
        frame: 1,
        from: '10.0.0.254',
        to: '10.0.0.1',
        version: 4,
        type: 3,
        code: 4,
        name: 'frag-needed',
        mtu: 1400,
        about: {
          protocol: 6,
          source: '10.0.0.1',
          destination: '10.0.0.2',
          sourcePort: 40_000,
          destinationPort: 1301,
          sequence: 4_000_000_000,
        },
      },
    ]);
  });
  it('about something without ports have none', () => {
    const about = { from: a, to: b, protocol: 4 };
    const { icmpErrors } = analyse(capture().icmpError({ from: b, to: a, type: 11, code: 0, about }));
    expect(icmpErrors).toMatchObject([
      { name: 'time-exceeded', about: { protocol: 4, sourcePort: null, destinationPort: null, sequence: null } },
    ]);
    expect(icmpErrors[0]).not.toHaveProperty('mtu');
  });
  it('beyond the bound are counted', () => {
    const builder = capture();
    const about = { from: a, to: b };
    for (let i = 0; i < 12; i++) builder.icmpError({ from: b, to: a, type: 3, code: 3, about });
    const found = analyse(builder, { maxIcmpErrors: 10 });
    expect(found.icmpErrors).toHaveLength(10);
    expect(found.problems).toEqual([{ message: '2 ICMP errors were not kept: at most 10 are' }]);
  });
});

describe('the same packet on several devices', () => {
  const crossing = (linkType: number): CaptureBuilder =>
    capture({ linkType })
      .syn({ ...fromA, interfaceIndex: 2, direction: 'in' })
      .again({ interfaceIndex: 5, direction: 'out', ttlLess: 1 })
      .again({ interfaceIndex: 9, direction: 'out', ttlLess: 0 });

  it('is one SYN with its devices in order (SLL2)', () => {
    const connection = only(crossing(276));
    expect(connection.packets.client).toBe(1);
    expect(connection.syns.map((syn) => syn.sightings)).toEqual([
      [
        { interfaceIndex: 2, direction: 'in' },
        { interfaceIndex: 5, direction: 'out' },
        { interfaceIndex: 9, direction: 'out' },
      ],
    ]);
    expect(connection.retransmitted.client).toBe(0);
  });
  it('is one SYN also where the devices have no names (SLL)', () => {
    expect(only(crossing(113)).syns).toMatchObject([
      { sightings: [{ direction: 'in' }, { direction: 'out' }, { direction: 'out' }] },
    ]);
  });
  it('is two packets on Ethernet, where one is there once', () => {
    expect(only(capture().data(fromA).again({})).packets.client).toBe(2);
  });
  it('is a retransmission when it comes later, with another IP id, or on the same device', () => {
    const later = only(crossing(276).syn({ ...fromA, interfaceIndex: 2, direction: 'in', afterMs: 1000 }));
    expect(later.syns).toHaveLength(2);
    expect(later.syns[1]?.sightings).toHaveLength(1);
    const otherId = capture({ linkType: 276 })
      .data({ ...fromA, ipId: 1 })
      .data({ ...fromA, ipId: 2, seq: 1, interfaceIndex: 3 });
    expect(only(otherId)).toMatchObject({ packets: { client: 2 }, retransmitted: { client: 1 } });
    const sameDevice = capture({ linkType: 276 })
      .data({ ...fromA, interfaceIndex: 2 })
      .again({ interfaceIndex: 2 });
    expect(only(sameDevice)).toMatchObject({ packets: { client: 2 }, retransmitted: { client: 1 } });
  });
  it('is one, however many packets of a burst lie between', () => {
    const builder = capture({ linkType: 276 });
    for (let i = 0; i < 64; i++)
      builder.data({ ...fromA, seq: 1 + i * 100, ipId: i, interfaceIndex: 2, afterMs: 0.001 });
    for (let i = 0; i < 64; i++)
      builder.data({ ...fromA, seq: 1 + i * 100, ipId: i, interfaceIndex: 5, afterMs: 0.001 });
    expect(only(builder)).toMatchObject({
      packets: { client: 64 },
      bytes: { client: 6400 },
      retransmitted: { client: 0 },
    });
  });
  it('is one ICMP error', () => {
    const icmp = { from: b, to: a, type: 3, code: 3, about: { from: a, to: b } };
    const found = analyse(
      capture({ linkType: 276 })
        .icmpError({ ...icmp, ipId: 4 })
        .again({ interfaceIndex: 3 })
        .icmpError({ ...icmp, ipId: 5 }),
    );
    expect(found.icmpErrors.map((error) => error.frame)).toEqual([1, 3]);
  });
});

describe('the stream', () => {
  const builder = capture({ startMs })
    .syn(fromA)
    .synAck({ ...fromB, afterMs: 1 })
    .ack({ ...fromA, afterMs: 1 });

  it('gives a snapshot at any moment, and earlier ones do not change', () => {
    const bytes = builder.bytes();
    const analyser = createCaptureAnalyser({ evidence: 'x' });
    expect(analyser.snapshot()).toMatchObject({ packets: 0, listening: false, connections: [], firstAtMs: null });
    const states: string[] = [];
    const snapshots: Capture[] = [];
    for (let at = 0; at < bytes.length; at += 10) {
      analyser.push(bytes.slice(at, at + 10));
      const snapshot = analyser.snapshot();
      snapshots.push(snapshot);
      states.push(snapshot.connections[0]?.handshake ?? 'none');
    }
    expect([...new Set(states)]).toEqual(['none', 'unanswered', 'noFinalAck', 'complete']);
    expect(snapshots.map((snapshot) => snapshot.connections[0]?.handshake ?? 'none')).toEqual(states);
  });

  it('keeps what did not change', () => {
    const analyser = createCaptureAnalyser({ evidence: 'x' });
    analyser.push(builder.bytes());
    expect(analyser.snapshot().connections).toBe(analyser.snapshot().connections);
  });

  it('tells what it is', () => {
    const found = analyse(
      builder,
      {},
      'tcpdump: listening on any, link-type EN10MB (Ethernet), snapshot length 160 bytes\n3 packets captured\n3 packets received by filter\n0 packets dropped by kernel\n',
    );
    expect(found).toMatchObject({
      packets: 3,
      linkType: 'EN10MB',
      firstAtMs: startMs,
      lastAtMs: startMs + 2,
      droppedByKernel: 0,
      listening: true,
      problems: [],
      at: { evidence: 'evidence/x.pcap' },
    });
  });

  it('of a tcpdump that never started is not a quiet network', () => {
    const analyser = createCaptureAnalyser({ evidence: 'x' });
    expect(analyser.finish(new TextEncoder().encode('tcpdump: eth9: No such device exists\n'))).toMatchObject({
      listening: false,
      packets: 0,
      droppedByKernel: null,
      problems: [
        { message: 'there are no bytes: nothing was captured, or tcpdump never started' },
        { message: 'tcpdump did not listen: eth9: No such device exists' },
      ],
    });
  });

  it('with packets of a link type that is not understood says so', () => {
    expect(analyse(capture({ linkType: 147 }).raw(new Uint8Array(60))).problems).toEqual([
      { message: '1 packets have a link type that is not understood (LINKTYPE_147)' },
    ]);
  });
});

describe('bounds', () => {
  const flood = (count: number, extra: (builder: CaptureBuilder, i: number) => void): CaptureBuilder => {
    const builder = capture();
    for (let i = 0; i < count; i++) extra(builder, i);
    return builder;
  };

  it('on connections: what has no room is counted and said', () => {
    const found = analyse(
      flood(50, (builder, i) => builder.syn({ from: `10.9.${i}.1:40000`, to: b })),
      { maxConnections: 20 },
    );
    expect(found.connections).toHaveLength(20);
    expect(found.connectionsDropped).toBe(30);
    expect(found.problems[0]?.message).toBe('30 connections were let go: at most 20 are kept');
  });

  it('on connections: those that ended well go first', () => {
    const builder = capture();
    for (let i = 0; i < 50; i++) {
      const ends = { from: `10.0.0.1:${40_000 + i}`, to: b };
      const back = { from: b, to: ends.from };
      builder.handshake(ends);
      if (i !== 3) builder.fin(ends).fin(back);
    }
    builder.syn({ from: '10.0.0.1:50000', to: b });
    const found = analyse(builder, { maxConnections: 20 });
    expect(found.connections).toHaveLength(20);
    expect([found.connectionsDropped, found.uneventful]).toEqual([0, 31]);
    expect(found.services).toMatchObject([{ connections: 51, complete: 50, unanswered: 1, packets: 249, clients: 1 }]);
    expect(found.connections[0]?.client.port).toBe(40_003);
    expect(found.connections.at(-1)).toMatchObject({ client: { port: 50_000 }, handshake: 'unanswered' });
  });

  it('on connections: a few that ended well stay to show that there were some', () => {
    const builder = capture();
    for (let i = 0; i < 600; i++) {
      const ends = { from: `10.0.0.1:${40_000 + i}`, to: b };
      builder.handshake(ends).fin(ends).fin({ from: b, to: ends.from });
    }
    for (let i = 0; i < 512; i++) builder.syn({ from: `10.9.${i >> 8}.${i & 255}:40000`, to: b });
    const found = analyse(builder, { maxConnections: 512 });
    const counts = (handshake: string): number =>
      found.connections.filter((connection) => connection.handshake === handshake).length;
    expect([counts('complete'), counts('unanswered')]).toEqual([2, 510]);
    expect([found.connectionsDropped, found.uneventful]).toEqual([2, 598]);
    expect(found.services).toMatchObject([{ connections: 1112, complete: 600, unanswered: 512 }]);
  });

  it('on connections: one with a long silence or a delayed-ACK stall is not let go as if nothing had happened', () => {
    const silent = capture();
    const stalled = capture();
    for (let i = 0; i < 30; i++) {
      const there = { from: `10.0.0.1:${40_000 + i}`, to: b };
      const back = { from: b, to: there.from };
      silent.handshake(there).data(there).ack(back);
      silent
        .data({ ...there, afterMs: 70_000 })
        .ack(back)
        .fin(there)
        .fin(back)
        .ack(there);
      stalled
        .handshake(there)
        .data({ ...there, payload: 100 })
        .ack({ ...back, afterMs: 40 });
      stalled
        .data({ ...there, payload: 100 })
        .ack(back)
        .fin(there)
        .fin(back)
        .ack(there);
    }
    expect(analyse(stalled).connections[0]?.flow.client.delayedAckStalls?.count).toBe(1);
    for (const builder of [silent, stalled]) {
      const { connectionsDropped, uneventful, services } = analyse(builder, { maxConnections: 20 });
      expect([connectionsDropped, uneventful]).toEqual([10, 0]);
      expect(services).toMatchObject([{ connections: 30, complete: 30 }]);
      const few = analyse(builder, { maxFacts: 5 });
      expect([few.connections.length, few.uneventful]).toEqual([5, 25]);
      expect(few.problems).toEqual([]);
    }
  });

  it('on SYNs of one connection', () => {
    const found = analyse(
      flood(50, (builder) => builder.syn({ ...fromA, afterMs: 1000 })),
      { maxSynsPerConnection: 8 },
    );
    expect(found.connections[0]?.syns).toHaveLength(8);
    expect(found.connections[0]?.packets.client).toBe(50);
    expect(found.problems).toEqual([{ message: '42 SYNs were not kept: at most 8 per connection are' }]);
  });
});

describe('whatever the bytes are', () => {
  const options: readonly CaptureOptions[] = [
    {},
    { format: 'pcapng' },
    { linkType: 276 },
    { byteOrder: 'big', linkType: 101 },
  ];
  const files = options.map((option) =>
    capture(option)
      .handshake(fromA)
      .data({ ...fromA, tsval: 5 })
      .ack({ ...fromB, sack: [[1, 2]] })
      .icmpError({ from: b, to: a, type: 3, code: 4, mtu: 1400, about: { from: a, to: b } })
      .fin(fromA)
      .syn({ from: '[2001:db8::1]:1', to: '[2001:db8::2]:2' })
      .bytes(),
  );
  it('analysis does not throw: cut, bits flipped, chunks of any size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(1200), fc.nat(255)), { maxLength: 12 }),
        fc.nat(1200),
        fc.integer({ min: 1, max: 300 }),
        (file, changes, keep, step) => {
          const bytes = concat(file.slice(0, keep));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const analyser = createCaptureAnalyser({ evidence: 'x' });
          for (let at = 0; at < bytes.length; at += step) {
            analyser.push(bytes.slice(at, at + step));
            analyser.snapshot();
          }
          expect(analyser.finish().connections.length).toBeLessThan(12);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
