import { beforeEach, describe, expect, it } from 'vitest';
import type { ClickDelivery, SlashDelivery } from '../../../src/adapters/slack/deliveries.ts';
import { createFront, type Front, type FrontOptions } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { cancelAction, recheckAction } from '../../../src/adapters/slack/status-message.ts';
import { NetcheckError } from '../../../src/model/errors.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport } from './sample-run.ts';

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let told: string[];
let asked: string[];

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
  asked = [];
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
    ask: async (text, asker) => {
      asked.push(`${asker.language} ${text}`);
      if (text.includes('node-99'))
        throw new NetcheckError('ask/unknown-node', `There is no ${text}.`, 'Did you mean node-50?');
      return text === 'crash' ? Promise.reject(new Error('secret detail')) : { ok: true, describe: 'node-50 (target)' };
    },
    helpText: (language) => (language === 'zh' ? '帮助' : 'HELP'),
    threadOf: (request) =>
      createSlackThread(request, { outbox, calls: calls(), store, renderReport: renderSlackReport }),
    language: 'en',
    command: '/netcheck',
    ...changes,
  });
}
const slash = (text: string, changes: Partial<SlashDelivery> = {}): SlashDelivery => ({
  text,
  user: 'U0ANNA',
  channel: 'C0INCIDENT',
  team: 'T0',
  triggerId: 't1',
  respond: async (answer) => void told.push(answer),
  ...changes,
});
const click = (changes: Partial<ClickDelivery> = {}): ClickDelivery => ({
  action: cancelAction,
  value: queue.submitted[0]?.id ?? '',
  user: 'U0BEN',
  channel: 'C0INCIDENT',
  team: 'T0',
  triggerId: 'c1',
  ...changes,
});
const recheck = (changes: Partial<ClickDelivery> = {}) => click({ ...changes, action: recheckAction });
const whispers = () =>
  world.changes.filter((change) => change.what === 'ephemeral').map((change) => change.message.text);
const root = () => JSON.stringify(world.messages('C0INCIDENT')[0]?.blocks);

