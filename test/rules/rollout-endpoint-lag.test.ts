import { describe, expect, it } from 'vitest';
import { ipvsStaleRs } from '../../src/rules/ipvs-stale-rs.ts';
import { rolloutEndpointLag as rule } from '../../src/rules/rollout-endpoint-lag.ts';
import {
  answered,
  capture,
  clientAddress,
  connection,
  firewall,
  icmp,
  judgeNode,
  refused,
  symptom,
  sysctls,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { cart, kubeRules, noIpvs, podA, podB, stock, tracked } from './kube-facts.ts';

const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { features: noIpvs, firewall: kubeRules(), ...facts }, target: cart, ...more });
/** ICMP host unreachable about this connect. */
const unreachable = (one: ReturnType<typeof connection>) =>
  icmp({
    code: 1,
    name: 'host-unreachable',
    from: '10.51.2.1',
    about: { sourcePort: one.client.port, destination: one.server.address, destinationPort: one.server.port },
  });

describe('rollout-endpoint-lag', () => {
  it('fires: one backend refuses, the other answers: nothing listens there yet, or any more', () => {
    const found = judge({ capture: capture([refused({ server: podA }), answered({ server: podB })]) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.244.1.2:8080 refused 1 connects');
    expect(found.said).toContain('"Connection refused"');
    expect(found.said).toContain('1 connects to 1 other backends of the Service were answered');
    expect(found.remedies[0]?.commands[0]).toContain(
      'kubectl -n shop get endpointslices -l kubernetes.io/service-name=cart',
    );
  });
  it('fires: the network says that one backend is gone: "No route to host"; in Chinese', () => {
    const gone = connection({ server: podA, handshake: 'icmpError', tries: 1 });
    const facts = { capture: capture([gone, answered({ server: podB })], { icmpErrors: [unreachable(gone)] }) };
    expect(judge(facts).verdict).toBe('confirmed');
    expect(judge(facts).said).toContain('"No route to host"');
    expect(judge(facts, { language: 'zh' }).said).toContain('Pod 的地址已不存在');
  });
  it('fires: a backend left the Service in the window, and connects to it got no answer', () => {
    const rules = kubeRules({ left: 'DNAT --to-destination 10.244.1.2:8080' });
    const found = judge({ firewall: rules, capture: capture([connection({ server: podA })]) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('kube-proxy took 10.244.1.2:8080 out of the Service in the window');
    const joined = judge({
      firewall: kubeRules({ joined: 'DNAT --to-destination 10.244.1.2:8080' }),
      capture: capture([refused({ server: podA })]),
    });
    expect(joined.said).toContain('put 10.244.1.2:8080 into the Service');
  });
  it('fires: connects that are seen before the translation are told apart by conntrack', () => {
    const bad = refused({ server: cart });
    const good = answered({ server: cart });
    const conntrackEntries = [
      tracked({ from: bad.client, backend: podA, state: 'CLOSE' }),
      tracked({ from: good.client, backend: podB, state: 'TIME_WAIT' }),
    ];
    const found = judge({ capture: capture([bad, good]), conntrackEntries });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.244.1.2:8080 refused 1 connects');
    // the same client and port to another Service says nothing
    const elsewhere = conntrackEntries.map((one) => ({
      ...one,
      original: { ...one.original, destination: stock.address },
    }));
    expect(judge({ capture: capture([bad, good]), conntrackEntries: elsewhere }).verdict).toBe('unknown');
  });
  it('fires: likely where a backend is silent, and where all backends fail alike (the application, not the rollout)', () => {
    expect(judge({ capture: capture([connection({ server: podA }), answered({ server: podB })]) }).verdict).toBe(
      'likely',
    );
    expect(judge({ capture: capture([refused({ server: podA }), refused({ server: podB })]) }).verdict).toBe('likely');
  });
  it('fires: with IPVS as well', () => {
    const facts = {
      features: features(),
      firewall: firewall(),
      ipvs: ipvs({ services: [service({ ...cart, servers: [podA, podB] })] }),
      capture: capture([refused({ server: podA }), answered({ server: podB })]),
    };
    expect(judge(facts).verdict).toBe('confirmed');
  });
  it('stays silent: every backend answers; another Service of the same port; a node without Services; UDP', () => {
    expect(judge({ capture: capture([answered({ server: podA }), answered({ server: podB })]) }).verdict).toBe(
      'ruledOut',
    );
    const foreign = { server: { address: '10.244.8.8', port: 8080 } };
    expect(judge({ capture: capture([answered({ server: podA }), refused(foreign)]) }).verdict).toBe('ruledOut');
    expect(judge({ firewall: firewall() }).verdict).toBe('notApplicable');
    expect(judge({}, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('notApplicable');
  });
  it('stays silent: a drained server that IPVS still uses is ipvs-stale-rs (F62), no endpoint at all is no-endpoints (F66)', () => {
    const table = ipvs({ services: [service({ ...cart, servers: [{ ...podA, weight: 0 }, podB] })] });
    const facts = {
      features: features(),
      ipvs: table,
      sysctl: sysctls({ 'net.ipv4.vs.conn_reuse_mode': '0' }),
      capture: capture([connection({ server: podA }), answered({ server: podB, from: clientAddress })]),
    };
    expect(judge(facts).verdict).toBe('ruledOut');
    expect(judgeNode(ipvsStaleRs, { facts, target: cart }).verdict).toBe('likely');
    const empty = ipvs({ services: [service({ ...cart, servers: [] })] });
    expect(judge({ features: features(), ipvs: empty }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no rules, IPVS not read, no capture, connects that cannot be told to a backend', () => {
    expect(judgeNode(rule, { facts: { features: noIpvs }, target: cart }).missing[0]?.fact).toBe('firewall');
    expect(judgeNode(rule, { facts: { features: features() }, target: cart }).missing[0]?.fact).toBe('ipvs');
    expect(judge({}).missing[0]?.fact).toBe('capture');
    expect(judge({ capture: capture([]) }).verdict).toBe('unknown');
    const weak = capture([answered({ server: podA })], { droppedByKernel: 9 });
    expect(judge({ capture: weak }).verdict).toBe('unknown');
  });
});
