import { beforeEach, describe, expect, it } from 'vitest';
import { chooseAction } from '../../../src/adapters/slack/ask-back.ts';
import type { ClickDelivery, MentionDelivery } from '../../../src/adapters/slack/deliveries.ts';
import { diagnoseCallback } from '../../../src/adapters/slack/diagnose-form.ts';
import { createFront, type Front, type FrontOptions } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { cancelAction } from '../../../src/adapters/slack/status-message.ts';
import { formAction } from '../../../src/adapters/slack/unclear.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { type FakeMessage, SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { knownWorld, pastRun } from './known-world.ts';

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let told: string[];

beforeEach(() => {
  world = new SlackWorld({
    rates: 'off',
    channels: [
      { id: 'C0INCIDENT', name: 'incident' },
      { id: 'C0OTHER', name: 'other' },
    ],
  });
  store = memoryStore();
  queue = memoryQueue();
  told = [];
});

const calls = () => worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
function newFront(changes: Partial<FrontOptions> = {}): Front {
  const outbox = createOutbox({
    calls: calls(),
    postGapMs: 0,
    updateGapMs: 0,
    settleMs: 0,
    backoffMs: 1,
    updatesPerMinute: 1e9,
  });
  return createFront({
    outbox,
    calls: calls(),
    store,
    queue,
    ask: async (text) =>
      text.includes('node-99')
        ? { ok: false, message: 'There is no node "node-99".', hint: 'Did you mean node-50?', code: 'ask/unknown-node' }
        : { ok: true, describe: 'node-50 (target)' },
    helpText: (language) => (language === 'zh' ? '帮助' : 'HELP'),
    threadOf: (request) =>
      createSlackThread(request, { outbox, calls: calls(), store, renderReport: renderSlackReport }),
    language: 'en',
    command: '/netcheck',
    knowledge: knownWorld(),
    threadLink: (channel, ts) => `https://practice.slack.com/archives/${channel}/p${ts}`,
    ...changes,
  });
}
const slash = (front: Front, text: string, user = 'U0ANNA') =>
  front.slash({
    text,
    user,
    channel: 'C0INCIDENT',
    team: 'T0',
    triggerId: world.trigger(user),
    respond: async (answer) => void told.push(answer),
  });
const mention = (front: Front, text: string, above?: FakeMessage, changes: Partial<MentionDelivery> = {}) => {
  const message = world.say('U0ANNA', 'C0INCIDENT', `<@U0NETCHECK> ${text}`, above?.ts);
  return front.mention({
    text: message.text,
    user: 'U0ANNA',
    channel: 'C0INCIDENT',
    team: 'T0',
    ts: message.ts,
    threadTs: above?.ts,
    redelivered: false,
    botUserId: 'U0NETCHECK',
    ...changes,
  });
};
const ours = () => world.messages('C0INCIDENT').filter(({ user }) => user === world.botUserId);
const shown = (at = 0) => JSON.stringify(ours()[at]?.blocks);
const whispers = () => world.changes.filter(({ what }) => what === 'ephemeral').map(({ message }) => message);
const alert = () =>
  world.say('U0ALERTS', 'C0INCIDENT', '', undefined, {
    attachments: [{ title: '[FIRING:1] PortDown', text: 'node-12 cannot reach node-50:1301, refused <!channel>' }],
  });
const press = (action: string, value: string, changes: Partial<ClickDelivery> = {}): ClickDelivery => ({
  action,
  value,
  user: 'U0ANNA',
  channel: 'C0INCIDENT',
  team: 'T0',
  triggerId: world.trigger('U0ANNA'),
  ...changes,
});
/** The id and action of the button with this label. */
function buttonOf(
  message: FakeMessage | undefined,
  label: string,
): { readonly action: string; readonly value: string } {
  const all = JSON.parse(JSON.stringify(message?.blocks ?? [])) as {
    elements?: { action_id?: string; value?: string; text?: { text?: string } }[];
  }[];
  const found = all.flatMap(({ elements }) => elements ?? []).find(({ text }) => text?.text === label);
  if (found?.action_id === undefined) throw new Error(`no button ${label} in ${JSON.stringify(message?.blocks)}`);
  return { action: found.action_id, value: found.value ?? '' };
}
const choose = (front: Front, label: string, changes: Partial<ClickDelivery> = {}) => {
  const { action, value } = buttonOf(ours()[0], label);
  return front.press(press(action, value, changes));
};

