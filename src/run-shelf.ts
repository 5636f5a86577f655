import { cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import * as z from 'zod';
import { type LoadedRun, loadRun } from './adapters/files/load-run.ts';
import type { RunShelf } from './adapters/slack/run-shelf.ts';
import { dataDirectory } from './config.ts';
import { explainPlan } from './engine/explain.ts';
import { NetcheckError } from './model/errors.ts';
import { Report } from './model/report.ts';
import { VerdictNote } from './model/verdict-note.ts';
import type { Wiring } from './wiring.ts';

/** Larger runs are not read for a click; the bundle in the thread has them. */
const maxBytes = 256 * 1024 * 1024;
/** Notes of one run that are kept. */
const maxNotes = 50;
const Notes = z.array(VerdictNote);

/** Name of the folder of runs that people say are judged wrongly, in the data directory. */
export const wrongVerdictsFolder = 'wrong-verdicts';
/** Name of the file in it that says what it was instead. */
export const noteName = 'note.json';

/** The runs that were saved by workers of this machine, in `<data>/runs/<run id>`. */
export function createRunShelf(wiring: Pick<Wiring, 'loaded' | 'plan' | 'registries'>): RunShelf {
  const data = dataDirectory(wiring.loaded);
  const folderOf = (runId: string): string => {
    if (!/^[\w-]{1,64}$/.test(runId)) {
      throw new NetcheckError(
        'fault/internal',
        `${JSON.stringify(runId)} is no run id.`,
        'Report this with what was pressed.',
      );
    }
    return path.join(data, 'runs', runId);
  };
  const load = async (runId: string): Promise<LoadedRun | undefined> =>
    loadRun(folderOf(runId), { maxBytes, maxFiles: 20_000 }).catch(() => undefined);

  return {
    rules: [...wiring.registries.rules.keys()].sort(),
    async plan({ text }) {
      const plan = await wiring.plan(text);
      return { plan, steps: explainPlan(plan, wiring.registries.collectors) };
    },
    async report(runId) {
      try {
        return Report.parse(JSON.parse(await readFile(path.join(folderOf(runId), 'report.json'), 'utf8')));
      } catch {
        return undefined;
      }
    },
    async output(runId, { node, id }) {
      const run = await load(runId);
      return run?.evidence.find(({ entry }) => entry.node === node && entry.id === id);
    },
    async keepNote(runId, note) {
      const run = folderOf(runId);
      const folder = path.join(data, wrongVerdictsFolder, runId);
      await mkdir(path.dirname(folder), { recursive: true, mode: 0o700 });
      const isHere = await exists(path.join(run, 'run.json'));
      if (isHere && !(await exists(path.join(folder, 'run.json')))) await copyWhole(run, folder);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = path.join(folder, noteName);
      const notes = await readFile(file, 'utf8').then(
        (text) => Notes.parse(JSON.parse(text)),
        () => [],
      );
      const whole = path.join(folder, `.${noteName}-${randomUUID()}`);
      const all = `${JSON.stringify([...notes, note].slice(-maxNotes), null, 2)}\n`;
      await writeFile(whole, all, { mode: 0o600 });
      await rename(whole, file);
      return isHere ? 'withRun' : 'noteAlone';
    },
  };
}

/** The folder is there with everything in it, or not at all. */
async function copyWhole(from: string, to: string): Promise<void> {
  const part = `${to}.part-${randomUUID()}`;
  try {
    await cp(from, part, {
      recursive: true,
      dereference: false,
      filter: (source) => !path.basename(source).startsWith('.'),
    });
    // A note that came before its run has made the folder already.
    const note = await readFile(path.join(to, noteName)).catch(() => undefined);
    if (note !== undefined) await writeFile(path.join(part, noteName), note, { mode: 0o600 });
    await rm(to, { recursive: true, force: true });
    await rename(part, to);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
