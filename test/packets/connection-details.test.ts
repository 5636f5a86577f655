import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Flow } from '../../src/model/packet-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { ConnectionDetails } from '../../src/packets/connection-details.ts';
import { DecodedPacket, flagAck, flagFin, flagRst } from '../../src/packets/decode-packet.ts';
import { type CaptureBuilder, capture, type SegmentOptions } from './build-capture.ts';
import { detailsOf } from './details-of.ts';

const captures = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures');
const there = existsSync(captures);
const why = there ? '' : ' (skipped: ../shared/captures is not here)';

const a = '10.0.0.1:40000';
const b = '10.0.0.2:80';
const fromA = { from: a, to: b };
const fromB = { from: b, to: a };
const startMs = Date.UTC(2026, 0, 1);
/** First sequence numbers after {@link handshake}. */
const seqA = 1_000_001;
const seqB = 5_000_001;

/** Frames 1 to 3 at 0, 1 and 2 ms. */
const handshake = (client: Partial<SegmentOptions> = {}, server: Partial<SegmentOptions> = {}): CaptureBuilder =>
  capture()
    .syn({ ...fromA, ...client })
    .synAck({ ...fromB, afterMs: 1, ...server })
    .ack({ ...fromA, afterMs: 1 });
const client = (builder: CaptureBuilder): Flow => detailsOf(builder.bytes()).flow.client;
const server = (builder: CaptureBuilder): Flow => detailsOf(builder.bytes()).flow.server;

describe('segments', () => {
  it('nothing goes wrong: sizes, TTL, FIN, and nothing else', () => {
    const { flow, idleGaps, dropped } = detailsOf(
      handshake()
        .data({ ...fromA, payload: 1, ttl: 60 })
        .ack(fromB)
        .data({ ...fromB, payload: 1448, ttl: 63 })
        .data({ ...fromB, payload: 1460, ttl: 50 })
        .ack(fromA)
        .fin({ ...fromA, atMs: startMs + 50 })
        .fin(fromB)
        .ack(fromA)
        .bytes(),
    );
    expect(flow.client).toEqual({
      dataSegments: 1,
      largestPayload: 1,
      retransmissions: { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 },
      outOfOrder: 0,
      duplicateAcks: 0,
      gaps: 0,
      bySize: [{ upTo: 1, sent: 1, retransmitted: 0 }],
      rtt: { samples: 3, minMs: 0.1, meanMs: 0.4, maxMs: 1 },
      ttl: { min: 60, max: 64 },
      zeroWindows: [],
      windowFull: 0,
      zeroWindowProbes: 0,
      keepAlives: null,
      holes: [],
      delayedAckStalls: null,
      fin: { atMs: startMs + 50, frame: 9 },
    });
    expect(flow.server).toMatchObject({
      dataSegments: 2,
      largestPayload: 1460,
      bySize: [{ upTo: 1460, sent: 2, retransmitted: 0 }],
      ttl: { min: 50, max: 64 },
      fin: { frame: 10 },
    });
    expect(idleGaps).toEqual([]);
    expect(dropped).toBe(0);
  });

  it('every size is in its class, GSO too, and more than 255 of one class are counted', () => {
    const builder = handshake();
    const sizes = [1, 2, 536, 537, 1220, 1221, 1340, 1341, 1400, 1401, 1440, 1441, 1460, 1461, 65_000];
    for (const payload of sizes) builder.data({ ...fromA, payload });
    for (let i = 0; i < 1000; i++) builder.data({ ...fromA, payload: 700 });
    const flow = client(builder);
    expect(flow.bySize).toEqual([
      { upTo: 1, sent: 1, retransmitted: 0 },
      { upTo: 536, sent: 2, retransmitted: 0 },
      { upTo: 1220, sent: 1002, retransmitted: 0 },
      { upTo: 1340, sent: 2, retransmitted: 0 },
      { upTo: 1400, sent: 2, retransmitted: 0 },
      { upTo: 1440, sent: 2, retransmitted: 0 },
      { upTo: 1460, sent: 2, retransmitted: 0 },
      { upTo: 65_535, sent: 2, retransmitted: 0 },
    ]);
    expect(flow.dataSegments).toBe(1015);
    expect(flow.largestPayload).toBe(65_000);
  });

  it('the text in a RST is not data, and its TTL is not the side’s', () => {
    const { flow } = detailsOf(
      handshake()
        .rst({ ...fromB, payload: 'go away', ttl: 200 })
        .bytes(),
    );
    expect(flow.server).toMatchObject({ dataSegments: 0, ttl: { min: 64, max: 64 } });
  });

  it('a side that sent only RSTs has no TTL', () => {
    expect(detailsOf(capture().syn(fromA).refuse(fromB).bytes()).flow.server.ttl).toBeNull();
  });
});

