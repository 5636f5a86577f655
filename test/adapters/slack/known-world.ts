import type { Knowledge } from '../../../src/adapters/slack/knowledge.ts';
import { interpret } from '../../../src/engine/interpret.ts';
import type { Inventory } from '../../../src/engine/inventory.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';
import type { PastRun } from '../../../src/model/past-run.ts';

const nodes = ['node-12', 'node-30', 'node-50', 'node-51'].map((name, at) =>
  InventoryNode.parse({ name, address: `192.0.2.${at + 1}` }),
);
const inventory: Inventory = {
  names: () => nodes.map(({ name }) => name),
  externalAllowed: false,
  find: async (name) => nodes.find((node) => node.name === name) ?? null,
  ownerOf: async (address) => nodes.find((node) => node.address === address) ?? null,
};

/** A run that ended. */
export function pastRun(changes: Partial<PastRun> = {}): PastRun {
  return {
    id: 'run1',
    text: 'node-50 port 1301 from node-12',
    askedBy: 'U0ANNA',
    channel: 'C0INCIDENT',
    rootTs: '1700000000.000001',
    endedAtMs: 1_700_000_000_000,
    tookMs: 5000,
    verdict: 'found',
    headline: 'node-50 drops SYNs by TCP timestamp <!channel>',
    nodes: ['node-50', 'node-12'],
    troubles: [],
    ...changes,
  };
}

/** What the front knows in tests: four nodes and the engine's own understanding of words. */
export function knownWorld(changes: Partial<Knowledge> & { readonly probeFrom?: readonly string[] } = {}): Knowledge {
  const { probeFrom = ['node-12', 'node-30'], ...more } = changes;
  return {
    interpret: (_who, own, quoted, settled) =>
      interpret(own, quoted, { inventory, words: { symptoms: ['refused', 'timed out', '超时'] }, probeFrom }, settled),
    mayLook: async () => undefined,
    nodes: async () => nodes.map(({ name, address }) => ({ name, about: address })),
    playbooks: (language) => [
      { id: 'port-check', title: language === 'zh' ? '端口为什么连不上' : 'Why can this port not be reached' },
    ],
    status: async () => ({
      redis: '7.0.15',
      waiting: 1,
      running: 2,
      workers: [{ host: 'bot-1', pid: 42, sinceMs: Date.now() - 60_000, runs: 2 }],
    }),
    recentRuns: async () => [],
    ...more,
  };
}
