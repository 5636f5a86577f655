import { describe, expect, it } from 'vitest';
import { neighFailed as rule } from '../../src/rules/neigh-failed.ts';
import {
  answered,
  at,
  capture,
  clientAddress,
  connection,
  firewall,
  firewallRule,
  icmp,
  judgeNode,
  neighbour,
  otherAddress,
  port1301,
  probe,
  routeVerdict,
} from './facts.ts';

const gateway = '10.12.1.254';
const viaGateway = routeVerdict({ via: gateway });
const deadGateway = neighbour({ address: gateway, state: 'FAILED' });
const slow = probe({ outcome: 'noRoute', tookMs: 3060, message: 'No route to host' });
const own = [
  { family: 4, device: 'eth0', address: '10.51.2.254', prefixLength: 24, at: at('07-addresses.out', 3) },
] as const;
const client = (facts: object) => judgeNode(rule, { node: 'node-12', facts });
const router = (facts: object) => judgeNode(rule, { node: 'router-30', facts });

describe('neigh-failed', () => {
  it('does not apply: the address is that of a Service, which this node translates', () => {
    const facts = { neighbours: [], routeGet: [viaGateway] };
    expect(router(facts).missing[0]?.fact).toBe('capture');
    const translated = firewallRule({
      table: 'nat',
      hook: 'prerouting',
      verdict: 'other',
      text: '-A PREROUTING -d 10.51.2.2/32 -p tcp --dport 1301 -j DNAT --to-destination 10.244.3.7:8080',
      match: { ...port1301, destinations: ['10.51.2.2/32'] },
    });
    const found = router({ ...facts, firewall: firewall(translated) });
    expect(found.verdict).toBe('notApplicable');
    expect(found.said).toContain('connects to 10.51.2.2 are translated on this node');
  });

  it('fires: the gateway of the client does not answer ARP', () => {
    const found = client({ neighbours: [deadGateway], routeGet: [viaGateway], probes: [slow] });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('neighbour 10.12.1.254 on eth0 is FAILED');
    expect(found.said).toContain('the next hop to 10.51.2.2');
    expect(found.said).toContain('the first after 3.06 s');
    expect(found.remedies[0]?.commands).toEqual(['ip neigh show to 10.12.1.254', 'arping -c 3 -I eth0 10.12.1.254']);
  });

  it('fires: the connects time out sooner than ARP fails, and no SYN left', () => {
    const facts = {
      neighbours: [neighbour({ state: 'INCOMPLETE' })],
      routeGet: [routeVerdict()],
      probes: [probe({ tookMs: 2000 })],
      capture: capture([]),
    };
    const found = client(facts);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('it is the target itself, on this link');
    expect(found.said).toContain('no SYN left the node');
  });

  it('stays silent: no SYN left, and not for ARP: the connects hung longer, or failed with another error', () => {
    const facts = (neighbours: unknown, values: object) => ({
      neighbours,
      routeGet: [viaGateway],
      probes: [probe(values)],
      capture: capture([]),
    });
    const hung = { outcome: 'timedOut', tookMs: 4000 };
    const noPort = { outcome: 'other', tookMs: 2, message: 'Cannot assign requested address' };
    expect(client(facts([], hung)).verdict).toBe('ruledOut');
    expect(client(facts([], noPort)).verdict).toBe('ruledOut');
    expect(client(facts([], { outcome: 'timedOut', tookMs: 2000 })).verdict).toBe('likely');
    // a dead entry is a fault of its own, not proven to be this one
    expect(client(facts([deadGateway], hung)).verdict).toBe('likely');
  });

  it('fires: on the last router, by the ICMP that it sends', () => {
    const unreachable = icmp({ from: '10.51.2.254', code: 1, name: 'host-unreachable', atMs: 4060 });
    const found = router({
      neighbours: [neighbour({ state: 'FAILED' })],
      routeGet: [routeVerdict()],
      addresses: own,
      capture: capture([connection()], { icmpErrors: [unreachable] }),
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 ICMP host-unreachable about 10.51.2.2 were sent by 10.51.2.254');
  });

  it('fires: only likely without an effect, or without the entry', () => {
    expect(router({ neighbours: [neighbour({ state: 'FAILED' })], routeGet: [routeVerdict()] }).verdict).toBe('likely');
    const gone = client({ neighbours: [], routeGet: [routeVerdict()], probes: [slow] });
    expect(gone.verdict).toBe('likely');
    expect(gone.said).toContain('10.51.2.2 is not in the neighbour table');
  });

  it('fires: only likely on the client when a router reports it, and it names the router', () => {
    const seen = connection({ handshake: 'icmpError' });
    const report = icmp({
      from: '10.30.0.1',
      code: 1,
      name: 'host-unreachable',
      atMs: 4060,
      about: { sourcePort: seen.client.port },
    });
    const found = client({
      neighbours: [neighbour({ address: gateway })],
      routeGet: [viaGateway],
      probes: [slow],
      capture: capture([seen], { icmpErrors: [report] }),
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('10.30.0.1 answered with ICMP host-unreachable about 10.51.2.2, 3.06 s after');
    const judge = (icmpErrors: (typeof report)[]) =>
      client({
        neighbours: [neighbour({ address: gateway })],
        routeGet: [viaGateway],
        probes: [slow],
        capture: capture([seen], { icmpErrors }),
      }).verdict;
    // refused at once, for another reason, about another host: not this
    expect(judge([{ ...report, atMs: 1001 }])).toBe('ruledOut');
    expect(judge([{ ...report, code: 10 }])).toBe('ruledOut');
    expect(judge([{ ...report, about: { ...report.about, destination: '10.51.2.3' } }])).toBe('ruledOut');
  });

  it('stays silent: the neighbour is there', () => {
    const found = client({
      neighbours: [neighbour({ address: gateway, state: 'STALE' })],
      routeGet: [viaGateway],
      probes: [probe()],
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe('neighbour 10.12.1.254 on eth0 is STALE (52:54:00:00:00:02)');
  });

  it('stays silent: a dead neighbour that is not on the way', () => {
    const facts = {
      neighbours: [neighbour({ address: '10.12.1.77', state: 'FAILED' }), neighbour({ address: gateway })],
    };
    expect(client({ ...facts, routeGet: [viaGateway], probes: [probe()] }).verdict).toBe('ruledOut');
    const otherDevice = neighbour({ device: 'eth7', state: 'FAILED' });
    expect(
      client({ neighbours: [otherDevice], routeGet: [routeVerdict()], capture: capture([answered()]), probes: [] })
        .verdict,
    ).toBe('ruledOut');
  });

  it('stays silent: refused at once, by a firewall or a route', () => {
    const fast = probe({ outcome: 'noRoute', tookMs: 2 });
    expect(client({ neighbours: [], routeGet: [routeVerdict()], probes: [fast] }).verdict).toBe('ruledOut');
    const none = routeVerdict({ verdict: 'network-unreachable', message: 'RTNETLINK answers: Network is unreachable' });
    expect(client({ neighbours: [], routeGet: [none], probes: [fast] }).verdict).toBe('ruledOut');
  });

  it('stays silent: the address is its own', () => {
    const local = routeVerdict({ verdict: 'local' });
    expect(router({ neighbours: [], routeGet: [local] }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the neighbour table, the next hop, the outcome', () => {
    expect(client({ probes: [slow] }).verdict).toBe('unknown');
    expect(router({ neighbours: [] }).missing[0]?.fact).toBe('routeGet');
    expect(router({ neighbours: [], routeGet: [routeVerdict()] }).missing[0]?.fact).toBe('capture');
    // a SYN that came in says nothing of whether it went out
    const cameIn = capture([connection()]);
    expect(router({ neighbours: [], routeGet: [routeVerdict()], capture: cameIn }).verdict).toBe('unknown');
  });

  describe('on the target', () => {
    const facts = {
      neighbours: [deadGateway],
      routeGet: [routeVerdict({ verdict: 'local', device: 'lo' }), routeVerdict({ to: clientAddress, via: gateway })],
      capture: capture([connection()]),
    };
    const judge = (more: object) => judgeNode(rule, { facts: { ...facts, ...more } });

    it('fires: SYNs arrive, no answer leaves, and the next hop on the way back is dead', () => {
      const found = judge({});
      expect(found.verdict).toBe('confirmed');
      expect(found.said).toContain('the next hop on the way back to 10.12.1.2');
      expect(found.said).toContain('3 SYNs of 1 connects came from 10.12.1.2, and no answer left');
    });

    it('stays silent: the next hop lives, others than its own went unanswered, or all were answered', () => {
      expect(judge({ neighbours: [{ ...deadGateway, state: 'REACHABLE' }] }).verdict).toBe('ruledOut');
      expect(judge({ neighbours: [] }).verdict).toBe('ruledOut');
      expect(judge({ capture: capture([connection({ from: otherAddress })]) }).verdict).toBe('ruledOut');
      expect(judge({ capture: capture([connection(), answered()]) }).verdict).toBe('ruledOut');
      expect(judge({ capture: capture([answered()]) }).verdict).toBe('ruledOut');
    });

    it('missing evidence: the capture, the way back; likely where the capture has losses', () => {
      expect(judge({ capture: undefined }).missing[0]?.fact).toBe('capture');
      expect(judge({ capture: capture([connection()], { droppedByKernel: 3 }) }).verdict).toBe('likely');
    });
  });
});
