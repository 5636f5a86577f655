// Sets up what a script of measurements or of nightly tests needs (npm packages, the build, the peers from Debian's
// packages), says what is missing, and runs it: node test/bench/with-peers.mjs SCRIPT ARGUMENT...
//
// With --lab in front of the script it runs inside namespaces of its own (test/lab/enter.mjs).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runInLab } from '../lab/enter.mjs';
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
const fleetPeers = [
  ['time', 'time', 'nothing can be measured'],
  ['sshd', 'openssh-server', 'there are no nodes'],
  ['clush', 'clustershell', 'no comparison with it'],
  ['parallel-ssh', 'pssh', 'no comparison with it'],
  ['parallel', 'parallel', 'no comparison with it'],
  ['ansible', 'ansible-core', 'no comparison with it'],
];

process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
const inLab = process.argv[2] === '--lab';
const [script, ...rest] = process.argv.slice(inLab ? 3 : 2);
const { ok, missing } = await setUp({ tools: script?.endsWith('fleet.ts') ? fleetPeers : peers });
if (!ok) {
  process.stdout.write('netcheck could not be set up; see above.\n');
  process.exit(1);
}
for (const line of missing) process.stdout.write(`${line}\n`);
const argv = [process.execPath, '--import', 'tsx', script, ...rest];
process.exitCode = inLab ? await runInLab(argv) : (spawnSync(argv[0], argv.slice(1), { stdio: 'inherit' }).status ?? 1);
