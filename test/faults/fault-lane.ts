import { netcheckAt } from '../commands/built-netcheck.ts';
import { faultSchedule } from './fault-schedule.ts';
import { startFaultWorld } from './fault-world.ts';
import { baselineOf } from './problems-of.ts';
import { runSchedule, up } from './run-schedule.ts';

/** What became of one schedule. */
export interface LaneReport {
  readonly seed: number;
  readonly tookMs: number;
  readonly problems: readonly string[];
}

/** One world: plays the schedules of the seeds on its command line (after the program, and the first port of questions), one after the other, and tells its parent of each. */
const [cli = '', portBase = '', ...words] = process.argv.slice(2);
const netcheck = netcheckAt(cli);
let firstPort = Number(portBase);
try {
  let seeds = words.map(Number);
  while (seeds.length > 0) seeds = await playInOneWorld(seeds);
} finally {
  await netcheck.remove();
  process.disconnect?.();
}

/** @returns what is left when a schedule broke something: the next one begins in a new world */
async function playInOneWorld(seeds: readonly number[]): Promise<number[]> {
  const here = await startFaultWorld(netcheck);
  try {
    await Promise.all([up(here, 'bot'), up(here, 'worker')]);
    const baseline = await baselineOf(here);
    for (const [index, seed] of seeds.entries()) {
      const began = performance.now();
      const schedule = faultSchedule(seed, firstPort);
      firstPort += schedule.questions.length;
      const problems = await runSchedule(here, baseline, schedule);
      const { bot, worker } = here.crew;
      process.send?.({
        seed,
        tookMs: performance.now() - began,
        problems:
          problems.length === 0
            ? []
            : [...problems, JSON.stringify(schedule), bot.said().slice(-1500), worker.said().slice(-2500)],
      } satisfies LaneReport);
      if (problems.length > 0) return seeds.slice(index + 1);
      await here.forget();
    }
    return [];
  } finally {
    await here.close();
  }
}
