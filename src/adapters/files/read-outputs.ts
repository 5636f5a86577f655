import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceEntry } from '../../model/evidence.ts';
import type { MemorySink } from './memory-sink.ts';

/** Outputs that are larger are left out, and so is what comes after so much in all, bytes. */
const mostOfOne = 16 * 1024 * 1024;
const mostInAll = 96 * 1024 * 1024;

/**
 * What the commands of a run said, for people to read: as it is stored, so redacted. Captures are left out.
 *
 * @returns by path inside the run directory; what cannot be read is not there
 */
export async function readOutputs(
  run: string | MemorySink,
  entries: readonly EvidenceEntry[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const outputs = new Map<string, Uint8Array>();
  const read = typeof run === 'string' ? (path: string) => fileIn(run, path) : inMemory(run);
  let left = mostInAll;
  for (const { kind, out, err } of entries) {
    for (const path of [kind === 'pcap' ? undefined : out, err]) {
      if (path === undefined) continue;
      const bytes = await read(path);
      if (bytes === undefined || bytes.length > Math.min(left, mostOfOne)) continue;
      left -= bytes.length;
      outputs.set(path, bytes);
    }
  }
  return outputs;
}

function inMemory(run: MemorySink): (path: string) => Uint8Array | undefined {
  const files = new Map(run.files().map(({ path, bytes }) => [path, bytes]));
  return (path) => files.get(path);
}

/** A plain file only: where the run was saved, somebody may have put a link. */
async function fileIn(directory: string, path: string): Promise<Uint8Array | undefined> {
  const full = join(directory, path);
  const found = await lstat(full).catch(() => undefined);
  if (found?.isFile() !== true || found.size > mostOfOne) return undefined;
  return readFile(full).catch(() => undefined);
}
