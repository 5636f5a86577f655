import type { Command } from '../model/command.ts';
import type { Netns } from '../model/netns.ts';

/** Parsers whose output is about the whole machine, whatever namespace it is asked in. */
const ofTheMachine: ReadonlySet<string> = new Set([
  'look',
  'netns',
  'uname',
  'os-release',
  'date',
  'proc-uptime',
  'dmesg',
  'softnet-stat',
  'softirqs',
  'interrupts',
  'proc-limits',
  'fd-count',
  'cpu-stat',
  'kube-proxy',
]);
/** Files that a container has of its own, below /proc/PID/root. */
const ofTheContainer: ReadonlySet<string> = new Set(['resolv-conf', 'hosts', 'nsswitch']);

/**
 * A link that stands there instead leads out of the container (an absolute one is followed from our root), to any file
 * that root may read: with O_NOFOLLOW it is refused. cat cannot do that.
 */
const noLinks = ['iflag=nofollow', 'status=none'];

/**
 * The same command in a network namespace. What the kernel shows of a namespace under /proc/PID/net can be read there by
 * anybody (fs/proc/proc_net.c); everything else has to enter it, which takes root (setns(2)). Alternatives are moved
 * as well. Commands about the whole machine stay as they are.
 */
export function inNamespace(command: Command, netns: Netns): Command {
  if (ofTheMachine.has(command.kind)) return command;
  // root and two programs for what any process may read
  if (command.kind.startsWith('ipvsadm') && netns.pid !== null && command.otherwise !== undefined)
    return inNamespace(command.otherwise, netns);
  const { otherwise, ...rest } = command;
  const alternative = otherwise === undefined ? {} : { otherwise: inNamespace(otherwise, netns) };
  return { ...moved(rest, netns), ...alternative };
}

function moved(command: Command, netns: Netns): Command {
  const [tool = '', ...args] = command.argv;
  if (ofTheContainer.has(command.kind)) {
    // A namespace by name has no process whose files could be read: there the node's own count.
    if (netns.pid === null) return command;
    const [file = ''] = args;
    return { ...command, privilege: 'root', argv: ['dd', `if=/proc/${netns.pid}/root${file}`, ...noLinks] };
  }
  if (netns.pid !== null && tool === 'cat' && args.every((file) => file.startsWith('/proc/net/')))
    return { ...command, argv: [tool, ...args.map((file) => file.replace('/proc/net/', `/proc/${netns.pid}/net/`))] };
  return { ...command, privilege: 'root', argv: [...entering(netns), ...command.argv] };
}

function entering({ name, pid }: Netns): readonly string[] {
  return ['nsenter', pid === null ? `--net=/run/netns/${name}` : `--net=/proc/${pid}/ns/net`, '--'];
}
