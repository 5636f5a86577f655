import type { Collector } from '../model/command.ts';
import { createDeadline } from '../model/deadline.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Parser } from '../model/parser.ts';
import { noContext } from './no-context.ts';
import type { NodeTransport } from './ports.ts';
import type { PodOnNode } from './kubernetes-place.ts';

/** At most so many nodes are asked, so many at a time, and no longer than this. */
const bounds = { nodes: 256, atOnce: 16, timeoutMs: 10_000 } as const;

/**
 * Asks the nodes themselves for a pod: the kubelet keeps a directory of logs for each, with its uid. For when the API
 * cannot be asked. Nodes that cannot be reached do not have it, as far as anybody can tell.
 *
 * @param namespace null: any
 */
export async function learnPods(
  name: string,
  namespace: string | null,
  nodes: readonly InventoryNode[],
  transport: NodeTransport,
  {
    collectors,
    parsers,
  }: { readonly collectors: ReadonlyMap<string, Collector>; readonly parsers: ReadonlyMap<string, Parser> },
): Promise<readonly PodOnNode[]> {
  const [command] = collectors.get('pod-logs')?.commands({}, noContext) ?? [];
  if (command === undefined) return [];
  const deadline = createDeadline(bounds.timeoutMs);
  const { signal } = deadline;
  const found: PodOnNode[] = [];
  const waiting = nodes.slice(0, bounds.nodes);
  const askNext = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined && !signal.aborted; node = waiting.shift()) {
      const connected = await transport.connect(node, { signal });
      if (!connected.ok) continue;
      const { exit, stdout, stderr } = await connected.connection.run(command, { signal });
      await connected.connection.close();
      const exitCode = exit.how === 'exited' ? exit.code : null;
      const parsed = parsers.get(command.kind)?.parse({ stdout, stderr, argv: command.argv, exitCode, evidence: '' });
      for (const pod of (parsed?.value ?? []) as readonly Omit<PodOnNode, 'node'>[])
        if (pod.name === name && (namespace === null || pod.namespace === namespace)) found.push({ ...pod, node });
    }
  };
  try {
    await Promise.all(Array.from({ length: bounds.atOnce }, askNext));
  } finally {
    deadline.clear();
  }
  return found.sort((a, b) => a.namespace.localeCompare(b.namespace) || a.node.name.localeCompare(b.node.name));
}