describe('a mention in a thread', () => {
  it('reads the message above and says what it understood', async () => {
    const above = alert();
    await mention(newFront(), 'please have a look', above);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-12 refused',
      wasRead: true,
      thread: { rootTs: above.ts },
    });
    expect(shown()).toContain('I read: `node-50 port 1301 from node-12 refused`');
    expect(ours()[0]?.pings).toEqual(['<@U0ANNA>']);
  });

  it('takes what the person says before what the message says', async () => {
    const front = newFront();
    await mention(front, 'node-51 port 22 from node-30', alert());
    await mention(front, 'port 1302', alert());
    expect(queue.submitted.map(({ text, wasRead }) => [text, wasRead])).toEqual([
      ['node-51 port 22 from node-30', undefined],
      ['node-50 port 1302 from node-12 refused', true],
    ]);
  });

  it('says what is missing, with an example and a form that has what was understood', async () => {
    const front = newFront();
    const above = world.say('U0BEN', 'C0INCIDENT', 'node-50 is so slow today');
    await mention(front, '', above);
    const [said] = whispers();
    expect(said?.text).toContain('`node-50`');
    expect(said?.text).toContain('/netcheck node-50 port 1301 from node-12');
    expect(said?.threadTs).toBe(above.ts);
    expect(queue.submitted).toEqual([]);
    const { action, value } = buttonOf(said, 'Fill in the form');
    await front.press(press(action, value));
    const [view] = [...world.views.values()];
    expect(JSON.stringify(view?.blocks)).toContain('"initial_option":{"text":{"type":"plain_text","text":"node-50"}');
    expect(JSON.parse(view?.privateMetadata ?? '')).toMatchObject({ channel: 'C0INCIDENT', rootTs: above.ts });
  });

  it('gives the help and short answers there, too', async () => {
    const front = newFront();
    await mention(front, 'help', alert());
    await mention(front, 'status', alert());
    expect(whispers().map(({ text }) => text)).toEqual(['HELP', expect.stringContaining('Redis 7.0.15')]);
    expect(queue.submitted).toEqual([]);
  });

  it('says so where nothing can be read, or the thread is closed to it', async () => {
    const front = newFront();
    await mention(front, '', world.say('U0BEN', 'C0INCIDENT', 'everything is slow'));
    expect(whispers()[0]?.text).toContain('first message of this thread');
    world.scopes = world.scopes.filter((scope) => scope !== 'channels:history');
    await mention(front, '', alert());
    expect(whispers()[1]?.text).toContain('cannot read this thread');
    await mention(front, 'node-50 port 1301 from node-12', alert());
    expect(queue.submitted).toHaveLength(1);
  });
});

describe('the shortcut on a message', () => {
  const use = (front: Front, message: FakeMessage, triggerId = world.trigger('U0ANNA')) =>
    front.shortcut({
      message: world.wire(message),
      user: 'U0ANNA',
      channel: 'C0INCIDENT',
      team: 'T0',
      ts: message.ts,
      threadTs: message.threadTs,
      triggerId,
    });

  it('opens the thread on that message; delivered twice it is one run', async () => {
    const front = newFront();
    const message = alert();
    const trigger = world.trigger('U0ANNA');
    await Promise.all([use(front, message, trigger), use(newFront(), message, trigger)]);
    expect(queue.submitted).toHaveLength(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-12 refused',
      thread: { rootTs: message.ts },
    });
    expect(ours()[0]?.threadTs).toBe(message.ts);
  });

  it('opens the form on a message that says nothing, with the thread as its place', async () => {
    const message = world.say('U0BEN', 'C0INCIDENT', 'hello');
    await use(newFront(), message);
    expect(queue.submitted).toEqual([]);
    const [view] = [...world.views.values()];
    expect(view?.callbackId).toBe(diagnoseCallback);
    expect(JSON.parse(view?.privateMetadata ?? '')).toEqual({ channel: 'C0INCIDENT', rootTs: message.ts });
  });
});

