import path from 'node:path';
import { type LoadedRun, loadRun } from './adapters/files/load-run.ts';
import { settledWithin } from './adapters/queue/redis-client.ts';
import { compareRuns } from './engine/compare-runs.ts';
import { compareSettings } from './engine/compare-settings.ts';
import { pastRunOf } from './engine/past-run-of.ts';
import type { RunHistory, RunRequest } from './engine/ports.ts';
import { sameTrouble } from './engine/same-trouble.ts';
import type { LoadedRegistries } from './load-registries.ts';
import { Report } from './model/report.ts';
import type { Comparison, RunContext, SettingChange } from './model/run-context.ts';

/** Where earlier runs are to be had. */
export interface EarlierRuns {
  readonly history: RunHistory;
  /** The folder of saved runs, one folder each. They may be on another machine: what is not here is left out. */
  readonly runsDirectory: string;
  readonly registries: Pick<LoadedRegistries, 'collectors' | 'parsers'>;
}

/** An answer does not wait longer for what was before. */
const withinMs = 4000;
/** Larger runs are not read again for the sake of a comparison. */
const maxBytes = 256 * 1024 * 1024;

/**
 * What earlier runs add to the answer of this one: what became of the run that it checks again, and where the same
 * trouble was seen before. Never rejects and never takes long: what cannot be had is left out, and said to `onLoss`.
 */
export async function contextOf(
  request: RunRequest,
  report: Report,
  earlier: EarlierRuns,
  onLoss: (sentence: string) => void,
): Promise<RunContext> {
  let context: RunContext = { seenBefore: [] };
  const work = async (): Promise<void> => {
    const comparison = await comparisonOf(request, report, earlier);
    if (comparison !== undefined) context = { ...context, comparison };
    const settingsBetween = (from: string, to: string): Promise<readonly SettingChange[]> =>
      settingsOf(from, to, earlier);
    const seenBefore = await sameTrouble(report, earlier.history, { nowMs: Date.now(), settingsBetween });
    // A re-check that finds the same again has just said so.
    const compared = comparison?.outcome === 'still' ? request.recheckOf : undefined;
    context = { ...context, seenBefore: seenBefore.filter(({ last, times }) => times > 1 || last.id !== compared) };
  };
  const done = work().catch((error: unknown) => onLoss(`earlier runs are left out: ${String(error)}`));
  if (!(await settledWithin(done, withinMs))) onLoss('earlier runs are left out: they took too long');
  return context;
}

async function comparisonOf(
  request: RunRequest,
  report: Report,
  earlier: EarlierRuns,
): Promise<Comparison | undefined> {
  const { recheckOf } = request;
  if (recheckOf === undefined) return undefined;
  const saved = await savedRun(recheckOf, earlier);
  const before = saved && reportOf(saved);
  const remembered = await earlier.history.find(recheckOf).catch(() => null);
  const past =
    remembered ??
    // A re-check answers in the thread of what it checks again.
    (before && pastRunOf({ ...request, id: recheckOf }, { how: 'finished', report: before }, before.timing.endedAtMs));
  if (!past) return undefined;
  return compareRuns({ past, report: before }, report, await settingsOf(recheckOf, request.id, earlier, saved));
}

async function settingsOf(
  from: string,
  to: string,
  earlier: EarlierRuns,
  known?: LoadedRun,
): Promise<readonly SettingChange[]> {
  const before = known ?? (await savedRun(from, earlier));
  const after = before && (await savedRun(to, earlier));
  return before && after ? compareSettings(before.evidence, after.evidence, earlier.registries) : [];
}

/** Undefined where it is not here, or cannot be read. */
async function savedRun(id: string, { runsDirectory }: EarlierRuns): Promise<LoadedRun | undefined> {
  if (!/^[\w-]{1,64}$/.test(id)) return undefined;
  return loadRun(path.join(runsDirectory, id), { maxBytes, maxFiles: 20_000 }).catch(() => undefined);
}

function reportOf({ reportBytes }: LoadedRun): Report | undefined {
  if (reportBytes === undefined) return undefined;
  try {
    return Report.parse(JSON.parse(Buffer.from(reportBytes).toString('utf8')));
  } catch {
    return undefined;
  }
}
