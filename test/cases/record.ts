import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { packRun } from '../../src/adapters/files/pack-run.ts';
import { command } from '../lab/network.ts';
import { startLabOf, startTraffic } from '../lab/run-scenario.ts';
import { scenarios } from '../lab/scenarios.ts';

/**
 * Records the scenarios of the practice network as golden cases, as asked and mended:
 *
 *     npm run build && node test/lab/enter.mjs node --import tsx test/cases/record.ts [scenario]...
 *
 * Do this when what is collected changes. Where only verdicts or sentences change, keep the recordings and run
 * `node --import tsx test/cases/rejudge.ts`; say in the commit why the new reports are better.
 */
const here = import.meta.dirname;
const wanted = process.argv.slice(2);

for (const scenario of scenarios.filter(({ id }) => wanted.length === 0 || wanted.includes(id))) {
  const lab = await startLabOf(scenario);
  try {
    const ask = async (name: string): Promise<void> => {
      const save = path.join(path.dirname(lab.configFile), 'saved', name);
      const { code, stderr } = await command(
        [
          process.execPath,
          path.join(here, '../../dist/cli.js'),
          '--config',
          lab.configFile,
          '--json',
          '--save',
          save,
          ...scenario.ask.split(' '),
        ],
        { timeoutMs: 90_000 },
      );
      if (code > 2) throw new Error(`${name}: exit ${code}: ${stderr}`);
      const { reportBytes } = await loadRun(save);
      rmSync(path.join(here, name), { recursive: true, force: true });
      mkdirSync(path.join(here, name));
      writeFileSync(path.join(here, name, 'run.tar.gz'), await packRun(save));
      writeFileSync(path.join(here, name, 'report.json'), reportBytes ?? '');
      process.stdout.write(`${name}: exit ${code}\n`);
    };
    await lab.apply(scenario.break);
    const stops = [];
    for (const traffic of scenario.traffic ?? []) stops.push(await startTraffic(lab, traffic));
    await ask(scenario.id);
    await lab.apply(scenario.mend);
    if (scenario.expect.verdict === 'found') await ask(`${scenario.id}-mended`);
    for (const stop of stops) await stop();
  } finally {
    await lab.stop();
  }
}
process.exit(0);
