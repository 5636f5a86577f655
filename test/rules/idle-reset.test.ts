import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import type { IdleGap } from '../../src/model/packet-facts.ts';
import { idleReset } from '../../src/rules/idle-reset.ts';
import { rstInjected } from '../../src/rules/rst-injected.ts';
import { rstOnClose } from '../../src/rules/rst-on-close.ts';
import { capture, flow, judgeOnCapture, reset, talk } from './facts.ts';

const gap = (idleSec: number, values: Partial<IdleGap> = {}): IdleGap => ({
  fromMs: 2000,
  idleMs: idleSec * 1000,
  endedBy: 'client',
  with: 'data',
  frame: 40,
  answer: 'rst',
  ...values,
});
/** Silent for `idleSec` from `fromSec` on, then a RST to what the client says. */
const forgotten = (idleSec: number, fromSec = 2, ttl = 64, rest: Partial<Connection> = {}): Connection =>
  talk({
    idleGaps: [gap(idleSec, { fromMs: fromSec * 1000 })],
    resets: [
      reset({
        answersSyn: false,
        atMs: (fromSec + idleSec) * 1000 + 1,
        ttl,
        frame: 41,
        unacknowledged: 100,
        afterMs: 1,
      }),
    ],
    lastAtMs: (fromSec + idleSec) * 1000 + 1,
    ...rest,
  });
const survived = (idleSec: number): Connection => talk({ idleGaps: [gap(idleSec, { answer: 'ack' })] });

describe('idle-reset', () => {
  it('fires: likely for one, with the limit between what was survived and what was not', () => {
    const found = judgeOnCapture(idleReset, capture([survived(610), forgotten(905)]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('after 905 s of silence the next packet (frame 40) was answered with RST');
    expect(found.said).toContain('above 610 s (survived) and at 905 s or below; known limits there: 900 s IPVS');
    expect(found.said).toContain('No keep-alive was sent');
    expect(found.said).toContain('restart of the server');
  });

  it('fires: confirmed where the RST is not from as far away as the peer', () => {
    const found = judgeOnCapture(
      idleReset,
      capture([forgotten(905, 2, 64, { flow: { client: flow(), server: flow({ ttl: { min: 61, max: 61 } }) } })]),
    );
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('The RST has TTL 64, other packets of that address have 61');
  });

  it('fires: confirmed where no single restart explains two of them', () => {
    const found = judgeOnCapture(idleReset, capture([forgotten(905, 2), forgotten(1200, 5000)]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('2 connections did not survive silences of 905 to 1200 s');
    expect(found.said).toContain('one restart of the server does not explain them');
    // overlapping silences: one restart would do
    expect(judgeOnCapture(idleReset, capture([forgotten(905, 2), forgotten(1200, 300)])).verdict).toBe('likely');
  });

  it('fires: likely where it is repeated and never answered, and names keep-alives that come too late', () => {
    const swallowed = talk({
      idleGaps: [gap(400, { answer: 'none' })],
      flow: {
        client: flow({
          retransmissions: { fast: 0, spurious: 0, timeout: 6, unseenOriginal: 0 },
          keepAlives: { count: 2, answered: 2, intervalMs: 7_200_000 },
        }),
        server: flow(),
      },
    });
    const found = judgeOnCapture(idleReset, capture([swallowed]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('was repeated and never answered');
    expect(found.said).toContain('350 s AWS');
    expect(found.said).toContain('every 7200 s');
  });

  it('fires: a RST out of silence counts at a known limit or at the same time twice, not once anywhere', () => {
    const cut = (idleSec: number): Connection =>
      talk({
        idleGaps: [gap(idleSec, { with: 'rst', endedBy: 'server', answer: 'none' })],
        resets: [reset({ answersSyn: false, atMs: 2000 + idleSec * 1000, ttl: 64 })],
      });
    expect(judgeOnCapture(idleReset, capture([cut(240.5)])).verdict).toBe('likely');
    expect(judgeOnCapture(idleReset, capture([cut(75), cut(75.2)])).verdict).toBe('likely');
    expect(judgeOnCapture(idleReset, capture([cut(75)])).verdict).toBe('ruledOut');
  });

  it('stays silent: silences are survived, or end with FIN', () => {
    const found = judgeOnCapture(
      idleReset,
      capture([survived(3000), talk({ idleGaps: [gap(75, { with: 'fin', answer: 'ack' })] })]),
    );
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('2 silences of up to 3000 s were survived');
  });

  it('stays silent: the neighbours rst-injected and rst-on-close leave its RSTs to it', () => {
    const given = capture([
      forgotten(905, 2, 64, { flow: { client: flow(), server: flow({ ttl: { min: 61, max: 61 } }) } }),
    ]);
    expect(judgeOnCapture(rstInjected, given).verdict).toBe('notApplicable');
    expect(judgeOnCapture(rstOnClose, given).verdict).toBe('ruledOut');
  });

  it('missing evidence: no silence that long, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(idleReset, capture([talk({ idleGaps: [gap(30)] })])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(idleReset, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(idleReset, capture([survived(3000)], { droppedByKernel: 2 })).verdict).toBe('unknown');
  });

  it('takes shorter silences where it is told to', () => {
    expect(judgeOnCapture(idleReset, capture([forgotten(35)]), { minIdleMs: 30_000 }).verdict).toBe('likely');
  });
});
