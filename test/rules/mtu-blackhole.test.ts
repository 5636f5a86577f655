import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import type { Flow, SackHole, SizeClass } from '../../src/model/packet-facts.ts';
import { fragNeededIgnored } from '../../src/rules/frag-needed-ignored.ts';
import { mtuBlackhole } from '../../src/rules/mtu-blackhole.ts';
import { pathLoss } from '../../src/rules/path-loss.ts';
import { answered, capture, clientAddress, flow, icmp, judgeOnCapture, synAck, talk, target } from './facts.ts';

const hole: SackHole = {
  start: 5,
  length: 1440,
  firstSeenMs: 1200,
  frame: 8,
  retransmits: 5,
  originalSeen: true,
  filledMs: null,
};
const sizes: readonly SizeClass[] = [
  { upTo: 536, sent: 1, retransmitted: 0 },
  { upTo: 1220, sent: 1, retransmitted: 0 },
  { upTo: 1440, sent: 6, retransmitted: 5 },
];
const both = { mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true };
const sender = (values: Partial<Flow> = {}): Flow =>
  flow({
    dataSegments: 8,
    largestPayload: 1440,
    bySize: sizes,
    holes: [hole],
    retransmissions: { fast: 1, spurious: 0, timeout: 4, unseenOriginal: 0 },
    ...values,
  });
const stuck = (values: Partial<Flow> = {}, rest: Partial<Connection> = {}): Connection =>
  talk({
    retransmitted: { client: 5, server: 0 },
    options: { client: both, server: both },
    flow: { client: sender(values), server: flow() },
    ...rest,
  });
const tooLarge = ({ client }: Connection, values: Parameters<typeof icmp>[0] = {}) =>
  icmp({
    code: 4,
    name: 'frag-needed',
    from: '10.30.0.1',
    mtu: 1440,
    frame: 7,
    about: { sourcePort: client.port },
    ...values,
  });

