import { describe, expect, it } from 'vitest';
import { netstatN } from '../../src/parsers/netstat-n.ts';
import { procNetTcp } from '../../src/parsers/proc-net-tcp.ts';
import { ss } from '../../src/parsers/ss.ts';
import { ssSummary } from '../../src/parsers/ss-summary.ts';
import { parseText, withoutAt } from './parse-text.ts';

/** iproute2 6.1 on Linux 6.18, Debian 12: `ss -tanpo`, blanks at line ends cut. */
const debian12 = `State      Recv-Q Send-Q      Local Address:Port        Peer Address:Port Process
LISTEN     0      3              0.0.0.0%v0:1306             0.0.0.0:*     users:(("python3",pid=9,fd=8))
CLOSE-WAIT 1      0               127.0.0.1:36408          127.0.0.1:1301  users:(("python3",pid=9,fd=12)) timer:(keepalive,119min,0)
TIME-WAIT  0      0               127.0.0.1:1301           127.0.0.1:36418 timer:(timewait,59sec,0)
SYN-SENT   0      1                10.9.0.1:34284          10.9.0.99:80    users:(("python3",pid=9,fd=15)) timer:(on,988ms,0)
LISTEN     0      128                  [::]:1303                [::]:*     users:(("python3",pid=9,fd=5))
LISTEN     2      128                     *:1302                   *:*     users:(("python3",pid=9,fd=4))
ESTAB      0      0      [::ffff:127.0.0.1]:1302  [::ffff:127.0.0.1]:34434
`;

/** iproute2 2.6.32 on CentOS 6: `ss -lntp`. */
const centos6 = `State      Recv-Q Send-Q        Local Address:Port          Peer Address:Port 
LISTEN     0      128                      :::22                      :::*      users:(("sshd",1444,4))
LISTEN     129    128                       *:80                       *:*      users:(("nginx",1234,6),("nginx",1230,6))
LISTEN     0      100               127.0.0.1:25                       *:*      users:(("master",1523,12))
`;

