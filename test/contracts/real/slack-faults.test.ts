import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveHttp } from '../../../src/adapters/http/serve-http.ts';
import { createSlackApp, type SlackApp, slackEventsPath } from '../../../src/adapters/slack/create-slack-app.ts';
import { cancelAction } from '../../../src/adapters/slack/status-message.ts';
import type { RunRequest } from '../../../src/engine/ports.ts';
import type { NetcheckError } from '../../../src/model/errors.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { sampleReport } from '../../adapters/slack/sample-run.ts';
import {
  type Delivery,
  type FakeMessage,
  type FakeSlack,
  startFakeSlack,
  type Trouble,
} from '../../fakes/slack/fake-slack.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';

/**
 * Every fault of Slack at every step of a run, over both ways in: the real Bolt app, its real Web API client, and a
 * practice Slack with the fault in it. The test plays the worker. Whatever happens, the person who asked has in the end
 * exactly one answer, or is told why there is none.
 */
const transports = ['Socket Mode', 'HTTP'] as const;
type Transport = (typeof transports)[number];
const steps = ['root', 'progress', 'answer', 'end'] as const;
/** Where a fault strikes: the first message, an edit while it runs, the answer, the last edit. */
type Step = (typeof steps)[number];
const methodOf: Readonly<Record<Step, string>> = {
  root: 'chat.postMessage',
  progress: 'chat.update',
  answer: 'chat.postMessage',
  end: 'chat.update',
};
const channel = 'C0INCIDENT';
const question = 'node-50 port 1301';

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): number => unhandled.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
});
afterAll(() => {
  process.off('unhandledRejection', onUnhandled);
  // Whatever Slack does, nothing of ours may be able to kill the process.
  expect(unhandled).toEqual([]);
});

interface Here {
  readonly slack: FakeSlack;
  readonly queue: ReturnType<typeof memoryQueue>;
  readonly deaths: NetcheckError[];
  /** A bot as after a restart: the store and the queue are still there. */
  boot(): Promise<SlackApp>;
}

/** A world of its own, taken down when the test is over, so that tests can run side by side. */
async function world(transport: Transport, work: (here: Here) => Promise<void>): Promise<void> {
  const slack = await startFakeSlack({
    pingEveryMs: 500,
    silenceMs: 3000,
    rates: 'off',
    channels: [
      { id: channel, name: 'incident' },
      { id: 'C0GENERAL', name: 'general' },
    ],
  });
  const [store, queue] = [memoryStore(), memoryQueue()];
  const deaths: NetcheckError[] = [];
  const ends: (() => Promise<unknown>)[] = [];
  const boot = async (): Promise<SlackApp> => {
    const app = createSlackApp({
      botToken: slack.botToken,
      ...(transport === 'HTTP' ? { signingSecret: 'practice-secret' } : { appToken: slack.appToken }),
      slackApiUrl: slack.url,
      language: 'en',
      helpText: () => 'help',
      store,
      queue,
      renderReport: renderSlackReport,
      onDead: (error) => deaths.push(error),
      outbox: { postGapMs: 10, updateGapMs: 20, settleMs: 20, backoffMs: 20 },
      socket: { backoffMs: 20 },
      timeoutMs: 400,
      ask: async () => ({ ok: true, describe: 'TCP port 1301 on node-50 (target)' }),
    });
    await app.start();
    ends.push(() => app.stop(200));
    if (app.events !== undefined) {
      const route = { method: 'POST', path: slackEventsPath, listener: app.events } as const;
      const server = await serveHttp({ port: 0, portHint: '', routes: [route] });
      ends.push(() => server.close());
      slack.deliverOverHttp(`http://127.0.0.1:${server.port}${slackEventsPath}`, 'practice-secret');
    }
    return app;
  };
  try {
    await work({ slack, queue, deaths, boot });
  } finally {
    for (const end of ends.toReversed()) await end();
    await slack.close();
  }
}

const kindOf = (message: FakeMessage): unknown => message.metadata?.['event_type'];
const answersIn = ({ slack }: Here): readonly FakeMessage[] =>
  slack.world.messages().filter((message) => kindOf(message) === 'netcheck_answer');
/** First messages of runs. */
const rootsIn = ({ slack }: Here): readonly FakeMessage[] =>
  slack.world
    .messages(channel)
    .filter((message) => message.user === slack.world.botUserId && message.threadTs === undefined);
/** What only the person who asked was shown. */
const toldIn = ({ slack }: Here): readonly string[] =>
  slack.history().flatMap(({ onlyFor, message }) => (onlyFor === 'U0ANNA' ? [message.text] : []));

