import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { nagleDelack } from '../../src/rules/nagle-delack.ts';
import { zeroWindow } from '../../src/rules/zero-window.ts';
import { answered, capture, flow, judgeOnCapture, talk } from './facts.ts';

const waiting = (count: number, longestMs = 40, rest: Partial<Connection> = {}): Connection =>
  talk({ flow: { client: flow({ delayedAckStalls: { count, longestMs } }), server: flow() }, ...rest });

describe('nagle-delack', () => {
  it('fires: small segments wait 40 ms on a path of half a millisecond', () => {
    const found = judgeOnCapture(nagleDelack, capture([waiting(5), talk()]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('5 times 10.12.1.2:');
    expect(found.said).toContain('waited for its ACK for up to 40 ms (round trip: 0.5 ms)');
    expect(found.remedies[0]?.kind).toBe('application');
  });

  it('fires: likely where the round trip is not known', () => {
    expect(judgeOnCapture(nagleDelack, capture([waiting(5, 40, { initialRttMs: null })])).verdict).toBe('likely');
  });

  it('fires: of many connections the worst three', () => {
    const found = judgeOnCapture(nagleDelack, capture(Array.from({ length: 50 }, () => waiting(4))));
    expect(found.because).toHaveLength(4);
    expect(found.said).toContain('200 such waits in 50 connections');
  });

  it('stays silent: the path itself takes that long', () => {
    expect(judgeOnCapture(nagleDelack, capture([waiting(9, 45, { initialRttMs: 41 })])).verdict).toBe('ruledOut');
  });

  it('stays silent: once or twice is chance', () => {
    expect(judgeOnCapture(nagleDelack, capture([waiting(2)])).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbour zero-window waits for a window, not for an ACK', () => {
    const shut = { fromMs: 2000, frame: 9, untilMs: 6000, probes: 3, senderWaits: true };
    const given = capture([talk({ flow: { client: flow(), server: flow({ zeroWindows: [shut] }) } })]);
    expect(judgeOnCapture(nagleDelack, given).verdict).toBe('ruledOut');
    expect(judgeOnCapture(zeroWindow, given).verdict).toBe('confirmed');
  });

  it('missing evidence: no data, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(nagleDelack, capture([answered()])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(nagleDelack, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(nagleDelack, capture([talk()], { droppedByKernel: 1 })).verdict).toBe('unknown');
  });
});
