import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CommandResult, NodeConnection, NodeTransport, RunOptions } from '../../src/engine/ports.ts';
import type { Command } from '../../src/model/command.ts';
import type { InventoryNode } from '../../src/model/inventory.ts';

// Bounds for a busy machine; nothing here measures time.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** What the contract runs on. */
export interface TransportBench {
  readonly transport: NodeTransport;
  readonly node: InventoryNode;
  /** A node on which nothing answers. */
  readonly nodeThatIsDown: InventoryNode;
  /** Cuts every open connection to `node`; a new one must work again. */
  cut(): void | Promise<void>;
  stop(): Promise<void>;
}

/** The commands of the contract; a scripted transport has to be told their answers. */
export const contractCommands = {
  speaks: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
  allBytes: ['sh', '-c', String.raw`i=0; while [ $i -lt 256 ]; do printf "\\$(printf %o $i)"; i=$((i+1)); done`],
  arguments: [
    'printf',
    '%s|',
    'a b',
    "it's",
    '$HOME',
    '`id`',
    '"q"',
    String.raw`\n`,
    'a\nb',
    '*',
    '~',
    'é',
    '!!',
    '',
    '-n',
  ],
  readyThenHangs: ['sh', '-c', 'echo ready; sleep 87654'],
  endless: ['sh', '-c', 'while :; do echo 0123456789; done'],
  long: ['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done'],
  missing: ['netcheck-no-such-tool', '--version'],
} as const satisfies Record<string, readonly string[]>;

export const contractAnswers = {
  allBytes: Uint8Array.from({ length: 256 }, (_, byte) => byte),
  arguments: `${contractCommands.arguments.slice(2).join('|')}|`,
  long: Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join(''),
} as const;

