import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type { CommandResult, RunOptions } from '../../engine/ports.ts';
import type { Command } from '../../model/command.ts';
import { createDeadline } from '../../model/deadline.ts';
import type { Exit } from '../../model/evidence.ts';
import type { Gate } from './gate.ts';
import { createKeptBytes, type KeptBytes } from './kept-bytes.ts';
import { loginCommand, remoteScript, splitAtMark, type StartState } from './remote-script.ts';
import { readSudoRefusal } from './sudo-refusal.ts';

/** How long a stopped command may take to end: the node sends SIGKILL after one second. */
const graceMs = 3000;

/** Where not even the login shell has answered, there is nothing to wait for. */
const graceUnstartedMs = 500;

const remoteSlackSeconds = 3;

/** A channel whose command has ended, but which something else on the node still holds open, is given up. */
const idleAfterExitMs = 2000;

/** Bytes of a login shell's start-up noise that are looked through for the mark. */
const maxNoiseBytes = 64 * 1024;

/** sshd frees a session late; a refused channel is asked for again (MaxSessions, reason 2 of RFC 4254, 5.1). */
const channelRetryMs = [50, 100, 200, 400, 800, 1600];

export interface RunTarget {
  readonly client: Client;
  readonly lost: AbortSignal;
  /** Bounds channels in use on this connection. */
  readonly channels: Gate;
  /** `node-12 (10.0.0.12:22)`, for messages. */
  readonly where: string;
  /** Called whenever the node has opened a channel. */
  readonly onOpened?: (() => void) | undefined;
}

/** What is sent to the node's shell, and within which bounds. */
export interface RemoteText {
  readonly text: string;
  readonly mark: string;
  /** Named in messages. */
  readonly tool: string;
  readonly sudo: boolean;
  readonly timeoutMs: number;
  /** Called when a channel is free for it: time that it waits before is not its own. */
  readonly onTurn?: () => void;
  /** Bytes kept of each stream; null: none, a consumer takes them. */
  readonly maxBytes: number | null;
}

type Stop = Extract<Exit, { how: 'stopped' | 'timedOut' | 'tooMuchOutput' }>;

/**
 * Runs one command over an open connection. Rejects only with `fault/internal`, for an argv that no process can have.
 *
 * Bytes are kept whole up to `maxBytes` on each stream. A consumer (`onStdout`) that fails is not called again; the
 * bytes are still kept.
 */
export async function runCommand(
  target: RunTarget,
  command: Pick<Command, 'argv' | 'timeoutMs' | 'maxBytes'>,
  sudo: boolean,
  options: RunOptions,
): Promise<CommandResult> {
  const { argv, timeoutMs, maxBytes } = command;
  const mark = newMark();
  const text = remoteScript({ argv, sudo, deadlineSeconds: deadlineSeconds(timeoutMs), mark });
  return await runText(target, { text, mark, tool: argv[0] ?? '', sudo, timeoutMs, maxBytes }, options);
}

/** A random word without shell meaning. */
export function newMark(): string {
  return `netcheck-${randomBytes(8).toString('hex')}`;
}

/** The node's own timer starts later than ours and must not beat it. */
export function deadlineSeconds(timeoutMs: number): number {
  return timeoutMs / 1000 + remoteSlackSeconds;
}

/** Runs a script of {@link remoteScript} or its kind; see {@link runCommand}. */
export async function runText(target: RunTarget, script: RemoteText, options: RunOptions): Promise<CommandResult> {
  const nothing = (exit: Exit): CommandResult => {
    const now = Date.now();
    return { exit, stdout: new Uint8Array(), stderr: new Uint8Array(), startedAtMs: now, endedAtMs: now };
  };
  const waiting = createDeadline(null, options.signal, target.lost);
  let leave: () => void;
  try {
    leave = await target.channels.enter(waiting.signal);
  } catch {
    waiting.clear();
    return nothing(options.signal.aborted ? stoppedBy(options.signal) : lostBefore(target));
  }
  const startedAtMs = Date.now();
  script.onTurn?.();
  const deadline = createDeadline(script.timeoutMs, waiting.signal);
  try {
    const opened = await openChannel(target, deadline.signal);
    if (!opened.ok) {
      if (options.signal.aborted) return nothing(stoppedBy(options.signal));
      if (target.lost.aborted) return nothing(lostBefore(target));
      return { ...nothing(opened.exit), startedAtMs };
    }
    return await converse(target, opened.channel, script, options, startedAtMs);
  } finally {
    deadline.clear();
    waiting.clear();
    leave();
  }
}