describe('asking', () => {
  it.each(['', ' ', 'help', 'HELP', '?', '帮助', 'check', '`help`'])(
    '%j shows the help, to the asker only',
    async (text) => {
      await newFront().slash(slash(text));
      expect(told).toEqual([text === '帮助' ? '帮助' : 'HELP']);
      expect(world.messages()).toEqual([]);
    },
  );

  it('takes off "check" and what Slack does to text, and answers Chinese in Chinese', async () => {
    const front = newFront();
    await front.slash(slash('check <http://node-50|node-50>\u00a0port <tel:1301|1301>', { triggerId: 'a' }));
    await front.slash(slash('node-50 端口 1301 超时', { triggerId: 'b' }));
    expect(asked).toEqual(['en node-50 port 1301', 'zh node-50 端口 1301 超时']);
    expect(queue.submitted.map((run) => run.language)).toEqual(['en', 'zh']);
    expect(JSON.stringify(world.messages()[1]?.blocks)).toContain('取消');
  });

  it('tells what is wrong with an ask and queues nothing; our own faults without their details', async () => {
    const front = newFront();
    await front.slash(slash('node-99 <!channel>', { triggerId: 'a' }));
    await front.slash(slash('crash', { triggerId: 'b' }));
    expect(told[0]).toContain('Did you mean node-50?');
    expect(told[0]).not.toContain('<!');
    expect(told[1]).toContain('netcheck itself failed');
    expect(told[1]).not.toContain('secret');
    expect(queue.submitted).toEqual([]);
  });

  it('makes one run of one delivery, also when two processes get it', async () => {
    await Promise.all([newFront().slash(slash('node-50 port 1301')), newFront().slash(slash('node-50 port 1301'))]);
    await newFront().slash(slash('node-50 port 1301'));
    expect(queue.submitted).toHaveLength(1);
    expect(world.messages()).toHaveLength(1);
    await newFront().slash(slash('node-50 port 1301', { triggerId: 't2' }));
    expect(queue.submitted).toHaveLength(2);
  });

  it('does not judge what cannot be queued as fine: with Redis down the asker hears of it', async () => {
    store.down = true;
    await newFront().slash(slash('node-50 port 1301'));
    expect(told[0]).toContain('Redis');
    expect(told[0]).toContain('REDIS_URL');
    expect(world.messages()).toEqual([]);
    await newFront().slash(slash('node-99', { triggerId: 'b' }));
    expect(told[1]).toContain('There is no');
  });

  it('uses the message of a delivery that was interrupted, instead of a second one', async () => {
    const front = newFront();
    queue.down = true;
    const mention = {
      text: '<@U0NETCHECK> node-50 port 1301',
      user: 'U0ANNA',
      channel: 'C0INCIDENT',
      team: 'T0',
      ts: '',
      redelivered: false,
      botUserId: 'U0NETCHECK',
    };
    const thread = world.say('U0ANNA', 'C0INCIDENT', mention.text);
    await front.mention({ ...mention, ts: thread.ts });
    queue.down = false;
    store.values.clear();
    await front.mention({ ...mention, ts: thread.ts, redelivered: true });
    expect(world.thread(thread.ts)).toHaveLength(2);
    expect(queue.submitted[0]?.thread).toMatchObject({ rootTs: thread.ts, statusTs: world.thread(thread.ts)[1]?.ts });
  });

  it('reads what stands after the mention, or before it', async () => {
    const front = newFront();
    const say = async (text: string) => {
      const message = world.say('U0ANNA', 'C0INCIDENT', text);
      await front.mention({
        text,
        user: 'U0ANNA',
        channel: 'C0INCIDENT',
        team: 'T0',
        ts: message.ts,
        redelivered: false,
        botUserId: 'U0NETCHECK',
      });
    };
    await say('hey <@U0NETCHECK>: node-50 port 1301');
    await say('node-50 port 1302 <@U0NETCHECK|netcheck>');
    expect(asked).toEqual(['en node-50 port 1301', 'en node-50 port 1302']);
  });

  it('takes a corrected message as a new question', async () => {
    const front = newFront();
    const message = world.say('U0ANNA', 'C0INCIDENT', 'x');
    const mention = {
      user: 'U0ANNA',
      channel: 'C0INCIDENT',
      team: 'T0',
      ts: message.ts,
      redelivered: false,
      botUserId: 'U0NETCHECK',
    };
    await front.mention({ ...mention, text: '<@U0NETCHECK> node-99 port 1301' });
    await front.mention({ ...mention, text: '<@U0NETCHECK> node-50 port 1301' });
    expect(queue.submitted).toHaveLength(1);
  });
});

