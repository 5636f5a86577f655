import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCluster } from '../src/adapters/kubernetes/open-cluster.ts';
import { checkCluster } from '../src/commands/check-cluster.ts';
import type { Inventory } from '../src/engine/inventory.ts';
import { type ApiObject, fakeCa, type FakeApiServer, startFakeApiServer } from './fakes/kubernetes/fake-api-server.ts';

const node = (name: string, address: string): ApiObject => ({
  kind: 'Node',
  metadata: { name },
  status: { addresses: [{ type: 'InternalIP', address }] },
});
/** `node-2` by its name, and whoever has 10.0.0.3. */
const inventory = {
  find: async (name: string) => (name === 'node-2' ? { name } : null),
  knownOwner: (address: string) => (address === '10.0.0.3' ? { name: 'three' } : undefined),
} as unknown as Inventory;

describe('netcheck doctor, of a Kubernetes API over HTTPS with a token', () => {
  let folder = '';
  let api: FakeApiServer;
  const check = async ({ ca = fakeCa, token = 'let-me-in', server = api.server } = {}) => {
    const file = path.join(folder, 'config');
    const config = {
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'lab', user: 'me' } }],
      clusters: [
        { name: 'lab', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
      ],
      users: [{ name: 'me', user: { token } }],
    };
    writeFileSync(file, JSON.stringify(config));
    const cluster = await openCluster({ file, context: undefined }, { timeoutMs: 300 });
    try {
      return await checkCluster({ cluster, inventory });
    } finally {
      cluster.close();
    }
  };

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'netcheck-doctor-'));
    api = await startFakeApiServer([node('node-2', '10.0.0.2'), node('worker-3', '10.0.0.3')]);
  });
  afterEach(async () => {
    await api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('reachable: one line that all is well; a node of the cluster that nobody may log in to is named', async () => {
    expect(await check()).toEqual([
      { what: 'Kubernetes', state: 'ok', detail: `${api.server}: everything that is needed can be read`, todo: '' },
    ]);
    await api.close();
    api = await startFakeApiServer([node('node-2', '10.0.0.2'), node('stranger', '10.0.0.9')]);
    expect(await check()).toMatchObject([
      { state: 'warning', detail: `${api.server}: 1 of its nodes are not in the inventory: stranger` },
    ]);
  });

  it.each([
    ['down', 'cut', 'the connection was cut', 'is the API server up'],
    ['silent', 'silent', 'it did not answer within 300 ms', 'is the API server up'],
    ['failing', 'failing', 'it answered HTTP 500: etcdserver: leader changed', 'is the API server up'],
    ['no API server', 'garbage', 'its answer is not JSON', 'is this address really an API server?'],
  ] as const)('%s: one line, and one request', async (_what, trouble, detail, todo) => {
    api.trouble = trouble;
    const checks = await check();
    expect(checks).toHaveLength(1);
    expect(checks[0]).toMatchObject({ what: 'Kubernetes', state: 'failed', detail: `${api.server}: ${detail}` });
    expect(checks[0]?.todo).toContain(todo);
    expect(api.asked).toHaveLength(1);
  });

  it('nobody listens there', async () => {
    const { server } = api;
    await api.close();
    const checks = await check({ server });
    expect(checks).toMatchObject([{ state: 'failed', detail: `${server}: the connection is refused` }]);
    api = await startFakeApiServer([]);
  });

  it('another certificate authority: refused before anything is sent', async () => {
    const checks = await check({ ca: rootCertificates[0] ?? '' });
    expect(checks).toHaveLength(1);
    expect(checks[0]?.detail).toContain('its certificate cannot be trusted');
    expect(checks[0]?.todo).toContain("the cluster's own certificate-authority-data");
    expect(api.asked).toEqual([]);
  });

  it('an old token, and one that may do nothing, or not everything', async () => {
    const [old] = await check({ token: 'of-last-year' });
    expect(old).toMatchObject({ state: 'failed' });
    expect(old?.detail).toContain('it does not accept the credential');
    expect(old?.todo).toContain('renew the token');
    api.trouble = 'forbidden';
    const nothing = await check();
    expect(nothing).toHaveLength(1);
    expect(nothing[0]?.detail).toContain(
      'pods, services, endpointslices, deployments, ingresses, nodes cannot be read',
    );
    expect(nothing[0]?.todo).toContain('deploy/rbac.yaml');
    api.trouble = 'none';
    api.forbidden.add('configmaps').add('networkpolicies');
    const some = await check();
    expect(some).toMatchObject([
      { what: 'Kubernetes objects', state: 'warning' },
      { what: 'Kubernetes', state: 'ok' },
    ]);
    expect(some[0]?.detail).toContain('networkpolicies, configmaps cannot be read');
  });
});
