import { describe, expect, it } from 'vitest';
import type { KubePod, PolicyPeer } from '../../src/model/cluster-objects.ts';
import { policyVerdict, selects } from '../../src/rules/policy-verdict.ts';
import { cluster, kubePod, kubePolicy } from './cluster-facts.ts';

const server = kubePod();
const web = kubePod({ name: 'web-0', addresses: ['10.244.1.3'], labels: { role: 'web' } });
const foreign = kubePod({ ...web, namespace: 'front' });
const namespaces = [
  { kind: 'namespace' as const, name: 'shop', labels: {}, at: { evidence: 'x' } },
  { kind: 'namespace' as const, name: 'front', labels: { tier: 'front' }, at: { evidence: 'x' } },
];
const peer = (values: Partial<PolicyPeer>): PolicyPeer => ({
  podSelector: null,
  namespaceSelector: null,
  ipBlock: null,
  ...values,
});
const labelled = (matchLabels: Record<string, string>) => ({ matchLabels, matchExpressions: [] });
const judge = (
  policies: readonly ReturnType<typeof kubePolicy>[],
  {
    from = web,
    address = '10.244.1.3',
    port = 8080,
    direction = 'ingress',
  }: { from?: KubePod | null; address?: string; port?: number; direction?: 'ingress' | 'egress' } = {},
) => {
  const own = direction === 'ingress' ? server : web;
  const other = direction === 'ingress' ? { address, pod: from ?? undefined } : { address: '10.244.2.7', pod: server };
  const facts = cluster({ policies, namespaces });
  return policyVerdict(facts, { pod: own, direction, other, port, protocol: 'tcp' }).how;
};
const letting = (peers: PolicyPeer[], ports: Parameters<typeof port>[0][] = []) =>
  kubePolicy({ ingress: [{ peers, ports: ports.map(port) }] });
const port = (values: { port?: number | string | null; endPort?: number | null; protocol?: 'tcp' | 'udp' }) => ({
  protocol: values.protocol ?? ('tcp' as const),
  port: values.port ?? null,
  endPort: values.endPort ?? null,
});

describe('what NetworkPolicies say of a connect', () => {
  it('without a policy that selects the pod for the direction everything passes', () => {
    expect(judge([])).toBe('notSelected');
    expect(judge([kubePolicy({ namespace: 'other' })])).toBe('notSelected');
    expect(judge([kubePolicy({ pods: labelled({ app: 'stock' }) })])).toBe('notSelected');
    expect(judge([kubePolicy({ ingress: null, egress: [] })])).toBe('notSelected');
  });

  it('a policy without rules denies all, one with an empty rule lets all in, and one of several is enough', () => {
    expect(judge([kubePolicy({ ingress: [] })])).toBe('denied');
    expect(judge([letting([])])).toBe('allowed');
    expect(judge([kubePolicy({ ingress: [] }), kubePolicy({ name: 'b' })])).toBe('allowed');
  });

  it('a selector of pods alone means the namespace of the policy', () => {
    expect(judge([kubePolicy()])).toBe('allowed');
    expect(judge([kubePolicy()], { from: foreign })).toBe('denied');
    expect(judge([kubePolicy()], { from: kubePod({ labels: { role: 'job' } }) })).toBe('denied');
  });

  it('a selector of namespaces needs their labels, and both selectors of one peer must hold', () => {
    const front = labelled({ tier: 'front' });
    expect(judge([letting([peer({ namespaceSelector: front })])], { from: foreign })).toBe('allowed');
    expect(judge([letting([peer({ namespaceSelector: front })])])).toBe('denied');
    const both = letting([peer({ namespaceSelector: front, podSelector: labelled({ role: 'job' }) })]);
    expect(judge([both], { from: foreign })).toBe('denied');
    const unknown = kubePod({ ...web, namespace: 'unread' });
    expect(judge([letting([peer({ namespaceSelector: front })])], { from: unknown })).toBe('unknown');
  });

  it('blocks of addresses, with exceptions; who is no pod matches no selector', () => {
    const block = letting([peer({ ipBlock: { cidr: '10.244.0.0/16', except: ['10.244.1.0/24'] } })]);
    expect(judge([block], { from: null, address: '10.244.9.9' })).toBe('allowed');
    expect(judge([block], { from: null })).toBe('denied');
    expect(judge([letting([peer({ podSelector: labelled({}) })])], { from: null })).toBe('denied');
  });

  it('ports by number, range, name and protocol', () => {
    expect(judge([letting([], [{ port: 8080 }])])).toBe('allowed');
    expect(judge([letting([], [{ port: 80 }])])).toBe('denied');
    expect(judge([letting([], [{ port: 8000, endPort: 8100 }])])).toBe('allowed');
    expect(judge([letting([], [{ port: 'http' }])])).toBe('allowed');
    expect(judge([letting([], [{ port: 'metrics' }])])).toBe('denied');
    expect(judge([letting([], [{ port: 8080, protocol: 'udp' }])])).toBe('denied');
    expect(judge([letting([], [{}])])).toBe('allowed');
  });

  it('out of the client: the other side is the server, and a name of a port is its', () => {
    const out = (ports: Parameters<typeof port>[0][]) =>
      kubePolicy({
        ingress: null,
        egress: [{ peers: [peer({ podSelector: labelled({ app: 'cart' }) })], ports: ports.map(port) }],
      });
    expect(judge([out([])], { direction: 'egress' })).toBe('allowed');
    expect(judge([out([{ port: 'http' }])], { direction: 'egress' })).toBe('allowed');
    expect(judge([out([{ port: 53, protocol: 'udp' }])], { direction: 'egress' })).toBe('denied');
  });

  it('policies that were not all read say nothing', () => {
    const question = {
      pod: server,
      direction: 'ingress',
      other: { address: 'x', pod: web },
      port: 1,
      protocol: 'tcp',
    } as const;
    expect(policyVerdict(cluster({ missing: { policies: 'forbidden' } }), question).how).toBe('unknown');
  });

  it('expressions', () => {
    const selector = (operator: string, values: string[] = []) => ({
      matchLabels: {},
      matchExpressions: [{ key: 'role', operator, values }],
    });
    const has = { role: 'web' };
    expect(selects(selector('In', ['web']), has)).toBe(true);
    expect(selects(selector('In', ['web']), {})).toBe(false);
    expect(selects(selector('NotIn', ['web']), {})).toBe(true);
    expect(selects(selector('NotIn', ['web']), has)).toBe(false);
    expect(selects(selector('Exists'), has)).toBe(true);
    expect(selects(selector('DoesNotExist'), has)).toBe(false);
    expect(selects(selector('Gt', ['1']), has)).toBe(false);
  });
});
