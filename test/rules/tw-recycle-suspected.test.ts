import { describe, expect, it } from 'vitest';
import type { SynSource } from '../../src/model/packet-facts.ts';
import { twRecycleSuspected } from '../../src/rules/tw-recycle-suspected.ts';
import { answered, capture, clientAddress, connection, judgeOnCapture } from './facts.ts';

const source = (values: Partial<SynSource> = {}): SynSource => ({
  address: clientAddress,
  syns: 60,
  unanswered: 12,
  unansweredBehind: 12,
  answeredBehind: 3,
  unansweredAhead: 0,
  ...values,
});
const judge = (...synSources: readonly SynSource[]) =>
  judgeOnCapture(twRecycleSuspected, capture([connection(), answered()], { synSources }));

describe('tw-recycle-suspected', () => {
  it('fires: what goes unanswered is what lies behind', () => {
    const found = judge(source());
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('12 of 12 unanswered connects carry a timestamp (TSval) below one');
    expect(found.said).toContain('only 0 carry a newer one, and 3 that were behind were answered');
    expect(found.remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.tcp_tw_recycle=0']);
  });

  it('fires: one stray among many, and connects without timestamps beside them, do not hide it', () => {
    expect(judge(source({ unanswered: 32, unansweredBehind: 23, answeredBehind: 7, unansweredAhead: 1 })).verdict).toBe(
      'likely',
    );
  });

  it('stays silent: the neighbour accept-queue-overflow drops new timestamps as well as old ones', () => {
    const found = judge(source({ unansweredBehind: 6, unansweredAhead: 6 }));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('it is not the timestamp that decides');
  });

  it('stays silent: as many older timestamps were answered as not', () => {
    expect(judge(source({ unansweredBehind: 6, answeredBehind: 9 })).verdict).toBe('ruledOut');
  });

  it('stays silent: every connect was answered; a last SYN waits for nothing yet', () => {
    const last = connection({ tries: 1, startMs: 5000 });
    const given = capture([answered(), last], {
      synSources: [source({ unanswered: 1, unansweredBehind: 1 })],
      lastAtMs: 5100,
    });
    expect(judgeOnCapture(twRecycleSuspected, given).verdict).toBe('ruledOut');
    expect(judgeOnCapture(twRecycleSuspected, capture([])).verdict).toBe('notApplicable');
  });

  it('missing evidence: few may be chance', () => {
    const found = judge(source({ unanswered: 4, unansweredBehind: 4 }));
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('fewer than 5 may be chance');
  });

  it('missing evidence: nothing was answered that it could be compared with, or nothing can be read', () => {
    expect(judge(source({ unansweredBehind: 0, answeredBehind: 0 })).said).toContain('nothing to compare');
    expect(judgeOnCapture(twRecycleSuspected, undefined).verdict).toBe('unknown');
    const lossy = capture([answered()], {
      synSources: [source({ unanswered: 0, unansweredBehind: 0 })],
      droppedByKernel: 1,
    });
    expect(judgeOnCapture(twRecycleSuspected, lossy).verdict).toBe('unknown');
  });
});
