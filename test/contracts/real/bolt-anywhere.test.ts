import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { serveHttp } from '../../../src/adapters/http/serve-http.ts';
import { chooseAction } from '../../../src/adapters/slack/ask-back.ts';
import { createSlackApp, type SlackApp, type SlackAppOptions } from '../../../src/adapters/slack/create-slack-app.ts';
import { diagnoseShortcut, searchAction } from '../../../src/adapters/slack/diagnose-form.ts';
import { cancelAction } from '../../../src/adapters/slack/status-message.ts';
import { formAction } from '../../../src/adapters/slack/unclear.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { knownWorld, pastRun } from '../../adapters/slack/known-world.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';

let slack: FakeSlack;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let unhandled: unknown[];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(async () => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
  slack = await startFakeSlack({ pingEveryMs: 500, silenceMs: 5000 });
  store = memoryStore();
  queue = memoryQueue();
});
afterEach(async () => {
  await slack.close();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

function newApp(changes: Partial<SlackAppOptions> = {}): SlackApp {
  return createSlackApp({
    botToken: slack.botToken,
    appToken: slack.appToken,
    slackApiUrl: slack.url,
    language: 'en',
    helpText: () => 'HELP',
    store,
    queue,
    renderReport: renderSlackReport,
    outbox: { postGapMs: 0, updateGapMs: 0, settleMs: 20, backoffMs: 20, updatesPerMinute: 1e6 },
    socket: { backoffMs: 20 },
    timeoutMs: 1000,
    knowledge: knownWorld({ recentRuns: async () => [pastRun()] }),
    ask: async (text) =>
      text.includes('node-99')
        ? { ok: false, message: 'There is no node "node-99".', hint: 'Did you mean node-50?', code: 'ask/unknown-node' }
        : { ok: true, describe: 'node-50 (target)' },
    ...changes,
  });
}

/** The app, and Slack reaching it by the way that is tested. */
const ways = {
  'Socket Mode': async (changes: Partial<SlackAppOptions> = {}) => {
    const app = newApp(changes);
    await app.start();
    onTestFinished(() => app.stop(200));
  },
  HTTP: async (changes: Partial<SlackAppOptions> = {}) => {
    const app = newApp({ appToken: undefined, signingSecret: 'practice-secret', ...changes });
    await app.start();
    const http = await serveHttp({
      port: 0,
      portHint: '',
      routes: app.events === undefined ? [] : [{ method: 'POST', path: '/slack/events', listener: app.events }],
      log: () => {},
    });
    onTestFinished(async () => {
      await http.close();
      await app.stop(200);
    });
    slack.deliverOverHttp(`http://127.0.0.1:${http.port}/slack/events`, 'practice-secret');
  },
} as const;

const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 20 });
const isOurs = (message: FakeMessage) => message.user === slack.world.botUserId;
const ours = () => slack.world.messages().filter(isOurs);
const alert = (text = 'node-12 cannot reach node-50:1301, refused') =>
  slack.world.say('U0ALERTS', 'C0INCIDENT', '', undefined, { attachments: [{ title: '[FIRING:1] PortDown', text }] });
const methods = () => slack.world.calls.map(({ method }) => method);