/** What every NodeTransport promises (engine/ports.ts), as tests. */
export function transportContract(name: string, start: () => Promise<TransportBench>): void {
  describe(`transport contract: ${name}`, () => {
    let bench: TransportBench;
    const open: NodeConnection[] = [];

    beforeAll(async () => {
      bench = await start();
    });
    afterAll(async () => {
      await Promise.all(open.map((connection) => connection.close()));
      await bench.transport.close();
      await bench.stop();
    });

    const connect = async (): Promise<NodeConnection> => {
      const result = await bench.transport.connect(bench.node, { signal: new AbortController().signal });
      if (!result.ok) throw new Error(result.exit.message);
      open.push(result.connection);
      return result.connection;
    };
    const run = async (
      argv: readonly string[],
      change: Partial<Omit<Command, 'argv'>> & Partial<RunOptions> = {},
    ): Promise<CommandResult> => {
      const connection = await connect();
      const { signal = new AbortController().signal, onStdout, onStderr, ...command } = change;
      return connection.run(
        { argv, privilege: 'none', timeoutMs: 20_000, maxBytes: 4 * 1024 * 1024, ...command },
        { signal, ...(onStdout ? { onStdout } : {}), ...(onStderr ? { onStderr } : {}) },
      );
    };
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

    it('gives the exit status and both streams apart', async () => {
      const before = Date.now();
      const result = await run(contractCommands.speaks);
      expect(result.exit).toEqual({ how: 'exited', code: 3 });
      expect(text(result.stdout)).toBe('out\n');
      expect(text(result.stderr)).toBe('err\n');
      expect(result.startedAtMs).toBeGreaterThanOrEqual(before);
      expect(result.endedAtMs).toBeGreaterThanOrEqual(result.startedAtMs);
    });

    it('keeps every byte as it is', async () => {
      const chunks: Uint8Array[] = [];
      const result = await run(contractCommands.allBytes, { onStdout: (chunk) => void chunks.push(chunk.slice()) });
      expect([...result.stdout]).toEqual([...contractAnswers.allBytes]);
      expect(Buffer.concat(chunks).equals(Buffer.from(contractAnswers.allBytes))).toBe(true);
    });

    it('hands arguments over as they are, with no shell in between', async () => {
      const result = await run(contractCommands.arguments);
      expect(result.exit).toEqual({ how: 'exited', code: 0 });
      expect(text(result.stdout)).toBe(contractAnswers.arguments);
    });

    it('holds the stream back until the consumer is ready, and loses nothing', async () => {
      let busy = 0;
      let mostBusy = 0;
      let received = '';
      const result = await run(contractCommands.long, {
        onStdout: async (chunk) => {
          busy += 1;
          mostBusy = Math.max(mostBusy, busy);
          await new Promise((resolve) => setImmediate(resolve));
          received += text(chunk);
          busy -= 1;
        },
      });
      expect(result.exit).toEqual({ how: 'exited', code: 0 });
      expect(mostBusy).toBe(1);
      expect(busy).toBe(0);
      expect(received === contractAnswers.long).toBe(true);
      expect(text(result.stdout) === contractAnswers.long).toBe(true);
    });

    it('keeps the bytes even where the consumer fails', async () => {
      const result = await run(contractCommands.long, { onStdout: () => Promise.reject(new Error('consumer')) });
      expect(result.exit).toEqual({ how: 'exited', code: 0 });
      expect(text(result.stdout) === contractAnswers.long).toBe(true);
    });

    it('stops a command that takes too long, and keeps what it had printed', async () => {
      const result = await run(contractCommands.readyThenHangs, { timeoutMs: 1500 });
      expect(result.exit).toEqual({ how: 'timedOut', afterMs: 1500 });
      expect(text(result.stdout)).toBe('ready\n');
    });

    it.each([
      ['enough', 'enough'],
      ['windowOver', 'windowOver'],
      ['the person pressed Cancel', 'cancelled'],
      [undefined, 'cancelled'],
    ])('stops on abort(%j) as "%s", and keeps what it had printed', async (reason, why) => {
      const controller = new AbortController();
      const result = await run(contractCommands.readyThenHangs, {
        signal: controller.signal,
        onStdout: () => controller.abort(reason),
      });
      expect(result.exit).toEqual({ how: 'stopped', why });
      expect(text(result.stdout)).toBe('ready\n');
    });

    it('sends nothing when it was aborted before', async () => {
      const result = await run(contractCommands.speaks, { signal: AbortSignal.abort('windowOver') });
      expect(result.exit).toEqual({ how: 'stopped', why: 'windowOver' });
      expect(result.stdout).toHaveLength(0);
    });

    it('stops a command that prints too much, and keeps exactly the first bytes', async () => {
      let received = 0;
      const result = await run(contractCommands.endless, {
        maxBytes: 1000,
        onStdout: (chunk) => void (received += chunk.length),
      });
      expect(result.exit).toEqual({ how: 'tooMuchOutput', keptBytes: 1000 });
      expect(text(result.stdout)).toBe('0123456789\n'.repeat(91).slice(0, 1000));
      expect(received).toBe(1000);
    });

    it('answers many commands at once, each with its own output', async () => {
      const results = await Promise.all(Array.from({ length: 12 }, () => run(contractCommands.speaks)));
      expect(results.map((result) => result.exit)).toEqual(
        Array.from({ length: 12 }, () => ({ how: 'exited', code: 3 })),
      );
      expect(new Set(results.map((result) => text(result.stdout)))).toEqual(new Set(['out\n']));
    });

    /** Commands that are asked for in one go on one connection. */
    const together = async (
      commands: readonly (readonly [readonly string[], Partial<Omit<Command, 'argv'>>?])[],
      signal: AbortSignal = new AbortController().signal,
    ): Promise<readonly CommandResult[]> => {
      const connection = await connect();
      return Promise.all(
        commands.map(([argv, change]) =>
          connection.run(
            { argv, privilege: 'none', timeoutMs: 20_000, maxBytes: 4 * 1024 * 1024, ...change },
            { signal },
          ),
        ),
      );
    };

    it('answers what is asked for in one go: to each its own bytes and status', async () => {
      const { speaks, allBytes, arguments: words, missing, long } = contractCommands;
      const results = await together([[speaks], [allBytes], [missing], [words], [long], [speaks]]);
      expect(results.map(({ exit }) => (exit.how === 'exited' ? exit.code : exit.how))).toEqual([
        3,
        0,
        'notStarted',
        0,
        0,
        3,
      ]);
      expect(results.map(({ stderr }) => text(stderr))).toEqual(['err\n', '', '', '', '', 'err\n']);
      expect(text(results[0]?.stdout ?? new Uint8Array())).toBe('out\n');
      expect([...(results[1]?.stdout ?? [])]).toEqual([...contractAnswers.allBytes]);
      expect(text(results[3]?.stdout ?? new Uint8Array())).toBe(contractAnswers.arguments);
      expect(text(results[4]?.stdout ?? new Uint8Array()) === contractAnswers.long).toBe(true);
      for (const { startedAtMs, endedAtMs } of results) expect(endedAtMs).toBeGreaterThanOrEqual(startedAtMs);
    });

    it('goes on after one that takes too long or prints too much', async () => {
      const { speaks, readyThenHangs, endless } = contractCommands;
      const results = await together([
        [speaks],
        [readyThenHangs, { timeoutMs: 1500 }],
        [speaks],
        [endless, { maxBytes: 1000 }],
        [speaks],
      ]);
      expect(results.map(({ exit }) => exit)).toEqual([
        { how: 'exited', code: 3 },
        { how: 'timedOut', afterMs: 1500 },
        { how: 'exited', code: 3 },
        { how: 'tooMuchOutput', keptBytes: 1000 },
        { how: 'exited', code: 3 },
      ]);
      expect(text(results[1]?.stdout ?? new Uint8Array())).toBe('ready\n');
      expect(text(results[3]?.stdout ?? new Uint8Array())).toBe('0123456789\n'.repeat(91).slice(0, 1000));
    });

    it('counts the time of what was asked for in one go from when it begins, not from when it had to wait', async () => {
      const { speaks, readyThenHangs } = contractCommands;
      const others = Promise.all(
        Array.from({ length: 4 }, () => run(readyThenHangs, { timeoutMs: 2500, onStdout: () => undefined })),
      );
      const results = await together([
        [speaks, { timeoutMs: 1500 }],
        [speaks, { timeoutMs: 1500 }],
      ]);
      expect(results.map(({ exit }) => exit)).toEqual([
        { how: 'exited', code: 3 },
        { how: 'exited', code: 3 },
      ]);
      await others;
    });

    it('stops what was asked for in one go, and sends nothing of it when it was aborted before', async () => {
      const { speaks, readyThenHangs } = contractCommands;
      const aborted = await together([[speaks], [speaks]], AbortSignal.abort('windowOver'));
      expect(aborted.map(({ exit }) => exit)).toEqual([
        { how: 'stopped', why: 'windowOver' },
        { how: 'stopped', why: 'windowOver' },
      ]);
      const controller = new AbortController();
      const running = together([[readyThenHangs], [speaks]], controller.signal);
      const other = await run(speaks);
      controller.abort('enough');
      expect((await running).map(({ exit }) => exit.how)).toEqual(['stopped', expect.stringMatching(/stopped|exited/)]);
      expect(other.exit).toEqual({ how: 'exited', code: 3 });
    });

    it('tells of every command that was asked for in one go when the connection is lost', async () => {
      const connection = await connect();
      const signal = new AbortController().signal;
      const bounds = { privilege: 'none', timeoutMs: 20_000, maxBytes: 1000 } as const;
      const { speaks, readyThenHangs } = contractCommands;
      let onReady = (): void => {};
      const ready = new Promise<void>((resolve) => (onReady = resolve));
      const running = Promise.all([
        ...[speaks, readyThenHangs, speaks].map((argv) => connection.run({ argv, ...bounds }, { signal })),
        connection.run({ argv: readyThenHangs, ...bounds }, { signal, onStdout: () => onReady() }),
      ]);
      await ready;
      await bench.cut();
      const results = await running;
      expect(results[1]?.exit.how).toBe('connectionLost');
      expect(results[3]?.exit.how).toBe('connectionLost');
      expect((await run(speaks)).exit).toEqual({ how: 'exited', code: 3 });
    });

    it('says that a tool is not there', async () => {
      const result = await run(contractCommands.missing);
      expect(result.exit).toMatchObject({ how: 'notStarted', why: 'toolMissing' });
      expect(JSON.stringify(result.exit)).toContain('netcheck-no-such-tool is not installed on ');
    });

    it('tells a lost connection apart from an exit, keeps the bytes, and connects anew', async () => {
      const connection = await connect();
      let onReady = (): void => {};
      const ready = new Promise<void>((resolve) => (onReady = resolve));
      const running = connection.run(
        { argv: contractCommands.readyThenHangs, privilege: 'none', timeoutMs: 20_000, maxBytes: 1000 },
        { signal: new AbortController().signal, onStdout: () => onReady() },
      );
      await ready;
      await bench.cut();
      const result = await running;
      expect(result.exit.how).toBe('connectionLost');
      expect(text(result.stdout)).toBe('ready\n');

      const after = await connection.run(
        { argv: contractCommands.speaks, privilege: 'none', timeoutMs: 5000, maxBytes: 1000 },
        { signal: new AbortController().signal },
      );
      expect(after.exit.how).toBe('connectionLost');
      expect((await run(contractCommands.speaks)).exit).toEqual({ how: 'exited', code: 3 });
    });

    it('resolves to the reason where a node cannot be reached', async () => {
      const result = await bench.transport.connect(bench.nodeThatIsDown, { signal: new AbortController().signal });
      expect(result).toMatchObject({ ok: false, exit: { how: 'notStarted', why: 'unreachable' } });
      if (!result.ok) expect(result.exit.message).toContain(bench.nodeThatIsDown.name);
    });

    it('gives up connecting when it is aborted', async () => {
      const result = await bench.transport.connect(bench.node, { signal: AbortSignal.abort('cancelled') });
      expect(result).toMatchObject({ ok: false, exit: { how: 'notStarted', why: 'budget' } });
    });

    it('takes close() more than once', async () => {
      const connection = await connect();
      await connection.close();
      await connection.close();
      expect((await run(contractCommands.speaks)).exit).toEqual({ how: 'exited', code: 3 });
    });
  });
}
