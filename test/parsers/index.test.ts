import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsers } from '../../src/parsers/index.ts';
import { mostProblems } from '../../src/parsers/problem-list.ts';
import type { Parsed } from '../../src/model/parser.ts';
import { inputOf, parseText } from './parse-text.ts';

/** What nodes say instead of an answer. None of it may ever become a value. */
const refusals = [
  'bash: line 1: ss: command not found',
  'sh: 1: ss: not found',
  '-sh: ipvsadm: not found',
  'bash: /usr/sbin/ip: Permission denied',
  'Permission denied',
  'permission denied',
  'Operation not permitted',
  'sudo: a password is required',
  'sudo: no tty present and no askpass program specified',
  'sudo: sorry, you must have a tty to run sudo',
  'netcheck is not in the sudoers file.  This incident will be reported.',
  'cat: /proc/net/stat/nf_conntrack: No such file or directory',
  "cat: can't open '/proc/net/ip_vs': No such file or directory",
  'iptables-save v1.4.21: Cannot initialize: Permission denied (you must be root)',
  'Fatal: can’t open lock file /run/xtables.lock: Permission denied',
  "Can't initialize ipvs: Protocol not available\nAre you sure that IP Virtual Server is built in the kernel or as module?",
  'conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this',
  'Cannot open netlink socket: Protocol not supported',
  'Object "tcp_metrics" is unknown, try "ip help".',
  'Error: JSON support not compiled-in',
  'Connection to 10.0.0.1 closed by remote host.',
  'Killed',
  'Terminated',
  'Segmentation fault (core dumped)',
  '未找到命令',
  '-bash: ss: 未找到命令',
];

function expectShape(parsed: Parsed<unknown>): void {
  expect(Array.isArray(parsed.problems)).toBe(true);
  expect(parsed.problems.length).toBeLessThanOrEqual(mostProblems + 2);
  if (parsed.value === undefined) expect(parsed.problems.length).toBeGreaterThan(0);
  for (const { message } of parsed.problems) expect(message.length).toBeLessThan(400);
}

/** Kinds that `netcheck parse` may not lose. */
const promised = (
  'uname os-release sysctl proc-net-snmp proc-net-netstat proc-net-sockstat netstat-s nstat ss ss-summary netstat-n ' +
  'ipvsadm ipvsadm-connections ipvsadm-timeouts ipvsadm-stats proc-net-ip-vs proc-net-ip-vs-conn conntrack-stats ' +
  'conntrack-list proc-nf-conntrack-stat iptables-save nft-json ip-link ip-addr ip-route ip-rule ip-neigh ' +
  'ip-route-get ip-tcp-metrics ethtool ethtool-i ethtool-k ethtool-g ethtool-s softnet-stat proc-net-dev rt-cache ' +
  'arp-cache resolv-conf nsswitch tracepath ping dmesg softirqs interrupts ip-vs-stats ipset proc-limits fd-count ' +
  'cpu-stat kube-proxy getent-ahosts arping bridge-fdb hosts iptables-version proc-net-arp conntrack-count ' +
  'socket-owners proc-net-route proc-net-ipv6-route proc-net-if-inet6'
).split(' ');

describe('the registry', () => {
  it('has the kinds under their own names, with a line of help each', () => {
    expect(promised.filter((kind) => !parsers.has(kind))).toEqual([]);
    for (const [kind, parser] of parsers) {
      expect(parser.kind).toBe(kind);
      expect(kind).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
      expect(parser.reads).not.toContain('\n');
      expect(parser.reads.length).toBeGreaterThan(3);
    }
  });
});

describe.each([...parsers])('%s', (_kind, parser) => {
  it('reads its own sample without a problem', () => {
    const { value, problems } = parseText(parser, parser.sample);
    expect(problems).toEqual([]);
    expect(value).toBeDefined();
  });

  it('says where in the sample every item stands', () => {
    const { value } = parseText(parser, parser.sample);
    const lines = parser.sample.split('\n').length;
    const ats = atsIn(value);
    expect(ats.length).toBeGreaterThan(0);
    for (const at of ats) {
      expect(at).toMatchObject({ evidence: 'out' });
      expect((at as { line: number }).line).toBeGreaterThanOrEqual(1);
      expect((at as { line: number }).line).toBeLessThanOrEqual(lines);
    }
  });

  it('reads the sample with CR LF line ends alike', () => {
    const unix = parseText(parser, parser.sample);
    const dos = parseText(parser, parser.sample.replaceAll('\n', '\r\n'));
    expect(dos).toEqual(unix);
  });

  it('has no value where the node said something instead, on either stream, whatever the exit status', () => {
    for (const text of refusals) {
      for (const exitCode of [0, 1, 127, null]) {
        const onStderr = parseText(parser, '', { stderr: `${text}\n`, exitCode });
        expect(onStderr.value, text).toBeUndefined();
        expect(onStderr.problems.length, text).toBeGreaterThan(0);
        const onStdout = parseText(parser, `${text}\n`, { exitCode });
        expect(onStdout.value, text).toBeUndefined();
        expect(onStdout.problems.length, text).toBeGreaterThan(0);
      }
    }
  });

  it('has no value for an empty output of a command that failed or did not end', () => {
    for (const exitCode of [1, 2, 127, null]) {
      const parsed = parseText(parser, '', { exitCode });
      expect(parsed.value).toBeUndefined();
      expect(parsed.problems.length).toBeGreaterThan(0);
    }
    expectShape(parseText(parser, '', { exitCode: 0 }));
  });

  it('survives its sample cut at every byte, finished or not', { timeout: 120_000 }, () => {
    const bytes = new TextEncoder().encode(parser.sample);
    for (let length = 0; length < bytes.length; length += 1) {
      for (const exitCode of [0, null]) expectShape(parser.parse(inputOf(bytes.subarray(0, length), { exitCode })));
    }
  });

  it('survives random bytes, alone and in the middle of the sample', { timeout: 120_000 }, () => {
    const sample = new TextEncoder().encode(parser.sample);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(sample.length), (bytes, at) => {
        expectShape(parser.parse(inputOf(bytes)));
        expectShape(
          parser.parse(inputOf(new Uint8Array([...sample.subarray(0, at), ...bytes, ...sample.subarray(at)]))),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('survives words of its sample in any order', { timeout: 120_000 }, () => {
    const words = parser.sample.split(/(\s+|[:=(),[\]{}"])/).filter((word) => word !== '');
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...words, '-1', '!', '\u0000', '/', '%', '99999999999999999999'), { maxLength: 60 }),
        (some) => {
          expectShape(parseText(parser, some.join(' ')));
          expectShape(parseText(parser, some.join('')));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('survives a line of 5 MB, NULs, newlines, blanks, backslashes and quotes without end', {
    timeout: 120_000,
  }, () => {
    const long = parser.sample.split('\n')[0] ?? '';
    for (const text of [
      long.repeat(Math.ceil(5_000_000 / Math.max(1, long.length))),
      `${long} ${'1 '.repeat(1_000_000)}`,
      '\0'.repeat(300_000),
      '\n'.repeat(300_000),
      ' '.repeat(300_000),
      `${parser.sample}${'\\'.repeat(300_000)}`,
      `${parser.sample}${'"'.repeat(300_000)}`,
    ]) {
      expectShape(parseText(parser, text));
    }
  });
});

function atsIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(atsIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => (name === 'at' ? [item] : atsIn(item)));
}
