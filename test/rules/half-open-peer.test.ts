import { describe, expect, it } from 'vitest';
import { halfOpenPeer } from '../../src/rules/half-open-peer.ts';
import { answered, capture, connection, judgeOnCapture, refused, reset, synAck, talk } from './facts.ts';

describe('half-open-peer', () => {
  it('fires: the SYN was answered with a bare ACK, and the RST does not get through', () => {
    const stuck = connection({ handshake: 'challengeAck', packets: { client: 3, server: 3 } });
    const found = judgeOnCapture(halfOpenPeer, capture([stuck, answered()]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'the SYN (frame 1, sent 3 times) was answered with an ACK that does not acknowledge it',
    );
    expect(found.said).toContain('a firewall may eat it');
    expect(found.remedies[0]?.commands).toEqual(['ss -tno src 10.51.2.2:1301']);
  });

  it('fires: it went well after the RST, a second late; the earlier connection is named', () => {
    const late = connection({
      tries: 2,
      handshake: 'complete',
      resets: [reset({ from: 'client', answersSyn: false, atMs: 1001, frame: 3 })],
      synAcks: [synAck({ atMs: 2001 })],
      packets: { client: 4, server: 2 },
      portReuse: { number: 0, sinceMs: 30_000 },
    });
    const found = judgeOnCapture(halfOpenPeer, capture([late]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain("the SYN+ACK came 1 s later, after the client's RST");
    expect(found.said).toContain('The same ports were in use 30 s before');
  });

  it('stays silent: the neighbours: refused, unanswered, and a client that breaks off', () => {
    const brokenOff = talk({ resets: [reset({ from: 'client', answersSyn: false, atMs: 9000 })] });
    const restarted = connection({
      tries: 2,
      handshake: 'complete',
      resets: [reset({ answersSyn: false, atMs: 1001 })],
      synAcks: [synAck({ atMs: 2001 })],
      packets: { client: 3, server: 3 },
    });
    const found = judgeOnCapture(halfOpenPeer, capture([refused(), connection(), brokenOff, restarted]));
    expect(found.verdict).toBe('ruledOut');
  });

  it('missing evidence: no connect, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(halfOpenPeer, capture([talk({ syns: [], handshake: 'midStream' })])).verdict).toBe(
      'notApplicable',
    );
    expect(judgeOnCapture(halfOpenPeer, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(halfOpenPeer, capture([answered()], { droppedByKernel: 1 })).verdict).toBe('unknown');
  });
});
