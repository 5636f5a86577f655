import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, constants, lstatSync, openSync, readFileSync } from 'node:fs';
import { access, chmod, lstat, mkdir, realpath, stat, truncate } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NetcheckError } from '../../model/errors.ts';

/** A redis-server of our own behind a unix socket, shared by all netcheck processes with the same data directory. */
export interface PrivateRedis {
  /** Path of its unix socket. */
  readonly socket: string;
  /** Starts it again where it is gone (crashed, killed). Rejects with `queue/no-redis` or `queue/down`. */
  ensure(): Promise<void>;
  /** Lets go of it. The last process that lets go ends it, and waits until it is gone. */
  close(): Promise<void>;
}

/**
 * The process between us and Redis. It takes the lock, starts Redis, and ends it when the last writer of the FIFO on
 * fd 3 is gone. Every netcheck process that uses this Redis holds the FIFO open for writing, and the kernel closes
 * that on any kind of exit, SIGKILL included: so the last one out ends Redis, and no Redis outlives its users.
 * Redis inherits the lock on fd 9: as long as it lives nobody starts a second one on the same append-only file.
 */
const keeper = `
exec 9>"$1"
flock -n 9 || exit 0
shift
"$@" 3<&- &
redis=$!
( while read -r line; do :; done; kill -TERM "$redis"; kill -CONT "$redis" ) <&3 9>&- 2>/dev/null &
watcher=$!
exec 3<&-
trap 'kill -TERM "$redis"' TERM INT HUP
wait "$redis"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`;

/** sun_path holds 108 bytes with the closing NUL (unix(7)). */
const maxSocketPathBytes = 107;
const maxLogBytes = 1024 * 1024;

/**
 * Opens the private Redis of a data directory: joins the running one, or starts `redis-server` (else `valkey-server`)
 * from PATH with an append-only file in `<dataDir>/redis`, `noeviction`, a unix socket in a directory of mode 700 and
 * no TCP port. Resolves when it answers PING.
 *
 * @param dataDir    where netcheck keeps what must outlive it; created where it is missing
 * @param options    `path`: the PATH to look in. `startWithinMs`: how long a start may take (loading a big file)
 * @throws NetcheckError `queue/no-redis` (no binary), `queue/down` (it does not come up), `config/invalid` (directory)
 */
export async function openPrivateRedis(
  dataDir: string,
  options: { readonly path?: string; readonly startWithinMs?: number } = {},
): Promise<PrivateRedis> {
  const binary = await findServer(options.path ?? process.env['PATH'] ?? '');
  const directory = await prepareDirectory(dataDir);
  const socket = await socketPath(directory);
  const startWithinMs = options.startWithinMs ?? 20_000;
  const fifo = join(directory, 'alive');
  const logFile = join(directory, 'redis.log');

  let held: number | undefined;
  let closed = false;
  let ensuring: Promise<void> | undefined;
  /** How the keeper that we started last ended; `undefined` while it runs. */
  let ended: { readonly status: number } | undefined = { status: 0 };

  const holdOn = (): boolean => {
    const writer = openWriter(fifo);
    if (writer === undefined) return false;
    if (held === undefined) held = writer;
    else closeSync(writer);
    return true;
  };

  const start = async (): Promise<void> => {
    const size = await stat(logFile).then(
      (found) => found.size,
      () => 0,
    );
    if (size > maxLogBytes) await truncate(logFile);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const log = openSync(logFile, 'a', 0o600);
    let keeperReader: number | undefined;
    try {
      holdOn();
      // Without O_NONBLOCK, so that the keeper's reads wait. Does not block here: we are a writer by now.
      keeperReader = openSync(fifo, constants.O_RDONLY);
      ended = undefined;
      const child = spawn(
        'sh',
        ['-c', keeper, 'sh', join(directory, 'lock'), binary, ...serverOptions(directory, socket)],
        {
          detached: true,
          cwd: directory,
          stdio: ['ignore', log, log, keeperReader],
          env: { PATH: options.path ?? process.env['PATH'] ?? '', LC_ALL: 'C' },
        },
      );
      child.once('error', () => {
        ended = { status: 127 };
      });
      child.once('exit', (code) => {
        ended = { status: code ?? 1 };
      });
      child.unref();
    } finally {
      closeSync(reader);
      closeSync(log);
      if (keeperReader !== undefined) closeSync(keeperReader);
    }
  };

  const bringUp = async (): Promise<void> => {
    const deadline = Date.now() + startWithinMs;
    let starts = 0;
    for (;;) {
      if (closed) return;
      const kept = holdOn();
      const answer = await ask(socket, 'PING');
      if (kept && answer === 'PONG') return;
      if (!kept) {
        // Answers although nobody keeps it: its keeper was killed, and nothing would end it any more.
        if (answer === 'PONG') await ask(socket, 'SHUTDOWN');
        if (ended !== undefined) {
          if (starts > 0 && ended.status !== 0) throw notComingUp(directory, `exit status ${ended.status}`, logFile);
          if (starts > 0) await delay(100);
          starts += 1;
          await start();
        }
      }
      if (Date.now() > deadline) {
        throw notComingUp(directory, answer === undefined ? `no answer in ${startWithinMs} ms` : answer, logFile);
      }
      await delay(20);
    }
  };

  const ensure = (): Promise<void> => {
    ensuring ??= bringUp().finally(() => {
      ensuring = undefined;
    });
    return ensuring;
  };

  const letGo = (): void => {
    if (held !== undefined) closeSync(held);
    held = undefined;
  };

  try {
    await makeFifo(fifo);
    await ensure();
  } catch (error) {
    letGo();
    throw error;
  }

  return {
    socket,
    ensure,
    async close() {
      if (closed) return;
      closed = true;
      await ensuring?.catch(() => undefined);
      const probe = isAlone(await ask(socket, 'CLIENT LIST')) ? await openProbe(socket) : undefined;
      letGo();
      if (probe !== undefined) await closedWithin(probe, 5_000);
    },
  };
}

