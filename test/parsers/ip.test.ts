import { describe, expect, it } from 'vitest';
import { ipAddr } from '../../src/parsers/ip-addr.ts';
import { ipLink } from '../../src/parsers/ip-link.ts';
import { ipNeigh } from '../../src/parsers/ip-neigh.ts';
import { ipRoute } from '../../src/parsers/ip-route.ts';
import { ipRouteGet } from '../../src/parsers/ip-route-get.ts';
import { ipRule } from '../../src/parsers/ip-rule.ts';
import { ipTcpMetrics } from '../../src/parsers/ip-tcp-metrics.ts';
import { parseText, withoutAt } from './parse-text.ts';

// Samples without a note: iproute2 6.1 on Linux 6.18, Debian 12.

describe('ip-addr', () => {
  const lines = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
3: v0@v1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP group default qlen 1000
    link/ether f2:c0:34:a0:be:b7 brd ff:ff:ff:ff:ff:ff
    inet 10.9.0.77/32 scope global v0:1
       valid_lft forever preferred_lft forever
    inet 10.9.1.5 peer 10.9.1.6/32 scope global v0
       valid_lft forever preferred_lft forever
    inet6 fd00::1/64 scope global tentative 
       valid_lft forever preferred_lft forever
`;
  const oneLine = `1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: v0    inet 10.9.0.77/32 scope global v0:1\\       valid_lft forever preferred_lft forever
3: v0    inet 10.9.1.5 peer 10.9.1.6/32 scope global v0\\       valid_lft forever preferred_lft forever
3: v0    inet6 fd00::1/64 scope global tentative \\       valid_lft forever preferred_lft forever
`;
  const json =
    '[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},{"ifindex":3,"link":"v1","ifname":"v0","addr_info":[{"family":"inet","local":"10.9.0.77","prefixlen":32,"scope":"global","label":"v0:1"},{"family":"inet","local":"10.9.1.5","address":"10.9.1.6","prefixlen":32,"scope":"global"},{"family":"inet6","local":"fd00::1","prefixlen":64,"scope":"global","tentative":true}]}]\n';

  it.each([
    ['on several lines', lines],
    ['on one line each', oneLine],
    ['in JSON', json],
  ])('reads addresses %s', (_shape, text) => {
    const { value, problems } = parseText(ipAddr, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { family: 4, device: 'lo', address: '127.0.0.1', prefixLength: 8, scope: 'host' },
      { family: 4, device: 'v0', address: '10.9.0.77', prefixLength: 32, scope: 'global' },
      { family: 4, device: 'v0', address: '10.9.1.5', prefixLength: 32, scope: 'global' },
      { family: 6, device: 'v0', address: 'fd00::1', prefixLength: 64, scope: 'global' },
    ]);
  });

  it('tells "no addresses" from "no answer"', () => {
    expect(parseText(ipAddr, '', { exitCode: 0 }).value).toEqual([]);
    expect(parseText(ipAddr, '', { exitCode: null }).value).toBeUndefined();
    expect(
      parseText(ipAddr, '', { exitCode: 0, stderr: 'Cannot open netlink socket: Protocol not supported\n' }).value,
    ).toBeUndefined();
  });
});

describe('ip-link', () => {
  it('reads -s -o: MTU, master and counters', () => {
    expect(withoutAt(parseText(ipLink, ipLink.sample).value)).toEqual([
      {
        name: 'v1',
        index: 2,
        mtu: 1500,
        state: 'UP',
        master: 'br0',
        mac: '46:dd:ff:2f:a2:72',
        flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
        rx: { bytes: 476, packets: 6, errors: 0, dropped: 0 },
        tx: { bytes: 840, packets: 10, errors: 0, dropped: 0 },
      },
    ]);
  });

  it('reads -s -s -d over several lines, and what a tunnel is without -d', () => {
    const text = `3: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1
    link/ipip 0.0.0.0 brd 0.0.0.0
    RX: bytes  packets  errors  dropped overrun mcast   
    10         2        3       4       0       0       
    RX errors: length   crc     frame   fifo    missed
               0        0       0       0       0       
    TX: bytes  packets  errors  dropped carrier collsns 
    50         6        7       8       0       0       
    TX errors: aborted  fifo   window heartbeat
               0        0       0       0       
7: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default 
    link/ether 66:af:a0:0d:11:22 brd ff:ff:ff:ff:ff:ff promiscuity 0 
    vxlan id 1 local 10.0.0.5 dev eth0 srcport 0 0 dstport 8472 nolearning addrgenmode eui64 
8: v1@v0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state LOWERLAYERDOWN mode DEFAULT group default qlen 1000
    link/ether 46:dd:ff:2f:a2:72 brd ff:ff:ff:ff:ff:ff promiscuity 1  allmulti 1 minmtu 68 maxmtu 65535 
    veth 
    bridge_slave state forwarding priority 32 cost 2 hairpin off
`;
    const { value, problems } = parseText(ipLink, text);
    expect(problems).toEqual([]);
    expect(value?.map(({ name, type, mtu, state }) => ({ name, type, mtu, state }))).toEqual([
      { name: 'tunl0', type: 'ipip', mtu: 1480, state: 'DOWN' },
      { name: 'flannel.1', type: 'vxlan', mtu: 1450, state: 'UNKNOWN' },
      { name: 'v1', type: 'veth', mtu: 1500, state: 'LOWERLAYERDOWN' },
    ]);
    expect(value?.[0]?.rx).toEqual({ bytes: 10, packets: 2, errors: 3, dropped: 4 });
    expect(value?.[0]?.tx).toEqual({ bytes: 50, packets: 6, errors: 7, dropped: 8 });
    expect(value?.[0]).not.toHaveProperty('mac');
    expect(value?.[1]).not.toHaveProperty('rx');
    expect(value?.map(({ hairpin }) => hairpin)).toEqual([undefined, undefined, false]);
    expect(value?.map(({ lower }) => lower)).toEqual([undefined, 'eth0', undefined]);
  });

  it('reads the type and the hairpin mode of a port from one line per device', () => {
    // Linux 6.18, iproute2 6.1: ip -s -d -o link show
    const text =
      '5: veth7@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master cni0 state UP mode DEFAULT group default qlen 1000\\    link/ether a6:36:d4:e9:fb:35 brd ff:ff:ff:ff:ff:ff link-netns pb promiscuity 1  allmulti 1 minmtu 68 maxmtu 65535 \\    veth \\    bridge_slave state forwarding priority 32 cost 2 hairpin on guard off root_block off fastleave off learning on flood on\\    RX:  bytes packets errors dropped  missed   mcast           \\           476       6      0       0       0       0 \\    TX:  bytes packets errors dropped carrier collsns           \\           840      10      0       0       0       0 \n';
    const { value, problems } = parseText(ipLink, text);
    expect(problems).toEqual([]);
    expect(value?.[0]).toMatchObject({ name: 'veth7', type: 'veth', master: 'cni0', hairpin: true });
    expect(value?.[0]?.rx?.packets).toBe(6);
    const json =
      '[{"ifindex":5,"ifname":"veth7","flags":[],"mtu":1500,"operstate":"UP","link_type":"ether","address":"a6:36:d4:e9:fb:35","linkinfo":{"info_kind":"veth","info_slave_kind":"bridge","info_slave_data":{"state":"forwarding","hairpin":false}}}]\n';
    expect(parseText(ipLink, json).value?.[0]?.hairpin).toBe(false);
  });

  it('reads JSON', () => {
    const json =
      '[{"ifindex":2,"link":"v0","ifname":"v1","flags":["BROADCAST","UP"],"mtu":1500,"qdisc":"noqueue","master":"br0","operstate":"UP","link_type":"ether","address":"46:dd:ff:2f:a2:72","linkinfo":{"info_kind":"veth","info_slave_kind":"bridge"},"stats64":{"rx":{"bytes":476,"packets":6,"errors":0,"dropped":1},"tx":{"bytes":840,"packets":10,"errors":0,"dropped":0}}},{}]\n';
    expect(withoutAt(parseText(ipLink, json).value)).toEqual([
      {
        name: 'v1',
        index: 2,
        mtu: 1500,
        state: 'UP',
        master: 'br0',
        mac: '46:dd:ff:2f:a2:72',
        type: 'veth',
        flags: ['BROADCAST', 'UP'],
        rx: { bytes: 476, packets: 6, errors: 0, dropped: 1 },
        tx: { bytes: 840, packets: 10, errors: 0, dropped: 0 },
      },
    ]);
  });
});

describe('ip-route', () => {
  it('reads every table and type, one item per next hop', () => {
    const text = `10.80.0.0/16 via 10.9.0.254 dev v0 table 100 
default via 10.9.0.254 dev v0 
10.9.0.0/24 dev v0 proto kernel scope link src 10.9.0.1 
blackhole 10.66.0.0/16 
unreachable 10.67.0.0/16 
prohibit 10.68.0.0/16 
10.70.0.0/16 via 10.9.0.254 dev v0 src 10.9.0.77 metric 50 mtu lock 1300 advmss 1260
10.71.0.0/16 proto static
	nexthop via 10.9.0.253 dev v0 weight 1 
	nexthop via 10.9.0.252 dev v2 weight 2 linkdown
local 10.9.0.1 dev v0 table local proto kernel scope host src 10.9.0.1 
169.254.0.0/16 via inet6 fe80::1 dev v0
fd00::/64 dev v0 proto kernel metric 256 pref medium
default via fd00::2 dev v0 metric 1024 pref medium
unreachable default dev lo table unspec proto kernel metric 4294967295 error -101
multicast ff00::/8 dev v0 table local proto kernel metric 256 pref medium
default dev tun6 metric 1024
`;
    const { value, problems } = parseText(ipRoute, text, { argv: ['ip', 'route', 'show', 'table', 'all'] });
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { family: 4, destination: '10.80.0.0/16', type: 'unicast', via: '10.9.0.254', device: 'v0', table: '100' },
      { family: 4, destination: 'default', type: 'unicast', via: '10.9.0.254', device: 'v0' },
      { family: 4, destination: '10.9.0.0/24', type: 'unicast', device: 'v0', source: '10.9.0.1' },
      { family: 4, destination: '10.66.0.0/16', type: 'blackhole' },
      { family: 4, destination: '10.67.0.0/16', type: 'unreachable' },
      { family: 4, destination: '10.68.0.0/16', type: 'prohibit' },
      {
        family: 4,
        destination: '10.70.0.0/16',
        type: 'unicast',
        via: '10.9.0.254',
        device: 'v0',
        source: '10.9.0.77',
        metric: 50,
        mtu: 1300,
      },
      { family: 4, destination: '10.71.0.0/16', type: 'unicast', via: '10.9.0.253', device: 'v0' },
      { family: 4, destination: '10.71.0.0/16', type: 'unicast', via: '10.9.0.252', device: 'v2' },
      { family: 4, destination: '10.9.0.1', type: 'local', device: 'v0', source: '10.9.0.1', table: 'local' },
      { family: 4, destination: '169.254.0.0/16', type: 'unicast', via: 'fe80::1', device: 'v0' },
      { family: 6, destination: 'fd00::/64', type: 'unicast', device: 'v0', metric: 256 },
      { family: 6, destination: 'default', type: 'unicast', via: 'fd00::2', device: 'v0', metric: 1024 },
      { family: 6, destination: 'default', type: 'unreachable', device: 'lo', table: 'unspec', metric: 4_294_967_295 },
      { family: 6, destination: 'ff00::/8', type: 'multicast', device: 'v0', table: 'local', metric: 256 },
      { family: 6, destination: 'default', type: 'unicast', device: 'tun6', metric: 1024 },
    ]);
    expect(value?.find(({ via }) => via === '10.9.0.252')?.at.line).toBe(10);
  });

  it('reads -d, -o and JSON to the same routes', () => {
    const expected = [
      { family: 4, destination: '10.71.0.0/16', type: 'unicast', via: '10.9.0.253', device: 'v0', table: 'main' },
      { family: 4, destination: '10.71.0.0/16', type: 'unicast', via: '10.9.0.252', device: 'v0', table: 'main' },
      { family: 4, destination: '10.66.0.0/16', type: 'blackhole', table: 'main' },
    ];
    const detailed =
      'unicast 10.71.0.0/16 table main proto boot scope global \n\tnexthop via 10.9.0.253 dev v0 weight 1 \n\tnexthop via 10.9.0.252 dev v0 weight 2 \nblackhole 10.66.0.0/16 table main proto boot scope global \n';
    const oneLine =
      '10.71.0.0/16 table main \\\tnexthop via 10.9.0.253 dev v0 weight 1 \\\tnexthop via 10.9.0.252 dev v0 weight 2 \nblackhole 10.66.0.0/16 table main \n';
    const json =
      '[{"dst":"10.71.0.0/16","table":"main","flags":[],"nexthops":[{"gateway":"10.9.0.253","dev":"v0","weight":1,"flags":[]},{"gateway":"10.9.0.252","dev":"v0","weight":2,"flags":[]}]},{"type":"blackhole","dst":"10.66.0.0/16","table":"main","flags":[]}]\n';
    for (const text of [detailed, oneLine, json]) {
      const { value, problems } = parseText(ipRoute, text);
      expect(problems).toEqual([]);
      expect(withoutAt(value)).toEqual(expected);
    }
  });

  it('passes over the cached clones of IPv6 on old kernels', () => {
    // iproute2 3.10 (CentOS 7)
    const text = 'fd00::9 via fd00::2 dev eth0  metric 0 \n    cache \n\nff00::/8 dev eth0  metric 256 \n';
    const { value, problems } = parseText(ipRoute, text);
    expect(problems).toEqual([]);
    expect(value?.map(({ destination }) => destination)).toEqual(['fd00::9', 'ff00::/8']);
  });

  it('takes no text for a route', () => {
    for (const text of [
      '10.0.0.1\n',
      '12\n',
      'Error: ipv4: FIB table does not exist.\nDump terminated\n',
      'default\n',
    ]) {
      expect(parseText(ipRoute, text, { exitCode: 2 }).value).toBeUndefined();
    }
  });
});

describe('ip-neigh', () => {
  it('reads all states, statistics and flags', () => {
    const text = `10.9.0.254 dev v0 lladdr 02:00:00:00:00:01  used 1/1/1probes 0 PERMANENT 
10.9.0.200 dev v0  ref 1 used 1/61/1probes 5 INCOMPLETE 
10.9.0.201 dev v0  FAILED
fe80::1 dev eth0 lladdr 02:00:00:00:00:02 router STALE
10.244.1.0 dev flannel.1 lladdr 66:af:a0:0d:11:22 extern_learn NOARP proto zebra
`;
    const { value, problems } = parseText(ipNeigh, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { address: '10.9.0.254', device: 'v0', mac: '02:00:00:00:00:01', state: 'PERMANENT' },
      { address: '10.9.0.200', device: 'v0', state: 'INCOMPLETE' },
      { address: '10.9.0.201', device: 'v0', state: 'FAILED' },
      { address: 'fe80::1', device: 'eth0', mac: '02:00:00:00:00:02', state: 'STALE' },
      { address: '10.244.1.0', device: 'flannel.1', mac: '66:af:a0:0d:11:22', state: 'NOARP' },
    ]);
    const json = '[{"dst":"10.9.0.254","dev":"v0","lladdr":"02:00:00:00:00:01","state":["PERMANENT"]}]\n';
    expect(withoutAt(parseText(ipNeigh, json).value)).toEqual([
      { address: '10.9.0.254', device: 'v0', mac: '02:00:00:00:00:01', state: 'PERMANENT' },
    ]);
  });

  it('is empty only where the command ended well and said nothing', () => {
    expect(parseText(ipNeigh, '', { exitCode: 0 }).value).toEqual([]);
    expect(parseText(ipNeigh, '', { exitCode: null }).value).toBeUndefined();
  });
});

describe('ip-route-get', () => {
  const get = (words: string): readonly string[] => ['ip', 'route', 'get', ...words.split(' ')];

  it.each([
    [
      '10.9.0.9',
      '10.9.0.9 dev v0 src 10.9.0.1 uid 0 \n    cache \n',
      { verdict: 'ok', device: 'v0', source: '10.9.0.1' },
    ],
    [
      '10.9.0.1',
      'local 10.9.0.1 dev lo table local src 10.9.0.1 uid 0 \n    cache <local> \n',
      { verdict: 'local', device: 'lo', source: '10.9.0.1' },
    ],
    [
      '10.70.0.1',
      '10.70.0.1 via 10.9.0.254 dev v0 src 10.9.0.77 uid 0 \n    cache expires 599sec mtu 1300 \n',
      { verdict: 'ok', device: 'v0', via: '10.9.0.254', source: '10.9.0.77', mtu: 1300 },
    ],
    [
      '10.70.0.1',
      '10.70.0.1 via 10.9.0.254 dev v0  src 10.9.0.77 \n    cache  mtu lock 552\n',
      { verdict: 'ok', device: 'v0', via: '10.9.0.254', source: '10.9.0.77', mtu: 552 },
    ],
    [
      '224.0.0.1',
      'multicast 224.0.0.1 dev v0 src 10.9.0.1 rt_offload_failed uid 0 \n    cache <local,mc> \n',
      { verdict: 'ok', device: 'v0', source: '10.9.0.1' },
    ],
    [
      'fd99::1',
      'fd99::1 from :: via fd00::4 dev v0 src fd00::1 metric 1024 pref medium\n',
      { verdict: 'ok', device: 'v0', via: 'fd00::4', source: 'fd00::1' },
    ],
    // iproute2 2.6.32 (CentOS 6), IPv6: the refusal is a route.
    [
      'fd66::1',
      'unreachable fd66::1 from :: dev lo  table unspec  proto none  src ::1  metric -1  error -101 hoplimit 255\n',
      { verdict: 'network-unreachable', device: 'lo', source: '::1' },
    ],
  ])('reads the way to %s', (to, text, expected) => {
    const { value, problems } = parseText(ipRouteGet, text, { argv: get(to) });
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([{ to, ...expected }]);
  });

  it('finds the destination behind the words that may stand before it', () => {
    for (const words of ['to 10.9.0.9', 'unicast 10.9.0.9', '10.9.0.9']) {
      const refused = parseText(ipRouteGet, '', {
        argv: get(words),
        stderr: 'RTNETLINK answers: Network is unreachable\n',
        exitCode: 2,
      });
      expect(refused.value?.[0]?.to).toBe('10.9.0.9');
    }
  });

  it('keeps who asked as it was asked', () => {
    const text = 'local 10.9.0.1 from 10.9.0.9 dev lo table local \n    cache <local> iif v0 \n';
    expect(withoutAt(parseText(ipRouteGet, text, { argv: get('10.9.0.1 from 10.9.0.9 iif v0') }).value)).toEqual([
      { to: '10.9.0.1', from: '10.9.0.9', iif: 'v0', verdict: 'local', device: 'lo' },
    ]);
    expect(withoutAt(parseText(ipRouteGet, text).value)).toEqual([
      { to: '10.9.0.1', from: '10.9.0.9', iif: 'v0', verdict: 'local', device: 'lo' },
    ]);
  });

  it.each([
    ['No route to host', 'no-route-to-host'],
    ['Network is unreachable', 'network-unreachable'],
    ['Invalid cross-device link', 'reverse-path-filtered'],
    ['Invalid argument', 'invalid-argument'],
    ['Permission denied', 'prohibited'],
    ['Operation not permitted', 'other'],
    // musl
    ['Host is unreachable', 'no-route-to-host'],
    ['Network unreachable', 'network-unreachable'],
    ['Cross-device link', 'reverse-path-filtered'],
  ])('takes the kernel at its word: %s', (message, verdict) => {
    const expected = [{ to: '10.9.0.9', from: '10.66.1.1', iif: 'v0', verdict, message }];
    const argv = get('10.9.0.9 from 10.66.1.1 iif v0');
    for (const prefix of ['', 'ip: ']) {
      const stderr = `${prefix}RTNETLINK answers: ${message}\n`;
      expect(withoutAt(parseText(ipRouteGet, '', { argv, stderr, exitCode: 2 }).value)).toEqual(expected);
    }
  });

  it.each([
    'Cannot find device "nodev"',
    'Error: any valid prefix is expected rather than "foo".',
    'bash: ip: Permission denied',
    'sudo: a password is required',
    'Cannot open netlink socket: Permission denied',
  ])('takes nothing else for a verdict: %s', (stderr) => {
    expect(
      parseText(ipRouteGet, '', { argv: get('10.9.0.9'), stderr: `${stderr}\n`, exitCode: 1 }).value,
    ).toBeUndefined();
  });
});

describe('ip-tcp-metrics and ip-rule', () => {
  it('reads the remembered timestamp of old kernels, with and without "sec"', () => {
    const { value, problems } = parseText(
      ipTcpMetrics,
      '10.98.0.1 age 32.560sec tw_ts 4246596899/32 ago cwnd 10 rtt 957us rttvar 1914us source 10.98.0.50\n10.98.0.2 age 5.123sec tw_ts 7/4sec ago\nfd00::1 age 18sec cwnd 10\n',
    );
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { address: '10.98.0.1', ageSec: 32.56, twTs: { value: 4_246_596_899, ageSec: 32 } },
      { address: '10.98.0.2', ageSec: 5.123, twTs: { value: 7, ageSec: 4 } },
      { address: 'fd00::1', ageSec: 18 },
    ]);
    expect(parseText(ipTcpMetrics, '', { exitCode: 0 }).value).toEqual([]);
  });

  it('reads rules of the routing policy', () => {
    expect(withoutAt(parseText(ipRule, ipRule.sample).value)).toEqual([
      { priority: 0, from: 'all', action: 'lookup', table: 'local', text: 'from all lookup local' },
      {
        priority: 999,
        from: 'all',
        to: '10.3.0.0/16',
        fwmark: '0x4000/0x4000',
        iif: 'v0',
        action: 'blackhole',
        text: 'from all to 10.3.0.0/16 fwmark 0x4000/0x4000 iif v0 blackhole',
      },
      { priority: 1000, from: '10.9.0.77', action: 'lookup', table: '100', text: 'from 10.9.0.77 lookup 100' },
      { priority: 32_766, from: 'all', action: 'lookup', table: 'main', text: 'from all lookup main' },
    ]);
  });
});
