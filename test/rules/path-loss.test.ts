import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import type { Flow } from '../../src/model/packet-facts.ts';
import { mtuBlackhole } from '../../src/rules/mtu-blackhole.ts';
import { pathLoss } from '../../src/rules/path-loss.ts';
import { answered, capture, flow, judgeOnCapture, talk } from './facts.ts';

const download = (values: Partial<Flow> = {}, retransmitted = 12): Connection =>
  talk({
    retransmitted: { client: 0, server: retransmitted },
    flow: {
      client: flow(),
      server: flow({
        dataSegments: 600,
        largestPayload: 1448,
        retransmissions: { fast: 9, spurious: 0, timeout: 3, unseenOriginal: 12 },
        bySize: [
          { upTo: 536, sent: 80, retransmitted: 2 },
          { upTo: 1460, sent: 520, retransmitted: 10 },
        ],
        ...values,
      }),
    },
  });

describe('path-loss', () => {
  it('fires: 2 % of all sizes, some mended at once and some by the timer', () => {
    const found = judgeOnCapture(pathLoss, capture([download()]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'from 10.51.2.2:1301: 12 of 600 data segments had to be sent again (2 %), in 1 connections',
    );
    expect(found.said).toContain('9 of them after duplicate ACKs or SACK; in 1 connections only the timer helped');
    expect(found.said).toContain('lost between the sender and this place');
  });

  it('fires: originals that passed here are lost after it', () => {
    const seen = { retransmissions: { fast: 9, spurious: 0, timeout: 3, unseenOriginal: 0 } };
    expect(judgeOnCapture(pathLoss, capture([download(seen)])).said).toContain(
      '12 of 12 originals passed here: they are lost between this place and the receiver',
    );
  });

  it('fires: likely where no loss cost more than a round trip', () => {
    const fast = { retransmissions: { fast: 12, spurious: 0, timeout: 0, unseenOriginal: 6 } };
    const found = judgeOnCapture(pathLoss, capture([download(fast)]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('packets that overtake each other look alike');
    expect(found.said).not.toContain('originals');
  });

  it('fires: a bulk transfer has one size only, and most of it passes', () => {
    const bulk = { bySize: [{ upTo: 1460, sent: 600, retransmitted: 12 }] };
    expect(judgeOnCapture(pathLoss, capture([download(bulk)])).verdict).toBe('confirmed');
  });

  it('stays silent: below the share, with the figure', () => {
    const few = { bySize: [{ upTo: 1460, sent: 600, retransmitted: 3 }] };
    const found = judgeOnCapture(pathLoss, capture([download(few)]));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('0.5 % of 600 data segments');
  });

  it('stays silent: repetitions that were not needed', () => {
    const spurious = { retransmissions: { fast: 1, spurious: 9, timeout: 2, unseenOriginal: 0 } };
    expect(judgeOnCapture(pathLoss, capture([download(spurious)])).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbour mtu-blackhole: one segment in vain is one loss, however often it is repeated', () => {
    const stuck = talk({
      flow: {
        client: flow({
          dataSegments: 20,
          largestPayload: 1440,
          retransmissions: { fast: 1, spurious: 0, timeout: 14, unseenOriginal: 0 },
          bySize: [
            { upTo: 536, sent: 3, retransmitted: 0 },
            { upTo: 1440, sent: 16, retransmitted: 15 },
          ],
          holes: [
            {
              start: 5,
              length: 1440,
              firstSeenMs: 1200,
              frame: 8,
              retransmits: 15,
              originalSeen: true,
              filledMs: null,
            },
          ],
        }),
        server: flow(),
      },
    });
    const given = capture([
      ...Array.from({ length: 4 }, () => stuck),
      talk({ flow: { client: flow({ dataSegments: 400 }), server: flow() } }),
    ]);
    expect(judgeOnCapture(pathLoss, given).verdict).toBe('ruledOut');
    expect(judgeOnCapture(mtuBlackhole, given).verdict).toBe('likely');
    // and where the receiver is silent, so that nobody tells of a hole
    const dead = { ...stuck, flow: { ...stuck.flow, client: { ...stuck.flow.client, holes: [] } } };
    const silent = capture([dead, dead, dead, dead, ...given.connections.slice(4)]);
    expect(judgeOnCapture(pathLoss, silent).verdict).toBe('ruledOut');
  });

  it('stays silent: the traffic of connections that are only counted is part of the share', () => {
    const services = [
      {
        server: { address: '10.51.2.2', port: 1301 },
        connections: 5001,
        complete: 5001,
        unanswered: 0,
        refused: 0,
        reset: 0,
        packets: 50_000,
        retransmitted: 12,
        clients: 9,
      },
    ];
    expect(judgeOnCapture(pathLoss, capture([download()], { services, uneventful: 5000 })).verdict).toBe('ruledOut');
  });

  it('missing evidence: too few segments, no capture, or one that lost packets itself', () => {
    expect(judgeOnCapture(pathLoss, capture([talk()])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(pathLoss, capture([answered()])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(pathLoss, undefined).verdict).toBe('unknown');
    const clean = download({ bySize: [{ upTo: 1460, sent: 600, retransmitted: 0 }] }, 0);
    expect(judgeOnCapture(pathLoss, capture([clean], { droppedByKernel: 7 })).verdict).toBe('unknown');
    // what the capture lost looks like lost before it: then it does not say where
    expect(judgeOnCapture(pathLoss, capture([download()], { droppedByKernel: 7 })).said).not.toContain('originals');
  });
});
