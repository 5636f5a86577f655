/** What `bench:load` measured. */
export interface LoadFigures {
  /** `2026-11-21` */
  readonly date: string;
  /** `2 cores, 24 GB`: the class of the machine, never its name. */
  readonly machine: string;
  readonly questions: number;
  readonly burstSec: number;
  readonly nodes: number;
  readonly workers: number;
  readonly soakMin: number;
  readonly soakEverySec: number;
  /** Questions of both parts. */
  readonly all: number;
  readonly unacked: number;
  readonly unanswered: number;
  readonly twice: number;
  readonly ackMs: { readonly median: number; readonly p99: number };
  /** Medians from the question to its answer; `last`: from the first question of the burst to its last answer. */
  readonly answerSec: {
    readonly quiet: number;
    readonly noisy: number;
    readonly last: number;
    readonly soak: number;
  };
  /** Answers that say that the time of the run was over. */
  readonly cutShort: number;
  /** Processor time; of all nodes together. */
  readonly cpuSecPerQuestion: { readonly bot: number; readonly workers: number; readonly nodes: number };
  /** Runs on one node at once, at most. */
  readonly perNode: number;
  readonly openRuns: number;
  /** Of the bot, then of each worker. */
  readonly peakMib: readonly number[];
  /** Median of the last third of the soak minus that of the first. */
  readonly growthMib: readonly number[];
  readonly redisKibPerQuestion: number;
  readonly redisMib: number;
}

/** `docs/load.md`. */
export function loadPage(one: LoadFigures): string {
  const signed = (mib: number): string => `${mib > 0 ? '+' : ''}${mib} MiB`;
  const [botPeak = 0, ...workerPeaks] = one.peakMib;
  const [botGrowth = 0, ...workerGrowths] = one.growthMib;
  return `# Load

<!-- Written by \`npm run bench:load -- --doc\`; the figures are measured, the words stand in test/bench/load-page.ts. -->

${one.questions} questions in ${one.burstSec} s about ${one.nodes} nodes, most of them from two noisy channels; then one every ${one.soakEverySec} s for ${one.soakMin}
minutes. Measured ${one.date} on a machine with ${one.machine}, on which bot, ${one.workers} workers, Redis, the sshd of every node and the
practice Slack (with Slack's limits) share the cores.

| | |
| --- | --- |
| acknowledgement, median / p99 | ${one.ackMs.median} / ${one.ackMs.p99} ms |
| questions without an answer / with two | ${one.unanswered} / ${one.twice} of ${one.all} |
| burst: question to answer, median in a quiet channel / in a noisy one | ${one.answerSec.quiet} / ${one.answerSec.noisy} s |
| burst: first question to last answer | ${one.answerSec.last} s |
| afterwards: question to answer, median | ${one.answerSec.soak} s |
| answers of runs that had too little time | ${one.cutShort} |
| runs on one node at once, at most | ${one.perNode} |
| processor time per question: bot / workers / all nodes of it | ${one.cpuSecPerQuestion.bot} / ${one.cpuSecPerQuestion.workers} / ${one.cpuSecPerQuestion.nodes} s |
| bot: most memory, growth over the quiet part | ${botPeak} MiB, ${signed(botGrowth)} |
| workers: most memory, growth over the quiet part | ${workerPeaks.map((peak, index) => `${peak} MiB, ${signed(workerGrowths[index] ?? 0)}`).join('; ')} |
| Redis: per question, kept for a day / in all at the end | ${one.redisKibPerQuestion} KiB / ${one.redisMib} MiB |

Slack takes about one message per second and channel. A question is three (its status, its answer, its files): in a noisy
channel answers wait for that, and in every other they do not.
`;
}