function serverOptions(directory: string, socket: string): string[] {
  return [
    ['--port', '0'],
    ['--unixsocket', socket],
    ['--unixsocketperm', '700'],
    ['--dir', directory],
    ['--appendonly', 'yes'],
    ['--appendfsync', 'everysec'],
    ['--save', ''],
    ['--maxmemory-policy', 'noeviction'],
    ['--daemonize', 'no'],
  ].flat();
}

async function findServer(path: string): Promise<string> {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const directory of path.split(delimiter)) {
      if (directory === '') continue;
      const candidate = join(directory, name);
      const usable = await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (usable) return candidate;
    }
  }
  throw new NetcheckError(
    'queue/no-redis',
    'REDIS_URL is not set, and neither redis-server nor valkey-server is in PATH.',
    'Install one (Debian, Ubuntu: apt-get install redis-server; RHEL, Fedora: dnf install valkey), or set REDIS_URL.',
  );
}

async function prepareDirectory(dataDir: string): Promise<string> {
  const directory = join(dataDir, 'redis');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    return await realpath(directory);
  } catch (cause) {
    throw new NetcheckError(
      'config/invalid',
      `The queue's directory ${directory} cannot be used: ${messageOf(cause)}.`,
      'Give netcheck a data directory that it may write to, or set REDIS_URL.',
      { cause },
    );
  }
}

/** Inside the data directory where its path fits into a socket address, else in a private directory below /tmp. */
async function socketPath(directory: string): Promise<string> {
  const inside = join(directory, 'redis.sock');
  if (Buffer.byteLength(inside) <= maxSocketPathBytes) return inside;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const outside = join(tmpdir(), `netcheck-${name}`);
  await mkdir(outside, { mode: 0o700 }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  const found = await lstat(outside);
  if (!found.isDirectory() || (found.mode & 0o077) !== 0 || found.uid !== process.getuid?.()) {
    throw new NetcheckError(
      'config/invalid',
      `${outside}, where the queue's socket would go, belongs to somebody else or is open to others.`,
      'Use a data directory with a shorter path (at most 80 characters), or remove that directory.',
    );
  }
  return join(outside, 'redis.sock');
}

async function makeFifo(fifo: string): Promise<void> {
  const isFifo = (): boolean => {
    try {
      return lstatSync(fifo).isFIFO();
    } catch {
      return false;
    }
  };
  if (isFifo()) return;
  await promisify(execFile)('mkfifo', ['-m', '600', fifo]).catch((cause: unknown) => {
    // Another process may have made it between the look and now.
    if (isFifo()) return;
    throw new NetcheckError(
      'config/invalid',
      `The FIFO ${fifo} cannot be made: ${messageOf(cause)}.`,
      'Put the data directory on a local file system, or set REDIS_URL.',
      { cause },
    );
  });
}

/** Undefined where nobody reads the FIFO: no keeper is there (fifo(7), ENXIO). */
function openWriter(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENXIO' || error.code === 'ENOENT'))
      return undefined;
    throw error;
  }
}

/** One inline command (https://redis.io/docs/latest/develop/reference/protocol-spec/, "Inline commands"). */
function ask(path: string, command: 'PING' | 'CLIENT LIST' | 'SHUTDOWN'): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    const finish = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('latin1');
    socket.setTimeout(1_000, () => finish(undefined));
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const bulk = /^\$(\d+)\r\n/.exec(text);
      if (bulk !== null) {
        const length = Number(bulk[1]);
        if (text.length >= bulk[0].length + length + 2) finish(text.slice(bulk[0].length, bulk[0].length + length));
      } else if (text.endsWith('\r\n')) {
        finish(text.slice(1, -2));
      }
    });
    socket.once('error', () => finish(undefined));
    socket.once('close', () => finish(undefined));
  });
}

/** Whether the asking connection is the only one in CLIENT LIST. */
function isAlone(clients: string | undefined): boolean {
  return clients !== undefined && clients.split('\n').filter((line) => line.startsWith('id=')).length <= 1;
}

/** A connection whose close tells that the server is gone. */
function openProbe(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

async function closedWithin(socket: Socket, withinMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, withinMs);
    socket.resume();
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  socket.destroy();
}

function notComingUp(directory: string, why: string, logFile: string): NetcheckError {
  return new NetcheckError(
    'queue/down',
    `The private Redis in ${directory} does not come up: ${lastLine(logFile) ?? why}.`,
    `Look into ${logFile}, or set REDIS_URL to a Redis that runs.`,
  );
}

function lastLine(logFile: string): string | undefined {
  try {
    const lines = readFileSync(logFile, 'utf8').trim().split('\n');
    return lines.at(-1)?.replace(/\.$/, '') || undefined;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
