import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { arpCache } from '../../src/parsers/arp-cache.ts';
import { conntrackCount } from '../../src/parsers/conntrack-count.ts';
import { hosts } from '../../src/parsers/hosts.ts';
import { parsers } from '../../src/parsers/index.ts';
import { ipVsStats } from '../../src/parsers/ip-vs-stats.ts';
import { procNetArp } from '../../src/parsers/proc-net-arp.ts';
import { procNetIfInet6 } from '../../src/parsers/proc-net-if-inet6.ts';
import { procNetIpv6Route } from '../../src/parsers/proc-net-ipv6-route.ts';
import { procNetRoute } from '../../src/parsers/proc-net-route.ts';
import { procNetTcp } from '../../src/parsers/proc-net-tcp.ts';
import { address as canonical } from '../../src/parsers/ip-address.ts';
import { parseText, withoutAt } from './parse-text.ts';

/** Outputs that others recorded. Not part of this project. */
const commands = join(import.meta.dirname, '../../../shared/commands');
const there = existsSync(commands);
const why = there ? '' : ' (skipped: ../shared/commands is not here)';

/**
 * Every file there -> the kind that reads it. `partly`: it says things that no fact is made of, and a problem each time.
 */
const kinds: readonly (readonly [file: RegExp, kind: string, how?: 'partly' | undefined, argv?: readonly string[]])[] =
  [
    [/\/ping(?:6)?-.*unparse?d?.*\.out$/, 'ping', 'partly'],
    [/\/ping6?-.*\.out$/, 'ping'],
    [/\/tracepath6?\.out$/, 'tracepath'],
    [/\/uname-a.*\.out$/, 'uname'],
    [/\/sysctl-a\.out$/, 'sysctl'],
    [/\/ip_route\.out$/, 'ip-route'],
    [/\/hosts\.out$/, 'hosts'],
    [/\/resolve\.conf-\d$/, 'resolv-conf'],
    [/\/ss-.*\.out$/, 'ss'],
    [/\/netstat-(?:sudo-lnp.*|no-state|old)\.out$/, 'netstat-n'],
    // Names instead of numbers: what cannot be read as an address is left out.
    [/\/netstat(?:-[lp]|-sudo-aeep)?\.out$/, 'netstat-n', 'partly'],
    [/\/ethtool--(?:default\d|link-partner.*)\.out$/, 'ethtool'],
    [/\/linux-proc\/net_dev$/, 'proc-net-dev'],
    [/\/linux-proc\/net_netstat$/, 'proc-net-netstat'],
    [/\/linux-proc\/net_tcp6?$/, 'proc-net-tcp'],
    [/\/linux-proc\/net_arp$/, 'proc-net-arp'],
    [/\/linux-proc\/net_route$/, 'proc-net-route'],
    [/\/linux-proc\/net_ipv6_route$/, 'proc-net-ipv6-route'],
    [/\/linux-proc\/net_if_inet6$/, 'proc-net-if-inet6'],
    [/\/proc\/net\/arp$/, 'proc-net-arp'],
    [/\/proc\/net\/netstat$/, 'proc-net-netstat'],
    [/\/proc\/net\/snmp$/, 'proc-net-snmp'],
    [/\/proc\/net\/snmp6$/, 'proc-net-snmp6'],
    [/\/proc\/net\/sockstat6?$/, 'proc-net-sockstat'],
    [/\/proc\/net\/softnet_stat$/, 'softnet-stat'],
    [/\/proc\/net\/udp$/, 'proc-net-tcp', undefined, ['cat', '/proc/net/udp']],
    [/\/proc\/net\/ip_vs$/, 'proc-net-ip-vs'],
    [/\/proc\/net\/ip_vs_stats$/, 'ip-vs-stats'],
    [/\/stat\/nf_conntrack$/, 'proc-nf-conntrack-stat'],
    [/\/stat\/(?:arp|ndisc)_cache$/, 'arp-cache'],
    [/\/netfilter\/nf_conntrack_(?:count|max)$/, 'conntrack-count'],
    [/\/proc_ip_vs_conn2?$/, 'proc-net-ip-vs-conn'],
  ];