describe('a question back', () => {
  it('becomes the status message of the run when its asker chooses', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    expect(queue.submitted).toEqual([]);
    expect(shown()).toContain('Where does `node-50` fail from?');
    await choose(front, 'node-30');
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-30',
      thread: { rootTs: ours()[0]?.ts, statusTs: ours()[0]?.ts },
    });
    expect(ours()).toHaveLength(1);
    expect(shown()).toContain(cancelAction);
    expect(shown()).not.toContain(chooseAction);
  });

  it('can be left to netcheck', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    await choose(front, 'Any node');
    expect(queue.submitted[0]?.text).toBe('node-50 port 1301');
  });

  it('is for its asker only, once, and in its channel', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    const question = ours()[0];
    const { action, value } = buttonOf(question, 'node-30');
    await front.press(press(action, value, { user: 'U0BEN' }));
    await front.press(press(action, value, { channel: 'C0OTHER' }));
    await front.press(press(action, '../../x'));
    await front.press(press(`${chooseAction}:77`, value));
    expect(queue.submitted).toEqual([]);
    expect(whispers().map(({ text }) => text)).toEqual([
      expect.stringContaining('<@U0ANNA>'),
      expect.stringContaining('older than an hour'),
      expect.stringContaining('older than an hour'),
    ]);
    await Promise.all([front.press(press(action, value)), newFront().press(press(action, value))]);
    await front.press(press(action, value));
    expect(queue.submitted).toHaveLength(1);
    expect(whispers().at(-1)?.text).toContain('answered already');
  });

  it('is not put where the answer would be no whatever is chosen', async () => {
    const ask: FrontOptions['ask'] = async () => ({ ok: false, message: 'Not for you.', hint: '' });
    await slash(newFront({ knowledge: knownWorld({ probeFrom: [] }), ask }), 'node-50 port 1301');
    expect(told).toEqual(['Not for you.']);
    expect(ours()).toEqual([]);
  });

  it('leaves no buttons behind when its answer joins the run of somebody else', async () => {
    const ask: FrontOptions['ask'] = async (text) => ({ ok: true, describe: '', key: text });
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }), ask });
    await slash(front, 'node-50 port 1301 from node-30', 'U0BEN');
    await slash(front, 'node-50 port 1301');
    const { action, value } = buttonOf(ours()[1], 'node-30');
    await front.press(press(action, value));
    expect(queue.submitted).toHaveLength(1);
    expect(ours()[1]?.blocks).toEqual([]);
    expect(ours()[1]?.text).toContain('archives/C0INCIDENT');
  });

  it('may lead to one more, in the same message', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await mention(front, 'node-5 port 1301');
    expect(shown()).toContain('`node-5`');
    await choose(front, 'node-51');
    expect(shown()).toContain('Where does `node-51` fail from?');
    await choose(front, 'node-12');
    expect(queue.submitted[0]?.text).toBe('node-51 port 1301 from node-12');
    expect(ours()).toHaveLength(1);
  });

  it('is put once, however often Slack delivers', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    const message = world.say('U0ANNA', 'C0INCIDENT', '<@U0NETCHECK> node-50 port 1301');
    const again = { ts: message.ts, text: message.text, redelivered: true };
    await mention(front, 'node-50 port 1301', undefined, again);
    await mention(front, 'node-50 port 1301', undefined, again);
    expect(ours()).toHaveLength(1);
  });

  it('is expired when it was kept no longer; with Redis away it can be answered later', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    queue.down = true;
    await choose(front, 'node-30');
    expect(queue.submitted).toEqual([]);
    queue.down = false;
    const id =
      [...store.values.keys()]
        .find((key) => key.startsWith('netcheck:question:'))
        ?.split(':')
        .at(-1) ?? '';
    await front.press(press(`${chooseAction}:0`, id));
    expect(queue.submitted).toHaveLength(1);
    store.values.clear();
    await front.press(press(`${chooseAction}:0`, id));
    expect(whispers().at(-1)?.text).toContain('older than an hour');
  });

  it('is not put for a Re-check, nor where nothing is known', async () => {
    await slash(newFront({ knowledge: undefined }), 'node-50 port 1301');
    expect(queue.submitted[0]?.text).toBe('node-50 port 1301');
  });
});

