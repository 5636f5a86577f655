import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { NetcheckError } from '../../model/errors.ts';
import { ReportVerdict } from '../../model/verdict.ts';
import { redactSecrets } from './redact.ts';

/** One line of the audit log: who asked what about which nodes, and what came of it. */
export const AuditRecord = z.strictObject({
  atMs: z.number(),
  run: z.string(),
  /** Slack user id, the account that ran the command line, or the name of a schedule. */
  askedBy: z.string(),
  /** Slack channel, where it was asked there. */
  channel: z.string().optional(),
  /** The ask as typed. */
  text: z.string(),
  /** Nodes that netcheck logged in to or tried to. */
  nodes: z.array(z.string()),
  /** `refused`: not allowed, nothing was run. `failed`: our own fault. */
  verdict: z.union([ReportVerdict, z.enum(['cancelled', 'refused', 'failed'])]),
  headline: z.string().optional(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

export interface AuditLog {
  /** Resolves when the line is on the disk. Rejects with `fault/internal` where it cannot be written. */
  append(record: AuditRecord): Promise<void>;
}

/**
 * The append-only audit log: one JSON object per line, mode 600, flushed line by line. Any number of processes may
 * append to one file: each line is one write(2) on an O_APPEND descriptor, which Linux does not interleave on local
 * file systems. The file is opened for every line, so that it may be rotated by renaming.
 */
export function createAuditLog(path: string): AuditLog {
  return {
    async append(record) {
      const text = redactText(record.text);
      const headline = record.headline === undefined ? {} : { headline: redactText(record.headline) };
      const line = `${JSON.stringify({ ...record, text, ...headline })}\n`;
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
        try {
          // After a full disk a torn line may stand at the end; ours must not be glued to it.
          const bytes = Buffer.from((await endsInsideLine(file)) ? `\n${line}` : line);
          const { bytesWritten } = await file.write(bytes);
          if (bytesWritten !== bytes.length) throw new Error('no space is left on the device');
          await file.datasync();
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

function redactText(text: string): string {
  return Buffer.from(redactSecrets(Buffer.from(text)).bytes).toString('utf8');
}

async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
