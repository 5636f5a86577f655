import { describe, expect, it } from 'vitest';
import { createReadiness, type ReadinessCheck } from '../src/readiness.ts';

const start = Date.parse('2026-03-01T10:00:00Z');

describe('readiness', () => {
  it('is yes only where every check is, and says since when', async () => {
    let nowMs = start;
    let redis: Awaited<ReturnType<ReadinessCheck['look']>> = { ok: true, detail: { version: '7.0.15' } };
    const ready = createReadiness(
      [
        { name: 'redis', look: () => Promise.resolve(redis) },
        { name: 'slack', look: () => Promise.resolve({ ok: true }) },
      ],
      () => nowMs,
    );
    const since = new Date(start).toISOString();
    expect(await ready()).toEqual({
      ready: true,
      since,
      checks: { redis: { ok: true, since, version: '7.0.15' }, slack: { ok: true, since } },
    });
    redis = { ok: false, why: 'Redis is away.' };
    nowMs += 60_000;
    const later = new Date(nowMs).toISOString();
    expect(await ready()).toEqual({
      ready: false,
      since: later,
      checks: { redis: { ok: false, since: later, why: 'Redis is away.' }, slack: { ok: true, since } },
    });
    nowMs += 60_000;
    expect(await ready()).toMatchObject({ since: later, checks: { redis: { since: later } } });
  });

  it('looks once for all who ask at the same time, and not again within a second', async () => {
    let nowMs = start;
    let looks = 0;
    const ready = createReadiness(
      [
        {
          name: 'redis',
          look() {
            looks += 1;
            return Promise.resolve({ ok: true });
          },
        },
      ],
      () => nowMs,
    );
    await Promise.all([ready(), ready(), ready()]);
    await ready();
    expect(looks).toBe(1);
    nowMs += 1001;
    await ready();
    expect(looks).toBe(2);
  });
});
