import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { NetcheckError } from '../../model/errors.ts';
import { byPath, type MemorySink } from './memory-sink.ts';
import { evidenceFolder, indexName, type RunFile, recordPath, reportPath } from './run-files.ts';
import { writeTar } from './tar.ts';

/** Byte 9 of a gzip header says on what system it was made (RFC 1952 section 2.3.1); 255 is "unknown". */
const gzipSystemByte = 9;
const unknownSystem = 255;

/**
 * Packs a run, from a directory or from memory, into one `.tar.gz` that `loadRun` reads. The same run gives the same
 * bytes, whenever and wherever it is packed.
 *
 * @throws NetcheckError `replay/not-found` where the directory holds no run
 */
export async function packRun(run: string | MemorySink): Promise<Uint8Array> {
  const files = typeof run === 'string' ? await filesOfDirectory(run) : run.files();
  const packed = await promisify(gzip)(writeTar([...files].sort(byPath)), { level: 9 });
  packed[gzipSystemByte] = unknownSystem;
  return packed;
}

/** Only what belongs to a run, and plain files only: a bundle is posted to a chat. */
async function filesOfDirectory(directory: string): Promise<RunFile[]> {
  const paths = [recordPath, reportPath];
  for (const node of await namesIn(join(directory, evidenceFolder))) {
    for (const name of await namesIn(join(directory, evidenceFolder, node))) {
      if (name === indexName || /\.(out|err|pcap)$/.test(name)) paths.push(`${evidenceFolder}/${node}/${name}`);
    }
  }
  const files: RunFile[] = [];
  for (const path of paths) {
    const full = join(directory, path);
    const found = await lstat(full).catch(() => undefined);
    if (found?.isFile() === true) files.push({ path, bytes: await readFile(full) });
  }
  if (!files.some((file) => file.path === recordPath)) {
    throw new NetcheckError(
      'replay/not-found',
      `${directory} holds no finished run: there is no ${recordPath}.`,
      'Name a directory that was written with --save.',
    );
  }
  return files;
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
