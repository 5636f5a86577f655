import { describe, expect, it } from 'vitest';
import { planKey } from '../../src/engine/plan-key.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { Plan } from '../../src/model/plan.ts';
import { Symptom } from '../../src/model/symptom.ts';

type Keyed = Parameters<typeof planKey>[0];
const place = (name: string, roles: Plan['nodes'][number]['roles']): Plan['nodes'][number] => ({
  node: InventoryNode.parse({ name, address: '192.0.2.1' }),
  roles,
  address: '192.0.2.1',
  why: name,
});
const symptom = (changes: object = {}) =>
  Symptom.parse({ text: 'node-50 port 1301', target: { kind: 'node', node: 'node-50' }, port: 1301, ...changes });
const plan = (changes: Partial<Keyed> = {}): Keyed => ({
  symptom: symptom(),
  targetAddress: '192.0.2.50',
  nodes: [place('node-50', ['target']), place('node-12', ['client'])],
  externalClients: [],
  playbooks: ['port-check'],
  ...changes,
});

describe('the key of a plan', () => {
  it('is the same whatever the words and the order', () => {
    const key = planKey(plan());
    expect(
      planKey(plan({ symptom: symptom({ text: 'PORT 1301 on node-50 times out', words: ['times', 'out'] }) })),
    ).toBe(key);
    expect(planKey(plan({ nodes: [place('node-12', ['client']), place('node-50', ['target'])] }))).toBe(key);
  });

  it.each<[string, Partial<Keyed>]>([
    ['port', { symptom: symptom({ port: 1302 }) }],
    ['protocol', { symptom: symptom({ protocol: 'udp' }) }],
    ['size', { symptom: symptom({ sizeBytes: 1400 }) }],
    ['time', { symptom: symptom({ watchMs: 20_000 }) }],
    ['address', { targetAddress: '192.0.2.51' }],
    ['client', { nodes: [place('node-50', ['target']), place('node-13', ['client'])] }],
    ['role', { nodes: [place('node-50', ['target']), place('node-12', ['forwarder'])] }],
    ['outside client', { externalClients: ['198.51.100.7'] }],
    ['playbook', { playbooks: ['port-check', 'dns'] }],
  ])('is another for another %s', (_what, changes) => {
    expect(planKey(plan(changes))).not.toBe(planKey(plan()));
  });
});
