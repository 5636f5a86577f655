import { quoteArgv } from './quote-argv.ts';
import { rootWrapper } from './root-wrapper.ts';

/**
 * The only text that a login shell ever sees. It means the same in sh, bash, zsh, csh and fish, so that whatever shell
 * the account has, the script below is read by a POSIX shell, from standard input, without a second round of quoting.
 */
export const loginCommand = 'exec /bin/sh';

/** What the script says about itself, on both streams, before the command's first byte. */
export type StartState = (typeof startStates)[number];

/** `unseen`: sudo is tried, although the login user's PATH has no such tool. */
const startStates = ['run', 'unseen', 'missing', 'nosudo'] as const;

/** Directories where administration tools live and that a non-login PATH often lacks. */
const sbin = '/usr/local/sbin:/usr/sbin:/sbin';

/**
 * The script that runs one command on a node and never leaves it behind.
 *
 * - The first line on standard output and on standard error is `MARK run` (or another start state): bytes before it
 *   come from the login shell's start-up files and are not the command's.
 * - Standard input of the script is a leash: when it ends (the channel is closed, or the connection is gone), the command
 *   and all its children get SIGTERM and, a second later, SIGKILL. `channel.close()` and a lost connection alone
 *   leave the process running (measured on OpenSSH 9.2; `exec` requests have no terminal that could hang up).
 * - A timer on the node does the same after `deadlineSeconds`, for the network that swallows everything.
 * - Children: sshd makes the script the leader of its process group (session.c, do_exec_no_pty), so that the group is
 *   killed; what left the group (sudo with a pty of its own, a server that does not call setsid) is found as a
 *   descendant in /proc (process ids above the script's own: reading all of /proc takes too long on a big node). A tcpdump that dropped root (`-Z`) is a child of sudo in the same group and may be signalled,
 *   sudo itself may not.
 * - The two watchers are started before the script catches SIGTERM: a subshell forgets what it inherited, and a signal
 *   that arrives before it has done so is lost (seen with dash: one quick command in ten left its timer behind).
 * - What the shell itself says (`Terminated`, `No such process`) is not mixed into the command's standard error.
 * - The command's exit status is the script's. Standard input of the command is empty.
 *
 * @param mark random word without shell meaning
 */
export function remoteScript(options: {
  readonly argv: readonly string[];
  readonly sudo: boolean;
  readonly deadlineSeconds: number;
  readonly mark: string;
}): string {
  const { argv, sudo, mark, deadlineSeconds } = options;
  const tool = quoteArgv(argv.slice(0, 1));
  // sudo looks in its own secure_path; but where it refuses, it does not say that the tool is not there at all.
  const look = sudo
    ? `command -v sudo >/dev/null || { say nosudo; exit 127; }\ncommand -v ${tool} >/dev/null || w=unseen`
    : `command -v ${tool} >/dev/null || { say missing; exit 127; }`;
  return leashed({ look, body: commandText(argv, sudo), deadlineSeconds, mark });
}

/**
 * The script that runs several commands, one after the other, on one leash: starting the script costs a node more than
 * most commands do. Before each command the line `MARK N STATE` stands on both streams, N counted from 0, after it
 * `MARK N end STATUS`; these marks may follow bytes without a line feed.
 */
export function remoteBatchScript(options: {
  readonly commands: readonly { readonly argv: readonly string[]; readonly sudo: boolean }[];
  readonly deadlineSeconds: number;
  readonly mark: string;
}): string {
  const { commands, mark, deadlineSeconds } = options;
  // The end of one and the start of the next are told in one write: each write is a packet, and most answers are short.
  const steps = commands.map(({ argv, sudo }, index) => {
    const tool = quoteArgv(argv.slice(0, 1));
    const look = sudo
      ? `w=run; command -v ${tool} >/dev/null || w=unseen; command -v sudo >/dev/null || w=nosudo`
      : `w=run; command -v ${tool} >/dev/null || w=missing`;
    const before = index === 0 ? '' : `${mark} ${index - 1} end $r\n`;
    return `${look}
t "${before}${mark} ${index} $w"
case $w in run|unseen) ${commandText(argv, sudo)};; *) false;; esac
r=$?`;
  });
  const body = `t() { echo "$1"; echo "$1" >&2; }\n${steps.join('\n')}\nt "${mark} ${commands.length - 1} end $r"`;
  return leashed({ look: '', body, deadlineSeconds, mark });
}

