import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { AuditRecord } from '../../model/audit-log-record.ts';
import { NetcheckError } from '../../model/errors.ts';

/** Longer lines are none of ours; what comes before their end is let go as it is read. */
const maxLineBytes = 4 * 1024 * 1024;

/** What a reading met that is no record. */
export interface AuditLogTroubles {
  /** Torn by a crash or a full disk, or written by a newer netcheck. */
  unreadableLines: number;
  /** Rotated files that could not be read to their end, with the reason. */
  readonly files: string[];
}

/**
 * The audit log with its rotated siblings (`audit.ndjson.1`, `audit.ndjson-20261101.gz` …), oldest file first, one record
 * at a time: no file is ever held in memory. Lines that are no records are counted and left out.
 *
 * @param holding lines without this text are passed over unread: most of the time goes into reading them
 * @param sinceMs files that were last written before are not opened, records from before left out
 * @throws NetcheckError `config/not-found` where there is no log at all
 */
export async function* readAuditLog(
  path: string,
  {
    sinceMs = 0,
    holding = '',
    troubles,
  }: { readonly sinceMs?: number; readonly holding?: string; readonly troubles: AuditLogTroubles },
): AsyncGenerator<{ readonly record: AuditRecord; readonly line: string }> {
  const files = await filesOf(path);
  if (files.length === 0)
    throw new NetcheckError(
      'config/not-found',
      `There is no audit log ${path}.`,
      'It is begun with the first run; --config FILE names another configuration, NETCHECK_DATA another directory.',
    );
  for (const { file, writtenAtMs } of files) {
    if (writtenAtMs < sinceMs) continue;
    try {
      for await (const line of linesOf(file, troubles)) {
        if (!line.includes(holding)) continue;
        const record = AuditRecord.safeParse(parsed(line));
        if (!record.success) troubles.unreadableLines += 1;
        else if (record.data.atMs >= sinceMs) yield { record: record.data, line };
      }
    } catch (error) {
      troubles.files.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function filesOf(path: string): Promise<readonly { readonly file: string; readonly writtenAtMs: number }[]> {
  const [directory, name] = [dirname(path), basename(path)];
  const names = await readdir(directory).catch(() => []);
  const own = names.filter(
    (one) => one === name || (one.startsWith(name) && /^[.-]\d[\d.TZ_-]*(?:\.gz)?$/u.test(one.slice(name.length))),
  );
  const files = await Promise.all(
    own.map(async (one) => {
      const about = await stat(join(directory, one)).catch(() => undefined);
      return about?.isFile() ? [{ file: join(directory, one), writtenAtMs: about.mtimeMs, isNow: one === name }] : [];
    }),
  );
  // The one that is written to comes last, whatever the clock has done.
  return files.flat().sort((a, b) => Number(a.isNow) - Number(b.isNow) || a.writtenAtMs - b.writtenAtMs);
}

async function* linesOf(file: string, troubles: AuditLogTroubles): AsyncGenerator<string> {
  const raw = createReadStream(file);
  const bytes = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  // pipe() does not hand errors on; the gunzip would wait for ever.
  if (bytes !== raw) raw.on('error', (error) => bytes.destroy(error));
  let kept: Buffer[] = [];
  let size = 0;
  let tooLong = false;
  const take = (part: Buffer): void => {
    size += part.length;
    if (size > maxLineBytes) {
      tooLong = true;
      kept = [];
    } else kept.push(part);
  };
  const finish = (): string => {
    const text = tooLong ? '' : Buffer.concat(kept).toString('utf8').trim();
    if (tooLong) troubles.unreadableLines += 1;
    kept = [];
    size = 0;
    tooLong = false;
    return text;
  };
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
        take(chunk.subarray(from, end));
        from = end + 1;
        const line = finish();
        if (line !== '') yield line;
      }
      take(chunk.subarray(from));
    }
    const last = finish();
    if (last !== '') yield last;
  } finally {
    raw.destroy();
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
