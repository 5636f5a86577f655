import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { insideLab, labRoot, whyOutside } from '../lab/network.ts';
import commands from './evidence-commands.json' with { type: 'json' };
import { type FleetCheck, type FleetLine, fleetPage } from './fleet-page.ts';
import { plainLogin } from './plain-login.ts';
import { type SshdFleet, startSshdFleet } from './sshd-fleet.ts';

/**
 * netcheck's SSH against what people use today, on the same machine, the same nodes and the same evidence script:
 *
 *     npm run bench:fleet [-- --nodes N] [--rounds N] [--json FILE] [--doc]
 *
 * Every node is a real sshd with a key of its own. All contenders check host keys, log in with the same key, run the same
 * commands and write down what came. Wall time is that of the whole command, from its start to its exit; processor time
 * is that of the command and its children (wait4(2)), which is the controlling side only. They are run in turns, round
 * after round, so that what else the machine does falls on all of them. Exits with 1 where a target is missed.
 */
const targets = { wallOfForced: 1, wallOfDefaults: 0.7, wallOfAnsible: 0.3, cpuOfCheapest: 0.7 } as const;
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    json: { type: 'string' },
    doc: { type: 'boolean', default: false },
  },
});
const count = Number(values.nodes);
/** What clush takes by itself; given to all but ansible, which has its 50 forks. */
const nodesAtOnce = 64;
const rounds = Number(values.rounds);
const sentinel = 'evidence-complete';
const script = `export LC_ALL=C; ${commands.map((argv) => argv.join(' ')).join('; ')}; echo ${sentinel}`;

