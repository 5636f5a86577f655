import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { cancelAction } from '../../src/adapters/slack/status-message.ts';
import { AuditRecord } from '../../src/model/audit-log-record.ts';
import type { Running } from '../commands/built-netcheck.ts';
import { type BotWorld, isAnswer } from '../contracts/real/bot-world.ts';
import type { FakeMessage } from '../fakes/slack/fake-slack.ts';
import type { FaultSchedule, PlannedFault, PlannedQuestion } from './fault-schedule.ts';

/** The processes of a world, which faults end and bring back. */
export interface Crew {
  bot: Running;
  worker: Running;
}

/** A question as it went: `delivered` is what Slack showed to the person. */
interface AskedQuestion extends PlannedQuestion {
  readonly user: string;
  readonly delivered: 'acked' | 'dispatch_failed' | 'operation_timeout';
}

/** After the last fault everything is well again; by then every question must have its one end. */
const settleMs = 150_000;

/**
 * Plays one schedule in a world that is well, and looks whether anything is broken after it.
 * @returns what is wrong, one sentence each; the crew is well again where it is empty
 */
export async function runSchedule(here: BotWorld, crew: Crew, schedule: FaultSchedule): Promise<readonly string[]> {
  const began = performance.now();
  const at = (ms: number): Promise<void> => pause(Math.max(0, began + ms - performance.now()));
  const asking = schedule.questions.map(async (question): Promise<AskedQuestion> => {
    await at(question.atMs);
    return ask(here, question);
  });
  const faults = schedule.faults.map(async (fault) => {
    await at(fault.atMs);
    await inflict(here, crew, fault);
  });
  await Promise.all(faults);
  const asked = await Promise.all(asking);
  await well(here, crew);
  const until = performance.now() + settleMs;
  let wrong = await problems(here, asked);
  while (wrong.length > 0 && performance.now() < until && !wrong.some(isFinal)) {
    await pause(250);
    wrong = await problems(here, asked);
  }
  return wrong;
}

/** No waiting makes it better. */
const isFinal = (problem: string): boolean => problem.includes('answers');

async function ask({ slack }: BotWorld, question: PlannedQuestion): Promise<AskedQuestion> {
  const user = `U0Q${question.port}`;
  slack.world.users.set(user, user.toLowerCase());
  const text = `node-50 port ${question.port} from node-12`;
  const delivery =
    question.how === 'slash'
      ? slack.slash(text, { user })
      : slack.mention(`<@${slack.world.botUserId}> ${text}`, { user });
  return { ...question, user, delivered: await delivery.ended };
}

async function inflict(here: BotWorld, crew: Crew, fault: PlannedFault): Promise<void> {
  const { redis, slack } = here;
  switch (fault.kind) {
    case 'killBot':
    case 'killWorker': {
      const who = fault.kind === 'killBot' ? 'bot' : 'worker';
      await crew[who].stop(fault.signal);
      await pause(fault.backAfterMs);
      // two faults may have ended it: one brings it back
      if (hasEnded(crew[who])) crew[who] = who === 'bot' ? here.bot('--no-worker') : here.worker();
      return;
    }
    case 'pauseWorker': {
      const { child } = crew.worker;
      child.kill('SIGSTOP');
      await pause(fault.forMs);
      child.kill('SIGCONT');
      return;
    }
    case 'killRedis':
      await redis.kill();
      await pause(fault.backAfterMs);
      await redis.start();
      return;
    case 'freezeRedis':
      redis.freeze();
      await pause(fault.forMs);
      redis.thaw();
      return;
    case 'cutSsh':
      here.cutSsh();
      return;
    case 'cutSlack':
      slack.cutConnections();
      return;
    case 'slack':
      slack.fail(fault.method, fault.trouble, { times: fault.times });
  }
}

const hasEnded = ({ child }: Running): boolean => child.exitCode !== null || child.signalCode !== null;

