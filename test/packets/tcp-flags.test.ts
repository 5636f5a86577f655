import { describe, expect, it } from 'vitest';
import { createPcapSession } from '../../src/packets/analyse-file.ts';
import type { FlagMode } from '../../src/packets/tcp-flags.ts';
import { type CaptureBuilder, capture } from './build-capture.ts';

const a = '10.0.0.1:40000';
const b = '10.0.0.2:80';
const fromA = { from: a, to: b };
const fromB = { from: b, to: a };
/** First sequence number after a handshake of the builder. */
const seqA = 1_000_001;

/** The verdicts per frame, frames without any left out. */
function verdicts(builder: CaptureBuilder, mode: FlagMode = 'netcheck'): Readonly<Record<number, string>> {
  const found: Record<number, string> = {};
  const session = createPcapSession({
    mode,
    packets: true,
    onTcpPacket: (line) => {
      if (line.analysis.length > 0) found[line.frame] = line.analysis.join(' ');
    },
  });
  session.push(builder.bytes());
  session.finish();
  return found;
}

/** Frames 1 to 3; the initial round trip time is 2 ms. */
const handshake = (): CaptureBuilder =>
  capture()
    .syn(fromA)
    .synAck({ ...fromB, afterMs: 1 })
    .ack({ ...fromA, afterMs: 1 });

describe.each(['netcheck', 'wireshark'] as const)('in mode %s', (mode) => {
  const flags = (builder: CaptureBuilder): Readonly<Record<number, string>> => verdicts(builder, mode);

  it('an orderly connection has none', () => {
    const orderly = handshake().data(fromA).ack(fromB).data(fromB).ack(fromA).fin(fromA).fin(fromB).ack(fromA);
    expect(flags(orderly)).toEqual({});
  });

  it('a repeated segment after the RTO is a retransmission', () => {
    expect(
      flags(
        handshake()
          .data(fromA)
          .data({ ...fromA, seq: seqA, afterMs: 200 }),
      ),
    ).toEqual({ 5: 'retransmission' });
  });

  it('a repeated SYN, SYN+ACK or FIN is a retransmission', () => {
    expect(
      flags(
        capture()
          .syn(fromA)
          .syn({ ...fromA, afterMs: 1000 })
          .syn({ ...fromA, afterMs: 2000 }),
      ),
    ).toEqual({
      2: 'retransmission',
      3: 'retransmission',
    });
    expect(
      flags(
        capture()
          .syn(fromA)
          .synAck(fromB)
          .synAck({ ...fromB, afterMs: 1000 }),
      ),
    ).toEqual({ 3: 'retransmission' });
    expect(
      flags(
        handshake()
          .fin(fromA)
          .fin({ ...fromA, seq: seqA, afterMs: 200 }),
      ),
    ).toEqual({ 5: 'retransmission' });
  });

  it('a new SYN on the same ports reuses them', () => {
    expect(
      flags(
        handshake()
          .fin(fromA)
          .syn({ ...fromA, seq: 77, afterMs: 5000 }),
      ),
    ).toEqual({ 5: 'reused_ports' });
  });

  it('bytes that were acknowledged before are a spurious retransmission', () => {
    expect(
      flags(
        handshake()
          .data(fromA)
          .ack(fromB)
          .data({ ...fromA, seq: seqA, afterMs: 200 }),
      ),
    ).toEqual({
      6: 'retransmission spurious_retransmission',
    });
  });

  it('a hole is a lost segment, the ACKs after it are duplicates, its repair is fast', () => {
    const lost = handshake()
      .data(fromA)
      .ack(fromB)
      .data({ ...fromA, seq: seqA + 200 })
      .ack({ ...fromB, ack: seqA + 100 })
      .data(fromA)
      .ack({ ...fromB, ack: seqA + 100 })
      .data({ ...fromA, seq: seqA + 100 });
    expect(flags(lost)).toEqual({
      6: 'lost_segment',
      7: 'duplicate_ack',
      9: 'duplicate_ack',
      10: 'retransmission fast_retransmission',
    });
  });

  it('an ACK of bytes that the capture did not see is said once', () => {
    expect(flags(handshake().ack({ ...fromB, ack: seqA + 1000 }))).toEqual({ 4: 'ack_lost_segment' });
  });

  it('windows: update, shut, full', () => {
    const scaled = capture()
      .syn({ ...fromA, windowScale: 0 })
      .synAck({ ...fromB, windowScale: 0, window: 1000 })
      .ack(fromA)
      .ack({ ...fromB, window: 200 })
      .data(fromA)
      .ack({ ...fromB, window: 100 })
      .data(fromA)
      .ack({ ...fromB, window: 0 })
      .ack({ ...fromB, window: 500 });
    expect(flags(scaled)).toEqual({ 4: 'window_update', 7: 'window_full', 8: 'zero_window', 9: 'window_update' });
  });

  it('a byte into a shut window is a probe, and its answer is one, too', () => {
    const probed = handshake()
      .data(fromA)
      .ack({ ...fromB, window: 0 })
      .data({ ...fromA, payload: 1, afterMs: 200 })
      .ack({ ...fromB, ack: seqA + 100, window: 0 });
    expect(flags(probed)).toMatchObject({ 6: 'zero_window_probe', 7: 'zero_window zero_window_probe_ack' });
  });

  it('keep-alives and their answers', () => {
    const idle = handshake()
      .data(fromA)
      .ack(fromB)
      .ack({ ...fromA, seq: seqA + 99, afterMs: 60_000 })
      .ack({ ...fromB, ack: seqA + 100 });
    expect(flags(idle)).toEqual({ 6: 'keep_alive', 7: 'keep_alive_ack' });
  });

  it('sequence numbers wrap', () => {
    const wrapping = capture()
      .syn({ ...fromA, seq: 0xffff_ff9b })
      .synAck({ ...fromB, afterMs: 1 })
      .ack({ ...fromA, afterMs: 1 })
      .data({ ...fromA, payload: 150 })
      .ack(fromB)
      .data(fromA)
      .data({ ...fromA, seq: 50, afterMs: 300 });
    expect(flags(wrapping)).toEqual({ 7: 'retransmission' });
  });
});

