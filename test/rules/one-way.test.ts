import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { oneWay } from '../../src/rules/one-way.ts';
import { answered, capture, connection, flow, judgeOnCapture, talk } from './facts.ts';

const onlyClient = (rest: Partial<Connection> = {}): Connection =>
  talk({ synAcks: [], packets: { client: 30, server: 0 }, bytes: { client: 4000, server: 0 }, ...rest });
const onlyServer = (segments: number, rest: Partial<Connection> = {}): Connection =>
  talk({
    handshake: 'midStream',
    syns: [],
    packets: { client: 0, server: segments },
    flow: { client: flow(), server: flow({ dataSegments: segments }) },
    ...rest,
  });

describe('one-way', () => {
  it('fires: the client goes on as if it was answered, and no answer passes here', () => {
    const found = judgeOnCapture(oneWay, capture([onlyClient(), talk()]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('30 packets of the client, none of the server');
    expect(found.said).toContain('In all 1 of 2 connections');
    expect(found.remedies[0]?.commands).toEqual(['ip route get 10.51.2.2', 'ip route get 10.12.1.2']);
  });

  it('fires: only the server is seen, far beyond what it may send unheard', () => {
    expect(judgeOnCapture(oneWay, capture([onlyServer(400), talk()])).said).toContain('400 packets of the server');
  });

  it('stays silent: both directions are here', () => {
    expect(judgeOnCapture(oneWay, capture([talk(), talk()])).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbours: who gets no answer repeats, or has only begun', () => {
    const dead = onlyServer(40, { retransmitted: { client: 0, server: 9 } });
    const short = onlyServer(8);
    const found = judgeOnCapture(oneWay, capture([connection({ tries: 4 }), dead, short]));
    expect(found.verdict).toBe('notApplicable');
  });

  it('missing evidence: of every connection one direction only: that may be the capture filter', () => {
    const found = judgeOnCapture(oneWay, capture([onlyClient(), onlyClient()]));
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('the capture filter takes only one');
  });

  it('missing evidence: packets that the capture lost, no capture, too few packets', () => {
    expect(judgeOnCapture(oneWay, capture([onlyClient(), talk()], { droppedByKernel: 30 })).verdict).toBe('unknown');
    expect(judgeOnCapture(oneWay, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(oneWay, capture([answered({ packets: { client: 2, server: 1 } })])).verdict).toBe(
      'notApplicable',
    );
  });
});