describe('ss', () => {
  it('reads listeners with their queues, devices cut off the address, and owners', () => {
    const { value, problems } = parseText(ss, debian12);
    expect(problems).toEqual([]);
    expect(value?.listeners).toEqual([
      {
        protocol: 'tcp',
        address: '0.0.0.0',
        port: 1306,
        recvq: 0,
        sendq: 3,
        process: 'python3, pid 9',
        at: { evidence: 'out', line: 2 },
      },
      {
        protocol: 'tcp',
        address: '::',
        port: 1303,
        recvq: 0,
        sendq: 128,
        v6only: true,
        process: 'python3, pid 9',
        at: { evidence: 'out', line: 6 },
      },
      {
        protocol: 'tcp',
        address: '::',
        port: 1302,
        recvq: 2,
        sendq: 128,
        v6only: false,
        process: 'python3, pid 9',
        at: { evidence: 'out', line: 7 },
      },
    ]);
  });

  it('reads sockets with state, both ends and timer; IPv4 inside IPv6 is IPv4', () => {
    expect(withoutAt(parseText(ss, debian12).value?.sockets)).toEqual([
      {
        protocol: 'tcp',
        state: 'CLOSE-WAIT',
        recvq: 1,
        sendq: 0,
        local: { address: '127.0.0.1', port: 36408 },
        peer: { address: '127.0.0.1', port: 1301 },
        timer: { kind: 'keepalive', leftMs: 7_140_000, retries: 0 },
        process: 'python3, pid 9',
      },
      {
        protocol: 'tcp',
        state: 'TIME-WAIT',
        recvq: 0,
        sendq: 0,
        local: { address: '127.0.0.1', port: 1301 },
        peer: { address: '127.0.0.1', port: 36418 },
        timer: { kind: 'timewait', leftMs: 59_000, retries: 0 },
      },
      {
        protocol: 'tcp',
        state: 'SYN-SENT',
        recvq: 0,
        sendq: 1,
        local: { address: '10.9.0.1', port: 34284 },
        peer: { address: '10.9.0.99', port: 80 },
        timer: { kind: 'on', leftMs: 988, retries: 0 },
        process: 'python3, pid 9',
      },
      {
        protocol: 'tcp',
        state: 'ESTAB',
        recvq: 0,
        sendq: 0,
        local: { address: '127.0.0.1', port: 1302 },
        peer: { address: '127.0.0.1', port: 34434 },
      },
    ]);
  });

  it('reads CentOS 6: * is IPv4, users without pid= and fd=', () => {
    const { value, problems } = parseText(ss, centos6, { argv: ['ss', '-lntp'] });
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      listeners: [
        { protocol: 'tcp', address: '::', port: 22, recvq: 0, sendq: 128, process: 'sshd, pid 1444' },
        { protocol: 'tcp', address: '0.0.0.0', port: 80, recvq: 129, sendq: 128, process: 'nginx, pid 1234' },
        { protocol: 'tcp', address: '127.0.0.1', port: 25, recvq: 0, sendq: 100, process: 'master, pid 1523' },
      ],
    });
  });

  it.each([
    // The same two sockets, sshd on both families, as each version prints them.
    ['iproute2 4.11 (CentOS 7.7)', 'LISTEN 0 128 *:22 *:*\nLISTEN 0 128 [::]:22 [::]:*\n', ['0.0.0.0', '::']],
    [
      'iproute2 4.15 (Ubuntu 18.04)',
      'LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 128 [::]:22 [::]:*\n',
      ['0.0.0.0', '::'],
    ],
    ['iproute2 2.6.32 (CentOS 6)', 'LISTEN 0 128 :::22 :::*\nLISTEN 0 128 *:22 *:*\n', ['::', '0.0.0.0']],
    ['a lone star', 'LISTEN 0 128 *:1301 *:*\n', ['::']],
  ])('tells what * is in %s', (_version, text, addresses) => {
    expect(parseText(ss, text, { argv: ['ss', '-lntH'] }).value?.listeners?.map(({ address }) => address)).toEqual(
      addresses,
    );
  });

  it('passes over details on continuation lines', () => {
    const text = `ESTAB      0      0      10.98.0.50:1301   10.98.0.60:41000 timer:(keepalive,1min20sec,0) ino:7 sk:1003 <->
	 skmem:(r0,rb131072,t0,tb3939840,f0,w0,o0,bl0,d0) ts sack bbr wscale:10,10 rto:204 rtt:0.028/0.014 mss:32768 cwnd:10 0 1 2 3
`;
    const { value, problems } = parseText(ss, text, { argv: ['ss', '-tnoiemH'] });
    expect(problems).toEqual([]);
    expect(value?.sockets).toHaveLength(1);
    expect(value?.sockets?.[0]?.timer).toEqual({ kind: 'keepalive', leftMs: 80_000, retries: 0 });
  });

  it.each([
    ['988ms', 988],
    ['3.456ms', 3456],
    ['59sec', 59_000],
    ['1min20sec', 80_000],
    ['119min', 7_140_000],
    ['', 0],
  ])('reads a timer of %s', (text, leftMs) => {
    const { value } = parseText(ss, `ESTAB 0 1 10.0.0.1:1 10.0.0.2:2 timer:(on,${text},5)\n`, {
      argv: ['ss', '-tnoH'],
    });
    expect(value?.sockets?.[0]?.timer).toEqual({ kind: 'on', leftMs, retries: 5 });
  });

  it('knows the state where a filter takes the column away', () => {
    const text =
      'Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n0      1           10.9.0.1:34284    10.9.0.99:80         \n';
    const { value } = parseText(ss, text, { argv: ['ss', '-tn', 'state', 'syn-recv', 'sport = :80'] });
    expect(withoutAt(value)).toEqual({
      sockets: [
        {
          protocol: 'tcp',
          state: 'SYN-RECV',
          recvq: 0,
          sendq: 1,
          local: { address: '10.9.0.1', port: 34284 },
          peer: { address: '10.9.0.99', port: 80 },
        },
      ],
    });
  });

  it('gives what the command shows at all: absent is not looked, empty is none', () => {
    const shown = (...argv: string[]): string[] => Object.keys(parseText(ss, '', { argv }).value ?? {});
    expect(shown('ss', '-lntupH')).toEqual(['listeners']);
    expect(shown('ss', '-tnH')).toEqual(['sockets']);
    expect(shown('ss', '-tanH')).toEqual(['listeners', 'sockets']);
    expect(shown('ss', '-tanH', '(', 'sport', '=', ':80', ')')).toEqual(['sockets']);
    expect(shown('ss', '-lntH', 'sport = :80')).toEqual(['listeners']);
    expect(shown('nsenter', '-t', '7', '-n', '--', '/usr/sbin/ss', '-lntH')).toEqual(['listeners']);
  });

  it('keeps UDP apart: a listener has no accept queue, a connected socket is no listener', () => {
    const text = `Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
u_str LISTEN 0      128    /run/x.sock 18438            * 0
nl    UNCONN 0      0                     rtnl:kernel          *
udp   UNCONN 768    0            0.0.0.0:1307      0.0.0.0:*
udp   ESTAB  0      0          127.0.0.1:33943   127.0.0.1:1307
`;
    const { value, problems } = parseText(ss, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      listeners: [{ protocol: 'udp', address: '0.0.0.0', port: 1307, recvq: 768, sendq: null }],
      sockets: [
        {
          protocol: 'udp',
          state: 'ESTAB',
          recvq: 0,
          sendq: 0,
          local: { address: '127.0.0.1', port: 33943 },
          peer: { address: '127.0.0.1', port: 1307 },
        },
      ],
    });
  });

  it('says which lines it could not read, and has no empty list to offer where it read none', () => {
    const header = 'State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n';
    expect(parseText(ss, header).value).toEqual({ listeners: [], sockets: [] });
    const garbled = parseText(ss, `${header}LISTEN x 128 0.0.0.0:80 0.0.0.0:*\n`);
    expect(garbled.value).toBeUndefined();
    expect(garbled.problems[0]).toEqual({ message: 'not a socket: LISTEN x 128 0.0.0.0:80 0.0.0.0:*', line: 2 });
  });
});

