import { describe, expect, it } from 'vitest';
import { parseAsk } from '../../src/engine/ask.ts';
import type { Inventory } from '../../src/engine/inventory.ts';
import { inventoryNode } from '../../src/engine/kubernetes-node.ts';
import { makePlan } from '../../src/engine/plan.ts';
import type { ClusterReader } from '../../src/engine/ports.ts';
import type { KubernetesOptions, PodOnNode } from '../../src/engine/kubernetes-place.ts';
import type { ClusterEndpoint, ClusterPod, ClusterService } from '../../src/model/cluster.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, type Plan } from '../../src/model/plan.ts';
import { Playbook } from '../../src/model/playbook.ts';

const nodes = ['node-1', 'node-2', 'node-3'].map((name, index) =>
  InventoryNode.parse({ name, address: `10.0.0.${index + 1}` }),
);
const inventory: Inventory = {
  externalAllowed: false,
  names: () => nodes.map(({ name }) => name),
  find: async (name) => nodes.find((node) => node.name === name) ?? null,
  ownerOf: async (address) => nodes.find((node) => node.address === address) ?? null,
};
const uid = '0c6dbb0a-4f1e-4a0e-9a58-2d1c7f3b4e61';

const pod = (name: string, changes: Partial<ClusterPod> = {}): ClusterPod => ({
  namespace: 'shop',
  name,
  uid,
  node: 'node-2',
  addresses: ['10.244.2.7'],
  hostNetwork: false,
  phase: 'Running',
  ready: true,
  workload: null,
  ...changes,
});
const service: ClusterService = {
  namespace: 'shop',
  name: 'cart',
  type: 'NodePort',
  addresses: ['10.96.0.44'],
  externalAddresses: [],
  ports: [{ name: 'http', protocol: 'tcp', port: 80, nodePort: 30170 }],
  externalTrafficPolicy: 'Cluster',
  sessionAffinity: null,
};
const endpoint = (node: string, ready = true): ClusterEndpoint => ({
  address: '10.244.3.9',
  port: 8080,
  ready,
  terminating: false,
  node,
  pod: 'shop/cart-1',
});

interface World {
  readonly pods?: readonly ClusterPod[];
  readonly deployments?: Readonly<Record<string, readonly ClusterPod[]>>;
  readonly services?: readonly ClusterService[];
  readonly endpoints?: readonly ClusterEndpoint[];
  readonly down?: boolean;
  /** As the API said them ten minutes ago. */
  readonly last?: readonly ClusterService[];
}

function cluster({
  pods = [],
  deployments = {},
  services = [],
  endpoints = [],
  down = false,
  last,
}: World): ClusterReader {
  const read = async <T>(value: T) =>
    down
      ? ({ how: 'failed', why: 'timedOut', message: 'it did not answer within 3000 ms' } as const)
      : ({ how: 'read', value } as const);
  const named = <T extends { name: string; namespace: string }>(
    all: readonly T[],
    name: string,
    namespace: string | null,
  ) => all.filter((one) => one.name === name && (namespace === null || one.namespace === namespace));
  return {
    where: 'https://api:6443',
    lastServices: (name, namespace) =>
      last && { services: named(last, name, namespace), readAtMs: Date.now() - 600_000 },
    pods: (name, namespace) => read(named(pods, name, namespace)),
    podsOf: (name) => read(deployments[name] ?? null),
    podAt: (address) => read(pods.find((one) => one.addresses.includes(address)) ?? null),
    services: (name, namespace) => read(named(services, name, namespace)),
    serviceAt: (address) => read(services.find((one) => one.addresses.includes(address)) ?? null),
    serviceOfNodePort: (port) =>
      read(services.find((one) => one.ports.some(({ nodePort }) => nodePort === port)) ?? null),
    endpoints: () => read(endpoints),
    ingresses: (host) =>
      read(
        host === 'shop.example.com' ? [{ namespace: 'shop', name: 'shop', addresses: ['10.0.0.3'], tls: true }] : [],
      ),
    nodes: () => read(nodes.map(({ name, address }) => ({ name, addresses: [address], labels: {} }))),
  };
}

