import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { type OldKernel, oldKernelScript } from './old-kernel.ts';

/** A cable (two interfaces) or a switch (more): interfaces that name the same network hear each other. */
export interface LabInterface {
  readonly network: string;
  /** `eth0` … */
  readonly device: string;
  /** `172.16.0.50/24` */
  readonly address: string;
}

/** What a name server of the lab knows. */
export interface LabNames {
  /** Name, or `*.domain`, -> IPv4 addresses. A name that is in neither form does not exist. */
  readonly records?: Readonly<Record<string, readonly string[]>>;
  /** Answers every question with this instead. */
  readonly always?: 'SERVFAIL' | 'REFUSED';
  /** Time that it takes for an answer. */
  readonly delayMs?: number;
}

/**
 * A process on a node: a server, or a client that makes traffic (service.mjs says how each behaves); with `dns` a name
 * server on UDP and TCP.
 */
export interface LabService {
  readonly name: string;
  /** Where a server listens; where a client connects to. */
  readonly address: string;
  readonly port: number;
  /** The backlog given to listen(); 511 (Node's and nginx's own) unless told otherwise. */
  readonly backlog?: number;
  readonly dns?: LabNames;
  /** `http` unless told otherwise: answers every request with its node's name and closes first. */
  readonly behaviour?: 'http' | 'answers' | 'hangs-up' | 'uploads' | 'asks' | 'asks-in-two-writes';
  /** Bytes that a client sends each time. */
  readonly bytes?: number;
  /** A client waits so long between two sends, or between two connections. */
  readonly everyMs?: number;
  /** A client gives a connection up after so long. */
  readonly lastsMs?: number;
  /** Connections that a client has open at a time. */
  readonly connections?: number;
}

/** A network namespace with everything that makes it a machine of its own. */
export interface LabNode {
  readonly name: string;
  readonly interfaces: readonly LabInterface[];
  /** `[destination, via]` */
  readonly routes?: readonly (readonly [string, string])[];
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Run once when everything else is up: NAT … */
  readonly setup?: readonly (readonly string[])[];
  readonly services?: readonly LabService[];
  /** Where SSH listens: netcheck's own network, apart from the data path. A node without it is a pod: no login. */
  readonly management?: string;
  /** The account that netcheck uses; root unless told otherwise. */
  readonly login?: { readonly user: string; readonly sudoers: string; readonly wrapper?: string };
  /** Text of /etc/resolv.conf; no name server unless told otherwise. */
  readonly resolver?: string;
  /** Imitates a kernel that has tcp_tw_recycle. */
  readonly oldKernel?: OldKernel;
}

export interface LabDefinition {
  readonly name: string;
  readonly nodes: readonly LabNode[];
}

export interface Executed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One change on one node, as data: a command, or a service that starts, stops, or stops reading. */
export type LabStep =
  | { readonly on: string; readonly run: readonly string[]; readonly mayFail?: true }
  | { readonly on: string; readonly start: LabService }
  | { readonly on: string; readonly stop: string }
  /** Every process of the service stops accepting (SIGSTOP), or goes on (SIGCONT). */
  | { readonly on: string; readonly freeze: string }
  | { readonly on: string; readonly thaw: string };

export interface LabNodeHandle {
  readonly name: string;
  readonly definition: LabNode;
  /** Runs on the node as root, past SSH. Never rejects because of an exit status. Bounded by `timeoutMs` (30 s). */
  exec(argv: readonly string[], options?: { readonly timeoutMs?: number }): Promise<Executed>;
  start(service: LabService): Promise<void>;
  stop(service: string): Promise<void>;
}

export interface Lab {
  readonly name: string;
  /** A netcheck.yaml that reaches every node with a login. */
  readonly configFile: string;
  readonly knownHostsFile: string;
  readonly identityFile: string;
  /** @throws Error for a name that is not in the definition */
  node(name: string): LabNodeHandle;
  /** Does the steps in order. @throws Error when a command fails that may not */
  apply(steps: readonly LabStep[]): Promise<void>;
  /** Ends every process, removes every namespace and file of this lab. */
  stop(): Promise<void>;
}

/** Address of netcheck itself on the management network. */
export const managementAddress = '10.255.0.1';

/** Set by test/lab/enter.mjs: everything below is about namespaces that are ours alone. */
export const insideLab = process.env.NETCHECK_LAB === '1';
export const whyOutside =
  process.env.NETCHECK_LAB_BLOCKED ?? 'not inside a lab: run node test/lab/enter.mjs npx vitest run --project lab';