/** Files that no kind is for, and why none is. */
const without: readonly (readonly [file: RegExp, why: string])[] = [
  [/(?:^|\/)(?:README|LICENSE|SOURCE)(?:\.md)?$/, 'about the collection'],
  [/\.json$/, 'what another project read from the file beside it'],
  [/\/(?:dig(?:-.*)?|host-.*)\.out$/, 'no collector runs dig or host: names are looked up with getent'],
  [/\/traceroute.*\.out$/, 'no collector runs traceroute: tracepath tells the MTU as well'],
  [/\/iptables-.*\.out$/, 'lists of iptables -L have no ports and counters in full: iptables-save is read'],
  [/\/(?:arp|route)(?:-\w+)*\.out$/, 'net-tools: /proc/net/arp and /proc/net/{route,ipv6_route} say the same'],
  [/\/netstat-(?:i|r\w*)\.out$/, 'net-tools: /proc/net/dev and /proc/net/route say the same'],
  [/\/uname\.out$/, 'without -a or -r it does not tell the release'],
  [/\/sshd?[-_].*$/, 'configuration of SSH'],
  [/\/ethtool--module-info.*\.out$/, 'optics of a card: no rule asks for them'],
  [/\/linux-proc\/net_(?:dev_mcast|igmp6?|igmp_more|netlink|packet|protocols|unix)$/, 'no rule asks for it'],
  [/\/proc\/net\/(?:rpc\/nfsd?|xfrm_stat)$/, 'no rule asks for it'],
];

