import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunHistory } from '../../src/engine/ports.ts';
import type { PastRun } from '../../src/model/past-run.ts';

const dayMs = 24 * 3600_000;
/** So many runs, so old: small enough to be passed in a test. */
export const contractBounds = { maxRuns: 6, maxAgeMs: 90 * dayMs };

export function pastRun(id: string, minutesAgo: number, changes: Partial<PastRun> = {}): PastRun {
  return {
    id,
    text: 'node-50 port 1301 from node-12',
    askedBy: 'U1',
    channel: 'C1',
    rootTs: '1.0',
    endedAtMs: Date.now() - minutesAgo * 60_000,
    tookMs: 4000,
    verdict: 'clear',
    headline: 'Nothing is wrong “here”',
    about: { place: 'node-50', address: '192.0.2.50', protocol: 'tcp', port: 1301 },
    nodes: ['node-50', 'node-12'],
    troubles: [],
    ...changes,
  };
}

export const trouble = (fingerprint: string): PastRun['troubles'][number] => ({
  fingerprint,
  rule: fingerprint.split('/')[0] ?? '',
  node: fingerprint.split('/')[1] ?? '',
  verdict: 'confirmed',
  title: 'SYNs are dropped by their timestamps',
});

/** The contract of RunHistory, run on the memory version and on a real Redis; both with {@link contractBounds}. */
export function historyContract(
  title: string,
  open: () => Promise<{ readonly history: RunHistory; readonly close: () => Promise<void> }>,
): void {
  describe(title, () => {
    let history: RunHistory;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ history, close } = await open());
    });
    afterEach(() => close());
    const ids = (runs: readonly PastRun[]): readonly string[] => runs.map(({ id }) => id);

    it('knows nothing at first', async () => {
      expect(await history.find('r1')).toBeNull();
      expect(await history.recent({ limit: 10 })).toEqual([]);
      expect(await history.withTrouble(['x/node-50/tcp/1'], 10)).toEqual([]);
      expect(await history.withTrouble([], 10)).toEqual([]);
    });

    it('gives back what was recorded, newest first, whatever the order in which it came', async () => {
      const run = pastRun('r2', 5, { recheckOf: 'r1', verdict: 'cancelled', askedBy: 'alert' });
      for (const one of [pastRun('r3', 1), pastRun('r1', 9), run]) await history.record(one);
      expect(await history.find('r2')).toEqual(run);
      expect(ids(await history.recent({ limit: 10 }))).toEqual(['r3', 'r2', 'r1']);
      expect(ids(await history.recent({ limit: 2 }))).toEqual(['r3', 'r2']);
    });

    it('finds runs by node, and by any of several troubles, each run once', async () => {
      await history.record(pastRun('r1', 9, { nodes: ['node-7'], troubles: [trouble('a/node-7/tcp/1')] }));
      await history.record(
        pastRun('r2', 5, { troubles: [trouble('a/node-50/tcp/1301'), trouble('b/2001:db8::1>node-50/udp/53')] }),
      );
      await history.record(pastRun('r3', 1));
      expect(ids(await history.recent({ node: 'node-50', limit: 10 }))).toEqual(['r3', 'r2']);
      expect(ids(await history.recent({ node: 'node-7', limit: 10 }))).toEqual(['r1']);
      expect(await history.recent({ node: 'node-8', limit: 10 })).toEqual([]);
      expect(
        ids(
          await history.withTrouble(
            ['b/2001:db8::1>node-50/udp/53', 'a/node-50/tcp/1301', 'a/node-7/tcp/1', 'c/node-7/tcp/1'],
            10,
          ),
        ),
      ).toEqual(['r2', 'r1']);
      expect(ids(await history.withTrouble(['a/node-7/tcp/1', 'a/node-50/tcp/1301'], 1))).toEqual(['r2']);
    });

    it('lets a run that is recorded again replace itself, wherever it was found before', async () => {
      await history.record(pastRun('r1', 5, { nodes: ['node-7'], troubles: [trouble('a/node-7/tcp/1')] }));
      await history.record(pastRun('r1', 1, { nodes: ['node-8'], troubles: [trouble('b/node-8/tcp/1')] }));
      expect(ids(await history.recent({ limit: 10 }))).toEqual(['r1']);
      expect(await history.recent({ node: 'node-7', limit: 10 })).toEqual([]);
      expect(await history.withTrouble(['a/node-7/tcp/1'], 10)).toEqual([]);
      expect(ids(await history.withTrouble(['b/node-8/tcp/1'], 10))).toEqual(['r1']);
    });

    it('forgets the oldest beyond its number', async () => {
      for (let minutesAgo = 9; minutesAgo > 0; minutesAgo -= 1)
        await history.record(pastRun(`r${minutesAgo}`, minutesAgo, { troubles: [trouble('a/node-50/tcp/1301')] }));
      const left = ['r1', 'r2', 'r3', 'r4', 'r5', 'r6'];
      expect(ids(await history.recent({ limit: 100 }))).toEqual(left);
      expect(ids(await history.recent({ node: 'node-50', limit: 100 }))).toEqual(left);
      expect(ids(await history.withTrouble(['a/node-50/tcp/1301'], 100))).toEqual(left);
      expect(await history.find('r7')).toBeNull();
    });

    it('forgets what is older than its age', async () => {
      const old = 91 * 24 * 60;
      await history.record(pastRun('r1', old, { troubles: [trouble('a/node-50/tcp/1301')] }));
      expect(await history.find('r1')).toBeNull();
      expect(await history.recent({ node: 'node-50', limit: 10 })).toEqual([]);
      expect(await history.withTrouble(['a/node-50/tcp/1301'], 10)).toEqual([]);
    });
  });
}
