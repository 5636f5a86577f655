import type { CommandResult, NodeConnection, NodeTransport, RunOptions } from '../../src/engine/ports.ts';
import type { Command } from '../../src/model/command.ts';
import type { Exit } from '../../src/model/evidence.ts';

type Bytes = string | Uint8Array;

/** Which commands a reply is for: an argv prefix, a text that the joined argv contains, or any other question. */
export type ArgvMatcher = readonly string[] | string | ((argv: readonly string[]) => boolean);

export interface ScriptedReply {
  /** In chunks, each handed to the consumer on its own. */
  readonly stdout?: Bytes | readonly Bytes[];
  readonly stderr?: Bytes | readonly Bytes[];
  /** Default: exited 0. */
  readonly exit?: Exit | number;
  /** Before the first byte. */
  readonly delayMs?: number;
  /** Prints what there is and then never ends by itself. */
  readonly hang?: boolean;
  /** Prints the same over and over until it is stopped. */
  readonly endless?: boolean;
  /** The connection is cut after the last byte. */
  readonly cut?: boolean;
}

export interface ScriptedNode {
  readonly name: string;
  /** The node cannot be used at all. */
  readonly down?: Extract<Exit, { how: 'notStarted' }>;
  /** The first match answers. What matches nothing is not installed. */
  readonly replies?: readonly (readonly [
    ArgvMatcher,
    ScriptedReply | ((argv: readonly string[], privilege: Command['privilege']) => ScriptedReply),
  ])[];
}

export interface ScriptedTransport extends NodeTransport {
  /** Every command that was sent, in order, with its end. */
  readonly ran: readonly {
    readonly node: string;
    readonly argv: readonly string[];
    readonly privilege: Command['privilege'];
    readonly exit: Exit;
  }[];
  /** Nodes that were connected to, in order. */
  readonly connected: readonly string[];
  /** Cuts all connections to a node. Later ones work again. */
  cut(node: string): void;
}

/** A NodeTransport without a network: what each node answers is written down. Keeps the transport's contract. */
export function createScriptedTransport(nodes: readonly ScriptedNode[]): ScriptedTransport {
  const ran: { node: string; argv: readonly string[]; privilege: Command['privilege']; exit: Exit }[] = [];
  const connected: string[] = [];
  const lines = new Map<string, AbortController>();

  return {
    ran,
    connected,
    cut(node) {
      lines.get(node)?.abort();
      lines.delete(node);
    },
    async connect(node, { signal }) {
      const script = nodes.find((each) => each.name === node.name);
      if (signal.aborted) {
        return { ok: false, exit: { how: 'notStarted', why: 'budget', message: `${node.name}: the run ended first.` } };
      }
      if (!script || script.down) {
        const exit = script?.down ?? {
          how: 'notStarted' as const,
          why: 'unreachable' as const,
          message: `${node.name} (${node.address}:${node.port}) is not in the script.`,
        };
        return { ok: false, exit };
      }
      connected.push(node.name);
      const line = lines.get(node.name) ?? new AbortController();
      lines.set(node.name, line);
      const connection: NodeConnection = {
        async run(command, options) {
          const result = await play(script, command, options, line);
          ran.push({ node: node.name, argv: command.argv, privilege: command.privilege, exit: result.exit });
          return result;
        },
        close: async () => {},
      };
      return { ok: true, connection };
    },
    close: async () => {},
  };
}

