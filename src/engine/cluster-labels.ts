import type { InventoryNode } from '../model/inventory.ts';
import type { ClusterReader } from './ports.ts';

/**
 * Nodes with the labels that Kubernetes gives them (`topology.kubernetes.io/zone`, `node-role.kubernetes.io/…`) beside
 * their own, which count where both have one. A node is known by its name or by one of its addresses. Where the API does
 * not answer, the nodes are as they were, and `trouble` says why.
 */
export async function withClusterLabels(
  nodes: readonly InventoryNode[],
  cluster: Pick<ClusterReader, 'nodes' | 'where'> | null,
): Promise<{ readonly nodes: readonly InventoryNode[]; readonly trouble?: string }> {
  if (cluster === null) return { nodes };
  const read = await cluster.nodes();
  if (read.how === 'failed') return { nodes, trouble: `${cluster.where}: ${read.message}` };
  const byName = new Map(read.value.map((node) => [node.name, node]));
  const byAddress = new Map(read.value.flatMap((node) => node.addresses.map((address) => [address, node] as const)));
  return {
    nodes: nodes.map((node) => {
      const addresses = [node.address, node.target, ...node.serves].filter((one) => one !== undefined);
      const known =
        byName.get(node.name) ?? addresses.map((one) => byAddress.get(one)).find((one) => one !== undefined);
      return known === undefined ? node : { ...node, labels: { ...known.labels, ...node.labels } };
    }),
  };
}
