import { describe, expect, test } from 'vitest';
import type { JoinedCaptures } from '../../src/model/packet-facts.ts';
import { type CapturePlace, joinCaptures } from '../../src/packets/join-captures.ts';
import { SeededRandom } from './seeded-random.ts';
import {
  atPlaces,
  diedAsJoined,
  diedInTruth,
  fileOf,
  type PlaceOptions,
  placeOf,
  randomSent,
  recordedAt,
  type Sent,
  story,
} from './several-places.ts';

const options = { mss: 1460, windowScale: 7, sackPermitted: true };
const client = { from: 'client', seq: 1001, ack: 5001 } as const;
const server = { from: 'server', seq: 5001, ack: 1001 } as const;

/** SYN, SYN+ACK and ACK, 1 ms from place to place. */
function handshake(atMs = 0): readonly Sent[] {
  return [
    { ...client, atMs, flags: 'S', seq: 1000, ack: 0, ipId: 11, tsval: 100, ...options },
    { ...server, atMs: atMs + 3, flags: 'SA', seq: 5000, ack: 1001, tsval: 900, tsecr: 100, ...options },
    { ...client, atMs: atMs + 6, flags: 'A', ipId: 12, tsval: 106, tsecr: 900 },
  ];
}
/** Both places go on seeing something, so that they were capturing in between. */
const farewell: readonly Sent[] = [
  { ...server, atMs: 9000, flags: 'A', ack: 1000, ipId: 77, tsval: 9900, tsecr: 106 },
  { ...client, atMs: 9003, flags: 'A', seq: 1000, ipId: 78, tsval: 9106, tsecr: 9900 },
];
const two: readonly PlaceOptions[] = [{ name: 'a' }, { name: 'b', offsetMs: -350 }];
const three: readonly PlaceOptions[] = [{ name: 'a' }, { name: 'b', offsetMs: 5000 }, { name: 'c', offsetMs: -350 }];
const elsewhere = (client: string): readonly PlaceOptions[] => two.map((place) => ({ ...place, client }));
const nat = { client: '192.168.7.9:61000', server: '172.16.0.50:1301' };
const always = (places: readonly CapturePlace[]): readonly CapturePlace[] =>
  places.map((place) => ({ ...place, capturing: { fromMs: 0, untilMs: Number.MAX_VALUE } }));

function data(atMs: number, seq: number, payload: number, more: Partial<Sent> = {}): Sent {
  return {
    ...client,
    atMs,
    flags: 'PA',
    seq: 1000 + seq,
    payload,
    tsval: 100 + atMs,
    tsecr: 900,
    ipId: 100 + atMs,
    ...more,
  };
}

