import { describe, expect, it } from 'vitest';
import type { Facts, FirewallRule, IpvsService } from '../../src/model/facts.ts';
import { dnsClusterDown as rule } from '../../src/rules/dns-cluster-down.ts';
import { cluster, kubeEndpoint, kubePod, kubeService } from './cluster-facts.ts';
import { asked, clusterDns, dnsCapture, pod } from './dns-facts.ts';
import { at, capture, firewall, firewallRule, icmp, judgePath } from './facts.ts';

const names = ['www.example.com', 'db.shop.svc.cluster.local'];
const ignored = dnsCapture(names.map((name) => asked(name, { tookMs: null })));
const answers = dnsCapture(names.map((name) => asked(name)));
const service = (values: Partial<FirewallRule> = {}): FirewallRule =>
  firewallRule({
    chain: 'KUBE-SERVICES',
    verdict: 'jump',
    text: `-A KUBE-SERVICES -d ${clusterDns}/32 -p udp -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU`,
    match: {
      protocol: 'udp',
      destinations: [`${clusterDns}/32`],
      destinationPorts: [{ from: 53, to: 53 }],
    },
    ...values,
  });
const rejected = service({
  verdict: 'reject',
  text: `-A KUBE-SERVICES -d ${clusterDns}/32 -p udp --comment "kube-system/kube-dns:dns has no endpoints" --dport 53 -j REJECT`,
  packets: { before: 1, after: 5, delta: 4 },
});
const ipvs = (servers: readonly { address: string; weight: number }[]): { services: readonly IpvsService[] } => ({
  services: [
    {
      protocol: 'udp',
      address: clusterDns,
      port: 53,
      scheduler: 'rr',
      servers: servers.map((server) => ({
        ...server,
        port: 53,
        forward: 'Masq',
        activeConnections: 0,
        inactiveConnections: 0,
        at: at('14-ipvs.out', 4),
      })),
      at: at('14-ipvs.out', 3),
    },
  ],
});
const ofPod = {
  config: {
    nameservers: [{ address: clusterDns, at: at('05-resolver.out', 1) }],
    search: ['shop.svc.cluster.local', 'svc.cluster.local'],
    options: ['ndots:5'],
    at: at('05-resolver.out', 1),
  },
};
const judge = (client: Facts, forwarder?: Facts, language?: 'zh') =>
  judgePath(rule, {
    client,
    target: {},
    ...(forwarder === undefined ? {} : { forwarders: [{ node: 'node-12', facts: forwarder }] }),
    ...(language === undefined ? {} : { language }),
  });

