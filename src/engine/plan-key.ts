import type { Plan } from '../model/plan.ts';

/**
 * The same for two questions that would do the same: same target, port and protocol, same clients and forwarders, same
 * playbooks and bounds, whatever the words.
 */
export function planKey(
  plan: Pick<Plan, 'symptom' | 'targetAddress' | 'nodes' | 'externalClients' | 'playbooks'>,
): string {
  const { port, protocol, sizeBytes, watchMs } = plan.symptom;
  const places = plan.nodes.map(({ node, roles, address }) => [node.name, [...roles].sort(), address].join(' '));
  const parts = [
    plan.targetAddress,
    port,
    protocol,
    sizeBytes ?? null,
    watchMs ?? null,
    places.sort(),
    [...plan.externalClients].sort(),
    [...plan.playbooks].sort(),
  ];
  return JSON.stringify(parts);
}