/** Everything runs again: what ended of itself (Redis was away when it started) is started again, as a supervisor does. */
async function well(here: BotWorld, crew: Crew): Promise<void> {
  here.redis.thaw();
  await here.redis.until(
    (client) => client.ping().catch(() => ''),
    (answer) => answer === 'PONG',
  );
  for (const who of ['bot', 'worker'] as const) {
    crew[who].child.kill('SIGCONT');
    for (let tries = 0; tries < 5; tries += 1) {
      if (hasEnded(crew[who])) crew[who] = who === 'bot' ? here.bot('--no-worker') : here.worker();
      const isUp = await crew[who].says(/listening to|worker started/).then(
        () => true,
        () => false,
      );
      if (isUp) break;
    }
  }
}

const textOf = ({ text, blocks }: FakeMessage): string => text + JSON.stringify(blocks);

async function problems(here: BotWorld, asked: readonly AskedQuestion[]): Promise<readonly string[]> {
  const messages = here.slack.world.messages().filter(({ user }) => user === here.slack.world.botUserId);
  const wrong = asked.flatMap((question) => {
    const mine = messages.filter((message) => textOf(message).includes(`port ${question.port} `));
    const answers = mine.filter(isAnswer);
    const told = here.slack
      .history()
      .some(({ what, onlyFor }) => (what === 'ephemeral' || what === 'responded') && onlyFor === question.user);
    const status = mine.filter((message) => !isAnswer(message));
    const refused = status.some((message) => /Not started|was lost/.test(textOf(message)));
    const name = `port ${question.port} (${question.how}, ${question.delivered})`;
    if (answers.length > 1) return [`${name}: ${answers.length} answers`];
    if (status.some((message) => textOf(message).includes(cancelAction)))
      return [`${name}: its status still says that it goes on`];
    if (answers.length === 1 || refused || told) return [];
    // Slack itself has told the person that nothing came of it.
    if (question.delivered !== 'acked' && question.how === 'slash' && status.length === 0) return [];
    return [`${name}: nothing came of it (${status.length} messages)`];
  });
  return wrong.length > 0 ? wrong : [...(await leftovers(here)), ...openInLog(here)];
}

/** What a run leaves behind in Redis, and commands that still run on a node. */
async function leftovers({ redis }: BotWorld): Promise<readonly string[]> {
  let counts: readonly (readonly [string, number])[] = [];
  await redis.until(
    async (client) => {
      const slots = await client.keys('{netcheck}:slots:*:holders');
      const held = await Promise.all(slots.map((key) => client.zcard(key)));
      counts = [
        ['open runs', await client.zcard('{netcheck}:open')],
        ['active jobs', await client.llen('{netcheck}:runs:active')],
        ['waiting jobs', await client.llen('{netcheck}:runs:wait')],
        ['held node slots', held.reduce((sum, one) => sum + one, 0)],
      ];
      return true;
    },
    () => true,
  );
  const commands = commandsOf(process.pid);
  return [
    ...counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what} are left in Redis`),
    ...(commands.length > 0 ? [`still running on the node: ${commands.join(', ')}`] : []),
  ];
}

/** Commands that the nodes of the test process run: its children that are neither netcheck nor Redis. */
function commandsOf(pid: number): readonly string[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean);
    } catch {
      return [];
    }
  });
  return children.flatMap((child) => {
    try {
      const line = readFileSync(`/proc/${child}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return /cli\.js|redis-server|esbuild|^$/.test(line) ? [] : [line.slice(0, 80)];
    } catch {
      return [];
    }
  });
}

/** Runs that began and never ended, in the audit log; lines that cannot be read. */
function openInLog({ folder }: BotWorld): readonly string[] {
  const open = new Set<string>();
  let text = '';
  try {
    text = readFileSync(`${folder}/.netcheck/audit.ndjson`, 'utf8');
  } catch {
    return [];
  }
  const broken: string[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const read = AuditRecord.safeParse(jsonOf(line));
    if (!read.success) broken.push(`a line of the audit log cannot be read: ${line.slice(0, 100)}`);
    else if (read.data.event === 'started') open.add(read.data.run);
    else if (read.data.event === 'ended') open.delete(read.data.run);
  }
  return [...broken, ...[...open].map((run) => `run ${run} never ended in the audit log`)];
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
