import type { Connection } from '../../src/model/facts.ts';
import type { ConversationPacket, JoinedCaptures, JoinedPacket } from '../../src/model/packet-facts.ts';
import { flow, plainConnection } from '../rules/facts.ts';

/** Conversations whose faults have a shape: what the ladders are looked at with. */

export const startMs = 1_700_000_000_000;
export const client = { address: '10.12.1.2', port: 43_512 } as const;
export const server = { address: '10.51.2.2', port: 1301 } as const;

let frame = 0;
export function packet(
  atMs: number,
  from: ConversationPacket['from'],
  flags: string,
  values: Partial<ConversationPacket> = {},
): ConversationPacket {
  frame += 1;
  return {
    frame,
    atMs: startMs + atMs,
    from,
    flags,
    seq: 1,
    ack: flags.includes('ACK') ? 1 : null,
    seqRaw: 0,
    ackRaw: null,
    length: 0,
    window: 64_256,
    sack: [],
    tsval: null,
    tsecr: null,
    ttl: from === 'client' ? 64 : 61,
    ipId: frame,
    mss: null,
    analysis: [],
    places: [],
    ...values,
  };
}

export function conversation(packets: readonly ConversationPacket[], values: Partial<Connection> = {}): Connection {
  const count = (side: 'client' | 'server'): number => packets.filter(({ from }) => from === side).length;
  return {
    ...plainConnection,
    client,
    server,
    syns: [],
    synAcks: [],
    handshake: 'complete',
    resets: [],
    fins: { client: false, server: false },
    bytes: { client: 0, server: 0 },
    packets: { client: count('client'), server: count('server') },
    retransmitted: { client: 0, server: 0 },
    options: { client: null, server: null },
    flow: {
      client: flow({ ttl: { min: 64, max: 64 } }),
      server: flow({ ttl: { min: 61, max: 61 } }),
    },
    firstAtMs: packets[0]?.atMs ?? startMs,
    lastAtMs: packets.at(-1)?.atMs ?? startMs,
    ...values,
  };
}

export function handshake(mss = 1460): ConversationPacket[] {
  frame = 0;
  return [
    packet(0, 'client', 'SYN', { seq: 0, mss, tsval: 492_021_437 }),
    packet(0.412, 'server', 'SYN,ACK', { seq: 0, mss }),
    packet(0.437, 'client', 'ACK'),
  ];
}

export const unansweredSyn = (): ConversationPacket[] => {
  frame = 0;
  return [0, 1000, 3020, 7100].map((atMs, index) =>
    packet(atMs, 'client', 'SYN', {
      seq: 0,
      mss: 1460,
      tsval: 52_196 + atMs,
      analysis: index === 0 ? [] : ['retransmission'],
    }),
  );
};

/** One segment of 1440 bytes never gets through; the 700 bytes after it do. */
export const blackHole = (): ConversationPacket[] => [
  ...handshake(),
  packet(0.6, 'client', 'PSH,ACK', { seq: 1, length: 4 }),
  packet(1, 'server', 'ACK', { seq: 1, ack: 5 }),
  packet(101, 'client', 'PSH,ACK', { seq: 5, length: 1440 }),
  packet(101.1, 'client', 'PSH,ACK', { seq: 1445, length: 700 }),
  packet(101.6, 'server', 'ACK', { ack: 5, sack: [[1445, 2145]], analysis: ['duplicate_ack'] }),
  ...[121, 328, 768, 1600, 3264].map((atMs) =>
    packet(atMs, 'client', 'PSH,ACK', { seq: 5, length: 1440, analysis: ['retransmission'] }),
  ),
];

/** The reader stops; the window shuts for 3 s. */
export const shutWindow = (): ConversationPacket[] => [
  ...handshake(),
  packet(1, 'client', 'ACK', { seq: 1, length: 1448 }),
  packet(1.4, 'server', 'ACK', { ack: 1449, window: 1448 }),
  packet(1.5, 'client', 'PSH,ACK', { seq: 1449, length: 1448, analysis: ['window_full'] }),
  packet(43, 'server', 'ACK', { ack: 2897, window: 0, analysis: ['zero_window'] }),
  packet(263, 'client', 'ACK', { seq: 2896, analysis: ['zero_window_probe'] }),
  packet(263.4, 'server', 'ACK', { ack: 2897, window: 0, analysis: ['zero_window_probe_ack', 'zero_window'] }),
  packet(711, 'client', 'ACK', { seq: 2896, analysis: ['zero_window_probe'] }),
  packet(711.4, 'server', 'ACK', { ack: 2897, window: 0, analysis: ['zero_window_probe_ack', 'zero_window'] }),
  packet(3100, 'server', 'ACK', { ack: 2897, window: 64_256, analysis: ['window_update'] }),
  packet(3100.1, 'client', 'PSH,ACK', { seq: 2897, length: 1448 }),
  packet(3100.6, 'server', 'ACK', { ack: 4345 }),
];

/** IPVS forgets the connection after 15 min; the first packet after that is answered by a RST that is not the server's. */
export const resetAfterIdle = (): ConversationPacket[] => [
  ...handshake(),
  packet(1, 'client', 'PSH,ACK', { seq: 1, length: 212 }),
  packet(1.6, 'server', 'ACK', { ack: 213 }),
  packet(4, 'server', 'PSH,ACK', { seq: 1, ack: 213, length: 980 }),
  packet(4.1, 'client', 'ACK', { seq: 213, ack: 981 }),
  packet(904_100, 'client', 'PSH,ACK', { seq: 213, ack: 981, length: 212 }),
  packet(904_100.3, 'server', 'RST', { seq: 981, ttl: 63, window: 0 }),
];
export const resetAfterIdleConnection = (): Connection => {
  const packets = resetAfterIdle();
  const last = packets.at(-1);
  return conversation(packets, {
    resets: [
      {
        from: 'server',
        atMs: last?.atMs ?? 0,
        ttl: 63,
        frame: last?.frame ?? 0,
        ack: false,
        answersSyn: false,
        ipId: 0,
        ipIdBefore: 812,
        sequence: 'exact',
        afterMs: 0.3,
        unacknowledged: 212,
      },
    ],
    idleGaps: [{ fromMs: startMs + 4.1, idleMs: 904_095.9, endedBy: 'client', with: 'data', frame: 8, answer: 'rst' }],
    end: { how: 'rst', by: 'server' },
  });
};