describe('one connection at several places', () => {
  test('packets that arrive', () => {
    const joined = joinCaptures(atPlaces(three, handshake()));
    expect(joined.places).toEqual(['a', 'b', 'c']);
    expect(joined.connections[0]).toMatchObject({ numbers: [0, 0, 0], by: 'addresses', matchedBy: [], way: [0, 1, 2] });
    expect(story(joined)).toEqual([
      'client SYN 0+0 a1 b1 c1 arrived',
      'server SYN,ACK 0+0 a2 b2 c2 arrived',
      'client ACK 1+0 a3 b3 c3 arrived',
    ]);
    expect(joined.connections[0]?.died).toEqual([]);
    // All on the first place's clock.
    const [syn] = joined.connections[0]?.packets ?? [];
    expect(syn?.seen.map((sight) => Math.round((sight?.atMs ?? 0) - Date.UTC(2026, 0, 1)))).toEqual([0, 1, 2]);
  });

  test('a packet that dies, and its retransmission that arrives', () => {
    const joined = joinCaptures(
      atPlaces(three, [
        ...handshake(),
        data(10, 1, 1440, { diesBefore: 2 }),
        data(12, 1441, 20),
        data(220, 1, 1440, { diesBefore: 1 }),
        data(640, 1, 1440),
        ...farewell,
      ]),
    );
    expect(story(joined).slice(3, 7)).toEqual([
      'client PSH,ACK 1+1440 a4 b4 c- died',
      'client PSH,ACK 1441+20 a5 b5 c4 arrived',
      'client PSH,ACK 1+1440 a6 b- c- died',
      'client PSH,ACK 1+1440 a7 b6 c5 arrived',
    ]);
    expect(joined.connections[0]?.died).toEqual([
      { from: 'client', after: 1, before: 2, packets: 1, smallest: 1440, largest: 1440 },
      { from: 'client', after: 0, before: 1, packets: 1, smallest: 1440, largest: 1440 },
    ]);
    expect(joined.connections[0]?.packets[5]?.analysis).toEqual(['retransmission']);
  });

  test('retransmissions without IP id and TSval are told apart by time', () => {
    const bare = { ipId: 0, tsval: undefined as never, tsecr: undefined as never };
    const strip = (sent: readonly Sent[]) =>
      sent.map(({ tsval: _v, tsecr: _e, ...packet }) => ({ ...packet, ipId: 0 }));
    const joined = joinCaptures(
      atPlaces(
        two,
        strip([
          ...handshake(),
          data(10, 1, 500, { ...bare, diesBefore: 1 }),
          data(220, 1, 500, bare),
          data(230, 501, 500, bare),
          data(300, 1001, 500, { ...bare, diesBefore: 1 }),
          data(500, 1001, 500, { ...bare, diesBefore: 1 }),
          data(900, 1001, 500, bare),
          ...farewell,
        ]),
      ),
    );
    expect(story(joined).filter((line) => line.includes('+500'))).toEqual([
      'client PSH,ACK 1+500 a4 b- died',
      'client PSH,ACK 1+500 a5 b4 arrived',
      'client PSH,ACK 501+500 a6 b5 arrived',
      'client PSH,ACK 1001+500 a7 b- died',
      'client PSH,ACK 1001+500 a8 b- died',
      'client PSH,ACK 1001+500 a9 b6 arrived',
    ]);
  });

  test('a RST that the other end never sent', () => {
    const joined = joinCaptures(
      atPlaces(two, [
        ...handshake(),
        data(10, 1, 100),
        { ...server, from: 'server', atMs: 11, flags: 'R', ttl: 250, madeBefore: 1, delaysMs: [0.5] },
        ...farewell,
      ]),
    );
    expect(story(joined)).toContain('server RST 1+0 a5 b- appeared');
    expect(joined.connections[0]?.died).toEqual([]);
  });

  test('segments that were sent as one: all there, or some of them lost', () => {
    const one = { payload: 4344 };
    const joined = joinCaptures(
      atPlaces(three, [
        ...handshake(),
        data(10, 1, 1448, { inOne: { first: true, ...one } }),
        data(10, 1449, 1448, { inOne: { first: false, ...one } }),
        data(10, 2897, 1448, { inOne: { first: false, ...one } }),
        data(20, 4345, 1448, { inOne: { first: true, ...one }, diesBefore: 2 }),
        data(20, 5793, 1448, { inOne: { first: false, ...one } }),
        data(20, 7241, 1448, { inOne: { first: false, ...one }, diesBefore: 1 }),
        data(300, 7241, 1448),
        ...farewell,
      ]),
    );
    expect(story(joined).slice(3, -2)).toEqual([
      'client PSH,ACK 1+4344 a4 b4 c4 arrived',
      'client ACK 4345+1448 a5 b7 c- died',
      'client ACK 5793+1448 a5 b8 c7 arrived',
      'client PSH,ACK 7241+1448 a5 b- c- died',
      'client PSH,ACK 7241+1448 a6 b9 c8 arrived',
    ]);
  });

  test('segments that the receiver’s card put together', () => {
    // The server's way begins at place b: what is one there is many at place a, and here it is the other way round.
    const sent = [
      ...handshake(),
      ...[1, 1449, 2897].map((seq) => ({
        ...server,
        atMs: 10,
        flags: 'A',
        seq: 5000 + seq,
        payload: 1448,
        tsval: 5,
        inOne: { first: seq === 1, payload: 4344 },
      })),
    ] satisfies readonly Sent[];
    const joined = joinCaptures(atPlaces([{ name: 'a' }, { name: 'b' }], sent));
    expect(story(joined).slice(3)).toEqual(['server ACK 1+4344 a4 b4 arrived']);
    const reversed = joinCaptures(atPlaces([{ name: 'a' }, { name: 'b' }], sent).toReversed());
    expect(story(reversed)).toEqual(story(joined));
    expect(reversed).toMatchObject({ places: ['a', 'b'], given: [1, 0] });
  });

  test('sequence numbers that a firewall changes on the way', () => {
    const moved = { client: 77_777, server: -5_000_000 };
    const places = [{ name: 'a' }, { name: 'b', moved }];
    const sent = [...handshake(), data(10, 1, 100, { diesBefore: 1 }), data(230, 1, 100), ...farewell];
    const joined = joinCaptures(atPlaces(places, sent));
    expect(joined.connections).toHaveLength(1);
    expect(joined.connections[0]).toMatchObject({ by: 'addresses', died: [{ packets: 1, smallest: 100 }] });
    // With new addresses, too: TSval and IP id of the SYN are left.
    const translated = joinCaptures(atPlaces([{ name: 'a' }, { name: 'b', moved, ...nat }], sent));
    expect(translated.connections[0]).toMatchObject({
      by: 'nat',
      matchedBy: ['tsval', 'ipId'],
      died: [{ packets: 1 }],
    });
  });

  test('a capture that began later', () => {
    const sent = [
      ...handshake(),
      ...[1, 101, 201, 301, 401].map((seq, index) =>
        data(10 + index * 10, seq, 100, index === 3 ? { diesBefore: 1 } : {}),
      ),
      ...farewell,
    ];
    const [a, b] = atPlaces(two, sent);
    const late = atPlaces(two, sent.slice(4));
    for (const places of [
      [a, late[1]],
      [late[0], b],
      [late[0], late[1]],
    ]) {
      const joined = joinCaptures(places.filter((place) => place !== undefined));
      expect(joined.connections).toHaveLength(1);
      expect(joined.connections[0]?.died).toEqual([
        { from: 'client', after: 0, before: 1, packets: 1, smallest: 100, largest: 100 },
      ]);
      // What only one of them was there for is not said to have died, or to have been made.
      expect(story(joined).filter((line) => line.includes('appeared'))).toEqual([]);
    }
    const translated = atPlaces([{ name: 'a' }, { name: 'b', ...nat }], sent.slice(4));
    expect(joinCaptures(translated).connections[0]).toMatchObject({
      by: 'nat',
      matchedBy: expect.arrayContaining(['seq']),
    });
  });

  test('SYNs alone: the TTL says in which order the places are, IP id and TSval which SYN is which', () => {
    const syns = [0, 1000, 3000].map((atMs, index) => ({
      ...client,
      atMs,
      flags: 'S',
      seq: 1000,
      ack: 0,
      ipId: 11 + index,
      tsval: 100 + atMs,
      ...options,
      ...(index === 1 ? { diesBefore: 1 } : {}),
    })) satisfies readonly Sent[];
    const joined = joinCaptures(atPlaces(two, syns).toReversed());
    expect(joined).toMatchObject({
      places: ['a', 'b'],
      given: [1, 0],
      clocks: [{}, { samples: 2, uncertaintyMs: 1000 }],
    });
    expect(Math.abs((joined.clocks[1]?.offsetMs ?? 0) + 350)).toBeLessThan(2);
    expect(story(joinCaptures(always(atPlaces(two, syns))))).toEqual([
      'client SYN 0+0 a1 b1 arrived',
      'client SYN 0+0 a2 b- died',
      'client SYN 0+0 a3 b2 arrived',
    ]);
  });

  test('bytes that come in a packet that was not sent here are not those that were', () => {
    const lostAndOther = [
      data(20, 1, 1400, { diesBefore: 1 }),
      data(30, 1, 1400, { madeBefore: 1, tsval: 120, ipId: 9 }),
    ];
    const joined = joinCaptures(atPlaces(two, [...handshake(), ...lostAndOther, ...farewell]));
    expect(story(joined).slice(3, 5)).toEqual([
      'client PSH,ACK 1+1400 a4 b- died',
      'client PSH,ACK 1+1400 a- b4 appeared',
    ]);
    // Nor where they are cut otherwise, with another acknowledgement number.
    const cut = [1, 701].map((seq) => data(30, seq, 700, { madeBefore: 1, tsval: 120, ack: 5002 }));
    const segments = joinCaptures(atPlaces(two, [...handshake(), ...lostAndOther.slice(0, 1), ...cut, ...farewell]));
    expect(segments.connections[0]?.died).toMatchObject([{ packets: 1, largest: 1400 }]);
  });
});

