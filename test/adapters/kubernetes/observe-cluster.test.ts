import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemorySink } from '../../../src/adapters/files/memory-sink.ts';
import { redactSecrets } from '../../../src/adapters/files/redact.ts';
import { openCluster } from '../../../src/adapters/kubernetes/open-cluster.ts';
import { joinCluster } from '../../../src/engine/join-cluster.ts';
import { createClusterReading } from '../../../src/engine/read-cluster.ts';
import type { Plan } from '../../../src/model/plan.ts';
import { parsers } from '../../../src/parsers/index.ts';
import {
  type ApiObject,
  fakeCa,
  type FakeApiServer,
  startFakeApiServer,
} from '../../fakes/kubernetes/fake-api-server.ts';

const canary = 'hunter2-canary';
const now = new Date().toISOString();
const named = (name: string, more: object = {}): ApiObject['metadata'] => ({
  name,
  namespace: 'shop',
  annotations: { 'kubectl.kubernetes.io/last-applied-configuration': `{"password":"${canary}"}` },
  managedFields: [{ manager: canary }],
  ...more,
});
const configMap = (name: string, data: Record<string, string>): ApiObject => ({
  kind: 'ConfigMap',
  metadata: { ...named(name), namespace: 'kube-system' },
  data,
});
const pod = (name: string, address: string, ready: boolean, more: object = {}): ApiObject => ({
  kind: 'Pod',
  metadata: named(name, { labels: { app: 'cart' } }),
  spec: {
    nodeName: 'node-2',
    containers: [
      {
        name: 'app',
        ports: [{ name: 'http', containerPort: 8080 }],
        env: [{ name: 'DB_PASSWORD', value: canary }],
        args: ['--token', canary],
      },
    ],
    volumes: [{ secret: { secretName: canary } }],
  },
  status: {
    phase: 'Running',
    podIP: address,
    conditions: [
      {
        type: 'Ready',
        status: ready ? 'True' : 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [app]',
      },
    ],
    containerStatuses: [
      {
        name: 'app',
        ready,
        restartCount: 3,
        state: { running: { startedAt: now } },
        lastState: { terminated: { reason: 'OOMKilled', exitCode: 137, finishedAt: now } },
      },
    ],
    ...more,
  },
});
const objects: readonly ApiObject[] = [
  {
    kind: 'Service',
    metadata: named('cart'),
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.44',
      selector: { app: 'cart' },
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'http', nodePort: 30170 }],
    },
  },
  { kind: 'Service', metadata: named('other'), spec: { clusterIP: '10.96.0.45', ports: [{ port: 80 }] } },
  {
    kind: 'EndpointSlice',
    metadata: named('cart-x', { labels: { 'kubernetes.io/service-name': 'cart' } }),
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      {
        addresses: ['10.244.2.7'],
        nodeName: 'node-2',
        conditions: { ready: true, serving: true, terminating: false },
        targetRef: { kind: 'Pod', namespace: 'shop', name: 'cart-1' },
      },
    ],
  },
  pod('cart-1', '10.244.2.7', true),
  pod('cart-2', '10.244.2.8', false),
  { ...pod('web-0', '10.244.1.3', true), metadata: { ...named('web-0'), namespace: 'web' } },
  {
    kind: 'NetworkPolicy',
    metadata: named('deny'),
    spec: {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { role: 'web' } } }] }],
    },
  },
  { kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } } },
  { kind: 'Namespace', metadata: { name: 'web' } },
  {
    kind: 'Event',
    metadata: named('e1'),
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'cart-2' },
    type: 'Warning',
    reason: 'Unhealthy',
    message: `Readiness probe failed:\nGet "http://u:${canary}@10.244.2.8:8080/": refused`,
    count: 4,
    lastTimestamp: now,
  },
  {
    kind: 'Node',
    metadata: { name: 'node-2' },
    spec: { podCIDR: '10.244.2.0/24', taints: [{ key: 'k', value: canary, effect: 'NoSchedule' }] },
    status: {
      addresses: [{ type: 'InternalIP', address: '10.0.0.2' }],
      conditions: [
        { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting' },
      ],
    },
  },
  { kind: 'Node', metadata: { name: 'stranger' }, status: { addresses: [] } },
  configMap('kube-proxy', {
    'config.conf': `mode: ipvs\nipvs: {tcpTimeout: 15m0s}\nfoo: ${canary}\n`,
    'kubeconfig.conf': canary,
  }),
  configMap('calico-config', { veth_mtu: '1440', calico_backend: 'bird', etcd_key: canary }),
  configMap('cilium-config', { mtu: '1450', 'tunnel-protocol': 'vxlan', 'kvstore-opt': canary }),
  configMap('coredns', {
    Corefile: `.:53 {\n  errors\n  etcd example.org {\n    credentials root ${canary}\n  }\n  forward . 10.0.0.53 10.0.0.54 {\n    max_concurrent 1000\n  }\n}\n`,
  }),
  {
    kind: 'DaemonSet',
    metadata: { name: 'kube-proxy', namespace: 'kube-system' },
    status: { desiredNumberScheduled: 3, numberReady: 2 },
  },
];

