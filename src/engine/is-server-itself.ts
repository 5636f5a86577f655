import type { PlannedNode } from '../model/plan.ts';

/** The pod that serves behind a Service: what is looked at and judged on a target is there, not on its node. */
export function isServerItself({ netns, address, server }: PlannedNode): boolean {
  return netns !== undefined && server?.address === address;
}
