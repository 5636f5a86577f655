import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/**
 * Filtered on the node: the log of a busy machine is megabytes, and a few lines of it matter. dmesg where it may be
 * read, else the journal's kernel messages of the last hour.
 */
const script = `w='table full|SYN flooding|neighbo|martian|no destination available|orphaned sockets|Out of socket memory|time wait bucket|TCP: out of memory|ink is (up|down)|link (up|down)|lost carrier|NETDEV WATCHDOG|transmit queue|allocation failure|Out of memory|oom-killer|LOCKUP|lockup|blocked for more than|duplicate (IPv6 )?address'
pick() { grep -E -i -e "$w" | tail -n 200; }
if l=$(dmesg 2>&1); then printf '%s\\n' "$l" | pick
elif command -v journalctl >/dev/null 2>&1; then journalctl -k --since=-1h --no-pager -n 20000 2>&1 | pick
else printf '%s\\n' "$l" >&2; exit 1
fi
exit 0`;

const bounds = { timeoutMs: 10_000, kind: 'dmesg' } as const;

export const kernelLog = defineCollector({
  id: 'kernel-log',
  purpose: 'the lines of the kernel log that have to do with networks, at most 200',
  params: z.strictObject({}),
  when: 'last',
  provides: ['kernelLog'],
  commands: (_params, { loginUser }) => [
    loginUser === undefined
      ? { ...bounds, argv: ['sh', '-c', script, 'kernel-log'], privilege: 'none', maxBytes: 131_072 }
      : // Through sudo only a command that an administrator can judge at a glance: the whole log, as far as it is short.
        { ...bounds, argv: ['dmesg'], privilege: 'root', maxBytes: 786_432, tool: 'dmesg' },
  ],
});
