import { describe, expect, it } from 'vitest';
import { ping } from '../../src/parsers/ping.ts';
import { tcpProbe } from '../../src/parsers/tcp-probe.ts';
import { tracepath } from '../../src/parsers/tracepath.ts';
import { parseText, withoutAt } from './parse-text.ts';

const argv = ['sh', '-c', 'SCRIPT -c', 'sh', '10.9.0.9', '1301', '8', '5'];

describe('tcp-probe', () => {
  it('takes target and port from the command and times from the lines', () => {
    const { value, problems } = parseText(tcpProbe, tcpProbe.sample, { argv });
    expect(problems).toEqual([]);
    expect(value?.map(({ to, port, attempt, outcome, at }) => ({ to, port, attempt, outcome, line: at.line }))).toEqual(
      [
        { to: '10.9.0.9', port: 1301, attempt: 1, outcome: 'connected', line: 1 },
        { to: '10.9.0.9', port: 1301, attempt: 2, outcome: 'refused', line: 2 },
        { to: '10.9.0.9', port: 1301, attempt: 3, outcome: 'timedOut', line: 3 },
      ],
    );
    expect(value?.[0]?.startedAtMs).toBeCloseTo(1_795_234_472_275.31, 2);
    expect(value?.[0]?.tookMs).toBeCloseTo(1.49, 1);
    expect(value?.[1]?.message).toBe('bash: connect: Connection refused');
  });

  it('finds the command behind nsenter and knows whole seconds', () => {
    const { value } = parseText(tcpProbe, 'attempt 1 1795234472.N 1795234475.N 1 No route to host\n', {
      argv: ['nsenter', '-t', '7', '-n', '--', 'sh', '-c', 'SCRIPT', 'sh', 'fd00:0::9', '80', '1', '5'],
    });
    expect(withoutAt(value)).toEqual([
      {
        to: 'fd00::9',
        port: 80,
        attempt: 1,
        startedAtMs: 1_795_234_472_000,
        tookMs: 3000,
        outcome: 'noRoute',
        message: 'No route to host',
      },
    ]);
  });

  it('puts attempts that ended out of order in order again', () => {
    const text = 'attempt 2 1795234472.2 1795234472.3 0 \nattempt 1 1795234472.1 1795234477.1 124 \n';
    expect(parseText(tcpProbe, text, { argv }).value?.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it.each([
    [0, 'anything', 'connected'],
    [1, 'bash: connect: Connection refused', 'refused'],
    [1, 'bash: line 1: /dev/tcp/10.9.0.9/1301: Connection refused', 'refused'],
    [1, 'nc: connect to 10.9.0.9 port 1301 (tcp) failed: Connection refused', 'refused'],
    [1, '(UNKNOWN) [10.9.0.9] 1301 (?) : Connection refused', 'refused'],
    [1, 'Ncat: Connection refused.', 'refused'],
    [1, "nc: can't connect to remote host (10.9.0.9): Connection refused", 'refused'],
    [1, '[Errno 111] Connection refused', 'refused'],
    [1, 'bash: connect: 拒绝连接', 'refused'],
    [1, 'bash: connect: No route to host', 'noRoute'],
    [1, 'nc: 10.9.0.9 (10.9.0.9:1301): Host is unreachable', 'noRoute'],
    [1, '[Errno 113] No route to host', 'noRoute'],
    [1, 'bash: connect: 没有到主机的路由', 'noRoute'],
    [1, 'bash: connect: Network is unreachable', 'netUnreachable'],
    [1, 'bash: connect: Connection timed out', 'timedOut'],
    [1, 'nc: connect to 10.9.0.9 port 1301 (tcp) timed out: Operation now in progress', 'timedOut'],
    [1, 'Ncat: TIMEOUT.', 'timedOut'],
    [1, 'bash: connect: Operation not permitted', 'notPermitted'],
    [1, 'bash: connect: Permission denied', 'notPermitted'],
    [124, '', 'timedOut'],
    [137, 'Killed', 'timedOut'],
    [143, 'Terminated', 'timedOut'],
    [1, 'bash: connect: Cannot assign requested address', 'other'],
    [1, 'bash: connect: Connection reset by peer', 'other'],
    [1, '', 'other'],
  ])('status %i with "%s" is %s', (status, message, outcome) => {
    const { value } = parseText(tcpProbe, `attempt 1 1795234472.1 1795234472.2 ${status} ${message}\n`, { argv });
    expect(value?.[0]?.outcome).toBe(outcome);
  });

  it('takes silence until the limit for a time-out (nc -w)', () => {
    const { value } = parseText(tcpProbe, 'attempt 1 1795234472.1 1795234477.1 1 \n', { argv });
    expect(value?.[0]?.outcome).toBe('timedOut');
  });

  it.each([
    [127, 'sh: 1: nc: not found'],
    [126, 'sh: /usr/bin/nc: Permission denied'],
    [2, 'sh: 1: cannot open /dev/tcp/10.9.0.9/1301: No such file'],
    [1, "sh: can't create /dev/tcp/10.9.0.9/1301: nonexistent directory"],
  ])('does not take for a probe what could not be tried: %i %s', (status, message) => {
    const { value, problems } = parseText(tcpProbe, `attempt 1 1795234472.1 1795234472.2 ${status} ${message}\n`, {
      argv,
    });
    expect(value).toBeUndefined();
    expect(problems[0]?.message).toContain('could not be made');
  });
});

describe('ping', () => {
  it('reads answers, refusals and totals of iputils', () => {
    expect(withoutAt(parseText(ping, ping.sample).value)).toEqual({
      target: '10.9.0.9',
      replies: [{ sequence: 1, timeMs: 0.157, ttl: 64, duplicate: false }],
      errors: [
        { message: 'Frag needed and DF set (mtu = 1400)', mtu: 1400 },
        { message: 'message too long, mtu=1400', mtu: 1400 },
      ],
      sent: 3,
      received: 1,
    });
  });

  it('reads busybox, IPv6 and time stamps', () => {
    const busybox = `PING 10.9.0.9 (10.9.0.9): 56 data bytes
64 bytes from 10.9.0.9: seq=0 ttl=64 time=0.042 ms

--- 10.9.0.9 ping statistics ---
2 packets transmitted, 1 packets received, 50% packet loss
round-trip min/avg/max = 0.042/0.042/0.042 ms
`;
    const { value, problems } = parseText(ping, busybox);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      target: '10.9.0.9',
      replies: [{ sequence: 0, timeMs: 0.042, ttl: 64, duplicate: false }],
      errors: [],
      sent: 2,
      received: 1,
    });
    const six =
      'PING fd00::9(fd00::9) 56 data bytes\n[1594976827.240914] 64 bytes from fd00::9: icmp_seq=1 ttl=59 time=28.7 ms (DUP!)\nFrom fd00::1: icmp_seq=2 Destination unreachable: Address unreachable\n';
    expect(withoutAt(parseText(ping, six, { exitCode: null }).value)).toEqual({
      target: 'fd00::9',
      replies: [{ sequence: 1, timeMs: 28.7, ttl: 59, duplicate: true }],
      errors: [{ message: 'Destination unreachable: Address unreachable' }],
      sent: null,
      received: null,
    });
  });

  it('has errors of stderr too, and nothing without a first line', () => {
    const head = 'PING 10.9.0.9 (10.9.0.9) 1472(1500) bytes of data.\n';
    expect(parseText(ping, head, { stderr: 'ping: local error: Message too long, mtu=1300\n' }).value?.errors).toEqual([
      { message: 'Message too long, mtu=1300', mtu: 1300, at: { evidence: 'out' } },
    ]);
    expect(
      parseText(ping, '', { stderr: 'ping: connect: Network is unreachable\n', exitCode: 2 }).value,
    ).toBeUndefined();
  });
});

describe('tracepath', () => {
  it('reads hops and the MTU where it shrinks', () => {
    expect(withoutAt(parseText(tracepath, tracepath.sample).value)).toEqual({
      hops: [
        { hop: 1, host: '10.9.0.254', rttMs: 0.071, reached: false },
        { hop: 1, host: '10.9.0.254', rttMs: 0.04, reached: false },
        { hop: 2, host: '10.9.0.254', rttMs: 0.038, pmtu: 1400, reached: false },
        { hop: 2, reached: false },
        { hop: 3, host: '10.10.0.2', rttMs: 0.062, reached: true },
      ],
      pmtu: 1400,
      reached: true,
    });
  });

  it('knows the MTU also where it was ended before it said so', () => {
    const cut = ' 1?: [LOCALHOST]                      pmtu 1500\n 1:  10.9.0.254      0.071ms pmtu 1400\n 2:  no rep';
    const { value, problems } = parseText(tracepath, cut, { exitCode: null });
    expect(value?.pmtu).toBe(1400);
    expect(value?.reached).toBe(false);
    expect(problems).toHaveLength(1);
    expect(parseText(tracepath, ' 1?: [LOCALHOST]   pmtu 1500\n', { exitCode: null }).value).toEqual({
      hops: [],
      pmtu: 1500,
      reached: false,
    });
  });
});