describe('proc-net-tcp', () => {
  it('reads both families, timers and what waits in accept queues (Linux 6.18)', () => {
    const { value } = parseText(procNetTcp, procNetTcp.sample);
    expect(withoutAt(value)).toEqual({
      listeners: [
        { protocol: 'tcp', address: '0.0.0.0', port: 1301, recvq: 0, sendq: null, inode: 12_095 },
        { protocol: 'tcp', address: '::', port: 1302, recvq: 2, sendq: null, inode: 12_096 },
      ],
      sockets: [
        {
          protocol: 'tcp',
          state: 'SYN-SENT',
          recvq: 0,
          sendq: 1,
          local: { address: '10.9.0.1', port: 34284 },
          peer: { address: '10.9.0.99', port: 80 },
          timer: { kind: 'on', leftMs: 960, retries: 0 },
          inode: 12_109,
        },
      ],
    });
  });

  it('knows UDP by its columns or by the command', () => {
    const header =
      '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';
    const row =
      ' 8299: 00000000:051B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12101 2 00000000aec872b7 0\n';
    const expected = [{ protocol: 'udp', address: '0.0.0.0', port: 1307, recvq: 0, sendq: null, inode: 12_101 }];
    expect(withoutAt(parseText(procNetTcp, header + row).value?.listeners)).toEqual(expected);
    expect(withoutAt(parseText(procNetTcp, row, { argv: ['cat', '/proc/net/udp'] }).value?.listeners)).toEqual(
      expected,
    );
  });
});

