import { describe, expect, it } from 'vitest';
import type { Address, Facts } from '../../src/model/facts.ts';
import { martianLocalSource } from '../../src/rules/martian-local-source.ts';
import { answered, at, capture, clientAddress, connection, counters, judgeNode, plan } from './facts.ts';

const address = (text: string, device: string): Address => ({
  family: 4,
  device,
  address: text,
  prefixLength: 32,
  at: at('05-addresses.out', 3),
});
const own = [address('10.51.2.2', 'eth0'), address('203.0.113.9', 'kube-ipvs0')];
const hit: Facts = {
  addresses: own,
  counters: counters({ 'rt_cache.in_martian_src': 3, 'TcpExt.IPReversePathFilter': 0 }),
  capture: capture([connection({ from: '203.0.113.9' })]),
};
const judge = (facts: Facts) => judgeNode(martianLocalSource, { facts });

describe('martian-local-source', () => {
  it('fires: unanswered SYNs with a source of the node itself, one martian each', () => {
    const { verdict, said, remedies } = judge(hit);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('203.0.113.9');
    expect(said).toContain('in_martian_src +3');
    expect(remedies[0]).toMatchObject({
      kind: 'temporary',
      commands: ['ip route del table local local 203.0.113.9 dev kube-ipvs0'],
      undo: ['ip route add table local local 203.0.113.9 dev kube-ipvs0'],
    });
  });

  it('fires: likely without the counter, or where it moved less', () => {
    const { counters: _, ...uncounted } = hit;
    expect(judge(uncounted).verdict).toBe('likely');
    expect(judge({ ...hit, counters: counters({ 'rt_cache.in_martian_src': 1 }) }).verdict).toBe('likely');
  });

  it('fires: likely without a capture, where a client of the question has an address of the node', () => {
    const { capture: _, ...blind } = hit;
    const asked = plan({ externalClients: ['203.0.113.9'] });
    expect(judgeNode(martianLocalSource, { facts: blind, plan: asked }).verdict).toBe('likely');
  });

  it('stays silent: sources are of others, every connect is answered, or the reverse-path filter did it', () => {
    expect(judge({ ...hit, capture: capture([connection({ from: clientAddress })]) }).verdict).toBe('ruledOut');
    expect(judge({ ...hit, capture: capture([answered({ from: '203.0.113.9' })]) }).verdict).toBe('ruledOut');
    const filtered = counters({ 'rt_cache.in_martian_src': 3, 'TcpExt.IPReversePathFilter': 3 });
    expect(judge({ ...hit, counters: filtered }).verdict).toBe('ruledOut');
  });

  it('stays silent: no temporary remedy for an address that the node needs', () => {
    const { remedies } = judge({ ...hit, capture: capture([connection({ from: '10.51.2.2' })]) });
    expect(remedies.filter(({ kind }) => kind === 'temporary')).toEqual([]);
  });

  it('missing evidence: the addresses of the node', () => {
    const { addresses: _, ...without } = hit;
    expect(judge(without).missing[0]?.fact).toBe('addresses');
  });
});
