import { type AuditLogTroubles, readAuditLog } from '../adapters/files/read-audit-log.ts';
import type { Options } from '../cli.ts';
import { loadConfig } from '../config.ts';
import type { AuditRecord } from '../model/audit-log-record.ts';
import { NetcheckError } from '../model/errors.ts';
import { type Language, languages } from '../model/language.ts';
import { nodeOfPlace } from '../model/netns.ts';
import { type AuditRow, newAuditRows } from '../report/audit-log-rows.ts';
import { renderAuditRows, renderRanCommands } from '../report/audit-log-text.ts';
import { auditLogPath } from '../wiring.ts';
import { terminalOf } from './terminal-of.ts';

const defaultLimit = 50;

/** `netcheck log`: who asked what, what ran on which node, what came of it. Reads the audit log as a stream. */
export async function log(args: readonly string[], options: Options): Promise<number> {
  if (args.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck log takes options, no words.',
      'netcheck log --node node-50 --since 24h; netcheck log --run ID',
    );
  const loaded = loadConfig(options.config);
  const language = languages.find((one) => one === options.lang) ?? loaded.config.language;
  const limit = limitOf(options.limit);
  const sinceMs = options.since === undefined ? 0 : sinceOf(options.since, Date.now());
  const troubles: AuditLogTroubles = { unreadableLines: 0, files: [] };
  const records = readAuditLog(auditLogPath(loaded), {
    sinceMs,
    // A place is called node-50@4321, so the quotation mark stands in front only.
    holding: options.run === undefined ? (options.node === undefined ? '' : `"${options.node}`) : `"${options.run}"`,
    troubles,
  });
  const isWanted = (record: AuditRecord): boolean =>
    (options.run === undefined || record.run === options.run) &&
    (options.user === undefined || !('askedBy' in record) || record.askedBy === options.user);
  if (options.json) await printJson(records, options, limit, isWanted);
  else await printTable(records, options, limit, language, isWanted);
  if (troubles.unreadableLines > 0 || troubles.files.length > 0)
    process.stderr.write(
      [
        ...(troubles.unreadableLines > 0
          ? [`netcheck: ${troubles.unreadableLines} lines of the log could not be read`]
          : []),
        ...troubles.files.map((one) => `netcheck: ${one}`),
      ]
        .join('\n')
        .concat('\n'),
    );
  return 0;
}

type Records = ReturnType<typeof readAuditLog>;

/** The records themselves, oldest first; the newest `limit` of them where one is given. */
async function printJson(
  records: Records,
  options: Options,
  limit: number,
  isWanted: (record: AuditRecord) => boolean,
): Promise<void> {
  const newest: string[] = [];
  for await (const { record, line } of records) {
    if (!isWanted(record) || (options.user !== undefined && !('askedBy' in record))) continue;
    if (options.node !== undefined && !isAbout(record, options.node)) continue;
    // With a bound the last ones count; without, every line leaves as it is read.
    if (options.limit === undefined) await write(`${line}\n`);
    else {
      newest.push(line);
      if (newest.length > limit) newest.shift();
    }
  }
  for (const line of newest) await write(`${line}\n`);
}

async function printTable(
  records: Records,
  options: Options,
  limit: number,
  language: Language,
  isWanted: (record: AuditRecord) => boolean,
): Promise<void> {
  const rows = newAuditRows({
    limit,
    isWanted: (row) => isRowWanted(row, options),
    detailed: options.run !== undefined,
  });
  for await (const { record } of records) if (isWanted(record)) rows.add(record);
  const terminal = terminalOf(process.stdout);
  const found = rows.newest();
  await write(`${renderAuditRows(found, { ...terminal, language })}\n`);
  if (options.run !== undefined && found.length > 0)
    await write(`\n${renderRanCommands(rows.ran(), { ...terminal, language })}\n`);
}

function isRowWanted(row: AuditRow, { node, user }: Options): boolean {
  return (
    (node === undefined || row.nodes.some((one) => nodeOfPlace(one) === node)) &&
    (user === undefined || row.askedBy === user)
  );
}

function isAbout(record: AuditRecord, node: string): boolean {
  if (record.event === 'ran') return nodeOfPlace(record.node) === node;
  return 'nodes' in record && record.nodes.some((one) => nodeOfPlace(one) === node);
}

/** Waits where the reader is slower than the log. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = Number(text);
  if (/^\d{1,6}$/u.test(text) && limit > 0) return limit;
  throw new NetcheckError(
    'usage/unknown-option',
    `--limit is a number from 1, not "${text}".`,
    'netcheck log --limit 200',
  );
}

/** `24h`, `7d`, `30m`, or a date (`2026-11-21`, `2026-11-21T08:00`, local time unless it says otherwise) -> Unix ms. */
export function sinceOf(text: string, nowMs: number): number {
  const ago = /^(\d{1,6})(m|h|d)$/u.exec(text);
  if (ago) return nowMs - Number(ago[1]) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[ago[2] as 'm' | 'h' | 'd'];
  // Without a time JavaScript reads a date as UTC; a person means midnight here.
  const at = /^\d{4}-\d\d-\d\d$/u.test(text)
    ? Date.parse(`${text}T00:00`)
    : /^\d{4}-\d\d-\d\d[T ]\d/u.test(text)
      ? Date.parse(text)
      : NaN;
  if (!Number.isNaN(at)) return at;
  throw new NetcheckError(
    'usage/unknown-option',
    `--since is a length of time or a date, not "${text}".`,
    'netcheck log --since 24h, --since 7d, --since 2026-11-21',
  );
}
