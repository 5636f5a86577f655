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
 * The nodes where the servers behind the target live. Those that nobody has asked about join: what a node sends on is
 * watched where it comes in as well, as if the question had named them with "via". Those that it has named are told
 * which server they are there for.
 *
 * @param learned what each node knows, by its name
 */
export async function followPath(
  plan: Plan,
  learned: ReadonlyMap<string, Pick<Learned, 'beyond'>>,
  ownerOf: KnownOwner,
): Promise<readonly PlannedNode[]> {
  const found = new Map<string, PlannedNode>();
  const ways = [...learned].flatMap(([from, { beyond }]) => beyond.map((way) => ({ ...way, from: nodeOfPlace(from) })));
  for (const { server, addresses, from } of ways) {
    const owner = await firstOwner(addresses);
    // a node that sends on to itself is judged by what it is asked for
    if (owner === undefined || owner.node.name === from || found.has(owner.node.name)) continue;
    const { node, address } = owner;
    const { name } = node;
    // a pod that serves there is judged by itself
    const there = plan.nodes.filter((one) => nodeOfPlace(one.node.name) === name && !servesItself(one));
    const [known] = there;
    const why = `the way to ${endpointText(server)}, which stands behind the target, leads there`;
    if (known === undefined) {
      if ([...found.values()].filter(({ joined }) => joined === true).length === mostFollowed) continue;
      found.set(name, { node, roles: ['forwarder'], address, why, server: { ...server }, joined: true });
    } else if (there.length === 1 && known.netns === undefined && known.roles.join() === 'forwarder')
      found.set(name, { ...known, server: { ...server } });
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

const servesItself = ({ roles, server }: PlannedNode): boolean => roles.includes('target') && server !== undefined;

/** The plan with what was found on the way: nodes that are new to it come last. */
export function withNodes(plan: Plan, found: readonly PlannedNode[]): Plan {
  const known = plan.nodes.map((one) => found.find(({ node }) => node.name === one.node.name) ?? one);
  const joining = found.filter(({ joined }) => joined === true);
  const steps = joining.flatMap(({ node }) =>
    (plan.onward ?? []).map((step): PlannedStep => ({ ...step, node: node.name })),
  );
  return { ...plan, nodes: [...known, ...joining], steps: [...plan.steps, ...steps] };
}
