import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { serveHttp } from '../../../src/adapters/http/serve-http.ts';
import {
  createSlackApp,
  type SlackApp,
  type SlackAppOptions,
  slackEventsPath,
} from '../../../src/adapters/slack/create-slack-app.ts';
import { slackHealth } from '../../../src/adapters/slack/slack-health.ts';
import { cancelAction, recheckAction } from '../../../src/adapters/slack/status-message.ts';
import type { NetcheckError } from '../../../src/model/errors.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { sampleReport } from '../../adapters/slack/sample-run.ts';

/** A slash command as Slack sends it over HTTP. */
const body = new URLSearchParams({
  command: '/netcheck',
  text: 'node-50 port 1301',
  user_id: 'U0ANNA',
  channel_id: 'C0INCIDENT',
  team_id: 'T0PRACTICE',
  trigger_id: '1.1',
  response_url: 'http://127.0.0.1:9/',
}).toString();
const nowSeconds = (): string => String(Math.floor(Date.now() / 1000));
const signatureOf = (text: string, agoS: number): string =>
  `v0=${createHmac('sha256', 'practice-secret')
    .update(`v0:${Math.floor(Date.now() / 1000) - agoS}:${text}`)
    .digest('hex')}`;
const signed = (text: string, agoS: number) => ({
  'x-slack-request-timestamp': String(Math.floor(Date.now() / 1000) - agoS),
  'x-slack-signature': signatureOf(text, agoS),
});

let slack: FakeSlack;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let deaths: NetcheckError[];
let unhandled: unknown[];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(async () => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
  slack = await startFakeSlack({ pingEveryMs: 500, silenceMs: 5000 });
  store = memoryStore();
  queue = memoryQueue();
  deaths = [];
});

afterEach(async () => {
  await slack.close();
  process.off('unhandledRejection', onUnhandled);
  // Whatever Slack does, Bolt must not be able to kill the process.
  expect(unhandled).toEqual([]);
});

function newApp(changes: Partial<SlackAppOptions> = {}): SlackApp {
  return createSlackApp({
    botToken: slack.botToken,
    appToken: slack.appToken,
    slackApiUrl: slack.url,
    language: 'en',
    helpText: () => 'Type `/netcheck node-50 port 1301`.',
    store,
    queue,
    renderReport: renderSlackReport,
    onDead: (error) => deaths.push(error),
    outbox: { postGapMs: 400, updateGapMs: 50, settleMs: 20, backoffMs: 20 },
    socket: { backoffMs: 20 },
    timeoutMs: 1000,
    ask: async (text) =>
      text.startsWith('node-50 ')
        ? { ok: true, describe: 'TCP port 1301 on node-50 (target)' }
        : { ok: false, message: `There is no node ${text}.`, hint: 'Did you mean node-50?' },
    ...changes,
  });
}

async function started(changes: Partial<SlackAppOptions> = {}): Promise<SlackApp> {
  const app = newApp(changes);
  await app.start();
  onTestFinished(() => app.stop(200));
  return app;
}

/** Polls: for what shows in no message. */
const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 20 });
const isOurs = (message: FakeMessage) => message.user === slack.world.botUserId;
const answers = () =>
  slack.world.messages().filter((message) => message.metadata?.['event_type'] === 'netcheck_answer');
const onlyFor = (user: string, part: string) =>
  slack.awaitChange((change) => change.onlyFor === user && change.message.text.includes(part));
const answerLastRun = async (app: SlackApp, attempt = 1) => {
  const run = queue.submitted.at(-1);
  if (run === undefined) throw new Error('nothing was queued');
  await app.sender.answerThread(run, { attempt }).report(sampleReport());
};

