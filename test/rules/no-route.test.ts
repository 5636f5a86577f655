import { describe, expect, it } from 'vitest';
import type { Facts, Route } from '../../src/model/facts.ts';
import { noRoute } from '../../src/rules/no-route.ts';
import {
  answered,
  at,
  capture,
  clientAddress,
  connection,
  counters,
  judgeNode,
  plan,
  probe,
  routeVerdict,
  synAck,
  target,
} from './facts.ts';

const route = (values: Partial<Route>): Route => ({
  family: 4,
  destination: '10.51.2.0/24',
  type: 'blackhole',
  at: at('06-routes.out', 5),
  ...values,
});
const onClient = (facts: Facts) => judgeNode(noRoute, { facts, node: 'node-12' });
const onForwarder = (facts: Facts) => judgeNode(noRoute, { facts, node: 'router-30' });
const onTarget = (facts: Facts) => judgeNode(noRoute, { facts });

describe('no-route', () => {
  it('fires: on a client whose connects fail, each refusal in its own words', () => {
    const cases = [
      ['network-unreachable', 'netUnreachable', 'no route to 10.51.2.2'],
      ['no-route-to-host', 'noRoute', 'an unreachable route'],
      ['prohibited', 'notPermitted', 'a prohibit route'],
      ['invalid-argument', 'other', 'a blackhole route'],
    ] as const;
    for (const [verdict, outcome, words] of cases) {
      const facts: Facts = { routeGet: [routeVerdict({ verdict })], probes: [probe({ outcome, tookMs: 0 })] };
      const judged = onClient(facts);
      expect(judged.verdict, verdict).toBe('confirmed');
      expect(judged.said).toContain(words);
    }
  });

  it('fires: names the route that does it, and removes only that', () => {
    const facts: Facts = {
      routeGet: [routeVerdict({ verdict: 'invalid-argument' })],
      routes: [route({}), route({ destination: '10.99.0.0/16' })],
      probes: [probe({ outcome: 'other' })],
    };
    const { said, remedies } = onClient(facts);
    expect(said).toContain('"blackhole 10.51.2.0/24"');
    expect(remedies[0]?.commands).toEqual(['ip route del blackhole 10.51.2.0/24']);
    expect(remedies[0]?.undo).toEqual(['ip route add blackhole 10.51.2.0/24']);
  });

  it('fires: on a forwarder that SYNs come to', () => {
    const facts: Facts = {
      routeGet: [routeVerdict({ verdict: 'invalid-argument' })],
      capture: capture([connection()]),
      counters: counters({ 'IpExt.InNoRoutes': 0 }),
    };
    expect(onForwarder(facts).verdict).toBe('confirmed');
    expect(onForwarder({ ...facts, capture: capture([]) }).verdict).toBe('likely');
  });

  it('only likely where a server of a Service should be: a pod that is gone takes its route with it', () => {
    const facts: Facts = {
      routeGet: [routeVerdict({ verdict: 'no-route-to-host' })],
      capture: capture([connection()]),
    };
    const asked = plan();
    const server = { address: target.address, port: target.port };
    const nodes = asked.nodes.map((one) => (one.node.name === 'router-30' ? { ...one, server } : one));
    const { verdict, said } = judgeNode(noRoute, { facts, node: 'router-30', plan: { ...asked, nodes } });
    expect(verdict).toBe('likely');
    expect(said).toContain('rollout-endpoint-lag');
  });

  it('fires: on a target without a way back to those whose SYNs get no answer', () => {
    const facts: Facts = {
      routeGet: [
        routeVerdict({ verdict: 'local' }),
        routeVerdict({ to: clientAddress, verdict: 'network-unreachable' }),
      ],
      capture: capture([connection()]),
      counters: counters({ 'Ip.OutNoRoutes': 3 }),
    };
    const { verdict, said } = onTarget(facts);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('Ip OutNoRoutes +3');
    const translated = { ...facts, capture: capture([connection({ from: '10.30.0.1' })]) };
    expect(onTarget(translated).verdict).toBe('ruledOut');
    expect(onTarget({ ...facts, capture: capture([answered()]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: every way has a route', () => {
    const facts: Facts = { routeGet: [routeVerdict()], probes: [probe()] };
    expect(onClient(facts).verdict).toBe('ruledOut');
    const back = [routeVerdict({ verdict: 'local' }), routeVerdict({ to: clientAddress })];
    expect(onTarget({ routeGet: back }).verdict).toBe('ruledOut');
  });

  it('stays silent: the forwarder translates the address and sends the SYNs on', () => {
    const sightings = [
      { interfaceIndex: 2, direction: 'in' as const },
      { interfaceIndex: 3, direction: 'out' as const },
    ];
    const facts: Facts = {
      routeGet: [routeVerdict({ verdict: 'network-unreachable' })],
      capture: capture([connection({ syn: { sightings } })]),
    };
    expect(onForwarder(facts).verdict).toBe('ruledOut');
  });

  it('stays silent: forwarding is off, or rp_filter refuses, which only the question with iif says', () => {
    const refused = (verdict: 'no-route-to-host' | 'invalid-argument' | 'reverse-path-filtered'): Facts => ({
      routeGet: [routeVerdict(), routeVerdict({ from: clientAddress, iif: 'eth0', verdict })],
      capture: capture([connection()]),
    });
    for (const verdict of ['no-route-to-host', 'invalid-argument', 'reverse-path-filtered'] as const)
      expect(onForwarder(refused(verdict)).verdict, verdict).toBe('ruledOut');
  });

  it('fires: a policy table without a route says so only for what comes in', () => {
    const facts: Facts = {
      routeGet: [routeVerdict(), routeVerdict({ from: clientAddress, iif: 'eth0', verdict: 'network-unreachable' })],
      capture: capture([connection()]),
    };
    expect(onForwarder(facts)).toMatchObject({
      verdict: 'confirmed',
      said: expect.stringContaining('come in by eth0'),
    });
  });

  it('missing evidence: no verdict, or none about the target', () => {
    expect(onClient({}).missing[0]?.fact).toBe('routeGet');
    const other = { routeGet: [routeVerdict({ to: '192.0.2.1' })] };
    expect(onClient(other).said).toContain(target.address);
  });

  it('fires: on a forwarder that keeps the answers, since it has no way back to who asked', () => {
    const stuck = connection({
      syn: { sightings: [{ interfaceIndex: 3, direction: 'out' }] },
      handshake: 'noFinalAck',
      synAcks: [synAck(), synAck({ atMs: 2000 })],
      places: [{ interfaceIndex: 3, direction: 'in', tunnel: null, client: 0, server: 2 }],
    });
    const closed = routeVerdict({ to: clientAddress, verdict: 'invalid-argument' });
    const facts: Facts = { routeGet: [routeVerdict(), closed], capture: capture([stuck]) };
    const { verdict, said } = onForwarder(facts);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('2 SYN+ACKs of 1 connects came back to this node and were not seen to leave it');
    const passed = answered({ places: [{ interfaceIndex: 2, direction: 'out', tunnel: null, client: 0, server: 1 }] });
    expect(onForwarder({ ...facts, capture: capture([passed]) }).verdict).toBe('ruledOut');
  });
});
