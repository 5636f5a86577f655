import { describe, expect, it } from 'vitest';
import type { AnyRule } from '../../src/model/rule.ts';
import { cniMtuMismatch } from '../../src/rules/cni-mtu-mismatch.ts';
import { conntrackFull } from '../../src/rules/conntrack-full.ts';
import { cpuThrottle } from '../../src/rules/cpu-throttle.ts';
import { etpLocalNoEndpoint } from '../../src/rules/etp-local-no-endpoint.ts';
import {
  durationSec,
  ipvsTimeoutOrigin,
  kubeProxyConfigText,
  liberalOrigin,
} from '../../src/rules/kube-proxy-config.ts';
import { kubeProxyStale } from '../../src/rules/kube-proxy-stale.ts';
import { networkpolicyDeny } from '../../src/rules/networkpolicy-deny.ts';
import { noEndpoints } from '../../src/rules/no-endpoints.ts';
import { noRoute } from '../../src/rules/no-route.ts';
import { portClosed } from '../../src/rules/port-closed.ts';
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
  readAtMs,
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
  listener,
  port1301,
  probe,
  refused,
  sysctls,
  target,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { cart, kubeRules, podA, podB } from './kube-facts.ts';

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
  it('names the port by which a load balancer would know', () => {
    const service = { ...nodePort('Local'), healthCheckNodePort: 32_001 };
    const told = judge(etpLocalNoEndpoint, {
      ...facts('Local'),
      cluster: cluster({ services: [service], endpoints: [elsewhere] }),
    });
    expect(told.said).toContain('healthCheckNodePort 32001 answers 503 on node-50');
    expect(judge(etpLocalNoEndpoint, facts('Local')).said).not.toContain('healthCheckNodePort');
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
    const steady = judge(rolloutEndpointLag, {
      ...facts,
      cluster: cluster({ earlier: { endpoints: [kubeEndpoint()] } }),
    });
    expect(steady.verdict).toBe('ruledOut');
    expect(steady.said).toContain('is no matter of a rollout');
    const later = cluster({ earlier: { endpoints: [kubeEndpoint({ ready: false })] } });
    expect(judge(rolloutEndpointLag, { ...facts, cluster: later }).verdict).toBe('likely');
    const young = [kubePod({ startedAtMs: readAtMs - 20_000 })];
    const began = cluster({ earlier: { endpoints: [kubeEndpoint()] }, pods: young });
    expect(judge(rolloutEndpointLag, { ...facts, cluster: began }).verdict).toBe('likely');
    const unread = cluster({ earlier: { endpoints: [kubeEndpoint()] }, missing: { pods: 'forbidden' } });
    expect(judge(rolloutEndpointLag, { ...facts, cluster: unread }).verdict).toBe('likely');
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

describe('a Service that sends to a port which its pods do not have', () => {
  const portOf = (targetPort: number | string) => ({
    name: 'http',
    protocol: 'tcp' as const,
    port: target.port,
    targetPort,
    nodePort: null,
  });
  const named = cluster({
    services: [kubeService({ ports: [portOf('web')] })],
    endpoints: [kubeEndpoint({ ports: [] })],
  });
  it('fires: by a name that no pod has: endpoints are ready, and none has the port', () => {
    const found = judge(noEndpoints, { cluster: named, firewall: firewall(), probes: failed });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Service shop/cart has 1 endpoints, and none of them has its port http');
    expect(found.said).toContain(
      'targetPort "web" of Service shop/cart is the name of no port of pod shop/cart-1 (http 8080)',
    );
    expect(JSON.stringify(found.remedies[0]?.objects)).toContain(
      '"spec":{"ports":[{"name":"http","protocol":"TCP","port":1301,"targetPort":8080}]}',
    );
  });
  it('fires: endpoints that have only another port of the Service', () => {
    const other = { ...named, endpoints: [kubeEndpoint({ ports: [{ name: 'admin', port: 9090 }] })] };
    const found = judge(noEndpoints, { cluster: other, firewall: firewall(), probes: failed });
    expect(found.said).toContain('none of them has its port http');
  });
  it('fires: by a number that nobody listens on, while the pod listens on the port that it declares', () => {
    const numbered = cluster({ services: [kubeService({ ports: [portOf(8081)] })] });
    const made = askedService();
    const nodes = made.nodes.map((one) => (one.node.name === 'node-50' ? { ...one, netns: 'pod1' } : one));
    const more = { plan: { ...made, nodes }, target: { address: podAddress, port: 8081 } };
    const refusing = capture([refused({ server: { address: podAddress, port: 8081 } })]);
    const found = judge(
      portClosed,
      { listeners: [listener({ port: 8080 })], capture: refusing, cluster: numbered },
      more,
    );
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'Service shop/cart sends to port 8081, which pod shop/cart-1 does not declare (http 8080)',
    );
    expect(found.said).toContain('The pod does listen on port 8080');
    expect(JSON.stringify(found.remedies.at(-1)?.objects)).toContain('"targetPort":8080');
    const node = judge(
      portClosed,
      { listeners: [listener({ port: 8080 })], capture: refusing, cluster: numbered },
      { ...more, plan: made },
    );
    expect(node.said).not.toContain('targetPort');
  });
  it('stays silent: the port is declared, or several could be meant', () => {
    const right = cluster({ services: [kubeService({ ports: [portOf('http')] })] });
    expect(judge(noEndpoints, { cluster: right, firewall: firewall(), probes: failed }).verdict).toBe('ruledOut');
    const two = container({
      ports: [
        { name: 'http', port: 8080, protocol: 'tcp' },
        { name: 'admin', port: 9090, protocol: 'tcp' },
      ],
    });
    const found = judge(noEndpoints, {
      cluster: { ...named, pods: [kubePod({ containers: [two] })] },
      firewall: firewall(),
      probes: failed,
    });
    expect(found.said).toContain('http 8080, admin 9090');
    expect(found.remedies[0]?.objects).toBeUndefined();
  });
  it('missing evidence: pods that were not read', () => {
    const { pods: _pods, ...without } = named;
    expect(judge(noEndpoints, { cluster: without, firewall: firewall(), probes: failed }).said).not.toContain(
      'targetPort',
    );
  });
});

describe('what kube-proxy is told', () => {
  const config = (mode: string, settings: Record<string, string> = {}) => ({
    kind: 'kubeProxyConfig' as const,
    mode,
    clusterCidr: null,
    settings,
    at: at('09-proxy.out', 1),
  });
  const healthy = { mode: 'iptables', healthy: true, at: at('09-kube-proxy.out') };
  it('another mode than it runs in is told, and accuses nobody', () => {
    const found = judge(kubeProxyStale, { kubeProxy: healthy, cluster: cluster({ proxyConfig: config('ipvs') }) });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('says mode ipvs, and kube-proxy here runs iptables');
    const same = judge(kubeProxyStale, { kubeProxy: healthy, cluster: cluster({ proxyConfig: config('') }) });
    expect(same.said).not.toContain('mode');
  });
  it('rules of another mode that were left behind, to other backends', () => {
    const both = {
      features: features(),
      ipvs: ipvs({
        services: [service({ address: cart.address, port: cart.port, servers: [{ ...podA, weight: 1 }] })],
      }),
      firewall: kubeRules(),
      kubeProxy: { ...healthy, mode: 'ipvs' },
    };
    const found = judge(kubeProxyStale, both, { target: cart });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('This node has rules of two modes for 10.96.0.20:80');
    expect(found.remedies.map(({ commands }) => commands[0])).toContain('kube-proxy --cleanup');
    expect(judge(kubeProxyStale, { ...both, ipvs: undefined, features: features([]) }, { target: cart }).verdict).toBe(
      'ruledOut',
    );
    const alike = ipvs({
      services: [
        service({
          address: cart.address,
          port: cart.port,
          servers: [podA, podB].map((one) => ({ ...one, weight: 1 })),
        }),
      ],
    });
    expect(judge(kubeProxyStale, { ...both, ipvs: alike }, { target: cart }).verdict).toBe('ruledOut');
  });
  it('where the size of the table and the time-out of IPVS come from', () => {
    const known = cluster({
      proxyConfig: config('ipvs', { 'conntrack.maxPerCore': '32768', 'conntrack.min': '131072' }),
    });
    const full = { 'net.netfilter.nf_conntrack_max': '100', 'net.netfilter.nf_conntrack_count': '100' };
    const found = judge(conntrackFull, { sysctl: sysctls(full), cluster: known });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('says conntrack.maxPerCore 32768, conntrack.min 131072: it sets nf_conntrack_max');
    expect(judge(conntrackFull, { sysctl: sysctls(full), cluster: cluster() }).said).not.toContain('ConfigMap');

    const say = kubeProxyConfigText.en;
    const told = (settings: Record<string, string>, seconds: number): string =>
      ipvsTimeoutOrigin(cluster({ proxyConfig: config('ipvs', settings) }), seconds, say)[0]?.text ?? '';
    expect(told({ 'ipvs.tcpTimeout': '15m0s' }, 900)).toContain('15m0s, and that is what is in force here');
    expect(told({ 'ipvs.tcpTimeout': '2h0m0s' }, 900)).toContain('was not started again since');
    expect(told({ 'ipvs.tcpTimeout': '0s' }, 900)).toContain('does not set ipvs.tcpTimeout: the default of the kernel');
    expect(told({}, 7200)).toContain('does not set ipvs.tcpTimeout');
    expect(ipvsTimeoutOrigin(apiDown, 900, say)).toEqual([]);
    expect(['1h2m3s', '90s', 'soon', ''].map(durationSec)).toEqual([3723, 90, null, null]);
  });
  it('whether packets outside of the window pass', () => {
    const say = kubeProxyConfigText.en;
    const told = (value?: string): string =>
      liberalOrigin(
        cluster({ proxyConfig: config('', value === undefined ? {} : { 'conntrack.tcpBeLiberal': value }) }),
        false,
        say,
      )[0]?.text ?? '';
    expect(told('true')).toContain('was not started again since');
    expect(told('false')).toContain('in force here');
    expect(told()).toContain('does not set conntrack.tcpBeLiberal');
    expect(liberalOrigin(apiDown, false, say)).toEqual([]);
  });
});

describe('conditions and taints of nodes', () => {
  it('a route that is missing belongs to the pod range of a node', () => {
    const routeGet = [{ to: target.address, verdict: 'network-unreachable', at: at('08-route-get.out', 1) }];
    const failing = { routeGet, probes: failed };
    const client = { node: 'node-12' };
    const known = cluster({
      nodes: [kubeNode('node-50', { podCidrs: ['10.51.2.0/24'] }), kubeNode('node-12', { podCidrs: ['10.12.0.0/24'] })],
    });
    const found = judge(noRoute, { ...failing, cluster: known }, client);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.51.2.2 is in the pod range 10.51.2.0/24 of node node-50');
    expect(found.said).not.toContain('10.12.0.0/24');
    expect(judge(noRoute, { ...failing, cluster: apiDown }, client).said).not.toContain('pod range');
  });
  it('are told with the pods that are not ready there', () => {
    const nodes = [
      kubeNode('node-50', {
        troubles: ['NetworkUnavailable'],
        taints: [
          { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' },
          { key: 'role', effect: 'NoSchedule' },
        ],
      }),
    ];
    const found = judge(noEndpoints, { cluster: { ...empty, nodes }, firewall: firewall(), probes: failed });
    expect(found.said).toContain('node node-50 reports NetworkUnavailable');
    expect(found.said).toContain('has the taint node.kubernetes.io/unreachable:NoExecute');
    expect(found.said).not.toContain('role:');
    expect(judge(noEndpoints, { cluster: empty, firewall: firewall(), probes: failed }).said).not.toContain('taint');
  });
});

describe('limits and MTUs in their own objects', () => {
  const listeners = [listener()];
  const cpu = { periods: 1000, throttledPeriods: 400, throttledUsec: 9e6, at: at('20-processes.out', 1) };
  const throttled = (cpuLimit: string | null) => ({
    listeners,
    listenerProcesses: [{ pid: 4711, cpu, at: at('20-processes.out', 1) }],
    cluster: cluster({
      pods: [kubePod({ addresses: [target.address], containers: [container({ cpuLimit, ports: [] })] })],
    }),
  });
  it('the CPU limit of the pod, and twice of it', () => {
    const found = judge(cpuThrottle, throttled('500m'));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('CPU limits of pod shop/cart-1: app 500m');
    expect(JSON.stringify(found.remedies[0]?.objects)).toContain(
      '"containers":[{"name":"app","resources":{"limits":{"cpu":"1000m"}}}]',
    );
    for (const cpuLimit of [null, '1e3'])
      expect(judge(cpuThrottle, throttled(cpuLimit)).remedies[0]?.objects).toBeUndefined();
  });
  it('flannel: its own document with the MTU in it; where it was not read whole, the text is changed in its place', () => {
    const links = [link({ mtu: 1500 }), link({ name: 'flannel.1', index: 9, type: 'vxlan', mtu: 1500 })];
    const routes = [{ family: 4, destination: 'default', type: 'unicast', device: 'eth0', at: at('09-routes.out', 1) }];
    const flannel = (document: string | null) =>
      cluster({
        cni: [
          {
            kind: 'cniConfig',
            plugin: 'flannel',
            where: 'ConfigMap kube-flannel/kube-flannel-cfg',
            mtu: null,
            mtuKey: 'net-conf.json Backend.MTU',
            encapsulation: 'vxlan',
            document,
            settings: {},
            at: at('10-cni.out', 1),
          },
        ],
      });
    const whole = judge(cniMtuMismatch, {
      links,
      routes,
      cluster: flannel('{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","VNI":1}}'),
    });
    expect(whole.verdict).toBe('likely');
    const data = (whole.remedies.at(-1)?.objects?.[0]?.object['data'] ?? {}) as Record<string, string>;
    expect(JSON.parse(data['net-conf.json'] ?? '')).toEqual({
      Network: '10.244.0.0/16',
      Backend: { Type: 'vxlan', VNI: 1, MTU: 1450 },
    });
    for (const known of [flannel(null), apiDown]) {
      const found = judge(cniMtuMismatch, { links, routes, cluster: known });
      expect(found.remedies.at(-1)?.objects).toBeUndefined();
      expect(found.remedies.at(-1)?.commands[0]).toContain('"MTU": 1450');
      expect(found.remedies.at(-1)?.commands[0]).toMatch(/\| kubectl diff -f -$/);
    }
  });
});