describe('retransmissions', () => {
  it('by timer, repeated SYNs included', () => {
    expect(
      client(
        capture()
          .syn(fromA)
          .syn({ ...fromA, afterMs: 1000 })
          .syn({ ...fromA, afterMs: 2000 }),
      ).retransmissions,
    ).toEqual({ fast: 0, spurious: 0, timeout: 2, unseenOriginal: 0 });
    const flow = client(
      handshake()
        .data({ ...fromA, payload: 1448 })
        .data({ ...fromA, payload: 1448, seq: seqA, afterMs: 200 }),
    );
    expect(flow.retransmissions).toEqual({ fast: 0, spurious: 0, timeout: 1, unseenOriginal: 0 });
    expect(flow.bySize).toEqual([{ upTo: 1460, sent: 2, retransmitted: 1 }]);
  });

  it('fast: after duplicate ACKs, or at once after a SACK block', () => {
    const lost = handshake()
      .data(fromA)
      .data(fromA)
      .data(fromA)
      .data(fromA)
      .ack({ ...fromB, ack: seqA + 100 })
      .ack({ ...fromB, ack: seqA + 100 })
      .ack({ ...fromB, ack: seqA + 100 })
      .data({ ...fromA, seq: seqA + 100 });
    expect(client(lost).retransmissions).toMatchObject({ fast: 1, timeout: 0 });
    expect(server(lost)).toMatchObject({ duplicateAcks: 2 });
    const selective = (afterMs: number): CaptureBuilder =>
      handshake()
        .data(fromA)
        .data(fromA)
        .ack({ ...fromB, ack: seqA, sack: [[seqA + 100, seqA + 200]], afterMs: 5 })
        .data({ ...fromA, seq: seqA, afterMs });
    expect(client(selective(0.1)).retransmissions).toMatchObject({ fast: 1, timeout: 0 });
    expect(client(selective(300)).retransmissions).toMatchObject({ fast: 0, timeout: 1 });
  });

  it('spurious: it had been acknowledged', () => {
    const flow = client(
      handshake()
        .data(fromA)
        .ack(fromB)
        .data({ ...fromA, seq: seqA, afterMs: 200 }),
    );
    expect(flow.retransmissions).toEqual({ fast: 0, spurious: 1, timeout: 0, unseenOriginal: 0 });
  });

  it('tells whether the original passed here', () => {
    const filled = (afterMs: number): Flow =>
      client(
        handshake()
          .data(fromA)
          .data({ ...fromA, seq: seqA + 200 })
          .data({ ...fromA, seq: seqA + 100, afterMs }),
      );
    expect(filled(300)).toMatchObject({ gaps: 1, outOfOrder: 0, retransmissions: { timeout: 1, unseenOriginal: 1 } });
    expect(filled(0.1)).toMatchObject({ gaps: 1, outOfOrder: 1, retransmissions: { timeout: 0, unseenOriginal: 0 } });
    const twice = client(
      handshake()
        .data({ ...fromA, seq: seqA + 100 })
        .data({ ...fromA, seq: seqA, afterMs: 300 })
        .data({ ...fromA, seq: seqA, afterMs: 600 }),
    );
    expect(twice.retransmissions).toMatchObject({ timeout: 2, unseenOriginal: 1 });
  });

  it('what the other side had acknowledged was only not captured', () => {
    const missed = client(
      handshake()
        .data({ ...fromA, seq: seqA + 100 })
        .data({ ...fromA, seq: seqA + 300 })
        .ack({ ...fromB, ack: seqA + 100 })
        .data({ ...fromA, seq: seqA + 50, payload: 100, afterMs: 300 })
        .data({ ...fromA, seq: seqA + 200, payload: 100, afterMs: 300 }),
    );
    expect(missed).toMatchObject({ gaps: 2, retransmissions: { timeout: 2, unseenOriginal: 1 } });
  });

  it('what was sent before the capture began is not known to be lost', () => {
    const flow = client(
      capture()
        .data({ ...fromA, seq: 10_000, ack: 1 })
        .data({ ...fromA, seq: 9_000, ack: 1, afterMs: 300 }),
    );
    expect(flow.retransmissions).toMatchObject({ timeout: 1, unseenOriginal: 0 });
  });

  it('a simultaneous open repeats nothing', () => {
    const { flow } = detailsOf(
      capture()
        .syn(fromA)
        .syn({ ...fromB, seq: 5_000_000 })
        .synAck({ ...fromA, seq: 1_000_000, ack: 5_000_001, afterMs: 5 })
        .synAck({ ...fromB, seq: 5_000_000, ack: 1_000_001, afterMs: 5 })
        .data({ ...fromA, seq: seqA, ack: seqB })
        .bytes(),
    );
    expect(flow.client.retransmissions.timeout).toBe(0);
    expect(flow.server.retransmissions.timeout).toBe(0);
    expect(flow.client).toMatchObject({ dataSegments: 1, gaps: 0 });
  });

  it('what a challenge ACK said of an old connection is forgotten', () => {
    for (const old of [4_000_000_000, 6_000_000]) {
      const { flow } = detailsOf(
        capture()
          .syn(fromA)
          .ack({ ...fromB, seq: old, ack: 900_000_000, afterMs: 3 })
          .tcp({ ...fromA, flags: 'R', seq: 900_000_000 })
          .syn({ ...fromA, afterMs: 1000 })
          .synAck({ ...fromB, afterMs: 1 })
          .ack({ ...fromA, ack: seqB })
          .data(fromA)
          .ack({ ...fromB, seq: seqB })
          .data(fromB)
          .data(fromB)
          .ack(fromA)
          .ack({ ...fromB, window: 0 })
          .bytes(),
      );
      expect(flow.server).toMatchObject({
        dataSegments: 2,
        retransmissions: { fast: 0, spurious: 0, timeout: 0 },
        outOfOrder: 0,
        gaps: 0,
        zeroWindows: [{ frame: 12 }],
        rtt: { samples: 2, maxMs: expect.closeTo(0.2, 2) },
      });
      expect(flow.client).toMatchObject({
        retransmissions: { timeout: 1 },
        rtt: { samples: 1, maxMs: expect.closeTo(0.1, 2) },
      });
    }
  });

  it('a single byte that was never acknowledged is sent again, not kept alive', () => {
    const typed = handshake()
      .data({ ...fromA, payload: 1 })
      .data({ ...fromA, payload: 1, seq: seqA, afterMs: 300 });
    expect(client(typed)).toMatchObject({ keepAlives: null, retransmissions: { timeout: 1 } });
    const idle = handshake()
      .data({ ...fromA, payload: 1 })
      .ack(fromB)
      .data({ ...fromA, payload: 1, seq: seqA, afterMs: 300 });
    expect(client(idle)).toMatchObject({ keepAlives: { count: 1 }, retransmissions: { timeout: 0 } });
  });
});

