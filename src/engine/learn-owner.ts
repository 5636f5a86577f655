import type { Address } from '../model/facts.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Parser } from '../model/parser.ts';
import { createDeadline } from '../model/deadline.ts';
import type { NodeTransport } from './ports.ts';
import { canonicalAddress } from './settle-address.ts';

/** At most so many nodes are asked whether an address is theirs, so many at a time, and no longer than this. */
const bounds = { nodes: 64, atOnce: 8, timeoutMs: 8000 } as const;

/**
 * Asks the nodes themselves which of them owns an address that the inventory does not know (a virtual address, a
 * second NIC). Nodes that cannot be reached do not own it, as far as anybody can tell.
 */
export async function learnOwner(
  address: string,
  nodes: readonly InventoryNode[],
  transport: NodeTransport,
  parsers: ReadonlyMap<string, Parser>,
): Promise<InventoryNode | null> {
  const [owner] = await askOwners(address, nodes, transport, parsers, 1);
  return owner ?? null;
}

/** The same of an address that may be on several of them at once (anycast, a virtual address after a split). */
export function learnOwners(
  address: string,
  nodes: readonly InventoryNode[],
  transport: NodeTransport,
  parsers: ReadonlyMap<string, Parser>,
): Promise<readonly InventoryNode[]> {
  return askOwners(address, nodes, transport, parsers, nodes.length);
}

async function askOwners(
  address: string,
  nodes: readonly InventoryNode[],
  transport: NodeTransport,
  parsers: ReadonlyMap<string, Parser>,
  enough: number,
): Promise<readonly InventoryNode[]> {
  const found = createDeadline(bounds.timeoutMs);
  const { signal } = found;
  const waiting = nodes.slice(0, bounds.nodes);
  const owners: InventoryNode[] = [];
  const askNext = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined && !signal.aborted; node = waiting.shift())
      if (await owns(node, address, transport, parsers, signal)) {
        owners.push(node);
        if (owners.length >= enough) found.abort('enough');
      }
  };
  try {
    await Promise.all(Array.from({ length: bounds.atOnce }, askNext));
  } finally {
    found.clear();
  }
  // in the order of the inventory, whoever answered first
  return nodes.filter((node) => owners.includes(node));
}

async function owns(
  node: InventoryNode,
  address: string,
  transport: NodeTransport,
  parsers: ReadonlyMap<string, Parser>,
  signal: AbortSignal,
): Promise<boolean> {
  const connected = await transport.connect(node, { signal });
  if (!connected.ok) return false;
  const argv = ['ip', '-o', 'addr', 'show'];
  const result = await connected.connection.run(
    { argv, privilege: 'none', timeoutMs: 5000, maxBytes: 1_048_576 },
    { signal },
  );
  await connected.connection.close();
  const parsed = parsers.get('ip-addr')?.parse({
    stdout: result.stdout,
    stderr: result.stderr,
    argv,
    exitCode: result.exit.how === 'exited' ? result.exit.code : null,
    evidence: '',
  });
  return ((parsed?.value ?? []) as readonly Address[]).some((one) => canonicalAddress(one.address) === address);
}
