import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { EvidenceSink } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { EvidenceEntry } from '../../model/evidence.ts';
import { evidenceFiles, evidenceFolder, indexPath, jsonBytes, recordPath, reportPath } from './run-files.ts';

const partsOfARun = new Set([recordPath, reportPath, evidenceFolder]);
/** What a worker that was killed in the middle of writing a file leaves behind. */
const draftName = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Writes a run to a directory (design section 2): `evidence/<node>/<id>.{out,err,pcap}`, `evidence/<node>/index.json`,
 * and at the end `run.json` and `report.json`. Directories get mode 700, files 600. Every file appears whole or not at
 * all, the bytes before the index that names them, and both before `write` resolves: what is parsed is on disk.
 * The directory is made where it is missing; one that holds an earlier run is emptied of it first.
 *
 * @throws NetcheckError `config/invalid` at once where the directory cannot be used or holds something else;
 *   from `write` and `finish` `fault/internal` where the disk is full or gone
 */
export function createRunDirectory(directory: string): EvidenceSink {
  claim(directory);
  const entries = new Map<string, EvidenceEntry[]>();
  /** One index at a time: two captures of a node may end together. */
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };

  return {
    write: (unwritten, bytes) =>
      inOrder(async () => {
        const { entry, files } = evidenceFiles(unwritten, bytes);
        for (const file of files) await writeWhole(directory, file.path, file.bytes);
        const list = [...(entries.get(entry.node) ?? []), entry];
        await writeWhole(directory, indexPath(entry.node), jsonBytes(list));
        entries.set(entry.node, list);
        return entry;
      }),
    finish: (record, report) =>
      inOrder(async () => {
        await writeWhole(directory, reportPath, jsonBytes(report));
        // Last: a directory with a run.json is complete.
        await writeWhole(directory, recordPath, jsonBytes(record));
      }),
  };
}

function claim(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = readdirSync(directory);
    const strange = found.find((name) => !partsOfARun.has(name) && !draftName.test(name));
    if (strange !== undefined) {
      throw new NetcheckError(
        'config/invalid',
        `${directory} holds ${strange}, which is not part of a saved run.`,
        'Name a new or empty directory; netcheck replaces only runs that it saved itself.',
      );
    }
    for (const name of found) rmSync(join(directory, name), { recursive: true });
    // Tried now, not after the nodes have been asked: a directory may be listable and yet refuse files.
    const trial = join(directory, evidenceFolder);
    mkdirSync(trial, { mode: 0o700 });
  } catch (cause) {
    if (cause instanceof NetcheckError) throw cause;
    throw new NetcheckError(
      'config/invalid',
      `The run cannot be saved in ${directory}: ${reasonOf(cause)}.`,
      'Name a directory that you may write to.',
      { cause },
    );
  }
}

async function writeWhole(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const target = join(directory, ...path.split('/'));
  const draft = join(dirname(target), `.${randomUUID()}`);
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await rename(draft, target);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new NetcheckError(
      'fault/internal',
      `${path} cannot be written in ${directory}: ${reasonOf(cause)}.`,
      'Make room there, or save the run somewhere else.',
      { cause },
    );
  }
}

/** In words where the kernel's error is one that people meet. */
function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOSPC':
      return 'no space is left on the device';
    case 'EDQUOT':
      return 'the disk quota is used up';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'it is not a directory';
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}
