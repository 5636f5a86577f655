import { describe, expect, it } from 'vitest';
import type { CounterReading } from '../../src/model/facts.ts';
import { arpCache } from '../../src/parsers/arp-cache.ts';
import { conntrackStats } from '../../src/parsers/conntrack-stats.ts';
import { ethtoolS } from '../../src/parsers/ethtool-s.ts';
import { netstatS } from '../../src/parsers/netstat-s.ts';
import { nstat } from '../../src/parsers/nstat.ts';
import { procNetDev } from '../../src/parsers/proc-net-dev.ts';
import { procNetNetstat } from '../../src/parsers/proc-net-netstat.ts';
import { procNetSnmp } from '../../src/parsers/proc-net-snmp.ts';
import { procNetSnmp6 } from '../../src/parsers/proc-net-snmp6.ts';
import { procNetSockstat } from '../../src/parsers/proc-net-sockstat.ts';
import { procNfConntrackStat } from '../../src/parsers/proc-nf-conntrack-stat.ts';
import { rtCache } from '../../src/parsers/rt-cache.ts';
import { softnetStat } from '../../src/parsers/softnet-stat.ts';
import { parseText } from './parse-text.ts';

function values(reading: CounterReading | undefined): Record<string, number> | undefined {
  return reading && Object.fromEntries(Object.entries(reading).map(([name, { value }]) => [name, value]));
}

describe('/proc/net/snmp and /proc/net/netstat', () => {
  it('read by name, whatever the order and number of columns', () => {
    const short = 'TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 3\n';
    const long = 'TcpExt: PAWSPassive ListenDrops Odd ListenOverflows SyncookiesSent\nTcpExt: 9 3 0 2 1\n';
    for (const text of [short, long]) {
      expect(values(parseText(procNetNetstat, text).value)).toMatchObject({
        'TcpExt.SyncookiesSent': 1,
        'TcpExt.ListenOverflows': 2,
        'TcpExt.ListenDrops': 3,
      });
    }
    expect(parseText(procNetNetstat, short).value).not.toHaveProperty(['TcpExt.PAWSPassive']);
  });

  it('take negative numbers and say in which line each stands', () => {
    const { value } = parseText(procNetSnmp, procNetSnmp.sample);
    expect(value?.['Tcp.MaxConn']).toEqual({ value: -1, at: { evidence: 'out', line: 2 } });
    expect(value?.['Udp.NoPorts']).toEqual({ value: 120, at: { evidence: 'out', line: 4 } });
  });

  it.each([
    ['a value is missing', 'TcpExt: A B C\nTcpExt: 1 2\n'],
    ['a value is too much', 'TcpExt: A B\nTcpExt: 1 2 3\n'],
    ['a value is no number', 'TcpExt: A B\nTcpExt: 1 x\n'],
    ['there are no values', 'TcpExt: A B\n'],
    ['another group comes between', 'TcpExt: A B\nIpExt: 1 2\n'],
  ])('leave a group out where %s', (_why, text) => {
    const { value, problems } = parseText(procNetNetstat, `${text}Udp: X\nUdp: 7\n`);
    expect(values(value)).toEqual({ 'Udp.X': 7 });
    expect(problems.length).toBeGreaterThan(0);
  });

  it('are both read from one output', () => {
    expect(Object.keys(parseText(procNetSnmp, procNetSnmp.sample + procNetNetstat.sample).value ?? {})).toContain(
      'TcpExt.ListenDrops',
    );
  });
});

