import { describe, expect, test } from 'vitest';
import { type ClockSample, estimateClockOffset, offsetAt } from '../../src/packets/clock-offset.ts';
import { SeededRandom } from './seeded-random.ts';

interface Way {
  readonly offsetMs?: number;
  readonly driftPpm?: number;
  /** Least delay of each direction. */
  readonly awayMs?: number;
  readonly backMs?: number;
  readonly spanMs?: number;
  readonly count?: number;
}

/** Packets to and fro with delays that queues add to. */
function samplesOf(seed: number, way: Way): ClockSample[] {
  const random = new SeededRandom(seed);
  const { offsetMs = 0, driftPpm = 0, awayMs = 0.3, backMs = 0.3, spanMs = 5000, count = 200 } = way;
  return Array.from({ length: count }, (_, index) => {
    const atMs = (spanMs * index) / count;
    const offset = offsetMs + (atMs * driftPpm) / 1e6;
    const queueMs = -Math.log(1 - random.fraction()) * 0.2;
    const away = random.chance(0.5);
    const delay = (away ? awayMs : backMs) + queueMs;
    return { atMs, differenceMs: away ? offset + delay : offset - delay, away };
  });
}

const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

describe('estimateClockOffset', () => {
  test('is right within what it says, whatever the delays of the two directions are', () => {
    for (const seed of seeds) {
      const random = new SeededRandom(seed * 31);
      const way = {
        offsetMs: random.between(-1e6, 1e6) / 3,
        awayMs: random.pick([0.02, 0.3, 20, 80]),
        backMs: random.pick([0.02, 0.3, 20, 80]),
        count: random.pick([2, 10, 300]),
      };
      const samples = samplesOf(seed, way);
      const clock = estimateClockOffset(samples, null);
      expect(clock, `seed ${seed}`).not.toBeNull();
      const error = Math.abs((clock?.offsetMs ?? 0) - way.offsetMs);
      expect(error, `seed ${seed}`).toBeLessThanOrEqual(clock?.uncertaintyMs ?? 0);
      if (samples.some(({ away }) => away) && samples.some(({ away }) => !away))
        expect(clock?.uncertaintyMs, `seed ${seed}`).toBeLessThan((way.awayMs + way.backMs) / 2 + 3);
    }
  });

  test('follows a clock that runs faster, and says nothing of drift where it does not matter', () => {
    for (const seed of seeds) {
      const random = new SeededRandom(seed * 37);
      const way = { offsetMs: -77, driftPpm: random.pick([-80, -20, 20, 80]), spanMs: 600_000, count: 3000 };
      const clock = estimateClockOffset(samplesOf(seed, way), null);
      if (clock === null) throw new Error('no clock');
      expect(Math.abs(clock.driftPpm - way.driftPpm), `seed ${seed}`).toBeLessThan(1);
      for (const atMs of [0, 300_000, 600_000]) {
        const error = Math.abs(offsetAt(clock, atMs) - (way.offsetMs + (atMs * way.driftPpm) / 1e6));
        expect(error, `seed ${seed} at ${atMs}`).toBeLessThanOrEqual(clock.uncertaintyMs);
      }
      expect(clock.uncertaintyMs, `seed ${seed}`).toBeLessThan(1);
      expect(estimateClockOffset(samplesOf(seed, { ...way, driftPpm: 0 }), null)?.driftPpm, `seed ${seed}`).toBe(0);
      expect(estimateClockOffset(samplesOf(seed, { ...way, spanMs: 3000 }), null)?.driftPpm, `seed ${seed}`).toBe(0);
    }
  });

  test('is not led astray by a few wild samples', () => {
    const wild = [-400, -90, 30, 700].map((differenceMs, index) => ({
      atMs: index * 900,
      differenceMs,
      away: index < 2,
    }));
    const clock = estimateClockOffset([...samplesOf(3, { offsetMs: 12, count: 600 }), ...wild], null);
    expect(clock?.offsetMs).toBeGreaterThan(11.5);
    expect(clock?.offsetMs).toBeLessThan(12.5);
    expect(clock?.uncertaintyMs).toBeLessThan(1);
  });

  test('a clock that jumped makes the estimate as unsure as the jump is wide', () => {
    const before = samplesOf(1, { offsetMs: 0 });
    const after = samplesOf(2, { offsetMs: 40 }).map((sample) => ({ ...sample, atMs: sample.atMs + 5000 }));
    const clock = estimateClockOffset([...before, ...after], null);
    expect(clock?.uncertaintyMs).toBeGreaterThan(20);
  });

  test('with one direction only the offset lies within the round trip, where one is known', () => {
    for (const isAway of [true, false]) {
      const samples = samplesOf(5, { offsetMs: 500, awayMs: 10, backMs: 10 }).filter(({ away }) => away === isAway);
      const within = estimateClockOffset(samples, 24);
      expect(Math.abs((within?.offsetMs ?? 0) - 500)).toBeLessThanOrEqual(within?.uncertaintyMs ?? 0);
      expect(within?.uncertaintyMs).toBeLessThan(13);
      const unknown = estimateClockOffset(samples, null);
      expect(unknown?.uncertaintyMs).toBe(1000);
      expect(Math.abs((unknown?.offsetMs ?? 0) - 500)).toBeLessThan(15);
    }
  });

  test('says nothing without samples', () => {
    expect(estimateClockOffset([], 3)).toBeNull();
  });
});
