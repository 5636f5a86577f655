import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Parser } from '../../src/model/parser.ts';
import { arping } from '../../src/parsers/arping.ts';
import { interrupts } from '../../src/parsers/interrupts.ts';
import { ipAddr } from '../../src/parsers/ip-addr.ts';
import { ipLink } from '../../src/parsers/ip-link.ts';
import { ipRouteGet } from '../../src/parsers/ip-route-get.ts';
import { ipRoute } from '../../src/parsers/ip-route.ts';
import { ipRule } from '../../src/parsers/ip-rule.ts';
import { netstatN } from '../../src/parsers/netstat-n.ts';
import { parsers } from '../../src/parsers/index.ts';
import { procNetIfInet6 } from '../../src/parsers/proc-net-if-inet6.ts';
import { procNetIpv6Route } from '../../src/parsers/proc-net-ipv6-route.ts';
import { procNetRoute } from '../../src/parsers/proc-net-route.ts';
import { procNetTcp } from '../../src/parsers/proc-net-tcp.ts';
import { socketOwners } from '../../src/parsers/socket-owners.ts';
import type { SocketTables } from '../../src/parsers/socket-tables.ts';
import { ss } from '../../src/parsers/ss.ts';
import { parseText, withoutAt } from './parse-text.ts';
import { sampleKinds, samples, textOf } from './sample-kinds.ts';

const nothing = new Uint8Array(0);

function read<Value>(parser: Parser<Value>, file: string, argv: readonly string[] = []): Value {
  const { value } = parseText(parser, textOf(file), { argv });
  if (value === undefined) throw new Error(`nothing usable in ${file}`);
  return value;
}

