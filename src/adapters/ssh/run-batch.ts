import type { CommandResult } from '../../engine/ports.ts';
import type { Command } from '../../model/command.ts';
import { createDeadline } from '../../model/deadline.ts';
import type { Exit } from '../../model/evidence.ts';
import { createBatchOutput } from './batch-output.ts';
import { remoteBatchScript } from './remote-script.ts';
import { deadlineSeconds, exitAfter, newMark, type RunTarget, runCommand, runText, stoppedBy } from './run-command.ts';

/** Commands that one script runs at most; the others follow in the next one. */
const mostPerScript = 100;

interface Item {
  readonly command: Pick<Command, 'argv' | 'timeoutMs' | 'maxBytes'>;
  readonly sudo: boolean;
}

interface Waiting extends Item {
  readonly signal: AbortSignal;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: unknown) => void;
}

export interface Batch {
  /** As {@link runCommand}; commands that are asked for at the same time share a channel. */
  run(item: Item, signal: AbortSignal): Promise<CommandResult>;
}

/**
 * Runs commands that are asked for in one go (in the same tick) one after the other in one channel: a channel, a login
 * shell and a leash for each would cost the node ten times what most of them do. Each has its own bounds, counted from
 * its own start: one that breaks them ends the script, and those after it go on in another.
 */
export function createBatch(target: RunTarget): Batch {
  let waiting: Waiting[] = [];
  const flush = (): void => {
    const items = waiting;
    waiting = [];
    // Signals belong to runs; what one run cancels must not touch another.
    for (const group of grouped(items)) void runAll(target, group);
  };
  return {
    run: (item, signal) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ ...item, signal, resolve, reject });
      }),
  };
}

function grouped(items: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const groups = new Map<AbortSignal, Waiting[]>();
  for (const item of items) {
    const group = groups.get(item.signal);
    if (group) group.push(item);
    else groups.set(item.signal, [item]);
  }
  return [...groups.values()];
}

async function runAll(target: RunTarget, items: readonly Waiting[]): Promise<void> {
  let rest = items;
  try {
    while (rest.length > 0) {
      const [first, ...others] = rest;
      if (first !== undefined && others.length === 0) {
        first.resolve(await runCommand(target, first.command, first.sudo, { signal: first.signal }));
        return;
      }
      rest = [...(await runScript(target, rest.slice(0, mostPerScript))), ...rest.slice(mostPerScript)];
    }
  } catch {
    // One argv that no process can have must not hide what the others say: each is asked for by itself.
    for (const item of rest)
      runCommand(target, item.command, item.sudo, { signal: item.signal }).then(item.resolve, item.reject);
  }
}

/** Runs one script; resolves what came to an end in it, and returns the items that have still to be run. */
async function runScript(target: RunTarget, items: readonly Waiting[]): Promise<readonly Waiting[]> {
  const [first] = items;
  if (first === undefined) return [];
  const mark = newMark();
  const timeoutMs = items.reduce((sum, { command }) => sum + command.timeoutMs, 0);
  const text = remoteBatchScript({
    commands: items.map(({ command: { argv }, sudo }) => ({ argv, sudo })),
    deadlineSeconds: deadlineSeconds(timeoutMs),
    mark,
  });
  const breaking = createDeadline(null, first.signal);
  let current = 0;
  let currentSinceMs = Date.now();
  let broken: Exit | undefined;
  let timer: NodeJS.Timeout | undefined;
  const breakWith = (exit: Exit): void => {
    broken ??= exit;
    breaking.abort('cancelled');
  };
  const watch = (): void => {
    clearTimeout(timer);
    const limitMs = items[current]?.command.timeoutMs;
    if (limitMs !== undefined) timer = setTimeout(() => breakWith({ how: 'timedOut', afterMs: limitMs }), limitMs);
  };
  const output = createBatchOutput(
    mark,
    items.map(({ command }) => command.maxBytes),
    {
      onEnd: (index, { started, code, stdout, stderr }) => {
        const item = items[index];
        if (item === undefined) return;
        const nowMs = Date.now();
        item.resolve({
          exit: exitAfter(started, code, {
            where: target.where,
            tool: item.command.argv[0] ?? '',
            sudo: item.sudo,
            stdoutBytes: stdout.length,
            stderr,
          }),
          stdout,
          stderr,
          startedAtMs: currentSinceMs,
          endedAtMs: nowMs,
        });
        current = index + 1;
        currentSinceMs = nowMs;
        watch();
      },
      onOverflow: (keptBytes) => breakWith({ how: 'tooMuchOutput', keptBytes }),
    },
  );
  const onTurn = (): void => {
    currentSinceMs = Date.now();
    watch();
  };
  const whole = await runText(
    target,
    { text, mark, tool: first.command.argv[0] ?? '', sudo: false, timeoutMs, maxBytes: null, onTurn },
    { signal: breaking.signal, onStdout: output.stdout, onStderr: output.stderr },
  );
  clearTimeout(timer);
  breaking.clear();
  const left = items.slice(current);
  const [cut, ...after] = left;
  if (cut === undefined) return [];
  const now = Date.now();
  const so = output.soFar(current);
  const resolveCut = (exit: Exit): void =>
    cut.resolve({ exit, stdout: so.stdout, stderr: so.stderr, startedAtMs: currentSinceMs, endedAtMs: now });
  const none = (item: Waiting, exit: Exit): void =>
    item.resolve({ exit, stdout: new Uint8Array(), stderr: new Uint8Array(), startedAtMs: now, endedAtMs: now });
  if (first.signal.aborted) {
    resolveCut(stoppedBy(first.signal));
    for (const item of after) none(item, stoppedBy(first.signal));
    return [];
  }
  if (broken !== undefined) {
    resolveCut(broken);
    return after;
  }
  // The script itself did not run, or the connection is gone: that holds for all that was still to come.
  if (whole.exit.how === 'notStarted' || whole.exit.how === 'connectionLost') {
    resolveCut(whole.exit);
    for (const item of after) none(item, whole.exit);
    return [];
  }
  // Somebody killed the script on the node, or the node's shell gave up in the middle.
  resolveCut(whole.exit.how === 'exited' ? { how: 'signalled', signal: 'KILL' } : whole.exit);
  return after;
}
