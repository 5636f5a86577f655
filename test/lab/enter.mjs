// Runs a command inside namespaces of its own, so that nothing of the practice network can outlive it: the first
// process inside is the init of a PID namespace, and when it dies the kernel ends every process, interface, firewall
// rule and mount in there. Plain JavaScript without packages: it runs before `npm ci`.
//
//   node test/lab/enter.mjs COMMAND ARGUMENT...    exit status of COMMAND, or 77 where a lab cannot run here
//   node test/lab/enter.mjs --blockers             one line per thing that is missing; exit 77 when there is one
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

/** Exit status that says "not run, and here is why" (the convention of automake and many CI systems). */
export const skippedStatus = 77;
/** Exit status where the machine itself was found changed after a lab: must never happen. */
export const machineChangedStatus = 78;

/** Tool -> Debian package that has it, and what the lab needs it for. */
const needed = [
  ['unshare', 'util-linux', 'namespaces'],
  ['nsenter', 'util-linux', 'namespaces'],
  ['setpriv', 'util-linux', 'dying together with the process that started the lab'],
  ['mount', 'mount', 'private mounts'],
  ['ip', 'iproute2', 'network namespaces and links'],
  ['ss', 'iproute2', 'what netcheck runs on nodes'],
  ['sysctl', 'procps', 'settings per node'],
  ['ping', 'iputils-ping', 'looking at the network before it is used'],
  ['sshd', 'openssh-server', 'a login on every node'],
  ['ssh', 'openssh-client', 'applying remedies as an engineer would'],
  ['ssh-keygen', 'openssh-client', 'host keys'],
  ['tcpdump', 'tcpdump', 'captures on nodes'],
  ['nft', 'nftables', 'faults and stand-ins'],
  ['iptables', 'iptables', 'NAT and faults'],
];

/** Where a tool is, on the PATH or in the usual places for administrators' tools; null where it is not there. */
export function findTool(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // not here
    }
  }
  return null;
}

const unshareArguments = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** What keeps the lab from running on this machine, one sentence each; empty when it can run. */
export function labBlockers() {
  if (process.platform !== 'linux') return [`Linux is needed (this is ${process.platform})`];
  const blockers = [];
  if (process.getuid?.() !== 0) blockers.push('root is needed (network namespaces, mounts)');
  for (const [tool, debianPackage, why] of needed) {
    if (findTool(tool) === null) blockers.push(`${tool} is needed (Debian package ${debianPackage}): ${why}`);
  }
  if (blockers.length > 0) return blockers;
  const attempt = spawnSync(
    'unshare',
    [...unshareArguments, 'sh', '-c', 'mount -t tmpfs tmpfs /run && ip link show lo'],
    {
      encoding: 'utf8',
    },
  );
  if (attempt.status !== 0) {
    blockers.push(`this machine does not allow new namespaces: ${(attempt.stderr || 'unshare failed').trim()}`);
  }
  return blockers;
}

/**
 * What must be the same before and after: interfaces, addresses, routes, named namespaces and network settings of the
 * machine itself. Values that change by themselves (lifetimes, the number of tracked connections) are left out.
 */
export function machineState() {
  const read = (tool, ...argv) => (spawnSync(tool, argv, { encoding: 'utf8' }).stdout ?? '').trim();
  return {
    links: read('ip', '-o', 'link'),
    addresses: read('ip', '-o', 'addr').replace(/(valid_lft|preferred_lft) \S+/g, ''),
    routes: read('ip', 'route', 'show', 'table', 'all').replace(/ expires \d+sec/g, ''),
    rules: read('ip', 'rule'),
    namespaces: read('ip', 'netns', 'list'),
    firewall: findTool('nft') === null ? '' : read('nft', '-s', 'list', 'ruleset'),
    settings: read('sysctl', '-a', '-r', '^net\\.')
      .split('\n')
      .filter(
        (line) => !/nf_conntrack_count|tcp_fastopen_key|stable_secret|\.fs\.|base_reachable|\.mtu_expires/.test(line),
      )
      .join('\n'),
  };
}