const portCheck = Playbook.parse({
  id: 'port-check',
  title: { en: 'Port', zh: '端口' },
  collect: [],
  rules: [],
});

function plan(
  question: string,
  world: World | null,
  { onNodes = [], alive = true }: { onNodes?: readonly PodOnNode[]; alive?: boolean | string } = {},
): Promise<Plan> {
  const kubernetes: Pick<KubernetesOptions, 'cluster' | 'podsOnNodes'> = {
    cluster: world === null ? null : cluster(world),
    podsOnNodes: async (name, namespace) =>
      onNodes.filter((one) => one.name === name && (namespace === null || one.namespace === namespace)),
  };
  return makePlan(
    parseAsk(question),
    inventory,
    { collectors: new Map(), rules: new Map(), playbooks: new Map([['port-check', portCheck]]) },
    {
      probeFrom: ['node-1'],
      budget: Budget.parse({}),
      namespaceOn: async (node, netns) => {
        if (alive !== true && alive !== node.name)
          throw new NetcheckError('ask/no-namespace', `there is no ${netns} on ${node.name}`, '');
        return { address: '10.244.2.7', isOwn: false };
      },
      kubernetes,
    },
  );
}
const places = (made: Plan) =>
  made.nodes.map(({ node, netns, roles, address }) => [node.name, netns ?? '', roles.join('+'), address]);
const refusal = async (made: Promise<Plan>): Promise<NetcheckError> => {
  const error: unknown = await made.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof NetcheckError)) throw new Error(`no refusal: ${String(error)}`);
  return error;
};

describe('an address on a node', () => {
  it("is that node's, also where a pod has the same one", async () => {
    const made = await plan('10.244.2.7 on node-3 port 80 from node-1', { pods: [pod('cart-1')] });
    expect(places(made)[0]).toEqual(['node-3', '', 'target', '10.244.2.7']);
    expect(made.lookedUp).toBeUndefined();
  });
  it('nodes of the cluster that nobody knows cost no look at every node', async () => {
    const asked: string[] = [];
    const known = {
      ...inventory,
      knownOwner: () => undefined,
      ownerOf: async (one: string) => (asked.push(one), null),
    };
    const options = { inventory: known, cluster: cluster({}), podsOnNodes: async () => [], namespaceOn: never };
    expect(await inventoryNode('stranger', { ...options, cluster: withStrangers }, 'nobody')).toBeNull();
    expect(asked).toEqual([]);
    expect(await inventoryNode('stranger', { ...options, cluster: withStrangers }, 'nodes')).toBeNull();
    expect(asked).toEqual(['192.0.2.77']);
  });
});

const withStrangers: ClusterReader = {
  ...cluster({}),
  nodes: async () => ({ how: 'read', value: [{ name: 'stranger', addresses: ['192.0.2.77'], labels: {} }] }),
};
const never = async (): Promise<never> => {
  throw new Error('nobody asks for a namespace here');
};

