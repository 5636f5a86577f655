import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AuditRecord } from '../../model/audit-log-record.ts';
import { NetcheckError } from '../../model/errors.ts';
import { redactSecrets } from './redact.ts';

export interface AuditLog {
  /**
   * Resolves when the line is on the disk (`ran`: when the kernel has it, which outlives this process). Rejects with
   * `fault/internal` where it cannot be written now: the line is kept (the newest {@link maxWaitingBytes}), and written
   * when there is room again.
   */
  append(record: AuditRecord): Promise<void>;
  /** Tries once more to write what waits. Never rejects. */
  close(): Promise<void>;
}

/** What is kept of what people typed and of a word of an argv, characters. Our own longest script is half of this. */
const maxTextChars = 8192;
const maxNodes = 500;
/** Of lines that wait for a disk that is full or read-only. */
const maxWaitingBytes = 4 * 1024 * 1024;
const tryAgainMs = 1000;

/**
 * The append-only audit log: one JSON object per line, mode 600, flushed line by line. Any number of processes may
 * append to one file: each line is one write(2) on an O_APPEND descriptor, which Linux does not interleave on local
 * file systems. The file is opened for every line, so that it may be rotated by renaming.
 */
export function createAuditLog(path: string): AuditLog {
  const waiting: Line[] = [];
  let timer: NodeJS.Timeout | undefined;
  let draining: Promise<void> | undefined;

  const keep = (line: Line): void => {
    waiting.push(line);
    let bytes = waiting.reduce((sum, { text }) => sum + text.length, 0);
    while (bytes > maxWaitingBytes && waiting.length > 1) bytes -= waiting.shift()?.text.length ?? 0;
  };
  const drain = (): Promise<void> => {
    clearTimeout(timer);
    draining ??= writeInOrder().finally(() => {
      draining = undefined;
      tryAgain();
    });
    return draining;
  };
  const tryAgain = (): void => {
    clearTimeout(timer);
    if (waiting.length > 0) timer = setTimeout(() => void drain().catch(() => undefined), tryAgainMs).unref();
  };
  const writeInOrder = async (): Promise<void> => {
    for (let line = waiting[0]; line !== undefined; line = waiting[0]) {
      await write(path, line);
      if (waiting[0] === line) waiting.shift();
    }
  };

  return {
    async append(record) {
      const line = { text: `${JSON.stringify(bounded(record))}\n`, isDurable: record.event !== 'ran' };
      try {
        if (waiting.length === 0) {
          await write(path, line).catch((error: unknown) => {
            keep(line);
            throw error;
          });
          return;
        }
        keep(line);
        await drain();
      } catch (cause) {
        tryAgain();
        throw new NetcheckError(
          'fault/internal',
          `The audit log ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
          'Make room there, or correct its path or its permissions.',
          { cause },
        );
      }
    },
    async close() {
      await drain().catch(() => undefined);
      clearTimeout(timer);
    },
  };
}

interface Line {
  readonly text: string;
  /** Flushed to the disk before it counts as written. */
  readonly isDurable: boolean;
}

async function write(path: string, { text, isDurable }: Line): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
  try {
    // After a full disk a torn line may stand at the end; ours must not be glued to it.
    const bytes = Buffer.from((await endsInsideLine(file)) ? `\n${text}` : text);
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten !== bytes.length) throw new Error('no space is left on the device');
    if (isDurable) await file.datasync();
  } finally {
    await file.close();
  }
}

/** Redacted and cut, whatever came in. */
function bounded(record: AuditRecord): AuditRecord {
  switch (record.event) {
    case 'started':
      return { ...record, text: clean(record.text), ...firstNodes(record) };
    case 'ended':
      return {
        ...record,
        text: clean(record.text),
        ...firstNodes(record),
        ...(record.headline === undefined ? {} : { headline: clean(record.headline) }),
      };
    case 'ran':
      return {
        ...record,
        ...(record.unreachable === undefined ? {} : { unreachable: clean(record.unreachable) }),
        commands: record.commands.map((command) => ({ ...command, argv: command.argv.map(clean) })),
      };
    case 'refused':
      return { ...record, text: clean(record.text), why: clean(record.why) };
    case 'pressed':
      return record;
    case 'changed':
      return { ...record, command: clean(record.command) };
  }
}

function firstNodes({ nodes }: { readonly nodes: readonly string[] }): { nodes: string[]; moreNodes?: number } {
  const more = nodes.length - maxNodes;
  return more > 0 ? { nodes: nodes.slice(0, maxNodes), moreNodes: more } : { nodes: [...nodes] };
}

function clean(text: string): string {
  const cut = text.length > maxTextChars ? `${text.slice(0, maxTextChars)}… (${text.length} characters)` : text;
  return Buffer.from(redactSecrets(Buffer.from(cut)).bytes).toString('utf8');
}

async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
