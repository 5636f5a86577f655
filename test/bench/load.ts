import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { AuditRecord } from '../../src/model/audit-log-record.ts';
import { netcheckAt, peakMemoryBytes, type Running } from '../commands/built-netcheck.ts';
import { isAnswer } from '../contracts/real/bot-world.ts';
import { startLoopbackRedis } from '../contracts/real/loopback-redis.ts';
import { randomOf } from '../faults/fault-schedule.ts';
import { type FakeMessage, startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { type LoadFigures, loadPage } from './load-page.ts';
import { startSshdFleet } from './sshd-fleet.ts';

/**
 * Many questions at once, then few for long, over fifty nodes with a real sshd each, a real Redis, real bot and worker
 * processes, and a practice Slack that keeps Slack's limits:
 *
 *     npm run bench:load [-- --minutes N] [--questions N] [--workers N] [--doc]
 *
 * Two channels are noisy: most questions come from them, and Slack takes about one message per second and channel.
 * `--minutes`: how long the quiet part lasts (30 for the figures of docs/load.md). `--doc` writes docs/load.md. Exits
 * with 1 where a target is missed.
 */
const targets = { ackP99Ms: 1000, perNode: 2, growthMib: 24 } as const;
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    questions: { type: 'string', default: '200' },
    workers: { type: 'string', default: '2' },
    nodes: { type: 'string', default: '50' },
    doc: { type: 'boolean', default: false },
  },
});
const [soakMs, burst, workers, nodeCount] = [
  Number(values.minutes) * 60_000,
  Number(values.questions),
  Number(values.workers),
  Number(values.nodes),
];
const burstMs = 60_000;
const soakEveryMs = 5000;
const sampleEveryMs = 2000;
const noisy = ['C0NOISYA', 'C0NOISYB'] as const;
const quiet = Array.from({ length: 8 }, (_none, index) => `C0QUIET${index}`);
const root = path.join(import.meta.dirname, '../..');
const random = randomOf(1);
const oneOf = <T>(list: readonly T[]): T => {
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new Error('nothing to choose from');
  return one;
};

interface Question {
  readonly port: number;
  readonly channel: string;
  readonly askedAtMs: number;
  readonly ackMs: number;
  readonly how: string;
}

// In the lab's own mount namespace: logins neither run the start-up files of the machine's accounts nor leave anything there.
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', homedir()]);
const directory = mkdtempSync('/run/netcheck-lab/load-');
const fleet = await startSshdFleet(directory, nodeCount);
const redis = await startLoopbackRedis();
const slack = await startFakeSlack({
  channels: [...noisy, ...quiet].map((id) => ({ id, name: id.toLowerCase(), hasBot: true })),
});
writeFileSync(
  path.join(directory, 'netcheck.yaml'),
  JSON.stringify({
    nodes: Object.fromEntries(fleet.nodes.map(({ name, address }) => [name, { address }])),
    ssh: { agent: false, user: 'root', identity: fleet.identityFile, knownHosts: fleet.knownHostsFile },
    defaults: { budget: { window: '2s' } },
    workers: { runsPerNode: targets.perNode },
    slack: { httpPort: 21_001 },
  }),
);
const netcheck = netcheckAt(path.join(root, 'dist/cli.js'));
const env = {
  REDIS_URL: redis.url,
  SLACK_BOT_TOKEN: slack.botToken,
  SLACK_APP_TOKEN: slack.appToken,
  SLACK_API_URL: slack.url,
};
const start = (...args: readonly string[]): Running =>
  netcheck.start(args, { cwd: directory, env, withinMs: 24 * 3_600_000 });
const processes = [start('bot', '--no-worker'), ...Array.from({ length: workers }, () => start('worker'))];
await Promise.all(processes.map((one) => one.says(/listening to|worker started/)));

const questions: Promise<Question>[] = [];
let nextPort = 30_001;
function ask(channel: string): void {
  const port = nextPort++;
  const target = oneOf(fleet.nodes);
  const from = oneOf(fleet.nodes.filter((node) => node !== target));
  const askedAtMs = performance.now();
  const { ended } = slack.slash(`${target.name} port ${port} from ${from.name}`, { channel, user: `U0${port}` });
  questions.push(ended.then((how) => ({ port, channel, askedAtMs, ackMs: performance.now() - askedAtMs, how })));
}