describe('what is uncertain', () => {
  const lost = [
    ...handshake(),
    data(10, 1, 100),
    data(20, 101, 1400, { diesBefore: 1 }),
    data(240, 101, 1400, { diesBefore: 1 }),
  ];

  test('packets after the last one that a place saw, unless it is known that it was capturing', () => {
    const places = atPlaces(two, lost);
    expect(story(joinCaptures(places)).slice(-2)).toEqual([
      'client PSH,ACK 101+1400 a5 b- uncertain',
      'client PSH,ACK 101+1400 a6 b- uncertain',
    ]);
    expect(joinCaptures(always(places)).connections[0]?.died).toMatchObject([{ packets: 2, largest: 1400 }]);
  });

  test('a capture whose kernel dropped packets', () => {
    const places = atPlaces([{ name: 'a' }, { name: 'b', droppedByKernel: 1 }], [...lost, ...farewell]);
    expect(joinCaptures(places).connections[0]?.died).toEqual([]);
    expect(story(joinCaptures(places))).toContain('client PSH,ACK 101+1400 a5 b- uncertain');
  });

  test('what the receiver acknowledged although the place before it did not see it', () => {
    const acked = { ...server, atMs: 30, flags: 'A', ack: 1000 + 1501, tsval: 930, ipId: 5 } satisfies Sent;
    expect(joinCaptures(always(atPlaces(two, [...lost, acked]))).connections[0]?.died).toEqual([]);
  });

  test('a place that sees one direction only', () => {
    const sent = [...handshake(), data(10, 1, 100), ...farewell].map((packet) =>
      packet.from === 'client' ? { ...packet, diesBefore: 1 } : packet,
    );
    const joined = joinCaptures(always(atPlaces(two, sent)));
    expect(joined.connections[0]?.died).toEqual([]);
    expect(story(joined)).toContain('client ACK 1+0 a3 b- uncertain');
    expect(joined.clocks[1]?.uncertaintyMs).toBeGreaterThan(0);
  });

  test('a filter that shows SYNs only', () => {
    const [a, b] = recordedAt(two, [...handshake(), data(10, 1, 100), ...farewell]);
    const syns = b?.filter(({ tcp }) => tcp.flags.includes('S'));
    const joined = joinCaptures(always([fileOf('a', [a]), fileOf('b', [syns])]));
    expect(joined.connections[0]?.died).toEqual([]);
    expect(story(joined)).toContain('client PSH,ACK 1+100 a4 b- uncertain');
  });
});

