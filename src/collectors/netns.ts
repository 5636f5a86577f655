import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { NetnsName } from '../model/netns.ts';

/**
 * Finds a network namespace: a pid as it is, a name below /run/netns, a container id or the uid of a Kubernetes pod
 * (`pod<uid>`; systemd writes it with "_") by the processes that name it in their cgroup: the oldest of them, because
 * those of probes and of exec come and go. Prints `netns INODE PID START OWN`: START is the process's start time
 * (proc(5), field 22), which tells a pid that was given to another process, OWN the namespace of the node itself.
 * Without root the namespaces of other users' processes are `-`.
 */
const script = `x=$1
start() { t=; { IFS= read -r l <"/proc/$1/stat"; } 2>/dev/null && case $l in *') '*) set -- \${l##*) }; t=\${20};; esac; }
byPid() {
i=$(readlink "/proc/$1/ns/net" 2>/dev/null) || i=-
start "$1"
o=$(readlink /proc/1/ns/net 2>/dev/null) || o=unknown
echo "netns $i $1 \${t:--} $o"
exit 0
}
case $x in
*[!0-9]*) ;;
*) [ -d "/proc/$x" ] || { echo "there is no process $x" >&2; exit 1; }; byPid "$x";;
esac
if [ -e "/run/netns/$x" ]; then
n=$(stat -L -c %i "/run/netns/$x") || exit 1
o=$(readlink /proc/1/ns/net 2>/dev/null) || o=unknown
echo "netns net:[$n] - - $o"
exit 0
fi
u=
case $x in
pod????????????????????????????????*) u=$(echo "$x" | tr - _);;
*[!0-9a-f]*|???????????) ;;
*) u=$x;;
esac
if [ -n "$u" ]; then
p= s=
for f in $(grep -l -s -e "$x" -e "$u" /proc/[0-9]*/cgroup); do
q=\${f#/proc/} q=\${q%/cgroup}
start "$q"
if [ -n "$t" ] && { [ -z "$s" ] || [ "$t" -lt "$s" ]; }; then p=$q s=$t; fi
done
[ -z "$p" ] || byPid "$p"
fi
echo "there is no network namespace $x on this node" >&2
exit 1`;

export const netns = defineCollector({
  id: 'netns',
  purpose: 'finds the network namespace that was asked about',
  params: z.strictObject({ name: NetnsName }),
  when: 'last',
  provides: ['namespace'],
  commands: ({ name }) => [
    {
      argv: ['sh', '-c', script, 'netns', name],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 16_384,
      kind: 'netns',
    },
  ],
});
