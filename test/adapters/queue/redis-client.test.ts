import { describe, expect, it } from 'vitest';
import { readRedisUrl } from '../../../src/adapters/queue/redis-client.ts';
import { isTooOld, problemsOf } from '../../../src/adapters/queue/server-facts.ts';
import { stopReasonOf } from '../../../src/adapters/queue/stop-reason.ts';

describe('readRedisUrl', () => {
  it.each([
    ['redis://redis', { host: 'redis', port: 6379 }, 'redis:6379'],
    [
      'redis://bob:p%40ss@10.0.0.1:6380/3',
      { host: '10.0.0.1', port: 6380, username: 'bob', password: 'p@ss', db: 3 },
      '10.0.0.1:6380',
    ],
    ['redis://:pw@[fd00::1]:6379', { host: 'fd00::1', port: 6379, password: 'pw' }, '[fd00::1]:6379'],
    ['rediss://redis.example', { host: 'redis.example', port: 6379, tls: {} }, 'redis.example:6379'],
    ['unix:/run/redis.sock', { path: '/run/redis.sock' }, '/run/redis.sock'],
    ['unix:///run/redis.sock', { path: '/run/redis.sock' }, '/run/redis.sock'],
    ['/run/redis.sock', { path: '/run/redis.sock' }, '/run/redis.sock'],
  ])('%s', (url, options, shown) => {
    expect(readRedisUrl(url)).toEqual({ options, shown });
  });

  it.each([
    'redis',
    'redis:6379',
    'http://:hunter2@redis',
    'redis://',
    'redis://:hunter2@redis/x',
    '://hunter2',
    'redis://:hun ter2@ redis',
    'redis://:hunter2%zz@redis',
  ])('refuses %s and does not repeat it', (url) => {
    let thrown: unknown;
    try {
      readRedisUrl(url);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'config/invalid', hint: expect.stringContaining('redis://') as string });
    expect(String(thrown)).not.toContain('hunter2');
  });
});

describe('the Redis that netcheck stands on', () => {
  it.each([
    ['5.0.7', true],
    ['6.0.16', true],
    ['6.2.0', false],
    ['7.0.15', false],
    ['10.1', false],
    ['unknown', false],
  ])('%s is too old: %s', (version, old) => {
    expect(isTooOld(version)).toBe(old);
  });

  it('has no problems where it keeps what it is told', () => {
    expect(problemsOf({ version: '7.2.4', evictionPolicy: 'noeviction', persistent: true })).toEqual([]);
    expect(problemsOf({ version: '6.0.16', evictionPolicy: 'volatile-lru', persistent: false })).toHaveLength(3);
  });
});

describe('stopReasonOf', () => {
  it('reads what the worker gave, and nothing else', () => {
    const aborted = (reason: unknown): AbortSignal => AbortSignal.abort(reason);
    expect(stopReasonOf(new AbortController().signal)).toBeUndefined();
    expect(stopReasonOf(aborted({ why: 'cancelled', by: 'U1' }))).toEqual({ why: 'cancelled', by: 'U1' });
    expect(stopReasonOf(aborted({ why: 'closing' }))).toEqual({ why: 'closing' });
    expect(stopReasonOf(aborted({ why: 'takenOver' }))).toEqual({ why: 'takenOver' });
    expect(stopReasonOf(aborted({ why: 'cancelled' }))).toBeUndefined();
    expect(stopReasonOf(aborted('enough'))).toBeUndefined();
    expect(stopReasonOf(aborted(undefined))).toBeUndefined();
  });
});