describe('recorded samples', () => {
  it('are all in the table', () => {
    const there = readdirSync(samples, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.txt'));
    expect(there.sort()).toEqual(Object.keys(sampleKinds).sort());
  });

  it.each(Object.entries(sampleKinds))('%s is read without a problem', (file, [kind, argv = []]) => {
    const parsed = parsers.get(kind)?.parse({
      stdout: file.endsWith('-unreachable.txt') ? nothing : readFileSync(join(samples, file)),
      stderr: file.endsWith('-unreachable.txt') ? readFileSync(join(samples, file)) : nothing,
      argv,
      exitCode: 0,
      evidence: file,
    });
    expect(parsed?.problems).toEqual([]);
    expect(parsed?.value).toBeDefined();
  });
});

describe('tools that looked at the same thing say the same', () => {
  it('addresses: ip, ip -j, busybox ip with and without -o, and /proc/net/if_inet6', () => {
    const key = ({ device, address, prefixLength, scope = '' }: ReturnType<typeof addresses>[number]): string =>
      `${device} ${address}/${prefixLength} ${scope}`;
    const addresses = (file: string) => read(ipAddr, file);
    const expected = addresses('debian/ip-o-addr.txt').map(key).sort();
    expect(expected).toHaveLength(7);
    expect(expected).toContain('v0 10.9.1.5/32 global');
    for (const file of ['debian/ip-j-addr.txt', 'busybox/ip-addr.txt', 'busybox/ip-o-addr.txt'])
      expect(addresses(file).map(key).sort(), file).toEqual(expected);
    expect(read(procNetIfInet6, 'debian/proc-net-if-inet6.txt').map(key).sort()).toEqual(
      expected.filter((one) => one.includes(':')),
    );
  });

  it('devices: -o, -d and -j', () => {
    const links = read(ipLink, 'debian/ip-s-o-link.txt');
    expect(links.map(({ name, mtu, state }) => `${name} ${mtu} ${state}`)).toEqual([
      'lo 65536 UNKNOWN',
      'v1 1500 UP',
      'v0 1500 UP',
    ]);
    for (const file of ['debian/ip-s-d-link.txt', 'debian/ip-j-link.txt']) {
      const others = read(ipLink, file);
      expect(others.map(({ name, mtu, state, flags, mac }) => ({ name, mtu, state, flags, mac }))).toEqual(
        links.map(({ name, mtu, state, flags, mac }) => ({ name, mtu, state, flags, mac })),
      );
      expect(others.map(({ type = '' }) => type)).toEqual(['', 'veth', 'veth']);
      expect(others[1]?.rx?.packets).toBeGreaterThanOrEqual(links[1]?.rx?.packets ?? 1e9);
    }
    expect(read(ipLink, 'busybox/ip-o-link.txt').map(({ name, mtu, mac }) => `${name} ${mtu} ${mac}`)).toEqual(
      links.map(({ name, mtu, mac }) => `${name} ${mtu} ${mac}`),
    );
  });

  it('routes: ip, ip -j, busybox, and the main tables in /proc', () => {
    const key = ({ family, type, destination, via = '', device = '' }: Routes[number]): string =>
      [family, type, destination, via, type === 'unicast' || type === 'local' ? device : ''].join(' ');
    type Routes = ReturnType<typeof routes>;
    const routes = (file: string) => read(ipRoute, file);
    const expected = new Set(routes('debian/ip-route-table-all.txt').map(key));
    expect(expected).toContain('4 unicast 10.70.0.0/16 10.9.0.254 v0');
    expect(expected).toContain('4 blackhole 10.66.0.0/16  ');
    expect(new Set(routes('debian/ip-j-route.txt').map(key))).toEqual(expected);
    for (const route of routes('busybox/ip-route-table-all.txt')) expect(expected).toContain(key(route));
    const main = read(procNetRoute, 'debian/proc-net-route.txt');
    expect(main.map(key)).toEqual(
      expect.arrayContaining([
        '4 unicast 10.70.0.0/16 10.9.0.254 v0',
        '4 unicast 10.9.0.0/24  v0',
        '4 unicast 10.9.1.6  v0',
        '4 blackhole 10.66.0.0/16  ',
        '4 reject 10.67.0.0/16  ',
      ]),
    );
    expect(main).toHaveLength(5);
    const six = read(procNetIpv6Route, 'debian/proc-net-ipv6-route.txt').map(key);
    expect(six).toEqual(expect.arrayContaining(['6 unicast fd00:9::/64  v0', '6 local fd00:9::1  v0']));
  });

  it('rules of the routing policy: a rule without a table looks nothing up', () => {
    const blackhole = { priority: 32_764, from: 'all', fwmark: '0x4000/0x4000', action: 'blackhole' };
    for (const file of ['debian/ip-rule.txt', 'busybox/ip-rule.txt']) {
      const rules = read(ipRule, file);
      expect(rules).toHaveLength(5);
      expect(rules[1], file).toMatchObject(blackhole);
      expect(rules[1], file).not.toHaveProperty('table');
      expect(rules[2], file).toMatchObject({ from: '10.9.0.77', action: 'lookup', table: '100' });
    }
  });

  it('sockets: ss, netstat of net-tools and of busybox, and /proc/net', () => {
    const listeners = ({ listeners: found = [] }: SocketTables): string[] =>
      found.map(({ protocol, address, port, recvq }) => `${protocol} ${address} ${port} ${recvq}`).sort();
    const expected = ['tcp 0.0.0.0 1301 0', 'tcp :: 1302 0', 'udp 0.0.0.0 1307 0'];
    expect(listeners(read(ss, 'debian/ss-lntup.txt', ['ss', '-lntup']))).toEqual(expected);
    expect(listeners(read(netstatN, 'debian/netstat-tulpn.txt'))).toEqual(expected);
    expect(listeners(read(netstatN, 'busybox/netstat-tuln.txt'))).toEqual(expected);
    const proc = ['tcp', 'tcp6', 'udp', 'udp6'].map((name) => read(procNetTcp, `debian/proc-net-${name}.txt`));
    expect(proc.flatMap(listeners).sort()).toEqual(expected);
    const pair = ({ sockets = [] }: SocketTables): string[] =>
      sockets.map(({ state, local, peer }) => `${state} ${local.port} ${peer.port}`).sort();
    const established = ['ESTAB 1301 33046', 'ESTAB 33046 1301'];
    expect(pair(read(ss, 'debian/ss-tanoe.txt', ['ss', '-tanoe']))).toEqual(established);
    expect(pair(read(netstatN, 'debian/netstat-tanpo.txt'))).toEqual(established);
    expect(pair(read(netstatN, 'busybox/netstat-tan.txt'))).toEqual([...established, 'SYN-SENT 56902 80']);
  });

  it('who holds which socket: find, ls -l, and the inodes of /proc/net/tcp', () => {
    const found = read(socketOwners, 'debian/socket-owners.txt');
    expect(found).toHaveLength(6);
    expect(withoutAt(found[0])).toEqual({ pid: 20, inode: 503_047 });
    const listed = read(socketOwners, 'debian/ls-l-fd.txt', ['ls', '-l', '/proc/20/fd']);
    expect(withoutAt(listed)).toEqual(withoutAt(found));
    const owned = new Set(found.map(({ inode }) => inode));
    const { listeners = [] } = read(procNetTcp, 'debian/proc-net-tcp.txt');
    expect(listeners.map(({ inode = 0 }) => owned.has(inode))).toEqual([true]);
  });

  it('a refused route and a probe that nobody answered', () => {
    const { value } = parseText(ipRouteGet, '', {
      stderr: textOf('busybox/ip-route-get-unreachable.txt'),
      argv: ['ip', 'route', 'get', '10.67.0.1'],
      exitCode: 2,
    });
    expect(value?.[0]).toMatchObject({ to: '10.67.0.1', verdict: 'no-route-to-host' });
    expect(withoutAt(read(arping, 'busybox/arping.txt'))).toEqual({
      address: '10.9.0.2',
      macs: ['02:00:0a:00:00:05'],
      sent: 1,
      received: 1,
    });
    expect(read(arping, 'busybox/arping-nobody.txt')).toMatchObject({ macs: [], sent: 2, received: 0 });
  });

  it('interrupts: by device, all CPUs and each', () => {
    const reading = read(interrupts, 'debian/interrupts.txt');
    expect(reading['interrupt.virtio3-tx']?.value).toBe(22_705);
    expect(reading['interrupt.virtio3-tx.cpu1']?.value).toBe(22_705);
    expect(reading['interrupt.virtio3-tx.cpu0']).toBeUndefined();
    // Two lines of one device.
    expect(reading['interrupt.ACPI:Ged']?.value).toBe(2);
    expect(reading['interrupt.LOC']?.value).toBe(1_209_719 + 1_295_047);
  });
});
