import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AuditRecord } from '../../model/audit-log-record.ts';
import { NetcheckError } from '../../model/errors.ts';
import { redactSecrets } from './redact.ts';

export interface AuditLog {
  /**
   * Resolves when the line is on the disk (`ran`: when the kernel has it, which outlives this process). Rejects with
   * `fault/internal` where it cannot be written.
   */
  append(record: AuditRecord): Promise<void>;
}

/** What is kept of what people typed and of a word of an argv, characters. Our own longest script is half of this. */
const maxTextChars = 8192;
const maxNodes = 500;

/**
 * The append-only audit log: one JSON object per line, mode 600, flushed line by line. Any number of processes may
 * append to one file: each line is one write(2) on an O_APPEND descriptor, which Linux does not interleave on local
 * file systems. The file is opened for every line, so that it may be rotated by renaming.
 */
export function createAuditLog(path: string): AuditLog {
  return {
    async append(record) {
      const line = `${JSON.stringify(bounded(record))}\n`;
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
        try {
          // After a full disk a torn line may stand at the end; ours must not be glued to it.
          const bytes = Buffer.from((await endsInsideLine(file)) ? `\n${line}` : line);
          const { bytesWritten } = await file.write(bytes);
          if (bytesWritten !== bytes.length) throw new Error('no space is left on the device');
          if (record.event !== 'ran') await file.datasync();
        } finally {
          await file.close();
        }
      } catch (cause) {
        throw new NetcheckError(
          'fault/internal',
          `The audit log ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
          'Make room there, or correct its path or its permissions.',
          { cause },
        );
      }
    },
  };
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