/** A transfer of which one segment in the middle is lost and sent again fast. */
export const transfer = (): ConversationPacket[] => {
  const packets = handshake();
  let seq = 1;
  let atMs = 1;
  for (let index = 0; index < 200; index += 1) {
    atMs += 0.3;
    if (index === 100) {
      packets.push(packet(atMs, 'client', 'ACK', { seq, length: 1448 }));
      packets.push(packet(atMs + 0.05, 'client', 'ACK', { seq: seq + 1448, length: 1448 }));
      for (let dup = 0; dup < 12; dup += 1) {
        packets.push(
          packet(atMs + 0.1 + dup * 0.02, 'server', 'ACK', {
            ack: seq,
            sack: [[seq + 1448, seq + 2896 + dup]],
            analysis: ['duplicate_ack'],
          }),
        );
      }
      packets.push(packet(atMs + 0.6, 'client', 'ACK', { seq, length: 1448, analysis: ['fast_retransmission'] }));
      seq += 2896;
      packets.push(packet(atMs + 1, 'server', 'ACK', { ack: seq }));
      atMs += 1;
      continue;
    }
    packets.push(packet(atMs, 'client', 'ACK', { seq, length: 1448 }));
    seq += 1448;
    if (index % 2 === 1) packets.push(packet(atMs + 0.1, 'server', 'ACK', { ack: seq }));
  }
  packets.push(
    packet(atMs + 1, 'client', 'FIN,ACK', { seq }),
    packet(atMs + 1.5, 'server', 'FIN,ACK', { ack: seq + 1 }),
  );
  packets.push(packet(atMs + 1.6, 'client', 'ACK', { seq: seq + 1, ack: 2 }));
  return packets;
};

/** Three places: everything passes the forwarder, the large segment dies behind it; then a RST is made in between. */
export const joinedStory = (): JoinedCaptures => {
  let number = 0;
  const sight = (atMs: number) => {
    number += 1;
    return { atMs: startMs + atMs, frame: number };
  };
  const one = (
    atMs: number,
    from: 'client' | 'server',
    flags: string,
    seen: readonly [boolean, boolean, boolean],
    values: Partial<JoinedPacket> = {},
  ): JoinedPacket => {
    const order = from === 'client' ? [0, 1, 2] : [2, 1, 0];
    return {
      from,
      flags,
      seq: 1,
      ack: flags.includes('ACK') ? 1 : null,
      length: 0,
      analysis: [],
      seen: seen.map((was, place) => (was ? sight(atMs + order.indexOf(place) * 0.2) : null)),
      fate: 'arrived',
      ...values,
    };
  };
  const everywhere = [true, true, true] as const;
  const packets: JoinedPacket[] = [
    one(0, 'client', 'SYN', everywhere, { seq: 0 }),
    one(0.7, 'server', 'SYN,ACK', everywhere, { seq: 0 }),
    one(1.2, 'client', 'ACK', everywhere),
    one(1.3, 'client', 'PSH,ACK', everywhere, { length: 4 }),
    one(1.9, 'server', 'ACK', everywhere, { ack: 5 }),
    one(100, 'client', 'PSH,ACK', [true, true, false], { seq: 5, length: 1440, fate: 'died' }),
    one(100.1, 'client', 'PSH,ACK', everywhere, { seq: 1445, length: 700 }),
    one(101, 'server', 'ACK', everywhere, { ack: 5, analysis: ['duplicate_ack'] }),
    ...[320, 760, 1600].map((atMs) =>
      one(atMs, 'client', 'PSH,ACK', [true, true, false], {
        seq: 5,
        length: 1440,
        fate: 'died',
        analysis: ['retransmission'],
      }),
    ),
    one(1900, 'client', 'PSH,ACK', [true, false, false], {
      seq: 5,
      length: 1440,
      fate: 'died',
      analysis: ['retransmission'],
    }),
    one(2000, 'server', 'RST', [true, true, false], { fate: 'appeared' }),
  ];
  return {
    places: ['client.pcap', 'node-30.pcap', 'target.pcap'],
    given: [0, 1, 2],
    problems: [],
    clocks: [
      { offsetMs: 0, uncertaintyMs: 0, driftPpm: 0, samples: 0 },
      { offsetMs: 512.4, uncertaintyMs: 0.2, driftPpm: 0, samples: 8 },
      { offsetMs: -3.1, uncertaintyMs: 0.3, driftPpm: 0, samples: 8 },
    ],
    connections: [
      {
        numbers: [0, 0, 3],
        way: [0, 1, 2],
        by: 'nat',
        matchedBy: ['isn', 'tsval'],
        tuples: [
          { client, server },
          { client, server },
          { client: { address: '10.30.0.1', port: 61_001 }, server: { address: '172.20.4.9', port: 8080 } },
        ],
        packets,
        died: [
          { from: 'client', after: 1, before: 2, packets: 4, smallest: 1440, largest: 1440 },
          { from: 'client', after: 0, before: 1, packets: 1, smallest: 1440, largest: 1440 },
        ],
      },
    ],
  };
};