const files = there
  ? readdirSync(commands, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  : [];

describe('../shared/commands', () => {
  it.skipIf(!there)(`every file has a kind, or a reason why it has none${why}`, () => {
    const unknown = files.filter(
      (file) => !kinds.some(([pattern]) => pattern.test(file)) && !without.some(([pattern]) => pattern.test(file)),
    );
    expect(unknown).toEqual([]);
    const both = files.filter(
      (file) => kinds.some(([pattern]) => pattern.test(file)) && without.some(([pattern]) => pattern.test(file)),
    );
    expect(both).toEqual([]);
  });

  it.skipIf(!there)(`every pattern has a file${why}`, () => {
    for (const [pattern] of [...kinds, ...without])
      expect(
        files.some((file) => pattern.test(file)),
        String(pattern),
      ).toBe(true);
  });

  it.skipIf(!there)(`what a kind is for has a value and no problem, what is read partly says so${why}`, () => {
    let read = 0;
    for (const file of files) {
      const found = kinds.find(([pattern]) => pattern.test(file));
      if (found === undefined) continue;
      const [, kind, how, argv = []] = found;
      const parsed = parsers.get(kind)?.parse({
        stdout: readFileSync(file),
        stderr: new Uint8Array(0),
        argv,
        exitCode: 0,
        evidence: 'out',
      });
      if (how === undefined) {
        expect(parsed?.problems, file).toEqual([]);
        expect(parsed?.value, file).toBeDefined();
      } else if (parsed?.value === undefined) expect(parsed?.problems.length, file).toBeGreaterThan(0);
      read += 1;
    }
    expect(read).toBeGreaterThan(85);
  });
});

const proc = (name: string): string => join(commands, 'kellyjonbrazil+jc/linux-proc', name);
const nodeExporter = (name: string): string => join(commands, 'prometheus+node_exporter/collector/fixtures/proc', name);
const theirs = (file: string): Record<string, string>[] =>
  JSON.parse(readFileSync(`${file.replace(/\.out$/, '')}.json`, 'utf8')) as Record<string, string>[];

describe('other readings of the same bytes', () => {
  it.skipIf(!there)(`/proc/net/arp, if_inet6, route, ipv6_route: the same entries${why}`, () => {
    expect(
      parseText(procNetArp, readFileSync(proc('net_arp'))).value?.map(({ address, mac, device }) => [
        address,
        mac,
        device,
      ]),
    ).toEqual(theirs(proc('net_arp')).map((one) => [one['IP_address'], one['HW_address'], one['Device']]));
    expect(
      parseText(procNetIfInet6, readFileSync(proc('net_if_inet6'))).value?.map(({ prefixLength, device }) => [
        prefixLength,
        device,
      ]),
    ).toEqual(theirs(proc('net_if_inet6')).map((one) => [Number.parseInt(one['prefix'] ?? '', 16), one['name']]));
    expect(withoutAt(parseText(procNetIfInet6, readFileSync(proc('net_if_inet6'))).value)).toEqual([
      { family: 6, device: 'ens33', address: 'fe80::20c:29ff:fea4:e315', prefixLength: 64, scope: 'link' },
      { family: 6, device: 'lo', address: '::1', prefixLength: 128, scope: 'host' },
    ]);
    expect(theirs(proc('net_route'))).toHaveLength(3);
    expect(withoutAt(parseText(procNetRoute, readFileSync(proc('net_route'))).value)).toEqual([
      { family: 4, destination: 'default', type: 'unicast', via: '192.168.71.2', device: 'ens33', metric: 100 },
      { family: 4, destination: '192.168.71.0/24', type: 'unicast', device: 'ens33' },
      { family: 4, destination: '192.168.71.2', type: 'unicast', device: 'ens33', metric: 100 },
    ]);
    const six = parseText(procNetIpv6Route, readFileSync(proc('net_ipv6_route'))).value ?? [];
    expect(six.map(({ metric, device }) => [metric, device])).toEqual(
      theirs(proc('net_ipv6_route')).map((one) => [Number.parseInt(one['metric'] ?? '', 16), one['device']]),
    );
    expect(six.map(({ type, destination }) => `${type} ${destination}`)).toEqual([
      'unicast ::1',
      'unicast fe80::/64',
      'reject default',
      'local ::1',
      'local fe80::20c:29ff:fea4:e315',
      'multicast ff00::/8',
      'reject default',
    ]);
  });

  it.skipIf(!there)(`/etc/hosts: the same names${why}`, () => {
    for (const system of ['centos-7.7', 'ubuntu-18.04']) {
      const file = join(commands, 'kellyjonbrazil+jc', system, 'hosts.out');
      const { value } = parseText(hosts, readFileSync(file));
      const other = theirs(file) as unknown as { ip: string; hostname: string[] }[];
      expect(value?.map(({ names }) => names)).toEqual(other.map(({ hostname }) => hostname));
      expect(value?.map(({ address }) => address)).toEqual(other.map(({ ip }) => canonical(ip)));
    }
  });

  it.skipIf(!there)(`node_exporter's /proc: values checked by hand${why}`, () => {
    const numbers = (value: object | undefined): Record<string, number> =>
      Object.fromEntries(Object.entries(value ?? {}).map(([name, one]) => [name, (one as { value: number }).value]));
    // 16AA370 E33656E5 0 51D8C8883AB3 0
    expect(numbers(parseText(ipVsStats, readFileSync(nodeExporter('net/ip_vs_stats'))).value)).toEqual({
      'ip_vs.conns': 23_765_872,
      'ip_vs.packets_in': 3_811_989_221,
      'ip_vs.packets_out': 0,
      'ip_vs.bytes_in': 89_991_519_156_915,
      'ip_vs.bytes_out': 0,
    });
    expect(
      numbers(parseText(conntrackCount, readFileSync(nodeExporter('sys/net/netfilter/nf_conntrack_count'))).value),
    ).toEqual({
      'conntrack.entries': 123,
    });
    const ndisc = parseText(arpCache, readFileSync(nodeExporter('net/stat/ndisc_cache')), {
      argv: ['cat', '/proc/net/stat/ndisc_cache'],
    });
    expect(numbers(ndisc.value)).toMatchObject({ 'ndisc_cache.entries': 36, 'ndisc_cache.table_fulls': 0xfb + 0x107 });
    const udp = parseText(procNetTcp, readFileSync(nodeExporter('net/udp')), { argv: ['cat', '/proc/net/udp'] });
    expect(udp.value?.listeners?.map(({ protocol, port, recvq }) => `${protocol} ${port} ${recvq}`)).toEqual([
      'udp 22 0',
    ]);
    expect(parseText(procNetArp, readFileSync(nodeExporter('net/arp'))).value).toHaveLength(7);
  });
});
