import type { InventoryNode } from '../model/inventory.ts';
import type { KubernetesOptions } from './kubernetes-place.ts';
import { canonicalAddress } from './settle-address.ts';

/**
 * The inventory may know a Kubernetes node by its name, by the first part of it, or by its address.
 *
 * @param asking what to do about an address that the inventory does not know: `nodes` asks all of them over SSH whose it
 *   is, which is for one node at a time
 */
export async function inventoryNode(
  name: string,
  { inventory, cluster }: KubernetesOptions,
  asking: 'nodes' | 'nobody' = 'nobody',
): Promise<InventoryNode | null> {
  const known = (await inventory.find(name)) ?? (await inventory.find(name.split('.')[0] ?? name));
  if (known !== null || cluster === null) return known;
  const nodes = await cluster.nodes();
  if (nodes.how === 'failed') return null;
  const addresses = nodes.value.find((one) => one.name === name)?.addresses.map(canonicalAddress) ?? [];
  for (const address of addresses) {
    const owner = inventory.knownOwner?.(address);
    if (owner !== undefined) return owner;
  }
  if (asking === 'nobody' && inventory.knownOwner !== undefined) return null;
  for (const address of addresses) {
    const owner = await inventory.ownerOf(address);
    if (owner !== null) return owner;
  }
  return null;
}
