import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

/** How a netcheck process ended, and everything that it printed. */
export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface ProcessOptions {
  readonly cwd?: string;
  /** On top of a small environment: nothing of the developer's own (agent, tokens, colours) gets in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Ended with SIGKILL after so long; its status is then null. Default 30 s. */
  readonly withinMs?: number;
}

/** A netcheck process that goes on. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything on stderr so far. */
  said(): string;
  /** Resolves when stderr has it, now or later. Rejects when the process ends before, or after 40 s. */
  says(words: string | RegExp): Promise<void>;
  readonly finished: Promise<Finished>;
  /** Sends the signal and waits for the end; SIGKILL where that takes too long. */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

/** The compiled command line in a folder of its own, so that no test depends on (or disturbs) dist/. */
export interface BuiltNetcheck {
  readonly cli: string;
  run(args: readonly string[], options?: ProcessOptions): Promise<Finished>;
  start(args: readonly string[], options?: ProcessOptions): Running;
  /** Ends what still runs and removes the folder. */
  remove(): Promise<void>;
}

/** Compiles src/ as `npm run build` does. What does not compile is the type check's business: files are written anyway. */
export async function buildNetcheck(): Promise<BuiltNetcheck> {
  const folder = await mkdtemp(path.join(tmpdir(), 'netcheck-built-'));
  const cli = path.join(folder, 'dist', 'cli.js');
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = ['-p', path.join(root, 'tsconfig.build.json'), '--outDir', path.dirname(cli), '--sourceMap', 'false'];
  const output = await said(process.execPath, [compiler, ...args, '--noEmitOnError', 'false'], folder);
  if (!existsSync(cli)) {
    await rm(folder, { recursive: true });
    throw new Error(`src/ was not compiled:\n${output}`);
  }
  for (const name of ['playbooks', 'fonts', 'node_modules', 'package.json', 'docs'])
    await symlink(path.join(root, name), path.join(folder, name));
  const bundled = await said('npm', ['run', '--silent', 'bundle', '--prefix', folder], folder);
  if (bundled !== '') throw new Error(`netcheck pcap was not bundled:\n${bundled}`);
  return netcheckAt(cli, () => rm(folder, { recursive: true, force: true }));
}

/** One that somebody else has compiled. */
export function netcheckAt(cli: string, clear: () => Promise<void> = async () => undefined): BuiltNetcheck {
  const running = new Set<Running>();
  const start = (words: readonly string[], options: ProcessOptions = {}): Running => {
    const one = startProcess(process.execPath, [cli, ...words], options);
    running.add(one);
    void one.finished.then(() => running.delete(one));
    return one;
  };
  return {
    cli,
    start,
    run: (words, options) => start(words, options).finished,
    async remove() {
      await Promise.all([...running].map((one) => one.stop('SIGKILL')));
      await clear();
    },
  };
}

function startProcess(file: string, args: readonly string[], options: ProcessOptions): Running {
  const startedAtMs = performance.now();
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: options.cwd ?? tmpdir(),
      TZ: 'UTC',
      LANG: 'C.UTF-8',
      ...options.env,
    },
    stdio: 'pipe',
  });
  const text = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
      for (const listener of listeners) listener();
    });
  }
  // A process that ends without reading its input is no fault of the test.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  const patience = setTimeout(() => child.kill('SIGKILL'), options.withinMs ?? 30_000);
  const finished = once(child, 'close').then(([status, signal]: unknown[]): Finished => {
    clearTimeout(patience);
    return {
      status: typeof status === 'number' ? status : null,
      signal: (signal ?? null) as NodeJS.Signals | null,
      ...text,
      tookMs: performance.now() - startedAtMs,
    };
  });
  return {
    pid: child.pid ?? 0,
    child,
    said: () => text.stderr,
    says: (words) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof words === 'string' ? !text.stderr.includes(words) : !words.test(text.stderr)) return;
          settle();
          resolve();
        };
        const fail = (why: string): void => {
          settle();
          reject(new Error(`${why} before it said ${String(words)}; it said:\n${text.stderr}`));
        };
        const timer = setTimeout(() => fail('40 s went by'), 40_000);
        const settle = (): void => {
          clearTimeout(timer);
          listeners.delete(look);
        };
        listeners.add(look);
        void finished.then(({ status, signal }) => fail(`the process ended (${status ?? signal})`));
        look();
      }),
    finished,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const result = await finished;
      clearTimeout(late);
      return result;
    },
  };
}

/** Most memory that the process ever held, bytes (VmHWM of proc(5)). 0 where it is gone. */
export function peakMemoryBytes(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Runs a command to its end and gives what it printed, whatever its exit status. */
function said(file: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
