import { type PhaseSpan, runPhases } from '../../src/model/phase-span.ts';

/** What `bench:latency` measured of one question, milliseconds. */
export interface Timed {
  readonly id: string;
  readonly ackMs: number;
  /** The root message is there. */
  readonly rootMs: number;
  /** It has been edited for the first time: it says what is being done. */
  readonly progressMs: number;
  readonly verdictMs: number;
  /** Until a worker had begun the run. */
  readonly queuedMs: number;
  readonly phases: readonly PhaseSpan[];
  /** From the end of the run until the answer stood in the thread. */
  readonly postMs: number;
  readonly verdict: string;
}

export interface LatencyTargets {
  readonly ackMs: number;
  readonly progressMs: number;
  readonly verdictMs: number;
}

export interface LatencyFigures {
  /** ISO 8601, the day. */
  readonly date: string;
  readonly machine: string;
  /** Load of the machine before it began, runnable processes. */
  readonly load: number;
  readonly targets: LatencyTargets;
  readonly timed: readonly Timed[];
}

/** Above it, other work has had its part in every figure. */
const quietLoad = 1.5;

/** How long one phase took, all its turns together; milliseconds. */
export function phaseMs(phases: readonly PhaseSpan[], phase: PhaseSpan['phase']): number {
  return phases
    .filter((span) => span.phase === phase && span.node === undefined)
    .reduce((sum, one) => sum + one.endMs - one.startMs, 0);
}

export function meets({ ackMs, progressMs, verdictMs }: Timed, targets: LatencyTargets): boolean {
  return ackMs <= targets.ackMs && progressMs <= targets.progressMs && verdictMs <= targets.verdictMs;
}

export function worstOf(all: readonly Timed[], of: (timed: Timed) => number): number {
  return Math.max(...all.map(of));
}

export function medianOf(all: readonly Timed[], of: (timed: Timed) => number): number {
  return all.map(of).sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
}

/** docs/latency.md: the words stand here, the figures are what was measured. */
export function latencyPage({ date, machine, load, targets, timed }: LatencyFigures): string {
  const shown = runPhases.slice(1);
  const rows = timed.map(
    (one) =>
      `| ${meets(one, targets) ? one.id : `**${one.id}**`} | ${[one.ackMs, one.rootMs, one.progressMs, one.verdictMs, one.queuedMs, ...shown.map((phase) => phaseMs(one.phases, phase)), one.postMs].join(' | ')} | ${one.verdict} |`,
  );
  const checks = (
    [
      ['slash command to acknowledgement', targets.ackMs, ({ ackMs }) => ackMs],
      ['slash command to first progress', targets.progressMs, ({ progressMs }) => progressMs],
      ['slash command to verdict', targets.verdictMs, ({ verdictMs }) => verdictMs],
    ] as readonly (readonly [string, number, (one: Timed) => number])[]
  ).map(([what, most, of]) => {
    const worst = worstOf(timed, of);
    return `| ${what} | ${most} | ${medianOf(timed, of)} | ${worst} | ${worst <= most ? 'met' : '**missed**'} |`;
  });
  return `# How long a person waits

<!-- Written by \`npm run bench:latency -- --doc\`; the figures are measured, the words stand in test/bench/latency-page.ts. -->

Every fault of the handshake in the practice network, asked with a slash command of a practice Slack, through a real bot, a real
Redis, and a worker that is another process. Times are those of the practice Slack, milliseconds from the moment that the
command leaves it.

Measured ${date} on a machine with ${machine}, on which the nodes run as well${load > quietLoad ? `, and while other work ran on it (load ${load.toFixed(1)})` : ''}: ${timed.length} questions.

| | at most | median | worst | |
| --- | --- | --- | --- | --- |
${checks.join('\n')}

Where the time goes: \`queued\` is until a worker had begun, \`post\` is from the end of the run until the answer stood in the
thread; what is between them is what the report itself says (\`timing.phases\`), as it is drawn in the HTML report. Phases overlap.

| fault | ack | root | progress | verdict | queued | ${shown.join(' | ')} | post | |
| --- |${' --- |'.repeat(6 + shown.length)} --- |
${rows.join('\n')}
`;
}
