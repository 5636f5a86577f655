import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { badChecksum } from '../../src/rules/bad-checksum.ts';
import { answered, capture, connection, counters, judgeNode, link } from './facts.ts';

const came = { syn: { sightings: [{ interfaceIndex: 2, direction: 'in' as const }] } };
const hit: Facts = {
  counters: counters({ 'Tcp.InCsumErrors': 3, 'Tcp.InErrs': 3, 'ethtool.eth0.rx_csum_offload_errors': 3 }),
  links: [link()],
  capture: capture([connection(came)]),
};
const judge = (facts: Facts) => judgeNode(badChecksum, { facts });

describe('bad-checksum', () => {
  it('fires: as many wrong checksums as SYNs without an answer', () => {
    const { verdict, said, remedies } = judge(hit);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('Tcp InCsumErrors +3');
    expect(said).toContain('rx_csum_offload_errors +3');
    expect(remedies[0]).toMatchObject({ commands: ['ethtool -K eth0 rx off'], undo: ['ethtool -K eth0 rx on'] });
  });

  it('fires: likely where the kernel only counts InErrs, another reason moved too, or few were lost', () => {
    expect(judge({ ...hit, counters: counters({ 'Tcp.InErrs': 3 }) }).verdict).toBe('likely');
    const both = counters({ 'Tcp.InCsumErrors': 3, 'TcpExt.ListenDrops': 2 });
    expect(judge({ ...hit, counters: both }).verdict).toBe('likely');
    expect(judge({ ...hit, capture: capture([connection({ tries: 2 })]) }).verdict).toBe('likely');
  });

  it('stays silent: flat, fewer than the lost SYNs, or every connect is answered', () => {
    expect(judge({ ...hit, counters: counters({ 'Tcp.InCsumErrors': 0, 'Tcp.InErrs': 7 }) }).verdict).toBe('ruledOut');
    expect(judge({ ...hit, capture: capture([connection(), connection()]) }).verdict).toBe('ruledOut');
    expect(judge({ ...hit, capture: capture([answered()]) }).verdict).toBe('ruledOut');
  });

  it('missing evidence: no counters, or a stray error and no capture', () => {
    expect(judge({ counters: counters({}) }).missing[0]?.fact).toBe('counters');
    expect(judge({ counters: counters({ 'Tcp.InCsumErrors': 1 }) }).missing[0]?.fact).toBe('capture');
  });
});
