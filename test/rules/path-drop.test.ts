import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { pathDrop as rule } from '../../src/rules/path-drop.ts';
import {
  answered,
  at,
  capture,
  clientAddress,
  connection,
  firewall,
  firewallRule,
  icmp,
  judgePath,
  neighbour,
  otherAddress,
  port1301,
  probe,
  refused,
  routeVerdict,
  symptom,
  synAck,
} from './facts.ts';
import { near, ping, sentIn } from './tunnel-facts.ts';

const nothing = capture([]);
const sent = connection();
const client = { capture: capture([sent]), probes: [probe()] };
/** The same connect as another place saw it. */
const seenAs = (from: Connection, values: Partial<Connection> = {}): Connection => ({ ...from, ...values });
const going = (from: Connection, ...directions: readonly ('in' | 'out')[]): Connection => ({
  ...from,
  syns: from.syns.map((s) => ({ ...s, sightings: directions.map((direction) => ({ interfaceIndex: 2, direction })) })),
});
const router = (seen: ReturnType<typeof capture>) => ({ node: 'router-30', facts: { capture: seen } });

describe('path-drop', () => {
  it('fires: SYNs left the client and never arrived', () => {
    const found = judgePath(rule, { client, target: { capture: nothing } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('3 SYNs of 1 connects left node-12 for 10.51.2.2:1301');
    expect(found.said).toContain('lost between node-12 and node-50: 3 SYNs of 1 of 1 unanswered connects');
    expect(found.remedies[0]?.commands).toEqual(['traceroute -n -T -p 1301 10.51.2.2']);
  });

  it('fires: only likely where each lost one SYN and others got through: that is how random loss looks', () => {
    const lost = [connection({ tries: 1 }), connection({ tries: 1 }), connection({ tries: 1 })];
    const fine = answered({ startMs: 5000 });
    const there = { capture: capture([fine]) };
    const found = judgePath(rule, { client: { capture: capture([...lost, fine]) }, target: there });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 other connects were answered');
    const persistent = [...lost, connection({ tries: 3 }), fine];
    expect(judgePath(rule, { client: { capture: capture(persistent) }, target: there }).verdict).toBe('confirmed');
  });

  describe('refused by somebody else', () => {
    const rejected = [refused(), refused(), refused()];
    const own = [
      { family: 4 as const, device: 'eth0', address: '10.51.2.2', prefixLength: 24, at: at('07-addresses.out') },
    ];
    const judge = (seen: readonly Connection[], there: readonly Connection[], addresses = own) =>
      judgePath(rule, { client: { capture: capture(seen) }, target: { capture: capture(there), addresses } });

    it('fires: likely where RSTs come in the name of a target that never saw the SYNs', () => {
      const found = judge(rejected, []);
      expect(found.verdict).toBe('likely');
      expect(found.said).toContain('3 connects were refused by RST in the name of 10.51.2.2:1301');
    });

    it('fires: confirmed by a port-unreachable of a device on the way', () => {
      const sentOut = connection({ handshake: 'icmpError', tries: 1 });
      const error = icmp({
        from: '10.30.0.1',
        code: 3,
        name: 'port-unreachable',
        about: { sourcePort: sentOut.client.port },
      });
      const seen = capture([sentOut], { icmpErrors: [error] });
      const found = judgePath(rule, { client: { capture: seen }, target: { capture: nothing, addresses: own } });
      expect(found.verdict).toBe('confirmed');
    });

    it('stays silent: the target saw them, does not own the address, or answers some', () => {
      expect(judge(rejected, rejected).verdict).toBe('ruledOut');
      expect(judge(rejected, [], []).verdict).toBe('ruledOut');
      const some = [answered(), answered(), answered(), answered()];
      expect(judge([...rejected, ...some], some).verdict).toBe('ruledOut');
    });
  });

  it('fires: only likely below three lost packets', () => {
    const one = { capture: capture([connection({ tries: 2 })]) };
    const found = judgePath(rule, { client: one, target: { capture: nothing } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('only 2 packets were lost, fewer than the 3');
    expect(judgePath(rule, { client: one, target: { capture: nothing }, params: { minLost: 2 } }).verdict).toBe(
      'confirmed',
    );
  });

  it('fires: the answer is lost on the way back', () => {
    const there = seenAs(sent, {
      handshake: 'noFinalAck',
      synAcks: [0, 1000, 3000].map((atMs, i) => synAck({ atMs: 1000 + atMs, frame: 10 + i })),
    });
    const found = judgePath(rule, { client, target: { capture: capture([there]) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('answer lost on the way back: node-50 sent 3 SYN+ACKs or RSTs');
    const viaRouter = judgePath(rule, {
      client,
      target: { capture: capture([there]) },
      forwarders: [router(capture([there]))],
    });
    expect(viaRouter.verdict).toBe('likely');
    expect(viaRouter.said).toContain('router-30 still saw the answers');
    const routerSawNone = router(capture([going(sent, 'in', 'out')]));
    expect(
      judgePath(rule, { client, target: { capture: capture([there]) }, forwarders: [routerSawNone] }).verdict,
    ).toBe('confirmed');
    const few = seenAs(there, { synAcks: there.synAcks.slice(0, 2) });
    expect(judgePath(rule, { client, target: { capture: capture([few]) } }).verdict).toBe('likely');
    const lossyClient = { capture: capture([sent], { droppedByKernel: 1 }), probes: [probe()] };
    expect(judgePath(rule, { client: lossyClient, target: { capture: capture([there]) } }).verdict).toBe('unknown');
  });

  it('stays silent: an ICMP error about a connect from before the window comes late, and every connect succeeded', () => {
    // seen on the practice network: ARP gave up three seconds after the question before this one
    const seen = answered();
    const late = icmp({ from: '10.30.0.1', code: 1, name: 'host-unreachable', about: { sourcePort: 39_999 } });
    const facts = { capture: capture([seen], { icmpErrors: [late] }), probes: [probe()] };
    expect(judgePath(rule, { client: facts, target: { capture: capture([seen]) } }).verdict).toBe('ruledOut');
  });

  it('fires: only likely, and leaves it to the rules about tunnels, where all of it was lost in one', () => {
    const inTunnel = sentIn('ipip');
    const from = { capture: capture([inTunnel]), probes: [probe()], pings: [ping()] };
    const found = judgePath(rule, { client: from, target: { capture: nothing } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('They left node-12 in ipip packets to 192.168.7.50, which answers pings');
    expect(found.remedies).toEqual([]);
    // the way is dead, or nobody looked: then it is its own business
    const { pings, ...unpinged } = from;
    for (const one of [unpinged, { ...unpinged, pings: pings.map((reply) => ({ ...reply, received: 0 })) }])
      expect(judgePath(rule, { client: one, target: { capture: nothing } }).verdict).toBe('confirmed');
    // something passes the tunnel
    const some = { ...from, capture: capture([inTunnel, answered(near('ipip', { server: 1 }))]) };
    expect(judgePath(rule, { client: some, target: { capture: nothing } }).verdict).toBe('confirmed');
  });

  it('fires: rejected by a device on the way', () => {
    const seen = connection({ handshake: 'icmpError' });
    const rejectedBy = (from: string) =>
      judgePath(rule, {
        client: {
          capture: capture([seen], {
            icmpErrors: [icmp({ from, code: 13, name: 'admin-prohibited', about: { sourcePort: seen.client.port } })],
          }),
        },
        target: {},
        forwarders: [router(nothing)],
      });
    expect(rejectedBy('10.99.0.1').verdict).toBe('confirmed');
    expect(rejectedBy('10.99.0.1').said).toContain(
      'rejected on the way: 1 x ICMP admin-prohibited (code 13) from 10.99.0.1',
    );
    // a forwarder of this run has its own findings
    expect(rejectedBy('10.30.0.1').verdict).toBe('likely');
    expect(rejectedBy('10.30.0.1').said).toContain('That is router-30');
  });

  it('stays silent: the SYN went in at a forwarder and not out; that node says why', () => {
    const found = judgePath(rule, {
      client,
      target: { capture: nothing },
      forwarders: [router(capture([going(sent, 'in')]))],
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('came in at router-30 and were not seen to leave it');
    // also where the target could not be captured
    expect(judgePath(rule, { client, target: {}, forwarders: [router(capture([going(sent, 'in')]))] }).verdict).toBe(
      'ruledOut',
    );
    // one that is only missing hides nothing: others went on and were lost behind it
    const other = connection({ startMs: 2000 });
    const both = { capture: capture([sent, other]), probes: [probe()] };
    const half = judgePath(rule, {
      client: both,
      target: { capture: nothing },
      forwarders: [router(capture([going(sent, 'in'), going(other, 'in', 'out')]))],
    });
    expect(half.verdict).toBe('confirmed');
    expect(half.said).toContain('lost between router-30 and node-50: 3 SYNs of 1 of 2 unanswered connects');
    expect(half.said).toContain('came in at router-30 and were not seen to leave it');
  });

  it('fires: names the stretch, when the forwarder sent it on, or never saw it', () => {
    const judge = (seen: ReturnType<typeof capture>) =>
      judgePath(rule, { client, target: { capture: nothing }, forwarders: [router(seen)] });
    const behind = judge(capture([going(sent, 'in', 'out')]));
    expect(behind.verdict).toBe('confirmed');
    expect(behind.said).toContain('lost between router-30 and node-50');
    const before = judge(nothing);
    expect(before.verdict).toBe('confirmed');
    expect(before.said).toContain('lost between node-12 and router-30');
    expect(before.said).toContain('node-50 saw none of them either');
    const vague = judge(capture([sent]));
    expect(vague.verdict).toBe('likely');
    expect(vague.said).toContain('last seen at router-30');
  });

  it('stays silent: the SYN never left the client, whatever holds it there', () => {
    const found = judgePath(rule, { client: { capture: nothing, probes: [probe()] }, target: { capture: nothing } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('never left the client: 1 connects were tried on node-12');
    const refusedAtOnce = probe({ outcome: 'netUnreachable', message: 'Network is unreachable' });
    expect(judgePath(rule, { client: { capture: nothing, probes: [refusedAtOnce] }, target: {} }).said).toContain(
      'refused them at once (Network is unreachable)',
    );
  });

  const clusterIp = firewallRule({
    table: 'nat',
    chain: 'OUTPUT',
    verdict: 'other',
    text: '-A OUTPUT -d 10.51.2.2/32 -p tcp --dport 1301 -j DNAT --to-destination 10.244.1.5:8080',
    match: { ...port1301, destinations: ['10.51.2.2/32'] },
  });
  it("stays silent, and fires: the client's own kube-proxy gave it the address of a pod before it left", () => {
    const leg = { ...connection(), server: { address: '10.244.1.5', port: 8080 } };
    const facts = { capture: capture([leg]), probes: [probe()], firewall: firewall(clusterIp) };
    const lost = judgePath(rule, { client: facts, target: { capture: nothing } });
    expect(lost.verdict).toBe('confirmed');
    expect(lost.said).not.toContain('never left');
    const { firewall: _unread, ...without } = facts;
    expect(judgePath(rule, { client: without, target: { capture: nothing } }).said).toContain('never left');
  });

  it('fires: only likely where a device that rewrites everything cannot be excluded', () => {
    const rewritten = seenAs(connection({ from: '10.60.0.9', startMs: 1010 }), { options: sent.options });
    const found = judgePath(rule, { client, target: { capture: capture([rewritten]) } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('cannot be excluded');
    // half a minute later it is somebody else; with the clocks set against each other it is the same moment again
    const later = seenAs(connection({ from: '10.60.0.9', startMs: 31_010 }), { options: sent.options });
    expect(judgePath(rule, { client, target: { capture: capture([later]) } }).verdict).toBe('confirmed');
    expect(
      judgePath(rule, { client, target: { capture: capture([later]) }, clockOffsetsMs: { 'node-50': 30_000 } }).verdict,
    ).toBe('likely');
  });

  it('stays silent: arrived, and the target did not answer', () => {
    const found = judgePath(rule, { client, target: { capture: capture([seenAs(sent)]) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('arrived: the target did not answer (1 of 1 unanswered connects');
  });

  it('stays silent: arrived behind NAT, known by sequence number and TSval', () => {
    const natted = seenAs(sent, { client: { address: '10.12.9.9', port: 61_000 } });
    const found = judgePath(rule, { client, target: { capture: capture([natted]) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('there as 10.12.9.9:61000 (NAT)');
    // behind a NodePort the target sees another port too
    const nodePort = seenAs(natted, { server: { address: '10.244.1.7', port: 8080 } });
    expect(judgePath(rule, { client, target: { capture: capture([nodePort]) } }).verdict).toBe('ruledOut');
    // another TSval and another IP id: another packet
    const other = seenAs(natted, {
      syns: natted.syns.map((s) => ({ ...s, tsval: 9, ipId: 9 })),
      options: { client: null, server: null },
    });
    expect(judgePath(rule, { client, target: { capture: capture([other]) } }).verdict).toBe('confirmed');
  });

  it('stays silent: arrived with a new sequence number, by four-tuple and moment', () => {
    const randomised = seenAs(sent, { syns: sent.syns.map((s) => ({ ...s, sequence: 77, atMs: s.atMs + 60_000 })) });
    const judge = (offset: number) =>
      judgePath(rule, { client, target: { capture: capture([randomised]) }, clockOffsetsMs: { 'node-50': offset } })
        .verdict;
    expect(judge(60_000)).toBe('ruledOut');
    expect(judge(0)).toBe('confirmed');
  });

  it('stays silent: answered, refused, or answered with an ICMP error of the target', () => {
    const judge = (seen: Connection, icmpErrors = [icmp()].slice(1)) =>
      judgePath(rule, { client: { capture: capture([seen], { icmpErrors }) }, target: {} });
    expect(judge(answered()).verdict).toBe('ruledOut');
    expect(judge(answered()).said).toContain('1 of 1 connects from node-12 to 10.51.2.2:1301 were answered');
    expect(judge(refused()).verdict).toBe('ruledOut');
    expect(judge(connection({ handshake: 'icmpError' }), [icmp()]).verdict).toBe('ruledOut');
  });

  it("stays silent: the client's own neighbour is dead", () => {
    const dead = neighbour({ address: '10.12.1.254', state: 'FAILED' });
    const facts = {
      capture: nothing,
      probes: [probe()],
      neighbours: [dead],
      routeGet: [routeVerdict({ via: '10.12.1.254' })],
    };
    const found = judgePath(rule, { client: facts, target: { capture: nothing } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('see neigh-failed');
  });

  it('missing evidence: captures that are not there or too weak', () => {
    expect(judgePath(rule, { client: {}, target: { capture: nothing } }).missing[0]).toMatchObject({
      fact: 'capture',
      node: 'node-12',
    });
    expect(judgePath(rule, { client, target: {} }).missing[0]).toMatchObject({ fact: 'capture', node: 'node-50' });
    const deaf = capture([], { listening: false });
    expect(judgePath(rule, { client, target: { capture: deaf } }).verdict).toBe('unknown');
    const lossy = judgePath(rule, { client, target: { capture: capture([], { droppedByKernel: 5 }) } });
    expect(lossy.verdict).toBe('unknown');
    expect(lossy.said).toContain('dropped 5 packets');
    expect(judgePath(rule, { client, target: { capture: capture([], { connectionsDropped: 5 }) } }).verdict).toBe(
      'unknown',
    );
  });

  it('missing evidence: nothing was tried, or not for long enough, or it is about UDP', () => {
    expect(judgePath(rule, { client: { capture: nothing }, target: { capture: nothing } }).verdict).toBe('unknown');
    const young = capture([connection({ tries: 1 })], { lastAtMs: 1100 });
    expect(judgePath(rule, { client: { capture: young }, target: { capture: nothing } }).verdict).toBe('unknown');
    const udp = judgePath(rule, { client, target: { capture: nothing }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('unknown');
  });

  it('missing evidence: a lossy capture on the forwarder does not prove that it kept the SYN', () => {
    const lossy = capture([going(sent, 'in')], { droppedByKernel: 1 });
    const found = judgePath(rule, { client, target: { capture: nothing }, forwarders: [router(lossy)] });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('does not tell whether they left it');
  });

  it('keeps to the client of the path', () => {
    const both = [sent, connection({ from: otherAddress })];
    const found = judgePath(rule, { client, target: { capture: capture(both) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.because[0]?.evidence).toBe(at('13-capture.pcap').evidence);
    expect(sent.client.address).toBe(clientAddress);
  });
});
