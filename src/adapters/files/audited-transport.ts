import type { NodeTransport } from '../../engine/ports.ts';
import type { RanCommand } from '../../model/audit-log-record.ts';
import type { AuditLog } from './audit-log.ts';

export interface AuditedTransport extends NodeTransport {
  /** Resolves when everything that has ended is in the log. Never rejects. */
  readonly flush: () => Promise<void>;
}

/** What a process that is killed may lose of the log. */
const flushAfterMs = 250;
const maxCommandsPerLine = 50;

/**
 * The same nodes; every command that ends on one of them, and every login that fails, goes into the audit log. A log
 * that cannot be written does not keep anybody from an answer: `onTrouble` hears of it.
 *
 * @param run absent: what is done outside of runs
 */
export function auditedTransport(
  transport: NodeTransport,
  log: Pick<AuditLog, 'append'>,
  { run, onTrouble }: { readonly run?: string | undefined; readonly onTrouble: (error: unknown) => void },
): AuditedTransport {
  let waiting = new Map<string, { commands: RanCommand[]; unreachable?: string }>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const note = (node: string): { commands: RanCommand[]; unreachable?: string } => {
    const noted = waiting.get(node) ?? { commands: [] };
    waiting.set(node, noted);
    timer ??= setTimeout(() => void flush(), flushAfterMs).unref();
    return noted;
  };

  const write = async (batch: typeof waiting): Promise<void> => {
    for (const [node, { commands, unreachable }] of batch) {
      for (let first = 0; first === 0 || first < commands.length; first += maxCommandsPerLine) {
        await log.append({
          event: 'ran',
          atMs: Date.now(),
          ...(run === undefined ? {} : { run }),
          node,
          commands: commands.slice(first, first + maxCommandsPerLine),
          ...(unreachable === undefined ? {} : { unreachable }),
        });
      }
    }
  };

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = new Map();
    writing = writing.then(() => write(batch)).catch(onTrouble);
    return writing;
  };

  return {
    async connect(node, options) {
      const connected = await transport.connect(node, options);
      if (!connected.ok) {
        note(node.name).unreachable = connected.exit.message;
        return connected;
      }
      const { connection } = connected;
      return {
        ok: true,
        connection: {
          // Not async: commands of one moment travel together, and an await would part them.
          run: (command, runOptions) =>
            connection.run(command, runOptions).then((result) => {
              note(node.name).commands.push({
                argv: [...command.argv],
                privilege: command.privilege,
                exit: result.exit,
                startedAtMs: result.startedAtMs,
                tookMs: Math.max(0, result.endedAtMs - result.startedAtMs),
                bytes: result.stdout.length + result.stderr.length,
              });
              return result;
            }),
          close: () => connection.close(),
        },
      };
    },
    flush,
    async close() {
      await flush();
      await transport.close();
    },
  };
}