describe('round trip time', () => {
  it('is of the segment, to the first ACK that covers it', () => {
    const flow = client(
      handshake()
        .data({ ...fromA, atMs: startMs + 100 })
        .data({ ...fromA, atMs: startMs + 101 })
        .ack({ ...fromB, atMs: startMs + 104 })
        .data({ ...fromA, atMs: startMs + 110 })
        .ack({ ...fromB, ack: seqA + 200, atMs: startMs + 111 })
        .data({ ...fromB, atMs: startMs + 120 }),
    );
    expect(flow.rtt).toEqual({ samples: 3, minMs: 1, meanMs: 5, maxMs: 10 });
  });

  it('is never of what was sent again, nor of what waited for that', () => {
    const again = handshake()
      .data(fromA)
      .data({ ...fromA, seq: seqA, afterMs: 200 })
      .ack({ ...fromB, afterMs: 1 });
    expect(client(again).rtt).toMatchObject({ samples: 1, maxMs: 1 });
    const waited = handshake()
      .data(fromA)
      .ack({ ...fromB, afterMs: 1 })
      .data({ ...fromA, seq: seqA + 200 })
      .data({ ...fromA, seq: seqA + 100, afterMs: 300 })
      .ack({ ...fromB, ack: seqA + 300, afterMs: 1 });
    expect(client(waited).rtt).toMatchObject({ samples: 2, maxMs: 1 });
    const swapped = handshake()
      .data(fromA)
      .ack({ ...fromB, afterMs: 1 })
      .data({ ...fromA, seq: seqA + 200 })
      .data({ ...fromA, seq: seqA + 100 })
      .ack({ ...fromB, ack: seqA + 300, afterMs: 5 });
    expect(client(swapped).rtt).toMatchObject({ samples: 2, maxMs: 1 });
  });

  it('is not of a repeated SYN, nor ended by a RST', () => {
    const again = capture()
      .syn(fromA)
      .syn({ ...fromA, afterMs: 1000 })
      .synAck({ ...fromB, afterMs: 1 });
    expect(client(again).rtt).toBeNull();
    expect(client(capture().syn(fromA).refuse(fromB)).rtt).toBeNull();
  });

  it('is not of a segment that was captured after its ACK', () => {
    const late = handshake()
      .ack({ ...fromB, ack: seqA + 100, afterMs: 5 })
      .data({ ...fromA, seq: seqA })
      .ack({ ...fromB, ack: seqA + 100 });
    expect(client(late)).toMatchObject({ rtt: { samples: 1, minMs: 1 }, retransmissions: { spurious: 0 } });
  });

  it('a server that ignores the data of a SYN has a round trip time', () => {
    const open = capture()
      .syn({ ...fromA, payload: 20 })
      .synAck({ ...fromB, ack: seqA, afterMs: 7 });
    expect(client(open).rtt).toEqual({ samples: 1, minMs: 7, meanMs: 7, maxMs: 7 });
  });

  it('follows numbers that wrap, and clocks that are set back', () => {
    const wraps = handshake({ seq: 0xffff_fff0 })
      .data({ ...fromA, payload: 100 })
      .ack({ ...fromB, afterMs: 3 });
    expect(client(wraps)).toMatchObject({ dataSegments: 1, gaps: 0, rtt: { samples: 2, maxMs: 3 } });
    const back = handshake()
      .data(fromA)
      .ack({ ...fromB, atMs: startMs - 5000 });
    expect(client(back).rtt).toMatchObject({ samples: 1, minMs: 1 });
  });
});

