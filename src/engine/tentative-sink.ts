import type { EvidenceEntry } from '../model/evidence.ts';
import { evidenceFile } from './node-session.ts';
import type { EvidenceSink } from './ports.ts';

/** A sink in front of the run's own, for what may turn out to have been read without somebody who is still to come. */
export interface TentativeSink extends Pick<EvidenceSink, 'write'> {
  /** From here on nothing goes through to the run's sink until it is known whether it counts. */
  hold(): void;
  /** It counts: all of it is written, in its order, and what comes from here on goes through. */
  keep(): Promise<void>;
  /** It never was. */
  drop(): void;
}

export function createTentativeSink(sink: EvidenceSink): TentativeSink {
  type Bytes = Parameters<EvidenceSink['write']>[1];
  let held: { readonly entry: EvidenceEntry; readonly bytes: Bytes }[] | undefined;
  return {
    hold() {
      held ??= [];
    },
    async keep() {
      const all = held ?? [];
      held = undefined;
      for (const { entry, bytes } of all) {
        const { out: _out, err: _err, outBytes: _outBytes, errBytes: _errBytes, ...unwritten } = entry;
        // whoever holds the entry sees where it lies now, and how much of it is left after redaction
        Object.assign(entry, await sink.write(unwritten, bytes));
      }
    },
    drop() {
      held = undefined;
    },
    async write(unwritten, bytes) {
      if (held === undefined) return sink.write(unwritten, bytes);
      const entry: EvidenceEntry = {
        ...unwritten,
        ...(bytes.stdout.length > 0 ? { out: evidenceFile(unwritten.node, unwritten.id, unwritten.kind) } : {}),
        outBytes: bytes.stdout.length,
        errBytes: bytes.stderr.length,
      };
      held.push({ entry, bytes });
      return entry;
    },
  };
}