describe('mtu-blackhole', () => {
  it('fires: one hole, one size, never filled: likely without the ICMP', () => {
    const found = judgeOnCapture(mtuBlackhole, capture([stuck()]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('lacks 1440 bytes from 5 on (SACK, frame 8)');
    expect(found.said).toContain('sent them 5 times again');
    expect(found.said).toContain('more than 1220 bytes are lost, up to 1440');
    expect(found.said).toContain('lost after it, towards the receiver');
    expect(found.said).toContain('MSS 1460');
    expect(found.said).toContain('No ICMP');
  });

  it('fires: with "too large" about this connection it is confirmed', () => {
    const one = stuck();
    const found = judgeOnCapture(mtuBlackhole, capture([one], { icmpErrors: [tooLarge(one)] }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.30.0.1 says so itself: 1 x ICMP "too large" (MTU 1440)');
    expect(found.said).not.toContain('No ICMP');
  });

  it('fires: the numbers of field report 2: 1398 bytes are 1450 with headers and time stamps, and 1440 fit', () => {
    const one = stuck({
      bySize: [
        { upTo: 536, sent: 2, retransmitted: 0 },
        { upTo: 1340, sent: 1, retransmitted: 0 },
        { upTo: 1400, sent: 6, retransmitted: 5 },
      ],
      largestPayload: 1398,
      holes: [{ ...hole, length: 1398 }],
    });
    const found = judgeOnCapture(mtuBlackhole, capture([one], { icmpErrors: [tooLarge(one)] }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('lacks 1398 bytes');
    expect(found.said).toContain('up to 1398 (payload; packets of 1450 bytes)');
    expect(found.remedies[0]).toMatchObject({
      commands: [
        'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1401:65535 -j TCPMSS --set-mss 1400',
      ],
    });
    // without time stamps they are 1438, and fit: the error must be about something else
    const plain = { ...both, timestamps: false };
    const unstamped = { ...one, options: { client: plain, server: plain } };
    expect(judgeOnCapture(mtuBlackhole, capture([unstamped], { icmpErrors: [tooLarge(one)] })).verdict).toBe('likely');
  });

  it('fires: a hole of several full segments is one hole', () => {
    const several = [
      { upTo: 536, sent: 2, retransmitted: 0 },
      { upTo: 1460, sent: 7, retransmitted: 4 },
    ];
    const found = judgeOnCapture(
      mtuBlackhole,
      capture([stuck({ bySize: several, largestPayload: 1448, holes: [{ ...hole, length: 4344 }] })]),
    );
    expect(found.verdict).toBe('likely');
  });

  it('fires: a capture at the sender holds several segments in one packet, and repeats them one by one', () => {
    const merged = (sent: number) => [
      { upTo: 536, sent: 2, retransmitted: 0 },
      { upTo: 1460, sent: 4, retransmitted: 4 },
      { upTo: 65_535, sent, retransmitted: 0 },
    ];
    const given = (sent: number) =>
      capture([stuck({ bySize: merged(sent), largestPayload: 5792, holes: [{ ...hole, length: 4344 }] })]);
    expect(judgeOnCapture(mtuBlackhole, given(1)).verdict).toBe('likely');
    // so much of it cannot have been lost
    expect(judgeOnCapture(mtuBlackhole, given(200)).verdict).toBe('ruledOut');
  });

  it('fires: the tail of the flight was sent again as a probe, and arrived', () => {
    const probed = sizes.map((size) => (size.upTo === 1220 ? { ...size, sent: 2, retransmitted: 1 } : size));
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ bySize: probed })])).verdict).toBe('likely');
  });

  it('fires: nothing is acknowledged any more, in two connections of a server that lives', () => {
    const silent = {
      holes: [],
      bySize: [
        { upTo: 536, sent: 2, retransmitted: 0 },
        { upTo: 1460, sent: 14, retransmitted: 4 },
      ],
      largestPayload: 1448,
      retransmissions: { fast: 0, spurious: 0, timeout: 4, unseenOriginal: 0 },
    };
    const alive = answered({ startMs: 10_500, synAcks: [synAck({ atMs: 10_500 })] });
    const found = judgeOnCapture(mtuBlackhole, capture([stuck(silent), stuck(silent), alive]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('without any acknowledgement, while the other side was alive');
    // one of them, or a server that gives no sign of life, may have died
    expect(judgeOnCapture(mtuBlackhole, capture([stuck(silent), alive])).verdict).toBe('ruledOut');
    expect(judgeOnCapture(mtuBlackhole, capture([stuck(silent), stuck(silent)])).verdict).toBe('ruledOut');
  });

  it('fires: two faults at once are both found', () => {
    const lossy = talk({
      retransmitted: { client: 0, server: 12 },
      flow: {
        client: flow(),
        server: flow({
          dataSegments: 400,
          retransmissions: { fast: 8, spurious: 0, timeout: 4, unseenOriginal: 12 },
          bySize: [
            { upTo: 536, sent: 100, retransmitted: 3 },
            { upTo: 1460, sent: 300, retransmitted: 9 },
          ],
        }),
      },
    });
    const given = capture([stuck(), lossy]);
    expect(judgeOnCapture(mtuBlackhole, given).verdict).toBe('likely');
    expect(judgeOnCapture(pathLoss, given).verdict).toBe('confirmed');
  });

  it('stays silent: the bytes arrived in the end', () => {
    const found = judgeOnCapture(mtuBlackhole, capture([stuck({ holes: [{ ...hole, filledMs: 4000 }] })]));
    expect(found.verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbour path-loss loses several sizes', () => {
    const random = [
      { upTo: 536, sent: 30, retransmitted: 2 },
      { upTo: 1460, sent: 60, retransmitted: 3 },
    ];
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ bySize: random })])).verdict).toBe('ruledOut');
    const largerPasses = [
      { upTo: 536, sent: 2, retransmitted: 0 },
      { upTo: 1220, sent: 6, retransmitted: 5 },
      { upTo: 1440, sent: 9, retransmitted: 0 },
    ];
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ bySize: largerPasses })])).verdict).toBe('ruledOut');
    const two = sizes.map((size) => (size.upTo === 1220 ? { ...size, sent: 3, retransmitted: 2 } : size));
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ bySize: two })])).verdict).toBe('ruledOut');
  });

  it('stays silent: the capture ends in the middle of a recovery, and that size had passed before', () => {
    const bulk = [
      { upTo: 536, sent: 3, retransmitted: 0 },
      { upTo: 1440, sent: 60, retransmitted: 2 },
    ];
    const open = { ...hole, retransmits: 2 };
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ bySize: bulk, holes: [open] })])).verdict).toBe('ruledOut');
    expect(judgeOnCapture(mtuBlackhole, capture([stuck({ holes: [{ ...hole, retransmits: 1 }] })])).verdict).toBe(
      'ruledOut',
    );
  });

  it('stays silent: "too large" about another connection, or with an MTU that it fits, proves nothing', () => {
    const one = stuck();
    for (const error of [
      tooLarge(one, { mtu: 9000 }),
      tooLarge(one, { about: { sourcePort: one.client.port, destination: '10.9.9.9' } }),
    ])
      expect(judgeOnCapture(mtuBlackhole, capture([one], { icmpErrors: [error] })).verdict).toBe('likely');
  });

  it('missing evidence: nothing to read, or no data', () => {
    expect(judgeOnCapture(mtuBlackhole, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(mtuBlackhole, capture([talk()], { cutShort: true })).verdict).toBe('unknown');
    expect(judgeOnCapture(mtuBlackhole, capture([answered()])).verdict).toBe('notApplicable');
  });

  it('speaks of the same packets as frag-needed-ignored, from its own side', () => {
    const one = stuck();
    const errors = [tooLarge(one), tooLarge(one, { atMs: 3001, frame: 12 })];
    const given = capture([one], { icmpErrors: errors });
    expect(judgeOnCapture(mtuBlackhole, given).verdict).toBe('confirmed');
    expect(judgeOnCapture(fragNeededIgnored, given).verdict).toBe('confirmed');
    expect(one.server).toEqual(target);
    expect(one.client.address).toBe(clientAddress);
  });
});