// Without -k a sudo that refuses leaves a record of its user on the node (/run/sudo/ts; sudo(8), sudoers_timestamp(5)).
// $s is one word or none: its path has no blank. A program by its path is the administrator's own, with its own rule.
function commandText(argv: readonly string[], sudo: boolean): string {
  const through = argv[0]?.startsWith('/') === true ? '' : '$s ';
  return sudo ? `sudo -n -k -- ${through}${quoteArgv(argv)}` : quoteArgv(argv);
}

/** The script around what a run puts into it: `look` before the command is started, `body` the command or commands. */
export function leashed({
  look,
  body,
  deadlineSeconds,
  mark,
}: {
  readonly look: string;
  readonly body: string;
  readonly deadlineSeconds: number;
  readonly mark: string;
}): string {
  // One compound command: the shell has read all of it before it runs any of it.
  return `{
exec 3<&0 4>&2 2>/dev/null
LC_ALL=C PATH="\${PATH:-/usr/bin:/bin}:${sbin}"
export LC_ALL PATH
say() { echo "${mark} $1"; echo "${mark} $1" >&4; }
w=run s=
if [ -x ${rootWrapper} ]; then s=${rootWrapper}; fi
${look}
g=
if { IFS= read -r x </proc/$$/stat; } 2>/dev/null; then set -- \${x##*) }; if [ "$3" = $$ ]; then g=-$$; fi; fi
outside() {
t=" $$ " k= n=1
while [ "$n" ]; do n=
for f in /proc/[0-9]*/stat; do
i=\${f#/proc/} i=\${i%/stat}
if [ "$i" -le $$ ]; then continue; fi
{ IFS= read -r x <"$f"; } 2>/dev/null || continue
case $t in *" $i "*) continue;; esac
x=\${x##*) } x=\${x#* }
case $t in *" \${x%% *} "*) t="$t$i " n=1 x=\${x#* }
if [ "\${x%% *}" != "\${g#-}" ] && [ "$i" != "$me" ]; then k="$k $i"; fi;; esac
done
done
}
finish() {
trap '' TERM HUP
me=
{ read -r me x </proc/self/stat; } 2>/dev/null
outside
if [ "$g" ]; then kill -s TERM -- $g; fi
for i in $k; do kill -s TERM $i; done
sleep 1
if kill -s 0 $$; then outside; for i in $k; do kill -s KILL $i; done; kill -s KILL $$; fi
if [ "$g" ]; then kill -s KILL -- $g; fi
}
( while read -r x; do :; done; finish ) <&3 >/dev/null 4>&- & a=$!
( trap 'kill -s KILL $!; exit' TERM; sleep ${Math.ceil(deadlineSeconds)} & wait $! && finish ) </dev/null >/dev/null 3<&- 4>&- & b=$!
trap : TERM HUP
say $w
( exec </dev/null 2>&4 3<&- 4>&-; ${body} )
r=$?
kill $a $b
if [ "$g" ]; then kill -s TERM -- $g; fi
exit $r
}
`;
}

/** Splits a stream at the script's mark. `undefined` while the mark has not arrived. */
export function splitAtMark(
  bytes: Buffer,
  mark: string,
): { readonly before: Buffer; readonly state: StartState; readonly after: Buffer } | undefined {
  const at = bytes.indexOf(`${mark} `);
  if (at < 0) return undefined;
  const lineEnd = bytes.indexOf(0x0a, at);
  if (lineEnd < 0) return undefined;
  const word = bytes.toString('latin1', at + mark.length + 1, lineEnd);
  const state = startStates.find((each) => each === word) ?? 'run';
  return { before: bytes.subarray(0, at), state, after: bytes.subarray(lineEnd + 1) };
}