describe('receive windows', () => {
  const shut = (): CaptureBuilder =>
    handshake()
      .data({ ...fromA, atMs: startMs + 10 })
      .ack({ ...fromB, window: 0, atMs: startMs + 11 });

  it('shut and opened, with the probes between', () => {
    const probed = shut()
      .ack({ ...fromA, seq: seqA + 99, afterMs: 200 })
      .ack({ ...fromB, window: 0 })
      .data({ ...fromA, seq: seqA + 100, payload: 1, afterMs: 400 })
      .ack({ ...fromB, ack: seqA + 100, window: 0 })
      .ack({ ...fromB, ack: seqA + 100, window: 500, atMs: startMs + 2011 })
      .data({ ...fromA, seq: seqA + 100 });
    const { flow } = detailsOf(probed.bytes());
    const opened = { fromMs: startMs + 11, frame: 5, untilMs: startMs + 2011, probes: 2, senderWaits: true };
    expect(flow.server.zeroWindows).toEqual([opened]);
    expect(flow.client).toMatchObject({ zeroWindowProbes: 2, keepAlives: null, zeroWindows: [] });
    // Wireshark takes the first probe for a keep-alive; the window was shut, however it is called.
    expect(detailsOf(probed.bytes(), 'wireshark').flow.server.zeroWindows).toEqual([opened]);
  });

  it('shut for good, by a side that nobody sends to', () => {
    expect(server(shut()).zeroWindows).toEqual([
      { fromMs: startMs + 11, frame: 5, untilMs: null, probes: 0, senderWaits: false },
    ]);
    expect(server(shut().ack(fromA)).zeroWindows).toMatchObject([{ senderWaits: false }]);
    expect(server(shut().data(fromA)).zeroWindows).toMatchObject([{ senderWaits: true, probes: 0 }]);
    expect(server(shut().rst(fromB)).zeroWindows).toMatchObject([{ untilMs: null }]);
  });

  it('shut before the capture began: the questions tell, and their answers', () => {
    const older = (seq = seqA + 99): CaptureBuilder =>
      capture()
        .ack({ ...fromA, seq, ack: seqB + 1 })
        .ack({ ...fromB, ack: seqA + 100, window: 0, atMs: startMs + 11 });
    const open = { fromMs: startMs + 11, frame: 2, untilMs: null };
    expect(server(older()).zeroWindows).toEqual([{ ...open, probes: 1, senderWaits: true }]);
    const again = older().ack({ ...fromA, seq: seqA + 99, ack: seqB + 1, afterMs: 3000 });
    expect(server(again).zeroWindows).toEqual([{ ...open, probes: 2, senderWaits: true }]);
    expect(client(again).zeroWindowProbes).toBe(1);
    // an ordinary ACK asks for nothing
    const silent = older(seqA + 100).ack({ ...fromA, seq: seqA + 100, ack: seqB + 1, afterMs: 3000 });
    expect(server(silent).zeroWindows).toEqual([{ ...open, probes: 0, senderWaits: false }]);
  });

  it('who filled the window before it was shut waits', () => {
    const filled = handshake({ windowScale: 0 }, { windowScale: 0, window: 100 })
      .data({ ...fromA, payload: 100 })
      .ack({ ...fromB, window: 0 });
    expect(server(filled).zeroWindows).toMatchObject([{ senderWaits: true, probes: 0 }]);
    expect(client(filled).windowFull).toBe(1);
  });

  it('a segment that was overtaken opens no window', () => {
    const late = shut()
      .ack({ ...fromB, ack: seqA, window: 1000 })
      .ack({ ...fromB, ack: seqA + 50, window: 1000 });
    expect(server(late).zeroWindows).toMatchObject([{ untilMs: null }]);
  });

  it('of many the longest are kept, in order', () => {
    const builder = handshake();
    for (let i = 1; i <= 20; i++) {
      builder
        .data(fromA)
        .ack({ ...fromB, window: 0 })
        .ack({ ...fromB, window: 500, afterMs: i });
    }
    const { flow, dropped } = detailsOf(builder.bytes());
    const lengths = flow.server.zeroWindows.map((zero) => Math.round((zero.untilMs ?? 0) - zero.fromMs));
    expect(lengths).toEqual(Array.from({ length: 16 }, (_, i) => i + 5));
    expect(dropped).toBe(4);
  });
});

