import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { collectors } from '../src/collectors/index.ts';
import { contextOf, type EarlierRuns } from '../src/earlier-runs.ts';
import { pastRunOf } from '../src/engine/past-run-of.ts';
import { Report } from '../src/model/report.ts';
import type { RunContext } from '../src/model/run-context.ts';
import { parsers } from '../src/parsers/index.ts';
import { sampleRequest } from './adapters/slack/sample-run.ts';
import { memoryHistory } from './fakes/memory-history.ts';

const cases = path.join(import.meta.dirname, 'cases');
const reportOf = async (name: string): Promise<Report> =>
  Report.parse(JSON.parse(await readFile(path.join(cases, name, 'report.json'), 'utf8')));
const request = (id: string, recheckOf?: string) =>
  sampleRequest(
    { channel: 'C1', rootTs: '1.0', statusTs: '1.1' },
    recheckOf === undefined ? { id } : { id, recheckOf },
  );

let earlier: EarlierRuns;
let losses: string[];
beforeEach(async () => {
  const runsDirectory = await mkdtemp(path.join(tmpdir(), 'netcheck-earlier-'));
  onTestFinished(() => rm(runsDirectory, { recursive: true }));
  earlier = { history: memoryHistory(), runsDirectory, registries: { collectors, parsers } };
  losses = [];
});
/** A saved run is a folder or an archive. */
const save = (id: string, name: string): Promise<void> =>
  copyFile(path.join(cases, name, 'run.tar.gz'), path.join(earlier.runsDirectory, id));
const remember = async (id: string, name: string, minutesAgo: number, recheckOf?: string): Promise<void> => {
  const ending = { how: 'finished', report: await reportOf(name) } as const;
  await earlier.history.record(pastRunOf(request(id, recheckOf), ending, Date.now() - minutesAgo * 60_000));
};
const look = async (id: string, name: string, recheckOf?: string): Promise<RunContext> => {
  const report = await reportOf(name);
  const own = { ...report, run: { ...report.run, id } };
  return contextOf(request(id, recheckOf), own, earlier, (loss) => losses.push(loss));
};
const change = { node: 'node-50', kind: 'sysctl', name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' };

describe('what a worker knows of earlier runs', () => {
  it('is the whole comparison where the earlier run is saved here', async () => {
    await save('r1', 'tw-recycle');
    await save('r2', 'tw-recycle-mended');
    await remember('r1', 'tw-recycle', 5);
    expect(await look('r2', 'tw-recycle-mended', 'r1')).toMatchObject({
      comparison: { outcome: 'fixed', earlier: { id: 'r1' }, settings: [change], numbers: [{}] },
      seenBefore: [],
    });
    expect(losses).toEqual([]);
  });

  it('is the outcome alone where another machine has it', async () => {
    await remember('r1', 'tw-recycle', 5);
    const { comparison } = await look('r2', 'tw-recycle-mended', 'r1');
    expect(comparison).toMatchObject({ outcome: 'fixed', settings: [], numbers: [] });
  });

  it('is the comparison also where the memory is away, and says what is missing', async () => {
    await save('r1', 'tw-recycle');
    await save('r2', 'tw-recycle');
    const down = () => Promise.reject(new Error('Redis is away'));
    earlier = { ...earlier, history: { record: down, find: down, recent: down, withTrouble: down } };
    expect(await look('r2', 'tw-recycle', 'r1')).toMatchObject({ comparison: { outcome: 'still' }, seenBefore: [] });
    expect(losses).toEqual([expect.stringContaining('Redis is away')]);
  });

  it('names what ended the same trouble the last time', async () => {
    await save('r1', 'tw-recycle');
    await save('r2', 'tw-recycle-mended');
    await remember('r1', 'tw-recycle', 60);
    await remember('r2', 'tw-recycle-mended', 48, 'r1');
    const { comparison, seenBefore } = await look('r3', 'tw-recycle');
    expect(comparison).toBeUndefined();
    expect(seenBefore).toMatchObject([{ times: 1, last: { id: 'r1' }, gone: { byRecheck: true, settings: [change] } }]);
  });

  it('does not say twice that a re-check found the same again', async () => {
    await remember('r1', 'tw-recycle', 5);
    expect(await look('r2', 'tw-recycle', 'r1')).toMatchObject({ comparison: { outcome: 'still' }, seenBefore: [] });
  });

  it('reads no file that an id does not name', async () => {
    await save('r1', 'tw-recycle');
    expect(await look('r2', 'tw-recycle-mended', '../r1')).toEqual({ seenBefore: [] });
  });
});