/** Waits for what shows in no message. */
async function until(look: () => boolean, withinMs = 10_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!look()) {
    if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms: ${String(look)}`);
    await pause(10);
  }
}

interface Asked {
  readonly run: RunRequest;
  readonly delivery: Delivery;
}

/**
 * A question and the run that a worker makes of it; `strike` is called just before the step.
 *
 * @returns undefined where nothing was queued, because the person was told why not
 */
async function askAndAnswer(
  here: Here,
  app: SlackApp,
  strike: (step: Step, delivery?: Delivery) => void | Promise<void>,
): Promise<Asked | undefined> {
  const { slack, queue } = here;
  const before = queue.submitted.length;
  await strike('root');
  const delivery = slack.slash(question);
  await until(() => queue.submitted.length > before || toldIn(here).length > 0);
  const run = queue.submitted[before];
  if (run === undefined) return undefined;
  const thread = app.sender.answerThread(run, { attempt: 1 });
  await strike('progress', delivery);
  thread.progress({ type: 'planned', nodes: [{ name: 'node-50', roles: ['target'] }], playbooks: ['port-check'] });
  thread.progress({ type: 'phase', phase: 'probe', atMs: Date.now() });
  await until(() => slack.world.calls.some(({ args }) => args['ts'] === run.thread.statusTs));
  // The answer comes before the last edit, and each has a method of its own: both may be told of beforehand.
  await strike('answer', delivery);
  await strike('end', delivery);
  await thread.report(sampleReport()).catch(() => undefined);
  return { run, delivery };
}

function expectOneAnswer(here: Here, { run }: Asked): void {
  const [answer, ...more] = answersIn(here);
  expect(more).toEqual([]);
  expect(answer).toMatchObject({ channel: run.thread.channel, threadTs: run.thread.rootTs });
  expect(answer?.pings).toEqual(['<@U0ANNA>']);
  expect(JSON.stringify([answer?.text, answer?.blocks])).toContain('node-50 drops SYNs by TCP timestamp');
  expect(rootsIn(here)).toHaveLength(1);
}

function expectEnded(here: Here): void {
  const [root] = rootsIn(here);
  expect(JSON.stringify([root?.text, root?.blocks])).toContain('node-50 drops SYNs by TCP timestamp');
  expect(JSON.stringify(root?.blocks)).not.toContain(cancelAction);
}

const passing: Readonly<Record<string, Trouble>> = {
  'a 429': { kind: 'rateLimit', retryAfterS: 1 },
  'a 503 after Slack took it': { kind: 'http', status: 503, afterAccepting: true },
  'a 500 before Slack took it': { kind: 'http', status: 500 },
  'a time-out after Slack took it': { kind: 'silence', afterAccepting: true },
  'a time-out before Slack took it': { kind: 'silence', afterAccepting: false },
  'a reset after Slack took it': { kind: 'reset', afterAccepting: true },
  'a reset before Slack took it': { kind: 'reset', afterAccepting: false },
  invalid_blocks: { kind: 'error', error: 'invalid_blocks' },
  internal_error: { kind: 'error', error: 'internal_error' },
};

const table = transports.flatMap((transport) => steps.map((step) => [step, transport] as const));

describe.concurrent('a fault of Slack that passes', () => {
  for (const [name, trouble] of Object.entries(passing)) {
    it.each(table)(`${name}, at the step %s over %s: one answer`, async (at, transport) => {
      await world(transport, async (here) => {
        const app = await here.boot();
        const asked = await askAndAnswer(here, app, (step) => {
          if (step === at) here.slack.fail(methodOf[at], trouble);
        });
        if (asked === undefined) throw new Error(`nothing was queued: ${toldIn(here).join(' ')}`);
        expectOneAnswer(here, asked);
        expectEnded(here);
        expect(here.deaths).toEqual([]);
      });
    });
  }
});

describe.concurrent('a storm of 429 on another channel', () => {
  it.each(transports)('over %s holds nobody else up', async (transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const { slack, queue } = here;
      // Longer than this test may take: whoever waits for it is seen.
      slack.fail('chat.postMessage', { kind: 'rateLimit', retryAfterS: 300 }, { times: 1000, channel: 'C0GENERAL' });
      for (let at = 0; at < 5; at++) slack.slash(`node-50 port ${2000 + at}`, { channel: 'C0GENERAL', user: 'U0BEN' });
      await until(() => slack.world.calls.some(({ args }) => args['channel'] === 'C0GENERAL'));
      const asked = await askAndAnswer(here, app, () => undefined);
      if (asked === undefined) throw new Error('nothing was queued');
      expect(queue.submitted.map(({ thread }) => thread.channel)).toEqual([channel]);
      expectOneAnswer(here, asked);
      expectEnded(here);
    });
  });
});

describe.concurrent('a channel that is gone', () => {
  it.each(table)('from the step %s on, over %s: the person is told, or has the answer', async (at, transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const gone: Trouble = { kind: 'error', error: 'channel_not_found' };
      const asked = await askAndAnswer(here, app, (step) => {
        if (step === at)
          for (const method of at === 'end'
            ? ['chat.update']
            : ['chat.postMessage', 'chat.update', 'chat.postEphemeral'])
            here.slack.fail(method, gone, { times: 1000, channel });
      });
      if (at === 'root') {
        expect(asked).toBeUndefined();
        expect(toldIn(here)).toHaveLength(1);
        expect(toldIn(here)[0]).toContain('/invite');
        expect(answersIn(here)).toEqual([]);
        return;
      }
      const answers = answersIn(here);
      expect(answers).toHaveLength(1);
      expect(answers[0]?.channel === channel).toBe(at === 'end');
      expect(JSON.stringify([answers[0]?.text, answers[0]?.blocks])).toContain('node-50 drops SYNs by TCP timestamp');
    });
  });
});

describe.concurrent('a token that is revoked', () => {
  it.each(table)('at the step %s over %s: the process knows, and the next one answers once', async (at, transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const { slack, queue, deaths } = here;
      const asked = await askAndAnswer(here, app, (step) => {
        if (step === at) slack.world.deadToken = { bot: 'token_revoked' };
      });
      await until(() => deaths.length === 1);
      expect(deaths[0]).toMatchObject({ code: 'slack/refused' });
      if (at === 'root') {
        expect(asked).toBeUndefined();
        expect(toldIn(here).join(' ')).toContain('token');
        expect(queue.submitted).toEqual([]);
        return;
      }
      if (asked === undefined) throw new Error('nothing was queued');
      slack.world.deadToken = {};
      const next = await here.boot();
      await next.sender.answerThread(asked.run, { attempt: 2 }).report(sampleReport());
      expectOneAnswer(here, asked);
      expectEnded(here);
    });
  });
});

describe.concurrent('a connection', () => {
  const breaks: Readonly<Record<string, (slack: FakeSlack) => void>> = {
    'is cut without a goodbye': (slack) => slack.cutConnections(),
    'is renewed by Slack': (slack) => slack.refresh(),
    'is announced to be renewed': (slack) => slack.refresh('warning'),
    'is cut, and Slack gives no new one at first': (slack) => {
      slack.fail('apps.connections.open', { kind: 'http', status: 503 }, { times: 2 });
      slack.cutConnections();
    },
  };
  for (const [name, strike] of Object.entries(breaks)) {
    it.each(steps.slice(1))(`that ${name} at the step %s: one answer, and the next question is taken`, async (at) => {
      await world('Socket Mode', async (here) => {
        const app = await here.boot();
        const asked = await askAndAnswer(here, app, (step) => {
          if (step === at) strike(here.slack);
        });
        if (asked === undefined) throw new Error('nothing was queued');
        expectOneAnswer(here, asked);
        expectEnded(here);
        await here.slack.awaitGreetings(2);
        expect(await here.slack.slash('node-50 port 1302').ended).toBe('acked');
        await until(() => here.queue.submitted.length === 2);
      });
    });
  }

  it('that breaks between a question and its acknowledgement: what Slack sends again is one run', async () => {
    await world('Socket Mode', async (here) => {
      const app = await here.boot();
      const delivery = here.slack.slash(question);
      here.slack.cutConnections();
      await here.slack.awaitGreetings(2);
      expect(await here.slack.redeliver(delivery).ended).toBe('acked');
      await until(() => here.queue.submitted.length === 1);
      const [run] = here.queue.submitted;
      if (run === undefined) throw new Error('nothing was queued');
      await app.sender.answerThread(run, { attempt: 1 }).report(sampleReport());
      expectOneAnswer(here, { run, delivery });
    });
  });

  it('that is away while the run goes on: question and answer are as ever', async () => {
    await world('Socket Mode', async (here) => {
      const app = await here.boot();
      const asked = await askAndAnswer(here, app, (step) => {
        if (step !== 'progress') return;
        here.slack.fail('apps.connections.open', { kind: 'http', status: 503 }, { times: 6 });
        here.slack.cutConnections();
      });
      if (asked === undefined) throw new Error('nothing was queued');
      expectOneAnswer(here, asked);
      await here.slack.awaitGreetings(2);
    });
  });
});

describe.concurrent('the files of an answer', () => {
  const file = async () => [{ name: 'ladder.png', title: 'Packets', bytes: new Uint8Array(2000) }];
  const faults: readonly (readonly [string, string, Trouble, shared: number])[] = [
    ['no place to upload to', 'files.getUploadURLExternal', { kind: 'error', error: 'missing_scope' }, 0],
    ['a 429', 'files.getUploadURLExternal', { kind: 'rateLimit', retryAfterS: 1 }, 1],
    ['a reset', 'files.getUploadURLExternal', { kind: 'reset', afterAccepting: true }, 1],
    ['a 429 at the end', 'files.completeUploadExternal', { kind: 'rateLimit', retryAfterS: 1 }, 1],
    ['a time-out after they were shared', 'files.completeUploadExternal', { kind: 'silence', afterAccepting: true }, 1],
    [
      'a channel that takes no files',
      'files.completeUploadExternal',
      { kind: 'error', error: 'posting_to_channel_denied' },
      0,
    ],
  ];
  it.each(faults)(
    'meet %s: the answer is there once, and they at most once',
    async (_name, method, trouble, shared) => {
      await world('Socket Mode', async (here) => {
        const app = await here.boot();
        const { slack, queue } = here;
        const delivery = slack.slash(question);
        await until(() => queue.submitted.length === 1);
        const [run] = queue.submitted;
        if (run === undefined) throw new Error('nothing was queued');
        slack.fail(method, trouble);
        await app.sender.answerThread(run, { attempt: 1 }).report(sampleReport(), file);
        expectOneAnswer(here, { run, delivery });
        expectEnded(here);
        expect(slack.thread(run.thread.rootTs).filter(({ files }) => files.length > 0)).toHaveLength(shared);
      });
    },
  );
});

describe.concurrent('deliveries', () => {
  it.each(table)('that come again at the step %s over %s make no second run', async (at, transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const asked = await askAndAnswer(here, app, async (step, delivery) => {
        if (step !== at || delivery === undefined) return;
        await Promise.all([here.slack.redeliver(delivery).ended, here.slack.redeliver(delivery).ended]);
      });
      if (asked === undefined) throw new Error('nothing was queued');
      await here.slack.redeliver(asked.delivery).ended;
      // What comes after it was taken too, so the one before has been looked at.
      await here.slack.slash('node-50 port 1302').ended;
      await until(() => here.queue.submitted.length === 2);
      expect(here.queue.submitted.map(({ text }) => text)).toEqual([question, 'node-50 port 1302']);
      expect(answersIn(here)).toHaveLength(1);
      expect(rootsIn(here)).toHaveLength(2);
    });
  });

  it.each(transports)('out of order over %s: every question has its own thread and answer', async (transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const { slack, queue } = here;
      const first = slack.slash(question);
      const second = slack.mention('node-50 port 1302', { user: 'U0BEN' });
      await until(() => queue.submitted.length === 2);
      await Promise.all([slack.redeliver(second).ended, slack.redeliver(first).ended]);
      // The later question is answered first, and news of the earlier one comes after its own answer.
      for (const run of queue.submitted.toReversed()) {
        const thread = app.sender.answerThread(run, { attempt: 1 });
        await thread.report(sampleReport());
        thread.progress({ type: 'phase', phase: 'probe', atMs: Date.now() });
        await app.sender.outbox.drained();
      }
      expect(queue.submitted).toHaveLength(2);
      const answers = answersIn(here);
      expect(new Set(answers.map(({ threadTs }) => threadTs))).toEqual(
        new Set(queue.submitted.map(({ thread }) => thread.rootTs)),
      );
      expect(answers).toHaveLength(2);
      for (const { thread } of queue.submitted) {
        const status = slack.world.message(thread.channel, thread.statusTs);
        expect(JSON.stringify(status?.blocks)).toContain('node-50 drops SYNs by TCP timestamp');
      }
    });
  });

  it.each(transports)('of a Cancel that comes after the answer over %s change nothing', async (transport) => {
    await world(transport, async (here) => {
      const app = await here.boot();
      const { slack, queue } = here;
      slack.slash(question);
      await until(() => queue.submitted.length === 1);
      const [run] = queue.submitted;
      const [root] = rootsIn(here);
      if (run === undefined || root === undefined) throw new Error('nothing was queued');
      const press = slack.click(cancelAction, root);
      queue.cancelling = 'unknown';
      await press.ended;
      await app.sender.answerThread(run, { attempt: 1 }).report(sampleReport());
      await slack.redeliver(press).ended;
      await app.sender.outbox.drained();
      expectOneAnswer(here, { run, delivery: press });
      expectEnded(here);
    });
  });
});