/** Resident memory of each process, bytes, by time. */
const samples: { readonly atMs: number; readonly bytes: readonly number[] }[] = [];
let sampledPerNode = 0;
const answeredAt = new Map<number, number>();
slack.onChange(({ what, message }) => {
  const port = what === 'posted' && isAnswer(message) ? portOf(message) : undefined;
  if (port !== undefined) answeredAt.set(port, performance.now());
});
const portOf = (message: FakeMessage): number | undefined => {
  const found = /port (\d+) from/.exec(message.text + JSON.stringify(message.blocks))?.[1];
  return found === undefined ? undefined : Number(found);
};
const redisBytes = async (): Promise<number> =>
  redis.until(
    async (client) => Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]),
    () => true,
  );
const holdersAtMost = (): Promise<number> =>
  redis.until(
    async (client) => {
      const keys = await client.keys('{netcheck}:slots:*:holders');
      return Math.max(0, ...(await Promise.all(keys.map((key) => client.zcard(key)))));
    },
    () => true,
  );

const over = new AbortController();
const sampling = (async () => {
  while (!over.signal.aborted) {
    samples.push({ atMs: performance.now(), bytes: processes.map(({ pid }) => residentBytes(pid)) });
    sampledPerNode = Math.max(sampledPerNode, await holdersAtMost());
    await pause(sampleEveryMs, undefined, { signal: over.signal }).catch(() => undefined);
  }
})();

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const redisBefore = await redisBytes();
const cpuBefore = { ours: processes.map(({ pid }) => cpuSecOf(pid)), nodes: await fleet.cpuSec() };
const began = performance.now();
say(`${burst} questions in ${burstMs / 1000} s over ${nodeCount} nodes, ${workers} workers`);
for (let index = 0; index < burst; index += 1) {
  await pause(Math.max(0, began + (index * burstMs) / burst - performance.now()));
  ask(random() < 0.6 ? oneOf(noisy) : oneOf(quiet));
}
const ofBurst = await Promise.all(questions);
await allAnswered();
const burstTookMs = performance.now() - began;
const redisAfterBurst = await redisBytes();
say(
  `answered ${(burstTookMs / 1000).toFixed(1)} s after the first; now one every ${soakEveryMs / 1000} s for ${values.minutes} min`,
);
const soakBegan = performance.now();
while (performance.now() - soakBegan < soakMs) {
  ask(oneOf([...noisy, ...quiet]));
  await pause(soakEveryMs);
}
const all = await Promise.all(questions);
await allAnswered();
over.abort();
await sampling;
const redisAfter = await redisBytes();
const peaks = processes.map(({ pid }) => peakMemoryBytes(pid));
const cpuOurs = processes.map(({ pid }, index) => cpuSecOf(pid) - (cpuBefore.ours[index] ?? 0));
const cpuNodes = (await fleet.cpuSec()) - cpuBefore.nodes;
const log = auditLog();
await Promise.all(processes.map((one) => one.stop()));
await Promise.all([slack.close(), redis.stop(), fleet.stop()]);
rmSync(directory, { recursive: true, force: true });

const waits = (list: readonly Question[], channels: readonly string[]): number[] =>
  list.flatMap(({ port, channel, askedAtMs }) => {
    const at = answeredAt.get(port);
    return at === undefined || !channels.includes(channel) ? [] : [at - askedAtMs];
  });
