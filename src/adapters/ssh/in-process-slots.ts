import type { NodeSlots } from '../../engine/ports.ts';
import { createGate, type Gate } from './gate.ts';

/**
 * At most `perNode` runs on a node at once, first come, first served, within this process: enough for the command
 * line. Several workers share theirs in Redis.
 *
 * `acquire` rejects with the signal's reason when it is aborted while waiting.
 */
export function createInProcessSlots(options: { readonly perNode: number }): NodeSlots {
  const gates = new Map<string, Gate>();
  return {
    async acquire(node, { signal }) {
      const gate = gates.get(node) ?? createGate(options.perNode);
      gates.set(node, gate);
      try {
        const leave = await gate.enter(signal);
        return {
          release: async () => {
            leave();
            if (gate.size === 0 && gates.get(node) === gate) gates.delete(node);
          },
        };
      } catch (error) {
        if (gate.size === 0) gates.delete(node);
        throw error;
      }
    },
  };
}