describe.each(['Socket Mode', 'HTTP'] as const)('the real Bolt app over %s', (way) => {
  it('opens a form for an empty command; it searches, says what is wrong at the field, and becomes one run', async () => {
    await ways[way]();
    const opened = slack.slash('');
    const view = await slack.awaitView(({ callbackId }) => callbackId === 'netcheck_diagnose_form');
    expect(await opened.ended).toBe('acked');
    expect(methods()).toEqual(expect.arrayContaining(['auth.test', 'views.open']));
    expect(methods()).not.toContain('chat.postMessage');
    const search = slack.suggest(searchAction, view, 'node-5');
    expect(await search.answer).toEqual({
      options: ['node-50  192.0.2.3', 'node-51  192.0.2.4'].map((text) => ({
        text: { type: 'plain_text', text },
        value: text.split(' ')[0],
      })),
    });
    const wrong = slack.submit(view, { target: 'node-99', port: '1301' });
    expect(await wrong.answer).toEqual({
      response_action: 'errors',
      errors: { target: 'There is no node "node-99". Did you mean node-50?' },
    });
    expect(queue.submitted).toEqual([]);
    const sent = slack.submit(view, { target: 'node-50', port: '1301', from: 'node-12', words: 'refused' });
    expect(await sent.ended).toBe('acked');
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-12 refused',
      askedBy: 'U0ANNA',
      thread: { channel: 'C0INCIDENT', rootTs: ours()[0]?.ts },
    });
    await slack.redeliver(sent).ended;
    await slack.slash('status').ended;
    await slack.awaitChange(({ what, message }) => what === 'responded' && message.text.includes('Redis 7.0.15'));
    expect(queue.submitted).toHaveLength(1);
  });

  it('takes the shortcut on an alert: acknowledged first, one run in the thread of that message', async () => {
    await ways[way]();
    const message = alert();
    const order: string[] = [];
    slack.onChange(({ what }) => order.push(what));
    const use = slack.shortcut(diagnoseShortcut, message);
    void use.ended.then((how) => order.push(how));
    const status = await slack.awaitMessage(isOurs);
    expect(order).toEqual(['acked', 'posted']);
    expect(status.threadTs).toBe(message.ts);
    expect(JSON.stringify(status.blocks)).toContain('I read: `node-50 port 1301 from node-12 refused`');
    await slack.redeliver(use).ended;
    await eventually(() => queue.submitted.length).toBe(1);
    expect(ours()).toHaveLength(1);
  });

  it('opens the form for a message that says nothing', async () => {
    await ways[way]();
    slack.shortcut(diagnoseShortcut, slack.world.say('U0BEN', 'C0INCIDENT', 'hm'), { user: 'U0BEN' });
    const view = await slack.awaitView(() => true);
    expect(view.user).toBe('U0BEN');
    expect(ours()).toEqual([]);
  });

  it('reads the message above a mention', async () => {
    await ways[way]();
    const above = alert();
    slack.mention('what is this?', { threadTs: above.ts });
    await eventually(() => queue.submitted[0]?.text).toBe('node-50 port 1301 from node-12 refused');
    expect(queue.submitted[0]).toMatchObject({ wasRead: true, thread: { rootTs: above.ts } });
  });

  it('asks back, and the answer turns the question into the run', async () => {
    await ways[way]({ knowledge: knownWorld({ probeFrom: [] }) });
    slack.slash('node-50 port 1301');
    const question = await slack.awaitMessage(isOurs);
    await eventually(() => [...store.values.keys()].some((key) => key.startsWith('netcheck:question:'))).toBe(true);
    await slack.click(`${chooseAction}:1`, question, { user: 'U0BEN' }).ended;
    await slack.awaitChange(({ onlyFor, message }) => onlyFor === 'U0BEN' && message.text.includes('<@U0ANNA>'));
    const press = slack.click(`${chooseAction}:1`, question);
    await slack.redeliver(press).ended;
    await slack.awaitChange(
      ({ what, message }) => what === 'edited' && JSON.stringify(message.blocks).includes(cancelAction),
    );
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-30',
      thread: { rootTs: question.ts, statusTs: question.ts },
    });
    expect(ours()).toHaveLength(1);
  });

  it('shows App Home, with a button for the form, in the language of the person', async () => {
    await ways[way]();
    slack.world.locales.set('U0BEN', 'zh-CN');
    await slack.openHome('U0BEN').ended;
    const home = await slack.awaitChange(({ what }) => what === 'home');
    expect(JSON.stringify(home.message.blocks)).toContain('drops SYNs');
    expect(JSON.stringify(home.message.blocks)).toContain('最近的运行');
    await slack.clickPrivate(formAction, home).ended;
    const view = await slack.awaitView(({ user }) => user === 'U0BEN');
    slack.submit(view, { target: 'node-50', port: '1301', from: 'node-12', channel: 'C0INCIDENT' });
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]).toMatchObject({ language: 'zh', thread: { channel: 'C0INCIDENT' } });
  });

  it('offers the form where a message was not enough, also from a private answer', async () => {
    await ways[way]();
    slack.slash('node-50');
    const said = await slack.awaitChange(({ what }) => what === 'responded');
    expect(said.message.text).toContain('/netcheck node-50 port 1301');
    await slack.clickPrivate(formAction, said).ended;
    const view = await slack.awaitView(() => true);
    expect(JSON.stringify(view.blocks)).toContain('"value":"node-50"');
  });

  it('answers in time while Slack is slow to tell the language', async () => {
    await ways[way]();
    slack.fail('users.info', { kind: 'silence', afterAccepting: false });
    const delivery = slack.slash('node-50 port 1301 from node-12');
    expect(await delivery.ended).toBe('acked');
    await eventually(() => queue.submitted.length).toBe(1);
    expect(queue.submitted[0]?.language).toBe('en');
  });
});
