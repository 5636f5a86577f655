import { describe, expect, it } from 'vitest';
import { followPath, withNodes } from '../../src/engine/follow-path.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Plan } from '../../src/model/plan.ts';
import { Symptom } from '../../src/model/symptom.ts';

const nodes = new Map(
  ['10.0.0.2 node-2', '10.0.0.3 node-3', '10.0.0.4 node-4', '10.0.0.5 node-5'].map((line) => {
    const [address = '', name] = line.split(' ');
    return [address, InventoryNode.parse({ name, address })] as const;
  }),
);
const ownerOf = (address: string): Promise<InventoryNode | null> => Promise.resolve(nodes.get(address) ?? null);
const ownerIn = (address: string): InventoryNode => InventoryNode.parse(nodes.get(address));
const plan = Plan.parse({
  symptom: Symptom.parse({ text: 'x', target: { kind: 'address', address: '10.96.0.44' }, port: 80 }),
  playbooks: ['service-check'],
  targetAddress: '10.96.0.44',
  externalClients: [],
  nodes: [{ node: nodes.get('10.0.0.2'), roles: ['target'], address: '10.0.0.2', why: 'asked' }],
  steps: [{ node: 'node-2', collector: 'look', params: {} }],
  rules: [],
  onward: [
    { collector: 'look', params: {} },
    { collector: 'capture', params: { filter: 'flow' } },
  ],
  budget: {},
});
const beyond = (pod: string, ...addresses: string[]) => ({ server: { address: pod, port: 8080 }, addresses });
const namesOf = async (...all: ReturnType<typeof beyond>[]) =>
  (await followPath(plan, new Map([['node-2', { beyond: all }]]), ownerOf)).map(({ node }) => node.name);

describe('where the traffic goes on to', () => {
  it('joins as a forwarder, once, and says why', async () => {
    const found = await followPath(
      plan,
      new Map([
        ['node-2', { beyond: [beyond('10.244.3.2', '10.244.3.2', '10.0.0.3'), beyond('10.244.3.3', '10.0.0.3')] }],
      ]),
      ownerOf,
    );
    expect(found).toEqual([
      {
        node: nodes.get('10.0.0.3'),
        roles: ['forwarder'],
        address: '10.0.0.3',
        why: 'the way to 10.244.3.2:8080, which stands behind the target, leads there',
        server: { address: '10.244.3.2', port: 8080 },
        joined: true,
      },
    ]);
  });

  it('the address of the server itself before the other end of the tunnel, before the next hop', async () => {
    expect(await namesOf(beyond('10.0.0.4', '10.0.0.4', '10.0.0.3', '10.0.0.5'))).toEqual(['node-4']);
    expect(await namesOf(beyond('10.244.3.2', '10.244.3.2', '10.0.0.3', '10.0.0.5'))).toEqual(['node-3']);
  });

  it('nobody who is there already, nobody whom the inventory does not know, and two at most', async () => {
    expect(await namesOf(beyond('10.244.2.9', '10.244.2.9', '10.0.0.2'))).toEqual([]);
    expect(await namesOf(beyond('10.244.9.9', '10.244.9.9', '10.0.0.99'))).toEqual([]);
    expect(await namesOf(beyond('a', '10.0.0.5'), beyond('b', '10.0.0.4'), beyond('c', '10.0.0.3'))).toEqual([
      'node-5',
      'node-4',
    ]);
  });

  it('a node that was named with "via" is told which server it is there for; a target and a client are not', async () => {
    const named = { node: ownerIn('10.0.0.3'), roles: ['forwarder' as const], address: '10.0.0.3', why: 'via' };
    const learned = new Map([['node-2', { beyond: [beyond('10.244.3.2', '10.0.0.3')] }]]);
    const asked = (roles: Plan['nodes'][number]['roles']) => ({ ...plan, nodes: [...plan.nodes, { ...named, roles }] });
    const found = await followPath(asked(['forwarder']), learned, ownerOf);
    expect(found).toEqual([{ ...named, server: { address: '10.244.3.2', port: 8080 } }]);
    expect(withNodes(asked(['forwarder']), found).nodes).toEqual([...plan.nodes, ...found]);
    expect(await followPath(asked(['client']), learned, ownerOf)).toEqual([]);
  });

  it('a place on a node is that node', async () => {
    const asked = plan.nodes.map((one) => ({ ...one, node: { ...one.node, name: 'node-3@app' } }));
    expect(
      await followPath(
        { ...plan, nodes: asked },
        new Map([['node-2', { beyond: [beyond('x', '10.0.0.3')] }]]),
        ownerOf,
      ),
    ).toEqual([]);
  });

  it('is asked what a forwarder of these playbooks is asked', async () => {
    const found = await followPath(
      plan,
      new Map([['node-2', { beyond: [beyond('10.244.3.2', '10.0.0.3')] }]]),
      ownerOf,
    );
    const after = withNodes(plan, found);
    expect(after.nodes.map(({ node }) => node.name)).toEqual(['node-2', 'node-3']);
    expect(after.steps.filter(({ node }) => node === 'node-3').map(({ collector }) => collector)).toEqual([
      'look',
      'capture',
    ]);
    expect(after.steps.slice(0, 1)).toEqual(plan.steps);
  });
});
