import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { fwOutputDrop } from '../../src/rules/fw-output-drop.ts';
import {
  answered,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  judgeNode,
  port1301,
  probe,
} from './facts.ts';

const drop = (rose: number | null) =>
  firewallRule({ chain: 'OUTPUT', text: '-A OUTPUT -p tcp --dport 1301 -j DROP', match: port1301, rose });
const dropping: Facts = {
  probes: [probe(), probe({ attempt: 2 })],
  capture: capture([], { packets: 4 }),
  firewall: firewall(drop(6)),
  counters: counters({ 'TcpExt.TCPRetransFail': 4 }),
};
const judge = (facts: Facts) => judgeNode(fwOutputDrop, { facts, node: 'node-12' });

describe('fw-output-drop', () => {
  it('fires: connects time out, no SYN leaves, and a drop rule on the way out counts', () => {
    const { verdict, said, remedies } = judge(dropping);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('OUTPUT -p tcp --dport 1301 -j DROP" +6 packets');
    expect(said).toContain('TCPRetransFail +4');
    expect(remedies[0]?.commands).toEqual(['iptables -I OUTPUT -d 10.51.2.2 -p tcp --dport 1301 -j ACCEPT']);
    expect(remedies[0]?.undo).toEqual(['iptables -D OUTPUT -d 10.51.2.2 -p tcp --dport 1301 -j ACCEPT']);
  });

  it('fires: likely where the rule has no counter or was not fully understood', () => {
    expect(judge({ ...dropping, firewall: firewall(drop(null)) }).verdict).toBe('likely');
    const vague = { ...drop(6), match: { understood: false } };
    expect(judge({ ...dropping, firewall: firewall(vague) }).verdict).toBe('likely');
  });

  it('stays silent: SYNs left, connects work, or fail at once', () => {
    expect(judge({ ...dropping, capture: capture([connection()]) }).verdict).toBe('ruledOut');
    expect(judge({ ...dropping, probes: [probe({ outcome: 'connected' })] }).verdict).toBe('ruledOut');
    expect(judge({ ...dropping, probes: [probe({ outcome: 'noRoute' })] }).verdict).toBe('ruledOut');
  });

  const clusterIp = firewallRule({
    table: 'nat',
    chain: 'OUTPUT',
    verdict: 'other',
    text: '-A OUTPUT -d 10.51.2.2/32 -p tcp --dport 1301 -j DNAT --to-destination 10.244.1.5:8080',
    match: { ...port1301, destinations: ['10.51.2.2/32'] },
  });
  it('stays silent: what is for a Service left for one of its pods', () => {
    const leg = { ...connection(), server: { address: '10.244.1.5', port: 8080 } };
    const facts = { ...dropping, firewall: firewall(clusterIp, drop(6)), capture: capture([leg]) };
    expect(judge(facts).verdict).toBe('ruledOut');
    expect(judge({ ...facts, firewall: firewall(drop(6)) }).verdict).toBe('confirmed');
  });
  it('fires: the rule drops what goes to the pod, behind the translation', () => {
    const podPort = { protocol: 'tcp', destinationPorts: [{ from: 8080, to: 8080 }] };
    const podDrop = firewallRule({
      chain: 'OUTPUT',
      text: '-A OUTPUT -p tcp --dport 8080 -j DROP',
      match: podPort,
      rose: 6,
    });
    expect(judge({ ...dropping, firewall: firewall(clusterIp, podDrop) }).verdict).toBe('confirmed');
  });

  it('stays silent: no rule of the output hooks, or none that counted', () => {
    expect(judge({ ...dropping, firewall: firewall(firewallRule({ match: port1301, rose: 6 })) }).verdict).toBe(
      'ruledOut',
    );
    expect(judge({ ...dropping, firewall: firewall(drop(0)) }).verdict).toBe('ruledOut');
  });

  it('missing evidence: the firewall, the capture, a capture with losses, connects', () => {
    const { firewall: _, ...unread } = dropping;
    expect(judge(unread).missing[0]?.fact).toBe('firewall');
    const { capture: __, ...blind } = dropping;
    expect(judge(blind).missing[0]?.fact).toBe('capture');
    expect(judge({ ...dropping, capture: capture([], { droppedByKernel: 5 }) }).missing[0]?.fact).toBe('capture');
    expect(judge({ ...dropping, probes: [] }).missing[0]?.fact).toBe('probes');
  });

  describe('on the target', () => {
    const dropAnswers = (rose: number | null, text = '-A OUTPUT -p tcp --sport 1301 -j DROP') =>
      firewallRule({
        chain: 'OUTPUT',
        text,
        match: { protocol: 'tcp', sourcePorts: [{ from: 1301, to: 1301 }] },
        rose,
      });
    const silent: Facts = { capture: capture([connection(), connection()]), firewall: firewall(dropAnswers(7)) };
    const judgeTarget = (facts: Facts) => judgeNode(fwOutputDrop, { facts });

    it('fires: SYNs arrive, no answer leaves, and a drop of answers counts', () => {
      const { verdict, said, remedies } = judgeTarget(silent);
      expect(verdict).toBe('confirmed');
      expect(said).toContain('6 SYNs of 2 connects reached port 1301, and no answer left');
      expect(remedies[0]?.commands).toEqual(['iptables -I OUTPUT -s 10.51.2.2 -p tcp --sport 1301 -j ACCEPT']);
    });

    it('stays silent: answers leave, nothing arrives, no drop, or one that counted nothing', () => {
      const answering = { ...silent, capture: capture([answered()]) };
      expect(judgeTarget(answering).verdict).toBe('ruledOut');
      expect(judgeTarget({ ...silent, capture: capture([]) }).verdict).toBe('ruledOut');
      expect(judgeTarget({ ...silent, firewall: firewall() }).verdict).toBe('ruledOut');
      expect(judgeTarget({ ...silent, firewall: firewall(dropAnswers(0)) }).verdict).toBe('ruledOut');
    });

    it('stays silent: a drop of connects to that port is none of answers', () => {
      expect(judgeTarget({ ...silent, firewall: firewall(drop(9)) }).verdict).toBe('likely');
      const elsewhere = firewallRule({
        chain: 'OUTPUT',
        match: { protocol: 'tcp', sourcePorts: [{ from: 22, to: 22 }] },
        rose: 9,
      });
      expect(judgeTarget({ ...silent, firewall: firewall(elsewhere) }).verdict).toBe('ruledOut');
    });

    it('stays silent: egress is closed, and established connections are let out', () => {
      const policy = firewallRule({ chain: 'OUTPUT', isPolicy: true, text: ':OUTPUT DROP', match: {}, rose: 40 });
      const established = firewallRule({
        chain: 'OUTPUT',
        verdict: 'accept',
        text: '-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        match: { understood: false },
        rose: 0,
      });
      expect(judgeTarget({ ...silent, firewall: firewall(policy) }).verdict).toBe('confirmed');
      expect(judgeTarget({ ...silent, firewall: firewall(policy, established) }).verdict).toBe('ruledOut');
      const listed = { ...established, text: '-A OUTPUT -m set --match-set clients dst -j ACCEPT' };
      expect(judgeTarget({ ...silent, firewall: firewall(policy, listed) }).verdict).toBe('likely');
    });

    it('missing evidence: the capture, the firewall', () => {
      expect(judgeTarget({ firewall: firewall(dropAnswers(7)) }).missing[0]?.fact).toBe('capture');
      expect(judgeTarget({ capture: capture([connection()]) }).missing[0]?.fact).toBe('firewall');
    });
  });
});
