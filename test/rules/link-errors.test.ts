import { describe, expect, it } from 'vitest';
import type { KernelLog } from '../../src/model/node-facts.ts';
import { linkErrors as rule } from '../../src/rules/link-errors.ts';
import { at, capture, counters, judgeNode, talk } from './facts.ts';

const lossy = capture([talk({ retransmitted: { client: 2, server: 3 } })]);
const calm = { 'dev.eth0.rx_frame': 0, 'dev.eth0.rx_packets': 10_000, 'dev.eth0.tx_carrier': 0 };
const nic = (duplex: 'full' | 'half') => [
  { device: 'eth0', settings: { device: 'eth0', duplex, speedMbitPerSec: 100, at: at('24-ethtool.out', 12) } },
];
const log = (messages: readonly string[], time = '[ 4900.1]'): KernelLog => ({
  lines: messages.length,
  matters: messages.map((message) => ({ topic: 'link-state', time, message, at: at('25-log.out', 1) })),
});
const clock = { epochMs: 1, uptimeSec: 5000, at: at('02-clock.out', 1) };

describe('link-errors', () => {
  it('fires: frames arrive damaged and packets of this question were sent again', () => {
    const rises = counters({ ...calm, 'ethtool.eth0.rx_crc_errors': 40, 'dev.eth0.rx_frame': 40 });
    const found = judgeNode(rule, { facts: { counters: rises, capture: lossy } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('rx_crc_errors +40 in the window beside 10000 packets received (0.4 %)');
    expect(judgeNode(rule, { facts: { counters: rises, capture: capture([talk()]) } }).verdict).toBe('likely');
  });
  it('fires: only likely for half duplex, a lost carrier, or a link that flaps', () => {
    const half = judgeNode(rule, { facts: { counters: counters(calm), nics: nic('half') } });
    expect(half.verdict).toBe('likely');
    expect(half.said).toContain('eth0 runs at half duplex (100 Mbit/s)');
    expect(half.remedies[0]?.commands).toEqual(['ethtool -s eth0 autoneg on']);
    const carrier = counters({ ...calm, 'dev.eth0.tx_carrier': 2 });
    expect(judgeNode(rule, { facts: { counters: carrier } }).verdict).toBe('likely');
    const flapping = log([
      'ixgbe 0000:01:00.0 eth0: NIC Link is Down',
      'ixgbe 0000:01:00.0 eth0: NIC Link is Up 10 Gbps',
    ]);
    expect(judgeNode(rule, { facts: { counters: counters(calm), kernelLog: flapping, clock } }).verdict).toBe('likely');
  });
  it('stays silent: sound links, a few errors, full buffers, links that pods bring', () => {
    const silent = (facts: object) => judgeNode(rule, { facts: { counters: counters(calm), ...facts } }).verdict;
    expect(silent({ nics: nic('full'), capture: lossy })).toBe('ruledOut');
    expect(silent({ counters: counters({ ...calm, 'ethtool.eth0.rx_crc_errors': 2 }) })).toBe('ruledOut');
    expect(silent({ counters: counters({ ...calm, 'dev.eth0.rx_errs': 90, 'dev.eth0.rx_fifo': 90 }) })).toBe(
      'ruledOut',
    );
    const pods = log(['veth12ab: Lost carrier', 'cali77: Lost carrier']);
    expect(silent({ kernelLog: pods, clock })).toBe('ruledOut');
    const old = log(['eth0: NIC Link is Down', 'eth0: NIC Link is Up'], '[ 12.5]');
    expect(silent({ kernelLog: old, clock })).toBe('ruledOut');
  });
  it('missing evidence: no counters of devices', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({}), nics: nic('full') } }).verdict).toBe('unknown');
  });
});