describe('a pod', () => {
  it('is its network namespace on its node, called by its name, and its node stands in between', async () => {
    const made = await plan('pod shop/cart-1 port 8080 from node-1', { pods: [pod('cart-1')] });
    expect(places(made)).toEqual([
      ['node-2@shop.cart-1', `pod${uid}`, 'target', '10.244.2.7'],
      ['node-2', '', 'forwarder', '10.0.0.2'],
      ['node-1', '', 'client', '10.0.0.1'],
    ]);
    expect(made.targetAddress).toBe('10.244.2.7');
    expect(made.lookedUp).toEqual([{ asked: 'pod shop/cart-1', found: '10.244.2.7 on node-2', by: 'api' }]);
    expect(made.steps.filter(({ collector }) => collector === 'netns')).toEqual([
      { node: 'node-2@shop.cart-1', collector: 'netns', params: { name: `pod${uid}` } },
    ]);
  });

  it('is remembered with what made it, so that commands of remedies can name it', async () => {
    const workload = { kind: 'statefulset', namespace: 'shop', name: 'cart' } as const;
    const made = await plan('pod shop/cart-1 port 8080', { pods: [pod('cart-1', { workload })] });
    expect(made.lookedUp?.[0]).toMatchObject({ place: 'node-2@shop.cart-1', workload });
  });

  it('may be where it fails from', async () => {
    const made = await plan('node-3 port 1301 from pod shop/cart-1', { pods: [pod('cart-1')] });
    expect(places(made)).toContainEqual(['node-2@shop.cart-1', `pod${uid}`, 'client', '10.244.2.7']);
  });

  it('is its node where it uses the network of the node', async () => {
    const made = await plan('pod shop/agent port 9100', {
      pods: [pod('agent', { hostNetwork: true, addresses: ['10.0.0.2'] })],
    });
    expect(places(made)[0]).toEqual(['node-2', '', 'target', '10.0.0.2']);
  });

  it('is found by its address', async () => {
    const made = await plan('10.244.2.7 port 8080', { pods: [pod('cart-1')] });
    expect(made.nodes[0]?.node.name).toBe('node-2@shop.cart-1');
  });

  it('is found on the node that it runs on where the API says another one, and what it is instead of is told', async () => {
    const [, , third] = nodes;
    const there = { node: third as InventoryNode, namespace: 'shop', name: 'cart-1', uid };
    const left = { ...there, node: nodes[0] as InventoryNode };
    const made = await plan(
      'pod shop/cart-1 port 8080',
      { pods: [pod('cart-1')] },
      { onNodes: [left, there], alive: 'node-3' },
    );
    expect(made.nodes[0]?.node.name).toBe('node-3@shop.cart-1');
    expect(made.lookedUp).toEqual([
      { asked: 'pod shop/cart-1', found: '10.244.2.7 on node-3', by: 'nodes', insteadOf: 'node-2' },
    ]);
  });

  it('is found on the nodes themselves where the API does not answer, and the report says so', async () => {
    const there = { node: nodes[1] as InventoryNode, namespace: 'shop', name: 'cart-1', uid };
    const made = await plan('pod shop/cart-1 port 8080', { down: true }, { onNodes: [there] });
    expect(made.nodes[0]?.node.name).toBe('node-2@shop.cart-1');
    expect(made.lookedUp).toEqual([
      {
        asked: 'pod shop/cart-1',
        found: '10.244.2.7 on node-2',
        by: 'nodes',
        trouble: 'https://api:6443: it did not answer within 3000 ms',
      },
    ]);
    const without = await plan('pod shop/cart-1 port 8080', null, { onNodes: [there] });
    expect(without.lookedUp?.[0]?.trouble).toBe('netcheck was given no access to its API');
  });

  it('that nobody knows is a refusal that says what was tried', async () => {
    expect(await refusal(plan('pod shop/cart-9 port 80', { down: true }))).toMatchObject({
      code: 'ask/no-kubernetes',
      message: expect.stringContaining('none of the nodes that could be asked has it'),
    });
    expect(await refusal(plan('pod shop/cart-9 port 80', {}))).toMatchObject({ code: 'ask/unknown-object' });
  });

  it('whose node has no process of it is a refusal: the answer of the API may be old', async () => {
    const error = await refusal(plan('pod shop/cart-1 port 80', { pods: [pod('cart-1')] }, { alive: false }));
    expect(error.message).toContain('Kubernetes says that pod shop/cart-1 runs on node-2');
    expect(error.hint).toContain('may be old');
  });

  it('on a node that is not in the inventory says which one is missing', async () => {
    expect(await refusal(plan('pod shop/cart-1 port 80', { pods: [pod('cart-1', { node: 'node-9' })] }))).toMatchObject(
      {
        code: 'ask/unknown-node',
        message: 'Pod shop/cart-1 runs on node-9, which is not in the inventory.',
      },
    );
  });

  it('that is the name of a Deployment says how to ask', async () => {
    const error = await refusal(plan('pod shop/cart port 80', { deployments: { cart: [pod('cart-7d9f-x2')] } }));
    expect(error.hint).toBe('It is a Deployment: ask "deploy shop/cart", or one of its pods: cart-7d9f-x2.');
  });

  it('with a name that two namespaces have asks which', async () => {
    const error = await refusal(
      plan('pod cart-1 port 80', { pods: [pod('cart-1'), pod('cart-1', { namespace: 'test' })] }),
    );
    expect(error.hint).toBe('Say which: pod shop/cart-1, pod test/cart-1.');
  });

  it('that is not scheduled says so', async () => {
    const error = await refusal(plan('pod shop/new port 80', { pods: [pod('new', { node: null, phase: 'Pending' })] }));
    expect(error.message).toBe('Pod shop/new is not on any node (Pending).');
  });
});

