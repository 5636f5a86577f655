import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  command,
  type Executed,
  insideLab,
  labRoot,
  makeKey,
  must,
  said,
  sshdConfig,
  writeAccounts,
  whyOutside,
} from '../network.ts';

/** A switch in the namespace where guests are started; made when the first guest asks for it. */
export interface GuestSwitch {
  readonly name: string;
  /** What netcheck itself has on it: `10.99.0.1/24`. */
  readonly address?: string;
}

/** `eth0`, `eth1` … in the order of the list, unless it has a name of its own. */
export interface GuestInterface {
  readonly on: GuestSwitch;
  /** `10.99.0.2/24` */
  readonly address: string;
  readonly device?: string;
}

/** A kernel of its own (Linux 6.1 with loadable modules; one processor: user-mode Linux knows no more). */
export interface GuestDefinition {
  readonly name: string;
  /** The first is where SSH listens. */
  readonly interfaces: readonly [GuestInterface, ...GuestInterface[]];
  /** Loaded before anybody can log in, with what they depend on. Everything else is there, but not loaded. */
  readonly modules?: readonly string[];
  readonly memoryMiB?: number;
  readonly sysctls?: Readonly<Record<string, string>>;
  /** `[destination, via]` */
  readonly routes?: readonly (readonly [string, string])[];
  /** The key that logs in; a new one unless told otherwise. Its public part is beside it (`.pub`). */
  readonly identityFile?: string;
  /** `iptables` is the variant that this kernel can do: it has nf_tables for bridges only. */
  readonly iptables?: 'legacy';
  /** Lines of /etc/hosts besides its own name. With them no name server is asked (nsswitch.conf: files). */
  readonly hosts?: readonly string[];
  /** Text files of its own, by their names in /run/netcheck-lab. */
  readonly files?: Readonly<Record<string, string>>;
  /** The account that netcheck uses; root unless told otherwise. */
  readonly login?: { readonly user: string; readonly sudoers: string; readonly wrapper?: string };
}

export interface Guest {
  readonly name: string;
  readonly definition: GuestDefinition;
  /** Of the first interface, without the length. */
  readonly address: string;
  /** Key type and key, as known_hosts has them. */
  readonly hostKey: string;
  /** Logs in as root and as the account of `login`. */
  readonly identityFile: string;
  readonly knownHostsFile: string;
  /** From the start of the process to sshd that listens. */
  readonly bootMs: number;
  /** Its part of a netcheck.yaml. */
  readonly inventory: Readonly<Record<string, unknown>>;
  /**
   * Runs a shell script as root, over SSH. Never rejects because of an exit status.
   * @throws Error with the end of the console when the guest has died
   */
  exec(script: string, options?: { readonly timeoutMs?: number }): Promise<Executed>;
  /** What the kernel and the first process printed, its last 64 KiB. */
  console(): string;
  stop(): Promise<void>;
}

/** Below this folder of a guest is every file that was written, made or removed since it booted (its overlay). */
export const writtenFiles = `${labRoot}/written`;

const modulesRoot = '/usr/lib/uml/modules';

/**
 * What keeps guests from running here, one sentence each. Inside a lab it tries the checks that the guest kernel makes
 * of its host (ptrace, seccomp, memory that can be executed).
 */
export async function guestBlockers(): Promise<readonly string[]> {
  if (!insideLab) return [whyOutside];
  const blockers: string[] = [];
  if (!(await has('linux.uml'))) blockers.push('linux.uml is needed (Debian package user-mode-linux): guests');
  if (!(await has('modprobe'))) blockers.push('modprobe is needed (Debian package kmod): modules of guests');
  if (blockers.length > 0) return blockers;
  if ((await readdir(modulesRoot).catch(() => [])).length === 0) return [`${modulesRoot} holds no kernel modules`];
  // A random part of the memory is lost to a gap in the address space (some 20 MiB): with less it may not come up at all.
  const { stdout, stderr } = await command(
    [
      'linux.uml',
      'mem=128M',
      `uml_dir=${labRoot}/tmp/`,
      ...'root=/dev/root rootfstype=hostfs rootflags=/ ro init=/nowhere/init'.split(' '),
      ...'con=null con0=null,fd:1 ssl=null panic=-1'.split(' '),
    ],
    { timeoutMs: 30_000 },
  );
  // it came as far as looking for its first process: everything it needs of this machine is there
  if (/nowhere\/init/.test(stdout + stderr)) return [];
  return [`user-mode Linux cannot run on this machine: ${(stdout + stderr).trim().split('\n').slice(-5).join(' / ')}`];
}

const has = async (tool: string): Promise<boolean> => (await command(['sh', '-c', `command -v ${tool}`])).code === 0;

/**
 * Boots a kernel of its own over the machine's file system: read-only for it, with a layer in its memory that takes
 * what is written. Only inside test/lab/enter.mjs, whose end takes it away, whatever happens to this process.
 * Resolves when its sshd listens.
 * @throws Error when not inside a lab; with the console when it ends, or is not up after a minute
 */
