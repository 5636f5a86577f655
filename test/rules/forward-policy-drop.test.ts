import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { forwardPolicyDrop } from '../../src/rules/forward-policy-drop.ts';
import {
  answered,
  capture,
  connection,
  firewall,
  firewallRule,
  judgeNode,
  port1301,
  routeVerdict,
  synAck,
} from './facts.ts';

const policy = (rose: number) => firewallRule({ chain: 'FORWARD', isPolicy: true, text: ':FORWARD DROP', rose });
const stuck = connection({ syn: { sightings: [{ interfaceIndex: 2, direction: 'in' }] } });
const dropping: Facts = {
  firewall: firewall(policy(3)),
  routeGet: [routeVerdict()],
  capture: capture([stuck]),
};
const judge = (facts: Facts, node = 'router-30') => judgeNode(forwardPolicyDrop, { facts, node });

describe('forward-policy-drop', () => {
  it('fires: the policy counted the SYNs that came in and did not leave', () => {
    const { verdict, said, remedies } = judge(dropping);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('":FORWARD DROP" +3 packets');
    expect(remedies[0]?.commands).toEqual([
      'iptables -I FORWARD -d 10.51.2.2 -j ACCEPT',
      'iptables -I FORWARD -s 10.51.2.2 -j ACCEPT',
    ]);
    expect(remedies.flatMap(({ commands }) => commands)).not.toContain('iptables -P FORWARD ACCEPT');
  });

  it('fires: a rule of the chain as well as its policy', () => {
    const rule = firewallRule({
      chain: 'FORWARD',
      text: '-A FORWARD -p tcp --dport 1301 -j DROP',
      match: port1301,
      rose: 3,
    });
    expect(judge({ ...dropping, firewall: firewall(rule, policy(0)) }).verdict).toBe('confirmed');
  });

  it('fires: likely where it counted fewer, or the packets were not seen', () => {
    expect(judge({ ...dropping, firewall: firewall(policy(1)) }).verdict).toBe('likely');
    const { capture: _, ...blind } = dropping;
    expect(judge(blind).verdict).toBe('likely');
  });

  const nodePort = firewallRule({
    table: 'nat',
    chain: 'PREROUTING',
    verdict: 'other',
    text: '-A PREROUTING -p tcp --dport 1301 -j DNAT --to-destination 10.244.1.5:8080',
    match: port1301,
  });
  const own = [routeVerdict({ verdict: 'local', device: 'lo' })];

  it('fires: a NodePort of the node itself, followed with the address and port that it is sent on to', () => {
    const podPort = { protocol: 'tcp', destinationPorts: [{ from: 8080, to: 8080 }] };
    const drop = firewallRule({
      chain: 'FORWARD',
      text: '-A FORWARD -p tcp --dport 8080 -j DROP',
      match: podPort,
      rose: 3,
    });
    const found = judge({ ...dropping, routeGet: own, firewall: firewall(nodePort, drop) }, 'node-50');
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('a nat rule sends what comes for it on to 10.244.1.5:8080');
    expect(found.remedies[0]?.commands[0]).toBe('iptables -I FORWARD -d 10.244.1.5 -j ACCEPT');
  });

  it('stays silent: the translated packet was seen to leave, though the one that came in was not', () => {
    const translated = {
      ...connection({ syn: { sightings: [{ interfaceIndex: 3, direction: 'out' }] } }),
      server: { address: '10.244.1.5', port: 8080 },
    };
    const leg = {
      ...translated,
      syns: translated.syns.map((syn, i) => ({ ...syn, sequence: stuck.syns[i]?.sequence ?? 0 })),
    };
    const facts = {
      ...dropping,
      routeGet: own,
      firewall: firewall(nodePort, policy(3)),
      capture: capture([stuck, leg]),
    };
    const found = judge(facts, 'node-50');
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('1 of these connects were seen leaving this node');
    expect(judge(facts, 'router-30').verdict).toBe('ruledOut');
    expect(judge({ ...facts, capture: capture([stuck]) }, 'node-50').verdict).toBe('confirmed');
  });

  it('stays silent: the policy is flat, an accept takes the traffic, or everything is answered', () => {
    expect(judge({ ...dropping, firewall: firewall(policy(0)) }).verdict).toBe('ruledOut');
    const accept = firewallRule({ chain: 'FORWARD', verdict: 'accept', text: '-A FORWARD -j ACCEPT', rose: 3 });
    expect(judge({ ...dropping, firewall: firewall(accept, policy(9)) }).verdict).toBe('ruledOut');
    expect(judge({ ...dropping, capture: capture([answered()]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: the SYNs left the node again, or the INPUT chain is another matter', () => {
    const passed = connection({
      syn: {
        sightings: [
          { interfaceIndex: 2, direction: 'in' },
          { interfaceIndex: 3, direction: 'out' },
        ],
      },
    });
    expect(judge({ ...dropping, capture: capture([passed]) }).verdict).toBe('ruledOut');
    expect(judge({ ...dropping, firewall: firewall(firewallRule({ rose: 3 })) }).verdict).toBe('ruledOut');
  });

  it('stays silent: the address is the node’s own', () => {
    const own = { ...dropping, routeGet: [routeVerdict({ verdict: 'local' })] };
    expect(judge(own, 'node-50').verdict).toBe('notApplicable');
  });

  it('missing evidence: no firewall, or only traffic in general behind a rule that may match', () => {
    const { firewall: _, ...without } = dropping;
    expect(judge(without).missing[0]?.fact).toBe('firewall');
    const vague = firewallRule({
      chain: 'FORWARD',
      text: '-A FORWARD -m set … -j DROP',
      match: { understood: false },
      rose: 9,
    });
    const { capture: __, ...blind } = dropping;
    expect(judge({ ...blind, firewall: firewall(vague) }).verdict).toBe('unknown');
  });

  it('fires: SYNs pass, and the chain keeps the answers', () => {
    const halfWay = connection({
      syn: { sightings: [{ interfaceIndex: 3, direction: 'out' }] },
      handshake: 'noFinalAck',
      synAcks: [synAck(), synAck({ atMs: 2000 })],
      places: [{ interfaceIndex: 3, direction: 'in', tunnel: null, client: 0, server: 2 }],
    });
    const rule = firewallRule({
      chain: 'FORWARD',
      text: '-A FORWARD -p tcp --sport 1301 -j DROP',
      match: { protocol: 'tcp', sourcePorts: [{ from: 1301, to: 1301 }] },
      rose: 2,
    });
    const facts = { ...dropping, capture: capture([halfWay]) };
    const { verdict, said } = judge({ ...facts, firewall: firewall(rule) });
    expect(verdict).toBe('confirmed');
    expect(said).toContain('2 SYN+ACKs of 1 connects came back to this node and were not seen to leave it');
    const established = firewallRule({
      chain: 'FORWARD',
      verdict: 'accept',
      text: '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      match: { understood: false },
    });
    expect(judge({ ...facts, firewall: firewall(established, policy(9)) }).verdict).toBe('ruledOut');
  });
});
