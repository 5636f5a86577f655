import { NetcheckError } from '../model/errors.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Target } from '../model/symptom.ts';
import { describeTarget } from './ask.ts';
import { canonicalAddress, isOnEveryNode } from './settle-address.ts';

/** The nodes that netcheck may log in to, whatever file they come from. */
export interface Inventory {
  /** All known names, sorted. */
  names(): readonly string[];
  find(name: string): Promise<InventoryNode | null>;
  /** The node that owns an address: `address`, `target` or `serves`, or learned from the nodes themselves. */
  ownerOf(address: string): Promise<InventoryNode | null>;
  /** The same from the inventory alone: no node is asked, so that it may be called for many addresses. */
  knownOwner?(address: string): InventoryNode | undefined;
  /**
   * Every node that has this address now, of those that the inventory says it of: two where it is on both. Absent:
   * {@link ownerOf} is all that is known.
   */
  ownersOf?(address: string): Promise<readonly InventoryNode[]>;
  /** `targets.external`: addresses that no node owns may be diagnosed. */
  readonly externalAllowed: boolean;
}

/** A target that was found: a node, or an address that no node owns. */
export type Resolved =
  | { readonly kind: 'node'; readonly node: InventoryNode; readonly address: string }
  | { readonly kind: 'external'; readonly address: string };

/** @throws NetcheckError `ask/unknown-node` with the closest names, `ask/external-address`, `ask/no-kubernetes` */
export async function resolveTarget(target: Target, inventory: Inventory): Promise<Resolved> {
  switch (target.kind) {
    case 'node': {
      const node = await inventory.find(target.node);
      if (node) return { kind: 'node', node, address: node.target ?? node.address };
      throw unknownNode(target.node, inventory);
    }
    case 'address': {
      const address = canonicalAddress(target.address);
      const owner = target.node === undefined ? await inventory.ownerOf(address) : await inventory.find(target.node);
      if (target.node !== undefined && owner === null) throw unknownNode(target.node, inventory);
      if (owner && !(target.node !== undefined && isOnEveryNode(address)))
        return { kind: 'node', node: owner, address };
      if (isOnEveryNode(address))
        throw new NetcheckError(
          'ask/external-address',
          `${target.address} means this machine on every machine, so it does not say which node is meant.`,
          'Ask with the name of the node, for example: node-50 port 1301',
          {
            zh: {
              message: `${target.address} 在每台机器上都指它自己，无法知道是哪个节点。`,
              hint: '请用节点名来问，例如：node-50 port 1301',
            },
          },
        );
      if (inventory.externalAllowed) return { kind: 'external', address };
      throw new NetcheckError(
        'ask/external-address',
        `No node of the inventory owns ${target.address}.`,
        'Add it to the "serves" of its node, or set targets.external: true to allow addresses that no node owns.',
        {
          zh: {
            message: `清单中没有节点拥有 ${target.address}。`,
            hint: '请把它加到所属节点的 "serves"，或设置 targets.external: true 以允许不属于任何节点的地址。',
          },
        },
      );
    }
    case 'kubernetes':
      throw new NetcheckError(
        'ask/no-kubernetes',
        `"${describeTarget(target)}" cannot be looked up: netcheck has no access to Kubernetes here.`,
        'Ask with the node and the port instead, for example: node-50 port 1301',
        {
          zh: {
            message: `无法查询 "${describeTarget(target)}"：这里的 netcheck 无法访问 Kubernetes。`,
            hint: '请改用节点和端口来问，例如：node-50 port 1301',
          },
        },
      );
  }
}

function unknownNode(name: string, inventory: Inventory): NetcheckError {
  const close = closestNames(name, inventory.names());
  return new NetcheckError(
    'ask/unknown-node',
    `There is no node "${name}" in the inventory.`,
    close.length > 0
      ? `Did you mean ${close.join(', ')}?`
      : inventory.names().length === 0
        ? 'The inventory is empty: list the nodes in netcheck.yaml, or set sshConfig: true.'
        : `The inventory has ${listed(inventory.names())}.`,
    {
      zh: {
        message: `清单中没有节点 "${name}"。`,
        hint:
          close.length > 0
            ? `是不是 ${close.join('、')}？`
            : inventory.names().length === 0
              ? '清单是空的：请在 netcheck.yaml 中列出节点，或设置 sshConfig: true。'
              : `清单中有 ${inventory.names().slice(0, 5).join('、')}${inventory.names().length > 5 ? ` 等 ${inventory.names().length} 个节点` : ''}。`,
      },
    },
  );
}

/** The first few names, and how many more there are. */
function listed(names: readonly string[]): string {
  const [first, rest] = [names.slice(0, 5), names.length - 5];
  return rest > 0 ? `${first.join(', ')} and ${rest} more nodes` : first.join(', ');
}

/** Names within a third of their length of the one asked for, best first, at most three. */
export function closestNames(asked: string, names: readonly string[]): readonly string[] {
  const wanted = asked.toLowerCase();
  return names
    .map((name) => ({ name, distance: editDistance(wanted, name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, Math.floor(Math.max(name.length, wanted.length) / 3)))
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Damerau-Levenshtein (optimal string alignment), bounded by the lengths of names. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
