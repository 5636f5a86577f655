import { describe, expect, it } from 'vitest';
import { sysctl } from '../../src/parsers/sysctl.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('sysctl', () => {
  it('reads grep over /proc/sys; a file that is not there is null, one that may not be read is left out', () => {
    // GNU grep 3.8 on Debian 12, as an ordinary user.
    const { value, problems } = parseText(
      sysctl,
      '/proc/sys/net/ipv4/ip_forward:0\n/proc/sys/net/ipv4/tcp_rmem:4096\t131072\t33554432\n/proc/sys/net/ipv4/ip_local_reserved_ports:\n',
      {
        stderr:
          'grep: /proc/sys/net/ipv4/tcp_tw_recycle: No such file or directory\ngrep: /proc/sys/net/ipv4/tcp_fastopen_key: Permission denied\n',
        exitCode: 2,
      },
    );
    expect(value).toEqual({
      'net.ipv4.ip_forward': { value: '0', at: { evidence: 'out', line: 1 } },
      'net.ipv4.tcp_rmem': { value: '4096\t131072\t33554432', at: { evidence: 'out', line: 2 } },
      'net.ipv4.ip_local_reserved_ports': { value: '', at: { evidence: 'out', line: 3 } },
      'net.ipv4.tcp_tw_recycle': { value: null, at: { evidence: 'out' } },
    });
    expect(problems).toEqual([{ message: 'grep: /proc/sys/net/ipv4/tcp_fastopen_key: Permission denied' }]);
  });

  it.each([
    ['busybox grep', 'grep: /proc/sys/net/ipv4/tcp_tw_recycle: No such file or directory'],
    ['grep with its path', '/bin/grep: /proc/sys/net/ipv4/tcp_tw_recycle: No such file or directory'],
    ['GNU grep in Chinese', 'grep: /proc/sys/net/ipv4/tcp_tw_recycle: 没有那个文件或目录'],
    ['procps 3.3 and 4', 'sysctl: cannot stat /proc/sys/net/ipv4/tcp_tw_recycle: No such file or directory'],
    ['procps 3.2.8 (CentOS 6)', 'error: "net.ipv4.tcp_tw_recycle" is an unknown key'],
    ['busybox sysctl', "sysctl: error: 'net.ipv4.tcp_tw_recycle' is an unknown key"],
    ['cat', 'cat: /proc/sys/net/ipv4/tcp_tw_recycle: No such file or directory'],
    ['busybox cat', "cat: can't open '/proc/sys/net/ipv4/tcp_tw_recycle': No such file or directory"],
  ])('knows from %s that there is no such setting, on either stream', (_tool, text) => {
    const none = { 'net.ipv4.tcp_tw_recycle': { value: null } };
    expect(withoutAt(parseText(sysctl, '', { stderr: `${text}\n`, exitCode: 2 }).value)).toEqual(none);
    expect(withoutAt(parseText(sysctl, `${text}\n`, { exitCode: 2 }).value)).toEqual(none);
  });

  it.each([
    "sysctl: permission denied on key 'net.ipv4.tcp_fastopen_key'",
    'error: permission denied on key "net.ipv4.route.flush"',
    'sysctl: reading key "net.ipv6.conf.all.stable_secret"',
    'grep: /proc/sys/net/ipv4/route/flush: Permission denied',
    'grep: /proc/sys/net/ipv6/conf/all/stable_secret: Input/output error',
    'grep: /proc/sys/net/ipv4/conf/all: Is a directory',
  ])('does not take for a value or for absence: %s', (text) => {
    const parsed = parseText(sysctl, 'net.core.somaxconn = 128\n', { stderr: `${text}\n` });
    expect(withoutAt(parsed.value)).toEqual({ 'net.core.somaxconn': { value: '128' } });
    expect(parsed.problems).toHaveLength(1);
  });

  it('spells devices with dots as sysctl does', () => {
    const fromPath = parseText(sysctl, '/proc/sys/net/ipv4/conf/eth0.100/rp_filter:1\n').value;
    const fromSysctl = parseText(sysctl, 'net.ipv4.conf.eth0/100.rp_filter = 1\n').value;
    expect(fromPath).toEqual(fromSysctl);
    expect(Object.keys(fromPath ?? {})).toEqual(['net.ipv4.conf.eth0/100.rp_filter']);
  });

  it('puts values of several lines together', () => {
    const text =
      'dev.cdrom.info = CD-ROM information, Id: cdrom.c 3.20 2003/12/17\ndev.cdrom.info = \ndev.cdrom.info = drive name:\t\tsr0\ndev.cdrom.info = \nnet.core.somaxconn = 128\n';
    const { value, problems } = parseText(sysctl, text);
    expect(problems).toEqual([]);
    expect(value?.['dev.cdrom.info']).toEqual({
      value: 'CD-ROM information, Id: cdrom.c 3.20 2003/12/17\n\ndrive name:\t\tsr0',
      at: { evidence: 'out', line: 1 },
    });
    expect(value?.['net.core.somaxconn']?.value).toBe('128');
  });

  it('cannot be tricked by names of object members', () => {
    const { value } = parseText(sysctl, 'net.core.somaxconn = 128\na.__proto__ = 1\n');
    expect(Object.keys(value ?? {})).toEqual(['net.core.somaxconn', 'a.__proto__']);
  });
});