describe('holes that SACK tells of', () => {
  /** Four segments of 100 bytes are sent. */
  const four = (): CaptureBuilder => handshake().data(fromA).data(fromA).data(fromA).data(fromA);
  const at = (offset: number): number => seqA + offset;

  it('a hole of one segment that is never filled', () => {
    const builder = four()
      .ack({ ...fromB, ack: at(100), sack: [[at(200), at(400)]], atMs: startMs + 20 })
      .data({ ...fromA, seq: at(100), afterMs: 0.1 })
      .data({ ...fromA, seq: at(100), afterMs: 200 })
      .data({ ...fromA, seq: at(100), afterMs: 400 });
    expect(client(builder).holes).toEqual([
      {
        start: 101,
        length: 100,
        firstSeenMs: startMs + 20,
        frame: 8,
        retransmits: 3,
        originalSeen: true,
        filledMs: null,
      },
    ]);
  });

  it('holes between blocks, and what fills them', () => {
    const builder = four()
      .ack({
        ...fromB,
        ack: at(0),
        sack: [
          [at(300), at(400)],
          [at(100), at(200)],
        ],
        atMs: startMs + 20,
      })
      .data({ ...fromA, seq: at(200) })
      .ack({ ...fromB, ack: at(0), sack: [[at(100), at(400)]], atMs: startMs + 30 })
      .data({ ...fromA, seq: at(0) })
      .ack({ ...fromB, ack: at(400), atMs: startMs + 40 });
    expect(client(builder).holes).toMatchObject([
      { start: 1, length: 100, retransmits: 1, filledMs: startMs + 40 },
      { start: 201, length: 100, retransmits: 1, filledMs: startMs + 30 },
    ]);
  });

  it('a hole that is filled in part is what is left of it', () => {
    const builder = four()
      .ack({ ...fromB, ack: at(0), sack: [[at(300), at(400)]] })
      .data({ ...fromA, seq: at(100) })
      .data({ ...fromA, seq: at(200) })
      .data({ ...fromA, seq: at(0) })
      .data({ ...fromA, seq: at(0), afterMs: 300 })
      .ack({ ...fromB, ack: at(0), sack: [[at(100), at(400)]] });
    expect(client(builder).holes).toMatchObject([{ start: 1, length: 100, retransmits: 2, filledMs: null }]);
    const middle = four()
      .ack({ ...fromB, ack: at(0), sack: [[at(300), at(400)]] })
      .data({ ...fromA, seq: at(200), afterMs: 300 })
      .ack({
        ...fromB,
        ack: at(0),
        sack: [
          [at(100), at(200)],
          [at(300), at(400)],
        ],
      });
    expect(client(middle).holes).toMatchObject([
      { start: 1, length: 100, retransmits: 0, filledMs: null },
      { start: 201, length: 100, retransmits: 1, filledMs: null },
    ]);
  });

  it('is told of once, however often and in whatever order', () => {
    const builder = four();
    for (const to of [200, 300, 400, 300]) builder.ack({ ...fromB, ack: at(0), sack: [[at(100), at(to)]] });
    expect(client(builder).holes).toMatchObject([{ start: 1, length: 100, frame: 8 }]);
  });

  it('a block about a duplicate tells of no hole (RFC 2883)', () => {
    const below = four().ack({ ...fromB, ack: at(400), sack: [[at(0), at(100)]] });
    expect(client(below).holes).toEqual([]);
    const inside = four().ack({
      ...fromB,
      ack: at(0),
      sack: [
        [at(200), at(300)],
        [at(100), at(400)],
      ],
    });
    expect(client(inside).holes).toMatchObject([{ start: 1, length: 100 }]);
  });

  it('blocks that are broken, forged, or about what was never sent tell of none', () => {
    for (const block of [
      [at(300), at(200)],
      [at(200), at(200)],
      [at(400), at(500)],
      [at(0) + 2 ** 31, at(100) + 2 ** 31],
    ] as const) {
      expect(client(four().ack({ ...fromB, ack: at(0), sack: [block] })).holes).toEqual([]);
    }
  });

  it('says whether the bytes passed here before', () => {
    const gap = handshake()
      .data({ ...fromA, seq: at(100) })
      .ack({ ...fromB, ack: at(0), sack: [[at(100), at(200)]] })
      .data({ ...fromA, seq: at(0), afterMs: 200 });
    expect(client(gap).holes).toMatchObject([{ originalSeen: false, retransmits: 1 }]);
    const began = capture()
      .data({ ...fromA, seq: at(100), ack: 1 })
      .ack({ ...fromB, seq: 1, ack: at(0), sack: [[at(100), at(200)]] });
    expect(client(began).holes).toMatchObject([{ length: 100, originalSeen: false }]);
    const onlyAcks = capture()
      .ack({ ...fromB, seq: 1, ack: at(0), sack: [[at(100), at(200)]] })
      .ack({ ...fromB, seq: 1, ack: at(0), sack: [[at(100), at(300)]] });
    expect(detailsOf(onlyAcks.bytes()).flow.server.holes).toMatchObject([{ length: 100, originalSeen: false }]);
  });

  it('numbers that wrap', () => {
    const isn = 0xffff_ff40;
    const from = (offset: number): number => (isn + 1 + offset) >>> 0;
    const builder = handshake({ seq: isn })
      .data(fromA)
      .data(fromA)
      .data(fromA)
      .ack({ ...fromB, ack: from(100), sack: [[from(200), from(300)]] })
      .data({ ...fromA, seq: from(100), afterMs: 200 })
      .ack({ ...fromB, ack: from(300), atMs: startMs + 900 });
    expect(client(builder).holes).toMatchObject([{ start: 101, length: 100, retransmits: 1, filledMs: startMs + 900 }]);
  });

  it('of many those are kept that stayed open or were sent again', () => {
    const builder = handshake();
    for (let i = 0; i < 60; i++) builder.data(fromA);
    for (let i = 0; i < 25; i++) {
      const hole = at(i * 200);
      builder
        .ack({ ...fromB, ack: hole, sack: [[hole + 100, hole + 200]] })
        .data({ ...fromA, seq: hole, afterMs: 300 });
      if (i === 3) builder.data({ ...fromA, seq: hole, afterMs: 600 });
      if (i < 24) builder.ack({ ...fromB, ack: hole + 200 });
    }
    const { flow, dropped } = detailsOf(builder.bytes());
    expect(flow.client.holes).toHaveLength(16);
    expect(flow.client.holes[0]).toMatchObject({ start: 601, retransmits: 2 });
    expect(flow.client.holes.at(-1)).toMatchObject({ start: 4801, filledMs: null });
    expect(dropped).toBe(9);
  });
});

