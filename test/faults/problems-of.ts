import { readdirSync, readFileSync } from 'node:fs';
import { cancelAction } from '../../src/adapters/slack/status-message.ts';
import { AuditRecord } from '../../src/model/audit-log-record.ts';
import { isAnswer } from '../contracts/real/bot-world.ts';
import type { FakeMessage } from '../fakes/slack/fake-slack.ts';
import type { PlannedQuestion } from './fault-schedule.ts';
import type { FaultWorld } from './fault-world.ts';

/** A question as it went: `delivered` is what Slack showed to the person. */
export interface AskedQuestion extends PlannedQuestion {
  readonly user: string;
  readonly delivered: 'acked' | 'dispatch_failed' | 'operation_timeout';
}

/** What a world holds while nobody asks anything. */
export interface Baseline {
  readonly redisClients: number;
  readonly botFiles: number;
  readonly workerFiles: number;
}

/** Connections that are kept for the next request (Slack's Web API), and files that are being read. */
const spareFiles = 16;

export async function baselineOf(here: FaultWorld): Promise<Baseline> {
  return {
    redisClients: await redisClients(here),
    botFiles: openFiles(here.crew.bot.pid),
    workerFiles: openFiles(here.crew.worker.pid),
  };
}

/**
 * What is wrong now, one sentence each.
 *
 * @param mayTear whether the disk was full: then the beginning of a line may stand in the audit log, before its whole
 */
export async function problemsOf(
  here: FaultWorld,
  baseline: Baseline,
  asked: readonly AskedQuestion[],
  mayTear: boolean,
): Promise<readonly string[]> {
  const wrong = asked.flatMap((question) => problemsInSlack(here, question));
  if (wrong.length > 0) return wrong;
  const { botFiles, workerFiles } = baseline;
  const [bot, worker] = [openFiles(here.crew.bot.pid), openFiles(here.crew.worker.pid)];
  return [
    ...(await leftInRedis(here, baseline)),
    ...(await here.leftOnNode()),
    ...here.links.flatMap((link) => (link.open() === 0 ? [] : [`${link.open()} SSH connections are open`])),
    ...(here.slack.connections() === 1 ? [] : [`${here.slack.connections()} connections to Slack`]),
    ...(bot > botFiles + spareFiles ? [`the bot has ${bot} files open, ${botFiles} before`] : []),
    ...(worker > workerFiles + spareFiles ? [`the worker has ${worker} files open, ${workerFiles} before`] : []),
    ...openInLog(here, asked, mayTear),
  ];
}

const textOf = ({ text, blocks }: FakeMessage): string => text + JSON.stringify(blocks);

function problemsInSlack({ slack }: FaultWorld, question: AskedQuestion): readonly string[] {
  const messages = slack.world.messages().filter(({ user }) => user === slack.world.botUserId);
  const mine = messages.filter((message) => textOf(message).includes(`port ${question.port} `));
  const answers = mine.filter(isAnswer);
  const told = slack
    .history()
    .some(({ what, onlyFor }) => (what === 'ephemeral' || what === 'responded') && onlyFor === question.user);
  const status = mine.filter((message) => !isAnswer(message) && message.files.length === 0);
  const refused = status.some((message) => /Not started|was lost/.test(textOf(message)));
  const name = `port ${question.port} (${question.how}, ${question.delivered})`;
  if (answers.length > 1) return [`${name}: ${answers.length} answers`];
  if (status.some((message) => textOf(message).includes(cancelAction)))
    return [`${name}: its status still says that it goes on`];
  if (answers.length === 1 || refused || told) return [];
  // Slack itself has told the person that nothing came of it.
  if (question.delivered !== 'acked' && question.how === 'slash' && status.length === 0) return [];
  return [`${name}: nothing came of it (${status.length} messages)`];
}

/** Of netcheck's processes, whatever they are for. */
async function redisClients({ redis }: FaultWorld): Promise<number> {
  const list = await redis.until(
    async (client) => String(await client.client('LIST')),
    () => true,
  );
  return list.split('\n').filter((line) => line.includes(' name=netcheck-')).length;
}

/** What a run leaves behind in Redis. */
async function leftInRedis(here: FaultWorld, { redisClients: usual }: Baseline): Promise<readonly string[]> {
  let counts: readonly (readonly [string, number])[] = [];
  await here.redis.until(
    async (client) => {
      const sum = async (pattern: string): Promise<number> => {
        const keys = await client.keys(pattern);
        const sizes = await Promise.all(keys.map((key) => client.zcard(key)));
        return sizes.reduce((all, one) => all + one, 0);
      };
      counts = [
        ['open runs', await client.zcard('{netcheck}:open')],
        ['requests of open runs', await client.hlen('{netcheck}:open-requests')],
        ['active jobs', await client.llen('{netcheck}:runs:active')],
        ['waiting jobs', await client.llen('{netcheck}:runs:wait')],
        ['prioritized jobs', await client.zcard('{netcheck}:runs:prioritized')],
        ['delayed jobs', await client.zcard('{netcheck}:runs:delayed')],
        ['held node slots', await sum('{netcheck}:slots:*:holders')],
        ['waiters for node slots', await sum('{netcheck}:slots:*:waiting')],
      ];
      return true;
    },
    () => true,
  );
  const clients = await redisClients(here);
  return [
    ...counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what} are left in Redis`),
    ...(clients > usual ? [`${clients} connections to Redis, ${usual} before`] : []),
  ];
}

/** 0 where the process is gone. */
function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Runs that began and never ended, or ended without a beginning, in the audit log; lines that cannot be read. */
function openInLog(
  { auditLog, slack }: FaultWorld,
  asked: readonly AskedQuestion[],
  mayTear: boolean,
): readonly string[] {
  let text = '';
  try {
    text = readFileSync(auditLog, 'utf8');
  } catch {
    return [];
  }
  const open = new Map<string, string>();
  const ended = new Set<string>();
  const broken: string[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const read = AuditRecord.safeParse(jsonOf(line));
    if (!read.success && mayTear) continue;
    if (!read.success) broken.push(`a line of the audit log cannot be read: ${line.slice(0, 100)}`);
    else if (read.data.event === 'started') open.set(read.data.run, read.data.text);
    else if (read.data.event === 'ended') {
      open.delete(read.data.run);
      ended.add(read.data.text);
    }
  }
  const answered = slack.world.messages().filter(isAnswer);
  const missing = asked.filter(
    ({ port }) =>
      answered.some((message) => textOf(message).includes(`port ${port} `)) &&
      ![...ended].some((question) => question.includes(`port ${port} `)),
  );
  return [
    ...broken,
    ...[...open.keys()].map((run) => `run ${run} never ended in the audit log`),
    ...missing.map(({ port }) => `the answer about port ${port} is not in the audit log`),
  ];
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
