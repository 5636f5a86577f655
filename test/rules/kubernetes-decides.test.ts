import { describe, expect, it } from 'vitest';
import type { AnyRule } from '../../src/model/rule.ts';
import { cniMtuMismatch } from '../../src/rules/cni-mtu-mismatch.ts';
import { etpLocalNoEndpoint } from '../../src/rules/etp-local-no-endpoint.ts';
import { kubeProxyStale } from '../../src/rules/kube-proxy-stale.ts';
import { networkpolicyDeny } from '../../src/rules/networkpolicy-deny.ts';
import { noEndpoints } from '../../src/rules/no-endpoints.ts';
import { rolloutEndpointLag } from '../../src/rules/rollout-endpoint-lag.ts';
import {
  apiDown,
  askedService,
  cluster,
  container,
  kubeEndpoint,
  kubeEvent,
  kubeNode,
  kubePod,
  kubePolicy,
  kubeService,
  podAddress,
} from './cluster-facts.ts';
import {
  answered,
  at,
  capture,
  connection,
  firewall,
  firewallRule,
  judgeNode,
  link,
  port1301,
  probe,
  target,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';

/** Rules that decide without Kubernetes as well: what its objects add, and that nothing is guessed without them. */
const judge = (rule: AnyRule, facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: features([]), ...facts }, ...more });
const lost = capture([connection({ handshake: 'unanswered', tries: 3 })]);
const failed = [probe({ outcome: 'timedOut' })];
const notReady = kubePod({
  ready: false,
  notReadyWhy: 'ContainersNotReady: containers with unready status: [app]',
  containers: [container({ ready: false, state: 'waiting', reason: 'CrashLoopBackOff' })],
});
const empty = cluster({ endpoints: [kubeEndpoint({ ready: false, serving: false })], pods: [notReady] });

describe('no-endpoints with Kubernetes', () => {
  it('names the pods and why they are not ready, also where the node shows nothing', () => {
    const found = judge(noEndpoints, { cluster: empty, firewall: firewall(), probes: failed });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Service shop/cart has 1 endpoints, and none of them is ready');
    expect(found.said).toContain('Pod shop/cart-1 on node-50 is not ready: CrashLoopBackOff');
    expect(found.remedies[0]?.commands.join()).toContain('kubectl -n shop describe service cart');
    expect(judge(noEndpoints, { cluster: empty, firewall: firewall() }).verdict).toBe('likely');
    const event = { ...empty, events: [kubeEvent({ reason: 'BackOff', message: 'restarting failed container' })] };
    expect(judge(noEndpoints, { cluster: event, firewall: firewall() }, { language: 'zh' }).said).toContain('BackOff');
  });
  it('a selector that matches nothing', () => {
    const nobody = cluster({ endpoints: [], pods: [] });
    expect(judge(noEndpoints, { cluster: nobody, firewall: firewall() }).said).toContain('app=cart matches no pod');
  });
  it('endpoints that are ready refute it, whatever the node shows; so does one that ends and still serves', () => {
    const drained = { features: features(), ipvs: ipvs({ services: [service({ servers: [] })] }), probes: failed };
    expect(judge(noEndpoints, drained).verdict).toBe('confirmed');
    expect(judge(noEndpoints, { ...drained, cluster: cluster() }).verdict).toBe('ruledOut');
    const ending = cluster({ endpoints: [kubeEndpoint({ ready: false, terminating: true })] });
    expect(judge(noEndpoints, { ...drained, cluster: ending }).verdict).toBe('ruledOut');
  });
  it('an API that is down leaves a question about a Service open', () => {
    const found = judge(noEndpoints, { cluster: apiDown, firewall: firewall() }, { plan: askedService() });
    expect(found.missing[0]).toMatchObject({ fact: 'cluster' });
    expect(judge(noEndpoints, { cluster: apiDown, firewall: firewall() }).verdict).toBe('notApplicable');
    const part = cluster({ missing: { endpoints: 'forbidden' } });
    expect(judge(noEndpoints, { cluster: part, firewall: firewall() }, { plan: askedService() }).verdict).toBe(
      'unknown',
    );
  });
});