describe('the same connection elsewhere', () => {
  const at = (places: readonly PlaceOptions[]) => joinCaptures(atPlaces(places, handshake()));

  test.each([
    ['DNAT', { server: nat.server }],
    ['SNAT', { client: nat.client }],
    ['both', nat],
  ])('%s', (_, addresses) => {
    const joined = at([{ name: 'a' }, { name: 'b', ...addresses }]);
    expect(joined.connections).toHaveLength(1);
    expect(joined.connections[0]).toMatchObject({ by: 'nat', matchedBy: ['isn', 'tsval', 'ipId'], died: [] });
    expect(joined.connections[0]?.tuples[1]?.server.port).toBe('server' in addresses ? 1301 : 80);
  });

  test('both sides of a translation in one capture: what is lost inside is said to be', () => {
    const sent = [...handshake(), data(10, 1, 100), data(20, 101, 100, { diesBefore: 2 }), ...farewell];
    const way = [{ name: 'a' }, { name: 'in' }, { name: 'out', ...nat, hops: 0 }, { name: 'c', ...nat }];
    const [a, into, out, c] = recordedAt(way, sent);
    const joined = joinCaptures([fileOf('a', [a]), fileOf('r', [into, out]), fileOf('c', [c])]);
    expect(joined.places).toEqual(['a', 'r', 'c']);
    expect(joined.connections).toHaveLength(1);
    expect(joined.connections[0]).toMatchObject({ by: 'nat', died: [{ after: 1, before: 1, packets: 1 }] });
  });

  test('a proxy that opens a connection of its own is another one', () => {
    const own = handshake(1).map((packet) => ({
      ...packet,
      seq: packet.seq + 31_337,
      ack: (packet.ack ?? 0) + 31_337,
      tsval: (packet.tsval ?? 0) + 4444,
      tsecr: (packet.tsecr ?? 0) + 4444,
      ipId: (packet.ipId ?? 0) + 99,
    }));
    const [front] = atPlaces([{ name: 'a' }], [...handshake(), data(10, 1, 321)]);
    const proxied = [...own, { ...data(11, 1, 321), seq: 1001 + 31_337, tsval: 9, ipId: 4 }];
    for (const addresses of [nat, {}]) {
      const [back] = atPlaces([{ name: 'b', ...addresses }], proxied);
      expect(joinCaptures([front, back].filter((place) => place !== undefined)).connections).toEqual([]);
    }
  });

  test('several connections with one sequence number are told apart', () => {
    const one = [{ name: 'a' }, { name: 'b', client: '192.168.7.9:61000' }];
    const other = [
      { name: 'a', client: '10.0.0.1:40001' },
      { name: 'b', client: '192.168.7.9:61001' },
    ];
    const join = (first: readonly Sent[], second: readonly Sent[]) => {
      const recordings = [recordedAt(one, first), recordedAt(other, second)];
      return joinCaptures(
        ['a', 'b'].map((name, place) =>
          fileOf(
            name,
            recordings.map((each) => each[place]),
          ),
        ),
      );
    };
    const second = handshake(50).map((packet) => ({
      ...packet,
      ipId: (packet.ipId ?? 0) + 9,
      tsval: (packet.tsval ?? 0) + 50,
    }));
    const ports = join(handshake(), second).connections.map(({ tuples }) => tuples.map((tuple) => tuple?.client.port));
    expect(ports).toEqual([
      [40_000, 61_000],
      [40_001, 61_001],
    ]);
    // With nothing to tell them apart they are left alone; SYNs need more than options that are alike.
    expect(join(bare(handshake()), bare(handshake(50))).connections).toEqual([]);
    const otherSyn = bare(handshake(50).slice(0, 1)).map((packet) => ({ ...packet, windowScale: 2 }));
    expect(join(bare(handshake().slice(0, 1)), otherSyn).connections).toEqual([]);
  });

  test('one sequence number and different TSvals are two connections', () => {
    const [a] = atPlaces([{ name: 'a' }], handshake());
    const stamped = handshake().map((packet) => ({ ...packet, tsval: (packet.tsval ?? 0) + 77 }));
    const [b] = atPlaces([{ name: 'b', ...nat }], stamped);
    expect(joinCaptures([a, b].filter((place) => place !== undefined)).connections).toEqual([]);
  });

  test('ports that are used again', () => {
    const again = handshake(3000).map((packet) => ({
      ...packet,
      seq: packet.seq + 500_000,
      ack: (packet.ack ?? 0) + 500_000,
    }));
    const joined = joinCaptures(atPlaces(two, [...handshake(), ...again]));
    expect(joined.connections.map(({ numbers }) => numbers)).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test('connects that one place should have seen and did not', () => {
    const unanswered = [0, 1000, 3000].map((atMs, index) => ({
      ...client,
      atMs: 100 + atMs,
      flags: 'S',
      seq: 70_000,
      ack: 0,
      ipId: 40 + index,
      tsval: 300 + atMs,
      diesBefore: 1,
      ...options,
    })) satisfies readonly Sent[];
    const answered = recordedAt(two, [...handshake(), ...farewell]);
    const others = recordedAt(elsewhere('10.0.0.1:40001'), unanswered);
    const b = fileOf('b', [answered[1], others[1]]);
    const joined = joinCaptures([fileOf('a', [answered[0], others[0]]), b]);
    expect(joined.connections.map(({ numbers }) => numbers)).toEqual([
      [0, 0],
      [1, null],
    ]);
    expect(joined.connections[1]?.died).toEqual([
      { from: 'client', after: 0, before: 1, packets: 3, smallest: 0, largest: 0 },
    ]);
    // Not where another connection to the same server was answered and not seen there either: there is another way.
    const third = handshake(200).map((packet) => ({ ...packet, seq: packet.seq + 9, ack: (packet.ack ?? 0) + 9 }));
    const balanced = recordedAt(elsewhere('10.0.0.1:40002'), third);
    expect(joinCaptures([fileOf('a', [answered[0], others[0], balanced[0]]), b]).connections).toHaveLength(1);
  });
});

describe('limits', () => {
  test('say what they left out', () => {
    const sent = [...handshake(), ...Array.from({ length: 50 }, (_, index) => data(10 + index, 1 + index * 10, 10))];
    const again = sent.map((packet) => ({ ...packet, atMs: packet.atMs + 5000, seq: packet.seq + 99_999 }));
    const places = atPlaces(two, [...sent, ...again]);
    expect(joinCaptures(places, { maxConnections: 1 }).problems).toEqual([
      { message: '1 connections that several places saw were not joined' },
    ]);
    expect(joinCaptures(places, { maxPackets: 50 }).connections).toHaveLength(1);
    const few = joinCaptures(places, { maxPacketsPerConnection: 20, maxConnections: 1 });
    expect(few.connections[0]?.packets).toHaveLength(20);
    expect(few.connections[0]?.died).toEqual([]);
    expect(few.problems.map(({ message }) => message)).toContain('a: 33 packets of joined connections were not kept');
  });

  test.each([
    [[]],
    [atPlaces([{ name: 'a' }], handshake())],
    [[placeOf('a', new Uint8Array(0)), placeOf('b', new Uint8Array(9))]],
  ])('nothing to join', (places) => {
    expect(joinCaptures(places)).toMatchObject({ connections: [], problems: [] });
  });
});

describe('random talks with random loss', () => {
  const talks = Array.from({ length: 60 }, (_, index) => talk(index + 1));

  test('every packet has the fate that it had', () => {
    for (const { seed, places, sent, captured, hasIpIds } of talks) {
      const joined = joinCaptures(always(captured));
      const truth = diedInTruth(sent, places.length);
      const found = diedAsJoined(joined);
      expect(joined.connections, `seed ${seed}`).toHaveLength(1);
      expect(joined.given, `seed ${seed}`).toEqual(places.map((_, index) => index));
      // Which of several ACKs alike died cannot be seen without IP ids: how many did can.
      if (hasIpIds) expect(found, `seed ${seed}`).toEqual(truth);
      else expect(found.length, `seed ${seed}`).toBe(truth.length);
      expect(fatesOf(joined), `seed ${seed}`).toEqual(new Set(truth.length === 0 ? ['arrived'] : ['arrived', 'died']));
    }
  });

  test('the clocks differ by what they differ, within what is said; and nothing is said to have died that did not', () => {
    for (const { seed, places, sent, captured, hasIpIds } of talks) {
      // Here it is not known when a place was capturing.
      const joined = joinCaptures(captured);
      for (const [index, clock] of joined.clocks.entries()) {
        // Times in the file are whole microseconds.
        const error = Math.abs(clock.offsetMs - (places[index]?.offsetMs ?? 0));
        expect(error, `seed ${seed}`).toBeLessThanOrEqual(clock.uncertaintyMs + 0.001);
      }
      const truth = diedInTruth(sent, places.length);
      if (hasIpIds) expect(truth, `seed ${seed}`).toEqual(expect.arrayContaining([...diedAsJoined(joined)]));
    }
  });
});

function talk(seed: number) {
  const random = new SeededRandom(seed * 7);
  const count = random.between(2, 3);
  const translated = random.chance(0.5);
  const hasIpIds = seed % 4 !== 0;
  const places = Array.from(
    { length: count },
    (_, index): PlaceOptions => ({
      name: 'abc'[index] ?? '',
      offsetMs: index === 0 ? 0 : random.between(-100_000, 100_000) / 7,
      hops: random.between(0, 1),
      ...(translated && index > 0 ? nat : {}),
    }),
  );
  const sent = randomSent({
    seed,
    places: count,
    loss: random.pick([0, 0.02, 0.1, 0.3]),
    segments: random.between(1, 40),
    gso: random.pick([1, 1, 3]),
    ipIds: hasIpIds,
    timestamps: random.chance(0.7),
    gapMs: random.pick([0.05, 1, 20]),
  });
  return { seed, places, sent, hasIpIds, captured: atPlaces(places, sent) };
}

function fatesOf({ connections }: JoinedCaptures): ReadonlySet<string> {
  return new Set(connections.flatMap(({ packets }) => packets.map(({ fate }) => fate)));
}

function bare(sent: readonly Sent[]): readonly Sent[] {
  return sent.map(({ tsval: _tsval, tsecr: _tsecr, ...packet }) => ({ ...packet, ipId: 0 }));
}