/** The abort reasons of the engine become the way the command was stopped; everything else is a cancellation. */
export function stoppedBy(signal: AbortSignal): Extract<Exit, { how: 'stopped' }> {
  const why: unknown = signal.reason;
  return { how: 'stopped', why: why === 'enough' || why === 'windowOver' ? why : 'cancelled' };
}

function lostBefore(target: RunTarget): Exit {
  return {
    how: 'connectionLost',
    message: `The connection to ${target.where} was lost before the command was sent: ${reasonOf(target.lost)}.`,
  };
}

function reasonOf(lost: AbortSignal): string {
  return typeof lost.reason === 'string' ? lost.reason : 'no reason given';
}

type Opened =
  | { readonly ok: true; readonly channel: ClientChannel }
  | { readonly ok: false; readonly exit: Extract<Exit, { how: 'notStarted' }> };

async function openChannel(target: RunTarget, deadline: AbortSignal): Promise<Opened> {
  for (const retryMs of [...channelRetryMs, undefined]) {
    try {
      const channel = await requestExec(target.client, deadline);
      target.onOpened?.();
      return { ok: true, channel };
    } catch (error) {
      if (deadline.aborted) break;
      const refused = error instanceof Error && 'reason' in error && error.reason === 2;
      if (!refused || retryMs === undefined) {
        const said = error instanceof Error ? error.message : String(error);
        return {
          ok: false,
          exit: {
            how: 'notStarted',
            why: 'channel',
            message: `${target.where} opened no channel for the command (${said}): check MaxSessions, ForceCommand and the login shell of the account.`,
          },
        };
      }
      // An abort ends the wait; the next request then fails at once.
      await sleep(retryMs * (0.5 + Math.random()), undefined, { signal: deadline }).catch(() => {});
    }
  }
  return {
    ok: false,
    exit: {
      how: 'notStarted',
      why: 'timeout',
      message: `${target.where} did not open a channel in time: check its load.`,
    },
  };
}

function requestExec(client: Client, deadline: AbortSignal): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    if (deadline.aborted) {
      reject(new Error('too late'));
      return;
    }
    const giveUp = (): void => reject(new Error('too late'));
    deadline.addEventListener('abort', giveUp, { once: true });
    try {
      client.exec(loginCommand, (error, channel) => {
        deadline.removeEventListener('abort', giveUp);
        if (error) {
          reject(error);
          return;
        }
        if (deadline.aborted) {
          // Nobody waits for it any more, and nothing was sent to it.
          channel.on('error', () => {});
          channel.resume();
          channel.stderr.resume();
          channel.end();
          channel.close();
          return;
        }
        resolve(channel);
      });
    } catch (error) {
      deadline.removeEventListener('abort', giveUp);
      reject(error);
    }
  });
}