async function play(
  script: ScriptedNode,
  command: Pick<Command, 'argv' | 'privilege' | 'timeoutMs' | 'maxBytes'>,
  options: RunOptions,
  line: AbortController,
): Promise<CommandResult> {
  const startedAtMs = Date.now();
  const kept = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const done = (exit: Exit): CommandResult => ({
    exit,
    stdout: join(kept.stdout),
    stderr: join(kept.stderr),
    startedAtMs,
    endedAtMs: Date.now(),
  });
  const found = script.replies?.find(([matcher]) => matches(matcher, command.argv))?.[1];
  if (options.signal.aborted) return done(stopped(options.signal));
  if (line.signal.aborted) return done(lost(script));
  if (found === undefined) {
    return done({
      how: 'notStarted',
      why: 'toolMissing',
      message: `${command.argv[0] ?? ''} is not installed on ${script.name}.`,
    });
  }
  const reply = typeof found === 'function' ? found(command.argv, command.privilege) : found;

  const expired = new AbortController();
  const timer = setTimeout(() => expired.abort(), command.timeoutMs);
  const interrupted = AbortSignal.any([options.signal, line.signal, expired.signal]);
  const why = (): Exit => {
    if (options.signal.aborted) return stopped(options.signal);
    return line.signal.aborted ? lost(script) : { how: 'timedOut', afterMs: command.timeoutMs };
  };
  let consumer = options.onStdout;
  try {
    if (reply.delayMs !== undefined && !(await pause(reply.delayMs, interrupted))) return done(why());
    for (const chunk of chunksOf(reply.stderr)) {
      const fitting = take(kept.stderr, chunk, command.maxBytes);
      if (fitting.length > 0) options.onStderr?.(fitting);
      if (fitting.length < chunk.length) return done(tooMuch(kept));
    }
    do {
      for (const chunk of chunksOf(reply.stdout)) {
        if (interrupted.aborted) return done(why());
        const fitting = take(kept.stdout, chunk, command.maxBytes);
        try {
          if (fitting.length > 0) await consumer?.(fitting);
        } catch {
          consumer = undefined;
        }
        if (fitting.length < chunk.length) return done(tooMuch(kept));
      }
      if (reply.endless === true) await pause(0, interrupted);
    } while (reply.endless === true && !interrupted.aborted);
    if (reply.cut === true) {
      line.abort();
      return done(lost(script));
    }
    if (reply.hang === true || reply.endless === true) {
      await whenAborted(interrupted);
      return done(why());
    }
    if (interrupted.aborted) return done(why());
    return done(
      typeof reply.exit === 'number' ? { how: 'exited', code: reply.exit } : (reply.exit ?? { how: 'exited', code: 0 }),
    );
  } finally {
    clearTimeout(timer);
  }
}

function matches(matcher: ArgvMatcher, argv: readonly string[]): boolean {
  if (typeof matcher === 'function') return matcher(argv);
  if (typeof matcher === 'string') return argv.join(' ').includes(matcher);
  return matcher.every((word, index) => argv[index] === word);
}

function stopped(signal: AbortSignal): Exit {
  const why: unknown = signal.reason;
  return { how: 'stopped', why: why === 'enough' || why === 'windowOver' ? why : 'cancelled' };
}

function lost(script: ScriptedNode): Exit {
  return { how: 'connectionLost', message: `The connection to ${script.name} was lost: cut by the script.` };
}

function tooMuch(kept: { readonly stdout: readonly Uint8Array[]; readonly stderr: readonly Uint8Array[] }): Exit {
  return { how: 'tooMuchOutput', keptBytes: join(kept.stdout).length + join(kept.stderr).length };
}

function take(kept: Uint8Array[], chunk: Uint8Array, maxBytes: number): Uint8Array {
  const fitting = chunk.subarray(0, maxBytes - join(kept).length);
  if (fitting.length > 0) kept.push(fitting);
  return fitting;
}

function chunksOf(bytes: Bytes | readonly Bytes[] | undefined): Uint8Array[] {
  if (bytes === undefined) return [];
  const list = typeof bytes === 'string' || bytes instanceof Uint8Array ? [bytes] : bytes;
  return list.map((each) => (typeof each === 'string' ? new TextEncoder().encode(each) : each));
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

/** Resolves to false where it was interrupted. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const interrupt = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', interrupt);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', interrupt, { once: true });
  });
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
