import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Imitates, on one node, what a Linux 4.9 kernel with `tcp_tw_recycle=1` does and shows. The dropped SYNs are real
 * packets dropped by the real kernel (an nftables rule on the TCP timestamp); the setting, the counter, the memory of
 * peers and the release string are imitated after recordings of a real 4.9.273.
 */
export interface OldKernel {
  /** Client addresses of which the kernel remembers a timestamp that is higher than theirs is now. */
  readonly remembers: readonly string[];
}

/** What `uname -r` says: nobody shall take it for the real thing. */
export const oldKernelRelease = '4.9.273-netcheck-standin';

const home = '/run/netcheck-lab';
const table = 'netcheck_standin';

/** Writes the stand-in's files into a node's folder; the node's first process runs `old-kernel.sh`. */
export async function oldKernelScript(dir: string, { remembers }: OldKernel): Promise<void> {
  const bin = join(dir, 'standin');
  await Promise.all([mkdir(bin), mkdir(join(dir, 'real'))]);
  const file = (name: string, text: string) =>
    writeFile(join(bin, name), text).then(() => chmod(join(bin, name), 0o755));
  const remembered = rememberedTsval();
  await Promise.all([
    writeFile(join(dir, 'old-kernel.sh'), setUp),
    writeFile(join(bin, 'drop.nft'), dropRules(remembers, remembered)),
    writeFile(join(bin, 'remembered'), `${remembers.map((address) => `${address} ${remembered}`).join('\n')}\n`),
    file('uname', unameWrapper),
    file('cat', catWrapper),
    file('ip', ipWrapper),
    file('nft', nftWrapper),
    writeFile(join(bin, 'watch.mjs'), watcher),
    writeFile(join(bin, 'hide.mjs'), hider),
  ]);
}

/**
 * A timestamp that is ahead of every client whose TSval is the time since its boot in milliseconds
 * (`tcp_timestamps=2`), by far less than half the number space. All namespaces share one clock.
 */
function rememberedTsval(): number {
  const sinceBootMs = Number(process.hrtime.bigint() / 1_000_000n);
  return (sinceBootMs + 2 ** 30) % 2 ** 32;
}

/**
 * tcp_peer_is_proven(), net/ipv4/tcp_metrics.c of 4.9: dropped iff `(s32)(remembered - TSval) > TCP_PAWS_WINDOW` (1), and,
 * on that kernel, a SYN without timestamps too. Loaded again whenever tcp_tw_recycle is written.
 */
function dropRules(addresses: readonly string[], remembered: number): string {
  const wrap = (value: number) => ((value % 2 ** 32) + 2 ** 32) % 2 ** 32;
  const from = wrap(remembered - (2 ** 31 - 1));
  const to = wrap(remembered - 2);
  const ranges = from <= to ? [`${from}-${to}`] : [`0-${to}`, `${from}-${2 ** 32 - 1}`];
  const syn = `ip saddr { ${addresses.join(', ')} } tcp flags & (syn | ack) == syn`;
  return `table ip ${table} {
  counter paws_passive { }
  chain input {
    type filter hook input priority 0; policy accept;
  }
}
flush chain ip ${table} input
${[...ranges.map((range) => `tcp option timestamp tsval ${range}`), 'tcp option timestamp missing']
  .map((match) => `add rule ip ${table} input ${syn} ${match} counter name paws_passive drop`)
  .join('\n')}
`;
}

// /proc/sys/net/ipv4 becomes a folder in which every entry is the kernel's own file, and tcp_tw_recycle a plain one:
// cat, grep, sysctl(8) and the shell all read and write it as they would on the old kernel.
const setUp = `
for name in uname cat ip nft; do
  real=$(readlink -f "$(command -v $name || echo /usr/sbin/$name)")
  : > ${home}/real/$name
  mount --bind "$real" ${home}/real/$name
  mount --bind ${home}/standin/$name "$real"
done
mkdir ${home}/real/ipv4
mount --bind /proc/sys/net/ipv4 ${home}/real/ipv4
mount -t tmpfs -o mode=555 tmpfs /proc/sys/net/ipv4
for entry in ${home}/real/ipv4/*; do
  place=/proc/sys/net/ipv4/\${entry##*/}
  if [ -d "$entry" ]; then mkdir "$place"; else : > "$place"; fi
  mount --bind "$entry" "$place"
done
echo 1 > /proc/sys/net/ipv4/tcp_tw_recycle
sed -i 's/^PRETTY_NAME=.*/PRETTY_NAME="Debian GNU\\/Linux (kernel 4.9 imitated by the practice network)"/' /etc/os-release 2>/dev/null || true
mkfifo ${home}/real/started
${process.execPath} ${home}/standin/watch.mjs > ${home}/real/started &
read -r _ < ${home}/real/started
`;

