import type { SocketOwner } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * Which process holds which socket, for /proc/net/tcp, which tells only inodes: `find` over /proc/PID/fd, or `ls -l` of
 * such directories. Those of other users are seen as root only: what may not be read is a problem, and the list is not
 * complete.
 */
export const socketOwners: Parser<readonly SocketOwner[]> = {
  kind: 'socket-owners',
  reads: "find /proc/[0-9]*/fd -lname 'socket:*' -printf '%p %l\\n' | ls -l /proc/PID/fd",
  fact: null,
  sample: `/proc/812/fd/3 socket:[18233]
/proc/812/fd/4 socket:[18234]
/proc/1377/fd/6 socket:[20951]
`,
  parse(input) {
    const problems = problemList();
    const owners: SocketOwner[] = [];
    const asked = input.argv.flatMap((word) => pidOf(word) ?? []);
    let listed = asked.length === 1 ? asked[0] : undefined;
    let understood = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '' || /^total \d+$/.test(text)) continue;
      const heading = /^(\/proc\/\d{1,10}\/fd\/?):$/.exec(text)?.[1];
      if (heading !== undefined) {
        listed = pidOf(heading);
        understood = true;
        continue;
      }
      const link = /^l[rwx-]{9}[.+@]? +\d+ .{5,120} \d{1,10} -> (.{1,400})$/.exec(text.slice(0, 800))?.[1];
      const found = /^(\/proc\/\d{1,10}\/fd\/)\d{1,10} (socket:\[.*)$/.exec(text.slice(0, 200));
      const pid = link === undefined ? pidOf(found?.[1] ?? '') : listed;
      const inode = /^socket:\[(\d{1,15})\]$/.exec(link ?? found?.[2] ?? '')?.[1];
      if (inode !== undefined && pid !== undefined)
        owners.push({ inode: Number(inode), pid, at: { evidence: input.evidence, line } });
      else if (link === undefined || inode !== undefined)
        problems.add(`not a socket of a known process: ${excerpt(text)}`, line);
      else understood = true;
    }
    if (owners.length === 0 && !understood && (!silentlyNone(input) || problems.all().length > 0))
      return nothingUsable(input, problems, 'sockets of processes');
    addStderr(input, problems);
    return { value: owners, problems: problems.all() };
  },
};

/** Of `/proc/812/fd` and everything below it. */
function pidOf(path: string): number | undefined {
  const pid = /^\/proc\/(\d{1,10})\/fd(?:\/|$)/.exec(path)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
