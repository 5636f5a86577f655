import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKubeClient } from '../../../src/adapters/kubernetes/kube-client.ts';
import { openCluster } from '../../../src/adapters/kubernetes/open-cluster.ts';
import { loadKubeAccess } from '../../../src/adapters/kubernetes/kube-config.ts';
import {
  type ApiObject,
  fakeCa,
  type FakeApiServer,
  startFakeApiServer,
} from '../../fakes/kubernetes/fake-api-server.ts';

const uid = '0c6dbb0a-4f1e-4a0e-9a58-2d1c7f3b4e61';
const pod = (name: string, status: Record<string, unknown>, spec: Record<string, unknown> = {}): ApiObject => ({
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'shop',
    uid,
    labels: { app: 'cart', 'pod-template-hash': '7d9f' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'cart-7d9f', controller: true }],
  },
  spec: { nodeName: 'node-2', ...spec },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], ...status },
});
const objects: readonly ApiObject[] = [
  pod('cart-1', { podIP: '10.244.2.7', podIPs: [{ ip: '10.244.2.7' }, { ip: 'fd00::7' }] }),
  pod('cart-0', { podIP: '10.244.2.7', phase: 'Succeeded', conditions: [] }),
  pod('agent', { podIP: '10.0.0.2' }, { hostNetwork: true }),
  {
    kind: 'Deployment',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'cart' } } },
  },
  {
    kind: 'Service',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.44',
      externalTrafficPolicy: 'Local',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30170 }],
    },
  },
  {
    kind: 'EndpointSlice',
    metadata: { name: 'cart-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      {
        addresses: ['10.244.2.7'],
        nodeName: 'node-2',
        conditions: {},
        targetRef: { kind: 'Pod', namespace: 'shop', name: 'cart-1' },
      },
      { addresses: ['10.244.3.9'], nodeName: 'node-3', conditions: { ready: false, terminating: true } },
    ],
  },
  {
    kind: 'Endpoints',
    metadata: { name: 'cart', namespace: 'shop' },
    subsets: [
      {
        addresses: [{ ip: '10.244.2.7', nodeName: 'node-2' }],
        notReadyAddresses: [{ ip: '10.244.3.9' }],
        ports: [{ name: 'http', port: 8080 }],
      },
    ],
  },
  {
    kind: 'Ingress',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: { rules: [{ host: '*.example.com' }], tls: [{ hosts: ['*.example.com'] }] },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.10' }] } },
  },
  {
    kind: 'Node',
    metadata: { name: 'node-2' },
    status: {
      addresses: [
        { type: 'InternalIP', address: '10.0.0.2' },
        { type: 'Hostname', address: 'node-2' },
      ],
    },
  },
];

