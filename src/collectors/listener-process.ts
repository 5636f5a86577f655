import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const bounds = { timeoutMs: 5000, maxBytes: 65_536 } as const;

/** cgroup v2 has one line `0::/path`; v1 one per controller: the one with cpu counts (cgroups(7)). */
const cpuScript = `p=$1
g=$(sed -n -e 's/^[0-9]*:\\([^:]*,\\)\\{0,1\\}cpu\\(,[^:]*\\)\\{0,1\\}:\\(.*\\)$/\\3/p' "/proc/$p/cgroup" | head -n 1)
u=$(sed -n -e 's/^0:://p' "/proc/$p/cgroup" | head -n 1)
for f in "/sys/fs/cgroup/cpu,cpuacct$g/cpu.stat" "/sys/fs/cgroup/cpu$g/cpu.stat" "/sys/fs/cgroup$u/cpu.stat" "/sys/fs/cgroup/unified$u/cpu.stat"; do
[ -r "$f" ] && exec cat "$f"
done
echo "no cpu.stat of process $p can be read" >&2
exit 1`;

/** Of the processes that listen on the port, as far as they may be seen (those of others need root). */
export const listenerProcess = defineCollector({
  id: 'listener-process',
  purpose: 'limits, open files and CPU throttling of the process that listens on the port, before and after',
  params: z.strictObject({}),
  when: 'delta',
  afterOthers: true,
  provides: ['listenerProcesses'],
  commands: (_params, { learned }) =>
    learned.listenerPids.flatMap((pid) => [
      { ...bounds, privilege: 'none' as const, argv: ['cat', `/proc/${pid}/limits`], kind: 'proc-limits' },
      {
        ...bounds,
        privilege: 'root' as const,
        maxBytes: 8_388_608,
        argv: ['ls', `/proc/${pid}/fd`],
        kind: 'fd-count',
      },
      {
        ...bounds,
        privilege: 'none' as const,
        argv: ['sh', '-c', cpuScript, 'cpu-stat', pid],
        kind: 'cpu-stat',
      },
    ]),
});