describe('buttons', () => {
  beforeEach(() => newFront().slash(slash('node-50 port 1301')));

  it('Cancel works for whom the access check allows, and for nobody else', async () => {
    const mayAct: FrontOptions['mayAct'] = async (action, { user, run }) =>
      user === run.askedBy
        ? { ok: true }
        : { ok: false, message: `Only ${run.askedBy} may ${action}.`, hint: 'Ask them.' };
    await newFront({ mayAct }).press(click({ user: 'U0BEN' }));
    expect(queue.cancelled).toEqual([]);
    expect(whispers()).toEqual(['Only U0ANNA may cancel.\nAsk them.']);
    expect(root()).toContain(cancelAction);
    await newFront({ mayAct }).press(click({ user: 'U0ANNA' }));
    expect(queue.cancelled).toHaveLength(1);
    expect(root()).toContain('Cancelled by <@U0ANNA>');
  });

  it('an access check that fails refuses', async () => {
    await newFront({ mayAct: () => Promise.reject(new Error('broken')) }).press(click());
    expect(queue.cancelled).toEqual([]);
    expect(whispers()[0]).toContain('may not');
  });

  it('Cancel is used once', async () => {
    const front = newFront();
    await Promise.all([front.press(click()), front.press(click({ triggerId: 'c2', user: 'U0ANNA' }))]);
    expect(queue.cancelled).toHaveLength(1);
    await front.press(click({ triggerId: 'c3' }));
    expect(queue.cancelled).toHaveLength(1);
    expect(whispers().at(-1)).toContain('over already');
  });

  it('Cancel of a running run shows that it is being cancelled, and never over its last state', async () => {
    queue.cancelling = 'cancelling';
    const [run] = queue.submitted;
    if (run === undefined) throw new Error('nothing was queued');
    const outbox = createOutbox({ calls: calls(), updateGapMs: 0, postGapMs: 0 });
    const worker = createSlackThread(run, { outbox, calls: calls(), store, renderReport: renderSlackReport });
    await newFront().press(click());
    expect(root()).toContain('Being cancelled');
    await worker.failed({ message: 'U0BEN', hint: '', cancelled: true });
    expect(root()).toContain('Cancelled by <@U0BEN>');

    // Another process, whose edit is late: the worker has ended while Cancel was on its way.
    store.values.delete(`netcheck:cancel:${run.id}`);
    store.values.delete(`netcheck:answer:${run.id}`);
    await newFront().press(click({ triggerId: 'late' }));
    expect(root()).not.toContain('Being cancelled');
    expect(root()).toContain('Cancelled by <@U0BEN>');
  });

  it('Cancel with the queue away says so and can be pressed again', async () => {
    queue.down = true;
    await newFront().press(click());
    expect(whispers()[0]).toContain('Redis');
    queue.down = false;
    await newFront().press(click({ triggerId: 'c2' }));
    expect(queue.cancelled).toHaveLength(1);
  });

  it('a run that the queue has lost is ended by Cancel', async () => {
    queue.cancelling = 'unknown';
    await newFront().press(click());
    expect(root()).toContain('Cancelled by <@U0BEN>');
  });

  it.each([
    ['an unknown run', { value: 'nonsense' }],
    ['an id that is none', { value: '../../etc/passwd' }],
    ['no id', { value: '' }],
  ])('%s is refused as expired', async (_name, changes) => {
    await newFront().press(click(changes));
    await newFront().press(recheck(changes));
    expect(whispers().every((text) => text.includes('/netcheck'))).toBe(true);
    expect(whispers()).toHaveLength(2);
    expect(queue.cancelled).toEqual([]);
    expect(queue.submitted).toHaveLength(1);
  });

  it('expire after 24 hours', async () => {
    const key = `netcheck:run:${queue.submitted[0]?.id}`;
    const run = queue.submitted[0];
    await store.set(key, JSON.stringify({ ...run, askedAtMs: Date.now() - 25 * 3600_000 }), { ttlMs: 1000_000 });
    await newFront().press(recheck());
    expect(whispers()[0]).toContain('24 hours');
    expect(queue.submitted).toHaveLength(1);
  });

  it('work in their own channel only', async () => {
    await newFront().press(click({ channel: 'C0OTHER' }));
    expect(queue.cancelled).toEqual([]);
    expect(whispers()[0]).toContain('another channel');
  });

  it('Re-check judges again, posts into the same thread, and is queued as a run of its own', async () => {
    const [run] = queue.submitted;
    if (run === undefined) throw new Error('nothing was queued');
    const outbox = createOutbox({ calls: calls(), updateGapMs: 0, postGapMs: 0 });
    await createSlackThread(run, { outbox, calls: calls(), store, renderReport: renderSlackReport }).report(
      sampleReport(),
    );
    await newFront().press(recheck());
    expect(asked).toHaveLength(2);
    expect(world.thread(run.thread.rootTs)).toHaveLength(3);
    expect(queue.submitted[1]).toMatchObject({ recheckOf: run.id, text: run.text, askedBy: 'U0BEN' });
    const refusing = newFront({ ask: async () => ({ ok: false, message: 'node-50 is gone.', hint: 'Look again.' }) });
    store.values.delete(`netcheck:recheck:${run.id}`);
    await refusing.press(recheck({ triggerId: 'c2' }));
    expect(whispers().at(-1)).toContain('node-50 is gone.');
    expect(queue.submitted).toHaveLength(2);
  });
});
