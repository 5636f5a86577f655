import { describe, expect, it } from 'vitest';
import type { Connection, Reset } from '../../src/model/facts.ts';
import { rstOnClose } from '../../src/rules/rst-on-close.ts';
import { answered, capture, flow, judgeOnCapture, refused, reset, talk } from './facts.ts';

const ended = (values: Partial<Reset> & { fin?: boolean }, rest: Partial<Connection> = {}): Connection => {
  const { fin = true, ...own } = values;
  const from = own.from ?? 'server';
  const closed = flow(fin ? { fin: { atMs: 4000, frame: 70 } } : {});
  return talk({
    flow: { client: from === 'client' ? closed : flow(), server: from === 'server' ? closed : flow() },
    resets: [reset({ answersSyn: false, atMs: 4001, frame: 72, unacknowledged: 1448, ...own })],
    ...rest,
  });
};

describe('rst-on-close', () => {
  it('fires: the server closed, more came, RST', () => {
    const found = judgeOnCapture(rstOnClose, capture([ended({}), ended({}), talk()]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '10.51.2.2:1301 had closed (FIN), 1448 more bytes came, and it answered with RST (frame 72)',
    );
    expect(found.said).toContain('2 of 3 connections end like this');
    expect(found.said).toContain('it is the host itself');
  });

  it('fires: likely without a FIN; with the ACK flag the application broke off', () => {
    const found = judgeOnCapture(rstOnClose, capture([ended({ fin: false, ack: true })]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('closed without reading everything or broke off');
    expect(found.said).not.toContain('no longer know');
  });

  it('fires: likely without a FIN; without the ACK flag the host may have forgotten the connection', () => {
    const found = judgeOnCapture(rstOnClose, capture([ended({ fin: false, ack: false })]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('while 1448 bytes of the other side were not acknowledged');
    expect(found.said).toContain('may no longer know the connection');
    expect(found.said).not.toContain('broke off');
  });

  it('fires: it got a request and never said a byte', () => {
    const mute = ended({ fin: false, unacknowledged: 0 }, { bytes: { client: 900, server: 0 } });
    expect(judgeOnCapture(rstOnClose, capture([mute])).said).toContain('got 900 bytes, sent not one');
  });

  it('fires: clients that close too early count where it is a habit', () => {
    const early = () => ended({ from: 'client' });
    expect(judgeOnCapture(rstOnClose, capture([early(), early(), early()])).verdict).toBe('likely');
    expect(judgeOnCapture(rstOnClose, capture([early(), early()])).verdict).toBe('ruledOut');
  });

  it('stays silent: everything was read: a RST is only a quick goodbye', () => {
    const quick = ended({ unacknowledged: 0 });
    const abrupt = ended({ fin: false, from: 'client', unacknowledged: 0 });
    expect(judgeOnCapture(rstOnClose, capture([quick, abrupt])).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbours: connect-refused, and a RST that does not fit the connection', () => {
    const forged = ended({ sequence: 'outside', fin: false });
    expect(judgeOnCapture(rstOnClose, capture([refused(), forged])).verdict).toBe('ruledOut');
  });

  it('missing evidence: no data, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(rstOnClose, capture([answered()])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(rstOnClose, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(rstOnClose, capture([talk()], { droppedByKernel: 1 })).verdict).toBe('unknown');
  });
});
