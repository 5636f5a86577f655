import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltNetcheck, buildNetcheck } from '../../commands/built-netcheck.ts';
import { eventually } from '../../fakes/queue.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { startSshNode, writeConfig } from '../../fakes/ssh-node.ts';
import { type LoopbackRedis, startLoopbackRedis, whyNoRedis } from './loopback-redis.ts';
import { freePort } from './loopback-sshd.ts';

/** Who may, what was written down, and what the clock does: a real bot, a real Redis, a practice Slack, an SSH node. */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

let netcheck: BuiltNetcheck;
let service: Server;
let slack: FakeSlack;
let redis: LoopbackRedis;
let folder: string;
let question: string;
let hangs = false;
let probes = 0;
const env: Record<string, string> = {};
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  service = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = service.address();
  question = `node-50 port ${typeof address === 'object' && address !== null ? address.port : 0} from node-12`;
  netcheck = await buildNetcheck();
  slack = await startFakeSlack();
  slack.world.userGroups.push({ id: 'S0SRE', handle: 'sre-oncall', users: ['U0ANNA'] });
  redis = await startLoopbackRedis();
  const node = await startSshNode((command) => {
    if (!command.includes('/dev/tcp')) return undefined;
    probes += 1;
    return hangs ? { hangs: true } : undefined;
  });
  folder = await writeConfig(
    { 'node-50': { server: node }, 'node-12': { server: node } },
    {
      defaults: { budget: { wall: '30s', window: '2s' } },
      slack: { httpPort: await freePort() },
      access: [{ groups: ['@sre-oncall'], channels: ['C0INCIDENT'] }, { users: ['schedule:*'] }],
      schedules: [{ name: 'yearly', cron: '0 6 1 1 *', ask: question, channel: 'C0INCIDENT', summary: 'none' }],
    },
  );
  Object.assign(env, {
    REDIS_URL: redis.url,
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_APP_TOKEN: slack.appToken,
    SLACK_API_URL: slack.url,
  });
  cleanUp.push(
    () => slack.close(),
    () => redis.stop(),
    () => node.stop(),
    () => rm(folder, { recursive: true, force: true }),
  );
});
afterAll(async () => {
  await netcheck.remove();
  await Promise.all(cleanUp.map((end) => end()));
  service.close();
});

const isAnswer = (message: FakeMessage): boolean => message.metadata?.['event_type'] === 'netcheck_answer';
async function lines(...args: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await netcheck.run(['log', '--json', ...args], { cwd: folder });
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
const events = (records: readonly Record<string, unknown>[]): readonly unknown[] => records.map(({ event }) => event);

describe.skipIf(missing !== undefined)(`access, audit log and schedules of a real bot${because}`, () => {
  it('refuses who is not in the group, answers who is, and has both in the log with every command', async () => {
    const bot = netcheck.start(['bot'], { cwd: folder, env, withinMs: 120_000 });
    await bot.says('listening to');
    await slack.slash(question, { user: 'U0BEN' }).ended;
    const refusal = await slack.awaitChange(({ onlyFor }) => onlyFor === 'U0BEN');
    expect(refusal.message.text).toContain('sre-oncall');
    expect(refusal.message.text).not.toContain('node-12');
    await slack.slash(question).ended;
    await slack.awaitMessage(isAnswer, 40_000);
    expect(await lines('--user', 'U0BEN')).toMatchObject([{ event: 'refused', action: 'ask', text: question }]);
    const [started] = await lines('--user', 'U0ANNA');
    expect(started).toMatchObject({ event: 'started', channel: 'C0INCIDENT', text: question });
    const run = String(started?.['run']);
    const all = await lines('--run', run);
    expect([events(all)[0], events(all).at(-1)]).toEqual(['started', 'ended']);
    const commands = all.flatMap((one) => (one['event'] === 'ran' ? (one['commands'] as { argv: string[] }[]) : []));
    expect(commands.length).toBeGreaterThan(20);
    const table = await netcheck.run(['log', '--run', run], { cwd: folder });
    expect(table.stdout).toContain(question.split(' ')[0]);
    expect(table.stdout).toContain('/proc/net');
    await bot.stop();
  });

  it('a worker that is killed leaves a beginning without an end; the one after it a second beginning and the end', async () => {
    hangs = true;
    probes = 0;
    const first = netcheck.start(['bot'], { cwd: folder, env, withinMs: 120_000 });
    await first.says('listening to');
    await slack.slash(question).ended;
    await eventually(() => probes > 0);
    const begun = (await lines('--user', 'U0ANNA')).findLast(({ event }) => event === 'started');
    await first.stop('SIGKILL');
    const run = String(begun?.['run']);
    expect(events(await lines('--run', run))).not.toContain('ended');
    expect((await netcheck.run(['log', '--run', run], { cwd: folder })).stdout).toContain('no end');
    hangs = false;
    const second = netcheck.start(['bot'], { cwd: folder, env, withinMs: 120_000 });
    await eventually(async () => events(await lines('--run', run)).includes('ended'));
    const after = (await lines('--run', run)).filter(({ event }) => event === 'started');
    expect(after.map(({ attempt }) => attempt)).toEqual([undefined, 2]);
    await second.stop();
  });

  it('a schedule looks when it is due and posts once, whichever bot takes it', async () => {
    const bots = [0, 1].map((n) =>
      netcheck.start(n === 0 ? ['bot'] : ['worker'], { cwd: folder, env, withinMs: 120_000 }),
    );
    await Promise.all(bots.map((bot) => bot.says(/listening to|worker started/)));
    const client = new Redis({ path: redis.url.replace('unix:', ''), maxRetriesPerRequest: null });
    const queue = new Queue('schedules', { connection: client, prefix: '{netcheck}' });
    const fire = async (): Promise<void> => {
      const next = (await queue.getJobScheduler('yearly'))?.next;
      const id = `repeat:yearly:${String(next)}`;
      await (await queue.getJob(id))?.promote();
      await eventually(async () => (await queue.getJob(id))?.isCompleted() ?? false);
    };
    try {
      await fire();
      await fire();
    } finally {
      await queue.close();
      client.disconnect();
    }
    const posts = slack.world.messages().filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_schedule');
    expect(posts.map(({ text }) => text)).toEqual([expect.stringContaining('yearly: first look')]);
    const scheduled = await lines('--user', 'schedule:yearly');
    expect(events(scheduled)).toEqual(['started', 'ended', 'started', 'ended']);
    await Promise.all(bots.map((bot) => bot.stop()));
  });
});
