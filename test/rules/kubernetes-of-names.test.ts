import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../src/model/cluster-facts.ts';
import type { KubeNode, KubePod } from '../../src/model/cluster-objects.ts';
import type { Route } from '../../src/model/facts.ts';
import type { AnyRule } from '../../src/model/rule.ts';
import { dns5s } from '../../src/rules/dns-5s.ts';
import { dnsBadNameserver } from '../../src/rules/dns-bad-nameserver.ts';
import { dnsMusl } from '../../src/rules/dns-musl.ts';
import { dnsNdots } from '../../src/rules/dns-ndots.ts';
import { dnsNsswitch } from '../../src/rules/dns-nsswitch.ts';
import { dnsRateLimit } from '../../src/rules/dns-rate-limit.ts';
import { dnsResolvconfLimits } from '../../src/rules/dns-resolvconf-limits.ts';
import { dnsSearchHijack } from '../../src/rules/dns-search-hijack.ts';
import { lbLoopback } from '../../src/rules/lb-loopback.ts';
import {
  apiDown,
  cluster,
  container,
  kubeEndpoint,
  kubeEvent,
  kubeNode,
  kubePod,
  kubePolicy,
  kubeService,
  readAtMs,
} from './cluster-facts.ts';
import { asked, clusterDns, dnsCapture, pod as asker } from './dns-facts.ts';
import {
  answered,
  at,
  capture,
  connection,
  counters,
  judgeNode,
  judgeOnCapture,
  link,
  plan,
  refused,
  target,
} from './facts.ts';
import { features } from './ipvs-facts.ts';

/** What Kubernetes adds to the rules about names, and to that about load balancers: told, and never guessed. */
const where = 'ConfigMap kube-system/coredns';
const corefile = (plugins: readonly string[], forwards: readonly string[], zones: readonly string[] = ['.:53']) => [
  {
    kind: 'dnsConfig' as const,
    where,
    servers: [{ zones: [...zones], plugins: [...plugins], forwards: [...forwards] }],
    at: at('10-dns.out', 1),
  },
];
const dnsPort = (protocol: 'tcp' | 'udp') => ({
  name: protocol === 'udp' ? 'dns' : 'dns-tcp',
  protocol,
  port: 53,
  targetPort: 53,
  nodePort: null,
});
const kubeDns = (protocols: readonly ('tcp' | 'udp')[] = ['udp', 'tcp']) =>
  kubeService({
    namespace: 'kube-system',
    name: 'kube-dns',
    addresses: [clusterDns],
    ports: protocols.map(dnsPort),
    selector: { 'k8s-app': 'kube-dns' },
  });
const dnsEndpoint = (address: string, values: object = {}) =>
  kubeEndpoint({
    service: 'kube-system/kube-dns',
    address,
    ports: [
      { name: 'dns', port: 53 },
      { name: 'dns-tcp', port: 53 },
    ],
    ...values,
  });
const coredns = (address: string, values: Partial<KubePod> = {}) =>
  kubePod({
    namespace: 'kube-system',
    name: `coredns-${address.split('.').at(-1) ?? ''}`,
    labels: { 'k8s-app': 'kube-dns' },
    addresses: [address],
    ...values,
  });
const web = (values: Partial<KubePod> = {}) =>
  kubePod({
    namespace: 'web',
    name: 'web-0',
    labels: { role: 'web' },
    node: 'node-12',
    addresses: [asker],
    dnsPolicy: 'ClusterFirst',
    dnsConfig: null,
    hostAliases: [],
    ...values,
  });
const cache = kubePod({
  namespace: 'kube-system',
  name: 'node-local-dns-x',
  labels: { 'k8s-app': 'node-local-dns' },
  node: 'node-12',
  addresses: [],
  hostNetwork: true,
});
const names = (values: Partial<Cluster> = {}): Cluster =>
  cluster({
    services: [kubeDns()],
    endpoints: [dnsEndpoint('10.244.2.2'), dnsEndpoint('10.244.3.2')],
    pods: [web(), coredns('10.244.2.2'), coredns('10.244.3.2')],
    dns: corefile(['errors', 'forward', 'cache'], ['/etc/resolv.conf']),
    ...values,
  });