describe('etp-local-no-endpoint with Kubernetes', () => {
  const port = { name: 'http', protocol: 'tcp' as const, port: 80, targetPort: 8080, nodePort: target.port };
  const nodePort = (policy: string) =>
    kubeService({ type: 'NodePort', addresses: ['10.96.0.9'], ports: [port], externalTrafficPolicy: policy });
  const addresses = [{ device: 'eth0', address: target.address, prefix: 24, family: 4, at: at('05-addresses.out') }];
  const elsewhere = kubeEndpoint({ node: 'node-12', address: '10.244.1.9' });
  const facts = (policy: string, endpoints = [elsewhere]) => ({
    cluster: cluster({ services: [nodePort(policy)], endpoints }),
    addresses,
    capture: lost,
    firewall: firewall(),
  });
  it('Local, and the pods are on other nodes: confirmed with a connect that got no answer', () => {
    const found = judge(etpLocalNoEndpoint, facts('Local'));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('no ready endpoint of Service shop/cart is on node-50; there are some on node-12');
    expect(judge(etpLocalNoEndpoint, { ...facts('Local'), capture: undefined }).verdict).toBe('likely');
    expect(found.remedies.at(-1)?.commands[0]).toContain('-n shop cart');
  });
  it('Cluster, a pod here, or no pod anywhere refute it', () => {
    expect(judge(etpLocalNoEndpoint, facts('Cluster')).verdict).toBe('ruledOut');
    expect(judge(etpLocalNoEndpoint, facts('Local', [kubeEndpoint()])).verdict).toBe('ruledOut');
    expect(judge(etpLocalNoEndpoint, facts('Local', [])).verdict).toBe('ruledOut');
  });
  it('internalTrafficPolicy Local of a ClusterIP counts on the node that sends', () => {
    const inside = kubeService({ internalTrafficPolicy: 'Local' });
    const here = { cluster: cluster({ services: [inside], endpoints: [kubeEndpoint()] }), firewall: firewall() };
    expect(judge(etpLocalNoEndpoint, { ...here, capture: lost }, { node: 'node-12' }).verdict).toBe('confirmed');
    expect(judge(etpLocalNoEndpoint, { ...here, capture: lost }).verdict).toBe('ruledOut');
  });
  it('a node that Kubernetes does not know is judged by its own rules', () => {
    const strange = {
      ...facts('Local'),
      cluster: cluster({ services: [nodePort('Local')], endpoints: [elsewhere], nodes: [] }),
    };
    expect(judge(etpLocalNoEndpoint, strange).verdict).toBe('notApplicable');
  });
});

