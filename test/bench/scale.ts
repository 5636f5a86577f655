import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectQueue } from '../../src/adapters/queue/connect-queue.ts';
import { startLoopbackRedis } from '../contracts/real/loopback-redis.ts';
import { insideLab, labRoot, said, startLab, whyOutside } from '../lab/network.ts';
import { plain } from '../lab/topologies.ts';
import { fleetCpuSec } from './fleet-page.ts';
import { plainLogin } from './plain-login.ts';
import { recordNode } from './record-node.ts';
import { type ScaleRound, scalePage } from './scale-page.ts';

/**
 * Audits of many nodes over a real Redis with one, two and four workers:
 *
 *     npm run bench:scale [-- --nodes N] [--workers 1,2,4] [--concurrency N] [--json FILE] [--doc] [--profile DIR]
 *
 * The nodes are simulated: what one node of the practice network answers over SSH to every command of an audit is given
 * again under N names, after the time that a node takes. Everything else is what production runs: the workers are
 * processes of their own, every result is parsed and judged. Meanwhile a person asks a question again and again: how long
 * that waits for a worker is measured. `--doc` writes docs/scale.md; `--profile` writes a CPU profile of each worker. Exits with 1 where a target is missed.
 */
const targets = { workerMib: 300, waitMs: 1000 } as const;
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '1,2,4' },
    concurrency: { type: 'string', default: '32' },
    json: { type: 'string' },
    profile: { type: 'string' },
    doc: { type: 'boolean', default: false },
  },
});
const count = Number(values.nodes);
/** Connecting and login; each round of commands; how long a person's run keeps its worker. Milliseconds. */
const nodeMs = { connect: 60, commands: 120, investigation: 3000 } as const;
const questionEveryMs = 10_000;
/** Where `bench:fleet -- --doc` has never been run, seconds. */
const usualSshCpuSec = 0.01;
const docs = path.join(import.meta.dirname, '../../docs');

interface WorkerFigures {
  readonly name: string;
  readonly looked: readonly string[];
  readonly waits: readonly number[];
  readonly peakMib: number;
  readonly cpuSec: number;
  readonly loopDelayMs: { readonly p99: number; readonly max: number };
}

const mib = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;

async function measure(workers: number, recording: string, directory: string): Promise<ScaleRound> {
  const redis = await startLoopbackRedis();
  const prefix = 'scale';
  const jobFile = path.join(directory, 'job.json');
  writeFileSync(
    jobFile,
    JSON.stringify({
      redisUrl: redis.url,
      prefix,
      dataDirectory: directory,
      count,
      concurrency: Number(values.concurrency),
      recording,
      nodeMs,
    }),
  );
  const memory = (field: string): Promise<number> =>
    redis
      .until(
        (client) => client.info('memory'),
        () => true,
      )
      .then((info) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1]));
  const profiling = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const script = path.join(import.meta.dirname, 'scale-worker.mjs');
  const children = await Promise.all(
    Array.from({ length: workers }, async (_none, index): Promise<{ child: ChildProcess; text: () => string }> => {
      const child = spawn(process.execPath, [...profiling, script, jobFile, `worker-${index}`], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      await said(child, 'stdout', /ready\n/, 'a worker');
      return { child, text: () => text };
    }),
  );
  const before = await memory('used_memory');
  const queue = await connectQueue({ redisUrl: redis.url, prefix, dataDir: directory });
  const asking = new AbortController();
  let questions = 0;
  const ask = async (): Promise<void> => {
    while (!asking.signal.aborted) {
      await pause(questionEveryMs, undefined, { signal: asking.signal }).catch(() => undefined);
      if (asking.signal.aborted) return;
      await queue.queue.submit({
        id: `question-${questions++}`,
        text: 'node-50 port 1301',
        language: 'en',
        askedBy: 'U0ANNA',
        askedAtMs: Date.now(),
        thread: { channel: 'C0', rootTs: '1', statusTs: '1' },
      });
    }
  };
  try {
    const startedAtMs = performance.now();
    await queue.audits.submit({
      id: 'audit-of-all',
      selector: '',
      language: 'en',
      askedBy: 'U0ANNA',
      askedAtMs: Date.now(),
    });
    const asked = ask();
    let shown = 0;
    const report = await queue.audits.follow('audit-of-all', {
      signal: asking.signal,
      onStep: ({ done, total }) => {
        if (done - shown < total / 10) return;
        shown = done;
        process.stdout.write(
          `  ${workers} workers: ${done} of ${total} nodes, ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s\n`,
        );
      },
    });
    const tookSec = (performance.now() - startedAtMs) / 1000;
    asking.abort();
    await asked;
    const peak = await memory('used_memory_peak');
    const after = await memory('used_memory');
    const figures: WorkerFigures[] = [];
    for (const { child, text } of children) {
      const gone = once(child, 'close');
      child.stdin?.end();
      await gone;
      figures.push(JSON.parse(text().slice(text().indexOf('{'))) as WorkerFigures);
    }
    const looked = figures.flatMap((one) => one.looked);
    const waits = figures.flatMap((one) => one.waits).sort((a, b) => a - b);
    const told = new Set(report.nodes.map(({ name }) => name));
    return {
      workers,
      nodes: count,
      tookSec: Math.round(tookSec * 10) / 10,
      perSec: Math.round(count / tookSec),
      workerPeakMib: figures.map(({ peakMib }) => peakMib),
      workerCpuSec: figures.map(({ cpuSec }) => Math.round(cpuSec * 10) / 10),
      redisPeakMib: mib(peak - before),
      redisLeftMib: mib(after - before),
      lost: count - told.size + report.counts.failed,
      twice: looked.length - new Set(looked).size + report.nodes.length - told.size,
      questions: waits.length,
      waitMsMedian: waits[waits.length >> 1] ?? Number.NaN,
      waitMsWorst: waits.at(-1) ?? Number.NaN,
    };
  } finally {
    asking.abort();
    for (const { child } of children) if (child.exitCode === null) child.kill('SIGKILL');
    await queue.close();
    await redis.stop();
  }
}