describe('the form', () => {
  const fields = { target: 'node-50', port: '1301', from: 'node-12' };
  const sent = (changes: object = {}, draft: object = { channel: 'C0INCIDENT' }) => ({
    callbackId: diagnoseCallback,
    privateMetadata: JSON.stringify(draft),
    fields: { ...fields, ...changes },
    viewId: 'V1',
    user: 'U0ANNA',
    team: 'T0',
  });
  const submit = async (front: Front, form: ReturnType<typeof sent>) => {
    const verdict = await front.submit(form);
    if ('errors' in verdict) return verdict.errors;
    await verdict.work();
    return undefined;
  };

  it('opens for an empty command, before anything else is asked of Slack', async () => {
    await slash(newFront(), '');
    expect(world.calls[0]?.method).toBe('views.open');
    expect(told).toEqual([]);
  });

  it('gives the help where Slack does not open it', async () => {
    world.script('views.open', { kind: 'error', error: 'expired_trigger_id' });
    await slash(newFront(), '');
    expect(told).toEqual(['HELP']);
  });

  it('asks in the channel where it was opened; sent in twice it is one run', async () => {
    const front = newFront();
    await submit(front, sent({ symptom: 'port-check', words: 'udp now and then' }));
    await submit(newFront(), sent());
    expect(queue.submitted.map(({ text }) => text)).toEqual([
      'node-50 port 1301 from node-12 playbook port-check udp now and then',
    ]);
    expect(queue.submitted[0]?.thread.rootTs).toBe(ours()[0]?.ts);
  });

  it('answers in the thread, or in the channel that was picked', async () => {
    const front = newFront();
    const above = alert();
    await submit(front, sent({}, { channel: 'C0INCIDENT', rootTs: above.ts }));
    await submit(front, { ...sent({ channel: 'C0OTHER' }, {}), viewId: 'V2' });
    expect(queue.submitted.map(({ thread }) => [thread.channel, thread.rootTs === above.ts])).toEqual([
      ['C0INCIDENT', true],
      ['C0OTHER', false],
    ]);
  });

  it.each([
    [{ target: '' }, 'target'],
    [{ port: '0' }, 'port'],
    [{ port: '70000' }, 'port'],
    [{ port: '13 01' }, 'port'],
    [{ target: 'node-99' }, 'target'],
    [{ from: 'node-99' }, 'from'],
    [{ words: 'via node-99' }, 'words'],
  ])('says at the field what is wrong: %j', async (changes, field) => {
    expect(Object.keys((await submit(newFront(), sent(changes))) ?? {})).toEqual([field]);
    expect(queue.submitted).toEqual([]);
  });

  it('finds nodes as one types: those that begin with it first; at most a hundred', async () => {
    const many = Array.from({ length: 500 }, (_, at) => ({ name: `web-${at}`, about: '' }));
    const search = async (typed: string, knowledge = knownWorld()) =>
      (await newFront({ knowledge }).search({ typed, user: 'U0ANNA', privateMetadata: '' })).map(({ value }) => value);
    expect(await search('5')).toEqual(['node-50', 'node-51']);
    expect(await search('NODE-5')).toEqual(['node-50', 'node-51']);
    expect(await search('192.0.2.3')).toEqual(['192.0.2.3', 'node-50']);
    expect(await search('web', knownWorld({ nodes: async () => many }))).toHaveLength(100);
    expect(await search('', knownWorld({ nodes: () => Promise.reject(new Error('no')) }))).toEqual([]);
  });

  it('answers a question of ours: the question becomes the run', async () => {
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    await choose(front, 'Another …');
    const [view] = [...world.views.values()];
    await submit(front, { ...sent({ from: '' }), privateMetadata: view?.privateMetadata ?? '' });
    expect(ours()).toHaveLength(1);
    expect(queue.submitted[0]).toMatchObject({ text: 'node-50 port 1301', thread: { statusTs: ours()[0]?.ts } });
  });
});

describe('short answers', () => {
  it.each([
    ['nodes', '*4 nodes*'],
    ['nodes 5', '*2 of 4 nodes*'],
    ['nodes <!channel>', 'No node'],
    ['playbooks', 'port-check'],
    ['history', 'Nothing yet'],
    ['status', 'Redis 7.0.15'],
    ['节点', '4'],
  ])('%s', async (text, part) => {
    await slash(newFront(), text);
    expect(told[0]).toContain(part);
    expect(told[0]).not.toContain('<!channel>');
    expect(queue.submitted).toEqual([]);
  });

  it('history shows runs with their threads, of one node or of all', async () => {
    const queries: unknown[] = [];
    const recentRuns = async (_who: unknown, query: unknown) => {
      queries.push(query);
      return [pastRun()];
    };
    await slash(newFront({ knowledge: knownWorld({ recentRuns }) }), 'history node-50');
    expect(queries).toEqual([{ node: 'node-50', limit: 10 }]);
    expect(told[0]).toContain('node-50 drops SYNs');
    expect(told[0]).toContain('https://practice.slack.com/archives/C0INCIDENT/p1700000000.000001');
    expect(told[0]).not.toContain('<!channel>');
  });

  it('stay short with ten thousand nodes', async () => {
    const many = Array.from({ length: 10_000 }, (_, at) => ({ name: `web-${at}`, about: '192.0.2.1' }));
    await slash(newFront({ knowledge: knownWorld({ nodes: async () => many }) }), 'nodes');
    expect(told[0]?.length).toBeLessThan(3500);
    expect(told[0]).toMatch(/and 99\d\d more/u);
  });

  it('are for those who may look', async () => {
    const refused = { message: 'You may not look around here.', hint: 'Ask Ben.' };
    await slash(newFront({ knowledge: knownWorld({ mayLook: async () => refused }) }), 'nodes');
    expect(told).toEqual(['You may not look around here.\nAsk Ben.']);
  });

  it('say what is down instead of waiting for it', async () => {
    const knowledge = knownWorld({
      status: async () => ({}),
      recentRuns: () => Promise.reject(new Error('Redis')),
    });
    await slash(newFront({ knowledge }), 'status');
    await slash(newFront({ knowledge }), 'history');
    expect(told[0]).toContain('Redis does not answer');
    expect(told[1]).toContain('cannot reach its memory');
  });

  it('say which workers there are, where, and how busy; none is told as what it is', async () => {
    const workers = Array.from({ length: 12 }, (_none, index) => ({
      host: `bot-${index}<!channel>`,
      pid: 42,
      sinceMs: 1_763_700_000_000,
      runs: index,
    }));
    await slash(newFront({ knowledge: knownWorld({ status: async () => ({ redis: '7.0.15', workers }) }) }), 'status');
    await slash(
      newFront({ knowledge: knownWorld({ status: async () => ({ redis: '7.0.15', workers: [] }) }) }),
      'status',
    );
    for (const part of [
      'workers: 12',
      ':42`: free, up since',
      ':42`: 1 run in hand',
      ':42`: 2 runs in hand',
      'and 2 more',
    ])
      expect(told[0]).toContain(part);
    expect(told[0]).not.toContain('<!channel>');
    expect(told[1]).toContain('no worker is there');
  });

  it('leave questions alone that begin like them', async () => {
    await slash(newFront(), 'status port 80 from node-12');
    expect(told).toEqual([]);
  });
});

