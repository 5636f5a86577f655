import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectQueue } from '../../../src/adapters/queue/connect-queue.ts';
import { recheckAction } from '../../../src/adapters/slack/status-message.ts';
import { type BuiltNetcheck, buildNetcheck } from '../../commands/built-netcheck.ts';
import { type BotWorld, isAnswer, startBotWorld } from './bot-world.ts';
import { whyNoRedis } from './loopback-redis.ts';

/** Runs that Redis or a process has lost, with real bots: their threads hear of it, once. */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;
const question = 'node-50 port 22 from node-12';

let netcheck: BuiltNetcheck;
const cleanUp: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  netcheck = await buildNetcheck();
});
afterAll(async () => {
  await netcheck.remove();
  await Promise.all(cleanUp.map((end) => end()));
});
async function world(): Promise<BotWorld> {
  const here = await startBotWorld(netcheck);
  cleanUp.push(() => here.close());
  return here;
}
const queued = (here: BotWorld) =>
  here.redis.until(
    (client) => client.llen('{netcheck}:runs:wait'),
    (waiting) => waiting === 1,
  );

describe.skipIf(missing !== undefined).concurrent(`runs that were lost${because}`, () => {
  it('by a Redis that comes back empty: the thread says so once, and Re-check works', {
    timeout: 150_000,
  }, async () => {
    const here = await world();
    const bot = here.bot('--no-worker');
    await bot.says('without a worker');
    await here.slack.slash(question).ended;
    const root = await here.slack.awaitMessage(({ user }) => user === here.slack.world.botUserId);
    await queued(here);
    await here.redis.until(
      (client) => client.flushall(),
      () => true,
    );
    await here.redis.kill();
    await here.redis.start();
    await bot.says('is back (');
    const answer = await here.slack.awaitMessage(isAnswer, 90_000);
    expect(answer.threadTs).toBe(root.ts);
    expect(answer.text).toContain('This run was lost: the queue (Redis) does not know it any more');
    await here.slack.click(recheckAction, answer).ended;
    await here.worker().says('worker started');
    await here.slack.awaitMessage((message) => isAnswer(message) && message.ts !== answer.ts, 60_000);
    await here.recorded(1);
    expect(here.answers().map(({ threadTs }) => threadTs)).toEqual([root.ts, root.ts]);
  });

  it('between being noted and being queued: a bot that starts later tells its thread, once', {
    timeout: 150_000,
  }, async () => {
    const here = await world();
    const { ts } = here.slack.world.say('U0ANNA', 'C0INCIDENT', question);
    const adapter = await connectQueue({ redisUrl: here.redis.url, dataDir: '' });
    await adapter.queue.submit({
      id: 's0123456789abcdef',
      text: question,
      language: 'en',
      askedBy: 'U0ANNA',
      askedAtMs: Date.now(),
      thread: { channel: 'C0INCIDENT', rootTs: ts, statusTs: ts },
    });
    await adapter.close();
    await here.redis.until(
      (client) => client.del('{netcheck}:runs:s0123456789abcdef', '{netcheck}:runs:wait'),
      () => true,
    );
    await here.bot('--no-worker').says('listening to');
    const answer = await here.slack.awaitMessage(isAnswer, 90_000);
    expect(answer.threadTs).toBe(ts);
    await here.redis.until(
      (client) => client.zcard('{netcheck}:open'),
      (open) => open === 0,
    );
    expect(here.answers()).toHaveLength(1);
  });
});
