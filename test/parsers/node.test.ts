import { describe, expect, it } from 'vitest';
import { date } from '../../src/parsers/date.ts';
import { dmesg } from '../../src/parsers/dmesg.ts';
import { ethtool } from '../../src/parsers/ethtool.ts';
import { ethtoolG } from '../../src/parsers/ethtool-g.ts';
import { ethtoolI } from '../../src/parsers/ethtool-i.ts';
import { ethtoolK } from '../../src/parsers/ethtool-k.ts';
import { look } from '../../src/parsers/look.ts';
import { nsswitch } from '../../src/parsers/nsswitch.ts';
import { osRelease } from '../../src/parsers/os-release.ts';
import { procUptime } from '../../src/parsers/proc-uptime.ts';
import { resolvConf } from '../../src/parsers/resolv-conf.ts';
import { uname } from '../../src/parsers/uname.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('look', () => {
  it('reads account, tools, files and modules', () => {
    expect(parseText(look, look.sample).value).toEqual({
      uid: 1000,
      tools: { tcpdump: '/usr/sbin/tcpdump', ipvsadm: null },
      modules: { tcp_diag: 'builtin', ip_vs: 'absent' },
      files: ['/proc/net/tcp'],
      at: { evidence: 'out', line: 1 },
    });
  });

  it('does not take a module state that it does not know', () => {
    const { value, problems } = parseText(look, 'uid 0\nmodule ip_vs maybe\ntool ss\n');
    expect(value?.modules).toEqual({});
    expect(value?.tools).toEqual({});
    expect(problems).toHaveLength(2);
  });
});

describe('kernel and clock', () => {
  it.each([
    ['4.9.273-oldk\n', { release: '4.9.273-oldk' }],
    ['3.10.0-1160.el7.x86_64\n', { release: '3.10.0-1160.el7.x86_64' }],
    ['2.6.32-754.el6.x86_64\n', { release: '2.6.32-754.el6.x86_64' }],
    ['4.19.90-24.4.v2101.ky10.aarch64\n', { release: '4.19.90-24.4.v2101.ky10.aarch64' }],
    ['Linux node-12 6.18.44 #1 SMP PREEMPT_DYNAMIC @0 x86_64 GNU/Linux\n', { release: '6.18.44', hostname: 'node-12' }],
  ])('uname reads %s', (text, expected) => {
    expect(withoutAt(parseText(uname, text).value)).toEqual(expected);
  });

  it.each(['Linux\n', 'uname: not found\n', 'GNU bash, version 4.2.46\n'])('uname has no kernel for %s', (text) => {
    expect(parseText(uname, text).value).toBeUndefined();
  });

  it.each([
    ['PRETTY_NAME="Kylin Linux Advanced Server V10 (Tercel)"\n', 'Kylin Linux Advanced Server V10 (Tercel)'],
    ["NAME='Alpine Linux'\nID=alpine\nPRETTY_NAME=Alpine\n", 'Alpine'],
    ['NAME="CentOS Linux"\nVERSION="7 (Core)"\n', 'CentOS Linux 7 (Core)'],
    ['PRETTY_NAME="a \\"quoted\\" \\$name"\n', 'a "quoted" $name'],
    ['CentOS release 6.10 (Final)\n', 'CentOS release 6.10 (Final)'],
  ])('os-release reads %s', (text, os) => {
    expect(parseText(osRelease, text).value?.os).toBe(os);
  });

  it.each([
    ['1795234472.275310376\n', 1_795_234_472_275.31],
    ['1795234472.000000001\n', 1_795_234_472_000],
    ['1795234472.5\n', 1_795_234_472_500],
    ['1795234472.N\n', 1_795_234_472_000],
    ['1795234472.%N\n', 1_795_234_472_000],
    ['1795234472.\n', 1_795_234_472_000],
    ['1795234472\n', 1_795_234_472_000],
  ])('date reads %s', (text, epochMs) => {
    expect(parseText(date, text).value?.epochMs).toBeCloseTo(epochMs, 2);
  });

  it('date takes no other date', () => {
    expect(parseText(date, 'Sat Nov 21 04:15:10 UTC 2026\n').value).toBeUndefined();
    expect(parseText(date, '2026-11-21_02:41:48\n').value).toBeUndefined();
  });

  it('uptime', () => {
    expect(parseText(procUptime, '1333.58 2594.33\n').value?.uptimeSec).toBe(1333.58);
    expect(parseText(procUptime, ' 04:15:10 up 3 days\n').value).toBeUndefined();
  });
});

describe('devices', () => {
  it('ethtool', () => {
    expect(withoutAt(parseText(ethtool, ethtool.sample).value)).toEqual({
      device: 'eth0',
      speedMbitPerSec: 1000,
      duplex: 'full',
      autoNegotiation: true,
      port: 'Twisted Pair',
      linkDetected: true,
    });
    const down = 'Settings for eth1:\n\tSpeed: Unknown!\n\tDuplex: Unknown! (255)\n\tLink detected: no\n';
    expect(withoutAt(parseText(ethtool, down).value)).toEqual({
      device: 'eth1',
      speedMbitPerSec: null,
      duplex: null,
      linkDetected: false,
    });
    expect(
      parseText(ethtool, 'Settings for nodev:\nCannot get device settings: No such device\nNo data available\n').value,
    ).toBeUndefined();
  });

  it('ethtool -i, -k, -g', () => {
    expect(withoutAt(parseText(ethtoolI, ethtoolI.sample).value)).toEqual({ driver: 'veth', version: '1.0' });
    expect(withoutAt(parseText(ethtoolK, ethtoolK.sample).value)).toMatchObject({
      'tx-checksum-ip-generic': { on: true, fixed: false },
      'large-receive-offload': { on: false, fixed: true },
    });
    expect(withoutAt(parseText(ethtoolG, ethtoolG.sample).value)).toEqual({
      maximum: { rx: 16_384, tx: 1024 },
      current: { rx: 1024, tx: 1024 },
    });
    expect(
      parseText(ethtoolG, '', { stderr: 'netlink error: Operation not supported\n', exitCode: 1 }).value,
    ).toBeUndefined();
  });
});