interface Contender {
  readonly name: string;
  /** The command that it needs; what is not there is left out, and said. */
  readonly tool: string;
  /** With the same key exchange for all, or as it comes. */
  readonly kex: 'curve25519' | 'default';
  readonly argv: (outputDirectory: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Round {
  readonly wallSec: number;
  readonly cpuSec: number;
  /** What the daemons of all nodes used for it. */
  readonly nodesCpuSec: number;
}

function contendersOf(fleet: SshdFleet, directory: string): readonly Contender[] {
  const at = (name: string): string => path.join(directory, name);
  const addresses = fleet.nodes.map(({ address }) => address);
  writeFileSync(at('hosts'), `${addresses.join('\n')}\n`);
  writeFileSync(at('inventory'), `[all]\n${addresses.join('\n')}\n`);
  const sshConfig = (kex: Contender['kex']): string => {
    const file = at(`ssh_config.${kex}`);
    writeFileSync(
      file,
      [
        'Host *',
        ' User root',
        ` IdentityFile ${fleet.identityFile}`,
        ' IdentitiesOnly yes',
        ` UserKnownHostsFile ${fleet.knownHostsFile}`,
        ' GlobalKnownHostsFile /dev/null',
        ' StrictHostKeyChecking yes',
        ' BatchMode yes',
        ' LogLevel ERROR',
        ...(kex === 'curve25519' ? [' KexAlgorithms curve25519-sha256'] : []),
        '',
      ].join('\n'),
    );
    return file;
  };
  const ansible = (kex: Contender['kex']): Contender => ({
    name: 'ansible',
    tool: 'ansible',
    kex,
    argv: () => ['ansible', 'all', '-i', at('inventory'), '-f', '50', '-m', 'shell', '-a', script],
    env: {
      ANSIBLE_PIPELINING: 'True',
      ANSIBLE_HOST_KEY_CHECKING: 'True',
      ANSIBLE_SSH_ARGS: `-C -o ControlMaster=auto -o ControlPersist=60s -F ${sshConfig(kex)}`,
      ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
      HOME: directory,
    },
  });
  const ofKex = (kex: Contender['kex']): Contender[] => {
    const config = sshConfig(kex);
    return [
      {
        name: 'clush',
        tool: 'clush',
        kex,
        argv: () => ['clush', '-f', String(nodesAtOnce), '-o', `-F ${config}`, '--hostfile', at('hosts'), script],
      },
      {
        name: 'pssh',
        tool: 'parallel-ssh',
        kex,
        argv: (out) => [
          'parallel-ssh',
          '-p',
          String(nodesAtOnce),
          '-t',
          '0',
          '-x',
          `-F ${config}`,
          '-h',
          at('hosts'),
          '-o',
          out,
          script,
        ],
      },
      {
        name: 'GNU parallel + ssh',
        tool: 'parallel',
        kex,
        argv: () => [
          'parallel',
          '--will-cite',
          '-j',
          String(nodesAtOnce),
          '-a',
          at('hosts'),
          'ssh',
          '-F',
          config,
          '{}',
          `'${script}'`,
        ],
        env: { HOME: directory },
      },
      ansible(kex),
    ];
  };
  const job = (out: string): string => {
    const file = at('job.json');
    writeFileSync(
      file,
      JSON.stringify({
        nodes: fleet.nodes,
        commands,
        outputDirectory: out,
        nodesAtOnce,
        connectTimeoutMs: 60_000,
        identityFiles: [fleet.identityFile],
        knownHostsFiles: [fleet.knownHostsFile],
      }),
    );
    return file;
  };
  return [
    {
      name: 'netcheck',
      tool: 'ssh',
      kex: 'curve25519',
      argv: (out) => [process.execPath, path.join(import.meta.dirname, 'fleet-collect.mjs'), job(out)],
    },
    ...ofKex('curve25519'),
    ...ofKex('default'),
  ];
}

/** How often the evidence of a node came to its end, on standard output or in the files that were written. */
function completed(stdoutFile: string, outputDirectory: string): number {
  const files = [stdoutFile, ...readdirSync(outputDirectory).map((name) => path.join(outputDirectory, name))];
  return files.reduce((sum, file) => sum + readFileSync(file, 'utf8').split(`${sentinel}\n`).length - 1, 0);
}

async function runOnce(contender: Contender, fleet: SshdFleet, directory: string): Promise<Round> {
  const out = await mkdtemp(path.join(directory, 'out-'));
  const stdoutFile = path.join(directory, 'stdout');
  const figures = path.join(directory, 'figures');
  const nodesBefore = await fleet.cpuSec();
  const stdout = createWriteStream(stdoutFile);
  await once(stdout, 'open');
  const child = spawn('/usr/bin/time', ['-o', figures, '-f', '%e %U %S', ...contender.argv(out)], {
    stdio: ['ignore', stdout, 'pipe'],
    env: {
      ...process.env,
      ...contender.env,
      ...(contender.name === 'ansible' ? { ANSIBLE_SSH_CONTROL_PATH_DIR: out } : {}),
    },
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  await once(child, 'close');
  stdout.close();
  endMasters(out);
  const [wallSec = Number.NaN, user = Number.NaN, system = Number.NaN] = (
    readFileSync(figures, 'utf8').trim().split('\n').at(-1) ?? ''
  )
    .split(' ')
    .map(Number);
  const whole = completed(stdoutFile, out);
  if (whole !== fleet.nodes.length)
    throw new Error(
      `${contender.name} (${contender.kex}): evidence of ${whole} of ${fleet.nodes.length} nodes\n${errors}`,
    );
  const nodesCpuSec = (await fleet.cpuSec()) - nodesBefore;
  await rm(out, { recursive: true, force: true });
  return { wallSec, cpuSec: user + system, nodesCpuSec };
}

/** ansible's connections outlive it for a minute; the next round must not find them. */
function endMasters(directory: string): void {
  for (const name of readdirSync(directory)) {
    try {
      execFileSync('ssh', ['-o', `ControlPath=${path.join(directory, name)}`, '-O', 'exit', 'x'], { stdio: 'ignore' });
    } catch {
      // not a master's socket
    }
  }
}

const isInstalled = (tool: string): boolean =>
  (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, tool)));

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

function checksOf(lines: readonly FleetLine[]): readonly FleetCheck[] {
  const own = lines.find(({ name }) => name === 'netcheck');
  if (own === undefined) return [];
  const fastest = (kex: string): number =>
    Math.min(
      ...lines
        .filter((one) => one.kex === kex && !['netcheck', 'ansible'].includes(one.name))
        .map(({ wallSec }) => wallSec),
    );
  const ansible = Math.min(...lines.filter(({ name }) => name === 'ansible').map(({ wallSec }) => wallSec));
  const cheapest = Math.min(...lines.filter(({ name }) => name !== 'netcheck').map(({ cpuSec }) => cpuSec));
  const checks: readonly FleetCheck[] = [
    {
      what: 'wall, of the fastest with the same key exchange',
      is: own.wallSec / fastest('curve25519'),
      most: targets.wallOfForced,
    },
    { what: 'wall, of the fastest as they come', is: own.wallSec / fastest('default'), most: targets.wallOfDefaults },
    { what: 'wall, of ansible', is: own.wallSec / ansible, most: targets.wallOfAnsible },
    { what: 'CPU of the controlling side, of the cheapest', is: own.cpuSec / cheapest, most: targets.cpuOfCheapest },
  ];
  // Nobody to compare with: the least of nothing is infinite.
  const compared = checks.filter(({ is }) => Number.isFinite(is) && is !== 0);
  for (const { what } of checks.filter((check) => !compared.includes(check)))
    process.stdout.write(`not compared: ${what}\n`);
  for (const { what, is, most } of compared)
    process.stdout.write(
      `${is <= most ? 'PASS' : 'FAIL'}  ${is.toFixed(2)} × (at most ${most.toFixed(2)} ×)  ${what}\n`,
    );
  return compared;
}

async function measure(): Promise<boolean> {
  const [load = 0] = loadavg();
  const directory = await mkdtemp(path.join(labRoot, 'fleet-'));
  plainLogin();
  const fleet = await startSshdFleet(directory, count);
  try {
    const contenders = contendersOf(fleet, directory).filter(({ tool, name, kex }) => {
      if (values.only !== undefined && !values.only.split(',').includes(name.split(' ')[0] ?? '')) return false;
      if (isInstalled(tool)) return true;
      process.stdout.write(`left out: ${name} (${kex}): ${tool} is not installed\n`);
      return false;
    });
    const all = new Map<Contender, Round[]>(contenders.map((one) => [one, []]));
    // One round to warm up: pages of programs are read from disk once.
    for (let round = 0; round <= rounds; round++)
      for (const [contender, results] of all) {
        const result = await runOnce(contender, fleet, directory);
        if (round > 0) results.push(result);
      }
    const lines = [...all].map(
      ([{ name, kex }, results]): FleetLine => ({
        name,
        kex,
        wallSec: median(results.map(({ wallSec }) => wallSec)),
        cpuSec: median(results.map(({ cpuSec }) => cpuSec)),
        nodesCpuSec: median(results.map(({ nodesCpuSec }) => nodesCpuSec)),
      }),
    );
    process.stdout.write(`${count} nodes, ${commands.length} commands each, median of ${rounds} rounds\n`);
    process.stdout.write(
      `${''.padEnd(20)}${'key exchange'.padEnd(14)}${'wall'.padStart(9)}${'CPU here'.padStart(10)}${'CPU of nodes'.padStart(14)}\n`,
    );
    for (const { name, kex, wallSec, cpuSec, nodesCpuSec } of lines)
      process.stdout.write(
        `${name.padEnd(20)}${kex.padEnd(14)}${wallSec.toFixed(2).padStart(7)} s${cpuSec.toFixed(2).padStart(8)} s${nodesCpuSec.toFixed(2).padStart(12)} s\n`,
      );
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify({ nodes: count, rounds, lines }, null, 1)}\n`);
    const { accepted, dropped } = fleet.counted();
    process.stdout.write(`${accepted} logins, ${dropped} connections dropped by MaxStartups\n`);
    const checks = checksOf(lines);
    if (values.doc)
      writeFileSync(
        path.join(import.meta.dirname, '../../docs/fleet.md'),
        fleetPage({
          date: new Date().toISOString().slice(0, 10),
          machine: `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
          load,
          nodes: count,
          commands: commands.length,
          rounds,
          lines,
          checks,
        }),
      );
    return checks.length > 0 && checks.every(({ is, most }) => is <= most);
  } finally {
    await fleet.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

if (!insideLab) process.stdout.write(`skipped: ${whyOutside}\n`);
else if (!(await measure())) process.exitCode = 1;
