// What `npm test` and `npm run demo` do first, straight after `git clone`: npm packages, the build, Debian packages.
// Plain JavaScript without packages: nothing is installed yet when it runs.
//
//   node test/setup.mjs            everything
//   node test/setup.mjs --no-debian    npm packages and the build only
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findTool } from './lab/enter.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Command, Debian package that has it, and what cannot be done without it. */
const debianTools = [
  ['sshd', 'openssh-server', 'nodes to log in to (contracts, practice network, demo)'],
  ['ssh', 'openssh-client', 'ssh_config look-ups and applying remedies'],
  ['tcpdump', 'tcpdump', 'captures on practice nodes'],
  ['redis-server', 'redis-server', 'the queue (contracts, demo)'],
  ['nft', 'nftables', 'faults of the practice network'],
  ['iptables', 'iptables', 'NAT and faults of the practice network'],
  ['ip', 'iproute2', 'the practice network'],
  ['ping', 'iputils-ping', 'the practice network'],
  ['sysctl', 'procps', 'settings of practice nodes'],
  ['conntrack', 'conntrack', 'the conntrack collector'],
  ['ipvsadm', 'ipvsadm', 'the IPVS collector'],
  ['sudo', 'sudo', 'logins without root'],
  ['ipset', 'ipset', 'the ipset collector'],
  ['ethtool', 'ethtool', 'the collectors of network cards'],
  ['arping', 'iputils-arping', 'the ARP probe'],
  ['tracepath', 'iputils-tracepath', 'the path MTU collector'],
  ['linux.uml', 'user-mode-linux', 'guests with a kernel of their own: modules, IPVS, tunnels'],
  ['modprobe', 'kmod', 'modules of guests'],
  ['containerd', 'containerd', 'pods of the lab cluster'],
  ['runc', 'runc', 'pods of the lab cluster'],
  ['prometheus-alertmanager', 'prometheus-alertmanager', 'the alert webhook with a real Alertmanager'],
];

/**
 * Sets up what can be set up, one line per thing that takes time.
 * Resolves to `{ ok, missing }`: `ok` is false when netcheck itself could not be installed or built; `missing` are
 * sentences about tools that are not there and cannot be installed (what needs them is skipped, not failed). `tools`:
 * the Debian tools to look after, as in {@link debianTools}.
 */
export async function setUp({ debian = true, tools = debianTools } = {}) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    say(`Node 20.19 or newer is needed; this is ${process.versions.node}.`);
    return { ok: false, missing: [] };
  }
  if (npmPackagesAreStale() && !(await installNpmPackages())) return { ok: false, missing: [] };
  if (buildIsStale() && !(await build())) return { ok: false, missing: [] };
  return { ok: true, missing: debian ? await installDebianPackages(tools) : [] };
}

const say = (line) => process.stdout.write(`${line}\n`);
const seconds = (sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Runs quietly; what it printed is shown only when it fails. Resolves to whether it went well, and the output. */
function quietly(what, tool, argv, options = {}) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(tool, argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-200_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => {
      say(`${what}: ${error.message}`);
      resolve({ ok: false, output });
    });
    child.once('close', (code, signal) => {
      const ok = code === 0;
      if (!ok && !options.mayFail) say(output.trimEnd());
      if (ok || !options.mayFail) say(`${what}: ${ok ? 'done' : `failed (${code ?? signal})`} in ${seconds(began)}`);
      resolve({ ok, output });
    });
  });
}

// ------------------------------------------------------------------------------------------------------ npm packages

/** Whether node_modules holds something else than package-lock.json says (packages for other platforms aside). */
function npmPackagesAreStale() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const installed = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).some(
      ([path, { version, optional }]) => path !== '' && !optional && installed[path]?.version !== version,
    );
  } catch {
    return true;
  }
}

// No dependency needs an install script, and the build is a step of its own: its errors shall look like build errors.
function installNpmPackages() {
  // npm ci would empty the folder that it points to, and with it the packages of another working copy
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    say('node_modules is a link and not what package-lock.json says: install the packages where it points to.');
    return false;
  }
  return quietly('npm packages (npm ci)', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']).then(
    ({ ok }) => ok,
  );
}

// ------------------------------------------------------------------------------------------------------------- build

function buildIsStale() {
  const sources = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json'].map((path) =>
    newest(join(root, path)),
  );
  return newest(join(root, 'dist')) <= Math.max(...sources) || !existsSync(join(root, 'dist/cli.js'));
}

/** Latest modification below a path, milliseconds; 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);
}

const build = () => quietly('build (dist/)', 'npm', ['run', '--silent', 'build']).then(({ ok }) => ok);

// --------------------------------------------------------------------------------------------------- Debian packages

/** Installs what is missing where that is possible. Resolves to one sentence per tool that is still not there. */
async function installDebianPackages(tools) {
  const absent = () => tools.filter(([tool]) => findTool(tool) === null);
  const wanted = absent();
  if (wanted.length === 0) return [];
  const packages = [...new Set(wanted.map(([, name]) => name))];
  const asRoot = process.getuid?.() === 0;
  if (asRoot && findTool('apt-get') !== null) await aptGet(packages);
  else {
    say(`not installed, because ${asRoot ? 'there is no apt-get here' : 'that needs root'}: ${packages.join(', ')}`);
  }
  return absent().map(([tool, name, why]) => `${tool} is missing (Debian package ${name}): ${why}`);
}

async function aptGet(packages) {
  const removeGuard = keepServicesStopped();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (what, argv, mayFail) =>
    quietly(what, 'apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0', ...argv], { env, mayFail });
  const install = (mayFail) =>
    run(`Debian packages (${packages.join(', ')})`, ['install', '-y', '--no-install-recommends', ...packages], mayFail);
  try {
    // The lists of a fresh image are empty, those of an old one name files that are gone: both show as a failure.
    if (haveLists() && (await install(true)).ok) return;
    await run('apt-get update', ['update']);
    await install(false);
  } finally {
    removeGuard();
  }
}

function haveLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.endsWith('_Packages') || name.includes('_Packages.'));
  } catch {
    return false;
  }
}

/** Debian starts services as it installs them unless policy-rc.d says 101 (policy-rc.d(8)). Ours only where none is. */
function keepServicesStopped() {
  const path = '/usr/sbin/policy-rc.d';
  const mark = '# netcheck test/setup.mjs: no service is started by an installation; removed afterwards';
  // one of ours that an earlier SIGKILL left behind is ours to remove
  if (existsSync(path) && !readFileSync(path, 'utf8').includes(mark)) return () => undefined;
  writeFileSync(path, `#!/bin/sh\n${mark}\nexit 101\n`, { mode: 0o755 });
  const remove = () => rmSync(path, { force: true });
  const interrupted = (signal) => {
    remove();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('exit', remove);
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  return () => {
    remove();
    process.off('exit', remove);
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  };
}

const invoked = process.argv[1];
if (invoked !== undefined && import.meta.url === pathToFileURL(realpathSync(invoked)).href) {
  const { ok, missing } = await setUp({ debian: !process.argv.includes('--no-debian') });
  for (const line of missing) say(line);
  process.exitCode = ok ? 0 : 1;
}
