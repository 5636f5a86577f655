import { DnsName } from './dns-name.ts';
import { IpAddress } from './inventory.ts';
import type { Plan } from './plan.ts';

/**
 * Names that programs may use for the target: as it was asked for, and the host name that the inventory has for it.
 * None where it was asked for by address, or where it is a namespace of the node that has the name.
 */
export function targetNames({ symptom, nodes }: Pick<Plan, 'symptom' | 'nodes'>): readonly string[] {
  if (symptom.target.kind !== 'node' || symptom.target.netns !== undefined) return [];
  const inventory = nodes.filter(({ roles }) => roles.includes('target')).map(({ node }) => node.address);
  const names = [symptom.target.node, ...inventory].filter(
    (name) => DnsName.safeParse(name).success && !IpAddress.safeParse(name).success,
  );
  return [...new Set(names.map((name) => name.replace(/\.$/, '')))].slice(0, 2);
}

/** A label that nobody has given to anything: whoever has an address for it has one for every name. */
export const unlikelyName = 'netcheck-probe';
