import { afterEach, describe, expect, it } from 'vitest';
import { NetcheckError } from '../src/model/errors.ts';
import { healthPortOf, type ProcessHealth, serveHealth } from '../src/serve-health.ts';

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

describe('/healthz', () => {
  let served: Awaited<ReturnType<typeof serveHealth>> | undefined;
  let health: ProcessHealth = { healthy: true };
  const get = (path: string) => fetch(`http://127.0.0.1:${served?.port ?? 0}${path}`);
  const serve = async () => {
    served = await serveHealth(0, () => Promise.resolve(health));
  };
  afterEach(async () => {
    await served?.close();
    served = undefined;
  });

  it('says 200 while the process can work, 503 with the reason while it cannot', async () => {
    await serve();
    const well = await get('/healthz');
    expect([well.status, await well.json()]).toEqual([200, { healthy: true }]);
    health = { healthy: false, why: 'Redis is away.' };
    const ill = await get('/healthz');
    expect([ill.status, await ill.json()]).toEqual([503, { healthy: false, why: 'Redis is away.' }]);
  });

  it('knows no other path', async () => {
    await serve();
    expect((await get('/')).status).toBe(404);
  });

  it('answers nobody after close', async () => {
    await serve();
    await served?.close();
    await expect(get('/healthz')).rejects.toThrow();
  });

  it('says which port is taken', async () => {
    await serve();
    const second = serveHealth(served?.port ?? 0, () => Promise.resolve(health));
    await expect(second).rejects.toThrow(NetcheckError);
    await expect(second).rejects.toThrow(`port ${served?.port}`);
  });
});
