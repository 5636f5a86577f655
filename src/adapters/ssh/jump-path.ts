import { InventoryNode, NodeName } from '../../model/inventory.ts';

/** Inventory look-up by name; may ask ssh_config. */
export type FindNode = (name: string) => InventoryNode | null | Promise<InventoryNode | null>;

/** Enough for any real chain of bastions; above it a mistake is likelier. */
const maxHops = 8;

/**
 * The machines that a connection passes, the node itself last.
 *
 * `jump` is the name of another inventory node (whose own `jump` counts too), or `[user@]host[:port]`, or several of
 * them with commas, visited from left to right (ssh_config(5), ProxyJump).
 *
 * @param findNode inventory look-up by name
 */
export async function jumpPath(
  node: InventoryNode,
  findNode: FindNode,
): Promise<
  { readonly ok: true; readonly hops: readonly InventoryNode[] } | { readonly ok: false; readonly message: string }
> {
  const hops: InventoryNode[] = [];
  const seen: string[] = [];
  let current: InventoryNode | undefined = node;
  while (current) {
    const id = `${current.address}:${current.port}`;
    if (seen.includes(id)) {
      const path = [current, ...hops].map((hop) => hop.name).join(' -> ');
      return { ok: false, message: `The jump hosts of ${node.name} form a loop (${path}); correct \`jump\`.` };
    }
    if (hops.length === maxHops) {
      return { ok: false, message: `${node.name} has more than ${maxHops - 1} jump hosts in a row; correct \`jump\`.` };
    }
    seen.push(id);
    hops.unshift(current);
    if (current.jump === undefined) break;
    const next = await readJump(current.jump, findNode);
    if (!next) {
      return {
        ok: false,
        message: `\`jump: ${current.jump}\` of ${current.name} is neither a node of the inventory nor [user@]host[:port].`,
      };
    }
    current = next;
  }
  return { ok: true, hops };
}

async function readJump(jump: string, findNode: FindNode): Promise<InventoryNode | undefined> {
  const specs = jump.split(',').map((spec) => spec.trim());
  const last = specs.pop() ?? '';
  const before = specs.length > 0 ? { jump: specs.join(',') } : {};
  const known = await findNode(last);
  if (known) return { ...known, ...before };
  const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|(\w[\w.-]*))(?::(\d{1,5}))?$/.exec(last);
  const host = match?.[2] ?? match?.[3];
  if (host === undefined) return undefined;
  const byHost = await findNode(host);
  const user = match?.[1] ?? byHost?.user;
  const parsed = InventoryNode.safeParse({
    ...(byHost ?? { name: NodeName.safeParse(host).success ? host : 'jump-host', address: host }),
    ...(user === undefined ? {} : { user }),
    ...(match?.[4] === undefined ? {} : { port: Number(match[4]) }),
    ...before,
  });
  return parsed.success ? parsed.data : undefined;
}
