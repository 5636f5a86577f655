// Sets up what a script of measurements or of nightly tests needs (npm packages, the build, the peers from Debian's
// packages), says what is missing, and runs it: node test/bench/with-peers.mjs SCRIPT ARGUMENT...
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setUp } from '../setup.mjs';

/** Command, Debian package that has it, and what cannot be done without it. */
const peers = [
  ['time', 'time', 'nothing can be measured'],
  ['taskset', 'util-linux', 'the live stream is not measured'],
  ['tshark', 'tshark', 'no comparison with it'],
  ['tcptrace', 'tcptrace', 'no comparison with it'],
  ['ndpiReader', 'libndpi-bin', 'no comparison with it'],
  ['tcpdump', 'tcpdump', 'no comparison with it'],
];

process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
const { ok, missing } = await setUp({ tools: peers });
if (!ok) {
  process.stdout.write('netcheck could not be set up; see above.\n');
  process.exit(1);
}
for (const line of missing) process.stdout.write(`${line}\n`);
const { status } = spawnSync(process.execPath, ['--import', 'tsx', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exitCode = status ?? 1;
