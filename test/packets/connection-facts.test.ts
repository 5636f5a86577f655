import { describe, expect, it } from 'vitest';
import type { Capture, Connection } from '../../src/model/facts.ts';
import { type CaptureAnalyserOptions, createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { createPcapSession, type PcapSession, type PcapSessionOptions } from '../../src/packets/analyse-file.ts';
import { type CaptureBuilder, capture } from './build-capture.ts';

const a = '10.0.0.1:40000';
const b = '10.0.0.2:1301';
const fromA = { from: a, to: b };
const fromB = { from: b, to: a };

function analyse(builder: CaptureBuilder, options: Partial<CaptureAnalyserOptions> = {}): Capture {
  const analyser = createCaptureAnalyser({ evidence: 'x', ...options });
  analyser.push(builder.bytes());
  return analyser.finish();
}
function only(builder: CaptureBuilder): Connection {
  const { connections } = analyse(builder);
  expect(connections).toHaveLength(1);
  const [connection] = connections;
  if (connection === undefined) throw new Error('no connection');
  return connection;
}
/** A connection that ends well. */
function whole(builder: CaptureBuilder, client: string, server = b): CaptureBuilder {
  const there = { from: client, to: server };
  const back = { from: server, to: client };
  return builder.handshake(there).data(there).ack(back).fin(there).fin(back).ack(there);
}
const address = (i: number): string => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:40000`;

describe('answers', () => {
  it('SYN+ACKs have sequence number, TTL and timestamp', () => {
    const { synAcks, syns } = only(
      capture()
        .syn({ ...fromA, tsval: 5 })
        .synAck({ ...fromB, seq: 4_000_000_000, ttl: 61, tsval: 4_294_967_295 })
        .synAck({ ...fromB, seq: 4_000_000_000, ttl: 62, afterMs: 1000 }),
    );
    expect(syns.map((syn) => syn.sequence)).toEqual([1_000_000]);
    expect(synAcks).toMatchObject([
      { frame: 2, sequence: 4_000_000_000, ttl: 61, tsval: 4_294_967_295 },
      { frame: 3, sequence: 4_000_000_000, ttl: 62, tsval: null },
    ]);
  });

  it('round trips are those of the SYN that was answered', () => {
    const found = only(
      capture()
        .syn(fromA)
        .syn({ ...fromA, afterMs: 1000 })
        .synAck({ ...fromB, afterMs: 3 })
        .ack({ ...fromA, afterMs: 0.5 }),
    );
    expect(found.serverRttMs).toBeCloseTo(3, 6);
    expect(found.initialRttMs).toBeCloseTo(3.5, 6);
    expect(only(capture().syn(fromA))).toMatchObject({ serverRttMs: null, initialRttMs: null });
    expect(
      only(
        capture()
          .synAck({ ...fromB, ack: 1_000_001 })
          .ack(fromA),
      ),
    ).toMatchObject({
      serverRttMs: null,
      initialRttMs: null,
    });
  });
});

describe('RSTs', () => {
  const open = (): CaptureBuilder => capture().handshake(fromA);
  const last = (builder: CaptureBuilder): Connection['resets'][number] | undefined => only(builder).resets.at(-1);

  it.each([
    ['exact', 'where the receiver waits', { ...fromB, seq: 5_000_001 }],
    ['inWindow', 'further on in its window', { ...fromB, seq: 5_000_101 }],
    ['outside', 'before', { ...fromB, seq: 5_000_000 }],
    ['outside', 'behind its window (64240 · 2^7)', { ...fromB, seq: 5_000_001 + 64_240 * 128 }],
    ['inWindow', 'at the last byte of its window', { ...fromB, seq: 5_000_000 + 64_240 * 128 }],
  ] as const)('%s: %s', (sequence, _, options) => {
    expect(last(open().ack(fromA).rst(options))?.sequence).toBe(sequence);
  });

  it('are exact after bytes that were seen and are not acknowledged yet', () => {
    expect(last(open().data(fromB).rst(fromB))?.sequence).toBe('exact');
  });
  it('that answer a SYN are judged by what they acknowledge; without that nothing is known', () => {
    expect(last(capture().syn(fromA).refuse(fromB))).toMatchObject({ sequence: 'exact', answersSyn: true });
    expect(
      last(
        capture()
          .syn(fromA)
          .refuse({ ...fromB, ack: 77 }),
      ),
    ).toMatchObject({ sequence: 'outside', answersSyn: false });
    expect(last(capture().syn(fromA).rst(fromB))?.sequence).toBe('unknown');
    expect(last(capture().rst(fromA))?.sequence).toBe('unknown');
  });

  it('with and without the ACK flag are told apart', () => {
    expect(last(open().data(fromA).rst(fromB))).toMatchObject({ ack: false, sequence: 'exact', answersSyn: false });
    expect(last(open().tcp({ ...fromB, flags: 'RA' }))).toMatchObject({ ack: true, sequence: 'exact' });
    expect(last(capture().syn(fromA).refuse(fromB))).toMatchObject({ ack: true, answersSyn: true });
  });

  it('have the IP id before, the time since the last packet and what was not acknowledged', () => {
    const builder = capture()
      .handshake(fromA)
      .ack({ ...fromB, ipId: 500 })
      .data({ ...fromA, payload: 300 })
      .rst({ ...fromB, ipId: 9, afterMs: 7 });
    const reset = last(builder);
    expect(reset).toMatchObject({ from: 'server', ipId: 9, ipIdBefore: 500, unacknowledged: 300 });
    expect(reset?.afterMs).toBeCloseTo(7, 6);
    expect(last(capture().syn(fromA).refuse(fromB))).toMatchObject({ ipIdBefore: null, unacknowledged: 0 });
    const acknowledged = open().data(fromA).ack(fromB).fin(fromA).rst(fromB);
    expect(last(acknowledged)).toMatchObject({ unacknowledged: 0 });
  });
});

describe('completeness, as tshark 4.0 counts it', () => {
  it.each([
    [1, capture().syn(fromA)],
    [3, capture().syn(fromA).synAck(fromB)],
    [7, capture().handshake(fromA)],
    [15, capture().handshake(fromA).data(fromA)],
    [31, whole(capture(), a)],
    [37, capture().syn(fromA).refuse(fromB)],
    [33, capture().syn(fromA).rst(fromB)],
    [9, capture().syn({ ...fromA, payload: 5 })],
    [8, capture().data(fromA)],
  ])('%i', (completeness, builder) => {
    expect(only(builder).completeness).toBe(completeness);
  });
});

describe('the end', () => {
  const open = (): CaptureBuilder => capture().handshake(fromA);
  it.each([
    ['open', null, open()],
    ['neverOpened', null, capture().syn(fromA)],
    ['neverOpened', null, capture().syn(fromA).refuse(fromB)],
    ['fin', 'server', open().fin(fromB).fin(fromA).ack(fromB)],
    ['fin', 'client', open().fin(fromA).fin(fromB).rst(fromA)],
    ['halfClosed', 'client', open().fin(fromA).ack(fromB)],
    ['rst', 'server', open().rst(fromB)],
    ['rst', 'client', open().data(fromA).fin(fromA).rst(fromB)],
    ['open', null, open().ack(fromA)],
  ] as const)('%s by %s', (how, by, builder) => {
    expect(only(builder).end).toEqual({ how, by });
  });
  it('is not brought by a RST that no receiver believes', () => {
    expect(
      only(
        open()
          .ack(fromA)
          .rst({ ...fromB, seq: 4_000_000 })
          .data(fromA),
      ).end.how,
    ).not.toBe('rst');
  });
});

describe('the same ports again', () => {
  it('are told with the connection before and the time since', () => {
    const { connections } = analyse(
      whole(capture(), a)
        .syn({ ...fromA, seq: 9_000_000, afterMs: 2000 })
        .syn({ ...fromA, seq: 9_000_000, afterMs: 1000 }),
    );
    expect(connections.map(({ number, portReuse }) => [number, portReuse?.number])).toEqual([
      [0, undefined],
      [1, 0],
    ]);
    expect(connections[1]?.portReuse?.sinceMs).toBeCloseTo(2000, 3);
  });
  it('are not lost when the connection before has to go', () => {
    const { connections } = analyse(whole(capture(), a).syn({ ...fromA, seq: 9 }), { maxConnections: 1 });
    expect(connections).toMatchObject([{ number: 1, portReuse: { number: 0 } }]);
  });
});

describe('places', () => {
  it('count every packet per device, direction and side, first and further sightings', () => {
    const builder = capture({ linkType: 276 })
      .syn({ ...fromA, interfaceIndex: 2, direction: 'in' })
      .again({ interfaceIndex: 5, direction: 'out', ttlLess: 1 })
      .synAck({ ...fromB, interfaceIndex: 5, direction: 'in' })
      .again({ interfaceIndex: 2, direction: 'out', ttlLess: 1 })
      .ack({ ...fromA, interfaceIndex: 2, direction: 'in' })
      .data({ ...fromA, interfaceIndex: 2, direction: 'in' })
      .again({ interfaceIndex: 5, direction: 'out', ttlLess: 1 });
    const found = only(builder);
    expect(found.places).toEqual([
      { interfaceIndex: 2, direction: 'in', tunnel: null, client: 3, server: 0 },
      { interfaceIndex: 5, direction: 'out', tunnel: null, client: 2, server: 0 },
      { interfaceIndex: 5, direction: 'in', tunnel: null, client: 0, server: 1 },
      { interfaceIndex: 2, direction: 'out', tunnel: null, client: 0, server: 1 },
    ]);
    expect(found.packets).toEqual({ client: 3, server: 1 });
  });
  it('are at most eight, and none where the capture has one', () => {
    const builder = capture({ linkType: 276 }).syn({ ...fromA, interfaceIndex: 1 });
    for (let i = 2; i < 20; i++) builder.again({ interfaceIndex: i });
    expect(only(builder).places).toHaveLength(8);
    expect(only(capture().syn(fromA)).places).toEqual([]);
  });
  it('do not change what is said of the packets', () => {
    const facts = (again: boolean): Connection => {
      const builder = capture({ linkType: 276 });
      const see = (): unknown => (again ? builder.again({ interfaceIndex: 7, afterMs: 0 }) : builder);
      builder.syn(fromA);
      see();
      builder.synAck(fromB);
      see();
      builder.ack(fromA);
      see();
      for (let i = 0; i < 20; i++) {
        builder.data({ ...fromA, ...(i % 7 === 3 ? { seq: 1_000_001 } : {}) });
        see();
        builder.ack({ ...fromB, window: i === 5 ? 0 : 1000 });
        see();
      }
      builder.rst(fromB);
      see();
      return only(builder);
    };
    const once = facts(false);
    const twice = facts(true);
    expect(once.retransmitted.client).toBeGreaterThan(0);
    const { packets, bytes, retransmitted, handshake, end, completeness, initialRttMs } = twice;
    expect({ packets, bytes, retransmitted, handshake, end, completeness, initialRttMs }).toEqual({
      packets: once.packets,
      bytes: once.bytes,
      retransmitted: once.retransmitted,
      handshake: once.handshake,
      end: once.end,
      completeness: once.completeness,
      initialRttMs: once.initialRttMs,
    });
    const stable = ({ holes, zeroWindows, keepAlives, ...counts }: Connection['flow']['client']): unknown => [
      holes.length,
      zeroWindows.length,
      keepAlives?.count,
      { ...counts, fin: null },
    ];
    expect(stable(twice.flow.client)).toEqual(stable(once.flow.client));
  });
});

describe('SYN sources', () => {
  const syn = (builder: CaptureBuilder, port: number, tsval: number | null, answered: boolean): CaptureBuilder => {
    const client = `10.0.0.1:${port}`;
    builder.syn({ from: client, to: b, tsval, afterMs: 100 });
    return answered ? builder.synAck({ from: b, to: client }).ack({ from: client, to: b }) : builder;
  };
  it('unanswered behind what an answered connection showed: for tcp_tw_recycle', () => {
    const builder = capture();
    syn(builder, 1, 10_000, true);
    syn(builder, 2, 5000, false);
    syn(builder, 3, 5000, true);
    syn(builder, 4, 11_000, false);
    syn(builder, 5, null, false);
    builder.syn({ from: '10.0.0.1:5', to: b, afterMs: 1000 });
    expect(analyse(builder).synSources).toEqual([
      { address: '10.0.0.1', syns: 6, unanswered: 3, unansweredBehind: 1, answeredBehind: 1, unansweredAhead: 1 },
    ]);
  });
  it('after a minute, or before anything was shown, nothing is said', () => {
    const builder = syn(capture(), 1, 900, false);
    syn(builder, 2, 10_000, true);
    builder.syn({ from: '10.0.0.1:3', to: b, tsval: 5000, afterMs: 61_000 });
    expect(analyse(builder).synSources).toMatchObject([
      { unanswered: 2, unansweredBehind: 0, answeredBehind: 0, unansweredAhead: 0 },
    ]);
  });
  it('timestamps wrap', () => {
    const builder = syn(capture(), 1, 100, true);
    syn(builder, 2, 4_294_967_000, false);
    expect(analyse(builder).synSources).toMatchObject([{ unansweredBehind: 1 }]);
  });
});

describe('services', () => {
  it('count what became of all connections, per server', () => {
    const builder = whole(whole(capture(), '10.0.0.1:1'), '10.0.0.9:1');
    builder.syn({ from: '10.0.0.1:2', to: b }).refuse({ from: b, to: '10.0.0.1:2' });
    builder.handshake({ from: '10.0.0.1:3', to: b }).rst({ from: b, to: '10.0.0.1:3' });
    builder.syn({ from: '10.0.0.1:4', to: b }).syn({ from: '10.0.0.1:4', to: b });
    builder.syn({ from: '[2001:db8::1]:4', to: '[2001:db8::2]:53' });
    expect(analyse(builder).services).toEqual([
      {
        server: { address: '10.0.0.2', port: 1301 },
        connections: 5,
        complete: 3,
        unanswered: 1,
        refused: 1,
        reset: 1,
        packets: 24,
        retransmitted: 1,
        clients: 2,
      },
      {
        server: { address: '2001:db8::2', port: 53 },
        connections: 1,
        complete: 0,
        unanswered: 1,
        refused: 0,
        reset: 0,
        packets: 1,
        retransmitted: 0,
        clients: 1,
      },
    ]);
  });
  it('are at most a thousand, the busiest; of the busy one nothing is lost', () => {
    const builder = capture();
    for (let i = 0; i < 40_000; i++) {
      const [host] = address(i).split(':');
      builder.syn({ from: a, to: `${host}:80`, afterMs: 0.01 });
      if (i % 100 === 0) builder.syn({ from: address(i), to: b, afterMs: 0.01 });
    }
    const { services, problems } = analyse(builder, { maxConnections: 100 });
    expect(problems.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^\d+ of the less busy services and clients are not counted one by one/),
    );
    expect(services).toHaveLength(1000);
    expect(services[0]).toMatchObject({ server: { port: 1301 }, connections: 400, unanswered: 400, clients: 400 });
  }, 20_000);
});

describe('a SYN flood', () => {
  const sources = 50_000;
  const flood = (): CaptureBuilder => {
    const builder = capture();
    builder.handshake(fromA);
    builder.syn({ from: '10.0.0.7:1', to: b }).synAck({ from: b, to: '10.0.0.7:1' });
    builder.syn({ from: '10.0.0.8:1', to: b }).refuse({ from: b, to: '10.0.0.8:1' });
    builder.data({ from: '10.0.0.9:50000', to: b });
    whole(builder, '10.0.0.6:1');
    builder.syn({ from: '10.0.0.5:1', to: b });
    for (let i = 0; i < sources; i++) builder.syn({ from: address(i), to: b, afterMs: 0.01 });
    return builder.data(fromA).fin(fromA).fin(fromB);
  };
  it('pushes out its own oldest, never what was answered; everything is counted', () => {
    const found = analyse(flood(), { maxConnections: 1000 });
    expect(found.connections).toHaveLength(1000);
    expect(found.connections.slice(0, 5).map(({ client }) => client.address)).toEqual([
      '10.0.0.1',
      '10.0.0.7',
      '10.0.0.8',
      '10.0.0.9',
      '10.0.0.6',
    ]);
    expect(found.connections[0]).toMatchObject({ number: 0, end: { how: 'fin' }, bytes: { client: 100 } });
    expect(found.connections.at(-1)?.number).toBe(sources + 5);
    expect([found.connectionsDropped, found.uneventful]).toEqual([sources + 6 - 1000, 0]);
    expect(found.problems[0]?.message).toBe('49006 connections were let go: at most 1000 are kept');
    expect(found.services[0]).toMatchObject({
      connections: sources + 6,
      unanswered: sources + 1,
      complete: 2,
      refused: 1,
      clients: 1000,
    });
  }, 20_000);
  it('does not push out the addresses that are to be kept', () => {
    const found = analyse(flood(), { maxConnections: 100, keep: ['10.0.0.5', '10.0.0.6'] });
    const kept = found.connections.map(({ client }) => client.address);
    expect(kept).toContain('10.0.0.5');
    expect(kept).toContain('10.0.0.6');
    expect(kept).toHaveLength(100);
  }, 20_000);
  it('such an address finds room where nothing else does', () => {
    const builder = capture();
    for (let i = 0; i < 30; i++) builder.handshake({ from: address(i), to: b });
    builder.syn({ from: '10.0.0.3:1', to: b }).syn({ from: '10.0.0.5:1', to: b });
    const found = analyse(builder, { maxConnections: 20, keep: ['10.0.0.5'] });
    expect(found.connections).toHaveLength(20);
    expect(found.connections.at(-1)?.client.address).toBe('10.0.0.5');
    expect(found.connections.map(({ client }) => client.address)).not.toContain('10.0.0.3');
  });
  it('leaves nothing of a connection behind for the next one in its slot', () => {
    const builder = capture({ linkType: 276 });
    const noisy = { from: '10.0.0.1:1', to: b };
    const back = { from: b, to: '10.0.0.1:1' };
    builder
      .handshake(noisy)
      .data(noisy)
      .data({ ...noisy, seq: 1_000_500 });
    builder.data({ ...noisy, seq: 1_000_001, afterMs: 300 }).ack({ ...back, window: 0 });
    builder.fin(noisy).fin(back);
    const quiet = (target: CaptureBuilder): CaptureBuilder => target.handshake({ from: '10.0.0.9:7', to: b, tsval: 5 });
    const first = analyse(quiet(capture({ linkType: 276 }))).connections[0];
    const second = analyse(quiet(builder), { maxConnections: 1 }).connections[0];
    const timeless = (connection: Connection | undefined): unknown =>
      connection === undefined
        ? null
        : {
            ...connection,
            number: 0,
            firstAtMs: 0,
            lastAtMs: 0,
            syns: connection.syns.length,
            synAcks: connection.synAcks.length,
            initialRttMs: connection.initialRttMs?.toFixed(3),
            serverRttMs: connection.serverRttMs?.toFixed(3),
            flow: JSON.stringify(connection.flow, (key, value: unknown) => (key.endsWith('Ms') ? 0 : value)),
          };
    expect(second?.number).toBe(1);
    expect(timeless(second)).toEqual(timeless(first));
  });
});

describe('a session over a file', () => {
  const session = (builder: CaptureBuilder, options: Partial<PcapSessionOptions> = {}): PcapSession => {
    const made = createPcapSession({ mode: 'netcheck', packets: false, ...options });
    made.push(builder.bytes());
    return made;
  };
  const many = (): CaptureBuilder => {
    const builder = capture();
    for (let i = 0; i < 60; i++) {
      if (i % 20 === 7) builder.syn({ from: address(i), to: b });
      else if (i === 30) builder.handshake({ from: address(i), to: b }).rst({ from: b, to: address(i) });
      else whole(builder, address(i));
    }
    return builder;
  };
  it('makes facts of those first that something happened to', () => {
    const { capture: found } = session(many(), { maxFacts: 10 }).finish();
    expect(found.connections.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 7, 27, 30, 47]);
    expect(found.uneventful).toBe(50);
    expect(found.problems).toEqual([]);
    expect(found.services).toMatchObject([{ connections: 60 }]);
  });
  it('gives every kind of trouble its share, and says what was left out', () => {
    const { capture: found } = session(many(), { maxFacts: 2 }).finish();
    expect(found.connections.map(({ number }) => number)).toEqual([7, 30]);
    expect(found.uneventful).toBe(56);
    expect(found.problems).toEqual([{ message: '2 more connections did not go well: the worst 2 are listed' }]);
  });
  it('gives all of them one by one', () => {
    const made = session(many(), { maxFacts: 2 });
    made.finish();
    expect([...made.connections()].map(({ number }) => number)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  });
  it('keeps the packets of one connection when asked', () => {
    const made = session(many(), { log: { maxPackets: 100, only: 30 } });
    made.finish();
    expect(made.packetsOf(30).map(({ flags }) => flags)).toEqual(['SYN', 'SYN,ACK', 'ACK', 'RST']);
    expect(made.packetsOf(29)).toEqual([]);
  });
});
