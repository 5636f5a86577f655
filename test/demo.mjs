// `npm run demo`: sets up what it needs and shows the main job on the practice network (test/lab/demo.ts): a question in
// Slack, the answer with the cause, the remedy by hand, Re-check, clear. Nothing is left behind, also on Ctrl-C.
import { fileURLToPath } from 'node:url';
import { labBlockers, runInLab } from './lab/enter.mjs';
import { setUp } from './setup.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const began = performance.now();
const { ok, missing } = await setUp();
const tookSec = ((performance.now() - began) / 1000).toFixed(1);
if (!ok) {
  process.stdout.write('netcheck could not be set up; see above.\n');
  process.exit(1);
}
for (const line of missing) process.stdout.write(`${line}\n`);
process.stdout.write(`set-up done after ${tookSec} s\n`);

const blockers = labBlockers();
if (blockers.length > 0) {
  process.stdout.write('The demo needs the practice network, and that cannot run here:\n');
  for (const line of blockers) process.stdout.write(`  ${line}\n`);
} else {
  process.exitCode = await runInLab([process.execPath, '--import', 'tsx', 'test/lab/demo.ts']);
}
