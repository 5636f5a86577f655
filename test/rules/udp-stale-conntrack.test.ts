import { describe, expect, it } from 'vitest';
import { udpStaleConntrack as rule } from '../../src/rules/udp-stale-conntrack.ts';
import { capture, firewall, firewallRule, icmp, judgeNode, symptom } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { kubeRules, noIpvs, tracked } from './kube-facts.ts';

const dns = { address: '10.96.0.10', port: 53 } as const;
const alive = { address: '10.244.1.5', port: 53 } as const;
const gone = { address: '10.244.1.99', port: 53 } as const;
const client = { address: '10.244.7.7', port: 5353 } as const;
const udp = symptom({ protocol: 'udp' });
const table = ipvs({ services: [service({ ...dns, protocol: 'udp', servers: [alive] })] });
const flow = (values: Parameters<typeof tracked>[0] = {}) =>
  tracked({ protocol: 'udp', from: client, to: dns, backend: gone, unreplied: true, timeoutSec: 28, ...values });
const packets = (sent: number, back: number, server: { address: string; port: number } = dns) => ({
  client,
  server,
  packets: { client: sent, server: back },
  bytes: { client: sent * 40, server: back * 80 },
  firstAtMs: 1000,
  lastAtMs: 5000,
});
const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: features(), ipvs: table, ...facts }, target: dns, symptom: udp, ...more });

describe('udp-stale-conntrack', () => {
  it('fires: a flow is kept to a pod that the Service no longer has, and nothing comes back', () => {
    const found = judge({
      conntrackEntries: [flow()],
      capture: capture([], {
        udp: [packets(4, 0)],
        icmpErrors: [icmp({ code: 1, name: 'host-unreachable', about: { protocol: 17, destination: gone.address } })],
      }),
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.244.7.7:5353 > 10.96.0.10:53 to 10.244.1.99:53 and never saw an answer');
    expect(found.said).toContain('The Service has: 10.244.1.5:53');
    expect(found.said).toContain('ICMP host-unreachable');
    expect(found.remedies[0]?.commands).toEqual([
      'conntrack -D -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.244.1.99',
    ]);
  });
  it('fires: a flow that had answers before its pod died is kept as well; likely while it is idle; in Chinese', () => {
    const answeredBefore = flow({ unreplied: false });
    const behind = capture([], { udp: [packets(3, 0, gone)] });
    expect(judge({ conntrackEntries: [answeredBefore], capture: behind }).verdict).toBe('confirmed');
    expect(judge({ conntrackEntries: [answeredBefore], capture: capture([]) }).verdict).toBe('likely');
    expect(judge({ conntrackEntries: [flow()] }, { language: 'zh' }).said).toContain('不是该 Service 的端点');
  });
  it('fires: whichever end the capture took for the client', () => {
    const flipped = { ...packets(0, 5), client: dns, server: client };
    const answeredFlow = { ...packets(5, 5), client: dns, server: client };
    expect(judge({ conntrackEntries: [flow()], capture: capture([], { udp: [flipped] }) }).verdict).toBe('confirmed');
    expect(judge({ conntrackEntries: [flow()], capture: capture([], { udp: [answeredFlow] }) }).verdict).toBe(
      'ruledOut',
    );
  });
  it('fires: a flow from before the Service had an endpoint is not translated at all', () => {
    const found = judge({ conntrackEntries: [flow({ backend: dns })], capture: capture([], { udp: [packets(2, 0)] }) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('without translation');
  });
  it('fires: a pod that left the Service between the two readings is no endpoint any more', () => {
    const chain = (name: string, values: object) =>
      firewallRule({ table: 'nat', chain: name, verdict: 'jump', ...values });
    const match = { protocol: 'udp', destinations: [`${dns.address}/32`], destinationPorts: [{ from: 53, to: 53 }] };
    const dnat = (to: string) =>
      chain('KUBE-SVC-DNS', { verdict: 'other', text: `-A KUBE-SVC-DNS -p udp -j DNAT --to-destination ${to}:53` });
    const rules = {
      rules: [chain('KUBE-SERVICES', { jumpTo: 'KUBE-SVC-DNS', text: 'dns', match }), dnat(alive.address)],
      gone: [dnat(gone.address)],
    };
    const facts = { features: noIpvs, ipvs: undefined, firewall: rules, conntrackEntries: [flow()] };
    expect(judge({ ...facts, capture: capture([], { udp: [packets(4, 0)] }) }).verdict).toBe('confirmed');
  });
  it('stays silent: flows to endpoints, a pod that still answers while it ends, another Service, TCP', () => {
    expect(judge({ conntrackEntries: [flow({ backend: alive })] }).verdict).toBe('ruledOut');
    expect(judge({ conntrackEntries: [] }).verdict).toBe('ruledOut');
    const draining = capture([], { udp: [packets(4, 4)] });
    expect(judge({ conntrackEntries: [flow({ unreplied: false })], capture: draining }).verdict).toBe('ruledOut');
    const elsewhere = flow({ to: { address: '10.96.0.77', port: 53 } });
    expect(judge({ conntrackEntries: [elsewhere] }).verdict).toBe('ruledOut');
    expect(judge({ conntrackEntries: [flow()] }, { symptom: symptom() }).verdict).toBe('notApplicable');
    const published = { features: noIpvs, ipvs: undefined, firewall: kubeRules(), conntrackEntries: [flow()] };
    expect(judge(published).verdict).toBe('notApplicable');
  });
  it('stays silent: no endpoint at all is no-endpoints (F66)', () => {
    const empty = ipvs({ services: [service({ ...dns, protocol: 'udp', servers: [] })] });
    expect(judge({ ipvs: empty, conntrackEntries: [flow()] }).verdict).toBe('ruledOut');
  });
  it('missing evidence: no table, IPVS not read, no rules', () => {
    expect(judge({}).missing[0]?.fact).toBe('conntrackEntries');
    expect(judge({ ipvs: undefined, conntrackEntries: [flow()] }).missing[0]?.fact).toBe('ipvs');
    expect(judge({ features: noIpvs, ipvs: undefined, conntrackEntries: [flow()] }).missing[0]?.fact).toBe('firewall');
    const silentTcpdump = capture([], { listening: false });
    expect(judge({ conntrackEntries: [flow()], capture: silentTcpdump, firewall: firewall() }).verdict).toBe('likely');
  });
});
