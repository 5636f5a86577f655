import { describe, expect, it } from 'vitest';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { DecodedPacket } from '../../src/packets/decode-packet.ts';
import { FlowTable } from '../../src/packets/flow-table.ts';
import { capture } from './build-capture.ts';

describe('thousands of 4-tuples', () => {
  it('are told apart in both directions, also when their ports are used again', () => {
    const ends = Array.from({ length: 3000 }, (_, i) => ({
      from: i % 3 === 0 ? `[2001:db8::${(i + 1).toString(16)}]:40000` : `10.0.${i % 200}.${i % 7}:${10_000 + i}`,
      to: i % 3 === 0 ? '[2001:db8::ffff]:80' : '10.1.0.1:80',
    }));
    const builder = capture();
    const round = (seq: number, order: typeof ends): void => {
      for (const { from, to } of order) builder.syn({ from, to, seq, afterMs: 0.001 });
      for (const { from, to } of ends) builder.synAck({ from: to, to: from, afterMs: 0.001 });
      for (const { from, to } of ends) builder.ack({ from, to, afterMs: 0.001 });
    };
    round(1000, ends);
    // Out of the middle of a chain as well as off its ends.
    round(2000, [...ends].reverse());
    for (const [i, { from, to }] of ends.entries()) if (i % 2 === 0) builder.syn({ from, to, seq: 3000 });
    for (const [i, { from, to }] of ends.entries()) if (i % 2 === 1) builder.ack({ from, to });
    const analyser = createCaptureAnalyser({ evidence: 'x' });
    analyser.push(builder.bytes());
    const { connections } = analyser.finish();
    const counts: Record<string, number> = {};
    for (const { handshake, packets } of connections) {
      const kind = `${handshake} ${packets.client}/${packets.server}`;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    expect(counts).toEqual({ 'complete 2/1': 4500, 'complete 3/1': 1500, 'unanswered 1/0': 1500 });
  });
});

describe('hashes', () => {
  it.each([
    ['addresses and ports that count up together', (i: number) => [0x0b00_0000 + i, 1024 + i] as const],
    ['addresses and ports that cancel out', (i: number) => [0x0b00_0000 ^ i, 1024 ^ i] as const],
    ['ports', (i: number) => [0x0b00_0000, i] as const],
  ])('are as different as chance makes them: %s', (_, ends) => {
    const table = new FlowTable();
    const packet = new DecodedPacket();
    packet.ipVersion = 4;
    packet.destination3 = 0x0a00_0001;
    packet.destinationPort = 80;
    const count = 40_000;
    const hashes = new Set<number>();
    const buckets = new Int32Array(65_536);
    for (let i = 0; i < count; i++) {
      [packet.source3, packet.sourcePort] = ends(i);
      const hash = table.hashOf(packet);
      hashes.add(hash);
      const bucket = hash & 65_535;
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    expect(hashes.size).toBeGreaterThan(count * 0.9);
    expect(buckets.reduce((most, each) => Math.max(most, each))).toBeLessThan(64);
  });
});
