import { buildNetcheck } from '../commands/built-netcheck.ts';
import { startBotWorld } from '../contracts/real/bot-world.ts';
import { faultSchedule } from './fault-schedule.ts';
import { runSchedule } from './run-schedule.ts';

/** What became of one schedule. */
export interface LaneReport {
  readonly seed: number;
  readonly tookMs: number;
  readonly problems: readonly string[];
}

/** One world: plays the schedules of the seeds on its command line, one after the other, and tells its parent of each. */
const netcheck = await buildNetcheck();
let firstPort = 20_001;
try {
  let seeds = process.argv.slice(2).map(Number);
  while (seeds.length > 0) seeds = await playInOneWorld(seeds);
} finally {
  await netcheck.remove();
  process.disconnect?.();
}

/** @returns what is left when a schedule broke something: the next one begins in a new world */
async function playInOneWorld(seeds: readonly number[]): Promise<number[]> {
  const here = await startBotWorld(netcheck, undefined, {
    ssh: { timeouts: { idle: '2s' } },
    defaults: { budget: { wall: '20s', window: '1s' } },
  });
  const crew = { bot: here.bot('--no-worker'), worker: here.worker() };
  try {
    await Promise.all([crew.bot.says('without a worker'), crew.worker.says('worker started')]);
    for (const [index, seed] of seeds.entries()) {
      const began = performance.now();
      const schedule = faultSchedule(seed, firstPort);
      firstPort += schedule.questions.length;
      const problems = await runSchedule(here, crew, schedule);
      process.send?.({
        seed,
        tookMs: performance.now() - began,
        problems:
          problems.length === 0
            ? []
            : [...problems, JSON.stringify(schedule), crew.bot.said().slice(-1500), crew.worker.said().slice(-1500)],
      } satisfies LaneReport);
      if (problems.length > 0) return seeds.slice(index + 1);
    }
    return [];
  } finally {
    await Promise.all([crew.bot.stop('SIGKILL'), crew.worker.stop('SIGKILL')]);
    await here.close();
  }
}
