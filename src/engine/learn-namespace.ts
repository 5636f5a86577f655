import { NetcheckError } from '../model/errors.ts';
import type { Collector, Command } from '../model/command.ts';
import { createDeadline } from '../model/deadline.ts';
import type { Address } from '../model/facts.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Namespace } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { inNamespace } from './in-namespace.ts';
import { noContext } from './no-context.ts';
import type { NodeTransport } from './ports.ts';

const timeoutMs = 15_000;

/**
 * Asks a node for a network namespace: the address in it that a probe may connect to.
 *
 * @throws NetcheckError `ask/no-namespace` where the node cannot be asked, has no such namespace, or it has no address
 */
export async function learnNamespace(
  node: InventoryNode,
  netns: string,
  transport: NodeTransport,
  {
    collectors,
    parsers,
  }: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
): Promise<{ readonly address: string; readonly isOwn: boolean }> {
  const deadline = createDeadline(timeoutMs);
  const { signal } = deadline;
  const refuse = (why: string): NetcheckError =>
    new NetcheckError(
      'ask/no-namespace',
      `The network namespace "${netns}" on ${node.name} cannot be asked about: ${why}.`,
      'Give the pid of a process in it, a name of "ip netns", or a container id of that node.',
      {
        zh: {
          message: `无法查询 ${node.name} 上的网络命名空间 "${netns}"：${why}。`,
          hint: '请给出其中一个进程的 pid、"ip netns" 的名字，或该节点上的容器 id。',
        },
      },
    );
  try {
    const connected = await transport.connect(node, { signal });
    if (!connected.ok) throw refuse(connected.exit.message.replace(/\.$/, ''));
    const ask = async (command: Command): Promise<{ value: unknown; said: string }> => {
      const { exit, stdout, stderr } = await connected.connection.run(command, { signal });
      const exitCode = exit.how === 'exited' ? exit.code : null;
      const parsed = parsers.get(command.kind)?.parse({ stdout, stderr, argv: command.argv, exitCode, evidence: '' });
      const said = 'message' in exit ? exit.message : (parsed?.problems[0]?.message ?? '');
      return { value: parsed?.value, said: said.replace(/\.$/, '') };
    };
    try {
      const [look] = collectors.get('netns')?.commands({ name: netns }, noContext) ?? [];
      const [addresses] = collectors.get('addresses')?.commands({}, noContext) ?? [];
      if (look === undefined || addresses === undefined) throw refuse('there is no collector for it');
      const found = await ask(look);
      const namespace = found.value as Namespace | undefined;
      if (namespace === undefined) throw refuse(found.said);
      if (namespace.isOwn === true) return { address: node.target ?? node.address, isOwn: true };
      const where = { name: netns, pid: namespace.pid };
      // Through /proc without root where there is a process; else it has to be entered.
      const table: Command = { ...addresses, argv: ['cat', '/proc/net/fib_trie'], kind: 'proc-net-fib-trie' };
      const read = namespace.pid === null ? undefined : await ask(inNamespace(table, where));
      const local = (read?.value as readonly { readonly address: string }[] | undefined) ?? [];
      const entered = local.length > 0 ? undefined : await ask(inNamespace(addresses, where));
      const listed = ((entered?.value as readonly Address[] | undefined) ?? []).filter(
        ({ device, scope }) => device !== 'lo' && scope !== 'link',
      );
      const address = local[0]?.address ?? listed[0]?.address;
      if (address === undefined) throw refuse(entered?.said || 'it has no address of its own');
      return { address, isOwn: false };
    } finally {
      await connected.connection.close();
    }
  } finally {
    deadline.clear();
  }
}
