import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLocales } from '../../../src/adapters/slack/locales.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { settled } from './settled.ts';

let world: SlackWorld;
beforeEach(() => {
  vi.useFakeTimers();
  world = new SlackWorld({ rates: 'off' });
  world.locales.set('U0BEN', 'zh-TW');
});
afterEach(() => void vi.useRealTimers());
const asked = () => world.calls.filter(({ method }) => method === 'users.info').length;

it('knows the language of a person, and asks Slack once for it, also for two questions at once', async () => {
  const locales = createLocales(worldCalls(world, { latencyMs: 50 }));
  expect(locales.known('U0BEN')).toBeUndefined();
  expect(await settled(Promise.all([locales.of('U0BEN'), locales.of('U0BEN'), locales.of('U0ANNA')]))).toEqual([
    'zh',
    'zh',
    'en',
  ]);
  expect(await settled(locales.of('U0BEN'))).toBe('zh');
  expect(locales.known('U0BEN')).toBe('zh');
  expect(asked()).toBe(2);
  await vi.advanceTimersByTimeAsync(13 * 3600_000);
  expect(locales.known('U0BEN')).toBeUndefined();
});

it('does not wait for a slow Slack, but takes its answer for the next time', async () => {
  const locales = createLocales(worldCalls(world, { latencyMs: 3000 }));
  const before = Date.now();
  expect(await settled(locales.of('U0BEN'))).toBeUndefined();
  expect(Date.now() - before).toBeLessThanOrEqual(1100);
  await vi.advanceTimersByTimeAsync(3000);
  expect(await settled(locales.of('U0BEN'))).toBe('zh');
  expect(asked()).toBe(1);
});

it('asks seldom where Slack refuses, and never for what is no person', async () => {
  world.scopes = [];
  const locales = createLocales(worldCalls(world, { latencyMs: 10 }));
  expect(await settled(locales.of('U0BEN'))).toBeUndefined();
  expect(await settled(locales.of('U0BEN'))).toBeUndefined();
  expect(await settled(locales.of('alert'))).toBeUndefined();
  expect(asked()).toBe(1);
});
