import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPhases } from '../../src/model/phase-span.ts';
import { Report } from '../../src/model/report.ts';
import { startLoopbackRedis } from '../contracts/real/loopback-redis.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { insideLab, type Lab, type LabDefinition, said, startLab, whyOutside } from '../lab/network.ts';
import { cli } from '../lab/run-scenario.ts';
import type { Scenario } from '../lab/scenario.ts';
import { firewallScenarios } from '../lab/scenarios/firewall.ts';
import { handshakeScenarios } from '../lab/scenarios/handshake.ts';
import { routingScenarios } from '../lab/scenarios/routing.ts';
import { latencyPage, medianOf, meets, phaseMs, type Timed, worstOf } from './latency-page.ts';
import { plainLogin } from './plain-login.ts';

/**
 * How long a person waits in Slack: every fault of the handshake in the practice network, asked with a slash command of
 * a practice Slack, through a real bot, a real Redis, and a worker that is another process:
 *
 *     npm run bench:latency [-- --only ID,ID] [--rounds N] [--json FILE] [--doc]
 *
 * Times are those of the practice Slack, from the moment that the slash command leaves it. Where the time goes is what
 * the report itself says (`timing.phases`); what comes before it is the queue, what comes after it is posting. `--doc`
 * writes docs/latency.md. Exits with 1 where a target is missed.
 */
const targets = { ackMs: 300, progressMs: 1000, verdictMs: 6000 } as const;
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'string' },
    doc: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
/** What most connects meet before a byte of the application is sent. Names have a bench of their own: patience. */
const faults = [...handshakeScenarios, ...firewallScenarios, ...routingScenarios].filter(
  ({ id, definition }) =>
    !('start' in definition) && id !== 'report-1' && (values.only === undefined || values.only.split(',').includes(id)),
);

const isAnswer = ({ metadata }: FakeMessage): boolean => metadata?.['event_type'] === 'netcheck_answer';

async function timeOne(slack: FakeSlack, dataDirectory: string, { id, ask }: Scenario): Promise<Timed> {
  const already = new Set(slack.world.messages().map(({ ts }) => ts));
  const isNew = ({ ts }: FakeMessage): boolean => !already.has(ts);
  const beganAtMs = Date.now();
  // without "from" Slack is asked back, and a person would be timed
  const delivery = slack.slash(/\bfrom\b/.test(ask) ? ask : `${ask} from node-12`);
  if ((await delivery.ended) !== 'acked') throw new Error(`${id}: Slack had no answer in time`);
  const ackMs = Date.now() - beganAtMs;
  const answer = await slack.awaitMessage((message) => isNew(message) && isAnswer(message), 60_000);
  const root = slack.history().find(({ message }) => message.ts === answer.threadTs);
  const edit = slack.history().find(({ message, what }) => message.ts === answer.threadTs && what === 'edited');
  const runId = Object.values((answer.metadata?.['event_payload'] ?? {}) as Record<string, string>)[0] ?? '';
  const report = Report.parse(JSON.parse(await readFile(join(dataDirectory, 'runs', runId, 'report.json'), 'utf8')));
  const phases = report.timing.phases ?? [];
  const runEndedMs = report.timing.startedAtMs + Math.max(0, ...phases.map(({ endMs }) => endMs));
  return {
    id,
    ackMs,
    rootMs: (root?.atMs ?? Number.NaN) - beganAtMs,
    progressMs: (edit?.atMs ?? Number.NaN) - beganAtMs,
    verdictMs: answer.postedAtMs - beganAtMs,
    queuedMs: report.timing.startedAtMs - beganAtMs,
    phases,
    postMs: answer.postedAtMs - runEndedMs,
    verdict: report.verdict,
  };
}