/** Drops while the setting is 1, heals at once when it is anything else: as measured on 4.9. */
const watcher = `
import { execFileSync } from 'node:child_process';
import { readFileSync, watch } from 'node:fs';
const setting = '/proc/sys/net/ipv4/tcp_tw_recycle';
const nft = (...argv) => execFileSync('${home}/real/nft', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
let dropping = null;
const follow = () => {
  const wanted = readFileSync(setting, 'utf8').trim() === '1';
  if (wanted === dropping) return;
  dropping = wanted;
  nft('-f', '${home}/standin/drop.nft');
  if (!wanted) nft('flush', 'chain', 'ip', '${table}', 'input');
};
watch(setting, follow);
follow();
process.stdout.write('standing in\\n');
`;

const unameWrapper = `#!/bin/sh
case "$*" in
-r) echo ${oldKernelRelease} ;;
-a) echo "Linux $(hostname) ${oldKernelRelease} #1 SMP imitated by the practice network x86_64 GNU/Linux" ;;
*) exec ${home}/real/uname "$@" ;;
esac
`;

/** PAWSPassive stands before PAWSActive on 4.9; each SYN that it counts is one of ListenDrops as well. */
const catWrapper = `#!/bin/sh
case " $* " in
*" /proc/net/netstat "*) ;;
*) exec ${home}/real/cat "$@" ;;
esac
dropped=$(${home}/real/nft list counter ip ${table} paws_passive | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p')
${home}/real/cat "$@" | awk -v dropped="\${dropped:-0}" '
$1 == "TcpExt:" && !names { names = split($0, name); line = ""
  for (i = 1; i <= names; i++) { if (name[i] == "PAWSActive") line = line " PAWSPassive"; line = line (i > 1 ? " " : "") name[i] }
  print line; next }
$1 == "TcpExt:" { line = ""
  for (i = 1; i <= NF; i++) { if (name[i] == "PAWSActive") line = line " " dropped
    line = line (i > 1 ? " " : "") (name[i] == "ListenDrops" ? $i + dropped : $i) }
  print line; next }
{ print }'
`;

/**
 * The line's shape is iproute2's on 4.9. With the setting on, a busy server closes a connection of the client every 20 s;
 * with it off nothing is written any more and the entry only gets older.
 */
const ipWrapper = `#!/bin/sh
case " $* " in
*" tcp_metrics "*|*" tcpmetrics "*) ;;
*) exec ${home}/real/ip "$@" ;;
esac
now=$(date +%s)
if [ "$(${home}/real/cat /proc/sys/net/ipv4/tcp_tw_recycle)" = 1 ]; then age=$((now % 20 + 1))
else age=$((now - $(stat -c %Y /proc/sys/net/ipv4/tcp_tw_recycle) + 12)); fi
while read -r address tsval; do
  [ -n "$address" ] || continue
  echo "$address age $age.480sec tw_ts $tsval/$age ago cwnd 10 rtt 1643us rttvar 1914us"
done < ${home}/standin/remembered
${home}/real/ip "$@" | while read -r address rest; do
  grep -q "^$address " ${home}/standin/remembered || echo "$address $rest"
done
`;

/** A real 4.9 has no such table: it does not show. */
const nftWrapper = `#!/bin/sh
case " $* " in
*" list "*) ;;
*) exec ${home}/real/nft "$@" ;;
esac
exec ${process.execPath} ${home}/standin/hide.mjs "$@"
`;

const hider = `
import { spawnSync } from 'node:child_process';
const { stdout, stderr, status } = spawnSync('${home}/real/nft', process.argv.slice(2), { encoding: 'utf8', maxBuffer: 2 ** 26 });
const mine = (entry) => Object.values(entry).some((object) => object?.table === '${table}' || object?.name === '${table}');
let text = stdout;
if (stdout.startsWith('{')) {
  const parsed = JSON.parse(stdout);
  text = JSON.stringify({ nftables: parsed.nftables.filter((entry) => !mine(entry)) }) + '\\n';
} else text = stdout.replace(/^table ip ${table}(?: \\{[\\s\\S]*?^\\})?\\n/gm, '');
process.stdout.write(text);
process.stderr.write(stderr);
process.exitCode = status ?? 1;
`;
