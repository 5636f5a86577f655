import type { RunHistory } from '../../src/engine/ports.ts';
import type { PastRun } from '../../src/model/past-run.ts';

/** The memory of runs, in memory: newest first, at most 5000, at most 90 days old. */
export function memoryHistory({ maxRuns = 5000, maxAgeMs = 90 * 24 * 3600_000 } = {}): RunHistory {
  const runs = new Map<string, PastRun>();
  const newest = (limit: number, fits: (run: PastRun) => boolean): readonly PastRun[] =>
    [...runs.values()]
      .filter((run) => run.endedAtMs >= Date.now() - maxAgeMs)
      .toSorted((a, b) => b.endedAtMs - a.endedAtMs)
      .slice(0, maxRuns)
      .filter(fits)
      .slice(0, limit)
      .map((run) => structuredClone(run));
  return {
    async record(run) {
      runs.set(run.id, structuredClone(run));
    },
    find: async (runId) => newest(maxRuns, ({ id }) => id === runId)[0] ?? null,
    recent: async ({ node, limit }) => newest(limit, ({ nodes }) => node === undefined || nodes.includes(node)),
    withTrouble: async (fingerprints, limit) =>
      newest(limit, ({ troubles }) => troubles.some(({ fingerprint }) => fingerprints.includes(fingerprint))),
  };
}