describe('a Deployment', () => {
  it('is its pod that is not ready, else its first', async () => {
    const ready = pod('cart-a');
    const ill = pod('cart-b', { ready: false, node: 'node-3' });
    const made = await plan('deploy shop/cart port 80', {
      deployments: { cart: [ready, ill, pod('cart-0', { phase: 'Failed' })] },
    });
    expect(made.nodes[0]?.node.name).toBe('node-3@shop.cart-b');
    expect(made.lookedUp?.[0]?.asked).toBe('deploy shop/cart (pod shop/cart-b, one of its 2 pods, not ready)');
    expect((await plan('deploy shop/cart port 80', { deployments: { cart: [ready] } })).nodes[0]?.node.name).toBe(
      'node-2@shop.cart-a',
    );
  });
});

describe('a Service', () => {
  const world: World = {
    services: [service],
    endpoints: [endpoint('node-3', false), endpoint('node-2'), endpoint('node-2')],
  };

  it('is its virtual address, and the nodes of its pods are looked at: those that are ready first', async () => {
    const made = await plan('svc shop/cart port 80 from node-1', { ...world, pods: [pod('cart-1')] }, { alive: false });
    expect(made.targetAddress).toBe('10.96.0.44');
    expect(places(made)).toEqual([
      ['node-1', '', 'client', '10.0.0.1'],
      ['node-2', '', 'forwarder', '10.0.0.2'],
      ['node-3', '', 'forwarder', '10.0.0.3'],
    ]);
    expect(made.lookedUp?.[0]?.found).toBe('10.96.0.44, 2 of 3 endpoints ready');
    expect(made.nodes[1]?.why).toBe('pod shop/cart-1 behind svc shop/cart is there');
  });

  it('is what the API said last, where it does not answer now: the nodes know what is behind the address', async () => {
    const down = { down: true, last: [service] };
    const made = await plan('svc shop/cart port 80 from node-1', down);
    expect(made.targetAddress).toBe('10.96.0.44');
    expect(made.lookedUp?.[0]).toMatchObject({
      asked: 'svc shop/cart',
      found: '10.96.0.44, as Kubernetes said 10 min ago; it could not be asked now: it did not answer within 3000 ms',
    });
    // another port than it had, several of that name, one without an address, nobody asked before: refused as ever
    const other = { ...service, namespace: 'web' };
    const refused = [
      ['svc shop/cart port 81', down],
      ['svc cart port 80', { down: true, last: [service, other] }],
      ['svc shop/cart port 80', { down: true, last: [{ ...service, addresses: [] }] }],
      ['svc shop/cart port 80', { down: true, last: [] }],
    ] as const;
    for (const [question, world] of refused)
      expect(await refusal(plan(question, world))).toMatchObject({
        code: 'ask/no-kubernetes',
        hint: expect.stringContaining('ipvsadm -Ln'),
      });
  });

  it('an endpoint whose pod is gone is not counted among those that are ready', async () => {
    const old = { ...endpoint('node-2'), address: '10.244.3.99', pod: 'shop/cart-old' };
    const stale = { services: [service], endpoints: [old, endpoint('node-2')], pods: [pod('cart-1')] };
    const made = await plan('svc shop/cart port 80 from node-1', stale);
    expect(made.lookedUp?.[0]?.found).toBe(
      '10.96.0.44, 1 of 2 endpoints ready; 1 of them only listed: there is no pod shop/cart-old any more',
    );
  });

  it('is judged in the namespace of its pod where that is found, by the port that the pod has', async () => {
    const pods = [pod('cart-1')];
    const made = await plan('svc shop/cart port 80 from node-1', { ...world, pods });
    const server = { address: '10.244.3.9', port: 8080 };
    expect(made.nodes.map(({ node, roles, server: of }) => [node.name, roles.join(), of])).toEqual([
      ['node-1', 'client', undefined],
      ['node-2', 'forwarder', undefined],
      ['node-2@shop.cart-1', 'target', server],
      ['node-3', 'forwarder', undefined],
    ]);
    const old = { ...endpoint('node-2'), address: '10.244.3.99', pod: 'shop/cart-old' };
    const stale = await plan('svc shop/cart port 80 from node-1', {
      ...world,
      endpoints: [old, ...(world.endpoints ?? [])],
      pods,
    });
    expect(stale.nodes.find(({ netns }) => netns !== undefined)?.server).toEqual(server);
    const gone = await plan('svc shop/cart port 80 from node-1', { ...world, pods }, { alive: false });
    expect(gone.nodes.map(({ node }) => node.name)).toEqual(['node-1', 'node-2', 'node-3']);
  });

  it('is found by its address', async () => {
    const made = await plan('10.96.0.44 port 80 from node-1', world);
    expect(made.lookedUp?.[0]?.asked).toBe('svc shop/cart');
    expect(made.nodes.map(({ node }) => node.name)).toEqual(['node-1', 'node-2', 'node-3']);
  });

  it('without that port says which it has', async () => {
    expect(await refusal(plan('svc shop/cart port 81', world))).toMatchObject({
      message: 'svc shop/cart has no tcp port 81.',
      hint: 'It has 80.',
    });
  });

  it('without an address of its own is its first ready pod', async () => {
    const made = await plan('svc shop/cart port 80', {
      services: [{ ...service, addresses: [] }],
      endpoints: [endpoint('node-2')],
      pods: [pod('cart-1')],
    });
    expect(made.nodes[0]?.node.name).toBe('node-2@shop.cart-1');
  });

  it('cannot be known without the API, and says how to ask instead', async () => {
    expect(await refusal(plan('svc shop/cart port 80', null))).toMatchObject({
      code: 'ask/no-kubernetes',
      hint: expect.stringContaining('Ask with its address and port instead'),
    });
    expect((await refusal(plan('svc shop/cart port 80', { down: true }))).message).toContain(
      'https://api:6443: it did not answer within 3000 ms',
    );
  });
});

