import { describe, expect, test } from 'vitest';
import type { ConversationPacket } from '../../src/model/packet-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { PacketLog } from '../../src/packets/packet-log.ts';
import { type CaptureBuilder, capture } from './build-capture.ts';

const there = { from: '10.0.0.1:40000', to: '10.0.0.2:80' };
const back = { from: '10.0.0.2:80', to: '10.0.0.1:40000' };

function packetsOf(built: CaptureBuilder, log = new PacketLog({ maxPackets: 1000 }), number = 0) {
  const analyser = createCaptureAnalyser({ evidence: 'test', log });
  analyser.push(built.bytes());
  analyser.finish();
  return log.packetsOf(number);
}

const brief = (packets: readonly ConversationPacket[]) =>
  packets.map(({ from, flags, seq, ack, length }) => `${from} ${flags} ${seq} ${ack ?? '-'} ${length}`);

describe('PacketLog', () => {
  test('keeps the packets of a connection with numbers relative to the ISN of each side', () => {
    const packets = packetsOf(
      capture()
        .handshake({ ...there, tsval: 7, ttl: 61, ipId: 99 })
        .data({ ...there, payload: 300 })
        .ack(back)
        .tcp({ ...back, flags: 'FPA', payload: 20 }),
    );
    expect(brief(packets)).toEqual([
      'client SYN 0 - 0',
      'server SYN,ACK 0 1 0',
      'client ACK 1 1 0',
      'client PSH,ACK 1 1 300',
      'server ACK 1 301 0',
      'server FIN,PSH,ACK 1 301 20',
    ]);
    expect(packets[0]).toMatchObject({
      frame: 1,
      seqRaw: 1_000_000,
      ackRaw: null,
      ttl: 61,
      ipId: 99,
      tsval: 7,
      tsecr: 0,
      mss: 1460,
      places: [],
    });
    expect(packets[1]).toMatchObject({ seqRaw: 5_000_000, ackRaw: 1_000_001, tsval: null, mss: 1460 });
    expect(packets[3]).toMatchObject({ mss: null, analysis: [] });
  });

  test('scales windows only where both sides offered it, and never those of SYNs (RFC 7323 2.2)', () => {
    const windows = (client: object, server: object) =>
      packetsOf(
        capture()
          .tcp({ ...there, flags: 'S', seq: 5, window: 1000, ...client })
          .tcp({ ...back, flags: 'SA', seq: 9, window: 1000, ...server })
          .ack({ ...there, window: 100 })
          .ack({ ...back, window: 100 }),
      ).map(({ window }) => window);
    expect(windows({ windowScale: 7 }, { windowScale: 2 })).toEqual([1000, 1000, 12_800, 400]);
    expect(windows({ windowScale: 7 }, {})).toEqual([1000, 1000, 100, 100]);
    expect(windows({}, { windowScale: 2 })).toEqual([1000, 1000, 100, 100]);
    expect(windows({ windowScale: 255 }, { windowScale: 0 })).toEqual([1000, 1000, 100 * 2 ** 14, 100]);
  });

  test('a SYN+ACK with a window scale tells that the SYN, which was not captured, had one', () => {
    const packets = packetsOf(
      capture()
        .synAck({ ...back, ack: 78, window: 1000 })
        .ack({ ...back, window: 10 }),
    );
    expect(packets.map(({ window }) => window)).toEqual([1000, 1280]);
  });

  test('numbers of a connection without SYN begin at 1, as in Wireshark', () => {
    const packets = packetsOf(
      capture()
        .tcp({ ...there, flags: 'PA', seq: 7000, ack: 9000, payload: 10 })
        .tcp({ ...back, flags: 'PA', seq: 9000, ack: 7010, payload: 5 })
        .tcp({ ...there, flags: 'R', seq: 7010 }),
    );
    expect(brief(packets)).toEqual(['client PSH,ACK 1 1 10', 'server PSH,ACK 1 11 5', 'client RST 11 - 0']);
  });

  test('numbers go on growing past 2^32, and the odd number of a RST changes nothing after it', () => {
    const isn = 0xffff_ff00;
    const packets = packetsOf(
      capture()
        .syn({ ...there, seq: isn })
        .synAck(back)
        .data({ ...there, seq: isn + 1, payload: 400 })
        .rst({ ...there, seq: 0x7000_0000 })
        .rst({ ...there, seq: 0xd000_0000 })
        .data({ ...there, seq: 401 - 256, payload: 100 })
        .ack({ ...back, ack: 501 - 256, sack: [[601 - 256, 701 - 256]] })
        .ack({ ...there, seq: isn - 1, payload: 0 }),
    );
    expect(packets.map(({ seq }) => seq)).toEqual([0, 0, 1, 0x7000_0100, 0xd000_0100 - 2 ** 32, 401, 1, -1]);
    expect(packets[6]).toMatchObject({ ack: 501, sack: [[601, 701]] });
  });

  test('long streams: 5 GB later the number is 5 GB, not what is left of it', () => {
    const built = capture().syn(there).synAck(back);
    const step = 1_000_000_000;
    for (let at = 1; at <= 5; at++) built.data({ ...there, seq: 1_000_001 + at * step, payload: 1 });
    expect(packetsOf(built).at(-1)).toMatchObject({ seq: 5 * step + 1 });
  });

  test('the length of the first fragment of a datagram, and of a cut header, is not known', () => {
    const packets = packetsOf(
      capture()
        .handshake(there)
        .data({ ...there, payload: 600, fragment: { offset: 0, more: true } }),
    );
    expect(brief(packets).at(-1)).toBe('client PSH,ACK 1 1 null');
  });

  test('says Wireshark’s verdicts by name', () => {
    const packets = packetsOf(
      capture()
        .handshake(there)
        .data({ ...there, seq: 1_000_001 })
        .data({ ...there, seq: 1_000_001, afterMs: 300 })
        .ack({ ...back, window: 0 }),
    );
    expect(packets.slice(-2).map(({ analysis }) => analysis)).toEqual([['retransmission'], ['zero_window']]);
  });

  test('one packet on several devices is one packet with its places in order', () => {
    const packets = packetsOf(
      capture({ linkType: 276 })
        .syn({ ...there, interfaceIndex: 2 })
        .again({ interfaceIndex: 5, direction: 'out', ttlLess: 1 })
        .again({ interfaceIndex: 7, direction: 'out' })
        .synAck({ ...back, interfaceIndex: 7 }),
    );
    expect(brief(packets)).toEqual(['client SYN 0 - 0', 'server SYN,ACK 0 1 0']);
    expect(packets.map(({ places }) => places)).toEqual([[0, 1, 2], [3]]);
  });

  test('keeps no more packets than asked, and counts the others', () => {
    const log = new PacketLog({ maxPackets: 2 });
    expect(brief(packetsOf(capture().handshake(there).data(there), log))).toHaveLength(2);
    expect(log.dropped).toBe(2);
  });

  test('one connection alone', () => {
    const other = { from: '10.0.0.1:40001', to: '10.0.0.2:80' };
    const built = capture().handshake(there).handshake(other).data(there).data(other);
    const log = new PacketLog({ maxPackets: 1000, only: 1 });
    expect(packetsOf(built, log)).toEqual([]);
    expect(log.packetsOf(1)).toHaveLength(4);
    expect(log.dropped).toBe(0);
    expect(log.packetsOf(77)).toEqual([]);
  });

  test('grows past its first size', () => {
    const built = capture().handshake(there);
    for (let count = 0; count < 3000; count++) built.data({ ...there, payload: 1 });
    const packets = packetsOf(built, new PacketLog({ maxPackets: 2500 }));
    expect(packets).toHaveLength(2500);
    expect(packets.at(-1)).toMatchObject({ frame: 2500, seq: 2497 });
  });
});
