import { constants, createReadStream } from 'node:fs';
import { lstat, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import * as z from 'zod';
import { NetcheckError } from '../../model/errors.ts';
import { type Evidence, EvidenceEntry } from '../../model/evidence.ts';
import { RunRecord, runFormat } from '../../model/run-record.ts';
import { evidenceFolder, indexPath, recordPath, reportPath } from './run-files.ts';
import { readTar, TarProblem } from './tar.ts';

export interface LoadedRun {
  readonly record: RunRecord;
  /** In the order of the plan's nodes (then of those that joined the run, by name), on each in that of its index. */
  readonly evidence: readonly Evidence[];
  /** `report.json` as it was saved, or undefined where it is missing. */
  readonly reportBytes: Uint8Array | undefined;
}

export interface LoadLimits {
  /** Of everything that is read, unpacked. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

const defaultLimits: LoadLimits = { maxBytes: 512 * 1024 * 1024, maxFiles: 20_000 };

const AnyFormat = z.looseObject({ format: z.number() });
const Index = z.array(EvidenceEntry);

/** The files of a run, wherever they are. */
interface Parts {
  /** Undefined where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Names of the folders in `evidence/`, sorted. */
  nodes(): Promise<readonly string[]>;
}

/**
 * Reads a saved run: a run directory, or one packed as `.tar.gz` (also plain `.tar`; the run may be in a folder of
 * the archive). Nothing is unpacked to disk, links are not followed, and no more is read than the limits allow.
 *
 * @throws NetcheckError `replay/not-found`, `replay/unreadable` (with the file and what is wrong in it),
 *   `replay/newer` (saved by a netcheck whose format this one does not know)
 */
export async function loadRun(path: string, limits: LoadLimits = defaultLimits): Promise<LoadedRun> {
  // A link to a run is fine; only links inside it are not.
  const kind = await stat(path).catch(() => undefined);
  if (kind === undefined) throw notFound(path, 'does not exist or may not be read');
  if (kind.isDirectory()) return readRun(path, partsOfDirectory(path, limits));
  if (!kind.isFile()) throw notFound(path, 'is neither a directory nor a file');
  return readRun(path, await partsOfArchive(path, limits));
}

async function readRun(path: string, parts: Parts): Promise<LoadedRun> {
  const recordBytes = await parts.read(recordPath);
  if (recordBytes === undefined) throw notFound(path, `holds no finished run: there is no ${recordPath}`);
  const record = parseRecord(path, recordBytes);
  const evidence: Evidence[] = [];
  const planned = record.plan.nodes.map(({ node }) => node.name);
  for (const node of new Set([...planned, ...(await parts.nodes())])) {
    const indexFile = indexPath(node);
    const indexBytes = await parts.read(indexFile);
    if (indexBytes === undefined) continue;
    for (const entry of parse(path, indexFile, indexBytes, Index)) {
      if (entry.node !== node) throw unreadable(path, indexFile, `holds an entry of ${JSON.stringify(entry.node)}`);
      evidence.push({
        entry,
        stdout: await bytesOf(path, parts, entry, entry.out, entry.outBytes),
        stderr: await bytesOf(path, parts, entry, entry.err, entry.errBytes),
      });
    }
  }
  return { record, evidence, reportBytes: await parts.read(reportPath) };
}

async function bytesOf(
  path: string,
  parts: Parts,
  entry: EvidenceEntry,
  file: string | undefined,
  size: number,
): Promise<Uint8Array> {
  if (file === undefined) {
    if (size === 0) return new Uint8Array();
    throw unreadable(path, indexPath(entry.node), `names no file for the ${size} bytes of ${entry.id}`);
  }
  if (!isEvidencePath(file))
    throw unreadable(path, indexPath(entry.node), `names ${JSON.stringify(file)}, which is not evidence`);
  const bytes = await parts.read(file);
  if (bytes === undefined) throw unreadable(path, file, 'is missing');
  if (bytes.length !== size) throw unreadable(path, file, `has ${bytes.length} bytes where its index says ${size}`);
  return bytes;
}

/** `evidence/<node>/<file>` and nothing else; what an index says is not trusted. */
function isEvidencePath(file: string): boolean {
  const [folder, ...rest] = file.split('/');
  return (
    folder === evidenceFolder &&
    rest.length === 2 &&
    rest.every((part) => /^[\w.:%@-]+$/.test(part) && !/^\.+$/.test(part))
  );
}

function parseRecord(path: string, bytes: Uint8Array): RunRecord {
  const { format } = parse(path, recordPath, bytes, AnyFormat);
  if (format > runFormat) {
    throw new NetcheckError(
      'replay/newer',
      `${path} was saved by a newer netcheck (format ${format}; this one knows ${runFormat}).`,
      'Update netcheck, then replay again.',
    );
  }
  return parse(path, recordPath, bytes, RunRecord);
}

function parse<Schema extends z.ZodType>(
  path: string,
  file: string,
  bytes: Uint8Array,
  schema: Schema,
): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable(path, file, 'is not JSON', cause);
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw unreadable(path, file, `is not as netcheck writes it${where}: ${issue?.message ?? 'unknown'}`, read.error);
}

function partsOfDirectory(directory: string, limits: LoadLimits): Parts {
  let total = 0;
  let files = 0;
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    const parts = path.split('/');
    // Every folder on the way too: O_NOFOLLOW looks at the last part only.
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const found = await lstat(join(directory, ...parts.slice(0, depth))).catch(() => undefined);
      if (found === undefined) return undefined;
      if (found.isSymbolicLink()) throw unreadable(directory, parts.slice(0, depth).join('/'), 'is a link');
    }
    try {
      const file = await open(
        join(directory, ...parts),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      try {
        const found = await file.stat();
        if (!found.isFile()) throw unreadable(directory, path, 'is not a plain file');
        total += found.size;
        files += 1;
        if (total > limits.maxBytes || files > limits.maxFiles)
          throw unreadable(directory, path, 'is too much to read');
        return await file.readFile();
      } finally {
        await file.close();
      }
    } catch (cause) {
      if (cause instanceof NetcheckError) throw cause;
      throw unreadable(directory, path, `cannot be read: ${messageOf(cause)}`, cause);
    }
  };
  return {
    read,
    nodes: async () => (await readdir(join(directory, evidenceFolder)).catch(() => [])).sort(byName),
  };
}

