import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createFront, type Front } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { cancelAction, recheckAction } from '../../../src/adapters/slack/status-message.ts';
import type { RunRequest } from '../../../src/engine/ports.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { type FakeMessage, SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport } from './sample-run.ts';

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let told: string[];
let serial = 0;

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
const newOutbox = () =>
  createOutbox({ calls: calls(), postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 1, updatesPerMinute: 1e9 });
/** A worker's thread of a run; 2: after a crash. */
const threadOf = (request: RunRequest, attempt = 1) =>
  createSlackThread(request, {
    outbox: newOutbox(),
    calls: calls(),
    store,
    renderReport: renderSlackReport,
    attempt,
    leaseMs: 0,
  });
function newFront(): Front {
  return createFront({
    outbox: newOutbox(),
    calls: calls(),
    store,
    queue,
    // What would be done is in the words but for their case.
    ask: async (text) => ({ ok: true, describe: '', key: text.toLowerCase() }),
    helpText: () => 'HELP',
    threadOf,
    language: 'en',
    command: '/netcheck',
  });
}
const slash = (user: string, text = 'node-50 port 1301', changes: object = {}) => ({
  text,
  user,
  channel: 'C0INCIDENT',
  team: 'T0',
  triggerId: `t${(serial += 1)}`,
  respond: async (answer: string) => void told.push(`${user}: ${answer}`),
  ...changes,
});
const mention = (user: string, threadTs: string) => ({
  text: '<@U0NETCHECK> node-50 port 1301',
  user,
  channel: 'C0INCIDENT',
  team: 'T0',
  ts: `${(serial += 1)}.5`,
  threadTs,
  redelivered: false,
  botUserId: 'U0NETCHECK',
});
const run = (at = 0): RunRequest => {
  const found = queue.submitted[at];
  if (found === undefined) throw new Error(`run ${at} was not queued`);
  return found;
};
const answer = (): FakeMessage => {
  const [one, ...more] = world.messages().filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_answer');
  if (one === undefined || more.length > 0) throw new Error(`${more.length} answers more than one`);
  return one;
};
const press = (action: string, user: string) => ({
  action,
  value: run().id,
  user,
  channel: 'C0INCIDENT',
  threadTs: run().thread.rootTs,
  team: 'T0',
  triggerId: `t${(serial += 1)}`,
});
const link = () => `<https://slack.com/archives/C0INCIDENT/p${run().thread.rootTs.replace('.', '')}|here>`;
const later = (ms: number) => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
  onTestFinished(() => void vi.useRealTimers());
};

