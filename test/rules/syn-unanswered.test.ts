import { describe, expect, it } from 'vitest';
import { synUnanswered } from '../../src/rules/syn-unanswered.ts';
import { answered, capture, connection, judgeOnCapture, refused, reset, syn, synAck, talk } from './facts.ts';

const heard = () => answered({ packets: { client: 2, server: 1 } });

describe('syn-unanswered', () => {
  it('fires: repeated SYNs with their gaps, and what share', () => {
    const found = judgeOnCapture(synUnanswered, capture([connection({ tries: 4 }), connection(), heard()]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(
      '10.51.2.2:1301: 2 of 3 connects got no answer; the SYN was sent 4 times (gaps of 1, 2, 4 s, from frame 1)',
    );
    expect(found.said).toContain('1 connects to 10.51.2.2:1301 were answered in the same capture');
    expect(found.remedies[0]?.commands).toEqual(['netcheck 10.51.2.2 port 1301 from 10.12.1.2']);
  });

  it('fires: connects that went well and are only counted belong to the share', () => {
    const services = [
      {
        server: { address: '10.51.2.2', port: 1301 },
        connections: 9000,
        complete: 8998,
        unanswered: 2,
        refused: 0,
        reset: 0,
        packets: 90_000,
        retransmitted: 2,
        clients: 3,
      },
    ];
    const found = judgeOnCapture(synUnanswered, capture([connection(), connection()], { services, uneventful: 8998 }));
    expect(found.said).toContain('2 of 9000 connects got no answer');
    expect(found.said).toContain('8998 connects to 10.51.2.2:1301 were answered');
  });

  it('fires: nothing at all comes from the server', () => {
    expect(judgeOnCapture(synUnanswered, capture([connection()])).said).toContain('Nothing at all came from');
  });

  it('fires: the answer is sent and not heard', () => {
    const unheard = connection({
      handshake: 'noFinalAck',
      synAcks: [synAck({ atMs: 1001 }), synAck({ atMs: 2001 })],
      packets: { client: 3, server: 2 },
    });
    const found = judgeOnCapture(synUnanswered, capture([unheard]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('the answer is lost between here and the client');
    expect(found.said).not.toContain('Something between here and the server');
  });

  it('fires: single SYNs count from three on', () => {
    const single = () => connection({ tries: 1 });
    const given = (count: number) => capture([heard(), ...Array.from({ length: count }, single)], { lastAtMs: 9000 });
    expect(judgeOnCapture(synUnanswered, given(3)).said).toContain('3 of 4 connects got no answer to their only SYN');
    expect(judgeOnCapture(synUnanswered, given(2)).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbours: refused, answered late, open, and a half-open scan', () => {
    const scan = connection({
      tries: 2,
      handshake: 'noFinalAck',
      synAcks: [synAck(), synAck({ atMs: 2000 })],
      resets: [reset({ from: 'client', answersSyn: false })],
    });
    expect(judgeOnCapture(synUnanswered, capture([refused(), heard(), talk(), scan])).verdict).toBe('ruledOut');
  });

  it('stays silent: the last SYN of the capture, and one that the capture holds twice', () => {
    const twice = connection({ syns: [syn({ atMs: 8900 }), syn({ atMs: 8900.1 })] });
    const given = capture([heard(), connection({ tries: 1, startMs: 8000 }), twice], { lastAtMs: 9000 });
    expect(judgeOnCapture(synUnanswered, given).verdict).toBe('ruledOut');
  });

  it('missing evidence: a single SYN proves nothing in a capture of one direction, or one that lost packets', () => {
    const singles = Array.from({ length: 5 }, () => connection({ tries: 1 }));
    const oneWay = judgeOnCapture(synUnanswered, capture(singles, { lastAtMs: 9000 }));
    expect(oneWay.verdict).toBe('unknown');
    expect(oneWay.said).toContain('one direction only');
    const lossy = capture([heard(), ...singles], { lastAtMs: 9000, droppedByKernel: 4 });
    expect(judgeOnCapture(synUnanswered, lossy).verdict).toBe('unknown');
    // a client that repeats was not answered, whatever the capture lost
    expect(judgeOnCapture(synUnanswered, capture([connection()], { droppedByKernel: 4 })).verdict).toBe('likely');
  });

  it('missing evidence: no connect, no capture', () => {
    expect(judgeOnCapture(synUnanswered, capture([])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(synUnanswered, undefined).verdict).toBe('unknown');
  });
});
