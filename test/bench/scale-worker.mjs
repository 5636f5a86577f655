// One worker process of the scale benchmark, as netcheck runs in production: compiled, without a loader. Everything is
// real but the nodes: what one real node once answered (RECORDING) is given again under many names, after the time that
// a node takes. Prints `ready`, then takes audits until standard input ends; then one line of JSON about itself.
//
//   node test/bench/scale-worker.mjs JOB.json NAME
import { createInterface } from 'node:readline';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { connectQueue } from '../../dist/adapters/queue/connect-queue.js';
import { createForgettingSink } from '../../dist/adapters/files/forgetting-sink.js';
import { redactSecrets } from '../../dist/adapters/files/redact.js';
import { auditHandlers } from '../../dist/audit-handlers.js';
import { auditNode } from '../../dist/engine/audit-node.js';
import { planAudit } from '../../dist/engine/plan-audit.js';
import { readRegistries } from '../../dist/load-registries.js';
import { parsers } from '../../dist/parsers/index.js';

const [jobFile, name] = process.argv.slice(2);
const { redisUrl, prefix, dataDirectory, count, concurrency, recording, nodeMs } = JSON.parse(
  readFileSync(jobFile, 'utf8'),
);
const { node: recordedNode, answers } = JSON.parse(readFileSync(recording, 'utf8'));
const bytes = (base64) => Buffer.from(base64, 'base64');
const known = new Map(
  answers.map(([key, { exit, stdout, stderr }]) => [key, { exit, stdout: bytes(stdout), stderr: bytes(stderr) }]),
);

/** Two in a hundred differ in a setting, one in a hundred is down: as fleets are. */
const differs = (index) => index % 50 === 7;
const isDown = (index) => index % 100 === 42;
const indexOf = (node) => Number(/\d+$/.exec(node.name)[0]);

const transport = {
  async connect(node, { signal }) {
    await pause(nodeMs.connect, undefined, { signal }).catch(() => undefined);
    const index = indexOf(node);
    if (isDown(index))
      return { ok: false, exit: { how: 'notStarted', why: 'timeout', message: `${node.name} did not answer on TCP.` } };
    return {
      ok: true,
      connection: {
        async run({ argv, privilege }) {
          const startedAtMs = Date.now();
          await pause(nodeMs.commands);
          const { exit, stdout, stderr } = known.get(JSON.stringify([argv, privilege])) ?? {
            exit: { how: 'notStarted', why: 'toolMissing', message: `${argv[0]} is not installed.` },
            stdout: Buffer.alloc(0),
            stderr: Buffer.alloc(0),
          };
          const own = differs(index)
            ? Buffer.from(stdout.toString('latin1').replaceAll('4096', '128'), 'latin1')
            : stdout;
          return { exit, stdout: own, stderr, startedAtMs, endedAtMs: Date.now() };
        },
        close: async () => undefined,
      },
    };
  },
  close: async () => undefined,
};

const { registries } = await readRegistries(undefined);
const everyRegistry = { ...registries, parsers };
const names = Array.from({ length: count }, (_none, index) => `node-${String(index).padStart(6, '0')}`);
const find = async (one) => ({
  ...recordedNode,
  name: one,
  labels: { role: Number(one.slice(5)) % 3 === 0 ? 'db' : 'web', rack: `r${Number(one.slice(5)) % 40}` },
});
const baselines = { last: async () => null, keep: async () => undefined };
const looked = [];
const everybodyMay = { refuse: async () => undefined };
const wiring = {
  baselines,
  writeLog: async () => undefined,
  async planAudit({ id, selector, playbook, startedAtMs }, language) {
    const head = {
      id,
      selector,
      startedAtMs,
      language,
      netcheck: 'bench',
      compareBy: ['role'],
      ...(playbook ? { playbook } : {}),
    };
    return { plan: await planAudit(head, { names: () => names, find }, registries), last: null };
  },
  async auditNode(job, { signal, slots }) {
    looked.push(job.node);
    const ports = {
      transport,
      slots,
      sink: createForgettingSink(),
      redact: (raw) => redactSecrets(raw).bytes,
      now: Date.now,
    };
    return auditNode(job, await find(job.node), everyRegistry, ports, { signal, netcheck: 'bench' });
  },
};

const queue = await connectQueue({ redisUrl, prefix, dataDir: dataDirectory });
const delays = monitorEventLoopDelay({ resolution: 5 });
delays.enable();
const waits = [];
const runs = queue.worker({ concurrency: 4 });
await runs.start(async ({ askedAtMs }) => {
  waits.push(Date.now() - askedAtMs);
  // As long as an investigation keeps a process busy: most of it is waiting for nodes.
  await pause(nodeMs.investigation);
});
const audits = queue.auditWorker({ concurrency });
await audits.start(auditHandlers(wiring, queue.slots({ perNode: 2 }), everybodyMay));
process.stdout.write('ready\n');
await new Promise((resolve) => createInterface({ input: process.stdin }).once('close', resolve));
await Promise.all([runs.close(), audits.close()]);
await queue.close();
const peakKb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
const { user, system } = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({
    name,
    looked,
    waits,
    peakMib: Math.round(peakKb / 1024),
    rssMib: Math.round(process.memoryUsage.rss() / 2 ** 20),
    cpuSec: (user + system) / 1e6,
    loopDelayMs: { p99: Math.round(delays.percentile(99) / 1e6), max: Math.round(delays.max / 1e6) },
  })}\n`,
);
process.exit(0);
