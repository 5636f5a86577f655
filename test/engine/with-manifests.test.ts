import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { NodeKnowledge } from '../../src/engine/parse.ts';
import { withManifests } from '../../src/engine/with-manifests.ts';
import type { Cluster } from '../../src/model/cluster-facts.ts';
import type { KubePod } from '../../src/model/cluster-objects.ts';
import type { Facts } from '../../src/model/facts.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Finding, KubeDraft, Remedy } from '../../src/model/report.ts';
import {
  corednsDrafts,
  cpuLimitDraft,
  dnsOptionDraft,
  dnsPolicyDraft,
  dnsSearchesDraft,
  dnsServersDraft,
  felixConfiguration,
  gracefulDraft,
  kubeObjectText,
  podMtuDrafts,
  policyDraft,
  servicePortDraft,
  tunnelMtuDrafts,
} from '../../src/rules/kube-objects.ts';
import { podSysctls, podSysctlText } from '../../src/rules/pod-sysctls.ts';
import { temporarySysctl } from '../../src/rules/sysctl-remedies.ts';

const load = createRequire(import.meta.url);
const say = kubeObjectText.en;
const pod = 'node-2@shop.cart-1';
const workload = { kind: 'deployment', namespace: 'shop', name: 'cart' };
const knowing = (facts: Facts): NodeKnowledge => ({ facts, problems: [], whyMissing: () => '' });
const at = { evidence: 'x' };
const link = (name: string) => ({ name, index: 1, mtu: 1500, state: 'UP', flags: ['UP'], at });
const ofCluster = new Map([
  ['node-2', knowing({ links: [link('cali123')], kernel: { release: '6.1', hostname: 'node-2.example', at } })],
]);
const ofNone = new Map([['node-2', knowing({ links: [link('eth0')] })]]);

const flannel = {
  kind: 'cniConfig',
  plugin: 'flannel',
  where: 'ConfigMap kube-flannel/kube-flannel-cfg',
  mtu: null,
  mtuKey: 'net-conf.json Backend.MTU',
  encapsulation: 'vxlan',
  document: '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}',
  settings: {},
} as const;

function planWith(lookedUp: Plan['lookedUp'], roles: Plan['nodes'][number]['roles'] = ['target']): Plan {
  const inventory = { name: 'node-2', address: '10.0.0.2' };
  return {
    nodes: [
      { node: inventory, roles: ['forwarder'], address: '10.0.0.2' },
      { node: { ...inventory, name: pod }, roles, address: '10.244.2.7', netns: 'pod1' },
    ],
    ...(lookedUp === undefined ? {} : { lookedUp }),
  } as unknown as Plan;
}
const lookedUpPod = (made = workload) => [
  { asked: 'pod shop/cart-1', found: '10.244.2.7 on node-2', by: 'api' as const, place: pod, workload: made },
];
const remedyOf = (objects: readonly KubeDraft[], more: Partial<Remedy> = {}): Remedy => ({
  kind: 'kubernetes',
  commands: [],
  undo: [],
  risk: 'low',
  objects: [...objects],
  ...more,
});
const findingOf = (remedies: readonly Remedy[], changes: Partial<Finding> = {}): Finding => ({
  rule: 'some-rule',
  verdict: 'confirmed',
  node: pod,
  title: 'x',
  because: [],
  remedies: [...remedies],
  missing: [],
  ...changes,
});

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Record<string, unknown>;
}

/** The documents of a file; the ones in comments after those. */
function documentsOf(yaml: string): { readonly now: readonly Manifest[]; readonly instead: readonly Manifest[] } {
  const read = (text: string): readonly Manifest[] =>
    parseAllDocuments(text).flatMap((one) => {
      expect(one.errors).toEqual([]);
      const value = one.toJS() as Manifest | null;
      return value === null ? [] : [value];
    });
  const blocks = yaml.split('\n\n').flatMap((block) => {
    const lines = block.split('\n').flatMap((line) => (line.startsWith('# ') ? [line.slice(2)] : []));
    const start = lines.findIndex((line) => line.startsWith('apiVersion: '));
    return start === -1 ? [] : read(lines.slice(start).join('\n'));
  });
  return { now: read(yaml), instead: blocks };
}