describe('netcheck is not Wireshark', () => {
  it('where bytes that this capture saw come again at once: a retransmission, not out of order', () => {
    const seen = handshake()
      .data(fromA)
      .data(fromA)
      .data({ ...fromA, seq: seqA, afterMs: 0.1 });
    expect(verdicts(seen, 'wireshark')).toEqual({ 6: 'out_of_order' });
    expect(verdicts(seen)).toEqual({ 6: 'retransmission' });
  });

  it('where a hole is filled: at once it is out of order, later a retransmission', () => {
    const filled = (afterMs: number): CaptureBuilder =>
      handshake()
        .data({ ...fromA, seq: seqA + 100 })
        .data({ ...fromA, seq: seqA, afterMs });
    expect(verdicts(filled(0.5))).toEqual({ 4: 'lost_segment', 5: 'out_of_order' });
    expect(verdicts(filled(250))).toEqual({ 4: 'lost_segment', 5: 'retransmission' });
  });

  it('where a flow goes on sending: what counts is how long the hole was open, not when the last byte came', () => {
    const flowing = (openMs: number): CaptureBuilder => {
      const builder = handshake().data({ ...fromA, seq: seqA + 100 });
      for (let i = 0; i < 10; i++) builder.data({ ...fromA, afterMs: openMs / 10 });
      return builder.data({ ...fromA, seq: seqA, afterMs: 0.01 });
    };
    expect(verdicts(flowing(1))).toEqual({ 4: 'lost_segment', 15: 'out_of_order' });
    expect(verdicts(flowing(4))).toEqual({ 4: 'lost_segment', 15: 'retransmission' });
    expect(verdicts(flowing(4), 'wireshark')).toEqual({ 4: 'lost_segment', 15: 'out_of_order' });
  });

  it('where a hole is filled in parts: both remainders were open as long', () => {
    const parts = (lastMs: number): CaptureBuilder =>
      handshake()
        .data({ ...fromA, seq: seqA + 300 })
        .data({ ...fromA, seq: seqA + 100, afterMs: 0.1 })
        .data({ ...fromA, seq: seqA + 600, afterMs: lastMs })
        .data({ ...fromA, seq: seqA + 200, afterMs: 0.1 })
        .data({ ...fromA, seq: seqA, afterMs: 0.1 })
        .data({ ...fromA, seq: seqA + 500, afterMs: 0.1 });
    const before = { 4: 'lost_segment', 5: 'out_of_order', 6: 'lost_segment' };
    expect(verdicts(parts(1))).toEqual({ ...before, 7: 'out_of_order', 8: 'out_of_order', 9: 'out_of_order' });
    expect(verdicts(parts(3))).toEqual({ ...before, 7: 'retransmission', 8: 'retransmission', 9: 'out_of_order' });
  });

  it('where an old connection answered the SYN first: the SYN+ACK begins the server’s side anew', () => {
    const challenged = capture()
      .syn(fromA)
      .ack({ ...fromB, seq: 3_000_000_000, ack: 77, afterMs: 1 })
      .rst({ ...fromA, seq: 77 })
      .syn({ ...fromA, seq: seqA - 1, afterMs: 1000 })
      .synAck({ ...fromB, seq: 2_000_000_000, ack: seqA, afterMs: 1 })
      .ack({ ...fromA, seq: seqA, ack: 2_000_000_001, afterMs: 1 })
      .data({ ...fromB, seq: 2_000_000_001, ack: seqA })
      .ack({ ...fromA, seq: seqA, ack: 2_000_000_101 })
      .data({ ...fromB, seq: 2_000_000_101, ack: seqA })
      .data({ ...fromB, seq: 2_000_000_101, ack: seqA, afterMs: 300 });
    expect(verdicts(challenged)).toEqual({ 4: 'retransmission', 10: 'retransmission' });
  });

  it('but not where the client has gone on from another SYN+ACK', () => {
    const late = handshake()
      .data(fromB)
      .synAck({ ...fromB, seq: 77, ack: seqA })
      .data({ ...fromB, seq: 5_000_101, ack: seqA });
    expect(verdicts(late)[6]).toBeUndefined();
  });

  it('where a last byte that was not acknowledged comes again: a retransmission, not a keep-alive', () => {
    const again = (acked: boolean): CaptureBuilder => {
      const builder = handshake().data({ ...fromA, payload: 1 });
      if (acked) builder.ack(fromB);
      return builder.data({ ...fromA, seq: seqA, payload: 1, afterMs: 200 });
    };
    expect(verdicts(again(false))).toEqual({ 5: 'retransmission' });
    expect(verdicts(again(false), 'wireshark')).toEqual({ 5: 'keep_alive' });
    expect(verdicts(again(true))).toEqual({ 6: 'keep_alive' });
  });

  it('where a hole is filled twice: the second is a retransmission', () => {
    const twice = handshake()
      .data({ ...fromA, seq: seqA + 100 })
      .data({ ...fromA, seq: seqA, afterMs: 0.1 })
      .data({ ...fromA, seq: seqA, afterMs: 0.1 });
    expect(verdicts(twice)).toEqual({ 4: 'lost_segment', 5: 'out_of_order', 6: 'retransmission' });
  });

  it('where Linux probes a shut window without a byte: a probe, not a keep-alive', () => {
    const probed = handshake()
      .data(fromA)
      .ack({ ...fromB, window: 0 })
      .ack({ ...fromA, seq: seqA + 99, afterMs: 200 })
      .ack({ ...fromB, ack: seqA + 100, window: 0 });
    expect(verdicts(probed, 'wireshark')).toEqual({ 5: 'zero_window', 6: 'keep_alive', 7: 'zero_window' });
    expect(verdicts(probed)).toEqual({
      5: 'zero_window',
      6: 'zero_window_probe',
      7: 'zero_window zero_window_probe_ack',
    });
  });

  it('bounds what it remembers of holes', () => {
    const builder = handshake();
    for (let i = 1; i <= 500; i++) builder.data({ ...fromA, seq: seqA + i * 200, payload: 10 });
    builder.data({ ...fromA, seq: seqA + 499 * 200 + 50, payload: 10 });
    const found = verdicts(builder);
    expect(found[503]).toBe('lost_segment');
    expect(found[504]).toBe('out_of_order');
  });
});
