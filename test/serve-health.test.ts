import { describe, expect, it } from 'vitest';
import { healthPortOf, healthRoutes, httpTokenOf } from '../src/serve-health.ts';

describe('NETCHECK_HEALTH_PORT', () => {
  it('is a port, or nothing', () => {
    expect(healthPortOf({ NETCHECK_HEALTH_PORT: '3000' })).toBe(3000);
    expect(healthPortOf({ NETCHECK_HEALTH_PORT: '' })).toBeUndefined();
    expect(healthPortOf({})).toBeUndefined();
  });

  it.each(['0', '65536', '-1', '3000a', ' 3000', '1e3', '99999999999'])('refuses %j', (text) => {
    expect(() => healthPortOf({ NETCHECK_HEALTH_PORT: text })).toThrow(
      expect.objectContaining({ code: 'config/invalid', message: expect.stringContaining('NETCHECK_HEALTH_PORT') }),
    );
  });
});

describe('NETCHECK_ALERT_TOKEN and NETCHECK_METRICS_TOKEN', () => {
  it('are as they are, or absent', () => {
    expect(httpTokenOf({ NETCHECK_ALERT_TOKEN: '0123456789abcdef' }, 'NETCHECK_ALERT_TOKEN')).toBe('0123456789abcdef');
    expect(httpTokenOf({ NETCHECK_ALERT_TOKEN: '' }, 'NETCHECK_ALERT_TOKEN')).toBeUndefined();
    expect(httpTokenOf({ NETCHECK_ALERT_TOKEN: '0123456789abcdef' }, 'NETCHECK_METRICS_TOKEN')).toBeUndefined();
  });

  it.each(['short', '0123456789 abcdef', '0123456789abcdef\n', 'ключключключключ'])(
    'refuse %j, without repeating it',
    (token) => {
      expect.assertions(2);
      try {
        httpTokenOf({ NETCHECK_METRICS_TOKEN: token }, 'NETCHECK_METRICS_TOKEN');
      } catch (error) {
        expect(error).toMatchObject({
          code: 'config/invalid',
          message: expect.stringContaining('NETCHECK_METRICS_TOKEN'),
        });
        expect(String(error)).not.toContain(token);
      }
    },
  );
});

describe('/healthz', () => {
  it('says 200 while the process lives, 503 with the reason where only a restart mends it', async () => {
    let alive: { healthy: boolean; why?: string } = { healthy: true };
    const [healthz] = healthRoutes(() => alive, []);
    expect(await healthz?.answer(undefined)).toEqual({ status: 200, body: { healthy: true } });
    alive = { healthy: false, why: 'The token is dead.' };
    expect(await healthz?.answer(undefined)).toEqual({ status: 503, body: alive });
  });
});
