import { describe, expect, it } from 'vitest';
import { cpuStat } from '../../src/parsers/cpu-stat.ts';
import { fdCount } from '../../src/parsers/fd-count.ts';
import { procLimits } from '../../src/parsers/proc-limits.ts';
import { socketOwners } from '../../src/parsers/socket-owners.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('proc-limits', () => {
  it('reads soft and hard by the columns of the heading, unlimited as null (Linux 2.6.32 and 6.18)', () => {
    const text = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max stack size            10485760             unlimited            bytes     
Max processes             31214                31214                processes 
Max open files            1024                 1048576              files     
Max realtime timeout      unlimited            unlimited            us        
Max realtime priority     0                    0                    
`;
    const { value, problems } = parseText(procLimits, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      'Max cpu time': { soft: null, hard: null },
      'Max stack size': { soft: 10_485_760, hard: null },
      'Max processes': { soft: 31_214, hard: 31_214 },
      'Max open files': { soft: 1024, hard: 1_048_576 },
      'Max realtime timeout': { soft: null, hard: null },
      'Max realtime priority': { soft: 0, hard: 0 },
    });
    expect(value?.['Max open files']?.at.line).toBe(5);
  });

  it('does not read numbers without the heading that says which is which', () => {
    expect(
      parseText(procLimits, 'Max open files            1024                 4096   files\n').value,
    ).toBeUndefined();
  });
});

describe('fd-count', () => {
  it('counts one name per line, and several', () => {
    expect(parseText(fdCount, '0\n1\n2\n255\n').value?.count).toBe(4);
    expect(parseText(fdCount, '0  1  2  3\n').value?.count).toBe(4);
  });

  it('counts all of a process with more files than other outputs have lines', () => {
    const text = Array.from({ length: 300_001 }, (_one, at) => `${at}\n`).join('');
    expect(parseText(fdCount, text)).toMatchObject({ value: { count: 300_001 }, problems: [] });
  });

  it('is nothing where the list was cut or could not be read: it would be too small', () => {
    expect(parseText(fdCount, '0\n1\n', { exitCode: null }).value).toBeUndefined();
    expect(
      parseText(fdCount, '', { stderr: "ls: cannot open directory '/proc/1/fd': Permission denied\n" }).value,
    ).toBe(undefined);
  });
});

describe('cpu-stat', () => {
  it('version 1: nanoseconds become microseconds, what is not told is null', () => {
    const { value } = parseText(cpuStat, 'nr_periods 1201\nnr_throttled 37\nthrottled_time 81234567890\n');
    expect(withoutAt(value)).toEqual({
      periods: 1201,
      throttledPeriods: 37,
      throttledUsec: 81_234_568,
      usageUsec: null,
    });
  });

  it('version 2 with a quota, as Linux 6 prints it', () => {
    const text =
      'usage_usec 94011230\nuser_usec 60011230\nsystem_usec 34000000\ncore_sched.force_idle_usec 0\n' +
      'nr_periods 12034\nnr_throttled 811\nthrottled_usec 40233120\nnr_bursts 0\nburst_usec 0\n';
    const { value, problems } = parseText(cpuStat, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      periods: 12_034,
      throttledPeriods: 811,
      throttledUsec: 40_233_120,
      usageUsec: 94_011_230,
    });
  });

  it('version 2 without a quota: throttling is not zero but unknown', () => {
    const { value } = parseText(cpuStat, 'usage_usec 5\nuser_usec 3\nsystem_usec 2\n');
    expect(withoutAt(value)).toEqual({ periods: null, throttledPeriods: null, throttledUsec: null, usageUsec: 5 });
  });
});

describe('socket-owners', () => {
  it('reads several processes of ls -l by their headings, and leaves out what is no socket', () => {
    const text = `/proc/812/fd:
total 0
lr-x------ 1 root root 64 Nov 21 14:51 0 -> /dev/null
lrwx------. 1 root root 64 Nov 21 14:51 3 -> socket:[18233]

/proc/9/fd:
total 0
lrwx------ 1 nobody nogroup 64 Nov 21 14:51 3 -> anon_inode:[eventpoll]
lrwx------ 1 nobody nogroup 64 Nov 21 14:51 4 -> socket:[20951]
`;
    const { value, problems } = parseText(socketOwners, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      { pid: 812, inode: 18_233 },
      { pid: 9, inode: 20_951 },
    ]);
  });

  it('says what may not be read: the list is then not complete', () => {
    const { value, problems } = parseText(socketOwners, '/proc/812/fd/3 socket:[18233]\n', {
      stderr: 'find: ‘/proc/1/fd’: Permission denied\n'.repeat(40),
      exitCode: 1,
    });
    expect(value).toHaveLength(1);
    expect(problems.map(({ message }) => message)).toEqual([
      ...Array.from({ length: 5 }, () => 'stderr: find: ‘/proc/1/fd’: Permission denied'),
      '35 more: stderr',
    ]);
  });

  it('names no process that it does not know', () => {
    const { value, problems } = parseText(socketOwners, 'lrwx------ 1 root root 64 Nov 21 14:51 3 -> socket:[18233]\n');
    expect(value).toBeUndefined();
    expect(problems[0]?.message).toContain('not a socket of a known process');
  });
});
