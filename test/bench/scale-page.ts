/** What `bench:scale` measured with one number of workers. */
export interface ScaleRound {
  readonly workers: number;
  readonly nodes: number;
  readonly tookSec: number;
  readonly perSec: number;
  readonly workerPeakMib: readonly number[];
  readonly workerCpuSec: readonly number[];
  /** More than before the audit, at most. */
  readonly redisPeakMib: number;
  readonly redisLeftMib: number;
  readonly lost: number;
  readonly twice: number;
  readonly questions: number;
  readonly waitMsMedian: number;
  readonly waitMsWorst: number;
}

export interface ScaleFigures {
  /** `2026-11-21` */
  readonly date: string;
  /** `2 cores, 24 GB`: the class of the machine, never its name. */
  readonly machine: string;
  readonly concurrency: number;
  readonly nodeMs: { readonly connect: number; readonly commands: number; readonly investigation: number };
  /** Of one node: commands, bytes of evidence, bytes of its result. */
  readonly perNode: { readonly commands: number; readonly evidenceBytes: number; readonly resultBytes: number };
  readonly rounds: readonly ScaleRound[];
  /** Processor time of one connection with login and commands on the controlling side, seconds; as `bench:fleet` measured it. */
  readonly sshCpuSec: number;
}

const fleet = 100_000;
const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
const rounded = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** `docs/scale.md`: what was measured, and what that comes to for a hundred thousand nodes. */
export function scalePage({ date, machine, concurrency, nodeMs, perNode, rounds, sshCpuSec }: ScaleFigures): string {
  const table = rounds.map(
    (one) =>
      `| ${one.workers} | ${rounded(one.nodes)} | ${rounded(one.tookSec, 1)} s | ${rounded(one.perSec)} | ${Math.max(...one.workerPeakMib)} MiB | ${rounded(sum(one.workerCpuSec), 1)} s | ${rounded(one.redisPeakMib, 1)} MiB | ${rounded(one.redisLeftMib, 1)} MiB | ${one.lost} / ${one.twice} | ${one.waitMsMedian} / ${one.waitMsWorst} ms |`,
  );
  const first = rounds[0];
  if (first === undefined) throw new Error('nothing was measured');
  const cpuPerNode = Math.min(...rounds.map((one) => sum(one.workerCpuSec) / one.nodes));
  const redisPerNode = (Math.max(...rounds.map(({ redisPeakMib }) => redisPeakMib)) * 2 ** 20) / first.nodes;
  const onTheWay = (nodeMs.connect + 4 * nodeMs.commands) / 1000;
  const perCore = 1 / (cpuPerNode + sshCpuSec);
  const perWorker = Math.min(perCore, concurrency / onTheWay);
  const workersFor = (hours: number): number => Math.ceil(fleet / (hours * 3600) / perWorker);
  return `# Scale

<!-- Written by \`npm run bench:scale -- --doc\`; the figures are measured, the words stand in test/bench/scale-page.ts. -->

One audit of many nodes: a flow of jobs in Redis. Its nodes go to whatever workers there are, one process puts the results
together as they come. Measured ${date} on a machine with ${machine}, on which workers, Redis and the benchmark share the
cores. The nodes are simulated: the ${perNode.commands} answers of one real node (${rounded(perNode.evidenceBytes)} bytes), given again under
many names after ${nodeMs.connect} ms for connecting and ${nodeMs.commands} ms for every round of commands; parsing, judging and Redis are real.
Each worker looks at ${concurrency} nodes side by side.

| workers | nodes | took | nodes per second | worker's memory, at most | CPU of all workers | Redis, at most | Redis afterwards | lost / twice | a person's question waited (median / worst) |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${table.join('\n')}

"Lost" are nodes that the report does not have, or has as failed; "twice" are nodes that were looked at more than once.
While a worker has a question of a person in hand it takes a quarter as many nodes of an audit.

## What is kept where

- **Redis** holds at most 2,000 jobs of an audit at once, however many nodes it has, and the result of each node until the
  report is there: ${rounded(perNode.resultBytes)} bytes as JSON, packed with the first result as the dictionary; ${rounded(redisPerNode)} bytes per node with
  everything around it. That is what lets another worker go on where one dies, without looking at a node again. With
  the report all of it goes; the report itself stays for a day.
- **The worker that puts the audit together** holds a line per node, 2,000 findings at most, and the counters of the audit
  before. The other workers hold what they look at: ${concurrency} nodes.

## A hundred thousand nodes, on paper

From the figures above: judging takes ${rounded(cpuPerNode * 1000, 1)} ms of CPU per node, SSH with login and commands ${rounded(sshCpuSec * 1000, 1)} ms
([fleet.md](fleet.md)), a node is on its way for ${rounded(onTheWay, 1)} s. A worker with a core of its own does
${rounded(perWorker)} nodes per second (${perCore < concurrency / onTheWay ? 'the core is the limit' : 'its places are the limit: raise `audit.concurrency`'}).

| | |
| --- | --- |
| workers for an audit within an hour | ${workersFor(1)} |
| within ten minutes | ${workersFor(1 / 6)} |
| Redis, at most | ${rounded((redisPerNode * fleet) / 2 ** 20)} MiB |
| evidence over the network | ${rounded((perNode.evidenceBytes * fleet) / 1e9, 1)} GB, with SSH about three times that |
| jobs per second through Redis, within ten minutes | ${rounded(fleet / 600)} (one Redis does some thousands) |

- **Several sites.** Workers stand where the nodes are: latency counts for each of some fifteen round trips of a login and
  four rounds of commands. A worker takes any node of its queue, so that each site is an installation of its own: its own
  inventory, its own workers, its own Redis. Through jump hosts one site also does: every node
  behind one costs it a TCP connection and hardly any CPU.
- **Jump hosts** see at most 8 connections that are not logged in yet from one worker (sshd drops at random from 10 on,
  MaxStartups 10:30:100), and one connection per worker that stays; nodes behind it are channels of that one. Several
  workers behind one jump host need a higher MaxStartups there, or come again by themselves with a growing pause.
- **Redis Cluster.** All keys of an installation are in one hash slot (\`{netcheck}\`), as the scripts of the queue need it:
  a cluster gives availability, not more throughput. More is had by one Redis per site.
- **What would not do**: one process for the report of 100,000 nodes with thousands of findings. The report keeps a line
  per node and the 2,000 worst findings; whoever needs all of them reads the CSV of each site.
`;
}
