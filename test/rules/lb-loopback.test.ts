import { describe, expect, it } from 'vitest';
import type { Route } from '../../src/model/facts.ts';
import { lbLoopback as rule } from '../../src/rules/lb-loopback.ts';
import { answered, at, capture, connection, judgeNode, link, reset, symptom, synAck, target } from './facts.ts';

const pod = '10.244.2.7';
const links = [
  link(),
  link({ name: 'cali1', index: 7, type: 'veth' }),
  link({ name: 'cni0', index: 8, type: 'bridge' }),
  link({ name: 'veth9', index: 9, type: 'veth', master: 'cni0' }),
];
const route = (values: Partial<Route>): Route => ({
  family: 4,
  destination: pod,
  type: 'unicast',
  device: 'cali1',
  at: at('09-routes.out', 3),
  ...values,
});
const calico = [route({}), route({ destination: 'default', device: 'eth0', via: '10.51.2.1' })];
const flannel = [
  route({ destination: '10.244.2.0/24', device: 'cni0' }),
  route({ destination: '10.51.2.0/24', device: 'eth0' }),
];
const by = (index: number | null) => ({
  sightings: [{ interfaceIndex: index, direction: 'in' as const }],
  sequence: 777,
});
const came = (index: number | null = 2, values: object = {}) => connection({ from: pod, syn: by(index), ...values });
const judge = (facts: object, more: object = {}) =>
  judgeNode(rule, { facts: { routes: calico, links, ...facts }, ...more });

describe('lb-loopback', () => {
  it('fires: a SYN whose source is a pod of this node comes in by eth0, and gets no answer out', () => {
    const [back] = [came()];
    const out = connection({
      from: pod,
      server: { address: '203.0.113.9', port: target.port },
      syn: { sequence: 777, frame: 3, sightings: [{ interfaceIndex: 7, direction: 'in' }] },
    });
    const twin = { ...out, client: back?.client ?? out.client };
    const found = judge({ capture: capture(back === undefined ? [] : [twin, back, answered()]) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('came in by eth0, although its source lives here, behind cali1');
    expect(found.said).toContain('had left this node to 203.0.113.9:1301 (frame 3)');
    expect(found.said).toContain('1 of 3 connects');
  });
  it('fires: pods on a bridge; an answer that the client throws away; in Chinese', () => {
    const thrown = came(2, {
      handshake: 'noFinalAck',
      synAcks: [synAck()],
      resets: [reset({ from: 'client' })],
      tries: 1,
    });
    const found = judge({ routes: flannel, capture: capture([thrown]) }, { language: 'zh' });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('在 cni0 后面');
  });
  it('missing evidence: the capture does not tell the device, so it may be a connect of that pod like any other', () => {
    expect(judge({ capture: capture([came(null)]) }).verdict).toBe('unknown');
    expect(judge({ capture: capture([connection({ from: pod })]) }).verdict).toBe('unknown');
  });
  it('stays silent: a pod that connects from here in the ordinary way, by its own device or its bridge', () => {
    expect(judge({ capture: capture([came(7)]) }).verdict).toBe('ruledOut');
    expect(judge({ routes: flannel, capture: capture([came(9)]) }).verdict).toBe('ruledOut');
    expect(judge({ routes: flannel, capture: capture([came(8)]) }).verdict).toBe('ruledOut');
  });
  it('stays silent: clients from elsewhere, one whose connect works all the same, one SYN that was just sent', () => {
    expect(judge({ capture: capture([connection()]) }).verdict).toBe('ruledOut');
    expect(judge({ capture: capture([answered({ from: pod, syn: by(2) })]) }).verdict).toBe('ruledOut');
    expect(judge({ capture: capture([came(2, { tries: 1 })]) }).verdict).toBe('ruledOut');
    expect(judge({ capture: capture([]) }).verdict).toBe('notApplicable');
    const udp = { symptom: symptom({ protocol: 'udp' }) };
    expect(judge({ capture: capture([came()]) }, udp).verdict).toBe('notApplicable');
  });
  it('stays silent: the default route and the subnet of the uplink make nobody a pod of this node (martian-local-source, rp-filter-drop)', () => {
    const lan = came(2, {});
    const neighbour = { ...lan, client: { ...lan.client, address: '10.51.2.77' } };
    expect(judge({ routes: flannel, capture: capture([neighbour]) }).verdict).toBe('ruledOut');
  });
  it('missing evidence: no capture, a blind one, no routes', () => {
    expect(judge({}).missing[0]?.fact).toBe('capture');
    expect(judge({ capture: capture([], { listening: false }) }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { capture: capture([came()]) } }).missing[0]?.fact).toBe('routes');
    expect(judge({ capture: capture([], { droppedByKernel: 3 }) }).verdict).toBe('unknown');
  });
});
