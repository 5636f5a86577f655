// `npm run demo`: sets up what it needs and shows the main job on the practice network (test/lab/demo.ts): a question in
// Slack, the answer with the cause, the remedy by hand, Re-check, clear. Nothing is left behind, also on Ctrl-C.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { labBlockers, runInLab } from './lab/enter.mjs';
import { setUp } from './setup.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const say = (line) => process.stdout.write(`${line}\n`);
const began = performance.now();
const { ok, missing } = await setUp();
const tookSec = ((performance.now() - began) / 1000).toFixed(1);
if (!ok) {
  say('netcheck could not be set up; see above.');
  process.exit(1);
}
for (const line of missing) say(line);
say(`set-up done after ${tookSec} s`);

const blockers = labBlockers();
if (blockers.length > 0) {
  say('The practice network cannot run here, so no node can be asked, and the bot has nothing to look at:');
  for (const line of blockers) say(`  ${line}`);
  say('What can be shown without it: the same question, recorded on the practice network, judged again here.');
  process.exitCode = replay('tw-recycle', 1) && replay('tw-recycle-mended', 0) ? 0 : 1;
} else {
  process.exitCode = await runInLab([process.execPath, '--import', 'tsx', 'test/lab/demo.ts']);
}

/** Prints a recorded run's report; tells whether netcheck ended as it should (1 found, 0 clear). */
function replay(name, wantedStatus) {
  const argv = ['dist/cli.js', 'replay', `test/cases/${name}/run.tar.gz`];
  say(`\n$ netcheck ${argv.slice(1).join(' ')}`);
  const { status } = spawnSync(process.execPath, argv, { stdio: 'inherit' });
  if (status !== wantedStatus) say(`netcheck ended with ${status}, and ${wantedStatus} was expected`);
  return status === wantedStatus;
}