/** Where everything of a lab is, and where a node or guest finds what is its own. */
export const labRoot = '/run/netcheck-lab';

/**
 * Brings a network up: one network, mount, UTS and PID namespace per node. Only inside test/lab/enter.mjs, whose end
 * takes all of it away, whatever happens to this process.
 * @throws Error when not inside a lab, or when a command of the set-up fails (its output is in the message)
 */
export async function startLab(definition: LabDefinition): Promise<Lab> {
  if (!insideLab) throw new Error(whyOutside);
  await mkdir(labRoot, { recursive: true });
  const dir = await mkdtemp(join(labRoot, `${definition.name}-`));
  const nodes = new Map<string, RunningNode>();
  const namespaces: string[] = [];
  const links: string[] = [];
  const stop = async () => {
    await Promise.all([...nodes.values()].map((node) => node.end()));
    // a namespace lets go of its interfaces some time after its name is gone; these must be gone when stop() returns
    for (const link of links) await command(['ip', 'link', 'del', link]);
    for (const namespace of namespaces) await command(['ip', 'netns', 'del', namespace]);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const identityFile = join(dir, 'identity');
    const [etc] = await Promise.all([prepareEtc(dir), makeKey(identityFile, 'netcheck')]);
    const wiring = wire(definition);
    for (const namespace of wiring.namespaces) {
      await must(['ip', 'netns', 'add', namespace]);
      namespaces.push(namespace);
    }
    const batch = join(dir, 'links.ip');
    await writeFile(batch, `${wiring.links.join('\n')}\n`);
    links.push(...wiring.management);
    await must(['ip', '-batch', batch]);
    for (const [namespace, lines] of wiring.switches) {
      const file = join(dir, `${namespace}.ip`);
      await writeFile(file, `${lines.join('\n')}\n`);
      await must(['ip', '-n', namespace, '-batch', file]);
    }
    const publicKey = await readFile(`${identityFile}.pub`, 'utf8');
    await Promise.all(
      definition.nodes.map(async (node) => {
        nodes.set(node.name, await startNode({ node, dir: join(dir, node.name), etc, publicKey }));
      }),
    );
    await Promise.all(
      [...nodes.values()].map(async (node) => {
        for (const service of node.definition.services ?? []) await node.start(service);
        for (const argv of node.definition.setup ?? []) {
          const { code, stderr } = await node.exec(argv);
          if (code !== 0) throw new Error(`${node.name}: ${argv.join(' ')}: ${stderr}`);
        }
      }),
    );
    const knownHostsFile = join(dir, 'known_hosts');
    const logins = [...nodes.values()].filter((node) => node.definition.management !== undefined);
    await writeFile(knownHostsFile, logins.map((node) => `${node.definition.management} ${node.hostKey}\n`).join(''));
    const configFile = join(dir, 'netcheck.yaml');
    await writeFile(configFile, stringify(configOf(definition, { identityFile, knownHostsFile })));
    return labOf(definition.name, nodes, { configFile, knownHostsFile, identityFile, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What tests do with a lab of any kind, once it is up. */
export function labOf<Node extends SteppedNode>(
  name: string,
  nodes: ReadonlyMap<string, Node>,
  rest: Pick<Lab, 'configFile' | 'knownHostsFile' | 'identityFile' | 'stop'>,
) {
  const node = (of: string): Node => {
    const found = nodes.get(of);
    if (!found) throw new Error(`lab ${name} has no node ${of}`);
    return found;
  };
  return {
    ...rest,
    name,
    node,
    async apply(steps: readonly LabStep[]): Promise<void> {
      for (const step of steps) await applyStep(node(step.on), step);
    },
  };
}

/** @throws Error when a command fails that may not */
async function applyStep(node: SteppedNode, step: LabStep): Promise<void> {
  if ('run' in step) {
    const { code, stdout, stderr } = await node.exec(step.run);
    if (code !== 0 && !step.mayFail) {
      throw new Error(`${node.name}: ${step.run.join(' ')}: exit ${code}: ${stderr || stdout}`);
    }
  } else if ('start' in step) await node.start(step.start);
  else if ('stop' in step) await node.stop(step.stop);
  else if ('freeze' in step) await node.signal(step.freeze, 'STOP');
  else await node.signal(step.thaw, 'CONT');
}

// ---------------------------------------------------------------------------------------------------- configuration

/** The inventory as a person would write it: SSH over the management network, diagnosis on the data path. */
export function configOf(definition: LabDefinition, keys: { identityFile: string; knownHostsFile: string }): object {
  const logins = definition.nodes.filter((node) => node.management !== undefined);
  return {
    nodes: Object.fromEntries(
      logins.map((node) => {
        const [target, ...serves] = node.interfaces.map(({ address }) => hostOf(address));
        return [
          node.name,
          {
            address: node.management,
            ...(target === undefined ? {} : { target }),
            ...(serves.length === 0 ? {} : { serves }),
            user: node.login?.user ?? 'root',
            ...(node.login === undefined ? {} : { sudo: true }),
          },
        ];
      }),
    ),
    // pods are asked about too, and no node owns them
    targets: { external: true },
    ssh: { identity: keys.identityFile, knownHosts: keys.knownHostsFile, agent: false },
  };
}

const hostOf = (address: string) => address.replace(/\/.*$/, '');

// ----------------------------------------------------------------------------------------------------------- wiring

/** Namespaces, `ip -batch` lines for the links, and lines for each switch. All names live inside the lab only. */
function wire(definition: LabDefinition) {
  const networks = new Map<string, { node: string; device: string }[]>();
  for (const node of definition.nodes) {
    for (const { network, device } of node.interfaces) {
      networks.set(network, [...(networks.get(network) ?? []), { node: node.name, device }]);
    }
  }
  const links: string[] = [];
  const switches = new Map<string, string[]>();
  for (const [network, members] of networks) {
    const [one, other] = members;
    if (members.length === 2 && one && other) {
      links.push(`link add ${one.device} netns ${one.node} type veth peer name ${other.device} netns ${other.node}`);
      continue;
    }
    // A switch keeps the carrier of its other ports up when one host goes down, as a real one does.
    const namespace = `switch-${network}`;
    const lines = ['link add br0 type bridge', 'link set br0 up'];
    members.forEach(({ node, device }, port) => {
      links.push(`link add ${device} netns ${node} type veth peer name port${port} netns ${namespace}`);
      lines.push(`link set port${port} master br0`, `link set port${port} up`);
    });
    switches.set(namespace, lines);
  }
  const management: string[] = [];
  definition.nodes.forEach((node, index) => {
    if (node.management === undefined) return;
    management.push(`mgmt-${index}`);
    links.push(`link add mgmt0 netns ${node.name} type veth peer name mgmt-${index}`);
    links.push(`addr add ${managementAddress} peer ${node.management} dev mgmt-${index}`, `link set mgmt-${index} up`);
  });
  return { namespaces: [...definition.nodes.map(({ name }) => name), ...switches.keys()], links, management, switches };
}

// ------------------------------------------------------------------------------------------------------------ nodes

/** The machine's /etc with its logins replaced: one copy for the lab, copied again for each node. */
async function prepareEtc(dir: string): Promise<string> {
  const etc = join(dir, 'etc');
  await must(['cp', '-a', '/etc', etc]);
  await rm(join(etc, 'sudoers.d'), { recursive: true, force: true });
  await mkdir(join(etc, 'sudoers.d'), { mode: 0o750 });
  return etc;
}

export async function makeKey(file: string, comment: string): Promise<void> {
  await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file]);
}

/**
 * First process of a node. The node's own folder becomes /run/netcheck-lab; everything of the machine below / is
 * read-only; /etc, /run and /tmp are the node's own. Control groups are the machine's (where it lets itself be asked), to be
 * read only. `sleep` keeps the shell waiting, and a waiting shell reaps orphans.
 */
const initScript = `
set -e
dir=$1 name=$2
hostname "$name"
mount -t sysfs sysfs /sys
if mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup; then
  mkdir /sys/fs/cgroup/cpu
  for kind in cpu cpu,cpuacct; do mount -t cgroup -o ro,$kind cgroup /sys/fs/cgroup/cpu && break; done
  mountpoint -q /sys/fs/cgroup/cpu || mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup || true
fi 2>/dev/null
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir /tmp/own
mount --bind "$dir" /tmp/own
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd ${labRoot}
mount --move /tmp/own ${labRoot}
rmdir /tmp/own
mount --bind ${labRoot}/etc /etc
if [ -e /etc/netcheck-as-root ]; then
  mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
  cp -p /etc/netcheck-as-root /usr/local/sbin
fi
mount -o remount,bind,ro /
sysctl -q -p ${labRoot}/sysctl.conf
ip -batch ${labRoot}/setup.ip
if [ -e ${labRoot}/old-kernel.sh ]; then . ${labRoot}/old-kernel.sh; fi
sleep infinity &
echo ready
if [ -e ${labRoot}/sshd_config ]; then $(command -v sshd || echo /usr/sbin/sshd) -D -e -f ${labRoot}/sshd_config & fi
wait
`;

/** What every node has unless its definition says otherwise: nothing inherited from the machine. */
export const baseline: Readonly<Record<string, string>> = {
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
  'net.ipv4.ip_forward': '0',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  'net.ipv4.tcp_timestamps': '1',
  'net.ipv4.tcp_syncookies': '1',
};

/** What steps need of a node, whatever kernel it has. */
export interface SteppedNode extends LabNodeHandle {
  signal(service: string, signal: 'STOP' | 'CONT'): Promise<void>;
}

interface RunningNode extends SteppedNode {
  readonly hostKey: string;
  end(): Promise<void>;
}

async function startNode({
  node,
  dir,
  etc,
  publicKey,
}: {
  node: LabNode;
  dir: string;
  etc: string;
  publicKey: string;
}): Promise<RunningNode> {
  await mkdir(dir, { mode: 0o755 });
  await Promise.all([must(['cp', '-a', etc, join(dir, 'etc')]), makeKey(join(dir, 'host_key'), node.name)]);
  await Promise.all([mkdir(join(dir, 'home')), mkdir(join(dir, 'home-user'))]);
  await Promise.all([
    ...['service.mjs', 'dns-server.mjs', 'collide.pl'].map((file) =>
      copyFile(fileURLToPath(new URL(`./${file}`, import.meta.url)), join(dir, file)),
    ),
    // a link on many machines, to a file that is not there inside
    rm(join(dir, 'etc/resolv.conf'), { force: true }).then(() =>
      writeFile(join(dir, 'etc/resolv.conf'), node.resolver ?? '# no name server\n'),
    ),
    writeFile(join(dir, 'authorized_keys'), publicKey),
    writeFile(join(dir, 'sysctl.conf'), sysctlFile({ ...baseline, ...node.sysctls })),
    writeFile(join(dir, 'setup.ip'), `${ipLines(node).join('\n')}\n`),
    writeFile(join(dir, 'etc/hostname'), `${node.name}\n`),
    writeFile(join(dir, 'etc/hosts'), `127.0.0.1 localhost\n127.0.1.1 ${node.name}\n`),
    writeAccounts(join(dir, 'etc'), node.login),
  ]);
  if (node.management !== undefined) await writeFile(join(dir, 'sshd_config'), sshdConfig(node.management));
  if (node.oldKernel !== undefined) await oldKernelScript(dir, node.oldKernel);

  const init = spawn(
    'nsenter',
    [
      `--net=/run/netns/${node.name}`,
      ...'unshare --mount --uts --pid --fork --kill-child --mount-proc sh -c'.split(' '),
      initScript,
      'init',
      dir,
      node.name,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = once(init, 'exit');
  try {
    await Promise.all([
      said(init, 'stdout', /^ready$/m, node.name),
      node.management === undefined ? undefined : said(init, 'stderr', /Server listening on/, node.name),
    ]);
  } catch (error) {
    init.kill('SIGKILL');
    await ended;
    throw error;
  }
  // unshare(1) itself stays in the PID namespace of the lab; its child is the first of the node's own
  const inside =
    `nsenter --target ${init.pid} --net --mount --uts --pid=/proc/${init.pid}/ns/pid_for_children --`.split(' ');
  const services = new Map<string, { process: ChildProcess; pid: string }>();
  const serviceOf = (name: string) => {
    const service = services.get(name);
    if (!service) throw new Error(`${node.name} runs no service ${name}`);
    return service;
  };
  const exec: RunningNode['exec'] = (argv, { timeoutMs = 30_000 } = {}) =>
    command([...inside, 'timeout', '-k', '1', String(timeoutMs / 1000), ...argv]);
  return {
    name: node.name,
    definition: node,
    hostKey: (await readFile(join(dir, 'host_key.pub'), 'utf8')).split(' ').slice(0, 2).join(' '),
    exec,
    async start(service) {
      const [tool = '', ...argv] = inside;
      const script = join(labRoot, service.dns === undefined ? 'service.mjs' : 'dns-server.mjs');
      const { address, port, backlog, behaviour, dns } = service;
      const options = JSON.stringify({ address, port, backlog, behaviour, ...dns });
      const server = spawn(tool, [...argv, process.execPath, script, options], { stdio: ['ignore', 'pipe', 'pipe'] });
      const [, pid = ''] = await said(server, 'stdout', /^listening (\d+)$/m, `${node.name}: ${service.name}`);
      services.set(service.name, { process: server, pid });
    },
    async stop(name) {
      const service = serviceOf(name);
      services.delete(name);
      const gone = once(service.process, 'exit');
      await exec(['kill', '-KILL', service.pid]);
      await gone;
    },
    async signal(name, signal) {
      const service = serviceOf(name);
      await exec(['kill', `-${signal}`, service.pid]);
      // nsenter(1) stops itself when its child is stopped, and has to be woken too
      if (signal === 'CONT') service.process.kill('SIGCONT');
    },
    async end() {
      init.kill('SIGKILL');
      for (const service of services.values()) service.process.kill('SIGKILL');
      await ended;
    },
  };
}

const sysctlFile = (values: Readonly<Record<string, string>>) =>
  Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');

function ipLines(node: LabNode): string[] {
  const lines = ['link set lo up'];
  for (const { device, address } of node.interfaces) {
    lines.push(`addr add ${address} dev ${device}`, `link set ${device} up`);
  }
  if (node.management !== undefined) {
    lines.push(`addr add ${node.management} peer ${managementAddress} dev mgmt0`, 'link set mgmt0 up');
  }
  for (const [destination, via] of node.routes ?? []) lines.push(`route add ${destination} via ${via}`);
  return lines;
}

/** root and, where wanted, one account with its sudoers file and the script behind it; homes of the machine stay out of it. */
export async function writeAccounts(etc: string, login: LabNode['login']): Promise<void> {
  const passwd = await readFile(join(etc, 'passwd'), 'utf8');
  const shadow = await readFile(join(etc, 'shadow'), 'utf8').catch(() => '');
  const others = (text: string) => text.replace(/^root:.*\n/m, '');
  const user = login === undefined ? '' : `${login.user}:x:61000:61000::${labRoot}/home-user:/bin/bash\n`;
  await writeFile(join(etc, 'passwd'), `root:x:0:0:root:${labRoot}/home:/bin/bash\n${others(passwd)}${user}`);
  const hidden = login === undefined ? '' : `${login.user}:*:19000:0:99999:7:::\n`;
  await writeFile(join(etc, 'shadow'), `root:*:19000:0:99999:7:::\n${others(shadow)}${hidden}`);
  if (login === undefined) return;
  await writeFile(join(etc, 'group'), `${await readFile(join(etc, 'group'), 'utf8')}${login.user}:x:61000:\n`);
  const file = join(etc, 'sudoers.d', login.user);
  await writeFile(file, login.sudoers);
  await chmod(file, 0o440);
  if (login.wrapper !== undefined) await writeFile(join(etc, 'netcheck-as-root'), login.wrapper, { mode: 0o755 });
}

export const sshdConfig = (address: string) => `Port 22
ListenAddress ${address}
HostKey ${labRoot}/host_key
AuthorizedKeysFile ${labRoot}/authorized_keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
`;

// -------------------------------------------------------------------------------------------------------- processes

/** Runs in the lab itself (where netcheck stands). Never rejects because of an exit status. */
export function command(argv: readonly string[], options: { readonly timeoutMs?: number } = {}): Promise<Executed> {
  const [tool = '', ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = execFile(
      tool,
      rest,
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: options.timeoutMs ?? 0, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error && typeof error.code === 'string') reject(error);
        else resolve({ code: child.exitCode ?? 137, stdout, stderr });
      },
    );
    child.stdin?.end();
  });
}

export async function must(argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await command(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}: ${stderr || stdout}`);
  return stdout;
}

/** Resolves with the match once a process has printed it; rejects with all that it printed when it ends before that. */
export function said(
  child: ChildProcess,
  stream: 'stdout' | 'stderr',
  pattern: RegExp,
  what: string,
): Promise<RegExpExecArray> {
  let text = '';
  let errors = '';
  return new Promise((resolve, reject) => {
    child[stream]?.on('data', (chunk: Buffer) => {
      if (text.length > 65_536) return;
      text += chunk.toString();
      const match = pattern.exec(text);
      if (match) resolve(match);
    });
    const other = stream === 'stdout' ? child.stderr : child.stdout;
    other?.on('data', (chunk: Buffer) => {
      if (errors.length < 65_536) errors += chunk.toString();
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`${what}: ended (${code ?? signal}) before it was ready: ${text}${errors}`)),
    );
  });
}