/** Laid over a whole object of its kind, as server-side apply does: throws where the schema of Kubernetes says no. */
function validate(manifest: Manifest): void {
  const { kind } = manifest;
  const labels = { app: 'x' };
  const container = { name: 'CONTAINER', image: 'x:1' };
  const base: Record<string, unknown> = /^(?:Deployment|StatefulSet|DaemonSet)$/.test(kind)
    ? {
        spec: {
          selector: { matchLabels: labels },
          ...(kind === 'StatefulSet' ? { serviceName: 'x' } : {}),
          template: { metadata: { labels }, spec: { containers: [container] } },
        },
      }
    : {};
  const model = load(`kubernetes-models/${manifest.apiVersion}/${kind}`) as Record<
    string,
    new (
      data: unknown,
    ) => { validate(): void }
  >;
  const Kind = model[kind];
  if (Kind === undefined) throw new Error(`${manifest.apiVersion} has no ${kind}`);
  new Kind(laid(base, manifest as unknown as Record<string, unknown>)).validate();
}

function laid(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const known = base[key];
    const isNamed = Array.isArray(value) && Array.isArray(known) && key === 'containers';
    result[key] = isNamed
      ? [{ ...(known[0] as object), ...(value[0] as object) }]
      : isPlain(value) && isPlain(known)
        ? laid(known, value)
        : value;
  }
  return result;
}
const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kernelSettings = [
  { key: 'net.ipv4.tcp_keepalive_time', value: '600' },
  { key: 'net.core.somaxconn', value: '4096' },
];

