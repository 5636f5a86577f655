import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { connectRefused } from '../../src/rules/connect-refused.ts';
import { answered, capture, connection, flow, judgeOnCapture, refused, reset, talk } from './facts.ts';

const farServer = (ttl: number): Connection =>
  talk({
    server: { address: '10.51.2.2', port: 80 },
    synAcks: [],
    flow: { client: flow(), server: flow({ ttl: { min: ttl, max: ttl } }) },
  });
// the TTLs of a flow leave RSTs out
const refusedWith = (ttl: number): Connection =>
  refused({ resets: [reset({ ttl })], flow: { client: flow(), server: flow({ ttl: null }) } });

describe('connect-refused', () => {
  it('fires: how many of how many, and that the host itself refuses', () => {
    const found = judgeOnCapture(connectRefused, capture([refusedWith(61), refusedWith(61), farServer(61)]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.51.2.2:1301: 2 of 2 connects were refused, from 1 address (first RST: frame 2)');
    expect(found.said).toContain('the host itself refuses');
    expect(found.remedies[0]?.commands).toEqual(["ss -ltnp 'sport = :1301'"]);
  });

  it('fires: the same distance from another initial TTL is the host, too', () => {
    const found = judgeOnCapture(connectRefused, capture([refusedWith(252), farServer(61)]));
    expect(found.said).toContain('the host itself refuses');
  });

  it('fires: a RST from nearer than the host comes from a device in between', () => {
    const found = judgeOnCapture(connectRefused, capture([refusedWith(63), farServer(58)]));
    expect(found.said).toContain('The RST has TTL 63, other packets of 10.51.2.2 have 58: a device in between refuses');
  });

  it('fires: on all devices of a machine, what it sends itself has the TTL of a neighbour', () => {
    const place = { interfaceIndex: 2, direction: 'in', tunnel: null, client: 3, server: 3 } as const;
    const found = judgeOnCapture(connectRefused, capture([refusedWith(64), { ...farServer(64), places: [place] }]));
    expect(found.said).toContain('the machine that this capture was taken on sent it, or a neighbour');
  });

  it('fires: a TTL that an application sets itself (BGP: 1) is not compared', () => {
    const found = judgeOnCapture(connectRefused, capture([refusedWith(64), farServer(1)]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('on this machine or its own network');
    expect(found.said).not.toContain('in between');
    expect(judgeOnCapture(connectRefused, capture([refusedWith(1)])).said).toContain('does not tell who sent it');
  });

  it('fires: where others are accepted it says so; of thousands of services the worst three', () => {
    expect(judgeOnCapture(connectRefused, capture([refused(), answered()])).said).toContain('1 other connects');
    const scan = Array.from({ length: 2000 }, (_, port) =>
      refused({ server: { address: '10.51.2.2', port: port + 1 } }),
    );
    const found = judgeOnCapture(connectRefused, capture(scan));
    expect(found.said).toContain('In all 2000 addresses and ports refuse');
    expect(found.because.length).toBeLessThanOrEqual(10);
  });

  it('stays silent: the neighbours: unanswered, reset later, RST that answers something else', () => {
    const later = talk({ resets: [reset({ answersSyn: false, atMs: 8000 })] });
    const stale = connection({ handshake: 'refused', resets: [reset({ answersSyn: false })] });
    expect(judgeOnCapture(connectRefused, capture([connection(), later, stale])).verdict).toBe('ruledOut');
  });

  it('missing evidence: no connect, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(connectRefused, capture([])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(connectRefused, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(connectRefused, capture([answered()], { connectionsDropped: 5 })).verdict).toBe('unknown');
  });
});