describe('silences', () => {
  it('from 5 s on, with what ended them and what came back', () => {
    const { idleGaps } = detailsOf(
      handshake()
        .data(fromA)
        .ack({ ...fromB, atMs: startMs + 1000 })
        .data({ ...fromA, atMs: startMs + 901_000 })
        .tcp({ ...fromB, flags: 'R', afterMs: 0.1 })
        .bytes(),
    );
    expect(idleGaps).toEqual([
      { fromMs: startMs + 1000, idleMs: 900_000, endedBy: 'client', with: 'data', frame: 6, answer: 'rst' },
    ]);
  });

  it('longest first; what was said to each', () => {
    const { idleGaps } = detailsOf(
      handshake()
        .data(fromA)
        .ack(fromB)
        .ack({ ...fromA, seq: seqA + 99, afterMs: 5000 })
        .ack({ ...fromB, afterMs: 1 })
        .data({ ...fromB, afterMs: 30_000 })
        .data({ ...fromB, seq: seqB, afterMs: 12_800 })
        .fin({ ...fromA, seq: seqA + 100, afterMs: 20_000 })
        .ack(fromB)
        .fin({ ...fromB, afterMs: 40_000 })
        .ack({ ...fromA, afterMs: 60_000 })
        .bytes(),
    );
    expect(idleGaps.map((gap) => [gap.idleMs, gap.endedBy, gap.with, gap.answer])).toEqual([
      [40_000, 'server', 'fin', 'ack'],
      [30_000, 'server', 'data', 'none'],
      [20_000, 'client', 'fin', 'ack'],
      [5000, 'client', 'keepAlive', 'ack'],
    ]);
  });

  it('waits for an answer to a SYN, after a RST, or of a retransmission are none', () => {
    const waits = [
      capture()
        .syn(fromA)
        .syn({ ...fromA, afterMs: 16_000 })
        .synAck({ ...fromB, afterMs: 32_000 }),
      handshake()
        .rst(fromB)
        .data({ ...fromA, afterMs: 60_000 }),
      handshake()
        .data(fromA)
        .data({ ...fromA, seq: seqA, afterMs: 25_600 }),
      handshake().data({ ...fromA, afterMs: 4999 }),
    ];
    for (const builder of waits) expect(detailsOf(builder.bytes()).idleGaps).toEqual([]);
  });

  it('at most eight are kept', () => {
    const builder = handshake();
    for (let i = 0; i < 12; i++) builder.data({ ...fromA, afterMs: 10_000 + ((i * 5) % 12) * 1000 });
    const { idleGaps, dropped } = detailsOf(builder.bytes());
    expect(idleGaps.map((gap) => gap.idleMs / 1000)).toEqual([21, 20, 19, 18, 17, 16, 15, 14]);
    expect(dropped).toBe(4);
  });
});

describe('keep-alives', () => {
  const idle = (): CaptureBuilder => handshake().data(fromA).ack(fromB);

  it('with answers: the interval is that of the keep-alives', () => {
    const builder = idle();
    for (let i = 0; i < 3; i++) builder.ack({ ...fromA, seq: seqA + 99, afterMs: 5000 }).ack({ ...fromB, afterMs: 1 });
    expect(client(builder).keepAlives).toEqual({ count: 3, answered: 3, intervalMs: 5001 });
    expect(server(builder).keepAlives).toBeNull();
  });

  it('without answers, and with data between', () => {
    const builder = idle()
      .ack({ ...fromA, seq: seqA + 99, afterMs: 7_200_000 })
      .ack({ ...fromA, seq: seqA + 99, afterMs: 75_000 });
    expect(client(builder).keepAlives).toEqual({ count: 2, answered: 0, intervalMs: 75_000 });
    const between = idle()
      .ack({ ...fromA, seq: seqA + 99, afterMs: 60_000 })
      .ack(fromB)
      .data({ ...fromA, seq: seqA + 100, afterMs: 1000 })
      .ack(fromB)
      .ack({ ...fromA, seq: seqA + 199, afterMs: 60_000 })
      .rst(fromB);
    expect(client(between).keepAlives).toEqual({ count: 2, answered: 1, intervalMs: null });
  });
});

describe('delayed ACKs that meet Nagle', () => {
  const wrote = (
    payload = 100,
    before: (builder: CaptureBuilder) => CaptureBuilder = (builder) => builder,
  ): CaptureBuilder => before(handshake()).data({ ...fromA, payload, afterMs: 5 });
  const ack = (afterMs: number) => ({ ...fromB, afterMs });

  it('a small segment, a late ACK, and at once the next', () => {
    const twice = wrote()
      .ack(ack(40))
      .data(fromA)
      .data({ ...fromB, afterMs: 1 })
      .data({ ...fromA, afterMs: 1 })
      .ack(ack(44))
      .data(fromA)
      .data(fromA);
    expect(client(twice).delayedAckStalls).toEqual({ count: 2, longestMs: 44 });
    expect(server(twice).delayedAckStalls).toBeNull();
  });

  it('not: too early, too late, a full segment, a filled window, a later or other next packet, a long path', () => {
    const full = handshake({ windowScale: 0 }, { windowScale: 0, window: 100 }).data({ ...fromA, afterMs: 5 });
    const far = capture()
      .syn(fromA)
      .synAck({ ...fromB, afterMs: 40 })
      .ack(fromA)
      .data(fromA);
    for (const builder of [
      wrote().ack(ack(20)).data(fromA),
      wrote().ack(ack(300)).data(fromA),
      wrote(1448).ack(ack(40)).data(fromA),
      full.ack(ack(40)).data(fromA),
      wrote()
        .ack(ack(40))
        .data({ ...fromA, afterMs: 30 }),
      wrote().ack(ack(40)).data(fromB).data(fromA),
      wrote().data(fromA).ack(ack(40)).data(fromA),
      wrote().ack(ack(40)).fin(fromA),
      far.ack(ack(40)).data(fromA),
    ])
      expect(client(builder).delayedAckStalls).toBeNull();
  });
});