/** Sends the script, collects, stops in time, and says how it ended. */
function converse(
  target: RunTarget,
  channel: ClientChannel,
  script: RemoteText,
  options: RunOptions,
  startedAtMs: number,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const stdout = createKeptBytes(script.maxBytes ?? 0);
    const stderr = createKeptBytes(script.maxBytes ?? 0);
    const keep = (kept: KeptBytes, chunk: Buffer): Buffer => (script.maxBytes === null ? chunk : kept.add(chunk));
    let started: StartState | undefined;
    let noise = '';
    let stop: Stop | undefined;
    let ended: { readonly code: number | null; readonly signal: string | undefined } | undefined;
    let consumer = options.onStdout;
    let held = false;
    let closed = false;
    let finished = false;
    let graceTimer: NodeJS.Timeout | undefined;
    let idleTimer: NodeJS.Timeout | undefined;
    let lossTimer: NodeJS.Timeout | undefined;

    const halt = (why: Stop): void => {
      if (stop || finished) return;
      stop = why;
      // The leash: the end of its standard input makes the script kill the command.
      channel.end();
      graceTimer = setTimeout(finish, started === undefined ? graceUnstartedMs : graceMs);
      watchIdle();
    };
    const keepingStopped = (): Stop => ({ how: 'tooMuchOutput', keptBytes: stdout.length + stderr.length });

    const release = (): void => {
      held = false;
      if (closed) finish();
      else channel.resume();
    };
    const takeStdout = (chunk: Buffer): void => {
      const kept = keep(stdout, chunk);
      if (kept.length > 0 && consumer) {
        try {
          const busy = consumer(kept);
          if (busy) {
            held = true;
            channel.pause();
            busy.catch(() => (consumer = undefined)).finally(release);
          }
        } catch {
          consumer = undefined;
        }
      }
      if (stdout.overflowed) halt(keepingStopped());
    };
    const takeStderr = (chunk: Buffer): void => {
      const kept = keep(stderr, chunk);
      if (kept.length > 0) {
        try {
          options.onStderr?.(kept);
        } catch {
          // The bytes are kept all the same.
        }
      }
      if (stderr.overflowed) halt(keepingStopped());
    };

    const afterMark = (take: (chunk: Buffer) => void): ((chunk: Buffer) => void) => {
      let head: Buffer | undefined = Buffer.alloc(0);
      return (chunk) => {
        watchIdle();
        if (head === undefined) {
          take(chunk);
          return;
        }
        head = Buffer.concat([head, chunk]);
        const split = splitAtMark(head, script.mark);
        if (split) {
          head = undefined;
          started ??= split.state;
          if (split.after.length > 0) take(split.after);
          return;
        }
        noise ||= firstPrintableLine(head);
        if (head.length > maxNoiseBytes) head = head.subarray(-script.mark.length - 32);
      };
    };

    /** Once the command has ended, or was stopped, a silent channel is only held open by something left behind. */
    const watchIdle = (): void => {
      if (!ended || finished) return;
      clearTimeout(idleTimer);
      idleTimer = setTimeout(() => (held ? watchIdle() : finish()), stop ? 300 : idleAfterExitMs);
    };

    const finish = (): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      clearTimeout(graceTimer);
      clearTimeout(idleTimer);
      clearTimeout(lossTimer);
      options.signal.removeEventListener('abort', onAbort);
      target.lost.removeEventListener('abort', onLost);
      // What has arrived but was held back still counts as evidence; reading hands it to the listeners.
      consumer = undefined;
      drain(channel);
      drain(channel.stderr);
      channel.removeAllListeners('data');
      channel.stderr.removeAllListeners('data');
      channel.resume();
      channel.stderr.resume();
      if (!closed) {
        channel.end();
        channel.close();
      }
      resolve({
        exit: stop ? exitOfStopped(stop) : exitOf(),
        stdout: stdout.whole(),
        stderr: stderr.whole(),
        startedAtMs,
        endedAtMs: Date.now(),
      });
    };

    const exitOfStopped = (why: Stop): Exit => {
      if (why.how === 'tooMuchOutput') return keepingStopped();
      if (why.how === 'timedOut' && started === undefined) {
        return {
          how: 'notStarted',
          why: 'timeout',
          message: `The login shell of the account on ${target.where} did not start within ${script.timeoutMs / 1000} s${quoteNoise()}: check its start-up files, home directory and the node's load.`,
        };
      }
      return why;
    };
    const quoteNoise = (): string => (noise === '' ? '' : ` (it said: ${noise})`);

    const exitOf = (): Exit => {
      const { where } = target;
      const { tool, sudo } = script;
      if (started === 'nosudo' || started === 'missing') return exitAfter(started, 127, { where, tool, sudo });
      if (!ended || (ended.code === null && ended.signal === undefined)) {
        return {
          how: 'connectionLost',
          message: `The connection to ${where} was lost while ${tool} ran: ${target.lost.aborted ? reasonOf(target.lost) : 'the channel was cut'}.`,
        };
      }
      if (started === undefined) {
        return {
          how: 'notStarted',
          why: 'channel',
          message: `The login shell of the account on ${where} did not run /bin/sh${quoteNoise()}: give the account a usual shell.`,
        };
      }
      if (ended.code === null) return { how: 'signalled', signal: ended.signal ?? '' };
      return exitAfter(started, ended.code, { where, tool, sudo, stdoutBytes: stdout.length, stderr: stderr.whole() });
    };

    const onAbort = (): void => halt(stoppedBy(options.signal));
    const onLost = (): void => {
      // ssh2 closes the channel itself once what had arrived is read; this is for when it does not.
      lossTimer = setTimeout(finish, 500);
    };
    const timer = setTimeout(
      () => halt({ how: 'timedOut', afterMs: script.timeoutMs }),
      Math.max(1, startedAtMs + script.timeoutMs - Date.now()),
    );

    channel.on('error', () => {});
    channel.stderr.on('error', () => {});
    channel.on('data', afterMark(takeStdout));
    channel.stderr.on('data', afterMark(takeStderr));
    channel.on('exit', (code: number | null, signal?: string) => {
      ended = { code, signal };
      watchIdle();
    });
    channel.on('close', (code: number | null | undefined, signal?: string) => {
      ended ??= { code: code ?? null, signal };
      closed = true;
      // The consumer's last promise is waited for, unless the command was stopped.
      if (!held || stop) finish();
    });
    options.signal.addEventListener('abort', onAbort, { once: true });
    target.lost.addEventListener('abort', onLost, { once: true });
    if (options.signal.aborted) onAbort();
    else channel.write(script.text);
  });
}