describe('networkpolicy-deny with Kubernetes', () => {
  const toPod = capture([
    connection({ server: { address: podAddress, port: 8080 }, handshake: 'unanswered', tries: 3 }),
  ]);
  const links = [link({ name: 'cilium_host' })];
  const denying = cluster({ policies: [kubePolicy()] });
  it('Cilium has no chains: the policy is named, and confirmed where connects get no answer', () => {
    const found = judge(networkpolicyDeny, { firewall: firewall(), links, capture: toPod, cluster: denying });
    expect(found.verdict).toBe('likely');
    // the client of the question is a node: those may be let in all the same
    const pods = [kubePod(), kubePod({ namespace: 'web', name: 'web-0', addresses: ['10.12.1.2'], node: 'node-9' })];
    const asPod = cluster({ policies: [kubePolicy()], pods });
    const plan = askedService();
    const client = plan.nodes.map((one) =>
      one.roles.includes('client') ? { ...one, netns: 'pod1', node: { ...one.node, name: 'node-12@web.web-0' } } : one,
    );
    const sure = judge(
      networkpolicyDeny,
      { firewall: firewall(), links, capture: toPod, cluster: asPod },
      { plan: { ...plan, nodes: client } },
    );
    expect(sure.verdict).toBe('confirmed');
    expect(sure.said).toContain(
      'NetworkPolicy shop/only-web selects pod shop/cart-1 and has no rule for connects from web/web-0',
    );
  });
  it('nobody is seen to enforce it: likely', () => {
    const found = judge(networkpolicyDeny, { firewall: firewall(), links: [], capture: toPod, cluster: denying });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('Who enforces policies here was not seen');
  });
  it('packets that pass refute it; a policy that lets the client in says nothing', () => {
    const passing = capture([answered({ server: { address: podAddress, port: 8080 } })]);
    const facts = { firewall: firewall(), links, cluster: denying };
    expect(judge(networkpolicyDeny, { ...facts, capture: passing }).verdict).toBe('ruledOut');
    const open = cluster({ policies: [kubePolicy({ ingress: [{ peers: [], ports: [] }] })] });
    expect(judge(networkpolicyDeny, { firewall: firewall(), links: [], capture: toPod, cluster: open }).verdict).toBe(
      'notApplicable',
    );
  });
  it('policies that are forbidden leave a question about a Service open', () => {
    const forbidden = cluster({ missing: { policies: 'networkpolicies is forbidden' } });
    const found = judge(
      networkpolicyDeny,
      { firewall: firewall(), links: [], cluster: forbidden },
      { plan: askedService() },
    );
    expect(found.missing[0]?.why).toContain('networkpolicies is forbidden');
    const fine = { firewall: firewall(), links: [], cluster: forbidden, capture: capture([answered()]) };
    expect(judge(networkpolicyDeny, fine, { plan: askedService() }).verdict).toBe('notApplicable');
  });
});

describe('kube-proxy-stale with Kubernetes', () => {
  const healthy = { mode: 'ipvs', healthy: true, at: at('09-kube-proxy.out') };
  const endpoints = [kubeEndpoint()];
  const table = (address: string) => ({
    features: features(),
    ipvs: ipvs({ services: [service({ servers: [{ address, port: 8080, weight: 1 }] })] }),
    kubeProxy: healthy,
  });
  it('a server that Kubernetes has not, and one that the node has not', () => {
    const both = cluster({ earlier: { endpoints } });
    expect(judge(kubeProxyStale, { ...table(podAddress), cluster: both }).verdict).toBe('ruledOut');
    const found = judge(kubeProxyStale, { ...table('10.244.9.9'), cluster: both });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('still sends shop/cart to 10.244.9.9:8080 (ipvs)');
    expect(found.said).toContain('10.244.2.7 is a ready endpoint of shop/cart');
  });
  it('no server at all on the node, and ready ones in Kubernetes', () => {
    const both = cluster({ earlier: { endpoints } });
    const empty = { ...table(podAddress), ipvs: ipvs({ services: [service({ servers: [] })] }), cluster: both };
    const found = judge(kubeProxyStale, empty);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 endpoints of shop/cart are ready in Kubernetes');
    expect(judge(kubeProxyStale, { ...empty, cluster: cluster() }).verdict).toBe('ruledOut');
    // kube-proxy in iptables mode says so in a rule
    const rejected = firewall(
      firewallRule({
        chain: 'KUBE-SERVICES',
        verdict: 'reject',
        text: '-A KUBE-SERVICES -d 10.51.2.2/32 -p tcp -m comment --comment "shop/cart:http has no endpoints" -m tcp --dport 1301 -j REJECT',
        match: { ...port1301, destinations: ['10.51.2.2/32'] },
      }),
    );
    const rules = { features: features(), kubeProxy: healthy, firewall: rejected, cluster: both };
    expect(judge(kubeProxyStale, rules).said).toContain('this node has none at all (-A KUBE-SERVICES');
  });
  it('one reading is no lag: the second has not come, or differs', () => {
    expect(judge(kubeProxyStale, { ...table('10.244.9.9'), cluster: cluster() }).verdict).toBe('ruledOut');
    const changed = cluster({ earlier: { endpoints: [kubeEndpoint({ address: '10.244.9.9' })] } });
    expect(judge(kubeProxyStale, { ...table('10.244.9.9'), cluster: changed }).verdict).toBe('ruledOut');
  });
  it('its pod on this node is not ready, or is not there', () => {
    const set = {
      kind: 'workload',
      type: 'daemonset',
      namespace: 'kube-system',
      name: 'kube-proxy',
      wanted: 3,
      ready: 2,
    } as const;
    const workloads = [{ ...set, at: at('proxy') }];
    const pod = (ready: boolean) =>
      kubePod({
        namespace: 'kube-system',
        name: 'kube-proxy-x',
        labels: { 'k8s-app': 'kube-proxy' },
        ready,
        notReadyWhy: 'why',
      });
    const silent = { kubeProxy: { at: at('09-kube-proxy.out') } };
    const down = judge(kubeProxyStale, { ...silent, cluster: cluster({ workloads, pods: [pod(false)] }) });
    expect(down.said).toContain('pod kube-system/kube-proxy-x (kube-proxy) on node-50 is not ready: why');
    expect(judge(kubeProxyStale, { ...silent, cluster: cluster({ workloads, pods: [] }) }).said).toContain(
      '2 of 3 ready',
    );
    expect(judge(kubeProxyStale, { ...silent, cluster: cluster({ workloads, pods: [pod(true)] }) }).verdict).toBe(
      'notApplicable',
    );
    expect(judge(kubeProxyStale, { ...silent, cluster: apiDown }).verdict).toBe('notApplicable');
  });
});