describe('a NodePort and an Ingress', () => {
  it('a NodePort is asked at a node, and the nodes of its pods are looked at', async () => {
    const made = await plan('nodeport 30170 from node-3', { services: [service], endpoints: [endpoint('node-2')] });
    expect(places(made)).toEqual([
      ['node-1', '', 'target', '10.0.0.1'],
      ['node-3', '', 'client', '10.0.0.3'],
      ['node-2', '', 'forwarder', '10.0.0.2'],
    ]);
  });

  it('a NodePort is not asked at the node that it fails from', async () => {
    const made = await plan('nodeport 30170 from node-1', { services: [service], endpoints: [endpoint('node-1')] });
    expect(places(made)[0]).toEqual(['node-2', '', 'target', '10.0.0.2']);
  });

  it('with externalTrafficPolicy Local it is asked where a pod is', async () => {
    const made = await plan('nodeport 30170 from node-3', {
      services: [{ ...service, externalTrafficPolicy: 'Local' }],
      endpoints: [endpoint('node-2')],
    });
    expect(places(made)[0]).toEqual(['node-2', '', 'target', '10.0.0.2']);
  });

  it('an Ingress host is where its address is', async () => {
    const made = await plan('ingress shop.example.com port 443', {});
    expect(places(made)[0]).toEqual(['node-3', '', 'target', '10.0.0.3']);
    expect((await refusal(plan('ingress none.example.com port 443', {}))).code).toBe('ask/unknown-object');
  });
});
