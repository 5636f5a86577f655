import type { EvidenceSink } from '../../engine/ports.ts';
import type { EvidenceEntry } from '../../model/evidence.ts';
import { evidenceFiles, indexPath, jsonBytes, type RunFile, recordPath, reportPath } from './run-files.ts';

/** A run kept in memory: the same files that `createRunDirectory` writes, byte for byte. */
export interface MemorySink extends EvidenceSink {
  /** The files so far, sorted by path. */
  files(): readonly RunFile[];
}

/** For a run that nobody saves, and for the bundle that the bot attaches to the thread. */
export function createMemorySink(): MemorySink {
  const entries = new Map<string, EvidenceEntry[]>();
  const files = new Map<string, Uint8Array>();
  return {
    async write(unwritten, bytes) {
      const written = evidenceFiles(unwritten, bytes);
      for (const file of written.files) files.set(file.path, file.bytes);
      const { node } = written.entry;
      entries.set(node, [...(entries.get(node) ?? []), written.entry]);
      return written.entry;
    },
    async finish(record, report) {
      files.set(recordPath, jsonBytes(record));
      files.set(reportPath, jsonBytes(report));
    },
    files() {
      const indexes = [...entries].map(([node, list]): [string, Uint8Array] => [indexPath(node), jsonBytes(list)]);
      return [...files, ...indexes].map(([path, bytes]) => ({ path, bytes })).sort(byPath);
    },
  };
}

/** By code units, so that the order does not depend on a locale. */
export function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
