import type { Learned } from '../model/command.ts';
import type { InventoryNode } from '../model/inventory.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Plan, PlannedNode, PlannedStep } from '../model/plan.ts';
import { endpointText } from '../rules/endpoint-text.ts';
import { canonicalAddress } from './settle-address.ts';

/**
 * The node that has an address, as far as the inventory knows without asking anybody; null: nobody that it knows, or
 * one that may not join.
 */
export type KnownOwner = (address: string) => Promise<InventoryNode | null>;

/** A Service may have servers on hundreds of nodes: what befalls connects to the first few of them befalls the others. */
const mostFollowed = 2;

/**
 * The nodes where the servers behind the target live, and that nobody has asked about: what a node sends on is watched
 * where it comes in as well, as if the question had named them with "via".
 */
export async function followPath(
  plan: Plan,
  learned: readonly Pick<Learned, 'beyond'>[],
  ownerOf: KnownOwner,
): Promise<readonly PlannedNode[]> {
  const here = new Set(plan.nodes.map(({ node }) => nodeOfPlace(node.name)));
  const found = new Map<string, PlannedNode>();
  for (const { server, addresses } of learned.flatMap(({ beyond }) => beyond)) {
    const owner = await firstOwner(addresses);
    if (owner === undefined || here.has(owner.node.name) || found.has(owner.node.name)) continue;
    const { node, address } = owner;
    found.set(node.name, {
      node,
      roles: ['forwarder'],
      address,
      why: `the way to ${endpointText(server)}, which stands behind the target, leads there`,
      joined: { address: server.address, port: server.port },
    });
    if (found.size === mostFollowed) break;
  }
  return [...found.values()];

  async function firstOwner(
    addresses: readonly string[],
  ): Promise<{ node: InventoryNode; address: string } | undefined> {
    for (const address of addresses) {
      const node = await ownerOf(canonicalAddress(address));
      if (node !== null) return { node, address };
    }
    return undefined;
  }
}

/** The plan with the nodes that were found on the way. */
export function withNodes(plan: Plan, nodes: readonly PlannedNode[]): Plan {
  const steps = nodes.flatMap(({ node }) =>
    (plan.onward ?? []).map((step): PlannedStep => ({ ...step, node: node.name })),
  );
  return { ...plan, nodes: [...plan.nodes, ...nodes], steps: [...plan.steps, ...steps] };
}
