import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemorySink } from '../../src/adapters/files/memory-sink.ts';
import { type OpenCluster, openCluster } from '../../src/adapters/kubernetes/open-cluster.ts';
import { collectors } from '../../src/collectors/index.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import type { Inventory } from '../../src/engine/inventory.ts';
import { joinCluster } from '../../src/engine/join-cluster.ts';
import { makePlan } from '../../src/engine/plan.ts';
import { createClusterReading } from '../../src/engine/read-cluster.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, type Plan } from '../../src/model/plan.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { type ApiObject, fakeCa, type FakeApiServer, startFakeApiServer } from '../fakes/kubernetes/fake-api-server.ts';
import { expectShapes, playbooks } from './expect-shapes.ts';
import { hostileWords } from './hostile.ts';

// Whoever may create a pod may write what they like into it: names, labels, messages of events, ConfigMaps. None of it
// reaches a node as anything but a word of a collector, and none of it stops a run.

const metadata = (name: string, more: object = {}) => ({ name, namespace: 'shop', ...more });
const good: readonly ApiObject[] = [
  {
    kind: 'Pod',
    metadata: metadata('cart-1', {
      uid: '0c6dbb0a-4f1e-4a0e-9a58-2d1c7f3b4e61',
      labels: { app: 'cart', 'pod-template-hash': '7d9f' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'cart-7d9f', controller: true }],
    }),
    spec: { nodeName: 'node-2', containers: [{ name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: {
      phase: 'Running',
      podIP: '10.244.2.7',
      conditions: [{ type: 'Ready', status: 'True', reason: 'x', message: 'y' }],
      containerStatuses: [{ name: 'app', ready: true, restartCount: 1, state: { waiting: { reason: 'z' } } }],
    },
  },
  {
    kind: 'Deployment',
    metadata: metadata('cart'),
    spec: { selector: { matchLabels: { app: 'cart' } }, template: { metadata: { labels: { app: 'cart' } } } },
  },
  {
    kind: 'Service',
    metadata: metadata('cart'),
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.44',
      externalIPs: ['192.0.2.4'],
      selector: { app: 'cart' },
      externalTrafficPolicy: 'Local',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30170 }],
    },
  },
  {
    kind: 'EndpointSlice',
    metadata: metadata('cart-x', { labels: { 'kubernetes.io/service-name': 'cart' } }),
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      { addresses: ['10.244.2.7'], nodeName: 'node-2', targetRef: { kind: 'Pod', namespace: 'shop', name: 'cart-1' } },
    ],
  },
  {
    kind: 'Ingress',
    metadata: metadata('shop'),
    spec: { rules: [{ host: 'shop.example.com' }] },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.10' }] } },
  },
  {
    kind: 'NetworkPolicy',
    metadata: metadata('deny'),
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] },
  },
  { kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } },
  {
    kind: 'Event',
    metadata: metadata('e1'),
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'cart-1' },
    type: 'Warning',
    reason: 'Unhealthy',
    message: 'Readiness probe failed',
    lastTimestamp: '2026-11-01T00:00:00Z',
  },
  {
    kind: 'Node',
    metadata: { name: 'node-2' },
    spec: { podCIDR: '10.244.2.0/24' },
    status: {
      addresses: [{ type: 'InternalIP', address: '10.0.0.2' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  },
  {
    kind: 'ConfigMap',
    metadata: { name: 'kube-proxy', namespace: 'kube-system' },
    data: { 'config.conf': 'mode: ipvs\nipvs: {tcpTimeout: 15m0s}\n' },
  },
  {
    kind: 'ConfigMap',
    metadata: { name: 'coredns', namespace: 'kube-system' },
    data: { Corefile: '.:53 {\n forward . /etc/resolv.conf\n}\n' },
  },
];

/** Every text of the objects, as a way to it. */
function waysToTexts(value: unknown, way: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value === 'string' || typeof value === 'number') return [[...way]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    waysToTexts(item, [...way, Array.isArray(value) ? Number(key) : key]),
  );
}
const ways = waysToTexts(good).filter((way) => way.at(-1) !== 'kind');

const questions = [
  'pod shop/cart-1 port 8080 from node-1',
  'node-1 port 80 from pod shop/cart-1',
  'svc shop/cart port 80 from node-1',
  'deploy shop/cart port 8080 from node-1',
  'nodeport 30170 from node-1',
  'ingress shop.example.com port 443 from node-1',
  '10.96.0.44 port 80 from node-1',
];
const nodes = ['node-1', 'node-2'].map((name, index) => InventoryNode.parse({ name, address: `10.0.0.${index + 1}` }));
const inventory: Inventory = {
  externalAllowed: true,
  names: () => nodes.map(({ name }) => name),
  find: async (name) => nodes.find((node) => node.name === name) ?? null,
  ownerOf: async (address) => nodes.find((node) => node.address === address) ?? null,
};

describe('objects of a cluster that mean harm', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-kubernetes-'));
  /** What the API serves; changed in place between questions. */
  const served: ApiObject[] = [];
  let api: FakeApiServer;
  let file = '';
  beforeAll(async () => {
    api = await startFakeApiServer(served);
    file = path.join(folder, 'kubeconfig');
    writeFileSync(
      file,
      JSON.stringify({
        clusters: [
          {
            name: 'c',
            cluster: { server: api.server, 'certificate-authority-data': Buffer.from(fakeCa).toString('base64') },
          },
        ],
        users: [{ name: 'u', user: { token: 'let-me-in' } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
  });
  afterAll(async () => {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function planOf(text: string, cluster: OpenCluster): Promise<Plan | undefined> {
    try {
      return await makePlan(
        parseAsk(text),
        inventory,
        { playbooks, collectors, rules },
        {
          probeFrom: ['node-1'],
          budget: Budget.parse({}),
          namespaceOn: async () => ({ address: '10.244.2.7', isOwn: false }),
          kubernetes: { cluster, podsOnNodes: async () => [] },
        },
      );
    } catch (error) {
      if (error instanceof NetcheckError) return undefined;
      throw error;
    }
  }

  it('reach nodes as words of the collectors or not at all, and are evidence like any other', async () => {
    let planned = 0;
    let read = 0;
    const change = fc.record({ way: fc.constantFrom(...ways), put: fc.constantFrom(...hostileWords) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 0, maxLength: 12 }),
        fc.constantFrom(...questions),
        async (changes, text) => {
          const objects = structuredClone(good) as unknown[];
          for (const { way, put } of changes) {
            let at = objects as unknown as Record<string | number, unknown>;
            for (const step of way.slice(0, -1)) at = at[step] as typeof at;
            at[way.at(-1) ?? 0] = put;
          }
          served.splice(0, served.length, ...(objects as ApiObject[]));
          const cluster = await openCluster({ file, context: undefined });
          try {
            const plan = await planOf(text, cluster);
            if (plan === undefined) return;
            planned += expectShapes(plan) > 0 ? 1 : 0;
            const ports = { sink: createMemorySink(), redact: (bytes: Uint8Array) => bytes };
            const reading = createClusterReading(cluster, ports, new AbortController().signal);
            reading.begin(plan);
            await reading.finish(plan);
            const facts = joinCluster(reading.evidence, parsers);
            if (reading.evidence.length > 0) read += facts?.nodes === undefined ? 0 : 1;
          } finally {
            cluster.close();
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(planned).toBeGreaterThan(30);
    expect(read).toBeGreaterThan(30);
  }, 60_000);
});