/** Sentences about what differs between two results of `machineState`. */
export function machineChanges(before, after) {
  const changes = [];
  for (const key of Object.keys(before)) {
    if (before[key] === after[key]) continue;
    const was = new Set(before[key].split('\n'));
    const is = new Set(after[key].split('\n'));
    for (const line of was) if (!is.has(line)) changes.push(`${key}: gone: ${line}`);
    // a module that a first use loads brings settings of its own: those are new, not changed
    const keys = new Set([...was].map((line) => line.split(' = ')[0]));
    for (const line of is) {
      if (was.has(line) || (key === 'settings' && !keys.has(line.split(' = ')[0]))) continue;
      changes.push(`${key}: new: ${line}`);
    }
  }
  return changes;
}

// /run becomes a tmpfs of the lab: `ip netns` keeps its names there, and no file is made on the machine. The shell stays
// as PID 1 and reaps orphans, which Node would not do.
const insideScript = `
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t sysfs sysfs /sys
mkdir -p /run/netns /run/netcheck-lab/tmp
ip link set lo up
set +e
"$@"
exit $?
`;

/**
 * Runs `argv` inside a fresh lab and waits for it. The lab dies with this process, whatever ends it (SIGKILL too), and
 * with the process that started this one.
 * Resolves to the exit status; `skippedStatus` (after saying why) where no lab can run here.
 */
export async function runInLab(argv, { env = {}, stdio = 'inherit', onOutput } = {}) {
  const blockers = labBlockers();
  if (blockers.length > 0) {
    process.stderr.write(`the practice network cannot run here:\n${blockers.map((line) => `  ${line}\n`).join('')}`);
    return skippedStatus;
  }
  const hidden = [process.cwd(), process.execPath].find((path) => realpathSync(path).startsWith('/run/'));
  if (hidden !== undefined) {
    process.stderr.write(`the practice network cannot run here:\n  ${hidden} is below /run, which a lab replaces\n`);
    return skippedStatus;
  }
  const before = machineState();
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...unshareArguments, 'sh', '-c', insideScript, 'netcheck-lab', ...argv],
    {
      stdio,
      env: { ...process.env, NETCHECK_LAB: '1', TMPDIR: '/run/netcheck-lab/tmp', ...env },
    },
  );
  if (onOutput !== undefined) {
    child.stdout?.on('data', onOutput);
    child.stderr?.on('data', onOutput);
  }
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  // Ending the namespaces is a complete take-down, so there is nothing to ask politely for.
  let interrupted = null;
  const interrupt = (signal) => {
    interrupted ??= signal;
    child.kill('SIGKILL');
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, interrupt);
  const stopWatching = whenOrphaned(() => interrupt('SIGHUP'));
  try {
    const { code, signal } = await ended;
    if (interrupted !== null) {
      process.stderr.write('\ninterrupted: the practice network is gone with its namespaces\n');
      return 128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[interrupted];
    }
    let changes = machineChanges(before, machineState());
    // somebody else's interface may come and go (a container that is being built); what stays is a change
    for (let again = 0; changes.length > 0 && again < 3; again++) {
      await pause(1000);
      changes = machineChanges(before, machineState());
    }
    if (changes.length > 0) {
      process.stderr.write(`the machine itself is not as it was before the lab:\n  ${changes.join('\n  ')}\n`);
      return machineChangedStatus;
    }
    return code ?? (signal === 'SIGKILL' ? 137 : 1);
  } finally {
    stopWatching();
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/**
 * Under npm: calls back once when the parent, or its parent, has died (npm puts a shell in between, and does not take
 * its child with it when it is killed). Returns a stop function.
 */
function whenOrphaned(callback) {
  if (process.env.npm_lifecycle_event === undefined) return () => undefined;
  const parentOf = (pid) => {
    try {
      return Number(
        readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1],
      );
    } catch {
      return null;
    }
  };
  const parent = process.ppid;
  const grandparent = parentOf(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return;
    clearInterval(timer);
    callback();
  }, 500);
  timer.unref();
  return () => clearInterval(timer);
}

const invoked = process.argv[1];
if (invoked !== undefined && import.meta.url === pathToFileURL(realpathSync(invoked)).href) {
  const argv = process.argv.slice(2);
  if (argv[0] === '--') argv.shift();
  if (argv.length === 0) {
    process.stderr.write('usage: node test/lab/enter.mjs COMMAND ARGUMENT... | --blockers\n');
    process.exitCode = 64;
  } else if (argv[0] === '--blockers') {
    const blockers = labBlockers();
    for (const line of blockers) process.stdout.write(`${line}\n`);
    process.exitCode = blockers.length === 0 ? 0 : skippedStatus;
  } else {
    process.exitCode = await runInLab(argv);
  }
}
