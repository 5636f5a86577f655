import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { fwOutputDrop } from '../../src/rules/fw-output-drop.ts';
import { capture, connection, counters, firewall, firewallRule, judgeNode, port1301, probe } from './facts.ts';

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
});
