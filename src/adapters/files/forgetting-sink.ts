import type { EvidenceSink } from '../../engine/ports.ts';
import { evidencePaths } from './run-files.ts';

/**
 * For nodes of an audit whose evidence nobody keeps: entries look as if it had been written, and nothing is. Secrets are
 * taken out before a sink sees anything (the choke point of a session); here nothing is stored that would need it again.
 */
export function createForgettingSink(): EvidenceSink {
  return {
    async write(entry, { stdout, stderr }) {
      return {
        ...entry,
        ...evidencePaths(entry, { stdout, stderr }),
        outBytes: stdout.length,
        errBytes: stderr.length,
      };
    },
    finish: async () => undefined,
  };
}
