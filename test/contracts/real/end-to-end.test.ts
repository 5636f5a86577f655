import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pickAction } from '../../../src/adapters/slack/evidence-button.ts';
import {
  cancelAction,
  evidenceAction,
  explainAction,
  recheckAction,
  wrongVerdictAction,
} from '../../../src/adapters/slack/status-message.ts';
import { type BuiltNetcheck, buildNetcheck, type Running } from '../../commands/built-netcheck.ts';
import type { FakeMessage, Trouble } from '../../fakes/slack/fake-slack.ts';
import { type BotWorld, isAnswer, startBotWorld } from './bot-world.ts';
import { whyNoRedis } from './loopback-redis.ts';

/**
 * Real `netcheck bot` and `netcheck worker` processes with a real Redis, a practice Slack, and two nodes behind a real
 * SSH protocol. Every test has a world of its own, so that they can run side by side.
 */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

let netcheck: BuiltNetcheck;
let service: Server;
let question: string;
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  service = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = service.address();
  question = `node-50 port ${typeof address === 'object' && address !== null ? address.port : 0} from node-12`;
  netcheck = await buildNetcheck();
});
afterAll(async () => {
  // The processes first: what they lose of their world is no part of any test.
  await netcheck.remove();
  await Promise.all(cleanUp.map((end) => end()));
  service.close();
});

/** @param onProbe  told of every probe as it begins, counted from 1; `'hang'`: it never ends by itself */
async function world(onProbe?: (count: number) => 'hang' | void): Promise<BotWorld> {
  const here = await startBotWorld(netcheck, onProbe);
  cleanUp.push(() => here.close());
  return here;
}

const blocksOf = (message: FakeMessage | undefined): string => JSON.stringify(message?.blocks ?? []);

/** The thread of the one run: a root that has ended and one reply, the answer; its files in one message, or not yet. */
function expectOneAnswer(here: BotWorld): FakeMessage {
  const [answer, ...more] = here.answers();
  expect(more).toEqual([]);
  if (answer?.threadTs === undefined) throw new Error('no answer in a thread');
  const thread = here.slack.thread(answer.threadTs);
  expect(thread.filter(({ files }) => files.length === 0).map(({ ts }) => ts)).toEqual([answer.threadTs, answer.ts]);
  expect(thread.filter(({ files }) => files.length > 0).length).toBeLessThanOrEqual(1);
  expect(blocksOf(answer)).toContain(recheckAction);
  expect(answer.pings).toEqual(['<@U0ANNA>']);
  return answer;
}

/** The answer is of a run that went to its end, not of one that was broken off. */
function expectWholeRun(answer: FakeMessage): void {
  expect(answer.text + blocksOf(answer)).not.toMatch(/itself failed|died|cancelled|time for this run was over/);
}

/** The root says how it ended, and offers no Cancel any more. */
const ended = ({ slack }: BotWorld, rootTs: string): Promise<unknown> =>
  slack.awaitChange(
    ({ message }) =>
      message.ts === rootTs &&
      blocksOf(message).includes('The whole answer is in the thread') &&
      !blocksOf(message).includes(cancelAction),
    20_000,
  );

const up = (running: Running): Promise<void> => running.says(/listening to|worker started/);