const config = (values: Partial<NonNullable<KubePod['dnsConfig']>>) => ({
  nameservers: [],
  searches: [],
  options: [],
  ...values,
});
const onCapture = (
  rule: AnyRule,
  given: ReturnType<typeof dnsCapture>,
  known?: Cluster,
  language: 'en' | 'zh' = 'en',
) => judgeOnCapture(rule, given, {}, language, known === undefined ? {} : { cluster: known });
const draftsOf = (found: ReturnType<typeof judgeNode>) =>
  JSON.stringify(found.remedies.flatMap(({ objects }) => objects ?? []));

describe('dns-5s with Kubernetes', () => {
  const lookup = (server: string = clusterDns) =>
    dnsCapture([
      asked('api.example.com', { port: 40_000, server }),
      asked('api.example.com', {
        port: 40_000,
        server,
        type: 'AAAA',
        atMs: 1000.2,
        addresses: [],
        tookMs: 5003,
        queries: 2,
      }),
    ]);
  it('fires: the address is that of a Service, which is where the race can be; the pod has no options', () => {
    const found = onCapture(dns5s, lookup(), names());
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('10.96.0.10 is the address of Service kube-system/kube-dns');
    expect(found.said).toContain('one of its 2 ready endpoints');
    expect(found.said).toContain('pod web/web-0 has dnsPolicy ClusterFirst and no dnsConfig');
    expect(onCapture(dns5s, lookup(), names(), 'zh').said).toContain('是 Service kube-system/kube-dns 的地址');
  });
  it('stays silent of the race where the cache of the node takes the questions, and points there', () => {
    const pods = [web(), cache];
    const found = onCapture(dns5s, lookup('169.254.20.10'), names({ pods }));
    expect(found.said).toContain('is the cache of the node (pod kube-system/node-local-dns-x)');
    expect(found.said).not.toContain('insert_failed');
    expect(found.remedies.map(({ commands }) => commands)).toEqual([
      ['kubectl -n kube-system logs node-local-dns-x --tail=100'],
    ]);
    const proxyConfig = {
      kind: 'kubeProxyConfig',
      mode: 'ipvs',
      clusterCidr: null,
      settings: {},
      at: at('09-proxy.out'),
    } as const;
    const passed = onCapture(dns5s, lookup(), names({ pods, proxyConfig }));
    expect(passed.said).toContain('these questions passed it by');
    const taken = onCapture(dns5s, lookup(), names({ pods, proxyConfig: { ...proxyConfig, mode: '' } }));
    expect(taken.said).toContain('is the cache of the node');
    const elsewhere = onCapture(dns5s, lookup(), names({ pods: [web(), { ...cache, node: 'node-50' }] }));
    expect(elsewhere.said).not.toContain('node-local-dns');
  });
  it('stays silent of an option that the pod has already, keeps its others, and tells of servers that were restarted', () => {
    const own = web({ dnsConfig: config({ options: [{ name: 'single-request-reopen', value: null }] }) });
    const set = onCapture(dns5s, lookup(), names({ pods: [own] }));
    expect(set.said).toContain('has the option single-request-reopen already');
    expect(draftsOf(set)).toBe('[]');
    const timeout = web({ dnsConfig: config({ options: [{ name: 'timeout', value: '2' }] }) });
    expect(draftsOf(onCapture(dns5s, lookup(), names({ pods: [timeout] })))).toContain(
      '"options":[{"name":"timeout","value":"2"},{"name":"single-request-reopen"}]',
    );
    const last = { reason: 'OOMKilled', exitCode: 137, finishedAtMs: readAtMs - 30_000 };
    const restarted = coredns('10.244.2.2', { containers: [container({ name: 'coredns', restarts: 3, last })] });
    expect(onCapture(dns5s, lookup(), names({ pods: [web(), restarted] })).said).toContain('(OOMKilled, 137)');
  });
  it('missing evidence: nothing is said that was not read, and the reason is', () => {
    const found = onCapture(dns5s, lookup(), apiDown);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('was not read (services): the connection is refused');
    expect(found.said).not.toContain('translated');
    expect(onCapture(dns5s, lookup()).said).not.toContain('Kubernetes:');
  });
});