async function partsOfArchive(path: string, limits: LoadLimits): Promise<Parts> {
  try {
    const files = await readTar(await unzipped(path), limits);
    const record = [...files.keys()]
      .filter((name) => name === recordPath || name.endsWith(`/${recordPath}`))
      .sort((a, b) => a.length - b.length)[0];
    const folder = record === undefined ? '' : record.slice(0, -recordPath.length);
    const inEvidence = `${folder}${evidenceFolder}/`;
    const nodes = [...files.keys()]
      .filter((name) => name.startsWith(inEvidence))
      .map((name) => name.slice(inEvidence.length).split('/')[0] ?? '');
    return {
      read: async (name) => files.get(`${folder}${name}`),
      nodes: async () => [...new Set(nodes)].sort(byName),
    };
  } catch (cause) {
    const why = cause instanceof TarProblem ? cause.message : whyOf(cause);
    throw new NetcheckError(
      'replay/unreadable',
      `${path} ${why}.`,
      'Fetch the file again, or replay the directory that was written with --save.',
      { cause },
    );
  }
}

/** The archive's bytes, unpacked where they start like gzip (RFC 1952 section 2.3.1). */
async function unzipped(path: string): Promise<AsyncIterable<Uint8Array>> {
  const file = await open(path);
  const magic = Buffer.alloc(2);
  try {
    await file.read(magic, 0, 2, 0);
  } finally {
    await file.close();
  }
  const bytes = createReadStream(path);
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return bytes;
  const gunzip = createGunzip();
  bytes.once('error', (error) => gunzip.destroy(error));
  return bytes.pipe(gunzip);
}

/** By code units: the order must not depend on a locale. */
function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function whyOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'Z_BUF_ERROR') return 'is cut off';
  if (typeof code === 'string' && code.startsWith('Z_')) return 'is damaged: its gzip data cannot be unpacked';
  return `cannot be read: ${messageOf(cause)}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function notFound(path: string, what: string): NetcheckError {
  return new NetcheckError(
    'replay/not-found',
    `${path} ${what}.`,
    'Name a directory that was written with --save, or the .tar.gz from a thread.',
  );
}

function unreadable(path: string, file: string, what: string, cause?: unknown): NetcheckError {
  return new NetcheckError(
    'replay/unreadable',
    `${path}: ${file} ${what}.`,
    'Fetch the run again from where it was saved; a run is replayed only as it was written.',
    { cause },
  );
}