describe.skipIf(missing !== undefined).concurrent(`bot and workers${because}`, () => {
  it('answer in the thread of the question; Re-check answers in the same thread', async () => {
    const here = await world();
    await up(here.bot());
    expect(await here.slack.slash(question).ended).toBe('acked');
    await here.slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    const answer = expectOneAnswer(here);
    await ended(here, answer.threadTs ?? '');
    expect(await here.slack.click(recheckAction, answer).ended).toBe('acked');
    await here.recorded(2);
    expect(here.answers()).toHaveLength(2);
    expect(here.answers().map(({ threadTs }) => threadTs)).toEqual([answer.threadTs, answer.threadTs]);
    // Root, answer, status of the second run, its answer; files after each answer; and no other message anywhere.
    const messages = here.slack.world.messages();
    expect(messages.filter(({ files }) => files.length === 0)).toHaveLength(4);
    expect(messages.map(({ ts, threadTs }) => threadTs ?? ts)).toEqual(messages.map(() => answer.threadTs));
    for (const { files } of messages.filter((message) => message.files.length > 0)) {
      expect(files.map(({ name }) => name.replace(/^netcheck-[^.]*/, ''))).toEqual(['.png', '.html', '.tar.gz']);
      expect(files.every(({ bytes }) => bytes > 1000)).toBe(true);
    }
    expect(messages.filter(({ files }) => files.length > 0)).toHaveLength(2);
    // The second says what became of the first, and both are remembered.
    const [, again] = here.answers();
    expect(blocksOf(again)).toContain(`https://slack.com/archives/C0INCIDENT/p${answer.threadTs?.replace('.', '')}`);
    await here.redis.until(
      (client) => client.zcard('{netcheck}:history:ended'),
      (ended) => ended === 2,
    );
  });

  it('show what a run did and saw, and keep what people say of its verdict', async () => {
    const here = await world();
    const { slack } = here;
    await up(here.bot());
    await slack.slash(question).ended;
    const answer = await slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    const shows = (part: RegExp) => slack.awaitView(({ blocks }) => part.test(JSON.stringify(blocks)), 20_000);
    await slack.click(explainAction, answer, { user: 'U0BEN' }).ended;
    await shows(/\[during · [^\]]*\] [^"]*tcpdump/);
    await slack.click(evidenceAction, answer, { user: 'U0BEN' }).ended;
    const list = await shows(/static_select/);
    await slack.pick(pickAction, list, '0').ended;
    await shows(/\*node-\d+\*  01-/);
    await slack.click(wrongVerdictAction, answer, { user: 'U0BEN' }).ended;
    const form = await slack.awaitView(({ canSubmit }) => canSubmit, 20_000);
    await slack.submit(form, { was: 'fd-exhaustion', words: 'the files' }).ended;
    const { onlyFor } = await slack.awaitChange(({ message }) => message.text.includes('kept with the run'), 20_000);
    expect(onlyFor).toBe('U0BEN');
    expect(here.answers()).toHaveLength(1);
  });

  it('of which the worker is another process: a front without worker waits for one', async () => {
    const here = await world();
    const front = here.bot('--no-worker');
    await front.says('without a worker');
    await here.slack.slash(question).ended;
    const root = await here.slack.awaitMessage(({ user }) => user === here.slack.world.botUserId);
    expect(here.answers()).toEqual([]);
    await up(here.worker());
    await here.slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    expect(expectOneAnswer(here).threadTs).toBe(root.ts);
  });

  it('refuse a bad question to the asker only, and nothing is queued', async () => {
    const here = await world();
    await up(here.bot());
    for (const [text, words] of [
      ['node-5O port 1301', 'Did you mean node-50'],
      ['node-50 port 70000', '70000'],
      ['node-50;reboot port 1301', 'Nothing was run'],
      ['$(id) port 1301', 'Nothing was run'],
      [`node-50 port 1301 ${'a'.repeat(3000)}`, 'at most 1000'],
    ] as const) {
      expect(await here.slack.slash(text, { user: 'U0BEN' }).ended).toBe('acked');
      const { onlyFor } = await here.slack.awaitChange(({ message }) => message.text.includes(words));
      expect(onlyFor).toBe('U0BEN');
    }
    expect(await here.slack.slash('', { user: 'U0BEN' }).ended).toBe('acked');
    expect(await here.slack.awaitView(() => true)).toMatchObject({
      user: 'U0BEN',
      callbackId: 'netcheck_diagnose_form',
    });
    expect(here.slack.world.messages()).toEqual([]);
    expect(
      await here.redis.until(
        (client) => client.keys('{netcheck}:runs:*'),
        () => true,
      ),
    ).not.toContainEqual(expect.stringMatching(/:runs:s[0-9a-f]+$/));
  });
});

describe.skipIf(missing !== undefined).concurrent(`a bot that cannot start${because}`, () => {
  it('for want of a Slack token or a free port ends, says why, and leaves nothing open', async () => {
    const here = await world();
    const taken = createServer().listen(here.httpPort);
    cleanUp.push(() => taken.close());
    for (const [running, words] of [
      [here.botWith({ SLACK_APP_TOKEN: '' }), /Neither SLACK_APP_TOKEN .* nor SLACK_SIGNING_SECRET .* is set/],
      [here.botWith({}), new RegExp(`Port ${here.httpPort} cannot be listened on: .*\nSet slack.httpPort`)],
      [here.botWith({ SLACK_APP_TOKEN: 'xapp-wrong' }), /invalid_auth/],
      [here.botWith({ SLACK_API_URL: 'http://127.0.0.1:9/api/' }), /Slack does not answer/],
    ] as const) {
      const { status, stdout, stderr } = await running.finished;
      expect(stderr).toMatch(words);
      expect(stderr).not.toMatch(/our own fault|\n\s+at /);
      expect(stdout).toBe('');
      expect([64, 70]).toContain(status);
    }
  });
});

describe.skipIf(missing !== undefined).concurrent(`Redis that goes away${because}`, () => {
  it('before the question: acknowledged at once, the asker is told, and asking again later works', async () => {
    const here = await world();
    const bot = here.bot();
    await up(bot);
    await here.redis.kill();
    expect(await here.slack.slash(question).ended).toBe('acked');
    const { onlyFor, message } = await here.slack.awaitChange(({ message }) => message.text.includes('Redis'));
    expect(onlyFor).toBe('U0ANNA');
    expect(message.text).toMatch(/nothing was done.*\nTry again/);
    expect(here.slack.world.messages()).toEqual([]);
    await here.redis.start();
    // The bot has several connections; the one that takes questions is the one to wait for.
    await bot.says(/is back \(netcheck-[0-9a-f-]+-front\)/);
    await here.slack.slash(question).ended;
    await here.slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    expectOneAnswer(here);
  });

  it('hangs instead of being gone: acknowledged at once, and the asker is told all the same', async () => {
    const here = await world();
    await up(here.bot());
    here.redis.freeze();
    expect(await here.slack.slash(question).ended).toBe('acked');
    const { onlyFor } = await here.slack.awaitChange(({ message }) => message.text.includes('Redis'));
    expect(onlyFor).toBe('U0ANNA');
    expect(here.slack.world.messages()).toEqual([]);
    here.redis.thaw();
  });

  it('in the middle of a run: the answer comes all the same, exactly once', async () => {
    const here = await world(() => void here.redis.kill());
    await up(here.bot());
    await here.slack.slash(question).ended;
    await here.slack.awaitMessage(isAnswer, 40_000);
    await here.redis.start();
    await here.recorded(1);
    const answer = expectOneAnswer(here);
    await ended(here, answer.threadTs ?? '');
  });

  it('in the middle of a run of a worker process: the answer comes exactly once, also with a second worker', async () => {
    const here = await world((count) => {
      if (count === 1) void here.redis.kill();
    });
    await up(here.bot('--no-worker'));
    await Promise.all([up(here.worker()), up(here.worker())]);
    await here.slack.slash(question).ended;
    await here.probing(1);
    await here.redis.start();
    await here.recorded(1);
    expectOneAnswer(here);
  });

  it('before the start: bot and worker end with status 70 and a sentence that names it', async () => {
    const here = await world();
    await here.redis.kill();
    for (const running of [here.bot(), here.worker()]) {
      const { status, stdout, stderr } = await running.finished;
      expect([status, stdout]).toEqual([70, '']);
      expect(stderr).toMatch(/netcheck: Redis at .*redis\.sock cannot be used: .*\nCheck that Redis runs/);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });
});

describe.skipIf(missing !== undefined).concurrent(`a worker that dies in the middle of a run${because}`, () => {
  const hangFirst = (count: number): 'hang' | undefined => (count === 1 ? 'hang' : undefined);

  it('by SIGKILL, with a second worker alive: exactly one final answer in the thread', async () => {
    const here = await world(hangFirst);
    await up(here.bot('--no-worker'));
    const first = here.worker();
    await up(first);
    await here.slack.slash(question).ended;
    await here.probing(1);
    const second = here.worker();
    await up(second);
    expect((await first.stop('SIGKILL')).signal).toBe('SIGKILL');
    await here.slack.awaitMessage(isAnswer, 45_000);
    await here.recorded(1);
    const answer = expectOneAnswer(here);
    await ended(here, answer.threadTs ?? '');
    expectWholeRun(answer);
    // The second one did it, and did it from the beginning.
    await here.probing(2);
  });

  it('by SIGKILL as the only one: a worker that is started later answers, exactly once', async () => {
    const here = await world(hangFirst);
    await up(here.bot('--no-worker'));
    const first = here.worker();
    await up(first);
    await here.slack.slash(question).ended;
    await here.probing(1);
    await first.stop('SIGKILL');
    expect(here.answers()).toEqual([]);
    await up(here.worker());
    await here.slack.awaitMessage(isAnswer, 45_000);
    await here.recorded(1);
    expectOneAnswer(here);
  });

  it('by SIGKILL after Slack took its answer and before it knew: the answer is found, not posted again', async () => {
    const here = await world();
    await up(here.bot('--no-worker'));
    const first = here.worker();
    await up(first);
    await here.slack.slash(question).ended;
    await here.slack.awaitMessage(({ user }) => user === here.slack.world.botUserId);
    here.slack.fail('chat.postMessage', { kind: 'silence', afterAccepting: true });
    await here.slack.awaitMessage(isAnswer, 30_000);
    await first.stop('SIGKILL');
    await up(here.worker());
    await here.recorded(1);
    const answer = expectOneAnswer(here);
    await ended(here, answer.threadTs ?? '');
  });

  it('while others had joined its run: the answer mentions everybody, and the run is remembered once', async () => {
    const here = await world(hangFirst);
    await up(here.bot('--no-worker'));
    const first = here.worker();
    await up(first);
    await here.slack.slash(question).ended;
    await here.probing(1);
    await here.slack.slash(question, { user: 'U0BEN' }).ended;
    const { onlyFor } = await here.slack.awaitChange(({ message }) => message.text.includes('being looked at'));
    expect(onlyFor).toBe('U0BEN');
    await first.stop('SIGKILL');
    await up(here.worker());
    const answer = await here.slack.awaitMessage(isAnswer, 45_000);
    await here.recorded(1);
    expect(answer.pings).toEqual(['<@U0ANNA>', '<@U0BEN>']);
    expect(here.answers()).toHaveLength(1);
    await here.redis.until(
      (client) => client.zcard('{netcheck}:history:ended'),
      (runs) => runs === 1,
    );
  });

  it('by SIGTERM: it hands the run back, and the other one answers without waiting for a lock to run out', async () => {
    const here = await world(hangFirst);
    await up(here.bot('--no-worker'));
    const first = here.worker();
    await up(first);
    await here.slack.slash(question).ended;
    await here.probing(1);
    await up(here.worker());
    const { status, stderr } = await first.stop('SIGTERM');
    expect(status).toBe(0);
    expect(stderr).not.toMatch(/our own fault|\n\s+at /);
    await here.slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    expectWholeRun(expectOneAnswer(here));
    await here.probing(2);
  });

  it('with the bot, by SIGTERM: a bot that is started later answers', async () => {
    const here = await world(hangFirst);
    const first = here.bot();
    await up(first);
    await here.slack.slash(question).ended;
    await here.probing(1);
    expect((await first.stop('SIGTERM')).status).toBe(0);
    expect(here.answers()).toEqual([]);
    await up(here.bot());
    await here.slack.awaitMessage(isAnswer, 30_000);
    await here.recorded(1);
    expectWholeRun(expectOneAnswer(here));
    await here.probing(2);
  });
});

describe.skipIf(missing !== undefined).concurrent(`Cancel${because}`, () => {
  it('reaches a worker in another process: the run ends, the thread says who, and there is no answer', async () => {
    const here = await world(() => 'hang');
    await up(here.bot('--no-worker'));
    await up(here.worker());
    await here.slack.slash(question).ended;
    const root = await here.slack.awaitMessage(({ user }) => user === here.slack.world.botUserId);
    await here.probing(1);
    expect(await here.slack.click(cancelAction, root, { user: 'U0BEN' }).ended).toBe('acked');
    await here.recorded(1);
    await here.slack.awaitChange(
      ({ message }) =>
        message.ts === root.ts && blocksOf(message).includes('Cancelled') && blocksOf(message).includes('U0BEN'),
    );
    expect(here.answers()).toEqual([]);
    expect(here.slack.thread(root.ts)).toHaveLength(1);
  });
});

describe.skipIf(missing !== undefined).concurrent(`Slack in trouble${because}`, () => {
  it('429, 500, a cut, and a time-out after accepting: exactly one answer each', async () => {
    const here = await world();
    const troubles = {
      C0LIMITED: { kind: 'rateLimit', retryAfterS: 1 },
      C0BROKEN: { kind: 'http', status: 500 },
      C0TAKEN: { kind: 'http', status: 503, afterAccepting: true },
      C0CUT: { kind: 'reset', afterAccepting: true },
      C0SILENT: { kind: 'silence', afterAccepting: true },
    } as const satisfies Record<string, Trouble>;
    for (const id of Object.keys(troubles))
      here.slack.world.channels.set(id, { id, name: id, isPrivate: false, isArchived: false, hasBot: true });
    await up(here.bot());
    for (const [channel, trouble] of Object.entries(troubles)) {
      await here.slack.slash(question, { channel }).ended;
      await here.slack.awaitMessage((message) => message.channel === channel);
      here.slack.fail('chat.postMessage', trouble, { channel });
    }
    await here.recorded(5);
    for (const channel of Object.keys(troubles)) {
      const [root, answer, ...more] = here.slack.world.messages(channel).filter(({ files }) => files.length === 0);
      expect(more, channel).toEqual([]);
      expect(answer?.threadTs, channel).toBe(root?.ts);
      expect(answer && isAnswer(answer), channel).toBe(true);
      const posts = here.slack.world.calls.filter(
        ({ method, args }) => method === 'chat.postMessage' && args['channel'] === channel,
      );
      // The trouble was met: Slack answered something else than ok to the answer's first post.
      expect(posts[1]?.answered, channel).not.toBe('ok');
    }
  });

  it('invalid_auth at the start: bot and worker end with status 70 and say what to do', async () => {
    const here = await world();
    here.slack.world.deadToken = { bot: 'invalid_auth' };
    for (const running of [here.bot(), here.worker()]) {
      const { status, stdout, stderr } = await running.finished;
      expect([status, stdout]).toEqual([70, '']);
      expect(stderr).toMatch(
        /netcheck: Slack does not accept the bot token any more\. \(invalid_auth\)\n.*SLACK_BOT_TOKEN/,
      );
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(stderr).not.toContain(here.slack.botToken);
    }
  });

  it('token_revoked in the middle of a run: ends with 70, and the run is answered once the token is good again', async () => {
    const here = await world((count) => {
      if (count === 1) here.slack.world.deadToken = { bot: 'token_revoked' };
    });
    const first = here.bot();
    await up(first);
    await here.slack.slash(question).ended;
    const { status, stderr } = await first.finished;
    expect(status).toBe(70);
    expect(stderr).toMatch(/does not accept the bot token any more\. \(token_revoked\)/);
    here.slack.world.deadToken = {};
    await up(here.bot());
    await here.slack.awaitMessage(isAnswer, 45_000);
    await here.recorded(1);
    expectOneAnswer(here);
  });
});