const twice = answersPerPort().filter((count) => count > 1).length;
const soaking = samples.filter(({ atMs }) => atMs > soakBegan + soakMs * 0.1);
const third = Math.max(1, Math.floor(soaking.length / 3));
const growthMib = processes.map((_process, index) => {
  const of = (part: typeof soaking): number =>
    quantile(
      part.map(({ bytes }) => bytes[index] ?? 0),
      0.5,
    );
  return mib(of(soaking.slice(-third)) - of(soaking.slice(0, third)));
});
const figures: LoadFigures = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
  questions: burst,
  burstSec: burstMs / 1000,
  nodes: nodeCount,
  workers,
  soakMin: Number(values.minutes),
  soakEverySec: soakEveryMs / 1000,
  all: all.length,
  unacked: all.filter(({ how }) => how !== 'acked').length,
  unanswered: all.length - answeredAt.size,
  twice,
  ackMs: {
    median: Math.round(
      quantile(
        ofBurst.map(({ ackMs }) => ackMs),
        0.5,
      ),
    ),
    p99: Math.round(
      quantile(
        all.map(({ ackMs }) => ackMs),
        0.99,
      ),
    ),
  },
  answerSec: {
    quiet: seconds(quantile(waits(ofBurst, quiet), 0.5)),
    noisy: seconds(quantile(waits(ofBurst, noisy), 0.5)),
    last: seconds(burstTookMs),
    soak: seconds(quantile(waits(all.slice(burst), [...noisy, ...quiet]), 0.5)),
  },
  cutShort: slack.world
    .messages()
    .filter((message) => isAnswer(message) && /time for this run was over/.test(JSON.stringify(message.blocks))).length,
  cpuSecPerQuestion: {
    bot: hundredths((cpuOurs[0] ?? 0) / all.length),
    workers: hundredths(cpuOurs.slice(1).reduce((sum, one) => sum + one, 0) / all.length),
    nodes: hundredths(cpuNodes / all.length),
  },
  perNode: Math.max(sampledPerNode, runsAtOnce(log)),
  openRuns: openRuns(log),
  peakMib: peaks.map(mib),
  growthMib,
  redisKibPerQuestion: Math.round(((redisAfterBurst - redisBefore) / burst / 1024) * 10) / 10,
  redisMib: mib(redisAfter),
};
const checks: readonly (readonly [string, boolean])[] = [
  [`every question acknowledged (${figures.all} of them)`, figures.unacked === 0],
  [`acknowledgement p99 ${figures.ackMs.p99} ms (at most ${targets.ackP99Ms})`, figures.ackMs.p99 <= targets.ackP99Ms],
  [`every thread answered, none twice (${figures.unanswered} / ${figures.twice})`, figures.unanswered + twice === 0],
  [`runs that had too little time: ${figures.cutShort}`, figures.cutShort === 0],
  [`runs on one node at once: ${figures.perNode} (at most ${targets.perNode})`, figures.perNode <= targets.perNode],
  [`runs without an end in the audit log: ${figures.openRuns}`, figures.openRuns === 0],
  [
    `memory over the soak: ${figures.growthMib.map((one) => `${one > 0 ? '+' : ''}${one}`).join(', ')} MiB (at most +${targets.growthMib})`,
    Math.max(...figures.growthMib) <= targets.growthMib,
  ],
];
say(JSON.stringify(figures));
for (const [what, good] of checks) say(`${good ? 'PASS' : 'FAIL'}  ${what}`);
if (values.doc) writeFileSync(path.join(root, 'docs/load.md'), loadPage(figures));
process.exitCode = checks.every(([, good]) => good) ? 0 : 1;

/** Resolves when every question has its answer, or nothing has come for two minutes. */
async function allAnswered(): Promise<void> {
  let last = { count: -1, atMs: performance.now() };
  while (answeredAt.size < questions.length && performance.now() - last.atMs < 120_000) {
    if (answeredAt.size !== last.count) last = { count: answeredAt.size, atMs: performance.now() };
    await pause(200);
  }
}

function answersPerPort(): readonly number[] {
  const counts = new Map<number, number>();
  for (const message of slack.world.messages().filter(isAnswer)) {
    const port = portOf(message);
    if (port !== undefined) counts.set(port, (counts.get(port) ?? 0) + 1);
  }
  return [...counts.values()];
}

function auditLog(): readonly AuditRecord[] {
  return readFileSync(path.join(directory, '.netcheck/audit.ndjson'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => AuditRecord.parse(JSON.parse(line)));
}

/** From the commands themselves: runs that had one on the same node at the same time, at most. */
function runsAtOnce(records: readonly AuditRecord[]): number {
  const spans = new Map<string, Map<string, { from: number; to: number }>>();
  for (const record of records) {
    if (record.event !== 'ran' || record.run === undefined) continue;
    const ofNode = spans.get(record.node) ?? new Map<string, { from: number; to: number }>();
    spans.set(record.node, ofNode);
    for (const { startedAtMs, tookMs } of record.commands) {
      const span = ofNode.get(record.run) ?? { from: startedAtMs, to: startedAtMs };
      ofNode.set(record.run, {
        from: Math.min(span.from, startedAtMs),
        to: Math.max(span.to, startedAtMs + tookMs),
      });
    }
  }
  return Math.max(
    0,
    ...[...spans.values()].flatMap((ofNode) =>
      [...ofNode.values()].map(
        ({ from }) => [...ofNode.values()].filter((one) => one.from <= from && from < one.to).length,
      ),
    ),
  );
}

function openRuns(records: readonly AuditRecord[]): number {
  const open = new Set<string>();
  for (const record of records) {
    if (record.event === 'started') open.add(record.run);
    if (record.event === 'ended') open.delete(record.run);
  }
  return open.size;
}

/** utime + stime of proc(5), seconds. */
function cpuSecOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

function quantile(list: readonly number[], share: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function mib(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 10) / 10;
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