describe('App Home', () => {
  it('has how to ask, recent runs, what is open and how netcheck is; built anew at most every ten seconds', async () => {
    const front = newFront({
      knowledge: knownWorld({
        recentRuns: async () => [pastRun()],
        openTroubles: async () => ({
          auditedAtMs: 1_700_000_000_000,
          total: 12,
          troubles: [{ node: 'node-50', title: 'tcp_tw_recycle is on' }],
        }),
      }),
    });
    await front.homeOpened('U0ANNA');
    await front.homeOpened('U0ANNA');
    const home = JSON.stringify(world.homes.get('U0ANNA'));
    for (const part of ['drops SYNs', 'tcp_tw_recycle', '11 more', 'Redis 7.0.15', formAction, 'Diagnose this'])
      expect(home).toContain(part);
    expect(world.calls.filter(({ method }) => method === 'views.publish')).toHaveLength(1);
  });

  it('leaves out what nobody knows, and shows nothing to those who may not look', async () => {
    await newFront({ knowledge: undefined }).homeOpened('U0ANNA');
    expect(JSON.stringify(world.homes.get('U0ANNA'))).not.toContain('Recent runs');
    const refused = { message: 'Not for you.', hint: '' };
    await newFront({
      knowledge: knownWorld({ mayLook: async () => refused, recentRuns: async () => [pastRun()] }),
    }).homeOpened('U0BEN');
    expect(JSON.stringify(world.homes.get('U0BEN'))).toContain('Not for you.');
    expect(JSON.stringify(world.homes.get('U0BEN'))).not.toContain('node-50');
  });
});

describe('the language', () => {
  it('is the one that the person has set in Slack; Chinese text wins', async () => {
    world.locales.set('U0BEN', 'zh-CN');
    const front = newFront();
    await slash(front, 'node-50 port 1301', 'U0BEN');
    await slash(front, 'node-50 端口 1301');
    await slash(front, 'node-50 port 1302');
    expect(queue.submitted.map(({ language }) => language)).toEqual(['zh', 'zh', 'en']);
  });

  it('is the configured one where Slack does not say', async () => {
    world.scopes = world.scopes.filter((scope) => scope !== 'users:read');
    await slash(newFront({ language: 'zh' }), 'node-50 port 1301');
    expect(queue.submitted[0]?.language).toBe('zh');
  });

  it('is that of every question back, form and short answer', async () => {
    world.locales.set('U0ANNA', 'zh-CN');
    const front = newFront({ knowledge: knownWorld({ probeFrom: [] }) });
    await slash(front, 'node-50 port 1301');
    expect(shown()).toContain('从哪里访问');
    await slash(front, 'status');
    expect(told[0]).toContain('正常应答');
    await slash(front, '');
    expect(JSON.stringify([...world.views.values()][0])).toContain('是哪种网络故障');
    await front.homeOpened('U0ANNA');
    expect(JSON.stringify(world.homes.get('U0ANNA'))).toContain('提问');
  });
});