describe('remedies as files for kubectl', () => {
  const made = (finding: Finding, plan = planWith(lookedUpPod()), knowledge = ofCluster) =>
    withManifests(finding, plan, knowledge, 'en').remedies;

  it('are whole objects with the names of what made the pod, and say how they are looked at and applied', () => {
    const [remedy] = made(findingOf([remedyOf([dnsOptionDraft('why', 'ndots', '2')])]));
    expect(remedy?.manifest).toEqual({
      file: 'netcheck-some-rule.yaml',
      yaml: `# kubectl diff --server-side --field-manager=netcheck-some-rule -f netcheck-some-rule.yaml
# kubectl apply --server-side --field-manager=netcheck-some-rule -f netcheck-some-rule.yaml
---
# why
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
spec:
  template:
    spec:
      dnsConfig:
        options:
          - name: ndots
            value: "2"
`,
    });
    expect(remedy?.commands).toEqual([
      'kubectl diff --server-side --field-manager=netcheck-some-rule -f netcheck-some-rule.yaml',
      'kubectl apply --server-side --field-manager=netcheck-some-rule -f netcheck-some-rule.yaml',
    ]);
    expect(remedy?.undo).toEqual(['kubectl -n shop rollout undo deployment cart']);
  });

  it.each(['deployment', 'statefulset', 'daemonset'])('fit a %s', (kind) => {
    const plan = planWith(lookedUpPod({ ...workload, kind }));
    for (const draft of [gracefulDraft({ port: 8080 }, say), dnsOptionDraft('x', 'single-request-reopen')]) {
      const [remedy] = made(findingOf([remedyOf([draft])]), plan);
      const [document] = documentsOf(remedy?.manifest?.yaml ?? '').now;
      expect(document?.kind.toLowerCase()).toBe(kind);
      expect(() => validate(document as Manifest)).not.toThrow();
    }
  });

  it('a mistake in one would be seen', () => {
    const wrong = dnsOptionDraft('x', 'ndots', '2');
    const [remedy] = made(
      findingOf([remedyOf([{ ...wrong, object: { ...wrong.object, spec: { replicas: 'two' } } }])]),
    );
    const [document] = documentsOf(remedy?.manifest?.yaml ?? '').now;
    expect(() => validate(document as Manifest)).toThrow();
  });

  it('settings of a pod: a safe one as it is, an unsafe one with the flag of the kubelet, a container or the CNI instead', () => {
    const sysctls = podSysctls(kernelSettings, podSysctlText.en);
    const temporary = temporarySysctl(
      pod,
      kernelSettings.map((one) => ({ ...one, previous: '1' })),
      { text: '', risk: '' },
    );
    const remedies = made(findingOf([temporary, sysctls]));
    const { manifest, commands } = remedies[1] as Remedy;
    const { now, instead } = documentsOf(manifest?.yaml ?? '');
    expect(now[0]?.spec).toEqual({
      template: {
        spec: {
          securityContext: {
            sysctls: [
              { name: 'net.ipv4.tcp_keepalive_time', value: '600' },
              { name: 'net.core.somaxconn', value: '4096' },
            ],
          },
        },
      },
    });
    expect(manifest?.yaml).toContain('# --allowed-unsafe-sysctls=net.core.somaxconn ');
    expect(manifest?.yaml).toContain(
      '# {"type":"tuning","sysctl":{"net.ipv4.tcp_keepalive_time":"600","net.core.somaxconn":"4096"}}',
    );
    expect(JSON.stringify(instead[0])).toContain(
      '"command":["sysctl","-w","net.ipv4.tcp_keepalive_time=600","net.core.somaxconn=4096"]',
    );
    for (const document of [...now, ...instead]) expect(() => validate(document)).not.toThrow();
    expect(commands.join()).not.toContain('patch');
    expect(
      documentsOf(made(findingOf([podSysctls(kernelSettings.slice(0, 1), podSysctlText.en)]))[0]?.manifest?.yaml ?? '')
        .instead,
    ).toEqual([]);
  });

  it('settings of a node of a cluster: a DaemonSet for that node, beside what is said for pods', () => {
    const temporary = temporarySysctl(
      'node-2',
      kernelSettings.map((one) => ({ ...one, previous: '1' })),
      { text: '', risk: 'r' },
    );
    const remedies = made(findingOf([temporary], { node: 'node-2' }));
    const [, added] = remedies;
    expect(added).toMatchObject({ kind: 'kubernetes', risk: 'r' });
    const [document] = documentsOf(added?.manifest?.yaml ?? '').now;
    expect(document?.metadata).toMatchObject({ name: 'netcheck-some-rule-node-2-example', namespace: 'kube-system' });
    expect(JSON.stringify(document)).toContain('"kubernetes.io/hostname":"node-2.example"');
    expect(() => validate(document as Manifest)).not.toThrow();
    expect(added?.undo).toEqual(['kubectl -n kube-system delete daemonset netcheck-some-rule-node-2-example']);
  });

  it('policies, Services, Calico and Cilium: parsed, and valid where there is a schema', () => {
    const drafts = [
      policyDraft('to', 'shop', { other: '10.0.0.9', port: 80, protocol: 'tcp' }, say),
      policyDraft('from', 'shop', { other: 'fd00::9', port: 53, protocol: 'udp' }, say),
      ...tunnelMtuDrafts({ device: 'tunl0', mtu: 1480, nicMtu: 1500 }, say),
      ...tunnelMtuDrafts({ device: 'wireguard.cali', mtu: 1440, nicMtu: 1500 }, say),
      ...tunnelMtuDrafts({ device: 'cilium_vxlan', mtu: 1450, nicMtu: 1500 }, say),
      { about: 'x', object: felixConfiguration({ featureDetectOverride: 'ChecksumOffloadBroken=true' }) },
      ...tunnelMtuDrafts({ device: 'flannel.1', mtu: 1450, nicMtu: 1500 }, say, [flannel]),
      ...podMtuDrafts([link('flannel.1')], 1400, say, [flannel]),
      ...podMtuDrafts([link('cilium_host')], 1400, say, [{ ...flannel, plugin: 'cilium', encapsulation: 'geneve' }]),
      ...corednsDrafts(say),
      dnsPolicyDraft('shop', say),
      servicePortDraft(
        'x',
        { namespace: 'shop', name: 'cart' },
        { name: 'http', protocol: 'tcp', port: 80, targetPort: 8080 },
      ),
    ];
    expect(drafts).toHaveLength(17);
    const said = drafts.map(({ object }) => JSON.stringify(object['data'] ?? {})).join('\n');
    expect(said).toContain(String.raw`{\"Network\":\"10.244.0.0/16\",\"Backend\":{\"Type\":\"vxlan\",\"MTU\":1450}}`);
    expect(said).toContain('{"mtu":"1450"}');
    // nobody writes a document back that was not read whole, or takes a tunnel off that is not known
    expect(podMtuDrafts([link('flannel.1')], 1400, say, [{ ...flannel, document: null }])).toEqual([]);
    expect(podMtuDrafts([link('cilium_host')], 1400, say)).toEqual([]);
    for (const draft of drafts) {
      const [remedy] = made(findingOf([remedyOf([{ about: draft.about, object: draft.object }])], { node: 'node-2' }));
      const [document] = documentsOf(remedy?.manifest?.yaml ?? '').now;
      expect(document).toEqual(draft.object);
      if (!/calico|tigera/.test(document?.apiVersion ?? '')) expect(() => validate(document as Manifest)).not.toThrow();
    }
    // a policy that selected every pod would isolate those that no policy has selected so far
    expect(JSON.stringify(drafts[0]?.object)).toContain('"podSelector":{"matchLabels":{');
  });

  it('of pods: lists of names, and the CPU of the container that serves', () => {
    const drafts = [
      dnsServersDraft(['10.0.0.54'], say),
      dnsSearchesDraft(['shop.example'], say),
      dnsOptionDraft('x', 'ndots', '2', [{ name: 'timeout', value: '1' }, { name: 'rotate' }]),
      cpuLimitDraft('CONTAINER', '1000m', say),
    ];
    for (const draft of drafts) {
      const [remedy] = made(findingOf([remedyOf([draft])]));
      const [document] = documentsOf(remedy?.manifest?.yaml ?? '').now;
      expect(document?.metadata).toEqual({ name: 'cart', namespace: 'shop' });
      expect(() => validate(document as Manifest)).not.toThrow();
    }
  });

  it('there are none where nothing belongs to a cluster, nor for what is ruled out', () => {
    const remedy = remedyOf([{ about: 'x', object: felixConfiguration({ vxlanMTU: 1450 }) }]);
    const plain = planWith(undefined);
    for (const finding of [
      made(findingOf([remedy], { node: 'node-2' }), plain, ofNone),
      made(findingOf([remedy], { verdict: 'ruledOut' })),
    ]) {
      expect(finding[0]?.manifest).toBeUndefined();
      expect(finding[0]?.objects).toBeUndefined();
      expect(finding[0]?.commands).toEqual([]);
    }
  });

  it('a change of pods is not proposed for the node, and names that nobody knows are said to be put in', () => {
    const draft = dnsOptionDraft('x', 'ndots', '2');
    expect(made(findingOf([remedyOf([draft])], { node: 'node-2' }))[0]?.manifest).toBeUndefined();
    const [unknown] = made(findingOf([remedyOf([draft])]), planWith(undefined));
    expect(unknown?.manifest?.yaml).toContain('# Put in what makes the pods: kind, namespace and name.');
    expect(unknown?.undo).toEqual([]);
    const servers = made(findingOf([remedyOf([gracefulDraft({ port: 80 }, say)])], { node: 'node-2' }));
    expect(documentsOf(servers[0]?.manifest?.yaml ?? '').now[0]?.metadata).toEqual({ name: 'cart', namespace: 'shop' });
  });

  it.each([
    'a: b',
    'x\nkind: Secret',
    '"; rm -rf /',
    "' && reboot",
    'x'.repeat(253),
    '---\nkind: Secret',
    '# x',
    '$(id)',
    '\u2028kind: x',
  ])('a workload called %j breaks out of nothing', (name) => {
    const plan = planWith(lookedUpPod({ ...workload, name, namespace: name }));
    const [remedy] = made(findingOf([remedyOf([dnsOptionDraft(`about ${name}`, 'ndots', '2')])]), plan);
    const { now } = documentsOf(remedy?.manifest?.yaml ?? '');
    expect(now).toHaveLength(1);
    expect(now[0]?.metadata).toEqual({ name, namespace: name });
    expect(now[0]?.kind).toBe('Deployment');
    if (!/^[a-z0-9.-]+$/.test(name)) expect(remedy?.undo).toEqual([]);
    for (const command of remedy?.commands ?? [])
      expect(command).toMatch(/^kubectl (?:diff|apply) --server-side --field-manager=[a-z-]+ -f [a-z.-]+$/);
  });

  describe('with what the API says', () => {
    const cluster = (pods: readonly Partial<KubePod>[]): Cluster =>
      ({
        pods: pods.map((one) => ({ ...plainPod, ...one, at })),
        endpoints: pods.map(({ name }) => ({ service: 'shop/web', pod: `shop/${name}`, at })),
        nodes: [{ name: 'worker-2', addresses: ['10.0.0.2'], at }],
        missing: {},
        readAtMs: 0,
        at,
      }) as unknown as Cluster;
    const plainPod = {
      kind: 'pod',
      namespace: 'shop',
      name: 'web-5d9f-abcde',
      labels: { app: 'web', 'pod-template-hash': '5d9f' },
      addresses: ['10.244.2.7'],
      hostNetwork: false,
      containers: [
        { name: 'proxy', ports: [] },
        { name: 'app', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
      ],
    } as unknown as KubePod;
    const knowingOf = (pods: readonly Partial<KubePod>[]) =>
      new Map([
        ['node-2', knowing({ cluster: cluster(pods) })],
        [pod, knowing({ cluster: cluster(pods) })],
      ]);
    const documentOf = (draft: KubeDraft, pods: readonly Partial<KubePod>[], changes: Partial<Finding> = {}) =>
      documentsOf(
        made(findingOf([remedyOf([draft])], changes), planWith(undefined), knowingOf(pods))[0]?.manifest?.yaml ?? '',
      ).now[0];

    it.each([
      ['web-5d9f-abcde', { 'pod-template-hash': '5d9f' }, 'Deployment', 'web'],
      ['db-0', { 'statefulset.kubernetes.io/pod-name': 'db-0' }, 'StatefulSet', 'db'],
      ['agent-x7k2p', { 'pod-template-generation': '3', 'controller-revision-hash': 'x' }, 'DaemonSet', 'agent'],
    ] as const)('%s is made by the workload that its labels tell', (name, labels, kind, maker) => {
      const document = documentOf(dnsOptionDraft('x', 'ndots', '2'), [{ name, labels }]);
      expect(document).toMatchObject({ kind, metadata: { name: maker, namespace: 'shop' } });
    });

    it('a pod whose name and labels do not tell keeps the place for a name', () => {
      for (const labels of [{}, { 'pod-template-hash': 'other' }] as Record<string, string>[])
        expect(documentOf(dnsOptionDraft('x', 'ndots', '2'), [{ labels }])?.metadata.name).toBe('NAME');
    });

    it('a rollout names the container that serves the port; pods of several makers name none', () => {
      const draft = gracefulDraft({ port: 8080 }, say);
      const document = documentOf(draft, [{}, { name: 'web-5d9f-fghij', addresses: ['10.244.2.8'] }], {
        node: 'node-2',
      });
      expect(document?.metadata).toEqual({ name: 'web', namespace: 'shop' });
      expect(JSON.stringify(document)).toContain('"containers":[{"name":"app"');
      expect(() => validate(document as Manifest)).not.toThrow();
      expect(documentOf(draft, [{}, { name: 'db-0', labels: {} }], { node: 'node-2' })?.metadata.name).toBe('NAME');
    });

    it('a policy selects the pod by the labels that those after it have as well', () => {
      const draft = policyDraft('to', 'NAMESPACE', { other: '10.0.0.9', port: 80, protocol: 'tcp' }, say);
      const document = documentOf(draft, [{}], { node: 'node-2' });
      expect(document?.metadata.namespace).toBe('shop');
      expect(document?.spec?.['podSelector']).toEqual({ matchLabels: { app: 'web' } });
    });

    it('a node is called as Kubernetes calls it', () => {
      const temporary = temporarySysctl(
        'node-2',
        kernelSettings.map((one) => ({ ...one, previous: '1' })),
        { text: '', risk: '' },
      );
      const [, added] = made(findingOf([temporary], { node: 'node-2' }), planWith(undefined), knowingOf([]));
      expect(added?.manifest?.yaml).toContain('kubernetes.io/hostname: worker-2');
    });
  });

  it('are commented in Chinese for who asks in Chinese', () => {
    const sysctls = podSysctls(kernelSettings, podSysctlText.zh);
    const { remedies } = withManifests(findingOf([sysctls]), planWith(lookedUpPod()), ofCluster, 'zh');
    expect(remedies[0]?.manifest?.yaml).toContain('# Pod 会有自己的这些设置，并被重建。');
  });
});