describe('other counters', () => {
  it('sockstat and snmp6', () => {
    expect(values(parseText(procNetSockstat, procNetSockstat.sample).value)).toMatchObject({
      'sockstat.sockets.used': 229,
      'sockstat.TCP.inuse': 4,
      'sockstat.TCP.tw': 4,
      'sockstat.FRAG.memory': 0,
    });
    expect(values(parseText(procNetSnmp6, procNetSnmp6.sample).value)).toEqual({
      'Ip6.InReceives': 6,
      'Ip6.InDiscards': 0,
      'Icmp6.OutMsgs': 3,
      'UdpLite6.NoPorts': 0,
    });
  });

  it('conntrack: per CPU, added up, from the tool and from /proc; entries are one total', () => {
    expect(values(parseText(conntrackStats, conntrackStats.sample).value)).toMatchObject({
      'conntrack.invalid': 5,
      'conntrack.insert_failed': 3,
      'conntrack.drop': 0,
    });
    expect(values(parseText(procNfConntrackStat, procNfConntrackStat.sample).value)).toMatchObject({
      'conntrack.entries': 33,
      'conntrack.insert_failed': 3,
      'conntrack.ignore': 0x588a + 0x56a4,
      'conntrack.search_restart': 2,
    });
    // conntrack-tools 0.9 (CentOS 6) adds up by itself.
    expect(
      values(parseText(conntrackStats, 'entries                 \t12\ninsert_failed           \t4\n').value),
    ).toEqual({
      'conntrack.entries': 12,
      'conntrack.insert_failed': 4,
    });
  });

  it('routing and neighbour caches', () => {
    expect(values(parseText(rtCache, rtCache.sample).value)).toMatchObject({
      'rt_cache.entries': 7,
      'rt_cache.in_no_route': 5,
      'rt_cache.in_martian_src': 1,
    });
    expect(values(parseText(arpCache, arpCache.sample).value)).toMatchObject({
      'arp_cache.entries': 20,
      'arp_cache.table_fulls': 0x0c + 0x18,
      'arp_cache.unresolved_discards': 0x0b + 0x17,
    });
    const ndisc = parseText(arpCache, arpCache.sample, { argv: ['cat', '/proc/net/stat/ndisc_cache'] }).value;
    expect(Object.keys(ndisc ?? {})).toContain('ndisc_cache.table_fulls');
  });

  it('softnet: all CPUs, kernels of nine columns too', () => {
    expect(values(parseText(softnetStat, softnetStat.sample).value)).toEqual({
      'softnet.processed': 0x49279 + 0xdfb82,
      'softnet.dropped': 0x29,
      'softnet.time_squeeze': 0x0b,
      'softnet.received_rps': 0,
      'softnet.flow_limit_count': 0,
    });
    const old = `${'00000001 '.repeat(8)}00000001\n`;
    expect(Object.keys(parseText(softnetStat, old).value ?? {})).toEqual([
      'softnet.processed',
      'softnet.dropped',
      'softnet.time_squeeze',
    ]);
  });

  it('devices, also where a number touches the name', () => {
    expect(values(parseText(procNetDev, procNetDev.sample).value)).toMatchObject({
      'dev.lo.rx_bytes': 1008,
      'dev.eth0.rx_bytes': 138_935,
      'dev.eth0.rx_drop': 3,
      'dev.eth0.tx_packets': 1789,
    });
  });

  it('ethtool -S under the device that was asked', () => {
    const { value } = parseText(ethtoolS, ethtoolS.sample, { argv: ['ethtool', '-S', 'ens5'] });
    expect(values(value)).toMatchObject({
      'ethtool.ens5.bw_in_allowance_exceeded': 12,
      'ethtool.ens5.rx_missed_errors': 3,
    });
    expect(values(parseText(ethtoolS, 'NIC statistics:\n     [0]: rx_ucast_packets: 7\n').value)).toEqual({
      'ethtool.[0]: rx_ucast_packets': 7,
    });
  });

  it('nstat as text and as JSON, under the names of /proc', () => {
    const expected = {
      'Ip.InReceives': 1787,
      'TcpExt.PAWSPassive': 150,
      'TcpExt.ListenDrops': 150,
      'IcmpMsg.InType3': 104,
    };
    expect(values(parseText(nstat, nstat.sample).value)).toEqual(expected);
    const json =
      '{"kernel":{"IpInReceives":1787,"TcpExtPAWSPassive":150,"TcpExtListenDrops":150,"IcmpMsgInType3":104}}\n';
    expect(values(parseText(nstat, json).value)).toEqual(expected);
    expect(
      values(
        parseText(nstat, 'Udp6NoPorts 1 0.0\nUdpLite6NoPorts 2 0.0\nUdpNoPorts 3 0.0\nIpExtInNoRoutes 4 0.0\n').value,
      ),
    ).toEqual({
      'Udp6.NoPorts': 1,
      'UdpLite6.NoPorts': 2,
      'Udp.NoPorts': 3,
      'IpExt.InNoRoutes': 4,
    });
  });

  it('nstat without -a or -z does not pass for the counters', () => {
    expect(parseText(nstat, nstat.sample, { argv: ['nstat', '-asz'] }).problems).toEqual([]);
    expect(parseText(nstat, nstat.sample, { argv: ['nstat', '-s'] }).problems).toHaveLength(2);
  });

  it('netstat -s of both wordings', () => {
    // net-tools 1.60 (CentOS 6) and 2.10 (Debian 12)
    const old =
      'TcpExt:\n    12 SYNs to LISTEN sockets ignored\n    7 packets rejects in established connections because of timestamp\n    3 times the listen queue of a socket overflowed\n';
    const now =
      'TcpExt:\n    12 SYNs to LISTEN sockets dropped\n    7 packetes rejected in established connections because of timestamp\n    3 times the listen queue of a socket overflowed\n';
    const expected = { 'TcpExt.ListenDrops': 12, 'TcpExt.PAWSEstab': 7, 'TcpExt.ListenOverflows': 3 };
    expect(values(parseText(netstatS, old).value)).toEqual(expected);
    expect(values(parseText(netstatS, now).value)).toEqual(expected);
  });

  it('netstat -s keeps the ICMP histograms apart and what it does not know out', () => {
    const text =
      'Icmp:\n    3 ICMP messages received\n    ICMP input histogram:\n        destination unreachable: 2\n    5 ICMP messages sent\n    ICMP output histogram:\n        destination unreachable: 4\n    8 widgets polished\n';
    const { value, problems } = parseText(netstatS, text);
    expect(values(value)).toEqual({
      'Icmp.InMsgs': 3,
      'Icmp.InDestUnreachs': 2,
      'Icmp.OutMsgs': 5,
      'Icmp.OutDestUnreachs': 4,
    });
    expect(problems).toEqual([{ message: 'a counter in unknown words: 8 widgets polished', line: 8 }]);
  });
});