describe('other rules with Kubernetes', () => {
  it('rollout-endpoint-lag: a silent backend that is ending is no longer a guess', () => {
    const backend = { address: podAddress, port: 8080 };
    const facts = {
      features: features(),
      ipvs: ipvs({ services: [service({ servers: [{ ...backend, weight: 1 }] })] }),
      capture: capture([connection({ server: backend, handshake: 'unanswered', tries: 3 })]),
    };
    const alone = judge(rolloutEndpointLag, facts);
    expect(alone.verdict).toBe('likely');
    expect(alone.said).toContain('only Kubernetes tells');
    const going = cluster({
      endpoints: [kubeEndpoint({ ready: false, terminating: true })],
      pods: [kubePod({ deletedAtMs: 1 })],
    });
    const found = judge(rolloutEndpointLag, { ...facts, cluster: going });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Pod shop/cart-1 on node-50 is being deleted');
    expect(judge(rolloutEndpointLag, { ...facts, cluster: cluster() }).verdict).toBe('likely');
    const sticky = cluster({ services: [kubeService({ sessionAffinity: 'ClientIP', affinityTimeoutSec: 600 })] });
    expect(judge(rolloutEndpointLag, { ...facts, cluster: sticky }).said).toContain('sent there again for 600 s');
    const down = cluster({ nodes: [kubeNode('node-50', { ready: 'Unknown', notReadyWhy: 'NodeStatusUnknown' })] });
    expect(judge(rolloutEndpointLag, { ...facts, cluster: down }).said).toContain('node node-50 is not ready');
  });
  it('cni-mtu-mismatch: where the value comes from', () => {
    const links = [
      link({ name: 'eth0', mtu: 1500 }),
      link({ name: 'tunl0', mtu: 1500, type: 'ipip' }),
      link({ name: 'cali0123456789a', mtu: 1500 }),
    ];
    const routes = [{ destination: 'default', type: 'unicast', device: 'eth0', at: at('06-routes.out') }];
    const cni = (mtu: number) =>
      cluster({
        cni: [
          {
            kind: 'cniConfig',
            plugin: 'calico',
            where: 'ConfigMap kube-system/calico-config',
            mtu,
            mtuKey: 'veth_mtu',
            encapsulation: null,
            settings: {},
            at: at('cni'),
          },
        ],
      });
    const said = (mtu: number): string => judge(cniMtuMismatch, { links, routes, cluster: cni(mtu) }).said;
    expect(said(1500)).toContain('calico-config sets veth_mtu 1500 for pods, and at most 1480 fits');
    expect(said(1440)).toContain('which fits (1480)');
    expect(said(0)).not.toContain('calico-config');
  });
});
