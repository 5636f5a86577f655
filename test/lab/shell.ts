import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startLabOf } from './run-scenario.ts';
import { scenarios } from './scenarios.ts';
import { plain, reportZero } from './topologies.ts';

/**
 * A shell inside the lab, to look around: `node test/lab/enter.mjs node --import tsx test/lab/shell.ts [plain|report-0|SCENARIO]`.
 * `ip netns exec node-12 …` runs something on a node; NETCHECK_CONFIG names the configuration that reaches all of them.
 */
const [wanted = 'report-0'] = process.argv.slice(2);
const scenario = scenarios.find((one) => one.id === wanted);
const definition = scenario?.definition ?? [plain, reportZero].find(({ name }) => name === wanted);
if (!definition) {
  process.stderr.write(`there is plain, report-0, and: ${scenarios.map((one) => one.id).join(', ')}\n`);
  process.exit(64);
}
const lab = await startLabOf({ definition });
if (scenario) await lab.apply(scenario.break);
process.stdout.write(`up: ${'nodes' in definition ? definition.nodes.map(({ name }) => name).join(', ') : definition.name}; ${lab.configFile}
log in:  ssh -i ${lab.identityFile} -o UserKnownHostsFile=${lab.knownHostsFile} root@10.255.0.50
ask:     node dist/cli.js --config "$NETCHECK_CONFIG" ${scenario?.ask ?? 'node-50 port 1301 from node-12'}\n`);
const shell = spawn('bash', ['--norc', '-i'], {
  stdio: 'inherit',
  env: { ...process.env, NETCHECK_CONFIG: lab.configFile, PS1: 'lab \\w # ' },
});
await once(shell, 'exit');
await lab.stop();
