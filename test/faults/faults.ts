import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNetcheck } from '../commands/built-netcheck.ts';
import type { LaneReport } from './fault-lane.ts';

/**
 * `npm run test:faults`: random schedules of questions and faults against real bots, workers, Redis and SSH, several
 * worlds side by side, each a process of its own. Prints the seed of each schedule that broke something; exit status 1
 * where one did. `-- --schedules 500 --lanes 6 --seed 1`; chosen ones again: `-- --seeds 12,27`.
 */
const { values } = parseArgs({
  options: {
    schedules: { type: 'string' },
    lanes: { type: 'string' },
    seed: { type: 'string' },
    seeds: { type: 'string' },
    verbose: { type: 'boolean' },
  },
});
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000_000);
const seeds =
  values.seeds?.split(',').map(Number) ??
  Array.from({ length: Number(values.schedules ?? 500) }, (_seed, at) => firstSeed + at);
const lanes = Math.min(seeds.length, Number(values.lanes ?? 6));
process.stdout.write(`seeds ${values.seeds ?? `${seeds[0]} to ${seeds.at(-1)}`}, ${lanes} worlds side by side\n`);

// Of the lab alone, and not below /run, which the sshd of a world replaces.
if (process.env['NETCHECK_LAB'] !== '1') throw new Error('run this in a lab: node test/lab/enter.mjs …');
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/mnt']);
process.env['TMPDIR'] = '/mnt';
const netcheck = await buildNetcheck();
const began = performance.now();
let done = 0;
const broken: LaneReport[] = [];
const lane = fileURLToPath(new URL('./fault-lane.ts', import.meta.url));
await Promise.all(
  Array.from({ length: lanes }, async (_, index) => {
    const mine = seeds.filter((_seed, at) => at % lanes === index);
    const child = fork(lane, [netcheck.cli, String(10_000 + index * 1000), ...mine.map(String)], {
      execArgv: ['--import', 'tsx'],
      stdio: 'inherit',
    });
    let last = 0;
    child.on('message', (message) => {
      const report = message as LaneReport;
      done += 1;
      last += 1;
      if (report.problems.length > 0) {
        broken.push(report);
        process.stdout.write(`seed ${report.seed}:\n  ${report.problems.join('\n  ')}\n`);
      } else if (values.verbose === true)
        process.stdout.write(`seed ${report.seed}: nothing broke in ${(report.tookMs / 1000).toFixed(1)} s\n`);
      if (done % 25 === 0) process.stdout.write(`${done} schedules, ${broken.length} broke something\n`);
    });
    await once(child, 'exit');
    if (last < mine.length)
      broken.push({
        seed: mine[last] ?? 0,
        tookMs: 0,
        problems: [`the lane ended after ${last} of ${mine.length} schedules`],
      });
  }),
);
await netcheck.remove();
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
process.stdout.write(
  `${done} schedules in ${minutes} min: ${broken.length} broke something${broken.length > 0 ? ` (seeds ${broken.map(({ seed }) => seed).join(', ')})` : ''}\n`,
);
process.exitCode = broken.length > 0 ? 1 : 0;
