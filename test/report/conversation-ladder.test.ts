import { describe, expect, it } from 'vitest';
import type { LadderStep } from '../../src/model/report.ts';
import type { ConversationPacket } from '../../src/model/packet-facts.ts';
import { conversationLadder, joinedLadder } from '../../src/report/conversation-ladder.ts';
import { icmp } from '../rules/facts.ts';
import {
  blackHole,
  client,
  conversation,
  handshake,
  joinedStory,
  packet,
  resetAfterIdle,
  resetAfterIdleConnection,
  server,
  shutWindow,
  startMs,
  transfer,
  unansweredSyn,
} from './ladder-fixtures.ts';

const options = {
  language: 'en',
  capturedOn: 'x.pcap',
  evidence: 'x.pcap',
  captureEndMs: startMs + 20_000,
} as const;
const stepsOf = (
  packets: readonly ConversationPacket[],
  more: { readonly captureEndMs?: number; readonly fold?: boolean } = {},
) => conversationLadder(conversation(packets), packets, { ...options, ...more }).steps;
const fates = (steps: readonly LadderStep[]): string[] => steps.map(({ from, fate }) => `${from} ${fate}`);

describe('what became of a packet', () => {
  it('SYNs without an answer are unanswered, each linked to the first', () => {
    const steps = stepsOf(unansweredSyn());
    expect(fates(steps)).toEqual(Array.from({ length: 4 }, () => 'client unanswered'));
    expect(steps.map(({ attempt, originalFrame }) => [attempt, originalFrame])).toEqual([
      [undefined, undefined],
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
  });

  it('nothing is said of a packet just before the capture ends', () => {
    const packets = unansweredSyn().slice(0, 1);
    expect(stepsOf(packets, { captureEndMs: startMs + 200 })[0]?.fate).toBe('seen');
    expect(stepsOf(packets, { captureEndMs: startMs + 400 })[0]?.fate).toBe('unanswered');
  });

  it('a hole says that a segment was lost, and that a later one was not', () => {
    const steps = stepsOf(blackHole());
    expect(fates(steps)).toEqual([
      'client answered',
      'target answered',
      'client seen',
      'client answered',
      'target seen',
      'client lost',
      'client answered',
      'target seen',
      ...Array.from({ length: 5 }, () => 'client lost'),
    ]);
    const told = steps[7];
    expect(told?.marks).toContain('hole');
    expect(told?.note).toBe('hole 5-1445: 1440 bytes missing (SACK 1445-2145)');
    expect(steps.at(-1)).toMatchObject({ attempt: 6, originalFrame: steps[5]?.frame });
  });

  it('a needless retransmission was no loss', () => {
    const steps = stepsOf([
      ...handshake(),
      packet(1, 'client', 'ACK', { length: 100 }),
      packet(300, 'client', 'ACK', { length: 100, analysis: ['spurious_retransmission'] }),
      packet(301, 'server', 'ACK', { ack: 101 }),
    ]);
    expect(steps[3]?.fate).toBe('answered');
    const real = stepsOf([
      ...handshake(),
      packet(1, 'client', 'ACK', { length: 100 }),
      packet(300, 'client', 'ACK', { length: 100, analysis: ['retransmission'] }),
      packet(301, 'server', 'ACK', { ack: 101 }),
    ]);
    expect(fates(real.slice(3))).toEqual(['client unanswered', 'client answered', 'target seen']);
  });

  it('a window that shuts is marked until it opens, with how long', () => {
    const packets = shutWindow();
    const shutAt = packets.find(({ window }) => window === 0);
    const plain = conversation(packets);
    const connection = {
      ...plain,
      flow: {
        ...plain.flow,
        server: {
          ...plain.flow.server,
          zeroWindows: [
            {
              fromMs: startMs + 43,
              frame: shutAt?.frame ?? 0,
              untilMs: startMs + 3100,
              probes: 2,
              senderWaits: true,
            },
          ],
        },
      },
    };
    const { steps } = conversationLadder(connection, packets, options);
    const marked = steps.filter(({ marks }) => marks?.some((mark) => mark === 'zeroWindow' || mark === 'windowOpen'));
    expect(marked.map(({ marks }) => marks?.at(-1))).toEqual(['zeroWindow', 'zeroWindow', 'zeroWindow', 'windowOpen']);
    expect(marked[0]?.note).toBe('shut for 3.06 s');
    expect(steps.filter(({ marks }) => marks?.includes('zeroWindowProbe'))).toHaveLength(2);
  });

  it('a RST after a long silence says whose TTL it has, and what it answers was answered', () => {
    const { steps } = conversationLadder(resetAfterIdleConnection(), resetAfterIdle(), options);
    expect(steps.at(-2)?.fate).toBe('answered');
    expect(steps.at(-1)).toMatchObject({ label: 'RST', marks: ['reset'] });
    expect(steps.at(-1)?.note).toBe(
      'TTL 63, its other packets 61: somebody in between sent it; after 15 min 04 s of silence',
    );
  });

  it('an ICMP error of a router is a step that was made on the way', () => {
    const packets = unansweredSyn();
    const { steps } = conversationLadder(conversation(packets), packets, {
      ...options,
      icmpErrors: [
        icmp({
          atMs: startMs + 500,
          from: '10.12.0.1',
          to: client.address,
          about: {
            source: client.address,
            sourcePort: client.port,
            destination: server.address,
            destinationPort: server.port,
          },
        }),
        icmp({ about: { sourcePort: 1 } }),
      ],
    });
    expect(steps).toHaveLength(5);
    expect(steps[1]).toMatchObject({
      from: 'target',
      label: 'ICMP host-prohibited from 10.12.0.1',
      firstSeenAt: 'client',
    });
  });
});

describe('folding', () => {
  it('runs of ordinary data become one step each, with their sum; what is remarkable stays', () => {
    const packets = transfer();
    const steps = stepsOf(packets);
    expect(packets.length).toBeGreaterThan(300);
    expect(steps.length).toBeLessThan(30);
    const folded = steps.filter((step) => step.folded !== undefined);
    expect(folded.map(({ label }) => label)).toEqual([
      '… 146 packets, 139 kB, ACKed',
      '… 9 packets',
      '… 147 packets, 139 kB, ACKed',
    ]);
    const all = steps.reduce((sum, step) => sum + (step.folded?.packets ?? 1), 0);
    expect(all).toBe(packets.length);
    expect(steps.some(({ marks }) => marks?.includes('fastRetransmission'))).toBe(true);
    expect(steps.some(({ marks }) => marks?.includes('filled'))).toBe(true);
    expect(steps.filter(({ fate }) => fate === 'lost')).toHaveLength(1);
  });
  it('is off where every packet is asked for', () => {
    expect(stepsOf(transfer(), { fold: false })).toHaveLength(transfer().length);
  });
  it('many of the same are the first and the last of them', () => {
    const packets = handshake();
    for (let index = 0; index < 200; index += 1) {
      packets.push(packet(75_000 * (index + 1), 'client', 'ACK', { seq: 0, analysis: ['keep_alive'] }));
      packets.push(packet(75_000 * (index + 1) + 1, 'server', 'ACK', { analysis: ['keep_alive_ack'] }));
    }
    const steps = stepsOf(packets);
    expect(steps.length).toBeLessThan(20);
    expect(steps.map(({ label }) => label)).toContain('… 394 packets, keep-alive');
  });
  it('says nothing of what it cannot follow, and holds for many packets that all wait for an answer', () => {
    const packets = handshake();
    for (let index = 0; index < 10_000; index += 1)
      packets.push(packet(index / 100, 'client', 'ACK', { seq: 1 + index * 10, length: 10 }));
    const steps = stepsOf(packets);
    expect(steps.filter(({ fate }) => fate === 'unanswered').length).toBeGreaterThan(0);
    expect(steps.at(-1)?.fate).toBe('seen');
    expect(steps.length).toBeLessThan(100);
  });
});

describe('the ladder of joined captures', () => {
  const joined = joinedStory();
  const [one] = joined.connections;
  if (one === undefined) throw new Error('the fixture has a connection');
  const ladder = joinedLadder(joined, one, options);

  it('has three lanes for three places, each end as its own place saw it', () => {
    expect(ladder.client).toBe('client.pcap 10.12.1.2:43512');
    expect(ladder.forwarder).toBe('node-30.pcap');
    expect(ladder.target).toBe('target.pcap 172.20.4.9:8080');
  });
  it('says after which lane a packet died, and what was made on the way', () => {
    expect(ladder.steps.filter(({ diedAfter }) => diedAfter === 'forwarder')).toHaveLength(4);
    expect(ladder.steps.filter(({ diedAfter }) => diedAfter === 'client')).toHaveLength(1);
    expect(ladder.steps.filter(({ fate }) => fate === 'lost')).toHaveLength(5);
    expect(ladder.steps.at(-1)).toMatchObject({ label: 'RST', firstSeenAt: 'forwarder', note: 'made on the way' });
  });
  it('has two lanes for two places, and of five the ends and where packets died', () => {
    const two = joinedLadder(
      { ...joined, places: ['a', 'b'] },
      { ...one, packets: one.packets.map((each) => ({ ...each, seen: each.seen.slice(0, 2) })) },
      options,
    );
    expect(two.forwarder).toBeUndefined();
    const five = joinedLadder(
      { ...joined, places: ['a', 'b', 'c', 'd', 'e'] },
      { ...one, died: [{ from: 'client', after: 3, before: 4, packets: 2, smallest: 1, largest: 1 }] },
      options,
    );
    expect(five.forwarder).toBe('d');
  });
});
