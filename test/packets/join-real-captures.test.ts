import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { joinCaptures } from '../../src/packets/join-captures.ts';
import { randomTalk } from './random-talk.ts';
import { placeOf, story } from './several-places.ts';

const captures = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'captures');
const there = existsSync(path.join(captures, 'public'));
const why = there ? '' : ' (skipped: ../shared/captures is not here)';

describe.skipIf(!there)(`an IPVS director between client and server, Linux 4.9${why}`, () => {
  const names = ['rs-rs0', 'director-eth1', 'client-n0', 'director-eth0'];
  const places = () =>
    names.map((name) => placeOf(name, readFileSync(path.join(captures, 'linux-4.9', '03-ipvs', `${name}.pcap`))));

  test('one connection at four places, in the order of its way, across DNAT', () => {
    const joined = joinCaptures(places());
    expect(joined.places).toEqual(['client-n0', 'director-eth0', 'director-eth1', 'rs-rs0']);
    expect(joined.connections).toHaveLength(1);
    expect(joined.connections[0]).toMatchObject({ by: 'nat', matchedBy: ['isn', 'tsval', 'ipId'], died: [] });
    expect(joined.connections[0]?.tuples.map((tuple) => tuple?.server.address)).toEqual([
      '10.98.0.50',
      '10.98.0.50',
      '10.98.3.2',
      '10.98.3.2',
    ]);
    expect(story(joined).filter((line) => !line.endsWith(' arrived'))).toEqual([
      'client PSH,ACK 7+5 client-n011 director-eth011 director-eth1- rs-rs0- uncertain',
    ]);
    // The guest's clock is 8.45 ms behind; the client and the real server are namespaces of one machine.
    const offsets = joined.clocks.map(({ offsetMs }) => Math.round(offsetMs * 100) / 100);
    expect(offsets).toEqual([0, -8.45, -8.45, 0]);
    for (const { uncertaintyMs } of joined.clocks) expect(uncertaintyMs).toBeLessThan(0.05);
  });

  test('the entry ran out: data died in the director, and the RST came from there', () => {
    const capturing = { fromMs: 0, untilMs: Number.MAX_VALUE };
    const joined = joinCaptures(places().map((place) => ({ ...place, capturing })));
    expect(joined.connections[0]?.died).toEqual([
      { from: 'client', after: 1, before: 2, packets: 1, smallest: 5, largest: 5 },
    ]);
    expect(story(joined).at(-1)).toBe('server RST 7+0 client-n012 director-eth012 director-eth1- rs-rs0- appeared');
  });
});

describe.skipIf(!there)(`public captures${why}`, () => {
  test('a capture joined with itself: every connection is there, every packet arrived, the clocks agree', () => {
    let packets = 0;
    for (const entry of readdirSync(path.join(captures, 'public'), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const one = placeOf('a', readFileSync(path.join(entry.parentPath, entry.name)));
      const joined = joinCaptures([one, { ...one, name: 'b' }]);
      const pairs = joined.connections.map(({ numbers: [here, again] }) => here === again);
      expect(pairs, entry.name).toEqual(one.connections.map(() => true));
      for (const { packets: each } of joined.connections) {
        packets += each.length;
        expect(new Set(each.map(({ fate }) => fate)), entry.name).toEqual(new Set(['arrived']));
      }
      for (const { offsetMs, uncertaintyMs } of joined.clocks) {
        expect(Math.abs(offsetMs), entry.name).toBeLessThanOrEqual(uncertaintyMs);
      }
    }
    expect(packets).toBeGreaterThan(1000);
  });
});

test('captures that have nothing to do with each other, or contradict each other, are joined without harm', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const places = [seed, seed, seed + 1].map((each, index) =>
      placeOf(`${index}`, randomTalk(each, 300 + index * 50).bytes()),
    );
    const joined = joinCaptures(places);
    expect(
      joined.given.toSorted((a, b) => a - b),
      `seed ${seed}`,
    ).toEqual([0, 1, 2]);
    for (const { offsetMs, uncertaintyMs, driftPpm } of joined.clocks) {
      for (const value of [offsetMs, uncertaintyMs, driftPpm])
        expect(Number.isFinite(value), `seed ${seed}`).toBe(true);
    }
    for (const { numbers, tuples, packets, way } of joined.connections) {
      expect(numbers.map((number) => number === null)).toEqual(tuples.map((tuple) => tuple === null));
      expect(way.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
      for (const { seen, seq, length } of packets) {
        expect(seen).toHaveLength(3);
        expect(seen.some((sight) => sight !== null)).toBe(true);
        expect(Number.isSafeInteger(seq) && (length ?? 0) >= 0).toBe(true);
      }
    }
  }
});
