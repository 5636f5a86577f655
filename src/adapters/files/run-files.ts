import type { EvidenceEntry } from '../../model/evidence.ts';
import { NetcheckError } from '../../model/errors.ts';
import { redactSecrets } from './redact.ts';

/** One file of a run: its path inside the run directory (`/` between the parts) and its bytes. */
export interface RunFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export const recordPath = 'run.json';
export const reportPath = 'report.json';
export const evidenceFolder = 'evidence';
export const indexName = 'index.json';

export function indexPath(node: string): string {
  return `${evidenceFolder}/${node}/${indexName}`;
}

/** JSON as it stands in every file of a run: two spaces, one newline at the end. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}

/** Names that are safe as one part of a path, here and inside an archive. */
const safeName = /^[A-Za-z0-9_][A-Za-z0-9_.:%@-]{0,252}$/;

/**
 * What one command becomes on disk: its entry with paths and sizes, and the files, redacted. A capture's packets go
 * to `.pcap` and are stored as they came; everything else passes `redactSecrets`.
 *
 * @throws NetcheckError `fault/internal` for a node or id that cannot be a file name
 */
export function evidenceFiles(
  entry: Omit<EvidenceEntry, 'out' | 'err' | 'outBytes' | 'errBytes'>,
  bytes: { readonly stdout: Uint8Array; readonly stderr: Uint8Array },
): { readonly entry: EvidenceEntry; readonly files: readonly RunFile[] } {
  for (const name of [entry.node, entry.id]) {
    if (!safeName.test(name)) {
      throw new NetcheckError(
        'fault/internal',
        `${JSON.stringify(name)} cannot be part of a path in a run directory.`,
        'Report this with the command that was given.',
      );
    }
  }
  const capture = entry.kind === 'pcap';
  const stdout = capture ? bytes.stdout : redactSecrets(bytes.stdout).bytes;
  const stderr = redactSecrets(bytes.stderr).bytes;
  const paths = evidencePaths(entry, { stdout, stderr });
  return {
    entry: { ...entry, ...paths, outBytes: stdout.length, errBytes: stderr.length },
    files: [
      ...(paths.out === undefined ? [] : [{ path: paths.out, bytes: stdout }]),
      ...(paths.err === undefined ? [] : [{ path: paths.err, bytes: stderr }]),
    ],
  };
}

/** Where the outputs of one command lie inside the run directory; absent where there were no bytes. */
export function evidencePaths(
  { node, id, kind }: Pick<EvidenceEntry, 'node' | 'id' | 'kind'>,
  { stdout, stderr }: { readonly stdout: Uint8Array; readonly stderr: Uint8Array },
): { readonly out?: string; readonly err?: string } {
  const base = `${evidenceFolder}/${node}/${id}`;
  return {
    ...(stdout.length > 0 ? { out: `${base}.${kind === 'pcap' ? 'pcap' : 'out'}` } : {}),
    ...(stderr.length > 0 ? { err: `${base}.err` } : {}),
  };
}
