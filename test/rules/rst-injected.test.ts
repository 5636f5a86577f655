import { describe, expect, it } from 'vitest';
import type { Connection, Reset } from '../../src/model/facts.ts';
import { rstInjected } from '../../src/rules/rst-injected.ts';
import { rstOnClose } from '../../src/rules/rst-on-close.ts';
import { capture, flow, judgeOnCapture, refused, reset, talk } from './facts.ts';

const cut = (values: Partial<Reset>, ttl = { min: 54, max: 54 }, rest: Partial<Connection> = {}): Connection =>
  talk({
    flow: { client: flow(), server: flow({ ttl }) },
    resets: [reset({ answersSyn: false, atMs: 5000, frame: 77, unacknowledged: 200, ...values })],
    ...rest,
  });

describe('rst-injected', () => {
  it('fires: the RST has come another distance', () => {
    const found = judgeOnCapture(rstInjected, capture([cut({ ttl: 61 }), talk()]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(
      'the RST in the name of 10.51.2.2 (frame 77) has TTL 61, about 3 hops away; the other packets of 10.51.2.2 have TTL 54, about 10',
    );
  });

  it('fires: a sequence number that does not fit, and a short silence before, are said', () => {
    const found = judgeOnCapture(
      rstInjected,
      capture([
        cut(
          { ttl: 63, sequence: 'outside', atMs: 37_000 },
          { min: 54, max: 55 },
          {
            idleGaps: [{ fromMs: 2000, idleMs: 35_000, endedBy: 'client', with: 'data', frame: 70, answer: 'rst' }],
          },
        ),
      ]),
    );
    expect(found.said).toContain('as with guessed ones');
    expect(found.said).toContain('after 35 s of silence');
    expect(found.said).toContain('TTL 54-55');
  });

  it('stays silent: the neighbour rst-on-close: the same distance, also from another initial TTL', () => {
    for (const ttl of [54, 118, 245]) {
      const given = capture([cut({ ttl })]);
      expect(judgeOnCapture(rstInjected, given).verdict).toBe('ruledOut');
      expect(judgeOnCapture(rstOnClose, given).verdict).toBe('likely');
    }
    expect(judgeOnCapture(rstOnClose, capture([cut({ ttl: 61 })])).verdict).toBe('ruledOut');
  });

  it('stays silent: a TTL that no way explains', () => {
    expect(judgeOnCapture(rstInjected, capture([cut({ ttl: 64 }, { min: 1, max: 1 })])).verdict).toBe('ruledOut');
  });

  it('stays silent: RSTs that answer a SYN have a rule of their own', () => {
    expect(judgeOnCapture(rstInjected, capture([refused(), talk()])).verdict).toBe('notApplicable');
  });

  it('missing evidence: nothing to compare with, no capture', () => {
    const alone = cut({ ttl: 61 }, { min: 54, max: 54 }, { packets: { client: 3, server: 2 } });
    expect(judgeOnCapture(rstInjected, capture([alone])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(rstInjected, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(rstInjected, capture([], { listening: false })).verdict).toBe('unknown');
  });
});
