import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createRunDirectory } from '../src/adapters/files/run-directory.ts';
import { loadRun } from '../src/adapters/files/load-run.ts';
import { Report } from '../src/model/report.ts';
import type { VerdictNote } from '../src/model/verdict-note.ts';
import type { RunShelf } from '../src/adapters/slack/run-shelf.ts';
import { createRunShelf } from '../src/run-shelf.ts';
import { wire } from '../src/wiring.ts';
import { loadConfig } from '../src/config.ts';

let data: string;
let shelf: RunShelf;
beforeEach(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'netcheck-shelf-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  data = path.join(folder, 'data');
  const config = path.join(folder, 'netcheck.yaml');
  await writeFile(
    config,
    `data: ${data}\nnodes:\n  node-50: { address: 192.0.2.50 }\n  node-12: { address: 192.0.2.12 }\n`,
  );
  const wiring = await wire(loadConfig(config));
  onTestFinished(() => wiring.close());
  shelf = createRunShelf(wiring);
});

/** A recorded run, saved as a worker saves it. */
async function save(id: string): Promise<void> {
  const packed = path.join(import.meta.dirname, 'cases', 'tw-recycle');
  const { record, evidence } = await loadRun(path.join(packed, 'run.tar.gz'));
  const sink = createRunDirectory(path.join(data, 'runs', id));
  for (const { entry, stdout, stderr } of evidence) await sink.write(entry, { stdout, stderr });
  await sink.finish(record, Report.parse(JSON.parse(await readFile(path.join(packed, 'report.json'), 'utf8'))));
}
const note: VerdictNote = {
  who: 'U0BEN',
  atMs: 1000,
  was: 'fd-exhaustion',
  words: 'it was the files',
  text: 'node-50 port 1301',
};
const kept = (id: string, ...file: string[]): string => path.join(data, 'wrong-verdicts', id, ...file);

describe('saved runs, for the buttons', () => {
  it('are read as they were saved', async () => {
    await save('r1');
    const report = await shelf.report('r1');
    expect(report?.verdict).toBe('found');
    const entry = report?.evidence.find(({ kind }) => kind === 'sysctl');
    if (entry === undefined) throw new Error('no sysctl');
    expect(Buffer.from((await shelf.output('r1', entry))?.stdout ?? []).toString()).toContain('tcp_tw_recycle:1');
    expect(await shelf.report('r2')).toBeUndefined();
    expect(await shelf.output('r2', entry)).toBeUndefined();
    expect(shelf.rules).toContain('tw-recycle');
  });

  it('are planned anew where they have not ended', async () => {
    const { plan, steps } = await shelf.plan({
      id: 'r1',
      text: 'node-50 port 1301 from node-12',
      language: 'en',
      askedBy: 'U1',
      askedAtMs: 0,
      thread: { channel: 'C1', rootTs: '1.0', statusTs: '1.1' },
    });
    expect(plan.nodes.map(({ node }) => node.name)).toEqual(['node-50', 'node-12']);
    expect(steps.length).toBeGreaterThan(10);
  });

  it('go with what people say of their verdict, as a run that replays', async () => {
    await save('r1');
    expect(await shelf.keepNote('r1', note)).toBe('withRun');
    expect(await shelf.keepNote('r1', { ...note, who: 'U0ANNA', was: 'nothing' })).toBe('withRun');
    expect((await loadRun(kept('r1'))).record.plan.symptom.port).toBe(1301);
    const notes: unknown = JSON.parse(await readFile(kept('r1', 'note.json'), 'utf8'));
    expect(notes).toEqual([note, { ...note, who: 'U0ANNA', was: 'nothing' }]);
    expect(await readdir(path.join(data, 'wrong-verdicts'))).toEqual(['r1']);
    // The run goes on to be what it was.
    expect(await shelf.report('r1')).toBeDefined();
  });

  it('keep a note alone where they are on another machine, and join it when they come', async () => {
    expect(await shelf.keepNote('r1', note)).toBe('noteAlone');
    expect(await readdir(kept('r1'))).toEqual(['note.json']);
    await save('r1');
    expect(await shelf.keepNote('r1', note)).toBe('withRun');
    expect(JSON.parse(await readFile(kept('r1', 'note.json'), 'utf8'))).toHaveLength(2);
    expect((await loadRun(kept('r1'))).evidence.length).toBeGreaterThan(10);
  });

  it('are not looked for outside of their folder', async () => {
    await save('r1');
    await mkdir(path.join(data, 'other'));
    await cp(path.join(data, 'runs', 'r1'), path.join(data, 'other'), { recursive: true });
    expect(await shelf.report('../other')).toBeUndefined();
    await expect(shelf.keepNote('../../x', note)).rejects.toMatchObject({ code: 'fault/internal' });
  });

  it('have a bounded number of notes', async () => {
    for (let n = 0; n < 60; n += 1) await shelf.keepNote('r1', { ...note, words: `${n}` });
    const notes = JSON.parse(await readFile(kept('r1', 'note.json'), 'utf8')) as readonly VerdictNote[];
    expect([notes.length, notes.at(-1)?.words]).toEqual([50, '59']);
  });
});