function problemsOf(rounds: readonly ScaleRound[]): readonly string[] {
  return rounds.flatMap((one) => [
    ...(one.lost > 0 ? [`${one.workers} workers: ${one.lost} nodes lost`] : []),
    ...(one.twice > 0 ? [`${one.workers} workers: ${one.twice} nodes looked at twice`] : []),
    ...(Math.max(...one.workerPeakMib) > targets.workerMib
      ? [`${one.workers} workers: one used ${Math.max(...one.workerPeakMib)} MiB, more than ${targets.workerMib}`]
      : []),
    ...(one.waitMsWorst > targets.waitMs ? [`${one.workers} workers: a question waited ${one.waitMsWorst} ms`] : []),
  ]);
}

if (!insideLab) process.stdout.write(`skipped: ${whyOutside}\n`);
else {
  const directory = await mkdtemp(path.join(labRoot, 'scale-'));
  const recording = path.join(directory, 'recording.json');
  let perNode = { commands: 0, evidenceBytes: 0, resultBytes: 0 };
  plainLogin();
  const lab = await startLab(plain);
  try {
    const { recorded, audit } = await recordNode(lab, 'node-50');
    perNode = {
      commands: recorded.answers.length,
      evidenceBytes: recorded.answers.reduce((sum, [, { stdout }]) => sum + Buffer.from(stdout, 'base64').length, 0),
      resultBytes: JSON.stringify(audit).length,
    };
    writeFileSync(recording, JSON.stringify(recorded));
    process.stdout.write(
      `recorded: ${perNode.commands} commands, ${perNode.evidenceBytes} bytes; its result is ${perNode.resultBytes} bytes (${Object.keys(audit.checks).length} checks)
`,
    );
  } finally {
    await lab.stop();
  }
  const rounds: ScaleRound[] = [];
  for (const workers of values.workers.split(',').map(Number)) {
    const round = await measure(workers, recording, directory);
    rounds.push(round);
    process.stdout.write(
      `${round.workers} workers: ${round.nodes} nodes in ${round.tookSec} s, ${round.perSec} per second; memory of workers ${round.workerPeakMib.join(', ')} MiB, their CPU ${round.workerCpuSec.join(', ')} s; Redis ${round.redisPeakMib} MiB at most, ${round.redisLeftMib} MiB afterwards; ${round.lost} lost, ${round.twice} twice; ${round.questions} questions waited ${round.waitMsMedian} ms (median), ${round.waitMsWorst} ms (worst)\n`,
    );
  }
  const figures = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    concurrency: Number(values.concurrency),
    nodeMs,
    perNode,
    rounds,
    sshCpuSec:
      fleetCpuSec(await readFile(path.join(docs, 'fleet.md'), 'utf8').catch(() => undefined)) ?? usualSshCpuSec,
  };
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      `${JSON.stringify(figures, null, 1)}
`,
    );
  if (values.doc) writeFileSync(path.join(docs, 'scale.md'), scalePage(figures));
  await rm(directory, { recursive: true, force: true });
  const problems = problemsOf(rounds);
  process.stdout.write(problems.length === 0 ? 'PASS\n' : problems.map((problem) => `FAIL  ${problem}\n`).join(''));
  if (problems.length > 0) process.exitCode = 1;
}
