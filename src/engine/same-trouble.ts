import type { PastRun } from '../model/past-run.ts';
import type { Report } from '../model/report.ts';
import type { SeenBefore, SettingChange } from '../model/run-context.ts';
import { troublesOf } from './past-run-of.ts';
import type { RunHistory } from './ports.ts';

const dayMs = 24 * 3600_000;
/** How far back a trouble is counted. */
const days = 30;
/** Sightings that are read, and runs on one node that are looked through for the end of a trouble. */
const maxSightings = 100;
const maxLookedThrough = 500;
/** Troubles of one report that are looked up: more would not be read. */
const maxTroubles = 3;

/** Names what had been set otherwise between two runs, where both are here. Never rejects. */
export type SettingsBetween = (earlierId: string, laterId: string) => Promise<readonly SettingChange[]>;

/**
 * When and where the troubles of a report were seen before, and what ended them: the next run that saw the same place
 * and nodes and was clear, a re-check of the sighting first. Rejects where the history does.
 */
export async function sameTrouble(
  report: Report,
  history: RunHistory,
  { nowMs, settingsBetween }: { readonly nowMs: number; readonly settingsBetween: SettingsBetween },
): Promise<readonly SeenBefore[]> {
  const found: SeenBefore[] = [];
  for (const { fingerprint, title } of troublesOf(report).slice(0, maxTroubles)) {
    const sightings = (await history.withTrouble([fingerprint], maxSightings)).filter(
      ({ id, endedAtMs }) => id !== report.run.id && endedAtMs > nowMs - days * dayMs,
    );
    const [last] = sightings;
    if (last === undefined) continue;
    const end = await endOf(last, history, report.run.id);
    const gone = end && {
      run: end,
      afterMs: end.endedAtMs - last.endedAtMs,
      byRecheck: end.recheckOf !== undefined,
      settings: await settingsBetween(last.id, end.id),
    };
    found.push({
      fingerprint,
      title,
      times: sightings.length,
      atLeast: sightings.length >= maxSightings - 1,
      days,
      last,
      ...(gone === undefined ? {} : { gone }),
    });
  }
  return found;
}

/** The run that showed that the trouble of `last` was over. */
async function endOf(last: PastRun, history: RunHistory, ownId: string): Promise<PastRun | undefined> {
  const { about } = last;
  const [node] = last.nodes;
  if (about === undefined || node === undefined) return undefined;
  const later = (await history.recent({ node, limit: maxLookedThrough }))
    .filter((run) => run.endedAtMs > last.endedAtMs && run.id !== ownId)
    .toReversed();
  // Only a run that saw at least the same nodes says anything about the way between them.
  const clear = later.filter(
    (run) =>
      run.verdict === 'clear' &&
      run.about?.place === about.place &&
      run.about.address === about.address &&
      run.about.protocol === about.protocol &&
      run.about.port === about.port &&
      last.nodes.every((name) => run.nodes.includes(name)),
  );
  const chain = new Set([last.id]);
  for (const { id, recheckOf } of later) if (recheckOf !== undefined && chain.has(recheckOf)) chain.add(id);
  return clear.find(({ id }) => chain.has(id)) ?? clear[0];
}