describe('a Kubernetes cluster through its API', () => {
  let folder = '';
  let api: FakeApiServer;
  const kubeconfig = (changes: { cluster?: Record<string, unknown>; user?: Record<string, unknown> } = {}): string => {
    const file = path.join(folder, 'config');
    const config = {
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'lab', user: 'me', namespace: 'shop' } }],
      clusters: [
        {
          name: 'lab',
          cluster: {
            server: `${api.server}/`,
            'certificate-authority-data': Buffer.from(fakeCa).toString('base64'),
            ...changes.cluster,
          },
        },
      ],
      users: [{ name: 'me', user: { token: 'let-me-in', ...changes.user } }],
    };
    // JSON is YAML
    writeFileSync(file, JSON.stringify(config));
    return file;
  };
  const open = async (options = {}, changes = {}) =>
    openCluster({ file: kubeconfig(changes), context: undefined }, options);

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'netcheck-kube-'));
    api = await startFakeApiServer(objects);
  });
  afterEach(async () => {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('remembers a Service for when the API is down, and forgets one that is gone', async () => {
    const cluster = await open({ keepMs: 0 });
    expect(cluster.lastServices?.('cart', 'shop')).toBeUndefined();
    await cluster.services('cart', 'shop');
    await cluster.services('nobody', 'shop');
    api.trouble = 'cut';
    expect(await cluster.services('cart', 'shop')).toMatchObject({ how: 'failed' });
    expect(cluster.lastServices?.('cart', 'shop')?.services).toMatchObject([
      { name: 'cart', addresses: ['10.96.0.44'] },
    ]);
    expect(cluster.lastServices?.('nobody', 'shop')).toBeUndefined();
    expect(cluster.lastServices?.('cart', null)).toBeUndefined();
    cluster.close();
  });

  it('reads pods by name, of one namespace or of all', async () => {
    const cluster = await open();
    const found = {
      namespace: 'shop',
      name: 'cart-1',
      uid,
      node: 'node-2',
      addresses: ['10.244.2.7', 'fd00::7'],
      hostNetwork: false,
      phase: 'Running',
      ready: true,
      workload: { kind: 'deployment', namespace: 'shop', name: 'cart' },
    };
    expect(await cluster.pods('cart-1', 'shop')).toEqual({ how: 'read', value: [found] });
    expect(await cluster.pods('cart-1', null)).toEqual({ how: 'read', value: [found] });
    expect(await cluster.pods('cart-1', 'other')).toEqual({ how: 'read', value: [] });
    cluster.close();
  });

  it('finds a pod by its address, not one that has ended with it or that has the address of its node', async () => {
    const cluster = await open();
    expect(await cluster.podAt('10.244.2.7')).toMatchObject({ value: { name: 'cart-1' } });
    expect(await cluster.podAt('10.0.0.2')).toEqual({ how: 'read', value: null });
    cluster.close();
  });

  it('reads Services by name, address and NodePort, with their endpoints', async () => {
    const cluster = await open();
    const service = {
      namespace: 'shop',
      name: 'cart',
      type: 'NodePort',
      addresses: ['10.96.0.44'],
      externalAddresses: [],
      ports: [{ name: 'http', protocol: 'tcp', port: 80, nodePort: 30170 }],
      externalTrafficPolicy: 'Local',
      sessionAffinity: null,
    };
    expect(await cluster.services('cart', 'shop')).toEqual({ how: 'read', value: [service] });
    expect(await cluster.serviceAt('10.96.0.44')).toEqual({ how: 'read', value: service });
    expect(await cluster.serviceAt('10.96.0.45')).toEqual({ how: 'read', value: null });
    expect(await cluster.serviceOfNodePort(30170, 'tcp')).toEqual({ how: 'read', value: service });
    expect(await cluster.serviceOfNodePort(30170, 'udp')).toEqual({ how: 'read', value: null });
    expect(await cluster.endpoints({ namespace: 'shop', name: 'cart' }, 'http')).toEqual({
      how: 'read',
      value: [
        { address: '10.244.2.7', port: 8080, ready: true, terminating: false, node: 'node-2', pod: 'shop/cart-1' },
        { address: '10.244.3.9', port: 8080, ready: false, terminating: true, node: 'node-3', pod: null },
      ],
    });
    cluster.close();
  });

  it('reads Endpoints where the cluster is too old for EndpointSlices', async () => {
    await api.close();
    api = await startFakeApiServer(objects, { kinds: ['Endpoints'] });
    const cluster = await open();
    expect(await cluster.endpoints({ namespace: 'shop', name: 'cart' }, 'http')).toMatchObject({
      value: [
        { address: '10.244.2.7', port: 8080, ready: true },
        { address: '10.244.3.9', port: 8080, ready: false },
      ],
    });
    cluster.close();
  });

  it('reads the pods of a Deployment, an Ingress by its host, and nodes', async () => {
    const cluster = await open();
    const pods = await cluster.podsOf('cart', 'shop');
    expect(pods).toMatchObject({ value: [{ name: 'cart-1' }, { name: 'cart-0' }, { name: 'agent' }] });
    expect(await cluster.podsOf('none', 'shop')).toEqual({ how: 'read', value: null });
    expect(await cluster.ingresses('www.example.com')).toEqual({
      how: 'read',
      value: [{ namespace: 'shop', name: 'shop', addresses: ['192.0.2.10'], tls: true }],
    });
    expect(await cluster.ingresses('a.b.example.com')).toEqual({ how: 'read', value: [] });
    expect(await cluster.nodes()).toEqual({
      how: 'read',
      value: [{ name: 'node-2', addresses: ['10.0.0.2'], labels: {} }],
    });
    cluster.close();
  });

  it('reads long lists to their end', async () => {
    await api.close();
    api = await startFakeApiServer(objects, { pageSize: 1 });
    const cluster = await open();
    expect(await cluster.pods('agent', null)).toMatchObject({ value: [{ name: 'agent' }] });
    expect(await cluster.podsOf('cart', 'shop')).toMatchObject({ value: { length: 3 } });
    cluster.close();
  });

  it('only ever reads, and asks the same only once in a while', async () => {
    const cluster = await open();
    await cluster.pods('cart-1', 'shop');
    await cluster.pods('cart-1', 'shop');
    await cluster.serviceAt('10.96.0.44');
    expect(api.asked).toEqual(['GET /api/v1/namespaces/shop/pods/cart-1', 'GET /api/v1/services?limit=500']);
    cluster.close();
  });

  it.each([
    ['silent', 'timedOut', 'it did not answer within 200 ms'],
    ['cut', 'unreachable', 'the connection was cut'],
    ['forbidden', 'forbidden', 'it does not allow this: pods is forbidden: User "netcheck" cannot list resource'],
    ['failing', 'unreachable', 'it answered HTTP 500: etcdserver: leader changed'],
    ['garbage', 'invalid', 'its answer is not JSON'],
  ] as const)('says what is wrong where the API is %s, and asks again the next time', async (trouble, why, message) => {
    const cluster = await open({ timeoutMs: 200 });
    api.trouble = trouble;
    expect(await cluster.pods('cart-1', 'shop')).toEqual({ how: 'failed', why, message });
    api.trouble = 'none';
    expect(await cluster.pods('cart-1', 'shop')).toMatchObject({ how: 'read' });
    cluster.close();
  });

  it('tells a server that is not there from one with a strange certificate', async () => {
    const gone = await startFakeApiServer([]);
    await gone.close();
    const nobody = await open({}, { cluster: { server: gone.server } });
    expect(await nobody.nodes()).toMatchObject({ why: 'unreachable', message: 'the connection is refused' });
    nobody.close();
    const strange = await open({}, { cluster: { 'certificate-authority-data': undefined } });
    expect(await strange.nodes()).toMatchObject({
      why: 'unreachable',
      message: expect.stringMatching(/^its certificate cannot be trusted/),
    });
    strange.close();
    expect(api.asked).toEqual([]);
  });

  it('asks again with a new token where the old one is refused', async () => {
    const file = path.join(folder, 'token');
    writeFileSync(file, 'old');
    const cluster = await open({}, { user: { token: undefined, tokenFile: 'token' } });
    expect(await cluster.nodes()).toMatchObject({ how: 'failed', why: 'unauthorized' });
    writeFileSync(file, 'let-me-in\n');
    expect(await cluster.nodes()).toMatchObject({ how: 'read' });
    cluster.close();
  });

  it('runs the command of a kubeconfig, once, and again when its token is refused', async () => {
    const script = path.join(folder, 'login');
    const said = path.join(folder, 'said');
    writeFileSync(said, '');
    writeFileSync(
      script,
      `#!/bin/sh\necho run >> ${said}\necho "{\\"status\\":{\\"token\\":\\"$TOKEN$(wc -l < ${said} | tr -d ' ')\\"}}"\n`,
      { mode: 0o700 },
    );
    api.tokens.clear();
    api.tokens.add('mine2');
    const exec = {
      command: './login',
      env: [{ name: 'TOKEN', value: 'mine' }],
      apiVersion: 'client.authentication.k8s.io/v1',
    };
    const access = await loadKubeAccess(kubeconfig({ user: { token: undefined, exec } }), undefined);
    const client = createKubeClient(access);
    expect(await client.get('/api/v1/nodes')).toMatchObject({ how: 'read' });
    expect(await client.get('/api/v1/pods')).toMatchObject({ how: 'read' });
    expect(await access.credential()).toEqual({ token: 'mine2' });
    client.close();
  });

  it('gives that command the environment, without our own secrets', async () => {
    const script = path.join(folder, 'login');
    writeFileSync(
      script,
      `#!/bin/sh\nprintf '{"status":{"token":"%s|%s|%s|%s"}}' "$SLACK_BOT_TOKEN" "$NETCHECK_ALERT_TOKEN" "$REDIS_URL" "$CLOUD_PROFILE"\n`,
      { mode: 0o700 },
    );
    for (const name of ['SLACK_BOT_TOKEN', 'NETCHECK_ALERT_TOKEN', 'REDIS_URL', 'CLOUD_PROFILE'])
      vi.stubEnv(name, `the-${name}`);
    try {
      const exec = { command: './login' };
      const access = await loadKubeAccess(kubeconfig({ user: { token: undefined, exec } }), undefined);
      expect(await access.credential()).toEqual({ token: '|||the-CLOUD_PROFILE' });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('says which command gave no credential, and never its arguments', async () => {
    const exec = { command: 'false', args: ['--secret=hunter2'] };
    const cluster = await open({}, { user: { token: undefined, exec } });
    const answer = await cluster.nodes();
    expect(answer).toMatchObject({ how: 'failed', why: 'unauthorized' });
    expect(JSON.stringify(answer)).toContain('(false) gave no credential');
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    cluster.close();
  });

  it.each([
    ['an unchecked server', { cluster: { 'insecure-skip-tls-verify': true } }, /not to be checked/],
    ['no TLS', { cluster: { server: 'http://127.0.0.1:8080' } }, /not an https/],
    ['a password', { user: { username: 'admin' } }, /has a password/],
    ['an auth-provider', { user: { 'auth-provider': { name: 'gcp' } } }, /auth-provider gcp/],
    [
      'a file that is not there',
      { cluster: { 'certificate-authority-data': undefined, 'certificate-authority': 'none.crt' } },
      /none\.crt, which cannot be read: ENOENT/,
    ],
  ])('refuses a kubeconfig with %s', async (_, changes, message) => {
    await expect(open({}, changes)).rejects.toThrow(message);
  });

  it('names the contexts where the one that was asked for is not there', async () => {
    await expect(openCluster({ file: kubeconfig(), context: 'there' })).rejects.toMatchObject({
      code: 'config/invalid',
      message: expect.stringContaining('no context "there"'),
      hint: 'Set kubernetes.context to one of: here.',
    });
  });
});