describe('the real Bolt app over Socket Mode', () => {
  it('acknowledges a slash command before it says anything, then shows the root message and queues the run', async () => {
    await started();
    const callsBefore = slack.world.calls.length;
    const delivery = slack.slash('node-50 port 1301 from node-12');
    const order: string[] = [];
    void delivery.ended.then((how) => order.push(how));
    slack.onChange((change) => order.push(change.what));
    const root = await slack.awaitMessage(isOurs);
    expect(order).toEqual(['acked', 'posted']);
    expect(root.threadTs).toBeUndefined();
    expect(slack.world.calls.slice(callsBefore).map((call) => call.method)).toEqual(['users.info', 'chat.postMessage']);
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-12',
      askedBy: 'U0ANNA',
      thread: { channel: 'C0INCIDENT', rootTs: root.ts, statusTs: root.ts },
    });
    expect(queue.submitted[0]?.id).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it('makes one run of a delivery that arrives twice', async () => {
    await started();
    const delivery = slack.slash('node-50 port 1301');
    await slack.awaitMessage(isOurs);
    await slack.redeliver(delivery).ended;
    const mention = slack.mention('node-50 port 1301');
    await eventually(() => queue.submitted.length).toBe(2);
    await slack.redeliver(mention).ended;
    await slack.slash('help').ended;
    await onlyFor('U0ANNA', '/netcheck node-50');
    expect(queue.submitted).toHaveLength(2);
    expect(slack.world.messages().filter(isOurs)).toHaveLength(2);
  });

  it('answers an invalid ask to the asker only, and queues nothing', async () => {
    await started();
    slack.slash('node-99;<!channel> port 1301', { user: 'U0BEN' });
    const { message, onlyFor: who } = await onlyFor('U0BEN', 'There is no node');
    expect(who).toBe('U0BEN');
    expect(message.text).toContain('Did you mean node-50?');
    expect(message.pings).toEqual([]);
    expect(queue.submitted).toEqual([]);
    expect(slack.world.messages()).toEqual([]);
  });

  it('acknowledges also when Redis is down, and says so to the asker', async () => {
    await started();
    store.down = true;
    queue.down = true;
    const delivery = slack.slash('node-50 port 1301');
    await onlyFor('U0ANNA', 'Redis');
    expect(await delivery.ended).toBe('acked');
    expect(slack.world.messages()).toEqual([]);
  });

  it('turns the root message into "not started" when Redis goes away between the two', async () => {
    await started();
    queue.down = true;
    slack.slash('node-50 port 1301');
    const { message } = await slack.awaitChange(
      ({ what, message }) => what === 'edited' && JSON.stringify(message.blocks).includes('Redis'),
    );
    expect(JSON.stringify(message.blocks)).toContain('Not started');
    expect(JSON.stringify(message.blocks)).not.toContain(cancelAction);
  });

  it('takes a mention inside a thread, with that thread as root', async () => {
    await started();
    const root = slack.world.say('U0BEN', 'C0INCIDENT', 'checkout cannot reach node-50');
    slack.mention('<http://node-50|node-50> port <tel:1301|1301>', { threadTs: root.ts });
    const status = await slack.awaitMessage(isOurs);
    expect(status.threadTs).toBe(root.ts);
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301',
      thread: { rootTs: root.ts, statusTs: status.ts },
    });
  });

  it('says how to invite it where it may not post', async () => {
    await started();
    slack.world.channels.set('C0CLOSED', {
      id: 'C0CLOSED',
      name: 'closed',
      isPrivate: true,
      isArchived: false,
      hasBot: false,
    });
    slack.slash('node-50 port 1301', { channel: 'C0CLOSED' });
    await onlyFor('U0ANNA', '/invite @netcheck');
    expect(queue.submitted).toEqual([]);
  });

  it('carries a run from slash command over progress and report to Re-check', async () => {
    const app = await started();
    slack.slash('node-50 port 1301 from node-12');
    await eventually(() => queue.submitted.length).toBe(1);
    const [run] = queue.submitted;
    if (run === undefined) throw new Error('nothing was queued');
    const thread = app.sender.answerThread(run, { attempt: 1 });
    thread.progress({ type: 'planned', nodes: [{ name: 'node-50', roles: ['target'] }], playbooks: ['port-check'] });
    thread.progress({ type: 'phase', phase: 'probe', atMs: Date.now() });
    await slack.awaitChange(({ what, message }) => what === 'edited' && message.ts === run.thread.statusTs);
    await thread.report(sampleReport());
    const [root, answer, ...rest] = slack.thread(run.thread.rootTs);
    expect(rest).toEqual([]);
    expect(JSON.stringify(root?.blocks)).toContain('node-50 drops SYNs by TCP timestamp');
    expect(JSON.stringify(root?.blocks)).not.toContain(cancelAction);
    expect(answer?.pings).toEqual(['<@U0ANNA>']);
    if (answer === undefined) throw new Error('no answer');
    await slack.click(recheckAction, answer, { user: 'U0BEN' }).ended;
    await eventually(() => queue.submitted.length).toBe(2);
    expect(queue.submitted[1]).toMatchObject({
      recheckOf: run.id,
      askedBy: 'U0BEN',
      text: run.text,
      thread: { channel: run.thread.channel, rootTs: run.thread.rootTs },
    });
    expect(queue.submitted[1]?.thread.statusTs).not.toBe(run.thread.statusTs);
    // A second press within seconds is the same wish.
    await slack.click(recheckAction, answer, { user: 'U0ANNA' }).ended;
    await onlyFor('U0ANNA', 'a moment ago');
    expect(queue.submitted).toHaveLength(2);
  });

  it('cancels a waiting run once, and everybody sees by whom', async () => {
    await started();
    slack.slash('node-50 port 1301');
    const root = await slack.awaitMessage(isOurs);
    await eventually(() => queue.submitted.length).toBe(1);
    const press = slack.click(cancelAction, root, { user: 'U0BEN' });
    await slack.awaitChange(
      ({ what, message }) => what === 'edited' && JSON.stringify(message.blocks).includes('<@U0BEN>'),
    );
    expect(queue.cancelled).toEqual([{ runId: queue.submitted[0]?.id, by: 'U0BEN' }]);
    expect(() => slack.click(cancelAction, root)).toThrow(/no button/);
    await slack.redeliver(press).ended;
    await onlyFor('U0BEN', 'over already');
    expect(queue.cancelled).toHaveLength(1);
  });

  it('posts one answer when Slack takes the post and then does not answer', async () => {
    const app = await started();
    slack.slash('node-50 port 1301');
    await eventually(() => queue.submitted.length).toBe(1);
    slack.fail('chat.postMessage', { kind: 'silence', afterAccepting: true });
    await answerLastRun(app);
    expect(answers()).toHaveLength(1);
    slack.slash('node-50 port 1302');
    await eventually(() => queue.submitted.length).toBe(2);
    slack.fail('chat.postMessage', { kind: 'reset', afterAccepting: true });
    await answerLastRun(app);
    expect(answers()).toHaveLength(2);
  });

  it('keeps one answer through 429, 500 and a reset before accepting', async () => {
    const app = await started();
    slack.slash('node-50 port 1301');
    await eventually(() => queue.submitted.length).toBe(1);
    slack.fail('chat.postMessage', { kind: 'rateLimit', retryAfterS: 1 }, { times: 2 });
    slack.fail('chat.postMessage', { kind: 'http', status: 500 });
    slack.fail('chat.postMessage', { kind: 'http', status: 503, afterAccepting: true });
    await answerLastRun(app);
    expect(answers()).toHaveLength(1);
  });

  it('goes on at once after a refresh, and after the network was cut', async () => {
    const app = await started();
    slack.refresh();
    // Bolt alone is back after its pong watchdog, 5 s at the least.
    await slack.awaitGreetings(2, 3000);
    expect(await slack.slash('help').ended).toBe('acked');
    slack.refresh('warning');
    await slack.awaitGreetings(3, 3000);
    slack.fail('apps.connections.open', { kind: 'http', status: 503 }, { times: 2 });
    slack.cutConnections();
    await slack.awaitGreetings(4);
    expect(await slack.slash('help').ended).toBe('acked');
    expect(app.health()).toMatchObject({ healthy: true, connected: true });
    expect(deaths).toEqual([]);
  });

  it('reports its death when Slack refuses the token on reconnect, instead of staying silent', async () => {
    const app = await started();
    slack.world.deadToken = { app: 'invalid_auth' };
    slack.cutConnections();
    await eventually(() => deaths.length).toBe(1);
    expect(deaths[0]).toMatchObject({ code: 'slack/refused' });
    expect(deaths[0]?.message).toContain('invalid_auth');
    expect(app.health()).toMatchObject({ healthy: false, connected: false, why: deaths[0]?.message });
  });

  it('reports its death when the bot token is revoked while it runs', async () => {
    await started();
    slack.world.deadToken = { bot: 'token_revoked' };
    slack.slash('node-50 port 1301');
    await eventually(() => deaths.length).toBe(1);
    await onlyFor('U0ANNA', 'bot token');
  });

  it('refuses to start with a token that Slack does not know, in one sentence', async () => {
    await expect(newApp({ botToken: 'xoxb-wrong' }).start()).rejects.toMatchObject({ code: 'slack/refused' });
    await expect(newApp({ appToken: 'xapp-wrong' }).start()).rejects.toMatchObject({ code: 'slack/refused' });
    expect(() => newApp({ appToken: undefined })).toThrow(expect.objectContaining({ code: 'config/missing-secret' }));
  });

  it('stops in the middle of a reconnect without a word', async () => {
    const app = newApp();
    await app.start();
    slack.fail('apps.connections.open', { kind: 'silence', afterAccepting: false });
    slack.cutConnections();
    await eventually(() => app.health().connected).toBe(false);
    await app.stop(100);
  });
});

