import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/** One ls for all processes; a busy node has tens of thousands of descriptors, so only the sockets go over the wire. */
const script = `ls -l /proc/[0-9]*/fd 2>/dev/null | grep -e '^/proc/' -e ' socket:\\['
exit 0`;

/** Which process holds which socket, where ss is not there to say so. Those of other users are seen as root only. */
export const socketOwners = defineCollector({
  id: 'socket-owners',
  purpose: 'processes of sockets by inode, where ss is missing',
  params: z.strictObject({}),
  when: 'once',
  provides: ['listeners'],
  commands: () => [
    {
      argv: ['sh', '-c', script, 'socket-owners'],
      privilege: 'none',
      timeoutMs: 10_000,
      maxBytes: 8_388_608,
      kind: 'socket-owners',
      unlessTool: 'ss',
    },
  ],
});
