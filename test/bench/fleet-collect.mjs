// What the benchmark of the fleet measures of netcheck: its own transport, from the start of the process to the last
// byte of evidence on disk. As netcheck runs in production: compiled, without a loader.
//
//   node test/bench/fleet-collect.mjs JOB.json
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSshTransport } from '../../dist/adapters/ssh/ssh-transport.js';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { nodes, commands, outputDirectory, nodesAtOnce, ...options } = job;
mkdirSync(outputDirectory, { recursive: true });
const transport = createSshTransport(options);
const never = new AbortController().signal;
let failed = 0;
/** As many nodes at once as the other contenders are given. */
const left = [...nodes];
const next = async () => {
  for (let node = left.shift(); node !== undefined; node = left.shift()) await collect(node);
};
await Promise.all(Array.from({ length: nodesAtOnce }, next));
await transport.close();
process.exitCode = failed === 0 ? 0 : 1;

async function collect({ name, address }) {
  const node = { name, address, port: 22, user: 'root', labels: {}, serves: [], sudo: false };
  const connected = await transport.connect(node, { signal: never });
  if (!connected.ok) {
    failed++;
    process.stderr.write(`${connected.exit.message}\n`);
    return;
  }
  const results = await Promise.all(
    commands.map((argv) =>
      connected.connection.run({ argv, privilege: 'none', timeoutMs: 60_000, maxBytes: 1_000_000 }, { signal: never }),
    ),
  );
  await connected.connection.close();
  const whole = results.every(({ exit }) => exit.how === 'exited' && exit.code === 0);
  if (!whole) {
    failed++;
    process.stderr.write(`${name}: ${JSON.stringify(results.map(({ exit }) => exit))}\n`);
  }
  const end = whole ? Buffer.from('evidence-complete\n') : Buffer.from('');
  writeFileSync(join(outputDirectory, name), Buffer.concat([...results.map(({ stdout }) => stdout), end]));
}
