import { describe, expect, it } from 'vitest';
import { withClusterLabels } from '../../src/engine/cluster-labels.ts';
import { planAudit } from '../../src/engine/plan-audit.ts';
import type { ClusterReader } from '../../src/engine/ports.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { auditRegistries } from '../fakes/recorded-fleet.ts';

const node = (name: string, address: string, labels = {}): InventoryNode =>
  InventoryNode.parse({ name, address, labels });
const nodes = [
  node('node-1', '10.0.0.1', { role: 'own' }),
  node('other-name', '10.0.0.2'),
  node('not-in-kubernetes', '10.0.0.9'),
];
const zone = 'topology.kubernetes.io/zone';
const cluster: Pick<ClusterReader, 'nodes' | 'where'> = {
  where: 'https://10.0.0.1:6443',
  nodes: async () => ({
    how: 'read',
    value: [
      { name: 'node-1', addresses: ['192.0.2.1'], labels: { [zone]: 'a', role: 'theirs' } },
      { name: 'node-2', addresses: ['10.0.0.2'], labels: { [zone]: 'b' } },
    ],
  }),
};
const down: typeof cluster = {
  where: 'https://10.0.0.1:6443',
  nodes: async () => ({ how: 'failed', why: 'timedOut', message: 'no answer within 5 s' }),
};
const selected = async (selector: string, from: typeof cluster): Promise<readonly string[]> => {
  const head = { id: 'a', selector, startedAtMs: 0, language: 'en', netcheck: '0', compareBy: [] as string[] } as const;
  const inventory = {
    names: () => nodes.map(({ name }) => name),
    find: async (name: string) => nodes.find((one) => one.name === name) ?? null,
  };
  const { jobs } = await planAudit({ ...head, compareBy: [] }, inventory, auditRegistries, { cluster: from });
  return jobs.map((job) => job.node);
};

describe('labels of Kubernetes', () => {
  it('are those of the node of that name or address, and give way to our own', async () => {
    const { nodes: labelled, trouble } = await withClusterLabels(nodes, cluster);
    expect(trouble).toBeUndefined();
    expect(labelled.map(({ labels }) => labels)).toEqual([{ [zone]: 'a', role: 'own' }, { [zone]: 'b' }, {}]);
  });
  it('select the nodes of an audit', async () => {
    expect(await selected(`${zone}=b`, cluster)).toEqual(['other-name']);
    expect(await selected(`${zone} in (a,b)`, cluster)).toEqual(['node-1', 'other-name']);
    expect(await selected(`!${zone}`, cluster)).toEqual(['not-in-kubernetes']);
  });
  it('are missed where the API does not answer: said where a selector needs one, no matter where it does not', async () => {
    expect(await selected('node-1', down)).toEqual(['node-1']);
    await expect(selected(`${zone}=b`, down)).rejects.toMatchObject({
      code: 'audit/no-nodes',
      hint: expect.stringContaining('the API could not be asked (https://10.0.0.1:6443: no answer within 5 s)'),
    });
  });
});