/** As much of a plan as a look at the cluster reads. */
const plan = (address = '10.96.0.44', port = 80): Plan =>
  ({
    symptom: { port, protocol: 'tcp' },
    targetAddress: address,
    nodes: [{ node: { name: 'node-2', address: '192.0.2.2', serves: [] }, address: '10.0.0.2', roles: ['target'] }],
    externalClients: ['10.244.1.3'],
    steps: [],
  }) as unknown as Plan;

describe('Kubernetes objects of a question', () => {
  let folder = '';
  let api: FakeApiServer;
  const begin = async (timeoutMs = 3000) => {
    const file = path.join(folder, 'config');
    const cluster = { server: api.server, 'certificate-authority-data': Buffer.from(fakeCa).toString('base64') };
    const config = {
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'lab', user: 'me' } }],
      clusters: [{ name: 'lab', cluster }],
      users: [{ name: 'me', user: { token: 'let-me-in' } }],
    };
    writeFileSync(file, JSON.stringify(config));
    return openCluster({ file, context: undefined }, { timeoutMs });
  };
  const look = async (asked = plan(), timeoutMs?: number) => {
    const cluster = await begin(timeoutMs);
    const ports = { sink: createMemorySink(), redact: (bytes: Uint8Array) => redactSecrets(bytes).bytes };
    const reading = createClusterReading(cluster, ports, new AbortController().signal);
    reading.begin(asked);
    await reading.finish(asked);
    cluster.close();
    return reading.evidence;
  };

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'netcheck-observe-'));
    api = await startFakeApiServer(objects);
  });
  afterEach(async () => {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('reads what the question is about, and nothing else', async () => {
    const cluster = joinCluster(await look(), parsers);
    expect(cluster?.missing).toEqual({});
    expect(cluster?.services?.map(({ name }) => name)).toEqual(['cart']);
    expect(cluster?.services?.[0]).toMatchObject({
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      affinityTimeoutSec: 10_800,
      ports: [{ port: 80, targetPort: 'http', nodePort: 30_170 }],
    });
    expect(cluster?.endpoints).toMatchObject([{ service: 'shop/cart', pod: 'shop/cart-1', ready: true }]);
    expect(cluster?.pods?.map(({ name }) => name).sort()).toEqual(['cart-1', 'cart-2', 'web-0']);
    expect(cluster?.pods?.find(({ name }) => name === 'cart-2')).toMatchObject({
      ready: false,
      notReadyWhy: 'ContainersNotReady: containers with unready status: [app]',
      containers: [{ restarts: 3, last: { reason: 'OOMKilled', exitCode: 137 } }],
    });
    expect(cluster?.policies?.[0]).toMatchObject({ name: 'deny', egress: null });
    expect(cluster?.namespaces?.map(({ name }) => name).sort()).toEqual(['shop', 'web']);
    expect(cluster?.events?.[0]).toMatchObject({ pod: 'shop/cart-2', reason: 'Unhealthy', count: 4 });
    expect(cluster?.nodes).toMatchObject([{ name: 'node-2', ready: 'Unknown', podCidrs: ['10.244.2.0/24'] }]);
    expect(cluster?.proxyConfig).toMatchObject({ mode: 'ipvs', settings: { 'ipvs.tcpTimeout': '15m0s' } });
    expect(cluster?.workloads).toMatchObject([{ name: 'kube-proxy', wanted: 3, ready: 2 }]);
    expect(cluster?.cni?.map(({ plugin, mtu }) => `${plugin} ${mtu}`)).toEqual(['calico 1440', 'cilium 1450']);
    expect(cluster?.dns).toBeUndefined();
    expect(new Set(api.asked.map((one) => one.split(' ')[0]))).toEqual(new Set(['GET']));
  });

  it('finds the Service of a NodePort, and reads the cluster DNS for questions about names', async () => {
    const byPort = joinCluster(await look(plan('10.0.0.2', 30_170)), parsers);
    expect(byPort?.services?.map(({ name }) => name)).toEqual(['cart']);
    const names = joinCluster(await look(plan('10.96.0.10', 53)), parsers);
    expect(names?.dns?.[0]?.servers).toEqual([
      { zones: ['.:53'], plugins: ['errors', 'etcd', 'forward'], forwards: ['10.0.0.53', '10.0.0.54'] },
    ]);
  });

  it('keeps what a pod is given for names and CPU, the cloud of a node, the mode of a load balancer', async () => {
    await api.close();
    const asker: ApiObject = {
      kind: 'Pod',
      metadata: { ...named('asker'), namespace: 'web' },
      spec: {
        nodeName: 'node-2',
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['10.0.0.53'], searches: ['corp.example'], options: [{ name: 'ndots', value: '2' }] },
        hostAliases: [{ ip: '10.0.0.9', hostnames: ['db.shop'] }],
        containers: [{ name: 'app', resources: { limits: { cpu: '500m', 'x.example/key': canary } } }],
      },
      status: { phase: 'Running', podIP: '10.244.1.3', conditions: [{ type: 'Ready', status: 'True' }] },
    };
    const odd: ApiObject = {
      ...asker,
      metadata: named('odd'),
      spec: { dnsConfig: 'all', containers: [{ name: 'a', resources: 7 }] },
    };
    const node: ApiObject = {
      kind: 'Node',
      metadata: { name: 'node-2' },
      spec: { providerID: 'aws:///eu-west-1a/i-0123' },
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.2' }] },
    };
    const balanced: ApiObject = {
      kind: 'Service',
      metadata: named('cart'),
      spec: { type: 'LoadBalancer', clusterIP: '10.96.0.10', ports: [{ port: 53, protocol: 'TCP' }] },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.9', ipMode: 'Proxy' }, { ip: '203.0.113.10' }] } },
    };
    const netConf = (more: object) =>
      JSON.stringify({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan', Port: 8472 }, ...more });
    api = await startFakeApiServer([
      {
        ...asker,
        kind: 'Event',
        involvedObject: { kind: 'Pod', namespace: 'web', name: 'asker' },
        lastTimestamp: now,
        reason: 'DNSConfigForming',
      },
      asker,
      odd,
      node,
      balanced,
      {
        ...configMap('kube-flannel-cfg', { 'net-conf.json': netConf({}) }),
        metadata: { name: 'kube-flannel-cfg', namespace: 'kube-flannel' },
      },
      configMap('kube-flannel-cfg', { 'net-conf.json': netConf({ Token: canary }) }),
    ]);
    const cluster = joinCluster(await look(plan('10.96.0.10', 53)), parsers);
    const pods = new Map(cluster?.pods?.map((one) => [one.name, one]));
    expect(pods.get('asker')).toMatchObject({
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['10.0.0.53'], searches: ['corp.example'], options: [{ name: 'ndots', value: '2' }] },
      hostAliases: [{ address: '10.0.0.9', names: ['db.shop'] }],
      containers: [{ cpuLimit: '500m' }],
    });
    expect(pods.get('odd')).toMatchObject({ dnsConfig: null, containers: [{ cpuLimit: null }] });
    // of a pod that is well, because it is the one that asks
    expect(cluster?.events).toMatchObject([{ pod: 'web/asker', reason: 'DNSConfigForming' }]);
    expect(cluster?.nodes?.[0]?.provider).toBe('aws');
    expect(cluster?.services?.[0]?.balancers).toEqual([
      { address: '203.0.113.9', mode: 'Proxy' },
      { address: '203.0.113.10', mode: 'VIP' },
    ]);
    // one with a word that is not known cannot be written back whole
    expect(cluster?.cni?.map(({ document }) => document)).toEqual([netConf({}), null]);
  });

  it('keeps no secret: no environment, annotation, argument, volume, or word that it does not know', async () => {
    const evidence = [...(await look()), ...(await look(plan('10.96.0.10', 53)))];
    const kept = evidence.map(({ stdout, stderr }) => Buffer.concat([stdout, stderr]).toString()).join('\n');
    expect(kept).toContain('Readiness probe failed');
    expect(kept).not.toContain(canary);
  });

  it('what is forbidden is missing by name, and the rest is there', async () => {
    api.forbidden.add('networkpolicies');
    const cluster = joinCluster(await look(), parsers);
    expect(Object.keys(cluster?.missing ?? {})).toEqual(['policies']);
    expect(cluster?.missing.policies).toContain('networkpolicies is forbidden');
    expect(cluster?.pods?.length).toBe(3);
  });

  it('a policy that cannot be read makes all of them unknown: it may be the one that lets the connect in', async () => {
    await api.close();
    const odd: ApiObject = { kind: 'NetworkPolicy', metadata: named('odd'), spec: { podSelector: {}, ingress: 'all' } };
    api = await startFakeApiServer([...objects, odd]);
    const cluster = joinCluster(await look(), parsers);
    expect(cluster?.policies).toEqual([]);
    expect(cluster?.missing.policies).toContain('not what it should be');
  });

  it.each([
    ['silent', 'did not answer within 200 ms'],
    ['cut', 'cut'],
    ['failing', 'HTTP 500'],
  ] as const)('an API that is %s is asked once, and everything is missing', async (trouble, why) => {
    api.trouble = trouble;
    const cluster = joinCluster(await look(plan(), 200), parsers);
    expect(api.asked.length).toBe(1);
    expect(Object.keys(cluster?.missing ?? {}).length).toBe(10);
    expect(cluster?.missing.pods).toContain(why);
    expect(cluster?.pods).toBeUndefined();
  });

  it('reads readiness again after the window', async () => {
    const cluster = joinCluster(await look(), parsers);
    expect(cluster?.earlier?.endpoints).toHaveLength(1);
    expect(api.asked.filter((one) => one.includes('endpointslices')).length).toBe(2);
  });

  it('doctor learns which kinds are forbidden', async () => {
    api.forbidden.add('configmaps').add('events');
    const cluster = await begin();
    expect((await cluster.mayObserve()).map(({ kind }) => kind).sort()).toEqual(['configmaps', 'events']);
    cluster.close();
  });
});