describe('resolver', () => {
  it('resolv.conf: comments, the last search wins, options add up', () => {
    const text = `# Generated by NetworkManager
search a.example
nameserver 75.75.75.75        ; test inline comment
    nameserver 2001:558:feed::1     
domain b.example # another
options rotate
options ndots:5 timeout:1
sortlist 130.155.160.0/255.255.240.0
`;
    const { value, problems } = parseText(resolvConf, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      nameservers: [{ address: '75.75.75.75' }, { address: '2001:558:feed::1' }],
      search: ['b.example'],
      options: ['rotate', 'ndots:5', 'timeout:1'],
    });
    expect(value?.nameservers[1]?.at.line).toBe(4);
  });

  it('resolv.conf without a nameserver is one, an unreadable one is none', () => {
    expect(withoutAt(parseText(resolvConf, '# nothing\n').value)).toEqual({ nameservers: [], search: [], options: [] });
    expect(
      parseText(resolvConf, '', { stderr: 'cat: /etc/resolv.conf: No such file or directory\n', exitCode: 1 }).value,
    ).toBeUndefined();
  });

  it('nsswitch', () => {
    expect(
      withoutAt(
        parseText(nsswitch, 'hosts:  files mdns4_minimal [ NOTFOUND=return  UNAVAIL=continue ] dns # x\n').value,
      ),
    ).toEqual({
      hosts: { sources: ['files', 'mdns4_minimal', '[NOTFOUND=return,UNAVAIL=continue]', 'dns'] },
    });
  });
});

describe('dmesg', () => {
  it.each([
    ['[ 4012.117392] nf_conntrack: nf_conntrack: table full in netns 4026532281, dropping packet', 'conntrack-full'],
    ['[Sat Nov 21 04:30:46 2026] nf_conntrack: table full, dropping packet', 'conntrack-full'],
    [
      '[ 1.0] TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:1302. Dropping request.  Check SNMP counters.',
      'syn-flooding',
    ],
    ['[ 1.0] possible SYN flooding on port 80. Sending cookies.', 'syn-flooding'],
    ['[ 1.0] neighbour: arp_cache: neighbor table overflow!', 'neighbour-overflow'],
    ['[ 1.0] Neighbour table overflow.', 'neighbour-overflow'],
    ['[ 1.0] IPv4: martian source 10.9.0.1 from 127.0.0.5, on dev v0', 'martian'],
    ['[ 1.0] IPVS: rr: TCP 10.96.0.1:443 - no destination available', 'ipvs-no-destination'],
    ['[ 1.0] TCP: too many orphaned sockets', 'orphans'],
    ['[ 1.0] TCP: time wait bucket table overflow', 'time-wait-overflow'],
    ['[ 1.0] e1000: eth0 NIC Link is Down', 'link-state'],
    ['Nov 21 03:52:18 node-12 kernel: NETDEV WATCHDOG: eth0 (igb): transmit queue 3 timed out', 'transmit-timeout'],
  ])('finds %s', (text, topic) => {
    const { value } = parseText(dmesg, `[    0.000000] Linux version 6.18.44\n${text}\n`);
    expect(value?.lines).toBe(2);
    expect(value?.matters.map((one) => one.topic)).toEqual([topic]);
    expect(value?.matters[0]?.at.line).toBe(2);
  });

  it('is an empty log where it was cleared, and no log where it may not be read', () => {
    expect(parseText(dmesg, '', { exitCode: 0 }).value).toEqual({ lines: 0, matters: [] });
    expect(
      parseText(dmesg, '', { stderr: 'dmesg: read kernel buffer failed: Operation not permitted\n', exitCode: 1 })
        .value,
    ).toBeUndefined();
  });

  it('reads a log without times, as CentOS 6 keeps it, whole or filtered', () => {
    const bare = 'Initializing cgroup subsys cpu\nLinux version 2.6.32-754.el6.x86_64\nCommand line: ro quiet\n';
    expect(parseText(dmesg, bare)).toEqual({ value: { lines: 3, matters: [] }, problems: [] });
    const { value, problems } = parseText(
      dmesg,
      'nf_conntrack: table full, dropping packet.\nOut of socket memory\npossible SYN flooding on port 1301. Sending cookies.\n',
    );
    expect(problems).toEqual([]);
    expect(value?.matters.map(({ topic, time }) => [topic, time])).toEqual([
      ['conntrack-full', ''],
      ['tcp-memory', ''],
      ['syn-flooding', ''],
    ]);
  });

  it('does not take lines without a time into a log that has times', () => {
    const { value, problems } = parseText(dmesg, '[ 1.0] eth0: up\nnf_conntrack: table full, dropping packet.\n');
    expect(value).toMatchObject({ lines: 1, matters: [] });
    expect(problems).toHaveLength(1);
  });

  it('keeps the last thousand lines that matter', () => {
    const text = Array.from(
      { length: 5000 },
      (_one, at) => `[${at}.0] nf_conntrack: table full, dropping packet ${at}\n`,
    ).join('');
    const { value } = parseText(dmesg, text);
    expect(value?.lines).toBe(5000);
    expect(value?.matters).toHaveLength(1000);
    expect(value?.matters.at(-1)?.time).toBe('4999.0');
  });
});
