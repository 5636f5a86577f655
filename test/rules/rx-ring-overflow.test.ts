import { describe, expect, it } from 'vitest';
import { rxRingOverflow as rule } from '../../src/rules/rx-ring-overflow.ts';
import { at, capture, counters, judgeNode, probe, talk } from './facts.ts';

const dropping = counters({
  'ethtool.eth0.rx_missed_errors': 300,
  'dev.eth0.rx_fifo': 300,
  'dev.eth0.rx_packets': 20_000,
});
const lossy = capture([talk({ retransmitted: { client: 2, server: 3 } })]);
const nics = [
  {
    device: 'eth0',
    rings: { maximum: { rx: 4096, tx: 4096 }, current: { rx: 256, tx: 256 }, at: at('21-ethtool-g.out', 2) },
  },
];

describe('rx-ring-overflow', () => {
  it('fires: the card missed packets and packets of this question were sent again', () => {
    const found = judgeNode(rule, { facts: { counters: dropping, capture: lossy, nics } });
    expect(found.verdict).toBe('confirmed');
    // one drop under two names is one drop
    expect(found.said).toContain('rx_missed_errors +300 in the window beside 20000 packets received (1.5 %)');
    expect(found.said).toContain('256 entries, 4096 are possible');
    expect(found.remedies[0]).toMatchObject({
      commands: ['ethtool -G eth0 rx 4096'],
      undo: ['ethtool -G eth0 rx 256'],
    });
    const client = judgeNode(rule, { node: 'node-12', facts: { counters: dropping, probes: [probe()] } });
    expect(client.verdict).toBe('confirmed');
    expect(client.remedies.map(({ kind }) => kind)).toEqual(['application']);
  });
  it('fires: only likely where this question suffered nothing', () => {
    expect(judgeNode(rule, { facts: { counters: dropping, capture: capture([talk()]) } }).verdict).toBe('likely');
  });
  it('stays silent: a rate that is normal, packets of unknown protocols, other devices', () => {
    const silent = (rises: Record<string, number>) =>
      judgeNode(rule, { facts: { counters: counters(rises), capture: lossy } }).verdict;
    expect(silent({ 'ethtool.eth0.rx_missed_errors': 30, 'dev.eth0.rx_packets': 1_000_000 })).toBe('ruledOut');
    expect(silent({ 'ethtool.eth0.rx_missed_errors': 3, 'dev.eth0.rx_packets': 100 })).toBe('ruledOut');
    expect(silent({ 'dev.eth0.rx_fifo': 0, 'dev.eth0.rx_drop': 900, 'ethtool.eth0.rx_dropped': 900 })).toBe('ruledOut');
    expect(silent({ 'dev.eth0.rx_fifo': 0, 'dev.lo.rx_fifo': 900 })).toBe('ruledOut');
    expect(silent({ 'dev.eth0.rx_fifo': 0, 'ethtool.eth0.rx_crc_errors': 900 })).toBe('ruledOut');
  });
  it('missing evidence: no counters of devices', () => {
    expect(judgeNode(rule, { facts: { capture: lossy } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({ 'TcpExt.ListenDrops': 0 }) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({ 'dev.eth0.rx_fifo': null }) } }).verdict).toBe('unknown');
  });
});