describe('several people who ask the same', () => {
  it('join one run, are told where it is, and are mentioned in its answer', async () => {
    await newFront().slash(slash('U0ANNA'));
    await newFront().slash(slash('U0BEN', 'NODE-50 port 1301'));
    await newFront().slash(slash('U0CHEN'));
    expect(queue.submitted).toHaveLength(1);
    expect(told).toEqual(
      ['U0BEN', 'U0CHEN'].map(
        (user) =>
          `${user}: The same is being looked at ${link()}, asked by <@U0ANNA>. The answer comes there and mentions you.`,
      ),
    );
    await threadOf(run()).report(sampleReport());
    expect(answer().pings).toEqual(['<@U0ANNA>', '<@U0BEN>', '<@U0CHEN>']);
  });

  it('at the same moment, in whatever process, make one run', async () => {
    const users = ['U0ANNA', 'U0BEN', 'U0CHEN'];
    await Promise.all(users.map((user) => newFront().slash(slash(user))));
    expect(queue.submitted).toHaveLength(1);
    await threadOf(run()).report(sampleReport());
    expect(answer().pings.toSorted()).toEqual(users.map((user) => `<@${user}>`));
  });

  it('are mentioned also where the worker died and another answers', async () => {
    await newFront().slash(slash('U0ANNA'));
    await newFront().slash(slash('U0BEN'));
    threadOf(run()).progress({ type: 'phase', phase: 'probe', atMs: 0 });
    await threadOf(run(), 2).report(sampleReport());
    expect(answer().pings).toEqual(['<@U0ANNA>', '<@U0BEN>']);
  });

  it('are told of the answer where it was on its way already', async () => {
    await newFront().slash(slash('U0ANNA'));
    // Between the answer and the note that it is there.
    const set = store.set.bind(store);
    let joining: Promise<void> | undefined;
    store.set = async (key, value, options) => {
      if (key.startsWith('netcheck:answer:') && value.startsWith('done'))
        await (joining ??= newFront().slash(slash('U0BEN')));
      await set(key, value, options);
    };
    await threadOf(run()).report(sampleReport());
    expect(answer().pings).toEqual(['<@U0ANNA>']);
    const whispers = world.changes.filter(({ what }) => what === 'ephemeral');
    expect(whispers.map(({ onlyFor, message }) => [onlyFor, message.text])).toEqual([
      ['U0BEN', `The answer that you waited for is ${link()}.`],
    ]);
  });

  it('in another thread leave word there; in the same thread only the one who asks sees it', async () => {
    const [one, two] = ['one', 'two'].map((text) => world.say('U0ANNA', 'C0INCIDENT', text));
    await newFront().mention(mention('U0ANNA', one?.ts ?? ''));
    await newFront().mention(mention('U0BEN', one?.ts ?? ''));
    expect(world.thread(one?.ts ?? '')).toHaveLength(2);
    expect(world.changes.at(-1)).toMatchObject({ what: 'ephemeral', onlyFor: 'U0BEN' });
    const third = mention('U0CHEN', two?.ts ?? '');
    await newFront().mention(third);
    await newFront().mention({ ...third, redelivered: true });
    const [, word, ...more] = world.thread(two?.ts ?? '');
    expect([word?.text, word?.pings, more]).toEqual([
      `The same is being looked at ${link()}. The answer comes there.`,
      [],
      [],
    ]);
    expect(queue.submitted).toHaveLength(1);
  });

  it('within a minute of the answer are sent to it; who had it, and whoever comes later, gets another look', async () => {
    await newFront().slash(slash('U0ANNA'));
    await threadOf(run()).report(sampleReport());
    await newFront().slash(slash('U0BEN'));
    expect(told).toEqual([
      `U0BEN: The same was asked a moment ago: the answer is ${link()}. Re-check below it looks again.`,
    ]);
    expect(queue.submitted).toHaveLength(1);
    await newFront().slash(slash('U0ANNA'));
    expect(queue.submitted).toHaveLength(2);
    await threadOf(run(1)).report(sampleReport());
    later(61_000);
    await newFront().slash(slash('U0BEN'));
    expect(queue.submitted).toHaveLength(3);
  });

  it('do not join what failed, was cancelled, or could not be queued', async () => {
    await newFront().slash(slash('U0ANNA'));
    await threadOf(run()).failed({ message: 'broken', hint: '', cancelled: false });
    await newFront().slash(slash('U0BEN'));
    expect(queue.submitted).toHaveLength(2);
    await newFront().press({ ...press(cancelAction, 'U0BEN'), value: run(1).id });
    await newFront().slash(slash('U0CHEN'));
    expect(queue.submitted).toHaveLength(3);
    const submit = queue.submit.bind(queue);
    queue.submit = () => Promise.reject(new Error('Redis is away'));
    await newFront().slash(slash('U0ANNA', 'node-50 port 1302'));
    queue.submit = submit;
    await newFront().slash(slash('U0BEN', 'node-50 port 1302'));
    expect(queue.submitted).toHaveLength(4);
    expect(told).toEqual([]);
  });

  it('hear of it where the run that they joined is cancelled', async () => {
    await newFront().slash(slash('U0ANNA'));
    await newFront().slash(slash('U0BEN'));
    await newFront().press(press(cancelAction, 'U0ANNA'));
    expect(answer().pings).toEqual(['<@U0ANNA>', '<@U0BEN>']);
    expect(answer().text).toContain('Cancelled');
  });

  it('in another channel have a run of their own, as has a Re-check and anything else that is asked', async () => {
    await newFront().slash(slash('U0ANNA'));
    await newFront().slash(slash('U0BEN', 'node-50 port 1301', { channel: 'C0OTHER' }));
    await newFront().slash(slash('U0BEN', 'node-50 port 1302'));
    await newFront().press(press(recheckAction, 'U0BEN'));
    await newFront().press(press(recheckAction, 'U0CHEN'));
    expect(queue.submitted.map(({ recheckOf }) => recheckOf)).toEqual([undefined, undefined, undefined, run().id]);
  });

  it('are not one person: a delivery that comes twice does not join itself', async () => {
    const once = slash('U0ANNA');
    await newFront().slash(once);
    await newFront().slash(once);
    // Its lease ran out while a process was in the middle: it goes on, as the same run.
    for (const key of [...store.values.keys()].filter((one) => one.startsWith('netcheck:delivery:')))
      await store.delete(key);
    await newFront().slash(once);
    expect(queue.submitted).toHaveLength(1);
    expect(told).toEqual([]);
    await threadOf(run()).report(sampleReport());
    expect(answer().pings).toEqual(['<@U0ANNA>']);
  });

  it('are at most twenty-one in one run', async () => {
    const users = Array.from({ length: 23 }, (_, n) => `U0P${n}`);
    for (const user of users) await newFront().slash(slash(user));
    expect(queue.submitted.map(({ askedBy }) => askedBy)).toEqual(['U0P0', 'U0P21', 'U0P22']);
  });
});