/** How a command ended that came as far as {@link StartState} says, with sudo's refusals told from its own status. */
export function exitAfter(
  started: StartState,
  code: number,
  about: {
    readonly where: string;
    readonly tool: string;
    readonly sudo: boolean;
    readonly stdoutBytes?: number;
    readonly stderr?: Uint8Array;
  },
): Exit {
  const { where, tool, sudo, stdoutBytes = 0, stderr = new Uint8Array() } = about;
  if (started === 'nosudo') {
    return {
      how: 'notStarted',
      why: 'sudo',
      message: `sudo is not installed on ${where}: install it, or log in as root.`,
    };
  }
  if (started === 'missing') {
    return { how: 'notStarted', why: 'toolMissing', message: `${tool} is not installed on ${where}.` };
  }
  const refusal = sudo ? readSudoRefusal(code, stdoutBytes, Buffer.from(stderr).toString('utf8')) : undefined;
  if (refusal && (refusal.refused === 'toolMissing' || started === 'unseen')) {
    return {
      how: 'notStarted',
      why: 'toolMissing',
      message: `${tool} is not installed on ${where} (${refusal.said}).`,
    };
  }
  if (refusal?.refused === 'sudo') {
    return {
      how: 'notStarted',
      why: 'sudo',
      message: `sudo on ${where} refused ${tool} (${refusal.said}): ${refusal.advice}.`,
    };
  }
  return { how: 'exited', code };
}

function drain(stream: Readable): void {
  while (stream.read() !== null);
}

/** What a login shell says instead of starting is shown to a person: one line of printable ASCII. */
function firstPrintableLine(bytes: Buffer): string {
  const line = bytes
    .toString('latin1')
    .split('\n')
    .map((each) => each.replaceAll(/[^\x20-\x7e]/g, '').trim())
    .find((each) => each !== '');
  return (line ?? '').slice(0, 120);
}