/** A bot without worker, a worker, Redis and Slack for one practice network. */
async function withNetcheck<T>(lab: Lab, work: (slack: FakeSlack, dataDirectory: string) => Promise<T>): Promise<T> {
  const dataDirectory = await mkdtemp(join(process.env.TMPDIR ?? '/tmp', 'netcheck-latency-'));
  const slack = await startFakeSlack();
  const redis = await startLoopbackRedis();
  const env = {
    ...process.env,
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_APP_TOKEN: slack.appToken,
    SLACK_API_URL: slack.url,
    REDIS_URL: redis.url,
    NETCHECK_DATA: dataDirectory,
  };
  const start = (...args: readonly string[]) =>
    spawn(process.execPath, [cli, ...args, '--config', lab.configFile], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const bot = start('bot', '--no-worker');
  const worker = start('worker');
  const children = [bot, worker];
  const gone = children.map((child) => once(child, 'exit'));
  try {
    await Promise.all([
      said(bot, 'stderr', /listening to/, 'netcheck bot'),
      said(worker, 'stderr', /worker started/, 'netcheck worker'),
      slack.awaitGreetings(1),
    ]);
    for (const child of children) for (const stream of [child.stdout, child.stderr]) stream.resume();
    return await work(slack, dataDirectory);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    const patience = setTimeout(() => children.forEach((child) => child.kill('SIGKILL')), 5000);
    await Promise.all(gone);
    clearTimeout(patience);
    await redis.stop();
    await slack.close();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

const columns = ['ack', 'root', 'progress', 'verdict', '|', 'queued', ...runPhases.slice(1), 'post'] as const;

function line(timed: Timed): string {
  const cells = [
    timed.ackMs,
    timed.rootMs,
    timed.progressMs,
    timed.verdictMs,
    '|',
    timed.queuedMs,
    ...runPhases.slice(1).map((phase) => phaseMs(timed.phases, phase)),
    timed.postMs,
  ];
  return `${timed.id.padEnd(26)}${cells.map((cell) => String(cell).padStart(9)).join('')}  ${timed.verdict}\n`;
}

async function measure(): Promise<readonly Timed[]> {
  const timed: Timed[] = [];
  for (const definition of new Set(faults.map((fault) => fault.definition as LabDefinition))) {
    const lab = await startLab(definition);
    try {
      await withNetcheck(lab, async (slack, dataDirectory) => {
        for (const fault of faults.filter((one) => one.definition === definition)) {
          for (let round = 0; round < rounds; round++) {
            await lab.apply(fault.break);
            try {
              const one = await timeOne(slack, dataDirectory, fault);
              timed.push(one);
              process.stdout.write(line(one));
            } finally {
              await lab.apply(fault.mend);
            }
          }
        }
      });
    } finally {
      await lab.stop();
    }
  }
  return timed;
}

if (!insideLab) {
  process.stdout.write(`skipped: ${whyOutside}\n`);
} else {
  process.stdout.write(
    `Targets, milliseconds: ack ${targets.ackMs}, first progress ${targets.progressMs}, verdict ${targets.verdictMs}\n` +
      `${' '.repeat(26)}${columns.map((column) => column.padStart(9)).join('')}\n`,
  );
  plainLogin();
  const [load = 0] = loadavg();
  const timed = await measure();
  for (const [name, of] of [
    ['median', medianOf],
    ['worst', worstOf],
  ] as const)
    process.stdout.write(
      `${name}: ack ${of(timed, ({ ackMs }) => ackMs)} ms, first progress ${of(timed, ({ progressMs }) => progressMs)} ms, verdict ${of(timed, ({ verdictMs }) => verdictMs)} ms\n`,
    );
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(timed, null, 1)}\n`);
  if (values.doc)
    writeFileSync(
      join(import.meta.dirname, '../../docs/latency.md'),
      latencyPage({
        date: new Date().toISOString().slice(0, 10),
        machine: `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
        load,
        targets,
        timed,
      }),
    );
  const missed = timed.filter((one) => !meets(one, targets)).map(({ id }) => id);
  process.stdout.write(missed.length === 0 ? 'PASS\n' : `FAIL: ${[...new Set(missed)].join(', ')}\n`);
  if (missed.length > 0) process.exitCode = 1;
}
