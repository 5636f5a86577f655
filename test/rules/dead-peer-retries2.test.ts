import { describe, expect, it } from 'vitest';
import { deadPeerRetries2 as rule } from '../../src/rules/dead-peer-retries2.ts';
import { cluster, kubeNode, kubePod } from './cluster-facts.ts';
import { capture, icmp, judgeNode, neighbour, probe, routeVerdict, socket, symptom, sysctls, target } from './facts.ts';
import { entry, features, ipvs, service } from './ipvs-facts.ts';

const local = { address: '10.12.1.2', port: 40_000 };
const sending = (values: object = {}) =>
  socket({
    local,
    peer: target,
    sendq: 400,
    timer: { kind: 'on', leftMs: 5100, retries: 7 },
    ...values,
  });
const judge = (facts: object, more: object = {}) => judgeNode(rule, { node: 'node-12', facts, ...more });
const retries = sysctls({ 'net.ipv4.tcp_retries2': '15', 'net.ipv4.vs.expire_nodest_conn': '0' });
const failedHop = {
  routeGet: [routeVerdict({ device: 'eth0' })],
  neighbours: [neighbour({ state: 'FAILED' })],
};

describe('dead-peer-retries2', () => {
  it('fires: data is sent again and again, and the peer does not answer ARP', () => {
    const found = judge({ sockets: [sending()], sysctl: retries, ...failedHop });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('400 bytes are not acknowledged, sent again 7 times, next time in 5.1 s');
    expect(found.said).toContain('after 924.6 s at the earliest');
    expect(found.said).toContain('10.51.2.2 is FAILED');
    const commands = found.remedies.flatMap((one) => one.commands);
    expect(commands).toContain('ss -K dst 10.51.2.2 dport = :1301');
    expect(commands).toContain('sysctl -w net.ipv4.tcp_retries2=8');
    expect(found.remedies.flatMap(({ undo }) => undo)).toContain('sysctl -w net.ipv4.tcp_retries2=15');
  });
  it('fires: IPVS keeps the connection on a server that is drained, while new connects succeed', () => {
    const facts = {
      sockets: [sending()],
      features: features(),
      ipvs: ipvs({
        services: [service({ servers: [{}, { address: '10.244.3.9', weight: 0 }] })],
        connections: [entry({ source: local, destination: { address: '10.244.3.9', port: 8080 } })],
      }),
      probes: [probe({ outcome: 'connected', tookMs: 1 })],
      sysctl: retries,
    };
    const found = judge(facts);
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies.flatMap(({ commands }) => commands)).toContain('sysctl -w net.ipv4.vs.expire_nodest_conn=1');
    const kept = ipvs({ connections: [entry({ source: local })] });
    expect(judge({ ...facts, ipvs: kept }).verdict).toBe('likely');
  });
  it('fires: a router says that the host is gone; in Chinese', () => {
    const error = icmp({ code: 1, name: 'host-unreachable', from: '10.12.1.254', about: { sourcePort: local.port } });
    const found = judge({ sockets: [sending()], capture: capture([], { icmpErrors: [error] }) }, { language: 'zh' });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.12.1.254 对这条连接回了 ICMP host-unreachable');
  });
  it('fires: the node of the pod is not ready, as Kubernetes says', () => {
    const pods = [kubePod({ addresses: [target.address], node: 'node-77' })];
    const nodes = [kubeNode('node-77', { ready: 'Unknown', notReadyWhy: 'Kubelet stopped posting node status' })];
    const found = judge({ sockets: [sending()], cluster: cluster({ pods, nodes }) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('node node-77 is not ready: Kubelet stopped posting');
    const well = cluster({ pods, nodes: [kubeNode('node-77')] });
    expect(judge({ sockets: [sending()], cluster: well }).verdict).toBe('likely');
  });
  it('fires: likely where new connects fail too, or nothing else is known', () => {
    expect(judge({ sockets: [sending()], probes: [probe()] }).verdict).toBe('likely');
    expect(judge({ sockets: [sending()] }).verdict).toBe('likely');
  });
  it('stays silent: one repetition, an idle connection, other peers, one that recovered, keep-alives', () => {
    const calm = { kind: 'on', leftMs: 200, retries: 1 };
    expect(judge({ sockets: [sending({ timer: calm })], ...failedHop }).verdict).toBe('ruledOut');
    expect(judge({ sockets: [socket({ local, peer: target })], ...failedHop }).verdict).toBe('ruledOut');
    const other = sending({ peer: { address: '10.51.2.9', port: 1301 } });
    expect(judge({ sockets: [other], ...failedHop }).verdict).toBe('notApplicable');
    const recovered = socket({ local, peer: target });
    expect(judge({ sockets: [sending(), recovered], ...failedHop }).verdict).toBe('ruledOut');
    const alive = sending({ sendq: 0, timer: { kind: 'keepalive', leftMs: 100, retries: 5 } });
    expect(judge({ sockets: [alive], ...failedHop }).verdict).toBe('ruledOut');
    expect(judge({ sockets: [sending()] }, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('notApplicable');
  });
  it('stays silent: large segments that are lost (mtu-blackhole, F40) are not called a dead peer', () => {
    const found = judge({ sockets: [sending()], probes: [probe({ outcome: 'connected', tookMs: 1 })] });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('see mtu-blackhole');
  });
  it('missing evidence: no sockets', () => {
    expect(judge({ ...failedHop }).missing[0]?.fact).toBe('sockets');
  });
});