describe('dns-cluster-down', () => {
  it('fires: kube-proxy rejects the questions, because no pod of the DNS is ready', () => {
    const about = { protocol: 17, source: pod, destination: clusterDns, sourcePort: 30_001, destinationPort: 53 };
    const errors = [1, 2].map((frame) => icmp({ frame, name: 'port-unreachable', from: '10.0.12.2', about }));
    const found = judge({ capture: { ...ignored, icmpErrors: errors }, firewall: firewall(rejected) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(`${clusterDns} (the DNS of the cluster) answered none of 2 questions`);
    expect(found.said).toContain('2 of them were turned down by ICMP port-unreachable from 10.0.12.2');
    expect(found.said).toContain('has no endpoints');
    expect(found.said).toContain('(+4)');
    expect(found.remedies[0]?.commands[0]).toContain(clusterDns);
    expect(judge({ capture: ignored, firewall: firewall(rejected) }, undefined, 'zh').said).toContain('没有就绪的 Pod');
  });

  it('fires: IPVS has nobody behind it; the node of the pod knows', () => {
    const found = judge({ capture: ignored }, { ipvs: ipvs([{ address: '10.244.3.3', weight: 0 }]) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('no server with a weight above 0');
  });

  it('fires: only likely where servers stand behind it, with what was seen of them', () => {
    const two = ipvs([
      { address: '10.244.3.3', weight: 1 },
      { address: '10.244.4.4', weight: 1 },
    ]);
    const silent = judge({ capture: ignored, ipvs: two });
    expect(silent.verdict).toBe('likely');
    expect(silent.said).toContain('no question to any of them was seen here');
    const on = dnsCapture([...ignored.dns, asked('www.example.com', { server: '10.244.3.3', tookMs: null })]);
    expect(judge({ capture: on, ipvs: two }).said).toContain('went on to 1 of them, and none answered');
  });

  it('fires: only likely from inside of a pod, which knows nothing of kube-proxy', () => {
    const found = judge({ capture: ignored, resolver: ofPod });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('ask from the node itself');
  });

  it('fires: only likely where nobody stands behind it, and nobody asked it in the window', () => {
    const elsewhere = dnsCapture([asked('www.example.com', { server: '10.0.0.53' })]);
    const found = judge({ capture: elsewhere, firewall: firewall(rejected) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('has no endpoints');
    expect(found.said).toContain('nobody here asked 10.96.0.10');
    expect(judge({ capture: elsewhere, ipvs: ipvs([]), resolver: ofPod }).verdict).toBe('likely');
    // some other Service with that port
    expect(judge({ capture: elsewhere, ipvs: ipvs([]) }).verdict).toBe('notApplicable');
  });

  it('stays silent: it answers; one question alone has no answer', () => {
    const found = judge({ capture: answers, firewall: firewall(service()) });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('answered 2 of 2 questions');
    const some = dnsCapture([...answers.dns, asked('x.example', { tookMs: null })]);
    expect(judge({ capture: some, firewall: firewall(rejected) }).verdict).toBe('ruledOut');
  });

  it('stays silent: there is no cluster, or nobody asked its DNS (another server is silent: dns-bad-nameserver)', () => {
    expect(judge({ capture: ignored }).verdict).toBe('notApplicable');
    const elsewhere = dnsCapture(names.map((name) => asked(name, { server: '10.0.0.53', tookMs: null })));
    expect(judge({ capture: elsewhere, firewall: firewall(service()) }).verdict).toBe('notApplicable');
    expect(judge({ capture: capture([]), firewall: firewall(rejected) }).verdict).toBe('notApplicable');
    const own = { config: { ...ofPod.config, search: ['corp.example'] } };
    expect(judge({ capture: ignored, resolver: own }).verdict).toBe('notApplicable');
  });

  it('missing evidence: too few questions, too late, packets lost, no capture', () => {
    const one = dnsCapture([asked('a.b', { tookMs: null })]);
    expect(judge({ capture: one, firewall: firewall(rejected) }).verdict).toBe('unknown');
    const late = { ...ignored, lastAtMs: 1001 };
    expect(judge({ capture: late, firewall: firewall(rejected) }).verdict).toBe('unknown');
    expect(judge({ capture: { ...ignored, droppedByKernel: 4 }, firewall: firewall(rejected) }).verdict).toBe(
      'unknown',
    );
    expect(judge({ firewall: firewall(rejected) }).missing[0]?.fact).toBe('capture');
  });
  it('fires: Kubernetes has no pod of it that is ready, where the node does not show what stands behind it', () => {
    const dns = kubeService({
      namespace: 'kube-system',
      name: 'kube-dns',
      addresses: [clusterDns],
      ports: [{ name: 'dns', protocol: 'udp', port: 53, targetPort: 53, nodePort: null }],
      selector: { 'k8s-app': 'kube-dns' },
    });
    const endpoint = kubeEndpoint({
      service: 'kube-system/kube-dns',
      ports: [{ name: 'dns', port: 53 }],
      ready: false,
      serving: false,
    });
    const coredns = kubePod({
      namespace: 'kube-system',
      name: 'coredns-1',
      labels: { 'k8s-app': 'kube-dns' },
      ready: false,
      notReadyWhy: 'ContainersNotReady',
    });
    const empty = cluster({ services: [dns], endpoints: [endpoint], pods: [coredns] });
    const found = judge({ capture: ignored, firewall: firewall(service()), cluster: empty });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Pod kube-system/coredns-1 on node-50 is not ready: ContainersNotReady');
    const config = { kind: 'dnsConfig' as const, where: 'ConfigMap kube-system/coredns', at: at('10-dns.out') };
    const up = cluster({
      services: [dns],
      endpoints: [{ ...endpoint, ready: true }],
      dns: [{ ...config, servers: [{ zones: ['.:53'], plugins: ['forward'], forwards: ['10.0.0.53'] }] }],
    });
    const silent = judge({ capture: ignored, firewall: firewall(service()), cluster: up });
    expect(silent.verdict).toBe('likely');
    expect(silent.said).toContain('go on to 10.0.0.53');
  });
});
