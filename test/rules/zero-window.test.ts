import { describe, expect, it } from 'vitest';
import type { ZeroWindow } from '../../src/model/packet-facts.ts';
import { zeroWindow } from '../../src/rules/zero-window.ts';
import { answered, capture, flow, judgeOnCapture, talk } from './facts.ts';

const shut = (values: Partial<ZeroWindow> = {}): ZeroWindow => ({
  fromMs: 2000,
  frame: 11,
  untilMs: 5370,
  probes: 4,
  senderWaits: true,
  ...values,
});
const stalled = (...zeroWindows: readonly ZeroWindow[]) =>
  talk({ flow: { client: flow(), server: flow({ zeroWindows }) } });

describe('zero-window', () => {
  it('fires: the window was 0 for 3.4 s while the sender probed', () => {
    const found = judgeOnCapture(zeroWindow, capture([talk(), stalled(shut())]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.51.2.2:1301 kept its receive window at 0 for 3.37 s (from frame 11)');
    expect(found.said).toContain('asked 4 times');
    expect(found.remedies).toHaveLength(1);
  });

  it('fires: still shut at the end counts up to the last packet', () => {
    const found = judgeOnCapture(zeroWindow, capture([stalled(shut({ untilMs: null }))]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('had not opened it 9 s later');
  });

  it('fires: of many the three worst are named, and how many there are', () => {
    const found = judgeOnCapture(zeroWindow, capture(Array.from({ length: 40 }, () => stalled(shut(), shut()))));
    expect(found.because).toHaveLength(4);
    expect(found.said).toContain('80 such stalls in 40 connections');
  });

  it('fires: short stalls that make up a good part of the time are likely', () => {
    const shorts = Array.from({ length: 12 }, (_, i) => shut({ fromMs: 1000 + i * 800, untilMs: 1300 + i * 800 }));
    const found = judgeOnCapture(zeroWindow, capture([stalled(...shorts)]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('12 short stalls, together 3.6 s, 36 %');
  });

  it('fires: likely on a connection older than the capture, where one question was answered with 0', () => {
    const once = shut({ fromMs: 2000, untilMs: null, probes: 1 });
    const older = { ...stalled(once), handshake: 'midStream' as const, lastAtMs: 2000 };
    const found = judgeOnCapture(zeroWindow, capture([older]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('is older than the capture');
    expect(judgeOnCapture(zeroWindow, capture([{ ...older, handshake: 'complete' }])).verdict).toBe('ruledOut');
    const opened = talk({ flow: { client: flow(), server: flow({ zeroWindows: [{ ...once, untilMs: 2300 }] }) } });
    expect(judgeOnCapture(zeroWindow, capture([{ ...opened, handshake: 'midStream' }])).verdict).toBe('ruledOut');
  });

  it('stays silent: nobody had anything to send, or not for long', () => {
    const quiet = shut({ senderWaits: false, probes: 0, untilMs: 9000 });
    expect(judgeOnCapture(zeroWindow, capture([stalled(quiet, shut({ untilMs: 2300 }))])).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbour mtu-blackhole stalls without a window of 0', () => {
    expect(judgeOnCapture(zeroWindow, capture([talk({ retransmitted: { client: 5, server: 0 } })])).verdict).toBe(
      'ruledOut',
    );
  });

  it('stays silent: no data at all', () => {
    expect(judgeOnCapture(zeroWindow, capture([answered()])).verdict).toBe('notApplicable');
  });

  it('missing evidence: no capture, or one that lost packets and may have lost a window of 0', () => {
    expect(judgeOnCapture(zeroWindow, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(zeroWindow, capture([], { listening: false })).verdict).toBe('unknown');
    expect(judgeOnCapture(zeroWindow, capture([talk()], { droppedByKernel: 3 })).verdict).toBe('unknown');
  });

  it('missing evidence: the packet that opened it may be lost, unless a probe was told 0 again', () => {
    const lossy = { droppedByKernel: 3 };
    expect(judgeOnCapture(zeroWindow, capture([stalled(shut({ probes: 0 }))], lossy)).verdict).toBe('likely');
    expect(judgeOnCapture(zeroWindow, capture([stalled(shut())], lossy)).verdict).toBe('confirmed');
  });
});