export async function startGuest(definition: GuestDefinition): Promise<Guest> {
  if (!insideLab) throw new Error(whyOutside);
  const { name, login } = definition;
  const dir = await mkdtemp(join(labRoot, `guest-${name}-`));
  const ownIdentity = `${dir}.identity`;
  const identityFile = definition.identityFile ?? ownIdentity;
  const taps: string[] = [];
  let kernel: ChildProcess | undefined;
  const stop = async () => {
    if (kernel && kernel.exitCode === null && kernel.signalCode === null) {
      const ended = once(kernel, 'exit');
      kernel.kill('SIGKILL');
      await ended;
    }
    for (const tap of taps.splice(0)) await command(['ip', 'link', 'del', tap]);
    for (const file of [dir, `${dir}.uml`, ownIdentity, `${ownIdentity}.pub`, `${dir}.known_hosts`])
      await rm(file, { recursive: true, force: true });
  };
  try {
    const address = hostOf(definition.interfaces[0].address);
    await Promise.all([
      definition.identityFile === undefined ? makeKey(ownIdentity, 'netcheck') : undefined,
      makeKey(join(dir, 'host_key'), name),
    ]);
    await Promise.all(['etc/sudoers.d', 'home', 'home-user'].map((one) => mkdir(join(dir, one), { recursive: true })));
    await chmod(dir, 0o755);
    for (const file of ['passwd', 'shadow', 'group']) await copyFile(join('/etc', file), join(dir, 'etc', file));
    await writeAccounts(join(dir, 'etc'), login);
    const hostKey = (await readFile(join(dir, 'host_key.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
    await Promise.all([
      writeFile(join(dir, 'etc/hostname'), `${name}\n`),
      writeFile(
        join(dir, 'etc/hosts'),
        lines(['127.0.0.1 localhost', `127.0.1.1 ${name}`, ...(definition.hosts ?? [])]),
      ),
      definition.hosts === undefined
        ? undefined
        : writeFile(join(dir, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n'),
      writeFile(join(dir, 'etc/resolv.conf'), '# nobody to ask\n'),
      writeFile(join(dir, 'authorized_keys'), await readFile(`${identityFile}.pub`, 'utf8')),
      writeFile(join(dir, 'sshd_config'), `${sshdConfig(address)}AddressFamily inet\n`),
      writeFile(join(dir, 'sysctl.conf'), lines(Object.entries(definition.sysctls ?? {}).map(([k, v]) => `${k}=${v}`))),
      writeFile(
        join(dir, 'setup.ip'),
        lines([
          'link set lo up',
          ...definition.interfaces.flatMap(ipLines),
          ...(definition.routes ?? []).map(([destination, via]) => `route add ${destination} via ${via}`),
        ]),
      ),
      definition.iptables === 'legacy' ? legacyIptables(join(dir, 'etc/alternatives')) : undefined,
      ...Object.entries(definition.files ?? {}).map(([file, text]) => writeFile(join(dir, file), text)),
      writeFile(join(dir, 'modules'), lines(definition.modules ?? [])),
      writeFile(`${dir}.known_hosts`, `${address} ${hostKey}\n`),
      writeFile(join(dir, 'init'), firstScript, { mode: 0o755 }),
      writeFile(join(dir, 'main'), secondScript, { mode: 0o755 }),
      writeFile(join(dir, 'modprobe'), modprobeScript, { mode: 0o755 }),
    ]);
    for (const { on } of definition.interfaces) {
      const tap = await plugIn(on);
      taps.push(tap);
    }

    const began = performance.now();
    const booting = spawn('unshare', kernelArguments(definition, dir, taps), { stdio: ['ignore', 'pipe', 'pipe'] });
    kernel = booting;
    let text = '';
    for (const stream of [booting.stdout, booting.stderr])
      stream.on('data', (chunk: Buffer) => {
        text = (text + chunk.toString()).slice(-65_536);
      });
    const timer = setTimeout(() => booting.kill('SIGKILL'), 60_000);
    try {
      await said(booting, 'stdout', /Server listening on/, `guest ${name}`);
    } finally {
      clearTimeout(timer);
    }
    const bootMs = performance.now() - began;
    const knownHostsFile = `${dir}.known_hosts`;
    const ssh = `ssh -F none -o BatchMode=yes -o ConnectTimeout=10 -o LogLevel=ERROR -o UserKnownHostsFile=${knownHostsFile} -i ${identityFile} root@${address}`;
    return {
      name,
      definition,
      address,
      hostKey,
      identityFile,
      knownHostsFile,
      bootMs,
      inventory: { address, user: login?.user ?? 'root', ...(login === undefined ? {} : { sudo: true }) },
      async exec(script, { timeoutMs = 30_000 } = {}) {
        const done = await command([...ssh.split(' '), script], { timeoutMs });
        if (booting.exitCode !== null || booting.signalCode !== null)
          throw new Error(`guest ${name} has died:\n${text.slice(-4000)}`);
        return done;
      },
      console: () => text,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What Debian's `update-alternatives --set iptables /usr/sbin/iptables-legacy` does. */
async function legacyIptables(dir: string): Promise<void> {
  await mkdir(dir);
  for (const family of ['iptables', 'ip6tables'])
    for (const tool of ['', '-save', '-restore'])
      await symlink(`/usr/sbin/${family}-legacy${tool}`, join(dir, `${family}${tool}`));
}

const hostOf = (address: string): string => address.replace(/\/.*$/, '');
const lines = (of: readonly string[]): string => of.map((line) => `${line}\n`).join('');
const ipLines = ({ address, device = '' }: GuestInterface, index: number): readonly string[] => {
  const name = device === '' ? `eth${index}` : device;
  const renamed = name === `eth${index}` ? [] : [`link set eth${index} name ${name}`];
  return [...renamed, `addr add ${address} dev ${name}`, `link set ${name} up`];
};

let plugged = 0;

/** A port of the switch for one interface of a guest. Names of interfaces live in the lab's own namespace. */
async function plugIn({ name, address }: GuestSwitch): Promise<string> {
  plugged += 1;
  const tap = `guest-${process.pid % 1000}-${plugged}`;
  // two guests that start at once both find no switch: making it twice is no fault
  await command(['ip', 'link', 'add', name, 'type', 'bridge']);
  if (address !== undefined) await command(['ip', 'addr', 'replace', address, 'dev', name]);
  await must(['ip', 'link', 'set', name, 'up']);
  await must(['ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap']);
  await must(['ip', 'link', 'set', tap, 'master', name, 'up']);
  return tap;
}

/**
 * The guest's processes are processes of the machine: a PID namespace ends all of them with the first. For the kernel of
 * the guest, root included, the machine's file system is mounted read-only.
 */
function kernelArguments({ name, memoryMiB = 128 }: GuestDefinition, dir: string, taps: readonly string[]): string[] {
  const script = 'mount -o remount,bind,ro / && linux.uml "$@"; exit $?';
  return [
    ...'--mount --pid --fork --kill-child --mount-proc sh -c'.split(' '),
    script,
    `guest-${name}`,
    `mem=${memoryMiB}M`,
    `umid=${name}`,
    `uml_dir=${dir}.uml/`,
    ...'root=/dev/root rootfstype=hostfs rootflags=/ ro'.split(' '),
    `init=${dir}/init`,
    ...'con=null con0=null,fd:1 ssl=null quiet panic=-1'.split(' '),
    // Not the "vector" network of this kernel: `ethtool -g` makes it panic.
    ...taps.map((tap, index) => `eth${index}=tuntap,${tap}`),
  ];
}

/** First process of the guest: the layer over the machine's files, and what a kernel has of its own. */
const firstScript = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
die() { echo "guest: $*"; echo o > /proc/sysrq-trigger; exec sleep 60; }
own=\${0%/*}
mount -t proc proc /proc
modules=${modulesRoot}/$(uname -r)
grep -q overlay /proc/filesystems || insmod "$modules/kernel/fs/overlayfs/overlay.ko" || die "no overlay file system"
mount -t tmpfs -o mode=755 tmpfs /mnt || die "no tmpfs"
mkdir /mnt/written /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/written,workdir=/mnt/work overlay /mnt/root || die "no layer over the files"
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev && mkdir -p dev/pts dev/shm && mount -t devpts devpts dev/pts && mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/sshd
cp -a "$own" run/netcheck-lab || die "its own files are not there"
mkdir .${writtenFiles}
mount --bind /mnt/written .${writtenFiles}
rm -rf etc/sudoers.d
cp -a run/netcheck-lab/etc/. etc/
if [ -e etc/netcheck-as-root ]; then mkdir -p usr/local/sbin && mv etc/netcheck-as-root usr/local/sbin/; fi
mkdir -p lib/modules
ln -sfn "$modules" "lib/modules/$(uname -r)"
exec chroot . ${labRoot}/main
`;

/** \`sleep\` keeps the shell waiting, and a waiting shell reaps orphans. */
const secondScript = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
own=${labRoot}
echo $own/modprobe > /proc/sys/kernel/modprobe
hostname "$(cat /etc/hostname)"
xargs -r modprobe -a < $own/modules || echo "guest: not every module could be loaded"
sysctl -q -p $own/sysctl.conf
ip -batch $own/setup.ip || echo "guest: not every address could be set"
sleep infinity &
$(command -v sshd) -D -e -f $own/sshd_config 2>&1 &
while :; do wait; done
`;

/** The kernel runs it when something needs a module that is not there. */
const modprobeScript = `#!/bin/sh
shift $(($# - 1))
echo "guest: module wanted: $1" > /dev/console
exec /sbin/modprobe -q -- "$1"
`;
