import { beforeEach, describe, expect, it } from 'vitest';
import type { AlertDelivery, AlertOutcome } from '../src/adapters/slack/alert-front.ts';
import { alertsRoute } from '../src/alerts-route.ts';
import { AlertSettings } from '../src/model/alert-settings.ts';
import { notification } from './fakes/alertmanager.ts';

describe('POST /alerts', () => {
  let taken: (readonly AlertDelivery[])[];
  let counted: string[];
  let lines: string[];
  let outcomes: (deliveries: readonly AlertDelivery[]) => Promise<readonly AlertOutcome[]>;
  beforeEach(() => {
    taken = [];
    counted = [];
    lines = [];
    outcomes = (deliveries) => Promise.resolve(deliveries.map(() => 'started'));
  });
  const route = (settings: unknown = { channel: 'C0INCIDENT' }, answerWithinMs?: number) =>
    alertsRoute({
      token: 'a-token-of-a-test-0123456789',
      settings: AlertSettings.parse(settings),
      take(deliveries) {
        taken.push(deliveries);
        return outcomes(deliveries);
      },
      count: (outcome) => counted.push(outcome),
      log: (line) => lines.push(line),
      answerWithinMs,
    });

  it('is closed without the token, and reads at most a mebibyte', () => {
    expect(route()).toMatchObject({
      method: 'POST',
      path: '/alerts',
      token: 'a-token-of-a-test-0123456789',
      maxBodyBytes: 1_048_576,
    });
  });

  it('takes what Alertmanager 0.25 sends, and says what became of it', async () => {
    outcomes = () => Promise.resolve(['started', 'known']);
    const body = notification([{ instance: 'node-50:1301' }, { instance: 'node-12:1301' }]);
    expect(await route().answer(body)).toEqual({ status: 200, body: { alerts: { started: 1, known: 1 } } });
    expect(taken[0]?.map(({ channel, question }) => [channel, question])).toEqual([
      ['C0INCIDENT', { ok: true, text: 'node-50 port 1301' }],
      ['C0INCIDENT', { ok: true, text: 'node-12 port 1301' }],
    ]);
    expect(counted).toEqual(['started', 'known']);
  });

  it('wants it again where one alert could not be taken', async () => {
    outcomes = () => Promise.resolve(['started', 'again']);
    expect(await route().answer(notification([{ instance: 'a:1' }, { instance: 'b:1' }]))).toMatchObject({
      status: 503,
    });
    expect(counted).toEqual(['started', 'again']);
  });

  it('drops what no route wants, and says so in the log and in the numbers', async () => {
    expect(
      await route({ routes: [{ match: { job: 'shop' }, channel: 'C0SHOP' }] }).answer(
        notification([{ instance: 'a:1' }]),
      ),
    ).toEqual({
      status: 200,
      body: { alerts: { dropped: 1 } },
    });
    expect(taken).toEqual([[]]);
    expect(counted).toEqual(['dropped']);
    expect(lines).toEqual([expect.stringContaining('1 dropped')]);
  });

  it('answers before Alertmanager gives up, and goes on with the work', async () => {
    let finish = (): void => undefined;
    outcomes = (deliveries) =>
      new Promise((resolve) => {
        finish = () => resolve(deliveries.map(() => 'started'));
      });
    const here = route({ channel: 'C0INCIDENT' }, 1);
    expect(await here.answer(notification([{ instance: 'a:1' }]))).toMatchObject({ status: 503 });
    expect(counted).toEqual([]);
    finish();
    await expect.poll(() => counted).toEqual(['started']);
  });

  it('works on no more than so many notifications at once', async () => {
    const waiting: (() => void)[] = [];
    outcomes = (deliveries) => new Promise((resolve) => waiting.push(() => resolve(deliveries.map(() => 'known'))));
    const here = route();
    const body = notification([{ instance: 'a:1' }]);
    const answers = Array.from({ length: 8 }, () => here.answer(body));
    expect(await here.answer(body)).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('Too many') },
    });
    for (const finish of waiting) finish();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await Promise.race([here.answer(body), Promise.resolve({ status: 0 })])).status).toBe(0);
    waiting.at(-1)?.();
  });

  it.each([
    [undefined, 'the body'],
    [null, 'the body'],
    [[], 'the body'],
    ['alerts', 'the body'],
    [{}, 'alerts'],
    [{ alerts: [] }, 'alerts'],
    [{ alerts: [{}] }, 'alerts.0.status'],
    [{ alerts: [{ status: 'pending', labels: {}, startsAt: '2026-03-01T10:00:00Z' }] }, 'alerts.0.status'],
    [{ alerts: [{ status: 'firing', labels: { a: 1 }, startsAt: '2026-03-01T10:00:00Z' }] }, 'alerts.0.labels.a'],
    [{ alerts: [{ status: 'firing', labels: {}, startsAt: 'yesterday' }] }, 'alerts.0.startsAt'],
    [
      {
        alerts: Array.from({ length: 1001 }, () => ({
          status: 'firing',
          labels: {},
          startsAt: '2026-03-01T10:00:00Z',
        })),
      },
      'alerts',
    ],
  ])('refuses %j with one sentence that says where it is wrong', async (body, where) => {
    const { status, body: answer } = await route().answer(body);
    expect(status).toBe(400);
    expect(answer).toEqual({ error: expect.stringContaining(`This is no notification of Alertmanager: ${where}: `) });
    expect(taken).toEqual([]);
  });

  it('is not led astray by names that every object has', async () => {
    const labels: unknown = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z","instance":"a:1"}');
    const body = { alerts: [{ status: 'firing', labels, startsAt: '2026-03-01T10:00:00Z', __extra: 1 }] };
    expect(await route().answer(body)).toMatchObject({ status: 200 });
    expect(taken[0]?.[0]?.question).toEqual({ ok: true, text: 'a port 1' });
  });
});