describe('dns-bad-nameserver with Kubernetes', () => {
  const dead = '10.0.0.53';
  const silent = (client = asker) =>
    dnsCapture([
      asked('a.example', { server: dead, tookMs: null, client }),
      asked('a.example', { server: '10.0.0.54', atMs: 6000, client }),
      asked('b.example', { server: dead, tookMs: null, atMs: 9000, client }),
    ]);
  it('fires: CoreDNS itself asks it, and the Corefile names it: the command takes it out there', () => {
    const dns = corefile(['forward'], [dead, 'tls://10.0.0.54:853']);
    const found = onCapture(dnsBadNameserver, silent('10.244.2.2'), names({ dns }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain("10.244.2.2 is pod kube-system/coredns-2, a server of the cluster's DNS");
    expect(found.said).toContain(`${where} forwards .:53 to 10.0.0.53`);
    expect(found.remedies.at(-1)?.commands[0]).toContain(String.raw`[[:space:]]10\.0\.0\.53(:53)?`);
    const viaNode = onCapture(dnsBadNameserver, silent('10.244.2.2'), names());
    expect(viaNode.said).toContain('forwards to the servers in /etc/resolv.conf of the node');
    expect(viaNode.remedies.at(-1)?.commands[0]).toContain('GOOD_IP');
  });
  it('fires: the pod names it itself, or has it from its node', () => {
    const own = web({ dnsPolicy: 'None', dnsConfig: config({ nameservers: [dead, '10.0.0.54'] }) });
    const found = onCapture(dnsBadNameserver, silent(), names({ pods: [own] }));
    expect(found.said).toContain('10.0.0.53 stands in the dnsConfig of pod web/web-0 itself');
    expect(draftsOf(found)).toContain('"dnsConfig":{"nameservers":["10.0.0.54"]}');
    const asNode = onCapture(dnsBadNameserver, silent(), names({ pods: [web({ dnsPolicy: 'Default' })] }), 'zh');
    expect(asNode.said).toContain('它来自所在节点的 resolv.conf');
  });
  it("fires: the cluster's own DNS is what does not answer: who of it is ready, and why not", () => {
    const own = dnsCapture(
      [0, 1, 2].map((i) => asked(`n${i}.example`, { tookMs: null, atMs: 1000 + i * 3000, queries: 2 })),
    );
    const endpoints = [dnsEndpoint('10.244.2.2', { ready: false, serving: false })];
    const stuck = container({ ready: false, state: 'waiting', reason: 'CrashLoopBackOff' });
    const pods = [web(), coredns('10.244.2.2', { ready: false, containers: [stuck] })];
    const found = onCapture(dnsBadNameserver, own, names({ endpoints, pods }));
    expect(found.said).toContain('Service kube-system/kube-dns has 1 endpoints, and none of them is ready');
    expect(found.said).toContain('CrashLoopBackOff');
  });
  it('stays silent: servers that answer are not accused, whatever the objects say', () => {
    const fine = dnsCapture([asked('a.example', { server: dead }), asked('b.example', { server: dead })]);
    expect(onCapture(dnsBadNameserver, fine, names({ dns: corefile(['forward'], [dead]) })).verdict).toBe('ruledOut');
  });
  it('missing evidence: the verdict stands, and says what was not read', () => {
    const found = onCapture(dnsBadNameserver, silent(), apiDown);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('was not read (services)');
  });
});

describe('dns-search-hijack with Kubernetes', () => {
  const hijacked = dnsCapture([
    ...['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'].map((domain, i) =>
      asked(`api.partner.com.${domain}`, { rcode: 'NXDOMAIN', atMs: 1000 + i }),
    ),
    asked('api.partner.com.corp.example', { atMs: 1003, addresses: ['203.0.113.9'] }),
  ]);
  it('fires: the pod names the domain itself, and its list without it is the remedy', () => {
    const own = web({ dnsConfig: config({ searches: ['Corp.example.', 'shop.example'] }) });
    const found = onCapture(dnsSearchHijack, hijacked, names({ pods: [own] }));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('corp.example stands in the dnsConfig of pod web/web-0 itself');
    expect(draftsOf(found)).toContain('"searches":["shop.example"]');
  });
  it('fires: it comes from the node; a block of the Corefile answers for it', () => {
    const dns = corefile(['errors', 'template'], [], ['corp.example:53']);
    const found = onCapture(dnsSearchHijack, hijacked, names({ dns }));
    expect(found.said).toContain('it comes from the resolv.conf of its node, which the kubelet appends');
    expect(found.said).toContain(`has a block for corp.example (${where}: errors template)`);
    expect(draftsOf(found)).toContain('"ndots"');
  });
  it('stays silent: no lookup went there', () => {
    expect(onCapture(dnsSearchHijack, dnsCapture([asked('a.example')]), names()).verdict).toBe('notApplicable');
  });
  it('missing evidence: where the domain comes from is not guessed', () => {
    const found = onCapture(dnsSearchHijack, hijacked, apiDown);
    expect(found.said).not.toContain('dnsPolicy');
    expect(found.said).toContain('was not read');
  });
});

describe('dns-ndots with Kubernetes', () => {
  const searches = ['web.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];
  const lookups = dnsCapture(
    ['www.example.com', 'api.example.org', 'cdn.example.net'].flatMap((name, i) => [
      ...searches.map((domain, j) => asked(`${name}.${domain}`, { rcode: 'NXDOMAIN', atMs: 1000 * (i + 1) + j * 60 })),
      asked(name, { atMs: 1000 * (i + 1) + 180 }),
    ]),
  );
  it('fires: what the pod was given, and that nothing makes it cheap', () => {
    const found = onCapture(dnsNdots, lookups, names());
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('pod web/web-0 has dnsPolicy ClusterFirst and no dnsConfig');
    expect(found.said).toContain('CoreDNS has no plug-in autopath');
    const there = names({ dns: corefile(['autopath'], []), pods: [web(), cache] });
    expect(onCapture(dnsNdots, lookups, there, 'zh').said).toContain('启用了 autopath');
  });
  it('stays silent of a remedy that is in place', () => {
    const own = web({ dnsConfig: config({ options: [{ name: 'ndots', value: '2' }] }) });
    const found = onCapture(dnsNdots, lookups, names({ pods: [own] }));
    expect(found.said).toContain('says ndots 2, and it still asks like this');
    expect(draftsOf(found)).toBe('[]');
  });
  it('missing evidence: the packets alone decide', () => {
    expect(onCapture(dnsNdots, lookups, apiDown).verdict).toBe('confirmed');
    expect(onCapture(dnsNdots, lookups, apiDown).said).toContain('was not read');
  });
});

describe('dns-musl with Kubernetes', () => {
  const closed = (tcp: typeof refused) =>
    dnsCapture(
      [asked('many.svc.cluster.local', { addresses: [], answer: { truncated: true, answers: 0, frame: 8 } })],
      { connections: [tcp({ from: asker, server: { address: clusterDns, port: 53 }, startMs: 1002 })] },
    );
  const onlyUdp = kubePolicy({
    namespace: 'web',
    name: 'dns-only',
    ingress: null,
    egress: [{ peers: [], ports: [{ protocol: 'udp', port: 53, endPort: null }] }],
  });
  it('fires: the Service has no TCP port, and the object that adds it', () => {
    const found = onCapture(dnsMusl, closed(refused), names({ services: [kubeDns(['udp'])] }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Service kube-system/kube-dns (10.96.0.10) has no TCP port 53');
    expect(draftsOf(found)).toContain('"ports":[{"name":"dns-tcp","protocol":"TCP","port":53,"targetPort":53}]');
  });
  it('fires: a policy lets UDP out and TCP not', () => {
    const found = onCapture(dnsMusl, closed(connection), names({ policies: [onlyUdp] }));
    expect(found.said).toContain('NetworkPolicy web/dns-only selects pod web/web-0');
    expect(draftsOf(found)).toContain('netcheck-allow-dns');
    const into = kubePolicy({
      namespace: 'kube-system',
      name: 'dns-in',
      pods: { matchLabels: { 'k8s-app': 'kube-dns' }, matchExpressions: [] },
      ingress: onlyUdp.egress,
    });
    const told = onCapture(dnsMusl, closed(connection), names({ policies: [into] }), 'zh');
    expect(told.said).toContain('NetworkPolicy kube-system/dns-in 选中了 Pod kube-system/coredns-2');
  });
  it('stays silent of objects that let both pass; bufsize is not proposed where it is', () => {
    const both = { ...onlyUdp, egress: [{ peers: [], ports: [] }] };
    const found = onCapture(dnsMusl, closed(connection), names({ policies: [both], dns: corefile(['bufsize'], []) }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).not.toContain('NetworkPolicy');
    expect(found.remedies.at(-1)?.commands).toEqual([]);
  });
  it('missing evidence: policies that were not read accuse nobody', () => {
    const unread = names({ policies: [onlyUdp], missing: { policies: 'forbidden' } });
    expect(onCapture(dnsMusl, closed(connection), unread).said).not.toContain('NetworkPolicy');
    expect(onCapture(dnsMusl, closed(connection), apiDown).said).toContain('was not read (services)');
  });
});

/** node-12 is the pod that asks. */
const asPod = () => {
  const made = plan();
  const nodes = made.nodes.map((one) =>
    one.roles.includes('client') ? { ...one, address: asker, netns: 'pod1' } : one,
  );
  return { node: 'node-12', plan: { ...made, nodes } };
};

describe('dns-resolvconf-limits with Kubernetes', () => {
  const resolver = (servers: readonly string[]) => ({
    config: {
      nameservers: servers.map((address, i) => ({ address, at: at('17-resolver.out', i + 1) })),
      search: [],
      options: [],
      at: at('17-resolver.out', 1),
    },
  });
  const forming = kubeEvent({
    pod: 'web/web-0',
    reason: 'DNSConfigForming',
    message: 'Nameserver limits were exceeded, some nameservers have been omitted',
    count: 12,
  });
  const judge = (facts: object, language: 'en' | 'zh' = 'en') =>
    judgeNode(dnsResolvconfLimits, { ...asPod(), facts, language });
  it('fires: the kubelet said that it left something out, also where the file was not read', () => {
    const own = web({ dnsConfig: config({ nameservers: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'] }) });
    const known = names({ events: [forming], pods: [own] });
    for (const facts of [
      { resolver: {}, cluster: known },
      { resolver: resolver(['10.0.0.1']), cluster: known },
    ]) {
      const found = judge(facts);
      expect(found.verdict).toBe('likely');
      expect(found.said).toContain('event DNSConfigForming of pod web/web-0, 12 times in the last hour');
      expect(draftsOf(found)).toContain('"nameservers":["10.0.0.1","10.0.0.2","10.0.0.3"]');
    }
  });
  it('fires: CoreDNS ends itself, because its node names a loopback stub', () => {
    const stuck = container({ ready: false, state: 'waiting', reason: 'CrashLoopBackOff' });
    const known = names({
      dns: corefile(['errors', 'loop', 'forward'], ['/etc/resolv.conf']),
      pods: [web(), coredns('10.244.2.2', { ready: false, containers: [stuck] })],
    });
    const found = judge({ resolver: resolver(['10.96.0.10']), cluster: known }, 'zh');
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('CoreDNS 的 Pod kube-system/coredns-2 未就绪（CrashLoopBackOff）');
    const without = { ...known, dns: corefile(['forward'], ['10.0.0.1']) };
    expect(judge({ resolver: resolver(['10.96.0.10']), cluster: without }).verdict).toBe('ruledOut');
  });
  it('stays silent: events of another pod, and says so of this one', () => {
    const known = names({ events: [{ ...forming, pod: 'web/web-1' }] });
    const found = judge({ resolver: resolver(['10.96.0.10']), cluster: known });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('no event DNSConfigForming of pod web/web-0');
  });
  it('missing evidence: neither the file nor the events', () => {
    const found = judge({ resolver: {}, cluster: apiDown });
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('Kubernetes was not read (events)');
  });
});

describe('dns-nsswitch with Kubernetes', () => {
  const aliased = names({ pods: [web({ hostAliases: [{ address: '10.0.0.9', names: ['db.shop'] }] })] });
  const judge = (resolver: object, name: string, known?: Cluster) =>
    judgeNode(dnsNsswitch, {
      ...asPod(),
      facts: {
        resolver,
        capture: dnsCapture([asked(name)]),
        features: features([]),
        addresses: [{ family: 4, device: 'eth0', address: asker, prefixLength: 24, at: at('06-addresses.out', 2) }],
        ...(known === undefined ? {} : { cluster: known }),
      } as never,
    });
  it('fires: hostAliases say what the file holds, where it was not read: likely', () => {
    const found = judge({}, 'db.shop', aliased);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('db.shop (10.0.0.9) stands in hostAliases of pod web/web-0');
    const hosts = [{ address: '10.0.0.9', names: ['db.shop'], at: at('18-resolver.out', 1) }];
    const both = judge({ hosts }, 'db.shop', aliased);
    expect(both.verdict).toBe('confirmed');
    expect(both.said).toContain('stands in hostAliases');
  });
  it('stays silent: another name was asked', () => {
    expect(judge({}, 'other.shop', aliased).verdict).toBe('unknown');
    expect(
      judge({ hosts: [{ address: '10.0.0.9', names: ['db.shop'], at: at('18', 1) }] }, 'x.y', aliased).verdict,
    ).toBe('ruledOut');
  });
  it('missing evidence: no file and no object', () => {
    expect(judge({}, 'db.shop', apiDown).verdict).toBe('unknown');
    expect(judge({}, 'db.shop', names({ pods: [web()] })).verdict).toBe('unknown');
  });
});

describe('dns-rate-limit with Kubernetes', () => {
  const burst = dnsCapture(
    Array.from({ length: 1200 }, (_one, i) =>
      asked('www.example.com', { server: '10.0.0.2', atMs: 1000 + i / 3, ...(i % 20 === 0 ? { tookMs: null } : {}) }),
    ),
  );
  const exceeded = counters({ 'ethtool.eth0.linklocal_allowance_exceeded': 321 });
  const nodes = (values: Partial<KubeNode>) => [kubeNode('node-50', values), kubeNode('node-12')];
  const judge = (known: Cluster, language: 'en' | 'zh' = 'en', moved = exceeded) =>
    judgeNode(dnsRateLimit, { facts: { counters: moved, capture: burst, cluster: known }, language });
  it('fires: whose cloud it is, and that all who ask for the cluster are on this node', () => {
    const found = judge(names({ nodes: nodes({ provider: 'aws' }) }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('node node-50 is one of AWS (providerID)');
    expect(found.said).toContain('2 of 2 ready pods of Service kube-system/kube-dns are on this node');
    expect(draftsOf(found)).toContain('topologySpreadConstraints');
    expect(judge(names({ nodes: nodes({ provider: 'gce' }) }), 'zh').said).toContain('属于 gce');
  });
  it('stays silent of pods that are spread, and of questions that are answered', () => {
    const endpoints = [dnsEndpoint('10.244.2.2'), dnsEndpoint('10.244.3.2', { node: 'node-12' })];
    const found = judge(names({ endpoints }));
    expect(found.said).not.toContain('ready pods of Service');
    expect(draftsOf(found)).toBe('[]');
    const flat = counters({ 'ethtool.eth0.linklocal_allowance_exceeded': 0 });
    expect(judge(names({ nodes: nodes({ provider: 'aws' }) }), 'en', flat).verdict).toBe('ruledOut');
  });
  it('missing evidence: the counter decides as before', () => {
    expect(judge(apiDown).verdict).toBe('confirmed');
    expect(judge(apiDown).said).not.toContain('Kubernetes');
  });
});

describe('lb-loopback with Kubernetes', () => {
  const source = '10.244.2.7';
  const balancer = '203.0.113.9';
  const links = [link(), link({ name: 'cali1', index: 7, type: 'veth' })];
  const route = (values: Partial<Route>): Route => ({
    family: 4,
    destination: source,
    type: 'unicast',
    device: 'cali1',
    at: at('09-routes.out', 3),
    ...values,
  });
  const routes = [route({}), route({ destination: 'default', device: 'eth0', via: '10.51.2.1' })];
  const syn = (index: number | null) => ({
    sequence: 777,
    sightings: [{ interfaceIndex: index, direction: 'in' as const }],
  });
  const back = (index: number | null) => connection({ from: source, syn: syn(index), tries: 3 });
  const pair = (index: number | null) => {
    const came = back(index);
    const sent = connection({ from: source, server: { address: balancer, port: 80 }, syn: syn(7) });
    return capture([{ ...sent, client: came.client }, came]);
  };
  const service = (mode: string) =>
    kubeService({
      type: 'LoadBalancer',
      addresses: ['10.96.0.9'],
      externalAddresses: [balancer],
      balancers: [{ address: balancer, mode }],
      ports: [{ name: 'http', protocol: 'tcp', port: 80, targetPort: 8080, nodePort: target.port }],
      externalTrafficPolicy: 'Cluster',
    });
  const known = (mode = 'Proxy', node = 'node-50') =>
    cluster({ services: [service(mode)], pods: [kubePod({ name: 'client', addresses: [source], node })] });
  const judge = (facts: object, language: 'en' | 'zh' = 'en') =>
    judgeNode(lbLoopback, { facts: { routes, links, ...facts }, language });
  it('fires: whose balancer it is, whose pod, and how nodes are told to treat its address', () => {
    const found = judge({ capture: pair(2), cluster: known() });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '203.0.113.9 is the load balancer of Service shop/cart (externalTrafficPolicy Cluster)',
    );
    expect(found.said).toContain('has ipMode Proxy');
    expect(found.said).toContain('the source 10.244.2.7 is pod shop/client on node-50');
    expect(found.said).toContain('1 of 1 ready endpoints');
    expect(judge({ capture: pair(2), cluster: known() }, 'zh').said).toContain('ipMode 为 Proxy');
  });
  it('fires: likely where the capture tells no device, and the same SYN left for the balancer', () => {
    const found = judge({ capture: pair(null), cluster: known('VIP') });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('is here again with the NodePort as its destination');
  });
  it('fires: only likely where Kubernetes has the source on another node', () => {
    const found = judge({ capture: pair(2), cluster: known('Proxy', 'node-12') });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('is pod shop/client on node-12, not here');
  });
  it('stays silent: a connect that is answered; a Service that has no balancer decides nothing', () => {
    expect(judge({ capture: capture([answered({ from: source, syn: syn(2) })]), cluster: known() }).verdict).toBe(
      'ruledOut',
    );
    const inner = { ...known(), services: [kubeService({ ports: service('VIP').ports })] };
    expect(judge({ capture: pair(null), cluster: inner }).verdict).toBe('unknown');
  });
  it('missing evidence: packets that tell no device stay undecided', () => {
    expect(judge({ capture: pair(null), cluster: apiDown }).verdict).toBe('unknown');
    expect(judge({ capture: pair(2), cluster: apiDown }).said).toContain('Whose load balancer it is was not read');
  });
});