describe('slots', () => {
  const packetOf = (flags: number, sequence: number, payloadLength: number): DecodedPacket =>
    Object.assign(new DecodedPacket(), {
      kind: 'tcp',
      flags,
      sequence,
      payloadLength,
      acknowledgement: 1,
      window: 100,
      ttl: 64,
    });

  it('begin anew, whatever was there, and do not touch each other', () => {
    const details = new ConnectionDetails(4);
    const gap = (slot: number): void => {
      details.segment(slot, 0, packetOf(flagAck, 100, 10), 0, 1, 0);
      details.segment(slot, 0, packetOf(flagAck, 500, 10), 1 << 4, 2, 20_000);
    };
    const empty = (): unknown => {
      details.open(70_000);
      return details.facts(70_000, 0, 0);
    };
    const nothing = empty();
    for (let round = 0; round < 5; round++) {
      details.open(3);
      expect(details.facts(3, 0, 0)).toEqual(nothing);
      gap(3);
      expect(details.facts(3, 0, 0)).toMatchObject({ flow: { client: { gaps: 1 } }, idleGaps: [{ idleMs: 20_000 }] });
      expect(empty()).toEqual(nothing);
      if (round % 2 === 0) details.release(3);
    }
    // What was let go makes room: the bound was never met: two lists with one entry each.
    expect(details.dropped).toBe(0);
    details.open(3);
    gap(3);
    details.open(4);
    gap(4);
    expect(details.facts(3, 0, 0).idleGaps).toHaveLength(1);
    expect(details.facts(4, 0, 0)).toMatchObject({ flow: { client: { gaps: 1 } }, idleGaps: [] });
    expect(details.dropped).toBe(2);
  });

  it('facts stay as they were', () => {
    const details = new ConnectionDetails();
    details.open(0);
    details.segment(0, 0, packetOf(flagAck, 100, 10), 0, 1, 0);
    details.segment(0, 0, packetOf(flagAck, 110, 10), 0, 2, 20_000);
    const before = details.facts(0, 0, 0);
    const copy = structuredClone(before);
    details.segment(0, 1, packetOf(flagRst, 1, 0), 0, 3, 20_001);
    details.segment(0, 0, packetOf(flagAck | flagFin, 120, 10), 0, 4, 50_000);
    expect(before).toEqual(copy);
    expect(details.facts(0, 0, 0).idleGaps[0]?.answer).toBe('rst');
  });

  it('any packets in any order: never throws, counts agree, lists are bounded', () => {
    const edge = fc.oneof(fc.integer({ min: -50, max: 3000 }), fc.constantFrom(0x7fff_ffff, -0x8000_0000, 2 ** 30));
    const packet = fc.record({
      slot: fc.integer({ min: 0, max: 3 }),
      side: fc.constantFrom(0 as const, 1 as const),
      flags: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(flagAck, flagAck | 8) },
        { weight: 1, arbitrary: fc.nat(255) },
      ),
      sequence: edge,
      acknowledgement: edge,
      payloadLength: fc.oneof(fc.constantFrom(-1, 0, 1, 100, 1448), fc.nat(262_144)),
      window: fc.constantFrom(0, 0, 100, 65_535),
      ttl: fc.nat(255),
      mss: fc.constantFrom(-1, 0, 536, 65_535),
      blocks: fc.array(edge, { maxLength: 8 }),
      verdicts: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: (1 << 18) - 1 })),
      afterMs: fc.constantFrom(0, 0.1, 40, 300, 12_000, -1000),
      reopen: fc.integer({ min: 0, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 200 }), (packets) => {
        const details = new ConnectionDetails(17);
        for (let slot = 0; slot < 4; slot++) details.open(slot);
        const decoded = new DecodedPacket();
        const data: number[] = Array.from({ length: 8 }, () => 0);
        let atMs = startMs;
        for (const [index, { slot, side, verdicts, afterMs, blocks, reopen, ...fields }] of packets.entries()) {
          if (reopen === 0) {
            details.open(slot);
            data.fill(0, slot * 2, slot * 2 + 2);
          }
          Object.assign(decoded, fields);
          decoded.sackBlocks = blocks.length >> 1;
          decoded.sackEdges.set(blocks);
          atMs += afterMs;
          details.segment(slot, side, decoded, verdicts, index + 1, atMs);
          if (fields.payloadLength > 0 && (fields.flags & flagRst) === 0)
            data[slot * 2 + side] = (data[slot * 2 + side] ?? 0) + 1;
        }
        for (let slot = 0; slot < 4; slot++) {
          const { flow, idleGaps } = details.facts(slot, 0, 0);
          expect(idleGaps.length).toBeLessThanOrEqual(8);
          for (const [side, one] of [flow.client, flow.server].entries()) {
            expect(one.dataSegments).toBe(data[slot * 2 + side]);
            expect(one.bySize.reduce((sum, { sent }) => sum + sent, 0)).toBe(one.dataSegments);
            for (const { sent, retransmitted } of one.bySize) expect(retransmitted).toBeLessThanOrEqual(sent);
            expect(one.holes.length).toBeLessThanOrEqual(16);
            for (const hole of one.holes) {
              expect(hole.length).toBeGreaterThan(0);
              expect(hole.length).toBeLessThanOrEqual(2 ** 30);
            }
            expect(one.zeroWindows.length).toBeLessThanOrEqual(16);
            const numbers = [one.outOfOrder, one.gaps, one.duplicateAcks, ...Object.values(one.retransmissions)];
            for (const number of [...numbers, one.rtt?.minMs ?? 0, one.keepAlives?.intervalMs ?? 0]) {
              expect(number).toBeGreaterThanOrEqual(0);
            }
          }
          details.release(slot);
        }
        // All room came back, and no more: a list of sixteen gaps fits exactly.
        const again = details.dropped;
        Object.assign(decoded, { flags: flagAck, payloadLength: 1, sackBlocks: 0, window: 100 });
        const gapsOf = (slot: number, count: number): void => {
          details.open(slot);
          for (let i = 0; i <= count; i++) {
            decoded.sequence = i * 10;
            details.segment(slot, 0, decoded, i === 0 ? 0 : 1 << 4, 1, 0);
          }
        };
        gapsOf(9, 16);
        expect(details.dropped).toBe(again);
        gapsOf(10, 1);
        expect(details.dropped).toBe(again + 1);
      }),
      { numRuns: 100 },
    );
  }, 30_000);
});

