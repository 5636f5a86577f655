import { describe, expect, it } from 'vitest';
import type { CounterReading } from '../../src/model/facts.ts';
import { ethtoolS } from '../../src/parsers/ethtool-s.ts';
import { interrupts } from '../../src/parsers/interrupts.ts';
import { ipVsStats } from '../../src/parsers/ip-vs-stats.ts';
import { mostCounters } from '../../src/parsers/counter-table.ts';
import { nstat } from '../../src/parsers/nstat.ts';
import { procNetDev } from '../../src/parsers/proc-net-dev.ts';
import { softirqs } from '../../src/parsers/softirqs.ts';
import { parseText } from './parse-text.ts';

const numbers = (value: CounterReading | undefined): Record<string, number> =>
  Object.fromEntries(Object.entries(value ?? {}).map(([name, one]) => [name, one.value]));

describe('softirqs', () => {
  it('adds CPUs up, also where some are offline', () => {
    const text = `                    CPU0       CPU2       CPU3
          HI:          1          0          4
      NET_RX:      93012      85110          0
BLOCK_IOPOLL:          0          0          0
`;
    const { value, problems } = parseText(softirqs, text);
    expect(problems).toEqual([]);
    expect(numbers(value)).toEqual({ 'softirq.HI': 5, 'softirq.NET_RX': 178_122, 'softirq.BLOCK_IOPOLL': 0 });
  });

  it('leaves a line out that lacks a CPU', () => {
    const { value, problems } = parseText(softirqs, '   CPU0   CPU1   CPU2\n NET_RX:   1   2\n NET_TX: 1 2 3\n');
    expect(numbers(value)).toEqual({ 'softirq.NET_TX': 6 });
    expect(problems).toHaveLength(1);
  });
});

describe('interrupts', () => {
  it('Linux 2.6.32: chip and type in one word, shared lines, lines without a device', () => {
    const text = `           CPU0       CPU1       
  0:        124          0   IO-APIC-edge      timer
  8:          1          0   IO-APIC-edge    
 16:         10          2   IO-APIC-fasteoi   uhci_hcd:usb1, eth1
 24:    1000000          0   PCI-MSI-edge      eth0-rx-0
NMI:          3          2   Non-maskable interrupts
ERR:          0
MIS:          7
`;
    const { value, problems } = parseText(interrupts, text);
    expect(problems).toEqual([]);
    expect(numbers(value)).toEqual({
      'interrupt.timer': 124,
      'interrupt.timer.cpu0': 124,
      'interrupt.8': 1,
      'interrupt.8.cpu0': 1,
      'interrupt.eth1': 12,
      'interrupt.eth1.cpu0': 10,
      'interrupt.eth1.cpu1': 2,
      'interrupt.eth0-rx-0': 1_000_000,
      'interrupt.eth0-rx-0.cpu0': 1_000_000,
      'interrupt.NMI': 5,
      'interrupt.NMI.cpu0': 3,
      'interrupt.NMI.cpu1': 2,
      'interrupt.ERR': 0,
      'interrupt.MIS': 7,
    });
  });

  it('newer kernels and ARM: number and type of the line are no device', () => {
    const text = `            CPU0       CPU1
   9:          4          0   IO-APIC   9-fasteoi
  35:          9          1     GICv3  27 Level     arch_timer
  40:          5          0   ITS-MSI 524288 Edge      mlx5_comp0@pci:0000:01:00.0
  41:          2          0     GICv3  40 Level
IPI0:          1          2       Rescheduling interrupts
 Err:          0
`;
    const { value, problems } = parseText(interrupts, text);
    expect(problems).toEqual([]);
    expect(Object.keys(numbers(value)).filter((name) => !/\.cpu\d+$/.test(name))).toEqual([
      'interrupt.9',
      'interrupt.arch_timer',
      'interrupt.mlx5_comp0@pci:0000:01:00.0',
      'interrupt.41',
      'interrupt.IPI0',
      'interrupt.Err',
    ]);
  });
});

describe('ip-vs-stats', () => {
  it('reads the totals in hexadecimal and leaves out rates; cut totals are nothing', () => {
    expect(numbers(parseText(ipVsStats, ipVsStats.sample).value)['ip_vs.packets_in']).toBe(0xe3_36_56_e5);
    const [first = '', second = ''] = ipVsStats.sample.split('\n');
    expect(parseText(ipVsStats, `${first}\n${second}\n 16AA370 E33656E5\n`).value).toBeUndefined();
  });
});

describe('counters above 2^53', () => {
  const dev = procNetDev.sample.replace('138935 ', '9007199254740993 ').replace('169363 ', '18446744073709551615 ');

  it('are kept as far as a number can say, and one problem says so', () => {
    const { value, problems } = parseText(procNetDev, dev);
    expect(value?.['dev.eth0.rx_bytes']?.value).toBe(9_007_199_254_740_992);
    expect(value?.['dev.eth0.tx_bytes']?.value).toBe(2 ** 64);
    expect(problems).toEqual([
      { message: 'dev.eth0.rx_bytes and 1 more: above 2^53, so that the last digits are rounded', line: 4 },
    ]);
  });

  it('of nstat as JSON are kept too', () => {
    const { value, problems } = parseText(nstat, '{"kernel":{"IpExtInOctets":18014398509481985}}\n');
    expect(value?.['IpExt.InOctets']?.value).toBe(2 ** 54);
    expect(problems).toHaveLength(1);
  });
});

describe('names without end', () => {
  it('are bounded, and what was dropped is said', () => {
    const rows = Array.from({ length: mostCounters + 5 }, (_one, at) => `     queue_${at}: 1\n`).join('');
    const { value, problems } = parseText(ethtoolS, `NIC statistics:\n${rows}`);
    expect(Object.keys(value ?? {})).toHaveLength(mostCounters);
    expect(problems).toEqual([{ message: '5 more counters than the 100000 that are kept' }]);
  });

  it('of Object.prototype are counters like others', () => {
    const { value, problems } = parseText(ethtoolS, 'NIC statistics:\n __proto__: 1\n constructor: 2\n toString: 3\n');
    expect(problems).toEqual([]);
    expect(numbers(value)).toEqual({ 'ethtool.__proto__': 1, 'ethtool.constructor': 2, 'ethtool.toString': 3 });
  });
});
