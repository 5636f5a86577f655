import { beforeEach, describe, expect, it } from 'vitest';
import { sameTrouble } from '../../src/engine/same-trouble.ts';
import type { RunHistory } from '../../src/engine/ports.ts';
import type { PastRun } from '../../src/model/past-run.ts';
import type { SettingChange } from '../../src/model/run-context.ts';
import { pastRun, trouble } from '../contracts/history-contract.ts';
import { memoryHistory } from '../fakes/memory-history.ts';
import { sampleReport } from '../adapters/slack/sample-run.ts';

const dayMinutes = 24 * 60;
const same = {
  verdict: 'found',
  troubles: [trouble('tw-recycle/node-50/tcp/1301')],
} as const satisfies Partial<PastRun>;

let history: RunHistory;
let asked: (readonly string[])[];
beforeEach(() => {
  history = memoryHistory();
  asked = [];
});
const record = async (...runs: readonly PastRun[]): Promise<void> => {
  for (const run of runs) await history.record(run);
};
const change: SettingChange = { node: 'node-50', kind: 'sysctl', name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' };
const look = (id = 'now') =>
  sameTrouble(sampleReport({ run: { ...sampleReport().run, id } }), history, {
    nowMs: Date.now(),
    settingsBetween: async (from, to) => {
      asked.push([from, to]);
      return [change];
    },
  });

describe('the same trouble again', () => {
  it('is nothing where it was never seen, was seen longer ago, or only by this run itself', async () => {
    await record(pastRun('r0', 31 * dayMinutes, same), pastRun('r1', 0, same), pastRun('r2', 5));
    expect(await look('r1')).toEqual([]);
  });

  it('is how often and where it was last, and the next clear run of the same place', async () => {
    await record(
      pastRun('r1', 3 * dayMinutes, same),
      pastRun('r2', 2 * dayMinutes, { ...same, channel: 'C2', rootTs: '2.0' }),
      pastRun('r3', 2 * dayMinutes - 12),
    );
    const [seen, ...more] = await look();
    expect(more).toEqual([]);
    expect(seen).toMatchObject({
      times: 2,
      atLeast: false,
      days: 30,
      last: { id: 'r2', channel: 'C2', rootTs: '2.0' },
      gone: { run: { id: 'r3' }, byRecheck: false, settings: [change] },
    });
    expect(Math.round((seen?.gone?.afterMs ?? 0) / 60_000)).toBe(12);
    expect(asked).toEqual([['r2', 'r3']]);
  });

  it('prefers a re-check of the sighting, also one of a re-check, to another clear run', async () => {
    await record(
      pastRun('r1', 50, same),
      pastRun('r2', 40, { ...same, recheckOf: 'r1' }),
      pastRun('r3', 35, { nodes: ['node-50', 'node-12', 'node-13'] }),
      pastRun('r4', 30, { verdict: 'inconclusive', recheckOf: 'r2' }),
      pastRun('r5', 20, { recheckOf: 'r4' }),
    );
    expect(await look()).toMatchObject([
      { times: 2, last: { id: 'r2' }, gone: { run: { id: 'r5' }, byRecheck: true } },
    ]);
  });

  it.each([
    ['not clear', { verdict: 'inconclusive' }],
    ['cancelled', { verdict: 'cancelled' }],
    ['before it', { endedAtMs: Date.now() - 60 * 60_000 }],
    ['of another port', { about: { place: 'node-50', address: '192.0.2.50', protocol: 'tcp', port: 1302 } }],
    ['of another address', { about: { place: 'node-50', address: '192.0.2.51', protocol: 'tcp', port: 1301 } }],
    ['of a pod on the node', { about: { place: 'node-50@web', address: '192.0.2.50', protocol: 'tcp', port: 1301 } }],
    ['from elsewhere', { nodes: ['node-50', 'node-13'] }],
  ] as const satisfies readonly (readonly [string, Partial<PastRun>])[])(
    'is not over because of a run that is %s',
    async (_what, changes) => {
      await record(pastRun('r1', 30, same), pastRun('r2', 10, changes));
      const [seen] = await look();
      expect(seen).toMatchObject({ times: 1, last: { id: 'r1' } });
      expect(seen).not.toHaveProperty('gone');
    },
  );
});