describe('netstat-n', () => {
  it('reads net-tools, with owners whose names have blanks', () => {
    const text = `Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name     Timer
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      600/sshd: /usr/sbin  off (0.00/0/0)
tcp6       0      0 ::1:59888               ::1:1302                ESTABLISHED 9/python3            keepalive (7188.59/0/0)
tcp        0      0 127.0.0.1:1301          127.0.0.1:36418         TIME_WAIT   -                    timewait (59.10/0/0)
udp6       0      0 :::5353                 :::*                                442/avahi-daemon: r  off (0.00/0/0)
`;
    const { value, problems } = parseText(netstatN, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      listeners: [
        { protocol: 'tcp', address: '0.0.0.0', port: 22, recvq: 0, sendq: null, process: 'sshd: /usr/sbin, pid 600' },
        { protocol: 'udp', address: '::', port: 5353, recvq: 0, sendq: null, process: 'avahi-daemon: r, pid 442' },
      ],
      sockets: [
        {
          protocol: 'tcp',
          state: 'ESTAB',
          recvq: 0,
          sendq: 0,
          local: { address: '::1', port: 59888 },
          peer: { address: '::1', port: 1302 },
          timer: { kind: 'keepalive', leftMs: 7_188_590, retries: 0 },
          process: 'python3, pid 9',
        },
        {
          protocol: 'tcp',
          state: 'TIME-WAIT',
          recvq: 0,
          sendq: 0,
          local: { address: '127.0.0.1', port: 1301 },
          peer: { address: '127.0.0.1', port: 36418 },
          timer: { kind: 'timewait', leftMs: 59_100, retries: 0 },
        },
      ],
    });
  });

  it('needs no heading, and refuses rows that it cannot read in full', () => {
    const row = 'tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN\n';
    expect(withoutAt(parseText(netstatN, row).value)).toEqual({
      listeners: [{ protocol: 'tcp', address: '0.0.0.0', port: 22, recvq: 0, sendq: null }],
      sockets: [],
    });
    for (const bad of [
      'tcp 0 0 localhost:ssh 0.0.0.0:* LISTEN',
      'tcp x 0 0.0.0.0:22 0.0.0.0:* LISTEN',
      'tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTENING',
    ]) {
      const parsed = parseText(netstatN, `Active Internet connections (only servers)\n${bad}\n`);
      expect(parsed.value, bad).toBeUndefined();
    }
    expect(
      parseText(
        netstatN,
        'Active Internet connections (only servers)\nProto Recv-Q Send-Q Local Address Foreign Address State\n',
      ).value,
    ).toEqual({ listeners: [] });
  });

  it('shows only what the heading says', () => {
    const row = 'tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN\n';
    expect(parseText(netstatN, `Active Internet connections (only servers)\n${row}`).value).not.toHaveProperty(
      'sockets',
    );
    const connected = 'tcp        0      0 10.0.0.1:22              10.0.0.2:5000               ESTABLISHED\n';
    expect(parseText(netstatN, `Active Internet connections (w/o servers)\n${connected}`).value).not.toHaveProperty(
      'listeners',
    );
  });
});

describe('ss-summary', () => {
  it('reads the newer and the older wording', () => {
    expect(parseText(ssSummary, ssSummary.sample).value?.tcp).toEqual({
      total: 15,
      estab: 5,
      closed: 3,
      orphaned: 0,
      timewait: 2,
    });
    // iproute2 2.6.32 (CentOS 6)
    const old = `Total: 182 (kernel 196)
TCP:   11 (estab 2, closed 1, orphaned 0, synrecv 0, timewait 1/0), ports 9

Transport Total     IP        IPv6
*	  196       -         -        
RAW	  0         0         0        
UDP	  6         4         2        
TCP	  10        6         4        
`;
    const { value } = parseText(ssSummary, old);
    expect(value?.total).toBe(182);
    expect(value?.tcp).toEqual({ total: 11, estab: 2, closed: 1, orphaned: 0, synrecv: 0, timewait: 1, ports: 9 });
    expect(withoutAt(value?.transports)).toEqual([
      { name: 'RAW', total: 0, ipv4: 0, ipv6: 0 },
      { name: 'UDP', total: 6, ipv4: 4, ipv6: 2 },
      { name: 'TCP', total: 10, ipv4: 6, ipv6: 4 },
    ]);
  });
});