describe.skipIf(!there)(`real captures${why}`, () => {
  const of = (...name: string[]): ReturnType<typeof detailsOf> => detailsOf(readFileSync(path.join(captures, ...name)));

  it('f40: one hole of one segment, sent again five times, seen here, never filled', () => {
    const { flow } = of('f40-mtu-blackhole-ingress.pcap');
    expect(flow.client).toMatchObject({
      dataSegments: 8,
      largestPayload: 1440,
      retransmissions: { fast: 1, spurious: 0, timeout: 4, unseenOriginal: 0 },
      bySize: [
        { upTo: 536, sent: 1, retransmitted: 0 },
        { upTo: 1220, sent: 1, retransmitted: 0 },
        { upTo: 1440, sent: 6, retransmitted: 5 },
      ],
      // tshark -T fields -e tcp.analysis.ack_rtt: 0.034 and 0.010 ms
      rtt: { samples: 2, minMs: 0.01, meanMs: 0.022, maxMs: 0.034 },
      holes: [
        {
          start: 5,
          length: 1440,
          firstSeenMs: 1_795_224_123_156.771,
          frame: 8,
          retransmits: 5,
          originalSeen: true,
          filledMs: null,
        },
      ],
    });
    expect(flow.server).toMatchObject({ duplicateAcks: 1, rtt: { samples: 1, minMs: 0.017 } });
  });

  it('f34: the window is shut for 3.37 s, probed four times, and the keep-alives after it are keep-alives', () => {
    const { flow, idleGaps } = of('f34-zero-window.pcap');
    expect(flow.server.zeroWindows).toEqual([
      {
        fromMs: 1_795_224_619_744.136,
        frame: 11,
        untilMs: 1_795_224_623_114.112,
        probes: 4,
        senderWaits: true,
      },
    ]);
    expect(flow.client).toMatchObject({
      dataSegments: 26,
      windowFull: 24,
      zeroWindowProbes: 4,
      keepAlives: { count: 2, answered: 2, intervalMs: 1024.012 },
      // tshark: 28 values of tcp.analysis.ack_rtt, 0.005 to 43.955 ms, mean 6.15564
      rtt: { samples: 28, minMs: 0.005, meanMs: 6.156, maxMs: 43.955 },
      delayedAckStalls: null,
      retransmissions: { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 },
      fin: { frame: 68 },
    });
    expect(flow.server.rtt).toEqual({ samples: 1, minMs: 0.02, meanMs: 0.02, maxMs: 0.02 });
    expect(idleGaps).toEqual([]);
  });

  it.each(['f40-mtu-blackhole-ingress.pcap', 'f34-zero-window.pcap'])('%s: the analyser says the same', (file) => {
    const bytes = readFileSync(path.join(captures, file));
    const analyser = createCaptureAnalyser({ evidence: file });
    analyser.push(bytes);
    const [connection] = analyser.finish().connections;
    const { flow, idleGaps } = detailsOf(bytes);
    expect(connection).toMatchObject({ flow, idleGaps });
  });

  it('IPVS forgot an idle connection: 35 s of silence, then data, then a RST', () => {
    const { idleGaps } = of('linux-4.9', '03-ipvs', 'client-n0.pcap');
    expect(idleGaps).toMatchObject([
      { endedBy: 'client', with: 'data', frame: 11, answer: 'rst' },
      // the client says something every 5 s before
      { endedBy: 'client', with: 'data', frame: 8, answer: 'ack' },
    ]);
    expect(idleGaps[0]?.idleMs).toBeCloseTo(35_003.827, 2);
  });
});
