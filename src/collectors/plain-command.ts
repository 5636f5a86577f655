import * as z from 'zod';

/** Longest time and most bytes that a command of a plug-in may ask for. */
export const longestMs = 60_000;
export const mostBytes = 4 * 1024 * 1024;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const Word = z
  .string()
  .max(4096)
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'a word of a command has no control characters');

/** A command as a plug-in may give it: argv only, bounded, read by a parser. */
export const PlainCommand = z.strictObject({
  argv: z
    .array(Word)
    .min(1)
    .max(128)
    .refine(
      ([tool = '']) => /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(tool),
      'the first word is the name of a program without a path: what is found in PATH on the node',
    ),
  privilege: z.enum(['none', 'root']),
  timeoutMs: z.number().int().min(100).max(longestMs),
  maxBytes: z.number().int().min(1).max(mostBytes),
  kind: z.string(),
  tool: z.string().optional(),
  wouldLoad: z.strictObject({ modules: z.array(z.string()), unlessFile: z.string().optional() }).optional(),
  unlessTool: z.string().optional(),
  needsFile: z.string().optional(),
  waits: z.literal(true).optional(),
  get otherwise() {
    return PlainCommand.optional();
  },
});

/** Programs that run what they are given: with one of these an argv array is a script again. */
const runsOthers = new Set(
  (
    'sh bash dash ash zsh ksh mksh csh tcsh fish busybox env sudo su doas runuser pkexec nsenter chroot unshare setpriv ' +
    'ssh scp sftp rsync python python2 python3 perl ruby node deno bun lua php awk gawk mawk nawk sed xargs parallel ' +
    'timeout nice ionice nohup setsid stdbuf watch script expect time chrt taskset strace ltrace gdb make at batch ' +
    'crontab systemd-run screen tmux vi vim ex ed emacs'
  ).split(' '),
);

/** Programs that are there to change something, or that netcheck has collectors of its own for. */
const changes = new Set(
  (
    'rm rmdir mv cp dd tee ln mkdir mkfifo mknod touch truncate shred install chmod chown chgrp chattr setfacl kill ' +
    'pkill killall skill reboot shutdown halt poweroff init telinit modprobe insmod rmmod kmod mount umount swapoff ' +
    'swapon fdisk parted mkfs iptables ip6tables iptables-restore ip6tables-restore ebtables arptables ipvsadm ' +
    'conntrack tcpdump tshark dumpcap ifconfig ifup ifdown route brctl nmcli nmtui wget curl nc ncat netcat socat ' +
    'telnet ftp tc apt apt-get dpkg yum dnf rpm zypper apk pip npm useradd userdel usermod passwd visudo'
  ).split(' '),
);

type Words = readonly string[];
/** The verb comes first, or after flags of which it is known that no value follows. */
const verbs =
  (allowed: Words, flags = /^$/) =>
  (args: Words): boolean =>
    allowed.includes(args.find((word) => !flags.test(word)) ?? '');
const without =
  (pattern: RegExp) =>
  (args: Words): boolean =>
    !args.some((word) => pattern.test(word));

const onlyOptions =
  (allowed: RegExp) =>
  (args: Words): boolean =>
    args.every((word) => !word.startsWith('-') || allowed.test(word));

/** `ip [OPTIONS] OBJECT [show|list|get …]`: any other verb changes something, also where it is abbreviated. */
function ipReads(args: Words): boolean {
  if (args.some((word) => /^-+(?:b|batch|force|a|all|n|netns)$/.test(word))) return false;
  const [object, verb] = args.filter((word) => !word.startsWith('-'));
  return object !== undefined && (verb === undefined || ['show', 'list', 'ls', 'lst', 'get'].includes(verb));
}

/** Programs that read and write: what of them is allowed. */
const readForms: ReadonlyMap<string, (args: Words) => boolean> = new Map(
  Object.entries({
    ip: ipReads,
    bridge: ipReads,
    sysctl: without(/=|^-[a-zA-Z]*[wp]|^--(?:write|load|system)/),
    nft: (args) =>
      verbs(['list'], /^-(?:[janSsyNpt]+|-json|-handle|-numeric|-stateless)$/)(args) &&
      without(/^-+(?:f|file|i|interactive|D|define|I|includepath)/)(args),
    ipset: verbs(['list']),
    ethtool: onlyOptions(/^-(?:[SikgcalmTxunP]|-(?:statistics|driver|show-[a-z-]+|json|include-statistics))$/),
    systemctl: verbs(
      ['show', 'status', 'cat', 'is-active', 'is-enabled', 'is-failed', 'list-units', 'list-sockets'],
      /^--(?:no-pager|no-legend|plain|full|all)$/,
    ),
    journalctl: without(/^-+(?:f|follow|vacuum|rotate|flush|sync|relinquish|smart|setup|update|cursor-file)/),
    dmesg: without(/^-[a-zA-Z]*[cCDEnwW]|^--(?:clear|read-clear|console|follow)/),
    chronyc: verbs(['tracking', 'sources', 'sourcestats', 'activity', 'ntpdata', 'serverstats'], /^-[n46c]$/),
    timedatectl: verbs(['status', 'show', 'timesync-status', 'show-timesync']),
    hostnamectl: verbs(['status', 'show']),
    resolvectl: verbs(['status', 'statistics', 'query', 'dns', 'domain']),
    kubectl: verbs(['get', 'describe', 'version', 'top']),
    crictl: verbs(['ps', 'pods', 'inspect', 'inspectp', 'info', 'version', 'images', 'stats']),
    docker: verbs(['ps', 'inspect', 'info', 'version', 'images', 'port']),
    podman: verbs(['ps', 'inspect', 'info', 'version', 'images', 'port']),
    find: without(/^-(?:exec|ok|delete|fprint|fls)/),
    date: without(/^-+(?:s|set)/),
    hostname: (args) => args.every((word) => word.startsWith('-') && !/^-+(?:F|file|b)/.test(word)),
    tail: without(/^-+(?:f|F|follow|retry)/),
    ss: without(/^-+(?:K|kill)/),
  }),
);

/**
 * What keeps a command of a plug-in from being run, one sentence each. A seat belt, not a proof: nobody can know what
 * a program of which netcheck has never heard does with its arguments.
 */
export function plainCommandProblems(command: unknown, kinds: ReadonlySet<string>): readonly string[] {
  const parsed = PlainCommand.safeParse(command);
  if (!parsed.success)
    return parsed.error.issues.map(
      ({ path, message }) => `${path.length > 0 ? `${path.map(String).join('.')}: ` : ''}${message}`,
    );
  const { argv, kind, otherwise } = parsed.data;
  const [tool = '', ...args] = argv;
  const problems: string[] = [];
  if (runsOthers.has(tool))
    problems.push(`${tool} runs what it is given; a command is the program itself and its arguments`);
  else if (changes.has(tool) || tool.startsWith('mkfs'))
    problems.push(`${tool} is not run by plug-ins: it changes something, or netcheck's own collectors read it`);
  else if (readForms.get(tool)?.(args) === false)
    problems.push(`${argv.join(' ').slice(0, 120)}: only the forms of ${tool} that read are allowed`);
  if (!kinds.has(kind) || kind === 'pcap')
    problems.push(
      `no parser reads the kind "${kind.slice(0, 60)}"; key-values reads lines of "name: value", docs/parse-kinds.md has the others`,
    );
  return otherwise === undefined ? problems : [...problems, ...plainCommandProblems(otherwise, kinds)];
}
