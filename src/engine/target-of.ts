import type { PlannedNode } from '../model/plan.ts';

/** The place that was asked about. A pod that serves behind a Service is judged as a target too, and nobody named it. */
export function targetOf(nodes: readonly PlannedNode[]): PlannedNode | undefined {
  return nodes.find(({ roles, server }) => roles.includes('target') && server === undefined);
}
