import { appendFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Lab } from './network.ts';
import { runScenario, type ScenarioResult, startLabOf } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';

/**
 * One of several labs that share the scenarios among them, each inside an enter.mjs of its own:
 *
 *     node test/lab/enter.mjs node --import tsx test/lab/lane.ts FOLDER forward|backward|alone [scenario]...
 *
 * A scenario belongs to the lane that first makes its folder below FOLDER; all scenarios of guests belong together,
 * because a guest takes long to start. One lane goes through the list from its end, so that each starts as few labs as
 * possible. `alone` runs those that must not share the machine. Results are lines of JSON in
 * FOLDER/results.ndjson: `ScenarioResult`, or `{ id, skipped }` with the reason.
 */
export type LaneResult = ScenarioResult | { readonly id: string; readonly skipped: string };

/** In the order in which each lab is started once. */
function byLab(chosen: readonly Scenario[]): readonly Scenario[] {
  const definitions = [...new Set(chosen.map(({ definition }) => definition))];
  return definitions.flatMap((definition) => chosen.filter((scenario) => scenario.definition === definition));
}

async function claim(folder: string, { definition, id, alone }: Scenario): Promise<boolean> {
  // scenarios of one lab may be shared among those that run alone and those that do not
  const name =
    'start' in definition ? `lab-${definition.name}${alone === undefined ? '' : '-alone'}` : `scenario-${id}`;
  return mkdir(path.join(folder, name)).then(
    () => true,
    () => false,
  );
}

async function runLane(folder: string, direction: string, ids: readonly string[]): Promise<void> {
  const chosen = byLab(
    scenarios.filter(
      ({ id, alone }) => (ids.length === 0 || ids.includes(id)) && (alone !== undefined) === (direction === 'alone'),
    ),
  );
  const tell = (result: LaneResult) => appendFile(path.join(folder, 'results.ndjson'), `${JSON.stringify(result)}\n`);
  /** What is up; a string says why it is not. Two labs at once would get into each other's way. */
  let up: { readonly definition: Scenario['definition']; readonly lab: Lab | string } | undefined;
  const stop = async () => {
    if (up && typeof up.lab !== 'string') await up.lab.stop();
    up = undefined;
  };
  for (const scenario of direction === 'backward' ? chosen.toReversed() : chosen) {
    const { id, definition } = scenario;
    // a lab that this lane has is claimed for all its scenarios
    const own = 'start' in definition && up?.definition === definition;
    if (!own && !(await claim(folder, scenario))) continue;
    if (up?.definition !== definition) {
      await stop();
      up = { definition, lab: await start(scenario) };
    }
    await tell(typeof up.lab === 'string' ? { id, skipped: up.lab } : await runScenario(up.lab, scenario));
  }
  await stop();
}

async function start(scenario: Scenario): Promise<Lab | string> {
  const { definition } = scenario;
  const blockers = 'start' in definition ? await definition.blockers() : [];
  if (blockers.length > 0) return blockers.join('; ');
  try {
    return await startLabOf(scenario);
  } catch (error) {
    return `${definition.name} could not be started: ${error instanceof Error ? error.message : String(error)}`;
  }
}

if (process.argv[1] === import.meta.filename) {
  const [folder = '', direction = 'forward', ...ids] = process.argv.slice(2);
  await runLane(folder, direction, ids);
  process.exit(0);
}