describe('the real Bolt app over HTTP', () => {
  const overHttp = async (): Promise<string> => {
    const app = newApp({ appToken: undefined, signingSecret: 'practice-secret' });
    await app.start();
    const { events } = app;
    if (events === undefined) throw new Error('no way in for Slack');
    const server = await serveHttp({
      port: 0,
      portHint: '',
      routes: [{ method: 'POST', path: slackEventsPath, listener: events }],
    });
    onTestFinished(async () => {
      await server.close();
      await app.stop(200);
    });
    return `http://127.0.0.1:${server.port}`;
  };

  it('verifies signatures, acknowledges, and runs', async () => {
    const origin = await overHttp();
    slack.deliverOverHttp(`${origin}/slack/events`, 'another-secret');
    expect(await slack.slash('node-50 port 1301').ended).toBe('dispatch_failed');
    slack.deliverOverHttp(`${origin}/slack/events`, 'practice-secret');
    expect(await slack.slash('node-50 port 1301').ended).toBe('acked');
    const root = await slack.awaitMessage(isOurs);
    expect(await slack.mention('node-50 port 1302').ended).toBe('acked');
    await eventually(() => queue.submitted.length).toBe(2);
    expect(await slack.click(cancelAction, root).ended).toBe('acked');
    await eventually(() => queue.cancelled.length).toBe(1);
    expect((await fetch(`${origin}/wp-login.php`)).status).toBe(404);
    expect((await fetch(`${origin}/slack/events`)).status).toBe(405);
  });

  it.each([
    ['without a signature', { 'x-slack-signature': undefined }],
    ['with the signature of another body', { 'x-slack-signature': signatureOf('token=x', 0) }],
    ['with a signature of six minutes ago', signed(body, 360)],
    [
      'with a time of today on a signature of yesterday',
      { ...signed(body, 86_400), 'x-slack-request-timestamp': nowSeconds() },
    ],
    ['from a time that is none', { 'x-slack-request-timestamp': 'NaN' }],
  ])('takes no request %s', async (_how, changes: Readonly<Record<string, string | undefined>>) => {
    const origin = await overHttp();
    const send = (headers: Readonly<Record<string, string | undefined>>) =>
      fetch(`${origin}/slack/events`, {
        method: 'POST',
        headers: Object.entries({ 'content-type': 'application/x-www-form-urlencoded', ...headers }).filter(
          (header): header is [string, string] => header[1] !== undefined,
        ),
        body,
      });
    expect((await send({ ...signed(body, 0), ...changes })).status).toBe(401);
    expect(queue.submitted).toEqual([]);
    // The same request as Slack signs it is taken: it was the signature.
    expect((await send(signed(body, 0))).status).toBe(200);
    await eventually(() => queue.submitted.length).toBe(1);
  });

  it('makes one run of a request that is replayed with its own signature', async () => {
    const origin = await overHttp();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', ...signed(body, 0) };
    for (let times = 0; times < 3; times += 1)
      expect((await fetch(`${origin}/slack/events`, { method: 'POST', headers, body })).status).toBe(200);
    await eventually(() => queue.submitted.length).toBe(1);
    await slack.awaitMessage(isOurs);
    expect(slack.world.messages().filter(isOurs)).toHaveLength(1);
  });

  it('reads no body that is longer than Slack ever sends', async () => {
    const origin = await overHttp();
    const long = 'a'.repeat(2 * 1024 * 1024);
    const answer = await fetch(`${origin}/slack/events`, { method: 'POST', headers: signed(long, 0), body: long }).then(
      ({ status }) => status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(answer);
    expect(queue.submitted).toEqual([]);
  });
});

describe('slackHealth', () => {
  const check = (changes: object = {}) =>
    slackHealth({
      botToken: slack.botToken,
      appToken: slack.appToken,
      slackApiUrl: slack.url,
      channel: 'C0INCIDENT',
      ...changes,
    });
  const states = async (changes?: object) =>
    Object.fromEntries((await check(changes)).map(({ name, state }) => [name, state]));

  it('is all well on a workspace that is set up', async () => {
    expect(await states()).toEqual({ 'bot token': 'ok', scopes: 'ok', 'app token': 'ok', 'can post': 'ok' });
  });

  it('names what is missing and posts nothing', async () => {
    slack.world.scopes = ['chat:write', 'commands', 'channels:read'];
    const channel = slack.world.channels.get('C0INCIDENT');
    if (channel !== undefined) channel.hasBot = false;
    const checks = await check({ appToken: slack.botToken });
    expect(checks.map(({ name, state }) => [name, state])).toEqual([
      ['bot token', 'ok'],
      ['scopes', 'failed'],
      ['app token', 'failed'],
      ['can post', 'failed'],
    ]);
    expect(checks[1]?.detail).toContain('app_mentions:read');
    expect(checks[3]?.hint).toContain('/invite');
    expect(slack.history()).toEqual([]);
  });

  it('says in one sentence that the token is not valid, or that nobody answers', async () => {
    expect(await check({ botToken: 'xoxb-wrong' })).toMatchObject([{ name: 'bot token', state: 'failed' }]);
    const [nobody] = await check({ slackApiUrl: 'http://127.0.0.1:1/api/' });
    expect(nobody).toMatchObject({ state: 'failed' });
    expect(nobody?.detail).toContain('does not answer');
  });
});
